"""Numbers on a command line: `type` for argparse, with one way to say what is expected."""

from __future__ import annotations

from argparse import ArgumentTypeError


def whole(text: str) -> int:
    """Return a whole number, 0 or more."""
    if not text.isdecimal():
        raise ArgumentTypeError(f'expected a whole number, 0 or more, got "{text}"')
    return int(text)


def positive(text: str) -> int:
    """Return a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f'expected a whole number above 0, got "{text}"')
    return int(text)


def share(text: str) -> float:
    """Return a number from 0 to below 1."""
    number = _number(text)
    if not 0 <= number < 1:
        raise ArgumentTypeError(f'expected a number from 0 to below 1, got "{text}"')
    return number


def above_zero(text: str) -> float:
    """Return a finite number above 0."""
    number = _number(text)
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f'expected a number above 0, got "{text}"')
    return number


def _number(text: str) -> float:
    """Return the number, or NaN, which lies in no range."""
    try:
        return float(text)
    except ValueError:
        return float("nan")

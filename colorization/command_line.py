"""What the commands have in common: how they end, and numbers and devices on their command lines.

`run` does the work of a command; `whole`, `positive` and the others are types for argparse.
"""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread

from colorization.errors import ColorizationError, UsageError

GOES_ON = "the same command goes on where this one stopped"


def run(command: str, work: Callable[[], int], interrupted: str = GOES_ON) -> int:
    """Return the exit code of a command: that of its work, or one for what stopped it.

    2 for a UsageError, 1 for another ColorizationError and for an OSError, 130 for Ctrl-C and for
    SIGTERM, with which `docker stop` and schedulers end a program; each is told in one line.
    """
    try:
        with _terminated_as_interrupted():
            return work()
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return 130
    except (ColorizationError, OSError) as error:
        print(f"{command}: {one_line(error)}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


@contextmanager
def preparing() -> Iterator[None]:
    """Turn what stops a command before its work, as a refused value does, into a UsageError."""
    try:
        yield
    except (ColorizationError, ValueError) as error:
        raise UsageError(str(error)) from error


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line; for one of the system, the file it is about first."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(text.split()) or type(error).__name__


def failure(source: Path, error: BaseException) -> str:
    """Return `FILE: why` in one line, for one file of many."""
    from colorization.images import ImageError
    from colorization.video import VideoError

    names_it = isinstance(error, (ImageError, VideoError))
    return one_line(error) if names_it else f"{source}: {one_line(error)}"


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does; signals can be set by the main thread alone."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def add_device_options(parser: ArgumentParser) -> None:
    """Add --gpu ID and --cpu, of which one may be given."""
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpu", type=int, metavar="ID", help="compute on this GPU")
    device.add_argument("--cpu", action="store_true", help="compute on the CPU (the default)")


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

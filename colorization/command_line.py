"""What the commands have in common: how they end, and numbers and devices on their command lines.

`run` does the work of a command; `whole`, `positive` and the others are types for argparse.
"""

from __future__ import annotations

import signal
import sys
import warnings
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING

from colorization.defaults import CRF, DEPTH, DEPTHS
from colorization.errors import ColorizationError, UsageError, one_line

if TYPE_CHECKING:
    from colorization.video import Quality, VideoReader

GOES_ON = "the same command goes on where this one stopped"


def run(command: str, work: Callable[[], int], interrupted: str = GOES_ON) -> int:
    """Return the exit code of a command: that of its work, or one for what stopped it.

    2 for a UsageError, 1 for another ColorizationError and for an OSError, 130 for Ctrl-C and for
    SIGTERM, with which `docker stop` and schedulers end a program; each is told in one line.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters comes as an error
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


def failure(source: Path, error: BaseException) -> str:
    """Return `FILE: why` in one line, for one file of many."""
    from colorization.images import ImageError
    from colorization.video import VideoError

    names_it = isinstance(error, (ImageError, VideoError))
    return one_line(error) if names_it else f"{source}: {one_line(error)}"


def outcome(coloured: int, skipped: int, there: int, failed: int) -> str:
    """Return what became of files, of which some were skipped and others were there already."""
    remark = f" ({there} there already; --overwrite colours them again)" if there else ""
    return f"{coloured} coloured, {skipped + there} skipped, {failed} failed{remark}"


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


def add_precision_option(parser: ArgumentParser, default: str) -> None:
    """Add --precision, of which `precision_of` says what it means."""
    explained = "auto: bf16 where the device is made for it, else fp32"
    choices = ("fp32", "tf32", "bf16", "auto")
    parser.add_argument(
        "--precision", choices=choices, default=default, help=f"{explained} ({default})"
    )


def precision_of(options: Namespace) -> str:
    """Return what --precision says, and for auto what the device is made for."""
    if options.precision != "auto":
        return options.precision
    from colorization.network import fast_precision

    return fast_precision(options.gpu)


def add_output_options(parser: ArgumentParser) -> None:
    """Add --output, --crf, --depth and --overwrite, for commands that take many files."""
    parser.add_argument(
        "--output",
        type=_path,
        default=Path("colorized"),
        metavar="PATH",
        help="folder, or file for one input (colorized)",
    )
    add_quality_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="colour again what is finished")


def add_quality_options(parser: ArgumentParser) -> None:
    """Add --crf and --depth, which `quality` reads."""
    explained = "quality of films, 0 to 51, smaller is better"
    parser.add_argument("--crf", type=_crf, default=CRF, metavar="N", help=f"{explained} ({CRF})")
    parser.add_argument(
        "--depth",
        type=int,
        choices=DEPTHS,
        default=DEPTH,
        help=f"bits a channel of films; 10 for editing, as not every player shows it ({DEPTH})",
    )


def quality(options: Namespace) -> Quality:
    """Return how films are to be encoded."""
    from colorization.video import Quality

    return Quality(options.crf, options.depth)


def film_bar(film: VideoReader, name: str, leave: bool = True) -> Iterable:
    """Return the frames of a film, with a progress bar."""
    from tqdm import tqdm

    total = len(film) or None
    return tqdm(film, name, total, leave, initial=film.skipped, unit="frame", disable=None)


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


def _path(text: str) -> Path:
    if not text:
        raise ArgumentTypeError("expected the name of a folder or a file, got none")
    return Path(text)


def _crf(text: str) -> int:
    if not text.isdecimal() or int(text) > 51:
        raise ArgumentTypeError(f'expected a whole number from 0 to 51, got "{text}"')
    return int(text)


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

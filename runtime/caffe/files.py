"""Reading and replacing whole files, with errors that name the file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .errors import CaffeError

PathLike = str | os.PathLike[str]


def reason(error: Exception) -> str:
    """The operating system's words for an error, without its number and file name."""
    return getattr(error, "strerror", None) or str(error)


def is_utf8(text: str) -> bool:
    """Whether a name or an argument, as Python has it of the system, is UTF-8 there."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def read_bytes(path: PathLike, expected: str) -> bytes:
    """The content of a file; CaffeError says why it cannot be read and that `expected` was."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise CaffeError(f"{os.fspath(path)}: no such file, expected {expected}") from None
    except IsADirectoryError:
        raise CaffeError(f"{os.fspath(path)}: is a directory, expected {expected}") from None
    except (OSError, ValueError) as error:
        raise CaffeError(f"{os.fspath(path)}: cannot be read: {reason(error)}") from None


@contextmanager
def replacing(path: PathLike) -> Iterator[str]:
    """Yields a temporary name beside `path`, which becomes `path` if the block ends well.

    What is no file, a device say, cannot be replaced: its own name is yielded.
    """
    try:
        target = os.path.realpath(path)
        if os.path.exists(target) and not (os.path.isfile(target) or os.path.isdir(target)):
            yield target
            return
        temporary = f"{target}.{os.getpid()}.tmp"
        try:
            yield temporary
            os.replace(temporary, target)
        finally:
            with suppress(OSError):
                os.remove(temporary)
    except (OSError, ValueError) as error:
        raise CaffeError(f"{os.fspath(path)}: cannot be written: {reason(error)}") from None

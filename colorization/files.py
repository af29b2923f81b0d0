"""Writing files so that a reader never meets one half-written."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from zlib import crc32

try:
    import fcntl
except ImportError:  # not on every system; without it two processes are not told apart
    fcntl = None  # type: ignore[assignment]


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a hidden name beside `path`, which becomes `path` at the end of a block without errors.

    The folder is made where it is missing. After an error nothing is left behind and an older file
    at `path` stays. What a killed process left is removed, when another one first writes to that
    folder. The suffix is that of `path`, for libraries that go by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent.resolve())
    temporary = path.with_name(f".{path.stem}.{_home()}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # of a disk that cannot be written, which has been told already
            temporary.unlink(missing_ok=True)


@lru_cache(maxsize=1024)  # as listing a folder of many files takes its time
def _remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine that have ended did not bring to its place."""
    name = re.compile(rf"\..*\.{_home()}\.(\d+)\.part(\.[^.]*)?")
    with suppress(OSError):
        for file in folder.iterdir():
            found = name.fullmatch(file.name)
            if found and not _is_alive(int(found[1])):
                file.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _home() -> str:
    """Return a mark of where process ids are those of this process: on a machine, in a container.

    Others may write to the same disk; whether their processes are alive cannot be told.
    """
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{crc32(f'{platform.node()} {namespace}'.encode()):08x}"


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # nothing there tells without harm
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # somebody else's
    return True


@contextmanager
def locked(folder: Path, busy: Exception) -> Iterator[None]:
    """Keep other processes that ask for this folder away; raises `busy` if one is in it.

    The lock ends with the block, or with the process. On file systems without locks there is none.
    """
    handle = os.open(folder, os.O_RDONLY) if fcntl else None
    try:
        if handle is not None:
            _lock(handle, busy)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(handle: int, busy: Exception) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise busy from error
    except OSError:
        pass  # a file system without locks


def digests(files: Iterable[str | os.PathLike]) -> list[str]:
    """Return the SHA-256 of files, such as networks, that something is made with."""
    return [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a file of text in UTF-8, as `replacing` does."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")

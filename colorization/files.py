"""Writing files so that a reader never meets one half-written."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from zlib import crc32


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
        temporary.unlink(missing_ok=True)


@cache  # as listing a folder of many files takes its time
def _remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine that have ended did not bring to its place."""
    name = re.compile(rf"\..*\.{_home()}\.(\d+)\.part(\.[^.]*)?")
    with suppress(OSError):
        for file in folder.iterdir():
            found = name.fullmatch(file.name)
            if found and not _is_alive(int(found[1])):
                file.unlink(missing_ok=True)


@cache
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


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a file of text in UTF-8, as `replacing` does."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")

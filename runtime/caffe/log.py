"""The log: lines on stderr in glog's format, and the progress bar that they pass by.

Silent below WARNING unless `init_log` or GLOG_minloglevel says otherwise; the `caffe` command
starts at INFO. The module is callable: `caffe.log("text")` is pycaffe's function.
"""

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from types import ModuleType
from typing import Any

Show = Callable[[int, Callable[[], float]], None]

INFO, WARNING, ERROR, FATAL = range(4)
LEVEL_VARIABLE = "GLOG_minloglevel"  # of the environment, in glog's spelling
VERBOSE_VARIABLE = "GLOG_v"

SHOWN_EVERY = 0.1  # seconds between two losses of the bar: a GPU must be waited for to tell one

_state: dict[str, Any] = {"level": WARNING, "bar": None}


def _environment_level(default: int) -> int:
    """The level that the environment asks for."""
    value = os.environ.get(LEVEL_VARIABLE, "")
    return int(value) if value.isdigit() else default


def init_log(level: "int | None" = None, stderr: bool = True) -> None:
    """Show lines from `level` on (0: all); without `stderr` only errors are shown."""
    chosen = _environment_level(INFO) if level is None else level
    _state["level"] = chosen if stderr else max(chosen, ERROR)


def enabled(level: int) -> bool:
    """Whether lines of this level are shown."""
    return level >= _state["level"]


def verbose() -> bool:
    """Whether the environment asks for more than the log's usual lines."""
    return os.environ.get(VERBOSE_VARIABLE, "0") not in ("", "0")


def info(place: str, message: str) -> None:
    """Log what goes on; `place` is the source file and line that log readers look for."""
    _write(INFO, place, message)


def warning(place: str, message: str) -> None:
    """Log what may be a mistake."""
    _write(WARNING, place, message)


def error(place: str, message: str) -> None:
    """Log what went wrong."""
    _write(ERROR, place, message)


def fatal(place: str, message: str) -> None:
    """Log why the process ends; shown at every level."""
    _write(FATAL, place, message)


def number(value: float) -> str:
    """A number as the log shows it: up to six significant digits."""
    return f"{value:g}"


def _write(level: int, place: str, message: str) -> None:
    """Write a line; as in glog, one that stderr does not take is lost."""
    if sys.stderr is None or (not enabled(level) and level < FATAL):
        return
    now = datetime.now().strftime("%m%d %H:%M:%S.%f")
    end = "" if message.endswith("\n") else "\n"
    line = f"{'IWEF'[level]}{now} {threading.get_native_id():5d} {place}] {message}{end}"
    with suppress(OSError, ValueError):
        if _state["bar"] is None:
            sys.stderr.write(line)
            sys.stderr.flush()
        else:
            _state["bar"].write(line, file=sys.stderr, end="")


@atexit.register
def _drop_lost_lines() -> None:
    """Keep lines that stderr did not take from changing the exit code."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        sys.stderr = None


@contextmanager
def progress(total: int, initial: int) -> Iterator["Show"]:
    """Yields `show(iteration, loss)`: a bar under the log if stderr is a terminal, else nothing.

    `loss()` is only asked for when it is shown.
    """
    if not (enabled(INFO) and sys.stderr is not None and sys.stderr.isatty()):
        yield lambda iteration, loss: None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=initial, unit="iter", file=sys.stderr, leave=False) as bar:
        shown = -SHOWN_EVERY

        def show(iteration: int, loss: Callable[[], float]) -> None:
            nonlocal shown
            if time.monotonic() - shown >= SHOWN_EVERY:
                bar.set_postfix_str(f"loss = {number(loss())}", refresh=False)
                shown = time.monotonic()
            bar.update(iteration - bar.n)

        _state["bar"] = bar
        try:
            yield show
        finally:
            _state["bar"] = None


class _CallableModule(ModuleType):
    """Lets `caffe.log` be both this module and pycaffe's function."""

    def __call__(self, message: str) -> None:
        """Log a line of the user's own."""
        info("_caffe.cpp:57", message)


_state["level"] = _environment_level(WARNING)
log = sys.modules[__name__]
log.__class__ = _CallableModule

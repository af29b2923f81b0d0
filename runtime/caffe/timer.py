"""How long things take: pycaffe's stopwatch."""

import time
from typing import Any

import torch

from . import context, log


class Timer:
    """Measures the time from `start` to `stop`, with all that the device was given in between."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._ms: float | None = None

    def start(self) -> None:
        """Begin to measure, unless it has begun already."""
        if self._began is None:
            self._began = now_ms()

    def stop(self) -> None:
        """End measuring, if it has begun."""
        if self._began is not None:
            self._ms, self._began = now_ms() - self._began, None

    @property
    def ms(self) -> float:
        """Milliseconds of the last measurement; one that is under way is stopped."""
        self.stop()
        if self._ms is None:
            log.warning("benchmark.cpp:60", "Timer has never been run before reading time.")
            return 0.0
        return self._ms


def duration_ms(function: Any) -> float:
    """Milliseconds that a call takes."""
    start = now_ms()
    function()
    return now_ms() - start


def now_ms() -> float:
    """Milliseconds, once the device has done all that it was given."""
    if context.device().type == "cuda":
        torch.cuda.synchronize(context.device())
    return 1000 * time.perf_counter()

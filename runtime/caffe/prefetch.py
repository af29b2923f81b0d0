"""Batches computed ahead of use by daemon threads."""

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Sequence

import torch

Batch = Sequence[torch.Tensor]

_workshops: "weakref.WeakSet[_Workshop]" = weakref.WeakSet()
_threads: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()  # may outlive their workshops


class Prefetcher:
    """Gives `compute(seed, index)`, with up to `depth` batches that follow computed meanwhile.

    `compute` must depend on its arguments alone and must not refer to this object: the threads end
    when it is garbage collected. They start with the first call of `get`; depth 0 needs none.
    """

    def __init__(self, compute: Callable[[int, int], Batch], depth: int):
        self._compute = compute
        self._workshop = _Workshop(compute, depth) if depth else None
        if self._workshop:
            _workshops.add(self._workshop)
            weakref.finalize(self, self._workshop.stop).atexit = False

    def get(self, seed: int, index: int, step: int = 1) -> Batch:
        """Batch `index`; `step` leads to the next one. What `compute` raises is raised here."""
        if self._workshop is None:
            return self._compute(seed, index)
        return self._workshop.take((seed, step), index)


class _Workshop:
    """What a Prefetcher shares with its threads."""

    def __init__(self, compute: Callable[[int, int], Batch], depth: int):
        self._compute, self._depth = compute, depth
        self._changed = threading.Condition()
        self._stopped = False
        self._run: tuple = ()  # seed and step; a new object after every restart
        self._wanted = self._next = 0  # the batch of the next `take`, and of the next free thread
        self._outcomes: dict = {}
        self.threads: list = []

    def take(self, run: tuple, index: int) -> Batch:
        """The batch, from the threads; they are sent elsewhere if it is not the one in turn."""
        with self._changed:
            if self._run != run or self._wanted != index:
                self._run, self._wanted, self._next, self._outcomes = run, index, index, {}
                self._changed.notify_all()
            if not self.threads:
                self._start()
            self._changed.wait_for(lambda: index in self._outcomes)
            outcome = self._outcomes.pop(index)
            self._wanted = index + run[1]
            self._changed.notify_all()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def stop(self) -> None:
        """Let the threads end after what they compute now."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _start(self) -> None:
        count = max(1, min(self._depth, (os.cpu_count() or 1) // 2))
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        _threads.update(self.threads)
        for thread in self.threads:
            thread.start()

    def _has_work(self) -> bool:
        return self._next < self._wanted + self._depth * self._run[1]

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._has_work())
                if self._stopped:
                    return
                run, index = self._run, self._next
                self._next += run[1]
            outcome = self._outcome(run[0], index)
            with self._changed:
                if run is self._run:
                    self._outcomes[index] = outcome
                    self._changed.notify_all()

    def _outcome(self, seed: int, index: int) -> "Batch | Exception":
        try:
            return self._compute(seed, index)
        except Exception as error:
            return error


@atexit.register
def _stop_all() -> None:
    """Let no thread run into the interpreter's end: torch's calls would abort the process there."""
    for workshop in list(_workshops):
        workshop.stop()
    for thread in list(_threads):
        thread.join(timeout=5)

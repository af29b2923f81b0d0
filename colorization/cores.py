"""A batch in parts, each computed by torch on a core of its own.

Torch spreads every layer over all cores and waits for the slowest of them before the next. Where
other threads read, paint and write images meanwhile, one core is always late, and the others wait
for it layer after layer; a part on a core of its own waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier, Lock

import torch

_one_by_one = Lock()  # a thread that began while others are set to one core would be so, too


def by_cores(compute: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor) -> torch.Tensor:
    """Return what `compute` gives for a batch (N, ...) on the CPU, images being independent.

    As many images as every core can have equally many of are computed in one part a core; the rest,
    fewer than there are cores, with all cores on each layer. `compute` is called from several
    threads at once, with batches of one shape.
    """
    with _one_by_one:
        cores = torch.get_num_threads()
        even = len(batch) // cores * cores
        threads = _threads(cores) if cores > 1 and even else None
    if threads is None:
        return compute(batch)
    results = list(threads.map(compute, batch[:even].chunk(cores)))
    if even < len(batch):
        results.append(compute(batch[even:]))
    return torch.cat(results)


@lru_cache(maxsize=1)
def _threads(count: int) -> ThreadPoolExecutor:
    """Return as many threads, on each of which torch computes with one core."""
    pool = ThreadPoolExecutor(count, "core", _take_one_core)
    begun = Barrier(count + 1)
    for _ in range(count):
        pool.submit(begun.wait)
    begun.wait()
    torch.set_num_threads(count)  # which the threads have set to 1 for threads still to come, too
    return pool


def _take_one_core() -> None:
    torch.get_num_threads()  # in a new thread the first call of torch sets the number anew
    torch.set_num_threads(1)

"""Images on their way: read ahead, and through the network in batches."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from colorization.array_namespace import Array
from colorization.inference import Colorizer

WORKERS = min(8, os.cpu_count() or 1)
ITEMS_AHEAD = 8  # frames of a film, as they are decoded
PIXELS_AHEAD = 2**26  # read ahead of the network at most, which bounds the memory for large images


@dataclass
class Seen:
    """What is kept of an image while it waits for the network."""

    L: np.ndarray
    small: np.ndarray
    rest: Any


_Loading = tuple[Any, "Future[Seen]"]
_Predicted = tuple[Any, "Future[tuple[Seen, Array]]"]


def flow(
    items: Iterable, load: Callable[[Any], Seen], colorizer: Colorizer, batch: int
) -> Generator[_Predicted, None, None]:
    """Yield (item, what is loaded and its ab) in order, as futures that are done or have failed.

    Workers load ahead. Where the colorizer can compute several batches at once, threads do it, so
    that none of the cores waits for the others at the end of a batch.
    """
    with workers() as pool:

        def predict(group: list[_Loading]) -> list[_Predicted]:
            return _predict(colorizer, group)

        groups = _groups(_ahead(pool, load, items, batch), batch)
        with _at_once(predict, groups, colorizer.at_once) as predicted:
            for group in predicted:
                yield from group


@contextmanager
def _at_once(work: Callable, items: Iterable, count: int) -> Iterator[Iterable]:
    """Give work(item) for each item, in their order, so many at once; 1 in the caller's thread."""
    if count == 1:
        yield map(work, items)
    else:
        with closing(in_order(work, items, count, count - 1)) as results:
            yield results


@contextmanager
def workers(count: int = WORKERS) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(
    pool: ThreadPoolExecutor, load: Callable, items: Iterable, depth: int
) -> Iterator[_Loading]:
    """Yield (item, its loading) in order, with up to `depth` loadings ahead of the consumer."""
    pending: deque[_Loading] = deque()
    for item in items:
        pending.append((item, pool.submit(load, item)))
        while len(pending) > depth or _pixels(pending) > PIXELS_AHEAD:
            yield pending.popleft()
    yield from pending


def _pixels(loadings: Iterable[_Loading]) -> int:
    """Return the number of pixels that are loaded."""
    done = (future for _, future in loadings if future.done() and not future.exception())
    return sum(future.result().L.size for future in done)


def _groups(loadings: Iterable[_Loading], batch: int) -> Iterator[list[_Loading]]:
    """Gather neighbours of one working size; one that cannot be loaded is a group of its own."""
    group: list[_Loading] = []
    for loading in loadings:
        if group and not _fits(loading, group, batch):
            yield group
            group = []
        group.append(loading)
    if group:
        yield group


def _fits(loading: _Loading, group: list[_Loading], batch: int) -> bool:
    futures = [future for _, future in (loading, group[0])]
    if len(group) >= batch or any(future.exception() for future in futures):
        return False
    new, first = (future.result().small.shape for future in futures)
    return new == first and _pixels([*group, loading]) <= PIXELS_AHEAD


def _predict(colorizer: Colorizer, group: list[_Loading]) -> list[_Predicted]:
    if error := group[0][1].exception():
        return [(item, _done(error=error)) for item, _ in group]
    seen = [future.result() for _, future in group]
    try:
        colours = colorizer.predict([each.small for each in seen])
    except Exception as error:
        return [(item, _done(error=error)) for item, _ in group]
    results = zip(seen, colours)
    return [(item, _done(result)) for (item, _), result in zip(group, results)]


def _done(result: object = None, error: BaseException | None = None) -> Future:
    future: Future = Future()
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
    return future


def read_ahead(items: Iterable) -> Generator[Any, None, None]:
    """Yield the items; a thread makes a few of them ahead, while the caller is busy."""
    iterator, end = iter(items), object()
    with workers(1) as pool:
        pending = deque(pool.submit(next, iterator, end) for _ in range(ITEMS_AHEAD))
        while (item := pending.popleft().result()) is not end:
            pending.append(pool.submit(next, iterator, end))
            yield item


def in_order(
    work: Callable[[Any], Any], items: Iterable, count: int = WORKERS, ahead: int = WORKERS
) -> Generator[Any, None, None]:
    """Yield work(item) for each item, in their order; workers are up to `ahead` items ahead.

    With a `count` of 1 the work itself is done in their order, beside whoever makes the items.
    Items that come from a generator are closed at the end, and when the results are closed.
    """
    with ExitStack() as stack:
        if hasattr(items, "close"):
            stack.callback(items.close)
        pool = stack.enter_context(workers(count))
        pending: deque[Future] = deque()
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        for future in pending:
            yield future.result()

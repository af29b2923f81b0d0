"""A net as a sequence of steps, whose blobs hold one value after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from colorization.magic_init.errors import MagicInitError

MEMORY = 1 << 30  # bytes for the blobs of the batches that the filters are made from
MOST_BATCHES = 64


class Step(NamedTuple):
    """A layer in its turn, with numbers for the values that its blobs hold then.

    An in-place layer makes a new value; a Split passes on that which it reads.
    """

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    reads: list[int]
    makes: list[int]


def steps_of(net) -> list[Step]:
    """Return the net's layers in their order."""
    steps: list[Step] = []
    current: dict[str, int] = {}
    made, all_bottoms, all_tops = 0, net.bottom_names, net.top_names
    if len(all_tops) < len(net.layers):
        raise MagicInitError("two layers have the same name, expected one of each")
    for name, layer in zip(all_tops, net.layers):
        bottoms, tops = list(all_bottoms[name]), list(all_tops[name])
        reads = [current[blob] for blob in bottoms]
        if layer.type == "Split":
            makes = reads * len(tops)
        else:
            makes = list(range(made, made + len(tops)))
            made += len(tops)
        current.update(zip(tops, makes))
        steps.append(Step(name, layer.type, bottoms, tops, reads, makes))
    return steps


def needed(steps: Sequence[Step], names: Iterable[str]) -> list[Step]:
    """Return the steps up to the named layers' tops, without Splits."""
    names, needed = set(names), []
    wanted: set[int] = set()
    for step in reversed(steps):
        if step.type != "Split" and (step.name in names or wanted.intersection(step.makes)):
            wanted.update(step.reads)
            needed.append(step)
    return needed[::-1]


def last_reader(steps: Sequence[Step]) -> dict[int, int]:
    """Return value -> the index of the step after which nobody reads it."""
    last: dict[int, int] = {}
    for i, step in enumerate(steps):
        last.update((value, i) for value in (*step.makes, *step.reads))
    return last


def batches_in_memory(net, steps: Sequence[Step]) -> int:
    """Return how many batches fit into MEMORY while all of them go through the net together."""
    last, most = last_reader(steps), 1
    live: dict[int, int] = {}
    for i, step in enumerate(steps):
        live.update((v, 4 * net.blobs[blob].count) for v, blob in zip(step.makes, step.tops))
        most = max(most, sum(live.values()))
        live = {value: size for value, size in live.items() if last[value] > i}
    return min(max(1, MEMORY // most), MOST_BATCHES)

"""Evening out the layers' relative rates of change by the scales that are free to choose."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from colorization.magic_init.filter_layer import FilterLayer, address
from colorization.magic_init.steps import Step

HOMOGENEOUS_TYPES = (
    "Concat",
    "Crop",
    "Dropout",
    "Flatten",
    "Pooling",
    "ReLU",
    "Reshape",
    "Slice",
    "Split",
)


class FreeScale(NamedTuple):
    """A scale that the net's function does not depend on."""

    makers: list[str]  # Scale layers, whose tops it multiplies
    readers: list[str]  # layers whose weights make up for it


class Evened(NamedTuple):
    """What a round did between layers."""

    before: float  # largest over smallest C_k
    after: float
    change: float  # of the scale that changed most, its logarithm


def free_scales(
    net, steps: Sequence[Step], messages: dict[str, Any], chosen: dict[str, FilterLayer]
) -> list[FreeScale]:
    """Return the scales of values that can change while all deviations and the loss stay."""
    parent: dict[int, int] = {}

    def root(value: int) -> int:
        while parent.setdefault(value, value) != value:
            value = parent[value]
        return value

    def join(values: Sequence[int]) -> None:
        for value in values:
            parent[root(value)] = root(values[0])

    addresses = Counter(address(blob) for blobs in net.params.values() for blob in blobs)
    fixed, makers, readers = [], [], []
    for step in steps:
        own = all(addresses[address(blob)] == 1 for blob in net.params.get(step.name, ()))
        if _is_homogeneous(step, messages):
            join([*step.reads, *step.makes])
        elif step.type == "Scale" and len(step.reads) == 1 and own:
            makers.append(step)
            fixed += step.reads
        elif step.name in chosen and own:
            readers.append(step)
            join(step.reads)
            fixed += step.makes
        else:
            fixed += [*step.reads, *step.makes]
    bound = {root(value) for value in fixed}
    free = {root(step.makes[0]) for step in makers} & {root(step.reads[0]) for step in readers}
    return [
        FreeScale(
            [step.name for step in makers if root(step.makes[0]) == value],
            [step.name for step in readers if root(step.reads[0]) == value],
        )
        for value in sorted(free - bound)
    ]


def _is_homogeneous(step: Step, messages: dict[str, Any]) -> bool:
    """Whether f(s x) = s f(x) for s > 0."""
    if step.type == "Eltwise":
        param = messages[step.name].eltwise_param
        return param.operation != param.PROD
    return step.type in HOMOGENEOUS_TYPES


def even_out(
    net, chosen: dict[str, FilterLayer], scales: Sequence[FreeScale], number: int
) -> Evened:
    """Measure C_k on one more batch and bring the free scales 1 / number of the way to evenness.

    So the first batch counts fully, and all of them count the same in the end.
    """
    rates = _log_rates(net, chosen)
    before, change = _spread(rates), 0.0
    fixed = rates.keys() - {name for scale in scales for name in scale.readers}
    target = _mean(rates, fixed or rates)
    for scale in scales:
        readers = rates.keys() & scale.readers
        if readers:
            step = (target - _mean(rates, readers)) / 2 / number
            rescale(net, chosen, scale, math.exp(step))
            rates.update((name, rates[name] + 2 * step) for name in readers)
            change = max(change, abs(step))
    return Evened(before, _spread(rates), change)


def _log_rates(net, chosen: dict[str, FilterLayer]) -> dict[str, float]:
    """Return log C_k over one batch of the layers that it gives a gradient."""
    for blobs in net.params.values():
        for blob in blobs:
            blob.diff[...] = 0
    net.forward()
    net.backward()
    rates = {name: layer.rate() for name, layer in chosen.items()}
    return {name: math.log(rate) for name, rate in rates.items() if rate > 0}


def rescale(net, chosen: dict[str, FilterLayer], scale: FreeScale, factor: float) -> None:
    for name in scale.makers:
        for blob in net.params[name]:
            blob.data[...] *= factor
    for name in scale.readers:
        chosen[name].multiply(1 / factor)


def _mean(rates: dict[str, float], names: Iterable[str]) -> float:
    return float(np.mean([rates[name] for name in sorted(names)]))


def _spread(log_rates: dict[str, float]) -> float:
    """Return the largest of the rates over the smallest."""
    return math.exp(max(log_rates.values()) - min(log_rates.values())) if log_rates else 1.0

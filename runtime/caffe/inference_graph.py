"""Which layers an output needs and which of them make one step: without tensors, for inference."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .proto.caffe_pb2 import TRAIN, EltwiseParameter


@dataclass
class Step:
    """Layers that are computed at once: one of any type, or a convolution and what follows it.

    `bottoms` and `tops` number values: each layer makes new ones, also where it works in place.
    A convolution's `before` are factors and shifts of its channels, folded into its weights; then
    comes the sum with the value `other`, if any, then a ReLU of this `slope`, if any, then `after`,
    again factors and shifts. Where `hands_on`, only filters read the top, and each of them has this
    `after` as its `takes_on`: its weights can take in the factors. They also take in the `gain`, by
    which the bottom is to be multiplied.
    """

    number: int  # of the first layer
    layer: Any
    bottoms: list
    tops: list
    fuses: bool = False
    before: list = field(default_factory=list)
    other: "int | None" = None
    slope: "float | None" = None
    after: list = field(default_factory=list)
    gain: float = 1.0
    hands_on: bool = False
    takes_on: list = field(default_factory=list)

    @property
    def reads(self) -> list:
        """All values that the step needs."""
        return self.bottoms + ([] if self.other is None else [self.other])


@dataclass
class Graph:
    """Steps in order, and the number of the value of each input and each output."""

    steps: list
    inputs: dict
    outputs: dict

    @cached_property
    def made_by_filters(self) -> set:
        """The values that filters make."""
        return {value for step in self.steps if step.fuses for value in step.tops}


def graph_of(net, inputs: Iterable, outputs: Iterable) -> Graph:
    """The steps of a net that lead from the named inputs to the named outputs."""
    values = {name: i for i, name in enumerate(inputs)}
    given, count, steps = dict(values), len(values), []
    for number in sorted(net._users(outputs)):
        layer = net.layers[number]
        tops = net._top_names[number]
        if layer.type == "Input" or not net._bottom_names[number] and given.keys() >= {*tops}:
            continue
        with net._naming(number):
            read = list(net._bottoms_of(number, values))
        if passes_on(layer):
            values.update(dict.fromkeys(tops, read[0]))
            continue
        new = list(range(count, count + len(tops)))
        count += len(tops)
        steps.append(Step(number, layer, read, new, is_plane_filter(layer)))
        values.update(zip(tops, new))
    results = {name: values[name] for name in outputs}
    kept = set(results.values())
    steps = _without_gains(_fused(steps, kept), kept)
    _hand_on(steps, kept)
    return Graph(steps, given, results)


def passes_on(layer) -> bool:
    """Whether the tops are the bottom."""
    return layer.type == "Split" or (layer.type == "Dropout" and layer.phase != TRAIN)


def _fused(steps: list, results: set) -> list:
    """The steps, each convolution with the layers after it that it can take in."""
    readers = Counter(value for step in steps for value in step.bottoms)
    readers.update(results)
    followers = {value: step for step in steps for value in step.bottoms}
    single = {value: step for value, step in followers.items() if readers[value] == 1}
    made = set(followers) - {value for step in steps for value in step.tops}
    fused: list = []
    absorbed: set = set()
    for step in steps:
        if step.number in absorbed:
            continue
        if step.fuses:
            absorbed.update(_chain(step, single, made))
        fused.append(step)
        made.update(step.tops)
    return fused


def _chain(step: Step, followers: dict, made: set) -> list:
    """Let a convolution take in what follows, as far as that goes; the numbers of those layers."""
    numbers = []
    follower = followers.get(step.tops[0])
    while follower is not None and _absorb(step, follower, made):
        numbers.append(follower.number)
        step.tops = follower.tops
        follower = followers.get(step.tops[0])
    return numbers


def _absorb(step: Step, follower: Step, made: set) -> bool:
    """Take the follower in, if it is of a kind that can come next."""
    layer = follower.layer
    open_for_sum = step.other is None and step.slope is None and not step.after
    if is_per_channel(layer):
        (step.before if open_for_sum else step.after).append(layer)
    elif layer.type == "ReLU" and step.slope is None and not step.after:
        slope = layer.param.relu_param.negative_slope
        if slope and step.other is not None:  # which oneDNN's operators do not offer
            return False
        step.slope = slope
    elif open_for_sum and _is_sum(layer) and step.layer.type == "Convolution":
        other = [value for value in follower.bottoms if value != step.tops[0]]
        if len(other) != 1 or other[0] not in made:
            return False
        step.other = other[0]
    else:
        return False
    return True


def _without_gains(steps: list, kept: set) -> list:
    """The steps without those that multiply by a number what only filters read."""
    left: list = []
    for step in reversed(steps):
        readers = filters_alone(left, step.tops[0], kept) if _is_gain(step.layer) else []
        for reader in readers:
            reader.gain *= step.layer.param.power_param.scale
            reader.bottoms = step.bottoms
        if not readers:
            left.append(step)
    return left[::-1]


def _hand_on(steps: list, kept: set) -> None:
    """Find the filters that can take on the factors of what stands after the ReLU before them."""
    for step in steps:
        if step.after and step.slope == 0 and step.other is None:
            readers = filters_alone(steps, step.tops[0], kept)
            step.hands_on = bool(readers)
            for reader in readers:
                reader.takes_on = step.after


def filters_alone(steps: list, value: int, kept: set) -> list:
    """The steps that read a value, if they are filters of it and nothing else needs it."""
    readers = [step for step in steps if value in step.reads]
    alone = all(step.fuses and step.other != value for step in readers)
    return readers if alone and value not in kept else []


def _is_gain(layer) -> bool:
    param = layer.param.power_param
    return layer.type == "Power" and param.power == 1 and param.shift == 0


def is_plane_filter(layer) -> bool:
    """Whether the layer is a Convolution or Deconvolution of images (N, C, H, W), one of them."""
    return (
        layer.type in ("Convolution", "Deconvolution")
        and len(layer.param.bottom) == 1
        and layer.axis == 1
        and len(layer.window.kernel) == 2
    )


def is_per_channel(layer) -> bool:
    """Whether the layer multiplies and shifts each channel by stored numbers, nothing else."""
    if layer.type == "BatchNorm":
        return layer.use_global_stats
    if layer.type not in ("Scale", "Bias") or len(layer.param.bottom) != 1:
        return False
    return len(layer.operand) == 1 and layer.options.axis in (1, -3)


def _is_sum(layer) -> bool:
    if layer.type != "Eltwise" or len(layer.param.bottom) != 2:
        return False
    param = layer.param.eltwise_param
    return param.operation == EltwiseParameter.SUM and all(c == 1 for c in param.coeff)

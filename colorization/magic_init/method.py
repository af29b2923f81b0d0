"""The whole initialisation: layer by layer, then round by round, then the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from colorization.errors import one_line
from colorization.files import replacing
from colorization.magic_init.errors import MagicInitError
from colorization.magic_init.filter_layer import FILTER_TYPES, FilterLayer, address
from colorization.magic_init.filters import METHODS
from colorization.magic_init.rates import Evened, even_out, free_scales
from colorization.magic_init.steps import (
    Step,
    batches_in_memory,
    last_reader,
    needed,
    steps_of,
)
from colorization.magic_init.targets import best_constants
from colorization.network import caffe_error
from colorization.prototxts import is_test_only, read_message

LAYERS = ("all", "zero")
ITERATIONS = 30  # rounds: 1,920 images and more, after which units that few of them excite are even
ROUND_IMAGES = 64  # least number that a round sees, in as many batches as that takes
SETTLED = 0.05  # a change of scale, its logarithm, after which scales are left alone


class Summary(NamedTuple):
    """What `magic_init` did."""

    layers: list[str]
    units: int
    images: int  # that the first of the layers saw
    evened: list[Evened]  # empty if no scale is free


def magic_init(
    train: str | os.PathLike,
    output: str | os.PathLike,
    method: str = "kmeans",
    iterations: int = ITERATIONS,
    beta: float = 0.0,
    seed: int = 1,
    layers: str = "all",
    weights: str | os.PathLike | None = None,
    watch: Callable[[Iterable], Iterable] = iter,
) -> Summary:
    """Initialise the net of a train prototxt from its own data and write the .caffemodel `output`.

    `method` is that of `filters`; `iterations` the number of rounds; `beta` the mean of each unit.
    `layers` is "all", or "zero": those whose weights are all zero, as the authors' program does, no
    other layer being changed. `weights` is a .caffemodel to begin with. `watch` sees the layers go
    by, then the rounds. The means of predictions that a KLLoss or EuclideanLoss reads are not beta
    but the constant of least loss (`best_constants`; ours). The running statistics of a BatchNorm
    behind a new layer become those of the data seen. The device is that which Caffe is set to.
    MagicInitError if it cannot be done.
    """
    _check_arguments(method, layers, Path(output))
    net = _train_net(str(train), seed, weights)
    messages = layer_messages(train)
    steps = steps_of(net)
    chosen = choose_layers(net, steps, messages, str(train), layers)
    kept = _restart_statistics(net, steps, messages, chosen)
    generator = np.random.default_rng(seed)
    images = _within_layers(net, needed(steps, chosen), chosen, method, beta, generator, watch)
    scales = free_scales(net, steps, messages, chosen) if layers == "all" else []
    evened: list[Evened] = []
    for _ in watch(range(iterations)):
        images += _refine(net, chosen, beta)
        if scales and not (evened and evened[-1].change < SETTLED):
            evened.append(even_out(net, chosen, scales, len(evened) + 1))
    for name, constant in best_constants(net, steps, messages, chosen).items():
        if chosen[name].bias is not None:
            chosen[name].bias.data[...] += constant - beta
    for blob, values in kept:
        blob.data[...] = values
    with replacing(output) as temporary:
        net.save(str(temporary))
    return Summary(list(chosen), sum(layer.units for layer in chosen.values()), images, evened)


def _check_arguments(method: str, layers: str, output: Path) -> None:
    for name, value, known in (("method", method, METHODS), ("layers", layers, LAYERS)):
        if value not in known:
            raise MagicInitError(f'{name} "{value}": expected one of {", ".join(known)}')
    if output.is_dir():
        raise MagicInitError(f"{output}: is a folder, expected the name of a file")


def _train_net(train: str, seed: int, weights: str | os.PathLike | None):
    import caffe

    try:
        caffe.set_random_seed(seed)
        net = caffe.Net(train, caffe.TRAIN)
        if weights is not None:
            net.copy_from(str(weights))
    except (caffe_error(), OSError, RuntimeError, ValueError) as error:
        raise MagicInitError(one_line(error)) from error
    return net


def layer_messages(train: str | os.PathLike) -> dict[str, Any]:
    """Return the layers of a prototxt by name, those of the TEST phase left out."""
    from caffe.proto import caffe_pb2

    net = read_message(Path(train), caffe_pb2.NetParameter())
    if net.layers:
        raise MagicInitError(f"{train}: layers {{ }} is the old format, expected layer {{ }}")
    return {layer.name: layer for layer in net.layer if not is_test_only(layer)}


def choose_layers(
    net, steps: Sequence[Step], messages: dict[str, Any], train: str, layers: str
) -> dict[str, FilterLayer]:
    """Return the layers to initialise, in their order."""
    if net.inputs:
        names = ", ".join(net.inputs)
        raise MagicInitError(f"{train}: input {names}: expected a train net, which reads its data")
    found = [step for step in steps if step.type in FILTER_TYPES]
    if not found:
        raise MagicInitError(f"{train}: no layer of the types {', '.join(FILTER_TYPES)}")
    if layers == "zero":
        found = [step for step in found if not net.params[step.name][0].data.any()]
        if not found:
            raise MagicInitError(f"{train}: no layer has weights that are all zero")
    first: dict[int, Step] = {}  # by the address of the weights: layers that share them are one
    for step in found:
        first.setdefault(address(net.params[step.name][0]), step)
    return {
        step.name: FilterLayer(net.params[step.name], messages[step.name])
        for step in first.values()
    }


def _restart_statistics(
    net, steps: Sequence[Step], messages: dict[str, Any], chosen: Iterable[str]
) -> list[tuple[Any, np.ndarray]]:
    """Forget the statistics of each BatchNorm behind a chosen layer; return others' to put back."""
    behind: set[int] = set()
    kept = []
    for step in steps:
        new = step.name in chosen or behind.intersection(step.reads)
        if new:
            behind.update(step.makes)
        if step.type == "BatchNorm" and not messages[step.name].batch_norm_param.use_global_stats:
            for blob in net.params[step.name]:
                if new:
                    blob.data[...] = 0
                else:
                    kept.append((blob, blob.data.copy()))
    return kept


def _within_layers(
    net,
    steps: Sequence[Step],
    chosen: dict[str, FilterLayer],
    method: str,
    beta: float,
    generator: np.random.Generator,
    watch: Callable[[Iterable], Iterable],
) -> int:
    """Initialise layer by layer, some batches passing the net together; return their images."""
    count, last = batches_in_memory(net, steps), last_reader(steps)
    values: dict[int, list[np.ndarray]] = {}
    images = 0
    for i, step in enumerate(watch(steps)):
        batches = [[values[v][b] for v in step.reads] for b in range(count)]
        layer = chosen.get(step.name)
        if layer:
            inputs = [x for batch in batches for x in batch]
            layer.initialise(inputs, net.blobs[step.tops[0]].data.shape, method, generator)
            images = images or sum(map(len, inputs))
        outputs = [_run(net, step, batch) for batch in batches]
        if layer:
            _bring_to_unit(layer, [y for batch in outputs for y in batch], beta)
        values.update((v, [batch[j] for batch in outputs]) for j, v in enumerate(step.makes))
        values = {v: arrays for v, arrays in values.items() if last[v] > i}
    return images


def _run(net, step: Step, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run one layer; return copies of its tops."""
    for name, x in zip(step.bottoms, inputs):
        net.blobs[name].reshape(*x.shape)
        net.blobs[name].data[...] = x
    net.forward(start=step.name, end=step.name)
    return [net.blobs[name].data.copy() for name in step.tops]


def _bring_to_unit(layer: FilterLayer, outputs: Sequence[np.ndarray], beta: float) -> None:
    """Normalise a layer, with these outputs of it, and change them to what they are then."""
    for y in outputs:
        layer.observe(y)
    factor, term = layer.normalise(beta)
    for y in outputs:
        layer.change(y, factor, term)


def _refine(net, chosen: dict[str, FilterLayer], beta: float) -> int:
    """Normalise all layers anew, with more batches; return their images."""
    names, images = list(net.top_names), 0
    first = next(iter(chosen))
    while images < ROUND_IMAGES:
        start = names[0]
        for name, layer in chosen.items():
            net.forward(start=start, end=name)
            _bring_to_unit(layer, [net.blobs[top].data for top in net.top_names[name]], beta)
            start = names[min(names.index(name) + 1, len(names) - 1)]
        images += sum(len(net.blobs[bottom].data) for bottom in net.bottom_names[first])
    return images

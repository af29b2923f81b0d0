"""The Python side of nets: dictionaries of blobs, forward and backward by name, batches."""

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from itertools import zip_longest

import numpy as np

import caffe

from .errors import CaffeError

_CLASSES = (
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "NCCL",
    "NesterovSolver",
    "Net",
    "RMSPropSolver",
    "SGDSolver",
    "Timer",
)


class NetMethods:
    """pycaffe's methods and properties of Net, on top of the numbered layers and blobs."""

    layers: list
    blobs: OrderedDict
    inputs: list[str]
    outputs: list[str]
    _layer_names: list[str]
    _top_names: list[list[str]]
    _bottom_names: list[list[str]]
    _loss_weights: dict[str, float]
    _callbacks: dict[str, list]
    run_forward: Callable
    run_backward: Callable

    @cached_property
    def params(self) -> OrderedDict:
        """Layer name -> its parameter blobs, for layers that have any."""
        return OrderedDict((layer.name, layer.blobs) for layer in self.layers if layer.blobs)

    @cached_property
    def layer_dict(self) -> OrderedDict:
        """Layer name -> layer."""
        return OrderedDict(zip(self._layer_names, self.layers))

    @cached_property
    def top_names(self) -> OrderedDict:
        """Layer name -> names of its tops."""
        return OrderedDict(zip(self._layer_names, self._top_names))

    @cached_property
    def bottom_names(self) -> OrderedDict:
        """Layer name -> names of its bottoms."""
        return OrderedDict(zip(self._layer_names, self._bottom_names))

    @cached_property
    def blob_loss_weights(self) -> OrderedDict:
        """Blob name -> its weight in the loss."""
        return OrderedDict((name, self._loss_weights[name]) for name in self.blobs)

    _blob_names = property(lambda self: list(self.blobs), doc="Names of all blobs.")
    _blobs = property(lambda self: list(self.blobs.values()), doc="All blobs.")
    _blob_loss_weights = property(lambda self: list(self.blob_loss_weights.values()))
    _inputs = property(lambda self: self._ids(self.inputs), doc="Indices of the input blobs.")
    _outputs = property(lambda self: self._ids(self.outputs), doc="Indices of the output blobs.")

    def _ids(self, names) -> list:
        index = {name: i for i, name in enumerate(self.blobs)}
        return [index[name] for name in names]

    def _bottom_ids(self, layer: int) -> list:
        return self._ids(self._bottom_names[layer])

    def _top_ids(self, layer: int) -> list:
        return self._ids(self._top_names[layer])

    def before_forward(self, function) -> None:
        """Call `function(layer index)` before each layer's forward."""
        self._callbacks["bf"].append(function)

    def after_forward(self, function) -> None:
        """Call `function(layer index)` after each layer's forward."""
        self._callbacks["af"].append(function)

    def before_backward(self, function) -> None:
        """Call `function(layer index)` before each layer's backward."""
        self._callbacks["bb"].append(function)

    def after_backward(self, function) -> None:
        """Call `function(layer index)` after each layer's backward."""
        self._callbacks["ab"].append(function)

    def _forward(self, start: int, end: int) -> float:
        return self.run_forward(True, start, end)

    def _backward(self, start: int, end: int) -> None:
        self.run_backward(True, start, end)

    def forward(self, blobs=None, start=None, end=None, **kwargs) -> dict:
        """Run layers start..end (names) and return arrays of their tops and of `blobs`.

        Keyword arguments set the input blobs: all of them or none.
        """
        first = self._layer_names.index(start) if start is not None else 0
        last = self._layer_names.index(end) if end is not None else len(self.layers) - 1
        wanted = set((self.top_names[end] if end is not None else self.outputs) + (blobs or []))
        if kwargs:
            self._fill(kwargs, self.inputs, "data", "Input blob arguments", "net inputs", "Input")
        self._forward(first, last)
        return {name: self.blobs[name].data for name in wanted}

    def backward(self, diffs=None, start=None, end=None, **kwargs) -> dict:
        """Run layers start..end (names) backwards and return the diffs of the last and of `diffs`.

        Keyword arguments set the diffs of the output blobs: all of them or none.
        """
        first = self._layer_names.index(start) if start is not None else len(self.layers) - 1
        last = self._layer_names.index(end) if end is not None else 0
        wanted = set((self.bottom_names[end] if end is not None else self.inputs) + (diffs or []))
        if kwargs:
            self._fill(kwargs, self.outputs, "diff", "Top diff arguments", "net outputs", "Diff")
        self._backward(first, last)
        return {name: self.blobs[name].diff for name in wanted}

    def _fill(self, arrays: dict, names, side: str, given: str, expected: str, word: str) -> None:
        if set(arrays) != set(names):
            raise Exception(f"{given} do not match {expected}.")  # the type that pycaffe raises
        for name, array in arrays.items():
            if array.shape[0] != self.blobs[name].shape[0]:
                raise Exception(f"{word} is not batch sized")
            getattr(self.blobs[name], side)[...] = array

    def forward_all(self, blobs=None, **kwargs) -> dict:
        """Forward over more items than one batch holds; the last batch is padded with zeros."""
        collected: dict[str, list] = {name: [] for name in set(self.outputs + (blobs or []))}
        for batch in self._batch(kwargs):
            for name, array in self.forward(blobs=blobs, **batch).items():
                collected[name].extend(array.copy())
        return _trim(collected, len(next(iter(kwargs.values()))))

    def forward_backward_all(self, blobs=None, diffs=None, **kwargs) -> tuple:
        """Forward and backward over more items than one batch holds."""
        inputs = {name: a for name, a in kwargs.items() if name in self.inputs}
        seeds = {name: a for name, a in kwargs.items() if name in self.outputs}
        all_blobs: dict[str, list] = {name: [] for name in set(self.outputs + (blobs or []))}
        all_diffs: dict[str, list] = {name: [] for name in set(self.inputs + (diffs or []))}
        nothing: dict = {}
        for batch, seed in zip_longest(self._batch(inputs), self._batch(seeds), fillvalue=nothing):
            for name, array in self.forward(blobs=blobs, **batch).items():
                all_blobs[name].extend(array.copy())
            for name, array in self.backward(diffs=diffs, **seed).items():
                all_diffs[name].extend(array.copy())
        count = len(next(iter(kwargs.values())))
        return _trim(all_blobs, count), _trim(all_diffs, count)

    def set_input_arrays(self, data, labels) -> None:
        """Give a net that begins with a MemoryData layer its data (N,C,H,W) and labels."""
        if labels.ndim == 1:
            labels = np.ascontiguousarray(labels[:, np.newaxis, np.newaxis, np.newaxis])
        self._set_input_arrays(data, labels)

    def _set_input_arrays(self, data, labels) -> None:
        layer = self.layers[0] if self.layers else None
        if layer is None or layer.type != "MemoryData":
            raise CaffeError("set_input_arrays may only be called if the first layer is MemoryData")
        layer.set_arrays(data, labels)

    def _batch(self, blobs: dict):
        """Batches of the arrays, the last one padded with zeros."""
        if not blobs:
            return
        count = len(next(iter(blobs.values())))
        size = next(iter(self.blobs.values())).shape[0]
        for first in range(0, count, size):
            batch = {name: np.asarray(a[first : first + size]) for name, a in blobs.items()}
            lack = size - len(next(iter(batch.values())))
            yield {
                name: np.concatenate([a, np.zeros((lack, *a.shape[1:]), a.dtype)]) if lack else a
                for name, a in batch.items()
            }


def __getattr__(name: str):
    """The classes that pycaffe has here, which need this module first."""
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(caffe, name)


def _trim(collected: dict, count: int) -> dict:
    return {name: np.asarray(rows[:count]) for name, rows in collected.items()}

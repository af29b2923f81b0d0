"""The net: layers and blobs, made of a NetParameter, that run forward and backward."""

import os
from collections import OrderedDict, deque

import torch

from . import context, inference_plan, log, prototxt, streams, weights
from .blob import Blob
from .errors import CaffeError, LayerPlaces
from .layer import Layer
from .net_building import Builder, prepare
from .net_debug import log_backward, log_forward, log_params
from .proto import caffe_pb2
from .pycaffe import NetMethods


class Net(NetMethods):
    """A network in one phase: pycaffe's `caffe.Net`.

    `Net(path, phase, level=0, stages=None, weights=None)` or `Net(path, weights, phase)`.
    """

    def __init__(self, network_file, *args, phase=None, level=0, stages=None, weights=None):
        weights, phase, level, stages = _constructor_arguments(args, weights, phase, level, stages)
        for path in (network_file, weights):
            if path is not None and not os.path.exists(path):
                raise RuntimeError(f"Could not open file {path}")  # as pycaffe does
        param, lines = _read(network_file)
        param.state.phase = phase
        param.state.level = level
        param.state.stage.extend(stages or [])
        self._init(param, network_file, lines)
        if weights is not None:
            self.copy_from(weights)

    @classmethod
    def from_param(cls, param, source: str, lines: "list | None" = None) -> "Net":
        """A net from a NetParameter whose `state` is set; `source` is the file named in errors."""
        net = cls.__new__(cls)
        net._init(param, source, lines or [])
        return net

    # -- building ------------------------------------------------------------------------------

    def _init(self, param, source: str, lines: list) -> None:
        self._places = LayerPlaces(source, lines, len(param.layer or param.layers))
        param = prepare(param, self._places)
        self.name = param.name
        self.seed = context.next_seed()
        self.phase = param.state.phase
        self.debug_info = param.debug_info
        self._param = param
        self.layers: list[Layer] = []
        self._layer_names: list[str] = []
        self.bottoms: list[list[Blob]] = []  # of each layer, as the next five
        self.tops: list[list[Blob]] = []
        self._bottom_names: list[list[str]] = []
        self._top_names: list[list[str]] = []
        self._bottom_needs_backward: list[list[bool]] = []
        self._layer_needs_backward: list[bool] = []
        self.blobs: OrderedDict[str, Blob] = OrderedDict()
        self._loss_weights: dict[str, float] = {}
        self.inputs: list[str] = []
        self.learnable_params: list[Blob] = []
        self.params_lr: list[float] = []
        self.params_weight_decay: list[float] = []
        self._callbacks: dict[str, list] = {"bf": [], "af": [], "bb": [], "ab": []}
        self._plans: dict = {}  # of inference_plan
        self.outputs = Builder(self).build(param, self._places)
        compute_alone = (type(layer).run is Layer.run for layer in self.layers)  # not Python's
        self._can_be_planned = self.phase == caffe_pb2.TEST and all(compute_alone)
        for name in self.outputs:
            log.info("net.cpp:244", f"This network produces output {name}")
        log.info("net.cpp:257", "Network initialization done.")

    # -- running -------------------------------------------------------------------------------

    def run_forward(self, record: bool = True, start: int = 0, end: "int | None" = None) -> float:
        """Run layers start..end and return the loss. Without `record` no backward follows."""
        return float(self.forward_loss(record, start, end))

    def forward_loss(
        self, record: bool = True, start: int = 0, end: "int | None" = None
    ) -> "float | torch.Tensor":
        """What `run_forward` does; the loss is a tensor that a GPU may still be computing."""
        last = len(self.layers) - 1
        end = last if end is None else end
        self._check_range(start, end)
        done = self._forward_at_once(record) if (start, end) == (0, last) else set()
        loss: float | torch.Tensor = 0.0
        for i in range(start, end + 1):
            layer, top = self.layers[i], self.tops[i]
            self._call("bf", i)
            if i not in done:
                self._run(i, record and self._layer_needs_backward[i])
            for blob, weight in zip(top, layer.loss_weights):
                if weight:
                    loss = loss + _weighted(blob, weight, context.device())
            if self.debug_info:
                log_forward(self, i)
            self._call("af", i)
        return loss

    def _run(self, index: int, record: bool = False) -> None:
        """Run one layer."""
        with self._naming(index):
            layer = self.layers[index]
            layer.run(self.bottoms[index], self.tops[index], context.device(), record)

    def _forward_at_once(self, record: bool) -> set:
        """Run layers by a plan, as far as one does what they do; the numbers of those that ran.

        The blobs get what they have after a run layer by layer. So only what happens between two
        blobs is computed at once: a convolution and what works in its top in place.
        """
        watched = self.debug_info or self._callbacks["bf"] or self._callbacks["af"]
        recorded = record and any(self._layer_needs_backward)
        if watched or recorded or not self._can_be_planned or not inference_plan.available():
            return set()
        sources = [i for i, bottom in enumerate(self.bottoms) if not bottom]
        given: dict[str, torch.Tensor] = {}
        for i in sources:
            self._run(i)
            with self._naming(i):
                given |= {name: self.blobs[name].data_tensor() for name in self._top_names[i]}
        inner = [i for i, top in enumerate(self.tops) if top and i not in sources]
        outputs = list(dict.fromkeys(name for i in inner for name in self._top_names[i]))
        plan = inference_plan.planned(self, given, outputs)
        if plan is None:
            return set(sources)
        for i in inner:
            with self._naming(i):
                self.layers[i].fit(self.bottoms[i], self.tops[i])
        for name, value in plan.tops(given).items():
            self.blobs[name].set_data(value)
        for i in inner:
            self.layers[i].calls += 1
        return {*sources, *inner}

    def run_backward(self, keep: bool = False, start: "int | None" = None, end: int = 0) -> None:
        """Run layers start..end backwards; with `keep` it can be done again."""
        start = len(self.layers) - 1 if start is None else start
        self._check_range(end, start)
        for i in range(start, end - 1, -1):
            self._call("bb", i)
            if self._layer_needs_backward[i]:
                layer, needs = self.layers[i], self._bottom_needs_backward[i]
                with self._naming(i):
                    layer.differentiate(self.tops[i], needs, self.bottoms[i], keep)
                if self.debug_info:
                    log_backward(self, i)
            self._call("ab", i)
        if self.debug_info:
            log_params(self)

    def infer(self, inputs: dict, outputs: list) -> dict:
        """Tensors of the named blobs from tensors of input blobs, keeping nothing else.

        `inputs` maps input blobs to tensors of any fitting shape; the net's own blobs stay as they
        are. Only the layers that `outputs` need are run. Several threads may do this at once, as
        long as their inputs have the same shapes.
        """
        plan = inference_plan.planned(self, inputs, outputs)
        return plan.run(inputs) if plan else self._infer_by_layers(inputs, outputs)

    def _infer_by_layers(self, inputs: dict, outputs: list) -> dict:
        """What `infer` gives, layer by layer."""
        device, users = context.device(), self._users(outputs)
        values = {name: x.to(device) for name, x in inputs.items()}
        with torch.inference_mode(), context.autocast():
            for i in sorted(users):
                if self.layers[i].type == "Input":
                    continue
                with self._naming(i):
                    tops = self._infer_layer(i, self._bottoms_of(i, values))
                for name in users[i]:
                    values.pop(name, None)
                values.update(zip(self._top_names[i], tops))
        return {name: values[name].float() for name in outputs}

    def _infer_layer(self, index: int, bottom: tuple, params: "tuple | None" = None) -> tuple:
        """The tops of one layer, with its own parameters or others."""
        layer = self.layers[index]
        layer.top_shapes([tuple(x.shape) for x in bottom])
        if params is None:
            params = tuple(blob.data_tensor(context.device()) for blob in layer.blobs)
        return layer.forward(bottom, params)

    def _check_infer_shapes(self, inputs: dict, outputs: list) -> None:
        """Raise unless inputs of these shapes fit the layers that `outputs` need."""
        shapes = dict(inputs)
        for i in sorted(self._users(outputs)):
            if self.layers[i].type != "Input":
                with self._naming(i):
                    tops = self.layers[i].top_shapes(list(self._bottoms_of(i, shapes)))
                shapes.update(zip(self._top_names[i], map(tuple, tops)))

    def _bottoms_of(self, index: int, values: dict) -> tuple:
        """What `values` has for the layer's bottoms."""
        names = self._bottom_names[index]
        for name in names:
            if name not in values:
                raise CaffeError(f'infer needs a value for input "{name}"')
        return tuple(values[name] for name in names)

    def _naming(self, index: int):
        return self._places.naming(index, self.layers[index].param)

    def _users(self, outputs: list) -> dict:
        """For each layer that `outputs` need: the bottoms that nobody reads after it."""
        for name in outputs:
            if name not in self.blobs:
                raise CaffeError(f'{self._places.source}: the net has no blob "{name}"')
        wanted, alive, users = set(outputs), set(outputs), {}
        for i in reversed(range(len(self.layers))):
            if not wanted.intersection(self._top_names[i]):
                continue
            users[i] = [name for name in self._bottom_names[i] if name not in alive]
            alive.update(self._bottom_names[i])
            wanted.update(self._bottom_names[i])
        return users

    def reshape(self) -> None:
        """Give every blob the shape that follows from the inputs' shapes."""
        for i, layer in enumerate(self.layers):
            with self._naming(i):
                layer.reshape_tops(self.bottoms[i], self.tops[i])

    def clear_param_diffs(self) -> None:
        """Set all parameters' diffs to zero."""
        for blob in self.learnable_params:
            blob.clear_diff()

    def _check_range(self, first: int, last: int) -> None:
        if not 0 <= first < len(self.layers) or not 0 <= last < len(self.layers):
            raise CaffeError(
                f"{self._places.source}: cannot run layers {first} to {last}: "
                f"the net has {len(self.layers)} layers"
            )

    def _call(self, when: str, index: int) -> None:
        for function in self._callbacks[when]:
            function(index)

    # -- weights and state ---------------------------------------------------------------------

    def copy_from(self, path: str) -> None:
        """Take the parameters of the layers that the file and the net have in common."""
        weights.copy_from(self, path)

    load_hdf5 = copy_from

    def save(self, path: str, diffs: bool = False) -> None:
        """Write a .caffemodel."""
        weights.save(self, path, diffs)

    def save_hdf5(self, path: str, diffs: bool = False) -> None:
        """Write the parameters as HDF5."""
        weights.save_hdf5(self, path, diffs)

    def share_with(self, other: "Net") -> None:
        """Use the parameters of the layers of the same name in `other` from now on."""
        weights.share(self, other)

    def stream_state(self) -> dict:
        """What a resumed run needs to draw the same random numbers and read the same data."""
        return {"seed": self.seed, "calls": [layer.calls for layer in self.layers]}

    def set_stream_state(self, state: dict) -> None:
        """Go on where `stream_state` was taken."""
        if len(state["calls"]) != len(self.layers):
            raise CaffeError(
                f"the state is of a net of {len(state['calls'])} layers, "
                f"expected {len(self.layers)}"
            )
        self.seed = state["seed"]
        for index, (layer, calls) in enumerate(zip(self.layers, state["calls"])):
            layer.seed, layer.calls = streams.derive(self.seed, index), calls


def _constructor_arguments(args, weights, phase, level, stages) -> tuple:
    """Sort out pycaffe's forms: (phase, level, stages, weights) and (weights, phase)."""
    rest = deque(args)
    if rest and isinstance(rest[0], str):
        weights = rest.popleft()
    if rest:
        phase = rest.popleft()
    if rest:
        level = rest.popleft()
    if rest:
        stages = rest.popleft()
    if rest:
        weights = rest.popleft()
    if phase not in (caffe_pb2.TRAIN, caffe_pb2.TEST):
        raise CaffeError(f"phase is {phase!r}, expected caffe.TRAIN or caffe.TEST")
    return weights, phase, level, stages


def _read(path: str) -> tuple:
    """The NetParameter of a file and the lines of its layers."""
    text = prototxt.read_text(path)
    return prototxt.parse(text, caffe_pb2.NetParameter, path), prototxt.layer_lines(text)


def _weighted(blob: Blob, weight: float, device: torch.device) -> torch.Tensor:
    """The share of a top in the loss; its diff holds the weight, and users may overwrite it."""
    diff = blob.diff_tensor(device)
    return (blob.data_tensor(device).float() * diff).sum()

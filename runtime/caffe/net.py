"""The net: builds layers and blobs from a NetParameter, runs them forward and backward."""

import os
from collections import OrderedDict, deque

import torch

from . import (
    context,
    graph,
    inference_plan,
    log,
    ops,
    prototxt,
    python_layer,
    streams,
    upgrade,
    weights,
)
from .blob import Blob, shape_string
from .errors import CaffeError, similar
from .layer import REGISTRY, Layer, layer_type_list
from .net_debug import log_backward, log_forward, log_params
from .ops.common import in_place
from .proto import caffe_pb2
from .pycaffe import NetMethods

assert ops and python_layer  # imported for the layer types that they register


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
        self._source, self._lines = source, lines
        self._origin = list(range(len(param.layer) or len(param.layers)))
        param = self._step(lambda net: upgrade.upgrade_net(net, source), param)
        param = self._step(graph.filter_net, param)
        log.info("net.cpp:53", "Initializing net from parameters: \n" + prototxt.text(param))
        param = self._step(graph.insert_splits, param)
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
        self._blob_needs_backward: dict[str, bool] = {}
        self.inputs: list[str] = []
        self.learnable_params: list[Blob] = []
        self.params_lr: list[float] = []
        self.params_weight_decay: list[float] = []
        self._multiplier_given: dict[str, list[bool]] = {"lr_mult": [], "decay_mult": []}
        self._owners: dict[str, tuple] = {}  # param name -> layer name, index, blob, number
        self._callbacks: dict[str, list] = {"bf": [], "af": [], "bb": [], "ab": []}
        self._memory = 0
        self._plans: dict = {}  # of inference_plan
        available: OrderedDict[str, bool] = OrderedDict()  # blobs that no layer has used yet
        for index, layer_param in enumerate(param.layer):
            with _Naming(self, index, layer_param):
                self._append_layer(index, layer_param, available)
        self._prune_backward()
        if param.force_backward:
            self._force_backward()
        compute_alone = (type(layer).run is Layer.run for layer in self.layers)  # not Python's
        self._can_be_planned = self.phase == caffe_pb2.TEST and all(compute_alone)
        self.outputs = sorted(available)
        for name in self.outputs:
            log.info("net.cpp:244", f"This network produces output {name}")
        log.info("net.cpp:257", "Network initialization done.")

    def _step(self, function, param):
        """Apply a function of `graph` or `upgrade`, keeping track of each layer's line."""
        try:
            changed, indices = function(param)
        except graph.LayerError as error:
            layers = param.layer or [old.layer for old in param.layers]
            raise self._located(error.index, layers[error.index], error) from None
        self._origin = [None if i is None else self._origin[i] for i in indices]
        return changed

    def _located(self, index: int, layer_param, error: Exception) -> CaffeError:
        """The error with file, line, layer name and type before it."""
        origin = self._origin[index]
        line = f":{self._lines[origin]}" if origin is not None and origin < len(self._lines) else ""
        layer = f'layer "{layer_param.name}" ({layer_param.type})'
        return CaffeError(f"{self._source}{line}: {layer}: {error}")

    def _append_layer(self, index: int, param, available: dict) -> None:
        if not param.HasField("phase"):
            param.phase = self.phase
        if param.propagate_down and len(param.propagate_down) != len(param.bottom):
            raise CaffeError(
                f"propagate_down is given {len(param.propagate_down)} times, "
                f"expected 0 or {len(param.bottom)}, once per bottom"
            )
        log.info("layer_factory.hpp:77", f"Creating layer {param.name}")
        layer = create_layer(param)
        layer.seed = streams.derive(self.seed, index)
        log.info("net.cpp:86", f"Creating Layer {param.name}")
        bottom, needs = self._connect_bottoms(layer, param, available)
        if in_place(param):
            layer.may_overwrite = not self._maker(param.bottom[0]).gradient_needs_tops
        top = self._connect_tops(layer, param, available)
        layer.check_counts(len(bottom), len(top))
        layer.set_up(bottom, top)
        log.info("net.cpp:124", f"Setting up {param.name}")
        self._set_loss_weights(layer, param, top)
        log.info("net.cpp:139", f"Memory required for data: {self._memory}")
        layer_needs = any(self._blob_needs_backward[name] for name in param.bottom)
        layer_needs |= self._append_params(layer, param)
        for name in param.top:
            self._blob_needs_backward[name] = layer_needs
        self.layers.append(layer)
        self._layer_names.append(param.name)
        self.bottoms.append(bottom)
        self.tops.append(top)
        self._bottom_names.append(list(param.bottom))
        self._top_names.append(list(param.top))
        self._bottom_needs_backward.append(needs)
        self._layer_needs_backward.append(layer_needs)

    def _maker(self, blob: str) -> Layer:
        """The last layer so far that writes the blob."""
        return next(
            layer for layer, names in zip(self.layers[::-1], self._top_names[::-1]) if blob in names
        )

    def _connect_bottoms(self, layer, param, available: dict) -> tuple:
        needs = []
        for j, name in enumerate(param.bottom):
            if name not in available:
                raise CaffeError(f'bottom {j} "{name}" is made by no layer before it')
            log.info("net.cpp:408", f"{param.name} <- {name}")
            del available[name]
            forced = param.propagate_down[j] if param.propagate_down else None
            needs.append(self._blob_needs_backward[name] if forced is None else forced)
        return [self.blobs[name] for name in param.bottom], needs

    def _connect_tops(self, layer, param, available: dict) -> list:
        if layer.is_loss and not param.top:
            param.top.append(f"(automatic) {param.name}")
        for j, name in enumerate(param.top):
            reused = j < len(param.bottom) and param.bottom[j] == name
            if name in self.blobs and not reused:
                raise CaffeError(f'top "{name}" is already made by another layer')
            arrow = f"{param.name} -> {name}" + (" (in-place)" if reused else "")
            log.info("net.cpp:369" if reused else "net.cpp:382", arrow)
            if not reused:
                self.blobs[name] = Blob()
            if layer.type == "Input":
                self.inputs.append(name)
            available[name] = True
        return [self.blobs[name] for name in param.top]

    def _set_loss_weights(self, layer, param, top: list) -> None:
        if layer.is_loss and not param.loss_weight:
            param.loss_weight.append(1)
        if param.loss_weight and len(param.loss_weight) != len(top):
            raise CaffeError(
                f"loss_weight is given {len(param.loss_weight)} times, "
                f"expected 0 or {len(top)}, once per top"
            )
        layer.loss_weights = list(param.loss_weight) or [0.0] * len(top)
        for name, blob, weight in zip(param.top, top, layer.loss_weights):
            log.info("net.cpp:131", f"Top shape: {shape_string(blob.shape)}")
            self._loss_weights[name] = weight
            if weight:
                log.info("net.cpp:134", f"    with loss weight {weight:g}")
                blob.set_diff(torch.full(blob.shape, weight))
            self._memory += 4 * blob.count

    def _append_params(self, layer, param) -> bool:
        specs = list(param.param)
        if len(specs) > len(layer.blobs):
            raise CaffeError(f"has {len(specs)} param entries, expected at most {len(layer.blobs)}")
        specs += [caffe_pb2.ParamSpec() for _ in range(len(layer.blobs) - len(specs))]
        layer.param_needs_grad = [spec.lr_mult != 0 for spec in specs]
        layer.owners = [self._append_param(layer, i, spec) for i, spec in enumerate(specs)]
        return any(layer.param_needs_grad)

    def _append_param(self, layer, index: int, spec) -> tuple:
        """Add one parameter, or share its owner's; returns the owner as (layer name, index)."""
        blob = layer.blobs[index]
        if not spec.name or spec.name not in self._owners:
            if spec.name:
                self._owners[spec.name] = (layer.name, index, blob, len(self.learnable_params))
            self.learnable_params.append(blob)
            self.params_lr.append(spec.lr_mult)
            self.params_weight_decay.append(spec.decay_mult)
            for field, given in self._multiplier_given.items():
                given.append(spec.HasField(field))
            return layer.name, index
        owner_name, owner_index, owner, number = self._owners[spec.name]
        log.info(
            "net.cpp:467",
            f"Sharing parameters '{spec.name}' owned by layer '{owner_name}', "
            f"param index {owner_index}",
        )
        permissive = spec.share_mode == caffe_pb2.ParamSpec.PERMISSIVE
        if blob.count != owner.count or (blob.shape != owner.shape and not permissive):
            raise CaffeError(
                f'cannot share param "{spec.name}" of layer "{owner_name}": its shape is '
                f"{shape_string(owner.shape)}, expected {shape_string(blob.shape)}"
            )
        blob.share_data(owner)
        blob.share_diff(owner)
        self._merge_multiplier(spec, "lr_mult", self.params_lr, number)
        self._merge_multiplier(spec, "decay_mult", self.params_weight_decay, number)
        return owner_name, owner_index

    def _merge_multiplier(self, spec, field: str, values: list, number: int) -> None:
        """Take a user's multiplier of a shared parameter; two that are given must be equal."""
        given = self._multiplier_given[field]
        if not spec.HasField(field):
            return
        value = getattr(spec, field)
        if given[number] and values[number] != value:
            raise CaffeError(
                f'shared param "{spec.name}" has {field} {value:g}, '
                f"expected {values[number]:g} as where it was first given"
            )
        values[number], given[number] = value, True

    def _prune_backward(self) -> None:
        """Skip layers whose gradient no loss needs or propagate_down cuts off."""
        under_loss, skipped = set(), set()
        for i in reversed(range(len(self.layers))):
            layer, tops = self.layers[i], self._top_names[i]
            contributing = [
                name for name, w in zip(tops, layer.loss_weights) if w or name in under_loss
            ]
            if all(name in skipped for name in tops) and self._layer_needs_backward[i]:
                self._layer_needs_backward[i] = False
                self._bottom_needs_backward[i] = [False] * len(self.bottoms[i])
            if not contributing:
                self._layer_needs_backward[i] = False
            does = self._layer_needs_backward[i]
            line, words = (200, "needs") if does else (202, "does not need")
            log.info(f"net.cpp:{line}", f"{layer.name} {words} backward computation.")
            for j, name in enumerate(self._bottom_names[i]):
                if contributing:
                    under_loss.add(name)
                else:
                    self._bottom_needs_backward[i][j] = False
                if not self._bottom_needs_backward[i][j]:
                    skipped.add(name)

    def _force_backward(self) -> None:
        for i, layer in enumerate(self.layers):
            self._layer_needs_backward[i] = True
            self._bottom_needs_backward[i] = [
                needed or j not in layer.no_gradient_bottoms
                for j, needed in enumerate(self._bottom_needs_backward[i])
            ]
            layer.param_needs_grad = [True] * len(layer.blobs)

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
        for i in sources:
            self._run(i)
        inner = [i for i, top in enumerate(self.tops) if top and i not in sources]
        inputs, outputs = (
            list(dict.fromkeys(name for i in numbers for name in self._top_names[i]))
            for numbers in (sources, inner)
        )
        given = {name: self.blobs[name].data_tensor() for name in inputs}
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
                with _Naming(self, i, layer.param):
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

    def _naming(self, index: int) -> "_Naming":
        return _Naming(self, index, self.layers[index].param)

    def _users(self, outputs: list) -> dict:
        """For each layer that `outputs` need: the bottoms that nobody reads after it."""
        for name in outputs:
            if name not in self.blobs:
                raise CaffeError(f'{self._source}: the net has no blob "{name}"')
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
            with _Naming(self, i, layer.param):
                layer.reshape_tops(self.bottoms[i], self.tops[i])

    def clear_param_diffs(self) -> None:
        """Set all parameters' diffs to zero."""
        for blob in self.learnable_params:
            blob.clear_diff()

    def _check_range(self, first: int, last: int) -> None:
        if not 0 <= first < len(self.layers) or not 0 <= last < len(self.layers):
            raise CaffeError(
                f"{self._source}: cannot run layers {first} to {last}: "
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


class _Naming:
    """Context in which errors get file, line and layer; those of Python layers keep their type."""

    def __init__(self, net: Net, index: int, layer_param):
        self.net, self.index, self.layer_param = net, index, layer_param

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, CaffeError):
            raise self.net._located(self.index, self.layer_param, error) from error
        if isinstance(error, Exception) and len(error.args) == 1:
            error.args = (str(self.net._located(self.index, self.layer_param, error)),)


def create_layer(param):
    """The layer of a LayerParameter."""
    if param.type not in REGISTRY:
        near = similar(param.type, layer_type_list())
        hint = f'did you mean "{near[0]}"?' if near else "it is not one of Caffe's"
        raise CaffeError(f'unknown layer type "{param.type}"; {hint}')
    return REGISTRY[param.type](param, param.phase)


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

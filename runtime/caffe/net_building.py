"""Building a net: its layers one after the other, joined by blobs, from a NetParameter."""

from collections import OrderedDict

import torch

from . import graph, log, ops, prototxt, python_layer, streams, upgrade
from .blob import Blob, shape_string
from .errors import CaffeError, LayerPlaces, similar
from .layer import REGISTRY, Layer, layer_type_list
from .ops.common import in_place
from .proto import caffe_pb2

assert ops and python_layer  # imported for the layer types that they register


def prepare(param, places: LayerPlaces):
    """The NetParameter in today's form, of the layers of its state, with the splits it needs."""

    def changed(function, param):
        try:
            param, indices = function(param)
        except graph.LayerError as error:
            layers = param.layer or [old.layer for old in param.layers]
            raise places.located(error.index, layers[error.index], error) from None
        places.move(indices)
        return param

    param = changed(lambda net: upgrade.upgrade_net(net, places.source), param)
    param = changed(graph.filter_net, param)
    log.info("net.cpp:53", "Initializing net from parameters: \n" + prototxt.text(param))
    return changed(graph.insert_splits, param)


class Builder:
    """Appends layers to an empty `net`, with their blobs and parameters."""

    def __init__(self, net) -> None:
        self._net = net
        self._available: OrderedDict[str, bool] = OrderedDict()  # blobs that no layer has used yet
        self._blob_needs_backward: dict[str, bool] = {}
        self._owners: dict[str, tuple] = {}  # param name -> layer name, index, blob, number
        self._multiplier_given: dict[str, list[bool]] = {"lr_mult": [], "decay_mult": []}
        self._memory = 0

    def build(self, param, places: LayerPlaces) -> list:
        """Append all layers of a NetParameter; the names of the blobs that none of them reads."""
        for index, layer_param in enumerate(param.layer):
            with places.naming(index, layer_param):
                self._append_layer(index, layer_param)
        self._prune_backward()
        if param.force_backward:
            self._force_backward()
        return sorted(self._available)

    def _append_layer(self, index: int, param) -> None:
        if not param.HasField("phase"):
            param.phase = self._net.phase
        if param.propagate_down and len(param.propagate_down) != len(param.bottom):
            raise CaffeError(
                f"propagate_down is given {len(param.propagate_down)} times, "
                f"expected 0 or {len(param.bottom)}, once per bottom"
            )
        log.info("layer_factory.hpp:77", f"Creating layer {param.name}")
        layer = create_layer(param)
        layer.seed = streams.derive(self._net.seed, index)
        log.info("net.cpp:86", f"Creating Layer {param.name}")
        bottom, needs = self._connect_bottoms(layer, param)
        if in_place(param):
            layer.may_overwrite = not self._maker(param.bottom[0]).gradient_needs_tops
        top = self._connect_tops(layer, param)
        layer.check_counts(len(bottom), len(top))
        layer.set_up(bottom, top)
        log.info("net.cpp:124", f"Setting up {param.name}")
        self._set_loss_weights(layer, param, top)
        log.info("net.cpp:139", f"Memory required for data: {self._memory}")
        layer_needs = any(self._blob_needs_backward[name] for name in param.bottom)
        layer_needs |= self._append_params(layer, param)
        for name in param.top:
            self._blob_needs_backward[name] = layer_needs
        net = self._net
        net.layers.append(layer)
        net._layer_names.append(param.name)
        net.bottoms.append(bottom)
        net.tops.append(top)
        net._bottom_names.append(list(param.bottom))
        net._top_names.append(list(param.top))
        net._bottom_needs_backward.append(needs)
        net._layer_needs_backward.append(layer_needs)

    def _maker(self, blob: str) -> Layer:
        """The last layer so far that writes the blob."""
        made = zip(self._net.layers[::-1], self._net._top_names[::-1])
        return next(layer for layer, names in made if blob in names)

    def _connect_bottoms(self, layer, param) -> tuple:
        needs = []
        for j, name in enumerate(param.bottom):
            if name not in self._available:
                raise CaffeError(f'bottom {j} "{name}" is made by no layer before it')
            log.info("net.cpp:408", f"{param.name} <- {name}")
            del self._available[name]
            forced = param.propagate_down[j] if param.propagate_down else None
            needs.append(self._blob_needs_backward[name] if forced is None else forced)
        return [self._net.blobs[name] for name in param.bottom], needs

    def _connect_tops(self, layer, param) -> list:
        if layer.is_loss and not param.top:
            param.top.append(f"(automatic) {param.name}")
        for j, name in enumerate(param.top):
            reused = j < len(param.bottom) and param.bottom[j] == name
            if name in self._net.blobs and not reused:
                raise CaffeError(f'top "{name}" is already made by another layer')
            arrow = f"{param.name} -> {name}" + (" (in-place)" if reused else "")
            log.info("net.cpp:369" if reused else "net.cpp:382", arrow)
            if not reused:
                self._net.blobs[name] = Blob()
            if layer.type == "Input":
                self._net.inputs.append(name)
            self._available[name] = True
        return [self._net.blobs[name] for name in param.top]

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
            self._net._loss_weights[name] = weight
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
                self._owners[spec.name] = (layer.name, index, blob, len(self._net.learnable_params))
            self._net.learnable_params.append(blob)
            self._net.params_lr.append(spec.lr_mult)
            self._net.params_weight_decay.append(spec.decay_mult)
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
        self._merge_multiplier(spec, "lr_mult", self._net.params_lr, number)
        self._merge_multiplier(spec, "decay_mult", self._net.params_weight_decay, number)
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
        net = self._net
        under_loss, skipped = set(), set()
        for i in reversed(range(len(net.layers))):
            layer, tops = net.layers[i], net._top_names[i]
            contributing = [
                name for name, w in zip(tops, layer.loss_weights) if w or name in under_loss
            ]
            if all(name in skipped for name in tops) and net._layer_needs_backward[i]:
                net._layer_needs_backward[i] = False
                net._bottom_needs_backward[i] = [False] * len(net.bottoms[i])
            if not contributing:
                net._layer_needs_backward[i] = False
            does = net._layer_needs_backward[i]
            line, words = (200, "needs") if does else (202, "does not need")
            log.info(f"net.cpp:{line}", f"{layer.name} {words} backward computation.")
            for j, name in enumerate(net._bottom_names[i]):
                if contributing:
                    under_loss.add(name)
                else:
                    net._bottom_needs_backward[i][j] = False
                if not net._bottom_needs_backward[i][j]:
                    skipped.add(name)

    def _force_backward(self) -> None:
        net = self._net
        for i, layer in enumerate(net.layers):
            net._layer_needs_backward[i] = True
            net._bottom_needs_backward[i] = [
                needed or j not in layer.no_gradient_bottoms
                for j, needed in enumerate(net._bottom_needs_backward[i])
            ]
            layer.param_needs_grad = [True] * len(layer.blobs)


def create_layer(param):
    """The layer of a LayerParameter."""
    if param.type not in REGISTRY:
        near = similar(param.type, layer_type_list())
        hint = f'did you mean "{near[0]}"?' if near else "it is not one of Caffe's"
        raise CaffeError(f'unknown layer type "{param.type}"; {hint}')
    return REGISTRY[param.type](param, param.phase)

"""Old nets in today's form: pure functions on NetParameter messages.

What is replaced, the oldest first: V0 layers (`layers { layer { type: "conv" } }`), transformations
among the settings of data layers, V1 layers (`layers { type: CONVOLUTION }`), inputs as fields of
the net, learning rates of BatchNorm's statistics. Blobs come along, so that old models are read as
well as old definitions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from . import log
from .errors import CaffeError
from .graph import LayerError
from .proto import caffe_pb2
from .schema import is_repeated

V0_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}
V0_KEPT = ("name", "blobs", "blobs_lr", "weight_decay")
V0_TRANSFORM = {
    "scale": "scale",
    "meanfile": "mean_file",
    "cropsize": "crop_size",
    "mirror": "mirror",
}
V0_RENAMED = {
    "biasterm": "bias_term",
    "kernelsize": "kernel_size",
    "batchsize": "batch_size",
    "shuffle_images": "shuffle",
    "det_fg_threshold": "fg_threshold",
    "det_bg_threshold": "bg_threshold",
    "det_fg_fraction": "fg_fraction",
    "det_context_pad": "context_pad",
    "det_crop_mode": "crop_mode",
}
V1_TYPES = {  # where the name is not the words of the old one, each with a capital
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "NONE": "",
    "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
V1_PARAM_SPECS = {  # one list for each field of ParamSpec
    "param": "name",
    "blob_share_mode": "share_mode",
    "blobs_lr": "lr_mult",
    "weight_decay": "decay_mult",
}
TRANSFORMED = ("data_param", "image_data_param", "window_data_param")


def v1_type(name: str) -> str:
    """The type of a V1 layer, `INNER_PRODUCT`, as it is called today, `InnerProduct`."""
    words = "".join(word.capitalize() for word in name.split("_"))
    return V1_TYPES.get(name, words)


# -- V0 layers -------------------------------------------------------------------------------------


def _has_v0(net: Any) -> bool:
    return any(layer.HasField("layer") for layer in net.layers)


def _v0_to_v1(net: Any) -> tuple[Any, list]:
    """V0 layers as V1 layers; a padding layer becomes the pad of the layer that it feeds."""
    new, indices = _without(net, "layers"), []
    makers: dict[str, Any] = dict.fromkeys(net.input)
    for index, layer in enumerate(net.layers):
        try:
            padding = _padding(layer, makers)
            if layer.layer.type != "padding":
                _add_v1(new, layer, padding)
                indices.append(index)
        except CaffeError as error:
            raise LayerError(index, str(error)) from None
        makers.update(dict.fromkeys(layer.top, layer))
    return new, indices


def _padding(layer: Any, makers: dict) -> Any:
    """The padding layer that feeds a layer, if any; `makers` has the layer that makes each blob."""
    for j, blob in enumerate(layer.bottom):
        if blob not in makers:
            raise CaffeError(f'bottom {j} "{blob}" is made by no layer before it')
        maker = makers[blob]
        if maker is None or maker.layer.type != "padding":
            continue
        if layer.layer.type not in ("conv", "pool"):
            raise CaffeError(f'bottom {j} "{blob}" is padded, expected only by conv and pool')
        if not len(layer.bottom) == len(maker.bottom) == len(maker.top) == 1:
            raise CaffeError(f'bottom {j} "{blob}" is padded, expected one blob in and out of both')
        return maker
    return None


def _add_v1(net: Any, old: Any, padding: Any) -> None:
    """Add a layer in V1 form; `padding` is the padding layer before it, or None."""
    layer = net.layers.add()
    layer.CopyFrom(old)
    if not old.HasField("layer"):  # V1 already
        return
    layer.ClearField("layer")
    v0 = caffe_pb2.V0LayerParameter()
    v0.CopyFrom(old.layer)
    if padding is not None:
        layer.bottom[0], v0.pad = padding.bottom[0], padding.layer.pad
    if v0.type not in V0_TYPES:
        raise CaffeError(
            f'unknown V0 layer type "{v0.type}", expected one of {", ".join(V0_TYPES)}'
        )
    layer.type = caffe_pb2.V1LayerParameter.LayerType.Value(V0_TYPES[v0.type])
    for field, value in v0.ListFields():
        if field.name != "type":
            _set(*_v1_place(layer, v0.type, field.name), value)


def _v1_place(layer: Any, v0_type: str, name: str) -> tuple[Any, str]:
    """Which message of a V1 layer takes a V0 field, and under which name."""
    if name in V0_KEPT or name == f"{v0_type}_param":
        return layer, name
    if name in V0_TRANSFORM:
        return layer.transform_param, V0_TRANSFORM[name]
    settings = V0_TYPES[v0_type].lower() + "_param"
    renamed = V0_RENAMED.get(name, name)
    fields = layer.DESCRIPTOR.fields_by_name
    if settings not in fields or renamed not in fields[settings].message_type.fields_by_name:
        raise CaffeError(f'has the field "{name}", which no V0 layer of type "{v0_type}" has')
    return getattr(layer, settings), renamed


# -- transformations among the settings of V1 data layers ------------------------------------------


def _old_transformations(layer: Any) -> list[tuple[Any, str]]:
    """The message and the name of each field of a V1 data layer that moved to transform_param."""
    settings = caffe_pb2.V1LayerParameter.LayerType.Name(layer.type).lower() + "_param"
    if settings not in TRANSFORMED:
        return []
    param = getattr(layer, settings)
    return [(param, name) for name in V0_TRANSFORM.values() if param.HasField(name)]


def _has_old_transformations(net: Any) -> bool:
    return any(_old_transformations(layer) for layer in net.layers)


def _move_transformations(net: Any) -> tuple[Any, list]:
    """V1 data layers with their transformations in transform_param."""
    new = _without(net, "")
    for layer in new.layers:
        for param, name in _old_transformations(layer):
            setattr(layer.transform_param, name, getattr(param, name))
            param.ClearField(name)
    return new, list(range(len(net.layers)))


# -- V1 layers -------------------------------------------------------------------------------------


def _has_v1(net: Any) -> bool:
    return len(net.layers) > 0


def _v1_to_v2(net: Any) -> tuple[Any, list]:
    """V1 layers (`layers`) as layers of today (`layer`)."""
    if net.layer:
        raise CaffeError("has both layer and the old layers, expected layer alone")
    new = _without(net, "layers")
    for old in net.layers:
        _fill_v2(new.layer.add(), old)
    return new, list(range(len(net.layers)))


def _fill_v2(layer: Any, old: Any) -> None:
    """Give a layer of today what a V1 layer has."""
    for field, value in old.ListFields():
        if field.name == "type":
            layer.type = v1_type(field.enum_type.values_by_number[value].name)
        elif field.name in V1_PARAM_SPECS:
            for i, one in enumerate(value):
                spec = layer.param[i] if i < len(layer.param) else layer.param.add()
                setattr(spec, V1_PARAM_SPECS[field.name], one)
        else:
            _set(layer, field.name, value)


# -- inputs, BatchNorm -----------------------------------------------------------------------------


def _has_inputs(net: Any) -> bool:
    return len(net.input) > 0


def _inputs_to_layer(net: Any) -> tuple[Any, list]:
    """The fields input, input_shape and input_dim as an Input layer before the others."""
    new = _without(net, "input", "input_shape", "input_dim", "layer")
    shapes = _input_shapes(net)
    indices: list[int | None] = []
    if shapes:
        first = new.layer.add(name="input", type="Input", top=net.input)
        first.input_param.shape.extend(shapes)
        indices.append(None)
    new.layer.extend(net.layer)
    return new, indices + list(range(len(net.layer)))


def _input_shapes(net: Any) -> list:
    """The shape of each input; none at all in a net that gives only names, as some models do."""
    per_input, name = (1, "input_shape") if net.input_shape else (4, "input_dim")
    given, expected = getattr(net, name), per_input * len(net.input)
    if len(given) not in (0, expected):
        what = f"gives {name} {len(given)} time(s), expected {expected}"
        raise CaffeError(f"{what}: {per_input} for each of the {len(net.input)} input(s)")
    if net.input_shape:
        return list(given)
    return [caffe_pb2.BlobShape(dim=given[i : i + 4]) for i in range(0, len(given), 4)]


def _is_old_batch_norm(layer: Any) -> bool:
    return layer.type == "BatchNorm" and len(layer.param) == 3


def _has_old_batch_norm(net: Any) -> bool:
    return any(_is_old_batch_norm(layer) for layer in net.layer)


def _fix_batch_norm(net: Any) -> tuple[Any, list]:
    """BatchNorm layers that give their statistics rates, with rates of 0."""
    new = _without(net, "")
    for layer in filter(_is_old_batch_norm, new.layer):
        for spec in layer.param:
            spec.lr_mult = spec.decay_mult = 0
    return new, list(range(len(net.layer)))


# -- all together ----------------------------------------------------------------------------------


class Step(NamedTuple):
    """An upgrade: whether a net needs it, the upgrade itself, what the log says, at which lines.

    `apply` returns the new net, and for each of its layers the index that it had (None: it is new).
    """

    needed: Callable[[Any], bool]
    apply: Callable[[Any], tuple[Any, list]]
    lines: tuple[int, ...]
    attempt: str
    success: str
    warning: str = ""


_SPECIFIED = "input file specified using deprecated"
STEPS = (
    Step(
        _has_v0,
        _v0_to_v1,
        (28, 36, 39),
        f"{_SPECIFIED} V0LayerParameter",
        "file specified using deprecated V0LayerParameter",
        "not support V0NetParameter; use upgrade_net_proto_text for prototxt and "
        "upgrade_net_proto_binary for model weights upgrade this and any other net protos to the "
        "new format.",
    ),
    Step(
        _has_old_transformations,
        _move_transformations,
        (46, 49, 51),
        f"{_SPECIFIED} transformation parameters",
        "file specified using deprecated data transformation parameters.",
        "only support transform_param messages for transformation fields.",
    ),
    Step(
        _has_v1,
        _v1_to_v2,
        (55, 63),
        f"{_SPECIFIED} V1LayerParameter",
        "file specified using deprecated V1LayerParameter",
    ),
    Step(
        _has_inputs,
        _inputs_to_layer,
        (69, 72, 74),
        f"{_SPECIFIED} input fields",
        "file specified using deprecated input fields.",
        "only support input layers and not input fields.",
    ),
    Step(
        _has_old_batch_norm,
        _fix_batch_norm,
        (79, 82),
        "batch norm layers using deprecated params",
        "batch norm layers using deprecated params.",
    ),
)


def needs_upgrade(net: Any) -> bool:
    """Whether a net has anything in an old form."""
    return any(step.needed(net) for step in STEPS)


def upgrade_net(net: Any, source: str) -> tuple[Any, list]:
    """`net` in today's form, and for each layer the index that it had (None: the Input layer).

    Indices count `layer` or, in an old net, `layers`. `source` is the file that the log names. What
    cannot be upgraded is a LayerError, or a CaffeError that names the source.
    """
    indices: list[int | None] = list(range(len(net.layer) or len(net.layers)))
    for step in STEPS:
        if not step.needed(net):
            continue
        attempt, success, *warning = (f"upgrade_proto.cpp:{line}" for line in step.lines)
        log.info(attempt, f"Attempting to upgrade {step.attempt}: {source}")
        try:
            net, origins = step.apply(net)
        except LayerError:
            raise
        except CaffeError as error:
            raise CaffeError(f"{source}: {error}") from None
        except UnicodeDecodeError as error:  # a binary file's strings are checked where they go
            text = ascii(error.object)[1:]
            raise CaffeError(f"{source}: {text} is not UTF-8, expected UTF-8 text") from None
        indices = [None if i is None else indices[i] for i in origins]
        log.info(success, f"Successfully upgraded {step.success}")
        for place in warning:
            log.warning(place, f"Note that future Caffe releases will {step.warning}")
    return net, indices


def upgraded(net: Any, source: str) -> Any:
    """`net` in today's form; every error names the source."""
    try:
        return upgrade_net(net, source)[0]
    except LayerError as error:
        layer = net.layers[error.index].layer
        raise CaffeError(f'{source}: layer "{layer.name}" ({layer.type}): {error}') from None


def _without(net: Any, *names: str) -> Any:
    """A copy of a net without these fields."""
    copy = caffe_pb2.NetParameter()
    for field, value in net.ListFields():
        if field.name not in names:
            _set(copy, field.name, value)
    return copy


def _set(message: Any, name: str, value: Any) -> None:
    """Sets a field, or adds to a repeated one the value or values."""
    field = message.DESCRIPTOR.fields_by_name[name]
    if is_repeated(field):
        is_one = isinstance(value, (int, float, str))
        getattr(message, name).extend([value] if is_one else value)
    elif field.message_type is not None:
        getattr(message, name).CopyFrom(value)
    else:
        setattr(message, name, value)

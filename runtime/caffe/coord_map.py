"""Where the cells of one blob lie on another: coordinates through layers, crops that align them.

A map (axis, a, b) takes the coordinate x of a cell to a x + b along each axis after `axis`, that of
the channels. `a` and `b` are numbers, or arrays where axes differ; `axis` is None where a layer
leaves all coordinates as they are.
"""

import numpy as np

from .net_spec import Function, Top, layers

PASS_THROUGH_LAYERS = [
    "AbsVal",
    "BatchNorm",
    "Bias",
    "BNLL",
    "Dropout",
    "Eltwise",
    "ELU",
    "Exp",
    "Log",
    "LRN",
    "MVN",
    "Power",
    "PReLU",
    "ReLU",
    "Scale",
    "Sigmoid",
    "Split",
    "TanH",
    "Threshold",
]
_PER_AXIS_NAMES = {f"{name}_{axis}" for name in ("pad", "kernel", "stride") for axis in "hw"}


class UndefinedMapException(Exception):
    """A layer whose tops do not lie on its bottoms: InnerProduct, for one."""


class AxisMismatchException(Exception):
    """Two maps of different axes."""


def conv_params(fn: Function) -> tuple:
    """(axis, stride, extent of the kernel, pad) of a sliding window; arrays, but for the axis."""
    params = fn.params.get("convolution_param", fn.params)
    if _PER_AXIS_NAMES & set(params):
        raise AssertionError("cropping does not support legacy _h/_w params")
    stride, kernel, dilation, pad = (
        np.array(params.get(name, default), ndmin=1)
        for name, default in (("stride", 1), ("kernel_size", None), ("dilation", 1), ("pad", 0))
    )
    if kernel[0] is None:
        raise UndefinedMapException(f"{fn.type_name} has no kernel_size")
    return params.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn: Function) -> tuple:
    """(axis, offset) of a Crop layer."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), np.array(params.get("offset", 0), ndmin=1)


def coord_map(fn: Function) -> tuple:
    """The map from the coordinates of a layer's bottom to those of its top.

    With stride s, kernel extent k and pad p, a convolution or pooling maps x to
    (x + p - (k - 1) / 2) / s; a deconvolution does the inverse, s x + (k - 1) / 2 - p; a Crop
    subtracts its offset. Raises UndefinedMapException for other layers that move cells.
    """
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, _number(1 / stride), _number((pad - (extent - 1) / 2) / stride)
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, _number(stride), _number((extent - 1) / 2 - pad)
    if fn.type_name in PASS_THROUGH_LAYERS:
        return None, 1, 0
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, _number(-offset)
    raise UndefinedMapException(f"{fn.type_name} does not keep coordinates")


def _number(values: np.ndarray):
    """An array of one number as that number."""
    return values[0] if values.size == 1 else values


def compose(base_map: tuple, next_map: tuple) -> tuple:
    """The map that applies `next_map`, then `base_map`: x to a1 (a2 x + b2) + b1."""
    axis1, a1, b1 = base_map
    axis2, a2, b2 = next_map
    if None not in (axis1, axis2) and axis1 != axis2:
        raise AxisMismatchException(f"maps of axes {axis1} and {axis2} cannot be composed")
    return axis2 if axis1 is None else axis1, a1 * a2, a1 * b2 + b1


def inverse(coord_map: tuple) -> tuple:
    """The map the other way: x to (x - b) / a."""
    axis, a, b = coord_map
    return axis, 1 / a, -b / a


def coord_map_from_to(top_from: Top, top_to: Top) -> tuple:
    """The map from the coordinates of one top to those of another, through what both come from."""
    from_maps, to_maps = _maps(top_from), _maps(top_to)
    for top, to_map in to_maps.items():
        if top in from_maps:
            return compose(to_map, inverse(from_maps[top]))
    raise RuntimeError("Could not compute map between tops; are they connected by spatial layers?")


def _maps(top: Top) -> dict:
    """The maps to `top` from all that it comes from, itself the first."""
    maps, waiting = {top: (None, 1, 0)}, [top]
    while waiting:
        current = waiting.pop(0)
        try:
            step = coord_map(current.fn)
        except UndefinedMapException:
            continue
        bottoms = current.fn.inputs[:1] if current.fn.type_name == "Crop" else current.fn.inputs
        for bottom in bottoms:
            if bottom not in maps:
                maps[bottom] = compose(maps[current], step)
                waiting.append(bottom)
    return maps


def crop(top_from: Top, top_to: Top) -> Top:
    """A Crop layer that cuts `top_from` to the cells that lie on those of `top_to`."""
    axis, a, b = coord_map_from_to(top_from, top_to)
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    for is_wrong, complaint in (
        ((a != 1).any(), f"scale mismatch on crop (a = {a})"),
        ((b > 0).any(), f"cannot crop negative offset (b = {b})"),
        ((np.round(b) != b).any(), f"cannot crop noninteger offset (b = {b})"),
    ):
        if is_wrong:
            raise AssertionError(complaint)
    offset = (-np.round(b)).astype(int).tolist()
    return layers.Crop(top_from, top_to, crop_param={"axis": axis + 1, "offset": offset})

"""Fillers: how a learned blob gets its first values, drawn from the blob's own random stream.

fan_in is the number of elements behind axis 0, fan_out the number of elements without axis 1:
for a weight of shape (O, I, h, w) these are I h w and O h w.
"""

import math

import torch

from .errors import CaffeError
from .proto.caffe_pb2 import FillerParameter


def constant(blob: torch.Tensor, param, generator: torch.Generator) -> None:
    """Every element is `value`."""
    blob.fill_(param.value)


def uniform(blob: torch.Tensor, param, generator: torch.Generator) -> None:
    """U(min, max)."""
    _check_finite(param, "min", "max")
    if param.min > param.max:
        raise CaffeError(f"filler has min {param.min:g}, expected at most max {param.max:g}")
    if param.max - param.min > torch.finfo(torch.float32).max:
        raise CaffeError(
            f'filler "uniform" has min {param.min:g} and max {param.max:g}, '
            "expected a range that a float32 can hold"
        )
    blob.uniform_(param.min, param.max, generator=generator)


def gaussian(blob: torch.Tensor, param, generator: torch.Generator) -> None:
    """N(mean, std^2); with `sparse` >= 0 an element is kept with probability sparse / shape[0]."""
    _check_finite(param, "mean", "std")
    if param.sparse < -1:
        raise CaffeError(f"filler has sparse {param.sparse}, expected -1 (dense) or more")
    blob.normal_(param.mean, _deviation(param), generator=generator)
    if param.sparse >= 0:
        rows = blob.shape[0] if blob.ndim else 1
        blob.mul_(torch.rand(blob.shape, generator=generator) < param.sparse / rows)


def positive_unitball(blob: torch.Tensor, param, generator: torch.Generator) -> None:
    """U(0, 1), then each row (axis 0) divided by its sum."""
    blob.uniform_(0, 1, generator=generator)
    rows = blob.view(blob.shape[0] if blob.ndim else 1, -1)
    rows.div_(rows.sum(1, keepdim=True))


def xavier(blob: torch.Tensor, param, generator: torch.Generator) -> None:
    """U(-a, a) with a = sqrt(3 / fan): variance 1 / fan (Glorot and Bengio 2010)."""
    bound = math.sqrt(3 / _fan(blob.shape, param.variance_norm))
    blob.uniform_(-bound, bound, generator=generator)


def msra(blob: torch.Tensor, param, generator: torch.Generator) -> None:
    """N(0, 2 / fan), for layers before a ReLU (He et al. 2015)."""
    blob.normal_(0, math.sqrt(2 / _fan(blob.shape, param.variance_norm)), generator=generator)


def bilinear(blob: torch.Tensor, param, generator: torch.Generator) -> None:
    """Bilinear interpolation as the kernel of a Deconvolution, (1 - |x/f - c|) (1 - |y/f - c|).

    f = ceil(k / 2) and c = (k - 1) / 2f for a kernel of k x k. It enlarges by f with kernel_size
    2f - f mod 2, stride f, pad ceil((f - 1) / 2), and one group per channel.
    """
    if blob.ndim != 4 or blob.shape[2] != blob.shape[3]:
        raise CaffeError(
            f"bilinear filler needs 4 axes and a square kernel; blob is {tuple(blob.shape)}"
        )
    size = blob.shape[3]
    factor = math.ceil(size / 2)
    centre = (size - 1) / (2 * factor)
    ramp = 1 - (torch.arange(size, dtype=torch.float64) / factor - centre).abs()
    blob.copy_(ramp[:, None] * ramp)


FILLERS = {
    function.__name__: function
    for function in (constant, uniform, gaussian, positive_unitball, xavier, msra, bilinear)
}


def fill(blob: torch.Tensor, param, generator: torch.Generator) -> None:
    """Fill `blob` in place as the FillerParameter says."""
    if param.type not in FILLERS:
        known = ", ".join(FILLERS)
        raise CaffeError(f'unknown filler type "{param.type}", expected one of {known}')
    if param.type != "gaussian" and param.sparse != -1:
        raise CaffeError(f'filler "{param.type}" cannot be sparse; only "gaussian" can')
    if not blob.numel() and param.type != "constant":
        raise CaffeError(f'filler "{param.type}" has an empty blob to fill, {tuple(blob.shape)}')
    with torch.no_grad():
        FILLERS[param.type](blob, param, generator)


def _check_finite(param, *fields: str) -> None:
    for field in fields:
        value = getattr(param, field)
        if not math.isfinite(value):
            raise CaffeError(f'filler "{param.type}" has {field} {value}, expected a finite number')


def _deviation(param) -> float:
    if param.std < 0:
        raise CaffeError(f"filler has std {param.std:g}, expected at least 0")
    return param.std


def _fan(shape: tuple, norm: int) -> float:
    """The fan that `variance_norm` names; a blob of less than two axes counts missing axes as 1."""
    count = math.prod(shape)
    fan_in = count / shape[0] if shape else 1
    fan_out = count / shape[1] if len(shape) > 1 else count
    if norm == FillerParameter.FAN_OUT:
        return fan_out
    return (fan_in + fan_out) / 2 if norm == FillerParameter.AVERAGE else fan_in

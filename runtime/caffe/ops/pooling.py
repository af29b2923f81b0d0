"""Pooling over 2 spatial axes, with Caffe's rules for the last window and for the border."""

import math

import torch
import torch.nn.functional as F

from ..blob import MAX_COUNT, checked_shape
from ..errors import CaffeError
from ..layer import Layer, register
from ..proto.caffe_pb2 import TRAIN, PoolingParameter
from .common import FLT_MAX, FLT_MIN, at_least_float32, check_positive, times


class Geometry:
    """Kernel, stride and pad along height and width."""

    def __init__(self, kernel: tuple, stride: tuple, pad: tuple, floor: bool = False):
        self.kernel, self.stride, self.pad, self.floor = kernel, stride, pad, floor

    def size(self, spatial: tuple) -> tuple:
        """Number of windows: (n + 2 pad - kernel) / stride + 1, rounded up unless `floor`.

        With padding, a last window that would start outside the bottom and its near border is
        dropped; without, it stays, and may lie wholly outside.
        """
        sizes = []
        for n, k, s, p in zip(spatial, self.kernel, self.stride, self.pad):
            room = n + 2 * p - k
            size = (room if self.floor else room + s - 1) // s + 1
            sizes.append(size - 1 if any(self.pad) and (size - 1) * s >= n + p else size)
        if min(sizes) < 1:
            raise CaffeError(
                f"kernel {times(self.kernel)} with stride {times(self.stride)} and pad "
                f"{times(self.pad)} does not fit a bottom of {'x'.join(map(str, spatial))}"
            )
        return tuple(sizes)

    def overrun(self, spatial: tuple) -> list:
        """By how many cells the last window ends behind the far border; negative: before it."""
        return [
            (o - 1) * s + k - n - 2 * p
            for n, o, k, s, p in zip(
                spatial, self.size(spatial), self.kernel, self.stride, self.pad
            )
        ]

    def arguments(self, spatial: tuple) -> "tuple | None":
        """Arguments with which torch pools just so; None where it has no such thing."""
        reaches = zip(spatial, self.size(spatial), self.stride, self.pad)
        starts_inside = all((o - 1) * s < n + p for n, o, s, p in reaches)
        if starts_inside and all(2 * p <= k for k, p in zip(self.kernel, self.pad)):
            return self.kernel, self.stride, self.pad, max(self.overrun(spatial)) > 0
        return None

    def padded(self, x: torch.Tensor, value: float) -> torch.Tensor:
        """The cells under the windows, written out."""
        (top, left), (below, right) = self.pad, self.overrun(x.shape[2:])
        height, width = x.shape[2] + below + 2 * top, x.shape[3] + right + 2 * left
        checked_shape((*x.shape[:2], height, width))
        return F.pad(x, (left, right + left, top, below + top), value=value)


def max_pool(x: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """The maximum of each window; -FLT_MAX where a window holds no cell."""
    arguments = geometry.arguments(x.shape[2:])
    if arguments:
        kernel, stride, pad, ceil = arguments
        return F.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil)
    return F.max_pool2d(_padded_low(x, geometry), geometry.kernel, geometry.stride)


def max_pool_mask(x: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Where in the (height, width) plane each maximum is, as one number; -1 for no cell."""
    (top, left), (height, width) = geometry.pad, x.shape[2:]
    padded = _padded_low(x.detach(), geometry)
    _, index = F.max_pool2d(padded, geometry.kernel, geometry.stride, return_indices=True)
    row = index.div(padded.shape[3], rounding_mode="floor") - top
    column = index % padded.shape[3] - left
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return torch.where(inside, row * width + column, -1).to(at_least_float32(x.dtype))


def _padded_low(x: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    return geometry.padded(x, max(-FLT_MAX, torch.finfo(x.dtype).min))


def average_pool(x: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """The mean of each window; cells of the border count as zeros, cells behind it not at all."""
    arguments = geometry.arguments(x.shape[2:])
    if arguments:
        return F.avg_pool2d(x, *arguments)
    counts = [
        torch.tensor([float(max(1, min(k, n + 2 * p - i * s))) for i in range(o)])
        for n, o, k, s, p in zip(
            x.shape[2:], geometry.size(x.shape[2:]), geometry.kernel, geometry.stride, geometry.pad
        )
    ]
    total = F.avg_pool2d(
        geometry.padded(x, 0.0), geometry.kernel, geometry.stride, divisor_override=1
    )
    return total / (counts[0][:, None] * counts[1]).to(x)


def stochastic_pool(
    x: torch.Tensor, geometry: Geometry, generator: "torch.Generator | None"
) -> torch.Tensor:
    """A cell of each window, of probability x / sum(x); without generator the expectation."""
    (kernel_h, kernel_w), (stride_h, stride_w) = geometry.kernel, geometry.stride
    windows = geometry.padded(x, 0.0).unfold(2, kernel_h, stride_h).unfold(3, kernel_w, stride_w)
    windows = windows.flatten(-2)
    if generator is None:
        return windows.square().sum(-1) / (windows.sum(-1) + FLT_MIN)
    cumulative = windows.detach().cumsum(-1)
    draw = torch.rand(cumulative.shape[:-1], generator=generator, device=x.device)
    threshold = draw.to(x.dtype) * cumulative[..., -1]
    index = (cumulative < threshold[..., None]).sum(-1, keepdim=True)
    return windows.gather(-1, index.clamp(max=windows.shape[-1] - 1)).squeeze(-1)


class _PoolingBase(Layer):
    """What Pooling and SPP share: the choice of method."""

    def pool(self, x: torch.Tensor, method: int, geometry: Geometry) -> torch.Tensor:
        """Pool as `method`, a PoolMethod, says."""
        if method == PoolingParameter.MAX:
            return max_pool(x, geometry)
        if method == PoolingParameter.AVE:
            return average_pool(x, geometry)
        generator = self.generator(x.device) if self.phase == TRAIN else None
        return stochastic_pool(x, geometry, generator)

    @staticmethod
    def check_axes(shape: tuple) -> None:
        """Raise unless the bottom is (num, channels, height, width)."""
        if len(shape) != 4:
            raise CaffeError(f"needs 4 axes (num, channels, height, width); bottom is {shape}")


@register("Pooling")
class Pooling(_PoolingBase):
    """MAX, AVE (mean) or STOCHASTIC (Zeiler and Fergus 2013) of each window.

    `round_mode` CEIL keeps a last, partial window. AVE divides by the number of cells inside the
    padded bottom. The first of equal maxima gets the gradient. A second top, for MAX only, is the
    index of the maximum in its plane. STOCHASTIC draws in TRAIN and takes the expectation in
    TEST; it has no padding. `global_pooling` makes the kernel as large as the bottom. `engine` is
    accepted and changes nothing.
    """

    differs = "STOCHASTIC works on the CPU; a MAX window without a cell spoils no gradient"

    @property
    def top_count(self):
        return (1, 2) if self.param.pooling_param.pool == PoolingParameter.MAX else (1, 1)

    def setup(self, shapes):
        param = self.param.pooling_param
        self.check_axes(shapes[0])
        stride, pad = _pair(param, "stride", "stride"), _pair(param, "pad", "pad")
        check_positive(min(stride), "stride")
        if param.global_pooling:
            if (
                param.HasField("kernel_size")
                or param.HasField("kernel_h")
                or param.HasField("kernel_w")
            ):
                raise CaffeError(
                    "global_pooling takes the bottom's size; kernel_size must not be given"
                )
            if stride != (1, 1) or pad != (0, 0):
                raise CaffeError("global_pooling needs stride 1 and pad 0")
            kernel = None
        else:
            kernel = _pair(param, "kernel_size", "kernel")
            check_positive(min(kernel), "kernel_size")
            if any(p >= k for p, k in zip(pad, kernel)):
                raise CaffeError(f"pad {times(pad)} must be less than kernel {times(kernel)}")
        if param.pool == PoolingParameter.STOCHASTIC and any(pad):
            raise CaffeError("pool STOCHASTIC has no padding; pad must be 0")
        self._kernel, self._stride, self._pad = kernel, stride, pad

    def _geometry(self, shape: tuple) -> Geometry:
        floor = self.param.pooling_param.round_mode == PoolingParameter.FLOOR
        # A window that starts behind the border is empty, however far behind it starts.
        stride = tuple(min(s, max(1, n + p)) for s, n, p in zip(self._stride, shape[2:], self._pad))
        return Geometry(self._kernel or tuple(shape[2:]), stride, self._pad, floor)

    def reshape(self, shapes):
        self.check_axes(shapes[0])
        height, width = (n + 2 * p for n, p in zip(shapes[0][2:], self._pad))
        if height * width > MAX_COUNT:  # torch walks over every cell of the border
            raise CaffeError(
                f"pad {times(self._pad)} makes planes of {height}x{width}, "
                f"expected at most {MAX_COUNT} cells"
            )
        top = (*shapes[0][:2], *self._geometry(shapes[0]).size(shapes[0][2:]))
        return [top] * len(self.param.top)

    def forward(self, bottom, blobs):
        (x,) = bottom
        geometry = self._geometry(x.shape)
        y = self.pool(x, self.param.pooling_param.pool, geometry)
        return (y, max_pool_mask(x, geometry)) if len(self.param.top) == 2 else (y,)


def _pair(param, name: str, stem: str) -> tuple:
    """(height, width) of a field given once, or as `stem`_h and `stem`_w."""
    given = [param.HasField(f"{stem}_{side}") for side in "hw"]
    if not any(given):
        value = getattr(param, name)
        return value, value
    if param.HasField(name):
        raise CaffeError(f"{name} and {stem}_h or {stem}_w are both given, expected one of them")
    if not all(given):
        raise CaffeError(f"{stem}_h and {stem}_w are both needed, expected a value for each")
    return getattr(param, f"{stem}_h"), getattr(param, f"{stem}_w")


@register("SPP")
class SPP(_PoolingBase):
    """Spatial pyramid pooling (He et al. 2014): level i pools to 2^i x 2^i bins, levels are joined.

    (N, C, H, W) becomes (N, C sum_i 4^i); a pyramid of height 1 keeps its four axes. Windows are
    ceil(n / 2^i) wide and as far apart, padded so that they lie evenly.
    """

    def setup(self, shapes):
        check_positive(self.param.spp_param.pyramid_height, "pyramid_height")

    def _levels(self, shape: tuple) -> list:
        self.check_axes(shape)
        levels = []
        for level in range(self.param.spp_param.pyramid_height):
            kernel = tuple(math.ceil(n / 2**level) for n in shape[2:])
            pad = tuple((k * 2**level - n + 1) // 2 for k, n in zip(kernel, shape[2:]))
            if any(p >= k for p, k in zip(pad, kernel)):
                raise CaffeError(f"pyramid_height {level + 1} has too many bins; bottom is {shape}")
            levels.append(Geometry(kernel, kernel, pad))
        return levels

    def reshape(self, shapes):
        n, channels, *spatial = shapes[0]
        sizes = [level.size(tuple(spatial)) for level in self._levels(shapes[0])]
        if len(sizes) == 1:
            return [(n, channels, *sizes[0])]
        return [(n, channels * sum(math.prod(size) for size in sizes))]

    def forward(self, bottom, blobs):
        (x,) = bottom
        method = self.param.spp_param.pool
        tops = [self.pool(x, method, level) for level in self._levels(tuple(x.shape))]
        return (tops[0],) if len(tops) == 1 else (torch.cat([y.flatten(1) for y in tops], 1),)

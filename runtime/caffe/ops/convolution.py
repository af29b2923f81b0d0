"""Convolution and its relatives, over 1 to 3 spatial axes."""

import math

import torch
import torch.nn.functional as F

from .. import context
from ..errors import CaffeError
from ..layer import Layer, register
from .common import canonical_axis, check_equal_shapes, check_not_in_place, check_positive, times

CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


class Window:
    """Kernel, stride, pad and dilation of a ConvolutionParameter along each spatial axis."""

    def __init__(self, param, axes: int):
        self.kernel = _per_axis(param, "kernel_size", "kernel", axes)
        self.stride = _per_axis(param, "stride", "stride", axes, 1)
        self.pad = _per_axis(param, "pad", "pad", axes, 0)
        self.dilation = _per_axis(param, "dilation", "", axes, 1)
        for name in ("kernel", "stride", "dilation"):
            check_positive(min(getattr(self, name)), name)
        self.dilation = tuple(d if k > 1 else 1 for d, k in zip(self.dilation, self.kernel))
        self.extent = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation))

    def __str__(self):
        """The window as an error names it."""
        parts = [f"kernel {times(self.kernel)}"]
        if max(self.dilation) > 1:
            parts.append(f"dilation {times(self.dilation)}")
        if max(self.pad) > 0:
            parts.append(f"pad {times(self.pad)}")
        return parts[0] + (" with " if len(parts) > 1 else "") + " and ".join(parts[1:])

    def positions(self, bottom: tuple, spatial: tuple) -> tuple:
        """How often the window fits: (n + 2 pad - extent) / stride + 1, rounded down."""
        least = tuple(max(1, e - 2 * p) for e, p in zip(self.extent, self.pad))
        if any(n < m for n, m in zip(spatial, least)):
            raise CaffeError(
                f"{self} needs at least {'x'.join(map(str, least))}; bottom is {bottom}"
            )
        return tuple(
            (n + 2 * p - e) // s + 1
            for n, p, e, s in zip(spatial, self.pad, self.extent, self.stride)
        )

    def steps(self, spatial: tuple) -> tuple:
        """The stride, no larger than matters: oneDNN crashes on the backward of a huge one."""
        return tuple(min(s, max(1, n + 2 * p)) for n, p, s in zip(spatial, self.pad, self.stride))

    def spread(self, bottom: tuple, spatial: tuple) -> tuple:
        """The size whose positions are `spatial`: stride (n - 1) + extent - 2 pad."""
        size = tuple(
            s * (n - 1) + e - 2 * p
            for n, p, e, s in zip(spatial, self.pad, self.extent, self.stride)
        )
        if min(size) < 1:
            raise CaffeError(f"{self} leaves nothing of the top; bottom is {bottom}")
        return size


def _per_axis(param, name: str, stem: str, axes: int, default: "int | None" = None) -> tuple:
    """A field given once, once per spatial axis, or as `stem`_h and `stem`_w."""
    values = list(getattr(param, name))
    if stem and (param.HasField(f"{stem}_h") or param.HasField(f"{stem}_w")):
        if values:
            raise CaffeError(
                f"{name} and {stem}_h or {stem}_w are both given, expected one of them"
            )
        if axes != 2:
            raise CaffeError(f"{stem}_h and {stem}_w need 2 spatial axes; bottom has {axes}")
        return getattr(param, f"{stem}_h"), getattr(param, f"{stem}_w")
    if not values and default is None:
        raise CaffeError(f"{name} is missing")
    if len(values) not in (0, 1, axes):
        raise CaffeError(f"{name} is given {len(values)} times, expected once or {axes} times")
    return tuple(values) if len(values) == axes else tuple(values or [default]) * axes


class _Windowed(Layer):
    """Layers that move a window over the axes after `axis`; the axes before it are batch axes."""

    differs = "more than 3 spatial axes and dilation 0 are refused"

    bottom_count = (1, None)
    top_count = (1, None)
    equal_counts = True

    def setup(self, shapes):
        param = self.param.convolution_param
        self.axis = canonical_axis(param.axis, shapes[0])
        axes = len(shapes[0]) - self.axis - 1
        if not 1 <= axes <= 3:
            raise CaffeError(f"needs 1 to 3 axes after axis {self.axis}; bottom is {shapes[0]}")
        self.window = Window(param, axes)
        self.channels = shapes[0][self.axis]

    def reshape(self, shapes):
        check_equal_shapes(shapes)
        bottom = shapes[0]
        if len(bottom) != self.axis + 1 + len(self.window.kernel):
            raise CaffeError(
                f"bottom is {bottom}, expected {self.axis + 1 + len(self.window.kernel)} axes"
            )
        if bottom[self.axis] != self.channels:
            raise CaffeError(
                f"bottom is {bottom}, expected {self.channels} channels on axis {self.axis}"
            )
        spatial = self.spatial_size(bottom, bottom[self.axis + 1 :])
        return [(*bottom[: self.axis], self.top_channels, *spatial)] * len(shapes)

    def forward(self, bottom, blobs):
        return tuple(self._with_batch_axes(x, blobs) for x in bottom)

    def spatial_size(self, bottom: tuple, spatial: tuple) -> tuple:
        """The top's sizes behind `axis` for a bottom whose own are `spatial`."""
        raise NotImplementedError

    def apply(self, x: torch.Tensor, *blobs: torch.Tensor) -> torch.Tensor:
        """The top of one bottom (batch, channels, *spatial)."""
        raise NotImplementedError

    def _with_batch_axes(self, x: torch.Tensor, blobs: tuple) -> torch.Tensor:
        if self.axis == 1:
            return self.apply(x, *blobs)
        batch = x.shape[: self.axis]
        y = self.apply(x.reshape(math.prod(batch), *x.shape[self.axis :]), *blobs)
        return y.reshape(*batch, *y.shape[1:])


class _Filtering(_Windowed):
    """What Convolution and Deconvolution have in common: weights, bias and groups."""

    gradient_needs_tops = False

    def setup(self, shapes):
        super().setup(shapes)
        param = self.param.convolution_param
        self.top_channels, self.group = param.num_output, param.group
        check_positive(self.top_channels, "num_output")
        check_positive(self.group, "group")
        for name, count in (("num_output", self.top_channels), ("bottom", self.channels)):
            if count % self.group:
                raise CaffeError(
                    f"{name} has {count} channels, expected a multiple of group {self.group}"
                )
        self.add_blob(self.weight_shape(), param.weight_filler)
        if param.bias_term:
            self.add_blob((self.top_channels,), param.bias_filler)


def _laid_out(x: torch.Tensor, weight: torch.Tensor) -> tuple:
    """The same values in the order in memory that the device likes best.

    The filter's top keeps it, and so do most layers after it: it is x that is seldom copied.
    """
    if weight.dim() != 4 or not context.channels_last():
        return x, weight
    layout = torch.channels_last
    return x.contiguous(memory_format=layout), weight.contiguous(memory_format=layout)


@register("Convolution")
class Convolution(_Filtering):
    """Cross-correlation with learned filters, y = W * x + b.

    Stored: W (num_output, channels / group, *kernel) and, with `bias_term`, b (num_output).
    `axis` is the channels' axis; every axis before it is a batch axis. `engine` and
    `force_nd_im2col` choose between implementations in Caffe; there is one here, so they are
    accepted and change nothing.
    """

    def weight_shape(self):
        return (self.top_channels, self.channels // self.group, *self.window.kernel)

    def spatial_size(self, bottom, spatial):
        return self.window.positions(bottom, spatial)

    def apply(self, x, weight, bias=None):
        w = self.window
        convolution = CONVOLUTIONS[len(w.kernel) - 1]
        x, weight = _laid_out(x, weight)
        return convolution(x, weight, bias, w.steps(x.shape[2:]), w.pad, w.dilation, self.group)


@register("Deconvolution")
class Deconvolution(_Filtering):
    """The transpose of a Convolution of the same fields (its backward pass), plus a bias.

    Stored: W (channels, num_output / group, *kernel) and, with `bias_term`, b (num_output).
    """

    def weight_shape(self):
        return (self.channels, self.top_channels // self.group, *self.window.kernel)

    def spatial_size(self, bottom, spatial):
        return self.window.spread(bottom, spatial)

    def apply(self, x, weight, bias=None):
        w = self.window
        convolution = TRANSPOSED[len(w.kernel) - 1]
        stride = tuple(s if n > 1 else 1 for s, n in zip(w.stride, x.shape[2:]))
        x, weight = _laid_out(x, weight)
        return convolution(x, weight, bias, stride, w.pad, 0, self.group, w.dilation)


@register("Im2col")
class Im2col(_Windowed):
    """Every window's content as channels: (N, C, *spatial) becomes (N, C prod(kernel), *positions).

    Reads the window's fields of `convolution_param`; nothing is stored.
    """

    def setup(self, shapes):
        check_not_in_place(self.param)
        super().setup(shapes)
        self.top_channels = self.channels * math.prod(self.window.kernel)

    def spatial_size(self, bottom, spatial):
        return self.window.positions(bottom, spatial)

    def apply(self, x):
        w = self.window
        axes, stride = len(w.kernel), w.steps(x.shape[2:])
        x = F.pad(x, [p for pad in reversed(w.pad) for p in (pad, pad)])
        for i in range(axes):
            x = x.unfold(2 + i, w.extent[i], stride[i])[..., :: w.dilation[i]]
        kernel, positions = range(2 + axes, 2 + 2 * axes), range(2, 2 + axes)
        return x.permute(0, 1, *kernel, *positions).flatten(1, 1 + axes)

"""Element-wise functions of one bottom; `engine` is accepted and changes nothing."""

import math

import torch
import torch.nn.functional as F

from .. import context, log
from ..errors import CaffeError
from ..layer import Layer, register
from ..proto.caffe_pb2 import FillerParameter
from .common import in_place


class _Elementwise(Layer):
    """A function f(x) of each element, given as `function`."""

    def reshape(self, shapes):
        return shapes

    def forward(self, bottom, blobs):
        return (self.function(bottom[0]),)

    def function(self, x: torch.Tensor) -> torch.Tensor:
        """f(x)."""
        raise NotImplementedError


@register("ReLU")
class ReLU(_Elementwise):
    """y = max(x, 0) + negative_slope min(x, 0); the gradient at 0 is negative_slope."""

    def function(self, x):
        slope = self.param.relu_param.negative_slope
        if slope:
            return F.leaky_relu(x, slope)
        if not self.may_overwrite:
            return F.relu(x)
        return _ReLUInPlace.apply(x) if x.requires_grad else x.relu_()


class _ReLUInPlace(torch.autograd.Function):
    """ReLU in the memory of its bottom, which training then need not keep beside the top."""

    @staticmethod
    def forward(ctx, x):
        y = x.detach().relu_()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gradient):
        return torch.ops.aten.threshold_backward(gradient, *ctx.saved_tensors, 0)


@register("PReLU")
class PReLU(Layer):
    """y = max(x, 0) + a min(x, 0) with a learned slope a per channel (axis 1); He et al. 2015.

    Stored: a (channels), or one number with `channel_shared`; 0.25 unless `filler` says otherwise.
    """

    def setup(self, shapes):
        param = self.param.prelu_param
        if len(shapes[0]) < 2:
            raise CaffeError(f"needs at least 2 axes; bottom is {shapes[0]}")
        quarter = FillerParameter(type="constant", value=0.25)
        shape = () if param.channel_shared else shapes[0][1:2]
        self.add_blob(shape, param.filler if param.HasField("filler") else quarter)

    def reshape(self, shapes):
        stored = self.blobs[0].shape
        if stored and shapes[0][1:2] != stored:
            raise CaffeError(f"bottom is {shapes[0]}, expected {stored[0]} channels on axis 1")
        return shapes

    def forward(self, bottom, blobs):
        return (F.prelu(bottom[0], blobs[0].reshape(-1).to(bottom[0].dtype)),)


@register("ELU")
class ELU(_Elementwise):
    """y = x where x > 0, else alpha (exp(x) - 1)."""

    def function(self, x):
        return F.elu(x, self.param.elu_param.alpha)


@register("Sigmoid")
class Sigmoid(_Elementwise):
    """y = 1 / (1 + exp(-x))."""

    def function(self, x):
        return torch.sigmoid(x)


@register("TanH")
class TanH(_Elementwise):
    """y = tanh(x)."""

    def function(self, x):
        return torch.tanh(x)


@register("Swish")
class Swish(_Elementwise):
    """y = x sigmoid(beta x)."""

    def function(self, x):
        return x * torch.sigmoid(self.param.swish_param.beta * x)


@register("BNLL")
class BNLL(_Elementwise):
    """y = log(1 + exp(x)), the binomial normal log likelihood."""

    def function(self, x):
        return F.softplus(x, threshold=50)


@register("AbsVal")
class AbsVal(_Elementwise):
    """y = |x|; the gradient at 0 is 0."""

    def function(self, x):
        return x.abs()


@register("Power")
class Power(_Elementwise):
    """y = (shift + scale x)^power.

    In place and with power 1, the gradient is scale^2 whatever that of the top: Caffe writes the
    derivative over the gradient that it is to be multiplied with.
    """

    differs = "in place with another power than 1 it gives the true gradient, which Caffe spoils"

    def setup(self, shapes):
        if self._spoils_gradient():
            log.warning("power_layer.cpp:12", f"{self.name} is in place: its gradient is scale^2")

    def _spoils_gradient(self) -> bool:
        return in_place(self.param) and self.param.power_param.power == 1

    def differentiate(self, top, propagate_down, bottom, keep):
        if not self._spoils_gradient():
            super().differentiate(top, propagate_down, bottom, keep)
        elif propagate_down[0]:
            x = bottom[0].data_tensor(context.device())
            bottom[0].set_diff(torch.full_like(x, self.param.power_param.scale**2))

    def function(self, x):
        param = self.param.power_param
        y = x if param.scale == 1 else x * param.scale
        y = y if param.shift == 0 else y + param.shift
        return y if param.power == 1 else y.pow(param.power)


@register("Exp")
class Exp(_Elementwise):
    """y = base^(shift + scale x); base -1 stands for e."""

    def setup(self, shapes):
        self.log_base = _log_base(self.param.exp_param.base)

    def function(self, x):
        param = self.param.exp_param
        return torch.exp(self.log_base * param.scale * x + self.log_base * param.shift)


@register("Log")
class Log(_Elementwise):
    """y = log(shift + scale x) / log(base); base -1 stands for e."""

    def setup(self, shapes):
        self.log_base = _log_base(self.param.log_param.base)
        if self.log_base == 0:
            raise CaffeError("base is 1, expected another number")

    def function(self, x):
        param = self.param.log_param
        return torch.log(param.scale * x + param.shift) / self.log_base


def _log_base(base: float) -> float:
    if base != -1 and base <= 0:
        raise CaffeError(f"base is {base:g}, expected a positive number or -1 for e")
    return 1.0 if base == -1 else math.log(base)


@register("Clip")
class Clip(_Elementwise):
    """y = min(max(x, min), max); the bounds themselves pass the gradient.

    In place the gradient passes everywhere: Caffe looks at the values that are already clipped.
    """

    def setup(self, shapes):
        param = self.param.clip_param
        if param.min > param.max:
            raise CaffeError(f"min is {param.min:g}, expected at most max {param.max:g}")

    def function(self, x):
        least, most = self.param.clip_param.min, self.param.clip_param.max
        clipped = x.detach().clamp(least, most)
        # Not the gradient of clamp: in some versions of torch the bounds do not pass it.
        return torch.where((x >= least) & (x <= most), x, clipped) if x.requires_grad else clipped

    def differentiate(self, top, propagate_down, bottom, keep):
        if not in_place(self.param):  # else bottom and top are one blob, with one diff
            super().differentiate(top, propagate_down, bottom, keep)


@register("Threshold")
class Threshold(_Elementwise):
    """y = 1 where x > threshold, else 0; no gradient."""

    differentiable = False

    def function(self, x):
        return (x > self.param.threshold_param.threshold).to(x.dtype)

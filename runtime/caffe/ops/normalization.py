"""Layers that normalise by statistics of the batch or of a neighbourhood."""

import math

import torch

from ..errors import CaffeError
from ..layer import Layer, register
from ..proto.caffe_pb2 import TEST, LRNParameter
from .common import at_least_float32, damped_sqrt, widened
from .pooling import Geometry, average_pool


@register("BatchNorm")
class BatchNorm(Layer):
    """y = (x - mean) / sqrt(var + eps) per channel (axis 1).

    Ioffe and Szegedy 2015, without their affine part, which is a Scale. With `use_global_stats`
    (the default in TEST) mean and var are the stored ones; otherwise those of the batch, var
    biased, and each forward pass stores them. Stored, with f = moving_average_fraction and m
    values per channel: sums of means M = f M + mean, of variances V = f V + m / (m - 1) var, and
    their common weight s = f s + 1; the running statistics are M / s and V / s, or 0 while s is
    0. The stored blobs are not learned: their lr_mult is 0.
    """

    def setup(self, shapes):
        if len(shapes[0]) < 2:
            raise CaffeError(f"needs at least 2 axes; bottom is {shapes[0]}")
        param = self.param.batch_norm_param
        if param.HasField("use_global_stats"):
            self.use_global_stats = param.use_global_stats
        else:
            self.use_global_stats = self.phase == TEST
        self.channels = shapes[0][1]
        for i, size in enumerate((self.channels, self.channels, 1)):
            self.add_blob((size,))
            self._fix_rate(i)

    def _fix_rate(self, i: int) -> None:
        specs = self.param.param
        if len(specs) == i:
            specs.add(lr_mult=0)
        elif specs[i].lr_mult != 0:
            raise CaffeError(
                f"param {i} has lr_mult {specs[i].lr_mult:g}, "
                "expected 0: statistics are not learned"
            )

    def reshape(self, shapes):
        if len(shapes[0]) < 2 or shapes[0][1] != self.channels:
            raise CaffeError(f"bottom is {shapes[0]}, expected {self.channels} channels on axis 1")
        return shapes

    def forward(self, bottom, blobs):
        (x,) = bottom
        eps = self.param.batch_norm_param.eps
        mean, variance = (
            self._running(x)
            if self.use_global_stats
            else x.new_zeros((2, self.channels), dtype=at_least_float32(x.dtype))
        )
        # In training torch overwrites mean and variance with the batch's, the variance unbiased.
        y = torch.batch_norm(
            x, None, None, mean, variance, not self.use_global_stats, 1.0, eps, True
        )
        if not self.use_global_stats and not self.repeats:
            self._accumulate(mean, variance, x.numel() // self.channels)
        return (y,)

    def _stored(self, device: torch.device) -> list:
        return [blob.data_tensor(device) for blob in self.blobs]

    def _running(self, x: torch.Tensor) -> list:
        mean_sum, variance_sum, weight = self._stored(x.device)
        factor = torch.where(weight == 0, 0, 1 / weight)
        return [(s * factor).to(at_least_float32(x.dtype)) for s in (mean_sum, variance_sum)]

    @torch.no_grad()
    def _accumulate(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        stored = self._stored(mean.device)
        torch._foreach_mul_(stored, self.param.batch_norm_param.moving_average_fraction)
        stored[0].add_(mean)
        if count > 1:
            stored[1].add_(variance)
        stored[2].add_(1)


@register("LRN")
class LRN(Layer):
    """Local response normalisation (Krizhevsky et al. 2012), n = local_size.

    ACROSS_CHANNELS: y = x / (k + alpha / n sum x^2)^beta over n neighbouring channels.
    WITHIN_CHANNEL: y = x / (1 + alpha mean x^2)^beta over n x n pixels; the mean counts cells of
    the border of (n - 1) / 2. `engine` is accepted and changes nothing.
    """

    differs = "another k than 1 with WITHIN_CHANNEL is refused, Caffe leaves it out"

    def setup(self, shapes):
        param = self.param.lrn_param
        if param.local_size % 2 == 0:
            raise CaffeError(f"local_size is {param.local_size}, expected an odd number")
        self.within = param.norm_region == LRNParameter.WITHIN_CHANNEL
        if self.within and param.k != 1:
            raise CaffeError(f"k is {param.k:g}, expected 1 with norm_region WITHIN_CHANNEL")

    def reshape(self, shapes):
        if len(shapes[0]) != 4:
            raise CaffeError(f"needs 4 axes (num, channels, height, width); bottom is {shapes[0]}")
        return shapes

    def forward(self, bottom, blobs):
        (x,) = bottom
        param = self.param.lrn_param
        # A window that reaches past all there is gains nothing but zeros from being larger.
        reach = max(x.shape[2:]) if self.within else x.shape[1]
        n = min(param.local_size, 2 * reach + 1)
        alpha = param.alpha * (n / param.local_size) ** (2 if self.within else 1)
        if self.within:
            window = Geometry((n, n), (1, 1), ((n - 1) // 2,) * 2)
            mean = average_pool(x.square(), window)
        else:
            mean = _SumOverNeighbours.apply(widened(x).square(), n // 2) / n
        return ((x * (param.k + alpha * mean).pow(-param.beta)).to(x.dtype),)


class _SumOverNeighbours(torch.autograd.Function):
    """The sum over the channels (axis 1) up to `reach` away from each; its gradient is its like."""

    @staticmethod
    def forward(ctx, x, reach):
        ctx.reach, total = reach, x.clone()
        for i in range(1, reach + 1):
            total[:, i:] += x[:, :-i]
            total[:, :-i] += x[:, i:]
        return total

    @staticmethod
    def backward(ctx, gradient):
        return _SumOverNeighbours.apply(gradient, ctx.reach), None


@register("MVN")
class MVN(Layer):
    """y = (x - mean) / (std + eps) of each channel's plane, or of each item (`across_channels`).

    The variance is biased; without `normalize_variance` only the mean is taken off. As in Caffe the
    gradient treats std + eps as if it were std, which is finite where x is constant.
    """

    def reshape(self, shapes):
        return shapes

    def forward(self, bottom, blobs):
        (x,) = bottom
        param = self.param.mvn_param
        kept = 1 if param.across_channels else 2
        rows = widened(x).reshape(*x.shape[:kept], math.prod(x.shape[kept:]))
        rows = rows - rows.mean(-1, keepdim=True)
        if param.normalize_variance:
            variance = rows.square().mean(-1, keepdim=True)
            rows = rows / (damped_sqrt(variance, param.eps) + param.eps)
        return (rows.reshape(x.shape).to(x.dtype),)

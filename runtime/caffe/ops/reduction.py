"""Layers that summarise axes."""

import math

import torch

from ..errors import CaffeError
from ..layer import Layer, register
from ..proto.caffe_pb2 import ReductionParameter
from .common import at_least_float32, canonical_axis, check_positive, widened


@register("Reduction")
class Reduction(Layer):
    """coeff times SUM x, ASUM |x|, SUMSQ x^2 or MEAN x over all axes from `axis` on."""

    def reshape(self, shapes):
        self.axis = canonical_axis(self.param.reduction_param.axis, shapes[0])
        return [shapes[0][: self.axis]]

    def forward(self, bottom, blobs):
        param = self.param.reduction_param
        rows = widened(bottom[0]).flatten(self.axis)
        if param.operation == ReductionParameter.MEAN:
            return (rows.mean(-1) * param.coeff,)
        if param.operation == ReductionParameter.ASUM:
            rows = rows.abs()
        elif param.operation == ReductionParameter.SUMSQ:
            rows = rows.square()
        return (rows.sum(-1) * param.coeff,)


@register("ArgMax")
class ArgMax(Layer):
    """Indices of the `top_k` largest values, largest first; no gradient.

    Of equal values the one of higher index counts as larger. With `axis`: along it, indices or
    with `out_max_val` the values. Without: over all axes but the first, as (N, 1, top_k), or with
    `out_max_val` (N, 2, top_k), indices before values; a bottom of more than 3 axes adds axes of
    1. Of a bottom (N) each item is its own maximum.
    """

    differentiable = False

    def setup(self, shapes):
        check_positive(self.param.argmax_param.top_k, "top_k")

    def reshape(self, shapes):
        (bottom,) = shapes
        param = self.param.argmax_param
        if param.HasField("axis"):
            self.axis = canonical_axis(param.axis, bottom)
            available = bottom[self.axis]
            self._top = (*bottom[: self.axis], param.top_k, *bottom[self.axis + 1 :])
        elif not bottom:
            raise CaffeError("bottom is (), expected at least 1 axis")
        else:
            self.axis, available = None, math.prod(bottom[1:])
            ones = (1,) * (len(bottom) - 3)
            self._top = (bottom[0], 2 if param.out_max_val else 1, param.top_k, *ones)
        if param.top_k > available:
            raise CaffeError(
                f"top_k is {param.top_k}, expected at most {available}; bottom is {bottom}"
            )
        return [self._top]

    def forward(self, bottom, blobs):
        x = bottom[0].detach()
        axis, k = self.axis, self.param.argmax_param.top_k
        if axis is None:
            x, axis = x.reshape(len(x), math.prod(x.shape[1:])), 1
        values, index = x.flip(axis).sort(dim=axis, descending=True, stable=True)
        values, index = values.narrow(axis, 0, k), index.narrow(axis, 0, k)
        index = (x.shape[axis] - 1 - index).to(at_least_float32(x.dtype))
        if not self.param.argmax_param.out_max_val:
            return (index.reshape(self._top),)
        return (
            (values if self.axis is not None else torch.stack([index, values], 1)).reshape(
                self._top
            ),
        )

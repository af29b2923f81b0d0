"""Products and sums with a smaller blob, learned or given as the second bottom."""

import math

import torch

from ..errors import CaffeError
from ..layer import Layer, register
from ..proto.caffe_pb2 import FillerParameter
from .common import canonical_axis


class _Broadcasting(Layer):
    """Matches a blob against `num_axes` axes of bottom 0, the first of them `axis`.

    num_axes -1: all axes from `axis` on; 0: the blob is one number. With a second bottom the blob
    is that bottom, and its own axes count.
    """

    bottom_count = (1, 2)

    def setup(self, shapes):
        if len(shapes) == 2:
            return
        axis, count = self.options.axis, self.options.num_axes
        if count < -1:
            raise CaffeError(f"num_axes is {count}, expected -1 or more")
        first = canonical_axis(axis, shapes[0])
        if first + count > len(shapes[0]):
            raise CaffeError(
                f"axis {axis} with num_axes {count} is out of range; bottom is {shapes[0]}"
            )
        self.operand = shapes[0][first:] if count == -1 else shapes[0][first : first + count]

    def reshape(self, shapes):
        operand = shapes[1] if len(shapes) == 2 else self.operand
        first = canonical_axis(self.options.axis, shapes[0]) if operand else 0
        if shapes[0][first : first + len(operand)] != operand:
            what = "bottom 1" if len(shapes) == 2 else "the learned blob"
            raise CaffeError(
                f"{what} is {operand}, which bottom 0, {shapes[0]}, lacks at axis {first}"
            )
        behind = len(shapes[0]) - first - len(operand)
        self._broadcast = (*operand, *(1,) * behind)
        return shapes[:1]

    def broadcast(self, operand: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The operand with the axes that make it fit `x`, in the type of `x`."""
        return operand.reshape(self._broadcast).to(x.dtype)


@register("Scale")
class Scale(_Broadcasting):
    """y = s x, with `bias_term` y = s x + b, where s and b repeat over the axes they lack.

    Stored: s, ones unless `filler` says otherwise (not stored if it is the second bottom), then b.
    """

    @property
    def options(self):
        return self.param.scale_param

    def setup(self, shapes):
        super().setup(shapes)
        if len(shapes) == 1:
            ones = FillerParameter(type="constant", value=1)
            self.add_blob(
                self.operand, self.options.filler if self.options.HasField("filler") else ones
            )
        if self.options.bias_term:
            shape = shapes[1] if len(shapes) == 2 else self.operand
            self.add_blob(shape, self.options.bias_filler)

    def reshape(self, shapes):
        tops = super().reshape(shapes)
        if self.options.bias_term and self.blobs[-1].count != math.prod(self._broadcast):
            raise CaffeError(
                f"bottom 1 is {shapes[1]}, expected {self.blobs[-1].shape} like the bias"
            )
        return tops

    def forward(self, bottom, blobs):
        x, *given = bottom
        operands = [self.broadcast(operand, x) for operand in (*given, *blobs)]
        y = x * operands[0]
        return (y + operands[1],) if self.options.bias_term else (y,)


@register("Bias")
class Bias(_Broadcasting):
    """y = x + b, where b repeats over the axes it lacks.

    Stored: b, unless it is the second bottom.
    """

    @property
    def options(self):
        return self.param.bias_param

    def setup(self, shapes):
        super().setup(shapes)
        if len(shapes) == 1:
            self.add_blob(self.operand, self.options.filler)

    def forward(self, bottom, blobs):
        x, operand = bottom + blobs
        return (x + self.broadcast(operand, x),)

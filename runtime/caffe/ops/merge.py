"""Layers that combine several bottoms."""

import torch

from ..errors import CaffeError
from ..layer import Layer, register
from ..proto.caffe_pb2 import EltwiseParameter
from .common import canonical_axis, check_equal_shapes, renamed_field


@register("Eltwise")
class Eltwise(Layer):
    """Product, sum or maximum of bottoms of one shape, element by element.

    SUM takes `coeff`, none or one for each bottom. Where MAX has ties, the second of the first
    two bottoms gets the gradient, a later one only if it is greater. The gradient of PROD is
    always that of `stable_prod_grad`, the product of the other bottoms, which is right at zeros
    too.
    """

    differs = (
        "coeff with MAX is refused; a product at zeros has the true gradient whatever "
        "stable_prod_grad says"
    )

    bottom_count = (2, None)

    def setup(self, shapes):
        param = self.param.eltwise_param
        if param.coeff and param.operation != EltwiseParameter.SUM:
            raise CaffeError("coeff is given, but only operation SUM has coefficients")
        if len(param.coeff) not in (0, len(shapes)):
            raise CaffeError(
                f"coeff is given {len(param.coeff)} times, expected {len(shapes)}, once per bottom"
            )

    def reshape(self, shapes):
        check_equal_shapes(shapes)
        return shapes[:1]

    def forward(self, bottom, blobs):
        y, *rest = bottom
        param = self.param.eltwise_param
        if param.operation == EltwiseParameter.PROD:
            for x in rest:
                y = y * x
        elif param.operation == EltwiseParameter.MAX:
            y = torch.where(y > rest[0], y, rest[0])
            for x in rest[1:]:
                y = torch.where(x > y, x, y)
        elif param.coeff:
            y = y * param.coeff[0]
            for x, coeff in zip(rest, param.coeff[1:]):
                y = torch.add(y, x, alpha=coeff)
        else:
            for x in rest:
                y = y + x
        return (y,)


@register("Concat")
class Concat(Layer):
    """The bottoms one after the other along `axis` (or, deprecated, `concat_dim`)."""

    bottom_count = (1, None)

    def reshape(self, shapes):
        self.axis = canonical_axis(
            renamed_field(self.param.concat_param, "axis", "concat_dim"), shapes[0]
        )
        others = [(*shape[: self.axis], *shape[self.axis + 1 :]) for shape in shapes]
        for i, shape in enumerate(shapes):
            if others[i] != others[0] or len(shape) != len(shapes[0]):
                raise CaffeError(
                    f"bottom {i} is {shape}, expected {shapes[0]} like bottom 0 "
                    f"except on axis {self.axis}"
                )
        length = sum(shape[self.axis] for shape in shapes)
        return [(*shapes[0][: self.axis], length, *shapes[0][self.axis + 1 :])]

    def forward(self, bottom, blobs):
        return (torch.cat(bottom, self.axis),)

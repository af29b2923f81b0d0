"""Fully connected layers."""

import math

import torch.nn.functional as F

from ..errors import CaffeError
from ..layer import Layer, register
from .common import canonical_axis, check_not_in_place, check_positive


@register("InnerProduct")
class InnerProduct(Layer):
    """y = W x + b, where x joins the axes from `axis` on: (..., K) becomes (..., num_output).

    Stored: W (num_output, K), or (K, num_output) with `transpose`; with `bias_term`, b
    (num_output).
    """

    gradient_needs_tops = False

    def setup(self, shapes):
        check_not_in_place(self.param)
        param = self.param.inner_product_param
        check_positive(param.num_output, "num_output")
        self.axis = canonical_axis(param.axis, shapes[0])
        self.inputs = math.prod(shapes[0][self.axis :])
        weight = (param.num_output, self.inputs)
        self.add_blob(weight[::-1] if param.transpose else weight, param.weight_filler)
        if param.bias_term:
            self.add_blob((param.num_output,), param.bias_filler)

    def reshape(self, shapes):
        inputs = math.prod(shapes[0][self.axis :])
        if inputs != self.inputs:
            raise CaffeError(
                f"bottom is {shapes[0]} with {inputs} values from axis {self.axis} on, "
                f"expected {self.inputs}"
            )
        return [(*shapes[0][: self.axis], self.param.inner_product_param.num_output)]

    def forward(self, bottom, blobs):
        weight, *bias = blobs
        if self.param.inner_product_param.transpose:
            weight = weight.t()
        return (F.linear(bottom[0].flatten(self.axis), weight, *bias),)


@register("Embed")
class Embed(Layer):
    """y = W[x] + b, a row of W for each index x: (...) becomes (..., num_output).

    Stored: W (input_dim, num_output) and, with `bias_term`, b (num_output). Indices are whole
    numbers 0 .. input_dim - 1 and get no gradient.
    """

    no_gradient_bottoms = (0,)

    def setup(self, shapes):
        param = self.param.embed_param
        check_positive(param.num_output, "num_output")
        check_positive(param.input_dim, "input_dim")
        self.add_blob((param.input_dim, param.num_output), param.weight_filler)
        if param.bias_term:
            self.add_blob((param.num_output,), param.bias_filler)

    def reshape(self, shapes):
        return [(*shapes[0], self.param.embed_param.num_output)]

    def forward(self, bottom, blobs):
        weight, *bias = blobs
        try:
            rows = F.embedding(bottom[0].detach().long(), weight)
        except IndexError:
            raise CaffeError(f"an index is not one of 0 .. {len(weight) - 1}") from None
        return (rows + bias[0],) if bias else (rows,)

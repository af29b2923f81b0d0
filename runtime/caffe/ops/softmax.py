"""Softmax alone; the loss is in `loss`."""

import torch.nn.functional as F

from ..layer import Layer, register
from .common import canonical_axis


@register("Softmax")
class Softmax(Layer):
    """y = exp(x) / sum exp(x) along `axis`. `engine` is accepted and changes nothing."""

    def reshape(self, shapes):
        self.axis = canonical_axis(self.param.softmax_param.axis, shapes[0])
        return shapes

    def forward(self, bottom, blobs):
        return (F.softmax(bottom[0], self.axis),)

"""Regularisation by noise."""

import torch

from ..errors import CaffeError
from ..layer import Layer, register
from ..proto.caffe_pb2 import TRAIN
from .common import at_least_float32


@register("Dropout")
class Dropout(Layer):
    """TRAIN: y = x m / (1 - p), each m 0 with probability p = dropout_ratio, else 1; TEST: y = x.

    Srivastava et al. 2014. The mask follows from the layer's random stream of this forward pass.
    """

    def setup(self, shapes):
        self.ratio = self.param.dropout_param.dropout_ratio
        if not 0 < self.ratio < 1:
            raise CaffeError(f"dropout_ratio is {self.ratio:g}, expected a number between 0 and 1")

    def reshape(self, shapes):
        return shapes

    def forward(self, bottom, blobs):
        (x,) = bottom
        if self.phase != TRAIN:
            return (x,)
        noise = torch.rand(
            x.shape,
            generator=self.generator(x.device),
            device=x.device,
            dtype=at_least_float32(x.dtype),
        )
        return (x * noise.ge_(self.ratio).mul_(1 / (1 - self.ratio)).to(x.dtype),)

"""From colours ab to the histograms that the network learns (thesis, section 5.2)."""

import numpy as np

from colorization.histogram import Q, soft_encode, subsample
from layers.base import ArrayLayer, check_channels


class ABSubsample(ArrayLayer):
    """Brings ab to the size of the network's output.

    Bottom: ab (N, 2, H, W). Top: (N, 2, ceil(H / stride), ceil(W / stride)), every `stride`-th
    pixel, or with `average` the means of blocks, for which H and W must be multiples of `stride`.
    No gradient. `param_str`: {"stride": 4, "average": false}.
    """

    parameters = {"stride": 4, "average": False}

    def top_shape(self, ab):
        N, _, H, W = check_channels(ab, 2)
        return (N,) + subsample(np.zeros((1, 2, H, W)), **self.params).shape[1:]

    def forward(self, bottom, top):
        top[0].data[...] = subsample(bottom[0].data, **self.params)


class SoftEncode(ArrayLayer):
    """Encodes each colour as a histogram over the 313 ab pairs, see `soft_encode`.

    Bottom: ab (N, 2, H, W). Top: (N, 313, H, W). No gradient.
    `param_str`: {"k": 5, "sigma": 5.0}.
    """

    parameters = {"k": 5, "sigma": 5.0}

    def prepare(self):
        soft_encode(np.zeros((1, 2, 1, 1), np.float32), **self.params)

    def top_shape(self, ab):
        N, _, H, W = check_channels(ab, 2)
        return N, Q, H, W

    def forward(self, bottom, top):
        top[0].data[...] = soft_encode(bottom[0].data, **self.params)

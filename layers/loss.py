"""The loss of the variants that predict histograms (thesis, section 5.3)."""

from colorization.losses import (
    check_normalization,
    check_shapes,
    kl_divergence_and_gradient,
)
from layers.base import ArrayLayer


class KLLoss(ArrayLayer):
    """Weighted Kullback-Leibler divergence of softmax(logits) from P, see `kl_divergence`.

    Bottoms: logits and P (N, Q, H, W), and maybe the pixels' weights v (N, 1, H, W). Top: a scalar,
    of shape (). The gradient, v (Phat - P) / normaliser times the top's diff, goes to the logits
    alone: P and v count as given. As in Caffe's losses it is that of the last forward. As every
    Python loss layer it needs a `loss_weight` in the net.
    `param_str`: {"normalization": "FULL"}, or "BATCH_SIZE", or "NONE".
    """

    parameters = {"normalization": "FULL"}
    bottom_counts = (2, 3)

    def prepare(self):
        check_normalization(self.params["normalization"])

    def top_shape(self, *bottoms):
        check_shapes(*bottoms)
        return ()

    def forward(self, bottom, top):
        loss, self._gradient = kl_divergence_and_gradient(*self._data(bottom), **self.params)
        top[0].data[...] = loss

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            gradient = bottom[0].diff
            gradient[...] = self._gradient
            gradient *= top[0].diff

    def _data(self, bottom):
        return [bottom[i].data for i in range(len(bottom))]

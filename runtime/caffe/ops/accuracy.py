"""Accuracy of a classification."""

import torch

from ..errors import CaffeError
from ..layer import Layer, register
from .common import canonical_axis, check_positive, widened
from .loss import as_classes, check_label_count


@register("Accuracy")
class Accuracy(Layer):
    """Share of the labels that are among the `top_k` highest scores along `axis`; no gradient.

    Other classes that tie with the label count as higher. Labels equal to `ignore_label` do not
    count at all. The second top is the same share for each class by itself, 0 for a class that
    did not occur.
    """

    bottom_count = (2, 2)
    top_count = (1, 2)
    differentiable = False

    def setup(self, shapes):
        check_positive(self.param.accuracy_param.top_k, "top_k")

    def reshape(self, shapes):
        param = self.param.accuracy_param
        self.axis = canonical_axis(param.axis, shapes[0])
        check_label_count(shapes, self.axis)
        classes = shapes[0][self.axis]
        if param.top_k > classes:
            raise CaffeError(f"top_k is {param.top_k}, expected at most {classes}, the classes")
        return [(), (classes,)][: len(self.param.top)]

    def forward(self, bottom, blobs):
        param = self.param.accuracy_param
        scores, labels = as_classes(bottom[0].detach(), bottom[1], self.axis)
        valid = torch.ones_like(labels, dtype=torch.bool)
        if param.HasField("ignore_label"):
            valid = labels != param.ignore_label
        labels = labels.where(valid, 0)
        try:
            true = scores.gather(1, labels[:, None])
        except (IndexError, RuntimeError):
            raise CaffeError(f"a label is not one of the {scores.shape[1]} classes") from None
        higher = (scores >= true).sum(1) - 1
        correct = (higher < param.top_k) & valid
        total, right = widened(scores.new_zeros((2, scores.shape[1])))
        total = total.index_add(0, labels.flatten(), valid.flatten().to(total.dtype))
        right = right.index_add(0, labels.flatten(), correct.flatten().to(right.dtype))
        share = right.sum() / total.sum().clamp(min=1)
        return (share, right / total.clamp(min=1))[: len(self.param.top)]

"""Losses: a top of one number (shape ()), weighted 1 in the net's loss unless told otherwise.

N is the batch size, the length of axis 0. Labels are whole numbers in a blob of floats; labels and
targets of a classification get no gradient.
"""

import math

import torch
import torch.nn.functional as F

from .. import binaryproto
from ..errors import CaffeError
from ..layer import Layer, register
from ..proto.caffe_pb2 import BlobProto, HingeLossParameter, LossParameter
from .common import FLT_MIN, canonical_axis, damped_sqrt, widened, with_gradient_of

LEAST_PROBABILITY = 1e-20  # in the logarithms of Infogain and Multinomial
NO_LABEL = -(2**40) - 1  # for no ignore_label: too long a number for any label, a float32


def check_label_count(shapes: list, axis: int) -> None:
    """Raise unless bottom 1 has a label for each place of bottom 0, its classes being on `axis`."""
    expected = math.prod(shapes[0][:axis]) * math.prod(shapes[0][axis + 1 :])
    labels = math.prod(shapes[1])
    if labels != expected:
        raise CaffeError(
            f"bottom 1 is {shapes[1]} with {labels} labels, expected {expected}: one for each "
            f"place of bottom 0, {shapes[0]}, whose classes are on axis {axis}"
        )


def as_classes(scores: torch.Tensor, labels: torch.Tensor, axis: int) -> tuple:
    """Scores as (outer, classes, inner) and labels as integers (outer, inner)."""
    outer, inner = math.prod(scores.shape[:axis]), math.prod(scores.shape[axis + 1 :])
    classes = scores.shape[axis]
    labels = labels.detach().reshape(outer, inner).long()
    return widened(scores).reshape(outer, classes, inner), labels


def normalizer(mode: int, valid: "torch.Tensor | None", shape: tuple):
    """What a loss over labels of this (outer, inner) shape is divided by; at least 1.

    FULL: their number; VALID: the number of those not ignored; BATCH_SIZE: outer; NONE: 1.
    """
    if mode == LossParameter.VALID and valid is not None:
        return valid.sum().clamp(min=1)
    sizes = {LossParameter.BATCH_SIZE: shape[0], LossParameter.NONE: 1}
    return max(1, sizes.get(mode, math.prod(shape)))


def normalization_mode(param, default: int) -> int:
    """`normalization`, or what the deprecated `normalize` stands for: VALID or BATCH_SIZE."""
    if param.HasField("normalization"):
        return param.normalization
    if param.HasField("normalize"):
        return LossParameter.VALID if param.normalize else LossParameter.BATCH_SIZE
    return default


class _Loss(Layer):
    """Two bottoms of as many items, the second labels or targets; one number out."""

    bottom_count = (2, 2)
    is_loss = True
    no_gradient_bottoms: tuple = (1,)

    def reshape(self, shapes):
        if not shapes[0]:
            raise CaffeError("bottom 0 is (), expected an axis of items")
        if shapes[0][:1] != shapes[1][:1]:
            raise CaffeError(
                f"bottom 1 is {shapes[1]}, expected as many items as bottom 0, {shapes[0]}"
            )
        self.check_bottoms(shapes)
        return [()] + shapes[:1] * (len(self.param.top) - 1)

    def check_bottoms(self, shapes: list) -> None:
        """Raise unless the bottoms fit each other."""


class _LabelLoss(_Loss):
    """A loss whose labels may be ignored, divided as `loss_param` says."""

    default_normalization = LossParameter.VALID

    def setup(self, shapes):
        param = self.param.loss_param
        self.mode = normalization_mode(param, self.default_normalization)
        self.ignored = param.ignore_label if param.HasField("ignore_label") else None

    def valid(self, labels: torch.Tensor) -> "torch.Tensor | None":
        """Which labels are not ignored; None: all."""
        return None if self.ignored is None else labels != self.ignored


@register("SoftmaxWithLoss")
class SoftmaxWithLoss(_LabelLoss):
    """Mean of -log softmax(x)[label] along `softmax_param.axis`.

    `loss_param`: places with `ignore_label` count for nothing; `normalization` names the divisor,
    VALID by default. The logarithm is of at least FLT_MIN, the gradient is exact all the same. A
    second top is the softmax, without gradient.
    """

    differs = "it may have a second top; labels out of range are refused"

    top_count = (1, 2)

    def check_bottoms(self, shapes):
        self.axis = canonical_axis(self.param.softmax_param.axis, shapes[0])
        check_label_count(shapes, self.axis)

    def forward(self, bottom, blobs):
        scores, labels = as_classes(*bottom, self.axis)
        log_p = F.log_softmax(scores, 1)
        ignored = NO_LABEL if self.ignored is None else self.ignored
        try:
            losses = F.nll_loss(log_p, labels, ignore_index=ignored, reduction="none")
        except IndexError:
            raise CaffeError(f"a label is not one of the {scores.shape[1]} classes") from None
        losses = with_gradient_of(losses, losses.clamp(max=-math.log(FLT_MIN)))
        loss = losses.sum() / normalizer(self.mode, self.valid(labels), labels.shape)
        if len(self.param.top) == 1:
            return (loss,)
        return loss, log_p.detach().exp().reshape(bottom[0].shape)


@register("InfogainLoss")
class InfogainLoss(_LabelLoss):
    """Mean of -sum_k H[label, k] log softmax(x)[k] along `infogain_loss_param.axis`.

    H (classes, classes) is the third bottom, or read from `source`, a BlobProto file. Otherwise as
    SoftmaxWithLoss; the logarithm is of at least 1e-20, and `normalize` is refused.
    """

    differs = "labels out of range are refused"

    bottom_count = (2, 3)
    top_count = (1, 2)
    no_gradient_bottoms = (1, 2)

    def setup(self, shapes):
        super().setup(shapes)
        if self.param.loss_param.HasField("normalize"):
            raise CaffeError("normalize is deprecated, expected normalization")
        source = self.param.infogain_loss_param.source
        if len(shapes) == 2 and not source:
            raise CaffeError("has no matrix: neither a third bottom nor source")
        self.matrix = _read_matrix(source) if len(shapes) == 2 else None

    def check_bottoms(self, shapes):
        self.axis = canonical_axis(self.param.infogain_loss_param.axis, shapes[0])
        check_label_count(shapes, self.axis)
        classes = shapes[0][self.axis]
        count = math.prod(shapes[2]) if len(shapes) == 3 else self.matrix.numel()
        if count != classes * classes:
            raise CaffeError(f"the matrix has {count} values, expected {classes} x {classes}")

    def forward(self, bottom, blobs):
        scores, labels = as_classes(*bottom[:2], self.axis)
        matrix = bottom[2].detach() if len(bottom) == 3 else self.matrix
        matrix = matrix.to(scores).reshape(scores.shape[1], -1)
        log_p = F.log_softmax(scores, 1)
        valid = self.valid(labels)
        kept = torch.ones_like(labels) if valid is None else valid
        try:
            rows = F.embedding(labels.where(kept.bool(), 0), matrix).movedim(2, 1)
        except IndexError:
            raise CaffeError(f"a label is not one of the {len(matrix)} classes") from None
        floor = log_p.clamp(min=math.log(LEAST_PROBABILITY))
        losses = -(rows * with_gradient_of(log_p, floor)).sum(1) * kept
        loss = losses.sum() / normalizer(self.mode, valid, labels.shape)
        if len(self.param.top) == 1:
            return (loss,)
        return loss, log_p.detach().exp().reshape(bottom[0].shape)


def _read_matrix(path: str) -> torch.Tensor:
    blob = binaryproto.read(path, BlobProto)
    return torch.from_numpy(binaryproto.blob_to_array(blob).astype("f4"))


@register("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(_LabelLoss):
    """Sum of -t log p - (1 - t) log(1 - p) with p = sigmoid(x), by N unless `loss_param` differs.

    Targets t are probabilities; those whose whole part is `ignore_label` count for nothing.
    """

    default_normalization = LossParameter.BATCH_SIZE

    def check_bottoms(self, shapes):
        if math.prod(shapes[0]) != math.prod(shapes[1]):
            raise CaffeError(
                f"bottom 1 is {shapes[1]}, expected as many values as bottom 0, {shapes[0]}"
            )

    def forward(self, bottom, blobs):
        x = widened(bottom[0]).reshape(len(bottom[0]), -1)
        target = bottom[1].detach().to(x.dtype).reshape(x.shape)
        valid = self.valid(target.long())
        losses = F.binary_cross_entropy_with_logits(x, target, reduction="none")
        if valid is not None:
            losses = losses.where(valid, 0)
        return (losses.sum() / normalizer(self.mode, valid, x.shape),)


@register("EuclideanLoss")
class EuclideanLoss(_Loss):
    """sum (a - b)^2 / (2 N); both bottoms get a gradient."""

    no_gradient_bottoms = ()

    def check_bottoms(self, shapes):
        if math.prod(shapes[0]) != math.prod(shapes[1]):
            raise CaffeError(
                f"bottom 1 is {shapes[1]}, expected as many values as bottom 0, {shapes[0]}"
            )

    def forward(self, bottom, blobs):
        a, b = (widened(x) for x in bottom)
        return (F.mse_loss(a, b.reshape(a.shape), reduction="sum") / (2 * len(a)),)


@register("HingeLoss")
class HingeLoss(_Loss):
    """Sum of max(0, 1 - s x) / N, where s is 1 for the label and -1 for the other classes.

    With `norm` L2 the maxima are squared. Classes are all axes but the first, taken together.
    """

    differs = "labels out of range are refused"

    def check_bottoms(self, shapes):
        _check_one_label_each(shapes)

    def forward(self, bottom, blobs):
        x = widened(bottom[0]).flatten(1)
        label = bottom[1].detach().reshape(-1, 1).long()
        try:
            sign = torch.full_like(x, -1, requires_grad=False).scatter(1, label, 1.0)
        except (IndexError, RuntimeError):
            raise CaffeError(f"a label is not one of the {x.shape[1]} classes") from None
        margin = F.relu(1 - sign * x)
        if self.param.hinge_loss_param.norm == HingeLossParameter.L2:
            margin = margin.square()
        return (margin.sum() / len(x),)


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(_Loss):
    """-sum log(max(p[label], 1e-20)) / N; where p is clamped its gradient is that of 1e-20."""

    differs = "labels out of range are refused"

    def check_bottoms(self, shapes):
        _check_one_label_each(shapes)

    def forward(self, bottom, blobs):
        p = widened(bottom[0]).flatten(1)
        try:
            p = p.gather(1, bottom[1].detach().reshape(-1, 1).long())
        except (IndexError, RuntimeError):
            raise CaffeError(f"a label is not one of the {p.shape[1]} classes") from None
        return (-with_gradient_of(p, p.clamp(min=LEAST_PROBABILITY)).log().sum() / len(p),)


def _check_one_label_each(shapes: list) -> None:
    if len(shapes[0]) < 2 or math.prod(shapes[1]) != shapes[0][0]:
        raise CaffeError(
            f"bottom 1 is {shapes[1]}, expected one label for each item of {shapes[0]}"
        )


@register("ContrastiveLoss")
class ContrastiveLoss(_Loss):
    """Pairs a, b at distance d = |a - b|: d^2 if similar, else max(0, margin - d)^2; sum / (2 N).

    Hadsell et al. 2006. Bottoms a, b (N, C) and similar (N), zero or not. `legacy_version` takes
    max(0, margin - d^2). As in Caffe the gradient divides by d + 1e-4 where it should divide by
    d.
    """

    bottom_count = (3, 3)
    no_gradient_bottoms = (2,)

    def check_bottoms(self, shapes):
        a, b, similar = shapes
        if a != b or len(a) < 2 or math.prod(a[2:]) != 1:
            raise CaffeError(f"bottoms 0 and 1 are {a} and {b}, expected two of one shape (N, C)")
        if math.prod(similar) != a[0] or similar[:1] != a[:1]:
            raise CaffeError(f"bottom 2 is {similar}, expected one value for each of {a[0]} pairs")

    def forward(self, bottom, blobs):
        a, b = (widened(x).flatten(1) for x in bottom[:2])
        param = self.param.contrastive_loss_param
        square = (a - b).square().sum(1)
        if param.legacy_version:
            apart = F.relu(param.margin - square)
        else:
            apart = F.relu(param.margin - damped_sqrt(square, 1e-4)).square()
        similar = bottom[2].detach().reshape(-1).long() != 0
        return (torch.where(similar, square, apart).sum() / (2 * len(a)),)

"""Losses, Softmax and Accuracy against loops, their divisors and clamps, and what they refuse."""

import math

import numpy as np
import pytest
from single_layer import build, forward, gradients, normal, refusal

import caffe
from caffe.ops.loss import NO_LABEL
from caffe.proto.caffe_pb2 import BlobProto

SCORES = normal(2, 5, 3, 4) * 3
LABELS = np.random.default_rng(1).integers(0, 5, (2, 1, 3, 4)).astype("float64")
VALID = LABELS != 2


def softmax(x, axis=1):
    y = np.exp(x - x.max(axis, keepdims=True))
    return y / y.sum(axis, keepdims=True)


def onehot(labels, classes):
    return np.moveaxis(np.eye(classes)[labels.astype(int).squeeze(1)], -1, 1)


def test_softmax():
    layer, tops = build('type: "Softmax" softmax_param { axis: -2 }', SCORES.shape)
    assert tops == [SCORES.shape]
    np.testing.assert_allclose(
        forward(layer, SCORES * 100)[0], softmax(SCORES * 100, 2), atol=1e-12
    )


@pytest.mark.parametrize(
    "parameters, divisor",
    [
        ("", 24),
        ("normalization: FULL", 24),
        ("normalization: BATCH_SIZE", 2),
        ("normalization: NONE", 1),
        ("normalize: false", 2),
        ("normalize: true", 24),
        ("normalize: false normalization: NONE", 1),
        ("ignore_label: 2", VALID.sum()),
        ("ignore_label: 2 normalization: FULL", 24),
        ("ignore_label: 2 normalize: false", 2),
    ],
)
def test_softmax_with_loss(parameters, divisor):
    layer, tops = build(
        f'type: "SoftmaxWithLoss" loss_param {{ {parameters} }}', SCORES.shape, LABELS.shape, tops=2
    )
    assert tops == [(), SCORES.shape]
    p, counted = softmax(SCORES), VALID if "ignore" in parameters else np.ones_like(LABELS)
    loss, probabilities = forward(layer, SCORES, LABELS)
    places = -np.log((p * onehot(LABELS, 5)).sum(1, keepdims=True)) * counted
    np.testing.assert_allclose(loss, places.sum() / divisor)
    np.testing.assert_allclose(probabilities, p)
    found, nothing = gradients(layer, [SCORES, LABELS], 3.0)
    np.testing.assert_allclose(found, 3 * (p - onehot(LABELS, 5)) * counted / divisor, atol=1e-12)
    assert nothing is None


def test_softmax_with_loss_along_the_last_axis():
    text = 'type: "SoftmaxWithLoss" softmax_param { axis: -1 }'
    layer, _ = build(text, (2, 3, 4), (2, 3))
    x, labels = normal(2, 3, 4), np.array([[0, 3, 1], [2, 2, 0]])
    expected = -np.log(np.take_along_axis(softmax(x, 2), labels[..., None], 2)).mean()
    np.testing.assert_allclose(forward(layer, x, labels)[0], expected)


def test_softmax_with_loss_of_no_valid_label():
    layer, _ = build('type: "SoftmaxWithLoss" loss_param { ignore_label: 255 }', (4, 3), (4,))
    assert forward(layer, normal(4, 3), [255] * 4)[0] == 0
    np.testing.assert_array_equal(gradients(layer, [normal(4, 3), [255] * 4], 1.0)[0], 0)


def test_softmax_with_loss_clamps_the_loss_but_not_the_gradient():
    layer, _ = build('type: "SoftmaxWithLoss"', (1, 3), (1,))
    x = [[0.0, 500, 100]]
    assert forward(layer, x, [0])[0] == pytest.approx(-math.log(np.finfo("float32").tiny))
    np.testing.assert_allclose(gradients(layer, [x, [0]], 1.0)[0], [[-1, 1, 0]], atol=1e-12)


@pytest.mark.parametrize("label", [-1, 3, -100])
def test_labels_out_of_range(label):
    for kind in ("SoftmaxWithLoss", "HingeLoss", "MultinomialLogisticLoss", "Accuracy"):
        layer, _ = build(f'type: "{kind}"', (2, 3), (2,))
        with pytest.raises(caffe.CaffeError, match="^a label is not one of the 3 classes$"):
            forward(layer, normal(2, 3), [0, label])


@pytest.fixture
def matrix(tmp_path, monkeypatch):
    """A matrix of 5 classes, also as the file H.binaryproto of the working directory."""
    monkeypatch.chdir(tmp_path)
    values = normal(5, 5, seed=7).astype("float32")
    proto = BlobProto(data=values.ravel().tolist())
    proto.shape.dim.extend([1, 1, 5, 5])
    (tmp_path / "H.binaryproto").write_bytes(proto.SerializeToString())
    return values.astype("float64")


@pytest.mark.parametrize("ignore", [True, False])
@pytest.mark.parametrize("file", [True, False])
def test_infogain(matrix, file, ignore):
    parameters = 'infogain_loss_param { source: "H.binaryproto" }' if file else ""
    parameters += "loss_param { ignore_label: 255 }" if ignore else ""
    labels = np.where(VALID, LABELS, 255) if ignore else LABELS
    bottoms = [SCORES, labels] + [matrix] * (not file)
    layer, tops = build(f'type: "InfogainLoss" {parameters}', *[x.shape for x in bottoms], tops=2)
    assert tops == [(), SCORES.shape]
    p, counted = softmax(SCORES), VALID if ignore else np.ones_like(LABELS)
    rows = np.moveaxis(matrix[LABELS.astype(int).squeeze(1)], -1, 1) * counted
    loss, probabilities = forward(layer, *bottoms)
    np.testing.assert_allclose(loss, -(rows * np.log(p)).sum() / counted.sum())
    np.testing.assert_allclose(probabilities, p)
    found = gradients(layer, bottoms, 1.0)
    expected = (p * rows.sum(1, keepdims=True) - rows) / counted.sum()
    np.testing.assert_allclose(found[0], expected, atol=1e-12)
    assert found[1:] == [None] * (len(bottoms) - 1)


def test_a_damaged_matrix_is_one_line(tmp_path):
    path = tmp_path / "H.binaryproto"
    path.write_bytes(b"no blob")
    message = refusal(
        f'type: "InfogainLoss" infogain_loss_param {{ source: "{path}" }}', (2, 5), (2,)
    )
    assert message == f"{path}: damaged or another format, expected a binary BlobProto"


def test_infogain_clamps_the_logarithm():
    layer, _ = build('type: "InfogainLoss"', (1, 2), (1,), (2, 2))
    x, identity = [[0.0, 500]], np.eye(2)
    assert forward(layer, x, [0], identity)[0] == pytest.approx(-math.log(1e-20))
    np.testing.assert_allclose(gradients(layer, [x, [0], identity], 1.0)[0], [[-1, 1]])


@pytest.mark.parametrize(
    "parameters, divisor",
    [
        ("", 2),
        ("normalization: FULL", 24),
        ("normalization: NONE", 1),
        ("normalize: true", 24),
        ("normalization: VALID ignore_label: 2", None),
        ("ignore_label: 2", 2),
    ],
)
def test_sigmoid_cross_entropy(parameters, divisor):
    x, target = normal(2, 3, 4) * 4, np.random.default_rng(3).integers(0, 3, (2, 12))
    target = np.where(target == 2, 2, target * 0.75)
    counted = (target != 2 if "ignore" in parameters else np.ones_like(target)).reshape(x.shape)
    layer, tops = build(
        f'type: "SigmoidCrossEntropyLoss" loss_param {{ {parameters} }}', x.shape, target.shape
    )
    p, t = 1 / (1 + np.exp(-x)), target.reshape(x.shape)
    divisor = divisor or counted.sum()
    expected = -((t * np.log(p) + (1 - t) * np.log(1 - p)) * counted).sum() / divisor
    assert tops == [()]
    np.testing.assert_allclose(forward(layer, x, target)[0], expected)
    found, nothing = gradients(layer, [x, target], 1.0)
    np.testing.assert_allclose(found, (p - t) * counted / divisor, atol=1e-12)
    assert nothing is None


def test_sigmoid_cross_entropy_of_large_scores():
    layer, _ = build('type: "SigmoidCrossEntropyLoss"', (1, 4), (1, 4))
    x, target = [[-1000.0, 1000, -1000, 1000]], [[0, 1, 1, 0]]
    assert forward(layer, x, target)[0] == 2000
    np.testing.assert_allclose(gradients(layer, [x, target], 1.0)[0], [[0, 0, -1, 1]])


def test_euclidean():
    a, b = normal(2, 3, 4), normal(2, 12, seed=1)
    layer, tops = build('type: "EuclideanLoss"', a.shape, b.shape)
    difference = a - b.reshape(a.shape)
    assert tops == [()] and layer.no_gradient_bottoms == ()
    np.testing.assert_allclose(forward(layer, a, b)[0], (difference**2).sum() / 4)
    first, second = gradients(layer, [a, b], 1.0)
    np.testing.assert_allclose(first, difference / 2)
    np.testing.assert_allclose(second, -first.reshape(2, 12))


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_hinge(norm):
    x, labels = normal(4, 5), np.array([1, 4, 0, 2])
    layer, _ = build(f'type: "HingeLoss" hinge_loss_param {{ norm: {norm} }}', (4, 5), (4,))
    sign = 1 - 2 * np.eye(5)[labels]
    margin = np.maximum(0, 1 + sign * x)
    expected = margin if norm == "L1" else margin**2
    np.testing.assert_allclose(forward(layer, x, labels)[0], expected.sum() / 4)
    slope = sign * (margin > 0) if norm == "L1" else 2 * sign * margin
    np.testing.assert_allclose(gradients(layer, [x, labels], 1.0)[0], slope / 4)


def test_multinomial():
    p, labels = softmax(normal(4, 3)), np.array([1, 0, 2, 1])
    p[0, 1] = 0  # clamped
    layer, _ = build('type: "MultinomialLogisticLoss"', (4, 3), (4, 1))
    chosen = np.maximum(p[range(4), labels], 1e-20)
    np.testing.assert_allclose(forward(layer, p, labels)[0], -np.log(chosen).sum() / 4)
    expected = np.zeros((4, 3))
    expected[range(4), labels] = -1 / chosen / 4
    np.testing.assert_allclose(gradients(layer, [p, labels], 1.0)[0], expected)


@pytest.mark.parametrize("legacy", ["false", "true"])
def test_contrastive(legacy):
    a, b, similar = normal(4, 3), normal(4, 3, seed=1), np.array([0, 1, 0, 0])
    b[3] = a[3]  # at no distance
    parameters = f"margin: 2.5 legacy_version: {legacy}"
    layer, _ = build(
        f'type: "ContrastiveLoss" contrastive_loss_param {{ {parameters} }}', (4, 3), (4, 3), (4,)
    )
    distance = np.sqrt(((a - b) ** 2).sum(1))
    if legacy == "true":
        apart = np.maximum(2.5 - distance**2, 0)
        pull = -(apart > 0).astype(float)
    else:
        apart = np.maximum(2.5 - distance, 0) ** 2
        pull = -np.maximum(2.5 - distance, 0) / (distance + 1e-4)
    loss = np.where(similar, distance**2, apart).sum() / 8
    np.testing.assert_allclose(forward(layer, a, b, similar)[0], loss)
    expected = np.where(similar, 1, pull)[:, None] * (a - b) / 4
    first, second, nothing = gradients(layer, [a, b, similar], 1.0)
    np.testing.assert_allclose(first, expected, atol=1e-12)
    np.testing.assert_allclose(second, -expected, atol=1e-12)
    assert nothing is None


@pytest.mark.parametrize("top_k", [1, 3])
@pytest.mark.parametrize("ignored", [None, 2])
def test_accuracy(top_k, ignored):
    parameters = f"top_k: {top_k}" + (f" ignore_label: {ignored}" if ignored is not None else "")
    layer, tops = build(
        f'type: "Accuracy" accuracy_param {{ {parameters} }}', SCORES.shape, (2, 3, 4), tops=2
    )
    assert tops == [(), (5,)]
    right, total = np.zeros(5), np.zeros(5)
    for n, h, w in np.ndindex(2, 3, 4):
        label, scores = int(LABELS[n, 0, h, w]), SCORES[n, :, h, w]
        if label != ignored:
            total[label] += 1
            right[label] += label in np.argsort(-scores)[:top_k]
    share, per_class = forward(layer, SCORES, LABELS.squeeze(1))
    np.testing.assert_allclose(share, right.sum() / total.sum())
    np.testing.assert_allclose(per_class, right / np.maximum(total, 1))


@pytest.mark.parametrize("label", [-(2.0**40), -(2.0**63), -100])
def test_no_label_is_ignored_unasked(label):
    assert int(np.float32(NO_LABEL)) != NO_LABEL
    layer, _ = build('type: "SoftmaxWithLoss"', (2, 5), (2,))
    with pytest.raises(caffe.CaffeError, match="a label is not one of the 5 classes"):
        forward(layer, normal(2, 5), [3, label])


def test_accuracy_counts_ties_as_wrong_and_nothing_as_0():
    layer, _ = build('type: "Accuracy"', (3, 2), (3,))
    assert forward(layer, [[1, 1], [0, 1], [0, 1]], [0, 1, 0])[0] == pytest.approx(1 / 3)
    layer, _ = build('type: "Accuracy" accuracy_param { ignore_label: -1 }', (3, 2), (3,))
    assert forward(layer, normal(3, 2), [-1, -1, -1])[0] == 0


@pytest.mark.parametrize(
    "text, bottoms, message",
    [
        (
            'type: "SoftmaxWithLoss"',
            [(2, 5, 3, 4), (2, 3, 5)],
            "bottom 1 is (2, 3, 5) with 30 labels, expected 24: one for each place of bottom 0, "
            "(2, 5, 3, 4), whose classes are on axis 1",
        ),
        (
            'type: "SoftmaxWithLoss"',
            [(2, 5), (3,)],
            "bottom 1 is (3,), expected as many items as bottom 0, (2, 5)",
        ),
        (
            'type: "SoftmaxWithLoss" softmax_param { axis: 2 }',
            [(2, 5), (2,)],
            "axis 2 is out of range; bottom is (2, 5)",
        ),
        (
            'type: "EuclideanLoss"',
            [(2, 5), (2, 6)],
            "bottom 1 is (2, 6), expected as many values as bottom 0, (2, 5)",
        ),
        (
            'type: "SigmoidCrossEntropyLoss"',
            [(2, 5), (2, 6)],
            "bottom 1 is (2, 6), expected as many values as bottom 0, (2, 5)",
        ),
        (
            'type: "HingeLoss"',
            [(2, 5), (2, 3)],
            "bottom 1 is (2, 3), expected one label for each item of (2, 5)",
        ),
        (
            'type: "ContrastiveLoss"',
            [(2, 5), (2, 4), (2,)],
            "bottoms 0 and 1 are (2, 5) and (2, 4), expected two of one shape (N, C)",
        ),
        (
            'type: "ContrastiveLoss"',
            [(2, 5), (2, 5), (3,)],
            "bottom 2 is (3,), expected one value for each of 2 pairs",
        ),
        (
            'type: "InfogainLoss"',
            [(2, 5), (2,)],
            "has no matrix: neither a third bottom nor source",
        ),
        (
            'type: "InfogainLoss" infogain_loss_param { source: "none.binaryproto" }',
            [(2, 5), (2,)],
            "none.binaryproto: no such file, expected a binary BlobProto",
        ),
        (
            'type: "InfogainLoss"',
            [(2, 5), (2,), (5, 4)],
            "the matrix has 20 values, expected 5 x 5",
        ),
        (
            'type: "InfogainLoss" loss_param { normalize: true }',
            [(2, 5), (2,), (5, 5)],
            "normalize is deprecated, expected normalization",
        ),
        (
            'type: "Accuracy" accuracy_param { top_k: 6 }',
            [(2, 5), (2,)],
            "top_k is 6, expected at most 5, the classes",
        ),
        ('type: "Accuracy"', [(2, 5)], "has 1 bottom(s), expected 2"),
    ],
)
def test_refused(text, bottoms, message):
    assert refusal(text, *bottoms) == message


@pytest.mark.parametrize("kind", ["EuclideanLoss", "SigmoidCrossEntropyLoss"])
def test_bottoms_without_items_are_refused(kind):
    assert refusal(f'type: "{kind}"', (), ()) == "bottom 0 is (), expected an axis of items"

"""BatchNorm, LRN and MVN against plain numpy, the stored statistics, and what they refuse."""

import numpy as np
import pytest
import torch
from single_layer import build, forward, gradients, normal, refusal

from caffe.proto.caffe_pb2 import TEST, TRAIN

X = normal(2, 3, 4, 5) * 3 + 1


def per_channel(x):
    """Mean and biased variance over all axes but 1."""
    axes = (0, *range(2, x.ndim))
    return x.mean(axes), x.var(axes)


def normalised(x, mean, variance, eps):
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + eps)


def test_batch_norm_in_training():
    layer, (top,) = build('type: "BatchNorm" batch_norm_param { eps: 0.01 }', X.shape)
    (y,) = forward(layer, X)
    assert top == X.shape and [b.shape for b in layer.blobs] == [(3,), (3,), (1,)]
    np.testing.assert_allclose(y, normalised(X, *per_channel(X), 0.01), atol=1e-10)


def test_batch_norm_stores_decayed_sums():
    text = 'type: "BatchNorm" batch_norm_param { moving_average_fraction: 0.9 }'
    layer, _ = build(text, X.shape)
    sums = [np.zeros(3), np.zeros(3), 0.0]
    for step in range(3):
        x = normal(2, 3, 4, 5, seed=step)
        forward(layer, x)
        mean, variance = per_channel(x)
        found = mean, variance * 40 / 39, 1  # 40 values per channel
        sums = [0.9 * s + new for s, new in zip(sums, found)]
        for blob, expected in zip(layer.blobs, sums):
            np.testing.assert_allclose(blob.data, np.reshape(expected, blob.shape), rtol=1e-5)


def test_batch_norm_with_stored_statistics():
    layer, _ = build('type: "BatchNorm"', X.shape, phase=TEST)
    for blob, value in zip(layer.blobs, ([2, 4, -6], [8, 2, 4], [2])):
        blob.data[...] = value
    mean, variance = np.array([1, 2, -3]), np.array([4, 1, 2])
    np.testing.assert_allclose(forward(layer, X)[0], normalised(X, mean, variance, 1e-5), rtol=1e-6)
    np.testing.assert_array_equal(layer.blobs[2].data, [2])
    (gradient,) = gradients(layer, [X], np.ones(X.shape))
    np.testing.assert_allclose(gradient[0, :, 0, 0], 1 / np.sqrt(variance + 1e-5), rtol=1e-6)
    layer.blobs[2].data[...] = 0  # no statistics yet: mean and variance 0
    np.testing.assert_allclose(forward(layer, X)[0], X / np.sqrt(1e-5), rtol=1e-6)


@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize("stored", [True, False])
def test_use_global_stats_overrides_the_phase(phase, stored):
    text = f'type: "BatchNorm" batch_norm_param {{ use_global_stats: {str(stored).lower()} }}'
    layer, _ = build(text, X.shape, phase=phase)
    forward(layer, X)
    assert layer.blobs[2].data[0] == (0 if stored else 1)


def test_batch_norm_of_one_value_per_channel():
    layer, _ = build('type: "BatchNorm"', (1, 3))
    np.testing.assert_allclose(forward(layer, [[2.0, 3, 4]])[0], 0, atol=1e-9)
    np.testing.assert_array_equal(layer.blobs[0].data, [2, 3, 4])
    np.testing.assert_array_equal(layer.blobs[1].data, 0)


def test_batch_norm_statistics_are_not_learned():
    layer, _ = build('type: "BatchNorm" param { lr_mult: 0 }', X.shape)
    assert [spec.lr_mult for spec in layer.param.param] == [0, 0, 0]
    assert refusal('type: "BatchNorm" param { lr_mult: 0 } param { decay_mult: 0 }', X.shape) == (
        "param 1 has lr_mult 1, expected 0: statistics are not learned"
    )


def test_batch_norm_keeps_statistics_in_float32_for_bf16():
    layer, _ = build('type: "BatchNorm"', X.shape)
    narrow = torch.tensor(X).bfloat16()
    (y,) = layer.forward((narrow,), tuple(blob.data_tensor() for blob in layer.blobs))
    assert y.dtype == torch.bfloat16
    mean, _ = per_channel(narrow.double().numpy())
    np.testing.assert_allclose(layer.blobs[0].data, mean, rtol=1e-5)


def test_lrn_across_channels():
    x = normal(2, 7, 3, 4)
    text = 'type: "LRN" lrn_param { local_size: 5 alpha: 0.7 beta: 0.6 k: 2 }'
    layer, (top,) = build(text, x.shape)
    expected = np.empty(top)
    for c in range(7):
        total = (x[:, max(0, c - 2) : c + 3] ** 2).sum(1)
        expected[:, c] = x[:, c] / (2 + 0.7 / 5 * total) ** 0.6
    np.testing.assert_allclose(forward(layer, x)[0], expected)


def test_lrn_within_channel():
    x = normal(2, 3, 4, 6)
    text = 'type: "LRN" lrn_param { local_size: 3 alpha: 0.7 norm_region: WITHIN_CHANNEL }'
    layer, (top,) = build(text, x.shape)
    expected = np.empty(top)
    for h, w in np.ndindex(4, 6):
        mean = (x[:, :, max(0, h - 1) : h + 2, max(0, w - 1) : w + 2] ** 2).sum((2, 3)) / 9
        expected[:, :, h, w] = x[:, :, h, w] / (1 + 0.7 * mean) ** 0.75
    np.testing.assert_allclose(forward(layer, x)[0], expected)


@pytest.mark.parametrize("across, axes", [("false", (2, 3)), ("true", (1, 2, 3))])
def test_mvn(across, axes):
    layer, (top,) = build(
        f'type: "MVN" mvn_param {{ across_channels: {across} eps: 0.25 }}', X.shape
    )
    centred = X - X.mean(axes, keepdims=True)
    (y,) = forward(layer, X)
    assert top == y.shape
    np.testing.assert_allclose(y, centred / (X.std(axes, keepdims=True) + 0.25))


def test_mvn_gradient_treats_std_and_eps_as_one():
    x, diff, eps = normal(2, 3, 4, 5), normal(2, 3, 4, 5, seed=1), 0.5
    layer, _ = build(f'type: "MVN" mvn_param {{ eps: {eps} }}', x.shape)
    (y,) = forward(layer, x)
    mean = lambda values: values.mean((2, 3), keepdims=True)  # noqa: E731
    expected = (diff - mean(diff) - y * mean(diff * y)) / (x.std((2, 3), keepdims=True) + eps)
    np.testing.assert_allclose(gradients(layer, [x], diff)[0], expected, atol=1e-12)
    (constant,) = gradients(layer, [np.ones_like(x)], diff)
    np.testing.assert_allclose(constant, (diff - mean(diff)) / eps, atol=1e-12)


@pytest.mark.parametrize(
    "text, bottom, message",
    [
        ('type: "BatchNorm"', (4,), "needs at least 2 axes; bottom is (4,)"),
        (
            'type: "LRN" lrn_param { local_size: 4 }',
            X.shape,
            "local_size is 4, expected an odd number",
        ),
        (
            'type: "LRN" lrn_param { k: 2 norm_region: WITHIN_CHANNEL }',
            X.shape,
            "k is 2, expected 1 with norm_region WITHIN_CHANNEL",
        ),
        (
            'type: "LRN"',
            (2, 3, 4),
            "needs 4 axes (num, channels, height, width); bottom is (2, 3, 4)",
        ),
    ],
)
def test_refused(text, bottom, message):
    assert refusal(text, bottom) == message


def test_batch_norm_refuses_other_channels_later():
    layer, _ = build('type: "BatchNorm"', X.shape)
    assert layer.reshape([(7, 3, 6)]) == [(7, 3, 6)]
    with pytest.raises(Exception) as caught:
        layer.reshape([(2, 4, 6)])
    assert str(caught.value) == "bottom is (2, 4, 6), expected 3 channels on axis 1"


@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
def test_lrn_of_a_window_far_beyond_the_bottom(region):
    x, n = normal(2, 3, 4, 5), 4294967295
    text = f"local_size: {n} alpha: 1e10 norm_region: {region}"
    layer, _ = build(f'type: "LRN" lrn_param {{ {text} }}', x.shape)
    axes, cells = ((1,), n) if region == "ACROSS_CHANNELS" else ((2, 3), n**2)
    mean = (x**2).sum(axes, keepdims=True) / cells
    np.testing.assert_allclose(forward(layer, x)[0], x * (1 + 1e10 * mean) ** -0.75)

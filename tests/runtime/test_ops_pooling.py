"""Pooling against loops that follow Caffe's rules, its ties and borders, and what it refuses."""

import math

import numpy as np
import pytest
from single_layer import build, distinct, forward, gradients, refusal

from caffe.proto.caffe_pb2 import TEST, TRAIN

FLT_MAX = float(np.finfo("float32").max)


def windows(n, kernel, stride, pad, floor, padded):
    """Start and end of each window along one axis, inside the padded bottom."""
    room = (n + 2 * pad - kernel) / stride
    count = (math.floor(room) if floor else math.ceil(room)) + 1
    if padded and (count - 1) * stride >= n + pad:
        count -= 1
    starts = [i * stride - pad for i in range(count)]
    return [(start, min(start + kernel, n + pad)) for start in starts]


def pool(x, kernel, stride, pad, floor):
    """Maximum, its place and mean of each window."""
    axes = [
        windows(n, k, s, p, floor, any(pad)) for n, k, s, p in zip(x.shape[2:], kernel, stride, pad)
    ]
    shape = (*x.shape[:2], *map(len, axes))
    highest, places, mean = np.full(shape, -FLT_MAX), np.full(shape, -1), np.zeros(shape)
    for n, c, i, j in np.ndindex(shape):
        (top, below), (left, right) = axes[0][i], axes[1][j]
        total = 0.0
        for h in range(max(top, 0), min(below, x.shape[2])):
            for w in range(max(left, 0), min(right, x.shape[3])):
                total += x[n, c, h, w]
                if x[n, c, h, w] > highest[n, c, i, j]:
                    highest[n, c, i, j] = x[n, c, h, w]
                    places[n, c, i, j] = h * x.shape[3] + w
        mean[n, c, i, j] = total / max(1, (below - top) * (right - left))
    return highest, places, mean


def draw_cases(count):
    draw = np.random.default_rng(3)
    for _ in range(count):
        kernel, stride = draw.integers(1, 5, 2), draw.integers(1, 5, 2)
        pad = draw.integers(0, kernel) * draw.integers(0, 2)
        height = int(draw.integers(4, 9))
        yield kernel, stride, pad, bool(draw.integers(0, 2)), (height, height + 1)


@pytest.mark.parametrize("kernel, stride, pad, floor, size", list(draw_cases(60)))
def test_against_loops(kernel, stride, pad, floor, size):
    text = " ".join(
        f"{name}_{side}: {value}"
        for name, pair in (("kernel", kernel), ("stride", stride), ("pad", pad))
        for side, value in zip("hw", pair)
    )
    text += f" round_mode: {'FLOOR' if floor else 'CEIL'}"
    x = distinct(2, 3, *size)
    highest, places, mean = pool(x, kernel, stride, pad, floor)
    layer, shapes = build(f'type: "Pooling" pooling_param {{ {text} }}', x.shape, tops=2)
    y, mask = forward(layer, x)
    assert shapes == [highest.shape] * 2
    np.testing.assert_array_equal(y, highest)
    np.testing.assert_array_equal(mask, places)
    layer, shapes = build(f'type: "Pooling" pooling_param {{ pool: AVE {text} }}', x.shape)
    assert shapes == [mean.shape]
    np.testing.assert_allclose(forward(layer, x)[0], mean, atol=1e-12)


def test_kernel_larger_than_the_bottom():
    x = distinct(2, 3, 4, 5)
    layer, (top,) = build('type: "Pooling" pooling_param { kernel_size: 6 stride: 3 }', x.shape)
    assert top == (2, 3, 1, 1)
    np.testing.assert_array_equal(forward(layer, x)[0], x.max((2, 3), keepdims=True))


def test_global_pooling_follows_the_bottom():
    layer, (top,) = build(
        'type: "Pooling" pooling_param { global_pooling: true pool: AVE }', (2, 3, 4, 5)
    )
    assert top == (2, 3, 1, 1) and layer.reshape([(2, 3, 7, 6)]) == [(2, 3, 1, 1)]
    x = distinct(2, 3, 7, 6)
    np.testing.assert_allclose(forward(layer, x)[0], x.mean((2, 3), keepdims=True))


@pytest.mark.parametrize("pad", [1, 2])
def test_first_of_equal_maxima_gets_the_gradient(pad):
    layer, (top,) = build(
        f'type: "Pooling" pooling_param {{ kernel_size: 3 stride: 9 pad: {pad} }}', (1, 2, 4, 5)
    )
    (gradient,) = gradients(layer, [np.full((1, 2, 4, 5), 7.0)], np.full(top, 2.0))
    expected = np.zeros((1, 2, 4, 5))
    expected[:, :, 0, 0] = 2
    np.testing.assert_array_equal(gradient, expected)


def test_an_empty_window_loses_no_gradient_and_corrupts_none():
    layer, (top,) = build(
        'type: "Pooling" pooling_param { kernel_size: 2 stride: 3 }', (1, 2, 9, 8)
    )
    assert top == (1, 2, 4, 3)
    (gradient,) = gradients(layer, [distinct(1, 2, 9, 8)], np.ones(top))
    assert gradient.sum() == 2 * 3 * 3  # the windows that hold a cell


def test_stochastic():
    x = abs(distinct(3, 4, 5, 6))
    x[0] = 0
    text = 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }'
    layer, (top,) = build(text, x.shape, phase=TEST)
    assert top == (3, 4, 3, 3)
    expected = np.zeros(top)
    for n, c, i, j in np.ndindex(top):
        cells = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        expected[n, c, i, j] = (cells**2).sum() / cells.sum() if n else 0
    np.testing.assert_allclose(forward(layer, x)[0], expected)
    layer, _ = build(text, x.shape, phase=TRAIN)
    draws = []
    for layer.calls in range(800):
        draws.append(forward(layer, x)[0])
    np.testing.assert_array_equal(draws[-1], forward(layer, x)[0])  # the same pass, the same draw
    for n, c, i, j in np.ndindex(top):
        cells = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        assert set(np.unique([draw[n, c, i, j] for draw in draws])) == set(np.unique(cells))
    np.testing.assert_allclose(np.mean(draws, 0), expected, atol=0.1)


def test_spp_joins_levels():
    x = distinct(2, 3, 7, 6)
    layer, (top,) = build('type: "SPP" spp_param { pyramid_height: 2 }', x.shape)
    (y,) = forward(layer, x)
    assert top == y.shape == (2, 3 * (1 + 4))
    np.testing.assert_array_equal(y[:, :3], x.max((2, 3)))
    upper, lower = x[:, :, :3], x[:, :, 3:]  # windows of 4 x 3 behind a border of 1 row
    bins = [
        half[..., columns].max((2, 3))
        for half in (upper, lower)
        for columns in (slice(3), slice(3, 6))
    ]
    np.testing.assert_array_equal(y[:, 3:].reshape(2, 3, 4), np.stack(bins, 2))


@pytest.mark.parametrize(
    "parameters, bottom, message",
    [
        ("", (2, 3, 4, 5), "kernel_size is 0, expected at least 1"),
        (
            "kernel_size: 2",
            (2, 3, 4),
            "needs 4 axes (num, channels, height, width); bottom is (2, 3, 4)",
        ),
        (
            "kernel_size: 2 kernel_h: 2",
            (2, 3, 4, 5),
            "kernel_size and kernel_h or kernel_w are both given, expected one of them",
        ),
        (
            "kernel_h: 2",
            (2, 3, 4, 5),
            "kernel_h and kernel_w are both needed, expected a value for each",
        ),
        ("kernel_size: 2 stride: 0", (2, 3, 4, 5), "stride is 0, expected at least 1"),
        ("kernel_size: 2 pad: 2", (2, 3, 4, 5), "pad 2 must be less than kernel 2"),
        (
            "kernel_size: 6 stride: 2",
            (2, 3, 4, 3),
            "kernel 6 with stride 2 and pad 0 does not fit a bottom of 4x3",
        ),
        (
            "kernel_size: 2000000000 pad: 1000000000",
            (2, 3, 4, 5),
            "pad 1000000000 makes planes of 2000000004x2000000005, "
            "expected at most 2147483647 cells",
        ),
        (
            "global_pooling: true kernel_size: 2",
            (2, 3, 4, 5),
            "global_pooling takes the bottom's size; kernel_size must not be given",
        ),
        (
            "global_pooling: true stride: 2",
            (2, 3, 4, 5),
            "global_pooling needs stride 1 and pad 0",
        ),
        (
            "pool: STOCHASTIC kernel_size: 2 pad: 1",
            (2, 3, 4, 5),
            "pool STOCHASTIC has no padding; pad must be 0",
        ),
    ],
)
def test_refused(parameters, bottom, message):
    assert refusal(f'type: "Pooling" pooling_param {{ {parameters} }}', bottom) == message


def test_refused_mask_and_pyramid():
    text = 'type: "Pooling" pooling_param { pool: AVE kernel_size: 2 }'
    assert refusal(text, (2, 3, 4, 5), tops=2) == "has 2 top(s), expected 1"
    assert refusal('type: "SPP" spp_param { pyramid_height: 3 }', (2, 3, 6, 5)) == (
        "pyramid_height 3 has too many bins; bottom is (2, 3, 6, 5)"
    )


@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_a_stride_beyond_the_bottom_costs_no_memory(method):
    x = distinct(2, 3, 7, 6)
    tops = []
    for stride in (7, 2**31 - 1):
        layer, (top,) = build(
            f'type: "Pooling" pooling_param {{ pool: {method} kernel_size: 2 stride: {stride} }}',
            x.shape,
        )
        assert top == (2, 3, 2, 2)
        tops.append(forward(layer, x)[0])
    np.testing.assert_array_equal(*tops)

"""Convolution, Deconvolution and Im2col against loops, their shapes, and what they refuse."""

import numpy as np
import pytest
import torch
from single_layer import build, forward, gradients, normal, randomise, refusal

from caffe import context


def pads(x, pad):
    return np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in pad])


def window(position, stride, kernel, dilation):
    """The slices of a window's cells."""
    return tuple(
        slice(i * s, i * s + d * (k - 1) + 1, d)
        for i, s, k, d in zip(position, stride, kernel, dilation)
    )


def convolve(x, weight, bias, stride, pad, dilation, group):
    """Loops over items, outputs and positions."""
    kernel, padded = weight.shape[2:], pads(x, pad)
    inside = [n - d * (k - 1) for n, k, d in zip(padded.shape[2:], kernel, dilation)]
    y = np.zeros((len(x), len(weight), *(-(-n // s) for n, s in zip(inside, stride))))
    inputs, outputs = weight.shape[1], len(weight) // group
    for n, o in np.ndindex(y.shape[:2]):
        channels = slice(o // outputs * inputs, (o // outputs + 1) * inputs)
        for at in np.ndindex(y.shape[2:]):
            cells = padded[(n, channels, *window(at, stride, kernel, dilation))]
            y[(n, o, *at)] = (cells * weight[o]).sum() + bias[o]
    return y


def spread(x, weight, bias, stride, pad, dilation, group):
    """Loops over items, inputs, outputs and positions: each value paints its kernel."""
    kernel, outputs = weight.shape[2:], weight.shape[1]
    size = [
        s * (n - 1) + d * (k - 1) + 1 for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation)
    ]
    y = np.zeros((len(x), outputs * group, *size))
    for n, i, *at in np.ndindex(x.shape):
        for o in range(outputs):
            place = window(at, stride, kernel, dilation)
            channel = i // (x.shape[1] // group) * outputs + o
            y[(n, channel, *place)] += x[(n, i, *at)] * weight[i, o]
    cut = tuple(slice(p, m - p) for p, m in zip(pad, size))
    return y[(..., *cut)] + bias.reshape(-1, *[1] * len(kernel))


def fields(**lists):
    return " ".join(f"{name}: {value}" for name, values in lists.items() for value in values)


def draw_cases(count):
    """Random kernel, stride, pad, dilation, group and bottom's size over 1 to 3 axes."""
    draw = np.random.default_rng(8)
    for case in range(count):
        axes = case % 3 + 1
        kernel, stride, dilation = (draw.integers(1, high, axes) for high in (4, 4, 3))
        pad = draw.integers(0, 3, axes)
        size = dilation * (kernel - 1) + 1 + draw.permutation(axes) + 1
        yield kernel, stride, pad, dilation, int(draw.integers(1, 4)), tuple(map(int, size))


CASES = list(draw_cases(24))


@pytest.mark.parametrize("kernel, stride, pad, dilation, group, size", CASES)
@pytest.mark.parametrize("kind, truth", [("Convolution", convolve), ("Deconvolution", spread)])
def test_against_loops(kind, truth, kernel, stride, pad, dilation, group, size):
    if kind == "Deconvolution":
        pad = np.minimum(pad, dilation * (kernel - 1) // 2)
    text = fields(kernel_size=kernel, stride=stride, pad=pad, dilation=dilation)
    bottom = (2, group * 3, *size)
    layer, (top,) = build(
        f'type: "{kind}" convolution_param {{ num_output: {group * 4} group: {group} {text} }}',
        bottom,
    )
    weight, bias = randomise(layer)
    (y,) = forward(layer, x := normal(*bottom))
    assert y.shape == top
    np.testing.assert_allclose(y, truth(x, weight, bias, stride, pad, dilation, group), atol=1e-10)


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_channels_innermost_change_the_layout_alone(kind, monkeypatch):
    """The top, and the gradients of bottom, weights and bias, keep their values."""
    options = "num_output: 6 kernel_size: 3 stride: 2 pad: 2 dilation: 2 group: 2"
    layer, (top,) = build(f'type: "{kind}" convolution_param {{ {options} }}', (2, 4, 9, 7))
    randomise(layer)
    x, diff = normal(2, 4, 9, 7), torch.tensor(normal(*top, seed=2))
    results = []
    for innermost in (False, True):
        monkeypatch.setattr(context, "channels_last", lambda innermost=innermost: innermost)
        values = [torch.tensor(x), *(blob.data_tensor().double() for blob in layer.blobs)]
        for value in values:
            value.requires_grad_()
        (y,) = layer.forward((values[0],), tuple(values[1:]))
        assert y.is_contiguous(memory_format=torch.channels_last) == innermost
        results.append([y.detach(), *torch.autograd.grad(y, values, diff)])
    for ordinary, innermost in zip(*results):
        assert ordinary.abs().max() > 0.1
        torch.testing.assert_close(innermost, ordinary)


@pytest.mark.parametrize("amx", [False, True])
def test_only_bf16_on_a_gpu_or_with_amx_wants_channels_innermost(amx, monkeypatch):
    monkeypatch.setattr(context, "_has_amx", lambda: amx)
    monkeypatch.setattr(context, "_state", dict(context._state))
    wanted = set()
    for gpu in (False, True):
        for precision in context.PRECISIONS:
            context._state.update(gpu=gpu, precision=precision)
            if context.channels_last():
                wanted.add((gpu, precision))
    assert wanted == {(True, "bf16")} | ({(False, "bf16")} if amx else set())


def test_height_and_width_fields():
    parameters = "num_output: 2 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 0"
    layer, (top,) = build(f'type: "Convolution" convolution_param {{ {parameters} }}', (2, 3, 6, 5))
    weight, bias = randomise(layer)
    (y,) = forward(layer, x := normal(2, 3, 6, 5))
    assert top == y.shape == (2, 2, 3, 4)
    np.testing.assert_allclose(y, convolve(x, weight, bias, (2, 1), (1, 0), (1, 1), 1), atol=1e-10)


def test_batch_axes_before_axis():
    text = 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 2 axis: %d }'
    x = normal(2, 5, 3, 6)
    layer, (top,) = build(text % 2, x.shape)
    weight, bias = randomise(layer)
    (y,) = forward(layer, x)
    assert top == y.shape == (2, 5, 4, 5)
    expected = convolve(x.reshape(10, 3, 6), weight, bias, (1,), (0,), (1,), 1)
    np.testing.assert_allclose(y.reshape(10, 4, 5), expected, atol=1e-10)
    layer, (top,) = build(text % 0, (3, 6))
    weight, bias = randomise(layer)
    (y,) = forward(layer, x[0, 0])
    assert top == y.shape == (4, 5)
    np.testing.assert_allclose(
        y[None], convolve(x[:1, 0], weight, bias, (1,), (0,), (1,), 1), atol=1e-10
    )


def test_one_layer_on_several_bottoms():
    layer, tops = build(
        'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }',
        *[(2, 3, 6, 5)] * 2,
        tops=2,
    )
    randomise(layer)
    a, b = normal(2, 3, 6, 5, seed=1), normal(2, 3, 6, 5, seed=2)
    together = forward(layer, a, b)
    assert tops == [(2, 4, 4, 3)] * 2 and len(layer.blobs) == 2
    np.testing.assert_array_equal(together, [forward(layer, a)[0], forward(layer, b)[0]])


def test_deconvolution_is_the_gradient_of_convolution():
    text = "num_output: %d kernel_size: 4 stride: 2 pad: 1 group: 2 bias_term: false"
    down, (top,) = build(f'type: "Convolution" convolution_param {{ {text % 4} }}', (2, 6, 8, 10))
    up, _ = build(f'type: "Deconvolution" convolution_param {{ {text % 6} }}', top)
    randomise(down), randomise(up)
    assert down.blobs[0].shape == up.blobs[0].shape == (4, 3, 4, 4)
    diff = normal(*top)
    np.testing.assert_allclose(
        forward(up, diff)[0], gradients(down, [normal(2, 6, 8, 10)], diff)[0], atol=1e-10
    )


@pytest.mark.parametrize("kernel, stride, pad, dilation, group, size", CASES)
def test_im2col_against_loops(kernel, stride, pad, dilation, group, size):
    text = fields(kernel_size=kernel, stride=stride, pad=pad, dilation=dilation)
    layer, (top,) = build(f'type: "Im2col" convolution_param {{ {text} }}', (2, 3, *size))
    (y,) = forward(layer, x := normal(2, 3, *size))
    assert y.shape == top
    padded = pads(x, pad)
    for at in np.ndindex(top[2:]):
        cells = padded[(..., *window(at, stride, kernel, dilation))]
        np.testing.assert_array_equal(y[(..., *at)], cells.reshape(2, -1))


@pytest.mark.parametrize(
    "parameters, bottom, message",
    [
        (
            "num_output: 2 kernel_size: 3 dilation: 2",
            (8, 256, 4, 4),
            "kernel 3 with dilation 2 needs at least 5x5; bottom is (8, 256, 4, 4)",
        ),
        (
            "num_output: 2 kernel_h: 5 kernel_w: 3 pad: 1",
            (2, 3, 2, 7),
            "kernel 5x3 with pad 1 needs at least 3x1; bottom is (2, 3, 2, 7)",
        ),
        (
            "num_output: 4 kernel_size: 3 group: 3",
            (2, 6, 7, 8),
            "num_output has 4 channels, expected a multiple of group 3",
        ),
        (
            "num_output: 4 kernel_size: 3 group: 2",
            (2, 5, 7, 8),
            "bottom has 5 channels, expected a multiple of group 2",
        ),
        ("kernel_size: 3", (2, 3, 7, 8), "num_output is 0, expected at least 1"),
        ("num_output: 2", (2, 3, 7, 8), "kernel_size is missing"),
        ("num_output: 2 kernel_size: 0", (2, 3, 7, 8), "kernel is 0, expected at least 1"),
        ("num_output: 2 kernel_h: 3", (2, 3, 7, 8), "kernel is 0, expected at least 1"),
        (
            "num_output: 2 kernel_size: 3 dilation: 0",
            (2, 3, 7, 8),
            "dilation is 0, expected at least 1",
        ),
        (
            "num_output: 2 kernel_size: 3 kernel_h: 3",
            (2, 3, 7, 8),
            "kernel_size and kernel_h or kernel_w are both given, expected one of them",
        ),
        (
            "num_output: 2 kernel_size: 3 pad_h: 1",
            (2, 3, 7),
            "pad_h and pad_w need 2 spatial axes; bottom has 1",
        ),
        (
            "num_output: 2 kernel_size: 3 stride: 1 stride: 2",
            (2, 3, 5, 6, 7),
            "stride is given 2 times, expected once or 3 times",
        ),
        (
            "num_output: 2 kernel_size: 3 axis: 4",
            (2, 3, 5, 6),
            "axis 4 is out of range; bottom is (2, 3, 5, 6)",
        ),
        (
            "num_output: 2 kernel_size: 1",
            (2, 3),
            "needs 1 to 3 axes after axis 1; bottom is (2, 3)",
        ),
    ],
)
def test_refused(parameters, bottom, message):
    assert refusal(f'type: "Convolution" convolution_param {{ {parameters} }}', bottom) == message


def test_refused_by_deconvolution():
    text = 'type: "Deconvolution" convolution_param { num_output: 2 kernel_size: 2 pad: 3 }'
    assert refusal(text, (2, 3, 4, 5)) == "kernel 2 with pad 3 leaves nothing of the top; " + (
        "bottom is (2, 3, 4, 5)"
    )


def test_later_bottoms_must_fit():
    layer, _ = build(
        'type: "Convolution" convolution_param { num_output: 2 kernel_size: 3 }', (2, 3, 7, 8)
    )
    assert layer.reshape([(1, 3, 9, 5)]) == [(1, 2, 7, 3)]
    for shape, message in [
        ((2, 4, 7, 8), "bottom is (2, 4, 7, 8), expected 3 channels on axis 1"),
        ((2, 3, 7), "bottom is (2, 3, 7), expected 4 axes"),
    ]:
        with pytest.raises(Exception) as caught:
            layer.reshape([shape])
        assert str(caught.value) == message
    two = 'type: "Convolution" convolution_param { num_output: 2 kernel_size: 3 }'
    assert refusal(two, (2, 3, 7, 8), (2, 3, 8, 7), tops=2) == (
        "bottom 1 is (2, 3, 8, 7), expected (2, 3, 7, 8) like bottom 0"
    )


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution", "Im2col"])
def test_a_stride_or_dilation_that_cannot_matter_is_harmless(kind):
    x = normal(2, 3, 1, 1)
    tops = []
    for huge in ("", "stride: 2147483647", "dilation: 2147483647"):
        text = f'type: "{kind}" convolution_param {{ kernel_size: 1 num_output: 2 {huge} }}'
        layer, (top,) = build(text, x.shape)
        assert top == (2, 3 if kind == "Im2col" else 2, 1, 1)
        randomise(layer)
        tops.append(gradients(layer, [x], np.ones(top))[0])
    np.testing.assert_array_equal(tops[0], tops[1])
    np.testing.assert_array_equal(tops[0], tops[2])


def test_backward_of_a_huge_stride():
    layer, (top,) = build(
        'type: "Convolution" '
        "convolution_param { kernel_size: 3 num_output: 3 stride: 65536 pad: 1 }",
        (2, 2, 8, 9),
    )
    randomise(layer)
    assert top == (2, 3, 1, 1)
    found = gradients(layer, [normal(2, 2, 8, 9)], np.ones(top))[0]
    assert found[:, :, :2, :2].all() and not found[:, :, 2:].any() and not found[:, :, :, 2:].any()

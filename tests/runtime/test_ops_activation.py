"""Element-wise layers against numpy, their gradients at kinks, and what they refuse."""

import math

import numpy as np
import pytest
from single_layer import build, forward, gradients, normal, refusal

import caffe

X = normal(2, 3, 4, 5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    "text, function",
    [
        ('type: "ReLU"', lambda x: np.maximum(x, 0)),
        (
            'type: "ReLU" relu_param { negative_slope: 0.25 }',
            lambda x: np.where(x > 0, x, 0.25 * x),
        ),
        ('type: "ELU" elu_param { alpha: 0.5 }', lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
        ('type: "Sigmoid"', sigmoid),
        ('type: "TanH"', np.tanh),
        ('type: "Swish" swish_param { beta: 1.5 }', lambda x: x * sigmoid(1.5 * x)),
        ('type: "BNLL"', lambda x: np.log1p(np.exp(x))),
        ('type: "AbsVal"', np.abs),
        (
            'type: "Power" power_param { power: 3 scale: 0.5 shift: -1 }',
            lambda x: (0.5 * x - 1) ** 3,
        ),
        ('type: "Power" power_param { power: 0 scale: 2 }', np.ones_like),
        ('type: "Power"', lambda x: x),
        ('type: "Exp"', np.exp),
        (
            'type: "Exp" exp_param { base: 2 scale: 0.5 shift: 3 }',
            lambda x: 2 ** (0.5 * x + 3),
        ),
        ('type: "Log" log_param { shift: 5 }', lambda x: np.log(x + 5)),
        (
            'type: "Log" log_param { base: 10 scale: 0.5 shift: 5 }',
            lambda x: np.log10(0.5 * x + 5),
        ),
        ('type: "Clip" clip_param { min: -0.5 max: 1 }', lambda x: x.clip(-0.5, 1)),
        ('type: "Threshold" threshold_param { threshold: 0.5 }', lambda x: x > 0.5),
    ],
)
def test_values(text, function):
    layer, (top,) = build(text, X.shape)
    (y,) = forward(layer, X)
    assert top == y.shape
    np.testing.assert_allclose(y, function(X), rtol=1e-7)


@pytest.mark.parametrize(
    "text, points, slopes",
    [
        ('type: "ReLU"', [-1, 0, 1], [0, 0, 1]),
        ('type: "ReLU" relu_param { negative_slope: 0.25 }', [-1, 0, 1], [0.25, 0.25, 1]),
        ('type: "ELU" elu_param { alpha: 0.5 }', [0, 1], [0.5, 1]),
        ('type: "AbsVal"', [-2, 0, 2], [-1, 0, 1]),
        ('type: "Clip" clip_param { min: -1 max: 2 }', [-1.5, -1, 0, 2, 2.5], [0, 1, 1, 1, 0]),
        ('type: "Power" power_param { power: 0 }', [-1, 0, 1], [0, 0, 0]),
        ('type: "Power" power_param { power: 2 }', [-1, 0, 3], [-2, 0, 6]),
        ('type: "Power" power_param { scale: 0.25 shift: 3 }', [-1, 0, 3], [0.25, 0.25, 0.25]),
        ('type: "BNLL"', [-200, 0, 200], [0, 0.5, 1]),
        ('type: "Sigmoid"', [-200, 0, 200], [0, 0.25, 0]),
    ],
)
def test_gradients_at_kinks_and_extremes(text, points, slopes):
    layer, _ = build(text, (1, len(points)))
    (gradient,) = gradients(layer, [np.reshape(points, (1, -1))], np.ones((1, len(points))))
    np.testing.assert_allclose(gradient[0], slopes, atol=1e-12)


def test_prelu():
    layer, _ = build('type: "PReLU"', X.shape)
    np.testing.assert_array_equal(layer.blobs[0].data, [0.25] * 3)
    layer.blobs[0].data[...] = [0.5, 2, -1]
    slope = np.reshape([0.5, 2, -1], (1, 3, 1, 1))
    np.testing.assert_allclose(forward(layer, X)[0], np.where(X > 0, X, slope * X))
    shared, _ = build(
        'type: "PReLU" prelu_param { channel_shared: true filler { value: 2 } }', X.shape
    )
    assert shared.blobs[0].shape == ()
    np.testing.assert_allclose(forward(shared, X)[0], np.where(X > 0, X, 2 * X))


@pytest.mark.parametrize(
    "text, message",
    [
        ('type: "PReLU"', "needs at least 2 axes; bottom is (4,)"),
        (
            'type: "Exp" exp_param { base: -2 }',
            "base is -2, expected a positive number or -1 for e",
        ),
        ('type: "Log" log_param { base: 0 }', "base is 0, expected a positive number or -1 for e"),
        ('type: "Log" log_param { base: 1 }', "base is 1, expected another number"),
        ('type: "Clip" clip_param { min: 2 max: 1 }', "min is 2, expected at most max 1"),
    ],
)
def test_refused(text, message):
    assert refusal(text, (4,)) == message


def test_prelu_refuses_other_channels_later():
    layer, _ = build('type: "PReLU"', X.shape)
    with pytest.raises(Exception) as caught:
        layer.reshape([(2, 4, 6)])
    assert str(caught.value) == "bottom is (2, 4, 6), expected 3 channels on axis 1"


def test_large_inputs_stay_finite():
    for kind in ("BNLL", "Sigmoid", "TanH", "Swish"):
        layer, _ = build(f'type: "{kind}"', (1, 4))
        (y,) = forward(layer, [[-1000.0, -60, 60, 1000]])
        assert np.isfinite(y).all(), kind
        assert math.isclose(y[0, 3], 1000 if kind in ("BNLL", "Swish") else 1), kind


def in_place_diff(text, tmp_path, values, diff):
    """The diff below an in-place layer, of values and diffs above it."""
    path = tmp_path / "net.prototxt"
    path.write_text(
        f"force_backward: true layer {{ name: 'x' type: 'Input' top: 'x' "
        f"input_param {{ shape {{ dim: {len(values)} }} }} }}"
        f"layer {{ name: 'y' bottom: 'x' top: 'x' {text} }}"
    )
    net = caffe.Net(str(path), caffe.TRAIN)
    net.blobs["x"].data[...] = values
    net.forward()
    net.blobs["x"].diff[...] = diff
    net.backward()
    return net.blobs["x"].diff.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type: "Clip" clip_param { min: -1 max: 2 }', [3, 5, 7]),
        ('type: "Power" power_param { scale: 0.5 shift: 1 }', [0.25, 0.25, 0.25]),
        ('type: "Power" power_param { power: 2 shift: 1 }', [-6, 20, 70]),
    ],
)
def test_gradients_in_place(text, expected, tmp_path):
    assert in_place_diff(text, tmp_path, [-2, 1, 4], [3, 5, 7]) == expected


def test_a_spoilt_gradient_is_told(tmp_path, capsys):
    in_place_diff('type: "Power" power_param { scale: 2 }', tmp_path, [1], [1])
    assert "y is in place: its gradient is scale^2" in capsys.readouterr().err

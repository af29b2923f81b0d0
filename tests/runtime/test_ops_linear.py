"""InnerProduct, Embed, Scale, Bias, Dropout, Parameter and Input."""

import numpy as np
import pytest
from single_layer import build, forward, gradients, normal, randomise, refusal

import caffe
from caffe.proto.caffe_pb2 import TEST

X = normal(2, 3, 4, 5)


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("transpose", ["true", "false"])
@pytest.mark.parametrize("bias", ["true", "false"])
def test_inner_product(axis, transpose, bias):
    layer, (top,) = build(
        'type: "InnerProduct" inner_product_param { num_output: 6 '
        f"axis: {axis} transpose: {transpose} bias_term: {bias} }}",
        X.shape,
    )
    weight, *offset = randomise(layer)
    inputs = int(np.prod(X.shape[axis:]))
    assert weight.shape == ((inputs, 6) if transpose == "true" else (6, inputs))
    assert len(offset) == (bias == "true")
    weight = weight if transpose == "true" else weight.T
    expected = X.reshape(*X.shape[:axis], inputs) @ weight + (offset[0] if offset else 0)
    (y,) = forward(layer, X)
    assert top == y.shape
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_embed():
    text = 'type: "Embed" embed_param { num_output: 3 input_dim: 5 bias_term: %s }'
    layer, (top,) = build(text % "true", (4, 2))
    weight, bias = randomise(layer)
    index = np.array([[0, 4], [1, 1], [3, 2], [4, 0]])
    (y,) = forward(layer, index)
    assert top == y.shape == (4, 2, 3)
    np.testing.assert_allclose(y, weight[index] + bias)
    layer, _ = build(text % "false", (4, 2))
    (weight,) = randomise(layer)
    np.testing.assert_allclose(forward(layer, index)[0], weight[index])
    with pytest.raises(caffe.CaffeError, match=r"^an index is not one of 0 \.\. 4$"):
        forward(layer, index + 1)


@pytest.mark.parametrize(
    "parameters, shape",
    [
        ("", (1, 3, 1, 1)),
        ("axis: 0 num_axes: 2", (2, 3, 1, 1)),
        ("axis: -2 num_axes: -1", (1, 1, 4, 5)),
        ("axis: 1 num_axes: 0", ()),
    ],
)
def test_scale_and_bias_repeat_over_missing_axes(parameters, shape):
    layer, _ = build(f'type: "Scale" scale_param {{ {parameters} bias_term: true }}', X.shape)
    assert [blob.shape for blob in layer.blobs] == [tuple(n for n in shape if n > 1)] * 2
    np.testing.assert_array_equal(forward(layer, X)[0], X)  # 1 and 0 without fillers
    scale, bias = randomise(layer)
    expected = X * scale.reshape(shape) + bias.reshape(shape)
    np.testing.assert_allclose(forward(layer, X)[0], expected)
    layer, _ = build(f'type: "Bias" bias_param {{ {parameters} }}', X.shape)
    (bias,) = randomise(layer)
    np.testing.assert_allclose(forward(layer, X)[0], X + bias.reshape(shape))


def test_scale_and_bias_by_a_second_bottom():
    factor = normal(3, 4, seed=1)
    layer, tops = build('type: "Scale" scale_param { bias_term: true }', X.shape, factor.shape)
    (bias,) = randomise(layer)
    assert tops == [X.shape] and bias.shape == (3, 4)
    expected = X * factor[..., None] + bias[..., None]
    np.testing.assert_allclose(forward(layer, X, factor)[0], expected)
    layer, _ = build('type: "Bias" bias_param { axis: 1 }', X.shape, factor.shape)
    assert not layer.blobs
    np.testing.assert_allclose(forward(layer, X, factor)[0], X + factor[..., None])
    for x in (X, X[0, 0, 0]):
        layer, _ = build('type: "Scale"', x.shape, ())
        np.testing.assert_allclose(forward(layer, x, 3.0)[0], 3 * x)


def test_dropout():
    x = normal(40, 50, 6) + 5
    text = 'type: "Dropout" dropout_param { dropout_ratio: 0.3 }'
    layer, _ = build(text, x.shape)
    (y,) = forward(layer, x)
    kept = y != 0
    np.testing.assert_allclose(y[kept], x[kept] / (1 - np.float32(0.3)))
    assert kept.mean() == pytest.approx(0.7, abs=0.02)
    (gradient,) = gradients(layer, [x], np.ones(x.shape))
    np.testing.assert_allclose(gradient, kept / (1 - np.float32(0.3)))
    layer.calls += 1
    assert (forward(layer, x)[0] != y).mean() == pytest.approx(2 * 0.3 * 0.7, abs=0.03)
    layer, _ = build(text, x.shape, phase=TEST)
    np.testing.assert_array_equal(forward(layer, x)[0], x)


def test_parameter_is_its_own_top():
    layer, tops = build('type: "Parameter" parameter_param { shape { dim: 2 dim: 3 } }')
    (value,) = randomise(layer)
    assert tops == [(2, 3)]
    np.testing.assert_array_equal(forward(layer)[0], value)


def test_input_shapes():
    text = 'type: "Input" input_param { shape { dim: 2 dim: 3 } %s }'
    assert build(text % "", tops=3)[1] == [(2, 3)] * 3
    assert build(text % "shape { dim: 4 }", tops=2)[1] == [(2, 3), (4,)]
    assert refusal(text % "shape { dim: 4 }", tops=3) == (
        "shape is given 2 times, expected once or 3 times"
    )


def test_input_keeps_the_shape_that_the_caller_gives(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }'
        'layer { name: "y" type: "ReLU" bottom: "x" top: "y" }'
    )
    net = caffe.Net(str(path), caffe.TEST)
    net.blobs["x"].reshape(4, 5)
    net.reshape()
    assert net.blobs["x"].shape == net.blobs["y"].shape == (4, 5)
    net.blobs["x"].reshape(1, 6)
    net.forward()
    assert net.blobs["y"].shape == (1, 6)


@pytest.mark.parametrize(
    "text, bottoms, message",
    [
        ('type: "InnerProduct"', [X.shape], "num_output is 0, expected at least 1"),
        (
            'type: "InnerProduct" inner_product_param { num_output: 2 axis: 4 }',
            [X.shape],
            "axis 4 is out of range; bottom is (2, 3, 4, 5)",
        ),
        (
            'type: "InnerProduct" bottom: "x" top: "x" inner_product_param { num_output: 2 }',
            [X.shape],
            'cannot run in place: "x" is both bottom and top',
        ),
        (
            'type: "Embed" embed_param { num_output: 2 }',
            [(4,)],
            "input_dim is 0, expected at least 1",
        ),
        (
            'type: "Scale" scale_param { axis: 2 num_axes: 3 }',
            [X.shape],
            "axis 2 with num_axes 3 is out of range; bottom is (2, 3, 4, 5)",
        ),
        (
            'type: "Scale" scale_param { num_axes: -2 }',
            [X.shape],
            "num_axes is -2, expected -1 or more",
        ),
        (
            'type: "Scale"',
            [X.shape, (4, 5)],
            "bottom 1 is (4, 5), which bottom 0, (2, 3, 4, 5), lacks at axis 1",
        ),
        (
            'type: "Dropout" dropout_param { dropout_ratio: 1 }',
            [X.shape],
            "dropout_ratio is 1, expected a number between 0 and 1",
        ),
    ],
)
def test_refused(text, bottoms, message):
    assert refusal(text, *bottoms) == message


def test_later_bottoms_must_fit():
    for text, message in [
        (
            'type: "InnerProduct" inner_product_param { num_output: 2 }',
            "bottom is (7, 4, 5) with 20 values from axis 1 on, expected 60",
        ),
        ('type: "Scale"', "the learned blob is (3,), which bottom 0, (7, 4, 5), lacks at axis 1"),
    ]:
        layer, _ = build(text, X.shape)
        with pytest.raises(caffe.CaffeError) as caught:
            layer.reshape([(7, 4, 5)])
        assert str(caught.value) == message

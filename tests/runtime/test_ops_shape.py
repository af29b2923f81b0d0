"""Layers that merge, cut, repeat, choose, reshape or summarise, against numpy."""

import numpy as np
import pytest
from single_layer import build, distinct, forward, gradients, normal, refusal

import caffe

A, B, C = (normal(2, 3, 4, 5, seed=seed) for seed in range(3))


@pytest.mark.parametrize(
    "parameters, expected",
    [
        ("", A + B + C),
        ("coeff: 2 coeff: -1 coeff: 0.5", 2 * A - B + 0.5 * C),
        ("operation: PROD", A * B * C),
        ("operation: MAX", np.maximum(np.maximum(A, B), C)),
    ],
)
def test_eltwise(parameters, expected):
    layer, tops = build(f'type: "Eltwise" eltwise_param {{ {parameters} }}', *[A.shape] * 3)
    assert tops == [A.shape]
    np.testing.assert_allclose(forward(layer, A, B, C)[0], expected)


def test_eltwise_max_ties():
    x = [[[1.0, 1, 2]], [[1, 2, 1]], [[1, 2, 2]]]
    layer, _ = build('type: "Eltwise" eltwise_param { operation: MAX }', *[(1, 3)] * 3)
    found = np.concatenate(gradients(layer, x, [[1, 1, 1]]))
    np.testing.assert_array_equal(found, [[0, 0, 1], [1, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("stable", ["true", "false"])
def test_eltwise_product_at_zeros(stable):
    text = f'type: "Eltwise" eltwise_param {{ operation: PROD stable_prod_grad: {stable} }}'
    layer, _ = build(text, *[(1, 3)] * 2)
    found = np.concatenate(gradients(layer, [[[0.0, 0, 2]], [[0, 3, 5]]], [[1, 1, 1]]))
    np.testing.assert_array_equal(found, [[0, 3, 5], [0, 0, 2]])


@pytest.mark.parametrize("field, axis", [("", 1), ("axis: -1", 3), ("concat_dim: 2", 2)])
def test_concat_and_slice(field, axis):
    text = f"{{ {field} }}"
    parts = [
        np.take(A, range(start, end), axis) for start, end in ((0, 1), (1, 2), (2, A.shape[axis]))
    ]
    layer, (top,) = build(f'type: "Concat" concat_param {text}', *[p.shape for p in parts])
    assert top == A.shape
    np.testing.assert_array_equal(forward(layer, *parts)[0], A)
    text = f"{{ {field.replace('concat', 'slice')} slice_point: 1 slice_point: 2 }}"
    layer, tops = build(f'type: "Slice" slice_param {text}', A.shape, tops=3)
    assert tops == [p.shape for p in parts]
    for found, expected in zip(forward(layer, A), parts):
        np.testing.assert_array_equal(found, expected)


def test_slice_evenly():
    layer, tops = build('type: "Slice" slice_param { axis: 2 }', A.shape, tops=2)
    assert tops == [(2, 3, 2, 5)] * 2
    np.testing.assert_array_equal(np.concatenate(forward(layer, A), 2), A)


def test_split_adds_gradients():
    layer, tops = build('type: "Split"', A.shape, tops=3)
    assert tops == [A.shape] * 3
    for found in forward(layer, A):
        np.testing.assert_array_equal(found, A)


@pytest.mark.parametrize(
    "parameters, shape",
    [("", (2, 60)), ("axis: 0 end_axis: 1", (6, 4, 5)), ("axis: -2", (2, 3, 20))],
)
def test_flatten(parameters, shape):
    layer, tops = build(f'type: "Flatten" flatten_param {{ {parameters} }}', A.shape)
    assert tops == [shape]
    np.testing.assert_array_equal(forward(layer, A)[0], A.reshape(shape))


@pytest.mark.parametrize(
    "parameters, shape",
    [
        ("shape { dim: 0 dim: -1 dim: 5 }", (2, 12, 5)),
        ("shape { dim: 12 } axis: 1 num_axes: 2", (2, 12, 5)),
        ("shape { dim: 5 dim: -1 } axis: -2", (2, 3, 4, 5, 1)),
        ("shape { dim: 1 dim: 1 } axis: 1 num_axes: 0", (2, 1, 1, 3, 4, 5)),
        ("shape { dim: 1 } axis: -1 num_axes: 0", (2, 3, 4, 5, 1)),
        ("shape { dim: 0 dim: 2 dim: 2 } axis: 1 num_axes: 2", (2, 3, 2, 2, 5)),
    ],
)
def test_reshape(parameters, shape):
    layer, tops = build(f'type: "Reshape" reshape_param {{ {parameters} }}', A.shape)
    assert tops == [shape]
    np.testing.assert_array_equal(forward(layer, A)[0], A.reshape(shape))


@pytest.mark.parametrize(
    "parameters, window",
    [
        ("", (slice(None), slice(None), slice(0, 3), slice(0, 2))),
        ("offset: 1", (slice(None), slice(None), slice(1, 4), slice(1, 3))),
        (
            "axis: 1 offset: 1 offset: 0 offset: 3",
            (slice(None), slice(1, 3), slice(0, 3), slice(3, 5)),
        ),
    ],
)
def test_crop(parameters, window):
    layer, tops = build(f'type: "Crop" crop_param {{ {parameters} }}', A.shape, (7, 2, 3, 2))
    expected = A[window]
    assert tops == [expected.shape]
    np.testing.assert_array_equal(forward(layer, A, normal(7, 2, 3, 2))[0], expected)
    found = gradients(layer, [A, normal(7, 2, 3, 2)], np.ones(expected.shape))
    mask = np.zeros_like(A)
    mask[window] = 1
    np.testing.assert_array_equal(found[0], mask)
    assert found[1] is None


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_tile(axis):
    layer, (top,) = build(f'type: "Tile" tile_param {{ axis: {axis} tiles: 3 }}', A.shape)
    (y,) = forward(layer, A)
    assert top == y.shape
    np.testing.assert_array_equal(y, np.concatenate([A] * 3, axis))


def test_batch_reindex():
    x, index = normal(4, 3, 2), [3, 1, 3, 0, 3]
    layer, tops = build('type: "BatchReindex"', x.shape, (5,))
    assert tops == [(5, 3, 2)]
    np.testing.assert_array_equal(forward(layer, x, index)[0], x[index])
    found, _ = gradients(layer, [x, index], np.ones((5, 3, 2)))
    np.testing.assert_array_equal(found[:, 0, 0], [1, 1, 0, 3])
    with pytest.raises(caffe.CaffeError, match=r"^an index is not one of 0 \.\. 3$"):
        forward(layer, x, [0, 1, 2, 3, 4])


def test_filter():
    a, b = normal(4, 3), normal(4, 2, 5)
    layer, tops = build('type: "Filter"', a.shape, b.shape, (4, 1), tops=2)
    assert tops == [a.shape, b.shape] and layer.no_gradient_bottoms == (2,)
    kept = [True, False, True, True]
    for found, expected in zip(forward(layer, a, b, [[1], [0], [2], [-1]]), (a, b)):
        np.testing.assert_array_equal(found, expected[kept])
    assert [y.shape for y in forward(layer, a, b, np.zeros((4, 1)))] == [(0, 3), (0, 2, 5)]


def test_silence_writes_zero_gradients(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        "force_backward: true "
        'layer { name: "x" type: "Input" top: "x" top: "y" '
        "input_param { shape { dim: 2 dim: 3 } } }"
        'layer { name: "quiet" type: "Silence" bottom: "x" }'
        'layer { name: "z" type: "ReLU" bottom: "y" top: "z" }'
    )
    net = caffe.Net(str(path), caffe.TRAIN)
    assert net.outputs == ["z"]
    net.blobs["x"].diff[...] = 3
    net.forward()
    net.backward()
    assert (net.blobs["x"].diff == 0).all()


@pytest.mark.parametrize("axis", [0, 2, -1])
@pytest.mark.parametrize(
    "operation, function",
    [
        ("SUM", np.sum),
        ("ASUM", lambda x, axes: abs(x).sum(axes)),
        ("SUMSQ", lambda x, axes: (x**2).sum(axes)),
        ("MEAN", np.mean),
    ],
)
def test_reduction(operation, function, axis):
    text = f"operation: {operation} axis: {axis} coeff: 0.5"
    layer, (top,) = build(f'type: "Reduction" reduction_param {{ {text} }}', A.shape)
    (y,) = forward(layer, A)
    assert top == y.shape
    np.testing.assert_allclose(y, 0.5 * function(A, tuple(range(axis % 4, 4))))


def test_reduction_of_absolute_values_at_zero():
    layer, _ = build('type: "Reduction" reduction_param { operation: ASUM }', (1, 3))
    np.testing.assert_array_equal(gradients(layer, [[[-2.0, 0, 2]]], 1.0)[0], [[-1, 0, 1]])


def test_argmax():
    x = distinct(3, 4, 5)
    order = np.argsort(-x.reshape(3, 20), 1)[:, :2]
    layer, tops = build('type: "ArgMax" argmax_param { top_k: 2 }', x.shape)
    assert tops == [(3, 1, 2)]
    np.testing.assert_array_equal(forward(layer, x)[0], order[:, None])
    layer, tops = build('type: "ArgMax" argmax_param { top_k: 2 out_max_val: true }', x.shape)
    assert tops == [(3, 2, 2)]
    values = np.take_along_axis(x.reshape(3, 20), order, 1)
    np.testing.assert_array_equal(forward(layer, x)[0], np.stack([order, values], 1))
    layer, tops = build('type: "ArgMax" argmax_param { axis: 1 top_k: 3 }', x.shape)
    assert tops == [(3, 3, 5)]
    np.testing.assert_array_equal(forward(layer, x)[0], np.argsort(-x, 1)[:, :3])
    layer, _ = build('type: "ArgMax" argmax_param { axis: 1 out_max_val: true }', x.shape)
    np.testing.assert_array_equal(forward(layer, x)[0], x.max(1, keepdims=True))
    assert build('type: "ArgMax"', (2, 3, 4, 5, 6))[1] == [(2, 1, 1, 1, 1)]


def test_argmax_of_one_axis_takes_each_item_by_itself():
    layer, tops = build('type: "ArgMax" argmax_param { out_max_val: true }', (3,))
    assert tops == [(3, 2, 1)]
    found = forward(layer, [5.0, -1, 7])[0]
    np.testing.assert_array_equal(found, [[[0], [5]], [[0], [-1]], [[0], [7]]])


def test_argmax_prefers_the_higher_index():
    layer, _ = build('type: "ArgMax" argmax_param { top_k: 3 }', (1, 5))
    np.testing.assert_array_equal(forward(layer, [[7.0, 1, 7, 1, 7]])[0], [[[4, 2, 0]]])


SHAPE = (2, 3, 4, 5)


@pytest.mark.parametrize(
    "text, bottoms, tops, message",
    [
        (
            'type: "Eltwise" eltwise_param { coeff: 1 }',
            [SHAPE] * 2,
            1,
            "coeff is given 1 times, expected 2, once per bottom",
        ),
        (
            'type: "Eltwise" eltwise_param { operation: MAX coeff: 1 coeff: 1 }',
            [SHAPE] * 2,
            1,
            "coeff is given, but only operation SUM has coefficients",
        ),
        (
            'type: "Eltwise"',
            [SHAPE, (2, 3, 4)],
            1,
            "bottom 1 is (2, 3, 4), expected (2, 3, 4, 5) like bottom 0",
        ),
        ('type: "Eltwise"', [SHAPE], 1, "has 1 bottom(s), expected 2 to any number"),
        (
            'type: "Concat"',
            [SHAPE, (2, 6, 4, 4)],
            1,
            "bottom 1 is (2, 6, 4, 4), expected (2, 3, 4, 5) like bottom 0 except on axis 1",
        ),
        (
            'type: "Concat" concat_param { axis: 1 concat_dim: 1 }',
            [SHAPE],
            1,
            "axis and concat_dim are both given, expected one of them",
        ),
        (
            'type: "Slice"',
            [SHAPE],
            2,
            "axis 1 has length 3, expected a multiple of 2 tops",
        ),
        (
            'type: "Slice" slice_param { slice_point: 1 }',
            [SHAPE],
            3,
            "slice_point is given 1 times, expected 2 for 3 tops",
        ),
        (
            'type: "Slice" slice_param { slice_point: 2 slice_point: 1 }',
            [SHAPE],
            3,
            "slice_point is [2, 1], expected increasing indices between 0 and 3",
        ),
        (
            'type: "Flatten" flatten_param { axis: 2 end_axis: 1 }',
            [SHAPE],
            1,
            "axis 2 must not be behind end_axis 1; bottom is (2, 3, 4, 5)",
        ),
        (
            'type: "Flatten" bottom: "x" top: "x"',
            [SHAPE],
            1,
            'cannot run in place: "x" is both bottom and top',
        ),
        (
            'type: "Reshape" reshape_param { shape { dim: -1 dim: -1 } }',
            [SHAPE],
            1,
            "shape is [-1, -1], expected sizes, 0s and at most one -1",
        ),
        (
            'type: "Reshape" reshape_param { shape { dim: 7 dim: -1 } }',
            [SHAPE],
            1,
            "shape [7, -1] does not hold 120 values; bottom is (2, 3, 4, 5)",
        ),
        (
            'type: "Reshape" reshape_param { shape { dim: 0 } axis: 4 }',
            [SHAPE],
            1,
            "dim 0 copies axis 4, which bottom (2, 3, 4, 5) lacks",
        ),
        (
            'type: "Reshape" reshape_param { axis: 3 num_axes: 2 }',
            [SHAPE],
            1,
            "axis 3 with num_axes 2 is out of range; bottom is (2, 3, 4, 5)",
        ),
        (
            'type: "Crop" crop_param { offset: 2 }',
            [SHAPE, (2, 3, 2, 4)],
            1,
            "offset 2 and size 4 exceed axis 3; bottom is (2, 3, 4, 5)",
        ),
        (
            'type: "Crop" crop_param { axis: 1 offset: 2 offset: 1 }',
            [SHAPE, SHAPE],
            1,
            "offset is given 2 times, expected once or 3 times",
        ),
        ('type: "Tile"', [SHAPE], 1, "tiles is 0, expected at least 1"),
        (
            'type: "BatchReindex"',
            [SHAPE, (4, 1)],
            1,
            "bottom 1 is (4, 1), expected 1 axis of indices",
        ),
        (
            'type: "Filter"',
            [SHAPE, (2, 3)],
            1,
            "the selector, the last bottom, is (2, 3), expected one value per item",
        ),
        (
            'type: "Filter"',
            [(), ()],
            1,
            "the selector, the last bottom, is (), expected one value per item",
        ),
        ('type: "Filter"', [SHAPE, (4,)], 1, "bottom 0 is (2, 3, 4, 5), expected 4 items"),
        ('type: "Filter"', [SHAPE, (2,)], 2, "has 2 top(s), expected 1, one less than bottoms"),
        (
            'type: "ArgMax" argmax_param { axis: 1 top_k: 4 }',
            [SHAPE],
            1,
            "top_k is 4, expected at most 3; bottom is (2, 3, 4, 5)",
        ),
        ('type: "ArgMax"', [()], 1, "bottom is (), expected at least 1 axis"),
        ('type: "ArgMax" argmax_param { top_k: 0 }', [SHAPE], 1, "top_k is 0, expected at least 1"),
        (
            'type: "Reduction" reduction_param { axis: -5 }',
            [SHAPE],
            1,
            "axis -5 is out of range; bottom is (2, 3, 4, 5)",
        ),
    ],
)
def test_refused(text, bottoms, tops, message):
    assert refusal(text, *bottoms, tops=tops) == message

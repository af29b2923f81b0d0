"""Fillers: ranges, moments, exact values, and what is refused."""

import math

import numpy as np
import pytest
import torch
from google.protobuf import text_format

from caffe.errors import CaffeError
from caffe.fillers import fill
from caffe.proto.caffe_pb2 import FillerParameter
from caffe.streams import torch_generator

SHAPE = (60, 50, 3, 5)
FAN_IN, FAN_OUT = 50 * 15, 60 * 15


def filled(text, shape=SHAPE, key=1):
    blob = torch.full(shape, math.nan)
    fill(blob, text_format.Parse(text, FillerParameter()), torch_generator(key))
    return blob.numpy()


def test_constant():
    assert (filled('type: "constant" value: 0.25') == 0.25).all()
    assert (filled("") == 0).all()
    assert filled("value: 3", ()) == 3


def test_uniform():
    values = filled('type: "uniform" min: -1 max: 3')
    assert -1 <= values.min() < -0.99 and 2.99 < values.max() <= 3
    assert values.mean() == pytest.approx(1, abs=0.03)


def test_gaussian():
    values = filled('type: "gaussian" mean: 2 std: 0.5')
    assert values.mean() == pytest.approx(2, abs=0.01)
    assert values.std() == pytest.approx(0.5, abs=0.01)


def test_sparse_gaussian_keeps_sparse_of_shape_0():
    values = filled('type: "gaussian" std: 2 sparse: 15')
    kept = values[values != 0]
    assert kept.size / values.size == pytest.approx(15 / 60, abs=0.01)
    assert kept.std() == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    "norm, fan",
    [("FAN_IN", FAN_IN), ("FAN_OUT", FAN_OUT), ("AVERAGE", (FAN_IN + FAN_OUT) / 2)],
)
def test_xavier_and_msra(norm, fan):
    values = filled(f'type: "xavier" variance_norm: {norm}')
    bound = math.sqrt(3 / fan)
    assert 0.999 * bound < abs(values).max() <= bound * (1 + 1e-6)
    values = filled(f'type: "msra" variance_norm: {norm}')
    assert values.std() == pytest.approx(math.sqrt(2 / fan), rel=0.02)


def test_fans_of_few_axes():
    assert abs(filled('type: "xavier"', (400,))).max() == pytest.approx(math.sqrt(3), rel=0.02)
    values = filled('type: "xavier" variance_norm: FAN_OUT', (400,))
    assert abs(values).max() == pytest.approx(math.sqrt(3 / 400), rel=0.02)


def test_positive_unitball():
    values = filled('type: "positive_unitball"')
    assert (values > 0).all()
    np.testing.assert_allclose(values.reshape(60, -1).sum(1), 1, rtol=1e-5)


def test_bilinear():
    even = filled('type: "bilinear"', (2, 1, 4, 4))
    ramp = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(even, np.broadcast_to(np.outer(ramp, ramp), (2, 1, 4, 4)))
    odd = filled('type: "bilinear"', (2, 1, 3, 3))
    np.testing.assert_allclose(odd[1, 0], np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]))


def test_the_stream_alone_decides():
    for kind in ("uniform", "gaussian", "xavier", "msra", "positive_unitball"):
        text = f'type: "{kind}"'
        np.testing.assert_array_equal(filled(text), filled(text))
        assert (filled(text) != filled(text, key=2)).mean() > 0.99


@pytest.mark.parametrize(
    "text, shape, message",
    [
        (
            'type: "xaver"',
            SHAPE,
            'unknown filler type "xaver", expected one of constant, uniform, gaussian, '
            "positive_unitball, xavier, msra, bilinear",
        ),
        (
            'type: "xavier" sparse: 3',
            SHAPE,
            'filler "xavier" cannot be sparse; only "gaussian" can',
        ),
        ('type: "uniform" min: 2', SHAPE, "filler has min 2, expected at most max 1"),
        ('type: "gaussian" std: -1', SHAPE, "filler has std -1, expected at least 0"),
        (
            'type: "gaussian" sparse: -2',
            SHAPE,
            "filler has sparse -2, expected -1 (dense) or more",
        ),
        (
            'type: "bilinear"',
            (2, 1, 4, 5),
            "bilinear filler needs 4 axes and a square kernel; blob is (2, 1, 4, 5)",
        ),
        (
            'type: "uniform" min: nan',
            SHAPE,
            'filler "uniform" has min nan, expected a finite number',
        ),
        (
            'type: "uniform" max: inf',
            SHAPE,
            'filler "uniform" has max inf, expected a finite number',
        ),
        (
            'type: "uniform" min: -3e38 max: 3e38',
            SHAPE,
            'filler "uniform" has min -3e+38 and max 3e+38, '
            "expected a range that a float32 can hold",
        ),
        (
            'type: "gaussian" std: nan',
            SHAPE,
            'filler "gaussian" has std nan, expected a finite number',
        ),
        (
            'type: "gaussian" mean: -inf',
            SHAPE,
            'filler "gaussian" has mean -inf, expected a finite number',
        ),
    ],
)
def test_refused(text, shape, message):
    with pytest.raises(CaffeError) as caught:
        filled(text, shape)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", ["xavier", "msra", "positive_unitball", "gaussian"])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_empty_blobs_are_refused(kind, shape):
    with pytest.raises(CaffeError) as caught:
        filled(f'type: "{kind}"', shape)
    assert str(caught.value) == f'filler "{kind}" has an empty blob to fill, {shape}'
    assert filled('type: "constant"', shape).shape == shape

"""Coordinates through layers: against the positions that a unit impulse moves to, and refusals."""

import numpy as np
import pytest

import caffe
from caffe import layers as L
from caffe.coord_map import (
    PASS_THROUGH_LAYERS,
    AxisMismatchException,
    UndefinedMapException,
    compose,
    conv_params,
    coord_map,
    coord_map_from_to,
    crop,
    inverse,
)


def data(height=40, width=50):
    return L.Input(shape={"dim": [1, 1, height, width]})


def numbers(found):
    axis, a, b = found
    return axis, np.asarray(a, float).tolist(), np.asarray(b, float).tolist()


WINDOWS = [
    dict(kernel_size=3),
    dict(kernel_size=5, pad=2, stride=3),
    dict(kernel_size=4, pad=1, stride=2),
    dict(kernel_size=3, dilation=4, pad=1),
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_a_centred_impulse_arrives_where_the_map_says(kind, window, tmp_path):
    """The centre of gravity of what a kernel of ones makes of an impulse is the mapped place."""
    spec = caffe.NetSpec()
    spec.data = data()
    settings = dict(num_output=1, bias_term=False, weight_filler=dict(type="constant", value=1))
    spec.out = getattr(L, kind)(spec.data, convolution_param={**settings, **window})
    path = tmp_path / "net.prototxt"
    path.write_text(str(spec.to_proto()))
    net = caffe.Net(str(path), caffe.TEST)
    # Over as many neighbours as the stride is, rounding to whole cells cancels out.
    stride = window.get("stride", 1) if kind == "Convolution" else 1
    places = 20 + np.arange(stride)
    net.blobs["data"].data[0, 0, places, 21] = 1
    out = net.forward()["out"][0, 0].sum(1)
    found = (out * np.arange(len(out))).sum() / out.sum()
    _, a, b = coord_map(spec.out.fn)
    assert found == pytest.approx(a * places.mean() + b)


def test_axes_may_differ():
    fn = L.Pooling(data(), kernel_size=[3, 5], stride=[1, 2], pad=[0, 1]).fn
    assert numbers(coord_map(fn)) == (1, [1, 0.5], [-1, -0.5])


@pytest.mark.parametrize("kind", PASS_THROUGH_LAYERS)
def test_layers_that_keep_coordinates(kind):
    assert coord_map(getattr(L, kind)(data()).fn) == (None, 1, 0)


def test_crop_and_its_axis():
    fn = L.Crop(data(), data(), axis=3, offset=[4]).fn
    assert numbers(coord_map(fn)) == (2, 1, -4)


def test_there_and_back_is_the_identity():
    step = coord_map(L.Convolution(data(), **WINDOWS[1]).fn)
    assert numbers(compose(step, inverse(step))) == (1, pytest.approx(1), pytest.approx(0))


def test_maps_of_different_axes():
    with pytest.raises(AxisMismatchException) as caught:
        compose((1, 2, 0), (2, 2, 0))
    assert str(caught.value) == "maps of axes 1 and 2 cannot be composed"
    assert compose((None, 1, 0), (2, 3, 4)) == (2, 3, 4)


def test_through_a_common_bottom():
    start = data()
    left = L.Convolution(start, kernel_size=3, stride=2)
    right = L.ReLU(L.Convolution(start, kernel_size=5, stride=2))
    assert numbers(coord_map_from_to(left, right)) == (1, 1, -0.5)
    assert numbers(coord_map_from_to(right, left)) == (1, 1, 0.5)


def test_only_the_first_bottom_of_a_crop_counts():
    start, reference = data(), data()
    cropped = L.Crop(start, reference, offset=3)
    assert numbers(coord_map_from_to(start, cropped)) == (1, 1, -3)
    with pytest.raises(RuntimeError, match="Could not compute map between tops"):
        coord_map_from_to(reference, cropped)


def test_crop_aligns_the_cells(tmp_path):
    spec = caffe.NetSpec()
    spec.data = data()
    spec.small = L.Pooling(spec.data, pool=caffe.params.Pooling.AVE, kernel_size=2, stride=2)
    spec.up = L.Deconvolution(
        spec.small, convolution_param=dict(num_output=1, kernel_size=6, stride=2)
    )
    spec.crop = crop(spec.up, spec.data)
    path = tmp_path / "net.prototxt"
    path.write_text(str(spec.to_proto()))
    assert caffe.Net(str(path), caffe.TEST).blobs["crop"].shape == (1, 1, 40, 50)
    assert spec.crop.fn.params["crop_param"] == {"axis": 2, "offset": [2]}


@pytest.mark.parametrize(
    ("window", "complaint"),
    [
        (dict(kernel_size=3, stride=2), "scale mismatch on crop (a = [2.])"),
        (dict(kernel_size=3), "cannot crop negative offset (b = [1.])"),
        (dict(kernel_size=2, pad=1), "cannot crop noninteger offset (b = [-0.5])"),
    ],
)
def test_what_cannot_be_cropped(window, complaint):
    start = data()
    with pytest.raises(AssertionError) as caught:
        crop(L.Convolution(start, **window), start)
    assert str(caught.value) == complaint


def test_layers_without_a_map():
    with pytest.raises(UndefinedMapException) as caught:
        coord_map(L.InnerProduct(data(), num_output=3).fn)
    assert str(caught.value) == "InnerProduct does not keep coordinates"
    with pytest.raises(UndefinedMapException) as caught:
        coord_map(L.Pooling(data(), global_pooling=True).fn)
    assert str(caught.value) == "Pooling has no kernel_size"


def test_sizes_per_axis_by_name():
    with pytest.raises(AssertionError) as caught:
        conv_params(L.Convolution(data(), kernel_h=3, kernel_w=5).fn)
    assert str(caught.value) == "cropping does not support legacy _h/_w params"

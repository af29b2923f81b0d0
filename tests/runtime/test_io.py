"""caffe.io: each function against what it says, worked out by hand."""

import cv2
import numpy as np
import pytest
import skimage
from scipy.ndimage import zoom

from caffe import CaffeError, io
from caffe.proto.caffe_pb2 import BlobProto


def image(height=6, width=7, channels=3, seed=0):
    """(H, W, C) in [0, 1], read-only."""
    array = np.random.default_rng(seed).random((height, width, channels), np.float32)
    array.flags.writeable = False
    return array


# -- Transformer -----------------------------------------------------------------------------------


def prepared():
    transformer = io.Transformer({"data": (2, 3, 6, 7)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_raw_scale("data", 255)
    transformer.set_mean("data", np.array([104.0, 117.5, 123.0]))
    transformer.set_input_scale("data", 0.017)
    return transformer


def test_preprocess_applies_what_was_set_in_order():
    x = image()
    got = prepared().preprocess("data", x)
    expected = np.zeros((3, 6, 7))
    for c, mean in enumerate([104, 117.5, 123]):
        for y in range(6):
            for z in range(7):
                expected[c, y, z] = (x[y, z, 2 - c] * 255 - mean) * 0.017
    assert got.dtype == np.float32
    assert np.allclose(got, expected, atol=1e-5)


def test_preprocess_without_settings_only_resizes():
    transformer = io.Transformer({"data": (1, 3, 6, 7)})
    same = transformer.preprocess("data", image())
    assert np.array_equal(same, image())
    same[...] = 0  # a copy: the input is read-only
    assert np.array_equal(
        transformer.preprocess("data", image(9, 5)), io.resize_image(image(9, 5), (6, 7))
    )


def test_preprocess_takes_bytes():
    pixels = np.arange(6 * 7 * 3, dtype=np.uint8).reshape(6, 7, 3)
    transformer = io.Transformer({"data": (1, 3, 6, 7)})
    transformer.set_raw_scale("data", 2)
    assert np.array_equal(transformer.preprocess("data", pixels), pixels.astype(float) * 2)


@pytest.mark.parametrize("batch_axis", [False, True])
def test_deprocess_undoes_preprocess(batch_axis):
    transformer = prepared()
    x = transformer.preprocess("data", image())
    x.flags.writeable = False
    got = transformer.deprocess("data", x[np.newaxis] if batch_axis else x)
    assert np.allclose(got, image(), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_deprocess_keeps_the_type_of_its_numbers(dtype):
    transformer = prepared()
    transformer.set_input_scale("data", np.float64(0.017))
    assert transformer.mean["data"].dtype == np.float64
    x = transformer.preprocess("data", image()).astype(dtype)
    before = x.copy()
    got = transformer.deprocess("data", x)
    got[...] = 0  # a copy: the input stays
    assert got.dtype == dtype and np.array_equal(x, before)


def test_deprocess_drops_axes_of_one_where_nothing_is_transposed():
    transformer = io.Transformer({"x": (1, 1, 4, 3)})
    transformer.set_raw_scale("x", 2)
    x = image(4, 3, 1).reshape(1, 1, 4, 3)
    assert np.array_equal(transformer.deprocess("x", x), x[0, 0] / 2)
    several = image(5, 4, 3)[:, None]
    assert np.array_equal(transformer.deprocess("x", several), several[:, 0] / 2)


def test_grey_pictures_keep_their_channel():
    transformer = io.Transformer({"x": (5, 1, 4, 3)})
    transformer.set_transpose("x", (2, 0, 1))
    x = transformer.preprocess("x", image(4, 3, 1))
    assert x.shape == (1, 4, 3)
    assert np.array_equal(transformer.deprocess("x", x), image(4, 3, 1))


def test_mean_pictures():
    transformer = io.Transformer({"data": (1, 3, 6, 7)})
    transformer.set_transpose("data", (2, 0, 1))
    plain = transformer.preprocess("data", image())
    mean = image(3, 6, 7, seed=1)
    transformer.set_mean("data", mean)
    assert np.allclose(transformer.preprocess("data", image()), plain - mean)
    transformer.set_mean("data", np.full((3, 4, 9), 0.25))  # resized
    assert np.allclose(transformer.preprocess("data", image()), plain - 0.25)
    transformer.set_mean("data", np.full((6, 7), 0.5))  # the same for all channels
    assert np.allclose(transformer.preprocess("data", image()), plain - 0.5)


def test_transformer_errors():
    transformer = io.Transformer({"data": (1, 3, 6, 7)})
    with pytest.raises(Exception, match="^label is not one of the net inputs: {'data': "):
        transformer.preprocess("label", image())
    with pytest.raises(Exception, match="^Transpose order needs .* dimensions as the input.$"):
        transformer.set_transpose("data", (1, 0))
    with pytest.raises(Exception, match="^Channel swap needs .* as the input channels.$"):
        transformer.set_channel_swap("data", (0, 1))
    with pytest.raises(ValueError, match="^Mean channels incompatible with input.$"):
        transformer.set_mean("data", np.zeros(2))
    with pytest.raises(ValueError, match="^Mean shape incompatible with input.$"):
        transformer.set_mean("data", np.zeros((2, 6, 7)))


# -- pictures --------------------------------------------------------------------------------------


def test_load_image(tmp_path):
    pixels = (image(5, 4, 4) * 255).astype(np.uint8)  # B, G, R, alpha
    for name, array in (("alpha", pixels), ("colour", pixels[:, :, :3]), ("grey", pixels[:, :, 0])):
        cv2.imwrite(str(tmp_path / f"{name}.png"), array)
    rgb = pixels[:, :, 2::-1] / 255
    for name in ("alpha", "colour"):
        got = io.load_image(str(tmp_path / f"{name}.png"))
        assert got.dtype == np.float32
        assert np.allclose(got, rgb, atol=1e-6)
    grey = io.load_image(str(tmp_path / "grey.png"), color=False)
    assert grey.shape == (5, 4, 1)
    assert np.allclose(grey[:, :, 0], pixels[:, :, 0] / 255, atol=1e-6)
    assert np.array_equal(io.load_image(str(tmp_path / "grey.png")), np.repeat(grey, 3, 2))
    luma = io.load_image(str(tmp_path / "colour.png"), color=False)
    assert np.allclose(luma[:, :, 0], rgb @ [0.2125, 0.7154, 0.0721], atol=1e-5)


def test_resize_image_keeps_range_and_constants():
    x = image() * 300 - 20
    got = io.resize_image(x, (9, 11))
    assert got.shape == (9, 11, 3)
    assert got.dtype == np.float32
    assert x.min() - 1e-3 <= got.min() and got.max() <= x.max() + 1e-3
    assert np.allclose(io.resize_image(x, (6, 7)), x, atol=1e-4)
    assert np.array_equal(
        io.resize_image(np.full((4, 5, 1), 0.3), (2, 3)), np.full((2, 3, 1), np.float32(0.3))
    )


def test_resize_image_nearest_repeats_pixels():
    x = image(2, 3, 1)
    assert np.allclose(
        io.resize_image(x, (4, 6), interp_order=0), x.repeat(2, 0).repeat(2, 1), atol=1e-6
    )


def test_resize_image_of_other_channel_counts_is_scipys_zoom():
    x = image(6, 4, 5)
    got = io.resize_image(x, (3, 8))
    expected = np.stack([zoom(x[:, :, c], (0.5, 2), order=1) for c in range(5)], 2)
    assert np.allclose(got, expected, atol=1e-6)


def test_oversample_takes_corners_centre_and_mirrors():
    a, b = image(6, 8), image(6, 8, seed=1)
    crops = io.oversample([a, b], (3, 5))
    assert crops.shape == (20, 3, 5, 3)
    assert crops.dtype == np.float32
    for crop, (y, x) in zip(crops[10:], [(0, 0), (0, 3), (3, 0), (3, 3), (1, 1)]):
        assert np.array_equal(crop, b[y : y + 3, x : x + 5])
    assert np.array_equal(crops[5:10], crops[:5, :, ::-1])
    with pytest.raises(ValueError, match=r"^picture of shape \(6, 8, 3\) is smaller than 7x5$"):
        io.oversample([a], (7, 5))


def test_names_that_come_with_pycaffes_imports():
    assert io.resize is skimage.transform.resize and io.zoom is zoom
    assert io.resize(image(), (3, 4, 3)).shape == (3, 4, 3)
    assert np.array_equal(io.skimage.img_as_float(image()), image())
    assert io.skimage.io.imread is skimage.io.imread
    with pytest.raises(AttributeError, match="no attribute 'rezise'"):
        io.rezise  # noqa: B018


# -- messages --------------------------------------------------------------------------------------


def test_blobs():
    a = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    blob = io.array_to_blobproto(a, diff=a * 2)
    assert list(blob.shape.dim) == [2, 3, 4]
    assert not blob.HasField("num")
    assert np.array_equal(io.blobproto_to_array(blob), a)
    assert np.array_equal(io.blobproto_to_array(blob, return_diff=True), a * 2)
    with pytest.raises(ValueError, match="^The blob has no diff.$"):
        io.blobproto_to_array(io.array_to_blobproto(a), return_diff=True)
    legacy = BlobProto(num=1, channels=2, height=3, width=2, data=range(12))
    assert np.array_equal(io.blobproto_to_array(legacy), np.arange(12).reshape(1, 2, 3, 2))


def test_blobs_whose_numbers_do_not_fit_are_value_errors():
    blob = BlobProto(data=range(5), diff=range(7))
    blob.shape.dim.extend([2, 3])
    for return_diff, count in ((False, 5), (True, 7)):
        with pytest.raises(ValueError) as caught:
            io.blobproto_to_array(blob, return_diff)
        assert isinstance(caught.value, CaffeError)
        assert str(caught.value) == f"blob of shape (2, 3) holds {count} numbers, expected 6"


def test_blob_vectors():
    arrays = [np.arange(6.0).reshape(1, 2, 3), np.arange(4.0)]
    text = io.arraylist_to_blobprotovector_str(arrays)
    for got, expected in zip(io.blobprotovector_str_to_arraylist(text), arrays):
        assert np.array_equal(got, expected)
    with pytest.raises(ValueError, match="^Damaged or another format, expected a BlobProtoVector"):
        io.blobprotovector_str_to_arraylist(b"junk")


def test_datums():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    datum = io.array_to_datum(pixels, 5)
    assert (datum.channels, datum.height, datum.width, datum.label) == (2, 3, 4, 5)
    assert not datum.encoded and not datum.float_data
    got = io.datum_to_array(datum)
    assert got.dtype == np.uint8
    assert np.array_equal(got, pixels)
    floats = io.array_to_datum(pixels / 7)
    assert not floats.HasField("label") and not floats.data
    assert np.allclose(io.datum_to_array(floats), pixels / 7)
    with pytest.raises(ValueError, match="^Incorrect array shape.$"):
        io.array_to_datum(np.zeros((2, 3)))

"""Classifier and Detector: which pixels reach the net, and what is refused."""

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import caffe
from caffe.errors import CaffeError

# The output is the mean of each channel of what the net sees.
NET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 4 dim: 6 } } }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean"
  pooling_param { pool: AVE global_pooling: true } }
"""


@pytest.fixture
def files(tmp_path):
    """The paths of a net, and of its model, which is empty but for a name."""
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "net.caffemodel").write_bytes(b"\n\x01n")
    return str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel")


def picture(height, width, seed=0):
    return np.random.default_rng(seed).uniform(size=(height, width, 3)).astype(np.float32)


def means(pixels):
    """What the net makes of pixels (H, W, C)."""
    return pixels.mean((0, 1))


# -- Classifier ------------------------------------------------------------------------------------


def test_centre_crop(files):
    classifier = caffe.Classifier(*files, image_dims=(7, 9))
    pictures = [picture(7, 9, seed) for seed in range(5)]  # more than a batch
    found = classifier.predict(pictures, oversample=False).reshape(5, 3)
    for row, image in zip(found, pictures):
        np.testing.assert_allclose(row, means(image[1:5, 1:7]), rtol=1e-5)


def test_oversampling_averages_ten_crops(files):
    classifier = caffe.Classifier(*files, image_dims=(7, 9))
    pictures = [picture(7, 9, seed) for seed in range(3)]
    found = classifier.predict(pictures)
    assert found.shape == (3, 3)
    for row, image in zip(found, pictures):
        corners = [(0, 0), (0, 3), (3, 0), (3, 3), (1, 1)]
        expected = [means(image[y : y + 4, x : x + 6]) for y, x in corners]
        np.testing.assert_allclose(row, np.mean(expected, 0), rtol=1e-5)


def test_preparation(files):
    mean = np.float32([1, 2, 3])
    classifier = caffe.Classifier(
        *files, mean=mean, input_scale=0.5, raw_scale=255, channel_swap=(2, 0, 1)
    )
    image = picture(4, 6)
    (found,) = classifier.predict([image], oversample=False).reshape(1, 3)
    expected = (means(image)[[2, 0, 1]] * 255 - mean) * 0.5
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 } } }',
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 dim: 3 } } }',
    ],
)
def test_a_net_that_takes_no_pictures_is_refused(files, text):
    Path(files[0]).write_text(text)
    with pytest.raises(CaffeError) as caught:
        caffe.Classifier(*files)
    expected = "expected an Input of 4 axes first, which takes pictures"
    assert str(caught.value) == f"{files[0]}: {expected}"


@pytest.mark.parametrize("oversample", [True, False])
def test_no_pictures_are_refused(files, oversample):
    with pytest.raises(CaffeError, match="no pictures are given, expected at least one"):
        caffe.Classifier(*files).predict([], oversample)


def test_pictures_may_not_be_smaller_than_the_input(files):
    with pytest.raises(CaffeError) as caught:
        caffe.Classifier(*files, image_dims=(9, 5))
    assert str(caught.value) == "image_dims are 9x5, expected 4x6 at least: the input's size"


# -- Detector --------------------------------------------------------------------------------------


@pytest.fixture
def image_file(tmp_path):
    """A picture file and its pixels, RGB in 0..1."""
    pixels = np.random.default_rng(3).integers(0, 256, (10, 14, 3), dtype=np.uint8)
    path = str(tmp_path / "picture.png")
    assert cv2.imwrite(path, pixels[:, :, ::-1])
    return path, (pixels / 255).astype(np.float32)


def test_windows(files, image_file):
    path, image = image_file
    windows = [(0, 0, 4, 6), (5, 7, 9, 13), (-3, 8, 4, 99)]
    found = caffe.Detector(*files).detect_windows([(path, windows[:2]), (path, windows[2:])])
    assert [(row["filename"], row["window"]) for row in found] == [(path, w) for w in windows]
    np.testing.assert_allclose(found[0]["prediction"].ravel(), means(image[:4, :6]), rtol=1e-5)
    np.testing.assert_allclose(found[1]["prediction"].ravel(), means(image[5:9, 7:13]), rtol=1e-5)
    np.testing.assert_allclose(found[2]["prediction"].ravel(), means(image[:4, 8:]), rtol=1e-4)


def test_no_windows(files, image_file):
    assert caffe.Detector(*files).detect_windows([(image_file[0], [])]) == []


def test_context_inside_the_picture(files):
    detector = caffe.Detector(*files, context_pad=1)
    image = picture(20, 30)
    # 2 of 4 rows and 4 of 6 columns of the input are the window: it grows 2 and 1.5 times.
    crop = detector.crop(image, (8, 10, 10, 14))
    np.testing.assert_allclose(crop, image[7:11, 9:15], atol=1e-5)


def test_context_beyond_the_border_is_the_mean(files):
    mean = np.float32([51, 102, 204])
    detector = caffe.Detector(
        *files, mean=mean, raw_scale=255, channel_swap=(2, 1, 0), context_pad=1
    )
    image = picture(20, 30)
    crop = detector.crop(image, (0, 26, 2, 30))
    assert crop.shape == (4, 6, 3)
    np.testing.assert_allclose(crop[1:, :5], image[:3, 25:], atol=1e-5)
    outside = np.concatenate([crop[:1].reshape(-1, 3), crop[:, 5:].reshape(-1, 3)])
    np.testing.assert_allclose(outside, np.tile([0.8, 0.4, 0.2], (10, 1)), rtol=1e-5)


@pytest.mark.parametrize(
    ("rows", "expected"), [((99, 199), [1, 0, 0, 0]), ((-149, -49), [0, 0, 0, 1])]
)
def test_a_sliver_of_the_picture_fills_one_row(files, rows, expected):
    detector = caffe.Detector(*files, context_pad=1)
    crop = detector.crop(np.ones((50, 60, 3), np.float32), (rows[0], 0, rows[1], 60))
    assert crop.shape == (4, 6, 3)
    assert crop[:, 3, 0].tolist() == expected


@pytest.mark.parametrize("context_pad", [None, 1])
def test_windows_without_pixels(files, context_pad):
    detector = caffe.Detector(*files, context_pad=context_pad)
    with pytest.raises(CaffeError) as caught:
        detector.crop(picture(8, 9), [20, 0, 24, 6])
    expected = "window [20, 0, 24, 6] has no pixel in the picture of size 8x9"
    assert str(caught.value) == expected


def test_too_much_context(files):
    with pytest.raises(CaffeError) as caught:
        caffe.Detector(*files, context_pad=2)
    assert str(caught.value) == "context_pad is 2, expected less than half of 4x6"


def test_selective_search_is_a_module_of_its_own(files, image_file, monkeypatch):
    detector = caffe.Detector(*files)
    monkeypatch.setitem(sys.modules, "selective_search_ijcv_with_python", None)
    with pytest.raises(CaffeError, match="needs the module selective_search_ijcv_with_python"):
        detector.detect_selective_search([image_file[0]])
    search = SimpleNamespace(get_windows=lambda names, cmd: [[(1, 2, 5, 8)] for _ in names])
    monkeypatch.setitem(sys.modules, "selective_search_ijcv_with_python", search)
    (found,) = detector.detect_selective_search([image_file[0]])
    expected = means(image_file[1][1:5, 2:8])
    np.testing.assert_allclose(found["prediction"].ravel(), expected, rtol=1e-5)

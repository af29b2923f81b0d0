"""The compiled conversions against those of `colour` in float64."""

import numpy as np
import pytest
import torch

from colorization import compiled_colour
from colorization.colour import Lab_to_sRGB_of_L, sRGB_to_Lab
from colorization.inference import lightness, paint

H, W = 211, 307


def painted(L, ab):
    planes = np.empty((3, *L.shape), np.uint8)
    compiled_colour.paint(L, ab, planes)
    return planes.transpose(1, 2, 0)


def levels(L, ab):
    """Return the unrounded levels (H, W, 3) of 0..255, in float64."""
    Lab = np.concatenate((L[None], ab)).astype(np.float64)
    return Lab_to_sRGB_of_L(Lab, axis=0).transpose(1, 2, 0) * 255


def random_Lab(spread, seed=1):
    """Return random L and ab, many of which lie outside the gamut if `spread` is large."""
    rng = np.random.default_rng(seed)
    L = rng.uniform(0, 100, (H, W)).astype(np.float32)
    return L, rng.uniform(-spread, spread, (2, H, W)).astype(np.float32)


def test_lightness_of_random_colours():
    rgb = np.random.default_rng(2).integers(0, 256, (H, W, 3), np.uint8)
    L = compiled_colour.lightness(rgb)
    assert (L.shape, L.dtype) == ((H, W), np.float32)
    assert np.abs(L - sRGB_to_Lab(rgb / 255.0)[..., 0]).max() < 5e-5


def test_lightness_of_dark_colours_where_the_root_is_a_line():
    rgb = np.stack(np.meshgrid(*[np.arange(n, dtype=np.uint8) for n in (29, 31, 37)]), axis=-1)
    rgb = rgb.reshape(29, -1, 3)
    assert np.abs(compiled_colour.lightness(rgb) - sRGB_to_Lab(rgb / 255.0)[..., 0]).max() < 5e-5


@pytest.mark.parametrize("top", [256, 30])
def test_Lab_of_random_colours(top):
    """And of dark ones."""
    rgb = np.random.default_rng(8).integers(0, top, (H, W, 3), np.uint8)
    difference = np.abs(compiled_colour.to_Lab(rgb) - sRGB_to_Lab(rgb / 255.0).transpose(2, 0, 1))
    assert difference[0].max() < 5e-5
    assert difference[1:].max() < 1e-3


@pytest.mark.parametrize("spread", [3, 40, 130])
def test_painting_rounds_to_the_nearest_level(spread):
    L, ab = random_Lab(spread)
    rgb, exact = painted(L, ab), levels(L, ab)
    assert np.abs(rgb - exact).max() < 0.75  # where a dark channel follows from two bright ones
    assert (np.abs(rgb - exact) > 0.51).mean() < 0.001
    assert (rgb != np.floor(exact + 0.5)).mean() < 0.003


def test_many_random_colours_are_outside_the_gamut():
    L, ab = random_Lab(130)
    assert ((levels(L, ab) == 0) | (levels(L, ab) == 255)).any(axis=2).mean() > 0.5


def test_every_dark_level():
    """Where a level is narrowest in linear light."""
    L = np.linspace(0, 12, H * W, dtype=np.float32).reshape(H, W)
    ab = np.zeros((2, H, W), np.float32)
    rgb, exact = painted(L, ab), levels(L, ab)
    assert len(np.unique(rgb)) > 30
    assert np.abs(rgb - exact).max() < 0.75  # where a dark channel follows from two bright ones
    assert (np.abs(rgb - exact) > 0.51).mean() < 0.001


def test_without_ab_every_lightness_is_grey():
    L = np.linspace(-3, 104, H * W, dtype=np.float32).reshape(H, W)
    rgb = painted(L, np.zeros((2, H, W), np.float32))
    assert np.array_equal(rgb, np.repeat(rgb[..., :1], 3, axis=2))
    assert {0, 255} <= set(np.unique(rgb))


def test_greys_come_back():
    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2).repeat(3, axis=1)
    rgb = painted(compiled_colour.lightness(grey), np.zeros((2, 256, 3), np.float32))
    assert np.array_equal(rgb, grey)


def test_colours_come_back():
    rgb = np.random.default_rng(3).integers(0, 256, (H, W, 3), np.uint8)
    ab = sRGB_to_Lab(rgb / 255.0)[..., 1:].transpose(2, 0, 1).astype(np.float32)
    assert np.array_equal(painted(compiled_colour.lightness(rgb), ab), rgb)


def test_what_is_no_number_breaks_nothing():
    L, ab = random_Lab(60)
    expected = painted(L, ab)
    ab[0, 5, 7], ab[1, 6, 8], L[9, 11] = np.nan, np.inf, -np.inf
    rgb = painted(L, ab)
    rgb[[5, 6, 9], [7, 8, 11]] = expected[[5, 6, 9], [7, 8, 11]]
    assert np.array_equal(rgb, expected)


def test_any_layout_will_do():
    """Views with strides, read-only arrays and float64 give what a copy gives."""
    L, ab = random_Lab(60)
    rgb = painted(L, ab)
    L.setflags(write=False)
    assert np.array_equal(painted(L[::3, 1::2], ab[:, ::3, 1::2]), rgb[::3, 1::2])
    assert np.array_equal(painted(L, ab.astype(np.float64)), rgb)
    bgr = rgb[:, :, ::-1]
    assert np.array_equal(compiled_colour.lightness(bgr), compiled_colour.lightness(bgr.copy()))


def test_painting_sums_of_four_rows():
    """Of many rows, and beyond the gamut."""
    rng = np.random.default_rng(7)
    L, coefficients = random_Lab(130)[0], rng.uniform(-90, 90, (2, 9, W)).astype(np.float32)
    first, weights = rng.integers(0, 6, H), rng.uniform(-0.2, 1, (H, 4))
    planes = np.empty((3, H, W), np.uint8)
    compiled_colour.paint_splines(L, coefficients, first, weights, planes)
    picked = first[:, None] + np.arange(4)
    ab = (weights[:, :, None] * coefficients[:, picked]).sum(2).astype(np.float32)
    rgb = planes.transpose(1, 2, 0)
    assert (rgb != painted(L, ab)).mean() < 0.001
    assert np.abs(rgb - levels(L, ab)).max() < 0.75


def test_16_bits_and_tensors_give_the_same_image():
    L, ab = random_Lab(60)
    rgb = paint(L, ab)
    assert np.array_equal(rgb, painted(L, ab))
    tensor, deep = paint(L, torch.from_numpy(ab)), paint(L, ab, np.uint16)
    assert np.abs(tensor.astype(int) - rgb).max() <= 1
    assert np.abs(deep / 257 - rgb).max() < 0.75
    assert (np.abs(deep / 257 - rgb) > 0.52).mean() < 0.001
    assert lightness(rgb) == pytest.approx(lightness(rgb.astype(np.uint16) * 257), abs=5e-5)


def test_16_bits_round_to_a_level_near_by():
    L, ab = random_Lab(130)
    deep = paint(L, ab, np.uint16)
    error = np.abs(deep - levels(L, ab) * 257)
    assert np.median(error) < 0.5 and np.percentile(error, 90) < 2 and error.max() < 64
    greys = paint(L, np.zeros_like(ab), np.uint16)
    assert np.array_equal(greys.min(2), greys.max(2))
    assert lightness(greys) == pytest.approx(L, abs=2e-3)


def test_lightness_of_16_bits():
    rgb = np.random.default_rng(8).integers(0, 65536, (H, W, 3), np.uint16)
    expected = sRGB_to_Lab(rgb / 65535)[..., 0]
    assert lightness(rgb) == pytest.approx(expected, abs=5e-5)
    grey = rgb[..., 0]
    assert np.array_equal(lightness(grey), lightness(np.dstack([grey] * 3)))


@pytest.mark.parametrize("planar", [False, True])
def test_YCbCr_of_every_pixel(planar):
    rgb = np.random.default_rng(4).integers(0, 256, (H, W, 3), np.uint8)
    if planar:
        rgb = np.ascontiguousarray(rgb.transpose(2, 0, 1)).transpose(1, 2, 0)
    planes = np.empty((3, H, W), np.uint8)
    compiled_colour.to_YCbCr(rgb, *planes)
    assert np.abs(planes - exact_YCbCr(rgb)).max() < 0.501


def test_YCbCr_of_four_pixels():
    rgb = np.random.default_rng(5).integers(0, 256, (H + 1, W + 1, 3), np.uint8)
    rgb.setflags(write=False)
    Y = np.zeros((H + 1, W + 8), np.uint8)  # rows that are longer than those of the image
    Cb, Cr = np.zeros((2, len(Y) // 2, W), np.uint8)
    compiled_colour.to_YCbCr(rgb, Y, Cb, Cr)
    mean = rgb.reshape(len(Cb), 2, -1, 2, 3).mean((1, 3))
    assert np.abs(Y[:, : W + 1] - exact_YCbCr(rgb)[0]).max() < 0.501
    half = mean.shape[1]
    assert np.abs((Cb[:, :half], Cr[:, :half]) - exact_YCbCr(mean)[1:]).max() < 0.501
    assert not Y[:, W + 1 :].any() and not Cb[:, half:].any() and not Cr[:, half:].any()


def test_YCbCr_of_black_white_and_pure_colours():
    """The levels that test patterns of BT.709 have."""
    rgb = np.array([[(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)]], np.uint8)
    planes = np.empty((3, 1, 5), np.uint8)
    compiled_colour.to_YCbCr(rgb, *planes)
    assert planes[:, 0].tolist() == [
        [16, 235, 63, 173, 32],
        [128, 128, 102, 42, 240],
        [128, 128, 240, 26, 118],
    ]


def exact_YCbCr(rgb):
    """Return the unrounded levels (3, H, W), from the equations of BT.709."""
    R, G, B = np.moveaxis(rgb / 255, -1, 0)
    Y = 0.2126 * R + 0.7152 * G + 0.0722 * B
    Cb, Cr = (B - Y) / 1.8556, (R - Y) / 1.5748
    return np.stack((219 * Y + 16, 224 * Cb + 128, 224 * Cr + 128))


def test_lightness_of_grey_images_is_that_of_their_pixels_among_colours():
    grey = np.random.default_rng(6).integers(0, 256, (H, W, 1), np.uint8).repeat(3, 2)
    grey.setflags(write=False)
    L = compiled_colour.lightness(grey)
    for place in ((0, 0, 0), (H - 1, W - 1, 1), (H // 2, 3, 2)):
        coloured = grey.copy()
        coloured[place] ^= 1
        expected = compiled_colour.lightness(coloured)
        assert L[place[:2]] != expected[place[:2]]
        expected[place[:2]] = L[place[:2]]
        assert np.array_equal(L, expected)

import doctest
import warnings

import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab, rgb2xyz, xyz2lab

from colorization import colour
from colorization.colour import (
    Lab_to_sRGB,
    Lab_to_sRGB_of_L,
    Lab_to_XYZ,
    RGB_to_XYZ,
    XYZ_to_Lab,
    XYZ_to_RGB,
    linear_to_sRGB,
    sRGB_to_Lab,
    sRGB_to_linear,
)

SHAPE = (11, 7, 5, 3)


def some_sRGB() -> np.ndarray:
    """Random colours, the corners of the cube, and the surroundings of the curve's two ends."""
    rgb = np.random.default_rng(1).random(SHAPE)
    rgb[0, 0, 0], rgb[0, 0, 1] = 0, 1
    rgb[1, :3, 0] = np.eye(3)
    rgb[2] = np.linspace(0, 0.1, rgb[2].size).reshape(rgb[2].shape)
    return rgb


def some_Lab() -> np.ndarray:
    """Colours of the whole range, of which most lie outside the gamut."""
    return np.random.default_rng(2).uniform((0, -110, -110), (100, 110, 110), SHAPE)


def test_doctests():
    assert doctest.testmod(colour).failed == 0


def test_Lab_equals_scikit_image(library):
    rgb = some_sRGB()
    Lab = library.host(sRGB_to_Lab(library.array(rgb)))
    np.testing.assert_allclose(Lab, rgb2lab(rgb), rtol=0, atol=5e-4)


def test_sRGB_equals_scikit_image_outside_the_gamut_too(library):
    Lab = some_Lab()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-image warns of negative Z
        expected = lab2rgb(Lab)
    sRGB = library.host(Lab_to_sRGB(library.array(Lab)))
    np.testing.assert_allclose(sRGB, expected, rtol=0, atol=1e-4)


def test_parts_equal_scikit_image():
    rgb = some_sRGB()
    XYZ = RGB_to_XYZ(sRGB_to_linear(rgb))
    np.testing.assert_allclose(XYZ, rgb2xyz(rgb), rtol=0, atol=1e-9)
    np.testing.assert_allclose(XYZ_to_Lab(XYZ), xyz2lab(XYZ), rtol=0, atol=5e-4)


@pytest.mark.parametrize("dtype, atol", [(np.float32, 2e-5), (np.float64, 1e-7)])
def test_there_and_back(library, dtype, atol):
    rgb = some_sRGB()
    back = library.host(Lab_to_sRGB(sRGB_to_Lab(library.array(rgb, dtype))), dtype)
    np.testing.assert_allclose(back, rgb, rtol=0, atol=atol)


@pytest.mark.parametrize(
    "there, back",
    [(sRGB_to_linear, linear_to_sRGB), (RGB_to_XYZ, XYZ_to_RGB), (XYZ_to_Lab, Lab_to_XYZ)],
)
def test_each_step_has_its_inverse(there, back):
    rgb = some_sRGB()
    np.testing.assert_allclose(back(there(rgb)), rgb, rtol=0, atol=1e-7)


def test_grey_is_neutral(library):
    grey = np.repeat(np.linspace(0, 1, 8), 3).reshape(2, 4, 3)
    Lab = library.host(sRGB_to_Lab(library.array(grey)))
    np.testing.assert_allclose(Lab[..., 1:], 0, atol=0.01)
    np.testing.assert_allclose(Lab[[0, 1], [0, 3], 0], [0, 100], atol=1e-4)


@pytest.mark.parametrize("function", [sRGB_to_Lab, Lab_to_sRGB, RGB_to_XYZ, XYZ_to_RGB])
@pytest.mark.parametrize("axis", [0, 1, -2])
def test_axis_says_where_the_channels_are(library, function, axis):
    image = some_sRGB()
    expected = np.moveaxis(function(image.astype(np.float32)), -1, axis)
    got = library.host(function(library.array(np.moveaxis(image, -1, axis)), axis=axis))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


def test_clip_keeps_the_colours_of_the_gamut(library):
    Lab = library.array(some_Lab())
    clipped, free = (library.host(Lab_to_sRGB(Lab, clip=clip)) for clip in (True, False))
    assert free.min() < -0.1 and free.max() > 1.1
    np.testing.assert_array_equal(clipped, free.clip(0, 1))


def test_colours_outside_the_gamut_keep_their_lightness(library):
    Lab = np.random.default_rng(6).uniform([0, -110, -110], [100, 110, 110], (41, 43, 3))
    sRGB = library.host(Lab_to_sRGB_of_L(library.array(Lab.astype(np.float32))))
    assert sRGB.min() >= 0 and sRGB.max() <= 1
    back, clipped = sRGB_to_Lab(sRGB), sRGB_to_Lab(library.host(Lab_to_sRGB(library.array(Lab))))
    assert np.abs(back - Lab)[..., 0].max() < 0.05
    assert np.abs(clipped - Lab)[..., 0].max() > 20
    inside = np.abs(clipped - Lab).max(-1) < 0.01
    assert 0.1 < inside.mean() < 0.5
    np.testing.assert_allclose(back[inside], Lab[inside], atol=0.05)


def test_black_stays_black_and_white_stays_white(library):
    Lab = np.array([[0.0, 20, 10], [0, -30, 50], [100, 20, -40]])
    sRGB = library.host(Lab_to_sRGB_of_L(library.array(Lab)))
    np.testing.assert_allclose(sRGB, [[0] * 3, [0] * 3, [1] * 3], atol=1e-6)


def test_a_single_colour_keeps_its_dtype(library):
    assert library.host(sRGB_to_Lab(library.array([0.2, 0.4, 0.6]))).shape == (3,)


def test_integers_are_refused(library):
    with pytest.raises(TypeError, match=r"^sRGB: expected float32 or float64, got .*uint8$"):
        sRGB_to_Lab(library.array(np.zeros((2, 3)), np.uint8))


def test_other_numbers_of_channels_are_refused(library):
    with pytest.raises(ValueError) as error:
        Lab_to_sRGB(library.array(np.zeros((3, 4, 5))), axis=1)
    assert str(error.value) == "Lab: expected 3 channels at axis 1, got shape (3, 4, 5)"

"""Images at other sizes: against naive means, and the sides that are kept."""

import numpy as np
import pytest

from colorization.resizing import averaged, bounded, resized, short_side_within


def noise(*size):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize("shrunk", [lambda x: resized(x, 24, 16), lambda x: averaged(x, (16, 24))])
def test_areas_are_averaged(shrunk):
    image = noise(64, 96)
    blocks = image.reshape(16, 4, 24, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk(image) - blocks).max() <= 0.5


def test_an_image_grows():
    assert resized(noise(64, 96), 200, 100).shape == (100, 200, 3)


@pytest.mark.parametrize("size, expected", [((30, 47), (30, 47)), ((30, 512), (15, 256))])
def test_bounded(size, expected):
    assert bounded(noise(*size), 256).shape == (*expected, 3)


@pytest.mark.parametrize(
    "size, expected", [((30, 47), (30, 47)), ((480, 640), (48, 64)), ((300, 100), (144, 48))]
)
def test_a_short_side_within(size, expected):
    assert short_side_within(size, 48) == expected

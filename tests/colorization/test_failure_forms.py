"""The stand-ins for the forms of failure: each finds its own, and naive loops agree."""

import math

import numpy as np
import pytest

from colorization.failure_forms import (
    BORDER,
    CONTRAST,
    LEAST_AREA,
    REACH,
    STILL,
    bleeding,
    deficiency,
    edge_pollution,
    flicker,
    inconsistency,
)

H, W = 50, 64


def plain(a=0.0, b=0.0, height=H, width=W):
    """Return a Lab image of one colour."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = 50, a, b
    return image


def halves():
    """Return one that is green on the left and red on the right."""
    image = plain(-30, 20)
    image[:, 40:, 1:] = 40, 10
    return image


def noise(seed):
    Lab = np.random.default_rng(seed).normal(0, 12, (19, 23, 3))
    return (Lab + [50, 0, 0]).astype(np.float32)


def test_a_wrong_colour_all_over_an_area_is_consistent():
    original, result = halves(), halves()
    result[:, :40, 1:] += 25
    assert inconsistency(result, original) == pytest.approx(0, abs=1e-5)


def test_two_colours_in_an_area_are_not():
    original, result = halves(), halves()
    result[:25, :, 1] += 6  # the upper half of both areas
    assert inconsistency(result, original) == pytest.approx(3, rel=1e-5)
    result[:25, :, 2] -= 8
    assert inconsistency(result, original) == pytest.approx(5, rel=1e-5)


def test_small_areas_do_not_count():
    original = plain(0, 0, 9, LEAST_AREA // 9 + 2)
    assert inconsistency(original, original) == 0
    original[:, ::2, 1] = 50  # stripes of 9 pixels each
    assert math.isnan(inconsistency(original, original))


def test_pollution_of_the_borders():
    original, result = halves(), halves()
    result[:, :, 1] += 4
    assert edge_pollution(result, original) == pytest.approx(0, abs=1e-4)
    result[:BORDER, :, 1] += 6
    result[-BORDER:, :, 1] += 6
    result[:, :BORDER, 1] = original[:, :BORDER, 1] + 10
    result[:, -BORDER:, 1] = original[:, -BORDER:, 1] + 10
    assert edge_pollution(result, original) == pytest.approx(6, rel=1e-4)
    assert edge_pollution(original, result) == pytest.approx(6, rel=1e-4)


def test_an_image_without_an_inside_has_no_borders():
    image = plain(0, 0, 2 * BORDER, 50)
    assert math.isnan(edge_pollution(image, image))


def naive_bleeding(result, original):
    height, width = original.shape[:2]
    edge = spilt = 0
    for y in range(height):
        for x in range(width):
            at_edge = beyond = False
            for dy in (-REACH, 0, REACH):
                for dx in (-REACH, 0, REACH):
                    v, u = y + dy, x + dx
                    if (dy or dx) and 0 <= v < height and 0 <= u < width:
                        c = math.dist(original[y, x, 1:], original[v, u, 1:])
                        if c > CONTRAST:
                            at_edge = True
                            near = min(c, math.hypot(*original[v, u, 1:])) / 2
                            beyond |= math.dist(result[y, x, 1:], original[v, u, 1:]) < near
            edge, spilt = edge + at_edge, spilt + beyond
    return spilt / edge


def test_bleeding_as_in_a_loop():
    original, result = noise(1), noise(2)
    assert 0 < naive_bleeding(result, original) < 1
    assert bleeding(result, original) == pytest.approx(naive_bleeding(result, original))


def test_bleeding_over_an_edge():
    original, result = halves(), halves()
    assert bleeding(original, original) == 0
    result[:, 38:40] = original[:, 45:46]  # two of the eight columns that are near the edge
    assert bleeding(result, original) == pytest.approx(2 / 8)
    result[:] = plain(70, -60)  # a wrong colour is not one from beyond the edge
    assert bleeding(result, original) == 0


def test_grey_does_not_bleed():
    original = halves()
    original[20:30] = plain(0, 0, 10)
    original[:, 10:14, 1:] = 60, -60
    assert bleeding(plain(), original) == 0


def test_no_bleeding_without_edges():
    assert math.isnan(bleeding(halves(), plain()))


def test_missing_colour():
    assert deficiency(30, 40) == pytest.approx(0.25)
    assert deficiency(50, 40) == pytest.approx(-0.25)
    assert math.isnan(deficiency(0.1, 0.5))


def test_flicker_where_the_original_stands_still():
    before, original = halves(), halves()
    original[:, :40] += 2 * STILL  # only the right is still
    result_before, result = plain(5, 5), plain(5, 5)
    result[:, 40:, 1:] += 3, 4
    result[:, :40, 1:] += 50
    assert flicker(result, result_before, original, before) == pytest.approx(5)


def test_no_flicker_at_a_cut_or_between_pictures_of_two_sizes():
    assert math.isnan(flicker(plain(), plain(), plain(9, 9), plain()))
    small = plain(0, 0, 20, 30)
    assert math.isnan(flicker(plain(), small, plain(), small))

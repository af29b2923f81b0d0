"""Each metric against loops over pixels, on hand-made images, and on each library alike."""

import doctest
import itertools
import math

import numpy as np
import pytest

from colorization import metrics
from colorization.colour import sRGB_to_Lab
from colorization.metrics import (
    AB_BINS,
    LARGEST_ERROR,
    ab_histogram,
    as_sRGB,
    colourfulness,
    even,
    histogram_intersection,
    opponents,
    perceivable_artifacts,
    pixel_errors,
    psnr,
    rmse,
)

H, W = 5, 7
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-12}
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def some_images(seed=3):
    """Return two RGB images of integers, with black, white and equal pixels."""
    first, second = np.random.default_rng(seed).integers(0, 256, (2, H, W, 3), dtype=np.uint8)
    first[0, 0], first[0, 1], second[0, 0] = 0, 255, (0, 1, 0)
    second[2] = first[2]
    return first, second


def naive_opponents(pixel):
    R, G, B = pixel
    L = (R + G + B) / 3
    return (B - (R + G) / 2) / (L + 1e-4), (R - G) / (L + 1e-4)


def naive_errors(result, original):
    errors = np.empty((H, W))
    for y, x in np.ndindex(H, W):
        squares = [
            (p - q) ** 2
            for p, q in zip(naive_opponents(result[y, x]), naive_opponents(original[y, x]))
        ]
        errors[y, x] = sum(squares) ** 0.5
    return errors


def naive_even(ab, y, x, threshold):
    for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
        if 0 <= v < ab.shape[0] and 0 <= u < ab.shape[1]:
            for channel in range(2):
                if abs(ab[v, u, channel] - ab[y, x, channel]) > threshold:
                    return False
    return True


def naive_artifacts(result, original, threshold):
    count = broken = 0
    for y, x in np.ndindex(original.shape[:2]):
        if naive_even(original, y, x, threshold):
            count += 1
            broken += not naive_even(result, y, x, threshold)
    return broken / count


def flat(*changes):
    """Return ab (H, W, 2) of one colour but for the changes (y, x, a, b)."""
    ab = np.full((H, W, 2), (12.0, -30.0))
    for y, x, *colour in changes:
        ab[y, x] = colour
    return ab


def uneven_at(ab, threshold=2.0):
    return {(int(y), int(x)) for y, x in np.argwhere(~even(ab, threshold))}


def test_doctests():
    assert doctest.testmod(metrics).failed == 0


# RMSE, equations 8.1 and 8.2


@DTYPES
def test_errors_are_those_of_the_equations(library, dtype):
    result, original = (image / 255 for image in some_images())
    arrays = library.array(result, dtype), library.array(original, dtype)
    expected = naive_errors(result, original)
    np.testing.assert_allclose(
        library.host(pixel_errors(*arrays), dtype), expected, atol=1e2 * TOLERANCE[dtype]
    )
    assert rmse(*arrays) == pytest.approx(expected.mean(), rel=20 * TOLERANCE[dtype])


def test_integers_are_brought_to_one(library):
    bytes_, words = some_images()[0], some_images()[0].astype(np.uint16) * 257
    expected = bytes_ / 255
    got = library.host(as_sRGB(library.array(bytes_, np.uint8)))
    np.testing.assert_allclose(got, expected, atol=1e-7)
    if library.name == "numpy":  # torch computes little with unsigned words
        np.testing.assert_allclose(as_sRGB(words), expected, atol=1e-7)


def test_greys_have_no_opponent_colour():
    grey = np.repeat(np.linspace(0, 1, H * W).reshape(H, W, 1), 3, axis=2)
    for plane in opponents(grey):
        np.testing.assert_allclose(plane, 0, atol=1e-12)


def test_the_largest_error_is_between_red_and_green():
    corners = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    rng = np.random.default_rng(5)
    colours = np.concatenate([corners, rng.random((60, 3)) ** 8])
    first, second = np.repeat(colours, len(colours), axis=0), np.tile(colours, (len(colours), 1))
    errors = pixel_errors(first[None], second[None])[0]
    assert LARGEST_ERROR - 0.01 < errors.max() <= LARGEST_ERROR
    worst = {tuple(first[errors.argmax()]), tuple(second[errors.argmax()])}
    assert worst == {(1, 0, 0), (0, 1, 0)}


def test_the_root_is_taken_of_each_pixel():
    """Not of the mean of the squares, as the name says and the equation does not."""
    original = np.full((2, 3, 3), 0.5)
    result = original.copy()
    result[0, 0] = 1.0, 0.5, 0.0
    one = pixel_errors(result, original)[0, 0]
    assert rmse(result, original) == pytest.approx(one / 6)


# PSNR, equation 8.3


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_psnr_is_that_of_the_equation(library, dtype):
    result, original = some_images()
    total = 0.0
    for index in np.ndindex(H, W, 3):
        total += ((int(result[index]) - int(original[index])) / 255) ** 2
    expected = -10 * math.log10(total / (3 * H * W))
    scale = 1 if dtype == np.uint8 else 255
    arrays = library.array(result / scale, dtype), library.array(original / scale, dtype)
    assert psnr(*arrays) == pytest.approx(expected, abs=1e-5)


def test_psnr_of_equal_images_is_infinite(library):
    image = library.array(some_images()[0], np.uint8)
    assert psnr(image, image) == math.inf


def test_images_of_two_shapes_are_refused(library):
    result, original = library.array(np.zeros((5, 7, 3))), library.array(np.zeros((7, 5, 3)))
    expected = r"result: expected \(7, 5, 3\) as the original, got \(5, 7, 3\)"
    for metric in (pixel_errors, rmse, psnr):
        with pytest.raises(ValueError, match=expected):
            metric(result, original)
    with pytest.raises(ValueError, match=r"expected \(7, 5, 2\) as the original, got \(5, 7, 2\)"):
        perceivable_artifacts(result[..., 1:], original[..., 1:])


# PA, equation 8.4


def test_a_flat_plane_is_even():
    assert uneven_at(flat()) == set()


@pytest.mark.parametrize("spot", [(15, -30), (12, -27), (9, -30), (12, -33)])
@pytest.mark.parametrize(
    "place, cross",
    [
        ((2, 3), {(2, 3), (1, 3), (3, 3), (2, 2), (2, 4)}),
        ((0, 0), {(0, 0), (0, 1), (1, 0)}),
        ((0, 6), {(0, 6), (0, 5), (1, 6)}),
        ((4, 0), {(4, 0), (4, 1), (3, 0)}),
        ((4, 6), {(4, 6), (4, 5), (3, 6)}),
        ((0, 4), {(0, 4), (0, 3), (0, 5), (1, 4)}),
        ((3, 6), {(3, 6), (2, 6), (4, 6), (3, 5)}),
    ],
)
def test_a_spot_makes_itself_and_its_neighbours_uneven(place, cross, spot):
    assert uneven_at(flat((*place, *spot))) == cross


def test_diagonal_neighbours_do_not_count():
    """The corner pixel has two neighbours of its colour, and one of another across the diagonal."""
    ab = flat((0, 0, 50, 50), (0, 1, 50, 50), (1, 0, 50, 50))
    assert uneven_at(ab) == {(0, 1), (1, 0), (0, 2), (1, 1), (2, 0)}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_ramp_at_the_threshold_is_even_and_above_it_is_not(axis, channel, sign):
    ab = flat()
    shape = (H, 1) if axis == 0 else (1, W)
    ramp = sign * np.arange((H, W)[axis], dtype=float).reshape(shape)
    ab[..., channel] += 2 * ramp
    assert even(ab).all()
    ab[..., channel] += 2**-20 * ramp
    assert not even(ab).any()
    assert even(ab, threshold=2.1).all()


def test_a_and_b_are_each_within_the_threshold():
    """Two steps of 2 are 2.8 apart, which would count if distances in the plane did."""
    assert even(flat((2, 3, 14, -28))).all()


@pytest.mark.parametrize("shape", [(1, 7), (5, 1)])
def test_images_of_one_line(shape):
    ab = np.zeros((*shape, 2))
    assert even(ab).all()
    ab.reshape(-1, 2)[3, 1] = 2.5
    line = np.flatnonzero(~even(ab).ravel())
    assert list(line) == [2, 3, 4]


@DTYPES
@pytest.mark.parametrize("threshold", [0.5, 2.0, 2.25])
def test_artifacts_are_those_of_the_loop(library, dtype, threshold):
    rng = np.random.default_rng(11)
    original, result = 2.25 * (rng.random((2, H, W, 2)) < 0.06)
    arrays = library.array(result, dtype), library.array(original, dtype)
    expected = naive_artifacts(result, original, threshold)
    assert perceivable_artifacts(*arrays, threshold) == pytest.approx(expected, abs=1e-15)
    mask = library.host(even(arrays[0], threshold), np.bool_)
    naive = [naive_even(result, y, x, threshold) for y, x in np.ndindex(H, W)]
    assert mask.ravel().tolist() == naive
    assert (0 < expected < 1) == (threshold < 2.25)


def test_artifacts_are_counted_where_the_original_is_even():
    spot = flat((2, 3, 40, 40))
    corner = flat((0, 0, 40, 40))
    assert perceivable_artifacts(flat(), flat()) == 0
    assert perceivable_artifacts(flat() + 25, flat()) == 0  # another colour, but without artifacts
    assert perceivable_artifacts(corner, flat()) == 3 / 35
    assert perceivable_artifacts(spot, flat()) == 5 / 35
    assert perceivable_artifacts(flat(), spot) == 0  # a missing spot is none
    assert perceivable_artifacts(corner, spot) == 3 / 30
    assert perceivable_artifacts(spot, spot) == 0


def test_artifacts_are_unknown_where_nothing_is_even():
    ab = flat()
    ab[..., 0] += 5 * np.arange(W)
    assert math.isnan(perceivable_artifacts(flat(), ab))


# Colourfulness


@DTYPES
def test_colourfulness_is_that_of_the_paper(library, dtype):
    image = some_images()[0] / 255
    rg, yb = [], []
    for y, x in np.ndindex(H, W):
        R, G, B = 255 * image[y, x]
        rg.append(R - G)
        yb.append((R + G) / 2 - B)
    expected = math.hypot(np.std(rg), np.std(yb)) + 0.3 * math.hypot(np.mean(rg), np.mean(yb))
    got = colourfulness(library.array(image, dtype))
    assert got == pytest.approx(expected, rel=10 * TOLERANCE[dtype])


def test_colourfulness_of_plain_images():
    """Grey has none; in one colour nothing varies, and 0.3 of the distance from grey is left."""
    assert colourfulness(np.full((H, W, 3), 100, np.uint8)) == 0
    red = np.zeros((H, W, 3), np.uint8)
    red[..., 0] = 255
    assert colourfulness(red) == pytest.approx(0.3 * math.hypot(255, 127.5))


# Histograms of a and b


@DTYPES
def test_histograms_count_pixels(library, dtype):
    ab = np.random.default_rng(2).normal(0, 30, (H, W, 2)).astype(dtype)
    ab[0, :4, 0] = -110, 110, -0.4, 0.4
    ab[0, :2, 1] = -200, 200  # beyond the last bins
    expected = np.zeros((2, AB_BINS), np.int64)
    for y, x in np.ndindex(H, W):
        for channel in range(2):
            nearest = min(range(-110, 111), key=lambda n: abs(n - ab[y, x, channel]))
            expected[channel, nearest + 110] += 1
    counts = library.host(ab_histogram(library.array(ab, dtype)), np.int64)
    assert np.array_equal(counts, expected)
    assert counts.sum() == 2 * H * W


def test_greys_are_in_one_bin():
    greys = np.repeat(np.linspace(0, 1, 35, dtype=np.float32).reshape(H, W, 1), 3, axis=2)
    counts = ab_histogram(sRGB_to_Lab(greys)[..., 1:])
    assert counts[:, 110].tolist() == [H * W, H * W]


def test_intersection_is_that_of_the_loop(library):
    counts, others = np.random.default_rng(4).integers(0, 9, (2, 2, 11))
    got = library.host(
        histogram_intersection(library.array(counts, np.int64), library.array(others, np.int64)),
        np.float32 if library.name in ("torch", "cuda") else np.float64,
    )
    for row in range(2):
        p, q = counts[row] / counts[row].sum(), others[row] / others[row].sum()
        assert got[row] == pytest.approx(sum(map(min, zip(p, q))), rel=1e-6)


def test_intersection_of_the_same_and_of_nothing_in_common():
    counts = np.array([0, 3, 1, 0, 0])
    assert histogram_intersection(7 * counts, counts) == 1  # sets of different size
    assert histogram_intersection(np.array([2, 0, 0, 1, 5]), counts) == 0

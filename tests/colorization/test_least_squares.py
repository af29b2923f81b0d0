"""Weighted least squares against exact systems, and what edges of L do to it."""

import numpy as np
import pytest

from colorization.finishing import Finish
from colorization.inference import paint
from colorization.refinement.least_squares import least_squares, solve_columns, strengths


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def planes(rng, H, W):
    L = rng.uniform(0, 100, (H, W)).astype(np.float32)
    return L, rng.normal(0, 30, (2, H, W)).astype(np.float32)


def solved(p, ties):
    """Return the minimum along one chain: (1 + D^T ties D) u = p, float64."""
    D = np.diff(np.eye(len(p)), axis=0)
    return np.linalg.solve(np.eye(len(p)) + D.T @ (ties[:, None] * D), p)


def naive(L, ab, strength, sigma_L, sigma_ab, iterations):
    """Line by line: all columns, then all rows, each as one dense system."""
    u = ab.astype(np.float64)
    for t in range(1, iterations + 1):
        part = 1.5 * 4 ** (iterations - t) / (4**iterations - 1) * strength
        for turn in ((0, 2, 1), (0, 1, 2)):  # lines are the rows of the turned planes
            guides = np.concatenate((L[None], ab)).transpose(turn)
            for line, (a, b) in zip(guides.swapaxes(0, 1), u.transpose(turn).swapaxes(0, 1)):
                dL, da, db = np.abs(np.diff(line, axis=1))
                ties = part * np.exp(-dL / sigma_L - (da + db) / sigma_ab)
                a[:], b[:] = solved(a, ties), solved(b, ties)
    return u


@pytest.mark.parametrize("most", [0.1, 10, 1e4])
def test_a_chain_is_solved_exactly(rng, most):
    p = rng.normal(0, 30, (2, 17, 6)).astype(np.float32)
    ties = rng.uniform(0, most, (16, 6)).astype(np.float32)
    u = p.copy()
    solve_columns(u, ties)
    for x in range(6):
        for plane, given in zip(u, p):
            np.testing.assert_allclose(plane[:, x], solved(given[:, x], ties[:, x]), atol=1e-4)


@pytest.mark.parametrize("shape", [(5, 7), (8, 3), (1, 6), (9, 1), (1, 1)])
def test_against_dense_systems_line_by_line(rng, shape):
    L, ab = planes(rng, *shape)
    for options in ((4, 20, np.inf, 1), (300, 50, 90, 3), (70, np.inf, 40, 2)):
        result = least_squares(L, ab, *options)
        assert result.shape == (2, *shape) and result.dtype == np.float32
        np.testing.assert_allclose(result, naive(L, ab, *options), atol=1e-3)


def test_the_strengths_fall_by_four_and_have_one_sum_without_iterations():
    np.testing.assert_allclose(strengths(42, 3), [16, 4, 1])
    np.testing.assert_allclose(strengths(2, 1), [1])
    assert strengths(10, 5).sum() == pytest.approx(5)


def test_even_colours_stay_as_they_are(rng):
    L, _ = planes(rng, 12, 19)
    ab = np.ones((2, 12, 19), np.float32) * np.float32([[[33.3]], [[-7.7]]])
    assert np.array_equal(least_squares(L, ab, 1e5, 30), ab)


def test_strength_0_changes_nothing(rng):
    L, ab = planes(rng, 12, 19)
    result = least_squares(L, ab, 0)
    assert np.array_equal(result, ab) and not np.shares_memory(result, ab)


def two_areas():
    """Return L even all over, and ab of two areas, left and right, that are not quite even."""
    ab = np.where(np.arange(30) < 13, 40, -20) * np.ones((2, 20, 1), np.float32)
    ab[:, :, 10] += 5
    ab[:, 5] -= 3
    return np.full((20, 30), 30, np.float32), ab.astype(np.float32)


def assert_apart(result, ab):
    """Assert that either area has one colour, the mean of what it was."""
    for area in (np.s_[..., :13], np.s_[..., 13:]):
        assert np.ptp(result[area]) < 0.1
        np.testing.assert_allclose(result[area].mean(), ab[area].mean(), atol=0.01)


def test_an_edge_of_L_stops_colours():
    L, ab = two_areas()
    L[:, 13:] = 70
    assert_apart(least_squares(L, ab, 1e5, 1, np.inf), ab)


def test_an_edge_of_the_colours_alone_stops_them_too():
    L, ab = two_areas()
    assert_apart(least_squares(L, ab, 1e5, 1, 5), ab)


def test_without_an_edge_colours_go_through():
    L, ab = two_areas()
    result = least_squares(L, ab, 1e5, 1, np.inf)
    assert np.ptp(result) < 0.5
    np.testing.assert_allclose(result.mean(), ab.mean(), atol=0.01)


def test_a_colour_goes_about_as_far_as_the_root_of_the_strength():
    ab = np.zeros((2, 101, 7), np.float32)
    ab[:, 50] = 100
    solve_columns(ab, np.full((100, 7), 8**2, np.float32))
    fall = ab[0, 58:67:8, 3] / ab[0, 50:59:8, 3]
    np.testing.assert_allclose(fall, np.exp(-1), atol=0.01)


def test_the_defaults_follow_the_size_of_the_image(rng):
    L, ab = planes(rng, 64, 90)
    L, ab = L / 9, ab / 9
    assert np.array_equal(least_squares(L, ab), least_squares(L, ab, 5.76**2, 3.6, 12))


def test_no_colour_leaves_the_range_of_those_given(rng):
    L, ab = planes(rng, 33, 50)
    result = least_squares(L / 20, ab, 1e4, 1, 50)
    for plane, given in zip(result, ab):
        assert given.min() <= plane.min() and plane.max() <= given.max()
        assert np.ptp(plane) < np.ptp(given)


def test_a_and_b_are_alike_and_so_are_all_directions(rng):
    L, ab = planes(rng, 13, 21)
    L = L / 20
    result = least_squares(L, ab)
    np.testing.assert_allclose(least_squares(L, ab[::-1])[::-1], result, atol=1e-3)
    mirrored = least_squares(L[::-1, ::-1], ab[:, ::-1, ::-1])[:, ::-1, ::-1]
    np.testing.assert_allclose(mirrored, result, atol=1e-3)


def test_inputs_are_not_written_to(rng):
    L, ab = planes(rng, 6, 11)
    for array in (L, ab):
        array.flags.writeable = False
    least_squares(L, ab)
    assert least_squares(L.astype(np.float64), ab.astype(np.float64)).dtype == np.float32


@pytest.mark.parametrize(
    "shapes, options, message",
    [
        (((5, 6), (2, 6, 5)), {}, r"ab: expected \(2, H, W\) with L \(H, W\), got \(2, 6, 5\)"),
        (((5, 6), (3, 5, 6)), {}, "ab: expected"),
        (((1, 5, 6), (2, 5, 6)), {}, "ab: expected"),
        (((5, 6), (2, 5, 6)), {"strength": -1}, "strength: expected a number of at least 0, got"),
        (((5, 6), (2, 5, 6)), {"strength": np.inf}, "strength: expected"),
        (((5, 6), (2, 5, 6)), {"strength": np.nan}, "strength: expected"),
        (((5, 6), (2, 5, 6)), {"sigma_L": 0}, "sigma_L: expected a number above 0, got 0"),
        (((5, 6), (2, 5, 6)), {"sigma_ab": -3}, "sigma_ab: expected a number above 0, got -3"),
        (((5, 6), (2, 5, 6)), {"iterations": 0}, "iterations: expected at least 1, got 0"),
    ],
)
def test_wrong_arguments(shapes, options, message):
    L, ab = (np.zeros(shape, np.float32) for shape in shapes)
    with pytest.raises(ValueError, match=message):
        least_squares(L, ab, **options)


@pytest.mark.parametrize("upsampling", ["spline", "joint_bilateral"])
def test_finishing_knows_it_as_smooth(rng, upsampling):
    L = np.repeat(rng.uniform(20, 80, (1, 3)).astype(np.float32), 16, 1) * np.ones((36, 1), "f4")
    ab = rng.normal(0, 20, (2, 9, 12)).astype(np.float32)
    plain, smooth = Finish(upsampling), Finish(upsampling, "smooth")
    rgb = smooth(L, ab, L.shape)
    assert rgb.shape == (36, 48, 3)
    full = np.asarray(plain._upsample(ab, L, L.shape), np.float32)
    assert np.array_equal(rgb, paint(L, least_squares(L, full)))
    assert not np.array_equal(rgb, plain(L, ab, L.shape))
    assert smooth.for_film() is smooth

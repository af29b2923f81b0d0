"""Levin's weights and solution against loops and a dense solver, and what a person sees of them."""

import numpy as np
import pytest

from colorization.baselines import colour_by_example, levin
from colorization.baselines.levin import ScribbleError, propagate, shrink_scribbles, weights
from colorization.colour import sRGB_to_Lab
from colorization.inference import lightness, paint


def random_L(H, W, seed=1):
    return np.random.default_rng(seed).uniform(0, 100, (H, W)).astype(np.float32)


def neighbours(y, x, H, W):
    rows, columns = range(max(y - 1, 0), min(y + 2, H)), range(max(x - 1, 0), min(x + 2, W))
    return [(v, u) for v in rows for u in columns]


def naive_weights(L):
    H, W = L.shape
    L = L.astype(np.float64)
    result = np.zeros((H, W, H, W))
    for y in range(H):
        for x in range(W):
            window = neighbours(y, x, H, W)
            variance = max(np.var([L[place] for place in window]), 0.03)
            others = [place for place in window if place != (y, x)]
            for place in others:
                result[y, x][place] = np.exp(-((L[y, x] - L[place]) ** 2) / (0.6 * variance))
            result[y, x] /= result[y, x].sum()
    return result.reshape(H * W, H * W)


@pytest.mark.parametrize("size", [(5, 7), (1, 4), (3, 2)])
def test_weights(size):
    L = random_L(*size)
    np.testing.assert_allclose(weights(L).toarray(), naive_weights(L), rtol=1e-9, atol=1e-300)


def test_weights_of_an_even_image_are_even():
    W = weights(np.full((4, 6), 70, np.float32)).toarray()
    row = W[7].reshape(4, 6)  # of the pixel (1, 1)
    expected = np.zeros((4, 6))
    expected[:3, :3] = 1 / 8
    expected[1, 1] = 0
    np.testing.assert_allclose(row, expected, rtol=1e-12)
    np.testing.assert_allclose(W.sum(1), 1, rtol=1e-12)


def test_the_solution_is_that_of_a_dense_solver():
    random = np.random.default_rng(2)
    L, ab = random_L(6, 9) / 10, random.uniform(-80, 80, (2, 6, 9))
    mask = random.random((6, 9)) < 0.15
    A = np.eye(54) - naive_weights(L)
    A[mask.ravel()] = np.eye(54)[mask.ravel()]
    b = np.where(mask, ab, 0).reshape(2, 54)
    expected = np.linalg.solve(A, b.T).T.reshape(2, 6, 9)
    np.testing.assert_allclose(propagate(L, ab, mask), expected, rtol=1e-6, atol=1e-9)


def test_the_cost_is_at_its_minimum():
    random = np.random.default_rng(3)
    L, ab = random_L(5, 8) / 10, random.uniform(-80, 80, (2, 5, 8))
    mask = random.random((5, 8)) < 0.2
    W = naive_weights(L)[~mask.ravel()]

    def cost(U):
        flat = U.reshape(2, -1).T
        return ((flat[~mask.ravel()] - W @ flat) ** 2).sum()

    U = propagate(L, ab, mask)
    assert cost(U) < 1e-12
    assert cost(U + 0.01 * random.normal(size=U.shape) * ~mask) > 1e-6


def picture(H, W):
    """Two even regions, parted by a slanting edge, with one stroke in each."""
    y, x = np.mgrid[:H, :W]
    left = x + y / 3 < W / 2
    rgb = np.where(left[..., None], (170, 60, 60), (120, 190, 90)).astype(np.uint8)
    mask = np.zeros((H, W), bool)
    mask[H // 4 : 3 * H // 4, W // 8] = True
    mask[H // 3 : 3 * H // 4, -W // 8] = True
    ab = np.moveaxis(sRGB_to_Lab(rgb.astype(np.float32) / 255)[..., 1:], -1, 0)
    return rgb, lightness(rgb), ab, mask


def test_even_regions_take_the_colour_of_their_scribble():
    rgb, L, ab, mask = picture(48, 70)
    result = levin.colour(L, ab, mask)
    assert (result.shape, result.dtype) == ((2, 48, 70), np.float32)
    errors = np.abs(paint(L, result, np.uint8).astype(int) - rgb).max(-1)
    assert (errors <= 6).mean() > 0.99


@pytest.mark.parametrize("pixels", [2**17, 900])
def test_scribbles_keep_their_colours_to_the_bit(monkeypatch, pixels):
    monkeypatch.setattr(levin, "PIXELS", pixels)
    random = np.random.default_rng(5)
    ab = random.uniform(-80, 80, (2, 40, 62)).astype(np.float32)
    mask = random.random((40, 62)) < 0.02
    result = levin.colour(random_L(40, 62), ab, mask)
    np.testing.assert_array_equal(result[:, mask], ab[:, mask])
    for channel in range(2):  # and nothing is more extreme than they are
        known = ab[channel][mask]
        assert known.min() - 1e-4 <= result[channel].min()
        assert result[channel].max() <= known.max() + 1e-4


def test_a_large_image_is_solved_smaller(monkeypatch):
    """Colours do not leak through an edge whose pixels are left out."""
    monkeypatch.setattr(levin, "PIXELS", 7000)
    rgb, L, ab, mask = picture(96, 142)
    result = levin.colour(L, ab, mask)
    errors = np.abs(paint(L, result, np.uint8).astype(int) - rgb).max(-1)
    assert (errors <= 10).mean() > 0.95


def test_shrunk_scribbles_are_means_of_what_is_painted():
    random = np.random.default_rng(6)
    ab = random.uniform(-80, 80, (2, 12, 20)).astype(np.float32)
    mask = random.random((12, 20)) < 0.1
    small_ab, small_mask = shrink_scribbles(ab, mask, (3, 4))
    for y in range(3):
        for x in range(4):
            block = slice(4 * y, 4 * y + 4), slice(5 * x, 5 * x + 5)
            assert small_mask[y, x] == mask[block].any()
            if mask[block].any():
                expected = [plane[block][mask[block]].mean() for plane in ab]
                np.testing.assert_allclose(small_ab[:, y, x], expected, rtol=1e-4)
    assert not small_mask.all()


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 2)])
def test_tiny_images_and_images_that_are_all_scribble(size):
    mask = np.zeros(size, bool)
    mask[0, 0] = True
    ab = np.full((2, *size), 9.0, np.float32)
    L = np.full(size, 50, np.float32)
    np.testing.assert_allclose(levin.colour(L, ab, mask), ab, rtol=1e-5)
    np.testing.assert_array_equal(levin.colour(L, ab, np.ones(size, bool)), ab)


def test_through_the_interface():
    rgb, L, ab, mask = picture(48, 70)
    image = np.where(mask[..., None], rgb, paint(L, np.zeros_like(ab), np.uint8))
    result = colour_by_example("levin", L, scribbles=image)
    np.testing.assert_allclose(result, levin.colour(L, ab, mask), atol=0.01)


def test_wrong_scribbles():
    L = np.zeros((4, 5), np.float32)
    with pytest.raises(ScribbleError, match="^scribbles: there are none, expected one or more"):
        levin.colour(L, np.zeros((2, 4, 5)), np.zeros((4, 5), bool))
    with pytest.raises(ScribbleError, match=r"for L \(4, 5\), got \(2, 5, 4\) and \(4, 5\)$"):
        levin.colour(L, np.zeros((2, 5, 4)), np.zeros((4, 5), bool))

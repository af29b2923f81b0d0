"""The objective, its minimum and the trees, against dense and naive computations."""

import sys

import numpy as np
import pytest

from colorization.baselines import colour_by_example, learn
from colorization.baselines import deshpande as module
from colorization.baselines.deshpande import (
    ConvergenceError,
    Deshpande,
    MissingLibrary,
    conjugate_gradients,
    match_histogram,
    objective,
)
from colorization.baselines.features import features
from colorization.inference import lightness, paint
from colorization.metrics import psnr

needs_trees = pytest.mark.usefixtures("trees")


@pytest.fixture
def trees():
    pytest.importorskip("sklearn")


def scene(H, W, shift=0):
    """Blue above, green below and an orange square, each with a texture of its own."""
    random = np.random.default_rng(8)
    rgb = np.empty((H, W, 3))
    rgb[: H // 2] = 120, 160, 230
    rgb[H // 2 :] = 60, 130, 50
    square = slice(H // 4, 3 * H // 4), slice(W // 4 + shift, W // 2 + shift)
    rgb[square] = 200, 110, 40
    grain = random.normal(1, 0.08, (H, W, 1))
    grain[: H // 2] = 1
    return (rgb * grain).clip(0, 255).astype(np.uint8)


def dense_objective(L, smoothness, contrast):
    """The matrix of the quadratic form, pair by pair."""
    H, W = L.shape
    A = np.eye(H * W)
    for y in range(H):
        for x in range(W):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < H and u < W:
                    w = smoothness * np.exp(-((L[y, x] - L[v, u]) ** 2) / (2 * contrast**2))
                    r, s = y * W + x, v * W + u
                    A[r, r] += w
                    A[s, s] += w
                    A[r, s] -= w
                    A[s, r] -= w
    return A


def test_the_objective_is_the_sum_over_pairs():
    L = np.random.default_rng(1).uniform(0, 20, (4, 7)).astype(np.float32)
    A = objective(L, 3.0, 5.0).toarray()
    np.testing.assert_allclose(A, dense_objective(L.astype(np.float64), 3.0, 5.0), rtol=1e-9)


def test_its_solution_is_the_minimum_of_the_energy():
    random = np.random.default_rng(2)
    L, t = random.uniform(0, 20, (4, 7)), random.normal(size=(28, 2))

    def energy(c):
        planes = c.reshape(4, 7, 2)
        total = ((c - t) ** 2).sum()
        for axis in (0, 1):
            w = np.exp(-(np.diff(L, axis=axis) ** 2) / (2 * 5.0**2))
            total += 3.0 * (w[..., None] * np.diff(planes, axis=axis) ** 2).sum()
        return total

    c = conjugate_gradients(objective(L, 3.0, 5.0), t, 1e-10)
    for _ in range(20):
        assert energy(c) < energy(c + 1e-3 * random.normal(size=c.shape))


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-9])
def test_conjugate_gradients_reach_their_tolerance(tolerance):
    random = np.random.default_rng(3)
    A = objective(random.uniform(0, 30, (13, 17)))
    b = random.normal(size=(13 * 17, 3)) * (1, 100, 0)
    x = conjugate_gradients(A, b, tolerance)
    residual, length = (np.linalg.norm(v, axis=0) for v in (b - A @ x, b))
    assert (residual <= tolerance * length + 1e-12).all()
    assert (residual[:2] > 1e-4 * tolerance * length[:2]).all()  # and do not go on for nothing
    assert not x[:, 2].any()
    exact = np.linalg.solve(A.toarray(), b)
    assert np.abs(x - exact).max() <= 30 * tolerance * np.abs(b).max()


def test_conjugate_gradients_tell_when_they_do_not_arrive():
    A = objective(np.random.default_rng(3).uniform(0, 30, (13, 17)))
    with pytest.raises(ConvergenceError, match="^conjugate gradients: not at 1e-05 after 2 steps$"):
        conjugate_gradients(A, np.random.default_rng(4).normal(size=(221, 2)), most=2)


def test_features_look_at_the_right_places():
    """A pixel's own L comes first; a bright dot is seen on the circle, and at no other border."""
    L = np.zeros((41, 53), np.float32)
    L[20, 26] = 90
    planes = features(L).reshape(41, 53, -1)
    assert planes.dtype == np.float32
    np.testing.assert_array_equal(planes[..., 0], L)
    np.testing.assert_allclose(planes[3, :, -1], (np.arange(53) + 0.5) / 53, rtol=1e-6)
    np.testing.assert_allclose(planes[:, 7, -2], (np.arange(41) + 0.5) / 41, rtol=1e-6)
    ring = planes[..., -10:-2]
    seen_from = [np.unravel_index(ring[..., i].argmax(), L.shape) for i in range(8)]
    assert seen_from[0] == (20, 26 - 14)  # its first point lies 14 pixels to the right
    assert seen_from[2] == (20 - 14, 26)
    assert seen_from[4] == (20, 26 + 14)


def test_features_of_orientation_tell_up_from_down():
    L = np.zeros((31, 43), np.float32)
    L[15:] = 50
    daisy = features(L).reshape(31, 43, -1)[15, 20, 11:15]
    assert daisy[1] > 1  # brighter downwards
    np.testing.assert_allclose(daisy[[0, 2, 3]], 0, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 2)])
def test_features_of_tiny_images(size):
    assert np.isfinite(features(np.full(size, 40, np.float32))).all()


def test_the_histogram_is_that_of_the_references():
    random = np.random.default_rng(5)
    wanted = random.normal(size=(3000, 2)) * (20, 3) + (5, -40)
    ab = random.uniform(-1, 1, (2000, 2))
    moved = match_histogram(ab, wanted)
    for channel in range(2):
        order = np.argsort(ab[:, channel])
        assert (np.diff(moved[order, channel]) >= 0).all()
        quantiles = [np.quantile(x[:, channel], (0.1, 0.3, 0.5, 0.9)) for x in (moved, wanted)]
        np.testing.assert_allclose(*quantiles, atol=0.5)
    even = match_histogram(np.full((50, 2), 7.0), wanted)
    assert len(np.unique(even[:, 0])) == 1


@needs_trees
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_scene_is_coloured_like_its_neighbour(dtype):
    reference = scene(90, 130).astype(dtype) * (257 if dtype == np.uint16 else 1)
    target = scene(60, 88, shift=4)
    L = lightness(target)
    ab = colour_by_example("deshpande", L, [reference])
    assert (ab.shape, ab.dtype) == ((2, 60, 88), np.float32)
    grey = psnr(paint(L, np.zeros_like(ab), np.uint8), target)
    assert psnr(paint(L, ab, np.uint8), target) > grey + 6


@needs_trees
def test_a_reference_of_one_colour_gives_that_colour():
    rgb = np.full((20, 33, 3), (170, 90, 60), np.uint8)
    L = np.full((15, 12), lightness(rgb)[0, 0], np.float32)
    result = paint(L, Deshpande([rgb])(L), np.uint8)
    np.testing.assert_allclose(result.astype(int), np.broadcast_to(rgb[0, 0], (15, 12, 3)), atol=1)


@needs_trees
def test_the_trees_are_those_of_the_paper_and_the_loop_converges():
    """More rounds come nearer to the colours of the reference itself."""
    rgb = scene(70, 96)
    method = Deshpande([rgb])
    assert len(method.trees) == 8
    for tree in method.trees:
        assert tree.get_depth() <= 60
        assert tree.tree_.n_node_samples.min() >= 100
    L = lightness(rgb)
    quality = []
    for rounds in (1, 3, 8):
        method.trees, kept = method.trees[:rounds], method.trees
        quality.append(psnr(paint(L, method(L), np.uint8), rgb))
        method.trees = kept
    assert quality[0] + 1 < quality[1] < quality[2]


@needs_trees
def test_several_references_and_the_same_colours_each_time():
    L = lightness(scene(40, 50))
    references = [scene(40, 56), scene(44, 50, shift=3)]
    first, second = (learn("deshpande", references)(L) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - learn("deshpande", references[:1])(L)).max() > 0.1


@needs_trees
def test_the_correction_brings_the_colours_of_the_reference():
    reference, L = scene(60, 88), lightness(scene(50, 66, shift=5))
    plain, matched = (learn("deshpande", [reference], flag)(L) for flag in (False, True))
    wanted = module._example(module.reference_Lab(reference, 2**16)).ab
    for channel in range(2):
        goal, near, far = (x.std() for x in (wanted[:, channel], matched[channel], plain[channel]))
        assert abs(near - goal) < abs(far - goal)


@needs_trees
def test_a_large_image_is_coloured_smaller(monkeypatch):
    monkeypatch.setattr(module, "PIXELS", 1000)
    rgb = scene(60, 88)
    L = lightness(rgb)
    ab = Deshpande([rgb])(L)
    assert ab.shape == (2, 60, 88)
    assert psnr(paint(L, ab, np.uint8), rgb) > 20


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    message = "^deshpande needs scikit-learn: pip install scikit-learn$"
    with pytest.raises(MissingLibrary, match=message):
        learn("deshpande", [scene(8, 9)])

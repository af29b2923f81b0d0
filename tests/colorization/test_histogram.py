import doctest

import numpy as np
import pytest

from colorization import histogram
from colorization.colour import sRGB_to_Lab
from colorization.histogram import (
    Q,
    ab_pairs,
    annealed_mean,
    decode,
    expectation,
    mode,
    sample,
    soft_encode,
    soft_encode_sparse,
    subsample,
)

SHAPE = (3, 5, 7)  # N, H, W


def naive_encode(ab: np.ndarray, k: int, sigma: float) -> np.ndarray:
    """Encode pixel by pixel, from the distances to all pairs."""
    N, _, H, W = ab.shape
    out = np.zeros((N, Q, H, W), ab.dtype)
    pairs = ab_pairs().astype(ab.dtype)
    for n, y, x in np.ndindex(N, H, W):
        difference = ab[n, :, y, x].clip(-110, 110) - pairs
        squared = difference[:, 0] ** 2 + difference[:, 1] ** 2
        nearest = np.argsort(squared, kind="stable")[:k]
        weights = np.exp((squared[nearest[0]] - squared[nearest]) / (2 * sigma**2))
        out[n, nearest, y, x] = weights / weights.sum()
    return out


def as_blob(points: np.ndarray) -> np.ndarray:
    """Return points (P, 2) as ab (1, 2, 1, P)."""
    return np.asarray(points, np.float64).T[None, :, None]


def all_centres() -> np.ndarray:
    return as_blob(ab_pairs())


def edges_of_cells() -> np.ndarray:
    """Corners and sides of the squares of the table, and points a rounding away from them."""
    rng = np.random.default_rng(3)
    corners = rng.integers(-23, 24, (300, 2)) * 5.0
    sides = corners.copy()
    sides[:, 0] = rng.uniform(-110, 110, 300)
    near = np.nextafter(corners.astype(np.float32), np.float32(0))
    return as_blob(np.concatenate([corners, sides, near]))


def scattered() -> np.ndarray:
    """Points of the whole range and far outside it."""
    rng = np.random.default_rng(4)
    inside = rng.uniform(-110, 110, (900, 2))
    outside = rng.uniform(-1000, 1000, (100, 2))
    return as_blob(np.concatenate([inside, outside, [[0, 1e6], [-1e6, 1e6], [110, 110]]]))


def gamut_ab(*shape: int) -> np.ndarray:
    """Return ab (N, 2, H, W) of random sRGB colours, for the shape N, H, W."""
    rgb = np.random.default_rng(5).random((shape[0], 3) + shape[1:])
    return sRGB_to_Lab(rgb, axis=1)[:, 1:]


def some_distributions() -> np.ndarray:
    """Distributions with many zeros and a wide range of values."""
    rng = np.random.default_rng(6)
    p = rng.random((SHAPE[0], Q) + SHAPE[1:]) ** 8
    p[rng.random(p.shape) < 0.5] = 0
    return p / p.sum(axis=1, keepdims=True)


def test_doctests():
    assert doctest.testmod(histogram).failed == 0


def test_pairs_are_ordered_and_read_only():
    pairs = ab_pairs()
    assert pairs.shape == (Q, 2) and pairs.dtype == np.float32
    assert pairs.tolist() == sorted(pairs.tolist())
    assert not (pairs % 10).any()
    with pytest.raises(ValueError):
        pairs[0] = 0


@pytest.mark.parametrize("points", [scattered, edges_of_cells, all_centres])
@pytest.mark.parametrize("k, sigma", [(5, 5.0), (1, 5.0), (10, 12.5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_encoding_finds_the_nearest_pairs(library, points, k, sigma, dtype):
    ab = points().astype(dtype)
    got = library.host(soft_encode(library.array(ab, dtype), k, sigma), dtype)
    np.testing.assert_allclose(got, naive_encode(ab, k, sigma), rtol=0, atol=2e-6)


def test_encoding_of_blobs(library):
    ab = gamut_ab(*SHAPE).astype(np.float32)
    got = library.host(soft_encode(library.array(ab)))
    np.testing.assert_allclose(got, naive_encode(ab, 5, 5.0), rtol=0, atol=2e-6)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-6)


def test_of_pairs_equally_near_the_lower_index_is_taken(library):
    """(5, 5) has four pairs at 7.1 and eight at 15.8, of which (-10, 0) comes first."""
    got = library.host(soft_encode(library.array(as_blob([[5, 5]]))))
    assert set(map(tuple, ab_pairs()[got.ravel() > 0])) == {
        (0, 0),
        (0, 10),
        (10, 0),
        (10, 10),
        (-10, 0),
    }


def test_sparse_encoding_is_the_dense_one(library):
    ab = library.array(gamut_ab(*SHAPE))
    pairs, weights = soft_encode_sparse(ab, k=5)
    pairs, weights = library.host(pairs, np.int64), library.host(weights)
    assert (np.diff(pairs, axis=1) > 0).all()
    assert ((weights > 0).sum(axis=1) == 5).all()
    dense = library.host(soft_encode(ab, k=5))
    np.testing.assert_array_equal(np.take_along_axis(dense, pairs, axis=1), weights)
    assert (dense > 0).sum() == (weights > 0).sum()


@pytest.mark.parametrize("k", [0, 314])
def test_k_is_checked(k):
    with pytest.raises(ValueError, match=f"^k: expected 1 to 313 pairs, got {k}$"):
        soft_encode(gamut_ab(*SHAPE), k)


def test_sigma_is_checked():
    with pytest.raises(ValueError, match="^sigma: expected a number above 0, got 0$"):
        soft_encode(gamut_ab(*SHAPE), sigma=0)


@pytest.mark.parametrize(
    "function, name, channels", [(soft_encode, "ab", 2), (mode, "histogram", Q)]
)
def test_shapes_are_checked(library, function, name, channels):
    with pytest.raises(ValueError) as error:
        function(library.array(np.zeros((2, 4, 5, 6))))
    assert str(error.value) == f"{name}: expected (N, {channels}, H, W), got (2, 4, 5, 6)"


@pytest.mark.parametrize(
    "method, bias", [("mode", 0), ("annealed_mean", 0.06), ("expectation", 1.4)]
)
def test_a_pair_decodes_to_itself_up_to_the_bias_at_the_border(library, method, bias):
    """Neighbours lie evenly around the 251 inner pairs; at the border they pull inwards."""
    centres = all_centres()
    got = library.host(decode(soft_encode(library.array(centres)), method))
    error = np.abs(got - centres).max(axis=(0, 1, 2))
    assert bias / 2 <= error.max() <= bias
    assert (error < 1e-4).sum() >= 251


@pytest.mark.parametrize(
    "method, limit", [("expectation", 0.8), ("annealed_mean", 2.8), ("mode", 7.1)]
)
def test_colours_of_the_gamut_come_back(library, method, limit):
    ab = gamut_ab(4, 40, 50)
    got = library.host(decode(soft_encode(library.array(ab)), method))
    distance = np.hypot(*np.moveaxis(got - ab, 1, 0))
    assert limit / 2 < distance.max() < limit


def test_expectation_is_the_sum_over_the_pairs(library):
    p = some_distributions()
    got = library.host(expectation(library.array(p)))
    expected = (p[:, :, None] * ab_pairs()[:, :, None, None]).sum(axis=1)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


def test_mode_is_the_pair_of_the_largest_probability(library):
    p = some_distributions()
    p[0, 17, 1, 2], p[1, 255, 4, 6] = 2, 2
    got = library.host(mode(library.array(p)))
    np.testing.assert_array_equal(got[0, :, 1, 2], ab_pairs()[17])
    np.testing.assert_array_equal(got[1, :, 4, 6], ab_pairs()[255])


def test_mode_of_equal_probabilities_is_the_lower_index(library):
    p = np.zeros((2, Q, 3, 4))
    p[:, [30, 200, 310]] = 1 / 3
    got = library.host(mode(library.array(p)))
    np.testing.assert_array_equal(got, np.broadcast_to(ab_pairs()[30, :, None, None], got.shape))


def test_annealed_mean_is_the_softmax_of_log_p_over_T(library):
    p = some_distributions()
    with np.errstate(divide="ignore"):
        x = np.log(p) / 0.38
    softmax = np.exp(x - x.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    got = library.host(annealed_mean(library.array(p), 0.38))
    np.testing.assert_allclose(got, expectation(softmax), rtol=0, atol=1e-3)


def test_annealed_mean_goes_from_expectation_to_mode(library):
    p = library.array(some_distributions())
    at_one, at_zero = (library.host(annealed_mean(p, T)) for T in (1.0, 1e-6))
    np.testing.assert_allclose(at_one, library.host(expectation(p)), rtol=0, atol=1e-4)
    np.testing.assert_allclose(at_zero, library.host(mode(p)), rtol=0, atol=1e-3)


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_temperature_is_checked(temperature):
    with pytest.raises(ValueError, match="^temperature: expected a number above 0, got "):
        annealed_mean(some_distributions(), temperature)


def test_samples_depend_on_the_seed_alone(library):
    p = some_distributions()
    got = library.host(sample(library.array(p), seed=8))
    np.testing.assert_array_equal(got, sample(p.astype(np.float32), seed=8))
    assert (got != library.host(sample(library.array(p), seed=9))).any()


def test_samples_follow_the_distribution(library):
    p = np.zeros((1, Q, 30, 40))
    p[:, 7], p[:, 300] = 0.75, 0.25
    got = library.host(sample(library.array(p), seed=10))
    first = (got == ab_pairs()[7].reshape(1, 2, 1, 1)).all(axis=1)
    last = (got == ab_pairs()[300].reshape(1, 2, 1, 1)).all(axis=1)
    assert (first | last).all()
    assert abs(first.mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 1200)


@pytest.mark.parametrize("draw", [0.0, np.nextafter(1, 0)])
def test_the_outermost_draws_are_pairs_with_a_probability(library, monkeypatch, draw):
    class Generator:
        def random(self, shape):
            return np.full(shape, draw)

    p = some_distributions()
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Generator())
    p[:, :9], p[:, 300:] = 0, 0
    got = library.host(sample(library.array(p), seed=1))
    allowed = {tuple(pair) for pair in ab_pairs()[9:300]}
    assert set(map(tuple, np.moveaxis(got, 1, -1).reshape(-1, 2))) <= allowed


def test_decode_hands_on_its_options(library):
    p = library.array(some_distributions())
    for got, expected in [
        (decode(p), annealed_mean(p, 0.38)),
        (decode(p, temperature=0.7), annealed_mean(p, 0.7)),
        (decode(p, "sample", seed=3), sample(p, 3)),
    ]:
        np.testing.assert_array_equal(library.host(got), library.host(expected))


def test_unknown_methods_are_refused():
    with pytest.raises(ValueError) as error:
        decode(some_distributions(), "mean")
    assert str(error.value) == (
        'method: expected one of expectation, mode, sample, annealed_mean, got "mean"'
    )


def test_subsample_takes_every_fourth_pixel(library):
    ab = np.random.default_rng(11).random((3, 2, 9, 13))
    got = library.host(subsample(library.array(ab)))
    np.testing.assert_array_equal(got, ab[:, :, [0, 4, 8]][..., [0, 4, 8, 12]].astype(np.float32))


def test_subsample_averages_blocks(library):
    ab = np.random.default_rng(12).random((3, 2, 4, 6))
    got = library.host(subsample(library.array(ab), stride=2, average=True))
    assert got.shape == (3, 2, 2, 3)
    np.testing.assert_allclose(got[2, 1, 1, 2], ab[2, 1, 2:4, 4:6].mean(), rtol=1e-6)


@pytest.mark.parametrize(
    "stride, message",
    [
        (0, "stride: expected 1 or more, got 0"),
        (4, "ab: 8x6 pixels do not divide into blocks of 4x4"),
    ],
)
def test_subsample_checks_the_stride(stride, message):
    with pytest.raises(ValueError) as error:
        subsample(np.zeros((1, 2, 8, 6)), stride, average=True)
    assert str(error.value) == message

import doctest

import numpy as np
import pytest

from colorization import rebalancing
from colorization.histogram import Q, soft_encode
from colorization.rebalancing import (
    PriorAccumulator,
    class_weights,
    load_prior,
    pixel_weights,
    save_prior,
)


def some_prior() -> np.ndarray:
    """A steep prior with pairs that were never seen."""
    r = np.random.default_rng(1).random(Q) ** 12
    r[40:90] = 0
    return r / r.sum()


def some_histogram(*shape: int) -> np.ndarray:
    """Return encoded colours for the shape N, H, W."""
    ab = np.random.default_rng(2).uniform(-80, 80, (shape[0], 2) + shape[1:])
    return soft_encode(ab)


def test_doctests():
    assert doctest.testmod(rebalancing).failed == 0


def test_prior_is_the_mean_over_all_pixels(library):
    batches = [some_histogram(3, 5, 7), some_histogram(2, 4, 6)]
    accumulator = PriorAccumulator()
    for batch in batches:
        accumulator.update(library.array(batch))
        library.host(accumulator.sums, np.float64)
    pixels = np.concatenate([np.moveaxis(batch, 1, 0).reshape(Q, -1) for batch in batches], axis=1)
    prior = accumulator.mean()
    assert prior.dtype == np.float64
    np.testing.assert_allclose(prior, pixels.mean(axis=1), rtol=0, atol=1e-8)
    assert prior.sum() == pytest.approx(1, abs=1e-7)


def test_the_mean_of_nothing_is_refused():
    with pytest.raises(ValueError, match="^prior: no histogram was added$"):
        PriorAccumulator().mean()


@pytest.mark.parametrize("lam", [0.1, 0.5, 1])
def test_the_expected_weight_is_one(lam):
    r = some_prior()
    assert (r * class_weights(r, lam)).sum() == pytest.approx(1)


def test_weights_are_inverse_to_the_mixture():
    r = some_prior()
    w = class_weights(r, 0.3)
    np.testing.assert_allclose(w * (0.7 * r + 0.3 / 313), (w * (0.7 * r + 0.3 / 313))[0])


def test_a_uniform_prior_weighs_all_alike():
    np.testing.assert_allclose(class_weights(np.full(Q, 1 / Q)), 1)


@pytest.mark.parametrize(
    "lam, message",
    [
        (1.5, "lam: expected a number in 0..1, got 1.5"),
        (0, "lam: 0 leaves pairs that were never seen without a finite weight"),
    ],
)
def test_lam_is_checked(lam, message):
    with pytest.raises(ValueError) as error:
        class_weights(some_prior(), lam)
    assert str(error.value) == message


def test_pixel_weights_are_looked_up_at_the_nearest_pair(library):
    P = some_histogram(3, 5, 7)
    w = np.random.default_rng(3).random(Q)
    got = library.host(pixel_weights(library.array(P), w))
    assert got.shape == (3, 1, 5, 7)
    for n, y, x in np.ndindex(3, 5, 7):
        assert got[n, 0, y, x] == np.float32(w[np.argmax(P[n, :, y, x])])


def test_the_mean_pixel_weight_of_the_training_set_is_about_one():
    """Not exactly: the prior counts soft encodings, the weight is that of the nearest pair."""
    P = some_histogram(6, 40, 50)
    accumulator = PriorAccumulator()
    accumulator.update(P)
    v = pixel_weights(P, class_weights(accumulator.mean()))
    assert v.mean() == pytest.approx(1, abs=0.05)


def test_priors_are_saved_and_loaded(tmp_path):
    r = some_prior()
    save_prior(tmp_path / "film_train_priors.npy", r)
    np.testing.assert_array_equal(load_prior(tmp_path / "film_train_priors.npy"), r)
    assert [path.name for path in tmp_path.iterdir()] == ["film_train_priors.npy"]


NEGATIVE = np.full(Q, 1 / (Q - 2))
NEGATIVE[0] = -1 / (Q - 2)


@pytest.mark.parametrize(
    "prior, message",
    [
        (np.ones((Q, 1)) / Q, "expected a prior (313,) of float64, got (313, 1) of float64"),
        (
            np.ones(Q, np.float32) / np.float32(Q),
            "expected a prior (313,) of float64, got (313,) of float32",
        ),
        (
            np.ones(Q),
            "expected a prior of numbers >= 0 with sum 1, got minimum 1 and sum 313",
        ),
        (
            NEGATIVE,
            "expected a prior of numbers >= 0 with sum 1, got minimum -0.00321543 and sum 1",
        ),
        (
            np.full(Q, np.nan),
            "expected a prior of numbers >= 0 with sum 1, got minimum nan and sum nan",
        ),
    ],
)
def test_priors_are_checked(tmp_path, prior, message):
    path = tmp_path / "prior.npy"
    np.save(path, prior)
    with pytest.raises(ValueError) as error:
        load_prior(path)
    assert str(error.value) == f"{path}: {message}"
    with pytest.raises(ValueError) as error:
        save_prior(path, prior)
    assert str(error.value) == f"{path}: {message}"
    assert [path.name for path in tmp_path.iterdir()] == ["prior.npy"]


@pytest.mark.parametrize("content", [b"", b"r,w\n1,2\n", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "prior.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        load_prior(path)
    assert str(error.value).startswith(f"{path}: not a .npy file of numbers (")

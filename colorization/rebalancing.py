"""Class rebalancing: rare colours weigh more in the loss (thesis, section 5.3).

The prior r (313,) is the mean histogram of a training set, in float64, and sums to 1. It is kept
in `shared_resources/<dataset>_train_priors.npy`.
"""

from __future__ import annotations

import os

import numpy as np

from colorization.array_namespace import Array, array_namespace, asarray_like
from colorization.files import replacing
from colorization.histogram import Q

SUM_TOLERANCE = 1e-6  # how far the sum of a prior may be from 1


class PriorAccumulator:
    """The mean histogram of a training set, taken batch by batch.

    The sums are float64 and stay in the library and on the device of the batches.
    """

    def __init__(self) -> None:
        self.sums: Array = 0.0
        self.pixels = 0

    def update(self, histogram: Array) -> None:
        """Add the pixels of a batch of encoded colours (N, 313, H, W)."""
        xp = array_namespace(histogram)
        self.sums = self.sums + histogram.sum(axis=(0, 2, 3), dtype=xp.float64)
        self.pixels += histogram.shape[0] * histogram.shape[2] * histogram.shape[3]

    def mean(self) -> np.ndarray:
        """Return the prior (313,) in float64, on the host; ValueError before the first pixel."""
        if not self.pixels:
            raise ValueError("prior: no histogram was added")
        return np.array(self.sums.tolist()) / self.pixels


def class_weights(prior: np.ndarray, lam: float = 0.5) -> np.ndarray:
    """Return the weight w (313,) of each ab pair, float64, for a prior r (313,).

    w is proportional to 1 / ((1 - lam) r + lam / 313), scaled so that sum_q r_q w_q = 1 (thesis,
    equation 5.4). lam lies in 0..1, and is above 0 if some r is 0 (ValueError).

    >>> prior = np.full(313, 0.5 / 312)
    >>> prior[100] = 0.5
    >>> w = class_weights(prior)
    >>> float((prior * w).sum().round(12)), float((w[0] / w[100]).round(1))
    (1.0, 104.9)
    """
    if not 0 <= lam <= 1:
        raise ValueError(f"lam: expected a number in 0..1, got {lam}")
    mixture = (1 - lam) * prior + lam / Q
    if not mixture.all():
        raise ValueError("lam: 0 leaves pairs that were never seen without a finite weight")
    return 1 / mixture / (prior / mixture).sum()


def pixel_weights(histogram: Array, weights: np.ndarray) -> Array:
    """Return v = w[argmax_q P_q] (N, 1, H, W) of encoded colours P (N, 313, H, W).

    That is the weight of the pair nearest to each pixel's colour (thesis, equation 5.3).
    """
    return asarray_like(weights, histogram)[histogram.argmax(1)[:, None]]


def save_prior(path: str | os.PathLike, prior: np.ndarray) -> None:
    """Write a prior as .npy; what `load_prior` would refuse is a ValueError."""
    _check(prior, path)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, prior, allow_pickle=False)


def load_prior(path: str | os.PathLike) -> np.ndarray:
    """Return a prior (313,) in float64; ValueError if the file holds anything else."""
    try:
        prior = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a .npy file of numbers ({error})") from error
    _check(prior, path)
    return prior


def _check(prior: np.ndarray, path: str | os.PathLike) -> None:
    if prior.shape != (Q,) or prior.dtype != np.float64:
        raise ValueError(
            f"{path}: expected a prior ({Q},) of float64, got {prior.shape} of {prior.dtype}"
        )
    total = prior.sum()
    if not (prior.min() >= 0 and abs(total - 1) <= SUM_TOLERANCE):
        raise ValueError(
            f"{path}: expected a prior of numbers >= 0 with sum 1, got minimum {prior.min():g} "
            f"and sum {total:g}"
        )

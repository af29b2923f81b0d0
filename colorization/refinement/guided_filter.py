"""Colours that follow L: the guided filter, for film with shades rather than even regions."""

from __future__ import annotations

import cv2
import numpy as np

RADIUS = 1 / 50  # of the window, as a share of the shorter side
EPSILON = 3e-3  # variance of L / 100 below which a window counts as even


def guided_filter(
    L: np.ndarray, ab: np.ndarray, radius: int | None = None, epsilon: float = EPSILON
) -> np.ndarray:
    """Return new ab (2, H, W), float32, that in each small window is a linear function of L.

    K. He, J. Sun, X. Tang 2010, "Guided image filtering", with I = L / 100 as the guide: in every
    window of 2 radius + 1 pixels each way p = a or b is fitted by

        alpha I + beta,   alpha = cov(I, p) / (var I + epsilon),   beta = mean p - alpha mean I,

    and a pixel takes the mean of the fits of all windows that it lies in. So colours are even where
    L is even, and keep their edges where L has edges. `radius` None is RADIUS of the shorter side.
    """
    side = radius or max(1, round(RADIUS * min(L.shape)))
    guide = (L / 100).astype(np.float32)
    mean = _mean(guide, side)
    variance = _mean(guide**2, side) - mean**2
    return np.stack([_fitted(guide, mean, variance + epsilon, plane, side) for plane in ab])


def _fitted(
    guide: np.ndarray, mean: np.ndarray, variance: np.ndarray, p: np.ndarray, radius: int
) -> np.ndarray:
    p = p.astype(np.float32, copy=False)
    mean_p = _mean(p, radius)
    alpha = (_mean(guide * p, radius) - mean * mean_p) / variance
    beta = mean_p - alpha * mean
    return _mean(alpha, radius) * guide + _mean(beta, radius)


def _mean(plane: np.ndarray, radius: int) -> np.ndarray:
    """Return the mean over the window about each pixel; the image is mirrored at its border."""
    return cv2.blur(plane, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT)

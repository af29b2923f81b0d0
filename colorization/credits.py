"""Frames that show credits: white text on saturated blue (thesis, section 4.1.3)."""

from __future__ import annotations

from colorsys import rgb_to_hsv

import cv2
import numpy as np

BLUE_HUE, BLUE_SATURATION = (190, 260), 250 / 255  # degrees; of 0..1, at least
WHITE_HUE, WHITE_SATURATION = (190, 250), 120 / 255  # degrees; of 0..1, at most
BLUE_SHARE = 0.8  # of the pixels, at least

_STEP = 4  # every 4th pixel across and down is clustered: 4096 of a frame of 256x256
_GLANCE = 8  # every 8th is looked at to see whether clustering is worth while
_GLANCE_SATURATION = 0.8  # well below BLUE_SATURATION, as a median differs from a mean
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 20, 0.1)


def is_credits(image: np.ndarray) -> bool:
    """Tell whether an RGB image (H, W, 3), uint8, shows credits: confidence above 0.8."""
    return credits_confidence(image) > BLUE_SHARE


def credits_confidence(image: np.ndarray) -> float:
    """Return the share of an RGB image (H, W, 3), uint8, that is the blue ground of credits.

    The pixels' colours are clustered in two. If the larger cluster's mean has a hue of 190 to 260
    degrees and a saturation of at least 250 / 255, and the other's a hue of 190 to 250 degrees and
    a saturation of at most 120 / 255, the result is the larger one's share of the pixels; otherwise
    0. The value of HSV is left out, so that a fade to black, which scales all colours, changes
    nothing. Where the saturation is 0 there is no hue, and that condition holds. (Thesis, section
    4.1.3, which asks for a confidence and for a share above 0.8.)
    """
    if not _is_blue(np.median(_pixels(image, _GLANCE), axis=0), _GLANCE_SATURATION):
        return 0.0
    centroids, shares = two_means(_pixels(image, _STEP))
    blue = int(shares.argmax())
    if _is_blue(centroids[blue], BLUE_SATURATION) and _is_white(centroids[1 - blue]):
        return float(shares[blue])
    return 0.0


def two_means(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cluster points (n, d) in two; return the centroids (2, d), float32, and their shares (2,).

    k-means from one start: the points are cut in two halfway between the outermost along the axis
    of their largest variance. So the same points always give the same clusters. Points that are
    all equal are one cluster; the other has the same centroid and the share 0.
    """
    points = np.ascontiguousarray(points, np.float32)
    offsets = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(offsets.T @ offsets)
    along = offsets @ axes[:, -1]
    labels = (along > (along.min() + along.max()) / 2).astype(np.int32)
    if not labels.any():
        return np.stack((points[0], points[0])), np.array([1.0, 0.0])
    _, labels, centroids = cv2.kmeans(points, 2, labels, _STOP, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    return centroids, np.bincount(labels.ravel(), minlength=2) / len(points)


def _pixels(image: np.ndarray, step: int) -> np.ndarray:
    return image[step // 2 :: step, step // 2 :: step].reshape(-1, 3)


def _is_blue(colour: np.ndarray, least_saturation: float) -> bool:
    hue, saturation = _hue_and_saturation(colour)
    return BLUE_HUE[0] <= hue <= BLUE_HUE[1] and saturation >= least_saturation


def _is_white(colour: np.ndarray) -> bool:
    hue, saturation = _hue_and_saturation(colour)
    return saturation == 0 or (
        WHITE_HUE[0] <= hue <= WHITE_HUE[1] and saturation <= WHITE_SATURATION
    )


def _hue_and_saturation(colour: np.ndarray) -> tuple[float, float]:
    """Return the hue in degrees and the saturation in 0..1 of an RGB colour."""
    hue, saturation, _ = rgb_to_hsv(*map(float, colour))
    return 360 * hue, saturation

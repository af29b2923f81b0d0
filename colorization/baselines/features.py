"""What a pixel's neighbourhood in L looks like, as numbers."""

from __future__ import annotations

import cv2
import numpy as np

SMOOTHING = (1.0, 2.0, 4.0, 8.0)  # pixels, the sigma of Gaussians
WINDOWS = (5, 17, 33)  # pixels, the sides of squares
ORIENTATIONS = 4
DAISY_SMOOTHING, DAISY_RADIUS, DAISY_PETALS = 3.0, 8, 4  # pixels, pixels, points on the circle
RING_SMOOTHING, RING_RADIUS, RING_POINTS = 2.0, 14, 8


def local_deviation(L: np.ndarray, side: int = 5) -> np.ndarray:
    """Return the standard deviation (H, W), float64, of L in the square of `side` about each pixel.

    Beyond the border the image is mirrored, its outermost pixels included.
    """
    centred = L.astype(np.float64) - L.mean(dtype=np.float64)  # which leaves fewer digits to cancel
    return np.sqrt(np.maximum(_mean(centred**2, side) - _mean(centred, side) ** 2, 0))


def features(L: np.ndarray) -> np.ndarray:
    """Return the features (H W, F), float32, of the pixels of L (H, W), row by row.

    Of each pixel: L; L under Gaussians of SMOOTHING; the size of its gradient under the first three
    of them; the standard deviation of L in squares of WINDOWS; a small DAISY (Tola et al. 2010):
    gradients along ORIENTATIONS directions, each cut at 0 and smoothed, at the pixel and on a
    circle about it; L on a wider circle; and where it lies in the image, 0 to 1 down and across.
    Beyond the border the outermost pixels go on.
    """
    L = L.astype(np.float32)
    smooth = [_blur(L, sigma) for sigma in SMOOTHING]
    planes = [L, *smooth]
    planes += [np.hypot(*_gradient(plane)) for plane in smooth[:3]]
    planes += [local_deviation(L, side) for side in WINDOWS]
    planes += _daisy(smooth[0])
    planes += _circle(_blur(L, RING_SMOOTHING), RING_RADIUS, RING_POINTS)
    planes += list(np.meshgrid(*map(_centres, L.shape), indexing="ij"))
    return np.stack([plane.ravel() for plane in planes], axis=1).astype(np.float32)


def _daisy(L: np.ndarray) -> list[np.ndarray]:
    down, right = _gradient(L)
    angles = np.arange(ORIENTATIONS) * (2 * np.pi / ORIENTATIONS)
    directions = [np.sin(angle) * down + np.cos(angle) * right for angle in angles]
    maps = [_blur(plane.clip(0, None).astype(np.float32), DAISY_SMOOTHING) for plane in directions]
    petals = [_circle(plane, DAISY_RADIUS, DAISY_PETALS) for plane in maps]
    return maps + [plane for circle in petals for plane in circle]


def _circle(plane: np.ndarray, radius: int, points: int) -> list[np.ndarray]:
    """Return for points on a circle the plane moved so that each pixel holds what lies there."""
    H, W = plane.shape
    padded = np.pad(plane, radius, mode="edge")
    angles = np.arange(points) * (2 * np.pi / points)
    places = np.rint(radius + radius * np.stack([np.sin(angles), np.cos(angles)], 1)).astype(int)
    return [padded[y : y + H, x : x + W] for y, x in places]


def _gradient(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return central differences down and across, per pixel."""
    padded = np.pad(plane, 1, mode="edge")
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    return down, (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2


def _centres(length: int) -> np.ndarray:
    return (np.arange(length) + 0.5) / length


def _mean(plane: np.ndarray, side: int) -> np.ndarray:
    return cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)


def _blur(plane: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)

"""Images at other sizes, and the sizes at which they have at most so many pixels a side."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

FRAME_SIZE = 256  # pixels each way; the networks train on crops of 224 (thesis, section 7.4)


def resized(image: np.ndarray, width: int = FRAME_SIZE, height: int = FRAME_SIZE) -> np.ndarray:
    """Return an image (H, W, 3) at another size: area averages downwards, bicubic upwards."""
    shrinks = width * height < image.shape[0] * image.shape[1]
    return cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )


def averaged(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image by area averages at the size (H, W); the image itself if that is its own."""
    if image.shape[:2] == size:
        return image
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)


def bounded(image: np.ndarray, side: int) -> np.ndarray:
    """Return an image whose longer side is at most `side` pixels, shrunk by area averages."""
    size = image.shape[:2]
    return averaged(image, _scaled(size, side / max(size)))


def short_side_within(size: Sequence[int], side: int) -> tuple[int, int]:
    """Return the size (H, W) of an image, shrunk to a shorter side of at most `side` pixels."""
    return _scaled(size, side / min(size))


def _scaled(size: Sequence[int], scale: float) -> tuple[int, int]:
    H, W = (max(1, round(length * min(1.0, scale))) for length in size)
    return H, W

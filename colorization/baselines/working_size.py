"""Working on a bounded number of pixels, and taking the colours to an image's own size."""

from __future__ import annotations

import cv2
import numpy as np

from colorization.colour import sRGB_to_Lab


def working_size(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """Return the size (H, W) itself, or one of its shape with about so many pixels at most.

    >>> working_size((360, 640), 2**16), working_size((20, 30), 2**16)
    ((192, 341), (20, 30))
    """
    H, W = size
    scale = min(1.0, (pixels / (H * W)) ** 0.5)
    return max(1, int(H * scale)), max(1, int(W * scale))


def reference_Lab(rgb: np.ndarray, pixels: int) -> np.ndarray:
    """Return Lab (3, h, w), float32, of a reference (H, W, 3), made smaller where it is too large.

    uint8 or uint16, another array is a ValueError. Made smaller as RGB, by the mean over areas.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"references: expected (H, W, 3), uint8 or uint16, got {rgb.shape}, {rgb.dtype}"
        )
    h, w = working_size(rgb.shape[:2], pixels)
    small = cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA)
    Lab = sRGB_to_Lab(small.astype(np.float32) / np.iinfo(rgb.dtype).max)
    return np.ascontiguousarray(np.moveaxis(Lab, -1, 0))


def enlarge(ab: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return ab (2, h, w) at another size (H, W), interpolated linearly, float32."""
    H, W = size
    planes = [plane.astype(np.float32) for plane in ab]
    return np.stack([cv2.resize(plane, (W, H), interpolation=cv2.INTER_LINEAR) for plane in planes])

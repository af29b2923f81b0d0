"""How near a result is to the original (thesis, section 8.1)."""

from __future__ import annotations

import numpy as np


def psnr(result: np.ndarray, original: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB of two RGB images (H, W, 3), uint8 0..255.

    PSNR = 10 log10(1 / MSE) with RGB in [0, 1] and the mean over all pixels and channels
    (equation 8.3); infinite for equal images. Other shapes are a ValueError.

    >>> psnr(np.zeros((2, 3, 3), np.uint8), np.full((2, 3, 3), 51, np.uint8)).round(2)
    np.float64(13.98)
    """
    if result.shape != original.shape:
        raise ValueError(f"result: expected {original.shape} as the original, got {result.shape}")
    difference = (result.astype(np.float32) - original) / 255
    mean_square = np.square(difference, out=difference).mean(dtype=np.float64)
    return np.inf if mean_square == 0 else -10 * np.log10(mean_square)

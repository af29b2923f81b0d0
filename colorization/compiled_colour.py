"""L of sRGB, and sRGB of Lab, for images of 8 bits: compiled, in one pass over the pixels.

The mathematics is that of `colour`, in float32. What depends on one of 256 levels alone comes from
a table: their linear values, and those at which rounding goes from one level to the next.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import DTypeLike

from colorization.colour import DELTA, RGB_TO_XYZ, XYZ_TO_RGB, X_n, Y_n, Z_n, sRGB_to_linear

_CELLS = 4096  # of linear light; 12.92 * 255 is less, so that no cell holds two thresholds

_CUBE, _TANGENT, _SLOPE = (np.float32(v) for v in (DELTA**3, 4 / 29, 1 / (3 * DELTA**2)))
_ROOT, _BACK = np.float32(DELTA), np.float32(3 * DELTA**2)
_ROOT_BITS = np.int32(0x2A5137A0)  # with a third of the bits of t: its cube root, to 4 %


def lightness(rgb: np.ndarray) -> np.ndarray:
    """Return L (H, W), float32, 0..100, of sRGB (H, W, 3) uint8; to 3e-5."""
    L = np.empty(rgb.shape[:2], np.float32)
    _lightness(_read_only(rgb, np.uint8).reshape(-1, 3), _luminances(), L.reshape(-1))
    return L


def paint(L: np.ndarray, ab: np.ndarray, rgb: np.ndarray) -> None:
    """Write into `rgb` (H, W, 3), uint8, the sRGB of L (H, W) and ab (2, H, W).

    Each channel is that of `Lab_to_sRGB`, clipped and rounded to the nearest of 256 levels, but for
    one in a thousand of random colours, which lies within 0.01 of the middle between two. Where ab
    is 0, the three channels are equal.
    """
    L, a, b = (_read_only(plane, np.float32) for plane in (L, *ab))
    levels, thresholds = _levels()
    _paint(L, a, b, _mixture(), levels, thresholds, rgb)


def _read_only(x: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Return x in a form for which the functions are compiled once: contiguous, not writable."""
    x = np.ascontiguousarray(x, dtype).view()
    x.setflags(write=False)
    return x


@lru_cache(maxsize=1)
def _luminances() -> np.ndarray:
    """Return what each level of R, G and B adds to Y/Y_n, (3, 256) float32."""
    linear = sRGB_to_linear(np.arange(256) / 255)
    return (np.array(RGB_TO_XYZ[1])[:, None] / Y_n * linear).astype(np.float32)


@lru_cache(maxsize=1)
def _mixture() -> np.ndarray:
    """Return the matrix M (3, 2) of RGB = y + M (x - y, z - y), float32; x = X/X_n and so on.

    It is XYZ_TO_RGB with the white point in its columns and its rows brought to a sum of 1 (they
    are off by 3e-5, as D65 is rounded), so that greys are equal in R, G and B to the last bit.
    """
    M = np.array(XYZ_TO_RGB) * (X_n, Y_n, Z_n)
    return (M / M.sum(1, keepdims=True))[:, ::2].astype(np.float32)


@lru_cache(maxsize=1)
def _levels() -> tuple[np.ndarray, np.ndarray]:
    """Return the level (_CELLS + 1) where each cell of linear light begins, and thresholds (256).

    Threshold k is the linear value from which on level k + 1 is nearer than k; that of 255 is
    infinite. A value in cell i is of level k = levels[i], or k + 1 from threshold k on.
    """
    thresholds = np.append(sRGB_to_linear((np.arange(255) + 0.5) / 255), np.inf)
    starts = np.arange(_CELLS + 1) / _CELLS
    levels = np.searchsorted(thresholds, starts, side="right")
    return levels.astype(np.uint8), thresholds.astype(np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _lightness(rgb: np.ndarray, luminances: np.ndarray, L: np.ndarray) -> None:
    """Set L (n): look-ups in one loop, and in another what is computed in vectors."""
    red, green, blue = luminances
    for i in range(len(L)):
        L[i] = red[rgb[i, 0]] + green[rgb[i, 1]] + blue[rgb[i, 2]]
    for i in range(len(L)):
        L[i] = np.float32(116) * _f(L[i]) - np.float32(16)


@njit(cache=True, nogil=True, error_model="numpy")
def _f(t: np.float32) -> np.float32:
    """Return f of `colour.XYZ_to_Lab`; Halley's step, done twice, cubes the error of the root."""
    root = np.int32(np.float32(t).view(np.int32) // np.int32(3) + _ROOT_BITS).view(np.float32)
    for _ in range(2):
        cube = root * root * root
        root *= (cube + t + t) / (cube + cube + t)
    return root if t > _CUBE else t * _SLOPE + _TANGENT


@njit(cache=True, nogil=True, error_model="numpy")
def _paint(
    L: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    mixture: np.ndarray,
    levels: np.ndarray,
    thresholds: np.ndarray,
    rgb: np.ndarray,
) -> None:
    """Set sRGB (H, W, 3), row by row: linear values in vectors, then their look-ups."""
    H, W = L.shape
    linear = np.empty((3, W), np.float32)
    for y in range(H):
        _linear(L[y], a[y], b[y], mixture, linear)
        for c in range(3):
            for x in range(W):
                v = linear[c, x]
                level = levels[int(v * np.float32(_CELLS))]
                rgb[y, x, c] = level + (v >= thresholds[level])


@njit(cache=True, nogil=True, error_model="numpy")
def _linear(
    L: np.ndarray, a: np.ndarray, b: np.ndarray, mixture: np.ndarray, linear: np.ndarray
) -> None:
    """Set linear RGB (3, W), 0..1, of Lab."""
    for i in range(len(L)):
        f_y = (L[i] + np.float32(16)) * np.float32(1 / 116)
        y = _f_inverse(f_y)
        dx = _f_inverse(f_y + a[i] * np.float32(1 / 500)) - y
        dz = _f_inverse(max(f_y - b[i] * np.float32(1 / 200), np.float32(0))) - y
        for c in range(3):
            v = y + mixture[c, 0] * dx + mixture[c, 1] * dz
            v = v if v > np.float32(0) else np.float32(0)  # and 0 for what is no number
            linear[c, i] = v if v < np.float32(1) else np.float32(1)


@njit(cache=True, nogil=True, error_model="numpy")
def _f_inverse(f: np.float32) -> np.float32:
    return f * f * f if f > _ROOT else (f - _TANGENT) * _BACK

"""Lab of sRGB, and sRGB of Lab, and Y'CbCr of sRGB, for images of 8 and 16 bits: compiled.

The mathematics of Lab is that of `colour`, in float32. What depends on one of the levels alone
comes from a table, and the transfer curve of sRGB, where it is a power, from a polynomial.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numba import njit
from numpy.polynomial.chebyshev import cheb2poly, chebinterpolate
from numpy.typing import DTypeLike

from colorization.colour import (
    DELTA,
    RGB_TO_XYZ,
    XYZ_TO_RGB,
    X_n,
    Y_n,
    Z_n,
    linear_to_sRGB,
    sRGB_to_linear,
)

_LEAST = np.float32(1e-30)  # in place of 0 in a denominator
_CUBE, _TANGENT, _SLOPE = (np.float32(v) for v in (DELTA**3, 4 / 29, 1 / (3 * DELTA**2)))
_ROOT, _BACK = np.float32(DELTA), np.float32(3 * DELTA**2)
_WITHIN = np.tile(np.array((255, 255, 0), np.uint8), 1024)  # whether a pixel goes on with a byte
_ROOT_BITS = np.int32(0x2A5137A0)  # with a third of the bits of t: its cube root, to 4 %

# The sRGB level of linear light v above _KNEE, 0..255, plus 1/2, is a polynomial of the fourth root
# of v, to 2e-4; its argument is -1 at _KNEE and 1 at 1. Below, the level is a multiple of v.
_KNEE = np.float32(0.0031308)
_LINE = np.float32(255 * 12.92)
_HALF = (1 - 0.0031308**0.25) / 2
_STRETCH, _SHIFT = np.float32(1 / _HALF), np.float32(1 - 1 / _HALF)
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7 = cheb2poly(
    chebinterpolate(lambda x: 255 * linear_to_sRGB((1 + _HALF * (x - 1)) ** 4) + 0.5, 7)
).astype(np.float32)


def lightness(rgb: np.ndarray) -> np.ndarray:
    """Return L (H, W), float32, 0..100, of sRGB (H, W, 3) or grey (H, W), uint8 or 16; to 3e-5."""
    if rgb.ndim == 3:
        pixels = read_only(rgb, rgb.dtype).reshape(-1, 3)
        if rgb.dtype != np.uint8 or not _is_grey(pixels):
            L = np.empty(rgb.shape[:2], np.float32)
            _lightness(pixels, _luminances(rgb.dtype), L.reshape(-1))
            return L
        rgb = cv2.extractChannel(rgb, 0)
    L = _lightness_of_greys(rgb.dtype)
    return cv2.LUT(rgb, L) if rgb.dtype == np.uint8 else L[rgb]


def to_Lab(rgb: np.ndarray) -> np.ndarray:
    """Return Lab (3, H, W), float32, of sRGB (H, W, 3) uint8 or 16; L to 5e-5, a and b to 1e-3."""
    Lab = np.empty((3, *rgb.shape[:2]), np.float32)
    _to_Lab(_planes(rgb), _linear_levels(rgb.dtype), _to_XYZ(), Lab)
    return Lab


def paint(L: np.ndarray, ab: np.ndarray, planes: np.ndarray) -> None:
    """Write into R, G and B, `planes` (3, H, W) uint8 or 16, the sRGB of L (H, W) and ab (2, H, W).

    Each channel is that of `Lab_to_sRGB_of_L`, rounded to the nearest of 256 levels, but for one in
    a thousand of random colours, which lies within 0.01 of the middle between two; of 65,536
    levels, nine in ten to within 2, and a quarter of one of 256 at most. Where ab is 0, the three
    channels are equal.
    """
    L, a, b = (read_only(plane, np.float32) for plane in (L, *ab))
    _paint(L, a, b, _mixture(), _step(planes.dtype), tuple(planes))


def paint_splines(
    L: np.ndarray,
    coefficients: np.ndarray,
    first: np.ndarray,
    weights: np.ndarray,
    planes: np.ndarray,
) -> None:
    """Do as `paint` with ab[:, y] = sum_k weights[y, k] coefficients[:, first[y] + k].

    coefficients are (2, n, W), weights (H, 4), first (H) integers of 0..n - 4.
    """
    L, a, b, weights = (read_only(x, np.float32) for x in (L, *coefficients, weights))
    first = read_only(first, np.int64)
    _paint_splines(L, a, b, first, weights, _mixture(), _step(planes.dtype), tuple(planes))


def to_YCbCr(rgb: np.ndarray, Y: np.ndarray, Cb: np.ndarray, Cr: np.ndarray) -> None:
    """Write into the planes the Y'CbCr of BT.709, in limited range, of sRGB (H, W, 3).

    Of uint8 they have 8 bits, uint8: Y' (H, W) is 16..235, Cb and Cr are 16..240; of uint16 they
    have 10 bits, uint16, and all is four times as much. Cb and Cr are of each pixel, where they
    have as many rows (4:4:4), or of the mean of every four, where they have half the rows and
    columns of even H and W (4:2:0). All are rounded to the nearest level, to 1e-3 with 8 bits and
    0.1 with 10 (ITU-R BT.709-6, items 3.2 to 3.4 and 4.5). Planes are contiguous; their rows may be
    longer, as those of a video frame are.
    """
    convert = _to_444 if len(Cb) == len(Y) else _to_420
    convert(_planes(rgb), *_digital(rgb.dtype), Y, Cb, Cr)


def _planes(rgb: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return R, G and B, each (H, W), of rgb (H, W, 3) uint8 or 16."""
    planar = rgb.transpose(2, 0, 1)
    planes = planar if planar.flags.c_contiguous else cv2.split(rgb)
    return tuple(read_only(plane, rgb.dtype) for plane in planes)


def read_only(x: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Return x in a form for which the functions are compiled once: contiguous, not writable."""
    x = np.ascontiguousarray(x, dtype).view()
    x.setflags(write=False)
    return x


def _levels(dtype: np.dtype) -> np.ndarray:
    """Return the levels of uint8 or uint16."""
    return np.arange(np.iinfo(dtype).max + 1, dtype=dtype)


def _step(dtype: np.dtype) -> np.float32:
    """Return how many levels of uint8 or uint16 are one of 256."""
    return np.float32(np.iinfo(dtype).max / 255)


@lru_cache(maxsize=2)
def _linear_levels(dtype: np.dtype) -> np.ndarray:
    """Return the linear value, 0..1, of each level, float32."""
    return sRGB_to_linear(_levels(dtype) / np.iinfo(dtype).max).astype(np.float32)


@lru_cache(maxsize=1)
def _to_XYZ() -> np.ndarray:
    """Return the matrix (3, 3) from linear RGB to X/X_n, Y/Y_n and Z/Z_n, float32."""
    return (np.array(RGB_TO_XYZ) / ((X_n,), (Y_n,), (Z_n,))).astype(np.float32)


@lru_cache(maxsize=2)
def _luminances(dtype: np.dtype) -> np.ndarray:
    """Return what each level of R, G and B adds to Y/Y_n, (3, levels) float32."""
    return _to_XYZ()[1][:, None] * _linear_levels(dtype)


@lru_cache(maxsize=2)
def _lightness_of_greys(dtype: np.dtype) -> np.ndarray:
    """Return L of each grey level, float32."""
    greys = np.repeat(_levels(dtype)[:, None], 3, 1)
    L = np.empty(len(greys), np.float32)
    _lightness(read_only(greys, dtype), _luminances(dtype), L)
    return L


@lru_cache(maxsize=1)
def _mixture() -> np.ndarray:
    """Return the matrix M (3, 2) of RGB = y + M (x - y, z - y), float32; x = X/X_n and so on.

    It is XYZ_TO_RGB with the white point in its columns and its rows brought to a sum of 1 (they
    are off by 3e-5, as D65 is rounded), so that greys are equal in R, G and B to the last bit.
    """
    M = np.array(XYZ_TO_RGB) * (X_n, Y_n, Z_n)
    return (M / M.sum(1, keepdims=True))[:, ::2].astype(np.float32)


@lru_cache(maxsize=2)
def _digital(dtype: np.dtype) -> tuple[np.ndarray, int, int]:
    """Return a matrix (3, 3) of int32, bits and a unit.

    The matrix makes 2^bits times Y', Cb and Cr of R', G' and B'. The unit is one level of 8 bits.
    """
    bits, unit = (20, 1) if dtype == np.uint8 else (18, 4)  # sums of four stay below 2^31
    Y = np.array((0.2126, 0.7152, 0.0722))
    Cb, Cr = (np.eye(3)[2] - Y) / 1.8556, (np.eye(3)[0] - Y) / 1.5748
    matrix = np.stack((219 * Y, 224 * Cb, 224 * Cr)) * (unit / np.iinfo(dtype).max * 2**bits)
    return np.rint(matrix).astype(np.int32), bits, unit


@njit(cache=True, nogil=True, error_model="numpy")
def _is_grey(rgb: np.ndarray) -> bool:
    """Return whether R, G and B are equal in all pixels (n, 3); each byte meets its neighbour."""
    values, step = rgb.reshape(-1), len(_WITHIN)
    for start in range(0, len(values), step):
        part, following = values[start : start + step], values[start + 1 : start + step + 1]
        unlike = np.uint8(0)
        for i in range(len(following)):
            unlike |= (part[i] ^ following[i]) & _WITHIN[i]
        if unlike:
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _lightness(rgb: np.ndarray, luminances: np.ndarray, L: np.ndarray) -> None:
    """Set L (n): look-ups in one loop, and in another what is computed in vectors."""
    red, green, blue = luminances
    for i in range(len(L)):
        L[i] = red[rgb[i, 0]] + green[rgb[i, 1]] + blue[rgb[i, 2]]
    for i in range(len(L)):
        L[i] = np.float32(116) * _f(L[i]) - np.float32(16)


@njit(cache=True, nogil=True, error_model="numpy")
def _to_Lab(
    rgb: tuple[np.ndarray, ...], linear: np.ndarray, M: np.ndarray, Lab: np.ndarray
) -> None:
    """Set Lab (3, H, W), row by row, each as `_lightness` does it."""
    L, a, b = Lab
    H, W = L.shape
    red, green, blue = row = np.empty((3, W), np.float32)
    for y in range(H):
        for c in range(3):
            for x in range(W):
                row[c, x] = linear[rgb[c][y, x]]
        for x in range(W):
            f_x = _f(M[0, 0] * red[x] + M[0, 1] * green[x] + M[0, 2] * blue[x])
            f_y = _f(M[1, 0] * red[x] + M[1, 1] * green[x] + M[1, 2] * blue[x])
            f_z = _f(M[2, 0] * red[x] + M[2, 1] * green[x] + M[2, 2] * blue[x])
            L[y, x] = np.float32(116) * f_y - np.float32(16)
            a[y, x] = np.float32(500) * (f_x - f_y)
            b[y, x] = np.float32(200) * (f_y - f_z)


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
    step: np.float32,
    planes: tuple[np.ndarray, ...],
) -> None:
    linear = np.empty((3, L.shape[1]), np.float32)
    for y in range(len(L)):
        _linear(L[y], a[y], b[y], mixture, linear)
        _round(linear, step, planes, y)


@njit(cache=True, nogil=True, error_model="numpy")
def _paint_splines(
    L: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    first: np.ndarray,
    weights: np.ndarray,
    mixture: np.ndarray,
    step: np.float32,
    planes: tuple[np.ndarray, ...],
) -> None:
    linear, own = np.empty((3, L.shape[1]), np.float32), np.empty((2, L.shape[1]), np.float32)
    for y in range(len(L)):
        rows = slice(first[y], first[y] + 4)
        _sum_rows(a[rows], weights[y], own[0])
        _sum_rows(b[rows], weights[y], own[1])
        _linear(L[y], own[0], own[1], mixture, linear)
        _round(linear, step, planes, y)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _sum_rows(rows: np.ndarray, weights: np.ndarray, total: np.ndarray) -> None:
    """Set the weighted sum (W) of four rows."""
    for x in range(len(total)):
        upper = weights[0] * rows[0, x] + weights[1] * rows[1, x]
        total[x] = upper + (weights[2] * rows[2, x] + weights[3] * rows[3, x])


@njit(cache=True, nogil=True, error_model="numpy")
def _round(linear: np.ndarray, step: np.float32, planes: tuple[np.ndarray, ...], y: int) -> None:
    """Set row y of the planes to the nearest sRGB levels of linear RGB (3, W), 0..1."""
    less = (step - np.float32(1)) * np.float32(0.5)  # so that it is 1/2 in steps, too
    for c in range(3):
        levels = planes[c][y]
        for x in range(len(levels)):
            levels[x] = np.int32(_level(linear[c, x]) * step - less)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _level(v: np.float32) -> np.float32:
    """Return the sRGB level of linear light, 0..1, in 0..255, plus 1/2."""
    x = np.sqrt(np.sqrt(v)) * _STRETCH + _SHIFT
    power = ((((((_C7 * x + _C6) * x + _C5) * x + _C4) * x + _C3) * x + _C2) * x + _C1) * x + _C0
    return power if v > _KNEE else v * _LINE + np.float32(0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def _linear(
    L: np.ndarray, a: np.ndarray, b: np.ndarray, mixture: np.ndarray, linear: np.ndarray
) -> None:
    """Set linear RGB (3, W), 0..1, of Lab; see `Lab_to_sRGB_of_L`."""
    zero, one = np.float32(0), np.float32(1)
    for i in range(len(L)):
        f_y = (L[i] + np.float32(16)) * np.float32(1 / 116)
        y = _f_inverse(f_y)
        dx = _f_inverse(f_y + a[i] * np.float32(1 / 500)) - y
        dz = _f_inverse(max(f_y - b[i] * np.float32(1 / 200), zero)) - y
        red = mixture[0, 0] * dx + mixture[0, 1] * dz
        green = mixture[1, 0] * dx + mixture[1, 1] * dz
        blue = mixture[2, 0] * dx + mixture[2, 1] * dz
        y = min(max(y, zero), one)
        above = (one - y) / max(max(red, green), max(blue, max(one - y, _LEAST)))
        below = y / max(max(-red, -green), max(-blue, max(y, _LEAST)))
        share = min(above, below)
        linear[0, i] = _within(y + share * red)
        linear[1, i] = _within(y + share * green)
        linear[2, i] = _within(y + share * blue)


@njit(cache=True, nogil=True, error_model="numpy")
def _within(v: np.float32) -> np.float32:
    """Return v in 0..1, and 0 for what is no number."""
    v = v if v > np.float32(0) else np.float32(0)
    return v if v < np.float32(1) else np.float32(1)


@njit(cache=True, nogil=True, error_model="numpy")
def _f_inverse(f: np.float32) -> np.float32:
    return f * f * f if f > _ROOT else (f - _TANGENT) * _BACK


@njit(cache=True, nogil=True, error_model="numpy")
def _to_420(
    rgb: tuple[np.ndarray, ...],
    M: np.ndarray,
    bits: int,
    unit: int,
    Y: np.ndarray,
    Cb: np.ndarray,
    Cr: np.ndarray,
) -> None:
    R, G, B = rgb
    sums = np.empty((3, R.shape[1] // 2), np.int32)
    for y in range(len(Cb)):
        for row in (2 * y, 2 * y + 1):
            _mix(R[row], G[row], B[row], M[0], 16 * unit, bits, Y[row])
        for c in range(3):
            _sum_four(rgb[c][2 * y : 2 * y + 2], sums[c])
        _mix(sums[0], sums[1], sums[2], M[1], 128 * unit, bits + 2, Cb[y])
        _mix(sums[0], sums[1], sums[2], M[2], 128 * unit, bits + 2, Cr[y])


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_four(rows: np.ndarray, sums: np.ndarray) -> None:
    """Set the sum of every four pixels of two rows."""
    for x in range(len(sums)):
        above = np.int32(rows[0, 2 * x]) + np.int32(rows[0, 2 * x + 1])
        sums[x] = above + np.int32(rows[1, 2 * x]) + np.int32(rows[1, 2 * x + 1])


@njit(cache=True, nogil=True, error_model="numpy")
def _to_444(
    rgb: tuple[np.ndarray, ...],
    M: np.ndarray,
    bits: int,
    unit: int,
    Y: np.ndarray,
    Cb: np.ndarray,
    Cr: np.ndarray,
) -> None:
    R, G, B = rgb
    for y in range(len(Y)):
        _mix(R[y], G[y], B[y], M[0], 16 * unit, bits, Y[y])
        _mix(R[y], G[y], B[y], M[1], 128 * unit, bits, Cb[y])
        _mix(R[y], G[y], B[y], M[2], 128 * unit, bits, Cr[y])


@njit(cache=True, nogil=True, error_model="numpy")
def _mix(
    R: np.ndarray,
    G: np.ndarray,
    B: np.ndarray,
    weights: np.ndarray,
    offset: int,
    bits: int,
    result: np.ndarray,
) -> None:
    """Set offset + (weights . RGB) / 2^bits, rounded to the nearest integer."""
    r, g, b = np.int32(weights[0]), np.int32(weights[1]), np.int32(weights[2])
    half, shift = np.int32((2 * offset + 1) << (bits - 1)), np.int32(bits)
    for x in range(len(R)):
        mixed = r * np.int32(R[x]) + g * np.int32(G[x]) + b * np.int32(B[x])
        result[x] = (mixed + half) >> shift

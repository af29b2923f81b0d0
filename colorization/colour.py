"""sRGB, linear RGB, CIE XYZ and CIE Lab, under the illuminant D65 and the 2 degree observer.

Every function takes a numpy array or a torch tensor, float32 or float64, and returns a new one of
the same dtype on the same device. `axis` is where the three channels lie: the last axis of an
image (..., 3), axis 1 of a blob (N, 3, H, W).

======  ==========================================  =============================================
colour  range inside the sRGB gamut                 reference
======  ==========================================  =============================================
sRGB    R, G, B in [0, 1]                           IEC 61966-2-1
RGB     R, G, B in [0, 1], linear light             IEC 61966-2-1
XYZ     [0, 0.9505], [0, 1], [0, 1.0888]            CIE 15, ITU-R BT.709 primaries
Lab     [0, 100], [-86.2, 98.2], [-107.9, 94.5]     CIE 15
======  ==========================================  =============================================

The figures are those of `skimage.color.rgb2lab` and `lab2rgb`: equal to 2e-4 in Lab and to 1e-5
in sRGB. The thesis says which space is meant in section 5.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colorization.array_namespace import Array, floating_namespace

RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
XYZ_TO_RGB = tuple(map(tuple, np.linalg.inv(RGB_TO_XYZ).tolist()))
X_n, Y_n, Z_n = 0.95047, 1.0, 1.08883  # D65, 2 degrees
_LEAST = 1e-30  # in place of 0 in a denominator
DELTA = 6 / 29  # below DELTA ** 3 the cube root of Lab is replaced by its tangent


def sRGB_to_linear(sRGB: Array) -> Array:
    """Undo the sRGB transfer curve, element by element.

    c / 12.92 up to 0.04045, ((c + 0.055) / 1.055) ** 2.4 above; [0, 1] to [0, 1].

    >>> sRGB_to_linear(np.array([0.0, 0.04045, 0.5, 1.0])).round(4)
    array([0.    , 0.0031, 0.214 , 1.    ])
    """
    xp = floating_namespace(sRGB, "sRGB")
    power = ((sRGB.clip(0.04045, None) + 0.055) / 1.055) ** 2.4
    return xp.where(sRGB <= 0.04045, sRGB / 12.92, power)


def linear_to_sRGB(RGB: Array) -> Array:
    """Apply the sRGB transfer curve, element by element; the inverse of `sRGB_to_linear`.

    >>> linear_to_sRGB(np.array([0.0, 0.00313, 0.214, 1.0])).round(4)
    array([0.    , 0.0404, 0.5   , 1.    ])
    """
    xp = floating_namespace(RGB, "RGB")
    power = 1.055 * RGB.clip(0.0031308, None) ** (1 / 2.4) - 0.055
    return xp.where(RGB <= 0.0031308, RGB * 12.92, power)


def RGB_to_XYZ(RGB: Array, axis: int = -1) -> Array:
    """Multiply linear RGB with the matrix of the BT.709 primaries, rows X, Y, Z."""
    return _mix(RGB_TO_XYZ, RGB, axis, "RGB")


def XYZ_to_RGB(XYZ: Array, axis: int = -1) -> Array:
    """Return linear RGB; the inverse of `RGB_to_XYZ`. Colours outside the gamut leave [0, 1]."""
    return _mix(XYZ_TO_RGB, XYZ, axis, "XYZ")


def XYZ_to_Lab(XYZ: Array, axis: int = -1) -> Array:
    """Return CIE Lab of CIE XYZ.

    L = 116 f(Y/Y_n) - 16, a = 500 (f(X/X_n) - f(Y/Y_n)), b = 200 (f(Y/Y_n) - f(Z/Z_n)) with
    f(t) = t ** (1/3) above DELTA ** 3 and t / (3 DELTA ** 2) + 4/29 below.
    """
    xp = floating_namespace(XYZ, "XYZ")
    X, Y, Z = _channels(XYZ, axis, "XYZ")
    f_x, f_y, f_z = (_f(t) for t in (X / X_n, Y, Z / Z_n))
    return xp.concatenate((116 * f_y - 16, 500 * (f_x - f_y), 200 * (f_y - f_z)), axis)


def Y_to_L(Y: Array) -> Array:
    """Return L of CIE Lab, 0..100, of the luminance Y in [0, 1], element by element.

    >>> Y_to_L(np.array([0.0, 0.001, 0.18419, 1.0])).round(3)
    array([  0.   ,   0.903,  50.   , 100.   ])
    """
    return 116 * _f(Y / Y_n) - 16


def Lab_to_XYZ(Lab: Array, axis: int = -1) -> Array:
    """Return CIE XYZ of CIE Lab; the inverse of `XYZ_to_Lab`.

    A b so large that f(Z/Z_n) would be negative, which no real colour has, gives f = 0, as in
    scikit-image.
    """
    xp = floating_namespace(Lab, "Lab")
    L, a, b = _channels(Lab, axis, "Lab")
    f_y = (L + 16) / 116
    X, Y, Z = (_f_inverse(f) for f in (f_y + a / 500, f_y, (f_y - b / 200).clip(0, None)))
    return xp.concatenate((X * X_n, Y, Z * Z_n), axis)


def sRGB_to_Lab(sRGB: Array, axis: int = -1) -> Array:
    """Return CIE Lab (L 0..100, a and b within -110..110) of sRGB in [0, 1].

    >>> sRGB_to_Lab(np.array([1.0, 0.5, 0.0])).round(2)
    array([66.96, 43.07, 73.96])
    """
    return XYZ_to_Lab(RGB_to_XYZ(sRGB_to_linear(sRGB), axis), axis)


def Lab_to_sRGB(Lab: Array, axis: int = -1, clip: bool = True) -> Array:
    """Return sRGB of CIE Lab; the inverse of `sRGB_to_Lab`.

    A colour that a screen cannot show has channels outside [0, 1]; `clip` takes them to the
    nearest end, each channel for itself.

    >>> Lab_to_sRGB(np.array([66.96, 43.07, 73.96])).round(3)
    array([1. , 0.5, 0. ])
    >>> Lab_to_sRGB(np.array([50.0, 100.0, 0.0]), clip=False).round(3)
    array([ 1.008, -0.84 ,  0.483])
    """
    sRGB = linear_to_sRGB(XYZ_to_RGB(Lab_to_XYZ(Lab, axis), axis))
    return sRGB.clip(0, 1) if clip else sRGB


def Lab_to_sRGB_of_L(Lab: Array, axis: int = -1) -> Array:
    """Return sRGB in [0, 1] of CIE Lab with the L given, also for colours outside the gamut.

    Clipping changes the lightness: black with a and b of a brown would be a dark red. Here such a
    colour goes, in linear light, straight to the grey of its own luminance as far as the gamut's
    border: Y + t (RGB - Y) with the largest t up to 1 for which all three lie in [0, 1].

    >>> Lab_to_sRGB_of_L(np.array([50.0, 100.0, 0.0])).round(3)
    array([0.906, 0.   , 0.479])
    >>> Lab_to_sRGB_of_L(np.array([0.0, 20.0, 10.0]))
    array([0., 0., 0.])
    """
    xp = floating_namespace(Lab, "Lab")
    X, Y, Z = _channels(Lab_to_XYZ(Lab, axis), axis, "XYZ")
    away = XYZ_to_RGB(xp.concatenate((X - X_n * Y, 0 * Y, Z - Z_n * Y), axis), axis)
    Y = Y.clip(0, 1)
    room = xp.where(away > 0, 1 - Y, Y)
    shares = room / xp.maximum(abs(away), room).clip(_LEAST, None)
    return linear_to_sRGB((Y + xp.amin(shares, axis, keepdims=True) * away).clip(0, 1))


def _f(t: Array) -> Array:
    xp = floating_namespace(t, "t")
    root = t.clip(DELTA**3, None) ** (1 / 3)
    return xp.where(t > DELTA**3, root, t * (1 / (3 * DELTA**2)) + 4 / 29)


def _f_inverse(f: Array) -> Array:
    xp = floating_namespace(f, "f")
    return xp.where(f > DELTA, f * f * f, (f - 4 / 29) * (3 * DELTA**2))


def _mix(matrix: Sequence[Sequence[float]], x: Array, axis: int, name: str) -> Array:
    xp = floating_namespace(x, name)
    c0, c1, c2 = _channels(x, axis, name)
    return xp.concatenate([m0 * c0 + m1 * c1 + m2 * c2 for m0, m1, m2 in matrix], axis)


def _channels(x: Array, axis: int, name: str) -> list[Array]:
    """Return the three channels, each with `axis` of length one."""
    if not -x.ndim <= axis < x.ndim or x.shape[axis] != 3:
        raise ValueError(f"{name}: expected 3 channels at axis {axis}, got shape {tuple(x.shape)}")
    before = (slice(None),) * (axis % x.ndim)
    return [x[before + (slice(i, i + 1),)] for i in range(3)]

"""Colours evened out as far as no edge stops them, by weighted least squares: for film with shades.

Unlike the windows of `guided_filter`, the whole image is solved for: noise, small stains and slow
changes of a colour go, wherever neither L nor the colours themselves have an edge.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numba import njit

from colorization.refinement.flood_fill import check_planes

REACH = 0.09  # how far a colour goes in an even area, as a share of the shorter side
SIGMA_L = 1.8  # units of L from pixel to pixel of a side of 256 that divide a tie by e
SIGMA_AB = 3.0  # units of a or b likewise
ITERATIONS = 3  # over columns and rows
SIDE = 256


def least_squares(
    L: np.ndarray,
    ab: np.ndarray,
    strength: float | None = None,
    sigma_L: float | None = None,
    sigma_ab: float | None = None,
    iterations: int = ITERATIONS,
) -> np.ndarray:
    """Return new ab (2, H, W), float32, smooth where L (H, W), 0..100, and ab have no edges.

    D. Min et al. 2014, "Fast global image smoothing based on weighted least squares". For each of a
    and b the result u is near the given p and changes little between neighbours that are tied:

        minimise  sum_i (u_i - p_i)^2 + lambda sum_(i,j) w_ij (u_i - u_j)^2,
        w_ij = exp(-|L_i - L_j| / sigma_L - (|a_i - a_j| + |b_i - b_j|) / sigma_ab)

    with i, j neighbours above and below, left and right. In the paper only one guide ties; here the
    given ab does so too, as some edges of colour have none in L. As in the paper it is solved along
    the columns alone, then along the rows alone, T = `iterations` times, with the falling

        lambda_t = 3/2 4^(T - t) / (4^T - 1) lambda,    t = 1 .. T,

    so that the streaks of one pass go in the next; each pass is exact (`solve_columns`). No a or b
    leaves the range of those given.

    `strength` is lambda, about the square of the pixels that a colour goes in an even area; None
    is that of REACH. None for `sigma_ab` is SIGMA_AB at SIDE pixels of the shorter side, less as
    the side grows, since the network's colours change as slowly in any size; None for `sigma_L` is
    SIGMA_L there and falls with the side's root, as outlines stay sharp in larger images but
    textures do not. A `sigma_ab` of infinity leaves the guidance to L. ValueError for planes of two
    shapes, a negative or infinite strength, sigmas not above 0 or iterations below 1.
    """
    check_planes(ab, L, "L")
    side = min(L.shape)
    total = (REACH * side) ** 2 if strength is None else strength
    sigma_L = SIGMA_L * math.sqrt(SIDE / side) if sigma_L is None else sigma_L
    sigma_ab = SIGMA_AB * SIDE / side if sigma_ab is None else sigma_ab
    _check(total, sigma_L, sigma_ab, iterations)
    guides = np.stack((L / sigma_L, *(ab / sigma_ab))).astype(np.float32, copy=False)
    return _smooth(np.array(ab, np.float32, order="C"), guides, strengths(total, iterations))


def _smooth(planes: np.ndarray, guides: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return planes (2, H, W) solved along columns and rows in turn, with lambda of `steps`."""
    ties = [_ties(guides), _ties(_turned(guides))]
    for step in steps:
        for tie in ties:
            solve_columns(planes, step * tie)
            planes = _turned(planes)
    return planes


def strengths(total: float, iterations: int) -> np.ndarray:
    """Return lambda_t, t = 1 .. T, float32; see `least_squares`."""
    powers = 4.0 ** np.arange(iterations - 1, -1, -1)
    return (1.5 * total * powers / (4.0**iterations - 1)).astype(np.float32)


@njit(cache=True, nogil=True)
def solve_columns(planes: np.ndarray, ties: np.ndarray) -> None:
    """Minimise sum_i (u_i - p_i)^2 + ties_i (u_i - u_i+1)^2 in each column, in place.

    `planes` p (2, n, m) become u; `ties` (n - 1, m) are not negative; both are float32.

    The normal equations are tridiagonal. Elimination from the top leaves ever shorter chains, whose
    first pixel has a colour m_i and a weight g_i in which all above it are summed up:

        g_i = 1 + h_i,    h_i = g_i-1 ties_i-1 / (g_i-1 + ties_i-1),    g_0 = 1
        m_i = p_i + h_i / g_i (m_i-1 - p_i)

    and from the bottom u_i = m_i + ties_i / (g_i + ties_i) (u_i+1 - m_i). Every step is a mean with
    weights from 0 to 1, so that rounding grows nowhere, even constants stay, and no value leaves
    the range of p. h is what two springs in a row have: their inverses add up.
    """
    _, n, m = planes.shape
    a, b = planes
    share = np.empty((max(n - 1, 0), m), np.float32)
    g = np.ones(m, np.float32)
    for i in range(1, n):
        for x in range(m):
            share[i - 1, x] = ties[i - 1, x] / (g[x] + ties[i - 1, x])
            h = g[x] * share[i - 1, x]
            g[x] = 1 + h
            a[i, x] += h / g[x] * (a[i - 1, x] - a[i, x])
            b[i, x] += h / g[x] * (b[i - 1, x] - b[i, x])
    for i in range(n - 2, -1, -1):
        for x in range(m):
            a[i, x] += share[i, x] * (a[i + 1, x] - a[i, x])
            b[i, x] += share[i, x] * (b[i + 1, x] - b[i, x])


def _ties(guides: np.ndarray) -> np.ndarray:
    """Return exp(-sum |guide_i - guide_i+1|) down the columns of guides (3, n, m): (n - 1, m)."""
    return np.exp(-np.abs(np.diff(guides, axis=1)).sum(0))


def _turned(planes: np.ndarray) -> np.ndarray:
    """Return planes (k, n, m) as (k, m, n)."""
    return np.stack([cv2.transpose(plane) for plane in planes])


def _check(strength: float, sigma_L: float, sigma_ab: float, iterations: int) -> None:
    if not 0 <= strength < math.inf:
        raise ValueError(f"strength: expected a number of at least 0, got {strength}")
    for name, sigma in (("sigma_L", sigma_L), ("sigma_ab", sigma_ab)):
        if not sigma > 0:
            raise ValueError(f"{name}: expected a number above 0, got {sigma}")
    if iterations < 1:
        raise ValueError(f"iterations: expected at least 1, got {iterations}")

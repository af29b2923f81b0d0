"""Colours that spread from scribbles by optimisation (Levin, Lischinski and Weiss 2004).

A. Levin, D. Lischinski, Y. Weiss: "Colorization using optimization", ACM Transactions on Graphics
23(3), 2004; the thesis describes it in section 3.1 and tries it in 8.4.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from colorization.baselines.working_size import enlarge, working_size
from colorization.errors import UsageError

PIXELS = 2**17  # a larger image is solved at about so many
VARIANCE_SHARE = 0.3  # of the variance in a window, by which differences of L are judged
LEAST_VARIANCE = 0.03  # of L, 0..100: what the rounding to 8 bits may do
_NEIGHBOURS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


class ScribbleError(UsageError):
    """Scribbles that cannot be used: one line."""


def colour(L: np.ndarray, ab: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return ab (2, H, W), float32: that of the scribbles where `mask` (H, W) is, spread elsewhere.

    An image of more than PIXELS is solved smaller, by `propagate`, and its colours are interpolated
    linearly, so that there they cross an edge of L by up to a pixel of the smaller size. Its L is
    sampled: the mean of an edge's two sides would be a bridge on which colours cross. A pixel of it
    is a scribble if any of those that it stands for is, with their mean colour. Scribbles keep
    their colours to the bit in either case. ScribbleError without any.
    """
    _check(L, ab, mask)
    size = working_size(L.shape, PIXELS)
    small_L = cv2.resize(L, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    result = enlarge(propagate(small_L, *shrink_scribbles(ab, mask, size)), L.shape)
    result[:, mask] = ab[:, mask]
    return result


def propagate(L: np.ndarray, ab: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the colours U, ab (2, H, W), float64, that go on as L does.

    U is ab where `mask` is true, and elsewhere minimises

        J(U) = sum_r (U(r) - sum_s w_rs U(s))^2,

    the sum over all r without a scribble and the 8 neighbours s of r, with the w of `weights`
    (equation 1 of the paper, for a and b each). The minimum is 0: each colour is the weighted mean
    of those around it, U = W U, a sparse system with one solution, which is found directly. No
    colour can lie outside the range of the scribbles'.
    """
    known = np.flatnonzero(mask)
    unknown = np.flatnonzero(~mask)
    colours = ab.reshape(2, -1).T.astype(np.float64)
    if len(unknown):
        W = weights(L)[unknown]
        A = (sparse.identity(len(unknown)) - W[:, unknown]).tocsc()
        solution = _factors(A).solve(W[:, known] @ colours[known])
        # The mathematics keeps this range, rounding need not.
        limits = colours[known].min(0), colours[known].max(0)
        colours[unknown] = solution.clip(*limits)
    return colours.T.reshape(2, *L.shape)


def weights(L: np.ndarray) -> sparse.csr_matrix:
    """Return w (H W, H W) of L (H, W): how alike a pixel r (row) and its neighbours s are in L.

        w_rs ~ exp(-(L(r) - L(s))^2 / (2 c v_r)),   sum_s w_rs = 1,

    s being the up to 8 neighbours of r, v_r the variance of L in the 3x3 pixels about r, as far as
    they lie in the image, and at least LEAST_VARIANCE. The paper prints c = 1 (equation 2). The
    program that its authors gave out divides by 0.6 v_r instead, c = 0.3 = VARIANCE_SHARE, which
    is what is done here: with c = 1 the weight across an edge is 1 % and the colours leak.
    """
    L = L.astype(np.float64)
    H, W = L.shape
    values, inside = _windows(L)
    variance = np.maximum(_variance(values, inside), LEAST_VARIANCE)
    likeness = np.exp(-((values[1:] - L) ** 2) / (2 * VARIANCE_SHARE * variance)) * inside[1:]
    likeness /= np.maximum(likeness.sum(0), 1e-300)  # an image of one pixel has no neighbours
    rows = np.broadcast_to(np.arange(H * W).reshape(H, W), likeness.shape)
    columns = rows + np.array([y * W + x for y, x in _NEIGHBOURS])[:, None, None]
    where = inside[1:]
    entries = likeness[where], (rows[where], columns[where])
    return sparse.csr_matrix(entries, shape=(H * W, H * W))


def shrink_scribbles(
    ab: np.ndarray, mask: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return ab (2, h, w) and mask (h, w) at another, not larger size.

    Where a scribble covers a part of a pixel, however small, it gives the pixel its mean colour.
    """
    if size == mask.shape:
        return ab, mask
    covered = mask.astype(np.float32)
    planes = np.stack([covered, *(ab * covered)]).astype(np.float32)
    shape = (size[1], size[0])
    share, *sums = (cv2.resize(plane, shape, interpolation=cv2.INTER_AREA) for plane in planes)
    small = share > 1e-6
    return np.stack(sums) / np.where(small, share, 1), small


def _check(L: np.ndarray, ab: np.ndarray, mask: np.ndarray) -> None:
    if mask.shape != L.shape or ab.shape != (2, *L.shape):
        raise ScribbleError(
            f"scribbles: expected ab (2, H, W) and mask (H, W) for L {L.shape}, "
            f"got {ab.shape} and {mask.shape}"
        )
    if not mask.any():
        raise ScribbleError("scribbles: there are none, expected one or more coloured pixels")


def _windows(L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each pixel and its neighbours (9, H, W), and which of them lie in the image."""
    H, W = L.shape
    places = [(0, 0), *_NEIGHBOURS]
    padded, ones = np.pad(L, 1), np.pad(np.ones(L.shape, bool), 1)
    slices = [(slice(1 + y, 1 + y + H), slice(1 + x, 1 + x + W)) for y, x in places]
    values, inside = (np.stack([plane[place] for place in slices]) for plane in (padded, ones))
    return values, inside


def _variance(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    count = inside.sum(0)
    deviations = (values - (values * inside).sum(0) / count) * inside
    return (deviations**2).sum(0) / count


def _factors(A: sparse.csc_matrix):
    """Return the LU factors. The diagonal dominates, so that its order can be the sparsest."""
    options = {"SymmetricMode": True}
    return splu(A, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)

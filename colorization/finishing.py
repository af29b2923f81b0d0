"""From the network's small ab to the finished image: upsampling, refinement, the image's own L.

    finish = Finish(upsampling="joint_bilateral", refinement="growing")
    rgb = finish(L, ab, seen)

Another refinement is a function of L and ab that returns ab, in `REFINEMENTS`, or one of L that
returns labels, in `refinement.SEGMENTATIONS`, which then are filled; another
upsampling is one with the arguments of `joint_bilateral_upsample`, in UPSAMPLINGS.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from colorization.array_namespace import Array, to_numpy
from colorization.inference import join, paint, paint_bands
from colorization.joint_bilateral import joint_bilateral_upsample
from colorization.optical_flow import as_grey
from colorization.refinement import SEGMENTATIONS, Refiner
from colorization.refinement.guided_filter import guided_filter
from colorization.refinement.least_squares import least_squares
from colorization.shots import ShotDetector
from colorization.upsampling import upsample


def _spline(ab: Array, L: np.ndarray, seen: tuple[int, int]) -> Array:
    return upsample(ab, L.shape, seen)


UPSAMPLINGS: dict[str, Callable[..., Array]] = {
    "spline": _spline,
    "joint_bilateral": joint_bilateral_upsample,
}


# Of L and ab. `refinement_of` finds them by name, and those that fill segments with one colour.
REFINEMENTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "guided": guided_filter,
    "smooth": least_squares,
}


def refinement_of(name: str, film: bool = False) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return what changes ab (2, H, W) by L (H, W): one of REFINEMENTS or SEGMENTATIONS.

    With `film` the regions of a segmentation are followed from frame to frame (`Refiner`).
    ValueError for other names.
    """
    known = (*REFINEMENTS, *SEGMENTATIONS)
    if name not in known:
        raise ValueError(f'refinement: expected one of {", ".join(known)}, got "{name}"')
    return REFINEMENTS.get(name) or Refiner(name, film=film)


class Finish:
    """Makes RGB of L (H, W) and the network's ab (2, h, w).

    `upsampling` is one of UPSAMPLINGS; `refinement` None, one of REFINEMENTS or one of
    `refinement.SEGMENTATIONS`, whose regions are filled as `Refiner` does it. ValueError for
    others.
    """

    in_order = False  # whether images must come one after the other

    def __init__(self, upsampling: str = "spline", refinement: str | None = None):
        if upsampling not in UPSAMPLINGS:
            names = ", ".join(UPSAMPLINGS)
            raise ValueError(f'upsampling: expected one of {names}, got "{upsampling}"')
        self._upsample = UPSAMPLINGS[upsampling]
        self._options = (upsampling, refinement)
        self._refine = refinement_of(refinement, self.in_order) if refinement is not None else None

    def __call__(
        self, L: np.ndarray, ab: Array, seen: tuple[int, int], dtype: DTypeLike = np.uint8
    ) -> np.ndarray:
        """Return RGB (H, W, 3), uint8 or uint16; `seen` is the size at which the network saw L."""
        if self._refine is None and self._upsample is _spline:
            return join(L, ab, seen, dtype)
        enlarged = partial(self._upsample, ab, L, seen)
        if self._refine is None:
            return paint_bands(L, dtype, lambda rows: enlarged(rows=rows))
        return self.paint(L, to_numpy(enlarged()), dtype)

    def paint(self, L: np.ndarray, ab: np.ndarray, dtype: DTypeLike = np.uint8) -> np.ndarray:
        """Return RGB (H, W, 3) of L and ab (2, H, W) that has its size already."""
        return paint(L, ab if self._refine is None else self._refine(L, ab), dtype)

    def for_film(self) -> Finish:
        """Return one for the frames of a film, in which a region keeps its colour."""
        return _FilmFinish(*self._options) if isinstance(self._refine, Refiner) else self


class _FilmFinish(Finish):
    """Follows regions from frame to frame, and begins anew with each shot."""

    in_order = True

    def __init__(self, upsampling: str, refinement: str | None):
        super().__init__(upsampling, refinement)
        self._detector = ShotDetector()

    def paint(self, L: np.ndarray, ab: np.ndarray, dtype: DTypeLike = np.uint8) -> np.ndarray:
        if self._detector(as_grey(L)):
            cast(Refiner, self._refine).reset()
        return super().paint(L, ab, dtype)

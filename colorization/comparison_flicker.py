"""How much the sets of a comparison flicker, where they are films or frames in their order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from colorization.comparison import GREY
from colorization.comparison_pictures import ORIGINAL, Sight
from colorization.images import eight_bits
from colorization.warping_error import pair_errors


def flicker(
    sights: Iterable[Sight],
    sets: Sequence[str],
) -> dict[str, float]:
    """Return E_warp (`colorization.warping_error`) of each set, of GREY and of ORIGINAL.

    It is the mean over the films, each of them the mean over its pairs of frames; the images of a
    folder are one film, in the order of their names. NaN for sets without all pictures, and where
    no two frames can be compared.
    """
    names = (GREY, *sets, ORIGINAL)
    incomplete: set[str] = set()
    films = []
    for _, film in groupby(sights, key=_film):
        if errors := list(pair_errors(_frames(film, sets, incomplete))):
            films.append(np.mean(errors, axis=0))
    means = np.mean(films, axis=0) if films else np.full(len(names), math.nan)
    return {
        name: math.nan if name in incomplete else float(mean) for name, mean in zip(names, means)
    }


def _film(sight: Sight) -> tuple:
    """Return what the frames of one film have in common."""
    return (None if sight.frame is None else sight.file), sight.original.shape


def _frames(
    sights: Iterable[Sight], sets: Sequence[str], incomplete: set[str]
) -> Iterator[list[np.ndarray]]:
    """Yield the original, to see the motion in, and all columns; what is missing is noted."""
    for sight in sights:
        incomplete.update(name for name in sets if name not in sight.results)
        pictures = [rgb for _, rgb in sight.columns(sets)]
        filled = [sight.original if rgb is None else rgb for rgb in pictures]
        yield [eight_bits(rgb) for rgb in (sight.original, *filled)]

"""How much a film flickers: the error of each frame against the next, brought to the same place.

before, after = warping_errors([coloured, steadied], grey)
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from colorization.inference import lightness
from colorization.optical_flow import fine_flow, occluded, warp
from colorization.resizing import averaged, short_side_within
from colorization.shots import ShotDetector
from colorization.video import VideoError, open_video

SIDE = 480  # pixels of the shorter side above which films are shrunk, as those of DAVIS have
FADE = 3.0  # grey levels: the change of brightness and contrast from which on a pair is in a fade
FADE_SHARE = 0.5  # of the frames' squared difference, which that change explains in a fade


def warping_errors(
    films: Sequence[str | os.PathLike], reference: str | os.PathLike, side: int | None = SIDE
) -> list[float]:
    """Return E_warp of several films; the flow and the cuts are those of the reference.

    `reference` is the original or grey film of which the films are coloured copies, frame by frame;
    see `pair_error` for the equation. All are brought to a shorter side of at most `side` pixels,
    None for their own size. NaN for films of which no two frames can be compared; VideoError for
    one that cannot be read, or films that do not have equally many frames.
    """
    errors = list(pair_errors(_together([reference, *films]), side))
    return np.mean(errors, axis=0).tolist() if errors else [math.nan] * len(films)


def flicker(
    film: str | os.PathLike, steadied: str | os.PathLike, side: int | None = SIDE
) -> tuple[float, float, float]:
    """Return E_warp of a film, of a steadied copy, and of the film's L alone, without colours.

    The last is the floor: what motion, its estimate and the film's grain leave, which steady
    colours do not change.
    """
    frames = _together([film, steadied])
    quadruples = ((first, first, second, _in_grey(first)) for first, second in frames)
    errors = list(pair_errors(quadruples, side))
    before, after, floor = np.mean(errors, axis=0).tolist() if errors else [math.nan] * 3
    return before, after, floor


def grey_levels(rgb: np.ndarray) -> np.ndarray:
    """Return the grey level (H, W), uint8, whose L is nearest to that of each pixel."""
    L = lightness(np.arange(256, dtype=np.uint8)[None])[0]
    return np.searchsorted((L[1:] + L[:-1]) / 2, lightness(rgb)).astype(np.uint8)


def _in_grey(rgb: np.ndarray) -> np.ndarray:
    return np.repeat(grey_levels(rgb)[..., None], 3, 2)


def pair_errors(
    frames: Iterable[Sequence[np.ndarray]], side: int | None = SIDE
) -> Iterator[np.ndarray]:
    """Yield for each pair of neighbouring frames the errors (films,), float64.

    `frames` are (reference, film, film, ...), each (H, W, 3) uint8 RGB; they may be of several
    sizes, and are brought to that of the reference, with a shorter side of at most `side`. Pairs
    across a cut, pairs in a fade, and pairs of which no pixel is seen twice, are passed over.
    E_warp of a film is the mean over all that is yielded (Lai et al. 2018).

    The equation and the mask are the published ones, and the frames are as large as there, where
    DAVIS' have 480 rows: in smaller ones the lines of L, which no steadying may touch, take up a
    larger share of all pixels, and hide what the colours do. How exactly a frame is brought to the
    place of the other is not laid down there, and decides how much of the result is no flicker but
    thin lines that the flow or the interpolation missed. So the flow is `fine_flow`, of L alone,
    and the interpolation Lanczos' (8 x 8 pixels): together they take most of what a film without
    any colours has off it, compared with a fast flow and linear interpolation. In a fade the
    brightness of everything changes, which no flow explains: see `is_fade`.
    """
    detector = ShotDetector()
    last: tuple[np.ndarray, list[np.ndarray]] | None = None
    for reference, *films in frames:
        H, W, _ = reference.shape
        size = short_side_within((H, W), side or min(H, W))
        grey = grey_levels(averaged(reference, size))
        shown = [averaged(film, size).astype(np.float32) / 255 for film in films]
        cut = detector(grey)
        if last is not None and not cut:
            yield from _errors(last, (grey, shown))
        last = grey, shown


def pair_error(
    first: np.ndarray, second: np.ndarray, flow: np.ndarray, visible: np.ndarray
) -> float:
    """Return sum M |V_1 - warp(V_2)|^2 / sum M, of two frames (H, W, 3), RGB in [0, 1].

    `flow` is the one from the first to the second frame, `visible` (H, W), bool, is M: where a
    pixel of the first is seen in the second. |.|^2 is summed over R, G and B: 0 to 3.
    """
    squared = ((first - warp(second, flow, cv2.INTER_LANCZOS4)) ** 2).sum(-1)
    return float(squared[visible].mean(dtype=np.float64))


def is_fade(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether a change of brightness and contrast is most of what two images differ by.

    The values (N,) of the same places in both, 0 to 255, are fitted by y = a x + b, least squares.
    It is a fade if the change (a - 1) x + b has a root mean square above FADE and leaves less than
    1 - FADE_SHARE of the squared difference.
    """
    x, y = first.astype(np.float64), second.astype(np.float64)
    a = np.mean((x - x.mean()) * (y - y.mean())) / max(x.var(), 1e-9)
    fitted = a * (x - x.mean()) + y.mean()
    changed, left, all_of_it = (np.mean(d**2) for d in (fitted - x, y - fitted, y - x))
    return bool(changed > FADE**2 and left < (1 - FADE_SHARE) * all_of_it)


def _errors(
    last: tuple[np.ndarray, list[np.ndarray]], new: tuple[np.ndarray, list[np.ndarray]]
) -> Iterator[np.ndarray]:
    """Yield the errors of a pair, if any pixel is seen twice and it is in no fade."""
    flow = fine_flow(last[0], new[0])
    visible = ~occluded(flow, fine_flow(new[0], last[0]))
    if visible.any() and not is_fade(last[0][visible], warp(new[0], flow)[visible]):
        yield np.array([pair_error(*pair, flow, visible) for pair in zip(last[1], new[1])])


def _together(paths: Sequence[str | os.PathLike]) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the frames of films that must be equally long."""
    with ExitStack() as stack:
        films = [stack.enter_context(open_video(path)) for path in paths]
        for number, frames in enumerate(zip_longest(*films)):
            if None in frames:
                short = Path(paths[frames.index(None)])
                raise VideoError(f"{short}: {number} frames, expected as many as the others have")
            yield tuple(frame for frame, _ in frames)

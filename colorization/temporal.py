"""Steady colours: each frame's ab is averaged with those of its neighbours along the optical flow.

for ab in steady((L, ab) for ...):
    ...  # ab of one frame after the other, without the flicker between them
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import DTypeLike

from colorization import compiled_colour
from colorization.area_means import area_means
from colorization.defaults import AHEAD, STRENGTH
from colorization.inference import paint
from colorization.optical_flow import as_grey, lost, optical_flow, warp
from colorization.resizing import short_side_within
from colorization.shots import ShotDetector

FLOW_SIDE = 160  # pixels of the shorter side of L at which the flow is computed
COLOUR_SIDE = 256  # likewise of ab in a film that is coloured already
TOLERANCE = 10.0  # of L between a pixel and where it has gone to

Frame = tuple[np.ndarray, np.ndarray]


def steady(
    frames: Iterable[Frame], strength: float = STRENGTH, ahead: int = AHEAD
) -> Iterator[np.ndarray]:
    """Yield the ab of each frame, averaged over time; shape and dtype are those given.

    `frames` are (L, ab): L (H, W) float32, 0..100; ab (2, h, w) float32 of the same picture at any
    size, one for the whole film. With s of `strength`, 0 to below 1, a frame's result is

        ab(t) = sum_k w_k ab_k / sum_k w_k,   w_k = prod s v(i),  over i from k to t

    over all frames k of its shot up to `ahead` frames after it, their ab_k and weights brought to
    where things are in t along the flow of L. v(i) in 0..1 says how surely a pixel is the same in
    two neighbouring frames: 0 where the flow there and back does not end where it began, otherwise
    exp(-(dL / TOLERANCE)^2) with the difference of L; borders of motion need no other guard.
    Frames after t are as welcome as those before it: a filter of the past alone lags behind colours
    that change. `strength` 0 gives the ab as they are. Results come `ahead` frames late, and that
    many frames are held.
    """
    if not 0 <= strength < 1:
        raise ValueError(f"strength: expected 0 to below 1, got {strength}")
    if ahead < 0:
        raise ValueError(f"ahead: expected 0 or more frames, got {ahead}")
    waiting: deque[_Step] = deque()
    for step in _accumulated(frames, strength):
        waiting.append(step)
        if len(waiting) > ahead:
            yield _result(waiting)
            waiting.popleft()
    while waiting:
        yield _result(waiting)
        waiting.popleft()


def steady_frames(
    frames: Iterable[tuple[np.ndarray, int]],
    strength: float = STRENGTH,
    ahead: int = AHEAD,
    dtype: DTypeLike = np.uint8,
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the frames (RGB (H, W, 3), pts) of a coloured film with steady colours.

    They come as uint8 or uint16, and go as the `dtype`. Each keeps its L. Its ab, shrunk to a
    shorter side of at most COLOUR_SIDE, goes through `steady`; what that changes is enlarged and
    added to the full-size ab, which keeps its edges.
    """
    held: deque[tuple[np.ndarray, np.ndarray, int]] = deque()

    def planes() -> Iterator[Frame]:
        for rgb, pts in frames:
            Lab = compiled_colour.to_Lab(rgb)
            small = _planes_at(Lab[1:], short_side_within(Lab.shape[1:], COLOUR_SIDE))
            held.append((Lab, small, pts))
            yield Lab[0], small

    for ab in steady(planes(), strength, ahead):
        Lab, small, pts = held.popleft()
        Lab[1:] += _planes_at(ab - small, Lab.shape[1:])
        yield paint(Lab[0], Lab[1:], dtype), pts


@dataclass
class _Step:
    """A frame on its way; its sums are (h, w, 3): of weighted a and b, and of the weights."""

    own: np.ndarray
    past: np.ndarray  # the sum over this frame and those before it
    flow: np.ndarray  # from the frame before to this one, (h, w, 2)
    link: np.ndarray  # s v of the frame before, (h, w); 0 throughout at a cut


class _View:
    """A frame as its motion is computed."""

    def __init__(self, L: np.ndarray):
        self.L = _at(L, short_side_within(L.shape, FLOW_SIDE))
        self.grey = as_grey(self.L)


def _accumulated(frames: Iterable[Frame], strength: float) -> Iterator[_Step]:
    """Yield the frames with the sums over their past."""
    detector, before = ShotDetector(), None
    for L, ab in frames:
        view, own = _View(L), np.dstack((*ab, np.ones_like(ab[0])))
        cut = detector(view.grey)
        step = _first(own) if before is None or cut else _linked(own, *before, view, strength)
        before = step.past, view
        yield step


def _first(own: np.ndarray) -> _Step:
    h, w = own.shape[:2]
    return _Step(own, own, np.zeros((h, w, 2), np.float32), np.zeros((h, w), np.float32))


def _linked(own: np.ndarray, past: np.ndarray, last: _View, view: _View, strength: float) -> _Step:
    """Join a frame to the one before it."""
    size = own.shape[:2]
    forth = optical_flow(last.grey, view.grey, "fast")
    back = optical_flow(view.grey, last.grey, "fast")
    before = strength * _at(_same(view.L, last.L, back, forth), size)
    summed = own + before[..., None] * warp(past, _flow_at(back, size))
    after = strength * _at(_same(last.L, view.L, forth, back), size)
    return _Step(own, summed, _flow_at(forth, size), after)


def _same(
    first: np.ndarray, second: np.ndarray, flow: np.ndarray, backward: np.ndarray
) -> np.ndarray:
    """Return v (H, W), how surely a pixel of the first L is the same in the second, 0 to 1."""
    unlike = (first - warp(second, flow)) / TOLERANCE
    return np.exp(-(unlike**2)) * ~lost(flow, backward)


def _result(waiting: Iterable[_Step]) -> np.ndarray:
    """Return ab (2, h, w) of the first that waits: its past, and what comes after it."""
    now, *later = waiting
    future = np.zeros_like(now.own)
    for step in reversed(later):
        future = step.link[..., None] * warp(step.own + future, step.flow)
    total = now.past + future
    return np.ascontiguousarray((total[..., :2] / total[..., 2:]).transpose(2, 0, 1))


def _at(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a plane (H, W), or (H, W, 2), at another size: mean over areas, or linear."""
    if plane.shape[:2] == size:
        return plane
    if plane.ndim == 2 and plane.shape[0] >= size[0] and plane.shape[1] >= size[1]:
        return area_means(plane, size)
    method = cv2.INTER_AREA if plane.shape[0] > size[0] else cv2.INTER_LINEAR
    return cv2.resize(plane, (size[1], size[0]), interpolation=method)


def _planes_at(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.stack([_at(plane, size) for plane in planes])


def _flow_at(flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the flow at another size (h, w), in pixels of that size."""
    scale = np.array([size[1] / flow.shape[1], size[0] / flow.shape[0]], np.float32)
    return _at(flow, size) * scale

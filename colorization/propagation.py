"""Colours of keyframes, carried through a film along its motion.

    for (frame, pts), (ab, source) in zip(film, propagate("film.mp4", keyframes, network)):
        writer.write(paint(lightness(frame), ab), pts)

A frame takes its colours from the keyframe before and from the one after it in its shot, and from
a network where neither shows what is there (`keyframe_blend`). Nothing is carried over a cut. The
film is read twice, first for its cuts; memory holds LOOKAHEAD small frames, whatever its length,
of about 5 MB each in 16:9.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import cv2
import numpy as np

from colorization.array_namespace import Array, to_numpy
from colorization.colour import sRGB_to_Lab
from colorization.errors import ColorizationError
from colorization.inference import lightness, shrink
from colorization.keyframe_blend import Guess, Track, joined
from colorization.optical_flow import as_grey, optical_flow
from colorization.resizing import short_side_within
from colorization.shots import ShotDetector
from colorization.upsampling import STRIDE, upsample
from colorization.video import open_video

SHORT_SIDE = 360  # pixels: colours move at this size
LOOKAHEAD = 96  # frames that wait for the keyframe after them
NETWORK_ERROR = 400.0  # squared units of ab: what a network misses by, at least
GREY_ERROR = 900.0  # likewise without any colours
UNSURE = 8.0  # units of ab: colours that are expected to miss by more are uncertain
LEAST_AREA = 0.01  # uncertain share of a frame that is worth a person's work

Planes = Callable[[], Iterable[np.ndarray]]


class PropagationError(ColorizationError):
    """Keyframes that do not fit to their film; the message is one line."""


@dataclass(frozen=True)
class Source:
    """Where the colours of a frame are from: mean shares 0..1 that sum to 1 (to 0 in grey)."""

    shot: int  # from 0
    keyframe: bool = False
    before: float = 0.0  # from the keyframe before it, itself included
    after: float = 0.0
    network: float = 0.0
    uncertain: float = 0.0  # share of the pixels that are expected to miss by more than UNSURE
    error: float = 0.0  # mean of what they are expected to miss by, units of ab


@dataclass(frozen=True)
class Stretch:
    """Frames start <= number < end of a shot, from a keyframe to the next: before is start."""

    shot: int
    start: int
    end: int
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Survey:
    """What the first reading of a film finds."""

    length: int
    size: tuple[int, int]  # H, W of a frame
    shots: list[int]  # the first frame of each
    greys: dict[int, np.ndarray]  # of the keyframes: number -> (h, w) uint8

    def stretches(self) -> Iterator[Stretch]:
        """Yield all parts of the film, in order and without gaps."""
        for shot, (start, end) in enumerate(zip(self.shots, [*self.shots[1:], self.length])):
            keys = [number for number in sorted(self.greys) if start <= number < end]
            bounds = [start, *(key for key in keys if key > start), end]
            for first, last in zip(bounds, bounds[1:]):
                before = first if first in self.greys else None
                yield Stretch(shot, first, last, before, last if last < end else None)

    def beginning(self, number: int) -> int:
        """Return the last frame, up to this one, with which `propagate` can begin."""
        return max((key for key in self.greys if key <= number), default=0)


def propagate(
    film: str | os.PathLike | Planes,
    keyframes: Mapping[int, np.ndarray],
    network: Iterable[Array] | None = None,
    found: Survey | None = None,
    first: int = 0,
) -> Iterator[tuple[np.ndarray, Source]]:
    """Yield ab (2, H, W), float32, and its source for each frame of a film, from the first on.

    `film` is a file, or a function that starts reading L (H, W), float32, 0..100, of its frames
    anew. `keyframes` are RGB images (.., .., 3), uint8 or uint16, of any size, by the number of
    the frame; only their ab counts. `network` gives ab (2, h, w) for each frame, as
    `Colorizer.predict` does; without it what no keyframe shows gets the least unlikely colours of
    theirs. `found` spares the first reading. With `first`, which `Survey.beginning` gives, frames
    and `network` begin there, and the results are as if they had begun before. PropagationError for
    keyframes beyond the film and for frames of changing size.
    """
    planes = film_planes(film) if isinstance(film, (str, os.PathLike)) else film
    found = found or survey(planes, keyframes)
    yield from _Propagation(planes(), keyframes, network, found).run(first)


def survey(film: str | os.PathLike | Planes, numbers: Iterable[int]) -> Survey:
    """Read a film once, for its cuts and for the grey of its keyframes."""
    planes = film_planes(film) if isinstance(film, (str, os.PathLike)) else film
    wanted, begins = set(numbers), ShotDetector()
    size: tuple[int, ...] = ()
    shots: list[int] = []
    greys: dict[int, np.ndarray] = {}
    number = -1
    for number, L in enumerate(planes()):
        size = size or L.shape
        if L.shape != size:
            raise PropagationError(f"frame {number}: expected {size} as frame 0, got {L.shape}")
        grey = _grey(L)
        if begins(grey):
            shots.append(number if shots else 0)  # what is black before the first belongs to it
        if number in wanted:
            greys[number] = grey
    _check_numbers(wanted, number + 1)
    H, W = size or (0, 0)
    return Survey(number + 1, (H, W), shots or [0], greys)


def film_planes(path: str | os.PathLike) -> Planes:
    """Return a function that reads L (H, W), float32, of the frames of a film."""

    def planes() -> Iterator[np.ndarray]:
        with open_video(path, grey_planes=True) as film:
            for frame, _ in film:
                yield lightness(frame)

    return planes


def proposals(sources: Sequence[Source], n: int, apart: int = 12) -> list[int]:
    """Return at most `n` numbers of frames, ascending, that a person should colour next.

    `sources` are those of all frames. First come the middles of shots without keyframes, the
    longest first; then the frames with the largest uncertain area, if it is at least LEAST_AREA,
    `apart` frames or more from each other and from keyframes of their shot.
    """
    if n < 0 or apart < 1:
        raise ValueError(f"expected n >= 0 and apart >= 1, got {n} and {apart}")
    shots = [list(part) for _, part in groupby(range(len(sources)), lambda i: sources[i].shot)]
    bare = [shot for shot in shots if not any(sources[number].keyframe for number in shot)]
    chosen = [shot[len(shot) // 2] for shot in sorted(bare, key=len, reverse=True)][:n]
    taken = [*chosen, *(i for i, source in enumerate(sources) if source.keyframe)]
    for number in sorted(range(len(sources)), key=lambda i: -sources[i].uncertain):
        if len(chosen) == n or sources[number].uncertain < LEAST_AREA:
            break
        shot = sources[number].shot
        if all(abs(number - i) >= apart or sources[i].shot != shot for i in taken):
            chosen.append(number)
            taken.append(number)
    return sorted(chosen)


@dataclass
class _Waiting:
    """A frame, small, whose keyframe after it was not reached yet; flows to and from the last."""

    grey: np.ndarray
    network: Array | None
    before: Guess | None
    to_last: np.ndarray
    from_last: np.ndarray


class _Propagation:
    """The second reading of a film."""

    def __init__(
        self,
        planes: Iterable[np.ndarray],
        keyframes: Mapping[int, np.ndarray],
        network: Iterable[Array] | None,
        found: Survey,
    ):
        self.planes, self.keyframes, self.found = iter(planes), keyframes, found
        self.network = None if network is None else iter(network)
        self.network_error = NETWORK_ERROR
        self.number = 0

    def run(self, first: int) -> Iterator[tuple[np.ndarray, Source]]:
        self.planes, self.number = islice(self.planes, first, None), first
        for stretch in self.found.stretches():
            if stretch.start < first:
                continue
            rest = stretch.end - stretch.start
            if stretch.before is not None:
                yield self._keyframe(stretch)
                rest -= 1
            waiting = 0 if stretch.after is None else min(rest, LOOKAHEAD)
            yield from self._between(stretch, rest - waiting, waiting)

    def _keyframe(self, stretch: Stretch) -> tuple[np.ndarray, Source]:
        _, network = self._next()
        image = self.keyframes[stretch.start]
        if network is not None:
            true = _small_ab(image, self._small(stretch.start))
            missed = ((_network_ab(network, true.shape[:2]) - true) ** 2).sum(-1).mean()
            self.network_error = max(NETWORK_ERROR, float(missed))
        ab = _small_ab(image, self.found.size)
        return _planes(ab, self.found.size), Source(stretch.shot, keyframe=True, before=1.0)

    def _between(
        self, stretch: Stretch, early: int, late: int
    ) -> Iterator[tuple[np.ndarray, Source]]:
        """Yield the frames of a stretch behind its keyframe, if it begins with one.

        From the keyframe after it only `late` frames are reached step by step.
        """
        before, after = self._track(stretch.before), self._track(stretch.after)
        last = None if before is None else before.grey
        for i in range(early):
            grey, network = self._next()
            left = None if before is None else before.step(grey, *_flows(grey, last))
            right = None if after is None else after.jump(grey, early + late - i)
            yield self._colour(stretch.shot, grey, left, right, network)
            last = grey
        if after is not None:
            yield from self._awaited(stretch.shot, before, after, last, late)

    def _awaited(
        self, shot: int, before: Track | None, after: Track, last: np.ndarray | None, late: int
    ) -> Iterator[tuple[np.ndarray, Source]]:
        waiting: list[_Waiting] = []
        for _ in range(late):
            grey, network = self._next()
            flows = _flows(grey, last)
            left = None if before is None else _packed(before.step(grey, *flows))
            halves = (flow.astype(np.float16) for flow in flows)
            waiting.append(_Waiting(grey, network, left, *halves))
            last = grey
        guesses = reversed(list(_backwards(waiting, after)))
        for frame, right in zip(waiting, guesses):
            yield self._colour(shot, frame.grey, frame.before, right, frame.network)

    def _colour(
        self,
        shot: int,
        grey: np.ndarray,
        before: Guess | None,
        after: Guess | None,
        network: Array | None,
    ) -> tuple[np.ndarray, Source]:
        known = {"before": before, "after": after}
        guesses = {name: _unpacked(guess) for name, guess in known.items() if guess is not None}
        if network is not None:
            error = np.full(grey.shape, self.network_error, np.float32)
            guesses["network"] = Guess(_network_ab(network, grey.shape), error)
        if not guesses:
            grey_ab = np.zeros((2, *self.found.size), np.float32)
            return grey_ab, Source(shot, uncertain=1.0, error=GREY_ERROR**0.5)
        best, shares = joined(list(guesses.values()))
        means = {name: float(share.mean()) for name, share in zip(guesses, shares)}
        return _planes(best.ab, self.found.size), _source(shot, means, best.error)

    def _next(self) -> tuple[np.ndarray, Array | None]:
        """Read the next frame, small, and the network's colours for it."""
        L = next(self.planes, None)
        if L is None:
            raise self._ended("the film")
        network = None if self.network is None else next(self.network, None)
        if self.network is not None and network is None:
            raise self._ended("the network")
        self.number += 1
        return _grey(L), network

    def _ended(self, what: str) -> PropagationError:
        count = f"{self.number} frames, expected {self.found.length}"
        return PropagationError(f"{what}: ended after {count}")

    def _small(self, number: int) -> tuple[int, int]:
        h, w = self.found.greys[number].shape
        return h, w

    def _track(self, number: int | None) -> Track | None:
        if number is None:
            return None
        ab = _small_ab(self.keyframes[number], self._small(number))
        return Track(self.found.greys[number], ab)


def _backwards(waiting: list[_Waiting], after: Track) -> Iterator[Guess]:
    """Yield the guesses from the keyframe after them, for the last frame first."""
    for i, frame in reversed(list(enumerate(waiting))):
        if i + 1 < len(waiting):
            following = waiting[i + 1]
            flows = following.from_last, following.to_last
            to_next, from_next = (flow.astype(np.float32) for flow in flows)
        else:
            to_next, from_next = _flows(frame.grey, after.grey)
        yield _packed(after.step(frame.grey, to_next, from_next))


def _flows(grey: np.ndarray, other: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the flows from a frame to another and back; zeros where there is no other."""
    if other is None:
        nothing = np.zeros((*grey.shape, 2), np.float32)
        return nothing, nothing
    return optical_flow(grey, other), optical_flow(other, grey)


def _source(shot: int, shares: dict[str, float], error: np.ndarray) -> Source:
    missed = np.sqrt(error)
    return Source(
        shot,
        before=shares.get("before", 0.0),
        after=shares.get("after", 0.0),
        network=shares.get("network", 0.0),
        uncertain=float((missed > UNSURE).mean()),
        error=float(missed.mean()),
    )


def _packed(guess: Guess) -> Guess:
    return Guess(guess.ab.astype(np.float16), guess.error.astype(np.float16))


def _unpacked(guess: Guess) -> Guess:
    return Guess(guess.ab.astype(np.float32), guess.error.astype(np.float32))


def _grey(L: np.ndarray) -> np.ndarray:
    """Return L as uint8, 0..255, its shorter side at most SHORT_SIDE."""
    return as_grey(shrink(L, short_side_within(L.shape, SHORT_SIDE)))


def _small_ab(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return ab (h, w, 2), float32, of RGB at another size."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype not in (np.uint8, np.uint16):
        got = f"got {rgb.shape} {rgb.dtype}"
        raise ValueError(f"keyframe: expected RGB (H, W, 3), uint8 or uint16, {got}")
    sRGB = rgb.astype(np.float32) / np.iinfo(rgb.dtype).max
    planes = np.moveaxis(sRGB_to_Lab(sRGB)[..., 1:], -1, 0)
    return np.stack([shrink(np.ascontiguousarray(plane), size) for plane in planes], -1)


def _network_ab(ab: Array, size: tuple[int, ...]) -> np.ndarray:
    """Return a network's ab (2, h, w) as (H, W, 2), float32, of the size (H, W)."""
    H, W = size
    _, h, w = ab.shape
    large = upsample(to_numpy(ab).astype(np.float32), (H, W), (h * STRIDE, w * STRIDE))
    return np.ascontiguousarray(np.moveaxis(large, 0, -1), np.float32)


def _planes(ab: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return ab (h, w, 2) as (2, H, W), interpolated linearly."""
    if ab.shape[:2] != size:
        ab = cv2.resize(ab, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(np.moveaxis(ab, -1, 0), np.float32)


def _check_numbers(wanted: set[int], length: int) -> None:
    beyond = sorted(number for number in wanted if not 0 <= number < length)
    if beyond:
        raise PropagationError(
            f"keyframe {beyond[0]}: expected a frame from 0 to {length - 1}, the film's last"
        )

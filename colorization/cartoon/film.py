"""An episode as a sequence of frames, with the truth about each of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from colorization.cartoon import titles
from colorization.cartoon.interludes import interlude
from colorization.cartoon.stage import Camera, Stage
from colorization.cartoon.stories import STORIES, Beat

RATE = 25  # frames a second
FRAMES_PER_DRAWING = 2  # what moves is drawn anew for every second frame
CREDITS_SECONDS = 2.0  # of the opening, and of the closing, where the episode is long enough
CREDITS_SHARE = 1 / 8  # at most, of the episode
FADE_SECONDS = 0.4
SHORTEST_BEAT, LONGEST_BEAT = 2.0, 7.0  # seconds; for a beat of weight 1
SHORTEST_SHOT, LONGEST_SHOT = 2.0, 6.0  # seconds


@dataclass(frozen=True)
class Truth:
    """What a frame is."""

    shot: int  # from 0, the opening credits
    credits: bool
    fade: bool  # darker than it is drawn
    held: bool  # the same picture as the frame before
    cut: bool  # the first frame of a shot that follows another without a fade


class Frame(NamedTuple):
    """A picture (H, W, 3), uint8, in RGB, and what it is."""

    picture: np.ndarray
    truth: Truth


class Shot(NamedTuple):
    """A part of a beat that one camera films."""

    beat: Beat
    camera: Camera
    start: int  # in frames after the beginning of the beat
    frames: int


@dataclass(frozen=True)
class Episode:
    """One of the episodes 1..13 at a length, a size and a seed."""

    number: int
    seed: int = 0
    seconds: float = 24.0
    width: int = 704
    height: int = 528

    @property
    def title(self) -> str:
        return STORIES[self.number - 1].title

    def __len__(self) -> int:
        """Return how many frames there are."""
        return round(self.seconds * RATE)

    def frames(self) -> Iterator[Frame]:
        """Yield all frames; the same episode gives the same ones bit by bit."""
        previous: np.ndarray | None = None
        for picture, truth in self._takes():
            held = previous is not None and np.array_equal(picture, previous)
            yield Frame(picture, Truth(*truth[:3], held, truth[3]))
            previous = picture

    def _takes(self) -> Iterator[tuple[np.ndarray, tuple[int, bool, bool, bool]]]:
        """All pictures with (shot, credits, fade, cut)."""
        shots = self.shots()
        card = titles.opening(self.number, self.title, self.width, self.height)
        yield from self._credits(card, 0)
        stage = Stage(self.width, self.height)
        for number, shot in enumerate(shots, 1):
            fade_in = self._fade_frames if number == 1 else 0
            fade_out = self._fade_frames if number == len(shots) else 0
            for index, (picture, level) in enumerate(_filmed(stage, shot, fade_in, fade_out)):
                yield _faded(picture, level), (number, False, level < 1, index == 0 and number > 1)
        card = titles.closing(self.width, self.height)
        yield from self._credits(card, len(shots) + 1)

    def _credits(
        self, card: np.ndarray, shot: int
    ) -> Iterator[tuple[np.ndarray, tuple[int, bool, bool, bool]]]:
        count = self._credits_frames
        for index in range(count):
            level = _level(index, count, self._fade_frames, self._fade_frames)
            yield _faded(card, level), (shot, True, level < 1, False)

    @property
    def _credits_frames(self) -> int:
        return round(min(CREDITS_SECONDS, self.seconds * CREDITS_SHARE) * RATE)

    @property
    def _fade_frames(self) -> int:
        return min(round(FADE_SECONDS * RATE), self._credits_frames // 4)

    def shots(self) -> list[Shot]:
        """Return the shots between the credits, which fill them to the frame."""
        total = len(self) - 2 * self._credits_frames
        beats = self._beats(total / RATE)
        ends = np.cumsum([0.0, *(beat.weight for beat in beats)])
        edges = np.rint(ends / ends[-1] * total).astype(int).tolist()
        return [shot for beat, a, b in zip(beats, edges, edges[1:]) for shot in _cut(beat, b - a)]

    def _beats(self, seconds: float) -> list[Beat]:
        """The story, shortened to its first beats or filled up with interludes."""
        beats = STORIES[self.number - 1].beats(self.seed)
        beats = beats[: max(1, int(seconds / SHORTEST_BEAT))]
        missing = seconds - LONGEST_BEAT * sum(beat.weight for beat in beats)
        rng = np.random.default_rng((self.seed, self.number))
        for number in range(math.ceil(missing / LONGEST_BEAT)):
            at = 1 + (2 * number) % len(beats)
            beats.insert(at, interlude(beats[at - 1].scene, rng))
        return beats


def _cut(beat: Beat, frames: int) -> list[Shot]:
    """Share a beat among its cameras, in turn."""
    seconds = frames / RATE
    wanted = min(len(beat.cameras), int(seconds / SHORTEST_SHOT))
    count = max(1, wanted, math.ceil(seconds / LONGEST_SHOT))
    edges = [round(frames * number / count) for number in range(count + 1)]
    return [
        Shot(beat, beat.cameras[number % len(beat.cameras)], start, end - start)
        for number, (start, end) in enumerate(zip(edges, edges[1:]))
    ]


def _filmed(
    stage: Stage, shot: Shot, fade_in: int, fade_out: int
) -> Iterator[tuple[np.ndarray, float]]:
    """The pictures of a shot with their brightness; while it fades nothing moves."""
    beat, camera = shot.beat, shot.camera
    drawn: tuple[float, object] | None = None
    picture = np.empty(0, np.uint8)
    for index in range(shot.frames):
        moment = shot.start + min(max(index - fade_in, 0), shot.frames - 1 - fade_in - fade_out)
        time = moment // FRAMES_PER_DRAWING * FRAMES_PER_DRAWING / RATE
        shown = time if camera.tracks else moment / RATE
        view = stage.view(camera, beat.actors, beat.scene, shot.start / RATE, shown)
        if drawn != (time, view):
            picture = stage.picture(beat.scene, beat.actors, view, time)
            drawn = (time, view)
        yield picture, _level(index, shot.frames, fade_in, fade_out)


def _level(index: int, count: int, fade_in: int, fade_out: int) -> float:
    """How bright a frame is that fades in from black at the start and out to black at the end."""
    rising = (index + 1) / (fade_in + 1)
    falling = (count - index) / (fade_out + 1)
    return min(1.0, rising, falling)


def _faded(picture: np.ndarray, level: float) -> np.ndarray:
    return picture if level == 1 else cv2.convertScaleAbs(picture, alpha=level)

"""Actors that follow their cues before a camera, and the pictures that come of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from colorization.cartoon.animals import ANIMALS
from colorization.cartoon.ink import FRAME_HEIGHT, SUPERSAMPLING, Canvas, ellipse
from colorization.cartoon.people import PEOPLE
from colorization.cartoon.places import PLACES, Place, Scene
from colorization.cartoon.poses import ACTIONS, GAITS, Pose, blended, ease
from colorization.cartoon.things import THINGS

GONE = "gone"  # the action of who is not in the picture
TYPICAL_SIZE = 0.95  # of actors, for their speed
BLEND_SECONDS = 0.24  # from one pose to the next
BLINK_SECONDS = 0.13
RUNNING = 2.4  # how much faster an animal runs than it walks

Point = tuple[float, float]


class Cue(NamedTuple):
    """What an actor does for some seconds, from one point to another."""

    action: str
    seconds: float
    start: Point
    end: Point
    left: bool
    hold: str
    rise: float  # how high the way from start to end arches


class Actor:
    """A person, an animal or a thing with its cues, which follow one another.

    `size` is relative to the size that the ground at (x, y) gives; with `aloft` it is the size
    itself, for what is not on the ground. Who has the larger `order` is drawn later; it is y
    where it is not given.
    """

    def __init__(
        self,
        name: str,
        x: float,
        y: float,
        left: bool = False,
        hold: str = "",
        size: float = 1.0,
        aloft: bool = False,
        order: float | None = None,
    ):
        self.name = name
        self.size, self.aloft, self.order = size, aloft, order
        self._first = Cue("", 0.0, (x, y), (x, y), left, hold, 0.0)
        self._cues: list[Cue] = []

    def does(
        self,
        action: str,
        seconds: float = math.inf,
        left: bool | None = None,
        hold: str | None = None,
    ) -> Actor:
        """Stay and do something."""
        last = self._last()
        left = last.left if left is None else left
        hold = last.hold if hold is None else hold
        self._cues.append(Cue(action, seconds, last.end, last.end, left, hold, 0.0))
        return self

    def goes(self, x: float, y: float | None = None, gait: str = "walk") -> Actor:
        """Go somewhere at the speed of the gait."""
        last = self._last()
        end = (x, last.end[1] if y is None else y)
        seconds = math.dist(last.end, end) / self._speed(gait)
        self._cues.append(Cue(gait, seconds, last.end, end, x < last.end[0], last.hold, 0.0))
        return self

    def moves(
        self, x: float, y: float, seconds: float, action: str = "", rise: float = 0.0
    ) -> Actor:
        """Get somewhere in some seconds, not on foot."""
        last = self._last()
        self._cues.append(Cue(action, seconds, last.end, (x, y), last.left, last.hold, rise))
        return self

    def _last(self) -> Cue:
        return self._cues[-1] if self._cues else self._first

    def _speed(self, gait: str) -> float:
        """In drawing units a second, at the distance at which actors usually are."""
        if self.name in PEOPLE:
            return GAITS[gait][2] * PEOPLE[self.name].leg * TYPICAL_SIZE
        animal = ANIMALS[self.name]
        return animal.speed * (RUNNING if gait == "run" else 1) * TYPICAL_SIZE

    def cue(self, time: float) -> tuple[Cue, float, Cue | None]:
        """Return the cue at a time, the seconds since it began, and the cue before it."""
        before = None
        for cue in self._cues:
            if time < cue.seconds:
                return cue, time, before
            time -= cue.seconds
            before = cue
        last = self._last()
        rest = "stand" if last.action in GAITS else last.action
        return last._replace(action=rest, start=last.end, seconds=math.inf, rise=0.0), time, before

    def place(self, time: float) -> Point:
        """Return where the actor is at a time."""
        cue, since, _ = self.cue(time)
        share = since / cue.seconds if cue.start != cue.end else 0.0
        (x0, y0), (x1, y1) = cue.start, cue.end
        arch = 4 * cue.rise * share * (1 - share)
        return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share - arch

    def scale(self, place: Place, time: float) -> float:
        """Return how large the actor appears."""
        if self.aloft:
            return self.size
        cue, since, _ = self.cue(time)
        share = since / cue.seconds if cue.start != cue.end else 0.0
        return self.size * place.scale(cue.start[1] + (cue.end[1] - cue.start[1]) * share)

    def draw(self, canvas: Canvas, place: Place, time: float) -> None:
        """Draw the actor as he is at a time."""
        cue, since, before = self.cue(time)
        if cue.action == GONE:
            return
        scale = self.scale(place, time)
        if not self.aloft and self.order is None and self.name not in THINGS:
            _shadow(canvas, *self.place(time), scale * (46 if self.name in PEOPLE else 34))
        own = canvas.at(*self.place(time), scale, flip=cue.left)
        if self.name in PEOPLE:
            pose = self._pose(cue, since, before, scale)
            PEOPLE[self.name].draw(own, _blinking(pose, time, self.name), cue.hold, time)
        elif self.name in ANIMALS:
            ANIMALS[self.name].draw(own, cue.action, self._phase(cue, since, scale))
        else:
            THINGS[self.name](own, cue.action, since)

    def _pose(self, cue: Cue, since: float, before: Cue | None, scale: float) -> Pose:
        pose = _posed(cue.action, self._phase(cue, since, scale))
        if before is None or since >= BLEND_SECONDS or before.action == GONE:
            return pose
        old = _posed(before.action, self._phase(before, before.seconds, scale))
        return blended(old, pose, ease(since / BLEND_SECONDS))

    def _phase(self, cue: Cue, since: float, scale: float) -> float:
        """The cycles done of a gait, or the seconds of another action."""
        if cue.action not in GAITS:
            return since
        share = since / cue.seconds if cue.seconds < math.inf else 0.0
        way = math.dist(cue.start, cue.end) * share / max(scale, 1e-3)
        if self.name in PEOPLE:
            return way / (GAITS[cue.action][1] * PEOPLE[self.name].leg)
        return way / (ANIMALS[self.name].stride * (1.5 if cue.action == "run" else 1))


def _posed(action: str, phase: float) -> Pose:
    gait = GAITS.get(action)
    return gait[0](phase) if gait else ACTIONS[action](phase)


def _blinking(pose: Pose, time: float, name: str) -> Pose:
    rhythm = 2.3 + 0.17 * (sum(map(ord, name)) % 9)
    blinks = (time + 0.31 * len(name)) % rhythm < BLINK_SECONDS
    return pose._replace(eyelid=1.0) if blinks else pose


def _shadow(canvas: Canvas, x: float, y: float, wide: float) -> None:
    canvas.shade(ellipse(x, y, wide, wide * 0.16), 0.24)


# --- the camera ---


class View(NamedTuple):
    """What a camera shows: the centre of the picture, and how much it is enlarged."""

    x: float
    y: float = FRAME_HEIGHT / 2
    zoom: float = 1.0


@dataclass(frozen=True)
class Camera:
    """A camera that stands, or goes from one view to another, or stays with an actor."""

    start: View
    end: View | None = None
    begin: float = 0.5  # seconds after the cut
    seconds: float = 2.5
    actor: str = ""  # whose place is the origin of the views
    tracks: bool = False  # follow the actor; otherwise aim at the place he has at the cut

    def view(self, actors: Iterable[Actor], place: Place, cut: float, time: float) -> View:
        """Return the view at a time, the shot having begun at `cut`."""
        view = self.start
        if self.end is not None:
            share = ease((time - cut - self.begin) / self.seconds)
            view = View(*(a + (b - a) * share for a, b in zip(self.start, self.end)))
        if self.actor:
            when = time if self.tracks else cut
            actor = next(actor for actor in actors if actor.name == self.actor)
            (x, y), scale = actor.place(when), actor.scale(place, when)
            view = view._replace(x=x + view.x * scale, y=y + view.y * scale)
        return view


def wide(x: float, y: float = FRAME_HEIGHT / 2, zoom: float = 1.0) -> Camera:
    """A camera that stands."""
    return Camera(View(x, y, zoom))


def moving(start: View, end: View, seconds: float = 2.5, begin: float = 0.5) -> Camera:
    """A camera that pans or zooms."""
    return Camera(start, end, begin, seconds)


def close(actor: str, zoom: float = 1.9, up: float = 170.0, ahead: float = 12.0) -> Camera:
    """A camera near to an actor's face, `up` over the ground."""
    return Camera(View(ahead, -up, zoom), actor=actor)


def follow(actor: str, zoom: float = 1.25, up: float = 120.0, ahead: float = 40.0) -> Camera:
    """A camera that goes along with an actor."""
    return Camera(View(ahead, -up, zoom), actor=actor, tracks=True)


# --- the picture ---


class Stage:
    """Draws pictures of one size; keeps the last view of a background."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.unit = SUPERSAMPLING * height / FRAME_HEIGHT
        self._seen: tuple[Scene, View] | None = None
        self._behind: np.ndarray = np.empty((0, 0, 3), np.uint8)
        self._paper = _paper(width, height)

    def view(
        self, camera: Camera, actors: list[Actor], scene: Scene, cut: float, time: float
    ) -> View:
        """Return what the camera shows, kept inside the painted background."""
        place = PLACES[scene.place]
        view = camera.view(actors, place, cut, time)
        half_width = self.width / self.height * FRAME_HEIGHT / 2 / view.zoom
        half_height = FRAME_HEIGHT / 2 / view.zoom
        x = min(max(view.x, half_width), max(place.width - half_width, half_width))
        y = min(max(view.y, half_height), FRAME_HEIGHT - half_height)
        return View(x, y, view.zoom)

    def picture(self, scene: Scene, actors: list[Actor], view: View, time: float) -> np.ndarray:
        """Return the picture (height, width, 3), uint8, in RGB."""
        place = PLACES[scene.place]
        pixels = self._background(scene, view).copy()
        canvas = Canvas(pixels, self._matrix(view), scene.light, self.unit)
        live = [_live(*thing) for thing in place.live]
        for actor in sorted([*live, *actors], key=lambda a: _order(a, time)):
            actor.draw(canvas, place, time)
        size = (self.width, self.height)
        picture = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return cv2.subtract(cv2.add(picture, self._paper[0]), self._paper[1])

    def _matrix(self, view: View) -> np.ndarray:
        """From drawing units to the pixels drawn; pans go by whole pixels."""
        scale = self.unit * view.zoom
        x = self.width * SUPERSAMPLING / 2 - scale * view.x
        y = self.height * SUPERSAMPLING / 2 - scale * view.y
        return np.array([(scale, 0, round(x)), (0, scale, round(y))])

    def _background(self, scene: Scene, view: View) -> np.ndarray:
        if self._seen != (scene, view):
            matrix = self._matrix(view) / (self.unit, self.unit, 1)
            size = (self.width * SUPERSAMPLING, self.height * SUPERSAMPLING)
            painted = scene.background(self.unit)
            self._behind = cv2.warpAffine(painted, matrix, size, borderMode=cv2.BORDER_REPLICATE)
            self._seen = (scene, view)
        return self._behind


def _order(actor: Actor, time: float) -> float:
    return actor.place(time)[1] if actor.order is None else actor.order


def _live(name: str, x: float, y: float, size: float) -> Actor:
    return Actor(name, x, y, size=size, aloft=True, order=-1).does("")


def _paper(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The grain of the paper, the same in all pictures: what it adds and what it takes away."""
    rng = np.random.default_rng(52)
    grain = np.rint(rng.normal(0, 0.9, (height, width, 1))).astype(np.int8).repeat(3, axis=2)
    return np.maximum(grain, 0).astype(np.uint8), np.maximum(-grain, 0).astype(np.uint8)

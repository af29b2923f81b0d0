"""The places where the stories happen: painted once for a shot, then only copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import cv2
import numpy as np

from colorization.cartoon import buildings, furniture, nature
from colorization.cartoon.ink import BACKGROUNDS, FRAME_HEIGHT, Canvas, curve, ellipse, rectangle
from colorization.cartoon.light import DAY, NIGHT, Colour, Light, darker, lighter, mixed
from colorization.cartoon.nature import SUMMER, Season

EYE_HEIGHT = 235.0  # of the camera over the ground, in drawing units: the horizon is at eye level
PAPER_GRAIN = 0.011  # standard deviation of the paper's brightness, as a share
WASH_UNEVENNESS = 0.016  # the same of the slow changes in a wash of colour


@dataclass(frozen=True)
class Place:
    """How a place is painted, how wide it is, and the live things that belong to it."""

    paint: Callable[[Painter], None]
    width: float
    horizon: float = 245.0
    live: tuple[tuple[str, float, float, float], ...] = ()  # (thing, x, y, size)

    def scale(self, y: float) -> float:
        """How large things appear that stand on the ground at a height in the picture."""
        return max(0.05, (y - self.horizon) / EYE_HEIGHT)


@dataclass(frozen=True)
class Scene:
    """A place at a time of day and of the year; the seed places what grows there."""

    place: str
    light: Light = DAY
    season: Season = SUMMER
    seed: int = 0

    def background(self, unit: float) -> np.ndarray:
        """Return the painted picture (528 unit, width unit, 3), uint8, in RGB."""
        return _painted(self, unit)


@lru_cache(maxsize=4)
def _painted(scene: Scene, unit: float) -> np.ndarray:
    place = PLACES[scene.place]
    size = round(FRAME_HEIGHT * unit), round(place.width * unit)
    pixels = np.zeros((*size, 3), np.uint8)
    matrix = np.array([(unit, 0, 0), (0, unit, 0)], float)
    rng = np.random.default_rng((scene.seed, crc32(scene.place.encode())))
    canvas = Canvas(pixels, matrix, scene.light, unit, BACKGROUNDS)
    place.paint(Painter(canvas, place, scene, rng))
    _on_paper(pixels, unit, rng)
    pixels.setflags(write=False)
    return pixels


def _on_paper(pixels: np.ndarray, unit: float, rng: np.random.Generator) -> None:
    """Give the paint the grain of paper and the unevenness of a wash."""
    height, width = pixels.shape[:2]
    texture = np.zeros((height, width), np.float32)
    for spacing, strength in ((1.3, PAPER_GRAIN), (42, WASH_UNEVENNESS), (11, WASH_UNEVENNESS / 3)):
        cells = max(2, round(FRAME_HEIGHT / spacing)), max(2, round(width / unit / spacing))
        noise = rng.standard_normal(cells).astype(np.float32)
        texture += strength * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for row in range(height):
        pixels[row] = np.clip(pixels[row] * (1 + texture[row, :, None]), 0, 255)


@dataclass(frozen=True)
class Painter:
    """What a place is painted with: its canvas, light, season and chance."""

    canvas: Canvas
    place: Place
    scene: Scene
    rng: np.random.Generator

    @property
    def dark(self) -> bool:
        return self.scene.light is NIGHT

    def on(self, x: float, y: float, size: float = 1.0, flip: bool = False) -> Canvas:
        """Return a canvas for a thing that stands on the ground there."""
        return self.canvas.at(x, y, self.place.scale(y) * size, flip=flip)

    def eye(self, x: float, y: float) -> furniture.Eye:
        """Return the vanishing point as a thing sees it that stands on the ground there."""
        return (self.place.width / 2 - x) / self.place.scale(y), -EYE_HEIGHT

    def country(self, width: float) -> None:
        """Paint sky, hills and grass."""
        horizon = self.place.horizon
        nature.sky(self.canvas, width, horizon, self.scene.light, self.rng)
        nature.hills(self.canvas, width, horizon, self.scene.season, self.rng)
        nature.meadow(self.canvas, width, horizon, FRAME_HEIGHT, self.scene.season, self.rng)

    def tree(self, x: float, y: float, size: float = 1.0, fruit: Colour | None = None) -> None:
        self.shadow(x, y, 120 * size)
        nature.tree(self.on(x, y, size), self.scene.season, self.rng, fruit)

    def conifer(self, x: float, y: float, size: float = 1.0) -> None:
        self.shadow(x, y, 90 * size)
        nature.conifer(self.on(x, y, size), self.scene.season, self.rng)

    def bush(self, x: float, y: float, size: float = 1.0, berries: Colour | None = None) -> None:
        self.shadow(x, y, 96 * size)
        nature.bush(self.on(x, y, size), self.scene.season, self.rng, berries)

    def cottage(
        self, x: float, y: float, wall: Colour, tiles: Colour, wood: Colour, size: float = 1.0
    ) -> None:
        snow = self.scene.season.bare
        self.shadow(x, y, 270 * size)
        buildings.cottage(self.on(x, y, size), self.rng, wall, tiles, wood, self.dark, snow)

    def fence(self, x: float, y: float, length: float, colour: Colour = (232, 206, 160)) -> None:
        buildings.fence(self.on(x, y), length / self.place.scale(y), self.rng, colour)

    def shadow(self, x: float, y: float, wide: float) -> None:
        """Darken the ground under a thing."""
        scale = self.place.scale(y)
        self.canvas.shade(ellipse(x + 8 * scale, y, wide * scale, wide * 0.13 * scale), 0.2)


# --- outdoors ---


def _village(p: Painter) -> None:
    p.country(p.place.width)
    nature.path(
        p.canvas,
        [
            (640, 246, 5),
            (600, 268, 13),
            (655, 305, 30),
            (590, 372, 62),
            (470, 452, 118),
            (380, 540, 190),
        ],
        p.scene.season.path,
    )
    buildings.tower(p.on(760, 296), p.dark, p.scene.season.bare)
    for x, y in ((520, 286), (700, 284), (840, 290), (905, 300), (430, 296)):
        p.tree(x, y, 0.9)
    p.cottage(330, 326, (250, 236, 200), (190, 84, 62), (122, 86, 60), 0.95)
    p.cottage(880, 340, (234, 208, 168), (148, 92, 84), (66, 104, 146))
    p.tree(1070, 362)
    p.conifer(85, 352, 1.15)
    p.cottage(168, 394, (250, 240, 214), (210, 96, 62), (70, 118, 92), 0.98)
    p.fence(290, 404, 150)
    p.bush(410, 412, 0.6)
    p.fence(770, 398, 330)
    p.tree(1130, 420, 1.05)
    buildings.lamp_post(p.on(735, 418), p.dark)
    buildings.post_box(p.on(706, 424))
    p.bush(1010, 424, 0.8, (206, 54, 60))


def _square(p: Painter) -> None:
    p.country(p.place.width)
    ground = [(-60, 372), (260, 330), (640, 322), (1010, 336), (1280, 380), (1280, 560), (-60, 560)]
    p.canvas.shape(curve(ground), p.scene.season.path)
    for _ in range(90):
        x, y = p.rng.uniform(0, 1200), p.rng.uniform(360, 526)
        cobble = p.on(x, y)
        cobble.line(
            curve([(-15, 0), (-4, -7), (11, -5), (17, 1)], False),
            1.3,
            darker(p.scene.season.path, 0.22),
        )
    for x in (60, 330, 520, 690, 860, 1150):
        p.tree(x, 304, 0.9)
    p.cottage(210, 344, (236, 206, 176), (150, 88, 78), (70, 104, 146))
    buildings.tower(p.on(470, 330), p.dark, p.scene.season.bare)
    p.cottage(720, 336, (250, 240, 214), (206, 96, 62), (122, 86, 60))
    p.cottage(1010, 352, (226, 222, 196), (186, 78, 62), (70, 118, 92))
    p.shadow(610, 398, 76)
    buildings.well(p.on(610, 398))
    buildings.lamp_post(p.on(384, 402), p.dark)
    buildings.lamp_post(p.on(852, 402), p.dark)
    p.shadow(930, 412, 90)
    buildings.bench(p.on(930, 412))
    p.bush(70, 398, 0.8)
    p.bush(1160, 404, 0.8)


def _garden(p: Painter) -> None:
    p.country(p.place.width)
    for x in (90, 240, 760, 930):
        p.tree(x, 300, 0.9)
    p.fence(-20, 368, 760)
    if p.scene.season.flowers:
        for x in range(300, 560, 44):
            nature.sunflower(p.on(x, 380), p.rng)
    bed = [(330, 400), (580, 396), (600, 424), (310, 430)]
    p.canvas.shape(curve(bed, steps=4), (140, 100, 70))
    for row in range(3):
        for column in range(8):
            x, y = 340 + 32 * column - 5 * row, 406 + 9 * row
            nature.tuft(p.canvas.at(x, y, 0.8), (96, 158, 66), p.rng)
            p.canvas.shape(ellipse(x, y, 4.5, 4), (238, 140, 52), 1.2)
    p.cottage(890, 408, (250, 236, 200), (206, 96, 62), (70, 104, 146))
    p.bush(700, 414, 0.62, (206, 54, 60))
    p.tree(140, 418, 1.05, (206, 54, 44))
    p.bush(20, 440, 0.9)


def _house_front(p: Painter) -> None:
    p.country(p.place.width)
    p.tree(60, 318)
    p.conifer(860, 312, 1.1)
    p.tree(960, 330)
    p.fence(640, 372, 420)
    p.cottage(400, 424, (250, 240, 214), (206, 96, 62), (70, 118, 92), 1.28)
    nature.path(p.canvas, [(400, 428, 46), (410, 470, 76), (440, 540, 130)], p.scene.season.path)
    p.bush(80, 432, 0.66)
    p.bush(690, 434, 0.7, (206, 54, 60))
    if p.scene.season.flowers:
        for x in (760, 800, 846):
            nature.sunflower(p.on(x, 424), p.rng)


def _yard(p: Painter) -> None:
    p.country(p.place.width)
    p.tree(70, 322)
    p.conifer(890, 318, 1.1)
    p.fence(-20, 376, 200)
    p.fence(690, 376, 330)
    p.shadow(430, 428, 290)
    buildings.shed(p.on(430, 424, 1.28), (232, 222, 190), p.scene.season.bare)
    nature.path(p.canvas, [(598, 428, 48), (590, 470, 76), (560, 540, 130)], p.scene.season.path)
    p.shadow(800, 436, 60)
    furniture.barrel(p.on(770, 432))
    p.bush(120, 440, 0.7)
    p.bush(900, 444, 0.8, (206, 54, 60))


def _meadow(p: Painter) -> None:
    season = p.scene.season
    nature.sky(p.canvas, p.place.width, p.place.horizon, p.scene.light, p.rng)
    nature.hills(p.canvas, p.place.width, p.place.horizon, season, p.rng)
    nature.meadow(p.canvas, p.place.width, p.place.horizon, FRAME_HEIGHT, season, p.rng)
    nature.path(
        p.canvas,
        [(930, 302, 4), (850, 322, 12), (930, 358, 32), (790, 430, 72), (620, 540, 140)],
        season.path,
    )
    buildings.tower(p.on(520, 318), p.dark, season.bare)
    for x, tiles in ((450, (190, 84, 62)), (600, (206, 96, 62)), (660, (150, 88, 78))):
        p.cottage(x, 322, (246, 234, 206), tiles, (90, 96, 90), 0.8)
    for x in (400, 560, 700, 1010):
        p.tree(x, 324)
    p.tree(1080, 398)
    if season.bare:
        p.conifer(150, 388)
    else:
        p.shadow(150, 388, 100)
        buildings.haystack(p.on(150, 388), p.rng)
    buildings.signpost(p.on(770, 412))
    p.bush(300, 396, 0.7)


def _forest(p: Painter) -> None:
    c, season = p.canvas, p.scene.season
    deep = mixed(season.leaves[0], (40, 70, 60), 0.35)
    nature.wash(
        c,
        0,
        p.place.horizon + 24,
        mixed(deep, (196, 220, 160), 0.5),
        mixed(deep, (220, 232, 170), 0.75),
    )
    for x in np.arange(-20, p.place.width + 40, 30):
        wide, top = p.rng.uniform(3, 8), p.rng.uniform(-20, 30)
        tone = mixed(deep, (206, 222, 168), p.rng.uniform(0.25, 0.55))
        c.shape([(x, 290), (x + 2, top), (x + wide, top), (x + wide + 2, 290)], tone, 0)
    nature.wash(
        c,
        p.place.horizon,
        FRAME_HEIGHT,
        mixed(season.far, deep, 0.3),
        mixed(season.near, deep, 0.25),
    )
    for _ in range(130):
        x, y = p.rng.uniform(0, p.place.width), p.rng.uniform(p.place.horizon + 12, FRAME_HEIGHT)
        nature.tuft(p.on(x, y, 1.3), mixed(season.near, deep, 0.75), p.rng)
    nature.path(
        c,
        [(560, 250, 8), (600, 290, 22), (520, 360, 50), (600, 450, 100), (560, 540, 170)],
        mixed(season.path, deep, 0.15),
    )
    places = sorted(
        (p.rng.uniform(284, 410), x + p.rng.uniform(-30, 30)) for x in range(30, 1180, 62)
    )
    for number, (y, x) in enumerate(places):
        if abs(x - 560) < 130 and y > 300:
            continue
        p.shadow(x, y, 60)
        if number % 3 == 0:
            nature.conifer(
                p.on(x, y, 1.25), season, p.rng, mixed((62, 112, 78), deep, p.rng.uniform(0, 0.4))
            )
        elif number % 3 == 1:
            nature.birch(p.on(x, y), y / p.place.scale(y), p.rng)
        else:
            nature.trunk(p.on(x, y), y / p.place.scale(y), 24, (126, 88, 66))
    for x, y, colour, spots in (
        (260, 430, (206, 54, 44), True),
        (300, 440, (206, 54, 44), True),
        (730, 436, (150, 98, 60), False),
        (772, 428, (150, 98, 60), False),
        (940, 446, (206, 54, 44), True),
        (1080, 452, (226, 160, 70), False),
    ):
        nature.mushroom(p.on(x, y), colour, spots)
    canopy = [ellipse(x, p.rng.uniform(-34, -6), 74, 46) for x in range(-20, 1240, 84)]
    c.union(canopy, mixed(deep, season.leaves[1], 0.5), 1.7)
    for x in range(20, 1200, 70):
        c.line(curve([(x - 18, 14), (x, 24), (x + 20, 12)], False), 1.6, darker(deep, 0.15))


def _pond(p: Painter) -> None:
    p.country(p.place.width)
    for x in (60, 210, 330, 820, 980, 1130):
        p.tree(x, 296, 0.9)
    p.conifer(1040, 318)
    p.cottage(640, 300, (246, 234, 206), (190, 84, 62), (122, 86, 60), 0.95)
    blue = (204, 218, 232) if p.scene.season.bare else (106, 170, 206)
    shore = [
        (430, 392),
        (560, 356),
        (820, 344),
        (1060, 360),
        (1240, 396),
        (1240, 500),
        (1000, 520),
        (700, 506),
        (500, 460),
    ]
    p.canvas.shape(curve(shore), lighter(p.scene.season.path, 0.1))
    pool = curve(
        [
            (452, 394),
            (570, 364),
            (820, 352),
            (1060, 368),
            (1250, 404),
            (1250, 490),
            (1000, 508),
            (710, 494),
            (520, 454),
        ]
    )
    p.canvas.shape(pool, blue)
    nature.water(p.canvas, 560, 376, 1180, 486, p.rng)
    for x, y in ((500, 376), (1010, 366), (760, 510), (1120, 506)):
        nature.reeds(p.on(x, y, 0.9), p.rng)
    for x, y in ((840, 396), (930, 410), (890, 446)):
        p.canvas.shape(ellipse(x, y, 24, 8), (104, 156, 84), 1.4)
        p.canvas.shape(ellipse(x + 4, y - 5, 7, 5), (246, 190, 206), 1.2)
    p.tree(110, 400, 1.1)
    p.bush(300, 396, 0.8)
    buildings.bridge(p.on(430, 470, 0.95))


def _beach(p: Painter) -> None:
    c = p.canvas
    nature.sky(c, p.place.width, p.place.horizon, p.scene.light, p.rng)
    nature.wash(c, p.place.horizon, 372, (72, 150, 196), (122, 198, 208))
    c.line(
        [(0, p.place.horizon), (p.place.width, p.place.horizon)], 1.3, (58, 110, 150), taper=False
    )
    nature.water(c, 0, p.place.horizon + 14, p.place.width, 350, p.rng)
    rocks = [(900, 262), (930, 236), (985, 224), (1060, 218), (1120, 230), (1210, 228), (1230, 270)]
    c.shape(curve(rocks, steps=5), (164, 150, 138), 1.7)
    for left, top in ((960, 244), (1020, 238), (1100, 250), (1160, 246)):
        c.line([(left, top), (left + 14, top + 8), (left + 10, top + 16)], 1.4, (110, 98, 92))
    buildings.lighthouse(c.at(1070, 226, 0.44))
    shore = curve(
        [(-40, 352), (180, 366), (420, 352), (700, 372), (960, 358), (1240, 374)], False, 12
    )
    sand = np.concatenate((shore, [(1240, 560), (-40, 560)]))
    c.shape(sand, (242, 218, 160), 0)
    c.line(shore - (0, 2), 7, (250, 252, 250), taper=False)
    c.line(shore + (0, 7), 2.4, (214, 184, 128), taper=False)
    for _ in range(90):
        x, y = p.rng.uniform(0, p.place.width), p.rng.uniform(386, FRAME_HEIGHT)
        grain = c.at(x, y, p.place.scale(y))
        if p.rng.random() < 0.12:
            shell = [(-9, 0), (-7, -9), (0, -13), (7, -9), (9, 0), (0, 3)]
            grain.shape(curve(shell), ((250, 226, 214), (236, 180, 150))[p.rng.integers(2)], 1.3)
        else:
            grain.line([(-9, 0), (0, -2), (9, 1)], 1.5, (214, 184, 128))


def _open_sea(p: Painter) -> None:
    c = p.canvas
    nature.sky(c, p.place.width, p.place.horizon, p.scene.light, p.rng)
    nature.wash(c, p.place.horizon, FRAME_HEIGHT, (80, 158, 198), (40, 112, 168))
    c.line(
        [(0, p.place.horizon), (p.place.width, p.place.horizon)], 1.3, (52, 100, 140), taper=False
    )
    island = [(60, 240), (90, 218), (150, 204), (220, 214), (270, 240)]
    c.shape(curve(island), (176, 196, 130), 1.3)
    for x in (120, 160, 200):
        nature.far_tree(c.at(x, 222), p.scene.season, p.rng)
    nature.water(c, 0, p.place.horizon + 12, p.place.width, FRAME_HEIGHT, p.rng)
    for _ in range(26):
        y = p.rng.uniform(300, 520)
        crest = p.on(p.rng.uniform(0, p.place.width), y)
        crest.line(
            curve([(-40, 4), (-12, -8), (6, -2), (24, -9), (46, 3)], False), 3, (206, 232, 240)
        )


# --- indoors ---

WALL_FOOT, LEFT_CORNER, RIGHT_CORNER = 392.0, 96.0, 804.0


def _shell(
    p: Painter, wall: Colour, floor: Colour, pattern: Callable[[Painter, Colour], None]
) -> None:
    """The walls and the floor of a room; the pattern is that of its wallpaper."""
    c, width = p.canvas, p.place.width
    rise = _floor_y(p, 0, LEFT_CORNER)
    c.shape(rectangle(LEFT_CORNER, -10, RIGHT_CORNER, WALL_FOOT), wall, 0)
    pattern(p, wall)
    for edge, corner in ((0, LEFT_CORNER), (width, RIGHT_CORNER)):
        side = [(edge, -10), (corner, -10), (corner, WALL_FOOT), (edge, rise)]
        c.shape(side, darker(wall, 0.13))
        skirting = [(corner, WALL_FOOT - 13), (corner, WALL_FOOT), (edge, rise), (edge, rise - 17)]
        c.shape(skirting, (150, 112, 80), 1.3)
    ground = [(0, rise), (LEFT_CORNER, WALL_FOOT), (RIGHT_CORNER, WALL_FOOT), (width, rise)]
    c.shape([*ground, (width, 540), (0, 540)], floor)
    c.shape(rectangle(LEFT_CORNER, WALL_FOOT - 13, RIGHT_CORNER, WALL_FOOT), (164, 124, 88), 1.3)


def _floor_y(p: Painter, x: float, corner: float) -> float:
    """Where the line from the eye through a back corner of the floor meets x."""
    middle = p.place.width / 2
    return p.place.horizon + (WALL_FOOT - p.place.horizon) * (x - middle) / (corner - middle)


def _floor_lines(p: Painter, colour: Colour, step: float) -> list[list[tuple[float, float]]]:
    """Lines on the floor that run away from us, each from the wall to the foot of the picture."""
    middle, horizon = p.place.width / 2, p.place.horizon
    grow = (540 - horizon) / (WALL_FOOT - horizon)
    return [
        [(x, WALL_FOOT), (middle + (x - middle) * grow, 540)]
        for x in np.arange(LEFT_CORNER + step, RIGHT_CORNER, step)
    ]


def _boards(p: Painter, floor: Colour) -> None:
    for number, line in enumerate(_floor_lines(p, floor, 40)):
        p.canvas.line(line, 1.4, darker(floor, 0.3), taper=False)
        share = (0.17 * number * 3.7) % 0.8 + 0.1
        x, y = line[0][0] + (line[1][0] - line[0][0]) * share, 392 + 148 * share
        p.canvas.line([(x, y), (x + 40 + 40 * share, y)], 1.4, darker(floor, 0.3), taper=False)


def _tiles(p: Painter, floor: Colour) -> None:
    """A chequered floor."""
    middle, horizon = p.place.width / 2, p.place.horizon
    depth = WALL_FOOT - horizon
    rows = [horizon + depth / (1 - 0.105 * k) for k in range(6)]
    columns = np.arange(-12, 13) * 48.0
    for k, (top, bottom) in enumerate(zip(rows, rows[1:])):
        for n, x in enumerate(columns[:-1]):
            if (n + k) % 2:
                a, b = (top - horizon) / depth, (bottom - horizon) / depth
                tile = [(middle + x * a, top), (middle + (x + 48) * a, top)]
                tile += [(middle + (x + 48) * b, bottom), (middle + x * b, bottom)]
                inside = [(max(_left(p, y), min(_right(p, y), tx)), y) for tx, y in tile]
                p.canvas.shape(inside, darker(floor, 0.16), 1.0, darker(floor, 0.3))


def _left(p: Painter, y: float) -> float:
    """The floor's left edge at a height in the picture."""
    middle = p.place.width / 2
    return middle + (LEFT_CORNER - middle) * (y - p.place.horizon) / (WALL_FOOT - p.place.horizon)


def _right(p: Painter, y: float) -> float:
    return p.place.width - _left(p, y)


def _stripes(p: Painter, wall: Colour) -> None:
    for x in np.arange(LEFT_CORNER + 18, RIGHT_CORNER, 44):
        p.canvas.shape(rectangle(x, -10, x + 15, WALL_FOOT), darker(wall, 0.055), 0)


def _sprigs(p: Painter, wall: Colour) -> None:
    for row, y in enumerate(range(18, 380, 46)):
        for x in np.arange(LEFT_CORNER + 20 + 26 * (row % 2), RIGHT_CORNER - 8, 52):
            p.canvas.line([(x, y + 9), (x, y)], 1.2, darker(wall, 0.2))
            p.canvas.shape(ellipse(x, y - 3, 3.4, 3.4), darker(wall, 0.13), 0)


def _planking(p: Painter, wall: Colour) -> None:
    for x in np.arange(LEFT_CORNER + 30, RIGHT_CORNER, 46):
        p.canvas.line([(x, -10), (x, WALL_FOOT)], 1.3, darker(wall, 0.25), taper=False)
        knot = p.rng.uniform(20, 370)
        p.canvas.line(
            curve([(x - 20, knot), (x - 24, knot + 7), (x - 19, knot + 13)], False),
            1.4,
            darker(wall, 0.25),
        )


def _view(p: Painter) -> str:
    return {"day": "day", "morning": "day", "evening": "evening"}.get(p.scene.light.name, "night")


def _kitchen(p: Painter) -> None:
    floor = (226, 190, 150)
    _shell(p, (250, 228, 166), floor, _sprigs)
    _tiles(p, floor)
    c = p.canvas
    c.shape(rectangle(400, 222, RIGHT_CORNER, 300), (234, 242, 244))
    for x in range(426, 800, 26):
        c.line([(x, 222), (x, 300)], 1.0, (160, 190, 206), taper=False)
    for y in (248, 274):
        c.line([(400, y), (RIGHT_CORNER, y)], 1.0, (160, 190, 206), taper=False)
    furniture.curtained_window(c.at(300, 250, 0.95), 130, 140, (214, 84, 76), _view(p))
    furniture.wall_cupboard(c.at(710, 190, 0.95), 170, (120, 164, 150))
    furniture.shelf(c.at(500, 128, 0.8), 190, p.rng, "plates")
    furniture.shelf(c.at(500, 192, 0.8), 190, p.rng, "jars")
    furniture.clock(c.at(164, 130))
    for x, y, length, draw in (
        (300, 404, 230, "counter"),
        (505, 405, 0, "stove"),
        (700, 404, 230, "counter"),
    ):
        p.shadow(x, y + 3, 120)
        if draw == "stove":
            furniture.stove(p.on(x, y), p.eye(x, y))
        else:
            furniture.counter(p.on(x, y), p.eye(x, y), length)
    furniture.hanging_lamp(c.at(450, -8), 50)


def _workshop(p: Painter) -> None:
    floor = (204, 170, 124)
    _shell(p, (174, 196, 192), floor, _planking)
    _boards(p, floor)
    c = p.canvas
    furniture.tool_board(c.at(500, 178))
    furniture.curtained_window(c.at(268, 236, 0.8), 120, 120, (106, 142, 106), _view(p))
    furniture.shelf(c.at(706, 130, 0.85), 170, p.rng, "paint")
    furniture.shelf(c.at(706, 206, 0.85), 170, p.rng, "paint")
    furniture.planks(p.on(122, 406))
    p.shadow(490, 408, 160)
    furniture.workbench(p.on(490, 406), p.eye(490, 406))
    p.shadow(724, 412, 60)
    furniture.barrel(p.on(716, 408))
    furniture.hanging_lamp(c.at(470, -8), 52, (186, 76, 62))
    for x, y in ((330, 440), (560, 470), (620, 436), (240, 500), (700, 496)):
        shaving = p.on(x, y)
        shaving.line(curve([(-10, 0), (-2, -8), (6, 0), (12, -6)], False), 2, (236, 204, 150))


def _living_room(p: Painter) -> None:
    floor = (206, 160, 108)
    _shell(p, (204, 222, 198), floor, _stripes)
    _boards(p, floor)
    c = p.canvas
    furniture.rug(c, 440, 470, 230, 42, (188, 76, 80))
    furniture.curtained_window(c.at(430, 240), 150, 160, (232, 184, 92), _view(p))
    furniture.picture(c.at(262, 150), 92, 72, p.rng)
    furniture.picture(c.at(576, 110), 56, 70, p.rng)
    furniture.fireplace(p.on(668, 400), p.eye(668, 400))
    furniture.clock(c.at(668, 196, 0.8))
    p.shadow(180, 404, 80)
    furniture.bookcase(p.on(176, 402), p.eye(176, 402), p.rng)
    p.shadow(372, 410, 140)
    furniture.sofa(p.on(372, 408), p.eye(372, 408))
    furniture.standing_lamp(p.on(536, 404), p.scene.light.name != "day")
    furniture.potted_plant(p.on(776, 420), p.rng)


PLACES: dict[str, Place] = {
    "village": Place(_village, 1200, live=(("smoke", 233, 112, 0.6),)),
    "square": Place(_square, 1200),
    "garden": Place(_garden, 1000),
    "house front": Place(_house_front, 1000),
    "yard": Place(_yard, 1000),
    "meadow": Place(_meadow, 1200, horizon=300),
    "forest": Place(_forest, 1200),
    "pond": Place(_pond, 1200),
    "beach": Place(_beach, 1200, horizon=236),
    "open sea": Place(_open_sea, 1000, horizon=236),
    "kitchen": Place(_kitchen, 900, horizon=222),
    "workshop": Place(_workshop, 900, horizon=222),
    "living room": Place(_living_room, 900, horizon=222, live=(("fire", 668, 400, 0.75),)),
}

"""What people have built outdoors. Everything stands on the canvas' origin, a person being 220."""

from __future__ import annotations

import math

import numpy as np

from colorization.cartoon.ink import Canvas, arc, between, curve, ellipse, rectangle
from colorization.cartoon.light import Colour, darker, lighter

OAK: Colour = (166, 118, 72)
TILE: Colour = (204, 92, 62)
PLASTER: Colour = (248, 236, 206)
GLASS: Colour = (166, 206, 226)
GLOWING: Colour = (255, 222, 120)
STONE: Colour = (190, 184, 172)


def window(c: Canvas, width: float, height: float, frame: Colour, glass: Colour = GLASS) -> None:
    """A window with a cross, its sill on the origin."""
    half = width / 2
    c.shape(rectangle(-half - 6, -height - 6, half + 6, 0), frame)
    (c.unlit if glass == GLOWING else c).shape(rectangle(-half, -height, half, -5), glass)
    if glass == GLASS:
        gleam = [(-half * 0.7, -height * 0.3), (-half * 0.1, -height * 0.9)]
        c.line(gleam, 3.2, lighter(glass, 0.6))
    c.shape(rectangle(-2.5, -height, 2.5, -5), frame, 1.1)
    c.shape(rectangle(-half, -height * 0.58, half, -height * 0.58 + 5), frame, 1.1)
    c.shape(rectangle(-half - 12, -5, half + 12, 4), lighter(frame, 0.2))


def flower_box(c: Canvas, width: float, rng: np.random.Generator) -> None:
    """A box of geraniums under a window, its top on the origin."""
    half = width / 2
    for _ in range(round(width / 7)):
        x, y = rng.uniform(-half, half), rng.uniform(-16, -2)
        c.shape(ellipse(x, y, 9, 7), (96, 150, 74), 1.1)
    for _ in range(round(width / 11)):
        x, y = rng.uniform(-half, half), rng.uniform(-20, -6)
        c.shape(ellipse(x, y, 6, 5.5), (218, 64, 74), 1.1)
    c.shape(rectangle(-half, 0, half, 17), OAK)


def shutters(c: Canvas, width: float, height: float, colour: Colour) -> None:
    """A pair of open shutters beside a window."""
    for side in (-1, 1):
        near, far = side * (width / 2 + 8), side * (width / 2 + 8 + width * 0.42)
        left, right = sorted((near, far))
        c.shape(rectangle(left, -height - 4, right, -2), colour)
        for y in np.arange(-height + 8, -8, 13):
            c.line([(left + 4, y), (right - 4, y)], 1.3, darker(colour, 0.3), taper=False)


def door(c: Canvas, width: float, height: float, colour: Colour, round_top: bool = False) -> None:
    """A door with its step."""
    half = width / 2
    if round_top:
        outline = np.concatenate(
            (arc(0, -height + half, half, half, 180, 360), [(half, 0), (-half, 0)])
        )
    else:
        outline = rectangle(-half, -height, half, 0)
    c.shape(outline * (1.12, 1.05), (228, 214, 184))
    c.shape(outline, colour)
    for x in (-half * 0.36, half * 0.36):
        c.line([(x, -height * 0.9), (x, -4)], 1.4, darker(colour, 0.35), taper=False)
    c.shape(ellipse(half * 0.66, -height * 0.47, 5, 5), (240, 200, 90), 1.3)
    c.shape(rectangle(-half * 1.5, -7, half * 1.5, 7), STONE)


def chimney(c: Canvas, height: float) -> None:
    """A chimney of bricks."""
    c.shape(rectangle(-20, -height, 20, 0), (190, 96, 74))
    for row, y in enumerate(np.arange(-height + 14, -4, 14)):
        c.line([(-19, y), (19, y)], 1.1, (140, 64, 52), taper=False)
        x = -6 if row % 2 else 7
        c.line([(x, y), (x, y + 12)], 1.1, (140, 64, 52), taper=False)
    c.shape(rectangle(-26, -height - 10, 26, -height), (206, 112, 86))


def roof(c: Canvas, outline: list[tuple[float, float]], colour: Colour, snow: bool) -> None:
    """A roof (left foot, left top, right top, right foot) with rows of tiles."""
    c.shape(outline, colour, 1.9)
    left_foot, left_top, right_top, right_foot = outline
    rows = 8
    for row in range(1, rows):
        left = between(left_top, left_foot, row / rows)
        right = between(right_top, right_foot, row / rows)
        count = max(4, round((right[0] - left[0]) / 30))
        offset = 0.5 * (row % 2)
        for number in range(count):
            a = between(left, right, min(1, (number + offset) / count))
            b = between(left, right, min(1, (number + offset + 0.82) / count))
            if (row * 7 + number * 5) % 4:
                c.line(
                    [a, ((a[0] + b[0]) / 2, a[1] + 5), b], 1.4, darker(colour, 0.28), taper=False
                )
    if snow:
        depth = (left_foot[1] - left_top[1]) * 0.66
        hem = [
            (x, left_top[1] + depth + (14 if n % 2 else -8))
            for n, x in enumerate(np.linspace(left_foot[0] + 30, right_foot[0] - 30, 9))
        ]
        blanket = [left_top, left_top, right_top, right_top, *hem[::-1]]
        c.shape(curve(blanket, steps=4), (248, 251, 253))


def cottage(
    c: Canvas,
    rng: np.random.Generator,
    wall: Colour = PLASTER,
    tiles: Colour = TILE,
    wood: Colour = (70, 118, 92),
    lit: bool = False,
    snow: bool = False,
) -> None:
    """A cottage 470 wide and 420 high, its middle on the origin."""
    glass = GLOWING if lit else GLASS
    half, eaves, ridge = 215, -205, -375
    chimney(c.at(104, ridge + 60), 105)
    c.shape(rectangle(-half, eaves, half, 0), wall, 1.9)
    c.shape(rectangle(-half, -26, half, 0), darker(wall, 0.22))
    c.shade([(-half, eaves), (half, eaves), (half, eaves + 22), (-half, eaves + 22)], 0.16)
    roof(
        c,
        [
            (-half - 30, eaves + 10),
            (-half + 34, ridge),
            (half - 34, ridge),
            (half + 30, eaves + 10),
        ],
        tiles,
        snow,
    )
    for x in (-128, 112):
        shutters(c.at(x, -68), 62, 84, wood)
        window(c.at(x, -68), 62, 84, (250, 246, 234), glass)
        if not snow:
            flower_box(c.at(x, -62), 84, rng)
    door(c.at(-6, 0), 74, 158, wood)
    dormer = c.at(-30, ridge + 142)
    dormer.shape([(-50, 0), (-50, -46), (0, -86), (50, -46), (50, 0)], wall)
    window(dormer.at(0, -8), 40, 38, (250, 246, 234), glass)
    dormer.line([(-62, -36), (0, -90), (62, -36)], 9, darker(tiles, 0.12), taper=False)


def shed(c: Canvas, wall: Colour, snow: bool = False) -> None:
    """A shed of boards 520 wide and 350 high, its door on the right."""
    c.shape(rectangle(-240, -230, 240, 0), wall, 1.9)
    for x in range(-212, 236, 34):
        c.line([(x, -228), (x + 1, -2)], 1.3, darker(wall, 0.22), taper=False)
    c.shade([(-240, -230), (240, -230), (240, -208), (-240, -208)], 0.16)
    roof(c, [(-268, -222), (-224, -350), (224, -350), (268, -222)], (148, 92, 84), snow)
    door(c.at(168, 0), 88, 170, (122, 86, 60))
    window(c.at(-180, -120), 56, 60, (250, 246, 234))


def tower(c: Canvas, lit: bool = False, snow: bool = False) -> None:
    """A church tower with a clock, 620 high."""
    c.shape(rectangle(-62, -430, 62, 0), (240, 228, 204), 1.8)
    c.shape([(-76, -424), (0, -620), (76, -424)], (248, 250, 252) if snow else (176, 74, 60), 1.8)
    c.line([(0, -620), (0, -654)], 3, taper=False)
    c.shape(ellipse(0, -640, 8, 8), (238, 196, 84))
    c.shape(ellipse(0, -368, 34, 34), (252, 250, 240))
    c.line([(0, -368), (0, -390)], 2.8, taper=False)
    c.line([(0, -368), (15, -360)], 2.8, taper=False)
    for y in (-270, -140):
        window(c.at(0, y), 30, 62, (206, 190, 160), GLOWING if lit else GLASS)


def fence(
    c: Canvas,
    length: float,
    rng: np.random.Generator,
    colour: Colour = (232, 206, 160),
    missing: frozenset[int] = frozenset(),
) -> None:
    """A fence of pickets 92 high, from the origin to the right."""
    for y in (-70, -28):
        c.shape(rectangle(0, y, length, y + 11), darker(colour, 0.12))
    for number, x in enumerate(np.arange(0, length - 16, 30)):
        if number in missing:
            continue
        lean, top = rng.uniform(-2, 2), -92 + rng.uniform(-4, 4)
        picket = [
            (x, 0),
            (x + lean, top),
            (x + 9 + lean, top - 13),
            (x + 18 + lean, top),
            (x + 18, 0),
        ]
        c.shape(picket, colour)
        c.line([(x + 9 + lean, top + 10), (x + 8, -16)], 1.0, darker(colour, 0.3))


def well(c: Canvas) -> None:
    """A well with a roof and a bucket, 200 high."""
    for x in (-46, 46):
        c.shape(rectangle(x - 6, -160, x + 6, -40), OAK)
    c.shape([(-84, -148), (-50, -206), (50, -206), (84, -148)], TILE, 1.8)
    for y in (-190, -170):
        c.line([(-70, y), (70, y)], 1.3, darker(TILE, 0.3), taper=False)
    c.tube([(-52, -124), (64, -124)], 9, 9, OAK)
    c.line([(0, -122), (0, -82)], 2.2, taper=False)
    c.shape([(-14, -84), (14, -84), (10, -58), (-10, -58)], (160, 164, 170))
    c.shape(
        curve([(-66, -60), (-66, -60), (66, -60), (66, -60), (60, 0), (0, 8), (-60, 0)]), STONE, 1.8
    )
    c.shape(ellipse(0, -60, 66, 13), (84, 82, 84))
    for x, y in ((-40, -34), (-8, -36), (28, -32), (-26, -12), (10, -12), (44, -14)):
        c.shape(ellipse(x, y, 15, 9), lighter(STONE, 0.2), 1.2)


def bench(c: Canvas) -> None:
    """A garden bench 170 long, its seat at 52."""
    for x in (-70, 62):
        c.shape(rectangle(x, -54, x + 9, 0), darker(OAK, 0.2))
        c.shape(rectangle(x, -112, x + 8, -54), darker(OAK, 0.2))
    for y in (-110, -88):
        c.shape(rectangle(-84, y, 84, y + 14), OAK)
    c.shape([(-88, -52), (88, -52), (96, -42), (-96, -42)], lighter(OAK, 0.15))


def signpost(c: Canvas) -> None:
    """A signpost with two blank arms, 170 high."""
    c.shape(rectangle(-6, -168, 6, 0), OAK)
    c.shape([(-4, -154), (62, -154), (78, -140), (62, -126), (-4, -126)], lighter(OAK, 0.35))
    c.shape([(4, -118), (-56, -118), (-70, -105), (-56, -92), (4, -92)], lighter(OAK, 0.25))
    for x, y in ((8, -143), (8, -136), (-48, -108), (-48, -102)):
        c.line([(x, y), (x + 40, y)], 1.4, darker(OAK, 0.4), taper=False)


def lamp_post(c: Canvas, lit: bool) -> None:
    """A street lamp, 250 high."""
    iron = (70, 76, 84)
    c.shape(rectangle(-5, -206, 5, 0), iron)
    c.shape([(-13, 0), (-8, -26), (8, -26), (13, 0)], iron)
    pane = [(-15, -246), (15, -246), (11, -206), (-11, -206)]
    (c.unlit if lit else c).shape(pane, GLOWING if lit else (232, 238, 232))
    c.shape(curve([(-20, -244), (0, -262), (20, -244), (20, -244), (-20, -244)]), iron)


def post_box(c: Canvas) -> None:
    """A yellow letter box on a post, 120 high."""
    c.shape(rectangle(-5, -70, 5, 0), OAK)
    c.shape(
        curve([(-26, -66), (-26, -66), (-26, -112), (0, -124), (26, -112), (26, -66), (26, -66)]),
        (240, 184, 50),
        1.8,
    )
    c.shape(rectangle(-16, -104, 16, -98), (70, 58, 50), 1.2)


def haystack(c: Canvas, rng: np.random.Generator) -> None:
    """A haystack, 170 high."""
    hay = (232, 198, 98)
    c.line([(0, -150), (0, -196)], 4, OAK, taper=False)
    c.shape(
        curve(
            [(-92, 0), (-86, -70), (-40, -140), (0, -168), (44, -138), (88, -68), (94, 0), (0, 8)]
        ),
        hay,
        1.8,
    )
    for _ in range(26):
        x, y = rng.uniform(-74, 74), rng.uniform(-124, -10)
        if abs(x) < 84 - 0.45 * abs(y + 10):
            c.line([(x, y), (x + x * 0.08, y + 18)], 1.4, darker(hay, 0.3))


def bridge(c: Canvas) -> None:
    """A wooden jetty 260 long, running into the water to the right."""
    for x in (30, 120, 210):
        c.shape(rectangle(x, -16, x + 13, 46), darker(OAK, 0.25))
    c.shape([(-20, -30), (240, -30), (262, -12), (-30, -12)], lighter(OAK, 0.12), 1.8)
    for x in range(0, 240, 24):
        c.line([(x, -30), (x + 1, -12)], 1.3, darker(OAK, 0.4), taper=False)
    c.shape([(-30, -12), (262, -12), (262, -3), (-30, -3)], OAK)


def lighthouse(c: Canvas) -> None:
    """A lighthouse in red and white, 430 high."""
    c.shape([(-46, 0), (-30, -330), (30, -330), (46, 0)], (248, 244, 236), 1.8)
    for low, high in ((-66, -132), (-198, -264)):
        a, b = 46 + 16 * low / 330, 46 + 16 * high / 330
        c.shape([(-a, low), (-b, high), (b, high), (a, low)], (212, 62, 54))
    c.shape(rectangle(-42, -340, 42, -328), (80, 84, 92))
    c.shape(rectangle(-22, -384, 22, -340), (255, 236, 150))
    c.line([(0, -384), (0, -340)], 2, taper=False)
    c.shape(curve([(-28, -384), (0, -414), (28, -384), (28, -384), (-28, -384)]), (212, 62, 54))
    window(c.at(0, -158), 16, 26, (230, 222, 206))
    door(c, 34, 58, (96, 72, 60), round_top=True)


def smoke(c: Canvas, time: float) -> None:
    """Smoke that rises from the origin, in puffs."""
    for number in range(4):
        age = (time / 3.2 + number / 4) % 1
        x = 26 * age + 7 * math.sin(5 * age + number)
        c.shape(
            ellipse(x, -14 - 96 * age, 8 + 20 * age, 7 + 15 * age),
            (236, 236, 232),
            1.4 - age,
            (170, 166, 162),
        )

"""Sky, land and plants of the painted backgrounds. Plants stand on the canvas' origin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from colorization.cartoon.ink import SEPIA, Canvas, arc, curve, ellipse
from colorization.cartoon.light import Colour, Light, darker, lighter, mixed

BARK: Colour = (132, 92, 62)


@dataclass(frozen=True)
class Season:
    """The colours of the land."""

    near: Colour
    far: Colour
    hills: tuple[Colour, Colour]
    leaves: tuple[Colour, ...]
    path: Colour
    flowers: bool = True
    bare: bool = False  # trees without leaves, under snow


SUMMER = Season(
    near=(128, 178, 74),
    far=(164, 202, 108),
    hills=((142, 184, 140), (158, 198, 106)),
    leaves=((86, 148, 66), (104, 162, 70), (76, 136, 76)),
    path=(226, 200, 148),
)
AUTUMN = Season(
    near=(176, 170, 78),
    far=(200, 182, 100),
    hills=((176, 168, 120), (196, 178, 98)),
    leaves=((222, 142, 52), (206, 96, 50), (226, 182, 70)),
    path=(216, 186, 140),
    flowers=False,
)
WINTER = Season(
    near=(244, 248, 252),
    far=(230, 239, 247),
    hills=((200, 215, 230), (226, 236, 246)),
    leaves=((70, 114, 92), (80, 122, 96), (62, 104, 88)),
    path=(212, 220, 230),
    flowers=False,
    bare=True,
)


def wash(c: Canvas, top: float, bottom: float, above: Colour, below: Colour) -> None:
    """Paint the canvas' whole width from one colour down to another."""
    first, last = (
        int(np.clip(c.to_pixels([(0, y)])[0, 1], 0, len(c.pixels))) for y in (top, bottom)
    )
    share = np.linspace(0, 1, max(last - first, 1))[:, None]
    rows = np.array(c.light(above)) * (1 - share) + np.array(c.light(below)) * share
    c.pixels[first:last] = np.rint(rows[: last - first, None])


def sky(c: Canvas, width: float, horizon: float, light: Light, rng: np.random.Generator) -> None:
    """The sky with its sun, clouds or stars; its colours are those of the light itself."""
    unlit = c.unlit
    wash(unlit, 0, horizon + 20, *light.sky)
    if light.name == "night":
        for _ in range(46):
            x, y = rng.uniform(0, width), rng.uniform(0, horizon * 0.8)
            unlit.shape(ellipse(x, y, 1.6, 1.6), (240, 236, 200), 0)
        unlit.shape(ellipse(width * 0.78, 74, 30, 30), (250, 240, 190))
        unlit.shape(ellipse(width * 0.78 + 12, 68, 24, 24), light.sky[0], 0)
    elif light.name == "evening":
        unlit.shape(
            ellipse(width * 0.3, horizon - 26, 40, 40), (252, 232, 150), 1.5, (214, 130, 80)
        )
    for index in range(max(2, round(width / 300))):
        x = (index + rng.uniform(0.15, 0.85)) * width / max(2, round(width / 300))
        cloud(unlit.at(x, rng.uniform(46, horizon * 0.5), rng.uniform(0.7, 1.25)), light, rng)


def cloud(c: Canvas, light: Light, rng: np.random.Generator) -> None:
    """A heap of cloud, flat below."""
    puffs = [ellipse(0, -12, 34, 26), ellipse(-38, -2, 27, 17), ellipse(37, -3, 30, 18)]
    puffs += [
        ellipse(rng.uniform(-18, 20), -26, 22, 19),
        ellipse(66, 4, 20, 10),
        ellipse(-66, 5, 18, 9),
    ]
    puffs.append(ellipse(0, 6, 74, 10))
    c.union(puffs, light.cloud, 1.1, mixed(light.cloud, light.sky[0], 0.55))
    shade = mixed(light.cloud, light.sky[0], 0.28)
    c.shape(curve([(-60, 8), (-10, 4), (50, 8), (70, 9), (0, 13)]), shade, 0)


def hill(c: Canvas, points: list[tuple[float, float]], foot: float, colour: Colour) -> None:
    """Land whose outline goes through the points, down to a foot."""
    top = curve(points, closed=False, steps=12)
    c.shape(np.concatenate((top, [(top[-1, 0], foot), (top[0, 0], foot)])), colour, 0)
    c.line(top, 1.3, mixed(colour, SEPIA, 0.55), taper=False)


def hills(
    c: Canvas, width: float, horizon: float, season: Season, rng: np.random.Generator
) -> None:
    """Two ranges of hills with fields and far trees, up to the horizon."""
    far = [(x, horizon - 34 - rng.uniform(0, 52)) for x in np.arange(-80, width + 200, 150)]
    hill(c, far, horizon + 30, mixed(season.hills[0], (176, 206, 222), 0.35))
    near = [(x, horizon - 6 - rng.uniform(0, 40)) for x in np.arange(-120, width + 260, 190)]
    hill(c, near, horizon + 30, season.hills[1])
    outline = curve(near, closed=False, steps=12)
    for _ in range(round(width / 100)):
        x, y = outline[rng.integers(8, len(outline) - 8)]
        far_tree(c.at(x, y + rng.uniform(4, 16), rng.uniform(0.5, 1)), season, rng)


def far_tree(c: Canvas, season: Season, rng: np.random.Generator) -> None:
    """A tree so far away that it is little more than its outline."""
    leaf = mixed(season.leaves[rng.integers(3)], season.hills[1], 0.35)
    c.line([(0, 0), (0, -12)], 3, mixed(BARK, leaf, 0.3), taper=False)
    if rng.random() < 0.35:
        c.shape([(-9, -6), (0, -38), (9, -6)], leaf, 1.1, mixed(leaf, SEPIA, 0.6))
    else:
        puffs = [ellipse(-6, -16, 9, 8), ellipse(6, -16, 9, 8), ellipse(0, -24, 10, 9)]
        c.union(puffs, leaf, 1.1, mixed(leaf, SEPIA, 0.6))


def meadow(
    c: Canvas, width: float, horizon: float, foot: float, season: Season, rng: np.random.Generator
) -> None:
    """Grass from the horizon to the foot of the picture: tufts and flowers grow nearer to us."""
    wash(c, horizon, foot, season.far, season.near)
    for _ in range(round(width * 0.16)):
        share = rng.random() ** 0.7
        x, y = rng.uniform(0, width), horizon + 8 + share * (foot - horizon)
        size = 0.25 + 0.85 * share
        kind = rng.random()
        if season.bare and kind < 0.7:
            drift = [(-16 * size, 0), (0, -4 * size), (16 * size, 0)]
            c.at(x, y).line(curve(drift, False), 1.5, mixed(season.near, (140, 164, 196), 0.5))
        elif season.flowers and kind < 0.3:
            flower(c.at(x, y, size), FLOWERS[rng.integers(len(FLOWERS))], rng)
        elif kind < 0.9:
            tuft(c.at(x, y, size), mixed(season.near, SEPIA, 0.38), rng)
        else:
            stone(c.at(x, y, size), rng)


FLOWERS: tuple[Colour, ...] = ((248, 244, 236), (246, 202, 62), (222, 84, 92), (140, 108, 196))


def tuft(c: Canvas, colour: Colour, rng: np.random.Generator) -> None:
    """A few blades of grass."""
    for x in (-6, 0, 6):
        lean = rng.uniform(-5, 5)
        c.line([(x, 0), (x + lean * 0.4, -8), (x + lean, -14 - rng.uniform(0, 5))], 1.7, colour)


def flower(c: Canvas, colour: Colour, rng: np.random.Generator) -> None:
    """A flower on its stalk."""
    lean = rng.uniform(-4, 4)
    c.line([(0, 0), (lean * 0.5, -9), (lean, -17)], 1.7, (78, 124, 58), taper=False)
    petals = [
        ellipse(lean + 4 * math.cos(a), -18 + 4 * math.sin(a), 3.3, 3.3)
        for a in np.arange(5) * 1.2566 + lean
    ]
    c.union(petals, colour, 1.0, mixed(colour, SEPIA, 0.6))
    c.shape(ellipse(lean, -18, 2.3, 2.3), (238, 168, 50), 0)


def stone(c: Canvas, rng: np.random.Generator) -> None:
    """A stone in the grass."""
    wide = rng.uniform(9, 17)
    top = [(-wide, 0), (-wide * 0.8, -8), (0, -12), (wide * 0.9, -7), (wide, 0)]
    c.shape(curve(top), (184, 180, 170))
    c.line([(-wide * 0.4, -8), (0, -9)], 1.2, (236, 234, 226))


def path(c: Canvas, points: list[tuple[float, float, float]], colour: Colour) -> None:
    """A path through points (x, y, half of its width)."""
    left = curve([(x - half, y) for x, y, half in points], closed=False, steps=10)
    right = curve([(x + half, y) for x, y, half in points], closed=False, steps=10)
    c.shape(np.concatenate((left, right[::-1])), colour, 0)
    for edge in (left, right):
        c.line(edge, 1.5, mixed(colour, SEPIA, 0.5), taper=False)
    for number in range(1, len(left) - 1):
        side = 0.12 + 0.76 * (0.618 * number % 1)
        x, y = left[number] + (right[number] - left[number]) * side
        wide = (right[number] - left[number])[0] * 0.022
        c.line(arc(x, y, wide, wide * 0.5, 190, 350), 1.3, darker(colour, 0.25))


def trunk(c: Canvas, height: float, wide: float, colour: Colour) -> None:
    """The trunk of a tree with its roots."""
    outline = [
        (-wide * 1.7, 0),
        (-wide, -height * 0.18),
        (-wide * 0.8, -height),
        (wide * 0.8, -height),
    ]
    outline += [(wide, -height * 0.18), (wide * 1.8, 0), (wide * 0.4, -4), (-wide * 0.5, -4)]
    c.shape(curve(outline), colour, 1.8)
    for x, share in ((-0.35, 0.2), (0.3, 0.35), (-0.1, 0.55)):
        c.line(
            curve([(x * wide, -height * share), (x * wide + 3, -height * (share + 0.2))], False),
            1.4,
            darker(colour, 0.35),
        )


def tree(c: Canvas, season: Season, rng: np.random.Generator, fruit: Colour | None = None) -> None:
    """A tree with a round crown, some 420 units high."""
    if season.bare:
        bare_tree(c, rng)
        return
    leaf = season.leaves[rng.integers(len(season.leaves))]
    trunk(c, 210, 19, BARK)
    for side in (-1, 1):
        c.tube([(side * 4, -150), (side * 46, -222)], 15, 9, BARK, 1.7)
    ring = np.arange(9) * (2 * math.pi / 9) + rng.uniform(0, 0.7)
    puffs = [
        ellipse(
            108 * math.cos(a), -292 + 84 * math.sin(a), rng.uniform(46, 58), rng.uniform(40, 50)
        )
        for a in ring
    ]
    c.union([*puffs, ellipse(0, -292, 108, 88)], leaf, 1.8)
    for _ in range(5):
        x, y = rng.uniform(-90, 20), -292 + rng.uniform(-84, 10)
        c.shape(ellipse(x, y, rng.uniform(18, 34), rng.uniform(13, 22)), lighter(leaf, 0.14), 0)
    for _ in range(9):
        x, y, wide = rng.uniform(-110, 120), -292 + rng.uniform(-70, 88), rng.uniform(12, 22)
        c.line(arc(x, y, wide, wide * 0.7, 20, 165), 1.6, darker(leaf, 0.3))
    if fruit is not None:
        for _ in range(17):
            a, r = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 1) ** 0.5
            x, y = 128 * r * math.cos(a), -288 + 98 * r * math.sin(a)
            c.shape(ellipse(x, y, 11, 10.5), fruit, 1.6)
            c.line([(x, y - 10), (x + 2, y - 16)], 2)


def bare_tree(c: Canvas, rng: np.random.Generator) -> None:
    """A tree in winter, snow on its branches."""
    trunk(c, 190, 17, BARK)
    for side, low, reach, rise in (
        (-1, 120, 92, 110),
        (1, 150, 84, 130),
        (-1, 180, 52, 150),
        (1, 186, 30, 170),
    ):
        tip = (side * reach, -low - rise)
        middle = (side * reach * 0.6, -low - rise * 0.42)
        branch = curve([(0, -low), middle, tip], False)
        c.tube(branch, 13, 4, BARK, 1.6)
        twig = (tip[0] + side * 26, middle[1] - 34 - rng.uniform(0, 20))
        c.tube([(side * reach * 0.7, -low - rise * 0.55), twig], 6, 3, BARK, 1.4)
        c.line(branch[2:-2] - (0, 6), 4.5, (248, 251, 253))


def conifer(
    c: Canvas, season: Season, rng: np.random.Generator, leaf: Colour | None = None
) -> None:
    """A spruce, some 430 units high."""
    leaf = leaf or (62, 112, 78)
    c.shape([(-12, 0), (-9, -70), (9, -70), (12, 0)], darker(BARK, 0.15), 1.7)
    for foot, top, wide in ((-46, -210, 108), (-140, -310, 84), (-240, -430, 58)):
        hem = [(x, foot + (9 if n % 2 else -7)) for n, x in enumerate(np.linspace(-wide, wide, 9))]
        c.shape(curve([(0, top), (0, top), *hem[::-1]], steps=4), leaf, 1.8)
        if season.bare:
            cap = [(0, top), (-wide * 0.42, top + 80), (-6, top + 66), (wide * 0.36, top + 84)]
            c.shape(curve(cap), (246, 250, 252), 1.2, mixed(leaf, SEPIA, 0.4))
        for x in (-0.4, 0.1, 0.5):
            line = [(x * wide * 0.5, foot - 60), (x * wide * 0.8, foot - 22)]
            c.line(line, 1.6, darker(leaf, 0.32))


def birch(c: Canvas, height: float, rng: np.random.Generator) -> None:
    """The trunk of a birch."""
    trunk(c, height, 16, (236, 232, 222))
    for _ in range(round(height / 34)):
        y, side = rng.uniform(-height, -24), rng.choice((-1, 1))
        c.line([(side * 12, y), (side * rng.uniform(-2, 5), y + 2)], 3.4, (70, 62, 62))


def bush(
    c: Canvas, season: Season, rng: np.random.Generator, berries: Colour | None = None
) -> None:
    """A low bush, some 100 units high."""
    leaf = (224, 232, 240) if season.bare else season.leaves[rng.integers(len(season.leaves))]
    puffs = [ellipse(-52, -30, 36, 30), ellipse(50, -28, 36, 28), ellipse(-18, -58, 40, 34)]
    puffs += [ellipse(24, -56, 38, 32), ellipse(0, -20, 70, 22)]
    c.union(puffs, leaf, 1.7)
    for left in (-52, -16, 0, 28, 48):
        c.line(arc(left, -80 + abs(left), 14, 10, 200, 330), 1.6, darker(leaf, 0.28))
    if berries is not None:
        for _ in range(14):
            x, y = rng.uniform(-66, 66), rng.uniform(-74, -12)
            c.shape(ellipse(x, y, 5, 5), berries, 1.2)


def sunflower(c: Canvas, rng: np.random.Generator) -> None:
    """A sunflower, some 190 units high."""
    lean = rng.uniform(-14, 14)
    stalk = curve([(0, 0), (lean * 0.3, -90), (lean, -168)], False)
    c.tube(stalk, 7, 5, (96, 144, 62))
    for side, y in ((-1, -66), (1, -100)):
        leaf = [(0, y), (side * 22, y - 20), (side * 44, y - 4), (side * 22, y + 8)]
        c.shape(curve(leaf), (104, 156, 66))
    petals = [
        ellipse(lean + 24 * math.cos(a), -176 + 24 * math.sin(a), 13, 6.5, a)
        for a in np.arange(12) * (math.pi / 6)
    ]
    c.union(petals, (248, 198, 48))
    c.shape(ellipse(lean, -176, 18, 18), (124, 78, 44))


def mushroom(c: Canvas, colour: Colour, spots: bool) -> None:
    """A mushroom, 50 units high."""
    c.shape(curve([(-10, 0), (-7, -24), (7, -24), (10, 0), (0, 3)]), (244, 236, 216), 1.7)
    cap = [(-27, -20), (-22, -38), (0, -50), (22, -38), (27, -20), (0, -16)]
    c.shape(curve(cap), colour, 1.8)
    if spots:
        for x, y in ((-12, -30), (3, -40), (14, -27)):
            c.shape(ellipse(x, y, 4.4, 3.6), (252, 250, 242), 0)


def reeds(c: Canvas, rng: np.random.Generator) -> None:
    """Reeds at the water, some 110 units high."""
    for _ in range(7):
        x, height, lean = rng.uniform(-34, 34), rng.uniform(66, 112), rng.uniform(-14, 14)
        c.line(
            curve([(x, 0), (x + lean * 0.3, -height * 0.6), (x + lean, -height)], False),
            2.8,
            (96, 136, 66),
        )
        if rng.random() < 0.5:
            c.tube([(x + lean, -height), (x + lean, -height - 22)], 8, 8, (126, 80, 48), 1.4)


def water(
    c: Canvas, left: float, top: float, right: float, bottom: float, rng: np.random.Generator
) -> None:
    """The ripples of calm water in a region that is already blue."""
    for _ in range(round((right - left) * (bottom - top) / 2600)):
        share = rng.random()
        x, y = rng.uniform(left, right), top + share * (bottom - top)
        wide = 8 + 26 * share
        points = [(x - wide, y), (x - wide * 0.3, y - 2), (x + wide * 0.3, y + 2), (x + wide, y)]
        c.line(curve(points, False), 1.7, (214, 236, 244) if rng.random() < 0.6 else (66, 128, 176))

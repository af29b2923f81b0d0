"""Things that move or change while we look, and the marks that show what somebody feels.

Each is drawn about the canvas' origin, on which it stands, as a function of an action and a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from colorization.cartoon import furniture, tools
from colorization.cartoon.buildings import OAK, bench, fence, smoke
from colorization.cartoon.ink import INK, Canvas, arc, between, curve, ellipse, rectangle
from colorization.cartoon.light import Colour, darker, lighter
from colorization.cartoon.nature import BARK
from colorization.cartoon.poses import ease, wave

RED: Colour = (214, 58, 52)
SNOW: Colour = (246, 250, 253)
CENTRE_EYE = (0.0, -235.0)


def _ladder(c: Canvas, action: str, time: float) -> None:
    """A ladder that leans to the right; "carried" lies flat."""
    c = c.at(0, 0, angle=-math.pi / 2 if action == "carried" else 0.24)
    for x in (-17, 17):
        c.shape(rectangle(x - 4, -300, x + 4, 0), OAK, 1.5)
    for y in range(-280, -10, 32):
        c.shape(rectangle(-16, y, 16, y + 6), lighter(OAK, 0.2), 1.5)


def _kite(c: Canvas, action: str, time: float) -> None:
    """A kite with its tail; its string hangs down to the left."""
    k = c.at(0, 0, angle=0.35 + 0.12 * wave(time, 1.7))
    tail = [(6 * math.sin(0.05 * y - 6 * time) * y / 60, 52 + y) for y in range(0, 110, 10)]
    k.line(curve(tail, False), 1.8, taper=False)
    for x, y in tail[2::3]:
        for side in (-1, 1):
            k.shape([(x, y), (x + side * 10, y - 6), (x + side * 10, y + 6)], (60, 124, 190), 1.5)
    k.shape([(0, -56), (40, -6), (0, 52), (-40, -6)], (240, 190, 58))
    k.shape([(0, -56), (40, -6), (0, -6)], RED, 1.7)
    k.shape([(0, 52), (-40, -6), (0, -6)], RED, 1.7)
    for x in (-11, 11):
        k.shape(ellipse(x, -17, 3.4, 4.6), INK, 0)
    k.line(arc(0, 2, 14, 12, 20, 160), 2.4)


def _string(c: Canvas, action: str, time: float) -> None:
    """A string from the origin to a point far up on the right, that sags."""
    end = (300.0, -270.0)
    middle = between((0, 0), end, 0.5)
    c.line(
        curve([(0, 0), (middle[0] + 16, middle[1] + 34 + 6 * wave(time, 1.4)), end], False),
        1.3,
        taper=False,
    )


def _balloon(c: Canvas, action: str, time: float) -> None:
    tools.balloon(c.at(0, -60, angle=0.08 * wave(time, 1.6)), time)
    c.line(curve([(0, -22), (4 * wave(time, 1.3), 4), (-3, 34)], False), 1.4, taper=False)


def _apple(c: Canvas, action: str, time: float) -> None:
    c.shape(ellipse(0, -10, 11, 10.5), (206, 54, 44))
    c.line([(0, -20), (3, -27)], 2.2)
    c.shape(ellipse(8, -25, 6, 3, -0.4), (104, 156, 66), 1.4)


def _ball(c: Canvas, action: str, time: float) -> None:
    """A beach ball; "fly" turns it."""
    b = c.at(0, -24, angle=3.2 * time if action == "fly" else 0.0)
    b.shape(ellipse(0, 0, 24, 24), (250, 248, 240))
    for start, colour in ((-20, RED), (100, (60, 124, 190)), (220, (244, 190, 58))):
        b.shape(np.concatenate((arc(0, 0, 23.4, 23.4, start, start + 62), [(0, 0)])), colour, 1.5)
    b.shape(ellipse(0, 0, 5, 5), (250, 248, 240), 1.5)


def _snowball(c: Canvas, action: str, time: float) -> None:
    """A ball of snow that grows as it rolls."""
    r = 26 + min(34.0, 9 * time)
    b = c.at(0, -r)
    b.shape(ellipse(0, 0, r, r), SNOW)
    for number in range(3):
        angle = 2.4 * number + 2.2 * time
        x, y = 0.55 * r * math.cos(angle), 0.55 * r * math.sin(angle)
        b.line(arc(x, y, 0.22 * r, 0.16 * r, 200, 340), 1.8, (176, 196, 216))


def _snowman(c: Canvas, action: str, time: float) -> None:
    """A snowman, 190 high; "body" is without head and face."""
    c.shape(ellipse(0, -46, 58, 50), SNOW)
    c.shape(ellipse(0, -116, 40, 36), SNOW)
    c.line(arc(6, -40, 30, 24, 30, 130), 1.8, (176, 196, 216))
    for y in (-128, -108, -64):
        c.shape(ellipse(6, y, 4.5, 4.5), (60, 54, 58), 1.2)
    if action == "body":
        return
    for side in (-1, 1):
        c.tube([(side * 34, -122), (side * 74, -150)], 6, 4, BARK, 1.6)
        c.line([(side * 60, -140), (side * 62, -158)], 3.4, BARK)
    c.shape(ellipse(2, -172, 29, 27), SNOW)
    for x in (-7, 13):
        c.shape(ellipse(x, -178, 3.6, 4.4), INK, 0)
    c.shape(curve([(4, -172), (34, -166), (5, -163)]), (238, 140, 52), 1.7)
    c.line(arc(4, -164, 14, 10, 30, 150), 2.2)
    c.tube(curve([(-27, -148), (0, -140), (28, -149)], False), 10, 10, RED, 1.7)
    c.shape([(-20, -146), (-8, -143), (-14, -112), (-27, -116)], RED, 1.7)
    c.shape(curve([(-24, -192), (-20, -222), (22, -222), (27, -192)], steps=4), (74, 82, 104))
    c.tube([(-34, -193), (38, -193)], 7, 7, (74, 82, 104), 1.7)


def _boat_inside(c: Canvas, action: str, time: float) -> None:
    """The far side of a rowing boat: who sits in it is drawn after this and before the hull."""
    c = c.at(0, 0, angle=0.025 * wave(time, 2.6))
    inside = [(-150, -52), (-90, -62), (60, -62), (166, -58), (150, -40), (0, -30), (-140, -36)]
    c.shape(curve(inside), darker(OAK, 0.3), 1.9)


def _boat(c: Canvas, action: str, time: float) -> None:
    """The near side of a rowing boat, on its water line."""
    c = c.at(0, 0, angle=0.025 * wave(time, 2.6))
    rim = [(-152, -52), (-80, -38), (40, -36), (170, -60)]
    hull = [*rim, (170, -60), (146, -16), (112, 6), (-108, 6), (-140, -20), (-152, -52)]
    c.shape(curve(hull, steps=7), (66, 128, 176))
    band = curve([(x, y + 9) for x, y in rim], False)
    c.line(band[2:-2], 6, (250, 246, 234), taper=False)
    c.line(
        curve([(-146, -24), (-60, -12), (60, -12), (152, -26)], False),
        1.6,
        darker((66, 128, 176), 0.4),
    )
    oar = c.at(-10, -44, angle=0.5 + 0.28 * wave(time, 1.5))
    oar.tube([(-60, 0), (84, 0)], 5, 5, OAK, 1.6)
    oar.shape(curve([(80, -8), (122, -10), (124, 8), (82, 7)]), lighter(OAK, 0.2), 1.7)
    for side in (-1, 1):
        ripple = [(side * 120, 8), (side * 160, 5 + 2 * wave(time, 1.1)), (side * 200, 9)]
        c.line(curve(ripple, False), 2.6, (226, 242, 248))


def _sailing_boat(c: Canvas, action: str, time: float) -> None:
    """A sailing boat far out."""
    c = c.at(0, 2 * wave(time, 2.1), angle=0.05 * wave(time, 2.9))
    c.line([(0, -10), (0, -130)], 4, OAK, taper=False)
    c.shape(
        curve([(6, -124), (6, -124), (62, -30), (62, -30), (6, -24), (6, -24)], steps=5),
        (250, 248, 240),
    )
    c.shape(
        curve([(-5, -112), (-5, -112), (-44, -30), (-44, -30), (-5, -24), (-5, -24)], steps=5), RED
    )
    c.shape(curve([(-60, -14), (-60, -14), (64, -14), (64, -14), (44, 8), (-42, 8)]), (120, 78, 52))


def _parasol(c: Canvas, action: str, time: float) -> None:
    """A parasol on the beach, 250 high."""
    c = c.at(0, 0, angle=-0.08)
    c.tube([(0, 0), (0, -216)], 7, 7, (240, 232, 210))
    tips = [(-126, -176), (-76, -186), (-26, -188), (26, -188), (76, -186), (126, -176)]
    top = (0.0, -262.0)
    for number, (a, b) in enumerate(zip(tips, tips[1:])):
        crown_a, crown_b = (between(p, top, 0.55) for p in (a, b))
        bulge = [(crown_a[0] * 1.3, crown_a[1] - 8), (crown_b[0] * 1.3, crown_b[1] - 8)]
        scallop = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + 12)
        panel = [a, a, bulge[0], top, top, bulge[1], b, b, scallop]
        c.shape(curve(panel), RED if number % 2 == 0 else (250, 246, 234))
    c.shape(ellipse(0, -264, 5, 5), (244, 190, 58), 1.6)


def _towel(c: Canvas, action: str, time: float) -> None:
    towel = [(-92, -6), (70, -34), (118, -16), (-40, 14)]
    c.shape(towel, (250, 246, 234), 1.7)
    for share in (0.15, 0.42, 0.7):
        a, b = between(towel[0], towel[1], share), between(towel[0], towel[1], share + 0.13)
        d, e = between(towel[3], towel[2], share + 0.13), between(towel[3], towel[2], share)
        c.shape([a, b, d, e], (72, 152, 176), 0)


def _castle(c: Canvas, action: str, time: float) -> None:
    """A sand castle with a flag, 120 high."""
    sand = (232, 200, 138)
    c.shape(curve([(-88, 0), (-70, -20), (0, -26), (74, -20), (92, 0), (0, 6)]), darker(sand, 0.08))
    for x, wide, high in ((-46, 19, 58), (46, 19, 58), (0, 27, 86)):
        c.shape(
            [(x - wide, -12), (x - wide + 4, -high), (x + wide - 4, -high), (x + wide, -12)], sand
        )
        for tooth in (-1, 0, 1):
            t = x + tooth * (wide - 8)
            c.shape(rectangle(t - 5, -high - 9, t + 5, -high), sand, 1.6)
    c.shape(
        np.concatenate((arc(0, -30, 9, 12, 180, 360), [(9, -14), (-9, -14)])),
        darker(sand, 0.45),
        1.6,
    )
    c.line([(0, -94), (0, -126)], 2.2, taper=False)
    flap = 4 * wave(time, 0.6)
    c.shape([(0, -126), (28, -118 + flap), (0, -108)], RED, 1.7)


def _paint_on_wall(c: Canvas, action: str, time: float) -> None:
    """A patch of fresh paint that spreads to the left, for some seconds."""
    spread = 26 + 130 * ease(time / 6)
    edge = [(-spread + (9 if n % 2 else -7), y) for n, y in enumerate(range(-64, 65, 16))]
    patch = [(12, -70), *edge, (12, 70), (22, 30), (16, 0), (24, -36)]
    c.shape(curve(patch), {"blue": (92, 152, 206)}.get(action, tools.BRUSH), 1.3)
    for x, y in ((-spread * 0.4, 66), (-spread * 0.75, 60)):
        c.shape(
            curve([(x - 4, y), (x + 4, y), (x + 3, y + 14 + 3 * min(time, 4)), (x - 3, y + 14)]),
            tools.BRUSH,
            0,
        )


def _paint_tin(c: Canvas, action: str, time: float) -> None:
    c.line(arc(0, -32, 19, 18, 180, 360), 1.8, taper=False)
    c.shape(rectangle(-20, -36, 20, 0), (186, 190, 194))
    c.shape(rectangle(-20, -27, 20, -8), tools.BRUSH, 1.5)
    c.shape(ellipse(0, -36, 20, 5), tools.BRUSH, 1.7)
    c.shape(curve([(-14, -35), (-6, -33), (-7, -20), (-11, -16), (-13, -24)]), tools.BRUSH, 1.2)


def _pancake(c: Canvas, action: str, time: float) -> None:
    """A pancake; "fly" goes up and down every 1.6 s with the throw of the pan."""
    share = (time / 1.6) % 1
    flown = min(1.0, max(0.0, (share - 0.02) / 0.84))
    flight = math.sin(math.pi * flown) if action == "fly" else 0.0
    p = c.at(0, -190 * flight, angle=2 * math.pi * share if flight else 0.0)
    p.shape(ellipse(0, -4, 27, 8), (232, 184, 98))
    p.shape(ellipse(-3, -6, 17, 4), (204, 144, 66), 0)


def _bowl(c: Canvas, action: str, time: float) -> None:
    c.shape(
        curve([(-32, -26), (-32, -26), (32, -26), (32, -26), (20, -3), (0, 0), (-20, -3)]),
        (236, 232, 220),
    )
    c.line(curve([(-28, -16), (0, -12), (28, -16)], False), 2.4, (70, 132, 186), taper=False)


def _drip(c: Canvas, action: str, time: float) -> None:
    """Water that drips 300 down into whatever stands at the origin."""
    share = (time / 0.9) % 1
    y = -300 + 292 * share * share
    c.shape(curve([(0, y - 12), (5, y), (0, y + 6), (-5, y)]), (120, 178, 220), 1.5)
    if share < 0.3:
        for side in (-1, 1):
            c.shape(
                ellipse(side * (8 + 40 * share), -14 - 60 * share * (0.4 - share), 3, 3),
                (120, 178, 220),
                1.2,
            )


def _puddle(c: Canvas, action: str, time: float) -> None:
    wide = 40 + 7 * min(time, 5)
    c.shape(
        curve([(-wide, 0), (-wide * 0.4, -8), (wide * 0.6, -7), (wide, 2), (wide * 0.2, 9)]),
        (148, 196, 226),
        1.5,
    )
    c.line([(-wide * 0.4, -1), (wide * 0.1, -3)], 1.8, (232, 244, 250))


def _bucket(c: Canvas, action: str, time: float) -> None:
    c.line(arc(0, -44, 24, 12, 0, 180), 2, taper=False)
    c.shape([(-25, -46), (25, -46), (18, 0), (-18, 0)], tools.TIN)
    c.shape(ellipse(0, -46, 25, 6), (120, 178, 220), 1.8)
    c.line(
        curve([(-21, -30), (0, -25), (21, -30)], False), 1.5, darker(tools.TIN, 0.4), taper=False
    )


def _splash(c: Canvas, action: str, time: float) -> None:
    share = min(1.0, time / 0.8)
    for x, rise in ((-34, 40), (-16, 62), (0, 78), (18, 60), (36, 38)):
        y = -rise * math.sin(math.pi * (0.15 + 0.85 * share))
        drop = [
            (x * (0.6 + 0.7 * share), y - 11),
            (x * (0.6 + 0.7 * share) + 5, y),
            (x * 1.1, y + 5),
        ]
        c.shape(curve(drop), (196, 228, 244), 1.5)
    c.line(arc(0, 0, 44 + 40 * share, 10, 0, 360), 2.2, (226, 242, 248), taper=False)


def _nail_board(c: Canvas, action: str, time: float) -> None:
    """A board at the height of a chest, held up by two posts."""
    for x in (-46, 46):
        c.shape(rectangle(x - 7, -112, x + 7, 0), darker(OAK, 0.15))
    c.shape(rectangle(-66, -104, 66, -76), lighter(OAK, 0.25))
    c.line([(-50, -90), (40, -88)], 1.2, darker(OAK, 0.3))
    for x in (-46, 46):
        c.shape(ellipse(x, -90, 3, 3), tools.STEEL, 1.2)


def _fence_new(c: Canvas, action: str, time: float) -> None:
    """A fence with or without ("gap") its last pickets."""
    missing = frozenset((5, 6, 7)) if action == "gap" else frozenset()
    fence(c.background, 300, np.random.default_rng(8), missing=missing)


def _mark(c: Canvas, action: str, time: float) -> None:
    """A mark over a head: "surprise", "question", "sleep", "music", "love" or "stars"."""
    _MARKS[action](c.at(0, -4 * abs(wave(time, 0.8))), time)


def _surprise(c: Canvas, time: float) -> None:
    for x, lean in ((-12, -0.25), (12, 0.25)):
        m = c.at(x, -16, angle=lean)
        m.shape(curve([(-5, -40), (5, -40), (2.5, -10), (-2.5, -10)]), RED, 1.7)
        m.shape(ellipse(0, 0, 4.4, 4.4), RED, 1.7)


def _question(c: Canvas, time: float) -> None:
    c.tube(
        curve([(-11, -38), (0, -50), (12, -38), (1, -26), (0, -16)], False),
        7,
        6,
        (244, 190, 58),
        1.7,
    )
    c.shape(ellipse(0, -3, 4.4, 4.4), (244, 190, 58), 1.7)


def _zs(c: Canvas, time: float) -> None:
    for number in range(3):
        age = (time / 2.4 + number / 3) % 1
        z = c.at(10 + 46 * age, -8 - 62 * age, 0.5 + 0.7 * age)
        z.line([(-8, -9), (8, -9), (-8, 9), (8, 9)], 3.2, (66, 92, 150), taper=False)


def _notes(c: Canvas, time: float) -> None:
    for number in range(2):
        age = (time / 1.8 + number / 2) % 1
        n = c.at(-14 + 40 * age + 20 * number, -10 - 50 * age)
        n.line([(5, 0), (5, -26), (16, -19)], 2.6, taper=False)
        n.shape(ellipse(0, 0, 6, 4.4, -0.3), INK, 0)


def _heart(c: Canvas, time: float) -> None:
    beat = 1 + 0.12 * wave(time, 0.7)
    h = c.at(0, -24, beat)
    h.shape(
        curve([(0, -10), (11, -20), (21, -8), (0, 18), (0, 18), (-21, -8), (-11, -20)]),
        (226, 66, 88),
    )


def _stars(c: Canvas, time: float) -> None:
    for number in range(4):
        angle = 2 * math.pi * (time / 1.3 + number / 4)
        s = c.at(38 * math.cos(angle), -14 + 10 * math.sin(angle))
        points = [
            (
                (9 if n % 2 == 0 else 4) * math.sin(n * math.pi / 5),
                -(9 if n % 2 == 0 else 4) * math.cos(n * math.pi / 5),
            )
            for n in range(10)
        ]
        s.shape(points, (250, 214, 70), 1.6)


_MARKS: dict[str, Callable[[Canvas, float], None]] = {
    "surprise": _surprise,
    "question": _question,
    "sleep": _zs,
    "music": _notes,
    "love": _heart,
    "stars": _stars,
}

THINGS: dict[str, Callable[[Canvas, str, float], None]] = {
    "apple": _apple,
    "ball": _ball,
    "balloon": _balloon,
    "basket": lambda c, action, time: tools.basket(c, time),
    "bench": lambda c, action, time: bench(c.background),
    "board": _nail_board,
    "boat": _boat,
    "boat inside": _boat_inside,
    "bowl": _bowl,
    "bucket": _bucket,
    "cake": lambda c, action, time: tools.cake(c, time),
    "castle": _castle,
    "chair": lambda c, action, time: furniture.chair(c.background, CENTRE_EYE),
    "drip": _drip,
    "fence": _fence_new,
    "fire": lambda c, action, time: furniture.fire(c.background, time),
    "kite": _kite,
    "ladder": _ladder,
    "mark": _mark,
    "paint": _paint_on_wall,
    "paint tin": _paint_tin,
    "pancake": _pancake,
    "parasol": _parasol,
    "parcel": lambda c, action, time: tools.parcel(c, time),
    "puddle": _puddle,
    "sailing boat": _sailing_boat,
    "smoke": lambda c, action, time: smoke(c.background, time),
    "snowball": _snowball,
    "snowman": _snowman,
    "splash": _splash,
    "string": _string,
    "table": lambda c, action, time: furniture.table(c.background, CENTRE_EYE, cloth=RED),
    "towel": _towel,
    "trestle": lambda c, action, time: furniture.trestle(c.background, CENTRE_EYE),
}

"""The animals: each drawn facing right, the feet at the canvas' origin, as a function of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from colorization.cartoon.ink import INK, Canvas, arc, curve, ellipse
from colorization.cartoon.light import Colour, darker, lighter, mixed
from colorization.cartoon.poses import wave

CREAM: Colour = (248, 238, 214)
PATCH: Colour = (170, 104, 54)
SLATE: Colour = (108, 110, 124)
PINK: Colour = (236, 158, 150)


@dataclass(frozen=True)
class Animal:
    """How an animal looks in an action: "walk" and "run" by their phase, others by the time."""

    draw: Callable[[Canvas, str, float], None]
    stride: float  # drawing units covered in a cycle
    speed: float  # drawing units a second, walking; running is 2.4 times as fast


def _legs(
    c: Canvas, xs: tuple[float, ...], hip: float, action: str, time: float, size: float, fur: Colour
) -> None:
    """Legs from a height to the ground, the far ones first."""
    moving = action in ("walk", "run")
    reach = {"walk": 11, "run": 20}.get(action, 0)
    for number, x in enumerate(xs):
        phase = time + (0.5 if number in (0, 3) else 0) + (0.12 if number % 2 else 0)
        swing = math.sin(2 * math.pi * phase) * reach
        up = max(0.0, math.cos(2 * math.pi * phase)) * 9 if moving else 0
        shade = darker(fur, 0.14) if number < 2 else fur
        foot = (x + swing, -2 - up)
        c.tube(
            curve([(x, hip), (x + swing * 0.4 + 2, hip * 0.5), foot], False),
            size,
            size * 0.8,
            shade,
        )
        outline = [(foot[0] - 5, -7 - up), (foot[0] + 5, -7 - up), (foot[0] + 9, -1 - up)]
        outline += [(foot[0] - 5, -1 - up)]
        c.shape(curve(outline), shade, 1.7)


def _gaze(c: Canvas, x: float, y: float, size: float, shut: bool) -> None:
    if shut:
        c.line(arc(x, y, size, size * 0.7, 10, 170), 1.8)
        return
    c.shape(ellipse(x, y, size, size * 1.25), (250, 250, 246), 1.4)
    c.shape(ellipse(x + size * 0.3, y + 0.5, size * 0.5, size * 0.66), INK, 0)


def _rex(c: Canvas, action: str, time: float) -> None:
    """A dog, white with brown patches and a red collar."""
    hop = -10 * abs(math.sin(2 * math.pi * time)) if action == "run" else 0.0
    sitting = action == "sit"
    body = c.at(0, hop)
    wag = wave(time, 0.3) if action in ("stand", "sit", "bark") else wave(time, 0.5)
    tail_root = (-34.0, -20.0) if sitting else (-38.0, -52.0)
    tail = [tail_root, (tail_root[0] - 16, tail_root[1] - 10 + 3 * wag)]
    tail.append((tail_root[0] - 24 + 5 * wag, tail_root[1] - 28))
    body.tube(curve(tail, False), 8, 5, CREAM)
    if sitting:
        _legs(body, (14, 22), -40, "", time, 10, CREAM)
        outline = [(-30, -6), (-36, -24), (-20, -50), (6, -74), (26, -66), (24, -40), (10, -10)]
        outline += [(-8, 0)]
        body.shape(curve(outline), CREAM)
        body.shape(curve([(-30, -20), (-18, -44), (-2, -56), (-4, -34), (-16, -18)]), PATCH, 1.5)
        body.shape(ellipse(-12, -6, 18, 7), CREAM, 1.8)
        head = body.at(16, -70)
    else:
        _legs(body, (-22, 26, -30, 18), -36, action, time, 10, CREAM)
        outline = [(-42, -44), (-34, -62), (-6, -64), (22, -70), (36, -60), (34, -38), (12, -28)]
        outline += [(-18, -32), (-36, -30)]
        body.shape(curve(outline), CREAM)
        body.shape(curve([(-28, -61), (-6, -63), (4, -52), (-8, -42), (-24, -46)]), PATCH, 1.5)
        head = body.at(34, -66)
    _rex_head(head, action, time)


def _rex_head(c: Canvas, action: str, time: float) -> None:
    tilt = 0.05 * wave(time, 1.9)
    barking = action == "bark" and wave(time, 0.42) > -0.2
    c.tube([(-8, 4), (8, -6)], 8, 8, (208, 48, 44), 1.7)
    h = c.at(4, -10, angle=tilt)
    if barking:
        h.shape(curve([(4, 4), (28, 6), (32, 14), (14, 18), (4, 12)]), CREAM)
        h.shape(curve([(10, 6), (26, 8), (24, 13), (12, 13)]), (176, 60, 62), 1.2)
    outline = [(-18, -16), (-4, -26), (12, -20), (22, -8), (40, -5), (43, 3), (32, 9), (8, 10)]
    outline += [(-12, 8), (-20, -2)]
    h.shape(curve(outline), CREAM)
    h.shape(curve([(-8, -22), (6, -24), (13, -14), (8, -5), (-3, -7)]), PATCH, 1.4)
    _gaze(h, 8, -10, 4.2, action == "sleep" or time % 3.1 < 0.14)
    h.shape(ellipse(41, -4, 5, 4.2), INK, 0)
    h.line(curve([(38, 3), (28, 6), (18, 3)], False), 1.7)
    flop = 4 * wave(time, 0.5) if action in ("run", "bark") else 0
    h.shape(
        curve([(-10, -20), (-2, -16), (-6, 4), (-16, 12 + flop), (-23, 4 + flop), (-18, -12)]),
        PATCH,
    )


def _mina(c: Canvas, action: str, time: float) -> None:
    """A grey cat with a striped tail and a blue collar."""
    if action == "sleep":
        _mina_asleep(c, time)
        return
    sitting = action in ("sit", "stand", "meow", "look up")
    swish = 7 * wave(time, 1.7)
    root = (-22, -8) if sitting else (-32, -38)
    tail = curve(
        [
            root,
            (root[0] - 18, root[1] - 4),
            (root[0] - 26, root[1] - 24),
            (root[0] - 18 + swish, root[1] - 42),
        ],
        False,
    )
    c.tube(tail, 7.5, 6, SLATE)
    for at in (7, 10, 13):
        c.tube(tail[at : at + 2], 6.6, 6.4, darker(SLATE, 0.35), 0)
    if sitting:
        outline = [(-24, -4), (-26, -20), (-14, -38), (2, -54), (18, -50), (18, -24), (16, -1)]
        outline += [(-6, 0)]
        c.shape(curve(outline), SLATE)
        c.shape(curve([(8, -46), (17, -42), (16, -22), (8, -26)]), lighter(SLATE, 0.62), 0)
        for x in (6, 15):
            c.shape(ellipse(x, -3, 6, 4), lighter(SLATE, 0.62), 1.6)
        c.line(curve([(-16, -2), (-6, -14), (4, -10)], False), 1.6)
        head = c.at(12, -58)
    else:
        _legs(c, (-18, 22, -26, 15), -28, action, time, 8, SLATE)
        outline = [(-36, -36), (-26, -48), (0, -46), (24, -50), (32, -40), (26, -26), (0, -22)]
        outline += [(-26, -22)]
        c.shape(curve(outline), SLATE)
        for x in (-20, -8, 4):
            c.line(curve([(x, -46), (x + 3, -38), (x + 1, -33)], False), 3, darker(SLATE, 0.35))
        head = c.at(32, -50)
    _mina_head(head, action, time)


def _mina_head(c: Canvas, action: str, time: float) -> None:
    h = c.at(2, -8, angle=-0.35 if action == "look up" else 0.04 * wave(time, 2.3))
    h.tube([(-8, 14), (8, 14)], 5, 5, (56, 112, 196), 1.5)
    for x in (-12, 11):
        h.shape([(x - 8, -6), (x, -26), (x + 8, -8)], SLATE)
        h.shape([(x - 3, -10), (x, -20), (x + 4, -11)], PINK, 0)
    h.shape(
        curve([(-21, 2), (-16, -11), (0, -14), (16, -11), (22, 2), (14, 13), (0, 16), (-13, 13)]),
        SLATE,
    )
    h.shape(ellipse(4, 8, 11, 7), lighter(SLATE, 0.62), 0)
    shut = time % 3.7 < 0.16
    for x in (-5, 11):
        if shut:
            h.line(arc(x, -2, 5, 3, 10, 170), 1.7)
        else:
            h.shape(ellipse(x, -2, 4.6, 5), (182, 208, 84), 1.4)
            h.shape(ellipse(x + 1, -1.5, 1.6, 3.8), INK, 0)
    h.shape([(1, 4), (8, 4), (4.5, 8)], PINK, 1.2)
    if action == "meow" and wave(time, 0.9) > 0:
        h.shape(ellipse(4.5, 12, 3.6, 4), (160, 52, 58), 1.3)
    else:
        h.line(curve([(-2, 10), (1.5, 12), (4.5, 8), (7.5, 12), (11, 10)], False), 1.4)
    for y in (5, 9):
        h.line([(14, y), (28, y - 4 + (y - 5))], 1.0)
        h.line([(-6, y), (-24, y - 3 + (y - 5))], 1.0)


def _mina_asleep(c: Canvas, time: float) -> None:
    breath = 1.6 * wave(time, 2.6)
    c.shape(
        curve(
            [(-34, -2), (-38, -18), (-18, -32 - breath), (12, -30 - breath), (30, -16), (28, -1)]
        ),
        SLATE,
    )
    for x in (-20, -8, 4):
        c.line(curve([(x, -30), (x + 3, -22), (x + 1, -16)], False), 3, darker(SLATE, 0.35))
    c.tube(curve([(-30, -6), (-10, -2), (14, -2), (30, -4)], False), 8, 7, SLATE)
    h = c.at(24, -16)
    for x in (-9, 8):
        h.shape([(x - 6, -6), (x, -20), (x + 6, -7)], SLATE)
    h.shape(ellipse(0, 2, 17, 13), SLATE)
    for x in (-6, 7):
        h.line(arc(x, 1, 4, 2.5, 10, 170), 1.6)
    h.shape([(-1, 5), (4, 5), (1.5, 8)], PINK, 1.1)


def _hen(c: Canvas, action: str, time: float) -> None:
    """A brown hen that pecks."""
    peck = max(0.0, wave(time, 1.3)) if action in ("stand", "peck") else 0.0
    step = 6 * math.sin(2 * math.pi * time) if action in ("walk", "run") else 0.0
    for side in (1, -1):
        foot = (2 + side * (4 + step), 0)
        c.line([(0, -16), foot], 2.4, (226, 150, 40), taper=False)
        c.line([(foot[0] - 3, 0), (foot[0] + 7, 0)], 2.4, (226, 150, 40), taper=False)
    outline = [(-22, -22), (-34, -44), (-22, -42), (-6, -36), (14, -38), (22, -26), (12, -13)]
    outline += [(-8, -12)]
    c.shape(curve(outline), HEN)
    c.shape(curve([(-14, -30), (2, -32), (8, -24), (-4, -18)]), darker(HEN, 0.2), 1.6)
    h = c.at(16, -34, angle=1.1 * peck)
    h.tube([(-2, 6), (2, -10)], 15, 11, HEN)
    h.shape(
        curve([(-6, -15), (-6, -24), (-1, -20), (2, -26), (6, -20), (10, -22), (8, -13)]),
        (212, 44, 42),
        1.6,
    )
    h.shape(ellipse(2, -11, 8, 8), HEN)
    h.shape([(9, -13), (18, -9), (9, -7)], (240, 176, 60), 1.5)
    h.shape(ellipse(10, -3, 2.6, 4), (212, 44, 42), 1.3)
    h.shape(ellipse(4, -12, 1.8, 2.2), INK, 0)


HEN: Colour = (186, 118, 66)


def _duck(c: Canvas, action: str, time: float) -> None:
    """A white duck that swims; its water line is at the origin."""
    c = c.at(0, 1.5 * wave(time, 1.8), angle=0.03 * wave(time, 2.3))
    c.shape(
        curve(
            [(-34, -12), (-40, -26), (-22, -20), (0, -22), (16, -20), (24, -8), (16, 0), (-20, 0)]
        ),
        (248, 246, 238),
    )
    c.shape(curve([(-20, -16), (2, -18), (8, -10), (-8, -5)]), (222, 222, 220), 1.6)
    c.tube(curve([(14, -12), (19, -26), (16, -38)], False), 13, 10, (248, 246, 238))
    c.shape(ellipse(19, -41, 10, 9), (248, 246, 238))
    open_ = 3 if action == "quack" and wave(time, 0.5) > 0 else 0
    c.shape(
        curve([(27, -44), (42, -42 - open_), (44, -38 - open_), (27, -38)]), (244, 164, 44), 1.6
    )
    if open_:
        c.shape(curve([(27, -39), (41, -37), (38, -34), (27, -35)]), (226, 140, 36), 1.4)
    c.shape(ellipse(22, -43, 1.9, 2.3), INK, 0)


def _gull(c: Canvas, action: str, time: float) -> None:
    """A gull in flight."""
    beat = wave(time, 0.9)
    for side, shade in ((1, 0.16), (-1, 0.0)):
        tip = (-12 + side * 6, -6 - 30 * beat)
        wing = [(-6, -3), (-10 + side * 3, -16 * beat - 6), tip, (8, -10 * beat - 3), (9, -2)]
        c.shape(curve(wing), darker((244, 246, 248), shade), 1.7)
    c.shape(
        curve([(-28, -2), (-10, -7), (10, -7), (20, -4), (12, 4), (-8, 5)]), (250, 250, 248), 1.8
    )
    c.shape([(19, -5), (28, -2), (19, -1)], (240, 170, 50), 1.4)
    c.shape(ellipse(14, -3.5, 1.3, 1.5), INK, 0)


def _butterfly(c: Canvas, action: str, time: float) -> None:
    open_ = 0.25 + 0.75 * abs(wave(time, 0.36))
    for side, colour in ((1, darker(BUTTERFLY, 0.1)), (-1, BUTTERFLY)):
        wings = [
            ellipse(side * 7 * open_, -5, 7 * open_, 7),
            ellipse(side * 6 * open_, 5, 5 * open_, 5),
        ]
        c.union(wings, colour, 1.4)
    c.line([(0, -8), (0, 8)], 2.6)


BUTTERFLY: Colour = (246, 170, 60)


def _hedgehog(c: Canvas, action: str, time: float) -> None:
    """A hedgehog with an apple on its back."""
    step = 3 * math.sin(4 * math.pi * time) if action in ("walk", "run") else 0.0
    for x in (-14, -2, 10, 20):
        c.tube([(x, -8), (x + step * (1 if x % 4 else -1), -1)], 6, 6, (150, 110, 84), 1.5)
    c.shape(curve([(12, -24), (26, -18), (40, -9), (40, -5), (24, -3), (8, -4)]), (214, 176, 138))
    back = []
    for number, angle in enumerate(np.radians(np.linspace(172, 368, 27))):
        r = 1.0 if number % 2 else 1.24
        back.append((-2 + 27 * r * math.cos(angle), -6 + 28 * r * math.sin(angle)))
    c.shape([*back, (14, -3), (-20, -2)], (112, 84, 68), 1.6)
    for x, y in ((-14, -18), (-4, -24), (8, -20), (-8, -10), (4, -11)):
        c.line([(x, y), (x - 4, y - 7)], 1.6, (66, 48, 42))
    c.shape(ellipse(40, -7, 3.2, 3), INK, 0)
    c.shape(ellipse(28, -13, 2, 2.4), INK, 0)
    if action in ("laden", "walk"):
        c.shape(ellipse(-6, -36, 9, 8.5), (206, 54, 44), 1.7)
        c.line([(-6, -44), (-3, -50)], 2)


def _mouse(c: Canvas, action: str, time: float) -> None:
    c.line(curve([(-14, -4), (-26, -2), (-34, -10), (-42, -6)], False), 2.4, PINK)
    c.shape(
        curve([(-16, -2), (-14, -14), (0, -18), (14, -12), (22, -4), (10, -1)]),
        (170, 160, 158),
        1.7,
    )
    for x in (2, 9):
        c.shape(ellipse(x, -17, 6, 6), mixed((170, 160, 158), PINK, 0.4), 1.6)
    c.shape(ellipse(22, -4, 2, 2), PINK, 1.1)
    c.shape(ellipse(13, -9, 1.6, 2), INK, 0)


def _fish(c: Canvas, action: str, time: float) -> None:
    """A fish about the origin; "leap" turns it along its flight."""
    c = c.at(0, 0, angle=0.25 * wave(time, 0.4))
    c.shape([(-16, 0), (-30, -11), (-26, 0), (-30, 11)], (232, 120, 70), 1.7)
    c.shape(curve([(-18, 0), (-4, -12), (14, -9), (22, 0), (14, 9), (-4, 12)]), (244, 146, 84))
    c.line(arc(4, 0, 6, 9, -70, 70), 1.4)
    c.shape(ellipse(14, -2.5, 2.6, 2.8), (250, 250, 246), 1.2)
    c.shape(ellipse(14.6, -2.4, 1.2, 1.4), INK, 0)


def _crab(c: Canvas, action: str, time: float) -> None:
    step = 3 * math.sin(4 * math.pi * time) if action in ("walk", "run") else 0.0
    for x in (-16, -10, 10, 16):
        c.line([(x, -8), (x * 1.5, -8 + 3), (x * 1.6 + step, 0)], 2.6, CRAB, taper=False)
    for side in (-1, 1):
        raised = 4 * wave(time, 0.7, side * 0.2)
        c.tube([(side * 16, -12), (side * 26, -22 + raised)], 4, 4, CRAB, 1.5)
        c.shape(ellipse(side * 28, -27 + raised, 7.5, 6.5), CRAB, 1.7)
        c.line([(side * 28, -33 + raised), (side * 27, -26 + raised)], 1.8)
        c.line([(side * 6, -16), (side * 6, -24)], 1.8, taper=False)
        c.shape(ellipse(side * 6, -26, 3.4, 3.6), (250, 250, 246), 1.3)
        c.shape(ellipse(side * 6 + 0.8, -26, 1.4, 1.6), INK, 0)
    c.shape(ellipse(0, -10, 20, 11), CRAB)
    c.line(arc(0, -11, 6, 4, 20, 160), 1.6)


CRAB: Colour = (230, 88, 56)

ANIMALS: dict[str, Animal] = {
    "rex": Animal(_rex, 70, 120),
    "mina": Animal(_mina, 62, 90),
    "hen": Animal(_hen, 34, 50),
    "duck": Animal(_duck, 60, 40),
    "gull": Animal(_gull, 90, 110),
    "butterfly": Animal(_butterfly, 60, 50),
    "hedgehog": Animal(_hedgehog, 30, 34),
    "mouse": Animal(_mouse, 40, 130),
    "fish": Animal(_fish, 60, 60),
    "crab": Animal(_crab, 40, 46),
}

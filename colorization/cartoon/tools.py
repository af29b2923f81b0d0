"""Things that people hold in their hands."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from colorization.cartoon.ink import Canvas, arc, curve, ellipse, rectangle
from colorization.cartoon.light import Colour, darker, lighter

WOOD: Colour = (198, 148, 88)
STEEL: Colour = (176, 184, 194)
TIN: Colour = (150, 164, 176)


@dataclass(frozen=True)
class Tool:
    """How a thing is drawn about the hand, and whether it turns with the arm."""

    draw: Callable[[Canvas, float], None]
    follows: float = 0.0  # share of the arm's slope
    both_hands: bool = False


def _hammer(c: Canvas, time: float) -> None:
    c.tube([(0, 10), (0, -34)], 4.5, 4.5, WOOD, 1.7)
    c.shape(curve([(-8, -42), (11, -42), (13, -38), (13, -31), (-8, -31), (-15, -36)]), STEEL, 1.8)


def _brush(c: Canvas, time: float) -> None:
    c.tube([(-8, 0), (18, 0)], 4.5, 5.5, WOOD, 1.7)
    c.shape(rectangle(17, -7, 23, 7), TIN, 1.6)
    c.shape(curve([(23, -7), (23, -7), (36, -6), (38, 0), (36, 6), (23, 7), (23, 7)]), BRUSH, 1.7)


BRUSH: Colour = (226, 92, 62)


def _saw(c: Canvas, time: float) -> None:
    c.shape([(6, -4), (66, 4), (66, 9), (6, 13)], STEEL, 1.7)
    teeth = [(x, 13 - x * 0.06 + (3 if x % 8 else 0)) for x in range(8, 68, 4)]
    c.line(teeth, 1.4, taper=False)
    c.shape(curve([(-10, -6), (6, -7), (9, 4), (6, 14), (-10, 12)]), WOOD, 1.9)


def _rake(c: Canvas, time: float) -> None:
    c.tube([(-18, -54), (26, 74)], 4, 4, WOOD, 1.7)
    c.tube([(14, 78), (38, 70)], 5, 5, STEEL, 1.6)
    for share in (0.0, 0.33, 0.66, 1.0):
        x, y = 14 + 24 * share, 78 - 8 * share
        c.line([(x, y), (x + 4, y + 10)], 2.4, taper=False)


def _bucket(c: Canvas, time: float) -> None:
    c.line(arc(0, 22, 16, 22, 180, 360), 2, taper=False)
    c.shape([(-17, 22), (17, 22), (13, 50), (-13, 50)], TIN)
    c.shape(ellipse(0, 22, 17, 4.5), darker(TIN, 0.25), 1.8)
    c.line(curve([(-15, 32), (0, 36), (15, 32)], False), 1.4, darker(TIN, 0.4), taper=False)


def _spoon(c: Canvas, time: float) -> None:
    c.tube([(-6, -16), (10, 22)], 3.6, 3.6, WOOD, 1.6)
    c.shape(ellipse(12, 26, 5, 7.5, -0.35), WOOD, 1.6)


def _pan(c: Canvas, time: float) -> None:
    c.tube([(-4, 0), (22, 0)], 6, 6, (70, 60, 62), 1.7)
    c.shape(curve([(20, -3), (20, -3), (78, -3), (78, -3), (70, 8), (28, 8)]), (84, 82, 92))


def _flowers(c: Canvas, time: float) -> None:
    for x, y, colour in (
        (-8, -36, (226, 72, 84)),
        (3, -44, (250, 208, 70)),
        (13, -34, (240, 240, 236)),
    ):
        c.line([(0, 12), (x * 0.6, y * 0.5), (x, y)], 2.2, (70, 128, 58), taper=False)
        _blossom(c, x, y, colour)


def _blossom(c: Canvas, x: float, y: float, colour: Colour) -> None:
    petals = [
        ellipse(x + 5 * math.cos(a), y + 5 * math.sin(a), 4, 4) for a in (0, 1.26, 2.5, 3.8, 5)
    ]
    c.union(petals, colour, 1.3)
    c.shape(ellipse(x, y, 2.8, 2.8), (232, 150, 44), 1)


def _letter(c: Canvas, time: float) -> None:
    c.shape(rectangle(-4, -26, 36, 0), (252, 246, 228), 1.8)
    c.line([(-4, -26), (16, -10), (36, -26)], 1.5, taper=False)
    c.shape(ellipse(16, -11, 3.2, 3.2), (200, 50, 46), 1)


def _cup(c: Canvas, time: float) -> None:
    c.line(arc(13, -6, 7, 7, -90, 90), 2.4, taper=False)
    c.shape(curve([(-11, -17), (-11, -17), (12, -17), (12, -17), (10, 3), (-8, 3)]), (86, 140, 196))
    c.shape(ellipse(0.5, -17, 11.5, 3.2), (110, 66, 40), 1.5)


def _cake(c: Canvas, time: float) -> None:
    cake(c.at(8, 2), time)


def cake(c: Canvas, time: float) -> None:
    """A cake with three candles on a plate, its foot at the origin."""
    c.shape(ellipse(0, 0, 46, 7), (236, 240, 244), 1.9)
    c.shape(
        curve([(-34, -32), (-34, -32), (34, -32), (34, -32), (33, -3), (0, 3), (-33, -3)]), CAKE
    )
    icing = [(-35, -34), (0, -41), (35, -34), (35, -24), (26, -16), (18, -24), (8, -14), (-2, -24)]
    c.shape(curve([*icing, (-13, -15), (-24, -24), (-32, -17)]), (250, 190, 204), 1.9)
    for x in (-18, 0, 18):
        c.shape(rectangle(x - 2.2, -54, x + 2.2, -35), (120, 176, 220), 1.4)
        lean = 1.5 * math.sin(9 * time + x)
        flame = [(x, -55), (x - 3.5, -60), (x + lean, -68), (x + 3.5, -60)]
        c.unlit.shape(curve(flame), (254, 200, 64), 1.3)


CAKE: Colour = (206, 142, 84)


def _basket(c: Canvas, time: float) -> None:
    basket(c.at(6, 34), time)


def basket(c: Canvas, time: float, full: bool = True) -> None:
    """A basket of apples, its foot at the origin."""
    c.line(arc(0, -28, 26, 30, 180, 360), 4.6, darker(WOOD, 0.3), taper=False)
    if full:
        for x, y in ((-16, -31), (-3, -35), (11, -33), (19, -30)):
            c.shape(ellipse(x, y, 7.5, 7), (206, 54, 44), 1.7)
    c.shape([(-28, -28), (29, -28), (23, 0), (-22, 0)], WOOD)
    for y in (-20, -12, -5):
        c.line([(-26 - y * 0.15, y), (26 + y * 0.1, y)], 1.5, darker(WOOD, 0.4), taper=False)
    for x in (-15, -4, 8, 18):
        c.line([(x * 1.15, -27), (x, -1)], 1.3, darker(WOOD, 0.4), taper=False)


def _box(c: Canvas, time: float) -> None:
    parcel(c.at(10, 18), time)


def parcel(c: Canvas, time: float) -> None:
    """A parcel tied up with a red ribbon, its foot at the origin."""
    c.shape(rectangle(-28, -38, 28, 0), (214, 170, 112))
    c.shape([(-28, -38), (-18, -47), (38, -47), (28, -38)], lighter((214, 170, 112), 0.25), 1.9)
    c.shape([(28, -38), (38, -47), (38, -9), (28, 0)], darker((214, 170, 112), 0.18), 1.9)
    c.shape(rectangle(-4, -38, 4, 0), (200, 50, 60), 1.4)
    c.shape([(-4, -38), (6, -47), (14, -47), (4, -38)], (200, 50, 60), 1.4)
    for side in (-1, 1):
        c.shape(curve([(5, -43), (5 + side * 14, -54), (5 + side * 17, -45)]), (214, 62, 70), 1.5)


def _plank(c: Canvas, time: float) -> None:
    c.shape([(-96, -10), (104, -16), (104, -2), (-96, 4)], lighter(WOOD, 0.15))
    c.line([(-80, -5), (70, -9)], 1.2, darker(WOOD, 0.3))


ROD_TIP = (128.0, -92.0)


def _rod(c: Canvas, time: float) -> None:
    tip = ROD_TIP
    c.tube(curve([(-22, 12), (50, -44), tip], False), 4.4, 1.6, WOOD, 1.4)
    bob = 4 * math.sin(2.6 * time)
    c.line([tip, (tip[0] + 4, 60 + bob)], 1.1, taper=False)
    c.shape(ellipse(tip[0] + 4, 60 + bob, 4.5, 6), (216, 54, 46), 1.4)


def _rod_with_boot(c: Canvas, time: float) -> None:
    """A rod that bends under an old boot."""
    tip = (116.0, -74.0)
    c.tube(curve([(-22, 12), (52, -50), tip], False), 4.4, 1.6, WOOD, 1.4)
    b = c.at(tip[0], tip[1] + 40, angle=0.2 * math.sin(5 * time))
    b.line([(0, -40), (0, 4)], 1.2, taper=False)
    sole = [(-14, 0), (-14, 0), (12, -2), (12, -2), (12, 32), (34, 42), (36, 54), (36, 54)]
    b.shape(curve([*sole, (-12, 54), (-12, 54)], steps=5), (120, 84, 58))
    b.line([(-12, 48), (36, 48)], 2, taper=False)
    b.shape(ellipse(30, 41, 5, 4), (62, 50, 46), 0)
    drop = (time / 0.5) % 1
    b.shape(ellipse(6, 62 + 40 * drop, 3, 4), (120, 178, 220), 1.2)


def _lantern(c: Canvas, time: float) -> None:
    c.line([(0, 0), (0, 12)], 2, taper=False)
    c.shape(curve([(-9, 16), (0, 9), (9, 16), (9, 16), (-9, 16)]), (92, 60, 50), 1.7)
    c.unlit.shape(rectangle(-8, 16, 8, 38), (255, 226, 120), 1.8)
    c.line([(0, 16), (0, 38)], 1.4, taper=False)
    c.shape(rectangle(-11, 38, 11, 43), (92, 60, 50), 1.7)


def _reel(c: Canvas, time: float) -> None:
    c.tube([(-9, 0), (9, 0)], 7, 7, WOOD, 1.6)


def _balloon(c: Canvas, time: float) -> None:
    sway = 8 * math.sin(1.7 * time)
    balloon(c.at(20 + sway, -126), time)
    c.line(curve([(0, 0), (13 - sway * 0.4, -46), (20 + sway, -90)], False), 1.4, taper=False)


def balloon(c: Canvas, time: float) -> None:
    """A red balloon about the origin, with its knot below."""
    c.shape([(-4, 38), (4, 38), (0, 31)], darker(BALLOON, 0.1), 1.6)
    c.shape(curve([(0, -36), (24, -22), (25, 6), (0, 34), (-25, 6), (-24, -22)]), BALLOON)
    c.shape(ellipse(-11, -17, 4, 8, 0.5), lighter(BALLOON, 0.5), 0)


BALLOON: Colour = (222, 48, 56)


def _umbrella(c: Canvas, time: float) -> None:
    c.line([(0, 16), (0, -150)], 3, (92, 60, 50), taper=False)
    c.line(arc(-5, 16, 5, 7, 0, 170), 3, (92, 60, 50), taper=False)
    c = c.at(0, -94, 1.25)
    dome = [(-58, -54), (-58, -54), (-46, -88), (0, -106), (46, -88), (58, -54), (58, -54)]
    c.shape(curve([*dome, (40, -62), (20, -54), (0, -62), (-20, -54), (-40, -62)]), (60, 124, 178))
    for x in (-20, 20):
        c.line(curve([(x, -55), (x * 0.9, -84), (0, -105)], False), 1.5)


def _ice_cream(c: Canvas, time: float) -> None:
    c.shape([(-6, -10), (8, -10), (1, 14)], (222, 170, 96), 1.7)
    c.union(
        [ellipse(-3, -15, 7, 7), ellipse(6, -14, 7, 7), ellipse(1, -23, 7, 7)], (252, 214, 220), 1.7
    )


def _magnifier(c: Canvas, time: float) -> None:
    c.tube([(0, 12), (0, -8)], 5, 5, (110, 70, 50), 1.7)
    c.shape(ellipse(0, -22, 14, 14), (206, 230, 236), 3)


IN_HAND: dict[str, Tool] = {
    "hammer": Tool(_hammer, follows=0.6),
    "brush": Tool(_brush, follows=0.5),
    "saw": Tool(_saw, follows=0.2),
    "rake": Tool(_rake),
    "bucket": Tool(_bucket),
    "spoon": Tool(_spoon),
    "pan": Tool(_pan, follows=0.15),
    "flowers": Tool(_flowers),
    "letter": Tool(_letter),
    "cup": Tool(_cup),
    "cake": Tool(_cake, both_hands=True),
    "basket": Tool(_basket),
    "parcel": Tool(_box, both_hands=True),
    "plank": Tool(_plank, both_hands=True),
    "rod": Tool(_rod),
    "rod with boot": Tool(_rod_with_boot),
    "lantern": Tool(_lantern),
    "reel": Tool(_reel),
    "balloon": Tool(_balloon),
    "umbrella": Tool(_umbrella),
    "ice cream": Tool(_ice_cream),
    "magnifier": Tool(_magnifier),
}

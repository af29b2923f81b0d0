"""What stands in rooms and hangs on walls, seen in one-point perspective.

Things stand on the canvas' origin, a person being 220. `eye` is the vanishing point as a thing
sees it: the point at which all lines meet that run away from us.
"""

from __future__ import annotations

import numpy as np

from colorization.cartoon.buildings import GLASS, GLOWING, OAK
from colorization.cartoon.ink import Canvas, Points, arc, curve, ellipse, rectangle
from colorization.cartoon.light import Colour, darker, lighter

Eye = tuple[float, float]

IRON: Colour = (86, 88, 98)
PINE: Colour = (206, 160, 100)
TIN_COLOURS: tuple[Colour, ...] = ((206, 62, 54), (58, 116, 178), (240, 188, 60), (92, 148, 84))


def behind(points: Points, eye: Eye, depth: float) -> np.ndarray:
    """Return points farther away: moved towards the eye by a share of their distance."""
    p = np.asarray(points, float)
    return p + (np.array(eye) - p) * depth


def block(
    c: Canvas, box: tuple[float, float, float, float], eye: Eye, depth: float, colour: Colour
) -> None:
    """A box (left, top, right, bottom): its front, its top, and the side that is seen."""
    front = rectangle(*box)
    back = behind(front, eye, depth)
    if eye[0] > box[2]:
        c.shape([front[1], back[1], back[2], front[2]], darker(colour, 0.22))
    elif eye[0] < box[0]:
        c.shape([front[0], back[0], back[3], front[3]], darker(colour, 0.22))
    if eye[1] < box[1]:
        c.shape([front[0], back[0], back[1], front[1]], lighter(colour, 0.22))
    c.shape(front, colour)


def panels(c: Canvas, box: tuple[float, float, float, float], count: int, colour: Colour) -> None:
    """Doors in the front of a cupboard, each with its knob."""
    left, top, right, bottom = box
    wide = (right - left) / count
    for number in range(count):
        x = left + number * wide
        c.shape(rectangle(x + 5, top + 5, x + wide - 5, bottom - 5), colour, 1.3)
        knob = x + (wide - 12 if number % 2 == 0 else 12)
        c.shape(ellipse(knob, (top + bottom) / 2, 3.4, 3.4), (236, 200, 110), 1.2)


def table(c: Canvas, eye: Eye, length: float = 210, cloth: Colour | None = None) -> None:
    """A table, its top at 96; with a cloth that hangs down in front."""
    half = length / 2
    for x in (-half + 12, half - 24):
        far = behind([(x + 6, 0)], eye, 0.16)[0]
        c.shape(rectangle(far[0] - 5, -80, far[0] + 5, far[1]), darker(OAK, 0.35))
        c.shape(rectangle(x, -84, x + 12, 0), OAK)
    block(c, (-half, -96, half, -84), eye, 0.2, OAK)
    if cloth is not None:
        back = behind([(-half, -97), (half, -97)], eye, 0.2)
        c.shape([back[0], back[1], (half + 2, -97), (-half - 2, -97)], lighter(cloth, 0.15))
        hem = [
            (x, -62 + (5 if n % 2 else -3))
            for n, x in enumerate(np.linspace(half + 3, -half - 3, 11))
        ]
        c.shape(
            curve(
                [(-half - 3, -97), (-half - 3, -97), (half + 3, -97), (half + 3, -97), *hem],
                steps=4,
            ),
            cloth,
        )
        for x in np.arange(-half + 20, half - 6, 30):
            c.line([(x, -95), (x + 1, -66)], 3, lighter(cloth, 0.5), taper=False)


def chair(c: Canvas, eye: Eye, colour: Colour = PINE) -> None:
    """A chair seen from its side, for who sits facing right; the seat is at 56."""
    for x in (-22, 22):
        far = behind([(x, 0)], eye, 0.08)[0]
        c.shape(rectangle(far[0] - 3, -50, far[0] + 3, far[1]), darker(colour, 0.3))
        c.shape(rectangle(x - 4, -54, x + 4, 0), colour)
    c.tube([(-24, -56), (-32, -134)], 8, 8, colour)
    far = behind([(-32, -132), (-27, -84)], eye, 0.08)
    c.shape([(-32, -136), far[0], far[1], (-27, -84)], lighter(colour, 0.1))
    block(c, (-28, -60, 28, -52), eye, 0.08, colour)


def stove(c: Canvas, eye: Eye) -> None:
    """A kitchen stove with a pot and a kettle, 104 high."""
    block(c, (-78, -104, 78, -8), eye, 0.2, (238, 236, 228))
    c.shape(rectangle(-62, -78, 20, -20), (208, 210, 208))
    c.shape(rectangle(-50, -66, 8, -32), IRON)
    c.line([(-56, -84), (14, -84)], 3.4, IRON, taper=False)
    for x in (34, 50, 66):
        c.shape(ellipse(x, -90, 5, 5), (200, 62, 54), 1.3)
    c.shape(rectangle(30, -76, 70, -20), (226, 224, 216))
    for x in (-72, 72):
        c.shape(rectangle(x - 5, -8, x + 5, 0), IRON, 1.2)
    pot(c.at(-34, -112), (200, 66, 58))
    kettle(c.at(36, -112))


def pot(c: Canvas, colour: Colour) -> None:
    """A cooking pot with its lid, standing on the origin."""
    for side in (-1, 1):
        c.line(arc(side * 31, -24, 8, 7, 0, 360), 2.4, taper=False)
    c.shape(
        curve([(-30, -36), (-30, -36), (30, -36), (30, -36), (28, -3), (0, 1), (-28, -3)]),
        colour,
        1.7,
    )
    c.shape(ellipse(0, -37, 32, 6), lighter(colour, 0.25))
    c.shape(ellipse(0, -45, 5, 4), IRON, 1.3)


def kettle(c: Canvas) -> None:
    """A blue kettle standing on the origin."""
    c.line(arc(0, -38, 20, 20, 180, 360), 3.4, IRON, taper=False)
    c.shape(curve([(24, -22), (42, -40), (36, -42), (18, -30)]), (70, 132, 186))
    c.shape(
        curve([(-28, -2), (-28, -22), (-14, -40), (14, -40), (28, -22), (28, -2), (0, 1)]),
        (70, 132, 186),
        1.7,
    )
    c.shape(ellipse(0, -42, 5, 4), IRON, 1.2)


def counter(c: Canvas, eye: Eye, length: float = 240, colour: Colour = (120, 164, 150)) -> None:
    """A row of low cupboards with a wooden top, 106 high."""
    half = length / 2
    block(c, (-half, -100, half, 0), eye, 0.18, colour)
    panels(c, (-half, -90, half, -10), max(2, round(length / 70)), lighter(colour, 0.12))
    c.shape(rectangle(-half, -10, half, 0), darker(colour, 0.4), 1.2)
    block(c, (-half - 6, -108, half + 6, -99), eye, 0.18, PINE)


def wall_cupboard(c: Canvas, length: float, colour: Colour) -> None:
    """A cupboard that hangs on the wall, its foot on the origin, 100 high."""
    half = length / 2
    c.shape(rectangle(-half, -100, half, 0), colour)
    panels(c, (-half, -100, half, 0), max(2, round(length / 62)), lighter(colour, 0.12))
    c.shape(rectangle(-half - 5, -108, half + 5, -100), darker(colour, 0.15))


def shelf(c: Canvas, length: float, rng: np.random.Generator, load: str) -> None:
    """A board on the wall with plates, jars, paint or books, the board on the origin."""
    half = length / 2
    x = -half + 18
    while x < half - 16:
        x += _LOADS[load](c.at(x, 0), rng)
    c.shape(rectangle(-half, 0, half, 8), OAK)
    for side in (-1, 1):
        c.line(
            [(side * (half - 16), 8), (side * (half - 16), 24)], 4, darker(OAK, 0.3), taper=False
        )


def _plate(c: Canvas, rng: np.random.Generator) -> float:
    c.shape(ellipse(0, -17, 17, 17), (246, 246, 242))
    c.shape(ellipse(0, -17, 10, 10), (206, 224, 238), 1.1, (80, 126, 178))
    return 40


def _jar(c: Canvas, rng: np.random.Generator) -> float:
    colour = ((190, 70, 60), (222, 160, 66), (120, 148, 80), (146, 84, 132))[rng.integers(4)]
    c.shape(rectangle(-11, -30, 11, 0), colour)
    c.shape(rectangle(-11, -30, 11, -23), lighter(colour, 0.55), 1.1)
    c.shape(rectangle(-12, -36, 12, -29), (232, 222, 196))
    c.shape(rectangle(-7, -19, 7, -8), (250, 246, 230), 1.0)
    return rng.uniform(29, 36)


def _paint(c: Canvas, rng: np.random.Generator) -> float:
    colour = TIN_COLOURS[rng.integers(len(TIN_COLOURS))]
    c.shape(rectangle(-14, -30, 14, 0), (186, 190, 194))
    c.shape(rectangle(-14, -24, 14, -8), colour, 1.2)
    c.shape(ellipse(0, -30, 14, 3.6), lighter((186, 190, 194), 0.4), 1.2)
    drip = [(4, -29), (10, -29), (9, -20), (7, -17), (5, -21)]
    c.shape(curve(drip), colour, 1.0)
    return rng.uniform(36, 46)


def _book(c: Canvas, rng: np.random.Generator) -> float:
    colour = ((166, 66, 58), (64, 98, 142), (88, 124, 82), (202, 158, 78), (122, 80, 124))[
        rng.integers(5)
    ]
    wide, high = rng.uniform(9, 15), rng.uniform(36, 52)
    c.shape(rectangle(-wide / 2, -high, wide / 2, 0), colour, 1.3)
    for y in (-high * 0.8, -high * 0.2):
        c.line([(-wide / 2, y), (wide / 2, y)], 1.5, lighter(colour, 0.45), taper=False)
    return wide + 1.5


_LOADS = {"plates": _plate, "jars": _jar, "paint": _paint, "books": _book}


def bookcase(c: Canvas, eye: Eye, rng: np.random.Generator) -> None:
    """A bookcase, 240 high."""
    block(c, (-74, -240, 74, 0), eye, 0.12, darker(OAK, 0.1))
    for y in (-18, -78, -138, -198):
        c.shape(rectangle(-64, y - 56 if y > -190 else y - 32, 64, y), darker(OAK, 0.45), 1.2)
        x = -56.0
        while x < 54 and y > -190:
            x += _book(c.at(x, y), rng)
            if rng.random() < 0.1:
                x += 16
        c.shape(rectangle(-66, y, 66, y + 6), OAK, 1.2)
    c.shape(curve([(-20, -198), (-24, -218), (-12, -226), (0, -218), (-4, -198)]), (84, 136, 178))


def sofa(c: Canvas, eye: Eye, colour: Colour = (188, 84, 74)) -> None:
    """A sofa, 250 long, its seat at 56."""
    block(c, (-112, -128, 112, -30), eye, 0.1, darker(colour, 0.1))
    for x in (-56, 56):
        c.shape(
            curve([(x - 52, -122), (x + 52, -122), (x + 53, -60), (x - 53, -60)], steps=5), colour
        )
    c.shape(
        curve([(-108, -62), (108, -62), (110, -34), (-110, -34)], steps=5), lighter(colour, 0.12)
    )
    c.line([(0, -62), (0, -36)], taper=False)
    for side in (-1, 1):
        x = side * 122
        c.shape(
            curve([(x - 18, -84), (x + 18, -84), (x + 18, -8), (x - 18, -8)], steps=5), colour, 1.7
        )
        c.line(arc(x, -74, 11, 9, 120, 420), 1.5, darker(colour, 0.35))
    c.shape(rectangle(-106, -34, 106, -10), darker(colour, 0.12))
    for x in (-118, 118):
        c.shape(rectangle(x - 6, -8, x + 6, 0), darker(OAK, 0.3), 1.2)


def fireplace(c: Canvas, eye: Eye) -> None:
    """A fireplace of bricks, 190 high, without its fire."""
    brick = (184, 100, 80)
    block(c, (-106, -168, 106, 0), eye, 0.08, brick)
    for row, y in enumerate(range(-152, 0, 19)):
        c.line([(-104, y), (104, y)], 1.1, darker(brick, 0.35), taper=False)
        for x in range(-96 + 16 * (row % 2), 104, 34):
            c.line([(x, y), (x, y + 18)], 1.1, darker(brick, 0.35), taper=False)
    mouth = np.concatenate((arc(0, -76, 58, 46, 180, 360), [(58, 0), (-58, 0)]))
    c.shape(mouth, (58, 44, 44), 1.8)
    block(c, (-122, -186, 122, -168), eye, 0.1, OAK)
    for x in (-76, 80):
        c.shape(rectangle(x - 5, -214, x + 5, -190), (246, 240, 222), 1.2)
        c.shape(rectangle(x - 9, -192, x + 9, -187), (220, 180, 90), 1.2)


def fire(c: Canvas, time: float) -> None:
    """Flames over two logs."""
    for x, y, angle in ((-6, -8, 0.12), (6, -12, -0.2)):
        log = c.at(x, y, angle=angle)
        log.tube([(-36, 0), (36, 0)], 13, 13, (122, 80, 54))
    for x, high, colour in ((-18, 52, FLAME), (16, 58, FLAME), (0, 76, FLAME), (0, 40, GLOWING)):
        flicker = high * (1 + 0.12 * np.sin(11 * time + x))
        lean = 6 * np.sin(7 * time + x)
        flame = [
            (x - 16, -14),
            (x - 14, -26),
            (x + lean, -14 - flicker),
            (x + 15, -28),
            (x + 15, -14),
        ]
        c.unlit.shape(curve(flame), colour)


FLAME: Colour = (246, 142, 46)


def clock(c: Canvas) -> None:
    """A round clock on the wall, about the origin."""
    c.shape(ellipse(0, 0, 29, 29), OAK)
    c.shape(ellipse(0, 0, 23, 23), (252, 250, 240))
    for angle in np.arange(12) * (np.pi / 6):
        x, y = np.cos(angle), np.sin(angle)
        c.line([(18 * x, 18 * y), (21 * x, 21 * y)], 1.6, taper=False)
    c.line([(0, 0), (0, -17)], 2.2, taper=False)
    c.line([(0, 0), (-11, 6)], 2.6, taper=False)


def picture(c: Canvas, wide: float, high: float, rng: np.random.Generator) -> None:
    """A framed landscape on the wall, about the origin."""
    c.shape(rectangle(-wide / 2, -high / 2, wide / 2, high / 2), (212, 168, 84))
    w, h = wide / 2 - 8, high / 2 - 8
    c.shape(rectangle(-w, -h, w, h), (186, 216, 230), 1.2)
    top = rng.uniform(-0.1, 0.3) * h
    c.shape(
        [(-w, h), (-w, top), (-w * 0.3, top - h * 0.5), (w * 0.2, top), (w, top - h * 0.2), (w, h)],
        (120, 166, 98),
        1.1,
    )
    c.shape(ellipse(w * 0.5, -h * 0.5, 7, 7), (248, 214, 96), 1.1)


def curtained_window(c: Canvas, wide: float, high: float, curtain: Colour, view: str) -> None:
    """A window in the wall, its sill on the origin; the view is "day", "evening" or "night"."""
    half = wide / 2
    above = {"day": GLASS, "evening": (246, 176, 116), "night": (58, 72, 128)}[view]
    c.shape(rectangle(-half - 8, -high - 8, half + 8, 0), (248, 244, 232))
    c.shape(rectangle(-half, -high, half, -4), above)
    if view == "night":
        c.shape(ellipse(half * 0.45, -high * 0.72, 11, 11), (250, 240, 190), 1.2)
    else:
        green = {"day": (136, 184, 106), "evening": (150, 128, 84)}[view]
        outline = [(-half, -4), (-half, -high * 0.3), (0, -high * 0.42), (half, -high * 0.26)]
        outline += [(half, -4)]
        c.shape(curve(outline, steps=4), green, 1.1)
    c.shape(rectangle(-3, -high, 3, -4), (248, 244, 232), 1.1)
    c.shape(rectangle(-half, -high * 0.6, half, -high * 0.6 + 5), (248, 244, 232), 1.1)
    for side in (-1, 1):
        edge, inner = side * (half + 20), side * half * 0.42
        drape = [
            (edge, -high - 12),
            (inner * 0.6, -high - 12),
            (inner, -high * 0.6),
            (side * half * 0.85, -high * 0.36),
        ]
        c.shape(curve([*drape, (side * half * 0.9, 8), (edge + side * 4, 8)], steps=5), curtain)
        for share in (0.25, 0.5):
            x = edge + (inner - edge) * share
            c.line(
                curve([(x, -high - 8), (x, -high * 0.6), (edge - side * 8, -high * 0.36)], False),
                1.3,
                darker(curtain, 0.3),
            )
        c.tube(
            [(edge, -high * 0.36), (side * half * 0.8, -high * 0.35)],
            6,
            6,
            lighter(curtain, 0.5),
            1.2,
        )
    c.tube([(-half - 30, -high - 14), (half + 30, -high - 14)], 6, 6, OAK)
    c.shape(rectangle(-half - 16, -4, half + 16, 6), (238, 230, 212))


def standing_lamp(c: Canvas, lit: bool) -> None:
    """A standing lamp, 230 high."""
    c.shape(ellipse(0, -3, 26, 6), IRON)
    c.line([(0, -4), (0, -180)], 4, IRON, taper=False)
    shade = GLOWING if lit else (240, 206, 150)
    c.shape([(-22, -236), (22, -236), (42, -176), (-42, -176)], shade, 1.7)
    for x in (-14, 0, 14):
        c.line([(x, -235), (x * 1.9, -177)], 1.2, darker(shade, 0.25), taper=False)


def hanging_lamp(c: Canvas, length: float, colour: Colour = (84, 142, 124)) -> None:
    """A lamp on its wire, from the origin down."""
    c.line([(0, 0), (0, length)], 2.2, taper=False)
    c.shape(ellipse(0, length + 34, 12, 12), GLOWING)
    outline = [(-10, length), (10, length), (46, length + 32), (46, length + 32), (0, length + 38)]
    outline += [(-46, length + 32), (-46, length + 32)]
    c.shape(curve(outline), colour, 1.7)


def potted_plant(c: Canvas, rng: np.random.Generator) -> None:
    """A plant in its pot, 130 high."""
    for number in range(9):
        lean, high = (number - 4) * 13 + rng.uniform(-4, 4), 118 - 6 * abs(number - 4) ** 1.3
        leaf = [
            (0, -44),
            (lean * 0.4 - 7, -high * 0.62),
            (lean, -high),
            (lean * 0.5 + 8, -high * 0.6),
        ]
        c.shape(curve(leaf), ((88, 146, 82), (106, 162, 88))[number % 2])
    c.shape([(-28, -46), (28, -46), (20, 0), (-20, 0)], (200, 106, 72), 1.7)
    c.shape(rectangle(-31, -54, 31, -42), (212, 120, 84))


def rug(c: Canvas, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
    """An oval rug on the floor."""
    for share, tone in (
        (1, darker(colour, 0.15)),
        (0.86, lighter(colour, 0.45)),
        (0.72, colour),
        (0.4, lighter(colour, 0.3)),
    ):
        c.shape(ellipse(x, y, wide * share, high * share), tone, 1.3)


def workbench(c: Canvas, eye: Eye) -> None:
    """A workbench with a vice, 104 high and 290 long."""
    for x in (-128, 110):
        block(c, (x, -92, x + 20, 0), eye, 0.03, darker(OAK, 0.15))
    c.shape(rectangle(-110, -30, 112, -20), darker(OAK, 0.25))
    block(c, (-145, -106, 145, -90), eye, 0.2, PINE)
    block(c, (96, -128, 138, -106), eye, 0.05, IRON)
    c.line([(138, -117), (166, -117)], 4, IRON, taper=False)
    c.line([(164, -128), (164, -104)], 3.4, IRON, taper=False)
    for x, colour in ((-112, (206, 62, 54)), (-84, (240, 188, 60))):
        c.shape(rectangle(x - 12, -136, x + 12, -110), (186, 190, 194))
        c.shape(rectangle(x - 12, -130, x + 12, -116), colour, 1.1)
    for x in (-30, -14, 4):
        c.line(arc(x, -109, 8, 6, 180, 400), 1.8, (226, 190, 130), taper=False)


def tool_board(c: Canvas) -> None:
    """A board with tools on the wall, 200 wide, about the origin."""
    c.shape(rectangle(-104, -62, 104, 62), lighter(PINE, 0.3))
    steel = (176, 184, 194)
    c.tube([(-80, 40), (-80, -20)], 6, 6, OAK, 1.3)
    c.shape(rectangle(-96, -38, -66, -22), steel, 1.3)
    c.shape([(-46, -34), (-16, -34), (-22, 40), (-40, 40)], steel, 1.3)
    c.shape(rectangle(-48, -52, -14, -34), (190, 92, 60), 1.3)
    for lean in (-1, 1):
        c.line(
            curve([(16, -44), (16 + lean * 6, -20), (16 + lean * 10, 36)], False),
            6,
            (196, 58, 52),
            taper=False,
        )
    c.shape(ellipse(16, -36, 8, 12), steel, 1.3)
    for x, high, colour in (
        (46, 54, (240, 188, 60)),
        (64, 40, (58, 116, 178)),
        (80, 30, (92, 148, 84)),
    ):
        c.shape(rectangle(x - 5, -46, x + 5, -20), colour, 1.2)
        c.line([(x, -20), (x, -20 + high)], 3, steel, taper=False)


def barrel(c: Canvas) -> None:
    """A barrel, 110 high."""
    c.shape(
        curve([(-34, -108), (34, -108), (46, -56), (34, 0), (-34, 0), (-46, -56)], steps=5),
        OAK,
        1.8,
    )
    for y, wide in ((-88, 41), (-24, 42)):
        c.tube(curve([(-wide, y), (0, y + 6), (wide, y)], False), 8, 8, IRON, 1.2)
    for x in (-18, 2, 20):
        c.line(
            curve([(x * 0.8, -104), (x * 1.3, -56), (x * 0.8, -2)], False), 1.2, darker(OAK, 0.35)
        )
    c.shape(ellipse(0, -107, 34, 8), lighter(OAK, 0.2))


def planks(c: Canvas) -> None:
    """Planks that lean on the wall, 260 high."""
    for x, lean, high, colour in (
        (0, 16, 262, PINE),
        (20, 20, 236, OAK),
        (42, 15, 250, lighter(PINE, 0.2)),
    ):
        c.shape([(x, 0), (x + 17, 0), (x + 17 + lean, -high), (x + lean, -high)], colour)
        c.line([(x + 9, -12), (x + 7 + lean, -high + 14)], 1.1, darker(colour, 0.3))


def trestle(c: Canvas, eye: Eye) -> None:
    """A trestle with a plank on it, 76 high."""
    for x in (-40, 40):
        c.tube([(x, -70), (x - 16, 0)], 8, 8, OAK)
        c.tube([(x, -70), (x + 16, -5)], 8, 8, darker(OAK, 0.2))
    block(c, (-92, -78, 92, -68), eye, 0.08, PINE)

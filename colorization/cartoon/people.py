"""The people of the cartoon: how they are built, and the clothes that they always wear."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from colorization.cartoon.ink import INK, Canvas, arc, between, curve, ellipse
from colorization.cartoon.light import Colour, darker, lighter, mixed
from colorization.cartoon.poses import Pose
from colorization.cartoon.tools import IN_HAND

WHITE: Colour = (250, 248, 240)
MOUTH: Colour = (150, 44, 50)
TONGUE: Colour = (226, 112, 106)
HAND_RADIUS = 7.4
SEAT = 56  # height of the seat of a chair

Point = tuple[float, float]


@dataclass(frozen=True)
class Person:
    """Lengths in drawing units (a tall man has 240), colours, and the parts of their own."""

    leg: float
    torso: float
    arm: float
    limb: float  # thickness of a sleeve at the shoulder
    skin: Colour
    sleeve: Colour
    trousers: Colour
    shoe: Colour
    front: tuple[float, ...]  # how far the body reaches forwards, at even steps from neck to hip
    back: tuple[float, ...]
    clothes: Callable[[Canvas, Person, Pose], None]
    head: Callable[[Canvas, Person, Pose], None]
    shirt: Colour
    boots: float = 0.0  # height of the boots, as a share of the leg
    bare_arms: bool = False
    skirt: bool = False
    seat: tuple[Point, ...] = ()  # of trousers worn over the shirt; y in lengths of the torso

    def draw(self, canvas: Canvas, pose: Pose, hold: str = "", time: float = 0.0) -> None:
        """Draw the person facing right, the feet at the canvas' origin."""
        lift = pose.lift * self.leg
        hip = (0.0, -self._hip(pose) - lift)
        body = canvas.at(*hip, angle=pose.lean)
        shoulder = _turned((0.0, -self.torso * 0.86), pose.lean, hip)
        near_hand = self._hand(shoulder, pose.near_hand_x, pose.near_hand_y)
        far_hand = self._hand(shoulder, pose.far_hand_x, pose.far_hand_y)
        item = IN_HAND.get(hold)

        self._arm(canvas, (shoulder[0] + 5, shoulder[1]), far_hand, far=True)
        self._leg(canvas, (4.5, hip[1]), self._foot(pose, "far", hip[1]), far=True)
        if not self.seat:
            self._leg(canvas, (-3.0, hip[1]), self._foot(pose, "near", hip[1]), far=False)
        body.shape(self.outline(), self.shirt)
        if self.seat:
            body.shape(curve([(x, y * self.torso) for x, y in self.seat]), self.trousers)
            self._leg(canvas, (-3.0, hip[1]), self._foot(pose, "near", hip[1]), far=False)
            canvas.shape(ellipse(-3, hip[1] - 1, self.limb * 0.7, 11), self.trousers, 0)
        self.clothes(body, self, pose)
        neck = _turned((2.0, -self.torso), pose.lean, hip)
        self.head(canvas.at(*neck, angle=pose.lean * 0.35 + pose.tilt), self, pose)
        if item is not None and item.both_hands:
            item.draw(canvas.at(*between(near_hand, far_hand, 0.5)), time)
        elif item is not None:
            slope = math.atan2(near_hand[1] - shoulder[1], near_hand[0] - shoulder[0])
            item.draw(canvas.at(*near_hand, angle=slope * item.follows), time)
        self._arm(canvas, (shoulder[0] - 3, shoulder[1] + 1), near_hand, far=False)

    def _hip(self, pose: Pose) -> float:
        """The hip's height over the feet, or over the ground under a chair."""
        standing = (1 - pose.crouch) * self.leg
        return standing + (SEAT + 8 - standing) * pose.seat

    def _foot(self, pose: Pose, side: str, hip_y: float) -> tuple[float, float, float]:
        """A foot's x, y and angle; the feet of short people hang above the ground from a chair."""
        x, y, angle = (getattr(pose, f"{side}_foot_{what}") for what in ("x", "y", "angle"))
        hanging = pose.seat * min(0.0, hip_y + 0.74 * self.leg)
        return x * self.leg, (hanging - (y + pose.lift) * self.leg), angle

    def _hand(self, shoulder: Point, x: float, y: float) -> Point:
        """Where a hand is: no farther from the shoulder than the arm reaches."""
        far = max(1.0, math.hypot(x, y))
        return shoulder[0] + x / far * self.arm, shoulder[1] + y / far * self.arm

    def outline(self) -> np.ndarray:
        """The body's outline, from the hip's origin: the front downwards, then the back upwards."""
        rows = self._rows()
        front = list(zip(self.front, rows))
        back = [(-x, y) for x, y in zip(self.back, rows)]
        return curve(front + back[::-1])

    def reach(self, y: float) -> tuple[float, float]:
        """How far the body reaches back (negative) and forwards at a height."""
        back, front = (np.interp(y, self._rows(), side) for side in (self.back, self.front))
        return -float(back), float(front)

    def _rows(self) -> np.ndarray:
        return np.linspace(-self.torso, 0.06 * self.torso, len(self.front))

    def _arm(self, canvas: Canvas, shoulder: Point, hand: Point, far: bool) -> None:
        shade = 0.1 if far else 0.0
        elbow = _joint(shoulder, hand, self.arm * 0.52, 1)
        path = _bent(shoulder, elbow, hand)
        sleeve, skin = darker(self.sleeve, shade), darker(self.skin, shade)
        if self.bare_arms:
            canvas.tube(path, self.limb * 0.62, self.limb * 0.55, skin)
            canvas.tube(path[:5], self.limb, self.limb * 1.05, sleeve)
        else:
            canvas.tube(path, self.limb, self.limb * 0.86, sleeve)
        self._fist(canvas, between(elbow, hand, 0.93), hand, skin)

    def _fist(self, canvas: Canvas, wrist: Point, hand: Point, skin: Colour) -> None:
        """A mitten of a hand with a thumb on its upper side."""
        angle = math.atan2(hand[1] - wrist[1], hand[0] - wrist[0])
        palm = canvas.at(*hand, angle=angle)
        r = HAND_RADIUS * (self.arm / 78) ** 0.5
        side = -1 if math.cos(angle) > -0.2 else 1
        palm.union(
            [
                ellipse(r * 0.1, 0, r * 1.1, r * 0.92),
                ellipse(r * 0.3, side * r, r * 0.62, r * 0.34),
            ],
            skin,
            width=1.9,
        )
        palm.line([(r * 0.55, -r * 0.1), (r * 1.1, -r * 0.1)], 1.1)
        palm.line([(r * 0.5, r * 0.35), (r * 0.95, r * 0.38)], 1.1)

    def _leg(self, canvas: Canvas, hip: Point, foot: tuple[float, float, float], far: bool) -> None:
        x, y, angle = foot
        shade = 0.12 if far else 0.0
        ankle = (x - 3 * math.cos(angle), y - 11)
        knee = _joint(hip, ankle, (self.leg - 11) * 0.5, -1)
        path = _bent(hip, knee, ankle)
        if self.skirt:
            canvas.tube(path, 8.5, 8, darker(self.trousers, shade), 1.9)
        else:
            canvas.tube(path, self.limb * 1.3, self.limb * 1.08, darker(self.trousers, shade))
        self._shoe(canvas.at(x, y, angle=-angle), darker(self.shoe, shade))

    def _shoe(self, canvas: Canvas, colour: Colour) -> None:
        size = (self.leg / 80) ** 0.35
        shoe = canvas.stretched(size, size)
        top = -11 - 26 * self.boots
        outline = [(-9, top), (-10, -3), (-9, 0), (-9, 0), (19, 0), (19, 0), (21, -5), (14, -11)]
        shoe.shape(curve([*outline, (5, -12), (5, top), (5, top), (-9, top)]), colour)
        shoe.line([(-9, -2.4), (20, -2.4)], 1.6, darker(colour, 0.5), taper=False)


def _turned(point: Point, angle: float, origin: Point) -> Point:
    c, s = math.cos(angle), math.sin(angle)
    return origin[0] + c * point[0] - s * point[1], origin[1] + s * point[0] + c * point[1]


def _joint(a: Point, b: Point, length: float, side: int) -> Point:
    """The elbow or knee between a and b whose two bones have one length; bent to a side."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    distance = math.hypot(dx, dy) + 1e-6
    bend = math.sqrt(max(0.0, length * length - distance * distance / 4))
    middle = between(a, b, 0.5)
    return middle[0] - side * bend * dy / distance, middle[1] + side * bend * dx / distance


def _bent(a: Point, joint: Point, b: Point) -> np.ndarray:
    """A limb from a to b through its joint, (13, 2), bent like a hose."""
    middle = between(a, b, 0.5)
    control = between(middle, joint, 1.75)
    t = np.linspace(0, 1, 13)[:, None]
    return (1 - t) ** 2 * np.array(a) + 2 * t * (1 - t) * np.array(control) + t**2 * np.array(b)


# --- faces ---


def eyes(
    c: Canvas, skin: Colour, pose: Pose, x: float, y: float, size: float = 6.2, gap: float = 12.5
) -> None:
    """Two eyes beside x, their brows not included."""
    for side, width in ((1, 0.86 - 0.22 * pose.turn), (-1, 0.86)):
        ex = x + side * gap / 2 * (1 - 0.12 * pose.turn)
        ball = ellipse(ex, y, size * width, size)
        if pose.eyelid > 0.85:
            c.shape(ball, skin, 0)
            c.line(arc(ex, y - size * 0.1, size * width, size * 0.55, 0, 180), 2.2)
            continue
        c.shape(ball, WHITE, 1.5)
        pupil = (ex + pose.look_x * size * 0.38, y + pose.look_y * size * 0.46)
        c.shape(ellipse(*pupil, size * 0.36, size * 0.42), INK, 0)
        if pose.eyelid > 0.15:
            lid = arc(ex, y, size * width * 1.1, size * 1.1, 180, 360)
            lid = lid + (0, size * pose.eyelid * 0.7)
            c.shape(np.concatenate((lid, [(ex + size, y - size), (ex - size, y - size)])), skin, 0)
            c.line(arc(ex, y, size * width, size, 180, 360), 1.6)


def dots(c: Canvas, pose: Pose, x: float, y: float, size: float = 3.0, gap: float = 17) -> None:
    """Two eyes that are but dots of ink."""
    for side in (1, -1):
        ex = x + side * gap / 2 * (1 - 0.15 * pose.turn) + pose.look_x * 1.2
        ey = y + pose.look_y * 1.6
        if pose.eyelid > 0.6:
            c.line(arc(ex, ey - 2, size * 1.4, size, 10, 170), 2)
        else:
            c.shape(ellipse(ex, ey, size * 0.8, size * (1 + 0.25 * max(0, pose.brow))), INK, 0)
            c.shape(ellipse(ex - size * 0.3, ey - size * 0.4, 0.9, 0.9), WHITE, 0)


def brows(
    c: Canvas, pose: Pose, x: float, y: float, colour: Colour, width: float = 3.6, gap: float = 13
) -> None:
    """Two eyebrows: up in surprise, drawn together in anger, their inner ends up in grief."""
    grief = 2.4 * max(0.0, -pose.smile) * (pose.brow > 0)
    frown = 3.6 * max(0.0, -pose.brow)
    y -= 4.5 * max(0.0, pose.brow)
    for side in (1, -1):
        inner, outer = x + side * gap * 0.2, x + side * gap * 0.84
        drop = frown - grief
        points = [(inner, y + drop), ((inner + outer) / 2, y - 2), (outer, y + 1 - drop * 0.4)]
        c.line(curve(points, closed=False), width, colour)


def mouth(c: Canvas, pose: Pose, x: float, y: float, width: float = 9) -> None:
    """A mouth: a line when shut, teeth and tongue when open."""
    bend = 5 * pose.smile
    if pose.mouth < 0.12:
        points = [(x - width, y - bend * 0.5), (x, y + bend * 0.6), (x + width, y - bend * 0.6)]
        c.line(curve(points, closed=False), 2.2)
        return
    drop = 3 + 11 * pose.mouth
    wide = width * (0.7 + 0.3 * max(0.0, pose.smile))
    corners = y - bend * 0.5
    upper = [(x - wide, corners), (x - wide, corners), (x, y - 1 + bend * 0.2), (x + wide, corners)]
    lower = [(x + wide, corners), (x + wide * 0.6, y + drop * 0.8), (x, y + drop)]
    c.shape(curve([*upper, *lower, (x - wide * 0.7, y + drop * 0.75)]), MOUTH, 1.9)
    if drop > 6:
        c.shape(ellipse(x, y + drop * 0.74, wide * 0.5, drop * 0.2), TONGUE, 0)


def ear(c: Canvas, skin: Colour, x: float, y: float, size: float = 6) -> None:
    """An ear, seen from the side."""
    c.shape(ellipse(x, y, size * 0.8, size, 0.15), skin, 1.8)
    c.line(arc(x, y, size * 0.4, size * 0.5, 120, 330), 1.2)


def cheek(c: Canvas, skin: Colour, x: float, y: float, size: float = 5.5) -> None:
    """A red cheek."""
    c.shape(ellipse(x, y, size, size * 0.75), mixed(skin, (226, 92, 80), 0.33), 0)


# --- Hugo, tall and thin ---

RED: Colour = (206, 52, 44)
TEAL: Colour = (40, 122, 128)
CREAM: Colour = (240, 226, 186)
GINGER: Colour = (196, 104, 40)


def _dungarees(c: Canvas, person: Person, pose: Pose) -> None:
    t = person.torso
    back = [(-15, -t * 0.27), (-5, -t * 0.32), (-2, -t * 0.7), (-2, -t * 0.7)]
    front = [(14, -t * 0.68), (14, -t * 0.68), (15.5, -t * 0.3), (16, -2), (16, -2)]
    c.shape(curve([*back, *front, (-14, -2), (-14, -2)]), TEAL, 0)
    c.line(curve([(-17, -t * 0.26), *back[:3]], closed=False))
    c.line([(-2, -t * 0.7), (15, -t * 0.68)], 1.9)
    c.tube([(0, -t * 0.68), (-4, -t * 0.86), (-9, -t * 0.96)], 5.5, 5.5, TEAL, 1.7)
    c.shape(ellipse(0.5, -t * 0.65, 2.4, 2.4), (236, 196, 84), 1.2)
    pocket = [(3, -t * 0.56), (13, -t * 0.55), (13, -t * 0.4), (8, -t * 0.36), (3.5, -t * 0.4)]
    c.shape(pocket, darker(TEAL, 0.1), 1.4)


def _hugo_head(c: Canvas, person: Person, pose: Pose) -> None:
    skin, fx = person.skin, 7 * pose.turn
    c.tube([(0, 6), (0, -8)], 13, 13, skin)
    h = c.at(2, -30)
    face = [(-17, -16), (-18, 4), (-13, 19), (0, 27), (12, 24), (18, 10), (18, -6), (16, -20)]
    h.shape(curve(face), skin)
    h.shape(curve([(-18, -12), (-19, 4), (-14, 9), (-12, -2), (-9, -14)]), GINGER, 1.7)
    ear(h, skin, -11, 2)
    eyes(h, skin, pose, fx, -6)
    brows(h, pose, fx, -14, darker(GINGER, 0.25))
    cheek(h, skin, fx - 9, 9)
    mouth(h, pose, fx + 1, 17, 8)
    side = [(fx - 13, 15), (fx - 9, 9), (fx + 1, 7), (fx + 10, 9), (fx + 15, 15)]
    h.shape(curve([*side, (fx + 8, 15), (fx + 1, 12), (fx - 5, 15)]), GINGER, 1.8)
    nose = [(fx - 1, -2), (fx + 9, -1), (fx + 17, 5), (fx + 16, 11), (fx + 8, 11), (fx - 1, 8)]
    h.shape(curve(nose), mixed(skin, (228, 110, 90), 0.3), 1.9)
    h = h.at(0, -4)
    cap = [(-20, -14), (-19, -30), (-8, -40), (8, -40), (18, -31), (19, -15), (19, -15)]
    h.shape(curve([*cap, (0, -19), (-20, -14)]), RED)
    h.line(curve([(-8, -36), (-10, -26), (-10, -19)], False), 1.4, darker(RED, 0.35))
    h.line(curve([(5, -37), (7, -28), (7, -20)], False), 1.4, darker(RED, 0.35))
    rim = [(-22, -18), (0, -24), (21, -19), (21, -19), (21, -11), (21, -11), (0, -15), (-22, -10)]
    h.shape(curve([*rim, (-22, -10), (-22, -18)], steps=4), CREAM, 1.9)
    h.shape(ellipse(-3, -43, 7.5, 7), CREAM, 1.9)


HUGO = Person(
    leg=98,
    torso=72,
    arm=82,
    limb=13,
    skin=(246, 204, 166),
    sleeve=CREAM,
    shirt=CREAM,
    trousers=TEAL,
    shoe=(122, 74, 42),
    boots=0.35,
    seat=((-15, -0.3), (-17, -0.06), (-14, 0.1), (-2, 0.15), (12, 0.14), (18, 0.04), (17, -0.3)),
    front=(8, 14, 17, 16, 16, 17, 13),
    back=(10, 14, 15, 14, 14, 16, 13),
    clothes=_dungarees,
    head=_hugo_head,
)

# --- Bert, short and round ---

VIOLET: Colour = (128, 78, 150)
MUSTARD: Colour = (222, 168, 52)
HAT_GREEN: Colour = (62, 108, 58)


def _jumper(c: Canvas, person: Person, pose: Pose) -> None:
    t = person.torso
    hem = [(-28, -8), (0, -2), (33, -9), (33, -9), (31, 2), (31, 2), (0, 9), (-27, 2), (-27, 2)]
    c.shape(curve([*hem, (-28, -8)], steps=4), darker(VIOLET, 0.18), 1.8)
    for y in (-t * 0.36, -t * 0.44):
        back, front = person.reach(y)
        points = [(back + 3, y), (0, y + 7), (front - 3, y)]
        c.line(curve(points, False), 3, lighter(VIOLET, 0.45), taper=False)
    scarf = [(-15, -t - 1), (0, -t + 5), (17, -t - 1), (19, -t + 7), (2, -t + 15), (-16, -t + 8)]
    c.shape(curve(scarf), MUSTARD, 1.9)
    tail = [(-9, -t + 9), (-1, -t + 12), (-4, -t + 32), (-14, -t + 29)]
    c.shape(curve(tail), MUSTARD, 1.9)
    c.line([(-12, -t + 26), (-4, -t + 28)], 1.3, darker(MUSTARD, 0.4))


def _bert_head(c: Canvas, person: Person, pose: Pose) -> None:
    skin, fx = person.skin, 8 * pose.turn
    h = c.at(3, -21)
    face = [(-25, -6), (-24, 10), (-14, 22), (4, 25), (20, 19), (27, 6), (25, -8), (14, -20)]
    h.shape(curve([*face, (-8, -22), (-20, -16)]), skin)
    h.shape(curve([(-25, -8), (-26, 5), (-20, 10), (-17, 2), (-16, -9)]), (92, 60, 40), 1.7)
    ear(h, skin, -16, 3, 6.5)
    cheek(h, skin, fx - 13, 9, 6.5)
    cheek(h, skin, fx + 14 - 3 * pose.turn, 9, 4.5)
    eyes(h, skin, pose, fx, -2, 6.6, 13)
    brows(h, pose, fx, -11, (92, 60, 40), 4)
    mouth(h, pose, fx + 1, 15.5, 10)
    h.shape(ellipse(fx + 5, 6.5, 6.6, 6), mixed(skin, (230, 96, 88), 0.5), 1.9)
    crown = [(-19, -15), (-19, -32), (-9, -39), (7, -39), (18, -32), (20, -16), (20, -16)]
    hat = h.at(-1, -7, angle=-0.05)
    hat.shape(curve([*crown, (0, -12), (-19, -15)]), HAT_GREEN)
    band = [(-20, -20), (0, -16), (20, -20), (20, -20), (20, -13), (0, -10), (-20, -13)]
    hat.shape(curve([*band, (-20, -13), (-20, -20)], steps=4), (150, 54, 46), 1.7)
    brim = [(-31, -13), (-18, -15), (0, -11), (18, -15), (33, -14), (33, -9), (14, -6), (0, -4)]
    hat.shape(curve([*brim, (-18, -6), (-31, -9)]), HAT_GREEN)
    hat.shape(
        curve([(-13, -17), (-24, -32), (-27, -46), (-17, -36), (-10, -20)]), (236, 232, 214), 1.7
    )


BERT = Person(
    leg=62,
    torso=74,
    arm=66,
    limb=15,
    skin=(248, 196, 166),
    sleeve=VIOLET,
    shirt=VIOLET,
    trousers=MUSTARD,
    shoe=(66, 52, 56),
    front=(10, 19, 28, 36, 39, 35, 24),
    back=(13, 21, 27, 30, 30, 28, 22),
    clothes=_jumper,
    head=_bert_head,
)

# --- Mrs Plum, the neighbour ---

PLUM: Colour = (176, 70, 98)
GREY: Colour = (196, 194, 200)


def _apron(c: Canvas, person: Person, pose: Pose) -> None:
    t, sway = person.torso, 8 * (pose.near_foot_x + pose.far_foot_x)
    drop = person.leg * max(0.2, 0.72 - 0.9 * max(0.0, pose.crouch - 0.1))
    dress = [(-17, -t * 0.34), (-26, 0), (-33 + sway, drop - 2), (-33 + sway, drop - 2)]
    dress += [(0, drop + 4), (34 + sway, drop - 2), (34 + sway, drop - 2), (27, -2)]
    c.shape(curve([*dress, (18, -t * 0.34), (0, -t * 0.38)]), PLUM)
    c.line(curve([(-18, 4), (-22 + sway, drop - 8)], False), 1.5, darker(PLUM, 0.35))
    apron = [(0, -t * 0.3), (0, -t * 0.3), (-2, drop * 0.5), (2 + sway, drop - 11)]
    apron += [(18 + sway, drop - 8), (31 + sway, drop - 14), (26, 0), (19, -t * 0.3)]
    c.shape(curve([*apron, (19, -t * 0.3)]), WHITE, 1.9)
    bib = [(4, -t * 0.72), (17, -t * 0.7), (18, -t * 0.3), (1, -t * 0.3)]
    c.shape(bib, WHITE, 1.8)
    belt = [(-17, -t * 0.38), (0, -t * 0.34), (19, -t * 0.38), (19, -t * 0.28), (0, -t * 0.25)]
    c.shape(curve([*belt, (-18, -t * 0.28)], steps=4), WHITE, 1.7)
    c.shape(
        curve([(-8, -t - 1), (4, -t + 8), (14, -t - 1), (12, -t - 4), (-6, -t - 4)]), WHITE, 1.7
    )


def _plum_head(c: Canvas, person: Person, pose: Pose) -> None:
    skin, fx = person.skin, 7 * pose.turn
    c.tube([(0, 4), (0, -6)], 12, 12, skin)
    h = c.at(2, -27)
    h.shape(ellipse(-13, -26, 11, 10), GREY)
    h.line(arc(-13, -25, 6, 5, 150, 400), 1.4, darker(GREY, 0.35))
    face = [(-18, -12), (-19, 4), (-13, 17), (1, 24), (13, 20), (20, 6), (19, -10), (8, -21)]
    h.shape(curve([*face, (-9, -20)]), skin)
    hair = [(-20, 6), (-22, -10), (-14, -24), (3, -28), (17, -21), (21, -9), (12, -15), (2, -17)]
    h.shape(curve([*hair, (-8, -12), (-13, -2), (-15, 6)]), GREY)
    h.line(curve([(-16, -8), (-8, -20), (6, -23)], False), 1.3, darker(GREY, 0.35))
    ear(h, skin, -13, 4, 5)
    cheek(h, skin, fx - 10, 9)
    cheek(h, skin, fx + 11, 9, 4)
    dots(h, pose, fx, -2, 3, 16)
    for side in (1, -1):
        glass = ellipse(
            fx + side * 8 * (1 - 0.12 * pose.turn), -2, 7.6 - (side == 1) * pose.turn, 7.8
        )
        h.shape(glass, None, 1.7, (110, 76, 40))
    h.line([(fx - 15, -3), (-13, 0)], 1.5, (110, 76, 40), taper=False)
    brows(h, pose, fx, -13, darker(GREY, 0.35), 2.6)
    mouth(h, pose, fx + 1, 14, 7)
    nose = [(fx + 1, 0), (fx + 7, 4), (fx + 7, 9), (fx, 8)]
    h.shape(curve(nose), mixed(skin, (228, 110, 90), 0.25), 1.6)


PLUM_LADY = Person(
    leg=66,
    torso=64,
    arm=64,
    limb=13,
    skin=(250, 212, 184),
    sleeve=PLUM,
    shirt=PLUM,
    trousers=(224, 204, 196),
    shoe=(120, 44, 50),
    front=(8, 15, 20, 22, 19, 20, 20),
    back=(9, 14, 17, 17, 16, 18, 18),
    clothes=_apron,
    head=_plum_head,
    skirt=True,
)

# --- Lili, the girl next door ---

YELLOW: Colour = (250, 208, 60)
BLUE: Colour = (58, 110, 190)
AUBURN: Colour = (176, 86, 38)


def _frock(c: Canvas, person: Person, pose: Pose) -> None:
    t, sway = person.torso, 6 * (pose.near_foot_x + pose.far_foot_x)
    drop = person.leg * max(0.1, 0.5 - 0.5 * max(0.0, pose.crouch - 0.1))
    dress = [(-11, -t * 0.4), (-19, 0), (-26 + sway, drop), (-26 + sway, drop), (0, drop + 4)]
    dress += [(27 + sway, drop), (27 + sway, drop), (20, -2), (12, -t * 0.4)]
    c.shape(curve([*dress, (0, -t * 0.45)]), YELLOW)
    hem = curve([(-24 + sway, drop - 5), (0, drop - 1), (25 + sway, drop - 5)], False)
    c.line(hem, 2.6, (250, 246, 226), taper=False)
    c.line(curve([(6, -t * 0.3), (9, drop - 8)], False), 1.3, darker(YELLOW, 0.3))
    c.tube([(-11.5, -t * 0.4), (0, -t * 0.36), (12.5, -t * 0.4)], 4.5, 4.5, BLUE, 1.5)
    collar = [(-8, -t), (3, -t + 8), (12, -t), (10, -t - 3), (-6, -t - 3)]
    c.shape(curve(collar), WHITE, 1.6)


def _pigtail(c: Canvas, x: float, y: float, side: int, swing: float) -> None:
    tip = (x + side * 16 + swing, y + 26)
    c.shape(curve([(x, y - 5), (x + side * 14, y), tip, (x + side * 4, y + 14)]), AUBURN, 1.9)
    c.line(curve([(x + side * 4, y), (tip[0] - side * 3, tip[1] - 8)], False), 1.2, darker(AUBURN))
    for knot in (-1, 1):
        c.shape(curve([(x, y), (x + 8, y + knot * 8), (x - 3, y + knot * 8)]), BLUE, 1.5)


def _lili_head(c: Canvas, person: Person, pose: Pose) -> None:
    skin, fx = person.skin, 7 * pose.turn
    c.tube([(0, 4), (0, -6)], 8, 8, skin)
    h = c.at(2, -26)
    _pigtail(h, 21 - 6 * pose.turn, -4, 1, 6 * pose.lean)
    face = [(-23, -8), (-22, 8), (-12, 20), (3, 23), (17, 18), (24, 5), (22, -10), (8, -24)]
    h.shape(curve([*face, (-10, -23)]), skin)
    hair = [(-23, 5), (-26, -10), (-17, -26), (3, -31), (21, -22), (25, -6), (18, -12), (8, -15)]
    h.shape(curve([*hair, (2, -9), (-8, -14), (-15, -5), (-17, 6)]), AUBURN)
    h.line(curve([(-18, -12), (-8, -24), (6, -27)], False), 1.3, darker(AUBURN, 0.4))
    ear(h, skin, -16, 4, 5)
    _pigtail(h, -21, 0, -1, -8 * pose.lean)
    cheek(h, skin, fx - 11, 9)
    cheek(h, skin, fx + 12, 9, 4.5)
    dots(h, pose, fx, 0, 3.6, 17)
    brows(h, pose, fx, -8, darker(AUBURN, 0.3), 2.4)
    mouth(h, pose, fx + 1, 12, 6.5)
    h.line(arc(fx + 3, 4, 3.4, 3, -50, 120), 1.8)
    for x, y in ((-6, 7), (-9, 5), (9, 6)):
        h.shape(ellipse(fx + x, y, 0.9, 0.9), mixed(skin, (170, 90, 50), 0.6), 0)


LILI = Person(
    leg=50,
    torso=42,
    arm=44,
    limb=10.5,
    skin=(252, 210, 178),
    sleeve=YELLOW,
    shirt=YELLOW,
    trousers=(250, 246, 236),
    shoe=RED,
    front=(6, 11, 13, 13, 12, 14, 14),
    back=(7, 11, 12, 12, 11, 13, 13),
    clothes=_frock,
    head=_lili_head,
    bare_arms=True,
    skirt=True,
)

# --- Mr Quill, the postman ---

NAVY: Colour = (44, 62, 112)
GOLD: Colour = (234, 190, 72)
LEATHER: Colour = (160, 98, 52)


def _uniform(c: Canvas, person: Person, pose: Pose) -> None:
    t = person.torso
    tails = [(-18, -6), (0, -2), (20, -6), (20, -6), (21, 14), (21, 14), (0, 18), (-19, 14)]
    c.shape(curve([*tails, (-19, 14), (-18, -6)], steps=4), NAVY)
    c.line([(10, -t + 4), (13, 15)], 1.5, darker(NAVY, 0.5))
    for share in (0.75, 0.52, 0.3):
        c.shape(ellipse(14.5, -t * share, 2.3, 2.3), GOLD, 1.1)
    c.shape(curve([(-8, -t - 1), (4, -t + 7), (13, -t - 1), (11, -t - 4), (-6, -t - 4)]), RED, 1.6)
    c.tube([(10, -t * 0.97), (2, -t * 0.55), (-10, -t * 0.1)], 4.5, 4.5, LEATHER, 1.6)
    bag = [(-28, -12), (-2, -10), (-2, -10), (-1, 16), (-1, 16), (-27, 15), (-27, 15), (-28, -12)]
    c.shape(curve(bag, steps=4), LEATHER)
    flap = [(-28, -12), (-2, -10), (-2, 1), (-14, 6), (-28, 1)]
    c.shape(flap, lighter(LEATHER, 0.12), 1.6)
    c.shape(ellipse(-14, 5, 2, 2), GOLD, 1.1)


def _quill_head(c: Canvas, person: Person, pose: Pose) -> None:
    skin, fx = person.skin, 7 * pose.turn
    c.tube([(0, 6), (0, -6)], 13, 13, skin)
    h = c.at(2, -28)
    face = [(-18, -14), (-18, 6), (-12, 18), (1, 24), (13, 23), (19, 10), (18, -8), (16, -18)]
    h.shape(curve(face), skin)
    h.shape(curve([(-18, -12), (-20, 6), (-13, 14), (-11, 2), (-10, -12)]), (226, 222, 214), 1.7)
    ear(h, skin, -12, 1, 5.5)
    cheek(h, skin, fx - 9, 8)
    eyes(h, skin, pose, fx, -3, 5.8, 12)
    brows(h, pose, fx, -10.5, (214, 208, 200), 4.2)
    mouth(h, pose, fx + 1, 15, 8)
    nose = [(fx, -3), (fx + 10, 1), (fx + 21, 5), (fx + 19, 9), (fx + 8, 9), (fx, 6)]
    h.shape(curve(nose), mixed(skin, (228, 110, 90), 0.35), 1.9)
    cap = [(-19, -13), (-23, -26), (-8, -34), (12, -33), (24, -26), (19, -13), (0, -10)]
    hat = h.at(-1, -6, angle=-0.06)
    hat.shape(curve(cap), NAVY)
    band = [(-19, -18), (0, -15), (19, -18), (19, -18), (19, -11), (0, -8), (-19, -11), (-19, -11)]
    hat.shape(curve([*band, (-19, -18)], steps=4), RED, 1.7)
    visor = [(-2, -10), (18, -12), (33, -7), (33, -7), (24, -3), (6, -4)]
    hat.shape(curve(visor), (40, 36, 44), 1.8)
    hat.shape(ellipse(10, -22, 4.5, 4.5), GOLD, 1.5)


QUILL = Person(
    leg=86,
    torso=68,
    arm=76,
    limb=13.5,
    skin=(244, 200, 168),
    sleeve=NAVY,
    shirt=NAVY,
    trousers=NAVY,
    shoe=(44, 38, 42),
    front=(8, 15, 20, 21, 20, 19, 14),
    back=(10, 15, 18, 18, 18, 18, 14),
    clothes=_uniform,
    head=_quill_head,
)

PEOPLE = {"hugo": HUGO, "bert": BERT, "plum": PLUM_LADY, "lili": LILI, "quill": QUILL}

"""What people do: the pose of a body as a function of time.

Everybody faces right here; the stage mirrors who goes left. "Near" is the side towards us.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

STRIDE = 1.7  # leg lengths that a walker covers in one cycle of two steps
RUNNING_STRIDE = 2.6


class Pose(NamedTuple):
    """A body, in lengths of its own limbs, so that tall and short people can share it.

    Hands are seen from the shoulder in arm lengths, feet from below the hip in leg lengths; x goes
    forwards, y down for hands and up for feet. Angles are in radians.
    """

    lean: float = 0.0  # forwards
    crouch: float = 0.03  # how far the hip is below the height of straight legs, in leg lengths
    lift: float = 0.0  # of the whole body off the ground, in leg lengths
    turn: float = 0.75  # of the face: 0 towards us, 1 forwards
    tilt: float = 0.0  # of the head, forwards
    near_hand_x: float = 0.08
    near_hand_y: float = 0.93
    far_hand_x: float = 0.2
    far_hand_y: float = 0.9
    near_foot_x: float = -0.12
    near_foot_y: float = 0.0
    near_foot_angle: float = 0.0  # toes up
    far_foot_x: float = 0.16
    far_foot_y: float = 0.0
    far_foot_angle: float = 0.0
    look_x: float = 0.5  # of the pupils, -1..1
    look_y: float = 0.0
    brow: float = 0.0  # 1 raised, -1 frowning
    smile: float = 0.4  # -1..1
    mouth: float = 0.0  # how far it is open, 0..1
    eyelid: float = 0.0  # how far the eyes are closed, 0..1
    seat: float = 0.0  # 1 on a chair, 0 on the feet


def blended(a: Pose, b: Pose, share: float) -> Pose:
    """Return the pose at a share of the way from a to b."""
    return Pose(*(x + (y - x) * share for x, y in zip(a, b)))


def wave(time: float, period: float, phase: float = 0.0) -> float:
    """Return a sine of a period in seconds."""
    return math.sin(2 * math.pi * (time / period + phase))


def ease(share: float) -> float:
    """Return 0..1 for 0..1, slow at both ends."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


STANDING = Pose()
SITTING = STANDING._replace(
    seat=1.0,
    near_foot_x=0.55,
    far_foot_x=0.62,
    near_hand_x=0.45,
    near_hand_y=0.6,
    far_hand_x=0.52,
    far_hand_y=0.56,
)


def stand(time: float) -> Pose:
    """Stand still; look around now and then."""
    glance = ease(4 * abs((time / 4.4) % 1 - 0.5) - 0.6)
    return STANDING._replace(look_x=0.6 - 1.1 * glance, tilt=0.05 - 0.09 * glance)


def _stepping(phase: float, reach: float, height: float) -> tuple[float, float, float]:
    """One foot's x, y and angle in a cycle: on the ground, then swinging forwards."""
    phase %= 1.0
    if phase < 0.5:
        share = phase / 0.5
        return reach * (1 - 2 * share), 0.0, 0.3 * max(0.0, 1 - 5 * share)
    share = (phase - 0.5) / 0.5
    angle = -0.9 * math.sin(math.pi * min(1, share * 1.3)) + 0.3 * max(0.0, 4 * share - 3)
    return reach * (2 * ease(share) - 1), height * math.sin(math.pi * share), angle


def walk(phase: float) -> Pose:
    """Walk; `phase` counts cycles of two steps."""
    swing = math.cos(2 * math.pi * phase)
    return STANDING._replace(
        lean=0.06,
        crouch=0.05 + 0.035 * math.cos(4 * math.pi * phase),
        tilt=0.04 * math.sin(4 * math.pi * phase),
        near_hand_x=0.08 - 0.5 * swing,
        near_hand_y=0.86 - 0.06 * abs(swing),
        far_hand_x=0.12 + 0.5 * swing,
        far_hand_y=0.86 - 0.06 * abs(swing),
        **_feet(phase, STRIDE / 4, 0.2),
    )


def run(phase: float) -> Pose:
    """Run; `phase` counts cycles of two steps."""
    swing = math.cos(2 * math.pi * phase)
    return STANDING._replace(
        lean=0.26,
        crouch=0.1,
        lift=0.12 * abs(math.sin(2 * math.pi * phase)),
        near_hand_x=0.2 - 0.6 * swing,
        near_hand_y=0.5 - 0.1 * swing,
        far_hand_x=0.3 + 0.6 * swing,
        far_hand_y=0.5 + 0.1 * swing,
        mouth=0.35,
        brow=0.5,
        **_feet(phase, RUNNING_STRIDE / 5, 0.42),
    )


def _feet(phase: float, reach: float, height: float) -> dict[str, float]:
    names = ("foot_x", "foot_y", "foot_angle")
    near, far = _stepping(phase, reach, height), _stepping(phase + 0.5, reach, height)
    sides = zip(("near", "far"), (near, far))
    return {f"{side}_{name}": value for side, foot in sides for name, value in zip(names, foot)}


def carry(phase: float) -> Pose:
    """Walk with something in both hands."""
    return walk(phase)._replace(
        lean=-0.05, near_hand_x=0.55, near_hand_y=0.5, far_hand_x=0.62, far_hand_y=0.46
    )


def hold(time: float) -> Pose:
    """Stand with something in both hands."""
    return stand(time)._replace(
        lean=-0.04, near_hand_x=0.55, near_hand_y=0.5, far_hand_x=0.62, far_hand_y=0.46
    )


def talk(time: float) -> Pose:
    """Explain something with one hand."""
    beat = wave(time, 0.9)
    return stand(time)._replace(
        near_hand_x=0.5 + 0.12 * beat,
        near_hand_y=0.42 - 0.14 * beat,
        mouth=max(0.0, wave(time, 0.45)) * 0.8,
        brow=0.4 * beat,
        tilt=0.05 * beat,
    )


def point(time: float) -> Pose:
    """Point ahead, and a little up."""
    push = 0.06 * wave(time, 0.6)
    return STANDING._replace(
        lean=0.08,
        near_hand_x=0.9 + push,
        near_hand_y=-0.16,
        brow=0.6,
        mouth=max(0.0, wave(time, 0.5)) * 0.7,
        look_x=0.9,
        look_y=-0.3,
        far_hand_x=0.0,
    )


def greet(time: float) -> Pose:
    """Wave a hand."""
    return STANDING._replace(
        far_hand_x=0.74 + 0.16 * wave(time, 0.56),
        far_hand_y=-0.6 + 0.05 * wave(time, 0.56),
        turn=0.45,
        smile=0.9,
        mouth=0.35,
        brow=0.5,
        tilt=-0.06,
        look_x=0.5,
    )


def hammer(time: float) -> Pose:
    """Hammer in front, one blow every 0.64 s."""
    share = (time / 0.64) % 1
    up = ease(share / 0.6) if share < 0.6 else 1 - ease((share - 0.6) / 0.14)
    return STANDING._replace(
        lean=0.14 - 0.16 * up,
        crouch=0.1,
        near_hand_x=0.78 - 0.55 * up,
        near_hand_y=0.42 - 1.0 * up,
        far_hand_x=0.72,
        far_hand_y=0.5,
        smile=0.1,
        brow=-0.4 + 0.6 * up,
        look_x=0.9,
        look_y=0.5,
        tilt=0.12 - 0.1 * up,
    )


def saw(time: float) -> Pose:
    """Saw something on a trestle."""
    stroke = wave(time, 0.72)
    return STANDING._replace(
        lean=0.3 + 0.08 * stroke,
        crouch=0.12,
        near_hand_x=0.6 + 0.22 * stroke,
        near_hand_y=0.62 + 0.1 * stroke,
        far_hand_x=0.72,
        far_hand_y=0.68,
        near_foot_x=-0.3,
        far_foot_x=0.3,
        brow=-0.5,
        smile=0.0,
        look_x=0.8,
        look_y=0.8,
    )


def paint(time: float) -> Pose:
    """Paint a wall with a brush, up and down."""
    stroke = wave(time, 1.2)
    return STANDING._replace(
        lean=0.05 - 0.05 * stroke,
        crouch=0.07 - 0.05 * stroke,
        near_hand_x=0.78,
        near_hand_y=-0.3 - 0.5 * stroke,
        far_hand_x=0.2,
        far_hand_y=0.85,
        look_x=0.8,
        look_y=-0.4 * stroke,
        tilt=-0.1 * stroke - 0.06,
        smile=0.6,
    )


def dig(time: float) -> Pose:
    """Dig or rake in front of the feet."""
    stroke = wave(time, 1.1)
    return STANDING._replace(
        lean=0.34 + 0.14 * stroke,
        crouch=0.14,
        near_hand_x=0.45 + 0.12 * stroke,
        near_hand_y=0.7 + 0.12 * stroke,
        far_hand_x=0.7 + 0.1 * stroke,
        far_hand_y=0.35 + 0.16 * stroke,
        near_foot_x=-0.28,
        far_foot_x=0.26,
        look_y=0.9,
        tilt=0.1,
        smile=0.2,
    )


def stir(time: float) -> Pose:
    """Stir a pot or a bowl."""
    return STANDING._replace(
        lean=0.1,
        near_hand_x=0.66 + 0.12 * wave(time, 0.8),
        near_hand_y=0.36 + 0.05 * wave(time, 0.8, 0.25),
        far_hand_x=0.7,
        far_hand_y=0.52,
        look_x=0.8,
        look_y=0.7,
        tilt=0.1,
        smile=0.7,
    )


def flip(time: float) -> Pose:
    """Throw up what lies in a pan, every 1.6 s, and look after it."""
    share = (time / 1.6) % 1
    up = math.sin(math.pi * min(1.0, share / 0.25)) if share < 0.25 else 0.0
    gone = ease((share - 0.15) / 0.2) - ease((share - 0.75) / 0.2)
    return STANDING._replace(
        crouch=0.06 + 0.05 * (1 - up),
        near_hand_x=0.8,
        near_hand_y=0.42 - 0.42 * up,
        far_hand_x=-0.12,
        far_hand_y=0.9,
        look_x=0.8 - 0.3 * gone,
        look_y=0.4 - 1.3 * gone,
        tilt=0.06 - 0.28 * gone,
        mouth=0.5 * gone,
        brow=0.8 * gone,
    )


def eat(time: float) -> Pose:
    """Bring food to the mouth, and chew."""
    share = ease(0.5 + 0.9 * wave(time, 1.7))
    return SITTING._replace(
        near_hand_x=0.52 - 0.08 * share,
        near_hand_y=0.45 - 0.7 * share,
        far_hand_x=0.5,
        far_hand_y=0.55,
        mouth=0.7 * share,
        smile=0.7,
        tilt=0.05,
    )


def sit(time: float) -> Pose:
    """Sit on a chair, hands on the knees."""
    return SITTING._replace(tilt=0.05 * wave(time, 3.1), look_x=0.5 * wave(time, 4.3))


def sleep(time: float) -> Pose:
    """Sleep on a chair."""
    breath = wave(time, 2.4)
    return SITTING._replace(
        lean=-0.12 + 0.025 * breath,
        tilt=0.3 + 0.05 * breath,
        eyelid=1.0,
        mouth=0.22 + 0.12 * breath,
        smile=0.2,
        near_hand_x=0.38,
        near_hand_y=0.62,
    )


def think(time: float) -> Pose:
    """Wonder, a hand at the chin."""
    return STANDING._replace(
        near_hand_x=0.36 + 0.02 * wave(time, 0.8),
        near_hand_y=-0.02 + 0.03 * wave(time, 0.8),
        far_hand_x=0.3,
        far_hand_y=0.5,
        look_x=0.3,
        look_y=-0.8,
        tilt=-0.04,
        smile=-0.3,
        brow=0.7,
        turn=0.55,
    )


def laugh(time: float) -> Pose:
    """Laugh, holding the belly."""
    shake = wave(time, 0.28)
    return STANDING._replace(
        lean=-0.12 + 0.02 * shake,
        crouch=0.06 + 0.02 * shake,
        tilt=-0.2 + 0.05 * shake,
        near_hand_x=0.3,
        near_hand_y=0.52,
        far_hand_x=0.38,
        far_hand_y=0.5,
        mouth=0.85,
        smile=1.0,
        eyelid=1.0,
        turn=0.5,
    )


def cheer(time: float) -> Pose:
    """Jump for joy with both arms up."""
    jump = abs(wave(time, 1.0))
    return STANDING._replace(
        crouch=0.02 + 0.14 * (1 - jump) ** 3,
        lift=0.28 * jump,
        near_hand_x=-0.76,
        near_hand_y=-0.58 + 0.12 * jump,
        far_hand_x=0.8,
        far_hand_y=-0.54 + 0.12 * jump,
        near_foot_x=-0.2,
        far_foot_x=0.2,
        near_foot_angle=-0.6 * jump,
        far_foot_angle=-0.6 * jump,
        mouth=0.7,
        smile=1.0,
        brow=0.8,
        turn=0.4,
    )


def start(time: float) -> Pose:
    """Be startled: arms apart, eyes wide."""
    shiver = wave(time, 0.16) * max(0.0, 1 - time / 1.2)
    return STANDING._replace(
        lean=-0.16 + 0.01 * shiver,
        near_hand_x=0.66,
        near_hand_y=-0.06 + 0.04 * shiver,
        far_hand_x=-0.5,
        far_hand_y=0.1 - 0.04 * shiver,
        near_foot_x=-0.26,
        far_foot_x=0.22,
        mouth=0.75,
        smile=-0.3,
        brow=1.0,
        look_x=0.7,
        tilt=-0.1,
    )


def sad(time: float) -> Pose:
    """Hang the head."""
    sigh = 0.02 * wave(time, 2.6)
    return STANDING._replace(
        lean=0.12 + sigh,
        crouch=0.08,
        tilt=0.22 + sigh,
        smile=-0.8,
        brow=0.7,
        look_x=0.3,
        look_y=0.8,
        eyelid=0.3,
        near_hand_x=0.14,
        near_hand_y=0.97,
        far_hand_x=0.24,
    )


def angry(time: float) -> Pose:
    """Shake a fist."""
    return STANDING._replace(
        lean=0.1,
        near_hand_x=0.66 + 0.04 * wave(time, 0.24),
        near_hand_y=-0.32 + 0.1 * wave(time, 0.24),
        far_hand_x=-0.12,
        far_hand_y=0.62,
        smile=-0.7,
        brow=-1.0,
        mouth=max(0.0, wave(time, 0.4)) * 0.6,
        look_x=0.9,
    )


def look_up(time: float) -> Pose:
    """Look at something high up and point at it."""
    return STANDING._replace(
        lean=-0.08,
        tilt=-0.32 + 0.02 * wave(time, 1.8),
        far_hand_x=0.72 + 0.03 * wave(time, 0.9),
        far_hand_y=-0.6,
        look_x=0.6,
        look_y=-0.8,
        mouth=0.25,
        brow=0.6,
    )


def reach(time: float) -> Pose:
    """Stretch up for something on tiptoe."""
    effort = wave(time, 0.8)
    return STANDING._replace(
        lean=0.06,
        crouch=0.0,
        lift=0.03 + 0.03 * effort,
        near_hand_x=-0.55,
        near_hand_y=-0.78 - 0.05 * effort,
        far_hand_x=0.5,
        far_hand_y=-0.82 + 0.06 * effort,
        near_foot_angle=-0.5,
        far_foot_angle=-0.5,
        look_x=0.5,
        look_y=-0.9,
        tilt=-0.25,
        mouth=0.2,
    )


def pick(time: float) -> Pose:
    """Bend down and pick something up."""
    share = ease(0.5 - 0.75 * math.cos(2 * math.pi * time / 2.2))
    return STANDING._replace(
        lean=0.15 + 0.75 * share,
        crouch=0.05 + 0.22 * share,
        near_hand_x=0.3 + 0.2 * share,
        near_hand_y=0.9 - 0.02 * share,
        far_hand_x=0.1,
        far_hand_y=0.8,
        near_foot_x=-0.18,
        far_foot_x=0.26,
        look_y=0.9,
        look_x=0.6,
    )


def pull(time: float) -> Pose:
    """Pull a rope or a line with both hands."""
    effort = wave(time, 0.9)
    return STANDING._replace(
        lean=-0.3 - 0.06 * effort,
        crouch=0.16,
        near_hand_x=0.72 - 0.1 * effort,
        near_hand_y=0.2,
        far_hand_x=0.86 - 0.1 * effort,
        far_hand_y=0.14,
        near_foot_x=0.12,
        far_foot_x=0.42,
        far_foot_angle=0.2,
        smile=-0.4,
        brow=-0.7,
        mouth=0.3 + 0.2 * effort,
    )


def fish(time: float) -> Pose:
    """Sit with a rod in both hands."""
    return SITTING._replace(
        near_hand_x=0.5,
        near_hand_y=0.42 + 0.03 * wave(time, 2.2),
        far_hand_x=0.62,
        far_hand_y=0.34 + 0.03 * wave(time, 2.2),
        look_x=0.9,
        look_y=0.2,
        smile=0.3,
    )


def fly_kite(time: float) -> Pose:
    """Hold a string that pulls upwards."""
    pull_ = wave(time, 1.4)
    return STANDING._replace(
        lean=-0.14 + 0.04 * pull_,
        near_hand_x=0.72,
        near_hand_y=-0.3 + 0.08 * pull_,
        far_hand_x=0.55,
        far_hand_y=0.0 + 0.06 * pull_,
        near_foot_x=-0.25,
        far_foot_x=0.22,
        tilt=-0.24,
        look_x=0.6,
        look_y=-0.8,
        smile=0.9,
        mouth=0.3,
    )


def roll(phase: float) -> Pose:
    """Walk pushing something round along the ground."""
    return walk(phase)._replace(
        lean=0.36,
        near_hand_x=0.72,
        near_hand_y=0.4,
        far_hand_x=0.78,
        far_hand_y=0.34,
        smile=0.2,
        brow=-0.3,
    )


def lie(time: float) -> Pose:
    """Sit on the ground, legs out, after a fall."""
    dazed = wave(time, 1.5)
    return STANDING._replace(
        crouch=0.86,
        lean=-0.22,
        near_foot_x=0.92,
        near_foot_angle=1.1,
        far_foot_x=0.98,
        far_foot_y=0.04,
        far_foot_angle=1.1,
        near_hand_x=-0.34,
        near_hand_y=0.72,
        far_hand_x=0.5,
        far_hand_y=0.5,
        tilt=0.12 * dazed,
        look_x=dazed,
        look_y=-0.4,
        smile=-0.4,
        brow=0.8,
        mouth=0.3,
        turn=0.4,
    )


def sunbathe(time: float) -> Pose:
    """Sit on the ground at ease."""
    return lie(time)._replace(
        tilt=-0.1 + 0.03 * wave(time, 2.8), smile=0.9, brow=0.0, mouth=0.0, eyelid=1.0
    )


ACTIONS: dict[str, Callable[[float], Pose]] = {
    action.__name__: action
    for action in (
        *(stand, hold, talk, point, greet, hammer, saw, paint, dig, stir, flip, eat, sit, sleep),
        *(think, laugh, cheer, start, sad, angry, look_up, reach, pick, pull, fish, fly_kite),
        *(lie, sunbathe),
    )
}  # of the time in seconds
GAITS: dict[str, tuple[Callable[[float], Pose], float, float]] = {
    "walk": (walk, STRIDE, 1.9),
    "carry": (carry, STRIDE, 1.6),
    "roll": (roll, STRIDE, 1.2),
    "run": (run, RUNNING_STRIDE, 4.4),
}  # of the phase; with the leg lengths of a cycle, and those covered in a second

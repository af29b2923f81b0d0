"""The thirteen stories, each a sequence of beats: who does what, where, and how it is filmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from colorization.cartoon.light import EVENING, LAMPLIGHT, MORNING, NIGHT
from colorization.cartoon.nature import AUTUMN, WINTER
from colorization.cartoon.places import Scene
from colorization.cartoon.stage import GONE, Actor, Camera, View, close, follow, moving, wide


@dataclass(frozen=True)
class Beat:
    """A part of a story that goes on at one place, filmed by its cameras in turn."""

    scene: Scene
    actors: list[Actor]
    cameras: list[Camera]
    weight: float = 1.0  # its share of the episode, relative to the other beats


@dataclass(frozen=True)
class Story:
    """A title and its beats; the beats depend on the seed of what grows at the places."""

    title: str
    beats: Callable[[int], list[Beat]]


def _fence(seed: int) -> list[Beat]:
    garden, workshop = Scene("garden", seed=seed), Scene("workshop", seed=seed)
    return [
        Beat(
            garden,
            [
                Actor("fence", 470, 446).does("gap"),
                Actor("hugo", 60, 470, hold="hammer").goes(390).does("think"),
                Actor("bert", -60, 486, hold="bucket").goes(250).does("talk"),
                Actor("mina", 620, 440, left=True).does("sit"),
            ],
            [moving(View(352), View(440), 3), close("hugo", 1.7)],
            1.2,
        ),
        Beat(
            workshop,
            [
                Actor("trestle", 450, 462),
                Actor("hugo", 360, 476, hold="saw").does("saw"),
                Actor("bert", 600, 470, left=True).does("talk"),
                Actor("rex", 240, 470).does("stand"),
            ],
            [wide(440), close("hugo", 1.6, 150)],
        ),
        Beat(
            garden,
            [
                Actor("fence", 470, 446).does("gap"),
                Actor("hugo", 545, 474, hold="hammer").does("hammer"),
                Actor("bert", 420, 482).does("hold", hold="plank"),
                Actor("plum", 300, 440).does("greet"),
            ],
            [wide(520, 300, 1.2), close("hugo", 1.8)],
        ),
        Beat(
            garden,
            [
                Actor("fence", 470, 446).does("gap"),
                Actor("hugo", 545, 474, hold="hammer").does("hammer", 1).does("start", hold=""),
                Actor("bert", 420, 482).does("stand", 0.8).does("lie"),
                Actor("mark", 428, 352, size=0.8, aloft=True, order=600)
                .does(GONE, 1.0)
                .does("stars"),
                Actor("mina", 220, 498).goes(900, 500, "run"),
                Actor("rex", 60, 502).goes(860, 506, "run"),
            ],
            [wide(480, 280, 1.1), close("bert", 1.7, 90)],
        ),
        Beat(
            garden,
            [
                Actor("fence", 470, 446).does("whole"),
                Actor("hugo", 420, 480).does("cheer"),
                Actor("bert", 330, 486).does("laugh"),
                Actor("plum", 820, 470, left=True).goes(600).does("greet"),
                Actor("rex", 250, 496).does("bark"),
            ],
            [moving(View(430, 290, 1.25), View(470), 2.5)],
        ),
    ]


def _apples(seed: int) -> list[Beat]:
    garden, kitchen = Scene("garden", seed=seed), Scene("kitchen", seed=seed)
    return [
        Beat(
            garden,
            [
                Actor("lili", 520, 460, left=True).goes(260).does("look_up"),
                Actor("bert", 640, 474, left=True, hold="basket").goes(350).does("look_up"),
            ],
            [moving(View(480), View(352), 2.5), close("lili", 1.9, 110)],
        ),
        Beat(
            garden,
            [
                Actor("ladder", 172, 452, size=0.95, order=0),
                Actor("hugo", 232, 458, left=True).does("reach"),
                Actor("bert", 330, 480, left=True).does("hold", hold="basket"),
                Actor("lili", 410, 474, left=True).does("point"),
            ],
            [wide(352), close("hugo", 1.6, 190)],
        ),
        Beat(
            garden,
            [
                Actor("basket", 250, 478),
                Actor("bert", 190, 462).does("sleep", 1.3).does("start", 0.9).does("think"),
                Actor("bench", 186, 458),
                Actor("apple", 190, 200, size=1, aloft=True, order=700)
                .does("", 0.5)
                .moves(196, 276, 0.5)
                .moves(262, 474, 0.7, rise=40),
                Actor("hedgehog", 560, 488, left=True).goes(320),
            ],
            [wide(352), close("bert", 1.7, 130)],
            1.2,
        ),
        Beat(
            garden,
            [
                Actor("basket", 300, 470),
                Actor("hedgehog", 330, 492).does("laden", 0.6).goes(640),
                Actor("rex", 140, 486).goes(380, 490).does("bark"),
                Actor("lili", 430, 462, left=True).does("laugh"),
            ],
            [follow("hedgehog", 1.5, 70)],
        ),
        Beat(
            kitchen,
            [
                Actor("table", 520, 492),
                Actor("cake", 540, 402, size=0.95, aloft=True, order=493),
                Actor("plum", 380, 476).does("talk"),
                Actor("hugo", 700, 470, left=True).does("cheer"),
                Actor("lili", 270, 478).does("cheer"),
                Actor("mina", 180, 440).does("sleep"),
            ],
            [moving(View(450), View(520, 330, 1.3), 2.5), close("plum", 1.7, 150)],
        ),
    ]


def _kite(seed: int) -> list[Beat]:
    meadow = Scene("meadow", season=AUTUMN, seed=seed)
    village = Scene("village", season=AUTUMN, seed=seed)
    return [
        Beat(
            village,
            [
                Actor("lili", 250, 470).goes(560, 480, "run"),
                Actor("rex", 130, 490).goes(470, 494, "run").does("bark"),
                Actor("quill", 900, 450, left=True, hold="letter").goes(730).does("greet"),
            ],
            [moving(View(380), View(560), 2.4, 0.2)],
        ),
        Beat(
            meadow,
            [
                Actor("kite", 640, 150, size=1, aloft=True).moves(660, 120, 6),
                Actor("string", 356, 398, size=0.98, aloft=True, order=300),
                Actor("lili", 330, 480, hold="reel").does("fly_kite"),
                Actor("rex", 230, 490).does("sit"),
            ],
            [wide(450), close("lili", 1.8, 100)],
        ),
        Beat(
            meadow,
            [
                Actor("kite", 600, 200, size=1, aloft=True)
                .moves(760, 130, 1.2)
                .moves(1120, 60, 3, rise=30),
                Actor("lili", 420, 480).does("fly_kite", 1).goes(900, 482, "run"),
                Actor("rex", 320, 494).does("stand", 1).goes(760, 496, "run"),
                Actor("hugo", 600, 440).does("look_up"),
            ],
            [moving(View(440), View(760), 3)],
        ),
        Beat(
            meadow,
            [
                Actor("kite", 1085, 250, size=0.8, aloft=True),
                Actor("hugo", 990, 462).does("reach"),
                Actor("bert", 920, 474).does("look_up"),
                Actor("lili", 830, 470).does("sad"),
                Actor("mark", 830, 350, size=0.8, aloft=True).does("question"),
            ],
            [wide(848), close("lili", 1.9, 100)],
        ),
        Beat(
            meadow,
            [
                Actor("kite", 640, 110, size=0.9, aloft=True),
                Actor("string", 396, 350, size=0.82, aloft=True, order=300),
                Actor("bert", 356, 474, hold="reel").does("fly_kite"),
                Actor("lili", 470, 480).does("cheer"),
                Actor("hugo", 250, 478).does("laugh"),
                Actor("rex", 580, 492, left=True).does("bark"),
            ],
            [moving(View(400, 300, 1.3), View(440), 2.5)],
        ),
    ]


def _pancakes(seed: int) -> list[Beat]:
    kitchen = Scene("kitchen", light=MORNING, seed=seed)
    square = Scene("square", light=MORNING, seed=seed)
    return [
        Beat(
            square,
            [
                Actor("hen", 300, 470).does("peck"),
                Actor("hen", 360, 488, left=True).goes(240),
                Actor("bert", 420, 472, hold="basket").goes(640).does("greet"),
                Actor("plum", 860, 468, left=True).does("greet"),
            ],
            [moving(View(400), View(600), 3)],
        ),
        Beat(
            kitchen,
            [
                Actor("table", 480, 500),
                Actor("bowl", 412, 396, size=1, aloft=True, order=501),
                Actor("bert", 345, 474, hold="spoon").does("stir"),
                Actor("hugo", 640, 474, left=True).does("talk"),
            ],
            [wide(470), close("bert", 1.7, 130)],
        ),
        Beat(
            kitchen,
            [
                Actor("bert", 440, 478, hold="pan").does("flip"),
                Actor("pancake", 549, 376, size=1.05, aloft=True, order=500).does("fly"),
                Actor("hugo", 280, 472).does("look_up"),
                Actor("rex", 690, 490, left=True).does("sit"),
            ],
            [wide(450), close("hugo", 1.7, 190)],
            1.2,
        ),
        Beat(
            kitchen,
            [
                Actor("bert", 440, 478, hold="pan").does("look_up", 1.2).does("start"),
                Actor("pancake", 560, 40, size=1.1, aloft=True, order=600)
                .does("", 0.9)
                .moves(620, 226, 0.5)
                .does(""),
                Actor("hugo", 610, 476, left=True)
                .does("look_up", 1.4)
                .does("start", 0.8)
                .does("angry"),
                Actor("mina", 240, 480).does("sit"),
            ],
            [wide(470), close("bert", 1.7, 140)],
        ),
        Beat(
            kitchen,
            [
                Actor("chair", 330, 492),
                Actor("bert", 330, 492).does("eat"),
                Actor("chair", 660, 494),
                Actor("hugo", 668, 494, left=True).does("eat"),
                Actor("table", 490, 504),
                Actor("pancake", 440, 402, size=1.2, aloft=True, order=505),
                Actor("pancake", 556, 400, size=1.2, aloft=True, order=505),
                Actor("rex", 180, 490).does("stand"),
            ],
            [moving(View(450), View(490, 340, 1.3), 2.5), close("bert", 1.6, 130)],
        ),
    ]


def _balloon(seed: int) -> list[Beat]:
    square, village = Scene("square", seed=seed), Scene("village", seed=seed)
    meadow = Scene("meadow", seed=seed)
    return [
        Beat(
            square,
            [
                Actor("quill", 620, 462, hold="balloon").does("talk"),
                Actor("lili", 300, 470).goes(540, 472, "run").does("cheer"),
                Actor("hen", 780, 480, left=True).does("peck"),
            ],
            [moving(View(420), View(520, 300, 1.2), 2.4)],
        ),
        Beat(
            square,
            [
                Actor("lili", 460, 476, hold="balloon")
                .does("stand", 1)
                .does("start", 1, hold="")
                .does("sad"),
                Actor("balloon", 480, 360, size=0.95, aloft=True)
                .does(GONE, 1)
                .moves(640, 40, 3, rise=20)
                .does(GONE),
                Actor("mina", 640, 480, left=True).does("look up"),
            ],
            [wide(500), close("lili", 1.9, 100)],
        ),
        Beat(
            village,
            [
                Actor("balloon", 260, 160, size=0.9, aloft=True).moves(1040, 110, 6, rise=40),
                Actor("lili", 160, 480).goes(900, 480, "run"),
                Actor("hugo", 40, 470).goes(780, 472, "run"),
                Actor("bert", -60, 490).goes(640, 490, "run"),
                Actor("rex", 300, 500).goes(1000, 500, "run"),
            ],
            [moving(View(352), View(760), 3.4, 0.2)],
        ),
        Beat(
            meadow,
            [
                Actor("balloon", 1040, 240, size=0.8, aloft=True, order=400),
                Actor("bert", 960, 474).does("hold", hold="parcel"),
                Actor("hugo", 1010, 470).does("reach"),
                Actor("lili", 860, 478).does("look_up"),
                Actor("gull", 700, 130, size=0.9, aloft=True).moves(1100, 100, 5, "fly"),
            ],
            [wide(848), close("hugo", 1.5, 200)],
        ),
        Beat(
            village,
            [
                Actor("lili", 520, 476, hold="balloon").does("cheer"),
                Actor("hugo", 400, 474).does("laugh"),
                Actor("bert", 640, 482, left=True).does("greet"),
                Actor("mark", 560, 330, size=0.9, aloft=True).does("love"),
                Actor("rex", 300, 492).does("bark"),
            ],
            [moving(View(500, 310, 1.35), View(480), 2.5), close("lili", 1.9, 110)],
        ),
    ]


def _paint(seed: int) -> list[Beat]:
    front, workshop = Scene("yard", seed=seed), Scene("workshop", seed=seed)
    return [
        Beat(
            workshop,
            [
                Actor("hugo", 280, 476).goes(400, 472).does("point"),
                Actor("bert", 640, 478, left=True, hold="bucket").does("stand", 1.5).goes(560),
                Actor("mouse", 760, 498, left=True).goes(120),
            ],
            [moving(View(400), View(500), 2.5), close("hugo", 1.7)],
        ),
        Beat(
            front,
            [
                Actor("hugo", 180, 466).goes(330).does("look_up"),
                Actor("bert", 60, 482, hold="bucket").goes(230).does("look_up"),
                Actor("paint tin", 420, 476),
                Actor("plum", 640, 470, left=True).does("talk"),
            ],
            [moving(View(352), View(420), 2.5)],
        ),
        Beat(
            front,
            [
                Actor("paint", 412, 356, size=0.55, aloft=True, order=0).does("red"),
                Actor("hugo", 318, 456, hold="brush").does("paint"),
                Actor("paint tin", 390, 476),
                Actor("bert", 560, 466, left=True, hold="brush").does("paint"),
                Actor("butterfly", 640, 330, size=1, aloft=True).moves(420, 270, 5, rise=50),
            ],
            [wide(400), close("hugo", 1.7), close("bert", 1.6, 140)],
            1.4,
        ),
        Beat(
            front,
            [
                Actor("paint", 412, 356, size=0.6, aloft=True, order=0).does("red"),
                Actor("paint tin", 470, 482),
                Actor("hugo", 300, 470, hold="brush").does("point", 1.2).does("laugh"),
                Actor("bert", 480, 476, left=True)
                .does("stand", 0.7)
                .does("start", 0.8)
                .does("lie"),
                Actor("mark", 486, 350, size=0.85, aloft=True).does(GONE, 1.6).does("stars"),
                Actor("rex", 760, 490, left=True).goes(560, gait="run").does("bark"),
            ],
            [wide(430), close("bert", 1.7, 90)],
        ),
        Beat(
            front,
            [
                Actor("paint", 412, 356, size=0.75, aloft=True, order=0).does("red"),
                Actor("plum", 600, 466, left=True).does("angry"),
                Actor("hugo", 330, 472).does("sad"),
                Actor("bert", 430, 480).does("think"),
                Actor("mark", 606, 280, size=0.85, aloft=True).does("surprise"),
            ],
            [moving(View(440), View(560, 300, 1.4), 2.4), close("hugo", 1.7)],
        ),
    ]


def _snowman(seed: int) -> list[Beat]:
    village = Scene("village", season=WINTER, seed=seed)
    meadow = Scene("meadow", season=WINTER, seed=seed)
    room = Scene("living room", light=LAMPLIGHT, season=WINTER, seed=seed)
    return [
        Beat(
            village,
            [
                Actor("lili", 250, 480).goes(520, 484, "run").does("cheer"),
                Actor("hugo", 150, 466).goes(400).does("greet"),
                Actor("mina", 780, 470, left=True).does("sit"),
            ],
            [moving(View(352), View(500), 2.6)],
        ),
        Beat(
            meadow,
            [
                Actor("snowball", 330, 482).moves(640, 484, 5),
                Actor("bert", 268, 480).goes(566, 482, "roll"),
                Actor("rex", 160, 492).goes(420, 494).does("bark"),
                Actor("lili", 760, 470, left=True).does("point"),
            ],
            [moving(View(400), View(560), 3.5, 0.2)],
        ),
        Beat(
            meadow,
            [
                Actor("snowman", 560, 480).does("body"),
                Actor("hugo", 450, 476).does("hold"),
                Actor("snowball", 506, 400, size=0.62, aloft=True, order=477),
                Actor("bert", 690, 484, left=True).does("talk"),
                Actor("lili", 360, 486).does("look_up"),
            ],
            [wide(540), close("bert", 1.7, 140)],
        ),
        Beat(
            meadow,
            [
                Actor("snowman", 560, 480).does("whole"),
                Actor("hugo", 420, 478).does("stand", 1).does("start"),
                Actor("bert", 700, 484, left=True).does("laugh"),
                Actor("snowball", 690, 380, size=0.3, aloft=True, order=600)
                .does(GONE, 0.5)
                .moves(440, 310, 0.6, rise=50)
                .does(GONE),
                Actor("lili", 320, 488).does("laugh"),
            ],
            [wide(540), close("hugo", 1.6)],
        ),
        Beat(
            room,
            [
                Actor("chair", 560, 470),
                Actor("hugo", 560, 470, hold="cup").does("sit"),
                Actor("bert", 330, 470, hold="cup").does("talk"),
                Actor("lili", 240, 474, hold="cup").does("stand"),
                Actor("mina", 640, 476, left=True).does("sleep"),
                Actor("mark", 660, 436, size=0.6, aloft=True, order=500).does("sleep"),
            ],
            [moving(View(400), View(560, 320, 1.3), 2.6), close("bert", 1.6, 130)],
        ),
    ]


def _mushrooms(seed: int) -> list[Beat]:
    forest, kitchen = Scene("forest", seed=seed), Scene("kitchen", light=LAMPLIGHT, seed=seed)
    return [
        Beat(
            forest,
            [
                Actor("plum", 160, 464, hold="basket").goes(480),
                Actor("lili", 60, 480).goes(380).does("point"),
                Actor("butterfly", 560, 320, size=1, aloft=True).moves(320, 280, 5, rise=60),
            ],
            [moving(View(352), View(470), 3)],
        ),
        Beat(
            forest,
            [
                Actor("lili", 230, 474).does("pick"),
                Actor("plum", 420, 470, left=True, hold="basket").does("talk"),
                Actor("hedgehog", 520, 492, left=True).goes(340),
            ],
            [wide(380, 300, 1.2), close("lili", 1.8, 90)],
        ),
        Beat(
            forest,
            [
                Actor("hugo", 560, 452, hold="magnifier").goes(700).does("pick", hold=""),
                Actor("bert", 860, 474, left=True).does("think"),
                Actor("mark", 850, 280, size=0.85, aloft=True).does("question"),
            ],
            [wide(700), close("bert", 1.7, 140)],
        ),
        Beat(
            forest,
            [
                Actor("rex", 1000, 480, left=True).goes(620, 486, "run").does("bark"),
                Actor("hedgehog", 540, 490).does("stand"),
                Actor("bert", 430, 474).does("stand", 0.9).does("start"),
                Actor("mark", 436, 300, size=0.9, aloft=True).does(GONE, 0.9).does("surprise"),
            ],
            [wide(560, 300, 1.15), close("rex", 1.9, 70)],
        ),
        Beat(
            kitchen,
            [
                Actor("plum", 375, 474, hold="spoon").does("stir"),
                Actor("hugo", 690, 474, left=True).does("talk"),
                Actor("lili", 230, 480).does("cheer"),
                Actor("table", 520, 500),
                Actor("bowl", 446, 396, size=1, aloft=True, order=501),
            ],
            [moving(View(430), View(460, 320, 1.3), 2.5), close("plum", 1.7, 150)],
        ),
    ]


def _roof(seed: int) -> list[Beat]:
    room, workshop = Scene("living room", seed=seed), Scene("workshop", seed=seed)
    front = Scene("house front", seed=seed)
    return [
        Beat(
            room,
            [
                Actor("chair", 560, 468),
                Actor("bert", 560, 468).does("sleep", 2).does("sit"),
                Actor("drip", 572, 300, size=0.8, aloft=True, order=600),
                Actor("mark", 610, 300, size=0.8, aloft=True, order=601)
                .does("sleep", 2)
                .does(GONE),
                Actor("mina", 330, 478).does("sleep"),
            ],
            [moving(View(400), View(540, 320, 1.35), 2.2), close("bert", 1.7, 140)],
        ),
        Beat(
            room,
            [
                Actor("bucket", 470, 474),
                Actor("drip", 470, 452, size=1, aloft=True, order=475),
                Actor("puddle", 640, 484),
                Actor("drip", 640, 484, size=1, aloft=True, order=486),
                Actor("hugo", 180, 470, hold="bucket").goes(370, gait="run").does("start"),
                Actor("bert", 740, 476, left=True).does("point"),
            ],
            [wide(460), close("hugo", 1.6)],
        ),
        Beat(
            workshop,
            [
                Actor("board", 520, 470),
                Actor("hugo", 440, 478, hold="hammer").does("hammer"),
                Actor("bert", 640, 474, left=True).does("hold", hold="plank"),
                Actor("mouse", 160, 496).goes(780),
            ],
            [wide(480, 290, 1.15), close("bert", 1.7, 140)],
        ),
        Beat(
            front,
            [
                Actor("ladder", 300, 452, size=1.1, order=0),
                Actor("hugo", 360, 470, left=True, hold="hammer").does("look_up", 1.5).does("talk"),
                Actor("bert", 480, 480, left=True).does("look_up"),
                Actor("quill", 800, 470, left=True, hold="letter").goes(620).does("greet"),
            ],
            [moving(View(352), View(450), 2.6), close("quill", 1.6, 170)],
        ),
        Beat(
            room,
            [
                Actor("hugo", 400, 472).does("cheer"),
                Actor("bert", 530, 478, left=True, hold="umbrella").does("hold"),
                Actor("drip", 540, 300, size=0.8, aloft=True, order=600),
                Actor("mina", 260, 480).does("sit"),
            ],
            [moving(View(460, 300, 1.3), View(440), 2.4)],
        ),
    ]


def _fishing(seed: int) -> list[Beat]:
    pond = Scene("pond", seed=seed)
    evening = Scene("pond", light=EVENING, seed=seed)
    return [
        Beat(
            pond,
            [
                Actor("bert", 60, 480, hold="rod").goes(330).does("point"),
                Actor("hugo", -40, 470, hold="bucket").goes(220),
                Actor("duck", 980, 430, left=True).goes(700),
            ],
            [moving(View(352), View(560), 3.2)],
        ),
        Beat(
            pond,
            [
                Actor("bert", 560, 506, hold="rod", size=0.85, order=500).does("fish"),
                Actor("hugo", 430, 470).does("stand"),
                Actor("duck", 900, 420, left=True).goes(760).does("quack"),
                Actor("fish", 880, 470, size=0.9, aloft=True)
                .does(GONE, 1.2)
                .moves(960, 470, 0.9, rise=90)
                .does(GONE),
            ],
            [wide(660), close("bert", 1.6, 90)],
        ),
        Beat(
            pond,
            [
                Actor("bert", 520, 462, hold="rod").does("pull"),
                Actor("hugo", 420, 470).does("pull"),
                Actor("splash", 680, 470, size=0.9, order=600),
                Actor("duck", 960, 420, left=True).does("quack"),
            ],
            [wide(620), close("hugo", 1.6)],
        ),
        Beat(
            pond,
            [
                Actor("bert", 500, 466, hold="rod with boot").does("talk", 1.2).does("sad"),
                Actor("hugo", 390, 470).does("stand", 0.8).does("laugh"),
                Actor("duck", 820, 420, left=True).does("quack"),
            ],
            [wide(600, 300, 1.15), close("bert", 1.7, 130)],
        ),
        Beat(
            evening,
            [
                Actor("hugo", 420, 472, left=True, hold="bucket").goes(150),
                Actor("bert", 520, 480, left=True, hold="rod").goes(260),
                Actor("duck", 760, 424, left=True).goes(620).does("quack"),
                Actor("mina", 120, 478).does("sit"),
            ],
            [moving(View(480), View(360), 3)],
        ),
    ]


def _birthday(seed: int) -> list[Beat]:
    square = Scene("square", light=EVENING, seed=seed)
    kitchen = Scene("kitchen", seed=seed)
    room = Scene("living room", light=LAMPLIGHT, seed=seed)
    return [
        Beat(
            kitchen,
            [
                Actor("plum", 325, 474, hold="spoon").does("stir"),
                Actor("table", 470, 502),
                Actor("bowl", 396, 398, size=1, aloft=True, order=503),
                Actor("lili", 650, 478, left=True).does("talk"),
                Actor("mina", 760, 470, left=True).does("meow"),
            ],
            [wide(460), close("plum", 1.7, 150)],
        ),
        Beat(
            square,
            [
                Actor("quill", 120, 466, hold="parcel").goes(480, gait="carry").does("talk"),
                Actor("rex", 20, 486).goes(380, 490).does("bark"),
                Actor("plum", 820, 462, left=True).does("greet"),
            ],
            [moving(View(352), View(560), 3), close("quill", 1.6, 170)],
        ),
        Beat(
            square,
            [
                Actor("hugo", 200, 470, hold="flowers").goes(460),
                Actor("bert", 100, 484, hold="cake").goes(360, gait="carry"),
                Actor("hen", 640, 484, left=True).does("peck"),
                Actor("lili", 800, 466, left=True).does("cheer"),
            ],
            [follow("bert", 1.2)],
        ),
        Beat(
            room,
            [
                Actor("bert", 380, 474).does("sad", 1.4).does("start", 0.8).does("cheer"),
                Actor("hugo", 120, 470, hold="flowers").goes(280).does("greet"),
                Actor("plum", 640, 470, left=True, hold="cake").does("hold"),
                Actor("lili", 540, 482, left=True).does("cheer"),
                Actor("mark", 380, 290, size=0.9, aloft=True).does(GONE, 1.4).does("surprise"),
            ],
            [wide(440), close("bert", 1.7, 140)],
            1.2,
        ),
        Beat(
            room,
            [
                Actor("table", 470, 502),
                Actor("cake", 470, 406, size=1, aloft=True, order=503),
                Actor("hugo", 330, 472).does("laugh"),
                Actor("bert", 610, 474, left=True).does("eat"),
                Actor("chair", 604, 473),
                Actor("plum", 430, 450).does("greet"),
                Actor("lili", 230, 480).does("cheer"),
                Actor("mark", 330, 260, size=0.9, aloft=True).does("music"),
            ],
            [moving(View(470, 320, 1.35), View(440), 2.5)],
        ),
    ]


def _night(seed: int) -> list[Beat]:
    village = Scene("village", light=NIGHT, seed=seed)
    garden = Scene("garden", light=NIGHT, seed=seed)
    room = Scene("living room", light=LAMPLIGHT, seed=seed)
    morning = Scene("garden", light=MORNING, seed=seed)
    return [
        Beat(
            room,
            [
                Actor("chair", 540, 470),
                Actor("hugo", 540, 470).does("sleep", 2).does("start"),
                Actor("mark", 600, 280, size=0.9, aloft=True).does("sleep", 2).does("surprise"),
                Actor("rex", 330, 480).does("sit"),
            ],
            [moving(View(430), View(520, 320, 1.35), 2.0), close("hugo", 1.6, 150)],
        ),
        Beat(
            village,
            [
                Actor("hugo", 120, 474, hold="lantern").goes(480),
                Actor("bert", 20, 488, hold="rake").goes(360),
                Actor("mina", 800, 440, left=True).does("sit"),
            ],
            [moving(View(352), View(470), 3.2), close("bert", 1.7, 140)],
        ),
        Beat(
            garden,
            [
                Actor("hugo", 220, 476, hold="lantern").goes(360).does("look_up"),
                Actor("bert", 130, 486, hold="rake").goes(260).does("start"),
                Actor("mark", 262, 290, size=0.9, aloft=True).does(GONE, 1.4).does("question"),
                Actor("bucket", 560, 470),
                Actor("mina", 640, 474, left=True).does("meow"),
            ],
            [wide(400), close("hugo", 1.7)],
        ),
        Beat(
            garden,
            [
                Actor("hedgehog", 700, 478, left=True).goes(460),
                Actor("bucket", 540, 462),
                Actor("hugo", 360, 476, hold="lantern").does("start", 1).does("laugh"),
                Actor("bert", 240, 486).does("start", 1.3).does("laugh"),
            ],
            [wide(460, 300, 1.15), follow("hedgehog", 1.8, 60, -20)],
        ),
        Beat(
            morning,
            [
                Actor("hedgehog", 420, 488).does("laden"),
                Actor("plum", 560, 462, left=True, hold="basket").does("talk"),
                Actor("hugo", 300, 468).does("greet"),
                Actor("bert", 210, 484).does("laugh"),
                Actor("hen", 700, 482, left=True).does("peck"),
            ],
            [moving(View(420, 330, 1.3), View(440), 2.5)],
        ),
    ]


def _sea(seed: int) -> list[Beat]:
    beach, sea = Scene("beach", seed=seed), Scene("open sea", seed=seed)
    evening = Scene("beach", light=EVENING, seed=seed)
    return [
        Beat(
            beach,
            [
                Actor("sailing boat", 300, 290, size=0.5, aloft=True).moves(700, 286, 14),
                Actor("parasol", 760, 440),
                Actor("towel", 700, 458),
                Actor("hugo", 60, 474).goes(420).does("look_up"),
                Actor("lili", 160, 488).goes(560, 490, "run").does("cheer"),
                Actor("bert", -60, 490, hold="bucket").goes(300),
                Actor("gull", 250, 120, size=0.9, aloft=True).moves(860, 90, 7, "fly", rise=40),
            ],
            [moving(View(352), View(600), 3.4)],
        ),
        Beat(
            beach,
            [
                Actor("parasol", 470, 446),
                Actor("towel", 520, 470),
                Actor("bert", 520, 474, hold="ice cream").does("sunbathe"),
                Actor("crab", 760, 496, left=True).goes(560),
                Actor("sailing boat", 760, 290, size=0.5, aloft=True).moves(860, 288, 10),
            ],
            [moving(View(560), View(540, 350, 1.4), 2.6), close("bert", 1.6, 90)],
        ),
        Beat(
            beach,
            [
                Actor("castle", 480, 484),
                Actor("lili", 390, 478).does("pick"),
                Actor("hugo", 600, 470, left=True).does("talk"),
                Actor("ball", 230, 478).moves(330, 478, 1.2, "fly", rise=120).does(""),
                Actor("rex", 200, 490).goes(280, gait="run").does("bark"),
                Actor("gull", 800, 130, size=0.9, aloft=True).moves(300, 100, 7, "fly"),
            ],
            [wide(460), close("lili", 1.8, 80)],
        ),
        Beat(
            sea,
            [
                Actor("boat inside", 420, 440, order=439),
                Actor("hugo", 360, 450, order=440).does("look_up"),
                Actor("bert", 470, 438, order=440, hold="rod").does("fish"),
                Actor("boat", 420, 440, order=441),
                Actor("fish", 640, 470, size=0.9, aloft=True)
                .does(GONE, 0.8)
                .moves(740, 470, 1.0, rise=100)
                .does(GONE, 1.2)
                .moves(200, 480, 0.9, rise=80)
                .does(GONE),
                Actor("gull", 200, 110, size=1, aloft=True).moves(800, 80, 8, "fly", rise=30),
            ],
            [moving(View(400), View(520), 3.2), close("bert", 1.6, 110)],
            1.2,
        ),
        Beat(
            evening,
            [
                Actor("sailing boat", 620, 288, size=0.5, aloft=True).moves(560, 288, 14),
                Actor("castle", 640, 480),
                Actor("hugo", 420, 474).does("greet"),
                Actor("bert", 320, 484).does("greet"),
                Actor("lili", 520, 486).does("greet"),
                Actor("gull", 700, 120, size=0.9, aloft=True).moves(200, 90, 8, "fly"),
            ],
            [moving(View(440, 320, 1.3), View(460), 2.6)],
        ),
    ]


STORIES: tuple[Story, ...] = (
    Story("The New Fence", _fence),
    Story("Apple Day", _apples),
    Story("The Kite", _kite),
    Story("Pancakes", _pancakes),
    Story("The Red Balloon", _balloon),
    Story("A Coat of Paint", _paint),
    Story("The Snowman", _snowman),
    Story("Mushrooms", _mushrooms),
    Story("The Leaking Roof", _roof),
    Story("Gone Fishing", _fishing),
    Story("A Surprise for Bert", _birthday),
    Story("A Noise at Night", _night),
    Story("A Day at the Sea", _sea),
)

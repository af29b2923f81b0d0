"""Beats that belong to no story: what goes on meanwhile, to fill long episodes."""

from __future__ import annotations

import numpy as np

from colorization.cartoon.light import DAY
from colorization.cartoon.people import PEOPLE
from colorization.cartoon.places import PLACES, Scene
from colorization.cartoon.stage import Actor, Camera, View, close, follow, moving, wide
from colorization.cartoon.stories import Beat

CHORES = {
    "garden": (("dig", "rake"), ("pick", ""), ("greet", "flowers")),
    "yard": (("hammer", "hammer"), ("dig", "rake"), ("saw", "saw")),
    "house front": (("dig", "rake"), ("greet", "letter")),
    "kitchen": (("stir", "spoon"), ("flip", "pan"), ("hold", "cake")),
    "workshop": (("hammer", "hammer"), ("paint", "brush"), ("hold", "plank")),
    "living room": (("stand", "cup"), ("hold", "parcel"), ("talk", "cup")),
    "village": (("greet", "letter"), ("hold", "parcel"), ("stand", "umbrella")),
    "square": (("greet", "flowers"), ("hold", "parcel"), ("stand", "bucket")),
    "meadow": (("dig", "rake"), ("pick", "basket"), ("look_up", "")),
    "forest": (("pick", "basket"), ("look_up", "magnifier"), ("think", "")),
    "beach": (("dig", "rake"), ("stand", "ice cream"), ("pick", "bucket")),
}  # place -> (action, what is held)
FEELINGS = ("talk", "laugh", "think", "greet", "point", "cheer", "sad", "start", "angry", "look_up")
ELSEWHERE = "village"  # for places where nobody can walk about


def interlude(scene: Scene, rng: np.random.Generator) -> Beat:
    """Return a beat at the scene, or in the village where the scene is on the water."""
    if scene.place not in CHORES:
        scene = Scene(ELSEWHERE, DAY, scene.season, scene.seed)
    kinds = (_stroll, _chat, _chore, _chase)
    actors, cameras = kinds[rng.integers(len(kinds))](scene, rng)
    return Beat(scene, actors, cameras)


def _cast(rng: np.random.Generator, count: int) -> list[str]:
    return [str(name) for name in rng.permutation(sorted(PEOPLE))[:count]]


def _middle(scene: Scene, rng: np.random.Generator) -> float:
    width = PLACES[scene.place].width
    return float(rng.uniform(0.44, 0.56) * width)


def _stroll(scene: Scene, rng: np.random.Generator) -> tuple[list[Actor], list[Camera]]:
    """Two people cross the picture, one behind the other, and stop to talk."""
    middle, side = _middle(scene, rng), float(rng.choice((-1, 1)))
    first, second = _cast(rng, 2)
    y = rng.uniform(462, 478)
    actors = [
        Actor(first, middle - side * 330, y).goes(middle + side * 60).does("talk"),
        Actor(second, middle - side * 440, y + 10).goes(middle - side * 70).does("laugh"),
        Actor("rex", middle - side * 520, y + 18).goes(middle - side * 190).does("bark"),
    ]
    pan = moving(View(middle - side * 150), View(middle), 3.0, 0.2)
    return actors, [pan, close(first, 1.6, 140), follow(second, 1.2)]


def _chat(scene: Scene, rng: np.random.Generator) -> tuple[list[Actor], list[Camera]]:
    """Three people tell each other something."""
    middle = _middle(scene, rng)
    names = _cast(rng, 3)
    actors = []
    for name, x in zip(names, (-130, 10, 150)):
        actor = Actor(name, middle + x, rng.uniform(460, 486), left=x > 0)
        for feeling in rng.permutation(FEELINGS)[:3]:
            actor.does(str(feeling), float(rng.uniform(1.2, 2.4)))
        actors.append(actor.does("talk"))
    zoom = moving(View(middle, 290, 1.15), View(middle), 2.6)
    return actors, [zoom, close(names[0], 1.7, 150), close(names[2], 1.6, 140)]


def _chore(scene: Scene, rng: np.random.Generator) -> tuple[list[Actor], list[Camera]]:
    """Somebody works and somebody looks on."""
    middle = _middle(scene, rng)
    worker, watcher = _cast(rng, 2)
    chores = CHORES[scene.place]
    action, tool = chores[rng.integers(len(chores))]
    pet, rest = (("mina", "sit"), ("rex", "sit"), ("mina", "sleep"))[rng.integers(3)]
    actors = [
        Actor(worker, middle - 60, rng.uniform(464, 480), hold=tool).does(action),
        Actor(watcher, middle + 330, 472, left=True).goes(middle + 110).does("talk"),
        Actor(pet, middle - 220, rng.uniform(470, 494)).does(rest),
    ]
    return actors, [wide(middle), close(worker, 1.7, 150), close(watcher, 1.6, 140)]


def _chase(scene: Scene, rng: np.random.Generator) -> tuple[list[Actor], list[Camera]]:
    """The dog runs after the cat, somebody laughs."""
    middle, side = _middle(scene, rng), float(rng.choice((-1, 1)))
    (name,) = _cast(rng, 1)
    actors = [
        Actor("mina", middle - side * 260, 486).goes(middle + side * 420, gait="run"),
        Actor("rex", middle - side * 420, 494).goes(middle + side * 300, gait="run").does("bark"),
        Actor(name, middle + 20, 456, left=side > 0).does("start", 1.2).does("laugh"),
    ]
    return actors, [
        moving(View(middle - 40 * side), View(middle + 60 * side), 2.4),
        close(name, 1.7, 150),
    ]

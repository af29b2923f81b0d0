"""E_warp of sets: that of the films themselves, and NaN where something is missing."""

import math

import numpy as np
import pytest

from colorization.comparison_flicker import flicker
from colorization.comparison_pictures import ORIGINAL, Sight
from colorization.warping_error import pair_errors

H, W, FRAMES = 40, 60, 4


def frames(seed, step=0):
    """Return frames of blots that move slowly, and change by `step` every second time."""
    blots = np.random.default_rng(seed).integers(60, 180, (H // 10, W // 10 + 1, 3))
    scene = np.kron(blots, np.ones((10, 10, 1)))
    return [(scene[:, n : n + W] + step * (n % 2)).astype(np.uint8) for n in range(FRAMES)]


def film(name, seed, results):
    return [
        Sight(number, name, number, original, {key: r[number] for key, r in results.items()})
        for number, original in enumerate(frames(seed))
    ]


def test_as_for_the_frames_alone():
    results = {"calm": frames(1), "wild": frames(1, step=40)}
    got = flicker(film("a.mp4", 1, results), ["calm", "wild"])
    pairs = zip(frames(1), frames(1), frames(1, step=40))
    calm, wild = np.mean(list(pair_errors(pairs)), axis=0)
    assert wild > calm + 0.01
    assert (got["calm"], got["wild"]) == (pytest.approx(calm), pytest.approx(wild))
    assert got[ORIGINAL] == got["calm"]
    assert list(got) == ["grey", "calm", "wild", ORIGINAL]


def test_there_is_nothing_between_two_films():
    """Two films that only differ by a step: none of either is in it, and both count alike."""
    first, second = (film(name, 1, {"x": frames(1)}) for name in ("a.mp4", "b.mp4"))
    second = second[:-1]
    alone = flicker(first, ["x"])["x"]
    for sight in second:
        sight.results["x"] = sight.results["x"] // 2
    half = flicker(second, ["x"])["x"]
    assert flicker([*first, *second], ["x"])["x"] == pytest.approx((alone + half) / 2)


def test_a_set_that_is_not_complete_has_none():
    sights = film("a.mp4", 1, {"x": frames(1), "y": frames(1)})
    del sights[2].results["x"]
    got = flicker(sights, ["x", "y"])
    assert math.isnan(got["x"])
    assert math.isfinite(got["y"])


def test_a_single_image_has_none():
    got = flicker(film("a.mp4", 1, {"x": frames(1)})[:1], ["x"])
    assert all(math.isnan(value) for value in got.values())

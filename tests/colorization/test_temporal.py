"""Steadying colours: against naive sums, and on films whose flicker is known."""

import cv2
import numpy as np
import pytest

from colorization import temporal
from colorization.compiled_colour import to_Lab
from colorization.temporal import steady, steady_frames

H, W = 40, 56


def plane(seed, height=H, width=2 * W):
    """A smooth L, 10 to 90."""
    noise = np.random.default_rng(seed).random((height, width), np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), None, 10, 90, cv2.NORM_MINMAX)


def colours(L):
    """Return ab that belong to L: (2, H, W)."""
    return np.stack((L / 2 - 20, 30 - L / 3)).astype(np.float32)


def pan(frames, seed=1, step=2):
    scene = plane(seed)
    return [np.ascontiguousarray(scene[:, step * i : step * i + W]) for i in range(frames)]


def flickering(Ls, size=10.0, seed=5):
    """Return the colours of each L with an offset of their own."""
    offsets = np.random.default_rng(seed).normal(0, size, (len(Ls), 2, 1, 1))
    return [(colours(L) + offset).astype(np.float32) for L, offset in zip(Ls, offsets)]


def run(Ls, abs_, **options):
    return list(steady(zip(Ls, abs_), **options))


def naive(abs_, strength, ahead):
    """The equation for a still picture, frame by frame."""
    results = []
    for t in range(len(abs_)):
        total = weights = 0
        for k in range(min(t + ahead + 1, len(abs_))):
            weight = strength ** abs(t - k)
            total, weights = total + weight * abs_[k], weights + weight
        results.append(total / weights)
    return results


@pytest.mark.parametrize("strength, ahead", [(0.0, 3), (0.5, 0), (0.8, 2), (0.9, 20)])
def test_a_still_picture_is_the_naive_sum(strength, ahead):
    L, rng = plane(1, H, W), np.random.default_rng(2)
    abs_ = [rng.normal(0, 20, (2, 10, 14)).astype(np.float32) for _ in range(7)]
    got = run([L] * 7, abs_, strength=strength, ahead=ahead)
    for result, expected in zip(got, naive(abs_, strength, ahead)):
        assert result.shape == (2, 10, 14) and result.dtype == np.float32
        np.testing.assert_allclose(result, expected, atol=1e-3)


def test_colours_follow_the_motion():
    Ls = pan(12)
    true, seen = [colours(L) for L in Ls], flickering(Ls)
    results = run(Ls, seen)
    inside = (..., slice(4, -4), slice(4, -4))
    for t in range(3, 9):
        # What is left is one offset for all pixels: nothing was smeared.
        rest = (results[t] - true[t])[inside]
        assert rest.std(axis=(1, 2)).max() < 1.0
    jumps_before = np.diff([(ab - c).mean((1, 2)) for ab, c in zip(seen, true)], axis=0)
    jumps_after = np.diff([(ab - c).mean((1, 2)) for ab, c in zip(results, true)], axis=0)
    assert np.abs(jumps_after).mean() < np.abs(jumps_before).mean() / 3


def test_nothing_crosses_a_cut():
    first, second = pan(5, 1), pan(6, 2)
    one, two = [np.full((2, H, W), value, np.float32) for value in (30, -40)]
    results = run(first + second, [one] * 5 + [two] * 6)
    for t, result in enumerate(results):
        np.testing.assert_allclose(result, 30 if t < 5 else -40, atol=1e-4)


def test_other_brightness_is_another_thing():
    """A lamp that goes on keeps its colour, though it does not move."""
    dark = plane(3, H, W) / 4 + 20
    bright = dark.copy()
    bright[10:26, 20:40] += 45
    before, after = np.zeros((2, H, W), np.float32), np.zeros((2, H, W), np.float32)
    after[:, 10:26, 20:40] = 50
    results = run([dark] * 4 + [bright] * 4, [before] * 4 + [after] * 4)
    assert np.abs(results[3][:, 14:22, 24:36]).max() < 2
    assert results[4][:, 14:22, 24:36].min() > 48


def test_colours_smaller_than_L_and_L_larger_than_the_flow(monkeypatch):
    monkeypatch.setattr(temporal, "FLOW_SIDE", 32)
    Ls = pan(8)
    seen = [np.stack([cv2.resize(p, (14, 10)) for p in ab]) for ab in flickering(Ls)]
    results = run(Ls, seen)
    assert len(results) == 8 and results[0].shape == (2, 10, 14)
    assert np.abs(np.diff(results, axis=0)).mean() < np.abs(np.diff(seen, axis=0)).mean() / 2


def test_results_come_as_soon_as_their_future_is_known():
    read = []

    def frames():
        for number, L in enumerate(pan(9)):
            read.append(number)
            yield L, colours(L)

    results = steady(frames(), ahead=2)
    next(results)
    assert read == [0, 1, 2]
    next(results)
    assert read == [0, 1, 2, 3]
    assert len(list(results)) == 7


def test_inputs_are_not_written_to():
    Ls = pan(4)
    abs_ = flickering(Ls)
    for array in (*Ls, *abs_):
        array.setflags(write=False)
    assert len(run(Ls, abs_)) == 4
    assert run([], []) == []


@pytest.mark.parametrize(
    "options, message",
    [
        ({"strength": 1.0}, "strength: expected 0 to below 1, got 1.0"),
        ({"strength": -0.1}, "strength: expected"),
        ({"ahead": -1}, "ahead: expected 0 or more frames, got -1"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        run([], [], **options)


def rgb_film(frames=8):
    greys = [np.rint(L * 2).astype(np.uint8) for L in pan(frames)]
    return [np.dstack((g + 30 * (i % 2), g + 15, g)).astype(np.uint8) for i, g in enumerate(greys)]


def test_frames_keep_L_and_times_and_lose_flicker():
    film = rgb_film()
    results = list(steady_frames(zip(film, range(0, 80, 10))))
    assert [pts for _, pts in results] == list(range(0, 80, 10))
    for (rgb, _), before in zip(results, film):
        assert rgb.shape == before.shape and rgb.dtype == np.uint8
        np.testing.assert_allclose(to_Lab(rgb)[0], to_Lab(before)[0], atol=1)

    def jumps(frames):
        means = [to_Lab(frame)[1:].mean((1, 2)) for frame in frames]
        return np.abs(np.diff(means, axis=0)).mean()

    assert jumps([rgb for rgb, _ in results]) < jumps(film) / 3


def test_frames_without_strength_stay(monkeypatch):
    monkeypatch.setattr(temporal, "COLOUR_SIDE", 20)
    film = rgb_film(3)
    for (rgb, _), before in zip(steady_frames(zip(film, range(3)), strength=0.0), film):
        assert np.abs(rgb.astype(int) - before).max() <= 1

"""Finding cuts in films made for it, and in the demonstration's film."""

from itertools import islice

import cv2
import numpy as np
import pytest

from colorization.resources import shared_resources
from colorization.shots import ShotDetector, difference, thumbnail
from colorization.video import open_video

SIZE = (72, 100)


def scene(seed, height=160, width=260):
    """A grey picture with large and small things in it."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((5, 8), np.float32), (width, height))
    fine = cv2.GaussianBlur(rng.random((height, width), np.float32), (0, 0), 3)
    return cv2.normalize(coarse + 2 * fine, None, 20, 220, cv2.NORM_MINMAX).astype(np.uint8)


def pan(picture, frames=20, step=3):
    height, width = SIZE
    return [picture[30 : 30 + height, step * i : step * i + width] for i in range(frames)]


def zoom(picture, frames=20):
    height, width = SIZE
    crops = (picture[2 * i : 160 - 2 * i, 3 * i : 260 - 3 * i] for i in range(frames))
    return [cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA) for crop in crops]


def faded(frames, gains):
    return [np.rint(frame * gain).astype(np.uint8) for frame, gain in zip(frames, gains)]


def shot_starts(frames):
    """Return the numbers of the frames with which shots begin."""
    detector = ShotDetector()
    return [number for number, frame in enumerate(frames) if detector(frame)]


@pytest.mark.parametrize("seed", range(6))
def test_hard_cuts_between_moving_shots(seed):
    shots = [pan(scene(seed)), zoom(scene(seed + 10)), pan(scene(seed + 20))]
    frames = [frame for shot in shots for frame in shot]
    assert shot_starts(frames) == [0, 20, 40]


@pytest.mark.parametrize("step", [0, 1, 4, 8])
def test_a_pan_is_one_shot(step):
    assert shot_starts(pan(scene(1), step=step)) == [0]


def test_a_short_shot_is_found():
    frames = pan(scene(1), 9) + pan(scene(2), 2) + pan(scene(3), 9)
    assert shot_starts(frames) == [0, 9, 11]


def test_a_fade_in_one_scene_is_no_cut():
    gains = np.concatenate((np.linspace(1, 0.25, 10), np.linspace(0.25, 1, 10)))
    assert shot_starts(faded(pan(scene(2)), gains)) == [0]


def test_a_fade_through_black_begins_a_shot_once():
    out = faded(pan(scene(2)), np.linspace(1, 0, 20))
    into = faded(zoom(scene(3)), np.linspace(0, 1, 20))
    first, second = shot_starts(out + into)
    assert first == 0 and 20 <= second <= 24


def test_black_within_a_scene_is_no_cut():
    frames = pan(scene(2))
    frames[8:11] = [np.zeros(SIZE, np.uint8)] * 3
    assert shot_starts(frames) == [0]


@pytest.mark.parametrize("gain, offset", [(1, 90), (2.5, 0), (1, 255)])
def test_a_flash_is_no_cut(gain, offset):
    frames = pan(scene(4))
    flash = frames[9].astype(np.float32) * gain + offset
    frames[9] = flash.clip(0, 255).astype(np.uint8)
    assert shot_starts(frames) == [0]


def test_a_dark_cut_is_found_among_equal_histograms():
    picture = scene(5)
    frames = pan(picture) + pan(np.ascontiguousarray(picture[::-1, ::-1]))
    assert shot_starts(frames) == [0, 20]


def test_a_still_film_has_one_shot_and_black_leader_none():
    black, still = np.zeros(SIZE, np.uint8), pan(scene(1), 1)[0]
    assert shot_starts([black] * 5) == []
    assert shot_starts([black] * 2 + [still] * 5) == [2]


def test_another_size_is_another_shot():
    detector = ShotDetector()
    assert [detector(scene(1)), detector(scene(1)), detector(scene(1)[:, :200])] == [
        True,
        False,
        True,
    ]


def test_small_frames():
    frames = [frame[:5, :9] for frame in pan(scene(1), step=0)]
    assert shot_starts(frames) == [0]
    assert thumbnail(np.zeros((1, 300), np.uint8)).shape == (1, 300)
    assert thumbnail(np.zeros((480, 640), np.uint8)).shape == (48, 64)


def test_difference_does_not_see_contrast_but_another_picture():
    first, other = thumbnail(scene(1)), thumbnail(scene(2))
    assert difference(first, first) == pytest.approx(0, abs=1e-6)
    assert difference(first, first // 2 + 20) < 0.01
    assert difference(first, 255 - first) > 0.3
    assert 0.2 < difference(first, other) <= 1


def test_two_clips_joined():
    with open_video(shared_resources() / "bigbuckbunny.mp4") as film:
        small = [cv2.resize(frame, (160, 90)) for frame, _ in islice(film, 30)]
    clip = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small]
    drawn = [cv2.resize(frame, (160, 90)) for frame in pan(scene(7))]
    assert shot_starts(clip + drawn + clip[::-1]) == [0, 30, 50]

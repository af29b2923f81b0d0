"""E_warp against naive loops, and on films whose flicker is known."""

import math

import cv2
import numpy as np
import pytest

from colorization.inference import lightness
from colorization.optical_flow import fine_flow, occluded, warp
from colorization.video import VideoError, write_video
from colorization.warping_error import (
    flicker,
    grey_levels,
    is_fade,
    pair_error,
    pair_errors,
    warping_errors,
)


def picture(seed=1, height=70, width=110):
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((height, width), np.float32), (0, 0), 3)
    grey = cv2.normalize(noise, None, 60, 180, cv2.NORM_MINMAX)
    return np.dstack((grey + 30, grey, grey - 30)).astype(np.uint8)


def pan(frames=6, step=2, seed=1):
    scene = picture(seed)
    return [scene[:48, step * i : step * i + 64] for i in range(frames)]


def flickering(frames, by=12):
    """Add blue to every second frame."""
    blue = np.array([0, 0, by], np.uint8)
    return [frame + blue * (i % 2) for i, frame in enumerate(frames)]


def test_pair_error_is_the_naive_loop():
    rng = np.random.default_rng(2)
    first, second = rng.random((2, 5, 7, 3), np.float32)
    flow = (rng.integers(-32, 32, (5, 7, 2)) / 32).astype(np.float32)
    visible = rng.random((5, 7)) < 0.6
    moved = warp(second, flow, cv2.INTER_LANCZOS4)
    total = count = 0
    for y in range(5):
        for x in range(7):
            if visible[y, x]:
                count += 1
                total += sum((first[y, x, c] - moved[y, x, c]) ** 2 for c in range(3))
    assert pair_error(first, second, flow, visible) == pytest.approx(total / count, rel=1e-5)


def test_errors_are_those_of_the_flow_of_the_reference():
    reference, film = pan(3), flickering(pan(3))
    errors = list(pair_errors(zip(reference, film, reference)))
    assert len(errors) == 2
    greys = [grey_levels(frame) for frame in reference]
    for t, (got, own) in enumerate(errors):
        flow = fine_flow(greys[t], greys[t + 1])
        visible = ~occluded(flow, fine_flow(greys[t + 1], greys[t]))
        a, b = (film[i].astype(np.float32) / 255 for i in (t, t + 1))
        assert got == pytest.approx(pair_error(a, b, flow, visible), rel=1e-5)
        assert got == pytest.approx(own + (12 / 255) ** 2, rel=0.2)


def test_a_still_film_has_no_error_and_flicker_has_its_square():
    still = [picture()] * 4
    errors = np.mean(list(pair_errors(zip(still, still, flickering(still)))), axis=0)
    np.testing.assert_allclose(errors, (0, (12 / 255) ** 2), rtol=1e-4, atol=1e-9)


def test_films_are_brought_to_one_size():
    still = [picture()] * 3
    small = [cv2.resize(frame, (55, 35)) for frame in flickering(still)]
    frames = zip(still, small, flickering(still))
    coarse, fine = np.mean(list(pair_errors(frames, side=24)), axis=0)
    np.testing.assert_allclose([coarse, fine], (12 / 255) ** 2, rtol=0.1)


def test_no_pair_across_a_cut():
    film = pan(4, seed=1) + pan(3, seed=9)
    assert len(list(pair_errors(zip(film, film)))) == 3 + 2


def test_no_pair_in_a_fade():
    """Three frames, two in which it goes dark, two of dark; the film does not matter."""
    light = (1, 1, 1, 0.9, 0.8, 0.8, 0.8)
    reference = [(frame * s).astype(np.uint8) for frame, s in zip(pan(len(light)), light)]
    film = [np.full_like(frame, 10 * n) for n, frame in enumerate(reference)]
    errors = list(pair_errors(zip(reference, film)))
    np.testing.assert_allclose(errors, 3 * (10 / 255) ** 2, rtol=1e-4)
    assert len(errors) == 2 + 2


@pytest.mark.parametrize(
    "change, expected",
    [
        (lambda x, noise: 0.9 * x, True),
        (lambda x, noise: x + 4, True),
        (lambda x, noise: x - 2.5, False),  # too little
        (lambda x, noise: x + 4 + 3 * noise, True),
        (lambda x, noise: x + 4 + 6 * noise, False),  # noise is most of it
    ],
)
def test_a_fade_is_a_change_of_brightness_and_contrast(change, expected):
    rng = np.random.default_rng(6)
    x, noise = rng.uniform(40, 200, 5000).astype(np.float32), rng.standard_normal(5000)
    assert is_fade(x, change(x, noise)) is expected


def test_values_that_do_not_vary_can_fade():
    black = np.zeros(7, np.uint8)
    assert is_fade(black, black + np.uint8(4)) and not is_fade(black, black)


def test_films(tmp_path):
    write_video(tmp_path / "original.mkv", pan(), 25)
    write_video(tmp_path / "flicker.mkv", flickering(pan(), 40), 25)
    own, other = warping_errors(
        [tmp_path / "original.mkv", tmp_path / "flicker.mkv"], tmp_path / "original.mkv"
    )
    assert other > 4 * own
    before, after, floor = flicker(tmp_path / "flicker.mkv", tmp_path / "original.mkv")
    assert before > 4 * after > 0
    assert 0 < floor < before


def test_a_film_without_pairs_is_nan(tmp_path):
    write_video(tmp_path / "one.mkv", pan(1), 25)
    assert all(map(math.isnan, warping_errors([tmp_path / "one.mkv"], tmp_path / "one.mkv")))
    assert all(map(math.isnan, flicker(tmp_path / "one.mkv", tmp_path / "one.mkv")))


def test_films_of_unequal_length_are_refused(tmp_path):
    write_video(tmp_path / "long.mkv", pan(5), 25)
    write_video(tmp_path / "short.mkv", pan(3), 25)
    message = r"short.mkv: 3 frames, expected as many as the others have"
    with pytest.raises(VideoError, match=message):
        warping_errors([tmp_path / "short.mkv"], tmp_path / "long.mkv")
    with pytest.raises(VideoError, match="missing.mkv"):
        warping_errors([tmp_path / "missing.mkv"], tmp_path / "long.mkv")


def test_grey_levels_keep_L():
    rgb = np.random.default_rng(3).integers(0, 256, (9, 13, 3), np.uint8)
    grey = grey_levels(rgb)
    np.testing.assert_allclose(lightness(grey), lightness(rgb), atol=0.3)
    np.testing.assert_array_equal(grey_levels(grey), grey)

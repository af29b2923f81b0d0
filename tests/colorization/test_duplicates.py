"""Equation 4.1 against loops, and the filter on sequences whose differences are known."""

import numpy as np
import pytest
from dataset_films import H, W, write_lossless

from colorization.dataset_parts import Episode, Recipe
from colorization.duplicates import DuplicateFilter, mean_squared_difference


def noise(seed, height=H, width=W):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def naive_difference(frame, other):
    """The mean over pixels and channels, one number after the other."""
    total = 0
    for y in range(frame.shape[0]):
        for x in range(frame.shape[1]):
            for c in range(3):
                total += (int(frame[y, x, c]) - int(other[y, x, c])) ** 2
    return total / (frame.shape[0] * frame.shape[1] * 3)


def naive_kept(frames, threshold=20.0):
    """Numbers of the frames that equation 4.1 keeps."""
    kept = [0]
    for number in range(1, len(frames)):
        difference = frames[number].astype(float) - frames[kept[-1]]
        if np.mean(difference**2) > threshold:
            kept.append(number)
    return kept


def kept_by_filter(frames, threshold=20.0):
    repeats = DuplicateFilter(threshold)
    return [number for number, frame in enumerate(frames) if not repeats.is_duplicate(frame)]


def grey(level):
    return np.full((H, W, 3), level, np.uint8)


def test_the_difference_is_that_of_the_equation():
    a, b = noise(1), noise(2)
    assert mean_squared_difference(a, b) == pytest.approx(naive_difference(a, b), rel=1e-12)
    assert mean_squared_difference(b, a) == mean_squared_difference(a, b)
    assert mean_squared_difference(a, a) == 0


def test_the_largest_difference_of_large_frames_does_not_overflow():
    black = np.zeros((1080, 1920, 3), np.uint8)
    assert mean_squared_difference(black, black + np.uint8(255)) == pytest.approx(255**2)


def test_arguments_are_left_alone():
    a, b = noise(1), noise(2)
    for frame in (a, b):
        frame.setflags(write=False)
    assert kept_by_filter([a, b, b]) == [0, 1]


def test_a_frame_must_exceed_the_threshold():
    """Half of the pixels 2 off and half 6 off: (4 + 36) / 2 = 20, which is not above 20."""
    other = grey(100)
    other[: H // 2] += 2
    other[H // 2 :] += 6
    assert mean_squared_difference(grey(100), other) == 20
    above = other.copy()
    above[0, 0, 0] += 1
    assert kept_by_filter([grey(100), other, above]) == [0, 2]


def test_slow_changes_add_up():
    """Against the last kept frame, 1 level a frame: 4^2 <= 20 < 5^2. Frame to frame, nothing."""
    assert kept_by_filter([grey(100 + n) for n in range(17)]) == [0, 5, 10, 15]


def test_what_comes_back_is_compared_with_the_last_kept_frame():
    assert kept_by_filter([grey(n) for n in (100, 110, 100, 104, 100, 110, 110)]) == [0, 1, 2, 5]


@pytest.mark.parametrize("threshold", [0.0, 20.0, 40.0])
def test_a_random_walk(threshold):
    rng = np.random.default_rng(4)
    frames = [noise(3)]
    for _ in range(60):
        step = rng.integers(-3, 4, frames[-1].shape) * rng.integers(0, 2)
        frames.append(np.clip(frames[-1] + step, 0, 255).astype(np.uint8))
    expected = naive_kept(frames, threshold)
    assert 2 < len(expected) < 61
    assert kept_by_filter(frames, threshold) == expected


def test_a_frame_of_another_size_is_new():
    assert kept_by_filter([grey(100), np.full((H, W + 2, 3), 100, np.uint8), grey(100)]) == [
        0,
        1,
        2,
    ]


def test_frames_are_compared_at_their_own_size(tmp_path):
    """A checkerboard that inverts: at 256x256 it would be an even grey, and never change."""
    y, x = np.mgrid[:512, :512]
    board = np.repeat(((x + y) % 2 * 60)[:, :, None], 3, axis=2).astype(np.uint8)
    film = write_lossless(tmp_path / "film.mkv", [board, 60 - board, 60 - board, board])
    fates = [s.fate for s in Episode("episode_01", film).sifted(Recipe(), [])]
    assert fates == ["kept", "kept", "duplicates", "kept"]


def test_a_film_without_loss(tmp_path):
    frames = [noise(5)]
    rng = np.random.default_rng(6)
    for _ in range(40):
        frames.append(np.clip(frames[-1] + rng.integers(-4, 5, (H, W, 1)), 0, 255).astype(np.uint8))
    film = write_lossless(tmp_path / "film.mkv", frames)
    sifted = list(Episode("episode_01", film).sifted(Recipe(credits_filter=False), []))
    kept = [number for number, frame in enumerate(sifted) if frame.fate == "kept"]
    assert kept == naive_kept(frames)
    assert 5 < len(kept) < 40
    assert [sifted[n].name for n in kept] == [f"episode_01/frame_{n:06d}.png" for n in kept]


def test_without_the_filter_every_frame_is_kept(tmp_path):
    film = write_lossless(tmp_path / "film.mkv", [grey(100)] * 5)
    sifted = list(Episode("e", film).sifted(Recipe(duplicates_filter=False), []))
    assert [frame.fate for frame in sifted] == ["kept"] * 5

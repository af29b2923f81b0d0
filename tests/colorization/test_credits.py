"""Credits drawn with Pillow, faded and encoded; and frames that miss one condition each."""

from colorsys import hsv_to_rgb
from itertools import product

import numpy as np
import pytest
from dataset_films import credits_frame, faded

from colorization import credits
from colorization.credits import credits_confidence, is_credits, two_means
from colorization.resizing import resized
from colorization.resources import resource
from colorization.video import open_video, write_video

TEXTS = ["A", "O Rumcajsovi\n\n1. dil", "Draw\nwritten\nfilmed\nby\nfriends"]


def frame(text=TEXTS[1], **options):
    return resized(credits_frame(text, **options))


def colour(hue, saturation, value=1.0):
    """Return RGB 0..255 of HSV; hue in degrees."""
    return tuple(round(255 * c) for c in hsv_to_rgb(hue / 360, saturation, value))


def striped(blue, white, share, height=256, width=256):
    """Return a frame of which the first columns are blue, and the others white."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = white
    image[:, : round(share * width)] = blue
    return image


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("blue", [(0, 40, 200), (0, 90, 140), (2, 2, 250)])
def test_credits(text, blue):
    image = frame(text, blue=blue)
    nearer_blue = np.abs(image.astype(int) - blue).sum(2) < np.abs(image.astype(int) - 255).sum(2)
    assert is_credits(image)
    assert credits_confidence(image) == pytest.approx(nearer_blue.mean(), abs=0.02)
    assert 0.8 < credits_confidence(image) < 1


@pytest.mark.parametrize("level", [0.9, 0.7, 0.5, 0.3, 0.2, 0.1])
def test_a_fade_changes_nothing(level):
    image = frame()
    assert credits_confidence(faded(image, level)) == pytest.approx(
        credits_confidence(image), abs=0.02
    )


def test_credits_in_a_film(tmp_path):
    """H.264, 4:2:0, with a fade in and out: all are found down to a fifth of the light."""
    levels = [*np.linspace(0, 1, 11), *np.linspace(1, 0, 11)]
    write_video(tmp_path / "film.mp4", (faded(credits_frame(), level) for level in levels), 25)
    with open_video(tmp_path / "film.mp4") as film:
        found = [is_credits(resized(image)) for image, _ in film]
    assert found[0] is found[-1] is False  # black
    assert all(is_found for is_found, level in zip(found, levels) if level >= 0.2)


BLUE, WHITE = (225, 1.0, 0.8), (220, 0.2, 1.0)
MISSED = {
    "blue too green": ((185, 1.0, 0.8), WHITE, 0.9),
    "blue too red": ((265, 1.0, 0.8), WHITE, 0.9),
    "blue too pale": ((225, 0.96, 0.8), WHITE, 0.9),
    "white too green": (BLUE, (180, 0.2, 1.0), 0.9),
    "white too red": (BLUE, (260, 0.2, 1.0), 0.9),
    "white yellow": (BLUE, (60, 0.2, 1.0), 0.9),
    "white too blue": (BLUE, (220, 0.5, 1.0), 0.9),
}
MET = {
    "all": (BLUE, WHITE, 0.9),
    "blue nearly too green": ((192, 1.0, 0.8), WHITE, 0.9),
    "blue nearly too red": ((258, 1.0, 0.8), WHITE, 0.9),
    "blue nearly too pale": ((225, 0.985, 0.8), WHITE, 0.9),
    "white nearly too green": (BLUE, (193, 0.2, 1.0), 0.9),
    "white nearly too red": (BLUE, (247, 0.2, 1.0), 0.9),
    "white nearly too blue": (BLUE, (220, 0.46, 1.0), 0.9),
    "white without a hue": (BLUE, (0, 0.0, 1.0), 0.9),
}


@pytest.mark.parametrize("case", MISSED)
def test_each_condition_must_hold(case):
    blue, white, share = MISSED[case]
    assert credits_confidence(striped(colour(*blue), colour(*white), share)) == 0


@pytest.mark.parametrize("case", MET)
def test_where_all_conditions_hold(case):
    blue, white, share = MET[case]
    image = striped(colour(*blue), colour(*white), share)
    assert credits_confidence(image) == pytest.approx(share, abs=0.01)
    assert is_credits(image)


def test_the_blue_must_be_more_than_four_fifths():
    blue, white = colour(*BLUE), colour(*WHITE)
    assert credits_confidence(striped(blue, white, 0.75)) == pytest.approx(0.75, abs=0.01)
    assert not is_credits(striped(blue, white, 0.75))
    assert not is_credits(striped(blue, white, 0.2))
    assert is_credits(striped(blue, white, 0.82))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((256, 256, 3), np.uint8),
        np.full((256, 256, 3), 255, np.uint8),
        np.full((256, 256, 3), (0, 40, 200), np.uint8),
        np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8),
        striped((70, 130, 220), (240, 245, 255), 0.9),
        striped((0, 40, 200), (30, 160, 40), 0.9),
    ],
    ids=["black", "white", "blue alone", "noise", "sky and cloud", "sky and meadow"],
)
def test_other_frames(image):
    assert credits_confidence(image) == 0


def test_a_real_film_has_no_credits():
    with open_video(resource("bigbuckbunny.mp4")) as film:
        images = [resized(image) for number, (image, _) in enumerate(film) if number % 12 == 0]
    assert len(images) == 11
    assert [credits_confidence(image) for image in images] == [0] * 11


def test_the_glance_rules_out_no_credits(monkeypatch):
    """Without it, the figures are the same."""
    grounds = product((192, 225, 258), (0.98, 1.0), (0.15, 0.5, 1.0))
    images = [frame(TEXTS[2], blue=colour(*ground)) for ground in grounds]
    images += [striped(colour(*BLUE), colour(*WHITE), share) for share in (0.55, 0.7, 0.99)]
    with_glance = [credits_confidence(image) for image in images]
    monkeypatch.setattr(credits, "_GLANCE_SATURATION", -1.0)
    assert [credits_confidence(image) for image in images] == with_glance
    assert sum(confidence > 0.8 for confidence in with_glance) > 6


def test_the_image_is_left_alone():
    image = frame()
    image.setflags(write=False)
    assert credits_confidence(image) == credits_confidence(image.copy())


# Clusters


def sum_of_squares(points, labels):
    return sum(((points[labels == k] - points[labels == k].mean(0)) ** 2).sum() for k in (0, 1))


@pytest.mark.parametrize("seed", range(5))
def test_two_means_of_few_points_against_all_partitions(seed):
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.normal(0, 1, (4, 3)), rng.normal(5, 1, (6, 3))])
    partitions = [np.array([0, *labels]) for labels in product((0, 1), repeat=9) if any(labels)]
    best = min(partitions, key=lambda labels: sum_of_squares(points, labels))
    centroids, shares = two_means(points)
    expected = sorted((best == k).mean() for k in (0, 1))
    assert sorted(shares) == pytest.approx(expected)
    for k in (0, 1):
        mine = np.isclose(shares, (best == k).mean()).argmax()
        assert centroids[mine] == pytest.approx(points[best == k].mean(0), abs=1e-4)


def test_two_means_are_the_same_each_time():
    points = np.random.default_rng(7).normal(0, 1, (500, 3))
    first, again = two_means(points), two_means(points)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert first[1].sum() == 1


def test_two_means_of_equal_points():
    centroids, shares = two_means(np.full((20, 3), 7.0))
    assert centroids.tolist() == [[7.0] * 3] * 2
    assert shares.tolist() == [1.0, 0.0]

"""The pictures that a comparison shows: in its order, without what is not there."""

from pathlib import Path

import numpy as np
import pytest

from colorization.comparison import GREY, Comparison
from colorization.comparison_pictures import (
    LONGEST_SIDE,
    ORIGINAL,
    Sight,
    even_sample,
    sights,
    write_strip,
)
from colorization.images import Picture, read_image, write_image
from colorization.video import write_video


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def image(seed, height=20, width=30):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, rgb):
    write_image(path, Picture(rgb))


def mixed():
    """Write a ground truth of images and a film, and sets from which something is missing."""
    for place in ("truth", "x", "y"):
        for number in range(2):
            save(f"{place}/{number}.png", image(number))
        write_video(f"{place}/film.mp4", [image(n) for n in range(3 if place != "y" else 2)])
    Path("x/0.png").unlink()
    save("y/1.png", image(9, 21, 31))
    return Path("truth"), {"x": Path("x"), "y": Path("y")}


def test_sights_are_those_of_the_comparison():
    truth, sets = mixed()
    rows = list(Comparison(truth, sets, complain=lambda line: None).rows())
    expected = [(row.file, row.frame) for row in rows if row.method == GREY]
    seen = list(sights(truth, sets))
    assert [(sight.file, sight.frame) for sight in seen] == expected
    assert [sight.number for sight in seen] == list(range(5))
    for sight in seen:
        names = [r.method for r in rows if (r.file, r.frame) == (sight.file, sight.frame)]
        assert [*sight.results, GREY] == names
    assert [seen[0].label, seen[4].label] == ["0.png", "film.mp4, frame 2"]


def test_sights_at_a_size():
    truth, sets = mixed()
    seen = list(sights(truth, sets, 16))
    assert {sight.original.shape for sight in seen} == {(16, 16, 3)}
    assert [len(sight.results) for sight in seen] == [1, 2, 2, 2, 1]


def test_a_ground_truth_that_cannot_be_read_is_passed_over():
    truth, sets = mixed()
    Path("truth/0.png").write_bytes(b"no image")
    assert [sight.number for sight in sights(truth, sets)] == [0, 1, 2, 3]


@pytest.mark.parametrize("total, count", [(100, 7), (13, 12), (12, 12), (3, 5), (1, 1), (0, 4)])
def test_an_even_sample(total, count):
    sample = sorted(even_sample(total, count))
    assert len(sample) == min(total, count)
    assert all(0 <= number < total for number in sample)
    steps = np.diff([-1, *sample, total])[1:-1]
    assert not len(steps) or steps.max() - steps.min() <= 1


def test_a_strip_of_bounded_pictures():
    rgb = image(1, 300, 2 * LONGEST_SIDE)
    sight = Sight(7, "a.png", None, rgb, {"set": 255 - rgb, ORIGINAL: rgb // 2})
    strip = write_strip(Path("out"), sight, ["set", "other", ORIGINAL])
    assert (strip.label, strip.width, strip.height) == ("a.png", LONGEST_SIDE, 150)
    captions = [cell.caption for cell in strip.cells]
    assert captions == [GREY, "set", "other", ORIGINAL, ORIGINAL]
    files = [cell.file for cell in strip.cells]
    assert files[2] is None
    assert len(set(files)) == 5
    for file in files:
        if file:
            assert read_image(f"out/{file}").rgb.shape == (150, LONGEST_SIDE, 3)
    assert np.ptp(read_image(f"out/{files[0]}").rgb, axis=2).max() < 6


def test_pictures_of_16_bits_become_8():
    rgb = image(1).astype(np.uint16) * 257
    strip = write_strip(Path("."), Sight(0, "a.png", None, rgb, {}), [])
    written = read_image(strip.cells[-1].file).rgb
    assert np.abs(written.astype(float) - image(1)).mean() < 6

"""The worst of each set, by metrics and forms, few and apart."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from colorization import metrics
from colorization.comparison import Row
from colorization.comparison_pictures import Sight
from colorization.failure_gallery import FORMS, METRICS, Gallery, Worst

H, W = 40, 56


def original(number):
    """Return a colourful image with areas of one colour."""
    colours = np.random.default_rng(number).integers(40, 220, (4, 3), dtype=np.uint8)
    image = np.empty((H, W, 3), np.uint8)
    image[:20, :28], image[:20, 28:], image[20:, :28], image[20:, 28:] = colours
    return image


def sights(count, worse=()):
    """Return sights of which `worse` are grey in the set x; the set y equals the originals."""
    for number in range(count):
        rgb = original(number)
        grey = np.repeat(rgb.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
        results = {"x": grey if number in worse else rgb + np.uint8(1), "y": rgb}
        yield Sight(number, f"{number}.png", None, rgb, results)


def rows(sights):
    """Yield the rows that a comparison would, without what the gallery does not look at."""
    for sight in sights:
        for name, result in sight.results.items():
            psnr = metrics.psnr(result, sight.original)
            rmse = metrics.rmse(result, sight.original)
            yield Row(name, sight.file, None, rmse, psnr, 0.1 * sight.number, 0.0)
        yield Row("grey", sight.file, None, 0.0, 0.0, 99.0, 0.0)


def filled(count, worse=(), **options):
    gallery = Gallery(["x", "y"], **options)
    list(gallery.watched(rows(sights(count, worse))))
    for sight in sights(count, worse):
        gallery.offer(sight)
    return {group.key: (group, found) for group, found in gallery.groups()}


def numbers(examples):
    return [example.number for example in examples]


def test_the_worst_of_many():
    worst = Worst(count=3)
    values = np.random.default_rng(3).permutation(50)
    for number, badness in enumerate(values):
        assert worst.add(number, badness) == (sum(badness < v for v in values[:number]) < 3)
    assert [values[number] for number in worst] == [49, 48, 47]


def test_the_worst_lie_apart():
    worst = Worst(apart=10, count=3)
    for number in range(100):  # two mounds, at 20 and at 70
        worst.add(number, max(50 - abs(number - 20), 40 - abs(number - 70)))
    kept = list(worst)
    assert kept[0] == 20
    assert 70 in kept
    assert all(abs(a - b) >= 10 for a in kept for b in kept if a != b)


@pytest.mark.parametrize("badness", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_kept(badness):
    worst = Worst()
    assert not worst.add(1, badness)
    assert list(worst) == []


def test_the_grey_ones_are_found():
    groups = filled(12, worse=(3, 8))
    _, found = groups["deficiency"]
    assert sorted(numbers(found["x"])[:2]) == [3, 8]
    assert found["y"] == []
    for key in ("psnr", "rmse"):
        assert sorted(numbers(groups[key][1]["x"])[:2]) == [3, 8]
    assert numbers(groups["pa"][1]["x"]) == [11, 10, 9]
    assert groups["psnr"][1]["y"] == []  # infinite


def test_an_example_has_its_pictures_and_figures():
    _, found = filled(5, worse=(2,))["psnr"]
    example = found["x"][0]
    assert (example.number, example.label, example.width, example.height) == (2, "2.png", W, H)
    sight = list(sights(3, worse=(2,)))[2]
    expected = metrics.psnr(sight.results["x"], sight.original)
    assert example.figures["psnr"] == pytest.approx(expected)
    assert example.figures["deficiency"] > 0.8
    for data, rgb in ((example.result, sight.results["x"]), (example.original, sight.original)):
        decoded = np.asarray(Image.open(io.BytesIO(data))).astype(float)
        assert np.abs(decoded - rgb).mean() < 3


def test_flicker_needs_the_frame_before():
    """Of frames that stand still, the one after a change and the one after that."""
    gallery = Gallery(["x"])
    for number in range(6):
        rgb = original(1)
        result = 255 - rgb if number == 3 else rgb
        gallery.offer(Sight(number, "film.mp4", number, rgb, {"x": result}))
    groups = {group.key: found for group, found in gallery.groups()}
    assert sorted(numbers(groups["flicker"]["x"])) == [3, 4]
    alone = Gallery(["x"])
    alone.offer(Sight(0, "a.png", None, original(1), {"x": original(1)}))
    assert list(alone.groups()) == []


def test_groups_have_names_of_their_own():
    groups = (*METRICS, *FORMS)
    assert len({group.key for group in groups}) == len(groups)
    assert [group.title for group in FORMS[:4]] == [
        "Inconsistent colouring",
        "Edge pollution",
        "Colour bleeding",
        "Colour deficiency",
    ]

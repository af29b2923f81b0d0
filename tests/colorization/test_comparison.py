"""Sets of images and films made here, against the same figures computed from all pixels at once."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from colorization import metrics
from colorization.colour import sRGB_to_Lab
from colorization.comparison import BIN, BINS, GREY, Comparison, Mean
from colorization.images import Picture, write_image
from colorization.inference import lightness, without_colour
from colorization.inputs import InputError
from colorization.resizing import resized
from colorization.video import open_video, write_video

H, W = 12, 20


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def smooth(seed, height=H, width=W):
    """Return an image with a few colours and slow gradients, so that a part of it is even."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 40
    planes = [rng.uniform(40, 200) + rng.uniform(-9, 9) * x + rng.uniform(-9, 9) * y for _ in "RGB"]
    image = np.stack(planes, axis=2)
    image[:, width // 2 :] += rng.uniform(-40, 40, 3)
    return image.clip(0, 255).astype(np.uint8)


def spoiled(image, seed, spots=9):
    """Return the image with some pixels in other colours."""
    rng = np.random.default_rng(seed)
    image = image.copy()
    y, x = rng.integers(0, image.shape[0], spots), rng.integers(0, image.shape[1], spots)
    image[y, x] = rng.integers(0, 256, (spots, 3))
    return image


def save(path, rgb):
    write_image(path, Picture(rgb))
    return rgb


def run(truth, size=None, **sets):
    """Return the comparison when it is done, its rows, and the complaints."""
    complaints = []
    comparison = Comparison(
        Path(truth), {name: Path(p) for name, p in sets.items()}, size, complaints.append
    )
    return comparison, list(comparison.rows()), complaints


def expected_of(results, originals):
    """Return what a tally should say of these images, all of one size, from all at once."""
    sRGB, sRGB_0 = (np.stack(images).astype(np.float32) / 255 for images in (results, originals))
    ab, ab_0 = sRGB_to_Lab(sRGB)[..., 1:], sRGB_to_Lab(sRGB_0)[..., 1:]
    pairs = list(zip(sRGB, sRGB_0, ab, ab_0))
    errors = np.stack([metrics.pixel_errors(s, t) for s, t, _, _ in pairs])
    histogram, histogram_0 = (
        metrics.ab_histogram(x.reshape(-1, ab.shape[-2], 2)) for x in (ab, ab_0)
    )
    return {
        "rmse": errors.mean(dtype=np.float64),
        "psnr": np.mean([metrics.psnr(s, t) for s, t, _, _ in pairs]),
        "pa": np.nanmean([metrics.perceivable_artifacts(a, b) for _, _, a, b in pairs]),
        "colourfulness": np.mean([metrics.colourfulness(s) for s, _, _, _ in pairs]),
        "intersections": metrics.histogram_intersection(histogram, histogram_0),
        "pixel_errors": np.histogram(errors, BINS, (0, BINS * BIN))[0],
        "image_errors": np.histogram(
            errors.mean(axis=(1, 2), dtype=np.float64), BINS, (0, BINS * BIN)
        )[0],
    }


def check(tally, results, originals):
    expected = expected_of(results, originals)
    assert tally.images == len(results)
    for name in ("rmse", "psnr", "pa", "colourfulness"):
        assert getattr(tally, name).value == pytest.approx(expected[name], rel=1e-6), name
    assert tally.intersections == pytest.approx(tuple(expected["intersections"]), rel=1e-12)
    # An error on the edge of a bin may fall to either side.
    for name in ("pixel_errors", "image_errors"):
        np.testing.assert_allclose(
            getattr(tally, name).cumsum(), expected[name].cumsum(), atol=1, err_msg=name
        )


def test_image_by_image_is_as_all_at_once():
    """Nested folders; of two methods and the baseline."""
    names = ("a.png", "in/b.png", "in/deep/c.bmp")
    originals = [save(f"truth/{name}", smooth(i)) for i, name in enumerate(names)]
    first = [save(f"one/{n}", spoiled(o, 10 + i)) for i, (n, o) in enumerate(zip(names, originals))]
    second = [save(f"two/{n}", spoiled(o // 2, 20)) for n, o in zip(names, originals)]
    comparison, rows, complaints = run("truth", one="one", two="two")
    assert complaints == []
    assert len(comparison) == 3
    check(comparison.tallies["one"], first, originals)
    check(comparison.tallies["two"], second, originals)
    grey = [without_colour(lightness(original)) for original in originals]
    check(comparison.tallies[GREY], grey, originals)
    assert 0.05 < comparison.tallies["one"].pa.value < 0.95
    expected = np.mean([metrics.colourfulness(original) for original in originals])
    assert comparison.original_colourfulness.value == pytest.approx(expected)
    assert [(row.method, row.file, row.frame) for row in rows] == [
        (method, name, None) for name in names for method in ("one", "two", GREY)
    ]
    for row, result, original in zip(rows[::3], first, originals):
        assert row.rmse == pytest.approx(metrics.rmse(result, original), rel=1e-6)
        assert row.psnr == pytest.approx(metrics.psnr(result, original), rel=1e-6)
        assert row.colourfulness == pytest.approx(metrics.colourfulness(result), rel=1e-6)


def test_the_baseline_keeps_L_and_has_no_colour():
    original = save("truth.png", smooth(1))
    grey = without_colour(lightness(original))
    assert np.ptp(grey.astype(int), axis=2).max() <= 1
    np.testing.assert_allclose(lightness(grey), lightness(original), atol=0.3)
    comparison, _, _ = run("truth.png", same="truth.png")
    assert comparison.tallies[GREY].pa.value == 0
    assert comparison.tallies[GREY].colourfulness.value < 1
    assert comparison.tallies["same"].pa.value == comparison.tallies["same"].rmse.value == 0
    assert comparison.tallies["same"].psnr.value == math.inf
    assert comparison.tallies["same"].intersections == (1, 1)


def test_images_that_are_reproduced_exactly_do_not_make_the_psnr_infinite():
    black = np.zeros((H, W, 3), np.uint8)
    save("truth/a.png", black)
    original = save("truth/b.png", smooth(2))
    save("out/a.png", black)
    result = save("out/b.png", spoiled(original, 3))
    comparison, rows, _ = run("truth", out="out")
    tally = comparison.tallies["out"]
    assert tally.psnr.value == pytest.approx(metrics.psnr(result, original), rel=1e-6)
    assert (tally.images, tally.psnr.count) == (2, 1)
    assert rows[0].psnr == math.inf


def test_images_without_an_even_pixel_have_no_pa():
    original = save("truth/a.png", np.random.default_rng(1).integers(0, 256, (H, W, 3), np.uint8))
    save("out/a.png", original)
    comparison, rows, _ = run("truth", out="out")
    assert math.isnan(rows[0].pa)
    assert math.isnan(comparison.tallies["out"].pa.value)
    assert comparison.tallies["out"].pa.count == 0


def test_mean_is_of_the_finite():
    mean = Mean()
    assert math.isnan(mean.value)
    mean.add(math.inf)
    assert mean.value == math.inf
    for number in (1.0, 4.0, math.inf):
        mean.add(number)
    assert (mean.value, mean.count) == (2.5, 2)


# Which file belongs to which


def test_suffixes_may_differ():
    """As process_images names what it writes in another format."""
    for number, name in enumerate(("a.png", "in/b.bmp", "c.png", "c.bmp")):
        save(f"truth/{name}", smooth(number))
    save("out/a.tif", smooth(0))
    save("out/in/b.png", smooth(1))
    save("out/c.png", smooth(2))
    save("out/c.bmp.png", smooth(3))
    comparison, rows, complaints = run("truth", out="out")
    assert complaints == []
    assert [row.rmse for row in rows if row.method == "out"] == [0, 0, 0, 0]


def test_two_single_files_need_no_common_name():
    original = save("original.png", smooth(1))
    result = save("deep/coloured.bmp", spoiled(original, 2))
    comparison, _, complaints = run("original.png", out="deep/coloured.bmp")
    assert complaints == []
    check(comparison.tallies["out"], [result], [original])


def test_a_single_file_is_found_in_a_folder():
    original = save("original.png", smooth(1))
    result = save("out/original.png", spoiled(original, 2))
    comparison, _, complaints = run("original.png", out="out")
    assert complaints == []
    check(comparison.tallies["out"], [result], [original])


def test_what_does_not_match_is_told_and_the_rest_goes_on():
    names = ("a.png", "b.png", "c.png", "d.png", "in/e.png", "f.png")
    originals = {name: save(f"truth/{name}", smooth(i)) for i, name in enumerate(names)}
    save("out/a.png", smooth(0, W, H))
    Path("out/b.png").write_bytes(b"this is no image")
    save("out/c.jpg", smooth(2))
    save("out/c.tif", smooth(2))
    result = save("out/in/e.png", spoiled(originals["in/e.png"], 5))
    write_video("out/f.mp4", [smooth(6)])
    for extra in ("q", "r", "s", "t"):
        save(f"out/{extra}.png", smooth(9))
    for name, original in originals.items():
        save(f"whole/{name}", original)
    comparison, _, complaints = run("truth", out="out", whole="whole")
    assert complaints == [
        "out: out/a.png: 12x20 pixels, where the ground truth has 20x12; "
        "give a size to compare them at",
        "out: out/b.png: not an image of a known format",
        "out: out: c.jpg and c.tif may both be the result for c.png",
        "out: out: no result for d.png",
        "out: out: no result for f.png",
        "out: without ground truth: out/c.jpg, out/c.tif, out/f.mp4 and 4 more",
    ]
    check(comparison.tallies["out"], [result], [originals["in/e.png"]])
    assert comparison.tallies["whole"].images == comparison.tallies[GREY].images == 6


def test_a_broken_ground_truth_is_told_and_the_rest_goes_on():
    save("truth/b.png", smooth(1))
    Path("truth/a.png").touch()
    save("out/a.png", smooth(1))
    save("out/b.png", smooth(1))
    comparison, rows, complaints = run("truth", out="out")
    assert complaints == ["ground truth: truth/a.png: the file is empty"]
    assert [row.file for row in rows] == ["b.png", "b.png"]


def test_a_size_to_compare_at():
    original = save("truth/a.png", smooth(1, 40, 52))
    result = save("out/a.png", spoiled(smooth(1, 31, 45), 2))
    comparison, _, complaints = run("truth", size=16, out="out")
    assert complaints == []
    images = [resized(result, 16, 16)], [resized(original, 16, 16)]
    check(comparison.tallies["out"], *images)


def test_16_bits_against_8():
    original = smooth(1)
    save("truth/a.png", original.astype(np.uint16) * 257)
    result = save("out/a.png", spoiled(original, 2))
    comparison, _, complaints = run("truth", out="out")
    assert complaints == []
    check(comparison.tallies["out"], [result], [original])
    assert comparison.tallies[GREY].colourfulness.value < 0.02  # rounded to 16 bits


@pytest.mark.parametrize(
    "truth, sets, message",
    [
        ("none", {"out": "out"}, "ground truth: none does not exist"),
        ("truth", {"out": "none"}, "out: none does not exist"),
        ("truth", {"grey": "out"}, '"grey" is the name of the baseline: choose another'),
        (
            "truth",
            {"out": "out/a.png"},
            "out: out/a.png is one file, and the ground truth is a folder",
        ),
        ("empty", {"out": "out"}, "empty: no images or films there"),
    ],
)
def test_sets_that_make_no_sense(truth, sets, message):
    save("truth/a.png", smooth(1))
    save("out/a.png", smooth(1))
    Path("empty").mkdir()
    with pytest.raises(InputError) as error:
        run(truth, **sets)
    assert str(error.value) == message


# Films


def frames_of(path):
    with open_video(path) as film:
        return [frame for frame, _ in film]


def film(path, count, seed, height=H, width=W):
    images = [smooth(seed + i, height, width) for i in range(count)]
    write_video(path, [spoiled(image, seed) for image in images])
    return frames_of(path)


def test_films_go_frame_by_frame():
    originals, results = film("truth/in/a.mp4", 5, 1), film("out/in/a.mkv", 5, 3)
    comparison, rows, complaints = run("truth", out="out")
    assert complaints == []
    assert len(comparison) == 5
    check(comparison.tallies["out"], results, originals)
    assert [(row.file, row.frame) for row in rows[::2]] == [("in/a.mp4", n) for n in range(5)]


def test_films_of_unequal_length():
    originals = film("truth.mp4", 5, 1)
    short, long = film("short.mp4", 3, 2), film("long.mp4", 7, 3)
    comparison, _, complaints = run("truth.mp4", short="short.mp4", long="long.mp4")
    assert complaints == [
        "short: short.mp4: ends after 3 frames, before the ground truth",
        "long: long.mp4: goes on after the 5 frames of the truth",
    ]
    check(comparison.tallies["short"], short, originals[:3])
    check(comparison.tallies["long"], long[:5], originals)


def test_a_film_that_breaks_off_leaves_the_others():
    originals, results = film("truth.mp4", 40, 1, 60, 84), film("whole.mp4", 40, 2, 60, 84)
    film("cut.mkv", 40, 3, 60, 84)
    data = Path("cut.mkv").read_bytes()
    Path("cut.mkv").write_bytes(data[: len(data) // 2])
    comparison, _, complaints = run("truth.mp4", cut="cut.mkv", whole="whole.mp4")
    assert len(complaints) == 1
    assert complaints[0].startswith("cut: cut.mkv: ")
    assert 0 < comparison.tallies["cut"].images < 40
    check(comparison.tallies["whole"], results, originals)


def test_an_image_is_no_result_for_a_film():
    film("truth.mp4", 2, 1)
    save("out.png", smooth(1))
    comparison, _, complaints = run("truth.mp4", out="out.png")
    assert complaints == [
        "out: out.png: no result for truth.mp4",
        "out: without ground truth: out.png",
    ]
    assert comparison.tallies[GREY].images == 2


def test_memory_does_not_grow_with_the_length():
    peaks = []
    for count in (4, 60):
        film(f"{count}.mp4", count, 1, 100, 164)
        tracemalloc.start()
        run(f"{count}.mp4", out=f"{count}.mp4")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_frame = 100 * 164 * 3
    assert peaks[1] < peaks[0] + 2 * one_frame

"""The command from end to end: folders, films, conditions, mismatches, wrong usage."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from module_from_file import load_module

from colorization.images import Picture, read_image, write_image
from colorization.metrics import rmse
from colorization.video import open_video, write_video

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_results.py"
FILES = [
    "cumulative_images.csv",
    "cumulative_images.svg",
    "cumulative_pixels.csv",
    "cumulative_pixels.svg",
    "images.csv",
    "index.html",
    "pictures",
    "table.csv",
    "table.md",
]


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(main, *arguments, capsys):
    """Return the exit code, stdout and stderr."""
    capsys.readouterr()
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as error:
        code = error.code
    out, err = capsys.readouterr()
    return code, out, err


def picture(seed, height=13, width=18):
    image = np.random.default_rng(seed).integers(50, 200, (height, width, 3), dtype=np.uint8)
    image[:, 6:] = image[0, 0]
    return image


def save(path, rgb):
    write_image(path, Picture(rgb))
    return rgb


def folders():
    """Write two images and two sets of results; return the images and the first set."""
    names = ("a.png", "in/b.png")
    originals = [save(f"truth/{name}", picture(n)) for n, name in enumerate(names)]
    near = [save(f"near/{name}", o + np.uint8(2)) for name, o in zip(names, originals)]
    for name, original in zip(names, originals):
        save(f"far/{name}", 255 - original)
    return originals, near


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_folders(main, capsys):
    originals, near = folders()
    Path("far/conditions.json").write_text(json.dumps({"epochs": 3}))
    command = ("--truth", "truth", "near=near", "far=far", "--output", "out/report")
    code, out, err = run(main, *command, "--note", "near=30 epochs, seed=1", capsys=capsys)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in Path("out/report").iterdir()) == FILES
    rows = {row["method"]: row for row in read_csv("out/report/table.csv")}
    assert list(rows) == ["near", "far", "grey", "ground truth"]
    expected = np.mean([rmse(result, original) for result, original in zip(near, originals)])
    assert float(rows["near"]["rmse"]) == pytest.approx(expected, abs=1e-6)
    assert rows["near"]["conditions"] == "30 epochs, seed=1"
    assert rows["far"]["conditions"] == "epochs: 3"
    assert rows["near"]["best"].split()[:2] == ["rmse", "psnr"]
    images = read_csv("out/report/images.csv")
    assert [(row["method"], row["file"]) for row in images] == [
        (method, name) for name in ("a.png", "in/b.png") for method in ("near", "far", "grey")
    ]
    lines = out.splitlines()
    assert lines[0].split() == ["RMSE", "PSNR", "PA", "HI", "a", "HI", "b", "Colourfulness"]
    assert lines[1].split()[:2] == ["near", f"{expected:.4f}"]
    assert lines[-1] == "the table, the figures and their numbers: out/report/index.html"


def test_a_film_at_a_size(main, capsys):
    images = [picture(n, 26, 38) for n in range(4)]
    write_video("truth.mp4", images)
    write_video("same.mkv", images)
    write_video("dull.mp4", [image // 2 for image in images])
    command = ("same=same.mkv", "dull=dull.mp4", "--truth", "truth.mp4", "--size", 16)
    code, out, err = run(main, *command, capsys=capsys)
    assert (code, err) == (0, "")
    rows = {row["method"]: row for row in read_csv("report/table.csv")}
    assert rows["same"]["images"] == rows["grey"]["images"] == "4"
    assert float(rows["same"]["psnr"]) > float(rows["dull"]["psnr"])
    assert "4 images or frames of film, compared at 16x16 pixels." in Path(
        "report/table.md"
    ).read_text("utf-8")
    frames = [row["frame"] for row in read_csv("report/images.csv") if row["method"] == "grey"]
    assert frames == ["0", "1", "2", "3"]


def test_pictures_on_the_page(main, capsys):
    """As many as asked for, in files named without the names of sets, which may be anything."""
    names = [f"{number}.png" for number in range(5)]
    for number, name in enumerate(names):
        save(f"truth/{name}", picture(number))
        save(f"near/{name}", picture(number) + np.uint8(2))
    code, out, err = run(main, "--truth", "truth", "<b>/../x=near", "--pictures", 2, capsys=capsys)
    assert (code, err) == (0, "")
    page = Path("report/index.html").read_text("utf-8")
    assert "&lt;b&gt;/../x" in page and "<b>" not in page
    assert page.count('class="strip"') == 2
    for number, original in ((1, picture(1)), (3, picture(3))):
        for column, expected in ((1, original + np.uint8(2)), (2, original)):
            file = f"pictures/{number:06d}_{column}.jpg"
            assert f'src="{file}"' in page
            assert np.abs(read_image(f"report/{file}").rgb - expected.astype(float)).mean() < 3
    for source in re.findall(r'src="([^"]+)"', page):
        assert Path("report", source).is_file()


def test_without_pictures(main, capsys):
    folders()
    code, _, _ = run(main, "--truth", "truth", "near=near", "--pictures", 0, capsys=capsys)
    assert code == 0
    assert not Path("report/pictures").exists()
    assert 'class="strip"' not in Path("report/index.html").read_text("utf-8")


def test_all_as_a_film(main, capsys):
    """Of a folder's images, one of which has no result; the page shows it."""
    for number in range(4):
        save(f"truth/{number}.png", picture(number, 20, 30))
        if number != 2:
            save(f"near/{number}.png", 255 - picture(number, 20, 30))
    command = ("--truth", "truth", "near=near", "--film", "report/a b.mp4", "--rate", "10")
    code, _, _ = run(main, *command, capsys=capsys)
    assert code == 1  # as there is no result for one
    with open_video("report/a b.mp4") as film:
        frames = [frame for frame, _ in film]
        assert film.rate == 10
    assert len(frames) == 4
    third = frames[2].shape[1] // 3
    middles = [frame[28:, third : 2 * third].astype(float) for frame in frames]
    assert middles[2].std() < 5 < middles[1].std()
    assert 'src="a%20b.mp4"' in Path("report/index.html").read_text("utf-8")


def test_a_film_does_not_replace_what_is_compared(main, capsys):
    write_video("truth.mp4", [picture(n, 26, 38) for n in range(2)])
    write_video("near.mp4", [picture(n, 26, 38) for n in range(2)])
    before = Path("near.mp4").read_bytes()
    command = ("--truth", "truth.mp4", "near=near.mp4", "--film", "near.mp4")
    code, _, err = run(main, *command, capsys=capsys)
    assert code == 2
    assert err == "compare_results: --film near.mp4: it is one of those to compare\n"
    assert Path("near.mp4").read_bytes() == before


def test_flicker(main, capsys):
    """Of frames that stand still, one set changes its brightness and one does not."""
    still = picture(1, 48, 64)
    for number in range(4):
        save(f"truth/{number}.png", still)
        save(f"calm/{number}.png", still // 2)
        save(f"wild/{number}.png", still + np.uint8(20 * (number % 2)))
    command = ("--truth", "truth", "calm=calm", "wild=wild", "--flicker", "--pictures", 0)
    code, out, _ = run(main, *command, capsys=capsys)
    assert code == 0
    rows = {row["method"]: row for row in read_csv("report/table.csv")}
    expected = 3 * (20 / 255) ** 2
    assert float(rows["wild"]["warping_error"]) == pytest.approx(expected, rel=0.05)
    assert float(rows["calm"]["warping_error"]) == pytest.approx(0, abs=1e-4)
    assert float(rows["ground truth"]["warping_error"]) == pytest.approx(0, abs=1e-4)
    assert "warping_error" in rows["calm"]["best"].split()
    assert "E_warp" in out.splitlines()[0]
    assert "E_warp" in Path("report/table.md").read_text("utf-8")


def test_flicker_is_measured_at_the_size_of_the_truth(main, capsys):
    """A pattern that blinks would be one even grey at the size of the other columns."""
    board = np.kron(np.indices((24, 32)).sum(0) % 2, np.ones((2, 2), int))[..., None]
    blink = (40 * board + 20).astype(np.uint8)
    for number in range(3):
        save(f"truth/{number}.png", picture(1, 48, 64))
        save(f"same/{number}.png", picture(1, 48, 64) // 2 + blink * (number % 2))
        save(f"half/{number}.png", picture(1, 24, 32))
    command = ("--truth", "truth", "same=same", "half=half", "--size", 8)
    code, *_ = run(main, *command, "--flicker", "--pictures", 0, capsys=capsys)
    assert code == 0
    rows = {row["method"]: row for row in read_csv("report/table.csv")}
    expected = 3 * ((20 / 255) ** 2 + (60 / 255) ** 2) / 2
    assert float(rows["same"]["warping_error"]) == pytest.approx(expected, rel=0.05)
    assert float(rows["half"]["warping_error"]) == pytest.approx(0, abs=1e-4)


def test_what_cannot_be_compared_is_told_and_the_rest_goes_on(main, capsys):
    folders()
    Path("near/in/b.png").unlink()
    save("far/a.png", picture(5, 18, 13))
    code, out, err = run(main, "--truth", "truth", "near=near", "far=far", capsys=capsys)
    assert code == 1
    assert err.splitlines() == [
        "far: far/a.png: 13x18 pixels, where the ground truth has 18x13; "
        "give a size to compare them at",
        "near: near: no result for in/b.png",
    ]
    assert [row["images"] for row in read_csv("report/table.csv")] == ["1", "1", "2", "2"]
    text = Path("report/table.md").read_text("utf-8")
    assert all(line in text for line in err.splitlines())


def test_nothing_to_compare(main, capsys):
    folders()
    save("other/c.png", picture(1))
    code, out, err = run(main, "--truth", "truth", "other=other", capsys=capsys)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "other: other: no result for a.png",
        "other: other: no result for in/b.png",
        "other: without ground truth: other/c.png",
        "compare_results: nothing could be compared",
    ]
    assert not Path("report/table.md").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("near=none",), "compare_results: near: none does not exist"),
        (("near=near", "near=far"), 'compare_results: the name "near" is given twice'),
        (("grey=near",), 'compare_results: "grey" is the name of the baseline: choose another'),
        (
            ("near=near", "--note", "neer=30 epochs"),
            "compare_results: --note neer: there are no results of that name",
        ),
        (("near",), 'compare_results: error: argument NAME=PATH: expected NAME=..., got "near"'),
        (
            ("ground truth=near",),
            'compare_results: "ground truth" stands for itself: choose another name',
        ),
        (
            ("near=near", "--rate", "-1"),
            "compare_results: error: argument --rate: expected a rate such as 24 or 24000/1001, "
            'got "-1"',
        ),
        (
            ("near=near", "--film", "all.gif"),
            "compare_results: --film all.gif: films are written as .m4v, .mkv, .mov, .mp4, .webm",
        ),
        (
            ("near=near", "--size", "0"),
            'compare_results: error: argument --size: expected a whole number above 0, got "0"',
        ),
    ],
)
def test_wrong_usage(main, arguments, message, capsys):
    folders()
    code, out, err = run(main, "--truth", "truth", *arguments, capsys=capsys)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == message
    assert not Path("report").exists()


def test_conditions_that_cannot_be_read(main, capsys):
    folders()
    Path("near/conditions.json").write_text("[]")
    code, out, err = run(main, "--truth", "truth", "near=near", capsys=capsys)
    assert (code, out) == (2, "")
    assert err == (
        'compare_results: near/conditions.json: expected an object like {"epochs": 30}\n'
    )


def test_an_output_that_cannot_be_written(main, capsys):
    folders()
    Path("report").touch()
    code, out, err = run(main, "--truth", "truth", "near=near", capsys=capsys)
    assert (code, out) == (1, "")
    assert err.startswith("compare_results: ") and "report" in err
    assert len(err.splitlines()) == 1


def test_as_a_program():
    """With frames of films that were read, and not those that were written."""
    write_video("truth.mp4", [picture(n, 26, 38) for n in range(3)])
    with open_video("truth.mp4") as film:
        for number, (frame, _) in enumerate(film):
            save(f"frames/{number}.png", frame)
    command = [sys.executable, str(SCRIPT), "--truth", "frames", "same=frames"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert read_csv("report/table.csv")[0]["rmse"] == "0.000000"

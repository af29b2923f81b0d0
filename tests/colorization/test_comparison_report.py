"""The table, the figures and the page of a comparison."""

import csv
import json
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from colorization.comparison import BIN, Comparison, Row
from colorization.comparison_report import (
    COLUMNS,
    cumulative,
    read_conditions,
    table,
    write_report,
    write_rows,
)
from colorization.images import Picture, write_image
from colorization.inputs import InputError

KEYS = [column.key for column in COLUMNS]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def image(seed):
    noise = np.random.default_rng(seed).integers(60, 200, (9, 14, 3), dtype=np.uint8)
    noise[:, 8:] = noise[0, 0]  # for PA there must be even pixels
    return noise


def comparison_of(results, originals):
    """Return a finished comparison of sets, name -> images (None where one is missing)."""
    for number, original in enumerate(originals):
        write_image(f"truth/{number}.png", Picture(original))
    for name, images in results.items():
        for number, result in enumerate(images):
            if result is not None:
                write_image(f"{name}/{number}.png", Picture(result))
    sets = {name: Path(name) for name in results}
    comparison = Comparison(Path("truth"), sets, complain=lambda line: None)
    for _ in comparison.rows():
        pass
    return comparison


def some_comparison():
    originals = [image(1), image(2)]
    near = [original + np.uint8(3) * np.arange(3, dtype=np.uint8) for original in originals]
    far = [255 - original for original in originals]
    return comparison_of({"near": near, "far": far, "part": [originals[0], None]}, originals)


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_best_are_marked_among_complete_sets():
    entries = {entry.method: entry for entry in table(some_comparison(), {"far": "one epoch"})}
    assert list(entries) == ["near", "far", "part", "grey", "ground truth"]
    assert {"rmse", "psnr"} <= entries["near"].best
    assert entries["near"].best | entries["far"].best == set(KEYS)
    assert not entries["part"].best | entries["grey"].best | entries["ground truth"].best
    assert entries["part"].values["rmse"] == 0
    assert [entry.images for entry in entries.values()] == [2, 2, 1, 2, 2]
    assert [entry.conditions for entry in entries.values()] == [
        "",
        "one epoch",
        "",
        "a = b = 0",
        "",
    ]
    assert [entry.reference for entry in entries.values()] == [False] * 3 + [True] * 2


def test_equals_are_all_best_and_one_alone_is_not():
    originals = [image(1)]
    pair = comparison_of({"x": [image(2)], "y": [image(2)], "z": [image(1) // 4]}, originals)
    x, y, *_ = table(pair, {})
    assert x.best == y.best != set()
    alone, *_ = table(comparison_of({"x": [image(2)]}, originals), {})
    assert alone.best == set()


def test_nearest_to_the_colourfulness_of_the_truth_is_best():
    """Neither the most colourful nor the least."""
    original = image(3) // 4 + 90
    strong, weak = image(3), np.full_like(original, 100)
    middle = (image(3) // 5 + 90).astype(np.uint8)
    entries = table(
        comparison_of({"strong": [strong], "middle": [middle], "weak": [weak]}, [original]), {}
    )
    assert ["colourfulness" in entry.best for entry in entries[:3]] == [False, True, False]


def test_cumulative_shares():
    counts = np.array([3, 0, 1, 4, 0])
    assert cumulative(counts).tolist() == [0, 3 / 8, 3 / 8, 4 / 8, 1, 1]


def test_the_files_of_a_report():
    comparison = some_comparison()
    conditions = {"near": "30 epochs | seed 1\nthen 2", "far": "<b>none</b>"}
    write_report(Path("report"), comparison, conditions, ["part: part: no result for 1.png"])
    rows = read_csv("report/table.csv")
    assert [row["method"] for row in rows] == ["near", "far", "part", "grey", "ground truth"]
    near, far, _, _, truth = rows
    assert near["conditions"] == conditions["near"]
    assert "rmse" in near["best"].split()
    tally = comparison.tallies["near"]
    assert float(near["rmse"]) == pytest.approx(tally.rmse.value, abs=1e-6)
    assert float(near["intersection_b"]) == pytest.approx(tally.intersections[1], abs=1e-6)
    assert truth["rmse"] == ""
    text = Path("report/table.md").read_text("utf-8")
    assert "| Method | RMSE ↓ | PSNR ↑ | PA ↓ | HI a ↑ | HI b ↑ | Colourfulness | Images |" in text
    line = next(line for line in text.splitlines() if line.startswith("| near |"))
    assert f"| **{tally.rmse.value:.4f}** |" in line
    assert line.endswith(r"| 2 | 30 epochs \| seed 1 then 2 |")
    assert "part was measured on 1 of 2 images" in text
    assert "part: part: no result for 1.png" in text
    page = Path("report/index.html").read_text("utf-8")
    assert f"<strong>{tally.rmse.value:.4f}</strong>" in page
    assert "&lt;b&gt;none&lt;/b&gt;" in page and "<b>none" not in page
    assert "part: part: no result for 1.png" in page
    for name in ("cumulative_pixels.svg", "cumulative_images.svg", "images.csv", "table.md"):
        assert f'"{name}"' in page


def test_the_cumulative_histograms():
    comparison = some_comparison()
    write_report(Path("report"), comparison, {})
    for what in ("pixel", "image"):
        rows = read_csv(f"report/cumulative_{what}s.csv")
        assert [float(row["error"]) for row in rows] == pytest.approx(
            [BIN * n for n in range(len(rows))]
        )
        for name in ("near", "far", "part", "grey"):
            shares = [float(row[name]) for row in rows]
            counts = getattr(comparison.tallies[name], f"{what}_errors")
            assert shares == pytest.approx(cumulative(counts)[: len(rows)], abs=1e-6)
            assert (shares[0], shares[-1]) == (0, 1)
        root = ET.parse(f"report/cumulative_{what}s.svg").getroot()
        texts = [text.text for text in root.iterfind(".//{*}text")]
        assert {"near", "far", "part", "grey"} <= set(texts)


def test_notes_on_what_the_means_leave_out():
    black = np.zeros((9, 14, 3), np.uint8)
    comparison = comparison_of({"x": [black, image(2)]}, [black, image(3)])
    write_report(Path("report"), comparison, {})
    text = Path("report/table.md").read_text("utf-8")
    assert "x equals the ground truth in 1 images, which its PSNR leaves out." in text
    assert "PA leaves out" not in text
    assert "bold" not in text


def test_a_note_on_images_without_an_even_pixel():
    uneven = np.random.default_rng(1).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    write_report(Path("report"), comparison_of({"x": [image(2)] * 2}, [uneven, image(3)]), {})
    text = Path("report/table.md").read_text("utf-8")
    assert "PA leaves out 1 images without one even pixel in the ground truth." in text


def test_the_same_comparison_gives_the_same_files():
    comparison = some_comparison()
    for folder in ("one", "two"):
        write_report(Path(folder), comparison, {"near": "30 epochs"})
    names = sorted(path.name for path in Path("one").iterdir())
    assert len(names) == 7
    for name in names:
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes(), name


def test_rows_as_csv():
    rows = [
        Row("a", "x, y.png", None, 0.25, math.inf, math.nan, 12.0),
        Row("grey", "film.mp4", 3, 1 / 3, 20.5, 0.0, 0.0),
    ]
    write_rows(Path("report/images.csv"), iter(rows))
    assert Path("report/images.csv").read_text() == (
        "method,file,frame,rmse,psnr,pa,colourfulness\n"
        'a,"x, y.png",,0.250000,inf,,12.000000\n'
        "grey,film.mp4,3,0.333333,20.500000,0.000000,0.000000\n"
    )


def test_conditions_beside_the_results():
    Path("out").mkdir()
    assert read_conditions(Path("out")) == ""
    content = {"epochs": 30, "data": "clip", "size": [256, 192]}
    Path("out/conditions.json").write_text(json.dumps(content))
    expected = "epochs: 30, data: clip, size: [256, 192]"
    assert read_conditions(Path("out")) == expected
    assert read_conditions(Path("out/film.mp4")) == expected


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "conditions.json: cannot be read as JSON: Expecting property name"),
        ("[1]", 'conditions.json: expected an object like {"epochs": 30}'),
    ],
)
def test_conditions_that_cannot_be_read(content, message):
    Path("conditions.json").write_text(content)
    with pytest.raises(InputError) as error:
        read_conditions(Path("."))
    assert str(error.value).startswith(message)

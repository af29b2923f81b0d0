"""What there is to see of a comparison: the table (thesis, Table 8.1), figures, and one page."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

import numpy as np

from colorization.comparison import BIN, GREY, Comparison, Row, Tally
from colorization.comparison_pictures import ORIGINAL
from colorization.comparison_views import Views
from colorization.failure_gallery import HOW_MEASURED
from colorization.files import replacing, write_text
from colorization.inputs import InputError
from colorization.pages import write_page
from colorization.plots import Line, write_line_chart

CONDITIONS = "conditions.json"
NOTHING = "-"
ARROWS = {"low": " \N{DOWNWARDS ARROW}", "high": " \N{UPWARDS ARROW}", "near": ""}
TITLE = "Results beside the ground truth"
COVERED = 0.99  # the share of the errors, at the least, that a figure shows


@dataclass(frozen=True)
class Column:
    """A figure of the table; `aim` says what is good: `low`, `high`, or `near` the ground truth."""

    key: str
    heading: str
    aim: str
    digits: int
    value: Callable[[Tally], float]
    meaning: str

    @property
    def title(self) -> str:
        return self.heading + ARROWS[self.aim]

    def text(self, entry: Entry) -> str:
        value = entry.values[self.key]
        return NOTHING if math.isnan(value) else f"{value:.{self.digits}f}"


COLUMNS = (
    Column(
        *("rmse", "RMSE", "low", 4, lambda tally: tally.rmse.value),
        "Mean distance of the colours in the plane of alpha and beta (thesis, 8.1 and 8.2), the "
        "mean over the images. Lower is better.",
    ),
    Column(
        *("psnr", "PSNR", "high", 4, lambda tally: tally.psnr.value),
        "Peak signal-to-noise ratio in RGB, in dB, the mean over the images (8.3). Higher is "
        "better.",
    ),
    Column(
        *("pa", "PA", "low", 4, lambda tally: tally.pa.value),
        "Perceivable artifacts: of the pixels whose neighbours in the ground truth have their "
        "colour, to 2 units of a and b, the share for which this does not hold in the result; the "
        "mean over the images (8.4). Lower is better.",
    ),
    Column(
        *("intersection_a", "HI a", "high", 4, lambda tally: tally.intersections[0]),
        "Intersection of the histograms of a over all images, 0 to 1: whether the set as a whole "
        "has the ground truth's colours, wherever they are. Higher is better.",
    ),
    Column(
        *("intersection_b", "HI b", "high", 4, lambda tally: tally.intersections[1]),
        "The same for b.",
    ),
    Column(
        *("colourfulness", "Colourfulness", "near", 2, lambda tally: tally.colourfulness.value),
        "Colourfulness after Hasler and Suesstrunk (2003), the mean over the images: 0 is grey, 15 "
        "slightly, 33 moderately, 59 quite and 109 extremely colourful. Nearer to the ground "
        "truth's is better.",
    ),
)
FLICKER = Column(
    *("warping_error", "E_warp", "low", 6, lambda tally: math.nan),
    "Warping error (Lai et al. 2018): the mean square by which each frame differs, in RGB of 0 to "
    "1, from the next one brought to the same place by the motion in the ground truth, without "
    "cuts and what is hidden; at the size of the ground truth, or 480 rows if that is larger. Much "
    "of it is no flicker, but what the motion leaves unexplained: compare it with that of the "
    "ground truth. Lower is better.",
)


@dataclass
class Entry:
    """A line of the table; `best` are the keys of the columns in which no other is better."""

    method: str
    values: dict[str, float]
    images: int
    conditions: str = ""
    reference: bool = False  # not a method, but something to compare methods with
    best: set[str] = field(default_factory=set)


def read_conditions(results: Path) -> str:
    """Return what the file conditions.json beside the results says, in one line; empty without it.

    The file holds a JSON object, for example {"epochs": 30, "seed": 1}. In a folder of results it
    lies inside, beside a single image or film next to it. InputError for anything else.
    """
    path = (results if results.is_dir() else results.parent) / CONDITIONS
    if not path.exists():
        return ""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f'{path}: expected an object like {{"epochs": 30}}')
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in content.items()}
    return ", ".join(f"{key}: {text}" for key, text in texts.items())


def write_rows(target: Path, rows: Iterable[Row]) -> None:
    """Write the figures of every image as CSV, while they come."""
    with (
        replacing(target) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([each.name for each in fields(Row)])
        for row in rows:
            writer.writerow([_number(value) for value in astuple(row)])


def columns_of(flicker: Mapping[str, float] | None) -> Sequence[Column]:
    """Return the columns of a table, with that of the flicker where it was measured."""
    return COLUMNS if flicker is None else (*COLUMNS, FLICKER)


def table(
    comparison: Comparison,
    conditions: Mapping[str, str],
    flicker: Mapping[str, float] | None = None,
) -> list[Entry]:
    """Return the lines of the table: the sets, the grey baseline, the ground truth.

    The best are looked for among the sets that have all images; grey, which has no artifacts
    because it has no colours, does not compete.
    """
    entries = [
        Entry(name, _values(tally), tally.images, conditions.get(name, ""))
        for name, tally in comparison.tallies.items()
    ]
    grey, original = entries[-1], comparison.original_colourfulness.value
    grey.reference, grey.conditions = True, "a = b = 0"
    rivals = [entry for entry in entries[:-1] if entry.images == grey.images]
    nothing = dict.fromkeys((column.key for column in COLUMNS), math.nan)
    values = {**nothing, "colourfulness": original}
    entries.append(Entry(ORIGINAL, values, grey.images, reference=True))
    if flicker is not None:
        for entry in entries:
            entry.values[FLICKER.key] = flicker.get(entry.method, math.nan)
    for column in columns_of(flicker):
        _mark_best(rivals, column, original)
    return entries


def write_report(
    folder: Path,
    comparison: Comparison,
    conditions: Mapping[str, str],
    complaints: Sequence[str] = (),
    views: Views | None = None,
    flicker: Mapping[str, float] | None = None,
) -> list[Entry]:
    """Write table.md, table.csv, index.html and the figures, cumulative_*.svg and .csv.

    The page shows the views, too, whose files lie there already. `flicker`, of each set, GREY and
    ORIGINAL, is one more column of the table.
    """
    entries, columns = table(comparison, conditions, flicker), columns_of(flicker)
    notes, introduction = list(_notes(comparison, entries)), _introduction(comparison)
    charts = [
        _write_chart(folder, "cumulative_pixels", "pixel", comparison),
        _write_chart(folder, "cumulative_images", "image", comparison),
    ]
    write_text(folder / "table.csv", _csv(_table_rows(entries, columns)))
    write_text(
        folder / "table.md", _markdown(introduction, columns, entries, notes, charts, complaints)
    )
    write_page(
        folder / "index.html",
        "comparison_page.html",
        title=TITLE,
        introduction=introduction,
        columns=columns,
        entries=entries,
        notes=notes,
        charts=charts,
        complaints=complaints,
        views=views or Views(),
        how_measured=HOW_MEASURED,
        original=ORIGINAL,
    )
    return entries


def cumulative(counts: np.ndarray) -> np.ndarray:
    """Return the share of the errors below each edge of the bins: (bins + 1,), from 0 to 1."""
    return np.concatenate([[0], counts.cumsum()]) / counts.sum()


def _values(tally: Tally) -> dict[str, float]:
    return {column.key: column.value(tally) for column in COLUMNS}


def _mark_best(rivals: Sequence[Entry], column: Column, original: float) -> None:
    """Mark those that are best to the digits that are shown."""
    cost = {
        "low": lambda value: value,
        "high": lambda value: -value,
        "near": lambda value: abs(value - original),
    }[column.aim]
    costs = [round(cost(entry.values[column.key]), column.digits) for entry in rivals]
    known = [value for value in costs if not math.isnan(value)]
    for entry, value in zip(rivals, costs):
        if len(known) > 1 and value == min(known):
            entry.best.add(column.key)


def _introduction(comparison: Comparison) -> str:
    count, size = comparison.tallies[GREY].images, comparison.size
    at = f"at {size}x{size} pixels" if size else "at their own size"
    return f"{count} image{'s' * (count != 1)} or frames of film, compared {at}."


def _notes(comparison: Comparison, entries: Sequence[Entry]) -> Iterator[str]:
    """Yield what one has to know in order not to misread the table."""
    if any(entry.best for entry in entries):
        yield "The best methods of a column are bold; grey is a baseline and does not compete."
    expected = comparison.tallies[GREY].images
    for name, tally in comparison.tallies.items():
        if tally.images < expected:
            yield (
                f"{name} was measured on {tally.images} of {expected} images: its figures are not "
                "those of the others, and it does not compete."
            )
        if 0 < tally.psnr.count < tally.images:
            left_out = tally.images - tally.psnr.count
            yield f"{name} equals the ground truth in {left_out} images, which its PSNR leaves out."
    uneven = expected - comparison.tallies[GREY].pa.count
    if uneven:
        yield f"PA leaves out {uneven} images without one even pixel in the ground truth."


def _write_chart(folder: Path, file: str, what: str, comparison: Comparison) -> dict[str, str]:
    """Write a figure like 8.1 and its numbers; return what the page says of it."""
    counts = {
        name: getattr(tally, f"{what}_errors")
        for name, tally in comparison.tallies.items()
        if tally.images
    }
    shares = {name: cumulative(each) for name, each in counts.items()}
    edges = np.arange(len(shares[GREY])) * BIN
    title = f"Cumulative histogram of the {what}s' errors"
    shown = max(_bins(share, COVERED) for share in shares.values())
    lines = [
        Line(name, edges, 100 * share, *(("#888", True) if name == GREY else ()))
        for name, share in shares.items()
    ]
    write_line_chart(
        folder / f"{file}.svg",
        title,
        lines,
        f"RMSE of {'a pixel' if what == 'pixel' else 'an image'}",
        f"% of the {what}s below it",
        x_range=(0, max(10, shown) * BIN),
        y_range=(0, 100),
    )
    complete = 1 + max(_bins(share, 1) for share in shares.values())
    rows = [["error", *shares]]
    for edge, *values in zip(edges[:complete], *shares.values()):
        rows.append([f"{edge:.2f}", *(f"{value:.6f}" for value in values)])
    write_text(folder / f"{file}.csv", _csv(rows))
    caption = (
        f"The share of the {what}s whose error in the plane of alpha and beta (8.2) lies below a "
        "value, as in figure 8.1; the more to the left and the higher a curve, the better."
    )
    return {"file": file, "title": title, "caption": caption}


def _bins(share: np.ndarray, part: float) -> int:
    """Return how many bins hold this part of the errors."""
    return int(np.searchsorted(share, part))


def _table_rows(entries: Sequence[Entry], columns: Sequence[Column]) -> Iterator[list]:
    keys = [column.key for column in columns]
    yield ["method", *keys, "images", "best", "conditions"]
    for entry in entries:
        values = [_number(entry.values[key]) for key in keys]
        best = " ".join(key for key in keys if key in entry.best)
        yield [entry.method, *values, entry.images, best, entry.conditions]


def _markdown(
    introduction: str,
    columns: Sequence[Column],
    entries: Sequence[Entry],
    notes: Sequence[str],
    charts: Sequence[Mapping[str, str]],
    complaints: Sequence[str],
) -> str:
    headings = ["Method", *(column.title for column in columns), "Images", "Conditions"]
    lines = [f"# {TITLE}", "", introduction, "", _markdown_row(headings)]
    lines.append("|---" + "|---:" * (len(columns) + 1) + "|---|")
    for entry in entries:
        cells = [entry.method]
        for column in columns:
            text = column.text(entry)
            cells.append(f"**{text}**" if column.key in entry.best else text)
        lines.append(_markdown_row([*cells, str(entry.images), entry.conditions]))
    lines += ["", *(f"- {note}" for note in notes)] if notes else []
    lines += ["", *(f"- {column.heading}: {column.meaning}" for column in columns)]
    for chart in charts:
        lines += ["", f"![{chart['title']}]({chart['file']}.svg)"]
    if complaints:
        lines += ["", "Not compared:", "", *(f"- {complaint}" for complaint in complaints)]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _csv(rows: Iterable[Iterable]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _number(value: object) -> object:
    """Return floats with six decimals, and nothing for NaN; anything else as it is."""
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.6f}"

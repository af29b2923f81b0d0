#!/usr/bin/env python3
"""Measure results of several methods against the ground truth (thesis, section 8.1)."""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from pathlib import Path

from colorization.command_line import positive, run, whole
from colorization.errors import UsageError

EPILOG = """\
sets      NAME=PATH: a folder whose files are named as those of the ground truth (suffixes may
          differ), or one image or film; the baseline "grey" is always added
notes     what a method was trained on stands beside its figures: from --note NAME=TEXT, or from a
          conditions.json, a JSON object, in the folder of its results
outputs   index.html, the page to look at, with pictures/ beside it; table.md, table.csv,
          images.csv (every image by itself) and the cumulative histograms cumulative_pixels and
          cumulative_images, .svg and .csv
film      --film shows all sets in a grid with grey and the original; a folder's images in the order
          of their names. Below the output folder, it is on the page too
result    0: all compared   1: some could not be, one line each on stderr   2: wrong usage

example   compare_results --truth test/ plain=out/plain l2=out/l2 --note plain="30 epochs"
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_intermixed_args(argv)
    return run("compare_results", lambda: _run(options), "no table was written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compare_results",
        description="Measure results of several methods against the ground truth.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("sets", nargs="+", type=_named, metavar="NAME=PATH", help="results of a method")
    add("--truth", required=True, type=Path, metavar="PATH", help="folder, image or film")
    add("--output", type=Path, default=Path("report"), metavar="DIR", help="(report)")
    add("--note", action="append", default=[], type=_named, metavar="NAME=TEXT", help="conditions")
    add("--pictures", type=whole, default=12, metavar="N", help="shown on the page (12), 0: none")
    add("--film", type=Path, metavar="FILE", help="also write all side by side, as a film")
    add("--rate", type=_rate, metavar="FPS", help="of that film (the truth's; 25 for images)")
    add("--flicker", action="store_true", help="also E_warp, of films and frames in their order")
    add("--size", type=positive, metavar="N", help="compare at N x N pixels (at their own size)")
    return parser


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value.strip()):
        raise argparse.ArgumentTypeError(f'expected NAME=..., got "{text}"')
    return name.strip(), value.strip()


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f'expected a rate such as 24 or 24000/1001, got "{text}"')
    return rate


def _run(options: argparse.Namespace) -> int:
    from colorization.comparison import Comparison
    from colorization.comparison_pictures import ORIGINAL
    from colorization.comparison_report import (
        columns_of,
        read_conditions,
        write_report,
        write_rows,
    )
    from colorization.comparison_views import new_gallery

    complaints: list[str] = []
    sets = {name: Path(path) for name, path in _unique(options.sets).items()}
    if ORIGINAL in sets:
        raise UsageError(f'"{ORIGINAL}" stands for itself: choose another name')
    notes = _unique(options.note)
    if strangers := notes.keys() - sets:
        raise UsageError(f"--note {min(strangers)}: there are no results of that name")
    comparison = Comparison(options.truth, sets, options.size, _complain_to(complaints))
    conditions = {name: notes.get(name) or read_conditions(sets[name]) for name in sets}
    if options.film:
        _check_film(options.film, [options.truth, *sets.values()])
    gallery = new_gallery(comparison, list(sets)) if options.pictures else None
    rows = _watched(comparison)
    write_rows(options.output / "images.csv", gallery.watched(rows) if gallery else rows)
    if not any(comparison.tallies[name].images for name in sets):
        print("compare_results: nothing could be compared", file=sys.stderr)
        return 1
    views = _views(options, sets, comparison, gallery)
    flicker = _flicker(options, sets, comparison) if options.flicker else None
    entries = write_report(options.output, comparison, conditions, complaints, views, flicker)
    _print(entries, columns_of(flicker))
    print(f"the table, the figures and their numbers: {options.output / 'index.html'}")
    return 1 if complaints else 0


def _check_film(film: Path, inputs: list[Path]) -> None:
    """Raise UsageError for a film that cannot be written or would replace what is compared."""
    from colorization.formats import CONTAINERS
    from colorization.inputs import find_inputs

    if film.suffix.lower() not in CONTAINERS:
        raise UsageError(f"--film {film}: films are written as {', '.join(CONTAINERS)}")
    if film.exists() and film.resolve() in map(Path.resolve, find_inputs(map(str, inputs))):
        raise UsageError(f"--film {film}: it is one of those to compare")


def _views(options: argparse.Namespace, sets: dict[str, Path], comparison, gallery):
    """Write the pictures and the film, in a second pass over all images."""
    from colorization.comparison_views import Viewer, Views

    if not (options.pictures or options.film):
        return Views()
    total, watched = _second_pass(comparison)
    viewer = Viewer(
        options.output,
        options.truth,
        sets,
        options.size,
        options.pictures,
        options.film,
        options.rate,
        gallery,
        watched,
    )
    return viewer.views(total)


def _flicker(options: argparse.Namespace, sets: dict[str, Path], comparison) -> dict[str, float]:
    from colorization.comparison_flicker import flicker
    from colorization.comparison_pictures import sights

    _, watched = _second_pass(comparison)
    fit = options.size is not None  # to shrink all would hide flicker, see `pair_errors`
    return flicker(watched(sights(options.truth, sets, fit=fit)), list(sets))


def _second_pass(comparison):
    """Return how many pictures there are, and what shows a bar while they are gone through."""
    from tqdm import tqdm

    from colorization.comparison import GREY

    total = comparison.tallies[GREY].images
    return total, lambda sights: tqdm(sights, total=total, unit="picture", disable=None)


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f'the name "{name}" is given twice')
        found[name] = value
    return found


def _complain_to(complaints: list[str]):
    from tqdm import tqdm

    def complain(text: str) -> None:
        line = " ".join(text.split())
        complaints.append(line)
        tqdm.write(line, file=sys.stderr)

    return complain


def _watched(comparison):
    """Yield the rows of a comparison, with a bar that counts the images of the ground truth."""
    from tqdm import tqdm

    from colorization.comparison import GREY

    with tqdm(total=len(comparison) or None, unit="image", disable=None) as progress:
        for row in comparison.rows():
            yield row
            progress.update(row.method == GREY)


def _print(entries: list, columns) -> None:
    width = max(len(entry.method) for entry in entries)
    print(" " * width, *(f"{column.heading:>13}" for column in columns))
    for entry in entries:
        texts = (f"{column.text(entry):>13}" for column in columns)
        print(f"{entry.method:<{width}}", *texts)


if __name__ == "__main__":
    sys.exit(main())

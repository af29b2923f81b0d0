#!/usr/bin/env python3
"""Measure results of several methods against the ground truth (thesis, section 8.1)."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

EPILOG = """\
sets      NAME=PATH: a folder whose files are named as those of the ground truth (suffixes may
          differ), or one image or film; the baseline "grey" is always added
notes     what a method was trained on stands beside its figures: from --note NAME=TEXT, or from a
          conditions.json, a JSON object, in the folder of its results
outputs   index.html, table.md, table.csv, images.csv (every image by itself) and the cumulative
          histograms cumulative_pixels and cumulative_images, .svg and .csv
result    0: all compared   1: some could not be, one line each on stderr   2: wrong usage

example   compare_results --truth test/ plain=out/plain l2=out/l2 --note plain="30 epochs"
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_intermixed_args(argv)
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("interrupted; no table was written", file=sys.stderr)
        return 130


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
    add("--size", type=_positive, metavar="N", help="compare at N x N pixels (at their own size)")
    return parser


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value.strip()):
        raise argparse.ArgumentTypeError(f'expected NAME=..., got "{text}"')
    return name.strip(), value.strip()


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'expected a number above 0, got "{text}"')
    return int(text)


def _run(options: argparse.Namespace) -> int:
    from colorization.batch import InputError
    from colorization.comparison import Comparison
    from colorization.comparison_report import read_conditions, write_report, write_rows

    warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters comes as an error
    complaints: list[str] = []
    try:
        sets = {name: Path(path) for name, path in _unique(options.sets).items()}
        notes = _unique(options.note)
        if strangers := notes.keys() - sets:
            raise InputError(f"--note {min(strangers)}: there are no results of that name")
        comparison = Comparison(options.truth, sets, options.size, _complain_to(complaints))
        conditions = {name: notes.get(name) or read_conditions(sets[name]) for name in sets}
        write_rows(options.output / "images.csv", _watched(comparison))
        if not any(comparison.tallies[name].images for name in sets):
            print("compare_results: nothing could be compared", file=sys.stderr)
            return 1
        entries = write_report(options.output, comparison, conditions, complaints)
    except InputError as error:
        print(f"compare_results: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"compare_results: {error}", file=sys.stderr)
        return 1
    _print(entries)
    print(f"the table, the figures and their numbers: {options.output / 'index.html'}")
    return 1 if complaints else 0


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    from colorization.batch import InputError

    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise InputError(f'the name "{name}" is given twice')
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


def _print(entries: list) -> None:
    from colorization.comparison_report import COLUMNS

    width = max(len(entry.method) for entry in entries)
    print(" " * width, *(f"{column.heading:>13}" for column in COLUMNS))
    for entry in entries:
        texts = (f"{column.text(entry):>13}" for column in COLUMNS)
        print(f"{entry.method:<{width}}", *texts)


if __name__ == "__main__":
    sys.exit(main())

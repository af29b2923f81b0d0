"""What there is to see of a data set: one page with figures, samples and the colours' prior."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorization.dataset_parts import (
    CREDITS,
    DUPLICATE,
    FAILED,
    KEPT,
    Images,
    Part,
    part_folder,
)
from colorization.files import write_text
from colorization.histogram import ab_pairs
from colorization.pages import write_page
from colorization.prior_figure import columns_svg, plane_svg

if TYPE_CHECKING:
    from colorization.dataset_build import Dataset

NEAR_GREY = 10  # of |a| and |b|: bins to which grey pixels are encoded

FATES = {
    KEPT: "kept",
    DUPLICATE: "left out as duplicates",
    CREDITS: "left out as credits, with the share of the blue ground",
    FAILED: "could not be read",
}


def summary(dataset: Dataset) -> list[str]:
    """Return a line for each part and a line for each set."""
    lines = []
    for row in _rows(dataset):
        counts = [f"{row['counts'][fate]} {fate}" for fate in FATES if row["counts"][fate]]
        found = ", ".join([f"{row['frames']} frames", *counts]) + " -> " if counts else ""
        lines.append(f"{row['name']} ({row['source']}): {found}{row['sets']}")
    lines += [f"{name}: {len(chosen)} images" for name, chosen in dataset.members.items()]
    if dataset.prior[np.abs(ab_pairs()).max(1) <= NEAR_GREY].sum() > 0.99:
        lines.append("the training images have hardly any colours: none can be learned from them")
    return lines


def write_report(output: Path, dataset: Dataset) -> None:
    """Write index.html, which shows the pictures of the parts, prior.svg and prior_plane.svg."""
    columns, plane = columns_svg(dataset.prior), plane_svg(dataset.prior)
    write_text(output / "prior.svg", columns)
    write_text(output / "prior_plane.svg", plane)
    write_page(
        output / "index.html",
        "dataset_page.html",
        sets={name: len(chosen) for name, chosen in dataset.members.items()},
        fates=list(FATES),
        rows=_rows(dataset),
        failures=dataset.failures,
        columns=columns,
        plane=plane,
        sheets=list(_sheets(output, dataset.parts)),
    )


def _rows(dataset: Dataset) -> list[dict[str, Any]]:
    """Return what is told of each part."""
    rows, roles = [], dataset.roles()
    for part in dataset.parts:
        record = dataset.records.get(part.name)
        counts = Counter(record.counts if record else {})
        frames = sum(counts.values())
        sets = ", ".join(roles[part.name] or ["no set"]) if record else "missing"
        row = {"name": part.name, "source": _source(part), "frames": frames, "counts": counts}
        rows.append({**row, "sets": sets})
    return rows


def _source(part: Part) -> str:
    if isinstance(part, Images):
        return f"{len(part.files)} images"
    whole = part.start == 0 and part.end == inf
    return part.film.name if whole else f"{part.film.name} from {part.start:g} s"


def _sheets(output: Path, parts: list[Part]) -> Iterator[dict[str, str]]:
    """Yield the contact sheets that the parts have."""
    for part in parts:
        for fate, text in FATES.items():
            path = part_folder(output, part) / f"{fate}.png"
            if path.is_file():
                title = f"{part.name}: {text}"
                yield {"title": title, "source": path.relative_to(output).as_posix()}

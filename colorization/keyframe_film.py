"""A film in the colours of its keyframes: carried along its motion, a network filling the rest."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields

import numpy as np

from colorization.array_namespace import Array
from colorization.batch import Job, predicted
from colorization.files import replacing
from colorization.finishing import Finish
from colorization.inference import Colorizer, lightness
from colorization.pipeline import in_order
from colorization.propagation import Source, propagate
from colorization.video import CRF, VideoReader, VideoWriter, open_video


def colour_from_keyframes(
    job: Job,
    keyframes: Mapping[int, np.ndarray],
    colorizer: Colorizer | None = None,
    batch: int = 8,
    crf: int = CRF,
    watch: Callable[[VideoReader], Iterable[tuple[np.ndarray, int]]] = iter,
    finish: Finish | None = None,
    strength: float = 0.0,
) -> tuple[list[Source], list[str]]:
    """Colour a film; return where each frame's colours are from, and what the container left out.

    `keyframes` as in `propagate`; `colorizer` colours what none of them shows, if it is given, its
    colours averaged over time with `strength`; `finish` refines the result. `watch` sees the frames
    pass. On an error no file is left behind; PropagationError for keyframes that do not fit.
    """
    finished = (finish or Finish()).for_film()
    sources: list[Source] = []
    network = _network_colours(job, colorizer, batch, strength) if colorizer else None

    def draw(item: tuple[tuple[np.ndarray, int], np.ndarray]) -> tuple[np.ndarray, int]:
        (frame, pts), ab = item
        return finished.paint(lightness(frame), ab), pts

    with (
        open_video(job.source, grey_planes=True) as film,
        VideoWriter(job.target, film, crf=crf) as writer,
    ):
        coloured = _noting(sources, propagate(job.source, keyframes, network))
        items = zip(watch(film), coloured)
        for frame, pts in map(draw, items) if finished.in_order else in_order(draw, items):
            writer.write(frame, pts)
    return sources, writer.left_out


def _noting(
    sources: list[Source], results: Iterable[tuple[np.ndarray, Source]]
) -> Iterator[np.ndarray]:
    for ab, source in results:
        sources.append(source)
        yield ab


def _network_colours(
    job: Job, colorizer: Colorizer, batch: int, strength: float
) -> Iterator[Array]:
    with open_video(job.source, grey_planes=True) as film:
        for _, ab in predicted(film, colorizer, batch, strength):
            yield ab


def write_sources(path: str | os.PathLike, sources: Iterable[Source]) -> None:
    """Write where the colours are from as CSV, a line for each frame."""
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, ["frame", *(each.name for each in fields(Source))])
        writer.writeheader()
        for number, source in enumerate(sources):
            rounded = {k: round(v, 4) for k, v in asdict(source).items()}
            writer.writerow({"frame": number, **rounded})

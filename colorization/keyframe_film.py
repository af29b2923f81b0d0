"""A film in the colours of its keyframes: carried along its motion, a network filling the rest."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path

import numpy as np

from colorization.array_namespace import Array
from colorization.batch import predicted, warm_up
from colorization.files import replacing, write_text
from colorization.film_parts import ResumableWriter
from colorization.finishing import Finish
from colorization.inference import Colorizer, lightness
from colorization.inputs import Job
from colorization.pipeline import in_order
from colorization.propagation import Source, propagate, survey
from colorization.video import STANDARD, Quality, VideoReader, open_video, remarks

_FILMS = "films.json"


def colour_from_keyframes(
    job: Job,
    keyframes: Mapping[int, np.ndarray],
    colorizer: Colorizer | None = None,
    batch: int = 8,
    quality: Quality = STANDARD,
    watch: Callable[[VideoReader], Iterable[tuple[np.ndarray, int]]] = iter,
    finish: Finish | None = None,
    strength: float = 0.0,
    made_by: Mapping[str, object] | None = None,
    goes_on: Callable[[int], object] = lambda frame: None,
    notes: Path = Path(os.devnull),
) -> tuple[list[Source], list[str]]:
    """Colour a film; return where each frame's colours are from, and what was lost (`remarks`).

    `keyframes` as in `propagate`; `colorizer` colours what none of them shows, if it is given, its
    colours averaged over time with `strength`; `finish` refines the result. `watch` sees the frames
    pass. On an error there is no film at the target; PropagationError for keyframes that do not
    fit.

    With `made_by` and `goes_on` as in `batch.colour_film`, a run that was interrupted goes on, from
    the last keyframe that is early enough. The file `notes` keeps the sources of the frames so far
    until the film is whole; without it everything but the encoding is done again.
    """
    making = None if made_by is None else {**made_by, "strength": strength}
    finished = (finish or Finish()).for_film()
    found = survey(job.source, keyframes)

    def draw(item: tuple[tuple[np.ndarray, int], np.ndarray]) -> tuple[np.ndarray, int]:
        (frame, pts), ab = item
        return finished.paint(lightness(frame), ab, quality.dtype), pts

    with (
        open_video(job.source, grey_planes=True, depth=quality.depth) as film,
        ResumableWriter(job.target, film, making, quality) as writer,
    ):
        head = json.dumps([making, job.source.stat().st_mtime_ns])
        sources = _noted(notes, head) if writer.done else []
        first = found.beginning(max(0, writer.done - warm_up(finish, 0.0)))
        first = first if first <= len(sources) else 0
        del sources[first:]
        if writer.done:
            goes_on(writer.done)
        film.skip(first)
        network = _network_colours(job, colorizer, batch, strength, first) if colorizer else None
        results = propagate(job.source, keyframes, network, found=found, first=first)
        with closing(_noting(notes, head, sources, results)) as colours:
            items = zip(watch(film), colours)
            drawn = map(draw, items) if finished.in_order else in_order(draw, items)
            for frame, pts in islice(drawn, writer.done - first, None):
                writer.write(frame, pts)
    if notes.is_file():
        notes.unlink()
    return sources, remarks(film, writer.left_out)


def _network_colours(
    job: Job, colorizer: Colorizer, batch: int, strength: float, first: int
) -> Iterator[Array]:
    """Yield the network's ab of the frames from `first` on."""
    start = max(0, first - warm_up(None, strength)) // batch * batch
    with open_video(job.source, grey_planes=True) as film:
        film.skip(start)
        for _, ab in islice(predicted(film, colorizer, batch, strength), first - start, None):
            yield ab


def _noting(
    notes: Path, head: str, sources: list[Source], results: Iterable[tuple[np.ndarray, Source]]
) -> Generator[np.ndarray, None, None]:
    """Yield the colours; append their sources to the list, and to a file as `_noted` reads it."""
    notes.parent.mkdir(parents=True, exist_ok=True)
    with open(notes, "w", buffering=1, encoding="utf-8") as file:
        file.write("\n".join([head, *map(_line, sources), ""]))
        for ab, source in results:
            sources.append(source)
            file.write(f"{_line(source)}\n")
            yield ab


def _noted(notes: Path, head: str) -> list[Source]:
    """Return the sources that a run of the same making has noted."""
    if not notes.is_file():
        return []
    own, *lines = notes.read_text("utf-8").split("\n")[:-1] or [""]  # the last may be cut off
    return [Source(**json.loads(line)) for line in lines] if own == head else []


def _line(source: Source) -> str:
    return json.dumps(asdict(source))


def write_sources(path: str | os.PathLike, sources: Iterable[Source]) -> None:
    """Write where the colours are from as CSV, a line for each frame."""
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, ["frame", *(each.name for each in fields(Source))])
        writer.writeheader()
        for number, source in enumerate(sources):
            rounded = {k: round(v, 4) for k, v in asdict(source).items()}
            writer.writerow({"frame": number, **rounded})


def note_film(work: Path, film: Path) -> None:
    """Note in the work folder that a film was written, for `is_noted`."""
    films = {**_films(work), str(film.resolve()): _state(film)}
    write_text(work / _FILMS, json.dumps(films, indent=1))


def is_noted(work: Path, film: Path) -> bool:
    """Tell whether a film is as it was when it was noted."""
    return _films(work).get(str(film.resolve())) == _state(film)


def _films(work: Path) -> dict[str, list[int]]:
    note = work / _FILMS
    return json.loads(note.read_text("utf-8")) if note.is_file() else {}


def _state(film: Path) -> list[int]:
    stat = film.stat()
    return [stat.st_size, stat.st_mtime_ns]

"""Colouring many files: which ones, where to, and their way through the network."""

from __future__ import annotations

import glob
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from colorization import images, video
from colorization.array_namespace import Array
from colorization.files import replacing
from colorization.images import Picture, is_coloured, read_image, write_image
from colorization.inference import Colorizer, join, lightness
from colorization.video import VideoReader, VideoWriter, open_video

WORKERS = min(8, os.cpu_count() or 1)
PIXELS_AHEAD = 2**26  # read ahead of the network at most, which bounds the memory for large images


class InputError(Exception):
    """Inputs and outputs that make no sense: one line."""


class AlreadyColoured(Exception):
    """An image that has colours; it was copied."""


# Which files


@dataclass(frozen=True)
class Job:
    """A file to colour, and the file that is to come of it."""

    source: Path
    target: Path

    @property
    def is_film(self) -> bool:
        return _is_film(self.source)


def find_inputs(
    arguments: Iterable[str], lists: Iterable[str] = (), without: Path | None = None
) -> dict[Path, Path]:
    """Return the files that the arguments name, each with its place below the output.

    An argument is a file; a folder, searched with those in it; a pattern as in the shell, with **
    for any folders; or @FILE, whose lines are arguments, as those of `lists` (empty lines and those
    with # in front do not count). What lies in folders keeps its place there. Hidden files and the
    folder `without`, the output, are passed over; a file named twice counts once. InputError for a
    folder or pattern with nothing in it; a file that does not exist is for the reader to tell.
    """
    found: dict[Path, Path] = {}
    known: set[Path] = set()
    for argument in _arguments(arguments, lists):
        for source, place in _find(argument, without):
            if source.resolve() not in known:
                known.add(source.resolve())
                found[source] = place
    if not found:
        raise InputError("no inputs: give files, folders, patterns or lists of them")
    return found


def plan(
    found: dict[Path, Path],
    output: Path,
    image_format: str | None = None,
    film_format: str | None = None,
) -> list[Job]:
    """Say where each file's result goes.

    `output` is a folder, or for one input a file. Formats are suffixes, .png for example; without
    one a file keeps its own, if that can be written. Of files that differ in nothing but the
    suffix, those that change it get it added to the whole name (a.jpg.png). InputError for two
    results of one name, and for one that would replace an input.
    """
    if _suffix(output) in {**images.FORMATS, **video.CONTAINERS} and not output.is_dir():
        jobs = [_job_to_file(found, output)]
    else:
        jobs = _jobs_to_folder(found, output, image_format, film_format)
    sources = {job.source.resolve() for job in jobs}
    for job in jobs:
        if job.target.resolve() in sources:
            raise InputError(f"{job.target} is an input and would be replaced: choose an --output")
    return jobs


def _arguments(arguments: Iterable[str], lists: Iterable[str]) -> Iterator[str]:
    for argument in arguments:
        if argument.startswith("@"):
            yield from _lines(argument[1:])
        else:
            yield argument
    for name in lists:
        yield from _lines(name)


def _lines(name: str) -> list[str]:
    try:
        lines = [line.strip() for line in Path(name).read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: cannot be read as a list of files: {error}") from error
    return [line for line in lines if line and not line.startswith("#")]


def _find(argument: str, without: Path | None) -> Iterator[tuple[Path, Path]]:
    path = Path(argument)
    if path.is_dir():
        root, candidates = path, _walk(path)
    elif glob.has_magic(argument) and not path.exists():
        root, candidates = _fixed_part(path), _match(argument)
    else:
        yield path, Path(path.name)
        return
    paths = [path for path in candidates if _is_film(path) or _is_image(path)]
    output = without.resolve() if without and not _same(without, root) else None
    paths = [path for path in paths if output not in path.resolve().parents]
    if not paths:
        raise InputError(f"{argument}: no images or films there")
    yield from ((path, path.relative_to(root)) for path in paths)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _match(pattern: str) -> Iterator[Path]:
    for match in map(Path, sorted(glob.glob(pattern, recursive=True))):
        if match.is_file():
            yield match
        elif "**" not in pattern:
            yield from _walk(match)


def _fixed_part(pattern: Path) -> Path:
    """Return the folders in front of the first part that is a pattern."""
    return Path(*takewhile(lambda part: not glob.has_magic(part), pattern.parts))


def _same(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve()


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _is_film(path: Path) -> bool:
    return _suffix(path) in video.SUFFIXES


def _is_image(path: Path) -> bool:
    return _suffix(path) in images.SUFFIXES


def _job_to_file(found: dict[Path, Path], output: Path) -> Job:
    if len(found) != 1:
        raise InputError(f"{output}: one output file for {len(found)} inputs; give a folder")
    job = Job(next(iter(found)), output)
    if job.is_film != (_suffix(output) in video.CONTAINERS):
        raise InputError(f"{output}: {job.source} cannot be written as {output.suffix}")
    return job


def _jobs_to_folder(
    found: dict[Path, Path], output: Path, image_format: str | None, film_format: str | None
) -> list[Job]:
    suffixes = {source: _new_suffix(source, image_format, film_format) for source in found}
    targets = {
        source: output / place.with_suffix(suffixes[source]) for source, place in found.items()
    }
    shared = Counter(targets.values())
    for source, place in found.items():
        if shared[targets[source]] > 1 and place.suffix != suffixes[source]:
            targets[source] = output / place.with_name(place.name + suffixes[source])
    owners: dict[Path, Path] = {}
    for source, target in targets.items():
        if target in owners:
            raise InputError(
                f"{owners[target]} and {source} would both become {target}: "
                "colour them into different folders"
            )
        owners[target] = source
    return [Job(source, target) for source, target in targets.items()]


def _new_suffix(source: Path, image_format: str | None, film_format: str | None) -> str:
    if _is_film(source):
        own = source.suffix if _suffix(source) in video.CONTAINERS else ".mkv"
        return film_format or own
    own = source.suffix if _suffix(source) in images.FORMATS else ".png"
    return image_format or own


# Through the network


def colour_images(
    jobs: Iterable[Job], colorizer: Colorizer, batch: int, skip_coloured: bool = False
) -> Iterator[tuple[Job, BaseException | None]]:
    """Colour image files; yield each job when it is done, with the error that stopped it, if any.

    Images of one working size share a batch. A worker reads the next images, and others write the
    last ones, while the network computes.
    """

    def load(job: Job) -> _Seen:
        picture = read_image(job.source)
        if skip_coloured and is_coloured(picture.rgb):
            _copy(job, picture)
            raise AlreadyColoured
        L = lightness(picture.rgb)
        picture.rgb = np.empty((0, 0, 3), picture.rgb.dtype)  # L says all; the dtype stays
        return _Seen(L, colorizer.shrink(L), picture)

    def finish(job: Job, seen: _Seen, ab: Array) -> None:
        picture = seen.rest
        picture.rgb = join(seen.L, ab, seen.small.shape, picture.rgb.dtype)
        write_image(job.target, picture)

    for job, done in _flow(jobs, load, finish, colorizer, batch):
        yield job, done.exception()


def coloured_frames(
    frames: Iterable[tuple[np.ndarray, int]], colorizer: Colorizer, batch: int
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield frames (RGB, pts) in colour, in their order, a few of them in memory at a time."""

    def load(frame: tuple[np.ndarray, int]) -> _Seen:
        L = lightness(frame[0])
        return _Seen(L, colorizer.shrink(L), frame[1])

    def finish(frame: tuple[np.ndarray, int], seen: _Seen, ab: Array) -> tuple[np.ndarray, int]:
        return join(seen.L, ab, seen.small.shape), seen.rest

    for _, done in _flow(frames, load, finish, colorizer, batch):
        yield done.result()


def colour_film(
    job: Job,
    colorizer: Colorizer,
    batch: int,
    crf: int = 16,
    watch: Callable[[VideoReader], Iterable[tuple[np.ndarray, int]]] = iter,
) -> list[str]:
    """Colour a film, with its times, sound and tags; `watch` sees the frames pass.

    Returns what the container did not take, see `VideoWriter`. On an error, VideoError or another,
    no file is left behind.
    """
    with open_video(job.source) as film, VideoWriter(job.target, film, crf=crf) as writer:
        for frame, pts in coloured_frames(watch(film), colorizer, batch):
            writer.write(frame, pts)
    return writer.left_out


@dataclass
class _Seen:
    """What is kept of an image while it waits for the network."""

    L: np.ndarray
    small: np.ndarray
    rest: Any


_Loading = tuple[Any, "Future[_Seen]"]


def _flow(
    items: Iterable, load: Callable, finish: Callable, colorizer: Colorizer, batch: int
) -> Iterator[tuple[Any, Future]]:
    """Yield (item, its finished work) in order: workers load and finish, the network runs here."""
    with _workers() as pool:
        finishing: deque[tuple[Any, Future]] = deque()
        for group in _groups(_ahead(pool, load, items, batch), batch):
            finishing.extend(_predict(pool, finish, colorizer, group))
            while len(finishing) > 2 * WORKERS:
                yield finishing.popleft()
        yield from finishing


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(WORKERS)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(
    pool: ThreadPoolExecutor, load: Callable, items: Iterable, depth: int
) -> Iterator[_Loading]:
    """Yield (item, its loading) in order, with up to `depth` loadings ahead of the consumer."""
    pending: deque[_Loading] = deque()
    for item in items:
        pending.append((item, pool.submit(load, item)))
        while len(pending) > depth or _pixels(pending) > PIXELS_AHEAD:
            yield pending.popleft()
    yield from pending


def _pixels(loadings: Iterable[_Loading]) -> int:
    """Return the number of pixels that are loaded."""
    done = (future for _, future in loadings if future.done() and not future.exception())
    return sum(future.result().L.size for future in done)


def _groups(loadings: Iterable[_Loading], batch: int) -> Iterator[list[_Loading]]:
    """Gather neighbours of one working size; one that cannot be loaded is a group of its own."""
    group: list[_Loading] = []
    for loading in loadings:
        if group and not _fits(loading, group, batch):
            yield group
            group = []
        group.append(loading)
    if group:
        yield group


def _fits(loading: _Loading, group: list[_Loading], batch: int) -> bool:
    futures = [future for _, future in (loading, group[0])]
    if len(group) >= batch or any(future.exception() for future in futures):
        return False
    new, first = (future.result().small.shape for future in futures)
    return new == first and _pixels([*group, loading]) <= PIXELS_AHEAD


def _predict(
    pool: ThreadPoolExecutor, finish: Callable, colorizer: Colorizer, group: list[_Loading]
) -> list[tuple[Any, Future]]:
    if group[0][1].exception():
        return group
    seen = [future.result() for _, future in group]
    try:
        colours = colorizer.predict([each.small for each in seen])
    except Exception as error:
        return [(item, _failed(error)) for item, _ in group]
    return [
        (item, pool.submit(finish, item, each, ab))
        for (item, _), each, ab in zip(group, seen, colours)
    ]


def _failed(error: Exception) -> Future:
    future: Future = Future()
    future.set_exception(error)
    return future


def _copy(job: Job, picture: Picture) -> None:
    if job.source.suffix.lower() == job.target.suffix.lower():
        with replacing(job.target) as temporary:
            shutil.copyfile(job.source, temporary)
    else:
        write_image(job.target, picture)

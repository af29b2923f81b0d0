"""Colouring many files: which ones, where to, and their way through the network."""

from __future__ import annotations

import glob
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, takewhile
from math import ceil, log
from pathlib import Path

import numpy as np

from colorization import images, video
from colorization.array_namespace import Array
from colorization.files import replacing
from colorization.film_parts import ResumableWriter
from colorization.finishing import Finish
from colorization.images import Picture, is_coloured, read_image, write_image
from colorization.inference import Colorizer, lightness
from colorization.pipeline import Seen, flow, in_order, read_ahead
from colorization.temporal import steady
from colorization.video import CRF, VideoReader, open_video

WARM_UP = 64  # frames, of which 0.85^64 or, of a tracked region's colour, 0.75^64 is left
FAINT = 0.001  # a weight that changes no grey level


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
    jobs: Iterable[Job],
    colorizer: Colorizer,
    batch: int,
    skip_coloured: bool = False,
    finish: Finish | None = None,
) -> Iterator[tuple[Job, BaseException | None]]:
    """Colour image files; yield each job when it is done, with the error that stopped it, if any.

    Images of one working size share a batch. A worker reads the next images, and others write the
    last ones, while the network computes. `finish` makes the images of the network's colours, by a
    spline if it is left out.
    """
    finished = finish or Finish()

    def load(job: Job) -> Seen:
        picture = read_image(job.source)
        if skip_coloured and is_coloured(picture.rgb):
            _copy(job, picture)
            raise AlreadyColoured
        L = lightness(picture.rgb)
        picture.rgb = np.empty((0, 0, 3), picture.rgb.dtype)  # L says all; the dtype stays
        return Seen(L, colorizer.shrink(L), picture)

    def write(job: Job, seen: Seen, ab: Array) -> None:
        picture = seen.rest
        picture.rgb = finished(seen.L, ab, seen.small.shape, picture.rgb.dtype)
        write_image(job.target, picture)

    for job, done in flow(jobs, load, write, colorizer, batch):
        yield job, done.exception()


def coloured_frames(
    frames: Iterable[tuple[np.ndarray, int]],
    colorizer: Colorizer,
    batch: int,
    finish: Finish | None = None,
    strength: float = 0.0,
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the frames (RGB, pts) of a film in colour, in their order, a few of them in memory.

    `finish` as in `colour_images`; `strength` above 0 steadies the colours, see `temporal.steady`.
    """
    finished = (finish or Finish()).for_film()

    def draw(item: tuple[Seen, Array]) -> tuple[np.ndarray, int]:
        seen, ab = item
        return finished(seen.L, ab, seen.small.shape), seen.rest

    coloured = predicted(frames, colorizer, batch, strength)
    yield from map(draw, coloured) if finished.in_order else in_order(draw, coloured)


def predicted(
    frames: Iterable[tuple[np.ndarray, int]],
    colorizer: Colorizer,
    batch: int,
    strength: float = 0.0,
) -> Iterator[tuple[Seen, Array]]:
    """Yield the frames (RGB, pts) of a film as L and pts, each with the network's ab (2, h, w)."""

    def load(frame: tuple[np.ndarray, int]) -> Seen:
        L = lightness(frame[0])
        return Seen(L, colorizer.shrink(L), frame[1])

    def keep(_: object, seen: Seen, ab: Array) -> tuple[Seen, Array]:
        return seen, ab

    read = read_ahead(frames)
    with closing(read), closing(flow(read, load, keep, colorizer, batch)) as passing:
        coloured = (done.result() for _, done in passing)
        yield from _steadied(coloured, strength) if strength else coloured


def _steadied(
    coloured: Iterable[tuple[Seen, Array]], strength: float
) -> Iterator[tuple[Seen, Array]]:
    """Yield the frames with their colours averaged over time."""
    waiting: deque[Seen] = deque()

    def noted() -> Iterator[tuple[np.ndarray, np.ndarray, None]]:
        for seen, ab in coloured:
            waiting.append(seen)
            yield seen.L, ab if isinstance(ab, np.ndarray) else ab.cpu().numpy(), None

    for ab in steady(noted(), strength):
        yield waiting.popleft(), ab


def colour_film(
    job: Job,
    colorizer: Colorizer,
    batch: int,
    crf: int = CRF,
    watch: Callable[[VideoReader], Iterable[tuple[np.ndarray, int]]] = iter,
    finish: Finish | None = None,
    strength: float = 0.0,
    made_by: Mapping[str, object] | None = None,
    goes_on: Callable[[int], object] = lambda frame: None,
) -> list[str]:
    """Colour a film, with its times, sound and tags; `watch` sees the frames pass.

    `finish` and `strength` as in `coloured_frames`. Returns what the container did not take, see
    `VideoWriter`. On an error, VideoError or another, there is no film at the target.

    With `made_by`, which says what the colours depend on but for `strength`, a run that was
    interrupted goes on after the parts of the film that are whole (`ResumableWriter`), and
    `goes_on` is told the number of frames in them. The frames before are coloured again as far as
    `warm_up` tells, and dropped. So the colours are those of an uninterrupted run, to about a grey
    level; only a region that is one half this, one half that colour may choose the other half's.
    """
    making = None if made_by is None else {**made_by, "strength": strength}
    with (
        open_video(job.source, grey_planes=True) as film,
        ResumableWriter(job.target, film, making, crf) as writer,
    ):
        # The batches are those of an uninterrupted run, in which rounding may differ.
        first = max(0, writer.done - warm_up(finish, strength)) // batch * batch
        if writer.done:
            goes_on(writer.done)
        film.skip(first)
        frames = coloured_frames(watch(film), colorizer, batch, finish, strength)
        new = islice(frames, writer.done - first, None)
        with closing(in_order(lambda item: writer.write(*item), new, count=1)) as written:
            deque(written, maxlen=0)
    return writer.left_out


def warm_up(finish: Finish | None, strength: float) -> int:
    """Return how many frames before a frame have a say in its colours.

    None have without steadying and without regions that are followed; WARM_UP otherwise, and more
    where the weight `strength`^n of the frame n before is above FAINT still.
    """
    if not strength and not (finish or Finish()).for_film().in_order:
        return 0
    return max(WARM_UP, ceil(log(FAINT) / log(strength)) if strength else 0)


def _copy(job: Job, picture: Picture) -> None:
    if job.source.suffix.lower() == job.target.suffix.lower():
        with replacing(job.target) as temporary:
            shutil.copyfile(job.source, temporary)
    else:
        write_image(job.target, picture)

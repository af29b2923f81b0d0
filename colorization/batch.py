"""Colouring many files: their way through the network."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from itertools import islice
from math import ceil, log

import numpy as np
from numpy.typing import DTypeLike

from colorization.array_namespace import Array, to_numpy
from colorization.files import replacing
from colorization.film_parts import ResumableWriter
from colorization.finishing import Finish
from colorization.images import Picture, is_coloured, read_image, write_image
from colorization.inference import Colorizer, lightness
from colorization.inputs import Job
from colorization.pipeline import Seen, flow, in_order, read_ahead
from colorization.temporal import steady
from colorization.video import STANDARD, Quality, VideoReader, open_video, remarks

WARM_UP = 64  # frames, of which 0.85^64 or, of a tracked region's colour, 0.75^64 is left
FAINT = 0.001  # a weight that changes no grey level


class AlreadyColoured(Exception):
    """An image that has colours; it was copied."""


def colour_images(
    jobs: Iterable[Job],
    colorizer: Colorizer,
    batch: int,
    skip_coloured: bool = False,
    finish: Finish | None = None,
) -> Iterator[tuple[Job, Exception | None]]:
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

    def write(predicted: tuple[Job, Future[tuple[Seen, Array]]]) -> tuple[Job, Exception | None]:
        job, done = predicted
        try:
            seen, ab = done.result()
            picture = seen.rest
            picture.rgb = finished(seen.L, ab, seen.small.shape, picture.rgb.dtype)
            write_image(job.target, picture)
        except Exception as error:
            return job, error
        return job, None

    yield from in_order(write, flow(jobs, load, colorizer, batch))


def coloured_frames(
    frames: Iterable[tuple[np.ndarray, int]],
    colorizer: Colorizer,
    batch: int,
    finish: Finish | None = None,
    strength: float = 0.0,
    dtype: DTypeLike = np.uint8,
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the frames (RGB, pts) of a film in colour, in their order, a few of them in memory.

    `finish` as in `colour_images`; `strength` above 0 steadies the colours, see `temporal.steady`;
    `dtype` is uint8 or uint16.
    """
    finished = (finish or Finish()).for_film()

    def draw(item: tuple[Seen, Array]) -> tuple[np.ndarray, int]:
        seen, ab = item
        return finished(seen.L, ab, seen.small.shape, dtype), seen.rest

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

    read = read_ahead(frames)
    with closing(read), closing(flow(read, load, colorizer, batch)) as passing:
        coloured = (done.result() for _, done in passing)
        yield from _steadied(coloured, strength) if strength else coloured


def _steadied(
    coloured: Iterable[tuple[Seen, Array]], strength: float
) -> Iterator[tuple[Seen, Array]]:
    """Yield the frames with their colours averaged over time."""
    waiting: deque[Seen] = deque()

    def noted() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for seen, ab in coloured:
            waiting.append(seen)
            yield seen.L, to_numpy(ab)

    for ab in steady(noted(), strength):
        yield waiting.popleft(), ab


def colour_film(
    job: Job,
    colorizer: Colorizer,
    batch: int,
    quality: Quality = STANDARD,
    watch: Callable[[VideoReader], Iterable[tuple[np.ndarray, int]]] = iter,
    finish: Finish | None = None,
    strength: float = 0.0,
    made_by: Mapping[str, object] | None = None,
    goes_on: Callable[[int], object] = lambda frame: None,
) -> list[str]:
    """Colour a film, with its times, sound and tags; `watch` sees the frames pass.

    `finish` and `strength` as in `coloured_frames`. Returns what was lost, see `video.remarks`. On
    an error, VideoError or another, there is no film at the target.

    With `made_by`, which says what the colours depend on but for `strength`, a run that was
    interrupted goes on after the parts of the film that are whole (`ResumableWriter`), and
    `goes_on` is told the number of frames in them. The frames before are coloured again as far as
    `warm_up` tells, and dropped. So the colours are those of an uninterrupted run, to about a grey
    level; only a region that is one half this, one half that colour may choose the other half's.
    """
    making = None if made_by is None else {**made_by, "strength": strength}
    with (
        open_video(job.source, grey_planes=True, depth=quality.depth) as film,
        ResumableWriter(job.target, film, making, quality) as writer,
    ):
        # The batches are those of an uninterrupted run, in which rounding may differ.
        first = max(0, writer.done - warm_up(finish, strength)) // batch * batch
        if writer.done:
            goes_on(writer.done)
        film.skip(first)
        frames = coloured_frames(watch(film), colorizer, batch, finish, strength, quality.dtype)
        new = islice(frames, writer.done - first, None)
        with closing(in_order(lambda item: writer.write(*item), new, count=1)) as written:
            deque(written, maxlen=0)
    return remarks(film, writer.left_out)


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

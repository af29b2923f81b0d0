"""Images and films through a method: its colours on their own L, all else as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from colorization.array_namespace import to_numpy
from colorization.baselines import levin
from colorization.baselines.levin import ScribbleError
from colorization.baselines.scribbles import automatic_scribbles, painted
from colorization.film_parts import ResumableWriter
from colorization.formats import IMAGE_SUFFIXES
from colorization.images import read_image, write_image
from colorization.inference import Colorizer, lightness, paint
from colorization.inputs import InputError, Job
from colorization.video import STANDARD, Quality, VideoReader, open_video, remarks

Painter = Callable[[np.ndarray], np.ndarray]  # L (H, W) -> ab (2, H, W)


def colour_image(job: Job, painter: Painter) -> None:
    """Colour an image file; 16 bits, alpha and metadata stay. ImageError for the file."""
    picture = read_image(job.source)
    L = lightness(picture.rgb)
    picture.rgb = paint(L, painter(L), picture.rgb.dtype)
    write_image(job.target, picture)


def colour_film(
    job: Job,
    painter: Painter,
    quality: Quality = STANDARD,
    watch: Callable[[VideoReader], Iterable[tuple[np.ndarray, int]]] = iter,
    made_by: Mapping[str, object] | None = None,
    goes_on: Callable[[int], object] = lambda frame: None,
) -> list[str]:
    """Colour a film frame by frame, with its times and sound; `watch` sees the frames pass.

    Returns what was lost, see `video.remarks`. On an error there is no film at the target; with
    `made_by` and `goes_on` as in `batch.colour_film` a run that was interrupted goes on.
    """
    with (
        open_video(job.source, grey_planes=True, depth=quality.depth) as film,
        ResumableWriter(job.target, film, made_by, quality) as writer,
    ):
        if writer.done:
            goes_on(writer.done)
        film.skip(writer.done)
        for frame, pts in watch(film):
            L = lightness(frame)
            writer.write(paint(L, painter(L), quality.dtype), pts)
    return remarks(film, writer.left_out)


def by_scribbles(job: Job, scribbles: Path) -> Painter:
    """Return a painter by Levin's method for one image, with the scribbles in a file.

    ScribbleError for a film, of which scribbles show one frame only, and as `painted` has it.
    """
    if job.is_film:
        raise ScribbleError("a film has no scribbles of its own; colour its frames as images")
    picture = read_image(scribbles)
    layers = [picture.rgb] if picture.alpha is None else [picture.rgb, picture.alpha[..., None]]
    image = np.concatenate(layers, axis=2)
    return lambda L: levin.colour(L, *painted(L, image))


def by_network(colorizer: Colorizer) -> Painter:
    """Return a painter that spreads the colours of which the network is sure (thesis, 8.4)."""

    def painter(L: np.ndarray) -> np.ndarray:
        seen = colorizer.shrink(L)
        histogram = to_numpy(colorizer.network(seen[None, None], "prob")[0])
        return levin.colour(L, *automatic_scribbles(L, histogram, seen.shape))

    return painter


def scribbles_of(place: Path, scribbles: Path) -> Path:
    """Return the file with the scribbles for the input of this place below the inputs.

    `scribbles` is that file itself, or a folder in which it lies at the same place under the same
    name, the suffix being that of any image. InputError if there is none.
    """
    if not scribbles.is_dir():
        return scribbles
    for suffix in (place.suffix, *IMAGE_SUFFIXES):
        path = scribbles / place.with_suffix(suffix)
        if path.is_file() and suffix.lower() in IMAGE_SUFFIXES:
            return path
    raise InputError(f"no scribbles for it: {scribbles / place.with_suffix('.png')} is missing")

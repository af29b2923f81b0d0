"""Which parts a data set has: films, stretches of one film, images of folders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf
from pathlib import Path

from colorization.dataset_parts import Episode, ImageFile, Images, Part
from colorization.formats import IMAGE_SUFFIXES
from colorization.inputs import InputError, find_inputs
from colorization.video import open_video

IMAGES_PER_PART = 5000


def find_parts(
    inputs: Iterable[str], cuts: Sequence[float] = (), without: Path | None = None
) -> list[Part]:
    """Return the parts of a data set, in the order of the inputs, which are as of `find_inputs`.

    A film is an episode; with cuts, times in seconds, the one film is as many episodes, which begin
    there. The images of a folder are parts of up to 5000; folders in it are classes, numbered in
    the order of their names. InputError for cuts that do not ascend, that are beyond the end of the
    film, or that come with anything but one film; VideoError for a film with cuts that is broken.
    """
    groups = _groups(inputs, without)
    if cuts:
        film = next(iter(groups))
        if len(groups) > 1 or groups[film]:
            raise InputError("cuts: they are for one film alone")
        return _cut(film, cuts)
    films = [source for source, files in groups.items() if not files]
    folders = [source for source, files in groups.items() if files]
    parts: list[Part] = []
    for source, files in groups.items():
        if files:
            parts += _image_parts(f"images_{folders.index(source) + 1:02d}", files)
        else:
            parts.append(Episode(_episode_name(films.index(source), len(films)), source))
    return parts


def _groups(inputs: Iterable[str], without: Path | None) -> dict[Path, dict[Path, Path]]:
    """Return films, with nothing, and folders, with their images and these' places in them."""
    groups: dict[Path, dict[Path, Path]] = {}
    for argument in inputs:
        for source, place in find_inputs([argument], without=without).items():
            if source.suffix.lower() in IMAGE_SUFFIXES:
                folder = Path(argument) if Path(argument).is_dir() else source.parent
                groups.setdefault(folder, {})[source] = place
            else:
                groups.setdefault(source, {})
    return groups


def _episode_name(index: int, count: int) -> str:
    return f"episode_{index + 1:0{max(2, len(str(count)))}d}"


def _cut(film: Path, cuts: Sequence[float]) -> list[Part]:
    for earlier, later in pairwise(cuts):
        if later <= earlier:
            raise InputError(
                f"cuts: {later:g} s stands after {earlier:g} s, expected ascending times"
            )
    with open_video(film) as reader:
        seconds = len(reader) / float(reader.rate)
    if 0 < seconds <= cuts[-1]:
        raise InputError(f"cuts: {cuts[-1]:g} s is not within {film}, which lasts {seconds:.2f} s")
    names = [_episode_name(index, len(cuts)) for index in range(len(cuts))]
    return [Episode(name, film, *span) for name, span in zip(names, pairwise((*cuts, inf)))]


def _image_parts(group: str, files: dict[Path, Path]) -> list[Part]:
    classes = sorted({place.parts[0] for place in files.values() if len(place.parts) > 1})
    labels = {name: label for label, name in enumerate(classes)}
    found = [
        ImageFile(source, _png_name(f"{group}/{place.as_posix()}"), labels.get(place.parts[0], 0))
        for source, place in files.items()
    ]
    starts = range(0, len(found), IMAGES_PER_PART)
    names = [group] if len(starts) == 1 else [f"{group}_{n:04d}" for n, _ in enumerate(starts, 1)]
    return [
        Images(name, group, tuple(found[start : start + IMAGES_PER_PART]))
        for name, start in zip(names, starts)
    ]


def _png_name(name: str) -> str:
    return name if name.endswith(".png") else f"{name}.png"


def read_cuts(text: str) -> list[float]:
    """Return the seconds of times such as 0,90.5,3:00,1:02:03, or of a .json file with a list."""
    times: object = text.split(",")
    if text.endswith(".json"):
        try:
            times = json.loads(Path(text).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{text}: cannot be read as JSON: {error}") from error
    if not isinstance(times, list):
        raise InputError(f'{text}: expected a list of times, such as [0, 90.5, "3:00"]')
    return [_seconds(str(time)) for time in times]


def _seconds(time: str) -> float:
    found = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)", time.strip())
    if not found:
        raise InputError(f'cuts: "{time}" is no time, expected one like 90.5, 3:00 or 1:02:03')
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds

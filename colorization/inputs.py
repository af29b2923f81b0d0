"""Which files are coloured, and where their results go."""

from __future__ import annotations

import glob
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from colorization.errors import UsageError
from colorization.formats import CONTAINERS, FILM_SUFFIXES, FORMATS, IMAGE_SUFFIXES

if TYPE_CHECKING:
    from colorization.video import Quality


class InputError(UsageError):
    """Inputs and outputs that make no sense: one line."""


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
    folder `without`, the output, are passed over; a file named twice counts once, a link to a file
    is one of its own. InputError for a folder or pattern with nothing in it; a file that does not
    exist is for the reader to tell.
    """
    found: dict[Path, Path] = {}
    known: set[Path] = set()
    for argument in _arguments(arguments, lists):
        for source, place in _find(argument, without):
            name = source.parent.resolve() / source.name
            if name not in known:
                known.add(name)
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
    results of one name, for one that would replace an input, for an output of a kind that cannot be
    written, and for a file where a folder is expected.
    """
    if _names_a_file(output):
        jobs = [_job_to_file(found, output)]
        folder = output.parent
    else:
        jobs = _jobs_to_folder(found, output, image_format, film_format)
        folder = output
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise InputError(f"{place}: it is a file, where a folder is expected")
    sources = {job.source.resolve() for job in jobs}
    for job in jobs:
        if job.target.resolve() in sources:
            raise InputError(f"{job.target} is an input and would be replaced: choose an --output")
    return jobs


def film_beside(
    film: Path, word: str, output: Path | None = None, quality: Quality | None = None
) -> Path:
    """Return where the result of a film goes: to `output`, or beside it as NAME_word.

    Without `output` it has the film's own container, or .mkv where that cannot be written or cannot
    hold the film's sound or have the `quality`. UsageError for the film itself, VideoError where it
    cannot be read, or its result not be written there.
    """
    from colorization.video import UnwritableError, VideoError
    from colorization.video.writer import check_writable

    if output is not None:
        if _same(output, film):
            raise UsageError(f"{output} is the input and would be replaced: choose an --output")
        check_writable(output, film, quality)
        return output
    suffix = film.suffix if _suffix(film) in CONTAINERS else ".mkv"
    beside = film.with_name(f"{film.stem}_{word}{suffix}")
    try:
        check_writable(beside, film, quality)
    except UnwritableError:
        raise
    except VideoError:
        beside = beside.with_suffix(".mkv")
        check_writable(beside, film, quality)
    return beside


def _arguments(arguments: Iterable[str], lists: Iterable[str]) -> Iterator[str]:
    for argument in arguments:
        if argument.startswith("@"):
            yield from _lines(argument[1:])
        else:
            yield argument
    for name in lists:
        yield from _lines(name)


def _lines(name: str) -> list[str]:
    if not name:
        raise InputError("a list of inputs has no name: expected @FILE or --list FILE")
    try:
        lines = [line.strip() for line in Path(name).read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: cannot be read as a list of files: {error}") from error
    return [line for line in lines if line and not line.startswith("#")]


def _find(argument: str, without: Path | None) -> Iterator[tuple[Path, Path]]:
    if not argument:
        raise InputError("an input has no name: expected a file, a folder or a pattern")
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
    """Yield the files in a folder and those in it; links to folders last, and no folder twice."""
    waiting, known = deque([folder]), set()
    while waiting:
        for place, folders, names in os.walk(waiting.popleft()):
            real = os.path.realpath(place)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            if real in known:
                folders.clear()
                continue
            known.add(real)
            paths = [Path(place, name) for name in folders]
            waiting.extend(path for path in paths if path.is_symlink())
            yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _match(pattern: str) -> Iterator[Path]:
    parts = Path(pattern).parts
    if "**" in parts:  # not by glob, which takes links round in circles
        depth = parts.index("**")
        for folder in _glob(str(Path(*parts[:depth]))):
            for path in _walk(folder):
                if _fits(path.relative_to(folder).parts, parts[depth:]):
                    yield path
        return
    for match in _glob(pattern):
        if match.is_file():
            yield match
        else:
            yield from _walk(match)


def _glob(pattern: str) -> list[Path]:
    """Return what fits in the order of names, but links last, as in `_walk`."""
    matches = map(Path, sorted(glob.glob(pattern)))
    return sorted(matches, key=lambda match: sum(p.is_symlink() for p in (match, *match.parents)))


def _fits(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_fits(parts[n:], patterns[1:]) for n in range(len(parts) + 1))
    return bool(parts) and fnmatch(parts[0], patterns[0]) and _fits(parts[1:], patterns[1:])


def _fixed_part(pattern: Path) -> Path:
    """Return the folders in front of the first part that is a pattern."""
    return Path(*takewhile(lambda part: not glob.has_magic(part), pattern.parts))


def _same(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve()


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _is_film(path: Path) -> bool:
    return _suffix(path) in FILM_SUFFIXES


def _is_image(path: Path) -> bool:
    return _suffix(path) in IMAGE_SUFFIXES


if TYPE_CHECKING:
    from colorization.video import Quality


def _names_a_file(output: Path) -> bool:
    if output.is_dir():
        return False
    for known, written, kind in (
        (IMAGE_SUFFIXES, FORMATS, "images"),
        (FILM_SUFFIXES, CONTAINERS, "films"),
    ):
        if _suffix(output) in written:
            return True
        if _suffix(output) in known:
            raise InputError(f"{output}: {kind} are written as {', '.join(written)}")
    return False


def _job_to_file(found: dict[Path, Path], output: Path) -> Job:
    if len(found) != 1:
        raise InputError(f"{output}: one output file for {len(found)} inputs; give a folder")
    job = Job(next(iter(found)), output)
    if job.is_film != (_suffix(output) in CONTAINERS):
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
        own = source.suffix if _suffix(source) in CONTAINERS else ".mkv"
        return film_format or own
    own = source.suffix if _suffix(source) in FORMATS else ".png"
    return image_format or own

"""The parts of a data set: an episode of a film, or some of the images of a folder.

A part is made in one go, by one process, into `<output>/parts/<name>/`:

    record.json      what it was made from, which frames were kept and which left out, what failed
    lmdb/            the frames kept, as Datums, until the data set is complete
    histograms.f32   the mean histogram (313,) of each frame kept, one after the other
    <rule>.png       a sample of the frames kept, and of those that a rule left out

The folder appears when the part is finished.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from colorization import duplicates
from colorization.contact_sheets import EvenSample, write_sheet
from colorization.credits import BLUE_SHARE, credits_confidence
from colorization.dataset import cropped, datum, mean_histogram, write_records
from colorization.duplicates import DuplicateFilter
from colorization.files import replacing
from colorization.histogram import Q
from colorization.images import ImageError, eight_bits, read_image
from colorization.resizing import FRAME_SIZE, resized
from colorization.sections import Section

RECORD, LMDB, HISTOGRAMS, FRAMES = "record.json", "lmdb", "histograms.f32", "frames"
KEPT, DUPLICATE, CREDITS = "kept", "duplicates", "credits"  # what can become of a frame
FAILED = "failed"  # what can become of an image


@dataclass(frozen=True)
class Recipe:
    """What is done to frames and images."""

    size: int = FRAME_SIZE
    threshold: float = duplicates.THRESHOLD
    duplicates_filter: bool = True
    credits_filter: bool = True
    lmdb: bool = True
    png: bool = False


class Sifted(NamedTuple):
    """A frame or image, and what became of it."""

    name: str  # below the frames folder
    label: int
    caption: str
    image: np.ndarray  # (size, size, 3) where it was kept, any size otherwise
    fate: str
    confidence: float = 0.0  # that it shows credits


@dataclass(frozen=True)
class Episode:
    """A film, or what lies in it from `start` to `end` seconds."""

    name: str
    film: Path
    start: float = 0.0
    end: float = inf

    @property
    def group(self) -> str:
        return self.name

    def sources(self) -> list[tuple[str, Path]]:
        return [(f"{self.film.name} from {self.start} to {self.end}", self.film)]

    def sifted(self, recipe: Recipe, failures: list[str]) -> Iterator[Sifted]:
        """Yield the frames in their order; VideoError where the film is broken."""
        repeats = DuplicateFilter(recipe.threshold)
        with Section(self.film, self.start, self.end) as film:
            for number, (frame, _) in enumerate(film):
                name = f"{self.group}/frame_{number:06d}.png"
                if recipe.duplicates_filter and repeats.is_duplicate(frame):
                    yield Sifted(name, 0, f"{number}", frame, DUPLICATE)
                    continue
                image = resized(frame, recipe.size, recipe.size)
                confidence = credits_confidence(image) if recipe.credits_filter else 0.0
                if confidence > BLUE_SHARE:
                    caption = f"{number}: {confidence:.0%}"
                    yield Sifted(name, 0, caption, image, CREDITS, confidence)
                else:
                    yield Sifted(name, 0, f"{number}", image, KEPT)


class ImageFile(NamedTuple):
    """An image, its name below the frames folder, and the number of its class."""

    path: Path
    name: str
    label: int


@dataclass(frozen=True)
class Images:
    """Some of the images of a folder."""

    name: str
    group: str  # the name that all images of the folder share
    files: tuple[ImageFile, ...]

    def sources(self) -> list[tuple[str, Path]]:
        return [(f"{file.name} {file.label}", file.path) for file in self.files]

    def sifted(self, recipe: Recipe, failures: list[str]) -> Iterator[Sifted]:
        """Yield the images in their order; what cannot be read goes to the failures."""
        for path, name, label in self.files:
            try:
                image = cropped(eight_bits(read_image(path).rgb), recipe.size)
            except ImageError as error:
                failures.append(str(error))
                yield Sifted(name, label, path.name, np.zeros((1, 1, 3), np.uint8), FAILED)
            else:
                yield Sifted(name, label, path.name, image, KEPT)


Part = Episode | Images


@dataclass
class Record:
    """What became of the frames or images of a part."""

    identity: dict
    kept: list[tuple[str, int]] = field(default_factory=list)  # names and labels, in their order
    left_out: dict[str, list[str]] = field(default_factory=dict)  # fate -> names
    confidence: dict[str, float] = field(default_factory=dict)  # names of credits -> that they are
    failures: list[str] = field(default_factory=list)  # one line each

    @property
    def counts(self) -> dict[str, int]:
        """How many frames had each fate."""
        left_out = {fate: len(names) for fate, names in self.left_out.items()}
        return {KEPT: len(self.kept), **left_out}

    def note(self, sifted: Sifted) -> None:
        if sifted.fate == KEPT:
            self.kept.append((sifted.name, sifted.label))
        else:
            self.left_out.setdefault(sifted.fate, []).append(sifted.name)
        if sifted.confidence:
            self.confidence[sifted.name] = round(sifted.confidence, 4)


def identity(part: Part, recipe: Recipe) -> dict:
    """Return all that the content of a part depends on."""
    digest = hashlib.sha256()
    for name, path in part.sources():
        digest.update(f"{name}\0".encode())
        with suppress(OSError):  # a file that cannot be read is told when it is read
            stat = path.stat()
            digest.update(f"{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return {"group": part.group, "recipe": asdict(recipe), "sources": digest.hexdigest()}


def part_folder(output: Path, part: Part) -> Path:
    return output / "parts" / part.name


def read_record(folder: Path) -> Record | None:
    """Return the record of a part that was finished, by whatever recipe; None if none was."""
    try:
        return Record(**json.loads((folder / RECORD).read_text("utf-8")))
    except (OSError, TypeError, ValueError):  # missing, or of another version
        return None


def histograms(output: Path, part: Part) -> np.ndarray:
    """Return the mean histograms (kept frames, 313) of a finished part, float32."""
    return np.fromfile(part_folder(output, part) / HISTOGRAMS, "<f4").reshape(-1, Q)


def make_part(
    part: Part, recipe: Recipe, output: Path, tick: Callable[[], None] = lambda: None
) -> Record:
    """Make a part, in place of an older one; `tick` is called after each frame or image.

    VideoError where a film is broken: then nothing is left behind. Images that cannot be read are
    in the record.
    """
    folder = part_folder(output, part)
    temporary = folder.with_name(f".{part.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        record = _make(part, recipe, temporary, output / FRAMES, tick)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return record


def _make(part: Part, recipe: Recipe, folder: Path, frames: Path, tick: Callable) -> Record:
    record = Record(identity(part, recipe))
    samples: dict[str, EvenSample] = {}
    with open(folder / HISTOGRAMS, "wb") as file:

        def kept() -> Iterator[Sifted]:
            for sifted in part.sifted(recipe, record.failures):
                record.note(sifted)
                samples.setdefault(sifted.fate, EvenSample()).offer(sifted.caption, sifted.image)
                if sifted.fate == KEPT:
                    file.write(mean_histogram(sifted.image).astype("<f4").tobytes())
                    if recipe.png:
                        _write_png(frames / sifted.name, sifted.image)
                    yield sifted
                tick()

        if recipe.lmdb:
            write_records(folder / LMDB, ((s.name, datum(s.image, s.label)) for s in kept()))
        else:
            deque(kept(), maxlen=0)
    for fate, sample in samples.items():
        write_sheet(folder / f"{fate}.png", sample.pictures)
    (folder / RECORD).write_text(json.dumps(asdict(record)), "utf-8")
    return record


def _write_png(path: Path, image: np.ndarray) -> None:
    """Write with OpenCV, which takes a fifth of Pillow's time, in ways that lose nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(image[:, :, ::-1]))
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())

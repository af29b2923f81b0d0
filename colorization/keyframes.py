"""Frames of a film that a person has coloured: exported to be painted, found, read."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from colorization.errors import ColorizationError
from colorization.formats import IMAGE_SUFFIXES
from colorization.images import Picture, eight_bits, is_coloured, read_image, write_image
from colorization.inference import lightness, shrink
from colorization.propagation import SHORT_SIDE
from colorization.resizing import resized
from colorization.video import open_video

TINT = 5  # levels of 255: a pixel whose colour differs by more was painted
PAINTED = 0.0005  # of the pixels, 11x11 in 640x360, from which on an image was painted
COMPARED = 72  # pixels: the shorter side at which a keyframe is compared with its frame
DETAIL = 3.0  # pixels of these: the sigma of what counts as large, and may be painted over
FLAT = 1.0  # of L: with less detail than this there is nothing to compare
LIKENESS = 0.5  # least correlation of detail; strong paint leaves 0.7, another crop 0.3


class KeyframeError(ColorizationError):
    """Keyframes that cannot be used; the message is one line."""


def frame_number(path: Path) -> int:
    """Return the number of the frame, from 0, that a file shows.

    It stands behind "frame_", as `export_frames` writes it; elsewhere it is the last digits.
    """
    digits = re.findall(r"frame_(\d+)", path.stem, re.IGNORECASE) or re.findall(r"\d+", path.stem)
    if not digits:
        raise KeyframeError(
            f"{path}: the name has no frame number, expected one like frame_0012.png"
        )
    return int(digits[-1])


def read_keyframes(
    clip: Path, paths: Iterable[Path], tell: Callable[[str], object] = lambda line: None
) -> dict[int, np.ndarray]:
    """Return frame number -> RGB image (H, W, 3), uint8, by ascending number.

    An image whose shorter side is above SHORT_SIDE is made smaller: colours move at that size.
    Images that have no colours yet are passed over. `tell` gets a line on each of them, and on
    each that does not look like its frame of the clip. KeyframeError if none is left, for two of
    one frame, and for frames beyond the clip.
    """
    files = _numbered(paths)
    images = {n: _bounded(eight_bits(read_image(path).rgb)) for n, path in files.items()}
    for number, frame in _frames(clip, files):
        if not _is_painted(images[number], _bounded(frame)):
            tell(f"{files[number]}: passed over, as it has no colours yet")
            del images[number]
        elif not _looks_like(images[number], frame):
            tell(f"{files[number]}: does not look like frame {number} of {clip}; used as it is")
    if not images:
        raise KeyframeError("no keyframe has colours yet; colour one or more in any program")
    return images


def _numbered(paths: Iterable[Path]) -> dict[int, Path]:
    """Return frame number -> file, by ascending number."""
    files: dict[int, Path] = {}
    for path in paths:
        number = frame_number(path)
        if number in files:
            raise KeyframeError(f"{files[number]} and {path}: both are frame {number}; keep one")
        files[number] = path
    return dict(sorted(files.items()))


def _frames(clip: Path, numbers: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield number and RGB of some frames of a film; KeyframeError where one is beyond it."""
    wanted = set(numbers)
    last = max(wanted)
    with open_video(clip) as film:
        for number, (frame, _) in enumerate(film):
            if number in wanted:
                yield number, frame
            if number == last:
                return
    raise KeyframeError(f"{clip}: has {number + 1} frames, frame {last} is beyond them")


def _is_painted(image: np.ndarray, frame: np.ndarray) -> bool:
    """Tell whether an image has colours, and others than its frame, if that has next to none."""
    H, W, _ = image.shape
    own, before = _chroma(image), _chroma(resized(frame, W, H))
    return _is_tinted(own) and (_is_tinted(own - before) or is_coloured(frame))


def _chroma(rgb: np.ndarray) -> np.ndarray:
    """Return by how much the channels are off their mean."""
    values = rgb.astype(np.float32)
    return values - values.mean(-1, keepdims=True)


def _is_tinted(chroma: np.ndarray) -> bool:
    return bool((np.abs(chroma).max(-1) > TINT).mean() > PAINTED)


def _looks_like(image: np.ndarray, frame: np.ndarray) -> bool:
    """Tell whether an image has the detail of a frame in the same places, whatever its colours."""
    H, W, _ = frame.shape
    scale = min(1.0, COMPARED / min(H, W))
    size = round(H * scale), round(W * scale)
    one, other = (_detail(shrink(lightness(rgb), size)) for rgb in (image, frame))
    if other.std() < FLAT:
        return True
    return float((one * other).mean()) > LIKENESS * float(one.std() * other.std())


def _detail(L: np.ndarray) -> np.ndarray:
    detail = L - cv2.GaussianBlur(L, (0, 0), DETAIL)
    return detail - detail.mean()


def _bounded(rgb: np.ndarray) -> np.ndarray:
    H, W, _ = rgb.shape
    scale = min(1.0, SHORT_SIDE / min(H, W))
    return rgb if scale == 1 else resized(rgb, round(W * scale), round(H * scale))


def digest_of(keyframes: dict[int, np.ndarray]) -> str:
    """Return the SHA-256 of all numbers and pixels."""
    digest = hashlib.sha256()
    for number, image in keyframes.items():
        digest.update(number.to_bytes(8, "little") + image.tobytes())
    return digest.hexdigest()


def keyframe_files(arguments: Iterable[str | os.PathLike]) -> list[Path]:
    """Return the images that the arguments, files and folders, name; not the hidden ones."""
    files: list[Path] = []
    for path in map(Path, arguments):
        if path.is_dir():
            files += _images_in(path)
        elif path.exists():
            files.append(path)
        else:
            raise KeyframeError(f"{path}: no such file or folder")
    if not files:
        raise KeyframeError("no keyframes: give coloured images, or folders that hold some")
    return files


def _images_in(folder: Path) -> list[Path]:
    shown = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in shown if path.suffix.lower() in IMAGE_SUFFIXES)


def export_frames(
    clip: Path, numbers: Sequence[int], folder: Path
) -> tuple[list[Path], list[Path]]:
    """Write frames of a film as frame_<number>.png, for a person to colour.

    A frame of which the folder has an image already is left out, as that may be painted. Returns
    the new files and those that were there. KeyframeError for a number beyond the film; then
    nothing is written.
    """
    for _ in _frames(clip, [max(numbers)]):
        pass  # all numbers are good
    there = _exported(folder)
    missing = set(numbers) - there.keys()
    written = []
    for number, frame in _frames(clip, missing) if missing else ():
        written.append(folder / f"frame_{number:06d}.png")
        write_image(written[-1], Picture(frame))
    return written, [there[number] for number in sorted(set(numbers) & there.keys())]


def _exported(folder: Path) -> dict[int, Path]:
    """Return the images in a folder, if there is one, by the frames that they show."""
    images = _images_in(folder) if folder.is_dir() else []
    return {frame_number(path): path for path in images if re.search(r"\d", path.stem)}

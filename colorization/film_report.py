"""What there is to see of a coloured film: films side by side, contact sheets, figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colorization.images import Picture, write_image
from colorization.metrics import psnr
from colorization.resizing import resized
from colorization.video import Quality, VideoWriter, open_video

CAPTION_HEIGHT = 28
MARGIN = 6
BACKGROUND = 24  # grey level around pictures
FRAME_WIDTH = 480  # of each film in a side-by-side film
THUMBNAIL_WIDTH = 320
MOST_IN_A_ROW = 4  # films of a grid
GRID_CRF = 20  # of H.264: it is to look at, not to go on with
NOTHING = 48  # grey level where a film has no picture


def _together(films: Sequence[Path]) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the frames of several films, as long as all have one more."""
    with ExitStack() as stack:
        readers = [stack.enter_context(open_video(path)) for path in films]
        for frames in zip(*readers):
            yield tuple(frame for frame, _ in frames)


def frame_psnr(film: Path, original: Path, size: int = 256) -> list[float]:
    """Return the PSNR in dB of each frame of a film, both films brought to size x size pixels."""
    return [
        psnr(resized(frame, size, size), resized(reference, size, size))
        for frame, reference in _together([film, original])
    ]


def side_by_side(films: Mapping[str, Path], target: Path) -> None:
    """Write a film that shows films beside each other, each under its caption."""
    with open_video(next(iter(films.values()))) as first:
        rate = first.rate
    with VideoWriter(target, rate=rate) as writer:
        for frames in _together(list(films.values())):
            pictures = [_scaled(frame, FRAME_WIDTH) for frame in frames]
            writer.write(row([captioned(p, c) for p, c in zip(pictures, films)]))


class GridFilm:
    """Writes a film that shows several pictures in a grid, each under its caption.

    Every cell has the shape of the first picture at the width FRAME_WIDTH; pictures of another
    shape are fitted into it. Frame by frame: memory does not grow with the length.
    """

    def __init__(self, target: Path, rate: Fraction | int):
        self._writer = VideoWriter(target, rate=rate, quality=Quality(GRID_CRF))
        self._height = 0

    def __enter__(self) -> GridFilm:
        self._writer.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._writer.__exit__(*error)

    def write(self, pictures: Sequence[tuple[str, np.ndarray | None]]) -> None:
        """Append a frame: captions and RGB (H, W, 3) uint8, or None; always as many."""
        self._height = self._height or _height_of(pictures)
        cells = [
            captioned(_fitted(rgb, FRAME_WIDTH, self._height), caption) for caption, rgb in pictures
        ]
        self._writer.write(_grid(cells))


def _height_of(pictures: Sequence[tuple[str, np.ndarray | None]]) -> int:
    """Return the height of the first picture at the width FRAME_WIDTH, an even number."""
    H, W = next(rgb.shape[:2] for _, rgb in pictures if rgb is not None)
    return max(2, round(H * FRAME_WIDTH / W / 2) * 2)


def _fitted(rgb: np.ndarray | None, width: int, height: int) -> np.ndarray:
    """Return a picture as large as fits, in the middle of (height, width, 3)."""
    cell = np.full((height, width, 3), NOTHING, np.uint8)
    if rgb is not None:
        scale = min(width / rgb.shape[1], height / rgb.shape[0])
        H, W = (max(1, round(side * scale)) for side in rgb.shape[:2])
        H = height if height - H < 2 else H  # the cell's height was rounded to an even number
        top, left = (height - H) // 2, (width - W) // 2
        cell[top : top + H, left : left + W] = resized(rgb, W, H)
    return cell


def _grid(cells: Sequence[np.ndarray]) -> np.ndarray:
    """Return pictures of one shape in rows of about as many."""
    rows = math.ceil(len(cells) / MOST_IN_A_ROW)
    columns = math.ceil(len(cells) / rows)
    empty = np.full_like(cells[0], BACKGROUND)
    cells = [*cells, *[empty] * (rows * columns - len(cells))]
    strips = [row(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    return np.concatenate(strips)


def contact_sheet(films: Mapping[str, Path], numbers: Sequence[int], target: Path) -> None:
    """Write an image with a row for each of these frames and a column for each film."""
    wanted, rows = set(numbers), []
    for number, frames in enumerate(_together(list(films.values()))):
        if number in wanted:
            pictures = [_scaled(frame, THUMBNAIL_WIDTH) for frame in frames]
            captions = [f"{caption}, frame {number}" for caption in films]
            rows.append(row([captioned(p, c) for p, c in zip(pictures, captions)]))
    write_image(target, Picture(np.concatenate(rows)))


def _scaled(frame: np.ndarray, width: int) -> np.ndarray:
    height = round(frame.shape[0] * width / frame.shape[1] / 2) * 2
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)


def captioned(frame: np.ndarray, caption: str) -> np.ndarray:
    """Return a frame with its caption above it."""
    return np.concatenate([_caption(caption, frame.shape[1]), frame])


@lru_cache(maxsize=64)
def _caption(text: str, width: int) -> np.ndarray:
    strip = Image.new("RGB", (width, CAPTION_HEIGHT), (BACKGROUND,) * 3)
    font = ImageFont.load_default(16)
    ImageDraw.Draw(strip).text((4, 4), " ".join(text.split()), fill=(235, 235, 235), font=font)
    return np.asarray(strip)


def row(pictures: Sequence[np.ndarray]) -> np.ndarray:
    gap = np.full((pictures[0].shape[0], MARGIN, 3), BACKGROUND, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=1)

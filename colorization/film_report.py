"""What there is to see of a coloured film: films side by side, contact sheets, figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colorization.dataset import resized
from colorization.images import Picture, write_image
from colorization.metrics import psnr
from colorization.video import VideoWriter, open_video

CAPTION_HEIGHT = 28
MARGIN = 6
BACKGROUND = 24  # grey level around pictures
FRAME_WIDTH = 480  # of each film in a side-by-side film
THUMBNAIL_WIDTH = 320


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
            writer.write(_row([_captioned(p, c) for p, c in zip(pictures, films)]))


def contact_sheet(films: Mapping[str, Path], numbers: Sequence[int], target: Path) -> None:
    """Write an image with a row for each of these frames and a column for each film."""
    wanted, rows = set(numbers), []
    for number, frames in enumerate(_together(list(films.values()))):
        if number in wanted:
            pictures = [_scaled(frame, THUMBNAIL_WIDTH) for frame in frames]
            captions = [f"{caption}, frame {number}" for caption in films]
            rows.append(_row([_captioned(p, c) for p, c in zip(pictures, captions)]))
    write_image(target, Picture(np.concatenate(rows)))


def _scaled(frame: np.ndarray, width: int) -> np.ndarray:
    height = round(frame.shape[0] * width / frame.shape[1] / 2) * 2
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)


def _captioned(frame: np.ndarray, caption: str) -> np.ndarray:
    """Return a frame with its caption above it."""
    strip = Image.new("RGB", (frame.shape[1], CAPTION_HEIGHT), (BACKGROUND,) * 3)
    font = ImageFont.load_default(16)
    ImageDraw.Draw(strip).text((4, 4), caption, fill=(235, 235, 235), font=font)
    return np.concatenate([np.asarray(strip), frame])


def _row(pictures: Sequence[np.ndarray]) -> np.ndarray:
    gap = np.full((pictures[0].shape[0], MARGIN, 3), BACKGROUND, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=1)

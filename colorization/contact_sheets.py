"""Small pictures of many images, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colorization.images import Picture, write_image
from colorization.resizing import resized

SIDE = 128  # of a small picture, in pixels
COLUMNS = 8
CAPTION_HEIGHT = 16
GAP = 4
BACKGROUND, FOREGROUND = (24,) * 3, (235,) * 3
LONGEST_CAPTION = 20  # characters


class EvenSample:
    """Keeps some of the images it is offered, evenly spread over all, however many they become.

    Every n-th is kept, the first included. Where 2 * least would be, every second of them goes and
    n doubles. So of many images, `least` to 2 * least - 1 are kept.
    """

    def __init__(self, least: int = 12):
        self.pictures: list[tuple[str, np.ndarray]] = []  # caption, (SIDE, SIDE, 3)
        self._least, self._step, self._offered = least, 1, 0

    def offer(self, caption: str, image: np.ndarray) -> None:
        if self._offered % self._step == 0:
            if len(self.pictures) == 2 * self._least - 1:
                del self.pictures[1::2]
                self._step *= 2  # the image at hand is no multiple of it
            else:
                self.pictures.append((caption, resized(image, SIDE, SIDE)))
        self._offered += 1


def write_sheet(path: str | os.PathLike, pictures: Sequence[tuple[str, np.ndarray]]) -> None:
    """Write captioned pictures (SIDE, SIDE, 3), uint8, in rows, as one image; at least one."""
    columns, rows = min(COLUMNS, len(pictures)), -(-len(pictures) // COLUMNS)
    width, height = SIDE + GAP, SIDE + CAPTION_HEIGHT + GAP
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (caption, picture) in enumerate(pictures):
        x, y = number % COLUMNS * width + GAP, number // COLUMNS * height + GAP
        draw.text((x, y), caption[-LONGEST_CAPTION:], fill=FOREGROUND, font=font)
        sheet.paste(Image.fromarray(picture), (x, y + CAPTION_HEIGHT))
    write_image(path, Picture(np.asarray(sheet)))

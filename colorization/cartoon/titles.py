"""The credits: white lettering on blue.

The lettering is Aileron Regular (dotcolon.net, CC0), which Pillow carries within itself.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colorization.cartoon.ink import FRAME_HEIGHT, SUPERSAMPLING
from colorization.cartoon.light import Colour

BLUE: Colour = (0, 60, 204)
SERIES = "Hugo & Bert"


def opening(number: int, title: str, width: int, height: int) -> np.ndarray:
    """Return the opening credits of an episode (height, width, 3), uint8, in RGB."""
    lines = [(SERIES, 92.0, 190.0), (title, 58.0, 300.0), (f"Episode {number}", 34.0, 376.0)]
    return _card(lines, width, height)


def closing(width: int, height: int) -> np.ndarray:
    """Return the closing credits (height, width, 3), uint8, in RGB."""
    return _card([("The End", 104.0, 226.0), ("an open cartoon", 40.0, 336.0)], width, height)


def _card(lines: list[tuple[str, float, float]], width: int, height: int) -> np.ndarray:
    """Centred lines (text, size, height of the middle in drawing units)."""
    unit = SUPERSAMPLING * height / FRAME_HEIGHT
    card = Image.new("RGB", (SUPERSAMPLING * width, SUPERSAMPLING * height), BLUE)
    draw = ImageDraw.Draw(card)
    for text, size, middle in lines:
        font = ImageFont.load_default(size * unit)
        fitting = min(1.0, 0.9 * card.width / font.getlength(text))
        font = ImageFont.load_default(size * unit * fitting)
        at = (card.width / 2, middle * unit)
        draw.text(
            at, text, (255, 255, 255), font, anchor="mm", stroke_width=round(unit * size / 60)
        )
    return cv2.resize(np.asarray(card), (width, height), interpolation=cv2.INTER_AREA)

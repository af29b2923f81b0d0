"""docs/cartoon.jpg: frames of the open cartoon's held-out episode, coloured by the default network.

python docs/make_cartoon_picture.py
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from colorization.cartoon.film import Episode
from colorization.film_report import captioned, row
from colorization.images import Picture, write_image
from colorization.inference import Colorizer, lightness, without_colour
from colorization.resizing import resized

FRAMES = (96, 250, 430)
WIDTH, HEIGHT = 320, 240


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    episode, colorizer = Episode(1), Colorizer(size=(256, 256))
    wanted = (next(islice(episode.frames(), number, None)).picture for number in FRAMES)
    rows = []
    for original in wanted:
        grey = without_colour(lightness(original))
        pictures = {"grey": grey, "coloured": colorizer(grey), "original": original}
        shown = [captioned(resized(p, WIDTH, HEIGHT), caption) for caption, p in pictures.items()]
        rows.append(row(shown))
    write_image(Path(__file__).with_name("cartoon.jpg"), Picture(np.concatenate(rows)))


if __name__ == "__main__":
    main()

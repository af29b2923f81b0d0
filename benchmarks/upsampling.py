"""Time and PSNR of the two ways to bring colours to the size of an image.

    python benchmarks/upsampling.py [FILM ...]

The true colours of frames, shrunk and subsampled as for the training, are interpolated by the
spline and by joint bilateral upsampling, joined with the true L and compared with the frames.
"""

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import mean, median

import cv2
import numpy as np
from common import machine, milliseconds

from colorization.colour import Lab_to_sRGB, sRGB_to_Lab
from colorization.inference import lightness
from colorization.joint_bilateral import joint_bilateral_upsample
from colorization.metrics import psnr
from colorization.resources import resource
from colorization.upsampling import STRIDE, upsample
from colorization.video import open_video

SIZES = ((640, 360), (1920, 1080))  # width, height
SEEN = (256, 256)  # what the training's frames are shrunk to
FRAMES, EVERY = 12, 11

METHODS: dict[str, Callable] = {
    "spline": lambda ab, L: upsample(ab, L.shape, SEEN),
    "joint bilateral": lambda ab, L: joint_bilateral_upsample(ab, L, SEEN),
}


def main(arguments: list[str]) -> None:
    print(machine())
    print(f"{'film':<20} {'size':<10} {'method':<16} {'ms':>8} {'PSNR':>7}")
    for film in map(Path, arguments or [resource("bigbuckbunny.mp4")]):
        for size in SIZES:
            images = [cv2.resize(frame, size) for frame in _frames(film)]
            for name, method in METHODS.items():
                times, values = zip(*(_measure(image, method) for image in images))
                where = f"{film.name:<20} {'x'.join(map(str, size)):<10} {name:<16}"
                print(f"{where} {median(times):8.1f} {mean(values):7.2f}")


def _frames(film: Path) -> Iterator[np.ndarray]:
    with open_video(film) as frames:
        yield from (frame for frame, _ in islice(frames, 0, FRAMES * EVERY, EVERY))


def _measure(image: np.ndarray, method: Callable) -> tuple[float, float]:
    """Return the time in milliseconds, and the PSNR in dB of the colours with the image's own L."""
    L, samples = lightness(image), _samples(image)
    result: list[np.ndarray] = []
    time = milliseconds(lambda: result.append(method(samples, L)))
    sRGB = Lab_to_sRGB(np.concatenate((L[None], result[0])), axis=0).transpose(1, 2, 0)
    return time, psnr(np.rint(sRGB * 255).astype(np.uint8), image)


def _samples(image: np.ndarray) -> np.ndarray:
    """Return the true ab (2, h, w) of every fourth pixel of the image as a network sees it."""
    small = cv2.resize(image, SEEN[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    ab = sRGB_to_Lab(small / 255)[::STRIDE, ::STRIDE, 1:]
    return np.ascontiguousarray(ab.transpose(2, 0, 1))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Time and effect of steadying colours.

    python benchmarks/temporal.py [COLOURED ORIGINAL]

Without films: frames a second of a film's whole way from RGB to RGB, at three sizes, and the shares
of its parts. With a coloured film and its original: E_warp and PSNR, before and after. E_warp is
given thrice: of RGB; of RGB above that of the lightness alone, which steadying cannot change; and
of the colours alone, all pixels being at L = 50.
"""

import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
import torch
from common import machine

from colorization.colour import Lab_to_sRGB, sRGB_to_Lab
from colorization.film_report import frame_psnr
from colorization.optical_flow import optical_flow
from colorization.resources import resource
from colorization.shots import ShotDetector
from colorization.temporal import steady, steady_frames
from colorization.video import VideoWriter, open_video
from colorization.warping_error import SIDE, flicker, pair_errors

SIZES = ((256, 256), (640, 360), (1280, 720))  # width, height
FRAMES = 25


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(machine())
    if arguments:
        coloured, original = map(Path, arguments)
        _effect(coloured, original)
    else:
        for size in SIZES:
            _speed(size)


def _speed(size: tuple[int, int]) -> None:
    with open_video(resource("bigbuckbunny.mp4")) as film:
        frames = [cv2.resize(frame, size) for frame, _ in islice(film, FRAMES)]
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    planes = [grey.astype(np.float32) / 2.55 for grey in greys]
    colours = [np.zeros((2, 64, 64), np.float32)] * FRAMES
    print(
        f"{'x'.join(map(str, size)):<9}"
        f" whole {_rate(steady_frames(zip(frames, range(FRAMES)))):6.1f} frames/s,"
        f" ab of a network {_rate(steady(zip(planes, colours))):6.1f},"
        f" shots {_rate(map(ShotDetector(), greys)):7.1f},"
        f" flow at full size, fast {_rate(_flows(greys, 'fast')):6.1f},"
        f" medium {_rate(_flows(greys, 'medium')):6.1f}",
        flush=True,
    )


def _flows(greys: list[np.ndarray], preset: str) -> Iterator[np.ndarray]:
    return (optical_flow(*pair, preset) for pair in zip(greys, greys[1:]))


def _rate(results: Iterable) -> float:
    """Return results a second of processor time."""
    start, count = time.process_time(), 0
    for _ in results:
        count += 1
    return count / (time.process_time() - start)


def _effect(coloured: Path, original: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        steadied = Path(folder, "steadied.mp4")
        with open_video(coloured) as film, VideoWriter(steadied, film) as writer:
            for frame, pts in steady_frames(film):
                writer.write(frame, pts)
        before, after, floor = flicker(coloured, steadied)
        print(f"E_warp of the lightness alone {floor:.3e}")
        _row("E_warp of RGB", before, after)
        _row("E_warp above the lightness", before - floor, after - floor)
        _row("E_warp of the colours alone", *_of_colours(coloured, steadied))
        old, new = (mean(frame_psnr(film, original)) for film in (coloured, steadied))
        print(f"{'PSNR':<28} {old:.2f} dB to {new:.2f} dB, {new - old:+.2f} dB")


def _of_colours(coloured: Path, steadied: Path) -> list[float]:
    with open_video(coloured) as old, open_video(steadied) as new:
        frames = ((a, _at_one_L(a), _at_one_L(b)) for (a, _), (b, _) in zip(old, new))
        return np.mean(list(pair_errors(frames)), axis=0).tolist()


def _at_one_L(rgb: np.ndarray) -> np.ndarray:
    """Return the image's colours at L = 50, at the size at which films are compared."""
    scale = min(1, SIDE / min(rgb.shape[:2]))
    rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    Lab = sRGB_to_Lab(torch.from_numpy(rgb).float() / 255)
    Lab[..., 0] = 50
    return (Lab_to_sRGB(Lab) * 255 + 0.5).to(torch.uint8).numpy()


def _row(name: str, before: float, after: float) -> None:
    print(f"{name:<28} {before:.3e} to {after:.3e}, {100 * (after / before - 1):+.1f} %")


if __name__ == "__main__":
    main(sys.argv[1:])

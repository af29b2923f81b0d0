"""How near a film comes to its original from keyframes, by way and by their distance.

    python benchmarks/keyframe_propagation.py [--weights MODEL | --train DIR [--iterations N]]

PSNR in dB, the mean over the frames that are not keyframes, of shared_resources/bigbuckbunny.mp4 at
256x256. `copy` takes ab from the nearest keyframe, `flow` brings it along the optical flow from
there, `network` is plain_quarter, `joined` is colorization.propagation with, and `without` without
the network. With --weights one trained network serves all distances; with --train one is trained
for each, on its keyframes alone.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from common import machine

from colorization.colour import sRGB_to_Lab
from colorization.inference import Colorizer, lightness, paint
from colorization.keyframe_training import Recipe, train
from colorization.metrics import psnr
from colorization.network import network_path
from colorization.optical_flow import optical_flow, warp
from colorization.propagation import Planes, propagate
from colorization.resources import resource
from colorization.upsampling import upsample
from colorization.video import open_video

SIZE = (256, 256)
NETWORK = "plain_quarter"
DISTANCES = (12, 24, 44, None)  # None: the first and the last frame


def main() -> None:
    options = _parser().parse_args()
    print(machine())
    frames = _frames()
    film = [lightness(frame) for frame in frames]
    truth = [_ab(frame) for frame in frames]
    print(f"{'keyframes':<12}{'copy':>8}{'flow':>8}{'network':>9}{'joined':>8}{'without':>9}")
    shared = _predicted(film, options.weights) if options.weights else None
    for distance in DISTANCES:
        numbers = list(range(0, len(frames), distance)) if distance else [0, len(frames) - 1]
        keys = {number: frames[number] for number in numbers}
        small = shared
        if options.train:
            recipe = Recipe(NETWORK, options.iterations)
            model = train(keys, options.train / f"{distance or 'ends'}", recipe)
            small = _predicted(film, model)
        row = [
            _near(frames, film, numbers, _copied(truth, numbers)),
            _near(frames, film, numbers, _moved(film, truth, numbers)),
            _near(frames, film, numbers, _enlarged(small)) if small else float("nan"),
        ]
        rates = []
        for network in (small, None):
            start = time.perf_counter()
            found = [ab for ab, _ in propagate(_reader(film), keys, network)]
            rates.append(len(film) / (time.perf_counter() - start))
            row.append(_near(frames, film, numbers, found.__getitem__))
        name = f"every {distance}th" if distance else "the ends"
        figures = "".join(f"{value:>{w}.2f}" for value, w in zip(row, (8, 8, 9, 8, 9)))
        print(f"{name:<12}{figures}   {min(rates):.1f} frames/s", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--weights", type=Path, help=f"a .caffemodel of {NETWORK}")
    group.add_argument("--train", type=Path, metavar="DIR", help="train, and keep it here")
    parser.add_argument("--iterations", type=int, default=200, help="of training (200)")
    return parser


def _frames() -> list[np.ndarray]:
    with open_video(resource("bigbuckbunny.mp4")) as film:
        return [cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA) for frame, _ in film]


def _ab(frame: np.ndarray) -> np.ndarray:
    return np.moveaxis(sRGB_to_Lab(frame.astype(np.float32) / 255)[..., 1:], -1, 0)


def _reader(film: list[np.ndarray]) -> Planes:
    return lambda: iter(film)


def _predicted(film: list[np.ndarray], model: Path) -> list[np.ndarray]:
    colorizer = Colorizer(network_path(NETWORK), model, size=SIZE)
    return [np.asarray(colorizer.predict([L])[0]) for L in film]


def _enlarged(small: list[np.ndarray]) -> Callable[[int], np.ndarray]:
    return lambda number: upsample(small[number], SIZE, SIZE)


def _nearest(number: int, keys: Sequence[int]) -> int:
    return min(keys, key=lambda key: abs(key - number))


def _copied(truth: list[np.ndarray], keys: Sequence[int]) -> Callable[[int], np.ndarray]:
    return lambda number: truth[_nearest(number, keys)]


def _moved(
    film: list[np.ndarray], truth: list[np.ndarray], keys: Sequence[int]
) -> Callable[[int], np.ndarray]:
    def moved(number: int) -> np.ndarray:
        key = _nearest(number, keys)
        grey, other = (np.rint(film[i] * 2.55).astype(np.uint8) for i in (number, key))
        ab = np.ascontiguousarray(np.moveaxis(truth[key], 0, -1))
        return np.moveaxis(warp(ab, optical_flow(grey, other)), -1, 0)

    return moved


def _near(
    frames: list[np.ndarray],
    film: list[np.ndarray],
    keys: Sequence[int],
    ab_of: Callable[[int], np.ndarray],
) -> float:
    rest = [number for number in range(len(frames)) if number not in keys]
    values = [psnr(paint(film[i], ab_of(i)), frames[i]) for i in rest]
    return float(np.mean(values))


if __name__ == "__main__":
    main()

"""Times of the methods that colour by example, beside the thesis', and how near they come.

    python benchmarks/baselines.py [--picture FILE]

256x256, as in section 8.3 of the thesis: Welsh 35.3 s, Deshpande 174 s an image (the programs of
their authors on a Core i7-4790k of 2014). The film is shared_resources/bigbuckbunny.mp4, the
reference its first frame. Levin gets 0.2 % of the true pixels as scribbles; auto_scribbles the
true histogram in place of a network's, which is as sure as one can be. Seconds are those of the
processor, which a busy machine does not stretch; OMP_NUM_THREADS=1 makes them those of the clock.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from common import machine

from colorization.baselines import learn, levin
from colorization.baselines.scribbles import automatic_scribbles
from colorization.colour import sRGB_to_Lab
from colorization.histogram import soft_encode
from colorization.images import Picture, write_image
from colorization.inference import lightness, paint
from colorization.metrics import psnr
from colorization.resources import resource
from colorization.video import open_video

SIZE = (256, 256)
FRAMES = (30, 60, 90, 120)
THESIS = {"welsh": 35.3, "deshpande": 174.0}  # seconds an image
SCRIBBLES = 0.002  # of the pixels

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]  # L, true ab -> ab


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the methods that colour by example.")
    parser.add_argument("--picture", help="write frames and results into this image")
    options = parser.parse_args()
    print(machine())
    reference, *frames = _frames((0, *FRAMES))
    rows = [frames, [paint(lightness(f), np.zeros((2, *SIZE)), np.uint8) for f in frames]]
    _tell("grey", None, frames, rows[1])
    for name, make in _methods(reference).items():
        start = time.process_time()
        method = make()
        learning = time.process_time() - start
        start = time.process_time()
        rows.append([_coloured(frame, method) for frame in frames])
        each = (time.process_time() - start) / len(frames)
        _tell(name, (learning, each), frames, rows[-1])
    if options.picture:
        table = np.concatenate([np.concatenate(row, axis=1) for row in rows])
        write_image(options.picture, Picture(table))


def _frames(numbers: tuple[int, ...]) -> list[np.ndarray]:
    with open_video(resource("bigbuckbunny.mp4")) as film:
        frames = [frame for number, (frame, _) in enumerate(film) if number in numbers]
    return [cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA) for frame in frames]


def _methods(reference: np.ndarray) -> dict[str, Callable[[], Method]]:
    def by_reference(*arguments) -> Callable[[], Method]:
        def make() -> Method:
            model = learn(arguments[0], [reference], *arguments[1:])
            return lambda L, ab: model(L)

        return make

    return {
        "welsh": by_reference("welsh"),
        "deshpande": by_reference("deshpande"),
        "deshpande, histogram": by_reference("deshpande", True),
        "levin": lambda: _levin,
        "auto_scribbles": lambda: _automatic,
    }


def _levin(L: np.ndarray, ab: np.ndarray) -> np.ndarray:
    mask = np.random.default_rng(0).random(L.shape) < SCRIBBLES
    return levin.colour(L, ab, mask)


def _automatic(L: np.ndarray, ab: np.ndarray) -> np.ndarray:
    histogram = soft_encode(ab[None, :, ::4, ::4])[0]
    return levin.colour(L, *automatic_scribbles(L, histogram, L.shape))


def _coloured(frame: np.ndarray, method: Method) -> np.ndarray:
    L = lightness(frame)
    ab = np.moveaxis(sRGB_to_Lab(frame.astype(np.float32) / 255)[..., 1:], -1, 0)
    return paint(L, method(L, ab), np.uint8)


def _tell(name: str, seconds: tuple[float, float] | None, frames: list, results: list) -> None:
    near: Iterator[float] = (psnr(result, frame) for result, frame in zip(results, frames))
    text = " ".join(f"{value:5.2f}" for value in near)
    if seconds is None:
        print(f"{name:<22}{'':<52} PSNR {text} dB")
        return
    thesis = f"(thesis {THESIS[name]:.1f} s)" if name in THESIS else ""
    learning, each = seconds
    times = f"learns {learning:5.2f} s, an image {each:5.2f} s {thesis}"
    print(f"{name:<22}{times:<52} PSNR {text} dB")


if __name__ == "__main__":
    main()

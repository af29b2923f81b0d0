"""The refinement of a frame, step by step: at most 60 ms for 256x256, 1 s for 1920x1080.

"both" is segmentation by growing and flood fill together. The drawing is made here; noise is the
worst case, with a region at almost every place where one can be. Times are those of one core, which
other programs at work do not lengthen.
"""

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
from common import machine
from scipy import ndimage

from colorization.refinement import Refiner, felzenszwalb, flood_fill, grow_regions
from colorization.refinement.guided_filter import guided_filter
from colorization.refinement.least_squares import least_squares

SIZES = ((256, 256), (528, 704), (1080, 1920))
RUNS = 3


def drawing(H: int, W: int) -> tuple[np.ndarray, np.ndarray]:
    """Return L of smooth areas with outlines and grain, and ab that is smooth all over."""
    rng = np.random.default_rng(1)
    hills, *ab = (ndimage.gaussian_filter(rng.normal(size=(H, W)), H / 25) for _ in range(3))
    hills = 50 + 20 * hills / hills.std()
    L = np.round(hills / 12) * 12 + rng.normal(0, 0.7, (H, W))
    L[np.abs(hills / 12 % 1 - 0.5) < 0.04] = 5
    return L.clip(0, 100).astype(np.float32), np.float32([40 * p / p.std() for p in ab])


def noise(H: int, W: int) -> tuple[np.ndarray, np.ndarray]:
    """Return L and ab in which no pixel has to do with the next."""
    rng = np.random.default_rng(2)
    return rng.uniform(0, 100, (H, W)).astype(np.float32), rng.normal(0, 30, (2, H, W))


def median(function: Callable[[], object]) -> float:
    """Return how many milliseconds of one core a call takes once everything is compiled."""
    function()
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        function()
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times)


def steps(L: np.ndarray, ab: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name."""
    labels, film = grow_regions(L), Refiner(film=True)
    return {
        "growing": lambda: grow_regions(L),
        "fill": lambda: flood_fill(ab, labels),
        "both": lambda: Refiner()(L, ab),
        "elbow": lambda: Refiner(clusters="elbow")(L, ab),
        "film": lambda: film(L, ab),
        "felzenszwalb": lambda: felzenszwalb(L),
        "guided": lambda: guided_filter(L, ab),
        "smooth": lambda: least_squares(L, ab),
    }


def main() -> None:
    cv2.setNumThreads(1)
    print(machine())
    for H, W in SIZES:
        for make in (drawing, noise):
            L, ab = make(H, W)
            print(f"{W}x{H} {make.__name__}, {grow_regions(L).max() + 1} regions", end="")
            for name, step in steps(L, ab).items():
                if name != "felzenszwalb" or make is drawing:
                    print(f"   {name} {median(step):.1f} ms", end="", flush=True)
            print()


if __name__ == "__main__":
    main()

"""How the cost of colouring grows: with the size that the network sees, the batch, the film.

Each row is a process of its own: its time without the start, and the peak of its memory.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from common import machine, run_measured
from process_images_rate import enlarged_clip

NETWORK = """
import sys, time, torch, numpy as np
from colorization.inference import Colorizer
network, precision, size, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
colorizer = Colorizer(network, precision=precision)
L = np.random.default_rng(0).uniform(0, 100, (batch, size, size)).astype(np.float32)
colorizer.predict(L)
start = time.perf_counter()
for _ in range(3):
    colorizer.predict(L)
print((time.perf_counter() - start) / 3, file=open(sys.argv[5], "w"))
"""
FILM = """
import sys, time
from colorization.batch import colour_film
from colorization.inputs import Job
from colorization.inference import Colorizer
from pathlib import Path
colorizer = Colorizer(sys.argv[1], precision=sys.argv[2])
start = time.perf_counter()
colour_film(Job(Path(sys.argv[3]), Path(sys.argv[4])), colorizer, 8, strength=0.85)
print(time.perf_counter() - start, file=open(sys.argv[5], "w"))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--network", default="plain_quarter", help="(plain_quarter)")
    add("--precision", default="fp32", help="(fp32)")
    add("--sizes", type=int, nargs="+", default=[112, 224, 448, 896])
    add("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    add("--frames", type=int, nargs="+", default=[50, 100, 200, 400])
    options = parser.parse_args()
    print(machine())
    print("| what | seconds | seconds for each | peak MB |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in options.sizes:
            seconds, peak = measured(NETWORK, options, size, 1, folder / "time")
            row(f"network at {size}x{size}", seconds, seconds / size**2 * 1e6, "megapixel", peak)
        for batch in options.batches:
            seconds, peak = measured(NETWORK, options, 224, batch, folder / "time")
            row(f"batch of {batch} at 224x224", seconds, seconds / batch, "image", peak)
        for frames in options.frames:
            film = folder / f"{frames}.mp4"
            enlarged_clip(film, frames, coloured=False, size=(640, 360))
            seconds, peak = measured(FILM, options, film, folder / "out.mp4", folder / "time")
            row(f"film of {frames} frames, 640x360", seconds, seconds / frames, "frame", peak)


def measured(program: str, options: argparse.Namespace, *arguments) -> tuple[float, float]:
    """Run a program; return the seconds that it writes into its last argument, and its peak."""
    given = [options.network, options.precision, *arguments]
    _, peak = run_measured([sys.executable, "-c", program, *given])
    return float(Path(arguments[-1]).read_text()), peak


def row(what: str, seconds: float, each: float, unit: str, peak: float) -> None:
    print(f"| {what} | {seconds:.3f} | {each:.4f} a {unit} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""The most memory that process_images takes: for folders of many images, and for a large one.

A folder of five times as many images must take no more; an image of 12 megapixels less than
2.5 GB. The images are JPEGs of noise with a gradient; the command runs as a process of its own.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import machine, run_measured
from PIL import Image

COMMAND = "import sys; from scripts.process_images import main; sys.exit(main())"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--counts", type=int, nargs="+", default=[1000, 5000], help="of images (1000 5000)")
    add("--size", type=int, nargs=2, default=[96, 64], help="of the small images (96 64)")
    add("--large", type=int, nargs=2, default=[4000, 3000], help="(4000 3000)")
    add("--see", default="64", help="what the network sees of the small images (64)")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in options.counts:
            source = folder / str(count)
            source.mkdir()
            write_images(source, count, *options.size)
            seconds, peak = colour(source, folder / f"{count}_coloured", "--size", options.see)
            print(f"{count} images: peak {peak:.0f} MB, {count / seconds:.1f} images/s", flush=True)
        large = folder / "large"
        large.mkdir()
        write_images(large, 1, *options.large)
        seconds, peak = colour(large, folder / "large_coloured")
        megapixels = options.large[0] * options.large[1] / 1e6
        print(f"one image of {megapixels:.0f} megapixels: peak {peak:.0f} MB, {seconds:.1f} s")


def colour(source: Path, target: Path, *more: str) -> tuple[float, float]:
    """Run process_images; return its seconds and its peak memory in MB."""
    return run_measured([sys.executable, "-c", COMMAND, source, "--output", target, *more])


def write_images(folder: Path, count: int, W: int, H: int) -> None:
    """Write JPEGs that differ."""
    rng = np.random.default_rng(1)
    ramp = np.linspace(0, 200, W)[None, :, None] * np.linspace(0.2, 1, H)[:, None, None]
    for i in range(count):
        noise = rng.integers(0, 50, (H, W, 3))
        Image.fromarray((ramp + noise).astype(np.uint8)).save(folder / f"{i:05}.jpg")


if __name__ == "__main__":
    main()

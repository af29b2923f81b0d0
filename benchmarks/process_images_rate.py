"""process_images on a black-and-white film of 1280x720: its rate against the network's alone.

The network alone gets the same frames, already small, in the same batches, and nothing else is
done. It is measured before and after each run of the command, as a machine's speed changes, by the
clock and by the processor time of all threads, which other programs on the machine disturb less.
Each stage is also timed alone, on one thread.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from colorization.process_settings import settle

settle()  # as the command does

import cv2
import numpy as np
import torch
from common import CLOCKS, machine, milliseconds

import caffe
from colorization.batch import colour_film
from colorization.defaults import STRENGTH, WORKING_SIZE
from colorization.inference import Colorizer, join, lightness, without_colour
from colorization.inputs import Job
from colorization.network import NetworkError, network_path, network_weights
from colorization.resources import resource
from colorization.temporal import steady
from colorization.upsampling import shrink
from colorization.video import VideoWriter, open_video, write_video


def main() -> None:
    options = _options()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        enlarged_clip(film, options.frames, coloured=options.coloured)
        for network in options.network:
            weights = weights_of(network, Path(folder))
            for precision in options.precision:
                print(f"{network}, {precision}", flush=True)
                tell_rates(film, Colorizer(network, weights, precision=precision), options)
        tell_stages(film)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    networks = ["plain", "plain_quarter", "residual_quarter"]
    add("--network", nargs="+", default=networks, help=f"({' '.join(networks)})")
    add("--precision", nargs="+", default=["fp32", "bf16"], help="(fp32 bf16)")
    add("--frames", type=int, default=200, help="(200)")
    add("--batch", type=int, default=8, help="(8)")
    add("--runs", type=int, default=3, help="(3)")
    add("--coloured", action="store_true", help="a film that has colours, which are replaced")
    return parser.parse_args()


def enlarged_clip(
    path: Path, frames: int, *, coloured: bool, size: tuple[int, int] = (1280, 720)
) -> None:
    """Write a film of that many frames: the clip, enlarged, over and over."""
    written = 0
    with VideoWriter(path, rate=24) as writer:
        while written < frames:
            with open_video(resource("bigbuckbunny.mp4")) as clip:
                for frame, _ in islice(clip, frames - written):
                    frame = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)
                    writer.write(frame if coloured else without_colour(lightness(frame)))
                    written += 1


def weights_of(network: str, folder: Path) -> Path:
    """Return the weights that lie beside a network, or random ones."""
    deploy = network_path(network)
    try:
        return network_weights(deploy)
    except NetworkError:
        rng, net = np.random.default_rng(0), caffe.Net(str(deploy), caffe.TEST)
        for blob in (blob for blobs in net.params.values() for blob in blobs):
            spread = np.sqrt(2 / blob.data[0].size) if blob.data.ndim == 4 else 0
            blob.data[...] = rng.normal(0 if spread else 1, spread, blob.data.shape)
        path = folder / f"{network}.caffemodel"
        net.save(str(path))
        return path


def tell_rates(film: Path, colorizer: Colorizer, options: argparse.Namespace) -> None:
    """Print frames per second of the network alone and of the whole."""
    with open_video(film) as reader:
        small = [colorizer.shrink(lightness(frame)) for frame, _ in reader]

    def network() -> None:
        for start in range(0, len(small), options.batch):
            np.stack(colorizer.predict(small[start : start + options.batch]))

    def whole(strength: float) -> None:
        job = Job(film, film.with_name("coloured.mp4"))
        colour_film(job, colorizer, options.batch, strength=strength)

    works = {
        "process_images": lambda: whole(STRENGTH),
        "  without steadying": lambda: whole(0.0),
    }
    colorizer(np.zeros((16, 24, 3), np.uint8))  # so that all is compiled
    colorizer.predict(small[: options.batch])
    alone = [_measured(network, len(small))]
    times: dict = {name: [] for name in works}
    ratios: dict = {name: [] for name in works}
    for run in range(options.runs):
        for name in list(works)[:: 1 if run % 2 else -1]:
            times[name].append(took := _measured(works[name], len(small)))
            alone.append(_measured(network, len(small)))
            ratios[name].append(_ratio(alone[-2:], took))
    _tell("network alone", alone)
    for name in works:
        _tell(name, times[name], ratios[name])


def _measured(work: Callable[[], object], frames: int) -> dict[str, float]:
    """Return the milliseconds a frame by each clock."""
    start = {clock: now() for clock, now in CLOCKS.items()}
    work()
    return {clock: 1000 * (now() - start[clock]) / frames for clock, now in CLOCKS.items()}


def _ratio(alone: list[dict[str, float]], took: dict[str, float]) -> dict[str, float]:
    """Return the network's time, the mean of that before and after, over the whole's."""
    return {clock: statistics.mean(run[clock] for run in alone) / took[clock] for clock in CLOCKS}


def _tell(name: str, runs: list[dict[str, float]], ratios: Sequence[dict[str, float]] = ()) -> None:
    """Print the medians, and those of the ratios with their spread."""
    line = f"    {name:<20}"
    for clock in CLOCKS:
        line += f" {clock} {statistics.median(run[clock] for run in runs):7.1f} ms a frame"
        if spread := sorted(ratio[clock] for ratio in ratios):
            middle = statistics.median(spread)
            line += f"  ratio {middle:.2f} ({spread[0]:.2f}-{spread[-1]:.2f})  "
    print(line, flush=True)


def tell_stages(film: Path, count: int = 48) -> None:
    """Print the processor time of each stage for a frame, on one thread."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    frames = _decoded(film, count)
    planes = [lightness(frame) for frame in frames]
    small = np.random.default_rng(0).uniform(-60, 60, (2, 7, 7)).astype(np.float32)
    ab = np.stack([cv2.resize(plane, (56, 56), interpolation=cv2.INTER_CUBIC) for plane in small])
    coloured = [join(L, ab, WORKING_SIZE) for L in planes]
    stages: dict[str, Callable[[], object]] = {
        "decoding": lambda: _decoded(film, count),
        "L": lambda: [lightness(frame) for frame in frames],
        "shrinking": lambda: [shrink(L, WORKING_SIZE) for L in planes],
        "steadying": lambda: list(steady((L, ab) for L in planes)),
        "upsampling and RGB": lambda: [join(L, ab, WORKING_SIZE) for L in planes],
        "encoding": lambda: write_video(film.with_name("again.mp4"), coloured, 24),
    }
    for name, stage in stages.items():
        times = [milliseconds(stage, "cpu") / len(frames) for _ in range(3)]
        print(f"    {name:<20} cpu {statistics.median(times):6.1f} ms a frame", flush=True)


def _decoded(film: Path, count: int) -> list[np.ndarray]:
    with open_video(film, grey_planes=True) as reader:
        return [frame for frame, _ in islice(reader, count)]


if __name__ == "__main__":
    main()

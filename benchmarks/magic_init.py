"""The initialisation from data: deviations on held-out data, and the first losses against xavier.

    python benchmarks/magic_init.py plain residual --data data
    python benchmarks/magic_init.py plain --data data --width 0.25 --iterations 200 --output docs

For each network, initialised on the training data: the smallest and the largest deviation of a unit
of any layer with filters over training images that the initialisation has not seen. With
--iterations also the loss of as many iterations from it and from other fillers, on the same data
and seed, as a chart and a CSV.
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np
from common import machine

import caffe
from caffe.proto import caffe_pb2
from colorization.caffe_train import caffe_train, losses
from colorization.magic_init import magic_init
from colorization.magic_init.filter_layer import FILTER_TYPES
from colorization.network import fast_precision
from colorization.plots import Line, write_line_chart
from colorization.prototxts import read_message, write_message
from colorization.training import Plan, write_prototxts

HELD_OUT_BATCHES = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", metavar="NETWORK")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--iterations", type=int, default=0, help="of training (none)")
    parser.add_argument("--output", type=Path, default=Path("."), metavar="DIR")
    options = parser.parse_args()
    print(machine())
    for name in options.networks:
        plan = Plan(
            name,
            max(1, options.iterations),
            options.width,
            options.crop,
            options.batch,
            iter_size=1,
            precision=fast_precision(),
        )
        with tempfile.TemporaryDirectory() as folder:
            _measure(plan, options, Path(folder))


def _measure(plan: Plan, options: argparse.Namespace, work: Path) -> None:
    write_prototxts(plan, options.data, work, gpu=None)
    start = work / "magic.caffemodel"
    began = time.perf_counter()
    caffe.set_mode_cpu()
    summary = magic_init(work / "train.prototxt", start)
    seconds = time.perf_counter() - began
    deviations = held_out_deviations(work / "train.prototxt", start, summary.images)
    smallest, largest = (
        f(v.min() if f is min else v.max() for v in deviations.values()) for f in (min, max)
    )
    print(
        f"{plan.network}, width {plan.width:g}: {summary.units} units of {len(summary.layers)} "
        f"layers from {summary.images} images in {seconds:.0f} s; "
        f"held-out deviations {smallest:.3f} to {largest:.3f}"
    )
    for name, values in deviations.items():
        if abs(values - 1).max() > 0.1:
            outside = (abs(values - 1) > 0.1).sum()
            print(
                f"  {name}: {outside} of {len(values)} beyond 10 %, "
                f"{values.min():.3f} to {values.max():.3f}"
            )
    if options.iterations:
        _compare_losses(plan, options, work, start)


def held_out_deviations(train: Path, weights: Path, read: int) -> dict[str, np.ndarray]:
    """Return layer -> its units' deviations over training data behind the first `read` images.

    The net computes as in training, BatchNorm with the statistics of the batch.
    """
    caffe.set_random_seed(2)
    net = caffe.Net(str(train), caffe.TRAIN, weights=str(weights))
    order, tops = list(net.top_names), net.top_names
    names = [name for name, layer in zip(order, net.layers) if layer.type in FILTER_TYPES]
    for _ in range(read // net.blobs[tops[order[0]][0]].num + 1):
        net.forward(end=order[0])
    sums = {name: [] for name in names}
    for _ in range(HELD_OUT_BATCHES):
        start = order[0]
        for name in names:
            net.forward(start=start, end=name)
            y = net.blobs[tops[name][0]].data.astype(np.float64)
            sums[name].append((y.mean(axis=(0, 2, 3)), (y**2).mean(axis=(0, 2, 3))))
            start = order[order.index(name) + 1]
    moments = {name: np.mean(values, axis=0) for name, values in sums.items()}
    return {name: np.sqrt(square - mean**2) for name, (mean, square) in moments.items()}


def _compare_losses(plan: Plan, options: argparse.Namespace, work: Path, start: Path) -> None:
    """Train from each start on the same data and seed; write the chart and the CSV."""
    curves = {}
    for filler in ("xavier", "msra", "MagicInit"):
        place = work / filler
        place.mkdir()
        write_prototxts(plan, options.data, place, gpu=None)
        _set_filler(place / "train.prototxt", "xavier" if filler == "MagicInit" else filler)
        _set_solver(place / "solver.prototxt", plan.iterations)
        weights = start if filler == "MagicInit" else None
        caffe_train(place, plan.iterations, weights=weights, precision=plan.precision)
        curves[filler] = losses(place / "train.log")
        values = [loss for _, loss in curves[filler]]
        print(
            f"  {filler}: mean loss {np.mean(values):.3f}, of the last tenth "
            f"{np.mean(values[-len(values) // 10 :]):.3f}"
        )
    target = options.output / f"magic_init_{plan.network}"
    _draw(target.with_suffix(".svg"), plan.network, curves)
    with open(target.with_suffix(".csv"), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["iteration", *curves])
        for row in zip(*curves.values()):
            writer.writerow([row[0][0], *(loss for _, loss in row)])


def _set_filler(path: Path, filler: str) -> None:
    net = read_message(path, caffe_pb2.NetParameter())
    for layer in net.layer:
        if layer.type in FILTER_TYPES:
            layer.convolution_param.weight_filler.Clear()
            layer.convolution_param.weight_filler.type = filler
    write_message(path, net)


def _set_solver(path: Path, iterations: int) -> None:
    solver = read_message(path, caffe_pb2.SolverParameter())
    solver.max_iter, solver.display, solver.average_loss = iterations, 1, 10
    write_message(path, solver)


def _draw(path: Path, network: str, curves: dict[str, list[tuple[int, float]]]) -> None:
    lines = [Line(name, *zip(*curve)) for name, curve in curves.items()]
    title = f"{network}: mean loss of the last 10 iterations"
    write_line_chart(path, title, lines, "iteration", "loss")


if __name__ == "__main__":
    main()

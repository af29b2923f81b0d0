#!/usr/bin/env python3
"""Train a variant by the thesis' recipe, at the size that fits, with validation on the way."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorization.command_line import (
    above_zero,
    add_device_options,
    add_precision_option,
    positive,
    precision_of,
    run,
    whole,
)
from colorization.errors import UsageError

EPILOG = """\
train_network plain --data data --work runs/plain
    the thesis' training (7.3, 7.4): 26,700 iterations of 48 crops of 224x224
train_network plain --data data --work runs/plain_small --width 0.25 --crop 128 --batch 8
    --iter-size 1 --iterations 2000 --validate-every 200 --patience 4
    what a CPU can do

Left in the work folder: train.log, history.csv, curves.svg, best.caffemodel, deploy.prototxt,
conditions.json, and validation/ with pictures of each validation.
process_images --network WORK --weights WORK/best.caffemodel colours with it.

result    0: trained   1: it failed, with one line on stderr   2: wrong usage   130: interrupted;
          the same command goes on
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    return run("train_network", lambda: _train(options))


def _train(options: argparse.Namespace) -> int:
    from colorization.dataset_names import TRAIN, VAL, lmdb_name
    from colorization.training import Plan, train

    plan = Plan(
        network=options.network,
        iterations=options.iterations,
        width=options.width,
        crop=options.crop,
        batch=options.batch,
        iter_size=options.iter_size,
        rate=options.rate,
        precision=precision_of(options),
        validate_every=options.validate_every,
        patience=options.patience,
        reduce_after=options.reduce_after,
        weights=options.weights,
        magic_init=options.magic_init,
    )
    for lmdb in (options.data / lmdb_name(name) for name in (TRAIN, VAL)):
        if not lmdb.is_dir():
            raise UsageError(f"{lmdb}: no such LMDB; make_dataset makes it")
    if options.weights is not None and not options.weights.is_file():
        raise UsageError(f"{options.weights}: no such file; it is given as --weights")
    best = train(plan, options.data, options.work, options.gpu)
    _draw_curves(options.work)
    print(best)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="train_network",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("network", metavar="NETWORK", help="a folder of networks/")
    add("--data", type=Path, required=True, metavar="DIR", help="what make_dataset wrote")
    add("--work", type=Path, required=True, metavar="DIR", help="where everything is kept")
    add("--iterations", type=positive, default=26700, metavar="N", help="(26700: 30 epochs)")
    add("--width", type=above_zero, default=1.0, metavar="W", help="share of the channels (1)")
    add("--crop", type=positive, default=224, metavar="N", help="pixels each way (224)")
    add(
        "--batch",
        type=positive,
        default=0,
        metavar="N",
        help="crops at once (the network's: 24, residual 4)",
    )
    add(
        "--iter-size",
        type=positive,
        default=0,
        metavar="N",
        help="batches an iteration (the network's: 2, residual 12)",
    )
    add(
        "--rate", type=above_zero, default=0.001, metavar="R", help="learning rate at first (0.001)"
    )
    add("--weights", type=Path, metavar="FILE", help=".caffemodel to start from")
    add("--magic-init", action="store_true", help="initialise from the data, see magic_init")
    add("--validate-every", type=whole, default=0, metavar="N", help="iterations (0: at the end)")
    add(
        "--patience",
        type=whole,
        default=0,
        metavar="N",
        help="stop after N validations, none of them better (0: never)",
    )
    add(
        "--reduce-after",
        type=whole,
        default=0,
        metavar="N",
        help="multiply the rate by the solver's gamma after N such validations (0: never)",
    )
    add_precision_option(parser, "auto")
    add_device_options(parser)
    return parser


def _draw_curves(work: Path) -> None:
    import csv

    from colorization.caffe_train import losses
    from colorization.plots import Line, write_line_chart

    curve = losses(work / "train.log")
    with open(work / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [
        Line("training", [n for n, _ in curve], [loss for _, loss in curve]),
        Line(
            "validation",
            [float(row["iteration"]) for row in rows],
            [float(row["validation_loss"]) for row in rows],
        ),
    ]
    write_line_chart(work / "curves.svg", "Loss", lines, "iteration", "loss")


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Give a network weights that follow from its data, for a training to start from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorization.command_line import (
    add_device_options,
    add_precision_option,
    precision_of,
    run,
    whole,
)
from colorization.errors import one_line

EPILOG = """\
The network reads batches through its own data layers, so run this where the training runs:

    magic_init networks/plain/train.prototxt plain_start.caffemodel --gpu 0
    caffe train -solver networks/plain/solver.prototxt -weights plain_start.caffemodel

Every unit of every layer with filters (Convolution, Deconvolution, InnerProduct) then has standard
deviation 1 and mean --bias on these data; the predictions that a KLLoss or EuclideanLoss reads have
the mean for which it is least. Kraehenbuehl et al., arXiv 1511.06856.

result    0: written   1: not, with one line on stderr   2: wrong usage   130: interrupted
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    return run("magic_init", lambda: _run(options), "nothing is written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="magic_init",
        description="Give a network weights that follow from its data, to train it from.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("train", metavar="TRAIN.prototxt", help="train net; also the name or folder of a network")
    add("output", type=Path, metavar="OUTPUT.caffemodel", help="the weights")
    add(
        "--method",
        choices=("kmeans", "pca", "random"),
        default="kmeans",
        help="filters are cluster centres or principal components of what a layer sees, or random"
        " (kmeans)",
    )
    add(
        "--iterations",
        type=whole,
        default=30,
        metavar="N",
        help="rounds with 64 more images each, which refine deviations and rates of change (30)",
    )
    add("--bias", type=float, default=0.0, metavar="B", help="mean of every unit (0)")
    add("--seed", type=whole, default=1, help="of all that is random (1)")
    add(
        "--layers",
        choices=("all", "zero"),
        default="all",
        help="all layers with filters, or those whose weights are all zero (all)",
    )
    add("--weights", type=Path, metavar="START.caffemodel", help="weights of the other layers")
    add_precision_option(parser, "fp32")
    add_device_options(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    from functools import partial

    from tqdm import tqdm

    from colorization.magic_init import MagicInitError, magic_init
    from colorization.network import caffe_error, choose_device, network_path

    try:
        choose_device(options.gpu, precision_of(options))
        summary = magic_init(
            network_path(options.train, "train.prototxt"),
            options.output,
            options.method,
            options.iterations,
            options.bias,
            options.seed,
            options.layers,
            options.weights,
            watch=partial(tqdm, leave=False, disable=None),
        )
    except caffe_error() as error:
        raise MagicInitError(one_line(error)) from error
    print(
        f"{options.output}: {summary.units} units of {len(summary.layers)} layers"
        f" from {summary.images} images"
    )
    if summary.evened:
        before, after = summary.evened[0].before, summary.evened[-1].after
        print(f"largest over smallest relative rate of change: {after:.3g}, before {before:.3g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Get the published weights of Zhang et al. 2016 for the network zhang_2016."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from colorization.command_line import run

EPILOG = """\
files     colorization_release_v2.caffemodel          with rebalanced classes, for Caffe
          colorization_release_v2_norebal.caffemodel  without
          colorization_release_v2-9b330a0b.pth        for PyTorch; becomes a .caffemodel
checks    a .pth's name holds the start of its sha256; for the others give --sha256
result    0: written   1: not, with one line on stderr   2: wrong usage

example   fetch_weights colorization_release_v2-9b330a0b.pth
          process_images --network zhang_2016 photos/ --output coloured/
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    return run("fetch_weights", lambda: _run(options), "nothing is written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fetch_weights",
        description="Get the published weights of Zhang et al. 2016 for the network zhang_2016.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", metavar="FILE_OR_URL", help="one of the files below; http or https")
    add(
        "--output",
        type=Path,
        metavar="FILE.caffemodel",
        help="(zhang_2016.caffemodel beside the network, where process_images finds it)",
    )
    add("--sha256", type=_digest, metavar="HEX", help="what the sha256 of the source must be")
    return parser


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f'expected 64 hexadecimal digits, got "{text}"')
    return text.lower()


def _run(options: argparse.Namespace) -> int:
    from colorization.published_weights import default_output, fetch

    output = options.output or default_output()
    digest = fetch(options.source, output, options.sha256)
    print(f"{output}: from {options.source}, sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

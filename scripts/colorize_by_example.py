#!/usr/bin/env python3
"""Colour images and films by references or scribbles (thesis, sections 8.3 and 8.4)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorization.baselines import BY_REFERENCES, METHODS
from colorization.command_line import (
    add_device_options,
    add_output_options,
    failure,
    film_bar,
    outcome,
    preparing,
    quality,
    run,
)
from colorization.defaults import DEFAULT_NETWORK
from colorization.errors import UsageError
from colorization.process_settings import settle

EPILOG = """\
methods   welsh           lightness and texture matched with --reference, pixel by pixel
          deshpande       trees that learn from --reference; needs scikit-learn
          levin           colours spread from --scribbles: a copy of the grey image with coloured
                          strokes on it, or strokes on a transparent layer, of the image's size;
                          for several images a folder of files with the names of the images
          auto_scribbles  colours spread from where --network is sure
inputs    files; folders, whose inner folders appear in the output as well; patterns in quotes;
          @list.txt, one input a line; references likewise, but for films
outputs   files that exist are passed over, an interrupted film goes on; images keep their format,
          alpha, 16 bits, EXIF and ICC data; films keep frames, times, sound and tags
result    0: all done   1: some failed, one line each on stderr   2: wrong usage   130: interrupted

examples  colorize_by_example film.mp4 --method deshpande --reference frame_0000.png
          colorize_by_example old.png --method levin --scribbles strokes.png --output new.png
          colorize_by_example album/ --method auto_scribbles --network residual_quarter
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_intermixed_args(argv)
    settle()
    return run("colorize_by_example", lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="colorize_by_example",
        description="Colour images and films by references or scribbles; the lightness stays.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("inputs", nargs="*", metavar="INPUT", help="file, folder, pattern or @list")
    add("--method", required=True, choices=METHODS, help="see below")
    add(
        "--reference",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="coloured images, for welsh and deshpande",
    )
    add("--scribbles", type=Path, metavar="PATH", help="file or folder, for levin")
    add(
        "--match-histogram", action="store_true", help="deshpande: the references' share of colours"
    )
    add(
        "--network",
        metavar="NAME",
        help=f"auto_scribbles: name, folder or .prototxt ({DEFAULT_NETWORK}, as in process_images)",
    )
    add("--weights", type=Path, metavar="FILE", help=".caffemodel (that beside the network)")
    add_device_options(parser)
    add_output_options(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    from colorization.inputs import find_inputs, plan

    with preparing():
        _check(options)
        found = find_inputs(options.inputs, without=options.output)
        jobs = plan(found, options.output)
        _check_scribbles(options, len(jobs))
        todo = [job for job in jobs if options.overwrite or not job.target.exists()]
        painter_of = _painters(options, found) if todo else None
    coloured, failed = _colour(todo, painter_of, options)
    print(outcome(coloured, 0, len(jobs) - len(todo), failed))
    return 1 if failed else 0


def _check(options: argparse.Namespace) -> None:
    """Raise UsageError where an option is missing, or is not for the method."""
    uses = {
        "--reference": (options.reference, BY_REFERENCES),
        "--scribbles": (options.scribbles, ("levin",)),
        "--match-histogram": (options.match_histogram, ("deshpande",)),
        "--network": (options.network, ("auto_scribbles",)),
        "--weights": (options.weights, ("auto_scribbles",)),
    }
    for name, (given, methods) in uses.items():
        if given and options.method not in methods:
            raise UsageError(f"{name} is for --method {' and '.join(methods)}")
    for name in ("--reference", "--scribbles"):
        given, methods = uses[name]
        if not given and options.method in methods:
            raise UsageError(f"--method {options.method} needs {name}")


def _check_scribbles(options: argparse.Namespace, count: int) -> None:
    """Raise UsageError where one file of scribbles would have to do for several images."""
    path = options.scribbles
    if path is None:
        return
    if not path.exists():
        raise UsageError(f"--scribbles {path}: no such file or folder")
    if count > 1 and not path.is_dir():
        raise UsageError(f"--scribbles {path}: one file for {count} inputs; give a folder")


def _painters(options: argparse.Namespace, found: dict[Path, Path]):
    """Return a function that gives the painter of a job; what serves all jobs is learnt now."""
    from colorization.baselines import learn
    from colorization.baselines.painting import by_network, by_scribbles, scribbles_of

    if options.method == "levin":
        return lambda job: by_scribbles(job, scribbles_of(found[job.source], options.scribbles))
    if options.method == "auto_scribbles":
        painter = by_network(_colorizer(options))
    else:
        painter = learn(options.method, _references(options), options.match_histogram)
    return lambda job: painter


def _references(options: argparse.Namespace) -> list:
    from colorization.images import read_image
    from colorization.inputs import find_inputs

    options.files = list(find_inputs(options.reference))
    return [read_image(path).rgb for path in options.files]


def _colorizer(options: argparse.Namespace):
    from colorization.inference import Colorizer
    from colorization.network import network_path, network_weights

    deploy = network_path(options.network or DEFAULT_NETWORK)
    weights = options.weights or network_weights(deploy)
    options.files = [deploy, weights]
    # A decoder that needs a histogram: a network without one is told at once.
    return Colorizer(deploy, weights, gpu=options.gpu, decoder="annealed_mean")


def _colour(jobs: list, painter_of, options: argparse.Namespace) -> tuple[int, int]:
    """Return how many files were coloured, and how many failed."""
    from tqdm import tqdm

    coloured = failed = 0
    for job in tqdm(jobs, unit="file", disable=None):
        try:
            _colour_one(job, painter_of(job), options)
            coloured += 1
        except Exception as error:  # whatever is wrong with one file, the others go on
            failed += 1
            tqdm.write(failure(job.source, error), file=sys.stderr)
    return coloured, failed


def _colour_one(job, painter, options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from colorization.baselines.painting import colour_film, colour_image

    def watch(film):
        return film_bar(film, job.source.name, leave=False)

    def goes_on(frame):
        tqdm.write(f"{job.source}: goes on at frame {frame}")

    if not job.is_film:
        colour_image(job, painter)
        return
    for what in colour_film(job, painter, quality(options), watch, _made_by(options), goes_on):
        tqdm.write(f"{job.target}: {what}", file=sys.stderr)


def _made_by(options: argparse.Namespace) -> dict:
    """Return what the colours of a film depend on."""
    from colorization.files import digests

    own = {"method": options.method, "match_histogram": options.match_histogram}
    return {"files": digests(options.files), **own}


if __name__ == "__main__":
    sys.exit(main())

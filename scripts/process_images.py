#!/usr/bin/env python3
"""Colour images and films with a trained network (thesis, section 8.1)."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from colorization.command_line import (
    above_zero,
    add_device_options,
    add_output_options,
    add_precision_option,
    failure,
    film_bar,
    outcome,
    positive,
    precision_of,
    preparing,
    quality,
    run,
    whole,
)
from colorization.defaults import BATCH, DECODERS, DEFAULT_NETWORK, MEAN, TEMPERATURE, WORKING_SIZE
from colorization.errors import UsageError
from colorization.finishing_options import add_finishing_options, finishing
from colorization.process_settings import settle

EPILOG = """\
inputs    files; folders, whose inner folders appear in the output as well; patterns in quotes
          ("scans/**/*.tif"); @list.txt or --list list.txt, one input a line, # for remarks
outputs   files that exist are taken as finished and passed over, so the same command goes on
          after an interruption, also in the middle of a film, whose finished minutes lie beside
          it in the hidden folder .NAME.parts until it is whole; images keep their format, alpha,
          16 bits, EXIF and ICC data; films keep frames, times, sound and tags (H.264 in mp4, mkv
          and mov, VP9 in webm)
result    0: all done   1: some failed, one line each on stderr   2: wrong usage   130: interrupted

examples  process_images photo.jpg
          process_images album/ film.mp4 --output coloured --gpu 0
          process_images album/ --network residual --decode annealed_mean --format png
          process_images films/ --ray 192.168.0.10:6379
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_intermixed_args(argv)
    settle()
    return run("process_images", lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="process_images",
        description="Colour images and films: the lightness stays, a network adds the colours.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("inputs", nargs="*", metavar="INPUT", help="file, folder, pattern or @list")
    add("--list", action="append", default=[], metavar="FILE", help="file with one input a line")
    add_output_options(parser)
    add(
        "--network",
        default=DEFAULT_NETWORK,
        metavar="NAME",
        help="name of a folder in networks/, here or else of the package; another folder, or "
        f".prototxt ({DEFAULT_NETWORK}, trained on the open cartoon)",
    )
    add("--weights", type=Path, metavar="FILE", help=".caffemodel (that beside the network)")
    add_device_options(parser)
    add(
        "--ray",
        metavar="ADDRESS",
        help="compute on a Ray cluster: local, auto (the one that runs here) or HOST:PORT; "
        "on its GPUs, if it has any and --cpu is not given",
    )
    add_precision_option(parser, "fp32")
    add("--batch", type=positive, default=BATCH, metavar="N", help=f"images at once ({BATCH})")
    add(
        "--size",
        type=_size,
        default=WORKING_SIZE,
        metavar="WxH",
        help="what the network sees: WxH, one number, or full (or 0) for each image's own (224)",
    )
    add(
        "--decode",
        choices=DECODERS,
        default="expectation",
        metavar="METHOD",
        help=f"how ab is read from the histogram: {', '.join(DECODERS)} (expectation)",
    )
    add("--temperature", type=above_zero, metavar="T", help=f"of annealed_mean ({TEMPERATURE})")
    add("--seed", type=whole, default=0, help="of sample (0)")
    add(
        "--format",
        action="append",
        default=[],
        metavar="SUFFIX",
        help="write images, or films, as png, jpg, tif, webp, bmp, mp4, mkv, mov, webm; repeatable",
    )
    add("--skip-coloured", action="store_true", help="copy images that have colours already")
    add_finishing_options(parser)
    return parser


def _size(text: str) -> tuple[int, int] | None:
    """Return (rows, columns), or None for an image's own size."""
    if text in ("0", "full"):
        return None
    try:
        numbers = [positive(part) for part in text.lower().split("x")]
        W, H = numbers * 2 if len(numbers) == 1 else numbers
    except (argparse.ArgumentTypeError, ValueError):
        raise argparse.ArgumentTypeError(f'expected WxH, a number or full, got "{text}"') from None
    return H, W


def _run(options: argparse.Namespace) -> int:
    from colorization.finishing_options import finish_of
    from colorization.inputs import find_inputs, plan
    from colorization.network import network_path, network_weights

    with preparing():
        deploy = network_path(options.network)
        weights = options.weights or network_weights(deploy)
        found = find_inputs(options.inputs, options.list, without=options.output)
        jobs = plan(found, options.output, *_formats(options.format))
        todo = [job for job in jobs if options.overwrite or not job.target.exists()]
        finish = finish_of(options)
        options.precision = _precision(options)
        colorizer = _colorizer(options, deploy, weights) if todo else None
        options.made_by = _made_by(options) if any(job.is_film for job in todo) else None
    if todo:
        rounded = "" if options.precision == "fp32" else f" in {options.precision}"
        print(f"{deploy} with {weights} on the {_where(colorizer, options)}{rounded}")
    with colorizer if todo and options.ray else nullcontext():
        coloured, skipped, failed = _colour(todo, colorizer, finish, options)
    if coloured and options.output.is_dir():
        _tell_conditions(deploy.parent, options.output)
    print(outcome(coloured, skipped, len(jobs) - len(todo), failed))
    return 1 if failed else 0


def _precision(options: argparse.Namespace) -> str:
    if options.ray and options.precision == "auto":
        raise UsageError("--precision auto looks at this machine; --ray needs fp32, tf32 or bf16")
    return precision_of(options)


def _where(colorizer, options: argparse.Namespace) -> str:
    if options.ray:
        return colorizer.where
    return "CPU" if options.gpu is None else f"GPU {options.gpu}"


def _tell_conditions(network: Path, output: Path) -> None:
    """Put what train_network says of the training beside the results, for compare_results."""
    from colorization.comparison_report import CONDITIONS
    from colorization.files import replacing

    if (network / CONDITIONS).is_file():
        with replacing(output / CONDITIONS) as temporary:
            temporary.write_bytes((network / CONDITIONS).read_bytes())


def _formats(names: list[str]) -> tuple[str | None, str | None]:
    """Return the suffixes for images and for films that --format asks for."""
    from colorization.formats import CONTAINERS, FORMATS

    image, film = None, None
    for name in names:
        suffix = f".{name.lower().lstrip('.')}"
        if suffix in FORMATS:
            image = suffix
        elif suffix in CONTAINERS:
            film = suffix
        else:
            known = ", ".join((*FORMATS, *CONTAINERS))
            raise UsageError(f"--format {name}: expected one of {known}")
    return image, film


def _colorizer(options: argparse.Namespace, deploy: Path, weights: Path):
    from colorization.finishing_options import ensemble_of
    from colorization.inference import Colorizer

    choice = {}
    if options.temperature is not None:
        if options.decode != "annealed_mean":
            raise UsageError("--temperature is for --decode annealed_mean")
        choice["temperature"] = options.temperature
    choice.update(
        precision=options.precision, size=options.size, decoder=options.decode, seed=options.seed
    )
    if options.ray:
        return _ray_colorizer(options, deploy, weights, choice)
    make = _noting(options, partial(Colorizer, gpu=options.gpu, **choice))
    return ensemble_of(options, make(deploy, weights), make)


def _ray_colorizer(options: argparse.Namespace, deploy: Path, weights: Path, choice: dict):
    from colorization.cluster import RayColorizer, Recipe
    from colorization.finishing_options import ensemble_of

    if options.gpu is not None:
        raise UsageError("--gpu is a GPU of this machine; --ray takes those of the cluster")
    recipe = Recipe(choice, options.mean or MEAN, options.refine_members)
    make = _noting(options, recipe.make)
    ensemble_of(options, make(deploy, weights), make)
    colorizer = RayColorizer(options.ray, recipe, options.batch, options.cpu)
    options.batch = colorizer.ahead
    return colorizer


def _noting(options: argparse.Namespace, make):
    """Return `make`, which makes a colorizer of two files, noting in the options which they are."""
    options.files = []

    def noted(deploy: Path, weights: Path):
        options.files += [deploy, weights]
        return make(deploy, weights)

    return noted


def _made_by(options: argparse.Namespace) -> dict:
    """Return what the colours of a film depend on; where they are computed is not among it."""
    from colorization.files import digests

    names = ("size", "precision", "decode", "temperature", "seed")
    own = {name: getattr(options, name) for name in names}
    return {"networks": digests(options.files), **own, **finishing(options)}


def _colour(jobs: list, colorizer, finish, options: argparse.Namespace) -> tuple[int, int, int]:
    """Return how many files were coloured, copied as they were, and failed."""
    from tqdm import tqdm

    from colorization.batch import AlreadyColoured, colour_images

    coloured = skipped = failed = 0
    pictures = [job for job in jobs if not job.is_film]
    films = [job for job in jobs if job.is_film]
    with tqdm(total=len(jobs), unit="file", disable=None) as progress:

        def results():
            if pictures:
                yield from colour_images(
                    pictures, colorizer, options.batch, options.skip_coloured, finish
                )
            for job in films:
                yield job, _colour_film(job, colorizer, finish, options)

        for job, error in results():
            progress.update()
            if error is None:
                coloured += 1
            elif isinstance(error, AlreadyColoured):
                skipped += 1
            else:
                failed += 1
                tqdm.write(failure(job.source, error), file=sys.stderr)
    return coloured, skipped, failed


def _colour_film(job, colorizer, finish, options: argparse.Namespace) -> Exception | None:
    from tqdm import tqdm

    from colorization.batch import colour_film

    def watch(film):
        return film_bar(film, job.source.name, leave=False)

    def goes_on(frame):
        tqdm.write(f"{job.source}: goes on at frame {frame}")

    try:
        lost = colour_film(
            job,
            colorizer,
            options.batch,
            quality(options),
            watch,
            finish,
            options.temporal,
            options.made_by,
            goes_on,
        )
    except Exception as error:  # whatever is wrong with one film, the others go on
        return error
    for what in lost:
        tqdm.write(f"{job.target}: {what}", file=sys.stderr)
    return None


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Colour images and films with a trained network (thesis, section 8.1)."""

from __future__ import annotations

import argparse
import sys
import warnings
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from colorization.command_line import add_device_options, failure, positive, preparing, run
from colorization.errors import UsageError
from colorization.finishing_options import add_finishing_options
from colorization.process_settings import settle

EPILOG = """\
inputs    files; folders, whose inner folders appear in the output as well; patterns in quotes
          ("scans/**/*.tif"); @list.txt or --list list.txt, one input a line
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
    add(
        "--output",
        type=Path,
        default=Path("colorized"),
        metavar="PATH",
        help="folder, or file for one input (colorized)",
    )
    add(
        "--network",
        default="residual_quarter",
        metavar="NAME",
        help="name, folder or .prototxt (residual_quarter, trained on the open cartoon)",
    )
    add("--weights", type=Path, metavar="FILE", help=".caffemodel (that beside the network)")
    add_device_options(parser)
    add(
        "--ray",
        metavar="ADDRESS",
        help="compute on a Ray cluster: local, auto (the one that runs here) or HOST:PORT; "
        "on its GPUs, if it has any and --cpu is not given",
    )
    add(
        "--precision",
        choices=("fp32", "tf32", "bf16", "auto"),
        default="fp32",
        help="auto: bf16 where the device is made for it, else fp32 (fp32)",
    )
    add("--batch", type=positive, default=8, metavar="N", help="images at once (8)")
    add(
        "--size",
        type=_size,
        default=(224, 224),
        metavar="WxH",
        help="what the network sees: WxH, one number, or full for each image's own (224)",
    )
    add(
        "--decode",
        default="expectation",
        metavar="METHOD",
        help="expectation, annealed_mean, mode or sample (expectation)",
    )
    add("--temperature", type=float, metavar="T", help="of annealed_mean (0.38)")
    add("--seed", type=int, default=0, help="of sample (0)")
    add(
        "--format",
        action="append",
        default=[],
        metavar="SUFFIX",
        help="write images, or films, as png, jpg, tif, webp, bmp, mp4, mkv, mov, webm; repeatable",
    )
    add("--crf", type=int, default=14, help="quality of films, smaller is better (14)")
    add("--overwrite", action="store_true", help="colour again what is finished")
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

    warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters comes as an error
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
    skipped += len(jobs) - len(todo)
    if options.output.is_dir():
        _tell_conditions(deploy.parent, options.output)
    print(f"{coloured} coloured, {skipped} skipped, {failed} failed")
    return 1 if failed else 0


def _precision(options: argparse.Namespace) -> str:
    """Return what --precision says, and for auto what the device is made for."""
    if options.precision != "auto":
        return options.precision
    if options.ray:
        raise UsageError("--precision auto looks at this machine; --ray needs fp32, tf32 or bf16")
    from colorization.network import fast_precision

    return fast_precision(options.gpu)


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
    recipe = Recipe(choice, options.mean, options.refine_members)
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
    from colorization.film_parts import digests

    names = ("size", "precision", "decode", "temperature", "seed", "mean", "refine_members")
    names += ("upsample", "refine")
    return {"networks": digests(options.files), **{name: getattr(options, name) for name in names}}


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
        total, first = len(film) or None, film.skipped
        return tqdm(film, job.source.name, total, False, initial=first, unit="frame", disable=None)

    def goes_on(frame):
        tqdm.write(f"{job.source}: goes on at frame {frame}")

    try:
        way = (colorizer, options.batch, options.crf, watch, finish, options.temporal)
        lost = colour_film(job, *way, options.made_by, goes_on)
    except Exception as error:  # whatever is wrong with one film, the others go on
        return error
    for what in lost:
        tqdm.write(f"{job.target}: {what}", file=sys.stderr)
    return None


if __name__ == "__main__":
    sys.exit(main())

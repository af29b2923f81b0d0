#!/usr/bin/env python3
"""Colour a film from a few of its frames that a person has coloured."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorization.command_line import (
    add_device_options,
    add_precision_option,
    add_quality_options,
    film_bar,
    positive,
    precision_of,
    preparing,
    quality,
    run,
    whole,
)
from colorization.defaults import BATCH
from colorization.errors import UsageError
from colorization.finishing_options import add_finishing_options, finishing
from colorization.process_settings import settle

EPILOG = """\
1. colorize_film shot.mp4 --export 0,40,80 --keyframes keyframes/
   writes these frames, counted from 0, as images, but for those that are in the folder already;
   colour them in any program
2. colorize_film shot.mp4 --keyframes keyframes/
   trains a network on them, carries their colours along the film's motion, and fills with the
   network's what no keyframe shows; what was trained is kept in shot.mp4.work/ beside the output,
   so the same command goes on after an interruption, in the middle of the film as well.
   sources.csv there tells of each frame how much of its colour came from where, and the last line
   which frames to colour next; colour them, too, and give the same command again

A keyframe is any image whose name has frame_ and a number, frame_000040.png, or ends in the number
of its frame. Those without colours are passed over.
A film that this command has written, and nobody changed, is replaced; other files are not.

result    0: done   1: it failed, with one line on stderr   2: wrong usage   130: interrupted
"""


PROPOSALS = 5  # frames that a person is asked to colour next
_SHARES = {
    "before": "from the keyframe before",
    "after": "from the keyframe after",
    "network": "from the network",
}


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    settle()
    work = _colour if options.export is None else _export
    return run("colorize_film", lambda: work(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="colorize_film",
        description="Colour a film from a few of its frames that a person has coloured.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("clip", type=Path, metavar="CLIP", help="the grey film")
    add("--keyframes", nargs="+", required=True, metavar="PATH", help="coloured images, or folders")
    add("--export", type=_numbers, metavar="N,N", help="write these frames for colouring, and stop")
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="the coloured film (CLIP_coloured in the clip's own container, or in .mkv where that "
        "cannot be written or cannot hold the clip's sound)",
    )
    add("--overwrite", action="store_true", help="replace the output, whoever wrote it")
    add("--work", type=Path, metavar="DIR", help="where training is kept (CLIP.work by the output)")
    add(
        "--colours",
        choices=("both", "motion", "network"),
        default="both",
        help="from the keyframes along the motion, from the network, or from both (both)",
    )
    add("--network", default="plain_quarter", metavar="NAME", help="name or folder (plain_quarter)")
    add("--iterations", type=positive, default=400, metavar="N", help="of training (400)")
    add("--batch", type=positive, default=BATCH, metavar="N", help=f"images at once ({BATCH})")
    add_precision_option(parser, "auto")
    add("--seed", type=whole, default=1, help="of training (1)")
    add("--size", type=positive, default=256, metavar="N", help="what the network sees (256)")
    add_quality_options(parser)
    add_device_options(parser)
    add_finishing_options(parser)
    return parser


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f'expected numbers like 0,40,80, got "{text}"')
    return [int(part) for part in parts]


def _export(options: argparse.Namespace) -> int:
    from colorization.keyframes import export_frames

    if len(options.keyframes) > 1:
        raise UsageError("--export writes into one folder: give --keyframes one")
    folder = Path(options.keyframes[0])
    written, kept = export_frames(options.clip, options.export, folder)
    frames = "1 frame" if len(written) == 1 else f"{len(written)} frames"
    print(f"{frames} to colour in {folder}")
    for path in kept:
        print(f"kept: {path}")
    return 0


def _colour(options: argparse.Namespace) -> int:
    from colorization.batch import colour_film
    from colorization.finishing_options import finish_of
    from colorization.inputs import Job, film_beside
    from colorization.keyframe_film import colour_from_keyframes, note_film, write_sources
    from colorization.keyframes import keyframe_files, read_keyframes

    # What is wrong with the output is told before the training.
    job = Job(options.clip, film_beside(options.clip, "coloured", options.output, quality(options)))
    work = options.work or job.target.with_name(f"{options.clip.name}.work")
    _check_replaceable(job.target, work, options)
    with preparing():
        finish = finish_of(options)
    keyframes = read_keyframes(options.clip, keyframe_files(options.keyframes), _tell)
    options.files = []
    if options.colours == "motion" and (options.ensemble or options.refine_members):
        raise UsageError("--ensemble and --refine-members are for colours of a network")
    colorizer = None if options.colours == "motion" else _trained(options, keyframes, work)

    def watch(film):
        return film_bar(film, "colouring")

    def goes_on(frame):
        print(f"{options.clip}: goes on at frame {frame}")

    way = (colorizer, options.batch, quality(options), watch, finish, options.temporal)
    way += (_made_by(options, keyframes), goes_on)
    if options.colours == "network":
        lost = colour_film(job, *way)
    else:
        notes = work / ".sources.part"
        sources, lost = colour_from_keyframes(job, keyframes, *way, notes=notes)
        write_sources(work / "sources.csv", sources)
        _propose(sources)
    note_film(work, job.target)
    for what in lost:
        _tell(f"{job.target}: {what}")
    print(f"{job.target}: coloured from {len(keyframes)} keyframes")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _check_replaceable(target: Path, work: Path, options: argparse.Namespace) -> None:
    """Raise UsageError for a file that this command has not written."""
    from colorization.keyframe_film import is_noted

    if target.exists() and not options.overwrite and not is_noted(work, target):
        raise UsageError(
            f"{target}: exists, and colorize_film did not write it; "
            "choose another --output, or give --overwrite"
        )


def _trained(options: argparse.Namespace, keyframes: dict, work: Path):
    """Return what colours as the keyframes are: a network trained on them, or an ensemble."""
    from colorization.finishing_options import ensemble_of
    from colorization.inference import Colorizer
    from colorization.keyframe_training import Recipe, train
    from colorization.network import network_path

    precision = precision_of(options)
    recipe = Recipe(options.network, options.iterations, options.batch, precision, options.seed)
    model = train(keyframes, work, recipe, options.gpu)

    def make(deploy: Path, weights: Path):
        options.files += [deploy, weights]
        return Colorizer(deploy, weights, gpu=options.gpu, size=(options.size,) * 2)

    with preparing():
        return ensemble_of(options, make(network_path(options.network), model), make)


def _made_by(options: argparse.Namespace, keyframes: dict) -> dict:
    """Return what the colours depend on; where they are computed is not among it."""
    from colorization.files import digests
    from colorization.keyframes import digest_of

    own = {"colours": options.colours, "size": options.size, "keyframes": digest_of(keyframes)}
    return {"networks": digests(options.files), **own, **finishing(options)}


def _propose(sources: list) -> None:
    """Print where colours came from, and which frames would help most."""
    from colorization.propagation import proposals

    count = len(sources)
    shares = {name: sum(getattr(s, name) for s in sources) / count for name in _SHARES}
    print(", ".join(f"{share:.0%} {_SHARES[name]}" for name, share in shares.items()))
    if numbers := proposals(sources, PROPOSALS):
        print(f"colour next: frames {', '.join(map(str, numbers))}")


if __name__ == "__main__":
    sys.exit(main())

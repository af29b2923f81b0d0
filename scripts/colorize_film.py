#!/usr/bin/env python3
"""Colour a film from a few of its frames that a person has coloured."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorization.finishing_options import add_finishing_options
from colorization.option_types import positive
from colorization.process_settings import settle

EPILOG = """\
1. colorize_film shot.mp4 --export 0,40,80 --keyframes keyframes/
   writes these frames, counted from 0, as images; colour them in any program
2. colorize_film shot.mp4 --keyframes keyframes/
   trains a network on them, carries their colours along the film's motion, and fills with the
   network's what no keyframe shows; what was trained is kept in shot.work/, so the same command
   goes on after an interruption. shot.work/sources.csv tells of each frame how much of its colour
   came from where, and the last line which frames to colour next

A keyframe is any image whose name ends in the number of its frame: frame_000040.png.
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
    from colorization.images import ImageError
    from colorization.keyframes import KeyframeError
    from colorization.network import NetworkError
    from colorization.propagation import PropagationError
    from colorization.training import TrainingError
    from colorization.video import VideoError

    expected = (ImageError, KeyframeError, NetworkError, OSError, PropagationError, TrainingError)
    try:
        if options.export is not None:
            return _export(options)
        return _colour(options)
    except (*expected, ValueError, VideoError) as error:
        print(f"colorize_film: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130


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
    add("--output", type=Path, metavar="FILE", help="the coloured film (CLIP_coloured.mp4)")
    add("--work", type=Path, metavar="DIR", help="where training is kept (CLIP.work)")
    add(
        "--colours",
        choices=("both", "motion", "network"),
        default="both",
        help="from the keyframes along the motion, from the network, or from both (both)",
    )
    add("--network", default="plain_quarter", metavar="NAME", help="name or folder (plain_quarter)")
    add("--iterations", type=positive, default=400, metavar="N", help="of training (400)")
    add("--batch", type=positive, default=8, metavar="N", help="images at once (8)")
    add("--precision", choices=("fp32", "tf32", "bf16"), help="of training (bf16 where it is fast)")
    add("--seed", type=int, default=1, help="of training (1)")
    add("--size", type=positive, default=256, metavar="N", help="what the network sees (256)")
    add("--crf", type=int, default=14, help="quality of the film, smaller is better (14)")
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpu", type=int, metavar="ID", help="compute on this GPU")
    device.add_argument("--cpu", action="store_true", help="compute on the CPU (the default)")
    add_finishing_options(parser)
    return parser


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f'expected numbers like 0,40,80, got "{text}"') from None


def _export(options: argparse.Namespace) -> int:
    from colorization.keyframes import export_frames

    files = export_frames(options.clip, options.export, Path(options.keyframes[0]))
    print(f"{len(files)} frames to colour in {files[0].parent}")
    return 0


def _colour(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from colorization.batch import Job, colour_film
    from colorization.finishing_options import finish_of
    from colorization.keyframe_film import colour_from_keyframes, write_sources
    from colorization.keyframes import keyframe_files, read_keyframes
    from colorization.video import open_video

    with open_video(options.clip):
        pass  # a clip that cannot be read is told before the training, not after
    job = Job(options.clip, _beside(options.clip, options.output, "_coloured.mp4"))
    work = options.work or options.clip.with_suffix(".work")
    finish = finish_of(options)
    keyframes = read_keyframes(keyframe_files(options.keyframes))
    colorizer = None if options.colours == "motion" else _trained(options, keyframes, work)

    def watch(film):
        return tqdm(film, "colouring", len(film) or None, unit="frame", disable=None)

    way = (colorizer, options.batch, options.crf, watch, finish, options.temporal)
    if options.colours == "network":
        colour_film(job, *way)
    else:
        sources, _ = colour_from_keyframes(job, keyframes, *way)
        work.mkdir(parents=True, exist_ok=True)
        write_sources(work / "sources.csv", sources)
        _propose(sources)
    print(f"{job.target}: coloured from {len(keyframes)} keyframes")
    return 0


def _beside(clip: Path, output: Path | None, ending: str) -> Path:
    return output or clip.with_name(f"{clip.stem}{ending}")


def _trained(options: argparse.Namespace, keyframes: dict, work: Path):
    """Return what colours as the keyframes are: a network trained on them, or an ensemble."""
    from functools import partial

    from colorization.finishing_options import ensemble_of
    from colorization.inference import Colorizer
    from colorization.keyframes import Recipe, train
    from colorization.network import network_path
    from colorization.training import fast_precision

    precision = options.precision or fast_precision(options.gpu)
    recipe = Recipe(options.network, options.iterations, options.batch, precision, options.seed)
    model = train(keyframes, work, recipe, options.gpu)
    make = partial(Colorizer, gpu=options.gpu, size=(options.size,) * 2)
    return ensemble_of(options, make(network_path(options.network), model), make)


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

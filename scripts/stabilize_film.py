#!/usr/bin/env python3
"""Take the flicker out of the colours of a film."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorization.command_line import add_quality_options, film_bar, quality, run, share, whole
from colorization.defaults import AHEAD, STRENGTH
from colorization.errors import UsageError
from colorization.process_settings import settle

EPILOG = """\
The film may have been coloured by any program. Each frame keeps its lightness; its colours become
an average with those of the frames around it, followed along the motion, within each shot. The
same command goes on after an interruption.

result    0: done   1: it failed, with one line on stderr   2: wrong usage   130: interrupted
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    settle()
    return run("stabilize_film", lambda: _stabilize(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stabilize_film",
        description="Take the flicker out of the colours of a film.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("film", type=Path, metavar="COLOURED", help="the coloured film")
    add("--output", type=Path, metavar="OUT", help="the steady film (COLOURED_steady)")
    add("--overwrite", action="store_true", help="replace the output if there is one")
    add(
        "--strength",
        type=share,
        default=STRENGTH,
        metavar="S",
        help=f"0 none, below 1 ({STRENGTH})",
    )
    add("--ahead", type=whole, default=AHEAD, metavar="N", help=f"frames looked ahead ({AHEAD})")
    add_quality_options(parser)
    add("--report", action="store_true", help="measure the flicker before and after")
    return parser


def _stabilize(options: argparse.Namespace) -> int:
    from colorization.film_parts import ResumableWriter
    from colorization.inputs import film_beside
    from colorization.video import open_video, remarks

    encoded = quality(options)
    output = film_beside(options.film, "steady", options.output, encoded)
    if output.exists() and not options.overwrite:
        raise UsageError(f"{output}: exists; choose another --output, or give --overwrite")
    made_by = {"strength": options.strength, "ahead": options.ahead}
    with (
        open_video(options.film, depth=encoded.depth) as film,
        ResumableWriter(output, film, made_by, encoded) as writer,
    ):
        count = writer.done
        for frame, pts in _steadied(film, writer.done, options, encoded.dtype):
            writer.write(frame, pts)
            count += 1
    for what in remarks(film, writer.left_out):
        print(f"{output}: {what}", file=sys.stderr)
    print(f"{output}: steadied")
    if options.report and count == 1:
        print("a film of one frame has no flicker")
    elif options.report:
        _report(options.film, output)
    return 0


def _steadied(film, done: int, options: argparse.Namespace, dtype):
    """Return the steady frames from number `done` on, with a progress bar."""
    from itertools import islice

    from colorization.batch import warm_up
    from colorization.temporal import steady_frames

    if done:
        print(f"{options.film}: goes on at frame {done}")
    first = max(0, done - warm_up(None, options.strength))
    film.skip(first)
    frames = film_bar(film, "steadying")
    frames = steady_frames(frames, options.strength, options.ahead, dtype)
    return islice(frames, done - first, None)


def _report(film: Path, output: Path) -> None:
    """Print E_warp of both films, and of their lightness alone, below which colours cannot go."""
    from colorization.warping_error import flicker

    before, after, floor = flicker(film, output)
    print(f"E_warp before {before:.3e}, after {after:.3e}, of the lightness alone {floor:.3e}")


if __name__ == "__main__":
    sys.exit(main())

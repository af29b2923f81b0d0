#!/usr/bin/env python3
"""Draw an open cartoon of 13 short episodes: films to train and test on, free of anyone's rights.

Beside each film lies a record that tells of every frame which shot it belongs to and whether it is
credits, faded, held or the first after a cut. Episodes that are complete are kept.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from colorization.cartoon.film import Episode
from colorization.cartoon.stories import STORIES
from colorization.cartoon.studio import is_complete, write_episodes
from colorization.command_line import positive, run, whole

SHORTEST = 2.0  # seconds of an episode


def main(argv: list[str] | None = None) -> int:
    """Write the episodes asked for; return 0, or 1 after an error."""
    options = _parser().parse_args(argv)
    return run("make_cartoon", lambda: _draw(options))


def _draw(options: argparse.Namespace) -> int:
    width, height = options.size
    episodes = [
        Episode(number, options.seed, options.seconds_per_episode, width, height)
        for number in options.episodes
    ]
    missing = [
        episode
        for episode in episodes
        if options.overwrite or not is_complete(episode, options.output)
    ]
    write_episodes(missing, options.output, options.workers)
    kept = len(episodes) - len(missing)
    print(f"{options.output}: {len(missing)} episodes drawn, {kept} kept")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make_cartoon", description=__doc__)
    parser.add_argument("output", type=Path, help="folder for episode_NN.mp4 and episode_NN.json")
    parser.add_argument(
        "--episodes",
        type=_numbers,
        default=_numbers(f"1-{len(STORIES)}"),
        metavar="1-13",
        help="such as 3, 1-4 or 1,5-7; all if not given",
    )
    parser.add_argument("--seed", type=whole, default=0, help="of what grows at the places (0)")
    parser.add_argument(
        "--seconds-per-episode", type=_seconds, default=24.0, metavar="S", help="with credits (24)"
    )
    parser.add_argument(
        "--size", type=_size, default=(704, 528), metavar="WxH", help="of the frames (704x528)"
    )
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count() or 1, metavar="N", help="processes"
    )
    parser.add_argument("--overwrite", action="store_true", help="draw complete episodes again")
    return parser


def _numbers(text: str) -> list[int]:
    """Episode numbers of a list of numbers and ranges."""
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if found is None:
            raise argparse.ArgumentTypeError(f"{text!r}: expected episodes such as 1,3-5")
        numbers.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    if not numbers or not numbers <= set(range(1, len(STORIES) + 1)):
        raise argparse.ArgumentTypeError(f"{text!r}: there are episodes 1 to {len(STORIES)}")
    return sorted(numbers)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, such as 24") from None
    if not SHORTEST <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text}: expected {SHORTEST:g} to 3600 seconds")
    return seconds


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None or min(map(int, found.groups())) < 32:
        raise argparse.ArgumentTypeError(f"{text!r}: expected width x height, such as 704x528")
    return int(found[1]), int(found[2])


if __name__ == "__main__":
    sys.exit(main())

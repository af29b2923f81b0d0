#!/usr/bin/env python3
"""Make training, validation and test sets from films and images (thesis, chapter 4)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from colorization.command_line import positive, run, share, whole

EPILOG = """\
inputs    films, one for each episode, in their order; one film with --cuts; folders of films;
          folders of images, with or without folders for classes in them; patterns; @list.txt
filters   of films: a frame is kept when it differs from the last kept one by more than the
          threshold (mean squared difference in RGB), and when it shows no credits (white text on
          saturated blue). Frames are squeezed to SIZE x SIZE; images, which are not filtered, are
          scaled until their shorter side is SIZE, and their middle is taken
output    train_lmdb, val_lmdb, test_lmdb, train_priors.npy, and index.html to look at; or with
          --list-files train.txt, val.txt, test.txt for ImageData layers, whose root_folder is then
          the output folder with a slash behind
again     the same command goes on after an interruption; finished episodes are not made again, but
          with other options all are
result    0: all done   1: something failed, one line each on stderr   2: wrong usage
          130: interrupted

examples  make_dataset episode*.mp4
          make_dataset cartoon.mkv --cuts 0,8:15,16:32 --output data/cartoon
          make_dataset photos/ --val-share 0.02 --list-files
"""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_intermixed_args(argv)
    return run("make_dataset", lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make_dataset",
        description="Make training, validation and test sets from films and images.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="film, folder, image, pattern or @list")
    add("--output", type=Path, default=Path("data"), metavar="DIR", help="folder (data)")
    add(
        "--cuts",
        metavar="TIMES",
        help="where the episodes of the one film begin: 0,1:30,3:00, or a .json file with a list; "
        "what lies before the first belongs to none",
    )
    add(
        "--test-episodes",
        type=whole,
        metavar="N",
        help="so many episodes from the first on are the test set (1; 0 if there is but one)",
    )
    add(
        "--val-share",
        type=share,
        default=0.05,
        metavar="X",
        help="of the other images, so much is the validation set (0.05)",
    )
    add("--threshold", type=float, default=20.0, metavar="T", help="of the duplicates filter (20)")
    add("--size", type=positive, default=256, metavar="N", help="of the images (256)")
    add("--no-duplicates-filter", action="store_true", help="keep frames that show nothing new")
    add("--no-credits-filter", action="store_true", help="keep credits")
    add("--keep-frames", action="store_true", help="write PNG files too, to DIR/frames")
    add("--list-files", action="store_true", help="write PNG files and lists instead of LMDBs")
    add("--seed", type=whole, default=0, help="of the validation set and of the order (0)")
    add("--workers", type=positive, metavar="N", help="processes (as many as processors)")
    return parser


def _run(options: argparse.Namespace) -> int:
    import os

    from colorization.dataset_build import build_dataset
    from colorization.dataset_inputs import find_parts, read_cuts
    from colorization.dataset_parts import Episode, Recipe
    from colorization.dataset_report import summary
    from colorization.dataset_sets import Split

    recipe = Recipe(
        size=options.size,
        threshold=options.threshold,
        duplicates_filter=not options.no_duplicates_filter,
        credits_filter=not options.no_credits_filter,
        lmdb=not options.list_files,
        png=options.list_files or options.keep_frames,
    )
    cuts = read_cuts(options.cuts) if options.cuts else ()
    parts = find_parts(options.inputs, cuts, options.output)
    episodes = sum(isinstance(part, Episode) for part in parts)
    test = options.test_episodes if options.test_episodes is not None else int(episodes > 1)
    split = Split(test, options.val_share, options.seed)
    workers = options.workers or os.cpu_count() or 1
    dataset = build_dataset(parts, recipe, split, options.output, workers, print, _warn)
    print("\n".join(summary(dataset)))
    print(f"look at {options.output / 'index.html'}")
    return 1 if dataset.failures else 0


def _warn(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(f"make_dataset: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

"""What refinement, steady colours and upsampling gain: the tables of docs/results.md.

    python benchmarks/film_options.py [--folder build/film_options]

Two films are coloured with the weights that come along, in all ways, and compared with their
originals: the cartoon's held-out episode, which is drawn here, and the real clip. The clip is also
coloured by the network that `make demo` trains on 11 of its frames, if that has been run. What is
finished in the folder is kept, so the same command goes on after an interruption.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from common import machine

from colorization.resources import resource

ROOT = Path(__file__).resolve().parent.parent
OWN = ROOT / "build" / "demo" / "work" / "model_iter_400.caffemodel"
OPTIONS = {
    "smooth": ["--refine", "smooth"],
    "guided": ["--refine", "guided"],
    "growing": ["--refine", "growing"],
    "felzenszwalb": ["--refine", "felzenszwalb"],
    "bilateral": ["--upsample", "joint_bilateral"],
}
SHORT = ("", "steady", "smooth", "growing", "growing_steady", "bilateral_smooth_steady")
ALL = (*SHORT, "guided", "felzenszwalb", "bilateral", "bilateral_smooth")
NETWORKS = {
    "plain": ["--network", "plain_quarter"],
    "residual": ["--network", "residual_quarter"],
    "ensemble": ["--network", "residual_quarter", "--ensemble", "plain_quarter"],
    "own": ["--network", "plain_quarter", "--weights", str(OWN)],
}
WAYS = {
    "cartoon": {"plain": SHORT, "residual": ALL, "ensemble": ("", "growing_steady")},
    "clip": {"plain": SHORT, "residual": SHORT, "own": ALL},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--folder", type=Path, default=ROOT / "build" / "film_options", help="(build/film_options)")
    add("--film", nargs="+", choices=WAYS, default=list(WAYS), help="(cartoon clip)")
    options = parser.parse_args()
    print(machine())
    for name in options.film:
        film = episode(options.folder) if name == "cartoon" else resource("bigbuckbunny.mp4")
        sets = list(coloured(film, name, options.folder / name))
        report = options.folder / f"{name}_report"
        compared = ["--size", 256, "--flicker", "--pictures", 0, "--output", report]
        run("compare_results", "--truth", film, *sets, *compared)
        print(f"\n{name}\n\n{(report / 'table.md').read_text('utf-8')}", flush=True)


def episode(folder: Path) -> Path:
    """Draw the first episode, which no network has seen."""
    run("make_cartoon", folder, "--episodes", 1)
    return folder / "episode_01.mp4"


def coloured(film: Path, name: str, folder: Path):
    """Colour a film in all ways; yield NAME=PATH of each."""
    for network, ways in WAYS[name].items():
        if network == "own" and not OWN.is_file():
            print(f"{OWN.relative_to(ROOT)} is missing (make demo): left out")
            continue
        for way in ways:
            result = "_".join(filter(None, (network, way)))
            path = folder / f"{result}.mp4"
            chosen = [word for key in way.split("_") for word in OPTIONS.get(key, [])]
            steady = [] if way.endswith("steady") else ["--temporal", 0]
            common = [*NETWORKS[network], "--size", 256, "--precision", "auto"]
            if not path.exists():
                run("process_images", film, *common, *chosen, *steady, "--output", path)
            yield f"{result}={path}"


def run(command: str, *arguments) -> None:
    script = ROOT / "scripts" / f"{command}.py"
    subprocess.run([sys.executable, script, *map(str, arguments)], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()

"""A film through Ray's workers on this machine's cores, against the same network in one process.

    python benchmarks/cluster.py [FRAMES [NETWORK]]

Each time is that of all frames from L to the RGB picture, steadied, without connecting, and without
loading the network; rounds in turn, because machines are seldom idle.
"""

import statistics
import sys

import numpy as np
from common import machine, milliseconds

from colorization.batch import coloured_frames
from colorization.cluster import RayColorizer, Recipe
from colorization.network import network_path, network_weights

BATCH, ROUNDS, SIZE = 8, 3, (112, 112)


def frames(count: int) -> list[tuple[np.ndarray, int]]:
    """Return smooth moving pictures with their times."""
    y, x = np.mgrid[:144, :192]
    planes = (128 + 60 * np.sin((x + 2 * t) / 17) + 50 * np.cos(y / 11) for t in range(count))
    return [(np.dstack([plane] * 3).astype(np.uint8), t) for t, plane in enumerate(planes)]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    deploy = network_path(sys.argv[2] if len(sys.argv) > 2 else "plain_quarter")
    film, recipe = frames(count), Recipe({"size": SIZE})
    alone = recipe.make(deploy, network_weights(deploy))
    print(f"{machine()}\n{deploy.parent.name} at {SIZE}, {count} frames")
    with RayColorizer("local", recipe, BATCH) as cluster:
        ways = {"one process": (alone, BATCH), cluster.where: (cluster, cluster.ahead)}
        for colorizer, batch in ways.values():  # loads the networks
            list(coloured_frames(film[: 3 * batch], colorizer, batch, strength=0.85))
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                run = coloured_frames(film, *way, strength=0.85)
                rates[name].append(1000 * count / milliseconds(lambda run=run: list(run)))
    for name, rate in rates.items():
        middle, low, high = statistics.median(rate), min(rate), max(rate)
        print(f"{name:<22} {middle:6.1f} frames/s ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()

"""The snapshots of a training: <prefix>_iter_<n>.caffemodel, and .solverstate to go on from."""

from __future__ import annotations

import re
from pathlib import Path

PREFIX = "model"  # of the trainings that this package runs

_NAME = re.compile(r"_iter_(\d+)\.(caffemodel|solverstate)(\.h5)?$")


def snapshots(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    """Return (n, path) of the snapshots in a folder whose names match a pattern, by ascending n."""
    found = ((_NAME.search(path.name), path) for path in folder.glob(pattern))
    return sorted((int(name[1]), path) for name, path in found if name)


def model_path(work: Path, iteration: int) -> Path:
    """Return where a training in the folder `work` leaves its weights after so many iterations."""
    return work / f"{PREFIX}_iter_{iteration}.caffemodel"


def latest_state(work: Path) -> str | None:
    """Return the name of the .solverstate of most iterations that a training has left."""
    states = snapshots(work, f"{PREFIX}_iter_*.solverstate")
    return states[-1][1].name if states else None


def trained_iterations(work: Path) -> int:
    """Return how far the training in a folder has come."""
    states = snapshots(work, f"{PREFIX}_iter_*.solverstate")
    return states[-1][0] if states else 0


def remove_snapshots(work: Path, before: float) -> None:
    """Remove those of fewer iterations than `before`; a full-size one takes 390 MB."""
    for iteration, path in snapshots(work, f"{PREFIX}_iter_*"):
        if iteration < before:
            path.unlink()

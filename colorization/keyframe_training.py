"""Training a network on the keyframes of a film."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

import numpy as np

from colorization.caffe_train import TrainingError, caffe_train
from colorization.dataset import prior, write_lmdb
from colorization.dataset_names import PRIOR, TRAIN, lmdb_name
from colorization.files import write_text
from colorization.keyframes import digest_of
from colorization.prototxts import (
    follow_weights,
    is_test_only,
    training_messages,
    use_data,
    write_training,
)
from colorization.rebalancing import save_prior
from colorization.resizing import resized
from colorization.snapshots import latest_state, model_path, remove_snapshots

_LEARNING_RATE_DROP = 0.75  # share of the iterations after which the rate is multiplied by gamma


@dataclass(frozen=True)
class Recipe:
    """How a network is trained on keyframes."""

    network: str = "plain_quarter"
    iterations: int = 400
    batch: int = 8
    precision: str = "bf16"
    seed: int = 1


def train(
    keyframes: dict[int, np.ndarray], work: Path, recipe: Recipe, gpu: int | None = None
) -> Path:
    """Train `recipe.network` with `caffe train` on images of any size; return the .caffemodel.

    Everything is kept in the folder `work`: data set, prior, prototxts, log and snapshots. Training
    that was interrupted goes on from its last snapshot; where it is done for the same keyframes and
    recipe, it is not done again.
    """
    keyframes = {number: resized(image) for number, image in keyframes.items()}
    work.mkdir(parents=True, exist_ok=True)
    model = model_path(work, recipe.iterations)
    identity = _identity(keyframes, recipe)
    stamp = work / "recipe.json"
    if not stamp.is_file() or stamp.read_text() != identity:
        remove_snapshots(work, before=inf)
        write_text(stamp, identity)
    if not model.is_file():
        _write_data(keyframes, work)
        _write_prototxts(work, recipe, gpu)
        caffe_train(
            work,
            recipe.iterations,
            snapshot=latest_state(work),
            gpu=gpu,
            precision=recipe.precision,
        )
    if not model.is_file():
        raise TrainingError(f"{work}: training was interrupted; the same command goes on with it")
    return model


def _identity(keyframes: dict[int, np.ndarray], recipe: Recipe) -> str:
    """What a model in the work folder was made from."""
    return json.dumps({**asdict(recipe), "keyframes": digest_of(keyframes)})


def _write_data(keyframes: dict[int, np.ndarray], work: Path) -> None:
    write_lmdb(work / lmdb_name(TRAIN), ((f"frame_{n}", image) for n, image in keyframes.items()))
    save_prior(work / PRIOR, prior(keyframes.values()))


def _write_prototxts(work: Path, recipe: Recipe, gpu: int | None) -> None:
    """The network's own train net and solver, on the data of `work`."""
    net, solver = training_messages(recipe.network)
    kept = [layer for layer in net.layer if not is_test_only(layer)]
    del net.layer[:]
    net.layer.extend(kept)
    use_data(net, Path(), recipe.batch)
    follow_weights(net, recipe.iterations)
    solver.max_iter = recipe.iterations
    solver.iter_size = 1
    solver.stepsize = max(1, int(recipe.iterations * _LEARNING_RATE_DROP))
    solver.display = 10
    solver.snapshot = 100
    solver.random_seed = recipe.seed
    write_training(work, net, solver, gpu)

"""Training a network on a few frames of a film that a person has coloured."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from colorization.dataset import prior, resized, write_lmdb
from colorization.images import SUFFIXES, Picture, eight_bits, read_image, write_image
from colorization.network import network_path
from colorization.propagation import SHORT_SIDE
from colorization.rebalancing import save_prior
from colorization.training import (
    TrainingError,
    caffe_train,
    follow_weights,
    latest_state,
    read_message,
    write_message,
)
from colorization.video import open_video

_LEARNING_RATE_DROP = 0.75  # share of the iterations after which the rate is multiplied by gamma


class KeyframeError(Exception):
    """Keyframes that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained on keyframes."""

    network: str = "plain_quarter"
    iterations: int = 400
    batch: int = 8
    precision: str = "bf16"
    seed: int = 1


def frame_number(path: Path) -> int:
    """Return the number of the frame, from 0, that a file shows: the last digits of its name."""
    digits = re.findall(r"\d+", path.stem)
    if not digits:
        raise KeyframeError(
            f"{path}: the name has no frame number, expected one like frame_0012.png"
        )
    return int(digits[-1])


def read_keyframes(paths: Iterable[Path]) -> dict[int, np.ndarray]:
    """Return frame number -> RGB image (H, W, 3), uint8, by ascending number.

    An image whose shorter side is above SHORT_SIDE is made smaller: colours move at that size.
    """
    keyframes: dict[int, np.ndarray] = {}
    for path in paths:
        number = frame_number(path)
        if number in keyframes:
            raise KeyframeError(f"{path}: frame {number} is given twice")
        image = read_image(path)
        keyframes[number] = _bounded(eight_bits(image.rgb))
    return dict(sorted(keyframes.items()))


def _bounded(rgb: np.ndarray) -> np.ndarray:
    H, W, _ = rgb.shape
    scale = min(1.0, SHORT_SIDE / min(H, W))
    return rgb if scale == 1 else resized(rgb, round(W * scale), round(H * scale))


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
    model = work / f"model_iter_{recipe.iterations}.caffemodel"
    identity = _identity(keyframes, recipe)
    stamp = work / "recipe.json"
    if not stamp.is_file() or stamp.read_text() != identity:
        for old in work.glob("model_iter_*"):
            old.unlink()
        stamp.write_text(identity)
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
    digest = hashlib.sha256()
    for number, image in keyframes.items():
        digest.update(number.to_bytes(8, "little") + image.tobytes())
    return json.dumps({**asdict(recipe), "keyframes": digest.hexdigest()})


def _write_data(keyframes: dict[int, np.ndarray], work: Path) -> None:
    write_lmdb(work / "train_lmdb", ((f"frame_{n}", image) for n, image in keyframes.items()))
    save_prior(work / "train_priors.npy", prior(keyframes.values()))


def _write_prototxts(work: Path, recipe: Recipe, gpu: int | None) -> None:
    """The network's own train net and solver, on the data of `work`."""

    from caffe.proto import caffe_pb2

    net = read_message(network_path(recipe.network, "train.prototxt"), caffe_pb2.NetParameter())
    kept = [layer for layer in net.layer if not _is_test_only(layer, caffe_pb2.TEST)]
    del net.layer[:]
    net.layer.extend(kept)
    for layer in net.layer:
        if layer.type == "Data":
            layer.data_param.source = "train_lmdb"
            layer.data_param.batch_size = recipe.batch
        elif layer.python_param.layer == "ClassRebalance":
            options = json.loads(layer.python_param.param_str)
            layer.python_param.param_str = json.dumps({**options, "prior": "train_priors.npy"})
    follow_weights(net, recipe.iterations)
    solver = read_message(
        network_path(recipe.network, "solver.prototxt"), caffe_pb2.SolverParameter()
    )
    solver.net = "train.prototxt"
    solver.max_iter = recipe.iterations
    solver.iter_size = 1
    solver.stepsize = max(1, int(recipe.iterations * _LEARNING_RATE_DROP))
    solver.display = 10
    solver.snapshot = 100
    solver.snapshot_prefix = "model"
    solver.random_seed = recipe.seed
    solver.solver_mode = solver.CPU if gpu is None else solver.GPU
    for field in ("test_iter", "test_interval"):
        solver.ClearField(field)
    write_message(work / "train.prototxt", net)
    write_message(work / "solver.prototxt", solver)


def _is_test_only(layer, test: int) -> bool:
    return bool(layer.include) and all(rule.phase == test for rule in layer.include)


def keyframe_files(arguments: Iterable[str | os.PathLike]) -> list[Path]:
    """Return the images that the arguments, files and folders, name."""
    files: list[Path] = []
    for path in map(Path, arguments):
        if path.is_dir():
            files += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        else:
            files.append(path)
    if not files:
        raise KeyframeError("no keyframes: give coloured images, or folders that hold some")
    return files


def export_frames(clip: Path, numbers: Sequence[int], folder: Path) -> list[Path]:
    """Write frames of a film as frame_<number>.png, for a person to colour; return the files."""
    wanted, files = set(numbers), []
    with open_video(clip) as film:
        for number, (frame, _) in enumerate(film):
            if number in wanted:
                files.append(folder / f"frame_{number:06d}.png")
                write_image(files[-1], Picture(frame))
    if len(files) < len(wanted):
        raise KeyframeError(f"{clip}: has {number + 1} frames, frame {max(wanted)} is beyond them")
    return files

"""Training in rounds with validation between them.

A round is a `caffe train` of its own that goes on from the snapshot of the last one; as a resumed
training equals an uninterrupted one, the rounds change nothing. Between them the network is
validated, which decides whether the rate is reduced or the training ends.
"""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from colorization.caffe_train import TrainingError, caffe_train, iteration_bar, losses
from colorization.comparison_report import CONDITIONS
from colorization.dataset_names import PRIOR, VAL, lmdb_name
from colorization.errors import UsageError
from colorization.files import digests, locked, replacing, write_text
from colorization.magic_init import MagicInitError, magic_init
from colorization.network import choose_device, network_path
from colorization.prototxts import (
    data_layers,
    follow_weights,
    read_message,
    scale_width,
    training_messages,
    use_data,
    write_message,
    write_training,
)
from colorization.snapshots import (
    latest_state,
    model_path,
    remove_snapshots,
    trained_iterations,
)
from colorization.validation import validation_loss, write_pictures

# What a training keeps from its beginning on; the prior tells data sets apart.
BEGUN_WITH = ("network", "width", "crop", "batch", "iter_size", "rate", "magic_init")
SNAPSHOTS = 30  # of a training, one for each of the thesis' epochs; the last two are kept


class Plan(NamedTuple):
    """How a variant is trained; the thesis' recipe (7.3, 7.4) at the size that fits.

    `batch` and `iter_size` 0 are what the network's own prototxts say.
    """

    network: str
    iterations: int
    width: float = 1.0  # of the layers, as a share of the thesis'
    crop: int = 224
    batch: int = 0
    iter_size: int = 0
    rate: float = 0.001
    precision: str = "fp32"
    validate_every: int = 0  # iterations; 0: only at the end
    validation_images: int = 128  # the same at each validation, rounded up to whole batches
    patience: int = 0  # end after so many validations without a better one; 0: never
    reduce_after: int = 0  # multiply the rate by gamma after so many; 0: by the schedule alone
    weights: Path | None = None  # to start from
    magic_init: bool = False  # start from weights that follow from the data


@dataclass
class History:
    """What the validations found."""

    rows: list[dict] = field(default_factory=list)

    @property
    def iterations(self) -> int:
        """How far the network has been trained and validated."""
        return self.rows[-1]["iteration"] if self.rows else 0

    @property
    def best(self) -> dict:
        """The validation of the lowest loss."""
        return min(self.rows, key=lambda row: row["validation_loss"])

    @property
    def since_best(self) -> int:
        """How many validations came after the best one."""
        return len(self.rows) - 1 - self.rows.index(self.best)

    def write(self, path: Path) -> None:
        """Write the rows as CSV."""
        with replacing(path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


def train(plan: Plan, data: Path, work: Path, gpu: int | None = None) -> Path:
    """Train a variant in the folder `work` on a data set and return its best .caffemodel.

    `data` holds train_lmdb, val_lmdb and train_priors.npy, as make_dataset writes them. In `work`
    are left: begun.json, the prototxts, train.log, the last snapshot, history.csv, validation/ with
    pictures, best.caffemodel, deploy.prototxt and conditions.json, which tells how it was trained.
    The same call goes on after an interruption. UsageError where the folder has a training that was
    begun in another way, TrainingError while another process trains in it.
    """
    work.mkdir(parents=True, exist_ok=True)
    with locked(work, TrainingError(f"{work}: another process is training there")):
        _begin(plan, data, work)
        return _train(plan, data, work, gpu)


def _begin(plan: Plan, data: Path, work: Path) -> None:
    """Note how a training begins, or raise UsageError where it was begun otherwise."""
    own = {name: getattr(plan, name) for name in BEGUN_WITH}
    own["weights"] = str(plan.weights) if plan.weights else None
    own["prior"] = digests([data / PRIOR])[0][:8] if (data / PRIOR).is_file() else None
    note = work / "begun.json"
    if not note.is_file():
        write_text(note, json.dumps(own, indent=1))
        return
    begun = json.loads(note.read_text("utf-8"))
    if changes := [f"{k} {begun.get(k)}, now {v}" for k, v in own.items() if v != begun.get(k)]:
        changed = "; ".join(changes)
        raise UsageError(f"{work}: was begun with {changed}; choose another folder, or remove it")


def _train(plan: Plan, data: Path, work: Path, gpu: int | None) -> Path:
    plan = write_prototxts(plan, data, work, gpu)
    if plan.magic_init:
        plan = plan._replace(weights=_initialised(plan, work, gpu))
    history = _read_history(work / "history.csv")
    rate = history.rows[-1]["base_lr"] if history.rows else plan.rate
    gamma = _gamma(work / "solver.prototxt") if plan.reduce_after else 1.0
    with iteration_bar(plan.iterations, plan.network) as bar:
        while history.iterations < plan.iterations and not _is_over(plan, history):
            until = _end_of_round(plan, history, trained_iterations(work))
            rate = _reduced(plan, history, rate, gamma)
            if trained_iterations(work) < until:
                _write_round(work, until, rate)
                caffe_train(
                    work,
                    until,
                    snapshot=latest_state(work),
                    weights=plan.weights,
                    gpu=gpu,
                    precision=plan.precision,
                    bar=bar,
                )
            if trained_iterations(work) < until:
                raise TrainingError(f"{work}: interrupted; the same command goes on with it")
            _validate(plan, data, work, until, rate, history, gpu)
            remove_snapshots(work, before=until)
    _write_conditions(plan, work, history)
    return work / "best.caffemodel"


def _initialised(plan: Plan, work: Path, gpu: int | None) -> Path:
    """Return the weights to start from, made from the data; those of an earlier call if any."""
    start = work / "start.caffemodel"
    if not start.is_file():
        choose_device(gpu, plan.precision)
        try:
            magic_init(
                work / "train.prototxt",
                start,
                weights=plan.weights,
                watch=partial(tqdm, desc="MagicInit", leave=False, disable=None),
            )
        except MagicInitError as error:
            raise TrainingError(str(error)) from error
    return start


def write_prototxts(plan: Plan, data: Path, work: Path, gpu: int | None) -> Plan:
    """Write the variant's train, deploy and solver prototxt, at the plan's size, into `work`.

    Returns the plan with its batch and iter_size.
    """
    from caffe.proto import caffe_pb2

    net, solver = training_messages(plan.network)
    deploy = read_message(network_path(plan.network), caffe_pb2.NetParameter())
    plan = plan._replace(
        batch=plan.batch or data_layers(net)[0].data_param.batch_size,
        iter_size=plan.iter_size or solver.iter_size,
    )
    use_data(net, data.resolve(), plan.batch)
    for layer in data_layers(net):
        layer.transform_param.crop_size = plan.crop
    follow_weights(net, plan.iterations)
    scale_width(net, plan.width)
    scale_width(deploy, plan.width)
    solver.iter_size = plan.iter_size
    solver.stepsize = max(1, plan.iterations // 2)
    solver.snapshot = max(1, plan.iterations // SNAPSHOTS)
    solver.display = max(1, plan.iterations // 200)
    solver.average_loss = max(1, plan.iterations // 200)
    write_training(work, net, solver, gpu)
    write_message(work / "deploy.prototxt", deploy)
    return plan


def _write_round(work: Path, until: int, rate: float) -> None:
    from caffe.proto import caffe_pb2

    solver = read_message(work / "solver.prototxt", caffe_pb2.SolverParameter())
    solver.max_iter, solver.base_lr = until, rate
    write_message(work / "solver.prototxt", solver)


def _gamma(path: Path) -> float:
    """Return a solver's gamma as its prototxt says it; the message holds it in float32."""
    from caffe.proto import caffe_pb2

    solver = read_message(path, caffe_pb2.SolverParameter())
    if not solver.gamma:
        raise TrainingError(f"{path}: no gamma, by which the rate is to be reduced")
    return float(f"{solver.gamma:.6g}")


def _end_of_round(plan: Plan, history: History, trained: int) -> int:
    """Return the iteration of the next validation, which may be `trained` already."""
    every = plan.validate_every or plan.iterations
    rounds = max(history.iterations + 1, trained) + every - 1
    return max(trained, min(plan.iterations, rounds // every * every))


def _is_over(plan: Plan, history: History) -> bool:
    return bool(plan.patience and history.rows and history.since_best >= plan.patience)


def _reduced(plan: Plan, history: History, rate: float, gamma: float) -> float:
    """Return the rate of the next round: less after `reduce_after` validations without a better."""
    if not plan.reduce_after or not history.rows:
        return rate
    waited = history.since_best
    return rate * gamma if waited and waited % plan.reduce_after == 0 else rate


def _validate(
    plan: Plan,
    data: Path,
    work: Path,
    iteration: int,
    rate: float,
    history: History,
    gpu: int | None,
) -> None:
    """Measure the loss on validation data, colour some of it, keep the model if it is the best."""
    model = model_path(work, iteration)
    batches = ceil(plan.validation_images / plan.batch)
    row = {
        "iteration": iteration,
        "base_lr": rate,
        "training_loss": losses(work / "train.log")[-1][1],
        "validation_loss": validation_loss(
            work / "train.prototxt", model, batches, gpu, plan.precision
        ),
    }
    write_pictures(
        work / "validation" / f"iteration_{iteration:06d}.png",
        work / "deploy.prototxt",
        model,
        data / lmdb_name(VAL),
        gpu,
        plan.precision,
    )
    history.rows.append(row)
    history.write(work / "history.csv")
    if history.best is row:
        with replacing(work / "best.caffemodel") as temporary:
            shutil.copyfile(model, temporary)


def _read_history(path: Path) -> History:
    if not path.is_file():
        return History()
    with open(path, newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    for row in rows:
        row["iteration"] = int(row["iteration"])
    return History(rows)


def _write_conditions(plan: Plan, work: Path, history: History) -> None:
    images = plan.batch * plan.iter_size
    text = (
        f"{history.rows[-1]['iteration']} iterations of {images} crops of {plan.crop}x{plan.crop}, "
        f"width {plan.width:g}, {'MagicInit, ' if plan.magic_init else ''}"
        f"Adam from {plan.rate:g}, {plan.precision}; "
        f"best at {history.best['iteration']}"
    )
    write_text(work / CONDITIONS, json.dumps({"conditions": text, "network": plan.network}))

"""Training through the `caffe` command: one run, or rounds with validation between them.

A round is a `caffe train` of its own that goes on from the snapshot of the last one; as a resumed
training equals an uninterrupted one, the rounds change nothing. Between them the network is
validated, which decides whether the rate is reduced or the training ends.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import IO, NamedTuple

from tqdm import tqdm

from colorization.errors import ColorizationError
from colorization.files import replacing, write_text
from colorization.magic_init import MagicInitError, magic_init
from colorization.network import choose_device, network_path
from colorization.validation import validation_loss, write_pictures

SNAPSHOTS = 30  # of a training, one for each of the thesis' epochs; the last two are kept

_ITERATION = re.compile(r"\] Iteration (\d+).*, loss = (\S+)")


class TrainingError(ColorizationError):
    """Training could not be done; the message is one line."""


# One run of caffe train


def fast_precision(gpu: int | None = None) -> str:
    """Return "bf16" where the device multiplies such numbers in hardware, else "fp32".

    So also for a GPU that does not exist: whoever uses it tells that.
    """
    import torch

    if gpu is not None:
        if not 0 <= gpu < torch.cuda.device_count():
            return "fp32"
        with torch.cuda.device(gpu):
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if supported() else "fp32"


def caffe_command() -> list[str]:
    """Return the `caffe` program that belongs to the `caffe` module in use."""
    return [sys.executable, "-m", "caffe"] if find_spec("caffe.cli") else ["caffe"]


def caffe_train(
    work: Path,
    iterations: int,
    *,
    snapshot: str | None = None,
    weights: Path | None = None,
    gpu: int | None = None,
    precision: str = "fp32",
    bar: tqdm | None = None,
) -> None:
    """Run `caffe train` on work/solver.prototxt, its log in work/train.log, with a progress bar.

    `snapshot` is a .solverstate in `work` to go on from. TrainingError if the command fails; what
    its last line said is in the message. On KeyboardInterrupt Caffe ends its iteration and writes a
    snapshot first.
    """
    command = [*caffe_command(), "train", "-solver", "solver.prototxt"]
    if gpu is not None:
        command += ["-gpu", str(gpu)]
    if find_spec("caffe.cli"):
        command += ["-precision", precision]
    if snapshot:
        command += ["-snapshot", snapshot]
    elif weights:
        command += ["-weights", str(weights.resolve())]
    with (
        open(work / "train.log", "a" if snapshot else "w", buffering=1) as log,
        subprocess.Popen(command, cwd=work, stderr=subprocess.PIPE, text=True) as process,
        nullcontext(bar) if bar is not None else _iteration_bar(iterations) as shown,
    ):
        try:
            last = _follow(_pruning(process.stderr or (), work), log, shown)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # to a process that may have got it already
            _follow(process.stderr or (), log, shown)
            raise
    if process.returncode < 0:
        last = f"ended by {signal.Signals(-process.returncode).name}"
    if process.returncode:
        raise TrainingError(f"{work / 'train.log'}: caffe train failed: {last}")


def _iteration_bar(iterations: int, desc: str = "training") -> tqdm:
    return tqdm(total=iterations, desc=desc, unit="iteration", disable=None)


def _follow(lines: Iterable[str], log: IO[str], bar: tqdm) -> str:
    """Copy the log, show its progress and return its last line."""
    last = ""
    for line in lines:
        log.write(line)
        last = line.strip() or last
        if found := _ITERATION.search(line):
            bar.update(int(found[1]) - bar.n)
            bar.set_postfix_str(f"loss {found[2]}")
    return last


def _pruning(lines: Iterable[str], work: Path) -> Iterator[str]:
    """Yield the log's lines; when it tells of a new snapshot, remove those before the last one."""
    for line in lines:
        if "Snapshotting solver state" in line:
            _remove_before(work, _iterations(work))
        yield line


def losses(log: Path) -> list[tuple[int, float]]:
    """Return (iteration, smoothed loss) as Caffe's log tells them, each iteration once."""
    found = {int(n): float(loss) for n, loss in _ITERATION.findall(log.read_text())}
    return sorted(found.items())


def latest_state(work: Path, prefix: str = "model") -> str | None:
    """Return the name of the .solverstate of most iterations in a folder."""
    numbers = [
        int(match[1])
        for path in work.glob(f"{prefix}_iter_*.solverstate")
        if (match := re.search(r"_iter_(\d+)\.solverstate$", path.name))
    ]
    return f"{prefix}_iter_{max(numbers)}.solverstate" if numbers else None


def read_message(path: Path, message):
    """Return a protobuf message read from a prototxt."""
    from google.protobuf import text_format

    return text_format.Parse(path.read_text(), message)


def write_message(path: Path, message) -> None:
    """Write a protobuf message as prototxt."""
    from google.protobuf import text_format

    write_text(path, text_format.MessageToString(message))


# Rounds with validation


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
    are left: the prototxts, train.log, the last snapshot, history.csv, validation/ with pictures,
    best.caffemodel, deploy.prototxt and conditions.json, which tells how it was trained. The same
    call goes on after an interruption.
    """
    work.mkdir(parents=True, exist_ok=True)
    plan = write_prototxts(plan, data, work, gpu)
    if plan.magic_init:
        plan = plan._replace(weights=_initialised(plan, work, gpu))
    history = _read_history(work / "history.csv")
    rate = history.rows[-1]["base_lr"] if history.rows else plan.rate
    with _iteration_bar(plan.iterations, plan.network) as bar:
        while history.iterations < plan.iterations and not _is_over(plan, history):
            until = _end_of_round(plan, history, _iterations(work))
            rate = _reduced(plan, history, rate)
            if _iterations(work) < until:
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
            if _iterations(work) < until:
                raise TrainingError(f"{work}: interrupted; the same command goes on with it")
            _validate(plan, data, work, until, rate, history, gpu)
            _remove_before(work, until)
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
                watch=_watched("MagicInit"),
            )
        except MagicInitError as error:
            raise TrainingError(str(error)) from error
    return start


def _watched(name: str):
    return partial(tqdm, desc=name, leave=False, disable=None)


def follow_weights(net, iterations: int) -> None:
    """Let the statistics of BatchNorm follow the weights of a short training.

    Caffe's moving average keeps a share of .999, which is for tens of thousands of iterations: in a
    few hundred it would still hold what the first weights gave. Here it is 1 - 30 / iterations,
    within .9 and .999 (ours).
    """
    for layer in net.layer:
        if layer.type == "BatchNorm":
            share = min(0.999, max(0.9, 1 - 30 / iterations))
            layer.batch_norm_param.moving_average_fraction = share


def scale_width(net, width: float) -> None:
    """Multiply the outputs of every layer of a NetParameter but its predictions by `width`."""
    for layer in net.layer:
        if layer.type in ("Convolution", "Deconvolution") and not _predicts(layer.name):
            count = layer.convolution_param.num_output
            layer.convolution_param.num_output = max(1, int(count * width))


def _predicts(name: str) -> bool:
    return name.startswith("pred") or name == "ab"


def write_prototxts(plan: Plan, data: Path, work: Path, gpu: int | None) -> Plan:
    """Write the variant's train, deploy and solver prototxt, at the plan's size, into `work`.

    Returns the plan with its batch and iter_size.
    """
    from caffe.proto import caffe_pb2

    net = read_message(network_path(plan.network, "train.prototxt"), caffe_pb2.NetParameter())
    deploy = read_message(network_path(plan.network), caffe_pb2.NetParameter())
    solver = read_message(
        network_path(plan.network, "solver.prototxt"), caffe_pb2.SolverParameter()
    )
    sources = {caffe_pb2.TRAIN: "train_lmdb", caffe_pb2.TEST: "val_lmdb"}
    plan = plan._replace(
        batch=plan.batch or next(x for x in net.layer if x.type == "Data").data_param.batch_size,
        iter_size=plan.iter_size or solver.iter_size,
    )
    for layer in net.layer:
        if layer.type == "Data":
            layer.data_param.source = str((data / sources[layer.include[0].phase]).resolve())
            layer.data_param.batch_size = plan.batch
            layer.transform_param.crop_size = plan.crop
        elif layer.python_param.layer == "ClassRebalance":
            options = json.loads(layer.python_param.param_str)
            options["prior"] = str((data / "train_priors.npy").resolve())
            layer.python_param.param_str = json.dumps(options)
    follow_weights(net, plan.iterations)
    scale_width(net, plan.width)
    scale_width(deploy, plan.width)
    solver.net, solver.snapshot_prefix = "train.prototxt", "model"
    solver.iter_size = plan.iter_size
    solver.stepsize = max(1, plan.iterations // 2)
    solver.snapshot = max(1, plan.iterations // SNAPSHOTS)
    solver.display = max(1, plan.iterations // 200)
    solver.average_loss = max(1, plan.iterations // 200)
    solver.solver_mode = solver.CPU if gpu is None else solver.GPU
    solver.ClearField("test_iter")
    solver.ClearField("test_interval")
    write_message(work / "train.prototxt", net)
    write_message(work / "deploy.prototxt", deploy)
    write_message(work / "solver.prototxt", solver)
    return plan


def _write_round(work: Path, until: int, rate: float) -> None:
    from caffe.proto import caffe_pb2

    solver = read_message(work / "solver.prototxt", caffe_pb2.SolverParameter())
    solver.max_iter, solver.base_lr = until, rate
    write_message(work / "solver.prototxt", solver)


def _iterations(work: Path) -> int:
    """Return how far the training in a folder has come."""
    state = latest_state(work)
    return _iteration(state) if state else 0


def _iteration(state: str) -> int:
    return int(re.findall(r"_iter_(\d+)", state)[-1])


def _end_of_round(plan: Plan, history: History, trained: int) -> int:
    """Return the iteration of the next validation, which may be `trained` already."""
    every = plan.validate_every or plan.iterations
    rounds = max(history.iterations + 1, trained) + every - 1
    return max(trained, min(plan.iterations, rounds // every * every))


def _is_over(plan: Plan, history: History) -> bool:
    return bool(plan.patience and history.rows and history.since_best >= plan.patience)


def _reduced(plan: Plan, history: History, rate: float) -> float:
    """Return the rate of the next round: less after `reduce_after` validations without a better."""
    if not plan.reduce_after or not history.rows:
        return rate
    waited = history.since_best
    return rate * 0.3 if waited and waited % plan.reduce_after == 0 else rate


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
    model = work / f"model_iter_{iteration}.caffemodel"
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
        data / "val_lmdb",
        gpu,
        plan.precision,
    )
    history.rows.append(row)
    history.write(work / "history.csv")
    if history.best is row:
        with replacing(work / "best.caffemodel") as temporary:
            shutil.copyfile(model, temporary)


def _remove_before(work: Path, iteration: int) -> None:
    """Remove the snapshots before this one; a full-size one takes 390 MB."""
    for path in work.glob("model_iter_*"):
        if _iteration(path.name) < iteration:
            path.unlink()


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
    write_text(work / "conditions.json", json.dumps({"conditions": text, "network": plan.network}))

"""One run of the `caffe train` command, and its log."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from tqdm import tqdm

from colorization.errors import ColorizationError
from colorization.snapshots import remove_snapshots, trained_iterations

_ITERATION = re.compile(r"\] Iteration (\d+).*, loss = (\S+)")


class TrainingError(ColorizationError):
    """Training could not be done; the message is one line."""


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
        nullcontext(bar) if bar is not None else iteration_bar(iterations) as shown,
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
        words = last.partition("] ")[2] or last
        raise TrainingError(f"{work / 'train.log'}: caffe train failed: {words}")


def iteration_bar(iterations: int, desc: str = "training") -> tqdm:
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
            remove_snapshots(work, before=trained_iterations(work))
        yield line


def losses(log: Path) -> list[tuple[int, float]]:
    """Return (iteration, smoothed loss) as Caffe's log tells them, each iteration once."""
    found = {int(n): float(loss) for n, loss in _ITERATION.findall(log.read_text())}
    return sorted(found.items())

"""Solvers side by side, one process each, that train one net: gradients are averaged.

    torchrun --nproc_per_node 2 -m caffe train -solver solver.prototxt -cpu
    caffe train -solver solver.prototxt -gpu 0,1

Each of n solvers takes every n-th batch, so the batch is n times as large, as with genuine Caffe's
GPUs. torch.distributed does the exchange, through NCCL on GPUs and gloo on CPUs. The first solver
alone logs, tests and writes snapshots. The loss that it logs is the mean over all (Caffe: its own).
"""

import os

import torch
import torch.distributed as dist

from . import context
from .errors import CaffeError


def world_size() -> int:
    """How many processes torchrun has started for this training; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Which of the processes on this machine this is."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def launch(processes: int, arguments: list[str]) -> None:
    """Run the `caffe` command with these arguments in so many processes on this machine."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    try:
        main(["--standalone", f"--nproc_per_node={processes}", "-m", "caffe", *arguments])
    except ChildFailedError as error:
        raise CaffeError(f"{len(error.failures)} of {processes} solvers failed") from None


def join() -> None:
    """Make this process one of the solvers that torchrun has started."""
    dist.init_process_group("nccl" if context.device().type == "cuda" else "gloo")
    context.set_solver_count(dist.get_world_size())
    context.set_solver_rank(dist.get_rank())


def leave() -> None:
    """End what `join` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


class Exchange:
    """What the solvers of a group tell each other: parameters once, then gradients and losses."""

    def __init__(self, solver):
        self._solver = solver
        for blobs in solver.net.params.values():
            for blob in blobs:
                dist.broadcast(blob.data_tensor(context.device()), src=0)
        solver.add_callback(lambda: None, self._average_gradients)

    def agree(self, loss: float, action: int) -> tuple[float, int]:
        """The mean loss of all solvers, and the action that the first of them was asked for."""
        mean = torch.tensor([loss, action if context.root_solver() else 0], dtype=torch.float64)
        mean = mean.to(context.device())
        dist.all_reduce(mean)
        total, asked = mean.tolist()
        return total / context.solver_count(), int(asked)

    def _average_gradients(self) -> None:
        """Replace each diff by its mean over the solvers; all of them travel together."""
        blobs, device = self._solver.net.learnable_params, context.device()
        gradients = [blob.diff_tensor(device) for blob in blobs]
        together = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(together)
        together /= context.solver_count()
        parts = together.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts):
            gradient.copy_(part.view_as(gradient))

"""Caffe on PyTorch: a drop-in for pycaffe that reads, computes and writes what BVLC Caffe 1.0 does."""

from . import io, net_spec
from .context import (
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_precision,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from .errors import CaffeError
from .layer import layer_type_list
from .log import init_log, log
from .net import Net
from .net_spec import NetSpec, layers, params, to_proto
from .proto.caffe_pb2 import TEST, TRAIN
from .python_layer import PyLayer as Layer
from .solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)

__version__ = "1.0.0"


def has_nccl() -> bool:
    """Whether this build exchanges gradients through NCCL itself; ours leaves that to torch."""
    return False

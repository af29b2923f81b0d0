"""Caffe on PyTorch: a drop-in for pycaffe that reads, computes and writes what BVLC Caffe 1.0 does.

Names are imported when they are first asked for: the command's usage and version need no torch.
"""

from importlib import import_module

from .log import init_log, log

__version__ = "1.0.0"

_SUBMODULES = (
    "_caffe",
    "classifier",
    "coord_map",
    "detector",
    "draw",
    "io",
    "net_spec",
    "proto",
    "pycaffe",
)
_HOMES = {
    "classifier": ("Classifier",),
    "context": (
        "set_device",
        "set_mode_cpu",
        "set_mode_gpu",
        "set_multiprocess",
        "set_precision",
        "set_random_seed",
        "set_solver_count",
        "set_solver_rank",
        "solver_count",
        "solver_rank",
    ),
    "detector": ("Detector",),
    "errors": ("CaffeError",),
    "nccl": ("NCCL",),
    "net_building": ("layer_type_list",),
    "net": ("Net",),
    "net_spec": ("NetSpec", "layers", "params", "to_proto"),
    "proto.caffe_pb2": ("TEST", "TRAIN"),
    "python_layer": ("Layer",),
    "solver_types": (
        "AdaDeltaSolver",
        "AdaGradSolver",
        "AdamSolver",
        "NesterovSolver",
        "RMSPropSolver",
        "SGDSolver",
        "get_solver",
    ),
    "timer": ("Timer",),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}
__all__ = ["init_log", "log", "has_nccl", *_SUBMODULES, *_MODULES]


def __getattr__(name: str):
    if name in _SUBMODULES:
        return import_module(f".{name}", __name__)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f".{_MODULES[name]}", __name__)
    value = getattr(home, "PyLayer" if name == "Layer" else name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})


def has_nccl() -> bool:
    """Whether this build exchanges gradients through NCCL itself; ours leaves that to torch."""
    return False

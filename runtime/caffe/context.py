"""Process-wide settings, as genuine Caffe keeps them: mode, device, seed, solver rank."""

import secrets
from functools import lru_cache
from typing import Any

import torch

from . import streams
from .errors import CaffeError

_state: dict[str, Any] = {
    "gpu": False,
    "device": 0,
    "seed": None,
    "draws": 0,
    "precision": "fp32",
    "count": 1,
    "rank": 0,
    "multiprocess": False,
}

PRECISIONS = ("fp32", "tf32", "bf16")

torch.backends.cudnn.allow_tf32 = False  # torch's default is True, which is not what Caffe computes


def set_mode_cpu() -> None:
    """Compute on the CPU from now on."""
    _state["gpu"] = False


def set_mode_gpu() -> None:
    """Compute on the GPU chosen by `set_device` from now on."""
    if not torch.cuda.is_available():
        raise CaffeError("cannot use GPU mode: torch finds no CUDA device")
    _state["gpu"] = True


def set_device(device_id: int) -> None:
    """Choose the GPU, 0-based."""
    count = torch.cuda.device_count()
    if not 0 <= device_id < count:
        raise CaffeError(f"GPU {device_id} does not exist: torch finds {count} CUDA device(s)")
    _state["device"] = device_id


def device() -> torch.device:
    """The torch device that nets compute on now."""
    return torch.device("cuda", _state["device"]) if _state["gpu"] else torch.device("cpu")


def set_precision(precision: str) -> None:
    """Compute in "fp32" (as Caffe); "tf32" rounds products on a GPU, "bf16" is torch's autocast."""
    if precision not in PRECISIONS:
        raise CaffeError(
            f'unknown precision "{precision}": expected one of {", ".join(PRECISIONS)}'
        )
    _state["precision"] = precision
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def precision() -> str:
    """What `set_precision` chose."""
    return _state["precision"]


def autocast() -> torch.autocast:
    """The context in which layers compute: automatic bf16 if `set_precision` asked for it."""
    return torch.autocast(device().type, torch.bfloat16, enabled=_state["precision"] == "bf16")


def channels_last() -> bool:
    """Whether filters get images with their channels innermost.

    So GPUs, and CPUs with units for products of matrices (AMX), multiply bf16 fastest.
    """
    return _state["precision"] == "bf16" and (_state["gpu"] or _has_amx())


@lru_cache(maxsize=1)
def _has_amx() -> bool:
    supported = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return bool(supported())


def set_random_seed(seed: int) -> None:
    """Make every later random draw follow from `seed`."""
    _state["seed"], _state["draws"] = int(seed), 0


def next_seed() -> int:
    """A seed for the next net: the same sequence after the same `set_random_seed`."""
    if _state["seed"] is None:
        set_random_seed(secrets.randbits(48))
    _state["draws"] += 1
    return streams.derive(_state["seed"], _state["draws"])


def set_solver_count(count: int) -> None:
    """How many solvers train side by side."""
    _state["count"] = count


def solver_count() -> int:
    """How many solvers train side by side."""
    return _state["count"]


def set_solver_rank(rank: int) -> None:
    """Which of the solvers this process is; 0 is the one that logs and snapshots."""
    _state["rank"] = rank


def solver_rank() -> int:
    """Which of the solvers this process is."""
    return _state["rank"]


def set_multiprocess(multiprocess: bool) -> None:
    """Say that each solver is a process of its own, which is so here in any case."""
    _state["multiprocess"] = bool(multiprocess)


def root_solver() -> bool:
    """Whether this process logs and snapshots."""
    return _state["rank"] == 0

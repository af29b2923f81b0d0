"""The mathematics is written once for two libraries: the namespace is taken from the argument.

The functions of this package use what numpy and torch have under one name with one meaning
(torch also takes numpy's `axis` and `keepdims`). torch is never imported here: whoever hands in
a tensor has imported it already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or torch.Tensor: what comes in goes out


def array_namespace(x: Array) -> ModuleType:
    """Return the module that `x` belongs to: numpy or torch."""
    if isinstance(x, np.ndarray):
        return np
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return torch
    raise TypeError(f"expected a numpy array or a torch tensor, got {type(x).__name__}")


def floating_namespace(x: Array, name: str) -> ModuleType:
    """Return the namespace of `x`, the argument `name`, which must be float32 or float64."""
    xp = array_namespace(x)
    if x.dtype not in (xp.float32, xp.float64):
        raise TypeError(f"{name}: expected float32 or float64, got {x.dtype}")
    return xp


def asarray_like(values: np.ndarray, x: Array) -> Array:
    """Return a copy of `values` in the library and on the device of `x`.

    Floating-point values take the dtype of `x`; integers become int64, ready to index with.
    """
    return _convert(values, array_namespace(x), x.dtype, getattr(x, "device", None))


def to_numpy(x: Array) -> np.ndarray:
    """Return `x` on the host: an array as it is, a tensor's numbers from whatever device."""
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def constant(make: Callable[..., np.ndarray], x: Array, *args: Any) -> Array:
    """Return `asarray_like(make(*args), x)`, made once for each library, dtype and device."""
    return _constant(make, array_namespace(x), x.dtype, getattr(x, "device", None), args)


@lru_cache
def _constant(make: Callable, xp: Any, dtype: Any, device: Any, args: tuple) -> Array:
    return _convert(make(*args), xp, dtype, device)


def _convert(values: np.ndarray, xp: Any, dtype: Any, device: Any) -> Array:
    if values.dtype.kind != "f":
        dtype = xp.int64
    return np.array(values, dtype) if xp is np else xp.tensor(values, dtype=dtype, device=device)


def put_along_channels(shape: tuple[int, ...], indices: Array, values: Array) -> Array:
    """Return zeros of `shape` (N, C, H, W) in which `values` stand at the channels `indices`."""
    if array_namespace(values) is np:
        out = np.zeros(shape, values.dtype)
        np.put_along_axis(out, indices, values, axis=1)
        return out
    return values.new_zeros(shape).scatter_(1, indices, values)

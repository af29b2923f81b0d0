"""Models and solver states in HDF5, laid out as Caffe lays them out.

A model is /data/<layer>/<i> (and /diff/<layer>/<i>), with a group for every layer; of parameters
that layers share only the owner's is there. A state is /iter, /current_step, /learned_net and
/history/<i>; /stream_state is ours, and genuine Caffe does not look at it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .errors import CaffeError
from .files import PathLike, reason, replacing

Blobs = Mapping[str, Sequence[np.ndarray | None]]


class State(NamedTuple):
    """A solver state."""

    iter: int
    learned_net: str
    current_step: int
    history: list[np.ndarray]
    stream_state: bytes | None


def read_net_hdf5(path: PathLike) -> dict[str, list[np.ndarray | None]]:
    """The blobs of each layer; None stands for one that another layer owns."""
    with _opened(path, "an HDF5 model") as file:
        if "data" not in file:
            raise CaffeError(f'{path}: has no group "data", expected an HDF5 model')
        layers: dict[str, list[np.ndarray | None]] = {}
        file["data"].visititems(lambda name, item: _collect(layers, path, name, item))
        return layers


def write_net_hdf5(path: PathLike, blobs: Blobs, diffs: Blobs | None = None) -> None:
    """Writes the blobs of each layer, and their diffs; None stands for one another layer owns."""
    with _created(path) as file:
        _write_layers(file.create_group("data"), blobs)
        if diffs is not None:
            _write_layers(file.create_group("diff"), diffs)


def read_state_hdf5(path: PathLike) -> State:
    """The solver state."""
    with _opened(path, "an HDF5 solver state") as file:
        missing = [name for name in ("iter", "learned_net", "history") if name not in file]
        if missing:
            raise CaffeError(f'{path}: has no "{missing[0]}", expected an HDF5 solver state')
        history = file["history"]
        stream_state = file.get("stream_state")
        return State(
            _integer(file["iter"]),
            bytes(file["learned_net"][()]).decode("utf-8", "surrogateescape"),
            _integer(file["current_step"]) if "current_step" in file else 0,
            [_array(path, f"history/{i}", history[str(i)]) for i in range(len(history))],
            None if stream_state is None else stream_state[()].tobytes(),
        )


def write_state_hdf5(
    path: PathLike,
    iter: int,
    learned_net: str,
    current_step: int,
    history: Sequence[np.ndarray],
    stream_state: bytes | None = None,
) -> None:
    """Writes a solver state."""
    name = os.fsencode(learned_net) + b"\0"
    with _created(path) as file:
        file.create_dataset("iter", data=[iter], dtype="<i4")
        file.create_dataset("learned_net", data=np.bytes_(name), dtype=f"S{len(name)}")
        file.create_dataset("current_step", data=[current_step], dtype="<i4")
        group = file.create_group("history")
        for i, array in enumerate(history):
            group.create_dataset(str(i), data=array, dtype="<f4")
        if stream_state is not None:
            file.create_dataset("stream_state", data=np.frombuffer(stream_state, np.uint8))


@contextmanager
def _opened(path: PathLike, expected: str) -> Iterator[Any]:
    """An HDF5 file to read."""
    import h5py

    if not os.path.isfile(path):
        what = "is a directory" if os.path.isdir(path) else "no such file"
        raise CaffeError(f"{os.fspath(path)}: {what}, expected {expected}")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except PermissionError as error:
        raise CaffeError(f"{path}: cannot be read: {reason(error)}") from None
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError, ValueError):
        raise CaffeError(f"{path}: damaged or another format, expected {expected}") from None


@contextmanager
def _created(path: PathLike) -> Iterator[Any]:
    """An HDF5 file to write."""
    import h5py

    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        yield file


def _write_layers(group: Any, layers: Blobs) -> None:
    for name, arrays in layers.items():
        layer = group.require_group(name)
        for i, array in enumerate(arrays):
            if array is not None:
                layer.create_dataset(str(i), data=array, dtype="<f4")


def _collect(layers: dict[str, list[Any]], path: PathLike, name: str, item: Any) -> None:
    """Takes up a blob, or a layer without blobs; a `/` in a layer's name makes groups in groups."""
    if not hasattr(item, "shape"):
        if len(item) == 0:
            layers[name] = []
        return
    layer, _, index = name.rpartition("/")
    if not layer or not index.isdecimal():
        raise CaffeError(f"{path}: data/{name} is no blob, expected data/<layer>/<number>")
    arrays = layers.setdefault(layer, [])
    arrays.extend([None] * (int(index) + 1 - len(arrays)))
    arrays[int(index)] = _array(path, f"data/{name}", item)


def _array(path: PathLike, name: str, dataset: Any) -> np.ndarray:
    if dataset.dtype.kind != "f":
        raise CaffeError(f"{path}: {name} holds {dataset.dtype}, expected floating-point numbers")
    return np.asarray(dataset[()])


def _integer(dataset: Any) -> int:
    return int(np.asarray(dataset[()]).reshape(-1)[0])

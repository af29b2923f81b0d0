"""Models and solver states in HDF5, laid out as Caffe lays them out.

A model is /data/<layer>/<i> (and /diff/<layer>/<i>), with a group for every layer; of parameters
that layers share only the owner's is there. A state is /iter, /current_step, /learned_net and
/history/<i>; /stream_state is ours, and genuine Caffe does not look at it.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .errors import CaffeError
from .files import PathLike, reason, replacing

MOST_DIGITS = 4  # of the number of a layer's blob
MOST_SHRUNK = 1032  # times: what HDF5's compression, deflate, can do at most

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
    with created(path) as file:
        _write_layers(file.create_group("data"), blobs, path)
        if diffs is not None:
            _write_layers(file.create_group("diff"), diffs, path)


def read_state_hdf5(path: PathLike) -> State:
    """The solver state."""
    with _opened(path, "an HDF5 solver state") as file:
        missing = [name for name in ("iter", "learned_net", "history") if name not in file]
        if missing:
            raise CaffeError(f'{path}: has no "{missing[0]}", expected an HDF5 solver state')
        history = file["history"]
        return State(
            _integer(path, "iter", file["iter"]),
            _file_name(path, "learned_net", file["learned_net"]),
            _integer(path, "current_step", file["current_step"]) if "current_step" in file else 0,
            [_array(path, f"history/{i}", history[str(i)]) for i in range(len(history))],
            _array(path, "stream_state", file["stream_state"], "u", "bytes").tobytes()
            if "stream_state" in file
            else None,
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
    with created(path) as file:
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
def created(path: PathLike) -> Iterator[Any]:
    """An HDF5 file to write. It is made in memory: where the disk is full, HDF5 itself crashes."""
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        yield file
    with replacing(path) as temporary, open(temporary, "wb") as target:
        target.write(content.getbuffer())


@contextmanager
def extended(path: PathLike) -> Iterator[Any]:
    """An HDF5 file to add to; without room for all that is new, it stays as it was."""
    import h5py

    try:
        with open(path, "r+b", buffering=0) as old:
            changes = _Changes(old)
            with h5py.File(changes, "r+") as file:
                yield file
            changes.apply()
    except (OSError, KeyError, ValueError) as error:
        raise CaffeError(f"{os.fspath(path)}: cannot be written: {reason(error)}") from None


class _Changes(io.RawIOBase):
    """A file as it is after writes, which `apply` brings to the disk."""

    def __init__(self, file: io.FileIO):
        self._file = file
        self._writes: list[tuple[int, memoryview]] = []
        self._at, self._end = 0, os.fstat(file.fileno()).st_size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        view, start = memoryview(buffer).cast("B"), self._at
        view[:] = os.pread(self._file.fileno(), len(view), start).ljust(len(view), b"\0")
        for at, data in self._writes:
            first, last = max(at, start), min(at + len(data), start + len(view))
            if first < last:
                view[first - start : last - start] = data[first - at : last - at]
        self._at += len(view)
        return len(view)

    def write(self, buffer: Any) -> int:
        data = memoryview(bytes(buffer))
        self._writes.append((self._at, data))
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def truncate(self, size: "int | None" = None) -> int:
        self._end = self._at if size is None else size
        return self._end

    def apply(self) -> None:
        """Write what is behind the file's end first: there the disk may turn out to be full."""
        end = os.fstat(self._file.fileno()).st_size
        try:
            for at, data in self._writes:
                self._write(max(at, end), data[max(end - at, 0) :])
            self._file.truncate(self._end)
        except OSError:
            self._file.truncate(end)
            raise
        for at, data in self._writes:
            self._write(at, data[: max(end - at, 0)])

    def _write(self, at: int, data: memoryview) -> None:
        while data:
            written = os.pwrite(self._file.fileno(), data, at)
            at, data = at + written, data[written:]


def _write_layers(group: Any, layers: Blobs, path: PathLike) -> None:
    for name, arrays in layers.items():
        if "\0" in name or {"", "."} & {*name.split("/")}:
            raise CaffeError(f'{path}: HDF5 cannot hold a layer named "{name}"')
        try:
            layer = group.require_group(name)
            for i, array in enumerate(arrays):
                if array is not None:
                    layer.create_dataset(str(i), data=array, dtype="<f4")
        except (TypeError, ValueError) as error:  # a blob has that name: layers "ip" and "ip/0"
            raise CaffeError(f'{path}: HDF5 cannot hold layer "{name}": {error}') from None


def _collect(layers: dict[str, list[Any]], path: PathLike, name: str, item: Any) -> None:
    """Takes up a blob, or a layer without blobs; a `/` in a layer's name makes groups in groups."""
    if not hasattr(item, "shape"):
        if len(item) == 0:
            layers[name] = []
        return
    layer, _, index = name.rpartition("/")
    if not layer or not index.isdecimal() or len(index) > MOST_DIGITS:
        raise CaffeError(f"{path}: data/{name} is no blob, expected data/<layer>/<number>")
    arrays = layers.setdefault(layer, [])
    arrays.extend([None] * (int(index) + 1 - len(arrays)))
    arrays[int(index)] = _array(path, f"data/{name}", item)


def _array(
    path: PathLike,
    name: str,
    dataset: Any,
    kinds: str = "f",
    expected: str = "floating-point numbers",
) -> np.ndarray:
    """What a dataset holds, of the kinds of types that are expected."""
    if dataset.dtype.kind not in kinds:
        raise CaffeError(f"{path}: {name} holds {dataset.dtype}, expected {expected}")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > MOST_SHRUNK * stored:
        what = f"has shape {dataset.shape} but {stored} bytes in the file"
        raise CaffeError(f"{path}: {name} {what}, expected {expected}")
    return np.asarray(dataset[()])


def _integer(path: PathLike, name: str, dataset: Any) -> int:
    numbers = _array(path, name, dataset, "iu", "a number").reshape(-1).tolist()
    if len(numbers) != 1 or not -(2**31) <= numbers[0] < 2**31:
        found = f"holds {len(numbers)} numbers" if len(numbers) != 1 else f"is {numbers[0]}"
        raise CaffeError(f"{path}: {name} {found}, expected one number of 32 bits")
    return numbers[0]


def _file_name(path: PathLike, name: str, dataset: Any) -> str:
    text = _array(path, name, dataset, "SO", "a file name")
    if text.size != 1 or not isinstance(text.item(), bytes):
        raise CaffeError(f"{path}: {name} has shape {text.shape}, expected a file name")
    return text.item().decode("utf-8", "surrogateescape")

"""Where data comes from: LMDBs of Datums, encoded pictures, list files, HDF5 files."""

import os
import re
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any

import cv2
import lmdb
import numpy as np
from google.protobuf.message import DecodeError

from . import hdf5_model, log
from .blob import MAX_COUNT
from .errors import CaffeError
from .files import PathLike, read_bytes, reason
from .proto.caffe_pb2 import Datum

LABELS = np.iinfo(np.int32)
WRITE_RECORDS, WRITE_BYTES = 1000, 1 << 26  # most that one transaction of a new database holds

Put = Callable[[bytes, bytes], None]

_databases: "weakref.WeakValueDictionary[tuple, Lmdb]" = weakref.WeakValueDictionary()
_databases_lock = threading.Lock()


class Lmdb:
    """The records of a read-only LMDB, numbered in the byte order of their keys."""

    def __init__(self, path: str):
        self.path = path
        try:
            self._environment = _environment(path)
            self._count = self._environment.stat()["entries"]
        except lmdb.Error as error:
            raise CaffeError(f"{path}: cannot be read as an LMDB: {error}") from None
        self._check_size()
        if not self._count:
            raise CaffeError(f"{path}: the LMDB is empty, expected at least one Datum")

    def _check_size(self) -> None:
        """Refuse a file that was cut short: reading past its end would end the process."""
        pages = self._environment.info()["last_pgno"] + 1
        expected = pages * self._environment.stat()["psize"]
        size = os.path.getsize(os.path.join(self.path, "data.mdb"))
        if size < expected:
            raise CaffeError(
                f"{self.path}: data.mdb is cut short: {size} bytes, expected {expected}"
            )
        if self._count > size:
            raise damaged(self.path, f"it counts {self._count} records in {size} bytes")

    @contextmanager
    def _reading(self) -> Iterator[lmdb.Transaction]:
        """A transaction whose errors name the folder."""
        try:
            with self._environment.begin() as transaction:
                yield transaction
        except lmdb.Error as error:
            raise damaged(self.path, error) from None

    def __len__(self) -> int:
        return self._count

    @cached_property
    def keys(self) -> list:
        """All keys, in byte order."""
        with self._reading() as transaction:
            found = transaction.cursor().iternext(keys=True, values=False)
            keys = list(islice(found, self._count + 1))  # where pages are damaged it may not end
        if len(keys) != self._count:
            raise damaged(self.path, f"it has not the {self._count} records that it counts")
        return keys

    def first(self) -> tuple:
        """The first key and its value."""
        with self._reading() as transaction:
            cursor = transaction.cursor()
            if not cursor.first():
                raise damaged(self.path, f"it has not the {self._count} records that it counts")
            return cursor.item()

    def records(self, indices: Iterable[int]) -> list:
        """Keys and values of the records of these numbers, from 0."""
        with self._reading() as transaction:
            return read_records(self, transaction.get, indices)


def read_records(database: Any, get: Callable, indices: Iterable[int]) -> list:
    """Keys, and the values that `get` has for them, of the records of these numbers."""
    records = [(database.keys[i], get(database.keys[i])) for i in indices]
    for key, value in records:
        if value is None:
            raise damaged(database.path, f"key {_shown(key)} has no value")
    return records


def damaged(path: str, why: object) -> CaffeError:
    """The error of a database that was opened but cannot be read."""
    return CaffeError(f"{path}: the database is damaged: {why}")


def _environment(path: str) -> lmdb.Environment:
    """The opened LMDB; one that a thread is just closing can be had a moment later."""
    deadline = time.monotonic() + 1
    while True:
        try:
            return lmdb.open(path, readonly=True, lock=False, create=False)
        except lmdb.Error as error:
            if "already open" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def open_lmdb(path: PathLike) -> Lmdb:
    """The LMDB in a folder; the same object for all that have it open, as LMDB demands."""
    path = os.fspath(path)
    file = os.path.join(path, "data.mdb")
    if not os.path.isfile(file):
        raise CaffeError(f"{path}: {_why_no_lmdb(path)}, expected the folder of an LMDB")
    stat = os.stat(file)
    identity = (os.path.realpath(path), stat.st_dev, stat.st_ino)
    with _databases_lock:
        database = _databases.get(identity)
        if database is None:
            _databases[identity] = database = Lmdb(path)
    log.info("db_lmdb.cpp:35", f"Opened lmdb {path}")
    return database


def _why_no_lmdb(path: str) -> str:
    if not os.path.exists(path):
        return "no such folder"
    if not os.path.isdir(path):
        return "is a file"
    if os.path.isfile(os.path.join(path, "CURRENT")):
        return "is a LevelDB (write backend: LEVELDB)"
    return "has no data.mdb"


def write_lmdb(path: PathLike, records: Iterable[tuple]) -> int:
    """Write (key, value) pairs of bytes into a new LMDB; returns their number.

    Keys must differ; of Caffe's tools they look like b"00000017_name.png".
    """
    count = 0
    with new_database(path, "lmdb") as put:
        for key, value in records:
            put(key, value)
            count += 1
    return count


@contextmanager
def new_database(path: PathLike, backend: str) -> Iterator[Put]:
    """Yields `put(key, value)` for bytes into a new "lmdb" or "leveldb".

    The folder appears under its name once the block ends well; if it does not, nothing is left.
    """
    name, path = os.fspath(path), os.path.abspath(path)
    if backend not in _WRITERS:
        raise CaffeError(f'the database backend is "{backend}", expected {" or ".join(_WRITERS)}')
    kind, writer = _WRITERS[backend]
    if os.path.lexists(path):
        raise CaffeError(f"{name}: exists already, expected the name of a new {kind}")
    temporary = f"{path}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with _writing(name, OSError):
            os.mkdir(temporary)
        with writer(temporary, name) as write:
            records = _Records(write)
            yield records.put
            records.flush()
        with _writing(name, OSError):
            os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _writing(name: str, *errors: type[Exception]) -> Iterator[None]:
    """Makes of these errors one that names the database."""
    try:
        yield
    except errors as error:
        raise CaffeError(f"{name}: cannot be written: {reason(error)}") from None


class _Records:
    """Hands records on in lists of up to WRITE_RECORDS, or of WRITE_BYTES."""

    def __init__(self, write: Callable[[list], None]):
        self._write = write
        self._held: list[tuple] = []
        self._size = 0

    def put(self, key: bytes, value: bytes) -> None:
        self._held.append((key, value))
        self._size += len(value)
        if len(self._held) == WRITE_RECORDS or self._size >= WRITE_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._held:
            self._write(self._held)
        self._held, self._size = [], 0


@contextmanager
def _lmdb_writer(folder: str, name: str) -> Iterator[Callable[[list], None]]:
    with _writing(name, lmdb.Error):
        environment = lmdb.open(folder, map_size=2 * WRITE_BYTES, lock=False, sync=False)
    log.info("db_lmdb.cpp:35", f"Opened lmdb {name}")

    def write(records: list) -> None:
        while not _put(environment, name, records):
            environment.set_mapsize(2 * environment.info()["map_size"])

    try:
        yield write
        with _writing(name, lmdb.Error):
            environment.sync(True)
    finally:
        environment.close()


def _put(environment: lmdb.Environment, name: str, chunk: list) -> bool:
    """Write the chunk in one transaction; False, and nothing written, if the map is too small."""
    try:
        with environment.begin(write=True) as transaction:
            for key, value in chunk:
                if not transaction.put(key, value, overwrite=False):
                    raise CaffeError(f"{name}: key {_shown(key)} is given twice")
    except lmdb.MapFullError:
        return False
    except lmdb.Error as error:
        raise CaffeError(f"{name}: key {_shown(key)} cannot be written: {error}") from None
    return True


@contextmanager
def _leveldb_writer(folder: str, name: str) -> Iterator[Callable[[list], None]]:
    try:
        import plyvel
    except ImportError:
        raise CaffeError(
            f"{name}: a LevelDB is written by plyvel, which is missing: pip install plyvel"
        ) from None
    with _writing(name, plyvel.Error, OSError):
        database = plyvel.DB(folder, create_if_missing=True)
    log.info("db_leveldb.cpp:18", f"Opened leveldb {name}")

    def write(records: list) -> None:
        with _writing(name, plyvel.Error, OSError), database.write_batch(sync=True) as batch:
            for key, value in records:
                batch.put(key, value)

    try:
        yield write
    finally:
        database.close()


_WRITERS = {"lmdb": ("LMDB", _lmdb_writer), "leveldb": ("LevelDB", _leveldb_writer)}


def _shown(key: bytes) -> str:
    return '"' + key.decode("utf-8", "backslashreplace") + '"'


def record_name(database: Any, key: bytes) -> str:
    """How errors name a record."""
    return f"{database.path}: key {_shown(key)}"


def parse_datum(value: bytes, name: str) -> Datum:
    """The Datum in the value of a record."""
    try:
        return Datum.FromString(value)
    except DecodeError:
        raise CaffeError(f"{name}: its {len(value)} bytes are no Datum or are cut short") from None


def datum_planes(datum: Datum, name: str, color: "bool | None" = None) -> np.ndarray:
    """The picture of a Datum as (C, H, W), uint8 or float32, C in the order B, G, R.

    `color` says whether encoded pictures become BGR or grey; None leaves them as they are.
    """
    if datum.encoded:
        return decode_planes(datum.data, name, color)
    shape = datum.channels, datum.height, datum.width
    if datum.data:
        planes = np.frombuffer(datum.data, np.uint8)
    else:
        planes = np.array(datum.float_data, np.float32)
    if min(shape) < 1 or planes.size != shape[0] * shape[1] * shape[2]:
        raise CaffeError(
            f"{name}: the Datum holds {planes.size} values, "
            f"expected channels x height x width = {'x'.join(map(str, shape))}"
        )
    return planes.reshape(shape)


def decode_planes(data: bytes, name: str, color: "bool | None" = None) -> np.ndarray:
    """An encoded picture (PNG, JPEG, ...) as (C, H, W) uint8, C in the order B, G, R.

    `color` says whether it becomes BGR or grey; None leaves it as it is.
    """
    mode = {None: cv2.IMREAD_UNCHANGED, True: cv2.IMREAD_COLOR, False: cv2.IMREAD_GRAYSCALE}[color]
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if data else None
    except cv2.error:
        picture = None
    if picture is None:
        raise CaffeError(f"{name}: cannot be decoded as a picture")
    if picture.dtype != np.uint8:
        raise CaffeError(f"{name}: has {picture.dtype} pixels, expected 8 bits per channel")
    return picture[np.newaxis] if picture.ndim == 2 else picture.transpose(2, 0, 1)


def read_planes(path: str, color: bool, size: "tuple | None" = None) -> np.ndarray:
    """A picture file as (C, H, W) uint8, BGR or grey, resized to `size` (height, width)."""
    planes = decode_planes(read_bytes(path, "a picture"), path, color)
    if size is None or planes.shape[1:] == tuple(size):
        return planes
    picture = np.ascontiguousarray(planes.transpose(1, 2, 0))
    try:
        resized = cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    except cv2.error:
        raise CaffeError(f"{path}: cannot be resized to {size[0]}x{size[1]}") from None
    return resized[np.newaxis] if resized.ndim == 2 else resized.transpose(2, 0, 1)


def check_resize(height: int, width: int, color: bool) -> None:
    """Refuse to resize pictures to more than a blob can hold."""
    if (3 if color else 1) * height * width > MAX_COUNT:
        raise CaffeError(
            f"pictures cannot be resized to {height}x{width}, "
            f"expected at most {MAX_COUNT} values (channels x height x width)"
        )


def read_lines(path: str, expected: str) -> list:
    """The lines of a list file that are not blank, as (number from 1, text)."""
    text = read_bytes(path, expected).decode("utf-8", "surrogateescape")
    lines = [(i, line.rstrip()) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise CaffeError(f"{path}: is empty, expected {expected}")
    return lines


def read_image_list(path: str) -> tuple:
    """Names and labels, float32, of a list file: see `image_list`."""
    entries = list(image_list(path))
    labels = [float(label) for _, _, label in entries]
    return [name for _, name, _ in entries], np.array(labels, np.float32)


def image_list(path: str) -> Iterator[tuple[int, str, int]]:
    """Yields number, name and label of the lines of a list file, such as `some name.png 3`.

    As in C, a label is the integer of 32 bits that its text begins with, or 0.
    """
    for number, line in read_lines(path, 'a list of lines "name label"'):
        name, _, label = line.rpartition(" ")
        if not name:
            raise CaffeError(f'{path}:{number}: "{line}" is not of the form "name label"')
        found = re.match(r"\s*([+-]?[0-9]+)", label)
        text = found[1] if found else "0"
        if not LABELS.min <= float(text) <= LABELS.max:
            shown = text if len(text) < 30 else f"{text[:20]}..."
            raise CaffeError(f"{path}:{number}: label {shown} takes more than 32 bits")
        yield number, name, int(float(text))


def hdf5_shapes(path: str, names: Sequence[str]) -> list:
    """The shapes of the datasets of these names; all have as many rows."""
    with _hdf5_datasets(path, names) as datasets:
        return [dataset.shape for dataset in datasets]


def read_hdf5(path: str, names: Sequence[str]) -> list:
    """The datasets of these names as float32 arrays."""
    with _hdf5_datasets(path, names) as datasets:
        return [np.asarray(dataset, np.float32) for dataset in datasets]


@contextmanager
def _hdf5_datasets(path: str, names: Sequence[str]) -> Iterator[list]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            for name in names:
                if not isinstance(file.get(name), h5py.Dataset):
                    raise CaffeError(f'{path}: has no dataset "{name}", expected one for each top')
            datasets = [file[name] for name in names]
            rows = len(datasets[0]) if datasets[0].ndim else 0
            for name, dataset in zip(names, datasets):
                _check_dataset(dataset, rows, f"{path}: {name}")
            yield datasets
    except FileNotFoundError:
        raise CaffeError(f"{path}: no such file, expected an HDF5 file") from None
    except MemoryError as error:
        raise CaffeError(f"{path}: does not fit into memory: {error}") from None
    except _HDF5_ERRORS as error:
        raise CaffeError(f"{path}: cannot be read as HDF5: {_hdf5_reason(error)}") from None


_HDF5_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError)  # h5py's, damaged files


def _hdf5_reason(error: Exception) -> str:
    """The cause in h5py's words, which may fill several lines."""
    text = reason(error)
    found = re.search(r"error message = '([^']*)'", text) or re.search(r"\(([^():]*)", text)
    return found[1] if found else text.partition("\n")[0]


def _check_dataset(dataset, rows: int, where: str) -> None:
    if dataset.dtype.kind not in "fiu":
        raise CaffeError(f"{where}: holds {dataset.dtype}, expected numbers")
    if dataset.ndim == 0 or len(dataset) != rows or not rows:
        raise CaffeError(f"{where}: has shape {dataset.shape}, expected {rows or 'some'} rows")


def append_hdf5(path: str, arrays: dict, anew: bool) -> None:
    """Add rows to the datasets of these names; `anew` replaces the file by one with these alone."""
    if anew:
        with hdf5_model.created(path) as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, maxshape=(None, *array.shape[1:]))
        return
    with hdf5_model.extended(path) as file:
        for name, array in arrays.items():
            rows = len(file[name])
            if file[name].shape[1:] != array.shape[1:]:
                raise CaffeError(
                    f"{path}: {name} has rows of shape {file[name].shape[1:]}, "
                    f"cannot add rows of shape {array.shape[1:]}"
                )
            file[name].resize(rows + len(array), axis=0)
            file[name][rows:] = array

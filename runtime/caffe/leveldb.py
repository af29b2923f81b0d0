"""Data sets in LevelDB, Caffe's default backend, read through plyvel where it is installed."""

import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property

from . import log
from .errors import CaffeError
from .files import PathLike
from .sources import damaged, read_records

_databases: "weakref.WeakValueDictionary[str, LevelDb]" = weakref.WeakValueDictionary()
_databases_lock = threading.Lock()


class LevelDb:
    """The records of a LevelDB, numbered in the byte order of their keys."""

    def __init__(self, path: str):
        self.path = path
        try:
            import plyvel
        except ImportError:
            raise CaffeError(
                f"{path}: a LevelDB is read by plyvel, which is missing: pip install plyvel"
            ) from None
        try:
            self._database = plyvel.DB(path, create_if_missing=False)
        except (plyvel.Error, OSError) as error:
            raise CaffeError(f"{path}: cannot be read as a LevelDB: {error}") from None
        if not self.keys:
            raise CaffeError(f"{path}: the LevelDB is empty, expected at least one Datum")

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def keys(self) -> list:
        """All keys, in byte order."""
        with self._reading():
            return list(self._database.iterator(include_value=False))

    def first(self) -> tuple:
        """The first key and its value."""
        return self.records([0])[0]

    def records(self, indices: Iterable[int]) -> list:
        """Keys and values of the records of these numbers, from 0."""
        with self._reading():
            return read_records(self, self._database.get, indices)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Errors inside name the folder."""
        import plyvel

        try:
            yield
        except (plyvel.Error, OSError) as error:
            raise damaged(self.path, error) from None


def open_leveldb(path: PathLike) -> LevelDb:
    """The LevelDB in a folder; the same object for all that have it open, as its lock demands."""
    path = os.fspath(path)
    if not os.path.isfile(os.path.join(path, "CURRENT")):
        raise CaffeError(f"{path}: {_why_no_leveldb(path)}, expected the folder of a LevelDB")
    with _databases_lock:
        identity = os.path.realpath(path)
        database = _databases.get(identity)
        if database is None:
            _databases[identity] = database = LevelDb(path)
    log.info("db_leveldb.cpp:18", f"Opened leveldb {path}")
    return database


def _why_no_leveldb(path: str) -> str:
    if not os.path.exists(path):
        return "no such folder"
    if not os.path.isdir(path):
        return "is a file"
    if os.path.isfile(os.path.join(path, "data.mdb")):
        return "is an LMDB (write backend: LMDB)"
    return "has no CURRENT"

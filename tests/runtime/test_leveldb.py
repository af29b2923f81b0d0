"""LevelDBs, Caffe's default backend, bring what LMDBs with the same records bring."""

import sys

import numpy as np
import pytest

import caffe
from caffe import sources
from caffe.errors import CaffeError
from caffe.io import array_to_datum
from caffe.leveldb import open_leveldb

plyvel = pytest.importorskip("plyvel")
NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "%s" batch_size: 3 %s } transform_param { crop_size: 4 mirror: true } }
"""


@pytest.fixture
def records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    pictures = rng.integers(0, 256, (7, 3, 6, 5), np.uint8)
    found = [
        (b"%02d" % i, array_to_datum(p, i).SerializeToString()) for i, p in enumerate(pictures)
    ]
    database = plyvel.DB("level", create_if_missing=True)
    for key, value in reversed(found):
        database.put(key, value)
    database.close()
    sources.write_lmdb("lmdb", found)
    return found


def batches(source, backend, count=5):
    with open("net.prototxt", "w") as file:
        file.write(NET % (source, backend))
    caffe.set_random_seed(3)
    net = caffe.Net("net.prototxt", caffe.TRAIN)
    found = []
    for _ in range(count):
        net.forward()
        found.append([net.blobs[name].data.copy() for name in ("data", "label")])
    return found


@pytest.mark.parametrize("backend", ["", "backend: LEVELDB"])
def test_the_same_batches_as_from_an_lmdb(records, backend):
    for mine, theirs in zip(batches("level", backend), batches("lmdb", "backend: LMDB")):
        for a, b in zip(mine, theirs):
            np.testing.assert_array_equal(a, b)


def test_two_nets_share_a_database(records):
    assert open_leveldb("level") is open_leveldb("level")


def message(path):
    with pytest.raises(CaffeError) as caught:
        open_leveldb(path)
    return str(caught.value)


def test_errors_are_one_line(records, tmp_path, monkeypatch):
    expected = ", expected the folder of a LevelDB"
    assert message("none") == "none: no such folder" + expected
    assert message("lmdb") == "lmdb: is an LMDB (write backend: LMDB)" + expected
    assert message("lmdb/data.mdb") == "lmdb/data.mdb: is a file" + expected
    plyvel.DB("empty", create_if_missing=True).close()
    assert message("empty") == "empty: the LevelDB is empty, expected at least one Datum"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "CURRENT").write_text("nonsense")
    assert message("broken").startswith("broken: cannot be read as a LevelDB: ")
    monkeypatch.setitem(sys.modules, "plyvel", None)
    assert message("level") == (
        "level: a LevelDB is read by plyvel, which is missing: pip install plyvel"
    )


def test_damaged_files_are_refused(records, tmp_path):
    folder = (tmp_path / "level").rename(tmp_path / "damaged")
    database = plyvel.DB("damaged")
    database.compact_range()
    database.close()
    (table,) = folder.glob("*.ldb")
    content = bytearray(table.read_bytes())
    content[-8:] = bytes(8)  # the mark of a table
    table.write_bytes(content)
    assert message("damaged").startswith("damaged: the database is damaged: ")


def test_a_key_that_cannot_be_found_again_is_refused(records, tmp_path):
    (tmp_path / "level").rename(tmp_path / "changed")
    database = open_leveldb("changed")
    database.keys[2] = b"other"
    with pytest.raises(CaffeError) as caught:
        database.records([2])
    assert str(caught.value) == 'changed: the database is damaged: key "other" has no value'

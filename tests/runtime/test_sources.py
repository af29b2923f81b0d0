"""LMDBs, Datums, pictures, list files and HDF5 files, all real ones."""

import os
import shutil
import threading

import cv2
import h5py
import lmdb
import numpy as np
import pytest
from full_disk import TOLD, files_up_to

from caffe import sources
from caffe.errors import CaffeError
from caffe.io import array_to_datum
from caffe.proto.caffe_pb2 import Datum


def picture(height=6, width=7, channels=3, seed=0, dtype=np.uint8):
    """(H, W, C) noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(dtype)


def encoded(array, extension=".png", **fields):
    data = cv2.imencode(extension, array)[1].tobytes()
    return Datum(encoded=True, data=data, **fields)


def message_of(function, *arguments):
    with pytest.raises(CaffeError) as error:
        function(*arguments)
    return str(error.value)


# -- LMDB ------------------------------------------------------------------------------------------


def test_records_come_in_byte_order_of_their_keys(tmp_path):
    keys = [b"b", b"10", b"9", b"a\xff", b"a", b"Z"]
    assert sources.write_lmdb(tmp_path / "db", [(k, b"value of " + k) for k in keys]) == 6
    database = sources.open_lmdb(tmp_path / "db")
    assert len(database) == 6
    assert database.keys == sorted(keys)
    assert database.first() == (b"10", b"value of 10")
    assert database.records([5, 0, 0]) == [
        (b"b", b"value of b"),
        (b"10", b"value of 10"),
        (b"10", b"value of 10"),
    ]


def test_reading_leaves_no_file_behind_and_shares_the_database(tmp_path):
    sources.write_lmdb(tmp_path / "db", [(b"k", b"v")])
    os.chmod(tmp_path / "db", 0o555)
    first = sources.open_lmdb(tmp_path / "db")
    os.symlink(tmp_path / "db", tmp_path / "other name")
    assert sources.open_lmdb(tmp_path / "other name") is first
    assert first.first() == (b"k", b"v")
    assert os.listdir(tmp_path / "db") == ["data.mdb"]


def test_a_new_database_under_an_old_name_is_read_anew(tmp_path):
    sources.write_lmdb(tmp_path / "db", [(b"k", b"old")])
    old = sources.open_lmdb(tmp_path / "db")
    sources.write_lmdb(tmp_path / "new", [(b"k", b"new"), (b"l", b"new")])
    shutil.rmtree(tmp_path / "db")
    os.rename(tmp_path / "new", tmp_path / "db")
    assert len(sources.open_lmdb(tmp_path / "db")) == 2
    assert old.first() == (b"k", b"old")


def test_the_map_grows_while_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "WRITE_BYTES", 1 << 16)
    values = [np.random.default_rng(i).bytes(10_000 * (1 + i % 3)) for i in range(60)]
    sources.write_lmdb(tmp_path / "db", ((b"%08d" % i, v) for i, v in enumerate(values)))
    database = sources.open_lmdb(tmp_path / "db")
    assert [value for _, value in database.records(range(60))] == values


def test_unfinished_writing_leaves_nothing(tmp_path):
    def records():
        yield b"a", b"1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sources.write_lmdb(tmp_path / "db", records())
    assert os.listdir(tmp_path) == []


def test_writing_refuses(tmp_path):
    path = str(tmp_path / "db")
    assert message_of(sources.write_lmdb, path, [(b"a", b"1"), (b"a", b"2")]) == (
        f'{path}: key "a" is given twice'
    )
    assert message_of(sources.write_lmdb, path, [(b"a" * 600, b"1")]).startswith(
        f'{path}: key "aaa'
    )
    assert os.listdir(tmp_path) == []
    os.mkdir(path)
    assert message_of(sources.write_lmdb, path, []) == (
        f"{path}: exists already, expected the name of a new LMDB"
    )


def test_what_is_no_lmdb_is_named(tmp_path):
    path = str(tmp_path / "db")
    expected = ", expected the folder of an LMDB"
    assert message_of(sources.open_lmdb, path) == f"{path}: no such folder{expected}"
    os.mkdir(path)
    assert message_of(sources.open_lmdb, path) == f"{path}: has no data.mdb{expected}"
    (tmp_path / "db" / "CURRENT").write_text("MANIFEST-000004\n")
    found = message_of(sources.open_lmdb, path)
    assert found == f"{path}: is a LevelDB (write backend: LEVELDB){expected}"
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert message_of(sources.open_lmdb, str(file)) == f"{file}: is a file{expected}"
    (tmp_path / "db" / "data.mdb").write_bytes(b"x" * 9000)
    assert message_of(sources.open_lmdb, path).startswith(f"{path}: cannot be read as an LMDB: ")


def test_empty_and_cut_databases_are_refused(tmp_path):
    path = str(tmp_path / "empty")
    sources.write_lmdb(path, [])
    assert message_of(sources.open_lmdb, path) == (
        f"{path}: the LMDB is empty, expected at least one Datum"
    )
    path = str(tmp_path / "cut")
    sources.write_lmdb(path, [(b"%d" % i, b"v" * 9000) for i in range(9)])
    size = os.path.getsize(f"{path}/data.mdb")
    os.truncate(f"{path}/data.mdb", size - 4096)
    assert message_of(sources.open_lmdb, path) == (
        f"{path}: data.mdb is cut short: {size - 4096} bytes, expected {size}"
    )


def set_u16(path, offset, value):
    """Change two bytes of a database, as a damaged disk does."""
    with open(f"{path}/data.mdb", "r+b") as file:
        file.seek(offset)
        file.write(value.to_bytes(2, "little"))


@pytest.fixture
def three_pages(tmp_path):
    """The folder of an LMDB of 4 records on two leaves under a root, and its bytes."""
    path = str(tmp_path / "db")
    sources.write_lmdb(path, [(b"key%d" % i, b"v" * 1300) for i in range(4)])
    with open(f"{path}/data.mdb", "rb") as file:
        return path, file.read()


LEAF, BRANCH, OVERFLOW = 2, 1, 4  # flags of LMDB's pages
COUNTS = 120, 4096 + 120  # where its two meta pages have the number of records


@pytest.mark.parametrize("flags", [BRANCH, OVERFLOW])
def test_a_damaged_page_is_refused(three_pages, flags):
    path, content = three_pages
    leaves = [
        offset
        for offset in range(8192, len(content), 4096)
        if content[offset + 10] == LEAF and b"key" in content[offset : offset + 4096]
    ]
    set_u16(path, leaves[0] + 10, flags)
    read = sources.open_lmdb(path)
    assert message_of(read.first).startswith(f"{path}: the database is damaged: ")
    assert message_of(read.records, [0]).startswith(f"{path}: the database is damaged: ")


def test_a_changed_count_of_records_is_refused(three_pages):
    path, _ = three_pages
    for offset in COUNTS:
        set_u16(path, offset, 5)
    read = sources.open_lmdb(path)
    complaint = f"{path}: the database is damaged: it has not the 5 records that it counts"
    assert len(read) == 5 and message_of(read.records, [0]) == complaint


def test_an_absurd_count_of_records_is_refused(three_pages):
    path, _ = three_pages
    for offset in COUNTS:
        set_u16(path, offset + 6, 0x7F00)
    assert message_of(sources.open_lmdb, path).startswith(
        f"{path}: the database is damaged: it counts 9151"
    )


def test_a_key_that_cannot_be_found_again_is_refused(three_pages):
    path, content = three_pages
    with open(f"{path}/data.mdb", "r+b") as file:
        file.write(content.replace(b"key1", b"zzzz"))
    assert message_of(sources.open_lmdb(path).records, range(4)) == (
        f'{path}: the database is damaged: key "zzzz" has no value'
    )


def test_a_database_that_is_being_closed_is_waited_for(tmp_path):
    sources.write_lmdb(tmp_path / "db", [(b"k", b"v")])
    other = lmdb.open(str(tmp_path / "db"), readonly=True, lock=False)
    try:
        lmdb.open(str(tmp_path / "db"), readonly=True, lock=False).close()
        pytest.skip("this lmdb lets a process open a database twice")
    except lmdb.Error:
        pass
    assert "already open" in message_of(sources.open_lmdb, tmp_path / "db")
    closing = threading.Timer(0.1, other.close)
    closing.start()
    assert sources.open_lmdb(tmp_path / "db").first() == (b"k", b"v")
    closing.join()


def test_databases_of_other_writers_are_read(tmp_path):
    environment = lmdb.open(str(tmp_path / "db"))
    with environment, environment.begin(write=True) as transaction:
        transaction.put(b"k", b"v")
    assert sources.open_lmdb(tmp_path / "db").first() == (b"k", b"v")


# -- Datums and pictures ---------------------------------------------------------------------------


def planes_of(datum, color=None):
    return sources.datum_planes(sources.parse_datum(datum.SerializeToString(), "it"), "it", color)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_raw_datums(dtype):
    planes = picture(dtype=dtype).transpose(2, 0, 1)
    got = planes_of(array_to_datum(planes))
    assert got.dtype == dtype
    assert np.array_equal(got, planes)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_encoded_datums_stay_as_they_are(channels):
    pixels = picture(channels=channels)
    assert np.array_equal(planes_of(encoded(pixels)), pixels.transpose(2, 0, 1))


def test_encoded_datums_become_colour_or_grey():
    grey, colour = picture(channels=1), picture()
    assert np.array_equal(planes_of(encoded(grey), True), np.repeat(grey, 3, 2).transpose(2, 0, 1))
    expected = colour.astype(float) @ [0.114, 0.587, 0.299]
    got = planes_of(encoded(colour), False)
    assert got.shape == (1, 6, 7)
    assert np.abs(got[0] - expected).max() <= 1


DATUM_ERRORS = {
    "short": (
        Datum(channels=3, height=2, width=5, data=b"x" * 29),
        "it: the Datum holds 29 values, expected channels x height x width = 3x2x5",
    ),
    "no shape": (
        Datum(data=b""),
        "it: the Datum holds 0 values, expected channels x height x width = 0x0x0",
    ),
    "undecodable": (Datum(encoded=True, data=b"x"), "it: cannot be decoded as a picture"),
    "encoded nothing": (Datum(encoded=True), "it: cannot be decoded as a picture"),
    "16 bits": (
        encoded(picture(dtype=np.uint16)),
        "it: has uint16 pixels, expected 8 bits per channel",
    ),
}


@pytest.mark.parametrize("case", DATUM_ERRORS)
def test_datum_errors(case):
    datum, message = DATUM_ERRORS[case]
    assert message_of(planes_of, datum) == message


def test_cut_datum_is_refused():
    value = array_to_datum(picture()).SerializeToString()[:-3]
    assert message_of(sources.parse_datum, value, "it") == (
        f"it: its {len(value)} bytes are no Datum or are cut short"
    )


def test_pictures_are_resized_bilinearly(tmp_path):
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (5, 1))
    path = str(tmp_path / "ramp.png")
    cv2.imwrite(path, ramp)
    assert np.array_equal(sources.read_planes(path, False), ramp[np.newaxis])
    got = sources.read_planes(path, True, (4, 8))
    assert got.shape == (3, 4, 8)
    assert np.array_equal(got[1, 2], np.arange(5, 165, 20))
    assert sources.read_planes(path, False, (10, 3)).shape == (1, 10, 3)


def test_a_picture_that_cannot_be_resized_is_named(tmp_path):
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, picture(2, 3, 1))
    message = message_of(sources.read_planes, path, False, (1 << 40, 1))
    assert message == f"{path}: cannot be resized to {1 << 40}x1"


def test_picture_errors_name_the_file(tmp_path):
    path = str(tmp_path / "none.png")
    assert message_of(sources.read_planes, path, True) == (
        f"{path}: no such file, expected a picture"
    )
    (tmp_path / "none.png").write_text("not a picture")
    assert message_of(sources.read_planes, path, True) == f"{path}: cannot be decoded as a picture"


# -- lists and HDF5 --------------------------------------------------------------------------------


def test_image_list(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("a.png 3\r\nsome name.png -1\n\nü/ö.png 12 \n".encode())
    names, labels = sources.read_image_list(str(path))
    assert names == ["a.png", "some name.png", "ü/ö.png"]
    assert labels.tolist() == [3, -1, 12]


def test_labels_of_an_image_list_are_read_as_in_c(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("a.png 0.5\nb.png +7x\nc.png x7\nd.png -2.9\ne.png ²\nf.png \t5\n")
    names, labels = sources.read_image_list(str(path))
    assert names == ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]
    assert labels.tolist() == [0, 7, 0, -2, 0, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ' is empty, expected a list of lines "name label"'),
        ("\n \n", ' is empty, expected a list of lines "name label"'),
        ("a.png 1\n\nb.png\n", '3: "b.png" is not of the form "name label"'),
        ("a.png 2147483648\n", "1: label 2147483648 takes more than 32 bits"),
        (f"a.png -{'9' * 400}\n", f"1: label -{'9' * 19}... takes more than 32 bits"),
        (f"a.png 1\nb.png {'9' * 5000}\n", f"2: label {'9' * 20}... takes more than 32 bits"),
        ("7\n", '1: "7" is not of the form "name label"'),
    ],
)
def test_image_list_errors(tmp_path, text, message):
    path = tmp_path / "list.txt"
    path.write_text(text)
    assert message_of(sources.read_image_list, str(path)) == f"{path}:{message}"


def test_hdf5_rows_become_float32(tmp_path):
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(24).reshape(4, 3, 2)
        file["y"] = np.arange(4.0)
    assert sources.hdf5_shapes(path, ["y", "x"]) == [(4,), (4, 3, 2)]
    y, x = sources.read_hdf5(path, ["y", "x"])
    assert (y.dtype, x.dtype) == (np.float32, np.float32)
    assert np.array_equal(x.ravel(), np.arange(24))


def test_hdf5_errors(tmp_path):
    path = str(tmp_path / "a.h5")
    assert message_of(sources.read_hdf5, path, ["x"]) == (
        f"{path}: no such file, expected an HDF5 file"
    )
    with h5py.File(path, "w") as file:
        file["x"], file["y"], file["s"] = np.zeros((4, 2)), np.zeros(3), 1.0
        file["t"] = np.array([b"text"])
    assert message_of(sources.read_hdf5, path, ["x", "z"]) == (
        f'{path}: has no dataset "z", expected one for each top'
    )
    assert message_of(sources.read_hdf5, path, ["x", "y"]) == (
        f"{path}: y: has shape (3,), expected 4 rows"
    )
    assert message_of(sources.read_hdf5, path, ["s"]) == (
        f"{path}: s: has shape (), expected some rows"
    )
    assert message_of(sources.read_hdf5, path, ["t"]) == f"{path}: t: holds |S4, expected numbers"
    (tmp_path / "a.h5").write_text("text")
    assert message_of(sources.read_hdf5, path, ["x"]).startswith(f"{path}: cannot be read as HDF5")
    assert message_of(sources.read_hdf5, path, ["x"]).endswith("HDF5: file signature not found")
    assert message_of(sources.read_hdf5, str(tmp_path), ["x"]) == (
        f"{tmp_path}: cannot be read as HDF5: Is a directory"
    )


def test_damaged_rows_of_hdf5_name_the_file(tmp_path):
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        rows = file.create_dataset("x", data=np.ones((7, 5)), chunks=(7, 5), fletcher32=True)
        at = rows.id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(b"damage")
    assert sources.hdf5_shapes(path, ["x"]) == [(7, 5)]
    message = message_of(sources.read_hdf5, path, ["x"])
    assert message.startswith(f"{path}: cannot be read as HDF5: ") and "\n" not in message


def test_the_cause_in_many_lines_of_h5py_is_found():
    error = OSError(
        "Unable to synchronously open file (file read failed: time = Sun Nov 29\n, filename = "
        "'a.h5', errno = 5, error message = 'Input/output error', offset = 8)"
    )
    assert sources._hdf5_reason(error) == "Input/output error"


def rows_of(path):
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file}


def test_hdf5_without_room_for_more_rows_stays_as_it_was(tmp_path):
    path = tmp_path / "out.h5"
    draw = np.random.default_rng(7)
    batches = [
        {"data": draw.normal(size=(n, 50, 7)).astype("f4"), "label": np.arange(n * 3.0)[:, None]}
        for n in (40, 60, 30)
    ]
    sources.append_hdf5(path, batches[0], anew=True)
    before = path.read_bytes()
    with pytest.raises(CaffeError) as error, files_up_to(len(before) + 40_000):
        sources.append_hdf5(path, batches[1], anew=False)
    assert str(error.value) == f"{path}: {TOLD}"
    assert path.read_bytes() == before
    sources.append_hdf5(path, batches[1], anew=False)
    sources.append_hdf5(path, batches[2], anew=False)
    for name, array in rows_of(path).items():
        assert np.array_equal(array, np.concatenate([batch[name] for batch in batches]))

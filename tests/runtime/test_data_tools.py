"""convert_imageset, compute_image_mean and extract_features write what genuine Caffe's write."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_streams import differences, messages

import caffe
from caffe import binaryproto, cli, data_tools, sources
from caffe.io import array_to_datum
from caffe.leveldb import open_leveldb
from caffe.proto.caffe_pb2 import BlobProto, Datum

GOLDEN = Path(__file__).parents[1] / "golden" / "data_tools"


@pytest.fixture(autouse=True)
def told_as_without_settings(monkeypatch):
    monkeypatch.delenv("GLOG_minloglevel", raising=False)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tool(capfd):
    """Runs a command line in this process; returns its exit code and what it logged."""

    def run(command):
        code = data_tools.main(shlex.split(command))
        out, err = capfd.readouterr()
        assert out == ""
        return code, messages(err)

    return run


def recorded(name, capfd):
    """Run what was recorded of a tool, in a copy of its folder: its log and exit codes agree."""
    shutil.copytree(GOLDEN / name, ".", dirs_exist_ok=True)
    for run in json.loads(Path("case.json").read_text())["runs"]:
        code = data_tools.main(shlex.split(run["command"]))
        out, err = capfd.readouterr()
        assert (code, out) == (run["exit_code"], "")
        assert differences(err, Path(f"{run['name']}.stderr.txt").read_text()) == []


def datums(path, opened=sources.open_lmdb):
    """Key -> Datum."""
    database = opened(path)
    records = database.records(range(len(database)))
    return {key.decode(): Datum.FromString(value) for key, value in records}


def said(found, severity):
    return [m.text for m in found if m.severity == severity]


def pictures(count=4, size=(6, 5), folder="img", extension="png"):
    """Picture files, and list.txt that names them; returns the pictures (H, W, 3), BGR."""
    os.makedirs(folder, exist_ok=True)
    made, lines = [], []
    for i in range(count):
        made.append(np.random.default_rng(i).integers(0, 256, (*size, 3), np.uint8))
        cv2.imwrite(f"{folder}/{i}.{extension}", made[-1])
        lines.append(f"{i}.{extension} {i * 2}\n")
    Path("list.txt").write_text("".join(lines))
    return made


# -- recordings ------------------------------------------------------------------------------------


def test_convert_imageset_writes_what_the_genuine_one_does(capfd):
    recorded("convert_imageset", capfd)
    expected = json.loads(Path("datums.json").read_text())
    pixels = np.load("data.npz")
    for database, rows in expected.items():
        found = datums(database)
        facts = [
            [key, d.channels, d.height, d.width, d.label, d.encoded] for key, d in found.items()
        ]
        assert facts == rows
        for key, datum in found.items():
            if datum.encoded:
                assert datum.data == Path("img", key.partition("_")[2]).read_bytes()
            else:
                planes = sources.datum_planes(datum, key)
                np.testing.assert_array_equal(planes, pixels[f"{database}/{key}"])


def test_compute_image_mean_writes_what_the_genuine_one_does(capfd):
    shutil.copytree(GOLDEN / "compute_image_mean", ".", dirs_exist_ok=True)
    expected = Path("mean.binaryproto").read_bytes()
    recorded("compute_image_mean", capfd)
    assert Path("mean.binaryproto").read_bytes() == expected


def test_extract_features_writes_what_the_genuine_one_does(capfd):
    recorded("extract_features", capfd)
    expected = np.load("data.npz")
    found = {
        f"{database}/{key}": np.reshape(d.float_data, (d.channels, d.height, d.width))
        for database in ("f_ip", "f_s")
        for key, d in datums(database).items()
    }
    assert list(found) == expected.files
    for key, array in found.items():
        np.testing.assert_allclose(array, expected[key], rtol=1e-5, atol=1e-6)


# -- convert_imageset ------------------------------------------------------------------------------


def test_a_raw_record_is_byte_for_byte_what_caffe_serializes(tool):
    (picture,) = pictures(1, (1, 2))
    assert tool("convert_imageset img/ list.txt db")[0] == 0
    planes = picture.transpose(2, 0, 1).tobytes()
    # channels, height, width, data, label and encoded, each with its tag
    expected = b"\x08\x03\x10\x01\x18\x02\x22\x06" + planes + b"\x28\x00\x38\x00"
    assert sources.open_lmdb("db").first() == (b"00000000_0.png", expected)


def test_leveldb_holds_the_same_records(tool):
    pytest.importorskip("plyvel")
    pictures()
    assert tool("convert_imageset img/ list.txt lmdb")[0] == 0
    code, found = tool("convert_imageset -backend=leveldb img/ list.txt leveldb")
    assert code == 0
    assert "Opened leveldb leveldb" in said(found, "I")
    assert datums("leveldb", open_leveldb) == datums("lmdb")
    assert tool("compute_image_mean lmdb a")[0] == 0
    assert tool("compute_image_mean --backend leveldb leveldb b")[0] == 0
    assert Path("a").read_bytes() == Path("b").read_bytes()
    assert len([m for m in Path().iterdir() if m.suffix == ".tmp"]) == 0


def test_without_plyvel_one_line_says_so(tool, monkeypatch):
    monkeypatch.setitem(sys.modules, "plyvel", None)
    pictures()
    code, found = tool("convert_imageset -backend leveldb img/ list.txt db")
    expected = "db: a LevelDB is written by plyvel, which is missing: pip install plyvel"
    assert (code, said(found, "F")) == (1, [expected])
    assert sorted(os.listdir()) == ["img", "list.txt"]


@pytest.mark.parametrize(
    ("flags", "same_bytes"),
    [
        ("-encoded", True),
        ("-encode_type png", True),
        ("-encoded -gray", True),  # Caffe keeps the file, colours and all
        ("-encoded -encode_type bmp", False),
        ("-encoded -resize_height 3 -resize_width 4", False),
    ],
)
def test_encoded(tool, flags, same_bytes):
    made = pictures(1)
    assert tool(f"convert_imageset {flags} img/ list.txt db")[0] == 0
    datum = datums("db")["00000000_0.png"]
    assert (datum.encoded, datum.channels, datum.label) == (True, 0, 0)
    assert (datum.data == Path("img/0.png").read_bytes()) == same_bytes
    expected = cv2.resize(made[0], (4, 3)) if "resize" in flags else made[0]
    found = sources.datum_planes(datum, "record", color=True)
    np.testing.assert_array_equal(found, expected.transpose(2, 0, 1))


def test_encoding_is_told_by_the_flag_or_the_name(tool):
    pictures(1, extension="jpeg")
    assert tool("convert_imageset -encode_type jpg img/ list.txt db")[0] == 0
    assert datums("db")["00000000_0.jpeg"].data == Path("img/0.jpeg").read_bytes()
    os.rename("img/0.jpeg", "img/0")
    Path("list.txt").write_text("0 0\n")
    (line,) = said(tool("convert_imageset -encoded img/ list.txt none")[1], "F")
    assert line == "img/0: the name has no extension, expected -encode_type png, jpg, ..."
    (line,) = said(tool("convert_imageset -encode_type xyz img/ list.txt none")[1], "F")
    assert line == 'img/0: cannot be encoded as "xyz", expected png, jpg, ...'
    assert not Path("none").exists()
    assert "encode_type specified, assuming encoded=true." in said(
        tool("convert_imageset -encode_type png img/ list.txt named")[1], "I"
    )


def test_shuffle_keeps_pairs_and_numbers_them_anew(tool):
    pictures(8)
    data_tools.random.seed(3)
    assert tool("convert_imageset --shuffle img/ list.txt db")[0] == 0
    keys = list(datums("db"))
    assert [int(key.partition("_")[0]) for key in keys] == list(range(8))
    names = [key.partition("_")[2] for key in keys]
    assert names != sorted(names) == [f"{i}.png" for i in range(8)]
    for key, datum in datums("db").items():
        assert datum.label == 2 * int(key[9:-4])


def test_lists(tool):
    """Names with blanks, unusual labels and line ends; big labels are exact."""
    pictures(1)
    os.rename("img/0.png", "img/a picture.png")
    Path("list.txt").write_bytes(
        b"a picture.png 16777217\r\n\na picture.png -3\na picture.png 7.5\na picture.png x"
    )
    assert tool("convert_imageset img/ list.txt db")[0] == 0
    assert [(k, d.label) for k, d in datums("db").items()] == [
        ("00000000_a picture.png", 16777217),
        ("00000001_a picture.png", -3),
        ("00000002_a picture.png", 7),
        ("00000003_a picture.png", 0),
    ]


def test_unreadable_pictures_are_skipped_but_keep_their_number(tool):
    pictures(4)
    os.remove("img/0.png")
    Path("img/2.png").write_bytes(b"no picture")
    code, found = tool("convert_imageset img/ list.txt db")
    assert (code, list(datums("db"))) == (0, ["00000001_1.png", "00000003_3.png"])
    expected = [f"Could not open or find file img/{i}.png" for i in (0, 2)]
    assert said(found, "E") == expected
    assert said(found, "I")[-1] == "Processed 2 files."


def test_progress_and_transactions(tool, monkeypatch):
    monkeypatch.setattr(data_tools, "COMMIT_EVERY", 3)
    monkeypatch.setattr(sources, "WRITE_RECORDS", 3)
    chunks = []
    put = sources._put
    monkeypatch.setattr(
        sources, "_put", lambda env, name, chunk: (chunks.append(len(chunk)), put(env, name, chunk))
    )
    pictures(7)
    _, found = tool("convert_imageset img/ list.txt db")
    assert said(found, "I")[2:] == [f"Processed {n} files." for n in (3, 6, 7)]
    assert chunks == [3, 3, 1]


def test_check_size(tool):
    pictures(2)
    cv2.imwrite("img/1.png", np.zeros((6, 6, 3), np.uint8))
    assert tool("convert_imageset img/ list.txt all")[0] == 0
    same = "-check_size -resize_height=4 -resize_width=3"
    assert tool(f"convert_imageset {same} img/ list.txt same")[0] == 0
    for flags in ("--check_size", "-check_size=true -encoded"):
        code, found = tool(f"convert_imageset {flags} img/ list.txt db")
        expected = (
            "img/1.png: has 108 values (channels x height x width), expected 90 as the first: "
            "drop -check_size, or use -resize_height and -resize_width"
        )
        assert (code, said(found, "F")) == (1, [expected])
        assert not Path("db").exists()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("img/ list.txt there", "there: exists already, expected the name of a new LMDB"),
        ("-backend hdf5 img/ list.txt db", 'database backend is "hdf5", expected lmdb or leveldb'),
        ("img/ none.txt db", 'none.txt: no such file, expected a list of lines "name label"'),
        ("img/ bad.txt db", 'bad.txt:1: "alone" is not of the form "name label"'),
        ("img/ big.txt db", "big.txt:1: label 2147483648 takes more than 32 bits"),
        (
            "-resize_height 100000 -resize_width 90000 img/ list.txt db",
            "pictures cannot be resized to 100000x90000, "
            "expected at most 2147483647 values (channels x height x width)",
        ),
        ("im/ list.txt db", "list.txt: none of its pictures can be read from im/"),
        ("img/ list.txt none/db", "none/db: cannot be written: No such file or directory"),
        ("img/ list.txt list.txt/db", "list.txt/db: cannot be written: Not a directory"),
    ],
)
def test_convert_imageset_refuses(tool, command, line):
    pictures(1)
    os.mkdir("there")
    Path("bad.txt").write_text("alone\n")
    Path("big.txt").write_text("0.png 2147483648\n")
    code, found = tool(f"convert_imageset {command}")
    (text,) = said(found, "F")
    assert (code, text.removeprefix("the ")) == (1, line)
    assert sorted(os.listdir()) == ["bad.txt", "big.txt", "img", "list.txt", "there"]
    assert os.listdir("there") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_conversion_leaves_nothing(number):
    pictures(1)
    Path("list.txt").write_text("0.png 0\n" * 300_000)
    command = [
        sys.executable,
        "-m",
        "caffe.data_tools",
        "convert_imageset",
        "img/",
        "list.txt",
        "db",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    with process:
        for line in process.stderr:
            if "Processed 1000 files." in line:
                break
        assert [path.name for path in Path().glob("db*")] == [f"db.{process.pid}.tmp"]
        process.send_signal(number)
        last = process.stderr.read().splitlines()[-1]
    assert last.endswith("] interrupted; nothing is written")
    assert process.returncode == 130
    assert sorted(os.listdir()) == ["img", "list.txt"]


def test_what_an_ended_process_left_is_replaced(tool):
    pictures(1)
    os.mkdir(f"db.{os.getpid()}.tmp")
    Path(f"db.{os.getpid()}.tmp", "data.mdb").write_bytes(b"x" * 9000)
    assert tool("convert_imageset img/ list.txt db")[0] == 0
    assert len(datums("db")) == 1
    assert sorted(os.listdir()) == ["db", "img", "list.txt"]


def test_a_lack_of_memory_is_one_line(tool, monkeypatch):
    pictures(1)

    def no_memory(*arguments):
        raise MemoryError

    monkeypatch.setattr(sources, "read_planes", no_memory)
    code, found = tool("convert_imageset img/ list.txt db")
    assert (code, said(found, "F")) == (1, ["needs a lot of memory, more than there is"])
    assert sorted(os.listdir()) == ["img", "list.txt"]


# -- compute_image_mean ----------------------------------------------------------------------------


def database(arrays, path="db"):
    sources.write_lmdb(
        path,
        [
            (b"%02d" % i, array_to_datum(array, 0).SerializeToString())
            for i, array in enumerate(arrays)
        ],
    )


def mean_of(path):
    return binaryproto.blob_to_array(binaryproto.read(path, BlobProto))


def test_mean_of_encoded_records_is_that_of_raw_ones(tool):
    made = pictures(3)
    tool("convert_imageset img/ list.txt raw")
    tool("convert_imageset -encoded img/ list.txt encoded")
    code, found = tool("compute_image_mean encoded mean")
    assert code == 0
    assert said(found, "I")[1:4] == ["Decoding Datum", "Starting iteration", "Processed 3 files."]
    expected = np.mean(made, axis=0).transpose(2, 0, 1)[None]
    np.testing.assert_allclose(mean_of("mean"), expected, rtol=1e-6)
    tool("compute_image_mean raw other")
    assert Path("mean").read_bytes() == Path("other").read_bytes()
    assert caffe.io.caffe_pb2.BlobProto.FromString(Path("mean").read_bytes()).num == 1


def test_mean_of_floats_and_without_a_file(tool):
    arrays = np.random.default_rng(1).integers(-90, 90, (4, 2, 3, 5)).astype(np.float32) / 4
    database(arrays)
    code, found = tool("compute_image_mean db")
    assert code == 0
    assert [line for line in said(found, "I") if "mean_value" in line] == [
        f"mean_value channel [{c}]: {arrays[:, c].mean():g}" for c in (0, 1)
    ]
    assert os.listdir() == ["db"]
    tool("compute_image_mean db mean")
    np.testing.assert_allclose(mean_of("mean")[0], arrays.mean(axis=0), rtol=1e-5)


def test_mean_is_exact_where_sums_of_float32_are_not(tool):
    database(np.array([1 << 24, 1, 1, 2], np.float32).reshape(4, 1, 1, 1))
    tool("compute_image_mean db mean")
    assert mean_of("mean").tolist() == [[[[4194305]]]]


def test_mean_shows_progress_and_replaces_its_file(tool, monkeypatch):
    monkeypatch.setattr(data_tools, "MEAN_SHOWN_EVERY", 2)
    database(np.ones((4, 1, 2, 3), np.uint8))
    Path("mean").write_text("old")
    _, found = tool("compute_image_mean db mean")
    assert [x for x in said(found, "I") if "Processed" in x] == [
        "Processed 2 files.",
        "Processed 4 files.",
    ]
    assert (mean_of("mean") == 1).all()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("none mean", "none: no such folder, expected the folder of an LMDB"),
        ("-backend hdf5 db mean", '-backend is "hdf5", expected lmdb or leveldb'),
        (
            "db mean",
            'db: key "01": is 3x2x4 (channels x height x width), expected 3x4x2 as the first: '
            "-resize_height and -resize_width of convert_imageset give all one size",
        ),
        ("same none/mean", "none/mean: cannot be written: No such file or directory"),
        ("text mean", 'text: key "a": its 1 bytes are no Datum or are cut short'),
    ],
)
def test_compute_image_mean_refuses(tool, command, line):
    database([np.zeros((3, 4, 2), np.uint8), np.zeros((3, 2, 4), np.uint8)])
    database([np.zeros((3, 4, 2), np.uint8)], "same")
    sources.write_lmdb("text", [(b"a", b"x")])
    code, found = tool(f"compute_image_mean {command}")
    assert (code, said(found, "F")) == (1, [line])
    assert sorted(os.listdir()) == ["db", "same", "text"]


# -- extract_features ------------------------------------------------------------------------------

NET = """
layer { name: "data" type: "DummyData" top: "data" dummy_data_param {
  shape { dim: 2 dim: 3 dim: 4 dim: 5 } data_filler { type: "uniform" } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
  num_output: 6 kernel_size: 2 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "sum" type: "Reduction" bottom: "conv" top: "sum" }
layer { name: "five" type: "Reshape" bottom: "data" top: "five"
  reshape_param { shape { dim: 2 dim: 3 dim: 2 dim: 2 dim: 5 } } }
"""


@pytest.fixture
def net():
    """The files of a net, whose data are those of the weights' seed."""
    Path("net.prototxt").write_text(NET)
    net = caffe.Net("net.prototxt", caffe.TEST)
    net.save("w.caffemodel")
    return net


def test_features_are_the_blobs_of_each_batch(tool, net, monkeypatch):
    monkeypatch.setattr(data_tools, "COMMIT_EVERY", 4)
    caffe.set_random_seed(5)
    code, found = tool("extract_features w.caffemodel net.prototxt data,conv d,c 3 lmdb CPU")
    assert code == 0
    assert said(found, "E") == ["Using CPU", "Extracting Features"] + [
        f"Extracted features of {n} query images for feature blob {name}"
        for n in (4, 6)
        for name in ("data", "conv")
    ] + ["Successfully extracted the features!"]  # fmt: skip
    inputs, outputs = datums("d"), datums("c")
    assert list(inputs) == list(outputs) == [f"{i:010d}" for i in range(6)]
    filters, bias = (blob.data for blob in net.params["conv"])
    for key, datum in outputs.items():
        x = np.reshape(inputs[key].float_data, (3, 4, 5))
        windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(1, 2))
        expected = np.einsum("chwij,ocij->ohw", windows, filters) + bias[:, None, None]
        found = np.reshape(datum.float_data, (datum.channels, datum.height, datum.width))
        np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-4, atol=1e-5)


def test_a_feature_without_axes_is_one_number(tool, net):
    assert tool("extract_features w.caffemodel net.prototxt sum s 2 lmdb")[0] == 0
    assert [(d.channels, len(d.float_data)) for d in datums("s").values()] == [(1, 1)] * 2


def test_features_in_leveldb(tool, net):
    pytest.importorskip("plyvel")
    for backend in ("lmdb", "leveldb"):
        caffe.set_random_seed(5)
        call = f"extract_features w.caffemodel net.prototxt conv {backend} 2 {backend}"
        assert tool(call)[0] == 0
    assert datums("leveldb", open_leveldb) == datums("lmdb")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("w net.prototxt data d 1 lmdb", "w: no such file, expected "),
        ("W none data d 1 lmdb", "none: no such file, expected "),
        ("W net.prototxt data,conv d 1 lmdb", "2 blob(s) and 1 database(s) are named, expected"),
        ("W net.prototxt data,conv d,./d 1 lmdb", "d,./d: a database is named twice"),
        ("W net.prototxt fc7 d 1 lmdb", 'net.prototxt: has no blob "fc7", one that was to be'),
        ("W net.prototxt data,five d,f 1 lmdb", 'blob "five" has 5 axes, expected 4 at most'),
        ("W net.prototxt data d 0 lmdb", 'the number of batches is "0", expected 1 to 999999999'),
        (
            f"W net.prototxt data d {'9' * 5000} lmdb",
            f'the number of batches is "{"9" * 30}", expected 1 to 999999999',
        ),
        ("W net.prototxt data d 1 hdf5", 'the database backend is "hdf5", expected lmdb or'),
        ("W net.prototxt data,conv d,there 1 lmdb", "there: exists already, expected the name"),
        ("W net.prototxt data d 1 lmdb GPU 99", "GPU 99 does not exist: torch finds "),
        ("W net.prototxt data d 1 lmdb GPU x", 'the DEVICE_ID is "x", expected 0 to 999999999'),
    ],
)
def test_extract_features_refuses(tool, net, arguments, line):
    os.mkdir("there")
    code, found = tool(f"extract_features {arguments.replace('W ', 'w.caffemodel ')}")
    (text,) = said(found, "F")
    assert code == 1 and text.startswith(line) and "\n" not in text
    assert sorted(os.listdir()) == ["net.prototxt", "there", "w.caffemodel"]


@pytest.mark.gpu
def test_features_on_a_gpu(tool, net):
    try:
        code, found = tool("extract_features w.caffemodel net.prototxt conv c 1 lmdb GPU 0")
    finally:
        caffe.set_mode_cpu()
    assert code == 0
    assert said(found, "E")[:2] == ["Using GPU", "Using Device_id=0"]
    assert len(datums("c")) == 2


# -- calls -----------------------------------------------------------------------------------------


def test_wrong_calls_show_usage(capfd):
    for arguments in ([], ["convert"]):
        assert data_tools.main(arguments) == 1
        assert capfd.readouterr().out == (
            "usage: python -m caffe.data_tools TOOL ARGUMENTS; tools: compute_image_mean, "
            "convert_imageset, extract_features\n"
        )
    for call in ("convert_imageset a/ b", "convert_imageset -help", "compute_image_mean"):
        assert data_tools.main(call.split()) == 1
        out, err = capfd.readouterr()
        assert f"\nusage: {call.split()[0]} [FLAGS] " in out and err == ""
        assert "    -backend (The database " in out and 'default: "lmdb"\n' in out
    assert data_tools.main(["compute_image_mean", "a", "b", "c"]) == 1
    assert "compute_image_mean [FLAGS] DATABASE [FILE]\n" in capfd.readouterr().out
    assert data_tools.main(["extract_features", "w", "n", "b", "d", "1"]) == 1
    assert "Usage: extract_features WEIGHTS NET" in capfd.readouterr().err


def test_flags_that_cannot_be(capfd):
    for text in ("-grey", "-resize_width", "-resize_width x", "-gray=maybe"):
        assert data_tools.main(["convert_imageset", *text.split()]) == 1
        theirs = capfd.readouterr().err
        assert theirs.startswith("ERROR: ") and theirs.count("\n") == 1


# -- together --------------------------------------------------------------------------------------

CLASSIFIER = """
layer { name: "data" type: "Data" top: "data" top: "label"
  transform_param { mean_file: "mean.binaryproto" scale: 0.01 }
  data_param { source: "db" backend: LMDB batch_size: 3 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 9 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def test_pictures_mean_net_features(tool, capfd):
    made = pictures(3, (9, 8))
    assert tool("convert_imageset -resize_height 6 -resize_width 5 img/ list.txt db")[0] == 0
    assert tool("compute_image_mean db mean.binaryproto")[0] == 0
    Path("net.prototxt").write_text(CLASSIFIER)
    caffe.Net("net.prototxt", caffe.TEST).save("w.caffemodel")
    capfd.readouterr()
    call = "test -model net.prototxt -weights w.caffemodel -iterations 2 -cpu"
    assert cli.main(call.split()) == 0
    assert "] Loss: " in capfd.readouterr().err
    assert tool("extract_features w.caffemodel net.prototxt data,label d,l 1 lmdb")[0] == 0
    resized = np.stack([cv2.resize(picture, (5, 6)) for picture in made]).transpose(0, 3, 1, 2)
    features = [np.reshape(d.float_data, (3, 6, 5)) for d in datums("d").values()]
    expected = (resized - resized.mean(axis=0)) * 0.01
    np.testing.assert_allclose(features, expected, atol=1e-5)
    assert [d.float_data[0] for d in datums("l").values()] == [0, 2, 4]

"""Prototxt in and out: protobuf's text format, Caffe's log, and errors that show the place."""

import os
import random
import warnings
from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe import CaffeError, prototxt
from caffe.proto import caffe_pb2

MESSAGES = Path(__file__).parent / "messages"
VALID = sorted((MESSAGES / "valid").glob("*.prototxt"))
INVALID = sorted((MESSAGES / "invalid").glob("*.prototxt"))
assert len(VALID) >= 7
assert len(INVALID) >= 39


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid(path):
    expected = path.with_suffix(".expected").read_text()
    assert prototxt.text(prototxt.read(path, caffe_pb2.NetParameter)) == expected


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    is_solver = path.stem.startswith("solver")
    with pytest.raises(CaffeError) as error:
        prototxt.read(path.name, caffe_pb2.SolverParameter if is_solver else caffe_pb2.NetParameter)
    assert f"{error.value}\n" == path.with_suffix(".error").read_text()


@pytest.mark.parametrize(
    ("name", "message_class"),
    [
        ("net.log.prototxt", caffe_pb2.NetParameter),
        ("solver.log.prototxt", caffe_pb2.SolverParameter),
    ],
)
def test_text_is_what_caffe_logs(name, message_class):
    logged = (MESSAGES / "recorded" / name).read_text()
    assert prototxt.text(prototxt.parse(logged, message_class)) == logged


def test_text_of_doubles_and_bytes():
    blob = caffe_pb2.BlobProto(double_data=[0.1, 1, 1 / 3, 1e300])
    lines = ["0.1", "1", "0.33333333333333331", "1e+300"]
    assert prototxt.text(blob) == "".join(f"double_data: {line}\n" for line in lines)
    assert prototxt.text(caffe_pb2.Datum(data=b"\x00a\xff")) == 'data: "\\000a\\377"\n'


def test_read_missing_file(tmp_path):
    with pytest.raises(CaffeError) as error:
        prototxt.read(tmp_path / "gone.prototxt", caffe_pb2.NetParameter)
    expected = f"{tmp_path}/gone.prototxt: no such file, expected a prototxt file"
    assert str(error.value) == expected


def test_read_directory(tmp_path):
    with pytest.raises(CaffeError) as error:
        prototxt.read(tmp_path, caffe_pb2.NetParameter)
    assert str(error.value) == f"{tmp_path}: is a directory, expected a prototxt file"


def test_read_model_as_prototxt():
    path = MESSAGES / "recorded" / "mixed.caffemodel"
    with pytest.raises(CaffeError, match=r"mixed.caffemodel:\d+:\d+: .*binary file"):
        prototxt.read(path, caffe_pb2.NetParameter)


def test_write(tmp_path):
    net = caffe_pb2.NetParameter(name="é", input_dim=[1, 3])
    prototxt.write(tmp_path / "net.prototxt", net)
    assert (tmp_path / "net.prototxt").read_bytes() == (
        b'name: "\\303\\251"\ninput_dim: 1\ninput_dim: 3\n'
    )
    assert prototxt.read(tmp_path / "net.prototxt", caffe_pb2.NetParameter) == net
    assert [file.name for file in tmp_path.iterdir()] == ["net.prototxt"]


def test_write_where_no_folder_is(tmp_path):
    path = tmp_path / "gone" / "net.prototxt"
    with pytest.raises(CaffeError) as error:
        prototxt.write(path, caffe_pb2.NetParameter(name="n"))
    assert str(error.value) == f"{path}: cannot be written: No such file or directory"


def test_failed_write_keeps_the_old_file(tmp_path):
    target = tmp_path / "net.prototxt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), prototxt.replacing(target) as temporary:
        Path(temporary).write_text("new")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["net.prototxt"]


def test_what_is_no_file_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    prototxt.write(pipe, caffe_pb2.NetParameter(name="a net"))
    assert os.read(reader, 99) == b'name: "a net"\n'
    os.close(reader)
    assert pipe.is_fifo()
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]


def test_a_path_that_no_file_can_have_is_refused():
    with pytest.raises(CaffeError) as error:
        prototxt.write("a\0b", caffe_pb2.NetParameter(name="a net"))
    line = str(error.value)  # Python 3.13 has other words
    assert line.startswith(r"a\x00b: cannot be written: ") and "embedded null " in line


def test_layer_lines():
    text = """# layer {
name: "layer {"  # layer {
layer { name: "a"
  include { phase: TRAIN } }
input_shape { dim: 3 }
layers: <
  name: "b\\" layer {"
>  layer
{ }
layer: [ { name: "c" },
         { name: "d" } ]
"""
    net = prototxt.parse(text, caffe_pb2.NetParameter)
    assert prototxt.layer_lines(text) == [3, 6, 8, 10, 11]
    assert [len(net.layer), len(net.layers)] == [4, 1]


def _mutated(text, rng):
    """The text with one to three random edits."""
    pieces = [*"{}<>[]:;,-\"'#\\.0x1fe\n \0é", "layer {", '"\\x4"', "0x1F", "017", "1e400", "nan"]
    for _ in range(rng.randint(1, 3)):
        at, length = rng.randrange(len(text) + 1), rng.randint(0, 8)
        middle = rng.choice(["", rng.choice(pieces), text[at : at + 20], "\udcff"])
        text = text[:at] + middle + text[at + length :]
    return text


def _protobuf_reads(text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return text_format.Parse(text, caffe_pb2.NetParameter())
    except (text_format.ParseError, UnicodeError, ValueError):
        return None


def _check_mutations(seed, count):
    rng = random.Random(seed)
    files = [*VALID, MESSAGES / "recorded" / "net.log.prototxt"]
    texts = [prototxt.read_text(file) for file in files]
    agreed = refused = 0
    for _ in range(count):
        text = _mutated(rng.choice(texts), rng)
        try:
            net = prototxt.parse(text, caffe_pb2.NetParameter)
        except CaffeError as error:
            assert str(error).isprintable()
            refused += 1
            continue
        assert len(prototxt.layer_lines(text)) == len(net.layer) + len(net.layers)
        expected = _protobuf_reads(text)
        if expected is not None and "\\" not in text:  # protobuf in Python reads \? otherwise
            assert prototxt.text(net) == prototxt.text(expected)
            agreed += 1
    assert agreed > count // 20
    assert refused > count // 20


def test_mutated_texts_are_read_as_protobuf_does_or_refused():
    _check_mutations(1, 500)


@pytest.mark.slow
def test_many_mutated_texts():
    _check_mutations(2, 5000)


def test_largest_float():
    spec = caffe_pb2.ParamSpec(lr_mult=3.4028234663852886e38)
    assert prototxt.text(spec) == "lr_mult: 3.40282347e+38\n"
    assert prototxt.parse(prototxt.text(spec), caffe_pb2.ParamSpec) == spec


# protobuf 3.20 in Python reads the largest float as inf
FLOATS = st.floats(-(2.0**127), 2.0**127, width=32)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    name=st.text(st.characters(codec="utf-8")),
    weights=st.lists(FLOATS),
    axis=st.integers(-(2**31), 2**31 - 1),
    data=st.binary(),
)
def test_round_trip(name, weights, axis, data):
    layer = caffe_pb2.LayerParameter(name=name, loss_weight=weights)
    layer.concat_param.axis = axis
    assert prototxt.parse(prototxt.text(layer), caffe_pb2.LayerParameter) == layer
    assert text_format.Parse(prototxt.text(layer), caffe_pb2.LayerParameter()) == layer
    datum = caffe_pb2.Datum(data=data)
    assert prototxt.parse(prototxt.text(datum), caffe_pb2.Datum) == datum

"""Ten thousand damaged nets: each is read, built and run, or refused by one clear line."""

import random
import re
from pathlib import Path

import pytest

from caffe import blob, prototxt
from caffe.errors import CaffeError
from caffe.net import Net
from caffe.proto import caffe_pb2

GOLDEN = Path(__file__).parent.parent / "golden"
TOKEN = re.compile(r'"[^"\n]*"|[\w.+-]+|\s+|.', re.DOTALL)
NUMBER = re.compile(r"[-+]?[\d.]+(?:e[-+]?\d+)?")
NUMBERS = ["0", "-1", "1", "2", "3", "33", "65536", "1000000", "2147483647", "2147483648"]
NUMBERS += ["-2147483648", "4294967295", "9223372036854775807", "99999999999999999999"]
NUMBERS += ["1e38", "1e400", "-1e9", "1e-30", "nan", "inf", "-0.5"]


def flip(text, draw):
    """One bit of one byte."""
    data = bytearray(text.encode("utf-8", "surrogateescape"))
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return data.decode("utf-8", "surrogateescape")


def cut(text, draw):
    """All from some place on."""
    return text[: draw.randrange(len(text) + 1)]


def edit_token(text, draw):
    """A token is deleted, doubled, or changes its place with another."""
    tokens = TOKEN.findall(text)
    places = [i for i, token in enumerate(tokens) if not token.isspace()]
    if len(places) < 2:
        return text
    i, j = draw.sample(places, 2)
    kind = draw.randrange(3)
    if kind == 0:
        tokens[i] = ""
    elif kind == 1:
        tokens[i] += f" {tokens[i]}"
    else:
        tokens[i], tokens[j] = tokens[j], tokens[i]
    return "".join(tokens)


def swap_values(text, draw):
    """Two numbers, or two strings, change places."""
    tokens = TOKEN.findall(text)
    strings = draw.random() < 0.5
    places = [i for i, t in enumerate(tokens) if (t[0] == '"' if strings else NUMBER.fullmatch(t))]
    if len(places) < 2:
        return text
    i, j = draw.sample(places, 2)
    tokens[i], tokens[j] = tokens[j], tokens[i]
    return "".join(tokens)


def change_number(text, draw):
    """A number becomes a huge, a negative or another odd one."""
    tokens = TOKEN.findall(text)
    places = [i for i, token in enumerate(tokens) if NUMBER.fullmatch(token)]
    if places:
        tokens[draw.choice(places)] = draw.choice(NUMBERS)
    return "".join(tokens)


EDITS = [flip, cut, edit_token, edit_token, swap_values, change_number, change_number]


def damaged(seed, count):
    """Texts of recorded nets, each with one or two edits."""
    files = [path for kind in ("layers", "nets") for path in GOLDEN.glob(f"{kind}/*/net.prototxt")]
    texts = [prototxt.read_text(path) for path in sorted(files)]
    assert len(texts) > 200
    draw = random.Random(seed)
    for _ in range(count):
        text = draw.choice(texts)
        for _ in range(draw.randint(1, 2)):
            text = draw.choice(EDITS)(text, draw)
        yield text


def outcome(text, phase):
    """What becomes of a text: "unread", "unbuilt", "not run" or "run"."""
    reached = "unread"
    try:
        param = prototxt.parse(text, caffe_pb2.NetParameter, "net.prototxt")
        param.state.phase, reached = phase, "unbuilt"
        if any(layer.type in ("Python", "HDF5Output") for layer in param.layer):
            return reached  # they run code and write files
        net = Net.from_param(param, "net.prototxt", prototxt.layer_lines(text))
        reached = "not run"
        net.run_forward()
        net.run_backward()
    except CaffeError as error:
        assert "net.prototxt" in str(error) and str(error).isprintable()
        assert len(str(error)) < 2000
        return reached
    return "run"


def test_every_damaged_net_is_run_or_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(blob, "MAX_COUNT", 100_000)  # the check before every allocation
    counts = dict.fromkeys(("unread", "unbuilt", "not run", "run"), 0)
    for number, text in enumerate(damaged(seed=1, count=10_000)):
        try:
            counts[outcome(text, number % 2)] += 1
        except Exception as error:
            pytest.fail(f"mutation {number}: {type(error).__name__}: {error}\n{text}")
    assert min(counts["unread"], counts["unbuilt"], counts["run"]) > 500, counts


@pytest.mark.parametrize("size", ["2147483648", "65536 dim: 65536", "9223372036854775807"])
@pytest.mark.parametrize("layer", ["Input", "DummyData", "Parameter"])
def test_a_blob_beyond_an_int_is_refused_before_it_is_allocated(layer, size, tmp_path):
    stem = {"Input": "input", "DummyData": "dummy_data", "Parameter": "parameter"}[layer]
    text = f'layer {{ name: "x" type: "{layer}" top: "x" {stem}_param {{ shape {{ dim: {size} }} }}'
    param = prototxt.parse(text + "}", caffe_pb2.NetParameter)
    with pytest.raises(CaffeError, match=f'layer "x" .{layer}.: .* blob size exceeds INT_MAX'):
        Net.from_param(param, "net.prototxt", [1])

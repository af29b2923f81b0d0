"""Python layers: numpy or tensors, their own parameters, errors that say where."""

import sys
import textwrap

import numpy as np
import pytest

import caffe
from caffe import cli
from caffe.errors import CaffeError

MODULE = """
import caffe, numpy as np

class Square(caffe.Layer):
    def setup(self, bottom, top):
        self.scale = float(self.param_str or 1)
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top):
        top[0].data[...] = self.scale * bottom[0].data ** 2
        self.seen = type(bottom[0].data).__name__
    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 2 * self.scale * bottom[0].data * top[0].diff

class TensorSquare(Square):
    device_tensors = True

class Halve(caffe.Layer):
    device_tensors = True
    def forward(self, bottom, top):
        self.plain = bottom[0].data.is_contiguous(), str(bottom[0].data.dtype)
        top[0].data[...] = bottom[0].data / 2
    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = top[0].diff / 2

class Broken(Square):
    def forward(self, bottom, top):
        raise ValueError("the colour is wrong")

class Raising(Square):
    def setup(self, bottom, top):
        pass
    def forward(self, bottom, top):
        exec(self.param_str)

class Bare:
    pass

number = 5
"""
NET = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "s" type: "Python" bottom: "x" top: "s"
  python_param { module: "squares" layer: "%s" param_str: "3" } }
"""


@pytest.fixture
def build(tmp_path, monkeypatch):
    (tmp_path / "squares.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "squares", raising=False)

    def build(layer, param_str="3"):
        text = NET.replace('"3"', f'"{param_str}"'.replace("\\", "\\\\"))
        (tmp_path / "net.prototxt").write_text(text % layer)
        return caffe.Net("net.prototxt", caffe.TRAIN)

    return build


@pytest.mark.parametrize("layer, seen", [("Square", "ndarray"), ("TensorSquare", "Tensor")])
def test_same_numbers_on_arrays_and_tensors(build, layer, seen):
    net = build(layer)
    net.blobs["x"].data[...] = [[1, 2, 3], [4, 5, 6]]
    net.forward()
    assert net.blobs["s"].data.tolist() == [[3, 12, 27], [48, 75, 108]]
    net.blobs["s"].diff[...] = 1
    net.backward()
    assert net.blobs["x"].diff.tolist() == [[6, 12, 18], [24, 30, 36]]
    assert net.layers[1].user.seen == seen


def test_tensors_in_place_after_layers_in_16_bits(build, tmp_path, monkeypatch):
    """Whatever type and order a layer leaves behind, the next one reads and writes plain ones."""
    filters = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 2, 5, 4] } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 3
  kernel_size: 3 weight_filler { type: "constant" value: 1 } } }
layer { name: "half" type: "Python" bottom: "c" top: "c"
  python_param { module: "squares" layer: "Halve" } }
layer { name: "d" type: "Convolution" bottom: "c" top: "d" convolution_param { num_output: 2
  kernel_size: 1 weight_filler { type: "constant" value: 1 } } }
"""
    (tmp_path / "filters.prototxt").write_text(filters)
    monkeypatch.setattr(caffe.context, "channels_last", lambda: True)
    caffe.set_precision("bf16")
    net = caffe.Net("filters.prototxt", caffe.TRAIN)
    net.blobs["x"].data[...] = 1
    net.forward()
    net.blobs["d"].diff[...] = 1
    net.backward()
    assert net.layers[2].user.plain == (True, "torch.float32")
    assert net.blobs["c"].data.tolist() == np.full((1, 3, 3, 2), 9.0).tolist()
    assert net.blobs["d"].data.tolist() == np.full((1, 2, 3, 2), 27.0).tolist()
    assert net.blobs["c"].diff.tolist() == np.full((1, 3, 3, 2), 1.0).tolist()


def test_an_error_keeps_its_type_and_tells_its_place(build):
    net = build("Broken")
    with pytest.raises(ValueError) as caught:
        net.forward()
    assert str(caught.value) == 'net.prototxt:4: layer "s" (Python): the colour is wrong'


ERRORS = {  # of a forward: what the command says of them, what Python does
    "raise Exception('Need two inputs')": ("Need two inputs", "Need two inputs"),
    "raise ValueError('a', 'b')": ("('a', 'b')", None),
    "raise ValueError": ("ValueError", "ValueError"),
    "assert False": ("AssertionError", "AssertionError"),
    "{}['k']": ("KeyError: 'k'", "'k'"),
    "raise OSError(2, 'gone')": ("FileNotFoundError: [Errno 2] gone", None),
    "raise RuntimeError('two\\nlines')": (r"RuntimeError: two\nlines", "two\nlines"),
    "import sys; sys.exit(0)": ("SystemExit: 0", None),
}
PLACE = 'net.prototxt:4: layer "s" (Python): '


def command(capsys):
    """The fatal line of `caffe time`, without what glog puts before it, and all of its log."""
    assert cli.main(["time", "-cpu", "-model", "net.prototxt"]) == 1
    log = capsys.readouterr().err
    lines = [line for line in log.splitlines() if line.startswith("F")]
    return lines[0].partition("] ")[2], log


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.delenv("GLOG_v", raising=False)


@pytest.mark.parametrize("code", ERRORS)
def test_any_error_of_a_layer_ends_the_command_with_one_line(code, build, capsys, quiet):
    build("Raising", code)
    line, whole = command(capsys)
    assert line == PLACE + ERRORS[code][0]
    assert "Traceback" not in whole


@pytest.mark.parametrize("code", [code for code in ERRORS if ERRORS[code][1]])
def test_in_python_the_place_is_in_the_message(code, build):
    net = build("Raising", code)
    with pytest.raises(Exception) as caught:
        net.forward()
    assert type(caught.value) is not CaffeError
    assert caught.value.args == (str(CaffeError(PLACE + ERRORS[code][1])),)


def test_errors_of_several_arguments_keep_these(build):
    net = build("Raising", "raise OSError(2, 'gone')")
    with pytest.raises(FileNotFoundError) as caught:
        net.forward()
    assert caught.value.args == (2, "gone")


def test_a_traceback_comes_where_glog_is_verbose(build, capsys, monkeypatch, quiet):
    build("Broken")
    monkeypatch.setenv("GLOG_v", "1")
    line, whole = command(capsys)
    assert line == PLACE + "the colour is wrong"
    assert 'in forward\n    raise ValueError("the colour is wrong")\n' in whole


@pytest.mark.parametrize(
    ("layer", "module", "words"),
    [
        ("number", MODULE, 'module "squares" has no class "number"'),
        ("", MODULE, 'module "squares" has no class ""'),
        ("Bare", MODULE, "AttributeError: 'Bare' object has no attribute 'setup'"),
        ("Square", "def (", "SyntaxError: invalid syntax (squares.py, line 1)"),
        ("Square", "raise RuntimeError('boom')", "RuntimeError: boom"),
        ("Square", "raise SystemExit(0)", "SystemExit: 0"),
    ],
)
def test_modules_and_classes_that_are_none(layer, module, words, build, capsys, tmp_path, quiet):
    (tmp_path / "squares.py").write_text(module)
    (tmp_path / "net.prototxt").write_text(NET % layer)
    assert command(capsys)[0] == PLACE + words


def test_a_defect_of_the_runtime_is_no_message(build, capsys, monkeypatch, quiet):
    build("Square")
    monkeypatch.setattr(cli, "_report_times", None)
    with pytest.raises(TypeError):
        cli.main(["time", "-cpu", "-model", "net.prototxt", "-iterations", "1"])


def test_unknown_class_and_module(build, tmp_path):
    with pytest.raises(CaffeError) as caught:
        build("Cube")
    expected = 'net.prototxt:4: layer "s" (Python): module "squares" has no class "Cube"'
    assert str(caught.value) == expected
    (tmp_path / "net.prototxt").write_text(NET.replace("squares", "cubes") % "Cube")
    with pytest.raises(CaffeError, match='cannot import module "cubes": No module named'):
        caffe.Net("net.prototxt", caffe.TRAIN)


def test_layers_can_be_made_by_hand():
    layer = caffe.Layer()
    layer.blobs.add_blob(2, 3)
    assert np.shape(layer.blobs[0].data) == (2, 3)

"""Drawings of nets, beyond what the recordings show."""

import builtins
import shutil

import pytest

from caffe import draw, prototxt
from caffe.errors import CaffeError
from caffe.proto import caffe_pb2

NET = """
layer { name: "d" type: "Data" top: "x" data_param { batch_size: 7 } }
layer { name: "c" type: "Convolution" bottom: "x" top: "y" param { lr_mult: 3 }
  convolution_param { num_output: 5 } }
layer { name: "staged" type: "TanH" bottom: "y" top: "z" include { stage: "extra" } }
layer { name: "tested" type: "Sigmoid" bottom: "y" top: "y" exclude { phase: TRAIN } }
layer { name: "p" type: "Pooling" bottom: "y" top: "w"
  pooling_param { pool: AVE kernel_size: 4 stride: 3 pad: 2 } }
"""


@pytest.fixture
def net():
    return prototxt.parse(NET, caffe_pb2.NetParameter)


def test_labels_without_given_values(net):
    data, convolution, *_, pooling = net.layer
    assert draw.get_edge_label(data) == "Batch 7"
    assert draw.get_layer_label(convolution, "LR", display_lrm=True) == (
        r'"c\n(Convolution)\nkernel size: 1\nstride: 1\npad: 0\nlr mult: 3.0, 1.0"'
    )
    assert draw.get_layer_label(pooling, "BT", display_lrm=True) == (
        '"p (Pooling AVE) kernel size: 4 stride: 3 pad: 2"'
    )


def test_rates_that_a_layer_cannot_have(net):
    data, convolution, *_ = net.layer
    with pytest.raises(ValueError) as caught:
        draw.get_layer_lr_mult(data)
    assert str(caught.value) == "Data layers do not have a learning rate multiplier"
    convolution.param.add()
    convolution.param.add()
    with pytest.raises(ValueError) as caught:
        draw.get_layer_lr_mult(convolution)
    assert str(caught.value) == 'layer "c" has 3 param entries, expected 2 at most'


@pytest.mark.parametrize(
    ("phase", "names"),
    [
        (None, "c d p staged tested"),
        (caffe_pb2.TRAIN, "c d p"),
        (caffe_pb2.TEST, "c d p tested"),
    ],
)
def test_layers_of_a_phase(net, phase, names):
    pytest.importorskip("pydot")
    before = net.SerializeToString()
    drawing = draw.get_pydot_graph(net, "TB", phase=phase)
    records = [node.get_name() for node in drawing.get_nodes() if node.get("shape") == "record"]
    assert sorted(name.strip('"').split(" ")[0] for name in records) == names.split()
    assert net.SerializeToString() == before
    assert drawing.get_name() == "Net"


def test_a_file_without_extension(net, tmp_path):
    with pytest.raises(CaffeError) as caught:
        draw.draw_net_to_file(net, str(tmp_path / "net"))
    expected = f"{tmp_path / 'net'}: has no extension, expected one such as .png"
    assert str(caught.value) == expected


def test_a_drawing_in_dot(net, tmp_path):
    pytest.importorskip("pydot")
    if shutil.which("dot") is None:
        pytest.skip("needs Graphviz")
    draw.draw_net_to_file(net, str(tmp_path / "net.svg"), phase=caffe_pb2.TEST)
    assert "Sigmoid" in (tmp_path / "net.svg").read_text()


def test_without_pydot(net, monkeypatch):
    def importing(name, *arguments, **options):
        if name == "pydot":
            raise ImportError(name)
        return original(name, *arguments, **options)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(CaffeError) as caught:
        draw.get_pydot_graph(net, "LR")
    assert str(caught.value) == "drawing nets needs pydot, which is not installed"

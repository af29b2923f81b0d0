"""The ERF columns of the thesis' Tables 6.1 and 6.2, computed from the deploy nets."""

from math import ceil
from pathlib import Path

import pytest

from caffe import prototxt
from caffe.proto import caffe_pb2

NETWORKS = Path(__file__).resolve().parents[2] / "networks"

PLAIN = {
    "conv1_1": 3,
    "conv1_2": 5,
    "conv2_1": 9,
    "conv2_2": 13,
    "conv3_1": 21,
    "conv3_2": 29,
    "conv3_3": 37,
    "conv4_1": 53,
    "conv4_2": 69,
    "conv4_3": 85,
    "conv5_1": 117,
    "conv5_2": 149,
    "conv5_3": 181,
    "conv6_1": 213,
    "conv6_2": 245,
    "conv6_3": 277,
    "conv7_1": 293,
    "conv7_2": 309,
    "conv7_3": 325,
    "conv8_1": 341,
    "conv8_2": 349,
    "conv8_3": 357,
    "pred_313": 357,
}
# The top path only: the table's figures for sums and shortcuts follow no one rule.
RESIDUAL = {
    "conv0": 3,
    "conv1_branch2a": 5,
    "conv1_branch2b": 9,
    "conv2_branch2a": 13,
    "conv2_branch2b": 17,
    "conv3_branch2a": 21,
    "conv3_branch2b": 37,
    "conv3_branch2c": 53,
    "conv4_branch2a": 69,
    "conv4_branch2b": 85,
    "conv5_1": 93,
    "conv5_2": 109,
    "conv5_3": 117,
    "pred_313": 117,
}


def receptive_fields(net) -> dict[str, int]:
    """Input pixels, along one axis, that a pixel of each convolution's output depends on.

    A convolution of kernel k and dilation d widens the field by d (k - 1) jumps, a jump being the
    distance in input pixels between neighbours of its bottom. For a deconvolution of kernel k and
    stride s the table counts the bottom pixels that s neighbouring outputs see together, at most
    ceil((k - 1) / s) + 1. A sum has the widest field of its bottoms.
    """
    fields, of_blob = {}, {}
    for layer in net.layer:
        size, jump = max(of_blob[b] for b in layer.bottom) if layer.bottom else (1, 1)
        if layer.type in ("Convolution", "Deconvolution"):
            param = layer.convolution_param
            (kernel,), stride = param.kernel_size, (*param.stride, 1)[0]
            if layer.type == "Convolution":
                size += (*param.dilation, 1)[0] * (kernel - 1) * jump
                jump *= stride
            else:
                size += ceil((kernel - 1) / stride) * jump
                jump //= stride
            fields[layer.name] = size
        of_blob.update(dict.fromkeys(layer.top, (size, jump)))
    return fields


def deploy_fields(variant: str) -> dict[str, int]:
    path = NETWORKS / variant / "deploy.prototxt"
    return receptive_fields(prototxt.read(path, caffe_pb2.NetParameter))


@pytest.mark.parametrize(
    "variant", ["plain", "plain_no_rebalance", "plain_dropout", "plain_quarter"]
)
def test_the_plain_networks_have_the_fields_of_table_6_1(variant):
    fields = deploy_fields(variant)
    assert fields.pop("ab") == fields["pred_313"]
    assert fields == PLAIN


def test_the_ab_network_has_the_fields_of_table_6_1():
    expected = PLAIN | {"pred": PLAIN["pred_313"]}
    del expected["pred_313"]
    assert deploy_fields("plain_l2_ab") == expected


@pytest.mark.parametrize("variant", ["residual", "residual_no_rebalance"])
def test_the_residual_networks_have_the_fields_of_table_6_2(variant):
    fields = deploy_fields(variant)
    assert {name: fields[name] for name in RESIDUAL} == RESIDUAL
    assert set(fields) - set(RESIDUAL) == {
        "conv1_branch1",
        "conv3_branch1",
        "conv4_branch1",
        "ab",
    }


def test_strides_dilations_and_deconvolutions_are_counted():
    text = """
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: [1, 2, 30, 40] } } }
        layer { name: "a" type: "Convolution" bottom: "x" top: "a"
                convolution_param { num_output: 3 kernel_size: 5 stride: 3 } }
        layer { name: "b" type: "Convolution" bottom: "a" top: "b"
                convolution_param { num_output: 4 kernel_size: 3 dilation: 2 } }
        layer { name: "c" type: "Deconvolution" bottom: "b" top: "c"
                convolution_param { num_output: 5 kernel_size: 6 stride: 3 } }
        layer { name: "d" type: "Convolution" bottom: "c" top: "d"
                convolution_param { num_output: 6 kernel_size: 2 } }
    """
    fields = receptive_fields(prototxt.parse(text, caffe_pb2.NetParameter))
    assert fields == {"a": 5, "b": 5 + 4 * 3, "c": 17 + 2 * 3, "d": 23 + 1}

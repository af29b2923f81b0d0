"""The operations that the benchmarks count, against counting by hand."""

from pathlib import Path

import pytest
from module_from_file import load_module

import caffe
from colorization.network import network_path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "flops.py"


@pytest.fixture(scope="module")
def flops():
    return load_module(SCRIPT)


@pytest.fixture
def net(tmp_path):
    def build(layers):
        text = (
            'layer { name: "x" type: "Input" top: "x"'
            " input_param { shape { dim: 2 dim: 6 dim: 9 dim: 11 } } }" + layers
        )
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return caffe.Net(str(path), caffe.TEST)

    return build


def layer(kind, options):
    return f'layer {{ name: "y" type: "{kind}" bottom: "x" top: "y" {options} }}'


CASES = {
    # each of 2 * 4 * 4 * 5 outputs sums 6 / 2 channels of 3 x 5 values
    "Convolution": (
        "convolution_param { num_output: 4 group: 2 kernel_h: 3 kernel_w: 5 stride: 2 pad: 1 }",
        2 * (2 * 4 * 5 * 5) * (3 * 3 * 5),
    ),
    # each of 2 * 6 * 9 * 11 inputs goes to 8 / 2 channels of 4 x 4 places
    "Deconvolution": (
        "convolution_param { num_output: 8 group: 2 kernel_size: 4 stride: 2 pad: 1 }",
        2 * (2 * 6 * 9 * 11) * (4 * 4 * 4),
    ),
    # each of 2 * 7 outputs sums 6 * 9 * 11 values
    "InnerProduct": ("inner_product_param { num_output: 7 }", 2 * (2 * 7) * (6 * 9 * 11)),
    "TanH": ("", 0),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_layer_counted_by_hand(kind, net, flops):
    options, expected = CASES[kind]
    assert flops.forward_flops(net(layer(kind, options))) == expected


def test_layers_add_up_and_training_counts_both_gradients(net, flops):
    first = layer("Convolution", CASES["Convolution"][0])
    second = 'layer { name: "z" type: "InnerProduct" bottom: "y" top: "z" '
    both = net(first + second + "inner_product_param { num_output: 3 } }")
    expected = CASES["Convolution"][1] + 2 * (2 * 3) * (4 * 5 * 5)
    assert flops.forward_flops(both) == expected
    assert flops.training_flops(both) == 3 * expected


def test_the_plain_network_against_table_6_1(flops):
    """Side, channels in and out, kernel, number of convolutions of each size."""
    table = [(224, 1, 64, 3), (112, 64, 64, 3), (112, 64, 128, 3), (56, 128, 128, 3)]
    table += [(56, 128, 256, 3), (56, 256, 256, 3), (28, 256, 256, 3), (28, 256, 512, 3)]
    table += [(28, 512, 512, 3)] * 11 + [(28, 512, 256, 4)]  # the last one spreads its bottom
    table += [(56, 256, 256, 3)] * 2 + [(56, 256, 313, 1), (56, 313, 2, 1)]
    expected = sum(2 * side**2 * i * o * kernel**2 for side, i, o, kernel in table)
    plain = caffe.Net(str(network_path("plain")), caffe.TEST)
    assert plain.blobs["data_l"].shape == (1, 1, 224, 224)
    assert flops.forward_flops(plain) == pytest.approx(expected, rel=1e-12)
    assert expected / 1e9 == pytest.approx(64, abs=1.5)

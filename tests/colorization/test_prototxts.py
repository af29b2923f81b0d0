"""Changing the prototxts of a network for a training."""

import pytest

from caffe.proto import caffe_pb2
from colorization.network import network_path
from colorization.prototxts import follow_weights, read_message, scale_width


@pytest.mark.parametrize("name", ["plain", "residual", "plain_l2_ab"])
def test_scale_width_leaves_predictions_alone(name):
    net = read_message(network_path(name), caffe_pb2.NetParameter())
    before = {x.name: x.convolution_param.num_output for x in net.layer}
    scale_width(net, 0.25)
    after = {x.name: x.convolution_param.num_output for x in net.layer}
    for layer, count in before.items():
        keeps = layer.startswith("pred") or layer == "ab"
        assert after[layer] == (count if keeps else count // 4), layer
    assert 313 in after.values() or 2 in after.values()


@pytest.mark.parametrize("iterations, share", [(100, 0.9), (1000, 0.97), (26700, 0.9988764)])
def test_follow_weights(iterations, share):
    net = caffe_pb2.NetParameter()
    net.layer.add(type="BatchNorm")
    net.layer.add(type="ReLU")
    follow_weights(net, iterations)
    assert net.layer[0].batch_norm_param.moving_average_fraction == pytest.approx(share)
    assert not net.layer[1].HasField("batch_norm_param")

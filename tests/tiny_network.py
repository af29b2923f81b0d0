"""Deploy nets of a few thousand weights, for tests that need a network but not its colours."""

from pathlib import Path

import numpy as np

import caffe
from caffe import layers as L


def write_tiny_network(folder: Path, histogram: bool = True, seed: int = 7) -> Path:
    """Write deploy.prototxt and <folder>.caffemodel with random weights; return the folder.

    With `histogram` the net has the blob `prob` and is 313 bins deep, otherwise only `ab`.
    """
    folder.mkdir(parents=True)
    net = caffe.NetSpec()
    net.data_l = L.Input(shape={"dim": [1, 1, 24, 32]})
    net.scaled_l = L.Power(net.data_l, scale=0.01)
    net.conv1 = L.Convolution(net.scaled_l, num_output=5, kernel_size=3, pad=1, stride=2)
    net.conv2 = L.Convolution(net.conv1, num_output=6, kernel_size=3, pad=1, stride=2)
    if histogram:
        net.pred = L.Convolution(net.conv2, num_output=313, kernel_size=1)
        net.prob = L.Softmax(net.pred)
        net.ab = L.Convolution(net.prob, num_output=2, kernel_size=1, bias_term=False)
    else:
        net.ab = L.Convolution(net.conv2, num_output=2, kernel_size=1)
    (folder / "deploy.prototxt").write_text(str(net.to_proto()))
    write_random_weights(folder, seed)
    return folder


def write_random_weights(folder: Path, seed: int) -> None:
    net = caffe.Net(str(folder / "deploy.prototxt"), caffe.TEST)
    rng = np.random.default_rng(seed)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.normal(size=blob.data.shape)
    net.save(str(folder / f"{folder.name}.caffemodel"))

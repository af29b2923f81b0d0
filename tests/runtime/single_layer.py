"""One layer by itself, for the tests of layer types and of fillers."""

import numpy as np
import pytest
import torch
from google.protobuf import text_format

from caffe.errors import CaffeError
from caffe.net_building import REGISTRY
from caffe.proto.caffe_pb2 import TRAIN, LayerParameter


def build(text, *shapes, tops=1, phase=TRAIN, seed=5):
    """A layer that is set up for bottoms of these shapes, and the shapes of its tops."""
    param = text_format.Parse(text, LayerParameter())
    if not param.bottom:
        param.bottom.extend(f"bottom{i}" for i in range(len(shapes)))
    if not param.top:
        param.top.extend(f"top{i}" for i in range(tops))
    layer = REGISTRY[param.type](param, phase)
    layer.seed = seed
    layer.check_counts(len(param.bottom), len(param.top))
    layer.setup(list(shapes))
    return layer, layer.reshape(list(shapes))


def refusal(text, *shapes, **options):
    """The message with which a layer refuses its parameters or its bottoms."""
    with pytest.raises(CaffeError) as caught:
        build(text, *shapes, **options)
    return str(caught.value)


def randomise(layer, seed=1):
    """Give the layer's parameters random values; returns them as float64 arrays."""
    draw = np.random.default_rng(seed)
    for blob in layer.blobs:
        blob.data[...] = draw.normal(size=blob.shape)
    return [blob.data.astype("float64") for blob in layer.blobs]


def forward(layer, *bottoms):
    """The tops in float64, as arrays."""
    tensors = tuple(torch.tensor(np.asarray(x, "float64")) for x in bottoms)
    blobs = tuple(blob.data_tensor().double() for blob in layer.blobs)
    return [np.asarray(y) for y in layer.forward(tensors, blobs)]


def gradients(layer, bottoms, top_diff):
    """What flows from a diff of the first top to each bottom, as arrays."""
    tensors = [torch.tensor(np.asarray(x, "float64"), requires_grad=True) for x in bottoms]
    blobs = tuple(blob.data_tensor().double() for blob in layer.blobs)
    top = layer.forward(tuple(tensors), blobs)[0]
    top.backward(torch.tensor(np.asarray(top_diff, "float64")))
    return [None if x.grad is None else x.grad.numpy() for x in tensors]


def normal(*shape, seed=0):
    """Normal random values."""
    return np.random.default_rng(seed).normal(size=shape)


def distinct(*shape, seed=0):
    """Values between -2 and 2, no two alike and none near 0: no kinks, no ties."""
    count = int(np.prod(shape))
    half = np.linspace(0.05, 2, (count + 1) // 2)
    values = np.concatenate([half, -half - 0.01])[:count]
    return np.random.default_rng(seed).permutation(values).reshape(shape)

"""A deploy net for the peers: a torch module, an ONNX model, and what OpenCV reads itself."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

import caffe


def seeded_net(deploy: str) -> caffe.Net:
    """The net with random weights under which values neither vanish nor explode."""
    net = caffe.Net(deploy, caffe.TEST)
    draws = torch.Generator().manual_seed(1)
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            value = torch.randn(blob.shape, generator=draws)
            if net.layer_dict[name].type == "BatchNorm":
                # A mean behind a ReLU, as trained networks have it, is not negative.
                value = (0.1 * value.abs(), 0.5 + value.abs(), torch.ones(1))[i]
            elif len(blob.shape) > 1:
                value *= (2 / value[0].numel()) ** 0.5
            else:
                value = 1 + 0.1 * value if i == 0 else 0.1 * value
            blob.set_data(value)
    return net


def tell_differences(ours: torch.Tensor, peers: dict) -> None:
    """Say how far the peers' results are from ours: they must compute the same."""
    for name, peer in peers.items():
        theirs = torch.as_tensor(peer()).float()
        difference = (ours - theirs).abs().max() / theirs.abs().max()
        print(f"    {name}: largest difference {difference:.1e} of the largest value")


class TorchNet(nn.Module):
    """The layers of a deploy net as torch's own modules and functions, one after the other."""

    def __init__(self, net: caffe.Net):
        super().__init__()
        self.steps = []
        for i, layer in enumerate(net.layers):
            if layer.type in ("Input", "Split"):
                self.steps.append((None, net._bottom_names[i], net._top_names[i]))
                continue
            step = _module(layer)
            if isinstance(step, nn.Module):
                self.add_module(layer.name, step)
            self.steps.append((step, net._bottom_names[i], net._top_names[i]))
        self.output = net.outputs[0]

    def forward(self, x):
        values = {"data_l": x}
        for step, bottoms, tops in self.steps:
            if step is not None:
                values[tops[0]] = step(*(values[name] for name in bottoms))
            elif bottoms:
                values.update(dict.fromkeys(tops, values[bottoms[0]]))
        return values[self.output]


def _module(layer):
    makers = {
        "Convolution": _filter,
        "Deconvolution": _filter,
        "BatchNorm": _batch_norm,
        "Scale": _scale,
        "ReLU": lambda layer: nn.ReLU(inplace=True),
        "Power": lambda layer: lambda x: x * layer.param.power_param.scale,
        "Eltwise": lambda layer: torch.add,
        "TanH": lambda layer: torch.tanh,
        "Softmax": lambda layer: nn.Softmax(1),
        "Dropout": lambda layer: nn.Identity(),
    }
    return makers[layer.type](layer)


def _filter(layer) -> nn.Module:
    w, transposed = layer.window, layer.type == "Deconvolution"
    ends = (layer.channels, layer.top_channels)
    bias = len(layer.blobs) == 2
    if transposed:
        module = nn.ConvTranspose2d(*ends, w.kernel, w.stride, w.pad, bias=bias)
    else:
        module = nn.Conv2d(*ends, w.kernel, w.stride, w.pad, w.dilation, bias=bias)
    for parameter, blob in zip((module.weight, module.bias), layer.blobs):
        parameter.data.copy_(blob.data_tensor())
    return module


def _batch_norm(layer) -> nn.Module:
    mean, variance, weight = (blob.data_tensor() for blob in layer.blobs)
    module = nn.BatchNorm2d(layer.channels, layer.param.batch_norm_param.eps, affine=False)
    module.running_mean.copy_(mean / weight)
    module.running_var.copy_(variance / weight)
    return module


def _scale(layer) -> nn.Module:
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            values = [blob.data_tensor().reshape(-1, 1, 1) for blob in layer.blobs]
            self.factor, *rest = (nn.Parameter(value.clone()) for value in values)
            self.shift = rest[0] if rest else None

        def forward(self, x):
            return x * self.factor + (0 if self.shift is None else self.shift)

    return Scale()


def opencv(net: caffe.Net, deploy: str, x: np.ndarray, output: str) -> "dict[str, Callable]":
    """OpenCV 4's own reading of the net and its weights; nothing from 5 on, which has none."""
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder, "net.caffemodel"))
        net.save(weights)
        peer = cv2.dnn.readNetFromCaffe(deploy, weights)

    def run() -> np.ndarray:
        peer.setInput(x)
        return peer.forward(output)

    return {f"OpenCV {cv2.__version__}": run}


def onnx_model(net: caffe.Net, shape: tuple) -> bytes:
    """The deploy net as a serialised ONNX model, for an input of this shape."""
    import onnx
    from onnx import helper, numpy_helper

    nodes, weights, current = [], [], {"data_l": "data_l"}

    def weight(name, tensor):
        weights.append(numpy_helper.from_array(tensor.contiguous().numpy(), name))
        return name

    for i, layer in enumerate(net.layers):
        bottoms, tops = net._bottom_names[i], net._top_names[i]
        if layer.type in ("Split", "Dropout"):
            current.update(dict.fromkeys(tops, current[bottoms[0]]))
        elif layer.type != "Input":
            inputs = [current[name] for name in bottoms]
            top = f"{i}:{tops[0]}"
            kind, more, options = _onnx_node(layer, lambda n, t, i=i: weight(f"{i}.{n}", t))
            nodes.append(helper.make_node(kind, inputs + more, [top], **options))
            current[tops[0]] = top
    float32 = onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info("data_l", float32, shape)]
    result = [helper.make_tensor_value_info(current[net.outputs[0]], float32, None)]
    graph = helper.make_graph(nodes, "net", ends, result, weights)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def _onnx_node(layer, weight) -> tuple:
    """The ONNX operator of a layer, its further inputs and its attributes."""
    blobs = [blob.data_tensor() for blob in layer.blobs]
    if layer.type in ("Convolution", "Deconvolution"):
        w = layer.window
        options = {"strides": w.stride, "pads": (*w.pad, *w.pad), "dilations": w.dilation}
        kind = "Conv" if layer.type == "Convolution" else "ConvTranspose"
        return kind, [weight(f"w{i}", blob) for i, blob in enumerate(blobs)], options
    if layer.type == "BatchNorm":
        mean, variance, count = blobs
        ones = torch.ones_like(mean)
        tensors = {"s": ones, "b": 0 * ones, "mean": mean / count, "var": variance / count}
        more = [weight(name, tensor) for name, tensor in tensors.items()]
        return "BatchNormalization", more, {"epsilon": layer.param.batch_norm_param.eps}
    if layer.type == "Scale":
        # y = s x + t as a normalisation with mean 0 and variance 1
        zeros = torch.zeros_like(blobs[0])
        shift = blobs[1] if len(blobs) > 1 else zeros
        tensors = {"s": blobs[0], "b": shift, "mean": zeros, "var": zeros + 1}
        more = [weight(name, tensor) for name, tensor in tensors.items()]
        return "BatchNormalization", more, {"epsilon": 0.0}
    if layer.type == "Power":
        return "Mul", [weight("scale", torch.tensor(layer.param.power_param.scale))], {}
    simple = {"ReLU": "Relu", "Eltwise": "Add", "TanH": "Tanh"}
    return ("Softmax", [], {"axis": 1}) if layer.type == "Softmax" else (simple[layer.type], [], {})

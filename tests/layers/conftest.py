"""Each test that takes `module` runs with numpy arrays, as genuine Caffe has, and with tensors."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

import caffe
import layers

GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
)


def arrays_only(cls: type, expected: type) -> type:
    """Derive a layer that takes numpy arrays or tensors, and whose forward insists on it."""

    def forward(self, bottom, top):
        assert isinstance(bottom[0].data, expected)
        cls.forward(self, bottom, top)

    members = {"device_tensors": expected is torch.Tensor, "forward": forward}
    return type(cls.__name__, (cls,), members)


@pytest.fixture(params=["numpy", "torch", pytest.param("cuda", marks=GPU)])
def module(request, monkeypatch) -> str:
    """Return the name of a module for the nets, in which each layer takes one kind of arrays."""
    name = f"layers_on_{request.param}"
    fake = ModuleType(name)
    for layer in layers.__all__:
        expected = np.ndarray if request.param == "numpy" else torch.Tensor
        setattr(fake, layer, arrays_only(getattr(layers, layer), expected))
    monkeypatch.setitem(sys.modules, name, fake)
    if request.param != "cuda":
        yield name
        return
    caffe.set_mode_gpu()
    yield name
    caffe.set_mode_cpu()


@pytest.fixture
def python_net(tmp_path):
    """Return a maker of nets: input shapes, then one Python layer on all inputs."""

    def make(module: str, layer: str, *shapes: tuple, param_str: str = "", fields: str = ""):
        names = [f"in{i}" for i in range(len(shapes))]
        inputs = [
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
            + " ".join(f"dim: {d}" for d in shape)
            + " } } }\n"
            for name, shape in zip(names, shapes)
        ]
        bottoms = " ".join(f'bottom: "{name}"' for name in names)
        text = "force_backward: true\n" + "".join(inputs)
        text += (
            f'layer {{ name: "it" type: "Python" {bottoms} top: "out" {fields}\n'
            f'  python_param {{ module: "{module}" layer: "{layer}" param_str: \'{param_str}\' }}\n'
            "}\n"
        )
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return caffe.Net(str(path), caffe.TRAIN)

    return make


@pytest.fixture
def run(python_net):
    """Return a function that puts arrays through one Python layer and returns its top's data."""

    def run_layer(module: str, layer: str, *bottoms: np.ndarray, param_str: str = "") -> np.ndarray:
        net = python_net(module, layer, *(x.shape for x in bottoms), param_str=param_str)
        for i, x in enumerate(bottoms):
            net.blobs[f"in{i}"].data[...] = x
        net.forward()
        for i, x in enumerate(bottoms):
            np.testing.assert_array_equal(net.blobs[f"in{i}"].data, x.astype(np.float32))
        return net.blobs["out"].data.copy()

    return run_layer

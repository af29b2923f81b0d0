"""The published weights: conversion against the PyTorch net, downloads, and what is refused."""

import hashlib
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from module_from_file import load_module
from torch import nn

import caffe
from caffe import prototxt
from colorization import published_weights
from colorization.histogram import ab_pairs
from colorization.network import network_path
from colorization.published_weights import WeightsError, caffe_blobs, fetch

BLOCKS = (  # channels, convolutions, stride of the last, dilation
    (64, 2, 2, 1),
    (128, 2, 2, 1),
    (256, 3, 2, 1),
    (512, 3, 1, 1),
    (512, 3, 1, 2),
    (512, 3, 1, 2),
    (512, 3, 1, 1),
)


class TorchNet(nn.Module):
    """The net of the .pth, from L to ab at a quarter of the size."""

    def __init__(self):
        super().__init__()
        inputs = 1
        for block, (outputs, count, stride, dilation) in enumerate(BLOCKS, 1):
            layers = []
            for i in range(count):
                step = stride if i == count - 1 else 1
                conv = nn.Conv2d(inputs, outputs, 3, step, dilation, dilation)
                layers += [conv, nn.ReLU()]
                inputs = outputs
            setattr(self, f"model{block}", nn.Sequential(*layers, nn.BatchNorm2d(outputs)))
        self.model8 = nn.Sequential(
            nn.ConvTranspose2d(512, 256, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(256, 313, 1),
        )
        self.model_out = nn.Conv2d(313, 2, 1, bias=False)

    def forward(self, L):
        x = (L - 50) / 100
        for block in range(1, 9):
            x = getattr(self, f"model{block}")(x)
        return self.model_out(torch.softmax(x, 1)) * 110


@pytest.fixture(scope="module")
def torch_net():
    """Random weights; factors of BatchNorm of both signs and 0; statistics of random images."""
    torch.manual_seed(3)
    net = TorchNet()
    with torch.no_grad():
        net.model_out.weight[:, :, 0, 0] = torch.from_numpy(ab_pairs().T / 110)
        for block in range(1, 8):
            norm = getattr(net, f"model{block}")[-1]
            norm.momentum = 1.0
            norm.weight.uniform_(0.5, 1.5).mul_(torch.randint(0, 2, norm.weight.shape) * 2 - 1)
            norm.weight[5] = 0
            norm.bias.normal_()
        net.model8[6].weight *= 8
        net.train()(100 * torch.rand(2, 1, 32, 40))
    return net.eval()


@pytest.fixture(scope="module")
def state(torch_net):
    return {name: tensor.numpy() for name, tensor in torch_net.state_dict().items()}


def test_the_converted_net_gives_what_the_torch_net_gives(torch_net, state):
    net = caffe.Net(str(network_path("zhang_2016")), caffe.TEST)
    net.params["ab"][0].data[:, :, 0, 0] = ab_pairs().T
    blobs = caffe_blobs(state)
    assert set(blobs) == set(net.params) - {"ab", "conv8_313_rh"}
    for name, arrays in blobs.items():
        for blob, array in zip(net.params[name], arrays, strict=True):
            assert array.shape == tuple(blob.shape)
            blob.data[...] = array
    L = np.random.default_rng(4).uniform(0, 100, (2, 1, 32, 56)).astype(np.float32)
    net.blobs["data_l"].reshape(*L.shape)
    net.blobs["data_l"].data[...] = L
    ab = net.forward()["ab"]
    with torch.no_grad():
        expected = torch_net(torch.from_numpy(L)).numpy()
    assert expected.shape == (2, 2, 8, 14)
    assert expected.std(axis=(2, 3)).min() > 0.1
    np.testing.assert_allclose(ab, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model3.4.bias": None}, 'x.pth: has no entry "model3.4.bias"; expected '),
        ({"model1.4.running_var": None}, 'x.pth: has no entry "model1.4.running_var"; expected '),
        (
            {"model2.0.weight": np.ones((128, 64, 3, 5))},
            'x.pth: "model2.0.weight" is (128, 64, 3, 5), expected (128, 64, 3, 3)',
        ),
        (
            {"model_out.weight": ab_pairs()[::-1].T[:, :, None, None] / 110},
            'x.pth: "model_out.weight" differs by up to 200 from the ab pairs',
        ),
    ],
)
def test_states_that_do_not_fit(change, message, state):
    changed = {name: array for name, array in (state | change).items() if array is not None}
    with pytest.raises(WeightsError) as error:
        caffe_blobs(changed, "x.pth")
    assert str(error.value).startswith(message)


# Files and addresses, with a net of few channels


@pytest.fixture
def narrow(tmp_path, monkeypatch):
    """Let the network be a sixteenth as wide; return it with random weights."""
    folder = Path(__file__).parents[2] / "networks"
    build = load_module(folder / "build_networks.py")
    build.VARIANTS["plain"] = build.VARIANTS["plain"]._replace(width=1 / 16)
    path = tmp_path / "deploy.prototxt"
    prototxt.write(str(path), build.zhang_deploy_net())
    monkeypatch.setattr(published_weights, "network_path", lambda name: path)
    net = caffe.Net(str(path), caffe.TEST)
    rng = np.random.default_rng(2)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = rng.normal(size=blob.data.shape)
    return net


@pytest.fixture
def weights(narrow, tmp_path):
    path = tmp_path / "colorization_release_v2.caffemodel"
    narrow.save(str(path))
    return path


class Handler(BaseHTTPRequestHandler):
    def __init__(self, folder, *arguments):
        self.folder = folder
        super().__init__(*arguments)

    def do_GET(self):
        path = self.folder / Path(urlsplit(self.path).path).name
        if not path.is_file():
            return self.send_error(404)
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:-10] if self.path.startswith("/cut/") else data)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def address(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), partial(Handler, tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def refusal(source, output, sha256=None):
    """Return why `fetch` refuses, and see that it leaves nothing behind."""
    output.parent.mkdir(exist_ok=True)
    with pytest.raises(WeightsError) as error:
        fetch(str(source), output, sha256)
    assert list(output.parent.iterdir()) == []
    return str(error.value)


class TestFetch:
    def test_a_caffemodel_is_copied_as_it_is(self, weights, tmp_path):
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        output = tmp_path / "new" / "w.caffemodel"
        assert fetch(str(weights), output, digest.upper()) == digest
        assert output.read_bytes() == weights.read_bytes()
        assert list(output.parent.iterdir()) == [output]

    def test_an_address(self, weights, address, tmp_path):
        output = tmp_path / "new" / "w.caffemodel"
        fetch(f"{address}/models/{weights.name}?download=1", output)
        assert output.read_bytes() == weights.read_bytes()
        assert list(output.parent.iterdir()) == [output]

    def test_addresses_that_fail(self, weights, address, tmp_path):
        output = tmp_path / "new" / "w.caffemodel"
        source = f"{address}/other.caffemodel"
        assert refusal(source, output) == f"{source}: 404 Not Found"
        source, size = f"{address}/cut/{weights.name}", weights.stat().st_size
        expected = f"{source}: ended after {size - 10} bytes, expected {size}"
        assert refusal(source, output) == expected

    def test_no_server(self, tmp_path, monkeypatch):
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            source = f"http://127.0.0.1:{server.server_port}/w.caffemodel"
        message = refusal(source, tmp_path / "new" / "w.caffemodel")
        assert message.startswith(f"{source}: ") and "refused" in message
        assert "\n" not in message

    def test_checksums(self, weights, tmp_path):
        output = tmp_path / "new" / "w.caffemodel"
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        expected = f"{weights}: its sha256 is {digest}, expected {'0' * 64}"
        assert refusal(weights, output, "0" * 64) == expected
        named = tmp_path / "colorization_release_v2-9b330a0b.pth"
        named.write_bytes(weights.read_bytes())
        assert refusal(named, output) == f"{named}: its sha256 is {digest}, expected 9b330a0b"

    def test_layers_that_a_caffemodel_lacks(self, narrow, weights, tmp_path):
        output = tmp_path / "new" / "w.caffemodel"
        message = f'{weights}: has no layer "{{}}"; expected {published_weights.KNOWN_FILES}'
        narrow.params["conv4_2"][0].data[...] = 0
        narrow.save(str(weights))
        assert refusal(weights, output) == message.format("conv4_2")
        narrow.params["conv3_3norm"][2].data[...] = 0
        narrow.save(str(weights))
        assert refusal(weights, output) == message.format("conv3_3norm")

    def test_shapes_of_another_net(self, narrow, weights, tmp_path):
        narrow.params["conv2_1"][1].reshape(9)
        narrow.save(str(weights))
        message = refusal(weights, tmp_path / "new" / "w.caffemodel")
        assert message.startswith(f'{weights}: layer "conv2_1": parameter 1 has shape 9')
        assert "\n" not in message

    def test_other_files(self, narrow, tmp_path):
        output = tmp_path / "new" / "w.caffemodel"
        text = tmp_path / "w.txt"
        expected = f"{text}: expected {published_weights.KNOWN_FILES}"
        assert refusal(text, output) == expected
        missing = tmp_path / "missing.caffemodel"
        assert refusal(missing, output) == f"{missing}: No such file or directory"
        for name in ("w.pth", "v.caffemodel"):
            (tmp_path / name).write_bytes(b"<html>gone</html>")
            message = refusal(tmp_path / name, output)
            assert message.startswith(f"{tmp_path / name}: ") and "\n" not in message

    def test_pickled_objects_are_not_loaded(self, narrow, tmp_path):
        path = tmp_path / "w.pth"
        torch.save({"model1.0.weight": Path("x")}, path)
        message = refusal(path, tmp_path / "new" / "w.caffemodel")
        assert message == f"{path}: not a PyTorch file of named tensors"

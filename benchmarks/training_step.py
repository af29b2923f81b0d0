"""A training step of the plain network against the same network written in torch alone.

Both compute the same layers on inputs of the same size; ours runs them one by one as Caffe does,
keeps blobs and differentiates layer by layer, the peer is torch.nn.Sequential with autograd and
torch's Adam.
"""

import argparse
import os
import tempfile
from functools import partial

import torch
from common import CLOCKS, compare_all, machine
from torch import nn

import caffe
from caffe import prototxt
from caffe.proto import caffe_pb2
from colorization.network import network_path

BLOCKS = [(64, 2, 2, 1), (128, 2, 2, 1), (256, 3, 2, 1), (512, 3, 1, 1)]
BLOCKS += [(512, 3, 1, 2), (512, 3, 1, 2), (512, 3, 1, 1)]


def torch_plain() -> nn.Sequential:
    """Table 6.1 in torch."""
    layers, inputs = [], 1
    for outputs, convs, stride, dilation in BLOCKS:
        for i in range(convs):
            step = stride if i == convs - 1 else 1
            conv = nn.Conv2d(inputs, outputs, 3, step, dilation, dilation)
            layers += [conv, nn.ReLU(inplace=True)]
            inputs = outputs
        layers.append(nn.BatchNorm2d(inputs, affine=False))
    layers += [nn.ConvTranspose2d(512, 256, 4, 2, 1), nn.ReLU(inplace=True)]
    for _ in range(2):
        layers += [nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(256, 313, 1))


def caffe_solver(batch: int):
    """The plain net as a solver trains it, between an input and a loss that both sides share."""
    net = prototxt.read(network_path("plain", "train.prototxt"), caffe_pb2.NetParameter)
    names = [layer.name for layer in net.layer]
    middle = net.layer[names.index("conv1_1") : names.index("pred_313") + 1]
    text = "".join(f"layer {{ {layer} }}" for layer in middle)
    shapes = {"scaled_l": (batch, 1, 224, 224), "target": (batch, 313, 56, 56)}
    inputs = "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" '
        f"input_param {{ shape {{ dim: {list(shape)} }} }} }}"
        for name, shape in shapes.items()
    )
    loss = 'layer { name: "l" type: "EuclideanLoss" bottom: "pred_313" bottom: "target" top: "l" }'
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "solver.prototxt")
        with open(os.path.join(folder, "net.prototxt"), "w") as file:
            file.write(inputs + text + loss)
        with open(path, "w") as file:
            file.write(f'net: "{folder}/net.prototxt" type: "Adam" base_lr: 1e-4 momentum: 0.9 ')
            file.write('lr_policy: "fixed" snapshot_after_train: false')
        return caffe.get_solver(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2, help="of the training step (2)")
    parser.add_argument("--runs", type=int, default=7, help="(7)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="(wall)")
    options = parser.parse_args()
    print(machine())
    torch.manual_seed(1)
    solver, net = caffe_solver(options.batch), torch_plain().train()
    adam = torch.optim.Adam(net.parameters(), 1e-4)
    x, y = torch.rand(options.batch, 1, 224, 224), torch.rand(options.batch, 313, 56, 56)
    solver.net.blobs["scaled_l"].data[...] = x.numpy()
    solver.net.blobs["target"].data[...] = y.numpy()

    def step(precision: str):
        adam.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            z = net(x)
        ((z.float() - y) ** 2).sum().div(2 * options.batch).backward()
        adam.step()

    for precision in ("fp32", "bf16"):
        caffe.set_precision(precision)
        name = f"training step, batch {options.batch}, {precision}"
        peers = {f"torch {p}": partial(step, p) for p in dict.fromkeys((precision, "fp32"))}
        compare_all(name, lambda: solver.step(1), peers, options.runs, options.clock)


if __name__ == "__main__":
    main()

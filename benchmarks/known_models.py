"""Models that Caffe's users have, with random weights: one image through `net.forward()`.

Against OpenCV 4, which reads Caffe's models too (OpenCV 5 no longer does), and against this
project's own run layer by layer, as it goes where a callback watches the layers.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from common import CLOCKS, compare_all, machine
from peers import opencv, seeded_net, tell_differences

import caffe
from caffe import NetSpec
from caffe import layers as L
from caffe import params as P

GOOGLENET = {  # Szegedy et al. 2015, table 1: channels of the 1x1, 3x3 and 5x5 branches, of pooling
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Spec(NetSpec):
    """A net that grows layer by layer; each method adds some and returns the last top."""

    def convolve(self, bottom, name, channels, kernel, norm=False, relu=True, **settings):
        window = dict(num_output=channels, kernel_size=kernel, bias_term=not norm)
        top = self[name] = L.Convolution(bottom, **window, **settings)
        if norm:
            top = self[f"{name}_bn"] = L.BatchNorm(top, in_place=True)
            top = self[f"{name}_scale"] = L.Scale(top, bias_term=True, in_place=True)
        if relu:
            top = self[f"{name}_relu"] = L.ReLU(top, in_place=True)
        return top

    def pool(self, bottom, name, kernel, stride, **settings):
        top = self[name] = L.Pooling(bottom, kernel_size=kernel, stride=stride, **settings)
        return top

    def normalise(self, bottom, name):
        top = self[name] = L.LRN(bottom, local_size=5, alpha=1e-4, beta=0.75)
        return top

    def classify(self, bottom):
        self.fc = L.InnerProduct(bottom, num_output=1000)
        self.prob = L.Softmax(self.fc)

    def average(self, bottom):
        top = self.average_pool = L.Pooling(bottom, pool=P.Pooling.AVE, global_pooling=True)
        return top


def alexnet(n: Spec, x) -> None:
    """Krizhevsky et al. 2012, as CaffeNet has it: pooling before normalisation."""
    x = n.normalise(n.pool(n.convolve(x, "conv1", 96, 11, stride=4), "pool1", 3, 2), "norm1")
    x = n.convolve(x, "conv2", 256, 5, pad=2, group=2)
    x = n.normalise(n.pool(x, "pool2", 3, 2), "norm2")
    x = n.convolve(x, "conv3", 384, 3, pad=1)
    x = n.convolve(x, "conv4", 384, 3, pad=1, group=2)
    x = n.pool(n.convolve(x, "conv5", 256, 3, pad=1, group=2), "pool5", 3, 2)
    for name in ("fc6", "fc7"):
        n[name] = L.InnerProduct(x, num_output=4096)
        n[f"{name}_relu"] = L.ReLU(n[name], in_place=True)
        x = n[f"{name}_drop"] = L.Dropout(n[f"{name}_relu"], in_place=True)
    n.classify(x)


def vgg16(n: Spec, x) -> None:
    """Simonyan and Zisserman 2015, configuration D."""
    for stage, (channels, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for i in range(1, depth + 1):
            x = n.convolve(x, f"conv{stage}_{i}", channels, 3, pad=1)
        x = n.pool(x, f"pool{stage}", 2, 2)
    for name in ("fc6", "fc7"):
        n[name] = L.InnerProduct(x, num_output=4096)
        x = n[f"{name}_relu"] = L.ReLU(n[name], in_place=True)
    n.classify(x)


def googlenet(n: Spec, x) -> None:
    """Szegedy et al. 2015, without the classifiers at the side."""
    x = n.pool(n.convolve(x, "conv1", 64, 7, stride=2, pad=3), "pool1", 3, 2)
    x = n.convolve(n.normalise(x, "norm1"), "conv2_reduce", 64, 1)
    x = n.normalise(n.convolve(x, "conv2", 192, 3, pad=1), "norm2")
    x = n.pool(x, "pool2", 3, 2)
    for name, (one, three_reduce, three, five_reduce, five, pooled) in GOOGLENET.items():
        if name in ("4a", "5a"):
            x = n.pool(x, f"pool{name}", 3, 2)
        narrow = n.convolve(x, f"{name}_3x3_reduce", three_reduce, 1)
        narrower = n.convolve(x, f"{name}_5x5_reduce", five_reduce, 1)
        branches = (
            n.convolve(x, f"{name}_1x1", one, 1),
            n.convolve(narrow, f"{name}_3x3", three, 3, pad=1),
            n.convolve(narrower, f"{name}_5x5", five, 5, pad=2),
            n.convolve(n.pool(x, f"{name}_pool", 3, 1, pad=1), f"{name}_projected", pooled, 1),
        )
        x = n[name] = L.Concat(*branches)
    n.classify(n.average(x))


def resnet50(n: Spec, x) -> None:
    """He et al. 2016, table 1."""
    x = n.pool(n.convolve(x, "conv1", 64, 7, stride=2, pad=3, norm=True), "pool1", 3, 2)
    for stage, (channels, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 2):
        for i in range(depth):
            name, stride = f"res{stage}_{i}", 2 if stage > 2 and i == 0 else 1
            y = n.convolve(x, f"{name}_a", channels, 1, stride=stride, norm=True)
            y = n.convolve(y, f"{name}_b", channels, 3, pad=1, norm=True)
            y = n.convolve(y, f"{name}_c", 4 * channels, 1, norm=True, relu=False)
            if i == 0:
                last = dict(stride=stride, norm=True, relu=False)
                x = n.convolve(x, f"{name}_shortcut", 4 * channels, 1, **last)
            n[name] = L.Eltwise(x, y)
            x = n[f"{name}_relu"] = L.ReLU(n[name], in_place=True)
    n.classify(n.average(x))


def mobilenet(n: Spec, x) -> None:
    """Howard et al. 2017, table 1."""
    x, channels = n.convolve(x, "conv1", 32, 3, stride=2, pad=1, norm=True), 32
    outputs = (64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
    for i, output in enumerate(outputs, 1):
        stride = 2 if i in (2, 4, 6, 12) else 1
        each = dict(stride=stride, pad=1, group=channels)
        x = n.convolve(x, f"depthwise{i}", channels, 3, norm=True, **each)
        x, channels = n.convolve(x, f"pointwise{i}", output, 1, norm=True), output
    n.classify(n.average(x))


MODELS = {
    "AlexNet": (alexnet, 227),
    "GoogLeNet": (googlenet, 224),
    "VGG-16": (vgg16, 224),
    "ResNet-50": (resnet50, 224),
    "MobileNet": (mobilenet, 224),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=f"({' '.join(MODELS)})")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"], help="(fp32 bf16)")
    parser.add_argument("--batch", type=int, default=1, help="(1)")
    parser.add_argument("--runs", type=int, default=15, help="(15)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args()
    print(machine())
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        print('OpenCV 4 is not installed: pip install "opencv-python-headless<5"')
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            deploy = write_model(name, options.batch, Path(folder))
            net = seeded_net(str(deploy))
            shape = net.blobs["data"].shape
            image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
            net.blobs["data"].data[...] = image
            for precision in options.precisions:
                caffe.set_precision(precision)
                peers: dict = {"layer by layer": lambda net=net: layer_by_layer(net)["fc"]}
                if precision == "fp32":
                    peers |= opencv(net, str(deploy), image, "fc")
                tell_differences(torch.from_numpy(net.forward(["fc"])["fc"].copy()), peers)
                what = f"{name}, batch {options.batch}, {precision}"
                compare_all(what, net.forward, peers, options.runs, options.clock)


def write_model(name: str, batch: int, folder: Path) -> Path:
    """Write the deploy net."""
    deploy = folder / f"{name}.prototxt"
    build, size = MODELS[name]
    n = Spec()
    n.data = L.Input(shape=dict(dim=[batch, 3, size, size]))
    build(n, n.data)
    deploy.write_text(str(n.to_proto()))
    return deploy


def layer_by_layer(net: caffe.Net) -> dict:
    """What `net.forward` gives where somebody watches the layers, and the values before softmax."""
    watch = net._callbacks["bf"]
    net.before_forward(lambda i: None)
    try:
        return net.forward(["fc"])
    finally:
        watch.pop()


if __name__ == "__main__":
    main()

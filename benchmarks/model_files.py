"""Reading and writing the plain network's model, 129 MB, against torch.save and torch.load."""

import os
import tempfile

import torch
from common import compare, machine

import caffe
from colorization.network import network_path


def main() -> None:
    print(machine())
    net = caffe.Net(str(network_path("plain")), caffe.TEST)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = 0.5
    with tempfile.TemporaryDirectory() as folder:
        model, peer = os.path.join(folder, "plain.caffemodel"), os.path.join(folder, "plain.pt")
        tensors = [blob.data_tensor() for blobs in net.params.values() for blob in blobs]
        compare("save", lambda: net.save(model), lambda: torch.save(tensors, peer))
        print(f"{os.path.getsize(model) / 1e6:.0f} MB")
        compare("load", lambda: net.copy_from(model), lambda: torch.load(peer, weights_only=True))


if __name__ == "__main__":
    main()

"""The prototxts of a training: read, changed, written."""

from __future__ import annotations

import json
import os
from pathlib import Path

from colorization.dataset_names import PRIOR, TRAIN, VAL, lmdb_name
from colorization.files import write_text
from colorization.network import network_path
from colorization.snapshots import PREFIX


def read_message(path: Path, message):
    """Return a protobuf message read from a prototxt."""
    from google.protobuf import text_format

    return text_format.Parse(path.read_text(), message)


def write_message(path: Path, message) -> None:
    """Write a protobuf message as prototxt."""
    from google.protobuf import text_format

    write_text(path, text_format.MessageToString(message))


def training_messages(network: str | os.PathLike):
    """Return a network's own train net and solver, as messages."""
    from caffe.proto import caffe_pb2

    net, solver = caffe_pb2.NetParameter(), caffe_pb2.SolverParameter()
    read_message(network_path(network, "train.prototxt"), net)
    read_message(network_path(network, "solver.prototxt"), solver)
    return net, solver


def write_training(work: Path, net, solver, gpu: int | None) -> None:
    """Write a train net and its solver into the folder `work`, as `caffe_train` takes them."""
    solver.net, solver.snapshot_prefix = "train.prototxt", PREFIX
    solver.solver_mode = solver.CPU if gpu is None else solver.GPU
    for field in ("test_iter", "test_interval"):
        solver.ClearField(field)
    write_message(work / "train.prototxt", net)
    write_message(work / "solver.prototxt", solver)


def is_test_only(layer) -> bool:
    """Tell whether a layer takes part in the phase TEST alone."""
    from caffe.proto import caffe_pb2

    return bool(layer.include) and all(rule.phase == caffe_pb2.TEST for rule in layer.include)


def data_layers(net) -> list:
    """Return the Data layers of a NetParameter."""
    return [layer for layer in net.layer if layer.type == "Data"]


def use_data(net, data: Path, batch: int) -> None:
    """Let a train net read batches of a data set in the folder `data`, and its prior."""
    for layer in data_layers(net):
        name = lmdb_name(VAL if is_test_only(layer) else TRAIN)
        layer.data_param.source = str(data / name)
        layer.data_param.batch_size = batch
    for layer in net.layer:
        if layer.python_param.layer == "ClassRebalance":
            options = json.loads(layer.python_param.param_str)
            layer.python_param.param_str = json.dumps({**options, "prior": str(data / PRIOR)})


def follow_weights(net, iterations: int) -> None:
    """Let the statistics of BatchNorm follow the weights of a short training.

    Caffe's moving average keeps a share of .999, which is for tens of thousands of iterations: in a
    few hundred it would still hold what the first weights gave. Here it is 1 - 30 / iterations,
    within .9 and .999 (ours).
    """
    for layer in net.layer:
        if layer.type == "BatchNorm":
            share = min(0.999, max(0.9, 1 - 30 / iterations))
            layer.batch_norm_param.moving_average_fraction = share


def scale_width(net, width: float) -> None:
    """Multiply the outputs of every layer of a NetParameter but its predictions by `width`."""
    for layer in net.layer:
        if layer.type in ("Convolution", "Deconvolution") and not _predicts(layer.name):
            count = layer.convolution_param.num_output
            layer.convolution_param.num_output = max(1, int(count * width))


def _predicts(name: str) -> bool:
    return name.startswith("pred") or name == "ab"

"""All variants train, are interrupted and go on bit for bit, through the caffe command's own path.

The nets are those of build_networks.py at an eighth of their width, on 3 crops of 64 pixels.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from test_networks import NETWORKS, build_networks

from caffe import binaryproto, cli, prototxt
from caffe.proto import caffe_pb2
from colorization.dataset import prior, write_lmdb
from colorization.rebalancing import save_prior

VARIANTS = sorted(build_networks.VARIANTS)
ITERATIONS, INTERRUPTED = 4, 2


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with a small data set."""
    rng = np.random.default_rng(5)
    images = [
        np.kron(rng.integers(0, 256, (9, 10, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        for _ in range(7)
    ]
    write_lmdb(tmp_path / "data" / "train_lmdb", ((f"{i}", x) for i, x in enumerate(images)))
    save_prior(tmp_path / "data" / "train_priors.npy", prior(images))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_variant(name, monkeypatch):
    """Write the variant's small train net, and its solver for a few iterations."""
    variants = dict(build_networks.VARIANTS)
    variants[name] = variants[name]._replace(width=0.125, batch_size=3)
    monkeypatch.setattr(build_networks, "VARIANTS", variants)
    net = build_networks.train_net(name)
    solver = prototxt.read(NETWORKS / name / "solver.prototxt", caffe_pb2.SolverParameter)
    for layer in net.layer:
        if layer.type == "Data":
            layer.transform_param.crop_size = 64
    prototxt.write("train.prototxt", net)
    solver.net, solver.snapshot_prefix = "train.prototxt", "snapshot"
    solver.max_iter, solver.snapshot, solver.display = ITERATIONS, INTERRUPTED, 1
    solver.iter_size, solver.average_loss = 2, 1
    prototxt.write("solver.prototxt", solver)


def losses(log):
    """Iteration -> loss, as log parsers read it."""
    found = re.findall(r"solver\.cpp:\d+\] Iteration (\d+) \(.*loss = (\S+)", log)
    return {int(iteration): float(loss) for iteration, loss in found}


def parameters(path):
    net = binaryproto.read_net(path)
    return {
        f"{layer.name}/{i}": binaryproto.blob_to_array(blob)
        for layer in net.layer
        for i, blob in enumerate(layer.blobs)
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_train_interrupt_resume(name, project, monkeypatch, capfd):
    write_variant(name, monkeypatch)
    assert cli.main(["train", "-solver", "solver.prototxt", "-cpu"]) == 0
    uninterrupted = losses(capfd.readouterr().err)
    assert list(uninterrupted) == list(range(ITERATIONS + 1))[:ITERATIONS]
    final = f"snapshot_iter_{ITERATIONS}.caffemodel"
    expected, state = parameters(final), Path(final.replace("caffemodel", "solverstate"))
    expected_state = state.read_bytes()
    Path(final).unlink()
    state.unlink()
    middle = f"snapshot_iter_{INTERRUPTED}.solverstate"
    assert cli.main(["train", "-solver", "solver.prototxt", "-cpu", "-snapshot", middle]) == 0
    resumed = losses(capfd.readouterr().err)
    assert resumed == {k: v for k, v in uninterrupted.items() if k >= INTERRUPTED}
    found = parameters(final)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)
    assert state.read_bytes() == expected_state
    start = parameters(f"snapshot_iter_{INTERRUPTED}.caffemodel")
    moved = [key for key in expected if not np.array_equal(start[key], expected[key])]
    assert len(moved) >= 0.9 * len(expected)


def test_the_prior_is_used(project, monkeypatch, capfd):
    """Rebalancing changes the loss; without it the prior is not even read."""
    write_variant("plain", monkeypatch)
    assert cli.main(["train", "-solver", "solver.prototxt", "-cpu"]) == 0
    rebalanced = losses(capfd.readouterr().err)[0]
    Path("data/train_priors.npy").unlink()
    assert cli.main(["train", "-solver", "solver.prototxt", "-cpu"]) == 1
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert 'layer "weights" (Python)' in last and "train_priors.npy" in last
    write_variant("plain_no_rebalance", monkeypatch)
    assert cli.main(["train", "-solver", "solver.prototxt", "-cpu"]) == 0
    assert losses(capfd.readouterr().err)[0] != rebalanced

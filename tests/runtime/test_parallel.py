"""Two solvers side by side train as one does with twice the batch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from caffe import binaryproto
from colorization.dataset import write_lmdb

NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "lmdb" batch_size: %d backend: LMDB } transform_param { scale: 0.01 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "label3" type: "Power" bottom: "label" top: "scaled" power_param { scale: 0 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "scaled" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" type: "Adam" base_lr: 0.01 momentum: 0.9 momentum2: 0.999 lr_policy: "fixed"
weight_decay: 0.001 max_iter: 6 iter_size: 2 display: 1 snapshot: 3 snapshot_prefix: "model"
random_seed: 5 solver_mode: CPU
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rng = np.random.default_rng(2)
    folder = tmp_path_factory.mktemp("data") / "lmdb"
    pictures = rng.integers(0, 256, (30, 7, 9, 3), dtype=np.uint8)
    write_lmdb(folder, ((str(i), picture) for i, picture in enumerate(pictures)))
    return folder


def train(folder: Path, images: Path, batch: int, processes: int, *arguments: str):
    """Return the command's result; the folder holds net and solver."""
    folder.mkdir(exist_ok=True)
    if not (folder / "lmdb").exists():
        (folder / "lmdb").symlink_to(images)
    (folder / "net.prototxt").write_text(NET % batch)
    (folder / "solver.prototxt").write_text(SOLVER)
    command = [sys.executable, "-m", "caffe", "train", "-solver", "solver.prototxt", "-cpu"]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command[1:1] = launcher
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    paths = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )


def losses(log: str) -> list[float]:
    return [float(text) for text in re.findall(r"Iteration \d+ .*loss = (\S+)", log)]


def weights(path: Path) -> list[np.ndarray]:
    net = binaryproto.read_net(path)
    return [binaryproto.blob_to_array(blob) for layer in net.layer for blob in layer.blobs]


def test_two_solvers_equal_one_with_twice_the_batch(tmp_path, images):
    one = train(tmp_path / "one", images, 6, 1)
    two = train(tmp_path / "two", images, 3, 2)
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    assert len(losses(one.stderr)) == 6
    np.testing.assert_allclose(losses(two.stderr), losses(one.stderr), atol=1e-5)
    for name in ("model_iter_3.caffemodel", "model_iter_6.caffemodel"):
        pairs = zip(weights(tmp_path / "one" / name), weights(tmp_path / "two" / name), strict=True)
        for mine, theirs in pairs:
            np.testing.assert_allclose(theirs, mine, atol=1e-5)
    assert two.stderr.count("Snapshotting to binary proto file model_iter_6") == 1

    for name in ("model_iter_6.caffemodel", "model_iter_6.solverstate"):
        (tmp_path / "two" / name).rename(tmp_path / "two" / f"whole_{name}")
    resumed = train(tmp_path / "two", images, 3, 2, "-snapshot", "model_iter_3.solverstate")
    assert resumed.returncode == 0, resumed.stderr
    for name in ("model_iter_6.caffemodel",):
        again, whole = (weights(tmp_path / "two" / n) for n in (name, f"whole_{name}"))
        for mine, theirs in zip(again, whole, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_an_error_of_one_ends_all(tmp_path, images):
    result = train(tmp_path / "wrong", images, 3, 2, "-weights", "absent.caffemodel")
    assert result.returncode != 0
    assert "absent.caffemodel" in result.stderr

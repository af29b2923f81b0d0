"""Known networks: the shapes of their papers, training on a fixed batch, sharing, snapshots."""

from pathlib import Path

import genuine_networks as known
import numpy as np
import pytest
from training import assert_identical, everything

import caffe
from caffe import prototxt

SOLVER = """
net: "net.prototxt" base_lr: {rate} lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005
max_iter: 100 random_seed: 3 solver_mode: CPU snapshot_prefix: "snap" snapshot_after_train: false
"""
FULL = [  # the net as in its paper, shapes of blobs, number of learned values
    (
        known.lenet,
        {},
        dict(
            conv1=(64, 20, 24, 24),
            pool1=(64, 20, 12, 12),
            conv2=(64, 50, 8, 8),
            pool2=(64, 50, 4, 4),
            ip1=(64, 500),
            ip2=(64, 10),
            loss=(),
        ),
        431_080,
    ),
    (
        known.cifar10_quick,
        {},
        dict(
            conv1=(100, 32, 32, 32),
            pool1=(100, 32, 16, 16),
            pool2=(100, 32, 8, 8),
            conv3=(100, 64, 8, 8),
            pool3=(100, 64, 4, 4),
            ip1=(100, 64),
            ip2=(100, 10),
        ),
        145_578,
    ),
    (
        known.alexnet,
        dict(filler=known.ZERO),
        dict(
            conv1=(256, 96, 55, 55),
            norm1=(256, 96, 55, 55),
            pool1=(256, 96, 27, 27),
            conv2=(256, 256, 27, 27),
            pool2=(256, 256, 13, 13),
            conv3=(256, 384, 13, 13),
            conv4=(256, 384, 13, 13),
            conv5=(256, 256, 13, 13),
            pool5=(256, 256, 6, 6),
            fc6=(256, 4096),
            fc7=(256, 4096),
            fc8=(256, 1000),
        ),
        60_965_224,
    ),
    (
        known.inception_3a,
        {},
        {
            "1x1": (32, 64, 28, 28),
            "3x3_reduce": (32, 96, 28, 28),
            "3x3": (32, 128, 28, 28),
            "5x5_reduce": (32, 16, 28, 28),
            "5x5": (32, 32, 28, 28),
            "pool": (32, 192, 28, 28),
            "pool_proj": (32, 32, 28, 28),
            "output": (32, 256, 28, 28),
        },
        163_696 + 257_000,
    ),
    (
        known.siamese,
        {},
        dict(data=(64, 1, 28, 28), pool2_p=(64, 50, 4, 4), feat=(64, 2), feat_p=(64, 2), loss=()),
        431_102,
    ),
    (
        known.captioner,
        dict(filler=known.ZERO),
        dict(embedded=(20, 100, 1000), lstm=(20, 100, 1000), predict=(20, 100, 8801), loss=()),
        8_801_000 + 4000 * (1000 + 1 + 4096 + 1000) + 8_809_801,
    ),
]
SMALL = {  # options of a net that trains in a moment, its learning rate
    known.lenet: (dict(batch=6, width=0.2), 0.01),
    known.cifar10_quick: (dict(batch=5, width=0.25), 0.02),
    known.alexnet: (dict(batch=3, width=1 / 16, size=67, filler=known.XAVIER), 0.02),
    known.inception_3a: (dict(batch=3, width=0.25, size=7), 0.05),
    known.siamese: (dict(batch=6, width=0.2), 0.005),
    known.captioner: (dict(streams=4, steps=6, words=11, width=0.02, filler=known.XAVIER), 0.5),
}
SMALL_CASES = [pytest.param(*row, id=row[0].__name__) for row in SMALL.items()]


def fill(net, seed=7):
    """Fixed values for every input: what its name stands for."""
    draw = np.random.default_rng(seed)
    for name in net.inputs:
        array = net.blobs[name].data
        if name == "cont":
            array[...], array[0] = 1, 0
            array[2, 1] = 0
        elif name in ("label", "same", "sentence", "target"):
            array[...] = draw.integers(0, 2 if name == "same" else 10, array.shape)
        else:
            array[...] = draw.normal(size=array.shape)
    if "target" in net.blobs:
        net.blobs["target"].data[-2:, 1] = -1


def make_solver(network, tmp_path, monkeypatch):
    """The solver of a small net in a folder of its own, its inputs filled."""
    options, rate = SMALL[network]
    monkeypatch.chdir(tmp_path)
    prototxt.write("net.prototxt", network(**options))
    Path("solver.prototxt").write_text(SOLVER.format(rate=rate))
    return reopened()


def reopened():
    solver = caffe.get_solver("solver.prototxt")
    fill(solver.net)
    return solver


@pytest.mark.parametrize(
    ("network", "options", "shapes", "count"), [pytest.param(*c, id=c[0].__name__) for c in FULL]
)
def test_shapes_of_the_paper(network, options, shapes, count, tmp_path):
    prototxt.write(tmp_path / "net.prototxt", network(**options))
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TRAIN)
    assert {name: net.blobs[name].shape for name in shapes} == shapes
    assert sum(blob.count for blob in net.learnable_params) == count


@pytest.mark.parametrize(("network", "options"), SMALL_CASES)
def test_loss_falls_on_a_fixed_batch(network, options, tmp_path, monkeypatch):
    solver = make_solver(network, tmp_path, monkeypatch)
    losses = []
    for _ in range(12):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.9 * losses[0]


@pytest.mark.parametrize(("network", "options"), SMALL_CASES)
@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_snapshot_goes_on_where_it_was(network, options, form, tmp_path, monkeypatch):
    solver = make_solver(network, tmp_path, monkeypatch)
    with open("solver.prototxt", "a") as file:
        file.write(f"snapshot_format: {form}")
    solver = reopened()
    solver.step(2)
    solver.snapshot()
    (state,) = Path().glob("snap_iter_2.solverstate*")
    resumed = reopened()
    resumed.restore(str(state))
    assert_identical(everything(resumed), everything(solver))
    for going_on in (solver, resumed):
        going_on.step(1)
    if network is not known.captioner:  # its LSTM's state between passes is in no snapshot
        assert_identical(everything(resumed), everything(solver))


def test_shared_parameters_stay_shared(tmp_path, monkeypatch):
    solver = make_solver(known.siamese, tmp_path, monkeypatch)
    net = solver.net
    before = net.params["conv1"][0].data.copy()
    solver.step(2)
    assert (net.params["conv1"][0].data != before).any()
    assert len(net.learnable_params) == 10
    for name in ("conv1", "conv2", "ip1", "ip2", "feat"):
        for owner, user in zip(net.params[name], net.params[f"{name}_p"], strict=True):
            assert np.shares_memory(owner.data, user.data)
            assert np.shares_memory(owner.diff, user.diff)
    net.blobs["pair"].data[:, 1] = net.blobs["pair"].data[:, 0]
    net.forward()
    np.testing.assert_array_equal(net.blobs["feat"].data, net.blobs["feat_p"].data)


def test_gradients_of_both_towers_add_up(tmp_path, monkeypatch):
    net = make_solver(known.siamese, tmp_path, monkeypatch).net
    net.forward()
    net.clear_param_diffs()
    net.backward()
    together, parts = net.params["conv1"][0].diff.copy(), []
    for silent in ("feat", "feat_p"):
        net.clear_param_diffs()
        net.backward(start="loss", end="loss")
        net.blobs[silent].diff[...] = 0
        net.backward(start="feat_p")
        parts.append(net.params["conv1"][0].diff.copy())
    assert parts[0].any() and parts[1].any()
    np.testing.assert_allclose(parts[0] + parts[1], together, 1e-4, 1e-6)


def test_ignored_words_change_nothing(tmp_path, monkeypatch):
    net = make_solver(known.captioner, tmp_path, monkeypatch).net
    net.forward()
    net.backward()
    ignored = net.blobs["target"].data == -1
    assert ignored.sum() == 2
    assert not net.blobs["predict"].diff[ignored].any()
    assert net.blobs["predict"].diff[~ignored].any(-1).all()

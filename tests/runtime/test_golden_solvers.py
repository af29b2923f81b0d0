"""Trajectories, snapshots and resumed trainings that genuine Caffe recorded."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import caffe
from caffe import binaryproto
from caffe.proto import caffe_pb2

GOLDEN = Path(__file__).parents[1] / "golden" / "solvers"
CASES = sorted(path.name for path in GOLDEN.iterdir())
SNAPSHOTS = [name for name in CASES if name.startswith("snapshot_")]
BINARY = [name for name in SNAPSHOTS if not name.endswith("hdf5")]
HDF5 = [name for name in SNAPSHOTS if name.endswith("hdf5")]


@pytest.fixture
def case(request, tmp_path, monkeypatch):
    """The recorded facts of a case, in a copy of whose folder the test runs."""
    shutil.copytree(GOLDEN / request.param, tmp_path / "case")
    monkeypatch.chdir(tmp_path / "case")
    return json.loads(Path("case.json").read_text())


def close(case, got, expected, what):
    tolerances = {"rtol": case.get("rtol", 1e-4), "atol": case.get("atol", 1e-5)}
    np.testing.assert_allclose(got, expected, err_msg=what, **tolerances)


def feed(solver, data):
    for key in data.files:
        solver.net.blobs[key.removeprefix("in/")].data[...] = data[key]


def follow(case, solver, trajectory, first_iteration):
    """Train and compare every rate, loss and parameter with the recorded ones."""
    data = np.load("data.npz")
    for k in range(len(trajectory["loss"])):
        feed(solver, data)
        assert solver.iter == first_iteration + k
        assert solver.lr == pytest.approx(float(trajectory["lr"][k]), rel=1e-6)
        solver.step(1)
        for key in (key for key in trajectory.files if key.startswith("param/")):
            _, layer, index = key.split("/")
            blob = solver.net.params[layer][int(index)]
            close(case, blob.data, trajectory[key][k + 1], f"iteration {k}: {key}")
        if case.get("iter_size", 1) == 1 and solver.param.iter_size == 1:
            losses = {
                key.removeprefix("lossblob/"): float(trajectory[key][k])
                for key in trajectory.files
                if key.startswith("lossblob/")
            }
            for name, value in losses.items():
                close(case, solver.net.blobs[name].data.sum(), value, f"iteration {k}: {name}")
            weighted = sum(case["loss_blobs"][name] * value for name, value in losses.items())
            close(case, weighted, trajectory["loss"][k], f"iteration {k}: loss")


def start(case):
    solver = caffe.get_solver("solver.prototxt")
    assert type(solver).__name__ == case["solver_type"] + "Solver"
    if "weights" not in Path("solver.prototxt").read_text():
        solver.net.copy_from("start.caffemodel")
    return solver


def test_cases_are_there():
    assert len(CASES) == 50
    assert len(SNAPSHOTS) == 9


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_trajectory(case):
    follow(case, start(case), np.load("trajectory.npz"), 0)


@pytest.mark.parametrize("case", SNAPSHOTS, indirect=True)
def test_resume_from_genuine_state(case):
    solver = caffe.get_solver("solver.prototxt")
    solver.restore(case["snapshot"]["state"])
    resume = np.load("resume.npz")
    assert solver.iter == 4
    follow(case, solver, resume, 4)


def written_at_four(case, tmp_path):
    """The genuine model and state of iteration 4 and ours: four paths."""
    genuine = tmp_path / "genuine"
    genuine.mkdir()
    model, state = case["snapshot"]["model"], case["snapshot"]["state"]
    for name in (model, state):
        shutil.move(name, genuine / name)
    solver, data = start(case), np.load("data.npz")
    for _ in range(4):
        feed(solver, data)
        solver.step(1)
    return genuine / model, genuine / state, Path(model), Path(state)


@pytest.mark.parametrize("case", BINARY, indirect=True)
def test_binary_snapshot_has_the_genuine_fields(case, tmp_path):
    genuine_model, genuine_state, model, state = written_at_four(case, tmp_path)
    theirs = binaryproto.read(genuine_state, caffe_pb2.SolverState)
    ours = binaryproto.read(state, caffe_pb2.SolverState)
    assert ours.HasField("stream_state") and not theirs.HasField("stream_state")
    assert (ours.iter, ours.learned_net, ours.current_step) == (
        theirs.iter,
        theirs.learned_net,
        theirs.current_step,
    )
    assert len(ours.history) == len(theirs.history) > 0
    for index, (a, b) in enumerate(zip(ours.history, theirs.history)):
        assert list(a.shape.dim) == list(b.shape.dim)
        close(case, a.data, b.data, f"history {index}")
    ours.ClearField("stream_state")
    assert len(ours.SerializeToString()) == genuine_state.stat().st_size

    theirs, ours = binaryproto.read_net(genuine_model), binaryproto.read_net(model)
    assert [layer.name for layer in ours.layer] == [layer.name for layer in theirs.layer]
    for a, b in zip(ours.layer, theirs.layer):
        assert len(a.blobs) == len(b.blobs)
        for x, y in zip(a.blobs, b.blobs):
            close(case, x.data, y.data, f"{a.name}: data")
            assert len(x.diff) == len(y.diff)
            close(case, x.diff, y.diff, f"{a.name}: diff")


@pytest.mark.parametrize("case", HDF5, indirect=True)
def test_hdf5_snapshot_has_the_genuine_datasets(case, tmp_path):
    h5py = pytest.importorskip("h5py")
    genuine_model, genuine_state, model, state = written_at_four(case, tmp_path)
    for theirs, ours, extra in (
        (genuine_model, model, set()),
        (genuine_state, state, {"stream_state"}),
    ):
        with h5py.File(theirs) as a, h5py.File(ours) as b:
            names = [set(), set()]
            a.visit(names[0].add)
            b.visit(names[1].add)
            assert names[1] == names[0] | extra
            for name in names[0]:
                if not isinstance(a[name], h5py.Dataset):
                    continue
                assert a[name].shape == b[name].shape and a[name].dtype == b[name].dtype, name
                if a[name].dtype.kind == "f":
                    close(case, b[name][()], a[name][()], name)
                else:
                    assert np.array_equal(a[name][()], b[name][()]), name

"""Snapshots: names, exact resuming, what is refused, what survives a failure."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from training import SOLVER, assert_identical, everything, write_folder

import caffe
from caffe import binaryproto, files, hdf5_model, log, prototxt, snapshot, solver
from caffe.proto import caffe_pb2

ENDS = {"BINARYPROTO": "", "HDF5": ".h5"}
NOWHERE = (
    'solver.prototxt: snapshot_prefix "nowhere/snap": No such file or directory, '
    "expected a place in a folder that exists and can be written to"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with database and net."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path)
    return tmp_path


def make(more="", name="solver.prototxt"):
    """The solver of the resumable training with more fields, which come first."""
    Path(name).write_text(more + SOLVER)
    return caffe.get_solver(name)


def loss(made):
    return float(made.net.blobs["loss"].data)


# -- exact resuming --------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ENDS)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_a_resumed_training_equals_one_that_went_through(kind, file_format, folder):
    fields = f'type: "{kind}" snapshot_format: {file_format} '
    through = make(fields)
    through.step(4)
    at_four, loss_at_four = everything(through), loss(through)
    through.step(5)

    interrupted = make(fields)
    interrupted.step(4)
    assert_identical(everything(interrupted), at_four)
    interrupted.snapshot()

    other_seed = SOLVER.replace("random_seed: 3", "random_seed: 99")
    Path("other.prototxt").write_text(fields + other_seed)
    resumed = caffe.get_solver("other.prototxt")
    assert not np.array_equal(resumed.net.params["conv"][0].data, at_four["conv/0"])
    resumed.restore(f"snap_iter_4.solverstate{ENDS[file_format]}")
    assert_identical(everything(resumed), at_four)
    resumed.step(5)
    assert_identical(everything(resumed), everything(through))
    assert loss(resumed) == loss(through) != loss_at_four


def test_without_the_streams_it_would_differ(folder):
    """What the tests above see: batches, crops, mirrors and dropout depend on the streams."""
    through = make()
    through.step(4)
    through.snapshot()
    through.step(1)
    state = binaryproto.read("snap_iter_4.solverstate", caffe_pb2.SolverState)
    state.ClearField("stream_state")
    binaryproto.write("snap_iter_4.solverstate", state)
    resumed = make()
    resumed.restore("snap_iter_4.solverstate")
    resumed.step(1)
    assert loss(resumed) != loss(through)


def test_testing_goes_on_in_its_data_too(folder, capsys, monkeypatch):
    monkeypatch.setitem(log._state, "level", log.INFO)

    def tests_from(iteration):
        text = capsys.readouterr().err.partition(f"Iteration {iteration}, Testing")[2]
        return [line.partition("] ")[2] for line in text.splitlines() if "Test net output" in line]

    through = make()
    through.step(9)
    expected = tests_from(4)
    interrupted = make()
    interrupted.step(3)
    interrupted.snapshot()
    resumed = make()
    resumed.restore("snap_iter_3.solverstate")
    capsys.readouterr()
    resumed.step(6)
    assert tests_from(4) == expected
    assert len(expected) == 3


def test_a_stop_within_a_test_repeats_the_test_when_resumed(folder):
    through = make()
    through.step(9)
    stopped = make()
    asked = []

    def stop_at_the_second_batch_of_a_test():
        asked.append(stopped.iter)  # thrice at 4: after the iteration, before two batches
        return solver.Action.STOP if asked.count(4) == 3 else solver.Action.NONE

    stopped.requested_action = stop_at_the_second_batch_of_a_test
    stopped.solve()
    assert stopped.iter == 4
    resumed = make()
    resumed.restore("snap_iter_4.solverstate")
    resumed.step(5)
    assert_identical(everything(resumed), everything(through))
    assert resumed.test_nets[0].stream_state() == through.test_nets[0].stream_state()


def test_solve_takes_a_state(folder):
    through = make()
    through.solve()
    first = make()
    first.step(5)
    first.snapshot()
    resumed = make()
    resumed.solve("snap_iter_5.solverstate")
    assert_identical(everything(resumed), everything(through))


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file_format", "names"),
    [
        ("BINARYPROTO", ["snap_iter_3.caffemodel", "snap_iter_3.solverstate"]),
        ("HDF5", ["snap_iter_3.caffemodel.h5", "snap_iter_3.solverstate.h5"]),
    ],
)
def test_names(file_format, names, folder):
    made = make(f"snapshot_format: {file_format} ")
    made.step(3)
    made.snapshot()
    assert sorted(p.name for p in Path().glob("snap*")) == names


def test_snapshots_come_at_multiples_and_after_training(folder):
    Path("solver.prototxt").write_text(SOLVER + "snapshot: 4")
    caffe.get_solver("solver.prototxt").solve()
    assert sorted(p.name for p in Path().glob("*.solverstate")) == [
        f"snap_iter_{i}.solverstate" for i in (4, 8, 9)
    ]


def test_no_second_snapshot_after_training(folder, monkeypatch):
    written = []
    monkeypatch.setattr(snapshot, "write", lambda made: written.append(made.iter))
    Path("solver.prototxt").write_text(SOLVER + "snapshot: 3")
    caffe.get_solver("solver.prototxt").solve()
    assert written == [3, 6, 9]


@pytest.mark.parametrize("file_format", ENDS)
def test_snapshot_diff_adds_the_last_update(file_format, folder):
    end = ENDS[file_format]
    made = make(f"snapshot_diff: true snapshot_format: {file_format} ")
    made.step(1)
    made.snapshot()
    diff = made.net.params["ip"][0].diff
    assert diff.any()
    if end:
        import h5py

        with h5py.File("snap_iter_1.caffemodel.h5") as file:
            stored = file["diff/ip/0"][()]
    else:
        layers = binaryproto.read_net("snap_iter_1.caffemodel").layer
        stored = next(binaryproto.blob_to_diff(x.blobs[0]) for x in layers if x.name == "ip")
    assert np.array_equal(stored, diff)


def test_state_says_which_solver_and_streams_it_is_of(folder):
    made = make('type: "Adam" ')
    made.step(2)
    made.snapshot()
    state = binaryproto.read("snap_iter_2.solverstate", caffe_pb2.SolverState)
    streams = json.loads(state.stream_state)
    assert streams["type"] == "Adam"
    assert streams["train"] == made.net.stream_state()
    assert streams["test"] == [net.stream_state() for net in made.test_nets]
    assert state.learned_net == "snap_iter_2.caffemodel"


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ENDS)
@pytest.mark.parametrize("fails", ["caffemodel", "solverstate"])
def test_a_failing_snapshot_leaves_the_earlier_one_whole(file_format, fails, folder, monkeypatch):
    made = make(f"snapshot_format: {file_format} ")
    made.step(2)
    made.snapshot()
    names = sorted(Path().glob("snap*"))
    before = [path.read_bytes() for path in names]
    made.step(1)
    made.iter = 2  # to be written under the same names

    def refuse(source, target):
        if fails in str(target):
            raise OSError(28, "No space left on device")
        return replace(source, target)

    replace = os.replace
    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(caffe.CaffeError) as error:
        made.snapshot()
    end = ENDS[file_format]
    assert str(error.value) == (
        f"snap_iter_2.{fails}{end}: cannot be written: No space left on device"
    )
    assert sorted(Path().glob("snap*")) == names
    unchanged = [old == path.read_bytes() for old, path in zip(before, names)]
    assert unchanged == [fails == "caffemodel", True]


def test_prefix_is_tried_before_anything_is_built(folder, monkeypatch):
    monkeypatch.setattr(solver, "Net", None)
    text = SOLVER.replace('"snap"', '"nowhere/snap" snapshot: 4')
    Path("solver.prototxt").write_text(text)
    with pytest.raises(caffe.CaffeError) as error:
        caffe.get_solver("solver.prototxt")
    assert str(error.value) == NOWHERE


def test_prefix_of_the_last_snapshot_is_tried_before_training(folder):
    Path("solver.prototxt").write_text(SOLVER.replace('"snap"', '"nowhere/snap"'))
    made = caffe.get_solver("solver.prototxt")
    made.step(1)
    with pytest.raises(caffe.CaffeError) as error:
        made.solve()
    assert str(error.value) == NOWHERE and made.iter == 1


def test_prefix_below_a_file_is_refused_and_nothing_is_left(folder):
    Path("file").write_text("")
    with pytest.raises(caffe.CaffeError, match="Not a directory"):
        snapshot.check_prefix("file/snap", "solver.prototxt")
    before = sorted(Path().iterdir())
    snapshot.check_prefix("snap", "solver.prototxt")
    assert sorted(Path().iterdir()) == before


def test_prefix_is_not_tried_without_snapshots(folder):
    text = SOLVER.replace('"snap"', '"nowhere/snap"') + "snapshot_after_train: false"
    Path("solver.prototxt").write_text(text)
    assert caffe.get_solver("solver.prototxt").iter == 0


@pytest.fixture
def state(folder):
    """The path of an SGD state of iteration 2."""
    made = make()
    made.step(2)
    made.snapshot()
    return Path("snap_iter_2.solverstate")


def refusal(made, path):
    """The error of restoring; the solver must be as before."""
    before = everything(made)
    with pytest.raises(caffe.CaffeError) as error:
        made.restore(str(path))
    assert_identical(everything(made), before)
    assert "\n" not in str(error.value)
    return str(error.value)


def rewrite(path, **fields):
    message = binaryproto.read(path, caffe_pb2.SolverState)
    for name, value in fields.items():
        setattr(message, name, value)
    binaryproto.write(path, message)


def test_a_missing_state_is_refused(folder):
    message = refusal(make(), "gone.solverstate")
    assert message == "gone.solverstate: no such file, expected a binary SolverState"
    message = refusal(make(), "gone.solverstate.h5")
    assert message == "gone.solverstate.h5: no such file, expected an HDF5 solver state"


def test_a_missing_model_is_refused(state):
    made = make()
    Path("snap_iter_2.caffemodel").unlink()
    assert refusal(made, state) == (
        "snap_iter_2.solverstate: needs the model snap_iter_2.caffemodel, which is not there"
    )


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_state_is_refused(share, state):
    data = state.read_bytes()
    state.write_bytes(data[: int(share * len(data))])
    assert refusal(make(), state) == (
        "snap_iter_2.solverstate: damaged or another format, expected a binary SolverState"
    )


def test_a_truncated_hdf5_state_is_refused(folder):
    made = make("snapshot_format: HDF5 ")
    made.step(1)
    made.snapshot()
    path = Path("snap_iter_1.solverstate.h5")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert refusal(made, path) == (
        "snap_iter_1.solverstate.h5: damaged or another format, expected an HDF5 solver state"
    )


def test_a_state_of_another_type_is_refused(state):
    assert refusal(make('type: "Nesterov" '), state) == (
        "snap_iter_2.solverstate: state of type SGD, expected Nesterov"
    )


def test_a_genuine_state_of_another_type_is_refused_by_its_count(state):
    rewrite(state, stream_state=b"")
    assert refusal(make('type: "Adam" '), state) == (
        "snap_iter_2.solverstate: state of another solver type or net: "
        "has 9 history blobs, expected 18 for Adam and this net"
    )


def test_a_state_of_another_net_is_refused(state):
    net = Path("net.prototxt").read_text()
    Path("net.prototxt").write_text(net.replace("num_output: 5", "num_output: 6"))
    assert refusal(make(), state) == (
        "snap_iter_2.solverstate: state of another solver type or net: "
        "history blob 0 has shape (5, 2, 3, 3), expected (6, 2, 3, 3)"
    )


WHOLE_NET = {"seed": 1, "calls": [1, 2]}


@pytest.mark.parametrize(
    "streams",
    [
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"5",
        {"type": "SGD"},
        {"train": WHOLE_NET, "test": []},
        {"type": "SGD", "train": 5, "test": []},
        {"type": "SGD", "train": {"seed": 1}, "test": []},
        {"type": "SGD", "train": {"seed": "x", "calls": [1, 2]}, "test": []},
        {"type": "SGD", "train": {"seed": 1, "calls": None}, "test": []},
        {"type": "SGD", "train": {"seed": 1, "calls": [1, -2]}, "test": []},
        {"type": "SGD", "train": {"seed": 1, "calls": [1, 2.5]}, "test": []},
        {"type": "SGD", "train": {"seed": 2**63, "calls": [1, 2]}, "test": []},
        {"type": "SGD", "train": WHOLE_NET, "test": 5},
        {"type": "SGD", "train": WHOLE_NET, "test": [WHOLE_NET, {}]},
    ],
    ids=lambda streams: str(streams)[:60],
)
def test_damaged_streams_are_refused(streams, state):
    text = streams if isinstance(streams, bytes) else json.dumps(streams).encode()
    rewrite(state, stream_state=text)
    assert refusal(make(), state) == (
        "snap_iter_2.solverstate: stream_state is damaged, expected type, train and test in JSON"
    )


def test_a_history_blob_that_contradicts_itself_is_named(state):
    message = binaryproto.read(state, caffe_pb2.SolverState)
    message.history[1].data.pop()
    binaryproto.write(state, message)
    assert refusal(make(), state) == (
        "snap_iter_2.solverstate: history: blob 1: blob of shape (5,) holds 4 numbers, expected 5"
    )


def test_a_model_that_fits_in_part_changes_nothing(state):
    model = binaryproto.read_net("snap_iter_2.caffemodel")
    ip = next(layer for layer in model.layer if layer.name == "ip")
    ip.blobs[1].data.pop()
    binaryproto.write("snap_iter_2.caffemodel", model)
    assert refusal(make(), state).startswith(
        'snap_iter_2.caffemodel: layer "ip": blob 1: blob of shape ('
    )
    ip.blobs[1].shape.dim[0] -= 1
    binaryproto.write("snap_iter_2.caffemodel", model)
    assert refusal(make(), state).startswith(
        'snap_iter_2.caffemodel: layer "ip": parameter 1 has shape '
    )


def test_a_model_is_no_state(state):
    assert "snap_iter_2.caffemodel" in refusal(make(), "snap_iter_2.caffemodel")


def test_a_net_with_other_layers_resumes_with_a_warning(state, capsys):
    net = Path("net.prototxt").read_text()
    Path("net.prototxt").write_text(net + 'layer { name: "x" type: "Power" bottom: "ip" top: "x" }')
    made = make()
    made.restore(str(state))
    assert made.iter == 2
    line = capsys.readouterr().err
    assert line.startswith("W")
    assert "snap_iter_2.solverstate: data and random numbers start anew: " in line


def test_histories_of_old_files_have_four_axes(state):
    message = binaryproto.read(state, caffe_pb2.SolverState)
    made = make()
    made.restore(str(state))
    expected = everything(made)
    for blob in message.history:
        dims = list(blob.shape.dim)
        blob.ClearField("shape")
        names = ("num", "channels", "height", "width")
        for name, size in zip(names, [1] * (4 - len(dims)) + dims):
            setattr(blob, name, size)
    binaryproto.write(state, message)
    again = make()
    again.restore(str(state))
    assert_identical(everything(again), expected)


@pytest.mark.gpu
def test_a_training_on_the_gpu_resumes_on_the_cpu_and_back(folder):
    caffe.set_mode_gpu()
    try:
        made = make('type: "Adam" ')
        made.step(3)
        made.snapshot()
        learned = everything(made)
        caffe.set_mode_cpu()
        resumed = make('type: "Adam" ')
        resumed.restore("snap_iter_3.solverstate")
        assert_identical(everything(resumed), learned)
        resumed.step(1)
        caffe.set_mode_gpu()
        resumed.step(1)
        assert resumed.history()[0].is_cuda
    finally:
        caffe.set_mode_cpu()


def test_text_of_hdf5_and_binary_states_agree(folder):
    made = make('type: "Adam" ')
    made.step(2)
    made.snapshot()
    made.param.snapshot_format = caffe_pb2.SolverParameter.HDF5
    made.snapshot()
    binary = snapshot._read_binary("snap_iter_2.solverstate")
    hdf5 = hdf5_model.read_state_hdf5("snap_iter_2.solverstate.h5")
    assert binary.iter == hdf5.iter == 2
    assert binary.stream_state == hdf5.stream_state
    assert binary.current_step == hdf5.current_step == 0
    for a, b in zip(binary.history, hdf5.history, strict=True):
        assert np.array_equal(a, b)
    assert prototxt.text(made.param).count("HDF5") == 1

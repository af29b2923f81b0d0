"""The caffe command: flags, devices, refusals, signals."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli_streams import messages
from training import SOLVER, write_folder

import caffe
from caffe import binaryproto, cli, context
from caffe.solver import Action

RUNTIME = Path(caffe.__file__).parents[1]


@pytest.fixture(autouse=True)
def told_as_without_settings(monkeypatch):
    monkeypatch.delenv("GLOG_minloglevel", raising=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with database, net and solver."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path)
    Path("solver.prototxt").write_text(SOLVER)
    return tmp_path


def run(capsys, *arguments):
    """Run the command in this process: exit code, standard output, log entries."""
    capsys.readouterr()
    code = cli.main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, messages(err)


def texts(entries):
    return [entry.text for entry in entries]


def refusal(capsys, *arguments):
    """The one fatal line of a run."""
    code, out, entries = run(capsys, *arguments)
    assert code == 1 and out == ""
    assert [entry.severity for entry in entries].count("F") == 1
    assert entries[-1].severity == "F" and "\n" not in entries[-1].text
    return entries[-1].text


# -- flags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "-solver", "s", "-iterations", "7"],
        ["train", "--solver=s", "--iterations=7"],
        ["-solver=s", "train", "--iterations", "7"],
        ["-solver=s", "-iterations=7", "--", "train"],
        ["-iterations=1", "-solver=s", "-iterations=7", "train"],
    ],
)
def test_spellings_of_flags(arguments):
    flags, words = cli.parse(arguments)
    assert words == ["train"]
    assert (flags.solver, flags.iterations, flags.weights, flags.level) == ("s", 7, "", 0)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ([], False),
        (["-cpu"], True),
        (["--cpu"], True),
        (["-cpu=false"], False),
        (["-cpu=1"], True),
        (["-cpu", "-nocpu"], False),
    ],
)
def test_spellings_of_booleans(arguments, value):
    assert cli.parse(arguments)[0].cpu is value


def test_values_may_look_like_flags_and_be_empty():
    flags, words = cli.parse(["-level", "-2", "-stage=", "-weights", "-x", "-"])
    assert (flags.level, flags.stage, flags.weights, words) == (-2, "", "-x", ["-"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-wings", "2"], "ERROR: unknown command line flag 'wings'"),
        (["--nowings=2"], "ERROR: unknown command line flag 'nowings'"),
        (["-nosolver"], "ERROR: unknown command line flag 'nosolver'"),
        (
            ["-iterations=many"],
            "ERROR: illegal value 'many' specified for int32 flag 'iterations'",
        ),
        (
            ["-level", "99999999999"],
            "ERROR: illegal value '99999999999' specified for int32 flag 'level'",
        ),
        (["-cpu=perhaps"], "ERROR: illegal value 'perhaps' specified for bool flag 'cpu'"),
        (
            ["train", "-solver"],
            "ERROR: flag '-solver' is missing its argument; flag description: "
            "(The solver definition protocol buffer text file.)",
        ),
    ],
)
def test_flags_that_are_refused(arguments, message, capsys):
    assert cli.main(arguments) == 1
    assert capsys.readouterr() == ("", message + "\n")


@pytest.mark.parametrize("arguments", [[], ["-help"], ["--help"], ["train", "test"]])
def test_usage(arguments, capsys):
    assert run(capsys, *arguments) == (0, cli.usage(), [])


@pytest.mark.parametrize("flag", ["stage", "weights"])
def test_flags_that_are_not_utf8_are_refused(flag, capsys, folder):
    message = refusal(capsys, "train", "-solver", "solver.prototxt", f"-{flag}", "a\udcff")
    assert message == rf'-{flag} is "a\udcff", expected UTF-8'


def test_a_solver_whose_name_is_not_utf8_needs_a_prefix(capsys, folder):
    os.mkdir("caf\udce9")
    path = Path("caf\udce9/solver.prototxt")
    path.write_text(SOLVER.replace('snapshot_prefix: "snap"', ""))
    assert refusal(capsys, "train", "-solver", str(path)) == (
        r"caf\udce9/solver.prototxt: its name is not UTF-8, expected that or a snapshot_prefix"
    )
    path.write_text(SOLVER.replace("max_iter: 9", "max_iter: 1"))
    assert run(capsys, "train", "-solver", str(path))[0] == 0
    assert Path("snap_iter_1.caffemodel").is_file()


def test_usage_shows_every_flag_within_the_width():
    text = cli.usage()
    assert re.findall(r"^    -(\w+) ", text, re.M) == [flag.name for flag in cli.FLAGS]
    assert max(map(len, text.splitlines())) <= 79


def test_usage_and_version_do_without_torch():
    code = (
        "import sys; from caffe.cli import main; "
        "codes = [main(a) for a in (['--version'], ['--help'], [], ['-wings'])]; "
        "print(codes, 'torch' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(RUNTIME)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert out.splitlines()[0] == "caffe version 1.0.0"
    assert out.splitlines()[-1] == "[0, 0, 0, 1] False"


def test_python_m_caffe_is_the_command(folder):
    done = subprocess.run(
        [sys.executable, "-m", "caffe", "test", "-model", "net.prototxt"],
        env={"PYTHONPATH": str(RUNTIME)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert texts(messages(done.stderr)) == ["test needs model weights: -weights FILE"]


def test_minloglevel_silences_the_command(folder, capsys, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", "1")
    assert run(capsys, "time", "-model", "net.prototxt", "-iterations", "1") == (0, "", [])


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train", "train needs a solver definition: -solver FILE"),
        ("test", "test needs a model definition: -model FILE"),
        ("time", "time needs a model definition: -model FILE"),
        ("fly", "Unknown action: fly"),
        (
            "train -solver solver.prototxt -snapshot a -weights b",
            "-snapshot and -weights are both given, expected one of them at most",
        ),
        ("train -solver gone.prototxt", "gone.prototxt: no such file, expected a prototxt file"),
        (
            "train -solver solver.prototxt -snapshot gone.solverstate",
            "gone.solverstate: no such file, -snapshot expects one",
        ),
        (
            "train -solver solver.prototxt -weights gone.caffemodel",
            "solver.prototxt: weights: gone.caffemodel: no such file",
        ),
        (
            "train -solver solver.prototxt -sigint_effect explode",
            '-sigint_effect is "explode", expected snapshot, stop or none',
        ),
        ("time -model gone.prototxt", "gone.prototxt: no such file, -model expects one"),
        ("time -model net.prototxt -phase train", '-phase is "train", expected TRAIN or TEST'),
        ("time -model net.prototxt -iterations 0", "-iterations is 0, expected 1 or more"),
        (
            "test -model net.prototxt -weights gone.caffemodel",
            "gone.caffemodel: no such file, -weights expects one",
        ),
        (
            "time -model net.prototxt -precision fp8",
            'unknown precision "fp8": expected one of fp32, tf32, bf16',
        ),
        (
            "time -model net.prototxt -cpu -gpu 0",
            "-cpu and -gpu are both given, expected one of them at most",
        ),
        (
            "time -model net.prototxt -gpu a",
            '-gpu is "a", expected all or numbers separated by ","',
        ),
    ],
)
def test_what_is_refused(command, message, folder, capsys):
    assert refusal(capsys, *command.split()) == message


def test_errors_carry_the_line_that_found_them(folder, capsys):
    _, _, entries = run(capsys, "train")
    assert re.fullmatch(r"cli\.py:\d+", entries[-1].place)


# -- devices ---------------------------------------------------------------------------------------

TINY = """
layer { name: "data" type: "DummyData" top: "data" top: "t"
  dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" include { stage: "" }
  inner_product_param { num_output: 2 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" }
"""
TINY_SOLVER = 'net: "tiny.prototxt" lr_policy: "fixed" base_lr: 1 max_iter: 2 display: 1 '


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A working directory with a net that needs no data, and its solver."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.prototxt").write_text(TINY)
    Path("solver.prototxt").write_text(TINY_SOLVER)
    return tmp_path


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)


@pytest.mark.parametrize(
    ("mode", "flags", "asked"),
    [
        ("solver_mode: GPU", [], "solver_mode: GPU"),
        ("solver_mode: GPU device_id: 1", [], "solver_mode: GPU"),
        ("solver_mode: CPU", ["-gpu", "0"], "-gpu 0"),
        ("", ["-gpu", "all"], "-gpu all"),
    ],
)
def test_gpu_mode_without_a_gpu(mode, flags, asked, tiny, no_gpu, capsys):
    Path("solver.prototxt").write_text(TINY_SOLVER + mode)
    message = refusal(capsys, "train", "-solver", "solver.prototxt", *flags)
    assert message == f"{asked} needs a CUDA device and torch finds none; -cpu uses the CPU"


def test_cpu_flag_overrules_the_solver(tiny, no_gpu, capsys):
    Path("solver.prototxt").write_text(TINY_SOLVER + "solver_mode: GPU")
    code, _, entries = run(capsys, "train", "-cpu", "-solver", "solver.prototxt")
    assert code == 0
    assert "Use CPU." in texts(entries)
    assert texts(entries)[-1] == "Optimization Done."


def test_a_solver_without_mode_trains_on_the_cpu(tiny, no_gpu, capsys):
    assert run(capsys, "train", "-solver", "solver.prototxt")[0] == 0


@pytest.mark.parametrize(("value", "count"), [("0,1", 2), ("all", 3)])
def test_several_gpus_get_a_process_each(value, count, tiny, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    launched = []
    monkeypatch.setattr("caffe.parallel.launch", lambda *given: launched.append(given))
    arguments = ["train", "-solver", "solver.prototxt", "-gpu", value]
    assert run(capsys, *arguments)[0] == 0
    assert launched == [(count, arguments)]


@pytest.mark.gpu
def test_training_testing_and_timing_on_the_gpu(folder, capsys):
    code, _, entries = run(capsys, "train", "-solver", "solver.prototxt", "-gpu", "0")
    assert code == 0
    assert texts(entries)[0] == "Using GPUs 0"
    assert texts(entries)[1].startswith("GPU 0: ")
    rest = ["-model", "net.prototxt", "-gpu", "0", "-iterations", "2"]
    assert run(capsys, "test", "-weights", "snap_iter_9.caffemodel", *rest)[0] == 0
    assert run(capsys, "time", "-precision", "bf16", *rest)[0] == 0


@pytest.mark.gpu
def test_device_query_shows_the_gpu(capsys):
    import torch

    _, _, entries = run(capsys, "device_query")
    assert any(torch.cuda.get_device_name(0) in text for text in texts(entries))


def test_precision_is_set(tiny, capsys):
    run(capsys, "train", "-solver", "solver.prototxt", "-precision", "bf16")
    assert context._state["precision"] == "bf16"


# -- nets and weights ------------------------------------------------------------------------------


def test_level_and_stages_choose_layers(tiny, capsys):
    Path("tiny.prototxt").write_text(
        TINY.replace('stage: ""', 'stage: "a" stage: "b" min_level: 2')
    )
    flags = ["-level", "2", "-stage", "a,b"]
    assert run(capsys, "train", "-solver", "solver.prototxt", *flags)[0] == 0
    assert run(capsys, "time", "-model", "tiny.prototxt", "-iterations", "1", *flags)[0] == 0
    for flags in ([], ["-level", "1", "-stage", "a,b"], ["-level", "2", "-stage", "a"]):
        message = refusal(capsys, "train", "-solver", "solver.prototxt", *flags)
        assert 'layer "loss" (EuclideanLoss)' in message


def test_weights_are_loaded_in_order(folder, capsys):
    for name, value in (("one", 1), ("two", 2)):
        net = caffe.Net("net.prototxt", caffe.TRAIN)
        net.params["ip" if name == "two" else "conv"][0].data[...] = value
        net.params["scale"][0].data[...] = value
        net.save(f"{name}.caffemodel")
    Path("solver.prototxt").write_text(SOLVER.replace("max_iter: 9", "max_iter: 0"))
    code, _, entries = run(
        capsys, "train", "-solver", "solver.prototxt", "-weights", "one.caffemodel, two.caffemodel"
    )
    assert code == 0
    loading = [t for t in texts(entries) if t.startswith("Finetuning")]
    assert loading == ["Finetuning from one.caffemodel", "Finetuning from two.caffemodel"] * 2
    layers = {layer.name: layer for layer in binaryproto.read_net("snap_iter_0.caffemodel").layer}
    assert set(layers["ip"].blobs[0].data) == {2}
    assert set(layers["scale"].blobs[0].data) == {2}


def test_weights_flag_replaces_those_of_the_solver(folder, capsys):
    caffe.Net("net.prototxt", caffe.TRAIN).save("mine.caffemodel")
    text = SOLVER.replace("max_iter: 9", 'max_iter: 0 weights: "gone.caffemodel"')
    Path("solver.prototxt").write_text(text)
    command = ["train", "-solver", "solver.prototxt"]
    assert run(capsys, *command, "-weights", "mine.caffemodel")[0] == 0
    assert run(capsys, *command, "-snapshot", "snap_iter_0.solverstate")[0] == 0
    assert "gone.caffemodel" in refusal(capsys, *command)


def test_test_reports_each_batch_and_the_means(folder, capsys):
    net = caffe.Net("net.prototxt", caffe.TEST)
    net.save("w.caffemodel")
    losses = [float(net.forward()["loss"]) for _ in range(3)]
    code, _, entries = run(
        capsys, "test", "-model", "net.prototxt", "-weights", "w.caffemodel", "-iterations", "3"
    )
    assert code == 0
    mean = np.mean(losses)
    assert texts(entries)[-5:] == [
        *(f"Batch {i}, loss = {losses[i]:g}" for i in range(3)),
        f"Loss: {mean:g}",
        f"loss = {mean:g} (* 1 = {mean:g} loss)",
    ]


def test_time_adds_up(folder, capsys):
    code, _, entries = run(capsys, "time", "-model", "net.prototxt", "-iterations", "2")
    assert code == 0
    times = {
        text.split(":")[0].split("\t")[-1] + text.split("\t")[0] * ("\t" in text): float(
            text.split()[-2]
        )
        for text in texts(entries)
        if text.endswith(" ms.")
    }
    forward = [value for name, value in times.items() if name.startswith("forward")]
    assert len(forward) == 8
    assert sum(forward) == pytest.approx(times["Average Forward pass"], rel=1e-3)
    assert times["Total Time"] == pytest.approx(2 * times["Average Forward-Backward"], rel=1e-4)
    assert times["Total Time"] >= 2 * (
        times["Average Forward pass"] + times["Average Backward pass"]
    )


# -- signals ---------------------------------------------------------------------------------------


def test_signals_are_kept_until_they_are_asked_for():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)
    with cli.Signals("stop", "snapshot") as signals:
        assert signals.take() is Action.NONE
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)
        assert [signals.take() for _ in range(3)] == [Action.SNAPSHOT, Action.STOP, Action.NONE]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)) == before


def test_effect_none_swallows_a_signal():
    with cli.Signals("none", "none") as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.take() is Action.NONE


class Training:
    """A `caffe train` in a process of its own, its log in a file."""

    def __init__(self, *arguments):
        self.log = Path("log.txt")
        with self.log.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "caffe", "train", *arguments],
                env={"PYTHONPATH": str(RUNTIME), "OMP_NUM_THREADS": "1"},
                stderr=stderr,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def wait_for(self, words):
        """Wait until the log has a line with these words."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if words in self.log.read_text():
                return
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.01)
        pytest.fail(f"no {words!r} in the log")

    def send(self, number):
        self.process.send_signal(number)

    def end(self):
        return self.process.wait(120)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_interrupted_and_resumed_equals_uninterrupted(kind, folder):
    long = SOLVER.replace("max_iter: 9", "max_iter: 1000000000") + f'type: "{kind}"'
    Path("solver.prototxt").write_text(long)
    with Training("-solver", "solver.prototxt") as training:
        training.wait_for("Iteration 3,")
        training.send(signal.SIGINT)
        assert training.end() == 0
        lines = texts(messages(training.log.read_text()))
    assert lines[-2:] == ["Optimization stopped early.", "Optimization Done."]
    (state,) = Path().glob("snap_iter_*.solverstate")
    last = int(state.stem.rpartition("_")[2]) + 5
    Path("solver.prototxt").write_text(long.replace("1000000000", str(last)))
    for arguments in (["-snapshot", state.name], []):
        with Training("-solver", "solver.prototxt", *arguments) as training:
            assert training.end() == 0
        end = Path(f"snap_iter_{last}.caffemodel")
        end.rename("resumed" if arguments else "through")
        Path(f"snap_iter_{last}.solverstate").rename(
            "resumed_state" if arguments else "through_state"
        )
    assert Path("resumed").read_bytes() == Path("through").read_bytes()
    assert Path("resumed_state").read_bytes() == Path("through_state").read_bytes()


@pytest.mark.slow
def test_effects_of_signals_can_be_exchanged(folder):
    Path("solver.prototxt").write_text(SOLVER.replace("max_iter: 9", "max_iter: 1000000000"))
    with Training(
        "-solver", "solver.prototxt", "-sigint_effect", "snapshot", "-sighup_effect=stop"
    ) as training:
        training.wait_for("Iteration 2,")
        training.send(signal.SIGINT)
        training.wait_for("Snapshotting solver state")
        count = training.log.read_text().count(", lr = ")
        for _ in range(100):
            if training.log.read_text().count(", lr = ") > count + 1:
                break
            time.sleep(0.05)
        else:
            pytest.fail("the training did not go on")
        training.send(signal.SIGHUP)
        assert training.end() == 0
    assert len(list(Path().glob("snap_iter_*.solverstate"))) == 2

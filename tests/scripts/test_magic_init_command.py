"""The command from end to end, and that a training starts from what it writes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from magic_nets import plain_net, residual_net, write_data, write_net
from module_from_file import load_module

import caffe
from caffe import cli

SCRIPT = Path(__file__).parents[2] / "scripts" / "magic_init.py"
SOLVER = """
net: "residual.prototxt" type: "Adam" base_lr: 0.001 momentum: 0.9 momentum2: 0.999
lr_policy: "fixed" max_iter: 3 display: 1 snapshot_prefix: "trained" random_seed: 1 solver_mode: CPU
"""


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return str(folder / "train_lmdb")


@pytest.fixture
def folder(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path / "residual.prototxt", residual_net(data))
    Path("zeros").mkdir()
    write_net(tmp_path / "zeros" / "train.prototxt", plain_net(data, filler="constant"))
    return tmp_path


def run(main, *arguments, capsys):
    """Return the exit code, stdout and stderr."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def weights(path, net="residual.prototxt"):
    params = caffe.Net(net, path, caffe.TRAIN).params
    return {name: blobs[0].data.copy() for name, blobs in params.items()}


def test_a_training_starts_from_the_weights(main, folder, capsys):
    code, out, err = run(main, "residual.prototxt", "new/start.caffemodel", capsys=capsys)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "new/start.caffemodel: 44 units of 8 layers from 2270 images"
    assert lines[1].startswith("largest over smallest relative rate of change: ")
    assert len(lines) == 2
    Path("solver.prototxt").write_text(SOLVER)
    code = cli.main(["train", "-solver", "solver.prototxt", "-weights", "new/start.caffemodel"])
    caffe.log.init_log(caffe.log.WARNING)
    log = capsys.readouterr().err
    assert code == 0
    assert "Finetuning from new/start.caffemodel" in log
    assert "Ignoring source layer" not in log
    start, trained = weights("new/start.caffemodel"), weights("trained_iter_3.caffemodel")
    for name in ("conv0", "branch2b", "pred"):
        moved = np.abs(trained[name] - start[name]).max()
        assert 0 < moved < 0.01, name


def test_options_reach_the_method(main, folder, capsys):
    results = {}
    for name, options in {
        "default": ["--iterations", "1"],
        "again": ["--iterations", "1", "--cpu", "--method", "kmeans", "--seed", "1"],
        "pca": ["--iterations", "1", "--method", "pca"],
        "seed": ["--iterations", "1", "--seed", "2"],
        "longer": ["--iterations", "2"],
        "bf16": ["--iterations", "1", "--precision", "bf16"],
    }.items():
        command = ("residual.prototxt", f"{name}.caffemodel", *options)
        assert run(main, *command, capsys=capsys)[0] == 0
        results[name] = weights(f"{name}.caffemodel")["branch2a"].tobytes()
    caffe.set_precision("fp32")
    assert results.pop("again") == results["default"]
    assert len(set(results.values())) == len(results)
    command = ("residual.prototxt", "biased.caffemodel", "--iterations", "0", "--bias", "9")
    assert run(main, *command, capsys=capsys)[0] == 0
    net = caffe.Net("residual.prototxt", "biased.caffemodel", caffe.TRAIN)
    net.forward(end="conv0")
    assert net.blobs["conv0"].data.mean() == pytest.approx(9, abs=0.3)


def test_layers_of_zeros_alone_on_given_weights(main, folder, capsys):
    """`constant` filters are zero: all but those that the start has."""
    net = caffe.Net("zeros/train.prototxt", caffe.TRAIN)
    net.params["conv1_1"][0].data[...] = np.random.default_rng(1).normal(size=(6, 1, 3, 3))
    net.save("start.caffemodel")
    command = ("--layers", "zero", "--weights", "start.caffemodel", "zeros", "zero.caffemodel")
    code, out, err = run(main, *command, capsys=capsys)
    assert (code, err) == (0, "")
    assert out.startswith("zero.caffemodel: 337 units of 5 layers from ")
    start, result = (
        weights(f"{name}.caffemodel", "zeros/train.prototxt") for name in ("start", "zero")
    )
    np.testing.assert_array_equal(result["conv1_1"], start["conv1_1"])
    for name in ("conv1_2", "conv2_1", "conv2_2", "conv8_1", "pred_313"):
        assert not start[name].any()
        assert result[name].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.prototxt", "a.caffemodel"], 'network "absent.prototxt": neither a folder'),
        (["residual.prototxt", "."], ".: is a folder, expected the name of a file"),
        (["residual.prototxt", "a.caffemodel", "--layers", "zero"], "no layer has weights that"),
        (["residual.prototxt", "a.caffemodel", "--weights", "no.caffemodel"], "no.caffemodel"),
        (["input.prototxt", "a.caffemodel"], "input x: expected a train net"),
        (["residual.prototxt", "zeros/train.prototxt/a.caffemodel"], "zeros/train.prototxt"),
    ],
)
def test_errors_are_one_line(main, folder, capsys, arguments, message):
    Path("input.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 3] } } }\n'
        'layer { name: "y" type: "InnerProduct" bottom: "x" top: "y"'
        " inner_product_param { num_output: 4 } }"
    )
    if arguments[1].startswith("zeros"):
        arguments = [*arguments, "--iterations", "0"]
    code, out, err = run(main, *arguments, capsys=capsys)
    assert (code, out) == (2 if message.startswith("network") else 1, "")
    assert err.startswith("magic_init: ")
    assert message in err
    assert err.count("\n") == 1
    assert not list(folder.glob("**/*.part*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--iterations", "-1"],
            'argument --iterations: expected a whole number, 0 or more, got "-1"',
        ),
        (["--method", "ica"], "argument --method: invalid choice: 'ica'"),
        (["--gpu", "0", "--cpu"], "not allowed with"),
    ],
)
def test_options_that_cannot_be_read(main, capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(["a.prototxt", "b.caffemodel", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_help_loads_nothing_heavy():
    code = (
        "import runpy, sys\n"
        "sys.argv = ['magic_init', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    heavy = {'torch', 'numpy', 'caffe'} & set(sys.modules)\n"
        "    sys.exit(f'{end.code} {heavy}' if end.code or heavy else 0)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("usage: magic_init ")

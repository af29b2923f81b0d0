"""The command: what it says to numbers and folders that cannot be, and what it leaves."""

from pathlib import Path

import numpy as np
import pytest
from module_from_file import load_module

from colorization.dataset import prior, write_lmdb
from colorization.rebalancing import save_prior

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_network.py"


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


@pytest.fixture
def data(tmp_path):
    images = [np.full((40, 48, 3), level, np.uint8) for level in (10, 90, 200)]
    for name in ("train_lmdb", "val_lmdb"):
        write_lmdb(tmp_path / "data" / name, ((str(i), x) for i, x in enumerate(images)))
    save_prior(tmp_path / "data" / "train_priors.npy", prior(images))
    return tmp_path / "data"


def test_what_it_leaves(main, data, tmp_path, capsys):
    work = tmp_path / "work"
    numbers = ["--iterations", "2", "--width", "0.0625", "--crop", "32", "--batch", "2"]
    assert main(["plain", "--data", str(data), "--work", str(work), *numbers]) == 0
    assert capsys.readouterr().out == f"{work / 'best.caffemodel'}\n"
    for name in ("best.caffemodel", "curves.svg", "history.csv", "deploy.prototxt", "train.log"):
        assert (work / name).stat().st_size


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--iterations", "0", 'expected a whole number above 0, got "0"'),
        ("--batch", "-2", 'expected a whole number above 0, got "-2"'),
        ("--width", "0", 'expected a number above 0, got "0"'),
        ("--rate", "inf", 'expected a number above 0, got "inf"'),
        ("--rate", "much", 'expected a number above 0, got "much"'),
        ("--patience", "some", 'expected a whole number, 0 or more, got "some"'),
    ],
)
def test_numbers_that_cannot_be(main, capsys, option, value, message):
    with pytest.raises(SystemExit, match="2"):
        main(["plain", "--data", "data", "--work", "work", f"{option}={value}"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"train_network: error: argument {option}: {message}"


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["none"], 2, 'network "none": neither a folder'),
        (["plain", "--gpu", "99"], 1, "-gpu 99 needs a CUDA device"),
        (["plain", "--data", "nowhere"], 2, "nowhere/train_lmdb: no such LMDB; make_dataset makes"),
    ],
)
def test_what_cannot_be_trained(main, data, tmp_path, capsys, arguments, code, message):
    where = ["--data", str(data), "--work", str(tmp_path / "work"), "--iterations", "2"]
    assert main([arguments[0], *where, *arguments[1:]]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("train_network: ") and err.count("\n") == 1
    assert message in err

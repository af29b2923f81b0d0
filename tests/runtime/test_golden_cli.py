"""Runs of the genuine command: our log says the same in the same order, our files have their names."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from cli_streams import differences, messages

from caffe import cli, log

GOLDEN = Path(__file__).parents[1] / "golden" / "cli"
CASES = sorted(path.name for path in GOLDEN.iterdir())
BAD = [name for name in CASES if name.startswith("bad_")]
# Cut short by a signal at an iteration that cannot be repeated: test_cli.py sends signals itself.
BY_SIGNAL = [name for name in CASES if name.startswith("train_sig")]
GOOD = [name for name in CASES if name not in BAD and name not in BY_SIGNAL]


@pytest.fixture(autouse=True)
def quiet_afterwards():
    level = log._state["level"]
    yield
    log._state["level"] = level


@pytest.fixture
def case(request, tmp_path, monkeypatch):
    """The recorded facts of a case, in a copy of whose folder the test runs."""
    monkeypatch.delenv("GLOG_minloglevel", raising=False)
    shutil.copytree(GOLDEN / request.param, tmp_path / "case")
    monkeypatch.chdir(tmp_path / "case")
    return json.loads(Path("case.json").read_text())


def run(command):
    """Run `caffe ...` in this process."""
    return cli.main(shlex.split(command)[1:])


def test_cases_are_there():
    assert (len(BAD), len(BY_SIGNAL), len(GOOD)) == (67, 3, 14)


def ours_as_theirs(name, text):
    """Our output without what the documentation calls ours."""
    if name == "usage":
        return re.sub(r"    -(cpu|precision) \(Ours,.*\n      .*\n", "", text)
    return text


@pytest.mark.parametrize("case", GOOD, indirect=True)
def test_logs_and_output(case, capfd):
    for recorded in case["runs"]:
        snapshots = set(Path().glob("snap_iter_*"))
        for path in snapshots:
            if recorded["name"] == "train":
                path.unlink()
        code = run(recorded["command"])
        out, err = capfd.readouterr()
        expected = Path(f"{recorded['name']}.stderr.txt").read_text().split("*** Check failure")[0]
        assert differences(err, expected) == []
        assert (code == 0) == (recorded["exit_code"] == 0)
        assert ours_as_theirs(case["case"], out) == Path(f"{recorded['name']}.stdout.txt").read_text()
        assert set(Path().glob("snap_iter_*")) == snapshots
        if not messages(expected):
            assert err == expected


@pytest.mark.parametrize("case", BAD, indirect=True)
def test_what_genuine_caffe_refuses(case, capfd):
    code = run(case["command"])
    err = capfd.readouterr().err
    fatal = [m for m in messages(err) if m.severity == "F"]
    if case["exit_code"] == 0:
        assert (code, fatal) == (0, [])
    else:
        assert code == 1
        assert len(fatal) == 1
        assert "\n" not in fatal[0].text
        assert "Traceback" not in err

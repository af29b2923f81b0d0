"""Runs of the genuine command: our log says the same in the same order, as do our file names."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import pytest
from cli_streams import differences, messages

from caffe import cli
from caffe.solver_types import SGDSolver, get_solver

GOLDEN = Path(__file__).parents[1] / "golden" / "cli"
CASES = sorted(path.name for path in GOLDEN.iterdir())
BAD = [name for name in CASES if name.startswith("bad_")]
# Cut short by a signal, at an iteration that nobody chose.
BY_SIGNAL = [name for name in CASES if name.startswith("train_sig")]
GOOD = [name for name in CASES if name not in BAD and name not in BY_SIGNAL]


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
        output = Path(f"{recorded['name']}.stdout.txt").read_text()
        assert ours_as_theirs(case["case"], out) == output
        assert set(Path().glob("snap_iter_*")) == snapshots
        if not messages(expected):
            assert err == expected


class Killed(BaseException):
    """Ends a training as the recording of one that goes on was ended."""


def send_and_kill(monkeypatch, number):
    """Let a training get a signal in its third iteration and be killed in its fifth."""
    update = SGDSolver.apply_update

    def apply_update(solver):
        update(solver)
        if solver.iter == 3:
            os.kill(os.getpid(), number)
        elif solver.iter == 5:
            raise Killed

    monkeypatch.setattr(SGDSolver, "apply_update", apply_update)


@pytest.mark.parametrize("case", BY_SIGNAL, indirect=True)
def test_logs_until_a_signal(case, capfd, monkeypatch):
    (recorded,) = case["runs"]
    goes_on = recorded["exit_code"] != 0
    send_and_kill(monkeypatch, getattr(signal, case["signal"]))
    with pytest.raises(Killed) if goes_on else nullcontext():
        assert run(recorded["command"]) == 0
    logs = capfd.readouterr().err, Path("train.stderr.txt").read_text()
    got, expected = (re.sub(r"snap_iter_\d+", "snap_iter_3", text) for text in logs)
    assert differences(got, expected) == []
    assert Path("snap_iter_3.caffemodel").exists() and Path("snap_iter_3.solverstate").exists()


@pytest.mark.parametrize("case", BY_SIGNAL, indirect=True)
def test_a_training_goes_on_where_a_signal_stopped_genuine_caffe(case):
    (state,) = Path().glob("snap_iter_*.solverstate")
    solver = get_solver("solver.prototxt")
    solver.restore(str(state))
    assert solver.iter == int(re.findall(r"\d+", state.name)[0])
    solver.step(1)


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


# -- log readers -----------------------------------------------------------------------------------


def read_tables(text):
    """What Caffe's log reader makes of a log: rows of the train and of the test table.

    Time is read from the first two words of a line and counts from the line that says "Solving".
    """
    tables, start, iteration, rate, seconds = {"Train": {}, "Test": {}}, None, None, None, 0.0
    for line in text.splitlines():
        words = line.split()
        if re.match(r"[IWEF]\d{4} ", line):
            moment = datetime.strptime(f"2024{words[0][1:]} {words[1]}", "%Y%m%d %H:%M:%S.%f")
            start = moment if start is None and "Solving" in line else start
            seconds = (moment - start).total_seconds() if start else 0.0
        if found := re.search(r"Iteration (\d+)", line):
            iteration = int(found[1])
        if found := re.search(r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)", line):
            rate = float(found[1])
        found = re.search(r"(Train|Test) net output #(\d+): (\S+) = ([.\deE+-]+)", line)
        if found and iteration is not None:
            row = tables[found[1]].setdefault(iteration, {"Seconds": seconds, "LearningRate": rate})
            row[found[3]] = float(found[4])
    for rows in tables.values():
        first, *others = rows.values()
        if first["LearningRate"] is None:  # outputs are logged before the rate
            first["LearningRate"] = others[0]["LearningRate"]
    return tables


TABLES = sorted(
    (path.parent.name, path.name) for path in GOLDEN.glob("*/*.txt.t*") if path.suffix != ".txt"
)


def test_tables_are_there():
    assert len(TABLES) == 11


@pytest.mark.parametrize(
    ("case", "table"), TABLES, indirect=["case"], ids=["-".join(pair) for pair in TABLES]
)
def test_log_readers_find_what_they_look_for(case, table, capfd):
    name, kind = table.split(".")[0], table.rpartition(".")[2].capitalize()
    expected = list(csv.DictReader(Path(table).read_text().splitlines()))
    for recorded in case["runs"]:
        capfd.readouterr()
        run(recorded["command"])
        if recorded["name"] == name:
            break
    rows = read_tables(capfd.readouterr().err)[kind]
    assert list(rows) == [float(row["NumIters"]) for row in expected]
    for row, (iteration, ours) in zip(expected, rows.items()):
        assert set(ours) | {"NumIters"} == set(row)
        for column in set(ours) - {"Seconds"}:
            assert ours[column] == pytest.approx(float(row[column]), rel=1e-4), (iteration, column)
    seconds = [row["Seconds"] for row in rows.values()]
    assert seconds == sorted(seconds) and seconds[0] > 0 and seconds[-1] < 60

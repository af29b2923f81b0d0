"""Training a variant: width, rounds, validation, best model, resuming."""

import csv
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from caffe import binaryproto
from caffe.proto import caffe_pb2
from colorization import caffe_train, training
from colorization.caffe_train import TrainingError, losses
from colorization.dataset import prior, write_lmdb
from colorization.errors import UsageError
from colorization.files import locked
from colorization.network import network_path
from colorization.prototxts import read_message
from colorization.rebalancing import save_prior
from colorization.snapshots import latest_state, trained_iterations
from colorization.training import History, Plan

SMALL = Plan(
    network="plain",
    iterations=4,
    width=0.0625,
    crop=32,
    batch=2,
    iter_size=1,
    validate_every=2,
    validation_images=2,
)


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(5)
    images = [
        np.kron(rng.integers(0, 256, (5, 6, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        for _ in range(5)
    ]
    for name in ("train_lmdb", "val_lmdb"):
        write_lmdb(tmp_path / "data" / name, ((str(i), x) for i, x in enumerate(images)))
    save_prior(tmp_path / "data" / "train_priors.npy", prior(images))
    return tmp_path / "data"


def weights(path):
    net = binaryproto.read_net(path)
    return [binaryproto.blob_to_array(b) for layer in net.layer for b in layer.blobs]


def test_a_folder_keeps_to_how_its_training_was_begun(data, tmp_path):
    work, plan = tmp_path / "work", SMALL._replace(iterations=1, validate_every=0)
    training.train(plan, data, work)
    before = {path.name: path.read_bytes() for path in work.iterdir() if path.is_file()}
    message = r"work: was begun with width 0.0625, now 0.125; crop 32, now 24; choose another"
    with pytest.raises(UsageError, match=message):
        training.train(plan._replace(width=0.125, crop=24), data, work)
    assert {path.name: path.read_bytes() for path in work.iterdir() if path.is_file()} == before
    training.train(plan._replace(iterations=2), data, work)  # longer is no other way


def test_one_process_trains_in_a_folder(data, tmp_path):
    (tmp_path / "work").mkdir()
    with (
        locked(tmp_path / "work", AssertionError()),
        pytest.raises(TrainingError, match="another process is train"),
    ):
        training.train(SMALL, data, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_rounds_equal_one_run(data, tmp_path):
    training.train(SMALL, data, tmp_path / "rounds")
    training.train(SMALL._replace(validate_every=4), data, tmp_path / "once")
    name = "model_iter_4.caffemodel"
    pairs = zip(weights(tmp_path / "rounds" / name), weights(tmp_path / "once" / name), strict=True)
    for mine, theirs in pairs:
        np.testing.assert_array_equal(mine, theirs)
    assert [n for n, _ in losses(tmp_path / "rounds" / "train.log")] == [0, 1, 2, 3, 4]


def test_what_is_left(data, tmp_path):
    work = tmp_path / "work"
    best = training.train(SMALL, data, work)
    with open(work / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["iteration"]) for row in rows] == [2, 4]
    assert not list(work.glob("model_iter_2.*"))
    sheets = sorted((work / "validation").iterdir())
    assert [sheet.name for sheet in sheets] == ["iteration_000002.png", "iteration_000004.png"]
    told = json.loads((work / "conditions.json").read_text())["conditions"]
    assert told.startswith("4 iterations of 2 crops of 32x32, width 0.0625, Adam from 0.001, fp32")
    stamp = best.stat().st_mtime_ns
    assert training.train(SMALL, data, work).stat().st_mtime_ns == stamp


def test_the_initialisation_from_data_is_what_the_training_starts_from(data, tmp_path):
    plan = SMALL._replace(magic_init=True, iterations=1, validate_every=0)
    training.train(plan, data, tmp_path / "magic")
    start = weights(tmp_path / "magic" / "start.caffemodel")
    trained = weights(tmp_path / "magic" / "best.caffemodel")
    assert 0 < np.abs(start[0] - trained[0]).max() < 0.01  # one step of Adam at 0.001
    training.train(plan._replace(magic_init=False), data, tmp_path / "xavier")
    assert np.abs(start[0] - weights(tmp_path / "xavier" / "best.caffemodel")[0]).max() > 0.01
    told = json.loads((tmp_path / "magic" / "conditions.json").read_text())["conditions"]
    assert "width 0.0625, MagicInit, Adam from 0.001" in told


def test_snapshots_on_the_way_and_after_a_kill(data, tmp_path, monkeypatch):
    """A killed training goes on from a snapshot, of which no more than two are kept."""
    work, plan = tmp_path / "work", SMALL._replace(iterations=60, validate_every=0)
    follow, found, processes = caffe_train._follow, [], []

    class Noted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            processes.append(self)

    def killing(lines, log, bar):
        def watched():
            for line in lines:
                yield line
                found.append(len(list(work.glob("*.solverstate"))))
                if "Iteration 12," in line:
                    processes[-1].kill()

        return follow(watched(), log, bar)

    with monkeypatch.context() as patch:
        patch.setattr(caffe_train, "_follow", killing)
        patch.setattr(subprocess, "Popen", Noted)
        with pytest.raises(TrainingError, match="caffe train failed: ended by SIGKILL"):
            training.train(plan, data, work)
    assert 1 <= max(found) <= 2
    assert 8 <= trained_iterations(work) < 60
    training.train(plan, data, work)
    assert validated(work) == [60]
    assert [path.name for path in work.glob("*.solverstate")] == ["model_iter_60.solverstate"]


@pytest.mark.parametrize("network, batch, iter_size", [("residual", 4, 12), ("plain", 24, 2)])
def test_a_network_says_its_batch(data, tmp_path, network, batch, iter_size):
    plan = Plan(network, 10)
    found = training.write_prototxts(plan, data, tmp_path, None)
    assert (found.batch, found.iter_size) == (batch, iter_size)
    chosen = training.write_prototxts(plan._replace(batch=3, iter_size=5), data, tmp_path, None)
    net = read_message(tmp_path / "train.prototxt", caffe_pb2.NetParameter())
    solver = read_message(tmp_path / "solver.prototxt", caffe_pb2.SolverParameter())
    assert (chosen.batch, net.layer[0].data_param.batch_size) == (3, 3)
    assert (chosen.iter_size, solver.iter_size) == (5, 5)


@pytest.mark.parametrize("every", [2, 4])
def test_an_interrupted_validation_is_made_up_for(data, tmp_path, monkeypatch, every):
    work, plan = tmp_path / "work", SMALL._replace(validate_every=every)

    def interrupt(plan, work, iteration, *rest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "_validate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            training.train(plan, data, work)
    assert latest_state(work) == f"model_iter_{every}.solverstate"
    training.train(plan, data, work)
    assert validated(work) == list(range(every, 5, every))
    assert latest_state(work) == "model_iter_4.solverstate"


def validated(work):
    with open(work / "history.csv", newline="") as file:
        return [int(row["iteration"]) for row in csv.DictReader(file)]


INTERRUPTED = """
import signal, sys
from pathlib import Path
from colorization import caffe_train, training

follow = caffe_train._follow

def interrupting(lines, log, bar):
    def lines_until_it_trains():
        for line in lines:
            yield line
            if "Iteration 3" in line:
                signal.raise_signal(signal.SIGINT)
    caffe_train._follow = follow
    return follow(lines_until_it_trains(), log, bar)

caffe_train._follow = interrupting
plan = training.Plan(**{plan})
training.train(plan, Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_interrupted_in_a_round_caffe_writes_a_snapshot(data, tmp_path):
    work, plan = tmp_path / "work", SMALL._replace(iterations=199, validate_every=0)
    code = INTERRUPTED.replace("{plan}", repr(plan._asdict()))
    done = subprocess.run([sys.executable, "-c", code, data, work], capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT and "KeyboardInterrupt" in done.stderr
    stopped = trained_iterations(work)
    assert 3 <= stopped < 199
    training.train(plan._replace(iterations=stopped + 1), data, work)
    assert validated(work) == [stopped + 1]


@pytest.mark.parametrize(
    "done, trained, end",
    [(0, 0, 40), (40, 40, 80), (0, 40, 40), (40, 60, 80), (80, 80, 100), (80, 100, 100)]
    + [(0, 130, 130)],  # the plan had been longer
)
def test_the_end_of_a_round(done, trained, end):
    rows = [{"iteration": done}] if done else []
    plan = SMALL._replace(iterations=100, validate_every=40)
    assert training._end_of_round(plan, History(rows), trained) == end


@pytest.mark.parametrize("losses, best", [((2.0, 1.0), 4), ((1.0, 2.0), 2)])
def test_the_best_model_is_kept(data, tmp_path, monkeypatch, losses, best):
    models, left = {}, iter(losses)

    def measured(net, model, *rest):
        models[model.name] = model.read_bytes()
        return next(left)

    monkeypatch.setattr(training, "validation_loss", measured)
    result = training.train(SMALL, data, tmp_path / "work")
    assert result.read_bytes() == models[f"model_iter_{best}.caffemodel"]


def history(*losses):
    return History([{"iteration": i, "validation_loss": loss} for i, loss in enumerate(losses, 1)])


@pytest.mark.parametrize(
    "losses, since, over", [((3, 2), 0, False), ((2, 3), 1, False), ((2, 3, 4), 2, True)]
)
def test_patience(losses, since, over):
    found = history(*losses)
    assert found.since_best == since
    assert training._is_over(SMALL._replace(patience=2), found) is over
    assert training._is_over(SMALL, found) is False


def test_the_rate_falls_on_a_plateau():
    plan = SMALL._replace(reduce_after=2)
    assert training._reduced(plan, history(2, 3), 0.1, 0.3) == 0.1
    assert training._reduced(plan, history(2, 3, 4), 0.1, 0.3) == pytest.approx(0.03)
    assert training._reduced(SMALL, history(2, 3, 4), 0.1, 0.3) == 0.1


def test_the_rate_falls_by_the_solvers_gamma(tmp_path):
    assert training._gamma(network_path("plain", "solver.prototxt")) == 0.3
    (tmp_path / "solver.prototxt").write_text("base_lr: 0.1")
    with pytest.raises(TrainingError, match="solver.prototxt: no gamma, by which"):
        training._gamma(tmp_path / "solver.prototxt")


def test_a_missing_prior_is_told(data, tmp_path):
    (data / "train_priors.npy").unlink()
    with pytest.raises(TrainingError, match='caffe train failed: .*layer "weights"'):
        training.train(SMALL, data, tmp_path / "work")

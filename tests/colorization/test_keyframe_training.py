"""Training on keyframes: what is kept, resumed and refused."""

import numpy as np
import pytest

from colorization import keyframe_training
from colorization.caffe_train import TrainingError, losses
from colorization.keyframe_training import Recipe, train
from colorization.network import NetworkError

QUICK = Recipe(iterations=2, batch=2, precision="fp32")


def picture(seed):
    blocks = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
    return np.kron(blocks, np.ones((32, 32, 1))).astype(np.uint8)


@pytest.fixture
def two_keyframes():
    return {n: picture(n) for n in (0, 12)}


def test_training_is_kept_and_done_anew_for_other_keyframes(tmp_path, two_keyframes):
    model = train(two_keyframes, tmp_path / "work", QUICK)
    assert model == tmp_path / "work" / "model_iter_2.caffemodel"
    first = model.read_bytes()
    curve = losses(tmp_path / "work" / "train.log")
    assert [iteration for iteration, _ in curve] == [0] and curve[0][1] > 0
    stamp = model.stat().st_mtime_ns
    assert train(two_keyframes, tmp_path / "work", QUICK).stat().st_mtime_ns == stamp
    two_keyframes[0] = two_keyframes[0][::-1].copy()
    again = train(two_keyframes, tmp_path / "work", QUICK)
    assert again.read_bytes() != first
    log = (tmp_path / "work" / "train.log").read_text()
    assert "Use CPU." in log and 'source: "train_lmdb"' in log


def test_a_training_that_fails_says_why(tmp_path, two_keyframes, monkeypatch):
    monkeypatch.setattr(keyframe_training, "save_prior", lambda path, prior: None)
    with pytest.raises(TrainingError) as caught:
        train(two_keyframes, tmp_path / "work", QUICK)
    assert str(caught.value).startswith(f"{tmp_path}/work/train.log: caffe train failed: ")
    assert 'layer "weights" (Python)' in str(caught.value)


def test_an_unknown_network(tmp_path, two_keyframes):
    with pytest.raises(NetworkError, match='network "plane"'):
        train(two_keyframes, tmp_path / "work", Recipe(network="plane", iterations=2))

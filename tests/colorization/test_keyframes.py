"""Training on keyframes: what is read, kept, resumed and refused."""

import numpy as np
import pytest

from colorization import keyframes
from colorization.images import Picture, read_image, write_image
from colorization.keyframes import KeyframeError, Recipe
from colorization.network import NetworkError
from colorization.training import TrainingError, losses
from colorization.video import write_video

QUICK = Recipe(iterations=2, batch=2, precision="fp32")


def picture(seed, height=48, width=64):
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3))
    return np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)


@pytest.mark.parametrize(
    "name, number", [("frame_0012.png", 12), ("7.jpg", 7), ("shot2_frame-000130.tif", 130)]
)
def test_frame_number(tmp_path, name, number):
    assert keyframes.frame_number(tmp_path / name) == number


def test_a_name_without_a_number(tmp_path):
    with pytest.raises(KeyframeError) as caught:
        keyframes.frame_number(tmp_path / "first.png")
    assert str(caught.value) == (
        f"{tmp_path}/first.png: the name has no frame number, expected one like frame_0012.png"
    )


def test_read_keyframes_sorts_and_resizes(tmp_path):
    write_image(tmp_path / "f_20.png", Picture(picture(1)))
    write_image(tmp_path / "f_3.png", Picture(picture(2, 40, 88).astype(np.uint16) * 257))
    (tmp_path / "notes.txt").write_text("not an image")
    found = keyframes.read_keyframes(keyframes.keyframe_files([tmp_path]))
    assert list(found) == [3, 20]
    assert found[3].shape == (40, 88, 3) and found[3].dtype == np.uint8
    assert abs(found[20].mean() - picture(1).mean()) < 2
    assert abs(found[3].mean() - picture(2, 40, 88).mean()) < 2


def test_large_keyframes_are_made_smaller(tmp_path):
    write_image(tmp_path / "f_1.png", Picture(picture(2, 720, 1088)))
    (image,) = keyframes.read_keyframes([tmp_path / "f_1.png"]).values()
    assert image.shape == (360, 544, 3)


def test_a_frame_given_twice(tmp_path):
    for name in ("a_3.png", "b_03.png"):
        write_image(tmp_path / name, Picture(picture(1)))
    with pytest.raises(KeyframeError, match="b_03.png: frame 3 is given twice"):
        keyframes.read_keyframes(keyframes.keyframe_files([tmp_path]))


def test_an_empty_folder(tmp_path):
    with pytest.raises(KeyframeError, match="no keyframes: give coloured images"):
        keyframes.keyframe_files([tmp_path])


def test_export_frames(tmp_path):
    frames = [np.full((48, 64, 3), 10 * i, np.uint8) for i in range(5)]
    write_video(tmp_path / "clip.mp4", frames, 25)
    files = keyframes.export_frames(tmp_path / "clip.mp4", [3, 0], tmp_path / "keys")
    assert [path.name for path in files] == ["frame_000000.png", "frame_000003.png"]
    assert abs(int(read_image(files[1]).rgb.mean()) - 30) <= 2
    with pytest.raises(KeyframeError, match="has 5 frames, frame 9 is beyond them"):
        keyframes.export_frames(tmp_path / "clip.mp4", [1, 9], tmp_path / "keys")


@pytest.fixture
def two_keyframes():
    return {n: np.kron(picture(n, 64, 64), np.ones((4, 4, 1), np.uint8)) for n in (0, 12)}


def test_training_is_kept_and_done_anew_for_other_keyframes(tmp_path, two_keyframes):
    model = keyframes.train(two_keyframes, tmp_path / "work", QUICK)
    assert model == tmp_path / "work" / "model_iter_2.caffemodel"
    first = model.read_bytes()
    curve = losses(tmp_path / "work" / "train.log")
    assert [iteration for iteration, _ in curve] == [0] and curve[0][1] > 0
    stamp = model.stat().st_mtime_ns
    assert keyframes.train(two_keyframes, tmp_path / "work", QUICK).stat().st_mtime_ns == stamp
    two_keyframes[0] = two_keyframes[0][::-1].copy()
    again = keyframes.train(two_keyframes, tmp_path / "work", QUICK)
    assert again.read_bytes() != first
    log = (tmp_path / "work" / "train.log").read_text()
    assert "Use CPU." in log and 'source: "train_lmdb"' in log


def test_a_training_that_fails_says_why(tmp_path, two_keyframes, monkeypatch):
    monkeypatch.setattr(keyframes, "save_prior", lambda path, prior: None)
    with pytest.raises(TrainingError) as caught:
        keyframes.train(two_keyframes, tmp_path / "work", QUICK)
    assert str(caught.value).startswith(f"{tmp_path}/work/train.log: caffe train failed: ")
    assert 'layer "weights" (Python)' in str(caught.value)


def test_an_unknown_network(tmp_path, two_keyframes):
    with pytest.raises(NetworkError, match='network "plane"'):
        keyframes.train(two_keyframes, tmp_path / "work", Recipe(network="plane", iterations=2))

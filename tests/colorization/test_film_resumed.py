"""Colouring a film that goes on after an interruption gives what an uninterrupted run gives."""

from contextlib import nullcontext

import cv2
import numpy as np
import pytest
from tiny_network import write_tiny_network

from colorization import batch, film_parts
from colorization.batch import colour_film, warm_up
from colorization.finishing import Finish
from colorization.inference import Colorizer
from colorization.inputs import Job
from colorization.video import Quality, VideoError, open_video, write_video

H, W = 36, 52
COUNT, STOP, DONE = 76, 73, 70  # frames: of the film, before the interruption, in whole parts
BATCH = 4
BEGUN = 4  # the last frame with which a batch begins that is 64 frames or more before DONE
MADE_BY = {"network": "tiny"}


@pytest.fixture(autouse=True)
def parts_of_ten_frames(monkeypatch):
    monkeypatch.setattr(film_parts, "FRAMES", 10)


@pytest.fixture(scope="module")
def colorizer(tmp_path_factory):
    return Colorizer(write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny"))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A camera that moves over a scene, and cuts to another after 40 frames."""
    path = tmp_path_factory.mktemp("films") / "in.mkv"
    scenes = [scene(seed) for seed in (1, 2)]
    offsets = [(t * 3 // 4, t // 2) for t in range(COUNT)]
    grey = [scenes[t >= 40][y : y + H, x : x + W] for t, (x, y) in enumerate(offsets)]
    write_video(path, (np.dstack([plane] * 3) for plane in grey), 25)
    return path


def scene(seed):
    noise = np.random.default_rng(seed).normal(size=(H + COUNT, W + COUNT))
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip(smooth / smooth.std() * 50 + 128, 0, 255).astype(np.uint8)


@pytest.fixture
def written(monkeypatch):
    """Note the frames that come to the encoder, in {pts: RGB}."""
    frames, write = {}, film_parts.ResumableWriter.write

    def noting(self, frame, pts):
        write(self, frame, pts)
        frames[pts] = frame

    monkeypatch.setattr(film_parts.ResumableWriter, "write", noting)
    return frames


def colour(film, target, colorizer, stop=None, **options):
    """Colour the film, or as far as frame `stop`; return what is told of going on."""
    told = []
    write = film_parts.ResumableWriter.write

    def stopping(self, frame, pts):
        if self._count == stop:
            raise KeyboardInterrupt
        write(self, frame, pts)

    def watch(frames):
        told.append(frames.skipped)
        return frames

    options = {"made_by": MADE_BY, "goes_on": told.append, **options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(film_parts.ResumableWriter, "write", stopping)
        with nullcontext() if stop is None else pytest.raises(KeyboardInterrupt):
            colour_film(Job(film, target), colorizer, BATCH, Quality(16), watch, **options)
    return told


def test_the_rest_of_a_film_is_identical_without_memory(tmp_path, film, colorizer, written):
    assert colour(film, tmp_path / "whole.mp4", colorizer) == [0]
    expected = dict(written)
    assert len(expected) == COUNT
    written.clear()
    assert colour(film, tmp_path / "out.mp4", colorizer, STOP) == [0]
    assert len(written) == STOP
    assert colour(film, tmp_path / "out.mp4", colorizer) == [DONE, DONE // BATCH * BATCH]
    assert all(np.array_equal(written[pts], expected[pts]) for pts in expected)
    with open_video(tmp_path / "out.mp4") as result:
        assert len(list(result)) == COUNT


@pytest.mark.parametrize(
    ("refinement", "strength"), [(None, 0.85), ("growing", 0), ("felzenszwalb", 0.85)]
)
def test_the_rest_of_a_film_is_alike_with_memory(
    tmp_path, film, colorizer, written, refinement, strength
):
    options = {"finish": Finish(refinement=refinement), "strength": strength}
    colour(film, tmp_path / "whole.mp4", colorizer, **options)
    expected = dict(written)
    colour(film, tmp_path / "out.mp4", colorizer, STOP, **options)
    written.clear()
    assert colour(film, tmp_path / "out.mp4", colorizer, **options) == [DONE, BEGUN]
    assert list(written) == list(expected)[DONE:]
    assert max(np.abs(written[pts].astype(int) - expected[pts]).max() for pts in written) <= 1
    with open_video(tmp_path / "out.mp4") as result:
        assert len(list(result)) == COUNT


def test_without_the_warm_up_it_would_not_be(tmp_path, monkeypatch, film, colorizer, written):
    colour(film, tmp_path / "whole.mp4", colorizer, strength=0.85)
    expected = dict(written)
    monkeypatch.setattr(batch, "warm_up", lambda *_: 0)
    colour(film, tmp_path / "out.mp4", colorizer, STOP, strength=0.85)
    colour(film, tmp_path / "out.mp4", colorizer, strength=0.85)
    assert max(np.abs(written[pts].astype(int) - expected[pts]).max() for pts in written) > 1


def test_another_strength_begins_anew(tmp_path, film, colorizer):
    target = tmp_path / "out.mp4"
    assert colour(film, target, colorizer, STOP, strength=0) == [0]
    assert colour(film, target, colorizer, STOP, strength=0.5) == [0]
    assert colour(film, target, colorizer, STOP, strength=0.5) == [DONE, BEGUN]


def test_without_a_making_an_interruption_leaves_nothing(tmp_path, film, colorizer):
    colour(film, tmp_path / "out.mp4", colorizer, STOP, made_by=None)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_film_leaves_nothing(tmp_path, film, colorizer):
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(film.read_bytes()[: film.stat().st_size * 3 // 5])
    with pytest.raises(VideoError, match="broken.mkv: the file is cut off at "):
        colour(broken, tmp_path / "out.mp4", colorizer)
    assert list(tmp_path.iterdir()) == [broken]


@pytest.mark.parametrize(
    ("refinement", "strength", "frames"),
    [
        (None, 0, 0),
        ("guided", 0, 0),
        ("growing", 0, 64),
        (None, 0.85, 64),
        (None, 0.99, 688),
        ("growing", 0.2, 64),
    ],
)
def test_the_warm_up_covers_what_is_remembered(refinement, strength, frames):
    assert warm_up(Finish(refinement=refinement), strength) == frames
    assert strength ** max(frames, 1) <= 0.001

"""The flow of many files through few."""

import threading
from concurrent.futures import Future
from contextlib import nullcontext

import numpy as np
import pytest
from tiny_network import write_tiny_network

from colorization import pipeline
from colorization.batch import colour_images, coloured_frames
from colorization.colour import sRGB_to_Lab
from colorization.finishing import Finish
from colorization.images import ImageError, Picture, write_image
from colorization.inference import Colorizer, lightness
from colorization.inputs import Job


@pytest.fixture(scope="module")
def colorizer(tmp_path_factory):
    return Colorizer(
        write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny"), size=(24, 32)
    )


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_images_come_in_order_with_their_errors(tmp_path, colorizer):
    jobs = [Job(tmp_path / f"{i}.png", tmp_path / "out" / f"{i}.png") for i in range(30)]
    for i, job in enumerate(jobs):
        if i % 7 == 3:
            job.source.write_text("no image")
        else:
            write_image(job.source, Picture(noise(i, 20 + i, 40 - i, 3)))
    results = list(colour_images(jobs, colorizer, batch=4))
    assert [job for job, _ in results] == jobs
    for i, (job, error) in enumerate(results):
        assert isinstance(error, ImageError) if i % 7 == 3 else error is None
        assert job.target.exists() == (i % 7 != 3)


@pytest.mark.parametrize("finish", [None, Finish("joint_bilateral", "growing")])
@pytest.mark.parametrize("strength", [0, 0.8])
def test_steadied_and_refined_frames_come_in_order(colorizer, finish, strength):
    frames = [(noise(i, 21, 33, 3), 10 * i) for i in range(20)]
    results = list(coloured_frames(frames, colorizer, 3, finish, strength))
    assert [pts for _, pts in results] == [pts for _, pts in frames]
    own = np.stack([lightness(frame) for frame, _ in frames])
    nearest = [np.abs(own - lightness(rgb)).mean(axis=(1, 2)).argmin() for rgb, _ in results]
    assert nearest == list(range(20))


def test_the_strength_steadies(colorizer):
    """Frames of one picture whose noise makes the network change its mind."""
    still = np.kron(noise(5, 7, 11, 3), np.ones((3, 3, 1), np.uint8))
    shaken = [
        np.clip(still + np.random.default_rng(i).normal(0, 9, still.shape), 0, 255)
        for i in range(12)
    ]
    frames = [(frame.astype(np.uint8), i) for i, frame in enumerate(shaken)]

    def change(strength):
        results = [
            sRGB_to_Lab(rgb / np.float32(255))[..., 1:]
            for rgb, _ in coloured_frames(frames, colorizer, 4, strength=strength)
        ]
        return np.mean([np.abs(b - a).mean() for a, b in zip(results, results[1:])])

    assert change(0.85) < 0.7 * change(0)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_frames_come_in_order_whatever_the_batch(colorizer, size):
    frames = [(noise(i, 21, 33, 3), 10 * i) for i in range(20)]
    results = list(coloured_frames(frames, colorizer, size))
    assert [pts for _, pts in results] == [pts for _, pts in frames]
    for (result, _), (frame, _) in zip(results, frames):
        assert np.abs(result.astype(int) - colorizer(frame)).max() <= 1


def test_few_frames_are_in_memory(colorizer):
    """What was read and has not come out yet is bounded, however long the film is."""
    read, furthest = 0, 0

    def frames():
        nonlocal read
        for i in range(300):
            read += 1
            yield noise(1, 21, 33, 3), i

    for written, _ in enumerate(coloured_frames(frames(), colorizer, 4)):
        furthest = max(furthest, read - written)
    assert read == 300
    assert furthest <= 4 * 4 + pipeline.ITEMS_AHEAD + pipeline.WORKERS


class Immediately:
    """A pool whose work is done when it is submitted."""

    def submit(self, work, *arguments):
        future = Future()
        future.set_result(work(*arguments))
        return future


def test_large_images_are_not_read_far_ahead(monkeypatch):
    """PIXELS_AHEAD wait, PIXELS_AHEAD are a batch, and one image was found not to fit into it."""
    monkeypatch.setattr(pipeline, "PIXELS_AHEAD", 2 * 21 * 33)
    monkeypatch.setattr(pipeline, "workers", lambda: nullcontext(Immediately()))
    plane = np.zeros((21, 33), np.float32)
    read, coloured, held = 0, 0, []

    def items():
        nonlocal read
        for i in range(20):
            read += 1
            yield i

    class Network:
        at_once = 1

        def predict(self, seen):
            nonlocal coloured
            held.append(read - coloured)
            coloured += len(seen)
            return seen

    def load(i):
        return pipeline.Seen(plane, plane, i)

    results = list(pipeline.flow(items(), load, Network(), 8))
    assert [done.result()[0].rest for _, done in results] == list(range(20))
    assert max(held) == 2 + 2 + 1


def test_images_of_their_own_sizes(tmp_path, colorizer):
    jobs = [Job(tmp_path / f"{i}.png", tmp_path / "out" / f"{i}.png") for i in range(6)]
    for i, job in enumerate(jobs):
        write_image(job.source, Picture(noise(i, (20, 24)[i % 2], 28, 3)))
    own = Colorizer(colorizer.network.deploy, size=None)
    assert [error for _, error in colour_images(jobs, own, batch=3)] == [None] * 6


def test_leaving_early_stops_the_workers(colorizer):
    frames = ((noise(i, 21, 33, 3), i) for i in range(1000))
    flow = coloured_frames(frames, colorizer, 4)
    next(flow)
    flow.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def test_an_error_of_the_film_comes_out(colorizer):
    def frames():
        yield noise(1, 21, 33, 3), 0
        raise ImageError("broken")

    with pytest.raises(ImageError, match="broken"):
        list(coloured_frames(frames(), colorizer, 4))

"""The command colorize_film: a film from grey to colour, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from colorization.images import Picture, write_image
from colorization.video import open_video, write_video

SCRIPT = Path(__file__).parents[2] / "scripts" / "colorize_film.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def clip(tmp_path):
    rng = np.random.default_rng(1)
    scene = np.kron(rng.integers(0, 256, (6, 10)), np.ones((16, 16))).astype(np.uint8)
    frames = [np.repeat(np.roll(scene, 3 * i, 1)[:, :, None], 3, 2) for i in range(6)]
    write_video(tmp_path / "clip.mp4", frames, 12)
    return tmp_path / "clip.mp4"


def test_export_then_colour(clip, tmp_path):
    keys = tmp_path / "keys"
    result = run(clip, "--export", "0,5", "--keyframes", keys)
    assert (result.returncode, result.stdout) == (0, f"2 frames to colour in {keys}\n")
    for path in keys.iterdir():
        write_image(path, Picture(np.full((96, 160, 3), (200, 90, 40), np.uint8)))
    output = tmp_path / "out.mp4"
    arguments = [clip, "--keyframes", keys, "--output", output, "--iterations", 4]
    arguments += ["--batch", 2, "--precision", "fp32", "--size", 64]
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    assert f"{output}: coloured from 2 keyframes" in result.stdout
    with open_video(output) as film:
        frames = [frame for frame, _ in film]
        assert film.rate == 12
    assert len(frames) == 6 and frames[0].shape == (96, 160, 3)
    assert np.ptp(frames[3].astype(int), axis=2).max() > 8
    assert (tmp_path / "clip.work" / "model_iter_4.caffemodel").is_file()
    assert (tmp_path / "clip.work" / "sources.csv").is_file()


def test_colours_along_the_motion_need_no_training(clip, tmp_path):
    keys = tmp_path / "keys"
    assert run(clip, "--export", "0", "--keyframes", keys).returncode == 0
    colours = np.full((96, 160, 3), (200, 90, 40), np.uint8)
    write_image(keys / "frame_000000.png", Picture(colours))
    result = run(clip, "--keyframes", keys, "--colours", "motion", "--refine", "guided")
    assert result.returncode == 0, result.stderr
    assert "from the keyframe before, 0% from the keyframe after, 0% from the network" in (
        result.stdout
    )
    rows = (tmp_path / "clip.work" / "sources.csv").read_text().splitlines()
    assert rows[0].startswith("frame,shot,keyframe,before,after,network,uncertain")
    assert len(rows) == 7 and rows[1].startswith("0,0,1,1.0")
    assert not list((tmp_path / "clip.work").glob("*.caffemodel"))
    with open_video(tmp_path / "clip_coloured.mp4") as film:
        frames = [frame for frame, _ in film]
    assert all(np.ptp(frame.astype(int), axis=2).mean() > 40 for frame in frames)


@pytest.mark.parametrize(
    "break_it, message",
    [
        ("clip", "colorize_film: {clip}: the file is empty\n"),
        ("keys", "colorize_film: no keyframes: give coloured images, or folders that hold some\n"),
        ("name", "colorize_film: {keys}/first.png: the name has no frame number, expected one"),
        ("picture", "colorize_film: {keys}/f_1.png: not an image of a known format\n"),
    ],
)
def test_refusals_are_one_line(clip, tmp_path, break_it, message):
    keys = tmp_path / "keys"
    keys.mkdir()
    if break_it == "clip":
        clip.write_bytes(b"")
    if break_it == "name":
        write_image(keys / "first.png", Picture(np.zeros((8, 9, 3), np.uint8)))
    if break_it == "picture":
        (keys / "f_1.png").write_text("no picture")
    result = run(clip, "--keyframes", keys)
    assert result.returncode == 1
    assert result.stderr.startswith(message.format(clip=clip, keys=keys))
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "clip_coloured.mp4").exists()


def test_wrong_usage(clip):
    assert run(clip).returncode == 2
    result = run(clip, "--keyframes", "k", "--export", "one")
    assert result.returncode == 2 and 'expected numbers like 0,40,80, got "one"' in result.stderr

"""process_images goes on in the middle of a film: after Ctrl-C, and after kill -9."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from module_from_file import load_module
from tiny_network import write_tiny_network

from colorization import film_parts
from colorization.video import open_video, write_video

SCRIPT = Path(__file__).parents[2] / "scripts" / "process_images.py"
H, W, COUNT = 20, 30, 24
KILLED = """
import os, runpy, signal, sys
from colorization import film_parts
write, film_parts.FRAMES = film_parts.ResumableWriter.write, 5

def killed(self, frame, pts):
    write(self, frame, pts)
    if self._count == 13:
        os.kill(os.getpid(), signal.SIGKILL)

film_parts.ResumableWriter.write = killed
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return str(write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny"))


@pytest.fixture
def command(tmp_path, monkeypatch, network):
    """Work in a folder with a film; parts have five frames."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(film_parts, "FRAMES", 5)
    noise = np.random.default_rng(3).integers(0, 256, (COUNT, H, W, 1), np.uint8)
    write_video("film.mp4", noise.repeat(3, axis=3), 25)
    return ["film.mp4", "--network", network, "--output", "out", "--batch", "2"]


def times(path):
    with open_video(path) as film:
        return [pts for _, pts in film]


def interrupted(main, command, frame=13):
    """Run the command as far as a frame, and press Ctrl-C."""
    write = film_parts.ResumableWriter.write

    def interrupting(self, *frame_and_pts):
        if self._count == frame:
            raise KeyboardInterrupt  # as Ctrl-C does; a signal would reach a later frame at times
        write(self, *frame_and_pts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(film_parts.ResumableWriter, "write", interrupting)
        return main(command)


@pytest.mark.parametrize("temporal", ["0", "0.85"])
def test_after_an_interruption_a_film_goes_on(main, command, capsys, temporal):
    command = [*command, "--temporal", temporal]
    assert interrupted(main, command) == 130
    assert [path.name for path in Path("out").iterdir()] == [".film.mp4.parts"]
    capsys.readouterr()
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1:] == [
        "film.mp4: goes on at frame 10",
        "1 coloured, 0 skipped, 0 failed",
    ]
    assert err == ""
    assert [path.name for path in Path("out").iterdir()] == ["film.mp4"]
    assert main([*command, "--output", "whole"]) == 0
    assert times("out/film.mp4") == times("whole/film.mp4")
    assert len(times("out/film.mp4")) == COUNT


def test_after_a_kill_a_film_goes_on(main, command, capsys):
    code = [sys.executable, "-c", KILLED, str(SCRIPT), *command]
    killed = subprocess.run(code, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert not Path("out/film.mp4").exists()
    assert main(command) == 0
    assert "film.mp4: goes on at frame 10\n" in capsys.readouterr().out
    assert times("out/film.mp4") == times("film.mp4")


@pytest.mark.parametrize(
    "option",
    [
        ("--decode", "mode"),
        ("--size", "48"),
        ("--upsample", "joint_bilateral"),
        ("--refine", "guided"),
        ("--crf", "20"),
        ("--depth", "10"),
        ("--temporal", "0.5"),
        ("--ensemble", "plain_quarter"),
        ("--seed", "1"),
        ("--batch", "3"),
    ],
)
def test_other_options_begin_anew(main, command, capsys, option):
    assert interrupted(main, command) == 130
    capsys.readouterr()
    assert interrupted(main, [*command, *option]) == 130
    assert ("goes on" in capsys.readouterr().out) == (option[0] == "--batch")


def test_other_weights_begin_anew(main, command, capsys, tmp_path):
    write_tiny_network(tmp_path / "other", seed=8)
    assert interrupted(main, command) == 130
    weights = ["--weights", str(tmp_path / "other" / "other.caffemodel")]
    assert interrupted(main, [*command, *weights]) == 130
    assert "goes on" not in capsys.readouterr().out

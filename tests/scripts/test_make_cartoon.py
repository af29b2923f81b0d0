"""The command make_cartoon: films, records, going on after an interruption, wrong usage."""

import json
from pathlib import Path

import numpy as np
import pytest
from module_from_file import load_module

from colorization.video import open_video

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_cartoon.py"
QUICK = ("--size", "96x72", "--seconds-per-episode", "2.2", "--workers", "2")


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_films_records_and_going_on(main, tmp_path, capsys):
    folder = tmp_path / "cartoon"
    assert main([str(folder), "--episodes", "2,12", *QUICK]) == 0
    assert capsys.readouterr().out == f"{folder}: 2 episodes drawn, 0 kept\n"
    names = ["episode_02.json", "episode_02.mp4", "episode_12.json", "episode_12.mp4"]
    assert sorted(stamps(folder)) == names

    record = json.loads((folder / "episode_12.json").read_text())
    frames = record.pop("frames")
    assert record == {
        "title": "A Noise at Night",
        "number": 12,
        "seed": 0,
        "seconds": 2.2,
        "width": 96,
        "height": 72,
        "rate": 25,
    }
    assert len(frames) == 55
    assert {tuple(frame) for frame in frames} == {("shot", "credits", "fade", "held", "cut")}
    with open_video(folder / "episode_12.mp4") as film:
        pictures = [picture for picture, _ in film]
        assert film.rate == 25
    assert len(pictures) == 55 and pictures[0].shape == (72, 96, 3)
    blue = [np.median(picture[:, :, 2]) > 8 * np.median(picture[:, :, 0]) for picture in pictures]
    assert blue == [frame["credits"] for frame in frames]

    before = stamps(folder)
    (folder / "episode_02.json").unlink()
    assert main([str(folder), "--episodes", "2,12", *QUICK]) == 0
    assert capsys.readouterr().out == f"{folder}: 1 episodes drawn, 1 kept\n"
    after = stamps(folder)
    assert sorted(after) == names
    changed = {name for name in names if after[name] != before[name]}
    assert changed == {"episode_02.json", "episode_02.mp4"}

    other = [str(folder), "--episodes", "12", "--seed", "3", *QUICK]
    assert main(other) == 1
    message = "made with seed 0, asked for 3; --overwrite replaces it"
    assert capsys.readouterr().err == f"make_cartoon: {folder}/episode_12.json: {message}\n"
    assert stamps(folder) == after
    assert main([*other, "--overwrite"]) == 0
    assert json.loads((folder / "episode_12.json").read_text())["seed"] == 3


def test_a_foreign_record_is_left_alone(main, tmp_path, capsys):
    for name in ("episode_01.mp4", "episode_01.json"):
        (tmp_path / name).write_text("mine")
    assert main([str(tmp_path), "--episodes", "1", *QUICK]) == 1
    message = f"make_cartoon: {tmp_path}/episode_01.json: not the record of an episode"
    assert capsys.readouterr().err.startswith(message)
    assert (tmp_path / "episode_01.json").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--episodes", "0-3"], "argument --episodes: '0-3': there are episodes 1 to 13"),
        (["--episodes", "3-1"], "argument --episodes: '3-1': there are episodes 1 to 13"),
        (["--episodes", "two"], "argument --episodes: 'two': expected episodes such as 1,3-5"),
        (["--size", "704"], "argument --size: '704': expected width x height, such as 704x528"),
        (
            ["--seconds-per-episode", "1"],
            "argument --seconds-per-episode: 1: expected 2 to 3600 seconds",
        ),
        (["--seed", "-1"], 'argument --seed: expected a whole number, 0 or more, got "-1"'),
        (["--workers", "0"], 'argument --workers: expected a whole number above 0, got "0"'),
    ],
)
def test_wrong_usage_is_one_line(main, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as error:
        main([str(tmp_path), *arguments])
    assert error.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"make_cartoon: error: {message}"

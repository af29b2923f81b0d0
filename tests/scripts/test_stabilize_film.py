"""The command stabilize_film: less flicker in the same film, and what it refuses."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from module_from_file import load_module

from colorization import film_parts
from colorization.video import VideoWriter, open_video, write_video
from colorization.warping_error import warping_errors

SCRIPT = Path(__file__).parents[2] / "scripts" / "stabilize_film.py"
TIMES = [0, 1, 2, 4, 5, 6, 8, 9]


@pytest.fixture
def command():
    return load_module(SCRIPT)


@pytest.fixture
def run(command, capsys):
    """Run the command in this process; return its exit code, output and errors."""

    def call(*arguments):
        try:
            code = command.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def film(tmp_path):
    """A pan over a picture, each second frame of which is bluer."""
    noise = np.random.default_rng(1).random((48, 120), np.float32)
    grey = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 60, 180, cv2.NORM_MINMAX)
    path = tmp_path / "film.mkv"
    with VideoWriter(path, rate=Fraction(12)) as writer:
        for i, pts in enumerate(TIMES):
            view = grey[:, 2 * i : 2 * i + 64]
            frame = np.dstack((view + 20, view, view - 20 + 50 * (i % 2)))
            writer.write(frame.clip(0, 255).astype(np.uint8), pts)
    return path


def test_a_film_is_steadied(film, tmp_path):
    output = tmp_path / "out.mkv"
    arguments = [sys.executable, SCRIPT, film, "--output", output, "--report"]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first == f"{output}: steadied"
    words = second.replace(",", "").split()
    before, after, floor = float(words[2]), float(words[4]), float(words[-1])
    assert second.startswith("E_warp before ") and floor < after < before / 2
    np.testing.assert_allclose(warping_errors([film, output], film), (before, after), rtol=1e-3)
    with open_video(film) as old, open_video(output) as new:
        frames, times = zip(*new)
        assert [t * new.time_base for t in times] == [pts * old.time_base for _, pts in old]
        assert new.rate == old.rate
    assert frames[0].shape == (48, 64, 3)


def test_the_default_output_lies_beside_the_film(film, run):
    code, output, _ = run(film, "--strength", 0)
    assert (code, output) == (0, f"{film.parent}/film_steady.mkv: steadied\n")
    assert (film.parent / "film_steady.mkv").is_file()


@pytest.mark.parametrize(
    "case, message",
    [
        ("empty", "{film}: the file is empty\n"),
        ("missing", "{film}: No such file or directory\n"),
        ("no film", "{film}: cannot be read as a film: "),
        ("itself", "{film} is the input and would be replaced: choose an --output\n"),
        ("suffix", "{folder}/out.gif: films are written as .m4v, .mkv, .mov, .mp4, .webm\n"),
        ("there", "{folder}/out.mkv: exists; choose another --output, or give --overwrite\n"),
    ],
)
def test_refusals_are_one_line(film, run, case, message):
    output = {"itself": film, "suffix": film.with_name("out.gif")}.get(
        case, film.with_name("out.mkv")
    )
    if case == "empty":
        film.write_bytes(b"")
    if case == "missing":
        film.unlink()
    if case == "no film":
        film.write_text("no film")
    if case == "there":
        output.write_text("another film")
    files = {path: path.read_bytes() for path in film.parent.iterdir()}
    code, printed, errors = run(film, "--output", output)
    assert (code, printed) == (2 if case in ("itself", "there") else 1, "")
    message = "stabilize_film: " + message.format(film=film, folder=film.parent)
    assert errors.startswith(message) and errors.count("\n") == 1
    assert {path: path.read_bytes() for path in film.parent.iterdir()} == files


def test_a_deep_film_stays_deep(film, run):
    """Also beside a .webm, which cannot be deep."""
    deep, webm = film.with_name("deep.mkv"), film.with_name("film.webm")
    assert run(film, "--output", deep, "--depth", 10)[0] == 0
    write_video(webm, [np.full((16, 16, 3), 90, np.uint8)] * 2, 25)
    code, printed, _ = run(webm, "--depth", 10)
    assert (code, printed) == (0, f"{film.parent}/film_steady.mkv: steadied\n")
    for path in (deep, film.with_name("film_steady.mkv")):
        with open_video(path) as result:
            assert result.bits == 10


def test_an_output_is_replaced_where_that_is_asked_for(film, run):
    output = film.with_name("film_steady.mkv")
    output.write_text("another film")
    assert run(film, "--overwrite")[0] == 0
    with open_video(output) as written:
        assert len(list(written)) == len(TIMES)


def test_a_film_of_one_frame_has_no_flicker(tmp_path, run):
    write_video(tmp_path / "one.mkv", [np.full((48, 64, 3), 90, np.uint8)], 12)
    code, output, _ = run(tmp_path / "one.mkv", "--report")
    assert code == 0 and output.splitlines()[1:] == ["a film of one frame has no flicker"]


def test_a_cut_off_film_leaves_nothing(film, run):
    film.write_bytes(film.read_bytes()[:-900])
    code, _, errors = run(film, "--output", film.with_name("out.mkv"))
    assert code == 1 and f"stabilize_film: {film}: " in errors.splitlines()[-1]
    assert [path.name for path in film.parent.iterdir()] == ["film.mkv"]


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--strength", "1", 'expected a number from 0 to below 1, got "1"'),
        ("--strength", "nan", 'expected a number from 0 to below 1, got "nan"'),
        ("--strength", "much", 'expected a number from 0 to below 1, got "much"'),
        ("--ahead", "-2", 'expected a whole number, 0 or more, got "-2"'),
    ],
)
def test_wrong_usage(film, run, option, value, message):
    code, _, errors = run(film, f"{option}={value}")
    assert code == 2 and message in errors


def test_an_interruption_is_told(film, run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("colorization.temporal.steady_frames", interrupted)
    code, _, errors = run(film)
    last = "interrupted; the same command goes on where this one stopped"
    assert (code, errors.splitlines()[-1]) == (130, last)
    assert [path.name for path in film.parent.iterdir()] == ["film.mkv"]


def test_after_an_interruption_it_goes_on(film, run, monkeypatch, tmp_path):
    monkeypatch.setattr(film_parts, "FRAMES", 3)
    whole, output = tmp_path / "whole.mkv", tmp_path / "out.mkv"
    assert run(film, "--output", whole)[0] == 0
    write, times = film_parts.ResumableWriter.write, []

    def interrupted_at_5(writer, frame, pts):
        times.append(pts)
        if len(times) == 5:
            raise KeyboardInterrupt
        write(writer, frame, pts)

    with monkeypatch.context() as patch:
        patch.setattr(film_parts.ResumableWriter, "write", interrupted_at_5)
        assert run(film, "--output", output)[0] == 130
    assert not output.exists()
    code, out, _ = run(film, "--output", output)
    assert code == 0 and f"{film}: goes on at frame 3" in out
    with open_video(whole) as expected, open_video(output) as result:
        for (frame, pts), (other, time) in zip(expected, result, strict=True):
            assert pts == time
            assert np.abs(frame.astype(int) - other).max() <= 1

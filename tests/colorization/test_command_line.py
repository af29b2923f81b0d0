import signal
import subprocess
import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from threading import Thread

import pytest

from colorization.command_line import (
    above_zero,
    add_device_options,
    failure,
    positive,
    preparing,
    run,
    share,
    whole,
)
from colorization.errors import ColorizationError, UsageError, one_line
from colorization.images import ImageError
from colorization.inputs import InputError
from colorization.network import NetworkError
from colorization.video import VideoError


def stopped_by(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    "error, code, line",
    [
        (UsageError("--this: is not for --that"), 2, "paint: --this: is not for --that"),
        (InputError("a: no such file"), 2, "paint: a: no such file"),
        (NetworkError("b: no weights"), 2, "paint: b: no weights"),
        (VideoError("c.mp4: is\n empty"), 1, "paint: c.mp4: is empty"),
        (ColorizationError(""), 1, "paint: ColorizationError"),
        (FileNotFoundError(2, "No such file", "d.csv"), 1, "paint: d.csv: No such file"),
        (OSError(28, "No space left"), 1, "paint: No space left"),
        (OSError("odd"), 1, "paint: odd"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on where this one stopped"),
    ],
)
def test_what_stops_a_command_is_told_in_one_line(error, code, line, capsys):
    assert run("paint", stopped_by(error)) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{line}\n")


def test_a_command_that_is_not_stopped_has_its_own_code(capsys):
    assert [run("paint", lambda code=code: code) for code in (0, 1)] == [0, 1]
    assert capsys.readouterr() == ("", "")


def test_errors_that_nobody_expects_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run("paint", lambda: 1 // 0)


def test_the_word_for_an_interruption_is_the_commands_own(capsys):
    assert run("paint", stopped_by(KeyboardInterrupt()), "nothing is written") == 130
    assert capsys.readouterr().err == "interrupted; nothing is written\n"


def test_a_command_that_is_terminated_ends_as_if_interrupted():
    program = (
        "import time\nfrom colorization.command_line import run\n"
        "def work():\n    print('begun', flush=True)\n    time.sleep(60)\n"
        "raise SystemExit(run('paint', work))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=50)
    assert process.returncode == 130
    assert errors == "interrupted; the same command goes on where this one stopped\n"


def test_signals_are_as_before_when_a_command_has_ended():
    before = signal.getsignal(signal.SIGTERM)
    within = []
    run("paint", lambda: within.append(signal.getsignal(signal.SIGTERM)) or 0)
    assert within == [signal.default_int_handler]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_runs_in_any_thread():
    codes = []
    thread = Thread(target=lambda: codes.append(run("paint", lambda: 7)))
    thread.start()
    thread.join()
    assert codes == [7]


@pytest.mark.parametrize("kind", [ValueError, ImageError, NetworkError])
def test_what_is_refused_before_the_work_is_wrong_usage(kind):
    with pytest.raises(UsageError, match="^mean: expected RGB$"), preparing():
        raise kind("mean: expected RGB")


def test_failures_name_their_file_once():
    source = Path("a.png")
    assert failure(source, ImageError("a.png: is empty")) == "a.png: is empty"
    assert failure(source, MemoryError("no\nmemory")) == "a.png: no memory"
    assert one_line(KeyError()) == "KeyError"


def test_devices():
    parser = ArgumentParser()
    add_device_options(parser)
    assert parser.parse_args(["--gpu", "3"]).gpu == 3
    assert parser.parse_args(["--cpu"]).gpu is None
    with pytest.raises(SystemExit):
        parser.parse_args(["--cpu", "--gpu", "0"])


@pytest.mark.parametrize(
    "kind, good, bad",
    [
        (whole, {"0": 0, "12": 12}, ["-1", "1.5", "x", ""]),
        (positive, {"1": 1, "12": 12}, ["0", "-1", "x"]),
        (share, {"0": 0.0, "0.85": 0.85}, ["1", "-0.1", "nan", "x"]),
        (above_zero, {"0.25": 0.25, "3": 3.0}, ["0", "inf", "nan", "-1"]),
    ],
)
def test_numbers(kind, good, bad):
    assert {text: kind(text) for text in good} == good
    for text in bad:
        with pytest.raises(ArgumentTypeError, match=f'got "{text}"$'):
            kind(text)

"""The log's format, levels and progress bar."""

import io
import re
import subprocess
import sys
import threading

import pytest

import caffe
from caffe import log

LINE = re.compile(r"([IWEF])(\d{4} \d\d:\d\d:\d\d\.\d{6}) +(\d+) ([\w.]+:\d+)\] (.*)\n")


@pytest.fixture(autouse=True)
def level():
    log.init_log(log.INFO)


def test_line_has_glogs_prefix(capsys):
    log.info("net.cpp:382", "data -> data")
    match = LINE.fullmatch(capsys.readouterr().err)
    assert match[1] == "I"
    assert match[3] == str(threading.get_native_id())
    assert (match[4], match[5]) == ("net.cpp:382", "data -> data")


def test_short_thread_ids_are_padded(capsys, monkeypatch):
    monkeypatch.setattr(threading, "get_native_id", lambda: 42)
    log.info("a.cpp:1", "x")
    assert re.search(r"\.\d{6}    42 a\.cpp:1\] x\n$", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("function", "letter"),
    [(log.info, "I"), (log.warning, "W"), (log.error, "E"), (log.fatal, "F")],
)
def test_severity_is_the_first_letter(function, letter, capsys):
    function("a.cpp:1", "x")
    assert capsys.readouterr().err.startswith(letter)


def test_a_message_that_ends_its_line_gets_no_empty_one(capsys):
    log.info("a.cpp:1", "parameters: \nname: 1\n")
    assert capsys.readouterr().err.endswith("parameters: \nname: 1\n")
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("level", "shown"), [(0, "IWEF"), (1, "WEF"), (2, "EF"), (3, "F"), (4, "F")]
)
def test_level_hides_what_is_below_but_never_why_the_process_ends(level, shown, capsys):
    log.init_log(level)
    for function in (log.info, log.warning, log.error, log.fatal):
        function("a.cpp:1", "x")
    assert "".join(line[0] for line in capsys.readouterr().err.splitlines()) == shown


def test_without_stderr_only_errors_are_shown(capsys):
    log.init_log(0, False)
    log.warning("a.cpp:1", "x")
    log.error("a.cpp:1", "y")
    assert capsys.readouterr().err.endswith("a.cpp:1] y\n")


@pytest.mark.parametrize(("value", "level"), [("2", 2), ("0", 0), ("", 0), ("loud", 0)])
def test_environment_gives_the_level_that_init_log_does_not(value, level, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", value)
    log.init_log()
    assert log._state["level"] == level


@pytest.mark.parametrize(("value", "expected"), [(None, "W"), ("0", "IW"), ("2", "")])
def test_a_module_is_silent_below_warning_unless_the_environment_says_more(value, expected):
    code = "from caffe import log; log.info('a:1', 'x'); log.warning('a:1', 'x')"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    if value is not None:
        environment["GLOG_minloglevel"] = value
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "".join(line[0] for line in run.stderr.splitlines()) == expected


def test_pycaffes_functions(capsys):
    caffe.init_log(0)
    caffe.log("mine")
    assert capsys.readouterr().err.endswith("] mine\n")


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-", "2>&1 >/dev/null | true"])
def test_what_stderr_does_not_take_is_lost_and_nothing_else(stderr):
    code = (
        "from caffe import log; log.init_log(0)\n"
        "for i in range(999): log.info('a:1', 'x' * 99)\n"
        "with log.progress(3, 0) as show: show(1, float)\n"
        "open(1, 'w').write('done'); raise SystemExit(7)"
    )
    command = f"set -o pipefail; exec 3>&1; {{ '{sys.executable}' -c \"$CODE\" >&3; }} {stderr}"
    environment = {"PYTHONPATH": ":".join(sys.path), "CODE": code}
    run = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert (run.stdout, run.stderr, run.returncode) == ("done", "", 7)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bar_is_below_whole_log_lines_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(log, "SHOWN_EVERY", 0.0)
    with log.progress(40, 10) as show:
        log.info("a.cpp:1", "first line")
        show(11, lambda: 0.5)
        log.info("a.cpp:1", "second line")
        show(14, lambda: 0.25)
        log.info("a.cpp:1", "third line")
    log.info("a.cpp:1", "after it")
    text = sys.stderr.getvalue()
    assert "| 10/40 [" in text and "| 11/40 [" in text and "| 14/40 [" in text
    assert "loss = 0.25" in text
    for words in ("first line", "second line", "third line", "after it"):
        line = re.search(rf"[\r\n]([^\r\n]*{words})\n", "\n" + text)
        assert re.fullmatch(rf"I\d{{4}} \S+ +\d+ a\.cpp:1\] {words}", line[1])


@pytest.mark.parametrize(("terminal", "level"), [(False, 0), (True, 1)])
def test_no_bar_without_terminal_or_below_info(terminal, level, monkeypatch):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    log.init_log(level)
    with log.progress(40, 10) as show:
        show(11, lambda: pytest.fail("a loss that nobody sees was asked for"))
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "0.1"), (1e-9, "1e-09"), (1.386294, "1.38629"), (4.0, "4")]
)
def test_numbers_have_six_digits(value, text):
    assert log.number(value) == text

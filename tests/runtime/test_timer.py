"""pycaffe's Timer."""

import pytest

import caffe
from caffe import timer


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets; the Timer reads no other clock."""
    seconds = [5.0]
    monkeypatch.setattr(timer.time, "perf_counter", lambda: seconds[0])
    return seconds


def test_from_start_to_stop(clock):
    watch = caffe.Timer()
    watch.start()
    clock[0] = 5.25
    watch.stop()
    clock[0] = 9.0
    assert watch.ms == pytest.approx(250)
    watch.stop()
    assert watch.ms == pytest.approx(250)


def test_a_running_timer_is_stopped_by_reading(clock):
    watch = caffe.Timer()
    watch.start()
    clock[0] = 6.0
    watch.start()  # it has begun already
    clock[0] = 7.0
    assert watch.ms == pytest.approx(2000)
    clock[0] = 8.0
    assert watch.ms == pytest.approx(2000)


def test_a_timer_that_never_ran(capfd):
    assert caffe.Timer().ms == 0
    assert "Timer has never been run before reading time." in capfd.readouterr().err


def test_ms_is_read_only():
    with pytest.raises(AttributeError):
        caffe.Timer().ms = 3

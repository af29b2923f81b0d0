"""Tests marked `gpu` are skipped where torch finds no CUDA device; Ctrl-C works in all."""

import os
import signal

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # set before torch: threads of several would wait in turn
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure():
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a shell runs with &
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def settings_of_the_process():
    """The runtime's mode, seed, precision and level of the log end with the test."""
    from caffe import context, log

    before = [(module._state, dict(module._state)) for module in (context, log)]
    yield
    for state, values in before:
        state.update(values)
    context.set_precision(context.precision())  # which torch keeps in part

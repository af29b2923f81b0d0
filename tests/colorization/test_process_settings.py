"""Memory that a process keeps, measured by the pages that the system has to give it."""

import subprocess
import sys

import pytest

FAULTS = """
import sys
from colorization.process_settings import settle
if sys.argv[1] == "settled":
    settle()
import os, resource
import numpy as np
assert ("OPENBLAS_NUM_THREADS" in os.environ) == (sys.argv[1] == "settled")
def work():
    kept = [np.ones(size, np.float32) for size in (*[400_000] * 8, 13_000_000)]
    return sum(map(len, kept))
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc whose memory is kept")
def test_pages_are_kept(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", FAULTS, how]))
        for how in ("settled", "as usual")
    }
    assert faults["settled"] < 100
    assert faults["settled"] < faults["as usual"] / 10


def test_OpenCV_computes_on_one_thread(monkeypatch):
    monkeypatch.delenv("OPENCV_FOR_THREADS_NUM", raising=False)
    settled = "from colorization.process_settings import settle; settle()"
    told = f"{settled}; import cv2; print(cv2.getNumThreads())"
    assert int(subprocess.check_output([sys.executable, "-c", told])) == 1

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
    kept = [np.ones(400_000, np.float32) for _ in range(8)]
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

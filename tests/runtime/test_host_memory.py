"""Memory that a process keeps, measured by the pages that the system has to give it."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import sys
from caffe.host_memory import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
import resource
import numpy as np
def work():
    return sum(len(np.ones(12_000_000, np.float32)) for _ in range(2))
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how, **settings):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", FAULTS, how]
    return int(subprocess.check_output(command, env={**environment, **settings}))


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc whose memory is kept")
def test_freed_memory_is_kept_unless_the_environment_has_settings():
    usual = faults("as usual")
    assert faults("kept") < usual / 10
    assert faults("kept", MALLOC_MMAP_MAX_="65536") > usual / 5

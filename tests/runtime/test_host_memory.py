"""Memory that a process keeps, by the pages that the system gives it, and huge pages."""

import os
import platform
import re
import subprocess
import sys

import pytest

from caffe import host_memory

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


HUGE = """
import re
from pathlib import Path
import torch
from caffe import host_memory
def huge():
    text = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * int(re.search("AnonHugePages: *([0-9]+)", text)[1])
x = torch.arange(2_500_000.0)
before = huge()
host_memory.use_huge_pages(x.data_ptr(), x.nbytes)
assert torch.equal(x, torch.arange(2_500_000.0))
print(huge() - before)
"""


def has_huge_pages():
    release = [int(n) for n in re.findall(r"\d+", platform.release())[:2]]
    return sys.platform == "linux" and release >= [6, 1] and host_memory._huge_page() is not None


@pytest.mark.skipif(not has_huge_pages(), reason="the system hands out no huge pages when asked")
def test_memory_is_moved_into_huge_pages():
    assert int(subprocess.check_output([sys.executable, "-c", HUGE])) > 0


@pytest.mark.parametrize("setting", [None, "always madvise [never]"])
def test_where_there_are_no_huge_pages_nothing_happens(setting, tmp_path, monkeypatch):
    if setting:
        (tmp_path / "enabled").write_text(setting)
        (tmp_path / "hpage_pmd_size").write_text("2097152")
    monkeypatch.setattr(host_memory, "_HUGE_PAGES", tmp_path)
    host_memory._huge_page.cache_clear()
    assert host_memory._huge_page() is None
    host_memory.use_huge_pages(0, 10_000_000)
    host_memory._huge_page.cache_clear()

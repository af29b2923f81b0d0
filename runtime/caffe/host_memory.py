"""How the C library and the system hand out memory to what computes on the CPU."""

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

# Of mallopt in <malloc.h>.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = 2**31 - 1
# Of madvise in <sys/mman.h>.
_HUGEPAGE, _COLLAPSE = 14, 25
_REUSED = 32 << 20  # bytes, DEFAULT_MMAP_THRESHOLD_MAX in mallopt(3): more is mapped anew each time
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage")


def keep_freed() -> None:
    """Keep memory that was freed for the tensors to come, instead of giving it back each time.

    glibc maps every large array anew, and the system clears each page of it before it is used: of a
    training step of the plain network, batch 24 in fp32, that was a sixth. What it costs is room
    between arrays of different sizes, there 7.0 GB at most instead of 5.4. Where the environment
    has settings of glibc's (MALLOC_TRIM_THRESHOLD_ and the like), these hold.
    """
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, _NEVER)


def use_huge_pages(address: int, size: int) -> None:
    """Ask Linux, 6.1 or later, to hold memory that is read in every pass in pages of 2 MB.

    A processor looks up where each page is; with 4 KB, on a virtual machine, that was up to a fifth
    of a forward pass of the plain network in bf16. The pages at both ends are asked for, too. What
    is small, or so large that glibc gives it back, stays as it is. It is advice: where it cannot be
    followed, or the system's administrator does not want it, nothing happens.
    """
    page = _huge_page()
    if page is None or not page / 4 <= size <= _REUSED:
        return
    madvise = ctypes.CDLL(None).madvise
    for start in range(address // page * page, address + size, page):
        for advice in (_HUGEPAGE, _COLLAPSE):
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(page), advice)


@cache
def _huge_page() -> "int | None":
    """The size of a huge page in bytes; None where programs get none."""
    try:
        if "[never]" not in (_HUGE_PAGES / "enabled").read_text():
            return int((_HUGE_PAGES / "hpage_pmd_size").read_text())
    except (OSError, ValueError):
        pass
    return None

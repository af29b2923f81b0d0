"""How the C library hands out memory to a `caffe` command that computes on the CPU."""

import ctypes
import os
import sys

# Of mallopt in <malloc.h>.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


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

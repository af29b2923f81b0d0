"""What a process that colours many images sets for itself, before it imports numpy."""

from __future__ import annotations

import ctypes
import os
import sys

# Of mallopt in <malloc.h>.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1


def settle() -> None:
    """Keep numpy's products on one thread, and memory that was freed for the next image.

    Several threads work on images at once: more inside each of them would be in the way. glibc
    gives large pieces of memory back when they are freed, and the next image then waits for the
    system to clear each of its pages; one common arena that keeps them spares a film of 1280x720
    pixels about 5 ms of processor time a frame. Elsewhere the memory is left alone.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter, value in (
            (_ARENA_MAX, 1),
            (_MMAP_MAX, 0),
            (_TRIM_THRESHOLD, _NEVER),
        ):
            libc.mallopt(parameter, value)

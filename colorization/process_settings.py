"""What a process that colours many images sets for itself, before it imports numpy and OpenCV."""

from __future__ import annotations

import ctypes
import os
import sys

# Of mallopt in <malloc.h>, and of madvise in <sys/mman.h>.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1
_HUGEPAGE = 14
_PAGE = 2**21  # bytes of a huge page of most processors
_IN_HUGE_PAGES = 2**30  # bytes


def settle() -> None:
    """Keep numpy and OpenCV on one thread each, and memory that was freed for the next image.

    Several threads work on images at once: more inside each of them would be in the way, and those
    of OpenCV wait in a loop. glibc gives large pieces of memory back when they are freed, and the
    next image then waits for the system to clear each of its pages; one common arena that keeps
    them, the first gigabyte in huge pages, spares a film of 1280x720 pixels a tenth of all time.
    Elsewhere the memory is left alone.
    """
    for library in ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ.setdefault(library, "1")
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter, value in ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER)):
            libc.mallopt(parameter, value)
        _use_huge_pages(libc)


def _use_huge_pages(libc: ctypes.CDLL) -> None:
    """Let the memory that is handed out next lie in huge pages, where the system allows it."""
    libc.malloc.restype = ctypes.c_void_p
    if (start := libc.malloc(ctypes.c_size_t(_IN_HUGE_PAGES))) is None:
        return
    first = -(-start // _PAGE) * _PAGE
    size = start + _IN_HUGE_PAGES - first
    libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), _HUGEPAGE)
    libc.free(ctypes.c_void_p(start))  # untouched: it takes no memory yet

"""A stand-in for a full disk: no file may grow beyond a size."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

TOLD = "cannot be written: File too large"


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """In this context writing beyond `size` bytes of a file fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

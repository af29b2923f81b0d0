"""What goes wrong with films."""

from __future__ import annotations

from colorization.errors import ColorizationError


class VideoError(ColorizationError):
    """A film that cannot be read or written: one line that begins with the file's name."""


class UnwritableError(VideoError):
    """A film that cannot be written where it should, on a full disk for example."""


def reason(error: Exception) -> str:
    """Return what FFmpeg, or the system, says of an error, without codes and file names."""
    return getattr(error, "strerror", None) or str(error)

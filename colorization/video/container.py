"""A film among the streams of its file, and the times of its packets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av

from colorization.video.errors import VideoError, reason

_JUMP = Fraction(1, 2)  # seconds: times that go back by more begin anew


def open_input(path: Path) -> tuple[av.container.InputContainer, av.VideoStream]:
    """Open a file and find the film in it; VideoError where there is none."""
    try:
        if path.stat().st_size == 0:
            raise VideoError(f"{path}: the file is empty")
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        raise VideoError(f"{path}: cannot be read as a film: {reason(error)}") from error
    except OSError as error:
        raise VideoError(f"{path}: {error.strerror}") from error
    if (stream := film_of(container)) is not None:
        return container, stream
    container.close()
    raise VideoError(f"{path}: there is no video in it")


def film_of(container: av.container.InputContainer) -> av.VideoStream | None:
    """Return the first stream of pictures that is no cover."""
    return next((s for s in container.streams.video if not belongs_to_container(s)), None)


def belongs_to_container(stream: av.stream.Stream) -> bool:
    """Tell pictures of a cover and tracks of chapters, which are no part of the film."""
    if stream.type == "video":
        return bool(stream.disposition & av.stream.Disposition.attached_pic)
    if not hasattr(stream, "discard"):  # before PyAV 18
        return stream.type == "data" and getattr(stream, "name", None) == "bin_data"
    return stream.discard == av.stream.Discard.all


def origin_of(container: av.container.InputContainer, film: av.VideoStream | None) -> Fraction:
    """Return the time, in seconds, at which a film starts; sound alone may start before 0."""
    start = Fraction(container.start_time or 0, av.time_base)
    return start if start > 0 or (film is not None and (film.start_time or 0) < 0) else Fraction(0)


def on_film_time(packets: Iterable[av.Packet], origin: Fraction) -> Iterator[av.Packet]:
    """Let times count from `origin`, in seconds, and go on where a stream's go back.

    They go back where files have been joined byte by byte.
    """
    shifts: dict[int, int] = {}
    ends: dict[int, tuple[int, int]] = {}  # dts of the last packet, and when it ends
    for packet in packets:
        index, unit = packet.stream.index, packet.time_base or Fraction(1, av.time_base)
        shift = shifts.setdefault(index, -round(origin / unit))
        if packet.dts is not None:
            dts = packet.dts + shift
            last, end = ends.get(index, (dts, dts))
            if last - dts > _JUMP / unit:
                shifts[index] = shift = end - packet.dts
                dts = end
            packet.dts, ends[index] = dts, (dts, dts + (packet.duration or max(0, dts - last)))
        if packet.pts is not None:
            packet.pts += shift
        yield packet

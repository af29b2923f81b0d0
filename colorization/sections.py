"""A part of a film, from one time to another, without the combs of interlaced frames."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from math import inf
from pathlib import Path

import av

from colorization.video import VideoError, VideoReader


class Section(VideoReader):
    """Reads the frames of a film whose time t, in seconds, has start <= t < end.

    Times count from the film's first frame. Decoding begins at the last place before `start` where
    it can. Frames that the film says are interlaced are deinterlaced (bwdif): their two fields
    show two moments, and lines of two moments are no picture to learn from.
    """

    def __init__(self, path: str | os.PathLike, start: float = 0.0, end: float = inf):
        self._start, self._stop = start, end
        super().__init__(path)

    def _decode(self) -> Iterator[av.VideoFrame]:
        for number, frame in enumerate(_deinterlaced(self._frames_before_start(), self.path)):
            time = self._seconds(frame)
            if time is None:
                time = float(number / self.rate)
            if time >= self._stop:
                return
            if time >= self._start:
                yield frame

    def _frames_before_start(self) -> Iterator[av.VideoFrame]:
        """Yield frames from one that is not later than the start on."""
        if self._start == 0 or self._stream.start_time is None:
            yield from super()._decode()
            return
        self._seek(self._start)
        frames = super()._decode()
        for first in frames:
            time = self._seconds(first)
            if time is not None and time <= self._start:
                yield from chain([first], frames)
                return
            break
        self._seek(0)  # the film's index is wrong
        yield from super()._decode()

    def _seconds(self, frame: av.VideoFrame) -> float | None:
        """Return a frame's time after that of the film's first."""
        if frame.pts is None:
            return None
        return float((frame.pts - (self._stream.start_time or 0)) * self.time_base)

    def _seek(self, seconds: float) -> None:
        with suppress(av.error.FFmpegError):  # what cannot be sought is decoded from where it is
            origin = (self._stream.start_time or 0) * self.time_base
            self._container.seek(int((origin + Fraction(seconds)) * av.time_base))


def _deinterlaced(frames: Iterator[av.VideoFrame], path: Path) -> Iterator[av.VideoFrame]:
    """Yield frames, deinterlaced from the first on that says it is interlaced."""
    for frame in frames:
        if frame.interlaced_frame:
            yield from _through_bwdif(chain([frame], frames), path)
        else:
            yield frame


def _through_bwdif(frames: Iterator[av.VideoFrame], path: Path) -> Iterator[av.VideoFrame]:
    """Yield as many frames as come, at the same times; those not interlaced as they are."""
    first = next(frames)
    time_base = first.time_base or Fraction(1, av.time_base)
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=time_base
    )
    bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    for frame in chain([first], frames, [None]):
        try:
            graph.vpush(frame)
        except av.error.FFmpegError as error:
            raise VideoError(f"{path}: cannot be deinterlaced: {error.strerror}") from error
        for result in _pulled(graph):
            if result.pts is not None:
                result.pts = round(result.pts * (result.time_base or time_base) / time_base)
            result.time_base = time_base
            yield result


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            yield graph.vpull()

"""A part of a film, from one time to another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from math import inf

import av

from colorization.video import VideoReader
from colorization.video.deinterlacing import deinterlaced


class Section(VideoReader):
    """Reads the frames of a film whose time t, in seconds, has start <= t < end.

    Times count from the film's first frame. Decoding begins at the last place before `start` where
    it can.
    """

    def __init__(self, path: str | os.PathLike, start: float = 0.0, end: float = inf):
        self._start, self._stop = start, end
        super().__init__(path)

    def _decode(self) -> Iterator[av.VideoFrame]:
        for number, frame in enumerate(deinterlaced(self._frames_before_start(), self.path)):
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
            yield from self._decoded()
            return
        self._seek(self._start)
        frames = self._decoded()
        for first in frames:
            time = self._seconds(first)
            if time is not None and time <= self._start:
                yield from chain([first], frames)
                return
            break
        self._seek(0)  # the film's index is wrong
        yield from self._decoded()

    def _seconds(self, frame: av.VideoFrame) -> float | None:
        """Return a frame's time after that of the film's first."""
        if frame.pts is None:
            return None
        first = (self._stream.start_time or 0) - round(self._origin / self.time_base)
        return float((frame.pts - first) * self.time_base)

    def _seek(self, seconds: float) -> None:
        with suppress(av.error.FFmpegError):  # what cannot be sought is decoded from where it is
            origin = (self._stream.start_time or 0) * self.time_base
            self._container.seek(int((origin + Fraction(seconds)) * av.time_base))

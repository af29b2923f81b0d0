"""Decoding films, frame by frame, so that memory does not grow with their length."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from colorization.defaults import DEPTH, DEPTHS
from colorization.video.container import on_film_time, open_input, origin_of
from colorization.video.deinterlacing import deinterlaced
from colorization.video.errors import VideoError, reason
from colorization.video.mending import Mender
from colorization.video.pixels import bits, to_grey, to_rgb

DEFAULT_RATE = Fraction(25)  # for a film that tells neither its rate nor its times
CUT_OFF_SECONDS = 0.5  # a film may end this much before the time that its header tells
BROKEN = 0.1  # so many of a film's frames may be broken, and one always

_DURATION_IN_HEADER = {"mov", "mp4", "matroska", "webm", "avi"}


def open_video(
    path: str | os.PathLike, grey_planes: bool = False, depth: int = DEPTH
) -> VideoReader:
    """Open a film for reading its frames once, from the first to the last."""
    return VideoReader(path, grey_planes, depth)


class VideoReader:
    """Iterates over (frame, pts): RGB (height, width, 3) uint8, and its time in units of time_base.

    With `grey_planes`, a frame without colours comes as grey levels (height, width) instead, where
    it is stored as those of black-and-white film are; `lightness` takes both. With a `depth` above
    8 a film of as much comes as uint16. The pts increase, and count from the start of the film,
    whatever time its file begins with. `bits` is how many the film has in a channel.

    Frames come upright: a rotation and a mirroring stored in the file have been carried out. All
    have the size of the first. Those that say they are interlaced are deinterlaced (bwdif).

    Where a frame cannot be decoded, the one before comes again at its time; `damaged` tells the
    times, in seconds. Without a time or a frame before, it is left out. VideoError, with the time
    in the film, when too much is broken or the data ends before its time; a frame that the decoder
    could mend is no damage.
    """

    def __init__(self, path: str | os.PathLike, grey_planes: bool = False, depth: int = DEPTH):
        self.path, self._grey_planes, self.depth = Path(path), grey_planes, depth
        self._container, self._stream = open_input(self.path)
        stream = self._stream
        stream.thread_type = "AUTO"
        self.time_base: Fraction = stream.time_base or 1 / DEFAULT_RATE
        self.rate: Fraction = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
        self._origin = origin_of(self._container, stream)
        self._end = self._position = 0.0  # seconds: of the demuxed data, of the decoded frames
        self._cut = False
        self._mender = Mender()
        self._error: av.error.FFmpegError | None = None  # of a packet that could not be decoded
        # Of the last frame, once all are read, pts and duration, if it does not last one step.
        self.ending: tuple[int, int] | None = None
        try:
            first = next(frames := self._decode(), None)
            if first is None:
                raise VideoError(f"{self.path}: no frame can be decoded")
        except VideoError:
            self.close()
            raise
        self._frames = chain([first], frames)
        self.skipped = 0  # frames, see `skip`
        self._size, self.bits = (first.width, first.height), bits(first)
        self._dtype = np.dtype(np.uint16 if min(depth, self.bits) > 8 else np.uint8)
        self._turn = _turn(first)
        turned = self._turn[0]
        self.width, self.height = self._size[::-1] if turned else self._size
        aspect = stream.sample_aspect_ratio or Fraction(1)
        self.sample_aspect_ratio: Fraction = 1 / aspect if turned else aspect

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __len__(self) -> int:
        """Return about how many frames there are, by the header; 0 if it does not tell."""
        seconds = (self._container.duration or 0) / av.time_base
        return self._stream.frames or round(seconds * self.rate)

    @property
    def damaged(self) -> list[float]:
        """The times, in seconds, of frames up to here that could not be decoded."""
        return [float(pts * self.time_base) for pts in sorted(self._mender.damaged)]

    def skip(self, count: int) -> None:
        """Pass over that many frames at the start; they are decoded, so the rest is the same."""
        self.skipped = count

    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        step = max(1, round(1 / (self.rate * self.time_base)))
        last, end = None, 0
        for number, frame in enumerate(self._frames):
            pts = frame.pts
            if last is not None:
                pts = last + step if pts is None else max(pts, last + 1)
            last = pts or 0
            end = max(end, last + frame.duration)
            if number >= self.skipped:
                yield self._upright(self._pixels(frame)), last
        if last is not None and abs(end - last - step) > 1 and end > last:
            self.ending = last, end - last

    def _pixels(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame as RGB, or as grey where it may come so."""
        grey = to_grey(frame, self._dtype)
        pixels = to_rgb(frame, self._dtype) if grey is None else grey
        if (frame.width, frame.height) != self._size:
            pixels = cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA)
        if pixels.ndim == 3 or self._grey_planes:
            return pixels
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)

    def _upright(self, frame: np.ndarray) -> np.ndarray:
        transposed, left_right, up_down = self._turn
        frame = frame.swapaxes(0, 1) if transposed else frame
        return np.ascontiguousarray(frame[:: -1 if up_down else 1, :: -1 if left_right else 1])

    def _decode(self) -> Iterator[av.VideoFrame]:
        return deinterlaced(self._decoded(), self.path)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Yield the frames as they are stored, and for one that is broken that before it."""
        self._mender = Mender()
        try:
            for packet in on_film_time(self._container.demux(), self._origin):
                self._note(packet)
                if packet.stream.index == self._stream.index:
                    for frame in self._mender.mended(self._frames_of(packet)):
                        self._position = frame.time or self._position
                        yield frame
                    self._check_damage()
        except av.error.FFmpegError as error:
            raise self._broke(error) from error
        self._check_end()
        if self._mender.ends_early:
            yield from self._mender.mended(self._decoded_by_one_thread())
        yield from self._mender.rest()
        self._check_damage()

    def _frames_of(self, packet: av.Packet) -> list[av.VideoFrame]:
        self._mender.expect(packet)
        try:
            return self._stream.decode(packet)
        except av.error.FFmpegError as error:
            self._mender.note_error()
            self._error = error
            return []

    def _decoded_by_one_thread(self) -> Iterator[av.VideoFrame]:
        """Decode the film again for its last frames: after an error, those in threads are lost."""
        container, stream = open_input(self.path)
        with container:
            stream.thread_type = "NONE"
            for packet in on_film_time(container.demux(stream), self._origin):
                try:
                    yield from filter(self._mender.awaits, stream.decode(packet))
                except av.error.FFmpegError as error:
                    if self._mender.awaits(packet) and not self._mender.broken:
                        self._mender.note_error()
                        self._error = error

    def _check_damage(self) -> None:
        """Raise where too much is broken."""
        broken = max(self._mender.errors, len(self._mender.damaged))
        allowed = max(1, BROKEN * max(len(self), self._mender.packets))
        if self._error is not None and broken > allowed:
            raise self._broke(self._error) from self._error

    def _broke(self, error: av.error.FFmpegError) -> VideoError:
        where = f"{self.path}: decoding broke at {self._position:.2f} s"
        return VideoError(f"{where}: {reason(error)}")

    def _note(self, packet: av.Packet) -> None:
        if packet.size and packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            self._end = max(self._end, float(end + self._origin))
            self._cut = packet.is_corrupt

    def _check_end(self) -> None:
        """Raise where the data ends before the time that the header tells."""
        if not _DURATION_IN_HEADER & set(self._container.format.name.split(",")):
            return  # elsewhere the duration is only an estimate
        expected = (self._container.duration or 0) / av.time_base
        if self._cut or self._end < expected - CUT_OFF_SECONDS:
            raise VideoError(
                f"{self.path}: the file is cut off at {self._end:.2f} s of {expected:.2f} s"
            )


def _turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Return if a frame is to be transposed, then mirrored left to right, and upside down."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()  # x' = ax + cy, y' = bx + dy
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def remarks(film: VideoReader, left_out: Sequence[str]) -> list[str]:
    """Return in words what a film has lost on its way, now that it is read and written."""
    found = [f"without {', '.join(left_out)}"] if left_out else []
    if film.bits > film.depth:
        more = f"; --depth {DEPTHS[-1]} keeps more" if film.depth < DEPTHS[-1] else ""
        found.append(f"with {film.depth} of the {film.bits} bits of a channel{more}")
    if times := film.damaged:
        frames = "a frame" if len(times) == 1 else f"{len(times)} frames"
        span = " to ".join(f"{time:.2f} s" for time in dict.fromkeys((times[0], times[-1])))
        found.append(f"{frames} could not be decoded ({span}); the one before stands there instead")
    return found

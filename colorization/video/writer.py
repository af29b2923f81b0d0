"""Encoding films, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from colorization.files import replacing
from colorization.formats import CONTAINERS
from colorization.video.companions import Companions
from colorization.video.errors import UnwritableError, VideoError, reason
from colorization.video.pixels import BT709, LIMITED_RANGE, to_frame
from colorization.video.quality import STANDARD, Quality
from colorization.video.reader import DEFAULT_RATE, VideoReader, open_video


class VideoWriter:
    """Encodes RGB frames; the file appears under its name only when the block ends without error.

    H.264 in .mp4, .m4v, .mov and .mkv, VP9 in .webm; 4:2:0, BT.709, limited range. An odd width or
    height needs 4:4:4. With a depth of 10 bits H.264 has the profile High 10, which computers and
    editors play, but many browsers and telephones do not; VP9 has 8 alone. `template`, an open
    film, gives the unit of the pts, the rate, the shape of the pixels, the tags and chapters, and
    its audio, subtitles and attachments, copied packet by packet. What the container does not take
    is left out, and named in `left_out`, and so are data and other video. Audio that it does not
    take is a VideoError.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        template: VideoReader | None = None,
        rate: Fraction | int | None = None,
        quality: Quality = STANDARD,
    ):
        self.path = Path(path)
        if self.path.suffix.lower() not in CONTAINERS:
            raise VideoError(f"{self.path}: films are written as {', '.join(CONTAINERS)}")
        if self._is_webm and quality.depth > 8:
            raise VideoError(f"{self.path}: a .webm has 8 bits a channel, not {quality.depth}")
        self._template = template
        self._rate = Fraction(rate or (template.rate if template else DEFAULT_RATE))
        self._time_base = template.time_base if template else 1 / self._rate
        self._quality = quality
        self._place, self._format = self.path, CONTAINERS[self.path.suffix.lower()]
        self._stack = ExitStack()
        self._output: av.container.OutputContainer
        self._stream: av.VideoStream
        self._companions: Companions | None = None
        self._begun = False
        self._last: int | None = None  # pts

    def __enter__(self) -> VideoWriter:
        try:
            self._temporary = self._stack.enter_context(replacing(self._place))
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack as stack:
            if kind is None:
                self._finish()
            else:
                stack.pop_all().__exit__(kind, error, trace)

    def write(self, frame: np.ndarray, pts: int | None = None) -> None:
        """Encode one frame (H, W, 3), uint8 or uint16, all of one size.

        `pts` is its time in units of the template's time base, or of 1 / rate without a template,
        later than that of the frame before; if it is not given, one frame later.
        """
        if pts is None:
            step = max(1, round(1 / (self._rate * self._time_base)))
            pts = 0 if self._last is None else self._last + step
        try:
            self._encode(frame, pts)
        except av.error.FFmpegError as error:
            raise self._unwritable(error) from error

    def _encode(self, frame: np.ndarray, pts: int) -> None:
        self.begin(*frame.shape[:2])
        if frame.shape[:2] != (self._stream.height, self._stream.width):
            expected = f"{self._stream.width}x{self._stream.height}"
            got = f"{frame.shape[1]}x{frame.shape[0]}"
            raise VideoError(f"{self.path}: a frame of {got} in a film of {expected}")
        self._last = pts
        picture = to_frame(frame, self._pixels)
        picture.pts, picture.time_base = pts, self._time_base
        self._mux_companions(pts)
        self._mux(self._stream.encode(picture))

    def check(self) -> None:
        """Raise VideoError if the container cannot hold the template's audio; writes nothing."""
        if self._template is not None and self._companions is None:
            self._companions = Companions(self._template.path, self.path, self._format)

    @property
    def left_out(self) -> list[str]:
        """What the container does not take of the template's streams, once that is known."""
        return self._companions.left_out if self._companions else []

    def begin(self, height: int, width: int) -> None:
        """Open the output for frames of this size, as the first frame does if this has not."""
        if self._begun:
            return
        try:
            self._output = av.open(str(self._temporary), "w", format=self._format)
            self._stack.callback(_close_after_error, self._output)
            self._add_video(height, width)
            self._add_companions()
            self._output.start_encoding()
        except av.error.FFmpegError as error:
            raise self._unwritable(error) from error
        self._begun = True

    def _add_companions(self) -> None:
        self.check()
        if self._companions is not None:
            self._companions.add_to(self._output, self._stack)

    def copy(self, packets: Iterable[tuple[int, av.Packet]], extradata: bytes | None) -> None:
        """Take video that is encoded already, by this class with the same options, after `begin`.

        The packets, each after its pts as in `write`, come in decoding order, from a keyframe on,
        after those of earlier calls; their own times do not count. VideoError if the `extradata`
        of their encoder are not those of this one.
        """
        if extradata != self._stream.codec_context.extradata:
            raise VideoError(f"{self.path}: its parts were encoded in different ways")
        try:
            for pts, packet in packets:
                self._copy(pts, packet)
        except av.error.FFmpegError as error:
            raise self._unwritable(error) from error

    def _copy(self, pts: int, packet: av.Packet) -> None:
        packet.pts = packet.dts = self._last = pts  # there are no B frames
        packet.duration = 0
        packet.time_base, packet.stream = self._time_base, self._stream
        self._mux_companions(pts)
        self._mux([packet])

    def _mux_companions(self, pts: int) -> None:
        """Write what belongs before a frame."""
        if self._companions is not None:
            self._companions.mux(float(pts * self._time_base))

    def _mux(self, packets: Iterable[av.Packet]) -> None:
        """Write video; the last frame of the template lasts as long as it does there."""
        for packet in packets:
            ending = self._template.ending if self._template is not None else None
            if ending is not None and packet.pts == ending[0]:
                packet.duration = ending[1]
            self._output.mux(packet)

    def _add_video(self, height: int, width: int) -> None:
        stream = self._output.add_stream(
            "libvpx-vp9" if self._is_webm else "libx264", rate=self._rate
        )
        stream.height, stream.width = height, width
        odd = stream.height % 2 or stream.width % 2
        deep = "" if self._quality.depth == 8 else f"{self._quality.depth}le"
        stream.pix_fmt = self._pixels = ("yuv444p" if odd else "yuv420p") + deep
        # MP4 adds up the times between decoded frames: with B frames, a film whose frames last
        # unequally would end before its last frames.
        crf = str(self._quality.crf)
        if self._is_webm:
            stream.options = {"crf": crf, "b": "0", "row-mt": "1", "cpu-used": "4"}
        else:
            # The search in a diamond finds what the preset's hexagon does, 6 % faster.
            # Of 10 bits x264's crf 0 is not lossless.
            rate = {"crf": crf} if self._quality.crf else {"qp": "0"}
            stream.options = {**rate, "preset": "veryfast", "motion-est": "dia", "bf": "0"}
        context = stream.codec_context
        context.time_base = self._time_base
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        self._stream = stream
        if self._template is not None:
            context.sample_aspect_ratio = self._template.sample_aspect_ratio

    @property
    def _is_webm(self) -> bool:
        return self.path.suffix.lower() == ".webm"

    def _finish(self) -> None:
        if self._last is None:
            raise VideoError(f"{self.path}: no frame was written")
        try:
            self._mux(self._stream.encode(None))
            if self._companions is not None:
                self._companions.mux()
            self._output.close()
        except av.error.FFmpegError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> UnwritableError:
        return UnwritableError(f"{self.path}: cannot be written: {reason(error)}")


def write_video(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    rate: Fraction | int | None = None,
    template: VideoReader | None = None,
) -> None:
    """Write frames at a constant rate; with a template at its rate, with its audio."""
    with VideoWriter(path, template, rate) as writer:
        for frame in frames:
            writer.write(frame)


def check_writable(
    path: str | os.PathLike, film: str | os.PathLike, quality: Quality | None = None
) -> None:
    """Raise VideoError where a film cannot be read, or another like it not be written; write none.

    UnwritableError if it is the place that cannot be written.
    """
    with (
        suppress(_Writable),
        open_video(film) as template,
        VideoWriter(path, template, quality=quality or STANDARD) as writer,
    ):
        writer.begin(template.height, template.width)
        raise _Writable  # upon which the writer leaves nothing


class _Writable(Exception):
    """All is well."""


def _close_after_error(output: av.container.OutputContainer) -> None:
    """Close what `VideoWriter` has not closed; what goes wrong now is no news."""
    with suppress(av.error.FFmpegError):
        output.close()

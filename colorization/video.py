"""Films: decoding to RGB and encoding, frame by frame, so that memory does not grow with length.

    with open_video("in.mkv") as film, VideoWriter("out.mp4", template=film) as writer:
        for frame, pts in film:
            writer.write(frame, pts)

gives a film with the same frames at the same times, the same audio and the same shape.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import chain, groupby, islice
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np

from colorization import compiled_colour
from colorization.files import replacing
from colorization.formats import CONTAINERS
from colorization.mending import Mender

DEFAULT_RATE = Fraction(25)  # for a film that tells neither its rate nor its times
CUT_OFF_SECONDS = 0.5  # a film may end this much before the time that its header tells
BROKEN = 0.1  # so many of a film's frames may be broken, and one always
CRF = 14  # with the preset veryfast the PSNR of medium's 16, in a quarter of its time
HD_HEIGHT = 720  # from here on players take the colours for BT.709, where the film tells nothing

_JUMP = Fraction(1, 2)  # seconds: times that go back by more begin anew
_PROBED = 1000  # packets in which the first one of each audio stream is looked for
_DURATION_IN_HEADER = {"mov", "mp4", "matroska", "webm", "avi"}
_CONTAINER_TAGS = {"encoder", "major_brand", "minor_version", "compatible_brands", "duration"}
_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
# libswscale's default rounds each channel down by about one level of 255. PyAV 17 has no names for
# two of these: SWS_BILINEAR, SWS_FULL_CHR_H_INT, SWS_ACCURATE_RND.
_EXACT = 0x2 | 0x2000 | 0x40000
_BT709, _LIMITED_RANGE, _FULL_RANGE = 1, 1, 2  # AVCOL_*_BT709, AVCOL_RANGE_MPEG and _JPEG
_PLANAR = {f"yuv{full}{kind}p" for full in ("", "j") for kind in (420, 422, 444)}
_FROM_LIMITED = np.rint((np.arange(256) - 16) * (255 / 219)).clip(0, 255).astype(np.uint8)


class VideoError(Exception):
    """A film that cannot be read or written: one line that begins with the file's name."""


class UnwritableError(VideoError):
    """A film that cannot be written where it should, on a full disk for example."""


def open_video(path: str | os.PathLike, grey_planes: bool = False) -> VideoReader:
    """Open a film for reading its frames once, from the first to the last."""
    return VideoReader(path, grey_planes)


class VideoReader:
    """Iterates over (frame, pts): RGB (height, width, 3) uint8, and its time in units of time_base.

    With `grey_planes`, a frame without colours comes as grey levels (height, width) instead, where
    it is stored as those of black-and-white film are; `lightness` takes both. The pts increase,
    and count from the start of the film, whatever time its file begins with.

    Frames come upright: a rotation and a mirroring stored in the file have been carried out. All
    have the size of the first. Those that say they are interlaced are deinterlaced (bwdif).

    Where a frame cannot be decoded, the one before comes again at its time; `damaged` tells the
    times, in seconds. Without a time or a frame before, it is left out. VideoError, with the time
    in the film, when too much is broken or the data ends before its time; a frame that the decoder
    could mend is no damage.
    """

    def __init__(self, path: str | os.PathLike, grey_planes: bool = False):
        self.path, self._grey_planes = Path(path), grey_planes
        self._container, self._stream = _open_input(self.path)
        stream = self._stream
        stream.thread_type = "AUTO"
        self.time_base: Fraction = stream.time_base or 1 / DEFAULT_RATE
        self.rate: Fraction = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
        self._origin = _origin(self._container, stream)
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
        self._size = (first.width, first.height)
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
        grey = _grey(frame)
        pixels = _rgb(frame) if grey is None else grey
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
            for packet in _on_film_time(self._container.demux(), self._origin):
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
        container, stream = _open_input(self.path)
        with container:
            stream.thread_type = "NONE"
            for packet in _on_film_time(container.demux(stream), self._origin):
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
        return VideoError(f"{where}: {_reason(error)}")

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


class VideoWriter:
    """Encodes RGB frames; the file appears under its name only when the block ends without error.

    H.264 in .mp4, .m4v, .mov and .mkv, VP9 in .webm; 4:2:0, BT.709, limited range. An odd width or
    height needs 4:4:4. `template`, an open film, gives the unit of the pts, the rate, the
    shape of the pixels, the tags and chapters, and its audio, subtitles and attachments, copied
    packet by packet. What the container does not take is left out, and named in `left_out`, and so
    are data and other video. Audio that it does not take is a VideoError.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        template: VideoReader | None = None,
        rate: Fraction | int | None = None,
        crf: int = CRF,
    ):
        self.path = Path(path)
        if self.path.suffix.lower() not in CONTAINERS:
            raise VideoError(f"{self.path}: films are written as {', '.join(CONTAINERS)}")
        self.left_out: list[str] = []
        self._template = template
        self._rate = Fraction(rate or (template.rate if template else DEFAULT_RATE))
        self._time_base = template.time_base if template else 1 / self._rate
        self._crf = crf
        self._place, self._format = self.path, CONTAINERS[self.path.suffix.lower()]
        self._stack = ExitStack()
        self._output: av.container.OutputContainer
        self._stream: av.VideoStream
        self._carried: list[int] | None = None  # indices of the template's streams, once checked
        self._companions: Iterator[tuple[float, av.Packet]] = iter(())
        self._companion: tuple[float, av.Packet] | None = None
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
        """Encode one frame (H, W, 3) uint8, all of one size.

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
        picture = _encodable(frame, self._pixels)
        picture.pts, picture.time_base = pts, self._time_base
        self._mux_companions(float(pts * self._time_base))
        self._mux(self._stream.encode(picture))

    def check(self) -> None:
        """Raise VideoError if the container cannot hold the template's audio; writes nothing."""
        if self._template is not None and self._carried is None:
            self._carried = self._streams_to_carry(self._template)

    def begin(self, height: int, width: int) -> None:
        """Open the output for frames of this size, as the first frame does if this has not."""
        if self._begun:
            return
        try:
            self._output = av.open(str(self._temporary), "w", format=self._format)
            self._stack.callback(_close_after_error, self._output)
            self._add_video(height, width)
            if self._template is not None:
                self._add_companions(self._template)
            self._output.start_encoding()
        except av.error.FFmpegError as error:
            raise self._unwritable(error) from error
        self._begun = True

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
        self._mux_companions(float(pts * self._time_base))
        self._mux([packet])

    def _mux(self, packets: Iterable[av.Packet]) -> None:
        """Write video; the last frame of the template lasts as long as it does there."""
        for packet in packets:
            ending = self._template.ending if self._template is not None else None
            if ending is not None and packet.pts == ending[0]:
                packet.duration = ending[1]
            self._output.mux(packet)

    def _add_video(self, height: int, width: int) -> None:
        webm = self.path.suffix.lower() == ".webm"
        stream = self._output.add_stream("libvpx-vp9" if webm else "libx264", rate=self._rate)
        stream.height, stream.width = height, width
        odd = stream.height % 2 or stream.width % 2
        stream.pix_fmt = self._pixels = "yuv444p" if odd else "yuv420p"
        # MP4 adds up the times between decoded frames: with B frames, a film whose frames last
        # unequally would end before its last frames.
        if webm:
            stream.options = {"crf": str(self._crf), "b": "0", "row-mt": "1", "cpu-used": "4"}
        else:
            stream.options = {"crf": str(self._crf), "preset": "veryfast", "bf": "0"}
        context = stream.codec_context
        context.time_base = self._time_base
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        self._stream = stream
        if self._template is not None:
            context.sample_aspect_ratio = self._template.sample_aspect_ratio

    def _add_companions(self, template: VideoReader) -> None:
        self.check()
        source = self._stack.enter_context(av.open(str(template.path)))
        origin = _origin(source, _film(source))
        self._output.metadata.update(_kept_tags(source.metadata))
        self._output.set_chapters([_shifted(chapter, origin) for chapter in source.chapters()])
        streams = {}
        for index in self._carried or ():
            stream = source.streams[index]
            copied = self._output.add_stream_from_template(stream)
            copied.metadata.update(_kept_tags(stream.metadata))
            streams[index] = copied
        if streams:
            self._companions = _packets(source, streams, origin)
            self._companion = next(self._companions, None)

    def _streams_to_carry(self, template: VideoReader) -> list[int]:
        """Return the indices of the streams that the container takes; name the others."""
        self.left_out, carried = [], []
        with av.open(str(template.path)) as source:
            first, film = _first_packets(source), _film(source)
            for stream in sorted(source.streams, key=lambda each: each.type):
                if stream == film or _belongs_to_container(stream):
                    continue
                if _takes(self._format, stream, first.get(stream.index)):
                    carried.append(stream.index)
                elif stream.type == "audio":
                    raise VideoError(
                        f"{self.path}: {self.path.suffix} cannot hold the {_named(stream)} of "
                        f"{template.path}; write .mkv"
                    )
                else:
                    self.left_out.append(_named(stream))
        return carried

    def _mux_companions(self, until: float) -> None:
        """Copy what belongs before the time `until`, in seconds."""
        while self._companion is not None and self._companion[0] <= until:
            self._output.mux(self._companion[1])
            self._companion = next(self._companions, None)

    def _finish(self) -> None:
        if self._last is None:
            raise VideoError(f"{self.path}: no frame was written")
        try:
            self._mux(self._stream.encode(None))
            self._mux_companions(float("inf"))
            self._output.close()
        except av.error.FFmpegError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> UnwritableError:
        return UnwritableError(f"{self.path}: cannot be written: {_reason(error)}")


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


def _open_input(path: Path) -> tuple[av.container.InputContainer, av.VideoStream]:
    try:
        if path.stat().st_size == 0:
            raise VideoError(f"{path}: the file is empty")
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        raise VideoError(f"{path}: cannot be read as a film: {_reason(error)}") from error
    except OSError as error:
        raise VideoError(f"{path}: {error.strerror}") from error
    if (stream := _film(container)) is not None:
        return container, stream
    container.close()
    raise VideoError(f"{path}: there is no video in it")


def _film(container: av.container.InputContainer) -> av.VideoStream | None:
    return next((s for s in container.streams.video if not _belongs_to_container(s)), None)


def _belongs_to_container(stream: av.stream.Stream) -> bool:
    """Tell pictures of a cover and tracks of chapters, which are no part of the film."""
    if stream.type == "video":
        return bool(stream.disposition & av.stream.Disposition.attached_pic)
    if not hasattr(stream, "discard"):  # before PyAV 18
        return stream.type == "data" and getattr(stream, "name", None) == "bin_data"
    return stream.discard == av.stream.Discard.all


def _origin(container: av.container.InputContainer, film: av.VideoStream | None) -> Fraction:
    """Return the time, in seconds, at which a film starts; sound alone may start before 0."""
    start = Fraction(container.start_time or 0, av.time_base)
    return start if start > 0 or (film is not None and (film.start_time or 0) < 0) else Fraction(0)


def _on_film_time(packets: Iterable[av.Packet], origin: Fraction) -> Iterator[av.Packet]:
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


def deinterlaced(frames: Iterator[av.VideoFrame], path: Path) -> Iterator[av.VideoFrame]:
    """Yield as many frames, at the same times; those that say they are interlaced by bwdif."""
    for frame in frames:
        if not frame.interlaced_frame:
            yield frame
            continue
        for _, run in groupby(chain([frame], frames), _shape):
            yield from _through_bwdif(run, path)


def _shape(frame: av.VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


def _through_bwdif(frames: Iterator[av.VideoFrame], path: Path) -> Iterator[av.VideoFrame]:
    """Yield frames of one shape; those that are not interlaced as they are."""
    first = next(frames)
    time_base = first.time_base or Fraction(1, av.time_base)
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=first.width, height=first.height, format=first.format, time_base=time_base
    )
    bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    try:
        graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    except av.error.FFmpegError:  # a film two pixels wide, for example
        yield from chain([first], frames)
        return
    for frame in chain([first], frames, [None]):
        try:
            graph.vpush(frame)
        except av.error.FFmpegError as error:
            raise VideoError(f"{path}: cannot be deinterlaced: {error.strerror}") from error
        for result in _pulled(graph):
            scale = (result.time_base or time_base) / time_base
            result.duration = round(result.duration * scale)
            if result.pts is not None:
                result.pts = round(result.pts * scale)
            result.time_base = time_base
            yield result


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            yield graph.vpull()


def _turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Return if a frame is to be transposed, then mirrored left to right, and upside down."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()  # x' = ax + cy, y' = bx + dy
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def _rgb(frame: av.VideoFrame) -> np.ndarray:
    unknown = frame.colorspace == _UNSPECIFIED and frame.height >= HD_HEIGHT
    standard = "ITU709" if unknown else None
    frame = frame.reformat(format="rgb24", src_colorspace=standard, interpolation=_EXACT)
    return frame.to_ndarray()


def _grey(frame: av.VideoFrame) -> np.ndarray | None:
    """Return the levels (H, W) uint8 of a frame without colours, as of black-and-white film."""
    if frame.format.name not in _PLANAR:
        return None
    Y, *chroma = (_plane(plane)[:, : plane.width] for plane in frame.planes)
    if any((plane != 128).any() for plane in chroma):
        return None
    return np.ascontiguousarray(Y) if _is_full_range(frame) else cv2.LUT(Y, _FROM_LIMITED)


def _is_full_range(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith("yuvj") or frame.color_range == _FULL_RANGE


def _encodable(rgb: np.ndarray, pixels: str) -> av.VideoFrame:
    """Return a frame of RGB (H, W, 3) in BT.709, limited range; `pixels` yuv420p or yuv444p."""
    picture = av.VideoFrame(rgb.shape[1], rgb.shape[0], pixels)
    picture.colorspace, picture.color_range = _BT709, _LIMITED_RANGE
    compiled_colour.to_YCbCr(rgb, *map(_plane, picture.planes))
    return picture


def _plane(plane: av.video.plane.VideoPlane) -> np.ndarray:
    """Return the rows (H, W or more) uint8 of a frame's plane."""
    pixels = np.asarray(memoryview(plane))  # type: ignore[arg-type]  # PyAV's stubs do not say it
    return pixels.reshape(-1, plane.line_size)[: plane.height]


def remarks(film: VideoReader, left_out: Sequence[str]) -> list[str]:
    """Return in words what a film has lost on its way, now that it is read and written."""
    found = [f"without {', '.join(left_out)}"] if left_out else []
    if times := film.damaged:
        frames = "a frame" if len(times) == 1 else f"{len(times)} frames"
        span = " to ".join(f"{time:.2f} s" for time in dict.fromkeys((times[0], times[-1])))
        found.append(f"{frames} could not be decoded ({span}); the one before stands there instead")
    return found


def _close_after_error(output: av.container.OutputContainer) -> None:
    """Close what `VideoWriter` has not closed; what goes wrong now is no news."""
    with suppress(av.error.FFmpegError):
        output.close()


def _packets(
    source: av.container.InputContainer, streams: dict[int, av.stream.Stream], origin: Fraction
) -> Iterator[tuple[float, av.Packet]]:
    """Yield (time in seconds, packet for the output) of the streams that are keys."""
    wanted = source.demux([source.streams[index] for index in streams])
    for packet in _on_film_time(wanted, origin):
        if packet.dts is not None:
            time = float(packet.dts * packet.time_base)
            packet.stream = streams[packet.stream_index]
            yield time, packet


def _first_packets(source: av.container.InputContainer) -> dict[int, av.Packet]:
    """Return the first packet of each audio stream, by the stream's index."""
    first: dict[int, av.Packet] = {}
    streams = source.streams.audio
    with suppress(av.error.FFmpegError):
        for packet in islice(source.demux(streams), _PROBED) if streams else ():
            if packet.size:
                first.setdefault(packet.stream.index, packet)
            if len(first) == len(streams):
                break
    return first


def _takes(container: str, stream: av.stream.Stream, packet: av.Packet | None) -> bool:
    """Tell if a container can hold a stream beside the film; some muxers refuse only at the end."""
    kinds = {"audio", "subtitle"} | ({"attachment"} if container == "matroska" else set())
    if stream.type not in kinds:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            copied = trial.add_stream_from_template(stream)
            trial.start_encoding()
            if packet is not None:
                packet.stream = copied
                trial.mux(packet)
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _named(stream: av.stream.Stream) -> str:
    """Return the kind of a stream, and its codec or the name of the file attached."""
    name = stream.codec_context.name if stream.codec_context else stream.name
    return f"{stream.type} ({name})" if name else stream.type


def _shifted(chapter: av.container.core.Chapter, origin: Fraction) -> av.container.core.Chapter:
    shift = round(origin / (chapter["time_base"] or 1))
    start, end = (max(0, chapter[key] - shift) for key in ("start", "end"))
    return {**chapter, "start": start, "end": end}


def _kept_tags(tags: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in tags.items() if name.lower() not in _CONTAINER_TAGS}


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

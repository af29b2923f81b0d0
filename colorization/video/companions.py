"""What is copied beside the pictures of a film: sound, subtitles, attachments, chapters, tags."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from colorization.video.container import belongs_to_container, film_of, on_film_time, origin_of
from colorization.video.errors import VideoError

_PROBED = 1000  # packets in which the first one of each audio stream is looked for
_CONTAINER_TAGS = {"encoder", "major_brand", "minor_version", "compatible_brands", "duration"}


class Companions:
    """The audio, subtitles and attachments of a film that another one takes, packet by packet.

    `container`, with FFmpeg's name, is that of the `target`. What it does not take is named in
    `left_out`, and so are data and other video; audio that it does not take is a VideoError.
    """

    def __init__(self, film: Path, target: Path, container: str):
        self._film = film
        self.left_out: list[str] = []
        self._carried: list[int] = []  # indices of streams
        self._output: av.container.OutputContainer
        self._packets: Iterator[tuple[float, av.Packet]] = iter(())
        self._next: tuple[float, av.Packet] | None = None
        with av.open(str(film)) as source:
            first, pictures = _first_packets(source), film_of(source)
            for stream in sorted(source.streams, key=lambda each: each.type):
                if stream == pictures or belongs_to_container(stream):
                    continue
                if _takes(container, stream, first.get(stream.index)):
                    self._carried.append(stream.index)
                elif stream.type == "audio":
                    raise VideoError(
                        f"{target}: {target.suffix} cannot hold the {_named(stream)} of {film}; "
                        "write .mkv"
                    )
                else:
                    self.left_out.append(_named(stream))

    def add_to(self, output: av.container.OutputContainer, stack: ExitStack) -> None:
        """Add the streams, the chapters and the tags; the film stays open as long as `stack`."""
        source = stack.enter_context(av.open(str(self._film)))
        origin = origin_of(source, film_of(source))
        output.metadata.update(_kept_tags(source.metadata))
        output.set_chapters([_shifted(chapter, origin) for chapter in source.chapters()])
        streams = {}
        for index in self._carried:
            stream = source.streams[index]
            streams[index] = output.add_stream_from_template(stream)
            streams[index].metadata.update(_kept_tags(stream.metadata))
        if streams:
            self._output, self._packets = output, _packets(source, streams, origin)
            self._next = next(self._packets, None)

    def mux(self, until: float = float("inf")) -> None:
        """Copy what belongs before the time `until`, in seconds, and has not been copied."""
        while self._next is not None and self._next[0] <= until:
            self._output.mux(self._next[1])
            self._next = next(self._packets, None)


def _packets(
    source: av.container.InputContainer, streams: dict[int, av.stream.Stream], origin: Fraction
) -> Iterator[tuple[float, av.Packet]]:
    """Yield (time in seconds, packet for the output) of the streams that are keys."""
    wanted = source.demux([source.streams[index] for index in streams])
    for packet in on_film_time(wanted, origin):
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

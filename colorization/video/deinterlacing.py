"""Interlaced film: each frame holds the lines of two moments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain, groupby
from pathlib import Path

import av

from colorization.video.errors import VideoError


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

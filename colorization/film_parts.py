"""A film written in parts, so that a run that was interrupted goes on where it stopped.

    with open_video("in.mkv") as film, ResumableWriter("out.mp4", film, made_by) as writer:
        film.skip(writer.done)
        for frame, pts in film:
            writer.write(frame, pts)

The parts lie in a hidden folder beside the film, .out.mp4.parts, each with frames from an encoder
of its own and therefore beginning with a keyframe. At the end their packets are copied into one
film, without coding them again, with the sound and whatever else belongs to it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from colorization import __version__
from colorization.files import locked, write_text
from colorization.video import (
    STANDARD,
    Quality,
    UnwritableError,
    VideoError,
    VideoReader,
    VideoWriter,
)

FRAMES = 1500  # of a part: about a minute, which is what an interruption may cost
SUFFIX = ".nut"  # a container that keeps pts in any unit, and packets as the encoder made them

_MADE_BY = "made_by.json"


class ResumableWriter:
    """Writes a film as `VideoWriter` does, and goes on with what a run before it has left.

    `film` is the template of `VideoWriter`. `made_by` says, in what JSON can hold, all that the
    pixels depend on. Parts are used again if it, the size and time of the film's file, `quality`,
    the length of parts and the versions of the encoders are the same; otherwise they are removed.
    With None nothing is used again, and nothing kept.

    `done` is the number of frames that are there already; the next one written is that after them.

    What an error leaves: the whole parts after an interruption, a full disk or anything else after
    which the same run may come through; nothing after a VideoError of the film itself, which every
    run would meet, and nothing as long as no part is whole. A killed process leaves its parts, too,
    and, under hidden names, what it was about to write. VideoError if another process writes the
    film.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        film: VideoReader,
        made_by: Mapping[str, object] | None,
        quality: Quality = STANDARD,
    ):
        self.path, self._film, self._quality = Path(path), film, quality
        self._writer = VideoWriter(path, film, quality=quality)
        self._made_by = None if made_by is None else _text(made_by, film, quality)
        self._part: _Part | None = None
        self._count = self.done = 0

    def __enter__(self) -> ResumableWriter:
        with ExitStack() as stack:
            self._folder = stack.enter_context(_parts_folder(self.path, self._made_by))
            stack.enter_context(self._writer)
            # Sound that the container does not take is told now, not at the end.
            self._writer.begin(self._film.height, self._film.width)
            stack.push(self._join)
            stack.push(self._end_part)
            self._count = self.done = FRAMES * len(_parts(self._folder))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def left_out(self) -> list[str]:
        """What the container did not take, as in `VideoWriter`."""
        return self._writer.left_out

    def write(self, frame: np.ndarray, pts: int) -> None:
        """Encode one frame, as `VideoWriter.write` does."""
        if self._part is None:
            self._part = self._next_part(pts)
            self._part.begin(self._film.height, self._film.width)
        self._part.write(frame, pts)
        self._count += 1
        if self._count % FRAMES == 0:
            self._end_part(None, None, None)

    def _next_part(self, pts: int) -> _Part:
        place = self._folder / f"{self._count // FRAMES:06}_{pts}{SUFFIX}"
        return _Part(place, pts, self.path, self._film, self._quality).__enter__()

    def _end_part(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.__exit__(kind, error, trace)

    def _join(self, kind: type[BaseException] | None, *_: object) -> None:
        """Copy the parts into the film, if all went well."""
        if kind is not None:
            return
        parts = _parts(self._folder)
        for part in parts:
            with _opened(part, self.path) as container:
                extradata = container.streams.video[0].codec_context.extradata
                packets = self._packets(container, part, whole=part != parts[-1])
                self._writer.copy(packets, extradata)

    def _packets(
        self, container: av.container.InputContainer, part: Path, whole: bool
    ) -> Iterator[tuple[int, av.Packet]]:
        """Yield the packets of a part, each after its pts as it was given to `write`."""
        first, count = None, 0
        for packet in _demuxed(container, _damaged(part, self.path)):
            if packet.size and packet.pts is not None:
                time = packet.pts * packet.time_base / self._film.time_base
                first = time if first is None else first
                yield _start(part) + round(time - first), packet
                count += 1
        if not count or (whole and count != FRAMES):
            raise _damaged(part, self.path)


class _Part(VideoWriter):
    """Writes the video of a part alone; its times count from its first frame, `start`."""

    def __init__(self, place: Path, start: int, target: Path, film: VideoReader, quality: Quality):
        super().__init__(target, film, quality=quality)  # whose name is in the errors
        self._place, self._format = place, SUFFIX[1:]
        self._start = start

    def __enter__(self) -> _Part:
        super().__enter__()
        return self

    def write(self, frame: np.ndarray, pts: int | None = None) -> None:
        super().write(frame, None if pts is None else pts - self._start)

    def _add_companions(self) -> None:
        """They come when the parts are joined."""

    def _finish(self) -> None:
        super()._finish()
        with open(self._temporary, "rb") as file:
            os.fsync(file.fileno())  # so that a part that has its name is whole, come what may


@contextmanager
def _parts_folder(target: Path, made_by: str | None) -> Iterator[Path]:
    """Give the folder for the parts of a film, in it those of the same making."""
    folder = target.with_name(f".{target.name}.parts")
    with _locked(folder, target):
        try:
            _prepare(folder, made_by, target)
            yield folder
        except BaseException as error:
            if made_by is None or _is_of_no_use(folder, error):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    """Make the folder and keep other processes away until the block, or this process, ends."""
    with _writing(target):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, UnwritableError(f"{target}: another process is writing it")):
        yield


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnwritableError(f"{target}: cannot be written: {error.strerror}") from error


def _prepare(folder: Path, made_by: str | None, target: Path) -> None:
    """Remove what cannot be used: parts of another making, and what was not finished."""
    note = folder / _MADE_BY
    with _writing(target):
        same = made_by is not None and note.is_file() and note.read_text("utf-8") == made_by
        kept = [note, *_parts(folder)] if same else []
        for file in folder.iterdir():
            if file not in kept:
                file.unlink()
        if made_by is not None and not same:
            write_text(note, made_by)


def _parts(folder: Path) -> list[Path]:
    """Return the whole parts in their order, from the first one without a gap."""
    files = sorted(file for file in folder.glob(f"*{SUFFIX}") if not file.name.startswith("."))
    return [file for n, file in enumerate(files) if file.name.startswith(f"{n:06}_")]


def _start(part: Path) -> int:
    """Return the pts of the first frame, which the name tells."""
    return int(part.stem.partition("_")[2])


def _is_of_no_use(folder: Path, error: BaseException) -> bool:
    of_the_film = isinstance(error, VideoError) and not isinstance(error, UnwritableError)
    return of_the_film or not _parts(folder)


def _text(made_by: Mapping[str, object], film: VideoReader, quality: Quality) -> str:
    """Return as JSON all that parts of the same making have in common."""
    source = film.path.stat()
    own = {
        "source": [source.st_size, source.st_mtime_ns],
        "quality": asdict(quality),
        "frames": FRAMES,
        "version": __version__,
        "encoders": [av.__version__, *map(list, av.library_versions.values())],
    }
    return json.dumps({**made_by, **own}, indent=1, sort_keys=True)


@contextmanager
def _opened(part: Path, target: Path) -> Iterator[av.container.InputContainer]:
    try:
        container = av.open(str(part))
    except av.error.FFmpegError as error:
        raise _damaged(part, target) from error
    with container:
        yield container


def _demuxed(container: av.container.InputContainer, damaged: VideoError) -> Iterator[av.Packet]:
    try:
        yield from container.demux(video=0)
    except av.error.FFmpegError as error:
        raise damaged from error


def _damaged(part: Path, target: Path) -> VideoError:
    return VideoError(
        f"{target}: {part.name} of its parts is damaged; the same command begins anew"
    )

"""What a film has lost where its data is damaged, and frames in place of those."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import av


class Mender:
    """Repeats a frame at the times of those after it that could not be decoded.

    Every packet announces the time of a frame. One that is passed by after an error is that of a
    lost frame; without an error, it is of a packet that shows nothing by itself.
    """

    def __init__(self) -> None:
        self.damaged: list[int] = []  # pts
        self.packets = self.errors = 0
        self._awaited: list[int] = []  # heap of pts
        self._lost = 0  # errors whose frame has not been found yet
        self._until: int | None = None  # after an error, the last pts that may be of its frame
        self._silent = False  # some packets show nothing
        self._frame: av.VideoFrame | None = None  # the last one

    def expect(self, packet: av.Packet) -> None:
        """Await the frame of a packet that is about to be decoded."""
        if packet.size:
            self.packets += 1
            if packet.pts is not None and not packet.is_discard:
                heapq.heappush(self._awaited, packet.pts)

    def note_error(self) -> None:
        """Note that one of the packets so far could not be decoded; with threads not the last."""
        self.errors += 1
        self._lost += 1
        self._until = max(self._awaited, default=0)

    def mended(self, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Yield the frames, and in front of each those that it shows to be lost."""
        for frame in frames:
            if frame.pts is not None:
                if self._is_late(frame.pts):
                    continue
                yield from self._passed(frame.pts)
            self._frame = frame
            yield frame

    @property
    def broken(self) -> bool:
        """Whether what an error has cost is not known yet."""
        return self._until is not None

    @property
    def ends_early(self) -> bool:
        """Whether frames are missing at the end that an error may have kept back."""
        return bool(self._missing()) and (self.broken or not self._silent)

    def awaits(self, item: av.Packet | av.VideoFrame) -> bool:
        """Tell if the time is one of those that are missing at the end."""
        return item.pts in self._missing()

    def rest(self) -> Iterator[av.VideoFrame]:
        """Yield what is lost at the end."""
        if self._until is not None:
            missing = self._missing()
            yield from self._repeated(missing[: self._lost] if self._silent else missing)
            self._settle(self._until)

    def _missing(self) -> list[int]:
        last = None if self._frame is None else self._frame.pts
        return [] if last is None else sorted({pts for pts in self._awaited if pts > last})

    def _is_late(self, pts: int) -> bool:
        """Tell if another frame has been shown at the time of this one."""
        last = None if self._frame is None else self._frame.pts
        return last is not None and pts < last and pts in self.damaged

    def _passed(self, pts: int) -> Iterator[av.VideoFrame]:
        """Yield what is lost before `pts`."""
        passed = []
        while self._awaited and self._awaited[0] <= pts:
            passed.append(heapq.heappop(self._awaited))
        passed = [time for time in passed if time < pts]
        if self._until is None:
            self._silent |= bool(passed)
            return
        yield from self._repeated(passed[: self._lost] if self._silent else passed)
        if pts >= self._until:
            self._settle(pts)

    def _repeated(self, times: list[int]) -> Iterator[av.VideoFrame]:
        self.damaged += times
        self._lost = max(0, self._lost - len(times))
        if self._frame is not None:
            for self._frame.pts in times:
                yield self._frame

    def _settle(self, pts: int) -> None:
        """Note the errors that have no time of their own."""
        self.damaged += [pts] * self._lost
        self._lost, self._until = 0, None

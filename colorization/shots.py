"""Where a film cuts: each frame is compared with the one before it, brought to the same place.

detector = ShotDetector()
for frame in film:
    if detector(grey(frame)):
        ...  # the first frame of a shot
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from colorization.optical_flow import optical_flow, warp
from colorization.resizing import short_side_within

SIDE = 48  # pixels of the shorter side of what is compared
FLAT = 3.0  # grey levels: a deviation below which a frame has no picture, as in the midst of a fade
WHITE = 250  # grey level from which on a flash may have drowned what was there
LEFT_OVER = 0.25  # share of pixels not drowned for which these speak alone
RECENT = 12  # frames whose difference is what the shot's motion makes
KNOWN = 4  # of them, from which on the motion is known
LEAST, MOST, UNKNOWN = 0.06, 0.3, 0.2  # differences from which on a frame may be, or is, a cut
TIMES = 3.0  # by how much a cut is above the motion


class ShotDetector:
    """Tells of each frame, given in their order, whether a new shot begins with it.

    The difference of two frames is 1 - r, with r the correlation of the thumbnail before with this
    one warped back along the optical flow between them. So pans, zooms and moving things, which the
    flow explains, and changes of brightness and contrast, fades and flashes, which r does not see,
    make it small. A cut is a difference above MOST, or one above LEAST that is TIMES as large as
    the largest of the RECENT frames: some shots move more than others differ.

    A frame of one colour is no picture: it begins no shot, and the frame after it is compared with
    the last picture. So a fade through black from one scene to the next is found where the next
    scene comes up, and a white flash is passed over. Dissolves have no frame to find.
    """

    def __init__(self) -> None:
        self._last: np.ndarray | None = None  # the last picture
        self._recent: deque[float] = deque(maxlen=RECENT)

    def __call__(self, grey: np.ndarray) -> bool:
        """Return whether the frame (H, W), uint8, begins a shot; the first picture does."""
        picture = thumbnail(grey)
        if cv2.meanStdDev(picture)[1].item() < FLAT:
            return False
        last, self._last = self._last, picture
        if last is None or last.shape != picture.shape:
            return True
        change = difference(last, picture)
        if new := change > self._threshold():
            self._recent.clear()
        else:
            self._recent.append(change)
        return new

    def _threshold(self) -> float:
        if len(self._recent) < KNOWN:
            return UNKNOWN
        return min(max(LEAST, TIMES * max(self._recent)), MOST)


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """Return the frame with a shorter side of at most SIDE pixels, by the mean over areas."""
    height, width = short_side_within(grey.shape, SIDE)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return how much a thumbnail has of which the one before shows nothing, 0 to 1.

    It is 1 - r, at most 1, with Pearson's r of the first and the second warped to the first. Pixels
    that are white in one of the two alone do not count, if enough others are left.
    """
    moved = warp(second, optical_flow(first, second, "ultrafast"))
    kept = (moved < WHITE) == (first < WHITE)
    if kept.mean() < LEFT_OVER:
        kept[:] = True
    x, y = (plane[kept].astype(np.float32) for plane in (first, moved))
    x, y = x - x.mean(), y - y.mean()
    length = float(np.sqrt((x @ x) * (y @ y)))
    return 1 - max(0.0, float(x @ y)) / length if length else 1.0

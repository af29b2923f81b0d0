"""Frames of a film that show nothing new (thesis, section 4.1.2)."""

from __future__ import annotations

import cv2
import numpy as np

THRESHOLD = 20.0  # t of equation 4.1


def mean_squared_difference(frame: np.ndarray, other: np.ndarray) -> float:
    """Return how far two images (H, W, 3), uint8, of one size are apart, 0 .. 255^2.

    d = sum_p (frame(p) - other(p))^2 / |P|, the left side of equation 4.1. The equation leaves open
    what the square of a colour is; here the mean over R, G and B too, so that d does not grow with
    the number of channels.

    >>> grey = np.full((4, 6, 3), 100, np.uint8)
    >>> mean_squared_difference(grey, grey + np.array([0, 3, 6], np.uint8))
    15.0
    """
    return cv2.norm(frame, other, cv2.NORM_L2SQR) / frame.size


class DuplicateFilter:
    """Tells for one frame after the other whether it repeats the last one that did not.

    A frame is new when its mean squared difference to the last new frame exceeds the threshold, or
    when its size is another. Measuring from the last new frame, not from the frame before, lets
    slow changes add up. The first frame is new. (Thesis, section 4.1.2, equation 4.1.)
    """

    def __init__(self, threshold: float = THRESHOLD):
        self.threshold = threshold
        self._last: np.ndarray | None = None

    def is_duplicate(self, frame: np.ndarray) -> bool:
        """Take the next frame (H, W, 3), uint8, which is kept, not copied, while it is the last."""
        if self._repeats_last(frame):
            return True
        self._last = frame
        return False

    def _repeats_last(self, frame: np.ndarray) -> bool:
        if self._last is None or self._last.shape != frame.shape:
            return False
        return mean_squared_difference(frame, self._last) <= self.threshold

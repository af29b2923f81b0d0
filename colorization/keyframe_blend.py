"""One frame's colours out of several guesses: keyframes brought along the flow, and a network.

Every guess is a pair of ab (H, W, 2) and its expected squared error (H, W), in squared units of ab
summed over a and b. Guesses are joined with the inverse squares of these as weights: a bad guess is
not noise about the right colour but a wrong colour, so it gets less than the inverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from colorization.optical_flow import optical_flow, squared_length, warp

# The expected squared error of a colour that was moved along a flow: measured on one rendered
# film over 4 to 130 frames, rounded.
LEAST_ERROR = 0.3
ERROR_OF_LIGHTNESS = 0.25  # for each squared grey level, 0..255, that the two places differ
ERROR_OF_ROUND_TRIP = 2.0  # for each squared pixel by which there and back misses
ERROR_OF_TIME = 0.1  # for each frame between
LONGEST_ROUND_TRIP = 20.0  # pixels; what misses by more is simply lost
NEIGHBOURHOOD = 2.0  # pixels, sigma: lightness is compared in it


@dataclass(frozen=True)
class Guess:
    """Colours (H, W, 2), float32, and their expected squared error (H, W)."""

    ab: np.ndarray
    error: np.ndarray


class Track:
    """Follows a shot away from one of its keyframes, frame by frame, in either direction.

    `grey` (H, W) uint8 and `ab` (H, W, 2) float32 are the keyframe's. Each pixel is found in the
    keyframe in two ways: by the flow straight from the frame to the keyframe, and by the flows from
    frame to frame, one after the other, whose drift is taken back by a flow between the frame and
    what the keyframe looks like when it is brought there.
    """

    def __init__(self, grey: np.ndarray, ab: np.ndarray):
        self.grey, self.ab = grey, ab
        self.distance = 0
        self._to_key = self._from_key = np.zeros((*grey.shape, 2), np.float32)

    def step(self, grey: np.ndarray, to_last: np.ndarray, from_last: np.ndarray) -> Guess:
        """Return the colours of the next frame.

        `to_last` is the flow from it to the frame of the last step (at first the keyframe),
        `from_last` the flow from there.
        """
        self.distance += 1
        chained = concatenated(to_last, self._to_key)
        drift = optical_flow(grey, warp(self.grey, chained))
        self._to_key = concatenated(drift, chained)
        self._from_key = concatenated(self._from_key, from_last)
        return self._guess(grey, [self._to_key], [self._from_key], self.distance)

    def jump(self, grey: np.ndarray, distance: int) -> Guess:
        """Return the colours of a frame that was not reached by steps, `distance` frames away."""
        return self._guess(grey, [], [], distance)

    def _guess(
        self,
        grey: np.ndarray,
        flows: list[np.ndarray],
        backwards: list[np.ndarray],
        distance: int,
    ) -> Guess:
        flows = [*flows, optical_flow(grey, self.grey)]
        backwards = [*backwards, optical_flow(self.grey, grey)]
        guesses = [self._moved(grey, flow, backwards, distance) for flow in flows]
        mean, _ = joined(guesses)  # of one keyframe, so that its ways miss alike: no surer than one
        return Guess(mean.ab, np.minimum.reduce([guess.error for guess in guesses]))

    def _moved(
        self, grey: np.ndarray, flow: np.ndarray, backwards: list[np.ndarray], distance: int
    ) -> Guess:
        missed = [squared_length(concatenated(flow, backward)) for backward in backwards]
        error = error_of_flow(grey, warp(self.grey, flow), np.minimum.reduce(missed), distance)
        return Guess(warp(self.ab, flow), error)


def concatenated(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the flow (H, W, 2) that goes along the first, and from there along the second."""
    return first + warp(second, first)


def error_of_flow(
    grey: np.ndarray, found: np.ndarray, missed: np.ndarray, distance: int
) -> np.ndarray:
    """Return the expected squared error (H, W) of colours that were moved along a flow.

    e = 0.3 + 0.25 d^2 + 2 min(r, 20)^2 + 0.1 t: d is by how much the lightness `grey` of the frame
    and that of what was `found`, (H, W) uint8, differ around the pixel, r^2 = `missed` the squared
    distance in pixels between a pixel and the end of its way there and back, t the `distance` in
    frames.
    """
    pixels = cv2.absdiff(grey, found).astype(np.float32)
    difference = cv2.GaussianBlur(pixels, (0, 0), NEIGHBOURHOOD)
    return (
        LEAST_ERROR
        + ERROR_OF_LIGHTNESS * difference**2
        + ERROR_OF_ROUND_TRIP * np.minimum(missed, LONGEST_ROUND_TRIP**2)
        + ERROR_OF_TIME * distance
    )


def joined(guesses: Sequence[Guess]) -> tuple[Guess, list[np.ndarray]]:
    """Return the mean of guesses, and each one's share (H, W) in it; the shares sum to 1.

    ab = sum_i s_i ab_i with s_i = e_i^-2 / sum_j e_j^-2, and its error e = sum_i s_i^2 e_i, as of
    independent ones.
    """
    weights = [guess.error**-2 for guess in guesses]
    total = np.add.reduce(weights)
    shares = [weight / total for weight in weights]
    ab = np.add.reduce([share[..., None] * guess.ab for share, guess in zip(shares, guesses)])
    error = np.add.reduce([share**2 * guess.error for share, guess in zip(shares, guesses)])
    return Guess(ab, error), shares

"""How well films are encoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colorization.defaults import CRF, DEPTH


@dataclass(frozen=True)
class Quality:
    """What `VideoWriter` keeps: `crf` 0, lossless, to 51, and `depth` bits a channel, 8 or 10."""

    crf: int = CRF
    depth: int = DEPTH

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels of which nothing is lost at this depth: uint8, or uint16."""
        return np.dtype(np.uint8 if self.depth == 8 else np.uint16)


STANDARD = Quality()

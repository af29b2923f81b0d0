"""Colours, and what the time of day makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

Colour = tuple[int, int, int]  # red, green, blue, 0..255


@dataclass(frozen=True)
class Light:
    """A time of day: what each channel is multiplied by, and the colours of the sky."""

    name: str
    gain: tuple[float, float, float]
    sky: tuple[Colour, Colour]  # at the top of the picture and at the horizon
    cloud: Colour

    def __call__(self, colour: Colour) -> Colour:
        """Return the colour of a thing in this light."""
        return _lit(colour, self.gain)


@lru_cache(maxsize=4096)
def _lit(colour: Colour, gain: tuple[float, float, float]) -> Colour:
    r, g, b = (min(255, round(level * factor)) for level, factor in zip(colour, gain))
    return r, g, b


DAY = Light("day", (1, 1, 1), ((112, 178, 226), (214, 236, 240)), (253, 252, 246))
MORNING = Light("morning", (1, 0.98, 0.92), ((150, 196, 222), (250, 234, 200)), (255, 246, 232))
EVENING = Light("evening", (0.99, 0.85, 0.74), ((134, 128, 178), (252, 206, 142)), (250, 200, 172))
NIGHT = Light("night", (0.5, 0.56, 0.78), ((40, 54, 112), (96, 116, 168)), (86, 100, 150))
LAMPLIGHT = Light("lamplight", (1, 0.91, 0.75), ((52, 66, 120), (96, 116, 168)), (86, 100, 150))


def mixed(a: Colour, b: Colour, share: float) -> Colour:
    """Return the colour at a share of the way from a to b."""
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b))
    return red, green, blue


def darker(colour: Colour, share: float = 0.2) -> Colour:
    """Return a colour nearer to black."""
    return mixed(colour, (0, 0, 0), share)


def lighter(colour: Colour, share: float = 0.3) -> Colour:
    """Return a colour nearer to white."""
    return mixed(colour, (255, 255, 255), share)

"""Colouring by example, without a network of one's own: methods that the thesis compares with.

    ab = colour_by_example("welsh", L, references=[rgb])

=============== ========================================== =====================================
method          takes the colours from                     source
=============== ========================================== =====================================
welsh           references, pixel by pixel                 Welsh et al. 2002; thesis, 8.3
deshpande       references, by trees that learn from them  Deshpande et al. 2015; thesis, 8.3
levin           scribbles in the image                     Levin et al. 2004; thesis, 3.1
auto_scribbles  a network, where it is sure, then levin    thesis, 8.4
=============== ========================================== =====================================

L is (H, W), float32, 0..100; references are RGB (h, w, 3) of any size, uint8 or uint16; ab is
(2, H, W), float32. What a method needs is loaded when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BY_REFERENCES = ("welsh", "deshpande")
BY_SCRIBBLES = ("levin", "auto_scribbles")
METHODS = (*BY_REFERENCES, *BY_SCRIBBLES)


def colour_by_example(
    method: str,
    L: np.ndarray,
    references: Sequence[np.ndarray] = (),
    scribbles: np.ndarray | None = None,
    histogram: np.ndarray | None = None,
) -> np.ndarray:
    """Return ab for L by one of METHODS.

    `references` are for welsh and deshpande; `scribbles`, an image (H, W, 3) or (H, W, 4) as
    `scribbles.painted` reads it, for levin; `histogram` (313, h, w) of a network, for
    auto_scribbles. ValueError where a method is unknown or lacks what it needs.
    """
    if method not in METHODS:
        raise ValueError(f'method: expected one of {", ".join(METHODS)}, got "{method}"')
    if method in BY_REFERENCES:
        return learn(method, references)(L)
    from colorization.baselines import levin
    from colorization.baselines.scribbles import automatic_scribbles, painted

    given, name = (scribbles, "scribbles") if method == "levin" else (histogram, "histogram")
    if given is None:
        raise ValueError(f"{name}: {method} cannot do without")
    find = painted if method == "levin" else automatic_scribbles
    return levin.colour(L, *find(L, given))


def learn(
    method: str, references: Sequence[np.ndarray], match_histogram: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of L that gives ab, by one of BY_REFERENCES; learnt once for many images.

    `match_histogram` is for deshpande: results get the colours of the references as often as these
    have them.
    """
    if method == "welsh" and not match_histogram:
        from colorization.baselines.welsh import Welsh

        return Welsh(references)
    if method == "deshpande":
        from colorization.baselines.deshpande import Deshpande

        return Deshpande(references, match_histogram)
    if method == "welsh":
        raise ValueError("match_histogram: for deshpande only")
    raise ValueError(f'method: expected one of {", ".join(BY_REFERENCES)}, got "{method}"')

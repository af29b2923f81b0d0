"""Drawings of a training set's colours (thesis, figure 5.2)."""

from __future__ import annotations

import numpy as np

from colorization.colour import Lab_to_sRGB
from colorization.histogram import LIMIT, ab_pairs

COMMON = 49  # colours that have a column of their own
LIGHTNESS = 65.0  # L at which the ab pairs are shown
WIDTH, HEIGHT, FOOT = 900, 260, 20  # of the columns, in SVG units
EDGE = LIMIT + 10.0  # of the plane, in units of a and b
GREY = "#999"
LOWEST = -7.0  # log10 of the probability from which on a pair of the plane is drawn faintest


def pair_colours() -> list[str]:
    """Return the sRGB colour, as #rrggbb, of each ab pair at L = 65, clipped to the gamut."""
    pairs = ab_pairs()
    Lab = np.column_stack((np.full(len(pairs), LIGHTNESS, np.float32), pairs))
    return ["#" + bytes(RGB).hex() for RGB in np.rint(Lab_to_sRGB(Lab) * 255).astype(np.uint8)]


def columns_svg(prior: np.ndarray) -> str:
    """Return an SVG drawing of the 49 likeliest ab pairs of a prior (313,).

    Each is a column in its colour, as high as it is likely; the last one, grey, is all others
    together (thesis, figure 5.2).
    """
    colours, pairs = pair_colours(), ab_pairs().astype(int)
    order = np.argsort(-prior, kind="stable")
    shown = [(prior[q], colours[q], f"a {pairs[q, 0]}, b {pairs[q, 1]}") for q in order[:COMMON]]
    shown.append((prior[order[COMMON:]].sum(), GREY, f"{len(prior) - COMMON} others"))
    step, highest = WIDTH / len(shown), max(share for share, _, _ in shown)
    parts = []
    for number, (share, colour, name) in enumerate(shown):
        height = HEIGHT * share / highest
        parts.append(
            f'<rect x="{number * step:.1f}" y="{HEIGHT - height:.2f}" width="{step - 2:.1f}" '
            f'height="{height:.2f}" fill="{colour}"><title>{name}: {share:.2%}</title></rect>'
        )
    parts.append(_text(0, HEIGHT + 15, f"highest column: {highest:.1%}"))
    parts.append(_text(WIDTH, HEIGHT + 15, "all other colours", "end"))
    return _svg(0, 0, WIDTH, HEIGHT + FOOT, "The 49 most common colours", parts)


def plane_svg(prior: np.ndarray) -> str:
    """Return an SVG drawing of the ab plane: a to the right, b up, in units of a and b.

    Each pair is a square in its colour, whose area grows with the logarithm of its probability;
    pairs that never occur are dots.
    """
    parts = [f'<path d="M{-EDGE} 0H{EDGE}M0 {-EDGE}V{EDGE}" stroke="#ccc"/>']
    with np.errstate(divide="ignore"):
        weight = np.clip(1 - np.log10(prior) / LOWEST, 0.02, 1)
    for (a, b), colour, area, share in zip(ab_pairs(), pair_colours(), weight, prior):
        side = 10 * np.sqrt(area)
        parts.append(
            f'<rect x="{a - side / 2:.2f}" y="{-b - side / 2:.2f}" width="{side:.2f}" '
            f'height="{side:.2f}" fill="{colour}">'
            f"<title>a {a:.0f}, b {b:.0f}: {share:.2g}</title></rect>"
        )
    parts += [_text(EDGE - 2, -4, "a", "end", 10), _text(4, 10 - EDGE, "b", "start", 10)]
    return _svg(-EDGE, -EDGE, 2 * EDGE, 2 * EDGE, "The ab plane", parts)


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" '
        f'font-family="sans-serif" fill="#555">{text}</text>'
    )


def _svg(x: float, y: float, width: float, height: float, label: str, parts: list[str]) -> str:
    box = f"{x:g} {y:g} {width:g} {height:g}"
    start = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img"'
    return "\n".join([f'{start} aria-label="{label}">', *parts, "</svg>"])

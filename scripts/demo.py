#!/usr/bin/env python3
"""The demonstration: a real clip made grey and coloured from every 12th of its frames."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import colorize_film
from colorization.film_report import (
    contact_sheet,
    frame_psnr,
    polyline,
    side_by_side,
    write_page,
)
from colorization.images import Picture, write_image
from colorization.inference import join, lightness
from colorization.keyframes import losses
from colorization.resources import resource
from colorization.video import VideoWriter, open_video

SPACING = 12
CREDIT = (
    "Film: a shot of Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, "
    "Creative Commons Attribution 3.0."
)
INTRODUCTION = (
    "The grey clip in the first column was coloured by a network that was trained on this "
    "machine, from nothing, on every {spacing}th frame alone. No other picture was ever shown to it."
)
MEASURE = (
    "PSNR in RGB at 256x256 against the original, of the finished H.264 film, over the {count} "
    "frames that were not keyframes. To be honest about this clip: the camera stands still, so "
    "copying the colours of the nearest keyframe gives about 40 dB. What is shown here is what "
    "the network learns by itself; it takes each frame alone and knows nothing of its neighbours."
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), metavar="DIR")
    parser.add_argument("--iterations", type=int, default=400, metavar="N", help="(400)")
    options = parser.parse_args(argv)
    out, started = options.output, time.perf_counter()
    original, grey, film = resource("bigbuckbunny.mp4"), out / "grey.mp4", out / "coloured.mp4"
    keyframes = _prepare(original, grey, out / "keyframes")
    work = out / "work"
    arguments = [str(grey), "--keyframes", str(out / "keyframes"), "--output", str(film)]
    arguments += ["--work", str(work), "--iterations", str(options.iterations)]
    training_started = time.perf_counter()
    code = colorize_film.main(arguments)
    if code:
        return code
    training_seconds = time.perf_counter() - training_started
    figures = _report(out, original, grey, film, keyframes, work, training_seconds)
    for name, values in figures.items():
        print(f"{name}: {np.mean(values):.2f} dB mean PSNR on frames that were not keyframes")
    print(f"made in {time.perf_counter() - started:.0f} s; open {out / 'index.html'}")
    return 0


def _prepare(original: Path, grey: Path, folder: Path) -> list[int]:
    """Write the grey film and the keyframes; return the keyframes' numbers."""
    numbers = []
    with open_video(original) as film, VideoWriter(grey, film) as writer:
        for number, (frame, pts) in enumerate(film):
            writer.write(_without_colour(frame), pts)
            if number % SPACING == 0:
                write_image(folder / f"frame_{number:06d}.png", Picture(frame))
                numbers.append(number)
    return numbers


def _without_colour(frame: np.ndarray) -> np.ndarray:
    """Return a frame with its own L and ab = 0."""
    L = lightness(frame)
    return join(L, np.zeros((2, 1, 1), np.float32), (4, 4))


def _report(out, original, grey, film, keyframes, work, seconds) -> dict[str, list[float]]:
    """Write the films, pictures and page to look at; return the PSNR per film and frame."""
    films = {"grey": grey, "coloured": film, "original": original}
    side_by_side(films, out / "side_by_side.mp4")
    middles = [n + SPACING // 2 for n in keyframes[:-1:2]]
    contact_sheet(films, middles, out / "contact_sheet.png")
    series = {"left grey": frame_psnr(grey, original), "coloured": frame_psnr(film, original)}
    figures = {name: list(_others(values)) for name, values in series.items()}
    curve = losses(work / "train.log")
    write_page(
        out / "index.html",
        title="A film in colour from a few keyframes",
        introduction=INTRODUCTION.format(spacing=SPACING),
        comparison="side_by_side.mp4",
        film="coloured.mp4",
        sheet="contact_sheet.png",
        figures=[
            {"name": name, "mean": np.mean(values), "lowest": min(values)}
            for name, values in figures.items()
        ],
        measure=MEASURE.format(count=len(figures["coloured"])),
        plot=_plot(series),
        steps=_steps(keyframes, curve, seconds),
        loss=_loss(curve),
        credit=CREDIT,
    )
    return figures


def _others(values: list[float]) -> Iterator[float]:
    return (value for number, value in enumerate(values) if number % SPACING)


def _plot(series: dict[str, list[float]]) -> dict:
    width, height, low, high = 900, 240, 10, 40
    colours = ("#888", "#c30")
    count = len(series["coloured"])
    lines = [
        {"name": name, "colour": colour, "points": polyline(values, width, height, low, high)}
        for (name, values), colour in zip(series.items(), colours)
    ]
    marks = [f"{n * width / (count - 1):.1f}" for n in range(0, count, SPACING)]
    return dict(width=width, height=height, low=low, high=high, lines=lines, keyframes=marks)


def _loss(curve: list[tuple[int, float]]) -> dict:
    width, height = 900, 160
    values = [loss for _, loss in curve]
    return dict(
        width=width,
        height=height,
        points=polyline(values, width, height, 0, max(values)),
        iterations=curve[-1][0],
        first=values[0],
        last=values[-1],
    )


def _steps(keyframes: list[int], curve: list[tuple[int, float]], seconds: float) -> list[str]:
    return [
        "The clip was made grey: its L was kept, a and b set to 0.",
        f"{len(keyframes)} frames ({', '.join(map(str, keyframes))}) stood for frames that a "
        "person has coloured.",
        "The quarter-width plain network (networks/plain_quarter) was trained on them by caffe "
        f"train: {curve[-1][0]} iterations of 8 crops of 224x224, Adam, class rebalancing with "
        "the keyframes' own colours.",
        "Each frame's L at 256x256 went through the network; its colours, the mean of the "
        "predicted histogram, were interpolated to full size and joined with the frame's own L.",
        f"Training and colouring took {seconds:.0f} s here (0 or little where a training of "
        "the same keyframes was found).",
    ]


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""The demonstration: a real clip made grey and coloured from every 12th of its frames."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import colorize_film
import numpy as np

from colorization.comparison import without_colour
from colorization.film_report import contact_sheet, frame_psnr, side_by_side
from colorization.images import Picture, write_image
from colorization.inference import lightness
from colorization.pages import write_page
from colorization.plots import Line, write_line_chart
from colorization.resources import resource
from colorization.training import losses
from colorization.video import VideoWriter, open_video

SPACING = 12
CREDIT = (
    "Film: a shot of Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, "
    "Creative Commons Attribution 3.0."
)
INTRODUCTION = (
    "The grey clip in the first column was coloured by a network that was trained on this "
    "machine, from nothing, on every {spacing}th frame alone. No other picture was ever shown to "
    "it."
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
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also a small contact sheet")
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
    if options.picture:
        films = {"grey": grey, "coloured": film, "original": original}
        contact_sheet(films, [SPACING // 2 + n for n in keyframes[:6:2]], options.picture)
    for name, values in figures.items():
        print(f"{name}: {np.mean(values):.2f} dB mean PSNR on frames that were not keyframes")
    print(f"made in {time.perf_counter() - started:.0f} s; open {out / 'index.html'}")
    return 0


def _prepare(original: Path, grey: Path, folder: Path) -> list[int]:
    """Write the grey film and the keyframes; return the keyframes' numbers."""
    numbers = []
    with open_video(original) as film, VideoWriter(grey, film) as writer:
        for number, (frame, pts) in enumerate(film):
            writer.write(without_colour(lightness(frame)), pts)
            if number % SPACING == 0:
                write_image(folder / f"frame_{number:06d}.png", Picture(frame))
                numbers.append(number)
    return numbers


def _report(out, original, grey, film, keyframes, work, seconds) -> dict[str, list[float]]:
    """Write the films, pictures and page to look at; return the PSNR per film and frame."""
    films = {"grey": grey, "coloured": film, "original": original}
    side_by_side(films, out / "side_by_side.mp4")
    middles = [n + SPACING // 2 for n in keyframes[:-1:2]]
    contact_sheet(films, middles, out / "contact_sheet.png")
    series = {"left grey": frame_psnr(grey, original), "coloured": frame_psnr(film, original)}
    figures = {name: list(_others(values)) for name, values in series.items()}
    curve = losses(work / "train.log")
    _draw_psnr(out / "psnr.svg", series)
    _draw_loss(out / "loss.svg", curve)
    write_page(
        out / "index.html",
        "film_page.html",
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
        psnr_chart="psnr.svg",
        steps=_steps(keyframes, curve, seconds),
        loss_chart="loss.svg",
        loss={"iterations": curve[-1][0], "first": curve[0][1], "last": curve[-1][1]},
        credit=CREDIT,
    )
    return figures


def _others(values: list[float]) -> Iterator[float]:
    return (value for number, value in enumerate(values) if number % SPACING)


def _draw_psnr(target: Path, series: dict[str, list[float]]) -> None:
    lines = [
        Line(name, range(len(values)), values, colour)
        for (name, values), colour in zip(series.items(), ("#888", "#c30"))
    ]
    keyframes = range(0, len(lines[0].y), SPACING)
    write_line_chart(
        target, "PSNR of each frame", lines, "frame", "dB", y_range=(10, 40), marks=keyframes
    )


def _draw_loss(target: Path, curve: list[tuple[int, float]]) -> None:
    iterations, values = zip(*curve)
    lines = [Line("loss", iterations, values)]
    write_line_chart(target, "Loss", lines, "iteration", "loss", y_range=(0, max(values)))


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

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

from colorization.caffe_train import losses
from colorization.colour import Lab_to_sRGB, sRGB_to_Lab
from colorization.film_report import contact_sheet, frame_psnr, side_by_side
from colorization.images import Picture, write_image
from colorization.inference import lightness, without_colour
from colorization.metrics import psnr
from colorization.pages import write_page
from colorization.plots import Line, write_line_chart
from colorization.resizing import resized
from colorization.resources import resource
from colorization.video import VideoWriter, open_video

SPACING = 12
CREDIT = (
    "Film: a shot of Big Buck Bunny, (c) 2008 Blender Foundation, www.bigbuckbunny.org, "
    "Creative Commons Attribution 3.0."
)
INTRODUCTION = (
    "The grey clip in the first column was coloured on this machine from every {spacing}th frame "
    "alone: by a network that was trained on them, from nothing (second column), and by carrying "
    "their colours along the film's motion, with the network where no keyframe shows what is there "
    "(third column). No other picture was ever shown to it."
)
MEASURE = (
    "PSNR in RGB at 256x256 against the original, of the finished H.264 film, over the {count} "
    "frames that were not keyframes. To be honest about this clip: the camera stands still, so "
    "copying the colours of the nearest keyframe gives {copied:.1f} dB already. The network takes "
    "each frame alone and knows nothing of its neighbours."
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), metavar="DIR")
    parser.add_argument("--iterations", type=int, default=400, metavar="N", help="(400)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also a small contact sheet")
    options = parser.parse_args(argv)
    out, started = options.output, time.perf_counter()
    original, grey, film = resource("bigbuckbunny.mp4"), out / "grey.mp4", out / "coloured.mp4"
    alone = out / "network_alone.mp4"
    keyframes = _prepare(original, grey, out / "keyframes")
    work = out / "work"
    arguments = [str(grey), "--keyframes", str(out / "keyframes"), "--work", str(work)]
    arguments += ["--iterations", str(options.iterations), "--overwrite"]
    training_started = time.perf_counter()
    for extra in (["--colours", "network", "--output", str(alone)], ["--output", str(film)]):
        if code := colorize_film.main(arguments + extra):
            return code
    training_seconds = time.perf_counter() - training_started
    films = {"grey": grey, "network alone": alone, "coloured": film, "original": original}
    figures = _report(out, films, keyframes, work, training_seconds)
    if options.picture:
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


def _report(out, films, keyframes, work, seconds) -> dict[str, list[float]]:
    """Write the films, pictures and page to look at; return the PSNR per film and frame."""
    original = films["original"]
    side_by_side(films, out / "side_by_side.mp4")
    middles = [n + SPACING // 2 for n in keyframes[:-1:2]]
    contact_sheet(films, middles, out / "contact_sheet.png")
    series = {name: frame_psnr(film, original) for name, film in films.items() if film != original}
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
        measure=MEASURE.format(count=len(figures["coloured"]), copied=_copied(original)),
        psnr_chart="psnr.svg",
        steps=_steps(keyframes, curve, seconds),
        loss_chart="loss.svg",
        loss={"iterations": curve[-1][0], "first": curve[0][1], "last": curve[-1][1]},
        credit=CREDIT,
    )
    return figures


def _copied(original: Path) -> float:
    """Return the mean PSNR of frames in the colours of the nearest keyframe, in place."""
    with open_video(original) as film:
        Lab = [sRGB_to_Lab(resized(frame, 256, 256) / np.float32(255)) for frame, _ in film]
    numbers = range(0, len(Lab), SPACING)
    found = []
    for n in (n for n in range(len(Lab)) if n not in numbers):
        nearest = Lab[min(numbers, key=lambda k: abs(k - n))]
        copied = np.concatenate((Lab[n][..., :1], nearest[..., 1:]), -1)
        found.append(psnr(Lab_to_sRGB(copied).clip(0, 1), Lab_to_sRGB(Lab[n]).clip(0, 1)))
    return float(np.mean(found))


def _others(values: list[float]) -> Iterator[float]:
    return (value for number, value in enumerate(values) if number % SPACING)


def _draw_psnr(target: Path, series: dict[str, list[float]]) -> None:
    lines = [
        Line(name, range(len(values)), values, colour)
        for (name, values), colour in zip(series.items(), ("#888", "#e69f00", "#c30"))
    ]
    keyframes = range(0, len(lines[0].y), SPACING)
    write_line_chart(
        target, "PSNR of each frame", lines, "frame", "dB", y_range=(10, 50), marks=keyframes
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
        "predicted histogram, were steadied along the film's motion, interpolated to full size "
        "and joined with the frame's own L. This is the film of the network alone.",
        "For the other film the keyframes' colours were carried to each frame along the optical "
        "flow, from the keyframe before and the one after, and blended by how far they can be "
        "trusted there; where neither can, the network's colours stand.",
        f"Training and colouring took {seconds:.0f} s here (0 or little where a training of "
        "the same keyframes was found).",
    ]


if __name__ == "__main__":
    sys.exit(main())

"""Episodes on disk: a film and a record of each, several of them drawn at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import cv2
from tqdm import tqdm

from colorization.cartoon.film import RATE, Episode
from colorization.errors import ColorizationError
from colorization.files import write_text
from colorization.video import Quality, VideoWriter

CRF = 14  # of H.264: next to no loss
_REPORT_SECONDS = 0.5

_drawn: Synchronized[int] | None = None  # frames drawn by all processes, as each of them sees it


class OtherEpisode(ColorizationError):
    """The files that are there were made with other options; the message is one line."""


def paths(folder: Path, number: int) -> tuple[Path, Path]:
    """Return where an episode's film and record are."""
    return folder / f"episode_{number:02d}.mp4", folder / f"episode_{number:02d}.json"


def write_episode(
    episode: Episode, folder: Path, tick: Callable[[], None] = lambda: None
) -> tuple[Path, Path]:
    """Write episode_NN.mp4 and its record episode_NN.json; `tick` is called for each frame.

    The record holds the episode's title, seed, rate and size, and under "frames" the truth about
    each frame, in order. It is written after the film: where it is, the film is complete.
    """
    film, record = paths(folder, episode.number)
    record.unlink(missing_ok=True)
    truths = []
    with VideoWriter(film, rate=RATE, quality=Quality(CRF)) as writer:
        for picture, truth in episode.frames():
            writer.write(picture)
            truths.append(json.dumps(asdict(truth)))
            tick()
    head = json.dumps(_header(episode), indent=1).removesuffix("\n}")
    lines = ",\n  ".join(truths)
    write_text(record, f'{head},\n "frames": [\n  {lines}\n ]\n}}\n')
    return film, record


def is_complete(episode: Episode, folder: Path) -> bool:
    """Tell whether film and record are there; OtherEpisode if other options made them."""
    film, record = paths(folder, episode.number)
    if not film.is_file() or not record.is_file():
        return False
    try:
        kept = dict(json.loads(record.read_text()))
    except ValueError as error:
        raise OtherEpisode(f"{record}: not the record of an episode: {error}") from error
    for name, value in _header(episode).items():
        if kept.get(name) != value:
            made = f"made with {name} {kept.get(name)}, asked for {value}"
            raise OtherEpisode(f"{record}: {made}; --overwrite replaces it")
    return True


def _header(episode: Episode) -> dict[str, object]:
    return {"title": episode.title, **asdict(episode), "rate": RATE}


def write_episodes(episodes: list[Episode], folder: Path, workers: int) -> None:
    """Write several episodes, each in one of some processes, with a bar over all frames."""
    if not episodes:
        return
    context = get_context("spawn")
    drawn = context.Value("q", 0)
    count = min(workers, len(episodes))
    with (
        tqdm(total=sum(map(len, episodes)), unit="frame", disable=None) as bar,
        ProcessPoolExecutor(count, context, _start, (drawn,)) as pool,
    ):
        running = {pool.submit(write_episode, episode, folder, _count) for episode in episodes}
        try:
            while running:
                done, running = wait(running, _REPORT_SECONDS, FIRST_EXCEPTION)
                for future in done:
                    future.result()
                bar.update(drawn.value - bar.n)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start(drawn: Synchronized[int]) -> None:
    global _drawn
    _drawn = drawn
    cv2.setNumThreads(1)


def _count() -> None:
    assert _drawn is not None
    with _drawn.get_lock():
        _drawn.value += 1

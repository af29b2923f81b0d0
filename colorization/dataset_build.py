"""Making a data set: the parts one by one, or several at once, and then the sets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from colorization.dataset_names import PRIOR, SETS, TRAIN, lmdb_name
from colorization.dataset_parts import (
    FRAMES,
    LMDB,
    Images,
    Part,
    Recipe,
    Record,
    identity,
    make_part,
    part_folder,
    read_record,
)
from colorization.dataset_report import write_report
from colorization.dataset_sets import Member, Split, assign, training_prior, write_sets
from colorization.errors import ColorizationError, one_line
from colorization.files import locked, write_text
from colorization.rebalancing import load_prior, save_prior
from colorization.video import VideoError, open_video

STAMP = "dataset.json"  # is there when the data set is complete

_frames_done: Any = None  # by all workers, shared among them


class DatasetError(ColorizationError):
    """A data set that cannot be made; the message is one line."""


@dataclass
class Dataset:
    """A data set that was made."""

    parts: list[Part]
    records: dict[str, Record]  # of the parts that could be made
    members: dict[str, list[Member]]  # of the sets train, val and test
    prior: np.ndarray  # (313,), of the training set
    failures: list[str]  # one line each

    def roles(self) -> dict[str, list[str]]:
        """Return the sets that hold images of each part, by the part's name."""
        numbers = {name: {number for number, _ in chosen} for name, chosen in self.members.items()}
        return {
            part.name: [name for name, found in numbers.items() if number in found]
            for number, part in enumerate(self.parts)
        }


def build_dataset(
    parts: list[Part],
    recipe: Recipe,
    split: Split,
    output: Path,
    workers: int = 1,
    say: Callable[[str], None] = print,
    warn: Callable[[str], None] = print,
) -> Dataset:
    """Make a data set in the folder `output`.

        train_lmdb val_lmdb test_lmdb     raw Datums, unless the recipe is without LMDBs
        train.txt val.txt test.txt        "path label" lines, then; paths are below the output
        frames/                           PNG files, if the recipe says so
        train_priors.npy                  the mean histogram of the training set
        index.html                        what there is to see of it
        parts/ dataset.json               what it was made from

    Parts that are finished, by an earlier call with the same recipe, are not made again; `say` is
    told when finished ones are of no use. A film that is broken is left out, as are images that
    cannot be read: `warn` is told, and they are among the failures. DatasetError when nothing is
    left to train on, when the folder has sets that were not made here, and when another process is
    making some there.
    """
    output.mkdir(parents=True, exist_ok=True)
    with locked(output, DatasetError(f"{output}: another process is making a data set there")):
        return _build(parts, recipe, split, output, workers, say, warn)


def _build(
    parts: list[Part],
    recipe: Recipe,
    split: Split,
    output: Path,
    workers: int,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> Dataset:
    """Do what `build_dataset` does, as the only process in the folder."""
    _refuse_others(output)
    stamp = {
        "split": asdict(split),
        "parts": {part.name: identity(part, recipe) for part in parts},
    }
    complete = _read_stamp(output) == stamp and (output / PRIOR).is_file()
    failures: list[str] = []
    if complete:
        say(f"{output}: is complete already")
    else:
        (output / STAMP).unlink(missing_ok=True)
        _remove_strangers(parts, output)
        for line in _make_parts(_unfinished(parts, recipe, output, say), recipe, output, workers):
            failures.append(line)
            warn(line)
    records = _finished(parts, recipe, output)
    for line in (line for record in records.values() for line in record.failures):
        failures.append(line)
        warn(line)
    members = assign(parts, records, split)
    if not members[TRAIN]:
        raise DatasetError(
            f"{output}: no image is left to train on: {len(records)} of {len(parts)} parts could "
            f"be made, {split.test_episodes} episodes are the test set"
        )
    if not complete:
        write_sets(members, parts, records, recipe, output)
        save_prior(output / PRIOR, training_prior(members[TRAIN], parts, output))
    dataset = Dataset(parts, records, members, load_prior(output / PRIOR), failures)
    if not complete:
        write_report(output, dataset)
        if len(records) == len(parts):
            _complete(parts, output, stamp)
    return dataset


def _read_stamp(output: Path) -> dict | None:
    try:
        return json.loads((output / STAMP).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _complete(parts: list[Part], output: Path, stamp: dict) -> None:
    """Leave word that the data set is complete, and remove what it was put together from."""
    write_text(output / STAMP, json.dumps(stamp, indent=1))
    for part in parts:
        shutil.rmtree(part_folder(output, part) / LMDB, ignore_errors=True)


def _remove_strangers(parts: list[Part], output: Path) -> None:
    """Remove finished parts that belong to the data set no more, and what interruptions left."""
    names, groups = {part.name for part in parts}, {part.group for part in parts}
    for folder in (output / "parts").glob("*"):
        record = read_record(folder)
        if record and folder.name not in names:
            shutil.rmtree(folder)
            if record.identity["group"] not in groups:
                shutil.rmtree(output / FRAMES / record.identity["group"], ignore_errors=True)
        elif folder.name.startswith(".") and folder.name.endswith(".tmp"):
            shutil.rmtree(folder)


def _finished(parts: list[Part], recipe: Recipe, output: Path) -> dict[str, Record]:
    records = {part.name: (read_record(part_folder(output, part)), part) for part in parts}
    return {
        name: record
        for name, (record, part) in records.items()
        if record and record.identity == identity(part, recipe)
    }


def _refuse_others(output: Path) -> None:
    """Raise DatasetError where a set would be replaced that was not made here."""
    if (output / STAMP).is_file() or (output / "parts").is_dir():
        return
    for name in (*map(lmdb_name, SETS), PRIOR, "index.html"):
        if (output / name).exists():
            raise DatasetError(f"{output / name}: was not made here; choose another folder")


def _unfinished(
    parts: list[Part], recipe: Recipe, output: Path, say: Callable[[str], None]
) -> list[Part]:
    """Return the parts to make; what stands in their place is removed, and `say` is told why."""
    unfinished, remarks = [], []
    for part in parts:
        folder = part_folder(output, part)
        record = read_record(folder)
        remark = _of_no_use(part, record, recipe, output) if record else None
        if remark:
            remarks.append(remark)
            shutil.rmtree(folder)
            shutil.rmtree(output / FRAMES / part.group, ignore_errors=True)
        if remark or not record:
            unfinished.append(part)
    for remark in dict.fromkeys(remarks):
        say(f"{output}: {remark}")
    return unfinished


def _of_no_use(part: Part, record: Record, recipe: Recipe, output: Path) -> str | None:
    """Say why a finished part cannot be used, if so."""
    wanted, found = identity(part, recipe), record.identity
    if found == wanted:
        lost = recipe.lmdb and not (part_folder(output, part) / LMDB).is_dir()
        return "was complete with other parts or another split: starting over" if lost else None
    if found["recipe"] == wanted["recipe"]:
        return f"{part.name} was made from something else: it is made again"
    changes = [
        f"{name} {old}, now {wanted['recipe'].get(name)}"
        for name, old in found["recipe"].items()
        if old != wanted["recipe"].get(name)
    ]
    return f"was made with {'; '.join(changes)}: starting over"


def _make_parts(todo: list[Part], recipe: Recipe, output: Path, workers: int) -> Iterator[str]:
    """Make parts, with a progress bar; yield what goes wrong."""
    total = sum(map(_expected, todo))
    with tqdm(total=total, desc="frames", unit="frame", disable=None) as bar:
        if min(workers, len(todo)) > 1:
            yield from filter(None, _in_processes(todo, recipe, output, workers, bar))
        else:
            yield from filter(None, (_attempt(part, recipe, output, bar.update) for part in todo))


def _expected(part: Part) -> int:
    """Return about how many frames a part has."""
    if isinstance(part, Images):
        return len(part.files)
    with suppress(VideoError), open_video(part.film) as film:
        seconds = min(part.end, len(film) / float(film.rate)) - part.start
        return max(0, round(seconds * float(film.rate)))
    return 0


def _attempt(part: Part, recipe: Recipe, output: Path, tick: Callable[[], Any]) -> str:
    """Make a part; return what went wrong, or nothing."""
    try:
        make_part(part, recipe, output, tick)
    except VideoError as error:
        return str(error)
    except Exception as error:  # whatever is wrong with one part, the others are made
        return f"{part.name}: {one_line(error)}"
    return ""


def _in_processes(
    todo: list[Part], recipe: Recipe, output: Path, workers: int, bar: tqdm
) -> Iterator[str]:
    """Make parts in processes of their own, which end when this one does."""
    context = get_context("spawn")
    counter = context.Value("q", 0)
    pool = ProcessPoolExecutor(min(workers, len(todo)), context, _start_worker, (counter,))
    try:
        running = {pool.submit(_work, part, recipe, output) for part in todo}
        while running:
            done, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            bar.update(counter.value - bar.n)
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise DatasetError(
            f"{output}: a worker process died; with fewer workers less memory is needed"
        ) from error
    except BaseException:
        for child in active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(counter: Any) -> None:
    global _frames_done
    _frames_done = counter
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends the workers
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
    os._exit(1)


def _work(part: Part, recipe: Recipe, output: Path) -> str:
    return _attempt(part, recipe, output, _tick)


def _tick() -> None:
    with _frames_done.get_lock():
        _frames_done.value += 1

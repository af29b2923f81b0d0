"""The training, validation and test sets (thesis, section 4.1.4), put together from parts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import lmdb
import numpy as np

from colorization.dataset import record_key, write_records
from colorization.dataset_names import SETS, TEST, TRAIN, VAL, lmdb_name
from colorization.dataset_parts import (
    FRAMES,
    LMDB,
    Episode,
    Images,
    Part,
    Recipe,
    Record,
    histograms,
    part_folder,
)
from colorization.files import replacing
from colorization.histogram import Q

OPEN_FOR = 100  # records of 200 KB; the kernel maps up to 1 MB around each that is read

Member = tuple[int, int]  # the number of a part, and that of an image among those it kept


@dataclass(frozen=True)
class Split:
    """Which frames go to which set.

    The first `test_episodes` episodes are the test set (thesis, section 4.1.4). Of each other one,
    the share `val_share` of the kept frames goes to the validation set, in one stretch, as frames
    close in time are nearly equal. Of folders of images, the same share does. The seed says which,
    and in what order these two sets are stored: the Data layer reads them as they are stored, and
    neighbours in a film would be neighbours in a batch, or be all that a validation sees.
    """

    test_episodes: int = 1
    val_share: float = 0.05
    seed: int = 0


def assign(parts: list[Part], records: dict[str, Record], split: Split) -> dict[str, list[Member]]:
    """Return the members of each set, in the order in which they are stored; see `Split`.

    Parts without a record are passed over.
    """
    members: dict[str, list[Member]] = {name: [] for name in SETS}
    episodes = [part.name for part in parts if isinstance(part, Episode)]
    for number, part in enumerate(parts):
        if part.name not in records:
            continue
        count = len(records[part.name].kept)
        rng = np.random.default_rng([split.seed, number])
        val = _validation(part, count, split.val_share, rng)
        for index in range(count):
            if part.name in episodes[: split.test_episodes]:
                members[TEST].append((number, index))
            else:
                members[VAL if index in val else TRAIN].append((number, index))
    for name in (TRAIN, VAL):
        order = np.random.default_rng(split.seed).permutation(len(members[name]))
        members[name] = [members[name][i] for i in order]
    return members


def _validation(part: Part, count: int, share: float, rng: np.random.Generator) -> set[int]:
    """Draw which of a part's images are for validation: one at least if there is a share."""
    size = min(max(1, round(share * count)), count - 1) if share and count else 0
    if isinstance(part, Images):
        return set(rng.choice(count, size, replace=False).tolist())
    begin = int(rng.integers(count - size + 1))
    return set(range(begin, begin + size))


def write_sets(
    members: dict[str, list[Member]],
    parts: list[Part],
    records: dict[str, Record],
    recipe: Recipe,
    output: Path,
) -> None:
    """Write the sets as LMDBs or lists, and remove those that have no members."""
    kept = [records[part.name].kept if part.name in records else [] for part in parts]
    for name, chosen in members.items():
        folder, file = output / lmdb_name(name), output / f"{name}.txt"
        if recipe.lmdb and chosen:
            write_records(folder, _records(chosen, parts, kept, output))
        else:
            shutil.rmtree(folder, ignore_errors=True)
        if not recipe.lmdb and chosen:
            lines = (f"{FRAMES}/{kept[p][i][0]} {kept[p][i][1]}\n" for p, i in chosen)
            with replacing(file) as temporary, open(temporary, "w", encoding="utf-8") as stream:
                stream.writelines(lines)
        else:
            file.unlink(missing_ok=True)


def _records(
    members: list[Member], parts: list[Part], kept: list, output: Path
) -> Iterator[tuple[str, bytes]]:
    """Yield names and Datums from the parts' LMDBs.

    These are opened anew for every OPEN_FOR records: what was read of an open one stays mapped.
    """
    for first in range(0, len(members), OPEN_FOR):
        yield from _some_records(members[first : first + OPEN_FOR], parts, kept, output)


def _some_records(
    members: list[Member], parts: list[Part], kept: list, output: Path
) -> Iterator[tuple[str, bytes]]:
    with ExitStack() as stack:
        transactions = {}
        for number in sorted({number for number, _ in members}):
            folder = part_folder(output, parts[number]) / LMDB
            environment = lmdb.open(str(folder), readonly=True, lock=False)
            stack.enter_context(environment)
            transactions[number] = stack.enter_context(environment.begin())
        for number, index in members:
            name = kept[number][index][0]
            value = transactions[number].get(record_key(index, name))
            if value is None:
                raise OSError(f"{part_folder(output, parts[number]) / LMDB}: {name} is not in it")
            yield name, value


def training_prior(members: list[Member], parts: list[Part], output: Path) -> np.ndarray:
    """Return the mean histogram (313,) of a set; all images are of one size."""
    numbers, indices = np.array(members).T
    total = np.zeros(Q)
    for number in np.unique(numbers):
        rows = histograms(output, parts[number])[indices[numbers == number]]
        total += rows.sum(axis=0, dtype=np.float64)
    return total / len(members)

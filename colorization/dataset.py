"""Training data on disk: images as Datums in an LMDB, as Caffe's Data layer reads them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import lmdb
import numpy as np

from colorization.colour import sRGB_to_Lab
from colorization.histogram import soft_encode, subsample
from colorization.rebalancing import PriorAccumulator
from colorization.resizing import FRAME_SIZE, resized

INITIAL_MAP = 64 << 20
BATCH = 64  # records in a transaction: 12 MB of frames; more is no faster and takes more memory
LONGEST_KEY = 511  # bytes, of an LMDB as it is commonly built


def cropped(image: np.ndarray, size: int = FRAME_SIZE) -> np.ndarray:
    """Return the middle (size, size, 3) of an image whose shorter side was brought to `size`.

    For photographs: unlike the frames of a film, which all share one shape and may share its
    distortion, they come upright and lying, and would be squeezed now one way, now the other.
    """
    H, W = image.shape[:2]
    scale = size / min(H, W)
    image = resized(image, max(size, round(W * scale)), max(size, round(H * scale)))
    top, left = ((side - size) // 2 for side in image.shape[:2])
    return image[top : top + size, left : left + size]


def write_lmdb(folder: str | os.PathLike, images: Iterable[tuple[str, np.ndarray]]) -> int:
    """Write named RGB images (H, W, 3), uint8, as raw BGR Datums of label 0; return how many.

    See `write_records`.
    """
    return write_records(folder, ((name, datum(image)) for name, image in images))


def datum(image: np.ndarray, label: int = 0) -> bytes:
    """Return the raw BGR Datum of an RGB image (H, W, 3), uint8."""
    from caffe.io import array_to_datum

    planes = np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))
    return array_to_datum(planes, label).SerializeToString()


def write_records(folder: str | os.PathLike, records: Iterable[tuple[str, bytes]]) -> int:
    """Write named Datums into an LMDB; return how many.

    Keys are `<8-digit number>_<name>`, as Caffe's convert_imageset makes them. The folder appears
    when all is written, in place of an older one; of the records, a batch is in memory.
    """
    folder = Path(folder)
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    count = 0
    keyed = ((record_key(n, name), value) for n, (name, value) in enumerate(records))
    with lmdb.open(str(temporary), map_size=INITIAL_MAP, lock=False, sync=False) as environment:
        for batch in _batches(keyed):
            _put(environment, batch)
            count += len(batch)
        environment.sync(True)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    return count


def record_key(number: int, name: str) -> bytes:
    """Return the key of a record, cut to the length that an LMDB takes."""
    return f"{number:08d}_{name}".encode()[:LONGEST_KEY]


def _batches(records: Iterator[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    while batch := list(islice(records, BATCH)):
        yield batch


def _put(environment: lmdb.Environment, batch: list[tuple[bytes, bytes]]) -> None:
    """Put records whose keys ascend in one transaction, doubling the map while it is too small."""
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, value in batch:
                    transaction.put(key, value, append=True)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(environment.info()["map_size"] * 2)


def prior(images: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean histogram (313,) of RGB images (H, W, 3), uint8 (thesis, section 5.3)."""
    accumulator = PriorAccumulator()
    for image in images:
        accumulator.update(_encoded(image))
    return accumulator.mean()


def mean_histogram(image: np.ndarray) -> np.ndarray:
    """Return the mean histogram (313,), float64, of an RGB image (H, W, 3), uint8.

    The mean over images of one size is their `prior`.
    """
    return _encoded(image).mean(axis=(0, 2, 3), dtype=np.float64)


def _encoded(image: np.ndarray) -> np.ndarray:
    """Return the soft-encoded colours of an image, as the networks' target has them."""
    pixels = subsample(
        image.transpose(2, 0, 1)[None]
    )  # Lab is taken of these alone: point by point
    Lab = sRGB_to_Lab(pixels.astype(np.float32) / 255, axis=1)
    return soft_encode(np.ascontiguousarray(Lab[:, 1:]))

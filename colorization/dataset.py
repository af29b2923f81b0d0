"""Training data on disk: images as Datums in an LMDB, as Caffe's Data layer reads them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import lmdb
import numpy as np

from colorization.colour import sRGB_to_Lab
from colorization.histogram import soft_encode, subsample
from colorization.rebalancing import PriorAccumulator

FRAME_SIZE = 256  # pixels each way; the networks train on crops of 224 (thesis, section 7.4)
INITIAL_MAP = 64 << 20


def resized(image: np.ndarray, width: int = FRAME_SIZE, height: int = FRAME_SIZE) -> np.ndarray:
    """Return an image (H, W, 3) at another size: area averages downwards, bicubic upwards."""
    shrinks = width * height < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def write_lmdb(folder: str | os.PathLike, images: Iterable[tuple[str, np.ndarray]]) -> int:
    """Write named RGB images (H, W, 3), uint8, as raw BGR Datums; return how many.

    Keys are `<8-digit number>_<name>`, as Caffe's convert_imageset makes them. The folder appears
    when all is written, in place of an older one.
    """
    folder = Path(folder)
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    environment = lmdb.open(str(temporary), map_size=INITIAL_MAP)
    count = 0
    for count, (name, image) in enumerate(images, 1):
        _put(environment, f"{count - 1:08d}_{name}".encode(), _datum(image))
    environment.close()
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    return count


def _put(environment: lmdb.Environment, key: bytes, value: bytes) -> None:
    """Put one entry, doubling the map when it is full."""
    while True:
        try:
            with environment.begin(write=True) as transaction:
                transaction.put(key, value)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(environment.info()["map_size"] * 2)


def _datum(image: np.ndarray) -> bytes:
    from caffe.io import array_to_datum

    planes = np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))
    return array_to_datum(planes, 0).SerializeToString()


def prior(images: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean histogram (313,) of RGB images (H, W, 3), uint8 (thesis, section 5.3)."""
    accumulator = PriorAccumulator()
    for image in images:
        Lab = sRGB_to_Lab(image.astype(np.float32) / 255)
        ab = Lab[None, :, :, 1:].transpose(0, 3, 1, 2)
        accumulator.update(soft_encode(np.ascontiguousarray(subsample(ab))))
    return accumulator.mean()

"""Validation on the way of a training: the loss on other data, and pictures to look at."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import lmdb
import numpy as np

from colorization.contact_sheets import COLUMNS, write_sheet
from colorization.inference import Colorizer
from colorization.network import choose_device
from colorization.resizing import resized

PICTURES = COLUMNS  # so many, each coloured and as it was
PATIENCE = 10.0  # seconds that a database may take to be closed


def validation_loss(
    net: Path, model: Path, batches: int, gpu: int | None = None, precision: str = "fp32"
) -> float:
    """Return the mean loss of a model over the first batches of the validation data of a net."""
    import caffe

    choose_device(gpu, precision)
    test_net = caffe.Net(str(net), caffe.TEST, weights=str(model))
    return float(np.mean([test_net.forward()["loss"] for _ in range(batches)]))


def write_pictures(
    target: Path,
    deploy: Path,
    model: Path,
    source: str | os.PathLike,
    gpu: int | None = None,
    precision: str = "fp32",
) -> None:
    """Write a sheet with images of an LMDB of raw Datums, coloured by a model and as they were."""
    colorizer = Colorizer(deploy, model, gpu=gpu, precision=precision, size=None)
    pictures = []
    for number, image in enumerate(some_images(source, PICTURES)):
        pictures.append((f"coloured {number}", colorizer(image)))
        pictures.append((f"original {number}", image))
    write_sheet(target, [(caption, resized(p, 128, 128)) for caption, p in pictures])


def some_images(source: str | os.PathLike, count: int) -> list[np.ndarray]:
    """Return RGB images (H, W, 3), uint8, that lie evenly spaced in an LMDB of raw BGR Datums."""
    from caffe import io
    from caffe.proto import caffe_pb2

    found = _records(source, count)
    planes = (io.datum_to_array(caffe_pb2.Datum.FromString(value)) for value in found)
    return [np.ascontiguousarray(bgr[::-1].transpose(1, 2, 0)) for bgr in planes]


def _records(source: str | os.PathLike, count: int) -> list[bytes]:
    """Return evenly spaced values of an LMDB, which a net of this process may have open."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with (
                lmdb.open(str(source), readonly=True, lock=False) as environment,
                environment.begin() as transaction,
            ):
                entries = environment.stat()["entries"]
                count = min(count, entries)
                wanted = {n * entries // count for n in range(count)}
                values = enumerate(transaction.cursor().iternext(keys=False))
                return [bytes(value) for number, value in values if number in wanted]
        except lmdb.Error as error:
            if "already open" not in str(error) or time.monotonic() > deadline:
                raise
            gc.collect()  # nets that are no longer used close their databases
            time.sleep(0.05)

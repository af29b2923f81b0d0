"""Genuine Caffe's tools for data: `python -m caffe.data_tools convert_imageset ROOT/ LIST DB`.

convert_imageset makes a database of pictures, compute_image_mean the mean of one, and
extract_features keeps what a net computes. Flags, records and log are those of the genuine tools;
they end with 0, or with 1 for a wrong call or a failure. What is written gets its name at the end.
"""

import os
import random
import re
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, NamedTuple

import cv2
import numpy as np

from . import binaryproto, log, sources
from .cli import Flag, FlagError, flag_usage, parse
from .errors import CaffeError, lack_of_memory
from .leveldb import open_leveldb
from .proto.caffe_pb2 import TEST, BlobProto, Datum

COMMIT_EVERY = 1000  # records between two lines of progress, as between two of Caffe's transactions
MEAN_SHOWN_EVERY = 10000
INTERRUPTED = 130


class Tool(NamedTuple):
    """A tool whose call has flags."""

    name: str
    usage: str
    words: tuple[int, "int | None"]  # least and most that a call has besides flags
    flags: tuple[Flag, ...]
    work: Callable[[SimpleNamespace, list[str]], None]


# -- convert_imageset ------------------------------------------------------------------------------


def convert_imageset(arguments: "list[str] | None" = None) -> int:
    """Write the pictures of a list file into a new database; returns the exit code."""
    return _run(CONVERT, arguments)


def _convert(flags: SimpleNamespace, words: list[str]) -> None:
    root, list_file, target = words[:3]
    sources.check_resize(max(flags.resize_height, 0), max(flags.resize_width, 0), not flags.gray)
    entries = [(name, label) for _, name, label in sources.image_list(list_file)]
    if flags.shuffle:
        log.info("convert_imageset.cpp:86", "Shuffling data")
        random.shuffle(entries)
    log.info("convert_imageset.cpp:89", f"A total of {len(entries)} images.")
    if flags.encode_type and not flags.encoded:
        log.info("convert_imageset.cpp:92", "encode_type specified, assuming encoded=true.")
    count, values = 0, None
    with sources.new_database(target, flags.backend) as put:
        for number, (name, label) in enumerate(entries):
            path = root + name
            planes = _planes(path, flags)
            if planes is None:
                continue
            if flags.check_size and values not in (None, planes.size):
                raise CaffeError(
                    f"{path}: has {planes.size} values (channels x height x width), expected "
                    f"{values} as the first: drop -check_size, or use -resize_height and "
                    "-resize_width"
                )
            values = planes.size
            datum = _datum(path, planes, label, flags)
            key = f"{number:08d}_{name}".encode("utf-8", "surrogateescape")
            put(key, datum.SerializeToString())
            count += 1
            if count % COMMIT_EVERY == 0:
                log.info("convert_imageset.cpp:147", f"Processed {count} files.")
        if not count:
            raise CaffeError(f"{list_file}: none of its pictures can be read from {root}")
    if count % COMMIT_EVERY:
        log.info("convert_imageset.cpp:153", f"Processed {count} files.")


def _planes(path: str, flags: SimpleNamespace) -> "np.ndarray | None":
    """The picture (C, H, W) as the flags want it; None, and a line of the log, if it has none."""
    resize = flags.resize_height > 0 and flags.resize_width > 0
    size = (flags.resize_height, flags.resize_width) if resize else None
    try:
        return sources.read_planes(path, not flags.gray, size)
    except CaffeError:
        log.error("io.cpp:79", f"Could not open or find file {path}")
        return None


def _datum(path: str, planes: np.ndarray, label: int, flags: SimpleNamespace) -> Any:
    """The record of a picture: raw planes, or the bytes of a file.

    These are the file's own where nothing was resized and the file is of the wanted type.
    """
    if not (flags.encoded or flags.encode_type):
        channels, height, width = planes.shape
        raw = {"channels": channels, "height": height, "width": width, "data": planes.tobytes()}
        return Datum(label=label, encoded=False, **raw)
    extension = os.path.splitext(path)[1][1:].lower()
    kind = flags.encode_type or extension
    if not kind:
        raise CaffeError(f"{path}: the name has no extension, expected -encode_type png, jpg, ...")
    own = kind == extension or (kind, extension) == ("jpg", "jpeg")
    if own and flags.resize_height <= 0 and flags.resize_width <= 0:
        return Datum(label=label, encoded=True, data=sources.read_bytes(path, "a picture"))
    try:
        written, data = cv2.imencode(f".{kind}", np.ascontiguousarray(planes.transpose(1, 2, 0)))
    except cv2.error:
        written = False
    if not written:
        raise CaffeError(f'{path}: cannot be encoded as "{kind}", expected png, jpg, ...')
    return Datum(label=label, encoded=True, data=data.tobytes())


CONVERT = Tool(
    "convert_imageset",
    """\
make a database of pictures, for Data layers
usage: convert_imageset [FLAGS] ROOT/ LIST DATABASE
  LIST has lines such as "name.png 3"; the picture is ROOT/name.png, its label 3.
""",
    (3, None),
    (
        Flag("backend", "lmdb", "(The database to write: lmdb or leveldb.)"),
        Flag("check_size", False, "(Stop at a picture that has not the size of the first.)"),
        Flag("encode_type", "", "(Optional; encode the pictures as png, jpg, ...)"),
        Flag("encoded", False, "(Keep the pictures encoded, as their files are.)"),
        Flag("gray", False, "(Make the pictures gray.)"),
        Flag("resize_height", 0, "(The height that the pictures get, with resize_width.)"),
        Flag("resize_width", 0, "(The width that the pictures get, with resize_height.)"),
        Flag("shuffle", False, "(Put the lines of the list in a random order.)"),
    ),
    _convert,
)


# -- compute_image_mean ----------------------------------------------------------------------------


def compute_image_mean(arguments: "list[str] | None" = None) -> int:
    """Write the mean of the pictures of a database as a BlobProto; returns the exit code."""
    return _run(MEAN, arguments)


def _mean(flags: SimpleNamespace, words: list[str]) -> None:
    openers = {"lmdb": sources.open_lmdb, "leveldb": open_leveldb}
    if flags.backend not in openers:
        raise CaffeError(f'-backend is "{flags.backend}", expected lmdb or leveldb')
    database: Any = openers[flags.backend](words[0])
    mean = (_total(database) / len(database)).astype(np.float32)
    if len(words) == 2:
        log.info("compute_image_mean.cpp:108", f"Write to {words[1]}")
        channels, height, width = mean.shape
        shape = {"num": 1, "channels": channels, "height": height, "width": width}
        binaryproto.write(words[1], BlobProto(data=mean.ravel().tolist(), **shape))
    log.info("compute_image_mean.cpp:114", f"Number of channels: {len(mean)}")
    for i, value in enumerate(mean.mean(axis=(1, 2), dtype=np.float64)):
        text = f"mean_value channel [{i}]: {log.number(value)}"
        log.info("compute_image_mean.cpp:119", text)


def _total(database: Any) -> np.ndarray:
    """The sum (C, H, W), float64, of all pictures."""
    total: np.ndarray | None = None
    for i in range(len(database)):
        ((key, value),) = database.records([i])
        name = sources.record_name(database, key)
        datum = sources.parse_datum(value, name)
        planes = sources.datum_planes(datum, name)
        if total is None:
            if datum.encoded:
                log.info("compute_image_mean.cpp:60", "Decoding Datum")
            total = np.zeros(planes.shape)
            log.info("compute_image_mean.cpp:70", "Starting iteration")
        if planes.shape != total.shape:
            found, first = ("x".join(map(str, shape)) for shape in (planes.shape, total.shape))
            raise CaffeError(
                f"{name}: is {found} (channels x height x width), expected {first} as the first: "
                "-resize_height and -resize_width of convert_imageset give all one size"
            )
        total += planes
        if (i + 1) % MEAN_SHOWN_EVERY == 0:
            log.info("compute_image_mean.cpp:95", f"Processed {i + 1} files.")
    if len(database) % MEAN_SHOWN_EVERY:
        log.info("compute_image_mean.cpp:101", f"Processed {len(database)} files.")
    assert total is not None  # databases without records are refused when they are opened
    return total


MEAN = Tool(
    "compute_image_mean",
    """\
average the pictures of a database
usage: compute_image_mean [FLAGS] DATABASE [FILE]
""",
    (1, 2),
    (Flag("backend", "lmdb", "(The database that holds the pictures: lmdb or leveldb.)"),),
    _mean,
)


# -- extract_features ------------------------------------------------------------------------------

EXTRACT_USAGE = """\
Keeps blobs that a trained net computes from what its data layer reads.
Usage: extract_features WEIGHTS NET BLOB[,BLOB...] DATABASE[,DATABASE...] BATCHES lmdb|leveldb \
[CPU|GPU [DEVICE_ID]]
Each blob gets a new database of its own, with a record for each item of each batch."""


def extract_features(arguments: "list[str] | None" = None) -> int:
    """Write blobs of a net, for several batches, into new databases; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    log.init_log(stderr=False)  # like the genuine one it tells of its progress as errors
    if len(words) < 6:
        log.error("extract_features.cpp:34", EXTRACT_USAGE)
        return 1
    return _end("extract_features", lambda: _extract(words))


def _extract(words: list[str]) -> None:
    from .net import Net

    weights, model, blob_names, targets, batches, backend, *device = words
    _use_device(device)
    count = _number(batches, "number of batches", 1)
    names, paths = blob_names.split(","), targets.split(",")
    if len(names) != len(paths):
        raise CaffeError(
            f"{len(names)} blob(s) and {len(paths)} database(s) are named, expected as many"
        )
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise CaffeError(f"{targets}: a database is named twice")
    for path, what in ((weights, "the weights of a net"), (model, "a net")):
        if not os.path.isfile(path):
            raise CaffeError(f"{path}: no such file, expected {what}")
    net = Net(model, TEST)
    net.copy_from(weights)
    for name in names:
        if name not in net.blobs:
            raise CaffeError(f'{model}: has no blob "{name}", one that was to be extracted')
    with ExitStack() as stack:
        puts = [stack.enter_context(sources.new_database(path, backend)) for path in paths]
        log.error("extract_features.cpp:133", "Extracting Features")
        written = [0] * len(names)
        for _ in range(count):
            net.run_forward(record=False)
            for i, name in enumerate(names):
                for record in _records(net.blobs[name], name):
                    puts[i](b"%010d" % written[i], record)
                    written[i] += 1
                    if written[i] % COMMIT_EVERY == 0:
                        _show_extracted("extract_features.cpp:162", written[i], name)
    for name, total in zip(names, written):
        _show_extracted("extract_features.cpp:176", total, name)
    log.error("extract_features.cpp:181", "Successfully extracted the features!")


def _show_extracted(place: str, count: int, name: str) -> None:
    log.error(place, f"Extracted features of {count} query images for feature blob {name}")


def _use_device(words: list[str]) -> None:
    """Compute where the last words of the call say: on the CPU but for GPU [DEVICE_ID]."""
    from . import context, host_memory

    if words[:1] != ["GPU"]:
        log.error("extract_features.cpp:62", "Using CPU")
        context.set_mode_cpu()
        host_memory.keep_freed()
        return
    device = _number(words[1], "DEVICE_ID", 0) if len(words) > 1 else 0
    log.error("extract_features.cpp:50", "Using GPU")
    log.error("extract_features.cpp:57", f"Using Device_id={device}")
    context.set_device(device)
    context.set_mode_gpu()


def _number(text: str, what: str, least: int) -> int:
    if not re.fullmatch("0*[0-9]{1,9}", text) or int(text) < least:
        raise CaffeError(f'the {what} is "{text:.30}", expected {least} to 999999999')
    return int(text)


def _records(blob: Any, name: str) -> list[bytes]:
    """A Datum of floats for each item of a blob."""
    if len(blob.shape) > 4:
        raise CaffeError(f'blob "{name}" has {len(blob.shape)} axes, expected 4 at most')
    shape = {"channels": blob.channels, "height": blob.height, "width": blob.width}
    items = blob.data.reshape(blob.num, -1)
    return [Datum(float_data=item.tolist(), **shape).SerializeToString() for item in items]


# -- what the tools share --------------------------------------------------------------------------


def _run(tool: Tool, arguments: "list[str] | None") -> int:
    """Parse the call and do the work; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        values, words = parse(arguments, tool.flags)
    except FlagError as error:
        print(error, file=sys.stderr)
        return 1
    least, most = tool.words
    if values.help or len(words) < least or (most is not None and len(words) > most):
        flags = "".join(map(flag_usage, tool.flags))
        print(f"{tool.name}: {tool.usage}\n  Flags from {tool.name}.cpp:\n{flags}", end="")
        return 1
    log.init_log()
    return _end(tool.name, lambda: tool.work(values, words))


def _end(name: str, work: Callable[[], None]) -> int:
    """The exit code of the work, whose failure gets one line; a signal ends it like Ctrl-C."""
    terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        work()
        return 0
    except (CaffeError, OSError, ValueError, MemoryError) as error:
        log.fatal(f"{name}.cpp:1", str(lack_of_memory(error) or error))
        return 1
    except KeyboardInterrupt:
        log.error(f"{name}.cpp:1", "interrupted; nothing is written")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, terminate)


TOOLS = {
    "compute_image_mean": compute_image_mean,
    "convert_imageset": convert_imageset,
    "extract_features": extract_features,
}


def main(arguments: "list[str] | None" = None) -> int:
    """Run the tool that the first argument names."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] not in TOOLS:
        print(f"usage: python -m caffe.data_tools TOOL ARGUMENTS; tools: {', '.join(TOOLS)}")
        return 1
    return TOOLS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.exit(main())

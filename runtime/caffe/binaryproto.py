"""Binary messages in files: models, solver states and mean images, to and from numpy.

The numbers of a blob are moved as one run of bytes: protobuf's own repeated fields take them one by
one. What is written is byte for byte what protobuf would write.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from google.protobuf.message import DecodeError, EncodeError, Message

from .errors import CaffeError
from .files import PathLike, read_bytes, replacing
from .schema import MESSAGES

NetParameter, BlobProto = MESSAGES["NetParameter"], MESSAGES["BlobProto"]
BlobShape, LayerParameter = MESSAGES["BlobShape"], MESSAGES["LayerParameter"]
SolverState = MESSAGES["SolverState"]

_DATA = BlobProto.DESCRIPTOR.fields_by_name["data"].number
_DIFF = BlobProto.DESCRIPTOR.fields_by_name["diff"].number
_DOUBLE_DATA = BlobProto.DESCRIPTOR.fields_by_name["double_data"].number
_DOUBLE_DIFF = BlobProto.DESCRIPTOR.fields_by_name["double_diff"].number
_SHAPE = BlobProto.DESCRIPTOR.fields_by_name["shape"].number
_BLOBS = LayerParameter.DESCRIPTOR.fields_by_name["blobs"].number
_LAYER = NetParameter.DESCRIPTOR.fields_by_name["layer"].number
_HISTORY = SolverState.DESCRIPTOR.fields_by_name["history"].number

_VARINT, _DELIMITED = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

Pieces = list[bytes | memoryview]


class BlobError(CaffeError, ValueError):
    """A blob whose numbers do not fit its shape; a ValueError too, as in pycaffe."""


def read(path: PathLike, message_class: type[Message]) -> Any:
    """The message that a binary file holds."""
    name = message_class.DESCRIPTOR.name
    data = read_bytes(path, f"a binary {name}")
    if not data:
        raise CaffeError(f"{path}: empty file, expected a binary {name}")
    if data.startswith(_HDF5_SIGNATURE):
        raise CaffeError(f"{path}: HDF5 file, expected a binary {name} (HDF5 names end in .h5)")
    message = message_class()
    try:
        with warnings.catch_warnings():  # protobuf 3 only warns of data that is left over
            warnings.simplefilter("error")
            message.ParseFromString(data)
    except (DecodeError, UnicodeDecodeError, RuntimeWarning, SystemError):
        raise CaffeError(f"{path}: damaged or another format, expected a binary {name}") from None
    if not message.ListFields():
        raise CaffeError(f"{path}: holds no field of {name}, expected a binary {name}")
    return message


def write(path: PathLike, message: Message) -> None:
    """Writes a message in binary."""
    try:
        data = message.SerializeToString()
    except (EncodeError, ValueError) as error:
        raise CaffeError(f"{path}: {message.DESCRIPTOR.name} cannot be written: {error}") from None
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


def read_net(path: PathLike) -> Any:
    """The NetParameter of a binary model (.caffemodel)."""
    return read(path, NetParameter)


def write_net(
    path: PathLike,
    net: Any,
    arrays: Mapping[int, Sequence[np.ndarray]],
    diffs: Mapping[int, Sequence[np.ndarray]] | None = None,
) -> None:
    """Writes a NetParameter whose layers have no blobs, and blobs per layer index from arrays.

    `diffs`, where given, are as the arrays. Nothing is copied but arrays that are not float32.
    """
    head = NetParameter()
    head.CopyFrom(net)
    del head.layer[:]
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(head.SerializeToString())
        for i, layer in enumerate(net.layer):
            blobs = _blobs(arrays.get(i, ()), diffs.get(i) if diffs else None)
            _write_pieces(file, _embedded(_LAYER, _with_blobs(layer, _BLOBS, blobs)))


def write_state(path: PathLike, state: Any, history: Sequence[np.ndarray]) -> None:
    """Writes a SolverState that has no history, and the history from arrays."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        _write_pieces(file, _with_blobs(state, _HISTORY, _blobs(history, None)))


def blob_shape(blob: Any) -> tuple[int, ...]:
    """The shape of a blob; the legacy four dimensions, where any is given, come first."""
    if any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        return (blob.num, blob.channels, blob.height, blob.width)
    return tuple(blob.shape.dim)


def blob_to_array(blob: Any) -> np.ndarray:
    """The data of a blob: float32, or float64 where the blob has double data."""
    if len(blob.double_data):
        return _numbers(blob, _DOUBLE_DATA, "<f8")
    return _numbers(blob, _DATA, "<f4")


def arrays(blobs: Iterable[Any], where: str) -> list[np.ndarray]:
    """The data of blobs; errors tell where these are, and which blob is wrong."""
    found = []
    for i, blob in enumerate(blobs):
        try:
            found.append(blob_to_array(blob))
        except BlobError as error:
            raise BlobError(f"{where}: blob {i}: {error}") from None
    return found


def blob_to_diff(blob: Any) -> np.ndarray | None:
    """The diff of a blob, as `blob_to_array` gives its data; None where it has none."""
    if len(blob.double_diff):
        return _numbers(blob, _DOUBLE_DIFF, "<f8")
    return _numbers(blob, _DIFF, "<f4") if len(blob.diff) else None


def array_to_blob(array: np.ndarray, shape: Sequence[int] | None = None) -> Any:
    """A blob with the numbers of an array as float32, of the array's own or another shape."""
    blob = BlobProto()
    blob.MergeFromString(b"".join(_blob_pieces(array, None, shape)))
    return blob


def _numbers(blob: Any, number: int, dtype: str) -> np.ndarray:
    """The packed numbers of one field of a blob, in the blob's shape."""
    data = blob.SerializeToString()
    spans = [span for found, span in _fields(data) if found == number]
    flat = np.frombuffer(data[spans[0]] if spans else b"", dtype)
    shape = blob_shape(blob)
    count = int(np.prod(shape, dtype=object))
    if min(shape, default=0) < 0 or flat.size != count:
        raise BlobError(f"blob of shape {shape} holds {flat.size} numbers, expected {count}")
    return flat.reshape(shape).astype(dtype[1:])


def _fields(data: bytes) -> Iterator[tuple[int, slice]]:
    """The number and the place of the value of each field of a well-formed message."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        end = at + _FIXED_SIZES.get(kind, 0)
        if kind == _VARINT:
            end = _read_varint(data, at)[1]
        elif kind == _DELIMITED:
            size, at = _read_varint(data, at)
            end = at + size
        yield number, slice(at, end)
        at = end


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number written at a place, low seven bits first, and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _embedded(number: int, pieces: Pieces) -> Pieces:
    """The pieces as the value of a field: tag and length before them."""
    size = sum(len(piece) for piece in pieces)
    return [_varint(number << 3 | _DELIMITED) + _varint(size), *pieces]


def _packed(number: int, array: np.ndarray) -> Pieces:
    """An array as a packed float field; protobuf leaves out an empty one."""
    flat = np.ascontiguousarray(array, "<f4").reshape(-1)
    return _embedded(number, [flat.data.cast("B")]) if flat.size else []


def _blob_pieces(
    array: np.ndarray, diff: np.ndarray | None, shape: Sequence[int] | None = None
) -> Pieces:
    """The bytes of a BlobProto; as in Caffe, a blob of no axes has no shape."""
    shape = array.shape if shape is None else tuple(shape)
    if int(np.prod(shape, dtype=object)) != array.size:
        raise CaffeError(f"array of {array.size} numbers does not fit into shape {tuple(shape)}")
    pieces = _packed(_DATA, array) + (_packed(_DIFF, diff) if diff is not None else [])
    dims = BlobShape(dim=shape).SerializeToString()
    return pieces + (_embedded(_SHAPE, [dims]) if dims else [])


def _blobs(arrays: Iterable[np.ndarray], diffs: Sequence[np.ndarray] | None) -> Iterator[Pieces]:
    """The bytes of a BlobProto for each array."""
    for i, array in enumerate(arrays):
        yield _blob_pieces(array, diffs[i] if diffs else None)


def _with_blobs(message: Message, number: int, blobs: Iterable[Pieces]) -> Pieces:
    """The bytes of a message, with blobs as its field `number`; fields go by ascending number."""
    data = message.SerializeToString()
    split = 0
    for found, span in _fields(data):
        if found < number:
            split = span.stop
    middle = [piece for blob in blobs for piece in _embedded(number, blob)]
    return [data[:split], *middle, data[split:]]


def _write_pieces(file: BinaryIO, pieces: Pieces) -> None:
    for piece in pieces:
        file.write(piece)

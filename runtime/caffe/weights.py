"""Moving parameters between nets and model files (.caffemodel and HDF5)."""

from . import binaryproto, hdf5_model, log, upgrade
from .blob import Blob, shape_string
from .errors import CaffeError
from .files import reason
from .proto import caffe_pb2

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def copy_from(net, path: str) -> None:
    """Copy what the file has into the layers of the same name; if shapes disagree, nothing."""
    if _is_hdf5(path):
        model = list(hdf5_model.read_net_hdf5(path).items())
        found = _found(net, path, model, owners_only=True)
    else:
        found = _found(net, path, _model_arrays(path), owners_only=False)
    for blob, array in found:
        blob.data[...] = array


def _is_hdf5(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(HDF5_MAGIC)) == HDF5_MAGIC
    except (OSError, ValueError) as error:
        raise CaffeError(f"{path}: {reason(error)}, expected a model file") from None


def _model_arrays(path: str) -> list:
    """Name and arrays of each layer, in the file's order."""
    model = upgrade.upgraded(binaryproto.read_net(path), path)
    return [
        (layer.name, binaryproto.arrays(layer.blobs, f'{path}: layer "{layer.name}"'))
        for layer in model.layer
    ]


def _first_of_each_name(net) -> dict:
    """Layer name -> the layer of that name to which Caffe gives parameters."""
    return {layer.name: layer for layer in reversed(net.layers)}


def _last_of_each_name(net) -> dict:
    """What Caffe takes where they come from HDF5."""
    return {layer.name: layer for layer in net.layers}


def _found(net, path: str, model: list, owners_only: bool) -> list:
    """Each blob of the net that the model has, and its array in the blob's shape."""
    layers = _last_of_each_name(net) if owners_only else _first_of_each_name(net)
    found = []
    for name, arrays in model:
        if name not in layers:
            log.info("net.cpp:746", f"Ignoring source layer {name}")
            continue
        layer = layers[name]
        arrays = arrays + [None] * (len(layer.blobs) - len(arrays)) if owners_only else arrays
        if len(arrays) != len(layer.blobs):
            raise CaffeError(
                f'{path}: layer "{name}" has {len(arrays)} parameter blobs, '
                f"expected {len(layer.blobs)}"
            )
        for i, (blob, array) in enumerate(zip(layer.blobs, arrays)):
            where = f'{path}: layer "{name}": parameter {i}'
            if array is not None:
                found.append((blob, _fitted(blob, array, where)))
            elif layer.owners[i] == (name, i):
                raise CaffeError(f"{where} is missing")
    return found


def _fitted(blob: Blob, array, where: str):
    """The array in the blob's shape."""
    same = tuple(array.shape) == blob.shape
    legacy = (
        array.ndim == 4
        and array.size == blob.count
        and _trimmed(array.shape) == _trimmed(blob.shape)
    )
    if not same and not legacy:
        raise CaffeError(
            f"{where} has shape {shape_string(array.shape)}, expected {shape_string(blob.shape)}; "
            "to learn the layer from scratch, rename it"
        )
    return array.reshape(blob.shape)


def _trimmed(shape: tuple) -> tuple:
    """A shape without leading ones, as old files pad it to four axes."""
    while shape and shape[0] == 1:
        shape = shape[1:]
    return tuple(shape)


def save(net, path: str, diffs: bool) -> None:
    """Write name, layers and parameters as a binary NetParameter."""
    model = caffe_pb2.NetParameter(name=net.name)
    arrays, gradients = {}, {}
    for index, layer in enumerate(net.layers):
        model.layer.add().CopyFrom(layer.param)
        arrays[index] = [blob.data for blob in layer.blobs]
        gradients[index] = [blob.diff for blob in layer.blobs] if diffs else []
    binaryproto.write_net(path, model, arrays, gradients if diffs else None)


def save_hdf5(net, path: str, diffs: bool) -> None:
    """Write parameters in Caffe's HDF5 layout; shared ones are stored with their owner only."""

    last = _last_of_each_name(net)
    for layer in net.layers:
        if layer is not last[layer.name]:
            raise CaffeError(f'{path}: two layers are named "{layer.name}", HDF5 holds one of each')

    def table(side: str) -> dict:
        return {
            layer.name: [_owned(layer, i, side) for i in range(len(layer.blobs))]
            for layer in net.layers
        }

    hdf5_model.write_net_hdf5(path, table("data"), table("diff") if diffs else None)


def _owned(layer, index: int, side: str):
    """The array of a parameter; None if another layer owns it."""
    owned = layer.owners[index] == (layer.name, index)
    return getattr(layer.blobs[index], side) if owned else None


def share(net, other) -> None:
    """Point the layers of `net` at the parameters of the layers of the same name in `other`."""
    layers = _first_of_each_name(net)
    for source in other.layers:
        layer = layers.get(source.name)
        if layer is None:
            continue
        if len(source.blobs) != len(layer.blobs):
            raise CaffeError(
                f'cannot share layer "{layer.name}": it has {len(source.blobs)} parameters, '
                f"expected {len(layer.blobs)}"
            )
        for i, (mine, theirs) in enumerate(zip(layer.blobs, source.blobs)):
            if mine.shape != theirs.shape:
                raise CaffeError(
                    f'cannot share layer "{layer.name}": parameter {i} has shape '
                    f"{shape_string(theirs.shape)}, expected {shape_string(mine.shape)}"
                )
            mine.share_data(theirs)

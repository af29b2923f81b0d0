"""pycaffe's `caffe.io`: pictures as arrays, preparation for a net, arrays as messages.

Pictures are (H, W, C) float32 in [0, 1], C in the order R, G, B.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module

import numpy as np
from google.protobuf.message import DecodeError

from . import binaryproto
from .proto import caffe_pb2

_HOMES = {"resize": "skimage.transform", "zoom": "scipy.ndimage"}


def __getattr__(name: str):
    """What pycaffe's io has of other libraries, imported when it is first asked for."""
    if name == "skimage":
        return import_module("skimage")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


class Transformer:
    """Prepares pictures for input blobs, and undoes it.

    `preprocess` resizes to the blob's height and width, then applies what was set, in this order:
    transpose, channel swap, raw scale, mean, input scale. `inputs` maps blob names to shapes
    (N, C, H, W).
    """

    def __init__(self, inputs: dict):
        self.inputs = inputs
        self.transpose: dict = {}
        self.channel_swap: dict = {}
        self.raw_scale: dict = {}
        self.mean: dict = {}
        self.input_scale: dict = {}

    def preprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """A picture (H, W, C) as float32 for the input `in_`."""
        self._check_input(in_)
        size = tuple(self.inputs[in_][2:])
        image = np.array(data, np.float32)
        if image.shape[:2] != size:
            image = resize_image(image, size)
        if in_ in self.transpose:
            image = image.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            image = image[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            image = image * np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            image = image - self.mean[in_].astype(np.float32)
        if in_ in self.input_scale:
            image = image * np.float32(self.input_scale[in_])
        return image

    def deprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """The picture (H, W, C) of what `preprocess` made, with or without the axis N = 1.

        It keeps the type of its numbers. Without a transpose all axes of length 1 are dropped.
        """
        self._check_input(in_)
        image = data.copy()
        if in_ in self.input_scale:
            image /= self.input_scale[in_]
        if in_ in self.mean:
            image += self.mean[in_]
        if in_ in self.raw_scale:
            image /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            image = image[..., np.argsort(self.channel_swap[in_]), :, :]
        if in_ not in self.transpose:
            return image.squeeze()
        return image.reshape(image.shape[-3:]).transpose(np.argsort(self.transpose[in_]))

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of the picture's axes in the blob, (2, 0, 1) for (C, H, W)."""
        self._check_input(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise Exception(
                "Transpose order needs to have the same number of dimensions as the input."
            )
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of the channels after the transpose, (2, 1, 0) for B, G, R."""
        self._check_input(in_)
        if len(order) != self.inputs[in_][1]:
            raise Exception(
                "Channel swap needs to have the same number of dimensions as the input channels."
            )
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """What the picture is multiplied by before the mean is taken off, 255 for bytes."""
        self._check_input(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: np.ndarray) -> None:
        """What is taken off: one number per channel, or a picture (C, H, W), resized if needed."""
        self._check_input(in_)
        channels, size = self.inputs[in_][1], tuple(self.inputs[in_][2:])
        if mean.ndim == 1:
            if len(mean) != channels:
                raise ValueError("Mean channels incompatible with input.")
            mean = mean[:, np.newaxis, np.newaxis]
        else:
            mean = mean[np.newaxis] if mean.ndim == 2 else mean
            if mean.ndim != 3 or len(mean) not in (1, channels):
                raise ValueError("Mean shape incompatible with input.")
            if mean.shape[1:] != size:
                mean = resize_image(mean.transpose(1, 2, 0), size).transpose(2, 0, 1)
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """What the picture is multiplied by after the mean is taken off."""
        self._check_input(in_)
        self.input_scale[in_] = scale

    def _check_input(self, in_: str) -> None:
        if in_ not in self.inputs:
            raise Exception(f"{in_} is not one of the net inputs: {self.inputs}")


def load_image(filename: str, color: bool = True) -> np.ndarray:
    """A picture file as (H, W, 3), or (H, W, 1) grey without `color`; transparency is dropped."""
    from skimage.io import imread
    from skimage.util import img_as_float

    image = img_as_float(imread(filename, as_gray=not color)).astype(np.float32)
    if image.ndim == 2:
        image = image[:, :, np.newaxis]
        return np.tile(image, (1, 1, 3)) if color else image
    return image[:, :, :3]


def resize_image(im: np.ndarray, new_dims: Sequence[int], interp_order: int = 1) -> np.ndarray:
    """A picture (H, W, C) resized to `new_dims` (height, width) by splines of `interp_order`.

    Of 1 or 3 channels: scikit-image's resize, smoothed before it shrinks; else scipy's zoom.
    """
    size = tuple(int(d) for d in new_dims)
    if im.shape[-1] not in (1, 3):
        from scipy.ndimage import zoom

        factors = [new / old for new, old in zip(size, im.shape)]
        return zoom(im, (*factors, 1), order=interp_order).astype(np.float32)
    from skimage.transform import resize

    low, high = float(im.min()), float(im.max())
    if low == high:
        return np.full((*size, im.shape[-1]), low, np.float32)
    unit = resize((im - low) / (high - low), size, order=interp_order, mode="constant")
    return (unit * (high - low) + low).astype(np.float32)


def oversample(images: Iterable[np.ndarray], crop_dims: Sequence[int]) -> np.ndarray:
    """Ten crops (height, width) of each picture: four corners and centre, then these mirrored."""
    height, width = (int(d) for d in crop_dims)
    crops = []
    for image in images:
        down, right = image.shape[0] - height, image.shape[1] - width
        if min(down, right) < 0:
            raise ValueError(f"picture of shape {image.shape} is smaller than {height}x{width}")
        corners = [(y, x) for y in (0, down) for x in (0, right)]
        places = [*corners, (down // 2, right // 2)]
        five = [image[y : y + height, x : x + width] for y, x in places]
        crops += five + [crop[:, ::-1] for crop in five]
    return np.array(crops, np.float32)


def blobproto_to_array(blob, return_diff: bool = False) -> np.ndarray:
    """The data, or the diff, of a BlobProto in its shape."""
    array = binaryproto.blob_to_diff(blob) if return_diff else binaryproto.blob_to_array(blob)
    if array is None:
        raise ValueError("The blob has no diff.")
    return array


def array_to_blobproto(arr: np.ndarray, diff: "np.ndarray | None" = None):
    """A BlobProto with `arr` as its data and `diff` as its diff, both float32."""
    blob = binaryproto.array_to_blob(arr)
    if diff is not None:
        blob.diff.MergeFrom(binaryproto.array_to_blob(diff).data)
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[np.ndarray]) -> bytes:
    """Arrays as a serialised BlobProtoVector."""
    return caffe_pb2.BlobProtoVector(
        blobs=[array_to_blobproto(arr) for arr in arraylist]
    ).SerializeToString()


def blobprotovector_str_to_arraylist(str: bytes) -> list:
    """The arrays of a serialised BlobProtoVector."""
    try:
        vector = caffe_pb2.BlobProtoVector.FromString(str)
    except DecodeError:
        raise ValueError("Damaged or another format, expected a BlobProtoVector.") from None
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: np.ndarray, label: "int | None" = None):
    """A Datum of an array (C, H, W): bytes if it is uint8, else floats."""
    if arr.ndim != 3:
        raise ValueError("Incorrect array shape.")
    datum = caffe_pb2.Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).ravel().tolist())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum) -> np.ndarray:
    """The array (C, H, W) of a raw Datum: uint8 if it holds bytes, else float."""
    shape = datum.channels, datum.height, datum.width
    if len(datum.data):
        return np.frombuffer(datum.data, np.uint8).reshape(shape).copy()
    return np.array(datum.float_data, float).reshape(shape)

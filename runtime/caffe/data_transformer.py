"""What TransformationParameter asks for: crop, mirror, mean and scale, for whole batches."""

from collections.abc import Sequence

import numpy as np

from . import binaryproto
from .errors import CaffeError
from .proto.caffe_pb2 import TRAIN, BlobProto, TransformationParameter


class DataTransformer:
    """Makes (N, C, H, W) float32 of pictures: `(x - mean) * scale`, cropped, mirrored.

    `color` says how encoded pictures are decoded: True BGR, False grey, None as they are.
    """

    def __init__(self, param: TransformationParameter, phase: int):
        if param.force_color and param.force_gray:
            raise CaffeError("transform_param has both force_color and force_gray, expected one")
        if param.HasField("mean_file") and param.mean_value:
            raise CaffeError("transform_param has both mean_file and mean_value, expected one")
        self.color = True if param.force_color else False if param.force_gray else None
        self._scale = np.float32(param.scale)
        self._mirror = param.mirror
        self._crop = param.crop_size
        self._random_crop = bool(self._crop) and phase == TRAIN
        self._mean_file = param.mean_file
        self._mean_values = np.array(param.mean_value, np.float32)
        self._mean_image = read_mean(param.mean_file) if param.HasField("mean_file") else None

    def output_shape(self, shape: tuple, name: str) -> tuple:
        """(C, H, W) of what becomes of a picture of this (C, H, W); `name` tells it in errors."""
        channels, height, width = shape
        if self._mean_image is not None and self._mean_image.shape != tuple(shape):
            raise CaffeError(
                f"{name}: is {_sizes(shape)} (channels x height x width), "
                f"but mean_file {self._mean_file} is {_sizes(self._mean_image.shape)}"
            )
        if len(self._mean_values) not in (0, 1, channels):
            raise CaffeError(
                f"{name}: has {channels} channel(s), but mean_value is given "
                f"{len(self._mean_values)} times, expected once or once per channel"
            )
        if not self._crop:
            return channels, height, width
        if min(height, width) < self._crop:
            raise CaffeError(
                f"{name}: is {_sizes((height, width))} (height x width), "
                f"smaller than crop_size {self._crop}"
            )
        return channels, self._crop, self._crop

    def __call__(
        self, pictures: Sequence[np.ndarray], names: Sequence[str], draws: np.random.Generator
    ) -> np.ndarray:
        """The batch of (C, H, W) uint8 or float32 pictures, which must agree in the result's shape.

        Random offsets (TRAIN) and mirroring (both phases, as Caffe does) come from `draws`.
        """
        shape = self.output_shape(pictures[0].shape, names[0])
        for picture, name in zip(pictures, names):
            self._check_same(self.output_shape(picture.shape, name), shape, name)
        windows = self._windows(pictures, shape, draws)
        raw = all(picture.dtype == np.uint8 for picture in pictures)
        cut = np.empty((len(pictures), *shape), np.uint8 if raw else np.float32)
        for target, picture, window in zip(cut, pictures, windows):
            target[...] = picture[window]
        batch = cut.astype(np.float32, copy=False)
        if self._mean_image is not None:
            for target, window in zip(batch, windows):
                target -= self._mean_image[window]
        elif self._mean_values.size:
            batch -= self._mean_values[:, np.newaxis, np.newaxis]
        if self._scale != 1:
            batch *= self._scale
        return batch

    @staticmethod
    def _check_same(shape: tuple, first: tuple, name: str) -> None:
        if shape != first:
            raise CaffeError(
                f"{name}: gives {_sizes(shape)} (channels x height x width), expected "
                f"{_sizes(first)} as the batch begins with: resize, crop, or use batch_size 1"
            )

    def _windows(self, pictures: Sequence[np.ndarray], shape: tuple, draws) -> list:
        """For each picture the index that cuts and mirrors it."""
        u = draws.random((len(pictures), 3))
        return [
            (
                slice(None),
                self._span(picture.shape[1], shape[1], y),
                self._span(picture.shape[2], shape[2], x, self._mirror and mirror < 0.5),
            )
            for picture, (y, x, mirror) in zip(pictures, u)
        ]

    def _span(self, size: int, length: int, u: float, backwards: bool = False) -> slice:
        """`length` of `size` positions: from a place given by u in [0, 1), or the middle."""
        room = size - length
        first = int(u * (room + 1)) if self._random_crop else room // 2
        if not backwards:
            return slice(first, first + length)
        return slice(first + length - 1, first - 1 if first else None, -1)


def read_mean(path: str) -> np.ndarray:
    """The mean picture (C, H, W), float32, in a file that holds a BlobProto of one item."""
    blob = binaryproto.read(path, BlobProto)
    try:
        array = binaryproto.blob_to_array(blob)
    except CaffeError as error:
        raise CaffeError(f"{path}: {error}") from None
    if array.ndim != 4 or array.shape[0] != 1:
        raise CaffeError(
            f"{path}: holds a blob of shape {array.shape}, expected a mean picture (1, C, H, W)"
        )
    return array[0].astype(np.float32, copy=False)


def _sizes(shape: tuple) -> str:
    return "x".join(map(str, shape))

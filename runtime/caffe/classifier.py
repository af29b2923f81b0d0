"""pycaffe's Classifier: pictures in, class probabilities out."""

from collections.abc import Iterable

import numpy as np

from . import io
from .errors import CaffeError
from .net import Net
from .proto.caffe_pb2 import TEST


class PictureNet(Net):
    """A net in TEST phase whose first input takes pictures (H, W, C); `transformer` prepares them.

    `mean`, `input_scale`, `raw_scale` and `channel_swap` are those of `caffe.io.Transformer`.
    """

    def __init__(self, model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap):
        super().__init__(model_file, TEST, weights=pretrained_file)
        if not self.inputs or len(self.blobs[self.inputs[0]].shape) != 4:
            raise CaffeError(
                f"{model_file}: expected an Input of 4 axes first, which takes pictures"
            )
        self._input = self.inputs[0]
        self.transformer = io.Transformer({self._input: self.blobs[self._input].shape})
        self.transformer.set_transpose(self._input, (2, 0, 1))
        for setter, value in (
            (self.transformer.set_mean, mean),
            (self.transformer.set_input_scale, input_scale),
            (self.transformer.set_raw_scale, raw_scale),
            (self.transformer.set_channel_swap, channel_swap),
        ):
            if value is not None:
                setter(self._input, value)

    def _outputs_for(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """The first output for each picture."""
        prepared = [self.transformer.preprocess(self._input, picture) for picture in pictures]
        if not prepared:
            raise CaffeError("no pictures are given, expected at least one")
        return self.forward_all(**{self._input: np.array(prepared)})[self.outputs[0]]


class Classifier(PictureNet):
    """Classifies pictures: they are resized to `image_dims` (height, width), then cropped.

    The crops have the size of the net's input, which is also the default of `image_dims`.
    """

    def __init__(
        self,
        model_file,
        pretrained_file,
        image_dims=None,
        mean=None,
        input_scale=None,
        raw_scale=None,
        channel_swap=None,
    ):
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self._input].shape[2:])
        self.image_dims = self.crop_dims if image_dims is None else image_dims
        if np.any(np.asarray(self.image_dims) < self.crop_dims):
            image, crop = ("x".join(map(str, dims)) for dims in (self.image_dims, self.crop_dims))
            raise CaffeError(f"image_dims are {image}, expected {crop} at least: the input's size")

    def predict(self, inputs, oversample=True) -> np.ndarray:
        """The first output (N, K) for N pictures (H, W, C).

        With `oversample`, the mean over ten crops of each: four corners and centre, also mirrored;
        else of the centre alone.
        """
        pictures = [io.resize_image(picture, self.image_dims) for picture in inputs]
        if oversample:
            crops = io.oversample(pictures, self.crop_dims)
            return self._outputs_for(crops).reshape(len(pictures), 10, -1).mean(1)
        top, left = (np.asarray(self.image_dims) - self.crop_dims) // 2
        height, width = self.crop_dims
        return self._outputs_for([p[top : top + height, left : left + width] for p in pictures])

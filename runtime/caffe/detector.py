"""pycaffe's Detector: classifies windows of pictures."""

import os

import numpy as np

from . import io
from .classifier import PictureNet
from .errors import CaffeError


class Detector(PictureNet):
    """Classifies windows (top, left, bottom, right) of pictures, in pixels, the last two exclusive.

    With `context_pad` the net also sees what is around a window: that many pixels of the net's
    input on each side; beyond the picture's border it sees the mean. (Girshick et al., Rich feature
    hierarchies, 2014, appendix A: warp with context padding.)
    """

    def __init__(
        self,
        model_file,
        pretrained_file,
        mean=None,
        input_scale=None,
        raw_scale=None,
        channel_swap=None,
        context_pad=None,
    ):
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows) -> list:
        """A dict of window, filename and prediction for each window of (picture file, windows)."""
        found, crops = [], []
        for filename, windows in images_windows:
            image = io.load_image(filename)
            for window in windows:
                found.append({"window": window, "filename": filename})
                crops.append(self.crop(image, window))
        if not found:
            return []
        for detection, prediction in zip(found, self._outputs_for(crops)):
            detection["prediction"] = prediction
        return found

    def detect_selective_search(self, image_fnames) -> list:
        """`detect_windows` with the windows that selective search proposes, a module of its own."""
        try:
            import selective_search_ijcv_with_python as selective_search
        except ImportError:
            raise CaffeError(
                "detect_selective_search needs the module selective_search_ijcv_with_python; "
                "detect_windows takes windows from anywhere"
            ) from None
        names = [os.path.abspath(name) for name in image_fnames]
        proposals = selective_search.get_windows(names, cmd="selective_search_rcnn")
        return self.detect_windows(zip(names, proposals))

    def crop(self, im, window) -> np.ndarray:
        """The window of a picture (H, W, C), with context of the net's input size if configured."""
        box = np.array(window, float).reshape(2, 2)  # top left, bottom right
        if self.context_pad:
            box = self._with_context(box)
        inside = np.clip(box, 0, im.shape[:2]).astype(int)
        (top, left), (bottom, right) = inside
        seen = im[top:bottom, left:right]
        if not seen.size:
            size = f"{im.shape[0]}x{im.shape[1]}"
            raise CaffeError(f"window {list(window)} has no pixel in the picture of size {size}")
        return self._padded(seen, inside, box) if self.context_pad else seen

    def _with_context(self, box: np.ndarray) -> np.ndarray:
        """The box that is grown about its centre, so that context takes its share of the input."""
        size = self.crop_dims[:2]
        centre, half = box.mean(0), (box[1] - box[0]) / 2
        half *= size / (size - 2 * self.context_pad)
        return np.round([centre - half, centre + half])

    def _padded(self, seen: np.ndarray, inside: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The box at the input's size: what is `seen`, which lies `inside`, and else the mean."""
        size = self.crop_dims[:2]
        places = np.round((inside - box[0]) * size / (box[1] - box[0])).astype(int)
        first = np.minimum(places[0], size - 1)
        end = np.maximum(places[1], first + 1)
        result = np.empty(self.crop_dims, np.float32)
        result[...] = self.crop_mean
        result[first[0] : end[0], first[1] : end[1]] = io.resize_image(seen, end - first)
        return result

    def configure_crop(self, context_pad) -> None:
        """Set `context_pad`, and what it needs: size and mean in the form of the pictures."""
        channels, height, width = self.blobs[self._input].shape[1:]
        self.crop_dims = np.array((height, width, channels))
        self.context_pad = context_pad
        if not context_pad:
            return
        if 2 * context_pad >= min(height, width):
            raise CaffeError(
                f"context_pad is {context_pad}, expected less than half of {height}x{width}"
            )
        self.crop_mean = np.zeros(self.crop_dims, np.float32)
        if self._input in self.transformer.mean:
            # The picture that the net sees as zeros.
            zeros = np.zeros((channels, height, width), np.float32)
            self.crop_mean = self.transformer.deprocess(self._input, zeros)

"""Blobs that come from the caller (Input) or are learned themselves (Parameter)."""

from ..errors import CaffeError
from ..layer import Layer, register


@register("Input")
class Input(Layer):
    """Tops that the caller fills; their shapes are the caller's too once the net is set up.

    `shape` is given once for all tops or once per top.
    """

    bottom_count = (0, 0)
    top_count = (1, None)

    def reshape(self, shapes):
        declared, tops = self.param.input_param.shape, len(self.param.top)
        if len(declared) not in (0, 1, tops):
            raise CaffeError(f"shape is given {len(declared)} times, expected once or {tops} times")
        shapes = [tuple(shape.dim) for shape in declared]
        return shapes * tops if len(shapes) == 1 else shapes

    def reshape_tops(self, bottom, top):
        """Only at set-up: a later `blob.reshape` by the caller stays."""
        if self._shapes is None:
            super().reshape_tops(bottom, top)

    def forward(self, bottom, blobs):
        return ()


@register("Parameter")
class Parameter(Layer):
    """A learned blob as a top; stored as it is, zeros at first."""

    bottom_count = (0, 0)

    def setup(self, shapes):
        self.add_blob(tuple(self.param.parameter_param.shape.dim))

    def reshape(self, shapes):
        return [self.blobs[0].shape]

    def forward(self, bottom, blobs):
        return blobs

"""Python layers: user classes derived from `caffe.Layer`, named in prototxt by module and class.

The module is imported, so it is code: run only nets whose Python layers you trust. A class with
`device_tensors = True` gets tensors on the net's device in place of numpy arrays.
"""

import importlib
import inspect
from types import ModuleType
from typing import Any

from .blob import BlobVec, TensorBlob
from .errors import CaffeError
from .layer import Layer, register


class PyLayer:
    """Base class for users' layers: pycaffe's `caffe.Layer`."""

    device_tensors = False
    param_str = ""
    phase = 0
    type = "Python"

    def __init__(self, blobs: "BlobVec | None" = None):
        self.blobs = BlobVec() if blobs is None else blobs

    def setup(self, bottom, top) -> None:
        """Check `param_str` and the bottoms once, before the first reshape."""

    def reshape(self, bottom, top) -> None:
        """Give the tops their shapes; runs at set-up and before each forward."""

    def forward(self, bottom, top) -> None:
        """Write the tops' data."""

    def backward(self, top, propagate_down, bottom) -> None:
        """Write the bottoms' diffs, and add to the diffs of `self.blobs`."""


@register("Python")
class PythonLayer(Layer):
    """Runs a user's class on blobs; its own backward is the gradient."""

    bottom_count = (0, None)
    top_count = (0, None)

    def __init__(self, param, phase: int):
        super().__init__(param, phase)
        wanted = param.python_param
        try:
            module = importlib.import_module(wanted.module)
        except ImportError as error:
            raise CaffeError(f'cannot import module "{wanted.module}": {error}') from error
        self.user = _instance(module, wanted.layer)
        PyLayer.__init__(self.user, self.blobs)
        self.user.param_str = wanted.param_str
        self.user.phase = phase

    def _view(self, blobs: list, device) -> list:
        return [TensorBlob(b, device) for b in blobs] if self.user.device_tensors else blobs

    def set_up(self, bottom: list, top: list) -> None:
        """Run the user's setup and reshape."""
        device = _current_device()
        self.user.setup(self._view(bottom, device), self._view(top, device))
        self.reshape_tops(bottom, top)

    def reshape_tops(self, bottom: list, top: list) -> None:
        """Run the user's reshape."""
        device = _current_device()
        self.user.reshape(self._view(bottom, device), self._view(top, device))

    def run(self, bottom: list, top: list, device, record: bool) -> None:
        """Run the user's reshape and forward."""
        bottom, top = self._view(bottom, device), self._view(top, device)
        self.user.reshape(bottom, top)
        self.user.forward(bottom, top)
        self.calls += 1

    def differentiate(self, top: list, propagate_down: list, bottom: list, keep: bool) -> None:
        """Run the user's backward."""
        device = _current_device()
        self.user.backward(
            self._view(top, device), list(propagate_down), self._view(bottom, device)
        )


def _instance(module: ModuleType, name: str) -> Any:
    """An object of a class of a module, without what its own `__init__` does."""
    cls = getattr(module, name, None)
    if not inspect.isclass(cls):
        raise CaffeError(f'module "{module.__name__}" has no class "{name}"')
    return cls.__new__(cls)


def _current_device():
    from . import context

    return context.device()

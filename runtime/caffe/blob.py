"""Blobs: a shape, data and diff, each a tensor on a device with a live numpy view on demand."""

import math
from collections.abc import Callable

import numpy as np
import torch

from .errors import CaffeError

CPU = torch.device("cpu")
MAX_COUNT = 2**31 - 1  # elements: Caffe counts them in an int
MAX_AXES = 32


class SyncedMemory:
    """One array, on the host, on a device, or both; the newest side counts.

    A tensor that was `set` may be part of another blob, or kept for a backward; so the first numpy
    view is of a copy, which on the CPU is the tensor from then on. Later values are copied into it,
    so that views stay alive; where none was handed out, `set` only rebinds.
    """

    __slots__ = ("_tensor", "_host", "_host_is_newest")

    def __init__(self):
        self._tensor = None
        self._host = None
        self._host_is_newest = False

    @property
    def allocated(self) -> bool:
        """Whether anything was stored or asked for since it was made or cleared."""
        return self._tensor is not None

    @property
    def viewed(self) -> bool:
        """Whether a numpy view of the memory was handed out."""
        return self._host is not None

    def tensor(self, shape: tuple, device: torch.device) -> torch.Tensor:
        """The content as a tensor on `device`; zeros where nothing was stored."""
        source = self._host if self._host_is_newest else self._tensor
        count = math.prod(shape)
        if source is None or source.numel() < count:
            self._host, self._host_is_newest = None, False
            self._tensor = source = torch.zeros(shape, device=device)
        elif source.device != device:
            self._tensor = source = source.to(device, non_blocking=_is_pinned(source))
            self._host_is_newest = False
        return _view(source, shape, count)

    def array(self, shape: tuple) -> np.ndarray:
        """The content as a writable numpy array that stays valid while the shape does."""
        count = math.prod(shape)
        if self._tensor is None or self._tensor.numel() < count:
            self._tensor, self._host = torch.zeros(shape), None
        if self._host is None or self._host.numel() != self._tensor.numel():
            self._host = torch.empty(self._tensor.shape).copy_(self._tensor.detach())
        elif not self._host_is_newest and self._host.data_ptr() != self._tensor.data_ptr():
            self._host.data.copy_(self._tensor)
        if self._tensor.device == CPU:
            self._tensor = self._host
        self._host_is_newest = True
        return _view(self._host, shape, count).numpy()

    def set(self, value: torch.Tensor) -> None:
        """Store `value`, without a copy unless a numpy view must follow."""
        host = self._host
        if host is not None and value.device == CPU and host.numel() == value.numel():
            target = host.view(value.shape)
            if value.data_ptr() != target.data_ptr():
                target.data.copy_(value)
            value = target
        elif host is not None and host.numel() != value.numel():
            self._host = None
        self._tensor, self._host_is_newest = value, False

    def clear(self) -> None:
        """Make the content zeros: at once where a numpy view shows it, else when it is asked."""
        if self._host is None:
            self._tensor = None
        else:
            (self._host if self._host_is_newest else self._tensor).zero_()


def _is_pinned(tensor: torch.Tensor) -> bool:
    """Whether a GPU can read the memory by itself, while the host goes on."""
    return tensor.device == CPU and tensor.is_pinned()


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """The same values as blobs have them at first: 32 bits each, in the order of the axes."""
    return tensor.to(torch.float32, memory_format=torch.contiguous_format).contiguous()


def _view(tensor: torch.Tensor, shape: tuple, count: int) -> torch.Tensor:
    if tensor.shape == shape:
        return tensor
    flat = tensor.reshape(-1)
    return (flat if tensor.numel() == count else flat[:count]).view(shape)


class Blob:
    """N-dimensional array with a gradient: pycaffe's Blob, and the runtime's tensor holder."""

    def __init__(self, shape: tuple = ()):
        self._shape = checked_shape(shape)
        self._data = SyncedMemory()
        self._diff = SyncedMemory()

    @property
    def shape(self) -> tuple:
        """The axes, outermost first."""
        return self._shape

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self._shape)

    def _legacy_axis(self, axis: int) -> int:
        if len(self._shape) > 4:
            raise CaffeError(f"a blob of {len(self._shape)} axes has no num/channels/height/width")
        return self._shape[axis] if axis < len(self._shape) else 1

    num = property(lambda self: self._legacy_axis(0), doc="Axis 0, or 1.")
    channels = property(lambda self: self._legacy_axis(1), doc="Axis 1, or 1.")
    height = property(lambda self: self._legacy_axis(2), doc="Axis 2, or 1.")
    width = property(lambda self: self._legacy_axis(3), doc="Axis 3, or 1.")

    @property
    def data(self) -> np.ndarray:
        """The values as a live float32 numpy array."""
        return self._data.array(self._shape)

    @property
    def diff(self) -> np.ndarray:
        """The gradients as a live float32 numpy array."""
        return self._diff.array(self._shape)

    def reshape(self, *shape: int, **kwargs) -> None:
        """Change the axes; elements are kept as far as they fit."""
        if kwargs:
            raise RuntimeError("Blob.reshape takes no kwargs")  # as pycaffe does
        self._shape = checked_shape(shape)

    def data_tensor(self, device: torch.device = CPU) -> torch.Tensor:
        """The values as a tensor on `device`."""
        return self._data.tensor(self._shape, device)

    def diff_tensor(self, device: torch.device = CPU) -> torch.Tensor:
        """The gradients as a tensor on `device`."""
        return self._diff.tensor(self._shape, device)

    def set_data(self, value: torch.Tensor) -> None:
        """Take `value` and its shape as the data."""
        self._shape = tuple(value.shape)
        self._data.set(value)

    def set_diff(self, value: torch.Tensor) -> None:
        """Take `value` as the gradients."""
        self._diff.set(value)

    def add_diff(self, value: torch.Tensor, shared: bool = True) -> None:
        """Add `value` to the gradients; not `shared`, it is nobody else's and may become them."""
        if self._diff.allocated:
            self.diff_tensor(value.device).add_(value)
            return
        own = _plain(value)
        self._diff.set(own.clone() if shared and own is value else own)

    def clear_diff(self) -> None:
        """Set the gradients to zero."""
        self._diff.clear()

    def share_data(self, other: "Blob") -> None:
        """Use the data of `other` from now on."""
        self._data = other._data

    def share_diff(self, other: "Blob") -> None:
        """Use the gradients of `other` from now on."""
        self._diff = other._diff

    def __repr__(self):
        return f"Blob{self._shape}"


class TensorBlob:
    """A blob as layers with `device_tensors` see it: data and diff are tensors on the device.

    As arrays are, they are of 32 bits and lie in the order of their axes; other layers may have
    left them otherwise.
    """

    def __init__(self, blob: Blob, device: torch.device):
        self._blob, self._device = blob, device

    @property
    def data(self) -> torch.Tensor:
        """The values; what is written into them is written into the blob."""
        return _as_array(self._blob.data_tensor(self._device), self._blob.set_data)

    @property
    def diff(self) -> torch.Tensor:
        """The gradients, likewise."""
        return _as_array(self._blob.diff_tensor(self._device), self._blob.set_diff)

    def __getattr__(self, name):
        return getattr(self._blob, name)


def _as_array(x: torch.Tensor, store: Callable[[torch.Tensor], None]) -> torch.Tensor:
    array = _plain(x)
    if array is not x:
        store(array)
    return array


class BlobVec(list):
    """The parameters of a layer."""

    def add_blob(self, *shape: int) -> None:
        """Append a blob of zeros, as a Python layer's setup does."""
        self.append(Blob(shape))


def checked_shape(shape: tuple) -> tuple:
    """The shape as ints, if a blob can have it; checked before any memory is asked for."""
    shape = tuple(int(d) for d in shape)
    complaint = ""
    if any(d < 0 for d in shape):
        complaint = "axes must not be negative"
    elif len(shape) > MAX_AXES:
        complaint = f"expected at most {MAX_AXES} axes"
    elif max(math.prod(shape), *shape, 0) > MAX_COUNT:
        complaint = f"blob size exceeds INT_MAX, expected at most {MAX_COUNT} elements"
    if complaint:
        raise CaffeError(f"cannot reshape a blob to {_short_shape(shape)}: {complaint}")
    return shape


def _short_shape(shape: tuple) -> str:
    return str(shape) if len(shape) <= MAX_AXES else f"{len(shape)} axes"


def shape_string(shape: tuple) -> str:
    """A shape as Caffe's log writes it: the axes, then the count in brackets."""
    return " ".join(map(str, (*shape, f"({math.prod(shape)})")))

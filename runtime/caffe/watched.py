"""Noticing that parameter blobs have changed since what follows from them was computed."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from .blob import CPU, Blob, SyncedMemory


class Watch:
    """Tells which of some blobs have changed since it was asked last.

    A blob changes by getting other memory, by an operation of torch's, which counts up the tensor's
    version, or through a numpy view, which leaves no trace: while a view lives, contents are
    compared. Once nobody holds a view, the memory is told so, and the next view is of a copy.
    """

    def __init__(self, blobs: Iterable):
        self._states: list = [(blob, None) for blob in blobs]

    def changed(self) -> list:
        """The blobs that changed; at first all of them."""
        changed = []
        for i, (blob, state) in enumerate(self._states):
            differs = state is None or state.differs(blob)
            if differs:
                changed.append(blob)
            if differs or state.copy is not None and not _viewed(blob):
                self._states[i] = (blob, _state(blob))
        return changed


@dataclass(slots=True)
class _Traced:
    """A blob whose changes leave traces; what is kept here keeps its address to itself."""

    shape: tuple
    memory: SyncedMemory
    tensor: torch.Tensor
    address: int
    version: int
    copy: None = None

    def differs(self, blob: Blob) -> bool:
        memory, tensor = blob._data, self.tensor
        return (
            memory is not self.memory
            or memory._tensor is not tensor
            or memory._host is not None
            or blob._shape != self.shape
            or tensor.data_ptr() != self.address
            or tensor._version != self.version
        )


@dataclass(slots=True)
class _Copied:
    """A blob that may change without a trace, and what it was."""

    copy: torch.Tensor

    def differs(self, blob: Blob) -> bool:
        return not torch.equal(blob.data_tensor(CPU), self.copy)


def _state(blob: Blob) -> "_Traced | _Copied":
    content, memory = blob.data_tensor(CPU), blob._data
    if _viewed(blob) or content.is_inference():
        return _Copied(content.clone())
    tensor = memory._tensor
    return _Traced(blob.shape, memory, tensor, tensor.data_ptr(), tensor._version)


def _viewed(blob: Blob) -> bool:
    release_unused_view(blob._data)
    return blob._data.viewed


def release_unused_view(memory: SyncedMemory) -> None:
    """Forget the host's side of memory on the CPU if no numpy view of it lives."""
    if memory._tensor is not None and memory._tensor is memory._host and _owners(memory) == _ALONE:
        memory._host, memory._host_is_newest = None, False


def _owners(memory: SyncedMemory) -> int:
    """How many tensors, those under numpy views among them, share the memory."""
    return torch._C._storage_Use_Count(memory._tensor.untyped_storage()._cdata)


def _owners_without_view() -> int:
    """What `_owners` says where there is no view; 0, which it never says, if it cannot tell."""
    memory = SyncedMemory()
    view = memory.array((3,))
    try:
        viewed = _owners(memory)
        del view
        return _owners(memory) if _owners(memory) < viewed else 0
    except AttributeError:  # of a torch that counts otherwise
        return 0


_ALONE = _owners_without_view()

"""Noticing that parameter blobs have changed since what follows from them was computed."""

from dataclasses import dataclass

import torch

from .blob import CPU, Blob, SyncedMemory


class Watch:
    """Tells whether any of some blobs has changed since it was asked last.

    A blob changes by getting other memory, by an operation of torch's, which counts up the tensor's
    version, or through a numpy view, which leaves no trace: while a view lives, contents are
    compared. Once nobody holds a view, the memory is told so, and the next view is of a copy.
    """

    def __init__(self, blobs: list):
        self._blobs = blobs
        self._states: list = [None] * len(blobs)

    def changed(self) -> bool:
        """Whether any blob changed; the first answer is True."""
        pairs = list(zip(self._states, self._blobs))
        changed = [state is None or state.differs(blob) for state, blob in pairs]
        self._states = [
            _state(blob) if differs or state.copy is not None and not _viewed(blob) else state
            for differs, (state, blob) in zip(changed, pairs)
        ]
        return any(changed)


@dataclass
class _Traced:
    """A blob whose changes leave traces; the tensor is kept so that its address stays its own."""

    tensor: torch.Tensor
    version: int
    copy = None

    def differs(self, blob: Blob) -> bool:
        now = blob.data_tensor(CPU)
        return (
            blob._data.viewed
            or now.data_ptr() != self.tensor.data_ptr()
            or now.shape != self.tensor.shape
            or _version(now) != self.version
        )


@dataclass
class _Copied:
    """A blob that may change without a trace, and what it was."""

    copy: torch.Tensor

    def differs(self, blob: Blob) -> bool:
        return not torch.equal(blob.data_tensor(CPU), self.copy)


def _state(blob: Blob) -> "_Traced | _Copied":
    tensor = blob.data_tensor(CPU)
    if _viewed(blob) or tensor.is_inference():
        return _Copied(tensor.clone())
    return _Traced(tensor.detach(), _version(tensor))


def _viewed(blob: Blob) -> bool:
    release_unused_view(blob._data)
    return blob._data.viewed


def _version(tensor: torch.Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


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

"""A stand-in for a GPU where there is none: `pytest -p stand_in_gpu tests/runtime/test_golden.py`.

Its tensors say that they lie on another device and hold tensors of the CPU, so that numbers are
real; an operation that mixes the two devices fails as it would with CUDA. Caffe computes on it from
the start. Torch lends its slot for devices of others to Python for this, in an experimental way.
"""

import torch
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from caffe import context, streams

CPU = torch.device("cpu")
MIXING = {  # what CUDA does with tensors of both devices
    *("_foreach_copy_", "_index_put_impl_", "_to_copy", "_unsafe_index", "copy_", "index"),
    *("index_put", "index_put_"),
}
ANSWERING = {"_local_scalar_dense", "equal", "is_nonzero"}  # with no tensor


class Module:
    """What torch asks a device's module for."""

    @staticmethod
    def is_available():
        return True

    is_initialized = is_available

    @staticmethod
    def device_count():
        return 1

    @staticmethod
    def current_device():
        return 0

    @staticmethod
    def _is_in_bad_fork():
        return False

    @staticmethod
    def get_amp_supported_dtype():
        return [torch.bfloat16]


class DeviceTensor(torch.Tensor):
    """A tensor of the stand-in; `host` holds its numbers."""

    @staticmethod
    def __new__(cls, host):
        like = {"strides": host.stride(), "dtype": host.dtype, "layout": host.layout}
        tensor = torch.Tensor._make_wrapper_subclass(cls, host.shape, device=DEVICE, **like)
        tensor.host = host
        return tensor

    def __init__(self, host):
        pass

    def untyped_storage(self):
        return self.host.untyped_storage()

    def data_ptr(self):
        return self.host.data_ptr()

    def tolist(self):
        return self.host.tolist()

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, *args, **(kwargs or {}))


def _run(operation, *args, **kwargs):
    """Compute on the CPU what is asked of the device."""
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
    ours = [x for x in tensors if isinstance(x, DeviceTensor)]
    name = operation._schema.name.partition("::")[2]
    others = [x for x in tensors if not isinstance(x, DeviceTensor) and x.ndim]
    if ours and others and name not in MIXING:
        raise RuntimeError(f"{operation}: tensors on {DEVICE} and on cpu")
    wanted = kwargs.get("device")
    on_device = bool(ours) if wanted is None else torch.device(wanted).type == DEVICE.type
    if wanted is not None:
        kwargs["device"] = CPU
    kwargs.pop("pin_memory", None)
    args, kwargs = tree_map(lambda x: x.host if isinstance(x, DeviceTensor) else x, (args, kwargs))
    result = operation(*args, **kwargs)
    if name in ANSWERING:
        return result
    if name == "_to_copy" and on_device != bool(ours):
        result = result.clone()
    known = {id(x.host): x for x in ours}

    def outside(x):
        if not on_device or not isinstance(x, torch.Tensor):
            return x
        return known[id(x)] if id(x) in known else DeviceTensor(x)

    return tree_map(outside, result)


_setup_privateuseone_for_python_backend("stand_in", Module())
DEVICE = torch.device("stand_in", 0)
_libraries = [torch.library.Library("_", "IMPL") for _ in range(2)]
_libraries[0].fallback(_run, "PrivateUse1")
_libraries[1].fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")

_generator = streams.torch_generator
streams.torch_generator = lambda *keys, device="cpu": _generator(*keys)
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 1
context.device = lambda: DEVICE if context._state["gpu"] else CPU
context.set_mode_cpu = lambda: None  # tests that ask for the CPU are run on the stand-in too
context.set_mode_gpu()

"""The messages of Caffe, under the names that pycaffe gives them."""

from importlib import import_module


def __getattr__(name: str):
    """`caffe_pb2`, which genuine pycaffe has imported by itself."""
    if name == "caffe_pb2":
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Solver prototxts: read, brought from older forms to today's, and completed."""

import os
from typing import Any

from . import log, prototxt
from .errors import CaffeError
from .files import is_utf8
from .proto import caffe_pb2

LEGACY_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")


def read_solver(path: "str | os.PathLike") -> Any:
    """The SolverParameter of a file; solver_type is upgraded, snapshot_prefix filled in."""
    param = prototxt.read(path, caffe_pb2.SolverParameter)
    upgrade_type(param, os.fspath(path))
    _complete_prefix(param, os.fspath(path))
    return param


def upgrade_type(param, path: str) -> None:
    """Turn the old enum `solver_type` into `type`."""
    if not param.HasField("solver_type"):
        return
    if param.HasField("type"):
        raise CaffeError(f"{path}: has both type and the old solver_type, expected type alone")
    what = "file specified using deprecated 'solver_type' field (enum)"
    log.info("upgrade_proto.cpp:1084", f"Attempting to upgrade input {what}': {path}")
    param.type = LEGACY_TYPES[param.solver_type]
    param.ClearField("solver_type")
    log.info("upgrade_proto.cpp:1091", f"Successfully upgraded {what} to 'type' field (string).")
    log.warning(
        "upgrade_proto.cpp:1093",
        "Note that future Caffe releases will only support 'type' field (string) "
        "for a solver's type.",
    )


def _complete_prefix(param, path: str) -> None:
    """Name snapshots after the solver's file where the prefix is absent or a folder."""
    if not param.HasField("snapshot_prefix"):
        prefix = os.path.splitext(path)[0]
        if not is_utf8(prefix):
            raise CaffeError(f"{path}: its name is not UTF-8, expected that or a snapshot_prefix")
        param.snapshot_prefix = prefix
        change = "was not specified and is set to"
    elif os.path.isdir(param.snapshot_prefix):
        stem = os.path.splitext(os.path.basename(path))[0]
        param.snapshot_prefix = os.path.join(param.snapshot_prefix, stem)
        change = "was a directory and is replaced to"
    else:
        return
    log.info("upgrade_proto.cpp:1108", f"snapshot_prefix {change} {param.snapshot_prefix}")

"""Snapshots: a model file and a solver state from which a training goes on, binary or HDF5.

Files are named <snapshot_prefix>_iter_<N>.caffemodel and .solverstate, with .h5 after it for HDF5.
The state also holds, in a field that genuine Caffe skips, where random streams and data readers
stand: a training that is resumed equals one that was never interrupted.
"""

import json
import os

import numpy as np
import torch

from . import binaryproto, hdf5_model, log
from .errors import CaffeError
from .files import reason
from .proto import caffe_pb2


def check_prefix(prefix: str, source: str) -> None:
    """Raise CaffeError unless files can be made at the prefix."""
    probe = f"{prefix}.{os.getpid()}.tmp"
    try:
        with open(probe, "xb"):
            os.remove(probe)
    except (OSError, ValueError) as error:
        raise CaffeError(
            f'{source}: snapshot_prefix "{prefix}": {reason(error)}, '
            "expected a place in a folder that exists and can be written to"
        ) from None


def file_names(param, iteration: int) -> tuple[str, str]:
    """The names of the model and of the state that the solver writes at an iteration."""
    end = ".h5" if param.snapshot_format == caffe_pb2.SolverParameter.HDF5 else ""
    stem = f"{param.snapshot_prefix}_iter_{iteration}"
    return f"{stem}.caffemodel{end}", f"{stem}.solverstate{end}"


def write(solver) -> None:
    """Write the model, then the state; if this fails, an earlier snapshot's files stay whole."""
    model, path = file_names(solver.param, solver.iter)
    history = [tensor.cpu().numpy() for tensor in solver.history()]
    streams = json.dumps(solver.stream_state()).encode()
    if solver.param.snapshot_format == caffe_pb2.SolverParameter.HDF5:
        log.info("solver.cpp:474", f"Snapshotting to HDF5 file {model}")
        solver.net.save_hdf5(model, solver.param.snapshot_diff)
        log.info("sgd_solver.cpp:296", f"Snapshotting solver state to HDF5 file {path}")
        hdf5_model.write_state_hdf5(path, solver.iter, model, solver.current_step, history, streams)
    else:
        log.info("solver.cpp:464", f"Snapshotting to binary proto file {model}")
        solver.net.save(model, solver.param.snapshot_diff)
        log.info("sgd_solver.cpp:284", f"Snapshotting solver state to binary proto file {path}")
        state = caffe_pb2.SolverState(
            iter=solver.iter,
            learned_net=model,
            current_step=solver.current_step,
            stream_state=streams,
        )
        binaryproto.write_state(path, state, history)


def restore(solver, path: str) -> None:
    """Give a solver the parameters, histories, counts and streams of a state, or change nothing."""
    is_hdf5 = path.endswith(".h5")
    state = hdf5_model.read_state_hdf5(path) if is_hdf5 else _read_binary(path)
    streams = _streams(state.stream_state, path)
    if streams and streams["type"] != solver.type:
        raise CaffeError(f"{path}: state of type {streams['type']}, expected {solver.type}")
    history = _fitted(state.history, solver, path)
    if state.learned_net:
        if not os.path.isfile(state.learned_net):
            raise CaffeError(f"{path}: needs the model {state.learned_net}, which is not there")
        solver.net.copy_from(state.learned_net)
    if not is_hdf5:
        log.info("sgd_solver.cpp:336", "SGDSolver: restoring history")
    solver.set_history(history)
    solver.iter, solver.current_step = state.iter, state.current_step
    if streams:
        try:
            solver.set_stream_state(streams)
        except CaffeError as error:
            message = f"{path}: data and random numbers start anew: {error}"
            log.warning("sgd_solver.cpp:336", message)


def _read_binary(path: str) -> hdf5_model.State:
    state = binaryproto.read(path, caffe_pb2.SolverState)
    if not state.HasField("iter"):
        raise CaffeError(f"{path}: holds no iteration, expected a solver state")
    history = binaryproto.arrays(state.history, f"{path}: history")
    streams = state.stream_state if state.HasField("stream_state") else None
    return hdf5_model.State(state.iter, state.learned_net, state.current_step, history, streams)


def _streams(text: "bytes | None", path: str) -> dict:
    """The streams' state; empty for a state of genuine Caffe, which has none."""
    if not text:
        return {}
    try:
        streams = json.loads(text)
        whole = all(map(_is_stream_state, [streams["train"], *streams["test"]]))
        if whole and "type" in streams:
            return streams
    except (ValueError, TypeError, LookupError, RecursionError):
        pass
    raise CaffeError(f"{path}: stream_state is damaged, expected type, train and test in JSON")


def _is_stream_state(state: dict) -> bool:
    """Whether this can be the `stream_state` of a net."""
    counts = [state["seed"], *state["calls"]]
    return all(type(count) is int and 0 <= count < 2**63 for count in counts)


def _fitted(arrays: list[np.ndarray], solver, path: str) -> list[torch.Tensor]:
    """The arrays as histories of this solver; CaffeError where number or shapes differ."""
    wanted = solver.history()
    where = f"{path}: state of another solver type or net"
    if len(arrays) != len(wanted):
        raise CaffeError(
            f"{where}: has {len(arrays)} history blobs, "
            f"expected {len(wanted)} for {solver.type} and this net"
        )
    for index, (array, tensor) in enumerate(zip(arrays, wanted)):
        if not _same_but_leading_ones(array.shape, tuple(tensor.shape)):
            raise CaffeError(
                f"{where}: history blob {index} has shape {array.shape}, "
                f"expected {tuple(tensor.shape)}"
            )
    return [
        torch.from_numpy(np.asarray(array, np.float32).reshape(tuple(tensor.shape)))
        for array, tensor in zip(arrays, wanted)
    ]


def _same_but_leading_ones(shape: tuple, wanted: tuple) -> bool:
    """Whether shapes agree; old files pad theirs with ones to four axes."""
    extra = len(shape) - len(wanted)
    return extra >= 0 and shape == (1,) * extra + wanted

"""Solvers: the loop of training and testing, whatever the method of optimization."""

import math
import os
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

import torch

from . import context, log, prototxt, snapshot
from .errors import CaffeError
from .log import Show
from .net import Net
from .proto import caffe_pb2
from .solver_param import read_solver

Tensors = list[torch.Tensor]


class Action(Enum):
    """What a training can be asked to do between two iterations."""

    NONE = 0
    STOP = 1
    SNAPSHOT = 2


class instance:  # noqa: N801
    """The base that pycaffe's classes show in their method resolution order."""


class Solver(instance):
    """Trains `net` as its SolverParameter `param` says: pycaffe's Solver.

    `definition` is the path of a solver prototxt, or a SolverParameter and the `source` that errors
    name. Methods of optimization are subclasses.
    """

    type = ""

    def __init__(self, definition: Any, source: str = "solver"):
        if not isinstance(definition, caffe_pb2.SolverParameter):
            source, definition = os.fspath(definition), read_solver(definition)
        self.param, self.source = definition, source
        self.iter = 0
        self.requested_action: Callable[[], Action] = lambda: Action.NONE
        self._callbacks: list = []
        self.exchange: Any = None  # of a group of solvers, see `parallel`
        self._stopping = False
        self._states_before_test: list | None = None
        text = prototxt.text(definition)
        log.info("solver.cpp:45", f"Initializing solver from parameters: \n{text}")
        self._check()
        if definition.snapshot:
            self._check_prefix()
        if definition.random_seed >= 0:
            context.set_random_seed(definition.random_seed + context.solver_rank())
        self._restart_averages()
        self.net = self._make_train_net()
        self.test_nets = self._make_test_nets()
        log.info("solver.cpp:57", "Solver scaffolding done.")

    def _error(self, message: str) -> CaffeError:
        return CaffeError(f"{self.source}: {message}")

    def _check(self) -> None:
        """Raise CaffeError where a field has a value that no training can use."""
        for field in ("average_loss", "iter_size"):
            if getattr(self.param, field) < 1:
                raise self._error(f"{field} is {getattr(self.param, field)}, expected 1 or more")

    def _check_prefix(self) -> None:
        """Raise CaffeError unless snapshots can be written, if this is the solver that does so."""
        if context.root_solver():
            snapshot.check_prefix(self.param.snapshot_prefix, self.source)

    # -- nets ----------------------------------------------------------------------------------

    def _make_train_net(self) -> Net:
        param = self.param
        fields = ("train_net_param", "train_net", "net_param", "net")
        given = [field for field in fields if param.HasField(field)]
        if len(given) != 1:
            raise self._error(
                f"found {', '.join(given) or 'none'}, "
                "expected one train net: net, net_param, train_net or train_net_param"
            )
        field = given[0]
        value = getattr(param, field)
        from_file = isinstance(value, str)
        what = f"from {field} file: {value}" if from_file else f"specified in {field}."
        log.info("solver.cpp:102", f"Creating training net {what}")
        return self._make_net(value, field, caffe_pb2.TRAIN, param.train_state)

    def _make_test_nets(self) -> list[Net]:
        nets = []
        sources = self._test_sources()
        for index, (field, value) in enumerate(sources):
            what = f"{field} file: {value}" if isinstance(value, str) else field
            log.info("solver.cpp:190", f"Creating test net (#{index}) specified by {what}")
            state = self.param.test_state[index] if self.param.test_state else caffe_pb2.NetState()
            net = self._make_net(value, field, caffe_pb2.TEST, state)
            net.debug_info = self.param.debug_info
            nets.append(net)
        return nets

    def _test_sources(self) -> list:
        """(field, path or NetParameter) of each test net; `net` serves what test_iter has left."""
        param = self.param
        sources = [("test_net_param", value) for value in param.test_net_param]
        sources += [("test_net", value) for value in param.test_net]
        generic = [f for f in ("net_param", "net") if param.HasField(f)]
        rest = len(param.test_iter) - len(sources)
        if rest < 0 or (rest > 0 and not generic):
            raise self._error(
                f"test_iter is given {len(param.test_iter)} times, "
                f"expected {len(sources)}, once per test net"
            )
        sources += [(field, getattr(param, field)) for field in generic for _ in range(rest)]
        if param.test_state and len(param.test_state) != len(sources):
            raise self._error(
                f"test_state is given {len(param.test_state)} times, "
                f"expected 0 or {len(sources)}, once per test net"
            )
        if sources and param.test_interval <= 0:
            interval = param.test_interval
            raise self._error(f"test_interval is {interval}, expected more than 0 to test")
        return sources

    def _make_net(self, value: Any, field: str, phase: int, state) -> Net:
        """The net of a file or NetParameter, its state completed, its weights loaded."""
        source, lines = f"{self.source}: {field}", None
        if isinstance(value, str):
            source, text = value, prototxt.read_text(value)
            lines = prototxt.layer_lines(text)
            value = prototxt.parse(text, caffe_pb2.NetParameter, source)
        complete = caffe_pb2.NetState(phase=phase)
        complete.MergeFrom(value.state)
        complete.MergeFrom(state)
        param = caffe_pb2.NetParameter()
        param.CopyFrom(value)
        param.state.CopyFrom(complete)
        net = Net.from_param(param, source, lines)
        for path in (p.strip() for paths in self.param.weights for p in paths.split(",")):
            log.info("solver.cpp:72", f"Finetuning from {path}")
            if not os.path.isfile(path):
                raise self._error(f"weights: {path}: no such file")
            net.copy_from(path)
        return net

    def share_weights(self, net: Net) -> None:
        """Let `net` use the parameters of the training net."""
        net.share_with(self.net)

    # -- training ------------------------------------------------------------------------------

    def add_callback(self, on_start: Callable, on_gradients_ready: Callable) -> None:
        """Call `on_start()` before each iteration's forward, the other before its update."""
        self._callbacks.append((on_start, on_gradients_ready))

    def solve(self, resume_file: "str | None" = None) -> None:
        """Train up to max_iter, from a snapshot if one is named; then snapshot, test and report."""
        if self.param.snapshot_after_train:
            self._check_prefix()
        log.info("solver.cpp:289", f"Solving {self.net.name}")
        log.info("solver.cpp:290", f"Learning Rate Policy: {self.param.lr_policy}")
        if resume_file:
            log.info("solver.cpp:296", f"Restoring previous solver status from {resume_file}")
            self.restore(resume_file)
        with log.progress(self.param.max_iter, self.iter) as show:
            self._train(self.param.max_iter - self.iter, show)
        if self.param.snapshot_after_train and not self._due(self.param.snapshot):
            self.snapshot()
        if self._stopping:
            log.info("solver.cpp:311", "Optimization stopped early.")
            return
        if self._due(self.param.display):
            self._losses.append([self.net.run_forward(record=False)])
            loss = log.number(self._smoothed_loss)
            log.info("solver.cpp:327", f"Iteration {self.iter}, loss = {loss}")
        if self._due(self.param.test_interval):
            self._test_all()
        log.info("solver.cpp:332", "Optimization Done.")

    def step(self, iterations: int) -> None:
        """Train for this many iterations."""
        self._train(iterations, lambda iteration, loss: None)

    def _due(self, interval: int) -> bool:
        """Whether something that is done every `interval` iterations (0: never) is due now."""
        return interval > 0 and self.iter % interval == 0

    def _restart_averages(self) -> None:
        """Forget past losses and times, as every call of `step` does."""
        # Of each iteration the losses of its batches, left on the device until they are shown.
        self._losses: deque[list] = deque(maxlen=self.param.average_loss)
        self._displayed_at = (time.perf_counter(), self.iter)

    @property
    def _smoothed_loss(self) -> float:
        means = [_mean(losses) for losses in self._losses]
        return sum(means) / len(means)

    def _train(self, iterations: int, show: Show) -> None:
        self._check_update()
        self._stopping = False
        self._restart_averages()
        last = self.iter + iterations
        while self.iter < last:
            tests = self.iter > 0 or self.param.test_initialization
            if tests and self._due(self.param.test_interval):
                self._test_all()
                if self._stopping:
                    return
            action = self._iterate()
            show(self.iter, lambda: self._smoothed_loss)
            if self._due(self.param.snapshot) or action is Action.SNAPSHOT:
                self.snapshot()
            if action is Action.STOP:
                self._stopping = True
                return

    def _iterate(self) -> Action:
        """One iteration: gradients of iter_size batches, then the update; what is asked then."""
        self.net.clear_param_diffs()
        for on_start, _ in self._callbacks:
            on_start()
        displayed = self._due(self.param.display)
        self.net.debug_info = displayed and self.param.debug_info
        losses, action = [], Action.NONE
        for _ in range(self.param.iter_size):
            losses.append(self.net.forward_loss(record=True))
            self.net.run_backward()
        if self.exchange:
            loss, asked = self.exchange.agree(_mean(losses), self.requested_action().value)
            losses, action = [loss], Action(asked)
        self._losses.append(losses)
        if displayed:
            self._display()
        self._gradients_ready()
        self.apply_update()
        return action if self.exchange else self.requested_action()

    def _gradients_ready(self) -> None:
        """Between backward and update: the place where solvers side by side exchange gradients."""
        for _, on_gradients_ready in self._callbacks:
            on_gradients_ready()

    def _display(self) -> None:
        """Log speed, loss and outputs of the training net."""
        (start, first), now = self._displayed_at, time.perf_counter()
        self._displayed_at = now, self.iter
        seconds = now - start
        log.info(
            "solver.cpp:239",
            f"Iteration {self.iter} ({(self.iter - first) / seconds:g} iter/s, {seconds:g}s/"
            f"{self.param.display} iters), loss = {log.number(self._smoothed_loss)}",
        )
        _log_outputs("solver.cpp:258", "Train", self.net, _output_tensors(self.net))

    def _check_update(self) -> None:
        """Raise CaffeError if `apply_update` could not work."""
        raise NotImplementedError

    def apply_update(self) -> None:
        """Change the parameters as their diffs ask for and count the iteration."""
        raise NotImplementedError

    # -- testing -------------------------------------------------------------------------------

    def _test_all(self) -> None:
        """Test every test net; a snapshot on the way resumes before the first of them."""
        if not context.root_solver():
            return
        self._states_before_test = [net.stream_state() for net in self.test_nets]
        for index in range(len(self.test_nets)):
            self._test(index)
            if self._stopping:
                return
        self._states_before_test = None

    def _test(self, index: int) -> None:
        """Log the mean outputs of a test net over its test_iter batches."""
        log.info("solver.cpp:347", f"Iteration {self.iter}, Testing net (#{index})")
        net, batches = self.test_nets[index], self.param.test_iter[index]
        net.share_with(self.net)
        loss, sums = 0.0, None
        for _ in range(batches):
            action = self.requested_action()
            if action is Action.SNAPSHOT:
                self.snapshot()
            elif action is Action.STOP:
                self._stopping = True
                log.info("solver.cpp:393", "Test interrupted.")
                return
            loss += net.run_forward(record=False)
            outputs = _output_tensors(net)
            sums = outputs if sums is None else [a + b for a, b in zip(sums, outputs)]
        if self.param.test_compute_loss:
            mean = loss / batches if batches else math.nan
            log.info("solver.cpp:401", f"Test loss: {log.number(mean)}")
        _log_outputs("solver.cpp:414", "Test", net, [s / batches for s in sums or []])

    # -- snapshots -----------------------------------------------------------------------------

    def snapshot(self) -> None:
        """Write the model and the state of the training under snapshot_prefix."""
        if context.root_solver():
            snapshot.write(self)

    def restore(self, path: str) -> None:
        """Go on from the state that a snapshot stored."""
        snapshot.restore(self, path)

    def stream_state(self) -> dict:
        """Where random streams and data readers stand, for a resumed training to go on exactly."""
        tests = self._states_before_test or [net.stream_state() for net in self.test_nets]
        return {"type": self.type, "train": self.net.stream_state(), "test": tests}

    def set_stream_state(self, state: dict) -> None:
        """Go on where `stream_state` was taken."""
        self.net.set_stream_state(state["train"])
        for net, test_state in zip(self.test_nets, state["test"]):
            net.set_stream_state(test_state)


def _mean(losses: list) -> float:
    """The mean of losses, tensors or numbers; waits for a device that still computes them."""
    return sum(map(float, losses)) / len(losses)


def _output_tensors(net: Net) -> Tensors:
    """Copies of the net's outputs, flat."""
    device = context.device()
    return [net.blobs[name].data_tensor(device).detach().flatten().clone() for name in net.outputs]


def _log_outputs(place: str, kind: str, net: Net, values: Tensors) -> None:
    """Log each element of the outputs, with its share in the loss where it has a loss weight."""
    if not log.enabled(log.INFO):
        return
    number, weights = 0, net.blob_loss_weights
    for name, tensor in zip(net.outputs, values):
        for value in tensor.tolist():
            weight = weights[name]
            share = f" (* {weight:g} = {weight * value:g} loss)" if weight else ""
            log.info(place, f"    {kind} net output #{number}: {name} = {value:g}{share}")
            number += 1

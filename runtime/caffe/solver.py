"""Solvers: training a net with the updates, rates and schedules of a SolverParameter.

To add a solver type: subclass `SGDSolver`, give `type`, `histories` and `compute_update`, and list
it in `SOLVERS`.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any

import numpy as np
import torch

from . import context, log, prototxt, snapshot
from .errors import CaffeError
from .log import Show
from .net import Net
from .proto import caffe_pb2

Tensors = list[torch.Tensor]

POLICIES: dict[str, Callable[[Any, int, int], float]] = {
    "fixed": lambda p, iteration, step: 1.0,
    "step": lambda p, iteration, step: np.float64(p.gamma) ** step,
    "exp": lambda p, iteration, step: np.float64(p.gamma) ** iteration,
    "inv": lambda p, iteration, step: np.float64(1 + p.gamma * iteration) ** -p.power,
    "multistep": lambda p, iteration, step: np.float64(p.gamma) ** step,
    "poly": lambda p, iteration, step: max(0.0, 1 - iteration / p.max_iter) ** p.power,
    "sigmoid": lambda p, iteration, step: 1 / (1 + np.exp(-p.gamma * (iteration - p.stepsize))),
}
NEEDED = {"step": "stepsize", "sigmoid": "stepsize", "poly": "max_iter"}
PIECE = 2**18  # numbers that are updated at a time on a CPU
LEGACY_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")


def check_policy(param) -> None:
    """Raise CaffeError unless lr_policy is known and has the fields that it needs."""
    policy = param.lr_policy
    if policy not in POLICIES:
        known = ", ".join(POLICIES)
        raise CaffeError(f'lr_policy is "{policy}", expected one of {known}')
    field = NEEDED.get(policy)
    if field and getattr(param, field) <= 0:
        value = getattr(param, field)
        raise CaffeError(f'{field} is {value}, lr_policy "{policy}" expects more than 0')
    if policy not in ("fixed", "poly") and param.gamma < 0:
        raise CaffeError(f'gamma is {param.gamma:g}, lr_policy "{policy}" expects 0 or more')


def learning_rate(param, iteration: int, step: int) -> tuple[float, int]:
    """The rate of an iteration, and the step that the policy is in (`step`: where it was).

    base_lr times: fixed 1; step gamma^floor(iter / stepsize); exp gamma^iter;
    inv (1 + gamma iter)^-power; multistep gamma^(stepvalues passed), one more at most per call;
    poly (1 - iter / max_iter)^power, 0 from max_iter on;
    sigmoid 1 / (1 + e^(-gamma (iter - stepsize))).
    """
    check_policy(param)
    if param.lr_policy == "step":
        step = iteration // param.stepsize
    elif param.lr_policy == "multistep":
        values = param.stepvalue
        if step < len(values) and iteration >= values[step]:
            step += 1
            place = "sgd_solver.cpp:50"
            log.info(place, f"MultiStep Status: Iteration {iteration}, step = {step}")
    with np.errstate(over="ignore"):
        factor = POLICIES[param.lr_policy](param, iteration, step)
    return float(np.float32(param.base_lr * factor)), step


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
        param.snapshot_prefix = os.path.splitext(path)[0]
        change = "was not specified and is set to"
    elif os.path.isdir(param.snapshot_prefix):
        stem = os.path.splitext(os.path.basename(path))[0]
        param.snapshot_prefix = os.path.join(param.snapshot_prefix, stem)
        change = "was a directory and is replaced to"
    else:
        return
    log.info("upgrade_proto.cpp:1108", f"snapshot_prefix {change} {param.snapshot_prefix}")


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
            log.info("solver.cpp:401", f"Test loss: {log.number(loss / batches)}")
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


class SGDSolver(Solver):
    """Stochastic gradient descent with momentum; base of all solvers that keep histories.

    V <- momentum V + lr g;  w <- w - V.  History: V. The rate is inside it.
    """

    type = "SGD"
    histories = 1  # tensors kept per parameter
    takes_momentum = True

    def __init__(self, definition: Any, source: str = "solver"):
        super().__init__(definition, source)
        self.current_step = 0
        self._history: Tensors = []

    def _check(self) -> None:
        super()._check()
        if self.param.momentum and not self.takes_momentum:
            momentum = log.number(self.param.momentum)
            raise self._error(f"momentum is {momentum}, {self.type} expects none")

    def _check_update(self) -> None:
        try:
            check_policy(self.param)
        except CaffeError as error:
            raise self._error(str(error)) from None
        if self.param.weight_decay and self.param.regularization_type not in ("L1", "L2"):
            kind = self.param.regularization_type
            raise self._error(f'regularization_type is "{kind}", expected "L1" or "L2"')

    @property
    def lr(self) -> float:
        """The rate of this iteration; under "multistep", asking moves on by a step at most."""
        rate, self.current_step = learning_rate(self.param, self.iter, self.current_step)
        return rate

    def history(self) -> Tensors:
        """The histories, on the device in use: the first of all parameters, then the second."""
        device = context.device()
        if not self._history:
            blobs = self.net.learnable_params * self.histories
            self._history = [torch.zeros(blob.shape) for blob in blobs]
        self._history = [tensor.to(device) for tensor in self._history]
        return self._history

    def set_history(self, history: Tensors) -> None:
        """Take histories in the order of `history`."""
        self._history = history

    @torch.no_grad()
    def apply_update(self) -> None:
        """Clip, average, regularize the diffs, turn them into updates, apply these, count."""
        rate = self.lr
        if self._due(self.param.display):
            place = "sgd_solver.cpp:112"
            log.info(place, f"Iteration {self.iter}, lr = {log.number(rate)}")
        device, blobs, history = context.device(), self.net.learnable_params, self.history()
        data = [blob.data_tensor(device) for blob in blobs]
        diff = [blob.diff_tensor(device) for blob in blobs]
        self._clip(diff)
        for (lr_mult, decay_mult), members in self._groups().items():
            past = [[history[i + k * len(blobs)] for i in members] for k in range(self.histories)]
            lists = ([data[i] for i in members], [diff[i] for i in members], *past)
            for ours, step, *old in pieces(lists) if device.type == "cpu" else [lists]:
                if self.param.iter_size > 1:
                    torch._foreach_mul_(step, 1 / self.param.iter_size)
                self._regularize(step, ours, self.param.weight_decay * decay_mult)
                self.compute_update(step, old, rate * lr_mult)
                torch._foreach_sub_(ours, step)
        self.iter += 1

    def _groups(self) -> dict:
        """(lr_mult, decay_mult) -> indices of the parameters that have them."""
        groups: dict = {}
        multipliers = zip(self.net.params_lr, self.net.params_weight_decay)
        for index, key in enumerate(multipliers):
            groups.setdefault(key, []).append(index)
        return groups

    def _clip(self, diff: Tensors) -> None:
        """Scale the diffs of all parameters down so that their common norm is clip_gradients."""
        limit = self.param.clip_gradients
        if limit < 0 or not diff:
            return
        norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(diff))))
        if norm > limit:
            scale = limit / norm
            log.info(
                "sgd_solver.cpp:99",
                f"Gradient clipping: scaling down gradients (L2 norm {norm:g} > {limit:g}) "
                f"by scale factor {scale:g}",
            )
            torch._foreach_mul_(diff, scale)

    def _regularize(self, diff: Tensors, data: Tensors, decay: float) -> None:
        """Add the gradient of weight decay: decay w (L2) or decay sign(w) (L1)."""
        if decay:
            pull = torch._foreach_sign(data) if self.param.regularization_type == "L1" else data
            torch._foreach_add_(diff, pull, alpha=decay)

    def compute_update(self, diff: Tensors, history: list[Tensors], rate: float) -> None:
        """Turn gradients in `diff` into what is to be subtracted from the parameters."""
        (velocity,) = history
        torch._foreach_mul_(velocity, self.param.momentum)
        torch._foreach_add_(velocity, diff, alpha=rate)
        torch._foreach_copy_(diff, velocity)


class NesterovSolver(SGDSolver):
    """Nesterov's accelerated gradient.

    V' = momentum V + lr g;  w <- w - ((1 + momentum) V' - momentum V).  History: V.
    """

    type = "Nesterov"

    def compute_update(self, diff: Tensors, history: list[Tensors], rate: float) -> None:
        """The velocity of the next step, corrected by that of this one."""
        (velocity,) = history
        momentum = self.param.momentum
        before = torch._foreach_mul(velocity, momentum)
        torch._foreach_mul_(velocity, momentum)
        torch._foreach_add_(velocity, diff, alpha=rate)
        torch._foreach_copy_(diff, velocity)
        torch._foreach_mul_(diff, 1 + momentum)
        torch._foreach_sub_(diff, before)


class AdaGradSolver(SGDSolver):
    """AdaGrad.

    H <- H + g^2;  w <- w - lr g / (sqrt(H) + delta).  History: H.
    """

    type = "AdaGrad"
    takes_momentum = False

    def compute_update(self, diff: Tensors, history: list[Tensors], rate: float) -> None:
        """The gradient over the root of the sum of its squares."""
        (squares,) = history
        torch._foreach_addcmul_(squares, diff, diff)
        torch._foreach_div_(diff, _roots(squares, self.param.delta))
        torch._foreach_mul_(diff, rate)


class RMSPropSolver(SGDSolver):
    """RMSProp.

    H <- rms_decay H + (1 - rms_decay) g^2;  w <- w - lr g / (sqrt(H) + delta).  History: H.
    """

    type = "RMSProp"
    takes_momentum = False

    def _check(self) -> None:
        super()._check()
        if not 0 <= self.param.rms_decay < 1:
            decay = log.number(self.param.rms_decay)
            raise self._error(f"rms_decay is {decay}, expected at least 0 and less than 1")

    def compute_update(self, diff: Tensors, history: list[Tensors], rate: float) -> None:
        """The gradient over the root of the running mean of its squares."""
        (squares,) = history
        _decay_towards_square(squares, diff, self.param.rms_decay)
        torch._foreach_div_(diff, _roots(squares, self.param.delta))
        torch._foreach_mul_(diff, rate)


class AdaDeltaSolver(SGDSolver):
    """AdaDelta, whose decay is `momentum`.

    G <- momentum G + (1 - momentum) g^2;  u = g sqrt((U + delta) / (G + delta));
    U <- momentum U + (1 - momentum) u^2;  w <- w - lr u.  Histories: G, U.
    """

    type = "AdaDelta"
    histories = 2

    def compute_update(self, diff: Tensors, history: list[Tensors], rate: float) -> None:
        """The gradient times the ratio of typical updates to typical gradients."""
        gradients, updates = history
        _decay_towards_square(gradients, diff, self.param.momentum)
        ratio = torch._foreach_add(updates, self.param.delta)
        torch._foreach_div_(ratio, torch._foreach_add(gradients, self.param.delta))
        torch._foreach_sqrt_(ratio)
        torch._foreach_mul_(diff, ratio)
        _decay_towards_square(updates, diff, self.param.momentum)
        torch._foreach_mul_(diff, rate)


class AdamSolver(SGDSolver):
    """Adam, with `momentum` (0 unless given) and `momentum2` as its decays b1 and b2.

    m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  t = iter + 1;
    w <- w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + delta).  Histories: m, v.
    """

    type = "Adam"
    histories = 2

    def compute_update(self, diff: Tensors, history: list[Tensors], rate: float) -> None:
        """The running mean of gradients over the root of that of their squares, both unbiased."""
        mean, squares = history
        b1, b2, t = self.param.momentum, self.param.momentum2, self.iter + 1
        torch._foreach_lerp_(mean, diff, 1 - b1)
        _decay_towards_square(squares, diff, b2)
        for update, numerator, root in zip(diff, mean, _roots(squares, self.param.delta)):
            torch.div(numerator, root, out=update)
        torch._foreach_mul_(diff, rate * (1 - b2**t) ** 0.5 / (1 - b1**t))


def pieces(lists: Sequence[Tensors]) -> Iterator[list[Tensors]]:
    """Yield the tensors of several lists, alike in shapes, in views of few elements together.

    An update is ten passes over its numbers: in pieces it makes them in the processor's cache.
    """
    batch: list[Tensors] = [[] for _ in lists]
    room = PIECE
    for tensors in zip(*lists):
        for views in zip(*(tensor.view(-1).split(PIECE) for tensor in tensors)):
            if room < views[0].numel():
                yield batch
                batch, room = [[] for _ in lists], PIECE
            room -= views[0].numel()
            for views_of_list, view in zip(batch, views):
                views_of_list.append(view)
    if batch[0]:
        yield batch


def _decay_towards_square(mean: Tensors, values: Tensors, decay: float) -> None:
    """mean <- decay mean + (1 - decay) values^2"""
    torch._foreach_mul_(mean, decay)
    torch._foreach_addcmul_(mean, values, values, value=1 - decay)


def _roots(squares: Tensors, delta: float) -> Tensors:
    """sqrt(squares) + delta"""
    roots = torch._foreach_sqrt(squares)
    torch._foreach_add_(roots, delta)
    return list(roots)


SOLVERS: dict[str, type[SGDSolver]] = {
    solver.type: solver
    for solver in (
        AdaDeltaSolver,
        AdaGradSolver,
        AdamSolver,
        NesterovSolver,
        RMSPropSolver,
        SGDSolver,
    )
}


def make_solver(param, source: str = "solver") -> SGDSolver:
    """The solver of a SolverParameter, of the class that its `type` names."""
    if param.type not in SOLVERS:
        raise CaffeError(f'{source}: type is "{param.type}", expected one of {", ".join(SOLVERS)}')
    return SOLVERS[param.type](param, source)


def get_solver(path: str) -> SGDSolver:
    """The solver of a prototxt file, of the class that its `type` names."""
    return make_solver(read_solver(path), path)

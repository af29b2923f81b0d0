"""Types of solvers: stochastic gradient descent and what grew out of it.

To add one: subclass `SGDSolver`, give `type`, `histories` and `compute_update`, and list it in
`SOLVERS`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from . import context, log
from .errors import CaffeError
from .learning_rate import check_policy, learning_rate
from .solver import Solver, Tensors
from .solver_param import read_solver

PIECE = 2**18  # numbers that are updated at a time on a CPU


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

    def _check_decay(self, field: str) -> None:
        """Raise CaffeError unless a field can be the decay of a running mean."""
        decay = getattr(self.param, field)
        if not 0 <= decay < 1:
            expected = "expected at least 0 and less than 1"
            raise self._error(f"{field} is {log.number(decay)}, {expected}")

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
        self._check_decay("rms_decay")

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

    def _check(self) -> None:
        super()._check()
        if not -1 < self.param.momentum < 1:
            momentum = log.number(self.param.momentum)
            raise self._error(f"momentum is {momentum}, expected more than -1 and less than 1")
        self._check_decay("momentum2")

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

"""Learning rates: what lr_policy says for each iteration."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import log
from .errors import CaffeError

POLICIES: dict[str, Callable[[Any, int, int], float]] = {
    "fixed": lambda p, iteration, step: 1.0,
    "step": lambda p, iteration, step: np.float64(p.gamma) ** step,
    "exp": lambda p, iteration, step: np.float64(p.gamma) ** iteration,
    "inv": lambda p, iteration, step: np.float64(1 + p.gamma * iteration) ** -p.power,
    "multistep": lambda p, iteration, step: np.float64(p.gamma) ** step,
    "poly": lambda p, iteration, step: np.float64(max(0.0, 1 - iteration / p.max_iter)) ** p.power,
    "sigmoid": lambda p, iteration, step: 1 / (1 + np.exp(-p.gamma * (iteration - p.stepsize))),
}

NEEDED = {"step": "stepsize", "sigmoid": "stepsize", "poly": "max_iter"}


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
    with np.errstate(all="ignore"):
        factor = POLICIES[param.lr_policy](param, iteration, step)
        return float(np.float32(param.base_lr * factor)), step

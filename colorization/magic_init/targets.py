"""The constant prediction of least loss, for the layers behind which only a loss comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from colorization.magic_init.steps import Step, needed

TARGET_IMAGES = 512  # least number that the mean target is made from
EVEN = 0.01  # share of an even histogram in that mean, so that no bin begins as impossible


def best_constants(
    net, steps: Sequence[Step], messages: dict[str, Any], layers: Iterable[str]
) -> dict[str, np.ndarray]:
    """Return layer -> the constant prediction (units,) for which its loss is least.

    Of the given layers, those whose top is the first bottom of a KLLoss or EuclideanLoss. With the
    targets q (N, Q, H, W) and weights v (N, 1, H, W) or 1, the mean over all data seen is
    m = sum v q / sum v. The least squares are at m itself; the least divergence is at the logits
    log((1 - EVEN) m + EVEN / Q), less their mean, which softmax does not see.
    """
    made_by = {value: step.name for step in steps if step.name in layers for value in step.makes}
    constants = {}
    for step in steps:
        kind = _loss_type(step, messages)
        if kind and step.reads[0] in made_by:
            m = _mean_target(net, steps, step)
            constants[made_by[step.reads[0]]] = m if kind == "EuclideanLoss" else _logits(m)
    return constants


def _loss_type(step: Step, messages: dict[str, Any]) -> str:
    """Return the loss that a step computes, "" for another step or loss."""
    kind = messages[step.name].python_param.layer if step.type == "Python" else step.type
    return kind if kind in ("KLLoss", "EuclideanLoss") else ""


def _mean_target(net, steps: Sequence[Step], loss: Step) -> np.ndarray:
    """Return sum v q / sum v (Q,) of the targets and weights that a loss reads."""
    sources = _with_splits(steps, _makers(steps, loss.reads[1:]))
    target, weights = loss.bottoms[1], loss.bottoms[2:]
    total, mass, images = np.zeros(1), 0.0, 0
    while images < TARGET_IMAGES:
        for step in sources:
            net.forward(start=step.name, end=step.name)
        q = net.blobs[target].data
        v = net.blobs[weights[0]].data if weights else np.ones((len(q), 1, *q.shape[2:]))
        total = total + (v * q).sum(axis=(0, *range(2, q.ndim)), dtype=np.float64)
        mass += v.sum(dtype=np.float64)
        images += len(q)
    return total / mass


def _makers(steps: Sequence[Step], values: Iterable[int]) -> list[str]:
    return [s.name for s in steps if s.type != "Split" and set(values).intersection(s.makes)]


def _with_splits(steps: Sequence[Step], names: Iterable[str]) -> list[Step]:
    """Return the steps up to the named layers' tops, and the Splits of what they make."""
    wanted = needed(steps, names)
    made = {value for step in wanted for value in step.makes}
    splits = [s for s in steps if s.type == "Split" and made.intersection(s.reads)]
    return [step for step in steps if step in wanted or step in splits]


def _logits(m: np.ndarray) -> np.ndarray:
    logits = np.log((1 - EVEN) * m / m.sum() + EVEN / len(m))
    return logits - logits.mean()

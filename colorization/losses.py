"""The loss of the variants that predict histograms, with its gradient (thesis, section 5.3)."""

from __future__ import annotations

import math

import numpy as np

from colorization.array_namespace import Array, array_namespace, floating_namespace

NORMALIZATIONS = ("FULL", "BATCH_SIZE", "NONE")


def log_softmax(logits: Array, axis: int = 1) -> Array:
    """Return log(exp(x_q) / sum_q exp(x_q)) along `axis`, finite for finite logits."""
    xp = floating_namespace(logits, "logits")
    if xp is not np:
        return xp.log_softmax(logits, axis)
    shifted = logits - xp.amax(logits, axis, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis, keepdims=True))


def kl_divergence(
    logits: Array, P: Array, weights: Array | None = None, normalization: str = "FULL"
) -> Array:
    """Return the weighted Kullback-Leibler divergence of softmax(logits) from P, a scalar.

    L = sum_nhw v_nhw sum_q P_q (log P_q - log Phat_q) / normaliser, where Phat = softmax(logits)
    and P are distributions (N, Q, H, W), and v = `weights` is (N, 1, H, W), or 1 if left out. The
    normaliser, in the words of Caffe's LossParameter, is N H W for "FULL", N for "BATCH_SIZE"
    (Zhang et al. 2016: a sum over the pixels of an image) and 1 for "NONE" (the sum as the thesis
    writes it). Equation 5.2 of the thesis lacks the factor P_q, which the loss's name asks for.

    Shapes that do not agree and other normalisations are a ValueError.
    """
    floating_namespace(logits, "logits")
    normalizer = _normalizer(logits, P, weights, normalization)
    divergence = _divergence(P, log_softmax(logits))
    if weights is not None:
        divergence = divergence * weights
    return (divergence / normalizer).sum()


def kl_divergence_and_gradient(
    logits: Array, P: Array, weights: Array | None = None, normalization: str = "FULL"
) -> tuple[Array, Array]:
    """Return `kl_divergence` and its gradient at the logits, v (Phat - P) / normaliser."""
    floating_namespace(logits, "logits")
    normalizer = _normalizer(logits, P, weights, normalization)
    share = 1 / normalizer if weights is None else weights / normalizer
    log_Phat = log_softmax(logits)
    divergence = _divergence(P, log_Phat)
    gradient = array_namespace(logits).exp(log_Phat, out=log_Phat)
    gradient -= P
    gradient *= share
    return (divergence * share).sum(), gradient


def check_normalization(normalization: str) -> None:
    """Raise ValueError unless `normalization` is one of NORMALIZATIONS."""
    if normalization not in NORMALIZATIONS:
        names = ", ".join(NORMALIZATIONS)
        raise ValueError(f'normalization: expected one of {names}, got "{normalization}"')


def check_shapes(logits: tuple, P: tuple, weights: tuple | None = None) -> None:
    """Raise ValueError unless the shapes are (N, Q, ...), the same, and (N, 1, ...)."""
    if len(logits) < 2:
        raise ValueError(f"logits: expected (N, Q, H, W), got {logits}")
    if logits != P:
        raise ValueError(f"P: expected {logits}, as the logits, got {P}")
    expected = (logits[0], 1) + logits[2:]
    if weights not in (None, expected):
        raise ValueError(f"weights: expected {expected}, got {weights}")


def _divergence(P: Array, log_Phat: Array) -> Array:
    """Return sum_q P_q (log P_q - log Phat_q) of each pixel, (N, 1, H, W); 0 log 0 = 0."""
    xp = floating_namespace(P, "P")
    terms = P.clip(xp.finfo(P.dtype).tiny, None)
    xp.log(terms, out=terms)
    terms -= log_Phat
    terms *= P
    return terms.sum(1, keepdims=True)


def _normalizer(logits: Array, P: Array, weights: Array | None, normalization: str) -> int:
    check_normalization(normalization)
    shapes = [tuple(x.shape) for x in (logits, P, weights) if x is not None]
    check_shapes(*shapes)
    N, _, *spatial = logits.shape
    return {"FULL": N * math.prod(spatial), "BATCH_SIZE": N, "NONE": 1}[normalization]

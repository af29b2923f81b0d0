"""Colours by a quadratic objective whose terms are learnt from references (Deshpande et al. 2015).

A. Deshpande, J. Rock, D. Forsyth: "Learning large-scale automatic image colorization", ICCV 2015;
one of the two methods that the thesis compares with (section 8.3).

Kept: colours that minimise a quadratic objective; its terms given by 8 regression trees of depth
60 with 100 samples or more in a node; the LEARCH loop, each tree learning from where the objective,
as it is so far, puts the wrong colours; conjugate gradients to 1e-5; an optional correction of the
colours' histogram.

Simpler than in the paper: the trees give the colours that the objective pulls to, while how
strongly neighbours are tied is a fixed function of L (there, responses of filters on several scales
are learnt as well); features are those of `features`, without the paper's bank of filters; the
histogram is moved outside the objective, not a term of it; and there is no search for fitting
references nor a model for each kind of scene: the references are what the caller gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from colorization.baselines.features import features
from colorization.baselines.working_size import enlarge, reference_Lab, working_size
from colorization.errors import UsageError
from colorization.inference import shrink

TREES = 8
DEPTH = 60
NODE = 100  # samples at least in a node
RATE = 0.5  # of what is missing, the share that a tree adds
SAMPLES = 2**15  # pixels that a tree learns from
FEATURES_TRIED = 1 / 3  # of all, at each node
TOLERANCE = 1e-5  # of the conjugate gradients
SMOOTHNESS = 20.0  # weight of the ties between neighbours
CONTRAST = 4.0  # of L, 0..100: neighbours that differ by so much are tied 0.61 as strongly
PIXELS = 2**16  # a larger image is coloured at about so many


class MissingLibrary(UsageError):
    """scikit-learn, which grows the trees, is not installed: one line."""


class ConvergenceError(Exception):
    """Conjugate gradients that do not reach their tolerance: one line."""


class Example(NamedTuple):
    """A reference with its n pixels row by row."""

    features: np.ndarray  # (n, F)
    system: sparse.csr_matrix  # (n, n), see `objective`
    ab: np.ndarray  # (n, 2)


class Deshpande:
    """Colours L as learnt from references (H, W, 3), uint8 or uint16.

    `histogram` moves the colours of each result so that a and b are distributed as in the
    references. ValueError without references; MissingLibrary without scikit-learn.
    """

    def __init__(self, references: Sequence[np.ndarray], histogram: bool = False, seed: int = 0):
        if not len(references):
            raise ValueError("references: expected one or more images to learn the colours from")
        grow = _grower(seed)
        examples = [_example(reference_Lab(rgb, PIXELS)) for rgb in references]
        self.trees = learn(examples, grow, np.random.default_rng(seed))
        self.colours = np.concatenate([each.ab for each in examples]) if histogram else None

    def __call__(self, L: np.ndarray) -> np.ndarray:
        """Return ab (2, H, W), float32, of L (H, W)."""
        small = shrink(L, working_size(L.shape, PIXELS))
        ab = conjugate_gradients(objective(small), self.pulls(small))
        if self.colours is not None:
            ab = match_histogram(ab, self.colours)
        return enlarge(ab.T.reshape(2, *small.shape), L.shape)

    def pulls(self, L: np.ndarray) -> np.ndarray:
        """Return the colours t (H W, 2) that the trees want for each pixel of L (H, W)."""
        rows = features(L)
        return RATE * sum(tree.predict(rows) for tree in self.trees)


def learn(examples: Sequence[Example], grow, random: np.random.Generator) -> list:
    """Return TREES trees, whose predictions, added and multiplied by RATE, are the pulls t.

    LEARCH (Ratliff, Silver and Bagnell 2009) asks that the true colours c_0 be cheaper than any
    others. With c = argmin E(c; t), the gradient of E(c_0; t) - E(c; t) in t is -2 (c_0 - c): each
    round finds the c of the objective so far and grows a tree for c_0 - c at random pixels of all
    examples, a step downhill as far as features can tell.
    """
    rows = np.concatenate([each.features for each in examples])
    pulls = [np.zeros_like(each.ab, dtype=np.float64) for each in examples]
    trees = []
    for _ in range(TREES):
        found = [conjugate_gradients(each.system, t) for each, t in zip(examples, pulls)]
        missing = np.concatenate([each.ab - c for each, c in zip(examples, found)])
        chosen = random.permutation(len(rows))[:SAMPLES]
        trees.append(grow(rows[chosen], missing[chosen]))
        for each, t in zip(examples, pulls):
            t += RATE * trees[-1].predict(each.features)
    return trees


def objective(
    L: np.ndarray, smoothness: float = SMOOTHNESS, contrast: float = CONTRAST
) -> sparse.csr_matrix:
    """Return the matrix A (H W, H W) of the objective, whose minimum solves A c = t.

        E(c; t) = sum_r (c_r - t_r)^2 + smoothness sum_{r,s} w_rs (c_r - c_s)^2
        w_rs = exp(-(L_r - L_s)^2 / (2 contrast^2))

    over the pixels r and the pairs r, s of neighbours below or beside each other. A is symmetric
    and positive definite: the identity plus `smoothness` times the graph's Laplacian.
    """
    numbers = np.arange(L.size).reshape(L.shape)
    pairs = [(numbers[:-1].ravel(), numbers[1:].ravel())]
    pairs += [(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())]
    r, s = (np.concatenate(ends) for ends in zip(*pairs))
    flat = L.astype(np.float64).ravel()
    w = smoothness * np.exp(-((flat[r] - flat[s]) ** 2) / (2 * contrast**2))
    ties = sparse.coo_matrix((w, (r, s)), shape=(L.size, L.size))
    ties = ties + ties.T
    return (sparse.diags(1 + np.asarray(ties.sum(1)).ravel()) - ties).tocsr()


def conjugate_gradients(
    A: sparse.csr_matrix, b: np.ndarray, tolerance: float = TOLERANCE, most: int = 10000
) -> np.ndarray:
    """Return x with A x = b, for each column of b (n, k), by preconditioned conjugate gradients.

    A is symmetric and positive definite, its diagonal the preconditioner (Jacobi). Stops when in
    every column |b - A x| <= tolerance |b|; ConvergenceError after `most` steps.
    """
    inverse = 1 / A.diagonal()[:, None]
    x = np.zeros(b.shape)
    residual = b.astype(np.float64)
    goal = tolerance * np.linalg.norm(residual, axis=0)
    direction = z = inverse * residual
    energy = (residual * z).sum(0)
    for _ in range(most):
        if (np.linalg.norm(residual, axis=0) <= goal).all():
            return x
        image = A @ direction
        step = _ratio(energy, (direction * image).sum(0))
        x += step * direction
        residual -= step * image
        z = inverse * residual
        energy, before = (residual * z).sum(0), energy
        direction = z + _ratio(energy, before) * direction
    raise ConvergenceError(f"conjugate gradients: not at {tolerance} after {most} steps")


def match_histogram(ab: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return ab (n, 2) moved, a and b each by an increasing map, to the distribution of wanted."""
    return np.stack([_match(plane, goal) for plane, goal in zip(ab.T, wanted.T)], axis=1)


def _match(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    ranks = np.linspace(0, 1, 257)
    return np.interp(values, *_increasing(np.quantile(values, ranks), np.quantile(wanted, ranks)))


def _increasing(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct x with the mean y of each."""
    distinct, inverse = np.unique(x, return_inverse=True)
    return distinct, np.bincount(inverse, y) / np.bincount(inverse)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a / b, 0 where b is: a column that is already solved stays as it is."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _example(Lab: np.ndarray) -> Example:
    ab = Lab[1:].reshape(2, -1).T.astype(np.float64)
    return Example(features(Lab[0]), objective(Lab[0]), ab)


def _grower(seed: int):
    """Return a function of features (n, F) and colours (n, 2) that grows a tree."""
    try:
        from sklearn.tree import DecisionTreeRegressor
    except ImportError as error:
        raise MissingLibrary("deshpande needs scikit-learn: pip install scikit-learn") from error

    def grow(rows: np.ndarray, colours: np.ndarray):
        tree = DecisionTreeRegressor(
            max_depth=DEPTH,
            min_samples_leaf=NODE,
            max_features=FEATURES_TRIED,
            random_state=seed,
        )
        return tree.fit(rows, colours)

    return grow

"""Filters made from windows of what a layer sees: k-means, principal components, random."""

from __future__ import annotations

import numpy as np

METHODS = ("kmeans", "pca", "random")
LEAST_COMPONENTS = 64  # that whitening keeps, where the windows have as many values
REGULARISATION = 0.01  # times the components' mean variance, added before the division by it
OVERSAMPLING = 10  # directions tried beyond those wanted, see `principal_components`
KMEANS_STEPS = 2
BLENDINGS = 8  # after so many, an axis that stays uneven is a random one
UNEVEN = (0.25, 2.0)  # see `image_unevenness`: too much, if above this and this many medians


def principal_components(
    X: np.ndarray, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the variances (k,) along the first principal components, and those (k, D).

    X (P, D) has mean 0; k <= count leaves out directions in which X does not vary. The components
    are found in the range of X G, G random with a few more columns than `count`, after one power
    iteration (Halko, Martinsson, Tropp 2011, algorithms 4.4 and 5.1); they are exact where D is no
    larger than that.
    """
    P, D = X.shape
    columns = min(D, count + OVERSAMPLING)
    sketch = X @ _normal(generator, (D, columns))
    basis = np.linalg.qr(X @ (X.T @ np.linalg.qr(sketch)[0]))[0]
    projected = basis.T @ X
    variances, rotation = np.linalg.eigh((projected @ projected.T).astype(np.float64) / P)
    variances, rotation = variances[::-1][:count], rotation[:, ::-1][:, :count]
    kept = variances > 1e-6 * max(variances[0], 1e-30)
    variances = variances[kept]
    components = (rotation[:, kept].T @ projected) / np.sqrt(variances * P)[:, None]
    return variances.astype(np.float32), components.astype(np.float32)


def filters(
    patches: np.ndarray,
    images: np.ndarray,
    count: int,
    method: str,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return filters (count, D), of any scale, for windows `patches` (P, D) of these images (P,).

    `random`: from N(0, 1). The others first whiten, z = V (x - mean) / sqrt(lambda + epsilon), with
    the leading eigenvectors V and eigenvalues lambda of the windows' covariance, and give
    w = V^T u / sqrt(lambda + epsilon) for directions u of z. `pca`: one component each, random
    directions once there are no more. `kmeans`: the axes of that many clusters (`spherical_kmeans`;
    Coates and Ng, *Learning feature representations with k-means*, 2012).
    """
    P, D = patches.shape
    if method == "random":
        return _normal(generator, (count, D))
    X = patches - patches.mean(axis=0)
    wanted = max(1, min(D, P - 1, max(count, LEAST_COMPONENTS)))
    variances, components = principal_components(X, wanted, generator)
    epsilon = REGULARISATION * variances.sum() / max(1, len(variances))
    whitening = components / np.sqrt(variances + epsilon)[:, None]
    if method == "pca":
        directions = np.eye(count, len(whitening), dtype=np.float32)
        rest = generator.standard_normal((max(0, count - len(whitening)), len(whitening)))
        directions[len(whitening) :] = rest
    else:
        directions = _axes(X @ whitening.T, images, count, generator)
    return directions @ whitening


def _axes(
    z: np.ndarray, images: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Return the axes (count, d) of clusters of z (P, d), those too uneven moved towards random."""
    axes = spherical_kmeans(z, count, generator)
    for _ in range(BLENDINGS):
        unevenness = image_unevenness(z @ axes.T, images)
        moved = unevenness > max(UNEVEN[0], UNEVEN[1] * np.median(unevenness))
        axes[moved] = _unit(axes[moved] + _unit(_normal(generator, axes[moved].shape)))
    return axes


def spherical_kmeans(z: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return unit vectors (count, d), each the axis of a cluster of z (P, d).

    z_p belongs to the axis u with the largest |u . z_p|, whichever its sign; a step moves u to the
    direction of u + sum (u . z_p) z_p over its cluster, all z at length 1: gain shape k-means
    (Coates and Ng 2012). Few steps: later ones fit axes to single images.
    """
    z, axes = _unit(z), _unit(_normal(generator, (count, z.shape[1])))
    for _ in range(KMEANS_STEPS):
        similarity = z @ axes.T
        nearest = np.abs(similarity).argmax(axis=1)[:, None] == np.arange(count)
        axes = _unit(axes + (similarity * nearest).T @ z)
    return axes


def image_unevenness(y: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return how unevenly each unit's energy is spread over the images, from 0 on, (K,).

    y (P, K) are the units' values at some places, `images` (P,) those that the places lie in. The
    measure is the deviation over the images of the mean of y^2, relative to its mean; what comes
    from there being few places is taken off (one-way analysis of variance). It tells how far a
    unit's deviation on some images may be from that on others. 0 if there is one place per image.
    """
    numbers, member, places = np.unique(images, return_inverse=True, return_counts=True)
    if places.max() == 1:
        return np.zeros(y.shape[1], np.float32)
    share = (np.arange(len(numbers))[:, None] == member) / places[:, None].astype(np.float32)
    energy = y**2
    mean = share @ energy
    within = np.maximum(share @ energy**2 - mean**2, 0) / np.maximum(places - 1, 1)[:, None]
    between = np.maximum(mean.var(axis=0) - within.mean(axis=0), 0)
    return np.sqrt(between) / np.maximum(mean.mean(axis=0), 1e-30)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _normal(generator: np.random.Generator, shape: tuple) -> np.ndarray:
    return generator.standard_normal(shape, dtype=np.float32)

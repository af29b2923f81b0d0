"""The guided filter against a loop over windows, and what it does to edges."""

import numpy as np

from colorization.refinement.guided_filter import guided_filter


def naive(L, p, radius, epsilon):
    """Every window's fit by itself; pixels beyond the border are mirrored ones."""

    def windows(plane, y, x):
        padded = np.pad(plane, radius, mode="symmetric")
        return padded[y : y + 2 * radius + 1, x : x + 2 * radius + 1]

    alpha, beta = np.zeros(L.shape), np.zeros(L.shape)
    for y, x in np.ndindex(L.shape):
        guide, q = windows(L / 100, y, x), windows(p, y, x)
        covariance = ((guide - guide.mean()) * (q - q.mean())).mean()
        alpha[y, x] = covariance / (guide.var() + epsilon)
        beta[y, x] = q.mean() - alpha[y, x] * guide.mean()
    return np.array(
        [
            [
                windows(alpha, y, x).mean() * L[y, x] / 100 + windows(beta, y, x).mean()
                for x in range(L.shape[1])
            ]
            for y in range(L.shape[0])
        ]
    )


def test_against_a_loop():
    rng = np.random.default_rng(4)
    L = rng.uniform(0, 100, (9, 13)).astype(np.float32)
    ab = rng.normal(0, 30, (2, 9, 13)).astype(np.float32)
    for radius, epsilon in ((1, 1e-2), (3, 1e-4)):
        result = guided_filter(L, ab, radius, epsilon)
        assert result.dtype == np.float32
        for plane, expected in zip(result, (naive(L, p, radius, epsilon) for p in ab)):
            np.testing.assert_allclose(plane, expected, atol=2e-2)


def test_colours_are_even_where_L_is_and_change_where_it_does():
    L = np.where(np.arange(120) < 60, 20, 80) * np.ones((100, 1), np.float32)
    blurred = np.clip((np.arange(120) - 50) / 20, 0, 1) * 40 * np.ones((2, 100, 1))
    a = guided_filter(L.astype(np.float32), blurred.astype(np.float32), radius=12)[0]
    assert a[50, 61] - a[50, 58] > 15  # two pixels of the blurred edge make 4
    assert abs(a[50, 56] - a[50, 50]) < abs(blurred[0, 50, 56] - blurred[0, 50, 50]) / 2

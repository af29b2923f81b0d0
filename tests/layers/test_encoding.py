import numpy as np
import pytest

from colorization.histogram import soft_encode


def some_ab(*shape: int) -> np.ndarray:
    """Return ab (N, 2, H, W) for the shape N, H, W."""
    ab = np.random.default_rng(1).uniform(-100, 100, (shape[0], 2) + shape[1:])
    return ab.astype(np.float32)


def test_every_fourth_pixel(module, run):
    ab = some_ab(3, 9, 13)
    np.testing.assert_array_equal(run(module, "ABSubsample", ab), ab[:, :, 0::4, 0::4])


def test_the_mean_of_blocks(module, run):
    ab = some_ab(3, 6, 8)
    got = run(module, "ABSubsample", ab, param_str='{"stride": 2, "average": true}')
    assert got.shape == (3, 2, 3, 4)
    np.testing.assert_allclose(got[1, 0, 2, 3], ab[1, 0, 4:6, 6:8].mean(), rtol=1e-6)


@pytest.mark.parametrize("param_str, k, sigma", [("", 5, 5.0), ('{"k": 10, "sigma": 3}', 10, 3.0)])
def test_soft_encoding(module, run, param_str, k, sigma):
    ab = some_ab(2, 5, 7)
    got = run(module, "SoftEncode", ab, param_str=param_str)
    np.testing.assert_allclose(got, soft_encode(ab, k, sigma), rtol=0, atol=1e-6)
    assert ((got > 0).sum(axis=1) <= k).all()

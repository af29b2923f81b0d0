import numpy as np
import pytest
import torch

from colorization.losses import kl_divergence, kl_divergence_and_gradient, log_softmax

SHAPE = (2, 6, 3, 5)  # N, Q, H, W
NORMALIZERS = {"FULL": 2 * 3 * 5, "BATCH_SIZE": 2, "NONE": 1}


def some_bottoms(*, weighted: bool = True) -> list:
    """Return logits, distributions with zeros, and weights."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, SHAPE)
    P = rng.random(SHAPE) ** 6 * (rng.random(SHAPE) < 0.6)
    P[:, 0] += 0.1
    P /= P.sum(axis=1, keepdims=True)
    return [logits, P, rng.random((2, 1, 3, 5)) + 0.5][: 3 if weighted else 2]


def naive_divergence(logits, P, weights=None, normalization="FULL") -> float:
    total = 0.0
    N, Q, H, W = logits.shape
    for n, y, x in np.ndindex(N, H, W):
        prediction = np.exp(logits[n, :, y, x]) / np.exp(logits[n, :, y, x]).sum()
        v = 1 if weights is None else weights[n, 0, y, x]
        for q in range(Q):
            p = P[n, q, y, x]
            total += v * p * (np.log(p) - np.log(prediction[q])) if p else 0
    return total / NORMALIZERS[normalization]


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("normalization", NORMALIZERS)
@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_loss_is_the_sum_of_the_formula(library, weighted, normalization, dtype, rtol):
    bottoms = some_bottoms(weighted=weighted)
    arrays = [library.array(bottom, dtype) for bottom in bottoms]
    got = library.host(kl_divergence(*arrays, normalization=normalization), dtype)
    both = kl_divergence_and_gradient(*arrays, normalization=normalization)
    np.testing.assert_allclose(library.host(both[0], dtype), got, rtol=rtol)
    assert got.shape == ()
    expected = naive_divergence(*bottoms, normalization=normalization)
    np.testing.assert_allclose(got, expected, rtol=rtol)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("normalization", NORMALIZERS)
def test_gradient_is_that_of_autograd(library, weighted, normalization):
    bottoms = some_bottoms(weighted=weighted)
    arrays = [library.array(bottom, np.float64) for bottom in bottoms]
    got = library.host(
        kl_divergence_and_gradient(*arrays, normalization=normalization)[1], np.float64
    )
    logits, *others = (torch.tensor(bottom) for bottom in bottoms)
    logits.requires_grad_(True)
    kl_divergence(logits, *others, normalization=normalization).backward()
    np.testing.assert_allclose(got, logits.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_gradient_is_that_of_finite_differences():
    logits, P, weights = some_bottoms()
    gradient = kl_divergence_and_gradient(logits, P, weights)[1]
    for index in np.ndindex(SHAPE):
        step = np.zeros(SHAPE)
        step[index] = 1e-5
        ends = [kl_divergence(logits + sign * step, P, weights) for sign in (1, -1)]
        assert gradient[index] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-9)


def test_the_right_prediction_costs_nothing(library):
    _, P, weights = some_bottoms()
    P = (P + 0.01) / (P + 0.01).sum(axis=1, keepdims=True)
    arrays = [library.array(bottom) for bottom in (np.log(P) + 7, P, weights)]
    assert abs(library.host(kl_divergence(*arrays))) < 1e-6
    assert np.abs(library.host(kl_divergence_and_gradient(*arrays)[1])).max() < 1e-7


def test_large_logits_stay_finite(library):
    logits, P, weights = some_bottoms()
    arrays = [library.array(bottom) for bottom in (logits * 1e4, P, weights)]
    expected = naive_with_large_logits(logits * 1e4, P, weights)
    np.testing.assert_allclose(library.host(kl_divergence(*arrays)), expected, rtol=1e-5)
    assert np.isfinite(library.host(kl_divergence_and_gradient(*arrays)[1])).all()


def naive_with_large_logits(logits, P, weights) -> float:
    """At this scale the largest logit is the logarithm of the sum of the exponentials."""
    log_prediction = logits - logits.max(axis=1, keepdims=True)
    entropy = np.where(P > 0, P * np.log(np.where(P > 0, P, 1)), 0)
    return (weights * (entropy - P * log_prediction)).sum() / NORMALIZERS["FULL"]


def test_log_softmax_is_that_of_torch(library):
    logits = some_bottoms()[0]
    got = library.host(log_softmax(library.array(logits), axis=2))
    expected = torch.log_softmax(torch.tensor(logits), dim=2).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("function", [kl_divergence, kl_divergence_and_gradient])
@pytest.mark.parametrize(
    "shapes, message",
    [
        ([(7,), (7,)], "logits: expected (N, Q, H, W), got (7,)"),
        (
            [(2, 6, 3, 5), (2, 6, 3, 4)],
            "P: expected (2, 6, 3, 5), as the logits, got (2, 6, 3, 4)",
        ),
        (
            [(2, 6, 3, 5), (2, 6, 3, 5), (2, 3, 5)],
            "weights: expected (2, 1, 3, 5), got (2, 3, 5)",
        ),
    ],
)
def test_shapes_are_checked(function, shapes, message):
    with pytest.raises(ValueError) as error:
        function(*(np.ones(shape) for shape in shapes))
    assert str(error.value) == message


def test_normalization_is_checked():
    with pytest.raises(ValueError) as error:
        kl_divergence(*some_bottoms(), normalization="VALID")
    assert str(error.value) == (
        'normalization: expected one of FULL, BATCH_SIZE, NONE, got "VALID"'
    )

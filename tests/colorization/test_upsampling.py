"""Spline interpolation by matrices against scipy.ndimage itself."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from colorization.upsampling import separated, spline_matrix, upsample


def by_scipy(ab, size, working_size, order):
    """Interpolate channel by channel at the positions that the docstring of `upsample` gives."""
    positions = [
        ((np.arange(pixels) + 0.5) * working / pixels - 0.5) / 4
        for pixels, working in zip(size, working_size)
    ]
    grid = np.meshgrid(*positions, indexing="ij")
    planes = ab.reshape(-1, *ab.shape[-2:])
    result = [ndimage.map_coordinates(plane, grid, order=order, mode="nearest") for plane in planes]
    return np.reshape(result, (*ab.shape[:-2], *size))


@pytest.fixture
def ab():
    return np.random.default_rng(1).uniform(-110, 110, (3, 2, 7, 9))


@pytest.mark.parametrize("order", [0, 1, 2, 3, 5])
@pytest.mark.parametrize(("size", "working_size"), [((50, 41), (27, 34)), ((5, 6), (28, 36))])
def test_numbers_are_those_of_scipy(ab, size, working_size, order):
    expected = by_scipy(ab, size, working_size, order)
    assert upsample(ab, size, working_size, order) == pytest.approx(expected, abs=1e-9)


def test_tensors_of_single_precision(ab):
    result = upsample(torch.tensor(ab, dtype=torch.float32), (50, 41), (27, 34))
    assert result.dtype == torch.float32
    assert result.numpy() == pytest.approx(by_scipy(ab, (50, 41), (27, 34), 3), abs=1e-3)


@pytest.mark.gpu
def test_tensors_on_a_gpu_stay_there(ab):
    result = upsample(torch.tensor(ab, device="cuda"), (50, 41), (27, 34))
    assert result.device.type == "cuda"
    assert result.cpu().numpy() == pytest.approx(by_scipy(ab, (50, 41), (27, 34), 3), abs=1e-9)


def test_a_sample_stays_at_the_pixel_that_it_was_taken_from():
    ab = np.random.default_rng(2).uniform(-110, 110, (1, 2, 5, 6))
    assert upsample(ab, (20, 24), (20, 24))[:, :, ::4, ::4] == pytest.approx(ab, abs=1e-9)


def test_a_gradient_keeps_its_place_at_any_size():
    """A colour that is linear in x/W must come out as the same function of x/W."""
    ramp = np.broadcast_to((4 * np.arange(56) + 0.5) / 224, (1, 2, 3, 56))
    pixels = 1280
    result = upsample(ramp, (5, pixels), (12, 224))[0, 1, 2]
    inside = slice(pixels // 10, -pixels // 10)  # away from the borders, where the ramp ends
    assert result[inside] == pytest.approx(((np.arange(pixels) + 0.5) / pixels)[inside], abs=1e-5)


def test_no_artefact_at_the_borders():
    """The last pixels lie beyond the last sample: colour goes on there and turns nowhere back."""
    ramp = np.broadcast_to(np.linspace(0, 100, 14), (1, 2, 3, 14))
    line = upsample(ramp, (6, 560), (12, 56))[0, 0, 0]
    assert (np.diff(line) > -0.1).all()
    assert line[0] == pytest.approx(0, abs=2)
    assert line[-1] == pytest.approx(100, abs=2)


def test_rows_are_a_part_of_the_whole(ab):
    whole = upsample(ab, (50, 41), (27, 34))
    rows = upsample(ab, (50, 41), (27, 34), rows=slice(10, 33))
    assert rows == pytest.approx(whole[:, :, 10:33], abs=1e-9)


@pytest.mark.parametrize(("size", "seen"), [((50, 41), (27, 34)), ((5, 6), (28, 36))])
def test_each_row_is_a_sum_of_four(ab, size, seen):
    """Also where a pixel lies on a sample, so that three would do, and at the borders."""
    coefficients, first, weights = separated(ab[0], size, seen)
    assert coefficients.shape[::2] == (2, size[1])
    assert weights.shape == (size[0], 4)
    rows = [np.tensordot(w, coefficients[:, k : k + 4], (0, 1)) for k, w in zip(first, weights)]
    assert np.stack(rows, 1) == pytest.approx(upsample(ab[0], size, seen), abs=1e-9)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_few_samples_of_one_colour_give_that_colour(samples):
    assert spline_matrix(samples, 13, 4 * samples).sum(axis=1) == pytest.approx(1)


def test_the_matrix_in_the_cache_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        spline_matrix(4, 9, 16)[0, 0] = 7

"""Joint bilateral upsampling against a loop over pixels and samples."""

from math import ceil, exp

import numpy as np
import pytest
import torch

from colorization import joint_bilateral
from colorization.inference import shrink
from colorization.joint_bilateral import joint_bilateral_upsample
from colorization.upsampling import upsample

SIZE = (19, 26)  # of the image
SEEN = (27, 34)  # of the network's input: 7 x 9 samples


def noise_ab(*shape, seed=1):
    return np.random.default_rng(seed).uniform(-110, 110, shape)


def noise_L(*shape, seed=2):
    """Return L of which neighbours are alike, with some edges."""
    steps = np.random.default_rng(seed).uniform(-15, 15, shape)
    return np.abs(np.cumsum(steps, axis=1) % 200 - 100).astype(np.float32)


def by_loops(ab, L, seen, sigma_range=5.0, sigma_spatial=0.7, floor=0.03):
    """Return what the docstring says, pixel by pixel."""
    (H, W), (H_w, W_w) = L.shape, seen
    L_seen = shrink(L, seen)
    result = np.empty((2, H, W))
    for y, x in np.ndindex(H, W):
        p_y = ((y + 0.5) * H_w / H - 0.5) / 4
        p_x = ((x + 0.5) * W_w / W - 0.5) / 4
        total, colour = 0.0, np.zeros(2)
        for i in range(round(p_y) - 2, round(p_y) + 3):
            for j in range(round(p_x) - 2, round(p_x) + 3):
                row = min(max(i, 0), ceil(H_w / 4) - 1)
                column = min(max(j, 0), ceil(W_w / 4) - 1)
                near = exp(-((p_y - i) ** 2 + (p_x - j) ** 2) / (2 * sigma_spatial**2))
                difference = float(L[y, x]) - float(L_seen[4 * row, 4 * column])
                weight = near * (floor + exp(-(difference**2) / (2 * sigma_range**2)))
                total += weight
                colour += weight * ab[:, row, column]
        result[:, y, x] = colour / total
    return result


CHOICE = {"sigma_range": 5.0, "sigma_spatial": 0.7, "floor": 0.03}


@pytest.mark.parametrize(
    ("size", "seen"), [(SIZE, SEEN), ((50, 41), (27, 34)), ((5, 6), (28, 36)), ((27, 34), (27, 34))]
)
def test_against_loops(library, size, seen):
    L, ab = noise_L(*size), noise_ab(2, ceil(seen[0] / 4), ceil(seen[1] / 4))
    result = library.host(joint_bilateral_upsample(library.array(ab), L, seen, **CHOICE))
    assert result == pytest.approx(by_loops(ab, L, seen), abs=2e-3)


def test_double_precision_stays(library):
    L, ab = noise_L(*SIZE), noise_ab(2, 7, 9)
    result = joint_bilateral_upsample(library.array(ab, np.float64), L, SEEN, **CHOICE)
    assert library.host(result, np.float64) == pytest.approx(by_loops(ab, L, SEEN), abs=1e-4)


def test_tensors_in_bands(monkeypatch):
    L, ab = noise_L(*SIZE), torch.from_numpy(noise_ab(2, 7, 9))
    whole = joint_bilateral_upsample(ab, L, SEEN)
    monkeypatch.setattr(joint_bilateral, "PIXELS_AT_ONCE", 4 * SIZE[1])
    assert joint_bilateral_upsample(ab, L, SEEN).shape == (2, *SIZE)
    assert joint_bilateral_upsample(ab, L, SEEN) == pytest.approx(whole, abs=1e-9)


@pytest.mark.parametrize("rows", [slice(0, 5), slice(7, 8), slice(11, 19), slice(15, 99)])
def test_rows_are_a_part_of_the_whole(library, rows):
    L, ab = noise_L(*SIZE), library.array(noise_ab(2, 7, 9))
    whole = library.host(joint_bilateral_upsample(ab, L, SEEN))
    part = library.host(joint_bilateral_upsample(ab, L, SEEN, rows=rows))
    assert part.shape == whole[:, rows].shape
    assert part == pytest.approx(whole[:, rows], abs=1e-4)


# What it is for


def test_a_colour_ends_where_L_does():
    """An edge in L and ab, at a column between two samples, which the spline blurs."""
    H, W, edge = 120, 160, 77
    left = np.arange(W) < edge
    L = np.where(left, 30, 60).astype(np.float32) * np.ones((H, 1), np.float32)
    true = np.where(left, -40, 40) * np.ones((2, H, 1))
    ab = true[:, ::4, ::4]
    spline = np.abs(upsample(ab, (H, W), (H, W)) - true).mean()
    led = np.abs(joint_bilateral_upsample(ab, L, (H, W)) - true)
    assert led.mean() < spline / 5
    assert led.max() < 5


def test_without_edges_place_alone_decides():
    """A gradient of colour under one L keeps its place."""
    ramp = np.broadcast_to((4 * np.arange(56) + 0.5) / 224, (2, 3, 56))
    L = np.full((5, 640), 50, np.float32)
    result = joint_bilateral_upsample(ramp, L, (12, 224))[0, 2]
    inside = slice(64, -64)
    assert result[inside] == pytest.approx(((np.arange(640) + 0.5) / 640)[inside], abs=0.001)


def test_one_colour_stays_that_colour():
    ab = np.ones((2, 7, 9), np.float32) * np.float32([[[20]], [[-30]]])
    result = joint_bilateral_upsample(ab, noise_L(*SIZE), SEEN)
    assert result[0] == pytest.approx(20, abs=1e-4)
    assert result[1] == pytest.approx(-30, abs=1e-4)


def test_a_lightness_that_no_sample_has():
    """A white line between dark samples takes their colours, and is not a division by zero."""
    ab = noise_ab(2, 7, 9).astype(np.float32)
    L = np.zeros((28, 36), np.float32)
    L[:, 6] = 100
    result = joint_bilateral_upsample(ab, L, (28, 36), sigma_range=0.1, sigma_spatial=0.02)
    assert np.isfinite(result).all()
    assert result[:, ::4, 4] == pytest.approx(ab[:, :, 1], abs=1e-3)
    assert result[:, ::4, 7] == pytest.approx(ab[:, :, 2], abs=1e-3)


def test_inputs_stay_as_they_are():
    ab, L = noise_ab(2, 7, 9), noise_L(*SIZE)
    before = ab.copy(), L.copy()
    joint_bilateral_upsample(ab, L, SEEN)
    assert np.array_equal(ab, before[0])
    assert np.array_equal(L, before[1])


# What does not go together


def test_samples_of_another_size():
    with pytest.raises(ValueError) as caught:
        joint_bilateral_upsample(noise_ab(2, 7, 8), noise_L(*SIZE), SEEN)
    assert str(caught.value) == "ab: expected (2, 7, 9) for the size (27, 34), got (2, 7, 8)"


@pytest.mark.parametrize("name", ["sigma_range", "sigma_spatial", "floor"])
@pytest.mark.parametrize("value", [0, -1.5, float("nan")])
def test_parameters_above_zero(name, value):
    with pytest.raises(ValueError, match=f"{name}: expected a number above 0, got {value}"):
        joint_bilateral_upsample(noise_ab(2, 7, 9), noise_L(*SIZE), SEEN, **{name: value})


def test_integers():
    with pytest.raises(TypeError, match="ab: expected float32 or float64, got int64"):
        joint_bilateral_upsample(np.ones((2, 7, 9), np.int64), noise_L(*SIZE), SEEN)

"""Welsh's costs and matches against loops, and what its colours must be."""

import numpy as np
import pytest

from colorization.baselines import colour_by_example, learn
from colorization.baselines.features import local_deviation
from colorization.baselines.welsh import Welsh, jittered_grid
from colorization.baselines.working_size import reference_Lab
from colorization.inference import lightness, paint


def noise(*shape, dtype=np.uint8, seed=3):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)


def halves(H, W, dtype=np.uint8):
    """A dark orange half and a light blue half."""
    rgb = np.empty((H, W, 3), np.uint8)
    rgb[:, : W // 2] = 140, 60, 20
    rgb[:, W // 2 :] = 150, 200, 250
    return rgb if dtype == np.uint8 else rgb.astype(np.uint16) * 257


@pytest.mark.parametrize("side", [3, 5])
def test_local_deviation_is_that_of_each_square(side):
    L = np.random.default_rng(1).uniform(0, 100, (7, 11)).astype(np.float32)
    padded = np.pad(L.astype(np.float64), side // 2, mode="symmetric")
    expected = [[padded[y : y + side, x : x + side].std() for x in range(11)] for y in range(7)]
    np.testing.assert_allclose(local_deviation(L, side), expected, rtol=1e-9)


@pytest.mark.parametrize("count", [1, 12, 200])
@pytest.mark.parametrize("size", [(40, 90), (3, 50), (1, 1)])
def test_the_jittered_grid_has_a_pixel_in_each_cell(size, count):
    rows, columns = jittered_grid(size, count, np.random.default_rng(2))
    H, W = size
    assert rows.min() >= 0 and rows.max() < H
    assert columns.min() >= 0 and columns.max() < W
    assert len(rows) <= 1.5 * count
    if 20 * count < H * W:
        assert len(rows) >= 0.75 * count
        assert len(set(zip(rows, columns))) == len(rows)


def test_the_jittered_grid_is_drawn_cell_by_cell():
    rows, columns = jittered_grid((40, 90), 36, np.random.default_rng(2))
    cells = set(zip(rows // 10, columns // 10))
    assert cells == {(y, x) for y in range(4) for x in range(9)}
    assert len(set(rows % 10)) > 5


def test_matches_have_the_least_cost():
    """Two references, each remapped by its own mean and spread; the costs pixel by pixel."""
    references = [noise(23, 31, 3, seed=1), noise(19, 27, 3, seed=2) // 2]
    method = Welsh(references, count=17, seed=4)
    L = lightness(noise(13, 9, 3, seed=5))
    deviation = local_deviation(L)
    samples = []
    for rgb, drawn in zip(references, method.samples):
        whole = reference_Lab(rgb, 2**20)[0].astype(np.float64)
        ratio = L.std() / whole.std()
        for value, spread in zip(drawn.L, drawn.deviation):
            samples.append(((value - whole.mean()) * ratio + L.mean(), spread * ratio))
    matches = method.match(L)
    for y in range(13):
        for x in range(9):
            costs = [
                0.5 * abs(L[y, x] - value) / L.std() + 0.5 * abs(deviation[y, x] - spread) / scale
                for scale in [deviation.std()]
                for value, spread in samples
            ]
            assert costs[matches[y, x]] == pytest.approx(min(costs), abs=1e-5)
    assert len(set(matches.ravel())) > 5


def test_samples_are_pixels_of_the_reference_with_their_colours():
    rgb = noise(23, 31, 3)
    (samples,) = Welsh([rgb], count=20).samples
    Lab = reference_Lab(rgb, 2**20)
    pixels = {tuple(pixel) for pixel in Lab.reshape(3, -1).T.tolist()}
    for value, ab in zip(samples.L, samples.ab):
        assert (value, *ab.tolist()) in pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(30, 40), (64, 50)])
def test_even_regions_get_the_colours_of_the_reference(dtype, size):
    """The reference has another size than the target, whose lightness is another as well."""
    reference, target = halves(*size, dtype), halves(26, 38)
    L = lightness(target)
    ab = Welsh([reference])(L * 0.7 + 12)
    assert (ab.shape, ab.dtype) == ((2, 26, 38), np.float32)
    away = np.abs(np.arange(38) - 18.5) > 4
    result = paint(L, ab, np.uint8)[:, away].astype(int)
    np.testing.assert_allclose(result, target[:, away], atol=1)


def test_an_even_target_and_an_even_reference():
    ab = Welsh([np.full((12, 17, 3), (140, 60, 20), np.uint8)])(np.full((5, 8), 30, np.float32))
    expected = reference_Lab(np.full((1, 2, 3), (140, 60, 20), np.uint8), 9)[1:, :, :1]
    np.testing.assert_allclose(ab, np.broadcast_to(expected, ab.shape), atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 2)])
def test_tiny_images(size):
    assert Welsh([noise(*size, 3)])(np.full(size[::-1], 50, np.float32)).shape == (2, *size[::-1])


def test_a_large_image_is_matched_smaller(monkeypatch):
    monkeypatch.setattr("colorization.baselines.welsh.PIXELS", 600)
    target = halves(60, 90)
    ab = Welsh([halves(50, 80)])(lightness(target))
    assert ab.shape == (2, 60, 90)
    away = np.abs(np.arange(90) - 44.5) > 18
    result = paint(lightness(target), ab, np.uint8)[:, away].astype(int)
    np.testing.assert_allclose(result, target[:, away], atol=1)


def test_the_same_call_gives_the_same_colours():
    L = lightness(noise(20, 30, 3))
    first, second = (learn("welsh", [noise(40, 50, 3)])(L) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, colour_by_example("welsh", L, [noise(40, 50, 3)]))


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        (
            "welch",
            {},
            'method: expected one of welsh, deshpande, levin, auto_scribbles, got "welch"',
        ),
        ("welsh", {}, "references: expected one or more images to learn the colours from"),
        ("deshpande", {}, "references: expected one or more images to learn the colours from"),
        ("levin", {}, "scribbles: levin cannot do without"),
        ("auto_scribbles", {}, "histogram: auto_scribbles cannot do without"),
        (
            "welsh",
            {"references": [np.zeros((4, 5), np.uint8)]},
            "references: expected (H, W, 3), uint8 or uint16, got (4, 5), uint8",
        ),
        (
            "welsh",
            {"references": [np.zeros((4, 5, 3), np.float32)]},
            "references: expected (H, W, 3), uint8 or uint16, got (4, 5, 3), float32",
        ),
    ],
)
def test_wrong_arguments(method, arguments, message):
    with pytest.raises(ValueError) as caught:
        colour_by_example(method, np.zeros((4, 5), np.float32), **arguments)
    assert str(caught.value) == message


def test_only_what_learns_is_learnt():
    with pytest.raises(ValueError, match='^method: expected one of welsh, deshpande, got "levin"$'):
        learn("levin", [noise(4, 5, 3)])
    with pytest.raises(ValueError, match="^match_histogram: for deshpande only$"):
        learn("welsh", [noise(4, 5, 3)], match_histogram=True)

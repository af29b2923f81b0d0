"""Scribbles that were painted, and those from a network's histograms."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from colorization.baselines import colour_by_example, levin
from colorization.baselines.levin import ScribbleError
from colorization.baselines.scribbles import automatic_scribbles, painted, peaks
from colorization.colour import sRGB_to_Lab
from colorization.histogram import soft_encode
from colorization.inference import lightness, paint


def naive_peaks(confidence, distance):
    h, w = confidence.shape
    places = [(y, x) for y in range(h) for x in range(w)]
    kept = []
    for y, x in sorted(places, key=lambda place: (-confidence[place], place)):
        top, left = max(y - distance, 0), max(x - distance, 0)
        square = confidence[top : y + distance + 1, left : x + distance + 1]
        alone = all(max(abs(y - v), abs(x - u)) > distance for v, u in kept)
        if confidence[y, x] == square.max() and alone:
            kept.append((y, x))
    return kept


@pytest.mark.parametrize("distance", [1, 2, 5])
@pytest.mark.parametrize("levels", [1, 3, 1000])
def test_peaks(levels, distance):
    """With few levels there are plateaus; with one, nothing else."""
    random = np.random.default_rng(distance)
    confidence = random.integers(0, levels, (17, 26)) / levels
    rows, columns = peaks(confidence, distance)
    assert list(zip(rows.tolist(), columns.tolist())) == naive_peaks(confidence, distance)


def test_scribbles_sit_on_the_peaks_with_their_colours():
    """Of an even, flat histogram with two sharp places; the network saw a half of the size."""
    flat = soft_encode(np.full((1, 2, 12, 18), 5.0), k=30, sigma=40.0)[0]
    sharp = soft_encode(np.array([[-40, 30], [60, -50]], float).T.reshape(1, 2, 1, 2), k=1)[0]
    histogram = flat.astype(np.float32)
    histogram[:, 3, 4], histogram[:, 9, 14] = sharp[:, 0, 0], sharp[:, 0, 1]
    L = np.zeros((96, 144), np.float32)
    ab, mask = automatic_scribbles(L, histogram, distance=20, radius=2.0)
    # sample 3 lies at 12.5 of 48 pixels, 25 of 96: in the pixel 25
    y, x = np.mgrid[:96, :144]
    assert mask[25, 33] and not mask[73, 113]  # the peak at (9, 14) is within the distance
    np.testing.assert_array_equal(mask, np.hypot(y - 25, x - 33) <= 4)
    expected = np.broadcast_to([[-40], [30]], (2, mask.sum()))
    np.testing.assert_allclose(ab[:, mask], expected, atol=1e-3)
    ab, mask = automatic_scribbles(L, histogram, distance=3, radius=0.0)
    assert mask[25, 33] and mask[73, 113]
    np.testing.assert_allclose(ab[:, 73, 113], [60, -50], atol=1e-3)
    assert mask.sum() < 30


def test_the_size_that_the_network_saw():
    """13 rows of output are 49 to 52 rows of input; which, tells `seen`."""
    histogram = soft_encode(np.zeros((1, 2, 13, 17)), k=5)[0]
    histogram[:, 12, 16] = soft_encode(np.full((1, 2, 1, 1), 20.0), k=1)[0, :, 0, 0]
    for seen in ((49, 65), (52, 68)):
        _, mask = automatic_scribbles(np.zeros(seen, np.float32), histogram, seen, 30, 0.0)
        assert np.argwhere(mask).tolist() == [[48, 64]]


def test_a_sure_network_colours_even_regions():
    rgb = np.empty((64, 92, 3), np.uint8)
    rgb[:, :40], rgb[:, 40:] = (170, 60, 60), (120, 190, 90)
    L = lightness(rgb)
    ab = np.moveaxis(sRGB_to_Lab(rgb.astype(np.float32) / 255)[..., 1:], -1, 0)
    histogram = soft_encode(ab[None, :, ::4, ::4])[0]
    result = colour_by_example("auto_scribbles", L, histogram=histogram)
    errors = np.abs(paint(L, result, np.uint8).astype(int) - rgb).max(-1)
    assert (errors <= 12).mean() > 0.95
    scribbles = automatic_scribbles(L, histogram)
    np.testing.assert_array_equal(result, levin.colour(L, *scribbles))


@pytest.fixture
def strokes():
    """A grey image with two strokes, and where they are."""
    grey = np.random.default_rng(4).integers(0, 256, (20, 31), np.uint8)
    image = np.dstack([grey] * 3)
    mask = np.zeros((20, 31), bool)
    mask[4, 3:9] = mask[11:15, 20] = True
    image[mask] = 200, 40, 90
    return lightness(np.dstack([grey] * 3)), image, mask


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_strokes_on_a_grey_copy(strokes, dtype):
    L, image, expected = strokes
    ab, mask = painted(L, image.astype(dtype) * (257 if dtype == np.uint16 else 1))
    np.testing.assert_array_equal(mask, expected)
    colour = sRGB_to_Lab(np.array([200, 40, 90]) / 255)[1:]
    np.testing.assert_allclose(ab[:, mask].T, np.broadcast_to(colour, (10, 2)), atol=1e-3)


def test_strokes_on_a_transparent_layer(strokes):
    """What is transparent may have any colour; what is thinly painted counts."""
    L, image, expected = strokes
    layer = np.random.default_rng(5).integers(0, 256, (20, 31, 4), np.uint8)
    layer[..., 3] = 0
    layer[expected] = 90, 90, 90, 1
    ab, mask = painted(L, layer)
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_allclose(ab[:, mask], 0, atol=0.1)  # grey is a colour as well


def test_full_alpha_tells_nothing(strokes):
    L, image, expected = strokes
    opaque = np.dstack([image, np.full((20, 31), 255, np.uint8)])
    np.testing.assert_array_equal(painted(L, opaque)[1], expected)


def as_jpeg(image, quality, subsampling):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("quality", [95, 85, 75])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_strokes_in_a_jpeg(quality, subsampling):
    """Its noise is no grey scribble, and the rim of a stroke, mixed with grey, is none either."""
    noise = np.random.default_rng(6).random((112, 152), np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 1.5)
    grey = cv2.normalize(blurred, None, 40, 220, cv2.NORM_MINMAX).astype(np.uint8)
    image, strokes = np.dstack([grey] * 3), np.zeros(grey.shape, bool)
    for place, colour in (((20, 31), (200, 40, 40)), ((70, 90), (40, 90, 200))):
        stroke = np.zeros(grey.shape, np.uint8)
        cv2.line(stroke, place[::-1], (place[1] + 40, place[0] + 15), 1, 6)
        image[stroke > 0] = colour
        strokes |= stroke > 0
    L = lightness(np.dstack([grey] * 3))
    expected, mask = painted(L, image)
    np.testing.assert_array_equal(mask, strokes)
    ab, mask = painted(L, as_jpeg(image, quality, subsampling))
    assert not mask[~strokes].any() and mask[strokes].mean() > 0.2
    results = levin.colour(L, ab, mask), levin.colour(L, expected, strokes)
    assert np.hypot(*(results[0] - results[1])).mean() < 8 < np.hypot(*results[1]).mean() / 5


def test_grey_strokes_in_a_file_without_loss(strokes):
    """White tells, as in the pictures of Levin et al., what is to stay grey."""
    L, image, expected = strokes
    image[1, 4:9], expected[1, 4:9] = 255, True
    np.testing.assert_array_equal(painted(L, image)[1], expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda image: image[:, :30], "scribbles: expected 31x20 as the target, got 30x20"),
        (
            lambda image: np.dstack([image[..., :1]] * 3),
            "scribbles: none found, no pixel differs from the grey target",
        ),
        (
            lambda image: np.dstack([image, np.zeros((20, 31), np.uint8)]),
            "scribbles: none found, alpha is 0 everywhere",
        ),
        (
            lambda image: 255 - image,
            "scribbles: 99 % of the pixels differ from the grey target; "
            "paint on a grey copy of it, or on a transparent layer",
        ),
    ],
)
def test_scribbles_that_cannot_be_used(strokes, make, message):
    L, image, mask = strokes
    image[mask] = image[0, 0]
    L[mask] = L[0, 0]
    with pytest.raises(ScribbleError) as caught:
        painted(L, make(image))
    assert str(caught.value) == message

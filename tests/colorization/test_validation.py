"""Images of an LMDB, and the sheet that shows how a model colours them."""

import numpy as np
import pytest
from tiny_network import write_tiny_network

from colorization.dataset import write_lmdb
from colorization.images import read_image
from colorization.validation import some_images, write_pictures


@pytest.fixture
def images():
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (7, 9, 3), dtype=np.uint8) for _ in range(11)]


@pytest.mark.parametrize(
    ("count", "expected"), [(3, [0, 3, 7]), (1, [0]), (11, range(11)), (23, range(11))]
)
def test_images_lie_evenly_spaced(tmp_path, images, count, expected):
    write_lmdb(tmp_path / "lmdb", ((str(n), image) for n, image in enumerate(images)))
    found = some_images(tmp_path / "lmdb", count)
    assert len(found) == len(expected)
    for n, image in zip(expected, found):
        np.testing.assert_array_equal(image, images[n])


def test_the_sheet_shows_results_and_originals(tmp_path):
    image = np.full((40, 56, 3), (20, 90, 220), np.uint8)
    write_lmdb(tmp_path / "lmdb", [("blue", image)])
    folder = write_tiny_network(tmp_path / "tiny")
    deploy, weights = folder / "deploy.prototxt", folder / "tiny.caffemodel"
    write_pictures(tmp_path / "new" / "sheet.png", deploy, weights, tmp_path / "lmdb")
    sheet = read_image(tmp_path / "new" / "sheet.png").rgb
    coloured, original = (sheet[4 + 16 + 64, 4 + 132 * place + 64] for place in (0, 1))
    np.testing.assert_array_equal(original, [20, 90, 220])
    assert (coloured != original).any()

import numpy as np
from skimage.color import rgb2lab


def test_BGR_pictures_become_Lab(module, run):
    rgb = np.random.default_rng(1).integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    bgr = np.moveaxis(rgb[..., ::-1], -1, 1)
    got = run(module, "BGRToLab", bgr)
    np.testing.assert_allclose(np.moveaxis(got, 1, -1), rgb2lab(rgb), rtol=0, atol=1e-3)

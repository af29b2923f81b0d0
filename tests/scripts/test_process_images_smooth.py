"""`process_images --refine smooth` from end to end, against its steps in Python."""

from pathlib import Path

import numpy as np
import pytest
from module_from_file import load_module
from tiny_network import write_tiny_network

from colorization.images import Picture, read_image, write_image
from colorization.inference import Colorizer, lightness, paint
from colorization.joint_bilateral import joint_bilateral_upsample
from colorization.refinement.least_squares import least_squares
from colorization.upsampling import upsample
from colorization.video import open_video, write_video

SCRIPT = Path(__file__).parents[2] / "scripts" / "process_images.py"
SIZE = (48, 64)  # that the network sees


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


@pytest.fixture
def network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return str(write_tiny_network(tmp_path / "tiny"))


def scene(H, W):
    """Return a grey image of two shaded areas with some grain."""
    y, x = np.mgrid[:H, :W]
    shades = np.where(x + y < H, 90 + y / 4, 160 - x / 4)
    grain = np.random.default_rng(6).normal(0, 2, (H, W))
    return np.dstack([(shades + grain).astype(np.uint8)] * 3)


def enlarged(network, rgb, upsampling="spline"):
    """Return L, and the network's ab at its size."""
    L, colorizer = lightness(rgb), Colorizer(network, size=SIZE)
    ab = np.asarray(colorizer.predict([colorizer.shrink(L)])[0])
    bilateral = upsampling == "joint_bilateral"
    return L, joint_bilateral_upsample(ab, L, SIZE) if bilateral else upsample(ab, L.shape, SIZE)


@pytest.mark.parametrize("upsampling", ["spline", "joint_bilateral"])
def test_an_image(main, network, upsampling):
    original = scene(70, 94)
    write_image("grey.png", Picture(original))
    command = ["grey.png", "--network", network, "--size", "64x48", "--upsample", upsampling]
    assert main([*command, "--refine", "smooth", "--output", "smooth.png"]) == 0
    L, ab = enlarged(network, original, upsampling)
    result = read_image("smooth.png").rgb.astype(int)
    assert np.abs(result - paint(L, least_squares(L, ab))).max() <= 1
    assert np.abs(result - paint(L, ab)).mean() > 0.5


def test_a_film(main, network):
    write_video("grey.mp4", [scene(72, 96)] * 4, 25)
    command = ["grey.mp4", "--network", network, "--size", "64x48", "--temporal", "0"]
    assert main([*command, "--refine", "smooth", "--output", "smooth.mp4"]) == 0
    with open_video("grey.mp4") as grey, open_video("smooth.mp4") as smooth:
        pairs = [(before, after.astype(int)) for (before, _), (after, _) in zip(grey, smooth)]
    assert len(pairs) == 4
    for before, after in pairs:
        L, ab = enlarged(network, before)
        error, other = (np.abs(after - paint(L, p)).mean() for p in (least_squares(L, ab), ab))
        assert error < 0.95 * other

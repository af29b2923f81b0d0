"""The weights that come along colour a drawing that they were not trained on."""

from hashlib import sha256
from itertools import islice

import pytest

from colorization.cartoon.film import Episode
from colorization.defaults import DEFAULT_NETWORK
from colorization.inference import Colorizer, lightness, without_colour
from colorization.metrics import psnr
from colorization.network import network_path, network_weights
from colorization.resources import resource

SHIPPED = ("plain_quarter", "residual_quarter")


def test_the_default_network_has_weights():
    assert DEFAULT_NETWORK in SHIPPED


@pytest.mark.parametrize("network", SHIPPED)
def test_they_are_small(network):
    weights = network_weights(network_path(network))
    assert weights.name == f"{network}.caffemodel"
    assert weights.stat().st_size < 10e6


@pytest.mark.parametrize("network", SHIPPED)
def test_their_origin_is_told(network):
    digest = sha256(network_weights(network_path(network)).read_bytes()).hexdigest()
    file = f"networks/{network}/{network}.caffemodel"
    assert f"| `{file}` | `{digest}` |" in resource("SOURCES.md").read_text("utf-8")


@pytest.mark.parametrize("network", SHIPPED)
@pytest.mark.parametrize("number", [70, 160])
def test_a_frame_of_the_held_out_episode_is_nearer_to_its_colours_than_grey(network, number):
    episode = Episode(1, seconds=10, width=352, height=264)
    frame = next(islice(episode.frames(), number, None)).picture
    grey = without_colour(lightness(frame))
    coloured = Colorizer(network, size=(256, 256))(grey)
    assert psnr(coloured, frame) > psnr(grey, frame) + 3

"""Ensembles of tiny networks, against loops over members, pixels and bins."""

import numpy as np
import pytest
import torch
from skimage import color
from tiny_network import write_tiny_network

from colorization.batch import coloured_frames
from colorization.ensembles import (
    MEANS,
    Ensemble,
    MaximumOfNetworks,
    maximum_of_histograms,
    mean_in_Lab,
    mean_in_RGB,
)
from colorization.histogram import decode
from colorization.inference import Colorizer, join, lightness
from colorization.network import NetworkError
from colorization.refinement import Refiner
from colorization.upsampling import upsample

SIZE = (24, 32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three networks with histograms, and the last without."""
    folder = tmp_path_factory.mktemp("networks")
    kinds = (("one", True), ("two", True), ("three", True), ("flat", False))
    return [
        write_tiny_network(folder / name, histogram, seed)
        for seed, (name, histogram) in enumerate(kinds, 21)
    ]


@pytest.fixture
def members(folders):
    return [Colorizer(folder, size=SIZE) for folder in folders[:3]]


def noise_L(*shape, seed=4):
    return np.random.default_rng(seed).uniform(0, 100, shape).astype(np.float32)


def noise_ab(*shape, seed=5, reach=60):
    return np.random.default_rng(seed).uniform(-reach, reach, shape).astype(np.float32)


def noise_histograms(count, seed=6):
    values = np.random.default_rng(seed).random((count, 2, 313, 3, 5)) ** 8
    return (values / values.sum(axis=2, keepdims=True)).astype(np.float32)


# Means


def test_mean_in_Lab(library):
    members = noise_ab(3, 2, 4, 5)
    result = library.host(mean_in_Lab([library.array(ab) for ab in members]))
    for channel, y, x in np.ndindex(2, 4, 5):
        expected = sum(float(ab[channel, y, x]) for ab in members) / 3
        assert result[channel, y, x] == pytest.approx(expected, abs=1e-4)


@pytest.mark.filterwarnings("ignore:.*negative Z")
def test_mean_in_RGB_pixel_by_pixel(library):
    """Colours that a screen cannot show, which are clipped, are among them."""
    L, members = noise_L(4, 5), noise_ab(3, 2, 4, 5, reach=80)
    result = library.host(mean_in_RGB(library.array(L), [library.array(ab) for ab in members]))
    clipped = 0
    for y, x in np.ndindex(4, 5):
        pixels = [color.lab2rgb(np.array([L[y, x], *ab[:, y, x]], np.float64)) for ab in members]
        clipped += sum(bool((pixel == 0).any() or (pixel == 1).any()) for pixel in pixels)
        expected = color.rgb2lab(sum(pixels) / 3)[1:]
        assert result[:, y, x] == pytest.approx(expected, abs=0.02)
    assert 0 < clipped < 60


@pytest.mark.parametrize("count", [1, 3])
def test_maximum_bin_by_bin(library, count):
    histograms = noise_histograms(count)
    result = library.host(maximum_of_histograms(library.array(each) for each in histograms))
    for n, y, x in np.ndindex(2, 3, 5):
        largest = [max(float(h[n, i, y, x]) for h in histograms) for i in range(313)]
        expected = [p / sum(largest) for p in largest]
        assert result[n, :, y, x] == pytest.approx(expected, abs=1e-6)


def test_maximum_keeps_the_members_as_they_are():
    histograms = noise_histograms(2)
    before = histograms.copy()
    maximum_of_histograms(histograms)
    assert np.array_equal(histograms, before)


# Ensembles


def test_an_ensemble_in_Lab(members):
    batch = list(noise_L(2, *SIZE))
    for L, ab in zip(batch, Ensemble(members).predict(batch)):
        expected = sum(member.predict([L])[0] for member in members) / 3
        assert ab == pytest.approx(expected, abs=5e-3)


def test_an_ensemble_in_RGB(members):
    """Sample (i, j) of ab is coloured with L at pixel (4 i, 4 j)."""
    L = noise_L(*SIZE)
    result = Ensemble(members, mean="RGB").predict([L])[0]
    assert result.shape == (2, 6, 8)
    at_samples = np.empty((6, 8), np.float32)
    for i, j in np.ndindex(6, 8):
        at_samples[i, j] = L[4 * i, 4 * j]
    expected = mean_in_RGB(at_samples, [member.predict([L])[0] for member in members])
    assert result == pytest.approx(expected, abs=1e-4)
    assert np.abs(result - Ensemble(members).predict([L])[0]).max() > 1


@pytest.mark.parametrize("decoder", ["expectation", "annealed_mean", "mode", "sample"])
def test_an_ensemble_of_histograms(folders, decoder):
    choice = {"decoder": decoder, "temperature": 0.5, "seed": 3}
    members = [Colorizer(folder, size=SIZE, **choice) for folder in folders[:3]]
    L = noise_L(*SIZE)
    histograms = [member.network(L[None, None], "prob") for member in members]
    expected = decode(maximum_of_histograms(histograms), decoder, 0.5, 3)[0]
    assert Ensemble(members, mean="maximum").predict([L])[0] == pytest.approx(expected, abs=1e-3)


def test_a_maximum_leaves_the_members_as_they_were(members):
    L = noise_L(*SIZE)
    before = members[0].predict([L])[0]
    Ensemble(members, mean="maximum").predict([L])
    assert np.array_equal(members[0].predict([L])[0], before)


@pytest.mark.parametrize("mean", MEANS)
def test_one_member_colours_as_it_does_alone(members, mean):
    batch = list(noise_L(2, *SIZE))
    for ab, alone in zip(
        Ensemble(members[:1], mean=mean).predict(batch), members[0].predict(batch)
    ):
        assert ab == pytest.approx(alone, abs=2e-3)


def test_a_network_without_histogram_takes_part_in_means(folders, members):
    flat = Colorizer(folders[3], size=SIZE)
    L = noise_L(*SIZE)
    result = Ensemble([members[0], flat]).predict([L])[0]
    assert result == pytest.approx(
        (members[0].predict([L])[0] + flat.predict([L])[0]) / 2, abs=1e-3
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_image_is_coloured(members, dtype):
    rgb = np.random.default_rng(8).integers(0, np.iinfo(dtype).max, (37, 53, 3), dtype)
    ensemble = Ensemble(members, mean="RGB")
    L = lightness(rgb)
    seen = ensemble.shrink(L)
    assert seen.shape == ensemble.size == SIZE
    assert np.array_equal(ensemble(rgb), join(L, ensemble.predict([seen])[0], SIZE, dtype))


def test_frames_of_a_film_go_through_an_ensemble(members):
    frames = np.random.default_rng(9).integers(0, 255, (3, 37, 53, 3), np.uint8)
    ensemble = Ensemble(members)
    results = list(coloured_frames(((frame, pts) for pts, frame in enumerate(frames)), ensemble, 2))
    assert [pts for _, pts in results] == [0, 1, 2]
    for frame, (result, _) in zip(frames, results):
        assert np.abs(result.astype(int) - ensemble(frame)).max() <= 1


def test_tensors_stay_tensors(members, monkeypatch):
    """As on a GPU, where a network's blobs stay on the device."""
    L = noise_L(*SIZE)
    expected = {mean: Ensemble(members, mean=mean).predict([L])[0] for mean in MEANS}
    for member in members:
        network = member.network
        monkeypatch.setattr(member, "network", Tensors(network.deploy, network.outputs, network))
    for mean in MEANS:
        result = Ensemble(members, mean=mean).predict([L])[0]
        assert isinstance(result, torch.Tensor)
        assert result.numpy() == pytest.approx(expected[mean], abs=1e-3)


class Tensors:
    """A network whose blobs are tensors."""

    def __init__(self, deploy, outputs, network):
        self.deploy, self.outputs, self.network = deploy, outputs, network

    def __call__(self, L, output):
        return torch.from_numpy(self.network(L, output).copy())


# Refinement


def test_each_member_is_refined_before_the_mean(members):
    L = noise_L(*SIZE)

    def refine(seen, ab):
        assert np.array_equal(seen, L)
        assert ab.shape == (2, *SIZE)
        return squares(ab)

    result = Ensemble(members, refine=refine).predict([L])[0]
    each = [member.predict([L])[0] for member in members]
    assert result == pytest.approx(sum(map(squares, each)) / 3, abs=0.02)
    assert np.abs(result - squares(sum(each) / 3)).max() > 0.1


def squares(ab):
    """Not linear, so that it matters what comes first."""
    return np.where(ab > 0, ab**2 / 10, 0)


def test_one_member_is_refined_too(members):
    L = noise_L(*SIZE)
    result = Ensemble(members[:1], refine=lambda L, ab: ab / 2).predict([L])[0]
    assert result == pytest.approx(members[0].predict([L])[0] / 2, abs=1e-3)


def test_the_refinement_of_the_thesis_fits_in(members):
    L = noise_L(*SIZE)
    single = Ensemble(members[:1], refine=Refiner()).predict([L])[0]
    ab = members[0].predict([L])[0]
    assert single == pytest.approx(Refiner()(L, upsample(ab, SIZE, SIZE))[:, ::4, ::4], abs=0.01)


def test_a_refinement_of_another_shape(members):
    ensemble = Ensemble(members, refine=lambda L, ab: ab[:, 1:])
    with pytest.raises(ValueError) as caught:
        ensemble.predict([noise_L(*SIZE)])
    assert str(caught.value) == "refine: expected ab (2, 24, 32) back, got (2, 23, 32)"


# Memory


@pytest.mark.parametrize(("mean", "largest"), [("Lab", [2, 5]), ("maximum", [2])])
def test_batches_that_do_not_fit_are_halved(members, monkeypatch, mean, largest):
    """The first network has memory for two images, the second for five."""
    batch = list(noise_L(5, *SIZE))
    members = members[:2]
    expected = Ensemble(members, mean=mean).predict(batch)
    for member, room in zip(members, (2, 5)):
        monkeypatch.setattr(member, "network", Narrow(member.network, room))
    ensemble = Ensemble(members, mean=mean)
    results = ensemble.predict(batch)
    assert [each._largest_batch or 5 for each in ensemble.colorizers] == largest
    for result, ab in zip(results, expected):
        assert result == pytest.approx(ab, abs=5e-3)


class Narrow:
    """A network with memory for so many images."""

    def __init__(self, network, room):
        self.network, self.room = network, room
        self.deploy, self.outputs = network.deploy, network.outputs

    def __call__(self, L, output):
        if len(L) > self.room:
            raise MemoryError
        return self.network(L, output)


# What does not go together


def test_a_maximum_needs_histograms(folders, members):
    with pytest.raises(NetworkError) as caught:
        Ensemble([members[0], Colorizer(folders[3], size=SIZE)], mean="maximum")
    assert str(caught.value) == (
        f"{folders[3] / 'deploy.prototxt'}: the network predicts ab without a histogram, "
        "of which a maximum could be taken; only means in Lab and RGB work"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": "median"}, 'mean: expected one of Lab, RGB, maximum, got "median"'),
        (
            {"mean": "maximum", "refine": lambda L, ab: ab},
            "refine: with the maximum of histograms no member has colours to refine",
        ),
    ],
)
def test_options_that_do_not_work(members, options, message):
    with pytest.raises(ValueError) as caught:
        Ensemble(members, **options)
    assert str(caught.value) == message


def test_no_members():
    with pytest.raises(ValueError, match="colorizers: expected one or more, got none"):
        Ensemble([])


@pytest.mark.parametrize(
    ("mean", "choice", "message"),
    [
        ("Lab", {"size": None}, r"expected one size of all, got \(24, 32\), None"),
        ("maximum", {"decoder": "mode"}, "expected one decoder of all, got expectation, mode"),
        ("maximum", {"temperature": 0.5}, "expected one temperature of all, got 0.38, 0.5"),
    ],
)
def test_members_that_differ(folders, members, mean, choice, message):
    other = Colorizer(folders[1], **{"size": SIZE, **choice})
    with pytest.raises(ValueError, match=f"colorizers: {message}"):
        Ensemble([members[0], other], mean=mean)


@pytest.fixture
def coarse(tmp_path, folders):
    """A network whose blobs have half as many samples along each axis."""
    text = (folders[0] / "deploy.prototxt").read_text()
    (tmp_path / "deploy.prototxt").write_text(text.replace("stride: 2", "stride: 4", 1))
    return Colorizer(tmp_path, folders[0] / "one.caffemodel", size=SIZE)


@pytest.mark.parametrize(
    ("mean", "blob", "fine", "got"),
    [
        ("Lab", "ab", "(2, 6, 8)", "(2, 3, 4)"),
        ("maximum", "prob", "(1, 313, 6, 8)", "(1, 313, 3, 4)"),
    ],
)
def test_networks_of_two_strides(members, coarse, mean, blob, fine, got):
    first, other = members[0].network.deploy, coarse.network.deploy
    with pytest.raises(NetworkError) as caught:
        Ensemble([members[0], coarse], mean=mean).predict([noise_L(*SIZE)])
    assert str(caught.value) == f"{other}: expected {blob} {fine} as of {first}, got {got}"


def test_a_maximum_knows_its_blobs(members):
    network = MaximumOfNetworks([member.network for member in members])
    assert network.outputs == {"prob", "ab"}
    histogram = network(noise_L(2, 1, *SIZE), "prob")
    assert histogram.sum(axis=1) == pytest.approx(1, abs=1e-5)

"""Colouring images with tiny networks, against other libraries' colour spaces and splines."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import color
from tiny_network import write_tiny_network

import caffe
from colorization import inference
from colorization.histogram import decode
from colorization.inference import DECODERS, Colorizer, join, lightness, shrink
from colorization.network import Network, NetworkError, network_path, network_weights, networks

H, W = 37, 53


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny")


@pytest.fixture(scope="module")
def tiny_ab(tmp_path_factory):
    return write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny_ab", histogram=False)


def noise(*shape, dtype=np.uint8, seed=3):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def noise_L(*shape, seed=4):
    return np.random.default_rng(seed).uniform(0, 100, shape).astype(np.float32)


# Steps


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lightness_is_that_of_scikit_image(dtype):
    rgb = noise(H, W, 3, dtype=dtype)
    expected = color.rgb2lab(rgb / np.iinfo(dtype).max)[:, :, 0]
    assert lightness(rgb).dtype == np.float32
    assert lightness(rgb) == pytest.approx(expected, abs=1e-3)


def test_shrinking_takes_the_mean():
    L = noise_L(24, 30)
    assert shrink(L, (8, 5)) == pytest.approx(L.reshape(8, 3, 5, 6).mean(axis=(1, 3)), abs=1e-3)


def test_shrinking_one_axis_and_growing_the_other():
    L = np.broadcast_to(np.linspace(0, 100, 30, dtype=np.float32), (24, 30))
    result = shrink(L, (96, 10))
    assert result.shape == (96, 10)
    assert result == pytest.approx(np.broadcast_to(L[0].reshape(10, 3).mean(1), (96, 10)), abs=1e-3)


@pytest.mark.filterwarnings("ignore:.*negative Z")
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.uint8, 1), (np.uint16, 20)])
@pytest.mark.parametrize("tensor", [False, True])
def test_join_against_scipy_and_scikit_image(dtype, tolerance, tensor):
    L = noise_L(H, W)
    ab = np.random.default_rng(5).uniform(-60, 60, (2, 6, 8)).astype(np.float32)
    seen = (24, 32)
    y, x = (((np.arange(n) + 0.5) * m / n - 0.5) / 4 for n, m in ((H, 24), (W, 32)))
    grid = np.meshgrid(y, x, indexing="ij")
    full = [ndimage.map_coordinates(plane, grid, order=3, mode="nearest") for plane in ab]
    Lab, top = np.dstack((L, *full)), np.iinfo(dtype).max
    result = join(L, torch.from_numpy(ab) if tensor else ab, seen, dtype)
    assert result.dtype == dtype
    inside = np.abs(color.rgb2lab(color.lab2rgb(Lab)) - Lab).max(axis=2) < 0.01
    assert 0.2 < inside.mean() < 0.8
    assert np.abs(result - color.lab2rgb(Lab) * top)[inside].max() <= tolerance
    assert np.abs(color.rgb2lab(result / top)[..., 0] - L)[~inside].max() < 0.5


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.uint8, 0.3), (np.uint16, 0.002)])
def test_lightness_is_untouched(dtype, tolerance):
    """Colours inside the gamut: only the rounding to integers changes L."""
    rgb = noise(H, W, 3, dtype=dtype) // 3 + np.iinfo(dtype).max // 3
    L = lightness(rgb)
    ab = np.random.default_rng(6).uniform(-12, 12, (2, 6, 8)).astype(np.float32)
    assert np.abs(lightness(join(L, ab, (24, 32), dtype)) - L).max() < tolerance


def test_clipped_colours_are_the_only_ones_that_change_lightness():
    L = noise_L(H, W)
    ab = np.random.default_rng(7).uniform(-100, 100, (2, 6, 8)).astype(np.float32)
    result = join(L, ab, (24, 32))
    clipped = ((result == 0) | (result == 255)).any(axis=2)
    error = np.abs(lightness(result) - L)
    assert 0.1 < clipped.mean() < 0.99
    assert error[~clipped].max() < 0.4


def test_bands_do_not_show(monkeypatch):
    L, ab = noise_L(H, W), np.random.default_rng(8).uniform(-60, 60, (2, 6, 8)).astype(np.float32)
    rgb = noise(H, W, 3)
    whole = join(L, ab, (24, 32)), lightness(rgb)
    monkeypatch.setattr(inference, "PIXELS_AT_ONCE", 5 * W)
    assert np.abs(join(L, ab, (24, 32)).astype(int) - whole[0]).max() <= 1
    assert np.array_equal(lightness(rgb), whole[1])


# The network


def test_colour_lands_where_its_lightness_was(tmp_path):
    """A net that puts a = L - 50 at every fourth pixel: a must follow L at full size, unshifted."""
    text = """
        layer { name: "data_l" type: "Input" top: "data_l"
          input_param { shape { dim: 1 dim: 1 dim: 56 dim: 64 } } }
        layer { name: "ab" type: "Convolution" bottom: "data_l" top: "ab"
          convolution_param { num_output: 2 kernel_size: 1 stride: 4 } }"""
    (tmp_path / "deploy.prototxt").write_text(text)
    net = caffe.Net(str(tmp_path / "deploy.prototxt"), caffe.TEST)
    net.params["ab"][0].data[:, 0, 0, 0] = 1, 0
    net.params["ab"][1].data[...] = -50, 0
    net.save(str(tmp_path / "point.caffemodel"))
    colorizer = Colorizer(tmp_path, tmp_path / "point.caffemodel", size=(224, 224))
    y, x = np.mgrid[:300, :420]
    L = (50 + 15 * np.sin(x / 40) * np.cos(y / 50)).astype(np.float32)
    rgb = join(L, colorizer.predict([colorizer.shrink(L)])[0], (224, 224), np.uint16)
    a = color.rgb2lab(rgb / 65535)[:, :, 1]
    inside = np.s_[40:-40, 40:-40]
    assert np.abs(a - (L - 50))[inside].max() < 0.05


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_image_is_coloured(tiny, dtype):
    rgb = noise(H, W, 3, dtype=dtype)
    colorizer = Colorizer(tiny, size=(24, 32))
    L = lightness(rgb)
    seen = colorizer.shrink(L)
    assert seen.shape == (24, 32)
    ab = colorizer.predict([seen])[0]
    assert ab.shape == (2, 6, 8)
    result = colorizer(rgb)
    assert np.array_equal(result, join(L, ab, (24, 32), dtype))
    assert result.dtype == dtype
    assert np.ptp(result.astype(int), axis=2).mean() > np.iinfo(dtype).max / 100


def test_the_networks_own_size(tiny):
    colorizer = Colorizer(tiny, size=None)
    L = noise_L(H, W)
    seen = colorizer.shrink(L)
    assert np.array_equal(seen, L)
    assert colorizer.predict([seen])[0].shape == (2, 10, 14)


def test_a_batch_gives_what_single_images_give(tiny):
    colorizer = Colorizer(tiny)
    batch = list(noise_L(3, 24, 32))
    together = colorizer.predict(batch)
    assert len(together) == 3
    for L, ab in zip(batch, together):
        assert ab == pytest.approx(colorizer.predict([L])[0], abs=5e-3)


@pytest.mark.parametrize("decoder", DECODERS)
def test_decoders(tiny, decoder):
    colorizer = Colorizer(tiny, decoder=decoder, temperature=0.5, seed=11)
    batch = list(noise_L(3, 24, 32))
    prob = colorizer.network(np.stack(batch)[:, None], "prob")
    for i, ab in enumerate(colorizer.predict(batch)):
        assert ab == pytest.approx(decode(prob[i : i + 1], decoder, 0.5, 11)[0], abs=1e-3)


def test_a_sample_depends_on_the_seed_alone(tiny):
    L = noise_L(24, 32)
    first = Colorizer(tiny, decoder="sample", seed=1).predict([L, L])
    assert np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], Colorizer(tiny, decoder="sample", seed=2).predict([L])[0])


def test_blobs_as_in_genuine_caffe_give_the_same(tiny, monkeypatch):
    L = noise_L(3, 1, 20, 28)
    expected = Colorizer(tiny).network(L, "ab")
    monkeypatch.delattr(caffe.Net, "infer")
    assert Colorizer(tiny).network(L, "ab") == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_a_network_without_histogram(tiny_ab):
    assert Colorizer(tiny_ab).predict([noise_L(24, 32)])[0].shape == (2, 6, 8)
    with pytest.raises(NetworkError, match="without a histogram, from which mode could choose"):
        Colorizer(tiny_ab, decoder="mode")


def test_unknown_decoder(tiny):
    with pytest.raises(ValueError, match='decoder: expected one of .*, got "median"'):
        Colorizer(tiny, decoder="median")


def test_bf16_is_close(tiny):
    L = noise_L(1, 1, 24, 32)
    exact = Colorizer(tiny).network(L, "ab")
    rounded = Colorizer(tiny, precision="bf16").network(L, "ab")
    assert rounded.dtype == np.float32
    assert 0 < np.abs(rounded - exact).mean() < 3


# Finding networks and weights


@pytest.mark.parametrize("name", ["plain", "plain_l2_ab", "residual"])
def test_a_network_by_its_name(name):
    assert network_path(name) == networks() / name / "deploy.prototxt"
    assert network_path(name, "train.prototxt").name == "train.prototxt"


def test_a_network_here_comes_before_that_of_the_package(tmp_path, monkeypatch):
    own = tmp_path / "networks" / "plain" / "deploy.prototxt"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert network_path("plain") != own
    monkeypatch.chdir(tmp_path)
    assert network_path("plain") == own
    assert network_path("residual") == networks() / "residual" / "deploy.prototxt"


def test_a_network_by_its_path(tiny):
    assert network_path(tiny) == network_path(tiny / "deploy.prototxt") == tiny / "deploy.prototxt"


def test_an_unknown_network():
    with pytest.raises(NetworkError, match='network "plian": neither .* nor one of plain, '):
        network_path("plian")


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["net_iter_9.caffemodel", "net_iter_10.caffemodel", "other.caffemodel"], 1),
        (["net_iter_10.caffemodel", "net.caffemodel"], 1),
        (["net_iter_10.caffemodel", "x_iter_20.caffemodel.h5", "net_iter_30.solverstate"], 1),
    ],
)
def test_weights_beside_the_network(tmp_path, files, chosen):
    folder = tmp_path / "net"
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    assert network_weights(folder / "deploy.prototxt") == folder / files[chosen]


def test_the_advice_for_a_network_of_the_package_works_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr("colorization.network.networks", lambda: tmp_path)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "solver.prototxt").touch()
    with pytest.raises(NetworkError, match=", or train: train_network plain --data DATA --work"):
        network_weights(tmp_path / "plain" / "deploy.prototxt")


@pytest.mark.parametrize("trains", [True, False])
def test_no_weights(tmp_path, trains):
    advice = "see fetch_weights"
    if trains:
        (tmp_path / "solver.prototxt").touch()
        advice = f"train: caffe train -solver {tmp_path}/solver.prototxt"
    with pytest.raises(NetworkError) as caught:
        network_weights(tmp_path / "deploy.prototxt")
    assert str(caught.value) == (
        f"{tmp_path}: no {tmp_path.name}.caffemodel and no snapshot *_iter_*.caffemodel; "
        f"give --weights FILE, or {advice}"
    )


def test_weights_that_do_not_exist(tiny):
    with pytest.raises(NetworkError, match="absent.caffemodel: no such file"):
        Colorizer(tiny, "absent.caffemodel")


def test_weights_of_another_network_are_refused(tiny, tmp_path):
    """Caffe passes over layers that it does not find, and would colour everything alike."""
    text = (tiny / "deploy.prototxt").read_text()
    (tmp_path / "deploy.prototxt").write_text(text.replace('"conv2"', '"another"'))
    with pytest.raises(NetworkError, match='tiny.caffemodel: no weights for layer "another"'):
        Colorizer(tmp_path, tiny / "tiny.caffemodel")


def test_broken_weights(tiny, tmp_path):
    (tmp_path / "w.caffemodel").write_bytes(b"no weights at all")
    with pytest.raises(NetworkError, match="w.caffemodel"):
        Colorizer(tiny, tmp_path / "w.caffemodel")


def test_a_broken_prototxt(tmp_path, tiny):
    (tmp_path / "deploy.prototxt").write_text("layer {")
    with pytest.raises(NetworkError, match="deploy.prototxt"):
        Colorizer(tmp_path, tiny / "tiny.caffemodel")


def test_a_net_that_does_not_colour(tmp_path, tiny):
    text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } }'
    (tmp_path / "deploy.prototxt").write_text(text)
    with pytest.raises(NetworkError, match='no blob "data_l": not a deploy net that colours'):
        Network(tmp_path / "deploy.prototxt", tiny / "tiny.caffemodel")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there(tiny):
    with pytest.raises(NetworkError, match="GPU"):
        Colorizer(tiny, gpu=0)


# Memory

OUT_OF_MEMORY = """
import resource, sys
import numpy as np
from colorization.inference import Colorizer

def leave(megabytes):
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    soft = used + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (soft, resource.RLIM_INFINITY))

colorizer = Colorizer(sys.argv[1])
one = np.random.default_rng(0).uniform(0, 100, (400, 400)).astype(np.float32)
alone = colorizer.predict([one])[0]
leave(250)
results = colorizer.predict([np.roll(one, i % 2) for i in range(32)])[::2]
assert colorizer._largest_batch in (1, 2, 4, 8, 16), colorizer._largest_batch
assert all(np.allclose(result, alone, atol=1e-3) for result in results) and len(results) == 16
leave(100)
try:
    colorizer.predict([np.tile(one, (4, 5))])
except MemoryError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_a_batch_that_does_not_fit_is_halved_until_not_even_one_image_fits(tiny):
    """32 histograms of 313 x 100 x 100 take 400 MB; one of 313 x 400 x 500 takes 250."""
    command = [sys.executable, "-c", OUT_OF_MEMORY, str(tiny)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.stderr == ""
    assert run.stdout == "no memory for the network at 2000x1600: use a smaller size\n"


# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_gpu_gives_what_the_cpu_gives(tiny, decoder):
    rgb = noise(H, W, 3)
    try:
        on_gpu = Colorizer(tiny, gpu=0, decoder=decoder)(rgb)
    finally:
        caffe.set_mode_cpu()
    difference = np.abs(on_gpu.astype(int) - Colorizer(tiny, decoder=decoder)(rgb))
    assert (difference > 1).mean() < 0.01


@pytest.mark.gpu
def test_a_batch_that_does_not_fit_on_the_gpu_is_halved(tiny):
    batch = list(noise_L(32, 400, 400))
    expected = Colorizer(tiny).predict(batch)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(300 * 2**20 / total)
    try:
        colorizer = Colorizer(tiny, gpu=0)
        results = colorizer.predict(batch)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        caffe.set_mode_cpu()
    assert colorizer._largest_batch < 32
    for result, ab in zip(results, expected):
        assert result.cpu().numpy() == pytest.approx(ab, abs=0.01)


def test_equal_neighbours_are_computed_once(tiny, monkeypatch):
    colorizer, (one, other) = Colorizer(tiny), (noise_L(24, 32, seed=seed) for seed in (1, 2))
    expected = [colorizer.predict([L])[0] for L in (one, other)]
    seen = []
    monkeypatch.setattr(colorizer, "_ab", lambda L, ab=colorizer._ab: seen.append(len(L)) or ab(L))
    results = colorizer.predict([one, one.copy(), other, other, one])
    assert seen == [3] and len(results) == 5
    for ab, number in zip(results, (0, 0, 1, 1, 0)):
        assert ab == pytest.approx(expected[number], abs=5e-3)

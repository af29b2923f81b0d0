"""Ray's workers give what one process gives, whatever happens to them; two machines are played."""

import logging
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from module_from_file import load_module
from tiny_network import write_tiny_network

from colorization import cluster
from colorization.batch import colour_images
from colorization.cluster import ClusterError, RayColorizer, Recipe
from colorization.ensembles import Ensemble
from colorization.images import Picture, read_image, write_image
from colorization.inference import Colorizer
from colorization.inputs import Job

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray", "ignore::ResourceWarning")

SCRIPT = Path(__file__).parents[2] / "scripts" / "process_images.py"
SIZE = (24, 32)  # that the network sees
FRAMES = 60


@pytest.fixture(scope="module")
def machines():
    """Two machines with a core each, as Ray sees it."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        few = {"num_cpus": 1, "object_store_memory": 2**27}
        both = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **few})
        both.second = both.add_node(**few)
        yield both
        both.shutdown()


@pytest.fixture(scope="module")
def address(machines):
    """Connect once and stay, so that workers need not start anew for each test."""
    options = {"log_to_driver": False, "logging_level": logging.ERROR}
    ray.init(machines.address, **options)
    yield machines.address
    ray.shutdown()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny")


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


def files(network):
    return network / "deploy.prototxt", network / f"{network.name}.caffemodel"


def recipe_of(*networks, **choices):
    recipe = Recipe({"size": SIZE, **choices})
    for network in networks:
        recipe.make(*files(network))
    return recipe


def planes(count, H=35, W=52, seed=3):
    return np.random.default_rng(seed).uniform(0, 100, (count, H, W)).astype(np.float32)


def noise(*shape, dtype=np.uint8, seed=3):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)


def colours(colorizer, L):
    return np.stack(colorizer.predict([colorizer.shrink(each) for each in L]))


def make_film(path, count=FRAMES):
    """Write moving noise at uneven times, with sound and a title."""
    background = noise(36, 52 + count, 1)
    with av.open(str(path), "w") as output:
        output.metadata["title"] = "A short film"
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 36, 52, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        sound = output.add_stream("aac", rate=8000)
        sound.layout = "mono"
        tone = av.AudioFrame.from_ndarray(noise(1, 8000).astype(np.float32) / 255, "fltp", "mono")
        tone.sample_rate = 8000
        output.mux(sound.encode(tone))
        output.mux(sound.encode(None))
        for number in range(count):
            image = np.repeat(background[:, number : number + 52], 3, axis=2)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = 40 * number + number % 3, Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return str(path)


def content(path):
    """Return a film's frames, their times, its sound and its title."""
    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
        times = [float(frame.pts * frame.time_base) for frame in frames]
    with av.open(str(path)) as film:
        sound = [(packet.pts, bytes(packet)) for packet in film.demux(audio=0)]
        return pictures, times, sound, film.metadata["title"]


def same_film(path, other):
    (pictures, *rest), (others, *other_rest) = content(path), content(other)
    assert rest == other_rest
    assert len(rest[0]) == FRAMES and len(rest[1]) > 1
    # Not to the bit: on a busy machine the encoder itself is not.
    assert np.abs(pictures.astype(int) - others).mean() < 3
    return True


@pytest.fixture(scope="module")
def film(tmp_path_factory, network, main):
    """A film, and what comes of it without Ray."""
    folder = tmp_path_factory.mktemp("film")
    source = make_film(folder / "in.mkv")
    assert main([*command(network, source), "--output", str(folder / "alone")]) == 0
    return source, folder / "alone" / "in.mkv"


def command(network, *inputs):
    return [*inputs, "--network", str(network), "--size", "32x24", "--batch", "4"]


def test_a_film(machines, network, film, main, tmp_path, capsys):
    arguments = [*command(network, film[0]), "--output", str(tmp_path), "--ray", machines.address]
    capsys.readouterr()
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out == (
        f"{network}/deploy.prototxt with {network}/tiny.caffemodel on the 2 CPU cores of Ray\n"
        "1 coloured, 0 skipped, 0 failed\n"
    )
    assert err == ""
    assert same_film(tmp_path / "in.mkv", film[1])
    assert not ray.is_initialized()
    assert main(arguments) == 0  # finished: no need of a cluster
    assert capsys.readouterr().out == (
        "0 coloured, 1 skipped, 0 failed (1 there already; --overwrite colours them again)\n"
    )


def test_an_interruption(machines, network, film, main, tmp_path, monkeypatch, capsys, request):
    original = RayColorizer._colours
    calls = []

    def interrupted(self, batch):
        calls.append(batch)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        return original(self, batch)

    monkeypatch.setattr(RayColorizer, "_colours", interrupted)
    # A shell that runs this in the background has SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    where = ["--output", str(tmp_path), "--ray", machines.address]
    capsys.readouterr()
    assert main([*command(network, film[0]), *where]) == 130
    assert capsys.readouterr().err == (
        "interrupted; the same command goes on where this one stopped\n"
    )
    assert not ray.is_initialized()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nowhere", "--ray nowhere: Invalid address format: nowhere"),
        ("127.0.0.1:{free}", r"--ray 127.0.0.1:\d+: .*Connection refused"),
        ("ray://[::1]:{free}", r"--ray ray://\[::1\]:\d+: "),
    ],
)
def test_no_cluster(network, film, main, tmp_path, capsys, address, message):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = address.format(free=free.getsockname()[1])
        assert_wrong(main, network, film, tmp_path, capsys, message, "--ray", address)


def test_ray_is_missing(network, film, main, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    message = r'--ray needs Ray: pip install "colorization\[cluster\]"'
    assert_wrong(main, network, film, tmp_path, capsys, message, "--ray", "local")


def test_a_gpu_of_this_machine_is_none_of_the_cluster(network, film, main, tmp_path, capsys):
    message = "--gpu is a GPU of this machine; --ray takes those of the cluster"
    assert_wrong(main, network, film, tmp_path, capsys, message, "--ray", "local", "--gpu", "0")


def assert_wrong(main, network, film, folder, capsys, message, *options):
    capsys.readouterr()
    assert main([*command(network, film[0]), "--output", str(folder), *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert re.match(f"process_images: {message}", err)
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("given", "visible", "number"),
    [([], None, None), ([1], None, 1), (["5"], "3,5", 1), (["GPU-b"], "GPU-a,GPU-c,GPU-b", 2)],
)
def test_the_number_of_a_gpu(monkeypatch, given, visible, number):
    """Ray speaks of what the machine was given, torch counts what it sees."""
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: given)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cluster._gpu() == number


def test_images(address, network, tmp_path):
    """Images of many sizes, one that cannot be read, one of 16 bits."""
    for number in range(11):
        write_image(tmp_path / f"{number:02}.png", Picture(noise(20 + number, 41, 3, seed=number)))
    write_image(tmp_path / "deep.png", Picture(noise(23, 31, 3, dtype=np.uint16)))
    (tmp_path / "bad.png").write_bytes(b"no image")
    sources = sorted(tmp_path.glob("*.png"))

    def run(colorizer, batch, folder):
        jobs = [Job(source, tmp_path / folder / source.name) for source in sources]
        done = list(colour_images(jobs, colorizer, batch))
        assert [job for job, _ in done] == jobs
        return {job.source.stem: error for job, error in done if error}

    for size in (SIZE, None):
        folders = f"alone {size}", f"Ray {size}"
        expected = run(Colorizer(*files(network), size=size), 4, folders[0])
        with RayColorizer(address, recipe_of(network, size=size), 3) as colorizer:
            errors = run(colorizer, colorizer.ahead, folders[1])
        assert list(errors) == list(expected) == ["bad"]
        assert str(errors["bad"]) == str(expected["bad"])
        results = [sorted((tmp_path / folder).iterdir()) for folder in folders]
        assert len(results[0]) == len(results[1]) == 12
        for one, other in zip(*results):
            one, other = read_image(one).rgb, read_image(other).rgb
            assert one.dtype == other.dtype
            step = 1 if one.dtype == np.uint8 else 257
            assert np.abs(one.astype(int) - other).max() <= step


def test_networks_go_to_the_workers_as_they_are(address, network, tmp_path):
    """Nothing is read from the disk any more once the recipe is made."""
    folders = [shutil.copytree(network, tmp_path / "tiny")]
    folders.append(write_tiny_network(tmp_path / "second", seed=8))
    recipe = recipe_of(*folders)
    alone, L = Ensemble([Colorizer(*files(each), size=SIZE) for each in folders], "RGB"), planes(7)
    expected, whole = colours(alone, L), np.stack(alone.predict(L))
    for folder in folders:
        shutil.rmtree(folder)
    with RayColorizer(address, recipe, 2) as colorizer:
        assert colorizer.ahead == 4
        found = colours(colorizer, L)
        found[0] = 0  # results belong to the caller
        assert np.allclose(found[1:], expected[1:], atol=1e-2)
        assert np.allclose(np.stack(colorizer.predict(L)), whole, atol=1e-2)
    with pytest.raises(ClusterError, match="left the cluster already"):
        colours(colorizer, L)


def test_errors_on_a_worker(address, network, main, tmp_path, monkeypatch, capsys):
    """An error is that of its images alone; the next ones are coloured."""
    original = cluster.colours

    def failing(recipe, L):
        if L.shape[1:] == (25, 31):
            raise MemoryError("no memory for the network at 25x31:\nuse a smaller size")
        return original(recipe, L)

    monkeypatch.setattr(cluster, "colours", failing)
    for number, H in enumerate((20, 25, 29)):
        write_image(tmp_path / f"{number}.png", Picture(noise(H, 31, 3)))
    where = ["--output", str(tmp_path / "out"), "--ray", address]
    arguments = [str(tmp_path), "--network", str(network), "--size", "full", *where]
    capsys.readouterr()
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out.endswith("2 coloured, 0 skipped, 1 failed\n")
    why = "no memory for the network at 25x31: use a smaller size"
    assert err == f"{tmp_path / '1.png'}: {why}\n"


def test_a_killed_worker_loses_no_frame(address, network, film, main, tmp_path, monkeypatch):
    marker, original = tmp_path / "killed", cluster.colours

    def deadly(recipe, L):
        ab = original(recipe, L)
        time.sleep(0.05)
        with marker.open("a") as calls:
            calls.write(".")
        if marker.stat().st_size in (5, 9):
            os.kill(os.getpid(), signal.SIGKILL)
        return ab

    monkeypatch.setattr(cluster, "colours", deadly)
    where = ["--output", str(tmp_path), "--ray", address]
    assert main([*command(network, film[0]), *where]) == 0
    assert marker.stat().st_size >= FRAMES / 4 + 2
    assert same_film(tmp_path / "in.mkv", film[1])


def test_one_that_always_kills_its_worker_ends_somewhere(address, network, monkeypatch):
    def deadly(recipe, L):
        os._exit(1)

    monkeypatch.setattr(cluster, "colours", deadly)
    monkeypatch.setattr(cluster, "RETRIES", 1)
    colorizer = RayColorizer(address, recipe_of(network))
    with pytest.raises(ClusterError, match=r"^lost on the cluster: [^\n]+$"):
        colours(colorizer, planes(2))


@pytest.mark.cluster
def test_a_lost_machine_loses_no_frame(
    machines, address, network, film, main, tmp_path, monkeypatch
):
    """Comes last of all: one of the two machines is gone after it."""
    original = cluster.colours
    nodes = tmp_path / "nodes"
    nodes.mkdir()

    def noted(recipe, L):
        (nodes / ray.get_runtime_context().get_node_id()).touch()
        time.sleep(0.1)
        return original(recipe, L)

    def remove():
        while not (nodes / machines.second.node_id).exists():
            time.sleep(0.01)
        machines.remove_node(machines.second, allow_graceful=False)

    monkeypatch.setattr(cluster, "colours", noted)
    thread = threading.Thread(target=remove)
    thread.start()
    where = ["--output", str(tmp_path), "--ray", address]
    assert main([*command(network, film[0]), *where]) == 0
    thread.join()
    assert len(list(nodes.iterdir())) == 2
    assert same_film(tmp_path / "in.mkv", film[1])

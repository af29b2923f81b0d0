"""The command from end to end: films to LMDBs that Caffe's layers read, interruptions, errors."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_films import credits_frame, faded, numbered, shaken, write_lossless
from module_from_file import load_module

import caffe
from caffe import layers as L
from colorization.dataset import prior
from colorization.files import locked
from colorization.images import Picture, write_image
from colorization.rebalancing import load_prior
from colorization.resizing import resized

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_dataset.py"
SIZE = 24


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(main, *arguments, capsys, workers=1):
    """Return the exit code, stdout and stderr."""
    capsys.readouterr()
    arguments = ("--size", SIZE, "--workers", workers, *arguments)
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def make_films(count=3, shots=12):
    """Write film_1.mkv and so on, of different shots; return the frames of each."""
    films = [numbered(shots, start=100 * n) for n in range(1, count + 1)]
    for number, frames in enumerate(films, 1):
        write_lossless(f"film_{number}.mkv", frames)
    return films


def read_back(name, count, source=None):
    """Return `count` images (SIZE, SIZE, 3), RGB, and labels as a Data or ImageData layer reads."""
    if source is None:
        parameters = dict(source=f"data/{name}_lmdb", batch_size=count, backend=1)
        tops = L.Data(ntop=2, data_param=parameters)
    else:
        parameters = dict(source=source, batch_size=count, root_folder="data/")
        tops = L.ImageData(ntop=2, image_data_param=parameters)
    spec = caffe.NetSpec()
    spec.data, spec.label = tops
    Path(f"{name}.prototxt").write_text(str(spec.to_proto()))
    net = caffe.Net(f"{name}.prototxt", caffe.TEST)
    net.forward()
    planes = net.blobs["data"].data
    assert planes.shape == (count, 3, SIZE, SIZE)
    return planes[:, ::-1].transpose(0, 2, 3, 1), net.blobs["label"].data


def small(frames):
    return np.array([resized(frame, SIZE, SIZE) for frame in frames])


def as_set(images):
    return {np.asarray(image, np.uint8).tobytes() for image in images}


def files_below(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


# From films to sets


def test_films_become_sets_that_the_data_layer_reads(main, folder, capsys):
    films = make_films()
    code, out, err = run(main, "film_1.mkv", "film_2.mkv", "film_3.mkv", capsys=capsys)
    assert (code, err) == (0, "")
    assert out == (
        "episode_01 (film_1.mkv): 12 frames, 12 kept -> test\n"
        "episode_02 (film_2.mkv): 12 frames, 12 kept -> train, val\n"
        "episode_03 (film_3.mkv): 12 frames, 12 kept -> train, val\n"
        "train: 22 images\n"
        "val: 2 images\n"
        "test: 12 images\n"
        "look at data/index.html\n"
    )
    test, labels = read_back("test", 12)
    assert np.array_equal(test, small(films[0]))
    assert not labels.any()
    train, val = read_back("train", 22)[0], read_back("val", 2)[0]
    assert as_set(train) | as_set(val) == as_set(small(films[1] + films[2]))
    assert len(as_set(train) | as_set(val)) == 24
    stored = load_prior("data/train_priors.npy")
    assert stored.sum() == pytest.approx(1, abs=1e-6)
    assert stored == pytest.approx(prior(train.astype(np.uint8)), abs=1e-6)
    assert not Path("data/frames").exists()
    assert not list(Path("data").glob("parts/*/lmdb"))


def test_filters_and_the_page(main, folder, capsys):
    shots, titles = numbered(9, 120, 160), credits_frame(height=120, width=160)
    fade = [faded(titles, level) for level in (0.3, 0.6, 1.0, 0.6, 0.3)]
    frames = list(shaken([*fade, *shots[:4], shots[3], *shots[4:], titles]))
    write_lossless("film.mkv", frames)
    code, out, err = run(main, "film.mkv", "--size", 128, capsys=capsys)
    assert (code, err) == (0, "")
    left_out = len(frames) - 9
    counts = re.search(r"(\d+) frames, 9 kept, (\d+) duplicates, 6 credits", out)
    assert counts, out
    assert (int(counts[1]), int(counts[2])) == (len(frames), left_out - 6)
    page = Path("data/index.html").read_text()
    row = re.search(r"<td>episode_01</td>.*", page)[0]
    cells = [str(len(frames)), "9", str(left_out - 6), "6", "0"]
    assert re.findall(r'class="number">(\d+)<', row) == cells
    sources = re.findall(r'<img src="([^"]+)"', page)
    assert [Path(source).name for source in sources] == [
        "kept.png",
        "duplicates.png",
        "credits.png",
    ]
    for source in sources:
        assert cv2.imread(str(Path("data") / source)).shape[0] > 128
    assert page.count("<svg") == 2
    assert page.count("<rect") == 50 + 313

    options = ("--no-duplicates-filter", "--no-credits-filter", "--output", "all")
    code, out, err = run(main, "film.mkv", *options, capsys=capsys)
    assert (code, err) == (0, "")
    assert f"{len(frames)} frames, {len(frames)} kept -> " in out


def test_the_threshold(main, folder, capsys):
    frames = [np.full((20, 28, 3), 100 + 3 * n, np.uint8) for n in range(21)]
    write_lossless("film.mkv", frames)
    for threshold, kept in ((8.9, 21), (9, 11), (20, 11), (36, 7)):
        _, out, _ = run(main, "film.mkv", "--threshold", threshold, capsys=capsys)
        assert f"21 frames, {kept} kept" in out


def test_frames_and_lists_for_the_image_data_layer(main, folder, capsys):
    films = make_films(2)
    code, _, err = run(main, "film_1.mkv", "film_2.mkv", "--list-files", capsys=capsys)
    assert (code, err) == (0, "")
    assert not list(Path("data").glob("*_lmdb"))
    lines = Path("data/test.txt").read_text().splitlines()
    assert lines == [f"frames/episode_01/frame_{n:06d}.png 0" for n in range(12)]
    assert np.array_equal(read_back("test", 12, "data/test.txt")[0], small(films[0]))
    train = read_back("train", 11, "data/train.txt")[0]
    val = read_back("val", 1, "data/val.txt")[0]
    assert as_set(train) | as_set(val) == as_set(small(films[1]))


def test_kept_frames_lose_nothing(main, folder, capsys):
    films = make_films(2)
    run(main, "film_1.mkv", "film_2.mkv", "--keep-frames", capsys=capsys)
    for number, frames in enumerate(films, 1):
        paths = sorted(Path(f"data/frames/episode_{number:02d}").iterdir())
        images = [cv2.imread(str(path))[:, :, ::-1] for path in paths]
        assert np.array_equal(images, small(frames))
    assert Path("data/train_lmdb/data.mdb").is_file()


def test_one_film_with_cuts(main, folder, capsys):
    frames = numbered(50)
    write_lossless("film.mkv", frames)
    Path("cuts.json").write_text('[0.2, "0:00.6", 1.4]')
    for cuts in ("0.2,0:00.6,1.4", "cuts.json"):
        code, out, err = run(main, "film.mkv", "--cuts", cuts, "--output", "data", capsys=capsys)
        assert (code, err) == (0, "")
        assert "episode_02 (film.mkv from 0.6 s): 20 frames, 20 kept -> train, val" in out
        assert np.array_equal(read_back("test", 10)[0], small(frames[5:15]))
    assert out.startswith("data: is complete already\n")


def test_workers_change_nothing(main, folder, capsys):
    make_films()
    films = ("film_1.mkv", "film_2.mkv", "film_3.mkv")
    first = run(main, *films, "--keep-frames", "--output", "one", capsys=capsys)
    second = run(main, *films, "--keep-frames", "--output", "two", capsys=capsys, workers=2)
    assert first[0] == second[0] == 0
    assert first[1].replace("one/", "two/") == second[1]
    assert files_below("one") == files_below("two")


def test_images_in_the_layout_of_imagenet(main, folder, capsys):
    sizes = {
        "cat/1.png": (40, 60),
        "cat/2.png": (70, 30),
        "dog/3.png": (24, 24),
        "dog/4.png": (30, 48),
    }
    rng = np.random.default_rng(6)
    images = {}
    for name, size in sizes.items():
        images[name] = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        write_image(f"photos/{name}", Picture(images[name]))
    code, out, err = run(main, "photos", "--val-share", 0, capsys=capsys)
    assert (code, err) == (0, "")
    assert out.startswith(
        "images_01 (4 images): 4 frames, 4 kept -> train\ntrain: 4 images\nval: 0"
    )
    assert sorted(path.name for path in Path("data").glob("*_lmdb")) == ["train_lmdb"]
    found, labels = read_back("train", 4)
    assert sorted(labels) == [0, 0, 1, 1]
    assert as_set([images["dog/3.png"]]) < as_set(found)  # of the right size already
    wide = resized(images["dog/4.png"], round(48 * SIZE / 30), SIZE)[:, 7:31]
    assert as_set([wide]) < as_set(found[labels == 1])


# Again


def test_finished_episodes_are_not_made_again(main, folder, capsys):
    make_films(2)
    (folder / "film_3.mkv").write_text("no film")
    films = ("film_1.mkv", "film_2.mkv", "film_3.mkv")
    code, out, err = run(main, *films, capsys=capsys)
    assert code == 1
    assert re.fullmatch(r"make_dataset: film_3.mkv: cannot be read as a film: .*\n", err)
    assert "episode_03 (film_3.mkv): missing\n" in out
    assert "train: 11 images" in out
    before = Path("data/parts/episode_02/record.json").stat().st_mtime_ns
    write_lossless("film_3.mkv", numbered(12, start=300))
    code, out, err = run(main, *films, capsys=capsys)
    assert (code, err) == (0, "")
    assert out.startswith("episode_01 ")
    assert "train: 22 images" in out
    assert Path("data/parts/episode_02/record.json").stat().st_mtime_ns == before
    code, out, err = run(main, *films, capsys=capsys)
    assert code == 0
    assert out.startswith("data: is complete already\nepisode_01 ")


def test_other_options_start_over(main, folder, capsys):
    make_films(2)
    films = ("film_1.mkv", "film_2.mkv")
    run(main, *films, "--keep-frames", capsys=capsys)
    code, out, _ = run(main, *films, "--threshold", 30, capsys=capsys)
    assert code == 0
    assert out.startswith(
        "data: was made with threshold 20.0, now 30.0; png True, now False: starting over\n"
        "episode_01 "
    )
    assert not any(path.is_file() for path in Path("data").glob("frames/**/*"))
    code, out, _ = run(main, *films, "--threshold", 30, "--val-share", 0, capsys=capsys)
    assert out.startswith("data: was complete with other parts or another split: starting over\n")
    assert not Path("data/val_lmdb").exists()
    write_lossless("film_2.mkv", numbered(9, start=700))
    code, out, _ = run(main, *films, "--threshold", 30, "--val-share", 0, capsys=capsys)
    assert "data: episode_02 was made from something else: it is made again\n" in out
    assert "train: 9 images" in out
    code, out, _ = run(main, "film_2.mkv", "--threshold", 30, capsys=capsys)
    assert [path.name for path in Path("data/parts").iterdir()] == ["episode_01"]
    assert "train: 8 images\nval: 1 images\ntest: 0 images" in out


def command(*arguments):
    root = SCRIPT.parents[1]
    path = os.pathsep.join([str(root), str(root / "runtime")])
    return subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, arguments), "--size", str(SIZE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        # What runs in the background of a shell inherits that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finished_parts():
    """Return when each part was made."""
    return {
        path: path.stat().st_mtime_ns
        for path in Path("data/parts").glob("*/record.json")
        if not path.parent.name.startswith(".")
    }


@pytest.mark.parametrize(
    ("stop", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)], ids=["SIGINT", "SIGTERM"]
)
def test_an_interruption(main, folder, capsys, stop, workers):
    """Stopped while it makes the longer films, the command keeps what is made and then goes on."""
    make_films(1)
    for number, count in ((2, 100), (3, 150)):
        write_lossless(f"film_{number}.mkv", numbered(2, 270, 480) * (count // 2))
    films = ("film_1.mkv", "film_2.mkv", "film_3.mkv")
    with command(*films, "--workers", workers) as process:
        while not finished_parts() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(stop)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err == "interrupted; the same command goes on where this one stopped\n"
    before = finished_parts()
    assert 1 <= len(before) <= 2
    assert not Path("data/dataset.json").exists()
    again = run(main, *films, capsys=capsys)
    assert (again[0], again[2]) == (0, "")
    assert len(finished_parts()) == 3
    assert before.items() < finished_parts().items()
    fresh = run(main, *films, "--output", "fresh", capsys=capsys)
    assert fresh[1] == again[1].replace("data/", "fresh/")
    assert files_below("data") == files_below("fresh")


# What goes wrong


def cut_off(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def test_a_broken_film_and_a_broken_image_stop_no_other(main, folder, capsys):
    make_films(2)
    noise = np.random.default_rng(1).integers(0, 256, (50, 36, 52, 3), dtype=np.uint8)
    write_lossless("film_3.mp4", list(noise), options={"movflags": "faststart"})
    cut_off(Path("film_3.mp4"))
    write_image("photos/a.png", Picture(noise[0]))
    Path("photos/b.jpg").write_text("no image")
    inputs = ("film_1.mkv", "film_3.mp4", "film_2.mkv", "photos", "absent.mp4")
    for workers in (1, 2):
        code, out, err = run(main, *inputs, capsys=capsys, workers=workers)
        assert code == 1
        lines = sorted(err.splitlines())
        assert len(lines) == 3
        assert lines[0] == "make_dataset: absent.mp4: No such file or directory"
        assert re.fullmatch(
            r"make_dataset: film_3.mp4: the file is cut off at 1\.\d+ s of 2\.00 s", lines[1]
        )
        assert lines[2] == "make_dataset: photos/b.jpg: not an image of a known format"
        assert "episode_01 (film_1.mkv): 12 frames, 12 kept -> test\n" in out
        assert "episode_02 (film_3.mp4): missing\n" in out
        assert "episode_03 (film_2.mkv): 12 frames, 12 kept -> train, val\n" in out
        assert "images_01 (2 images): 2 frames, 1 kept, 1 failed -> train\n" in out
        assert len(read_back("train", 12)[0]) == 12
    assert "film_3.mp4: the file is cut off" in Path("data/index.html").read_text()


def test_nothing_to_train_on(main, folder, capsys):
    make_films(1)
    code, out, err = run(main, "film_1.mkv", "--test-episodes", 1, capsys=capsys)
    assert (code, out) == (1, "")
    assert err == (
        "make_dataset: data: no image is left to train on: 1 of 1 parts could be made, "
        "1 episodes are the test set\n"
    )


def test_sets_that_others_made_are_not_replaced(main, folder, capsys):
    make_films(2)
    Path("data").mkdir()
    Path("data/index.html").write_text("a page of mine")
    code, out, err = run(main, "film_1.mkv", "film_2.mkv", capsys=capsys)
    assert (code, out) == (1, "")
    assert err == "make_dataset: data/index.html: was not made here; choose another folder\n"
    assert files_below("data") == {"index.html": b"a page of mine"}


def test_one_process_at_a_time(main, folder, capsys):
    make_films(2)
    Path("data").mkdir()
    with locked(Path("data"), AssertionError()):
        code, out, err = run(main, "film_1.mkv", "film_2.mkv", capsys=capsys)
    message = "make_dataset: data: another process is making a data set there\n"
    assert (code, out, err) == (1, "", message)


def test_a_grey_film_is_told(main, folder, capsys):
    greys = [np.full((36, 52, 3), level, np.uint8) for level in range(0, 250, 25)]
    write_lossless("film_1.mkv", greys)
    code, out, _ = run(main, "film_1.mkv", "--no-duplicates-filter", capsys=capsys)
    assert code == 0
    assert "the training images have hardly any colours: none can be learned from them\n" in out


def test_wrong_usage(main, folder, capsys):
    make_films(2)
    cases = {
        (
            "film_1.mkv",
            "--cuts",
            "0,x",
        ): 'cuts: "x" is no time, expected one like 90.5, 3:00 or 1:02:03',
        ("film_1.mkv", "film_2.mkv", "--cuts", "0,1"): "cuts: they are for one film alone",
        ("nothing*.mp4",): "nothing*.mp4: no images or films there",
    }
    for arguments, message in cases.items():
        assert run(main, *arguments, capsys=capsys) == (2, "", f"make_dataset: {message}\n")
    for arguments in (["film_1.mkv", "--val-share", "1"], ["film_1.mkv", "--size", "0"], []):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert not Path("data").exists()


def test_help_loads_nothing_heavy(folder):
    code = (
        "import runpy, sys\n"
        "sys.argv = ['make_dataset', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    heavy = {'torch', 'numpy', 'cv2', 'av', 'PIL', 'scipy', 'lmdb'} & set(sys.modules)\n"
        "    sys.exit(f'{end.code} {heavy}' if end.code or heavy else 0)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("usage: make_dataset ")


def test_the_record_of_the_data_set_is_readable(main, folder, capsys):
    make_films(2)
    run(main, "film_1.mkv", "film_2.mkv", capsys=capsys)
    stamp = json.loads(Path("data/dataset.json").read_text())
    assert stamp["split"] == {"test_episodes": 1, "val_share": 0.05, "seed": 0}
    assert stamp["parts"]["episode_01"]["recipe"]["threshold"] == 20.0

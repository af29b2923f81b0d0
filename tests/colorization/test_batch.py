"""Which files are coloured and where their results go, and the flow of many through few."""

import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_network import write_tiny_network

from colorization import pipeline
from colorization.batch import InputError, Job, colour_images, coloured_frames, find_inputs, plan
from colorization.colour import sRGB_to_Lab
from colorization.finishing import Finish
from colorization.images import ImageError, Picture, write_image
from colorization.inference import Colorizer, lightness


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Work in a folder with an album of images and films; only the names matter."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "album/b.jpg",
        "album/a.png",
        "album/1998/c.TIF",
        "album/1998/may/d.png",
        "album/1998/film.avi",
        "album/notes.txt",
        "album/.hidden.png",
        "album/.cache/e.png",
        "empty/notes.txt",
        "single.webp",
    ):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def places(*arguments, **options):
    return {str(source): str(place) for source, place in find_inputs(arguments, **options).items()}


ALBUM = {
    "album/1998/c.TIF": "1998/c.TIF",
    "album/1998/film.avi": "1998/film.avi",
    "album/1998/may/d.png": "1998/may/d.png",
    "album/a.png": "a.png",
    "album/b.jpg": "b.jpg",
}


def test_a_folder_is_mirrored(tree):
    assert places("album") == ALBUM


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("album/*.png", {"album/a.png": "a.png"}),
        ("album/**", ALBUM),
        (
            "album/**/*.[pt][ni][gf]",
            {"album/1998/may/d.png": "1998/may/d.png", "album/a.png": "a.png"},
        ),
        ("album/*/", {k: v for k, v in ALBUM.items() if "1998" in k}),
        ("*/1998/c.*", {"album/1998/c.TIF": "album/1998/c.TIF"}),
        ("*.webp", {"single.webp": "single.webp"}),
    ],
)
def test_patterns(tree, pattern, expected):
    assert places(pattern) == expected


def test_a_name_that_looks_like_a_pattern_is_a_name(tree):
    Path("scan[1].png").touch()
    assert places("scan[1].png") == {"scan[1].png": "scan[1].png"}


def test_lists(tree):
    Path("list.txt").write_text("# all of it\n\nsingle.webp\nalbum/1998/may\n  album/*.jpg \n")
    expected = {
        "single.webp": "single.webp",
        "album/1998/may/d.png": "d.png",
        "album/b.jpg": "b.jpg",
    }
    assert places("@list.txt") == expected
    assert places(lists=["list.txt"]) == expected


def test_a_file_named_twice_counts_once(tree):
    assert places("album/a.png", "album", "album/../album/a.png") == ALBUM


def test_a_file_that_does_not_exist_is_left_to_the_reader(tree):
    assert places("absent.png") == {"absent.png": "absent.png"}


def test_the_output_is_no_input(tree):
    assert places("album", without=Path("album/1998")) == {
        "album/a.png": "a.png",
        "album/b.jpg": "b.jpg",
    }
    assert "album/1998/c.TIF" not in places("album/**", without=Path("album/1998"))
    assert places("album", without=Path("album")) == ALBUM


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no inputs: give files, folders, patterns or lists of them"),
        (["album", "empty"], "empty: no images or films there"),
        (["*.xyz"], r"\*.xyz: no images or films there"),
        (["@absent.txt"], "absent.txt: cannot be read as a list of files: "),
    ],
)
def test_nothing_to_colour(tree, arguments, message):
    with pytest.raises(InputError, match=message):
        find_inputs(arguments)


def targets(*sources, output="out", **formats):
    found = {Path(source): Path(source) for source in sources}
    return [str(job.target) for job in plan(found, Path(output), **formats)]


def test_names_of_the_results():
    assert targets("x/a.png", "b.JPG", "c.gif", "film.avi", "film.webm") == [
        "out/x/a.png",
        "out/b.JPG",
        "out/c.png",
        "out/film.mkv",
        "out/film.webm",
    ]


def test_formats():
    names = targets("a.tif", "b.jpg", "f.mkv", image_format=".jpg", film_format=".mp4")
    assert names == ["out/a.jpg", "out/b.jpg", "out/f.mp4"]


def test_results_of_one_name_get_different_names():
    assert targets("a.png", "a.jpg", "a.gif", "b.jpg", image_format=".png") == [
        "out/a.png",
        "out/a.jpg.png",
        "out/a.gif.png",
        "out/b.png",
    ]


def test_results_that_cannot_have_different_names():
    found = {Path("x/a.png"): Path("a.png"), Path("y/a.png"): Path("a.png")}
    with pytest.raises(InputError) as caught:
        plan(found, Path("out"))
    assert str(caught.value) == (
        "x/a.png and y/a.png would both become out/a.png: colour them into different folders"
    )


def test_an_output_file():
    found = {Path("a.tif"): Path("a.tif")}
    assert plan(found, Path("x/b.jpg")) == [Job(Path("a.tif"), Path("x/b.jpg"))]


@pytest.mark.parametrize(
    ("sources", "output", "message"),
    [
        (["a.png", "b.png"], "c.png", "c.png: one output file for 2 inputs; give a folder"),
        (["a.mp4"], "c.png", "c.png: a.mp4 cannot be written as .png"),
        (["a.png"], "c.mp4", "c.mp4: a.png cannot be written as .mp4"),
    ],
)
def test_output_files_that_make_no_sense(sources, output, message):
    with pytest.raises(InputError) as caught:
        targets(*sources, output=output)
    assert str(caught.value) == message


def test_an_input_is_never_replaced(tree):
    for arguments, output in ((["album"], "album"), (["album/a.png"], "album/../album/a.png")):
        with pytest.raises(InputError, match="a.png is an input and would be replaced|c.TIF is an"):
            plan(find_inputs(arguments), Path(output))
    with pytest.raises(InputError, match="album/a.png is an input"):
        plan(find_inputs(["album/a.png", "single.webp"]), Path("album"))


# The flow


@pytest.fixture(scope="module")
def colorizer(tmp_path_factory):
    return Colorizer(
        write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny"), size=(24, 32)
    )


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_images_come_in_order_with_their_errors(tmp_path, colorizer):
    jobs = [Job(tmp_path / f"{i}.png", tmp_path / "out" / f"{i}.png") for i in range(30)]
    for i, job in enumerate(jobs):
        if i % 7 == 3:
            job.source.write_text("no image")
        else:
            write_image(job.source, Picture(noise(i, 20 + i, 40 - i, 3)))
    results = list(colour_images(jobs, colorizer, batch=4))
    assert [job for job, _ in results] == jobs
    for i, (job, error) in enumerate(results):
        assert isinstance(error, ImageError) if i % 7 == 3 else error is None
        assert job.target.exists() == (i % 7 != 3)


@pytest.mark.parametrize("finish", [None, Finish("joint_bilateral", "growing")])
@pytest.mark.parametrize("strength", [0, 0.8])
def test_steadied_and_refined_frames_come_in_order(colorizer, finish, strength):
    frames = [(noise(i, 21, 33, 3), 10 * i) for i in range(20)]
    results = list(coloured_frames(frames, colorizer, 3, finish, strength))
    assert [pts for _, pts in results] == [pts for _, pts in frames]
    own = np.stack([lightness(frame) for frame, _ in frames])
    nearest = [np.abs(own - lightness(rgb)).mean(axis=(1, 2)).argmin() for rgb, _ in results]
    assert nearest == list(range(20))


def test_the_strength_steadies(colorizer):
    """Frames of one picture whose noise makes the network change its mind."""
    still = np.kron(noise(5, 7, 11, 3), np.ones((3, 3, 1), np.uint8))
    shaken = [
        np.clip(still + np.random.default_rng(i).normal(0, 9, still.shape), 0, 255)
        for i in range(12)
    ]
    frames = [(frame.astype(np.uint8), i) for i, frame in enumerate(shaken)]

    def change(strength):
        results = [
            sRGB_to_Lab(rgb / np.float32(255))[..., 1:]
            for rgb, _ in coloured_frames(frames, colorizer, 4, strength=strength)
        ]
        return np.mean([np.abs(b - a).mean() for a, b in zip(results, results[1:])])

    assert change(0.85) < 0.7 * change(0)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_frames_come_in_order_whatever_the_batch(colorizer, size):
    frames = [(noise(i, 21, 33, 3), 10 * i) for i in range(20)]
    results = list(coloured_frames(frames, colorizer, size))
    assert [pts for _, pts in results] == [pts for _, pts in frames]
    for (result, _), (frame, _) in zip(results, frames):
        assert np.abs(result.astype(int) - colorizer(frame)).max() <= 1


def test_few_frames_are_in_memory(colorizer):
    """What was read and has not come out yet is bounded, however long the film is."""
    read, furthest = 0, 0

    def frames():
        nonlocal read
        for i in range(300):
            read += 1
            yield noise(1, 21, 33, 3), i

    for written, _ in enumerate(coloured_frames(frames(), colorizer, 4)):
        furthest = max(furthest, read - written)
    assert read == 300
    assert furthest <= 4 * 4 + pipeline.ITEMS_AHEAD + 2 * pipeline.WORKERS


def test_large_images_are_not_read_far_ahead(monkeypatch, colorizer):
    monkeypatch.setattr(pipeline, "PIXELS_AHEAD", 21 * 33 * 2)
    frames = [(noise(i, 21, 33, 3), i) for i in range(20)]
    results = list(coloured_frames(frames, colorizer, 8))
    assert [pts for _, pts in results] == list(range(20))


def test_images_of_their_own_sizes(tmp_path, colorizer):
    jobs = [Job(tmp_path / f"{i}.png", tmp_path / "out" / f"{i}.png") for i in range(6)]
    for i, job in enumerate(jobs):
        write_image(job.source, Picture(noise(i, (20, 24)[i % 2], 28, 3)))
    own = Colorizer(colorizer.network.deploy, size=None)
    assert [error for _, error in colour_images(jobs, own, batch=3)] == [None] * 6


def test_leaving_early_stops_the_workers(colorizer):
    frames = ((noise(i, 21, 33, 3), i) for i in range(1000))
    flow = coloured_frames(frames, colorizer, 4)
    next(flow)
    flow.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def test_an_error_of_the_film_comes_out(colorizer):
    def frames():
        yield noise(1, 21, 33, 3), 0
        raise ImageError("broken")

    with pytest.raises(ImageError, match="broken"):
        list(coloured_frames(frames(), colorizer, 4))

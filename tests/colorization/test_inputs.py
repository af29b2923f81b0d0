"""Which files are coloured, and where their results go."""

import subprocess
import sys
from pathlib import Path

import pytest

from colorization.inputs import InputError, Job, find_inputs, plan


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


@pytest.mark.parametrize("name", ["e.avif", "e.JFIF", "e.jpe"])
def test_less_common_kinds_of_images_are_found(tree, name):
    Path("album", name).touch()
    assert places("album") == {**ALBUM, f"album/{name}": name}


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


def test_a_list_that_begins_with_a_byte_order_mark(tree):
    Path("list.txt").write_text("single.webp\n", "utf-8-sig")
    assert places("@list.txt") == {"single.webp": "single.webp"}


def test_links_to_folders_are_followed(tree):
    Path("elsewhere/deeper").mkdir(parents=True)
    Path("elsewhere/deeper/e.png").touch()
    Path("album/linked").symlink_to(Path("../elsewhere"))
    expected = {**ALBUM, "album/linked/deeper/e.png": "linked/deeper/e.png"}
    assert places("album") == expected
    assert places("album/**") == expected


@pytest.mark.parametrize("argument", ["album", "album/**"])
def test_a_folder_with_several_names_counts_once(tree, argument):
    """Under its own name, whatever the order; links that lead back end no run."""
    Path("album/0").symlink_to("1998")
    Path("album/1998/again").symlink_to("..")
    Path("album/1998/zz").symlink_to("may")
    assert places(argument) == ALBUM


def test_links_to_files_are_files_of_their_own(tree):
    Path("album/A cover.png").symlink_to("a.png")
    expected = {**ALBUM, "album/A cover.png": "A cover.png"}
    assert places("album", "album/A cover.png", "album/1998/..") == expected


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


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("b.gif", "b.gif: images are written as .bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp"),
        ("x/b.AVI", "x/b.AVI: films are written as .m4v, .mkv, .mov, .mp4, .webm"),
    ],
)
@pytest.mark.parametrize("sources", [["a.png"], ["a.png", "b.png"]])
def test_output_files_of_a_kind_that_cannot_be_written(sources, output, message):
    with pytest.raises(InputError) as caught:
        targets(*sources, output=output)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "output", ["album/notes.txt", "album/notes.txt/below/it", "album/notes.txt/b.png"]
)
def test_a_file_where_a_folder_is_expected(tree, output):
    with pytest.raises(InputError) as caught:
        targets("single.webp", output=output)
    assert str(caught.value) == "album/notes.txt: it is a file, where a folder is expected"


@pytest.mark.parametrize(("output", "exists"), [("b.gif", True), ("b.png", True), ("v1.2", False)])
def test_output_folders_with_a_dot(tree, output, exists):
    if exists:
        Path(output).mkdir()
    assert targets("a.png", output=output) == [f"{output}/a.png"]


def test_an_input_is_never_replaced(tree):
    for arguments, output in ((["album"], "album"), (["album/a.png"], "album/../album/a.png")):
        with pytest.raises(InputError, match="a.png is an input and would be replaced|c.TIF is an"):
            plan(find_inputs(arguments), Path(output))
    with pytest.raises(InputError, match="album/a.png is an input"):
        plan(find_inputs(["album/a.png", "single.webp"]), Path("album"))


def test_finding_the_inputs_loads_no_large_library():
    code = (
        "import sys, colorization.inputs\n"
        "print({'av', 'cv2', 'numba', 'numpy', 'PIL', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

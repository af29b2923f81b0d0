"""The command from end to end: images, films, references, scribbles, a tiny network, errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from module_from_file import load_module
from tiny_network import write_tiny_network

from colorization import film_parts
from colorization.colour import sRGB_to_Lab
from colorization.images import Picture, read_image, write_image
from colorization.inference import lightness, paint
from colorization.video import open_video, write_video

SCRIPT = Path(__file__).parents[2] / "scripts" / "colorize_by_example.py"
ORANGE, BLUE = (140, 60, 20), (150, 200, 250)


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def halves(H, W, dtype=np.uint8):
    rgb = np.empty((H, W, 3), dtype)
    rgb[:, : W // 2], rgb[:, W // 2 :] = ORANGE, BLUE
    return rgb * (257 if dtype == np.uint16 else 1)


def grey(rgb):
    L = lightness(rgb)
    return paint(L, np.zeros((2, *L.shape), np.float32), rgb.dtype)


def save(path, rgb, alpha=None):
    write_image(path, Picture(rgb, alpha))
    return str(path)


def run(main, *arguments, capsys):
    """Return the exit code, stdout and stderr."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def assert_halves(rgb, atol=2):
    """The halves, away from where they meet."""
    H, W, _ = rgb.shape
    away = np.abs(np.arange(W) - (W - 1) / 2) > 4
    result, expected = (x.astype(float) / np.iinfo(x.dtype).max for x in (rgb, halves(H, W)))
    np.testing.assert_allclose(result[:, away], expected[:, away], atol=atol / 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_image_by_a_reference_keeps_its_lightness_alpha_and_bits(main, folder, capsys, dtype):
    save("reference.png", halves(51, 64))
    alpha = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (30, 44), dtype)
    save("old.png", grey(halves(30, 44, dtype)), alpha)
    command = ("old.png", "--method", "welsh", "--reference", "reference.png")
    assert run(main, *command, "--output", "new.png", capsys=capsys) == (
        0,
        "1 coloured, 0 skipped, 0 failed\n",
        "",
    )
    picture, old = read_image("new.png"), read_image("old.png")
    assert picture.rgb.dtype == dtype
    np.testing.assert_array_equal(picture.alpha, alpha)
    assert_halves(picture.rgb)
    difference = sRGB_to_Lab(picture.rgb / np.iinfo(dtype).max)[..., 0] - lightness(old.rgb)
    assert np.abs(difference).max() < 0.4


def test_a_reference_of_16_bits_and_another_in_a_folder(main, folder, capsys):
    save("references/a.png", halves(40, 50, np.uint16))
    save("references/b.jpg", halves(37, 60))
    save("old.png", grey(halves(30, 44)))
    command = ("--method", "welsh", "--reference", "references", "--output", "out", "old.png")
    code, out, err = run(main, "old.png", *command[:-1], capsys=capsys)
    assert (code, err) == (0, "")
    assert_halves(read_image("out/old.png").rgb, atol=4)


def test_deshpande_by_two_references(main, folder, capsys):
    pytest.importorskip("sklearn")
    save("a.png", halves(40, 50))
    save("b.png", halves(44, 62))
    save("old.png", grey(halves(30, 44)))
    command = ("old.png", "--method", "deshpande", "--reference", "a.png", "b.png")
    for options in ((), ("--match-histogram",)):
        output = ("--output", f"out{len(options)}")
        code, out, err = run(main, *command, *options, *output, capsys=capsys)
        assert (code, out, err) == (0, "1 coloured, 0 skipped, 0 failed\n", "")
    assert_halves(read_image("out0/old.png").rgb, atol=20)


def test_an_interrupted_film_goes_on(main, folder, capsys, monkeypatch):
    monkeypatch.setattr(film_parts, "FRAMES", 2)
    save("reference.png", halves(48, 64))
    write_video("film.mp4", [grey(np.roll(halves(40, 56), n, axis=1)) for n in range(5)], 25)
    command = ("film.mp4", "--method", "welsh", "--reference", "reference.png")
    assert run(main, *command, "--output", "whole.mp4", capsys=capsys)[0] == 0
    write = film_parts.ResumableWriter.write

    def interrupted_at_3(writer, *frame):
        if writer._count == 3:
            raise KeyboardInterrupt
        write(writer, *frame)

    with monkeypatch.context() as patch:
        patch.setattr(film_parts.ResumableWriter, "write", interrupted_at_3)
        assert run(main, *command, capsys=capsys)[0] == 130
    assert not Path("colorized/film.mp4").exists()
    code, out, _ = run(main, *command, capsys=capsys)
    assert code == 0 and out.startswith("film.mp4: goes on at frame 2\n")
    with open_video("whole.mp4") as whole, open_video("colorized/film.mp4") as film:
        for (expected, time), (frame, pts) in zip(whole, film, strict=True):
            assert pts == time and np.abs(frame.astype(int) - expected).mean() < 0.5


def test_a_film_is_coloured_frame_by_frame(main, folder, capsys):
    save("reference.png", halves(51, 64))
    frames = [np.roll(grey(halves(36, 52)), shift, axis=0) for shift in range(7)]
    write_video("film.mp4", frames, 25)
    command = ("film.mp4", "--method", "welsh", "--reference", "reference.png", "--crf", 1)
    assert run(main, *command, capsys=capsys) == (0, "1 coloured, 0 skipped, 0 failed\n", "")
    with open_video("film.mp4") as before, open_video("colorized/film.mp4") as after:
        times = [[pts * film.time_base for _, pts in film] for film in (before, after)]
    assert times[0] == times[1]
    with open_video("colorized/film.mp4") as film:
        frames = [frame for frame, _ in film]
    assert [frame.shape for frame in frames] == [(36, 52, 3)] * 7
    for frame in frames:
        assert_halves(frame, atol=12)


def stroked(H, W):
    """The grey halves with a stroke of its colour on each."""
    image, colours = grey(halves(H, W)), halves(H, W)
    for column in (W // 8, -W // 8):
        image[H // 4 : -H // 4, column] = colours[H // 4 : -H // 4, column]
    return image


def test_scribbles_one_file(main, folder, capsys):
    save("old.png", grey(halves(40, 56)))
    save("strokes.png", stroked(40, 56))
    command = ("old.png", "--method", "levin", "--scribbles", "strokes.png", "--output", "new.png")
    assert run(main, *command, capsys=capsys)[0] == 0
    result = read_image("new.png").rgb
    assert_halves(result, atol=6)
    np.testing.assert_allclose(result[20, 7].astype(int), ORANGE, atol=1)


def test_scribbles_in_a_folder_and_one_that_is_missing(main, folder, capsys):
    for name, size in (("a.png", (40, 56)), ("deep/b.tif", (44, 58)), ("c.png", (40, 50))):
        save(f"in/{name}", grey(halves(*size)))
    save("strokes/a.png", stroked(40, 56))
    save("strokes/deep/b.png", stroked(44, 58))
    command = ("in", "--method", "levin", "--scribbles", "strokes", "--output", "out")
    code, out, err = run(main, *command, capsys=capsys)
    assert (code, out) == (1, "2 coloured, 0 skipped, 1 failed\n")
    assert err == "in/c.png: no scribbles for it: strokes/c.png is missing\n"
    assert_halves(read_image("out/a.png").rgb, atol=6)
    assert_halves(read_image("out/deep/b.tif").rgb, atol=6)


def test_bad_files_and_scribbles_cost_a_line_each(main, folder, capsys):
    for name in ("a.png", "b.png", "c.png"):
        save(f"in/{name}", grey(halves(40, 56)))
    Path("in/d.png").write_bytes(b"no image")
    write_video("in/e.mp4", [grey(halves(40, 56))] * 3, 25)
    save("strokes/a.png", stroked(40, 56)[:30])
    save("strokes/b.png", grey(halves(40, 56)))
    Path("strokes/c.png").touch()
    for name in ("d.png", "e.png"):
        save(f"strokes/{name}", stroked(40, 56))
    command = ("in", "--method", "levin", "--scribbles", "strokes", "--output", "out")
    code, out, err = run(main, *command, capsys=capsys)
    assert (code, out) == (1, "0 coloured, 0 skipped, 5 failed\n")
    assert err.splitlines() == [
        "in/a.png: scribbles: expected 56x40 as the target, got 56x30",
        "in/b.png: scribbles: none found, no pixel differs from the grey target",
        "strokes/c.png: the file is empty",
        "in/d.png: not an image of a known format",
        "in/e.mp4: a film has no scribbles of its own; colour its frames as images",
    ]
    assert not Path("out").exists()


def test_scribbles_from_a_network(main, folder, capsys, tmp_path_factory):
    network = write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny")
    save("old.png", grey(halves(60, 84)))
    write_video("film.mp4", [grey(halves(40, 56))] * 3, 25)
    command = ("old.png", "film.mp4", "--method", "auto_scribbles", "--network", network)
    assert run(main, *command, capsys=capsys) == (0, "2 coloured, 0 skipped, 0 failed\n", "")
    assert np.ptp(read_image("colorized/old.png").rgb.astype(int), axis=2).mean() > 5


def test_a_network_without_histogram_is_told(main, folder, capsys, tmp_path_factory):
    network = write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny", histogram=False)
    save("old.png", grey(halves(60, 84)))
    command = ("old.png", "--method", "auto_scribbles", "--network", network)
    code, out, err = run(main, *command, capsys=capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "the network predicts ab without a histogram" in err


def test_finished_files_are_skipped(main, folder, capsys):
    save("reference.png", halves(51, 64))
    save("in/a.png", grey(halves(30, 44)))
    command = ("in", "--method", "welsh", "--reference", "reference.png")
    assert run(main, *command, capsys=capsys)[0] == 0
    before = Path("colorized/a.png").stat().st_mtime_ns
    assert run(main, *command, capsys=capsys)[1] == (
        "0 coloured, 1 skipped, 0 failed (1 there already; --overwrite colours them again)\n"
    )
    assert Path("colorized/a.png").stat().st_mtime_ns == before
    out = run(main, *command, "--overwrite", capsys=capsys)[1]
    assert out == "1 coloured, 0 skipped, 0 failed\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("a.png --method welsh", "--method welsh needs --reference"),
        ("a.png --method levin", "--method levin needs --scribbles"),
        ("a.png --method welsh --reference no.png", "no.png: No such file or directory"),
        ("a.png --method welsh --reference empty", "empty: no images or films there"),
        (
            "a.png --method levin --scribbles a.png --reference b.png",
            "--reference is for --method welsh and deshpande",
        ),
        (
            "a.png --method welsh --reference b.png --network plain",
            "--network is for --method auto_scribbles",
        ),
        (
            "a.png --method welsh --reference b.png --match-histogram",
            "--match-histogram is for --method deshpande",
        ),
        ("a.png --method levin --scribbles no", "--scribbles no: no such file or folder"),
        (
            "a.png b.png --method levin --scribbles a.png",
            "--scribbles a.png: one file for 2 inputs; give a folder",
        ),
        (
            "--method welsh --reference b.png",
            "no inputs: give files, folders, patterns or lists of them",
        ),
        (
            "a.png --method welsh --reference b.png --output a.png",
            "a.png is an input and would be replaced: choose an --output",
        ),
    ],
)
def test_wrong_usage(main, folder, capsys, arguments, message):
    for name in ("a.png", "b.png"):
        save(name, halves(20, 30))
    Path("empty").mkdir()
    code, out, err = run(main, *arguments.split(), capsys=capsys)
    assert (code, out, err) == (2, "", f"colorize_by_example: {message}\n")
    assert not Path("colorized").exists()


def test_help_loads_nothing_heavy(folder):
    code = (
        "import runpy, sys\n"
        "sys.argv = ['colorize_by_example', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    heavy = {'torch', 'numpy', 'cv2', 'av', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "    sys.exit(f'{end.code} {heavy}' if end.code or heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: colorize_by_example ")


def test_the_methods_are_those_of_the_library_which_loads_late(main):
    code = (
        "import sys; from colorization.baselines import METHODS\n"
        "print(*METHODS, *{'numpy', 'scipy', 'sklearn', 'torch'} & set(sys.modules))"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert tuple(out.split()) == main.__globals__["METHODS"]

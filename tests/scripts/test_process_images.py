"""The command from end to end, with a tiny network: files, films, errors, interruptions."""

import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from module_from_file import load_module
from PIL import Image
from skimage import color
from tiny_network import write_tiny_network

from colorization.images import Picture, read_image, write_image
from colorization.video import Quality, VideoWriter, open_video, write_video

SCRIPT = Path(__file__).parents[2] / "scripts" / "process_images.py"


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return str(write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def noise(*shape, dtype=np.uint8, seed=3):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)


def grey(H, W, seed=3):
    return np.dstack([noise(H, W, seed=seed)] * 3)


def save(path, rgb):
    write_image(path, Picture(rgb))
    return str(path)


def chroma(path):
    return np.ptp(read_image(path).rgb.astype(int), axis=2).mean()


def run(main, *arguments, capsys):
    """Return the exit code, stdout and stderr."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_one_image_to_one_file(main, network, folder, capsys):
    original = noise(41, 57, 3)
    source = save(folder / "a.png", original)
    code, out, err = run(main, source, "--output", "b.tif", "--network", network, capsys=capsys)
    assert (code, err) == (0, "")
    assert out == (
        f"{network}/deploy.prototxt with {network}/tiny.caffemodel on the CPU\n"
        "1 coloured, 0 skipped, 0 failed\n"
    )
    result = read_image("b.tif").rgb
    assert result.shape == original.shape
    difference = color.rgb2lab(result)[:, :, 0] - color.rgb2lab(original)[:, :, 0]
    unclipped = ((result > 0) & (result < 255)).all(axis=2)
    assert unclipped.mean() > 0.1
    assert np.abs(difference[unclipped]).max() < 0.4
    assert np.array_equal(read_image("a.png").rgb, original)


def test_images_folders_patterns_lists_and_films_in_one_command(main, network, folder, capsys):
    save("one.jpg", grey(20, 30))
    save("album/a.png", grey(20, 30, 4))
    save("album/deep/er/b.bmp", grey(25, 31, 5))
    save("scans/c1.tif", grey(20, 30, 6))
    save("scans/c2.png", grey(20, 30, 7))
    save("listed.webp", grey(20, 30, 8))
    Path("list.txt").write_text("# one\nlisted.webp\n")
    write_video("film.mp4", [grey(20, 30, seed) for seed in range(9)], 25)
    command = ("one.jpg", "album", "scans/c*.tif", "--list", "list.txt", "film.mp4")
    code, out, err = run(
        main, *command, "--output", "out", "--network", network, "--batch", 2, capsys=capsys
    )
    assert (code, err) == (0, "")
    assert out.endswith("\n6 coloured, 0 skipped, 0 failed\n")
    written = sorted(str(path) for path in Path("out").rglob("*") if path.is_file())
    assert written == [
        "out/a.png",
        "out/c1.tif",
        "out/deep/er/b.bmp",
        "out/film.mp4",
        "out/listed.webp",
        "out/one.jpg",
    ]
    for name in written:
        if not name.endswith(".mp4"):
            assert chroma(name) > 10
    with open_video("out/film.mp4") as film:
        frames = [frame for frame, _ in film]
    assert [frame.shape for frame in frames] == [(20, 30, 3)] * 9
    assert np.ptp(frames[4].astype(int), axis=2).mean() > 5


def test_a_film_keeps_times_and_frames(main, network, folder, capsys):
    """Uneven times; each frame is coloured as if it were an image."""
    frames = [grey(36, 52, seed) for seed in range(11)]
    times = [0, 40, 60, 200, 210, 300, 400, 500, 600, 700, 1000]
    with av.open("film.mkv", "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 36, 52, "bgr0"
        stream.codec_context.time_base = Fraction(1, 1000)
        for image, pts in zip(frames, times):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = pts, stream.codec_context.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    command = ("film.mkv", "--output", "out", "--network", network, "--crf", 1, "--batch", 4)
    assert run(main, *command, capsys=capsys)[0] == 0
    with open_video("out/film.mkv") as film:
        assert [1000 * pts * film.time_base for _, pts in film] == times


def test_a_deep_film_stays_deep(main, network, folder, capsys):
    ramp = np.linspace(0, 65535, 640).astype(np.uint16)[None, :, None].repeat(32, 0).repeat(3, 2)
    with VideoWriter("film.mkv", quality=Quality(0, depth=10)) as writer:
        for _ in range(3):
            writer.write(ramp)
    command = ("film.mkv", "--network", network, "--crf", 1)
    code, _, err = run(main, *command, "--output", "shallow", capsys=capsys)
    told = "with 8 of the 10 bits of a channel; --depth 10 keeps more"
    assert code == 0 and err == f"shallow/film.mkv: {told}\n"
    code, _, err = run(main, *command, "--output", "deep", "--depth", 10, capsys=capsys)
    assert code == 0 and not err
    levels = []
    for name in ("shallow", "deep"):
        with open_video(f"{name}/film.mkv", depth=10) as film:
            levels.append(len(np.unique(next(iter(film))[0][16])))
    assert levels[1] > 2 * levels[0]


def test_16_bits_and_alpha(main, network, folder, capsys):
    rgb, alpha = noise(20, 30, 3, dtype=np.uint16), noise(20, 30, dtype=np.uint16)
    write_image("a.png", Picture(rgb, alpha))
    assert run(main, "a.png", "--network", network, capsys=capsys)[0] == 0
    picture = read_image("colorized/a.png")
    assert picture.rgb.dtype == np.uint16
    assert np.array_equal(picture.alpha, alpha)
    assert (picture.rgb % 257 != 0).any()


def test_bad_files_do_not_stop_the_rest(main, network, folder, capsys):
    Path("a_empty.png").touch()
    save("b.png", grey(20, 30))
    Path("c_cut.png").write_bytes(Path("b.png").read_bytes()[:-300])
    Path("d_empty.mp4").touch()
    Path("e_text.mkv").write_text("Once upon a time. " * 20)
    write_video("f_cut.mkv", [noise(32, 64, 3, seed=seed) for seed in range(60)], 25)
    film = Path("f_cut.mkv").read_bytes()
    Path("f_cut.mkv").write_bytes(film[: len(film) // 2])
    save("g.jpg", grey(20, 30))
    names = sorted(path.name for path in folder.iterdir())
    code, out, err = run(main, *names, "absent.jpg", "--network", network, capsys=capsys)
    assert code == 1
    assert out.endswith("\n2 coloured, 0 skipped, 6 failed\n")
    lines = err.splitlines()
    bad = ["a_empty.png", "c_cut.png", "absent.jpg", "d_empty.mp4", "e_text.mkv", "f_cut.mkv"]
    assert [line.split(": ")[0] for line in lines] == bad
    assert lines[0] == "a_empty.png: the file is empty"
    assert lines[2] == "absent.jpg: No such file or directory"
    assert lines[5].startswith("f_cut.mkv: the file is cut off at ")
    assert sorted(path.name for path in Path("colorized").iterdir()) == ["b.png", "g.jpg"]


def test_finished_files_are_skipped(main, network, folder, capsys):
    for name in ("a.png", "b.png"):
        save(folder / "in" / name, grey(20, 30))
    command = ("in", "--network", network)
    assert "2 coloured, 0 skipped" in run(main, *command, capsys=capsys)[1]
    save("in/c.png", grey(20, 30))
    Path("colorized/a.png").unlink()
    before = Path("colorized/b.png").stat().st_mtime_ns
    assert (
        "2 coloured, 1 skipped, 0 failed (1 there already" in run(main, *command, capsys=capsys)[1]
    )
    assert run(main, *command, capsys=capsys) == (
        0,
        "0 coloured, 3 skipped, 0 failed (3 there already; --overwrite colours them again)\n",
        "",
    )
    assert Path("colorized/b.png").stat().st_mtime_ns == before
    assert "3 coloured" in run(main, *command, "--overwrite", capsys=capsys)[1]
    assert Path("colorized/b.png").stat().st_mtime_ns > before


def test_coloured_images_are_copied_if_asked(main, network, folder, capsys):
    save("grey.jpg", grey(20, 30))
    save("coloured.jpg", noise(20, 30, 3))
    save("coloured.bmp", noise(20, 30, 3))
    command = ("grey.jpg", "coloured.jpg", "coloured.bmp", "--network", network)
    code, out, _ = run(main, *command, "--skip-coloured", capsys=capsys)
    assert code == 0
    assert out.endswith("1 coloured, 2 skipped, 0 failed\n")
    assert Path("colorized/coloured.jpg").read_bytes() == Path("coloured.jpg").read_bytes()
    assert chroma("colorized/grey.jpg") > 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "--network", "plian"], 'network "plian": neither a folder'),
        (["a.png", "--network", "plain"], "train: train_network plain --data DATA --work WORK"),
        (
            ["a.png", "--network", "NET", "--weights", "no.caffemodel"],
            "no.caffemodel: no such file",
        ),
        (["--network", "NET"], "no inputs: give files, folders, patterns or lists of them"),
        (["empty", "--network", "NET"], "empty: no images or films there"),
        (["a.png", "--network", "NET", "--output", "a.png"], "a.png is an input and would be"),
        (["a.png", "b.png", "--network", "NET", "--output", "c.png"], "one output file for 2"),
        (["a.png", "--network", "NET", "--temperature", "1"], "--temperature is for --decode"),
        (
            ["a.png", "--network", "NET", "--refine", "blur"],
            "expected one of guided, smooth, gro",
        ),
        (["a.png", "--network", "NET", "--upsample", "cubic"], "expected one of spline, joint_bi"),
        (["a.png", "--network", "NET", "--ensemble", "plian"], 'network "plian": neither a folder'),
        (["a.png", "--network", "NET", "--refine-members", "smooth"], "is for an --ensemble"),
        (["a.png", "--network", "NET", "--format", "xyz"], "--format xyz: expected one of .bmp"),
    ],
)
def test_wrong_usage(main, network, folder, capsys, arguments, message):
    save("a.png", grey(20, 30))
    save("b.png", grey(20, 30))
    Path("empty").mkdir()
    arguments = [network if argument == "NET" else argument for argument in arguments]
    code, out, err = run(main, *arguments, capsys=capsys)
    assert (code, out) == (2, "")
    assert err.startswith("process_images: ")
    assert message in err
    assert err.count("\n") == 1
    assert not Path("colorized").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "big"], 'argument --size: expected WxH, a number or full, got "big"'),
        (["--size", "1x2x3"], "argument --size: expected WxH"),
        (["--batch", "0"], 'argument --batch: expected a whole number above 0, got "0"'),
        (["--gpu", "0", "--cpu"], "not allowed with"),
    ],
)
def test_options_that_cannot_be_read(main, capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(["a.png", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("size", ["48", "64x32", "0", "full"])
@pytest.mark.parametrize("decode", ["expectation", "sample"])
def test_sizes_and_decoders(main, network, folder, capsys, size, decode):
    save("a.png", grey(45, 59))
    command = ("a.png", "--network", network, "--size", size, "--decode", decode)
    assert run(main, *command, capsys=capsys)[0] == 0
    assert chroma("colorized/a.png") > 10


def test_options_that_change_the_colours(main, network, folder, capsys):
    save("a.png", grey(45, 59))
    variants = {
        "plain": (),
        "sized": ("--size", "96x48"),
        "annealed": ("--decode", "annealed_mean"),
        "cold": ("--decode", "annealed_mean", "--temperature", "0.1"),
        "mode": ("--decode", "mode"),
        "first": ("--decode", "sample"),
        "second": ("--decode", "sample", "--seed", "2"),
        "guided": ("--refine", "guided"),
        "bilateral": ("--upsample", "joint_bilateral"),
        "filled": ("--refine", "growing"),
        "together": ("--ensemble", "plain_quarter", "--mean", "Lab"),
        "refined": ("--ensemble", "plain_quarter", "--mean", "Lab", "--refine-members", "growing"),
    }
    results = {}
    for name, options in variants.items():
        command = ("a.png", "--network", network, "--output", f"{name}.png", *options)
        assert run(main, *command, capsys=capsys)[0] == 0
        results[name] = read_image(f"{name}.png").rgb.tobytes()
    assert len(set(results.values())) == len(variants)


def test_subtitles_that_are_lost_are_told(main, network, folder, capsys):
    Path("words.srt").write_text("1\n00:00:00,000 --> 00:00:00,200\nHello\n\n")
    write_video("silent.mkv", [grey(20, 30, seed) for seed in range(9)], 25)
    with (
        av.open("film.mkv", "w") as output,
        av.open("silent.mkv") as film,
        av.open("words.srt") as words,
    ):
        copies = [output.add_stream_from_template(source.streams[0]) for source in (film, words)]
        for source, copy in zip((film, words), copies):
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = copy
                    output.mux(packet)
    command = ("film.mkv", "--network", network, "--format", "mp4")
    code, _, err = run(main, *command, capsys=capsys)
    assert (code, err) == (0, "colorized/film.mp4: without subtitle (srt)\n")


def in_a_process(*arguments, **options):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell inherits that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


@pytest.mark.parametrize("kind", ["images", "film"])
def test_an_interruption_leaves_whole_files(network, folder, kind):
    if kind == "images":
        Path("in").mkdir()
        image = Image.fromarray(noise(500, 700))
        for i in range(300):
            image.save(f"in/{i:03}.png", compress_level=0)
        inputs = ["in", "--batch", "2"]
    else:
        save("in/000.png", grey(20, 30))
        write_video("in/film.mkv", (noise(240, 320, 3, seed=i) for i in range(300)), 25)
        inputs = ["in", "--batch", "2"]
    with in_a_process(*inputs, "--network", network, "--size", "full") as process:
        while not Path("colorized/000.png").exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "interrupted; the same command goes on where this one stopped\n"
    finished = sorted(path.name for path in Path("colorized").iterdir())
    assert finished[0] == "000.png"
    assert len(finished) < (300 if kind == "images" else 2)
    for name in finished:
        assert name.endswith(".png") and not name.startswith(".")
        read_image(Path("colorized") / name)


def test_help_loads_nothing_heavy(folder):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['process_images', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    heavy = {'torch', 'numpy', 'cv2', 'av', 'PIL', 'scipy'} & set(sys.modules)\n"
        "    sys.exit(f'{end.code} {heavy}' if end.code or heavy else 0)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("usage: process_images ")


def test_the_conditions_of_the_training_go_with_the_results(main, network, folder, capsys):
    save("pictures/a.png", grey(20, 30))
    conditions = Path(network) / "conditions.json"
    conditions.write_text('{"conditions": "3 iterations"}')
    try:
        assert run(main, "pictures", "--network", network, capsys=capsys)[0] == 0
    finally:
        conditions.unlink()
    assert Path("colorized/conditions.json").read_text() == '{"conditions": "3 iterations"}'

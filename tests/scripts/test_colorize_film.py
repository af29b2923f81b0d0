"""The command colorize_film: a film from grey to colour, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from module_from_file import load_module

from colorization import film_parts
from colorization.images import Picture, read_image, write_image
from colorization.video import open_video, write_video

SCRIPT = Path(__file__).parents[2] / "scripts" / "colorize_film.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def clip(tmp_path):
    rng = np.random.default_rng(1)
    scene = np.kron(rng.integers(0, 256, (6, 10)), np.ones((16, 16))).astype(np.uint8)
    frames = [np.repeat(np.roll(scene, 3 * i, 1)[:, :, None], 3, 2) for i in range(6)]
    write_video(tmp_path / "clip.mp4", frames, 12)
    return tmp_path / "clip.mp4"


def test_export_then_colour(clip, tmp_path):
    keys = tmp_path / "keys"
    result = run(clip, "--export", "0,5", "--keyframes", keys)
    assert (result.returncode, result.stdout) == (0, f"2 frames to colour in {keys}\n")
    for path in keys.iterdir():
        write_image(path, Picture(np.full((96, 160, 3), (200, 90, 40), np.uint8)))
    output = tmp_path / "out.mp4"
    arguments = [clip, "--keyframes", keys, "--output", output, "--iterations", 4]
    arguments += ["--batch", 2, "--precision", "fp32", "--size", 64]
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    assert f"{output}: coloured from 2 keyframes" in result.stdout
    with open_video(output) as film:
        frames = [frame for frame, _ in film]
        assert film.rate == 12
    assert len(frames) == 6 and frames[0].shape == (96, 160, 3)
    assert np.ptp(frames[3].astype(int), axis=2).max() > 8
    assert (tmp_path / "clip.mp4.work" / "model_iter_4.caffemodel").is_file()
    assert (tmp_path / "clip.mp4.work" / "sources.csv").is_file()


def test_colours_along_the_motion_need_no_training(clip, tmp_path):
    keys = tmp_path / "keys"
    assert run(clip, "--export", "0", "--keyframes", keys).returncode == 0
    colours = np.full((96, 160, 3), (200, 90, 40), np.uint8)
    write_image(keys / "frame_000000.png", Picture(colours))
    result = run(clip, "--keyframes", keys, "--colours", "motion", "--refine", "guided")
    assert result.returncode == 0, result.stderr
    assert "from the keyframe before, 0% from the keyframe after, 0% from the network" in (
        result.stdout
    )
    rows = (tmp_path / "clip.mp4.work" / "sources.csv").read_text().splitlines()
    assert rows[0].startswith("frame,shot,keyframe,before,after,network,uncertain")
    assert len(rows) == 7 and rows[1].startswith("0,0,1,1.0")
    assert not list((tmp_path / "clip.mp4.work").glob("*.caffemodel"))
    with open_video(tmp_path / "clip_coloured.mp4") as film:
        frames = [frame for frame, _ in film]
    assert all(np.ptp(frame.astype(int), axis=2).mean() > 40 for frame in frames)


@pytest.mark.parametrize(
    "break_it, message",
    [
        ("clip", "colorize_film: {clip}: the file is empty\n"),
        ("keys", "colorize_film: no keyframes: give coloured images, or folders that hold some\n"),
        ("name", "colorize_film: {keys}/first.png: the name has no frame number, expected one"),
        ("picture", "colorize_film: {keys}/f_1.png: not an image of a known format\n"),
        ("missing", "colorize_film: {keys}/nix.png: no such file or folder\n"),
    ],
)
def test_refusals_are_one_line(clip, tmp_path, break_it, message):
    keys = tmp_path / "keys"
    keys.mkdir()
    if break_it == "clip":
        clip.write_bytes(b"")
    if break_it == "name":
        write_image(keys / "first.png", Picture(np.zeros((8, 9, 3), np.uint8)))
    if break_it == "picture":
        (keys / "f_1.png").write_text("no picture")
    result = run(clip, "--keyframes", keys / "nix.png" if break_it == "missing" else keys)
    assert result.returncode == 1
    assert result.stderr.startswith(message.format(clip=clip, keys=keys))
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "clip_coloured.mp4").exists()


def test_wrong_usage(clip):
    assert run(clip).returncode == 2
    result = run(clip, "--keyframes", "k", "--export", "one")
    assert result.returncode == 2 and 'expected numbers like 0,40,80, got "one"' in result.stderr


@pytest.fixture
def main(capsys):
    """The command in this process: returns its exit code, output and errors."""
    command = load_module(SCRIPT)

    def call(*arguments):
        return (command.main([str(argument) for argument in arguments]), *capsys.readouterr())

    return call


def paint(keys, clip, numbers):
    """Give frames of a clip a colour each, and leave their L about as it is."""
    with open_video(clip) as film:
        for number, (frame, _) in enumerate(film):
            if number in numbers:
                shades = np.array([(0.9, 0.5, 0.3), (0.4, 0.6, 0.9)])[number % 2]
                image = (frame * shades + 20).astype(np.uint8)
                write_image(keys / f"frame_{number:06d}.png", Picture(image))
    return keys


@pytest.fixture
def keys(clip, tmp_path):
    return paint(tmp_path / "keys", clip, [0, 5])


def test_export_leaves_painted_frames_alone(clip, tmp_path, keys, main):
    before = (keys / "frame_000000.png").read_bytes()
    code, output, _ = main(clip, "--export", "0,3", "--keyframes", keys)
    kept = f"kept: {keys}/frame_000000.png\n"
    assert (code, output) == (0, f"1 frame to colour in {keys}\n{kept}")
    assert (keys / "frame_000000.png").read_bytes() == before
    other = tmp_path / "other"
    code, output, errors = main(clip, "--export", "0,6", "--keyframes", other)
    message = f"colorize_film: {clip}: has 6 frames, frame 6 is beyond them\n"
    assert (code, output, errors) == (1, "", message)
    assert not other.exists()


def test_frames_that_are_not_painted_do_not_count(clip, tmp_path, keys, main):
    arguments = (clip, "--keyframes", keys, "--colours", "motion")
    assert main(*arguments, "--output", tmp_path / "expected.mp4")[0] == 0
    assert main(clip, "--export", "3", "--keyframes", keys)[0] == 0
    code, output, errors = main(*arguments)
    grey = keys / "frame_000003.png"
    assert code == 0 and errors.splitlines()[0] == f"{grey}: passed over, as it has no colours yet"
    assert output.endswith("clip_coloured.mp4: coloured from 2 keyframes\n")
    films = (open_video(tmp_path / name) for name in ("expected.mp4", "clip_coloured.mp4"))
    for (frame, _), (other, _) in zip(*films, strict=True):
        np.testing.assert_array_equal(frame, other)
    code, _, errors = main(clip, "--keyframes", grey, "--colours", "motion")
    assert code == 1
    assert errors.splitlines()[1].startswith("colorize_film: no keyframe has colours yet")


def add_sound(clip, target, codec, subtitles=()):
    """Write a film again, with sound and subtitles."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as output:
        video = output.add_stream_from_template(source.streams.video[0])
        sound = output.add_stream(codec, rate=48000)
        sound.layout = "mono"
        if subtitles:
            text = output.add_stream_from_template(subtitles.streams.subtitles[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                output.mux(packet)
        samples = np.zeros((1, 1024), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        for packet in (*sound.encode(frame), *sound.encode(None)):
            output.mux(packet)
        if subtitles:
            for packet in subtitles.demux(subtitles=0):
                if packet.dts is not None:
                    packet.stream = text
                    output.mux(packet)
    return target


def test_what_is_wrong_with_the_output_is_told_before_the_training(clip, tmp_path, keys, main):
    sounding = add_sound(clip, tmp_path / "pcm.mov", "pcm_s16le")
    for output, expected, message in (
        ("out.gif", 1, ": films are written as .m4v, .mkv, .mov, .mp4, .webm"),
        ("out.webm", 1, ": .webm cannot hold the audio (pcm_s16le) of {clip}; write .mkv"),
        ("pcm.mov", 2, " is the input and would be replaced: choose an --output"),
    ):
        target = tmp_path / output
        code, _, errors = main(sounding, "--keyframes", keys, "--output", target)
        message = message.format(clip=sounding)
        assert (code, errors) == (expected, f"colorize_film: {target}{message}\n")
    assert not list(tmp_path.glob("*.work"))


@pytest.mark.parametrize(
    "name, expected",
    [
        ("shot.mov", "shot_coloured.mov"),
        ("shot.MKV", "shot_coloured.MKV"),
        ("shot.avi", "shot_coloured.mkv"),
        ("shot.webm", "shot_coloured.mkv"),
    ],
)
def test_the_default_output_takes_the_sound(clip, tmp_path, keys, main, name, expected):
    """A film is known by what is in it, whatever its name."""
    film = add_sound(clip, tmp_path / "pcm.mkv", "pcm_s16le").rename(tmp_path / name)
    code, output, errors = main(film, "--keyframes", keys, "--colours", "motion")
    assert code == 0, errors
    assert output.splitlines()[-1] == f"{tmp_path}/{expected}: coloured from 2 keyframes"
    assert (tmp_path / f"{name}.work" / "sources.csv").is_file()
    with av.open(str(tmp_path / expected)) as written:
        assert [stream.codec_context.name for stream in written.streams.audio] == ["pcm_s16le"]


def test_the_work_folder_lies_beside_the_output(clip, tmp_path, keys, main):
    output = tmp_path / "elsewhere" / "film.mkv"
    code, *_ = main(clip, "--keyframes", keys, "--colours", "motion", "--output", output)
    assert code == 0 and (tmp_path / "elsewhere" / "clip.mp4.work" / "sources.csv").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "elsewhere", "keys"]


def test_a_folder_that_cannot_be_made_is_one_line(clip, tmp_path, keys, main):
    (tmp_path / "file").write_text("no folder")
    work = tmp_path / "file" / "work"
    code, _, errors = main(clip, "--keyframes", keys, "--colours", "motion", "--work", work)
    assert code == 1 and errors.splitlines()[-1] == f"colorize_film: {work}: Not a directory"


def test_what_the_container_leaves_out_is_told(clip, tmp_path, keys, main):
    (tmp_path / "text.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nHello\n\n")
    with av.open(str(tmp_path / "text.srt")) as subtitles:
        film = add_sound(clip, tmp_path / "shot.mkv", "mp2", subtitles)
    target = tmp_path / "out.mp4"
    code, _, errors = main(film, "--keyframes", keys, "--colours", "motion", "--output", target)
    assert code == 0 and errors.splitlines()[-1] == f"{target}: without subtitle (srt)"


def test_only_its_own_films_are_replaced(clip, tmp_path, keys, main):
    output = tmp_path / "clip_coloured.mp4"
    output.write_text("an older film")
    arguments = (clip, "--keyframes", keys, "--colours", "motion")
    code, _, errors = main(*arguments)
    message = "exists, and colorize_film did not write it; choose another --output, or give"
    assert (code, errors) == (2, f"colorize_film: {output}: {message} --overwrite\n")
    assert output.read_text() == "an older film"
    assert main(*arguments, "--overwrite")[0] == 0
    first = output.read_bytes()
    paint(keys, clip, [3])
    assert main(*arguments)[0] == 0
    assert output.read_bytes() != first
    output.write_bytes(first)
    assert main(*arguments)[0] == 2 and output.read_bytes() == first


@pytest.fixture
def long_clip(tmp_path, monkeypatch):
    """A film of 24 frames with a cut, in parts of 5."""
    monkeypatch.setattr(film_parts, "FRAMES", 5)
    rng = np.random.default_rng(2)
    scenes = [np.kron(rng.integers(0, 256, (6, 10)), np.ones((16, 16))) for _ in range(2)]
    views = [np.roll(scenes[i // 12], 2 * i, 1).astype(np.uint8) for i in range(24)]
    write_video(tmp_path / "film.mp4", [np.repeat(v[:, :, None], 3, 2) for v in views], 12)
    return tmp_path / "film.mp4"


def interrupted(main, arguments, frame=18):
    write = film_parts.ResumableWriter.write

    def interrupting(self, *frame_and_pts):
        if self._count == frame:
            raise KeyboardInterrupt
        write(self, *frame_and_pts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(film_parts.ResumableWriter, "write", interrupting)
        return main(*arguments)


NETWORK = ["--iterations", 2, "--batch", 2, "--precision", "fp32", "--size", 64]


@pytest.mark.parametrize("colours", ["motion", "both", "network"])
def test_an_interrupted_film_goes_on(long_clip, tmp_path, main, colours, monkeypatch):
    keys = paint(tmp_path / "keys", long_clip, [2, 7, 14])
    arguments = [long_clip, "--keyframes", keys, "--colours", colours, *NETWORK]
    arguments += ["--temporal", 0.5, "--work", tmp_path / "work"]
    whole, output = tmp_path / "whole.mp4", tmp_path / "film_coloured.mp4"
    assert main(*arguments, "--output", whole)[0] == 0
    sources = tmp_path / "work" / "sources.csv"
    expected = sources.read_text() if colours != "network" else ""
    assert interrupted(main, arguments)[0] == 130 and not output.exists()
    seen = []
    if colours != "network":
        propagate = sys.modules["colorization.keyframe_film"].propagate
        monkeypatch.setattr(
            "colorization.keyframe_film.propagate",
            lambda *args, **options: seen.append(options["first"]) or propagate(*args, **options),
        )
    code, out, _ = main(*arguments)
    assert code == 0 and out.startswith(f"{long_clip}: goes on at frame 15\n")
    if colours != "network":
        assert seen == [14] and sources.read_text() == expected
        assert not (tmp_path / "work" / ".sources.part").exists()
    with open_video(whole) as one, open_video(output) as other:
        pairs = list(zip(one, other, strict=True))
    assert len(pairs) == 24
    for (frame, pts), (again, time) in pairs:
        unlike = np.abs(frame.astype(int) - again)  # x264 does not write the same bits each time
        assert pts == time and unlike.mean() < 0.1 and unlike.max() <= 8


def test_without_its_notes_a_film_goes_on_all_the_same(long_clip, tmp_path, main):
    keys = paint(tmp_path / "keys", long_clip, [2, 7, 14])
    arguments = [long_clip, "--keyframes", keys, "--colours", "motion"]
    assert interrupted(main, arguments)[0] == 130
    work = tmp_path / "film.mp4.work"
    (work / ".sources.part").unlink()
    code, out, _ = main(*arguments)
    assert code == 0 and "goes on at frame 15" in out
    assert len((work / "sources.csv").read_text().splitlines()) == 25


@pytest.mark.parametrize(
    "option",
    [
        ("--refine", "guided"),
        ("--colours", "network"),
        ("--crf", 20),
        ("--depth", 10),
        ("--temporal", 0.4),
        "paint",
    ],
)
def test_a_film_of_other_making_begins_anew(long_clip, tmp_path, main, option):
    keys = paint(tmp_path / "keys", long_clip, [2, 7, 14])
    arguments = [long_clip, "--keyframes", keys, "--colours", "motion", *NETWORK]
    assert interrupted(main, arguments)[0] == 130
    if option == "paint":
        image = read_image(keys / "frame_000014.png").rgb // 2
        write_image(keys / "frame_000014.png", Picture(image))
    else:
        arguments += option
    code, out, _ = main(*arguments)
    assert code == 0 and "goes on" not in out

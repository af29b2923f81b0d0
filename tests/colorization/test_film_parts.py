"""Films in parts: joined, they are what one encoder writes; interrupted, they go on."""

import os
import resource
import signal
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from colorization import film_parts
from colorization.film_parts import ResumableWriter
from colorization.video import (
    STANDARD,
    Quality,
    UnwritableError,
    VideoError,
    VideoWriter,
    open_video,
)

H, W = 36, 52
COUNT = 34  # frames: three parts, and the beginning of a fourth
TIMES = [40 * i for i in range(COUNT)]  # milliseconds
UNEVEN = [40 * i + i * i % 37 for i in range(COUNT)]
MADE_BY = {"network": "a digest", "size": (224, 224), "refine": None}


@pytest.fixture(autouse=True)
def parts_of_ten_frames(monkeypatch):
    """Let parts be short; and encode on one thread: with more, two runs may differ now and then."""
    add_video = VideoWriter._add_video

    def on_one_thread(self, height, width):
        add_video(self, height, width)
        self._stream.codec_context.thread_count = 1

    monkeypatch.setattr(film_parts, "FRAMES", 10)
    monkeypatch.setattr(VideoWriter, "_add_video", on_one_thread)


def pictures(count=COUNT, height=H, width=W):
    y, x = np.mgrid[:height, :width]
    planes = [np.stack((4 * x, 5 * y, 6 * t + x + y), axis=-1) % 256 for t in range(count)]
    return [plane.astype(np.uint8) for plane in planes]


def make_film(path, frames=None, times=TIMES, audio="aac", last=0):
    """Write a film without loss, with PyAV alone, and noise as its sound."""
    frames = pictures() if frames is None else frames
    with av.open(str(path), "w") as output:
        output.metadata["title"] = "A short film"
        stream = output.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "bgr0"
        stream.codec_context.time_base = Fraction(1, 1000)
        if audio:
            sound = output.add_stream(audio, rate=48000)
            sound.layout = "mono"
            add_sound(output, sound, times[-1] / 1000)
        for image, time in zip(frames, times):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            packets = stream.encode(frame)
            if last and time == times[-1]:
                packets[-1].duration = last
            output.mux(packets)
        output.mux(stream.encode(None))
    return path


def add_sound(output, stream, seconds):
    samples = np.random.default_rng(9).normal(0, 0.1, (1, int(48000 * seconds)))
    frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), format="fltp", layout="mono")
    frame.rate, frame.pts = 48000, 0
    resampler = av.AudioResampler(stream.format, "mono", 48000, frame_size=stream.frame_size)
    for part in (*resampler.resample(frame), *resampler.resample(None), None):
        output.mux(stream.encode(part))


def in_one(source, target):
    with open_video(source) as film, VideoWriter(target, film) as writer:
        for frame, pts in film:
            writer.write(frame, pts)
    return target


def in_parts(source, target, made_by=MADE_BY, stop=None, error=KeyboardInterrupt, quality=STANDARD):
    """Write the film, or as far as frame `stop`; return how many frames were there already."""
    with open_video(source) as film, ResumableWriter(target, film, made_by, quality) as writer:
        film.skip(writer.done)
        for number, (frame, pts) in enumerate(film, writer.done):
            if number == stop:
                raise error
            writer.write(frame, pts)
    return writer.done


def interrupted(source, target, stop=25, error=KeyboardInterrupt, **options):
    with pytest.raises(error):
        in_parts(source, target, stop=stop, error=error, **options)
    assert not target.exists()


def decoded(path):
    """Return [(pts, time base)] and RGB (N, H, W, 3) by PyAV alone."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        times = [(frame.pts, frame.time_base) for frame in frames]
        return times, np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def packets(path, kind):
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(p.pts, p.dts, p.is_keyframe, bytes(p)) for p in container.demux(stream) if p.size]


def assert_same_film(path, other):
    """The encoder itself writes other bits of the same frames now and then on a busy machine."""
    assert packets(path, "audio") == packets(other, "audio")
    heads = [[packet[:3] for packet in packets(film, "video")] for film in (path, other)]
    assert heads[0] == heads[1]
    (times, frames), (other_times, others) = decoded(path), decoded(other)
    assert times == other_times
    assert np.abs(frames.astype(int) - others).mean() < 2


def parts_of(target):
    folder = target.with_name(f".{target.name}.parts")
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else None


SUFFIXES = {".mp4": "aac", ".mkv": "aac", ".mov": "aac", ".webm": "libopus"}


@pytest.mark.parametrize("times", [TIMES, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_joined_parts_are_what_one_encoder_writes(tmp_path, suffix, times):
    source = make_film(tmp_path / "in.mkv", times=times, audio=SUFFIXES[suffix])
    one, joined = tmp_path / f"one{suffix}", tmp_path / f"joined{suffix}"
    in_one(source, one)
    assert in_parts(source, joined) == 0
    (times_of_one, expected), (times_joined, frames) = decoded(one), decoded(joined)
    assert times_joined == times_of_one
    seconds = [float(pts * unit) for pts, unit in times_joined]
    assert np.diff(seconds) == pytest.approx(np.diff(times) / 1000, abs=1e-6)
    assert np.abs(frames.astype(int) - expected).mean() < 3
    assert packets(joined, "audio") == packets(one, "audio")
    keyframes = [i for i, (_, _, key, _) in enumerate(packets(joined, "video")) if key]
    assert {0, 10, 20, 30} <= set(keyframes)
    with av.open(str(one)) as before, av.open(str(joined)) as after:
        assert after.metadata["title"] == "A short film"
        assert after.duration == before.duration
        assert after.streams.video[0].average_rate == before.streams.video[0].average_rate
    assert sorted(tmp_path.iterdir()) == sorted([source, one, joined])


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_odd_sizes(tmp_path, suffix):
    source = make_film(tmp_path / "in.mkv", pictures(14, 35, 53), audio=None)
    interrupted(source, tmp_path / f"out{suffix}", 12)
    assert in_parts(source, tmp_path / f"out{suffix}") == 10
    times, frames = decoded(tmp_path / f"out{suffix}")
    assert times == decoded(in_one(source, tmp_path / f"one{suffix}"))[0]
    assert np.abs(frames[11].astype(int) - pictures(14, 35, 53)[11]).mean() < 6


def test_one_part_alone_is_what_one_encoder_writes(tmp_path):
    source = make_film(tmp_path / "in.mkv", pictures(9))
    in_parts(source, tmp_path / "joined.mp4")
    in_one(source, tmp_path / "one.mp4")
    assert_same_film(tmp_path / "joined.mp4", tmp_path / "one.mp4")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_last_frame_lasts_as_long_as_before(tmp_path, suffix):
    source = make_film(tmp_path / "in.mkv", audio=None, last=5000)
    target = tmp_path / f"out{suffix}"
    interrupted(source, target)
    assert in_parts(source, target) == 20
    for path in (target, in_one(source, tmp_path / f"one{suffix}")):
        with av.open(str(path)) as container:
            assert container.duration / 1e6 == pytest.approx(TIMES[-1] / 1000 + 5, abs=0.002)


def test_a_film_that_starts_late(tmp_path):
    """Parts are named after times from the start."""
    source = make_film(tmp_path / "in.mkv", times=[70_000 + time for time in TIMES], audio=None)
    target = tmp_path / "out.mkv"
    interrupted(source, target)
    assert parts_of(target)[:2] == ["000000_0.nut", "000001_400.nut"]
    in_parts(source, target)
    assert decoded(target)[0] == [(time, Fraction(1, 1000)) for time in TIMES]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_run_that_goes_on_equals_one_without_interruption(tmp_path, suffix):
    source = make_film(tmp_path / "in.mkv", times=UNEVEN, audio=SUFFIXES[suffix])
    whole, target = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    in_parts(source, whole)
    interrupted(source, target, 13)
    assert parts_of(target) == ["000000_0.nut", "made_by.json"]
    interrupted(source, target, 30)
    assert len(parts_of(target)) == 3 + 1
    assert in_parts(source, target) == 30
    assert_same_film(target, whole)
    assert sorted(tmp_path.iterdir()) == sorted([source, whole, target])


def test_an_interruption_while_the_parts_are_joined(tmp_path, monkeypatch):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    with monkeypatch.context() as patch:
        patch.setattr(VideoWriter, "copy", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            in_parts(source, target)
    assert len(parts_of(target)) == 4 + 1
    assert in_parts(source, target) >= COUNT
    assert len(decoded(target)[1]) == COUNT


def test_parts_survive_a_killed_process(tmp_path):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    code = (
        "import os, signal, sys\n"
        "from colorization import film_parts\n"
        "from colorization.video import open_video\n"
        "film_parts.FRAMES = 10\n"
        "made_by = {'network': 'a digest', 'size': [224, 224], 'refine': None}\n"
        "with open_video(sys.argv[1]) as film:\n"
        "    with film_parts.ResumableWriter(sys.argv[2], film, made_by) as writer:\n"
        "        for number, (frame, pts) in enumerate(film):\n"
        "            if number == 25:\n"
        "                os.kill(os.getpid(), signal.SIGKILL)\n"
        "            writer.write(frame, pts)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(source), str(target)])
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    assert in_parts(source, target) == 20
    in_parts(source, tmp_path / "whole.mp4")
    (times, frames), (expected_times, expected) = map(decoded, (target, tmp_path / "whole.mp4"))
    assert times == expected_times
    assert np.abs(frames.astype(int) - expected).mean() < 1
    assert parts_of(target) is None


@pytest.mark.parametrize("change", ["made_by", "quality", "source", "encoder", "nothing"])
def test_parts_of_another_making_are_not_used(tmp_path, monkeypatch, change):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    interrupted(source, target)
    made_by, quality = MADE_BY, STANDARD
    if change == "made_by":
        made_by = {**MADE_BY, "refine": "growing"}
    elif change == "quality":
        quality = Quality(STANDARD.crf + 1)
    elif change == "source":
        os.utime(source, (1, 1))
    elif change == "encoder":
        monkeypatch.setattr(av, "__version__", "0.0.1")
    assert in_parts(source, target, made_by, quality=quality) == (20 if change == "nothing" else 0)
    assert len(decoded(target)[1]) == COUNT


def test_a_gap_ends_the_parts_that_are_used(tmp_path):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    interrupted(source, target, 33)
    next((tmp_path / ".out.mp4.parts").glob("000001_*.nut")).unlink()
    assert in_parts(source, target) == 10
    assert len(decoded(target)[1]) == COUNT


def test_without_a_making_nothing_is_kept(tmp_path):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    interrupted(source, target, made_by=None)
    assert list(tmp_path.iterdir()) == [source]
    assert in_parts(source, target, None) == 0
    assert len(decoded(target)[1]) == COUNT


# Errors


@pytest.mark.parametrize(
    ("error", "stop", "left"),
    [
        (KeyboardInterrupt, 25, 2),
        (MemoryError, 25, 2),
        (UnwritableError, 25, 2),
        (VideoError, 25, None),
        (KeyboardInterrupt, 7, None),
    ],
)
def test_what_an_error_leaves(tmp_path, error, stop, left):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "new" / "out.mp4"
    interrupted(source, target, stop, error)
    parts = parts_of(target)
    assert (parts and len(parts) - 1) == left
    assert [path.name for path in (tmp_path / "new").iterdir()] == [".out.mp4.parts"] * bool(left)


def test_a_film_that_breaks_in_the_middle(tmp_path):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(VideoError, match="in.mkv: the file is cut off at "):
        in_parts(source, target)
    assert list(tmp_path.iterdir()) == [source]


def test_a_full_disk_keeps_the_parts(tmp_path):
    noise = np.random.default_rng(12).integers(0, 256, (COUNT, H, W, 3), dtype=np.uint8)
    source, target = make_film(tmp_path / "in.mkv", noise), tmp_path / "out.mp4"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        with pytest.raises(UnwritableError, match="out.mp4: cannot be written: File too large"):
            in_parts(source, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.mp4.parts", "in.mkv"]
    assert in_parts(source, target) >= 20
    assert len(decoded(target)[1]) == COUNT


@pytest.mark.parametrize("damage", ["short", "nothing", "other"])
def test_a_damaged_part(tmp_path, damage):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    interrupted(source, target)
    part = tmp_path / ".out.mp4.parts" / "000000_0.nut"
    if damage == "other":
        make_film(tmp_path / "other.mkv", pictures(14, 20, 30), audio=None)
        interrupted(tmp_path / "other.mkv", tmp_path / "other.mp4", 12)
        part.write_bytes((tmp_path / ".other.mp4.parts" / part.name).read_bytes())
        message = "out.mp4: its parts were encoded in different ways"
    else:
        size = part.stat().st_size // 2 if damage == "short" else 0
        part.write_bytes(part.read_bytes()[:size])
        message = "out.mp4: 000000_0.nut of its parts is damaged; the same command begins anew"
    with pytest.raises(VideoError, match=message):
        in_parts(source, target)
    assert parts_of(target) is None
    assert in_parts(source, target) == 0


def test_two_runs_of_one_film_at_once(tmp_path):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    with open_video(source) as film, ResumableWriter(target, film, MADE_BY) as writer:
        for frame, pts in film:
            writer.write(frame, pts)
        with pytest.raises(VideoError, match="out.mp4: another process is writing it"):
            in_parts(source, target)
    assert len(decoded(target)[1]) == COUNT


def test_sound_that_the_container_does_not_take_is_told_at_once(tmp_path):
    source = make_film(tmp_path / "in.mkv", audio="aac")
    with pytest.raises(VideoError, match="out.webm: .webm cannot hold the audio"):
        in_parts(source, tmp_path / "out.webm", stop=0, error=AssertionError)
    assert list(tmp_path.iterdir()) == [source]


def test_a_frame_of_another_size(tmp_path):
    source, target = make_film(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    with (
        pytest.raises(VideoError, match="out.mp4: a frame of 30x20 in a film of 52x36"),
        open_video(source) as film,
        ResumableWriter(target, film, MADE_BY) as writer,
    ):
        writer.write(np.zeros((20, 30, 3), np.uint8), 0)


def test_a_folder_that_cannot_be_made(tmp_path):
    source = make_film(tmp_path / "in.mkv")
    (tmp_path / "file").touch()
    with pytest.raises(UnwritableError, match="out.mp4: cannot be written: Not a directory"):
        in_parts(source, tmp_path / "file" / "out.mp4")

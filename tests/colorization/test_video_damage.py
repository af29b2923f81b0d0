"""Films with broken packets: what can be decoded is kept, at its time; what cannot is told."""

from fractions import Fraction

import av
import numpy as np
import pytest

from colorization import film_parts
from colorization.film_parts import ResumableWriter
from colorization.sections import Section
from colorization.video import VideoError, VideoWriter, open_video, reader, remarks

H, W, COUNT = 48, 64, 60


def pictures():
    y, x = np.mgrid[:H, :W]
    planes = [np.stack((3 * x, 4 * y, 4 * t + x), axis=-1) % 256 for t in range(COUNT)]
    return [plane.astype(np.uint8) for plane in planes]


def make_film(path, broken=(), bf=0, g=12):
    """Write a film, key frames `g` frames apart; break packets, by their number in the file."""
    with av.open(str(path), "w") as output:
        options = {"g": str(g), "bf": str(bf), "sc_threshold": "0", "b_strategy": "0"}
        stream = output.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = H, W, "yuv420p"
        for image in pictures():
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for number in broken:
        data[packets[number].pos : packets[number].pos + 4] = b"\xff" * 4  # the size of a NAL unit
    path.write_bytes(data)
    return path, [float(packets[number].pts * packets[number].time_base) for number in broken]


def packet_by_packet(path):
    """Return {time: RGB} of what one thread can decode."""
    frames = {}
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        for packet in container.demux(video=0):
            try:
                decoded = packet.decode()
            except av.error.InvalidDataError:
                continue
            frames.update((f.time, f.to_ndarray(format="rgb24")) for f in decoded)
    return frames


def read(path):
    with open_video(path) as film:
        frames = {float(pts * film.time_base): frame for frame, pts in film}
    return frames, film.damaged


@pytest.mark.parametrize("bf", [0, 2])
@pytest.mark.parametrize("broken", [(30,), (20, 31), (29, 30, 31), (13, 44, 45, 46)])
def test_the_frame_before_comes_again(tmp_path, broken, bf):
    path, lost = make_film(tmp_path / "in.mp4", broken, bf)
    expected = packet_by_packet(path)
    assert len(expected) == COUNT - len(broken)
    frames, damaged = read(path)
    assert damaged == sorted(lost)
    assert list(frames) == pytest.approx([i / 25 for i in range(COUNT)])
    before = None
    for time, frame in frames.items():
        if time in lost:
            np.testing.assert_array_equal(frame, before)
        else:
            assert np.abs(frame.astype(int) - expected[time]).mean() < 4
        before = frame


def test_the_key_frame_of_much(tmp_path):
    path, _ = make_film(tmp_path / "in.mp4", [36])
    with pytest.raises(VideoError, match=r"in.mp4: decoding broke at 1.\d\d s: Invalid data"):
        read(path)


@pytest.mark.parametrize("threads", [1, 3, 16])
@pytest.mark.parametrize("bf", [0, 2])
@pytest.mark.parametrize("broken", [(50,), (54, 57), (58,), (59,)])
def test_near_the_end(tmp_path, monkeypatch, broken, bf, threads):
    """The decoder's threads hold so many frames, which they lose on an error."""

    def open_input(path):
        container, stream = original(path)
        stream.codec_context.thread_count = threads
        return container, stream

    original = reader.open_input
    monkeypatch.setattr(reader, "open_input", open_input)
    path, lost = make_film(tmp_path / "in.mp4", broken, bf)
    expected = packet_by_packet(path)
    frames, damaged = read(path)
    assert damaged == sorted(lost)
    assert list(frames) == pytest.approx([i / 25 for i in range(COUNT)])
    for time in expected:
        assert np.abs(frames[time].astype(int) - expected[time]).mean() < 4


@pytest.mark.parametrize("bf", [0, 2])
def test_a_key_frame(tmp_path, bf):
    """The frames after it are lost, too; the decoder shows them as far as it likes."""
    path, lost = make_film(tmp_path / "in.mp4", [24], bf, g=4)
    frames, damaged = read(path)
    assert list(frames) == pytest.approx([i / 25 for i in range(COUNT)])
    assert set(lost) <= set(damaged)
    assert len(damaged) <= 6


def test_before_the_first_frame(tmp_path):
    """There is nothing to show again: the film begins later, at the same times."""
    path, _ = make_film(tmp_path / "in.mp4", [0], g=4)
    frames, damaged = read(path)
    assert damaged == [i / 25 for i in range(4)]
    assert list(frames) == pytest.approx([i / 25 for i in range(4, COUNT)])


def test_an_undamaged_film(tmp_path):
    path, _ = make_film(tmp_path / "in.mp4", bf=2)
    frames, damaged = read(path)
    assert len(frames) == COUNT
    assert damaged == []


def test_too_much_is_broken(tmp_path):
    path, _ = make_film(tmp_path / "in.mp4", range(20, 27))
    with pytest.raises(VideoError, match=r"in.mp4: decoding broke at 0.\d\d s: Invalid data"):
        read(path)


def test_everything_is_broken(tmp_path):
    path, _ = make_film(tmp_path / "in.mp4", range(COUNT))
    with pytest.raises(VideoError, match=r"in.mp4: decoding broke at 0.00 s: Invalid data"):
        open_video(path)


def test_a_section(tmp_path):
    path, lost = make_film(tmp_path / "in.mp4", [30])
    with Section(path, 1.0, 1.6) as film:
        assert len(list(film)) == 15
    assert film.damaged == lost


def test_a_film_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(film_parts, "FRAMES", 10)
    path, _ = make_film(tmp_path / "in.mp4", [30, 34])

    def write(target, stop=None):
        with open_video(path) as film, ResumableWriter(target, film, {}) as writer:
            film.skip(writer.done)
            for number, (frame, pts) in enumerate(film, writer.done):
                if number == stop:
                    raise KeyboardInterrupt
                writer.write(frame, pts)

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out.mp4", 33)
    write(tmp_path / "out.mp4")
    write(tmp_path / "whole.mp4")
    (frames, _), (expected, _) = map(read, (tmp_path / "out.mp4", tmp_path / "whole.mp4"))
    assert list(frames) == list(expected)
    assert len(frames) == COUNT
    for one, other in zip(frames.values(), expected.values()):
        assert np.abs(one.astype(int) - other).mean() < 1


def test_writing_keeps_the_times(tmp_path):
    path, _ = make_film(tmp_path / "in.mp4", [30])
    with open_video(path) as film, VideoWriter(tmp_path / "out.mkv", film) as writer:
        for frame, pts in film:
            writer.write(frame, pts)
    with av.open(str(tmp_path / "out.mkv")) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [Fraction(i, 25) for i in range(COUNT)]


def test_it_is_told_in_words(tmp_path):
    told = []
    for broken in ((), (30,), (29, 30, 31)):
        path, _ = make_film(tmp_path / f"{len(broken)}.mp4", broken)
        with open_video(path) as film:
            assert len(list(film)) == COUNT
        told.append(remarks(film, ["subtitle (srt)"] if broken == () else []))
    instead = "; the one before stands there instead"
    assert told == [
        ["without subtitle (srt)"],
        [f"a frame could not be decoded (1.20 s){instead}"],
        [f"3 frames could not be decoded (1.16 s to 1.24 s){instead}"],
    ]

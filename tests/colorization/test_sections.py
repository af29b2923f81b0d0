"""Stretches of films: sought, not decoded from the start; deinterlaced; upright."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from dataset_films import H, W, number_of, numbered, write_lossless

from colorization.sections import Section
from colorization.video import VideoError, open_video

UNEVEN = [0, 40, 60, 200, 203, 300, 400, 500, 600, 700, 810, 1000]  # milliseconds


def numbers(path, start=0.0, end=float("inf")):
    with Section(path, start, end) as film:
        return [number_of(frame) for frame, _ in film]


def write_fields(path, codec, count=20, flags="", params=""):
    """Write frames whose even lines show a bar at one moment, and odd ones a moment later."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.bit_rate = 8_000_000
        stream.options = {"flags": flags} if flags else {"x264-params": params, "crf": "5"}
        for number in range(count):
            image = bar(2 * number)
            image[1::2] = bar(2 * number + 1)[1::2]
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def bar(moment):
    image = np.full((96, 128, 3), 40, np.uint8)
    image[20:76, 4 + 2 * moment : 24 + 2 * moment] = (220, 200, 60)
    return image


def combing(frames):
    """How far lines are from the mean of their neighbours."""
    green = np.stack(frames)[..., 1].astype(float)
    return np.abs(green[:, 1:-1] - (green[:, :-2] + green[:, 2:]) / 2).mean()


def turn(path):
    """Put a quarter turn, counterclockwise, into the track header (ISO 14496-12, 8.3.2)."""
    data, one = bytearray(path.read_bytes()), 1 << 16
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 20] = struct.pack(">5i", 0, -one, 0, one, 0)
    path.write_bytes(data)


# From one time to another


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_sections_are_the_film_without_gap_or_overlap(tmp_path, suffix):
    film = write_lossless(tmp_path / f"film{suffix}", numbered(60))
    cuts = [0.0, 0.3, 0.5, 1.21, 2.0, float("inf")]
    sections = [numbers(film, start, end) for start, end in zip(cuts, cuts[1:])]
    assert [len(section) for section in sections] == [8, 5, 18, 19, 10]
    assert sum(sections, []) == list(range(60)) == numbers(film)


def test_a_section_is_sought(tmp_path, monkeypatch):
    """With a key frame a second, at most a second is decoded that is not asked for."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264rgb", rate=25, options={"crf": "0", "g": "25"})
        stream.height, stream.width, stream.pix_fmt = H, W, "rgb24"
        for image in numbered(300):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    with Section(path, 10.5, 11.0) as film:
        decoded = 0
        original = film._frames_before_start

        def counted():
            nonlocal decoded
            for frame in original():
                decoded += 1
                yield frame

        monkeypatch.setattr(film, "_frames_before_start", counted)
        shown = sum(1 for _ in film._decode())
    assert shown == 12
    assert decoded <= 12 + 25 + 1
    assert numbers(path, 10.5, 11.0) == [n % 65536 for n in range(263, 275)]


def test_uneven_times(tmp_path):
    film = write_lossless(tmp_path / "film.mkv", numbered(12), times=UNEVEN)
    assert numbers(film) == list(range(12))
    assert numbers(film, 0.2, 0.6) == [3, 4, 5, 6, 7]
    with Section(film, 0.2, 0.6) as section:
        assert [1000 * pts * section.time_base for _, pts in section] == UNEVEN[3:8]


def test_times_count_from_the_first_frame(tmp_path):
    times = [90_000 + 40 * n for n in range(30)]
    film = write_lossless(tmp_path / "film.mkv", numbered(30), times=times)
    assert numbers(film, 0.4, 0.6) == [10, 11, 12, 13, 14]


def test_a_stream_without_times(tmp_path):
    """Raw H.264 has no index either: it is decoded from the start."""
    film = write_lossless(tmp_path / "film.h264", numbered(30))
    with Section(film) as whole:
        seconds = 1 / float(whole.rate)
    assert numbers(film, 10 * seconds, 20 * seconds - 1e-6) == list(range(10, 20))


def test_a_section_beyond_the_end(tmp_path):
    film = write_lossless(tmp_path / "film.mkv", numbered(10))
    with pytest.raises(VideoError, match=r"film.mkv: no frame can be decoded$"):
        Section(film, 5.0)


# Interlaced films

INTERLACED = {
    "H.264": dict(codec="libx264", params="tff=1"),
    "MPEG-2": dict(codec="mpeg2video", flags="+ildct+ilme"),
}


@pytest.mark.parametrize("read", [open_video, Section])
@pytest.mark.parametrize("case", INTERLACED)
def test_combs_are_gone(tmp_path, case, read):
    path = write_fields(tmp_path / "film.mkv", **INTERLACED[case])
    with av.open(str(path)) as container:
        stored = list(container.decode(video=0))
    with read(path) as film:
        after, times = zip(*film)
    progressive = combing([bar(2 * n) for n in range(20)])
    assert combing([frame.to_ndarray(format="rgb24") for frame in stored]) > 5 * progressive
    assert combing(after) < 1.2 * progressive
    assert list(times) == [frame.pts for frame in stored]
    assert len(after) == 20


def test_the_bar_is_where_a_field_shows_it(tmp_path):
    film = write_fields(tmp_path / "film.mkv", "libx264", params="tff=1")
    with Section(film) as section:
        frames = [frame for frame, _ in section]
    for number in (5, 10, 15):
        error = [np.abs(frames[number].astype(int) - bar(2 * number + k)).mean() for k in (0, 1)]
        assert min(error) < 3


def test_sections_of_an_interlaced_film(tmp_path):
    film = write_fields(tmp_path / "film.mkv", "mpeg2video", flags="+ildct+ilme")
    with Section(film) as whole, Section(film, 0.2, 0.48) as section:
        expected = [frame for frame, _ in whole][5:12]
        found = [frame for frame, _ in section]
    assert len(found) == 7
    assert np.array_equal(found[1:], expected[1:])  # the first has no frame before it


def test_an_interlaced_film_that_is_turned(tmp_path):
    film = write_fields(tmp_path / "film.mp4", "libx264", params="tff=1")
    with Section(film) as section:
        lying = [frame for frame, _ in section]
    turn(film)
    with Section(film) as section:
        assert (section.height, section.width) == (128, 96)
        for number, (frame, _) in enumerate(section):
            assert np.array_equal(frame, np.rot90(lying[number]))
    assert number == 19


def test_progressive_frames_stay_as_they_are(tmp_path):
    frames = numbered(10)
    with Section(write_lossless(tmp_path / "film.mkv", frames)) as film:
        assert film.rate == Fraction(25)
        for (frame, _), original in zip(film, frames, strict=True):
            assert np.array_equal(frame, original)


# What goes wrong


def test_a_film_that_is_cut_off_names_its_time(tmp_path):
    rng = np.random.default_rng(10)
    frames = list(rng.integers(0, 256, (50, H, W, 3), dtype=np.uint8))
    film = write_lossless(tmp_path / "film.mp4", frames, options={"movflags": "faststart"})
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    assert len(numbers(film, 0.2, 0.5)) == 8
    cut_off = "the file is cut off at 1.00 s of 2.00"
    with pytest.raises(VideoError, match=rf"film.mp4: ({cut_off}|decoding broke at 0.\d\d s)"):
        numbers(film)

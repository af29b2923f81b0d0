"""Films made here, read and written again: times, sound, shape, colours, and broken files."""

import resource
import struct
from contextlib import ExitStack
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from colorization.inference import lightness
from colorization.video import (
    Quality,
    VideoError,
    VideoReader,
    VideoWriter,
    open_video,
    write_video,
)
from colorization.video.pixels import EXACT, to_grey

H, W = 36, 52
UNEVEN = (0, 40, 60, 200, 203, 300, 400, 500, 600, 700, 810, 1000)  # milliseconds


def pictures(count=12, height=H, width=W):
    """Return smooth pictures that differ from one another."""
    y, x = np.mgrid[:height, :width]
    planes = [np.stack((4 * x, 5 * y, 15 * t + x + y), axis=-1) % 256 for t in range(count)]
    return [plane.astype(np.uint8) for plane in planes]


def make_film(
    path,
    frames=None,
    times=None,
    rate=25,
    codec="libx264",
    audio=None,
    layout="mono",
    rotation=None,
    aspect=None,
    options=None,
    last=None,
):
    """Write a film with PyAV alone; `times` in milliseconds, `audio` the name of a codec.

    The last frame lasts `last` milliseconds.
    """
    frames = pictures() if frames is None else frames
    times = times or [1000 * i // rate for i in range(len(frames))]
    with av.open(str(path), "w", options=options or {}) as output:
        output.metadata["title"] = "A short film"
        stream = output.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        odd = stream.height % 2 or stream.width % 2
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if audio:
            sound = output.add_stream(audio, rate=48000)
            sound.layout = layout
            add_sound(output, sound, times[0] / 1000, times[-1] / 1000)
        if last:
            stream.options = {"bf": "0"}
        for image, time in zip(frames, times):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            output.mux(stream.encode(frame))
        packets = stream.encode(None)
        if last:
            packets[-1].duration = last
        output.mux(packets)
    if rotation:
        write_rotation(path, rotation)
    return path


def write_rotation(path, degrees):
    """Put a rotation, counterclockwise, into the track header of an MP4."""
    cos, sin = {90: (0, 1), 180: (-1, 0), -90: (0, -1)}[degrees]
    write_matrix(path, cos, -sin, sin, cos)


def write_matrix(path, a, b, c, d):
    """Let x' = ax + cy, y' = bx + dy in the track header of an MP4 (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 20] = struct.pack(">5i", *(n << 16 for n in (a, b, 0, c, d)))
    path.write_bytes(data)


def add_sound(output, stream, start, end):
    """Write noise; times in seconds."""
    samples = np.random.default_rng(9).normal(0, 0.1, (1, int(48000 * (end - start))))
    frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), format="fltp", layout="mono")
    frame.rate, frame.pts = 48000, int(48000 * start)
    resampler = av.AudioResampler(stream.format, stream.layout, 48000, frame_size=stream.frame_size)
    for part in (*resampler.resample(frame), *resampler.resample(None), None):
        output.mux(stream.encode(part))


def make_film_with_subtitles(path):
    film, text = path.with_stem("film"), path.with_suffix(".srt")
    write_video(film, pictures(), 25)
    text.write_text(
        "1\n00:00:00,100 --> 00:00:00,250\nFirst\n\n2\n00:00:00,300 --> 00:00:00,450\nSecond\n\n"
    )
    with ExitStack() as stack:
        output = stack.enter_context(av.open(str(path), "w"))
        inputs = [stack.enter_context(av.open(str(source))) for source in (film, text)]
        copies = [output.add_stream_from_template(source.streams[0]) for source in inputs]
        for source, copy in zip(inputs, copies):
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = copy
                    output.mux(packet)
    return path


def recode(source, target, **options):
    with open_video(source) as film, VideoWriter(target, template=film, **options) as writer:
        for frame, pts in film:
            writer.write(frame, pts)
    return target


def decoded(path):
    """Return [(seconds, RGB)] by PyAV alone."""
    with av.open(str(path)) as container:
        return [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def packets(path, kind):
    """Return [(seconds, bytes)] of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


# Frames and times


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm", ".m4v"])
def test_frames_and_times_survive(tmp_path, suffix):
    source = make_film(tmp_path / "in.mkv")
    result = recode(source, tmp_path / f"out{suffix}")
    expected = decoded(source)
    assert len(expected) == 12
    for (time, frame), (time_before, frame_before) in zip(decoded(result), expected, strict=True):
        assert time == pytest.approx(time_before, abs=0.0006)
        assert np.abs(frame.astype(int) - frame_before).mean() < 6


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_uneven_times_survive(tmp_path, suffix):
    result = recode(
        make_film(tmp_path / "in.mkv", times=UNEVEN, audio="aac"), tmp_path / f"out{suffix}"
    )
    times = [1000 * time for time, _ in decoded(result)]
    assert times == pytest.approx(UNEVEN, abs=0.6)
    with av.open(str(result)) as container:
        assert container.duration / 1e6 == pytest.approx(1.04, abs=0.03)


def test_a_rate_that_is_no_integer(tmp_path):
    rate = Fraction(24000, 1001)
    write_video(tmp_path / "in.mp4", pictures(48), rate)
    result = recode(tmp_path / "in.mp4", tmp_path / "out.mp4")
    with open_video(result) as film:
        assert film.rate == rate
        assert len(film) == 48
    times = [time for time, _ in decoded(result)]
    assert times == pytest.approx([float(i / rate) for i in range(48)], abs=1e-5)


def test_pts_are_counted_in_the_time_base(tmp_path):
    with open_video(make_film(tmp_path / "in.mkv", times=UNEVEN)) as film:
        assert [1000 * pts * film.time_base for _, pts in film] == list(UNEVEN)


def test_a_stream_without_times(tmp_path):
    source = make_film(tmp_path / "raw.h264", options={}, codec="libx264")
    with open_video(source) as film:
        seconds = [float(pts * film.time_base) for _, pts in film]
    assert len(seconds) == 12
    assert (np.diff(seconds) > 0).all()


def test_frames_are_upright_rgb(tmp_path):
    frames = pictures()
    with open_video(make_film(tmp_path / "in.mkv", frames)) as film:
        assert (film.width, film.height) == (W, H)
        for (frame, _), original in zip(film, frames, strict=True):
            assert frame.dtype == np.uint8
            assert np.abs(frame.astype(int) - original).mean() < 12


@pytest.mark.parametrize("start", [35_000_000, -2_000])
def test_times_count_from_the_start(tmp_path, start):
    times = [start + 40 * i for i in range(12)]
    source = make_film(tmp_path / "in.nut", times=times, audio="aac")
    result = recode(source, tmp_path / "out.mkv")
    with av.open(str(result)) as container:
        assert container.duration / 1e6 < 0.6
    before, after = (packets(path, "audio") for path in (source, result))
    assert [data for _, data in after] == [data for _, data in before]
    offset = decoded(result)[0][0] - decoded(source)[0][0]
    assert [time - offset for time, _ in after] == pytest.approx([t for t, _ in before], abs=0.002)


def test_chapters_count_from_the_start(tmp_path):
    chapter = {"id": 1, "start": 70_100, "end": 70_400, "time_base": Fraction(1, 1000)}
    source = tmp_path / "in.mkv"
    make_film(tmp_path / "plain.mp4", times=[70_000 + 40 * i for i in range(12)])
    with av.open(str(tmp_path / "plain.mp4")) as plain, av.open(str(source), "w") as out:
        out.set_chapters([{**chapter, "metadata": {"title": "One"}}])
        remux(out, plain)
    with av.open(str(recode(source, tmp_path / "out.mkv"))) as container:
        (part,) = container.chapters()
        assert [part[key] * part["time_base"] for key in ("start", "end")] == [
            Fraction(1, 10),
            Fraction(4, 10),
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv"])
def test_the_last_frame_lasts_as_long_as_before(tmp_path, source, suffix):
    source = make_film(tmp_path / source, pictures(4), times=[0, 100, 300, 400], last=5000)
    with av.open(str(recode(source, tmp_path / f"out{suffix}"))) as container:
        assert container.duration / 1e6 == pytest.approx(5.4, abs=0.002)
    recode(tmp_path / f"out{suffix}", tmp_path / "again.mp4")
    with av.open(str(tmp_path / "again.mp4")) as container:
        assert container.duration / 1e6 == pytest.approx(5.4, abs=0.002)


def test_files_joined_byte_by_byte(tmp_path):
    """The times begin anew, and the frames are larger."""
    parts = [
        make_film(tmp_path / f"{width}.ts", pictures(30, height, width), audio="aac")
        for height, width in ((H, W), (3 * H, 2 * W))
    ]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(source) as film:
        frames, pts = zip(*film)
    assert [frame.shape for frame in frames] == [(H, W, 3)] * 60
    assert np.diff(pts) * film.time_base == pytest.approx([0.04] * 59)
    for frame, (_, large) in zip(frames[30:], decoded(parts[1]), strict=True):
        small = cv2.resize(large, (W, H), interpolation=cv2.INTER_AREA)
        assert np.abs(frame.astype(int) - small).mean() < 3
    result = recode(source, tmp_path / "out.mp4")
    sound = [data for part in parts for _, data in packets(part, "audio")]
    assert len(packets(result, "audio")) == len(sound)
    assert packets(result, "audio")[-1][0] == pytest.approx(2.4, abs=0.1)


def test_frames_come_one_by_one(tmp_path):
    """The first frame is there before the last is decoded: the file may be broken behind it."""
    film = make_film(tmp_path / "in.mkv", pictures(120))
    film.write_bytes(film.read_bytes()[:-2000])
    with open_video(film) as reader:
        frame, pts = next(iter(reader))
        assert pts == 0
        assert frame.shape == (H, W, 3)


# Sound, subtitles, tags


@pytest.mark.parametrize(
    ("audio", "suffix"), [("aac", ".mp4"), ("aac", ".mkv"), ("libopus", ".webm"), ("flac", ".mkv")]
)
def test_audio_is_copied_packet_by_packet(tmp_path, audio, suffix):
    source = make_film(tmp_path / "in.mkv", pictures(50), audio=audio)
    result = recode(source, tmp_path / f"out{suffix}")
    before, after = packets(source, "audio"), packets(result, "audio")
    assert len(before) > 20
    assert [data for _, data in after] == [data for _, data in before]
    offset = packets(result, "video")[0][0] - packets(source, "video")[0][0]
    times = [time - offset for time, _ in after]
    assert times == pytest.approx([time for time, _ in before], abs=0.002)


def test_two_audio_tracks_and_their_languages(tmp_path):
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as output:
        video = output.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = H, W, "yuv420p"
        tracks = [output.add_stream("aac", rate=48000, layout="mono") for _ in range(2)]
        for track, language in zip(tracks, ("eng", "cze")):
            track.metadata["language"] = language
        for track in tracks:
            add_sound(output, track, 0, 0.4)
        for image in pictures(10):
            output.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(video.encode(None))
    with av.open(str(recode(source, tmp_path / "out.mkv"))) as container:
        assert [s.metadata["language"] for s in container.streams.audio] == ["eng", "cze"]


def test_audio_that_the_container_does_not_take(tmp_path):
    source = make_film(tmp_path / "in.mkv", audio="aac")
    with pytest.raises(VideoError) as caught:
        recode(source, tmp_path / "out.webm")
    assert str(caught.value) == (
        f"{tmp_path / 'out.webm'}: .webm cannot hold the audio (aac) of {source}; write .mkv"
    )
    assert sorted(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("audio", "suffix"), [("pcm_s16le", ".mp4"), ("flac", ".mov"), ("libopus", ".mov")]
)
def test_audio_that_the_container_takes_in_the_beginning_only(tmp_path, audio, suffix):
    """The muxer has no place for the audio, but does not say so when the stream is added."""
    target = tmp_path / f"out{suffix}"
    source = make_film(tmp_path / "in.mkv", audio=audio, layout="stereo")
    codec = audio.removeprefix("lib")
    message = f"{target}: {suffix} cannot hold the audio ({codec}) of {source}; write .mkv"
    with open_video(source) as film:
        with pytest.raises(VideoError) as checked:
            VideoWriter(target, film).check()
        with pytest.raises(VideoError) as begun, VideoWriter(target, film) as writer:
            writer.begin(H, W)
    assert str(checked.value) == str(begun.value) == message
    assert list(tmp_path.iterdir()) == [source]


def test_a_check_that_finds_nothing(tmp_path):
    source = make_film(tmp_path / "in.mkv", audio="aac")
    with open_video(source) as film, VideoWriter(tmp_path / "out.mp4", film) as writer:
        writer.check()
        for frame, pts in film:
            writer.write(frame, pts)
    assert packets(tmp_path / "out.mp4", "audio") == packets(source, "audio")


def test_subtitles_are_copied(tmp_path):
    source = make_film_with_subtitles(tmp_path / "in.mkv")
    result = recode(source, tmp_path / "out.mkv")
    assert packets(result, "subtitle") == packets(source, "subtitle")
    assert [data for _, data in packets(result, "subtitle")] == [b"First", b"Second"]


def test_subtitles_that_the_container_does_not_take_are_named(tmp_path):
    source = make_film_with_subtitles(tmp_path / "in.mkv")
    with open_video(source) as film, VideoWriter(tmp_path / "out.mp4", template=film) as writer:
        for frame, pts in film:
            writer.write(frame, pts)
    assert writer.left_out == ["subtitle (srt)"]
    assert len(decoded(tmp_path / "out.mp4")) == 12


def remux(output, *sources):
    """Copy the first streams of films."""
    for source, copy in [(s, output.add_stream_from_template(s.streams[0])) for s in sources]:
        for packet in source.demux(source.streams[0]):
            if packet.dts is not None:
                packet.stream = copy
                output.mux(packet)


def test_attachments_are_copied_or_named(tmp_path):
    source, font = tmp_path / "in.mkv", bytes(range(200))
    with av.open(str(make_film(tmp_path / "a.mp4"))) as plain, av.open(str(source), "w") as out:
        out.add_attachment("font.ttf", "application/x-truetype-font", font)
        remux(out, plain)
    with av.open(str(recode(source, tmp_path / "out.mkv"))) as container:
        (attachment,) = container.streams.attachments
        assert (attachment.data, attachment.mimetype) == (font, "application/x-truetype-font")
        assert attachment.name == "font.ttf"
    for suffix in (".mp4", ".webm"):
        assert left_out(source, tmp_path / f"out{suffix}") == ["attachment (font.ttf)"]


def left_out(source, target):
    with open_video(source) as film, VideoWriter(target, film) as writer:
        for frame, pts in film:
            writer.write(frame, pts)
    return writer.left_out


def test_other_video_is_named(tmp_path):
    source, films = tmp_path / "in.mkv", [make_film(tmp_path / f"{i}.mp4") for i in range(2)]
    with ExitStack() as stack:
        out, *plain = (stack.enter_context(av.open(*args)) for args in ((source, "w"), *zip(films)))
        remux(out, *plain)
    assert left_out(source, tmp_path / "out.mkv") == ["video (h264)"]
    assert len(decoded(tmp_path / "out.mkv")) == 12


def test_data_is_named(tmp_path):
    source = tmp_path / "in.ts"
    with av.open(str(make_film(tmp_path / "a.ts"))) as plain, av.open(str(source), "w") as out:
        data = out.add_data_stream("klv")
        remux(out, plain)
        packet = av.Packet(bytes(16))
        packet.stream, packet.pts, packet.dts = data, 0, 0
        out.mux(packet)
    assert left_out(source, tmp_path / "out.mp4") == ["data (klv)"]


def test_title_and_chapters(tmp_path):
    source = tmp_path / "in.mkv"
    chapter = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000)}
    write_video(tmp_path / "plain.mkv", pictures(), 25)
    with av.open(str(tmp_path / "plain.mkv")) as plain, av.open(str(source), "w") as out:
        out.metadata["title"] = "A short film"
        out.set_chapters([{**chapter, "metadata": {"title": "One"}}])
        remux(out, plain)
    with av.open(str(recode(source, tmp_path / "out.mp4"))) as container:
        assert container.metadata["title"] == "A short film"
        assert [part["metadata"]["title"] for part in container.chapters()] == ["One"]
    assert left_out(tmp_path / "out.mp4", tmp_path / "again.mp4") == []  # their track is no data


# Shape and colours


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_stored_rotation_is_carried_out(tmp_path, rotation):
    frames = pictures()
    source = make_film(tmp_path / "in.mp4", frames, rotation=rotation, aspect=Fraction(4, 3))
    with open_video(source) as film:
        expected = [np.rot90(frame, rotation // 90) for frame in frames]
        for (frame, _), upright in zip(film, expected, strict=True):
            assert frame.shape == upright.shape
            assert np.abs(frame.astype(int) - upright).mean() < 12
        assert (film.height, film.width) == expected[0].shape[:2]
    with av.open(str(recode(source, tmp_path / "out.mp4"))) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width) == expected[0].shape[:2]
        turned = Fraction(4, 3) if rotation == 180 else Fraction(3, 4)
        assert stream.sample_aspect_ratio == turned
        assert next(container.decode(video=0)).rotation == 0


@pytest.mark.parametrize(
    "matrix", [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0), (-1, 0, 0, -1)]
)
def test_a_stored_mirroring_is_carried_out(tmp_path, matrix):
    source = make_film(tmp_path / "in.mp4", aspect=Fraction(4, 3))
    with open_video(source) as film:
        stored = [frame for frame, _ in film]
    write_matrix(source, *matrix)
    a, b, c, d = matrix
    y, x = np.mgrid[:H, :W]
    columns, rows = a * x + c * y, b * x + d * y
    with open_video(source) as film:
        assert film.sample_aspect_ratio == (Fraction(4, 3) if a else Fraction(3, 4))
        for (frame, _), before in zip(film, stored, strict=True):
            assert frame.shape == (film.height, film.width, 3)
            np.testing.assert_array_equal(frame[rows - rows.min(), columns - columns.min()], before)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_shape_of_the_pixels_is_kept(tmp_path, suffix):
    source = make_film(tmp_path / "in.mkv", aspect=Fraction(16, 15))
    with av.open(str(recode(source, tmp_path / f"out{suffix}"))) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 15)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize(("height", "width"), [(35, 53), (36, 51), (35, 52)])
def test_odd_sizes_keep_their_size(tmp_path, height, width, suffix):
    frames = pictures(5, height, width)
    write_video(tmp_path / f"out{suffix}", frames, 10)
    result = decoded(tmp_path / f"out{suffix}")
    assert [frame.shape for _, frame in result] == [(height, width, 3)] * 5
    assert np.abs(result[0][1].astype(int) - frames[0]).mean() < 6


def test_even_sizes_are_what_every_player_takes(tmp_path):
    write_video(tmp_path / "out.mp4", pictures(3), 10)
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        flags = (context.colorspace, context.color_primaries, context.color_trc)
        assert flags == (1, 1, 1)  # BT.709
        assert context.color_range == 1  # limited


def test_colours_are_coded_by_bt709(tmp_path):
    """Y'CbCr of one colour by the equations of BT.709, sections 3.2 to 3.4."""
    R, G, B = 200, 30, 90
    write_video(tmp_path / "out.mp4", [np.full((H, W, 3), (R, G, B), np.uint8)] * 3, 10)
    Y = (0.2126 * R + 0.7152 * G + 0.0722 * B) / 255
    expected = 16 + 219 * Y, 128 + 224 * (B / 255 - Y) / 1.8556, 128 + 224 * (R / 255 - Y) / 1.5748
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
        got = [float(np.frombuffer(plane, np.uint8)[0]) for plane in frame.planes]
    assert got == pytest.approx(expected, abs=1.6)
    with open_video(tmp_path / "out.mp4") as film:
        pixel = next(iter(film))[0][H // 2, W // 2].astype(float)
        assert pixel == pytest.approx((R, G, B), abs=4)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuvj444p"])
@pytest.mark.parametrize("color_range", [0, 1, 2])
def test_black_and_white_frames_are_those_that_ffmpeg_makes(pixels, color_range):
    frame = av.VideoFrame(300, 14, pixels)
    frame.color_range = color_range
    planes = [np.asarray(memoryview(p)).reshape(-1, p.line_size)[: p.height] for p in frame.planes]
    for plane in planes:
        plane[:, frame.width :] = 7  # what lies behind the rows is no part of the picture
        plane[:, : frame.width] = 128
    planes[0][:, :256] = np.arange(256)
    expected = frame.reformat(format="rgb24", interpolation=EXACT).to_ndarray()
    assert (expected == expected[..., :1]).all()
    np.testing.assert_array_equal(to_grey(frame), expected[..., 0])
    planes[2][-1, planes[2].shape[1] // 4] = 129
    assert to_grey(frame) is None


def test_black_and_white_frames_come_as_rgb_or_grey(tmp_path):
    coloured = pictures(5)
    frames = [
        f if number == 2 else cv2.cvtColor(f[..., 0], cv2.COLOR_GRAY2RGB)
        for number, f in enumerate(coloured)
    ]
    write_video(tmp_path / "in.mp4", frames, 10)
    with open_video(tmp_path / "in.mp4") as film:
        expanded = [frame for frame, _ in film]
    with open_video(tmp_path / "in.mp4", grey_planes=True) as film:
        planes = [frame for frame, _ in film]
    assert [frame.shape for frame in expanded] == [(H, W, 3)] * 5
    assert [frame.ndim for frame in planes] == [2, 2, 3, 2, 2]
    for plane, rgb in zip(planes, expanded):
        np.testing.assert_array_equal(plane if plane.ndim == 3 else np.dstack([plane] * 3), rgb)
        np.testing.assert_array_equal(lightness(plane), lightness(rgb))


@pytest.mark.parametrize(("height", "standard"), [(H, "bt601"), (720, "bt709")])
def test_without_a_flag_the_height_tells_the_matrix(tmp_path, height, standard):
    Kr, Kb = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}[standard]
    with av.open(str(tmp_path / "in.mkv"), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = height, W, "yuv420p"
        frame = av.VideoFrame(W, height, "yuv420p")
        for plane, value in zip(frame.planes, (120, 110, 160)):
            plane.update(bytes([value]) * plane.buffer_size)
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    Y, Cb, Cr = (120 - 16) / 219, (110 - 128) / 224, (160 - 128) / 224
    R, B = Y + 2 * (1 - Kr) * Cr, Y + 2 * (1 - Kb) * Cb
    G = (Y - Kr * R - Kb * B) / (1 - Kr - Kb)
    with open_video(tmp_path / "in.mkv") as film:
        frame, _ = next(iter(film))
    assert frame[H // 2, W // 2] == pytest.approx([255 * R, 255 * G, 255 * B], abs=3)


def test_a_round_trip_neither_darkens_nor_tints(tmp_path):
    rng = np.random.default_rng(6)
    noise = cv2.GaussianBlur(rng.uniform(0, 255, (96, 128, 3)), (0, 0), 9)
    smooth = np.clip((noise - noise.mean()) * 9 + 128, 0, 255).astype(np.uint8)
    with VideoWriter(tmp_path / "film.mkv", rate=25, quality=Quality(1)) as writer:
        for _ in range(3):
            writer.write(smooth)
    with open_video(tmp_path / "film.mkv") as film:
        difference = next(iter(film))[0].astype(float) - smooth
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.2
    assert (difference**2).mean() < 1  # 48 dB


def test_quality(tmp_path):
    for crf in (10, 35):
        with VideoWriter(tmp_path / f"{crf}.mp4", rate=25, quality=Quality(crf)) as writer:
            for frame in pictures():
                writer.write(frame)
    assert (tmp_path / "10.mp4").stat().st_size > 1.5 * (tmp_path / "35.mp4").stat().st_size


# What goes wrong


def failure(path):
    with pytest.raises(VideoError) as caught, open_video(path) as film:
        for _ in film:
            pass
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message[len(f"{path}: ") :]


def test_files_that_are_no_films(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert failure(tmp_path / "empty.mp4") == "the file is empty"
    (tmp_path / "text.mp4").write_text("Once upon a time. " * 30)
    assert failure(tmp_path / "text.mp4").startswith("cannot be read as a film: ")
    assert failure(tmp_path / "absent.mp4") == "No such file or directory"
    assert "Is a directory" in failure(tmp_path)


def test_a_file_with_sound_alone(tmp_path):
    with av.open(str(tmp_path / "sound.mkv"), "w") as output:
        add_sound(output, output.add_stream("aac", rate=48000, layout="mono"), 0, 0.5)
    assert failure(tmp_path / "sound.mkv") == "there is no video in it"


def noisy_film(path, **options):
    noise = np.random.default_rng(10).integers(0, 256, (50, H, W, 3), dtype=np.uint8)
    return make_film(path, list(noise), **options)


@pytest.mark.parametrize("audio", [None, "aac"])
def test_a_film_cut_off_in_the_middle(tmp_path, audio):
    film = noisy_film(tmp_path / "in.mkv", audio=audio)
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    message = failure(film)
    assert message.startswith("the file is cut off at ")
    seconds = [float(word) for word in message.split() if word[0].isdigit()]
    assert 0.5 < seconds[0] < 1.5
    assert seconds[1] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("missing", [10, 200, 30_000])
def test_an_mp4_with_its_index_in_front_that_is_cut_off(tmp_path, missing):
    film = noisy_film(tmp_path / "in.mp4", options={"movflags": "faststart"})
    film.write_bytes(film.read_bytes()[:-missing])
    assert failure(film).startswith(("the file is cut off at ", "decoding broke at "))


def test_an_mp4_without_its_index(tmp_path):
    film = noisy_film(tmp_path / "in.mp4")
    film.write_bytes(film.read_bytes()[:-500])
    assert failure(film).startswith("cannot be read as a film: ")


def test_data_that_cannot_be_decoded(tmp_path):
    film = noisy_film(tmp_path / "in.mp4", options={"movflags": "faststart"})
    data = bytearray(film.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    film.write_bytes(data)
    message = failure(film)
    assert message.startswith("decoding broke at ")
    assert 0.3 < float(message.split()[3]) < 1.7


def test_an_error_leaves_nothing_behind(tmp_path):
    (tmp_path / "out.mp4").write_text("an older file")
    with pytest.raises(ZeroDivisionError), VideoWriter(tmp_path / "out.mp4", rate=25) as writer:
        for frame in pictures():
            writer.write(frame)
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "an older file"


def test_a_full_disk(tmp_path):
    noise = np.random.default_rng(12).integers(0, 256, (60, H, W, 3), dtype=np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(VideoError, match="out.mp4: cannot be written: File too large"):
            write_video(tmp_path / "out.mp4", noise, 25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_the_name_appears_at_the_end(tmp_path):
    with VideoWriter(tmp_path / "new" / "out.mp4", rate=25) as writer:
        for frame in pictures():
            writer.write(frame)
        assert not (tmp_path / "new" / "out.mp4").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.mp4"]


def test_wrong_uses(tmp_path):
    with pytest.raises(VideoError, match=r"out.avi: films are written as .m4v, .mkv, "):
        VideoWriter(tmp_path / "out.avi", rate=25)
    with pytest.raises(VideoError, match="out.mp4: no frame was written"):
        write_video(tmp_path / "out.mp4", [], 25)
    with pytest.raises(VideoError, match="out.mp4: a frame of 30x20 in a film of 52x36"):
        write_video(tmp_path / "out.mp4", [*pictures(2), np.zeros((20, 30, 3), np.uint8)], 25)
    (tmp_path / "file").touch()
    with pytest.raises(VideoError, match="out.mp4: cannot be written: "):
        write_video(tmp_path / "file" / "out.mp4", pictures(2), 25)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_write_video_with_the_sound_of_a_template(tmp_path):
    source = make_film(tmp_path / "in.mkv", audio="aac")
    with open_video(source) as film:
        assert isinstance(film, VideoReader)
        write_video(tmp_path / "out.mkv", (255 - frame for frame, _ in film), template=film)
    assert packets(tmp_path / "out.mkv", "audio") == packets(source, "audio")
    assert [time for time, _ in decoded(tmp_path / "out.mkv")] == pytest.approx(
        [i / 25 for i in range(12)], abs=0.001
    )

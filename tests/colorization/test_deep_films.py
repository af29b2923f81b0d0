"""Films of 10 bits a channel: read, written and coloured without a loss of levels."""

from fractions import Fraction

import av
import numpy as np
import pytest
from tiny_network import write_tiny_network

from colorization.batch import colour_film
from colorization.inference import Colorizer, lightness
from colorization.inputs import Job
from colorization.temporal import steady_frames
from colorization.video import Quality, VideoError, VideoWriter, open_video, remarks
from colorization.video.pixels import to_frame, to_grey, to_rgb

H, W = 48, 640
DEEP = Quality(crf=0, depth=10)


def colours():
    """Return smooth colours (H, W, 3), uint16, none of which 4:2:0 changes much."""
    y, x = np.mgrid[:H, :W] / (H, W)[0]
    x = x * H / W
    waves = (np.sin(3 * x + y), np.cos(2 * y + x), np.sin(4 * x - 2 * y))
    return np.rint(np.stack([0.5 + 0.3 * wave for wave in waves], -1) * 65535).astype(np.uint16)


def ramp(pixels="yuv420p10le", full_range=False):
    """Return a black-and-white frame whose row is a ramp over all its levels."""
    depth = 12 if "12" in pixels else 10
    frame = av.VideoFrame(W, H, pixels)
    frame.color_range = 2 if full_range else 1
    unit = 1 << (depth - 8)
    least, most = (0, 256 * unit - 1) if full_range else (16 * unit, 235 * unit)
    for plane, value in zip(frame.planes, (np.linspace(least, most, W), 128 * unit, 128 * unit)):
        rows = np.asarray(memoryview(plane)).view(np.uint16).reshape(plane.height, -1)
        rows[:, : plane.width] = np.rint(value)
    return frame


def write_ramp(path):
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.height, stream.width, stream.pix_fmt = H, W, "yuv420p10le"
        stream.codec_context.color_range = 1
        for number in range(3):
            frame = ramp()
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "ramp.mkv"
    write_ramp(path)
    return path


@pytest.fixture(scope="module")
def colorizer(tmp_path_factory):
    network = write_tiny_network(tmp_path_factory.mktemp("networks") / "tiny")
    return Colorizer(network, size=(24, 32))


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv422p10le", "yuv444p12le"])
def test_levels_of_black_and_white_frames(pixels, full_range):
    frame = ramp(pixels, full_range)
    grey = to_grey(frame, np.uint16)
    assert grey.shape == (H, W) and grey.dtype == np.uint16
    np.testing.assert_allclose(grey[0], np.linspace(0, 65535, W), atol=40)
    assert np.array_equal(np.rint(grey / 257), to_grey(frame)) or full_range
    assert len(np.unique(grey)) == W
    rows = np.asarray(memoryview(frame.planes[1])).view(np.uint16)
    rows[0] += 1
    assert to_grey(frame, np.uint16) is None


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv444p10le"])
def test_colours_come_back(pixels):
    rgb = colours()
    for planar in (rgb, np.ascontiguousarray(rgb.transpose(2, 0, 1)).transpose(1, 2, 0)):
        frame = to_frame(planar, pixels)
        back = to_rgb(frame, np.uint16)
        assert back.shape == rgb.shape and back.dtype == np.uint16
        assert np.abs(back[2:-2, 4:-4].astype(int) - rgb[2:-2, 4:-4]).max() < 400
        assert np.abs(to_rgb(frame)[2:-2, 4:-4] - rgb[2:-2, 4:-4] / 257).max() < 3


def test_a_film_comes_with_as_many_bits_as_it_has(film, tmp_path):
    with open_video(film, grey_planes=True, depth=10) as deep:
        planes = [plane for plane, _ in deep]
        assert deep.bits == 10 and remarks(deep, []) == []
    assert [plane.dtype for plane in planes] == [np.uint16] * 3
    with open_video(film) as shallow:
        rgb = [rgb for rgb, _ in shallow]
        assert remarks(shallow, []) == ["with 8 of the 10 bits of a channel; --depth 10 keeps more"]
    assert rgb[0].dtype == np.uint8 and rgb[0].shape == (H, W, 3)
    assert lightness(rgb[0]) == pytest.approx(lightness(planes[0]), abs=0.4)
    with VideoWriter(tmp_path / "out.mp4") as writer:
        writer.write(rgb[0])
    with open_video(tmp_path / "out.mp4", depth=10) as film_of_8:
        assert film_of_8.bits == 8 and next(iter(film_of_8))[0].dtype == np.uint8


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_what_is_written_deep_comes_back(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    with VideoWriter(path, quality=DEEP) as writer:
        writer.write(colours())
        writer.write((colours() // 257).astype(np.uint8))
    with open_video(path, depth=10) as film:
        (first, _), (second, _) = film
    inner = np.s_[2:-2, 4:-4]
    assert np.abs(first[inner].astype(int) - colours()[inner]).max() < 400
    assert np.abs(second[inner].astype(int) - colours()[inner]).max() < 700
    assert len(np.unique(first[..., 0])) > 400


def test_8_bits_are_rounded(tmp_path):
    with VideoWriter(tmp_path / "out.mkv", quality=Quality(0)) as writer:
        writer.write(colours())
    with open_video(tmp_path / "out.mkv", depth=10) as film:
        frame, _ = next(iter(film))
    assert frame.dtype == np.uint8
    assert np.abs(frame[2:-2, 4:-4] - colours()[2:-2, 4:-4] / 257).max() < 4


def test_a_webm_has_8_bits(tmp_path):
    with pytest.raises(VideoError, match="out.webm: a .webm has 8 bits a channel, not 10"):
        VideoWriter(tmp_path / "out.webm", quality=DEEP)


@pytest.mark.parametrize("strength", [0.0, 0.8])
def test_a_coloured_film_keeps_its_levels_of_L(film, colorizer, tmp_path, strength):
    """In all parts of the way: steadied or not, in parts that are joined."""
    job, levels = Job(film, tmp_path / "out.mkv"), {}
    for depth in (8, 10):
        quality = Quality(crf=0, depth=depth)
        remarked = colour_film(job, colorizer, 2, quality, strength=strength, made_by={})
        assert bool(remarked) == (depth == 8)
        with av.open(str(job.target)) as container:
            planes = [frame.planes[0] for frame in container.decode(video=0)]
        assert len(planes) == 3
        row = np.asarray(memoryview(planes[1])).view(f"u{1 if depth == 8 else 2}")[:W]
        levels[depth] = len(np.unique(row))
    assert levels[8] <= 220 and levels[10] > 550


def test_steady_frames_of_16_bits():
    frames = [(colours(), 0), (colours(), 1)]
    for rgb, _ in steady_frames(frames, dtype=np.uint16):
        assert rgb.dtype == np.uint16
        assert np.abs(rgb.astype(int) - colours()).max() < 70

"""The quality of what VideoWriter encodes, against x264's preset medium."""

from fractions import Fraction

import av
import numpy as np

from colorization.video import Quality, VideoWriter, open_video

H, W = 96, 160


def grainy_pictures(count=10):
    """Return coloured waves that move, with grain that does not."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:H, :W]
    for time in range(count):
        wave = np.sin((x + 3 * time) / 17) * np.cos(y / 11)
        grey = 128 + 60 * wave + rng.normal(0, 6, (H, W))
        colours = grey[..., None] + wave[..., None] * (25, 0, -25)
        yield colours.clip(0, 255).astype(np.uint8)


def write_medium(path, crf):
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": str(crf), "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = H, W, "yuv420p"
        stream.codec_context.colorspace = 1  # BT.709
        for number, picture in enumerate(grainy_pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def squared_error(path):
    with open_video(path) as film:
        pairs = zip(film, grainy_pictures(), strict=True)
        return np.mean([(frame.astype(float) - picture) ** 2 for (frame, _), picture in pairs])


def test_the_default_has_the_quality_of_the_preset_medium_at_16(tmp_path):
    write_medium(tmp_path / "medium.mp4", 16)
    with VideoWriter(tmp_path / "ours.mp4", rate=25) as writer:
        for picture in grainy_pictures():
            writer.write(picture)
    medium, ours = (tmp_path / name for name in ("medium.mp4", "ours.mp4"))
    assert squared_error(ours) < 1.1 * squared_error(medium)
    assert ours.stat().st_size < 1.2 * medium.stat().st_size


def test_lossless_stays_lossless(tmp_path):
    """In 4:4:4, as of an odd size, only the conversion to BT.709 rounds."""
    with VideoWriter(tmp_path / "film.mkv", rate=25, quality=Quality(0)) as writer:
        for picture in grainy_pictures():
            writer.write(picture[1:])
    with open_video(tmp_path / "film.mkv") as film:
        for (frame, _), picture in zip(film, grainy_pictures(), strict=True):
            assert np.abs(frame.astype(int) - picture[1:]).max() <= 3

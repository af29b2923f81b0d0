"""Films and pictures made on the spot, for the tests of data sets."""

from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

H, W = 36, 52


def write_lossless(path, frames, rate=25, times=None, options=None):
    """Write RGB frames without loss (H.264 in RGB); `times` in milliseconds."""
    with av.open(str(path), "w", options=options or {}) as output:
        stream = output.add_stream(
            "libx264rgb", rate=rate, options={"crf": "0", "preset": "ultrafast"}
        )
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb24"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = times[number] if times else 1000 * number // rate
            frame.time_base = Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def numbered(count, height=H, width=W, start=0):
    """Return frames that differ by far more than the threshold; pixel (0, 0) tells the number."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for number in range(start, start + count):
        image = np.stack((3 * x + 40 * number, 5 * y, 2 * (x + y) + 90 * number), axis=-1) % 256
        image[:8, :8] = (number % 256, number // 256, 0)
        frames.append(image.astype(np.uint8))
    return frames


def number_of(frame):
    return int(frame[0, 0, 0]) + 256 * int(frame[0, 0, 1])


def shaken(frames, seed=2):
    """Repeat each frame one to three times, with a noise that is below the threshold."""
    rng = np.random.default_rng(seed)
    for frame in frames:
        for _ in range(rng.integers(1, 4)):
            noise = rng.integers(-1, 2, frame.shape)
            yield np.clip(frame + noise, 0, 255).astype(np.uint8)


def credits_frame(
    text="O Rumcajsovi\n\n1. dil", height=264, width=352, blue=(0, 40, 200), white=(255,) * 3
):
    """Return a frame with text in the middle of a ground."""
    image = Image.new("RGB", (width, height), blue)
    ImageDraw.Draw(image).multiline_text(
        (width / 2, height / 2),
        text,
        white,
        ImageFont.load_default(height / 9),
        anchor="mm",
        align="center",
        stroke_width=1,
    )
    return np.asarray(image)


def faded(image, level):
    """Return an image on its way to black, which is level 0."""
    return np.rint(image * level).astype(np.uint8)

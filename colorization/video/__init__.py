"""Films: decoding to RGB and encoding, frame by frame, so that memory does not grow with length.

    with open_video("in.mkv") as film, VideoWriter("out.mp4", template=film) as writer:
        for frame, pts in film:
            writer.write(frame, pts)

gives a film with the same frames at the same times, the same audio and the same shape.
"""

from colorization.video.errors import UnwritableError, VideoError
from colorization.video.quality import STANDARD, Quality
from colorization.video.reader import DEFAULT_RATE, VideoReader, open_video, remarks
from colorization.video.writer import VideoWriter, write_video

__all__ = [
    "DEFAULT_RATE",
    "STANDARD",
    "Quality",
    "UnwritableError",
    "VideoError",
    "VideoReader",
    "VideoWriter",
    "open_video",
    "remarks",
    "write_video",
]

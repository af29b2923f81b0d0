"""From the pixels of a decoded frame to RGB or grey levels, and from RGB to a frame to encode."""

from __future__ import annotations

import av
import cv2
import numpy as np

from colorization import compiled_colour

HD_HEIGHT = 720  # from here on players take the colours for BT.709, where the film tells nothing

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
# libswscale's default rounds each channel down by about one level of 255. PyAV 17 has no names for
# two of these: SWS_BILINEAR, SWS_FULL_CHR_H_INT, SWS_ACCURATE_RND.
EXACT = 0x2 | 0x2000 | 0x40000
BT709, LIMITED_RANGE, _FULL_RANGE = 1, 1, 2  # AVCOL_*_BT709, AVCOL_RANGE_MPEG and _JPEG
_PLANAR = {f"yuv{full}{kind}p" for full in ("", "j") for kind in (420, 422, 444)}
_FROM_LIMITED = np.rint((np.arange(256) - 16) * (255 / 219)).clip(0, 255).astype(np.uint8)


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """Return the RGB (H, W, 3) uint8 of a frame of any format."""
    unknown = frame.colorspace == _UNSPECIFIED and frame.height >= HD_HEIGHT
    standard = "ITU709" if unknown else None
    frame = frame.reformat(format="rgb24", src_colorspace=standard, interpolation=EXACT)
    return frame.to_ndarray()


def to_grey(frame: av.VideoFrame) -> np.ndarray | None:
    """Return the levels (H, W) uint8 of a frame without colours, as of black-and-white film."""
    if frame.format.name not in _PLANAR:
        return None
    Y, *chroma = (_plane(plane)[:, : plane.width] for plane in frame.planes)
    if any((plane != 128).any() for plane in chroma):
        return None
    return np.ascontiguousarray(Y) if _is_full_range(frame) else cv2.LUT(Y, _FROM_LIMITED)


def _is_full_range(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith("yuvj") or frame.color_range == _FULL_RANGE


def to_frame(rgb: np.ndarray, pixels: str) -> av.VideoFrame:
    """Return a frame of RGB (H, W, 3) in BT.709, limited range; `pixels` yuv420p or yuv444p."""
    picture = av.VideoFrame(rgb.shape[1], rgb.shape[0], pixels)
    picture.colorspace, picture.color_range = BT709, LIMITED_RANGE
    compiled_colour.to_YCbCr(rgb, *map(_plane, picture.planes))
    return picture


def _plane(plane: av.video.plane.VideoPlane) -> np.ndarray:
    """Return the rows (H, W or more) uint8 of a frame's plane."""
    pixels = np.asarray(memoryview(plane))  # type: ignore[arg-type]  # PyAV's stubs do not say it
    return pixels.reshape(-1, plane.line_size)[: plane.height]

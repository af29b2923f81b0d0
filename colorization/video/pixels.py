"""From the pixels of a decoded frame to RGB or grey levels, and from RGB to a frame to encode."""

from __future__ import annotations

import re
from functools import lru_cache

import av
import cv2
import numpy as np
from numpy.typing import DTypeLike

from colorization import compiled_colour
from colorization.images import eight_bits

HD_HEIGHT = 720  # from here on players take the colours for BT.709, where the film tells nothing

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
# libswscale's default rounds each channel down by about one level of 255. PyAV 17 has no names for
# two of these: SWS_BILINEAR, SWS_FULL_CHR_H_INT, SWS_ACCURATE_RND.
EXACT = 0x2 | 0x2000 | 0x40000
BT709, LIMITED_RANGE, _FULL_RANGE = 1, 1, 2  # AVCOL_*_BT709, AVCOL_RANGE_MPEG and _JPEG
_PLANAR = re.compile("yuvj?4(20|22|44)p((9|1[0246])le)?")


def bits(frame: av.VideoFrame) -> int:
    """Return the bits of a channel."""
    return max(component.bits for component in frame.format.components)


def to_rgb(frame: av.VideoFrame, dtype: DTypeLike = np.uint8) -> np.ndarray:
    """Return the RGB (H, W, 3), uint8 or uint16, of a frame of any format."""
    unknown = frame.colorspace == _UNSPECIFIED and frame.height >= HD_HEIGHT
    standard = "ITU709" if unknown else None
    pixels = "rgb24" if dtype == np.uint8 else "gbrp16le"  # to rgb48le swscale has wrong colours
    frame = frame.reformat(format=pixels, src_colorspace=standard, interpolation=EXACT)
    return frame.to_ndarray()


def to_grey(frame: av.VideoFrame, dtype: DTypeLike = np.uint8) -> np.ndarray | None:
    """Return the levels (H, W), uint8 or uint16, of a frame as of black-and-white film.

    That is one whose planes have no colours; None for others.
    """
    if not _PLANAR.fullmatch(frame.format.name):
        return None
    depth = bits(frame)
    Y, *chroma = (_plane(plane, depth)[:, : plane.width] for plane in frame.planes)
    if any((plane != 128 << (depth - 8)).any() for plane in chroma):
        return None
    levels = _levels(depth, _is_full_range(frame), np.dtype(dtype))
    return cv2.LUT(Y, levels) if depth == 8 else levels[Y]


@lru_cache
def _levels(depth: int, full_range: bool, dtype: np.dtype) -> np.ndarray:
    """Return the grey level, uint8 or uint16, of each value of Y'."""
    unit, top = 1 << (depth - 8), np.iinfo(dtype).max
    values = np.arange(256 * unit)
    grey = values / (256 * unit - 1) if full_range else (values / unit - 16) / 219
    return np.rint(grey.clip(0, 1) * top).astype(dtype)


def _is_full_range(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith("yuvj") or frame.color_range == _FULL_RANGE


def to_frame(rgb: np.ndarray, pixels: str) -> av.VideoFrame:
    """Return a frame of RGB (H, W, 3), uint8 or uint16, in BT.709, limited range.

    `pixels` is yuv420p or yuv444p, or one of these with 10 bits.
    """
    picture = av.VideoFrame(rgb.shape[1], rgb.shape[0], pixels)
    picture.colorspace, picture.color_range = BT709, LIMITED_RANGE
    depth = bits(picture)
    planes = (_plane(plane, depth) for plane in picture.planes)
    if depth == 8:
        rgb = eight_bits(rgb)
    elif rgb.dtype == np.uint8:
        rgb = rgb.astype(np.uint16) * 257
    compiled_colour.to_YCbCr(rgb, *planes)
    return picture


def _plane(plane: av.video.plane.VideoPlane, depth: int = 8) -> np.ndarray:
    """Return the rows (H, W or more), uint8 or uint16, of a frame's plane."""
    pixels = np.asarray(memoryview(plane))  # type: ignore[arg-type]  # PyAV's stubs do not say it
    rows = pixels.reshape(-1, plane.line_size)[: plane.height]
    return rows if depth == 8 else rows.view(np.uint16)

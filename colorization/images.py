"""Still images: pixels and metadata from files, and back.

Grey, palette, RGB and CMYK images of 8 bits and grey and RGB images of 16 bits are read as RGB,
with their alpha channel. The EXIF orientation is carried out and then dropped; the rest of the EXIF
data, the resolution and the ICC profile are kept where the written format has room for them.
"""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError
from PIL import TiffImagePlugin as Tiff

from colorization.errors import ColorizationError
from colorization.files import replacing
from colorization.formats import FORMATS

MAX_PIXELS = 2**29  # of the images that are read

_SAVE_OPTIONS = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}
_ALPHA = {"PNG", "TIFF", "WEBP"}
# Orientation -> transpose, then flip the rows, then flip the columns (EXIF 2.3, 4.6.4).
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
_TIFF_WHITE_IS_ZERO, _TIFF_RGB = 0, 2  # photometric interpretations
_TIFF_DEFLATE = 8
_TIFF_HORIZONTAL_DIFFERENCES = 2
_TIFF_INCH = 2
_TIFF_UNASSOCIATED_ALPHA = 2
_TIFF_SAMPLES = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
# Tags of TIFF that say how the pixels of that very file are stored.
_STORAGE_TAGS = (
    *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281),
    *(284, 288, 289, 290, 291, 292, 293, 317, 320, 322, 323, 324, 325, 330, 332, 338, 339, 340),
    *(341, 347, 513, 514, 529, 530, 531, 532, 34377, 34675),
)

_NO_OPTIMIZE: Any = 0x0100  # cmsFLAGS_NOOPTIMIZE; without it dark tones are coarse
_D50 = (63190, 65536, 54061)  # in 65536ths
_opening = threading.Lock()


class ImageError(ColorizationError):
    """A file that cannot be read or written as an image: one line that begins with its name."""


@dataclass
class Picture:
    """An image and what came with it."""

    rgb: np.ndarray  # (H, W, 3), uint8 or uint16
    alpha: np.ndarray | None = None  # (H, W), the dtype of rgb
    exif: bytes = b""
    icc: bytes = b""  # an RGB profile, or empty
    dpi: tuple[float, float] | None = None


def read_image(path: str | os.PathLike) -> Picture:
    """Read an image file.

    Pixels with a grey or CMYK profile become sRGB; RGB pixels stay as they are, with their profile.
    Raises ImageError for a file that is missing, empty, broken, cut off, of an unknown kind, an
    animation, of more than one page, or of more than MAX_PIXELS.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error
    if not data:
        raise ImageError(f"{path}: the file is empty")
    try:
        with _open(data) as image:
            return _read(image, data)
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: {_why_unknown(data)}") from error
    except Exception as error:  # Pillow's decoders raise anything when a file is broken
        raise ImageError(f"{path}: cannot be read: {error or type(error).__name__}") from error


def write_image(path: str | os.PathLike, picture: Picture) -> None:
    """Write an image in the format of the suffix of `path`, one of FORMATS.

    Formats without 16 bits get 8, formats without alpha none. JPEG is written at quality 95 without
    chroma subsampling, WebP at quality 95, TIFF and PNG without loss. Raises ImageError.
    """
    form = FORMATS.get(Path(path).suffix.lower())
    if form is None:
        raise ImageError(f"{path}: images are written as {', '.join(FORMATS)}")
    picture = replace(picture, rgb=_interleaved(picture.rgb))
    try:
        with replacing(path) as temporary:
            if form == "TIFF":
                temporary.write_bytes(_encode_tiff(picture))
            elif form == "PNG" and picture.rgb.dtype == np.uint16:
                temporary.write_bytes(_encode_16_bit_png(picture))
            else:
                _save(temporary, picture, form)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path}: cannot be written: {reason}") from error


def is_coloured(rgb: np.ndarray, difference: float = 0.1, share: float = 0.01) -> bool:
    """Tell whether in more than `share` of the pixels the channels lie `difference` apart."""
    spread = np.ptp(rgb.astype(np.int32), axis=-1)
    return bool((spread > difference * np.iinfo(rgb.dtype).max).mean() > share)


def _open(data: bytes) -> ImageFile.ImageFile:
    """Open an image of any size; Pillow's limit, which is lower, is one for all threads."""
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data))
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _why_unknown(data: bytes) -> str:
    """Say what is wrong with a file that Pillow does not know; of TIFF, which pixels it has."""
    try:
        header = data[: 16 if data[2] == 43 else 8]  # 43: BigTIFF
        tags = Tiff.ImageFileDirectory_v2(header)
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        depths = " + ".join(map(str, tags[Tiff.BITSPERSAMPLE]))
        numbers = _TIFF_SAMPLES.get(tags.get(Tiff.SAMPLEFORMAT, (1,))[0], "")
    except Exception:  # broken directories raise anything
        return "not an image of a known format"
    return f"a kind of TIFF that is not supported, with {numbers}pixels of {depths} bits"


def _read(image: ImageFile.ImageFile, data: bytes) -> Picture:
    W, H = image.size
    if W * H > MAX_PIXELS:
        raise ValueError(f"{W} x {H} pixels, where {MAX_PIXELS} in all are the most")
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and image.format != "MPO":  # a camera's JPEG with a second view
        raise ValueError(f"it has {pages} frames or pages, where one is expected")
    deep = any(";16" in str(tile[3]) for tile in image.tile)
    image.load()
    exif, orientation = _exif(image)
    icc = image.info.get("icc_profile") or b""
    if deep:
        rgb, alpha = _decode_16_bits(data, image, icc)
        rgb, alpha = _turn(rgb, orientation), None if alpha is None else _turn(alpha, orientation)
    else:
        rgb, alpha = _pixels(ImageOps.exif_transpose(image), icc)
    if icc[16:20] != b"RGB ":
        icc = b""
    dpi = image.info.get("dpi")
    return Picture(rgb, alpha, exif, icc, dpi if dpi != (1, 1) else None)  # Pillow's "unknown"


def _exif(image: Image.Image) -> tuple[bytes, int]:
    """Return the EXIF data without what concerns the storage of the pixels, and the orientation."""
    try:
        exif = image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        kept = Image.Exif()
        kept.load(exif.tobytes())
        for tag in _STORAGE_TAGS:
            kept.pop(tag, None)
        return (kept.tobytes() if len(kept) else b""), orientation
    except Exception:  # broken EXIF data raises anything, and is no reason to refuse the pixels
        return b"", 1


def _pixels(image: Image.Image, icc: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    if image.mode in ("I", "F"):
        raise ValueError("pixels of 32 bits; 8 or 16 are expected")
    alpha = None
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))
        image = image.getchannel("R") if grey else image.convert("RGB")
    if icc[16:20] == b"CMYK" and image.mode == "CMYK":
        image = _CMYK_to_sRGB(image, icc)
    rgb = np.asarray(image.convert("RGB"))
    if icc[16:20] == b"GRAY" and image.mode == "L":
        rgb = _grey_to_sRGB(rgb, icc)
    return rgb, alpha


def _CMYK_to_sRGB(image: Image.Image, icc: bytes) -> Image.Image:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        sRGB = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, profile, sRGB, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile: as if there were none


def _grey_to_sRGB(grey: np.ndarray, icc: bytes) -> np.ndarray:
    """Convert grey levels by what the transform makes of the 65536 there are."""
    levels = Image.fromarray(np.arange(65536, dtype=np.uint16).reshape(256, 256))
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        sRGB = ImageCms.ImageCmsProfile(io.BytesIO(_sRGB_grey()))
        curve = ImageCms.profileToProfile(
            levels, profile, sRGB, outputMode="I;16", flags=_NO_OPTIMIZE
        )
    except (ImageCms.PyCMSError, OSError):
        return grey  # a broken profile: as if there were none
    table = np.asarray(curve).ravel()
    return (eight_bits(table[::257]) if grey.dtype == np.uint8 else table)[grey]


def _sRGB_grey() -> bytes:
    """Return the profile of a grey scale with the curve of sRGB (ICC.1:2022, 7.2, 10.18)."""
    white = struct.pack(">8s3i", b"XYZ ", *_D50)
    curve = struct.pack(
        ">8sHH5i",
        *(b"para", 3, 0),
        *(round(65536 * x) for x in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
    )
    start = 128 + 4 + 2 * 12
    tags = [(b"wtpt", start, len(white)), (b"kTRC", start + len(white), len(curve))]
    table = struct.pack(">I", len(tags)) + b"".join(struct.pack(">4sII", *tag) for tag in tags)
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x3i",
        *(start + len(white) + len(curve), 0x04200000),
        *(b"mntr", b"GRAY", b"XYZ ", b"acsp", *_D50),
    )
    return header.ljust(128, b"\0") + table + white + curve


def _decode_16_bits(
    data: bytes, image: Image.Image, icc: bytes
) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode with OpenCV, as Pillow has no 16-bit RGB. It has checked that the file is whole."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("16-bit pixels of an unknown kind")
    if pixels.ndim == 2:
        tags = getattr(image, "tag_v2", {})
        if tags.get(Tiff.PHOTOMETRIC_INTERPRETATION) == _TIFF_WHITE_IS_ZERO:
            pixels = 65535 - pixels
        alpha = None
        transparent = image.info.get("transparency")  # a grey level, which OpenCV passes over
        if transparent is not None:
            alpha = np.where(pixels == transparent, np.uint16(0), np.uint16(65535))
        rgb = np.repeat(pixels[:, :, None], 3, axis=2)
    else:
        rgb = np.ascontiguousarray(pixels[:, :, 2::-1])
        alpha = pixels[:, :, 3] if pixels.shape[2] == 4 else None
    if icc[16:20] == b"GRAY" and (rgb == rgb[:, :, :1]).all():
        rgb = _grey_to_sRGB(rgb, icc)
    return rgb, alpha


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    if orientation not in _TURNS:
        return pixels
    transpose, flip_rows, flip_columns = _TURNS[orientation]
    if transpose:
        pixels = pixels.swapaxes(0, 1)
    if flip_rows:
        pixels = pixels[::-1]
    if flip_columns:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _interleaved(rgb: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) as the encoders take it, whose copies of planes in a row are slow."""
    planes = rgb.transpose(2, 0, 1)
    return cv2.merge(tuple(planes)) if planes.flags.c_contiguous else rgb


def _save(path: Path, picture: Picture, form: str) -> None:
    image = Image.fromarray(eight_bits(picture.rgb))
    if picture.alpha is not None and form in _ALPHA:
        image.putalpha(Image.fromarray(eight_bits(picture.alpha)))
    options: dict[str, Any] = dict(_SAVE_OPTIONS.get(form, {}))
    if picture.exif:
        options["exif"] = picture.exif
    if picture.icc:
        options["icc_profile"] = picture.icc
    if picture.dpi:
        options["dpi"] = picture.dpi
    image.save(path, form, **options)


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Return pixels of 16 bits, rounded to 8; those of 8 bits as they are."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _channels(picture: Picture) -> np.ndarray:
    return picture.rgb if picture.alpha is None else np.dstack((picture.rgb, picture.alpha))


def _encode_16_bit_png(picture: Picture) -> bytes:
    """Encode with OpenCV and insert the metadata after the header (PNG specification, 11.3)."""
    pixels = _channels(picture)
    order = [2, 1, 0, 3][: pixels.shape[2]]
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, order]))
    if not done:
        raise ValueError(f"OpenCV does not encode {pixels.shape} as 16-bit PNG")
    chunks = []
    if picture.icc:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(picture.icc)))
    if picture.dpi:
        per_metre = [round(dots / 0.0254) for dots in picture.dpi]
        chunks.append((b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if picture.exif:
        chunks.append((b"eXIf", picture.exif.removeprefix(b"Exif\0\0")))
    added = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    data = encoded.tobytes()
    header = 8 + 4 + 4 + 13 + 4
    return data[:header] + added + data[header:]


def _encode_tiff(picture: Picture) -> bytes:
    """Write a directory and behind it one deflated strip of differences (TIFF 6.0, 14).

    Pillow writes neither 16-bit RGB nor, in compressed files, the directory of the EXIF data.
    """
    pixels = _channels(picture)
    H, W, channels = pixels.shape
    pixels = pixels.astype(pixels.dtype.newbyteorder("<"))
    differences = np.diff(pixels, axis=1, prepend=pixels.dtype.type(0))
    strip = zlib.compress(differences.tobytes())
    tags = Tiff.ImageFileDirectory_v2()
    exif = Image.Exif()
    exif.load(picture.exif)
    tags.update(exif)
    for pointer in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if entries := exif.get_ifd(pointer):
            tags[pointer] = dict(entries)
    if picture.icc:
        tags[Tiff.ICCPROFILE] = picture.icc
    if picture.dpi:
        tags[Tiff.RESOLUTION_UNIT] = _TIFF_INCH
        tags[Tiff.X_RESOLUTION], tags[Tiff.Y_RESOLUTION] = picture.dpi
    if picture.alpha is not None:
        tags[Tiff.EXTRASAMPLES] = _TIFF_UNASSOCIATED_ALPHA
    tags[Tiff.IMAGEWIDTH], tags[Tiff.IMAGELENGTH] = W, H
    tags[Tiff.BITSPERSAMPLE] = (8 * pixels.itemsize,) * channels
    tags[Tiff.SAMPLESPERPIXEL] = channels
    tags[Tiff.PHOTOMETRIC_INTERPRETATION] = _TIFF_RGB
    tags[Tiff.COMPRESSION], tags[Tiff.PREDICTOR] = _TIFF_DEFLATE, _TIFF_HORIZONTAL_DIFFERENCES
    tags[Tiff.ROWSPERSTRIP], tags[Tiff.STRIPBYTECOUNTS] = H, len(strip)
    tags[Tiff.STRIPOFFSETS] = 0  # counted from the end of the directory, by Pillow
    stream = io.BytesIO()
    tags.save(stream)
    return stream.getvalue() + strip

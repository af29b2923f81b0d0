"""Image files: every kind of pixels, metadata, and files that cannot be read."""

import io
import struct
import zlib
from functools import lru_cache

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, features
from PIL import TiffImagePlugin as Tiff

from colorization.formats import FORMATS, IMAGE_SUFFIXES
from colorization.images import ImageError, Picture, is_coloured, read_image, write_image

H, W = 11, 17


def noise(*shape, dtype=np.uint8, seed=3):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def exif(orientation=1, camera=False):
    data = Image.Exif()
    data[ExifTags.Base.Artist] = "A. Painter"
    data[ExifTags.Base.Orientation] = orientation
    if camera:
        data[ExifTags.IFD.Exif] = {ExifTags.Base.ISOSpeedRatings: 400}
    return data


@lru_cache  # it holds the second in which it was made
def sRGB_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def png(colour_type, depth, rows, *more):
    """Encode rows of bytes as PNG, for what Pillow does not write."""
    channels = {0: 1, 2: 3, 4: 2}[colour_type]
    width = len(rows[0]) // channels // (depth // 8)
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", header), *more, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


# Pixels


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK"])
def test_modes_without_alpha_are_read_as_rgb(tmp_path, mode):
    image = Image.fromarray(noise(H, W, 3)).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    picture = read_image(path)
    assert np.array_equal(picture.rgb, np.asarray(image.convert("RGB")))
    assert picture.rgb.dtype == np.uint8
    assert picture.alpha is None


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_kept_beside_the_colours(tmp_path, mode):
    image = Image.fromarray(noise(H, W, 4)).convert(mode)
    image.save(tmp_path / "a.png")
    picture = read_image(tmp_path / "a.png")
    assert np.array_equal(picture.rgb, np.asarray(image.convert("RGBA"))[:, :, :3])
    assert np.array_equal(picture.alpha, np.asarray(image.getchannel("A")))


def test_a_transparent_palette_entry_is_alpha(tmp_path):
    image = Image.fromarray(noise(H, W) % 3).convert("P")
    image.save(tmp_path / "a.png", transparency=2)
    alpha = read_image(tmp_path / "a.png").alpha
    assert np.array_equal(alpha, np.where(np.asarray(image) == 2, 0, 255))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_16_bits_survive_reading_and_writing(tmp_path, suffix, with_alpha):
    rgb = noise(H, W, 3, dtype=np.uint16)
    alpha = noise(H, W, dtype=np.uint16, seed=4) if with_alpha else None
    written = Picture(rgb, alpha, exif(camera=True).tobytes(), sRGB_profile(), (300.0, 150.0))
    write_image(tmp_path / f"a{suffix}", written)
    picture = read_image(tmp_path / f"a{suffix}")
    assert np.array_equal(picture.rgb, rgb)
    assert np.array_equal(picture.alpha, alpha) if with_alpha else picture.alpha is None
    assert picture.icc == sRGB_profile()
    assert picture.dpi == pytest.approx((300, 150), abs=0.1)
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept[ExifTags.Base.Artist] == "A. Painter"
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_files_can_be_read_by_others(tmp_path, suffix):
    rgb, alpha = noise(H, W, 3, dtype=np.uint16), noise(H, W, dtype=np.uint16, seed=4)
    write_image(tmp_path / f"a{suffix}", Picture(rgb, alpha))
    by_opencv = cv2.imread(str(tmp_path / f"a{suffix}"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(by_opencv, np.dstack((rgb[:, :, ::-1], alpha)))
    with Image.open(tmp_path / f"a{suffix}") as image:
        by_pillow = np.asarray(image).astype(int)
    assert image.mode == "RGBA"
    assert np.abs(by_pillow - np.dstack((rgb, alpha)) / 257).max() < 1


def test_16_bit_grey_images(tmp_path):
    grey = noise(H, W, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), grey)
    assert np.array_equal(read_image(tmp_path / "a.png").rgb, np.dstack([grey] * 3))


def test_16_bit_grey_image_with_alpha(tmp_path):
    pixels = noise(H, W, 2, dtype=np.uint16)
    rows = [row.astype(">u2").tobytes() for row in pixels]
    (tmp_path / "a.png").write_bytes(png(4, 16, rows))
    picture = read_image(tmp_path / "a.png")
    assert np.array_equal(picture.rgb, np.dstack([pixels[:, :, 0]] * 3))
    assert np.array_equal(picture.alpha, pixels[:, :, 1])


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_image_with_a_transparent_colour(tmp_path, channels):
    pixels = noise(H, W, channels, dtype=np.uint16)
    pixels[2, 5] = pixels[7, 11]
    transparent = b"tRNS", pixels[2, 5].astype(">u2").tobytes()
    rows = [row.astype(">u2").tobytes() for row in pixels]
    (tmp_path / "a.png").write_bytes(png(channels - 1, 16, rows, transparent))
    picture = read_image(tmp_path / "a.png")
    assert np.array_equal(picture.rgb, np.broadcast_to(pixels, (H, W, 3)))
    assert picture.alpha.dtype == np.uint16
    assert list(zip(*np.nonzero(picture.alpha == 0))) == [(2, 5), (7, 11)]
    assert (picture.alpha == 65535).sum() == H * W - 2


def test_16_bit_tiff_where_zero_is_white(tmp_path):
    grey = noise(H, W, dtype=np.uint16)
    tags = {262: 0}
    Image.fromarray(grey).save(tmp_path / "a.tif", tiffinfo=tags)
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
    assert np.array_equal(read_image(tmp_path / "a.tif").rgb[:, :, 0], 65535 - grey)


def test_16_bits_become_8_where_the_format_has_no_more(tmp_path):
    rgb = noise(H, W, 3, dtype=np.uint16)
    write_image(tmp_path / "a.bmp", Picture(rgb))
    assert np.array_equal(read_image(tmp_path / "a.bmp").rgb, np.round(rgb / 257))


# Formats and metadata


@pytest.mark.parametrize("suffix", FORMATS)
def test_formats(tmp_path, suffix):
    y, x = np.mgrid[:H, :W]
    rgb = np.stack((10 * x, 20 * y, 5 * (x + y)), axis=-1).astype(np.uint8)
    write_image(tmp_path / f"a{suffix}", Picture(rgb))
    picture = read_image(tmp_path / f"a{suffix}")
    lossy = suffix in (".jpg", ".jpeg", ".webp")
    assert np.abs(picture.rgb.astype(int) - rgb).max() <= (24 if lossy else 0)
    assert np.abs(picture.rgb.astype(int) - rgb).mean() <= 3


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_planes_in_a_row_are_written_as_pixels_in_a_row(tmp_path, suffix, dtype):
    rgb = noise(H, W, 3, dtype=dtype)
    planar = np.ascontiguousarray(rgb.transpose(2, 0, 1)).transpose(1, 2, 0)
    for name, pixels in (("a", rgb), ("b", planar)):
        write_image(tmp_path / f"{name}{suffix}", Picture(pixels, noise(H, W, dtype=dtype)))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_what_is_looked_for_can_be_read(tmp_path, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("a Pillow without AVIF")
    y, x = np.mgrid[:H, :W]
    grey = np.where(10 * x + 5 * y < 100, 0, 255).astype(np.uint8)
    Image.fromarray(grey).convert("1" if suffix == ".pbm" else "RGB").save(tmp_path / f"a{suffix}")
    difference = read_image(tmp_path / f"a{suffix}").rgb.astype(int) - grey[:, :, None]
    assert np.abs(difference).mean() < 8


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_formats_with_alpha(tmp_path, suffix):
    alpha = noise(H, W, seed=5)
    write_image(tmp_path / f"a{suffix}", Picture(noise(H, W, 3), alpha))
    assert np.array_equal(read_image(tmp_path / f"a{suffix}").alpha, alpha)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_without_alpha(tmp_path, suffix):
    write_image(tmp_path / f"a{suffix}", Picture(noise(H, W, 3), noise(H, W, seed=5)))
    assert read_image(tmp_path / f"a{suffix}").alpha is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_exif_and_profile_are_kept(tmp_path, suffix):
    source, result = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    image = Image.fromarray(noise(H, W, 3))
    image.save(
        tmp_path / "a.jpg", exif=exif(camera=True), icc_profile=sRGB_profile(), dpi=(300, 150)
    )
    write_image(source, read_image(tmp_path / "a.jpg"))
    write_image(result, read_image(source))
    with Image.open(result) as image:
        assert image.info["icc_profile"] == sRGB_profile()
        assert image.getexif()[ExifTags.Base.Artist] == "A. Painter"
        assert image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400
        if suffix != ".webp":
            assert image.info["dpi"] == pytest.approx((300, 150), abs=0.1)


def test_tiff_tags_of_storage_do_not_travel(tmp_path):
    Image.fromarray(noise(H, W)).save(tmp_path / "a.tif", exif=exif(), compression="tiff_lzw")
    write_image(tmp_path / "b.png", read_image(tmp_path / "a.tif"))
    with Image.open(tmp_path / "b.png") as image:
        assert sorted(image.getexif()) == [ExifTags.Base.Artist]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("suffix", "dtype"), [(".png", "u1"), (".tif", "u1"), (".png", "u2")])
def test_orientation_is_carried_out(tmp_path, orientation, suffix, dtype):
    """The eight orientations, by where the stored first row and column are shown (EXIF 2.3)."""
    stored = noise(H, W, 3, dtype=np.dtype(dtype))
    shown = {
        1: stored,
        2: np.fliplr(stored),
        3: np.rot90(stored, 2),
        4: np.flipud(stored),
        5: np.fliplr(np.rot90(stored, -1)),
        6: np.rot90(stored, -1),
        7: np.flipud(np.rot90(stored, -1)),
        8: np.rot90(stored, 1),
    }[orientation]
    path = tmp_path / f"a{suffix}"
    if dtype == "u1":
        Image.fromarray(stored).save(path, exif=exif(orientation))
    else:
        write_image(path, Picture(stored, exif=exif(orientation).tobytes()))
    picture = read_image(path)
    assert np.array_equal(picture.rgb, shown)
    write_image(tmp_path / "again.png", picture)
    with Image.open(tmp_path / "again.png") as image:
        assert ExifTags.Base.Orientation not in image.getexif()
        assert image.getexif()[ExifTags.Base.Artist] == "A. Painter"


def test_16_bit_tiff_with_an_orientation(tmp_path):
    stored = noise(H, W, 3, dtype=np.uint16)
    write_image(tmp_path / "a.tif", Picture(stored, exif=exif(6).tobytes()))
    assert np.array_equal(read_image(tmp_path / "a.tif").rgb, np.rot90(stored, -1))


def test_pixels_with_a_profile_of_other_primaries_stay_and_keep_it(tmp_path):
    profile = sRGB_profile().replace(b"sRGB built-in", b"RGB of others")
    rgb = noise(H, W, 3)
    Image.fromarray(rgb).save(tmp_path / "a.png", icc_profile=profile)
    picture = read_image(tmp_path / "a.png")
    assert picture.icc == profile
    assert np.array_equal(picture.rgb, rgb)


def grey_profile(gamma):
    """Build a minimal ICC profile of the grey scale c ** gamma (ICC.1:2001-04, 6.3.2)."""
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"g\0" + b"\0" * 78
    text = text.ljust(-(-len(text) // 4) * 4, b"\0")
    tags, offset, table = [(b"desc", text), (b"wtpt", white), (b"kTRC", curve)], 168, b""
    for name, data in tags:
        table += name + struct.pack(">II", offset, len(data))
        offset += len(data)
    header = struct.pack(">I4sI4s4s4s", offset, b"none", 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H", 2018, 1, 1, 0, 0, 0) + b"acsp"
    header = header.ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061)
    header = header.ljust(128, b"\0") + struct.pack(">I", len(tags))
    return header + table + b"".join(data for _, data in tags)


def test_grey_with_a_profile_becomes_sRGB(tmp_path):
    grey = np.broadcast_to(np.arange(256, dtype=np.uint8), (H, 256))
    Image.fromarray(np.array(grey)).save(tmp_path / "a.png", icc_profile=grey_profile(1.0))
    picture = read_image(tmp_path / "a.png")
    light = grey / 255
    expected = np.where(light < 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(picture.rgb - expected[:, :, None]).max() <= 0.6
    assert picture.icc == b""


@pytest.mark.parametrize("gamma", [1, 1.5, 3])
def test_16_bit_grey_with_a_profile_becomes_sRGB(tmp_path, gamma):
    grey = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    for name, pixels in (("8.tif", (grey // 257).astype(np.uint8)), ("16.tif", grey)):
        Image.fromarray(pixels).save(tmp_path / name, icc_profile=grey_profile(gamma))
    picture = read_image(tmp_path / "16.tif")
    light = (grey / 65535) ** gamma
    expected = np.where(light < 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(picture.rgb - 65535 * expected[:, :, None]).max() <= 20
    assert np.abs(picture.rgb / 257 - read_image(tmp_path / "8.tif").rgb).max() <= 0.5
    assert picture.icc == b""


def test_16_bit_grey_with_a_profile_and_alpha(tmp_path):
    pixels = noise(H, W, 2, dtype=np.uint16)
    rows = [row.astype(">u2").tobytes() for row in pixels]
    profile = b"iCCP", b"grey\0\0" + zlib.compress(grey_profile(1))
    (tmp_path / "a.png").write_bytes(png(4, 16, rows, profile))
    cv2.imwrite(str(tmp_path / "b.png"), pixels[:, :, 0])
    picture, without = read_image(tmp_path / "a.png"), read_image(tmp_path / "b.png")
    assert (picture.rgb.astype(int) - without.rgb).mean() > 5000
    assert np.array_equal(picture.alpha, pixels[:, :, 1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_broken_profile_is_as_none(tmp_path, dtype):
    grey = noise(H, W, dtype=dtype)
    Image.fromarray(grey).save(tmp_path / "a.tif", icc_profile=b"\0" * 16 + b"GRAY" + b"\0" * 200)
    picture = read_image(tmp_path / "a.tif")
    assert np.array_equal(picture.rgb, np.dstack([grey] * 3))
    assert picture.icc == b""


def test_broken_exif_data_is_left_out(tmp_path):
    Image.fromarray(noise(H, W)).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read_image(tmp_path / "a.png").exif == b""


# Files that cannot be read or written


def encoded(form, rgb=None, **options):
    stream = io.BytesIO()
    Image.fromarray(noise(64, 80, 3) if rgb is None else rgb).save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_cut_off_files(tmp_path, form):
    path = tmp_path / "cut"
    path.write_bytes(encoded(form)[:-1000])
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_cut_off_files_of_16_bits(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_image(path, Picture(noise(H, W, 3, dtype=np.uint16)))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ImageError):
        read_image(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"Once upon a time", "not an image of a known format"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "not an image of a known format"),
    ],
)
def test_files_that_are_no_images(tmp_path, data, message):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "a.png")
    assert str(caught.value) == f"{tmp_path / 'a.png'}: {message}"


def test_a_missing_file(tmp_path):
    with pytest.raises(ImageError, match="a.png: No such file or directory"):
        read_image(tmp_path / "a.png")


def test_a_folder(tmp_path):
    with pytest.raises(ImageError, match="Is a directory"):
        read_image(tmp_path)


def test_a_huge_image_is_refused_by_its_header(tmp_path):
    data = bytearray(png(0, 8, [b"\0" * W] * H))
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match="100000 x 100000 pixels, where 536870912 in all are"):
        read_image(tmp_path / "a.png")


def test_the_limit_of_pillow_is_for_others(tmp_path, monkeypatch):
    """Such as 200 million pixels, which its own limit calls an attack."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", H * W // 4)
    (tmp_path / "a.png").write_bytes(png(0, 8, [b"\0" * W] * H))
    assert read_image(tmp_path / "a.png").rgb.shape == (H, W, 3)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "count"), [("a.gif", 3), ("a.png", 2), ("a.tif", 2), ("a.webp", 3)]
)
def test_animations_and_pages_are_refused(tmp_path, name, count):
    frames = [Image.fromarray(noise(H, W, seed=seed)) for seed in range(count)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=f"it has {count} frames or pages"):
        read_image(tmp_path / name)


def test_float_pixels_are_refused(tmp_path):
    Image.fromarray(noise(H, W).astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="pixels of 32 bits; 8 or 16 are expected"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        ("<f2", "floating-point pixels of 16 bits"),
        ("<f8", "floating-point pixels of 64 bits"),
        ("<u2", "pixels of 16 + 16 bits"),
    ],
)
def test_tiff_of_kinds_that_are_not_supported(tmp_path, dtype, kind):
    channels = 2 if dtype == "<u2" else 1
    pixels = np.zeros((H, W, channels), dtype)
    tags = Tiff.ImageFileDirectory_v2()
    tags[Tiff.IMAGEWIDTH], tags[Tiff.IMAGELENGTH] = W, H
    tags[Tiff.BITSPERSAMPLE] = (8 * pixels.itemsize,) * channels
    tags[Tiff.SAMPLEFORMAT] = (3 if dtype[1] == "f" else 1,) * channels
    tags[Tiff.SAMPLESPERPIXEL], tags[Tiff.PHOTOMETRIC_INTERPRETATION] = channels, 1
    tags[Tiff.COMPRESSION], tags[Tiff.STRIPOFFSETS] = 1, 0
    tags[Tiff.ROWSPERSTRIP], tags[Tiff.STRIPBYTECOUNTS] = H, pixels.nbytes
    with open(tmp_path / "a.tif", "wb") as file:
        tags.save(file)
        file.write(pixels.tobytes())
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "a.tif")
    message = f"a kind of TIFF that is not supported, with {kind}"
    assert str(caught.value) == f"{tmp_path / 'a.tif'}: {message}"


def test_unknown_suffix_for_writing(tmp_path):
    with pytest.raises(ImageError, match=r"a.xyz: images are written as .bmp, .jpeg"):
        write_image(tmp_path / "a.xyz", Picture(noise(H, W, 3)))


def test_what_the_format_cannot_hold_leaves_no_file(tmp_path):
    with pytest.raises(ImageError, match="a.webp: cannot be written"):
        write_image(tmp_path / "a.webp", Picture(np.zeros((2, 20_000, 3), np.uint8)))
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_is_replaced_and_folders_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "a.png"
    for seed in (1, 2):
        rgb = noise(H, W, 3, seed=seed)
        write_image(path, Picture(rgb))
        assert np.array_equal(read_image(path).rgb, rgb)
    assert list(path.parent.iterdir()) == [path]


# Already coloured?


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257)])
def test_is_coloured(dtype, scale):
    grey = np.dstack([noise(H, W)] * 3).astype(dtype) * dtype(scale)
    assert not is_coloured(grey)
    grey[:2, :, 0] = 255 * scale
    assert is_coloured(grey)

"""What is shown of films made here, read back as pixels, and the page around it."""

import jinja2
import numpy as np
import pytest

from colorization.film_report import (
    BACKGROUND,
    CAPTION_HEIGHT,
    FRAME_WIDTH,
    MARGIN,
    NOTHING,
    THUMBNAIL_WIDTH,
    GridFilm,
    contact_sheet,
    frame_psnr,
    side_by_side,
)
from colorization.images import read_image
from colorization.metrics import psnr
from colorization.pages import write_page
from colorization.resizing import resized
from colorization.video import open_video, write_video

H, W = 36, 64
PAGE = dict(
    title="A <title>",
    introduction="What it is.",
    comparison="side.mp4",
    film="film.mp4",
    sheet="sheet.png",
    figures=[{"name": "coloured", "mean": 31.256, "lowest": 20.0}],
    measure="How it was measured.",
    psnr_chart="psnr.svg",
    steps=["one step", "another"],
    loss_chart="loss.svg",
    loss={"iterations": 400, "first": 7.5, "last": 1.25},
    credit="By whom.",
)


def plain_film(path, colours, height=H, width=W, rate=25):
    """Write a film of frames of one colour each."""
    write_video(path, [np.full((height, width, 3), colour, np.uint8) for colour in colours], rate)
    return path


def frames_of(path):
    with open_video(path) as film:
        return [frame for frame, _ in film], film.rate


def colour_of(picture):
    """Return the colour in the middle of a picture."""
    height, width = picture.shape[:2]
    return picture[height // 2, width // 2].astype(int)


def test_psnr_of_each_frame_at_one_size(tmp_path):
    rng = np.random.default_rng(1)
    originals = [rng.integers(0, 256, (H, W, 3), np.uint8) for _ in range(4)]
    write_video(tmp_path / "original.mp4", originals)
    write_video(tmp_path / "small.mp4", [resized(image, 48, 28) // 2 for image in originals[:3]])
    (small, _), (original, _) = (frames_of(tmp_path / f"{n}.mp4") for n in ("small", "original"))
    expected = [psnr(resized(s, 40, 40), resized(o, 40, 40)) for s, o in zip(small, original)]
    got = frame_psnr(tmp_path / "small.mp4", tmp_path / "original.mp4", 40)
    assert len(got) == 3
    assert got == expected


def test_films_side_by_side(tmp_path):
    """Scaled to one width under their captions, for as long as both last."""
    red, blue = (190, 60, 60), (40, 40, 170)
    left = plain_film(tmp_path / "left.mp4", [red, red, blue, blue], rate=10)
    right = plain_film(tmp_path / "right.mp4", [blue, red, blue], 72, 128, rate=10)
    side_by_side({"the left": left, "the right": right}, tmp_path / "both.mp4")
    frames, rate = frames_of(tmp_path / "both.mp4")
    height = FRAME_WIDTH * H // W
    assert rate == 10
    assert [frame.shape for frame in frames] == [
        (CAPTION_HEIGHT + height, 2 * FRAME_WIDTH + MARGIN, 3)
    ] * 3
    for frame, colours in zip(frames, [(red, blue), (red, red), (blue, blue)]):
        parts = frame[:, :FRAME_WIDTH], frame[:, FRAME_WIDTH + MARGIN :]
        for part, colour in zip(parts, colours):
            np.testing.assert_allclose(colour_of(part[CAPTION_HEIGHT:]), colour, atol=6)
            assert part[:CAPTION_HEIGHT].max() > 150  # letters
            assert np.median(part[:CAPTION_HEIGHT]) == pytest.approx(BACKGROUND, abs=6)


def test_contact_sheet(tmp_path):
    """A row for each wanted frame, a column for each film."""
    colours = [(60 * n, 90, 200 - 40 * n) for n in range(4)]
    first = plain_film(tmp_path / "first.mp4", colours)
    second = plain_film(tmp_path / "second.mp4", colours[::-1])
    contact_sheet({"first": first, "second": second}, [1, 3], tmp_path / "sheet.png")
    sheet = read_image(tmp_path / "sheet.png").rgb
    row = CAPTION_HEIGHT + THUMBNAIL_WIDTH * H // W
    assert sheet.shape == (2 * row, 2 * THUMBNAIL_WIDTH + MARGIN, 3)
    for index, number in enumerate((1, 3)):
        part = sheet[index * row + CAPTION_HEIGHT : (index + 1) * row]
        np.testing.assert_allclose(colour_of(part[:, :THUMBNAIL_WIDTH]), colours[number], atol=6)
        np.testing.assert_allclose(
            colour_of(part[:, THUMBNAIL_WIDTH + MARGIN :]), colours[3 - number], atol=6
        )
        assert (part[:, THUMBNAIL_WIDTH : THUMBNAIL_WIDTH + MARGIN] == BACKGROUND).all()


def test_the_page_of_a_film(tmp_path):
    write_page(tmp_path / "out" / "index.html", "film_page.html", **PAGE)
    text = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert text.startswith("<!doctype html>") and text.rstrip().endswith("</html>")
    assert "A &lt;title&gt;" in text and "A <title>" not in text
    for name in ("side.mp4", "film.mp4", "sheet.png", "psnr.svg", "loss.svg"):
        assert f'src="{name}"' in text
    for part in ("31.26 dB", "20.00 dB", "<li>another</li>", "400 iterations: from 7.50 to 1.25"):
        assert part in text


def test_a_page_with_a_value_missing_is_not_written(tmp_path):
    values = {name: value for name, value in PAGE.items() if name != "credit"}
    with pytest.raises(jinja2.UndefinedError, match="'credit' is undefined"):
        write_page(tmp_path / "index.html", "film_page.html", **values)
    assert list(tmp_path.iterdir()) == []


def test_a_grid_of_films(tmp_path):
    """Five in two rows: of other shapes fitted in, missing ones dark, the last place empty."""
    colours = {"a": (190, 60, 60), "b": (40, 40, 170), "c": (30, 150, 30), "d": (200, 200, 90)}
    pictures = [(name, np.full((H, W, 3), colour, np.uint8)) for name, colour in colours.items()]
    with GridFilm(tmp_path / "grid.mp4", 10) as film:
        film.write([*pictures, ("e", None)])
        pictures[0] = ("a", np.full((H, H, 3), colours["a"], np.uint8))
        film.write([*pictures, ("e", None)])
    frames, rate = frames_of(tmp_path / "grid.mp4")
    height = FRAME_WIDTH * H // W
    size = 2 * (CAPTION_HEIGHT + height), 3 * FRAME_WIDTH + 2 * MARGIN, 3
    assert (rate, [frame.shape for frame in frames]) == (10, [size] * 2)
    for number, frame in enumerate(frames):
        cells = []
        for place in range(6):
            top = place // 3 * (CAPTION_HEIGHT + height) + CAPTION_HEIGHT
            left = place % 3 * (FRAME_WIDTH + MARGIN)
            cells.append(frame[top : top + height, left : left + FRAME_WIDTH])
        expected = [*colours.values(), (NOTHING,) * 3, (BACKGROUND,) * 3]
        for cell, colour in zip(cells, expected):
            np.testing.assert_allclose(colour_of(cell), colour, atol=6)
        at_edge = cells[0][height // 2, 20].astype(int)
        np.testing.assert_allclose(at_edge, (NOTHING,) * 3 if number else colours["a"], atol=6)


def test_a_grid_film_that_breaks_off_is_not_there(tmp_path):
    with pytest.raises(RuntimeError), GridFilm(tmp_path / "grid.mp4", 10) as film:
        film.write([("a", np.zeros((H, W, 3), np.uint8))])
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []

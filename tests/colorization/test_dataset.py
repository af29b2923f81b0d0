"""Images on their way into a data set: shapes, records, prior, parts, sets, figures."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import lmdb
import numpy as np
import pytest
from dataset_films import H, W, credits_frame, number_of, numbered, shaken, write_lossless
from PIL import Image
from skimage import color

from caffe.proto import caffe_pb2
from colorization.contact_sheets import EvenSample, write_sheet
from colorization.dataset import cropped, mean_histogram, prior, write_lmdb, write_records
from colorization.dataset_inputs import find_parts, read_cuts
from colorization.dataset_parts import (
    Episode,
    ImageFile,
    Images,
    Recipe,
    Record,
    histograms,
    make_part,
)
from colorization.dataset_sets import Split, assign
from colorization.histogram import ab_pairs, soft_encode
from colorization.images import Picture, write_image
from colorization.inputs import InputError
from colorization.prior_figure import columns_svg, pair_colours, plane_svg
from colorization.resizing import resized


def noise(height, width, seed=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def stored(folder):
    """Return [(key, BGR planes, label)] of an LMDB of raw Datums."""
    records = []
    with lmdb.open(str(folder), readonly=True, lock=False) as environment:
        for key, value in environment.begin().cursor():
            datum = caffe_pb2.Datum.FromString(value)
            assert not datum.encoded
            shape = (datum.channels, datum.height, datum.width)
            planes = np.frombuffer(datum.data, np.uint8).reshape(shape)
            records.append((key.decode(), planes, datum.label))
    return records


# Shapes


@pytest.mark.parametrize(("height", "width"), [(480, 640), (640, 480), (300, 300), (80, 1200)])
def test_cropped_takes_the_middle(height, width):
    y, x = np.mgrid[:height, :width]
    image = np.stack((255 * y / height, 255 * x / width, 0 * x), axis=-1).astype(np.uint8)
    result = cropped(image, 256)
    assert result.shape == (256, 256, 3)
    for axis, length in ((0, height), (1, width)):
        share = min(height, width) / length  # of that side, which is what is seen
        ends = np.take(result[..., axis], [0, -1], axis=axis).mean(axis=1 - axis)
        assert ends / 255 == pytest.approx([(1 - share) / 2, (1 + share) / 2], abs=0.02)


def test_cropped_leaves_an_image_of_its_size():
    image = noise(40, 40)
    assert np.array_equal(cropped(image, 40), image)


# LMDBs


def test_records_are_named_as_by_convert_imageset(tmp_path):
    images = [(f"film/frame_{n}.png", noise(5, 7, n)) for n in range(3)]
    assert write_lmdb(tmp_path / "new" / "lmdb", images) == 3
    records = stored(tmp_path / "new" / "lmdb")
    assert [key for key, _, _ in records] == [
        "00000000_film/frame_0.png",
        "00000001_film/frame_1.png",
        "00000002_film/frame_2.png",
    ]
    for (_, planes, label), (_, image) in zip(records, images):
        assert np.array_equal(planes, image[:, :, ::-1].transpose(2, 0, 1))
        assert label == 0


def test_many_records_outgrow_batches_and_the_first_map(tmp_path, monkeypatch):
    monkeypatch.setattr("colorization.dataset.INITIAL_MAP", 1 << 20)
    values = [bytes([n % 251]) * 40_000 for n in range(200)]
    assert write_records(tmp_path / "lmdb", ((str(n), v) for n, v in enumerate(values))) == 200
    with lmdb.open(str(tmp_path / "lmdb"), readonly=True, lock=False) as environment:
        assert [value for _, value in environment.begin().cursor()] == values


def test_a_record_with_a_very_long_name(tmp_path):
    write_records(tmp_path / "lmdb", [("n" * 800, b"first"), ("n" * 800, b"second")])
    with lmdb.open(str(tmp_path / "lmdb"), readonly=True, lock=False) as environment:
        assert [value for _, value in environment.begin().cursor()] == [b"first", b"second"]


def test_an_error_leaves_the_older_lmdb(tmp_path):
    write_records(tmp_path / "lmdb", [("a", b"older")])

    def broken():
        yield "b", b"newer"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_records(tmp_path / "lmdb", broken())
    assert write_records(tmp_path / "other", []) == 0
    with lmdb.open(str(tmp_path / "lmdb"), readonly=True, lock=False) as environment:
        assert [value for _, value in environment.begin().cursor()] == [b"older"]


# Prior


def test_the_prior_is_the_mean_over_every_fourth_pixel():
    images = [noise(24, 36, 1), noise(24, 36, 2) // 3]
    total, count = np.zeros(313), 0
    for image in images:
        for y in range(0, 24, 4):
            for x in range(0, 36, 4):
                ab = color.rgb2lab(image[y, x][None, None] / 255)[0, 0, 1:]
                squared = ((ab_pairs().astype(float) - ab) ** 2).sum(axis=1)
                nearest = np.argsort(squared)[:5]
                weights = np.exp(-squared[nearest] / 50)
                total[nearest] += weights / weights.sum()
                count += 1
    result = prior(images)
    assert result.dtype == np.float64
    assert result == pytest.approx(total / count, abs=1e-5)
    assert result.sum() == pytest.approx(1, abs=1e-6)
    assert np.mean([mean_histogram(i) for i in images], axis=0) == pytest.approx(result, abs=1e-12)


def test_the_prior_of_one_colour():
    image = np.full((20, 28, 3), (200, 30, 90), np.uint8)
    ab = color.rgb2lab(image / 255)[0, 0, 1:].reshape(1, 2, 1, 1)
    assert prior([image]) == pytest.approx(soft_encode(ab).ravel(), abs=1e-5)


def test_no_images_have_no_prior():
    with pytest.raises(ValueError, match="prior: "):
        prior([])


# Inputs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def test_films_are_episodes_in_their_order(folder):
    touch("b.mp4", "a.mkv", "more/c.avi", "more/d.mov")
    parts = find_parts(["b.mp4", "more", "a.mkv", "b.mp4"])
    assert parts == [
        Episode("episode_01", Path("b.mp4")),
        Episode("episode_02", Path("more/c.avi")),
        Episode("episode_03", Path("more/d.mov")),
        Episode("episode_04", Path("a.mkv")),
    ]


def test_many_episodes_have_names_that_sort(folder):
    touch(*(f"film_{n:03d}.mp4" for n in range(101)))
    names = [part.name for part in find_parts(["."])]
    assert names[0] == "episode_001"
    assert names == sorted(names)


def test_folders_of_images(folder):
    touch("photos/a.jpg", "photos/b.png", "net/n02/x.JPEG", "net/n01/deep/y.png", "film.mp4")
    flat, film, classes = find_parts(["photos", "film.mp4", "net"])
    assert flat == Images(
        "images_01",
        "images_01",
        (
            ImageFile(Path("photos/a.jpg"), "images_01/a.jpg.png", 0),
            ImageFile(Path("photos/b.png"), "images_01/b.png", 0),
        ),
    )
    assert film == Episode("episode_01", Path("film.mp4"))
    assert [(file.name, file.label) for file in classes.files] == [
        ("images_02/n01/deep/y.png", 0),
        ("images_02/n02/x.JPEG.png", 1),
    ]


def test_large_folders_are_several_parts(folder, monkeypatch):
    monkeypatch.setattr("colorization.dataset_inputs.IMAGES_PER_PART", 3)
    touch(*(f"photos/{n}.jpg" for n in range(7)))
    parts = find_parts(["photos"])
    assert [part.name for part in parts] == ["images_01_0001", "images_01_0002", "images_01_0003"]
    assert [len(part.files) for part in parts] == [3, 3, 1]
    assert {part.group for part in parts} == {"images_01"}


def test_cuts(folder):
    write_lossless("film.mkv", numbered(50))
    assert find_parts(["film.mkv"], [0.5, 1.2]) == [
        Episode("episode_01", Path("film.mkv"), 0.5, 1.2),
        Episode("episode_02", Path("film.mkv"), 1.2, float("inf")),
    ]
    touch("other.mp4", "photos/a.jpg")
    for inputs in (["film.mkv", "other.mp4"], ["film.mkv", "photos"], ["photos"]):
        with pytest.raises(InputError, match="^cuts: they are for one film alone$"):
            find_parts(inputs, [0.0, 1.0])
    with pytest.raises(InputError, match="^cuts: 1 s stands after 1.5 s, expected ascending times"):
        find_parts(["film.mkv"], [0.0, 1.5, 1.0])
    with pytest.raises(InputError, match="^cuts: 7 s is not within film.mkv, which lasts 2.00 s$"):
        find_parts(["film.mkv"], [0.0, 7.0])


def test_times_of_cuts(folder):
    assert read_cuts("0,90.5, 3:00,1:02:03") == [0.0, 90.5, 180.0, 3723.0]
    Path("cuts.json").write_text('[0, 90.5, "3:00"]')
    assert read_cuts("cuts.json") == [0.0, 90.5, 180.0]
    with pytest.raises(InputError) as caught:
        read_cuts("0,-3")
    assert str(caught.value) == 'cuts: "-3" is no time, expected one like 90.5, 3:00 or 1:02:03'
    Path("cuts.json").write_text('{"film": 3}')
    with pytest.raises(InputError, match="^cuts.json: expected a list of times"):
        read_cuts("cuts.json")
    Path("cuts.json").write_text("[0,")
    with pytest.raises(InputError, match="^cuts.json: cannot be read as JSON: "):
        read_cuts("cuts.json")


# Parts


def make_episode(tmp_path, frames, **choice):
    film = write_lossless(tmp_path / "film.mkv", list(frames))
    recipe = Recipe(size=40, **choice)
    return make_part(Episode("episode_01", film), recipe, tmp_path / "out")


def test_an_episode(tmp_path):
    """Duplicates and credits go, the rest is stored as LMDB, PNG and histograms, all alike."""
    shots = numbered(6, 60, 80)
    titles = credits_frame(height=60, width=80)
    frames = list(shaken([*shots[:3], titles, *shots[3:]]))
    record = make_episode(tmp_path, frames, png=True)
    out = tmp_path / "out"
    kept = [name for name, _ in record.kept]
    assert len(kept) == 6
    assert len(record.left_out["credits"]) == 1
    assert record.counts == {"kept": 6, "duplicates": len(frames) - 7, "credits": 1}
    assert 0.8 < record.confidence[record.left_out["credits"][0]] <= 1
    part = out / "parts" / "episode_01"
    assert sorted(os.listdir(part)) == [
        "credits.png",
        "duplicates.png",
        "histograms.f32",
        "kept.png",
        "lmdb",
        "record.json",
    ]
    assert Record(**json.loads((part / "record.json").read_text())).left_out == record.left_out
    rows = histograms(out, Episode("episode_01", tmp_path))
    assert rows.shape == (6, 313)
    for (key, planes, _), name, row in zip(stored(part / "lmdb"), kept, rows, strict=True):
        number = int(name[-10:-4])
        image = resized(frames[number], 40, 40)
        assert key.endswith(f"_{name}")
        assert np.array_equal(planes, image[:, :, ::-1].transpose(2, 0, 1))
        assert np.array_equal(np.asarray(Image.open(out / "frames" / name)), image)
        assert row == pytest.approx(mean_histogram(image), abs=1e-6)


def test_an_episode_begins_anew_after_an_error(tmp_path):
    film = write_lossless(tmp_path / "film.mkv", numbered(20))
    seen = 0

    def tick():
        nonlocal seen
        seen += 1
        if seen == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_part(Episode("e", film), Recipe(size=40), tmp_path / "out", tick)
    assert os.listdir(tmp_path / "out" / "parts") == []
    record = make_part(Episode("e", film), Recipe(size=40), tmp_path / "out")
    assert record.counts == {"kept": 20}


def test_images_that_cannot_be_read_are_failures(tmp_path):
    write_image(tmp_path / "a.png", Picture(noise(30, 60, 1)))
    write_image(tmp_path / "b.png", Picture(noise(30, 60, 2).astype(np.uint16) * 257))
    (tmp_path / "c.png").write_text("no image")
    files = tuple(ImageFile(tmp_path / f"{n}.png", f"i/{n}.png", k) for k, n in enumerate("abc"))
    record = make_part(Images("i", "i", files), Recipe(size=30), tmp_path / "out")
    assert record.failures == [f"{tmp_path / 'c.png'}: not an image of a known format"]
    assert record.counts == {"kept": 2, "failed": 1}
    records = stored(tmp_path / "out" / "parts" / "i" / "lmdb")
    assert [(key, label) for key, _, label in records] == [
        ("00000000_i/a.png", 0),
        ("00000001_i/b.png", 1),
    ]
    for seed, (_, planes, _) in enumerate(records, 1):
        middle = noise(30, 60, seed)[:, 15:45]
        assert np.array_equal(planes, middle[:, :, ::-1].transpose(2, 0, 1))


def test_memory_does_not_grow_with_the_film(tmp_path):
    """200 frames more would take 46 MB if they were held; the peak moves by less than 12."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from colorization.dataset_parts import Episode, Recipe, make_part\n"
        "part = Episode('episode_01', Path(sys.argv[1]))\n"
        "record = make_part(part, Recipe(size=64), Path(sys.argv[2]))\n"
        "print(len(record.kept), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for count in (100, 300):
        film = write_lossless(tmp_path / f"{count}.mkv", numbered(20, 240, 320) * (count // 20))
        command = [sys.executable, "-c", code, film, tmp_path / f"out_{count}"]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        kept, peak = map(int, run.stdout.split())
        assert kept == count
        peaks.append(peak * 1024)
    assert peaks[1] < peaks[0] + 12e6


# Sets


def records_of(parts, counts):
    return {
        part.name: Record({}, [(f"{part.name}/{n}", 0) for n in range(count)])
        for part, count in zip(parts, counts)
    }


EPISODES = [Episode(f"episode_{n}", Path("film.mkv")) for n in range(4)]


def test_the_first_episodes_are_the_test_set():
    members = assign(EPISODES, records_of(EPISODES, [5, 40, 60, 80]), Split(1, 0.1, 3))
    assert members["test"] == [(0, n) for n in range(5)]
    everything = [(p, n) for p, count in enumerate([5, 40, 60, 80]) for n in range(count)]
    assert sorted(sum(members.values(), [])) == everything
    assert len(members["val"]) == 4 + 6 + 8


def test_validation_is_a_stretch_of_each_episode():
    members = assign(EPISODES, records_of(EPISODES, [5, 40, 60, 80]), Split(1, 0.1, 3))
    for number, length in ((1, 4), (2, 6), (3, 8)):
        stretch = sorted(n for p, n in members["val"] if p == number)
        assert stretch == list(range(stretch[0], stretch[0] + length))


def test_training_and_validation_are_shuffled_and_the_test_set_in_order():
    members = assign(EPISODES, records_of(EPISODES, [5, 40, 60, 80]), Split(1, 0.1, 3))
    assert members["test"] == sorted(members["test"])
    for name, most in (("train", 10), ("val", 4)):
        pairs = zip(members[name], members[name][1:])
        assert sum(p == q and a + 1 == b for (p, a), (q, b) in pairs) <= most


def test_the_seed_decides():
    records = records_of(EPISODES, [5, 40, 60, 80])
    first, same, other = (assign(EPISODES, records, Split(1, 0.1, seed)) for seed in (3, 3, 4))
    assert first == same
    assert first["train"] != other["train"]
    assert first["val"] != other["val"]
    assert first["test"] == other["test"]


def test_shares():
    records = records_of(EPISODES, [1, 2, 60, 0])
    assert len(assign(EPISODES, records, Split(0, 0.0, 0))["val"]) == 0
    few = assign(EPISODES, records, Split(0, 0.01, 0))
    assert len(few["val"]) == 2  # one at least, where that leaves one to train on
    assert len(few["train"]) == 61


def test_a_missing_episode_moves_no_other_into_the_test_set():
    records = records_of(EPISODES, [5, 40, 60, 80])
    del records["episode_0"]
    members = assign(EPISODES, records, Split(1, 0.1, 3))
    assert members["test"] == []
    assert {number for number, _ in members["train"]} == {1, 2, 3}


def test_images_are_never_the_test_set_and_are_drawn_one_by_one():
    parts = [Images("images_01", "images_01", ()), *EPISODES[:2]]
    members = assign(parts, records_of(parts, [200, 30, 30]), Split(1, 0.1, 3))
    assert {number for number, _ in members["test"]} == {1}
    drawn = [n for p, n in members["val"] if p == 0]
    assert len(drawn) == 20
    assert drawn[-1] - drawn[0] > 100


# Pictures


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 23, 24, 1000])
def test_an_even_sample(count):
    sample = EvenSample(3)
    for number, image in enumerate(numbered(count, 8, 9)):
        sample.offer(str(number), image)
    kept = [int(caption) for caption, _ in sample.pictures]
    assert len(kept) == count if count < 6 else 3 <= len(kept) <= 5
    assert kept[:1] == [0] * min(count, 1)
    assert len(set(np.diff(kept))) <= 1
    assert all(picture.shape == (128, 128, 3) for _, picture in sample.pictures)
    if count > 2:
        assert count - kept[-1] <= 2 * kept[1]


def test_a_contact_sheet(tmp_path):
    pictures = [(f"frame {n}", np.full((128, 128, 3), 20 * n, np.uint8)) for n in range(10)]
    write_sheet(tmp_path / "sheet.png", pictures)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * (128 + 16 + 4) + 4, 8 * (128 + 4) + 4, 3)
    assert (sheet[20:148, 4 + 3 * 132 : 4 + 3 * 132 + 128] == 60).all()
    assert (sheet[168:296, 4 + 132 : 4 + 132 + 128] == 180).all()


def rectangles(svg):
    root = ElementTree.fromstring(svg)
    found = root.findall(".//{http://www.w3.org/2000/svg}rect")
    titles = [rect[0].text for rect in found]
    return [dict(rect.attrib, title=title) for rect, title in zip(found, titles)]


def test_the_columns_of_the_prior():
    p = np.random.default_rng(5).dirichlet(np.full(313, 0.1))
    columns = rectangles(columns_svg(p))
    assert len(columns) == 50
    order = np.argsort(-p)
    shares = [*p[order[:49]], p[order[49:]].sum()]
    heights = np.array([float(column["height"]) for column in columns])
    assert heights / heights.max() == pytest.approx(np.array(shares) / max(shares), abs=1e-4)
    a, b = ab_pairs()[order[0]].astype(int)
    assert columns[0]["title"] == f"a {a}, b {b}: {p.max():.2%}"
    assert columns[0]["fill"] == pair_colours()[order[0]]
    assert columns[-1]["title"].startswith("264 others: ")
    assert float(columns[0]["y"]) + heights[0] == pytest.approx(260)


def test_the_colours_of_the_pairs():
    for (a, b), shown in zip(ab_pairs(), pair_colours()):
        expected = color.lab2rgb([[[65.0, a, b]]])[0, 0] if abs(a) + abs(b) < 40 else None
        if expected is not None:
            assert list(bytes.fromhex(shown[1:])) == pytest.approx(255 * expected, abs=1)


def test_the_plane_of_the_prior():
    p = np.zeros(313)
    p[[100, 200]] = 0.999, 0.001
    squares = rectangles(plane_svg(p))
    assert len(squares) == 313
    areas = np.array([float(square["width"]) ** 2 for square in squares])
    assert areas.argsort()[-2:].tolist() == [200, 100]
    assert areas[200] / areas[100] == pytest.approx(4 / 7, abs=0.02)
    a, b = ab_pairs()[100]
    assert float(squares[100]["x"]) + float(squares[100]["width"]) / 2 == pytest.approx(a, abs=0.02)
    assert float(squares[100]["y"]) + float(squares[100]["height"]) / 2 == pytest.approx(
        -b, abs=0.02
    )


def test_numbered_frames_tell_their_number():
    assert [number_of(frame) for frame in numbered(3, H, W, start=255)] == [255, 256, 257]

"""WindowData: which windows make a batch, how they are cut, what is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import caffe
from caffe import windows
from caffe.errors import CaffeError

LIST = """# 0
a.png 3 14 12 3
3 0.9 2 1 9 10
0 0.1 0 3 5 8
5 0.4 1 1 2 2
# 1
b.png 3 9 16 1
7 0.5 4 2 12 7
"""
FIELDS = "source: 'windows.txt' batch_size: 8 root_folder: 'img/' bg_threshold: 0.3"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with two pictures and the list of their windows."""
    monkeypatch.chdir(tmp_path)
    Path("img").mkdir()
    Path("windows.txt").write_text(LIST)
    draw = np.random.default_rng(0)
    for name, size in (("a", (14, 12)), ("b", (9, 16))):
        cv2.imwrite(f"img/{name}.png", draw.integers(0, 256, (*size, 3), np.uint8))
    return tmp_path


def make_net(fields=FIELDS, transform="crop_size: 6"):
    Path("net.prototxt").write_text(
        'layer { name: "w" type: "WindowData" top: "data" top: "label" '
        f"transform_param {{ {transform} }} window_data_param {{ {fields} }} }}"
    )
    caffe.set_random_seed(5)
    return caffe.Net("net.prototxt", caffe.TRAIN)


def test_a_batch_has_its_share_of_foreground(folder):
    net = make_net(FIELDS + " fg_fraction: 0.4")
    assert net.blobs["data"].shape == (8, 3, 6, 6)
    seen = set()
    for _ in range(6):
        labels = net.forward()["label"].tolist()
        assert labels[:5] == [0] * 5 and set(labels[5:]) <= {3, 7}
        seen.update(labels[5:])
    assert seen == {3, 7}


def test_pixels_less_the_mean(folder):
    net = make_net(transform="crop_size: 6 mean_value: 10 mean_value: 20 mean_value: 30 scale: 0.5")
    net.forward()
    picture = cv2.imread("img/a.png")[3:9, 0:6].astype(float)  # a background, of 6x6 pixels
    expected = (picture.transpose(2, 0, 1) - [[[10]], [[20]], [[30]]]) / 2
    np.testing.assert_allclose(net.blobs["data"].data[0], expected)


def test_mirror(folder):
    net = make_net(transform="crop_size: 6 mirror: true")
    picture = cv2.imread("img/a.png")[3:9, 0:6].transpose(2, 0, 1)
    found = set()
    for item in net.forward()["data"][:6]:
        found.add((item == picture).all() + 2 * (item == picture[:, :, ::-1]).all())
    assert found == {1, 2}


def test_context_outside_of_the_picture_is_zero(folder):
    net = make_net(FIELDS + " context_pad: 2", "crop_size: 10 mean_value: 500")
    data = net.forward()["data"][0]
    assert not data[:, :, :2].any() and data[:, :, 2:].all()


@pytest.mark.parametrize(
    ("square", "expected"), [(False, (-2, -2, 9, 14)), (True, (-4, -2, 11, 14))]
)
def test_with_context(square, expected):
    # 7x10 pixels around (3.5, 6), 8/12 of what is wanted
    assert windows.with_context((0, 1, 6, 10), 12, 2, square) == expected


def test_rounded():
    assert [windows.rounded(x) for x in (-2.5, -0.4, 0.5, 1.5, 2.4)] == [-3, 0, 1, 2, 2]


def test_the_same_batches_after_a_resume(folder):
    net, other = make_net(), make_net()
    net.forward()
    other.set_stream_state(net.stream_state())
    np.testing.assert_array_equal(net.forward()["data"], other.forward()["data"])


@pytest.mark.parametrize(
    ("fields", "transform", "message"),
    [
        ("", "crop_size: 6", "window_data_param has no source"),
        ("source: 'x' batch_size: 2", "crop_size: 6", "x: "),
        ("source: 'windows.txt'", "crop_size: 6", "has no batch_size"),
        (FIELDS, "", "transform_param has no crop_size"),
        (FIELDS + " context_pad: 3", "crop_size: 6", "context_pad is 3, expected less than half"),
        (FIELDS + " crop_mode: 'wrap'", "crop_size: 6", 'crop_mode is "wrap", expected warp'),
        (FIELDS + " fg_threshold: 2", "crop_size: 6", "windows.txt: has no foreground windows"),
        (FIELDS + " fg_fraction: 2", "crop_size: 6", "fg_fraction is 2, expected 0 to 1"),
        (FIELDS + " fg_fraction: inf", "crop_size: 6", "fg_fraction is inf, expected 0 to 1"),
        (FIELDS + " fg_fraction: nan", "crop_size: 6", "fg_fraction is nan, expected 0 to 1"),
        (
            FIELDS,
            "crop_size: 4000000000",
            "cannot reshape a blob to (8, 3, 4000000000, 4000000000)",
        ),
        (FIELDS + " mirror: true", "crop_size: 6", "move it to transform_param"),
        (FIELDS, "crop_size: 6 mean_value: 1 mean_value: 2", "mean_value is given 2 times"),
    ],
)
def test_refused(fields, transform, message, folder):
    with pytest.raises(CaffeError, match='layer "w" .WindowData.: ') as caught:
        make_net(fields, transform)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a.png 3 14 12 0", 1),
        ("# 0\na.png 3 14", 1),
        ("# 0\na 3 4 5 1\n1 x", 3),
        (LIST.replace("0 0.1 0 3 5 8", "0 0.1 0 3 5"), 5),  # the next number is taken
        (LIST.replace("9 16 1", "9 16 2"), 8),
        (LIST.replace("3 0.9", f"{'9' * 400} 0.9"), 3),
    ],
)
def test_a_broken_list(text, line, folder):
    Path("windows.txt").write_text(text)
    with pytest.raises(CaffeError, match=f"windows.txt:{line}: expected a list"):
        make_net()


@pytest.mark.parametrize("box", ["20 3 25 8", "-11 -19 -22 -28", "3 9 4 8", "0 -9 5 -2"])
@pytest.mark.parametrize("fields", ["", " crop_mode: 'square' context_pad: 2"])
def test_a_window_outside_of_its_picture(box, fields, folder):
    Path("windows.txt").write_text(LIST.replace("0 3 5 8", box))
    message = f"a.png: window \\({box.replace(' ', ', ')}\\) lies outside"
    with pytest.raises(CaffeError, match=message):
        make_net(FIELDS + fields).forward()

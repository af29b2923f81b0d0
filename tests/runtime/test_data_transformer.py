"""DataTransformer against loops over pixels."""

import cv2
import numpy as np
import pytest

from caffe import binaryproto
from caffe.data_transformer import DataTransformer, read_mean
from caffe.errors import CaffeError
from caffe.proto.caffe_pb2 import TEST, TRAIN, BlobProto, TransformationParameter


def draws(seed=3):
    return np.random.default_rng(seed)


def pictures(count=2, shape=(3, 6, 7), dtype=np.uint8, seed=0):
    """Read-only pictures, so that a write into the input fails."""
    values = draws(seed).integers(0, 256, (count, *shape)).astype(dtype)
    values.flags.writeable = False
    return list(values)


def transform(items, phase=TEST, seed=3, **fields):
    transformer = DataTransformer(TransformationParameter(**fields), phase)
    return transformer(items, [f"item {i}" for i in range(len(items))], draws(seed))


def cut(picture, size, top, left, mirrored, mean, scale):
    """The crop of one picture, pixel by pixel; `mean` has the size of the whole picture."""
    out = np.zeros((len(picture), size, size), np.float32)
    for c in range(len(picture)):
        for y in range(size):
            for x in range(size):
                value = np.float32(picture[c, top + y, left + x]) - mean[c, top + y, left + x]
                out[c, y, size - 1 - x if mirrored else x] = value * np.float32(scale)
    return out


def candidates(picture, size, mean=None, scale=1.0):
    """All crops with their (top, left, mirrored)."""
    mean = np.zeros(picture.shape, np.float32) if mean is None else mean
    height, width = picture.shape[1:]
    return {
        (top, left, mirrored): cut(picture, size, top, left, mirrored, mean, scale)
        for top in range(height - size + 1)
        for left in range(width - size + 1)
        for mirrored in (False, True)
    }


def found(result, choices):
    """Which of the candidates a result is."""
    matches = [key for key, crop in choices.items() if np.array_equal(result, crop)]
    assert len(matches) == 1
    return matches[0]


def write_mean(path, array):
    binaryproto.write(path, binaryproto.array_to_blob(array))
    return str(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_nothing_asked_gives_the_pixels_as_float32(dtype):
    items = pictures(dtype=dtype)
    batch = transform(items)
    assert batch.dtype == np.float32
    assert batch.shape == (2, 3, 6, 7)
    assert np.array_equal(batch, items)


@pytest.mark.parametrize(("size", "top", "left"), [(4, 1, 1), (3, 1, 2), (6, 0, 0)])
def test_crop_of_the_test_phase_is_the_centre_rounded_down(size, top, left):
    items = pictures()
    batch = transform(items, crop_size=size)
    for got, item in zip(batch, items):
        assert found(got, candidates(item, size)) == (top, left, False)


def test_mean_is_subtracted_before_scaling():
    items = pictures()
    per_channel = transform(items, mean_value=[10, 20, 30], scale=0.5)
    expected = (np.array(items, np.float32) - np.array([10, 20, 30]).reshape(3, 1, 1)) * 0.5
    assert np.array_equal(per_channel, expected)
    one_for_all = transform(items, mean_value=[127.5], scale=0.25)
    assert np.array_equal(one_for_all, (np.array(items, np.float32) - 127.5) * 0.25)


def test_random_crop_and_mirror_take_the_mean_with_them(tmp_path):
    mean = draws(9).random((1, 3, 6, 7), np.float32) * 100
    path = write_mean(tmp_path / "mean.binaryproto", mean)
    items = pictures(60)
    batch = transform(items, TRAIN, crop_size=5, mirror=True, mean_file=path, scale=0.5)
    places = [found(got, candidates(x, 5, mean[0], 0.5)) for got, x in zip(batch, items)]
    assert {(top, left) for top, left, _ in places} == {(t, s) for t in (0, 1) for s in (0, 1, 2)}
    assert 15 < sum(mirrored for *_, mirrored in places) < 45


def test_mirror_is_random_in_the_test_phase_too():
    items = pictures(60)
    batch = transform(items, TEST, mirror=True)
    mirrored = [np.array_equal(got, item[:, :, ::-1]) for got, item in zip(batch, items)]
    plain = [np.array_equal(got, item) for got, item in zip(batch, items)]
    assert all(m != p for m, p in zip(mirrored, plain))
    assert 15 < sum(mirrored) < 45


def test_the_draws_decide():
    items = pictures(8)
    asked = {"phase": TRAIN, "crop_size": 3, "mirror": True}
    assert np.array_equal(transform(items, seed=4, **asked), transform(items, seed=4, **asked))
    assert not np.array_equal(transform(items, seed=4, **asked), transform(items, seed=5, **asked))


def test_sizes_and_types_may_differ_under_a_crop():
    items = [*pictures(1, (2, 6, 7)), *pictures(1, (2, 5, 9), np.float32)]
    batch = transform(items, crop_size=4)
    assert found(batch[0], candidates(items[0], 4)) == (1, 1, False)
    assert found(batch[1], candidates(items[1], 4)) == (0, 2, False)


@pytest.mark.parametrize("field", ["force_color", "force_gray"])
def test_force_flags_say_how_to_decode(field):
    transformer = DataTransformer(TransformationParameter(**{field: True}), TEST)
    assert transformer.color is (field == "force_color")
    assert DataTransformer(TransformationParameter(), TEST).color is None


ERRORS = {
    "small": (
        [(3, 6, 7)],
        {"crop_size": 7},
        "item 0: is 6x7 (height x width), smaller than crop_size 7",
    ),
    "mean values": (
        [(3, 6, 7)],
        {"mean_value": [1, 2]},
        "item 0: has 3 channel(s), but mean_value is given 2 times, "
        "expected once or once per channel",
    ),
    "sizes": (
        [(3, 6, 7), (3, 7, 6)],
        {},
        "item 1: gives 3x7x6 (channels x height x width), expected 3x6x7 as the batch begins with: "
        "resize, crop, or use batch_size 1",
    ),
    "channels": (
        [(3, 6, 7), (1, 6, 7)],
        {"crop_size": 5},
        "item 1: gives 1x5x5 (channels x height x width), expected 3x5x5 as the batch begins with: "
        "resize, crop, or use batch_size 1",
    ),
    "two forces": (
        [(3, 6, 7)],
        {"force_color": True, "force_gray": True},
        "transform_param has both force_color and force_gray, expected one",
    ),
    "two means": (
        [(3, 6, 7)],
        {"mean_value": [1], "mean_file": "mean.binaryproto"},
        "transform_param has both mean_file and mean_value, expected one",
    ),
    "no mean file": (
        [(3, 6, 7)],
        {"mean_file": "none.binaryproto"},
        "none.binaryproto: no such file, expected a binary BlobProto",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    shapes, fields, message = ERRORS[case]
    with pytest.raises(CaffeError) as error:
        transform([pictures(1, shape)[0] for shape in shapes], **fields)
    assert str(error.value) == message


def test_mean_of_another_size_is_refused(tmp_path):
    path = write_mean(tmp_path / "mean.binaryproto", np.zeros((1, 3, 6, 8), np.float32))
    with pytest.raises(CaffeError) as error:
        transform(pictures(), crop_size=4, mean_file=path)
    assert str(error.value) == (
        f"item 0: is 3x6x7 (channels x height x width), but mean_file {path} is 3x6x8"
    )


def test_mean_file_must_hold_one_picture(tmp_path):
    path = write_mean(tmp_path / "two.binaryproto", np.zeros((2, 3, 4, 5), np.float32))
    with pytest.raises(CaffeError) as error:
        read_mean(path)
    assert str(error.value) == (
        f"{path}: holds a blob of shape (2, 3, 4, 5), expected a mean picture (1, C, H, W)"
    )


def test_mean_file_may_have_the_legacy_shape(tmp_path):
    blob = BlobProto(num=1, channels=2, height=1, width=3, data=range(6))
    binaryproto.write(tmp_path / "old.binaryproto", blob)
    mean = read_mean(str(tmp_path / "old.binaryproto"))
    assert np.array_equal(mean, np.arange(6).reshape(2, 1, 3))


def test_planes_of_a_decoded_picture_need_no_copy():
    picture = cv2.cvtColor(pictures(1, (9, 11, 1))[0], cv2.COLOR_GRAY2BGR)
    planes = picture.transpose(2, 0, 1)
    assert np.array_equal(transform([planes], crop_size=8)[0], planes[:, :8, 1:9])

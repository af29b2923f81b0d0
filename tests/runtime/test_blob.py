"""Blobs: live numpy views, rebinding, sharing, the newest side."""

import numpy as np
import pytest
import torch

from caffe.blob import Blob, BlobVec, TensorBlob, shape_string
from caffe.errors import CaffeError


def test_data_is_zero_until_written():
    blob = Blob((2, 3))
    assert blob.data.dtype == np.float32
    assert not blob.data.any() and not blob.diff.any()


def test_numpy_view_and_tensor_are_one_memory():
    blob = Blob((2, 3))
    blob.data[...] = np.arange(6).reshape(2, 3)
    assert blob.data_tensor().tolist() == [[0, 1, 2], [3, 4, 5]]
    blob.data_tensor()[1, 2] = 9
    assert blob.data[1, 2] == 9


def test_a_view_that_was_handed_out_follows_later_values():
    blob = Blob((2, 3))
    view = blob.data
    blob.set_data(torch.ones(2, 3))
    assert view.tolist() == [[1, 1, 1], [1, 1, 1]]
    blob.data[0, 0] = 5
    assert view[0, 0] == 5


def test_without_a_view_setting_copies_nothing():
    blob, value = Blob((2, 3)), torch.ones(2, 3)
    blob.set_data(value)
    assert blob.data_tensor().data_ptr() == value.data_ptr()


def test_writing_to_a_view_leaves_the_tensor_that_was_set_alone():
    blob, value = Blob((2, 3)), torch.ones(4, 3)
    blob.set_data(value[1:3])
    blob.data[...] = 7
    assert value.tolist() == torch.ones(4, 3).tolist()
    assert blob.data_tensor().tolist() == [[7, 7, 7], [7, 7, 7]]


def test_a_view_of_another_size_is_left_alone():
    blob = Blob((2, 3))
    view = blob.data
    blob.set_data(torch.ones(4, 5))
    assert blob.shape == (4, 5) and blob.data.sum() == 20
    assert not view.any()


def test_bf16_is_seen_as_float32():
    blob = Blob((2, 3))
    blob.set_data(torch.full((2, 3), 1.5, dtype=torch.bfloat16))
    assert blob.data.dtype == np.float32 and (blob.data == 1.5).all()


def test_smaller_shape_keeps_the_first_elements():
    blob = Blob((2, 3))
    blob.data[...] = np.arange(6).reshape(2, 3)
    blob.reshape(1, 4)
    assert blob.data.tolist() == [[0, 1, 2, 3]]
    blob.reshape(2, 3)
    assert blob.data[1].tolist() == [3, 4, 5]


def test_larger_shape_gives_zeros():
    blob = Blob((2,))
    blob.data[...] = 7
    blob.reshape(3, 5)
    assert blob.data.shape == (3, 5) and not blob.data.any()


def test_add_diff_accumulates_and_clears():
    blob = Blob((2,))
    gradient = torch.tensor([1.0, 2.0])
    blob.add_diff(gradient)
    blob.add_diff(gradient)
    assert blob.diff.tolist() == [2, 4] and gradient.tolist() == [1, 2]
    blob.clear_diff()
    assert blob.diff.tolist() == [0, 0]


def test_gradients_are_kept_in_the_order_of_their_axes():
    """Whatever the order in memory of those that come: the histories lie in this one."""
    blob, value = Blob((2, 3, 4, 5)), torch.arange(120.0).view(2, 3, 4, 5)
    for times in (1, 2):
        blob.add_diff(value.contiguous(memory_format=torch.channels_last))
        assert blob.diff_tensor().is_contiguous()
        assert torch.equal(blob.diff_tensor(), times * value)


def test_shared_data_is_one_memory_whatever_the_shape():
    owner, user = Blob((2, 3)), Blob((3, 2))
    user.share_data(owner)
    owner.data[...] = np.arange(6).reshape(2, 3)
    assert user.data.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_data_cannot_be_assigned():
    with pytest.raises(AttributeError):
        Blob((2,)).data = 3


def test_legacy_axes():
    blob = Blob((2, 3))
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (2, 3, 1, 1, 6)
    with pytest.raises(CaffeError, match="a blob of 5 axes has no num/channels/height/width"):
        Blob((1, 2, 3, 4, 5)).num  # noqa: B018


def test_reshape_refuses_negative_axes_and_keywords():
    with pytest.raises(CaffeError, match="axes must not be negative"):
        Blob().reshape(2, -1)
    with pytest.raises(RuntimeError, match=r"Blob\.reshape takes no kwargs"):
        Blob().reshape(shape=(1, 2))


def test_tensor_blob_writes_through():
    blob = Blob((2, 3))
    seen = TensorBlob(blob, torch.device("cpu"))
    seen.data[...] = torch.ones(2, 3)
    seen.reshape(3, 2)
    assert blob.shape == (3, 2) and blob.data.sum() == 6


def test_add_blob():
    blobs = BlobVec()
    blobs.add_blob(2, 3)
    assert [b.shape for b in blobs] == [(2, 3)]


@pytest.mark.parametrize("shape, text", [((), "(1)"), ((4, 6), "4 6 (24)")])
def test_shape_string(shape, text):
    assert shape_string(shape) == text


@pytest.mark.gpu
def test_newest_side_counts():
    gpu = torch.device("cuda")
    blob = Blob((2, 3))
    blob.data[...] = 1
    assert blob.data_tensor(gpu).sum() == 6
    view = blob.data
    blob.set_data(torch.full((2, 3), 2.0, device=gpu))
    assert blob.data.sum() == 12 and view.sum() == 12
    blob.data[...] = 3
    assert blob.data_tensor(gpu).sum() == 18


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(2, 3, 4, 5),
        lambda: torch.ones(1).expand(2, 3, 4, 5),
        lambda: torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        lambda: torch.ones(2, 3, 5, 4).transpose(2, 3),
        lambda: torch.ones(2, 3, 4, 5, dtype=torch.bfloat16),
    ],
    ids=["plain", "expanded", "channels last", "transposed", "bf16"],
)
def test_diffs_of_any_kind_add_up(make, shared):
    value, blob = make(), Blob((2, 3, 4, 5))
    blob.add_diff(value, shared)
    blob.add_diff(value, shared)
    found = blob.diff_tensor()
    assert found.is_contiguous() and found.dtype == torch.float32 and (found == 2).all()
    assert (value == 1).all() or not shared
    blob.clear_diff()
    assert not blob.diff.any()

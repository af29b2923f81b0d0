"""Data layers in nets: what each forward brings, whatever the order, the threads or the ranks."""

import gc
import os
import threading
import time

import cv2
import h5py
import numpy as np
import pytest
import torch

import caffe
from caffe import context, sources
from caffe.blob import Blob
from caffe.io import array_to_datum
from caffe.ops import data as data_layers

COUNT = 7  # items in the databases and lists


def planes(i, height=6, width=5):
    """Picture i, (C, H, W)."""
    return np.random.default_rng(i).integers(0, 256, (3, height, width), np.uint8)


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    """Paths in the nets are relative to `tmp_path`."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def db():
    records = (
        (b"%02d" % i, array_to_datum(planes(i), i).SerializeToString()) for i in range(COUNT)
    )
    sources.write_lmdb("db", records)


@pytest.fixture
def pictures():
    for i in range(COUNT):
        cv2.imwrite(f"{i} of {COUNT}.png", planes(i).transpose(1, 2, 0))
    lines = [f"{i} of {COUNT}.png {i}\n" for i in range(COUNT)]
    with open("list.txt", "w") as file:
        file.writelines(lines)


@pytest.fixture
def hdf5():
    for name, rows in (("a.h5", range(3)), ("b.h5", range(3, COUNT))):
        with h5py.File(name, "w") as file:
            file["label"] = np.array(rows)
            file["data"] = np.stack([planes(i) for i in rows])
    with open("list.txt", "w") as file:
        file.write("a.h5\nb.h5\n")


def net_of(text, phase=caffe.TRAIN, seed=11):
    with open("net.prototxt", "w") as file:
        file.write(text)
    caffe.set_random_seed(seed)
    return caffe.Net("net.prototxt", phase)


def layer(kind, param, transform="", tops=("data", "label")):
    tops = " ".join(f'top: "{top}"' for top in tops)
    transform = f"transform_param {{ {transform} }}" if transform else ""
    return f'layer {{ name: "d" type: "{kind}" {tops} {param} {transform} }}'


def data_layer(fields="", transform="", **kwargs):
    param = f'data_param {{ source: "db" backend: LMDB batch_size: 3 {fields} }}'
    return layer("Data", param, transform, **kwargs)


def image_layer(fields="", transform="", batch_size=3, data_param=""):
    param = f'image_data_param {{ source: "list.txt" batch_size: {batch_size} {fields} }}'
    param += f" data_param {{ {data_param} }}"
    return layer("ImageData", param, transform)


def hdf5_layer(fields="", **kwargs):
    param = f'hdf5_data_param {{ source: "list.txt" batch_size: 3 {fields} }}'
    return layer("HDF5Data", param, **kwargs)


def forward(net):
    """Copies of the tops after a forward pass."""
    net.forward()
    return {name: blob.data.copy() for name, blob in net.blobs.items()}


def labels(net, passes):
    return [forward(net)["label"].astype(int).tolist() for _ in range(passes)]


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


CROP = "crop_size: 4 mirror: true"
RANDOM = {
    "Data": ("db", lambda more="": data_layer(f"rand_skip: 5 {more}", CROP)),
    "ImageData": (
        "pictures",
        lambda more="": image_layer("shuffle: true rand_skip: 5", CROP, data_param=more),
    ),
    "HDF5Data": ("hdf5", lambda more="": hdf5_layer("shuffle: true")),
}


@pytest.fixture(params=RANDOM)
def random_layer(request):
    """A function that gives the text of a layer that draws at random."""
    fixture, text = RANDOM[request.param]
    request.getfixturevalue(fixture)
    return text


# -- a batch follows from its number ---------------------------------------------------------------


def test_batches_do_not_depend_on_the_order_of_the_calls(random_layer):
    net = net_of(random_layer())
    in_order = [forward(net) for _ in range(6)]
    assert not any(same(in_order[0], batch) for batch in in_order[1:])
    for k in (4, 0, 1, 2, 5, 3, 3):
        net.layers[0].calls = k
        assert same(forward(net), in_order[k])
        assert net.layers[0].calls == k + 1


def test_seeds_make_the_difference(random_layer):
    first, again, other = (net_of(random_layer(), seed=seed) for seed in (1, 1, 2))
    a, b, c = ([forward(net) for _ in range(3)] for net in (first, again, other))
    assert all(map(same, a, b))
    assert not any(map(same, a, c))


@pytest.mark.parametrize("prefetch", [1, 4])
def test_prefetched_batches_are_those_computed_directly(random_layer, prefetch):
    direct = net_of(random_layer("prefetch: 0"))
    ahead = net_of(random_layer(f"prefetch: {prefetch}"))
    for _ in range(12):
        assert same(forward(ahead), forward(direct))


def test_a_restored_counter_goes_on_identically(random_layer):
    net = net_of(random_layer())
    for _ in range(3):
        net.forward()
    state = net.stream_state()
    uninterrupted = [forward(net) for _ in range(5)]
    resumed = net_of(random_layer(), seed=99)
    resumed.forward()
    resumed.set_stream_state(state)
    assert all(same(forward(resumed), batch) for batch in uninterrupted)


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_ranks_share_the_batches_in_training_only(random_layer, phase):
    text = random_layer()
    alone = [forward(net) for net in [net_of(text, phase)] for _ in range(6)]
    try:
        context.set_solver_count(2)
        for rank in (0, 1):
            context.set_solver_rank(rank)
            net = net_of(text, phase)
            got = [forward(net) for _ in range(3)]
            expected = alone[rank::2] if phase == caffe.TRAIN else alone[:3]
            assert all(map(same, got, expected))
    finally:
        context.set_solver_count(1)
        context.set_solver_rank(0)


def test_batches_are_not_overwritten_by_later_ones(db):
    net = net_of(data_layer())
    net.run_forward(record=False)
    kept = net.blobs["data"].data_tensor()
    values = kept.clone()
    for _ in range(9):
        net.run_forward(record=False)
    assert bool((kept == values).all())
    assert not bool((net.blobs["data"].data_tensor() == values).all())


# -- threads ---------------------------------------------------------------------------------------


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_threads_start_with_the_first_forward_and_end_with_the_net(db):
    gc.collect()
    before, others = threading.active_count(), set(threading.enumerate())
    assert wait_until(lambda: threading.active_count() == before)
    net = net_of(data_layer())
    assert threading.active_count() == before
    net.forward()
    assert threading.active_count() > before
    assert all(thread.daemon for thread in set(threading.enumerate()) - others)
    del net
    gc.collect()
    assert wait_until(lambda: threading.active_count() == before)


def test_for_a_gpu_batches_are_made_in_memory_that_it_reads(db, monkeypatch):
    made = []
    monkeypatch.setattr(context, "device", lambda: torch.device("cuda", 0))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: made.append(x.shape) or x + 1000)
    pinned, labels = data_layers._tensors_of(
        lambda seed, index: [planes(3) / 1.0, np.ones(2, np.float32)]
    )(1, 2)
    assert made == [(3, 6, 5), (2,)]
    np.testing.assert_array_equal(pinned.numpy(), planes(3) + 1000.0)
    np.testing.assert_array_equal(labels.numpy(), [1001, 1001])


@pytest.mark.gpu
def test_batches_wait_pinned_and_are_uploaded_unwaited(db, monkeypatch):
    cuda = torch.device("cuda", 0)
    monkeypatch.setattr(context, "device", lambda: cuda)
    (batch,) = data_layers._tensors_of(lambda seed, index: [np.ones((4, 3), np.float32)])(1, 2)
    assert batch.is_pinned()
    blob = Blob()
    blob.set_data(batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        uploaded = blob.data_tensor(cuda)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert uploaded.sum().item() == 12


def test_errors_of_the_threads_surface_in_forward(db):
    bad = array_to_datum(planes(0)[:, :3], 0).SerializeToString()
    sources.write_lmdb(
        "mixed", [(b"a", array_to_datum(planes(1)).SerializeToString()), (b"b", bad)]
    )
    net = net_of(data_layer().replace('"db"', '"mixed"'))
    for _ in range(2):  # the second time as the first
        with pytest.raises(caffe.CaffeError) as error:
            net.forward()
        assert str(error.value) == (
            'net.prototxt:1: layer "d" (Data): mixed: key "b": gives 3x3x5 (channels x height x '
            "width), expected 3x6x5 as the batch begins with: resize, crop, or use batch_size 1"
        )


# -- Data ------------------------------------------------------------------------------------------


def test_data_wraps_in_mid_batch(db):
    net = net_of(data_layer(transform="mean_value: 100 scale: 0.5"), caffe.TEST)
    assert net.blobs["data"].shape == (3, 3, 6, 5)
    assert net.blobs["label"].shape == (3,)
    batches = [forward(net) for _ in range(4)]
    items = [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4]
    assert np.concatenate([b["label"] for b in batches]).tolist() == items
    expected = np.stack([(planes(i).astype(np.float32) - 100) * 0.5 for i in items])
    assert np.array_equal(np.concatenate([b["data"] for b in batches]), expected)


def test_data_without_labels_and_batches_beyond_the_database(db):
    net = net_of(data_layer(tops=["data"]).replace("batch_size: 3", "batch_size: 9"), caffe.TEST)
    got = forward(net)
    assert list(got) == ["data"]
    assert np.array_equal(got["data"], [planes(i) for i in (*range(COUNT), 0, 1)])


def test_data_of_mixed_sizes_takes_batch_size_1_or_a_crop(tmp_path):
    sizes = [(6, 5), (4, 8), (5, 7)]
    items = [planes(i, *size) for i, size in enumerate(sizes)]
    sources.write_lmdb(
        "db", [(b"%d" % i, array_to_datum(x).SerializeToString()) for i, x in enumerate(items)]
    )
    net = net_of(data_layer().replace("batch_size: 3", "batch_size: 1"), caffe.TEST)
    for i in (0, 1, 2, 0):
        assert np.array_equal(forward(net)["data"], items[i][np.newaxis])
    net = net_of(data_layer(transform="crop_size: 4"), caffe.TEST)
    expected = [items[0][:, 1:5, 0:4], items[1][:, 0:4, 2:6], items[2][:, 0:4, 1:5]]
    assert np.array_equal(forward(net)["data"], expected)


def test_force_flags_leave_raw_data_alone(db):
    for fields, transform in (("force_encoded_color: true", ""), ("", "force_color: true")):
        net = net_of(data_layer(fields, transform), caffe.TEST)
        assert np.array_equal(forward(net)["data"][2], planes(2))


def test_data_decodes_as_it_is_told(tmp_path):
    records = []
    for i in range(3):
        pixels = planes(i).transpose(1, 2, 0)[:, :, : 3 if i else 1]
        datum = array_to_datum(planes(i))
        datum.data, datum.encoded = cv2.imencode(".png", pixels)[1].tobytes(), True
        records.append((b"%d" % i, datum.SerializeToString()))
    sources.write_lmdb("db", records)
    colour = [np.repeat(planes(0)[:1], 3, 0), planes(1), planes(2)]
    for fields, transform in (("force_encoded_color: true", ""), ("", "force_color: true")):
        net = net_of(data_layer(fields, transform), caffe.TEST)
        assert np.array_equal(forward(net)["data"], colour)
    net = net_of(data_layer(transform="force_gray: true"), caffe.TEST)
    assert forward(net)["data"].shape == (3, 1, 6, 5)


DATA_ERRORS = {
    "backend": (
        data_layer().replace("backend: LMDB", ""),
        "db: is an LMDB (write backend: LMDB), expected the folder of a LevelDB",
    ),
    "missing": (
        data_layer().replace('"db"', '"none"'),
        "none: no such folder, expected the folder of an LMDB",
    ),
    "no source": (data_layer().replace('source: "db"', ""), "data_param has no source"),
    "no batch": (
        data_layer().replace("batch_size: 3", ""),
        "has no batch_size, expected a positive number",
    ),
    "crop": (
        data_layer(transform="crop_size: 6"),
        'db: key "00": is 6x5 (height x width), smaller than crop_size 6',
    ),
    "raw forced": (
        data_layer(transform="force_gray: true"),
        'db: key "00": is raw with 3 channel(s), but force_gray is for encoded Datums',
    ),
    "two forces": (
        data_layer("force_encoded_color: true", "force_gray: true"),
        "has both force_encoded_color and force_gray, expected one",
    ),
    "obsolete": (
        data_layer("crop_size: 4"),
        "data_param.crop_size has no effect: move it to transform_param",
    ),
    "tops": (data_layer(tops="abc"), "has 3 top(s), expected 1 to 2"),
}


@pytest.mark.parametrize("case", DATA_ERRORS)
def test_data_errors(db, case):
    text, message = DATA_ERRORS[case]
    with pytest.raises(caffe.CaffeError) as error:
        net_of(text)
    assert str(error.value) == f'net.prototxt:1: layer "d" (Data): {message}'


# -- ImageData -------------------------------------------------------------------------------------


def test_image_data_reads_in_order_and_wraps(pictures):
    net = net_of(image_layer(), caffe.TEST)
    batches = [forward(net) for _ in range(3)]
    items = [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert np.concatenate([b["label"] for b in batches]).tolist() == items
    assert np.array_equal(np.concatenate([b["data"] for b in batches]), [planes(i) for i in items])


def test_shuffled_epochs_hold_every_picture_once(pictures):
    seen = sum(labels(net_of(image_layer("shuffle: true")), 7), [])
    epochs = [seen[i : i + COUNT] for i in range(0, len(seen), COUNT)]
    assert all(sorted(epoch) == list(range(COUNT)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize("text", [image_layer("rand_skip: 5"), data_layer("rand_skip: 5")])
def test_rand_skip_leaves_out_fewer_than_it_says(db, pictures, text):
    firsts = {tuple(labels(net_of(text, seed=seed), 1)[0]) for seed in range(40)}
    assert firsts == {(0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 6)}


def test_image_data_resizes_and_greys(pictures):
    net = net_of(image_layer("new_height: 3 new_width: 9 is_color: false"), caffe.TEST)
    assert net.blobs["data"].shape == (3, 1, 3, 9)
    grey = cv2.imread(f"1 of {COUNT}.png", cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(forward(net)["data"][1, 0], cv2.resize(grey, (9, 3)))


def test_root_folder_is_put_before_the_name_as_it_is(pictures):
    os.mkdir("deep")
    for i in range(COUNT):
        os.rename(f"{i} of {COUNT}.png", f"deep/x{i} of {COUNT}.png")
    net = net_of(image_layer('root_folder: "deep/x"'), caffe.TEST)
    assert np.array_equal(forward(net)["data"][2], planes(2))


def test_pictures_of_any_size_at_batch_size_1(tmp_path):
    sizes = [(6, 5), (4, 8), (5, 7)]
    with open("list.txt", "w") as file:
        for i, size in enumerate(sizes):
            cv2.imwrite(f"{i}.png", planes(i, *size).transpose(1, 2, 0))
            file.write(f"{i}.png {i}\n")
    net = net_of(image_layer(batch_size=1), caffe.TEST)
    for i in (0, 1, 2, 0):
        assert np.array_equal(forward(net)["data"][0], planes(i, *sizes[i]))
    net.reshape()
    assert net.blobs["data"].shape == (1, 3, 6, 5)


IMAGE_ERRORS = {
    "no list": (
        image_layer().replace("list.txt", "none.txt"),
        'none.txt: no such file, expected a list of lines "name label"',
    ),
    "no picture": (
        image_layer('root_folder: "x/"'),
        f"x/0 of {COUNT}.png: no such file, expected a picture",
    ),
    "one size": (
        image_layer("new_height: 3"),
        "image_data_param has new_height 3 and new_width 0, expected both or neither",
    ),
    "large": (
        image_layer("new_height: 4000000000 new_width: 3000000000"),
        "pictures cannot be resized to 4000000000x3000000000, "
        "expected at most 2147483647 values (channels x height x width)",
    ),
    "grey": (
        image_layer(transform="force_gray: true"),
        "transform_param asks for grey, but image_data_param has is_color true",
    ),
    "obsolete": (
        image_layer("mirror: true"),
        "image_data_param.mirror has no effect: move it to transform_param",
    ),
}


def test_a_batch_beyond_the_memory_is_refused_before_it_is_read(db, monkeypatch):
    def no_memory(shape, dtype):
        raise MemoryError(f"Unable to allocate 6.71 GiB for an array with shape {shape}")

    monkeypatch.setattr(np, "empty", no_memory)
    with pytest.raises(caffe.CaffeError) as error:
        net_of(data_layer())
    assert str(error.value) == (
        'net.prototxt:1: layer "d" (Data): needs 6.71 GiB of memory, more than there is'
    )


@pytest.mark.parametrize("case", IMAGE_ERRORS)
def test_image_data_errors(pictures, case):
    text, message = IMAGE_ERRORS[case]
    with pytest.raises(caffe.CaffeError) as error:
        net_of(text)
    assert str(error.value) == f'net.prototxt:1: layer "d" (ImageData): {message}'


def test_a_picture_that_goes_missing_is_named(pictures):
    net = net_of(image_layer())
    os.remove(f"4 of {COUNT}.png")
    net.forward()
    with pytest.raises(caffe.CaffeError) as error:
        net.forward()
    assert str(error.value) == (
        f'net.prototxt:1: layer "d" (ImageData): 4 of {COUNT}.png: no such file, expected a picture'
    )


# -- DummyData -------------------------------------------------------------------------------------


def dummy_layer(param, tops=("data", "label")):
    return layer("DummyData", f"dummy_data_param {{ {param} }}", tops=tops)


def test_constant_tops_are_filled_once_and_random_ones_each_time():
    net = net_of(
        dummy_layer(
            "shape { dim: 2 dim: 3 } shape { dim: 4 } data_filler { type: 'constant' value: 7 }"
            "data_filler { type: 'uniform' min: 1 max: 2 }"
        )
    )
    assert np.array_equal(net.blobs["data"].data, np.full((2, 3), 7))
    net.blobs["data"].data[1, 2] = -1
    first, second = forward(net), forward(net)
    assert first["data"].ravel().tolist() == [7, 7, 7, 7, 7, -1]
    assert same({"data": first["data"]}, {"data": second["data"]})
    assert not np.array_equal(first["label"], second["label"])
    assert first["label"].min() >= 1 and first["label"].max() <= 2
    net.layers[0].calls = 0
    assert same(forward(net), first)


def test_dummy_shapes_of_the_older_form_and_reshaped_by_the_user():
    net = net_of(
        dummy_layer("num: 2 num: 4 channels: 3 height: 1 width: 5 data_filler { type: 'uniform' }")
    )
    assert [blob.shape for blob in net.blobs.values()] == [(2, 3, 1, 5), (4, 3, 1, 5)]
    net.blobs["data"].reshape(3, 2)
    net.reshape()
    assert forward(net)["data"].shape == (3, 2)


def test_dummy_data_is_zero_without_a_filler():
    assert not forward(net_of(dummy_layer("shape { dim: 2 dim: 3 }", ["data"])))["data"].any()


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("num: 2 shape { dim: 3 }", "has both shape and num/channels/..., expected one"),
        ("num: 2 channels: 3 height: 1", "has width 0 times, expected once or once per top (2)"),
        (
            "shape { dim: 2 }" + 3 * " data_filler { }",
            "has data_filler 3 times, expected once or once per top (2)",
        ),
    ],
)
def test_dummy_data_errors(param, message):
    with pytest.raises(caffe.CaffeError) as error:
        net_of(dummy_layer(param))
    assert str(error.value) == f'net.prototxt:1: layer "d" (DummyData): dummy_data_param {message}'


# -- MemoryData ------------------------------------------------------------------------------------


def memory_layer(transform=""):
    param = "memory_data_param { batch_size: 2 channels: 3 height: 6 width: 5 }"
    return layer("MemoryData", param, transform)


def test_memory_data_goes_round_its_arrays():
    net = net_of(memory_layer())
    x = np.stack([planes(i) for i in range(6)]).astype(np.float32)
    for values in (x, x[::-1].copy()):
        net.set_input_arrays(values, np.arange(6, dtype=np.float32))
        for first in (0, 2, 4, 0):
            got = forward(net)
            assert np.array_equal(got["data"], values[first : first + 2])
            assert got["label"].ravel().tolist() == [first, first + 1]


def test_memory_data_errors():
    net = net_of(memory_layer())
    with pytest.raises(caffe.CaffeError, match="has no data: call set_input_arrays before forward"):
        net.forward()
    x, y = np.zeros((4, 3, 6, 5), np.float32), np.zeros(4, np.float32)
    for data, label, message in (
        (x[:3], y[:3], "first dimensions of input arrays must be a multiple of batch size"),
        (x, y[:2], "data and labels must have the same first dimension"),
        (x[:, :2].copy(), y, "data array has wrong number of channels"),
        (x[:, :, :, :4].copy(), y, "data array has wrong width"),
        (x.astype(np.float64), y, "data array must be float32"),
        (x.transpose(0, 1, 3, 2), y, "data array must be C contiguous"),
        (x[0], y, "data array must be 4-d"),
    ):
        with pytest.raises(RuntimeError, match=f"^{message}$"):
            net.set_input_arrays(data, label)


def test_memory_data_warns_that_it_transforms_nothing(capsys):
    x, y = np.ones((2, 3, 6, 5), np.float32), np.zeros(2, np.float32)
    for transform, warnings in (("", 0), ("scale: 2", 1)):
        net = net_of(memory_layer(transform))
        assert "does not transform" not in capsys.readouterr().err
        net.set_input_arrays(x, y)
        err = capsys.readouterr().err
        assert err.count("] MemoryData does not transform array data on Reset()\n") == warnings
        assert np.array_equal(forward(net)["data"], x)


# -- HDF5 ------------------------------------------------------------------------------------------


def test_hdf5_data_runs_across_files(hdf5):
    net = net_of(hdf5_layer(tops=["label", "data"]))
    batches = [forward(net) for _ in range(3)]
    items = [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert np.concatenate([b["label"] for b in batches]).tolist() == items
    assert np.array_equal(np.concatenate([b["data"] for b in batches]), [planes(i) for i in items])


def test_shuffled_hdf5_epochs_hold_every_row_once_file_by_file(hdf5):
    seen = sum(labels(net_of(hdf5_layer("shuffle: true")), 14), [])
    epochs = [seen[i : i + COUNT] for i in range(0, len(seen), COUNT)]
    assert all(sorted(epoch) == list(range(COUNT)) for epoch in epochs)
    assert {frozenset(epoch[:3]) == {0, 1, 2} for epoch in epochs} == {True, False}
    assert all({0, 1, 2} in (set(epoch[:3]), set(epoch[4:])) for epoch in epochs)


def test_hdf5_data_errors(hdf5):
    with open("list.txt", "a") as file:
        file.write("none.h5\n")
    with pytest.raises(caffe.CaffeError, match="none.h5: no such file, expected an HDF5 file"):
        net_of(hdf5_layer())
    with h5py.File("none.h5", "w") as file:
        file["data"], file["label"] = np.zeros((2, 3, 6, 4)), np.zeros(2)
    with pytest.raises(caffe.CaffeError) as error:
        net_of(hdf5_layer())
    assert str(error.value) == (
        'net.prototxt:1: layer "d" (HDF5Data): none.h5: data has rows of shape (3, 6, 4), '
        "expected (3, 6, 5) as in a.h5"
    )
    with pytest.raises(caffe.CaffeError, match='a.h5: has no dataset "other"'):
        net_of(hdf5_layer(tops=["other"]))
    with pytest.raises(caffe.CaffeError, match="HDF5Data does not transform its data"):
        net_of(layer("HDF5Data", "", "scale: 2"))
    with pytest.raises(caffe.CaffeError, match="none.txt: no such file, expected HDF5 file names"):
        net_of(hdf5_layer().replace("list.txt", "none.txt"))


def test_hdf5_data_of_absurd_shape_names_its_file(hdf5):
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("label", shape=(10**13,), chunks=(100,), dtype="f4")
        file.create_dataset("data", shape=(10**13, 3, 6, 5), chunks=(1, 3, 6, 5), dtype="f4")
    net = net_of(hdf5_layer())
    with pytest.raises(caffe.CaffeError, match="HDF5Data.: a.h5: does not fit into memory: "):
        net.forward()


def test_hdf5_output_adds_batch_to_batch(hdf5):
    output = (
        'layer { name: "o" type: "HDF5Output" bottom: "data" bottom: "label" '
        'hdf5_output_param { file_name: "out.h5" } }'
    )
    with open("out.h5", "w") as file:
        file.write("replaced")
    net = net_of(hdf5_layer() + output)
    for passes in (1, 2):
        net.forward()
        with h5py.File("out.h5") as file:
            assert file["data"].dtype == np.float32
            items = range(3 * passes)
            assert np.array_equal(file["data"], [planes(i) for i in items])
            assert np.array_equal(file["label"], np.reshape(items, (-1, 1, 1, 1)))
    with pytest.raises(caffe.CaffeError, match="hdf5_output_param has no file_name"):
        net_of(hdf5_layer() + output.replace('file_name: "out.h5"', ""))

"""Binary and HDF5 models and solver states, to numpy and back to the same bytes."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from full_disk import TOLD, files_up_to

from caffe import CaffeError, binaryproto, hdf5_model
from caffe.proto import caffe_pb2

RECORDED = Path(__file__).parent / "messages" / "recorded"


def arrays_of(net):
    """The data and the diffs of a net's blobs by layer index; takes the blobs out of the net."""
    arrays, diffs = {}, {}
    for i, layer in enumerate(net.layer):
        arrays[i] = [binaryproto.blob_to_array(blob) for blob in layer.blobs]
        found = [binaryproto.blob_to_diff(blob) for blob in layer.blobs]
        diffs[i] = [diff for diff in found if diff is not None]
        del layer.blobs[:]
    return arrays, diffs


@pytest.mark.parametrize("name", ["mixed.caffemodel", "diffs.caffemodel"])
def test_recorded_model_is_written_to_the_same_bytes(name, tmp_path):
    net = binaryproto.read_net(RECORDED / name)
    arrays, diffs = arrays_of(net)
    assert any(diffs.values()) == (name == "diffs.caffemodel")
    binaryproto.write_net(tmp_path / name, net, arrays, diffs)
    assert (tmp_path / name).read_bytes() == (RECORDED / name).read_bytes()


def test_recorded_state_is_written_to_the_same_bytes(tmp_path):
    state = binaryproto.read(RECORDED / "sgd.solverstate", caffe_pb2.SolverState)
    history = [binaryproto.blob_to_array(blob) for blob in state.history]
    assert [array.shape for array in history] == [(3, 2, 3, 3), (3,), (3, 27), (3,)]
    del state.history[:]
    binaryproto.write_state(tmp_path / "state", state, history)
    assert (tmp_path / "state").read_bytes() == (RECORDED / "sgd.solverstate").read_bytes()


def test_written_model_is_what_protobuf_writes(tmp_path):
    rng = np.random.default_rng(3)
    shapes = [[(5, 4, 3, 2), (5,)], [], [(), (0, 3), (70, 50)]]
    net = caffe_pb2.NetParameter(name="n", force_backward=True, input=["x"])
    arrays = {}
    for i, layer_shapes in enumerate(shapes):
        layer = net.layer.add(name=f"layer{i}", type="Convolution", bottom=["x"], top=["y"])
        layer.param.add(lr_mult=2)
        layer.phase = caffe_pb2.TRAIN
        layer.include.add(phase=caffe_pb2.TRAIN)
        layer.convolution_param.num_output = 300
        arrays[i] = [rng.standard_normal(shape) for shape in layer_shapes]
    binaryproto.write_net(tmp_path / "model", net, arrays)
    for layer, blobs in zip(net.layer, arrays.values(), strict=True):
        for array in blobs:
            blob = layer.blobs.add(data=array.astype(np.float32).ravel().tolist())
            if array.shape:
                blob.shape.dim.extend(array.shape)
    assert (tmp_path / "model").read_bytes() == net.SerializeToString()
    assert binaryproto.read_net(tmp_path / "model") == net


def test_arrays_of_any_layout_are_written(tmp_path):
    array = np.arange(24, dtype=">f8").reshape(2, 3, 4).transpose(2, 0, 1)
    array.flags.writeable = False
    net = caffe_pb2.NetParameter(layer=[caffe_pb2.LayerParameter(name="ip")])
    binaryproto.write_net(tmp_path / "model", net, {0: [array]})
    read = binaryproto.blob_to_array(binaryproto.read_net(tmp_path / "model").layer[0].blobs[0])
    assert read.dtype == np.float32
    assert read.flags.writeable
    np.testing.assert_array_equal(read, array)


def test_array_to_blob():
    array = np.arange(6, dtype=np.float64).reshape(2, 3) / 7
    blob = binaryproto.array_to_blob(array)
    expected = caffe_pb2.BlobProto(data=array.ravel().tolist())
    expected.shape.dim.extend([2, 3])
    assert blob == expected
    assert list(binaryproto.array_to_blob(array, (3, 1, 2)).shape.dim) == [3, 1, 2]
    with pytest.raises(CaffeError, match=r"array of 6 numbers does not fit into shape \(4, 2\)"):
        binaryproto.array_to_blob(array, (4, 2))


def test_legacy_shape_of_a_blob():
    blob = caffe_pb2.BlobProto(num=1, channels=2, height=3, width=2, data=range(12))
    blob.shape.dim.extend([4, 3])
    assert binaryproto.blob_to_array(blob).shape == (1, 2, 3, 2)
    assert binaryproto.blob_to_array(blob)[0, 1, 2, 0] == 10


def test_recorded_mean_image():
    blob = binaryproto.read(RECORDED / "mean.binaryproto", caffe_pb2.BlobProto)
    mean = binaryproto.blob_to_array(blob)
    assert mean.ndim == 4
    assert mean.shape[1] == 3
    np.testing.assert_array_equal(mean.ravel(), np.array(list(blob.data), np.float32))


def test_doubles_stay_doubles():
    blob = caffe_pb2.BlobProto(double_data=[0.1, 0.2], double_diff=[0.3, 0.4])
    blob.shape.dim.extend([1, 2])
    np.testing.assert_array_equal(binaryproto.blob_to_array(blob), [[0.1, 0.2]])
    diff = binaryproto.blob_to_diff(blob)
    assert diff.dtype == np.float64
    np.testing.assert_array_equal(diff, [[0.3, 0.4]])
    assert binaryproto.blob_to_diff(caffe_pb2.BlobProto()) is None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 4), r"blob of shape \(2, 4\) holds 6 numbers, expected 8"),
        ((), r"blob of shape \(\) holds 6 numbers, expected 1"),
        ((-2, -3), r"blob of shape \(-2, -3\) holds 6 numbers"),
    ],
)
def test_blob_whose_shape_is_wrong(shape, message):
    blob = caffe_pb2.BlobProto(data=range(6))
    blob.shape.dim.extend(shape)
    with pytest.raises(CaffeError, match=message):
        binaryproto.blob_to_array(blob)


def test_large_blob(tmp_path):
    array = np.random.default_rng(5).standard_normal((1000, 700), np.float32)
    net = caffe_pb2.NetParameter(layer=[caffe_pb2.LayerParameter(name="ip")])
    binaryproto.write_net(tmp_path / "model", net, {0: [array]})
    read = binaryproto.read_net(tmp_path / "model")
    np.testing.assert_array_equal(binaryproto.blob_to_array(read.layer[0].blobs[0]), array)


def test_write_message(tmp_path):
    net = caffe_pb2.NetParameter(name="n")
    binaryproto.write(tmp_path / "net", net)
    assert binaryproto.read_net(tmp_path / "net") == net
    assert [file.name for file in tmp_path.iterdir()] == ["net"]
    net.layer.add().clip_param.min = 1
    with pytest.raises(CaffeError, match="net: NetParameter cannot be written: .*max"):
        binaryproto.write(tmp_path / "net", net)


MODEL = (RECORDED / "mixed.caffemodel").read_bytes()
BROKEN = [
    (b"", "empty file, expected a binary NetParameter"),
    (MODEL[:-7], "damaged or another format, expected a binary NetParameter"),
    (b"db/pictures 1\n", "damaged or another format, expected a binary NetParameter"),
    (b"\xf8\x01\x05", "holds no field of NetParameter, expected a binary NetParameter"),
    (
        b"\x89HDF\r\n\x1a\n",
        "HDF5 file, expected a binary NetParameter (HDF5 names end in .h5)",
    ),
]


@pytest.mark.parametrize(("data", "message"), BROKEN)
def test_broken_model(data, message, tmp_path):
    path = tmp_path / "broken.caffemodel"
    path.write_bytes(data)
    with pytest.raises(CaffeError) as error:
        binaryproto.read_net(path)
    assert str(error.value) == f"{path}: {message}"


def test_missing_model(tmp_path):
    with pytest.raises(CaffeError) as error:
        binaryproto.read_net(tmp_path / "gone")
    assert str(error.value) == f"{tmp_path}/gone: no such file, expected a binary NetParameter"


def test_any_cut_of_a_model_is_read_or_refused(tmp_path):
    path = tmp_path / "cut.caffemodel"
    refused = 0
    for length in range(1, len(MODEL), 7):
        path.write_bytes(MODEL[:length])
        try:
            for layer in binaryproto.read_net(path).layer:
                for blob in layer.blobs:
                    binaryproto.blob_to_array(blob)
        except CaffeError as error:
            refused += 1
            assert str(error).startswith(str(path))
    assert refused > len(MODEL) // 7 * 0.9


def hdf5_tree(path):
    """Every group and dataset of a file, the latter with type and bytes."""
    tree = {}

    def visit(name, item):
        is_group = isinstance(item, h5py.Group)
        tree[name] = None if is_group else (item.shape, item.dtype, item[()].tobytes())

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return tree


def test_hdf5_model_with_shared_parameters(tmp_path):
    blobs = hdf5_model.read_net_hdf5(RECORDED / "shared.caffemodel.h5")
    shapes = {
        layer: [None if array is None else array.shape for array in arrays]
        for layer, arrays in blobs.items()
    }
    assert shapes == {"a": [(4, 4), (4,)], "b": [None, (4,)], "data": []}
    hdf5_model.write_net_hdf5(tmp_path / "model.h5", blobs)
    assert hdf5_tree(tmp_path / "model.h5") == hdf5_tree(RECORDED / "shared.caffemodel.h5")


def test_hdf5_model_with_diffs_and_slashes(tmp_path):
    data = {"conv1/7x7": [np.arange(6.0).reshape(2, 3), np.float32(5)], "relu": []}
    hdf5_model.write_net_hdf5(tmp_path / "model.h5", data, {"conv1/7x7": [np.ones((2, 3)), None]})
    read = hdf5_model.read_net_hdf5(tmp_path / "model.h5")
    assert list(read) == ["conv1/7x7", "relu"]
    np.testing.assert_array_equal(read["conv1/7x7"][0], data["conv1/7x7"][0])
    assert read["conv1/7x7"][1].shape == ()
    assert "diff/conv1/7x7/0" in hdf5_tree(tmp_path / "model.h5")


def test_hdf5_state(tmp_path):
    state = hdf5_model.read_state_hdf5(RECORDED / "adam.solverstate.h5")
    assert state[:3] == (4, "snap_iter_4.caffemodel.h5", 0)
    assert len(state.history) == 16
    assert state.history[6].shape == (2, 18)
    assert state.stream_state is None
    hdf5_model.write_state_hdf5(tmp_path / "state.h5", *state)
    assert hdf5_tree(tmp_path / "state.h5") == hdf5_tree(RECORDED / "adam.solverstate.h5")


def test_hdf5_state_with_streams(tmp_path):
    history = [np.arange(6, dtype=np.float32).reshape(2, 3)]
    hdf5_model.write_state_hdf5(tmp_path / "state.h5", 7, "é_iter_7.h5", 2, history, b"\0seed\0")
    state = hdf5_model.read_state_hdf5(tmp_path / "state.h5")
    assert state[:3] == (7, "é_iter_7.h5", 2)
    assert state.stream_state == b"\0seed\0"
    np.testing.assert_array_equal(state.history[0], history[0])


def test_hdf5_without_room_is_refused_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.h5"
    hdf5_model.write_net_hdf5(path, {"ip": [np.float32([1, 2])]})
    before = path.read_bytes()
    with pytest.raises(CaffeError) as error, files_up_to(100_000):
        hdf5_model.write_net_hdf5(path, {"ip": [np.zeros((300, 200), np.float32)]})
    assert str(error.value) == f"{path}: {TOLD}"
    assert [file.name for file in tmp_path.iterdir()] == ["model.h5"]
    assert path.read_bytes() == before


STATE = {"iter": [7], "learned_net": np.bytes_(b"m.h5"), "history/0": np.ones((2, 3), "f4")}
WRONG_STATES = [
    ("iter", np.zeros(0, "i4"), "iter holds 0 numbers, expected one number of 32 bits"),
    ("iter", [2**62], f"iter is {2**62}, expected one number of 32 bits"),
    ("iter", [np.inf], "iter holds float64, expected a number"),
    ("learned_net", np.int64(10**9), "learned_net holds int64, expected a file name"),
    ("learned_net", np.array([b"a", b"b"]), "learned_net has shape (2,), expected a file name"),
    ("stream_state", np.zeros(3, "f4"), "stream_state holds float32, expected bytes"),
    ("history/1", np.zeros(3, "i4"), "history/1 holds int32, expected floating-point numbers"),
]


@pytest.mark.parametrize(("name", "value", "complaint"), WRONG_STATES)
def test_wrong_hdf5_state(name, value, complaint, tmp_path):
    path = tmp_path / "s.h5"
    with h5py.File(path, "w") as file:
        for key, content in (STATE | {name: value}).items():
            file[key] = content
    with pytest.raises(CaffeError) as error:
        hdf5_model.read_state_hdf5(path)
    assert str(error.value) == f"{path}: {complaint}"


def test_hdf5_promises_more_than_it_holds(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data/ip/0", (4, 10**12), "f4", chunks=(4, 1000))
    with pytest.raises(CaffeError) as error:
        hdf5_model.read_net_hdf5(path)
    assert str(error.value) == (
        f"{path}: data/ip/0 has shape (4, 1000000000000) but 0 bytes in the file, "
        "expected floating-point numbers"
    )


def test_compressed_hdf5_is_read(tmp_path):
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.create_dataset("data/ip/0", data=np.zeros((300, 400), "f4"), compression="gzip")
    assert hdf5_model.read_net_hdf5(tmp_path / "model.h5")["ip"][0].shape == (300, 400)


@pytest.mark.parametrize("number", ["4000000000", "9" * 99])
def test_hdf5_blob_of_an_absurd_number(number, tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file[f"data/ip/{number}"] = np.zeros(1, "f4")
    with pytest.raises(CaffeError, match=f"data/ip/{number} is no blob, expected data/<layer>/"):
        hdf5_model.read_net_hdf5(path)


HDF5_BROKEN = [
    (hdf5_model.read_net_hdf5, "sgd.solverstate", "damaged or another format, expected"),
    (hdf5_model.read_net_hdf5, "adam.solverstate.h5", 'has no group "data", expected'),
    (hdf5_model.read_state_hdf5, "shared.caffemodel.h5", 'has no "iter", expected'),
    (hdf5_model.read_state_hdf5, "gone.h5", "no such file, expected an HDF5 solver state"),
    (hdf5_model.read_net_hdf5, ".", "is a directory, expected an HDF5 model"),
]


@pytest.mark.parametrize(("read", "name", "message"), HDF5_BROKEN)
def test_broken_hdf5(read, name, message):
    path = RECORDED / name
    with pytest.raises(CaffeError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_hdf5_with_a_dataset_that_is_no_blob(tmp_path):
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["data/conv/weights"] = [1.0]
    with pytest.raises(CaffeError, match="data/conv/weights is no blob, expected data/<layer>/<n"):
        hdf5_model.read_net_hdf5(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["data/conv/0"] = [1]
    with pytest.raises(CaffeError, match="data/conv/0 holds int64, expected floating-point"):
        hdf5_model.read_net_hdf5(tmp_path / "model.h5")

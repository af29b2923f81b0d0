"""Building and running nets: what the recordings of genuine Caffe do not show."""

import sys

import numpy as np
import pytest
import torch

import caffe
from caffe.blob import Blob
from caffe.errors import CaffeError

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [2, 3, 6, 7] } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "a" type: "Power" bottom: "conv" top: "a" power_param { scale: 2 } }
layer { name: "b" type: "TanH" bottom: "conv" top: "b" }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
layer { name: "drop" type: "Dropout" bottom: "sum" top: "drop" }
"""
LOSS = """
layer { name: "target" type: "Input" top: "target"
  input_param { shape { dim: 2 dim: 4 dim: 4 dim: 5 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "drop" bottom: "target" top: "loss" }
"""


@pytest.fixture
def build(tmp_path):
    def build(text, phase=caffe.TEST, **options):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        caffe.set_random_seed(3)
        return caffe.Net(str(path), phase, **options)

    return build


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_infer_equals_forward(build):
    net = build(NET)
    net.blobs["data"].data[...] = images(2, 3, 6, 7)
    net.forward()
    given = {"data": torch.from_numpy(images(2, 3, 6, 7))}
    found = net.infer(given, ["drop", "a"])
    assert sorted(found) == ["a", "drop"]
    np.testing.assert_array_equal(found["drop"].numpy(), net.blobs["drop"].data)
    np.testing.assert_array_equal(found["a"].numpy(), net.blobs["a"].data)


def test_infer_takes_any_shape_and_leaves_the_blobs_alone(build):
    net = build(NET)
    before = net.blobs["drop"].data.copy()
    found = net.infer({"data": torch.from_numpy(images(5, 3, 9, 4))}, ["drop"])
    assert found["drop"].shape == (5, 4, 7, 2)
    assert net.blobs["data"].shape == (2, 3, 6, 7)
    np.testing.assert_array_equal(net.blobs["drop"].data, before)


def test_infer_needs_only_the_inputs_of_its_outputs(build):
    net = build(NET + LOSS)
    found = net.infer({"data": torch.from_numpy(images(2, 3, 6, 7))}, ["drop"])
    assert list(found) == ["drop"]
    with pytest.raises(CaffeError, match='infer needs a value for input "target"'):
        net.infer({"data": torch.from_numpy(images(2, 3, 6, 7))}, ["loss"])
    with pytest.raises(CaffeError, match='the net has no blob "colour"'):
        net.infer({}, ["colour"])


def test_diffs_are_cleared_wherever_they_are(build):
    net = build(NET + LOSS, caffe.TRAIN)
    net.learnable_params.extend(Blob((2, 3)) for _ in range(3))
    viewed, touched, untouched = net.learnable_params[-3:]
    view = viewed.diff
    view[...] = 4
    touched.set_diff(torch.full((2, 3), 5.0))
    net.clear_param_diffs()
    assert not view.any() and not touched.diff.any()
    assert not untouched._diff.allocated
    view[...] = 6
    assert viewed.diff.sum() == 36


def test_a_parameters_diff_is_in_no_other_blobs_memory(build):
    bias = 'layer { name: "bias" type: "Bias" bottom: "drop" top: "bias" bias_param { axis: 0 '
    bias += 'num_axes: -1 filler { type: "constant" value: 1 } } }'
    net = build(NET + bias + LOSS.replace('"drop"', '"bias"'), caffe.TRAIN)
    net.blobs["data"].data[...] = images(2, 3, 6, 7)
    net.blobs["target"].data[...] = images(2, 4, 4, 5, seed=1)
    net.forward()
    net.backward()
    before = {name: blob.diff_tensor().clone() for name, blob in net.blobs.items()}
    assert before["bias"].any()
    torch.testing.assert_close(net.params["bias"][0].diff_tensor(), before["bias"])
    for blob in net.learnable_params:
        blob.diff_tensor().fill_(7)
    for name, blob in net.blobs.items():
        torch.testing.assert_close(blob.diff_tensor(), before[name], rtol=0, atol=0)


def test_diffs_add_up_until_they_are_cleared(build):
    net, sums = build(NET + LOSS), []
    net.blobs["data"].data[...] = images(2, 3, 6, 7)
    net.blobs["target"].data[...] = images(2, 4, 4, 5, seed=1)
    for passes in (1, 2):
        net.clear_param_diffs()
        for _ in range(passes):
            net.forward()
            net.backward()
        sums.append([blob.diff_tensor().clone() for blob in net.params["conv"]])
    torch.testing.assert_close(sums[1], [2 * diff for diff in sums[0]])
    assert all(diff.any() for diff in sums[0])


def test_only_a_relu_whose_bottom_no_gradient_needs_overwrites_it(build):
    relu = 'layer { name: "%s" type: "ReLU" bottom: "%s" top: "%s" }'
    text = NET.replace('layer { name: "sum"', relu % ("r1", "b", "b") + '\nlayer { name: "sum"')
    net = build(text + relu % ("r2", "drop", "r2"), caffe.TRAIN)
    found = {name: layer.may_overwrite for name, layer in zip(net._layer_names, net.layers)}
    assert [name for name, may in found.items() if may] == ["relu"]


def test_views_of_in_place_blobs_do_not_disturb_the_gradient(build):
    plain, viewed = (build(NET + LOSS, caffe.TRAIN) for _ in range(2))
    gradients = []
    for net, names in ((plain, ()), (viewed, tuple(viewed.blobs))):
        net.blobs["data"].data[...] = images(2, 3, 6, 7)
        net.blobs["target"].data[...] = images(2, 4, 4, 5, seed=1)
        for _ in range(2):
            views = [net.blobs[name].data for name in names]
            net.forward()
            net.clear_param_diffs()
            net.backward()
        assert len(views) == len(names)
        gradients.append(net.params["conv"][0].diff.copy())
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-5, atol=1e-6)
    assert np.abs(gradients[0]).max() > 0.1


def test_gradient_of_the_whole_net_is_autograds(build):
    net = build(NET + LOSS, caffe.TRAIN)
    x, target = images(2, 3, 6, 7), images(2, 4, 4, 5, seed=1)
    net.blobs["data"].data[...], net.blobs["target"].data[...] = x, target
    net.forward()
    mask = net.blobs["drop"].data / np.where(net.blobs["sum"].data == 0, 1, net.blobs["sum"].data)
    net.clear_param_diffs()
    net.backward()
    w = torch.from_numpy(net.params["conv"][0].data.copy()).requires_grad_()
    h = torch.relu(torch.nn.functional.conv2d(torch.from_numpy(x), w))
    y = (2 * h + torch.tanh(h)) * torch.from_numpy(mask)
    ((y - torch.from_numpy(target)) ** 2).sum().div(4).backward()
    np.testing.assert_allclose(net.params["conv"][0].diff, w.grad.numpy(), rtol=1e-3, atol=1e-4)


def diffs(net):
    """Every gradient of the net, of blobs and of parameters."""
    named = [
        *net.blobs.items(),
        *((f"{k} {i}", b) for k, v in net.params.items() for i, b in enumerate(v)),
    ]
    return {name: blob.diff.copy() for name, blob in named}


def fill(net, **data):
    for name, value in data.items():
        net.blobs[name].data[...] = value


def test_backward_of_one_layer_without_forward(build):
    fc = """layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }"""
    net = build(f"force_backward: true {NET.splitlines()[2]} {fc}")
    seed = images(2, 5)
    net.blobs["fc"].diff[...] = seed
    got = net.backward(start="fc", end="fc")["data"]
    weight = net.params["fc"][0].data
    np.testing.assert_allclose(got.reshape(2, -1), seed @ weight, rtol=1e-5, atol=1e-6)
    assert not net.blobs["fc"].data.any()


def test_backward_goes_by_what_blobs_hold_where_no_forward_was(build):
    text = "force_backward: true" + NET + LOSS
    whole, partly, never = (build(text, caffe.TRAIN) for _ in range(3))
    x, target = images(2, 3, 6, 7), images(2, 4, 4, 5, seed=1)
    for net in (whole, partly, never):
        fill(net, data=x, target=target)
    whole.forward()
    partly.forward(end="sum")
    for name in partly.blobs:
        if name != "loss":
            fill(partly, **{name: whole.blobs[name].data})
            fill(never, **{name: whole.blobs[name].data})
    for net in (whole, partly, never):
        net.backward()
    for net in (partly, never):
        for name, diff in diffs(whole).items():
            np.testing.assert_allclose(diffs(net)[name], diff, rtol=1e-5, atol=1e-6, err_msg=name)
        assert net.blobs["loss"].data == 0  # no top is written


def test_backward_without_forward_leaves_later_forwards_as_they_are(build):
    norm = """layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "norm" }
        layer { name: "again" type: "Scale" bottom: "norm" top: "norm" }"""
    text = NET.replace('layer { name: "a"', norm + 'layer { name: "a"').replace(
        'bottom: "conv" top: "a"', 'bottom: "norm" top: "a"'
    )
    plain, disturbed = (build(text + LOSS, caffe.TRAIN) for _ in range(2))
    for step in range(3):
        for net in (plain, disturbed):
            fill(net, data=images(2, 3, 6, 7, seed=step), target=0)
            net.clear_param_diffs()
        if step != 1:
            disturbed.backward()
            disturbed.clear_param_diffs()
        for net in (plain, disturbed):
            net.run_forward(record=True)
            net.run_backward(keep=False)
        state = disturbed.stream_state()
        once = diffs(disturbed)
        disturbed.backward()  # the same forward, recorded again
        assert disturbed.stream_state() == state == plain.stream_state()
        for name, diff in diffs(disturbed).items():
            factor = 2 if " " in name else 1  # those of parameters add up
            np.testing.assert_allclose(diff, factor * once[name], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(disturbed.blobs["drop"].data, plain.blobs["drop"].data)
        for blob, expected in zip(disturbed.params["norm"], plain.params["norm"]):
            np.testing.assert_array_equal(blob.data, expected.data)


def test_backward_without_forward_keeps_the_state_of_recurrent_layers(build):
    text = """force_backward: true
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [3, 2, 5] } } }
        layer { name: "c" type: "Input" top: "c" input_param { shape { dim: [3, 2] } } }
        layer { name: "h" type: "LSTM" bottom: "x" bottom: "c" top: "h"
          recurrent_param { num_output: 4 weight_filler { type: "xavier" } } }"""
    plain, disturbed = build(text), build(text)
    for _ in range(2):
        for net in (plain, disturbed):
            fill(net, x=images(3, 2, 5), c=1)
            net.run_forward(record=False)
        disturbed.blobs["h"].diff[...] = 1
        disturbed.backward()
        assert disturbed.blobs["x"].diff.any()
        np.testing.assert_array_equal(disturbed.blobs["h"].data, plain.blobs["h"].data)


def test_backward_without_forward_writes_no_file(build, tmp_path):
    output = f"""layer {{ name: "out" type: "HDF5Output" bottom: "drop" bottom: "target"
        hdf5_output_param {{ file_name: "{tmp_path}/out.h5" }} }}"""
    net = build("force_backward: true" + NET + LOSS.partition('layer { name: "loss"')[0] + output)
    net.backward()
    assert [path.name for path in tmp_path.iterdir()] == ["net.prototxt"]


def test_backward_after_a_smaller_batch_is_that_of_the_batch(build):
    text = "force_backward: true" + NET + LOSS
    net, small = (
        build(text),
        build(text.replace("[2, 3,", "[1, 3,").replace("dim: 2 d", "dim: 1 d")),
    )
    x, target = images(2, 3, 6, 7), images(2, 4, 4, 5, seed=1)
    fill(net, data=x, target=target)
    net.forward()
    net.clear_param_diffs()
    for name in ("data", "target"):
        net.blobs[name].reshape(1, *net.blobs[name].shape[1:])
    net.reshape()
    net.backward()
    fill(small, data=x[:1], target=target[:1])
    small.forward()
    small.backward()
    for name, diff in diffs(small).items():
        np.testing.assert_allclose(diffs(net)[name], diff, rtol=1e-4, atol=1e-5, err_msg=name)


def test_backward_with_tops_of_another_shape_is_refused(build):
    text = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [3, 4] } } }
        layer { name: "s" type: "Input" top: "s" input_param { shape { dim: 3 } } }
        layer { name: "f" type: "Filter" bottom: "x" bottom: "s" top: "y" }
        layer { name: "l" type: "Reduction" bottom: "y" top: "l" loss_weight: 1 }"""
    net = build("force_backward: true " + text)
    fill(net, s=[1, 0, 1])
    with pytest.raises(CaffeError) as caught:
        net.backward()
    assert str(caught.value).endswith(
        'layer "f" (Filter): top 0 is (3, 4), expected (2, 4): run forward before backward'
    )


def test_streams_repeat_from_a_saved_state(build):
    net = build(NET, caffe.TRAIN)
    net.blobs["data"].data[...] = images(2, 3, 6, 7)
    net.forward()
    state = net.stream_state()
    net.forward()
    expected = net.blobs["drop"].data.copy()
    net.forward()
    assert not np.array_equal(net.blobs["drop"].data, expected)
    net.set_stream_state(state)
    net.forward()
    np.testing.assert_array_equal(net.blobs["drop"].data, expected)


def test_a_state_of_another_net_is_refused(build):
    with pytest.raises(CaffeError, match="the state is of a net of 3 layers, expected 8"):
        build(NET).set_stream_state({"seed": 1, "calls": [0, 0, 0]})


def test_models_travel_by_layer_name(build, tmp_path):
    net = build(NET)
    net.save(str(tmp_path / "a.caffemodel"))
    net.save_hdf5(str(tmp_path / "a.caffemodel.h5"))
    for name in ("a.caffemodel", "a.caffemodel.h5"):
        other = build(NET.replace("xavier", "constant"))
        assert not other.params["conv"][0].data.any()
        other.copy_from(str(tmp_path / name))
        np.testing.assert_array_equal(other.params["conv"][0].data, net.params["conv"][0].data)


TWINS = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 3] } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "z"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
"""


def weights_of(net):
    """The weights of each InnerProduct, in the net's order."""
    return [layer.blobs[0].data.copy() for layer in net.layers if layer.type == "InnerProduct"]


def test_of_layers_of_one_name_the_first_takes_parameters(build, tmp_path):
    source, net = build(TWINS), build(TWINS)
    path = str(tmp_path / "a.caffemodel")
    source.save(path)
    second = weights_of(net)[1]
    net.copy_from(path)
    assert np.array_equal(weights_of(net), [weights_of(source)[1], second])
    net.share_with(source)
    source.layers[-1].blobs[0].data[...] = 7
    assert np.array_equal(weights_of(net), [np.full((4, 3), 7), second])
    for wanted in (TWINS.replace("4", "5", 1), TWINS.replace("4", "5", 2)):
        with pytest.raises(CaffeError, match=f'^{path}: layer "ip": parameter 0 has shape'):
            build(wanted).copy_from(path)
    with pytest.raises(CaffeError, match='^cannot share layer "ip": parameter 0 has shape'):
        build(TWINS).share_with(build(TWINS.replace("4", "5", 1)))


def test_of_layers_of_one_name_the_last_takes_parameters_from_hdf5(build, tmp_path):
    source, net = build(TWINS.replace('"ip"', '"jp"', 1)), build(TWINS)
    path = str(tmp_path / "a.caffemodel.h5")
    source.save_hdf5(path)
    first = weights_of(net)[0]
    net.copy_from(path)
    assert np.array_equal(weights_of(net), [first, weights_of(source)[1]])


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("ip", 'two layers are named "ip", HDF5 holds one of each'),
        ("", 'HDF5 cannot hold a layer named ""'),
        ("/", 'HDF5 cannot hold a layer named "/"'),
        ("a//b", 'HDF5 cannot hold a layer named "a//b"'),
        ("a/.", 'HDF5 cannot hold a layer named "a/."'),
        ("a\\0b", r'HDF5 cannot hold a layer named "a\x00b"'),
        ("ip/0", 'HDF5 cannot hold layer "ip": '),
    ],
)
def test_layer_names_that_hdf5_does_not_hold(name, complaint, build, tmp_path):
    path = str(tmp_path / "a.caffemodel.h5")
    with pytest.raises(CaffeError) as caught:
        build(TWINS.replace('"ip"', f'"{name}"', 1)).save_hdf5(path)
    assert str(caught.value).startswith(f"{path}: {complaint}")
    assert [file.name for file in tmp_path.iterdir()] == ["net.prototxt"]


@pytest.mark.parametrize("method", ["copy_from", "save", "save_hdf5"])
def test_a_path_that_no_file_can_have_is_named(method, build):
    with pytest.raises(CaffeError, match=r"^a\\x00b: .*embedded null "):
        getattr(build(NET), method)("a\0b")


def test_a_model_of_another_shape_is_refused(build, tmp_path):
    build(NET).save(str(tmp_path / "a.caffemodel"))
    other = build(NET.replace("kernel_size: 3", "kernel_size: 2"))
    with pytest.raises(CaffeError) as caught:
        other.copy_from(str(tmp_path / "a.caffemodel"))
    assert str(caught.value) == (
        f'{tmp_path}/a.caffemodel: layer "conv": parameter 0 has shape 4 3 3 3 (108), '
        "expected 4 3 2 2 (48); to learn the layer from scratch, rename it"
    )


@pytest.mark.parametrize(
    "broken, message",
    [
        (
            NET.replace('type: "ReLU"', 'type: "Relu"'),
            'net.prototxt:6: layer "relu" (Relu): unknown layer type "Relu"; did you mean "ReLU"?',
        ),
        (
            NET.replace('bottom: "b"', 'bottom: "c"'),
            'net.prototxt:9: layer "sum" (Eltwise): bottom 1 "c" is made by no layer before it',
        ),
        (
            NET.replace('top: "b"', 'top: "a"').replace('bottom: "b"', 'bottom: "a"'),
            'net.prototxt:8: layer "b" (TanH): top "a" is already made by another layer',
        ),
        (
            NET.replace("kernel_size: 3", "kernel_size: 7"),
            'net.prototxt:4: layer "conv" (Convolution): kernel 7 needs at least 7x7; '
            "bottom is (2, 3, 6, 7)",
        ),
        (
            NET.replace('type: "TanH"', 'type: "TanH" propagate_down: true propagate_down: true'),
            'net.prototxt:8: layer "b" (TanH): propagate_down is given 2 times, expected 0 or 1, '
            "once per bottom",
        ),
        (
            NET.replace('type: "Dropout"', 'type: "Dropout" loss_weight: 1 loss_weight: 2'),
            'net.prototxt:10: layer "drop" (Dropout): loss_weight is given 2 times, expected 0 or '
            "1, once per top",
        ),
        (
            NET.replace('type: "TanH"', 'type: "TanH" param { lr_mult: 1 }'),
            'net.prototxt:8: layer "b" (TanH): has 1 param entries, expected at most 0',
        ),
        (
            NET.replace('type: "ReLU" bottom: "conv"', 'type: "ReLU"'),
            'net.prototxt:6: layer "relu" (ReLU): top "conv" is already made by another layer',
        ),
        (
            NET.replace('type: "TanH"', 'type: "Upsample"'),
            'net.prototxt:8: layer "b" (Upsample): unknown layer type "Upsample"; '
            "it is not one of Caffe's",
        ),
        (
            NET.replace("num_output: 4", "num_outputs: 4"),
            'net.prototxt:5:23: unknown field "num_outputs" in ConvolutionParameter; '
            'did you mean "num_output"?',
        ),
    ],
)
def test_errors_name_file_line_and_layer(build, monkeypatch, tmp_path, broken, message):
    (tmp_path / "net.prototxt").write_text(broken)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CaffeError) as caught:
        caffe.Net("net.prototxt", caffe.TEST)
    assert str(caught.value) == message


def test_phase_must_be_given(build):
    with pytest.raises(CaffeError, match="phase is None, expected caffe.TRAIN or caffe.TEST"):
        caffe.Net("net.prototxt")


def test_bf16_computes_and_hands_out_float32(build):
    net = build(NET + LOSS, caffe.TRAIN)
    net.blobs["data"].data[...] = images(2, 3, 6, 7)
    caffe.set_precision("bf16")
    net.forward()
    net.backward()
    caffe.set_precision("fp32")
    rough = net.blobs["conv"].data.copy()
    assert rough.dtype == np.float32 and net.params["conv"][0].diff.any()
    net.forward()
    exact = net.blobs["conv"].data
    assert not np.array_equal(rough, exact)
    np.testing.assert_allclose(rough, exact, rtol=0.02, atol=0.02)


@pytest.fixture
def little_memory():
    """The process may take a GB more than it has."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


RELU = 'layer { name: "relu" type: "ReLU" bottom: "x" top: "y" }'
LARGE = {
    "Input": ("input_param { shape { dim: 2000000000 } }", RELU),
    "DummyData": ("dummy_data_param { shape { dim: 2000000000 } }", ""),
    "Parameter": ("parameter_param { shape { dim: 2000000000 } }", RELU),
}


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
@pytest.mark.parametrize("kind", LARGE)
def test_memory_that_is_not_there_is_told_with_its_layer(build, little_memory, kind, phase):
    param, behind = LARGE[kind]
    with pytest.raises(CaffeError) as caught:
        build(
            f'layer {{ name: "large" type: "{kind}" top: "x" {param} }}\n{behind}', phase
        ).forward()
    message = str(caught.value)
    assert 'layer "large"' in message or 'layer "relu"' in message
    assert message.endswith(": needs 8000000000 bytes of memory, more than there is")


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_weights_that_do_not_fit_into_memory_are_told_with_their_layer(build, little_memory):
    text = """layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 10 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
      inner_product_param { num_output: 200000000 } }"""
    with pytest.raises(CaffeError, match="2: layer .ip. .* needs 8000000000 bytes of memory"):
        build(text)

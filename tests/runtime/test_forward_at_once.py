"""Net.forward of a net without a loss runs by a plan: every blob is as after a run by layers."""

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from filled_net import filled

import caffe
from caffe import inference_plan
from caffe.errors import CaffeError

GOLDEN = Path(__file__).parent.parent / "golden"
HEAD = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 6, 9, 7] } } }\n'
CONV = """layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param {
  num_output: 5 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
"""
RELU = 'layer { name: "r" type: "ReLU" bottom: "c" top: "c" }\n'
LOSS = 'layer { name: "l" type: "Reduction" bottom: "c" top: "l" loss_weight: 1 }\n'
ROWS = 'layer { name: "%s" type: "Flatten" bottom: "%s" top: "rows" }\n'
CARRYING = ("LSTM", "RNN", "Recurrent")  # layers for which a second forward goes on from the first


def randomised(net):
    """The net with parameters and inputs under which nothing vanishes or explodes."""
    rng = np.random.default_rng(0)
    for name in net.inputs:
        net.blobs[name].data[...] = rng.uniform(0, 2, net.blobs[name].shape)
    return filled(net)


@pytest.fixture
def build(tmp_path):
    def build(text, phase=caffe.TEST):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        caffe.set_random_seed(3)
        return randomised(caffe.Net(str(path), phase))

    return build


def values(net):
    return {name: blob.data.copy() for name, blob in net.blobs.items()}


def by_layers(net):
    """All blobs after a run in which somebody watches the layers."""
    net.before_forward(lambda i: None)
    net.run_forward(record=False)
    net._callbacks["bf"].clear()
    return values(net)


def assert_alike(found, expected, tolerance=1e-5):
    assert found.keys() == expected.keys()
    for name, x in expected.items():
        np.testing.assert_allclose(
            found[name], x, tolerance, tolerance * abs(x).max(initial=0), err_msg=name
        )


def golden_nets():
    paths = [path for kind in ("layers", "nets") for path in GOLDEN.glob(f"{kind}/*/*.prototxt")]
    for path in sorted(paths):
        try:
            caffe.set_random_seed(3)
            yield caffe.Net(str(path), caffe.TEST)
        except (CaffeError, RuntimeError):
            continue


@pytest.mark.parametrize("precision, tolerance", [("fp32", 1e-5), ("bf16", 0.05)])
def test_recorded_nets_get_the_same_blobs(precision, tolerance):
    caffe.set_precision(precision)
    tried = 0
    for net in golden_nets():
        carries = any(layer.type in CARRYING for layer in net.layers)
        if carries or not net.layers or not net._can_be_planned:
            continue
        randomised(net)
        given = {name: net.blobs[name].data.copy() for name in net.inputs}
        net.run_forward(record=False)
        if not net._plans:
            continue
        found = values(net)
        for name, x in given.items():
            net.blobs[name].data[...] = x  # which a layer in place has overwritten
        assert_alike(found, by_layers(net), tolerance)
        assert_runs_on(net, given, tolerance)
        tried += 1
    assert tried > 150


def assert_runs_on(net, given, tolerance):
    """Assert that each layer can go on from what a plan has left in the blobs."""
    for first, name in enumerate(net._layer_names):
        if net.layers[first].type == "Input" or {*net.top_names[name]} & {*net.bottom_names[name]}:
            continue
        for blob, x in given.items():
            net.blobs[blob].data[...] = x
        net.run_forward(record=False)
        expected = {name: net.blobs[name].data.copy() for name in net.outputs}
        net.run_forward(False, first, len(net.layers) - 1)
        found = {name: net.blobs[name].data for name in net.outputs}
        assert_alike(found, expected, tolerance)


def test_state_is_carried_on_as_by_layers():
    path = str(GOLDEN / "layers" / "lstm_state_carried" / "net.prototxt")
    nets = [randomised(caffe.Net(path, caffe.TEST)) for _ in range(2)]
    for _ in range(3):
        nets[0].run_forward(record=False)
        assert nets[0]._plans
        assert_alike(values(nets[0]), by_layers(nets[1]))


# When a plan runs


def runs_by_plan(net, run=lambda net: net.forward()):
    net._plans.clear()
    run(net)
    return bool(net._plans)


def test_a_net_of_which_no_gradient_is_wanted_runs_by_a_plan(build):
    assert runs_by_plan(build(HEAD + CONV + RELU))
    assert runs_by_plan(build(HEAD + CONV + LOSS), lambda net: net.run_forward(record=False))
    assert runs_by_plan(build(HEAD + CONV), lambda net: net.forward_all(x=np.ones((4, 6, 9, 7))))


def test_what_a_plan_does_not_do_is_done_by_layers(build):
    assert not runs_by_plan(build(HEAD + CONV + LOSS))
    assert not runs_by_plan(build(HEAD + CONV, caffe.TRAIN))
    assert not runs_by_plan(build("force_backward: true\n" + HEAD + CONV))
    assert not runs_by_plan(build("debug_info: true\n" + HEAD + CONV))
    assert not runs_by_plan(build(HEAD + CONV), lambda net: net.forward(start="c"))
    for watch in ("before_forward", "after_forward"):
        net, seen = build(HEAD + CONV + RELU), []
        getattr(net, watch)(seen.append)
        assert not runs_by_plan(net) and seen == [0, 1, 2]


def test_without_onednn_and_on_a_gpu_nothing_is_planned(build, monkeypatch):
    net = build(HEAD + CONV + RELU)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not runs_by_plan(net)
    monkeypatch.undo()
    assert runs_by_plan(net)
    monkeypatch.setattr(caffe.context, "device", lambda: torch.device("cuda", 0))
    assert not inference_plan.available()


def test_a_gradient_can_follow(build):
    net = build("force_backward: true\n" + HEAD + CONV + RELU)
    net.forward()
    net.blobs["c"].diff[...] = 1
    assert abs(net.backward()["x"]).max() > 0


def test_a_test_net_with_data_a_loss_and_layers_without_a_top(build):
    """Data come batch after batch as ever; layers without a top read what the plan made."""
    drawn = """layer { name: "x" type: "DummyData" top: "x" dummy_data_param {
        shape { dim: [2, 6, 9, 7] } data_filler { type: "gaussian" } } }
        layer { name: "y" type: "DummyData" top: "y" dummy_data_param {
        shape { dim: [2, 5, 9, 7] } data_filler { type: "uniform" } } }\n"""
    loss = """layer { name: "e" type: "EuclideanLoss" bottom: "c" bottom: "y" top: "e"
        loss_weight: 3 }
        layer { name: "s" type: "Silence" bottom: "e" }\n"""
    nets = [build(drawn + CONV + RELU + loss) for _ in range(2)]
    nets[1].before_forward(lambda i: None)
    losses = [[net.run_forward(record=False) for _ in range(3)] for net in nets]
    assert nets[0]._plans and not nets[1]._plans
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert len({*losses[0]}) == 3
    assert_alike(values(nets[0]), values(nets[1]))


def test_a_net_goes_with_its_last_reference(build):
    net = build(HEAD + CONV + ROWS % ("f", "c"))
    net.forward()
    net.infer({"x": torch.ones(1, 6, 4, 4)}, ["rows"])
    assert len(net._plans) == 2
    gone = weakref.ref(net)
    del net
    assert gone() is None


# What it leaves


def test_only_what_no_blob_shows_is_computed_at_once(build, monkeypatch):
    net = build(HEAD + CONV + RELU)
    monkeypatch.setattr(inference_plan.LayerStep, "__call__", None)
    net.forward()
    assert net.blobs["c"].data.min() == 0


def test_views_show_every_run(build):
    net = build(HEAD + CONV + RELU)
    c = net.blobs["c"].data
    before = c.copy()
    for factor in (1, 2):
        net.blobs["x"].data[...] *= factor
        out = net.forward()
        assert np.shares_memory(out["c"], c) and not np.array_equal(c, before)
        before = c.copy()
        assert_alike({"c": c}, {"c": by_layers(net)["c"]})


def test_what_a_user_writes_into_a_blob_is_what_the_next_layer_reads(build):
    net = build(HEAD + CONV + ROWS % ("f", "c"))
    net.forward()
    net.blobs["c"].data[...] = 7
    assert (net.forward(start="f")["rows"] == 7).all()


def test_another_size(build):
    net = build(HEAD + CONV + RELU + ROWS % ("f", "c"))
    for shape in ((1, 6, 4, 5), (3, 6, 9, 7), (1, 6, 4, 5)):
        net.blobs["x"].reshape(*shape)
        net.blobs["x"].data[...] = 1
        assert net.forward()["rows"].shape == (shape[0], 5 * shape[2] * shape[3])
        assert net.blobs["c"].shape == (shape[0], 5, *shape[2:])
        assert_alike(values(net), by_layers(net))


def test_a_shape_that_does_not_fit_is_told_with_its_layer(build):
    net = build(HEAD + CONV + RELU)
    net.forward()
    net.blobs["x"].reshape(2, 4, 9, 7)
    for _ in range(2):
        with pytest.raises(CaffeError, match=r'prototxt:2: layer "c" .*expected 6 channels'):
            net.forward()
    net.blobs["x"].reshape(2, 6, 9, 7)
    assert net.forward()["c"].shape == (2, 5, 9, 7)


def test_an_input_is_overwritten_in_place(build):
    net = build(
        HEAD + 'layer { name: "p" type: "Power" bottom: "x" top: "x" power_param { shift: 1 } }'
    )
    x = net.blobs["x"].data
    before = x.copy()
    assert runs_by_plan(net)
    np.testing.assert_allclose(x, before + 1, 1e-6)


def test_infer_at_another_size_does_not_change_what_forward_computes(build):
    net = build(
        HEAD + CONV + 'layer { name: "f" type: "Reshape" bottom: "c" top: "f" '
        "reshape_param { shape { dim: [0, -1] } } }"
    )
    expected = by_layers(net)
    net.infer({"x": torch.ones(1, 6, 4, 4)}, ["f"])
    assert_alike(by_layers(net), expected)
    net.infer({"x": torch.ones(1, 6, 4, 4)}, ["f"])
    assert_alike({"f": net.forward()["f"]}, {"f": expected["f"]})


def test_a_relu_in_place_leaves_alone_what_a_view_shows_elsewhere(build):
    """Layer by layer, a ReLU works in the memory of the filter's top."""
    net = build(HEAD + CONV + RELU)
    by_layers(net)
    kept = net.blobs["c"].data
    unwatched = kept.copy()
    net.blobs["x"].data[...] *= -1
    assert not np.array_equal(by_layers(net)["c"], unwatched)
    assert kept.min() == 0 and np.array_equal(kept, net.blobs["c"].data)


def test_weights_of_an_inner_product_are_rounded_once_for_bf16(build, monkeypatch):
    dense = 'layer { name: "i" type: "InnerProduct" bottom: "x" top: "i" '
    net = build(HEAD + dense + "inner_product_param { num_output: 3 bias_term: false } }")
    caffe.set_precision("bf16")
    before, seen = by_layers(net)["i"], []
    layer, forward = net.layers[1], net.layers[1].forward
    monkeypatch.setattr(layer, "forward", lambda *args: seen.append(args[1]) or forward(*args))
    for factor in (1, -1):
        if factor < 0:
            net.params["i"][0].data[...] *= factor
        for _ in range(2):
            assert_alike({"i": net.forward()["i"]}, {"i": factor * before})
    weights = [params[0] for params in seen]
    assert all(weight.dtype == torch.bfloat16 for weight in weights)
    assert [weight is weights[0] for weight in weights] == [True, True, False, False]
    assert weights[2] is weights[3]

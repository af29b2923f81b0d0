"""Net.infer through a plan: what each fusion computes, and that changed weights are seen."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from filled_net import filled

import caffe
from caffe import filter_step, inference_graph, inference_plan
from caffe.errors import CaffeError
from colorization.network import networks

DEPLOYS = sorted(networks().glob("*/deploy.prototxt"))
HEAD = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 6, 9, 7] } } }\n'
CONV = """layer { name: "%s" type: "Convolution" bottom: "%s" top: "%s"
  convolution_param { num_output: %d kernel_size: 3 pad: 1 } }
"""
NORM = 'layer { name: "%s" type: "BatchNorm" bottom: "%s" top: "%s" }\n'
RELU = 'layer { name: "%s" type: "ReLU" bottom: "%s" top: "%s" }\n'


def chain(*layers):
    return HEAD + "".join(text % tuple(names) for text, *names in layers)


@pytest.fixture
def build(tmp_path):
    def build(text, phase=caffe.TEST):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return filled(caffe.Net(str(path), phase))

    return build


def numbers(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def steps(net, outputs=None):
    outputs = outputs or net.outputs
    return inference_graph.graph_of(net, net.inputs, outputs).steps


def assert_infers(net, given, outputs=None, relative=1e-5):
    """Assert that infer gives what the layers give one by one."""
    outputs = outputs or net.outputs
    kept = {name: x.clone() for name, x in given.items()}
    expected = net._infer_by_layers(given, outputs)
    found = net.infer(given, outputs)
    assert net._plans, "infer made no plan"
    for name in outputs:
        scale = expected[name].abs().max()
        assert found[name].dtype == torch.float32 and found[name].is_contiguous()
        assert (found[name] - expected[name]).abs().max() <= relative * scale
    for name, x in given.items():
        assert torch.equal(x, kept[name])


def test_there_are_deploy_nets():
    assert len(DEPLOYS) >= 8


def narrow(text):
    """The net with an eighth of the channels, which tells as much in less time."""
    return re.sub(
        r"num_output: (\d+)",
        lambda match: f"num_output: {int(match[1]) // 8 if int(match[1]) % 16 == 0 else match[1]}",
        text,
    )


@pytest.mark.parametrize("deploy", DEPLOYS, ids=lambda path: path.parent.name)
def test_deploy_nets_infer_what_their_layers_give(build, deploy: Path):
    net = build(narrow(deploy.read_text()))
    outputs = [name for name in ("pred_313", "ab") if name in net.blobs]
    L = torch.from_numpy(np.random.default_rng(1).uniform(0, 100, (1, 1, 16, 24)))
    assert_infers(net, {"data_l": L.float()}, outputs, 1e-4)


FUSED = {
    "conv": chain((CONV, "c", "x", "c", 5)),
    "conv, relu": chain((CONV, "c", "x", "c", 5), (RELU, "r", "c", "c")),
    "conv, norm": chain((CONV, "c", "x", "c", 5), (NORM, "n", "c", "c")),
    "conv, relu, norm": chain(
        (CONV, "c", "x", "c", 5), (RELU, "r", "c", "c"), (NORM, "n", "c", "n")
    ),
    "conv, norm, scale, bias, relu": chain(
        (CONV, "c", "x", "c", 5),
        (NORM, "n", "c", "n"),
        (
            'layer { name: "%s" type: "Scale" bottom: "%s" top: "%s" '
            "scale_param { bias_term: true } }\n",
            *("s", "n", "n"),
        ),
        ('layer { name: "%s" type: "Bias" bottom: "%s" top: "%s" }\n', "b", "n", "n"),
        (RELU, "r", "n", "n"),
    ),
    "leaky": chain(
        (CONV, "c", "x", "c", 5),
        (RELU.replace(" }", " relu_param { negative_slope: 0.2 } }"), "r", "c", "c"),
    ),
    "without bias, with everything else": HEAD
    + """layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param {
           num_output: 8 kernel_h: 2 kernel_w: 3 stride_h: 2 stride_w: 1 pad_h: 3 pad_w: 2
           dilation: 2 group: 2 bias_term: false } }
         layer { name: "n" type: "BatchNorm" bottom: "c" top: "c" }""",
    "deconv": HEAD
    + """layer { name: "c" type: "Deconvolution" bottom: "x" top: "c" convolution_param {
           num_output: 5 kernel_h: 4 kernel_w: 3 stride: 2 pad_h: 1 pad_w: 0 } }
         layer { name: "n" type: "BatchNorm" bottom: "c" top: "c" }
         layer { name: "r" type: "ReLU" bottom: "c" top: "c" }""",
    "deconv in groups": HEAD
    + """layer { name: "c" type: "Deconvolution" bottom: "x" top: "c" convolution_param {
           num_output: 4 kernel_size: 4 stride: 2 pad: 1 group: 2 dilation: 2 bias_term: false } }
         layer { name: "n" type: "BatchNorm" bottom: "c" top: "c" }
         layer { name: "r" type: "ReLU" bottom: "c" top: "c" }""",
    "sum": chain(
        (CONV, "a", "x", "a", 5),
        (CONV, "b", "x", "b", 5),
        (NORM, "n", "b", "b"),
        (
            'layer { name: "%s" type: "Eltwise" bottom: "%s" bottom: "b" top: "%s" }\n',
            *("sum", "a", "sum"),
        ),
        (RELU, "r", "sum", "sum"),
        (NORM, "m", "sum", "sum"),
    ),
}


@pytest.mark.parametrize("text", FUSED.values(), ids=FUSED)
def test_chains_of_layers_are_one_step(build, text):
    net = build(text)
    expected = 2 if "Eltwise" in text else 1
    assert [step.fuses for step in steps(net)] == [True] * expected
    assert_infers(net, {"x": numbers(2, 6, 9, 7)})


def test_a_sum_with_an_input_leaves_it_alone(build):
    text = chain((CONV, "c", "x", "c", 6)) + (
        'layer { name: "s" type: "Eltwise" bottom: "x" bottom: "c" top: "s" }'
    )
    net = build(text)
    assert [step.other for step in steps(net)] == [0]
    x = numbers(2, 6, 9, 7).contiguous(memory_format=torch.channels_last)
    assert_infers(net, {"x": x})


def test_a_sum_leaves_alone_what_is_read_later(build):
    net = build(
        chain((CONV, "a", "x", "a", 5), (CONV, "b", "x", "b", 5))
        + 'layer { name: "p" type: "Power" bottom: "a" top: "p" }'  # the same tensor
        + 'layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "s" }'
        + 'layer { name: "m" type: "Eltwise" bottom: "s" bottom: "p" top: "m" '
        "eltwise_param { operation: MAX } }"
    )
    assert any(step.other is not None for step in steps(net))
    assert_infers(net, {"x": numbers(2, 6, 9, 7)}, ["m", "a"])
    assert_infers(net, {"x": numbers(2, 6, 9, 7)}, ["m"])


def test_a_sum_with_what_the_filter_reads_leaves_it_alone(build):
    text = chain((CONV, "a", "x", "a", 5), (CONV, "b", "a", "b", 5))
    net = build(text + 'layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "s" }')
    assert [step.other for step in steps(net)] == [None, steps(net)[1].bottoms[0]]
    assert_infers(net, {"x": numbers(2, 6, 9, 7)})


def test_sums_of_another_kind_stay_layers(build):
    for options in ("operation: PROD", "coeff: 1 coeff: -1", "operation: MAX"):
        net = build(
            chain((CONV, "a", "x", "a", 5), (CONV, "b", "x", "b", 5))
            + 'layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "s" '
            f"eltwise_param {{ {options} }} }}"
        )
        assert [step.layer.type for step in steps(net)][-1] == "Eltwise"
        assert_infers(net, {"x": numbers(2, 6, 9, 7)})


def test_a_leaky_relu_after_a_sum_stays_a_layer(build):
    leaky = "relu_param { negative_slope: 0.5 } }"
    net = build(
        FUSED["sum"].replace('bottom: "sum" top: "sum" }', f'bottom: "sum" top: "sum" {leaky}', 1)
    )
    assert [step.layer.type for step in steps(net)] == ["Convolution"] * 2 + ["ReLU", "BatchNorm"]
    assert_infers(net, {"x": numbers(2, 6, 9, 7)})


def test_an_output_within_a_chain_ends_a_step(build):
    net = build(FUSED["conv, norm, scale, bias, relu"])
    assert [step.layer.name for step in steps(net, ["c", "n"])] == list("cnsbr")
    assert_infers(net, {"x": numbers(2, 6, 9, 7)}, ["c", "n"])


def test_statistics_of_the_batch_are_not_folded(build):
    text = FUSED["conv, norm"].replace(
        '"BatchNorm"', '"BatchNorm" batch_norm_param { use_global_stats: false }'
    )
    assert [step.layer.type for step in steps(build(text))] == ["Convolution", "BatchNorm"]


def test_no_statistics_yet_are_zeros(build):
    net = build(FUSED["conv, norm"])
    net.params["n"][2].data[...] = 0
    assert_infers(net, {"x": numbers(2, 6, 9, 7)}, relative=1e-4)


def test_layers_that_need_rows_get_rows(build):
    net = build(
        chain((CONV, "c", "x", "c", 5))
        + 'layer { name: "f" type: "Flatten" bottom: "c" top: "f" }'
        + 'layer { name: "i" type: "InnerProduct" bottom: "f" top: "i" '
        "inner_product_param { num_output: 3 } }"
    )
    assert_infers(net, {"x": numbers(2, 6, 9, 7)})


def test_any_size_and_any_number_of_images(build):
    net = build(FUSED["sum"])
    for shape in ((2, 6, 9, 7), (1, 6, 9, 7), (5, 6, 4, 13), (1, 6, 1, 1)):
        assert_infers(net, {"x": numbers(*shape)})
    assert len(net._plans) == 1
    assert net.infer({"x": numbers(0, 6, 9, 7)}, ["sum"])["sum"].shape == (0, 5, 9, 7)


def test_a_shape_that_does_not_fit_is_told_with_its_layer(build):
    net = build(FUSED["conv"])
    for _ in range(2):
        with pytest.raises(CaffeError, match=r'prototxt:2: layer "c" .*expected 6 channels'):
            net.infer({"x": numbers(2, 4, 9, 7)}, ["c"])


def test_bf16_stays_as_close_as_layer_by_layer(build):
    net = build(FUSED["sum"])
    given = {"x": numbers(2, 6, 9, 7)}
    exact = net.infer(given, ["sum"])["sum"]
    caffe.set_precision("bf16")
    found = net.infer(given, ["sum"])["sum"]
    assert found.dtype == torch.float32
    assert 1e-4 < (found - exact).abs().max() / exact.abs().max() < 0.03
    caffe.set_precision("fp32")
    assert torch.equal(net.infer(given, ["sum"])["sum"], exact)


def test_without_onednn_layers_compute_one_by_one(build, monkeypatch):
    net = build(FUSED["sum"])
    given = {"x": numbers(2, 6, 9, 7)}
    with monkeypatch.context() as patch:
        patch.setattr(torch.backends.mkldnn, "enabled", False)
        found = net.infer(given, ["sum"])["sum"]
    assert not net._plans
    torch.testing.assert_close(found, net.infer(given, ["sum"])["sum"])


# What stands behind a ReLU, in the weights of the filters that read it

READ_BY = {
    "conv": (CONV, "d", "n", "d", 4),
    "groups": (CONV.replace("pad: 1", "pad: 2 dilation: 2 group: 2"), "d", "n", "d", 4),
    "deconv": (CONV.replace("Convolution", "Deconvolution"), "d", "n", "d", 3),
    "deconv in groups": (
        CONV.replace("Convolution", "Deconvolution").replace("pad: 1", "pad: 1 stride: 2 group: 2"),
        *("d", "n", "d", 8),
    ),
}
SCALE = 'layer { name: "%s" type: "Scale" bottom: "%s" top: "%s" }\n'


def normalised(*readers, made_by="Convolution", scaled=()):
    """A net whose filter `c` has a ReLU, a normalisation and perhaps a Scale; others read it."""
    first = (CONV.replace("Convolution", made_by), "c", "x", "c", 6)
    return chain(first, (RELU, "r", "c", "c"), (NORM, "n", "c", "n"), *scaled, *readers)


def with_means(net, *means):
    """The net with what a normalisation behind a ReLU has: means that are not negative."""
    net.params["n"][0].data[...] = means
    return net


@pytest.mark.parametrize("made_by", ["Convolution", "Deconvolution"])
@pytest.mark.parametrize("reader", READ_BY.values(), ids=READ_BY)
@pytest.mark.parametrize("precision, relative", [("fp32", 1e-5), ("bf16", 0.02)])
def test_factors_behind_a_relu_are_in_the_next_weights(
    build, reader, made_by, precision, relative, monkeypatch
):
    net = with_means(build(normalised(reader, made_by=made_by)), 3, 0.5, 0, 1e-20, 40, 0.1)
    assert [step.hands_on for step in steps(net, ["d"])] == [True, False]
    given = {"x": numbers(2, 6, 9, 7)}
    expected = net._infer_by_layers(given, ["d"])["d"]
    monkeypatch.setattr(torch, "batch_norm", None)  # which no step needs
    caffe.set_precision(precision)
    found = net.infer(given, ["d"])["d"]
    assert (found - expected).abs().max() <= relative * expected.abs().max()


def test_several_filters_take_on_the_same_factors(build):
    net = build(normalised(READ_BY["conv"], (CONV, "e", "n", "e", 3)))
    assert [len(step.takes_on) for step in steps(net)] == [0, 1, 1]
    assert_infers(with_means(net, 3, 0.5, 0, 1, 4, 0.1), {"x": numbers(2, 6, 9, 7)})


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.params["n"][0].data.__setitem__(2, -1),
        lambda net: net.params["s"][0].data.__setitem__(2, -1),
        lambda net: net.params["n"][0].data.__setitem__(slice(None), 5),
        lambda net: net.params["s"][0].data.__setitem__(2, 0),
        lambda net: net.params["n"][2].data.__setitem__(0, 0),
    ],
    ids=["negative mean", "negative factor", "other means", "no factor", "no statistics"],
)
def test_factors_that_change_are_seen_on_both_sides(build, change):
    net = build(normalised(READ_BY["conv"], scaled=[(SCALE, "s", "n", "n")]))
    net.params["s"][0].data[...] = [1, 2, 3, 4, 5, 6]
    given = {"x": numbers(2, 6, 9, 7)}
    before = net._infer_by_layers(given, ["d"])["d"]
    for means in (1, 2):
        assert_infers(with_means(net, *6 * [means]), given, ["d"])
    change(net)
    assert_infers(net, given, ["d"])
    assert not torch.equal(net.infer(given, ["d"])["d"], before)


@pytest.mark.parametrize(
    "text, outputs",
    [
        (normalised(READ_BY["conv"]), ["d", "n"]),
        (
            normalised(
                READ_BY["conv"], ('layer { name: "%s" type: "TanH" bottom: "n" top: "t" }', "t")
            ),
            None,
        ),
        (
            normalised(READ_BY["conv"]).replace(" }\n", " relu_param { negative_slope: 0.2 } }\n"),
            ["d"],
        ),
        (
            normalised((CONV, "d", "n", "d", 6))
            + 'layer { name: "s" type: "Eltwise" bottom: "n" bottom: "d" top: "s" }',
            ["s"],
        ),
    ],
    ids=["an output", "another layer", "leaky", "a sum"],
)
def test_what_others_read_too_keeps_its_factors(build, text, outputs):
    net = with_means(build(text), 3, 0.5, 0, 1, 4, 0.1)
    assert not any(step.hands_on or step.takes_on for step in steps(net, outputs))
    assert_infers(net, {"x": numbers(2, 6, 9, 7)}, outputs)


POWER = 'layer { name: "%s" type: "Power" bottom: "%s" top: "%s" power_param { %s } }\n'


@pytest.mark.parametrize("in_place", [False, True])
def test_a_number_before_filters_is_in_their_weights(build, in_place):
    top = "x" if in_place else "p"
    net = build(
        chain(
            (POWER, "half", "x", top, "scale: 0.5"),
            (POWER, "third", top, top, "scale: -3"),
            (CONV, "c", top, "c", 5),
            (CONV.replace("Convolution", "Deconvolution"), "d", top, "d", 4),
        )
    )
    assert [(step.layer.name, step.gain) for step in steps(net)] == [("c", -1.5), ("d", -1.5)]
    assert_infers(net, {"x": numbers(2, 6, 9, 7)})


@pytest.mark.parametrize(
    "layers, outputs",
    [
        ([(POWER, "p", "x", "p", "scale: 2 shift: 1"), (CONV, "c", "p", "c", 5)], ["c"]),
        ([(POWER, "p", "x", "p", "scale: 2 power: 2"), (CONV, "c", "p", "c", 5)], ["c"]),
        ([(POWER, "p", "x", "p", "scale: 2"), (CONV, "c", "p", "c", 5)], ["c", "p"]),
        (
            [
                (POWER, "p", "x", "p", "scale: 2"),
                (CONV, "c", "p", "c", 5),
                (POWER, "q", "p", "q", "power: 3"),
            ],
            ["c", "q"],
        ),
        ([(POWER, "p", "x", "p", "scale: 2")], ["p"]),
    ],
    ids=["a shift", "a power", "an output", "another layer", "no filter"],
)
def test_other_numbers_stay_layers(build, layers, outputs):
    net = build(chain(*layers))
    assert steps(net, outputs)[0].layer.name == "p"
    assert_infers(net, {"x": numbers(2, 6, 9, 7)}, outputs)


# Changed weights


@pytest.mark.parametrize("layer, index", [("c", 0), ("c", 1), ("n", 0), ("n", 2)])
def test_changed_weights_are_seen(build, layer, index):
    net = build(FUSED["conv, relu, norm"])
    given = {"x": numbers(2, 6, 9, 7)}
    before = net.infer(given, ["n"])["n"]
    blob = net.params[layer][index]

    def assert_seen():
        nonlocal before
        assert_infers(net, given)
        after = net.infer(given, ["n"])["n"]
        assert not torch.equal(before, after)
        before = after

    blob.data[...] *= 1.5
    assert_seen()
    view = blob.data
    view[0] += 0.25
    assert_seen()
    view[0] += 0.25  # through a view from before the last pass
    assert_seen()
    part = view[:1]
    del view
    part += 0.25
    assert_seen()
    del part
    assert_infers(net, given)
    blob.data_tensor().mul_(1.25)
    assert_seen()
    blob.set_data(blob.data_tensor() * 1.25)
    assert_seen()
    part = blob.data[:1]
    blob.set_data(blob.data_tensor() * 1.25)
    assert_seen()
    part += 0.25
    assert_seen()


def test_weights_of_a_file_and_of_another_net_are_seen(build, tmp_path):
    net, other = build(FUSED["sum"]), build(FUSED["sum"])
    given = {"x": numbers(2, 6, 9, 7)}
    before = net.infer(given, ["sum"])["sum"]
    for blobs in other.params.values():
        blobs[0].data[...] *= 0.75
    expected = other.infer(given, ["sum"])["sum"]
    assert not torch.equal(before, expected)
    other.save(str(tmp_path / "other.caffemodel"))
    net.copy_from(str(tmp_path / "other.caffemodel"))
    torch.testing.assert_close(net.infer(given, ["sum"])["sum"], expected)
    other.params["a"][0].data[...] *= 2
    net.share_with(other)
    expected = other.infer(given, ["sum"])["sum"]
    torch.testing.assert_close(net.infer(given, ["sum"])["sum"], expected)


def test_weights_are_prepared_once(build, monkeypatch):
    net = build(FUSED["sum"])
    prepared = []
    prepare = filter_step.FilterStep._prepare
    monkeypatch.setattr(
        filter_step.FilterStep,
        "_prepare",
        lambda step, shape: (prepared.append(step), prepare(step, shape)),
    )
    for _ in range(3):
        net.infer({"x": numbers(2, 6, 9, 7)}, ["sum"])
    assert len(prepared) == 2
    net.params["b"][1].data[...] = 0.5
    for _ in range(3):
        net.infer({"x": numbers(1, 6, 8, 5)}, ["sum"])
    assert len(prepared) == 3
    view = net.params["b"][1].data  # may be written to, but is not
    for _ in range(3):
        net.infer({"x": numbers(1, 6, 8, 5)}, ["sum"])
    assert len(prepared) == 4 and view is not None


def test_only_values_of_shapes_that_come_often_are_moved(build, monkeypatch):
    net = build(FUSED["sum"])
    moved: list = []
    monkeypatch.setattr(inference_plan, "use_huge_pages", lambda *memory: moved.append(memory))
    monkeypatch.setattr(filter_step, "use_huge_pages", lambda *memory: moved.append(memory))

    def moved_after(height):
        before = len(moved)
        net.infer({"x": numbers(2, 6, height, 7)}, ["sum"])
        return len(moved) - before

    assert [moved_after(height) for height in range(9, 21)] == [0] * 12
    # Two filters, each with its weights and its top.
    expected = [0] * (inference_plan.OFTEN - 1) + [4, 4, 0, 0, 0]
    assert [moved_after(21) for _ in expected] == expected
    net.params["a"][0].data[...] *= 2
    assert [moved_after(21) for _ in expected] == expected


def test_a_net_keeps_few_plans(build):
    net = build(FUSED["conv, norm, scale, bias, relu"])
    for output in (["c"], ["n"], ["c", "n"], ["n", "c"]):
        assert_infers(net, {"x": numbers(2, 6, 9, 7)}, output)
        assert 1 <= len(net._plans) <= inference_plan.PLANS


def test_several_threads_may_use_one_net(build, monkeypatch):
    net = build(FUSED["sum"])
    given = [{"x": numbers(2, 6, 9, 7) * (1 + n)} for n in range(8)]
    expected = [build(FUSED["sum"]).infer(x, ["sum"])["sum"] for x in given]
    prepared = []
    prepare = filter_step.FilterStep._prepare

    def slowly(step, shape):
        prepared.append(step)
        time.sleep(0.05)  # so that the others come meanwhile
        prepare(step, shape)

    monkeypatch.setattr(filter_step.FilterStep, "_prepare", slowly)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda x: net.infer(x, ["sum"])["sum"], given))
    torch.testing.assert_close(results, expected)
    assert len(prepared) == 2 and len(net._plans) == 1


def test_bf16_that_a_filter_rounds_anyway_is_made_at_once(build):
    """The same to the last bit as with a softmax in fp32, which is what is made for an output."""
    text = chain(
        (CONV, "c", "x", "c", 7),
        ('layer { name: "%s" type: "Softmax" bottom: "%s" top: "%s" }\n', "s", "c", "s"),
        (CONV, "ab", "s", "ab", 2),
    )
    net, given = build(text), {"x": numbers(2, 6, 9, 7)}
    caffe.set_precision("bf16")
    alone, both = net.infer(given, ["ab"]), net.infer(given, ["ab", "s"])
    assert torch.equal(alone["ab"], both["ab"])
    assert not torch.equal(both["s"], both["s"].bfloat16().float())

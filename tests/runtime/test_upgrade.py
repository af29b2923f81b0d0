"""Nets and models of old Caffe versions: upgrades, their log, the lines of errors, the tools."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_streams import differences, messages

import caffe
from caffe import binaryproto, log, prototxt, tools, upgrade
from caffe.errors import CaffeError
from caffe.proto import caffe_pb2

TOOLS = sorted((Path(__file__).parents[1] / "golden" / "tools").iterdir())


def net(text):
    return prototxt.parse(text, caffe_pb2.NetParameter)


def upgraded_text(text):
    """The upgraded net as text in one line; the net that was given stays as it was."""
    old = net(text)
    new = upgrade.upgraded(old, "old.prototxt")
    assert old == net(text)
    return " ".join(prototxt.text(new).split())


def refusal(text):
    with pytest.raises(CaffeError) as caught:
        upgrade.upgraded(net(text), "old.prototxt")
    return str(caught.value)


# -- recordings of the genuine tools ---------------------------------------------------------------


def test_recordings_are_there():
    assert len(TOOLS) == 5


@pytest.mark.parametrize("folder", TOOLS, ids=lambda folder: folder.name)
def test_tool_writes_and_says_what_the_genuine_one_does(folder, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("old.prototxt").write_text((folder / "old.prototxt").read_text())
    (recorded,) = json.loads((folder / "case.json").read_text())["runs"]
    assert tools.main(recorded["command"].split()) == recorded["exit_code"]
    assert Path("new.prototxt").read_text() == (folder / "new.prototxt").read_text()
    # The recording names the other tools by where they were.
    expected = (folder / "upgrade.stderr.txt").read_text().replace(" .upgrade_net", " upgrade_net")
    out, err = capfd.readouterr()
    assert out == ""
    assert len(messages(expected)) >= 4
    assert differences(err, expected) == []


# -- V0 --------------------------------------------------------------------------------------------

V0_CASES = {
    "conv": (
        "num_output: 4 biasterm: false weight_filler { std: 0.5 } bias_filler { value: 2 } pad: 1"
        " kernelsize: 3 group: 2 stride: 5 blobs_lr: 1 blobs_lr: 2 weight_decay: 3",
        'type: "Convolution" top: "t" param { lr_mult: 1 decay_mult: 3 } param { lr_mult: 2 }'
        " convolution_param { num_output: 4 bias_term: false pad: 1 kernel_size: 3 group: 2"
        " stride: 5 weight_filler { std: 0.5 } bias_filler { value: 2 } }",
    ),
    "innerproduct": (
        "num_output: 4 biasterm: true weight_filler { max: 2 } bias_filler { min: -1 }",
        'type: "InnerProduct" top: "t" inner_product_param { num_output: 4 bias_term: true'
        " weight_filler { max: 2 } bias_filler { min: -1 } }",
    ),
    "pool": (
        "pool: STOCHASTIC pad: 1 kernelsize: 3 stride: 2",
        'type: "Pooling" top: "t" pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2'
        " pad: 1 }",
    ),
    "lrn": (
        "local_size: 3 alpha: 2 beta: 4 k: 6",
        'type: "LRN" top: "t" lrn_param { local_size: 3 alpha: 2 beta: 4 k: 6 }',
    ),
    "dropout": (
        "dropout_ratio: 0.25",
        'type: "Dropout" top: "t" dropout_param { dropout_ratio: 0.25 }',
    ),
    "concat": ("concat_dim: 2", 'type: "Concat" top: "t" concat_param { concat_dim: 2 }'),
    "data": (
        'source: "db" scale: 0.5 meanfile: "m" batchsize: 7 cropsize: 6 mirror: true rand_skip: 3',
        'type: "Data" top: "t" transform_param { scale: 0.5 mirror: true crop_size: 6'
        ' mean_file: "m" } data_param { source: "db" batch_size: 7 rand_skip: 3 }',
    ),
    "images": (
        'source: "list" batchsize: 2 rand_skip: 3 shuffle_images: true new_height: 4 new_width: 5',
        'type: "ImageData" top: "t" image_data_param { source: "list" batch_size: 2 rand_skip: 3'
        " shuffle: true new_height: 4 new_width: 5 }",
    ),
    "window_data": (
        'source: "w" batchsize: 2 det_fg_threshold: 0.25 det_bg_threshold: 0.75'
        ' det_fg_fraction: 0.125 det_context_pad: 3 det_crop_mode: "square"',
        'type: "WindowData" top: "t" window_data_param { source: "w" batch_size: 2'
        " fg_threshold: 0.25 bg_threshold: 0.75 fg_fraction: 0.125 context_pad: 3"
        ' crop_mode: "square" }',
    ),
    "hdf5_data": (
        'source: "h" batchsize: 2',
        'type: "HDF5Data" top: "t" hdf5_data_param { source: "h" batch_size: 2 }',
    ),
    "hdf5_output": (
        'hdf5_output_param { file_name: "f" }',
        'type: "HDF5Output" top: "t" hdf5_output_param { file_name: "f" }',
    ),
    "infogain_loss": (
        'source: "h"',
        'type: "InfogainLoss" top: "t" infogain_loss_param { source: "h" }',
    ),
    "softmax_loss": ("", 'type: "SoftmaxWithLoss" top: "t"'),
}


@pytest.mark.parametrize("kind", V0_CASES)
def test_v0_fields(kind):
    given, expected = V0_CASES[kind]
    text = f'layers {{ layer {{ name: "x" type: "{kind}" {given} }} top: "t" }}'
    assert upgraded_text(text) == f'layer {{ name: "x" {expected} }}'


def test_every_v0_type_has_a_type_of_today():
    names = caffe_pb2.V1LayerParameter.LayerType.keys()
    assert set(upgrade.V0_TYPES.values()) <= set(names)


def test_padding_becomes_the_pad_of_the_next_layer():
    found = upgraded_text(
        """
        input: "data" input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 6
        layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "wide" }
        layers { layer { name: "a" type: "conv" } bottom: "wide" top: "a" }
        layers { layer { name: "b" type: "pool" } bottom: "wide" top: "b" }
        layers { layer { name: "c" type: "conv" pad: 1 } bottom: "b" top: "wide" }
        layers { layer { name: "d" type: "conv" } bottom: "wide" top: "d" }
        """
    )
    assert found.endswith(
        'layer { name: "a" type: "Convolution" bottom: "data" top: "a"'
        " convolution_param { pad: 2 } }"
        ' layer { name: "b" type: "Pooling" bottom: "data" top: "b" pooling_param { pad: 2 } }'
        ' layer { name: "c" type: "Convolution" bottom: "b" top: "wide"'
        " convolution_param { pad: 1 } }"
        ' layer { name: "d" type: "Convolution" bottom: "wide" top: "d" }'
    )


PADDED = 'input: "x" layers { layer { name: "p" type: "padding" pad: 2 } bottom: "x" top: "y" } '


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            PADDED + 'layers { layer { name: "r" type: "relu" } bottom: "y" top: "z" }',
            'layer "r" (relu): bottom 0 "y" is padded, expected only by conv and pool',
        ),
        (
            PADDED + 'layers { layer { name: "c" type: "conv" } bottom: "x" bottom: "y" }',
            'layer "c" (conv): bottom 1 "y" is padded, expected one blob in and out of both',
        ),
        (
            'layers { layer { name: "c" type: "conv" } bottom: "gone" }',
            'layer "c" (conv): bottom 0 "gone" is made by no layer before it',
        ),
        (
            'layers { layer { name: "r" type: "relu" num_output: 3 } }',
            'layer "r" (relu): has the field "num_output", which no V0 layer of type "relu" has',
        ),
        (
            'layers { layer { name: "p" type: "pool" biasterm: true } }',
            'layer "p" (pool): has the field "biasterm", which no V0 layer of type "pool" has',
        ),
    ],
)
def test_v0_refusals(text, complaint):
    assert refusal(text) == f"old.prototxt: {complaint}"


def test_unknown_v0_type():
    found = refusal('layers { layer { name: "x" type: "convolution" } }')
    start = 'old.prototxt: layer "x" (convolution): unknown V0 layer type "convolution", expected'
    assert found.startswith(f"{start} one of accuracy, bnll, ")


# -- V1 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", caffe_pb2.V1LayerParameter.LayerType.keys())
def test_every_v1_type_is_one_of_today(name):
    found = upgrade.v1_type(name)
    assert found in caffe.layer_type_list() if name != "NONE" else found == ""


def test_v1_fields_that_are_copied_are_the_same_today():
    old, new = (
        {name: (field.type, field.message_type) for name, field in fields.items()}
        for fields in (
            caffe_pb2.V1LayerParameter.DESCRIPTOR.fields_by_name,
            caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name,
        )
    )
    copied = set(old) - {"type", "layer", *upgrade.V1_PARAM_SPECS}
    assert {name: old[name] for name in copied} == {name: new[name] for name in copied}


def test_v1_parameters():
    assert upgraded_text(
        """
        name: "n" debug_info: true state { level: 2 }
        layers {
          name: "a" type: INNER_PRODUCT bottom: "x" top: "y" loss_weight: 0.5
          param: "w" param: "b" blob_share_mode: PERMISSIVE
          blobs_lr: 1 blobs_lr: 2 blobs_lr: 4 weight_decay: 0
          include { phase: TEST } exclude { stage: "s" }
          blobs { num: 1 channels: 1 height: 1 width: 2 data: 3 data: 4 }
        }
        """
    ) == (
        'name: "n" state { level: 2 } debug_info: true'
        ' layer { name: "a" type: "InnerProduct" bottom: "x" top: "y" loss_weight: 0.5'
        ' param { name: "w" share_mode: PERMISSIVE lr_mult: 1 decay_mult: 0 }'
        ' param { name: "b" lr_mult: 2 } param { lr_mult: 4 }'
        " blobs { num: 1 channels: 1 height: 1 width: 2 data: 3 data: 4 }"
        ' include { phase: TEST } exclude { stage: "s" } }'
    )


@pytest.mark.parametrize(
    ("kind", "today", "settings"),
    [
        ("DATA", "Data", "data_param"),
        ("IMAGE_DATA", "ImageData", "image_data_param"),
        ("WINDOW_DATA", "WindowData", "window_data_param"),
    ],
)
def test_transformations_move(kind, today, settings):
    old = 'source: "s" scale: 2 mean_file: "m" crop_size: 3 mirror: false'
    found = upgraded_text(f"layers {{ type: {kind} {settings} {{ {old} }} }}")
    assert found == (
        f'layer {{ type: "{today}" transform_param {{ scale: 2 mirror: false crop_size: 3'
        f' mean_file: "m" }} {settings} {{ source: "s" }} }}'
    )


def test_settings_of_other_layers_stay():
    text = "layers { type: POWER power_param { scale: 2 } data_param { scale: 3 } }"
    assert upgraded_text(text) == (
        'layer { type: "Power" data_param { scale: 3 } power_param { scale: 2 } }'
    )


def test_both_forms_are_refused():
    found = refusal('layers { type: RELU } layer { type: "ReLU" }')
    assert found == "old.prototxt: has both layer and the old layers, expected layer alone"


# -- inputs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (
            'input: "a" input: "b" input_shape { dim: 2 }',
            "gives input_shape 1 time(s), expected 2: 1 for each of the 2 input(s)",
        ),
        (
            'input: "a" input: "b" input_dim: [1, 2, 3, 4, 5]',
            "gives input_dim 5 time(s), expected 8: 4 for each of the 2 input(s)",
        ),
    ],
)
def test_wrong_counts_of_shapes(fields, complaint):
    assert refusal(fields) == f"old.prototxt: {complaint}"


def test_shapes_go_before_dims():
    text = 'input: "a" input_shape { dim: 2 dim: 3 } input_dim: 1 layer { name: "x" bottom: "a" }'
    assert upgraded_text(text) == (
        'layer { name: "input" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 } } }'
        ' layer { name: "x" bottom: "a" }'
    )


def test_inputs_without_shapes_make_no_layer():
    assert upgraded_text('name: "n" input: "a" layer { name: "x" }') == (
        'name: "n" layer { name: "x" }'
    )


# -- BatchNorm, nothing to do ----------------------------------------------------------------------


def test_rates_of_batch_norm_become_zero():
    three = 'param { name: "m" lr_mult: 1 } param { decay_mult: 2 } param { }'
    found = upgraded_text(
        f'layer {{ type: "BatchNorm" {three} }} layer {{ type: "BatchNorm" param {{ }} }}'
        f' layer {{ type: "Scale" {three} }}'
    )
    assert found == (
        'layer { type: "BatchNorm" param { name: "m" lr_mult: 0 decay_mult: 0 }'
        " param { lr_mult: 0 decay_mult: 0 } param { lr_mult: 0 decay_mult: 0 } }"
        ' layer { type: "BatchNorm" param { } } '
        f'layer {{ type: "Scale" {three} }}'
    )


def test_a_net_of_today_is_left_alone(capfd):
    log.init_log(0)
    today = net('name: "n" layer { name: "d" type: "Data" data_param { source: "s" } }')
    assert not upgrade.needs_upgrade(today)
    new, indices = upgrade.upgrade_net(today, "new.prototxt")
    assert new is today
    assert indices == [0]
    assert capfd.readouterr().err == ""


# -- nets and models -------------------------------------------------------------------------------

OLD_NET = """# a net of 2013
name: "old"

input: "data"
input_dim: 2 input_dim: 3 input_dim: 4 input_dim: 5

layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "wide" }
layers { layer { name: "unused" type: "relu" } bottom: "data" top: "unused" }
layers {
  layer { name: "conv" type: "conv" num_output: 2 kernelsize: KERNEL }
  bottom: "wide" top: "conv"
}
"""


@pytest.fixture
def load(tmp_path):
    def load(text, **options):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return caffe.Net(str(path), caffe.TEST, **options)

    return load


def test_errors_name_the_line_of_an_old_layer(load, tmp_path):
    with pytest.raises(CaffeError) as caught:
        load(OLD_NET.replace("KERNEL", "9"))
    start = f'{tmp_path / "net.prototxt"}:9: layer "conv" (Convolution): '
    assert str(caught.value).startswith(start)


def test_errors_of_the_upgrade_name_the_line(load, tmp_path):
    with pytest.raises(CaffeError) as caught:
        load(OLD_NET.replace("kernelsize: KERNEL", "alpha: 3"))
    assert str(caught.value) == (
        f'{tmp_path / "net.prototxt"}:9: layer "conv" (conv): '
        'has the field "alpha", which no V0 layer of type "conv" has'
    )


def test_errors_of_a_net_without_a_file_name_the_layer():
    param = net('layers { name: "c" type: POOLING bottom: "x" top: "y" }')
    param.state.phase = caffe.TEST
    with pytest.raises(CaffeError) as caught:
        caffe.Net.from_param(param, "here")
    assert str(caught.value) == (
        'here: layer "c" (Pooling): bottom 0 "x" is made by no layer before it'
    )


def old_model(version):
    """A model of V0 or V1 layers with a weight, 2x3x1x1, and a bias, and these as arrays."""
    weight = np.random.default_rng(7).normal(size=(2, 3, 1, 1)).astype(np.float32)
    bias = np.float32([[[[5, 6]]]])
    param = net('name: "m" input: "data"')
    layer = param.layers.add(bottom=["data"], top=["c"])
    if version == 0:
        layer.layer.name, layer.layer.type, owner = "c", "conv", layer.layer
    else:
        layer.name, layer.type, owner = "c", caffe_pb2.V1LayerParameter.CONVOLUTION, layer
    for array in (weight, bias):
        num, channels, height, width = array.shape
        owner.blobs.add(
            num=num, channels=channels, height=height, width=width, data=array.ravel().tolist()
        )
    return param, weight, bias.ravel()


@pytest.mark.parametrize("version", [0, 1])
def test_old_models_give_their_weights(load, tmp_path, version):
    model, weight, bias = old_model(version)
    path = str(tmp_path / "old.caffemodel")
    binaryproto.write(path, model)
    found = load(
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 3 dim: 4'
        ' dim: 5 } } } layer { name: "c" type: "Convolution" bottom: "d" top: "c"'
        " convolution_param { num_output: 2 kernel_size: 1 } }",
        weights=path,
    )
    np.testing.assert_array_equal(found.params["c"][0].data, weight)
    np.testing.assert_array_equal(found.params["c"][1].data, bias)


def test_a_model_that_cannot_be_upgraded(load, tmp_path):
    model, _, _ = old_model(0)
    model.layers[0].layer.type = "cnn"
    path = str(tmp_path / "old.caffemodel")
    binaryproto.write(path, model)
    with pytest.raises(CaffeError) as caught:
        load('layer { type: "Input" top: "d" input_param { shape { dim: 1 } } }', weights=path)
    assert str(caught.value).startswith(f'{path}: layer "c" (cnn): unknown V0 layer type "cnn"')


@pytest.mark.parametrize("version", [0, 1])
def test_a_model_whose_names_are_not_utf8(tmp_path, version):
    model, _, _ = old_model(version)
    model.layers[0].top[0] = "fc7"
    path = tmp_path / "old.caffemodel"
    data = model.SerializeToString()
    path.write_bytes(data.replace(b"fc7", b"f\xff7"))
    complaint = rf"{path}: 'f\xff7' is not UTF-8, expected UTF-8 text"
    with pytest.raises(CaffeError) as caught:
        upgrade.upgraded(binaryproto.read_net(path), str(path))
    assert str(caught.value) == complaint


# -- the tools -------------------------------------------------------------------------------------


@pytest.fixture
def tool(tmp_path, monkeypatch, capfd):
    """Run a tool in an empty folder: its exit code and the messages of its log."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(log.LEVEL_VARIABLE, raising=False)

    def run(*arguments):
        code = tools.main(list(arguments))
        return code, [(m.severity, m.place, m.text) for m in messages(capfd.readouterr().err)]

    return run


def test_binary_tool(tool):
    model, weight, _ = old_model(1)
    binaryproto.write("old.caffemodel", model)
    name = "upgrade_net_proto_binary"
    code, said = tool(name, "old.caffemodel", "new.caffemodel")
    assert code == 0
    written = "Wrote upgraded NetParameter binary proto to new.caffemodel"
    assert said[-1] == ("I", f"{name}.cpp:49", written)
    (layer,) = binaryproto.read_net("new.caffemodel").layer
    assert (layer.name, layer.type) == ("c", "Convolution")
    np.testing.assert_array_equal(binaryproto.blob_to_array(layer.blobs[0]), weight)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("upgrade_net_proto_text", 'name: "n"\n', "NetParameter"),
        ("upgrade_solver_proto_text", 'net: "n"\ntype: "Adam"\n', "SolverParameter"),
    ],
)
def test_what_is_of_today_is_written_as_it_is(tool, name, text, message):
    Path("in.prototxt").write_text(text)
    code, said = tool(name, "in.prototxt", "out.prototxt")
    assert (code, Path("out.prototxt").read_text()) == (0, text)
    assert said == [
        ("E", f"{name}.cpp:43", "File already in latest proto format: in.prototxt"),
        ("I", f"{name}.cpp:49", f"Wrote upgraded {message} text proto to out.prototxt"),
    ]


def test_tool_that_cannot_read(tool):
    code, said = tool("upgrade_net_proto_text", "gone.prototxt", "out.prototxt")
    expected = "gone.prototxt: no such file, expected a prototxt file"
    assert (code, said) == (2, [("E", "upgrade_net_proto_text.cpp:30", expected)])
    assert os.listdir() == []


def test_tool_that_cannot_upgrade(tool):
    Path("in.prototxt").write_text('input: "a" input_dim: 3')
    code, said = tool("upgrade_net_proto_text", "in.prototxt", "out.prototxt")
    assert code == 1
    assert [m for m in said if m[0] == "E"] == [
        (
            "E",
            "upgrade_net_proto_text.cpp:39",
            "in.prototxt: gives input_dim 1 time(s), expected 4: 4 for each of the 1 input(s)",
        )
    ]
    assert os.listdir() == ["in.prototxt"]


def test_wrong_calls_show_usage(tool, capfd):
    code, said = tool("upgrade_net_proto_text", "in.prototxt")
    usage = "Usage: upgrade_net_proto_text IN OUT"
    assert (code, said) == (1, [("E", "upgrade_net_proto_text.cpp:22", usage)])
    for arguments in ([], ["upgrade"]):
        assert tools.main(arguments) == 1
        assert capfd.readouterr().out == (
            "usage: python -m caffe.tools TOOL ARGUMENTS; tools: upgrade_net_proto_binary, "
            "upgrade_net_proto_text, upgrade_solver_proto_text\n"
        )


def test_tools_run_as_a_module(tmp_path):
    (tmp_path / "old.prototxt").write_text('layers { name: "r" type: RELU }')
    command = [sys.executable, "-m", "caffe.tools", "upgrade_net_proto_text"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(
        [*command, "old.prototxt", "new.prototxt"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
    )
    written = (tmp_path / "new.prototxt").read_text()
    assert written == 'layer {\n  name: "r"\n  type: "ReLU"\n}\n'

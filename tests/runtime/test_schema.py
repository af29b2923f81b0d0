"""The table of messages against what genuine Caffe wrote and against its documented defaults."""

import copy
import pickle
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool, text_format

from caffe import schema
from caffe.proto import caffe_pb2

RECORDED = Path(__file__).parent / "messages" / "recorded"
BINARIES = [
    ("mixed.caffemodel", caffe_pb2.NetParameter),
    ("pooling.caffemodel", caffe_pb2.NetParameter),
    ("v1.caffemodel", caffe_pb2.NetParameter),
    ("diffs.caffemodel", caffe_pb2.NetParameter),
    ("sgd.solverstate", caffe_pb2.SolverState),
    ("mean.binaryproto", caffe_pb2.BlobProto),
]


@pytest.mark.parametrize(("name", "message_class"), BINARIES)
def test_recorded_binaries_are_known_to_the_last_byte(name, message_class):
    data = (RECORDED / name).read_bytes()
    message = message_class()
    message.ParseFromString(data)
    assert message.SerializeToString() == data
    message.DiscardUnknownFields()
    assert message.SerializeToString() == data


def test_fields_of_a_recorded_model():
    net = caffe_pb2.NetParameter()
    net.ParseFromString((RECORDED / "mixed.caffemodel").read_bytes())
    layers = {layer.name: layer for layer in net.layer}
    assert (layers["act1"].clip_param.min, layers["act1"].clip_param.max) == (-1, 2)
    assert list(layers["res4"].eltwise_param.coeff) == [1, -0.5]
    assert list(layers["cr6"].crop_param.offset) == [2, 1]
    assert all(layer.phase == caffe_pb2.TRAIN for layer in net.layer)


def test_rounding_of_a_recorded_pooling():
    net = caffe_pb2.NetParameter()
    net.ParseFromString((RECORDED / "pooling.caffemodel").read_bytes())
    modes = [layer.pooling_param.round_mode for layer in net.layer if layer.type == "Pooling"]
    assert caffe_pb2.PoolingParameter.FLOOR in modes


def test_fields_of_a_recorded_legacy_model():
    net = caffe_pb2.NetParameter()
    net.ParseFromString((RECORDED / "v1.caffemodel").read_bytes())
    types = [caffe_pb2.V1LayerParameter.LayerType.Name(layer.type) for layer in net.layers]
    assert "CONVOLUTION" in types
    assert not net.layer


def test_fields_of_a_recorded_solver_state():
    state = caffe_pb2.SolverState()
    state.ParseFromString((RECORDED / "sgd.solverstate").read_bytes())
    assert (state.iter, state.learned_net) == (4, "snap_iter_4.caffemodel")
    assert [list(blob.shape.dim) for blob in state.history] == [[3, 2, 3, 3], [3], [3, 27], [3]]


# Bytes worked out by hand: (number << 3 | wire type), then the value.
WIRE = [
    ("LayerParameter", "swish_param { beta: 2 }", "9a 09 05 0d 00 00 00 40"),
    ("LayerParameter", "clip_param { min: 0 max: 2 }", "a2 09 0a 0d 00000000 15 00000040"),
    ("LayerParameter", "propagate_down: true propagate_down: false", "58 01 58 00"),
    ("LayerParameter", "loss_weight: 2", "2d 00000040"),
    (
        "BlobProto",
        "data: 1 data: 2 shape { dim: 1 dim: 300 }",
        "2a 08 0000803f 00000040 3a 05 0a03 01ac02",
    ),
    ("SolverParameter", 'layer_wise_reduce: false weights: "w"', "c8 02 00 d2 02 01 77"),
    ("SolverParameter", "random_seed: -1", "a0 01 ffffffffffffffffff 01"),
    ("SolverState", 'iter: 5 current_step: 2 stream_state: "s"', "08 05 20 02 c2 3e 01 73"),
    ("V1LayerParameter", 'type: RELU param: "p"', "28 12 ca 3e 01 70"),
    ("Datum", "channels: 3 float_data: 2 encoded: true", "08 03 35 00000040 38 01"),
]


@pytest.mark.parametrize(("message", "text", "data"), WIRE)
def test_wire_form(message, text, data):
    parsed = text_format.Parse(text, schema.MESSAGES[message]())
    assert parsed.SerializeToString() == bytes.fromhex(data)


DEFAULTS = [
    ("BatchNormParameter", "moving_average_fraction", 0.999),
    ("BatchNormParameter", "eps", 1e-5),
    ("ConcatParameter", "axis", 1),
    ("ConvolutionParameter", "bias_term", True),
    ("ConvolutionParameter", "group", 1),
    ("CropParameter", "axis", 2),
    ("DataParameter", "prefetch", 4),
    ("DropoutParameter", "dropout_ratio", 0.5),
    ("EltwiseParameter", "operation", caffe_pb2.EltwiseParameter.SUM),
    ("ExpParameter", "base", -1),
    ("FillerParameter", "type", "constant"),
    ("FillerParameter", "max", 1),
    ("FillerParameter", "sparse", -1),
    ("HingeLossParameter", "norm", caffe_pb2.HingeLossParameter.L1),
    ("InfogainLossParameter", "axis", 1),
    ("LossParameter", "normalization", caffe_pb2.LossParameter.VALID),
    ("LRNParameter", "local_size", 5),
    ("LRNParameter", "beta", 0.75),
    ("MVNParameter", "eps", 1e-9),
    ("NetState", "phase", caffe_pb2.TEST),
    ("ParamSpec", "decay_mult", 1),
    ("PoolingParameter", "round_mode", caffe_pb2.PoolingParameter.CEIL),
    ("PythonParameter", "param_str", ""),
    ("ReductionParameter", "operation", caffe_pb2.ReductionParameter.SUM),
    ("ReshapeParameter", "num_axes", -1),
    ("SolverParameter", "clip_gradients", -1),
    ("SolverParameter", "delta", 1e-8),
    ("SolverParameter", "momentum2", 0.999),
    ("SolverParameter", "snapshot_format", caffe_pb2.SolverParameter.BINARYPROTO),
    ("SolverParameter", "solver_mode", caffe_pb2.SolverParameter.GPU),
    ("SolverParameter", "type", "SGD"),
    ("WindowDataParameter", "crop_mode", "warp"),
]


@pytest.mark.parametrize(("message", "field", "value"), DEFAULTS)
def test_default(message, field, value):
    default = getattr(schema.MESSAGES[message](), field)
    assert default == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6))
    assert schema.MESSAGES[message].DESCRIPTOR.fields_by_name[field].has_default_value


def test_only_data_of_blobs_and_shapes_is_packed():
    packed = {
        f"{message.name}.{field.name}"
        for message in schema.file_descriptor_proto().message_type
        for field in message.field
        if field.options.packed
    }
    blob = {f"BlobProto.{name}" for name in ("data", "diff", "double_data", "double_diff")}
    assert packed == blob | {"BlobShape.dim"}


def test_module_is_as_generated():
    assert (caffe_pb2.TRAIN, caffe_pb2.TEST) == (0, 1)
    assert caffe_pb2.Phase.Name(1) == "TEST"
    assert caffe_pb2.Phase.Value("TEST") == 1
    assert caffe_pb2.PoolingParameter.STOCHASTIC == 2
    assert caffe_pb2.PoolingParameter.PoolMethod.keys() == ["MAX", "AVE", "STOCHASTIC"]
    assert caffe_pb2.V1LayerParameter.LayerType.Value("DECONVOLUTION") == 39
    assert caffe_pb2.DESCRIPTOR.package == "caffe"
    assert caffe_pb2.NetParameter.DESCRIPTOR.full_name == "caffe.NetParameter"


def test_messages_are_copied_and_pickled():
    layer = caffe_pb2.LayerParameter(name="conv", loss_weight=[1, 0.5])
    assert copy.deepcopy(layer) == layer
    assert pickle.loads(pickle.dumps(layer)) == layer


def test_str_prints_numbers_as_pycaffe_does():
    assert str(caffe_pb2.ParamSpec(lr_mult=1, decay_mult=0.5)) == "lr_mult: 1.0\ndecay_mult: 0.5\n"


def test_default_pool_is_left_to_a_genuine_caffe_pb2():
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter")


def test_required_and_repeated_labels():
    with pytest.raises(ValueError):
        schema.MESSAGES["EltwiseParameter"](operation=9)
    assert not caffe_pb2.ClipParameter(min=0).IsInitialized()
    fields = caffe_pb2.ConvolutionParameter.DESCRIPTOR.fields_by_name
    assert schema.is_repeated(fields["kernel_size"])
    assert not schema.is_repeated(fields["kernel_h"])

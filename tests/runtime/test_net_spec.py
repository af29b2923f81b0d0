"""NetSpec against the nets that genuine pycaffe made of the same statements."""

import copy
from pathlib import Path

import pytest

from caffe import TEST, NetSpec, net_spec, to_proto
from caffe import layers as L
from caffe import params as P
from caffe.proto import caffe_pb2

RECORDED = Path(__file__).parent / "messages" / "recorded"


def recorded(name):
    return (RECORDED / f"{name}.prototxt").read_text()


def test_named_net():
    n = NetSpec()
    transform = dict(scale=1.0 / 256, crop_size=9)
    n.data, n.label = L.Data(
        batch_size=4, backend=P.Data.LMDB, source="db", transform_param=transform, ntop=2
    )
    n.conv1 = L.Convolution(
        n.data,
        kernel_size=5,
        num_output=20,
        stride=1,
        weight_filler=dict(type="xavier"),
        param=[dict(lr_mult=1), dict(lr_mult=2, decay_mult=0)],
    )
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    filler = dict(type="msra", variance_norm=P.Filler.FAN_IN)
    n.ip1 = L.InnerProduct(n.pool1, num_output=50, weight_filler=filler)
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    up = dict(num_output=2, kernel_size=[4], stride=2, pad=1, bias_term=False)
    n.up = L.Deconvolution(n.conv1, convolution_param=up)
    n.cc = L.Concat(n.pool1, n.up, axis=1)
    n.a, n.b = L.Slice(n.cc, ntop=2, slice_point=[3])
    n.bn = L.BatchNorm(n.a, use_global_stats=True, in_place=True)
    n.acc = L.Accuracy(n.relu1, n.label, include=dict(phase=TEST), top_k=1)
    loss = dict(ignore_label=255, normalization=P.Loss.VALID)
    n["loss-x"] = L.SoftmaxWithLoss(n.relu1, n.label, loss_weight=1, loss_param=loss)
    n.silence = L.Silence(n.b, ntop=0)
    assert str(n.to_proto()) == recorded("spec_named")
    names = "data label conv1 pool1 ip1 relu1 up cc a b bn acc loss-x silence"
    assert list(n.tops) == names.split()


def test_automatic_names():
    data = L.Input(shape=[dict(dim=[1, 3, 8, 8])])
    conv = L.Convolution(data, num_output=4, kernel_size=3)
    relu = L.ReLU(conv, in_place=True)
    one, two = L.Split(relu, ntop=2)
    ip = L.InnerProduct(one, num_output=3)
    ip2 = L.InnerProduct(two, num_output=3, name="named")
    assert str(to_proto(ip, ip2)) == recorded("spec_automatic")
    assert [layer.name for layer in ip.to_proto().layer][-1] == "InnerProduct1"
    assert (conv.fn.type_name, conv.n) == ("Convolution", 0)
    assert ip2.fn.params == {"num_output": 3, "name": "named"}


def test_python_layer():
    data = L.Input(shape=[dict(dim=[1, 3, 8, 8])])
    python = L.Python(data, module="m", layer="Lay", param_str=str(dict(k=1)), ntop=1)
    assert str(python.to_proto()) == recorded("spec_python")


def test_top_made_before_the_net():
    n = NetSpec()
    n.x = L.Input(shape=[dict(dim=[1, 3, 8, 8])])
    n.y = L.Power(n.x, scale=2, power=1, shift=0)
    n.z = L.Eltwise(n.x, n.y, operation=P.Eltwise.PROD, coeff=[1, -1])
    assert str(n.to_proto()) == recorded("spec_eltwise")


def test_two_thousand_layers_in_a_row():
    top = L.Input(shape=dict(dim=[2, 3]))
    for _ in range(2000):
        top = L.Power(top, shift=1)
    net = to_proto(top)
    assert net.layer[-1].name == "Power2000"
    assert list(net.layer[-1].bottom) == ["Power1999"]


def test_bottom_that_is_no_top():
    with pytest.raises(TypeError) as error:
        L.ReLU("text")
    assert str(error.value) == "ReLU input 0 is not a Top (type is <class 'str'>)"


def test_unknown_field():
    data = L.Input(shape=dict(dim=[2, 3]))
    with pytest.raises(AttributeError) as error:
        L.Convolution(data, colour=3).to_proto()
    where = "convolution_param or a LayerParameter"
    message = f'Convolution layer "Convolution1": no field "colour" in {where}'
    assert str(error.value) == message


def test_unknown_field_inside_settings():
    with pytest.raises(AttributeError) as error:
        L.Input(shape=dict(dims=[2, 3])).to_proto()
    assert str(error.value) == 'no field "dims" in BlobShape'


def test_index_past_the_tops():
    with pytest.raises(IndexError):
        L.Slice(L.Input(), ntop=2)[5]


def test_spec_without_the_top():
    n = NetSpec()
    with pytest.raises(AttributeError, match='the net has no top "conv"'):
        n.conv  # noqa: B018
    with pytest.raises(KeyError):
        n["conv"]


def test_tops_are_replaced_and_removed():
    n = NetSpec()
    n.x = L.Input(shape=dict(dim=[2, 3]))
    n.y = L.Power(n.x)
    n.y = L.Power(n.y, scale=2)
    assert "y" in n
    assert [layer.name for layer in n.to_proto().layer] == ["x", "Power1", "y"]
    del n.y
    assert [layer.name for layer in n.to_proto().layer] == ["x"]
    del n["x"]
    assert not n.to_proto().layer


def test_spec_is_copied():
    n = NetSpec()
    n.x = L.Input(shape=dict(dim=[2, 3]))
    assert copy.deepcopy(n).to_proto() == n.to_proto()


def test_param_name_dict():
    names = net_spec.param_name_dict()
    assert (names["InnerProduct"], names["HDF5Data"], names["ReLU"]) == (
        "inner_product",
        "hdf5_data",
        "relu",
    )
    assert len(names) == sum(
        field.name.endswith("_param") for field in caffe_pb2.LayerParameter.DESCRIPTOR.fields
    )


def test_assign_proto():
    layer = caffe_pb2.LayerParameter()
    net_spec.assign_proto(layer, "top", ["a", "b"])
    net_spec.assign_proto(layer, "loss_weight", 0.5)
    net_spec.assign_proto(layer, "include", dict(phase=TEST, stage=("x", "y")))
    net_spec.assign_proto(layer, "pooling_param", dict(kernel_size=2))
    assert layer == caffe_pb2.LayerParameter(
        top=["a", "b"],
        loss_weight=[0.5],
        include=[caffe_pb2.NetStateRule(phase=TEST, stage=["x", "y"])],
        pooling_param=caffe_pb2.PoolingParameter(kernel_size=2),
    )


def test_enum_values_of_params():
    values = [P.Pooling.MAX, P.Pooling.AVE, P.Data.LMDB, P.LRN.WITHIN_CHANNEL]
    assert values == [0, 1, 1, 1]
    with pytest.raises(AttributeError):
        P.Colour  # noqa: B018

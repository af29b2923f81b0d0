"""For any parameters: declared shapes are computed ones, files give back what they got."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from single_layer import build

import caffe
from caffe import prototxt
from caffe.errors import CaffeError
from caffe.proto import caffe_pb2
from caffe.schema import is_repeated

OFTEN = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def few(most=3, least=1):
    return st.integers(least, most)


def plane(draw, axes=4, most=9):
    """A shape whose channels are an even number, to divide by groups."""
    return (draw(few(3)), 2 * draw(few(3)), *(draw(few(most)) for _ in range(axes - 2)))


def window(draw, axes=1):
    """Fields of a kernel with stride, pad and dilation, once or once per axis."""
    fields = {"kernel_size": few(4), "stride": few(3), "pad": few(2, 0), "dilation": few(3)}
    return " ".join(f"{n}: {draw(v)}" for n, v in fields.items() for _ in range(axes))


def convolution(draw):
    axes = draw(few(3))
    text = window(draw, draw(st.sampled_from([1, axes])))
    text += f" num_output: {2 * draw(few(3))} group: {draw(few(2))}"
    return f"convolution_param {{ {text} }}", [plane(draw, 2 + axes)], 1


def pooling(draw):
    fields = {"kernel_size": few(4), "stride": few(5), "pad": few(2, 0)}
    text = " ".join(f"{name}: {draw(values)}" for name, values in fields.items())
    pool, mode = draw(st.sampled_from(["MAX", "AVE"])), draw(st.sampled_from(["CEIL", "FLOOR"]))
    return f"pooling_param {{ {text} pool: {pool} round_mode: {mode} }}", [plane(draw)], 1


def pyramid(draw):
    return f"spp_param {{ pyramid_height: {draw(few(4))} }}", [plane(draw)], 1


def inner_product(draw):
    text = f"num_output: {draw(few(5))} axis: {draw(few(3, -3))} transpose: {draw(TRUTH)}"
    return f"inner_product_param {{ {text} }}", [plane(draw, draw(few(5)) + 1)], 1


def reshape(draw):
    dims = " ".join(f"dim: {draw(few(6, -1))}" for _ in range(draw(few(4))))
    text = f"shape {{ {dims} }} axis: {draw(few(2, -3))} num_axes: {draw(few(3, -1))}"
    return f"reshape_param {{ {text} }}", [plane(draw, most=4)], 1


def flatten(draw):
    text = f"axis: {draw(few(3, -3))} end_axis: {draw(few(3, -3))}"
    return f"flatten_param {{ {text} }}", [plane(draw)], 1


def slicing(draw):
    points = " ".join(f"slice_point: {point}" for point in draw(st.lists(few(6), max_size=2)))
    tops = draw(few(3)) if not points else points.count(":") + 1
    return f"slice_param {{ axis: {draw(few(3, -3))} {points} }}", [plane(draw)], tops


def concat(draw):
    axis, shape = draw(few(3, -4)), plane(draw)
    shapes = [list(shape) for _ in range(draw(few(3)))]
    for other in shapes[1:]:
        other[axis] = draw(few(4))
    return f"concat_param {{ axis: {axis} }}", [tuple(s) for s in shapes], 1


def crop(draw):
    text = f"axis: {draw(few(3, -3))} " + " ".join(
        f"offset: {o}" for o in draw(st.lists(few(2, 0), max_size=4))
    )
    return f"crop_param {{ {text} }}", [plane(draw), plane(draw, most=6)], 1


def tile(draw):
    return f"tile_param {{ axis: {draw(few(3, -3))} tiles: {draw(few(4))} }}", [plane(draw)], 1


def reduction(draw):
    operation = draw(st.sampled_from(["SUM", "ASUM", "SUMSQ", "MEAN"]))
    return (
        f"reduction_param {{ axis: {draw(few(3, -4))} operation: {operation} }}",
        [plane(draw)],
        1,
    )


def arg_max(draw):
    axis = draw(st.sampled_from(["", *(f"axis: {i}" for i in range(-3, 4))]))
    text = f"top_k: {draw(few(3))} out_max_val: {draw(TRUTH)} {axis}"
    return f"argmax_param {{ {text} }}", [plane(draw)], 1


def recurrent(draw):
    steps, streams = draw(few(4)), draw(few(3))
    shapes = [(steps, streams, draw(few(3))), (steps, streams)]
    shapes += [(streams, draw(few(4)))] if draw(st.booleans()) else []
    return f"recurrent_param {{ num_output: {draw(few(4))} }}", shapes, 1


TRUTH = st.sampled_from(["true", "false"])
MAKERS = {
    "ArgMax": arg_max,
    "Concat": concat,
    "Convolution": convolution,
    "Crop": crop,
    "Deconvolution": convolution,
    "Flatten": flatten,
    "Im2col": convolution,
    "InnerProduct": inner_product,
    "LSTM": recurrent,
    "Pooling": pooling,
    "RNN": recurrent,
    "Reduction": reduction,
    "Reshape": reshape,
    "SPP": pyramid,
    "Slice": slicing,
    "Tile": tile,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_declared_shapes_are_computed(kind):
    built = []

    @OFTEN
    @given(st.data())
    def check(data):
        text, shapes, tops = MAKERS[kind](data.draw)
        try:
            layer, declared = build(f'type: "{kind}" {text}', *shapes, tops=tops)
        except CaffeError as error:
            assert str(error).isprintable()
            assume(False)
        blobs = tuple(blob.data_tensor() for blob in layer.blobs)
        computed = layer.forward(tuple(torch.zeros(shape) for shape in shapes), blobs)
        assert [tuple(y.shape) for y in computed] == [tuple(shape) for shape in declared]
        built.append(declared)

    check()
    assert len(built) >= 30


# -- messages --------------------------------------------------------------------------------------

SCALARS = {
    "TYPE_BOOL": st.booleans(),
    "TYPE_BYTES": st.binary(max_size=9),
    "TYPE_DOUBLE": st.floats(allow_nan=False),
    "TYPE_FLOAT": st.floats(-(2.0**127), 2.0**127, width=32),
    "TYPE_INT32": st.integers(-(2**31), 2**31 - 1),
    "TYPE_INT64": st.integers(-(2**63), 2**63 - 1),
    "TYPE_STRING": st.text(st.characters(codec="utf-8"), max_size=9),
    "TYPE_UINT32": st.integers(0, 2**32 - 1),
}


def scalar(field):
    """Values of a field that is no message."""
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    types = {getattr(field, name): values for name, values in SCALARS.items()}
    return types[field.type]


def fill_message(draw, message, depth):
    """Sets some fields, and those that are required."""
    fields = list(message.DESCRIPTOR.fields)
    required = fields if message.DESCRIPTOR.name == "ClipParameter" else []
    for field in required + draw(st.lists(st.sampled_from(fields), max_size=3, unique=True)):
        count = draw(few(2)) if is_repeated(field) else 1
        if field.message_type is not None:
            if depth == 0:
                continue
            for _ in range(count):
                value = getattr(message, field.name)
                value = value.add() if is_repeated(field) else value
                value.SetInParent()
                fill_message(draw, value, depth - 1)
        elif is_repeated(field):
            getattr(message, field.name).extend(draw(scalar(field)) for _ in range(count))
        else:
            setattr(message, field.name, draw(scalar(field)))


@pytest.mark.parametrize("name", ["NetParameter", "SolverParameter", "LayerParameter"])
def test_any_message_travels_as_text_and_as_bytes(name):
    message_class = getattr(caffe_pb2, name)

    @OFTEN
    @given(st.data())
    def check(data):
        message = message_class()
        fill_message(data.draw, message, 3)
        assert prototxt.parse(prototxt.text(message), message_class) == message
        assert message_class.FromString(message.SerializeToString()) == message

    check()


# -- models ----------------------------------------------------------------------------------------

NET = """
layer {{ name: "x" type: "Input" top: "x"
  input_param {{ shape {{ dim: 2 dim: {channels} dim: 3 }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param {{
  num_output: {units} bias_term: {bias} transpose: {transpose} }} }}
layer {{ name: "{name}" type: "Scale" bottom: "ip" top: "y" scale_param {{ bias_term: true }} }}
"""


@pytest.mark.parametrize("suffix", ["caffemodel", "caffemodel.h5"])
def test_any_model_is_read_as_it_was_written(suffix, tmp_path):
    @OFTEN
    @given(
        channels=few(4),
        units=few(5),
        bias=TRUTH,
        transpose=TRUTH,
        name=st.sampled_from(["s", "a/b", "é", "a b"]),
        bits=st.randoms(use_true_random=False),
    )
    def check(bits, **fields):
        (tmp_path / "net.prototxt").write_text(NET.format(**fields), "utf-8")
        nets = [caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST) for _ in range(2)]
        for blobs in nets[0].params.values():
            for blob in blobs:  # any 32 bits: infinities, nan and denormal numbers too
                values = [bits.getrandbits(32) for _ in range(blob.count)]
                blob.data[...] = np.array(values, np.uint32).view("f4").reshape(blob.shape)
        path = str(tmp_path / f"model.{suffix}")
        (nets[0].save_hdf5 if suffix.endswith("h5") else nets[0].save)(path)
        nets[1].copy_from(path)
        for layer, blobs in nets[0].params.items():
            for blob, copy in zip(blobs, nets[1].params[layer], strict=True):
                assert blob.data.tobytes() == copy.data.tobytes()

    check()


@OFTEN
@given(shape=st.lists(st.integers(0, 4), max_size=5), seed=few(99))
def test_any_array_travels_as_a_blob(shape, seed):
    array = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    found = caffe.io.blobproto_to_array(caffe.io.array_to_blobproto(array))
    np.testing.assert_array_equal(found, array)
    assert found.shape == array.shape

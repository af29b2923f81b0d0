"""What holds for every layer type: declared shapes, exact gradients, untouched bottoms, bf16."""

import numpy as np
import pytest
import torch
from single_layer import build, distinct, normal, randomise

from caffe.net_building import REGISTRY  # with Python
from caffe.ops import data
from caffe.proto.caffe_pb2 import TEST, TRAIN

PLANE = (2, 3, 6, 5)


def values(*shape):
    return distinct(*shape)


def positive(*shape):
    return abs(distinct(*shape)) + 0.1


def shares(*shape):
    found = positive(*shape)
    return found / found.sum(1, keepdims=True)


def labels(count):
    return lambda *shape: np.random.default_rng(2).integers(0, count, shape)


def started(*shape):
    """Continuation marks of sequences that all begin at the first step."""
    marks = np.random.default_rng(4).integers(0, 2, shape)
    marks[0] = 0
    return marks


def ones(*shape):
    return np.ones(shape)


# type, parameters, (shape, values) of each bottom, number of tops
CASES = [
    ("AbsVal", "", [(PLANE, values)], 1),
    ("Accuracy", "accuracy_param { top_k: 2 }", [((4, 5, 3), values), ((4, 3), labels(5))], 2),
    ("ArgMax", "argmax_param { top_k: 2 out_max_val: true }", [((4, 3, 5), values)], 1),
    ("ArgMax", "argmax_param { top_k: 2 axis: 1 }", [((4, 3, 5), values)], 1),
    ("BNLL", "", [(PLANE, values)], 1),
    ("BatchNorm", "batch_norm_param { eps: 0.01 }", [(PLANE, values)], 1),
    ("BatchNorm", "batch_norm_param { use_global_stats: true }", [((4, 3), values)], 1),
    ("BatchReindex", "", [((4, 3, 2), values), ((5,), labels(4))], 1),
    ("Bias", "bias_param { axis: 1 num_axes: 2 }", [(PLANE, values)], 1),
    ("Bias", "", [(PLANE, values), ((3, 6), values)], 1),
    ("Clip", "clip_param { min: -1.001 max: 0.502 }", [(PLANE, values)], 1),
    ("Concat", "concat_param { axis: -1 }", [((2, 3, 4), values), ((2, 3, 5), values)], 1),
    (
        "ContrastiveLoss",
        "contrastive_loss_param { margin: 3 }",
        [((4, 3), values), ((4, 3), normal), ((4,), labels(2))],
        1,
    ),
    (
        "Convolution",
        "convolution_param { num_output: 6 kernel_h: 3 kernel_w: 2 pad: 1 stride: 2 group: 3 }",
        [(PLANE, values)],
        1,
    ),
    (
        "Convolution",
        "convolution_param { num_output: 4 kernel_size: 2 axis: 2 bias_term: false }",
        [((2, 3, 1, 4, 5, 6), values)],
        1,
    ),
    ("Crop", "crop_param { offset: 1 }", [(PLANE, values), ((7, 8, 4, 3), values)], 1),
    (
        "Deconvolution",
        "convolution_param { num_output: 2 kernel_size: 4 pad: 1 stride: 2 }",
        [((2, 3, 4, 5), values), ((2, 3, 4, 5), normal)],
        2,
    ),
    ("Dropout", "dropout_param { dropout_ratio: 0.3 }", [(PLANE, values)], 1),
    ("ELU", "elu_param { alpha: 0.7 }", [(PLANE, values)], 1),
    ("Eltwise", "eltwise_param { operation: PROD }", [(PLANE, values), (PLANE, normal)], 1),
    ("Eltwise", "eltwise_param { coeff: 2 coeff: -1 }", [(PLANE, values), (PLANE, normal)], 1),
    ("Eltwise", "eltwise_param { operation: MAX }", [(PLANE, values), (PLANE, normal)], 1),
    ("Embed", "embed_param { num_output: 3 input_dim: 5 }", [((4, 2), labels(5))], 1),
    ("EuclideanLoss", "", [(PLANE, values), ((2, 90), normal)], 1),
    ("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }", [(PLANE, values)], 1),
    ("Filter", "", [((4, 3), values), ((4, 2, 5), values), ((4, 1), ones)], 2),
    ("Flatten", "flatten_param { axis: 1 end_axis: -2 }", [(PLANE, values)], 1),
    ("HingeLoss", "hinge_loss_param { norm: L2 }", [((4, 5), values), ((4,), labels(5))], 1),
    (
        "Im2col",
        "convolution_param { kernel_size: 2 dilation: 2 stride: 1 pad: 1 }",
        [(PLANE, values)],
        1,
    ),
    (
        "InfogainLoss",
        "loss_param { ignore_label: 0 }",
        [((4, 3, 5), values), ((4, 5), labels(3)), ((1, 1, 3, 3), normal)],
        2,
    ),
    (
        "InnerProduct",
        "inner_product_param { num_output: 4 axis: -2 transpose: true }",
        [((2, 3, 6, 5), values)],
        1,
    ),
    ("Input", "input_param { shape { dim: 2 dim: 3 } shape { dim: 4 } }", [], 2),
    ("LRN", "lrn_param { local_size: 3 alpha: 0.5 k: 2 }", [((2, 4, 3, 5), values)], 1),
    (
        "LRN",
        "lrn_param { local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL }",
        [(PLANE, values)],
        1,
    ),
    (
        "LSTM",
        "recurrent_param { num_output: 3 }",
        [((4, 2, 5), values), ((4, 2), started), ((2, 6), values)],
        1,
    ),
    (
        "LSTM",
        "recurrent_param { num_output: 3 expose_hidden: true }",
        [((4, 2), values), ((4, 2), started), ((1, 2, 3), values), ((1, 2, 3), normal)],
        3,
    ),
    ("LSTMUnit", "", [((1, 2, 3), values), ((1, 2, 12), values), ((1, 2), labels(2))], 2),
    ("Log", "log_param { base: 10 scale: 2 shift: 0.5 }", [(PLANE, positive)], 1),
    ("MVN", "", [(PLANE, values)], 1),
    ("MVN", "mvn_param { across_channels: true normalize_variance: false }", [((3, 4), values)], 1),
    ("MultinomialLogisticLoss", "", [((4, 3), shares), ((4,), labels(3))], 1),
    ("PReLU", "", [((2, 3), values)], 1),
    ("PReLU", "prelu_param { channel_shared: true }", [(PLANE, values)], 1),
    ("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }", [], 1),
    ("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }", [(PLANE, values)], 2),
    ("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 2 }", [(PLANE, values)], 1),
    (
        "Pooling",
        "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }",
        [(PLANE, values)],
        1,
    ),
    (
        "Pooling",
        "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 2 }",
        [(PLANE, values)],
        1,
    ),
    ("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }", [(PLANE, positive)], 1),
    ("Power", "power_param { power: 3 scale: 0.5 shift: 1 }", [(PLANE, values)], 1),
    ("RNN", "recurrent_param { num_output: 3 }", [((4, 2, 5), values), ((4, 2), started)], 1),
    ("ReLU", "relu_param { negative_slope: 0.2 }", [(PLANE, values)], 1),
    ("ReLU", "", [(PLANE, values)], 1),
    ("Reduction", "reduction_param { operation: ASUM axis: 2 coeff: 2 }", [(PLANE, values)], 1),
    ("Reduction", "reduction_param { operation: MEAN axis: -1 }", [(PLANE, values)], 1),
    ("Reduction", "reduction_param { operation: SUMSQ }", [(PLANE, values)], 1),
    (
        "Reshape",
        "reshape_param { shape { dim: 0 dim: -1 } axis: 1 num_axes: 2 }",
        [(PLANE, values)],
        1,
    ),
    ("SPP", "spp_param { pyramid_height: 3 }", [((2, 3, 7, 6), values)], 1),
    ("SPP", "spp_param { pyramid_height: 1 pool: AVE }", [(PLANE, values)], 1),
    ("Scale", "scale_param { num_axes: 2 bias_term: true }", [(PLANE, values)], 1),
    ("Scale", "scale_param { axis: 0 bias_term: true }", [(PLANE, values), ((2, 3), values)], 1),
    ("Sigmoid", "", [(PLANE, values)], 1),
    (
        "SigmoidCrossEntropyLoss",
        "loss_param { ignore_label: 2 normalization: VALID }",
        [((4, 3, 2), values), ((4, 6), labels(3))],
        1,
    ),
    ("Silence", "", [((2, 3), values), ((4,), values)], 0),
    ("Slice", "slice_param { axis: -2 slice_point: 1 slice_point: 4 }", [(PLANE, values)], 3),
    ("Softmax", "softmax_param { axis: 2 }", [(PLANE, values)], 1),
    (
        "SoftmaxWithLoss",
        "softmax_param { axis: -1 } loss_param { ignore_label: 1 }",
        [((4, 3, 5), values), ((4, 3), labels(5))],
        2,
    ),
    ("Split", "", [((2, 3), values)], 3),
    ("Swish", "swish_param { beta: 1.5 }", [(PLANE, values)], 1),
    ("TanH", "", [(PLANE, values)], 1),
    ("Threshold", "threshold_param { threshold: 0.5 }", [(PLANE, values)], 1),
    ("Tile", "tile_param { axis: 1 tiles: 3 }", [(PLANE, values)], 1),
]
NOT_DIFFERENTIABLE = {  # and why
    "Accuracy": "counts",
    "ArgMax": "gives indices",
    "Data": "has no bottoms",
    "DummyData": "has no bottoms",
    "HDF5Data": "has no bottoms",
    "HDF5Output": "has no tops",
    "ImageData": "has no bottoms",
    "Input": "has no bottoms",
    "MemoryData": "has no bottoms",
    "Python": "has the backward that its user writes",
    "Silence": "has no tops",
    "Threshold": "is a step",
    "WindowData": "has no bottoms",
}
DIFFERENTIABLE = [case for case in CASES if case[0] not in NOT_DIFFERENTIABLE]
IDS = [f"{case[0]}-{i}" for i, case in enumerate(CASES)]


def made(case, phase=TRAIN):
    """The layer, the declared shapes and the bottoms' values of a case."""
    kind, parameters, bottoms, tops = case
    shapes = [shape for shape, _ in bottoms]
    layer, declared = build(f'type: "{kind}" {parameters}', *shapes, tops=tops, phase=phase)
    if kind == "BatchNorm":
        for blob, value in zip(layer.blobs, (0.5, 3, 2)):
            blob.data[...] = value
    else:
        randomise(layer)
    return layer, declared, [make(*shape) for shape, make in bottoms]


def tensors(layer, arrays, dtype, gradients=False):
    """Bottoms and blobs as tensors; those that get a gradient require it if asked."""
    bottoms = [torch.tensor(x, dtype=dtype) for x in arrays]
    blobs = [blob.data_tensor().to(dtype) for blob in layer.blobs]
    if gradients:
        for i, x in enumerate(bottoms):
            x.requires_grad_(i not in layer.no_gradient_bottoms)
        for w in blobs:
            w.requires_grad_(layer.type != "BatchNorm")
    return tuple(bottoms), tuple(blobs)


def test_every_type_is_here():
    readers = {kind for kind, cls in REGISTRY.items() if cls.__module__ == data.__name__}
    assert {case[0] for case in CASES} == set(REGISTRY) - readers - {"Python"}


@pytest.mark.parametrize("phase", [TRAIN, TEST], ids=["TRAIN", "TEST"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_shapes_and_bottoms(case, phase):
    layer, declared, arrays = made(case, phase)
    bottoms, blobs = tensors(layer, arrays, torch.float32)
    before = [x.clone() for x in bottoms]
    tops = layer.forward(bottoms, blobs)
    if layer.type != "Input":  # its tops are the caller's
        assert [tuple(y.shape) for y in tops] == [tuple(shape) for shape in declared]
    assert {y.dtype for y in tops} <= {torch.float32}
    for x, unchanged in zip(bottoms, before):
        assert torch.equal(x, unchanged)


def test_every_type_is_differentiated_or_has_a_reason_not_to_be():
    assert {case[0] for case in DIFFERENTIABLE} | set(NOT_DIFFERENTIABLE) == set(REGISTRY)
    silent = {kind for kind, cls in REGISTRY.items() if not cls.differentiable}
    assert silent <= set(NOT_DIFFERENTIABLE)


@pytest.mark.parametrize(
    "case",
    [case for case in DIFFERENTIABLE if case[0] != "Dropout"],  # it draws by the type
    ids=lambda case: case[0],
)
def test_gradients_in_float32_are_those_in_float64(case):
    found = []
    for dtype in (torch.float32, torch.float64):
        layer, _, arrays = made(case)
        bottoms, blobs = tensors(layer, arrays, dtype, gradients=True)
        tops = [y for y in layer.forward(bottoms, blobs) if y.requires_grad]
        wanted = [x for x in bottoms + blobs if x.requires_grad]
        seeds = [torch.tensor(normal(*y.shape, seed=3), dtype=dtype) for y in tops]
        got = torch.autograd.grad(tops, wanted, seeds, allow_unused=True)
        found.append([None if g is None else g.double() for g in got])
    for narrow, exact in zip(*found):
        torch.testing.assert_close(narrow, exact, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case[0])
def test_gradients(case):
    layer, _, arrays = made(case)
    bottoms, blobs = tensors(layer, arrays, torch.float64, gradients=True)
    torch.autograd.gradcheck(
        lambda *given: layer.forward(given[: len(bottoms)], given[len(bottoms) :]),
        bottoms + blobs,
        fast_mode=True,
    )


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_bf16(case):
    layer, _, arrays = made(case, TEST)
    _, blobs = tensors(layer, arrays, torch.float32)
    narrow = tuple(
        torch.tensor(x).to(torch.bfloat16 if x.dtype == np.float64 else torch.float32)
        for x in arrays
    )
    exact = layer.forward(tuple(x.float() for x in narrow), blobs)
    layer, _, _ = made(case, TEST)
    with torch.autocast("cpu", torch.bfloat16):
        tops = layer.forward(narrow, blobs)
    for y, expected in zip(tops, exact):
        torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.1)

"""Writes networks/<variant>/{train,deploy,solver}.prototxt; this file is their only source.

    python networks/build_networks.py            writes every file
    python networks/build_networks.py --check    writes nothing, names the files that differ

The architectures are those of D. Futschik, *Colorization of black-and-white images using deep
neural networks* (CTU 2018), chapter 6; data path, losses and solvers follow its chapters 5 and 7.
`zhang_2016`, deploy only, is the net of which the thesis' plain network is a variant.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from caffe import files, prototxt
from caffe.net_spec import NetSpec, Top
from caffe.net_spec import layers as L
from caffe.net_spec import params as P
from caffe.proto import caffe_pb2

FOLDER = Path(__file__).resolve().parent
HEADER = "# Written by networks/build_networks.py: change that file, not this one.\n"

# Paths as Caffe takes them: relative to the working directory of the training.
SOURCES = {caffe_pb2.TRAIN: "data/train_lmdb", caffe_pb2.TEST: "data/val_lmdb"}
PRIOR = "data/train_priors.npy"

CROP = 224
BINS = 313
SUBSAMPLING = 4  # input pixels per output pixel, along each axis
ZHANG = "zhang_2016"
AB_LIMIT = 110  # ours, the edge of the ab grid; the thesis (7.1) says "a constant coefficient"

# Conv blocks 1 to 7 of the plain net: outputs, convs, stride of the last conv, dilation.
PLAIN_BLOCKS = (
    (64, 2, 2, 1),
    (128, 2, 2, 1),
    (256, 3, 2, 1),
    (512, 3, 1, 1),
    (512, 3, 1, 2),
    (512, 3, 1, 2),
    (512, 3, 1, 1),
)
PLAIN_FILLER = dict(type="msra")  # He et al., for convs followed by ReLU
PREDICTION_FILLER = dict(type="gaussian", std=0.01)  # starts near even histograms, or grey
RESIDUAL_FILLER = dict(type="xavier")


class Schedule(NamedTuple):
    """Lengths of a training, in iterations."""

    max_iter: int
    stepsize: int
    snapshot: int


THESIS = Schedule(max_iter=30 * 890, stepsize=15 * 890, snapshot=890)  # 42,715 images / 48 an epoch
QUICK = Schedule(max_iter=3000, stepsize=1500, snapshot=500)


class Variant(NamedTuple):
    """What tells one network from another."""

    trunk: Callable[[NetSpec, Top, "Variant"], Top]
    batch_size: int
    iter_size: int
    predicts_ab: bool = False  # two channels under EuclideanLoss; otherwise 313 bins under KLLoss
    rebalanced: bool = True
    dropout: bool = False
    width: float = 1
    schedule: Schedule = THESIS


def conv(net: NetSpec, name: str, bottom: Top, outputs: int, filler: dict, **fields: Any) -> Top:
    """A 3x3 Convolution that keeps the size at stride 1; `fields` may say otherwise."""
    fields = {"kernel_size": 3, "pad": fields.get("dilation", 1)} | fields
    net[name] = L.Convolution(bottom, num_output=outputs, weight_filler=filler, **fields)
    return net[name]


def relu(net: NetSpec, name: str, bottom: Top) -> Top:
    net[name] = L.ReLU(bottom, in_place=True)
    return net[name]


def batch_norm(net: NetSpec, name: str, bottom: Top, **fields: Any) -> Top:
    """BatchNorm, whose three blobs are statistics that no solver may touch."""
    net[name] = L.BatchNorm(bottom, param=[dict(lr_mult=0, decay_mult=0)] * 3, **fields)
    return net[name]


def plain(net: NetSpec, top: Top, variant: Variant) -> Top:
    """Table 6.1 up to conv8_3: Zhang et al., *Colorful image colorization* (ECCV 2016).

    The table's O column says 256 for conv7 and 128 for conv8; its P column, its total of 32.23 M
    parameters and "identical to Zhang" need 512 and 256.
    """
    for block, (outputs, convs, last_stride, dilation) in enumerate(PLAIN_BLOCKS, 1):
        for i in range(1, convs + 1):
            fields = {"stride": last_stride} if i == convs and last_stride > 1 else {}
            if dilation > 1:
                fields["dilation"] = dilation
            name = f"{block}_{i}"
            top = conv(net, f"conv{name}", top, scaled(outputs, variant), PLAIN_FILLER, **fields)
            top = relu(net, f"relu{name}", top)
        top = batch_norm(net, f"conv{block}_{convs}norm", top)
        top = dropout(net, block, top, variant)
    outputs = scaled(256, variant)
    shape = dict(num_output=outputs, kernel_size=4, stride=2, pad=1)
    net.conv8_1 = L.Deconvolution(top, convolution_param=shape | dict(weight_filler=PLAIN_FILLER))
    top = relu(net, "relu8_1", net.conv8_1)
    for i in (2, 3):
        top = conv(net, f"conv8_{i}", top, outputs, PLAIN_FILLER)
        top = relu(net, f"relu8_{i}", top)
    return dropout(net, 8, top, variant)


def scaled(outputs: int, variant: Variant) -> int:
    """The channels of a layer that has `outputs` at width 1."""
    return int(outputs * variant.width)


def dropout(net: NetSpec, block: int, top: Top, variant: Variant) -> Top:
    """Dropout after a block of `plain_dropout`, behind the block's BatchNorm.

    From 0.1 after conv1 to 0.3 after conv8 (thesis 7.1); that the steps are even is ours.
    """
    if not variant.dropout:
        return top
    ratio = round(0.1 + 0.2 * (block - 1) / 7, 4)
    net[f"drop{block}"] = L.Dropout(top, dropout_ratio=ratio, in_place=True)
    return net[f"drop{block}"]


def residual(net: NetSpec, top: Top, variant: Variant) -> Top:
    """Table 6.2 up to conv5_3.

    The table's S column puts conv1's stride in branch2b; its R and ERF columns need it in branch2a.
    ReLU follows every sum, as in ResNet, which the thesis leaves open.
    """

    def conv_relu(name: str, bottom: Top, outputs: int, **fields: int) -> Top:
        bottom = conv(net, name, bottom, scaled(outputs, variant), RESIDUAL_FILLER, **fields)
        return relu(net, f"{name}_relu", bottom)

    def conv_scaled(name: str, bottom: Top, outputs: int, **fields: int) -> Top:
        """A conv without bias, BatchNorm and Scale, whose bias stands in for the conv's."""
        fields |= {"bias_term": False}
        bottom = conv(net, name, bottom, scaled(outputs, variant), RESIDUAL_FILLER, **fields)
        bottom = batch_norm(net, f"{name}_bn", bottom, in_place=True)
        net[f"{name}_scale"] = L.Scale(bottom, bias_term=True, in_place=True)
        return net[f"{name}_scale"]

    def add(block: int, top_branch: Top, bottom_branch: Top) -> Top:
        net[f"res{block}"] = L.Eltwise(bottom_branch, top_branch, operation=P.Eltwise.SUM)
        return relu(net, f"res{block}_relu", net[f"res{block}"])

    top = conv_relu("conv0", top, 64)

    branch = conv_relu("conv1_branch2a", top, 128, stride=2)
    branch = conv_scaled("conv1_branch2b", branch, 256)
    top = add(1, branch, conv_scaled("conv1_branch1", top, 256, stride=2))

    branch = conv_relu("conv2_branch2a", top, 256)
    branch = conv_scaled("conv2_branch2b", branch, 256)
    top = add(2, branch, top)

    branch = conv_relu("conv3_branch2a", top, 512, stride=2)
    branch = conv_relu("conv3_branch2b", branch, 512, dilation=2)
    branch = conv_scaled("conv3_branch2c", branch, 256, dilation=2)
    top = add(3, branch, conv_scaled("conv3_branch1", top, 256, stride=2))

    branch = conv_relu("conv4_branch2a", top, 512, dilation=2)
    branch = conv_scaled("conv4_branch2b", branch, 512, dilation=2)
    top = add(4, branch, conv_scaled("conv4_branch1", top, 512))

    top = conv_relu("conv5_1", top, 256)
    top = conv_relu("conv5_2", top, 512, dilation=2)
    return conv_scaled("conv5_3", top, 512)


VARIANTS = {
    "plain": Variant(plain, 24, 2),
    "plain_no_rebalance": Variant(plain, 24, 2, rebalanced=False),
    "plain_dropout": Variant(plain, 24, 2, dropout=True),
    "plain_l2_ab": Variant(plain, 24, 2, predicts_ab=True, rebalanced=False),
    "residual": Variant(residual, 4, 12),
    "residual_no_rebalance": Variant(residual, 4, 12, rebalanced=False),
    "plain_quarter": Variant(plain, 8, 1, width=0.25, schedule=QUICK),
    "residual_quarter": Variant(residual, 8, 1, width=0.25, schedule=QUICK),
}


def predict(net: NetSpec, data_l: Top, variant: Variant) -> Top:
    """From L (N, 1, H, W) in 0..100 to 313 logits, or to ab, at a quarter of the resolution."""
    net.scaled_l = L.Power(data_l, scale=0.01)
    features = variant.trunk(net, net.scaled_l, variant)
    filler = RESIDUAL_FILLER if variant.trunk is residual else PREDICTION_FILLER
    if not variant.predicts_ab:
        return conv(net, "pred_313", features, BINS, filler, kernel_size=1, pad=0)
    conv(net, "pred", features, 2, filler, kernel_size=1, pad=0)
    net.tanh = L.TanH(net.pred)
    net.ab = L.Power(net.tanh, name="scale_ab", scale=AB_LIMIT)
    return net.ab


def train_net(name: str) -> caffe_pb2.NetParameter:
    """The net that a solver trains: colour crops, their encoding, the prediction, the loss."""
    variant = VARIANTS[name]
    net = NetSpec()
    net.data = data(variant, caffe_pb2.TRAIN, mirror=True)
    net.test_data = data(variant, caffe_pb2.TEST, ntop=0, name="data", top=["data"])
    net.lab = python_layer("BGRToLab", net.data)
    net.data_l, net.data_ab = L.Slice(net.lab, name="slice_lab", slice_point=1, ntop=2)
    net.target_ab = python_layer("ABSubsample", net.data_ab, stride=SUBSAMPLING)
    prediction = predict(net, net.data_l, variant)
    if variant.predicts_ab:
        net.loss = L.EuclideanLoss(prediction, net.target_ab)
        return named(name, net)
    net.target_313 = python_layer("SoftEncode", net.target_ab)
    bottoms = [prediction, net.target_313]
    if variant.rebalanced:
        net.weights = python_layer("ClassRebalance", net.target_313, prior=PRIOR)
        bottoms.append(net.weights)
    net.loss = python_layer("KLLoss", *bottoms, loss_weight=1)
    return named(name, net)


def data(variant: Variant, phase: int, mirror: bool = False, **fields: Any) -> Top:
    """BGR crops (N, 3, 224, 224) in 0..255; at random places in TRAIN, from the centre in TEST."""
    transform = dict(crop_size=CROP) | (dict(mirror=True) if mirror else {})
    return L.Data(
        include=dict(phase=phase),
        transform_param=transform,
        source=SOURCES[phase],
        batch_size=variant.batch_size,
        backend=P.Data.LMDB,
        **fields,
    )


def python_layer(layer: str, *bottoms: Top, loss_weight: float | None = None, **fields: Any) -> Top:
    """A layer of the package `layers`; `fields` go into its param_str."""
    weight = {} if loss_weight is None else {"loss_weight": loss_weight}
    settings = {"param_str": json.dumps(fields)} if fields else {}
    return L.Python(*bottoms, module="layers", layer=layer, **settings, **weight)


def named(name: str, net: NetSpec) -> caffe_pb2.NetParameter:
    """The message of a net, its name first."""
    message = net.to_proto()
    message.name = name
    return message


def deploy_net(name: str) -> caffe_pb2.NetParameter:
    """The net that colours: from `data_l` (1, 1, H, W), L in 0..100, to `ab` (1, 2, H/4, W/4).

    The weights of the layer `ab`, which takes the histograms' expectation (thesis 5.2), are the 313
    pairs and come from shared_resources/ab_pairs.caffemodel. Nothing is trained, so there are no
    fillers.
    """
    variant = VARIANTS[name]
    net = NetSpec()
    net.data_l = L.Input(shape=dict(dim=[1, 1, CROP, CROP]))
    prediction = predict(net, net.data_l, variant)
    if not variant.predicts_ab:
        net.prob = L.Softmax(prediction)
        net.ab = expectation(net.prob)
    return without_fillers(named(name, net))


def zhang_deploy_net() -> caffe_pb2.NetParameter:
    """The published net of Zhang et al. 2016, under its own layer names, between our blobs.

    L enters as L - 50. `prob` is the histogram that the net predicts; `ab` is the expectation of
    the annealed one, softmax(2.606 logits), a temperature of about 0.38, as the authors decode.
    """
    net = NetSpec()
    net.data_l = L.Input(shape=dict(dim=[1, 1, CROP, CROP]))
    net.centred_l = L.Power(net.data_l, shift=-50)
    features = plain(net, net.centred_l, VARIANTS["plain"])
    logits = conv(net, "conv8_313", features, BINS, PREDICTION_FILLER, kernel_size=1, pad=0)
    net.prob = L.Softmax(logits)
    net.conv8_313_rh = L.Scale(logits, filler=dict(value=2.606), param=[dict(lr_mult=0)])
    net.class8_313_rh = L.Softmax(net.conv8_313_rh)
    net.ab = expectation(net.class8_313_rh)
    message = without_fillers(named(ZHANG, net))
    first = next(layer for layer in message.layer if layer.name == "conv1_1")
    first.name = "bw_conv1_1"
    return message


def expectation(histogram: Top) -> Top:
    """A 1x1 Convolution to ab, whose weights are to be the 313 pairs."""
    pairs = dict(num_output=2, kernel_size=1, bias_term=False)
    return L.Convolution(histogram, convolution_param=pairs, param=[dict(lr_mult=0)])


def without_fillers(message: caffe_pb2.NetParameter) -> caffe_pb2.NetParameter:
    """The net without the fillers of its convolutions, which get their weights from a file."""
    for layer in message.layer:
        if layer.HasField("convolution_param"):
            layer.convolution_param.ClearField("weight_filler")
    return message


def solver(name: str) -> dict[str, Any]:
    """The fields of a solver, in reading order (thesis 7.3 and 7.4)."""
    variant = VARIANTS[name]
    return dict(
        net=f"networks/{name}/train.prototxt",
        type="Adam",
        base_lr=0.001,
        momentum=0.9,
        momentum2=0.999,
        lr_policy="step",
        gamma=0.3,
        stepsize=variant.schedule.stepsize,
        max_iter=variant.schedule.max_iter,
        iter_size=variant.iter_size,
        display=20,
        average_loss=20,
        snapshot=variant.schedule.snapshot,
        snapshot_prefix=f"networks/{name}/{name}",
        solver_mode=caffe_pb2.SolverParameter.GPU,
        random_seed=1,
    )


def solver_text(name: str) -> str:
    fields = solver(name).items()
    return "".join(prototxt.text(caffe_pb2.SolverParameter(**{k: v})) for k, v in fields)


def texts() -> Iterator[tuple[Path, str]]:
    """Every file, relative to this folder, and what it must hold."""
    for name in VARIANTS:
        yield Path(name, "train.prototxt"), HEADER + prototxt.text(train_net(name))
        yield Path(name, "deploy.prototxt"), HEADER + prototxt.text(deploy_net(name))
        yield Path(name, "solver.prototxt"), HEADER + solver_text(name)
    yield Path(ZHANG, "deploy.prototxt"), HEADER + prototxt.text(zhang_deploy_net())


def differing(folder: Path) -> list[Path]:
    """The files under `folder` that are missing or not as this source makes them."""
    return [
        path
        for path, text in texts()
        if not (folder / path).is_file() or (folder / path).read_bytes() != text.encode()
    ]


def write(folder: Path) -> None:
    for path, text in texts():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(folder / path) as temporary:
            Path(temporary).write_bytes(text.encode())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Writes the prototxt files of all networks.")
    parser.add_argument("--check", action="store_true", help="only compare; 1 if any differs")
    if not parser.parse_args(argv).check:
        write(FOLDER)
        return 0
    paths = differing(FOLDER)
    for path in paths:
        print(f"networks/{path}: not as networks/build_networks.py makes it", file=sys.stderr)
    return 1 if paths else 0


if __name__ == "__main__":
    sys.exit(main())

"""Train nets of a few channels with their data, for the tests of the initialisation from data."""

import json
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

import caffe
from caffe import layers as L
from caffe import params as P
from colorization.dataset import write_lmdb

BATCH, CROP, SIZE = 5, 24, 28


def textures(count: int, seed: int) -> list[np.ndarray]:
    """Coloured noise of all scales (SIZE, SIZE, 3), uint8."""
    noise = np.random.default_rng(seed).normal(size=(count, SIZE, SIZE, 3))
    scales = [gaussian_filter(noise, (0, s, s, 0)) for s in (0, 1, 2, 4)]
    mixed = sum(scale / scale.std() for scale in scales)
    return list(np.clip(128 + 25 * mixed, 0, 255).astype(np.uint8))


def write_data(folder: Path) -> None:
    """Write train_lmdb and held_out_lmdb."""
    for name, seed in (("train_lmdb", 1), ("held_out_lmdb", 2)):
        images = textures(60, seed)
        write_lmdb(folder / name, ((str(i), image) for i, image in enumerate(images)))


def _begin(source: str) -> tuple[caffe.NetSpec, object]:
    """A net with L scaled, as those of the project."""
    net = caffe.NetSpec()
    net.data = L.Data(
        source=source,
        batch_size=BATCH,
        backend=P.Data.LMDB,
        transform_param=dict(crop_size=CROP, mirror=True),
    )
    net.lab = L.Python(net.data, module="layers", layer="BGRToLab")
    net.data_l, net.data_ab = L.Slice(net.lab, slice_point=1, ntop=2)
    net.target_ab = L.Python(
        net.data_ab, module="layers", layer="ABSubsample", param_str=json.dumps({"stride": 4})
    )
    net.scaled_l = L.Power(net.data_l, scale=0.01)
    return net, net.scaled_l


def _conv(bottom, outputs: int, filler: str, **fields):
    fields = {"kernel_size": 3, "pad": fields.get("dilation", 1)} | fields
    return L.Convolution(bottom, num_output=outputs, weight_filler=dict(type=filler), **fields)


def plain_net(source: str, filler: str = "xavier") -> caffe.NetSpec:
    """Like the plain network: BatchNorm after blocks, dilation, Dropout, Deconvolution, KLLoss."""
    net, top = _begin(source)
    net.conv1_1 = _conv(top, 6, filler)
    net.relu1_1 = L.ReLU(net.conv1_1, in_place=True)
    net.conv1_2 = _conv(net.conv1_1, 7, filler, stride=2)
    net.relu1_2 = L.ReLU(net.conv1_2, in_place=True)
    net.norm1 = L.BatchNorm(net.conv1_2)
    net.drop1 = L.Dropout(net.norm1, dropout_ratio=0.1, in_place=True)
    net.conv2_1 = _conv(net.norm1, 8, filler, stride=2)
    net.relu2_1 = L.ReLU(net.conv2_1, in_place=True)
    net.conv2_2 = _conv(net.conv2_1, 4, filler, stride=2, dilation=2)
    net.relu2_2 = L.ReLU(net.conv2_2, in_place=True)
    net.norm2 = L.BatchNorm(net.conv2_2)
    shape = dict(num_output=5, kernel_size=4, stride=2, pad=1, weight_filler=dict(type=filler))
    net.conv8_1 = L.Deconvolution(net.norm2, convolution_param=shape)
    net.relu8_1 = L.ReLU(net.conv8_1, in_place=True)
    net.pred_313 = _conv(net.conv8_1, 313, filler, kernel_size=1, pad=0)
    net.target_313 = L.Python(net.target_ab, module="layers", layer="SoftEncode")
    net.loss = L.Python(
        net.pred_313, net.target_313, module="layers", layer="KLLoss", loss_weight=1
    )
    return net


def residual_net(source: str, filler: str = "xavier") -> caffe.NetSpec:
    """Like the residual network: convs without bias, BatchNorm and Scale in place, sums."""
    net, top = _begin(source)

    def scaled(name: str, bottom, outputs: int, **fields):
        net[name] = _conv(bottom, outputs, filler, bias_term=False, **fields)
        net[f"{name}_bn"] = L.BatchNorm(net[name], in_place=True)
        net[f"{name}_scale"] = L.Scale(net[f"{name}_bn"], bias_term=True, in_place=True)
        return net[f"{name}_scale"]

    net.conv0 = _conv(top, 5, filler)
    net.relu0 = L.ReLU(net.conv0, in_place=True)
    net.branch2a = _conv(net.conv0, 8, filler, stride=2)
    net.relu2a = L.ReLU(net.branch2a, in_place=True)
    branch = scaled("branch2b", net.branch2a, 6)
    net.res1 = L.Eltwise(scaled("branch1", net.conv0, 6, stride=2), branch)
    net.res1_relu = L.ReLU(net.res1, in_place=True)
    net.res2 = L.Eltwise(net.res1, scaled("branch3", net.res1, 6))
    net.res2_relu = L.ReLU(net.res2, in_place=True)
    net.conv5 = _conv(net.res2, 7, filler, stride=2)
    net.relu5 = L.ReLU(net.conv5, in_place=True)
    net.pred = _conv(scaled("conv6", net.conv5, 4), 2, filler, kernel_size=1, pad=0)
    net.loss = L.EuclideanLoss(net.pred, net.target_ab, loss_weight=1e-3)
    return net


NETS = {"plain": plain_net, "residual": residual_net}


def write_net(path: Path, net: caffe.NetSpec) -> Path:
    path.write_text(str(net.to_proto()))
    return path

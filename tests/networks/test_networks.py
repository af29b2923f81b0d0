"""The networks on disk: as their source makes them, and as the thesis' tables say."""

import json
import math
import re
from functools import cache
from pathlib import Path

import lmdb
import numpy as np
import pytest
from module_from_file import load_module

import caffe
from caffe import prototxt
from caffe.proto import caffe_pb2

NETWORKS = Path(__file__).resolve().parents[2] / "networks"

build_networks = load_module(NETWORKS / "build_networks.py")

# folder: architecture, head, rebalanced, batch size, iter_size (thesis 7.1 and 7.4, but the last)
VARIANTS = {
    "plain": ("plain", "bins", True, 24, 2),
    "plain_no_rebalance": ("plain", "bins", False, 24, 2),
    "plain_dropout": ("plain", "bins", True, 24, 2),
    "plain_l2_ab": ("plain", "ab", False, 24, 2),
    "residual": ("residual", "bins", True, 4, 12),
    "residual_no_rebalance": ("residual", "bins", False, 4, 12),
    "plain_quarter": ("plain", "bins", True, 8, 1),
    "residual_quarter": ("residual", "bins", True, 8, 1),
}
PARAMETERS = {
    "plain": 32_230_393,
    "plain_no_rebalance": 32_230_393,
    "plain_dropout": 32_230_393,
    "plain_l2_ab": 32_230_393 - (256 + 1) * 313 + (256 + 1) * 2,
    "residual": 16_610_873,
    "residual_no_rebalance": 16_610_873,
    "plain_quarter": 2_031_337,
    "residual_quarter": 1_070_201,
}

# Tables 6.1 and 6.2: layer, resolution, outputs, stride, dilation, weights in thousands. Outputs of
# conv7 and conv8, the stride of residual conv1 and the weights of conv5_2 and conv5_3 are corrected
# so that the tables' other columns hold; dilation is Caffe's, one more than the thesis'.
TABLE_6_1 = [
    ("conv1_1", 224, 64, 1, 1, 0.5),
    ("conv1_2", 112, 64, 2, 1, 36.8),
    ("conv2_1", 112, 128, 1, 1, 73.7),
    ("conv2_2", 56, 128, 2, 1, 147.4),
    ("conv3_1", 56, 256, 1, 1, 294.9),
    ("conv3_2", 56, 256, 1, 1, 589.8),
    ("conv3_3", 28, 256, 2, 1, 589.8),
    ("conv4_1", 28, 512, 1, 1, 1179.6),
    ("conv4_2", 28, 512, 1, 1, 2359.2),
    ("conv4_3", 28, 512, 1, 1, 2359.2),
    ("conv5_1", 28, 512, 1, 2, 2359.2),
    ("conv5_2", 28, 512, 1, 2, 2359.2),
    ("conv5_3", 28, 512, 1, 2, 2359.2),
    ("conv6_1", 28, 512, 1, 2, 2359.2),
    ("conv6_2", 28, 512, 1, 2, 2359.2),
    ("conv6_3", 28, 512, 1, 2, 2359.2),
    ("conv7_1", 28, 512, 1, 1, 2359.2),
    ("conv7_2", 28, 512, 1, 1, 2359.2),
    ("conv7_3", 28, 512, 1, 1, 2359.2),
    ("conv8_1", 56, 256, 2, 1, 2097.1),
    ("conv8_2", 56, 256, 1, 1, 589.8),
    ("conv8_3", 56, 256, 1, 1, 589.8),
    ("pred_313", 56, 313, 1, 1, 80.1),
]
TABLE_6_2 = [
    ("conv0", 224, 64, 1, 1, 0.5),
    ("conv1_branch2a", 112, 128, 2, 1, 73.7),
    ("conv1_branch2b", 112, 256, 1, 1, 294.9),
    ("conv1_branch1", 112, 256, 2, 1, 147.5),
    ("conv2_branch2a", 112, 256, 1, 1, 589.8),
    ("conv2_branch2b", 112, 256, 1, 1, 589.8),
    ("conv3_branch2a", 56, 512, 2, 1, 1179.6),
    ("conv3_branch2b", 56, 512, 1, 2, 2359.2),
    ("conv3_branch2c", 56, 256, 1, 2, 1179.6),
    ("conv3_branch1", 56, 256, 2, 1, 589.8),
    ("conv4_branch2a", 56, 512, 1, 2, 1179.6),
    ("conv4_branch2b", 56, 512, 1, 2, 2359.2),
    ("conv4_branch1", 56, 512, 1, 1, 1179.6),
    ("conv5_1", 56, 256, 1, 1, 1179.6),
    ("conv5_2", 56, 512, 1, 2, 1179.6),
    ("conv5_3", 56, 512, 1, 1, 2359.2),
    ("pred_313", 56, 313, 1, 1, 160.2),
]
NORMALISED = [
    "conv1_branch2b",
    "conv1_branch1",
    "conv2_branch2b",
    "conv3_branch2c",
    "conv3_branch1",
    "conv4_branch2b",
    "conv4_branch1",
    "conv5_3",
]

every_variant = pytest.mark.parametrize("name", VARIANTS)


def net_text(name: str, kind: str):
    return prototxt.read(NETWORKS / name / f"{kind}.prototxt", caffe_pb2.NetParameter)


def solver_text(name: str):
    return prototxt.read(NETWORKS / name / "solver.prototxt", caffe_pb2.SolverParameter)


def layers_of(net, *types: str) -> dict:
    return {layer.name: layer for layer in net.layer if layer.type in types}


@cache
def deploy(name: str) -> caffe.Net:
    return caffe.Net(str(NETWORKS / name / "deploy.prototxt"), caffe.TEST)


def output_shape(name: str, *shape: int) -> tuple[int, ...]:
    net = deploy(name)
    net.blobs["data_l"].reshape(*shape)
    net.reshape()
    return tuple(net.blobs["ab"].shape)


class TestFiles:
    def test_files_on_disk_are_what_the_source_makes(self):
        assert build_networks.differing(NETWORKS) == []

    def test_there_are_no_other_networks(self):
        found = {str(path.relative_to(NETWORKS)) for path in NETWORKS.rglob("*.prototxt")}
        kinds = ("train", "deploy", "solver")
        trained = {f"{name}/{kind}.prototxt" for name in VARIANTS for kind in kinds}
        assert found == trained | {"zhang_2016/deploy.prototxt"}

    def test_check_names_files_that_differ_or_are_missing(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(build_networks, "FOLDER", tmp_path)
        assert build_networks.main([]) == 0
        assert build_networks.main(["--check"]) == 0
        with open(tmp_path / "residual/solver.prototxt", "a") as file:
            file.write("display: 1\n")
        (tmp_path / "plain/deploy.prototxt").unlink()
        assert build_networks.main(["--check"]) == 1
        assert capsys.readouterr().err == (
            "networks/plain/deploy.prototxt: not as networks/build_networks.py makes it\n"
            "networks/residual/solver.prototxt: not as networks/build_networks.py makes it\n"
        )

    @every_variant
    def test_nets_are_called_as_their_folder(self, name):
        assert [net_text(name, kind).name for kind in ("train", "deploy")] == [name, name]

    def test_the_table_of_the_readme(self):
        heads = {"bins": "313 bins, KLLoss", "ab": "ab, EuclideanLoss"}
        tables = {"plain": "Table 6.1", "residual": "Table 6.2"}
        fillers = {"plain": "msra", "residual": "xavier"}
        rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", (NETWORKS / "README.md").read_text(), re.M)
        rows = {name: cells.split("|") for name, cells in rows if name in VARIANTS}
        assert list(rows) == list(VARIANTS)
        for name, (architecture, head, rebalanced, batch_size, iter_size) in VARIANTS.items():
            cells = [cell.strip() for cell in rows[name]]
            assert cells[0].startswith(tables[architecture])
            assert cells[1:] == [
                heads[head],
                "yes" if rebalanced else "no",
                f"{batch_size} x {iter_size}",
                fillers[architecture],
                f"{PARAMETERS[name]:,}",
            ]


class TestArchitecture:
    @pytest.mark.parametrize(
        ("name", "table", "total"),
        [("plain", TABLE_6_1, 32.22), ("residual", TABLE_6_2, 16.60)],
    )
    def test_convolutions_are_those_of_the_table(self, name, table, total):
        output_shape(name, 1, 1, 224, 224)
        net = deploy(name)
        convs = layers_of(net_text(name, "deploy"), "Convolution", "Deconvolution")
        assert set(convs) == {row[0] for row in table} | {"ab"}
        for layer, resolution, outputs, stride, dilation, thousands in table:
            param = convs[layer].convolution_param
            assert tuple(net.blobs[layer].shape) == (1, outputs, resolution, resolution), layer
            assert (*param.stride, 1)[0] == stride, layer
            assert (*param.dilation, 1)[0] == dilation, layer
            weights = math.prod(net.params[layer][0].shape)
            assert abs(weights / 1000 - thousands) < 0.1, layer
        weights = sum(math.prod(net.params[row[0]][0].shape) for row in table)
        assert abs(weights / 1e6 - total) < 0.01

    @pytest.mark.parametrize("name", PARAMETERS)
    def test_number_of_learned_parameters(self, name):
        types = {layer.name: layer.type for layer in net_text(name, "deploy").layer}
        learned = [
            math.prod(blob.shape)
            for layer, blobs in deploy(name).params.items()
            if types[layer] != "BatchNorm" and layer != "ab"
            for blob in blobs
        ]
        assert sum(learned) == PARAMETERS[name]

    @pytest.mark.parametrize("name", ["plain", "residual"])
    def test_quarter_has_a_quarter_of_the_channels(self, name):
        whole, quarter = (
            layers_of(net_text(n, "deploy"), "Convolution", "Deconvolution")
            for n in (name, f"{name}_quarter")
        )
        assert list(quarter) == list(whole)
        for layer in whole:
            outputs = whole[layer].convolution_param.num_output
            kept = layer in ("pred_313", "ab")
            wanted = outputs if kept else outputs / 4
            assert quarter[layer].convolution_param.num_output == wanted, layer

    def test_plain_blocks_end_in_batch_norm_and_are_followed_by_nothing_else(self):
        net = net_text("plain", "deploy")
        norms = layers_of(net, "BatchNorm")
        last = {1: 2, 2: 2, 3: 3, 4: 3, 5: 3, 6: 3, 7: 3}
        assert list(norms) == [f"conv{block}_{i}norm" for block, i in last.items()]
        types = [layer.type for layer in net.layer]
        assert types.count("ReLU") == 22
        assert set(types) == {
            "Input",
            "Power",
            "Convolution",
            "Deconvolution",
            "ReLU",
            "BatchNorm",
            "Softmax",
        }
        for name in norms:
            before = next(layer for layer in net.layer if layer.name == name.removesuffix("norm"))
            assert list(norms[name].bottom) == list(before.top)

    def test_residual_normalises_what_feeds_a_sum_and_conv5_3(self):
        net = net_text("residual", "deploy")
        convs = layers_of(net, "Convolution")
        assert [n for n in convs if not convs[n].convolution_param.bias_term] == NORMALISED + ["ab"]
        assert list(layers_of(net, "BatchNorm")) == [f"{name}_bn" for name in NORMALISED]
        scales = layers_of(net, "Scale")
        assert list(scales) == [f"{name}_scale" for name in NORMALISED]
        assert all(scale.scale_param.bias_term for scale in scales.values())
        relus = [layer.bottom[0] for layer in net.layer if layer.type == "ReLU"]
        others = set(convs) - set(NORMALISED) - {"pred_313", "ab"}
        assert set(relus) == others | {"res1", "res2", "res3", "res4"}
        assert len(relus) == len(set(relus))

    def test_residual_shortcuts(self):
        sums = layers_of(net_text("residual", "deploy"), "Eltwise")
        assert {name: list(layer.bottom) for name, layer in sums.items()} == {
            "res1": ["conv1_branch1", "conv1_branch2b"],
            "res2": ["res1", "conv2_branch2b"],
            "res3": ["conv3_branch1", "conv3_branch2c"],
            "res4": ["conv4_branch1", "conv4_branch2b"],
        }
        assert all(layer.eltwise_param.operation == 1 for layer in sums.values())

    @every_variant
    @pytest.mark.parametrize("kind", ["train", "deploy"])
    def test_no_solver_touches_statistics(self, name, kind):
        for layer in layers_of(net_text(name, kind), "BatchNorm").values():
            assert [(p.lr_mult, p.decay_mult) for p in layer.param] == [(0, 0)] * 3

    def test_dropout_follows_each_block(self):
        net = net_text("plain_dropout", "train")
        drops = layers_of(net, "Dropout")
        assert list(drops) == [f"drop{block}" for block in range(1, 9)]
        ratios = [layer.dropout_param.dropout_ratio for layer in drops.values()]
        np.testing.assert_allclose(ratios, np.linspace(0.1, 0.3, 8), rtol=0, atol=1e-4)
        assert [list(layer.bottom) for layer in drops.values()] == [
            ["conv1_2norm"],
            ["conv2_2norm"],
            ["conv3_3norm"],
            ["conv4_3norm"],
            ["conv5_3norm"],
            ["conv6_3norm"],
            ["conv7_3norm"],
            ["conv8_3"],
        ]

    @pytest.mark.parametrize(
        ("name", "base"),
        [
            ("plain_no_rebalance", "plain"),
            ("plain_dropout", "plain"),
            ("residual_no_rebalance", "residual"),
        ],
    )
    def test_deployed_variants_differ_in_weights_only(self, name, base):
        mine, other = net_text(name, "deploy"), net_text(base, "deploy")
        kept = [layer for layer in mine.layer if layer.type != "Dropout"]
        assert kept == list(other.layer)

    @every_variant
    def test_deploy_and_train_have_the_same_trunk(self, name):
        train, deployed = net_text(name, "train"), net_text(name, "deploy")
        for layer in train.layer:
            if layer.HasField("convolution_param"):
                assert layer.convolution_param.HasField("weight_filler"), layer.name
                layer.convolution_param.ClearField("weight_filler")
        last = "scale_ab" if name == "plain_l2_ab" else "pred_313"

        def trunk(net):
            names = [layer.name for layer in net.layer]
            return list(net.layer)[names.index("scaled_l") : names.index(last) + 1]

        assert len(trunk(train)) > 40
        assert trunk(train) == trunk(deployed)


class TestDeploy:
    @pytest.mark.parametrize(
        ("name", "shape", "expected"),
        [
            ("plain", (1, 1, 224, 224), (1, 2, 56, 56)),
            ("plain", (1, 1, 360, 640), (1, 2, 90, 160)),
            ("plain", (3, 1, 101, 67), (3, 2, 26, 18)),
            ("plain_l2_ab", (1, 1, 360, 640), (1, 2, 90, 160)),
            ("plain_quarter", (3, 1, 101, 67), (3, 2, 26, 18)),
            ("residual", (1, 1, 224, 224), (1, 2, 56, 56)),
            ("residual", (1, 1, 360, 640), (1, 2, 90, 160)),
            ("residual", (3, 1, 101, 67), (3, 2, 26, 17)),
        ],
    )
    def test_output_is_a_quarter_of_the_input(self, name, shape, expected):
        assert output_shape(name, *shape) == expected

    @every_variant
    def test_input_and_output_by_default(self, name):
        net = net_text(name, "deploy")
        assert list(net.layer[0].input_param.shape[0].dim) == [1, 1, 224, 224]
        assert list(net.layer[0].top) == ["data_l"]
        assert list(net.layer[-1].top) == ["ab"]

    def test_ab_is_the_expectation_of_the_histogram(self):
        rng = np.random.default_rng(7)
        net = caffe.Net(str(NETWORKS / "plain_quarter/deploy.prototxt"), caffe.TEST)
        for layer, blobs in net.params.items():
            if layer.endswith("norm"):
                blobs[1].data[...] = blobs[2].data[...] = 1
                continue
            for blob in blobs:
                blob.data[...] = rng.normal(0, 0.1, blob.data.shape)
        pairs = rng.uniform(-110, 110, (2, 313, 1, 1))
        net.params["ab"][0].data[...] = pairs
        data_l = rng.uniform(0, 100, (2, 1, 24, 40)).astype(np.float32)
        net.blobs["data_l"].reshape(*data_l.shape)
        net.blobs["data_l"].data[...] = data_l
        net.forward()
        np.testing.assert_allclose(net.blobs["scaled_l"].data, data_l / 100, rtol=1e-6)
        prob = net.blobs["prob"].data
        assert prob.shape == (2, 313, 6, 10)
        assert prob.std(axis=(0, 2, 3)).max() > 1e-4
        np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=1e-5)
        expected = np.einsum("nqhw,cq->nchw", prob, pairs[:, :, 0, 0])
        np.testing.assert_allclose(net.blobs["ab"].data, expected, rtol=1e-4, atol=1e-3)

    def test_predicted_ab_spans_the_grid(self):
        net = caffe.Net(str(NETWORKS / "plain_l2_ab/deploy.prototxt"), caffe.TEST)
        net.blobs["data_l"].reshape(1, 1, 16, 24)
        net.params["pred"][1].data[...] = [9, -0.5]
        net.forward()
        expected = np.broadcast_to(110 * np.tanh([9, -0.5])[:, None, None], (2, 4, 6))
        np.testing.assert_allclose(net.blobs["ab"].data[0], expected, rtol=1e-5)


class TestZhang2016:
    def test_layers_but_the_first_and_last_are_those_of_plain(self):
        mine, plain = net_text("zhang_2016", "deploy"), net_text("plain", "deploy")
        names = [layer.name for layer in mine.layer]
        assert names[:3] == ["data_l", "centred_l", "bw_conv1_1"]
        assert names[-5:] == ["conv8_313", "prob", "conv8_313_rh", "class8_313_rh", "ab"]
        assert list(mine.layer)[3:-5] == list(plain.layer)[3:-3]
        first, other = mine.layer[2], plain.layer[2]
        assert first.convolution_param == other.convolution_param
        assert (list(first.bottom), list(first.top)) == (["centred_l"], ["conv1_1"])

    def test_parameters_are_those_of_plain(self):
        shapes = {
            name: [tuple(blob.shape) for blob in blobs]
            for name, blobs in deploy("plain").params.items()
        }
        shapes["bw_conv1_1"], shapes["conv8_313"] = shapes.pop("conv1_1"), shapes.pop("pred_313")
        shapes["conv8_313_rh"] = [(313,)]
        assert shapes == {
            name: [tuple(blob.shape) for blob in blobs]
            for name, blobs in deploy("zhang_2016").params.items()
        }

    def test_prob_is_plain_and_ab_annealed(self, tmp_path, monkeypatch):
        narrow = build_networks.VARIANTS["plain"]._replace(width=1 / 16)
        monkeypatch.setitem(build_networks.VARIANTS, "plain", narrow)
        path = tmp_path / "deploy.prototxt"
        prototxt.write(str(path), build_networks.zhang_deploy_net())
        net = caffe.Net(str(path), caffe.TEST)
        np.testing.assert_array_equal(net.params["conv8_313_rh"][0].data, np.float32(2.606))
        rng = np.random.default_rng(8)
        net.params["conv8_313"][1].data[...] = logits = rng.normal(size=313)
        net.params["ab"][0].data[...] = pairs = rng.uniform(-110, 110, (2, 313, 1, 1))
        net.blobs["data_l"].reshape(1, 1, 16, 24)
        net.blobs["data_l"].data[...] = L = rng.uniform(0, 100, (1, 1, 16, 24))
        net.forward()
        np.testing.assert_allclose(net.blobs["centred_l"].data, L - 50, rtol=0, atol=1e-5)
        p = np.exp(logits) / np.exp(logits).sum()
        annealed = p**2.606 / (p**2.606).sum()
        np.testing.assert_allclose(net.blobs["prob"].data[0, :, 2, 3], p, rtol=1e-5)
        expected = pairs[:, :, 0, 0] @ annealed
        assert np.abs(expected - pairs[:, :, 0, 0] @ p).max() > 1
        np.testing.assert_allclose(net.blobs["ab"].data[0, :, 3, 5], expected, rtol=0, atol=1e-3)


class TestTrain:
    @every_variant
    def test_images_come_from_a_database_for_each_phase(self, name):
        batch_size = VARIANTS[name][3]
        found = [
            (
                list(layer.top),
                [rule.phase for rule in layer.include],
                layer.data_param.source,
                layer.data_param.batch_size,
                layer.data_param.backend,
                layer.transform_param.crop_size,
                layer.transform_param.mirror,
            )
            for layer in net_text(name, "train").layer
            if layer.type == "Data"
        ]
        lmdb_backend = caffe_pb2.DataParameter.LMDB
        train, test = [caffe_pb2.TRAIN], [caffe_pb2.TEST]
        assert found == [
            (["data"], train, "data/train_lmdb", batch_size, lmdb_backend, 224, True),
            (["data"], test, "data/val_lmdb", batch_size, lmdb_backend, 224, False),
        ]

    @every_variant
    def test_loss_and_what_it_compares(self, name):
        _, head, rebalanced, _, _ = VARIANTS[name]
        found = {
            layer.top[0]: (
                layer.python_param.layer or layer.type,
                list(layer.bottom),
                json.loads(layer.python_param.param_str or "{}"),
            )
            for layer in net_text(name, "train").layer
            if layer.type in ("Python", "Slice", "EuclideanLoss")
        }
        expected = {
            "lab": ("BGRToLab", ["data"], {}),
            "data_l": ("Slice", ["lab"], {}),
            "target_ab": ("ABSubsample", ["data_ab"], {"stride": 4}),
        }
        if head == "ab":
            expected["loss"] = ("EuclideanLoss", ["ab", "target_ab"], {})
        else:
            expected["target_313"] = ("SoftEncode", ["target_ab"], {})
            expected["loss"] = ("KLLoss", ["pred_313", "target_313"], {})
        if rebalanced:
            prior = {"prior": "data/train_priors.npy"}
            expected["weights"] = ("ClassRebalance", ["target_313"], prior)
            expected["loss"][1].append("weights")
        assert found == expected

    @every_variant
    def test_every_python_layer_is_weighed_only_where_it_is_a_loss(self, name):
        weights = {
            layer.python_param.layer: list(layer.loss_weight)
            for layer in net_text(name, "train").layer
            if layer.type == "Python"
        }
        assert weights == {layer: [1] if layer == "KLLoss" else [] for layer in weights}

    @every_variant
    def test_fillers(self, name):
        convs = layers_of(net_text(name, "train"), "Convolution", "Deconvolution")
        fillers = {n: convs[n].convolution_param.weight_filler for n in convs}
        kinds = {n: filler.type for n, filler in fillers.items()}
        if VARIANTS[name][0] == "residual":
            assert set(kinds.values()) == {"xavier"}
        else:
            prediction = "pred" if name == "plain_l2_ab" else "pred_313"
            assert kinds.pop(prediction) == "gaussian"
            assert fillers[prediction].std == pytest.approx(0.01)
            assert set(kinds.values()) == {"msra"}


class TestSolvers:
    @every_variant
    def test_recipe(self, name):
        solver = solver_text(name)
        assert solver.net == f"networks/{name}/train.prototxt"
        assert (NETWORKS.parent / solver.net).is_file()
        assert solver.type == "Adam"
        found = (solver.base_lr, solver.momentum, solver.momentum2, solver.gamma)
        assert found == pytest.approx((0.001, 0.9, 0.999, 0.3))
        assert solver.lr_policy == "step"
        assert solver.weight_decay == 0
        assert (solver.display, solver.average_loss) == (20, 20)
        assert solver.stepsize * 2 == solver.max_iter
        assert solver.iter_size == VARIANTS[name][4]
        assert solver.solver_mode == caffe_pb2.SolverParameter.GPU
        assert solver.HasField("random_seed")

    @pytest.mark.parametrize("name", [name for name in VARIANTS if not name.endswith("_quarter")])
    def test_thirty_epochs_of_the_thesis(self, name):
        solver = solver_text(name)
        assert VARIANTS[name][3] * solver.iter_size == 48
        assert math.ceil(42_715 / 48) == solver.snapshot == 890
        assert (solver.stepsize, solver.max_iter) == (13_350, 26_700)

    @every_variant
    def test_snapshots_go_into_a_folder_that_exists(self, name):
        prefix = NETWORKS.parent / solver_text(name).snapshot_prefix
        assert prefix == NETWORKS / name / name

    @every_variant
    def test_there_is_no_test_net_that_would_need_images(self, name):
        solver = solver_text(name)
        assert (list(solver.test_iter), solver.test_interval) == ([], 0)


@pytest.fixture
def narrow_networks(tmp_path, monkeypatch):
    """A working directory with all networks, a sixteenth as wide, and a few images to train on."""
    for name, variant in build_networks.VARIANTS.items():
        narrow = variant._replace(width=1 / 16, batch_size=2, iter_size=1)
        monkeypatch.setitem(build_networks.VARIANTS, name, narrow)
    build_networks.write(tmp_path / "networks")
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(3)
    for database in ("train_lmdb", "val_lmdb"):
        write_images(tmp_path / "data" / database, rng, 3)
    prior = rng.uniform(0.5, 1.5, 313)
    np.save(tmp_path / "data/train_priors.npy", prior / prior.sum())
    monkeypatch.chdir(tmp_path)
    caffe.set_mode_cpu()
    return tmp_path


def write_images(path: Path, rng: np.random.Generator, count: int) -> None:
    """Soft random colours, 230 wide and 240 high, so that crops have room."""
    environment = lmdb.open(str(path), map_size=2**24)
    with environment.begin(write=True) as transaction:
        for key in range(count):
            small = rng.uniform(0, 255, (3, 24, 23)).astype(np.uint8)
            pixels = np.repeat(np.repeat(small, 10, axis=1), 10, axis=2)
            datum = caffe_pb2.Datum(channels=3, height=240, width=230, data=pixels.tobytes())
            transaction.put(f"{key:08}".encode(), datum.SerializeToString())
    environment.close()


class TestTraining:
    @every_variant
    def test_an_iteration_changes_every_weight(self, name, narrow_networks):
        solver = caffe.get_solver(f"networks/{name}/solver.prototxt")
        statistics = layers_of(net_text(name, "train"), "BatchNorm")
        learned = [n for n in solver.net.params if n not in statistics]
        before = {n: [b.data.copy() for b in solver.net.params[n]] for n in learned}
        solver.step(1)
        loss = float(solver.net.blobs["loss"].data)
        assert math.isfinite(loss) and loss > 0
        for layer in learned:
            for old, new in zip(before[layer], solver.net.params[layer], strict=True):
                assert np.isfinite(new.data).all(), layer
                assert not np.array_equal(old, new.data), layer

    @every_variant
    def test_the_test_phase_runs(self, name, narrow_networks):
        net = caffe.Net(f"networks/{name}/train.prototxt", caffe.TEST)
        assert math.isfinite(float(net.forward()["loss"]))

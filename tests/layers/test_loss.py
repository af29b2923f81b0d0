import json

import numpy as np
import pytest

import caffe
from colorization.histogram import Q
from colorization.losses import kl_divergence, kl_divergence_and_gradient
from colorization.rebalancing import save_prior

LOSS_WEIGHT = 2.5


def some_bottoms() -> list:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (2, 6, 3, 5))
    P = np.moveaxis(rng.dirichlet(np.full(6, 0.5), (2, 3, 5)), -1, 1)
    return [x.astype(np.float32) for x in (logits, P, rng.random((2, 1, 3, 5)))]


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("normalization", ["FULL", "BATCH_SIZE", "NONE"])
def test_loss_and_gradient(module, python_net, weighted, normalization):
    bottoms = some_bottoms()[: 3 if weighted else 2]
    net = python_net(
        module,
        "KLLoss",
        *(x.shape for x in bottoms),
        param_str=json.dumps({"normalization": normalization}),
        fields=f"loss_weight: {LOSS_WEIGHT}",
    )
    for i, x in enumerate(bottoms):
        net.blobs[f"in{i}"].data[...] = x
    net.forward()
    net.backward()
    assert tuple(net.blobs["out"].data.shape) == ()
    expected = kl_divergence(*bottoms, normalization=normalization)
    np.testing.assert_allclose(net.blobs["out"].data, expected, rtol=1e-5)
    gradient = kl_divergence_and_gradient(*bottoms, normalization=normalization)[1]
    np.testing.assert_allclose(net.blobs["in0"].diff, LOSS_WEIGHT * gradient, rtol=1e-4, atol=1e-7)
    for i in range(1, len(bottoms)):
        assert not net.blobs[f"in{i}"].diff.any()


TRAIN = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 12 } } }
layer { name: "lab" type: "Python" bottom: "data" top: "lab"
  python_param { module: "%(module)s" layer: "BGRToLab" } }
layer { name: "slice" type: "Slice" bottom: "lab" top: "data_l" top: "data_ab"
  slice_param { slice_point: 1 } }
layer { name: "target_ab" type: "Python" bottom: "data_ab" top: "target_ab"
  python_param { module: "%(module)s" layer: "ABSubsample" } }
layer { name: "scaled" type: "Power" bottom: "data_l" top: "scaled" power_param { scale: 0.01 } }
layer { name: "pred_313" type: "Convolution" bottom: "scaled" top: "pred_313"
  convolution_param { num_output: 313 kernel_size: 4 stride: 4
    weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "target_313" type: "Python" bottom: "target_ab" top: "target_313"
  python_param { module: "%(module)s" layer: "SoftEncode" } }
layer { name: "weights" type: "Python" bottom: "target_313" top: "weights"
  python_param { module: "%(module)s" layer: "ClassRebalance"
    param_str: '{"prior": "prior.npy"}' } }
layer { name: "loss" type: "Python" bottom: "pred_313" bottom: "target_313" bottom: "weights"
  top: "loss" loss_weight: 1 python_param { module: "%(module)s" layer: "KLLoss" } }
"""
SOLVER = """
net: "train.prototxt" type: "Adam" base_lr: 0.05 momentum: 0.9 momentum2: 0.999 lr_policy: "fixed"
random_seed: 7
"""


def test_a_net_of_all_layers_learns(module, tmp_path, monkeypatch):
    """Two pictures of one colour each, a light red and a dark blue, told apart by L alone."""
    monkeypatch.chdir(tmp_path)
    save_prior("prior.npy", np.random.default_rng(2).dirichlet(np.full(Q, 0.3)))
    (tmp_path / "train.prototxt").write_text(TRAIN % {"module": module})
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    solver = caffe.get_solver("solver.prototxt")
    colours = np.array([(120, 120, 250), (150, 40, 30)], np.float32)
    losses = []
    for _ in range(80):
        solver.net.blobs["data"].data[...] = colours[:, :, None, None]
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
    solver.net.forward()
    prediction, target = (solver.net.blobs[name].data for name in ("pred_313", "target_313"))
    np.testing.assert_array_equal(prediction.argmax(axis=1), target.argmax(axis=1))
    assert losses[-1] < 0.2 * losses[0]

"""The runtime against recordings of genuine BVLC Caffe 1.0 (see tests/golden/README.md)."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from module_from_file import load_module

import caffe

GOLDEN = Path(__file__).parent.parent / "golden"
TOLERANCES = {"data": (1e-5, 1e-4)}  # where a case gives none: relative, absolute


def cases(kind):
    folders = sorted(path for path in (GOLDEN / kind).iterdir() if path.is_dir())
    assert folders, f"no cases in {GOLDEN / kind}"
    return [pytest.param(path, id=path.name) for path in folders]


@pytest.fixture
def case(request, tmp_path, monkeypatch):
    """The description of a case, in a copy of its folder, which is the working directory."""
    shutil.copytree(request.param, tmp_path / "case")
    monkeypatch.chdir(tmp_path / "case")
    monkeypatch.syspath_prepend(str(tmp_path / "case"))
    caffe.set_mode_cpu()
    described = Path("case.json")
    found = json.loads(described.read_text()) if described.exists() else {}
    rtol, atol = TOLERANCES.get(request.param.parent.name, (1e-4, 1e-5))
    return {"rtol": rtol, "atol": atol, **found}


def check(case, name, got, expected):
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, name
    if expected.dtype.kind in "fc" or got.dtype.kind in "fc":
        np.testing.assert_allclose(got, expected, case["rtol"], case["atol"], err_msg=name)
    else:
        np.testing.assert_array_equal(got, expected, err_msg=name)


def arrays(data, prefix):
    return [(key, key[len(prefix) :]) for key in data.files if key.startswith(prefix)]


def parameter(net, path, side="data"):
    layer, index = path.rsplit("/", 1)
    return getattr(net.params[layer][int(index)], side)


def open_net(case):
    options = {"level": case.get("level", 0)}
    if case.get("stages"):
        options["stages"] = case["stages"]
    for name in ("weights.caffemodel", "weights.caffemodel.h5"):
        if Path(name).exists():
            options["weights"] = name
    net = caffe.Net("net.prototxt", getattr(caffe, case.get("phase", "TEST")), **options)
    check_structure(net, case)
    return net


def check_structure(net, case):
    found = {
        "blobs": list(net.blobs),
        "inputs": list(net.inputs),
        "outputs": list(net.outputs),
        "layers": [[name, layer.type] for name, layer in zip(net._layer_names, net.layers)],
        "params": {n: [list(b.data.shape) for b in blobs] for n, blobs in net.params.items()},
    }
    for key, value in found.items():
        assert value == case.get(key, value), key


def check_net(case):
    data, net = np.load("data.npz"), open_net(case)
    passes = case.get("forward_passes", 1)
    for k in range(passes):
        number = str(k) if passes > 1 else ""
        for key, blob in arrays(data, f"in{number}/"):
            net.blobs[blob].data[...] = data[key]
        net.forward()
        for key, blob in arrays(data, f"out{number}/"):
            check(case, key, net.blobs[blob].data, data[key])
        for key, path in arrays(data, f"param{number}/"):
            check(case, key, parameter(net, path), data[key])
    if case.get("backward"):
        check_backward(case, net, data)


def check_backward(case, net, data):
    net.clear_param_diffs()
    for key, blob in arrays(data, "topdiff/"):
        if blob not in case.get("loss_blobs", {}):
            net.blobs[blob].diff[...] = data[key]
    net.backward()
    for key, blob in arrays(data, "dbottom/"):
        check(case, key, net.blobs[blob].diff, data[key])
    for key, path in arrays(data, "dparam/"):
        check(case, key, parameter(net, path, "diff"), data[key])


def check_training(case):
    data, trajectory = np.load("data.npz"), np.load("trajectory.npz")
    solver = caffe.get_solver("solver.prototxt")
    solver.net.copy_from("weights.caffemodel")
    for k in range(len(trajectory["loss"])):
        for key, blob in arrays(data, "in/"):
            solver.net.blobs[blob].data[...] = data[key]
        solver.step(1)
        for key, path in arrays(trajectory, "param/"):
            name = f"iteration {k} {key}"
            check(case, name, parameter(solver.net, path), trajectory[key][k + 1])
        for key, blob in arrays(trajectory, "lossblob/"):
            loss = solver.net.blobs[blob].data.sum(dtype=np.float64)
            check(case, f"iteration {k} {key}", loss, trajectory[key][k])


@pytest.mark.parametrize("case", cases("layers"), indirect=True)
def test_layer(case):
    check_net(case)


@pytest.mark.parametrize("case", cases("nets"), indirect=True)
def test_net(case):
    check_net(case)


@pytest.mark.parametrize("case", cases("python_layers"), indirect=True)
def test_python_layer(case):
    check_net(case)
    if case.get("trajectory"):
        check_training(case)


@pytest.mark.parametrize("case", cases("data"), indirect=True)
def test_data(case):
    data, net = np.load("data.npz"), open_net(case)
    if Path("arrays.npz").exists():
        given = np.load("arrays.npz")
        net.set_input_arrays(*(np.ascontiguousarray(given[k], np.float32) for k in given.files))
    for k in range(case.get("batches", 1)):
        net.forward()
        for key, blob in arrays(data, f"out{k}/"):
            check(case, key, net.blobs[blob].data, data[key])


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the recorded flows
@pytest.mark.parametrize("case", cases("pycaffe"), indirect=True)
def test_pycaffe(case):
    if case.get("case") == "draw":
        pytest.importorskip("pydot")
    flow = load_module("flow.py")
    result = flow.run(caffe)
    expected = np.load("result.npz") if Path("result.npz").exists() else {}
    for key in expected:
        check(case, key, result[key], expected[key])
    if Path("result.json").exists():
        for key, value in json.loads(Path("result.json").read_text()).items():
            got = json.loads(json.dumps(result.get(key), default=str))
            assert got == (
                pytest.approx(value, 1e-4, 1e-5) if isinstance(value, float) else value
            ), key

"""Every name of genuine pycaffe is here, of the same kind and with the same arguments."""

import importlib
import inspect
import json
import re
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest

import caffe
from caffe.errors import CaffeError

API = json.loads((Path(__file__).parent.parent / "golden" / "pycaffe" / "api.json").read_text())
NET = 'layer { name: "x" type: "Parameter" top: "x" parameter_param { shape { dim: 2 } } }'
PLACES = {key: names for key, names in API.items() if key.startswith("caffe")}
NAMES = [(where, name) for where, names in PLACES.items() for name in names]


def recorded_signatures():
    """Path -> names of the arguments, for what pycaffe has in Python; `self` is left out."""
    calls = {f"{where}.{name}": PLACES[where][name].get("call") for where, name in NAMES}
    calls |= API["constructors"]
    texts = {path: call for path, call in calls.items() if isinstance(call, str)}
    return {
        path: [name for name in re.findall(r"[(,] *\**(\w+)", call) if name != "self"]
        for path, call in texts.items()
        if "/" not in call
    }


SIGNATURES = recorded_signatures()


@pytest.fixture
def instances(tmp_path):
    """An object of each class whose properties are set when it is made."""
    (tmp_path / "net.prototxt").write_text(NET)
    solver = tmp_path / "solver.prototxt"
    solver.write_text(
        f'net: "{tmp_path}/net.prototxt" base_lr: 1 lr_policy: "fixed" solver_mode: CPU'
    )
    made = {name: getattr(caffe, name)(str(solver)) for name in dir(caffe) if "Solver" in name}
    made["Solver"] = made["SGDSolver"]
    made["SolverParameter"] = made["SGDSolver"].param
    return {**made, "Net": made["SGDSolver"].net, "Layer": caffe.Layer()}


def resolve(path):
    return reduce(getattr, path.split(".")[1:], caffe)


@pytest.mark.parametrize("module", API["modules"])
def test_modules_can_be_imported(module):
    assert importlib.import_module(module)


def test_all_names(instances):
    lacking = [
        f"{where}.{name}"
        for where, name in NAMES
        if not hasattr(instances.get(where.rpartition(".")[2], resolve(where)), name)
    ]
    assert lacking == [] and len(NAMES) > 200


@pytest.mark.parametrize(("where", "name"), NAMES)
def test_kinds(where, name, instances):
    kind = PLACES[where][name]["kind"]
    found = getattr(instances.get(where.rpartition(".")[2], resolve(where)), name)
    if kind == "class":
        assert inspect.isclass(found)
    elif kind == "module":
        assert inspect.ismodule(found)
    elif kind == "function":
        assert callable(found)


@pytest.mark.parametrize("path", SIGNATURES)
def test_arguments_have_the_same_names(path):
    found = [name for name in inspect.signature(resolve(path)).parameters if name != "self"]
    assert found[: len(SIGNATURES[path])] == SIGNATURES[path]


def test_signatures_are_there():
    assert len(SIGNATURES) > 40
    assert SIGNATURES["caffe.io.load_image"] == ["filename", "color"]


def test_messages_are_there_once_caffe_is_imported():
    code = "import caffe; assert 'caffe.proto' not in __import__('sys').modules; "
    code += "caffe.proto.caffe_pb2.BlobProto()"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'caffe_pb3'"):
        caffe.proto.caffe_pb3  # noqa: B018


def test_tables_of_a_net_are_made_once(instances):
    net = instances["Net"]
    for name in ("params", "layer_dict", "top_names", "bottom_names", "blob_loss_weights"):
        assert getattr(net, name) is getattr(net, name), name
    assert net.params.pop("x") and not net.params


def test_layer_types_and_version():
    assert set(API["layer_type_list"]) <= set(caffe.layer_type_list())
    assert caffe.__version__ == API["version"]


def test_nccl_is_refused():
    assert not caffe.has_nccl()
    with pytest.raises(CaffeError, match="NCCL is not supported"):
        caffe.NCCL(None, "uid")


def test_pycaffe_has_no_other_names():
    with pytest.raises(AttributeError, match="no attribute 'Nett'"):
        caffe.pycaffe.Nett  # noqa: B018
    caffe.set_multiprocess(True)
    caffe.set_multiprocess(False)

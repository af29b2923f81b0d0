"""docs/layers.md is what the code says."""

from pathlib import Path

import pytest
from module_from_file import load_module

from caffe.net_building import layer_type_list

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def maker():
    return load_module(DOCS / "make_layers.py")


def test_page_is_up_to_date(maker, capsys):
    assert maker.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_page_is_told(maker, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(maker, "PAGE", tmp_path / "layers.md")
    assert maker.main(["--check"]) == 1
    assert "run python docs/make_layers.py" in capsys.readouterr().out
    assert maker.main([]) == 0 and maker.main(["--check"]) == 0
    assert maker.main(["--chek"]) == 1


def test_every_type_has_its_section():
    text = (DOCS / "layers.md").read_text("utf-8")
    for kind in layer_type_list():
        body = text.partition(f"\n## {kind}\n")[2].partition("\n## ")[0]
        assert len(body.split()) > 5, kind


@pytest.mark.parametrize(
    "row",
    [
        "| `num_output` | uint32 | 0 | read |",
        "| `kernel_h` | uint32 | 0 | read |",
        "| `engine` | DEFAULT CAFFE CUDNN | DEFAULT | accepted |",
        "| `force_nd_im2col` | bool | false | accepted |",
        "| `backend` | LEVELDB LMDB | LEVELDB | read |",
        "| `crop_size` | uint32 | 0 | refused |",
        "| `weight_filler` | [FillerParameter](#fillerparameter) |  | read |",
    ],
)
def test_rows(row):
    assert row in (DOCS / "layers.md").read_text("utf-8").splitlines()

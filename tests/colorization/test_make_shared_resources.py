from pathlib import Path

import numpy as np
import pytest
from module_from_file import load_module

import caffe
from colorization.histogram import ab_pairs, expectation
from colorization.rebalancing import load_prior
from colorization.resources import shared_resources

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def script():
    path = HERE.parents[1] / "scripts" / "make_shared_resources.py"
    return load_module(path)


def test_the_rule_gives_the_published_list(script):
    published = np.loadtxt(HERE / "ab_313.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(script.gamut_pairs(), published)
    np.testing.assert_array_equal(ab_pairs(), published)


def test_the_files_are_what_the_script_makes(script, tmp_path):
    script.main(["--output", str(tmp_path)])
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["ab_pairs.caffemodel", "ab_pairs.npy", "bigbuckbunny_train_priors.npy"]
    for name in made[:2]:
        assert (tmp_path / name).read_bytes() == (shared_resources() / name).read_bytes()
    # Decoders of other versions may round a pixel otherwise.
    np.testing.assert_allclose(
        load_prior(tmp_path / made[2]), load_prior(shared_resources() / made[2]), atol=1e-4
    )


DECODER = """
layer { name: "prob" type: "Input" top: "prob"
  input_param { shape { dim: 2 dim: 313 dim: 3 dim: 4 } } }
layer { name: "ab" type: "Convolution" bottom: "prob" top: "ab"
  convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }
"""


def test_the_weights_make_a_net_decode(tmp_path):
    (tmp_path / "deploy.prototxt").write_text(DECODER)
    net = caffe.Net(str(tmp_path / "deploy.prototxt"), caffe.TEST)
    net.copy_from(str(shared_resources() / "ab_pairs.caffemodel"))
    p = np.random.default_rng(1).dirichlet(np.full(313, 0.1), (2, 3, 4))
    net.blobs["prob"].data[...] = np.moveaxis(p, -1, 1)
    got = net.forward()["ab"]
    np.testing.assert_allclose(got, expectation(np.moveaxis(p, -1, 1)), rtol=0, atol=1e-4)

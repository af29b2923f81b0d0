"""What runs on a GPU, on a stand-in for one: no operation may mix devices, and numbers agree."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch.utils import backend_registration

from colorization.finishing import Finish
from colorization.inference import Colorizer, lightness

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OTHERS = [  # a view of an array shows what a GPU computed once it is asked for again
    "tests/runtime/test_golden.py::test_pycaffe[blob_views]",
    # names the class of tensors
    "tests/runtime/test_python_layer.py::test_same_numbers_on_arrays_and_tensors[TensorSquare-Tensor]",
]
SUITES = (
    "runtime/test_golden.py",
    "runtime/test_golden_solvers.py",
    "runtime/test_python_layer.py",
)
FINISHES = [
    {},
    {"upsampling": "joint_bilateral", "refinement": "guided"},
    {"refinement": "growing"},
]
DECODERS = ("expectation", "annealed_mean", "mode")
COLOURED = """
import sys
import stand_in_gpu
import numpy as np
from test_stand_in_gpu import coloured
np.save(sys.argv[1], coloured(0))
"""

pytestmark = pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
    reason="torch has no slot for devices in Python",
)


def python(*arguments):
    places = [HERE, ROOT / "runtime", ROOT]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_recordings_and_layers_on_the_device():
    chosen = [f"tests/{suite}" for suite in (*SUITES, "layers")]
    left_out = [word for name in OTHERS for word in ("--deselect", name)]
    quick = ("-p", "stand_in_gpu", "-p", "no:cacheprovider")
    done = python("-m", "pytest", *quick, *chosen, *left_out)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 300


def test_devices_do_not_mix():
    code = "import torch, stand_in_gpu as s; torch.ones(2, 3, device=s.DEVICE) + torch.ones(2, 3)"
    done = python("-c", code)
    assert done.stderr.endswith("aten.add.Tensor: tensors on stand_in:0 and on cpu\n")


def coloured(gpu):
    """Return pictures (N, H, W, 3), coloured and finished in several ways."""
    rgb = np.random.default_rng(4).integers(0, 256, (6, 7, 1), np.uint8)
    L = lightness(np.kron(rgb.repeat(3, 2), np.ones((9, 11, 1), np.uint8)))
    pictures = []
    for decoder in DECODERS:
        colorizer = Colorizer("residual_quarter", gpu=gpu, decoder=decoder, size=(48, 64))
        seen = colorizer.shrink(L)
        ab = colorizer.predict([seen, seen[::-1].copy()])[0]
        pictures += [Finish(**finish)(L, ab, seen.shape) for finish in FINISHES]
    return np.stack(pictures)


def test_colouring_on_the_device(tmp_path):
    done = python("-c", COLOURED, tmp_path / "gpu.npy")
    assert done.returncode == 0, done.stderr
    found, expected = np.load(tmp_path / "gpu.npy").astype(int), coloured(None)
    assert expected.shape == (9, 54, 77, 3) and np.ptp(expected.astype(int), axis=3).mean() > 5
    assert np.abs(found - expected).max() <= 1

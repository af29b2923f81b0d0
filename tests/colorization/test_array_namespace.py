import subprocess
import sys

import numpy as np
import pytest
import torch

from colorization.array_namespace import array_namespace, asarray_like, constant, to_numpy


def test_namespace_is_that_of_the_argument():
    assert array_namespace(np.zeros(2)) is np
    assert array_namespace(torch.zeros(2)) is torch


def test_a_list_is_refused():
    with pytest.raises(TypeError) as error:
        array_namespace([1.0])
    assert str(error.value) == "expected a numpy array or a torch tensor, got list"


def test_numbers_on_the_host(library):
    x = library.array([1.0, 2.5], np.float32)
    result = to_numpy(x)
    assert type(result) is np.ndarray and result.dtype == np.float32
    assert result.tolist() == [1.0, 2.5]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_asarray_like_takes_the_dtype_but_keeps_indices(library, dtype):
    x = library.array([1.0], dtype)
    assert library.host(asarray_like(np.array([0.5, 2.0]), x), dtype).tolist() == [0.5, 2.0]
    assert library.host(asarray_like(np.array([3, 4], np.int32), x), np.int64).tolist() == [3, 4]


def test_constants_are_made_once_for_each_dtype(library):
    made = []

    def make(scale):
        made.append(scale)
        return np.arange(3.0) * scale

    first = constant(make, library.array([1.0]), 2)
    assert constant(make, library.array([7.0]), 2) is first
    assert library.host(first).tolist() == [0, 2, 4]
    library.host(constant(make, library.array([1.0], np.float64), 2), np.float64)
    assert made == [2, 2]


def test_the_mathematics_imports_neither_torch_nor_the_runtime():
    code = (
        "import sys, numpy as np\n"
        "from colorization import colour, histogram, losses, rebalancing\n"
        "ab = np.zeros((1, 2, 3, 4), np.float32)\n"
        "P = histogram.soft_encode(ab)\n"
        "losses.kl_divergence(P, P, rebalancing.pixel_weights(P, np.ones(313)))\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'caffe', 'scipy')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

"""The benchmark for GPUs, as far as it can be told without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "torch finds no CUDA device; --device cpu tries the script without one"),
        (("--device", "tpu"), '--device is "tpu", expected cuda, cuda:<number> or cpu'),
    ],
)
def test_without_a_gpu_it_ends_with_one_line(arguments, message):
    paths = os.pathsep.join(p for p in sys.path if p)
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": paths}
    command = [sys.executable, str(SCRIPT), *arguments]
    result = subprocess.run(command, env=hidden, capture_output=True, text=True)
    assert result.returncode == 1
    assert (result.stdout, result.stderr) == ("", f"gpu.py: {message}\n")

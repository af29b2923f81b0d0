"""Each test that takes `library` runs on numpy, on read-only numpy, on torch and on CUDA."""

import numpy as np
import pytest
import torch


class Library:
    """Makes arrays of one kind, and takes results back to numpy."""

    def __init__(self, name: str):
        self.name = name

    def array(self, values, dtype=np.float32):
        """Return `values` as an array that the function under test may not write to."""
        values = np.array(values, dtype)
        if self.name in ("torch", "cuda"):
            return torch.from_numpy(values).to("cpu" if self.name == "torch" else "cuda")
        values.setflags(write=self.name == "numpy")
        return values

    def host(self, result, dtype=np.float32) -> np.ndarray:
        """Return `result` in numpy, once its library, device and dtype are as they should be."""
        if self.name in ("torch", "cuda"):
            assert isinstance(result, torch.Tensor)
            assert result.device.type == ("cpu" if self.name == "torch" else "cuda")
            result = result.cpu().numpy()
        assert isinstance(result, (np.ndarray, np.generic))
        assert result.dtype == dtype
        return np.asarray(result)


GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
)


@pytest.fixture(params=["numpy", "read-only numpy", "torch", pytest.param("cuda", marks=GPU)])
def library(request) -> Library:
    return Library(request.param)

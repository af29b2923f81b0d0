"""The command: a .pth becomes weights that colour; errors are one line; wrong usage."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from module_from_file import load_module

from colorization.histogram import ab_pairs
from colorization.network import Network, network_path
from colorization.published_weights import default_output

SCRIPT = Path(__file__).parents[2] / "scripts" / "fetch_weights.py"
CONVOLUTIONS = (2, 2, 3, 3, 3, 3, 3)


@pytest.fixture(scope="module")
def main():
    return load_module(SCRIPT).main


def constant(value, *shape):
    """A tensor of one number, which torch.save stores once."""
    return torch.tensor(float(value)).expand(shape)


def entries(logits):
    """The entries of the .pth, with constant weights but for the last biases."""
    state, inputs = {}, 1
    for block, count in enumerate(CONVOLUTIONS, 1):
        outputs = min(64 * 2 ** (block - 1), 512)
        for i in range(count):
            state[f"model{block}.{2 * i}.weight"] = constant(1e-4, outputs, inputs, 3, 3)
            state[f"model{block}.{2 * i}.bias"] = constant(0.1, outputs)
            inputs = outputs
        for name, value in (("weight", 1), ("bias", 0), ("running_mean", 2), ("running_var", 3)):
            state[f"model{block}.{2 * count}.{name}"] = constant(value, outputs)
        state[f"model{block}.{2 * count}.num_batches_tracked"] = torch.tensor(7)
    for i, shape in enumerate([(512, 256, 4, 4), (256, 256, 3, 3), (256, 256, 3, 3)]):
        state[f"model8.{2 * i}.weight"] = constant(1e-4, *shape)
        state[f"model8.{2 * i}.bias"] = constant(0.1, 256)
    state["model8.6.weight"] = constant(1e-4, 313, 256, 1, 1)
    state["model8.6.bias"] = torch.from_numpy(logits.astype(np.float32))
    state["model_out.weight"] = torch.from_numpy(ab_pairs().T[:, :, None, None] / 110)
    return state


def test_a_pth_becomes_weights_that_colour(main, tmp_path, capsys):
    logits = np.random.default_rng(1).normal(0, 2, 313)
    torch.save(entries(logits), tmp_path / "weights.pth")
    digest = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()
    source = tmp_path / f"weights-{digest[:8]}.pth"
    (tmp_path / "weights.pth").rename(source)
    output = tmp_path / "new" / "zhang.caffemodel"
    try:
        assert main([str(source), "--output", str(output)]) == 0
        assert capsys.readouterr().out == f"{output}: from {source}, sha256 {digest}\n"
        assert list(output.parent.iterdir()) == [output]
        network = Network(network_path("zhang_2016"), output)
    finally:
        output.unlink(missing_ok=True)  # too large to stay in the folder that pytest keeps
    L = np.full((1, 1, 16, 24), 40, np.float32)
    # Weights that do not tell bins apart leave the histogram to the biases.
    p = np.exp(logits) / np.exp(logits).sum()
    expected = np.broadcast_to((p @ ab_pairs())[:, None, None], (2, 4, 6))
    np.testing.assert_allclose(network(L, "ab")[0], expected, rtol=0, atol=1e-3)


def test_errors_are_one_line(main, tmp_path, capsys):
    source = tmp_path / "weights-00000000.pth"
    source.write_bytes(b"other")
    output = tmp_path / "new" / "zhang.caffemodel"
    assert main([str(source), "--output", str(output)]) == 1
    digest = hashlib.sha256(b"other").hexdigest()
    expected = f"fetch_weights: {source}: its sha256 is {digest}, expected 00000000\n"
    assert capsys.readouterr() == ("", expected)
    assert list(output.parent.iterdir()) == []


def test_wrong_usage(main, capsys):
    with pytest.raises(SystemExit) as error:
        main(["weights.pth", "--sha256", "9b330a0b"])
    assert error.value.code == 2
    assert 'expected 64 hexadecimal digits, got "9b330a0b"' in capsys.readouterr().err


def test_the_default_is_where_the_network_finds_it():
    expected = network_path("zhang_2016").parent / "zhang_2016.caffemodel"
    assert default_output() == expected

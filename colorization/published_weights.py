"""The published weights of Zhang et al., *Colorful image colorization* (ECCV 2016).

Their Caffe files fit the network as they are. Their PyTorch file is converted, exactly: it differs
in the scale of its input, in BatchNorm's form and in having no layer of its own for the annealing.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import numpy as np
from tqdm import tqdm

from colorization.errors import ColorizationError
from colorization.files import replacing
from colorization.histogram import ab_pairs
from colorization.network import caffe_error, network_path
from colorization.resources import resource

NETWORK = "zhang_2016"
CONVOLUTIONS = (2, 2, 3, 3, 3, 3, 3)  # of blocks 1 to 7; a BatchNorm follows each block
REHEATING = 2.606  # of conv8_313_rh; the PyTorch net has no such layer
L_RANGE, AB_RANGE = 100, 110  # the PyTorch net takes (L - 50) / 100 and gives ab / 110
EPS = 1e-5  # of BatchNorm, in both
SMALLEST_FACTOR = 1e-7  # of BatchNorm's in PyTorch: what is nearer to 0 shows in no float32
CHUNK = 2**20
TIMEOUT = 60  # seconds without an answer
KNOWN_FILES = (
    "colorization_release_v2.caffemodel, colorization_release_v2_norebal.caffemodel "
    "or colorization_release_v2-9b330a0b.pth"
)

Blobs = dict[str, list[np.ndarray]]  # layer name -> parameters, as Caffe stores them


class WeightsError(ColorizationError):
    """Weights could not be got or are not the published ones: one line."""


def default_output() -> Path:
    """Return where `network_weights` looks for the weights of this network first."""
    return network_path(NETWORK).with_name(f"{NETWORK}.caffemodel")


def fetch(source: str, output: Path, sha256: str | None = None) -> str:
    """Write the weights from a file or an http(s) address as a .caffemodel; return their sha256.

    The checksum is that of the source. It must be `sha256`, 64 hexadecimal digits, where given, and
    begin as the name of a .pth says (`name-<8 digits>.pth`). WeightsError, and nothing is written,
    if it is another, if the source cannot be read or if its layers are not those of the network.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    name = _file_name(source)
    if Path(name).suffix not in (".caffemodel", ".pth"):
        raise WeightsError(f"{source}: expected {KNOWN_FILES}")
    with tempfile.TemporaryDirectory(prefix=".fetch_weights.", dir=output.parent) as folder:
        path = _download(source, Path(folder, name)) if _is_address(source) else Path(source)
        digest = _sha256(path, source)
        _check(digest, sha256 or _named_digest(name), source)
        with replacing(output) as temporary:
            write = _convert if path.suffix == ".pth" else _copy
            write(path, temporary, source)
    return digest


# Getting the file


def _is_address(source: str) -> bool:
    return urlsplit(source).scheme in ("http", "https")


def _file_name(source: str) -> str:
    return Path(unquote(urlsplit(source).path) if _is_address(source) else source).name


def _download(address: str, path: Path) -> Path:
    """Write what is at an address into a file, under a progress bar."""
    try:
        with urlopen(address, timeout=TIMEOUT) as answer, open(path, "wb") as file:
            expected = int(answer.headers.get("Content-Length") or 0)
            with tqdm(
                desc=path.name, total=expected or None, unit="B", unit_scale=True, disable=None
            ) as bar:
                while piece := answer.read(CHUNK):
                    file.write(piece)
                    bar.update(len(piece))
    except HTTPError as error:
        with error:
            raise WeightsError(f"{address}: {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(f"{address}: {_line(error)}") from None
    received = path.stat().st_size
    if expected and received != expected:
        raise WeightsError(f"{address}: ended after {received} bytes, expected {expected}")
    return path


def _sha256(path: Path, source: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
    except OSError as error:
        raise WeightsError(f"{source}: {error.strerror}") from None
    return digest.hexdigest()


def _named_digest(name: str) -> str:
    """Return the start of the checksum that is part of a .pth's name, or ""."""
    found = re.search(r"-([0-9a-f]{8,64})\.pth$", name)
    return found[1] if found else ""


def _check(digest: str, expected: str, source: str) -> None:
    if not digest.startswith(expected.lower()):
        raise WeightsError(f"{source}: its sha256 is {digest}, expected {expected}")


def _line(error: Exception) -> str:
    """Return what an error says, without line breaks; urllib hides the cause in `reason`."""
    return " ".join(str(getattr(error, "reason", None) or error).split()) or type(error).__name__


# Caffe's files


def _copy(path: Path, output: Path, source: str) -> None:
    """Copy a .caffemodel that has what the network needs."""
    net = _net()
    try:
        net.copy_from(str(path))
    except (caffe_error(), RuntimeError) as error:
        raise WeightsError(_line(error).replace(str(path), source)) from None
    for name, blobs in net.params.items():
        # What a file lacks stays 0: BatchNorm's last blob never is, and neither are all weights.
        decisive = blobs[2] if name.endswith("norm") else blobs[0]
        if name != "ab" and not decisive.data.any():
            raise WeightsError(f'{source}: has no layer "{name}"; expected {KNOWN_FILES}')
    shutil.copyfile(path, output)


def _net():
    import caffe

    caffe.set_mode_cpu()
    return caffe.Net(str(network_path(NETWORK)), caffe.TEST)


# PyTorch's file


def _convert(path: Path, output: Path, source: str) -> None:
    """Write a .pth as .caffemodel, with the pairs in the layer `ab`."""
    net = _net()
    for name, arrays in caffe_blobs(_read_state(path, source), source).items():
        for blob, array in zip(net.params[name], arrays):
            blob.data[...] = array
    net.copy_from(str(resource("ab_pairs.caffemodel")))
    net.save(str(output))


def _read_state(path: Path, source: str) -> dict[str, np.ndarray]:
    """Return the tensors of a .pth by name; nothing but tensors is ever loaded."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}
    except Exception:  # the unpickler and the readers of both formats raise nearly anything
        raise WeightsError(f"{source}: not a PyTorch file of named tensors") from None


def caffe_blobs(state: Mapping[str, np.ndarray], source: str = "state") -> Blobs:
    """Return what `zhang_2016` is to hold so that its `ab` is the output of the PyTorch net.

    `state` has the entries modelB.I.weight and so on, where B is the block, and I the place in it,
    with ReLUs counted. PyTorch's net takes (L - 50) / 100, so conv1_1's weights w become w / 100.
    Its softmax sees the logits as they are, so conv8_313 is divided by the 2.606 by which
    conv8_313_rh multiplies them; `prob` is the histogram before that annealing.

    PyTorch's BatchNorm is y = g (x - m) / sqrt(v + eps) + b, Caffe's y = (x - m') / sqrt(v' + eps).
    With s = sqrt(v + eps) / |g| they agree for v' = s^2 - eps, m' = m - sign(g) b s, up to the
    sign of g, which goes into the weights of the next layer; as no constant moves across, zero
    padding stays what it is. g = 0 is taken as 1e-7, which changes y by less than float32 can tell.

    WeightsError for a missing entry, another shape, or other ab pairs than those of the project.
    """
    entries = _Entries(state, source)
    blobs: Blobs = {}
    inputs, signs = 1, np.ones(1)
    for block, count in enumerate(CONVOLUTIONS, 1):
        outputs = min(64 * 2 ** (block - 1), 512)
        for i in range(count):
            shape = (outputs, inputs, 3, 3)
            w, bias = entries.layer(f"model{block}.{2 * i}", shape, outputs)
            blobs[f"conv{block}_{i + 1}"] = [w * signs[:, None, None], bias]
            inputs, signs = outputs, np.ones(outputs)
        name = f"conv{block}_{count}norm"
        blobs[name], signs = _batch_norm(entries, f"model{block}.{2 * count}", outputs)
    w, bias = entries.layer("model8.0", (512, 256, 4, 4), 256)
    blobs["conv8_1"] = [w * signs[:, None, None, None], bias]
    for i in (1, 2):
        blobs[f"conv8_{i + 1}"] = entries.layer(f"model8.{2 * i}", (256, 256, 3, 3), 256)
    blobs["conv8_313"] = [x / REHEATING for x in entries.layer("model8.6", (313, 256, 1, 1), 313)]
    w, bias = blobs.pop("conv1_1")
    blobs["bw_conv1_1"] = [w / L_RANGE, bias]
    _check_pairs(entries.array("model_out.weight", (2, 313, 1, 1)), source)
    return blobs


class _Entries:
    """The arrays of a state, in float64, of the shapes that they should have."""

    def __init__(self, state: Mapping[str, np.ndarray], source: str):
        self.state, self.source = state, source

    def array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in self.state:
            raise WeightsError(f'{self.source}: has no entry "{name}"; expected {KNOWN_FILES}')
        array = np.asarray(self.state[name], np.float64)
        if array.shape != shape:
            raise WeightsError(f'{self.source}: "{name}" is {array.shape}, expected {shape}')
        return array

    def layer(self, name: str, shape: tuple[int, ...], outputs: int) -> list[np.ndarray]:
        return [self.array(f"{name}.weight", shape), self.array(f"{name}.bias", (outputs,))]


def _batch_norm(entries: _Entries, name: str, channels: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return Caffe's three blobs, and the signs that the next layer's weights are to take."""
    parts = ("weight", "bias", "running_mean", "running_var")
    g, b, mean, variance = (entries.array(f"{name}.{part}", (channels,)) for part in parts)
    sign = np.where(g < 0, -1.0, 1.0)
    s = np.sqrt(variance + EPS) / np.maximum(np.abs(g), SMALLEST_FACTOR)
    return [mean - sign * b * s, s**2 - EPS, np.ones(1)], sign


def _check_pairs(decoding: np.ndarray, source: str) -> None:
    """Raise unless the bins (2, 313, 1, 1) stand for our pairs; half a step of 10 tells bins."""
    difference = np.abs(decoding[:, :, 0, 0].T * AB_RANGE - ab_pairs()).max()
    if not difference < 5:
        raise WeightsError(
            f'{source}: "model_out.weight" differs by up to {difference:.3g} from the ab pairs, '
            "expected less than 5: its bins are others, or in another order"
        )

"""The networks that colour: their files, and running a deploy net on whichever Caffe there is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from colorization.array_namespace import Array
from colorization.errors import UsageError
from colorization.resources import project_folder, resource
from colorization.snapshots import snapshots


class NetworkError(UsageError):
    """A network or its weights cannot be found or used: one line."""


def networks() -> Path:
    """Return the folder `networks` of this project."""
    return project_folder("networks")


def network_path(network: str | os.PathLike, file: str = "deploy.prototxt") -> Path:
    """Return the path of a network's prototxt.

    `network` is the name of a folder in `networks`, here or else of this package, the path of a
    folder like those, or a .prototxt itself. NetworkError if there is no such file.
    """
    if Path(network).suffix == ".prototxt":
        candidates = [Path(network)]
    else:
        places = (Path.cwd() / "networks", networks(), Path())
        candidates = [place / network / file for place in places]
    for path in candidates:
        if path.is_file():
            return path
    known = ", ".join(sorted(path.parent.name for path in networks().glob(f"*/{file}")))
    raise NetworkError(
        f'network "{network}": neither a folder with a {file}, nor a .prototxt, nor one of {known}'
    )


def network_weights(deploy: Path) -> Path:
    """Return the weights that lie beside a deploy.prototxt.

    <folder>.caffemodel, or else the snapshot *_iter_<n>.caffemodel with the largest n.
    NetworkError if there are none.
    """
    folder = deploy.resolve().parent
    named = folder / f"{folder.name}.caffemodel"
    if named.is_file():
        return named
    if found := snapshots(folder, "*.caffemodel*"):
        return found[-1][1]
    solver = deploy.parent / "solver.prototxt"
    make = f"train: caffe train -solver {solver}" if solver.is_file() else "see fetch_weights"
    if solver.is_file() and folder.parent == networks():
        make = f"train: train_network {folder.name} --data DATA --work WORK"
    raise NetworkError(
        f"{deploy.parent}: no {named.name} and no snapshot *_iter_*.caffemodel; "
        f"give --weights FILE, or {make}"
    )


class Network:
    """A deploy net with its weights: L in, named blobs out.

    Runs on the embedded Caffe, which computes tensors of any shape without storing blobs, and on
    genuine pycaffe. `gpu` is a device number; None means the CPU.
    """

    def __init__(
        self,
        deploy: str | os.PathLike,
        weights: str | os.PathLike,
        gpu: int | None = None,
        precision: str = "fp32",
    ):
        import caffe

        if not Path(weights).is_file():
            raise NetworkError(f"{weights}: no such file; it is given as the weights of {deploy}")
        try:
            choose_device(gpu, precision)
            self._net = caffe.Net(str(deploy), caffe.TEST)
            self._net.copy_from(str(weights))
            self._check_weights(weights)
            if "prob" in self._net.blobs:
                self._net.copy_from(str(resource("ab_pairs.caffemodel")))
        except (caffe_error(), RuntimeError, ValueError) as error:
            raise NetworkError(str(error)) from error
        self.deploy, self._gpu = deploy, gpu
        # Genuine Caffe's mode is that of one thread, and a GPU is kept busy by one.
        self.at_once = 2 if gpu is None and hasattr(self._net, "infer") else 1
        self.outputs = frozenset(self._net.blobs)
        for name in ("data_l", "ab"):
            if name not in self.outputs:
                raise NetworkError(f'{deploy}: no blob "{name}": not a deploy net that colours')

    def __call__(self, L: np.ndarray, output: str) -> Array:
        """Return the blob `output`, from L (N, 1, H, W), float32, 0..100.

        A tensor on the GPU, where the net computes there on the embedded Caffe; else a numpy array.
        """
        if not hasattr(self._net, "infer"):
            blob = self._net.blobs["data_l"]
            blob.reshape(*L.shape)
            blob.data[...] = L
            self._net.forward()
            return self._net.blobs[output].data.copy()
        import torch

        from colorization.cores import by_cores

        def infer(L: torch.Tensor) -> torch.Tensor:
            return self._net.infer({"data_l": L}, [output])[output]

        batch = torch.from_numpy(L)
        return by_cores(infer, batch).numpy() if self._gpu is None else infer(batch)

    def _check_weights(self, weights: str | os.PathLike) -> None:
        """Raise if a layer has got nothing: Caffe passes over layers that a file lacks."""
        for name, blobs in self._net.params.items():
            learned = blobs[0].data.ndim == 4 and name != "ab"
            if learned and not blobs[0].data.any():
                raise NetworkError(f'{weights}: no weights for layer "{name}" of this network')


def caffe_error() -> type[Exception]:
    """Return what the embedded Caffe raises; genuine pycaffe raises RuntimeError."""
    import caffe

    return getattr(caffe, "CaffeError", RuntimeError)


def choose_device(gpu: int | None, precision: str = "fp32") -> None:
    """Let Caffe compute on this GPU, or on the CPU for None; NetworkError for the precision."""
    import caffe

    if gpu is None:
        caffe.set_mode_cpu()
    else:
        caffe.set_device(gpu)
        caffe.set_mode_gpu()
    if hasattr(caffe, "set_precision"):
        caffe.set_precision(precision)
    elif precision != "fp32":
        raise NetworkError(f"precision {precision}: this Caffe computes in fp32 only")


def fast_precision(gpu: int | None = None) -> str:
    """Return "bf16" where the device multiplies such numbers in hardware, else "fp32".

    So also for a GPU that does not exist: whoever uses it tells that.
    """
    import torch

    if gpu is not None:
        if not 0 <= gpu < torch.cuda.device_count():
            return "fp32"
        with torch.cuda.device(gpu):
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if supported() else "fp32"

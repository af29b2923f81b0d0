"""The network on many machines: Ray's workers compute the colours, this process does the rest.

    recipe = Recipe({"size": (224, 224)})
    recipe.make(deploy, weights)
    with RayColorizer("auto", recipe) as colorizer:
        ...  # wherever a Colorizer is taken: colour_images, colour_film

Files are read, steadied, enlarged and written where the command runs. Only the small L goes out and
the small ab comes back, so the machines share no disk, a film has nothing to be joined, and all but
the network is what it is without Ray. Ray computes again what was lost with a worker or a machine.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from colorization.array_namespace import to_numpy
from colorization.defaults import WORKING_SIZE
from colorization.errors import UsageError
from colorization.inference import Colorizer
from colorization.network import choose_device

RETRIES = 5  # how often a batch may lose its worker; one that kills its workers must end somewhere
SECONDS = 10.0  # that a cluster may take to answer at all


class ClusterError(UsageError):
    """No Ray, no cluster, or a cluster that could not compute: one line."""


@dataclass
class Recipe:
    """What a worker needs to colour as this process would; the networks themselves are in it.

    `choices` are keyword arguments of Colorizer, but for the device; `mean` that of an Ensemble,
    which several networks are, and `refine_members` the name of its refinement.
    """

    choices: dict[str, Any]
    mean: str = "RGB"
    refine_members: str | None = None
    networks: list[tuple[_File, _File]] = field(default_factory=list)
    key: str = field(default_factory=lambda: uuid4().hex)  # tells a worker which one it has

    def make(self, deploy: Path, weights: Path) -> Colorizer:
        """Note a network; return its Colorizer on this CPU, to tell here what is wrong with it."""
        colorizer = Colorizer(deploy, weights, **self.choices)
        self.networks.append((_File.read(deploy), _File.read(weights)))
        return colorizer

    def colorizer(self, gpu: int | None) -> Colorizer:
        """Return the Colorizer, or the Ensemble, on a device of the machine where this runs."""
        from colorization.ensembles import Ensemble
        from colorization.finishing_options import members_refinement

        members = [self._member(*files, gpu) for files in self.networks]
        if len(members) == 1:
            return members[0]
        return Ensemble(members, self.mean, members_refinement(self.refine_members))

    def _member(self, deploy: _File, weights: _File, gpu: int | None) -> Colorizer:
        with tempfile.TemporaryDirectory() as folder:
            paths = [file.write(Path(folder)) for file in (deploy, weights)]
            return Colorizer(*paths, gpu=gpu, **self.choices)


@dataclass
class _File:
    name: str
    content: np.ndarray  # bytes as an array, which Ray passes on without copies

    @staticmethod
    def read(path: Path) -> _File:
        return _File(path.name, np.fromfile(path, np.uint8))

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        self.content.tofile(path)
        return path


class RayColorizer(Colorizer):
    """A Colorizer whose network runs on the workers of a Ray cluster, one for each GPU or CPU core.

    `address` is "local" for the cores of this machine, "auto" for the cluster that runs here, or
    that of a cluster, HOST:PORT or ray://HOST:PORT. A worker gets up to `batch` images at once. It
    works on GPUs where the cluster has any and `cpu` is false, else on the CPU.

    `shrink` already sends an image off and `predict` waits for its colours. So whoever shrinks
    `ahead` images before asking for the first one's colours keeps all workers busy; `flow` does,
    with `ahead` as its batch. In a program that is connected to Ray already, that connection is
    used, whatever the address. ClusterError if Ray is missing, or for an address without a cluster.
    """

    def __init__(self, address: str, recipe: Recipe, batch: int = 8, cpu: bool = False):
        self.size = recipe.choices.get("size", WORKING_SIZE)
        self._lock, self._closed = threading.Lock(), False
        self._open: dict[tuple[int, ...], _Batch] = {}
        self._batch = batch
        self._ray, self._leave = _connected(address)
        try:
            self._start(address, recipe, cpu)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RayColorizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster, unless this process was in it before; what it computes is dropped."""
        with self._lock:
            self._closed = True
        _quietly(self._leave)

    @property
    def ahead(self) -> int:
        """How many images must be on their way so that each worker has a batch."""
        return self._batch * self.workers

    def shrink(self, L: np.ndarray) -> np.ndarray:
        """Return L (H, W) at the size that the network sees, which is on its way there."""
        return self._begun(super().shrink(L))

    def predict(self, seen: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return ab (2, h, w) for each L that `shrink` gave, or any other L (H, W).

        What a Colorizer raises on a worker is raised here; ClusterError for what Ray raises.
        """
        sent = [L if isinstance(L, _Sent) else self._begun(L) for L in seen]
        with self._lock:
            while self._open:
                self._send(self._open.popitem()[1])
        return [self._colours(L.batch)[L.place].copy() for L in sent]

    def _start(self, address: str, recipe: Recipe, cpu: bool) -> None:
        resources = self._ray.cluster_resources()
        gpus = 0 if cpu else int(resources.get("GPU", 0))
        self.workers = gpus or int(resources.get("CPU", 0))
        if not self.workers:
            raise ClusterError(
                f"--ray {address}: the cluster has no {'CPU' if cpu else 'CPU or GPU'}"
            )
        self.where = f"{self.workers} {'GPU' if gpus else 'CPU core'}s of Ray"
        self._colour = _remote(self._ray, gpus > 0)
        self._recipe = self._ray.put(recipe)  # once for each machine, not with each batch

    def _begun(self, L: np.ndarray) -> _Sent:
        """Return L in a batch, which is sent off when it is full, or when somebody waits for it."""
        sent = L.view(_Sent)
        with self._lock:
            sent.batch = self._open.setdefault(L.shape, _Batch())
            sent.place = len(sent.batch.planes)
            sent.batch.planes.append(L)
            if len(sent.batch.planes) == self._batch:
                self._send(self._open.pop(L.shape))
        return sent

    def _send(self, batch: _Batch) -> None:
        if self._closed:  # Ray would begin anew
            raise ClusterError("left the cluster already")
        batch.colours = self._colour.remote(self._recipe, np.stack(batch.planes))
        batch.planes = []

    def _colours(self, batch: _Batch) -> np.ndarray:
        """Wait for ab (N, 2, h, w)."""
        if not isinstance(batch.colours, np.ndarray):
            errors = self._ray.exceptions
            try:
                batch.colours = self._ray.get(batch.colours)
            except errors.RayTaskError as error:
                raise error.cause from None
            except errors.RayError as error:
                raise ClusterError(f"lost on the cluster: {_first_line(error)}") from error
        return batch.colours


@dataclass
class _Batch:
    """L of one size that go to a worker together; once they are sent, their ab."""

    planes: list[np.ndarray] = field(default_factory=list)
    colours: Any = None  # Ray's reference, then ab (N, 2, h, w)


class _Sent(np.ndarray):
    """An L (H, W) that knows where its colours will be."""

    batch: _Batch
    place: int


# Connecting


def _connected(address: str) -> tuple[Any, Callable[[], object]]:
    """Return the module ray, connected, and what ends the connection."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the future default, quiet
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            f'--ray needs Ray: pip install "colorization[cluster]" ({error})'
        ) from None
    if ray.is_initialized():
        return ray, lambda: None
    try:
        _check_answer(address)
        _quietly(lambda: ray.init(address, log_to_driver=False, logging_level=logging.ERROR))
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise ClusterError(f"--ray {address}: {_first_line(error)}") from None
    return ray, ray.shutdown


def _check_answer(address: str) -> None:
    """Raise OSError where nobody listens: Ray would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()


def _quietly(work: Callable[[], object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        work()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


# On a worker


def _remote(ray, gpu: bool):
    """Return `colours` as a task of Ray's, for a GPU or for a core."""
    if not gpu:
        return ray.remote(num_cpus=1, max_retries=RETRIES)(colours)
    # A worker stays (max_calls) and may get another GPU for its next batch, so it has to see all.
    own = {"env_vars": {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}}
    options = {"num_gpus": 1, "num_cpus": 0, "max_calls": 0, "runtime_env": own}
    return ray.remote(**options, max_retries=RETRIES)(colours)


_workers: dict[str, _Worker] = {}


def colours(recipe: Recipe, L: np.ndarray) -> np.ndarray:
    """Return ab (N, 2, h, w) of L (N, H, W); the network, once loaded, stays."""
    if recipe.key not in _workers:
        _workers.clear()
        _workers[recipe.key] = _Worker(recipe)
    return _workers[recipe.key](L)


class _Worker:
    """The Colorizer of this process, on the GPU that Ray says, or on the CPU."""

    def __init__(self, recipe: Recipe):
        self._gpu = _gpu()
        self._precision = recipe.choices.get("precision", "fp32")
        self._colorizer = recipe.colorizer(self._gpu)

    def __call__(self, L: np.ndarray) -> np.ndarray:
        if (gpu := _gpu()) != self._gpu:
            choose_device(gpu, self._precision)
            self._gpu = gpu
        return np.stack([to_numpy(ab) for ab in self._colorizer.predict(list(L))])


def _gpu() -> int | None:
    """Return torch's number of the GPU that Ray gave to this task, or None."""
    import ray

    given = [str(gpu) for gpu in ray.get_gpu_ids()]
    if not given:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",").index(given[0]) if visible else int(given[0])

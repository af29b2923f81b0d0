"""Layers that bring data into a net, and HDF5Output, which takes it out.

Batch k of a layer follows from its parameters, its seed and k alone, so that a resumed training
sees what an uninterrupted one would. In training, rank r of n solvers takes the batches k n + r.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch

from .. import context, log, sources
from ..blob import Blob, checked_shape
from ..data_transformer import DataTransformer
from ..errors import CaffeError
from ..fillers import fill
from ..layer import Layer, register
from ..leveldb import LevelDb, open_leveldb
from ..prefetch import Prefetcher
from ..proto.caffe_pb2 import TRAIN, DataParameter, FillerParameter
from ..streams import numpy_generator
from ..windows import WindowSource

OPENED_BY: dict[int, Callable[[str], "sources.Lmdb | LevelDb"]] = {
    DataParameter.LMDB: sources.open_lmdb,
    DataParameter.LEVELDB: open_leveldb,
}
OBSOLETE = ("scale", "mean_file", "crop_size", "mirror")  # fields that moved to transform_param


class BatchLayer(Layer):
    """Base of the layers whose tops are the batches of a source.

    A source has `shapes`, those of its first batch, and `batch(seed, index)`, float32 arrays.
    """

    bottom_count = (0, 0)
    differentiable = False

    def open_source(self):
        """The source that the parameters name."""
        raise NotImplementedError

    def setup(self, shapes: list) -> None:
        source = self.open_source()
        self._top_shapes = [checked_shape(shape) for shape in source.shapes]
        for shape in self._top_shapes:
            np.empty(shape, np.float32)  # what never fits is refused before anything is read
        self._batches = Prefetcher(_tensors_of(source.batch), self.prefetch())

    def prefetch(self) -> int:
        """How many batches to compute ahead."""
        return self.param.data_param.prefetch

    def reshape(self, shapes: list) -> list:
        return self._top_shapes

    def forward(self, bottom: tuple, blobs: tuple) -> tuple:
        ranks, rank = 1, 0
        if self.phase == TRAIN:
            ranks, rank = context.solver_count(), context.solver_rank()
        tensors = self._batches.get(self.seed, self.calls * ranks + rank, ranks)
        self._top_shapes = [tuple(x.shape) for x in tensors]
        return tuple(tensors)


def _tensors_of(batch: Callable[[int, int], Sequence]) -> Callable[[int, int], list]:
    """What gives the arrays of `batch` as tensors; for a GPU in memory that it reads by itself."""

    def tensors(seed: int, index: int) -> list:
        made = [torch.from_numpy(array) for array in batch(seed, index)]
        return [x.pin_memory() for x in made] if context.device().type == "cuda" else made

    return tensors


class PictureSource:
    """Base of the sources of labelled pictures: a circle of items, of which batches are cut."""

    def __init__(self, param, transformer: DataTransformer, count: int):
        self._transformer = transformer
        self._batch_size = positive_batch_size(param)
        self._rand_skip = param.rand_skip
        self._count = count

    def read(self, seed: int, positions: Sequence[tuple]) -> tuple:
        """Pictures (C, H, W), their names in errors and labels of these (epoch, place)."""
        raise NotImplementedError

    def infer_shapes(self, picture: np.ndarray, name: str) -> None:
        """Set `shapes` to what batches will have if all pictures are like this one."""
        shape = self._transformer.output_shape(picture.shape, name)
        self.shapes = [(self._batch_size, *shape), (self._batch_size,)]

    def batch(self, seed: int, index: int) -> list:
        """The transformed pictures and labels of batch `index`."""
        first = index * self._batch_size
        if self._rand_skip:
            first += int(numpy_generator(seed, "rand_skip").integers(self._rand_skip))
        positions = [divmod(first + i, self._count) for i in range(self._batch_size)]
        pictures, names, labels = self.read(seed, positions)
        draws = numpy_generator(seed, "transform", index)
        return [self._transformer(pictures, names, draws), np.array(labels, np.float32)]


class DatumSource(PictureSource):
    """Records of a database, in the order of their keys."""

    def __init__(self, param, transformer: DataTransformer, database: "sources.Lmdb | LevelDb"):
        super().__init__(param, transformer, len(database))
        self._database = database
        self._color = True if param.force_encoded_color else transformer.color
        picture, _, name = self._decode(*database.first())
        self.infer_shapes(picture, name)

    def _decode(self, key: bytes, value: bytes) -> tuple:
        name = sources.record_name(self._database, key)
        datum = sources.parse_datum(value, name)
        planes = sources.datum_planes(datum, name, self._color)
        forced = self._transformer.color
        if not datum.encoded and forced is not None and len(planes) != (3 if forced else 1):
            raise CaffeError(
                f"{name}: is raw with {len(planes)} channel(s), "
                f"but force_{'color' if forced else 'gray'} is for encoded Datums"
            )
        return planes, datum.label, name

    def read(self, seed: int, positions: Sequence[tuple]) -> tuple:
        records = self._database.records(place for _, place in positions)
        pictures, labels, names = zip(*(self._decode(*record) for record in records))
        return pictures, names, labels


@register("Data")
class DataLayer(BatchLayer):
    """Pictures and labels from an LMDB or a LevelDB of Datums."""

    differs = "LevelDB needs plyvel; force flags that contradict raw Datums are refused"

    top_count = (1, 2)

    def __init__(self, param, phase: int):
        super().__init__(param, phase)
        opened = OPENED_BY[param.data_param.backend]
        self._database = opened(source_path(param.data_param, "data_param"))

    def open_source(self) -> DatumSource:
        param = self.param.data_param
        refuse_obsolete(param, "data_param")
        if param.force_encoded_color and self.param.transform_param.force_gray:
            raise CaffeError("has both force_encoded_color and force_gray, expected one")
        transformer = DataTransformer(self.param.transform_param, self.phase)
        source = DatumSource(param, transformer, self._database)
        log_size("data_layer.cpp:45", source.shapes[0])
        return source


class ImageSource(PictureSource):
    """The pictures of a list file."""

    def __init__(self, param, transformer: DataTransformer):
        log.info("image_data_layer.cpp:38", f"Opening file {param.source}")
        self._names, self._labels = sources.read_image_list(param.source)
        super().__init__(param, transformer, len(self._names))
        self._root = param.root_folder
        self._color = param.is_color
        self._size = (param.new_height, param.new_width) if param.new_height else None
        self._shuffle = param.shuffle
        log.info("image_data_layer.cpp:63", f"A total of {len(self._names)} images.")
        path = self._root + self._names[0]
        self.infer_shapes(sources.read_planes(path, self._color, self._size), path)

    def read(self, seed: int, positions: Sequence[tuple]) -> tuple:
        if self._shuffle:
            places = [shuffled(seed, "epoch", e, self._count)[i] for e, i in positions]
        else:
            places = [i for _, i in positions]
        paths = [self._root + self._names[i] for i in places]
        pictures = [sources.read_planes(path, self._color, self._size) for path in paths]
        return pictures, paths, self._labels[places]


@register("ImageData")
class ImageDataLayer(BatchLayer):
    """Pictures and labels from the files of a list."""

    top_count = (2, 2)

    def open_source(self) -> ImageSource:
        param = self.param.image_data_param
        refuse_obsolete(param, "image_data_param")
        source_path(param, "image_data_param")
        if bool(param.new_height) != bool(param.new_width):
            raise CaffeError(
                f"image_data_param has new_height {param.new_height} and new_width "
                f"{param.new_width}, expected both or neither"
            )
        sources.check_resize(param.new_height, param.new_width, param.is_color)
        transformer = DataTransformer(self.param.transform_param, self.phase)
        if transformer.color not in (None, param.is_color):
            raise CaffeError(
                f"transform_param asks for {'colour' if transformer.color else 'grey'}, "
                f"but image_data_param has is_color {str(param.is_color).lower()}"
            )
        source = ImageSource(param, transformer)
        log_size("image_data_layer.cpp:91", source.shapes[0])
        return source


class HDF5Source:
    """The rows of the files of a list, one dataset per top; one file at a time is in memory."""

    def __init__(self, param, names: Sequence[str]):
        self._batch_size = positive_batch_size(param)
        self._shuffle = param.shuffle
        self._names = tuple(names)
        log.info("hdf5_data_layer.cpp:81", f"Loading list of HDF5 filenames from: {param.source}")
        self._paths = [line for _, line in sources.read_lines(param.source, "HDF5 file names")]
        log.info("hdf5_data_layer.cpp:95", f"Number of HDF5 files: {len(self._paths)}")
        files = [sources.hdf5_shapes(path, self._names) for path in self._paths]
        self._rows = [shapes[0][0] for shapes in files]
        self._check_axes(files)
        self.shapes = [(self._batch_size, *shape[1:]) for shape in files[0]]
        self._load = lru_cache(maxsize=1)(sources.read_hdf5)

    def _check_axes(self, files: list) -> None:
        for path, shapes in zip(self._paths, files):
            for name, shape, first in zip(self._names, shapes, files[0]):
                if shape[1:] != first[1:]:
                    raise CaffeError(
                        f"{path}: {name} has rows of shape {shape[1:]}, "
                        f"expected {first[1:]} as in {self._paths[0]}"
                    )

    def batch(self, seed: int, index: int) -> list:
        """The rows of batch `index`, across the ends of files and of the list."""
        out = [np.empty(shape, np.float32) for shape in self.shapes]
        total = sum(self._rows)
        done = 0
        while done < self._batch_size:
            epoch, place = divmod(index * self._batch_size + done, total)
            rows, arrays = self._run(seed, epoch, place)
            rows = rows[: self._batch_size - done]
            for target, array in zip(out, arrays):
                target[done : done + len(rows)] = array[rows]
            done += len(rows)
        return out

    def _run(self, seed: int, epoch: int, place: int) -> tuple:
        """The rows from `place` in the epoch to the end of its file, and that file's arrays."""
        files = list(range(len(self._paths)))
        if self._shuffle:
            files = shuffled(seed, "files", epoch, len(self._paths)).tolist()
        starts = np.cumsum([0] + [self._rows[f] for f in files])
        turn = bisect_right(starts, place) - 1
        file = files[turn]
        arrays = self._load(self._paths[file], self._names)
        rows = np.arange(self._rows[file])
        if self._shuffle:
            rows = shuffled(seed, f"rows of {file}", epoch, self._rows[file])
        return rows[place - starts[turn] :], arrays


@register("HDF5Data")
class HDF5DataLayer(BatchLayer):
    """Rows of HDF5 files; a top's name is that of its dataset."""

    top_count = (1, None)

    def prefetch(self) -> int:
        return 0

    def open_source(self) -> HDF5Source:
        if self.param.HasField("transform_param"):
            raise CaffeError("HDF5Data does not transform its data: remove transform_param")
        source_path(self.param.hdf5_data_param, "hdf5_data_param")
        return HDF5Source(self.param.hdf5_data_param, self.param.top)


@register("MemoryData")
class MemoryDataLayer(Layer):
    """Batches of the arrays that `Net.set_input_arrays` gave."""

    bottom_count = (0, 0)
    top_count = (2, 2)
    differentiable = False

    def setup(self, shapes: list) -> None:
        param = self.param.memory_data_param
        self._shape = param.batch_size, param.channels, param.height, param.width
        if not all(self._shape):
            raise CaffeError(
                f"memory_data_param has batch_size, channels, height, width {self._shape}, "
                "expected four positive numbers"
            )
        self._arrays: tuple | None = None
        self._begin = 0

    def set_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Begin with the first of these items: data (N, C, H, W), labels (N, 1, 1, 1), float32."""
        _check_array("data array", data, self._shape[1:])
        _check_array("labels array", labels, (1, 1, 1))
        if len(data) != len(labels):
            raise RuntimeError("data and labels must have the same first dimension")
        if len(data) % self._shape[0]:
            raise RuntimeError("first dimensions of input arrays must be a multiple of batch size")
        if self.param.HasField("transform_param"):
            text = "MemoryData does not transform array data on Reset()"
            log.warning("memory_data_layer.cpp:90", text)
        self._arrays, self._begin = (data, labels), self.calls

    def reshape(self, shapes: list) -> list:
        return [self._shape, self._shape[:1]]

    def forward(self, bottom: tuple, blobs: tuple) -> tuple:
        if self._arrays is None:
            raise CaffeError("has no data: call set_input_arrays before forward")
        size = self._shape[0]
        first = (self.calls - self._begin) * size % len(self._arrays[0])
        return tuple(torch.from_numpy(a[first : first + size].copy()) for a in self._arrays)


def _check_array(name: str, array: np.ndarray, shape: tuple) -> None:
    """Raise what pycaffe raises for an array that is not contiguous float32 of this (C, H, W)."""
    if not array.flags.c_contiguous:
        raise RuntimeError(f"{name} must be C contiguous")
    if array.ndim != 4:
        raise RuntimeError(f"{name} must be 4-d")
    if array.dtype != np.float32:
        raise RuntimeError(f"{name} must be float32")
    axes = ("number of channels", "height", "width")
    for axis, got, expected in zip(axes, array.shape[1:], shape):
        if got != expected:
            raise RuntimeError(f"{name} has wrong {axis}")


@register("DummyData")
class DummyDataLayer(Layer):
    """Tops from fillers: constant ones are filled once, others at every forward."""

    bottom_count = (0, 0)
    top_count = (1, None)
    differentiable = False

    def set_up(self, bottom: list, top: list) -> None:
        param = self.param.dummy_data_param
        self._tops: list[Blob] = top
        self._fillers = _one_per_top(
            param.data_filler or [FillerParameter(value=0)], len(top), "data_filler"
        )
        for blob, shape, filler in zip(top, _dummy_shapes(param, len(top)), self._fillers):
            tensor = torch.zeros(checked_shape(shape))
            if filler.type == "constant":
                fill(tensor, filler, self.generator())
            blob.set_data(tensor)
        self.reshape_tops(bottom, top)

    def reshape(self, shapes: list) -> list:
        return [blob.shape for blob in self._tops]

    def forward(self, bottom: tuple, blobs: tuple) -> tuple:
        draws = self.generator()
        return tuple(self._filled(*pair, draws) for pair in zip(self._tops, self._fillers))

    def _filled(self, blob: Blob, filler, draws: torch.Generator) -> torch.Tensor:
        if filler.type == "constant":
            return blob.data_tensor(context.device())
        tensor = torch.zeros(blob.shape)
        fill(tensor, filler, draws)
        return tensor


def _dummy_shapes(param, tops: int) -> list:
    """The tops' shapes, from `shape` or from the older num, channels, height and width."""
    axes = (param.num, param.channels, param.height, param.width)
    if param.shape and any(axes):
        raise CaffeError("dummy_data_param has both shape and num/channels/..., expected one")
    if param.shape:
        return [tuple(shape.dim) for shape in _one_per_top(param.shape, tops, "shape")]
    names = ("num", "channels", "height", "width")
    return list(zip(*(_one_per_top(axis, tops, name) for axis, name in zip(axes, names))))


def _one_per_top(values: Sequence, tops: int, field: str) -> list:
    if len(values) not in (1, tops):
        raise CaffeError(
            f"dummy_data_param has {field} {len(values)} times, expected once or once per top "
            f"({tops})"
        )
    return list(values) if len(values) == tops else list(values) * tops


@register("HDF5Output")
class HDF5OutputLayer(Layer):
    """Writes its bottoms as datasets `data` and `label`, (N, C, H, W); later batches are added."""

    bottom_count = (2, 2)
    top_count = (0, 0)
    differentiable = False

    def setup(self, shapes: list) -> None:
        self._path = self.param.hdf5_output_param.file_name
        if not self._path:
            raise CaffeError("hdf5_output_param has no file_name")
        self._begun = False

    def reshape(self, shapes: list) -> list:
        if shapes[0][:1] != shapes[1][:1] or not all(1 <= len(shape) <= 4 for shape in shapes):
            raise CaffeError(
                f"its bottoms have shapes {shapes[0]} and {shapes[1]}, "
                "expected as many items and up to four axes"
            )
        return []

    def forward(self, bottom: tuple, blobs: tuple) -> tuple:
        arrays = {
            name: x.cpu().numpy().reshape((*x.shape, 1, 1, 1)[:4])
            for name, x in zip(("data", "label"), bottom)
        }
        sources.append_hdf5(self._path, arrays, anew=not self._begun)
        self._begun = True
        return ()


@register("WindowData")
class WindowDataLayer(BatchLayer):
    """Windows of pictures, as detectors learn from them (Girshick et al. 2014), and their labels.

    Drawn from the list `source`: `fg_fraction` of a batch overlap an object by `fg_threshold` or
    more, the others by less than `bg_threshold`, with label 0; these come first. Each is cut out
    with `context_pad` pixels around it, made square or warped (`crop_mode`), and resized to
    `crop_size` of `transform_param`, whose mirror, mean and scale count too.
    """

    differs = "cache_images changes nothing"
    top_count = (2, 2)

    def open_source(self) -> WindowSource:
        param = self.param.window_data_param
        refuse_obsolete(param, "window_data_param")
        source_path(param, "window_data_param")
        positive_batch_size(param)
        source = WindowSource(param, self.param.transform_param)
        log_size("window_data_layer.cpp:193", source.shapes[0])
        return source


@lru_cache(maxsize=8)
def shuffled(seed: int, what: str, epoch: int, count: int) -> np.ndarray:
    """The order of `count` things in an epoch."""
    return numpy_generator(seed, "shuffle", what, epoch).permutation(count)


def positive_batch_size(param) -> int:
    """The batch size of a data parameter."""
    if not param.batch_size:
        raise CaffeError("has no batch_size, expected a positive number")
    return param.batch_size


def source_path(param, name: str) -> str:
    """The source of a data parameter."""
    if not param.source:
        raise CaffeError(f"{name} has no source")
    return os.fspath(param.source)


def refuse_obsolete(param, name: str) -> None:
    """Raise where a field is given that Caffe reads from transform_param."""
    for field in OBSOLETE:
        if param.HasField(field):
            raise CaffeError(f"{name}.{field} has no effect: move it to transform_param")


def log_size(place: str, shape: tuple) -> None:
    """Log a top's shape as Caffe's data layers do."""
    log.info(place, f"output data size: {','.join(map(str, shape))}")

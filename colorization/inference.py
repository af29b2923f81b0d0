"""Colouring an image: its own L at full size, and ab from a network that sees it smaller.

    colorizer = Colorizer("plain", weights="plain.caffemodel")  # or Colorizer()
    coloured = colorizer(rgb)

The steps (thesis, section 5.2) are methods, so that a batch may read, compute and write at once:
`lightness` and `shrink` before the network, `predict` the network itself, `join` after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from colorization import compiled_colour
from colorization.array_namespace import Array, array_namespace, asarray_like, to_numpy
from colorization.colour import Lab_to_sRGB_of_L
from colorization.compiled_colour import lightness
from colorization.defaults import DECODERS, DEFAULT_NETWORK, TEMPERATURE, WORKING_SIZE
from colorization.histogram import decode
from colorization.network import (
    Network,
    NetworkError,
    network_path,
    network_weights,
)
from colorization.upsampling import separated, shrink, upsample

__all__ = [
    "DECODERS",
    "Colorizer",
    "join",
    "lightness",
    "network_path",
    "paint",
    "shrink",
    "without_colour",
]

# What torch's allocator says, the embedded Caffe, and oneDNN where it gets no scratch memory.
OUT_OF_MEMORY = (
    "can't allocate memory",
    "of memory, more than there is",
    "could not create a primitive",
)
PIXELS_AT_ONCE = 2**18  # colours are converted in bands of so many pixels, which fit into a cache


class Colorizer:
    """Colours images with one network.

    `network` and `weights` as in `network_path` and `network_weights`; `gpu` a device number or
    None; `size` (H, W) of what the network sees, or None for each image's own size; `decoder` one
    of DECODERS, of which `annealed_mean` takes `temperature` and `sample` takes `seed`.
    NetworkError if the network, its weights or the device cannot be used, or if the decoder needs
    a histogram and the network has none.
    """

    at_once = 1  # calls of `predict` that several threads may make

    def __init__(
        self,
        network: str | os.PathLike = DEFAULT_NETWORK,
        weights: str | os.PathLike | None = None,
        *,
        gpu: int | None = None,
        precision: str = "fp32",
        size: tuple[int, int] | None = WORKING_SIZE,
        decoder: str = "expectation",
        temperature: float = TEMPERATURE,
        seed: int = 0,
    ):
        if decoder not in DECODERS:
            raise ValueError(f'decoder: expected one of {", ".join(DECODERS)}, got "{decoder}"')
        deploy = network_path(network)
        self.network = Network(deploy, weights or network_weights(deploy), gpu, precision)
        self.at_once = self.network.at_once
        if decoder != "expectation" and "prob" not in self.network.outputs:
            raise NetworkError(
                f"{deploy}: the network predicts ab without a histogram, "
                f"from which {decoder} could choose; only expectation works"
            )
        self.size = size
        self.decoder, self.temperature, self.seed = decoder, temperature, seed
        self._largest_batch: int | None = None  # what fits into memory, once that is known

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return the image (H, W, 3), uint8 or uint16, coloured from its own L."""
        L = lightness(rgb)
        seen = self.shrink(L)
        return join(L, self.predict([seen])[0], seen.shape, rgb.dtype)

    def shrink(self, L: np.ndarray) -> np.ndarray:
        """Return L (H, W) at the size that the network sees."""
        return shrink(L, self.size or L.shape)

    def predict(self, seen: Sequence[np.ndarray]) -> list[Array]:
        """Return ab (2, h, w) for each of a batch of L, all of one shape (H, W).

        Neighbours that are equal, as the held frames of a cartoon, are computed once. Where the
        batch does not fit into memory, it is halved as often as needed, and later batches start
        from what fitted; MemoryError when not even one image fits.
        """
        first = [i for i, L in enumerate(seen) if not i or not np.array_equal(L, seen[i - 1])]
        different = self._predict([seen[i] for i in first])
        lengths = np.diff([*first, len(seen)])
        return [ab for ab, length in zip(different, lengths) for _ in range(length)]

    def _predict(self, seen: Sequence[np.ndarray]) -> list[Array]:
        """Compute a batch, in parts if need be."""
        results: list[Array] = []
        while len(results) < len(seen):
            rest = seen[len(results) :][: self._largest_batch]
            if (ab := self._try(rest)) is not None:
                results.extend(ab)
            elif len(rest) == 1:
                H, W = rest[0].shape
                raise MemoryError(f"no memory for the network at {W}x{H}: use a smaller size")
            else:
                self._largest_batch = len(rest) // 2
        return results

    def _try(self, seen: Sequence[np.ndarray]) -> Array | None:
        """Return ab (N, 2, h, w), or None if memory runs out."""
        try:
            return self._ab(np.stack(seen)[:, None])
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
        return None

    def _ab(self, L: np.ndarray) -> Array:
        if self.decoder == "expectation":
            return self.network(L, "ab")
        histograms = self.network(L, "prob")
        # One by one, so that an image's sample does not depend on the batch that it is in.
        decoded = [
            decode(histograms[i : i + 1], self.decoder, self.temperature, self.seed)
            for i in range(len(L))
        ]
        return array_namespace(histograms).concatenate(decoded)


def join(
    L: np.ndarray, ab: Array, seen: tuple[int, int], dtype: DTypeLike = np.uint8
) -> np.ndarray:
    """Return RGB (H, W, 3) of the full L (H, W) and a small ab (2, h, w).

    `dtype` is uint8 or uint16; `seen` is the size (H, W) at which the network saw L. ab is
    interpolated (`upsample`); L stays as it is: colours that RGB does not have at this L become
    paler (`Lab_to_sRGB_of_L`; the thesis clips them, 5.2). Computed where ab lies.
    """
    if isinstance(ab, np.ndarray):
        planes = np.empty((3, *L.shape), dtype)
        compiled_colour.paint_splines(L, *separated(ab, L.shape, seen), planes)
        return planes.transpose(1, 2, 0)
    return paint_bands(L, dtype, lambda rows: upsample(ab, L.shape, seen, rows=rows))


def paint(L: np.ndarray, ab: Array, dtype: DTypeLike = np.uint8) -> np.ndarray:
    """Return RGB (H, W, 3), uint8 or uint16, of L (H, W) and ab (2, H, W)."""
    return paint_bands(L, dtype, lambda rows: ab[:, rows])


def without_colour(L: np.ndarray, dtype: DTypeLike = np.uint8) -> np.ndarray:
    """Return RGB (H, W, 3), uint8 or uint16, of L (H, W) alone, with ab = 0."""
    return paint(L, np.zeros((2, *L.shape), np.float32), dtype)


def paint_bands(L: np.ndarray, dtype: DTypeLike, ab_of: Callable[[slice], Array]) -> np.ndarray:
    """Return RGB (H, W, 3) of L (H, W) and the ab (2, n, W) that `ab_of` gives for some rows."""
    H, W = L.shape
    planes = np.empty((3, H, W), dtype)
    for rows in _bands(H, W):
        _fill(planes[:, rows], L[rows], ab_of(rows))
    return planes.transpose(1, 2, 0)


def _fill(planes: np.ndarray, L: np.ndarray, ab: Array) -> None:
    """Set R, G and B (3, H, W) of L (H, W) and ab (2, H, W)."""
    if isinstance(ab, np.ndarray):
        compiled_colour.paint(L, ab, planes)
    else:
        Lab = array_namespace(ab).concatenate((asarray_like(L, ab)[None], ab))
        top = np.iinfo(planes.dtype).max
        planes[...] = to_numpy(Lab_to_sRGB_of_L(Lab, axis=0) * top + 0.5)


def _bands(H: int, W: int) -> Iterator[slice]:
    step = max(1, PIXELS_AT_ONCE // W)
    return (slice(start, min(start + step, H)) for start in range(0, H, step))


def _is_out_of_memory(error: Exception) -> bool:
    """Tell torch's and numpy's errors of missing memory from others."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(message in str(error) for message in OUT_OF_MEMORY)
    )

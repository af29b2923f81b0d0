"""A layer y = W x + b of a net: the windows that it sees, its filters, the values of its units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from colorization.magic_init.errors import MagicInitError
from colorization.magic_init.filters import filters

PATCHES = 4096  # windows per layer that its filters are made from
FILTER_TYPES = ("Convolution", "Deconvolution", "InnerProduct")


class FilterLayer:
    """A layer y = W x + b of a net: how it sees its input, and what its units' values have been.

    Units are the top's channels. What is summed over the data seen is kept as the present weights
    would have given it.
    """

    def __init__(self, blobs, message):
        self.name, self.type = message.name, message.type
        self.weights = blobs[0]
        self.bias = blobs[1] if len(blobs) > 1 else None
        inner = self.type == "InnerProduct"
        self._fields = message.inner_product_param if inner else message.convolution_param
        self.units, self.axis = self._fields.num_output, self._fields.axis
        self.group = 1 if inner else self._fields.group
        if not inner and self.axis != 1:
            raise MagicInitError(
                f'layer "{self.name}" has axis {self.axis}, expected channels on axis 1'
            )
        self._count = 0
        self._sums = np.zeros(self.units)
        self._squares = np.zeros(self.units)

    # Filters ------------------------------------------------------------------------------------

    def initialise(
        self, bottoms: Sequence[np.ndarray], top: tuple, method: str, generator: np.random.Generator
    ) -> None:
        """Replace the weights by filters for these inputs; `top` is the shape of one output."""
        count = self.units // self.group
        patches, images = self._patches(bottoms, top, generator)
        channels = patches.shape[1] // self.group
        for g in range(self.group):
            block = patches[:, g * channels : (g + 1) * channels]
            flat = block.reshape(len(block), -1)
            made = filters(flat, images, count, method, generator)
            self._store(g, made.reshape(count, *block.shape[1:]))
        if self.bias is not None:
            self.bias.data[...] = 0

    def _patches(
        self, bottoms: Sequence[np.ndarray], top: tuple, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return windows (P, C, *taps) at random places of the inputs, and their images (P,)."""
        if self.type == "InnerProduct":
            fan_in = self.weights.data.size // self.units
            rows = np.concatenate([x.reshape(-1, fan_in) for x in bottoms])
            count = sum(map(len, bottoms))
            images = np.repeat(np.arange(count), len(rows) // count)
            chosen = generator.permutation(len(rows))[:PATCHES]
            return rows[chosen], images[chosen]
        starts, taps = self._windows(top[2:])
        share = -(-PATCHES // len(bottoms))
        windows, members, before = [], [], 0
        for x in bottoms:
            items = generator.integers(len(x), size=share)
            places = [generator.choice(along, share) for along in starts]
            windows.append(gather(x, items, places, taps))
            members.append(before + items)
            before += len(x)
        return np.concatenate(windows), np.concatenate(members)

    def _windows(self, top: Sequence[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return along each axis the places of the windows of the input, and their taps.

        Output o of a Deconvolution sees input i through the element k of the kernel for which
        stride i = o + pad - dilation k: only every stride-th element. The elements of the kernel
        that lie between those are made to apply the same filter to the same neighbours.
        """
        starts, taps = [], []
        for a, n in enumerate(top):
            kernel, stride, pad, dilation = self._geometry(a, len(top))
            if self.type == "Convolution":
                starts.append(stride * np.arange(n) - pad)
                taps.append(dilation * np.arange(kernel))
            else:
                starts.append(np.arange(pad // stride, (n - 1 + pad) // stride + 1))
                taps.append(-np.unique(np.arange(kernel) * dilation // stride))
        return starts, taps

    def _geometry(self, a: int, axes: int) -> tuple[int, int, int, int]:
        """Return kernel, stride, pad and dilation along spatial axis a."""
        fields = self._fields

        def along(name: str, stem: str, default: int) -> int:
            values = getattr(fields, name)
            if values:
                return values[a if len(values) == axes else 0]
            if stem and (fields.HasField(stem + "_h") or fields.HasField(stem + "_w")):
                return getattr(fields, stem + ("_h", "_w")[a])
            return default

        return (
            along("kernel_size", "kernel", 1),
            along("stride", "stride", 1),
            along("pad", "pad", 0),
            along("dilation", "", 1),
        )

    def _store(self, g: int, made: np.ndarray) -> None:
        """Write filters (units / group, C / group, *taps) of group g into the weights."""
        if self.type == "Deconvolution":
            rows = made.shape[1]
            for a in range(made.ndim - 2):
                kernel, stride, _, dilation = self._geometry(a, made.ndim - 2)
                _, tap = np.unique(np.arange(kernel) * dilation // stride, return_inverse=True)
                made = np.take(made, tap, axis=a + 2)
            self.weights.data[g * rows : (g + 1) * rows] = made.swapaxes(0, 1)
        elif self.type == "Convolution":
            rows = len(made)
            self.weights.data[g * rows : (g + 1) * rows] = made
        else:
            self._rows()[...] = made

    # Values of the units ------------------------------------------------------------------------

    def observe(self, y: np.ndarray) -> None:
        """Take the outputs y of a batch into the units' means and deviations."""
        rows = self._by_unit(y)
        self._count += rows.shape[0] * rows.shape[2]
        self._sums += rows.sum(axis=2).sum(axis=0, dtype=np.float64)
        squares = rows[..., None, :] @ rows[..., :, None]
        self._squares += squares[..., 0, 0].sum(axis=0, dtype=np.float64)

    def normalise(self, beta: float) -> tuple[np.ndarray, np.ndarray]:
        """Bring every unit to deviation 1 and mean beta; return what turns its values into the new.

        That is a factor and a term (units,). A layer without bias has no term.
        """
        mean = self._sums / self._count
        variance = self._squares / self._count - mean**2
        if not (variance > 1e-10 * np.maximum(mean**2, 1e-20)).all():
            raise MagicInitError(f'layer "{self.name}": its input does not vary over the data')
        factor = 1 / np.sqrt(variance)
        term = np.zeros(self.units) if self.bias is None else beta - mean * factor
        self.multiply(factor)
        if self.bias is not None:
            self.bias.data[...] = self.bias.data * factor + term
        self._squares = self._squares * factor**2 + 2 * self._sums * factor * term
        self._squares += self._count * term**2
        self._sums = self._sums * factor + self._count * term
        return factor.astype(np.float32), term.astype(np.float32)

    def change(self, y: np.ndarray, factor: np.ndarray, term: np.ndarray) -> None:
        """Make outputs y, in place, what they are after `normalise`."""
        rows = self._by_unit(y)
        np.multiply(rows, factor[:, None], out=rows)
        np.add(rows, term[:, None], out=rows)

    def multiply(self, factor: np.ndarray | float) -> None:
        """Multiply the weights by a factor, or by one for each unit."""
        factor = np.broadcast_to(np.asarray(factor, np.float32), (self.units,))
        if self.type == "Deconvolution":
            weights = self.weights.data
            blocks = weights.reshape(self.group, -1, self.units // self.group, weights[0, 0].size)
            blocks *= factor.reshape(self.group, 1, -1, 1)
        else:
            rows = self._rows()
            rows *= factor.reshape(-1, *[1] * (rows.ndim - 1))

    def rate(self) -> float:
        """Return |dl / dW| / |W|."""
        return float(np.linalg.norm(self.weights.diff) / np.linalg.norm(self.weights.data))

    def _rows(self) -> np.ndarray:
        """The weights, live, with the units on axis 0."""
        transposed = self.type == "InnerProduct" and self._fields.transpose
        return self.weights.data.T if transposed else self.weights.data

    def _by_unit(self, y: np.ndarray) -> np.ndarray:
        """Return a view (N, units, values) of outputs."""
        outer = y.shape[: self.axis if self.axis >= 0 else y.ndim + self.axis]
        return y.reshape(math.prod(outer), self.units, -1)


def gather(
    x: np.ndarray, items: np.ndarray, starts: Sequence[np.ndarray], taps: Sequence[np.ndarray]
) -> np.ndarray:
    """Return windows (P, C, *taps) of x (N, C, *spatial), zero outside of it.

    Window p lies in x[items[p]]; along spatial axis a it covers starts[a][p] + taps[a].
    """
    axes, P = len(taps), len(items)
    index, inside = [], np.True_
    for a, (first, offsets) in enumerate(zip(starts, taps)):
        shape = [P] + [1] * axes
        shape[a + 1] = len(offsets)
        place = (first[:, None] + offsets).reshape(shape)
        inside = inside & (place >= 0) & (place < x.shape[a + 2])
        index.append(place.clip(0, x.shape[a + 2] - 1))
    key = (items.reshape([P] + [1] * axes), slice(None), *index)
    windows = x[key] * np.asarray(inside)[..., None]
    return np.moveaxis(windows, -1, 1)


def address(blob) -> int:
    return blob.data.__array_interface__["data"][0]

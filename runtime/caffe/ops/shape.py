"""Layers that pass values on: copied, cut, repeated, chosen or in another shape."""

import math

import torch

from ..errors import CaffeError
from ..layer import Layer, register
from .common import canonical_axis, check_not_in_place, check_positive, renamed_field


@register("Split")
class Split(Layer):
    """The bottom as each of the tops; the gradient is the sum of theirs."""

    top_count = (1, None)

    def reshape(self, shapes):
        return shapes * len(self.param.top)

    def forward(self, bottom, blobs):
        return bottom * len(self.param.top)


@register("Silence")
class Silence(Layer):
    """Takes bottoms that nobody uses, lest they become outputs; their gradient is 0."""

    bottom_count = (1, None)
    top_count = (0, 0)

    def reshape(self, shapes):
        return []

    def forward(self, bottom, blobs):
        return ()

    def differentiate(self, top, propagate_down, bottom, keep):
        """Write zeros."""
        for blob, down in zip(bottom, propagate_down):
            if down:
                blob.clear_diff()


@register("Slice")
class Slice(Layer):
    """Cuts the bottom along `axis` (or, deprecated, `slice_dim`) into the tops.

    Before each index of `slice_point` a new top begins; without, all tops are equally long.
    """

    top_count = (1, None)

    def setup(self, shapes):
        points, tops = self.param.slice_param.slice_point, len(self.param.top)
        if points and len(points) != tops - 1:
            raise CaffeError(
                f"slice_point is given {len(points)} times, expected {tops - 1} for {tops} tops"
            )

    def reshape(self, shapes):
        (bottom,) = shapes
        param = self.param.slice_param
        self.axis = canonical_axis(renamed_field(param, "axis", "slice_dim"), bottom)
        self.lengths = self._lengths(list(param.slice_point), bottom[self.axis])
        return [(*bottom[: self.axis], n, *bottom[self.axis + 1 :]) for n in self.lengths]

    def _lengths(self, points: list, total: int) -> list:
        tops = len(self.param.top)
        if not points and total % tops:
            raise CaffeError(
                f"axis {self.axis} has length {total}, expected a multiple of {tops} tops"
            )
        if not points:
            return [total // tops] * tops
        bounds = [0, *points, total]
        lengths = [end - start for start, end in zip(bounds, bounds[1:])]
        if min(lengths) < 1:
            raise CaffeError(
                f"slice_point is {points}, expected increasing indices between 0 and {total}"
            )
        return lengths

    def forward(self, bottom, blobs):
        return torch.split(bottom[0], self.lengths, self.axis)


@register("Flatten")
class Flatten(Layer):
    """Joins the axes `axis` .. `end_axis` into one."""

    def setup(self, shapes):
        check_not_in_place(self.param)

    def reshape(self, shapes):
        (bottom,) = shapes
        param = self.param.flatten_param
        first = canonical_axis(param.axis, bottom)
        last = canonical_axis(param.end_axis, bottom, "end_axis")
        if first > last:
            raise CaffeError(f"axis {first} must not be behind end_axis {last}; bottom is {bottom}")
        self._top = (*bottom[:first], math.prod(bottom[first : last + 1]), *bottom[last + 1 :])
        return [self._top]

    def forward(self, bottom, blobs):
        return (bottom[0].reshape(self._top),)


@register("Reshape")
class Reshape(Layer):
    """Gives `num_axes` axes from `axis` on (-1: all) the shape `shape`.

    A dim of 0 copies the bottom's at its place, one dim may be -1 and is inferred. A negative
    `axis` counts from behind the last axis; with num_axes 0 axes are inserted.
    """

    def setup(self, shapes):
        check_not_in_place(self.param)
        dims = list(self.param.reshape_param.shape.dim)
        if min(dims, default=0) < -1 or dims.count(-1) > 1:
            raise CaffeError(f"shape is {dims}, expected sizes, 0s and at most one -1")

    def reshape(self, shapes):
        (bottom,) = shapes
        first, last = self._range(bottom)
        dims = list(self.param.reshape_param.shape.dim)
        for i, dim in enumerate(dims):
            if dim == 0 and first + i >= len(bottom):
                raise CaffeError(f"dim {i} copies axis {first + i}, which bottom {bottom} lacks")
            dims[i] = bottom[first + i] if dim == 0 else dim
        wanted = math.prod(bottom[first:last])
        known = math.prod(dim for dim in dims if dim != -1)
        if -1 in dims and known and wanted % known == 0:
            dims[dims.index(-1)] = wanted // known
        if math.prod(dims) != wanted:
            given = list(self.param.reshape_param.shape.dim)
            raise CaffeError(f"shape {given} does not hold {wanted} values; bottom is {bottom}")
        self._top = (*bottom[:first], *dims, *bottom[last:])
        return [self._top]

    def _range(self, bottom: tuple) -> tuple:
        """First and behind the last of the axes that are replaced."""
        param = self.param.reshape_param
        first = param.axis if param.axis >= 0 else len(bottom) + param.axis + 1
        if param.num_axes < -1:
            raise CaffeError(f"num_axes is {param.num_axes}, expected -1 or more")
        last = len(bottom) if param.num_axes == -1 else first + param.num_axes
        if not 0 <= first <= last <= len(bottom):
            raise CaffeError(
                f"axis {param.axis} with num_axes {param.num_axes} is out of range; "
                f"bottom is {bottom}"
            )
        return first, last

    def forward(self, bottom, blobs):
        return (bottom[0].reshape(self._top),)


@register("Crop")
class Crop(Layer):
    """Cuts bottom 0 to the size of bottom 1 on `axis` and all axes behind it.

    `offset` is where to begin: absent (0), once for these axes or once for each. Bottom 1 gets no
    gradient; only its shape counts.
    """

    bottom_count = (2, 2)

    def setup(self, shapes):
        axis = canonical_axis(self.param.crop_param.axis, shapes[0])
        offsets, axes = self.param.crop_param.offset, len(shapes[0]) - axis
        if len(offsets) not in (0, 1, axes):
            raise CaffeError(f"offset is given {len(offsets)} times, expected once or {axes} times")

    def reshape(self, shapes):
        bottom, reference = shapes
        if len(bottom) != len(reference):
            raise CaffeError(f"bottom 1 is {reference}, expected {len(bottom)} axes like {bottom}")
        axis = canonical_axis(self.param.crop_param.axis, bottom)
        given = list(self.param.crop_param.offset) or [0]
        offsets = given * (len(bottom) - axis) if len(given) == 1 else given
        for i, (offset, size) in enumerate(zip(offsets, reference[axis:]), axis):
            if offset + size > bottom[i]:
                raise CaffeError(
                    f"offset {offset} and size {size} exceed axis {i}; bottom is {bottom}"
                )
        sizes = reference[axis:]
        self._window = (..., *(slice(o, o + n) for o, n in zip(offsets, sizes)))
        return [(*bottom[:axis], *sizes)]

    def forward(self, bottom, blobs):
        return (bottom[0][self._window],)


@register("Tile")
class Tile(Layer):
    """The bottom `tiles` times in a row along `axis`."""

    def setup(self, shapes):
        check_not_in_place(self.param)
        check_positive(self.param.tile_param.tiles, "tiles")

    def reshape(self, shapes):
        (bottom,) = shapes
        axis = canonical_axis(self.param.tile_param.axis, bottom)
        self._repeats = [1] * len(bottom)
        self._repeats[axis] = self.param.tile_param.tiles
        return [tuple(n * r for n, r in zip(bottom, self._repeats))]

    def forward(self, bottom, blobs):
        return (bottom[0].repeat(self._repeats),)


@register("BatchReindex")
class BatchReindex(Layer):
    """Items of bottom 0 as bottom 1 lists them: y[i] = x[index[i]]."""

    bottom_count = (2, 2)
    no_gradient_bottoms = (1,)

    def reshape(self, shapes):
        bottom, index = shapes
        if len(index) != 1:
            raise CaffeError(f"bottom 1 is {index}, expected 1 axis of indices")
        return [(*index, *bottom[1:])]

    def forward(self, bottom, blobs):
        x, index = bottom
        try:
            return (x.index_select(0, index.detach().long()),)
        except (IndexError, RuntimeError):
            raise CaffeError(f"an index is not one of 0 .. {len(x) - 1}") from None


@register("Filter")
class Filter(Layer):
    """The items whose selector is not 0; the selector is the last bottom, (N) or (N, 1, ...).

    There is a top for each other bottom. How many remain is known only after the forward pass,
    which sets the tops' shapes.
    """

    bottom_count = (2, None)
    top_count = (1, None)

    @property
    def no_gradient_bottoms(self):
        return (len(self.param.bottom) - 1,)

    def setup(self, shapes):
        tops = len(self.param.top)
        if tops != len(shapes) - 1:
            raise CaffeError(
                f"has {tops} top(s), expected {len(shapes) - 1}, one less than bottoms"
            )

    def reshape(self, shapes):
        selector = shapes[-1]
        if not selector or math.prod(selector[1:]) != 1:
            raise CaffeError(
                f"the selector, the last bottom, is {selector}, expected one value per item"
            )
        for i, shape in enumerate(shapes):
            if shape[:1] != selector[:1]:
                raise CaffeError(f"bottom {i} is {shape}, expected {selector[0]} items")
        return shapes[:-1]

    def forward(self, bottom, blobs):
        *data, selector = bottom
        kept = selector.detach().flatten().nonzero().flatten()
        return tuple(x.index_select(0, kept) for x in data)

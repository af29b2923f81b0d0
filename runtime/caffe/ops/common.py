"""Checks and small mathematics that several families share."""

import torch

from ..errors import CaffeError

FLT_MIN = torch.finfo(torch.float32).tiny
FLT_MAX = torch.finfo(torch.float32).max


def canonical_axis(axis: int, shape: tuple, name: str = "axis") -> int:
    """The axis counted from the front; a negative one counts from the back."""
    if not -len(shape) <= axis < len(shape):
        raise CaffeError(f"{name} {axis} is out of range; bottom is {shape}")
    return axis % len(shape)


def check_equal_shapes(shapes: list) -> None:
    """Raise unless all bottoms have the shape of the first."""
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise CaffeError(f"bottom {i} is {shape}, expected {shapes[0]} like bottom 0")


def in_place(param) -> bool:
    """Whether the first top is the first bottom."""
    return bool(param.bottom and param.top) and param.bottom[0] == param.top[0]


def check_not_in_place(param) -> None:
    """Raise if a top is one of the bottoms; for types that change the shape."""
    for name in param.top:
        if name in param.bottom:
            raise CaffeError(f'cannot run in place: "{name}" is both bottom and top')


def check_positive(value: int, name: str) -> None:
    """Raise unless a count is at least 1."""
    if value < 1:
        raise CaffeError(f"{name} is {value}, expected at least 1")


def renamed_field(param, name: str, old_name: str) -> int:
    """The value of a field that may also be given under its deprecated name."""
    if not param.HasField(old_name):
        return getattr(param, name)
    if param.HasField(name):
        raise CaffeError(f"{name} and {old_name} are both given, expected one of them")
    return getattr(param, old_name)


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """The type for sums and statistics, where 16 bits are too few."""
    return torch.promote_types(dtype, torch.float32)


def widened(x: torch.Tensor) -> torch.Tensor:
    """`x` in a type fit for sums over a batch."""
    return x.to(at_least_float32(x.dtype))


def with_gradient_of(y: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`value`, differentiated as if it were `y`."""
    return y + (value - y).detach()


def damped_sqrt(square: torch.Tensor, eps: float) -> torch.Tensor:
    """sqrt(square), with Caffe's derivative 1 / (2 (sqrt(square) + eps)), finite at 0."""
    root = square.detach().sqrt()
    return with_gradient_of(square / (2 * (root + eps)), root)


def times(values: tuple) -> str:
    """Sizes as an error names them: 3x5, or 3 where all are equal."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))

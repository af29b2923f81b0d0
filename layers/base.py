"""What the layers share: parameters from JSON, checks of bottoms, errors that name the layer."""

from __future__ import annotations

import json

import caffe


class ArrayLayer(caffe.Layer):
    """A layer with one top, through which no gradient passes unless a subclass says otherwise.

    Subclasses give `forward`, and by `top_shape` check their bottoms' shapes.
    """

    device_tensors = True
    parameters: dict = {}  # name: default, or the type of a parameter that must be given
    bottom_counts: tuple = (1,)

    def setup(self, bottom, top):
        try:
            if len(bottom) not in self.bottom_counts:
                counts = " or ".join(map(str, self.bottom_counts))
                raise ValueError(f"expected {counts} bottoms, got {len(bottom)}")
            if len(top) != 1:
                raise ValueError(f"expected 1 top, got {len(top)}")
            self.params = read_parameters(self.param_str, self.parameters)
            self.prepare()
        except (OSError, ValueError) as error:
            raise self._named(error) from error

    def reshape(self, bottom, top):
        try:
            shape = self.top_shape(*(tuple(bottom[i].shape) for i in range(len(bottom))))
        except ValueError as error:
            raise self._named(error) from error
        top[0].reshape(*shape)

    def backward(self, top, propagate_down, bottom):
        pass

    def prepare(self):
        """Check the parameters and make of them what `forward` needs."""

    def top_shape(self, *bottom_shapes):
        """Return the top's shape; ValueError if the bottoms' shapes do not fit."""
        raise NotImplementedError

    def _named(self, error):
        return ValueError(f"{type(self).__name__}: {error}")


def read_parameters(param_str: str, known: dict) -> dict:
    """Return the parameters of a layer, the defaults of `known` filled in; ValueError if wrong."""
    try:
        given = json.loads(param_str or "{}")
    except ValueError as error:
        raise ValueError(f"param_str is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ValueError(f"param_str: expected a JSON object, got {param_str}")
    unknown = given.keys() - known.keys()
    if unknown:
        names = ", ".join(known) or "no parameters"
        raise ValueError(f'param_str: unknown "{min(unknown)}", expected {names}')
    return {name: _value(given, name, known[name]) for name in known}


def _value(given: dict, name: str, default):
    required = isinstance(default, type)
    if name not in given:
        if required:
            raise ValueError(f'param_str: "{name}" is missing')
        return default
    value, wanted = given[name], default if required else type(default)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ValueError(f'param_str: "{name}": expected {wanted.__name__}, got {value!r}')
    return value


def check_channels(shape: tuple, channels: int) -> tuple:
    """Return the four axes of `shape`; ValueError unless it is (N, channels, H, W)."""
    if len(shape) != 4 or shape[1] != channels:
        raise ValueError(f"expected a bottom of shape (N, {channels}, H, W), got {shape}")
    return shape

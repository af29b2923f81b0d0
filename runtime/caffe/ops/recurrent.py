"""Recurrent layers over bottoms of T time steps x N streams."""

import math

import torch
import torch.nn.functional as F

from ..errors import CaffeError
from ..layer import Layer, register
from .common import check_positive


class _Recurrent(Layer):
    """Unrolls `step` over time.

    Bottoms: x (T, N, ...), cont (T, N), which is 0 where a stream begins anew and 1 where it goes
    on, and maybe x_static (N, ...), the same at each step. cont scales the state before each
    step, so that a stream may also begin inside a batch. Without `expose_hidden` the state stays
    from one forward pass to the next, without gradient; with it the first state is given by
    further bottoms (1, N, num_output), the last one returned in further tops; as in Caffe, no
    gradient passes through either. `debug_info` is accepted and changes nothing.
    """

    states = ""  # a letter for each tensor of the state
    gates = 1  # inputs of a unit

    @property
    def _exposed(self) -> int:
        return len(self.states) if self.param.recurrent_param.expose_hidden else 0

    @property
    def bottom_count(self):
        return (2 + self._exposed, 3 + self._exposed)

    @property
    def top_count(self):
        return (1 + self._exposed, 1 + self._exposed)

    @property
    def no_gradient_bottoms(self):
        bottoms = len(self.param.bottom)
        return (1, *range(bottoms - self._exposed, bottoms))

    def setup(self, shapes):
        param = self.param.recurrent_param
        check_positive(param.num_output, "num_output")
        self.units, self._state = param.num_output, None
        self.has_static = len(shapes) == 3 + self._exposed
        if len(shapes[0]) < 2:
            raise CaffeError(f"bottom 0 is {shapes[0]}, expected (time steps, streams, ...)")
        self.inputs = self._input_sizes(shapes)
        wide = self.gates * self.units
        self.add_blob((wide, self.inputs[0]), param.weight_filler)
        self.add_blob((wide,), param.bias_filler)
        if self.has_static:
            self.add_blob((wide, self.inputs[1]), param.weight_filler)
        self.add_blob((wide, self.units), param.weight_filler)

    def _input_sizes(self, shapes: list) -> list:
        """Values per step of x, and of x_static where there is one."""
        return [math.prod(shapes[0][2:])] + [
            math.prod(s[1:]) for s in shapes[2:3] if self.has_static
        ]

    def reshape(self, shapes):
        steps, streams = shapes[0][:2]
        if shapes[1] != (steps, streams):
            raise CaffeError(
                f"bottom 1 is {shapes[1]}, expected {(steps, streams)}, as bottom 0 begins"
            )
        if self.has_static and shapes[2][:1] != (streams,):
            raise CaffeError(f"bottom 2 is {shapes[2]}, expected {streams} streams")
        if self._input_sizes(shapes) != self.inputs:
            raise CaffeError(
                f"bottoms have {self._input_sizes(shapes)} values, expected {self.inputs}"
            )
        state = (1, streams, self.units)
        for i in range(len(shapes) - self._exposed, len(shapes)):
            if shapes[i] != state:
                raise CaffeError(f"bottom {i} is {shapes[i]}, expected {state}")
        return [(steps, streams, self.units)] + [state] * self._exposed

    def forward(self, bottom, blobs):
        x, cont = bottom[0], bottom[1].detach()
        weight, bias, *rest = blobs
        # One product for all steps; what depends on the state is added step by step.
        driven = F.linear(x.flatten(2) if x.ndim > 2 else x[..., None], weight, bias)
        if self.has_static:
            driven = driven + F.linear(bottom[2].flatten(1), rest.pop(0))
        state = self._first_state(bottom, driven)
        outputs = []
        for t in range(len(x)):
            output, state = self.step(driven[t], cont[t][:, None].to(driven.dtype), state, *rest)
            outputs.append(output)
        state = [s.detach() for s in state]
        if not self.repeats:
            self._state = state
        last = [s[None] for s in state] if self._exposed else []
        return (torch.stack(outputs), *last)

    def _first_state(self, bottom: tuple, like: torch.Tensor) -> list:
        if self._exposed:
            return [s[0].detach() for s in bottom[-self._exposed :]]
        shape = (like.shape[1], self.units)
        if self._state is None or self._state[0].shape != shape:
            return [like.new_zeros(shape) for _ in self.states]
        return [s.to(like) for s in self._state]


def _lstm_unit(gates: torch.Tensor, cont: torch.Tensor, c: torch.Tensor) -> tuple:
    """(h, c) of the next step from gate inputs (..., 4 D) in the order i, f, o, g."""
    i, f, o, g = gates.chunk(4, -1)
    c = torch.sigmoid(f) * cont * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@register("LSTM")
class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; Donahue et al. 2015).

    u = W_x x + b + W_s x_static + W_h (cont h), split into i, f, o, g of num_output each;
    c = sigmoid(f) cont c + sigmoid(i) tanh(g), h = sigmoid(o) tanh(c).
    Stored: W_x, b, W_s with x_static, W_h. State h, c; the top is h of all steps.
    """

    states, gates = "hc", 4

    def step(self, driven, cont, state, weight):
        h, c = state
        h, c = _lstm_unit(driven + F.linear(h * cont, weight), cont, c)
        return h, (h, c)


@register("RNN")
class RNN(_Recurrent):
    """h = tanh(W_x x + b + W_s x_static + W_h (cont h)), top o = tanh(W_o h + b_o).

    Stored: W_x, b, W_s with x_static, W_h, W_o, b_o. State h.
    """

    states, gates = "h", 1

    def setup(self, shapes):
        super().setup(shapes)
        param = self.param.recurrent_param
        self.add_blob((self.units, self.units), param.weight_filler)
        self.add_blob((self.units,), param.bias_filler)

    def step(self, driven, cont, state, weight, output_weight, output_bias):
        h = torch.tanh(driven + F.linear(state[0] * cont, weight))
        return torch.tanh(F.linear(h, output_weight, output_bias)), (h,)


@register("LSTMUnit")
class LSTMUnit(Layer):
    """One step of an LSTM without its weights.

    Bottoms c (1, N, D), gate inputs (1, N, 4 D) in the order i, f, o, g, cont (1, N); tops c, h.
    """

    bottom_count = (3, 3)
    top_count = (2, 2)
    no_gradient_bottoms = (2,)

    def reshape(self, shapes):
        state, gates, cont = shapes
        if len(state) != 3 or state[0] != 1:
            raise CaffeError(f"bottom 0 is {state}, expected (1, streams, units)")
        _, streams, units = state
        if gates != (1, streams, 4 * units):
            raise CaffeError(f"bottom 1 is {gates}, expected {(1, streams, 4 * units)}")
        if cont != (1, streams):
            raise CaffeError(f"bottom 2 is {cont}, expected {(1, streams)}")
        return [state, state]

    def forward(self, bottom, blobs):
        c, gates, cont = bottom
        h, c = _lstm_unit(gates, cont.detach()[..., None].to(gates.dtype), c)
        return c, h

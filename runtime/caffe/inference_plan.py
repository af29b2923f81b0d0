"""Forward on the CPU at its speed: few fused steps, weights prepared once.

A plan follows from a net and the names of inputs and outputs: all blobs for `Net.forward`, those
that are asked for in `Net.infer`. In it a convolution computes at once what stands after it and
makes no output: factors and shifts of channels (BatchNorm, Scale) are in its weights, a sum and a
ReLU are done by oneDNN while the values are in the cache, and images lie with their channels
innermost (torch's channels_last). Weights are brought into oneDNN's order and into the precision
when the plan runs first, and again where a parameter has changed since. All other layers compute
as they always do.
"""

import weakref
from threading import Lock

import torch

from . import context
from .inference_graph import Graph, Step, graph_of
from .layer import Explaining
from .watched import Watch

_making = Lock()  # of plans, and of their weights: several threads may use one net
PLANS = 2  # that a net keeps, each with its prepared weights
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}
ANY_ORDER = {  # layers that compute alike however their bottoms lie in memory
    *("AbsVal", "BNLL", "BatchNorm", "Bias", "Clip", "Concat", "Dropout", "ELU", "Eltwise", "Exp"),
    *("LRN", "Log", "PReLU", "Pooling", "Power", "ReLU", "Scale", "Sigmoid", "Softmax", "Swish"),
    *("TanH", "Threshold"),
}


def planned(net, inputs: dict, outputs: list) -> "Plan | None":
    """The net's plan for such inputs and outputs; None where a plan cannot compute them."""
    precision = context.precision()
    if not available() or any(x.dtype != torch.float32 or not x.numel() for x in inputs.values()):
        return None
    key = (tuple(inputs), tuple(outputs), precision)
    with _making:
        if key not in net._plans:
            plan = Plan(net, graph_of(net, inputs, outputs), DTYPES[precision])
            for oldest in list(net._plans)[: 1 - PLANS]:
                del net._plans[oldest]
            net._plans[key] = plan
        return net._plans[key]


def available() -> bool:
    """Whether nets compute on the CPU now, and oneDNN is there, also for the precision."""
    mkldnn = torch.ops.mkldnn
    return bool(
        context.device().type == "cpu"
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
        and hasattr(mkldnn, "_convolution_transpose_pointwise")
        and (context.precision() != "bf16" or mkldnn._is_mkldnn_bf16_supported())
    )


class Plan:
    """The steps that compute some outputs of a net, ready to run."""

    def __init__(self, net, graph: Graph, dtype: torch.dtype):
        self._net, self._graph = weakref.proxy(net), graph  # it holds the plan: no circle
        self._shapes: set = set()  # of inputs that were found to fit
        self._runs = [
            _runner(self._net, step, dtype, in_place, _only_filters_read(graph, step))
            for step, in_place in zip(graph.steps, _may_overwrite(graph))
        ]
        self._dead = _dead_after(graph)

    def run(self, inputs: dict) -> dict:
        """Tensors of the outputs, float32, from those of the inputs, float32 on the CPU."""
        self._check({name: tuple(x.shape) for name, x in inputs.items()})
        with torch.inference_mode():
            return {name: x.float().contiguous() for name, x in self._computed(inputs).items()}

    def tops(self, inputs: dict) -> dict:
        """The same for inputs that fit, in the types and the orders in memory that steps leave."""
        with torch.no_grad():
            return self._computed(inputs)

    def _computed(self, inputs: dict) -> dict:
        values: dict = {self._graph.inputs[name]: x for name, x in inputs.items()}
        with context.autocast():
            for step, run, dead in zip(self._graph.steps, self._runs, self._dead):
                with self._net._naming(step.number), Explaining([values[i] for i in step.reads]):
                    values.update(zip(step.tops, run(values)))
                for value in dead:
                    del values[value]
        return {name: values[i] for name, i in self._graph.outputs.items()}

    def _check(self, shapes: dict) -> None:
        """Raise CaffeError unless the inputs' shapes fit the net."""
        key = tuple(shapes.values())
        if key not in self._shapes:
            self._net._check_infer_shapes(shapes, list(self._graph.outputs))
            self._shapes.add(key)


def _runner(net, step: Step, dtype: torch.dtype, in_place: bool, for_filters: bool):
    """What computes a step."""
    if step.fuses:
        return FilterStep(step, dtype, in_place)
    if step.layer.type == "Softmax" and step.layer.param.softmax_param.axis == 1:
        top = net.tops[step.number][0]
        if len(top.shape) == 4:
            return SoftmaxStep(step, dtype if for_filters else torch.float32)
    if step.layer.type == "InnerProduct" and dtype != torch.float32:
        return RoundedStep(net, step, dtype)
    return LayerStep(net, step)


def _only_filters_read(graph: Graph, step: Step) -> bool:
    """Whether what the step makes goes into nothing but filters, which round it."""
    made = set(step.tops)
    others = [other for other in graph.steps if not other.fuses]
    return not made & {*graph.outputs.values(), *(v for other in others for v in other.bottoms)}


def _dead_after(graph: Graph) -> list:
    """For each step: the values that no later step reads."""
    alive, dead = set(graph.outputs.values()), []
    for step in reversed(graph.steps):
        dead.append(set(step.reads + step.tops) - alive)
        alive.update(step.reads)
    return dead[::-1]


def _may_overwrite(graph: Graph) -> list:
    """For each step: whether nobody else can see its `other` any more.

    A layer's top may be its bottom itself; a convolution's top is always new.
    """
    by_filters = {value for step in graph.steps if step.fuses for value in step.tops}
    shared = {value for step in graph.steps if not step.fuses for value in step.bottoms}
    return [
        step.other in dead and step.other in by_filters - shared
        for step, dead in zip(graph.steps, _dead_after(graph))
    ]


class LayerStep:
    """One layer, computing as in every forward pass."""

    def __init__(self, net, step: Step):
        self._net, self._layer, self._number = net, step.layer, step.number
        self._bottoms = step.bottoms

    def __call__(self, values: dict) -> tuple:
        bottom = [values[value] for value in self._bottoms]
        if self._layer.type not in ANY_ORDER:
            bottom = [x.contiguous() for x in bottom]
        return self._net._infer_layer(self._number, tuple(bottom), self._params())

    def _params(self) -> "tuple | None":
        """The parameters' tensors, if not as they are in the layer's blobs."""
        return None


class RoundedStep(LayerStep):
    """One layer with its parameters rounded once, not in each forward pass."""

    def __init__(self, net, step: Step, dtype: torch.dtype):
        super().__init__(net, step)
        self._dtype, self._watch = dtype, Watch(self._layer.blobs)

    def _params(self) -> tuple:
        with _making:
            if self._watch.changed():
                blobs = self._layer.blobs
                self._rounded = tuple(blob.data_tensor().to(self._dtype) for blob in blobs)
        return self._rounded


class SoftmaxStep:
    """Softmax over the channels, which torch computes fast along an innermost axis only."""

    def __init__(self, step: Step, dtype: torch.dtype):
        self._bottom, self._dtype = step.bottoms[0], dtype

    def __call__(self, values: dict) -> tuple:
        x = values[self._bottom].permute(0, 2, 3, 1)
        with torch.autocast("cpu", enabled=False):
            if x.dtype != self._dtype:
                x = x.float()
            return (torch.softmax(x, -1).permute(0, 3, 1, 2),)


class FilterStep:
    """A Convolution or Deconvolution with what was fused into it.

    relu(s (W * x + b) + t + other) p + q: s W and s b + t are prepared, with s and t of the layers
    `before` the sum, p and q of those `after` the ReLU.
    """

    def __init__(self, step: Step, dtype: torch.dtype, in_place: bool):
        self._step, self._layer, self._dtype, self._in_place = step, step.layer, dtype, in_place
        layers = [step.layer, *step.before, *step.after]
        self._watch = Watch([blob for layer in layers for blob in layer.blobs])
        self._transposed = step.layer.type == "Deconvolution"
        slope = step.slope
        self._activation: tuple[str, list] = ("none", []) if slope is None else ("relu", [])
        if slope:
            self._activation = ("leaky_relu", [slope])

    def __call__(self, values: dict) -> tuple:
        x = values[self._step.bottoms[0]].to(self._dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        with _making:
            if self._watch.changed():
                self._prepare(x.shape)
        y = self._transpose(x) if self._transposed else self._convolve(x, values)
        if self._after is not None:
            y = torch.batch_norm(y, *self._after, False, 0.0, 0.0, False)
        return (y,)

    def _prepare(self, shape: torch.Size) -> None:
        """Fold, round and reorder the weights."""
        weight, *bias = (blob.data_tensor() for blob in self._layer.blobs)
        scale, shift = per_channel(self._step.before, self._layer.top_channels)
        self._bias = scale * bias[0] + shift if bias else shift
        if self._step.other is not None or self._transposed:
            # The operator with a sum wants one type for all; torch 2.4's transposed one with few
            # channels misreads a bias of another type.
            self._bias = self._bias.to(self._dtype)
        weight = self._scaled(weight, scale).to(self._dtype)
        self._weight = self._reordered(weight, shape)
        self._after = None
        if self._step.after:
            scale, shift = per_channel(self._step.after, self._layer.top_channels)
            self._after = (scale, shift, torch.zeros_like(scale), torch.ones_like(scale))

    def _scaled(self, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        if not self._transposed:
            return weight * scale.view(-1, 1, 1, 1)
        group = self._layer.group  # W is (channels, num_output / group, *kernel)
        parts = zip(weight.chunk(group), scale.chunk(group))
        return torch.cat([w * s.view(1, -1, 1, 1) for w, s in parts])

    def _reordered(self, weight: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        w, group = self._layer.window, self._layer.group
        stride = w.steps(shape[2:])
        if self._transposed:
            return torch.ops.mkldnn._reorder_convolution_transpose_weight(
                weight, w.pad, (0, 0), stride, w.dilation, group, shape
            )
        return torch.ops.mkldnn._reorder_convolution_weight(
            weight, w.pad, stride, w.dilation, group, shape
        )

    def _convolve(self, x: torch.Tensor, values: dict) -> torch.Tensor:
        w = self._layer.window
        parameters = (self._weight, self._bias, w.pad, w.steps(x.shape[2:]), w.dilation)
        kind, slope = self._activation
        group, other = self._layer.group, self._step.other
        if other is None:
            run = torch.ops.mkldnn._convolution_pointwise
            return run(x, *parameters, group, kind, slope, "")
        summand = values[other].to(self._dtype).contiguous(memory_format=torch.channels_last)
        last = (*parameters, group, "add", 1.0, None if kind == "none" else kind, slope, "")
        if self._in_place:
            return torch.ops.mkldnn._convolution_pointwise_(summand, x, *last)
        return torch.ops.mkldnn._convolution_pointwise(x, summand, *last)

    def _transpose(self, x: torch.Tensor) -> torch.Tensor:
        w = self._layer.window
        stride = tuple(s if n > 1 else 1 for s, n in zip(w.stride, x.shape[2:]))
        return torch.ops.mkldnn._convolution_transpose_pointwise(
            x,
            self._weight,
            self._bias,
            w.pad,
            (0, 0),
            stride,
            w.dilation,
            self._layer.group,
            *self._activation,
            "",
        )


def per_channel(layers: list, channels: int) -> tuple:
    """Factor s and shift t (channels) of BatchNorm, Scale and Bias layers one after the other."""
    s, t = torch.ones(channels), torch.zeros(channels)
    for layer in layers:
        blobs = [blob.data_tensor() for blob in layer.blobs]
        if layer.type == "BatchNorm":
            mean_sum, variance_sum, weight = blobs
            eps = layer.param.batch_norm_param.eps
            factor, shift = _normalisation(mean_sum, variance_sum, weight, eps)
            s, t = s * factor, t * factor + shift
        elif layer.type == "Scale":
            s, t = s * blobs[0], t * blobs[0] + (blobs[1] if len(blobs) > 1 else 0)
        else:
            t = t + blobs[0]
    return s, t


def _normalisation(mean_sum, variance_sum, weight, eps: float) -> tuple:
    """Factor and shift of a BatchNorm with stored statistics."""
    fraction = torch.where(weight == 0, 0, 1 / weight)
    factor = (variance_sum * fraction + eps).rsqrt()
    return factor, -mean_sum * fraction * factor

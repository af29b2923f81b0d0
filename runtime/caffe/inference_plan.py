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
from collections import Counter
from functools import cache
from threading import Lock

import torch

from . import context
from .filter_step import FilterStep
from .host_memory import use_huge_pages
from .inference_graph import Graph, Step, filters_alone, graph_of
from .layer import Explaining
from .watched import Watch

_making = Lock()  # of plans, and what their watches have seen: several threads may use one net
PLANS = 2  # that a net keeps, each with its prepared weights
OFTEN = 8  # passes with weights as they are and inputs of some shapes; moving memory takes several
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
    return bool(
        context.device().type == "cpu"
        and _has_operators(context.precision())
        and torch.backends.mkldnn.enabled
    )


@cache
def _has_operators(precision: str) -> bool:
    mkldnn = torch.ops.mkldnn
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(mkldnn, "_convolution_transpose_pointwise")
        and (precision != "bf16" or mkldnn._is_mkldnn_bf16_supported())
    )


class Plan:
    """The steps that compute some outputs of a net, ready to run."""

    def __init__(self, net, graph: Graph, dtype: torch.dtype):
        self._net, self._graph = weakref.proxy(net), graph  # it holds the plan: no circle
        self._passes: Counter = Counter()  # by the shapes of the inputs, which were found to fit
        self._runs = [
            _runner(self._net, step, dtype, in_place, graph)
            for step, in_place in zip(graph.steps, _may_overwrite(graph))
        ]
        self._preparing = [run for run in self._runs if isinstance(run, (FilterStep, RoundedStep))]
        self._watch = Watch({id(b): b for run in self._preparing for b in run.blobs}.values())
        self._dead = _dead_after(graph)

    def run(self, inputs: dict) -> dict:
        """Tensors of the outputs, float32, from those of the inputs, float32 on the CPU."""
        if _shapes(inputs) not in self._passes:
            shapes = {name: tuple(x.shape) for name, x in inputs.items()}
            self._net._check_infer_shapes(shapes, list(self._graph.outputs))
        with torch.inference_mode():
            results = self._computed(inputs)
            return {name: x.float().contiguous() for name, x in results.items()}

    def tops(self, inputs: dict) -> dict:
        """The same for inputs that fit, in the types and the orders in memory that steps leave."""
        with torch.no_grad():
            return self._computed(inputs)

    def _computed(self, inputs: dict) -> dict:
        values: dict = {self._graph.inputs[name]: x for name, x in inputs.items()}
        settling = self._begin(_shapes(inputs))
        for step, run, dead in zip(self._graph.steps, self._runs, self._dead):
            try:
                tops = run(values)
            except BaseException:
                read = [values[i] for i in step.reads]
                with self._net._naming(step.number), Explaining(read):
                    raise
            if settling:
                if isinstance(run, FilterStep):
                    run.settle()
                for top in tops:
                    use_huge_pages(top.data_ptr(), top.nbytes)
            values.update(zip(step.tops, tops))
            for value in dead:
                del values[value]
        return {name: values[i] for name, i in self._graph.outputs.items()}

    def _begin(self, shapes: tuple) -> bool:
        """See which parameters changed, and whether it pays to move what is used to huge pages.

        Passes to come get the same memory; a net that keeps its tops has two sets of it in turn.
        """
        with _making:
            changed = self._watch.changed()
            if changed:
                self._passes.clear()
                for run in self._preparing:
                    if any(blob is other for blob in changed for other in run.blobs):
                        run.forget()
            self._passes[shapes] += 1
            return self._passes[shapes] in (OFTEN, OFTEN + 1)


def _shapes(inputs: dict) -> tuple:
    return tuple(x.shape for x in inputs.values())


def _runner(net, step: Step, dtype: torch.dtype, in_place: bool, graph: Graph):
    """What computes a step."""
    if step.fuses:
        return FilterStep(step, dtype, in_place, graph.made_by_filters)
    if step.layer.type == "Softmax" and step.layer.param.softmax_param.axis == 1:
        top = net.tops[step.number][0]
        if len(top.shape) == 4:
            # What filters alone read they round in any case.
            alone = filters_alone(graph.steps, step.tops[0], set(graph.outputs.values()))
            return SoftmaxStep(step, dtype if alone else torch.float32)
    if step.layer.type == "InnerProduct" and dtype != torch.float32:
        return RoundedStep(net, step, dtype)
    return LayerStep(net, step)


def _dead_after(graph: Graph) -> list:
    """For each step: the values that no later step reads."""
    alive, dead = set(graph.outputs.values()), []
    for step in reversed(graph.steps):
        dead.append(set(step.reads + step.tops) - alive)
        alive.update(step.reads)
    return dead[::-1]


def _may_overwrite(graph: Graph) -> list:
    """For each step: whether nobody, nor the step's filter, can see its `other` any more.

    A layer's top may be its bottom itself; a convolution's top is always new.
    """
    shared = {value for step in graph.steps if not step.fuses for value in step.bottoms}
    own = graph.made_by_filters - shared
    return [
        step.other in dead and step.other in own - {*step.bottoms}
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
        with context.autocast():
            return self._net._infer_layer(self._number, tuple(bottom), self._params())

    def _params(self) -> "tuple | None":
        """The parameters' tensors, if not as they are in the layer's blobs."""
        return None


class RoundedStep(LayerStep):
    """One layer with its parameters rounded once, not in each forward pass."""

    def __init__(self, net, step: Step, dtype: torch.dtype):
        super().__init__(net, step)
        self._dtype, self.blobs = dtype, step.layer.blobs
        self._rounded: tuple | None = None

    def forget(self) -> None:
        """Let the parameters be rounded anew, as `blobs` have changed."""
        self._rounded = None

    def _params(self) -> tuple:
        rounded = self._rounded
        if rounded is None:
            rounded = tuple(blob.data_tensor().to(self._dtype) for blob in self.blobs)
            self._rounded = rounded
        return rounded


class SoftmaxStep:
    """Softmax over the channels, which torch computes fast along an innermost axis only."""

    def __init__(self, step: Step, dtype: torch.dtype):
        self._bottom, self._dtype = step.bottoms[0], dtype

    def __call__(self, values: dict) -> tuple:
        x = values[self._bottom].permute(0, 2, 3, 1)
        if x.dtype != self._dtype:
            x = x.float()
        return (torch.softmax(x, -1).permute(0, 3, 1, 2),)

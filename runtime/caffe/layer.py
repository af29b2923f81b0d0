"""What a layer is: its registry, its counts of bottoms and tops, how it runs and is differentiated.

To add a layer type: subclass `Layer` in the module of its family under `ops/`, register it with
`@register("Type")`, declare its counts, and give `setup`, `reshape` and `forward`. Gradients follow
from `forward` by automatic differentiation of this one layer; override `differentiate` only where
Caffe's gradient is not that of its forward.
"""

from collections import Counter

import torch

from . import context, streams
from .blob import Blob, BlobVec
from .errors import CaffeError, lack_of_memory

REGISTRY: dict = {}


def register(layer_type: str):
    """Class decorator: make the layer known under its type name in prototxt."""

    def add(cls):
        cls.type = layer_type
        REGISTRY[layer_type] = cls
        return cls

    return add


class Layer:
    """Base of all layers; the methods that a layer type overrides speak of shapes and tensors."""

    type = ""
    bottom_count: tuple = (1, 1)  # least and most; None: any number
    top_count: tuple = (1, 1)
    equal_counts = False  # as many tops as bottoms
    is_loss = False  # top 0 has loss weight 1 unless told otherwise, and may be left out
    differentiable = True  # False: no bottom ever gets a gradient
    gradient_needs_tops = True  # False: a layer that works in place may overwrite them
    no_gradient_bottoms: tuple = ()  # indices that force_backward does not reach (labels)
    differs = ""  # from Caffe, for docs/layers.md

    def __init__(self, param, phase: int):
        self.param = param
        self.phase = phase
        self.name = param.name
        self.blobs = BlobVec()
        self.seed = 0  # the net gives each layer its own
        self.calls = 0  # forward passes so far; names the random stream of the next one
        self.param_needs_grad: list[bool] = []
        self.owners: list[tuple] = []  # of each blob: its owner's name, its number there
        self.may_overwrite = False  # its bottom, as it works in place and no gradient needs it
        self.loss_weights: list[float] = []  # of each top
        self.repeats = False  # its forward is run for a gradient alone and must leave no trace
        self._tape: tuple | None = None
        self._shapes: list | None = None

    # -- what a layer type gives ---------------------------------------------------------------

    def setup(self, shapes: list) -> None:
        """Check the parameters against the bottoms' shapes and add the learned blobs."""

    def reshape(self, shapes: list) -> list:
        """The tops' shapes for these bottoms' shapes; raises CaffeError where they do not fit."""
        raise NotImplementedError

    def forward(self, bottom: tuple, blobs: tuple) -> tuple:
        """The tops' tensors from the bottoms' and the parameters' tensors."""
        raise NotImplementedError

    # -- what layer types use ------------------------------------------------------------------

    def add_blob(self, shape: tuple, filler=None) -> None:
        """Add a learned blob, filled as the FillerParameter says (zeros without one)."""
        from .fillers import fill

        blob = Blob(shape)
        if filler is not None:
            tensor = torch.zeros(tuple(shape))
            fill(tensor, filler, streams.torch_generator(self.seed, "fill", len(self.blobs)))
            blob.set_data(tensor)
        self.blobs.append(blob)

    def generator(self, device: "torch.device | str" = "cpu") -> torch.Generator:
        """The random stream of this forward pass."""
        return streams.torch_generator(self.seed, "forward", self.calls, device=device)

    # -- what the net calls --------------------------------------------------------------------

    def check_counts(self, bottoms: int, tops: int) -> None:
        """Raise unless the numbers of bottoms and tops suit the type."""
        for what, number, (least, most) in (
            ("bottom", bottoms, self.bottom_count),
            ("top", tops, self.top_count),
        ):
            if number < least or (most is not None and number > most):
                expected = f"{least}" if least == most else f"{least} to {most or 'any number'}"
                raise CaffeError(f"has {number} {what}(s), expected {expected}")
        if self.equal_counts and bottoms != tops:
            raise CaffeError(f"has {bottoms} bottom(s) and {tops} top(s), expected as many of each")

    def set_up(self, bottom: list, top: list) -> None:
        """Check, create parameters and give the tops their shapes."""
        self.setup([b.shape for b in bottom])
        self.reshape_tops(bottom, top)

    def top_shapes(self, shapes: list) -> list:
        """What `reshape` says; the layer is set to these shapes from now on."""
        try:
            tops = self.reshape(shapes)
        except CaffeError:
            self._shapes = None  # it may be set to some of them
            raise
        self._shapes = shapes
        return tops

    def reshape_tops(self, bottom: list, top: list) -> None:
        """Give the tops the shapes that follow from the bottoms'."""
        for blob, shape in zip(top, self.top_shapes([b.shape for b in bottom])):
            if tuple(shape) != blob.shape and any(blob is b for b in bottom):
                raise CaffeError(
                    f"cannot run in place: the bottom is {blob.shape}, the top {shape}"
                )
            blob.reshape(*shape)

    def fit(self, bottom: list, top: list) -> None:
        """Give the tops their shapes where the bottoms' have changed."""
        if [b.shape for b in bottom] != self._shapes:
            self.reshape_tops(bottom, top)

    def run(self, bottom: list, top: list, device: torch.device, record: bool) -> None:
        """Compute the tops; with `record`, keep what `differentiate` needs."""
        self.fit(bottom, top)
        tape = self._compute(bottom, top, device, record)
        self.calls += 1
        self._tape = tape if record else None
        for blob, y in zip(top, tape[2]):
            blob.set_data(y.detach())

    def _compute(self, bottom: list, top: list, device: torch.device, record: bool) -> tuple:
        """The inputs, weights and outputs of a forward, with `record` known to autograd."""
        in_place = {id(t) for t in top}
        inputs = []
        for blob in bottom:
            x = blob.data_tensor(device).detach()
            overwritten = id(blob) in in_place and (blob._data.viewed or self.repeats)
            inputs.append(x.clone() if overwritten else x)
        weights = [blob.data_tensor(device).detach() for blob in self.blobs]
        if record:
            for x in inputs:
                x.requires_grad_(x.is_floating_point())
            for w, needed in zip(weights, self.param_needs_grad):
                w.requires_grad_(needed)
        with torch.set_grad_enabled(record), context.autocast(), Explaining(inputs):
            outputs = self.forward(tuple(inputs), tuple(weights))
        return inputs, weights, outputs

    def _recorded(self, bottom: list, top: list) -> tuple:
        """The tape of the last forward; of one at the bottoms' values if there is none that fits.

        That one repeats the last forward's random draws and changes no top and no parameter.
        """
        if self._tape is not None and not _misfit(self._tape, bottom, top):
            return self._tape
        calls = self.calls
        self.calls, self.repeats = max(calls - 1, 0), True
        try:
            self.fit(bottom, top)
            self._tape = self._compute(bottom, top, context.device(), True)
        finally:
            self.calls, self.repeats = calls, False
        misfit = _misfit(self._tape, bottom, top)
        if misfit:
            raise CaffeError(f"{misfit}: run forward before backward")
        return self._tape

    def differentiate(self, top: list, propagate_down: list, bottom: list, keep: bool) -> None:
        """Write the bottoms' diffs and add to the parameters' from the tops' diffs."""
        if not self.differentiable or not any([*propagate_down, *self.param_needs_grad]):
            return
        inputs, weights, outputs = self._recorded(bottom, top)
        below = [(x, blob) for x, blob, down in zip(inputs, bottom, propagate_down) if down]
        params = [(w, blob) for w, blob in zip(weights, self.blobs) if w.requires_grad]
        pairs = [
            (y, blob.diff_tensor(y.device).to(y.dtype))
            for y, blob in zip(outputs, top)
            if y.requires_grad
        ]
        if not below and not params or not pairs:
            return
        with Explaining(inputs):
            gradients = torch.autograd.grad(
                [y for y, _ in pairs],
                [x for x, _ in below + params],
                [d for _, d in pairs],
                retain_graph=keep,
                allow_unused=True,
            )
        for (_, blob), gradient in zip(below, gradients):
            if gradient is not None:
                blob.set_diff(gradient)
        if params:
            # A parameter's gradient becomes its diff, unless its memory is another's, a top's say.
            tensors = [*inputs, *weights, *(d for _, d in pairs), *gradients]
            owners = Counter(_memory(t) for t in tensors if t is not None)
            for (_, blob), gradient in zip(params, gradients[len(below) :]):
                if gradient is not None:
                    blob.add_diff(gradient, shared=keep or owners[_memory(gradient)] > 1)
        if not keep:
            self._tape = None


def _misfit(tape: tuple, bottom: list, top: list) -> str:
    """Where a recorded forward had other shapes than the blobs; empty if nowhere."""
    inputs, _, outputs = tape
    for what, tensors, blobs in (("bottom", inputs, bottom), ("top", outputs, top)):
        for i, (x, blob) in enumerate(zip(tensors, blobs)):
            if x.shape != blob.shape:
                return f"{what} {i} is {blob.shape}, expected {tuple(x.shape)}"
    return ""


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class Explaining:
    """Context in which errors of torch's about empty bottoms are told as what they are."""

    def __init__(self, inputs: list):
        self.inputs = inputs

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if not isinstance(error, (IndexError, RuntimeError, ZeroDivisionError)):
            return
        if lack_of_memory(error):
            return
        for i, x in enumerate(self.inputs):
            if not x.numel():
                raise CaffeError(
                    f"cannot compute with bottom {i}: it is empty, {tuple(x.shape)}"
                ) from error


def layer_type_list() -> list:
    """The names of all layer types, sorted."""
    return sorted(REGISTRY)

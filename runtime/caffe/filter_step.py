"""A Convolution or Deconvolution with what was fused into it, by one call of oneDNN's.

relu(s (W * x + b) + t + other) p + q: s W and s b + t are prepared, with s and t of the layers
`before` the sum, p and q of those `after` the ReLU.

Behind a ReLU a normalisation is d max(f y - 1, -1), with d = -q and f = p / d, as its mean is not
negative. The filter itself can compute what max gives, for all channels alike, and the filters that
read it take d on. Zeros around the image stay what they are, which with q alone they would not.
"""

from threading import Lock

import torch

from .host_memory import use_huge_pages
from .inference_graph import Step

LEAST_SHIFT = 1e-12  # that stands for none, far below what float32 tells apart
_LARGEST = torch.finfo(torch.float32).max
_preparing = Lock()  # several threads may use one net


class FilterStep:
    """The filter of one step, with its weights prepared for a precision."""

    def __init__(self, step: Step, dtype: torch.dtype, in_place: bool, made_by_filters: set):
        self._step, self._layer, self._dtype = step, step.layer, dtype
        self._bottom, self._other = step.bottoms[0], step.other
        self._made_by_filters = made_by_filters
        layers = [step.layer, *step.before, *step.after, *step.takes_on]
        self.blobs = [blob for layer in layers for blob in layer.blobs]
        self._prepared = False
        self._transposed = step.layer.type == "Deconvolution"
        self._output_pad = ((0, 0),) if self._transposed else ()
        mkldnn = torch.ops.mkldnn
        if self._transposed:
            self._run = mkldnn._convolution_transpose_pointwise.default
        elif self._other is None:
            self._run = mkldnn._convolution_pointwise.default
        elif in_place:
            self._run = mkldnn._convolution_pointwise_.binary
        else:
            self._run = mkldnn._convolution_pointwise.binary
        self._in_place = in_place

    def forget(self) -> None:
        """Let the weights be prepared anew, as `blobs` have changed."""
        self._prepared = False

    def settle(self) -> None:
        """Move the prepared weights to huge pages."""
        mkldnn = torch.ops.mkldnn
        use_huge_pages(mkldnn.data_ptr(self._weight), mkldnn._nbytes(self._weight))

    def __call__(self, values: dict) -> tuple:
        x = self._input(values, self._bottom)
        if not self._prepared:
            with _preparing:
                if not self._prepared:
                    self._prepare(x.shape)
                    self._prepared = True
        shape, parameters = self._parameters
        if shape != x.shape:
            parameters = self._parameters_for(x.shape)
        if self._other is None:
            y = self._run(x, *parameters)
        else:
            other = self._input(values, self._other)
            y = self._run(*((other, x) if self._in_place else (x, other)), *parameters)
        if self._after is not None:
            y = torch.batch_norm(y, *self._after, False, 0.0, 0.0, False)
        return (y,)

    def _parameters_for(self, shape: torch.Size) -> tuple:
        """What the operator needs besides images of a shape; it is kept for more of them."""
        w = self._layer.window
        if self._transposed:
            steps = tuple(s if n > 1 else 1 for s, n in zip(w.stride, shape[2:]))
        else:
            steps = w.steps(shape[2:])
        kind, numbers = self._activation
        last: tuple = (kind, numbers, "")
        if self._other is not None:
            last = ("add", 1.0, None if kind == "none" else kind, numbers, "")
        padding = (w.pad, *self._output_pad, steps)
        group = self._layer.group
        parameters = (self._weight, self._bias, *padding, w.dilation, group, *last)
        self._parameters = (shape, parameters)
        return parameters

    def _input(self, values: dict, number: int) -> torch.Tensor:
        """A value in the precision, with its channels innermost, as filters make it."""
        x = values[number]
        if number in self._made_by_filters:
            return x
        return x.to(self._dtype).contiguous(memory_format=torch.channels_last)

    def _prepare(self, shape: torch.Size) -> None:
        """Fold, round and reorder the weights."""
        step, channels = self._step, self._layer.top_channels
        weight, *bias = (blob.data_tensor() for blob in self._layer.blobs)
        scale, shift = per_channel(step.before, channels)
        self._after, self._activation = None, _relu(step.slope)
        if step.after:
            p, q = per_channel(step.after, channels)
            depth = _depth(p, q) if step.hands_on else None
            if depth is None:
                self._after = (p, q, torch.zeros_like(p), torch.ones_like(p))
            else:
                scale, shift = scale * p / depth, shift * p / depth - 1
                self._activation = ("hardtanh", [-1.0, _LARGEST])
        self._bias = scale * bias[0] + shift if bias else shift
        if self._other is not None or self._transposed:
            # The operator with a sum wants one type for all; torch 2.4's transposed one with few
            # channels misreads a bias of another type.
            self._bias = self._bias.to(self._dtype)
        weight = self._scaled(weight, step.gain * scale, first_axis=not self._transposed)
        if step.takes_on:
            depth = _depth(*per_channel(step.takes_on, shape[1]))
            if depth is not None:
                weight = self._scaled(weight, depth, first_axis=self._transposed)
        self._weight = self._reordered(weight.to(self._dtype), shape)
        self._parameters_for(shape)

    def _scaled(self, weight: torch.Tensor, scale: torch.Tensor, first_axis: bool) -> torch.Tensor:
        """The weights with a factor for each channel, on their first axis or their second.

        W is (num_output, channels / group, *kernel), or (channels, num_output / group, *kernel) of
        a Deconvolution.
        """
        if first_axis:
            return weight * scale.view(-1, 1, 1, 1)
        factors = scale.view(self._layer.group, 1, -1, 1, 1)
        groups = weight.reshape(len(factors), -1, *weight.shape[1:])
        return (groups * factors).reshape(weight.shape)

    def _reordered(self, weight: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        w, group = self._layer.window, self._layer.group
        stride = w.steps(shape[2:])
        if self._transposed:
            return torch.ops.mkldnn._reorder_convolution_transpose_weight(
                weight, w.pad, *self._output_pad, stride, w.dilation, group, shape
            )
        return torch.ops.mkldnn._reorder_convolution_weight(
            weight, w.pad, stride, w.dilation, group, shape
        )


def _relu(slope: "float | None") -> tuple:
    """The activation's name and numbers, as torch's operators take them."""
    if slope is None:
        return ("none", [])
    return ("leaky_relu", [slope]) if slope else ("relu", [])


def _depth(p: torch.Tensor, q: torch.Tensor) -> "torch.Tensor | None":
    """The d > 0 with which relu(y) p + q is d max(f y - 1, -1) in all channels, if there is one."""
    found = (p >= 0).all() and (q <= 0).all()
    return (-q).clamp(min=LEAST_SHIFT) if found else None


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

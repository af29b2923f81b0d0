"""The layer types, one module per family; importing this package registers them all.

To add a type, write its class in the module of its family with `@register("Type")`. A new family is
also named here.
"""

from . import (
    accuracy,
    activation,
    convolution,
    data,
    dropout,
    inner_product,
    input,
    loss,
    merge,
    normalization,
    pooling,
    recurrent,
    reduction,
    scale,
    shape,
    softmax,
)

__all__ = [
    "accuracy",
    "activation",
    "convolution",
    "data",
    "dropout",
    "inner_product",
    "input",
    "loss",
    "merge",
    "normalization",
    "pooling",
    "recurrent",
    "reduction",
    "scale",
    "shape",
    "softmax",
]

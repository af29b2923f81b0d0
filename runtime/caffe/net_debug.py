"""What `debug_info: true` logs: mean absolute values of blobs, parameters and gradients."""

import torch

from . import log


def _mean_abs(tensor: torch.Tensor) -> str:
    return f"{float(tensor.float().abs().mean()):g}"


def log_forward(net, index: int) -> None:
    """Log the tops and parameters of a layer after its forward."""
    layer = net.layers[index]
    for name, blob in zip(net._top_names[index], net.tops[index]):
        mean = _mean_abs(blob.data_tensor())
        log.info("net.cpp:593", f"    [Forward] Layer {layer.name}, top blob {name} data: {mean}")
    for i, blob in enumerate(layer.blobs):
        mean = _mean_abs(blob.data_tensor())
        log.info("net.cpp:605", f"    [Forward] Layer {layer.name}, param blob {i} data: {mean}")


def log_backward(net, index: int) -> None:
    """Log the gradients of the bottoms and parameters of a layer after its backward."""
    layer = net.layers[index]
    needs = net._bottom_needs_backward[index]
    for name, blob, needed in zip(net._bottom_names[index], net.bottoms[index], needs):
        if needed:
            mean = _mean_abs(blob.diff_tensor())
            text = f"    [Backward] Layer {layer.name}, bottom blob {name} diff: {mean}"
            log.info("net.cpp:621", text)
    for i, (blob, needed) in enumerate(zip(layer.blobs, layer.param_needs_grad)):
        if needed:
            mean = _mean_abs(blob.diff_tensor())
            log.info(
                "net.cpp:632", f"    [Backward] Layer {layer.name}, param blob {i} diff: {mean}"
            )


def log_params(net) -> None:
    """Log the norms of all parameters and their gradients."""
    data = torch.cat([blob.data_tensor().flatten() for blob in net.learnable_params])
    diff = torch.cat([blob.diff_tensor().flatten() for blob in net.learnable_params])
    norms = [f"({float(data.norm(p)):g}, {float(diff.norm(p)):g})" for p in (1, 2)]
    log.error(
        "net.cpp:721",
        f"    [Backward] All net params (data, diff): L1 norm = {norms[0]}; L2 norm = {norms[1]}",
    )

"""One image of 224x224 through a network: this project against torch, OpenVINO and others.

All compute the deploy net from L to ab, with the same weights and as many threads; what each may
prepare beforehand it does before the clock starts. Ours is `net.infer`, and as a peer of its own
`net.forward`, after which all blobs can be read. Peers that are not installed are named and left
out: pip install openvino onnxruntime onnx "opencv-python-headless<5".
"""

import argparse
import importlib.util
from collections.abc import Callable

import numpy as np
import torch
from common import CLOCKS, compare_all, machine
from peers import TorchNet, onnx_model, opencv, seeded_net, tell_differences

import caffe
from caffe import inference_plan
from colorization.network import network_path


def main() -> None:
    options = _options()
    if options.threads:
        torch.set_num_threads(options.threads)
    print(machine())
    for peer in ("onnx", "onnxruntime", "openvino"):
        if importlib.util.find_spec(peer) is None:
            print(f"{peer} is not installed: its figures are missing")
    shape = (options.batch, 1, options.size, options.size)
    L = 100 * torch.rand(shape, generator=torch.Generator().manual_seed(2))
    for network in options.networks:
        net = seeded_net(str(network_path(network)))
        for precision in options.precisions:
            caffe.set_precision(precision)
            peers = {"net.forward": forward(net, L), **torch_peers(net, L, precision)}
            peers |= other_peers(net, L, precision)
            if precision == "fp32":
                peers |= opencv(net, str(network_path(network)), L.numpy(), net.outputs[0])
            name = f"{network}, batch {options.batch}, {precision}"

            def ours(net=net):
                return net.infer({"data_l": L}, [net.outputs[0]])[net.outputs[0]]

            for _ in range(inference_plan.OFTEN + 1):  # by then all lies where it stays
                ours()
                peers["net.forward"]()
            tell_differences(ours(), peers)
            compare_all(name, ours, peers, options.runs, options.clock)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("networks", nargs="*", default=["plain", "residual"], help="(plain residual)")
    add("--precisions", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    add("--threads", type=int, help="(torch's choice)")
    add("--batch", type=int, default=1, help="(1)")
    add("--size", type=int, default=224, help="of the image (224)")
    add("--runs", type=int, default=15, help="(15)")
    add("--clock", choices=CLOCKS, default="wall", help="cpu for one thread on a busy machine")
    return parser.parse_args()


def forward(net: caffe.Net, L: torch.Tensor) -> Callable:
    """What pycaffe's users call."""
    net.blobs["data_l"].reshape(*L.shape)
    net.blobs["data_l"].data[...] = L.numpy()
    return lambda: net.forward()[net.outputs[0]]


def torch_peers(net, L: torch.Tensor, precision: str) -> dict:
    """Torch as it comes, and with the channels innermost, which it likes better."""
    plain, last = TorchNet(net).eval(), TorchNet(net).eval()
    last = last.to(memory_format=torch.channels_last)

    def run(module, x):
        with (
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
        ):
            return module(x)

    x = L.contiguous(memory_format=torch.channels_last)
    return {"torch": lambda: run(plain, L), "torch channels_last": lambda: run(last, x)}


def other_peers(net, L: torch.Tensor, precision: str) -> dict:
    """ONNX Runtime, which has no bf16 for these operators on a CPU, and OpenVINO."""
    if importlib.util.find_spec("onnx") is None:
        return {}
    model, peers = onnx_model(net, tuple(L.shape)), {}
    if importlib.util.find_spec("onnxruntime") and precision == "fp32":
        peers["ONNX Runtime"] = _onnxruntime(model, L.numpy())
    if importlib.util.find_spec("openvino"):
        peers["OpenVINO"] = _openvino(model, L.numpy(), precision)
    return peers


def _onnxruntime(model: bytes, L: np.ndarray):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"data_l": L})[0]


def _openvino(model: bytes, L: np.ndarray, precision: str):
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", settings)
    request = compiled.create_infer_request()
    return lambda: request.infer([L])[0]


if __name__ == "__main__":
    main()

"""What the benchmarks share: pairs of functions timed in turn, and one line about the machine."""

import platform
import statistics
import time
from collections.abc import Callable

import torch


def machine() -> str:
    """One line: processor threads, GPU if any, versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    threads = f"{torch.get_num_threads()} threads"
    return f"{platform.machine()}, {threads}, {gpu}, {versions}, {time.strftime('%Y-%m-%d')}"


def milliseconds(function: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def compare(name: str, ours: Callable, peer: Callable, runs: int = 7) -> None:
    """Time two functions in turn and print medians and the ratio's median and spread."""
    for function in (ours, peer):
        function()
    pairs = [(milliseconds(ours), milliseconds(peer)) for _ in range(runs)]
    mine, other = (statistics.median(times) for times in zip(*pairs))
    ratios = sorted(a / b for a, b in pairs)
    print(
        f"{name:<34} ours {mine:8.1f} ms   torch {other:8.1f} ms   "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )

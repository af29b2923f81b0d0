"""What the benchmarks share: functions timed in turn, memory, and one line about the machine."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable

import torch

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def machine() -> str:
    """One line: processor threads, load, GPU if any, versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()}"
    load = f"load {os.getloadavg()[0]:.1f}"
    day = time.strftime("%Y-%m-%d")
    return f"{platform.machine()}, {threads}, {load}, {gpu}, {versions}, {day}"


def milliseconds(function: Callable[[], object], clock: str = "wall") -> float:
    """How long one call takes; the clock "cpu" counts only what this process computed."""
    now = CLOCKS[clock]
    start = now()
    function()
    return 1000 * (now() - start)


def run_measured(command: list) -> tuple[float, float]:
    """Run a command, which must succeed; return its seconds and its peak memory in MB."""
    start = time.perf_counter()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command[0]}: exit code {child.returncode}")
    peak = usage.ru_maxrss / (2**20 if platform.system() == "Darwin" else 2**10)
    return time.perf_counter() - start, peak


def compare(name: str, ours: Callable, peer: Callable, runs: int = 7) -> None:
    """Time two functions in turn and print medians and the ratio's median and spread."""
    compare_all(name, ours, {"torch": peer}, runs)


def compare_all(name: str, ours: Callable, peers: dict, runs: int = 7, clock: str = "wall") -> None:
    """Time a function and its peers in turn; for each peer print medians and the ratio.

    The order is turned round from one run to the next, so that no one always comes first.
    """
    functions = {"ours": ours, **peers}
    for function in functions.values():
        function()
    times: dict = {key: [] for key in functions}
    for run in range(runs):
        for key in list(functions)[:: 1 if run % 2 else -1]:
            times[key].append(milliseconds(functions[key], clock))
    mine = statistics.median(times["ours"])
    for peer in peers:
        ratios = sorted(a / b for a, b in zip(times["ours"], times[peer]))
        print(
            f"{name:<34} ours {mine:8.1f} ms   {peer} {statistics.median(times[peer]):8.1f} ms   "
            f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )

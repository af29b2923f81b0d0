"""What a GPU gives: inference and training beside the rate of its matrix products.

    python benchmarks/gpu.py                     # all of it
    python benchmarks/gpu.py training --data data --seconds 60 --profile
    python benchmarks/gpu.py --device cpu --matrix 256 --width 0.1 --size 64 --batch 2 \\
        --train-batch 2 --runs 2 --seconds 5     # the script itself, tried on a CPU

matrix: large products in bf16, tf32 and fp32. inference: L to ab of deploy nets at batch 64, by the
object that process_images uses, the copies to and from the GPU included. training: the thesis'
iteration of plain, 2 batches of 24 and an update by Adam, first on one batch that stays on the
device, then for --seconds from an LMDB as `make_dataset` writes it, or else from one of the clip's
frames; from the latter follows how long the thesis' schedule takes. "of bf16" is the share of the
measured rate of bf16 products that the nets' own products make (a training step: three times its
forward pass). Memory is what torch had allocated at most; on a CPU, the process' peak.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import count, cycle, islice
from pathlib import Path

import numpy as np
import torch
from common import machine
from flops import forward_flops, training_flops
from peers import seeded_net

import caffe
from caffe import context, prototxt
from caffe.proto import caffe_pb2
from colorization.dataset import write_lmdb
from colorization.dataset_names import PRIOR, TRAIN, lmdb_name
from colorization.network import Network, choose_device
from colorization.prototxts import read_message, write_message
from colorization.rebalancing import load_prior, save_prior
from colorization.resizing import FRAME_SIZE, resized
from colorization.resources import resource as project_file
from colorization.training import Plan, write_prototxts
from colorization.video import open_video

ITERATIONS = 26700  # of the thesis (7.4), 48 images each
IMAGES = 48
PRODUCTS = {"bf16": torch.bfloat16, "tf32": torch.float32, "fp32": torch.float32}
WARM_UP = 3
SYNCHRONISES = "called a synchronizing CUDA operation"


def main() -> None:
    options = _options()
    gpu = gpu_number(options.device)
    choose_device(gpu, options.precision)
    torch.backends.cudnn.benchmark = options.cudnn_benchmark
    device = context.device()
    print(machine(), device_name(device), sep=", ")
    peak = tell_matrix(device, options)
    with tempfile.TemporaryDirectory() as folder:
        if options.what in ("inference", "all"):
            for network in options.networks:
                tell_inference(network, Path(folder), device, peak, options)
        if options.what in ("training", "all"):
            tell_training(Path(folder), device, peak, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("what", nargs="?", default="all", choices=("matrix", "inference", "training", "all"))
    add("--device", default="cuda", help="cuda, cuda:1, cpu (cuda)")
    add("--precision", default="bf16", choices=context.PRECISIONS, help="of the nets (bf16)")
    add("--networks", nargs="+", default=["plain", "residual"], help="(plain residual)")
    add("--width", type=float, default=1.0, help="of the nets' layers, as a share (1)")
    add("--size", type=int, default=224, help="of the images (224)")
    add("--batch", type=int, default=64, help="of the inference (64)")
    add("--train-batch", type=int, default=24, help="(24)")
    add("--iter-size", type=int, default=2, help="batches of an iteration (2)")
    add("--data", type=Path, help="folder with train_lmdb and train_priors.npy (made of the clip)")
    add("--seconds", type=float, default=300, help="of training from the LMDB (300)")
    add("--runs", type=int, default=20, help="of each other measurement (20)")
    add("--matrix", type=int, default=8192, help="side of the matrices (8192)")
    add("--cudnn-benchmark", action="store_true", help="let cuDNN try its algorithms")
    add("--profile", action="store_true", help="tell where the time goes")
    return parser.parse_args()


def gpu_number(device: str) -> "int | None":
    """The number of the GPU, None for the CPU; ends the program where there is no such GPU."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return None
    if kind != "cuda" or not (number or "0").isdigit():
        sys.exit(f'gpu.py: --device is "{device}", expected cuda, cuda:<number> or cpu')
    if not torch.cuda.is_available():
        sys.exit("gpu.py: torch finds no CUDA device; --device cpu tries the script without one")
    if int(number or 0) >= torch.cuda.device_count():
        sys.exit(f"gpu.py: no {device}: torch finds {torch.cuda.device_count()} CUDA device(s)")
    return int(number or 0)


def device_name(device: torch.device) -> str:
    """What is measured, and on a GPU the versions that its speed depends on."""
    if device.type == "cpu":
        return "measured on the CPU"
    name, cudnn = torch.cuda.get_device_name(device), torch.backends.cudnn.version()
    return f"measured on {device}, {name}, CUDA {torch.version.cuda}, cuDNN {cudnn}"


# -- measuring ---------------------------------------------------------------------------------


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device, runs: int) -> float:
    """The median time of one call, after warm-up, the device waited for before and after each."""
    for _ in range(WARM_UP):
        work()
    times = []
    for _ in range(runs):
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def forget_peak(device: torch.device) -> None:
    """Count the peak of memory anew, where that can be done."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> str:
    """The most memory that was in use."""
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB"
    unit = 1 if sys.platform == "darwin" else 1024
    return (
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30:.2f} GiB of the host"
    )


def tell_rate(name: str, images: float, flops: float, peak: float, device: torch.device) -> None:
    """Print images/s, TFLOP/s and their share of the peak; `flops` are those of one image."""
    rate = images * flops
    print(
        f"{name:<34} {images:9.1f} images/s {rate / 1e12:8.3f} TFLOP/s "
        f"{100 * rate / peak:6.1f} % of bf16   {peak_memory(device)}",
        flush=True,
    )


def tell_matrix(device: torch.device, options: argparse.Namespace) -> float:
    """Print the rates of products n x n x n, 2 n^3 operations each; return that of bf16."""
    n, rates = options.matrix, {}
    for name, dtype in PRODUCTS.items():
        if name == "tf32" and device.type == "cpu":
            continue
        caffe.set_precision(name)
        a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        out = torch.empty_like(a)
        rates[name] = 2 * n**3 / seconds(lambda a=a, b=b, o=out: torch.mm(a, b, out=o), device, 9)
        print(f"{name} products of {n} x {n}: {rates[name] / 1e12:.3f} TFLOP/s", flush=True)
    caffe.set_precision(options.precision)
    return rates["bf16"]


def tell_profile(name: str, work: Callable[[], object], device: torch.device) -> None:
    """Print the operators that take most time in one call, and where it waits for the GPU."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    work()
    synchronise(device)
    with torch.profiler.profile(activities=activities) as profile:
        work()
        synchronise(device)
    order = f"self_{device.type}_time_total"
    print(f"\n{name}: where the time goes")
    print(profile.key_averages().table(sort_by=order, row_limit=20, max_name_column_width=60))
    if device.type == "cuda":
        for place, count in waits(work).most_common():
            print(f"    waits for the GPU {count:3d} times in {place}")


def waits(work: Callable[[], object]) -> Counter:
    """The lines that make the host wait for the GPU, and how often in one call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    places = [w for w in caught if SYNCHRONISES in str(w.message)]
    return Counter(f"{w.filename}:{w.lineno}" for w in places)


# -- inference ---------------------------------------------------------------------------------


def tell_inference(
    network: str, folder: Path, device: torch.device, peak: float, options: argparse.Namespace
) -> None:
    """Print the rate of a deploy net with random weights, from L to ab on the host."""
    work = folder / network
    work.mkdir(exist_ok=True)
    write_prototxts(plan(network, options), folder, work, gpu_number(options.device))
    deploy, weights = work / "deploy.prototxt", work / "random.caffemodel"
    net = seeded_net(str(deploy))
    net.save(str(weights))
    net.blobs["data_l"].reshape(1, 1, options.size, options.size)
    net.reshape()
    flops = forward_flops(net)
    forget_peak(device)
    colours = Network(deploy, weights, gpu_number(options.device), options.precision)
    shape = (options.batch, 1, options.size, options.size)
    L = np.random.default_rng(2).uniform(0, 100, shape).astype(np.float32)

    def infer() -> None:
        torch.as_tensor(colours(L, "ab")).cpu()

    rate = options.batch / seconds(infer, device, options.runs)
    tell_rate(f"{network}, batch {options.batch}", rate, flops, peak, device)
    if options.profile:
        tell_profile(network, infer, device)


# -- training ----------------------------------------------------------------------------------


def plan(network: str, options: argparse.Namespace) -> Plan:
    """How `train_network` would train it."""
    return Plan(
        network,
        ITERATIONS,
        width=options.width,
        crop=options.size,
        batch=options.train_batch,
        iter_size=options.iter_size,
        precision=options.precision,
    )


def tell_training(
    folder: Path, device: torch.device, peak: float, options: argparse.Namespace
) -> None:
    """Print the rate of training plain: the device alone, the data alone, both together."""
    if options.data and not (options.data / lmdb_name(TRAIN)).is_dir():
        sys.exit(f"gpu.py: {options.data}: no {lmdb_name(TRAIN)} in it, as make_dataset writes one")
    data = options.data or clip_data(folder / "data")
    for name, resident in (("one batch", True), ("from LMDB", False)):
        forget_peak(device)
        solver = make_solver(folder / name.replace(" ", "_"), data, resident, options)
        flops = training_flops(solver.net) / options.train_batch
        if resident:
            rate = resident_rate(solver, device, options)
        else:
            tell_loading(solver.net, options)
            rate = sustained_rate(solver, device, options)
        tell_rate(f"training plain, {name}", rate, flops, peak, device)
        if options.profile:
            tell_profile(f"an iteration, {name}", lambda s=solver: s.step(1), device)
    hours = ITERATIONS * IMAGES / rate / 3600
    print(f"{ITERATIONS} iterations of {IMAGES} images at this rate: {hours:.2f} hours")


def clip_data(folder: Path, frames: int = 2048) -> Path:
    """A folder with an LMDB of the clip's frames, over and over, and the clip's prior."""
    folder.mkdir(exist_ok=True)
    with open_video(project_file("bigbuckbunny.mp4")) as clip:
        pictures = [resized(frame) for frame, _ in clip]
    named = ((f"{i}", picture) for i, picture in enumerate(islice(cycle(pictures), frames)))
    write_lmdb(folder / lmdb_name(TRAIN), named)
    prior = load_prior(project_file("bigbuckbunny_train_priors.npy"))
    save_prior(folder / PRIOR, prior)
    return folder


def make_solver(work: Path, data: Path, resident: bool, options: argparse.Namespace):
    """Caffe's solver of plain; with `resident` its pictures are drawn once and stay as they are."""
    work.mkdir()
    if options.size > FRAME_SIZE:
        sys.exit(f"gpu.py: --size {options.size} is larger than the frames, {FRAME_SIZE}")
    write_prototxts(plan("plain", options), data.resolve(), work, gpu_number(options.device))
    param = read_message(work / "solver.prototxt", caffe_pb2.SolverParameter())
    param.max_iter, param.net = ITERATIONS, str(work / "train.prototxt")
    param.snapshot_prefix, param.snapshot_after_train = str(work / "model"), False
    param.display = 20  # as the thesis' solver
    write_message(work / "solver.prototxt", param)
    if resident:
        _replace_data(work / "train.prototxt", options)
    solver = caffe.get_solver(str(work / "solver.prototxt"))
    if resident:
        blob = solver.net.blobs["data"]
        pictures = torch.randint(0, 256, blob.shape, generator=torch.Generator().manual_seed(3))
        blob.set_data(pictures.float().to(options.device))
    return solver


def _replace_data(path: Path, options: argparse.Namespace) -> None:
    """Let the train net begin with an Input instead of its Data layers."""
    net = prototxt.read(str(path), caffe_pb2.NetParameter)
    rest = [layer for layer in net.layer if layer.type != "Data"]
    shape = (options.train_batch, 3, options.size, options.size)
    first = caffe_pb2.LayerParameter(name="data", type="Input", top=["data"])
    first.input_param.shape.add(dim=shape)
    changed = caffe_pb2.NetParameter(name=net.name, layer=[first, *rest])
    write_message(path, changed)


def resident_rate(solver, device: torch.device, options: argparse.Namespace) -> float:
    """Images/s of iterations that are not waited for one by one."""
    solver.step(WARM_UP)
    synchronise(device)
    start = time.perf_counter()
    solver.step(options.runs)
    synchronise(device)
    images = options.runs * options.train_batch * options.iter_size
    return images / (time.perf_counter() - start)


def sustained_rate(solver, device: torch.device, options: argparse.Namespace) -> float:
    """Images/s over --seconds, after warm-up."""
    solver.step(WARM_UP)
    synchronise(device)
    start, first = time.perf_counter(), solver.iter
    while time.perf_counter() - start < options.seconds:
        solver.step(10 if device.type == "cuda" else 1)
        synchronise(device)
    passed = time.perf_counter() - start
    images = (solver.iter - first) * options.train_batch * options.iter_size
    print(
        f"    {solver.iter - first} iterations in {passed:.0f} s, loss {solver._smoothed_loss:.4g}"
    )
    return images / passed


def tell_loading(net, options: argparse.Namespace) -> None:
    """Print how fast one thread reads, cuts and mirrors batches."""
    source = net.layers[0].open_source()
    numbers = count()
    each = seconds(lambda: source.batch(1, next(numbers)), torch.device("cpu"), options.runs)
    print(f"    reading alone, one thread: {options.train_batch / each:.0f} images/s")


if __name__ == "__main__":
    main()

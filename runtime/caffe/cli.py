"""The `caffe` command: train, test, time and device_query, with the flags of the genuine one.

What does not need torch (usage, flags, version) does not import it: the actions do.
"""

import os
import signal
import sys
import textwrap
import traceback
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from . import __version__, log
from .errors import CaffeError, told
from .files import is_utf8

WIDTH = 79  # of the usage text


class Flag(NamedTuple):
    """A flag; the type of the default is its type."""

    name: str
    default: Any
    description: str


FLAGS = (
    Flag("cpu", False, "(Ours, optional; run on the CPU whatever the solver says.)"),
    Flag(
        "gpu",
        "",
        "(Optional; run in GPU mode on given device IDs separated by ','.Use '-gpu all' to run on "
        "all available GPUs. The effective training batch size is multiplied by the number of "
        "devices.)",
    ),
    Flag("iterations", 50, "(The number of iterations to run.)"),
    Flag("level", 0, "(Optional; network level.)"),
    Flag("model", "", "(The model definition protocol buffer text file.)"),
    Flag("phase", "", "(Optional; network phase (TRAIN or TEST). Only used for 'time'.)"),
    Flag("precision", "fp32", "(Ours, optional; compute the layers in fp32, tf32 or bf16.)"),
    Flag(
        "sighup_effect",
        "snapshot",
        "(Optional; action to take when a SIGHUP signal is received: snapshot, stop or none.)",
    ),
    Flag(
        "sigint_effect",
        "stop",
        "(Optional; action to take when a SIGINT signal is received: snapshot, stop or none.)",
    ),
    Flag("snapshot", "", "(Optional; the snapshot solver state to resume training.)"),
    Flag("solver", "", "(The solver definition protocol buffer text file.)"),
    Flag(
        "stage",
        "",
        "(Optional; network stages (not to be confused with phase), separated by ','.)",
    ),
    Flag(
        "weights",
        "",
        "(Optional; the pretrained weights to initialize finetuning, separated by ','. Cannot be "
        "set simultaneously with snapshot.)",
    ),
)
TYPE_NAMES = {bool: "bool", int: "int32", str: "string"}
TRUTHS = {"1": True, "t": True, "true": True, "y": True, "yes": True} | {
    "0": False, "f": False, "false": False, "n": False, "no": False
}  # fmt: skip

USAGE = """\
caffe: command line brew
usage: caffe <command> <args>

commands:
  train           train or finetune a model
  test            score a model
  device_query    show GPU diagnostic information
  time            benchmark model execution time

  Flags from caffe.cpp:
"""


def usage() -> str:
    """The text that `caffe` alone prints."""
    return USAGE + "".join(flag_usage(flag) for flag in FLAGS)


def flag_usage(flag: Flag) -> str:
    """A flag's paragraph: its description, then type and default, never broken within."""
    lines = textwrap.wrap(
        f"-{flag.name} {flag.description}", WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 6
    )
    default = f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default).lower()
    for part in (f"type: {TYPE_NAMES[type(flag.default)]}", f"default: {default}"):
        if len(lines[-1]) + 1 + len(part) <= WIDTH:
            lines[-1] += " " + part
        else:
            lines.append(" " * 6 + part)
    return "\n".join(lines) + "\n"


class FlagError(Exception):
    """A flag that cannot be understood; the message is what the command prints."""


def parse(arguments: list[str], flags: Sequence[Flag] = FLAGS) -> tuple[SimpleNamespace, list[str]]:
    """The flags and the other words of a command line, in the spelling of gflags.

    -name value, -name=value, with one dash or two; booleans also as -name and -noname; flags and
    words in any order; -- ends the flags.
    """
    known = {flag.name: flag for flag in flags}
    known |= {name: Flag(name, False, "") for name in ("help", "version")}
    values = SimpleNamespace(**{name: flag.default for name, flag in known.items()})
    words: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            words.extend(rest)
        elif not argument.startswith("-") or argument == "-":
            words.append(argument)
        else:
            name, equals, text = argument.removeprefix("-").removeprefix("-").partition("=")
            negated = name.removeprefix("no")
            if name not in known and negated in known and known[negated].default is False:
                name, equals, text = negated, "=", "false"
            if name not in known:
                raise FlagError(f"ERROR: unknown command line flag '{name}'")
            flag = known[name]
            alone = "true" if flag.default is False else None
            value = text if equals else alone or next(rest, None)
            setattr(values, name, _flag_value(flag, value))
    return values, words


def _flag_value(flag: Flag, text: "str | None") -> Any:
    """The text that a flag was given, as the flag's type."""
    if text is None:
        what = f"flag '-{flag.name}' is missing its argument"
        raise FlagError(f"ERROR: {what}; flag description: {flag.description}")
    try:
        if isinstance(flag.default, bool):
            return TRUTHS[text.lower()]
        if isinstance(flag.default, str):
            return text
        number = int(text)
        if not -(2**31) <= number < 2**31:
            raise ValueError
        return number
    except (KeyError, ValueError):
        kind = TYPE_NAMES[type(flag.default)]
        what = f"illegal value '{text}' specified for {kind} flag '{flag.name}'"
        raise FlagError(f"ERROR: {what}") from None


def main(arguments: "list[str] | None" = None) -> int:
    """Run the command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        flags, words = parse(arguments)
        flags.arguments = arguments
    except FlagError as error:
        print(error, file=sys.stderr)
        return 1
    if flags.version:
        print(f"caffe version {__version__}")
        return 0
    if flags.help or len(words) != 1:
        print(usage(), end="")
        return 0
    log.init_log(None if os.environ.get("RANK", "0") == "0" else log.ERROR)
    if words[0] not in ACTIONS:
        return _unknown_action(words[0])
    try:
        ACTIONS[words[0]](flags)
    except (Exception, SystemExit) as error:  # Python layers may raise anything
        if told(error) is None:
            raise
        if log.verbose():
            traceback.print_exc()
        log.fatal(_place(error), str(told(error)))
        return 1
    return 0


def _unknown_action(name: str) -> int:
    log.error("caffe.cpp:78", "Available caffe actions:")
    for action in sorted(ACTIONS):
        log.error("caffe.cpp:81", f"\t{action}")
    log.fatal("caffe.cpp:83", f"Unknown action: {name}")
    return 1


def _place(error: BaseException) -> str:
    """File and line that an error was raised at."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "caffe.cpp:1"
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"


# -- what the actions share ------------------------------------------------------------------------


def _stages(flags: SimpleNamespace) -> list[str]:
    """The stages of -stage; as in Caffe, none is one of no name."""
    return _utf8(flags.stage, "stage").split(",")


def _utf8(text: str, flag: str) -> str:
    """The text, which a message will hold."""
    if not is_utf8(text):
        raise CaffeError(f'-{flag} is "{text}", expected UTF-8')
    return text


def _use_device(
    flags: SimpleNamespace, gpu_from_solver: str = "", several: bool = False
) -> list[int]:
    """Choose precision and device from the flags, else from the solver; returns the GPUs named.

    With `several`, more than one are left for the processes that will use them.
    """
    import torch

    from . import context, host_memory, parallel

    context.set_precision(flags.precision)
    if flags.cpu and flags.gpu:
        raise CaffeError("-cpu and -gpu are both given, expected one of them at most")
    wanted = "" if flags.cpu else flags.gpu or gpu_from_solver
    if not wanted:
        context.set_mode_cpu()
        host_memory.keep_freed()
        return []
    gpus = _gpu_numbers(wanted, torch.cuda.device_count())
    if parallel.world_size() > 1:
        gpus = [gpus[parallel.local_rank() % len(gpus)]]
    log.info("caffe.cpp:204", f"Using GPUs {', '.join(map(str, gpus))}")
    if not torch.cuda.is_available():
        asked = f"-gpu {flags.gpu}" if flags.gpu else "solver_mode: GPU"
        raise CaffeError(f"{asked} needs a CUDA device and torch finds none; -cpu uses the CPU")
    if several and len(gpus) > 1:
        return gpus
    context.set_device(gpus[0])
    context.set_mode_gpu()
    log.info("caffe.cpp:209", f"GPU {gpus[0]}: {torch.cuda.get_device_name(gpus[0])}")
    return gpus


def _gpu_numbers(text: str, count: int) -> list[int]:
    """The device ids that -gpu means."""
    try:
        return list(range(max(count, 1))) if text == "all" else [int(n) for n in text.split(",")]
    except ValueError:
        raise CaffeError(f'-gpu is "{text}", expected all or numbers separated by ","') from None


def _check_file(path: str, flag: str) -> str:
    """The path, if there is such a file."""
    if not os.path.isfile(path):
        raise CaffeError(f"{path}: no such file, -{flag} expects one")
    return path


def _make_net(flags: SimpleNamespace, phase: int) -> Any:
    """The net of -model in a phase."""
    from .net import Net

    path = _check_file(flags.model, "model")
    return Net(path, phase, level=flags.level, stages=_stages(flags))


def _check_iterations(flags: SimpleNamespace) -> None:
    if flags.iterations < 1:
        raise CaffeError(f"-iterations is {flags.iterations}, expected 1 or more")


# -- actions ---------------------------------------------------------------------------------------


def train(flags: SimpleNamespace) -> None:
    """Train the net of -solver, from -snapshot or -weights if given."""
    if not flags.solver:
        raise CaffeError("train needs a solver definition: -solver FILE")
    if flags.snapshot and flags.weights:
        raise CaffeError("-snapshot and -weights are both given, expected one of them at most")
    from . import parallel
    from .proto import caffe_pb2
    from .solver_param import read_solver
    from .solver_types import make_solver

    param = read_solver(flags.solver)
    param.train_state.level = flags.level
    param.train_state.stage.extend(_stages(flags))
    on_gpu = param.HasField("solver_mode") and param.solver_mode == caffe_pb2.SolverParameter.GPU
    gpus = _use_device(flags, str(param.device_id) if on_gpu else "", several=True)
    if len(gpus) > 1:
        return parallel.launch(len(gpus), flags.arguments)
    if gpus:
        param.device_id = gpus[0]
    else:
        log.info("caffe.cpp:197", "Use CPU.")
    if parallel.world_size() > 1:
        parallel.join()
    if flags.snapshot or flags.weights:
        del param.weights[:]
    if flags.snapshot:
        _check_file(flags.snapshot, "snapshot")
    if flags.weights:
        param.weights.append(_utf8(flags.weights, "weights"))
    with Signals(flags.sigint_effect, flags.sighup_effect) as signals:
        solver = make_solver(param, flags.solver)
        solver.requested_action = signals.take
        if flags.snapshot:
            log.info("caffe.cpp:235", f"Resuming from {flags.snapshot}")
            solver.restore(flags.snapshot)
        if parallel.world_size() > 1:
            solver.exchange = parallel.Exchange(solver)
        log.info("caffe.cpp:239", "Starting Optimization")
        solver.solve()
    parallel.leave()
    log.info("caffe.cpp:250", "Optimization Done.")


class Signals:
    """In its context: keeps SIGINT and SIGHUP until the training asks between two iterations."""

    def __init__(self, sigint_effect: str, sighup_effect: str):
        from .solver import Action

        effects = {action.name.lower(): action for action in Action}
        for flag, effect in (("sigint_effect", sigint_effect), ("sighup_effect", sighup_effect)):
            if effect not in effects:
                raise CaffeError(f'-{flag} is "{effect}", expected snapshot, stop or none')
        self._none = Action.NONE
        self._effects = {
            signal.SIGHUP: effects[sighup_effect],
            signal.SIGINT: effects[sigint_effect],
        }
        self._arrived: set = set()

    def __enter__(self) -> "Signals":
        self._previous = {n: signal.signal(n, self._note) for n in self._effects}
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        self._arrived.add(number)

    def take(self) -> Any:
        """The action that the first signal not yet served asks for."""
        for number, action in self._effects.items():
            if number in self._arrived:
                self._arrived.discard(number)
                return action
        return self._none


def test(flags: SimpleNamespace) -> None:
    """Score the net of -model with -weights: outputs of each batch, then their means."""
    if not flags.model:
        raise CaffeError("test needs a model definition: -model FILE")
    if not flags.weights:
        raise CaffeError("test needs model weights: -weights FILE")
    _check_iterations(flags)
    from .proto import caffe_pb2

    if not _use_device(flags):
        log.info("caffe.cpp:275", "Use CPU.")
    net = _make_net(flags, caffe_pb2.TEST)
    for path in flags.weights.split(","):
        net.copy_from(_check_file(path.strip(), "weights"))
    log.info("caffe.cpp:281", f"Running for {flags.iterations} iterations.")
    loss, sums = 0.0, [0.0]
    for batch in range(flags.iterations):
        loss += net.run_forward(record=False)
        scores = [(name, x) for name in net.outputs for x in net.blobs[name].data.ravel().tolist()]
        for name, score in scores:
            log.info("caffe.cpp:304", f"Batch {batch}, {name} = {score:g}")
        sums = [score + (sums[i] if batch else 0.0) for i, (_, score) in enumerate(scores)]
    log.info("caffe.cpp:309", f"Loss: {loss / flags.iterations:g}")
    weights = net.blob_loss_weights
    for (name, _), total in zip(scores, sums):
        mean, weight = total / flags.iterations, weights[name]
        share = f" (* {weight:g} = {weight * mean:g} loss)" if weight else ""
        log.info("caffe.cpp:321", f"{name} = {mean:g}{share}")


def time(flags: SimpleNamespace) -> None:
    """Measure the layers of the net of -model, forward and backward."""
    if not flags.model:
        raise CaffeError("time needs a model definition: -model FILE")
    if flags.phase not in ("", "TRAIN", "TEST"):
        raise CaffeError(f'-phase is "{flags.phase}", expected TRAIN or TEST')
    _check_iterations(flags)
    from .proto import caffe_pb2
    from .timer import duration_ms, now_ms

    if not _use_device(flags):
        log.info("caffe.cpp:343", "Use CPU.")
    net = _make_net(flags, caffe_pb2.TEST if flags.phase == "TEST" else caffe_pb2.TRAIN)
    log.info("caffe.cpp:351", "Performing Forward")
    log.info("caffe.cpp:356", f"Initial loss: {net.run_forward():g}")
    log.info("caffe.cpp:357", "Performing Backward")
    net.run_backward()
    log.info("caffe.cpp:365", "*** Benchmark begins ***")
    log.info("caffe.cpp:366", f"Testing for {flags.iterations} iterations.")
    count = len(net.layers)
    forward, backward = [0.0] * count, [0.0] * count
    start = now_ms()
    for iteration in range(flags.iterations):
        begin = now_ms()
        for i in range(count):
            forward[i] += duration_ms(lambda i=i: net.run_forward(True, i, i))
        for i in reversed(range(count)):
            backward[i] += duration_ms(lambda i=i: net.run_backward(False, i, i))
        passed = now_ms() - begin
        place = "caffe.cpp:394"
        log.info(place, f"Iteration: {iteration + 1} forward-backward time: {passed:g} ms.")
    _report_times(net, forward, backward, now_ms() - start, flags.iterations)


def _report_times(net, forward: list, backward: list, total: float, iterations: int) -> None:
    log.info("caffe.cpp:397", "Average time per layer: ")
    for layer, f, b in zip(net.layers, forward, backward):
        log.info("caffe.cpp:400", f"{layer.name:>10}\tforward: {f / iterations:g} ms.")
        log.info("caffe.cpp:403", f"{layer.name:>10}\tbackward: {b / iterations:g} ms.")
    log.info("caffe.cpp:408", f"Average Forward pass: {sum(forward) / iterations:g} ms.")
    log.info("caffe.cpp:410", f"Average Backward pass: {sum(backward) / iterations:g} ms.")
    log.info("caffe.cpp:412", f"Average Forward-Backward: {total / iterations:g} ms.")
    log.info("caffe.cpp:414", f"Total Time: {total:g} ms.")
    log.info("caffe.cpp:415", "*** Benchmark ends ***")


def device_query(flags: SimpleNamespace) -> None:
    """Show the GPUs of -gpu, or all."""
    import torch

    log.info("caffe.cpp:138", f"Querying GPUs {flags.gpu}")
    count = torch.cuda.device_count()
    for number in _gpu_numbers(flags.gpu, count) if flags.gpu else range(count):
        if not 0 <= number < count:
            raise CaffeError(f"GPU {number} does not exist: torch finds {count} CUDA device(s)")
        device = torch.cuda.get_device_properties(number)
        for what, value in (
            ("Device id", number),
            ("Name", device.name),
            ("Compute capability", f"{device.major}.{device.minor}"),
            ("Total global memory", device.total_memory),
            ("Number of multiprocessors", device.multi_processor_count),
        ):
            log.info("common.cpp:178", f"{what + ':':<30} {value}")


ACTIONS = {"train": train, "test": test, "time": time, "device_query": device_query}

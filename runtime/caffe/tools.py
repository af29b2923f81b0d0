"""Genuine Caffe's small tools: `python -m caffe.tools upgrade_net_proto_text IN OUT`.

As there, they end with 0, with 1 for a wrong call or a failure, with 2 for an input that cannot be
read; an input in today's form is written as it is.
"""

import sys
from collections.abc import Callable
from typing import Any

from . import binaryproto, log, prototxt, upgrade
from .errors import CaffeError
from .proto import caffe_pb2


def upgrade_net_proto_text(arguments: "list[str] | None" = None) -> int:
    """Write the net of a prototxt in today's form."""

    def read(path: str) -> Any:
        return prototxt.read(path, caffe_pb2.NetParameter)

    return _upgrade("upgrade_net_proto_text", arguments, read, _upgrade_net, prototxt.write)


def upgrade_net_proto_binary(arguments: "list[str] | None" = None) -> int:
    """Write a binary model in today's form."""
    read, write = binaryproto.read_net, binaryproto.write
    return _upgrade("upgrade_net_proto_binary", arguments, read, _upgrade_net, write)


def upgrade_solver_proto_text(arguments: "list[str] | None" = None) -> int:
    """Write the solver of a prototxt in today's form."""

    def read(path: str) -> Any:
        return prototxt.read(path, caffe_pb2.SolverParameter)

    return _upgrade("upgrade_solver_proto_text", arguments, read, _upgrade_solver, prototxt.write)


def _upgrade_net(net: Any, source: str) -> Any:
    """The net in today's form, or None if it is so already."""
    return upgrade.upgraded(net, source) if upgrade.needs_upgrade(net) else None


def _upgrade_solver(solver: Any, source: str) -> Any:
    """The solver in today's form, or None if it is so already."""
    from .solver_param import upgrade_type

    if not solver.HasField("solver_type"):
        return None
    upgrade_type(solver, source)
    return solver


def _upgrade(
    name: str, arguments: "list[str] | None", read: Callable, renew: Callable, write: Callable
) -> int:
    """Read, upgrade, write; returns the exit code."""
    log.init_log()
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 2:
        log.error(f"{name}.cpp:22", f"Usage: {name} IN OUT")
        return 1
    source, target = arguments
    try:
        old = read(source)
    except CaffeError as error:
        log.error(f"{name}.cpp:30", str(error))
        return 2
    try:
        new = renew(old, source)
        if new is None:
            log.error(f"{name}.cpp:43", f"File already in latest proto format: {source}")
        write(target, new or old)
    except CaffeError as error:
        log.error(f"{name}.cpp:39", str(error))
        return 1
    what = f"{old.DESCRIPTOR.name} {name.rpartition('_')[2]} proto"
    log.info(f"{name}.cpp:49", f"Wrote upgraded {what} to {target}")
    return 0


TOOLS = {
    "upgrade_net_proto_binary": upgrade_net_proto_binary,
    "upgrade_net_proto_text": upgrade_net_proto_text,
    "upgrade_solver_proto_text": upgrade_solver_proto_text,
}


def main(arguments: "list[str] | None" = None) -> int:
    """Run the tool that the first argument names."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] not in TOOLS:
        print(f"usage: python -m caffe.tools TOOL ARGUMENTS; tools: {', '.join(sorted(TOOLS))}")
        return 1
    return TOOLS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.exit(main())

"""Options that the commands share: what happens to a network's colours."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colorization.command_line import share
from colorization.defaults import MEAN, STRENGTH
from colorization.errors import UsageError

if TYPE_CHECKING:
    from colorization.finishing import Finish
    from colorization.inference import Colorizer


def add_finishing_options(parser: argparse.ArgumentParser) -> None:
    """Add --ensemble, --mean, --refine-members, --upsample, --refine and --temporal."""
    group = parser.add_argument_group("better than the raw network")
    add = group.add_argument
    add(
        "--ensemble",
        action="append",
        default=[],
        metavar="NETWORK[=WEIGHTS]",
        help="another network that colours too; repeatable",
    )
    add("--mean", metavar="HOW", help="of an ensemble: RGB, Lab or maximum (RGB)")
    add(
        "--refine-members",
        metavar="HOW",
        help="as --refine, but each network's colours at its size, before their mean",
    )
    add("--upsample", default="spline", metavar="HOW", help="spline or joint_bilateral (spline)")
    add(
        "--refine",
        metavar="HOW",
        help="smooth: even colours up to the edges; guided: colours follow L; "
        "growing or felzenszwalb: one colour for each region",
    )
    add(
        "--temporal",
        type=share,
        default=STRENGTH,
        metavar="S",
        help=f"steadies the colours of films, from 0, not at all, to below 1 ({STRENGTH})",
    )


def finishing(options: argparse.Namespace) -> dict[str, object]:
    """Return all that the pixels of a frame depend on among these options but the networks.

    --temporal is not there: steadying says so itself, see `batch.colour_film`.
    """
    return {
        name: getattr(options, name) for name in ("mean", "refine_members", "upsample", "refine")
    }


def finish_of(options: argparse.Namespace) -> Finish:
    """Return what the options say; ValueError for a word that they do not know."""
    from colorization.finishing import Finish

    return Finish(options.upsample, options.refine)


def ensemble_of(
    options: argparse.Namespace, first: Colorizer, make: Callable[[Path, Path], Colorizer]
) -> Colorizer:
    """Return `first`, or an ensemble of it and those that `make` makes of deploy net and weights.

    NetworkError where a network cannot be had, ValueError where it does not go with the others,
    UsageError for options that do not go together.
    """
    from colorization.ensembles import Ensemble

    others = [make(*_named(text)) for text in options.ensemble]
    if not others:
        for name in ("mean", "refine_members"):
            if getattr(options, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} is for an --ensemble")
        return first
    return Ensemble(
        [first, *others], options.mean or MEAN, members_refinement(options.refine_members)
    )


def members_refinement(name: str | None):
    """Return what an Ensemble refines its members with; ValueError for an unknown name."""
    from colorization.finishing import refinement_of

    return None if name is None else refinement_of(name)


def _named(text: str) -> Sequence[Path]:
    from colorization.network import network_path, network_weights

    name, _, file = text.partition("=")
    deploy = network_path(name)
    return deploy, Path(file) if file else network_weights(deploy)

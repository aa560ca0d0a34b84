"""The options of commands whose work many machines can share."""

import contextlib
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from recommender.analysis import Extractor, Options, Workers
    from recommender.dataset import Decode
    from recommender.ranking import Run

EngineName = Literal["local", "ray"]

Engine = Annotated[
    EngineName,
    typer.Option(help="What does the work: this program, or Ray, on one machine or many."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="Of a Ray cluster; without it --engine ray works on this machine alone.",
    ),
]


def is_ray(engine: EngineName, address: str | None) -> bool:
    """Tell whether Ray is to do the work.

    Raises
    ------
    ParameterError
        If there is an address, but not for Ray; or if Ray is missing.
    """
    from recommender import cluster
    from recommender.errors import ParameterError

    if engine == "ray":
        cluster.load("ray")
    elif address is not None:
        raise ParameterError("--ray-address is for --engine ray alone: add that, or leave it out")
    return engine == "ray"


def hand_out(
    engine: EngineName, address: str | None, jobs: int
) -> "Callable[[Extractor, Options], Workers] | None":
    """Return what a scan hands its files out to; ``None``: threads of this process."""
    if not is_ray(engine, address):
        return None
    from recommender.distributed import Nodes

    return functools.partial(Nodes, address=address, jobs=jobs)


def scoring(
    engine: EngineName, address: str | None, jobs: int
) -> "contextlib.AbstractContextManager[Run | None]":
    """Return what scores the blocks of a ranking; ``None``: threads of this process."""
    if not is_ray(engine, address):
        return contextlib.nullcontext()
    from recommender.distributed import scoring_nodes

    return scoring_nodes(address, jobs=jobs)


def decoding(engine: EngineName, address: str | None) -> "Decode":
    """Return what decodes the tracks of a dataset."""
    if not is_ray(engine, address):
        from recommender.dataset import pieces

        return pieces.decode
    from recommender import distributed

    return functools.partial(distributed.decode, address=address)

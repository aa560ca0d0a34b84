"""``recommender genre networks``."""

import sys
from typing import TYPE_CHECKING, Any

import typer

from recommender.cli.console import Json, answer_json

if TYPE_CHECKING:
    from recommender.genres.systems import System

EXAMPLE = "Example: recommender genre networks"

_N_GENRES = 10
_PIPE_WIDTH = 160


def networks(as_json: Json = False) -> None:
    """List all systems that can be trained: what they hear, their size, who published what.

    Parameters are counted for 10 genres; classical models have none that could be counted.
    """
    from recommender.genres.systems import SYSTEMS

    rows = [_row(system) for system in SYSTEMS.values()]
    if as_json:
        answer_json(rows)
    else:
        _print_table(rows)


def _row(system: "System") -> dict[str, Any]:
    return {
        "name": system.name,
        "title": system.title,
        "hears": _hears(system),
        "shape": system.inputs.shape,
        "pieces_per_track": system.n_pieces,
        "n_parameters": _n_parameters(system),
        "source": system.source,
        "published": system.published,
    }


def _n_parameters(system: "System") -> int | None:
    import torch

    if isinstance(system.build, str):
        return None
    with torch.device("meta"):  # counted without memory for them
        network = system.network(system.inputs.shape, _N_GENRES)
    return sum(p.numel() for p in network.parameters())


def _hears(system: "System") -> str:
    params = system.inputs
    n_frames, n_bands = params.shape
    if params.spectrogram is not None:
        what = "MFCC" if params.kind == "mfcc" else "mel bands"
        return f"{n_bands} {what}, {params.spectrogram.fragment_duration_s:.0f} s"
    if params.kind == "features":
        return f"{n_bands} features, {params.embedding}"
    if params.embedding is not None:
        return f"{n_frames} patches of {params.embedding}"
    return f"{n_bands} hand-made features"


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("name", no_wrap=True)
    for column in ("what it is", "hears"):
        table.add_column(column, overflow="fold")
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("published", overflow="fold")
    source = None
    for row in rows:
        if row["source"] != source:
            source = row["source"]
            table.add_section()
        size = "" if row["n_parameters"] is None else f"{row['n_parameters']:,}"
        table.add_row(row["name"], row["title"], row["hears"], size, row["published"])
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(file=sys.stdout, markup=False, highlight=False, width=width)
    console.print(table)
    typer.echo("")
    for source in dict.fromkeys(row["source"] for row in rows):
        names = [row["name"] for row in rows if row["source"] == source]
        console.print(f"{source}: {', '.join(names)}")

"""``recommender rank``: job two."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recommender.cli.console import N_JOBS, Jobs, analyse, answer_json, progress, say, shown

if TYPE_CHECKING:
    from recommender.ranking import Ranked

Format = Literal["table", "json", "csv", "m3u8", "xspf"]

EXAMPLES = """Examples:

recommender rank mine ~/Music --top 30

recommender rank mine ~/Music --share 0.2 --max-per-artist 2 -o discover.m3u8

recommender rank mine ~/Music --min-score 0.8 --exclude '*Christmas*' --format json"""

_TABLE_ROWS = 20
_PIPE_WIDTH = 240
_FIELDS = ("rank", "score", "path", "artist", "title", "album", "n_fragments")


def rank(
    name: Annotated[str, typer.Argument(help="Name of the profile.")],
    library: Annotated[list[Path], typer.Argument(help="Folders or tracks to choose from.")],
    top: Annotated[int | None, typer.Option(min=1, help="The best N.")] = None,
    share: Annotated[float | None, typer.Option(help="The best share, such as 0.2.")] = None,
    min_score: Annotated[float | None, typer.Option(help="Only scores from here up.")] = None,
    max_per_artist: Annotated[int | None, typer.Option(min=1, help="At most N of one.")] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Leave out paths, folders or names that match."),
    ] = None,
    include_liked: Annotated[
        bool, typer.Option("--include-liked", help="Rank the playlist's own tracks too.")
    ] = False,
    output_format: Annotated[
        Format | None, typer.Option("--format", help="By default as FILE's suffix says, or table.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")
    ] = None,
    jobs: Jobs = N_JOBS,
) -> None:
    """Rank tracks by how well they fit a profile; files that are new are analysed first.

    A score is the probability that a track's fragments belong to the playlist, if the playlist and
    the other music were equally frequent: 0.5 says nothing, towards 1 is liked. It is the mean over
    the track's fragments of 8 seconds.
    """
    from recommender import preprocessor as preprocessors
    from recommender import profile as profiles
    from recommender import ranking
    from recommender.cli.profile import describe
    from recommender.errors import CheckpointError
    from recommender.library import Library, home

    chosen = _format(output_format, output)
    path = profiles.path_of(name, home())
    profile = profiles.load(path)
    network = preprocessors.find(profile.fingerprint, home())
    if (n := len(profile.tensors["feature_mean"])) != network.n_features:
        raise CheckpointError(
            f"{path}: takes {n} features a fragment, but its preprocessor gives"
            f" {network.n_features}; build the profile again"
        )
    with Library.open() as catalogue:
        report = analyse(catalogue, library, network, jobs, "Analysing")
        if profiles.has_outgrown_pool(catalogue, profile):
            with progress("Learning anew") as step:
                profile = profiles.rebuild(
                    catalogue, profile, on_epoch=lambda e: step(e.number, e.n_epochs, describe(e))
                )
            profiles.save(profile, path)
            n_others = profile.n_negative_tracks
            say(f"Profile {name!r} learned anew, against {n_others} tracks of yours")
        with progress("Ranking", keep=False) as step:
            ranked = ranking.rank(
                profile,
                catalogue,
                library,
                include_liked=include_liked,
                exclude=exclude or [],
                top=top,
                share=share,
                min_score=min_score,
                max_per_artist=max_per_artist,
                on_track=lambda done, total: step(done, total, ""),
            )
    if not ranked:
        say("No track is left: the playlist's own (see --include-liked) and what the options leave")
        say("out were all there is")
    all_rows = top is not None or share is not None or min_score is not None
    _write(ranked, chosen, output, title=name, all_rows=all_rows)
    raise typer.Exit(1 if report.failures else 0)


def _format(named: Format | None, output: Path | None) -> Format:
    from recommender.errors import ParameterError

    suffix = output.suffix.lower().lstrip(".") if output else ""
    by_suffix: dict[str, Format] = {
        "json": "json",
        "csv": "csv",
        "m3u8": "m3u8",
        "m3u": "m3u8",
        "xspf": "xspf",
        "txt": "table",
    }
    if named is not None:
        return named
    if output is not None and suffix not in by_suffix:
        raise ParameterError(
            f"{output}: name a --format, or end the name in {', '.join(by_suffix)}"
        )
    return by_suffix.get(suffix, "table")


def _write(
    ranked: Sequence["Ranked"], chosen: Format, output: Path | None, *, title: str, all_rows: bool
) -> None:
    from recommender import playlist
    from recommender.checkpoint import write_atomically
    from recommender.errors import PlaylistError

    if chosen in ("m3u8", "xspf"):
        playlist.write(output or sys.stdout.buffer, ranked, format=chosen, title=title)
    elif output is None and chosen == "json":
        answer_json([_row(item) for item in ranked])
    elif output is None and chosen == "csv":
        sys.stdout.buffer.write(_csv(ranked))
    elif output is None:
        _print_table(ranked if all_rows else ranked[:_TABLE_ROWS])
        if not all_rows and len(ranked) > _TABLE_ROWS:
            say(f"… and {len(ranked) - _TABLE_ROWS} more: --top, --share or --min-score choose")
    else:
        import json

        contents = {
            "json": lambda: json.dumps([_row(item) for item in ranked], indent=2).encode(),
            "csv": lambda: _csv(ranked),
            "table": lambda: _plain_table(ranked).encode(),
        }
        try:
            write_atomically(output, contents[chosen]())
        except OSError as error:
            raise PlaylistError(f"{output}: cannot be written ({error.strerror})") from None
    if output is not None:
        say(f"{len(ranked)} tracks written to {shown(output)}")


def _row(item: "Ranked") -> dict[str, object]:
    return {
        "rank": item.rank,
        "path": str(item.path),
        "score": round(item.score, 6),
        "artist": item.artist,
        "title": item.title,
        "album": item.album,
        "n_fragments": item.n_fragments,
    }


def _csv(ranked: Sequence["Ranked"]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(item) for item in ranked)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _print_table(ranked: Sequence["Ranked"]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("#", justify="right", style="dim")
    table.add_column("score", justify="right", min_width=5)
    for column in ("artist", "title", "file"):
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for item in ranked:
        table.add_row(*(shown(cell) for cell in _cells(item)))
    # A pipe has no width to keep to.
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(markup=False, highlight=False, width=width).print(table)


def _plain_table(ranked: Sequence["Ranked"]) -> str:
    return "".join("\t".join(shown(cell) for cell in _cells(item)) + "\n" for item in ranked)


def _cells(item: "Ranked") -> tuple[str, ...]:
    name = item.path.name
    return (str(item.rank), f"{item.score:.3f}", item.artist or "", item.title or "", name)

"""``recommender rank``: job two."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recommender.cli.console import (
    N_JOBS,
    Fast,
    Jobs,
    Json,
    MaxDuration,
    Sections,
    analyse,
    answer_json,
    check_folder,
    counted,
    in_seconds,
    progress,
    say,
    shown,
)
from recommender.cli.rows import as_csv, as_row, plain_table, print_table

if TYPE_CHECKING:
    from recommender.ranking import Ranked

Format = Literal["table", "json", "csv", "m3u8", "xspf"]

EXAMPLES = """Examples:

recommender rank mine ~/Music --top 30

recommender rank mine ~/Music --share 0.2 --max-per-artist 2 -o discover.m3u8

recommender rank mine ~/Music --min-score 0.8 --exclude '*Christmas*' --format json

recommender rank mine ~/Mixes --sections 10 --top 20"""

_TABLE_ROWS = 20


def rank(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the profile.")],
    library: Annotated[
        list[Path], typer.Argument(metavar="LIBRARY", help="Folders or tracks to choose from.")
    ],
    top: Annotated[int | None, typer.Option(min=1, metavar="N", help="The best N.")] = None,
    share: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="SHARE", help="The best share, such as 0.2."),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="SCORE", help="Only scores from here up."),
    ] = None,
    max_per_artist: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most N of one artist.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Leave out paths, folders or names that match."),
    ] = None,
    include_liked: Annotated[
        bool, typer.Option("--include-liked", help="Rank the playlist's own tracks too.")
    ] = False,
    fast: Fast = False,
    max_duration: MaxDuration = None,
    sections: Sections = None,
    output_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="table, json, csv, m3u8 or xspf; by default as FILE's suffix says, or table.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")
    ] = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Rank tracks by how well they fit a profile; files that are new are analysed first.

    A score is the probability that a track's fragments belong to the playlist, if the playlist and
    the other music were equally frequent: 0.5 says nothing, towards 1 is liked. It is the mean over
    the track's fragments of 8 seconds.

    A file with a CUE sheet beside it counts as the tracks that the sheet names. Playlists tell VLC
    where a track begins and ends in its file; other players play the whole file.
    """
    from recommender import preprocessor as preprocessors
    from recommender import profile as profiles
    from recommender import ranking
    from recommender.cli.profile import POOL_NOTE, describe, open_profile
    from recommender.errors import CheckpointError
    from recommender.library import Library, home

    chosen = _format(output_format, output, as_json=as_json)
    if output is not None:
        check_folder(output)
    path, profile = open_profile(name)
    network = preprocessors.find(profile.fingerprint, home())
    if (n := len(profile.tensors["feature_mean"])) != network.n_features:
        raise CheckpointError(
            f"{path}: takes {n} features a fragment, but its preprocessor gives"
            f" {network.n_features}; build the profile again"
        )
    with Library.open() as catalogue:
        report = analyse(
            catalogue,
            library,
            network,
            jobs,
            "Analysing",
            fast=fast,
            max_duration=max_duration,
            sections=sections,
            quiet=True,
        )
        if profiles.should_relearn(catalogue, profile):
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
                max_duration_s=in_seconds(max_duration),
                on_track=lambda done, total: step(done, total, ""),
            )
    if profile.negatives != "library":
        say(f"Note: {POOL_NOTE}")
    if not ranked:
        say(
            "No track is left: the playlist's own (see --include-liked) and what the options leave"
            " out were all there is" + ("; no file was written" if output else "")
        )
    if ranked or (output is None and chosen != "table"):
        all_rows = top is not None or share is not None or min_score is not None
        _write(ranked, chosen, output, title=name, all_rows=all_rows)
    raise typer.Exit(1 if report.failures else 0)


def _format(named: Format | None, output: Path | None, *, as_json: bool) -> Format:
    from recommender.errors import ParameterError

    if as_json:
        if named not in (None, "json"):
            raise ParameterError(f"--json and --format {named} exclude each other")
        return "json"
    suffix = output.suffix.lower().lstrip(".") if output else ""
    by_suffix: dict[str, Format] = {
        "json": "json",
        "csv": "csv",
        "m3u8": "m3u8",
        "m3u": "m3u8",
        "xspf": "xspf",
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
    from recommender.errors import PlaylistError
    from recommender.files import write_atomically

    if chosen in ("m3u8", "xspf"):
        playlist.write(output or sys.stdout.buffer, ranked, format=chosen, title=title)
    elif output is None and chosen == "json":
        answer_json([as_row(item) for item in ranked])
    elif output is None and chosen == "csv":
        sys.stdout.buffer.write(as_csv(ranked))
    elif output is None:
        print_table(ranked if all_rows else ranked[:_TABLE_ROWS], sys.stdout)
        if not all_rows and len(ranked) > _TABLE_ROWS:
            say(f"… and {len(ranked) - _TABLE_ROWS} more: --top, --share or --min-score choose")
    else:
        import json

        contents = {
            "json": lambda: json.dumps([as_row(item) for item in ranked], indent=2).encode(),
            "csv": lambda: as_csv(ranked),
            "table": lambda: plain_table(ranked).encode(),
        }
        try:
            write_atomically(output, contents[chosen]())
        except OSError as error:
            raise PlaylistError(f"{output}: cannot be written ({error.strerror})") from None
    if output is not None:
        say(f"{counted(len(ranked), 'track')} written to {shown(output)}")

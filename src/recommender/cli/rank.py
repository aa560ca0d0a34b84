"""``recommender rank``: job two."""

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
    check_folder,
    in_seconds,
    open_library,
    progress,
    say,
)
from recommender.cli.engine import Engine, RayAddress, hand_out, scoring
from recommender.cli.rows import Format, format_of, write

if TYPE_CHECKING:
    from recommender.library import Library
    from recommender.preprocessor import Preprocessor
    from recommender.profile import Profile

Order = Literal["score", "flow"]

EXAMPLES = """Examples:

recommender rank mine ~/Music --top 30

recommender rank mine ~/Music --share 0.2 --max-per-artist 2 -o discover.m3u8

recommender rank mine ~/Music --min-score 0.8 --exclude '*Christmas*' --format json

recommender rank mine --top 30

recommender rank mine ~/Music --top 25 --diversity 0.3 --order flow -o evening.m3u8

recommender rank mine ~/Music --blend yours:0.5 --top 30

recommender rank mine ~/Mixes --sections 10 --top 20"""


def rank(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the profile.")],
    library: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[LIBRARY]...",
            help="Folders or tracks to choose from; by default all that was scanned.",
            show_default=False,
        ),
    ] = None,
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
    duplicates: Annotated[
        bool,
        typer.Option(
            "--duplicates", help="Rank files that sound the same each by itself, not as one."
        ),
    ] = False,
    diversity: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="X",
            help="From 0, the best, to 1, as unlike each other as can be; try 0.3.",
        ),
    ] = 0.0,
    order: Annotated[
        Order,
        typer.Option(
            metavar="ORDER",
            help="score, or flow: the end of each track leads to the next; begins with the best.",
        ),
    ] = "score",
    blend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:WEIGHT]",
            help="Blend in another profile; the first counts 1, this one too or WEIGHT.",
        ),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Score every track exactly, also where few of very many are wanted."
        ),
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
    engine: Engine = "local",
    ray_address: RayAddress = None,
    as_json: Json = False,
) -> None:
    """Rank tracks by how well they fit a profile; files that are new are analysed first.

    A score is the probability that a track's fragments belong to the playlist, if the playlist and
    the other music were equally frequent: 0.5 says nothing, towards 1 is liked. It is the mean over
    the track's fragments of 8 seconds.

    A file with a CUE sheet beside it counts as the tracks that the sheet names. Playlists tell VLC
    where a track begins and ends in its file; other players play the whole file.

    A recording that lies in several files is listed once, as its best file: they are told by their
    sound and length, never by their names. Doubles of the playlist's own tracks are left out like
    these, and so is what `recommender never` lists.

    Where few of very many tracks are wanted, all are scored roughly first, from the means of their
    fragments, and exactly where they may be among the best; --exact scores all of them exactly.
    Scores are remembered: a second ranking only scores what is new.

    Options work in this order: what is left out; the score, of several profiles the weighted mean;
    duplicates; --min-score; --max-per-artist; then --top or --share, whichever is fewer, chosen for
    --diversity among ten times as many; --order comes last.
    """
    from recommender import preprocessor as preprocessors
    from recommender import ranking
    from recommender.cli.profile import POOL_NOTE, open_profile
    from recommender.library import home
    from recommender.ranking import never

    chosen = format_of(output_format, output, as_json=as_json)
    if output is not None:
        check_folder(output)
    blended = [(name, 1.0), *(_weighted(text) for text in blend or [])]
    opened = [(open_profile(each), weight) for each, weight in blended]
    ranking.check_blend([(profile, weight) for (_, profile), weight in opened])
    never_list = never.load(home())
    network = preprocessors.find(opened[0][0][1].fingerprint, home())
    for path, profile in (each for each, _ in opened):
        _check_features(path, profile, network)
    with open_library() as catalogue:
        has_failures = False
        if library:
            report = analyse(
                catalogue,
                library,
                network,
                jobs,
                "Analysing",
                fast=fast,
                max_duration=max_duration,
                sections=sections,
                hand_out=hand_out(engine, ray_address, jobs),
                quiet=True,
            )
            has_failures = bool(report.failures)
        profiles = [
            (_learned_anew(catalogue, path, profile), weight) for (path, profile), weight in opened
        ]
        with (
            progress("Ranking", keep=False) as step,
            scoring(engine, ray_address, jobs) as run,
        ):
            ranked = ranking.rank(
                profiles[0][0],
                catalogue,
                library or [],
                blend=profiles[1:],
                never=never_list,
                include_liked=include_liked,
                exclude=exclude or [],
                max_duration_s=in_seconds(max_duration),
                # Only fused features are such that their cosines tell recordings apart.
                duplicates=duplicates or network.fusion is None,
                min_score=min_score,
                max_per_artist=max_per_artist,
                top=top,
                share=share,
                diversity=diversity,
                order=order,
                exact=exact,
                threads=jobs,
                run=run,
                on_track=lambda done, total: step(done, total, ""),
            )
    if any(profile.negatives != "library" for profile, _ in profiles):
        say(f"Note: {POOL_NOTE}")
    if not ranked:
        say(
            "No track is left: the playlist's own (see --include-liked) and what the options and"
            " `recommender never` leave out were all there is"
            + ("; no file was written" if output else "")
        )
    if ranked or (output is None and chosen != "table"):
        all_rows = top is not None or share is not None or min_score is not None
        write(ranked, chosen, output, title=name, all_rows=all_rows)
    raise typer.Exit(1 if has_failures else 0)


def _weighted(text: str) -> tuple[str, float]:
    """Name of a profile and its weight."""
    from recommender.errors import ParameterError

    name, colon, weight = text.partition(":")
    try:
        return name, float(weight) if colon else 1.0
    except ValueError:
        raise ParameterError(f"--blend {text}: give a profile's NAME or NAME:WEIGHT") from None


def _check_features(path: Path, profile: "Profile", network: "Preprocessor") -> None:
    from recommender.errors import CheckpointError

    if (n := profile.n_features) != network.n_features:
        raise CheckpointError(
            f"{path}: takes {n} features a fragment, but its preprocessor gives"
            f" {network.n_features}; build the profile again"
        )


def _learned_anew(library: "Library", path: Path, profile: "Profile") -> "Profile":
    """Train a profile again, and keep it, if it knew too little other music."""
    from recommender import profile as profiles
    from recommender.cli.profile import describe

    if not profiles.should_relearn(library, profile):
        return profile
    with progress("Learning anew") as step:
        anew = profiles.rebuild(
            library, profile, on_epoch=lambda e: step(e.number, e.n_epochs, describe(e))
        )
    if profiles.refresh(path, anew, before=profile):
        n_others = anew.n_negative_tracks
        say(f"Profile {anew.name!r} learned anew, against {n_others} tracks of yours")
    return anew

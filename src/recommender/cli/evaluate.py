"""``recommender evaluate``: how good recommendations are for one's own playlists."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recommender.cli.console import (
    N_JOBS,
    Fast,
    Jobs,
    Json,
    MaxDuration,
    RecipeName,
    Sections,
    analyse,
    answer_json,
    check_folder,
    in_seconds,
    open_library,
    progress,
    say,
    shown,
)
from recommender.cli.evaluation import evaluation_values, tell_evaluation, title
from recommender.parameters import RECIPES

if TYPE_CHECKING:
    from recommender.library import Library, Track
    from recommender.playlist import Entry

EXAMPLES = """Examples:

recommender evaluate ~/Music/playlist --library ~/Music

recommender evaluate best.m3u8 jazz.m3u8 --library ~/Music --unheard-artists --html quality.html"""


def evaluate(
    playlists: Annotated[
        list[Path],
        typer.Argument(
            metavar="PLAYLIST", help="Folders or M3U, M3U8, XSPF or PLS files; each by itself."
        ),
    ],
    library: Annotated[
        list[Path],
        typer.Option(metavar="PATH", help="Other music, among which a part is to be found."),
    ],
    seeds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Draws of what is hidden, of each playlist.")
    ] = 5,
    liked: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Tracks that are not hidden; by default half."),
    ] = None,
    unheard_artists: Annotated[
        bool, typer.Option("--unheard-artists", help="Hide all that an artist has, or nothing.")
    ] = False,
    recipe: Annotated[RecipeName, typer.Option(help="How profiles are made.")] = "default",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report for a browser.")
    ] = None,
    fast: Fast = False,
    max_duration: MaxDuration = None,
    sections: Sections = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Hide a part of your playlists, and see how much of it a profile of the rest finds again.

    Each playlist is evaluated by itself, several times, and beside simpler ways: a random order,
    nearness to the middle of the known tracks, and to the three nearest of them. Your profiles stay
    as they are. Files that are new are analysed first.
    """
    from recommender import evaluation
    from recommender import preprocessor as preprocessors

    if html is not None:
        check_folder(html)
    network = preprocessors.load(RECIPES[recipe].preprocessor)
    chosen = RECIPES[recipe].suited(whitened=network.fusion is not None)
    named, entries = _named(playlists)
    with open_library() as catalogue:
        paths = [entry.path for found in entries for entry in found]
        report = analyse(
            catalogue,
            [*paths, *library],
            network,
            jobs,
            "Analysing",
            fast=fast,
            max_duration=max_duration,
            sections=sections,
            quiet=True,
        )
        members = [
            _playlist_tracks(catalogue, network.fingerprint, found, in_seconds(max_duration))
            for found in entries
        ]
        tracks, notes = _all_tracks(
            catalogue, network.fingerprint, members, library, in_seconds(max_duration)
        )
        hearing = evaluation.hear(catalogue, tracks, chosen, network.fingerprint)
    for note in notes:
        say(f"Note: {note}")
    if unheard_artists and (n := sum(track.artist is None for track in tracks)):
        notes.append(f"{n} of {len(tracks)} tracks have no artist's tag; each counts as one's own")
        say(f"Note: {notes[-1]}")
    indices = {track.id: i for i, track in enumerate(tracks)}
    with progress("Evaluating") as step:
        found = evaluation.evaluate_playlists(
            hearing,
            [track.artist for track in tracks],
            {
                name: [indices[track.id] for track in some]
                for name, some in zip(named, members, strict=True)
            },
            n_seeds=seeds,
            n_liked=liked,
            unheard_artists=unheard_artists,
            on_trial=step,
        )
    answer = evaluation_values(found, hearing.tracks)
    if as_json:
        answer_json({"recipe": recipe, "notes": notes, **answer})
    else:
        tell_evaluation(found, answer)
    if html is not None:
        from recommender import reports

        settings = {
            "recipe": recipe,
            "playlists": ", ".join(map(str, playlists)),
            "library": ", ".join(map(str, library)),
            "tracks in all": f"{len(tracks):,}",
            "draws of each playlist": seeds,
            "known of each playlist": "half" if liked is None else liked,
            "hidden": "whole artists" if unheard_artists else "any tracks",
        }
        reports.write_evaluation(
            html,
            found,
            titles=[title(track) for track in tracks],
            methods=evaluation.METHODS,
            recipe=recipe,
            settings=settings,
            notes=notes,
        )
        say(f"Report in {shown(html)}")
    raise typer.Exit(1 if report.failures else 0)


def _named(playlists: Sequence[Path]) -> "tuple[list[str], list[list[Entry]]]":
    """Resolve playlists, and find a name for each that no other has.

    Raises
    ------
    PlaylistError
        If one does not exist, or names nothing that does.
    """
    from recommender import profile as profiles

    names: list[str] = []
    entries = []
    for path in playlists:
        name = path.resolve().stem if path.is_file() else path.resolve().name
        names.append(name if name not in names else str(path))
        found, notes = profiles.find_liked([path])
        for note in notes:
            say(f"Note: {shown(note)}")
        entries.append(found)
    return names, entries


def _playlist_tracks(
    library: "Library", fingerprint: str, entries: "Sequence[Entry]", max_duration_s: float | None
) -> "list[Track]":
    """List the tracks of a playlist that the library holds; say what is odd about them."""
    from recommender import profile as profiles

    tracks, notes = profiles.tracks_of(library, fingerprint, entries, max_duration_s=max_duration_s)
    for note in notes:
        say(f"Note: {shown(note)}")
    return tracks


def _all_tracks(
    library: "Library",
    fingerprint: str,
    members: "Sequence[Sequence[Track]]",
    paths: Sequence[Path],
    max_duration_s: float | None,
) -> "tuple[list[Track], list[str]]":
    from recommender import evaluation

    mine = {track.id: track for some in members for track in some}
    others = library.tracks(fingerprint, paths, max_duration_s=max_duration_s)
    return evaluation.at_most(
        list(mine.values()), [track for track in others if track.id not in mine]
    )

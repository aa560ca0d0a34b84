"""Evaluations as jobs."""

from pathlib import Path
from typing import Any

from recommender import evaluation
from recommender import preprocessor as preprocessors
from recommender import profile as profiles
from recommender.errors import ParameterError
from recommender.evaluation import METHODS, Evaluation
from recommender.library import Track
from recommender.parameters import RECIPES
from recommender.web.browsing import Browser
from recommender.web.texts import path_of, shown


def evaluate(home: Path, arguments: dict[str, Any], page: Path, step: Any) -> dict[str, Any]:
    """Hide a part of each playlist, and see how much of it a profile of the rest finds again.

    Only what the library has analysed counts. Also writes the report for a browser.
    """
    from recommender import reports

    network = preprocessors.load(RECIPES["default"].preprocessor)
    recipe = RECIPES["default"].suited(whitened=network.fusion is not None)
    named = [path_of(text) for text in arguments["folders"]]
    with Browser.of(home) as library:
        members: dict[str, list[Track]] = {}
        notes: list[str] = []
        for path in named:
            entries, more = profiles.find_liked([path])
            tracks, odd = profiles.tracks_of(library, network.fingerprint, entries)
            name = path.stem if path.is_file() else path.name
            if not tracks:
                raise ParameterError(f"{path}: the library holds no track of it; scan it first")
            members[name if name not in members else str(path)] = tracks
            notes += [*more, *odd]
        mine = {track.id: track for some in members.values() for track in some}
        others = [t for t in library.tracks(network.fingerprint) if t.id not in mine]
        tracks, more = evaluation.at_most(list(mine.values()), others)
        notes += more
        hearing = evaluation.hear(library, tracks, recipe, network.fingerprint)
    indices = {track.id: i for i, track in enumerate(tracks)}
    found = evaluation.evaluate_playlists(
        hearing,
        [track.artist for track in tracks],
        {name: [indices[track.id] for track in some] for name, some in members.items()},
        n_seeds=arguments["seeds"],
        unheard_artists=arguments["unheard_artists"],
        on_trial=step,
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    reports.write_evaluation(
        page,
        found,
        titles=[_title(track) for track in tracks],
        methods=METHODS,
        recipe="default",
        settings={
            "recipe": "default",
            "playlists": ", ".join(map(shown, named)),
            "tracks in all": f"{len(tracks):,}",
            "draws of each playlist": arguments["seeds"],
            "hidden": "whole artists" if arguments["unheard_artists"] else "any tracks",
        },
        notes=[shown(note) for note in notes],
    )
    return values(found, notes)


def values(found: Evaluation, notes: list[str]) -> dict[str, Any]:
    """Return an evaluation as plain values."""
    told = evaluation.summary(found)
    for playlist in told["playlists"]:
        playlist["name"] = shown(playlist["name"])
    return {**told, "notes": [shown(note) for note in notes]}


def _title(track: Track) -> str:
    name = " - ".join(text for text in (track.artist, track.title) if text) if track.title else ""
    return name or shown(track.path.name)

"""``recommender profile like``, ``dislike``, ``forget`` and ``undo``: what one thinks of tracks."""

import functools
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
    counted,
    in_seconds,
    list_some,
    open_library,
    progress,
    say,
    shown,
    span,
)

if TYPE_CHECKING:
    from recommender.profile import Change, Profile, TrackRef

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the profile.")]
Paths = Annotated[list[Path], typer.Argument(metavar="PATH", help="Tracks, folders or playlists.")]

LIKE_EXAMPLE = "Example: recommender profile like mine ~/Music/new/song.mp3"
DISLIKE_EXAMPLE = "Example: recommender profile dislike mine ~/Music/Christmas"
FORGET_EXAMPLE = "Example: recommender profile forget mine ~/Music/Christmas/bells.mp3"


def like(
    name: Name,
    paths: Paths,
    fast: Fast = False,
    max_duration: MaxDuration = None,
    sections: Sections = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Add tracks to what a profile likes, and learn again at once.

    Files that are new are analysed first. What was disliked before no longer is. A profile learns
    from all its tracks anew: it does not matter when they came in.
    """
    _give(name, paths, "liked", fast, max_duration, sections, jobs, as_json)


def dislike(
    name: Name,
    paths: Paths,
    fast: Fast = False,
    max_duration: MaxDuration = None,
    sections: Sections = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Tell a profile what it is not to recommend, and learn again at once.

    Files that are new are analysed first. What was liked before no longer is.
    """
    _give(name, paths, "disliked", fast, max_duration, sections, jobs, as_json)


def forget(name: Name, paths: Paths, as_json: Json = False) -> None:
    """Take tracks out of what a profile likes or dislikes, and learn again at once.

    They are other music again, which may be recommended. The files need not be there any more.
    """
    from recommender import profile as profiles
    from recommender.cli.profile import describe, open_profile
    from recommender.errors import ProfileError

    path, profile = open_profile(name)
    entries, notes = profiles.find_liked([path for path in paths if path.exists()])
    with open_library() as catalogue:
        tracks, more_notes = profiles.tracks_of(catalogue, profile.fingerprint, entries)
        _note(notes + more_notes)
        known = profiles.find_known(profile, paths, tracks)
        if not known:
            where = ", ".join(str(path) for path in paths)
            raise ProfileError(
                f"{where}: nothing there is liked or disliked; `recommender profile show {name}`"
                " lists what is"
            )
        with progress("Learning") as step:
            change = profiles.forget(
                catalogue,
                profile,
                known,
                on_epoch=lambda e: step(e.number, e.n_epochs, describe(e)),
            )
    profiles.replace(path, change.profile, before=profile)
    _tell(change, "neither liked nor disliked", n_named=len(known))
    if as_json:
        answer_json(_summary(change, path, "neither"))


def undo(name: Name, as_json: Json = False) -> None:
    """Take the last change of a profile back; again and again, up to 20 changes.

    A change is feedback, or building a profile of the same name.
    """
    from recommender import profile as profiles
    from recommender.cli.profile import find
    from recommender.errors import CheckpointError

    path = find(name)
    try:
        before = profiles.load(path)
    except CheckpointError:
        before = None  # damaged: the more reason to go back
    profile = profiles.undo(path)
    n_left = len(profiles.earlier(path))
    say(
        f"Profile {name!r} is as it was when it learned on {profile.created};"
        f" {counted(n_left, 'earlier version')} left"
    )
    changes: dict[str, list[TrackRef]] = {}
    if before is not None:
        changes = _differences(before, profile)
    for what, refs in changes.items():
        if refs:
            say(f"{what.replace('_', ' ').capitalize()}:")
            list_some([title(ref) for ref in refs])
    if as_json:
        lists = {what: [ref.path for ref in refs] for what, refs in changes.items()}
        answer_json({"name": name, "path": str(path), "n_earlier": n_left, **lists})


def _give(
    name: str,
    paths: Sequence[Path],
    opinion: Literal["liked", "disliked"],
    fast: bool,
    max_duration: float | None,
    sections: float | None,
    jobs: int,
    as_json: bool,
) -> None:
    from recommender import preprocessor as preprocessors
    from recommender import profile as profiles
    from recommender.cli.profile import describe, open_profile
    from recommender.errors import ProfileError
    from recommender.library import home

    path, profile = open_profile(name)
    network = preprocessors.find(profile.fingerprint, home())
    entries, notes = profiles.find_liked(paths)
    with open_library() as catalogue:
        report = analyse(
            catalogue,
            [entry.path for entry in entries],
            network,
            jobs,
            "Analysing",
            fast=fast,
            max_duration=max_duration,
            sections=sections,
            quiet=True,
        )
        longest_s = in_seconds(max_duration)
        choose = functools.partial(profiles.tracks_of, max_duration_s=longest_s)
        tracks, more_notes = choose(catalogue, profile.fingerprint, entries)
        _note(notes + more_notes)
        if not tracks:
            where = ", ".join(str(path) for path in paths)
            raise ProfileError(f"{where}: no track there that can be used; name music")
        learn = profiles.like if opinion == "liked" else profiles.dislike
        with progress("Learning") as step:
            change = learn(
                catalogue,
                profile,
                tracks,
                on_epoch=lambda e: step(e.number, e.n_epochs, describe(e)),
            )
    if change.tracks:
        profiles.replace(path, change.profile, before=profile)
    _tell(change, opinion, n_named=len(tracks))
    if as_json:
        answer_json(_summary(change, path, opinion))
    raise typer.Exit(1 if report.failures else 0)


def _tell(change: "Change", opinion: str, *, n_named: int) -> None:
    profile, n = change.profile, len(change.tracks)
    if n_same := n_named - n:
        say(f"{counted(n_same, 'track')} {'is' if n_same == 1 else 'are'} {opinion} already")
    if n == 0:
        return
    say(f"{counted(n, 'track')} {'is' if n == 1 else 'are'} {opinion} now; scores before → after:")
    lines = zip(change.tracks, change.scores_before, change.scores_after, strict=True)
    list_some([f"{_arrow(before, after)}  {title(ref)}" for ref, before, after in lines])
    if n > 1:
        say(f"Their mean score: {_arrow(change.score_before, change.score_after)}")
    if change.missing:
        say("Note: not learned from, since the library does not hold them as they were:")
        list_some([title(ref) for ref in change.missing])
    say(
        f"Profile {profile.name!r} likes {counted(len(profile.liked), 'track')} and dislikes"
        f" {len(profile.disliked)}. Back with `recommender profile undo {profile.name}`"
    )


def _arrow(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "(not in the library)"
    return f"{before:.3f} → {after:.3f}"


def title(ref: "TrackRef") -> str:
    """Text of a track: its path, and where it lies in the file."""
    return f"{shown(ref.path)} {span(ref.start_s, ref.end_s)}".rstrip()


def _note(notes: Sequence[str]) -> None:
    for note in notes:
        say(f"Note: {shown(note)}")


def _summary(change: "Change", path: Path, opinion: str) -> dict[str, object]:
    profile = change.profile
    lines = zip(change.tracks, change.scores_before, change.scores_after, strict=True)
    return {
        "name": profile.name,
        "path": str(path),
        "now": opinion,
        "tracks": [
            {
                "path": ref.path,
                "start_s": ref.start_s,
                "end_s": ref.end_s,
                "score_before": rounded(before),
                "score_after": rounded(after),
            }
            for ref, before, after in lines
        ],
        "score_before": rounded(change.score_before),
        "score_after": rounded(change.score_after),
        "n_liked": len(profile.liked),
        "n_disliked": len(profile.disliked),
        "missing": [ref.path for ref in change.missing],
    }


def rounded(score: float | None) -> float | None:
    """Round a score for JSON; ``None`` stays."""
    return None if score is None else round(score, 4)


def _differences(before: "Profile", after: "Profile") -> dict[str, list["TrackRef"]]:
    """Tell what became liked or disliked, and what no longer is."""
    changes = {}
    for opinion in ("liked", "disliked"):
        old, new = getattr(before, opinion), getattr(after, opinion)
        changes[f"{opinion}_again"] = [ref for ref in new if ref not in old]
        changes[f"no_longer_{opinion}"] = [ref for ref in old if ref not in new]
    return changes

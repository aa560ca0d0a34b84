"""``recommender profile show``: what a profile is made of, and how good it is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from recommender.cli.console import Json, answer_json, counted, open_library, progress, shown
from recommender.cli.feedback import Name, rounded, title

if TYPE_CHECKING:
    from recommender.profile import Judgement, Profile, TrackRef


def show(
    name: Name,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="See how well it finds liked tracks that are hidden; takes seconds."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a profile was made from, how each of its tracks scores, and how good it is.

    With --check, the liked tracks are hidden in turn among the other music of the library: how many
    would be found, and which are unlike the rest?
    """
    from recommender import profile as profiles
    from recommender.cli.profile import open_profile, summary

    path, profile = open_profile(name)
    judgement = None
    with open_library() as catalogue:
        scores = profiles.track_scores(catalogue, profile, profile.liked)
        disliked_scores = profiles.track_scores(catalogue, profile, profile.disliked)
        if check:
            with progress("Checking", keep=False) as step:
                judgement = profiles.judge(
                    catalogue, profile, on_fold=lambda done, total: step(done, total, "")
                )
    details = summary(profile, path)
    if as_json:
        answer_json(
            {
                **details,
                "tracks": [ref.path for ref in profile.liked],
                "scores": [rounded(score) for score in scores],
                "disliked_tracks": [ref.path for ref in profile.disliked],
                "disliked_scores": [rounded(score) for score in disliked_scores],
                "check": None if judgement is None else _as_json(judgement),
            }
        )
        return
    lines = _sentences(profile)
    if judgement is None:
        lines += [f"Is it any good? Ask with `recommender profile show {name} --check`"]
    else:
        lines += ["", *_verdict(judgement, name)]
    known = {key: value for key, value in details.items() if value is not None}
    lines += ["", *(f"{key:18} {shown(value)}" for key, value in known.items())]
    lines += _listed("tracks", profile.liked, scores)
    lines += _listed("disliked_tracks", profile.disliked, disliked_scores)
    typer.echo("\n".join(lines))


def _sentences(profile: "Profile") -> list[str]:
    from recommender.cli.profile import qualified

    n_disliked = len(profile.disliked)
    heard_others = profile.negatives != "shipped pool"
    return [
        f"{shown(profile.name)} likes {counted(len(profile.liked), 'track')}"
        + (f" and dislikes {n_disliked}" if n_disliked else "")
        + f"; it learned what sets them apart from {counted(profile.n_negative_tracks, 'other')}.",
        f"Mean score of the liked tracks {profile.liked_score:.3f} ({qualified(profile)})"
        + (f", of the others {profile.other_score:.3f}" if heard_others else ""),
    ]


def _verdict(judgement: "Judgement", name: str) -> list[str]:
    n, outliers = len(judgement.tracks), judgement.outliers
    lines = [
        f"{n} liked tracks were hidden in turn, then looked for among {judgement.n_others} others,"
        " each by itself:",
        f"{judgement.n_found} of {n} would be in the first {judgement.n_first} of"
        f" {judgement.n_others + 1}; chance would be {judgement.n_found_by_chance:.1f}.",
        f"On average one scores above {judgement.auc:.0%} of the others (AUC {judgement.auc:.3f};"
        " chance would be 0.5).",
    ]
    if outliers:
        is_ = "track is" if len(outliers) == 1 else "tracks are"
        lines += [f"{len(outliers)} liked {is_} unlike the rest: below half of the others."]
        lines += [
            f"  above {judged.share_below:3.0%}  {title(judged.track)}" for judged in outliers
        ]
        lines += [f"Take one out with `recommender profile forget {name} PATH`"]
    return lines


def _listed(key: str, refs: Sequence["TrackRef"], scores: Sequence[float | None]) -> list[str]:
    if not refs:
        return []
    texts = ["    -" if score is None else f"{score:.3f}" for score in scores]
    return [key, *(f"  {text}  {title(ref)}" for text, ref in zip(texts, refs, strict=True))]


def _as_json(judgement: "Judgement") -> dict[str, object]:
    return {
        "auc": rounded(judgement.auc),
        "n_hidden": len(judgement.tracks),
        "n_found": judgement.n_found,
        "n_first": judgement.n_first,
        "n_others": judgement.n_others,
        "n_found_by_chance": rounded(judgement.n_found_by_chance),
        "tracks": [
            {
                "path": judged.track.path,
                "start_s": judged.track.start_s,
                "end_s": judged.track.end_s,
                "score": rounded(judged.score),
                "share_below": rounded(judged.share_below),
            }
            for judged in judgement.tracks
        ],
        "outliers": [judged.track.path for judged in judgement.outliers],
    }

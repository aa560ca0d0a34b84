"""The page that explains a score: over time, beside what is liked, with players for all of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from recommender.library import Track
from recommender.ranking.explaining import Explanation, Without
from recommender.ranking.neighbours import Alike, Neighbour
from recommender.ranking.telling import changes, clock, name_of, verdict
from recommender.reports import rendering

_MOST_NEAR = 20
_MOST_FAR = 5


def write_explanation(
    path: Path,
    explanation: Explanation,
    *,
    profile: str,
    picture: Figure,
    without: Without | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write an explanation as one HTML file; its players play the music where it lies.

    Parameters
    ----------
    path : Path
    explanation : Explanation
    profile : str
        Name of the profile.
    picture : Figure
        From `recommender.plots.score_over_time`.
    without : Without, optional
    notes : sequence of str
        What is to be known besides.

    Raises
    ------
    ParameterError
        If the file cannot be written.
    """
    e = explanation
    rendering.write(
        path,
        "explanation.html",
        profile=profile,
        name=name_of(e.track),
        file=str(e.track.path),
        player=_player(e.track, e.track.start_s, e.track.end_s),
        verdict=verdict(e),
        changes=changes(e, without),
        notes=list(notes),
        picture=picture,
        picture_label=f"Scores over time, from {e.scores.min():.2f} to {e.scores.max():.2f}",
        has_sound=len(picture.axes) > 1,
        fragment_s=e.fragments[0].end_s - e.fragments[0].start_s,
        n_fragments=len(e.fragments),
        best=_marked(e, e.best),
        worst=_marked(e, e.worst),
        liked=[_alike(e, near) for near in e.liked[:_MOST_NEAR]],
        far=[_alike(e, near) for near in e.liked[_MOST_NEAR:][-_MOST_FAR:]],
        n_liked=len(e.liked),
        others=[_alike(e, near) for near in e.others],
    )


def _marked(
    explanation: Explanation, marked: dict[int, tuple[Neighbour, ...]]
) -> list[dict[str, Any]]:
    track = explanation.track
    found = []
    for i, neighbours in marked.items():
        fragment = explanation.fragments[i]
        rows = [
            {
                "name": name_of(near.track),
                "disliked": near.track.content_hash in explanation.disliked,
                "span": _span(near.start_s, near.end_s),
                "cosine": near.cosine,
                "score": near.score,
                "player": _player(near.track, near.start_s, near.end_s),
            }
            for near in neighbours
        ]
        found.append(
            {
                "span": _span(fragment.start_s, fragment.end_s),
                "score": fragment.score,
                "player": _player(track, fragment.start_s, fragment.end_s),
                "neighbours": rows,
            }
        )
    return found


def _alike(explanation: Explanation, near: Alike) -> dict[str, Any]:
    return {
        "name": name_of(near.track),
        "disliked": near.track.content_hash in explanation.disliked,
        "cosine": near.cosine,
        "score": near.score,
        "player": _player(near.track, near.track.start_s, near.track.end_s),
    }


def _player(track: Track, start_s: float | None, end_s: float | None) -> dict[str, str]:
    """Address of a file and of a span in it (W3C, Media Fragments URI 1.0), and a name for it."""
    span = (
        "" if start_s is None else f"#t={start_s:.3f}" + ("" if end_s is None else f",{end_s:.3f}")
    )
    label = name_of(track)
    if start_s is not None:
        label += f", {clock(start_s)} to {'the end' if end_s is None else clock(end_s)}"
    return {"source": track.path.absolute().as_uri() + span, "label": label}


def _span(start_s: float, end_s: float) -> str:
    return f"{clock(start_s)} to {clock(end_s)}"

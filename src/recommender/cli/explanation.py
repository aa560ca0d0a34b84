"""An explanation as text for the terminal, and as values for JSON."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from recommender.cli.console import shown, span

if TYPE_CHECKING:
    from recommender.library import Track
    from recommender.ranking.explaining import Explanation, Without
    from recommender.ranking.neighbours import Alike, Neighbour

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 60


def as_text(explanation: "Explanation", without: "Without | None") -> Iterator[str]:
    """Yield the lines that a terminal shows."""
    from recommender.ranking.telling import changes, clock, name_of, verdict

    e = explanation
    where = f"{e.track.path.name} {span(e.track.start_s, e.track.end_s)}".rstrip()
    yield f"{shown(name_of(e.track))} ({shown(where)})"
    yield shown(" ".join(verdict(e)))
    yield ""
    first, last = e.fragments[0], e.fragments[-1]
    yield f"{clock(first.start_s)} {_sparkline(e)} {clock(last.end_s)}"
    for title, marked in (
        ("Best fragments, and the liked tracks that sound like them", e.best),
        ("Worst fragments, and the other music that sounds like them", e.worst),
    ):
        if marked:
            yield ""
            yield f"{title}:"
        for i, neighbours in marked.items():
            fragment = e.fragments[i]
            times = f"{clock(fragment.start_s)} to {clock(fragment.end_s)}"
            yield f"  {times}  score {fragment.score:.2f}"
            for near in neighbours:
                times = f"{clock(near.start_s)} to {clock(near.end_s)}"
                told = f"cosine {near.cosine:.2f}"
                if marked is e.worst:
                    told += f", scores {near.score:.2f}"
                if near.track.content_hash in e.disliked:
                    told += ", disliked"
                yield f"      {shown(name_of(near.track))}, {times} ({told})"
    yield ""
    yield "What would change it:"
    for sentence in changes(e, without):
        yield f"  {shown(sentence)}"


def _sparkline(explanation: "Explanation") -> str:
    """Scores over time as blocks; of long tracks, means."""
    import numpy as np

    scores = explanation.scores
    means = [part.mean() for part in np.array_split(scores, min(len(scores), _MOST_BARS))]
    return "".join(_BARS[min(int(mean * len(_BARS)), len(_BARS) - 1)] for mean in means)


def as_answer(name: str, explanation: "Explanation", without: "Without | None") -> dict[str, Any]:
    """Return it with plain values, rounded."""
    from recommender.ranking.telling import changes

    e = explanation
    return {
        "profile": name,
        **_track(e.track),
        "score": round(e.score, 6),
        "place": e.place,
        "n_ranked": e.n_ranked,
        "liked": e.is_liked,
        "disliked": e.is_disliked,
        "fragments": [
            {"start_s": f.start_s, "end_s": f.end_s, "score": round(f.score, 6)}
            for f in e.fragments
        ],
        "best": [_near_fragment(i, near) for i, near in e.best.items()],
        "worst": [_near_fragment(i, near) for i, near in e.worst.items()],
        "nearest_liked": [_near(near) for near in e.liked],
        "nearest_other": [_near(near) for near in e.others],
        "score_without_worst": e.score_without_worst,
        "score_for_top": e.score_for_top,
        "learned_anew": None
        if without is None
        else {
            "without": [_track(track) for track in without.tracks],
            "score": without.score,
            "score_with_all": without.score_with_all,
        },
        "changes": changes(e, without),
    }


def _near_fragment(number: int, neighbours: "tuple[Neighbour, ...]") -> dict[str, Any]:
    """Numbers count from 0, as the list of fragments does."""
    times = [
        {"fragment_start_s": near.start_s, "fragment_end_s": near.end_s} for near in neighbours
    ]
    near = [_near(near) | time for near, time in zip(neighbours, times, strict=True)]
    return {"fragment": number, "nearest": near}


def _near(near: "Alike | Neighbour") -> dict[str, Any]:
    return _track(near.track) | {"cosine": round(near.cosine, 4), "score": round(near.score, 6)}


def _track(track: "Track") -> dict[str, Any]:
    names = ("artist", "title", "start_s", "end_s")
    return {"path": str(track.path), **{name: getattr(track, name) for name in names}}

"""An explanation in plain words, each sentence of which was computed."""

import math
from collections.abc import Iterable

from recommender.library import Track
from recommender.ranking.explaining import N_TOP, Explanation, Without

_EVEN = 0.5  # a score that says nothing


def verdict(explanation: Explanation) -> list[str]:
    """Say what the score is, and how it compares."""
    e = explanation
    said = [f"It scores {e.score:.2f}"]
    if e.n_ranked > 1:
        said[0] += f" and would be number {e.place:,} of {e.n_ranked:,} in a ranking of the library"
        said.append(f"{math.floor(100 * e.share_below)} % of the other tracks score lower.")
    said[0] += "."
    if e.is_liked:
        said.append("The profile learned from it as a track that is liked.")
    if e.is_disliked:
        said.append("The profile learned from it as a track that is disliked; no ranking shows it.")
    if e.track.fast:
        heard = counted(len(e.fragments), "window")
        said.append(f"Only {heard} of it were heard, since it was analysed with --fast.")
    return said


def changes(explanation: Explanation, without: Without | None = None) -> list[str]:
    """Say what would have to be different for another score."""
    e = explanation
    said = []
    if e.score_without_worst is not None:
        times = listed(clock(e.fragments[i].start_s) for i in sorted(e.worst))
        said.append(
            f"Without its {_worst(len(e.worst))} (at {times}) it would score"
            f" {e.score_without_worst:.2f}."
        )
    if e.score <= _EVEN:
        said.append(_to_exceed(e, _EVEN, "To be rather liked than not"))
    if e.score_for_top is not None:
        said.append(_to_exceed(e, e.score_for_top, f"To be among the first {N_TOP}"))
    if without is not None:
        names = "; ".join(name_of(track) for track in without.tracks)
        tracks = (
            "the liked track that is"
            if len(without.tracks) == 1
            else (f"the {len(without.tracks)} liked tracks that are")
        )
        said.append(
            f"Had the profile never met {tracks} nearest to it ({names}), it would score"
            f" {without.score:.2f} instead of {without.score_with_all:.2f}; both were learned anew"
            " for this."
        )
    if len(e.liked) > 1:
        near, far = e.liked[0], e.liked[-1]
        said.append(
            f"Of what is liked it is nearest to {name_of(near.track)} (cosine {near.cosine:.2f})"
            f" and farthest from {name_of(far.track)} ({far.cosine:.2f})."
        )
    if e.others:
        near = e.others[0]
        of = "disliked tracks and other music" if e.disliked else "other music"
        said.append(
            f"Of {of} it is nearest to {name_of(near.track)} (cosine {near.cosine:.2f}), which"
            f" scores {near.score:.2f}."
        )
    return said


def _to_exceed(explanation: Explanation, goal: float, aim: str) -> str:
    n, n_fragments = explanation.n_to_leave_out(goal), len(explanation.fragments)
    if n is None:
        reached = "not even its best fragment does"
    else:
        reached = f"it does without its {_worst(n)} of {n_fragments}"
    return f"{aim} it would have to exceed {goal:.2f}: {reached}."


def _worst(n: int) -> str:
    return "worst fragment" if n == 1 else f"{n} worst fragments"


def name_of(track: Track) -> str:
    """Return a track's name: title and artist, or else its file's name and where it lies in it."""
    if track.title:
        return f"{track.title} by {track.artist}" if track.artist else track.title
    where = "" if track.start_s is None else f" at {clock(track.start_s)}"
    return f"{track.path.name}{where}"


def clock(time_s: float) -> str:
    """Return a time as text: ``0:08``, ``61:40``."""
    minutes, seconds = divmod(round(time_s), 60)
    return f"{minutes}:{seconds:02}"


def counted(n: int, what: str) -> str:
    """Return a number of things as text: ``1 window``, ``3 windows``."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def listed(words: Iterable[str]) -> str:
    """Join words as in speech: ``a, b and c``."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last

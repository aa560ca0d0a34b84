"""From single measurements to rows: medians, quartiles, and ratios within the same turn."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from peers.measuring import Result, Taken


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median and quartiles."""

    q1: float
    median: float
    q3: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is told of a contender.

    Attributes
    ----------
    name, note : str
    why_not : str
        Why there are no figures: absent, or failed.
    n : int
        Measurements.
    cpu_ms, wall_ms : Spread or None
        Of a track, on one core unless the name says otherwise.
    cpu_ratio, wall_ratio : Spread or None
        To the reference, each pair of the same turn.
    per_s : float or None
        Tracks a second, copies on all cores.
    """

    name: str
    note: str = ""
    why_not: str = ""
    n: int = 0
    cpu_ms: Spread | None = None
    wall_ms: Spread | None = None
    cpu_ratio: Spread | None = None
    wall_ratio: Spread | None = None
    per_s: float | None = None


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of at least one value."""
    if len(values) == 1:
        return Spread(q1=values[0], median=values[0], q3=values[0])
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(q1=q1, median=median, q3=q3)


def row(
    name: str,
    note: str,
    alone: Result,
    reference: Result,
    together: Result | None = None,
    *,
    n_tracks: int = 1,
) -> Row:
    """Put together what was measured of a contender.

    Parameters
    ----------
    name, note : str
    alone, reference : Result
        Of this contender and of the one that ratios refer to, from `take_turns`.
    together : Result or None
        Of its copies on all cores.
    n_tracks : int
        Tracks in a path.
    """
    if alone.absent or alone.error:
        why_not = f"absent: {alone.absent}" if alone.absent else f"failed: {alone.error}"
        return Row(name=name, note=note, why_not=why_not)
    pairs = list(zip(alone.taken, reference.taken, strict=False))
    return Row(
        name=name,
        note=note,
        n=len(alone.taken),
        cpu_ms=spread([1e3 * taken.cpu_s / n_tracks for taken in alone.taken]),
        wall_ms=spread([1e3 * taken.wall_s / n_tracks for taken in alone.taken]),
        cpu_ratio=spread([own.cpu_s / other.cpu_s for own, other in pairs]) if pairs else None,
        wall_ratio=spread([own.wall_s / other.wall_s for own, other in pairs]) if pairs else None,
        per_s=per_second(together.taken) if together and together.taken else None,
    )


def per_second(taken: Sequence[Taken]) -> float:
    """Paths a second of copies that worked at the same time: the sum over their cores."""
    walls: dict[int, list[float]] = {}
    for one in taken:
        walls.setdefault(one.core, []).append(one.wall_s)
    return sum(len(times) / sum(times) for times in walls.values())

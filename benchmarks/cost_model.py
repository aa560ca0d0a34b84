"""What millions of tracks and listeners would take, from what was measured: docs/scaling.md.

    python benchmarks/cost_model.py

Reads docs/benchmarks.json (analysis) and docs/scaling.json (all else) and prints the tables of
docs/scaling.md. A model multiplies: costs a track, costs of a profile, costs of a score. What does
not grow in proportion is said beside the tables, not hidden in them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"

TRACKS = (1_000_000, 10_000_000, 100_000_000)
LISTENERS = 1_000_000
CORES = 64
"""Of the machine that the last columns count in."""

MUSIC_BYTES = 240 * 24_000
"""A track of four minutes at 192 kbit/s."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What was measured, of a track of four minutes.

    Attributes
    ----------
    analysis_s, fast_s : float
        CPU seconds of one core, to analyse it wholly, and from a few windows.
    stored_bytes : float
        In the library.
    exact_s, pruned_s : float
        CPU seconds of one core, to rank it for one listener.
    profile_s : float
        CPU seconds to build one profile.
    """

    analysis_s: float
    fast_s: float
    stored_bytes: float
    exact_s: float
    pruned_s: float
    profile_s: float


def read(docs: Path = DOCS) -> Costs:
    """Put the measured figures together."""
    analysis = json.loads((docs / "benchmarks.json").read_text())
    scale = json.loads((docs / "scaling.json").read_text())
    scan_ms = _named(analysis["scan"], "all cores, a job a core")["cpu_ms"]["median"]
    fast_ratio = next(
        goal["measured"] for goal in analysis["goals"] if "with --fast over" in goal["what"]
    )
    small, large = (
        next(one for one in scale["ranking"] if one["n_tracks"] // 1000 == n // 1000)
        for n in (100_000, 1_000_000)
    )
    return Costs(
        analysis_s=scan_ms / 1000,
        fast_s=scan_ms / 1000 * fast_ratio,
        stored_bytes=large["bytes_a_track"],
        # Of both cores; what does not grow with the library falls out.
        exact_s=2 * small["exact"]["seconds"] / small["n_tracks"],
        pruned_s=2
        * (large["pruned"]["seconds"] - small["pruned"]["seconds"])
        / (large["n_tracks"] - small["n_tracks"]),
        profile_s=scale["profile_seconds"],
    )


def tables(costs: Costs) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "| a track of four minutes | measured |"
    yield "|---|---|"
    yield f"| analysis, one core | {1000 * costs.analysis_s:.0f} ms |"
    yield f"| the same with `--fast` | {1000 * costs.fast_s:.0f} ms |"
    yield f"| stored | {costs.stored_bytes / 1000:.1f} kB |"
    yield f"| exact ranking, for each listener, one core | {1e6 * costs.exact_s:.0f} µs |"
    yield f"| pruned ranking, for each listener, one core | {1e6 * costs.pruned_s:.1f} µs |"
    yield f"| a profile of 30 tracks, one core | {1000 * costs.profile_s:.0f} ms |"
    yield ""
    yield "| | " + " | ".join(f"{n / 1e6:g} M tracks" for n in TRACKS) + " |"
    yield "|---|" + "---|" * len(TRACKS)
    for name, cell in _rows(costs):
        yield f"| {name} | " + " | ".join(cell(n) for n in TRACKS) + " |"


def _rows(costs: Costs) -> Iterator[tuple[str, Any]]:
    def hours(seconds_a_track: float) -> Any:
        return lambda n: _hours(n * seconds_a_track)

    yield "analysis, core hours", hours(costs.analysis_s)
    yield f"… on machines of {CORES} cores, hours of one", hours(costs.analysis_s / CORES)
    yield "music that is read", lambda n: _bytes(n * MUSIC_BYTES)
    yield "features", lambda n: _bytes(n * costs.stored_bytes)
    yield (
        f"{LISTENERS / 1e6:g} M profiles, core hours",
        lambda _: _hours(LISTENERS * costs.profile_s),
    )
    yield "exact ranking of one listener, one core", lambda n: _time(n * costs.exact_s)
    yield "pruned ranking of one listener, one core", lambda n: _time(n * costs.pruned_s)
    everybody = LISTENERS * costs.pruned_s
    yield (
        f"pruned rankings of {LISTENERS / 1e6:g} M listeners, core hours",
        hours(everybody),
    )
    yield (
        f"… a day of how many machines of {CORES} cores",
        lambda n: f"{n * everybody / CORES / 86400:,.0f}",
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.0f}" if seconds >= 36_000 else f"{seconds / 3600:.1f}"


def _time(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


def _bytes(n: float) -> str:
    return f"{n / 1e9:,.0f} GB" if n < 1e12 else f"{n / 1e12:,.1f} TB"


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


if __name__ == "__main__":
    print("\n".join(tables(read())))

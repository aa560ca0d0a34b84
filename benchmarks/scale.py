"""What large libraries cost, and what pruning loses: docs/scaling.json.

    python benchmarks/scale.py WORK --source LIBRARY --tracks 100000 1000000 -o docs/scaling.json

Makes synthetic libraries in WORK (see synthetic_library.py; LIBRARY is the ``library.db`` of real
music), ranks them by `recommender rank` for profiles of several kinds, and compares what pruning
finds with the exact ranking. Times and memory are those of the whole command, start included.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import synthetic_library
from recommender import preprocessor
from recommender import profile as profiles
from recommender.library import Library, decode, track_of
from recommender.parameters import RECIPES
from recommender.profile import Profile
from recommender.ranking import rank

TOP = 100
N_REPEATS = 3
KINDS = {"one kind, 3 tracks": (1, 3), "one kind, 10": (1, 10), "three kinds, 30": (3, 10)}
"""Profiles: of how many kinds of music, and how many tracks of each."""

_AMONG = 100_000  # tracks that those of one kind are looked for among
_NEAR = 300  # tracks around one that are of its kind


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """One way of ranking: medians over repeats, of the largest memory the maximum."""

    seconds: float
    megabytes: float


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a library of so many tracks was measured to take.

    Of those too large to be ranked exactly, only what is quick is there. Building a profile means
    to learn from 30 tracks, and to choose the other music from the whole library.
    """

    n_tracks: int
    n_fragments: int
    bytes_a_track: float
    pruned: Ranking
    remembered: Ranking
    after_ten_more: Ranking | None
    exact: Ranking | None
    recall: dict[str, list[float]]
    build_seconds: float


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="where the libraries lie")
    parser.add_argument("--source", type=Path, help="library.db of real music")
    parser.add_argument("--tracks", type=int, nargs="+", default=[100_000])
    parser.add_argument("--profiles", type=int, default=4, help="of each kind, for the recall")
    parser.add_argument("--most-exact", type=int, default=100_000, help="tracks ranked exactly")
    parser.add_argument("--output", "-o", type=Path)
    options = parser.parse_args()
    fingerprint = preprocessor.load("default").fingerprint
    found = []
    for n_tracks in options.tracks:
        home = options.work / f"{n_tracks}"
        if not (home / "library.db").exists():
            distribution = synthetic_library.read(options.source, fingerprint)
            with Library.open(home / "library.db") as library:
                synthetic_library.write(library, fingerprint, distribution, n_tracks)
        has_exact = n_tracks <= options.most_exact
        found.append(measure(home, fingerprint, options.profiles, has_exact=has_exact))
        print(json.dumps(asdict(found[-1]), indent=2), flush=True)
    if options.output:
        before = json.loads(options.output.read_text()) if options.output.exists() else {}
        before["ranking"] = [asdict(one) for one in found]
        options.output.write_text(json.dumps(before, indent=2) + "\n")


def measure(home: Path, fingerprint: str, n_profiles: int, *, has_exact: bool) -> Sizes:
    """Measure one library."""
    with Library.open(home / "library.db") as library:
        ids = np.array([row.features_id for row in library.rows(fingerprint)])
        ((n_fragments,),) = library._rows("SELECT sum(n_fragments) FROM features")
        recall = {
            kind: [
                agreement(library, a_profile(library, fingerprint, ids, kind, seed)[0])
                for seed in range(n_profiles)
            ]
            for kind in (KINDS if has_exact else ())
        }
        profile, build_seconds = a_profile(library, fingerprint, ids, "three kinds, 30", 0)
        profiles.save(profile, profiles.path_of("bench", home))

        def forget() -> None:
            library._rows("DELETE FROM scores")

        pruned = [timed(home, forget) for _ in range(N_REPEATS)]
        remembered = [timed(home) for _ in range(N_REPEATS)]
        exact = [timed(home, forget, "--exact") for _ in range(N_REPEATS if has_exact else 0)]
        more = None
        if has_exact:
            distribution = synthetic_library.read(None, fingerprint)
            tracks = synthetic_library.generate(distribution, 10, 30, time.time_ns() % 2**31)
            for file, features in tracks:
                library.remember(file, fingerprint, features)
            more = timed(home)
    return Sizes(
        n_tracks=len(ids),
        n_fragments=n_fragments,
        bytes_a_track=(home / "library.db").stat().st_size / len(ids),
        pruned=median(pruned),
        remembered=median(remembered),
        after_ten_more=more,
        exact=median(exact) if exact else None,
        recall=recall,
        build_seconds=build_seconds,
    )


def agreement(library: Library, profile: Profile) -> float:
    """Share of the exactly best tracks that pruning finds."""
    found = []
    for exact in (False, True):
        library._rows("DELETE FROM scores")
        ranked = rank(profile, library, [], top=TOP, exact=exact, duplicates=True)
        found.append({entry.path for entry in ranked})
    return len(found[0] & found[1]) / len(found[1])


def a_profile(
    library: Library, fingerprint: str, ids: NDArray[np.int64], kind: str, seed: int
) -> tuple[Profile, float]:
    """Learn from tracks that sound alike; tell how long the learning took, too."""
    rng = np.random.default_rng(seed)
    n_kinds, n_each = KINDS[kind]
    # Nearest among some hundred thousand at most.
    some = np.sort(rng.choice(ids, min(len(ids), _AMONG), replace=False))
    means = np.concatenate([decode(part) for part in library.summaries(some, 4096)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    liked: set[int] = set()
    for _ in range(n_kinds):
        near = np.argsort(-(means @ means[rng.integers(len(means))]))[:_NEAR]
        liked |= set(some[rng.choice(near, n_each, replace=False)].tolist())
    marks = ", ".join(map(str, liked))
    rows = library._rows(f"SELECT track_id FROM features WHERE id IN ({marks})")
    tracks = [track_of(row) for row in library.rows(fingerprint, ids=[id for (id,) in rows])]
    started = time.perf_counter()
    profile = profiles.build(library, "bench", RECIPES["default"], fingerprint, tracks)
    return profile, time.perf_counter() - started


def timed(home: Path, prepare: object = None, *options: str) -> Ranking:
    """Run the command once."""
    if callable(prepare):
        prepare()
    command = [sys.executable, "-m", "recommender", "rank", "bench", f"--top={TOP}", "--json"]
    # Started by a small process: a child's largest memory counts its parent's at the start.
    launcher = [sys.executable, "-c", _LAUNCHER, *command, *filter(None, options)]
    env = {**os.environ, "RECOMMENDER_HOME": str(home)}
    result = subprocess.run(launcher, env=env, capture_output=True, check=True)
    answer, _, figures = result.stdout.rpartition(b"\n\n")
    assert len(json.loads(answer)) == TOP
    seconds, kilobytes = json.loads(figures)
    return Ranking(
        seconds=seconds, megabytes=kilobytes / (1e6 if sys.platform == "darwin" else 1e3)
    )


_LAUNCHER = """
import json, os, sys, time
started = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print("\\n" + json.dumps([time.perf_counter() - started, usage.ru_maxrss]))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def median(runs: Sequence[Ranking]) -> Ranking:
    """Summarise repeats."""
    return Ranking(
        seconds=statistics.median(run.seconds for run in runs),
        megabytes=max(run.megabytes for run in runs),
    )


if __name__ == "__main__":
    main()

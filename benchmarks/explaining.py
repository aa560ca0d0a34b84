"""What it costs to explain a score in a large library, and what is missed of what is near.

    python benchmarks/explaining.py HOME [HOME ...]

HOME holds a large library and the profile "bench", as benchmarks/scale.py leaves them. Tracks drawn
by lot are explained, with all scores remembered and with none; then beside all other tracks one by
one, fragment by fragment, to see which neighbours were missed.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from recommender import profile as profiles
from recommender.library import Library, Track, track_of
from recommender.profile import Profile
from recommender.ranking import neighbours
from recommender.ranking.explaining import Explanation, explain

FRAGMENT_S = 8.0


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("homes", type=Path, nargs="+", metavar="HOME")
    parser.add_argument("--tracks", type=int, default=10, help="that are explained")
    options = parser.parse_args()
    print("| tracks | no score known | scores remembered | neighbours that are found |")
    print("|---:|---:|---:|---:|")
    for home in options.homes:
        print("| " + " | ".join(measure(home, options.tracks)) + " |", flush=True)


def measure(home: Path, n_explained: int) -> list[str]:
    """Measure one library."""
    with Library.open(home / "library.db") as library:
        profile = profiles.load(profiles.path_of("bench", home))
        rows = list(library.rows(profile.fingerprint))
        rng = np.random.default_rng(0)
        tracks = [track_of(rows[i]) for i in rng.choice(len(rows), n_explained, replace=False)]
        library._rows("DELETE FROM scores")
        first, _ = timed(library, profile, tracks[0])
        again = [timed(library, profile, track) for track in tracks]
        many, neighbours.MANY = neighbours.MANY, len(rows)
        found = [
            found_of(some, timed(library, profile, track)[1])
            for track, (_, some) in zip(tracks, again, strict=True)
        ]
        neighbours.MANY = many
    n_found, n_near = np.sum(found, axis=0)
    return [
        f"{len(rows):,}",
        f"{first:.2f} s",
        f"{statistics.median(seconds for seconds, _ in again):.2f} s",
        f"{n_found} of {n_near}",
    ]


def timed(library: Library, profile: Profile, track: Track) -> tuple[float, Explanation]:
    """Explain, and tell how long it took."""
    begun = time.perf_counter()
    found = explain(profile, library, track, FRAGMENT_S)
    return time.perf_counter() - begun, found


def found_of(some: Explanation, every: Explanation) -> tuple[int, int]:
    """Count the nearest other tracks that were found, of fragments and of the whole, and all."""
    pairs = [(some.worst[i], every.worst[i]) for i in every.worst]
    near = [({n.track.id for n in a}, {n.track.id for n in b}) for a, b in pairs]
    near.append(({n.track.id for n in some.others}, {n.track.id for n in every.others}))
    return sum(len(a & b) for a, b in near), sum(len(b) for _, b in near)


if __name__ == "__main__":
    main()

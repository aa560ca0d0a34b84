"""How long profiles take to learn: docs/profile-speed.md.

    python benchmarks/profile_speed.py -o docs/profile-speed.md

A library of random features stands for one that was analysed. The thesis's network learns in two
ways from the same fragments, in turns; the ratio of their times is what counts.
"""

import argparse
import copy
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from recommender import preprocessor, profile, training
from recommender.audio import Tags
from recommender.library import File, Library, Track
from recommender.networks import ListenerNetwork
from recommender.parameters import DEFAULT, NETWORK, NetworkParams, Recipe, TrainingParams
from recommender.profile import descent

N_TRACKS, N_FRAGMENTS = 5_000, 30
N_LIKED = (30, 1_000)
N_THESIS_FRAGMENTS, N_THESIS_FEATURES, THESIS_EPOCHS = 1_500, 1_920, 10
N_REPEATS = 5


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", "-o", type=Path, help="Markdown file")
    options = parser.parse_args()
    lines = [_HEAD.format(cpu=_cpu(), n=N_REPEATS), *_learning(), *_descent()]
    text = "\n".join([*lines, ""])
    if options.output:
        options.output.write_text(text)
    print(text)


def _learning() -> list[str]:
    lines = ["| what | recipe | median | slowest |", "|---|---|---:|---:|"]
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder) / "l.db") as library:
        fingerprint = preprocessor.load("default").fingerprint
        tracks = _fill(library, fingerprint)
        for recipe in (DEFAULT, NETWORK):
            for n in N_LIKED:
                mine = tracks[:n]
                times = _times(lambda: _build(library, recipe, fingerprint, mine))  # noqa: B023
                lines.append(_line(f"a playlist of {n:,} tracks", recipe.name, times))
            built = _build(library, recipe, fingerprint, tracks[: N_LIKED[0]])
            one = [tracks[-1]]
            times = _times(lambda: profile.like(library, built, one))  # noqa: B023
            lines.append(_line("one more liked track", recipe.name, times))
    return lines


def _build(
    library: Library, recipe: Recipe, fingerprint: str, liked: list[Track]
) -> profile.Profile:
    return profile.build(library, "mine", recipe, fingerprint, liked)


def _fill(library: Library, fingerprint: str) -> list[Track]:
    """Tracks that have something in common, as music by one artist has."""
    rng = np.random.default_rng(0)
    library.describe(fingerprint, "{}")
    for i in range(N_TRACKS):
        features = rng.normal(rng.normal(0, 1, 256), 0.7, (N_FRAGMENTS, 256))
        file = File(
            path=Path(f"/music/{i}.flac"),
            size=1,
            mtime_ns=1,
            content_hash=f"{i * 2_654_435_761 % 2**32:08x}" + "0" * 56,
            duration_s=8.0 * N_FRAGMENTS,
            tags=Tags(),
        )
        library.remember(file, fingerprint, features.astype(np.float16))
    return library.tracks(fingerprint)


def _descent() -> list[str]:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x = torch.from_numpy(
        rng.normal(0, 1, (N_THESIS_FRAGMENTS, N_THESIS_FEATURES)).astype(np.float32)
    )
    y = torch.where(torch.arange(len(x)) % 2 == 0, 1.0, -1.0)
    params = TrainingParams(epochs=THESIS_EPOCHS)
    torch.manual_seed(0)
    start = ListenerNetwork(N_THESIS_FEATURES, NetworkParams())
    plain, by_hand = [], []
    for _ in range(N_REPEATS):
        one, other = copy.deepcopy(start), copy.deepcopy(start)
        began = time.perf_counter()
        training.fit(
            one, lambda _: (x, y), lambda z, y: functional.mse_loss(torch.sigmoid(z), y), params
        )
        between = time.perf_counter()
        descent.fit(other, lambda _: (x, y), params, lambda *_: None)
        plain.append(between - began)
        by_hand.append(time.perf_counter() - between)
    apart = max(
        float((a - b).detach().abs().max())
        for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )
    ratios = [a / b for a, b in zip(plain, by_hand, strict=True)]
    per_500 = 500 / THESIS_EPOCHS
    return [
        "",
        f"The thesis's network on {N_THESIS_FRAGMENTS:,} fragments, one thread, as 500 epochs"
        f" (measured: {THESIS_EPOCHS}): {statistics.median(plain) * per_500:.0f} s by automatic"
        f" differentiation, {statistics.median(by_hand) * per_500:.0f} s as it is done here,"
        f" {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})."
        f" After {THESIS_EPOCHS} epochs no weight differs by more than {apart:.1e}.",
    ]


def _times(work: Callable[[], object]) -> list[float]:
    work()
    times = []
    for _ in range(N_REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def _line(what: str, recipe: str, times: list[float]) -> str:
    return f"| {what} | `{recipe}` | {statistics.median(times):.2f} s | {max(times):.2f} s |"


def _cpu() -> str:
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{len(names)} cores of {names[0]}" if names else platform.processor()


_HEAD = f"""# How long profiles take to learn

Made by `benchmarks/profile_speed.py`, on {{cpu}}. A library of {N_TRACKS:,} analysed tracks of
{N_FRAGMENTS} fragments, in its database; from tracks to a profile, reading included. {{n}} repeats.
"""

if __name__ == "__main__":
    main()

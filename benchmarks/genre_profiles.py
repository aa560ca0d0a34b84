"""How well profiles rank music by artists that were not trained on: AUC by genre, both recipes.

    python benchmarks/genre_profiles.py AUDIO --work build/preprocessor -o docs/genre-profiles.md

A listener likes ten clips of one genre. Scored are the genre's clips by *other* artists against
clips of all other genres; AUC is the probability that one of the former is above one of the latter.
In five rotations the preprocessor was trained on folds that share no artist with the two used here,
one of which stopped its training (``scripts/train_preprocessor.py --work`` keeps them). A profile
is built and the ranking made by the functions that the command line calls, on a library of the two
folds, whose other clips are the negatives, unlabelled clips of the liked genre among them.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recommender import preprocessor, profile, ranking
from recommender.analysis import scan
from recommender.evaluation import metrics
from recommender.genres import LabelledTrack, read
from recommender.library import Library
from recommender.parameters import RECIPES, Recipe

N_FOLDS = 5
MIN_CLIPS = 40
N_LIKED = 10
MIN_HELD_OUT = 3
N_REPEATS = 2

_HEAD = """# Profiles of one genre, on artists that the preprocessor was not trained on

Made by `benchmarks/genre_profiles.py`. A listener likes ten clips of up to 30 s of one genre.
Scored are the genre's clips by *other* artists against all clips of other genres; AUC is the
probability that one of the former is ranked above one of the latter: 0.5 is chance, 1 perfect. Ten
listeners a genre, two in each of five rotations. The negatives of a profile are all other clips of
the rotation's two folds, unlabelled clips of the liked genre among them, as in a real library.
Mean ± standard error over listeners.

How far to trust it: the preprocessor of a rotation was trained on three folds that share no artist
with the two used here; of `thesis`, one of these two decided when its training stopped. `default`
was chosen among dozens of variants on this music, so its figures lean to the high side.
Listeners of a genre share clips, so the errors lean to the low side.

"""

Aucs = dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Ten liked clips, the genre's clips by other artists, and clips of other genres."""

    genre: str
    liked: list[Path]
    held_out: list[Path]
    rest: list[Path]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder with manifest.csv")
    parser.add_argument("--work", type=Path, required=True, help="folder with the rotations")
    parser.add_argument("--output", "-o", type=Path, required=True, help="Markdown file")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    tracks = list(read(options.audio / "manifest.csv", kind="csv", min_tracks=MIN_CLIPS).tracks)
    results: dict[str, Aucs] = {}
    for name in ("thesis", "default"):
        results[name] = defaultdict(list)
        for fold in range(N_FOLDS):
            for genre, auc in rotation(tracks, RECIPES[name], options.work, fold, options.jobs):
                results[name][genre].append(auc)
            so_far = np.mean([np.mean(aucs) for aucs in results[name].values()])
            print(f"{name}, fold {fold}: mean AUC so far {so_far:.3f}", flush=True)
    options.output.write_text(_HEAD + table(tracks, results))
    print(options.output.read_text())


def rotation(
    tracks: list[LabelledTrack], recipe: Recipe, work: Path, fold: int, jobs: int
) -> Iterator[tuple[str, float]]:
    """Build and rank for every listener of a rotation; yields genre and AUC."""
    used = [track for track in tracks if track.fold in (fold, (fold + 1) % N_FOLDS)]
    network = preprocessor.load(work / f"{recipe.name}-fold{fold}.safetensors")
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder) / "l.db") as library:
        report = scan(library, [track.path for track in used], network, jobs=jobs)
        if report.failures:
            raise SystemExit(f"{report.failures[0]}")
        for listener in listeners(used, fold):
            liked = library.tracks(network.fingerprint, listener.liked)
            built = profile.build(library, "listener", recipe, network.fingerprint, liked)
            candidates = [*listener.held_out, *listener.rest]
            scores = {r.path: r.score for r in ranking.rank(built, library, candidates)}
            wanted = [path in set(listener.held_out) for path in scores]
            yield listener.genre, metrics.auc(list(scores.values()), wanted)


def listeners(tracks: list[LabelledTrack], fold: int) -> Iterator[Listener]:
    """Draw the listeners of a rotation; a clip without an artist is an artist of its own."""
    for number, genre in enumerate(sorted({track.genre for track in tracks})):
        for repeat in range(N_REPEATS):
            rng = np.random.default_rng([fold, number, repeat])
            of_genre = [track for track in tracks if track.genre == genre]
            liked: list[Path] = []
            heard: set[str] = set()
            for artist in rng.permutation(sorted({track.group for track in of_genre})).tolist():
                if len(liked) >= N_LIKED:
                    break
                heard.add(artist)
                liked += [track.path for track in of_genre if track.group == artist]
            others = [track for track in tracks if track.group not in heard]
            held_out = [track.path for track in others if track.genre == genre]
            if len(held_out) >= MIN_HELD_OUT:
                yield Listener(
                    genre=genre,
                    liked=liked[:N_LIKED],
                    held_out=held_out,
                    rest=[track.path for track in others if track.genre != genre],
                )


def table(tracks: list[LabelledTrack], results: dict[str, Aucs]) -> str:
    """Markdown: a line a genre, the mean over listeners with its standard error."""
    lines = [
        "| genre | clips | listeners | thesis | default |",
        "|---|---:|---:|---:|---:|",
    ]
    for genre in sorted(results["default"]):
        n_clips = sum(track.genre == genre for track in tracks)
        cells = []
        for name in ("thesis", "default"):
            aucs = results[name][genre]
            error = np.std(aucs, ddof=1) / np.sqrt(len(aucs))
            cells.append(f"{np.mean(aucs):.3f} ± {error:.3f}")
        lines.append(f"| {genre} | {n_clips} | {len(aucs)} | {cells[0]} | {cells[1]} |")
    means = [np.mean([np.mean(a) for a in results[n].values()]) for n in ("thesis", "default")]
    lines.append(
        f"| **mean over genres** | {len(tracks)} | | {means[0]:.3f} | **{means[1]:.3f}** |"
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

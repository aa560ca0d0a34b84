"""How much a ranking changes when tracks are heard through a few windows only (``--fast``).

    python benchmarks/fast_ranking.py AUDIO --cache build/medleys -o docs/fast.md

AUDIO holds labelled clips of up to 30 s, but the question is about whole tracks, so eight clips of
one genre make a medley of some four minutes, encoded as MP3. That is harder than real tracks, which
vary less: what is said here errs on the pessimistic side. A listener likes four medleys of a genre,
analysed in full; all others are ranked twice, once by their full analysis and once by a fast one.
"""

import argparse
import itertools
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.stats

from recommender import audio, preprocessor, profile, ranking
from recommender.analysis import scan
from recommender.evaluation import metrics
from recommender.genres import LabelledTrack, read
from recommender.library import Library
from recommender.parameters import DEFAULT

MIN_CLIPS = 40
CLIPS_PER_MEDLEY = 8
N_LIKED = 4
N_LISTENERS = 4
TOP = 20

_HEAD = """# Ranking with `--fast`

Made by `benchmarks/fast_ranking.py`. {n_medleys} medleys of four minutes, each of eight clips of
one genre, as MP3 of 192 kbit/s; a listener likes four of a genre, and all others are ranked by
their full and by their fast analysis: {n_windows} windows of 8 s instead of {n_fragments}
(medians). Rank correlation (Spearman) and change of score are over all candidates; "kept" is the
share of the first {top} that stay among the first {top}; AUC is the probability that a medley of
the liked genre is ranked above another. Means over listeners. The frozen network was trained on
these clips, so the AUCs themselves are flattered; the comparison is what counts. Clips change every
30 s: real tracks vary less, so that less should be lost on them.

"""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One listener's two rankings."""

    genre: str
    correlation: float
    change: float
    kept: float
    auc_full: float
    auc_fast: float


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder with manifest.csv")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the medleys")
    parser.add_argument("--output", "-o", type=Path, required=True, help="Markdown file")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    tracks = list(read(options.audio / "manifest.csv", min_tracks=MIN_CLIPS).tracks)
    genres = {path: genre for genre, path in medleys(tracks, options.cache)}
    print(f"{len(genres)} medleys", flush=True)
    network = preprocessor.load(DEFAULT.name)
    with (
        tempfile.TemporaryDirectory() as folder,
        Library.open(Path(folder) / "full.db") as full,
        Library.open(Path(folder) / "fast.db") as fast,
    ):
        scan(full, list(genres), network, jobs=options.jobs)
        scan(fast, list(genres), network, jobs=options.jobs, fast=True)
        compared = list(compare(genres, full, fast, network.fingerprint))
        n_fragments, n_windows = (
            np.median([track.n_fragments for track in library.tracks(network.fingerprint)])
            for library in (full, fast)
        )
    head = _HEAD.format(
        n_medleys=len(genres), n_windows=int(n_windows), n_fragments=int(n_fragments), top=TOP
    )
    options.output.write_text(head + table(compared))
    print(options.output.read_text())


def medleys(tracks: list[LabelledTrack], cache: Path) -> Iterator[tuple[str, Path]]:
    """Encode all medleys that the clips give; yields genre and path."""
    cache.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for genre in sorted({track.genre for track in tracks}):
        clips = [track.path for track in tracks if track.genre == genre]
        rng.shuffle(clips)
        for number in range(len(clips) // CLIPS_PER_MEDLEY):
            path = cache / f"{genre.replace('/', '-')}-{number:02}.mp3"
            if not path.exists():
                encode(clips[number * CLIPS_PER_MEDLEY :][:CLIPS_PER_MEDLEY], path)
            yield genre, path


def encode(clips: list[Path], path: Path) -> None:
    """Join clips to an MP3 file."""
    inputs = [word for clip in clips for word in ("-i", f"file:{clip}")]
    shape = "aformat=sample_rates=44100:channel_layouts=stereo"
    parts = "".join(f"[{i}:a:0]{shape}[a{i}];" for i in range(len(clips)))
    joined = "".join(f"[a{i}]" for i in range(len(clips))) + f"concat=n={len(clips)}:v=0:a=1"
    half_done = path.with_suffix(".part")
    command = [audio.ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *inputs]
    command += ["-filter_complex", parts + joined, "-b:a", "192k", "-f", "mp3", f"file:{half_done}"]
    subprocess.run(command, check=True)
    half_done.replace(path)


def compare(
    genres: dict[Path, str], full: Library, fast: Library, fingerprint: str
) -> Iterator[Comparison]:
    """Build a profile for every listener and rank both ways."""
    for genre in sorted(set(genres.values())):
        of_genre = sorted(path for path in genres if genres[path] == genre)
        if len(of_genre) <= N_LIKED:
            continue
        for seed in range(N_LISTENERS):
            order = np.random.default_rng(seed).permutation(len(of_genre))
            liked = full.tracks(fingerprint, [of_genre[i] for i in order[:N_LIKED]])
            built = profile.build(full, "listener", DEFAULT, fingerprint, liked)
            by_full, by_fast = (
                {row.path: row.score for row in ranking.rank(built, library, list(genres))}
                for library in (full, fast)
            )
            paths = sorted(by_full)
            x, y = (np.array([scores[path] for path in paths]) for scores in (by_full, by_fast))
            wanted = np.array([genres[path] == genre for path in paths])
            first = set(np.argsort(-x)[:TOP]) & set(np.argsort(-y)[:TOP])
            yield Comparison(
                genre=genre,
                correlation=float(scipy.stats.spearmanr(x, y).statistic),
                change=float(np.abs(x - y).mean()),
                kept=len(first) / TOP,
                auc_full=metrics.auc(x, wanted),
                auc_fast=metrics.auc(y, wanted),
            )


def table(compared: list[Comparison]) -> str:
    """Markdown: a line a genre, and the mean over genres."""
    lines = [
        "| genre | rank correlation | change of score | kept | AUC full | AUC fast |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    rows: list[list[float]] = []
    for genre, group in itertools.groupby(compared, lambda c: c.genre):
        values = [(c.correlation, c.change, c.kept, c.auc_full, c.auc_fast) for c in group]
        rows.append(np.mean(values, axis=0).tolist())
        lines.append(f"| {genre} | " + " | ".join(f"{v:.3f}" for v in rows[-1]) + " |")
    mean = np.mean(rows, axis=0)
    lines.append("| **mean over genres** | " + " | ".join(f"**{v:.3f}**" for v in mean) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

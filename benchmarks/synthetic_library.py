"""A library of any size whose features are drawn from the distribution of real ones.

    python benchmarks/synthetic_library.py OUT --source SOURCE --tracks 100000

SOURCE is the ``library.db`` of music that was scanned, without it the features that come with the
program are taken; OUT a new one of as many tracks as are wanted, without audio, to try what large
libraries cost. A track's mean is a real track's, drawn
anew and blurred (smoothed bootstrap: Silverman and Young, The bootstrap: to smooth or not to
smooth?, 1987), so that means and covariances between tracks stay what they are. Fragments deviate
from it as those of real tracks do, each like the one before as real neighbours are (autoregressive,
of order one). The same seed gives the same library.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recommender import preprocessor
from recommender.audio import Tags
from recommender.library import File, Library
from recommender.profile.negatives import load_shipped

Floats = NDArray[np.float32]

BLUR = 0.5
"""Deviation of the blur, in deviations between tracks."""

_FRAGMENT_S = 8.0
_AT_ONCE = 1000  # tracks that are written together
_PER_ALBUM, _PER_ARTIST = 10, 30
_SPREAD = 0.3  # of lengths, as a logarithm


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How features of real music are distributed.

    Attributes
    ----------
    means : ndarray of float32, shape (n_tracks, n_features)
        Of real tracks.
    between, within : ndarray of float32, shape (n_features, n_features)
        Factors of the covariances between tracks, and of fragments around their track's mean: rows
        of independent normal numbers times these have these covariances.
    spreads : ndarray of float32, shape (n_spreads,)
        Of real tracks: how far fragments lie from their mean, on average 1.
    persistence : float
        Correlation of a fragment's deviation with that of the one before.
    """

    means: Floats
    between: Floats
    within: Floats
    spreads: Floats
    persistence: float

    @classmethod
    def of(cls, tracks: list[Floats]) -> Self:
        """Measure tracks, ``(n_fragments, n_features)`` each; some have several fragments."""
        longer = [x for x in tracks if len(x) > 1]
        deviations = [x - x.mean(0) for x in longer]
        freedom = sum(len(x) - 1 for x in longer)
        pooled = np.concatenate(deviations)
        before = np.concatenate([d[:-1] for d in deviations])
        after = np.concatenate([d[1:] for d in deviations])
        # Deviations from a mean of n fragments correlate by -1 / (n - 1) where there is nothing.
        bias = np.mean([1 / (len(x) - 1) for x in longer])
        correlation = float((before * after).sum() / np.sqrt((before**2).sum() * (after**2).sum()))
        sizes = np.array([np.sqrt((d**2).sum() / (len(d) - 1)) for d in deviations])
        means = np.stack([x.mean(0) for x in tracks])
        return cls(
            means=means,
            between=_factor(np.cov(means.T)),
            within=_factor(pooled.T @ pooled / freedom),
            spreads=(sizes / np.sqrt((sizes**2).mean())).astype(np.float32),
            persistence=float(np.clip(correlation + bias, 0.0, 0.95)),
        )

    def draw(self, n_fragments: int, rng: np.random.Generator) -> Floats:
        """Draw a track, ``(n_fragments, n_features)``."""
        d = self.means.shape[1]
        centre = self.means.mean(0)
        mean = self.means[rng.integers(len(self.means))] - centre
        blur = rng.standard_normal(d, np.float32) @ self.between
        mean = centre + (mean + BLUR * blur) / np.sqrt(1 + BLUR**2)
        noise = rng.standard_normal((n_fragments, d), np.float32) @ self.within
        a, b = self.persistence, np.sqrt(1 - self.persistence**2)
        for i in range(1, n_fragments):
            noise[i] = a * noise[i - 1] + b * noise[i]
        return np.asarray(mean + rng.choice(self.spreads) * noise, np.float32)


def generate(
    distribution: Distribution, n_tracks: int, n_fragments: int, seed: int = 0
) -> Iterator[tuple[File, Floats]]:
    """Draw tracks, with names and tags."""
    for i in range(n_tracks):
        rng = np.random.default_rng([seed, i])
        artist, album = f"Artist {i // _PER_ARTIST}", f"Album {i // _PER_ALBUM % _PER_ARTIST}"
        # Log-normal, with the mean that is wanted.
        share = np.exp(_SPREAD * rng.standard_normal() - _SPREAD**2 / 2)
        length_s = float((n_fragments + 0.5) * _FRAGMENT_S * share)
        file = File(
            path=Path("/synthetic", artist, album, f"{i % _PER_ALBUM + 1:02} Track {i}.mp3"),
            size=round(length_s * 24_000),
            mtime_ns=1_700_000_000_000_000_000 + i,
            content_hash=hashlib.sha256(f"{seed} {i}".encode()).hexdigest(),
            duration_s=length_s,
            tags=Tags(artist=artist, title=f"Track {i}", album=album, genre=None, duration_s=None),
        )
        yield file, distribution.draw(max(1, int(length_s / _FRAGMENT_S)), rng)


def write(
    library: Library,
    fingerprint: str,
    distribution: Distribution,
    n_tracks: int,
    n_fragments: int = 30,
    seed: int = 0,
) -> None:
    """Fill a library."""
    library.describe(fingerprint, "{}")
    tracks = generate(distribution, n_tracks, n_fragments, seed)
    for start in range(0, n_tracks, _AT_ONCE):
        with library.batch():
            for _, (file, features) in zip(
                range(min(_AT_ONCE, n_tracks - start)), tracks, strict=False
            ):
                library.remember(file, fingerprint, features)
        if sys.stderr.isatty():
            print(f"\r{start + _AT_ONCE:,} tracks", end="", file=sys.stderr, flush=True)


def read(path: Path | None, fingerprint: str) -> Distribution:
    """Measure the features of a library, or those that are shipped."""
    if path is None:
        return Distribution.of([x.astype(np.float32) for x in load_shipped(fingerprint)])
    with Library.open(path) as library:
        ids = [track.id for track in library.tracks(fingerprint)]
        return Distribution.of([x for _, x in library.features(ids, fingerprint)])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="library.db to write")
    parser.add_argument("--source", type=Path, help="library.db of real music")
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--fragments", type=int, default=30, help="of a track, on average")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    fingerprint = preprocessor.load("default").fingerprint
    distribution = read(options.source, fingerprint)
    if options.out.exists():
        parser.error(f"{options.out} is there already")
    with Library.open(options.out) as library:
        write(library, fingerprint, distribution, options.tracks, options.fragments, options.seed)
    print(f"{options.out}: {options.out.stat().st_size / 1e9:.2f} GB")


def _factor(covariance: NDArray[np.floating]) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(np.sqrt(np.maximum(values, 0))[:, None] * vectors.T, np.float32)


if __name__ == "__main__":
    main()

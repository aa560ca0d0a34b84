"""Labelled tracks, how they are parted, and their fragments."""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import audio, spectrogram
from recommender.errors import AudioDecodeError, DatasetError
from recommender.parameters import SpectrogramParams


@dataclass(frozen=True, kw_only=True)
class LabelledTrack:
    """A track, its genre, the group (artist) that must not be parted, and its fold if known."""

    path: Path
    genre: str
    group: str
    fold: int | None = None


@dataclass(frozen=True, kw_only=True)
class FragmentSet:
    """Fragments of labelled tracks.

    Attributes
    ----------
    x : ndarray of float32, shape (n_tracks, k, n_frames, n_mels)
        The same number of fragments of each track; short tracks repeat theirs.
    y : ndarray of int64, shape (n_tracks,)
        Index of each track's genre.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def subset(self, chosen: NDArray[np.intp]) -> "FragmentSet":
        """Return the tracks of these indices."""
        return FragmentSet(x=self.x[chosen], y=self.y[chosen])


def find_tracks(music_dir: Path) -> list[LabelledTrack]:
    """List the tracks in genre folders.

    A track's group is its artist's tag; without one, its folder within the genre's; without one of
    those either, the track itself.

    Raises
    ------
    DatasetError
        If there are fewer than two genre folders with music.
    """
    if not music_dir.is_dir():
        raise DatasetError(f"{music_dir}: there is no such folder")
    tracks = []
    for path in audio.find_audio([music_dir]):
        parts = path.relative_to(music_dir.absolute()).parts
        if len(parts) > 1:
            folder = path.parent if len(parts) > 2 else path
            group = (audio.read_tags(path).artist or str(folder)).casefold()
            tracks.append(LabelledTrack(path=path, genre=parts[0], group=group))
    if len({track.genre for track in tracks}) < 2:
        raise DatasetError(f"{music_dir}: at least two folders with music are needed, one a genre")
    return tracks


def read_manifest(path: Path, *, min_tracks: int = 1) -> list[LabelledTrack]:
    """Read labelled tracks from a CSV file with columns clip, genre, artist and fold.

    Parameters
    ----------
    path : Path
        Its clips are named from its own folder.
    min_tracks : int
        Genres with fewer tracks are left out.

    Raises
    ------
    DatasetError
        If the file cannot be read or lacks a column.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            tracks = [
                LabelledTrack(
                    path=(path.parent / row["clip"]).resolve(),
                    genre=row["genre"],
                    group=row["artist"] or row["clip"],
                    fold=int(row["fold"]),
                )
                for row in csv.DictReader(file)
            ]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path}: not a table of labelled tracks ({error})") from None
    counts = Counter(track.genre for track in tracks)
    return [track for track in tracks if counts[track.genre] >= min_tracks]


def split(tracks: Sequence[LabelledTrack], share: float, seed: int) -> NDArray[np.bool_]:
    """Choose about `share` of the tracks for validation, never parting a group.

    Each group is in or out by a hash of its name, so the choice does not depend on the others.
    """

    def position(group: str) -> float:
        digest = hashlib.sha256(f"{seed}:".encode() + os.fsencode(group)).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    return np.array([position(track.group) < share for track in tracks], dtype=np.bool_)


def load_fragments(
    paths: Sequence[Path],
    params: SpectrogramParams,
    *,
    k: int,
    seed: int = 0,
    jobs: int = 1,
    on_track: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], list[tuple[Path, str]]]:
    """Compute `k` fragments at random offsets of each file.

    Returns
    -------
    x : ndarray of float32, shape (n_files, k, n_frames, n_mels)
        All zero for files that failed.
    failures : list of (Path, str)
        Those files, with their reasons.
    """
    x = np.zeros((len(paths), k, params.n_frames, params.n_mels), np.float32)
    failures: list[tuple[Path, str]] = []

    def work(i: int) -> None:
        rng = np.random.default_rng([seed, i])
        try:
            found, _ = spectrogram.random_fragments(paths[i], params, k, rng)
        except AudioDecodeError as error:
            failures.append((paths[i], str(error)))
        else:
            x[i] = np.resize(found, x[i].shape)

    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        for n, _ in enumerate(pool.map(work, range(len(paths))), 1):
            if on_track is not None:
                on_track(n, len(paths))
    return x, sorted(failures)

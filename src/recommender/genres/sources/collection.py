"""Labelled tracks, and what readers of collections have in common."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recommender import audio

Part = Literal["training", "validation", "test"]
Skipped = tuple[Path, str]

PART_NAMES: dict[str, Part | None] = {
    "": None,
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""How sets write the parts of their own splits, in lower case."""

_NO_ARTIST = frozenset({"", "unknown", "unknown artist", "va", "various", "various artists"})


@dataclass(frozen=True, kw_only=True)
class LabelledTrack:
    """A track, its genre, and what it must not be parted from.

    Attributes
    ----------
    path : Path
    genre : str
    group : str
        Its artist if known; else its album's folder, or something that is its own alone.
    artist_known : bool
    fold : int or None
        Of the set's own, if it has folds.
    part : {"training", "validation", "test"} or None
        Of the set's own split, if it has one.
    """

    path: Path
    genre: str
    group: str
    artist_known: bool = False
    fold: int | None = None
    part: Part | None = None


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Labelled tracks of one origin.

    Attributes
    ----------
    name : str
        As shown to people: "GTZAN", "FMA small", or the name of a folder or file.
    tracks : tuple of LabelledTrack
    skipped : tuple of (Path, str)
        What was left out without being decoded, and why.
    """

    name: str
    tracks: tuple[LabelledTrack, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres, sorted."""
        return tuple(sorted({track.genre for track in self.tracks}))

    @property
    def n_groups_known(self) -> int:
        """How many tracks are of a known artist."""
        return sum(track.artist_known for track in self.tracks)


def music(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """List audio files below a folder, and folders that cannot be read.

    Files that are no music but what archives made on a Mac add (``._name.wav``) are left out.
    """
    unreadable: list[Skipped] = []
    files = audio.find_audio(
        [folder],
        on_error=lambda e: unreadable.append((Path(e.filename), f"cannot be read ({e.strerror})")),
    )
    return [
        f for f in files if not f.name.startswith("._") and "__MACOSX" not in f.parts
    ], unreadable


def artist(name: str | None) -> str | None:
    """Make spellings that differ in case, spaces or encoding one; ``None`` if it names nobody."""
    found = " ".join(unicodedata.normalize("NFC", name or "").casefold().split())
    return None if found in _NO_ARTIST else found


def absent(names: list[str]) -> str:
    """Say how many of the files that a table lists are missing."""
    return several("listed files that are not there", names)


def several(what: str, names: list[str]) -> str:
    """Say how many of a kind there are, and name the first."""
    return f"{what}: {len(names):,}, the first {names[0]}"

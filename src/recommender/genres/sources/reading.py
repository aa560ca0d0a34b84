"""Reading a collection, whatever it is."""

from collections import Counter
from pathlib import Path
from typing import Literal

from recommender.errors import DatasetError, ParameterError
from recommender.genres.sources import fma
from recommender.genres.sources.collection import Collection
from recommender.genres.sources.fma import Subset
from recommender.genres.sources.folders import is_gtzan, read_folders, read_gtzan
from recommender.genres.sources.tables import read_csv

Kind = Literal["auto", "gtzan", "fma", "folders", "csv"]

MAX_GENRES = 1_000
"""More are artists or albums that were taken for genres; a confusion matrix would fill memory."""

_MANIFEST = "manifest.csv"

_LAYOUTS: dict[Kind, str] = {
    "auto": (
        "a folder of genre folders, a table of files (CSV), GTZAN or FMA is needed; put the music"
        " there, nothing is downloaded"
    ),
    "gtzan": (
        "GTZAN is expected there: the folder `genres` of genres.tar.gz, or `Data/genres_original`"
        " of the WAV version, with files such as blues/blues.00000.wav"
    ),
    "fma": fma.LAYOUT,
    "folders": "at least two folders with music are needed, one a genre",
    "csv": "a table of at least two genres is needed, with the columns clip (or path) and genre",
}


def read(
    path: Path, *, kind: Kind = "auto", subset: Subset = "small", min_tracks: int = 1
) -> Collection:
    """List the labelled tracks of a collection; none is decoded, and nothing is downloaded.

    Parameters
    ----------
    path : Path
        Folder, or a table of files (CSV) with the columns clip or path (from the table's own
        folder), genre, and where known artist, fold, split; or the folder of a table that is named
        ``manifest.csv``.
    kind : {"auto", "gtzan", "fma", "folders", "csv"}
        How it is laid out; "auto" looks. In "folders" each folder is a genre, and artists are read
        from tags.
    subset : {"small", "medium", "large", "full"}
        Of FMA; each contains those before it.
    min_tracks : int
        Genres with fewer tracks are left out, and named in `skipped`.

    Raises
    ------
    DatasetError
        If there is nothing, not what `kind` says, fewer than two genres or more than `MAX_GENRES`;
        the message says what to put where.
    """
    if min_tracks < 1:
        raise ParameterError(f"min_tracks is {min_tracks}; at least 1 is needed")
    path = path.absolute()
    try:
        kind = _checked(path, kind)
        if kind == "csv" and path.is_dir():
            path /= _MANIFEST
        if kind == "fma":
            collection = fma.read_fma(path, subset)
        elif kind == "gtzan":
            collection = read_gtzan(path)
        else:
            collection = (read_csv if kind == "csv" else read_folders)(path)
    except OSError as error:
        raise DatasetError(f"{error.filename or path}: cannot be read ({error.strerror})") from None
    if len(collection.genres) < 2:
        raise DatasetError(f"{path}: {_found(collection)}; {_LAYOUTS[kind]}")
    return _without_rare(path, collection, min_tracks)


def _checked(path: Path, kind: Kind) -> Kind:
    """Say how a collection is laid out, if there is one at all."""
    if path.is_dir():
        has_manifest = (path / _MANIFEST).is_file()
        if kind == "csv" and not has_manifest:
            raise DatasetError(f"{path}: is a folder without {_MANIFEST}; {_LAYOUTS['csv']}")
        if kind != "auto":
            return kind
        if fma.find_table(path):
            return "fma"
        if has_manifest:
            return "csv"
        return "gtzan" if is_gtzan(path) else "folders"
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such folder or file; {_LAYOUTS[kind]}")
    if kind in ("gtzan", "folders"):
        raise DatasetError(f"{path}: is a file; {_LAYOUTS[kind]}")
    return "fma" if kind == "fma" or fma.find_table(path) else "csv"


def _found(collection: Collection) -> str:
    if collection.tracks:
        return f"there is one genre only ({collection.genres[0]})"
    reasons = "; ".join(f"{path.name}: {reason}" for path, reason in collection.skipped[:3])
    return f"there are no tracks that can be used ({reasons})" if reasons else "there is no music"


def _without_rare(path: Path, collection: Collection, min_tracks: int) -> Collection:
    counts = Counter(track.genre for track in collection.tracks)
    rare = sorted(genre for genre, n in counts.items() if n < min_tracks)
    n_kept = len(counts) - len(rare)
    if n_kept < 2:
        raise DatasetError(
            f"{path}: {n_kept} of {len(counts):,} genres have {min_tracks} tracks or more, and two"
            " are needed; lower --min-tracks"
        )
    if n_kept > MAX_GENRES:
        raise DatasetError(
            f"{path}: {n_kept:,} genres are more than the {MAX_GENRES:,} that can be told apart;"
            " are these artists or albums? Sort them by genre, or raise --min-tracks"
        )
    reasons = [
        (path, f"genre {genre}: fewer tracks than {min_tracks} ({counts[genre]})") for genre in rare
    ]
    return Collection(
        name=collection.name,
        tracks=tuple(track for track in collection.tracks if counts[track.genre] >= min_tracks),
        skipped=(*collection.skipped, *reasons),
    )

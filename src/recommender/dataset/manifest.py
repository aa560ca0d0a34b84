"""What a dataset holds, as its manifest tells it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recommender.errors import DatasetError, ParameterError
from recommender.files import write_atomically
from recommender.parameters import SpectrogramParams, fingerprint

MANIFEST = "manifest.json"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class DatasetParams:
    """How a dataset is made.

    Parameters
    ----------
    kind : {"tracks", "genres"}
        One file a track with all its consecutive fragments, or one file a genre folder with
        fragments at random offsets of every track.
    spectrogram : SpectrogramParams
    fragments_per_track : int
        With ``kind="genres"``.
    seed : int
        With ``kind="genres"``: chooses the offsets, together with each track's name.

    Raises
    ------
    ParameterError
        If a value makes no sense.
    """

    kind: Literal["tracks", "genres"]
    spectrogram: SpectrogramParams
    fragments_per_track: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("tracks", "genres"):
            raise ParameterError(f"unknown kind of dataset {self.kind!r}: tracks or genres")
        if self.fragments_per_track < 1:
            raise ParameterError("fragments_per_track must be at least 1")

    @property
    def fragment_bytes(self) -> int:
        """Size of a fragment on disk: 32 KiB with the defaults."""
        return 4 * self.spectrogram.n_frames * self.spectrogram.n_mels


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The fragments of one track.

    Attributes
    ----------
    source : str
        Path of the track below the music folder.
    size, mtime_ns : int
        Of the source when it was read.
    offsets : tuple of int
        Where each fragment starts, in samples.
    sha256 : str
        Of the fragments' bytes.
    """

    source: str
    size: int
    mtime_ns: int
    offsets: tuple[int, ...]
    sha256: str

    def is_of(self, path: Path) -> bool:
        """Tell whether the source at `path` is as it was, by size and time."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True, kw_only=True)
class DatasetFile:
    """A ``.bin`` file: its name below the dataset's folder, and its tracks one after another."""

    name: str
    sha256: str
    pieces: tuple[Piece, ...]

    @property
    def count(self) -> int:
        """Number of fragments."""
        return sum(len(piece.offsets) for piece in self.pieces)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A finished dataset.

    Attributes
    ----------
    folder : Path
    params : DatasetParams
    files : tuple of DatasetFile
        In the order of their names.
    failures : tuple of (str, str)
        Sources that gave nothing, each with its reason.
    """

    folder: Path
    params: DatasetParams
    files: tuple[DatasetFile, ...]
    failures: tuple[tuple[str, str], ...]

    def load(self, file: DatasetFile) -> NDArray[np.float32]:
        """Map a file's fragments into memory, ``(n, n_frames, n_mels)``.

        Raises
        ------
        DatasetError
            If the file is gone or has another size than the manifest says.
        """
        path, spectrogram = self.folder / file.name, self.params.spectrogram
        wanted = file.count * self.params.fragment_bytes
        if not path.is_file() or path.stat().st_size != wanted:
            raise DatasetError(f"{path}: missing or damaged; build the dataset again")
        shape = (file.count, spectrogram.n_frames, spectrogram.n_mels)
        return np.memmap(path, dtype="<f4", mode="r", shape=shape)


def read(folder: Path) -> Dataset:
    """Read the manifest of a finished dataset.

    Raises
    ------
    DatasetError
        If there is none, or it is damaged.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        if manifest["format"] != _FORMAT:
            raise DatasetError(f"{path}: has format {manifest['format']}, not {_FORMAT}")
        return Dataset(
            folder=folder,
            params=DatasetParams(
                kind=manifest["kind"],
                spectrogram=SpectrogramParams(**manifest["parameters"]),
                fragments_per_track=manifest["fragments_per_track"],
                seed=manifest["seed"],
            ),
            files=tuple(file_from_json(file) for file in manifest["files"]),
            failures=tuple((f["source"], f["reason"]) for f in manifest["failures"]),
        )
    except FileNotFoundError:
        raise DatasetError(
            f"{folder}: not a finished dataset (no {MANIFEST}); run `recommender dataset build`"
        ) from None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path}: cannot be read ({error}); delete the folder and build the dataset again"
        ) from None


def write(dataset: Dataset) -> None:
    """Write the manifest, atomically."""
    params = dataset.params
    manifest = {
        "format": _FORMAT,
        "kind": params.kind,
        "dtype": "<f4",
        "shape": [params.spectrogram.n_frames, params.spectrogram.n_mels],
        "parameters": dataclasses.asdict(params.spectrogram),
        "fingerprint": fingerprint(params),
        "fragments_per_track": params.fragments_per_track,
        "seed": params.seed,
        "files": [file_to_json(file) for file in dataset.files],
        "failures": [{"source": s, "reason": r} for s, r in dataset.failures],
    }
    # ASCII, since names that are not UTF-8 survive only as escapes.
    write_atomically(dataset.folder / MANIFEST, json.dumps(manifest, indent=1).encode("ascii"))


def piece_from_json(fields: dict[str, Any]) -> Piece:
    """Undo ``dataclasses.asdict`` and JSON."""
    return Piece(**{**fields, "offsets": tuple(fields["offsets"])})


def file_to_json(file: DatasetFile) -> dict[str, Any]:
    """Describe a file as the manifest does."""
    return {
        "file": file.name,
        "sha256": file.sha256,
        "count": file.count,
        "tracks": [dataclasses.asdict(piece) for piece in file.pieces],
    }


def file_from_json(fields: dict[str, Any]) -> DatasetFile:
    """Undo `file_to_json`; raises ValueError for a file outside of the dataset's folder."""
    name = Path(fields["file"])
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"{fields['file']!r} is outside of the folder")
    return DatasetFile(
        name=fields["file"],
        sha256=fields["sha256"],
        pieces=tuple(piece_from_json(piece) for piece in fields["tracks"]),
    )

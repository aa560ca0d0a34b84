"""Shards: features of very many files in a folder of Parquet files, described by a manifest.

A shard is named by the SHA-256 of its content. The manifest is written last; what it does not name
does not count, but a later run takes it over.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender.analysis.sections import Options
from recommender.distributed import rows
from recommender.distributed.places import Place, locate
from recommender.errors import DistributedError
from recommender.extras import need
from recommender.parameters import SpectrogramParams

_MANIFEST = "manifest.json"
_SUFFIX = ".parquet"
_FORMAT = 1
_KEY = b"recommender"
_TELLING = ("path", "size", "mtime_ns", "sheet", "status", "reason")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How features were made; those of different origins are never mixed.

    Attributes
    ----------
    fingerprint : str
        Of the preprocessor.
    spectrogram : SpectrogramParams
    options : Options
    """

    fingerprint: str
    spectrogram: SpectrogramParams
    options: Options

    def to_json(self) -> dict[str, Any]:
        """Describe it in a manifest."""
        return {"format": _FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Origin":
        """Undo `to_json`; raises KeyError, TypeError or ValueError where that cannot be."""
        if fields["format"] != _FORMAT:
            raise ValueError(f"its format is {fields['format']}, not {_FORMAT}")
        return cls(
            fingerprint=fields["fingerprint"],
            spectrogram=SpectrogramParams(**fields["spectrogram"]),
            options=Options(**fields["options"]),
        )


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A file of rows: its name, and how many files it tells of, how many of them failed."""

    name: str
    n_rows: int
    n_files: int
    n_failed: int

    @property
    def sha256(self) -> str:
        """Of the file's content."""
        return self.name.removesuffix(_SUFFIX)


@dataclass(frozen=True, kw_only=True)
class Shards:
    """A finished folder of shards; all that is known of a file is in one of them.

    Attributes
    ----------
    place : Place
    origin : Origin
    shards : tuple of Shard
        Sorted by name.
    """

    place: Place
    origin: Origin
    shards: tuple[Shard, ...]

    def read(self, shard: Shard, columns: Sequence[str] | None = None) -> Any:
        """Read a shard, or some columns of it, as a pyarrow.Table; see `rows.schema`.

        Raises
        ------
        DistributedError
            If it is missing or damaged.
        """
        return read_table(self.place / shard.name, columns)

    def save(self) -> None:
        """Write the manifest, which makes these the shards that count."""
        manifest = {
            **self.origin.to_json(),
            **self.counts,
            "files": [
                {**dataclasses.asdict(shard), "sha256": shard.sha256} for shard in self.shards
            ],
        }
        (self.place / _MANIFEST).write(json.dumps(manifest, indent=1).encode("ascii"))

    @property
    def counts(self) -> dict[str, int]:
        """Sums over the shards, by name."""
        names = ("n_rows", "n_files", "n_failed")
        return {name: sum(getattr(shard, name) for shard in self.shards) for name in names}


def open_shards(place: str | Path) -> Shards:
    """Open a folder of shards, by path or URL.

    Raises
    ------
    DistributedError
        If there is none, or its manifest is damaged.
    """
    folder = locate(place)
    manifest = folder / _MANIFEST
    try:
        fields = json.loads(manifest.read())
        shards = [
            Shard(**{field.name: each[field.name] for field in dataclasses.fields(Shard)})
            for each in fields["files"]
        ]
        if any(not _is_shard(shard.name) for shard in shards):
            raise ValueError("it names files that are no shards")
        return Shards(place=folder, origin=Origin.from_json(fields), shards=tuple(shards))
    except FileNotFoundError:
        raise DistributedError(
            f"{place}: holds no shards that are finished (no {_MANIFEST});"
            " run `recommender library extract` to its end"
        ) from None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DistributedError(
            f"{manifest}: cannot be read ({error}); run `recommender library extract` again, which"
            " takes over the shards that are there"
        ) from None


def write_shard(folder: Place, table: Any, origin: Origin) -> Shard:
    """Write a shard under the name that its content gives it; raises OSError.

    Made again from the same rows it is the same file.
    """
    arrow, parquet = need("pyarrow", "ray"), need("pyarrow.parquet", "ray")
    described = json.dumps(origin.to_json(), sort_keys=True).encode()
    sink = arrow.BufferOutputStream()
    table = table.replace_schema_metadata({_KEY: described})
    # Bytes of features have no pattern that could be pressed out of them.
    parquet.write_table(table, sink, compression="zstd", use_dictionary=False)
    content = sink.getvalue().to_pybytes()
    name = hashlib.sha256(content).hexdigest() + _SUFFIX
    (folder / name).write(content)
    return described_shard(name, table)


def described_shard(name: str, table: Any) -> Shard:
    """Count what is in a shard."""
    compute = need("pyarrow.compute", "ray")
    failed = compute.sum(compute.equal(table["status"], rows.FAILED)).as_py()
    n_files = compute.count_distinct(table["path"]).as_py()
    return Shard(name=name, n_rows=len(table), n_files=n_files, n_failed=failed or 0)


def found_shards(folder: Place, origin: Origin) -> Iterator[tuple[str, Any]]:
    """Yield the names of all shards in a folder, finished or not, and what tells their files.

    Raises
    ------
    DistributedError
        If they are damaged, or were made otherwise.
    """
    for name in filter(_is_shard, folder.names()):
        table = read_table(folder / name, _TELLING)
        if json.loads(table.schema.metadata[_KEY]) != json.loads(json.dumps(origin.to_json())):
            raise DistributedError(
                f"{folder}: holds shards that were made with another preprocessor or other options;"
                " name another folder, or delete it"
            )
        yield name, table


def read_table(place: Place, columns: Sequence[str] | None = None) -> Any:
    """Read a shard; raises DistributedError if it is missing or damaged."""
    arrow, parquet = need("pyarrow", "ray"), need("pyarrow.parquet", "ray")
    try:
        with place.filesystem.open_input_file(place.path) as file:
            return parquet.read_table(file, columns=list(columns) if columns else None)
    except (OSError, arrow.ArrowException) as error:
        raise DistributedError(
            f"{place}: missing or damaged ({error}); delete it and its folder's {_MANIFEST}, and"
            " run `recommender library extract` again, which makes what is missing"
        ) from None


def _is_shard(name: str) -> bool:
    digest = name.removesuffix(_SUFFIX)
    return name.endswith(_SUFFIX) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")

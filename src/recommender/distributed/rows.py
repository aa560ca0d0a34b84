"""What is known of files as rows of a table: those of a shard."""

import functools
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.analysis.records import Done, Failed, Skipped
from recommender.audio import Tags
from recommender.extras import need
from recommender.library import Coded, File, Section, encode

DONE, FAILED, SKIPPED = "done", "failed", "skipped"


@functools.cache
def schema() -> Any:
    """Return the columns of a shard.

    A row is a section of a file, or the whole of it: one recording. ``status`` is "done", "failed",
    for the ``reason`` that stands there, or "skipped", since all of the file is too long. Size and
    time are missing where a failure need not last. ``scales`` (float32) and ``values`` (int8) are
    the features as the library keeps them, little-endian, in C order; missing where a section is
    too short for a fragment.
    """
    arrow = need("pyarrow", "ray")
    return arrow.schema(
        [
            ("path", arrow.binary()),
            ("size", arrow.int64()),
            ("mtime_ns", arrow.int64()),
            ("sheet", arrow.binary(32)),
            ("status", arrow.string()),
            ("reason", arrow.string()),
            ("number", arrow.int32()),
            ("start_s", arrow.float64()),
            ("end_s", arrow.float64()),
            ("content_hash", arrow.binary(32)),
            ("duration_s", arrow.float64()),
            ("file_s", arrow.float64()),
            ("artist", arrow.string()),
            ("title", arrow.string()),
            ("album", arrow.string()),
            ("genre", arrow.string()),
            ("warning", arrow.string()),
            ("fast", arrow.bool_()),
            ("n_fragments", arrow.int32()),
            ("scales", arrow.binary()),
            ("values", arrow.binary()),
        ]
    )


def table_of(path: bytes, outcome: Done | Failed | Skipped) -> Any:
    """Put down what became of a file, under this name for it."""
    arrow = need("pyarrow", "ray")
    return arrow.Table.from_pylist(list(_rows(path, outcome)), schema=schema())


def failure(path: bytes, reason: str) -> dict[str, Any]:
    """Return the row of what could not be used, and is to be tried again."""
    return {"path": path, "status": FAILED, "reason": _text(reason)}


def _rows(path: bytes, outcome: Done | Failed | Skipped) -> Iterator[dict[str, Any]]:
    seen = outcome.seen
    stamp = {
        "path": path,
        "size": seen.size,
        "mtime_ns": seen.mtime_ns,
        "sheet": bytes.fromhex(seen.image.digest) if seen.image else None,
    }
    if isinstance(outcome, Failed):
        found = failure(path, outcome.reason)
        yield stamp | found if outcome.lasting else found
        return
    if isinstance(outcome, Skipped):
        yield stamp | {"status": SKIPPED}
        return
    for file in outcome.files:
        tags = file.tags
        row = stamp | {
            "status": DONE,
            "number": file.section.number,
            "start_s": file.section.start_s,
            "end_s": file.section.end_s,
            "content_hash": bytes.fromhex(file.content_hash),
            "duration_s": file.duration_s,
            "file_s": file.file_s,
            "artist": _text(tags.artist),
            "title": _text(tags.title),
            "album": _text(tags.album),
            "genre": _text(tags.genre),
            "warning": _text(file.warning),
            "fast": outcome.fast,
        }
        if (features := outcome.features.get(file.section)) is not None:
            coded = encode(features)
            row |= {
                "n_fragments": len(features),
                "scales": coded.scales.astype("<f4").tobytes(),
                "values": coded.values.tobytes(),
            }
        yield row


def files_in(table: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each file of a shard."""
    for _, group in groupby(table.to_pylist(), lambda row: row["path"]):
        yield list(group)


def file_of(row: dict[str, Any], path: Path) -> File:
    """Return a recording as the library takes it, in the file that is here at this path."""
    return File(
        path=path,
        section=Section(number=row["number"], start_s=row["start_s"], end_s=row["end_s"]),
        size=row["size"],
        mtime_ns=row["mtime_ns"],
        content_hash=row["content_hash"].hex(),
        duration_s=row["duration_s"],
        tags=Tags(**{name: row[name] for name in ("artist", "title", "album", "genre")}),
        file_s=row["file_s"],
        sheet=row["sheet"].hex() if row["sheet"] else None,
        warning=row["warning"],
    )


def coded(values: Sequence[bytes], scales: Sequence[bytes]) -> Coded:
    """Put features of recordings together, one recording after the other; at least one."""
    all_scales: NDArray[np.float32] = np.frombuffer(b"".join(scales), "<f4")
    all_values = np.frombuffer(b"".join(values), np.int8)
    return Coded(values=all_values.reshape(len(all_scales), -1), scales=all_scales)


def recordings(table: Any) -> Any:
    """Sort rows by path, and keep those with features; of each recording the first."""
    arrow, compute = need("pyarrow", "ray"), need("pyarrow.compute", "ray")
    table = table.filter(compute.is_valid(table["n_fragments"]))
    table = table.sort_by([("path", "ascending"), ("number", "ascending")])
    hashes = table["content_hash"].combine_chunks()
    first = compute.index_in(hashes, value_set=hashes)
    return table.filter(compute.equal(first, arrow.array(range(len(table)), arrow.int32())))


def _text(text: str | None) -> str | None:
    # As the library does: names may hold lone surrogates, which no text column can.
    return None if text is None else text.encode("utf-8", "replace").decode()

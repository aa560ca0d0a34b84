"""Features of very many files, on many machines: Ray Data hands the work out and repeats it.

Files are dealt out a few at a time, what became of them is gathered into shards, and each shard is
written by the machine that gathered it. What a lost machine had done is done again by another.
"""

import contextlib
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import threadpoolctl

from recommender import cluster
from recommender.analysis import Extractor
from recommender.analysis.records import Done, Failed, Seen, Skipped
from recommender.analysis.sections import Options
from recommender.analysis.work import work_on
from recommender.distributed import rows
from recommender.distributed.listing import Listing, image_from_json, list_files
from recommender.distributed.places import Place, locate
from recommender.distributed.resuming import survey
from recommender.distributed.scanning import MOST_ATTEMPTS, POISON
from recommender.distributed.shards import Origin, Shard, Shards, write_shard
from recommender.extras import need

FILES_PER_SHARD = 256
"""About a megabyte of features, and minutes of work."""

_FILES_AT_ONCE = 8  # of a piece of work: seconds, which a lost machine costs again
_MOST_PIECES = 100_000  # which Ray keeps in mind


def extract(
    paths: Sequence[str | Path],
    out: str | Path,
    preprocessor: Extractor,
    *,
    options: Options | None = None,
    address: str | None = None,
    jobs: int = 1,
    retry_failed: bool = False,
    files_per_shard: int = FILES_PER_SHARD,
    on_shard: Callable[[int, int], None] | None = None,
) -> Shards:
    """Compute features of all music below folders, and write them as shards.

    A second run does what is missing: new and changed files, and what could not be read. What is
    there no more stays in the shards. The features are those of a scan, bit for bit.

    Parameters
    ----------
    paths : sequence of str or Path
        Folders and files: paths that all machines see alike, and URLs of object storage.
    out : str or Path
        Folder for the shards: a path that all machines see alike, or a URL.
    preprocessor : Extractor
    options : Options, optional
        What is left out, divided and shortened.
    address, jobs
        See `cluster.session`.
    retry_failed : bool
        Try unchanged files again that failed before.
    files_per_shard : int
    on_shard : callable, optional
        Called with (done, total) files after each shard.

    Returns
    -------
    Shards
        All that the folder holds now.

    Raises
    ------
    RecommenderError
        If a path does not exist, or the folder holds shards that were made otherwise.
    OSError
        If the shards cannot be written.
    """
    options = options or Options()
    folder = locate(out)
    origin = Origin(
        fingerprint=preprocessor.fingerprint, spectrogram=preprocessor.params, options=options
    )
    listing = list_files(paths)
    found = survey(folder, origin, listing.table, retry_failed=retry_failed)
    n_total, n_done = len(listing.table), len(listing.table) - len(found.todo)
    report = on_shard or (lambda *_: None)
    report(n_done, n_total)
    written: list[Shard] = []
    if len(found.todo):
        with cluster.session(address, jobs=jobs) as (ray, _):
            results = _pipeline(
                ray,
                Listing(table=found.todo, roots=listing.roots),
                preprocessor,
                origin,
                folder,
                files_per_shard,
            )
            for result in results:
                written.append(Shard(**result))
                n_done += written[-1].n_files
                report(n_done, n_total)
    shards = {shard.name: shard for shard in (*found.kept, *written)}
    finished = Shards(
        place=folder, origin=origin, shards=tuple(shards[name] for name in sorted(shards))
    )
    finished.save()
    for name in found.outdated:
        if name not in shards:
            (folder / name).delete()
    return finished


def _pipeline(
    ray: Any,
    listing: Listing,
    extractor: Extractor,
    origin: Origin,
    folder: Place,
    files_per_shard: int,
) -> Any:
    """Return what describes the shards, while they are made."""
    n = len(listing.table)
    size = max(_FILES_AT_ONCE, n // _MOST_PIECES)
    witness = _witness(ray)
    pieces = [listing.table.slice(start, size) for start in range(0, n, size)]
    return (
        cluster.datasets()
        .from_arrow(pieces)
        .map_batches(
            _work,
            batch_size=None,
            batch_format="pyarrow",
            fn_kwargs={
                "roots": listing.roots,
                "extractor": extractor,
                "options": origin.options,
                "witness": witness,
            },
            num_cpus=1,
        )
        .map_batches(
            _write,
            batch_size=files_per_shard,
            batch_format="pyarrow",
            fn_kwargs={"folder": folder, "origin": origin},
            num_cpus=0.1,  # unlike the work before it, so that it gathers from all machines
        )
        .iter_rows()
    )


def _work(
    files: Any, roots: Sequence[Place], extractor: Extractor, options: Options, witness: Any
) -> Any:
    """Work on files, on any machine; a row for each, with all of its rows within."""
    import ray

    found = []
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        for row in files.to_pylist():
            path = row["path"]
            outcome: Done | Failed | Skipped
            if row["reason"] is not None:
                outcome = Failed(seen=_seen(row), reason=row["reason"], lasting=False)
            elif ray.get(witness.begin.remote(path)) > MOST_ATTEMPTS:
                outcome = Failed(seen=_seen(row), reason=POISON, lasting=True)
            else:
                outcome = _outcome(row, roots, extractor, options)
            found.append({"path": path, "rows": _packed(rows.table_of(path, outcome))})
            witness.end.remote(path)
    arrow = need("pyarrow", "ray")
    return arrow.Table.from_pylist(found)


def _outcome(
    row: dict[str, Any], roots: Sequence[Place], extractor: Extractor, options: Options
) -> Done | Failed | Skipped:
    name = os.fsdecode(row["path"])
    with contextlib.ExitStack() as on_end:
        path = Path(name)
        if row["root"] >= 0:
            root = roots[row["root"]]
            folder = on_end.enter_context(tempfile.TemporaryDirectory(prefix="recommender-"))
            try:
                path = root.at(name.removeprefix(root.prefix)).fetch(Path(folder))
            except OSError as error:
                reason = f"cannot be fetched ({error})"
                return Failed(seen=_seen(row), reason=reason, lasting=False)
        return work_on(_seen(row, path), extractor, options, threading.Event())


def _seen(row: dict[str, Any], path: Path | None = None) -> Seen:
    return Seen(
        path=path or Path(os.fsdecode(row["path"])),
        size=row["size"],
        mtime_ns=row["mtime_ns"],
        image=image_from_json(row["image"]),
    )


def _write(files: Any, folder: Place, origin: Origin) -> dict[str, list[Any]]:
    """Write a shard, on any machine; what describes it comes back."""
    arrow = need("pyarrow", "ray")
    table = arrow.concat_tables([_unpacked(each) for each in files["rows"].to_pylist()])
    shard = write_shard(folder, table, origin)
    return {name: [value] for name, value in vars(shard).items()}


def _packed(table: Any) -> bytes:
    arrow = need("pyarrow", "ray")
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _unpacked(content: bytes) -> Any:
    arrow = need("pyarrow", "ray")
    return arrow.ipc.open_stream(content).read_all()


class _Witness:
    """Knows which files were under way when their process ended."""

    def __init__(self) -> None:
        self._begun: Counter[bytes] = Counter()

    def begin(self, path: bytes) -> int:
        """Note that work on a file begins; tell how often it has begun and never ended."""
        self._begun[path] += 1
        return self._begun[path]

    def end(self, path: bytes) -> None:
        """Note that it ended."""
        del self._begun[path]


def _witness(ray: Any) -> Any:
    """Have a witness on this machine: the others may be lost."""
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=True
    )
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
    return ray.remote(_Witness).options(scheduling_strategy=here, **options).remote()

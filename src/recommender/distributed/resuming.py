"""What a folder of shards holds already, and what is missing."""

from dataclasses import dataclass
from typing import Any

from recommender.distributed import rows
from recommender.distributed.places import Place
from recommender.distributed.shards import (
    Origin,
    Shard,
    described_shard,
    found_shards,
    read_table,
    write_shard,
)
from recommender.extras import need


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A folder beside a listing.

    Attributes
    ----------
    kept : tuple of Shard
        In which every row still holds.
    outdated : tuple of str
        Names of shards that others stand in for.
    todo : pyarrow.Table
        Rows of the listing of which nothing is known, or no longer.
    """

    kept: tuple[Shard, ...]
    outdated: tuple[str, ...]
    todo: Any


def survey(folder: Place, origin: Origin, listing: Any, *, retry_failed: bool = False) -> Survey:
    """Compare shards with the files that there are.

    A shard with rows that hold no longer is written again without them. Such are rows of files that
    have changed, of failures that need not last (if `retry_failed`, of all), and of files that
    another shard tells of too: machines that knew nothing of each other may have written both.

    Raises
    ------
    DistributedError
        As `found_shards`.
    """
    compute = need("pyarrow.compute", "ray")
    arrow = need("pyarrow", "ray")
    todo, kept, outdated = listing, [], []
    told = arrow.array([], arrow.binary())
    for name, table in found_shards(folder, origin):
        path = table["path"]
        at = compute.index_in(path, value_set=listing["path"].combine_chunks())
        same = compute.and_(
            _equal(table, listing, "size", at), _equal(table, listing, "mtime_ns", at)
        )
        same = compute.and_(same, _equal(table, listing, "sheet", at))
        lasts = compute.is_valid(table["size"])
        if retry_failed:
            lasts = compute.and_(lasts, compute.not_equal(table["status"], rows.FAILED))
        again = compute.and_(_equal(table, listing, "reason", at), _known(listing, "reason", at))
        lasts = compute.or_(lasts, again)
        holds = compute.and_(lasts, compute.or_(compute.is_null(at), same))
        holds = compute.and_(holds, compute.invert(compute.is_in(path, value_set=told)))
        if compute.all(holds).as_py() is not False:
            kept.append(described_shard(name, table))
        else:
            outdated.append(name)
            if compute.any(holds).as_py():
                kept.append(write_shard(folder, read_table(folder / name).filter(holds), origin))
        told = arrow.concat_arrays([told, path.filter(holds).combine_chunks().unique()])
    todo = listing.filter(compute.invert(compute.is_in(listing["path"], value_set=told)))
    return Survey(kept=tuple(kept), outdated=tuple(outdated), todo=todo)


def _known(listing: Any, column: str, at: Any) -> Any:
    return need("pyarrow.compute", "ray").is_valid(listing[column].take(at))


def _equal(table: Any, listing: Any, column: str, at: Any) -> Any:
    """Tell where a column is as in the listing, also where both have nothing."""
    compute = need("pyarrow.compute", "ray")
    before, now = table[column], listing[column].take(at)
    both = compute.and_(compute.is_null(before), compute.is_null(now))
    return compute.or_(compute.fill_null(compute.equal(before, now), False), both)

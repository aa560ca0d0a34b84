"""Work on shards, each wherever a machine has time for it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from recommender import cluster
from recommender.distributed.places import Place
from recommender.distributed.shards import Shards, read_table
from recommender.extras import need


def over_shards(shards: Shards, work: Callable[..., Any], **arguments: object) -> Iterator[Any]:
    """Yield what work makes of each shard, a pyarrow.Table, in any order; needs a session.

    It is called with a shard and the arguments; `table_in` reads that shard.
    """
    names = [shard.name for shard in shards.shards]
    if not names:
        return
    yield from (
        cluster.datasets()
        .from_items(names, override_num_blocks=len(names))
        .map_batches(
            work,
            batch_size=1,
            fn_kwargs={"folder": shards.place, **arguments},
            num_cpus=1,
        )
        .iter_batches(batch_size=None, batch_format="pyarrow")
    )


def table_in(batch: Mapping[str, Sequence[str]], folder: Place, columns: Sequence[str]) -> Any:
    """Read the shard that work was called with."""
    (name,) = batch["item"]
    return read_table(folder / name, columns)


def gather(shards: Shards, columns: Sequence[str], only: Any = None) -> Any:
    """Bring columns of all shards here; of all recordings, or only of those with these hashes.

    Recordings without features are left out. Needs a session.
    """
    arrow = need("pyarrow", "ray")
    return arrow.concat_tables(over_shards(shards, _select, columns=columns, only=only))


def _select(
    batch: Mapping[str, Sequence[str]], folder: Place, columns: Sequence[str], only: Any
) -> Any:
    compute = need("pyarrow.compute", "ray")
    table = table_in(batch, folder, list({*columns, "n_fragments", "content_hash"}))
    table = table.filter(compute.is_valid(table["n_fragments"]))
    if only is not None:
        table = table.filter(compute.is_in(table["content_hash"], value_set=only))
    return table.select(columns)

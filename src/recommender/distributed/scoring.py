"""The best of all tracks in shards, for many profiles at once."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import threadpoolctl

from recommender import cluster
from recommender.distributed import rows
from recommender.distributed.places import Place
from recommender.distributed.reading import over_shards, table_in
from recommender.distributed.shards import Shards
from recommender.errors import ParameterError, ProfileError
from recommender.extras import need
from recommender.library import decode
from recommender.profile import Profile
from recommender.profile.tracks import number_of

_COLUMNS = ("path", "number", "start_s", "end_s", "content_hash", "artist", "title")
_FEATURES = ("n_fragments", "scales", "values")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A track among the best of a profile.

    Attributes
    ----------
    path : str
        Of the file that holds it, or its URL; of several the first.
    number : int
        Of the section of that file; 0: the whole of it.
    start_s, end_s : float or None
        Where it lies in its file, see `Section`.
    content_hash : str
    artist, title : str or None
    score : float
        See `Profile.track_scores`.
    """

    path: str
    number: int
    start_s: float | None
    end_s: float | None
    content_hash: str
    artist: str | None
    title: str | None
    score: float


def score(
    shards: Shards,
    profiles: Mapping[str, Profile],
    *,
    top: int,
    include_liked: bool = False,
    address: str | None = None,
    jobs: int = 1,
    on_shard: Callable[[int, int], None] | None = None,
) -> dict[str, list[Scored]]:
    """Find the best tracks for each of many profiles, in one pass over the shards.

    Every track is scored exactly, by the same arithmetic as on one machine. Each shard gives its
    best for each profile, and of these the best are kept; equal ones are in the order of their
    paths. A recording that lies in several files counts once.

    Parameters
    ----------
    shards : Shards
    profiles : mapping of str to Profile
        All of them lie in the memory of each machine, once; more than fit there need several calls.
    top : int
        How many tracks are wanted for each.
    include_liked : bool
        Keep tracks that a profile was trained on as liked; disliked ones are always left out.
    address, jobs
        See `cluster.session`.
    on_shard : callable, optional
        Called with (done, total) after each shard.

    Raises
    ------
    ParameterError
        If `top` is not positive.
    ProfileError
        If a profile was trained on other features than those of the shards.
    """
    if top < 1:
        raise ParameterError(f"top must be at least 1, not {top}")
    for name, profile in profiles.items():
        if profile.fingerprint != shards.origin.fingerprint:
            raise ProfileError(
                f"profile {name!r} was trained on other features than those of {shards.place}"
                f" ({profile.fingerprint}, {shards.origin.fingerprint}); build it again"
            )
    memory = cluster.LEAST_MEMORY + 2 * sum(
        tensor.nbytes for profile in profiles.values() for tensor in profile.tensors.values()
    )
    best, n_shards = _Best(top, len(profiles)), len(shards.shards)
    with cluster.session(address, jobs=jobs, memory=memory) as (ray, _):
        found = over_shards(
            shards,
            _best_of_shard,
            profiles=ray.put(list(profiles.values())),
            top=top,
            include_liked=include_liked,
        )
        for n, table in enumerate(found, 1):
            best.add(table)
            if on_shard is not None:
                on_shard(n, n_shards)
    return dict(zip(profiles, best.lists(), strict=True))


def _best_of_shard(
    batch: Mapping[str, Sequence[str]],
    folder: Place,
    profiles: Any,
    top: int,
    include_liked: bool,
) -> Any:
    """Score a shard's tracks by all profiles, on any machine; return the best for each."""
    import ray

    arrow = need("pyarrow", "ray")
    table = rows.recordings(table_in(batch, folder, (*_COLUMNS, *_FEATURES)))
    if not len(table):
        return _schema().empty_table()
    features = decode(rows.coded(table["values"].to_pylist(), table["scales"].to_pylist()))
    lengths = table["n_fragments"].to_numpy().astype(np.int64)
    hashes = [content_hash.hex() for content_hash in table["content_hash"].to_pylist()]
    numbers = np.array([number_of(name) for name in hashes], np.int64)
    chosen, whose, scored = [], [], []
    for i, profile in enumerate(ray.get(profiles)):
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            scores = profile.joint_scores(features, lengths, numbers)
        known = profile.disliked if include_liked else profile.disliked + profile.liked
        left_out = {ref.content_hash for ref in known}
        kept = np.flatnonzero([name not in left_out for name in hashes])
        best = kept[np.argsort(-scores[kept], kind="stable")[:top]]
        chosen.append(best)
        whose.append(np.full(len(best), i, np.int32))
        scored.append(scores[best])
    found = table.select(_COLUMNS).take(arrow.array(np.concatenate(chosen)))
    found = found.append_column("profile", arrow.array(np.concatenate(whose)))
    return found.append_column("score", arrow.array(np.concatenate(scored))).cast(_schema())


@functools.cache
def _schema() -> Any:
    arrow = need("pyarrow", "ray")
    told = [rows.schema().field(name) for name in _COLUMNS]
    return arrow.schema([*told, ("profile", arrow.int32()), ("score", arrow.float64())])


class _Best:
    """The best so far: what comes in is put in order once it is as much again."""

    def __init__(self, top: int, n_profiles: int) -> None:
        self._top, self._n_profiles = top, n_profiles
        self._tables = [_schema().empty_table()]
        self._n_waiting = 0

    def add(self, table: Any) -> None:
        self._tables.append(table)
        self._n_waiting += len(table)
        if self._n_waiting > self._top * self._n_profiles:
            self._tables, self._n_waiting = [self._ordered()], 0

    def lists(self) -> list[list[Scored]]:
        """Return the best for each profile."""
        found: list[list[Scored]] = [[] for _ in range(self._n_profiles)]
        for row in self._ordered().to_pylist():
            fields = row | {
                "path": os.fsdecode(row["path"]),
                "content_hash": row["content_hash"].hex(),
            }
            found[fields.pop("profile")].append(Scored(**fields))
        return found

    def _ordered(self) -> Any:
        arrow = need("pyarrow", "ray")
        frame = arrow.concat_tables(self._tables).to_pandas()
        frame = frame.sort_values(
            ["profile", "score", "path", "number"], ascending=[True, False, True, True]
        )
        frame = (
            frame.drop_duplicates(["profile", "content_hash"]).groupby("profile").head(self._top)
        )
        return arrow.Table.from_pandas(frame, _schema(), preserve_index=False)

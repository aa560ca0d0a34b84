"""Very many profiles, each trained somewhere on the cluster."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import threadpoolctl

from recommender import cluster, profile
from recommender.distributed import rows
from recommender.distributed.places import Place, locate
from recommender.distributed.reading import gather
from recommender.distributed.scanning import MOST_ATTEMPTS
from recommender.distributed.shards import Shards
from recommender.errors import ProfileError
from recommender.extras import need
from recommender.library import Coded, Library, decode, encode
from recommender.parameters import Recipe
from recommender.profile import TrackRef
from recommender.profile.building import MIN_OTHER_TRACKS, n_others
from recommender.profile.negatives import load_shipped
from recommender.profile.tracks import choose

Known = tuple[TrackRef, Coded]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What became of playlists.

    Attributes
    ----------
    names : tuple of str
        Of the profiles that were trained.
    failures : tuple of (str, str)
        Playlists without a profile, each with the reason.
    """

    names: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]


def train(
    playlists: Mapping[str, Sequence[str]],
    source: Library | Shards,
    recipe: Recipe,
    fingerprint: str,
    out: str | Path,
    *,
    address: str | None = None,
    jobs: int = 1,
    on_profile: Callable[[int, int, str], None] | None = None,
) -> Trained:
    """Train a profile for each playlist, against all the other music there is.

    The profiles are those that `profile.build` trains on one machine, bit for bit.

    Parameters
    ----------
    playlists : mapping of str to sequence of str
        Names of the profiles to be, and what is liked: content hashes. Those that the source does
        not hold are left out.
    source : Library or Shards
        All the music.
    recipe : Recipe
    fingerprint : str
        Of the features to use.
    out : str or Path
        Folder for the profiles, which all machines reach: a path or a URL.
    address, jobs
        See `cluster.session`.
    on_profile : callable, optional
        Called with (done, total, name) after each.

    Raises
    ------
    ProfileError
        If a name cannot be a profile's, or the source has other features.
    """
    for name in playlists:
        profile.check_name(name)
    with cluster.session(address, jobs=jobs) as (ray, _):
        music = _of(source, fingerprint)
        numbers = {ref.content_hash: i for i, ref in enumerate(music.refs)}
        liked = {
            name: sorted({numbers[each] for each in hashes if each in numbers})
            for name, hashes in playlists.items()
        }
        # Whatever is liked, the others are chosen from these: see `choose`.
        n_most = n_others(recipe) + max(map(len, liked.values()), default=0)
        others = choose([ref.content_hash for ref in music.refs], n_most, recipe.learner.seed)
        features = music.load(sorted({*others, *(i for each in liked.values() for i in each)}))
        work = ray.remote(num_cpus=1, max_retries=MOST_ATTEMPTS - 1)(_train)
        shared = {
            "others": ray.put([(music.refs[i], features(i)) for i in others]),
            "recipe": recipe,
            "fingerprint": fingerprint,
            "folder": locate(out),
        }

        def submit(name: str) -> Any:
            known = [(music.refs[i], features(i)) for i in liked[name]]
            return work.remote(name, known, **shared)

        trained, failures = [], []
        for n, (name, result) in enumerate(cluster.in_turn(ray, submit, playlists), 1):
            try:
                reason = ray.get(result)
            except cluster.lost(ray):
                reason = f"{MOST_ATTEMPTS} times the process that trained it was ended"
            if reason is None:
                trained.append(name)
            else:
                failures.append((name, reason))
            if on_profile is not None:
                on_profile(n, len(playlists), name)
    return Trained(names=tuple(trained), failures=tuple(failures))


def _train(
    name: str,
    liked: Sequence[Known],
    others: Sequence[Known],
    recipe: Recipe,
    fingerprint: str,
    folder: Place,
) -> str | None:
    """Train a profile and write it, on any machine; tell why that could not be."""
    names = {ref.content_hash for ref, _ in liked}
    rest = [known for known in others if known[0].content_hash not in names]
    chosen = choose([ref.content_hash for ref, _ in rest], n_others(recipe), recipe.learner.seed)
    try:
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            found = profile.train(
                name,
                recipe,
                fingerprint,
                [(ref, decode(coded)) for ref, coded in liked],
                [(ref, decode(coded)) for ref, coded in (rest[i] for i in chosen)],
                pool=load_shipped(fingerprint) if len(chosen) < MIN_OTHER_TRACKS else [],
            )
        with tempfile.TemporaryDirectory(prefix="recommender-") as temporary:
            path = profile.path_of(name, Path(temporary))
            profile.save(found, path)
            (folder / path.name).write(path.read_bytes())
    except (ProfileError, OSError) as error:
        return str(error)
    return None


@dataclass(frozen=True, kw_only=True)
class _Music:
    """Recordings, sorted by path, and what gives the features of some of them by their numbers."""

    refs: list[TrackRef]
    load: Callable[[Sequence[int]], Callable[[int], Coded]]


def _of(source: Library | Shards, fingerprint: str) -> _Music:
    if isinstance(source, Library):
        return _of_library(source, fingerprint)
    if source.origin.fingerprint != fingerprint:
        raise ProfileError(
            f"{source.place}: has features of {source.origin.fingerprint}, not of {fingerprint};"
            " choose the recipe or preprocessor that they were made with"
        )
    return _of_shards(source)


def _of_library(library: Library, fingerprint: str) -> _Music:
    tracks = library.tracks(fingerprint)

    def features(i: int) -> Coded:
        ((_, found),) = library.features([tracks[i].id], fingerprint)
        return encode(found)

    return _Music(refs=[profile.ref_of(track) for track in tracks], load=lambda _: features)


def _of_shards(shards: Shards) -> _Music:
    arrow, compute = need("pyarrow", "ray"), need("pyarrow.compute", "ray")
    columns = ("path", "number", "start_s", "end_s", "content_hash", "n_fragments")
    table = rows.recordings(gather(shards, columns))
    refs = [
        TrackRef(
            content_hash=row["content_hash"].hex(),
            path=os.fsdecode(row["path"]),
            start_s=row["start_s"],
            end_s=row["end_s"],
        )
        for row in table.to_pylist()
    ]
    hashes = table["content_hash"].combine_chunks()

    def load(numbers: Sequence[int]) -> Callable[[int], Coded]:
        columns = ("content_hash", "scales", "values")
        wanted = gather(shards, columns, hashes.take(arrow.array(numbers)))
        at = compute.index_in(hashes, value_set=wanted["content_hash"].combine_chunks())

        def features(i: int) -> Coded:
            row = at[i].as_py()
            return rows.coded([wanted["values"][row].as_py()], [wanted["scales"][row].as_py()])

        return features

    return _Music(refs=refs, load=load)

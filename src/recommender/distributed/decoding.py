"""The tracks of a spectrogram dataset, decoded on other machines into a folder that all share."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from recommender import cluster
from recommender.dataset import DatasetParams, Piece, pieces
from recommender.distributed.scanning import MOST_ATTEMPTS, POISON


def decode(
    music_dir: Path,
    out_dir: Path,
    sources: Sequence[str],
    params: DatasetParams,
    jobs: int,
    *,
    address: str | None = None,
) -> Iterator[tuple[str, Piece | str]]:
    """Make the pieces of tracks, see `dataset.pieces.decode`; for address see `cluster.session`.

    Music and pieces have the same paths on all machines.
    """
    if not sources:
        return
    with cluster.session(address, jobs=jobs) as (ray, _):
        work = ray.remote(num_cpus=1, max_retries=MOST_ATTEMPTS - 1)(_decode_one)

        def submit(source: str) -> object:
            return work.remote(music_dir, out_dir, source, params)

        for source, result in cluster.in_turn(ray, submit, sources):
            try:
                yield source, ray.get(result)
            except cluster.lost(ray):
                yield source, POISON


def _decode_one(music_dir: Path, out_dir: Path, source: str, params: DatasetParams) -> Piece | str:
    return pieces.decode_one(music_dir, out_dir, source, params, threading.Event())

"""What work on a Ray cluster costs, beside the same work in one process.

    python benchmarks/bench_distributed.py --audio ~/Music --files 200

Ray is started on this machine, with a process for each processor. Its start is told by itself; the
rest is measured while it runs, so that it tells what a machine of a cluster does. Without --audio
nothing is extracted. The music that is scored is synthetic, see synthetic_library.py.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from recommender import audio, cluster, distributed, preprocessor, profile
from recommender.analysis import Options, scan
from recommender.analysis.records import Done, Seen
from recommender.analysis.sections import Division
from recommender.distributed import rows
from recommender.distributed.extracting import FILES_PER_SHARD
from recommender.distributed.places import locate
from recommender.distributed.shards import Origin, Shards, write_shard
from recommender.library import WHOLE, Library
from recommender.parameters import RECIPES
from recommender.preprocessor import Preprocessor
from synthetic_library import generate, read

T = TypeVar("T")

_N_LIKED = 30


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds that something took, and what it gave."""
    begun = time.perf_counter()
    found = work()
    return time.perf_counter() - begun, found


def synthetic(out: Path, network: Preprocessor, n_tracks: int) -> Shards:
    """Write shards of music that never was."""
    origin = Origin(fingerprint=network.fingerprint, spectrogram=network.params, options=Options())
    division = Division(sections=(WHOLE,))

    def tables() -> Iterator[pa.Table]:
        distribution = read(None, network.fingerprint)
        for file, features in generate(distribution, n_tracks, 30, seed=0):
            seen = Seen(path=file.path, size=file.size, mtime_ns=file.mtime_ns)
            done = Done(
                seen=seen,
                files=(file,),
                division=division,
                key=(file.content_hash, None),
                features={WHOLE: features},  # type: ignore[dict-item]
            )
            yield rows.table_of(str(file.path).encode(), done)

    found, waiting = [], []
    for table in tables():
        waiting.append(table)
        if len(waiting) == FILES_PER_SHARD:
            found.append(write_shard(locate(out), pa.concat_tables(waiting), origin))
            waiting = []
    if waiting:
        found.append(write_shard(locate(out), pa.concat_tables(waiting), origin))
    shards = Shards(place=locate(out), origin=origin, shards=tuple(found))
    shards.save()
    return shards


def playlists(shards: Shards, n: int) -> dict[str, list[str]]:
    """Choose the tracks of so many listeners by lot."""
    table = pa.concat_tables([shards.read(each, ["content_hash"]) for each in shards.shards])
    hashes = [value.hex() for value in table["content_hash"].to_pylist()]
    lots = [int(hashlib.sha256(str(i).encode()).hexdigest(), 16) for i in range(n * _N_LIKED)]
    return {
        f"listener {i}": [hashes[lot % len(hashes)] for lot in lots[i * _N_LIKED :][:_N_LIKED]]
        for i in range(n)
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, help="folder of music to extract")
    parser.add_argument("--files", type=int, default=200, help="of that folder")
    parser.add_argument("--tracks", type=int, default=10_000, help="synthetic, to score")
    parser.add_argument("--profiles", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2, help="processors to use")
    options = parser.parse_args()
    network, recipe = preprocessor.load("default"), RECIPES["default"]
    jobs = options.jobs
    print(f"{jobs} processes\n\n| what | amount | seconds | per processor |\n|---|---:|---:|---:|")

    def tell(what: str, amount: str, seconds: float, n: int, of: str) -> None:
        print(
            f"| {what} | {amount} | {seconds:.1f} | {n / seconds / jobs:,.1f} {of}/s |", flush=True
        )

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        start_s = time.perf_counter()
        with cluster.session(jobs=jobs, memory=2**30) as (ray, _):
            # The first piece of work brings the processes up.
            ray.get([ray.remote(_nothing).remote() for _ in range(jobs)])
            print(f"| start of Ray | | {time.perf_counter() - start_s:.1f} | |")
            if options.audio:
                files = audio.find_audio([options.audio])
                files = files[:: max(1, len(files) // options.files)][: options.files]
                with Library.open(folder / "library.db") as library:
                    seconds, _ = timed(lambda: scan(library, files, network, jobs=jobs))
                tell("scan, in threads", f"{len(files)} files", seconds, len(files), "files")
                seconds, made = timed(
                    lambda: distributed.extract(files, folder / "out", network, jobs=jobs)
                )
                tell("extraction, by Ray", f"{len(files)} files", seconds, len(files), "files")
                with Library.open(folder / "other.db") as library:
                    seconds, _ = timed(lambda: distributed.import_shards(library, made, network))
                tell("import", f"{len(files)} files", seconds * jobs, len(files) * jobs, "files")
            shards = synthetic(folder / "synthetic", network, options.tracks)
            n_bytes = sum(path.stat().st_size for path in (folder / "synthetic").iterdir())
            each = f"{n_bytes / options.tracks:,.0f} bytes a track"
            print(f"| shards | {options.tracks:,} tracks | | {each} |")
            lists = playlists(shards, options.profiles)
            seconds, _ = timed(
                lambda: distributed.train(
                    lists, shards, recipe, network.fingerprint, folder / "profiles", jobs=jobs
                )
            )
            tell("training", f"{len(lists)} profiles", seconds, len(lists), "profiles")
            loaded = {path.stem: profile.load(path) for path in (folder / "profiles").iterdir()}
            seconds, _ = timed(lambda: distributed.score(shards, loaded, top=100, jobs=jobs))
            n = options.tracks * len(loaded)
            tell(
                "scoring",
                f"{options.tracks:,} tracks x {len(loaded)} profiles",
                seconds,
                n,
                "pairs",
            )
            (first, *_) = loaded.values()
            seconds, _ = timed(lambda: distributed.score(shards, {"a": first}, top=100, jobs=jobs))
            tell(
                "scoring",
                f"{options.tracks:,} tracks x 1 profile",
                seconds,
                options.tracks,
                "pairs",
            )
            with Library.open(folder / "synthetic.db") as library:
                seconds, _ = timed(lambda: distributed.import_shards(library, shards, network))
            tell(
                "import, by one process",
                f"{options.tracks:,} tracks",
                seconds * jobs,
                options.tracks * jobs,
                "tracks",
            )


def _nothing() -> None:
    pass


if __name__ == "__main__":
    main()

"""What work on a Ray cluster costs, beside the same work in one process.

    python benchmarks/bench_distributed.py --audio ~/Music --files 200

Ray is started on this machine, with a process for each processor. Its start is told by itself; the
rest is measured while it runs, so that it tells what a machine of a cluster does. CPU is that of
all processes, Ray's own included. Without --audio nothing is extracted. The music that is scored is
synthetic, 30 fragments a track on average, see synthetic_library.py; profiles like 30 tracks.
"""

import argparse
import contextlib
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from peers.processes import children_cpu_s
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


def measured(what: str, n: int, of: str, work: Callable[[], T], times: int = 1) -> T:
    """Print a row of the table: what work costs; return what it gave."""
    begun_s, before_s = time.perf_counter(), cpu_s()
    found = work()
    wall_s, used_s = time.perf_counter() - begun_s, cpu_s() - before_s
    amount = f"{n:,} {of}" + (f" x {times}" if times > 1 else "")
    each = f"{1000 * used_s / n / times:,.2f} ms"
    print(f"| {what} | {amount} | {wall_s:.1f} | {used_s:.1f} | {each} |", flush=True)
    return found


def cpu_s() -> float:
    """CPU time of this process and of all that it has started, Ray's included."""
    return time.process_time() + children_cpu_s()


def work(folder: Path, music: Sequence[Path], n_tracks: int, n_profiles: int, jobs: int) -> None:
    """Print the rows of the table."""
    network, recipe = preprocessor.load("default"), RECIPES["default"]
    if music:
        with Library.open(folder / "library.db") as library:
            measured(
                "scan, in threads",
                len(music),
                "files",
                lambda: scan(library, music, network, jobs=jobs),
            )
        measured(
            "extraction, by Ray",
            len(music),
            "files",
            lambda: distributed.extract(music, folder / "out", network),
        )
    shards = measured(
        "synthetic shards",
        n_tracks,
        "tracks",
        lambda: synthetic(folder / "shards", network, n_tracks),
    )
    lists = playlists(shards, n_profiles)
    measured(
        "training",
        n_profiles,
        "profiles",
        lambda: distributed.train(lists, shards, recipe, network.fingerprint, folder / "profiles"),
    )
    loaded = {path.stem: profile.load(path) for path in (folder / "profiles").iterdir()}
    for some in (dict([next(iter(loaded.items()))]), loaded):
        measured(
            "scoring",
            n_tracks,
            "tracks",
            lambda some=some: distributed.score(shards, some, top=100),  # type: ignore[misc]
            times=len(some),
        )
    with Library.open(folder / "synthetic.db") as library:
        measured(
            "import",
            n_tracks,
            "tracks",
            lambda: distributed.import_shards(library, shards, network),
        )
    n_bytes = sum(path.stat().st_size for path in (folder / "shards").iterdir())
    print(f"\nShards: {n_bytes / n_tracks:,.0f} bytes a track")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, help="folder of music to extract")
    parser.add_argument("--files", type=int, default=200, help="of that folder")
    parser.add_argument("--tracks", type=int, default=10_000, help="synthetic, to score")
    parser.add_argument("--profiles", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2, help="processors to use")
    options = parser.parse_args()
    files = audio.find_audio([options.audio]) if options.audio else []
    music = files[:: max(1, len(files) // options.files)][: options.files]
    print(f"{options.jobs} processors\n\n| what | amount | wall, s | CPU, s | CPU for each |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as at_end:
        join = cluster.session(jobs=options.jobs, memory=2**30)
        ray, _ = measured("start of Ray", 1, "time", lambda: at_end.enter_context(join))
        bring_up = ray.remote(num_cpus=1)(_nothing)
        processes = range(options.jobs)
        measured(
            "first work",
            options.jobs,
            "processes",
            lambda: ray.get([bring_up.remote() for _ in processes]),
        )
        work(Path(folder), music, options.tracks, options.profiles, options.jobs)


def _nothing() -> None:
    from recommender import distributed as distributed  # what takes time to import


if __name__ == "__main__":
    main()

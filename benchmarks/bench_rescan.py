"""A second scan of a large library in which nothing has changed: what it costs to look.

    python benchmarks/bench_rescan.py --files 100000

Small files are written into nested folders below a temporary one, and a library that knows them all
as they are; then the command `recommender library scan` is run as people run it, several times.
"""

import argparse
import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recommender import preprocessor
from recommender.audio import Tags
from recommender.library import File, Library

_PER_ALBUM, _PER_ARTIST = 10, 100
_AT_ONCE = 5000  # files that are written down together


def write_files(folder: Path, n_files: int) -> Iterator[Path]:
    """Write files that look like music from outside, and yield their paths."""
    for i in range(n_files):
        artist, album = i // _PER_ARTIST, i // _PER_ALBUM % (_PER_ARTIST // _PER_ALBUM)
        path = (
            folder / f"Artist {artist:04}" / f"Album {album}" / f"{i % _PER_ALBUM + 1:02} {i}.mp3"
        )
        if i % _PER_ALBUM == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(b"no music")
        yield path


def describe(path: Path) -> File:
    """Describe a file as a scan would have, had it been music."""
    status = path.stat()
    return File(
        path=path,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        content_hash=hashlib.sha256(os.fsencode(path)).hexdigest(),
        duration_s=240.0,
        tags=Tags(artist=path.parent.parent.name, album=path.parent.name, title=path.stem),
    )


def fill(library: Library, folder: Path, n_files: int, n_fragments: int) -> None:
    """Write the files, and a library that has heard them."""
    network = preprocessor.load("default")
    library.describe(network.fingerprint, "{}")
    rng = np.random.default_rng(0)
    paths = write_files(folder, n_files)
    for start in range(0, n_files, _AT_ONCE):
        with library.batch():
            for _, path in zip(range(min(_AT_ONCE, n_files - start)), paths, strict=False):
                features = rng.standard_normal((n_fragments, network.n_features), np.float32)
                library.remember(describe(path), network.fingerprint, features)


def scan(folder: Path, home: Path) -> tuple[float, float, str]:
    """Run a scan; return wall and CPU seconds, and what it said."""
    env = {**os.environ, "RECOMMENDER_HOME": str(home)}
    before = os.times()
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "recommender", "library", "scan", str(folder)],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    wall_s = time.perf_counter() - begun
    after = os.times()
    cpu_s = after.children_user + after.children_system
    return wall_s, cpu_s - before.children_user - before.children_system, done.stderr.strip()


def peak_mb() -> float:
    """Largest memory of any command so far, in MB."""
    with contextlib.suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return float("nan")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--fragments", type=int, default=1, help="analysed of each file")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, home = Path(temporary, "music"), Path(temporary, "home")
        with Library.open(home / "library.db") as library:
            fill(library, folder.resolve(), options.files, options.fragments)
        n_bytes = (home / "library.db").stat().st_size
        print(f"{options.files:,} unchanged files, library of {n_bytes / 1e6:,.0f} MB\n")
        print("| run | wall, s | CPU, s | it said |\n|---:|---:|---:|---|")
        for run in range(1, options.runs + 1):
            wall_s, cpu_s, said = scan(folder, home)
            print(f"| {run} | {wall_s:.2f} | {cpu_s:.2f} | {said} |")
        print(f"\nMemory: {peak_mb():.0f} MB at most")


if __name__ == "__main__":
    main()

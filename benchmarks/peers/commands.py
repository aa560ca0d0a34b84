"""`recommender library scan` run as people run it: on a terminal or not, its memory watched."""

import os
import pty
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peers.measuring import ONE_THREAD
from peers.processes import memory_bytes

_SAMPLES_HZ = 20.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a command took.

    Attributes
    ----------
    cpu_s, wall_s : float
        All its processes, from start to end.
    rss_bytes, pss_bytes : int
        Largest sums over its processes that were seen, 0 if they were not watched.
    """

    cpu_s: float
    wall_s: float
    rss_bytes: int = 0
    pss_bytes: int = 0


def scan(paths: Sequence[Path], jobs: int, *, terminal: bool = False, watch: bool = False) -> Run:
    """Run a scan into a new library, its answer thrown away.

    Parameters
    ----------
    paths : sequence of Path
    jobs : int
    terminal : bool
        Whether it sees a terminal, and so draws its progress bar.
    watch : bool
        Whether to look at its memory, which costs a little time.

    Raises
    ------
    subprocess.CalledProcessError
        If the command fails.
    """
    leader, follower = pty.openpty()
    # Without a reader, what is drawn would fill the terminal's buffer and stop the command.
    reader = threading.Thread(target=_drain, args=(leader,))
    reader.start()
    command = [sys.executable, "-m", "recommender", "library", "scan", *map(str, paths)]
    environment = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [*command, "--jobs", str(jobs)],
            env={**environment, "RECOMMENDER_HOME": home, "TERM": "xterm", "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=follower if terminal else subprocess.DEVNULL,
        )
        peaks = _watch(process) if watch else (0, 0)
        code = process.wait()
        wall_s = time.perf_counter() - start
    os.close(follower)
    reader.join()
    os.close(leader)
    if code:
        raise subprocess.CalledProcessError(code, command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Run(cpu_s=cpu_s, wall_s=wall_s, rss_bytes=peaks[0], pss_bytes=peaks[1])


def _watch(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    rss = pss = 0
    while process.poll() is None:
        seen_rss, seen_pss = memory_bytes(process.pid)
        rss, pss = max(rss, seen_rss), max(pss, seen_pss)
        time.sleep(1 / _SAMPLES_HZ)
    return rss, pss


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:
        return  # Linux's way of saying that nobody holds the other end any more

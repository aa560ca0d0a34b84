"""What a process and all its descendants cost, read from Linux's /proc."""

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def tree(pid: int) -> Iterator[int]:
    """Yield a process and its living descendants; those that end meanwhile may be missing."""
    yield pid
    try:
        threads = list((_PROC / str(pid) / "task").iterdir())
        children = [child for thread in threads for child in _words(thread / "children")]
    except OSError:
        return
    for child in children:
        yield from tree(int(child))


def children_cpu_s() -> float:
    """CPU time of this process's descendants, living and ended, without its own.

    `resource.RUSAGE_CHILDREN` alone counts children only once they have ended.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(_cpu_s(pid) for pid in tree(os.getpid()) if pid != os.getpid())
    return ended.ru_utime + ended.ru_stime + living


def memory_bytes(pid: int) -> tuple[int, int]:
    """RSS and PSS of a process and its descendants, in bytes.

    RSS counts what processes share once for each of them, PSS once in all.
    """
    rss = pss = 0
    for member in tree(pid):
        try:
            lines = (_PROC / str(member) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
        rss += 1024 * sizes.get("Rss", 0)
        pss += 1024 * sizes.get("Pss", 0)
    return rss, pss


def _cpu_s(pid: int) -> float:
    try:
        # Linux's clock of another process's CPU time (clock_getcpuclockid), in nanoseconds; its
        # files in /proc count in hundredths of a second.
        running = time.clock_gettime(~pid << 3 | 2)
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return running + _TICK_S * (int(fields[13]) + int(fields[14]))


def _words(path: Path) -> list[str]:
    return path.read_text().split()

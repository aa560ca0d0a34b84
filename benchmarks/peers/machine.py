"""What a measurement was made on."""

import os
import platform
from pathlib import Path

from peers import compiled
from peers.contenders import CONTENDERS
from recommender import _native


def describe() -> dict[str, str]:
    """Machine, system and how busy it was, by name."""
    load = os.getloadavg()[0]
    return {
        "processor": _processor(),
        "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
        "kernels of this project": _native.kernels,
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "load before the run": f"{load:.1f}",
    }


def versions() -> dict[str, str]:
    """Versions of all that takes part, by name."""
    found = {"Python": platform.python_version()}
    for contender in CONTENDERS:
        found.update(contender.versions)
    return found | compiled.versions()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

"""From a folder to a library: the whole analysis, as `recommender library scan` does it."""

import os
import tempfile
from pathlib import Path
from typing import Any

from peers.contender import Contender, Prepare, Work
from recommender import preprocessor
from recommender.analysis import scan
from recommender.library import Library
from recommender.parameters import DEFAULT


def analysis(jobs: int | None = None, **options: Any) -> Prepare:
    """Analyse a folder into a new library; `jobs` is the number of cores unless given."""
    network = preprocessor.load(DEFAULT.name)
    n_jobs = jobs or len(os.sched_getaffinity(0))
    homes = tempfile.TemporaryDirectory(prefix="peers-")

    def prepare(folder: Path) -> Work:
        home = Path(tempfile.mkdtemp(dir=homes.name))

        def work() -> None:
            with Library.open(home / "library.db") as library:
                report = scan(library, [folder], network, jobs=n_jobs, **options)
            if report.failures or not report.n_analysed:
                raise RuntimeError(f"{folder}: {report}")

        return work

    return prepare


ONE_JOB, ALL_JOBS, FAST = "analysis, one job", "analysis, a job a core", "analysis, --fast"

CONTENDERS = (
    Contender(name=ONE_JOB, group="scan", setup=lambda: analysis(1)),
    Contender(name=ALL_JOBS, group="scan", setup=analysis),
    Contender(name=FAST, group="scan", setup=lambda: analysis(1, fast=True)),
)

"""The blocks of a ranking, scored on other machines; the library stays on this one."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import threadpoolctl

from recommender import cluster
from recommender.errors import DistributedError
from recommender.library import Coded
from recommender.profile import Profile
from recommender.ranking import Run, Task
from recommender.ranking.scoring import Ids, Scores


@contextlib.contextmanager
def scoring_nodes(address: str | None = None, *, jobs: int = 1) -> Iterator[Run]:
    """Have what runs the tasks of a ranking on a cluster; it is joined when there are some.

    Only a few blocks are on their way at a time. For the parameters see `cluster.session`.
    """
    with contextlib.ExitStack() as at_end:
        ray: Any = None

        def run(tasks: Iterable[Task]) -> Iterator[Scores]:
            nonlocal ray
            if ray is None:
                ray, _ = at_end.enter_context(cluster.session(address, jobs=jobs))
            work = ray.remote(num_cpus=1)(_score)
            shared: Any = None

            def submit(task: Task) -> Any:
                nonlocal shared
                if shared is None:  # the same for all; sent but once
                    shared = ray.put(task.profiles)
                return work.remote(shared, task.coded, task.lengths, task.numbers)

            for _, scores in cluster.in_turn(ray, submit, tasks):
                try:
                    yield ray.get(scores)
                except cluster.lost(ray) as error:
                    reason = str(error).strip().splitlines()[0]
                    raise DistributedError(
                        f"the cluster could not score a part of the library ({reason}); rank again,"
                        " or without --engine ray"
                    ) from None

        yield run


def _score(profiles: tuple[Profile, ...], coded: Coded, lengths: Ids, numbers: Ids) -> Scores:
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        return Task(profiles=profiles, coded=coded, lengths=lengths, numbers=numbers)()

"""The work of a scan on other machines, to which its files have the same paths."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import threadpoolctl

from recommender import cluster
from recommender.analysis import Extractor
from recommender.analysis.records import Failed, Identity, Seen
from recommender.analysis.sections import Options
from recommender.analysis.work import Outcome

MOST_ATTEMPTS = 3
"""How often a file may be under way when its process ends, before it is to blame."""

POISON = (
    f"the process that worked on it was ended {MOST_ATTEMPTS} times; if the file is sound,"
    " --retry tries it again"
)


class Nodes:
    """Workers on a cluster, which is joined, or begun on this machine, at once.

    Parameters
    ----------
    extractor : Extractor
    options : Options
    address, jobs
        See `cluster.session`.
    """

    def __init__(
        self, extractor: Extractor, options: Options, *, address: str | None, jobs: int
    ) -> None:
        self._at_end = contextlib.ExitStack()
        self._ray, _ = self._at_end.enter_context(cluster.session(address, jobs=jobs))
        self._work = self._ray.remote(num_cpus=1, max_retries=MOST_ATTEMPTS - 1)(_work)
        self._shared = (self._ray.put(extractor), options)
        self._under_way: dict[Any, Future[Identity | Outcome]] = {}
        self.n_at_once = cluster.n_at_once(self._ray)

    def submit(
        self, work: Callable[..., Identity | Outcome], *what: object
    ) -> Future[Identity | Outcome]:
        """See `analysis.work.Workers`."""
        reference = self._work.remote(work, what, *self._shared)
        future: Future[Identity | Outcome] = Future()
        self._under_way[reference] = future

        def settle(done: Future[Identity | Outcome]) -> None:
            self._under_way.pop(reference, None)
            if not future.set_running_or_notify_cancel():
                return
            error = done.exception()
            if error is None:
                future.set_result(done.result())
            elif isinstance(error, cluster.lost(self._ray)):
                future.set_result(_lost(what[0]))
            else:
                future.set_exception(error)

        reference.future().add_done_callback(settle)
        return future

    def stop(self) -> None:
        """See `analysis.work.Workers`."""
        for reference, future in list(self._under_way.items()):
            if future.cancel():
                self._ray.cancel(reference)
        self._at_end.close()


def _work(
    work: Callable[..., Identity | Outcome],
    what: tuple[object, ...],
    extractor: Extractor,
    options: Options,
) -> Identity | Outcome:
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        return work(*what, extractor, options, threading.Event())


def _lost(what: object) -> Failed:
    seen, key = (what.seen, what.key) if isinstance(what, Identity) else (what, None)
    assert isinstance(seen, Seen)
    return Failed(seen=seen, reason=POISON, lasting=True, key=key)

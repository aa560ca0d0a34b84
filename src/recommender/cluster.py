"""Ray as it is used here: on this machine alone, or on a cluster that is there already."""

import contextlib
import logging
import os
import socket
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from recommender.errors import DistributedError
from recommender.extras import need

T = TypeVar("T")

LEAST_MEMORY = 2**27
"""Bytes of Ray's store, which all processes of a machine share."""

_PATIENCE_S = 10.0

_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
"""Nothing is sent to anybody or printed, logs are not kept, Ctrl-C ends the work at once."""


def load(module: str) -> Any:
    """Import a module of Ray; raises ParameterError if it is missing."""
    os.environ.update(_QUIET)  # some of it is read when Ray is imported
    return need(module, "ray")


@contextlib.contextmanager
def session(
    address: str | None = None, *, jobs: int, memory: int = LEAST_MEMORY
) -> Iterator[tuple[Any, Path]]:
    """Use Ray; where this process uses it already, nothing is started and nothing ended.

    Parameters
    ----------
    address : str, optional
        Of a cluster, such as "10.0.0.1:6379"; "auto": the one that this machine belongs to. By
        default Ray is started on this machine, and ended afterwards; nobody else can reach it.
    jobs : int
        Processes at the same time, if it is started here.
    memory : int
        Bytes of its store, if it is started here.

    Yields
    ------
    module, Path
        Ray, and a temporary folder on this machine.

    Raises
    ------
    ParameterError
        If Ray is missing.
    DistributedError
        If there is no cluster at this address.
    """
    ray = load("ray")
    # Names of sockets must be short: other temporary folders may lie too deep.
    parent = "/tmp" if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory("", "ray-", parent, ignore_cleanup_errors=True) as folder:
        if ray.is_initialized():
            yield ray, Path(folder)
            return
        alone = {
            "num_cpus": jobs,
            "num_gpus": 0,
            "object_store_memory": memory,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": folder,
        }
        if address is not None:
            _check_reachable(address)
        try:
            try:
                ray.init(
                    address=address or "local",
                    log_to_driver=False,
                    logging_level="critical",
                    **({} if address else alone),
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                reason = str(error).strip().splitlines()[0]
                if address is None:
                    raise DistributedError(f"Ray does not start here ({reason})") from None
                raise _unreachable(address, reason) from None
            _keep_answers_clean(ray)
            yield ray, Path(folder)
        finally:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Refuse an address at which nobody listens: Ray itself would try for minutes."""
    _, _, host_and_port = address.rpartition("/")  # of ray://
    host, _, port = host_and_port.rpartition(":")
    if address == "auto":
        return
    if not (host and port.isdigit()):
        raise _unreachable(address, "that is no HOST:PORT")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S):
            pass
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str, reason: str) -> DistributedError:
    return DistributedError(
        f"no Ray cluster answers at {address} ({reason}); give HOST:PORT of its head, or auto on a"
        " machine that belongs to it"
    )


def _keep_answers_clean(ray: Any) -> None:
    """Have Ray tell of losses in a line on standard error; standard output is for answers."""
    worker = ray._private.worker
    tell = getattr(worker, "print_to_stdstream", None)
    if tell is None or tell.__module__ == __name__:
        return

    def briefly(batch: dict[str, Any], *arguments: Any, **named: Any) -> None:
        lines = [str(line).partition("\n")[0] for line in batch["lines"]]
        tell({**batch, "lines": lines, "is_err": True}, *arguments, **named)

    worker.print_to_stdstream = briefly


def datasets() -> Any:
    """Import Ray Data, and keep it quiet; its settings are those of Ray as it is now."""
    data = load("ray.data")
    with warnings.catch_warnings():  # its own defaults are deprecated
        warnings.simplefilter("ignore")
        context = data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return data


def lost(ray: Any) -> tuple[type[Exception], ...]:
    """Return the errors of work whose process or machine was ended as often as it was tried."""
    errors = ray.exceptions
    return (
        errors.WorkerCrashedError,
        errors.OutOfMemoryError,
        errors.NodeDiedError,
        errors.ObjectLostError,
    )


def n_at_once(ray: Any) -> int:
    """Return how many pieces of work keep a cluster busy: two for each processor."""
    return max(2, 2 * int(ray.cluster_resources().get("CPU", 1)))


def in_turn(ray: Any, submit: Callable[[T], Any], items: Iterable[T]) -> Iterator[tuple[T, Any]]:
    """Hand out work, and yield each item with the reference to its result, in their order.

    Only a few more are under way than there are processors, whatever their number; what is under
    way when nobody wants it any more is cancelled.
    """
    running: deque[tuple[T, Any]] = deque()
    n_most = n_at_once(ray)
    try:
        for item in items:
            running.append((item, submit(item)))
            if len(running) >= n_most:
                ray.wait([running[0][1]])
                yield running.popleft()
        while running:
            ray.wait([running[0][1]])
            yield running.popleft()
    finally:
        for _, reference in running:
            ray.cancel(reference)

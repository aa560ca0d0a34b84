"""What takes long: one job at a time, in a process of its own, written down.

Each job has a file below the home folder, so that it survives the server: one that was under way
when the server ended is `interrupted`, and can be resumed, since all work goes on where it stopped.
"""

import contextlib
import fcntl
import functools
import logging
import secrets
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from pydantic import ValidationError

from recommender.errors import RecommenderError
from recommender.files import write_atomically
from recommender.web import children
from recommender.web.schemas import Job, JobKind, JobProgress

N_KEPT: Final = 50
"""So many jobs are remembered; those that ended first go."""

MOST_QUEUED: Final = 20

WORKER: Final = (sys.executable, "-m", "recommender.web.worker")

ENDED: Final = frozenset({"done", "failed", "cancelled", "interrupted"})

_log = logging.getLogger(__name__)


class BusyError(RecommenderError):
    """Too many jobs wait already."""


class Jobs:
    """The jobs of a server; as a context manager it works on them, in turn.

    All methods may be called from any thread.

    Parameters
    ----------
    home : Path
        Folder of the library; jobs are kept in ``jobs`` below it.
    command : sequence of str
        What does a job: see `recommender.web.worker`.
    """

    def __init__(self, home: Path, command: Sequence[str] = WORKER) -> None:
        self._command = command
        self._home, self._folder = home, home / "jobs"
        self._jobs: dict[str, Job] = {}
        self._versions: dict[str, int] = {}
        self._queue: deque[str] = deque()
        self._lock = threading.Condition()
        self._running: tuple[str, subprocess.Popen[bytes]] | None = None
        self._closing = False
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_alone(self._folder))
            self._read()
            worker = threading.Thread(target=self._work, name="jobs", daemon=True)
            worker.start()
            stack.callback(worker.join)
            stack.callback(self._close)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def all(self) -> list[Job]:
        """List the jobs, the newest first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: job.created_at, reverse=True)

    def get(self, job_id: str) -> Job | None:
        """Return a job; ``None`` if there is none of this id."""
        with self._lock:
            return self._jobs.get(job_id)

    def version(self, job_id: str) -> int:
        """Return a number that grows whenever a job changes."""
        with self._lock:
            return self._versions.get(job_id, 0)

    def submit(self, kind: JobKind, arguments: dict[str, Any]) -> Job:
        """Queue a job; if the same waits or runs already, it is that one.

        Raises
        ------
        BusyError
            If very many wait.
        """
        with self._lock:
            for job in self._jobs.values():
                if job.state not in ENDED and (job.kind, job.arguments) == (kind, arguments):
                    return job
            self._check_room()
            job = Job(
                id=secrets.token_hex(8),
                kind=kind,
                arguments=arguments,
                state="queued",
                created_at=datetime.now(UTC),
            )
            self._enqueue(job)
            return job

    def cancel(self, job_id: str) -> Job | None:
        """End a job, wherever it is; what it has done stays. One that has ended stays as it is."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is not None and job.state == "queued":
                self._queue.remove(job_id)
                self._end(job, "cancelled")
            elif job is not None and job.state == "running":
                # The thread that waits for it takes care of the rest.
                self._put(job.model_copy(update={"state": "cancelled"}))
                if self._running is not None:
                    self._running[1].terminate()
            return self._jobs.get(job_id)

    def resume(self, job_id: str) -> Job | None:
        """Queue a job again that did not come to its end; others stay as they are.

        Raises
        ------
        BusyError
            If very many wait.
        """
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or job.state not in ENDED or job.state == "done":
                return job
            self._check_room()
            fresh = {"state": "queued", "error": None, "result": None, "finished_at": None}
            self._enqueue(job.model_copy(update=fresh))
            return self._jobs[job_id]

    def page(self, job_id: str) -> Path:
        """Where a job leaves a page for the browser, if it makes one."""
        return self._folder / f"{job_id}.html"

    # ----------------------------------------------------------------------------------------------

    def _check_room(self) -> None:
        if len(self._queue) >= MOST_QUEUED:
            raise BusyError(f"{len(self._queue)} jobs wait already; wait for some, or cancel them")

    def _enqueue(self, job: Job) -> None:
        self._put(job)
        self._save(job)
        self._queue.append(job.id)
        self._lock.notify_all()

    def _put(self, job: Job) -> None:
        self._jobs[job.id] = job
        self._versions[job.id] = self._versions.get(job.id, 0) + 1

    def _end(self, job: Job, state: str, **more: object) -> None:
        job = job.model_copy(update={"state": state, "finished_at": datetime.now(UTC), **more})
        self._put(job)
        self._save(job)
        ended = sorted(
            (job for job in self._jobs.values() if job.state in ENDED),
            key=lambda job: job.finished_at or job.created_at,
        )
        for old in ended[:-N_KEPT]:
            del self._jobs[old.id]
            for path in (self._path(old.id), self.page(old.id)):
                path.unlink(missing_ok=True)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._closing or self._queue)
                if self._closing:
                    return
                job = self._jobs[self._queue.popleft()]
                job = job.model_copy(
                    update={
                        "state": "running",
                        "started_at": datetime.now(UTC),
                        "progress": JobProgress(),
                    }
                )
                self._put(job)
                self._save(job)
                try:
                    process = children.start(self._command, self._home, job, self.page(job.id))
                except OSError as error:
                    reason = f"no process could be started for it ({error.strerror})"
                    self._end(job, "failed", error=reason)
                    continue
                self._running = (job.id, process)
            answer = children.follow(process, functools.partial(self._progress, job.id))
            with self._lock:
                self._running = None
                job = self._jobs[job.id]
                if job.state == "queued":
                    continue  # cancelled, and resumed before this process had ended
                if job.state == "cancelled":
                    self._end(job, "cancelled")
                elif "result" in answer:
                    self._end(job, "done", result=answer["result"])
                elif self._closing:
                    self._end(job, "interrupted")
                else:
                    self._end(job, "failed", error=answer["error"])

    def _progress(self, job_id: str, told: JobProgress) -> None:
        with self._lock:
            self._put(self._jobs[job_id].model_copy(update={"progress": told}))

    def _close(self) -> None:
        with self._lock:
            self._closing = True
            if self._running is not None:
                self._running[1].terminate()
            for job_id in self._queue:
                self._end(self._jobs[job_id], "interrupted")
            self._lock.notify_all()

    def _read(self) -> None:
        """Read what is written down; what was under way is no more."""
        for path in self._folder.glob("*.json"):
            try:
                job = Job.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                _log.warning("%s: cannot be read, so it is left out (%s)", path, error)
                continue
            if job.state not in ENDED:
                job = job.model_copy(update={"state": "interrupted"})
                self._save(job)
            self._put(job)

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"

    def _save(self, job: Job) -> None:
        try:
            write_atomically(self._path(job.id), job.model_dump_json(indent=1).encode())
        except OSError as error:  # it goes on all the same, but will not be remembered
            _log.warning("%s: cannot be written (%s)", self._path(job.id), error.strerror)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Make sure that no other server works on the same jobs."""
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(folder / "lock", "wb"))
        except OSError as error:
            raise RecommenderError(f"{folder}: cannot be written to ({error.strerror})") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RecommenderError(
                f"{folder.parent}: another server works with this home; end it, or set"
                " RECOMMENDER_HOME to another folder"
            ) from None
        yield

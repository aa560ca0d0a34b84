"""The processes that do jobs, seen from the server; see `recommender.web.worker`."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from recommender.web.schemas import Job, JobProgress

WAITED_S: Final = 10.0
"""So long a process may take to end after its last word."""

Process = subprocess.Popen[bytes]


def start(command: Sequence[str], home: Path, job: Job, page: Path) -> Process:
    """Start a process, and tell it what to do.

    Parameters
    ----------
    command : sequence of str
    home : Path
        Folder of the library.
    job : Job
    page : Path
        Where it may leave a page for the browser.

    Raises
    ------
    OSError
        If there can be no more processes.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "RECOMMENDER_HOME": str(home)},
        process_group=0,  # Ctrl-C in a terminal reaches the server alone
    )
    task = {
        "kind": job.kind,
        "arguments": job.arguments,
        "home": os.fsencode(home).hex(),
        "page": os.fsencode(page).hex(),
    }
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # its end will tell
        process.stdin.write(json.dumps(task).encode() + b"\n")
        process.stdin.flush()
    return process


def follow(process: Process, on_progress: Callable[[JobProgress], None]) -> dict[str, Any]:
    """Read what a process tells until it ends.

    Returns
    -------
    dict
        Its last word: with ``result``, or with ``error``, for people.
    """
    last: dict[str, Any] = {}
    assert process.stdout is not None
    assert process.stdin is not None
    for line in process.stdout:
        if not line.endswith(b"\n"):  # it was killed while it told this
            break
        told = json.loads(line)
        if "done" in told:
            on_progress(JobProgress(**told))
        else:
            last = told
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        code = process.wait(WAITED_S)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if last:
        return last
    name = next((s.name for s in signal.Signals if s == -code), f"code {code}")
    return {"error": f"the work ended unexpectedly ({name}); see the server's log, and resume"}

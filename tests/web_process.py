"""A server in a process of its own, which tests may kill, and what asks it over the network."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from commands import COMMAND
from kills import wait_for_the_end_of

API = "/api/v1"
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Got:
    """What the server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """``recommender serve`` over a home, at a free port; as a context manager it ends."""

    def __init__(self, home: Path, *words: str) -> None:
        self.log = home.with_name("serve.log")
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [*COMMAND, "serve", "--port", "0", "--no-browser", *words],
                stdout=log,
                stderr=log,
                env={**os.environ, "RECOMMENDER_HOME": str(home)},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.port = 0
        self.wait_for(self._listens)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        log = self.log.read_text()
        assert "Traceback" not in log, log

    def kill(self) -> None:
        """Kill it as kill -9 does, and wait until none of its processes is left."""
        self._process.kill()
        self._process.wait(60)
        wait_for_the_end_of(self.pid)

    def ask(
        self,
        path: str,
        method: str = "GET",
        content: object = None,
        headers: dict[str, str] | None = None,
    ) -> Got:
        """Ask for something, on a connection of its own."""
        body = None if content is None else json.dumps(content)
        sent = {"Content-Type": "application/json"} if body else {}
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        ) as connection:
            connection.request(method, path, body, {**sent, **(headers or {})})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, named, answer.read())

    def job(self, job_id: str) -> Any:
        """Return a job as it is now."""
        return self.ask(f"{API}/jobs/{job_id}").json

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert self._process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "it takes too long"
            time.sleep(0.02)

    def follow(self, job_id: str) -> Iterator[Any]:
        """Yield a job whenever something of it changes, until it has ended."""
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        ) as connection:
            connection.request("GET", f"{API}/jobs/{job_id}/events")
            answer = connection.getresponse()
            assert answer.getheader("content-type", "").startswith("text/event-stream")
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def _listens(self) -> bool:
        found = re.search(r"http://[^ /]+:(\d+)/", self.log.read_text())
        if found is None:
            return False
        self.port = int(found[1])
        with contextlib.suppress(ConnectionRefusedError):
            return self.ask(f"{API}/status").status in (200, 401)
        return False

"""Requests as attackers write them, handed to the application byte for byte, without a network."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI

from recommender.audio import Tags
from recommender.library import WHOLE, File, Library, Section

HOST = "127.0.0.1:8765"
OWN = {"host": HOST}


@dataclass(frozen=True)
class Reply:
    """What the application answered."""

    status: int
    headers: dict[str, str]
    body: bytes
    all_headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    app: FastAPI,
    target: str,
    method: str = "GET",
    headers: dict[str, str] | Sequence[tuple[str, str]] = OWN,
    body: bytes | Iterable[bytes] = b"",
    *,
    client: str = "127.0.0.1",
    pause_s: float = 0.0,
    send_s: float = 0.0,
    fail_with: Exception | None = None,
) -> Reply:
    """Ask as a server does that has read these bytes.

    Parameters
    ----------
    target : str
        Path and query as they stand in the request.
    body : bytes or iterable of bytes
        In parts, with `pause_s` before each but the first.
    send_s : float
        How long the client takes for each part of the answer.
    fail_with : Exception, optional
        What the server raises when the answer's body is to be sent: the client is gone.

    Returns
    -------
    Reply
        Its status is 0 if nothing was answered.
    """
    raw_path, _, query = target.partition("?")
    pairs = headers.items() if isinstance(headers, dict) else headers
    parts = [body] if isinstance(body, bytes) else list(body)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in pairs],
        "client": (client, 50_000),
        "server": ("127.0.0.1", 8765),
        "state": {},
    }
    messages: list[Any] = []

    async def run() -> None:
        unread = parts.copy()
        is_answered = asyncio.Event()

        async def receive() -> Any:
            if not unread:
                await is_answered.wait()
                return {"type": "http.disconnect"}
            if len(unread) < len(parts):
                await asyncio.sleep(pause_s)
            return {"type": "http.request", "body": unread.pop(0), "more_body": bool(unread)}

        async def send(message: Any) -> None:
            await asyncio.sleep(send_s)
            if fail_with is not None and message["type"] == "http.response.body":
                raise fail_with
            messages.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                is_answered.set()

        await app(scope, receive, send)

    asyncio.run(run())
    if not messages:
        return Reply(0, {}, b"")
    pairs_sent = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in messages[0]["headers"]]
    return Reply(
        status=messages[0]["status"],
        headers=dict(pairs_sent),
        body=b"".join(message.get("body", b"") for message in messages[1:]),
        all_headers=pairs_sent,
    )


@contextlib.contextmanager
def lifespan(app: FastAPI) -> Iterator[FastAPI]:
    """Start an application, and end it."""

    @contextlib.asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with app.router.lifespan_context(app):
            yield

    with asyncio.Runner() as runner:
        context = running()
        runner.run(context.__aenter__())
        try:
            yield app
        finally:
            runner.run(context.__aexit__(None, None, None))


def remember(
    home: Path,
    path: Path,
    duration_s: float,
    *,
    tags: Tags | None = None,
    sections: Sequence[Section] = (WHOLE,),
    root: Path | None = None,
) -> list[int]:
    """Write a file into the library as a scan does, but for its features; return its ids."""
    state = path.stat()
    with Library.open(home / "library.db") as library:
        if root is not None:
            library.remember_roots([root])
        files = [
            File(
                path=path,
                section=section,
                size=state.st_size,
                mtime_ns=state.st_mtime_ns,
                content_hash=f"{abs(hash((str(path), section.number))):064x}",
                duration_s=(section.end_s or duration_s) - (section.start_s or 0.0),
                tags=tags or Tags(),
                file_s=duration_s,
            )
            for section in sections
        ]
        library.remember_sections([(file, None) for file in files])
        rows = library._rows(
            "SELECT track_id FROM files WHERE path = ? ORDER BY number", (str(path).encode(),)
        )
    return [track_id for (track_id,) in rows]

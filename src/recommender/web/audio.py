"""The sound of tracks, as browsers play it."""

import contextlib
import os
from collections.abc import Generator
from typing import IO, Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from recommender.web import playable, transcoding
from recommender.web.common import files_of, library_of, name_of
from recommender.web.files import open_first
from recommender.web.ranges import Version, part_of
from recommender.web.schemas import Id
from recommender.web.texts import disposition

router = APIRouter(tags=["tracks"])

STALL_S = 180.0
"""A listener that takes nothing for so long is let go; a player that goes on asks anew."""

_CHUNK_BYTES = 1 << 17
_TYPES = ("audio/mpeg", "audio/flac", "audio/ogg", "audio/wav", "audio/mp4")
_BINARY: dict[str, Any] = {
    media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in _TYPES
}


class Sound(StreamingResponse):
    """Bytes that are read while they are sent.

    Parameters
    ----------
    chunks : generator of bytes
        Closed at the end, whatever that is.
    """

    def __init__(self, chunks: Generator[bytes, None, None], **options: Any) -> None:
        super().__init__(chunks, **options)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and close what it is read from."""

        async def send_in_time(message: Any) -> None:
            with anyio.fail_after(STALL_S):
                await send(message)

        try:
            # What was begun is no whole answer: the server closes the connection.
            with contextlib.suppress(TimeoutError):
                await super().__call__(scope, receive, send_in_time)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._chunks.close)


@router.head("/tracks/{track_id}/audio", include_in_schema=False)
@router.get(
    "/tracks/{track_id}/audio",
    response_class=Response,
    summary="Hear a track",
    responses={
        200: {"description": "All of it.", "content": _BINARY},
        206: {"description": "The part that was asked for.", "content": _BINARY},
        304: {"description": "It has not changed."},
    },
)
def hear(
    request: Request,
    track_id: Annotated[Id, Path()],
    encoding: Annotated[
        Literal["mp3"] | None,
        Query(alias="format", description="By default as the file is, if browsers can play that."),
    ] = None,
) -> Response:
    """Stream the sound of a track; parts can be asked for.

    What browsers cannot play is transcoded to MP3 meanwhile, and so are tracks that are parts of a
    file.
    """
    with library_of(request) as library:
        found = files_of(library, track_id)
        i, file = open_first(library, [one.path for one in found])
    with contextlib.ExitStack() as on_error:
        on_error.enter_context(file)
        track, state = found[i], os.fstat(file.fileno())
        is_part = track.start_s is not None
        media_type = None if is_part or encoding else playable.media_type(file)
        if media_type is None:
            size, kind = transcoding.n_bytes(track.duration_s), f"-{track.start_s or 0:.3f}"
        else:
            size, kind = state.st_size, ""
        tag = f'"{state.st_mtime_ns:x}-{state.st_size:x}-{size:x}{kind}"'
        version = Version(tag=tag, modified_s=state.st_mtime)
        headers = version.headers
        if version.is_known(request.headers):
            return Response(status_code=304, headers=headers)
        part = part_of(request.headers, size, version)
        start, end = part or (0, size)
        headers |= {
            "Accept-Ranges": "bytes",
            "Content-Length": str(end - start),
            "Content-Disposition": disposition(name_of(track), inline=True),
        }
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        options: dict[str, Any] = {
            "status_code": 206 if part else 200,
            "headers": headers,
            "media_type": media_type or transcoding.MEDIA_TYPE,
        }
        if request.method == "HEAD":
            return Response(**options)
        if media_type is None:
            chunks = transcoding.encoded(file, start, end - start, begin_s=track.start_s or 0.0)
        else:
            chunks = _read(file, start, end)
        begun = _begun(chunks)
        on_error.pop_all()
    return Sound(begun, **options)


def _begun(chunks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """Read the first chunk now: what goes wrong by then can still be answered."""
    first = next(chunks, b"")

    def all_chunks() -> Generator[bytes, None, None]:
        with contextlib.closing(chunks):
            yield first
            yield from chunks

    return all_chunks()


def _read(file: IO[bytes], start: int, end: int) -> Generator[bytes, None, None]:
    with file:
        while start < end and (
            chunk := os.pread(file.fileno(), min(_CHUNK_BYTES, end - start), start)
        ):
            start += len(chunk)
            yield chunk

"""Decoding with libav, as PyAV brings it, in workers: processes that live on from file to file."""

import atexit
import contextlib
import functools
import json
import struct
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.audio.containers import CONTAINERS
from recommender.audio.supervision import Child, DecoderError, check_pace, hashing_limit_s

_HEAD = struct.Struct("<cI")
_WORKER = Path(__file__).with_name("worker.py")

_Message = tuple[bytes, NDArray[np.uint8]]

_idle: list[Child] = []
_lock = threading.Lock()


class RefusedError(DecoderError):
    """The worker is well, but libav says no to this file."""


class GaveUpError(DecoderError):
    """What follows is more than the worker can do: another format, or damage of some kinds."""


@functools.cache
def is_available() -> bool:
    """Tell whether a worker starts: whether PyAV is installed and its libraries load."""
    try:
        with _worker():
            return True
    except (DecoderError, OSError):
        return False


def blocks(path: Path, sr: int) -> Generator[NDArray[np.int16], None, None]:
    """Stream the first audio stream as mono samples; see `recommender.audio.blocks`.

    Raises
    ------
    DecoderError
    """
    n_samples = 0
    with _worker() as child:
        started_s = child.waited_s
        for kind, content in _ask(child, path, {"what": "blocks", "sr": sr}):
            if kind == b"G":
                raise GaveUpError
            block = content.view("<i2")
            n_samples += block.size
            yield block
            check_pace(child.waited_s - started_s, n_samples / sr)


def windows(
    path: Path, starts: Sequence[int], length: int, sr: int
) -> Generator[tuple[int, NDArray[np.int16]], None, None]:
    """Stream windows of the first audio stream; see `recommender.audio.windows`.

    Raises
    ------
    DecoderError
    """
    with _worker() as child:
        start = 0
        request = {"what": "windows", "starts": list(starts), "length": length, "sr": sr}
        for kind, content in _ask(child, path, request):
            if kind == b"S":
                start = int(content.view("<i8")[0])
            else:
                yield start, content.view("<i2")


def content_hash(path: Path, n_bytes: int) -> str | None:
    """Hash the packets of the first audio stream of a file of this size; ``None``: there are none.

    Raises
    ------
    DecoderError
    """
    with _worker() as child:
        answers = list(_ask(child, path, {"what": "hash"}, within_s=hashing_limit_s(n_bytes)))
    return answers[0][1].tobytes().decode() if answers else None


@contextlib.contextmanager
def _worker() -> Iterator[Child]:
    """Lend an idle worker, or a new one; it goes back only if its answer was read to the end."""
    child = _take()
    try:
        yield child
    except RefusedError:
        _give_back(child)
        raise
    except BaseException:
        child.kill()
        raise
    _give_back(child)


def _take() -> Child:
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.is_alive():  # those of the process that this one was forked from are not
                return child
            child.kill()
    child = Child([sys.executable, "-P", str(_WORKER), CONTAINERS], stdin=subprocess.PIPE)
    try:
        _read(child)  # it says that it is ready
    except BaseException:
        child.kill()
        raise
    return child


def _give_back(child: Child) -> None:
    with _lock:
        _idle.append(child)


@atexit.register
def _end_workers() -> None:
    with _lock:
        while _idle:
            _idle.pop().kill()


def _ask(
    child: Child, path: Path, request: dict[str, Any], *, within_s: float | None = None
) -> Iterator[_Message]:
    """Send a request; yield messages until it is done."""
    # Absolute: the worker stays where it was started.
    child.write(json.dumps(request | {"path": str(path.absolute())}).encode() + b"\n")
    while True:
        kind, content = _read(child, within_s)
        if kind == b"D":
            return
        if kind == b"X":
            _read(child, within_s)  # done, all the same
            raise RefusedError(content.tobytes().decode(errors="replace"))
        yield kind, content


def _read(child: Child, within_s: float | None = None) -> _Message:
    head = bytearray(_HEAD.size)
    _fill(child, memoryview(head), within_s)
    kind, size = _HEAD.unpack(head)
    content = np.empty(size, np.uint8)
    _fill(child, content.data, within_s)
    return kind, content


def _fill(child: Child, buffer: memoryview, within_s: float | None) -> None:
    if child.read_into(buffer, within_s=within_s) < len(buffer):
        last = child.wait().splitlines()[-1:]
        raise DecoderError(f"the decoder ended early ({' '.join(last)})")

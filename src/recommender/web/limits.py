"""How much may be asked at a time: bytes and seconds of uploads, calls that cost much."""

import ipaddress
import re
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

_API = "/api/v1"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What calls of some kind may cost.

    Attributes
    ----------
    calls : str
        Regular expression of method and path.
    burst : int
        Calls of a client that are let through at once,
    per_s : float
        and how many more are each second.
    at_once : int
        Calls, of all clients, that may be under way.
    """

    calls: str
    burst: int
    per_s: float
    at_once: int


LIMITS: Final = (
    Limit(calls="POST /login", burst=10, per_s=0.1, at_once=4),
    Limit(calls=f"POST ({_API})?/predict", burst=10, per_s=0.2, at_once=2),
    Limit(calls=f"POST {_API}/(profiles/upload|playlists)", burst=20, per_s=0.5, at_once=2),
    Limit(calls=f"POST {_API}/jobs/[^/]+/resume", burst=30, per_s=1, at_once=4),
    Limit(
        calls=f"POST {_API}/(library/scans|profiles|evaluations|genres)",
        burst=30,
        per_s=1,
        at_once=4,
    ),
    Limit(calls=f"POST {_API}/profiles/[^/]+/(feedback|undo)", burst=60, per_s=3, at_once=4),
    Limit(calls=f"GET ({_API})?/profiles/[^/]+/quality", burst=10, per_s=0.2, at_once=2),
    Limit(calls=f"GET {_API}/library/map", burst=20, per_s=1, at_once=2),
    Limit(
        calls=f"GET ({_API})?/tracks/[0-9]+/(explanation|why|genres)",
        burst=60,
        per_s=3,
        at_once=4,
    ),
    Limit(calls=rf"GET {_API}/tracks/[0-9]+/spectrogram\.png", burst=60, per_s=3, at_once=16),
    Limit(calls=f"GET {_API}/tracks/[0-9]+/audio", burst=400, per_s=20, at_once=128),
    Limit(calls=f"GET {_API}/jobs/[^/]+/events", burst=60, per_s=1, at_once=24),
)
"""The first that fits counts."""

ANY: Final = Limit(calls=".*", burst=2000, per_s=200, at_once=400)
"""For all calls together."""


class Buckets:
    """Counts what clients ask; each has a bucket of calls that fills up again.

    May be used from any thread.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    N_CLIENTS = 4096  # remembered for each kind of call: those that asked last

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._levels: dict[Limit, OrderedDict[str, tuple[float, float]]] = {}
        self._running = Counter[Limit]()
        self._lock = threading.Lock()

    def take(self, limit: Limit, client: str) -> float:
        """Count a call; return 0, or after how many seconds it may be tried again."""
        now = self._clock()
        with self._lock:
            levels = self._levels.setdefault(limit, OrderedDict())
            level, since = levels.pop(client, (float(limit.burst), now))
            level = min(float(limit.burst), level + (now - since) * limit.per_s)
            wait_s = 0.0 if level >= 1 else (1 - level) / limit.per_s
            levels[client] = (level if wait_s else level - 1, now)
            while len(levels) > self.N_CLIENTS:
                levels.popitem(last=False)
            return wait_s

    def give(self, limit: Limit, client: str) -> None:
        """Take a call back: it does not count."""
        with self._lock:
            level, since = self._levels[limit][client]
            self._levels[limit][client] = (min(float(limit.burst), level + 1), since)

    def enter(self, limit: Limit) -> bool:
        """Begin a call, if not too many are under way; it has to `leave` then."""
        with self._lock:
            if self._running[limit] >= limit.at_once:
                return False
            self._running[limit] += 1
            return True

    def leave(self, limit: Limit) -> None:
        """End a call that was let in."""
        with self._lock:
            self._running[limit] -= 1


def limit_of(method: str, path: str) -> Limit | None:
    """Return the limit for a call; ``None`` if only that for all counts."""
    call = f"{'GET' if method == 'HEAD' else method} {path}"
    return next((limit for limit in LIMITS if re.fullmatch(limit.calls, call)), None)


def client_of(address: str | None) -> str:
    """Whom a call is counted for: an address, or the network of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return str(address)
    if isinstance(found, ipaddress.IPv6Address) and not found.is_loopback:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


@dataclass(frozen=True, kw_only=True)
class BodyLimit:
    """What the body of a request may be.

    Attributes
    ----------
    n_bytes : int
    total_s, pause_s : float
        How long all of it may take, and how long nothing may come.
    """

    n_bytes: int
    total_s: float = 60.0
    pause_s: float = 20.0


PLAIN: Final = BodyLimit(n_bytes=8 << 20)
BODIES: Final = (
    ("/login", BodyLimit(n_bytes=4096, total_s=10.0, pause_s=5.0)),
    (f"{_API}/(profiles/upload|playlists)", BodyLimit(n_bytes=16 << 20)),
    (f"({_API})?/predict", BodyLimit(n_bytes=256 << 20, total_s=600.0)),
)
"""By path; others are `PLAIN`."""


def body_limit_of(path: str) -> BodyLimit:
    """Return the limit for the body of a request to this path."""
    return next((limit for pattern, limit in BODIES if re.fullmatch(pattern, path)), PLAIN)


def limited(receive: Receive, limit: BodyLimit, has_answered: Callable[[], bool]) -> Receive:
    """Read the body of a request, but not more and not longer than its limit.

    Where it is exceeded, reading raises `HTTPException`: 413 or 408.

    Parameters
    ----------
    receive : callable
        Of ASGI.
    limit : BodyLimit
    has_answered : callable
        Tells whether the answer has begun, so that there can be no other.
    """
    n_read, is_whole, begun = 0, False, time.monotonic()

    def refused(status: int, detail: str) -> Message:
        if has_answered():
            return {"type": "http.disconnect"}
        raise HTTPException(status, detail, headers={"Connection": "close"})

    async def receive_limited() -> Message:
        nonlocal n_read, is_whole
        if is_whole:  # what comes now is the end of the connection
            return await receive()
        left_s = min(limit.pause_s, begun + limit.total_s - time.monotonic())
        try:
            with anyio.fail_after(max(0.0, left_s)):
                message = await receive()
        except TimeoutError:
            return refused(408, "what you send comes too slowly; try again on a faster connection")
        if message["type"] == "http.request":
            n_read += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
        if n_read > limit.n_bytes:
            return refused(413, too_large(limit))
        return message

    return receive_limited


def too_large(limit: BodyLimit) -> str:
    """Say that there is too much."""
    size = f"{limit.n_bytes >> 20} MiB" if limit.n_bytes >> 20 else f"{limit.n_bytes} bytes"
    return f"what you send is larger than {size}, which is the most that is taken here"

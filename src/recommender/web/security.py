"""What guards the server: the outermost layer, which every request passes first.

A page of any other site can make a browser send requests here, and can have its own name lead here
(DNS rebinding). So requests must name this server as browsers and people name it, and must come
from its own pages or from no page at all. All answers tell browsers to run nothing but this
program's own scripts and styles. Whoever listens on other addresses needs a token.
"""

import contextlib
import ipaddress
import logging
import re
import socket
from urllib.parse import quote, unquote_to_bytes

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommender.errors import ParameterError
from recommender.web import limits, problems
from recommender.web.limits import ANY, Buckets
from recommender.web.login import Door
from recommender.web.login import router as router
from recommender.web.problems import Problem
from recommender.web.settings import Settings

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
)
"""Content-Security-Policy of reports, which are one file each, without scripts."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "private, no-cache",
}
"""Of answers that do not say otherwise."""

_SAFE = ("GET", "HEAD", "OPTIONS")
_OPEN = re.compile(r"/login|/favicon\.ico|/static/.*")  # without a token
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,253})(?::[0-9]{1,5})?")
_LENGTH = re.compile(r"[0-9]{1,18}")
_NOT_IN_PATHS = re.compile(rb"[\x00-\x1f\x7f\\]|(^|/)\.{1,2}(/|$)|//")
_SIMPLE = ("application/x-www-form-urlencoded", "text/plain", "")

_log = logging.getLogger(__name__)


def check_address(host: str, token: str | None) -> None:
    """Refuse to listen for others without a token.

    Raises
    ------
    ParameterError
    """
    if token is None and not _is_loopback(host):
        raise ParameterError(
            f"at {host} everybody in the network could see your library, hear your music and"
            " change your profiles; set a token that has to be shown (--token or --password-file),"
            " or stay at 127.0.0.1"
        )


def protect(app: FastAPI, settings: Settings) -> None:
    """Add what guards the application, the outermost layer.

    Raises
    ------
    ParameterError
        If others could come in without a token, or if it is short.
    """
    check_address(settings.host, settings.token)
    door = None if settings.token is None else Door(settings.token, settings.port)
    app.state.door = door
    app.add_middleware(Guard, settings=settings, door=door)


class Guard:
    """The layer itself (ASGI)."""

    def __init__(self, app: ASGIApp, *, settings: Settings, door: Door | None) -> None:
        self._app, self._settings, self._door = app, settings, door
        self._buckets = Buckets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer that it is refused."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        has_answered = False

        async def send_guarded(message: Message) -> None:
            nonlocal has_answered
            if message["type"] == "http.response.start":
                has_answered = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        try:
            with contextlib.ExitStack() as under_way:
                self._check(scope, headers)
                if (refusal := self._identify(scope, headers)) is not None:
                    await refusal(scope, receive, send_guarded)
                    return
                self._count(scope, under_way)
                body_limit = limits.body_limit_of(scope["path"])
                if int(headers.get("content-length", "0")) > body_limit.n_bytes:
                    raise Problem(413, limits.too_large(body_limit))
                body = limits.limited(receive, body_limit, lambda: has_answered)
                await self._app(scope, body, send_guarded)
        except Problem as problem:
            # In ASCII with control characters escaped: no line of the log can be forged.
            _log.info("refused: %s %a: %a", scope["method"], scope["path"][:200], problem.detail)
            answer = problems.answer(problem.status, problem.detail, headers=problem.headers)
            await answer(scope, receive, send_guarded)
        except Exception:
            if not has_answered:
                answer = problems.answer(500, "this is a defect of the program; see its log")
                await answer(scope, receive, send_guarded)
            raise

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Refuse what names no place of this server, and what other sites have browsers send."""
        raw = scope.get("raw_path") or scope["path"].encode()
        path = unquote_to_bytes(raw)
        if _NOT_IN_PATHS.search(path) or re.search(rb"%(2f|5c|00)", raw, re.IGNORECASE):
            raise Problem(400, "this is no path of this server")
        if path.decode("utf-8", "replace") != scope["path"] or b"%" in path:
            raise Problem(400, "the path is not encoded as it should be")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or (found := _HOST.fullmatch(hosts[0])) is None:
            raise Problem(400, "the Host header must name this server, once")
        if not self._is_own_name(found[1].lower()):
            raise Problem(
                421, f"this server is not called {found[1]}: use the address that it was started at"
            )
        if any(not _LENGTH.fullmatch(length) for length in headers.getlist("content-length")):
            raise Problem(400, "the Content-Length header is no number")
        _check_origin(scope, headers, hosts[0].lower())

    def _is_own_name(self, name: str) -> bool:
        """Tell whether a name is this server's, and cannot be made to lead here by others."""
        if name == "localhost":
            return True
        try:
            if name.startswith("["):
                address: ipaddress.IPv4Address | ipaddress.IPv6Address
                address = ipaddress.IPv6Address(name[1:-1])
            else:
                address = ipaddress.IPv4Address(name)
        except ValueError:
            own = {self._settings.host.lower(), socket.gethostname().lower()}
            return not _is_loopback(self._settings.host) and name.removesuffix(".local") in own
        return address.is_loopback or not _is_loopback(self._settings.host)

    def _identify(self, scope: Scope, headers: Headers) -> Response | None:
        """Return what to answer if a token is needed and not shown.

        Raises
        ------
        Problem
            If somebody seems to be guessing.
        """
        path = scope["path"]
        if self._door is None or _OPEN.fullmatch(path):
            return None
        # Of two cookies of this name one may have been set by somebody else.
        cookies = [cookie_parser(line) for line in headers.getlist("cookie")]
        shown = [
            found[self._door.cookie_name] for found in cookies if self._door.cookie_name in found
        ]
        if any(map(self._door.admits, shown)):
            return None
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            limit = limits.limit_of("POST", "/login")
            assert limit is not None
            client = limits.client_of((scope.get("client") or [None])[0])
            if wait_s := self._buckets.take(limit, client):
                raise _later(wait_s)
            if self._door.opens(token.strip()):
                self._buckets.give(limit, client)
                return None
        is_page = "text/html" in headers.get("accept", "") and "hx-request" not in headers
        if is_page and scope["method"] in ("GET", "HEAD"):
            query = scope.get("query_string", b"")
            wanted = quote(path) + ("?" + query.decode("ascii", "replace") if query else "")
            return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
        return problems.answer(
            401,
            "show the token that this server was started with",
            headers={"WWW-Authenticate": "Bearer", "HX-Redirect": "/login"},
        )

    def _count(self, scope: Scope, under_way: contextlib.ExitStack) -> None:
        """Refuse what is more than may be asked at a time, or at once."""
        client = limits.client_of((scope.get("client") or [None])[0])
        special = limits.limit_of(scope["method"], scope["path"])
        for limit in (ANY, special):
            if limit is None:
                continue
            if wait_s := self._buckets.take(limit, client):
                raise _later(wait_s)
            if not self._buckets.enter(limit):
                raise _later(2.0)
            under_way.callback(self._buckets.leave, limit)


def _check_origin(scope: Scope, headers: Headers, host: str) -> None:
    """Refuse what a page of another site, or of another port, has a browser send."""
    method, site = scope["method"], headers.get("sec-fetch-site")
    origins = {re.sub(r"^https?://", "", origin.lower()) for origin in headers.getlist("origin")}
    if origins - {host}:
        raise Problem(403, "this comes from a page of another site")
    if method in _SAFE:
        is_visit = (
            headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
            and method == "GET"
            and not re.match(r"/api/|/predict", scope["path"])
        )
        if site not in (None, "same-origin", "none") and not is_visit:
            raise Problem(403, "this is asked for by a page of another site")
        return
    if site not in (None, "same-origin"):
        raise Problem(403, "this comes from a page of another site")
    referer = headers.get("referer")
    if not origins and site is None:
        # No browser of today, then; what forms can send needs a proof all the same.
        if referer is not None and re.sub(r"^https?://([^/?#]*).*", r"\1", referer) != host:
            raise Problem(403, "this comes from a page of another site")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if kind in _SIMPLE and has_body:
            raise Problem(415, "send JSON, or multipart/form-data for files")


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _later(wait_s: float) -> Problem:
    return Problem(
        429,
        "too many of these at a time; try again a little later",
        headers={"Retry-After": str(max(1, round(wait_s + 0.5)))},
    )

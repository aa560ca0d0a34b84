"""The token that lets people in, and the cookie that remembers it."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from recommender.errors import ParameterError

MIN_LENGTH: Final = 8
VALID_S: Final = 30 * 24 * 3600

router = APIRouter(include_in_schema=False)


class Door:
    """Knows the token, and who has shown it.

    Cookies hold no token, but until when they count, signed with a key that is made of it: they
    outlast the server, and end with the token.

    Parameters
    ----------
    token : str
    port : int
        Cookies of all ports of a machine are one pot.
    clock : callable
        Seconds since 1970.

    Raises
    ------
    ParameterError
        If the token is short.
    """

    def __init__(self, token: str, port: int, clock: Callable[[], float] = time.time) -> None:
        if len(token) < MIN_LENGTH:
            raise ParameterError(
                f"the token must have at least {MIN_LENGTH} characters, or it can be guessed"
            )
        self.cookie_name = f"recommender-{port}"
        self._digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        # Slow on purpose, for whoever finds a cookie and wants to guess the token.
        self._key = hashlib.scrypt(
            token.encode("utf-8", "surrogateescape"), salt=b"recommender", n=2**14, r=8, p=1
        )
        self._clock = clock

    def opens(self, token: str) -> bool:
        """Tell whether this is the token, in a time that says nothing."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(digest, self._digest)

    def cookie(self) -> str:
        """Return a new value for the cookie."""
        told = f"{int(self._clock()) + VALID_S:x}.{secrets.token_hex(8)}"
        return f"{told}.{self._sign(told)}"

    def admits(self, cookie: str) -> bool:
        """Tell whether a value is one that was given, and still counts."""
        told, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(told).encode()):
            return False
        return int(told.partition(".")[0], 16) > self._clock()

    def _sign(self, told: str) -> str:
        return hmac.new(self._key, told.encode("utf-8", "replace"), "sha256").hexdigest()


@router.post("/login")
def log_in(
    request: Request,
    token: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Give a cookie for the token."""
    door: Door | None = request.app.state.door
    target = local(next)
    if door is not None and not door.opens(token):
        return RedirectResponse(f"/login?failed=1&next={quote(target, safe='')}", 303)
    answer = RedirectResponse(target, 303)
    if door is not None:
        answer.set_cookie(
            door.cookie_name,
            door.cookie(),
            max_age=VALID_S,
            httponly=True,
            samesite="strict",
            secure=request.headers.get("origin", "").startswith("https:"),
        )
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    """Take the cookie away."""
    answer = RedirectResponse("/login", 303)
    if (door := request.app.state.door) is not None:
        answer.delete_cookie(door.cookie_name, httponly=True, samesite="strict")
    return answer


def local(target: str) -> str:
    """Return where to go on, if that is a page of this server; else the first page."""
    is_plain = target.isprintable() and target.isascii() and "\\" not in target
    is_local = target.startswith("/") and not target.startswith("//")
    return target if is_plain and is_local else "/"

"""How pages are made: whole ones, parts of some, and those that say what is wrong."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from recommender import profile as profiles
from recommender.errors import RecommenderError
from recommender.web.common import settings_of
from recommender.web.problems import Problem
from recommender.web.schemas import Job
from recommender.web.templating import environment
from recommender.web.texts import shown

_STATIC = Path(__file__).parent / "static"
_templates = environment()

_EMPTY_JOB = Job.model_validate(
    {
        "id": "new",
        "kind": "scan",
        "arguments": {},
        "state": "queued",
        "created_at": "2000-01-01T00:00:00Z",
    }
)


class PageRoute(APIRoute):
    """Answers with a page even if something is wrong."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            # A form without scripts also sends what was not filled in.
            filled = parse_qsl(request.scope["query_string"])
            request.scope["query_string"] = urlencode(filled).encode()
            try:
                return await handler(request)
            except Problem as problem:
                return error_page(request, problem.status, problem.detail)
            except RequestValidationError as error:
                return error_page(request, 422, _wrong(error))
            except RecommenderError as error:
                return error_page(request, 409, str(error))

        return handle


def _wrong(error: RequestValidationError) -> str:
    """Tell what of an address, or of a form, cannot be."""
    return "; ".join(
        f"{str(found['loc'][1]).replace('_', ' ')}: "
        + found["msg"].removeprefix("Value error, ").removeprefix("Input ")
        for found in error.errors()
    )


def mount_static(app: FastAPI) -> None:
    """Serve the static files at /static, and a page where there is none."""
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    answer = app.exception_handlers[HTTPException]

    def handle(request: Request, error: Exception) -> Response:
        is_page = not request.url.path.startswith(("/api/", "/static/"))
        if is_page and isinstance(error, HTTPException) and error.status_code == 404:
            return error_page(request, 404, "There is no such page.")
        return answer(request, error)  # type: ignore[return-value]

    app.add_exception_handler(HTTPException, handle)


def render(request: Request, template: str, *, code: int = 200, **values: Any) -> HTMLResponse:
    """Render a whole page, with what all of them share."""
    current = values.pop("current_profile", None) or newest_profile(request)
    ranking = f"/ranking/{quote(current, safe='')}" if current else "/profiles"
    page = _templates.get_template(template).render(
        current_profile=current,
        section=request.url.path.split("/")[1],
        navigation=[
            ("Ranking", ranking, "ranking"),
            ("Library", "/library", "library"),
            ("Profiles", "/profiles", "profiles"),
            ("Genre", "/genre", "genre"),
            ("Map", "/map", "map"),
        ],
        empty_job=_EMPTY_JOB,
        **values,
    )
    # File names may hold bytes that are no characters.
    return HTMLResponse(page.encode("utf-8", "replace"), code, {"Cache-Control": "no-store"})


def part(template: str, **values: Any) -> HTMLResponse:
    """Render a part of a page."""
    page = _templates.get_template(template).render(**values)
    return HTMLResponse(page.encode("utf-8", "replace"), headers={"Cache-Control": "no-store"})


def error_page(request: Request, status: int, detail: str) -> HTMLResponse:
    """Say what is wrong."""
    heading = {404: "Not found", 409: "Not now", 422: "That cannot be"}.get(
        status, HTTPStatus(status).phrase
    )
    return render(
        request, "error.html", code=status, status=status, heading=heading, detail=shown(detail)
    )


def newest_profile(request: Request) -> str | None:
    """Name the profile that changed last, if there is any."""
    home = settings_of(request).home
    names = profiles.names(home)
    return max(names, key=lambda name: profiles.path_of(name, home).stat().st_mtime, default=None)

"""Errors as problem details (RFC 9457, Problem Details for HTTP APIs)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from recommender.errors import CheckpointError, LibraryError, RecommenderError
from recommender.web.jobs import BusyError
from recommender.web.schemas import ProblemDetails
from recommender.web.texts import shown

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)

RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "The request cannot be answered; the detail says why.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
    },
}
"""What every call may answer, for the OpenAPI document."""


class Problem(Exception):  # noqa: N818 (the word of the standard)
    """A request that cannot be answered.

    Parameters
    ----------
    status : int
        Of HTTP, 400 to 599.
    detail : str
        What is wrong, and what to do.
    headers : mapping, optional
    **more
        Members of the answer beside those of the standard.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, headers, more


def answer(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """Return a problem as an answer; for parameters see `Problem`."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": shown(detail),
        **more,
    }
    return JSONResponse(
        content, status, headers=dict(headers) if headers else None, media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Have an application answer every error in this form."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(RecommenderError, _on_error)
    app.add_exception_handler(Exception, _on_defect)


def _on_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return answer(error.status, error.detail, headers=error.headers, **error.more)


def _on_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return answer(error.status_code, str(error.detail), headers=error.headers)


def _on_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Neither the values nor their contexts: they may be secret, or no JSON.
    errors = [
        {"where": ".".join(map(shown, found["loc"])), "what": shown(found["msg"])}
        for found in error.errors()
    ]
    detail = "; ".join(f"{found['where']}: {found['what']}" for found in errors)
    return answer(422, detail or "the request does not fit", errors=errors)


def _on_error(_: Request, error: Exception) -> JSONResponse:
    # What the request asks for makes no sense, or does not fit what is there now.
    if isinstance(error, BusyError):
        return answer(429, str(error), headers={"Retry-After": "10"})
    status = 409 if isinstance(error, LibraryError | CheckpointError) else 422
    return answer(status, str(error))


def _on_defect(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return answer(500, "this is a defect of the program; its log says more")


def describe(app: FastAPI) -> None:
    """Put the form of problems into the OpenAPI document, in place of FastAPI's own."""
    schema = app.openapi()
    parts = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        parts.pop(name, None)
    parts["ProblemDetails"] = ProblemDetails.model_json_schema()
    for path in schema.get("paths", {}).values():
        for operation in path.values():
            operation.get("responses", {}).pop("422", None)

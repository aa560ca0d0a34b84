"""Evaluations: how good recommendations are for one's own playlists."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from recommender.web import schemas
from recommender.web.common import jobs_of
from recommender.web.problems import Problem
from recommender.web.security import REPORT_POLICY
from recommender.web.texts import path_of

router = APIRouter(tags=["evaluations"], prefix="/evaluations")


@router.post("", status_code=202)
def evaluate(request: Request, wanted: schemas.EvaluationRequest) -> schemas.Job:
    """Hide a part of each playlist, and see how much of it a profile finds again; a job."""
    for text in wanted.folders:
        if not path_of(text).exists():
            raise Problem(422, f"{text}: there is no such folder or playlist")
    return jobs_of(request).submit("evaluation", wanted.model_dump())


@router.get(
    "/{job_id}",
    response_model=dict[str, Any],
    responses={
        200: {
            "description": "The report.",
            "content": {
                "application/json": {"example": {"first": 20, "n_draws": 5, "playlists": []}},
                "text/html": {"schema": {"type": "string"}},
            },
        }
    },
)
def evaluation(
    request: Request,
    job_id: str,
    format: Annotated[Literal["json", "html"], Query()] = "json",
) -> Response:
    """Return the report of an evaluation that is done."""
    jobs = jobs_of(request)
    job = jobs.get(job_id)
    if job is None or job.kind != "evaluation":
        raise Problem(404, f"there is no evaluation {job_id}")
    if job.state != "done" or job.result is None:
        raise Problem(409, f"the evaluation is {job.state}")
    if format == "json":
        return JSONResponse(job.result)
    try:
        policy = {"Content-Security-Policy": REPORT_POLICY}
        return HTMLResponse(jobs.page(job_id).read_bytes(), headers=policy)
    except OSError:
        raise Problem(404, "its page is not there any more") from None

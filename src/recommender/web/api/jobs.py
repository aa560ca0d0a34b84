"""Jobs: what takes long."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from recommender.web import schemas
from recommender.web.common import jobs_of
from recommender.web.jobs import ENDED, Jobs
from recommender.web.problems import Problem

router = APIRouter(tags=["jobs"], prefix="/jobs")

_LOOK_S = 0.2
_SIGN_OF_LIFE_S = 15.0  # proxies close what is silent for long


@router.get("")
def jobs(request: Request) -> list[schemas.Job]:
    """List the jobs, the newest first."""
    return jobs_of(request).all()


@router.get("/{job_id}")
def job(request: Request, job_id: str) -> schemas.Job:
    """Tell how far a job is, or what came of it."""
    return _found(jobs_of(request).get(job_id), job_id)


@router.delete("/{job_id}")
def cancel(request: Request, job_id: str) -> schemas.Job:
    """Cancel a job; what it has done so far stays."""
    return _found(jobs_of(request).cancel(job_id), job_id)


@router.post("/{job_id}/resume")
def resume(request: Request, job_id: str) -> schemas.Job:
    """Go on with a job that was interrupted or cancelled, or that failed."""
    return _found(jobs_of(request).resume(job_id), job_id)


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `progress` with a job as data, then `end`.",
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "event": {"enum": ["progress", "end"]},
                            "data": {"type": "string", "contentMediaType": "application/json"},
                        },
                    },
                    "example": 'event: progress\ndata: {"id": "9f86d081884c7d65"}\n\n',
                }
            },
        }
    },
)
async def events(request: Request, job_id: str) -> StreamingResponse:
    """Follow a job until it ends."""
    jobs = jobs_of(request)
    _found(jobs.get(job_id), job_id)
    return StreamingResponse(
        _follow(jobs, job_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _follow(jobs: Jobs, job_id: str) -> AsyncIterator[str]:
    version, silent_s = -1, 0.0
    while (job := jobs.get(job_id)) is not None:
        now = jobs.version(job_id)
        if now != version:
            version, silent_s = now, 0.0
            yield f"event: progress\ndata: {job.model_dump_json()}\n\n"
        if job.state in ENDED:
            yield f"event: end\ndata: {job.model_dump_json()}\n\n"
            return
        if silent_s >= _SIGN_OF_LIFE_S:
            silent_s = 0.0
            yield ":\n\n"
        await asyncio.sleep(_LOOK_S)
        silent_s += _LOOK_S


def _found(job: schemas.Job | None, job_id: str) -> schemas.Job:
    if job is None:
        raise Problem(404, f"there is no job {job_id}")
    return job

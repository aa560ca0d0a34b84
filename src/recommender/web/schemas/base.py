"""What all schemas are made of."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from recommender.web.texts import path_of

MOST_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=MOST_ID)]
PathText = Annotated[str, Field(min_length=1, max_length=4096)]
FilePath = Annotated[PathText, AfterValidator(lambda text: path_of(text) and text)]
"""Text that is an absolute path; `texts.path_of` makes it one."""
Score = Annotated[float, Field(ge=0, le=1)]
ProfileName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=80,
        pattern=r"^[^\W_][\w .+\-]*$",
    ),
]
"""Letters, digits, spaces and . + - _, a letter or digit first."""

Paths = Annotated[list[FilePath], Field(max_length=1000)]
Ids = Annotated[list[Id], Field(max_length=10_000)]

JobKind = Literal["scan", "profile", "evaluation", "genres"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
RecipeName = Literal["default", "network", "thesis"]


class Model(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def example(**values: Any) -> ConfigDict:
    """Return the settings of a model with an example."""
    return ConfigDict(extra="forbid", allow_inf_nan=False, json_schema_extra={"examples": [values]})


class ProblemDetails(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "there is no track 7",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str


def paths_of(texts: list[str]) -> list[Path]:
    """Return the paths that validated texts are."""
    return [path_of(text) for text in texts]

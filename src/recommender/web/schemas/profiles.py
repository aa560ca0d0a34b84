"""Profiles, rankings and evaluations."""

from typing import Annotated, Literal

from pydantic import Field

from recommender.web.schemas.base import Ids, Model, Paths, ProfileName, RecipeName, example


class Known(Model):
    """A track that a profile knows; without a number if the library does not hold it."""

    id: int | None
    path: str
    title: str | None
    artist: str | None
    start_s: float | None
    end_s: float | None
    score: float | None


class ProfileSummary(Model):
    """A profile in a list."""

    model_config = example(
        name="mine",
        created_at="2025-05-01T09:31:00+00:00",
        recipe="default",
        n_liked=24,
        n_disliked=1,
        error=None,
    )

    name: str
    created_at: str | None
    recipe: str | None
    n_liked: int
    n_disliked: int
    error: str | None = Field(default=None, description="Why it cannot be used, if so.")


class UploadedProfile(ProfileSummary):
    """A profile of a playlist, and what of it the library does not hold."""

    model_config = example(
        name="mine",
        created_at="2025-05-01T09:31:00+00:00",
        recipe="default",
        n_liked=24,
        n_disliked=0,
        error=None,
        n_unknown=1,
        unknown=["../Nina/Lost.mp3"],
    )

    n_unknown: int
    unknown: list[str] = Field(description="The first hundred, as the playlist names them.")


class PlaylistTracks(Model):
    """What the library holds of a playlist."""

    model_config = example(
        title="Road", tracks=[7, 9], n_unknown=1, unknown=["../Nina/Lost.mp3"], notes=[]
    )

    title: str = Field(description="Its own, or else its file's name.")
    tracks: list[int] = Field(description="Numbers of tracks, each once.")
    n_unknown: int
    unknown: list[str] = Field(description="The first hundred, as the playlist names them.")
    notes: list[str]


class ProfileDetails(Model):
    """A profile."""

    model_config = example(
        name="mine",
        created_at="2025-05-01T09:31:00+00:00",
        recipe="default",
        fingerprint="6f0d2a91c3b4",
        n_liked=1,
        n_disliked=0,
        n_others=788,
        others_from="library",
        liked_score=0.86,
        other_score=0.21,
        n_earlier=2,
        sentences=["mine likes 1 track; it learned what sets it apart from 788 others."],
        liked=[
            {
                "id": 7,
                "path": "/home/nina/Music/Nina/Sinnerman.flac",
                "title": "Sinnerman",
                "artist": "Nina Simone",
                "start_s": None,
                "end_s": None,
                "score": 0.86,
            }
        ],
        disliked=[],
    )

    name: str
    created_at: str
    recipe: str
    fingerprint: str
    n_liked: int
    n_disliked: int
    n_others: int
    others_from: str
    liked_score: float
    other_score: float | None
    n_earlier: int = Field(description="So often it can be undone.")
    sentences: list[str] = Field(description="What it is, in plain words.")
    liked: list[Known]
    disliked: list[Known]


class ProfileRequest(Model):
    """What to make a profile of."""

    model_config = example(
        name="mine", folders=["/home/nina/Music/Nina"], tracks=[7], dislike=[], recipe="default"
    )

    name: ProfileName
    folders: Paths = Field(default_factory=list)
    tracks: Ids = Field(default_factory=list)
    dislike: Ids = Field(default_factory=list)
    recipe: RecipeName = "default"


class Feedback(Model):
    """Opinions."""

    model_config = example(like=[7], dislike=[], forget=[])

    like: Ids = Field(default_factory=list)
    dislike: Ids = Field(default_factory=list)
    forget: Ids = Field(default_factory=list)


class Changed(Model):
    """A track whose opinion changed."""

    id: int | None
    path: str
    opinion: Literal["liked", "disliked", "neither"]
    score_before: float | None
    score_after: float | None


class FeedbackAnswer(Model):
    """The profile as it is now."""

    profile: ProfileSummary
    changes: list[Changed]


class HiddenTrack(Model):
    """A liked track while it was hidden."""

    path: str
    score: float
    share_below: float


class Quality(Model):
    """How well a profile finds liked tracks that are hidden from it."""

    model_config = example(
        auc=0.93,
        n_hidden=24,
        n_found=17,
        n_first=20,
        n_others=788,
        n_found_by_chance=0.61,
        sentences=["17 of 24 hidden tracks would be in the first 20 of 789; by chance 0.6."],
        outliers=[],
    )

    auc: float
    n_hidden: int
    n_found: int
    n_first: int
    n_others: int
    n_found_by_chance: float
    sentences: list[str]
    outliers: list[HiddenTrack]


class RankedTrack(Model):
    """A place in a ranking."""

    rank: int
    id: int
    score: float
    artist: str | None
    title: str | None
    album: str | None
    path: str
    duration_s: float
    start_s: float | None
    end_s: float | None
    fast: bool
    liked: bool
    disliked: bool
    duplicates: list[str]


class Ranking(Model):
    """A part of a ranking."""

    model_config = example(
        total=788,
        complete=True,
        offset=0,
        note=None,
        items=[
            {
                "rank": 1,
                "id": 9,
                "score": 0.97,
                "artist": "Ella Fitzgerald",
                "title": "Summertime",
                "album": None,
                "path": "/home/nina/Music/Ella/Summertime.flac",
                "duration_s": 298.0,
                "start_s": None,
                "end_s": None,
                "fast": False,
                "liked": False,
                "disliked": False,
                "duplicates": [],
            }
        ],
    )

    total: int
    complete: bool = Field(description="If not, total is how many there are at most.")
    offset: int
    note: str | None = Field(description="What is to be known about the scores.")
    items: list[RankedTrack]


class EvaluationRequest(Model):
    """What to evaluate: each folder or playlist of the library by itself."""

    model_config = example(folders=["/home/nina/Music/Nina"], seeds=5)

    folders: Annotated[Paths, Field(min_length=1)]
    seeds: Annotated[int, Field(ge=1, le=20)] = 5
    unheard_artists: bool = False

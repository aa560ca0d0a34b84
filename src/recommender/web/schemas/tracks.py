"""Tracks, and why they have their scores."""

from pydantic import Field

from recommender.web.schemas.base import Model, example

_SINNERMAN = {
    "id": 7,
    "artist": "Nina Simone",
    "title": "Sinnerman",
    "album": "Pastel Blues",
    "genre": "Jazz",
    "path": "/home/nina/Music/Nina/Sinnerman.flac",
    "duration_s": 619.4,
    "start_s": None,
    "end_s": None,
    "is_missing": False,
}


class Track(Model):
    """A recording and one of the files that hold it."""

    model_config = example(**_SINNERMAN)

    id: int
    artist: str | None
    title: str | None
    album: str | None
    genre: str | None = Field(description="As its tags name it.")
    path: str
    duration_s: float
    start_s: float | None = Field(
        default=None, description="Where it begins in its file, if in a part."
    )
    end_s: float | None = None
    is_missing: bool = Field(default=False, description="Its file is not there now.")


class Tracks(Model):
    """Some of the tracks that were found."""

    total: int
    offset: int
    items: list[Track]


class Span(Model):
    """A part of a track, in seconds of its file."""

    start_s: float
    end_s: float


class Provenance(Model):
    """How features came about."""

    fingerprint: str
    preprocessor: str = Field(description="default, thesis, or kept: one of the user's own.")
    fast: bool = Field(description="Heard in a few windows only.")
    n_fragments: int


class TrackDetails(Track):
    """All that is known of a track."""

    model_config = example(
        **_SINNERMAN,
        content_hash="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        fragments=[{"start_s": 0.0, "end_s": 8.0}],
        provenance=[
            {
                "fingerprint": "6f0d2a91c3b4",
                "preprocessor": "default",
                "fast": False,
                "n_fragments": 77,
            }
        ],
        files=["/home/nina/Music/Nina/Sinnerman.flac"],
    )

    content_hash: str
    fragments: list[Span]
    provenance: list[Provenance]
    files: list[str] = Field(description="All files that hold this recording.")


class ScoredSpan(Span):
    """A fragment with its score."""

    score: float


class Neighbour(Model):
    """A fragment of another track that sounds like one of this track."""

    id: int
    title: str
    start_s: float
    end_s: float
    cosine: float
    score: float
    disliked: bool


class Marked(Model):
    """A fragment that stands out, and what it sounds like."""

    fragment: int = Field(description="Number in the list of fragments, from 0.")
    nearest: list[Neighbour]


class Alike(Model):
    """A track that sounds like this one as a whole."""

    id: int
    title: str
    cosine: float
    score: float


class Explanation(Model):
    """Why a track has its score."""

    model_config = example(
        profile="mine",
        track=7,
        title="Sinnerman by Nina Simone",
        score=0.91,
        place=3,
        n_ranked=789,
        share_below=0.99,
        liked=False,
        disliked=False,
        fragments=[{"start_s": 0.0, "end_s": 8.0, "score": 0.91}],
        best=[{"fragment": 0, "nearest": []}],
        worst=[],
        nearest_liked=[{"id": 9, "title": "Summertime", "cosine": 0.7, "score": 0.97}],
        nearest_other=[],
        verdict=["It scores 0.91 and would be number 3 of 789 in a ranking of the library."],
        changes=[],
    )

    profile: str
    track: int
    title: str
    score: float
    place: int
    n_ranked: int
    share_below: float | None
    liked: bool
    disliked: bool
    fragments: list[ScoredSpan]
    best: list[Marked] = Field(description="Best fragments, beside liked music.")
    worst: list[Marked] = Field(description="Worst fragments, beside other music.")
    nearest_liked: list[Alike]
    nearest_other: list[Alike]
    verdict: list[str]
    changes: list[str]

"""Genres: systems and what they tell."""

from pydantic import Field

from recommender.web.schemas.base import FilePath, Model, ProfileName, Score, example


class GenreShare(Model):
    """How much of a genre there is."""

    genre: str
    share: Score


class SharesOverTime(Model):
    """Shares of one piece; in the order of the genres."""

    start_s: float
    end_s: float
    shares: list[float]


class Prediction(Model):
    """The genres of a track or a file, as a whole and over time."""

    model_config = example(
        model="mine",
        genre="jazz",
        genres=["jazz", "metal"],
        shares=[{"genre": "jazz", "share": 0.83}, {"genre": "metal", "share": 0.17}],
        duration_s=8.0,
        over_time=[{"start_s": 0.0, "end_s": 8.0, "shares": [0.83, 0.17]}],
    )

    model: str
    genre: str = Field(description="The one with the greatest share.")
    genres: list[str]
    shares: list[GenreShare] = Field(description="The greatest first; they add up to 1.")
    duration_s: float
    over_time: list[SharesOverTime]


class GenreModel(Model):
    """A trained system that can predict."""

    name: str
    system: str
    genres: list[str]
    accuracy: float | None = Field(description="On music that it was not trained on.")


class Genres(Model):
    """What can tell genres."""

    model_config = example(
        models=[
            {"name": "mine", "system": "frozen", "genres": ["jazz", "metal"], "accuracy": 0.81}
        ],
    )

    models: list[GenreModel]


class GenreTraining(Model):
    """What to train a system on."""

    model_config = example(name="mine", folder=None)

    name: ProfileName
    folder: FilePath | None = Field(
        None, description="Holds a folder of music for each genre; none: the library's genre tags."
    )

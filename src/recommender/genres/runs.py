"""What there is to tell of a run, for reports and for scripts."""

import dataclasses
import datetime
import platform
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from recommender.genres.material import Material
from recommender.genres.metrics import Scores
from recommender.genres.model import GenreModel
from recommender.training import Epoch

_ALWAYS = ("recommender", "numpy")
_PACKAGES = {
    "network": ("torch",),
    "map": ("MiniSom",),
    "classical": ("scikit-learn", "catboost", "librosa"),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was done, on what, and what came of it: all that a report tells.

    Attributes
    ----------
    system, title, source, published : str
        See `System`; `published` is empty where there is no figure.
    collection : str
    genres : tuple of str
    split_kind, split_description : str
    n_training, n_validation, n_test : int
        Tracks in each part (of a leaky split: pieces).
    history : tuple of Epoch
        Empty for what is not trained by epochs.
    scores : Scores
        Of the test tracks.
    failures : tuple of (str, str)
        Files that could not be used, and why.
    settings : dict
        Inputs, hyperparameters and training, as plain values.
    seed : int
    versions : dict
        Of the packages that had a part in it.
    created : str
        Date and time, ISO 8601.
    training_s : float
    n_parameters : int
        Trained numbers; 0 where they are not counted.
    """

    system: str
    title: str
    source: str
    published: str
    collection: str
    genres: tuple[str, ...]
    split_kind: str
    split_description: str
    n_training: int
    n_validation: int
    n_test: int
    history: tuple[Epoch, ...]
    scores: Scores
    failures: tuple[tuple[str, str], ...]
    settings: dict[str, Any]
    seed: int
    versions: dict[str, str]
    created: str
    training_s: float
    n_parameters: int


def told(
    material: Material,
    model: GenreModel,
    scores: Scores,
    *,
    split: tuple[str, str],
    counts: tuple[int, int, int],
    history: tuple[Epoch, ...],
    settings: dict[str, Any],
    seed: int,
    training_s: float,
) -> Run:
    """Put together what is to be told of a run; ``counts`` are of training, validation and test."""
    system = model.system
    plain = {
        "pieces_per_track": material.n_pieces,
        "inputs": dataclasses.asdict(system.inputs),
        "network": dict(system.settings),
        "training": None if system.training is None else dataclasses.asdict(system.training),
    }
    return Run(
        system=system.name,
        title=system.title,
        source=system.source,
        published=system.published,
        collection=material.collection.name,
        genres=model.genres,
        split_kind=split[0],
        split_description=split[1],
        n_training=counts[0],
        n_validation=counts[1],
        n_test=counts[2],
        history=history,
        scores=scores,
        failures=tuple(
            (str(path), reason.removeprefix(f"{path}: ")) for path, reason in material.failures
        ),
        settings={name: value for name, value in plain.items() if value} | settings,
        seed=seed,
        versions={
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in (*_ALWAYS, *_PACKAGES[model.kind])},
        },
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        training_s=training_s,
        n_parameters=model.n_parameters,
    )

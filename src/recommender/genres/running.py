"""One run: trained on one part of a collection, tested on another; and cross-validation."""

import dataclasses
import datetime
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from recommender.errors import DatasetError
from recommender.genres import learning, metrics, splits
from recommender.genres.learning import Examples
from recommender.genres.material import Material
from recommender.genres.metrics import Scores
from recommender.genres.model import GenreModel
from recommender.genres.sources import Collection, LabelledTrack
from recommender.genres.splits import Split
from recommender.parameters import fingerprint
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


def run(
    material: Material,
    split: Split,
    *,
    seed: int = 0,
    class_weights: bool = False,
    jobs: int = 1,
    on_epoch: Callable[[Epoch], None] | None = None,
    state: Path | None = None,
) -> tuple[Run, GenreModel]:
    """Train on one part, let another stop the training, test on the third.

    What is not trained by epochs needs no stopping, and learns from the validation part too.

    Parameters
    ----------
    material : Material
    split : Split
        Of its collection.
    seed, class_weights, jobs, on_epoch, state
        See `learning.train`.

    Raises
    ------
    DatasetError
        If files that could not be used leave a part without tracks.
    ParameterError
        If the system, the inputs and the options do not fit, or the training diverges.
    """
    system, collection = material.system, material.collection
    learned = [split.training, split.validation][: 2 if system.training is None else 1]
    training = material.part(np.concatenate(learned), split.kind)
    validation = None if system.training is None else material.part(split.validation, split.kind)
    test = material.part(split.test, split.kind)
    _check_parts(material, training, test)
    start = time.perf_counter()
    model, history = learning.train(
        system,
        training,
        genres=collection.genres,
        validation=validation if validation is not None and len(validation[1]) else None,
        seed=seed,
        class_weights=class_weights,
        jobs=jobs,
        on_epoch=on_epoch,
        state=state,
    )
    training_s = sum(epoch.seconds for epoch in history) or time.perf_counter() - start
    done = _told(
        material,
        model,
        metrics.scores(test[1], model.shares(test[0])),
        split=(split.kind, split.description),
        counts=(len(training[1]), 0 if validation is None else len(validation[1]), len(test[1])),
        history=tuple(history),
        settings={"class_weights": class_weights} if history else {},
        seed=seed,
        training_s=training_s,
    )
    heard = np.concatenate([split.training, split.validation])
    if split.kind == "leaky":
        heard = np.unique(heard // material.n_pieces)
    marks = {mark for i in heard for mark in _marks(collection.tracks[i])}
    provenance = {
        "collection": collection.name,
        "split": split.description,
        "n_training": done.n_training,
        "n_validation": done.n_validation,
        "n_test": done.n_test,
        "accuracy": round(done.scores.accuracy, 4),
        "macro_f1": round(done.scores.macro_f1, 4),
        "epochs": len(history),
        "seed": seed,
        "created": done.created,
        "versions": done.versions,
        "heard": sorted(marks),
    }
    return done, dataclasses.replace(model, provenance=provenance)


def cross_validate(
    material: Material,
    *,
    n_folds: int = 5,
    seed: int = 0,
    class_weights: bool = False,
    jobs: int = 1,
    on_epoch: Callable[[int, Epoch], None] | None = None,
) -> Iterator[Run]:
    """Train and test once a fold; `on_epoch` also takes the fold, counted from 0.

    Raises
    ------
    DatasetError
        If there are too few artists for so many folds.
    """
    for number, split in enumerate(
        splits.folds(material.collection.tracks, n_folds=n_folds, seed=seed)
    ):

        def tell(epoch: Epoch, number: int = number) -> None:
            if on_epoch is not None:
                on_epoch(number, epoch)

        done, _ = run(
            material, split, seed=seed, class_weights=class_weights, jobs=jobs, on_epoch=tell
        )
        yield done


def unheard(model: GenreModel, collection: Collection) -> tuple[Collection, int, int]:
    """Leave out what a model cannot be tested with.

    Returns
    -------
    collection : Collection
        Of tracks whose genres the model knows, by artists that it was not trained on.
    n_heard, n_unknown : int
        How many tracks it was trained on, or knows the artist of; how many are of other genres.

    Raises
    ------
    DatasetError
        If nothing is left.
    """
    known = [track for track in collection.tracks if track.genre in model.genres]
    heard = set(model.provenance.get("heard", ()))
    new = tuple(track for track in known if not heard & _marks(track))
    n_heard, n_unknown = len(known) - len(new), len(collection.tracks) - len(known)
    if not new:
        raise DatasetError(
            f"{collection.name}: nothing is left to test with: the network was trained on"
            f" {n_heard} of the {len(collection.tracks)} tracks or on their artists, and"
            f" {n_unknown} are of genres that it does not know"
        )
    return dataclasses.replace(collection, tracks=new), n_heard, n_unknown


def examine(model: GenreModel, material: Material) -> Run:
    """Test a trained model on all tracks of a collection; see `unheard`.

    Raises
    ------
    DatasetError
        If no track can be used.
    """
    chosen = np.flatnonzero(material.usable)
    if len(chosen) == 0:
        raise DatasetError(f"{material.collection.name}: none of the files could be used")
    index = {genre: i for i, genre in enumerate(model.genres)}
    y = np.array([index[material.collection.tracks[i].genre] for i in chosen], np.int64)
    trained = model.provenance
    return _told(
        material,
        model,
        metrics.scores(y, model.shares(material.x[chosen])),
        split=("artist", "Tracks that the system was not trained on, nor on their artists."),
        counts=(int(trained.get("n_training", 0)), int(trained.get("n_validation", 0)), len(y)),
        history=(),
        settings={},
        seed=int(trained.get("seed", 0)),
        training_s=0.0,
    )


def _told(
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


def _check_parts(material: Material, training: Examples, test: Examples) -> None:
    missing = set(range(len(material.collection.genres))) - set(training[1].tolist())
    if missing or len(test[1]) == 0:
        genres = ", ".join(material.collection.genres[i] for i in sorted(missing))
        raise DatasetError(
            f"{material.collection.name}: of"
            f" {len(material.collection.tracks)} files {len(material.failures)} could not be used,"
            f" and nothing is left to {'learn ' + genres if missing else 'test with'}"
        )


def _marks(track: LabelledTrack) -> set[str]:
    """Names by which a track is known again, its artist's if that is known; they are hashes."""
    if track.artist_known:
        return {fingerprint("artist", track.group)}
    try:
        size = track.path.stat().st_size
    except OSError:
        size = -1
    return {fingerprint("group", track.group), fingerprint("file", track.path.name, size)}

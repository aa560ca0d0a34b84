"""One run: trained on one part of a collection, tested on another; and cross-validation."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from recommender.errors import DatasetError
from recommender.genres import learning, metrics, splits
from recommender.genres.examining import marks
from recommender.genres.learning import Examples
from recommender.genres.material import Material
from recommender.genres.model import GenreModel
from recommender.genres.runs import Run, told
from recommender.genres.splits import Split
from recommender.training import Epoch


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
    done = told(
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
    names = {mark for i in heard for mark in marks(collection.tracks[i])}
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
        "heard": sorted(names),
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


def _check_parts(material: Material, training: Examples, test: Examples) -> None:
    missing = set(range(len(material.collection.genres))) - set(training[1].tolist())
    if missing or len(test[1]) == 0:
        genres = ", ".join(material.collection.genres[i] for i in sorted(missing))
        raise DatasetError(
            f"{material.collection.name}: of"
            f" {len(material.collection.tracks)} files {len(material.failures)} could not be used,"
            f" and nothing is left to {'learn ' + genres if missing else 'test with'}"
        )

"""Train the genre network on labelled clips, say how well it does, and cut the preprocessor.

    python scripts/train_preprocessor.py AUDIO --recipe default --work build/preprocessor

reads ``manifest.csv`` (columns clip, genre, artist, fold) in the folder that it is given. Folds are
grouped by artist. In five rotations the network trains on three folds, the next stops the training,
and the last is what the accuracy is measured on; these preprocessors are kept in ``--work``, for
benchmarks that must not have heard what they rank. The shipped one trains on all clips, for as many
epochs as the rotations needed.
"""

import argparse
import dataclasses
import datetime
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import genres, training
from recommender.parameters import RECIPES, Recipe, TrainingParams

N_FOLDS = 5
MIN_CLIPS = 40
FRAGMENTS_PER_CLIP = 6
WEIGHTS = Path(__file__).parent.parent / "src" / "recommender" / "weights"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder with manifest.csv")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="default")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is not shipped")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)

    recipe = RECIPES[options.recipe]
    tracks = genres.read_manifest(options.audio / "manifest.csv", min_tracks=MIN_CLIPS)
    names = sorted({track.genre for track in tracks})
    print(f"{len(tracks)} clips of {len(names)} genres; computing {recipe.name} spectrograms")
    x, failures = genres.load_fragments(
        [track.path for track in tracks],
        recipe.spectrogram,
        k=FRAGMENTS_PER_CLIP,
        seed=options.seed,
        jobs=options.jobs,
    )
    if failures:
        raise SystemExit("\n".join(reason for _, reason in failures))
    y = np.array([names.index(track.genre) for track in tracks], np.int64)
    folds = np.array([track.fold for track in tracks])
    everything = genres.FragmentSet(x=x, y=y)

    results, epochs = rotations(everything, folds, names, recipe, options.work, options.seed)
    n_epochs = round(float(np.median(epochs)))
    provenance = {
        "trained_on": f"{len(tracks)} clips of up to 30 s, {len(set(folds))} artist-grouped folds",
        "accuracy": round(float(np.mean([r["accuracy"] for r in results])), 4),
        "macro_f1": round(float(np.mean([r["macro_f1"] for r in results])), 4),
        "accuracy_by_fold": [r["accuracy"] for r in results],
        "macro_f1_by_fold": [r["macro_f1"] for r in results],
        "epochs": n_epochs,
        "seed": options.seed,
        "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    print(f"on all clips, {n_epochs} epochs")
    final = dataclasses.replace(genres.TRAINING, epochs=n_epochs, seed=options.seed)
    model = fit(everything, None, names, recipe, final, provenance)
    WEIGHTS.mkdir(exist_ok=True)
    genres.cut(model, WEIGHTS / f"{recipe.name}.safetensors")
    genres.save(options.work / f"{recipe.name}-genre.safetensors", model)
    print(json.dumps(provenance, indent=2))


def rotations(
    everything: genres.FragmentSet,
    folds: NDArray[np.int64],
    names: list[str],
    recipe: Recipe,
    work: Path,
    seed: int,
) -> tuple[list[dict[str, float]], list[int]]:
    """Measure on artists that were not heard; returns results by fold and the epochs needed."""
    results, epochs = [], []
    params = dataclasses.replace(genres.TRAINING, seed=seed)
    for test in range(N_FOLDS):
        stop = (test + 1) % N_FOLDS
        history: list[training.Epoch] = []
        model = fit(
            everything.subset(np.flatnonzero((folds != test) & (folds != stop))),
            everything.subset(np.flatnonzero(folds == stop)),
            names,
            recipe,
            params,
            {"test_fold": test},
            history,
        )
        genres.cut(model, work / f"{recipe.name}-fold{test}.safetensors")
        tested = everything.subset(np.flatnonzero(folds == test))
        guessed = genres.track_shares(model.network, tested.x).argmax(1)
        accuracy = float((guessed == tested.y).mean())
        f1 = macro_f1(tested.y, guessed, len(names))
        best = max(history, key=lambda epoch: epoch.score or -np.inf).number
        print(
            f"fold {test}: accuracy {accuracy:.3f}, macro F1 {f1:.3f}, best epoch {best}",
            flush=True,
        )
        results.append({"accuracy": round(accuracy, 4), "macro_f1": round(f1, 4)})
        epochs.append(best)
    return results, epochs


def fit(
    training_set: genres.FragmentSet,
    validation_set: genres.FragmentSet | None,
    names: list[str],
    recipe: Recipe,
    params: TrainingParams,
    provenance: dict[str, object],
    history: list[training.Epoch] | None = None,
) -> genres.GenreModel:
    """Train once; bands are standardised where the recipe's scale is logarithmic."""
    return genres.train(
        training_set,
        validation_set,
        genres=names,
        params=recipe.spectrogram,
        training_params=params,
        standardise=recipe.spectrogram.compression == "log",
        provenance=provenance,
        on_epoch=history.append if history is not None else None,
    )


def macro_f1(y: NDArray[np.int64], guessed: NDArray[np.int64], n_classes: int) -> float:
    """Mean over classes of 2 TP / (2 TP + FP + FN); 0 for a class never guessed nor there."""
    scores = []
    for c in range(n_classes):
        hits = np.sum((y == c) & (guessed == c))
        total = np.sum(y == c) + np.sum(guessed == c)
        scores.append(2 * hits / total if total else 0.0)
    return float(np.mean(scores))


if __name__ == "__main__":
    main()

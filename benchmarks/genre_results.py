"""How well every genre system does on artists that it has not heard: docs/genre-results.md.

    python benchmarks/genre_results.py AUDIO --work WORK --frozen FOLDER -o docs/genre-results.md

AUDIO holds ``manifest.csv`` (clip, genre, artist, fold, source). Each system is trained and tested
once a fold, on three folds, with one that stops the training, as its authors wrote but within the
budget below. Systems on frozen networks hear ``default-fold<fold>.safetensors`` of
FOLDER, which ``scripts/train_preprocessor.py --work FOLDER`` has trained without the fold: the
shipped one has heard all clips. Each result is a file below ``WORK/results`` as soon as it is
there: what was interrupted goes on where it stopped, and ``--only ROW --anew`` does a row again.
"""

import argparse
import csv
import dataclasses
import functools
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import genre_results_page as page
from recommender.files import write_atomically
from recommender.genres import adapting, learning, material, sources, splits
from recommender.genres.material import Material
from recommender.genres.model import GenreModel, network_shares
from recommender.genres.sources import Collection, LabelledTrack
from recommender.genres.systems import SYSTEMS, System

MIN_TRACKS = 40
N_FOLDS = 5
LARGEST = "largest"
LEAKY = ("cnn1d-mfcc",)
LEAKY_SUFFIX = "-leaky"
LEAKY_EPOCHS = 10  # of all pieces, each an example of its own


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What is spent on a network here; all else is as it was published.

    Attributes
    ----------
    epochs : int
        At most.
    patience : int
    n_drawn : int
        Pieces of each training track that an epoch draws, and that a validation track has.
    precision : {"float32", "bfloat16"}
    learning_rate : float or None
        If the published one gets nowhere in so few epochs.
    """

    epochs: int
    patience: int = 6
    n_drawn: int = 1
    precision: str = "float32"
    learning_rate: float | None = None


_FIVE = Budget(epochs=20, n_drawn=2, precision="bfloat16")

BUDGETS = {
    "thesis": Budget(epochs=20, n_drawn=2),
    "thesis-log": Budget(epochs=20, n_drawn=2),
    "conv-lstm": Budget(epochs=8, precision="bfloat16", learning_rate=3e-4),
    "feed-forward": Budget(epochs=60, patience=10),
    "cnn1d-mel": _FIVE,
    "cnn1d-mfcc": _FIVE,
    "cnn2d-mel": Budget(epochs=4, patience=2, precision="bfloat16"),
    "cnn2d-mfcc": Budget(epochs=10, patience=4, precision="bfloat16"),
    "lstm-mel": _FIVE,
    "lstm-mfcc": _FIVE,
    "crnn-mel": _FIVE,
    "crnn-mfcc": _FIVE,
    "parallel-mel": Budget(epochs=12),
    "parallel-mfcc": Budget(epochs=12),
    "patch-lstm": Budget(epochs=50, patience=10),
    "patch-cnn": Budget(epochs=60, patience=10),
    "patch-dense": Budget(epochs=100, patience=15),
    "small-cnn2d": Budget(epochs=6, patience=3, precision="bfloat16"),
    "small-dense": Budget(epochs=15, patience=5),
}
"""By the name of the system. What is not here is trained as published."""

_SLOW_FIRST = ("cnn2d-mel", "gradient-boosting", "conv-lstm", "small-cnn2d", "catboost")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a system made of one fold.

    Attributes
    ----------
    row : str
    fold : int
    tracks : list of str
        Of the test; of a leaky split the same track several times.
    y, predicted : list of str
        Genres.
    training_s : float
    epochs : int
        How many it was trained for; 0 without epochs.
    n_parameters : int
    """

    row: str
    fold: int
    tracks: list[str]
    y: list[str]
    predicted: list[str]
    training_s: float
    epochs: int
    n_parameters: int


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder with manifest.csv")
    parser.add_argument("--work", type=Path, required=True, help="folder for results and inputs")
    parser.add_argument("--output", "-o", type=Path, help="Markdown file")
    parser.add_argument("--frozen", type=Path, help="folder with default-fold<fold>.safetensors")
    parser.add_argument("--only", nargs="*", metavar="ROW", help="rows to fill; the others stay")
    parser.add_argument("--folds", nargs="*", type=int, default=range(N_FOLDS))
    parser.add_argument("--anew", action="store_true", help="also what has a result already")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--max-tracks", type=int, help="of a genre, to try it out")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = options.only or all_rows()
    if unknown := set(rows) - set(all_rows()):
        parser.error(f"unknown rows {sorted(unknown)}; there are: {', '.join(all_rows())}")
    if options.frozen is None:
        without = [row for row in rows if row in SYSTEMS and SYSTEMS[row].inputs.embedding]
        print(f"without --frozen these are left out: {', '.join(without)}")
        rows = [row for row in rows if row not in without]
    collection = read(options.audio, options.max_tracks)
    todo = {
        row: folds
        for row in rows
        if (
            folds := [
                fold
                for fold in options.folds
                if options.anew or not place(options.work, row, fold).exists()
            ]
        )
    }
    fill_cache(collection, todo, options)
    ordered = sorted(todo, key=lambda row: row not in _SLOW_FIRST)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        work = functools.partial(fill, collection, options.work, options.frozen)
        for done in pool.map(work, ordered, [todo[row] for row in ordered]):
            print("\n".join(done), flush=True)
    if options.output:
        options.output.write_text(written(collection, options.audio, options.work))
        print(options.output.read_text())


def all_rows() -> list[str]:
    """Rows of the table in their order."""
    return [LARGEST, *SYSTEMS, *(f"{name}{LEAKY_SUFFIX}" for name in LEAKY)]


def read(audio: Path, max_tracks: int | None) -> Collection:
    """Read the clips of all genres that have enough."""
    found = sources.read(audio / "manifest.csv", kind="csv", min_tracks=MIN_TRACKS)
    if max_tracks is None:
        return found
    rng = np.random.default_rng(0)
    kept: list[LabelledTrack] = []
    for genre in found.genres:
        of_genre = [track for track in found.tracks if track.genre == genre]
        chosen = rng.permutation(len(of_genre))[:max_tracks]
        kept += [of_genre[i] for i in sorted(chosen)]
    return dataclasses.replace(found, tracks=tuple(kept))


def within_budget(row: str, fold: int, frozen: Path | None) -> System:
    """Return the system of a row, with what is spent on it, for a fold."""
    name = row.removesuffix(LEAKY_SUFFIX)
    system = adapting.find(name)
    if system.inputs.embedding is not None:
        assert frozen is not None
        system = adapting.with_embedding(system, str(frozen / f"default-fold{fold}.safetensors"))
    if (budget := BUDGETS.get(name)) is None:
        return system
    training = {
        field: value
        for field, value in dataclasses.asdict(budget).items()
        if field != "n_drawn" and value is not None
    }
    if row.endswith(LEAKY_SUFFIX):
        training["epochs"] = LEAKY_EPOCHS
    changed = adapting.with_training(system, **training)
    return dataclasses.replace(changed, n_drawn=budget.n_drawn)


def fill_cache(
    collection: Collection, todo: Mapping[str, Sequence[int]], options: argparse.Namespace
) -> None:
    """Compute once what several rows hear."""
    seen = set()
    for row, folds in todo.items():
        if row == LARGEST:
            continue
        for fold in folds:
            system = within_budget(row, fold, options.frozen)
            way = (system.inputs, system.n_pieces, system.offsets)
            if way not in seen:
                seen.add(way)
                start = time.perf_counter()
                hear(collection, system, options.work, options.jobs)
                print(f"inputs of {row}: {time.perf_counter() - start:.0f} s", flush=True)


def hear(collection: Collection, system: System, work: Path, jobs: int = 1) -> Material:
    """Compute what a system hears, or read it again."""
    found = material.prepare(collection, system, jobs=jobs, cache=work / "inputs")
    if found.failures:
        raise SystemExit("\n".join(reason for _, reason in found.failures))
    return found


def fill(
    collection: Collection, work: Path, frozen: Path | None, row: str, folds: Sequence[int]
) -> list[str]:
    """Fill a row; returns what there is to say."""
    torch.set_num_threads(1)
    said = []
    heard: Material | None = None
    for fold in folds:
        if row == LARGEST:
            result = largest(collection, fold)
        else:
            system = within_budget(row, fold, frozen)
            if heard is None or heard.system != system:
                heard = hear(collection, system, work)
            result = (leaky if row.endswith(LEAKY_SUFFIX) else honest)(heard, row, fold)
        path = place(work, row, fold)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(dataclasses.asdict(result)).encode())
        right = np.mean(np.array(result.y) == np.array(result.predicted))
        took = f"{result.training_s:.0f} s, {result.epochs} epochs"
        said.append(f"{row}, fold {fold}: accuracy {right:.3f} ({took})")
    return said


def place(work: Path, row: str, fold: int) -> Path:
    """Where a result is kept."""
    return work / "results" / f"{row}-fold{fold}.json"


def honest(heard: Material, row: str, fold: int) -> Result:
    """Train on three folds, stop by the next, test on the last: no artist is in two of them."""
    tracks = heard.collection.tracks
    split = splits.folds(tracks, n_folds=N_FOLDS)[fold]
    names = [tracks[i].path.name for i in split.test]
    return trained(heard, split, row, fold, names)


def leaky(heard: Material, row: str, fold: int) -> Result:
    """Train on pieces of all tracks, test on other pieces of them: how published figures arise."""
    split = splits.split_pieces(heard.y, heard.n_pieces, validation=0.1, test=0.2, seed=fold)
    tracks = heard.collection.tracks
    names = [tracks[i // heard.n_pieces].path.name for i in split.test]
    return trained(heard, split, row, fold, names)


def trained(heard: Material, split: splits.Split, row: str, fold: int, names: list[str]) -> Result:
    """Train and test once."""
    system = heard.system
    if system.training is None:
        learned = np.concatenate([split.training, split.validation])
        validation = None
    else:
        learned = split.training
        x, y = heard.part(split.validation, split.kind)
        n_drawn = min(system.n_drawn or x.shape[1], x.shape[1])
        middles = ((np.arange(n_drawn) + 0.5) * x.shape[1] / n_drawn).astype(int)
        validation = (x[:, middles], y)
    start = time.perf_counter()
    model, history = learning.train(
        system,
        heard.part(learned, split.kind),
        genres=heard.collection.genres,
        validation=validation,
    )
    training_s = time.perf_counter() - start
    x, y = heard.part(split.test, split.kind)
    return told(
        row,
        fold,
        names,
        y,
        predict(model, x),
        heard.collection.genres,
        training_s=training_s,
        epochs=len(history),
        n_parameters=model.n_parameters,
    )


def predict(model: GenreModel, x: NDArray[Any]) -> NDArray[np.intp]:
    """Predict tracks' genres, in the precision of the training."""
    training = model.system.training
    if training is None or training.precision == "float32":
        return np.asarray(model.shares(x).argmax(1))
    pieces = x.reshape(-1, *x.shape[2:])
    shares = network_shares(model.network, pieces, half=True)
    return np.asarray(shares.reshape(*x.shape[:2], -1).mean(1).argmax(1))


def largest(collection: Collection, fold: int) -> Result:
    """Always say the genre that is most frequent in the training folds."""
    split = splits.folds(collection.tracks, n_folds=N_FOLDS)[fold]
    y = np.array([collection.genres.index(track.genre) for track in collection.tracks])
    most = np.bincount(y[split.training]).argmax()
    return told(
        LARGEST,
        fold,
        [collection.tracks[i].path.name for i in split.test],
        y[split.test],
        np.full(len(split.test), most),
        collection.genres,
    )


def told(
    row: str,
    fold: int,
    names: list[str],
    y: NDArray[Any],
    predicted: NDArray[Any],
    genres: Sequence[str],
    *,
    training_s: float = 0.0,
    epochs: int = 0,
    n_parameters: int = 0,
) -> Result:
    """Result with genres by their names."""
    return Result(
        row=row,
        fold=fold,
        tracks=names,
        y=[genres[i] for i in y],
        predicted=[genres[i] for i in predicted],
        training_s=round(training_s, 2),
        epochs=epochs,
        n_parameters=n_parameters,
    )


def written(collection: Collection, audio: Path, work: Path) -> str:
    """Render the page from all results that there are."""
    with open(audio / "manifest.csv", newline="", encoding="utf-8") as file:
        of_clip = {Path(line["clip"]).name: line["source"] for line in csv.DictReader(file)}
    genres = {track.path.name: track.genre for track in collection.tracks}
    of_several = page.several_genres(genres, of_clip)
    rows = []
    for name in all_rows():
        found = [place(work, name, fold) for fold in range(N_FOLDS)]
        results = [json.loads(path.read_bytes()) for path in found if path.exists()]
        if results:
            leaky_row = name.endswith(LEAKY_SUFFIX)
            rows.append(page.row(name, results, {} if leaky_row else of_several))
    return page.page(
        rows,
        n_clips=len(collection.tracks),
        n_genres=len(collection.genres),
        sources=sorted(set(of_several.values())),
        budgets=BUDGETS,
    )


if __name__ == "__main__":
    main()

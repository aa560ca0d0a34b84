"""Train the networks that become frozen preprocessors, and say how well they tell genres apart.

    python scripts/train_preprocessor.py AUDIO --network default --work build/preprocessor

reads ``manifest.csv`` (columns clip, genre, artist, fold) in the folder that it is given. Folds are
grouped by artist. In five rotations the network trains on three folds, the next stops the training
where that is done, and the last is what the accuracy is measured on; these preprocessors are kept
in ``--work``, for benchmarks that must not have heard what they rank. The shipped one trains on all
clips. ``--network thesis-log`` is the thesis's network on decibels: it is not shipped, but compared
with. ``--check`` only trains on all clips, and tells how far the result is from the shipped file.
"""

import argparse
import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recommender import preprocessor, timbre, training
from recommender.genres import fusion, learning, material, metrics, model, sources, views
from recommender.genres.sources import Collection
from recommender.genres.systems import SYSTEMS
from recommender.parameters import SHIPPED, FusionParams

N_FOLDS = 5
MIN_CLIPS = {"default": 10, "thesis": 40, "thesis-log": 40}
MIN_CLIPS_TESTED = 40
WEIGHTS = Path(__file__).parent.parent / "src" / "recommender" / "weights"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: without the folds `test` and the next, or on all clips.

    Attributes
    ----------
    collection : Collection
    name : str
        Of the network.
    work : Path
    seed : int
    test : int or None
        Fold that is tested; the next one stops the training, where that is done.
    epochs : int or None
        How many; ``None``: as the training says.
    output : Path
    provenance : dict
    """

    collection: Collection
    name: str
    work: Path
    seed: int
    test: int | None = None
    epochs: int | None = None
    output: Path
    provenance: dict[str, Any]

    @property
    def folds(self) -> NDArray[np.int64]:
        """Of all clips."""
        return np.array([track.fold for track in self.collection.tracks])

    @property
    def stopping(self) -> NDArray[np.intp]:
        """Clips that stop the training."""
        return np.flatnonzero(self.folds == self._stop)

    @property
    def learned(self) -> NDArray[np.intp]:
        """Clips that are learned from."""
        return np.flatnonzero((self.folds != self.test) & (self.folds != self._stop))

    @property
    def tested(self) -> NDArray[np.intp]:
        """Clips that are tested."""
        return np.flatnonzero(self.folds == self.test)

    @property
    def _stop(self) -> int | None:
        return None if self.test is None else (self.test + 1) % N_FOLDS


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a training gave.

    Attributes
    ----------
    shares : ndarray, shape (n_tested, n_genres)
        Of the tested tracks.
    epochs : int
        The best one, or all.
    """

    shares: NDArray[np.float64]
    epochs: int


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder with manifest.csv")
    parser.add_argument("--network", choices=sorted(MIN_CLIPS), default="default")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is not shipped")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true", help="compare with the shipped file")
    options = parser.parse_args()
    name = options.network
    options.work.mkdir(parents=True, exist_ok=True)
    collection = sources.read(
        options.audio / "manifest.csv", kind="csv", min_tracks=MIN_CLIPS[name]
    )
    print(f"{name}: {len(collection.tracks)} clips of {len(collection.genres)} genres", flush=True)
    hear(collection, name, options.work, options.jobs, options.seed)

    whole = Job(
        collection=collection,
        name=name,
        work=options.work,
        seed=options.seed,
        output=options.work / f"{name}.safetensors",
        provenance={
            "network": name,
            "trained_on": f"{len(collection.tracks)} clips of up to 30 s",
            "seed": options.seed,
            "torch": torch.__version__,
        },
    )
    if options.check:
        train(dataclasses.replace(whole, epochs=preprocessor.load(name).provenance["epochs"]))
        compare(name, whole.output)
        return
    rotations = [
        dataclasses.replace(
            whole,
            test=fold,
            output=options.work / f"{name}-fold{fold}.safetensors",
            provenance={**whole.provenance, "test_fold": fold},
        )
        for fold in range(N_FOLDS)
    ]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(train, rotations))
    epochs = round(float(np.median([result.epochs for result in results])))
    provenance = {**whole.provenance, **measured(collection, results), "epochs": epochs}
    print(json.dumps(provenance, indent=2), flush=True)
    train(dataclasses.replace(whole, epochs=epochs, provenance=provenance))
    if name in ("default", "thesis"):
        shipped = WEIGHTS / whole.output.name
        shipped.write_bytes(whole.output.read_bytes())
        print(f"{shipped}: {shipped.stat().st_size / 1e6:.1f} MB")


def hear(collection: Collection, name: str, work: Path, jobs: int, seed: int) -> None:
    """Compute once what the trainings take, into the work folder."""
    if name != "default":
        heard(collection, name, work, jobs, seed)
        return
    params = SHIPPED["default"]
    paths = [track.path for track in collection.tracks]
    found = views.compute(paths, params, timbre.fine_params(params), seed=seed, jobs=jobs)
    np.save(work / "fragments.npy", found.fragments)
    np.save(work / "statistics.npy", found.statistics)


def viewed(work: Path) -> views.Views:
    """Read the views of all tracks."""
    return views.Views(
        fragments=np.load(work / "fragments.npy", mmap_mode="r"),
        statistics=np.load(work / "statistics.npy", mmap_mode="r"),
        n_clean=views.ViewParams().n_clean,
    )


def heard(collection: Collection, name: str, work: Path, jobs: int, seed: int) -> material.Material:
    """Fragments of all tracks, for the thesis's network."""
    found = material.prepare(collection, SYSTEMS[name], seed=seed, jobs=jobs, cache=work / "inputs")
    if found.failures:
        raise SystemExit("\n".join(reason for _, reason in found.failures))
    return found


def train(job: Job) -> Result:
    """Train once; write the result."""
    torch.set_num_threads(1)  # whose sums have one order, whatever the machine
    return (train_fused if job.name == "default" else train_thesis)(job)


def train_fused(job: Job) -> Result:
    """Train the default network, for a fixed number of epochs."""
    everything, y = viewed(job.work), labels(job.collection)
    params = dataclasses.replace(fusion.TRAINING, seed=job.seed)
    if job.epochs is not None:
        params = dataclasses.replace(params, epochs=job.epochs)

    def tell(epoch: training.Epoch) -> None:
        if epoch.number % 10 == 0:
            took = f"{epoch.seconds:.1f} s"
            print(
                f"{job.output.stem}: epoch {epoch.number}, loss {epoch.loss:.3f}, {took}",
                flush=True,
            )

    chosen = everything.subset(job.learned)
    n_genres = len(job.collection.genres)
    network = fusion.train(chosen, y[job.learned], n_genres, params=params, on_epoch=tell)
    groups = [job.collection.tracks[i].group for i in job.learned]
    preprocessor.save(
        job.output,
        fusion.freeze(network, chosen, groups),
        params=SHIPPED["default"],
        fusion=FusionParams(),
        genres=job.collection.genres,
        provenance=job.provenance,
    )
    return Result(
        shares=fusion.shares(network, everything.subset(job.tested)), epochs=params.epochs
    )


def train_thesis(job: Job) -> Result:
    """Train the thesis's network; the stopping fold decides for how long, if there is one."""
    found = heard(job.collection, job.name, job.work, 1, job.seed)
    system = found.system
    assert system.training is not None
    if job.epochs is not None:
        changed = dataclasses.replace(system.training, epochs=job.epochs)
        system = dataclasses.replace(system, training=changed)
    stopping = (found.x[job.stopping], found.y[job.stopping]) if job.stopping.size else None
    trained, history = learning.train(
        system,
        (found.x[job.learned], found.y[job.learned]),
        genres=job.collection.genres,
        validation=stopping,
        seed=job.seed,
        provenance=job.provenance,
    )
    model.cut(trained, job.output)
    best = max(history, key=lambda epoch: epoch.score or -np.inf).number
    print(f"{job.output.stem}: best epoch {best} of {len(history)}", flush=True)
    shares = trained.shares(found.x[job.tested]) if job.tested.size else np.empty((0, 0))
    return Result(shares=shares, epochs=best if stopping else len(history))


def labels(collection: Collection) -> NDArray[np.int64]:
    """Indices of genres."""
    return np.array([collection.genres.index(t.genre) for t in collection.tracks], np.int64)


def measured(collection: Collection, results: Sequence[Result]) -> dict[str, Any]:
    """Accuracy and macro F1 by fold, among the genres that have clips enough to be tested."""
    counts = Counter(track.genre for track in collection.tracks)
    common = np.array([counts[genre] >= MIN_CLIPS_TESTED for genre in collection.genres])
    y, folds = labels(collection), np.array([track.fold for track in collection.tracks])
    found = []
    for fold, result in enumerate(results):
        of_fold = y[folds == fold]
        kept = common[of_fold]
        scores = metrics.scores(of_fold[kept], np.where(common, result.shares[kept], 0.0))
        found.append((round(scores.accuracy, 4), round(scores.macro_f1, 4)))
    accuracies, f1s = zip(*found, strict=True)
    return {
        "accuracy": round(float(np.mean(accuracies)), 4),
        "macro_f1": round(float(np.mean(f1s)), 4),
        "accuracy_by_fold": accuracies,
        "macro_f1_by_fold": f1s,
    }


def compare(name: str, path: Path) -> None:
    """Tell how far the features of two preprocessors are from one another, on noise."""
    y = np.random.default_rng(0).normal(0, 0.1, 44_100 * 40).astype(np.float32)
    shipped, made = (preprocessor.load(which).transform(y) for which in (name, path))
    difference = np.sqrt(np.square(made - shipped).mean() / np.square(shipped).mean())
    print(f"relative RMS difference of the features from the shipped ones: {difference:.2g}")


if __name__ == "__main__":
    main()

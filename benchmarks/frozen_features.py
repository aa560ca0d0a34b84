"""Which frozen features recommend best, by plain cosine: docs/frozen-features.md.

    python benchmarks/frozen_features.py AUDIO --work WORK -o docs/frozen-features.md

AUDIO holds ``manifest.csv`` (clip, genre, artist, fold; album, mood, source). In each of five
rotations a candidate learns from three folds, if it learns anything; users of one of the others
are recommended to, and the fifth only tells means and deviations. WORK keeps what was computed:
what was interrupted goes on where it stopped. If it has ``thesis-fold<fold>.safetensors`` and
``thesis-log-fold<fold>.safetensors`` from ``scripts/train_preprocessor.py --work WORK``, the
thesis's network is compared, too.
"""

import argparse
import dataclasses
import functools
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from frozen import examining, material, page
from frozen.candidates import GROUPS, Fitted
from frozen.ground import Ground
from frozen.rows import ROWS
from recommender import evaluation, timbre
from recommender.evaluation import Clip
from recommender.files import write_atomically
from recommender.genres import sources, views
from recommender.genres.views import ViewParams, Views
from recommender.parameters import SHIPPED

MIN_CLIPS = 10
SEEDS = range(5)
DEGRADED_FOLDS = (0, 1)
UNCHANGED = ViewParams(equaliser_db=0.0, band_limit=0.0, noise=0.0)
"""Other windows of a clip, but as they are."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder with manifest.csv")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is computed")
    parser.add_argument("--output", "-o", type=Path, help="Markdown file")
    parser.add_argument("--only", nargs="*", choices=GROUPS, metavar="GROUP", default=list(GROUPS))
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--min-clips", type=int, default=MIN_CLIPS, help="of a genre, to learn it")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    clips = evaluation.read_clips(options.audio / "manifest.csv")
    folds = sorted({clip.fold for clip in clips})
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        hear(clips, options.work, pool)
        see(options.audio, options.work, options.jobs, options.min_clips)
        todo = [(group, fold) for group in options.only for fold in folds]
        todo = [(g, fold) for g, fold in todo if not place(options.work, g, fold).exists()]
        work = functools.partial(fill, options.audio, options.work, options.min_clips)
        for done in [pool.submit(work, group, fold) for group, fold in todo]:
            print(done.result(), flush=True)
    if options.output:
        found = results(options.work, folds)
        if not {"mfcc", "default"} <= set(found):
            parser.error("nothing to compare with: fill 'statistics' and 'default', too")
        text = page.page(clips, figures(clips, found), examined(clips, found))
        options.output.write_text(text)
        print(text)


def hear(clips: Sequence[Clip], work: Path, pool: Executor) -> None:
    """Compute once what candidates make features of."""
    paths = [clip.path for clip in clips]
    material.hear(work / "heard", paths, None, pool)
    if not material.bliss(work / "bliss.npy", paths, pool):
        print("bliss-audio is left out: it is not installed")
    degraded = [paths[i] for i in degraded_clips(clips)]
    for name in material.DEGRADATIONS:
        material.hear(degraded_folder(work, name), degraded, name, pool)


def see(audio: Path, work: Path, jobs: int, min_clips: int) -> None:
    """Compute once the views that networks learn from."""
    params = SHIPPED["default"]
    for name, how in (("changed", ViewParams()), ("unchanged", UNCHANGED)):
        folder = work / f"views-{name}"
        if not (folder / "statistics.npy").exists():
            folder.mkdir(exist_ok=True)
            learnable = sources.read(audio / "manifest.csv", kind="csv", min_tracks=min_clips)
            found = views.compute(
                [track.path for track in learnable.tracks],
                params,
                timbre.fine_params(params),
                how,
                jobs=jobs,
            )
            np.save(folder / "fragments.npy", found.fragments)
            np.save(folder / "statistics.npy", found.statistics)


def degraded_folder(work: Path, name: str) -> Path:
    """Where that is kept which is heard of degraded clips."""
    return work / f"heard, {name}".replace("/", " per ")


def degraded_clips(clips: Sequence[Clip]) -> list[int]:
    """Indices of the clips that are degraded, too."""
    return [i for i, clip in enumerate(clips) if clip.fold in DEGRADED_FOLDS]


def fill(audio: Path, work: Path, min_clips: int, group: str, fold: int) -> str:
    """Train the candidates of a group in a rotation, and keep their features."""
    torch.set_num_threads(1)
    clips = evaluation.read_clips(audio / "manifest.csv")
    heard = material.read(work / "heard")
    if (work / "bliss.npy").exists():
        heard = dataclasses.replace(heard, bliss=np.load(work / "bliss.npy"))
    fitted = GROUPS[group](ground(audio, clips, work, heard, min_clips, fold))
    kept: dict[str, NDArray[Any]] = {}
    for row, one in fitted.items():
        kept[f"{row}: clean"] = one.encode(heard)
        kept[f"{row}: accuracy"] = np.array(np.nan if one.accuracy is None else one.accuracy)
    if fold in DEGRADED_FOLDS:
        kept |= degraded_features(clips, work, fitted, fold)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **kept)
    path = place(work, group, fold)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, file.getvalue())
    return f"{group}, fold {fold}: {', '.join(fitted) or 'left out'}"


def ground(
    audio: Path, clips: Sequence[Clip], work: Path, heard: material.Heard, min_clips: int, fold: int
) -> Ground:
    """What there is to learn from in a rotation."""
    learnable = sources.read(audio / "manifest.csv", kind="csv", min_tracks=min_clips)
    index = {clip.path.resolve(): i for i, clip in enumerate(clips)}
    indices = np.array([index[track.path.resolve()] for track in learnable.tracks])
    chosen = np.flatnonzero(np.isin(indices, evaluation.rotation(clips, fold).training))
    parts = [
        Views(
            fragments=np.load(work / f"views-{name}" / "fragments.npy", mmap_mode="r"),
            statistics=np.load(work / f"views-{name}" / "statistics.npy", mmap_mode="r"),
            n_clean=ViewParams().n_clean,
        ).subset(chosen)
        for name in ("changed", "unchanged")
    ]
    return Ground(
        clips=clips,
        fold=fold,
        heard=heard,
        learned=indices[chosen],
        changed=parts[0],
        unchanged=parts[1],
        work=work,
    )


def degraded_features(
    clips: Sequence[Clip], work: Path, fitted: Mapping[str, Fitted], fold: int
) -> dict[str, NDArray[np.float32]]:
    """Features of the test fold's clips as they sound degraded."""
    of_fold = np.array([clips[i].fold == fold for i in degraded_clips(clips)])
    found = {}
    for name in material.DEGRADATIONS:
        heard = material.subset(material.read(degraded_folder(work, name)), of_fold)
        for row, one in fitted.items():
            if ROWS[row].examined:
                found[f"{row}: {name}"] = one.encode(heard)
    return found


def place(work: Path, group: str, fold: int) -> Path:
    """Where the features of a group and a rotation are kept."""
    return work / "features" / f"{group}-fold{fold}.npz"


def results(work: Path, folds: Sequence[int]) -> dict[str, examining.Found]:
    """Read all features, row by row; only rows that have all folds."""
    found = {}
    files = [place(work, group, fold) for group in GROUPS for fold in folds]
    kept = {path: dict(np.load(path)) for path in files if path.exists()}
    for row, about in ROWS.items():
        of_row = [kept.get(place(work, about.group, fold), {}) for fold in folds]
        if not all(f"{row}: clean" in arrays for arrays in of_row):
            continue
        accuracies = [float(arrays[f"{row}: accuracy"]) for arrays in of_row]
        found[row] = examining.Found(
            clean={fold: a[f"{row}: clean"] for fold, a in zip(folds, of_row, strict=True)},
            degraded={
                name: {
                    fold: arrays[f"{row}: {name}"]
                    for fold, arrays in zip(folds, of_row, strict=True)
                    if f"{row}: {name}" in arrays
                }
                for name in material.DEGRADATIONS
            },
            standardise=about.standardise,
            accuracy=None if np.isnan(accuracies).any() else float(np.mean(accuracies)),
        )
    return found


def figures(clips: Sequence[Clip], found: Mapping[str, examining.Found]) -> list[page.Line]:
    """Lines of the table, the best first."""
    users = [user for seed in SEEDS for user in evaluation.users(clips, seed=seed)]
    rng = np.random.default_rng(0)
    measured = {"random": evaluation.evaluate(lambda user: rng.random(len(user.candidates)), users)}
    for row, features in found.items():
        scorer = evaluation.cosine(features.clean, clips, standardise=features.standardise)
        measured[row] = evaluation.evaluate(scorer, users)
    lines = [
        page.Line(
            row=row,
            title=ROWS[row].title if row in ROWS else row,
            n_numbers=next(iter(found[row].clean.values())).shape[1] if row in found else 0,
            auc=evaluation.bootstrap(result, "auc"),
            ndcg=evaluation.bootstrap(result, "ndcg"),
            auc_above=evaluation.paired(result, measured["mfcc"], "auc"),
            ndcg_above=evaluation.paired(result, measured["mfcc"], "ndcg"),
            ndcg_below=evaluation.paired(measured["default"], result, "ndcg"),
            by_kind={
                kind: (auc, result.by_kind("ndcg")[kind])
                for kind, auc in result.by_kind("auc").items()
            },
            accuracy=found[row].accuracy if row in found else None,
        )
        for row, result in measured.items()
    ]
    return sorted(lines, key=lambda line: -line.ndcg.value)


def examined(
    clips: Sequence[Clip], found: Mapping[str, examining.Found]
) -> dict[str, tuple[dict[str, examining.Loss], float]]:
    """What degradation costs the examined rows, and how well they tell the source."""
    users = [user for seed in SEEDS for user in evaluation.users(clips, seed=seed)]
    return {
        row: (
            examining.losses(clips, users, found[row]),
            examining.source_accuracy(clips, found[row].clean),
        )
        for row, about in ROWS.items()
        if about.examined and row in found
    }


if __name__ == "__main__":
    main()

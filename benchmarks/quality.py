"""How good recommendations are, beside simpler ways and older ones: docs/quality.md.

    python benchmarks/quality.py AUDIO --work WORK -o docs/quality.md

AUDIO holds ``manifest.csv`` (clip, genre, artist, fold; album, mood, source). WORK is the folder in
which ``benchmarks/frozen_features.py --work WORK`` has heard the clips, with
``default-fold<fold>.safetensors`` and ``thesis-fold<fold>.safetensors`` from
``scripts/train_preprocessor.py --work WORK``. In each of five rotations the networks learned from
three folds; users of one of the others are recommended to, and the fifth gives all negatives. What
was computed is kept in WORK: what was interrupted goes on where it stopped.
"""

import argparse
import functools
import io
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recommender import evaluation
from recommender.evaluation import METRICS, Clip, Results, User
from recommender.files import write_atomically
from recommending import calibration, page
from recommending.ground import Ground, ground
from recommending.methods import FOR_FEW, METHODS, TOGETHER, together, with_few
from recommending.mixed import TASTES, run_mixed

SEEDS = range(3)
N_LIKED = (1, 2, 3, 5, 10)
N_FIRST = 10
CALIBRATED_SEEDS = (0, 1)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder with manifest.csv")
    parser.add_argument("--work", type=Path, required=True, help="folder of frozen_features.py")
    parser.add_argument("--output", "-o", type=Path, help="Markdown file")
    parser.add_argument("--jobs", type=int, default=2, help="processes of one thread each")
    options = parser.parse_args()
    clips = evaluation.read_clips(options.audio / "manifest.csv")
    tasks = [(fold, seed) for seed in SEEDS for fold in sorted({clip.fold for clip in clips})]
    (options.work / "quality").mkdir(exist_ok=True)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        fill_one = functools.partial(fill, options.audio, options.work)
        for line in pool.map(fill_one, *zip(*tasks, strict=True)):
            print(line, flush=True)
    found = {task: dict(np.load(place(options.work, *task))) for task in tasks}
    text = page.page(clips, gather(clips, found, directions(clips, options.work)))
    if options.output:
        options.output.write_text(text)
    print(text)


def place(work: Path, fold: int, seed: int) -> Path:
    """Where the figures of a fold and a seed are kept."""
    return work / "quality" / f"fold{fold}-seed{seed}.npz"


def fill(audio: Path, work: Path, fold: int, seed: int) -> str:
    """Score the candidates of all users of a fold in all ways, and keep the figures."""
    path = place(work, fold, seed)
    if path.exists():
        return f"fold {fold}, seed {seed}: was there"
    torch.set_num_threads(1)
    clips = evaluation.read_clips(audio / "manifest.csv")
    here = ground(clips, work, fold)
    mine = users_of(clips, fold, seed)
    kept: dict[str, NDArray[np.floating]] = {}
    rows: dict[str, list[list[float]]] = {}
    first: dict[str, list[NDArray[np.intp]]] = {}
    thesis_scores = []
    for user in mine:
        scores = {name: method(here, user) for name, method in METHODS.items()}
        scores[TOGETHER] = together(scores)
        thesis_scores.append(scores["thesis"])
        for name, values in scores.items():
            rows.setdefault(name, []).append(figures(values, user))
            best = user.candidates[np.argsort(-values, kind="stable")[:N_FIRST]]
            first.setdefault(name, []).append(best)
    for name in rows:
        kept[f"all: {name}"] = np.array(rows[name])
        kept[f"first: {name}"] = np.array(first[name])
    kept["thesis"] = np.concatenate(thesis_scores)
    for name in FOR_FEW:
        strangers = [other for user in mine if (other := evaluation.unheard(user, clips))]
        kept[f"unheard: {name}"] = np.array(
            [figures(METHODS[name](here, user), user) for user in strangers]
        )
        for n in N_LIKED if seed == SEEDS[0] else ():
            few = [with_few(user, n) for user in mine if len(user.liked) >= max(N_LIKED)]
            kept[f"{n} liked: {name}"] = np.array(
                [figures(METHODS[name](here, user), user) for user in few]
            )
    if seed in CALIBRATED_SEEDS:
        kept |= reads(here, mine)
    for tastes in TASTES:
        kept[f"mixed: {tastes}"] = run_mixed(here, fold, seed, tastes)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **kept)
    write_atomically(path, file.getvalue())
    return f"fold {fold}, seed {seed}: {len(mine)} users"


def users_of(clips: Sequence[Clip], fold: int, seed: int) -> list[User]:
    """Users of one fold."""
    return [user for user in evaluation.users(clips, seed=seed) if user.fold == fold]


def figures(scores: NDArray[np.floating], user: User) -> list[float]:
    """All metrics."""
    values = np.asarray(scores, np.float64)
    return [measure(values, user.relevant) for measure in METRICS.values()]


def reads(here: Ground, mine: Sequence[User]) -> dict[str, NDArray[np.floating]]:
    """What calibration is fitted to: all users, and each with fewer liked tracks."""
    some = [calibration.read(here, user) for user in mine]
    for n in N_LIKED[:-1]:
        some += [calibration.read(here, with_few(user, n)) for user in mine if len(user.liked) > n]
    return {
        "read: about": np.array(
            [[one.fold, one.n_liked, one.coherence, len(one.z)] for one in some]
        ),
        "read: z": np.concatenate([one.z for one in some]),
        "read: relevant": np.concatenate([one.relevant for one in some]).astype(np.float64),
    }


def directions(clips: Sequence[Clip], work: Path) -> dict[int, NDArray[np.floating]]:
    """Vectors by which the variety of lists is told, by fold."""
    return {
        fold: ground(clips, work, fold).directions("default", standardise=False)
        for fold in sorted({clip.fold for clip in clips})
    }


def gather(
    clips: Sequence[Clip],
    found: dict[tuple[int, int], dict[str, NDArray[np.floating]]],
    vectors: dict[int, NDArray[np.floating]],
) -> page.Figures:
    """Put the figures of all folds and seeds together."""
    mine = {task: users_of(clips, *task) for task in found}

    def results(prefix: str, name: str, users: dict[tuple[int, int], list[User]]) -> Results:
        tasks = [task for task in found if f"{prefix}: {name}" in found[task]]
        rows = np.concatenate([found[task][f"{prefix}: {name}"] for task in tasks])
        return Results(
            users=tuple(user for task in tasks for user in users[task]),
            values=dict(zip(METRICS, rows.T, strict=True)),
        )

    strangers = {
        task: [other for user in users if (other := evaluation.unheard(user, clips))]
        for task, users in mine.items()
    }
    few = {
        task: [user for user in users if len(user.liked) >= max(N_LIKED)]
        for task, users in mine.items()
    }
    names = [*METHODS, TOGETHER]
    return page.Figures(
        everyone={name: results("all", name, mine) for name in names},
        unheard={name: results("unheard", name, strangers) for name in FOR_FEW},
        few={n: {name: results(f"{n} liked", name, few) for name in FOR_FEW} for n in N_LIKED},
        first={
            name: [found[task][f"first: {name}"].astype(np.intp) for task in found]
            for name in names
        },
        diversity={
            name: float(
                np.mean(
                    [
                        evaluation.diversity(vectors[fold][best])
                        for (fold, seed) in found
                        for best in found[fold, seed][f"first: {name}"].astype(np.intp)
                    ]
                )
            )
            for name in names
        },
        thesis=np.concatenate([found[task]["thesis"] for task in found]),
        relevant=np.concatenate([user.relevant for task in found for user in mine[task]]),
        reads=[one for task, arrays in found.items() for one in read_back(arrays, len(mine[task]))],
        mixed={
            tastes: np.concatenate([found[task][f"mixed: {tastes}"] for task in found])
            for tastes in TASTES
        },
    )


def read_back(arrays: dict[str, NDArray[np.floating]], n_users: int) -> list[calibration.Read]:
    """Undo `reads`."""
    if "read: about" not in arrays:
        return []
    about = arrays["read: about"]
    ends = np.cumsum(about[:, 3]).astype(np.intp)[:-1]
    parts = zip(
        about,
        np.split(arrays["read: z"], ends),
        np.split(arrays["read: relevant"] > 0, ends),
        strict=True,
    )
    return [
        calibration.Read(
            fold=int(fold),
            n_liked=int(n_liked),
            whole=number < n_users,
            coherence=coherence,
            z=z,
            relevant=relevant,
        )
        for number, ((fold, n_liked, coherence, _), z, relevant) in enumerate(parts)
    ]


if __name__ == "__main__":
    main()

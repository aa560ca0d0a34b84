"""What features may be rounded to: bytes a track against the quality of recommendations.

    python benchmarks/storage_formats.py AUDIO --work WORK -o docs/scaling.json

AUDIO and WORK as for benchmarks/quality.py; the users are those of its first draw. Differences to
float16 are paired, user by user, with 95 % intervals.
"""

import argparse
import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import evaluation
from recommender.evaluation import METRICS, Results, User, bootstrap, paired
from recommender.library import decode, encode
from recommending.ground import ground
from recommending.methods import METHODS

Features = NDArray[np.floating]
Format = Callable[[Features], Features]

N_FRAGMENTS = 30  # of a track of four minutes, for which bytes are told
MEASURES = ("auc", "ndcg")
FEATURES = {"default": "default", "network": "default", "thesis": "thesis"}
"""Recipes, and whose features they take."""

WIDTHS = {"default": 256, "thesis": 1920}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", "-o", type=Path)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        one_fold = functools.partial(measure, options.audio, options.work)
        folds = list(pool.map(one_fold, range(5)))
    users = tuple(user for mine, _ in folds for user in mine)
    found = {
        key: Results(
            users=users,
            values=dict(
                zip(MEASURES, np.concatenate([rows[key] for _, rows in folds]).T, strict=True)
            ),
        )
        for key in folds[0][1]
    }
    table = [row(recipe, name, found) for recipe, name in found]
    print(json.dumps(table, indent=2))
    if options.output:
        before = json.loads(options.output.read_text()) if options.output.exists() else {}
        options.output.write_text(json.dumps({**before, "storage": table}, indent=2) + "\n")


def row(recipe: str, name: str, found: Mapping[tuple[str, str], Results]) -> dict[str, object]:
    """One line of the table."""
    results, reference = found[recipe, name], found[recipe, "float16"]
    return {
        "recipe": recipe,
        "format": name,
        "bytes": BYTES[name](WIDTHS[FEATURES[recipe]]),
        **{m: bootstrap(results, m).value for m in MEASURES},
        **{
            f"{m}_difference": list(dataclasses.astuple(paired(results, reference, m)))
            for m in MEASURES
        },
    }


BYTES: Mapping[str, Callable[[int], float]] = {
    "float16": lambda d: 2 * N_FRAGMENTS * d,
    "int8": lambda d: N_FRAGMENTS * (d + 4),
    "4 bits": lambda d: N_FRAGMENTS * (d / 2 + 4),
    "128 principal components, int8": lambda _: N_FRAGMENTS * (128 + 4),
    "64 principal components, int8": lambda _: N_FRAGMENTS * (64 + 4),
    "mean alone, int8": lambda d: d + 4,
}


def formats(negatives: Features) -> dict[str, Format]:
    """All of them; principal components are those of the other music."""

    def each(round_one: Callable[[Features], Features]) -> Format:
        return lambda x: round_one(x.reshape(-1, x.shape[-1])).reshape(x.shape)

    def int8(x: Features) -> Features:
        return decode(encode(x))

    def four_bits(x: Features) -> Features:
        step = np.maximum(np.abs(x).max(axis=1, keepdims=True) / 7, 1e-9)
        return np.asarray(np.rint(x / step) * step)

    wide = negatives.reshape(-1, negatives.shape[-1]).astype(np.float32)
    mean = wide.mean(0)
    axes = np.linalg.svd(wide - mean, full_matrices=False)[2]

    def projected(n: int) -> Format:
        return each(lambda x: int8((x - mean) @ axes[:n].T) @ axes[:n] + mean)

    def mean_alone(x: Features) -> Features:
        means = int8(x.mean(1, dtype=np.float32))
        return np.repeat(means[:, None], x.shape[1], axis=1)

    return {
        "float16": lambda x: x,
        "int8": each(int8),
        "4 bits": each(four_bits),
        "128 principal components, int8": projected(128),
        "64 principal components, int8": projected(64),
        "mean alone, int8": mean_alone,
    }


def measure(
    audio: Path, work: Path, fold: int
) -> tuple[list[User], dict[tuple[str, str], NDArray[np.float64]]]:
    """Rank the candidates of a fold's users in all formats; a row of figures a user."""
    clips = evaluation.read_clips(audio / "manifest.csv")
    here = ground(clips, work, fold)
    mine = [user for user in evaluation.users(clips, seed=0) if user.fold == fold]
    found = {}
    for recipe, of in FEATURES.items():
        x = here.features[of].astype(np.float32)
        for name, rounded in formats(x[here.rotation.negatives]).items():
            if recipe != "default" and name not in ("float16", "int8"):
                continue
            there = dataclasses.replace(here, features={**here.features, of: rounded(x)})
            found[recipe, name] = np.array(
                [
                    [METRICS[m](METHODS[recipe](there, user), user.relevant) for m in MEASURES]
                    for user in mine
                ]
            )
    return mine, found


if __name__ == "__main__":
    main()

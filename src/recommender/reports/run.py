"""The report of one run: what was done, on what, how well, and what it looks like inside."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from recommender import plots
from recommender.parameters import SpectrogramParams
from recommender.reports import rendering

if TYPE_CHECKING:  # torch takes seconds
    from recommender.genres.metrics import Scores
    from recommender.genres.runs import Run
    from recommender.training import Epoch

# What keeps a page of any collection small.
_MOST_IN_MATRIX = 40
_MOST_IN_PICTURE = 100
_MOST_GENRES = 300
_MOST_EXAMPLES = 16
_MOST_MAPS = 16
_MOST_FAILURES = 200
_MOST_CONFUSIONS = 5


def write_run(
    path: Path,
    run: "Run",
    *,
    kind: Literal["mel", "mfcc", "handmade", "embeddings"] = "mel",
    spectrogram: SpectrogramParams | None = None,
    examples: Mapping[str, NDArray[np.float32]] | None = None,
    kernels: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    som: NDArray[np.int64] | None = None,
) -> None:
    """Write the report of a run as one HTML file of at most 2 MB.

    Parameters
    ----------
    path : Path
    run : Run
    kind : {"mel", "mfcc", "handmade", "embeddings"}
        What the system hears.
    spectrogram : SpectrogramParams, optional
        Of mel and MFCC: for seconds and hertz at pictures' axes.
    examples : mapping of str to ndarray, shape (n_frames, n_bands), optional
        A piece of each genre, in the order in which they are to be shown; mel-spectrogram if what
        the system hears is hand-made, which has no picture.
    kernels : pair of ndarray, optional
        Weights of two convolutions, ``(n_kernels, n_inputs, n_steps)`` each.
    som : ndarray of int, shape (n_rows, n_columns, n_genres), optional
        How many tracks of each genre fall on each unit of a self-organising map.

    Raises
    ------
    ParameterError
        If the file cannot be written.
    """
    pictured_as: Literal["mel", "mfcc", "embeddings"] = "mel" if kind == "handmade" else kind
    matrix = np.asarray(run.scores.confusion)
    shown = _most_frequent(matrix, _MOST_IN_MATRIX)
    pictured = _most_frequent(matrix, _MOST_IN_PICTURE)
    mapped = _most_frequent(matrix, _MOST_MAPS)
    rendering.write(
        path,
        "run.html",
        run=run,
        n_test=int(matrix.sum()),
        n_right=int(np.trace(matrix)),
        interval=_interval(matrix),
        majority=_majority(matrix, run.genres),
        curves=_curves(run.history),
        best=_best(run.history),
        last=run.history[-1] if run.history else None,
        matrix=_rows(matrix, run.genres, shown),
        matrix_picture=plots.confusion(matrix, run.genres, chosen=pictured)
        if len(shown) < len(run.genres)
        else None,
        n_pictured=len(pictured),
        confusions=_confusions(matrix, run.genres)[:_MOST_CONFUSIONS],
        macro=_macro(run.scores, matrix),
        classes=_classes(run, _most_frequent(matrix, _MOST_GENRES)),
        kind=kind,
        level_bar=plots.level_bar(spectrogram) if pictured_as == "mel" and spectrogram else None,
        examples=[
            (genre, plots.piece(x, pictured_as, spectrogram))
            for genre, x in list((examples or {}).items())[:_MOST_EXAMPLES]
        ],
        n_examples=len(examples or {}),
        kernels=_kernel_figures(kernels, kind, spectrogram),
        hits=plots.som_hits(som.sum(axis=2)) if som is not None else None,
        genre_hits=plots.som_genres(som[:, :, mapped], [run.genres[i] for i in mapped])
        if som is not None
        else None,
        n_mapped=len(mapped),
        failures=run.failures[:_MOST_FAILURES],
        settings=_flat(run.settings),
    )


def _most_frequent(matrix: NDArray[np.int64], n: int) -> list[int]:
    """Indices of the `n` genres with most test tracks, in their own order."""
    order = np.argsort(-matrix.sum(axis=1), kind="stable")[:n]
    return sorted(int(i) for i in order)


def _interval(matrix: NDArray[np.int64]) -> tuple[float, float]:
    """Wilson's 95 % interval of the accuracy; (0, 1) without test tracks."""
    n = int(matrix.sum())
    if n == 0:
        return 0.0, 1.0
    ends = stats.binomtest(int(np.trace(matrix)), n).proportion_ci(method="wilson")
    return float(ends.low), float(ends.high)


def _majority(matrix: NDArray[np.int64], genres: tuple[str, ...]) -> tuple[str, float]:
    """The genre that is most frequent in the test set, and the accuracy of always naming it."""
    totals = matrix.sum(axis=1)
    return genres[int(totals.argmax())], float(totals.max() / max(totals.sum(), 1))


def _best(history: "tuple[Epoch, ...]") -> int | None:
    """The epoch whose weights were kept, where training was validated."""
    scored = [epoch for epoch in history if epoch.score is not None]
    return max(scored, key=lambda epoch: (epoch.score, -epoch.number)).number if scored else None


def _curves(history: "tuple[Epoch, ...]") -> list[tuple[str, Figure]]:
    best = _best(history)
    found = []
    for label, training, validation in (
        ("loss", "loss", "validation_loss"),
        ("accuracy", "accuracy", "validation_accuracy"),
    ):
        ours = [getattr(epoch, training, None) for epoch in history]
        theirs = [getattr(epoch, validation, None) for epoch in history]
        if any(value is not None for value in ours + theirs):
            found.append((label, plots.learning_curve(label, ours, theirs, best=best)))
    return found


def _rows(
    matrix: NDArray[np.int64], genres: tuple[str, ...], chosen: list[int]
) -> list[dict[str, Any]]:
    """Rows of the table of the chosen genres: counts, their shares of the whole row, the recall."""
    totals = matrix.sum(axis=1)
    shares = matrix / np.maximum(totals, 1)[:, None]
    return [
        {
            "genre": genres[i],
            "cells": [
                {"n": int(matrix[i, j]), "share": float(shares[i, j]), "right": i == j}
                for j in chosen
            ],
            "recall": float(shares[i, i]) if totals[i] else float("nan"),
        }
        for i in chosen
    ]


def _confusions(matrix: NDArray[np.int64], genres: tuple[str, ...]) -> list[dict[str, Any]]:
    """What was taken for what, the most frequent first."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    cells = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    pairs = [divmod(int(cell), len(genres)) for cell in cells]
    return [
        {"n": int(wrong[i, j]), "of": int(matrix[i].sum()), "true": genres[i], "said": genres[j]}
        for i, j in pairs
        if wrong[i, j]
    ]


def _classes(run: "Run", chosen: list[int]) -> list[dict[str, Any]]:
    scores = run.scores
    return [
        {
            "genre": run.genres[i],
            "support": scores.support[i],
            "precision": scores.precision[i],
            "recall": scores.recall[i],
            "f1": scores.f1[i],
        }
        for i in chosen
    ]


def _macro(scores: "Scores", matrix: NDArray[np.int64]) -> tuple[float, float]:
    """Mean precision and recall over the genres that occur, as true or as predicted."""
    occurring = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    means = [float(np.mean(np.array(x)[occurring])) for x in (scores.precision, scores.recall)]
    return means[0], means[1]


def _kernel_figures(
    kernels: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
    kind: str,
    params: SpectrogramParams | None,
) -> list[Figure]:
    """Both layers; the inputs of the second are ordered as the kernels of the first are shown."""
    if kernels is None:
        return []
    first, second = kernels
    inputs = {"mel": "band", "mfcc": "coefficient"}.get(kind, "number")
    on_bands = kind == "mel" and params is not None and params.n_mels == first.shape[1]
    ordered = second
    if second.shape[1] == len(first):
        ordered = second[:, plots.kernel_order(first)]
    return [
        plots.kernels(first, inputs, params if on_bands else None),
        plots.kernels(ordered, "map of the first layer"),
    ]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Settings within settings as ``outer.inner``, with their values as text."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            rows.append((f"{prefix}{name}", f"{value:g}"))
        elif isinstance(value, (list, tuple)):
            rows.append((f"{prefix}{name}", ", ".join(map(str, value)) or "none"))
        else:
            rows.append((f"{prefix}{name}", "none" if value is None else str(value)))
    return rows

"""The page docs/genre-results.md: all figures are computed from results, the text is written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.genres import metrics
from recommender.genres.systems import SYSTEMS

MIN_CLIPS_OF_SOURCE = 40
"""A source with fewer, or with one genre only, says nothing of hearing genres within it."""

HEAD = """# Genre systems on artists that they have not heard

Made by `benchmarks/genre_results.py`: every system is trained and tested in five folds that share
no artist, on {n_clips:,} clips of up to 30 s of the {n_genres} genres that have at least 40. Three
folds train, the next stops the training (what is not trained by epochs learns from it too), the
last is tested on. Mean ± standard deviation over folds. A track's genre is that of the greatest
mean share over its pieces.

*Within sources* is the macro F1 among the clips of one source, meant over the {n_sources} sources
with several genres ({sources}): what a system knows from a source's sound alone does not help it
there.

"""

AGREEMENT = """
## What agrees, what does not, and why

Published figures are on other data: GTZAN and FMA have as many tracks of every genre, and a random
split puts an artist, or pieces of one track, on both sides. Here a third of the clips are rock,
half of the labels are guessed from the artist, and no artist is on both sides: figures are lower
throughout, and the macro F1 more so than the accuracy.

What agrees is mostly the order within a work. Hand-made features with support vectors or CatBoost
are ahead of everything that learns from spectrograms or from a frozen network's patches, as the
course project found; convolutions with an LSTM are ahead of the feed-forward net and of the
self-organising map, as the conference paper found; a small two-dimensional network is ahead of a
dense one, as the article found; and of the students' five, the one-dimensional network is the best
with either input and the recurrent ones without convolutions are the worst.

What does not: MFCC are not ahead of mel bands here, where the students found them so by five to 25
points. Pieces of one track on both sides favour what tells tracks apart, and MFCC do. The random
forest is not behind support vectors but has the best macro F1 of the classical models, since it
alone weights genres by their frequency, which matters only where genres are uneven. The large
two-dimensional networks are below their place because of the budget below: `cnn2d-mel` is stopped
after 4 of 50 epochs. The thesis's 98 % are of fragments that were trained on; its linear
spectrogram costs it eight points against decibels.

`frozen` is ahead in accuracy and in macro F1. It is not ahead within sources, where CatBoost has as
much: part of its lead is knowing what collections sound like, as it is for every system here.
"""

BUDGET = """
## What was spent

Published trainings take hours to days on two cores. Here each network has at most so many epochs,
each of which draws so many pieces of each training track; it stops when the validation fold's
log-likelihood has not risen for as many epochs as its patience. All else is as published.

"""

LEAKY = """
## How high figures arise

The same networks with pieces of the same tracks in training and in test, accuracy by piece:

"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row's figures over its folds."""

    name: str
    n_folds: int
    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]
    within: float | None
    training_s: float
    epochs: float
    n_parameters: int


def row(name: str, results: Sequence[Mapping[str, Any]], sources: Mapping[str, str]) -> Row:
    """Summarise the results of a row's folds.

    Parameters
    ----------
    name : str
    results : sequence of mapping
        With the fields of `genre_results.Result`.
    sources : mapping of str to str
        From a clip's name to its source; of none, there are no figures within sources.
    """
    scores = [_scores(result["y"], result["predicted"]) for result in results]
    accuracy = np.array([s.accuracy for s in scores])
    macro_f1 = np.array([s.macro_f1 for s in scores])
    by_source: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for result in results:
        for track, y, predicted in zip(
            result["tracks"], result["y"], result["predicted"], strict=True
        ):
            if track in sources:
                by_source[sources[track]][0].append(y)
                by_source[sources[track]][1].append(predicted)
    within = [_scores(y, predicted).macro_f1 for y, predicted in by_source.values()]
    return Row(
        name=name,
        n_folds=len(results),
        accuracy=_spread(accuracy),
        macro_f1=_spread(macro_f1),
        within=float(np.mean(within)) if within else None,
        training_s=float(np.mean([result["training_s"] for result in results])),
        epochs=float(np.mean([result["epochs"] for result in results])),
        n_parameters=int(results[0]["n_parameters"]),
    )


def several_genres(genres: Mapping[str, str], sources: Mapping[str, str]) -> dict[str, str]:
    """Sources of clips, but for sources that are small or have one genre only.

    Parameters
    ----------
    genres, sources : mapping of str to str
        From a clip's name.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for name, genre in genres.items():
        found[sources[name]].append(genre)
    good = {
        source
        for source, of_source in found.items()
        if len(of_source) >= MIN_CLIPS_OF_SOURCE and len(set(of_source)) > 1
    }
    return {name: source for name, source in sources.items() if source in good and name in genres}


def page(
    rows: Sequence[Row],
    *,
    n_clips: int,
    n_genres: int,
    sources: Sequence[str],
    budgets: Mapping[str, Any],
) -> str:
    """Render the whole page.

    Parameters
    ----------
    rows : sequence of Row
    n_clips, n_genres : int
    sources : sequence of str
        Those of the column within sources.
    budgets : mapping of str to Budget
    """
    head = HEAD.format(
        n_clips=n_clips, n_genres=n_genres, n_sources=len(sources), sources=", ".join(sources)
    )
    honest = [r for r in rows if not r.name.endswith("-leaky")]
    leaky = [r for r in rows if r.name.endswith("-leaky")]
    text = head + table(honest) + AGREEMENT
    if leaky:
        text += LEAKY + leaky_table(leaky, honest)
    return text + BUDGET + budget_table(budgets)


def table(rows: Sequence[Row]) -> str:
    """Markdown: a line a system."""
    lines = [
        "| system | accuracy | macro F1 | within sources | training a fold | epochs |"
        " parameters | published |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for r in rows:
        system = SYSTEMS.get(r.name)
        names = {"largest": "*always the largest genre*", "frozen": "**`frozen`** (shipped)"}
        lines.append(
            f"| {names.get(r.name, f'`{r.name}`')} | {_percent(r.accuracy)} | {_figure(r.macro_f1)}"
            f" | {'' if r.within is None else f'{r.within:.3f}'}"
            f" | {f'{r.training_s:.0f} s' if r.training_s else ''}"
            f" | {f'{r.epochs:.0f}' if r.epochs else ''}"
            f" | {f'{r.n_parameters:,}' if r.n_parameters else ''}"
            f" | {system.published if system else ''} |"
        )
    return "\n".join(lines) + "\n"


def leaky_table(leaky: Sequence[Row], honest: Sequence[Row]) -> str:
    """Markdown: leaky figures beside honest and published ones."""
    by_name = {r.name: r for r in honest}
    lines = ["| system | leaky | by artist | published |", "|---|---:|---:|---|"]
    for r in leaky:
        name = r.name.removesuffix("-leaky")
        other = _percent(by_name[name].accuracy) if name in by_name else ""
        lines.append(f"| `{name}` | {_percent(r.accuracy)} | {other} | {SYSTEMS[name].published} |")
    return "\n".join(lines) + "\n"


def budget_table(budgets: Mapping[str, Any]) -> str:
    """Markdown: what was spent beside what was published."""
    lines = [
        "| system | epochs | as written | pieces of a track | of | learning rate | patience |"
        " precision |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name, budget in budgets.items():
        system = SYSTEMS[name]
        training = system.training
        assert training is not None
        rate = f"{training.learning_rate:g}"
        if budget.learning_rate is not None:
            rate = f"{budget.learning_rate:g} (written: {rate})"
        lines.append(
            f"| `{name}` | {budget.epochs} | {training.epochs} | {budget.n_drawn} |"
            f" {system.n_drawn or system.n_pieces} | {rate} | {budget.patience} |"
            f" {budget.precision} |"
        )
    return "\n".join(lines) + "\n"


def _scores(y: Sequence[str], predicted: Sequence[str]) -> metrics.Scores:
    names = sorted({*y, *predicted})
    index = {name: i for i, name in enumerate(names)}
    shares = np.eye(len(names))[[index[name] for name in predicted]]
    return metrics.scores(np.array([index[name] for name in y], np.int64), shares)


def _spread(values: Any) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _percent(value: tuple[float, float]) -> str:
    return f"{100 * value[0]:.1f} ± {100 * value[1]:.1f} %"


def _figure(value: tuple[float, float]) -> str:
    return f"{value[0]:.3f} ± {value[1]:.3f}"

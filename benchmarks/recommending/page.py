"""The page of recommendation quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation import (
    KINDS,
    Clip,
    Interval,
    Results,
    bootstrap,
    coverage,
    k_occurrence_skew,
    paired,
)
from recommender.parameters import DEFAULT, NearnessParams
from recommending import calibration
from recommending.calibration import FACTORS, Calibration, Read
from recommending.methods import TITLES
from recommending.mixed import Tastes

BASELINE = "mfcc"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything that was measured.

    Attributes
    ----------
    everyone, unheard : dict of str to Results
        By method: of all users, and of those with hidden tracks by artists that are not liked.
    few : dict of int to (dict of str to Results)
        With so many liked tracks.
    first : dict of str to list of ndarray
        The first ten candidates of users, a list each, by fold and seed.
    diversity : dict of str to float
        By method: mean cosine distance between two of the first ten.
    thesis : ndarray
        Log-odds of the recipe `thesis`, of all candidates of all users.
    relevant : ndarray of bool
        Which of these were hidden.
    reads : list of Read
    mixed : dict of str to ndarray, shape (n_runs, 2)
        Hidden tracks, and those of them above the median.
    """

    everyone: Mapping[str, Results]
    unheard: Mapping[str, Results]
    few: Mapping[int, Mapping[str, Results]]
    first: Mapping[str, Sequence[NDArray[np.intp]]]
    diversity: Mapping[str, float]
    thesis: NDArray[np.float64]
    relevant: NDArray[np.bool_]
    reads: Sequence[Read]
    mixed: Mapping[Tastes, NDArray[np.float64]]


def page(clips: Sequence[Clip], figures: Figures) -> str:
    """Write it."""
    n_artists = len({clip.artist for clip in clips} - {""})
    return "\n".join(
        [
            _HEAD.format(n_clips=f"{len(clips):,}", n_artists=f"{n_artists:,}"),
            *_main(figures, len(clips)),
            _BY_KIND,
            *_by_kind(figures),
            _UNHEARD,
            *_short(figures.unheard, ("mood", "genre", "genre, same source", "mixture of genres")),
            _FEW,
            *_few(figures),
            _CALIBRATED,
            *_calibrated(figures),
            _MIXED,
            *_mixed(figures),
            _END,
        ]
    )


def _main(figures: Figures, n_clips: int) -> list[str]:
    lines = [
        "| method | AUC (95 %) | nDCG@10 (95 %) | nDCG over MFCC, cosine | average precision |"
        " recall@10 | variety | seen | skew |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, title in TITLES.items():
        results = figures.everyone[name]
        lists = np.concatenate(figures.first[name])
        above = paired(results, figures.everyone[BASELINE], "ndcg")
        cells = [
            title,
            _interval(bootstrap(results, "auc")),
            _interval(bootstrap(results, "ndcg")),
            "" if name == BASELINE else _interval(above, sign=True),
            _number(results.macro("average_precision")),
            _number(results.macro("recall")),
            f"{figures.diversity[name]:.2f}",
            f"{100 * coverage(lists, n_clips):.0f} %",
            f"{k_occurrence_skew(lists, n_clips):.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _by_kind(figures: Figures) -> list[str]:
    lines = [f"| method | {' | '.join(KINDS)} |", f"|---|{'---:|' * len(KINDS)}"]
    for name, title in TITLES.items():
        auc, ndcg = (figures.everyone[name].by_kind(metric) for metric in ("auc", "ndcg"))
        cells = [f"{_number(auc[kind])} / {_number(ndcg[kind])}" for kind in KINDS]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def _short(results: Mapping[str, Results], kinds: Sequence[str]) -> list[str]:
    lines = [f"| method | {' | '.join(kinds)} |", f"|---|{'---:|' * len(kinds)}"]
    for name, found in results.items():
        auc, ndcg = (found.by_kind(metric) for metric in ("auc", "ndcg"))
        cells = [f"{_number(auc[kind])} / {_number(ndcg[kind])}" for kind in kinds]
        lines.append(f"| {TITLES[name]} | {' | '.join(cells)} |")
    return lines


def _few(figures: Figures) -> list[str]:
    names = list(next(iter(figures.few.values())))
    lines = [
        f"| liked tracks | {' | '.join(TITLES[name] for name in names)} | over cosine |",
        f"|---:|{'---:|' * (len(names) + 1)}",
    ]
    for n, results in figures.few.items():
        cells = [
            f"{_number(found.macro('auc'))} / {_number(found.macro('ndcg'))}"
            for found in results.values()
        ]
        above = paired(results["default"], results["centroid"], "ndcg")
        lines.append(f"| {n} | {' | '.join(cells)} | {_interval(above, sign=True)} |")
    return lines


def _calibrated(figures: Figures) -> list[str]:
    factors = calibration.across_folds(figures.reads)
    lines = [
        "| scores | prior | ECE | Brier skill |",
        "|---|---:|---:|---:|",
    ]
    groups = {
        "`default`, all users as above": [one for one in figures.reads if one.whole],
        **{
            f"`default`, {n} liked": [one for one in figures.reads if one.n_liked == n]
            for n in (1, 2, 3, 5)
        },
        "`default`, more than 5 liked": [one for one in figures.reads if one.n_liked > 5],
    }
    for title, some in groups.items():
        lines.append(_judged(title, calibration.judge(some, [factors[o.fold] for o in some])))
    p = 1 / (1 + np.exp(-figures.thesis))
    lines.append(_judged("`thesis`, as they are", calibration.as_they_are(p, figures.relevant)))
    learner = DEFAULT.learner
    assert isinstance(learner, NearnessParams)
    shipped = ", ".join(f"{getattr(learner, name):.3f}" for name in FACTORS)
    fitted = ", ".join(f"{value:.3f}" for value in calibration.fit(figures.reads))
    return [*lines, "", f"Factors shipped: {shipped}; fitted to all folds here: {fitted}."]


def _judged(title: str, found: Calibration) -> str:
    return f"| {title} | {100 * found.prior:.1f} % | {found.error:.4f} | {found.skill:.3f} |"


def _mixed(figures: Figures) -> list[str]:
    lines = [
        "| tastes | hidden tracks above the median | runs in which all are |",
        "|---|---:|---:|",
    ]
    for tastes, runs in figures.mixed.items():
        n_hidden, n_above = runs.sum(0).astype(int)
        n_whole = int((runs[:, 0] == runs[:, 1]).sum())
        lines.append(f"| {tastes} | {n_above} of {n_hidden} | {n_whole} of {len(runs)} |")
    return lines


def _number(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1)


def _interval(found: Interval, *, sign: bool = False) -> str:
    if sign:
        return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
    return f"{_number(found.value)} ({_number(found.low)} to {_number(found.high)})"


_HEAD = """# How good the recommendations are

Made by `benchmarks/quality.py`, figures and all.

{n_clips} clips of up to 30 s by {n_artists} artists, in five folds that share no artist. In each of
five rotations the preprocessor learned from three folds; users and all candidates come from a
fourth, and all other music that a method may learn from is the fifth. Nothing that is ranked, and
nothing by its artists, was trained on.

A user likes half of up to 20 tracks; the other half are hidden among the candidates. There are six
kinds of users: artists against all clips of others; artists against their own source, with hidden
albums where albums are known; genres, and genres within one source; moods within their source;
mixtures of three genres. Figures are means over the six kinds, users of three seeds together.
Intervals: 95 % of a bootstrap over persons within kinds; differences are paired by user. *Variety*:
mean cosine distance between two of the first ten, by the preprocessor's features; *seen*: share of
all clips that are among somebody's first ten; *skew* of the number of lists that a clip is in: well
above 1, a few clips are recommended to everybody.
"""

_BY_KIND = """
## By kind of user

AUC / nDCG@10.
"""

_UNHEARD = """
## Artists that are not liked yet

The same users; candidates are only tracks by artists of whom nothing is liked. AUC / nDCG@10.
"""

_FEW = """
## With few liked tracks

Users with ten liked tracks, of whom only some are known. AUC / nDCG@10, means over the kinds;
*over cosine*: nDCG@10 of `default` over cosine on the same features.
"""

_CALIBRATED = """
## Do probabilities mean what they say?

The program states a prior of one half: "if the playlist and the other music were equally frequent".
Here the hidden tracks are a few per cent of the candidates; the prior is set to that share, which
shifts all log-odds alike. Factors are fitted on other folds than they are judged on. The expected
calibration error (ECE, 15 bins) is low for a constant, too, so beside it stands the Brier skill:
by how much the squared error is less than that of the base rate.
"""

_MIXED = """
## Playlists of many tastes

Up to 31 tracks of several tastes, 6 of them hidden; is every hidden one above the median of other
music that nothing was learned from? (The thesis's second experiment, in which three of four hidden
tracks scored 0.0012.) 15 runs each. *Any tracks*: drawn evenly from all genres, so that what is
not in the playlist is as near to it as what is hidden: nothing can be known of them.
"""

_END = """
## What was tried and did not help

- A dense network a user, with widths of 0, 64 and 256, with standardised or length-normalised
  features, with and without the other music's doubtful quarter: at best .01 above plain cosine in
  nDCG@10, mostly below it, and beside nearness it changes nothing (the table above has both). The
  table's `network` scores a track by one of its three networks, as a library needs it; the mean of
  all three, which no track here forbids, had .426 where nearness had .449. Ten tracks are too few
  to learn 256 directions from; where 30 were liked, it was still below. It is kept as the recipe
  `network`.
- Kernel ridge regression with distrusted negatives, on the same kernel: .437 where nearness had
  .440. Mutual proximity and local scaling instead of the other music's density: .42 to .44.
- Query expansion by the first recommendations: .43 down to .37 the more is added. Features
  averaged over neighbours: no change.
- Probabilistic linear discriminant analysis on the whitened features: .42; weights by how much a
  direction tells artists apart: .36 to .42.
- More descriptors beside the learned ones (cepstra with correlations, modulation spectra, their
  spread over the fragments), each whitened: -.01 to +.004. Embeddings trained for other targets
  beside the shipped one: up to +.006.
- The mean of fragments' probabilities instead of their log-odds: -.007.
- Disliked tracks as a density of their own: at most +.01 for genres, and harmful when its weight
  is not small; as other music that counts five times, +.01 without harm.

These were looked at on two draws of users that are not among the three of the tables, but on the
same clips: choices lean to what suits this music.
"""

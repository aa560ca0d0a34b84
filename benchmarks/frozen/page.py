"""The page of the comparison of frozen features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frozen.examining import Loss
from frozen.material import DEGRADATIONS
from frozen.rows import ROWS
from recommender.evaluation import KINDS, Clip, Interval

BY_KIND = (
    "random",
    "mfcc",
    "bliss",
    "thesis-log",
    "timbre",
    "timbre-whitened",
    "genre",
    "default-untrained",
    "default",
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was measured of a row.

    Attributes
    ----------
    row, title : str
    n_numbers : int
        Of a clip; 0: none.
    auc, ndcg : Interval
    auc_above, ndcg_above : Interval
        By how much they are above those of MFCC, in pairs.
    ndcg_below : Interval
        By how much the nDCG of `default` is above it, in pairs.
    by_kind : dict of str to (float, float)
        AUC and nDCG.
    accuracy : float or None
        In telling genres apart.
    """

    row: str
    title: str
    n_numbers: int
    auc: Interval
    ndcg: Interval
    auc_above: Interval
    ndcg_above: Interval
    ndcg_below: Interval
    by_kind: Mapping[str, tuple[float, float]]
    accuracy: float | None


def page(
    clips: Sequence[Clip],
    lines: Sequence[Line],
    examined: Mapping[str, tuple[Mapping[str, Loss], float]],
) -> str:
    """Write it."""
    n_artists = len({clip.artist for clip in clips} - {""})
    return "\n".join(
        [
            HEAD.format(n_clips=f"{len(clips):,}", n_artists=f"{n_artists:,}"),
            *table(lines),
            "",
            NOTES,
            "",
            "## By kind of user",
            "",
            "AUC / nDCG@10.",
            "",
            *kinds([line for row in BY_KIND for line in lines if line.row == row]),
            "",
            SOURCES,
            "",
            *heard_sources(examined),
            "",
        ]
    )


def table(lines: Sequence[Line]) -> list[str]:
    """All rows."""
    text = [
        "| features | numbers | AUC | nDCG@10 (95 %) | AUC over MFCC | nDCG over MFCC |"
        " nDCG of `default` over it | genres |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for line in lines:
        is_baseline = line.row == "mfcc"
        cells = [
            line.title,
            f"{line.n_numbers:,}" if line.n_numbers else "",
            _figure(line.auc.value),
            f"{_figure(line.ndcg.value)} ({_figure(line.ndcg.low)} to {_figure(line.ndcg.high)})",
            "" if is_baseline else _difference(line.auc_above),
            "" if is_baseline else _difference(line.ndcg_above),
            "" if line.row == "default" else _difference(line.ndcg_below),
            "" if line.accuracy is None else _figure(line.accuracy),
        ]
        text.append(f"| {' | '.join(cells)} |")
    return text


def kinds(lines: Sequence[Line]) -> list[str]:
    """Some rows, by kind of user."""
    present = [kind for kind in KINDS if any(kind in line.by_kind for line in lines)]
    text = [f"| features | {' | '.join(present)} |", f"|---|{'---:|' * len(present)}"]
    for line in lines:
        pairs = [line.by_kind[kind] for kind in present]
        cells = [f"{_figure(auc)} / {_figure(ndcg)}" for auc, ndcg in pairs]
        text.append(f"| {line.title} | {' | '.join(cells)} |")
    return text


def heard_sources(examined: Mapping[str, tuple[Mapping[str, Loss], float]]) -> list[str]:
    """What degradation costs, and how well the source is told."""
    text = [
        f"| features | {' | '.join(DEGRADATIONS)} | source told |",
        f"|---|{'---:|' * len(DEGRADATIONS)}---:|",
    ]
    for row, (losses, told) in examined.items():
        cells = [
            f"{losses[name].all_candidates:+.3f} / {losses[name].hidden_alone:+.3f}"
            if name in losses
            else ""
            for name in DEGRADATIONS
        ]
        text.append(f"| {ROWS[row].title} | {' | '.join(cells)} | {_figure(told)} |")
    return text


def _figure(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def _difference(found: Interval) -> str:
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


HEAD = """# Frozen features, and how well they recommend by plain cosine

Made by `benchmarks/frozen_features.py`, figures and all.

{n_clips} clips of up to 30 s by {n_artists} artists, in five folds that share no artist. In each of
five rotations a candidate learns from three folds, if it learns anything; all liked, hidden and
other tracks come from a fourth, and means (and deviations, for features with units) from the
fifth. Nothing that is ranked, and nothing by its artists, was learned from.

A user likes half of up to 20 tracks; the other half are hidden among the candidates, which are
ranked by the cosine of their vector to the mean of the liked ones' (vectors of length 1, a clip's
being the mean over its fragments). There are six kinds of users: artists against all clips of
others; artists against their own source, hidden albums where albums are known; genres, and genres
within one source; moods within their source; mixtures of three genres. Figures are means over the
six kinds, users of five seeds together. Intervals: 95 % of a bootstrap over persons within kinds,
one whom several seeds drew counting as one; differences from MFCC are paired by user. Genre
accuracy (*genres*): on the test fold, among the genres of at least 40 clips.
"""

NOTES = """*Timbre statistics* are the 474 numbers of module `timbre`, of a fine and of the coarse
spectrogram. *Whitened*: by what varies within artists of the training folds. *Dense on
statistics*: two layers of 512 and 256, whose whitened second layer is the vector unless it says
otherwise; the networks learn from twelve views of each clip, nine of them changed (equaliser, band
limit, noise floor) unless it says *no augmentation*. *Default* joins dense layers on the statistics
with the thesis's convolutions, has whitened statistics beside, and is cut to the directions of
greatest variance. *Untrained* networks are controls: what their features gain, any features would.
The convolutions on the fine spectrogram had 15 epochs.

How far to trust it: recipes were chosen on the same clips, so the best rows lean to the high side;
each rotation has one training, with one seed."""

SOURCES = """## Does it hear the source?

Genres come from different sources, which differ in bandwidth, loudness and encoder; a network could
tell the source in their stead. The kinds of users *within one source* above cannot be served so.
And here the candidates were degraded, while what is liked was not: by how much nDCG@10 falls if all
candidates are / if only those are that should be found (two rotations; below zero: it rises). Last
column: how well a logistic regression tells the sources of clips of one genre, learned and
tested on folds that the features were not trained on: balanced accuracy between chance (0) and
perfect (1), mean over genres that two sources have. Sources differ in their music, too, so this
need not become 0; the less the better, at equal quality."""

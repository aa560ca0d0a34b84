"""Whether features hear the source: what degradation costs, and how well the source is told."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender import evaluation
from recommender.evaluation import Clip, User

MIN_OF_SOURCE = 20  # clips of one genre

Floats = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Features of one candidate.

    Attributes
    ----------
    clean : dict of int to ndarray, shape (n_clips, d)
        By rotation.
    degraded : dict of str to dict of int to ndarray, shape (n_test, d)
        By degradation and rotation: of the test fold's clips; some rotations only.
    standardise : bool
    accuracy : float or None
        In telling genres apart.
    """

    clean: Mapping[int, Floats]
    degraded: Mapping[str, Mapping[int, Floats]]
    standardise: bool
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Loss:
    """By how much nDCG falls.

    Attributes
    ----------
    all_candidates, hidden_alone : float
        If all candidates are degraded; if only those are that should be found.
    """

    all_candidates: float
    hidden_alone: float


def losses(clips: Sequence[Clip], users: Sequence[User], found: Found) -> dict[str, Loss]:
    """Compute what each degradation costs; what is liked stays as it is."""
    result = {}
    for name, by_fold in found.degraded.items():
        if not by_fold:
            continue
        features = {}
        for fold, x in by_fold.items():
            degraded = np.array(found.clean[fold])
            degraded[evaluation.rotation(clips, fold).test] = x
            features[fold] = np.concatenate([found.clean[fold], degraded])
        scorer = evaluation.cosine(features, clips, standardise=found.standardise)
        concerned = [user for user in users if user.fold in by_fold]
        clean, whole, hidden = (
            evaluation.evaluate(scorer, [_moved(u, len(clips), which) for u in concerned])
            for which in ("none", "all", "hidden")
        )
        result[name] = Loss(
            all_candidates=clean.macro("ndcg") - whole.macro("ndcg"),
            hidden_alone=clean.macro("ndcg") - hidden.macro("ndcg"),
        )
    return result


def _moved(user: User, n: int, which: str) -> User:
    """Let candidates be the degraded copies, which come after all clips."""
    if which == "none":
        return user
    moves = np.full(len(user.candidates), True) if which == "all" else user.relevant
    candidates = user.candidates + n * moves
    return dataclasses.replace(user, candidates=np.sort(candidates), hidden=user.hidden + n)


def source_accuracy(clips: Sequence[Clip], features: Mapping[int, Floats]) -> float:
    """Balanced accuracy of a logistic regression that tells sources apart within one genre.

    In each rotation it learns from the negatives' fold, and is tested on the test fold; what the
    features were trained on is used nowhere. Mean over genres of which two sources have enough.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    counts = Counter((clip.genre, clip.source) for clip in clips)
    frequent: dict[str, set[str]] = defaultdict(set)
    for (genre, source), n in counts.items():
        if genre and source and n >= MIN_OF_SOURCE:
            frequent[genre].add(source)
    accuracies = []
    for genre, sources in sorted(frequent.items()):
        if len(sources) < 2:
            continue
        true: list[str] = []
        told: list[str] = []
        for fold, x in features.items():
            part = evaluation.rotation(clips, fold)
            learned, tested = (
                [i for i in indices if clips[i].genre == genre and clips[i].source in sources]
                for indices in (part.negatives, part.test)
            )
            y = [clips[i].source for i in learned]
            if len(set(y)) < 2 or not tested:
                continue
            model = make_pipeline(
                StandardScaler(),
                LogisticRegression(C=0.01, class_weight="balanced", max_iter=1_000),
            )
            told += model.fit(x[learned], y).predict(x[tested]).tolist()
            true += [clips[i].source for i in tested]
        if len(set(true)) > 1:
            # Relative to chance, since genres have two sources or more.
            accuracies.append(balanced_accuracy_score(true, told, adjusted=True))
    return float(np.mean(accuracies)) if accuracies else float("nan")

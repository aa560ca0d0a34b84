"""Classical models on one vector a track: fitted, asked for shares of genres, kept as bytes.

The settings are those of the written system "Hand-made features and embeddings" (a course project
on FMA-small). Models are kept in the format of skops, which builds nothing but types that are
listed here, and CatBoost's own.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import CheckpointError, ParameterError
from recommender.extras import need

Estimator = Any
"""A fitted pipeline of scikit-learn, or a CatBoostClassifier."""

_TRUSTED = [
    "sklearn.tree._tree.Tree",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
]
"""Types beyond those that skops trusts by itself: trees, and (older skops) losses of boosting."""

_DIGEST = 32  # bytes of SHA-256


def _svc(_seed: int, _jobs: int) -> Estimator:
    # With ties broken by the decision values, the predicted class is the one with the largest.
    return _standardised(need("sklearn.svm", "lab").SVC(C=3.0, kernel="rbf", break_ties=True))


def _svc_as_they_are(_seed: int, _jobs: int) -> Estimator:
    """For features whose scale means something: whitened, the greatest directions first."""
    return need("sklearn.svm", "lab").SVC(C=1.0, kernel="rbf", break_ties=True)


def _catboost(seed: int, jobs: int) -> Estimator:
    return need("catboost", "lab").CatBoostClassifier(
        iterations=800,
        depth=6,
        border_count=64,  # instead of 254: a quarter of the time, and nothing lost that was seen
        loss_function="MultiClass",
        random_seed=seed,
        thread_count=jobs,
        allow_writing_files=False,
        verbose=False,
    )


def _gradient_boosting(seed: int, _jobs: int) -> Estimator:
    return need("sklearn.ensemble", "lab").GradientBoostingClassifier(
        n_estimators=200, max_depth=5, learning_rate=0.05, subsample=0.5, random_state=seed
    )


def _random_forest(seed: int, _jobs: int) -> Estimator:
    return need("sklearn.ensemble", "lab").RandomForestClassifier(
        n_estimators=500, class_weight="balanced", random_state=seed
    )


def _logistic(c: float) -> Callable[[int, int], Estimator]:
    def make(_seed: int, _jobs: int) -> Estimator:
        linear = need("sklearn.linear_model", "lab")
        return _standardised(linear.LogisticRegression(C=c, max_iter=5_000))

    return make


def _standardised(classifier: Estimator) -> Estimator:
    scaler = need("sklearn.preprocessing", "lab").StandardScaler()
    return need("sklearn.pipeline", "lab").make_pipeline(scaler, classifier)


CLASSICAL: dict[str, Callable[[int, int], Estimator]] = {
    "svc": _svc,
    "svc-as-they-are": _svc_as_they_are,
    "catboost": _catboost,
    "gradient-boosting": _gradient_boosting,
    "random-forest": _random_forest,
    "logistic": _logistic(0.01),
    "patch-logistic": _logistic(0.001),
}
"""From a seed and a number of threads to an unfitted model with the published settings, by name."""


def fit(
    name: str,
    x: NDArray[np.floating[Any]],
    y: NDArray[np.int64],
    seed: int = 0,
    *,
    jobs: int = 1,
) -> Estimator:
    """Fit a classical model.

    Parameters
    ----------
    name : str
        One of `CLASSICAL`.
    x : ndarray, shape (n, n_features)
    y : ndarray of int64, shape (n,)
        Indices of genres.
    seed : int
    jobs : int
        Threads, where a model can use them.

    Returns
    -------
    estimator

    Raises
    ------
    ParameterError
        If there is no such model, if shapes do not fit, or if there is only one genre.
    """
    if name not in CLASSICAL:
        raise ParameterError(f"no classical model {name!r}; there are {', '.join(CLASSICAL)}")
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ParameterError(f"need one vector and one genre a track, not {x.shape} and {y.shape}")
    if len(np.unique(y)) < 2:
        raise ParameterError("at least two genres are needed to learn to tell them apart")
    model = CLASSICAL[name](seed, jobs)
    model.fit(np.asarray(x, np.float64), y)
    return model


def shares(
    estimator: Estimator, x: NDArray[np.floating[Any]], n_genres: int | None = None
) -> NDArray[np.float64]:
    """Shares of genres, of which the largest is the model's own prediction.

    Parameters
    ----------
    estimator
        As `fit` gave it.
    x : ndarray, shape (n, n_features)
    n_genres : int, optional
        If there are more genres than those of the training set: theirs are 0.

    Returns
    -------
    ndarray of float64, shape (n, n_genres)
        Rows add up to 1. For the SVC, which knows no probabilities, the softmax of its decision
        values: the order is right, the numbers are not calibrated.
    """
    x = np.asarray(x, np.float64)
    if hasattr(estimator, "predict_proba"):
        known = estimator.predict_proba(x)
    else:
        values = estimator.decision_function(x)
        if values.ndim == 1:  # two genres: the second's, against the first
            values = np.stack([np.zeros_like(values), values], axis=1)
        known = np.exp(values - values.max(1, keepdims=True))
        known /= known.sum(1, keepdims=True)
    classes = np.asarray(estimator.classes_, np.intp).ravel()
    out = np.zeros((len(x), max(n_genres or 0, int(classes.max()) + 1)))
    out[:, classes] = known
    return out


def to_bytes(estimator: Estimator) -> bytes:
    """Write a fitted model: a digest, a line that names the format, and the content."""
    if type(estimator).__module__.startswith("catboost"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.cbm"
            estimator.save_model(str(path), format="cbm")
            content = b"catboost\n" + path.read_bytes()
    else:
        content = b"skops\n" + need("skops.io", "lab").dumps(
            estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=1
        )
    return hashlib.sha256(content).digest() + content


def from_bytes(content: bytes, where: str = "the model") -> Estimator:
    """Read what `to_bytes` wrote; nothing that the bytes name is run.

    Parameters
    ----------
    content : bytes
    where : str
        The file that they come from, for messages.

    Raises
    ------
    CheckpointError
        If a byte is missing or changed, or if the model has parts of types that are not trusted.
    """
    digest, content = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{where}: damaged; train the model again")
    kind, _, content = content.partition(b"\n")
    if kind == b"catboost":
        catboost = need("catboost", "lab")
        try:
            return catboost.CatBoostClassifier().load_model(blob=content)
        except catboost.CatBoostError as error:
            raise CheckpointError(f"{where}: CatBoost cannot read it ({error})") from None
    skops = need("skops.io", "lab")
    try:
        untrusted = set(skops.get_untrusted_types(data=content)) - set(_TRUSTED)
        if untrusted:
            raise CheckpointError(f"{where}: holds {min(untrusted)}, which is not trusted")
        model = skops.loads(content, trusted=_TRUSTED)
    except (zipfile.BadZipFile, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: not a classical model ({error})") from None
    if not hasattr(model, "classes_"):
        raise CheckpointError(f"{where}: not a fitted classifier")
    return model

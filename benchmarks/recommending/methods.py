"""Ways to score candidates from what a user likes."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC, OneClassSVM

from recommender import profile as profiles
from recommender.evaluation import User
from recommender.parameters import DEFAULT, NETWORK, THESIS, Recipe
from recommending.ground import Floats, Ground

Method = Callable[[Ground, User], Floats]
"""Scores of a user's candidates, the higher the better."""

N_NEIGHBOURS = 3
N_BAGS = 30
NETWORK_SHARE = 0.25


def random(_: Ground, user: User) -> Floats:
    """By lot."""
    return np.random.default_rng([user.fold, len(user.liked), *user.liked]).random(
        len(user.candidates)
    )


def cosine(of: str, *, standardise: bool) -> Method:
    """Cosine to the centroid of what is liked."""

    def score(ground: Ground, user: User) -> Floats:
        x = ground.directions(of, standardise=standardise)
        return np.asarray(x[user.candidates] @ x[user.liked].mean(0))

    return score


def nearest(of: str, *, standardise: bool) -> Method:
    """Mean cosine to the three nearest liked tracks."""

    def score(ground: Ground, user: User) -> Floats:
        x = ground.directions(of, standardise=standardise)
        cosines = np.sort(x[user.candidates] @ x[user.liked].T, axis=1)
        return np.asarray(cosines[:, -N_NEIGHBOURS:].mean(1))

    return score


def logistic(ground: Ground, user: User) -> Floats:
    """Logistic regression, both classes counting the same, against all negatives."""
    x, y = _examples(ground, user, ground.rotation.negatives)
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
    return np.asarray(model.fit(x, y).decision_function(_points(ground)[user.candidates]))


def support_vectors(ground: Ground, user: User) -> Floats:
    """Support vectors with a Gaussian kernel, both classes counting the same."""
    x, y = _examples(ground, user, ground.rotation.negatives)
    model = SVC(C=1.0, class_weight="balanced")
    return np.asarray(model.fit(x, y).decision_function(_points(ground)[user.candidates]))


def one_class(ground: Ground, user: User) -> Floats:
    """A one-class support vector machine (Schölkopf et al., 2001): knows no negatives."""
    points = _points(ground)
    model = OneClassSVM(nu=0.5).fit(points[user.liked])
    return np.asarray(model.decision_function(points[user.candidates]))


def bagging(ground: Ground, user: User) -> Floats:
    """Bags of unlabelled tracks as negatives.

    Mordelet and Vert, A bagging SVM to learn from positive and unlabeled examples, 2014.
    """
    rng = np.random.default_rng([user.fold, *user.liked])
    total = np.zeros(len(user.candidates))
    for _ in range(N_BAGS):
        bag = rng.choice(ground.rotation.negatives, 3 * len(user.liked))
        x, y = _examples(ground, user, bag)
        model = SVC(C=1.0, kernel="linear", class_weight="balanced").fit(x, y)
        total += model.decision_function(_points(ground)[user.candidates])
    return total


def recipe(of: Recipe) -> Method:
    """A profile of the project's, in log-odds."""

    def score(ground: Ground, user: User) -> Floats:
        features = ground.features[of.preprocessor]
        found = profiles.train(
            "user",
            of,
            "of the rotation",
            ground.named(user.liked, of.preprocessor),
            ground.named(ground.rotation.negatives, of.preprocessor),
        )
        p = found.track_scores(
            [(ground.tracks[i].content_hash, features[i]) for i in user.candidates]
        )
        return log_odds(p)

    return score


def together(scores: Mapping[str, Floats]) -> Floats:
    """The default recipe with a dense network beside it, from the scores of both."""
    nearness, network = (
        (scores[name] - scores[name].mean()) / scores[name].std() for name in ("default", "network")
    )
    return np.asarray(nearness + NETWORK_SHARE * network)


def log_odds(p: NDArray[np.floating]) -> Floats:
    """Of probabilities; finite."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(p) - np.log1p(-p))


METHODS: Mapping[str, Method] = {
    "random": random,
    "bliss": cosine("bliss", standardise=True),
    "mfcc": cosine("mfcc", standardise=True),
    "mfcc-nearest": nearest("mfcc", standardise=True),
    "genres": cosine("genres", standardise=False),
    "thesis": recipe(THESIS),
    "one-class": one_class,
    "logistic": logistic,
    "svc": support_vectors,
    "bagging": bagging,
    "network": recipe(NETWORK),
    "centroid": cosine("default", standardise=False),
    "nearest": nearest("default", standardise=False),
    "default": recipe(DEFAULT),
}

TOGETHER = "together"

TITLES = {
    "random": "random",
    "bliss": "bliss-audio, cosine",
    "mfcc": "MFCC, cosine",
    "mfcc-nearest": "MFCC, three nearest",
    "genres": "genre probabilities, cosine",
    "thesis": "recipe `thesis`, 20 epochs",
    "one-class": "one-class support vectors",
    "logistic": "logistic regression",
    "svc": "support vectors",
    "bagging": "support vectors, bags of unlabelled tracks",
    "network": "recipe `network`",
    "centroid": "cosine",
    "nearest": "three nearest",
    TOGETHER: "`default`, with `network` beside it",
    "default": "**recipe `default`**",
}
"""All from `one-class` on take the features of the shipped preprocessor's kind."""

FOR_FEW = ("mfcc", "centroid", "default")
"""What is compared with few liked tracks, and on artists that are not liked."""


def with_few(user: User, n: int) -> User:
    """Know only some of what the user likes: the same ones for all methods."""
    rng = np.random.default_rng([user.fold, *user.liked])
    return dataclasses.replace(user, liked=np.sort(rng.permutation(user.liked)[:n]))


def _points(ground: Ground) -> Floats:
    """Directions with features of mean square 1."""
    x = ground.directions("default", standardise=False)
    return np.asarray(x * np.sqrt(x.shape[1]))


def _examples(
    ground: Ground, user: User, negatives: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp]]:
    x = _points(ground)
    y = np.repeat([1, 0], [len(user.liked), len(negatives)])
    return np.concatenate([x[user.liked], x[negatives]]), y

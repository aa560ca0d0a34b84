import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.errors import ParameterError
from recommender.genres.metrics import confusion, scores

metrics = pytest.importorskip("sklearn.metrics", reason="the oracle is in the extra `lab`")


def one_hot(predicted: list[int], n_genres: int) -> np.ndarray:
    return np.eye(n_genres)[predicted]


def test_by_hand() -> None:
    found = scores(np.array([0, 0, 0, 1, 1, 2]), one_hot([0, 0, 1, 1, 2, 0], 4))
    assert found.accuracy == 0.5
    assert found.support == (3, 2, 1, 0)
    assert found.recall == (2 / 3, 1 / 2, 0, 0)
    assert found.precision == (2 / 3, 1 / 2, 0, 0)
    assert found.f1 == (2 / 3, 1 / 2, 0, 0)
    # The last genre does not occur, so it is not in the mean; the third occurs, so it is.
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 3)
    np.testing.assert_array_equal(
        found.confusion, [[2, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    )


@given(st.data())
def test_as_scikit_learn_has_it(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    n_genres = data.draw(st.integers(1, 6))
    y = np.array(data.draw(st.lists(st.integers(0, n_genres - 1), min_size=n, max_size=n)))
    shares = data.draw(arrays(np.float64, (n, n_genres), elements=st.floats(-50, 0, width=16)))
    found = scores(y, shares)
    predicted = shares.argmax(1)
    labels = list(range(n_genres))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a single label, and other advice
        per_genre = metrics.precision_recall_fscore_support(
            y, predicted, labels=labels, zero_division=0
        )
        matrix = metrics.confusion_matrix(y, predicted, labels=labels)
        macro_f1 = metrics.f1_score(y, predicted, average="macro", zero_division=0)
    for ours, theirs in zip((found.precision, found.recall, found.f1), per_genre, strict=False):
        np.testing.assert_allclose(ours, theirs, atol=1e-15)  # measured: 1.1e-16
    assert found.support == tuple(per_genre[3])
    np.testing.assert_array_equal(found.confusion, matrix)
    assert found.macro_f1 == pytest.approx(macro_f1, abs=1e-15)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(y, predicted), abs=1e-15)


@pytest.mark.parametrize(
    ("y", "shares", "message"),
    [
        ([0, 1], np.zeros((3, 2)), "do not fit"),
        ([0, 1], np.zeros(2), "do not fit"),
        ([], np.zeros((0, 2)), "do not fit"),
        ([0], np.zeros((1, 0)), "do not fit"),
        ([0, 2], np.zeros((2, 2)), "0 to 1"),
        ([0, -1], np.zeros((2, 2)), "0 to 1"),
        ([0, 1], np.array([[0.5, 0.5], [np.nan, 1]]), "not numbers"),
    ],
)
def test_nonsense_is_refused(y: list[int], shares: np.ndarray, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        scores(np.array(y, np.int64), shares)


def test_pairs_are_needed() -> None:
    with pytest.raises(ParameterError, match="pairs of 0 to 2"):
        confusion(np.array([0, 1]), np.array([0]), 3)

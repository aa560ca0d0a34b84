"""The benchmark of recommendation quality: calibration across folds, and who is compared."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from recommender import evaluation
from recommender.evaluation import Clip, User
from recommending import calibration, methods
from recommending.calibration import Read

FACTORS = np.array([0.3, 0.6, 0.4])


def read(seed: int, fold: int = 0, n: int = 4_000) -> Read:
    """A user whose tracks are relevant as often as the factors say, with a prior of a tenth."""
    rng = np.random.default_rng(seed)
    c = float(rng.uniform(0.5, 3))
    z = rng.normal(0, 1.5, n)
    logits = (FACTORS[0] + FACTORS[1] * c) * z - FACTORS[2] * c**2 + np.log(0.1 / 0.9)
    relevant = rng.random(n) < 1 / (1 + np.exp(-logits))
    return Read(fold=fold, n_liked=5, whole=True, coherence=c, z=z, relevant=relevant)


READS = [read(seed, fold=seed % 3) for seed in range(60)]


def test_factors_are_found_again() -> None:
    """But for the offset: the fit's prior is the share of the relevant, not that of the logits."""
    found = calibration.fit(READS)
    # Measured: 0.049 and 0.029 apart.
    np.testing.assert_allclose(found[:2], FACTORS[:2], rtol=0, atol=0.08)


def test_each_fold_is_judged_by_the_others() -> None:
    factors = calibration.across_folds(READS)
    assert sorted(factors) == [0, 1, 2]
    alone = calibration.fit([one for one in READS if one.fold != 1])
    np.testing.assert_array_equal(factors[1], alone)
    judged = calibration.judge(READS, [factors[one.fold] for one in READS])
    constant = calibration.as_they_are(
        np.full(len(READS) * 4_000, judged.prior), np.concatenate([one.relevant for one in READS])
    )
    assert judged.error < 0.03
    assert judged.skill > 0.2
    assert constant.skill == pytest.approx(0, abs=1e-12)


def a_user(**changes: object) -> User:
    user = User(
        kind="genre",
        name="jazz",
        fold=0,
        liked=np.array([0, 1]),
        hidden=np.array([2, 3]),
        candidates=np.array([2, 3, 4, 5]),
    )
    return dataclasses.replace(user, **changes)  # type: ignore[arg-type]


def clips(*artists: str) -> list[Clip]:
    return [Clip(path=Path(str(i)), genre="", artist=a, fold=0) for i, a in enumerate(artists)]


def test_only_artists_that_are_not_liked_yet_are_left() -> None:
    found = evaluation.unheard(a_user(), clips("a", "", "a", "b", "", "a"))
    assert found is not None
    assert found.liked.tolist() == [0, 1]
    assert (found.hidden.tolist(), found.candidates.tolist()) == ([3], [3, 4])


@pytest.mark.parametrize("artists", [("a", "", "a", "a", "b", ""), ("a", "", "b", "c", "a", "a")])
def test_without_anything_hidden_or_anything_else_there_is_nothing_to_measure(
    artists: tuple[str, ...],
) -> None:
    assert evaluation.unheard(a_user(), clips(*artists)) is None


def test_few_are_the_same_for_all_methods() -> None:
    user = a_user(liked=np.arange(10, 20))
    few = methods.with_few(user, 3)
    assert len(few.liked) == 3
    assert set(few.liked.tolist()) < set(user.liked.tolist())
    np.testing.assert_array_equal(few.liked, methods.with_few(user, 3).liked)
    np.testing.assert_array_equal(few.candidates, user.candidates)


def test_all_methods_have_a_line_of_the_page() -> None:
    assert set(methods.TITLES) == {*methods.METHODS, methods.TOGETHER}
    p = np.array([0.0, 0.2, 0.5, 1.0])
    assert np.isfinite(methods.log_odds(p)).all()
    assert methods.log_odds(p)[1:3] == pytest.approx([np.log(0.25), 0])

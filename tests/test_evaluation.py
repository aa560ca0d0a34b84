"""Evaluation: metrics against other implementations, users against what they promise."""

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_distances

from recommender import evaluation
from recommender.errors import DatasetError, ParameterError
from recommender.evaluation import Clip, Results, User

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
RANKING = (evaluation.auc, evaluation.average_precision, evaluation.ndcg, evaluation.recall)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[Floats, Bools]:
    """Scores with many ties, and which are relevant: at least one that is, one that is not."""
    relevant = draw(hnp.arrays(np.bool_, st.integers(2, 20)).filter(lambda r: 0 < r.sum() < len(r)))
    levels = st.sampled_from([-1.0, 0.0, 0.1, 0.5, 2.0, 1e6])
    return draw(hnp.arrays(np.float64, len(relevant), elements=levels)), relevant


@given(rankings(), st.integers(1, 25))
def test_rankings_as_scikit_learn_measures_them(ranking: tuple[Floats, Bools], k: int) -> None:
    s, r = ranking
    assert evaluation.auc(s, r) == pytest.approx(sklearn.metrics.roc_auc_score(r, s), abs=1e-12)
    assert evaluation.average_precision(s, r) == pytest.approx(
        sklearn.metrics.average_precision_score(r, s), abs=1e-12
    )
    assert evaluation.ndcg(s, r, k) == pytest.approx(
        sklearn.metrics.ndcg_score(r[None].astype(int), s[None], k=k), abs=1e-12
    )


@given(rankings(), st.integers(1, 25))
def test_recall_by_a_naive_loop(ranking: tuple[Floats, Bools], k: int) -> None:
    """Whoever is tied at the border of the list is in it with the same probability."""
    s, r = ranking
    found = 0.0
    for score in s[r]:
        n_above, n_tied = int((s > score).sum()), int((s == score).sum())
        found += min(1.0, max(0.0, (k - n_above) / n_tied))
    assert evaluation.recall(s, r, k) == pytest.approx(found / r.sum(), abs=1e-12)


@given(rankings(), st.randoms())
def test_the_order_of_candidates_tells_nothing(ranking: tuple[Floats, Bools], random: Any) -> None:
    s, r = ranking
    order = random.sample(range(len(s)), len(s))
    for metric in RANKING:
        assert metric(s[order], r[order]) == pytest.approx(metric(s, r), abs=1e-12)


@given(rankings())
def test_reversed_scores_turn_auc_round(ranking: tuple[Floats, Bools]) -> None:
    s, r = ranking
    assert evaluation.auc(-s, r) == pytest.approx(1 - evaluation.auc(s, r), abs=1e-12)


def test_perfect_reversed_and_equal_scores() -> None:
    r = np.arange(100) >= 90
    s = np.arange(100.0)
    assert [metric(s, r) for metric in RANKING] == pytest.approx([1.0] * 4, abs=1e-14)
    assert evaluation.auc(-s, r) == evaluation.ndcg(-s, r) == evaluation.recall(-s, r) == 0.0
    # The relevant ones come last, at ranks 91 to 100.
    expected = np.mean([(i + 1) / (91 + i) for i in range(10)])
    assert evaluation.average_precision(-s, r) == pytest.approx(expected, rel=1e-14)
    even = np.zeros(100)
    assert evaluation.auc(even, r) == 0.5
    for metric in RANKING[1:]:
        assert metric(even, r) == pytest.approx(0.1, rel=1e-14)


@pytest.mark.parametrize(
    ("scores", "relevant", "message"),
    [
        ([1, 2], [True], "each candidate"),
        ([[1, 2]], [[True, False]], "each candidate"),
        ([1, math.nan], [True, False], "finite"),
        ([1, 2], [False, False], "no candidate is relevant"),
        ([], [], "no candidate is relevant"),
    ],
)
@pytest.mark.parametrize("metric", RANKING)
def test_what_cannot_be_ranked_is_refused(
    metric: Any, scores: list[float], relevant: list[bool], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        metric(scores, relevant)


def test_auc_needs_both_sorts() -> None:
    with pytest.raises(ParameterError, match="nothing to rank them above"):
        evaluation.auc([1, 2], [True, True])
    with pytest.raises(ParameterError, match="at least 1"):
        evaluation.ndcg([1, 2], [True, False], k=0)


@given(
    hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1)),
    st.randoms(),
    st.integers(1, 12),
)
def test_calibration_error_by_a_naive_loop(p: Floats, random: Any, n_bins: int) -> None:
    r = np.array([random.random() < 0.5 for _ in p])
    total = 0.0
    for b in range(n_bins):
        # A bin has its lower edge, the last one its upper edge too.
        inside = np.array([min(int(x * n_bins), n_bins - 1) == b for x in p])
        if inside.any():
            total += inside.mean() * abs(p[inside].mean() - r[inside].mean())
    found = evaluation.expected_calibration_error(p, r, n_bins)
    assert found == pytest.approx(total, abs=1e-12)


def test_calibration_of_the_base_rate_is_perfect_and_worth_nothing() -> None:
    r = np.arange(200) < 7
    base = np.full(200, 7 / 200)
    assert evaluation.expected_calibration_error(base, r) == pytest.approx(0, abs=1e-15)
    assert evaluation.brier_skill(base, r) == pytest.approx(0, abs=1e-12)
    assert evaluation.brier_skill(r.astype(float), r) == 1.0
    assert evaluation.expected_calibration_error(r.astype(float), r) == 0.0
    assert evaluation.brier_skill(1.0 - r, r) < -10
    # Against a worse guess of the base rate there is something to gain.
    assert evaluation.brier_skill(base, r, base_rate=0.5) > 0.8


@given(rankings())
def test_brier_skill_by_scikit_learn(ranking: tuple[Floats, Bools]) -> None:
    s, r = ranking
    p = 1 / (1 + np.exp(-np.clip(s, -30, 30)))
    base = np.full(len(r), r.mean())
    expected = 1 - sklearn.metrics.brier_score_loss(r, p) / sklearn.metrics.brier_score_loss(
        r, base
    )
    assert evaluation.brier_skill(p, r) == pytest.approx(expected, abs=1e-12)


def test_what_is_no_probability_is_refused() -> None:
    for p in ([1.1, 0.5], [math.nan, 0.5], [0.5]):
        with pytest.raises(ParameterError, match="probabilit"):
            evaluation.expected_calibration_error(p, [True, False])
    with pytest.raises(ParameterError, match="makes no error"):
        evaluation.brier_skill([0.5, 0.5], [False, False])


@given(st.integers(0, 1000), st.integers(2, 12), st.integers(1, 8))
def test_diversity_by_pairs(seed: int, n: int, d: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, d))
    pairs = [cosine_distances(x)[i, j] for i, j in itertools.combinations(range(n), 2)]
    assert evaluation.diversity(x) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_lists_whose_answer_is_known() -> None:
    assert evaluation.diversity([[1, 0], [3, 0]]) == pytest.approx(0, abs=1e-15)
    assert evaluation.diversity([[1, 0], [-3, 0]]) == 2.0
    assert evaluation.diversity(np.eye(5)) == 1.0
    assert evaluation.coverage([[0, 1], [1, 2]], 6) == 0.5
    assert evaluation.k_occurrence_skew([[0, 1], [1, 2], [2, 0]], 3) == 0.0
    # One of n items is in all lists, n of another sort in none: p = 1/n, skewness of a coin.
    p = 1 / 50
    hub = evaluation.k_occurrence_skew(np.zeros((9, 1), int), 50)
    assert hub == pytest.approx((1 - 2 * p) / math.sqrt(p * (1 - p)), rel=1e-12)
    for lists in ([[3]], [[-1]]):
        with pytest.raises(ParameterError, match="3 items"):
            evaluation.coverage(lists, 3)
    with pytest.raises(ParameterError, match="at least two"):
        evaluation.diversity([[1.0]])
    with pytest.raises(ParameterError, match="no direction"):
        evaluation.diversity([[1.0], [0.0]])


def test_neighbours_by_a_naive_loop() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    distances = cosine_distances(x)
    for i, found in enumerate(evaluation.nearest(x, 5)):
        others = [j for j in range(30) if j != i]
        assert found.tolist() == sorted(others, key=lambda j: distances[i, j])[:5]
    with pytest.raises(ParameterError, match="29 neighbours"):
        evaluation.nearest(x, 30)


def test_many_dimensions_have_hubs() -> None:
    rng = np.random.default_rng(0)
    skews = [
        evaluation.k_occurrence_skew(evaluation.nearest(rng.normal(size=(300, d)) + 1, 5), 300)
        for d in (2, 200)
    ]
    assert skews[0] < 1 < skews[1]  # measured: about 0 and 3


def collection(n_folds: int = 3) -> list[Clip]:
    """Five genres; in each two artists a fold, with clips on three albums, and clips by nobody."""
    clips = []
    for fold, genre, number in itertools.product(range(n_folds), "abcde", range(20)):
        artist = f"{genre}{fold}{number // 8}" if number < 16 else ""
        clips.append(
            Clip(
                path=Path(f"{fold}{genre}{number}.opus"),
                genre=genre,
                artist=artist,
                album=str(number % 8 // 3) if artist else "",
                mood=str(number % 4) if genre == "a" else "",
                source="xy"[number // 8 % 2],
                fold=fold,
            )
        )
    return clips


CLIPS = collection()
USERS = evaluation.users(CLIPS)


@pytest.mark.parametrize("user", USERS, ids=lambda user: f"{user.kind}: {user.name}")
def test_users_keep_to_the_protocol(user: User) -> None:
    liked, hidden = set(user.liked.tolist()), set(user.hidden.tolist())
    candidates = set(user.candidates.tolist())
    assert hidden <= candidates and not liked & candidates
    assert 0 < len(liked) <= 10 and 0 < len(hidden) <= 10 and len(hidden) < len(candidates)
    assert {CLIPS[i].fold for i in liked | candidates} == {user.fold}
    assert user.relevant.sum() == len(hidden)
    assert set(user.candidates[user.relevant].tolist()) == hidden
    labels = {label(user, i) for i in liked | hidden}
    assert not labels & {label(user, i) for i in candidates - hidden}
    if "same source" in user.kind or user.kind == "mood":
        assert len({CLIPS[i].source for i in liked | candidates}) == 1
    if user.kind == "artist, same source":
        assert not {CLIPS[i].album for i in liked} & {CLIPS[i].album for i in hidden}
    if user.kind == "mixture of genres":
        assert len(labels) == 3
    else:
        assert len(labels) == 1


def label(user: User, i: int) -> str:
    """What makes a clip what this user likes, or not."""
    return getattr(CLIPS[i], user.kind.split(",")[0].replace("mixture of genres", "genre"))  # type: ignore[no-any-return]


def test_who_is_drawn() -> None:
    counts = {kind: sum(user.kind == kind for user in USERS) for kind in evaluation.KINDS}
    assert counts == {
        "artist": 3 * 5 * 2,
        "artist, same source": 3 * 5 * 2,
        "genre": 3 * 5,
        "genre, same source": 3 * 5,  # of x alone there are 12 clips a genre
        "mood": 3 * 2 * 4 * 2,
        "mixture of genres": 3 * 5,
    }


def test_seeds_draw_others_and_always_the_same() -> None:
    def drawn(seed: int) -> list[object]:
        found = evaluation.users(CLIPS, seed=seed)
        return [(u.person, u.liked.tolist(), u.hidden.tolist()) for u in found]

    assert drawn(0) == drawn(0) != drawn(1)
    one = next(user for user in USERS if user.person == ("genre", 0, "a"))
    assert one.liked.tolist() == LIKED_BY_THE_FIRST


LIKED_BY_THE_FIRST = [3, 4, 6, 9, 10, 12, 13, 16, 17, 19]
"""Fixed: figures of other days and machines stay comparable."""


def test_little_data_gives_few_users() -> None:
    alone = [dataclasses.replace(clip, genre="a", artist="b", source="") for clip in CLIPS]
    assert not [user for user in evaluation.users(alone) if user.kind != "mood"]
    assert evaluation.users([]) == []


def test_rotations_part_all_clips() -> None:
    for fold in range(3):
        found = evaluation.rotation(CLIPS, fold)
        folds = [{CLIPS[i].fold for i in part} for part in dataclasses.astuple(found)]
        assert folds == [{(fold + 2) % 3}, {(fold + 1) % 3}, {fold}]
        assert sum(map(len, dataclasses.astuple(found))) == len(CLIPS)


def test_perfect_reversed_and_random_methods() -> None:
    perfect = evaluation.evaluate(lambda user: user.relevant.astype(float), USERS)
    worst = evaluation.evaluate(lambda user: -user.relevant.astype(float), USERS)
    rng = np.random.default_rng(0)
    chance = evaluation.evaluate(lambda user: rng.random(len(user.candidates)), USERS)
    for metric in evaluation.METRICS:
        found = evaluation.bootstrap(perfect, metric)
        assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1), abs=1e-12)
    assert worst.macro("auc") == 0.0
    found = evaluation.bootstrap(chance, "auc")
    assert found.low < 0.5 < found.high < 0.56
    assert evaluation.paired(perfect, worst, "auc").low == 1.0
    same = evaluation.paired(chance, chance, "ndcg")
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def made(kinds: str, names: str, values: list[float]) -> Results:
    """Results of users of one-letter kinds and names."""
    none = np.zeros(0, np.intp)
    users = tuple(
        User(kind=kind, name=name, fold=0, liked=none, hidden=none, candidates=none)  # type: ignore[arg-type]
        for kind, name in zip(kinds, names, strict=True)
    )
    return Results(users=users, values={"auc": np.array(values)})


def test_kinds_count_alike_however_many_users_they_have() -> None:
    results = made("aaab", "1234", [0.1, 0.2, 0.3, 0.8])
    assert results.by_kind("auc") == pytest.approx({"a": 0.2, "b": 0.8})
    assert results.macro("auc") == pytest.approx(0.5)
    assert evaluation.bootstrap(results, "auc").value == pytest.approx(0.5)


def test_bootstrap_has_the_width_of_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=400)
    names = "".join(chr(0x4E00 + i) for i in range(400))
    found = evaluation.bootstrap(made("a" * 400, names, values.tolist()), "auc")
    error = values.std() / 20
    # 2,000 replicates know the quantiles to about 0.1 standard errors.
    assert found.high - found.value == pytest.approx(1.96 * error, abs=0.2 * error)
    assert found.value - found.low == pytest.approx(1.96 * error, abs=0.2 * error)


def test_a_person_of_several_seeds_is_one() -> None:
    values = np.random.default_rng(0).normal(size=50).tolist()
    names = "".join(chr(0x4E00 + i) for i in range(50))
    once = evaluation.bootstrap(made("a" * 50, names, values), "auc")
    often = evaluation.bootstrap(made("a" * 200, names * 4, values * 4), "auc")
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_differences_need_the_same_users() -> None:
    with pytest.raises(ParameterError, match="same users"):
        evaluation.paired(made("a", "1", [0.1]), made("a", "2", [0.1]), "auc")


def test_pairs_are_closer_than_each_method() -> None:
    rng = np.random.default_rng(0)
    names = "".join(chr(0x4E00 + i) for i in range(50))
    values = rng.normal(size=50)
    better = made("a" * 50, names, (values + 0.1 + 0.01 * rng.normal(size=50)).tolist())
    found = evaluation.paired(better, made("a" * 50, names, values.tolist()), "auc")
    assert 0.09 < found.low < found.value < found.high < 0.11


def test_cosine_by_a_naive_loop() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(CLIPS), 6)) * [1, 2, 3, 4, 5, 0] + 10
    user = USERS[7]
    after = [i for i, clip in enumerate(CLIPS) if clip.fold == (user.fold + 1) % 3]
    for standardise in (True, False):
        moved = features - features[after].mean(0)
        if standardise:
            moved[:, :5] /= features[after, :5].std(0)
        moved[:, 5] = 0  # a constant says nothing
        unit = [x / np.linalg.norm(x) for x in moved]
        centroid = sum(unit[i] for i in user.liked) / len(user.liked)
        expected = [float(unit[i] @ centroid) for i in user.candidates]
        found = evaluation.cosine(features, CLIPS, standardise=standardise)(user)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
        by_fold = {fold: features if fold == user.fold else features * 0 for fold in range(3)}
        again = evaluation.cosine(by_fold, CLIPS, standardise=standardise)(user)
        np.testing.assert_array_equal(again, found)


def test_cosine_finds_what_is_there_to_find() -> None:
    """Vectors that are the genre's own: genre users get perfect lists."""
    features = np.eye(5)[["abcde".index(clip.genre) for clip in CLIPS]]
    users = [user for user in USERS if user.kind.startswith("genre")]
    results = evaluation.evaluate(evaluation.cosine(features, CLIPS), users)
    assert results.macro("auc") == 1.0
    assert results.macro("ndcg") == pytest.approx(1.0, abs=1e-12)


def test_cosine_of_nothing_is_nought() -> None:
    found = evaluation.cosine(np.zeros((len(CLIPS), 3)), CLIPS)(USERS[0])
    np.testing.assert_array_equal(found, 0.0)


def test_clips_are_read(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("clip,genre,artist,fold,album\na/b.opus,rock,Queen,3,\n")
    assert evaluation.read_clips(path) == [
        Clip(path=tmp_path / "a/b.opus", genre="rock", artist="Queen", fold=3)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks clips with the columns clip, genre, artist, fold"),
        ("clip,genre,artist\na,b,c\n", "lacks clips with the columns fold"),
        ("clip,genre,artist,fold\na,b,c,x\n", "line 2: the fold"),
        ("clip,genre,artist,fold\na,b,c,1\na,b,c\n", "line 3: the fold"),
    ],
)
def test_damaged_manifests_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        evaluation.read_clips(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        evaluation.read_clips(tmp_path / "none.csv")


def test_real_clips_give_users_of_all_kinds(audio: Path) -> None:
    clips = evaluation.read_clips(audio / "manifest.csv")
    found = evaluation.users(clips)
    assert {user.kind for user in found} == set(evaluation.KINDS)

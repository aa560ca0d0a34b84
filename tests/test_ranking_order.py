import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.library import Library
from recommender.ranking import rank
from recommender.ranking.ordering import MOST, diversify, flow
from test_ranking import MUSIC, a_profile, add, five, library, names, ranked

__all__ = ["five", "library"]

Vectors = NDArray[np.float32]


def unit(x: NDArray[np.floating]) -> Vectors:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def vectors(n: int, seed: int, n_features: int = 6) -> Vectors:
    return unit(np.random.default_rng(seed).normal(size=(n, n_features)))


# Diversity ----------------------------------------------------------------------------------------


@given(st.integers(1, 12), st.floats(0, 1), st.integers(0, 100))
def test_diversity_as_its_formula_says(n: int, diversity: float, seed: int) -> None:
    scores = np.sort(np.random.default_rng(seed).uniform(size=n))[::-1]
    places = vectors(n, seed)
    chosen = [0]
    while len(chosen) < n:
        worth = {
            i: (1 - diversity) * scores[i]
            - diversity * max(float(places[i] @ places[j]) for j in chosen)
            for i in range(n)
            if i not in chosen
        }
        best = max(worth.values())
        # Sums in another order: what differs by less is a tie.
        ties = [i for i, value in worth.items() if value >= best - 1e-6]
        found = diversify(scores, places, diversity)[len(chosen)]
        assert found in ties
        chosen.append(found)
    assert sorted(chosen) == list(range(n))


def test_no_diversity_leaves_the_order() -> None:
    scores = np.linspace(1, 0, 20)
    assert diversify(scores, vectors(20, 0), 0.0) == list(range(20))


def test_one_of_each_kind_comes_first() -> None:
    """Three kinds of ten tracks, all of a kind alike: provable."""
    places = np.repeat(np.eye(3, dtype=np.float32), 10, axis=0)
    scores = np.linspace(1.0, 0.9, 30)  # the first kind is the best
    assert diversify(scores, places, 0.5)[:3] == [0, 10, 20]
    assert diversify(scores, places, 0.001)[:10] == list(range(10))


def test_of_many_tracks_the_first_are_varied() -> None:
    n = MOST + 5
    scores = np.linspace(1, 0, n)
    order = diversify(scores, vectors(n, 1), 0.5)
    assert sorted(order) == list(range(n))
    assert order[:MOST] != sorted(order[:MOST])
    assert order[MOST:] == sorted(order[MOST:])


def test_diversity_chooses_among_ten_times_as_many(library: Library) -> None:
    for n in range(300):
        add(library, f"{n:03}", [0.9 - n / 1000])
    first, *others = ranked(library, top=5, diversity=1.0)
    assert first == "000"
    assert others != ["001", "002", "003", "004"]
    assert max(others) < "100"
    assert max(ranked(library, top=20, diversity=1.0)) >= "100"


def test_diversity_keeps_to_the_other_options(library: Library) -> None:
    for n in range(20):
        add(library, f"{n:02}", [0.9 - n / 100], artist="AB"[n % 2])
    options: dict[str, Any] = {"diversity": 0.9, "max_per_artist": 3, "min_score": 0.8}
    assert sorted(ranked(library, **options)) == ["00", "01", "02", "03", "04", "05"]
    assert len(ranked(library, share=0.2, **options)) == 4


# Flow ---------------------------------------------------------------------------------------------


def length(path: list[int], starts: Vectors, ends: Vectors) -> float:
    return float(sum(1 - ends[a] @ starts[b] for a, b in itertools.pairwise(path)))


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 1000))
def test_flow_visits_each_once_and_never_steps_further_than_neighbours_do(
    n: int, seed: int
) -> None:
    starts, ends = vectors(n, seed), vectors(n, seed + 1)
    path = flow(starts, ends)
    assert sorted(path) == list(range(n))
    assert path[:1] == [0][:n]
    chain = [0]
    while len(chain) < n:
        left = [j for j in range(n) if j not in chain]
        chain.append(max(left, key=lambda j: float(ends[chain[-1]] @ starts[j])))
    assert length(path, starts, ends) <= length(chain, starts, ends) + 1e-5


def test_flow_of_few_tracks_is_nearly_the_best_that_there_is() -> None:
    """Beside all 720 orders of 6 tracks after the first; measured: 1.6 % longer on average."""
    excess = []
    for seed in range(20):
        starts, ends = vectors(7, seed), vectors(7, 100 + seed)
        best = min(
            length([0, *order], starts, ends) for order in itertools.permutations(range(1, 7))
        )
        excess.append(length(flow(starts, ends), starts, ends) / best - 1)
    assert min(excess) >= -1e-5
    assert np.mean(excess) < 0.05


def test_flow_finds_a_chain_that_fits() -> None:
    """Each track begins where the one before it ended: provable."""
    points = vectors(31, 5, n_features=40)
    rng = np.random.default_rng(0)
    order = [0, *(1 + rng.permutation(29)).tolist()]
    starts, ends = np.empty((30, 40), np.float32), np.empty((30, 40), np.float32)
    starts[order], ends[order] = points[:-1], points[1:]
    assert flow(starts, ends) == order


def test_of_many_tracks_the_first_flow() -> None:
    n = MOST + 3
    x = np.zeros((n, 2), np.float32)
    x[:, 0] = 1
    path = flow(x, x)
    assert path == list(range(n))


def test_flow_begins_with_the_best_and_keeps_all(library: Library) -> None:
    for n in range(30):
        add(library, f"{n:02}", [0.9 - n / 100, 0.9 - n / 100])
    chosen = ranked(library, top=12)
    found = rank(a_profile(), library, [MUSIC], top=12, order="flow")
    assert names(found)[0] == chosen[0]
    assert sorted(names(found)) == chosen
    assert names(found) != chosen
    assert [entry.rank for entry in found] == list(range(1, 13))


def test_flow_leads_from_ends_to_beginnings(library: Library) -> None:
    """In a library of two-fragment tracks, as the features that it holds say."""
    for n in range(8):
        add(library, f"{n}", [0.9 - n / 100, 0.9 - n / 100])
    tracks = library.tracks("0123456789abcdef")
    x = [f.astype(float) for _, f in library.features([t.id for t in tracks], "0123456789abcdef")]
    scale = np.sqrt((np.concatenate(x).__pow__(2).sum(0) + 100) / (16 + 100))
    starts, ends = (unit(np.array([f[i] / scale for f in x])) for i in (0, -1))
    assert ranked(library, order="flow") == [str(i) for i in flow(starts, ends)]


@pytest.mark.parametrize("options", [{"top": 1}, {"exclude": ["*"]}, {"min_score": 0.85}])
def test_flow_of_one_or_none(five: Library, options: dict[str, Any]) -> None:
    assert ranked(five, order="flow", **options) == ranked(five, **options)

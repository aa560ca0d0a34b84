"""The self-organising map, on data of which the right map is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.errors import ParameterError
from recommender.genres import som
from recommender.genres.som import GenreMap

N_GENRES = 4


def square(n: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points of a square in five dimensions; each quarter of it is a genre."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(-1, 1, (n, 2))
    y = (at[:, 0] > 0) * 2 + (at[:, 1] > 0)
    axes = np.array([[1.0, 0, 1, 0, 100], [0, 1, 0, -1, 0]])
    return at @ axes + 5 + rng.normal(0, 0.01, (n, 5)), y.astype(np.int64)


@pytest.fixture(scope="module")
def trained() -> GenreMap:
    return som.fit(*square(400), N_GENRES, n_rows=6, n_columns=5, epochs=20)


def test_quarters_of_a_square_are_told_apart(trained: GenreMap) -> None:
    x, y = square(200, seed=1)
    shares = som.shares(trained, x)
    assert shares.shape == (200, N_GENRES)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-12)
    # Units at the edges of quarters are mixed; measured: 0.86.
    assert (shares.argmax(1) == y).mean() > 0.8


def test_neighbours_on_the_map_are_alike(trained: GenreMap) -> None:
    weights = trained.weights.astype(np.float64)
    beside = np.linalg.norm(np.diff(weights, axis=0), axis=2).mean()
    below = np.linalg.norm(np.diff(weights, axis=1), axis=2).mean()
    units = weights.reshape(30, -1)
    all_pairs = np.linalg.norm(units[:, None] - units, axis=2).sum() / (30 * 29)
    # Measured: 0.74, 0.68 and 2.2.
    assert max(beside, below) < all_pairs / 2


def test_winners_are_the_nearest_units(trained: GenreMap) -> None:
    x, _ = square(50, seed=2)
    standardised = (x - trained.mean) / trained.std
    apart = np.linalg.norm(standardised[:, None, None] - trained.weights, axis=3)
    expected = [np.unravel_index(unit.argmin(), unit.shape) for unit in apart]
    np.testing.assert_array_equal(np.transpose(som.winners(trained, x)), expected)


def test_hits_and_counts_are_complete(trained: GenreMap) -> None:
    x, y = square(400)
    hits = som.hits(trained, x)
    assert hits.shape == (6, 5)
    np.testing.assert_array_equal(hits, trained.counts.sum(2))
    np.testing.assert_array_equal(trained.counts.sum((0, 1)), np.bincount(y, minlength=N_GENRES))


def test_the_map_is_a_batch_map() -> None:
    """Nothing moves any more: each unit is its surroundings' mean, by a Gaussian of one unit."""
    settled = som.fit(*square(400), N_GENRES, n_rows=6, n_columns=5, epochs=100)
    x, _ = square(400)
    rows, columns = som.winners(settled, x)
    standardised = (x - settled.mean) / settled.std
    for row, column in ((0, 0), (3, 2), (5, 4)):
        near = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2)
        mean = near @ standardised / near.sum()
        # The neighbourhood has still 1 % of its way to go; measured: 0.012.
        np.testing.assert_allclose(settled.weights[row, column], mean, atol=0.03)


def test_shares_of_units_by_hand() -> None:
    counts = np.zeros((3, 3, 2), np.float32)
    counts[0, 0, 0] = 4
    counts[2, 2, 1] = 1
    made = GenreMap(
        weights=np.zeros((3, 3, 2), np.float32),
        counts=counts,
        mean=np.zeros(2, np.float32),
        std=np.ones(2, np.float32),
    )
    shares = som.unit_shares(made)
    near = np.array([4 + 0.5 * 0.8, np.exp(-4) + 0.5 * 0.2])
    np.testing.assert_allclose(shares[0, 0], near / near.sum(), rtol=1e-6)
    near = np.array([4 * np.exp(-1) + 0.4, np.exp(-1) + 0.1])
    np.testing.assert_allclose(shares[1, 1], near / near.sum(), rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 5), st.integers(2, 5), st.integers(1, 6))
def test_shares_add_up_for_any_map(seed: int, n_rows: int, n_columns: int, n_genres: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, 3)) * 10.0 ** rng.integers(-3, 4, 3)
    x[:, 0] = 7  # does not change
    y = rng.integers(0, n_genres, 12)
    made = som.fit(x, y, n_genres, n_rows=n_rows, n_columns=n_columns, epochs=3, seed=seed)
    shares = som.shares(made, x)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-9)
    assert np.isfinite(made.weights).all()


def test_one_seed_gives_one_map() -> None:
    one, other = (som.fit(*square(60), N_GENRES, n_rows=3, n_columns=3) for _ in range(2))
    for name, tensor in one.tensors.items():
        np.testing.assert_array_equal(tensor, other.tensors[name])


def test_vectors_are_means_and_deviations() -> None:
    pieces = np.random.default_rng(0).normal(size=(3, 10, 4)).astype(np.float16)
    found = som.vectors(pieces)
    assert found.shape == (3, 8)
    for i in range(4):
        values = pieces[1, :, i].astype(np.float64)
        assert found[1, i] == pytest.approx(sum(values) / 10, rel=1e-12)
        assert found[1, 4 + i] == pytest.approx(np.std(values), rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "n_rows", "n_columns"),
    [((9, 1), 3, 3), ((1, 9), 3, 3), ((9, 9), 1, 3), ((9, 9), 3, 1), ((9, 2, 2), 3, 3)],
)
def test_maps_that_cannot_be(shape: tuple[int, ...], n_rows: int, n_columns: int) -> None:
    with pytest.raises(ParameterError, match="a map needs"):
        som.fit(
            np.zeros(shape), np.zeros(shape[0], np.int64), 2, n_rows=n_rows, n_columns=n_columns
        )


def test_arrays_bring_the_map_back(trained: GenreMap) -> None:
    x, _ = square(20)
    again = som.from_tensors(trained.tensors)
    np.testing.assert_array_equal(som.shares(again, x), som.shares(trained, x))


def test_arrays_that_do_not_fit(trained: GenreMap) -> None:
    whole = trained.tensors
    for change, message in (
        ({"mean": whole["mean"][:3]}, "do not fit together"),
        ({"counts": whole["counts"][:3]}, "do not fit together"),
        ({"weights": whole["weights"][0]}, "not the arrays"),
        ({"more": whole["mean"]}, "not the arrays"),
        ({"std": 0 * whole["std"]}, "attracted nothing"),
        ({"counts": 0 * whole["counts"]}, "attracted nothing"),
        ({"mean": whole["mean"] * np.float32("nan")}, "not finite"),
    ):
        with pytest.raises(ParameterError, match=message):
            som.from_tensors({**whole, **change})
    with pytest.raises(ParameterError, match="not the arrays"):
        som.from_tensors({"weights": whole["weights"]})

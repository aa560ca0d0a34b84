"""Scaling of features: against NumPy in double precision."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.parameters import Scaling
from recommender.profile.scaling import moments, scaled


def tracks(*lengths: int) -> list[NDArray[np.float16]]:
    """Tracks of so many fragments, whose features differ in place and in size."""
    rng = np.random.default_rng(0)
    sizes = np.array([0.4, 1.0, 3.0, 2.0, 0.5])
    return [(sizes * (1 + rng.normal(0, 1, (n, 5)))).astype(np.float16) for n in lengths]


def test_each_track_counts_the_same() -> None:
    music = tracks(1, 30, 7)
    mean, std = moments(music, "standardise")
    wide = [x.astype(np.float64) for x in music]
    expected = sum(x.mean(0) for x in wide) / 3
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    squares = sum(((x - expected) ** 2).mean(0) for x in wide) / 3
    np.testing.assert_allclose(std, np.sqrt(squares), rtol=1e-5)
    centred, ones = moments(music, "centre")
    np.testing.assert_array_equal(centred, mean)
    np.testing.assert_array_equal(ones, 1)
    for found, value in zip(moments(music, "none"), (0, 1), strict=True):
        np.testing.assert_array_equal(found, value)


def test_features_that_never_differ_are_not_blown_up() -> None:
    music = tracks(20, 20)
    for x in music:
        x[:, 2] = 7
    _, std = moments(music, "standardise")
    assert std[2] > 0.05 * std.mean()
    _, std = moments([np.zeros((3, 5), np.float16)], "standardise")
    assert (std > 0).all()


@pytest.mark.parametrize("scaling", ["centre", "standardise"])
def test_rows_have_a_mean_square_of_one(scaling: Scaling) -> None:
    music = tracks(4, 40)
    mean, std = moments(music, scaling)
    x = scaled(music[1], mean, std, scaling)
    assert x.dtype == np.float32
    expected = (music[1].astype(np.float64) - mean) / std
    expected /= np.sqrt((expected**2).mean(1, keepdims=True))
    np.testing.assert_allclose((x.astype(np.float64) ** 2).mean(1), 1, rtol=1e-6)
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scaling", ["centre", "standardise"])
def test_zeros_stay(scaling: Scaling) -> None:
    mean, std = np.array([2, -1, 0.5], np.float32), np.array([1, 2, 3], np.float32)
    x = scaled(np.array([[2, -1, 0.5], [3, -1, 0.5]], np.float16), mean, std, scaling)
    np.testing.assert_allclose(x, [[0, 0, 0], [np.sqrt(3), 0, 0]], rtol=1e-6)


def test_nothing_is_done_without_scaling() -> None:
    (x,) = tracks(6)
    np.testing.assert_array_equal(scaled(x, *moments([x], "none"), "none"), x)

"""Statistics of timbre against SciPy and against sounds whose statistics are known."""

import itertools

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray

from recommender import timbre
from recommender.parameters import DEFAULT, THESIS, SpectrogramParams

CEPSTRA = slice(160, 220)
CORRELATIONS = slice(220, 410)
MODULATION = slice(410, 474)


@pytest.fixture
def fragments() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (5, 64, 128)).cumsum(1).clip(-1, 1).astype(np.float32)


def test_bands_equal_their_definition(fragments: NDArray[np.float32]) -> None:
    found = timbre.statistics(fragments)
    assert found.shape == (5, timbre.n_statistics()) == (5, 474)
    assert found.dtype == np.float32
    x = fragments[2].astype(np.float64)
    for band in range(32):
        values = [float(x[t, 4 * band : 4 * band + 4].mean()) for t in range(64)]
        changes = [abs(b - a) for a, b in itertools.pairwise(values)]
        expected = [
            np.mean(values),
            np.std(values),
            np.mean(changes),
            np.percentile(values, 10),
            np.percentile(values, 90),
        ]
        # Single precision: measured 1e-7.
        np.testing.assert_allclose(found[2, band:160:32], expected, rtol=0, atol=1e-6)


def test_cepstra_equal_scipy(fragments: NDArray[np.float32]) -> None:
    found = timbre.statistics(fragments)
    cepstra = scipy.fft.dct(fragments.astype(np.float64), axis=2, norm="ortho")[..., :20]
    expected = np.concatenate(
        [cepstra.mean(1), cepstra.std(1), np.diff(cepstra, axis=1).std(1)], axis=1
    )
    # Measured 2e-6: sums of 128 numbers in single precision.
    np.testing.assert_allclose(found[:, CEPSTRA], expected, rtol=0, atol=1e-5)
    first, second = np.triu_indices(20, 1)
    for row, c in zip(found, cepstra, strict=True):
        expected = np.corrcoef(c.T)[first, second]
        # The floor of 0.001 under a deviation near 1 takes 0.2 % off.
        np.testing.assert_allclose(row[CORRELATIONS], expected, rtol=0.01, atol=1e-3)


@pytest.mark.parametrize(("rate_hz", "group"), [(0.125, 0), (0.5, 3), (2.0, 6), (3.5, 7)])
def test_modulation_finds_a_tremolo(rate_hz: float, group: int) -> None:
    t = np.arange(64) / 8
    fragment = np.zeros((1, 64, 128), np.float32)
    fragment[0, :, 32:48] = 0.5 * np.sin(2 * np.pi * rate_hz * t)[:, None]
    levels = timbre.statistics(fragment)[0, MODULATION].reshape(8, 8)
    assert divmod(int(levels.argmax()), 8) == (2, group)


def test_silence_has_finite_statistics() -> None:
    found = timbre.statistics(np.full((2, 64, 128), -1, np.float32))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], found[1])


def test_fits_spectrograms_in_decibels_only() -> None:
    assert timbre.fits(DEFAULT.spectrogram)
    assert not timbre.fits(THESIS.spectrogram)
    assert not timbre.fits(SpectrogramParams(compression="log", n_mels=40))
    assert not timbre.fits(SpectrogramParams(compression="log", n_frames=8))


@pytest.mark.parametrize("n_frames", [16, 17, 40, 64, 100])
def test_every_fitting_shape_gives_numbers(n_frames: int) -> None:
    params = SpectrogramParams(compression="log", n_frames=n_frames, n_mels=64)
    assert timbre.fits(params)
    x = np.random.default_rng(1).uniform(-1, 1, (3, n_frames, 64)).astype(np.float32)
    found = timbre.statistics(x)
    assert found.shape == (3, 474)
    assert np.isfinite(found).all()

"""The recommender's statistics of timbre: against SciPy, and of sounds whose timbre is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

import timbre_oracle
from recommender import spectrogram, timbre
from recommender.parameters import SHIPPED, SpectrogramParams

PARAMS = SHIPPED["default"]
FINE = timbre.fine_params(PARAMS)
MODULATION = slice(410, 474)


def plucked(n: int) -> NDArray[np.int16]:
    """Decaying chords with noise, two a second."""
    rng = np.random.default_rng(4)
    t = np.arange(n) / PARAMS.sr
    y = sum(np.sin(2 * np.pi * f * t) for f in (220, 277.2, 329.6, 1_760)) * np.exp(-8 * (t % 0.5))
    return np.asarray(5_000 * y + 20 * rng.standard_normal(n), dtype=np.int16)


def test_statistics_equal_scipy() -> None:
    fragments = spectrogram.transform(plucked(16 * PARAMS.sr), PARAMS)
    found = timbre.statistics(fragments)
    assert found.shape == (2, timbre.n_statistics()) == (2, 474)
    assert found.dtype == np.float32
    for row, fragment in zip(found, fragments, strict=True):
        expected = np.concatenate(list(timbre_oracle.statistics(fragment, 8).values()))
        # Measured 7.5e-6, in the logarithm of a modulation near its floor of 0.01, where an error
        # of 1e-7 counts a hundredfold; elsewhere 6e-7.
        np.testing.assert_allclose(row, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("rate_hz", "group"), [(0.125, 0), (0.5, 3), (2.0, 6), (3.5, 7)])
def test_modulation_finds_a_tremolo(rate_hz: float, group: int) -> None:
    t = np.arange(64) / 8
    fragment = np.zeros((1, 64, 128), np.float32)
    fragment[0, :, 32:48] = 0.5 * np.sin(2 * np.pi * rate_hz * t)[:, None]
    levels = timbre.statistics(fragment)[0, MODULATION].reshape(8, 8)
    assert divmod(int(levels.argmax()), 8) == (2, group)


def test_a_fine_spectrogram_hears_faster_tremolos() -> None:
    """10 Hz are beyond frames of 1/8 s; in 8 s they are 80 periods, of 172 at most."""
    n = PARAMS.fragment_length
    t = np.arange(n) / PARAMS.sr
    noise = np.random.default_rng(5).uniform(-1, 1, n)
    y = (10_000 * noise * (1 + 0.9 * np.sin(2 * np.pi * 10 * t))).astype(np.int16)
    _, found = timbre.extractor(PARAMS, FINE).transform(y)
    groups = found[0, MODULATION].reshape(8, 8)
    assert 173 ** (6 / 8) < 80 < 173 ** (7 / 8)
    assert (groups.argmax(axis=1) == 6).all()


def test_fits_spectrograms_in_decibels_only() -> None:
    assert timbre.fits(PARAMS)
    assert timbre.fits(FINE)
    assert not timbre.fits(SHIPPED["thesis"])
    assert not timbre.fits(SpectrogramParams(compression="log", n_mels=40))
    assert not timbre.fits(SpectrogramParams(compression="log", n_frames=8))
    assert timbre.fits(SpectrogramParams(compression="log", n_frames=16))


def test_fine_frames_fill_the_fragment() -> None:
    assert (FINE.frame_length, FINE.hop_length, FINE.n_frames) == (2_048, 1_024, 344)
    assert (FINE.fmax, FINE.n_mels, FINE.window, FINE.compression) == (11_024, 128, "hann", "log")
    assert spectrogram.plan(FINE, PARAMS.fragment_length) is spectrogram.plan(
        FINE, PARAMS.fragment_length
    )


@pytest.mark.parametrize("fine", [FINE, None], ids=["fine", "coarse"])
@pytest.mark.parametrize("seconds", [0.1, 0.13, 3.0, 17.2])
def test_streams_give_fragments_and_their_statistics(
    seconds: float, fine: SpectrogramParams | None
) -> None:
    y = plucked(int(seconds * PARAMS.sr))
    done = list(timbre.stream(np.array_split(y, 13), PARAMS, fine))
    expected = spectrogram.transform(y, PARAMS)
    assert all(len(fragments) == len(statistics) > 0 for fragments, statistics in done)
    if len(expected) == 0:
        assert done == []
        return
    np.testing.assert_array_equal(np.concatenate([fragments for fragments, _ in done]), expected)
    described = expected
    if fine is not None:
        described = spectrogram.plan(fine, PARAMS.fragment_length).transform(y)
        assert described.shape[1:] == (344, 128)
    np.testing.assert_array_equal(
        np.concatenate([statistics for _, statistics in done]), timbre.statistics(described)
    )

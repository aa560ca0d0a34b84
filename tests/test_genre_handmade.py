"""Hand-made features: finite for every sound, and what sounds of known nature say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import sounds
from recommender.errors import AudioDecodeError
from recommender.genres import handmade
from recommender.genres.handmade import NAMES, SERIES, SR

N = 4 * SR
TIME_S = np.arange(N) / SR


def named(y: NDArray[np.floating[Any]]) -> dict[str, NDArray[np.float64]]:
    return dict(zip(SERIES, handmade.series(y.astype(np.float32)), strict=True))


def clicks(bpm: float) -> NDArray[np.float64]:
    """Ten milliseconds of noise at each beat."""
    beat = int(60 / bpm * SR)
    y = np.zeros(12 * SR)
    rng = np.random.default_rng(0)
    for start in range(0, len(y) - 220, beat):
        y[start : start + 220] = rng.normal(0, 0.3, 220)
    return y


def test_names_are_in_the_order_of_the_features() -> None:
    assert len(NAMES) == handmade.N_FEATURES == 7 * 30
    x = np.random.default_rng(0).normal(size=(30, 50))
    by_name = dict(zip(NAMES, handmade.statistics(x), strict=True))
    assert by_name["mfcc_0_mean"] == x[0].mean()
    assert by_name["tempo_bpm_median"] == np.median(x[27])
    assert by_name["percussive_db_max"] == x[29].max()


@given(hnp.arrays(np.float64, (3, 20), elements=st.floats(-1e3, 1e3)))
def test_statistics_are_scipys(x: NDArray[np.float64]) -> None:
    x[0] = 7  # does not change
    x[1:] += np.linspace(0, 1e3, 20)
    found = handmade.statistics(x).reshape(7, 3)
    np.testing.assert_allclose(found[:2], [x.mean(1), x.std(1)], rtol=1e-12)
    np.testing.assert_array_equal(found[4:], [np.median(x, 1), x.min(1), x.max(1)])
    changing = x.std(1) > 1e-2
    moments = np.array([scipy.stats.skew(x[changing], 1), scipy.stats.kurtosis(x[changing], 1)])
    # Measured: 1e-14.
    np.testing.assert_allclose(found[2:4, changing], moments, rtol=1e-9, atol=1e-9)
    assert not found[2:4, 0].any()


@pytest.mark.parametrize(
    "y",
    [
        np.zeros(N),
        np.zeros(1),
        np.ones(5),
        np.full(N, 1e-9),
        np.full(N, -1.0),
        np.sign(np.sin(TIME_S * 2_000)),
        np.eye(1, N, N // 2)[0],
        np.random.default_rng(0).uniform(-1, 1, 3_000),
    ],
    ids=["silence", "one sample", "five", "faint", "constant", "square", "one click", "short"],
)
def test_every_sound_has_finite_features(y: NDArray[np.float64]) -> None:
    found = handmade.statistics(handmade.series(y.astype(np.float32)))
    assert found.shape == (handmade.N_FEATURES,)
    assert np.isfinite(found).all()
    assert np.isfinite(found.astype(np.float32)).all()


def test_a_tone_is_harmonic_and_clicks_are_percussive() -> None:
    tone = named(0.5 * np.sin(2 * np.pi * 440 * TIME_S))
    assert np.median(tone["harmonic_db"] - tone["percussive_db"]) > 20
    struck = named(clicks(120))
    loud = struck["percussive_db"] > struck["percussive_db"].max() - 10
    assert np.median((struck["percussive_db"] - struck["harmonic_db"])[loud]) > 10


def test_ten_times_the_amplitude_is_20_decibels() -> None:
    y = 0.05 * np.sin(2 * np.pi * 440 * TIME_S)
    quiet, loud = named(y), named(10 * y)
    # Measured: 2.4e-6 and 3.5e-7.
    np.testing.assert_allclose(loud["harmonic_db"] - quiet["harmonic_db"], 20, atol=2e-5)
    np.testing.assert_allclose(loud["tonnetz_0"], quiet["tonnetz_0"], atol=1e-5)


@pytest.mark.parametrize("bpm", [90, 120, 150])
def test_the_tempo_of_clicks(bpm: int) -> None:
    # Beats are whole numbers of frames of 23 ms; measured: 2.1 %.
    assert np.median(named(clicks(bpm))["tempo_bpm"]) == pytest.approx(bpm, rel=0.03)


def test_tonnetz_knows_notes_but_not_octaves() -> None:
    def tonnetz(hz: float) -> NDArray[np.float64]:
        fifth = sum(np.sin(2 * np.pi * f * TIME_S) for f in (hz, 1.5 * hz))
        found = named(np.asarray(fifth))
        return np.array([found[f"tonnetz_{i}"][20:-20].mean() for i in range(6)])

    low = tonnetz(523.25)
    octave = np.abs(tonnetz(2 * 523.25) - low).max()
    tone = np.abs(tonnetz(2 ** (2 / 12) * 523.25) - low).max()
    # Measured: 0.05 and 0.78.
    assert octave < 0.15
    assert tone > 0.5


def test_the_middle_of_a_long_file_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handmade, "DURATION_S", 2.0)
    heard: list[NDArray[np.float32]] = []

    def listen(y: NDArray[np.float32]) -> NDArray[np.float64]:
        heard.append(y)
        return np.zeros((30, 2))

    monkeypatch.setattr(handmade, "series", listen)
    path = sounds.make(tmp_path / "a.wav", f"aevalsrc=if(between(t\\,2\\,4)\\,0.5\\,0):s={SR}:d=6")
    features = handmade.features(path)
    assert features.dtype == np.float32
    assert features.shape == (210,)
    (y,) = heard
    assert len(y) == 2 * SR
    # 16 bits; the first and the last sample may be of the silence.
    np.testing.assert_allclose(y[1:-1], 0.5, atol=1e-4)


def test_what_cannot_be_decoded(tmp_path: Path) -> None:
    (path := tmp_path / "a.mp3").write_text("no sound")
    with pytest.raises(AudioDecodeError, match=r"a\.mp3"):
        handmade.features(path)


def test_real_music_differs(audio: Path) -> None:
    paths = sorted((audio / "clips").glob("gtzan-*.opus"))[:2]
    one, other = (handmade.features(path) for path in paths)
    assert np.isfinite([one, other]).all()
    assert (one != other).mean() > 0.9

import dataclasses
import gc
import math
import threading
from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import oracle
from recommender import _native
from recommender.parameters import SpectrogramParams
from recommender.spectrogram import plan

# Short fragments keep the tests fast; frames and bands stay those of the default.
SHORT = SpectrogramParams(n_frames=6)
VARIANTS = {
    "default": SpectrogramParams(),
    "listing": SpectrogramParams(n_frames=6, mel="listing"),
    "log": SpectrogramParams(n_frames=6, compression="log", window="hann"),
    "absolute": SpectrogramParams(n_frames=6, reference="absolute", window="hann"),
    "absolute log": SpectrogramParams(n_frames=6, reference="absolute", compression="log"),
    "listing log": SpectrogramParams(n_frames=6, mel="listing", compression="log", range_db=60),
    "0.1 s": SpectrogramParams(frame_duration_s=0.1, hop_duration_s=0.1, n_frames=10),
    "0.25 s": SpectrogramParams(frame_duration_s=0.25, hop_duration_s=0.25, n_frames=5),
    "half a hop": SpectrogramParams(hop_duration_s=0.0625, n_frames=20, window="hann"),
    "2048/512": SpectrogramParams(
        frame_duration_s=2_048 / 44_100,
        hop_duration_s=512 / 44_100,
        n_frames=50,
        window="hann",
        compression="log",
        n_mels=96,
    ),
    "gaps": SpectrogramParams(frame_duration_s=0.05, hop_duration_s=0.125, n_frames=5),
    "22,050 Hz": SpectrogramParams(sr=22_050, n_frames=6, fmin=30, fmax=10_000, n_mels=40),
    "one band": SpectrogramParams(n_frames=3, n_mels=1),
}


def chirp(n: int, sr: int) -> NDArray[np.float32]:
    t = np.arange(n) / sr
    return np.asarray(0.8 * scipy.signal.chirp(t, 20, t[-1], 0.45 * sr, "log"), dtype=np.float32)


def mixture(n: int, sr: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    t = np.arange(n) / sr
    y = sum(rng.uniform(0.05, 0.2) * np.sin(2 * np.pi * f * t) for f in (55, 220, 997, 4_321))
    return np.asarray(y * np.exp(-(t % 0.5)) + 0.01 * rng.standard_normal(n), dtype=np.float32)


def noise(n: int, _sr: int = 0) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(2).standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize("variant", VARIANTS)
def test_filterbank_is_the_oracles(variant: str) -> None:
    params = VARIANTS[variant]
    found = plan(params).filterbank()
    assert found.shape == (params.n_mels, params.n_bins)
    # Rounding to float32 alone: measured 3.0e-8.
    np.testing.assert_allclose(found, oracle.filterbank(params), rtol=0, atol=6e-8)


@pytest.mark.parametrize("signal", [noise, chirp, mixture])
@pytest.mark.parametrize("variant", VARIANTS)
def test_fragments_are_the_oracles(variant: str, signal: Any) -> None:
    params = VARIANTS[variant]
    n = round(2.3 * params.fragment_length) if variant != "default" else params.fragment_length
    y = signal(n, params.sr)
    found = plan(params).transform(y)
    expected = oracle.fragments(y.astype(np.float64), params)
    assert found.dtype == np.float32
    assert found.shape == expected.shape == (n // params.fragment_length, *expected.shape[1:])
    # Largest difference of values in [-1, 1], measured: 8.1e-7 for linear energies, 2.3e-5 for
    # decibels, where the quietest bands stand on the rounding errors of the loud ones.
    tolerance = 1e-4 if params.compression == "log" else 2e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("hz", [100.0, 440.0, 1_000.0, 2_500.0, 8_000.0, 10_500.0])
def test_a_pure_tone_lands_in_its_band(hz: float) -> None:
    y = (0.5 * np.sin(2 * np.pi * hz * np.arange(SHORT.fragment_length) / 44_100)).astype(
        np.float32
    )
    fragment = plan(dataclasses.replace(SHORT, window="hann")).transform(y)[0]
    # The band whose centre is nearest in mel, computed here from the definition of the scale.
    top = 1127.01048 * math.log(1 + 11_024 / 700)
    band = 1127.01048 * math.log(1 + hz / 700) / (top / 129) - 1
    loudest = fragment.argmax(axis=1)
    assert (np.abs(loudest - band) <= 1).all()
    assert fragment.max() == 1.0


def split(y: NDArray[Any], cuts: list[int]) -> list[NDArray[Any]]:
    return np.split(y, sorted(cut % (len(y) + 1) for cut in cuts))


def streamed(params: SpectrogramParams, blocks: list[NDArray[Any]]) -> NDArray[np.float32]:
    stream = plan(params).stream()
    parts = [stream.push(block) for block in blocks]
    assert stream.n_samples == sum(map(len, blocks))
    return np.concatenate([*parts, stream.finish()])


TINY = [
    SpectrogramParams(sr=1_000, fmax=500, n_mels=8, n_frames=20, **lengths)
    for lengths in (
        {},
        {"frame_duration_s": 0.1, "hop_duration_s": 0.05},
        {"frame_duration_s": 0.1, "hop_duration_s": 0.013, "compression": "log"},
        {"frame_duration_s": 0.02, "hop_duration_s": 0.05},
        {"frame_duration_s": 0.101, "hop_duration_s": 0.101, "window": "hann"},
        {"frame_duration_s": 3.0, "hop_duration_s": 0.02},
    )
]


@settings(max_examples=150, deadline=None)
@given(
    params=st.sampled_from(TINY),
    n=st.integers(0, 12_000),
    cuts=st.lists(st.integers(0, 12_000), max_size=30),
    as_int16=st.booleans(),
)
def test_streaming_gives_the_same_bits(
    params: SpectrogramParams, n: int, cuts: list[int], as_int16: bool
) -> None:
    y: NDArray[Any] = noise(n)
    if as_int16:
        y = (32_767 * y).astype(np.int16)
    np.testing.assert_array_equal(streamed(params, split(y, cuts)), plan(params).transform(y))


def test_streaming_a_sample_at_a_time() -> None:
    y = noise(3_000)
    blocks = list(y.reshape(-1, 1))
    np.testing.assert_array_equal(streamed(TINY[1], blocks), plan(TINY[1]).transform(y))


def test_fragments_may_overlap() -> None:
    chosen = kwargs_of(SHORT) | {"fragment_length": 2 * 5_512}
    spectrogram = _native.MelSpectrogram(**chosen)
    y = noise(9 * 5_512)
    whole = spectrogram.transform(y)
    assert len(whole) == 4
    for i, fragment in enumerate(whole):
        alone = spectrogram.transform(y[i * 2 * 5_512 :][: 6 * 5_512])
        np.testing.assert_array_equal(alone[0], fragment)
    stream = spectrogram.stream()
    parts = [stream.push(block) for block in np.split(y, [1_000, 30_000, 30_001])]
    np.testing.assert_array_equal(np.concatenate([*parts, stream.finish()]), whole)


def test_int16_is_float_over_32768() -> None:
    y = np.random.default_rng(3).integers(-32_768, 32_768, 100_000, dtype=np.int16)
    for params in (SHORT, VARIANTS["2048/512"]):
        found = plan(params).transform(y)
        np.testing.assert_array_equal(
            found, plan(params).transform(y.astype(np.float32) / np.float32(32_768))
        )


def test_threads_get_the_bits_of_one() -> None:
    spectrogram = plan(SHORT)
    signals = [np.roll(noise(150_000), 1_000 * i) for i in range(6)]
    expected = [spectrogram.transform(y) for y in signals]
    found: dict[int, NDArray[np.float32]] = {}

    def work(i: int) -> None:
        stream = spectrogram.stream()
        parts = [stream.push(block) for block in np.array_split(signals[i], 13)]
        found[i] = np.concatenate([*parts, stream.finish()])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(6):
        np.testing.assert_array_equal(found[i], expected[i])


def test_one_stream_shared_by_threads_loses_nothing() -> None:
    stream = plan(TINY[0]).stream()
    threads = [threading.Thread(target=lambda: stream.push(noise(777))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stream.n_samples == 16 * 777


@pytest.mark.parametrize(
    ("seconds", "n"),
    [(0, 0), (0.12, 0), (0.125, 1), (0.3, 1), (7.9, 1), (8, 1), (15.99, 1), (16, 2)],
)
def test_how_many_fragments_a_track_has(seconds: float, n: int) -> None:
    fragments = plan(SpectrogramParams()).transform(noise(int(seconds * 44_100)))
    assert fragments.shape == (n, 64, 128)


def test_the_last_fragment_may_lack_its_last_frames() -> None:
    params = VARIANTS["half a hop"]
    y = noise(params.fragment_length)
    fragment = plan(params).transform(y)[0]
    # The last of 20 frames would pass the end of the signal: the first stands in for it.
    np.testing.assert_array_equal(fragment[19], fragment[0])
    assert not np.array_equal(fragment[18], fragment[17])
    np.testing.assert_allclose(
        fragment, oracle.fragments(y.astype(np.float64), params)[0], atol=2e-6
    )


def test_a_fragment_without_a_whole_frame_does_not_exist() -> None:
    params = TINY[5]  # fragments of 0.4 s made of frames of 3 s
    assert len(plan(params).transform(noise(2_999))) == 0
    assert len(plan(params).transform(noise(3_399))) == 1
    assert len(plan(params).transform(noise(3_400))) == 2


@pytest.mark.parametrize("params", VARIANTS.values(), ids=VARIANTS)
def test_silence(params: SpectrogramParams) -> None:
    n = params.fragment_length
    for y in (np.zeros(n, np.float32), np.zeros(n, np.int16)):
        fragments = plan(params).transform(y)
        assert fragments.shape[0] == 1
        assert (fragments == -1).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e-6, 1e6, 1e11])
@pytest.mark.parametrize("variant", ["default", "log", "absolute", "absolute log"])
def test_any_loudness_is_a_number(variant: str, scale: float) -> None:
    params = VARIANTS[variant]
    y = noise(params.fragment_length)
    fragments = plan(params).transform(y * np.float32(scale))
    assert np.isfinite(fragments).all()
    assert fragments.min() >= -1
    assert fragments.max() <= 1
    if params.reference == "fragment" and scale > 1e-20:
        # Loudness does not matter: measured 2.4e-7.
        np.testing.assert_allclose(fragments, plan(params).transform(y), rtol=0, atol=2e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e13, 3e38])
def test_samples_that_are_no_sound_count_as_zero(bad: float) -> None:
    y = noise(SHORT.fragment_length)
    places = [0, 1, 5_511, 5_512, 12_345, len(y) - 1]
    y[places] = 0
    expected = plan(SHORT).transform(y)
    y[places] = bad
    np.testing.assert_array_equal(plan(SHORT).transform(y), expected)


def test_strided_signals() -> None:
    y = noise(70_000)
    for view in (y[::2], y[::-1]):
        np.testing.assert_array_equal(
            plan(SHORT).transform(view), plan(SHORT).transform(view.copy())
        )


def test_signals_of_another_type_or_shape() -> None:
    spectrogram = plan(SHORT)
    for wrong in (np.zeros(9), np.zeros(9, np.int32), np.zeros(9, ">i2"), np.zeros(9, np.uint16)):
        with pytest.raises(TypeError, match="float32 or int16"):
            spectrogram.transform(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="float32 or int16"):
            spectrogram.stream().push(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one dimension"):
        spectrogram.transform(np.zeros((2, 9), np.float32))
    with pytest.raises(TypeError):
        spectrogram.transform([0.0, 1.0])  # type: ignore[arg-type]


def test_a_finished_stream_takes_nothing_more() -> None:
    stream = plan(SHORT).stream()
    stream.finish()
    with pytest.raises(RuntimeError, match="finished"):
        stream.push(noise(1))
    with pytest.raises(RuntimeError, match="finished"):
        stream.finish()


def test_arrays_and_streams_outlive_what_made_them() -> None:
    spectrogram = _native.MelSpectrogram(**kwargs_of(SHORT))
    y = noise(SHORT.fragment_length)
    expected = spectrogram.transform(y).copy()
    stream = spectrogram.stream()
    filterbank = spectrogram.filterbank()
    del spectrogram
    gc.collect()
    fragments = stream.push(y)
    del stream
    gc.collect()
    np.testing.assert_array_equal(fragments, expected)
    np.testing.assert_array_equal(filterbank, plan(SHORT).filterbank())
    fragments[:] = 0  # its own memory, and writable


def kwargs_of(params: SpectrogramParams) -> dict[str, Any]:
    names = (
        "frame_length hop_length fragment_length n_frames n_bins bin_hz fmin fmax n_mels window "
        "mel compression reference range_db"
    )
    return {name: getattr(params, name) for name in names.split()}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frame_length", 0),
        ("frame_length", 2**24 + 1),
        ("hop_length", 0),
        ("hop_length", -1),
        ("fragment_length", 0),
        ("n_frames", 0),
        ("n_frames", 2**20),
        ("n_mels", -5),
        ("n_bins", 0),
        ("n_bins", 2_758),
        ("bin_hz", 0.0),
        ("bin_hz", math.nan),
        ("fmin", -1.0),
        ("fmin", 11_024.0),
        ("fmax", math.inf),
        ("window", "hamming"),
        ("mel", "htk"),
        ("compression", ""),
        ("reference", "track"),
        ("range_db", 0.0),
    ],
)
def test_parameters_that_make_no_sense(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"must|need"):
        _native.MelSpectrogram(**(kwargs_of(SHORT) | {name: value}))


def test_every_parameter_is_required() -> None:
    for name in kwargs_of(SHORT):
        rest = kwargs_of(SHORT)
        del rest[name]
        with pytest.raises(TypeError):
            _native.MelSpectrogram(**rest)

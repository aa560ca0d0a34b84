import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import oracle
import recommender.audio
import sounds
from recommender import spectrogram
from recommender.errors import AudioDecodeError
from recommender.parameters import SPECTROGRAMS, SpectrogramParams
from test_audio import encode, noise

SHORT = SpectrogramParams(n_frames=8)  # fragments of a second
VARIANTS = {
    "described": SpectrogramParams(),
    "listing": SPECTROGRAMS["listing"],
    "log": SpectrogramParams(compression="log"),
    "log, absolute": SpectrogramParams(window="hann", compression="log", reference="absolute"),
}


def in_blocks(y: NDArray[np.int16], size: int) -> Iterator[NDArray[np.int16]]:
    for start in range(0, len(y), size):
        yield y[start : start + size]


def of_file(path: Path, params: SpectrogramParams) -> NDArray[np.float32]:
    return np.concatenate(list(spectrogram.fragments(path, params)))


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_file_gives_what_its_samples_give(tmp_path: Path, suffix: str) -> None:
    y = noise(3 * SHORT.fragment_length + 1_000) // 8
    path = encode(tmp_path / f"a{suffix}", y)
    found = of_file(path, SHORT)
    np.testing.assert_array_equal(found, spectrogram.transform(y, SHORT))
    # Values in [-1, 1]; measured: 3.6e-7.
    np.testing.assert_allclose(found, oracle.fragments(y / 32_768, SHORT), rtol=0, atol=1e-6)


@pytest.mark.parametrize("source", ["gtzan", "emotify", "mood", "popular", "fma", "misc", "full"])
def test_real_music_is_the_oracles(audio: Path, source: str) -> None:
    folder, suffix = ("full", "mp3") if source == "full" else ("clips", "opus")
    prefix = "" if source == "full" else f"{source}-"
    path = min((audio / folder).glob(f"{prefix}*.{suffix}"), key=lambda path: path.stat().st_size)
    y = np.concatenate(list(recommender.audio.blocks(path)))
    for variant, params in VARIANTS.items():
        found = np.concatenate(list(spectrogram.stream(in_blocks(y, 131_072), params)))
        assert len(found) == max(1, len(y) // 352_800)
        expected = oracle.fragments(y / 32_768, params)
        ranges = np.ptp(expected, axis=(1, 2), keepdims=True)
        # Of the range of a fragment's values. Measured: 2.1e-7 for
        # linear values, 5.0e-6 for logarithms, where energies close to nothing count.
        assert (np.abs(found - expected) / ranges).max() < 1e-4, variant


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_file_without_a_whole_frame_is_too_short(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"a{suffix}", noise(5_511))
    rng = np.random.default_rng(0)
    with pytest.raises(AudioDecodeError, match=rf"a\{suffix}: too short, at least 0.125 s"):
        list(spectrogram.fragments(path, SHORT))
    with pytest.raises(AudioDecodeError, match=rf"a\{suffix}: too short, at least 0.125 s"):
        spectrogram.random_fragments(path, SHORT, 3, rng)
    encode(path, noise(5_512))
    assert of_file(path, SHORT).shape == (1, 8, 128)
    assert spectrogram.random_fragments(path, SHORT, 3, rng)[0].shape == (1, 8, 128)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_silent_file_is_minus_one(tmp_path: Path, variant: str) -> None:
    found = of_file(sounds.silence(tmp_path / "a.flac", 17), VARIANTS[variant])
    assert found.shape == (2, 64, 128)
    assert (found == -1).all()


def test_a_plan_is_made_once() -> None:
    assert spectrogram.plan(SpectrogramParams()) is spectrogram.plan(SpectrogramParams())
    assert spectrogram.plan(SHORT) is not spectrogram.plan(SpectrogramParams())


@given(size=st.integers(1, 100_000), n=st.integers(0, 60_000))
@settings(max_examples=40, deadline=None)
def test_streaming_equals_the_whole(size: int, n: int) -> None:
    params = SpectrogramParams(frame_duration_s=0.02, hop_duration_s=0.02, n_frames=10, n_mels=20)
    y = noise(n)
    blocks = list(spectrogram.stream(in_blocks(y, max(size, n // 500 + 1)), params))
    assert all(len(block) for block in blocks)
    whole = spectrogram.transform(y, params)
    found = np.concatenate(blocks) if blocks else np.empty_like(whole)
    np.testing.assert_array_equal(found, whole)


# Random fragments ---------------------------------------------------------------------------------


def test_random_fragments_are_those_at_their_offsets(tmp_path: Path) -> None:
    y = noise(5 * SHORT.fragment_length)
    path = encode(tmp_path / "a.flac", y)
    found, offsets = spectrogram.random_fragments(path, SHORT, 6, np.random.default_rng(0))
    assert len(found) == len(set(offsets)) == 6
    assert list(offsets) == sorted(offsets)
    assert offsets[-1] <= 4 * SHORT.fragment_length
    for fragment, offset in zip(found, offsets, strict=True):
        alone = spectrogram.transform(y[offset : offset + SHORT.window_length], SHORT)
        np.testing.assert_array_equal(fragment, alone[0])


def test_random_fragments_decode_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y, decoded = noise(200_000), []

    def blocks(path: Path, **_: Any) -> Iterator[NDArray[np.int16]]:
        decoded.append(path)
        return in_blocks(y, 10_000)

    monkeypatch.setattr(recommender.audio, "blocks", blocks)
    rng = np.random.default_rng(0)
    found, _ = spectrogram.random_fragments(tmp_path / "a", SHORT, 5, rng)
    assert (len(found), decoded) == (5, [tmp_path / "a"])


@pytest.mark.parametrize("seconds", [0.2, 0.9, 1.0])
def test_a_file_no_longer_than_a_fragment_gives_one(tmp_path: Path, seconds: float) -> None:
    y = noise(round(seconds * 44_100))[: SHORT.window_length]
    path = encode(tmp_path / "a.wav", y)
    found, offsets = spectrogram.random_fragments(path, SHORT, 5, np.random.default_rng(0))
    assert offsets == (0,)
    np.testing.assert_array_equal(found, spectrogram.transform(y, SHORT))


def test_overlapping_frames_are_whole_in_a_random_fragment(tmp_path: Path) -> None:
    params = SpectrogramParams(frame_duration_s=0.25, hop_duration_s=0.0625, n_frames=8)
    assert params.window_length > params.fragment_length
    y = noise(100_000)
    path = encode(tmp_path / "a.wav", y)
    found, offsets = spectrogram.random_fragments(path, params, 4, np.random.default_rng(0))
    for fragment, offset in zip(found, offsets, strict=True):
        window = y[offset : offset + params.window_length] / 32_768
        # Measured: 3.8e-7.
        expected = oracle.normalise(oracle.energies(window, params), params)
        np.testing.assert_allclose(fragment, expected, rtol=0, atol=1e-6)


def test_offsets_are_uniform() -> None:
    y, length, n = np.arange(1_099, dtype=np.int16), 100, 20_000
    windows = spectrogram.random_windows(in_blocks(y, 64), length, n, np.random.default_rng(0))
    offsets = np.array([offset for offset, _ in windows])
    assert offsets.min() == 0
    assert offsets.max() == len(y) - length
    counts = np.bincount(offsets, minlength=1_000)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3  # 0.30 with this seed
    # Two windows of one call know nothing of one another.
    correlation = np.corrcoef(offsets[::2], offsets[1::2])[0, 1]
    assert abs(correlation) < 0.03  # 3 standard deviations


@given(
    n_samples=st.integers(0, 3_000),
    length=st.integers(1, 500),
    n=st.integers(1, 6),
    sizes=st.tuples(st.integers(1, 4_000), st.integers(1, 4_000)),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=200, deadline=None)
def test_windows_depend_on_the_signal_alone(
    n_samples: int, length: int, n: int, sizes: tuple[int, int], seed: int
) -> None:
    y = noise(n_samples)
    one, other = (
        spectrogram.random_windows(in_blocks(y, size), length, n, np.random.default_rng(seed))
        for size in sizes
    )
    assert [offset for offset, _ in one] == [offset for offset, _ in other]
    assert len(one) == (n if n_samples > length else min(n_samples, 1))
    for windows in (one, other):
        for offset, window in windows:
            assert 0 <= offset <= max(0, n_samples - length)
            np.testing.assert_array_equal(window, y[offset : offset + length])
            assert len(window) == min(length, n_samples)


def test_a_second_call_chooses_anew() -> None:
    rng, y = np.random.default_rng(0), noise(10_000)
    one, other = (spectrogram.random_windows([y], 100, 3, rng) for _ in range(2))
    assert [offset for offset, _ in one] != [offset for offset, _ in other]


def test_choosing_needs_memory_for_the_windows_alone() -> None:
    def blocks() -> Iterator[NDArray[np.int16]]:
        for _ in range(400):
            yield np.zeros(10_000, np.int16)  # 8 MB in all

    tracemalloc.start()
    spectrogram.random_windows(blocks(), 20_000, 4, np.random.default_rng(0))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000  # four windows of 40 kB and a few blocks; measured: 0.31 MB

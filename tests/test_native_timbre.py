"""Native statistics of any shape against SciPy; one pass against two; threads against one."""

import dataclasses
import gc
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import timbre_oracle
from recommender import _native
from recommender.parameters import SpectrogramParams
from recommender.spectrogram import plan

SHAPES = [(2, 32, 1), (16, 128, 8), (17, 64, 3), (43, 96, 8), (64, 128, 8), (344, 128, 12)]

# About three times what was measured on the kinds and shapes below. What is largest comes from sums
# of 344 equal terms, and from dividing small covariances.
TOLERANCE = {
    "band means": 1e-6,  # 3.8e-7
    "band deviations": 2.5e-6,  # 8.1e-7
    "band changes": 2.5e-7,  # 7.7e-8
    "10th percentiles": 2.5e-7,  # 7.5e-8
    "90th percentiles": 3e-7,  # 1.0e-7
    "cepstral means": 5e-6,  # 1.7e-6
    "cepstral deviations": 1e-5,  # 3.3e-6
    "deviations of cepstral changes": 1.5e-6,  # 5.0e-7
    "correlations": 4e-5,  # 1.3e-5
    "modulation": 4e-6,  # 1.3e-6
}


def fragments_of(kind: str, n_frames: int, n_mels: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(6)
    shape = (3, n_frames, n_mels)
    x = {
        "random": rng.uniform(-1, 1, shape),
        "wandering": rng.uniform(-1, 1, shape).cumsum(1).clip(-1, 1),
        "one step": np.where(np.arange(n_frames) < n_frames // 3, -1, 1)[None, :, None]
        * rng.uniform(0, 1, (3, 1, n_mels)),
        "constant": np.full(shape, 0.3),
        "silent": np.full(shape, -1.0),
        "loud": np.full(shape, 1.0),
        "impulse": np.eye(n_frames, n_mels)[None] * np.ones(shape),
    }[kind]
    return np.asarray(x, np.float32)


@pytest.mark.parametrize(
    "kind", ["random", "wandering", "one step", "constant", "silent", "loud", "impulse"]
)
@pytest.mark.parametrize(("n_frames", "n_mels", "n_rates"), SHAPES)
def test_every_block_equals_scipy(kind: str, n_frames: int, n_mels: int, n_rates: int) -> None:
    timbre = _native.Timbre(n_frames=n_frames, n_mels=n_mels, n_rates=n_rates)
    fragments = fragments_of(kind, n_frames, n_mels)
    found = timbre.statistics(fragments)
    assert found.dtype == np.float32
    assert found.shape == (3, timbre.n_statistics) == (3, 410 + 8 * n_rates)
    for row, fragment in zip(found, fragments, strict=True):
        start = 0
        for name, expected in timbre_oracle.statistics(fragment, n_rates).items():
            block = row[start : start + len(expected)]
            np.testing.assert_allclose(block, expected, rtol=0, atol=TOLERANCE[name], err_msg=name)
            start += len(expected)
        assert start == timbre.n_statistics


def test_percentiles_stand_where_they_should() -> None:
    """Frames in any order: of 0 ... 100 the 10th percentile is 10."""
    order = np.random.default_rng(7).permutation(101)
    fragment = np.repeat(order[:, None] / 100, 32, axis=1).astype(np.float32)
    found = _native.Timbre(n_frames=101, n_mels=32, n_rates=1).statistics(fragment[None])[0]
    np.testing.assert_array_equal(found[96:128], np.float32(0.1))
    np.testing.assert_array_equal(found[128:160], np.float32(0.9))


@settings(max_examples=60, deadline=None)
@given(n_frames=st.integers(2, 300), seed=st.integers(0, 99))
def test_percentiles_of_any_number_of_frames(n_frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.integers(-5, 6, (1, n_frames, 32)) / 5).astype(np.float32)  # many are equal
    found = _native.Timbre(n_frames=n_frames, n_mels=32, n_rates=1).statistics(x)[0]
    expected = np.percentile(x[0].astype(np.float64), [10, 90], axis=0)
    # Rounding of an interpolation: measured 7.2e-8.
    np.testing.assert_allclose(found[96:160], expected.ravel(), rtol=0, atol=3e-7)


def test_fragments_do_not_influence_one_another() -> None:
    timbre = _native.Timbre(n_frames=50, n_mels=64, n_rates=5)
    fragments = fragments_of("random", 50, 64)
    whole = timbre.statistics(fragments)
    for i in range(3):
        np.testing.assert_array_equal(timbre.statistics(fragments[i : i + 1])[0], whole[i])
    assert timbre.statistics(fragments[:0]).shape == (0, timbre.n_statistics)


def test_what_is_no_number_stays_in_its_fragment() -> None:
    timbre = _native.Timbre(n_frames=50, n_mels=64, n_rates=5)
    fragments = fragments_of("random", 50, 64)
    expected = timbre.statistics(fragments)
    for bad in (np.nan, np.inf, -np.inf, 3e38):
        fragments[1, 20] = bad
        np.testing.assert_array_equal(timbre.statistics(fragments)[[0, 2]], expected[[0, 2]])


def test_strided_fragments() -> None:
    timbre = _native.Timbre(n_frames=50, n_mels=64, n_rates=5)
    fragments = fragments_of("random", 100, 128)
    for view in (fragments[::2, ::2, ::2], fragments[::-1, 50:, 64:]):
        np.testing.assert_array_equal(timbre.statistics(view), timbre.statistics(view.copy()))


def test_fragments_of_another_type_or_shape() -> None:
    timbre = _native.Timbre(n_frames=16, n_mels=32, n_rates=8)
    for wrong in (np.zeros((16, 32)), np.zeros((1, 32, 16)), np.zeros((1, 16, 32, 1))):
        with pytest.raises(ValueError, match=r"\(n, 16, 32\)"):
            timbre.statistics(wrong.astype(np.float32))
    for dtype in (np.float64, np.int16, ">f4"):
        with pytest.raises(TypeError, match="float32"):
            timbre.statistics(np.zeros((1, 16, 32), dtype))


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_mels": 40},
        {"n_mels": 0},
        {"n_mels": -32},
        {"n_mels": 2**25},
        {"n_frames": 15},
        {"n_frames": -1},
        {"n_frames": 2**62},
        {"n_rates": 0},
        {"n_rates": -1},
        {"n_rates": 33},
    ],
)
def test_shapes_without_statistics(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        _native.Timbre(**({"n_frames": 64, "n_mels": 128, "n_rates": 8} | wrong))


# Fragments of 1 s: ten frames of 0.1 s; fine ones of 0.05 s at every 0.02 s, the last of which
# reaches into the next fragment.
COARSE = SpectrogramParams(
    sr=1_000,
    fmax=500,
    n_mels=32,
    n_frames=10,
    frame_duration_s=0.1,
    hop_duration_s=0.1,
    compression="log",
)
FINE = dataclasses.replace(
    COARSE, n_mels=64, n_frames=49, frame_duration_s=0.05, hop_duration_s=0.02, window="hann"
)


def extractor(fine: SpectrogramParams | None = FINE, n_rates: int = 5) -> _native.Extractor:
    fine_plan = None if fine is None else plan(fine, COARSE.fragment_length)
    return _native.Extractor(spectrogram=plan(COARSE), fine=fine_plan, n_rates=n_rates)


def noise(n: int, seed: int = 0) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(
    with_fine=st.booleans(),
    n=st.integers(0, 5_000) | st.sampled_from([99, 100, 999, 1_000, 1_009, 1_010, 1_999, 2_000]),
    cuts=st.lists(st.integers(0, 5_000), max_size=20),
    as_int16=st.booleans(),
)
def test_one_pass_gives_the_bits_of_two(
    with_fine: bool, n: int, cuts: list[int], as_int16: bool
) -> None:
    y: NDArray[Any] = noise(n)
    if as_int16:
        y = (32_767 * y).astype(np.int16)
    chosen = extractor(FINE if with_fine else None)
    fragments, statistics = chosen.transform(y)
    np.testing.assert_array_equal(fragments, plan(COARSE).transform(y))
    assert len(fragments) == max(n // 1_000, n >= 100)
    params = FINE if with_fine else COARSE
    timbre = _native.Timbre(n_frames=params.n_frames, n_mels=params.n_mels, n_rates=5)
    described = plan(params, 1_000).transform(y)[: len(fragments)]
    np.testing.assert_array_equal(statistics, timbre.statistics(described))

    stream = chosen.stream()
    parts = [stream.push(block) for block in np.split(y, sorted(cut % (n + 1) for cut in cuts))]
    assert stream.n_samples == n
    parts.append(stream.finish())
    assert all(len(a) == len(b) for a, b in parts)
    np.testing.assert_array_equal(np.concatenate([a for a, _ in parts]), fragments)
    np.testing.assert_array_equal(np.concatenate([b for _, b in parts]), statistics)


def test_a_fragment_waits_for_its_last_fine_frame() -> None:
    stream = extractor(dataclasses.replace(FINE, n_frames=50)).stream()  # ends at 1.03 s
    assert len(stream.push(noise(1_029))[0]) == 0
    assert len(stream.push(noise(1))[0]) == 1
    # Nothing can come after the end of the signal: frame 48 onwards repeat those from the start.
    assert len(stream.push(noise(970))[0]) == 0
    assert len(stream.finish()[0]) == 1


def test_frames_longer_than_a_fragment() -> None:
    """The last fragments have no whole coarse frame: their fine ones do not count."""
    coarse = plan(dataclasses.replace(COARSE, frame_duration_s=1.5, hop_duration_s=0.05), 500)
    fine = plan(FINE, 500)
    chosen = _native.Extractor(spectrogram=coarse, fine=fine, n_rates=5)
    for n in (50, 1_499, 1_500, 2_499, 2_500, 7_777):
        fragments, statistics = chosen.transform(noise(n))
        np.testing.assert_array_equal(fragments, coarse.transform(noise(n)))
        timbre = _native.Timbre(n_frames=49, n_mels=64, n_rates=5)
        described = fine.transform(noise(n))
        assert len(described) > len(fragments)
        np.testing.assert_array_equal(statistics, timbre.statistics(described)[: len(fragments)])
        stream = chosen.stream()
        parts = [stream.push(block) for block in np.array_split(noise(n), 7)]
        parts.append(stream.finish())
        np.testing.assert_array_equal(np.concatenate([b for _, b in parts]), statistics)


@pytest.mark.parametrize("n_threads", range(1, 9))
def test_many_signals_get_the_bits_of_each(n_threads: int) -> None:
    signals: list[NDArray[Any]] = [noise(n, n) for n in (0, 99, 100, 4_321, 12_000, 2_500, 1_000)]
    signals.append((32_767 * noise(3_300)).astype(np.int16))
    signals.append(noise(9_000)[::-3])
    chosen = extractor()
    together = chosen.transform_many(signals, n_threads=n_threads)
    alone = plan(COARSE).transform_many(signals, n_threads=n_threads)
    assert len(together) == len(alone) == len(signals)
    for y, (fragments, statistics), same in zip(signals, together, alone, strict=True):
        expected = chosen.transform(y)
        np.testing.assert_array_equal(fragments, expected[0])
        np.testing.assert_array_equal(statistics, expected[1])
        np.testing.assert_array_equal(same, expected[0])


def test_many_signals_may_be_none() -> None:
    assert extractor().transform_many([], n_threads=3) == []
    assert plan(COARSE).transform_many([], n_threads=3) == []


def test_one_bad_signal_among_many() -> None:
    for chosen in (extractor(), plan(COARSE)):
        with pytest.raises(TypeError, match="float32 or int16"):
            chosen.transform_many([noise(9), np.zeros(9)], n_threads=2)  # type: ignore[list-item]
        with pytest.raises(ValueError, match="one dimension"):
            chosen.transform_many([noise(9), np.zeros((1, 9), np.int16)], n_threads=2)
        with pytest.raises(TypeError):
            chosen.transform_many([noise(9), None], n_threads=2)  # type: ignore[list-item]
        for n_threads in (0, -1):
            with pytest.raises(ValueError, match="n_threads"):
                chosen.transform_many([noise(9)], n_threads=n_threads)


def test_an_extractor_shared_by_threads() -> None:
    chosen = extractor()
    signals = [noise(7_777, i) for i in range(6)]
    expected = [chosen.transform(y)[1] for y in signals]
    found: dict[int, NDArray[np.float32]] = {}

    def work(i: int) -> None:
        stream = chosen.stream()
        parts = [stream.push(block)[1] for block in np.array_split(signals[i], 13)]
        found[i] = np.concatenate([*parts, stream.finish()[1]])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(6):
        np.testing.assert_array_equal(found[i], expected[i])


def test_spectrograms_that_do_not_fit_together() -> None:
    with pytest.raises(ValueError, match="fragment_length"):
        _native.Extractor(spectrogram=plan(COARSE), fine=plan(FINE), n_rates=5)
    with pytest.raises(ValueError, match="longer frames"):
        extractor(dataclasses.replace(FINE, frame_duration_s=0.101))
    with pytest.raises(ValueError, match="decibels"):
        extractor(dataclasses.replace(FINE, compression="linear"))
    with pytest.raises(ValueError, match="multiple of 32"):
        extractor(dataclasses.replace(FINE, n_mels=48))
    with pytest.raises(ValueError, match="n_rates"):
        extractor(None, n_rates=6)
    with pytest.raises(TypeError):
        _native.Extractor(spectrogram=None, fine=None, n_rates=5)  # type: ignore[arg-type]


def test_signals_of_another_type_or_shape() -> None:
    for take in (extractor().transform, extractor().stream().push):
        with pytest.raises(TypeError, match="float32 or int16"):
            take(np.zeros(9))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="one dimension"):
            take(np.zeros((2, 9), np.float32))


def test_a_finished_stream_takes_nothing_more() -> None:
    stream = extractor().stream()
    stream.finish()
    for n in (0, 1):
        with pytest.raises(RuntimeError, match="finished"):
            stream.push(noise(n))
    with pytest.raises(RuntimeError, match="finished"):
        stream.finish()


def test_arrays_and_streams_outlive_what_made_them() -> None:
    spectrogram = _native.MelSpectrogram(
        **{name: getattr(COARSE, name) for name in SPECTROGRAM_FIELDS}
    )
    chosen = _native.Extractor(spectrogram=spectrogram, fine=None, n_rates=5)
    expected = [x.copy() for x in chosen.transform(noise(2_000))]
    stream = chosen.stream()
    del chosen, spectrogram
    gc.collect()
    found = stream.push(noise(2_000))
    del stream
    gc.collect()
    for x, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x, same)
        x[:] = 0  # its own memory, and writable


SPECTROGRAM_FIELDS = (
    "frame_length hop_length fragment_length n_frames n_bins bin_hz fmin fmax n_mels window mel "
    "compression reference range_db"
).split()

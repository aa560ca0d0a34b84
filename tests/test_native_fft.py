import threading

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray

from recommender import _native

# Over the root mean square of the spectrum, for all lengths below and two or three frames of
# noise: the largest error of any bin, measured 1.2e-6 (for 241 * 239; 4.5e-7 for 5,512), and their
# root mean square, measured 2.8e-7 (2.2e-7 up to 4,096; 1.5e-7 for 5,512).
TOLERANCE = 3e-6
RMS_TOLERANCE = 5e-7


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def check_errors(x: NDArray[np.float32]) -> None:
    n = x.shape[1]
    expected = scipy.fft.rfft(x.astype(np.float64), axis=1)
    errors = np.abs(_native.RealFft(n)(x) - expected) / np.sqrt(np.mean(np.abs(expected) ** 2))
    assert errors.max() < TOLERANCE, n
    assert np.sqrt(np.mean(errors**2)) < RMS_TOLERANCE, n


def test_every_short_length() -> None:
    for n in range(1, 513):
        check_errors(noise(3, n))


@pytest.mark.slow
def test_every_length_to_4096() -> None:
    for n in range(513, 4_097):
        check_errors(noise(2, n))


LONG = [1_023, 1_024, 1_025, 2_048, 2_187, 3_125, 4_095, 4_096, 4_410, 5_512, 6_000, 11_025, 44_100]
PRIMES = [1_021, 1_031, 2 * 1_021, 3 * 1_021, 4 * 251, 241 * 239, 2_779, 4_093, 5_513]


@pytest.mark.parametrize("n", LONG + PRIMES)
def test_long_lengths_and_primes(n: int) -> None:
    check_errors(noise(3, n))


@pytest.mark.parametrize("n", [8, 21, 137, 1_004, 2_048, 5_512])
def test_a_frame_does_not_depend_on_its_batch(n: int) -> None:
    x = noise(37, n)
    fft = _native.RealFft(n)
    together = fft(x)
    assert together.shape == (37, n // 2 + 1)
    assert together.dtype == np.complex64
    for i in (0, 1, 15, 16, 31, 36):
        np.testing.assert_array_equal(fft(x[i : i + 1])[0], together[i])


@pytest.mark.parametrize("n", [12, 15, 262])
def test_what_is_not_a_number_stays_in_its_frame(n: int) -> None:
    x = noise(5, n)
    clean = _native.RealFft(n)(x)
    x[2, 3] = np.nan
    spectra = _native.RealFft(n)(x)
    assert np.isnan(spectra[2]).all()
    np.testing.assert_array_equal(np.delete(spectra, 2, axis=0), np.delete(clean, 2, axis=0))


def test_threads_share_a_plan() -> None:
    x = noise(40, 5_512)
    fft = _native.RealFft(5_512)
    expected = fft(x)
    results: list[NDArray[np.complex64]] = []
    threads = [threading.Thread(target=lambda: results.append(fft(x))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_strided_and_empty_input() -> None:
    x = noise(10, 24)
    fft = _native.RealFft(12)
    np.testing.assert_array_equal(fft(x[::2, ::2]), fft(x[::2, ::2].copy()))
    assert fft(x[:0, :12]).shape == (0, 7)
    assert fft.n == 12


def test_the_spectrum_outlives_the_plan() -> None:
    x = noise(4, 100)
    spectra = _native.RealFft(100)(x)
    expected = scipy.fft.rfft(x.astype(np.float64), axis=1)
    np.testing.assert_allclose(spectra, expected, atol=1e-4)  # of values about 10; measured 3e-6


@pytest.mark.parametrize("n", [0, -1, 2**24 + 1])
def test_lengths_that_make_no_sense(n: int) -> None:
    with pytest.raises(ValueError, match="length"):
        _native.RealFft(n)


def test_input_that_does_not_fit() -> None:
    fft = _native.RealFft(8)
    with pytest.raises(ValueError, match="shape"):
        fft(noise(2, 9))
    with pytest.raises(ValueError, match="shape"):
        fft(noise(8))
    with pytest.raises(TypeError, match="float32"):
        fft(noise(2, 8).astype(np.float64))

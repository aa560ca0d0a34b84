"""What must never crash: odd arrays, arrays that outlive their maker, races, absurd sizes.

Wrong types and values that a caller is likely to pass are tested with what they are passed to.
"""

import copy
import gc
import os
import pickle
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender import _native

PARAMS: dict[str, Any] = {
    "frame_length": 100,
    "hop_length": 50,
    "fragment_length": 1_000,
    "n_frames": 20,
    "n_bins": 50,
    "bin_hz": 10.0,
    "fmin": 0.0,
    "fmax": 480.0,
    "n_mels": 16,
    "window": "hann",
    "mel": "described",
    "compression": "linear",
    "reference": "fragment",
    "range_db": 80.0,
}


def spectrogram(**changes: Any) -> _native.MelSpectrogram:
    return _native.MelSpectrogram(**(PARAMS | changes))


def noise(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(n, dtype=np.float32)


def streamed(stream: _native.Stream, y: NDArray[Any]) -> NDArray[np.float32]:
    return np.concatenate([stream.push(y), stream.finish()])


def wav_file(path: Path, n_frames: int) -> Path:
    samples = (8_000 * noise(n_frames)).astype("<i2").tobytes()
    form = b"\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0"  # PCM, mono, 8,000 Hz, 16 bits
    chunks = b"fmt " + (16).to_bytes(4, "little") + form
    chunks += b"data" + len(samples).to_bytes(4, "little") + samples
    path.write_bytes(b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks)
    return path


def in_threads(*calls: Callable[[], object]) -> list[object]:
    """Call all at the same time; return results and exceptions."""
    found: list[object] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def work(i: int) -> None:
        start.wait()
        try:
            found[i] = calls[i]()
        except Exception as error:
            found[i] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def results(tmp_path: Path) -> list[Callable[[], NDArray[Any]]]:
    """Everything that returns an array of at least 2,000 values, called anew each time."""
    reader = _native.WavReader(wav_file(tmp_path / "a.wav", 1_000_000))
    mel, stream, fft = spectrogram(), spectrogram().stream(), _native.RealFft(1_000)
    decibels = spectrogram(n_mels=32, compression="log")
    extractor = _native.Extractor(spectrogram=mel, fine=decibels, n_rates=3)
    y, x = noise(10_000), noise(10_000).reshape(10, 1_000)
    return [
        lambda: mel.transform(y),
        lambda: stream.push(y),
        lambda: mel.transform_many([y, y], n_threads=2)[1],
        lambda: extractor.transform(y)[0],
        lambda: extractor.transform_many([y, y], n_threads=2)[1][1],
        lambda: spectrogram(n_bins=51, n_mels=50).filterbank(),
        lambda: fft(x),
        lambda: reader.read(2_000),
        lambda: reader.read_mono(2_000),
    ]


def test_arrays_own_their_memory(tmp_path: Path) -> None:
    for result in results(tmp_path):
        first = result()
        assert first.size >= 2_000
        kept = first.copy()
        second, third = result(), result()
        second[...] = 7
        third[...] = -7
        np.testing.assert_array_equal(first, kept)
        assert first.flags.writeable
        assert first.flags.c_contiguous
        assert first.flags.aligned
        assert not np.shares_memory(first, second)


def test_arrays_outlive_their_makers(tmp_path: Path) -> None:
    arrays = [result() for result in results(tmp_path)]
    expected = [array.copy() for array in arrays]
    (tmp_path / "a.wav").unlink()
    views = [array[1:, ...] for array in arrays]
    del arrays
    gc.collect()
    # Memory that was given back would be used for these.
    others = [np.full(x.size, 3, x.dtype) for x in expected for _ in range(20)]
    for view, x in zip(views, expected, strict=True):
        np.testing.assert_array_equal(view, x[1:, ...])
    assert all((other == 3).all() for other in others)


def test_memory_of_arrays_is_given_back(tmp_path: Path) -> None:
    mel, y = spectrogram(n_mels=32), noise(1_000_000)
    reader_path = wav_file(tmp_path / "a.wav", 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(100):
        mel.transform(y)
        mel.stream().push(y)
        _native.WavReader(reader_path).read_mono(1_000_000)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1_024  # bytes in what the system counts
    # What one round needs may come on top; keeping it all would be 900 MB.
    assert (after - before) * unit < 60e6


def test_input_that_is_unaligned_read_only_or_backwards() -> None:
    mel, fft = spectrogram(), _native.RealFft(500)
    signals: list[NDArray[Any]] = [noise(5_000), (8_000 * noise(5_000)).astype(np.int16)]
    for y in signals:
        expected = mel.transform(y)
        raw = np.frombuffer(b"?" + y.tobytes(), np.uint8)[1:].view(y.dtype)
        assert not raw.flags.aligned
        every_third = np.empty(3 * len(y), y.dtype)
        every_third[::3] = y
        backwards = y[::-1].copy()[::-1]
        constant = y.copy()
        constant.flags.writeable = False
        for odd in (raw, every_third[::3], backwards, constant, np.ma.masked_array(y)):
            np.testing.assert_array_equal(mel.transform(odd), expected)
            np.testing.assert_array_equal(streamed(mel.stream(), odd), expected)
        if y.dtype == np.float32:
            for odd in (raw, every_third[::3], backwards, constant):
                np.testing.assert_array_equal(
                    fft(odd.reshape(10, 500)), fft(y.reshape(10, 500).copy())
                )
    # Rows that are all the same memory, and columns in Fortran's order.
    row = noise(500)
    np.testing.assert_array_equal(fft(np.broadcast_to(row, (4, 500)))[3], fft(row[None])[0])
    x = noise(5_000).reshape(10, 500)
    np.testing.assert_array_equal(fft(np.asfortranarray(x)), fft(x))


def test_input_is_left_alone() -> None:
    y = noise(5_000)
    y[::7] = np.nan
    kept = y.copy()
    spectrogram().transform(y)
    spectrogram().stream().push(y)
    _native.RealFft(500)(y.reshape(10, 500))
    np.testing.assert_array_equal(y, kept)


ODD_TYPES: list[Any] = [
    np.zeros(200, ">f4"),
    np.zeros(200, np.float16),
    np.zeros(200, np.longdouble),
    np.zeros(200, np.complex64),
    np.zeros(200, bool),
    np.zeros(200, object),
    np.zeros(200, "U3"),
    np.zeros(200, "M8[s]"),
    np.zeros(200, [("left", "<f4")]),
    np.float32(3),
    bytes(200),
    memoryview(bytes(200)),
    None,
]


@pytest.mark.parametrize("y", ODD_TYPES, ids=lambda y: str(getattr(y, "dtype", type(y).__name__)))
def test_types_that_hold_no_sound(y: Any) -> None:
    for take in (spectrogram().transform, spectrogram().stream().push, _native.RealFft(200)):
        with pytest.raises((TypeError, ValueError)):
            take(y[None] if isinstance(y, np.ndarray) and take.__class__ is _native.RealFft else y)


def test_no_samples_one_sample_and_no_dimension() -> None:
    mel = spectrogram()
    dtypes: list[Any] = [np.float32, np.int16]
    for dtype in dtypes:
        for n in (0, 1, 99):
            assert mel.transform(np.ones(n, dtype)).shape == (0, 20, 16)
            stream = mel.stream()
            assert stream.push(np.ones(n, dtype)).shape == (0, 20, 16)
            assert stream.finish().shape == (0, 20, 16)
        with pytest.raises(ValueError, match="one dimension"):
            mel.transform(np.ones((), dtype))
    # A frame of one sample has one bin.
    single = spectrogram(frame_length=1, n_bins=1, window="rectangular")
    assert single.transform(np.ones(1, np.float32)).shape == (1, 20, 16)
    np.testing.assert_array_equal(_native.RealFft(1)(np.full((2, 1), 5, np.float32)), 5)


def test_numbers_at_the_edge_of_single_precision() -> None:
    tiny = np.finfo(np.float32).smallest_subnormal
    for window in ("hann", "rectangular"):
        for compression in ("linear", "log"):
            for reference in ("fragment", "absolute"):
                mel = spectrogram(window=window, compression=compression, reference=reference)
                for value in (tiny, 1e-38, 1e-20, 1e12, 3.4e38, np.inf, np.nan):
                    y = np.tile(np.array([value, -value, 0, value], np.float32), 1_000)
                    fragments = mel.transform(y)
                    assert fragments.shape == (4, 20, 16)
                    assert ((fragments >= -1) & (fragments <= 1)).all()
    # The largest samples that count, in the longest frames and by way of Bluestein's convolution.
    for n in (2**18, 2 * 65_537, 65_537):
        mel = spectrogram(
            frame_length=n, hop_length=n, fragment_length=n, n_bins=n // 2, n_frames=1
        )
        fragments = mel.transform(np.full(n, 1e12, np.float32))
        assert ((fragments >= -1) & (fragments <= 1)).all()


@contextmanager
def address_space(more: int) -> Iterator[None]:
    """Let this process have so many more bytes of memory, and no more."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the limit is only kept by Linux")
    n_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (n_pages * resource.getpagesize() + more, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("value", [2**24 + 1, 2**31, 2**32 + 1, 2**62, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize(
    "name", ["frame_length", "hop_length", "fragment_length", "n_frames", "n_bins", "n_mels"]
)
def test_sizes_are_refused_before_memory_is_taken(name: str, value: int) -> None:
    if name == "fragment_length" and 0 < value <= 2**32 + 1:
        assert spectrogram(fragment_length=value).transform(noise(200)).shape == (1, 20, 16)
        return
    with address_space(2**25), pytest.raises(ValueError, match="must"):
        spectrogram(**{name: value})


def test_sizes_that_no_64_bits_hold() -> None:
    for value in (2**63, -(2**63) - 1, 10**30):
        with pytest.raises(TypeError):
            spectrogram(frame_length=value)
        with pytest.raises(TypeError):
            _native.RealFft(value)


def test_memory_that_is_not_there_for_a_transform() -> None:
    # In a process of its own: here others' threads may give back address space meanwhile.
    code = (
        "from recommender import _native; from test_native_misuse import address_space\n"
        "with address_space(2**26):\n"
        "    try: _native.RealFft(2**24)\n"
        "    except MemoryError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "refused\n", done.stderr


def test_memory_that_is_not_there(tmp_path: Path) -> None:
    large = spectrogram(fragment_length=1, n_frames=2**10, n_mels=2**10, n_bins=51)
    with address_space(2**26), pytest.raises(MemoryError):
        large.transform(np.ones(1_000, np.float32))  # 4 GB of fragments
    # Nothing is broken afterwards, and nothing is taken for fragments that do not exist.
    with address_space(2**26):
        assert large.transform(np.ones(99, np.float32)).shape == (0, 2**10, 2**10)
    # A hole of a terabyte is not read at once by somebody who asks for all of it.
    path = wav_file(tmp_path / "a.wav", 10)
    with path.open("r+b") as file:
        file.seek(40)
        file.write(b"\xff\xff\xff\xff")  # of unknown length: up to the end of the file
    os.truncate(path, 2**40)
    reader = _native.WavReader(path)
    with address_space(2**26), pytest.raises(MemoryError):
        reader.read(2**62)
    assert len(reader.read_mono(10)) == 10


def test_objects_cannot_be_copied_halfway() -> None:
    objects = (spectrogram(), spectrogram().stream(), _native.RealFft(8))
    for thing in objects:
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="pickle"):
                attempt(thing)
    with pytest.raises(TypeError, match="constructor"):
        _native.Stream()


def test_streams_outlive_their_spectrogram_in_threads() -> None:
    y = noise(20_000)
    expected = spectrogram().transform(y)
    streams = [spectrogram().stream() for _ in range(4)]
    gc.collect()
    found = in_threads(*(lambda s=s: streamed(s, y) for s in streams))
    for fragments in found:
        np.testing.assert_array_equal(np.asarray(fragments), expected)


def test_pushing_and_finishing_at_the_same_time() -> None:
    for _ in range(20):
        stream = spectrogram().stream()
        pushes = [lambda stream=stream: stream.push(noise(3_000))] * 4
        *pushed, finished = in_threads(*pushes, stream.finish)
        assert isinstance(finished, np.ndarray)
        late = [x for x in pushed if isinstance(x, RuntimeError)]
        parts = [x for x in pushed if isinstance(x, np.ndarray)]
        assert len(late) + len(parts) == 4
        assert stream.n_samples == 3_000 * len(parts)
        assert sum(map(len, parts)) + len(finished) == 3 * len(parts)


def test_reading_and_closing_at_the_same_time(tmp_path: Path) -> None:
    path = wav_file(tmp_path / "a.wav", 50_000)
    whole = _native.WavReader(path).read_mono(50_000)
    for _ in range(20):
        reader = _native.WavReader(path)
        reads = [lambda reader=reader: reader.read_mono(10_000)] * 3
        *found, closed = in_threads(*reads, reader.close)
        assert closed is None
        parts = [x for x in found if isinstance(x, np.ndarray)]
        assert all(isinstance(x, np.ndarray) or "closed" in str(x) for x in found)
        # Every block was given to one thread alone.
        starts = sorted(int(np.flatnonzero(whole[:50_000:10_000] == x[0])[0]) for x in parts)
        assert starts == list(range(len(parts)))
        reader.close()
        assert reader.n_frames == 50_000


def test_a_file_that_is_deleted_or_replaced(tmp_path: Path) -> None:
    path = wav_file(tmp_path / "a.wav", 1_000)
    whole = _native.WavReader(path).read_mono(1_000)
    reader = _native.WavReader(path)
    reader.read(500)
    path.unlink()
    wav_file(path, 10)
    np.testing.assert_array_equal(reader.read_mono(500), whole[500:])


def test_how_much_to_read(tmp_path: Path) -> None:
    reader = _native.WavReader(wav_file(tmp_path / "a.wav", 5))
    with pytest.raises(ValueError, match="negative"):
        reader.read(-1)
    for wrong in (2**63, 1.5, "2", None):
        with pytest.raises(TypeError):
            reader.read(wrong)  # type: ignore[arg-type]
    assert reader.read(2**63 - 1).shape == (5, 1)
    assert reader.read(2**63 - 1).shape == (0, 1)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
    for path in (tmp_path / "pipe", Path("/dev/null"), Path("/dev/zero"), tmp_path):
        with pytest.raises(_native.WavError, match="not a regular file"):
            _native.WavReader(path)

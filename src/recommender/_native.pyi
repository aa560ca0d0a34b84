"""The native core: mel-spectrograms, statistics of timbre, Fourier transforms and WAV files.

All computing runs without the GIL. Objects may be shared by threads: what is planned is constant,
and a stream or a reader lets one thread in at a time.
"""

from collections.abc import Sequence
from os import PathLike
from types import TracebackType
from typing import Literal, Self, final

import numpy as np
from numpy.typing import NDArray

kernels: str
"""Instruction set that was chosen for this processor: "avx512", "avx2" or "baseline"."""

class WavError(ValueError):
    """A file is damaged, or of a kind that is not read here; the message does not name it."""

@final
class RealFft:
    """Fourier transform of real frames of one length, planned once.

    Parameters
    ----------
    n : int
        Samples in a frame, 1 to 2**24.

    Raises
    ------
    ValueError
        If `n` is out of range.
    """

    def __init__(self, n: int) -> None: ...
    @property
    def n(self) -> int:
        """Samples in a frame."""

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Transform frames.

        Parameters
        ----------
        x : ndarray of float32, shape (batch, n)

        Returns
        -------
        ndarray of complex64, shape (batch, n // 2 + 1)
            Not scaled; the root mean square of the error is about 1e-7 of that of the spectrum.

        Raises
        ------
        TypeError, ValueError
            If `x` has another type or shape.
        """

@final
class MelSpectrogram:
    """Sound to fragments of mel-spectrogram, planned once; there are no defaults.

    Parameters
    ----------
    frame_length, hop_length, fragment_length : int
        Samples in a frame, between the starts of two frames, between the starts of two fragments.
    n_frames : int
        Frames in a fragment.
    n_bins : int
        Bins of the spectrum that are kept, at most ``frame_length // 2 + 1``.
    bin_hz : float
        Distance between two bins, in Hz.
    fmin, fmax : float
        Where the filterbank begins and ends, in Hz.
    n_mels : int
        Number of triangular bands.
    window : {"rectangular", "hann"}
    mel : {"described", "listing"}
        Triangles over the whole range, or over its lower half as the listing has them.
    compression : {"linear", "log"}
    reference : {"fragment", "absolute"}
        What becomes +1: the fragment's largest energy, or a sine of amplitude 1.
    range_db : float
        With "log": range below the reference that is spread over [-1, 1], in dB.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    def __init__(
        self,
        *,
        frame_length: int,
        hop_length: int,
        fragment_length: int,
        n_frames: int,
        n_bins: int,
        bin_hz: float,
        fmin: float,
        fmax: float,
        n_mels: int,
        window: Literal["rectangular", "hann"],
        mel: Literal["described", "listing"],
        compression: Literal["linear", "log"],
        reference: Literal["fragment", "absolute"],
        range_db: float,
    ) -> None: ...
    def filterbank(self) -> NDArray[np.float32]:
        """Return the triangles, shape ``(n_mels, n_bins)``, each of peak 1."""

    def transform(self, y: NDArray[np.float32] | NDArray[np.int16]) -> NDArray[np.float32]:
        """Compute all fragments of a signal.

        Fragment i starts at sample ``i * fragment_length``; there are
        ``len(y) // fragment_length``, but one if the signal is shorter and has a whole frame. A
        fragment that lacks frames repeats its own from the start; one without any is left out.

        Parameters
        ----------
        y : ndarray of float32 or int16, shape (n_samples,)
            16-bit samples count as ``y / 32768``. Samples that are not finite, or beyond 1e12,
            count as 0. A strided array is copied.

        Returns
        -------
        ndarray of float32, shape (n_fragments, n_frames, n_mels)
            Values in [-1, 1]. A fragment whose largest energy is below 1e-20 is silence: all -1.

        Raises
        ------
        TypeError, ValueError
            If `y` has another type, or more than one dimension.
        """

    def transform_many(
        self, ys: Sequence[NDArray[np.float32] | NDArray[np.int16]], *, n_threads: int
    ) -> list[NDArray[np.float32]]:
        """Compute all fragments of several signals with several threads.

        Parameters
        ----------
        ys : sequence of ndarray of float32 or int16, shape (n_samples,) each
        n_threads : int
            At least 1; how many signals are worked on at the same time.

        Returns
        -------
        list of ndarray
            Of each signal what `transform` gives, to the last bit.

        Raises
        ------
        TypeError, ValueError
            As `transform`, of any of them; or if `n_threads` is below 1.
        """

    def stream(self) -> Stream:
        """Start a signal that arrives in blocks."""

@final
class Stream:
    """One signal that arrives in blocks; made by `MelSpectrogram.stream`.

    What it returns, put together, equals `MelSpectrogram.transform` of the whole signal to the last
    bit, however it is cut. It holds about one batch of frames, so memory does not grow.
    """

    @property
    def n_samples(self) -> int:
        """Samples pushed so far."""

    def push(self, y: NDArray[np.float32] | NDArray[np.int16]) -> NDArray[np.float32]:
        """Take the next samples, any number of them, and return the fragments they complete.

        Parameters
        ----------
        y : ndarray of float32 or int16, shape (n_samples,)

        Returns
        -------
        ndarray of float32, shape (k, n_frames, n_mels)

        Raises
        ------
        TypeError, ValueError
            If `y` has another type, or more than one dimension.
        RuntimeError
            After `finish`.
        """

    def finish(self) -> NDArray[np.float32]:
        """End the signal and return what is left, shape ``(k, n_frames, n_mels)``.

        Raises
        ------
        RuntimeError
            If it was called before.
        """

@final
class Timbre:
    """Statistics of timbre of fragments of one shape, planned once.

    Parameters
    ----------
    n_frames : int
        Frames in a fragment, at least ``2 * n_rates``.
    n_mels : int
        Mel bands, a multiple of 32.
    n_rates : int
        Groups of rates of modulation, at least 1.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    def __init__(self, *, n_frames: int, n_mels: int, n_rates: int) -> None: ...
    @property
    def n_statistics(self) -> int:
        """Statistics of a fragment: ``410 + 8 * n_rates``."""

    def statistics(self, fragments: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the statistics of fragments.

        Parameters
        ----------
        fragments : ndarray of float32, shape (n, n_frames, n_mels)
            In decibels, scaled to [-1, 1]. A strided array is copied.

        Returns
        -------
        ndarray of float32, shape (n, n_statistics)
            Of 32 bands over time: mean, deviation, mean absolute change from frame to frame, 10th
            and 90th percentile. Of 20 cepstra: mean, deviation, deviation of their change;
            correlations of every two. Of 8 bands: logarithm of the modulation at each group of
            rates.

        Raises
        ------
        TypeError, ValueError
            If `fragments` has another type or shape.
        """

@final
class Extractor:
    """Sound to fragments and their statistics of timbre, in one pass over the samples.

    Parameters
    ----------
    spectrogram : MelSpectrogram
        What the fragments are.
    fine : MelSpectrogram or None
        Of the same ``fragment_length``, its frames no longer, in decibels: what the statistics are
        taken of; it is not kept. ``None``: they are taken of the fragments.
    n_rates : int
        Groups of rates of modulation, at least 1, at most half of the frames in a fragment.

    Raises
    ------
    ValueError
        If the two do not fit, or have no statistics (see `Timbre`).
    """

    def __init__(
        self, *, spectrogram: MelSpectrogram, fine: MelSpectrogram | None, n_rates: int
    ) -> None: ...
    @property
    def n_statistics(self) -> int:
        """Statistics of a fragment: ``410 + 8 * n_rates``."""

    def transform(
        self, y: NDArray[np.float32] | NDArray[np.int16]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute all fragments of a signal and their statistics.

        Parameters
        ----------
        y : ndarray of float32 or int16, shape (n_samples,)
            As for `MelSpectrogram.transform`.

        Returns
        -------
        fragments : ndarray of float32, shape (n, n_frames, n_mels)
            Those that `MelSpectrogram.transform` gives.
        statistics : ndarray of float32, shape (n, n_statistics)

        Raises
        ------
        TypeError, ValueError
            If `y` has another type, or more than one dimension.
        """

    def transform_many(
        self, ys: Sequence[NDArray[np.float32] | NDArray[np.int16]], *, n_threads: int
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Compute several signals with several threads; see `MelSpectrogram.transform_many`."""

    def stream(self) -> ExtractorStream:
        """Start a signal that arrives in blocks."""

@final
class ExtractorStream:
    """One signal that arrives in blocks; made by `Extractor.stream`.

    What it returns, put together, equals `Extractor.transform` of the whole signal to the last bit,
    however it is cut. Its memory does not grow.
    """

    @property
    def n_samples(self) -> int:
        """Samples pushed so far."""

    def push(
        self, y: NDArray[np.float32] | NDArray[np.int16]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Take the next samples, and return the fragments they complete and their statistics.

        A fragment that is complete may wait for its fine frames, the last of which may need a few
        samples of the next fragment.

        Parameters
        ----------
        y : ndarray of float32 or int16, shape (n_samples,)

        Returns
        -------
        fragments : ndarray of float32, shape (k, n_frames, n_mels)
        statistics : ndarray of float32, shape (k, n_statistics)

        Raises
        ------
        TypeError, ValueError
            If `y` has another type, or more than one dimension.
        RuntimeError
            After `finish`.
        """

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """End the signal and return what is left, as `push` does.

        Raises
        ------
        RuntimeError
            If it was called before.
        """

@final
class WavReader:
    """A WAV file: RIFF or RF64; PCM of 8 to 32 bits, float of 32 or 64; any number of channels.

    Sizes in the header are not trusted: `n_frames` and `data_size` are what is there. A closed
    reader can still be asked for the header's fields.

    Parameters
    ----------
    path : str, bytes or PathLike

    Raises
    ------
    WavError
        If the file cannot be opened, is damaged, or has another format.
    """

    def __init__(self, path: str | bytes | PathLike[str] | PathLike[bytes]) -> None: ...
    @property
    def container(self) -> str:
        """First four letters of the file: "RIFF", "RF64" or "BW64"."""

    @property
    def format_tag(self) -> int:
        """1 PCM, 3 float, 0xFFFE extensible."""

    @property
    def sub_format(self) -> int:
        """Format of an extensible file, else `format_tag`."""

    @property
    def n_channels(self) -> int:
        """Number of channels."""

    @property
    def sr(self) -> int:
        """Sampling rate in Hz."""

    @property
    def byte_rate(self) -> int:
        """Bytes a second, as the header says."""

    @property
    def block_align(self) -> int:
        """Bytes in a sample frame."""

    @property
    def bits_per_sample(self) -> int:
        """Bits in a sample of one channel, as stored."""

    @property
    def valid_bits(self) -> int:
        """Bits in use of an extensible file, else `bits_per_sample`."""

    @property
    def channel_mask(self) -> int:
        """Speakers of an extensible file, one bit each, else 0."""

    @property
    def n_frames(self) -> int:
        """Sample frames that are there."""

    @property
    def data_offset(self) -> int:
        """First byte of the samples."""

    @property
    def data_size(self) -> int:
        """Bytes of samples that are there, in whole sample frames."""

    def read(self, n: int) -> NDArray[np.float32]:
        """Return the next sample frames, at most `n`; none at the end.

        Returns
        -------
        ndarray of float32, shape (k, n_channels)
            Full scale is [-1, 1).

        Raises
        ------
        WavError
            If the file cannot be read any more.
        ValueError
            If `n` is negative or the file is closed.
        """

    def read_mono(self, n: int) -> NDArray[np.float32]:
        """Return the next sample frames mixed down to mono, shape ``(k,)``; otherwise as `read`.

        The mix is ffmpeg's (``-ac 1`` to 16 bits): two channels count half each, others by their
        speakers; channels whose speakers are not known count alike.
        """

    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

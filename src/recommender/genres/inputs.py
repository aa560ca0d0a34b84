"""What the systems hear of a track: pieces of mel-spectrogram or MFCC, features, embeddings."""

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from recommender import spectrogram
from recommender.errors import AudioDecodeError, ParameterError
from recommender.genres import cached, handmade
from recommender.genres import embeddings as frozen
from recommender.parameters import SpectrogramParams, fingerprint

Kind = Literal["mel", "mfcc", "handmade", "embeddings", "features"]
Offsets = Literal["consecutive", "random"]

_VERSION = 1
"""Of mel and MFCC in caches; to be raised when the same parameters give other values."""


@dataclass(frozen=True, kw_only=True)
class InputParams:
    """What a system hears of a track.

    Parameters
    ----------
    kind : {"mel", "mfcc", "handmade", "embeddings", "features"}
        Embeddings are sequences of patches; features are those of a preprocessor, a piece a
        fragment.
    spectrogram : SpectrogramParams, optional
        Of mel and MFCC; its ``n_frames`` is the length of a piece. MFCC need decibels.
    n_mfcc : int
        How many cepstral coefficients are kept.
    embedding : str, optional
        Of embeddings and features: "default", "thesis" or the path of a preprocessor
        (.safetensors). Of embeddings also that of an ONNX file or its description; see
        `embeddings.maker`.
    n_patches : int
        Of embeddings: patches in a piece. 30 are about as many seconds of most networks.

    Raises
    ------
    ParameterError
        If they do not fit together.
    """

    kind: Kind
    spectrogram: SpectrogramParams | None = None
    n_mfcc: int = 20
    embedding: str | None = None
    n_patches: int = 30

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ParameterError(f"unknown kind of input {self.kind!r}")
        if (self.kind in ("mel", "mfcc")) != (self.spectrogram is not None):
            raise ParameterError(f"mel and MFCC need a spectrogram, others have none: {self.kind}")
        if (self.kind in ("embeddings", "features")) != bool(self.embedding):
            raise ParameterError(f"embeddings need a network, others have none: {self.kind}")
        if self.n_patches < 1:
            raise ParameterError(f"n_patches must be at least 1, not {self.n_patches}")
        if self.kind == "mfcc" and self.spectrogram is not None:
            if not 1 <= self.n_mfcc <= self.spectrogram.n_mels:
                raise ParameterError(
                    f"n_mfcc must lie between 1 and {self.spectrogram.n_mels}, not {self.n_mfcc}"
                )
            if self.spectrogram.compression != "log":
                raise ParameterError('MFCC are made of decibels: compression="log" is needed')

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a piece, (frames, bands): (1, n) for one vector; embeddings load a network."""
        if self.spectrogram is not None:
            bands = self.n_mfcc if self.kind == "mfcc" else self.spectrogram.n_mels
            return self.spectrogram.n_frames, bands
        if self.embedding is not None:
            return self._n_patches, self._maker.n_dims
        return 1, handmade.N_FEATURES

    @property
    def piece_duration_s(self) -> float:
        """Distance between the starts of two pieces; 0 where one stands for the whole track."""
        if self.spectrogram is not None:
            return self.spectrogram.fragment_duration_s
        if self.embedding is not None:
            return self._n_patches * self._maker.patch_duration_s
        return 0.0

    @property
    def version(self) -> int | str:
        """What else the values depend on: the frozen network's fingerprint, or a number."""
        if self.embedding is not None:
            return self._maker.fingerprint
        return handmade.VERSION if self.kind == "handmade" else _VERSION

    @property
    def _maker(self) -> frozen.Maker:
        assert self.embedding is not None
        make = frozen.features if self.kind == "features" else frozen.maker
        return make(self.embedding)

    @property
    def _n_patches(self) -> int:
        return 1 if self.kind == "features" else self.n_patches

    def patches(self, path: Path) -> NDArray[np.float32]:
        """Compute pieces of patches of a file, ``(n_pieces, n_patches, n_dims)``, at least one."""
        patches, n = self._maker.patches(path), self._n_patches
        whole = patches[: len(patches) // n * n] if len(patches) >= n else _repeat(patches, n)
        return whole.reshape(-1, n, patches.shape[1])

    @property
    def dtype(self) -> type[np.float16] | type[np.float32]:
        """Numbers that pieces are kept in: mel and MFCC lie in [-1, 1], half precision will do."""
        return np.float16 if self.spectrogram is not None else np.float32


def _librosa_like(n_frames: int, hop_length: int = 512) -> SpectrogramParams:
    sr = 22_050
    return SpectrogramParams(
        sr=sr,
        frame_duration_s=2_048 / sr,
        hop_duration_s=hop_length / sr,
        window="hann",
        fmax=sr / 2,
        n_frames=n_frames,
        compression="log",
    )


MEL_22K = InputParams(kind="mel", spectrogram=_librosa_like(129))
"""Pieces of 3 s in 128 bands ("Five networks x two inputs": n_fft 2,048, hop 512 at 22,050 Hz)."""

MFCC_22K = InputParams(kind="mfcc", spectrogram=_librosa_like(129))
"""The same pieces, as 20 cepstral coefficients."""

MFCC_30S = InputParams(kind="mfcc", spectrogram=_librosa_like(1_292))
"""Pieces of 30 s ("MFCC + convolution + LSTM")."""

MEL_G4 = InputParams(kind="mel", spectrogram=_librosa_like(660, hop_length=1_024))
"""Pieces of 660 frames, 30.7 s ("A small 2-D CNN": n_fft 2,048, hop 1,024)."""

HANDMADE = InputParams(kind="handmade")
"""Statistics of hand-made features ("Hand-made features and embeddings")."""


def embeddings(name: str) -> InputParams:
    """Patches of a frozen network ("Hand-made features and embeddings"); see `InputParams`."""
    return InputParams(kind="embeddings", embedding=name)


def pieces(path: Path, params: InputParams) -> NDArray[np.float32]:
    """Compute all consecutive pieces of a file.

    Parameters
    ----------
    path : Path
    params : InputParams

    Returns
    -------
    ndarray of float32, shape (n_pieces, *params.shape)
        At least one; a track shorter than a piece repeats itself. Mel in [-1, 1] as `spectrogram`
        gives it. MFCC in [-1, 1]: the orthonormal DCT-II (scipy) of those values, over
        sqrt(n_mels). Coefficients above the first are those of the decibels but for a factor; the
        first is the mean level below the reference.

    Raises
    ------
    AudioDecodeError
        If the file cannot be decoded, or is too short.
    ParameterError
        If a library or the network for it is missing.
    """
    if params.embedding is not None:
        return params.patches(path)
    if params.spectrogram is None:
        return handmade.features(path)[None, None]
    mel = np.concatenate(list(spectrogram.fragments(path, params.spectrogram)))
    return cepstra(mel, params.n_mfcc) if params.kind == "mfcc" else mel


def cepstra(mel: NDArray[np.float32], n_mfcc: int) -> NDArray[np.float32]:
    """Cepstral coefficients of decibels in [-1, 1], ``(…, n_mels)`` to ``(…, n_mfcc)``."""
    n_mels = mel.shape[-1]
    spectrum = scipy.fft.dct(mel, type=2, norm="ortho", axis=-1)[..., :n_mfcc]
    return np.asarray(spectrum / np.sqrt(n_mels), np.float32)


def load(
    paths: Sequence[Path],
    params: InputParams,
    *,
    k: int,
    seed: int = 0,
    jobs: int = 1,
    offsets: Offsets = "consecutive",
    cache: Path | None = None,
    on_track: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[Any], list[tuple[Path, str]]]:
    """Compute `k` pieces of each file.

    Parameters
    ----------
    paths : sequence of Path
    params : InputParams
    k : int
        Pieces of a track: consecutive ones spread evenly over it; where it has fewer, they repeat.
    seed : int
        Of random offsets.
    jobs : int
        Threads.
    offsets : {"consecutive", "random"}
        With "random" pieces of mel and MFCC start at random samples.
    cache : Path, optional
        Folder in which each file's pieces are kept. They are found again while the file has the
        same path, size and time of change, the parameters are the same, and `k` is.
    on_track : callable, optional
        Told after each file how many are done, and how many there are.

    Returns
    -------
    x : ndarray of float16 (mel, MFCC) or float32, shape (n_files, k, *params.shape)
        All zero for files that failed.
    failures : list of (Path, str)
        Those files, with their reasons.

    Raises
    ------
    ParameterError
        If `k` is not positive, or if a library or the network is missing.
    """
    if k < 1:
        raise ParameterError(f"at least one piece of a track is needed, not {k}")
    x = np.zeros((len(paths), k, *params.shape), params.dtype)
    failures: list[tuple[Path, str]] = []

    def work(i: int) -> None:
        draw = (seed, i) if offsets == "random" and params.spectrogram is not None else None
        try:
            kept = None if cache is None else _place(cache, paths[i], params, k, draw)
            found = None if kept is None else cached.read(kept, x[i])
            if found is None:
                found = _choose(paths[i], params, k, draw).astype(x.dtype)
                if kept is not None:
                    cached.write(kept, found)
        except AudioDecodeError as error:
            failures.append((paths[i], str(error)))
        else:
            x[i] = found

    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        for n, _ in enumerate(pool.map(work, range(len(paths))), 1):
            if on_track is not None:
                on_track(n, len(paths))
    return x, sorted(failures)


def _choose(
    path: Path, params: InputParams, k: int, draw: tuple[int, int] | None
) -> NDArray[np.float32]:
    """Compute `k` pieces of a file: spread over it, or drawn by a generator of this seed."""
    if draw is not None and params.spectrogram is not None:
        rng = np.random.default_rng(draw)
        found, _ = spectrogram.random_fragments(path, params.spectrogram, k, rng)
        return _repeat(cepstra(found, params.n_mfcc) if params.kind == "mfcc" else found, k)
    found = pieces(path, params)
    if len(found) <= k:
        return _repeat(found, k)
    middles = (np.arange(k) + 0.5) * len(found) / k  # of k equal parts
    return found[middles.astype(np.intp)]


def _repeat(x: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    return x[np.arange(n) % len(x)]


def _place(
    cache: Path, path: Path, params: InputParams, k: int, draw: tuple[int, int] | None
) -> Path | None:
    """Where a file's pieces are kept: a folder a way of making them; None if it is not there."""
    try:
        state = path.stat()
    except OSError:
        return None
    way = fingerprint(params.version, dataclasses.asdict(params), k)
    file = fingerprint(str(path.resolve()), state.st_size, state.st_mtime_ns, draw)
    return cache / way / f"{file}.npy"

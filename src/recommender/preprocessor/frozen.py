"""A frozen network and the spectrograms that it hears."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import spectrogram, timbre
from recommender.errors import ParameterError
from recommender.parameters import ConvolutionParams, FusionParams, SpectrogramParams
from recommender.preprocessor import layers

Samples = NDArray[np.int16]
Features = NDArray[np.float32]

_BATCH = 16  # fragments at a time: a few megabytes of intermediate values


@dataclass(frozen=True, kw_only=True)
class Preprocessor:
    """Sound to features, one row a fragment of 8 s.

    There are two kinds. The thesis's: two convolutions, whose 1,920 outputs for 64 frames are the
    features; with a spectrogram in decibels 474 statistics of timbre follow. And the fused one:
    dense layers join these convolutions with statistics of timbre at two resolutions, and give a
    compact vector.

    Attributes
    ----------
    params : SpectrogramParams
        The spectrogram whose fragments are convolved.
    fusion : FusionParams or None
        What follows the convolutions; ``None``: nothing.
    fingerprint : str
        Names spectrograms and weights; features of two fingerprints are never compared.
    genres : tuple of str
        What the network was trained to tell apart.
    provenance : dict
        What it was trained on, and how well it did.
    """

    params: SpectrogramParams
    fusion: FusionParams | None = None
    tensors: dict[str, NDArray[np.float32]]
    genres: tuple[str, ...]
    provenance: dict[str, Any]
    fingerprint: str

    @property
    def n_features(self) -> int:
        """Numbers of a fragment."""
        if self.fusion is not None:
            return self.fusion.n_features
        return self.n_convolved + (timbre.n_statistics() if timbre.fits(self.params) else 0)

    @property
    def n_convolved(self) -> int:
        """How many numbers the convolutions give."""
        shape = ConvolutionParams(n_frames=self.params.n_frames, n_mels=self.params.n_mels)
        return shape.n_features

    @property
    def window_length(self) -> int:
        """Samples that a fragment needs, the last frame of each spectrogram included."""
        fine = self._fine
        return max(self.params.window_length, fine.window_length if fine else 0)

    def transform(self, y: NDArray[np.int16] | NDArray[np.float32]) -> Features:
        """Compute the features of a whole signal.

        Parameters
        ----------
        y : ndarray of int16 or float32, shape (n_samples,)
            Mono samples at ``params.sr``.

        Returns
        -------
        ndarray of float32, shape (n_fragments, n_features)
            Fragments as `spectrogram.transform` makes them.
        """
        if self._fine is None:
            return self(spectrogram.transform(y, self.params))
        return self(*timbre.extractor(self.params, self._fine).transform(y))

    def stream(self, blocks: Iterable[Samples]) -> Iterator[Features]:
        """Compute features while samples arrive; portions of any number of fragments, never none.

        Parameters
        ----------
        blocks : iterable of ndarray of int16
            Mono samples at ``params.sr``, in blocks of any size.
        """
        if self._fine is None:
            for (fragments,) in _batches((x,) for x in spectrogram.stream(blocks, self.params)):
                yield self(fragments)
        else:
            for fragments, fine in _batches(timbre.stream(blocks, self.params, self._fine)):
                yield self(fragments, fine)

    def __call__(
        self, fragments: NDArray[np.float32], fine: NDArray[np.float32] | None = None
    ) -> Features:
        """Compute features of fragments.

        Parameters
        ----------
        fragments : ndarray of float32, shape (n, n_frames, n_mels)
        fine : ndarray of float32, shape (n, n_statistics), optional
            Statistics of their fine spectrogram, which a fused network needs.

        Raises
        ------
        ParameterError
            If the fragments have another shape than the network was trained on, or lack `fine`.
        """
        shape = (self.params.n_frames, self.params.n_mels)
        if fragments.shape[1:] != shape:
            raise ParameterError(f"fragments of shape {shape} are needed: {fragments.shape[1:]}")
        if (fine is None) != (self._fine is None):
            raise ParameterError("a fused network, and it alone, needs fine statistics")
        out = np.empty((len(fragments), self.n_features), np.float32)
        for start in range(0, len(fragments), _BATCH):
            part = slice(start, start + _BATCH)
            chunk = fragments[part]
            maps = layers.convolve(self.tensors, chunk)
            if fine is not None:
                statistics = np.concatenate([fine[part], timbre.statistics(chunk)], axis=1)
                out[part] = layers.fuse(self.tensors, maps, statistics)
                continue
            # Flattened map by map, as torch does.
            out[part, : self.n_convolved] = maps.reshape(len(chunk), -1)
            if self.n_convolved < self.n_features:
                out[part, self.n_convolved :] = timbre.statistics(chunk)
        return out

    @property
    def _fine(self) -> SpectrogramParams | None:
        if self.fusion is None:
            return None
        return timbre.fine_params(
            self.params,
            frame_length=self.fusion.fine_frame_length,
            hop_length=self.fusion.fine_hop_length,
        )


def _batches(
    portions: Iterable[tuple[NDArray[np.float32], ...]],
) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """Gather small portions; the decoder's come with a fragment or none."""
    gathered: list[tuple[NDArray[np.float32], ...]] = []
    for portion in portions:
        gathered.append(portion)
        if sum(len(first) for first, *_ in gathered) >= _BATCH:
            yield _joined(gathered)
            gathered.clear()
    if gathered:
        yield _joined(gathered)


def _joined(portions: list[tuple[NDArray[np.float32], ...]]) -> tuple[NDArray[np.float32], ...]:
    return tuple(np.concatenate(arrays) for arrays in zip(*portions, strict=True))

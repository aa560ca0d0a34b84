"""A trained genre system: made, asked for shares of genres, kept in one file, cut."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from recommender import checkpoint, preprocessor
from recommender.errors import CheckpointError, ParameterError
from recommender.genres import classical, embeddings, inputs, som
from recommender.genres.som import GenreMap
from recommender.genres.systems import SYSTEMS, System
from recommender.networks import GenreClassifier, GenreNetwork
from recommender.parameters import SpectrogramParams

_KIND = "genre"
_MODEL = "model"  # name of the bytes of a classical model
_CHUNK = 64  # pieces at a time

Pieces = NDArray[np.floating[Any]]
"""Shape ``(n_tracks, k, n_frames, n_bands)``."""


@dataclass(frozen=True, kw_only=True)
class GenreModel:
    """A trained system with what it needs to be used.

    Attributes
    ----------
    system : System
        With the inputs and settings that it was trained with.
    genres : tuple of str
    classifier : Module, GenreMap or estimator
        A network, a self-organising map, or a classical model.
    provenance : dict
        What it was trained on, and how well it did.
    """

    system: System
    genres: tuple[str, ...]
    classifier: Any
    provenance: dict[str, Any]

    @property
    def network(self) -> GenreClassifier:
        """The classifier, if it is a network.

        Raises
        ------
        ParameterError
            If it is not.
        """
        if not isinstance(self.classifier, GenreClassifier):
            raise ParameterError(f"{self.system.name} is no network")
        return self.classifier

    @property
    def kind(self) -> Literal["network", "map", "classical"]:
        """What the classifier is."""
        if isinstance(self.classifier, GenreClassifier):
            return "network"
        return "map" if isinstance(self.classifier, GenreMap) else "classical"

    @property
    def n_parameters(self) -> int:
        """Trained numbers of a network or a map; 0 for classical models, which vary in kind."""
        if self.kind == "network":
            return sum(p.numel() for p in self.classifier.parameters())
        return self.classifier.weights.size if self.kind == "map" else 0

    def piece_shares(self, pieces: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Shares of genres of pieces, ``(n, n_frames, n_bands)`` to ``(n, n_genres)``."""
        if self.kind == "network":
            return network_shares(self.classifier, pieces)
        if self.kind == "map":
            return som.shares(self.classifier, som.vectors(pieces))
        return classical.shares(self.classifier, as_vectors(pieces), len(self.genres))

    def shares(self, x: Pieces) -> NDArray[np.float64]:
        """Shares of genres of tracks, ``(n, k, n_frames, n_bands)`` to ``(n, n_genres)``.

        The mean over their pieces; rows add up to 1.
        """
        shares = self.piece_shares(x.reshape(-1, *x.shape[2:]))
        return np.asarray(shares.reshape(*x.shape[:2], -1).mean(1))

    @property
    def piece_duration_s(self) -> float | None:
        """Seconds of a piece; ``None`` if a whole track is one."""
        return self.system.inputs.piece_duration_s or None

    def predict(self, path: Path) -> NDArray[np.float64]:
        """Shares of genres of all consecutive pieces of a file, ``(n_pieces, n_genres)``.

        Raises
        ------
        AudioDecodeError
            If the file cannot be decoded.
        """
        return self.piece_shares(inputs.pieces(path, self.system.inputs))


def network_shares(
    network: GenreClassifier, pieces: NDArray[np.floating[Any]], *, half: bool = False
) -> NDArray[np.float64]:
    """Shares of genres of pieces, ``(n, n_frames, n_bands)`` to ``(n, n_genres)``.

    With `half` the layers are computed in bfloat16.
    """
    network.eval()
    found = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        for start in range(0, len(pieces), _CHUNK):
            batch = torch.from_numpy(pieces[start : start + _CHUNK]).float()
            found.append(network(batch).exp().double().numpy())
    return np.concatenate(found)


def as_vectors(pieces: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Pieces as classical models take them, ``(n, n_frames, n_bands)`` to ``(n, n_features)``."""
    return pieces.reshape(len(pieces), -1)


def save(path: Path, model: GenreModel) -> None:
    """Write a trained system into one file that `load` reads."""
    manifest = {
        "system": model.system.name,
        "inputs": dataclasses.asdict(model.system.inputs),
        "embedding": _embedding(model.system),
        "settings": dict(model.system.settings),
        "genres": list(model.genres),
        "provenance": model.provenance,
    }
    if model.kind == "network":
        tensors = {name: t.numpy() for name, t in model.classifier.state_dict().items()}
    elif model.kind == "map":
        tensors = model.classifier.tensors
    else:
        content = np.frombuffer(classical.to_bytes(model.classifier), np.uint8)
        tensors = {_MODEL: content}
    checkpoint.save(path, _KIND, tensors, manifest)


def load(path: Path) -> GenreModel:
    """Read a trained system.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or does not fit.
    ParameterError
        If a library that it needs is missing.
    """
    tensors, manifest = checkpoint.load(path, _KIND)
    try:
        system = _system(manifest)
        genres = tuple(str(genre) for genre in manifest["genres"])
        provenance = dict(manifest["provenance"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its manifest does not fit ({error})") from None
    if manifest.get("embedding") != _embedding(system):
        raise CheckpointError(
            f"{path}: was trained on patches of another network than that which is now called"
            f" {system.inputs.embedding}; train it again"
        )
    classifier: Any
    if not isinstance(system.build, str):
        classifier = _load_network(path, system, len(genres), tensors)
    elif system.build == "som":
        try:
            classifier = som.from_tensors(tensors)
        except ParameterError as error:
            raise CheckpointError(f"{path}: {error}") from None
    else:
        if _MODEL not in tensors:
            raise CheckpointError(f"{path}: the bytes of the model are missing")
        classifier = classical.from_bytes(tensors[_MODEL].tobytes(), str(path))
    return GenreModel(system=system, genres=genres, classifier=classifier, provenance=provenance)


def _embedding(system: System) -> str | None:
    """Fingerprint of the frozen network before this one, if there is one."""
    name = system.inputs.embedding
    return None if name is None else embeddings.maker(name).fingerprint


def _system(manifest: dict[str, Any]) -> System:
    """Rebuild a system from a manifest; raises KeyError, TypeError or ValueError."""
    if "system" not in manifest:  # of the time when the thesis's network was the only one
        heard = SpectrogramParams(**manifest["spectrogram"])
        return dataclasses.replace(
            SYSTEMS["thesis-log" if heard.compression == "log" else "thesis"],
            inputs=inputs.InputParams(kind="mel", spectrogram=heard),
        )
    plain = dict(manifest["inputs"])
    if plain["spectrogram"] is not None:
        plain["spectrogram"] = SpectrogramParams(**plain["spectrogram"])
    return dataclasses.replace(
        SYSTEMS[manifest["system"]],
        inputs=inputs.InputParams(**plain),
        settings=dict(manifest["settings"]),
    )


def _load_network(
    path: Path, system: System, n_genres: int, tensors: dict[str, NDArray[Any]]
) -> GenreClassifier:
    try:
        # Without memory for weights: shapes that the manifest makes up cost nothing.
        with torch.device("meta"):
            network = system.network(system.inputs.shape, n_genres)
    except (ParameterError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: its manifest does not fit ({error})") from None
    expected = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    checkpoint.check_shapes(path, tensors, expected)
    weights = {name: torch.from_numpy(t) for name, t in tensors.items()}
    network.load_state_dict(weights, assign=True)
    return network.eval()


def cut(model: GenreModel, path: Path) -> None:
    """Write the thesis network's convolutions (layers 1 to 6) as a preprocessor.

    Raises
    ------
    ParameterError
        If the model is another network.
    """
    network, params = model.classifier, model.system.inputs.spectrogram
    if not isinstance(network, GenreNetwork) or params is None:
        names = ", ".join(name for name in SYSTEMS if name.startswith("thesis"))
        raise ParameterError(
            f"{model.system.name} has no layers that give a preprocessor; these have: {names}"
        )
    tensors = {
        name: t.numpy() for name, t in network.state_dict().items() if not name.startswith("dense")
    }
    preprocessor.save(
        path, tensors, params=params, genres=model.genres, provenance=model.provenance
    )

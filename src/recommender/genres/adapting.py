"""Systems with another input, other hyperparameters, another training than was written."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender.errors import ParameterError
from recommender.extras import need
from recommender.genres.classical import CLASSICAL
from recommender.genres.systems import SYSTEMS, System


def find(name: str) -> System:
    """Return the system of this name, as it was written.

    Raises
    ------
    ParameterError
        If there is none; its message names them all.
    """
    if name not in SYSTEMS:
        raise ParameterError(f"there is no network {name!r}; there are: {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def check(system: System, *, class_weights: bool = False) -> None:
    """Refuse before the work what would fail after it.

    Raises
    ------
    ParameterError
        If a library is missing, or there are no class weights to be chosen.
    """
    if system.inputs.kind == "handmade":
        need("librosa", "lab")
    if not isinstance(system.build, str):
        return
    if class_weights:
        raise ParameterError(f"{system.name} is no network; leave out --class-weights")
    if system.build == "som":
        need("minisom", "lab")
    else:
        CLASSICAL[system.build](0, 1)


def with_training(system: System, **params: Any) -> System:
    """Change how a network is trained; `params` are those of TrainingParams.

    Raises
    ------
    ParameterError
        If it is not trained by epochs, or a value makes no sense.
    """
    if system.training is None:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in params)
        raise ParameterError(f"{system.name} is not trained by epochs; leave out {options}")
    try:
        training = dataclasses.replace(system.training, **params)
    except TypeError as error:
        raise ParameterError(f"{system.name}: cannot be trained so ({error})") from None
    return dataclasses.replace(system, training=training)


def with_pieces(system: System, n_pieces: int) -> System:
    """Let a system hear so many pieces of a track, and each epoch the same share of them.

    Raises
    ------
    ParameterError
        If it hears a whole track as one.
    """
    if system.inputs.kind == "handmade" and n_pieces > 1:
        raise ParameterError(f"{system.name} hears a whole track as one; leave the pieces out")
    n_drawn = system.n_drawn and max(1, n_pieces * system.n_drawn // system.n_pieces)
    return dataclasses.replace(system, n_pieces=n_pieces, n_drawn=n_drawn)


def with_embedding(system: System, name: str) -> System:
    """Let a system hear another frozen network.

    Parameters
    ----------
    system : System
    name : str
        See `embeddings.maker`; a relative path becomes absolute.

    Raises
    ------
    ParameterError
        If it hears none.
    """
    if system.inputs.embedding is None:
        raise ParameterError(f"{system.name} does not hear a frozen network")
    path = Path(name)
    name = str(path.absolute()) if path.suffix else name
    return dataclasses.replace(system, inputs=dataclasses.replace(system.inputs, embedding=name))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What tuning found: a system's name, its hyperparameters, and its training's."""

    network: str
    settings: dict[str, Any]
    training: dict[str, Any]


def read_settings(path: Path) -> Settings:
    """Read what tuning wrote.

    Raises
    ------
    ParameterError
        If the file cannot be read, or is something else.
    """
    try:
        found = json.loads(path.read_bytes())
        return Settings(
            network=str(found["network"]),
            settings=dict(found["settings"]),
            training=dict(found["training"]),
        )
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise ParameterError(f"{path}: these are no settings from `genre tune`") from None


def with_settings(system: System, found: Settings) -> System:
    """Take hyperparameters and training as tuning found them.

    Raises
    ------
    ParameterError
        If they belong to another system, or make no sense.
    """
    if found.network != system.name:
        raise ParameterError(f"the settings are of {found.network!r}, not of {system.name!r}")
    changed = dataclasses.replace(system, settings={**system.settings, **found.settings})
    return with_training(changed, **found.training)

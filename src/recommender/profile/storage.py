"""Profiles on disk: a safetensors file with its manifest, below the home folder."""

import dataclasses
import itertools
import re
from pathlib import Path
from typing import Any

from recommender import checkpoint
from recommender.errors import CheckpointError, ProfileError
from recommender.parameters import (
    RECIPES,
    DenseParams,
    Learner,
    NearnessParams,
    NetworkParams,
    TrainingParams,
)
from recommender.profile.model import Profile
from recommender.profile.network import ProfileEpoch
from recommender.profile.tracks import TrackRef

_KIND = "profile"


def check_name(name: str) -> None:
    """Refuse names that cannot be a file's.

    Raises
    ------
    ProfileError
    """
    if not re.fullmatch(r"[^\W_][\w .+-]{0,79}", name):
        raise ProfileError(
            f"{name!r} cannot be a profile's name: letters, digits, spaces and . + - _ can,"
            " a letter or digit first, at most 80"
        )


def path_of(name: str, folder: Path) -> Path:
    """Where the profile of this name is kept below the home folder; raises as `check_name`."""
    check_name(name)
    return folder / "profiles" / f"{name}.safetensors"


def save(profile: Profile, path: Path) -> None:
    """Write a profile with its manifest, atomically.

    Raises
    ------
    ProfileError
        If there is no room or no permission.
    """
    manifest = {
        field.name: getattr(profile, field.name)
        for field in dataclasses.fields(profile)
        if field.name != "tensors"
    }
    manifest["learner"] = dataclasses.asdict(manifest["learner"])
    for key in ("liked", "disliked", "history"):
        manifest[key] = [dataclasses.asdict(item) for item in manifest[key]]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, _KIND, profile.tensors, manifest)
    except OSError as error:
        raise ProfileError(f"{path}: cannot be written ({error.strerror})") from None


def load(path: Path) -> Profile:
    """Read a profile.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or does not fit.
    """
    tensors, manifest = checkpoint.load(path, _KIND)
    try:
        fields = {
            **manifest,
            "learner": _learner(manifest["learner"]),
            "liked": tuple(TrackRef(**item) for item in manifest["liked"]),
            "disliked": tuple(TrackRef(**item) for item in manifest["disliked"]),
            "history": tuple(ProfileEpoch(**item) for item in manifest["history"]),
        }
        profile = Profile(tensors=tensors, **fields)
        if profile.recipe not in RECIPES:
            raise ValueError(f"unknown recipe {profile.recipe!r}")
        shapes = _shapes(path, profile)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: its manifest does not fit ({error}); build the profile again"
        ) from None
    checkpoint.check_shapes(path, tensors, shapes)
    return profile


def names(folder: Path) -> list[str]:
    """Names of the profiles below the home folder, sorted."""
    return sorted(path.stem for path in (folder / "profiles").glob("*.safetensors"))


def _learner(fields: dict[str, Any]) -> Learner:
    if "network" not in fields:
        return NearnessParams(**fields)
    hidden = tuple(fields["network"]["hidden"])
    return DenseParams(
        **{
            **fields,
            "network": NetworkParams(**{**fields["network"], "hidden": hidden}),
            "training": TrainingParams(**fields["training"]),
        }
    )


def _shapes(path: Path, profile: Profile) -> dict[str, tuple[int, ...]]:
    mean = profile.tensors.get("feature_mean")
    if mean is None or mean.ndim != 1:
        raise CheckpointError(f"{path}: the weights 'feature_mean' are missing")
    shapes: dict[str, tuple[int, ...]] = {"feature_mean": mean.shape, "feature_std": mean.shape}
    if isinstance(profile.learner, NearnessParams):
        shapes["reading"] = (3,)
        for name in ("liked", "other"):
            weight = profile.tensors.get(f"{name}.weight")
            if weight is None or weight.ndim != 1 or (name == "liked" and len(weight) == 0):
                raise CheckpointError(f"{path}: the weights '{name}.weight' are missing")
            shapes |= {f"{name}{suffix}": weight.shape for suffix in (".weight", ".key")}
            shapes[name] = (len(weight), len(mean))
        return shapes
    widths = (len(mean), *profile.learner.network.hidden)
    for part in range(profile.learner.n_parts):
        for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
            shapes[f"{part}.hidden.{i}.weight"] = (n_out, n_in)
            shapes[f"{part}.hidden.{i}.bias"] = (n_out,)
        shapes |= {f"{part}.output.weight": (1, widths[-1]), f"{part}.output.bias": (1,)}
    return shapes

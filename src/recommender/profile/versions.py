"""Earlier versions of a profile: kept beside it, so that whatever changed it can be undone.

Each step leaves files whole: the version that is to be replaced is written down before the new one
takes its place, and one that comes back is there before its copy goes. Whatever interrupts this,
nothing is lost; at worst the newest earlier version is a copy of the profile, which counts for
nothing.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

from recommender.errors import CheckpointError, ProfileError
from recommender.files import alone, write_atomically
from recommender.profile.model import Profile
from recommender.profile.storage import load, save

N_KEPT = 20
"""So many earlier versions are kept; older ones go."""


def replace(path: Path, profile: Profile, *, before: Profile | None = None) -> None:
    """Write a profile; if there is one already, it is kept as an earlier version.

    Parameters
    ----------
    path : Path
    profile : Profile
    before : Profile, optional
        What `profile` was made from.

    Raises
    ------
    ProfileError
        If what is there is no longer `before`; or if there is no room or no permission.
    """
    with _alone(path):
        now = _load(path)
        if before is not None and (now is None or not _same(now, before)):
            raise ProfileError(
                f"{path}: was changed by somebody else meanwhile, so this was not; do it again"
            )
        if now is not None:  # of what is damaged, nothing is worth keeping
            _keep(path)
        save(profile, path)
        for version in earlier(path)[:-N_KEPT]:
            version.unlink(missing_ok=True)


def refresh(path: Path, profile: Profile, *, before: Profile) -> bool:
    """Write a profile that says the same as `before`, learned anew, in its place.

    Returns
    -------
    bool
        False if what is there is no longer `before`: then that stays.

    Raises
    ------
    ProfileError
        If there is no room or no permission.
    """
    with _alone(path):
        now = _load(path)
        if now is None or not _same(now, before):
            return False
        save(profile, path)
        return True


def undo(path: Path) -> Profile:
    """Bring back the version before the last; again and again, as far as they are kept.

    Returns
    -------
    Profile
        The one that is there now.

    Raises
    ------
    ProfileError
        If there is no earlier version, or it cannot be written.
    CheckpointError
        If it is damaged.
    """
    with _alone(path):
        current = path.read_bytes() if path.exists() else b""
        for version in reversed(earlier(path)):
            content = version.read_bytes()
            if content != current:
                profile = load(version)
                _write(path, content)
                version.unlink()
                return profile
            version.unlink()
    raise ProfileError(f"{path}: there is no earlier version to go back to")


def delete(path: Path) -> None:
    """Delete a profile and its earlier versions."""
    folder = _folder(path)
    if folder.is_dir():  # first: a new profile of this name must not inherit them
        shutil.rmtree(folder)
    path.unlink()


def earlier(path: Path) -> list[Path]:
    """Files of the earlier versions of the profile at a path, the oldest first."""
    return sorted(_folder(path).glob("*.safetensors"))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Have whoever else changes profiles beside this one wait."""
    try:
        with alone(path.parent):
            yield
    except OSError as error:
        raise ProfileError(f"{path}: cannot be written ({error.strerror})") from None


def _folder(path: Path) -> Path:
    return path.with_suffix(".earlier")


def _keep(path: Path) -> None:
    content, versions = path.read_bytes(), earlier(path)
    if versions and versions[-1].read_bytes() == content:
        return  # kept before the last step was interrupted
    number = int(versions[-1].stem) + 1 if versions else 1
    _write(_folder(path) / f"{number:08}.safetensors", content)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise ProfileError(f"{path}: cannot be written ({error.strerror})") from None


def _load(path: Path) -> Profile | None:
    try:
        return load(path)
    except CheckpointError:
        return None


def _same(one: Profile, other: Profile) -> bool:
    """Compare all but the weights, which follow from the rest."""
    return dataclasses.replace(one, tensors={}) == dataclasses.replace(other, tensors={})

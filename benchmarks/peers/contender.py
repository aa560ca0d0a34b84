"""What takes part: how it is set up in a process of its own, and how it is told a file."""

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Group = Literal["mel", "file", "decode", "scan"]
Work = Callable[[], object]
Prepare = Callable[[Path], Work]


class Absent(Exception):  # noqa: N818 (not an error: the run goes on and says so)
    """What a contender needs is not on this machine; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way of doing what its group does.

    Attributes
    ----------
    name : str
        Unique in its group; what tables and charts call it.
    group : {"mel", "file", "decode", "scan"}
        Samples to mel-spectrogram, file to spectrogram, file to samples in the ways that were tried
        for this project, folder to library.
    setup : callable
        Called once, in the contender's own process: imports what it needs and returns `prepare`,
        which is given a path, loads what is not to be timed, and returns the work that is. Raises
        `Absent`, or ModuleNotFoundError where a package is missing.
    note : str
        What a reader has to know of it.
    packages : tuple of str
        Distributions whose versions are reported.
    n_times : int
        How often a piece of work does what is asked for; times are divided by it.
    """

    name: str
    group: Group
    setup: Callable[[], Prepare]
    note: str = ""
    packages: tuple[str, ...] = ()
    n_times: int = 1

    @property
    def key(self) -> str:
        """Unique among all."""
        return f"{self.group}: {self.name}"

    @property
    def versions(self) -> dict[str, str]:
        """Versions of those of its packages that are installed."""
        found = {}
        for package in self.packages:
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue
        return found

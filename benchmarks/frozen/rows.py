"""The rows of the comparison, and what they are trained together with."""

from dataclasses import dataclass

N_CUT = (256, 128, 64)
"""How many numbers of the shipped preprocessor are kept; the first is its own way."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table.

    Attributes
    ----------
    title : str
    group : str
        What it is trained together with: one of `candidates.GROUPS`.
    standardise : bool
        Whether its numbers have units that have nothing to do with each other.
    examined : bool
        Whether it is asked where it hears the source.
    """

    title: str
    group: str
    standardise: bool = False
    examined: bool = False


ROWS = {
    "mfcc": Row(
        title="MFCC, mean and deviation", group="statistics", standardise=True, examined=True
    ),
    "bliss": Row(title="bliss-audio", group="bliss", standardise=True),
    "timbre-coarse": Row(
        title="timbre statistics, coarse spectrogram", group="statistics", standardise=True
    ),
    "timbre-fine": Row(
        title="timbre statistics, fine spectrogram", group="statistics", standardise=True
    ),
    "timbre": Row(
        title="timbre statistics, both", group="statistics", standardise=True, examined=True
    ),
    "timbre-whitened": Row(
        title="timbre statistics, both, whitened", group="statistics", examined=True
    ),
    "thesis": Row(title="thesis's network, linear", group="thesis", standardise=True),
    "thesis-log": Row(title="thesis's network, decibels", group="thesis-log", standardise=True),
    "thesis-untrained": Row(
        title="thesis's network, decibels, untrained", group="thesis-untrained", standardise=True
    ),
    "convolutions": Row(
        title="three convolutions on the fine spectrogram: genre", group="convolutions"
    ),
    "genre-plain": Row(title="dense on statistics: genre, not whitened", group="genre"),
    "genre": Row(title="dense on statistics: genre", group="genre", examined=True),
    "genre-beside": Row(
        title="dense on statistics: genre; whitened statistics beside", group="genre"
    ),
    "genre-fine": Row(title="dense on statistics, fine alone: genre", group="genre-fine"),
    "genre-unchanged": Row(
        title="dense on statistics: genre, no augmentation", group="genre-unchanged", examined=True
    ),
    "genre-mood": Row(title="dense on statistics: genre and mood", group="genre-mood"),
    "genre-artist": Row(title="dense on statistics: genre and artist", group="genre-artist"),
    "artist": Row(title="dense on statistics: artist", group="artist"),
    "clip": Row(title="dense on statistics: same clip or not, no labels", group="clip"),
    "default-uncut": Row(title="**default**, not cut", group="default"),
    **{
        "default" if n == N_CUT[0] else f"default-{n}": Row(
            title=f"**default**, {n} numbers", group="default", examined=n == N_CUT[0]
        )
        for n in N_CUT
    },
    "default-unchanged": Row(
        title="default, no augmentation", group="default-unchanged", examined=True
    ),
    "default-untrained": Row(title="default, its network untrained", group="default-untrained"),
}


def cut(n: int) -> str:
    """Name the row of the shipped preprocessor with so many numbers."""
    return "default" if n == N_CUT[0] else f"default-{n}"

"""From notes and drum patterns to tracks."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.random import Generator

from recommender.demo.composition import Bar, Grid, Note, hits
from recommender.demo.synthesis import SR, Samples


def humanise(rng: Generator, notes: Iterable[Note], spread: float) -> list[Note]:
    """Move each note by about `spread` beats and soften some: no player is a clock."""
    return [
        note._replace(
            beat=max(0.0, note.beat + spread * float(rng.standard_normal())),
            velocity=note.velocity * rng.uniform(0.75, 1),
        )
        for note in notes
    ]


def play(
    notes: Iterable[Note],
    instrument: Callable[[float, float], Samples],
    grid: Grid,
    ring_s: float = 0.0,
) -> Samples:
    """Play notes on an instrument.

    Parameters
    ----------
    notes : iterable of Note
        What lies beyond the end of the piece is cut.
    instrument : callable
        Makes the samples of a note of a frequency in Hz and a length in seconds.
    ring_s : float
        How much longer than written each note sounds.

    Returns
    -------
    ndarray of float32, shape (n_samples,)
    """
    track = np.zeros(grid.n_samples, np.float32)
    made: dict[tuple[float, float], Samples] = {}
    for note in notes:
        sound = (note.pitch, note.beats)
        if sound not in made:
            hz = 440 * 2 ** ((note.pitch - 69) / 12)
            made[sound] = instrument(hz, note.beats * grid.beat_s + ring_s)
        _add(track, made[sound], note.beat * grid.beat_s, note.velocity)
    return track


def strike(
    patterns: Sequence[str], sound: Samples, grid: Grid, rng: Generator, swing: float = 0.0
) -> Samples:
    """Play a drum from one pattern a bar.

    Each pattern fills its bar whatever its number of steps. With `swing` every second step comes
    late by that share of a step.
    """
    track = np.zeros(grid.n_samples, np.float32)
    bar_s = grid.beat_s * grid.beats_per_bar
    for i, pattern in enumerate(patterns):
        for place, velocity in hits(pattern):
            late = swing / len(pattern) if round(place * len(pattern)) % 2 else 0.0
            _add(track, sound, (i + place + late) * bar_s, velocity * rng.uniform(0.85, 1))
    return track


def fills(bars: Sequence[Bar], usual: str, fill: str) -> list[str]:
    """One pattern a bar: `usual`, and `fill` in every fourth bar."""
    return [fill if bar.place == 3 else usual for bar in bars]


def unless(pauses: Sequence[bool], pattern: str) -> list[str]:
    """One pattern a bar, and nothing where the part pauses."""
    return ["." if pause else pattern for pause in pauses]


def _add(track: Samples, sound: Samples, start_s: float, gain: float) -> None:
    start = round(start_s * SR)
    if start < len(track):
        room = track[start : start + len(sound)]
        room += np.float32(gain) * sound[: len(room)]

"""From keys, forms and motifs to notes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from recommender.demo.synthesis import SR

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}

_ACCENTS = {"X": 1.0, "x": 0.75, "o": 0.4}


class Note(NamedTuple):
    """One note: start and length in beats from the beginning, MIDI pitch, velocity in [0, 1]."""

    beat: float
    pitch: float
    beats: float
    velocity: float = 1.0


class Bar(NamedTuple):
    """What happens in a bar: its section ("A", "B"), its place in it, its chord's degree from 0."""

    section: str
    place: int
    degree: int


@dataclass(frozen=True)
class Grid:
    """Tempo and metre of a piece; all lengths that follow from them."""

    bpm: float
    beats_per_bar: int
    duration_s: float

    @property
    def beat_s(self) -> float:
        """Seconds of a beat."""
        return 60 / self.bpm

    @property
    def n_samples(self) -> int:
        """Samples of the piece."""
        return int(self.duration_s * SR)

    @property
    def n_bars(self) -> int:
        """Bars that begin before the end."""
        return math.ceil(self.duration_s / (self.beat_s * self.beats_per_bar))


@dataclass(frozen=True)
class Key:
    """A tonic (MIDI pitch) and the name of a scale of seven notes."""

    tonic: int
    scale: str

    def pitch(self, degree: int) -> int:
        """MIDI pitch of a degree; 0 is the tonic, 7 the octave, negative ones lie below."""
        octave, step = divmod(degree, 7)
        return self.tonic + 12 * octave + SCALES[self.scale][step]

    def chord(self, degree: int, centre: int, n: int = 3) -> list[int]:
        """Stack `n` thirds on a degree, each note in the octave around the pitch `centre`."""
        thirds = (self.pitch(degree + 2 * i) for i in range(n))
        return sorted(centre - 6 + (pitch - centre + 6) % 12 for pitch in thirds)

    def up(self, semitones: int) -> "Key":
        """Give the same scale on a higher tonic."""
        return Key(self.tonic + semitones, self.scale)


def form(rng: Generator, n_bars: int, progressions: Sequence[Sequence[int]]) -> list[Bar]:
    """Lay out a piece as A A B A (A B A if short) of four bars each, over two progressions."""
    first, second = rng.choice(len(progressions), 2, replace=False)
    chords = {"A": progressions[first], "B": progressions[second]}
    order = "AABA" if n_bars > 12 else "ABA"
    sections = (order[i // 4 % len(order)] for i in range(n_bars))
    return [Bar(s, i % 4, chords[s][i % len(chords[s])]) for i, s in enumerate(sections)]


def hits(pattern: str) -> list[tuple[float, float]]:
    """Read a pattern that fills a bar, such as ``"X...o...X..o...."``.

    "X", "x" and "o" are hits from loud to soft, all else are rests.

    Returns
    -------
    list of (float, float)
        Where in the bar each hit is, from 0 to 1, and its velocity.
    """
    marks = enumerate(pattern)
    return [(step / len(pattern), _ACCENTS[mark]) for step, mark in marks if mark in _ACCENTS]


def chords(
    key: Key,
    bars: Sequence[Bar],
    pattern: str,
    *,
    centre: int,
    beats: float,
    beats_per_bar: int = 4,
    n: int = 3,
) -> list[Note]:
    """Put the bar's chord of `n` notes around the pitch `centre` on the hits of a pattern."""
    return [
        Note(beats_per_bar * (i + place), pitch, beats, velocity)
        for i, bar in enumerate(bars)
        for place, velocity in hits(pattern)
        for pitch in key.chord(bar.degree, centre, n)
    ]


def riff(
    key: Key,
    bars: Sequence[Bar],
    figure: Sequence[tuple[float, int, float]],
    *,
    lowest: int,
    beats_per_bar: int = 4,
) -> list[Note]:
    """Put a figure under every bar: notes of (beat, degrees above the chord's root, beats).

    Roots lie in the octave above the pitch `lowest`.
    """
    notes = []
    for i, bar in enumerate(bars):
        root = key.pitch(bar.degree)
        fold = lowest + (root - lowest) % 12 - root
        for beat, step, beats in figure:
            pitch = key.pitch(bar.degree + step) + fold
            notes.append(Note(beats_per_bar * i + beat, pitch, beats))
    return notes


def pulse(pattern: str, *, legato: bool = False) -> list[tuple[float, int, float]]:
    """Make a figure for `riff` that repeats the root on the hits of a pattern in four-four.

    Notes last nearly a sixteenth, or with `legato` until the next one.
    """
    beats = [4 * place for place, _ in hits(pattern)]
    gaps = [after - beat for beat, after in zip(beats, [*beats[1:], 4.0], strict=True)]
    return [(beat, 0, gap if legato else 0.24) for beat, gap in zip(beats, gaps, strict=True)]


def melody(
    rng: Generator, key: Key, bars: Sequence[Bar], rhythms: Sequence[Sequence[float]], rest: float
) -> list[Note]:
    """Invent two motifs a section and lead them over its chords: a b a and a long closing note.

    Parameters
    ----------
    rhythms : sequence of sequences
        Lengths in beats that fill a bar; a motif takes one of them.
    rest : float
        Probability that a note of a motif is silent.
    """
    beats_per_bar = sum(rhythms[0])
    motifs = {
        (section, i): _motif(rng, rhythms[int(rng.integers(len(rhythms)))], rest)
        for section in "AB"
        for i in (0, 1)
    }
    notes: list[Note] = []
    for i, bar in enumerate(bars):
        root = (bar.degree + 3) % 7 - 3  # the nearest one: motifs do not leap with the chords
        start = i * beats_per_bar
        if bar.place == 3:
            notes.append(Note(start, key.pitch(root + 2), beats_per_bar * 0.9, 0.9))
            continue
        for beat, step, beats in motifs[bar.section, bar.place % 2]:
            velocity = (1.0 if beat % 1 == 0 else 0.8) * rng.uniform(0.85, 1)
            notes.append(Note(start + beat, key.pitch(root + step), beats, velocity))
    return notes


def _motif(rng: Generator, rhythm: Sequence[float], rest: float) -> list[tuple[float, int, float]]:
    beat, step = 0.0, int(rng.choice([0, 2, 4]))
    motif = []
    for beats in rhythm:
        if beat == 0 or rng.random() >= rest:
            motif.append((beat, step, beats * 0.95))
        beat += beats
        step = int(np.clip(step + rng.choice([-2, -1, -1, 1, 1, 2, 3]), -2, 8))
    return motif

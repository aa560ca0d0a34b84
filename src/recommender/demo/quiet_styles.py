"""How the quieter styles compose a piece: ambient, waltz, folk, reggae.

A style is a function of two random generators and a duration: `sound` decides what belongs to an
artist (instruments, room), `rng` what belongs to the piece (key, tempo, chords, tune). It returns
stereo samples of shape (2, n), before mastering.
"""

from functools import partial

import numpy as np
from numpy.random import Generator

from recommender.demo import effects as fx
from recommender.demo import synthesis as syn
from recommender.demo.composition import Grid, Key, Note, chords, form, melody, riff
from recommender.demo.performance import fills, humanise, play, strike
from recommender.demo.synthesis import Samples


def ambient(rng: Generator, sound: Generator, duration_s: float) -> Samples:
    """Slow pads in a large room, a deep sine, a few lone bells or strings, some wind; no drums."""
    dark, detune, windy = sound.uniform(500, 2200), sound.uniform(6, 18), sound.uniform(-30, -20)
    shape, decay_s = str(sound.choice(["saw", "triangle", "organ"])), sound.uniform(3, 6)
    lone = partial(syn.bell, ratio=3.5, depth=1.5)
    if sound.random() < 0.4:
        lone = partial(syn.string, decay_s=2.5)
    grid = Grid(rng.uniform(58, 80), 4, duration_s)
    key = Key(int(rng.integers(45, 57)), str(rng.choice(["major", "minor", "dorian"])))
    bars = form(rng, grid.n_bars, [(0, 3, 0, 4), (0, 5, 3, 4), (0, 2, 3, 3), (5, 3, 0, 4)])

    cutoff_hz = (dark * 0.5, dark * rng.uniform(1, 2))
    pad = partial(syn.synth, shape=shape, cutoff_hz=cutoff_hz, sweep_s=1.5, detune_cents=detune)
    pad = partial(pad, attack_s=1.2, release_s=1.8)
    held = play(chords(key, bars, "x", centre=62, beats=4, n=4), pad, grid, ring_s=1.5)
    deep = partial(syn.synth, shape="sine", attack_s=0.3, release_s=0.3)
    low = play(riff(key, bars, [(0, 0, 4)], lowest=36), deep, grid)
    rhythms = [(2, 2), (1.5, 2.5), (3, 1), (1, 1, 2)]
    tune = humanise(rng, melody(rng, key.up(24), bars, rhythms, 0.35), 0.03)
    wind = syn.noise(rng, duration_s, 300, 1500)[: grid.n_samples]
    gusts = np.sin(np.linspace(0, rng.uniform(8, 20), len(wind))).astype(np.float32)
    drops = fx.echo(play(tune, lone, grid, ring_s=1.5), grid.beat_s * 0.75, 0.6, 0.5)
    y = fx.mix(
        rng,
        (fx.chorus(held, 0.004, 0.2), 0, 0),
        (low, -9, 0),
        (drops, -9, rng.uniform(-0.4, 0.4)),
        (wind * (1 + 0.6 * gusts), windy, 0),
    )
    return fx.reverb(y, rng, decay_s=decay_s, wet=0.9, damp_hz=4000)


def waltz(rng: Generator, sound: Generator, duration_s: float) -> Samples:
    """A piano alone, in three-four: bass and two chords in the left hand, a tune in the right."""
    position, brightness = sound.uniform(0.1, 0.14), sound.uniform(0.5, 0.9)
    piano = partial(syn.string, position=position, brightness=brightness)
    piano = partial(piano, decay_s=sound.uniform(0.9, 1.6), hammer=sound.uniform(0.8, 3))
    decay_s, spread = sound.uniform(0.8, 2.2), sound.uniform(0.015, 0.04)
    grid = Grid(rng.uniform(100, 172), 3, duration_s)
    key = Key(int(rng.integers(55, 66)), str(rng.choice(["major", "minor"])))
    turns = [(0, 5, 1, 4), (0, 0, 4, 4), (0, 3, 4, 0), (5, 1, 4, 0), (0, 2, 3, 4)]
    bars = form(rng, grid.n_bars, turns)

    left = riff(key, bars, [(0, 0, 1)], lowest=42, beats_per_bar=3)
    left += chords(key, bars, ".xo", centre=58, beats=0.8, beats_per_bar=3)
    rhythms = [(1, 1, 1), (2, 1), (1.5, 0.5, 1), (1, 0.5, 0.5, 1), (0.5,) * 6]
    right = melody(rng, key.up(12), bars, rhythms, 0.1)
    if rng.random() < 0.4:  # the hand's octave
        right += [n._replace(pitch=n.pitch - 12, velocity=n.velocity * 0.6) for n in right]
    y = fx.mix(
        rng,
        (play(humanise(rng, left, spread), piano, grid, ring_s=0.3), -4, -0.25),
        (play(humanise(rng, right, spread), piano, grid, ring_s=0.5), 0, 0.25),
    )
    return fx.reverb(y, rng, decay_s=decay_s, wet=0.35, damp_hz=6000)


def folk(rng: Generator, sound: Generator, duration_s: float) -> Samples:
    """A picked guitar and a flute or a second string above it; at times a shaker."""
    position, brightness = sound.uniform(0.08, 0.22), sound.uniform(1.15, 1.5)
    guitar = partial(syn.string, position=position, brightness=brightness)
    guitar = partial(guitar, decay_s=sound.uniform(0.5, 0.9))
    lead = partial(guitar, position=0.08)
    if sound.random() < 0.6:
        lead = partial(syn.synth, shape="triangle", cutoff_hz=(3000, 2500), vibrato_cents=18)
        lead = partial(lead, attack_s=0.06, release_s=0.08)
    shaker, decay_s = syn.burst(sound, 0.09, 4000, 12_000, attack_s=0.02), sound.uniform(0.6, 1.8)
    beats = int(rng.choice([3, 4, 4]))
    grid = Grid(rng.uniform(84, 124) * (1.2 if beats == 3 else 1), beats, duration_s)
    scales = ["major", "dorian", "mixolydian", "minor"]
    key = Key(int(rng.integers(52, 64)), str(rng.choice(scales)))
    bars = form(rng, grid.n_bars, [(0, 3, 0, 4), (0, 5, 3, 4), (0, 6, 3, 0), (0, 4, 5, 3)])

    order = rng.permutation([0, 1, 2, 3, 1, 2, 3, 2])
    fingers = [
        Note(beats * i + j / 2, key.chord(bar.degree, 60, 4)[order[j]], 1, 1 - 0.3 * (j % 2))
        for i, bar in enumerate(bars)
        for j in range(2 * beats)
    ]
    thumb = riff(key, bars, [(0, 0, 1.5), (2, 4, 1)], lowest=45, beats_per_bar=beats)
    picked = play(humanise(rng, fingers + thumb, 0.015), guitar, grid, ring_s=0.6)
    rhythms: dict[int, list[tuple[float, ...]]] = {
        3: [(1, 1, 1), (1.5, 0.5, 1), (2, 1), (1, 0.5, 0.5, 1)],
        4: [(1, 1, 2), (1.5, 0.5, 1, 1), (1, 0.5, 0.5, 2), (0.5, 0.5, 1, 1, 1)],
    }
    tune = humanise(rng, melody(rng, key.up(12), bars, rhythms[beats], 0.15), 0.02)
    swish = strike([("x.o." * beats)] * len(bars), shaker, grid, rng, 0.1)
    y = fx.mix(
        rng,
        (fx.chorus(picked, 0.001, 0.3), 0, -0.2),
        (play(tune, lead, grid, ring_s=0.1), -5, 0.3),
        (swish, -17 if rng.random() < 0.6 else -60, 0.4),
    )
    return fx.reverb(y, rng, decay_s=decay_s, wet=0.25, damp_hz=5000)


def reggae(rng: Generator, sound: Generator, duration_s: float) -> Samples:
    """Chords on the off-beats, a deep bass tune, one drum on the third beat, echoes."""
    kick = syn.drum(sound.uniform(55, 65), 0.22, bend=3)
    rim = syn.drum(sound.uniform(700, 1100), 0.05, bend=0.4)
    rim += 0.3 * syn.burst(sound, 0.05, 2000, 9000)
    hat = syn.burst(sound, 0.06, sound.uniform(5000, 8000), 14_000)
    swing, decay_s = sound.uniform(0, 0.3), sound.uniform(1, 2.5)
    organ = partial(syn.synth, shape="organ", cutoff_hz=(2500, 2500), release_s=0.03)
    guitar = partial(syn.string, position=0.12, brightness=sound.uniform(1, 1.4), decay_s=0.25)
    skank = guitar if sound.random() < 0.5 else organ
    grid = Grid(rng.uniform(66, 88), 4, duration_s)
    key = Key(int(rng.integers(50, 62)), str(rng.choice(["major", "minor", "dorian"])))
    turns = [(0, 3, 0, 3), (0, 4, 3, 3), (0, 5, 3, 4), (0, 0, 3, 4), (0, 1, 0, 1)]
    bars = form(rng, grid.n_bars, turns)

    off_beats = str(rng.choice(["..x...x...x...x.", "..xo..xo..xo..xo", "..x...x...x...xo"]))
    figures: list[list[tuple[float, int, float]]] = [
        [(0, 0, 0.9), (1, 0, 0.5), (1.5, 2, 0.5), (2, 4, 0.9), (3.5, 4, 0.4)],
        [(0.5, 0, 0.5), (1, 2, 0.5), (1.5, 4, 1), (3, 0, 0.75)],
        [(0, 0, 0.7), (0.75, 0, 0.25), (1, 4, 0.7), (2, 2, 0.5), (2.5, 0, 1.2)],
    ]
    round_bass = partial(syn.synth, shape="triangle", cutoff_hz=(600, 300), release_s=0.06)
    low = play(riff(key, bars, figures[rng.integers(3)], lowest=36), round_bass, grid)
    chop = play(chords(key, bars, off_beats, centre=64, beats=0.3), skank, grid)
    bubble = play(chords(key, bars, ".xox.xox.xox.xox", centre=57, beats=0.2), organ, grid)
    reed = partial(syn.synth, shape="pulse", cutoff_hz=(3000, 3000), attack_s=0.04)
    reed = partial(reed, vibrato_cents=15)
    rhythms = [(1, 0.5, 0.5, 2), (1.5, 0.5, 1, 1), (0.5,) * 8]
    tune = play(melody(rng, key.up(12), bars, rhythms, 0.4), reed, grid)
    drop = str(rng.choice(["........X.......", "........X.......", "X...X...X...X..."]))
    y = fx.mix(
        rng,
        (low, 0, 0),
        (fx.echo(chop, grid.beat_s * 0.75, 0.4, 0.25), -5, -0.35),
        (bubble, -13, 0.35),
        (fx.echo(tune, grid.beat_s * 0.75, 0.6, 0.5), -10, 0.15),
        (strike([drop] * len(bars), kick, grid, rng), -3, 0),
        (strike(fills(bars, "........X.......", "..x..x..X.x.x.xx"), rim, grid, rng), -7, 0),
        (strike(["x.o.x.o.x.o.x.oo"] * len(bars), hat, grid, rng, swing), -14, 0.25),
    )
    return fx.reverb(y, rng, decay_s=decay_s, wet=0.2, damp_hz=4000)

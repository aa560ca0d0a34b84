"""How the louder styles compose a piece: techno, drum and bass, chiptune, metal.

A style is a function as described in `quiet_styles`.
"""

from functools import partial

import numpy as np
from numpy.random import Generator

from recommender.demo import effects as fx
from recommender.demo import synthesis as syn
from recommender.demo.composition import (
    Grid,
    Key,
    Note,
    chords,
    form,
    melody,
    pulse,
    riff,
)
from recommender.demo.performance import fills, humanise, play, strike, unless
from recommender.demo.synthesis import Samples


def techno(rng: Generator, sound: Generator, duration_s: float) -> Samples:
    """Four on the floor, hats between, a bass that ducks under the kick, stabs and a squelch."""
    kick = syn.drum(sound.uniform(44, 56), sound.uniform(0.22, 0.4), bend=5)
    closed = syn.burst(sound, 0.07, sound.uniform(5000, 8500), 15_000)
    opened = syn.burst(sound, 0.22, 6500, 15_000)
    hands = syn.clap(sound, 0.2)
    shape, cutoff_hz = str(sound.choice(["saw", "square"])), sound.uniform(1500, 5000)
    decay_s, squelch_db = sound.uniform(0.6, 1.6), float(sound.choice([-10, -10, -18]))
    grid = Grid(rng.uniform(120, 140), 4, duration_s)
    key = Key(int(rng.integers(40, 52)), str(rng.choice(["minor", "phrygian", "dorian"])))
    bars = form(rng, grid.n_bars, [(0, 0, 0, 0), (0, 0, 5, 6), (0, 5, 3, 4), (0, 0, 3, 3)])
    pauses = [bar.section == "B" and bar.place < 2 for bar in bars]

    drive = str(rng.choice(["..x...x...x...x.", "..xx..xx..xx..xx", ".xxx.xxx.xxx.xxx"]))
    bass = partial(syn.synth, shape=shape, cutoff_hz=(1200, 250), sweep_s=0.08, resonance=2)
    low = play(riff(key, bars, pulse(drive), lowest=33), bass, grid)
    stab = partial(syn.synth, cutoff_hz=(cutoff_hz, 400), sweep_s=0.09, resonance=1.5)
    stab = partial(stab, detune_cents=14)
    places = str(rng.choice(["..x..x....x..x..", "x..x..x.........", "..x...x...x...x."]))
    high = play(chords(key, bars, places, centre=62, beats=0.4), stab, grid)
    acid = partial(syn.synth, cutoff_hz=(cutoff_hz, 300), sweep_s=0.1, resonance=6)
    steps = rng.choice([0, 0, 0, 7, 2, 4, 3], 16)
    loop = [(i / 4, int(step), 0.24) for i, step in enumerate(steps) if rng.random() < 0.6]
    squelch = play(riff(key, bars, loop, lowest=45), acid, grid)
    hats = str(rng.choice(["xoxoxoxoxoxoxoxo", "x.x.x.x.x.x.x.x.", "xox.xox.xox.xoxo"]))
    y = fx.mix(
        rng,
        (strike(unless(pauses, "X...X...X...X..."), kick, grid, rng), 0, 0),
        (strike(fills(bars, "....x.......x...", "....x.......x.xx"), hands, grid, rng), -9, 0),
        (strike([hats] * len(bars), closed, grid, rng), -15, 0.3),
        (strike(["..x...x...x...x."] * len(bars), opened, grid, rng), -15, -0.2),
        (fx.duck(low, grid.beat_s, 0.7), -5, 0),
        (fx.duck(fx.echo(high, grid.beat_s * 0.75, 0.6, 0.5), grid.beat_s, 0.7), -9, 0),
        (fx.echo(squelch, grid.beat_s * 0.75, 0.4, 0.4), squelch_db, 0.1),
    )
    return fx.reverb(y, rng, decay_s=decay_s, wet=0.15, damp_hz=5000)


def drum_and_bass(rng: Generator, sound: Generator, duration_s: float) -> Samples:
    """A fast broken beat with fills, a growling bass at half the speed, a pad and a sparse tune."""
    kick = syn.drum(sound.uniform(52, 66), 0.2, bend=4, bend_s=0.02)
    snare = syn.snare(
        sound, sound.uniform(180, 230), sound.uniform(0.14, 0.24), sound.uniform(0.3, 0.7)
    )
    closed = syn.burst(sound, 0.05, sound.uniform(5500, 8500), 15_000)
    ride = syn.burst(sound, 0.3, 5000, 13_000)
    cutoff_hz = (sound.uniform(250, 900), sound.uniform(400, 1400))
    growl = partial(syn.synth, cutoff_hz=cutoff_hz, sweep_s=0.3, resonance=1.5)
    growl = partial(growl, detune_cents=sound.uniform(18, 40))
    pad = partial(syn.synth, cutoff_hz=(900, sound.uniform(1200, 3000)), detune_cents=12)
    pad = partial(pad, attack_s=0.15, release_s=0.3)
    lead = partial(syn.synth, shape="organ", cutoff_hz=(5000, 800), sweep_s=0.1)
    if sound.random() < 0.4:
        lead = partial(syn.bell, ratio=2.0, depth=1.5)
    decay_s, pad_db, tops_db = (
        sound.uniform(0.8, 2.5),
        sound.uniform(-18, -7),
        sound.uniform(-19, -11),
    )
    grid = Grid(rng.uniform(162, 178), 4, duration_s)
    key = Key(int(rng.integers(40, 52)), str(rng.choice(["minor", "dorian", "minor"])))
    bars = form(rng, grid.n_bars, [(0, 0, 5, 5), (0, 0, 3, 3), (0, 5, 2, 6), (0, 0, 6, 5)])
    pauses = [bar.section == "B" and bar.place == 0 for bar in bars]

    breaks = [
        ("X.........X.....", "....X..o.o..X..o"),
        ("X.X.......X.....", "....X..o....X..."),
        ("X..X......X..X..", "....X....o..X.o."),
        ("X.........XX....", "....X..o.o.oX..."),
    ]
    kicks, snares = breaks[rng.integers(len(breaks))]
    fill = str(rng.choice(["....X..X..X.X.Xo", "....X.X.X.XXXXXX", "X..X..X..X..XoXo"]))
    figures: list[list[tuple[float, int, float]]] = [
        [(0, 0, 3), (3, 0, 1)],
        [(0, 0, 1.5), (1.5, 0, 2.5)],
        [(0, 0, 0.75), (1, 2, 3)],
    ]
    low = play(riff(key, bars, figures[rng.integers(3)], lowest=33), growl, grid)
    held = play(chords(key, bars, "x", centre=62, beats=4, n=4), pad, grid)
    rhythms = [(1.5, 1.5, 1), (0.75, 0.75, 1, 1.5), (2, 2), (1, 0.5, 0.5, 2)]
    tune = play(melody(rng, key.up(24), bars, rhythms, 0.4), lead, grid)
    hats = str(rng.choice(["x.x.x.x.x.x.x.x.", "xoxoxoxoxoxoxoxo", "x.xox.xox.xox.xo"]))
    y = fx.mix(
        rng,
        (strike(unless(pauses, kicks), kick, grid, rng), 0, 0),
        (strike(fills(bars, snares, fill), snare, grid, rng, 0.1), -1, 0),
        (strike([hats] * len(bars), closed, grid, rng, 0.1), tops_db, 0.25),
        (strike(["x...x...x...x..."] * len(bars), ride, grid, rng), tops_db - 3, -0.3),
        (np.tanh(2 * low), -4, 0),
        (fx.chorus(held), pad_db, 0),
        (fx.echo(tune, grid.beat_s * 1.5, 0.5, 0.5), -11, rng.uniform(-0.3, 0.3)),
    )
    return fx.reverb(y, rng, decay_s=decay_s, wet=0.2, damp_hz=5000)


def chiptune(rng: Generator, sound: Generator, duration_s: float) -> Samples:
    """Three voices of an old games console, chords broken up fast, and its noise for drums."""
    lead_shape, arp_shape = (str(s) for s in sound.choice(["square", "pulse", "narrow"], 2))
    hiss = syn.burst(sound, 0.06, 3000, 12_000)
    crack = syn.burst(sound, 0.16, 700, 9000)
    thump = np.sign(syn.drum(70, 0.12, bend=4)) * np.float32(0.6)
    voice = partial(syn.synth, cutoff_hz=(16_000, 16_000), release_s=0.01)
    lead = partial(voice, shape=lead_shape, vibrato_cents=sound.uniform(0, 30))
    echo_level = 0.3 * float(sound.random() < 0.5)
    grid = Grid(rng.uniform(112, 164), 4, duration_s)
    key = Key(int(rng.integers(57, 69)), str(rng.choice(["major", "minor", "mixolydian"])))
    bars = form(rng, grid.n_bars, [(0, 4, 5, 3), (0, 3, 4, 4), (5, 3, 0, 4), (0, 6, 5, 4)])

    rhythms = [(0.5,) * 8, (1, 0.5, 0.5, 1, 1), (0.75, 0.75, 0.5, 1, 1), (1.5, 0.5, 1.5, 0.5)]
    tune = play(melody(rng, key.up(12), bars, rhythms, 0.15), lead, grid)
    speed = int(rng.choice([4, 8]))  # notes of a broken chord in a beat
    broken = [
        Note(4 * i + j / speed, key.chord(bar.degree, 69)[j % 3], 1 / speed)
        for i, bar in enumerate(bars)
        for j in range(4 * speed)
    ]
    arpeggio = play(broken, partial(voice, shape=arp_shape), grid)
    steps = str(rng.choice(["x.x.x.x.x.x.x.x.", "x..x..x.x..x..x.", "x.xxx.xxx.xxx.xx"]))
    bass = partial(voice, shape="triangle")
    low = play(riff(key, bars, pulse(steps), lowest=45), bass, grid)
    y = fx.mix(
        rng,
        (fx.echo(tune, grid.beat_s * 0.5, 0.4, echo_level), 0, 0.1),
        (arpeggio, -8, -0.3),
        (low, -3, 0),
        (strike(fills(bars, "x...x...x...x...", "x...x...x.x.x.x."), thump, grid, rng), -5, 0),
        (strike(fills(bars, "....x.......x...", "....x.....x.xxxx"), crack, grid, rng), -7, 0),
        (strike(["x.o.x.o.x.o.x.o."] * len(bars), hiss, grid, rng), -14, 0.2),
    )
    return fx.reverb(y, rng, decay_s=0.3, wet=0.05, damp_hz=8000)


def metal(rng: Generator, sound: Generator, duration_s: float) -> Samples:
    """Overdriven power chords from two sides, kicks that follow the riff; at times a solo."""
    drive, bright_hz = sound.uniform(6, 20), sound.uniform(3500, 6500)
    kick = syn.drum(60, 0.16, bend=9, bend_s=0.008)
    snare = syn.snare(sound, sound.uniform(170, 220), 0.22, 0.6)
    crash, hat = syn.burst(sound, 1.6, 3500, 14_000), syn.burst(sound, 0.12, 5000, 14_000)
    positions, decay_s = sound.uniform(0.1, 0.25, 2), sound.uniform(0.5, 1.2)
    grid = Grid(rng.uniform(96, 184), 4, duration_s)
    key = Key(int(rng.integers(36, 43)), str(rng.choice(["phrygian", "minor", "minor"])))
    bars = form(rng, grid.n_bars, [(0, 0, 5, 6), (0, 0, 1, 0), (0, 5, 2, 6), (0, 3, 1, 0)])

    fast = str(rng.choice(["XxxxXxxxXxxxXxxx", "X.xxX.xxX.xxX.xx", "Xx.xx.XxxX.xx.x."]))
    slow = str(rng.choice(["X.......X.......", "X.....X.....X...", "X...X...X.X.X..."]))
    figures = {"A": pulse(fast, legato=True), "B": pulse(slow, legato=True)}
    roots = [
        Note(4 * i + beat, key.pitch(bar.degree), beats)
        for i, bar in enumerate(bars)
        for beat, _, beats in figures[bar.section]
    ]
    powers = [note._replace(pitch=note.pitch + up) for note in roots for up in (0, 7, 12)]
    guitars = np.zeros((2, grid.n_samples), np.float32)
    for side, position in enumerate(positions):  # played twice, one take on each side
        guitar = partial(syn.string, position=position, brightness=1.3, decay_s=0.9)
        take = fx.distort(play(humanise(rng, powers, 0.012), guitar, grid), drive)
        guitars[side] = fx.band(take, 90, bright_hz)
    bass = partial(syn.synth, cutoff_hz=(1500, 500), resonance=1)
    low = play([note._replace(pitch=note.pitch - 12) for note in roots], bass, grid)
    solo = partial(syn.synth, cutoff_hz=(6000, 3000), vibrato_cents=40)
    rhythms = [(0.5,) * 8, (1, 1, 0.5, 0.5, 1), (2, 1, 1)]
    tune = play(melody(rng, key.up(36), bars, rhythms, 0.1), solo, grid)
    tune = fx.band(fx.distort(tune, 6), 200, 6000)
    kicks = {"A": str(rng.choice([fast, "X.X.X.X.X.X.X.X."])), "B": "X.....X...X....."}
    beat = {"A": "....X.......X...", "B": "........X......."}
    snares = fills(bars, beat["A"], "....X...X.X.XXXX")
    snares = [beat["B"] if b.section == "B" else s for b, s in zip(bars, snares, strict=True)]
    crashes = ["X" if bar.place == 0 else "." for bar in bars]
    y = fx.mix(
        rng,
        (guitars, 0, 0),
        (np.tanh(3 * low), -9, 0),
        (fx.echo(tune, 0.3, 0.4, 0.3), -7 if rng.random() < 0.5 else -60, 0.1),
        (strike([kicks[bar.section] for bar in bars], kick, grid, rng), -4, 0),
        (strike(snares, snare, grid, rng), -3, 0),
        (strike(crashes, crash, grid, rng), -11, -0.3),
        (strike(["x...x...x...x..."] * len(bars), hat, grid, rng), -15, 0.3),
    )
    return fx.reverb(y, rng, decay_s=decay_s, wet=0.12, damp_hz=6000)

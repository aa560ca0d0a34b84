import dataclasses
from pathlib import Path

import mutagen
import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.audio import blocks, read_tags
from recommender.demo.composition import Grid, Key, chords, form, hits, pulse, riff
from recommender.demo.effects import band, echo
from recommender.demo.music import (
    STYLES,
    Recipe,
    StyleRecipe,
    read_recipe,
    synthesise,
    write_music,
)
from recommender.demo.synthesis import SR, synth, tone, waveform
from recommender.errors import ParameterError, RecommenderError

DURATION_S = 8.0


@pytest.fixture(scope="module")
def pieces() -> dict[str, list[NDArray[np.float32]]]:
    """Two pieces of different artists in each style."""
    return {style: [synthesise(style, seed, DURATION_S) for seed in (3, 204)] for style in STYLES}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    words = (("Red", "Blue"), ("Sky", "Sea"))
    folk = StyleRecipe(
        genre="Folk", artists=("A & B", "C'D"), words=words, library_pieces=1, liked=True
    )
    waltz = StyleRecipe(genre="Piano", artists=("E",), words=words, library_pieces=2)
    return Recipe(seed=5, duration_s=(4, 5), liked_pieces=2, styles={"folk": folk, "waltz": waltz})


@pytest.mark.parametrize("style", STYLES)
def test_pieces_are_sound_and_nothing_else(
    style: str, pieces: dict[str, list[NDArray[np.float32]]]
) -> None:
    for y in pieces[style]:
        assert y.shape == (DURATION_S * SR, 2)
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
        assert 0.45 < np.abs(y).max() <= 0.9
        assert np.abs(y[[0, -1]]).max() < 1e-6  # no click at either end
        assert np.abs(y[-SR // 20 :]).max() < 0.01  # the fade is down by then
        seconds = y[: 6 * SR].reshape(6, -1)
        assert np.sqrt((seconds**2).mean(axis=1)).min() > 0.01  # never silent before the fade
        assert np.abs(y.mean(axis=0)).max() < 0.01  # no offset
        assert np.abs(y[:, 0] - y[:, 1]).max() > 0.01  # stereo


@pytest.mark.parametrize("style", STYLES)
def test_pieces_depend_on_the_seed_alone(
    style: str, pieces: dict[str, list[NDArray[np.float32]]]
) -> None:
    first, other_artist = pieces[style]
    assert np.array_equal(first, synthesise(style, 3, DURATION_S))
    same_artist = synthesise(style, 4, DURATION_S)
    for other in (same_artist, other_artist):
        assert abs(np.corrcoef(first.mean(axis=1), other.mean(axis=1))[0, 1]) < 0.5


def test_styles_differ_as_they_should(pieces: dict[str, list[NDArray[np.float32]]]) -> None:
    for style, ys in pieces.items():
        for y in ys:
            centroid_hz, onsets, low_share = _measure(y)
            # Measured over eight artists a style, 8 s each:
            # centroid in Hz: ambient 690-1100, waltz 960-1470, the three with many cymbals
            # or square waves 3680-6530
            if style in ("ambient", "waltz"):
                assert centroid_hz < 2000
            elif style in ("techno", "drum_and_bass", "chiptune"):
                assert centroid_hz > 2800
            # rise of the spectrum from frame to frame: 0.08-0.16 without drums, 0.22-0.29 in
            # the dance styles
            if style in ("ambient", "waltz", "folk"):
                assert onsets < 0.18
            elif style in ("techno", "drum_and_bass"):
                assert onsets > 0.2
            # energy below 150 Hz: reggae 0.49-0.85, waltz and folk up to 0.10
            if style == "reggae":
                assert low_share > 0.4
            elif style in ("waltz", "folk"):
                assert low_share < 0.2


def _measure(y: NDArray[np.float32]) -> tuple[float, float, float]:
    frames = np.lib.stride_tricks.sliding_window_view(y.mean(axis=1), 2048)[::512]
    magnitudes = np.abs(np.fft.rfft(frames * np.hanning(2048)))
    f = np.fft.rfftfreq(2048, 1 / SR)
    mean, power = magnitudes.mean(axis=0), (magnitudes**2).sum(axis=0)
    rises = np.maximum(np.diff(magnitudes, axis=0), 0).sum(axis=1).mean()
    return (
        float((f * mean).sum() / mean.sum()),
        float(rises / magnitudes.sum(axis=1).mean()),
        float(power[f < 150].sum() / power.sum()),
    )


def test_unknown_styles_and_bad_lengths_are_refused() -> None:
    with pytest.raises(ParameterError, match="unknown style 'polka'"):
        synthesise("polka", 0, 10)
    with pytest.raises(ParameterError, match="duration_s"):
        synthesise("folk", 0, 1)
    with pytest.raises(ParameterError, match="seed"):
        synthesise("folk", -1, 10)


def test_layout_tags_and_second_run(recipe: Recipe, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    music = write_music(
        tmp_path / "a", recipe=recipe, jobs=2, on_piece=lambda *counts: progress.append(counts)
    )
    assert progress == [(i, 5) for i in range(1, 6)]
    assert music.liked_styles == ("folk",)
    assert music.n_pieces == 5
    assert {style: len(paths) for style, paths in music.styles.items()} == {"folk": 1, "waltz": 2}
    liked = sorted(music.playlist.iterdir())
    assert len(liked) == 2
    written = liked + music.styles["folk"] + music.styles["waltz"]
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(written)
    for path in written:
        tags = read_tags(path)
        assert path.name == f"{tags.artist} - {tags.title}.mp3"
        assert tags.genre == ("Piano" if path.parent.name == "waltz" else "Folk")
        assert tags.album is not None and tags.artist is not None and tags.artist in tags.album
        assert mutagen.File(path, easy=True)["date"][0].isdigit()
        assert tags.duration_s is not None and 4 <= tags.duration_s <= 5.1  # MP3 pads by 0.05 s
    assert {read_tags(path).artist for path in liked} == {"A & B"}
    assert {read_tags(path).artist for path in music.styles["folk"]} == {"C'D"}

    before = {path: path.stat().st_mtime_ns for path in written}
    missing = written[0]
    missing.unlink()
    again = write_music(tmp_path / "a", recipe=recipe, jobs=1)
    assert again == music
    assert all(path.stat().st_mtime_ns == before[path] for path in written[1:])
    assert missing.exists()

    other = write_music(tmp_path / "b", recipe=recipe, jobs=1)
    for path, twin in zip(music.styles["waltz"], other.styles["waltz"], strict=True):
        assert path.name == twin.name
        assert path.read_bytes() == twin.read_bytes()


def test_files_hold_the_pieces(tmp_path: Path) -> None:
    words = (("Red",), ("Sky",))
    style = StyleRecipe(genre="Metal", artists=("E",), words=words, library_pieces=1)
    recipe = Recipe(seed=1, duration_s=(6, 6), liked_pieces=0, styles={"metal": style})
    [path] = write_music(tmp_path, recipe=recipe).styles["metal"]
    decoded = np.concatenate(list(blocks(path))) / 32_768
    written = synthesise("metal", 1000, 6).mean(axis=1)
    decoded = decoded[: len(written)]
    assert len(decoded) == len(written)
    # Measured 0.9975; the encoder's low-pass and noise are the rest. One sample off gives 0.981.
    assert np.corrcoef(decoded, written)[0, 1] > 0.99


def test_failures_leave_nothing_behind(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text(
        "#!/bin/sh\n"
        'for word; do case "$word" in file:*) echo half > "${word#file:}";; esac; done\n'
        "echo No space left on device >&2; exit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setattr("recommender.demo.music.ffmpeg_exe", lambda: str(broken))
    with pytest.raises(RecommenderError, match=r"\.mp3.*No space left on device"):
        write_music(tmp_path / "out", recipe=recipe)
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == []


def test_recipes_that_cannot_be_made_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    waltz = recipe.styles["waltz"]
    with pytest.raises(ParameterError, match="unknown style 'polka'"):
        write_music(tmp_path, recipe=dataclasses.replace(recipe, styles={"polka": waltz}))
    many = dataclasses.replace(waltz, library_pieces=5)  # two words and two make four titles
    with pytest.raises(ParameterError, match="more words"):
        write_music(tmp_path, recipe=dataclasses.replace(recipe, styles={"waltz": many}))
    with pytest.raises(ParameterError, match="too few artists"):
        dataclasses.replace(waltz, liked=True)


def test_the_projects_recipe() -> None:
    recipe = read_recipe()
    assert set(recipe.styles) == set(STYLES)
    assert [name for name, style in recipe.styles.items() if style.liked] == [
        "folk",
        "drum_and_bass",
    ]
    artists = [artist for style in recipe.styles.values() for artist in style.artists]
    assert len(set(artists)) == len(artists)
    n_library = sum(style.library_pieces for style in recipe.styles.values())
    assert n_library + 2 * recipe.liked_pieces == 60
    assert recipe.duration_s == (20, 32)


def test_a_tone_is_the_sum_of_its_harmonics() -> None:
    hz, n_harmonics = 313.0, 12
    start, end = np.zeros((2, n_harmonics), np.float32)
    start[:] = 1 / np.arange(1, n_harmonics + 1)
    end[[0, 4]] = 0.5
    y = tone(hz, 0.5, np.stack([start, end]))
    time_s = np.arange(len(y)) / SR
    share = (time_s / time_s[-1])[:, None]
    angles = 2 * np.pi * hz * time_s[:, None] * np.arange(1, n_harmonics + 1)
    expected = (((1 - share) * start + share * end) * np.sin(angles)).sum(axis=1)
    # Measured 1.3e-3: the cross-fade ends a thousandth early, and periods are read linearly.
    assert np.abs(y - expected).max() < 3e-3


def test_tones_do_not_alias() -> None:
    hz = 44_100 / 16
    y = synth(hz, 1.0, shape="saw", cutoff_hz=(20_000, 20_000), release_s=0.001)
    power = np.abs(np.fft.rfft(y[:32_000] * np.hanning(32_000))) ** 2
    harmonic = np.zeros(len(power), bool)
    for k in range(1, 8):
        harmonic[k * 2000 - 10 : k * 2000 + 11] = True
    assert power[~harmonic].sum() / power.sum() < 1e-4
    assert waveform("saw").shape == (60,)


def test_harmony_and_form() -> None:
    key = Key(60, "major")
    assert [key.pitch(d) for d in (0, 2, 7, -1)] == [60, 64, 72, 59]
    assert key.chord(0, 62) == [60, 64, 67]
    assert key.chord(4, 62) == [59, 62, 67]  # G major, inverted to stay near
    bars = form(np.random.default_rng(0), 16, [(0, 3, 0, 4), (5, 3, 0, 4)])
    assert "".join(bar.section for bar in bars) == "AAAAAAAABBBBAAAA"
    assert [bar.degree for bar in bars[:4]] == [bar.degree for bar in bars[4:8]]
    assert {bars[0].degree, bars[8].degree} == {0, 5}
    assert hits("X..o") == [(0.0, 1.0), (0.75, 0.4)]
    assert pulse("x.......x...x...", legato=True) == [(0, 0, 2), (2, 0, 1), (3, 0, 1)]
    low = riff(key, bars[:2], [(0, 0, 1), (2, 4, 1)], lowest=36)
    assert [note.beat for note in low] == [0, 2, 4, 6]
    assert all(36 <= note.pitch < 48 for note in low[::2])
    assert [low[1].pitch - low[0].pitch, low[3].pitch - low[2].pitch] == [7, 7]
    assert len(chords(key, bars, "x.x.", centre=60, beats=1)) == 16 * 2 * 3
    assert Grid(120, 3, 10).n_bars == 7


def test_effects_do_what_they_say() -> None:
    click = np.zeros(SR, np.float32)
    click[100] = 1
    wet = echo(click, 0.1, 0.5, 0.4)
    assert wet.shape == (2, SR)
    assert wet[:, 100].tolist() == [1, 1]
    assert np.flatnonzero(wet[1]).tolist() == [100 + 4410 * repeat for repeat in (0, 1, 3, 5)]
    assert wet[0, 100 + 2 * 4410] == pytest.approx(0.2)
    time_s = np.arange(SR) / SR
    for hz, share in ((100, 0.0), (1000, 1.0), (10_000, 0.0)):
        y = band(np.sin(2 * np.pi * hz * time_s).astype(np.float32), 500, 2000)
        middle = y[SR // 4 : -SR // 4]
        assert np.sqrt(2) * middle.std() == pytest.approx(share, abs=0.07)

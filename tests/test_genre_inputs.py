"""Pieces of mel-spectrogram and MFCC, and how many of them are loaded from files and caches."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import oracle
import sounds
from recommender import genres, spectrogram
from recommender.errors import AudioDecodeError, ParameterError
from recommender.extras import need
from recommender.genres import cached, handmade, inputs
from recommender.genres.inputs import HANDMADE, MEL_22K, MEL_G4, MFCC_22K, MFCC_30S, InputParams
from recommender.parameters import SpectrogramParams
from test_audio import encode, noise

# Frames of 8 ms, pieces of a quarter of a second.
SMALL = SpectrogramParams(
    sr=8_000,
    frame_duration_s=0.032,
    hop_duration_s=0.016,
    fmax=4_000.0,
    n_mels=16,
    n_frames=16,
    window="hann",
    compression="log",
)
MEL = InputParams(kind="mel", spectrogram=SMALL)
MFCC = InputParams(kind="mfcc", spectrogram=SMALL, n_mfcc=5)


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """Ten pieces of noise, each louder than the one before."""
    y = noise(10 * SMALL.fragment_length).reshape(10, -1) // 2 ** np.arange(11, 1, -1)[:, None]
    return encode(tmp_path / "a.wav", y.ravel().astype(np.int16), sr=SMALL.sr)


def samples(path: Path) -> NDArray[np.float64]:
    return np.fromfile(path, "<i2", offset=44) / 32_768


# Parameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "hop", "shape"),
    [
        (MEL_22K, 512, (129, 128)),
        (MFCC_22K, 512, (129, 20)),
        (MFCC_30S, 512, (1_292, 20)),
        (MEL_G4, 1_024, (660, 128)),
    ],
)
def test_the_written_inputs(params: InputParams, hop: int, shape: tuple[int, int]) -> None:
    s = params.spectrogram
    assert s is not None
    assert (s.sr, s.frame_length, s.hop_length, s.n_mels) == (22_050, 2_048, hop, 128)
    assert (s.window, s.compression, s.range_db) == ("hann", "log", 80)
    assert (s.fmin, s.fmax) == (0, 11_025)
    assert params.shape == shape
    # Nearest whole numbers of frames to 3 and 30 seconds, and 660 as written.
    assert s.n_frames in (round(3 * s.sr / hop), round(30 * s.sr / hop), 660)
    assert params.piece_duration_s == pytest.approx(shape[0] * hop / 22_050, rel=1e-12)
    # They come back from what a file keeps of them.
    plain = dataclasses.asdict(params)
    again = InputParams(**{**plain, "spectrogram": SpectrogramParams(**plain["spectrogram"])})
    assert again == params


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kind": "sound"}, "unknown kind"),
        ({"kind": "mel"}, "need a spectrogram"),
        ({"kind": "handmade", "spectrogram": SMALL}, "others have none"),
        ({"kind": "embeddings"}, "need a network"),
        ({"kind": "mel", "spectrogram": SMALL, "embedding": "default"}, "others have none"),
        ({"kind": "mfcc", "spectrogram": SMALL, "n_mfcc": 17}, "between 1 and 16"),
        ({"kind": "mfcc", "spectrogram": SMALL, "n_mfcc": 0}, "between 1 and 16"),
        ({"kind": "mfcc", "spectrogram": SpectrogramParams()}, "decibels"),
        ({"kind": "embeddings", "embedding": "default", "n_patches": 0}, "n_patches"),
    ],
)
def test_parameters_that_do_not_fit(params: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        InputParams(**params)  # type: ignore[arg-type]


def test_a_missing_library_is_named_with_its_remedy() -> None:
    assert need("numpy", "lab") is np
    with pytest.raises(ParameterError, match=r"needs no_such_thing.*'recommender\[lab\]'"):
        need("no_such_thing.inner", "lab")


# Pieces -------------------------------------------------------------------------------------------


def test_pieces_are_the_fragments(track: Path) -> None:
    found = inputs.pieces(track, MEL)
    assert found.shape == (10, 16, 16)
    # Values in [-1, 1]; measured: 1e-7.
    np.testing.assert_allclose(found, oracle.fragments(samples(track), SMALL), rtol=0, atol=1e-6)


def test_cepstra_are_cosine_sums_of_decibels(track: Path) -> None:
    mel, found = inputs.pieces(track, MEL), inputs.pieces(track, MFCC)
    assert found.shape == (10, 16, 5)
    assert found.dtype == np.float32
    i, band = np.arange(5), np.arange(16)
    cosines = np.cos(np.pi * i[:, None] * (2 * band + 1) / 32) * np.sqrt(2 / 16)
    cosines[0] = np.sqrt(1 / 16)
    # Measured: 1.1e-7.
    np.testing.assert_allclose(found, mel @ cosines.T / np.sqrt(16), rtol=0, atol=1e-6)


def test_cepstra_differ_from_those_of_decibels_by_a_factor(track: Path) -> None:
    mel, found = inputs.pieces(track, MEL)[3], inputs.pieces(track, MFCC)[3]
    decibels = (mel.astype(np.float64) - 1) / 2 * SMALL.range_db
    theirs = need("librosa", "lab").feature.mfcc(S=decibels.T, n_mfcc=5).T
    factor = 2 / SMALL.range_db / np.sqrt(16)
    # Measured: 1e-7.
    np.testing.assert_allclose(found[:, 1:], theirs[:, 1:] * factor, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[:, 0], theirs[:, 0] * factor + 1, rtol=0, atol=1e-6)


def test_a_short_track_repeats_itself(tmp_path: Path) -> None:
    y = noise(6 * SMALL.hop_length + SMALL.frame_length)  # seven frames
    (found,) = inputs.pieces(encode(tmp_path / "a.wav", y, sr=SMALL.sr), MEL)
    np.testing.assert_array_equal(found, found[np.arange(16) % 7])


# Loading ------------------------------------------------------------------------------------------


def test_pieces_are_spread_over_a_track(track: Path) -> None:
    whole = inputs.pieces(track, MEL)
    for k, chosen in (
        (1, [5]),
        (3, [1, 5, 8]),
        (10, range(10)),
        (12, [*range(10), 0, 1]),
    ):
        x, failures = inputs.load([track], MEL, k=k)
        assert not failures
        assert x.dtype == np.float16
        np.testing.assert_array_equal(x[0], whole[list(chosen)].astype(np.float16))


def test_random_offsets_are_those_of_the_seed(track: Path) -> None:
    x, _ = inputs.load([track, track], MEL, k=3, seed=5, offsets="random")
    for i in (0, 1):
        rng = np.random.default_rng([5, i])
        expected, _ = spectrogram.random_fragments(track, SMALL, 3, rng)
        np.testing.assert_array_equal(x[i], expected.astype(np.float16))
    assert not np.array_equal(x[0], x[1])
    mfcc, _ = inputs.load([track, track], MFCC, k=3, seed=5, offsets="random")
    # Of half-precision numbers in [-1, 1]; measured: 3e-4.
    np.testing.assert_allclose(mfcc, inputs.cepstra(x.astype(np.float32), 5), rtol=0, atol=1e-3)


@pytest.mark.parametrize("jobs", [1, 3])
def test_files_that_fail_are_zero_and_named(tmp_path: Path, track: Path, jobs: int) -> None:
    (text := tmp_path / "b.mp3").write_text("no sound")
    missing = tmp_path / "c.wav"
    told: list[tuple[int, int]] = []
    x, failures = inputs.load(
        [missing, track, text],
        MEL,
        k=2,
        jobs=jobs,
        cache=tmp_path / "cache",
        on_track=lambda n, of: told.append((n, of)),
    )
    assert not x[0].any()
    assert not x[2].any()
    assert x[1].any()
    assert [path for path, _ in failures] == [text, missing]
    assert "there is no such file" in failures[1][1]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_nothing_to_load() -> None:
    x, failures = inputs.load([], MEL, k=2)
    assert (x.shape, failures) == ((0, 2, 16, 16), [])
    with pytest.raises(ParameterError, match="at least one piece"):
        inputs.load([], MEL, k=0)


# Cache --------------------------------------------------------------------------------------------


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files whose pieces are computed, not found in a cache."""
    found: list[Path] = []
    compute = inputs.pieces

    def spy(path: Path, params: InputParams) -> NDArray[np.float32]:
        found.append(path)
        return compute(path, params)

    monkeypatch.setattr(inputs, "pieces", spy)
    return found


def test_a_second_run_computes_nothing(tmp_path: Path, track: Path, computed: list[Path]) -> None:
    cache = tmp_path / "cache"
    first, _ = inputs.load([track], MEL, k=3, cache=cache)
    (kept,) = cache.rglob("*.npy")
    second, _ = inputs.load([track], MEL, k=3, cache=cache, jobs=2)
    np.testing.assert_array_equal(first, second)
    assert computed == [track]
    kept.write_bytes(kept.read_bytes()[:100])  # damaged: computed again, and mended
    for _ in range(2):
        third, _ = inputs.load([track], MEL, k=3, cache=cache)
        np.testing.assert_array_equal(first, third)
    assert computed == [track] * 2
    np.save(kept, np.zeros(3, np.float16))  # of another shape
    fourth, _ = inputs.load([track], MEL, k=3, cache=cache)
    np.testing.assert_array_equal(first, fourth)
    assert computed == [track] * 3


def test_what_is_kept_is_read_only_if_it_fits(tmp_path: Path) -> None:
    path = tmp_path / "folder/a.npy"
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float16)
    assert cached.read(path, x) is None
    for array in (x, np.asfortranarray(x), x.transpose(2, 1, 0)):
        cached.write(path, array)
        np.testing.assert_array_equal(np.load(path), array)
        found = cached.read(path, array)
        assert found is not None
        np.testing.assert_array_equal(found, array)
        assert cached.read(path, array.astype(np.float32)) is None
    content = path.read_bytes()
    header = len(content) - x.nbytes
    for at in range(header):
        damaged = bytearray(content)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        assert cached.read(path, array) is None
    for wrong in (content[:-1], content + b"0", content[:header], b""):
        path.write_bytes(wrong)
        assert cached.read(path, array) is None


def test_what_differs_is_kept_apart(tmp_path: Path, track: Path, computed: list[Path]) -> None:
    cache = tmp_path / "cache"
    louder = dataclasses.replace(SMALL, range_db=60.0)
    for n, (params, k) in enumerate(
        [(MEL, 2), (MEL, 3), (MFCC, 2), (InputParams(kind="mel", spectrogram=louder), 2)], 1
    ):
        inputs.load([track], params, k=k, cache=cache)
        assert len(computed) == n
    state = track.stat()
    os.utime(track, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000))
    inputs.load([track], MEL, k=2, cache=cache)
    assert len(computed) == 5
    # The same file by another name of its folder.
    (link := tmp_path / "link").symlink_to(track.parent)
    inputs.load([link / track.name], MEL, k=2, cache=cache)
    assert len(computed) == 5


def test_random_pieces_are_kept_by_seed_and_place(tmp_path: Path, track: Path) -> None:
    cache = tmp_path / "cache"

    def draw(seed: int) -> NDArray[np.float16]:
        return inputs.load([track, track], MEL, k=2, seed=seed, offsets="random", cache=cache)[0]

    first = draw(0)
    assert len(list(cache.rglob("*.npy"))) == 2
    np.testing.assert_array_equal(draw(0), first)
    assert not np.array_equal(draw(1), first)
    assert len(list(cache.rglob("*.npy"))) == 4


def test_features_made_by_hand_are_one_piece(
    tmp_path: Path, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = np.arange(handmade.N_FEATURES, dtype=np.float32) * 1e6  # beyond half precision
    monkeypatch.setattr(handmade, "features", lambda _path: vector)
    for _ in range(2):
        x, _ = inputs.load([track], HANDMADE, k=1, cache=tmp_path / "cache")
        np.testing.assert_array_equal(x, vector[None, None, None])
    assert HANDMADE.shape == (1, handmade.N_FEATURES)
    assert HANDMADE.piece_duration_s == 0


def test_real_music_at_every_written_input(audio: Path) -> None:
    path = min((audio / "clips").glob("gtzan-*.opus"))
    for params in (MEL_22K, MFCC_22K, MFCC_30S, MEL_G4):
        found = inputs.pieces(path, params)
        assert found.shape[1:] == params.shape
        assert np.abs(found).max() <= 1
        assert found.std(dtype=np.float64) > 0.01
    assert genres.SYSTEMS["cnn1d-mel"].inputs == MEL_22K


def test_too_short_for_a_frame(tmp_path: Path) -> None:
    path = sounds.tone(tmp_path / "a.wav", 0.01)
    with pytest.raises(AudioDecodeError, match="too short"):
        inputs.pieces(path, MEL)
    x, failures = inputs.load([path], MEL, k=1)
    assert not x.any()
    assert failures[0][0] == path

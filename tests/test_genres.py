import dataclasses
from collections.abc import Iterator
from pathlib import Path

import mutagen
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import sounds
from recommender import genres, preprocessor, spectrogram
from recommender.errors import AudioDecodeError, CheckpointError, DatasetError
from recommender.genres import FragmentSet, GenreModel, LabelledTrack
from recommender.parameters import SpectrogramParams, TrainingParams
from test_audio import encode, noise

PARAMS = SpectrogramParams(n_frames=8, n_mels=16)  # fragments of a second
TRAINING = TrainingParams(
    epochs=6, batch_size=16, optimizer="adam", learning_rate=1e-3, loss="bce", patience=5
)
SR = 44_100


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are small: a second thread costs more than it brings."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def toy(n: int, seed: int) -> FragmentSet:
    """Two genres: energy in the lower and in the upper half of the bands."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = rng.normal(-0.5, 0.2, (n, 4, PARAMS.n_frames, PARAMS.n_mels))
    x[y == 0, :, :, :8] += 0.6
    x[y == 1, :, :, 8:] += 0.6
    return FragmentSet(x=x.astype(np.float32), y=y)


@pytest.fixture(scope="module")
def model() -> GenreModel:
    return genres.train(
        toy(40, seed=0),
        toy(10, seed=1),
        genres=["low", "high"],
        params=PARAMS,
        training_params=TRAINING,
        provenance={"note": "toy"},
    )


def weights(model: GenreModel) -> list[NDArray[np.float32]]:
    return [tensor.numpy().copy() for tensor in model.network.state_dict().values()]


def same(one: GenreModel, other: GenreModel) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


# Training -----------------------------------------------------------------------------------------


def test_learns_to_tell_genres_apart(model: GenreModel) -> None:
    unknown = toy(30, seed=2)
    shares = genres.track_shares(model.network, unknown.x)
    assert shares.shape == (30, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(shares.argmax(axis=1), unknown.y)
    assert (model.genres, model.params, model.provenance) == (
        ("low", "high"),
        PARAMS,
        {"note": "toy"},
    )


def test_a_tracks_shares_are_the_means_of_its_fragments(model: GenreModel) -> None:
    x = toy(3, seed=3).x
    with torch.inference_mode():
        single = model.network(torch.from_numpy(x.reshape(-1, 8, 16))).exp().numpy()
    expected = single.reshape(3, 4, 2).mean(axis=1)
    np.testing.assert_allclose(genres.track_shares(model.network, x), expected, atol=1e-6)


def test_same_seed_same_network() -> None:
    def trained(seed: int) -> GenreModel:
        params = dataclasses.replace(TRAINING, epochs=2, seed=seed)
        return genres.train(
            toy(8, seed=0), None, genres=["a", "b"], params=PARAMS, training_params=params
        )

    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = trained(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert same(one, trained(3))
    assert not same(one, trained(4))


def test_bands_are_standardised_over_the_training_set() -> None:
    training_set = toy(8, seed=0)
    params = dataclasses.replace(TRAINING, epochs=1)
    names = ["a", "b"]
    plain, standardised = (
        genres.train(
            training_set,
            None,
            genres=names,
            params=PARAMS,
            training_params=params,
            standardise=standardise,
        ).network
        for standardise in (False, True)
    )
    assert (plain.band_mean == 0).all()
    assert (plain.band_std == 1).all()
    with torch.inference_mode():
        x = torch.from_numpy(training_set.x.reshape(-1, 16))
        x = (x - standardised.band_mean) / standardised.band_std
    # A thousandth is added to each deviation, so that a silent band divides by something.
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(0), 1, atol=5e-3)


# Files --------------------------------------------------------------------------------------------


def test_what_is_saved_comes_back(model: GenreModel, tmp_path: Path) -> None:
    genres.save(tmp_path / "g", model)
    loaded = genres.load(tmp_path / "g")
    assert (loaded.params, loaded.genres, loaded.provenance) == (
        model.params,
        model.genres,
        model.provenance,
    )
    assert same(loaded, model)
    assert not loaded.network.training
    x = toy(5, seed=4).x
    np.testing.assert_array_equal(
        genres.track_shares(loaded.network, x), genres.track_shares(model.network, x)
    )


def test_a_cut_network_gives_the_features_of_the_whole(model: GenreModel, tmp_path: Path) -> None:
    genres.cut(model, tmp_path / "p")
    cut = preprocessor.load(tmp_path / "p")
    assert (cut.params, cut.genres, cut.provenance) == (PARAMS, model.genres, {"note": "toy"})
    x = toy(5, seed=5).x.reshape(-1, 8, 16)
    with torch.inference_mode():
        expected = model.network.features(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(cut(x), expected, rtol=0, atol=6e-6)  # measured: 1.9e-6


def test_a_network_is_no_preprocessor(model: GenreModel, tmp_path: Path) -> None:
    genres.save(tmp_path / "g", model)
    genres.cut(model, tmp_path / "p")
    with pytest.raises(CheckpointError, match="holds a genre, but a preprocessor is needed"):
        preprocessor.load(tmp_path / "g")
    with pytest.raises(CheckpointError, match="holds a preprocessor, but a genre is needed"):
        genres.load(tmp_path / "p")


def test_genres_that_do_not_fit_their_network(model: GenreModel, tmp_path: Path) -> None:
    genres.save(tmp_path / "g", dataclasses.replace(model, genres=("one",)))
    with pytest.raises(CheckpointError, match=r"'dense3\.\w+' has shape \(2,"):
        genres.load(tmp_path / "g")


# Predicting ---------------------------------------------------------------------------------------


def test_predicts_each_fragment_of_a_file(model: GenreModel, tmp_path: Path) -> None:
    y = noise(3 * SR)
    path = encode(tmp_path / "a.flac", y)
    found = genres.predict(path, model)
    with torch.inference_mode():
        fragments = torch.from_numpy(spectrogram.transform(y, PARAMS))
        expected = model.network(fragments).exp().numpy()
    assert found.shape == (3, 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_predicting_what_is_no_music(model: GenreModel, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"no sound")
    with pytest.raises(AudioDecodeError, match=r"a\.mp3"):
        genres.predict(tmp_path / "a.mp3", model)


# Tracks -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for name, artist in {
        "jazz/a.flac": "Nina",
        "jazz/deep/b.flac": "",
        "jazz/deep/b2.flac": "",
        "rock/c.flac": "NINA",
        "rock/d.flac": "",
    }.items():
        path = sounds.tone(folder / name, 2)
        if artist:
            file = mutagen.File(path, easy=True)
            file["artist"] = artist
            file.save()
    sounds.tone(folder / "loose.flac", 1)
    return folder


def test_folders_are_genres_and_artists_are_groups(music: Path) -> None:
    a, b, b2, c, d = genres.find_tracks(music)
    assert [track.path.name for track in (a, b, b2, c, d)] == [
        "a.flac",
        "b.flac",
        "b2.flac",
        "c.flac",
        "d.flac",
    ]
    assert [track.genre for track in (a, b, b2, c, d)] == ["jazz", "jazz", "jazz", "rock", "rock"]
    assert a.group == c.group == "nina"
    assert b.group == b2.group not in (a.group, d.group)  # an album's folder
    assert d.group not in ("", "nina")


def test_one_genre_is_none(music: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such folder"):
        genres.find_tracks(tmp_path / "missing")
    with pytest.raises(DatasetError, match="at least two folders"):
        genres.find_tracks(music / "jazz")


def labelled(n_artists: int, n_tracks: int = 3) -> list[LabelledTrack]:
    return [
        LabelledTrack(path=Path(f"/{artist}/{n}"), genre="any", group=f"artist {artist}")
        for artist in range(n_artists)
        for n in range(n_tracks)
    ]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_an_artist_is_on_one_side_of_a_split(share: float) -> None:
    tracks = labelled(600)
    held_out = genres.split(tracks, share, seed=0)
    assert held_out.shape == (1_800,)
    by_artist = held_out.reshape(600, 3)
    assert (by_artist == by_artist[:, :1]).all()
    # Three standard deviations of 600 draws: 0.06 for a half.
    assert abs(held_out.mean() - share) < 3 * np.sqrt(share * (1 - share) / 600)


def test_a_split_does_not_depend_on_the_other_tracks() -> None:
    tracks = labelled(100)
    whole = genres.split(tracks, 0.3, seed=0)
    np.testing.assert_array_equal(genres.split(tracks[::-1], 0.3, seed=0), whole[::-1])
    np.testing.assert_array_equal(genres.split(tracks[50:], 0.3, seed=0), whole[50:])
    assert (genres.split(tracks, 0.3, seed=1) != whole).any()


def test_fragments_of_files_in_their_order(music: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    short = encode(tmp_path / "short.wav", noise(SR // 2))
    paths = [music / "jazz/a.flac", tmp_path / "bad.wav", short]
    steps: list[tuple[int, int]] = []
    x, failures = genres.load_fragments(
        paths, PARAMS, k=3, jobs=2, on_track=lambda *step: steps.append(step)
    )
    assert x.shape == (3, 3, 8, 16)
    assert x.dtype == np.float32
    assert [path for path, _ in failures] == [tmp_path / "bad.wav"]
    assert (x[1] == 0).all()
    assert (x[2] == x[2][0]).all()  # too short for more than one: repeated
    assert not (x[2] == 0).all()
    assert steps == [(1, 3), (2, 3), (3, 3)]
    again, _ = genres.load_fragments(paths, PARAMS, k=3, jobs=1)
    np.testing.assert_array_equal(again, x)
    other, _ = genres.load_fragments(paths, PARAMS, k=3, seed=1)
    assert (other[0] != x[0]).any()

"""Genre systems: described, adapted, trained, kept in files, cut."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recommender import checkpoint, genres, preprocessor, spectrogram
from recommender.errors import AudioDecodeError, CheckpointError, ParameterError
from recommender.genres import SYSTEMS, GenreModel, System, adapting, inputs, learning, som
from recommender.genres.inputs import InputParams
from recommender.networks import GenreNetwork
from recommender.parameters import SpectrogramParams
from recommender.training import Epoch
from test_audio import encode, noise

PARAMS = SpectrogramParams(n_frames=8, n_mels=16)  # fragments of a second
INPUTS = InputParams(kind="mel", spectrogram=PARAMS)
SR = 44_100
GENRES = ("low", "high")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are small: a second thread costs more than it brings."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def toy(n: int, seed: int, k: int = 4, shape: tuple[int, int] = (8, 16)) -> learning.Examples:
    """Two genres: energy in the lower and in the upper half of the bands."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = rng.normal(-0.5, 0.2, (n, k, *shape))
    half = shape[1] // 2
    x[y == 0, :, :, :half] += 0.6
    x[y == 1, :, :, half:] += 0.6
    return x.astype(np.float32), y


def small(name: str = "thesis-log", **training: Any) -> System:
    """A system on tiny pieces, trained for a few epochs."""
    system = dataclasses.replace(SYSTEMS[name], inputs=INPUTS)
    if system.training is None:
        return system
    return adapting.with_training(system, **({"epochs": 6, "batch_size": 16} | training))


@pytest.fixture(scope="module")
def model() -> GenreModel:
    found, _ = learning.train(small(), toy(40, seed=0), genres=GENRES, validation=toy(10, seed=1))
    return dataclasses.replace(found, provenance={"note": "toy"})


def weights(model: GenreModel) -> list[NDArray[np.float32]]:
    return [tensor.numpy().copy() for tensor in model.network.state_dict().values()]


def same(one: GenreModel, other: GenreModel) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


# Systems ------------------------------------------------------------------------------------------

WRITTEN = {
    "thesis": 1,
    "thesis-log": 0,
    "conv-lstm": 60,
    "cnn1d-mel": 78.9,
    "cnn1d-mfcc": 90.5,
    "cnn2d-mel": 73,
    "cnn2d-mfcc": 77.8,
    "lstm-mel": 47.6,
    "lstm-mfcc": 72.2,
    "crnn-mel": 78.1,
    "crnn-mfcc": 87.9,
    "parallel-mel": 64.6,
    "parallel-mfcc": 83,
    "svc": 59.92,
    "catboost": 59.34,
    "gradient-boosting": 57.13,
    "random-forest": 56.23,
    "logistic": 53.59,
    "patch-lstm": 54.01,
    "patch-cnn": 53.28,
    "patch-logistic": 52.63,
    "patch-dense": 48.32,
    "small-cnn2d": 68,
    "small-dense": 45,
}


def test_every_written_system_is_there_with_its_published_figure() -> None:
    assert set(SYSTEMS) == {*WRITTEN, "feed-forward", "som", "frozen"}
    assert not SYSTEMS["frozen"].published  # nobody but this project has it
    for name, figure in WRITTEN.items():
        if figure > 1:
            assert SYSTEMS[name].published.split()[0] in (f"{figure:g}", f"{figure:.2f}")
    for name, system in SYSTEMS.items():
        assert system.name == name
        assert system.title and system.source


@pytest.mark.parametrize("name", [n for n, s in SYSTEMS.items() if not isinstance(s.build, str)])
def test_networks_take_what_their_systems_hear(name: str) -> None:
    system = SYSTEMS[name]
    torch.manual_seed(0)
    network = system.network(system.inputs.shape, 7).eval()
    with torch.inference_mode():
        shares = network(torch.randn(2, *system.inputs.shape)).exp()
    assert shares.shape == (2, 7)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert system.training is not None and system.training.loss == "cross_entropy"


def test_hyperparameters_that_do_not_exist_are_refused() -> None:
    system = dataclasses.replace(SYSTEMS["patch-lstm"], settings={"height": 3})
    with pytest.raises(ParameterError, match=r"patch-lstm: .*height"):
        system.network((30, 128), 2)
    with pytest.raises(ParameterError, match="svc is no network"):
        SYSTEMS["svc"].network((1, 210), 2)


def test_systems_are_adapted() -> None:
    system = adapting.with_pieces(SYSTEMS["thesis"], 10)
    assert (system.n_pieces, system.n_drawn) == (10, 5)
    assert adapting.with_pieces(SYSTEMS["cnn1d-mel"], 3).n_drawn is None
    trained = adapting.with_training(SYSTEMS["cnn1d-mel"], epochs=3, precision="bfloat16").training
    assert trained is not None
    assert (trained.epochs, trained.precision, trained.learning_rate) == (3, "bfloat16", 1e-4)
    path = str(adapting.with_embedding(SYSTEMS["patch-cnn"], "a.onnx").inputs.embedding)
    assert Path(path).is_absolute() and path.endswith("a.onnx")
    for name in ("patch-cnn", "frozen"):
        assert adapting.with_embedding(SYSTEMS[name], "thesis").inputs.embedding == "thesis"


def test_systems_refuse_what_they_have_not() -> None:
    with pytest.raises(ParameterError, match="no network 'x'; there are: thesis,"):
        adapting.find("x")
    with pytest.raises(ParameterError, match="leave out --epochs, --batch-size"):
        adapting.with_training(SYSTEMS["svc"], epochs=1, batch_size=2)
    with pytest.raises(ParameterError, match="cannot be trained so"):
        adapting.with_training(SYSTEMS["thesis"], speed=1)
    with pytest.raises(ParameterError, match="whole track as one"):
        adapting.with_pieces(SYSTEMS["svc"], 2)
    with pytest.raises(ParameterError, match="does not hear a frozen network"):
        adapting.with_embedding(SYSTEMS["svc"], "thesis")


def test_settings_from_tuning(tmp_path: Path) -> None:
    path = tmp_path / "best.json"
    found = {"network": "patch-lstm", "settings": {"hidden": 8}, "training": {"batch_size": 16}}
    path.write_text(json.dumps(found))
    system = adapting.with_settings(SYSTEMS["patch-lstm"], adapting.read_settings(path))
    assert system.settings == {"hidden": 8}
    assert system.training is not None and system.training.batch_size == 16
    with pytest.raises(ParameterError, match="of 'patch-lstm', not of 'thesis'"):
        adapting.with_settings(SYSTEMS["thesis"], adapting.read_settings(path))
    for content in ("{", "[]", '{"network": "patch-lstm"}'):
        path.write_text(content)
        with pytest.raises(ParameterError, match=r"best\.json: these are no settings"):
            adapting.read_settings(path)
    with pytest.raises(ParameterError, match=r"missing\.json: cannot be read"):
        adapting.read_settings(tmp_path / "missing.json")


# Training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["thesis-log", "som", "svc", "random-forest"])
def test_learns_to_tell_genres_apart(name: str) -> None:
    found, history = learning.train(
        small(name), toy(40, seed=0), genres=GENRES, validation=toy(10, seed=1)
    )
    assert bool(history) == (name == "thesis-log")
    x, y = toy(30, seed=2)
    shares = found.shares(x)
    assert shares.shape == (30, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(shares.argmax(axis=1), y)
    assert found.kind == {"thesis-log": "network", "som": "map"}.get(name, "classical")


def test_a_tracks_shares_are_the_means_of_its_pieces(model: GenreModel) -> None:
    x, _ = toy(3, seed=3)
    with torch.inference_mode():
        single = model.network(torch.from_numpy(x.reshape(-1, 8, 16))).exp().numpy()
    expected = single.reshape(3, 4, 2).mean(axis=1)
    np.testing.assert_allclose(model.shares(x), expected, atol=1e-6)


def test_same_seed_same_network() -> None:
    def trained(seed: int) -> GenreModel:
        return learning.train(small(epochs=2), toy(8, seed=0), genres=GENRES, seed=seed)[0]

    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = trained(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert same(one, trained(3))
    assert not same(one, trained(4))


def test_bands_are_standardised_over_the_training_set() -> None:
    examples = toy(100, seed=0)  # more tracks than are summed up at a time
    plain, _ = learning.train(small("thesis", epochs=1), examples, genres=GENRES)
    standardised, _ = learning.train(small(epochs=1), examples, genres=GENRES)
    assert (plain.network.band_mean == 0).all()
    assert (plain.network.band_std == 1).all()
    bands = examples[0].reshape(-1, 16)
    np.testing.assert_allclose(standardised.network.band_mean, bands.mean(0), atol=1e-6)
    # A thousandth is added, so that a silent band is divided by something.
    np.testing.assert_allclose(standardised.network.band_std, bands.std(0) + 1e-3, rtol=1e-5)


def test_class_weights_make_up_for_rare_genres() -> None:
    """One sound, nine tenths of one genre: the best shares are 0.1, or 0.5 with weights."""
    x = np.zeros((60, 1, 8, 16), np.float32)
    y = (np.arange(60) % 10 == 0).astype(np.int64)
    system = small("small-dense", epochs=60, batch_size=60, learning_rate=0.02)
    for weighted, expected in ((False, 0.1), (True, 0.5)):
        found, _ = learning.train(system, (x, y), genres=GENRES, class_weights=weighted)
        # Measured: 0.002 from it.
        np.testing.assert_allclose(found.shares(x)[:, 1], expected, rtol=0, atol=0.02)
    with pytest.raises(ParameterError, match="svc is no network"):
        learning.train(small("svc"), (x, y), genres=GENRES, class_weights=True)


class StoppedError(Exception):
    pass


def test_an_interrupted_training_goes_on(tmp_path: Path) -> None:
    examples, validation = toy(20, seed=0), toy(6, seed=1)

    def train(state: Path | None, stop_at: int | None = None, seed: int = 0) -> GenreModel:
        def on_epoch(epoch: Epoch) -> None:
            if epoch.number == stop_at:
                raise StoppedError

        return learning.train(
            small(epochs=4),
            examples,
            genres=GENRES,
            validation=validation,
            seed=seed,
            state=state,
            on_epoch=on_epoch,
        )[0]

    undisturbed = train(None)
    state = tmp_path / "state"
    with pytest.raises(StoppedError):
        train(state, stop_at=2)
    with pytest.raises(CheckpointError, match="state"):
        train(state, seed=1)  # another training
    assert same(train(state), undisturbed)


def test_no_other_trainings_state_is_gone_on_with(tmp_path: Path) -> None:
    state = tmp_path / "state"
    learning.train(small(epochs=1), toy(8, seed=0), genres=GENRES, state=state)
    with pytest.raises(CheckpointError, match="state"):
        learning.train(small(epochs=1), toy(8, seed=1), genres=GENRES, state=state)


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["thesis-log", "small-dense", "som", "svc", "catboost"])
def test_what_is_saved_comes_back(name: str, tmp_path: Path) -> None:
    found, _ = learning.train(small(name, epochs=1), toy(20, seed=0), genres=GENRES)
    found = dataclasses.replace(found, provenance={"note": "toy"})
    genres.save(tmp_path / "g", found)
    loaded = genres.load(tmp_path / "g")
    assert (loaded.genres, loaded.provenance) == (GENRES, {"note": "toy"})
    assert (loaded.system.name, loaded.system.inputs) == (name, INPUTS)
    assert loaded.kind == found.kind
    x, _ = toy(5, seed=4)
    np.testing.assert_array_equal(loaded.shares(x), found.shares(x))


def test_a_cut_network_gives_the_features_of_the_whole(model: GenreModel, tmp_path: Path) -> None:
    genres.cut(model, tmp_path / "p")
    cut = preprocessor.load(tmp_path / "p")
    assert (cut.params, cut.genres, cut.provenance) == (PARAMS, model.genres, {"note": "toy"})
    x = toy(5, seed=5)[0].reshape(-1, 8, 16)
    network = model.network
    assert isinstance(network, GenreNetwork)
    with torch.inference_mode():
        expected = network.features(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(cut(x), expected, rtol=0, atol=6e-6)  # measured: 1.9e-6


def test_only_the_thesis_network_can_be_cut(tmp_path: Path) -> None:
    found, _ = learning.train(small("som"), toy(20, seed=0), genres=GENRES)
    with pytest.raises(
        ParameterError, match=r"som has no layers .* these have: thesis, thesis-log"
    ):
        genres.cut(found, tmp_path / "p")


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


@pytest.mark.parametrize(
    "change",
    [
        {"system": "nonsense"},
        {"system": "svc"},
        {"system": "som"},
        {"inputs": None},
        {"inputs": {"kind": "mel"}},
        {"inputs": {"kind": "mel", "spectrogram": {"sr": -1}}},
        {"settings": {"height": 3}},
        {"settings": 3},
        {"genres": 3},
        {"provenance": None},
        {"embedding": "0123456789abcdef"},
    ],
    ids=str,
)
def test_manifests_that_do_not_fit(
    model: GenreModel, tmp_path: Path, change: dict[str, Any]
) -> None:
    genres.save(tmp_path / "g", model)
    tensors, manifest = checkpoint.load(tmp_path / "g", "genre")
    checkpoint.save(tmp_path / "g", "genre", tensors, manifest | change)
    with pytest.raises(CheckpointError, match=r"/g: "):
        genres.load(tmp_path / "g")


def test_files_of_before_still_load(model: GenreModel, tmp_path: Path) -> None:
    """The thesis's network was the only one: its files named a spectrogram and no system."""
    genres.save(tmp_path / "g", model)
    tensors, manifest = checkpoint.load(tmp_path / "g", "genre")
    old = {
        "spectrogram": manifest["inputs"]["spectrogram"],
        "genres": manifest["genres"],
        "provenance": manifest["provenance"],
    }
    checkpoint.save(tmp_path / "g", "genre", tensors, old)
    loaded = genres.load(tmp_path / "g")
    assert (loaded.system.name, loaded.system.inputs) == ("thesis", INPUTS)  # not in decibels
    assert same(loaded, model)


def test_a_manifest_that_asks_for_much_memory_gets_none(model: GenreModel, tmp_path: Path) -> None:
    genres.save(tmp_path / "g", model)
    tensors, manifest = checkpoint.load(tmp_path / "g", "genre")
    manifest["inputs"]["spectrogram"]["n_frames"] = 10**9  # a terabyte of weights
    checkpoint.save(tmp_path / "g", "genre", tensors, manifest)
    with pytest.raises(CheckpointError, match="has shape"):
        genres.load(tmp_path / "g")


def test_patches_of_another_network_are_refused(tmp_path: Path) -> None:
    """The shipped network may change with a version; what was trained on its patches does not."""
    system = adapting.with_training(SYSTEMS["patch-dense"], epochs=1)
    examples = toy(8, seed=0, k=1, shape=system.inputs.shape)
    found, _ = learning.train(system, examples, genres=GENRES)
    genres.save(tmp_path / "g", found)
    assert genres.load(tmp_path / "g").system.inputs == system.inputs
    tensors, manifest = checkpoint.load(tmp_path / "g", "genre")
    checkpoint.save(tmp_path / "g", "genre", tensors, manifest | {"embedding": "0" * 16})
    with pytest.raises(CheckpointError, match=r"another network .* default; train it again"):
        genres.load(tmp_path / "g")


# Predicting ---------------------------------------------------------------------------------------


def test_predicts_each_piece_of_a_file(model: GenreModel, tmp_path: Path) -> None:
    y = noise(3 * SR)
    path = encode(tmp_path / "a.flac", y)
    found = model.predict(path)
    with torch.inference_mode():
        fragments = torch.from_numpy(spectrogram.transform(y, PARAMS))
        expected = model.network(fragments).exp().numpy()
    assert found.shape == (3, 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert model.piece_duration_s == 1.0


def test_maps_predict_by_means_and_deviations(tmp_path: Path) -> None:
    found, _ = learning.train(small("som"), toy(20, seed=0), genres=GENRES)
    path = encode(tmp_path / "a.flac", noise(2 * SR))
    pieces = inputs.pieces(path, INPUTS)
    expected = som.shares(found.classifier, som.vectors(pieces))
    np.testing.assert_array_equal(found.predict(path), expected)


def test_predicting_what_is_no_music(model: GenreModel, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"no sound")
    with pytest.raises(AudioDecodeError, match=r"a\.mp3"):
        model.predict(tmp_path / "a.mp3")

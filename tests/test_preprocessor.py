import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from recommender import checkpoint, preprocessor, timbre
from recommender.errors import CheckpointError, ParameterError
from recommender.networks import GenreNetwork
from recommender.parameters import RECIPES, ConvolutionParams, SpectrogramParams
from recommender.preprocessor import Preprocessor

PARAMS = SpectrogramParams(n_frames=20, n_mels=12)


def network_for(params: SpectrogramParams, seed: int = 0) -> GenreNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = GenreNetwork(
            ConvolutionParams(n_frames=params.n_frames, n_mels=params.n_mels), n_genres=3
        )
        network.band_mean.uniform_(-0.5, 0.5)
        network.band_std.uniform_(0.2, 1.0)
    return network.eval()


def convolutions(network: GenreNetwork) -> dict[str, NDArray[np.float32]]:
    state = network.state_dict()
    return {name: t.numpy() for name, t in state.items() if not name.startswith("dense")}


def saved(path: Path, params: SpectrogramParams = PARAMS, seed: int = 0) -> Path:
    preprocessor.save(
        path,
        convolutions(network_for(params, seed)),
        params=params,
        genres=("jazz", "rock", "ska"),
        provenance={"n_tracks": 7},
    )
    return path


def fragments(n: int, params: SpectrogramParams) -> NDArray[np.float32]:
    rng = np.random.default_rng(n)
    return rng.uniform(-1, 1, (n, params.n_frames, params.n_mels)).astype(np.float32)


def described(t: dict[str, NDArray[np.float32]], x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features in two dimensions and double precision, as the thesis describes the layers."""
    w = {name: torch.from_numpy(values.astype(np.float64)) for name, values in t.items()}
    y = (torch.from_numpy(x.astype(np.float64)) - w["band_mean"]) / w["band_std"]
    first = w["conv1.weight"].transpose(1, 2)[:, None]  # kernels of 4 frames x 128 bands
    y = functional.relu(functional.conv2d(y[:, None], first, w["conv1.bias"]))
    y = functional.max_pool2d(y, (2, 1))
    y = y.permute(0, 3, 1, 2)  # the maps become the frequency axis
    second = w["conv2.weight"][:, None]  # kernels of 256 maps x 2 steps
    y = functional.relu(functional.conv2d(y, second, w["conv2.bias"]))
    y = functional.max_pool2d(y, (1, 2), ceil_mode=True)
    return np.asarray(y.reshape(len(x), -1).numpy())


SHAPES = [(64, 128), (63, 128), (20, 12), (7, 5), (8, 5), (9, 5), (10, 5)]


@pytest.mark.parametrize(("n_frames", "n_mels"), SHAPES)
def test_features_are_those_described(tmp_path: Path, n_frames: int, n_mels: int) -> None:
    params = SpectrogramParams(n_frames=n_frames, n_mels=n_mels)
    network, x = network_for(params), fragments(35, params)  # more than are computed at a time
    found = preprocessor.load(saved(tmp_path / "p", params))(x)
    expected = described(convolutions(network), x)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    # Measured for features up to 2.2: 1.2e-6.
    np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6)
    with torch.inference_mode():
        by_torch = network.features(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, by_torch, rtol=0, atol=4e-6)
    assert (found >= 0).all()


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_shipped_fits_its_recipe(name: str) -> None:
    shipped = preprocessor.load(name)
    assert shipped.params == RECIPES[name].spectrogram
    assert shipped.n_convolved == 1_920
    x = fragments(3, shipped.params)
    found, expected = shipped(x)[:, :1_920], described(shipped.tensors, x)
    # Relative to the largest feature, since these weights are whatever was learned.
    # Measured with random weights: 6e-7.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())


def test_statistics_of_timbre_follow_where_there_are_decibels(tmp_path: Path) -> None:
    params = SpectrogramParams(compression="log")
    loaded, x = preprocessor.load(saved(tmp_path / "p", params)), fragments(35, params)
    assert loaded.n_features == 1_920 + timbre.n_statistics()
    found = loaded(x)
    expected = described(convolutions(network_for(params)), x)
    np.testing.assert_allclose(found[:, :1_920], expected, rtol=0, atol=4e-6)
    np.testing.assert_array_equal(found[32:, 1_920:], timbre.statistics(x[32:]))
    np.testing.assert_array_equal(found[:32, 1_920:], timbre.statistics(x[:32]))


def test_the_thesis_has_1920_features() -> None:
    shipped = preprocessor.load("thesis")
    assert shipped.n_features == 1_920
    assert shipped(np.full((1, 64, 128), -1, np.float32)).shape == (1, 1_920)


def test_no_fragments_no_features(tmp_path: Path) -> None:
    loaded = preprocessor.load(saved(tmp_path / "p"))
    assert loaded(fragments(0, PARAMS)).shape == (0, loaded.n_features)


def test_a_fragment_alone_has_the_features_that_it_has_among_others(tmp_path: Path) -> None:
    loaded, x = preprocessor.load(saved(tmp_path / "p")), fragments(70, PARAMS)
    together = loaded(x)
    for i in (0, 31, 32, 69):
        # Sums are grouped differently. Measured: 9.6e-7.
        np.testing.assert_allclose(loaded(x[i : i + 1])[0], together[i], rtol=0, atol=4e-6)


@pytest.mark.parametrize("shape", [(2, 64, 128), (2, 12, 20), (2, 19, 12), (20, 12)])
def test_fragments_of_another_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    loaded = preprocessor.load(saved(tmp_path / "p"))
    with pytest.raises(ParameterError, match=r"\(20, 12\) are needed"):
        loaded(np.zeros(shape, np.float32))


# Files --------------------------------------------------------------------------------------------


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    loaded = preprocessor.load(saved(tmp_path / "p"))
    assert loaded.params == PARAMS
    assert loaded.genres == ("jazz", "rock", "ska")
    assert loaded.provenance == {"n_tracks": 7}
    for name, expected in convolutions(network_for(PARAMS)).items():
        np.testing.assert_array_equal(loaded.tensors[name], expected)


def test_weights_and_spectrogram_make_the_fingerprint(tmp_path: Path) -> None:
    def fingerprint(params: SpectrogramParams = PARAMS, seed: int = 0, name: str = "p") -> str:
        return preprocessor.load(saved(tmp_path / name, params, seed)).fingerprint

    assert fingerprint() == fingerprint(name="elsewhere")
    assert fingerprint() != fingerprint(seed=1)
    assert fingerprint() != fingerprint(dataclasses.replace(PARAMS, window="hann"))


def test_provenance_does_not_make_the_fingerprint(tmp_path: Path) -> None:
    tensors = convolutions(network_for(PARAMS))
    fingerprints = set()
    for provenance in ({}, {"note": "trained twice"}):
        preprocessor.save(
            tmp_path / "p", tensors, params=PARAMS, genres=("a", "b"), provenance=provenance
        )
        fingerprints.add(preprocessor.load(tmp_path / "p").fingerprint)
    assert len(fingerprints) == 1


@pytest.mark.parametrize("name", ["missing", Path("/nowhere/missing")])
def test_no_such_preprocessor(name: str | Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file"):
        preprocessor.load(name)


def test_weights_that_do_not_fit_their_parameters(tmp_path: Path) -> None:
    tensors = convolutions(network_for(PARAMS))
    other = dataclasses.replace(PARAMS, n_mels=13)
    arguments: dict[str, Any] = {"params": other, "genres": (), "provenance": {}}
    with pytest.raises(CheckpointError, match=r"'band_mean' has shape \(12,\)"):
        preprocessor.save(tmp_path / "p", tensors, **arguments)
    assert not (tmp_path / "p").exists()
    manifest = {"spectrogram": dataclasses.asdict(other), "genres": [], "provenance": {}}
    checkpoint.save(tmp_path / "p", "preprocessor", tensors, manifest)
    with pytest.raises(CheckpointError, match=r"'band_mean' has shape \(12,\)"):
        preprocessor.load(tmp_path / "p")


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    tensors = convolutions(network_for(PARAMS))
    tensors["conv2.bias"][3] = np.nan
    with pytest.raises(CheckpointError, match=r"'conv2\.bias' holds values that are not finite"):
        preprocessor.save(tmp_path / "p", tensors, params=PARAMS, genres=(), provenance={})


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"spectrogram": {}},
        {"spectrogram": {"sr": "fast"}, "genres": [], "provenance": {}},
        {"spectrogram": {"sr": 0}, "genres": [], "provenance": {}},
        {"spectrogram": {"nonsense": 1}, "genres": [], "provenance": {}},
        {"spectrogram": {}, "genres": None, "provenance": {}},
        {"spectrogram": {}, "genres": [], "provenance": 3},
        {"spectrogram": {"n_frames": 3}, "genres": [], "provenance": {}},
    ],
    ids=str,
)
def test_manifests_that_do_not_fit(tmp_path: Path, wrong: Any) -> None:
    checkpoint.save(tmp_path / "p", "preprocessor", convolutions(network_for(PARAMS)), wrong)
    with pytest.raises(CheckpointError, match="manifest does not fit") as caught:
        preprocessor.load(tmp_path / "p")
    assert str(tmp_path / "p") in str(caught.value)


# Finding the one that a profile needs -------------------------------------------------------------


def same(one: Preprocessor, other: Preprocessor) -> bool:
    return one.fingerprint == other.fingerprint and all(
        np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors
    )


@pytest.mark.parametrize("name", RECIPES)
def test_finds_what_is_shipped(tmp_path: Path, name: str) -> None:
    shipped = preprocessor.load(name)
    assert same(preprocessor.find(shipped.fingerprint, tmp_path), shipped)


def test_finds_what_is_kept(tmp_path: Path) -> None:
    source, home = saved(tmp_path / "p"), tmp_path / "home"
    own = preprocessor.load(source)
    with pytest.raises(CheckpointError, match=f"{own.fingerprint} is neither shipped"):
        preprocessor.find(own.fingerprint, home)
    preprocessor.keep(source, own, home)
    preprocessor.keep(source, own, home)
    source.unlink()
    assert same(preprocessor.find(own.fingerprint, home), own)

import dataclasses
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional

from recommender import checkpoint, preprocessor, spectrogram, timbre
from recommender.errors import CheckpointError, ParameterError
from recommender.networks import GenreNetwork
from recommender.parameters import SHIPPED, ConvolutionParams, FusionParams, SpectrogramParams
from recommender.preprocessor import Preprocessor, layers

PARAMS = SpectrogramParams(n_frames=20, n_mels=12)

SR = 8_000
SMALL = SpectrogramParams(
    sr=SR,
    frame_duration_s=0.05,
    hop_duration_s=0.05,
    window="hann",
    fmax=4_000,
    n_mels=32,
    n_frames=16,
    compression="log",
)  # fragments of 0.8 s
FUSION = FusionParams(
    fine_frame_length=128, fine_hop_length=64, n_hidden=24, n_embedding=12, n_features=10
)
FINE = timbre.fine_params(SMALL, frame_length=128, hop_length=64)
LENGTH = SMALL.fragment_length


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


def fused(path: Path, fusion: FusionParams = FUSION, seed: int = 0) -> Preprocessor:
    """A fused network of random weights, whose outputs are about as large as its inputs."""
    rng = np.random.default_rng(seed)
    shape = ConvolutionParams(n_frames=SMALL.n_frames, n_mels=SMALL.n_mels)
    tensors = {}
    for name, size in layers.fused_shapes(shape, fusion).items():
        if name.endswith("_std"):
            values = rng.uniform(0.5, 2, size)
        elif name.endswith("weight"):
            values = rng.normal(0, np.sqrt(2 / np.prod(size[1:])), size)
        else:
            values = rng.normal(0, 0.3, size)
        tensors[name] = values.astype(np.float32)
    preprocessor.save(
        path, tensors, params=SMALL, fusion=fusion, genres=("jazz", "ska"), provenance={}
    )
    return preprocessor.load(path)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Preprocessor:
    return fused(tmp_path_factory.mktemp("fused") / "p")


@pytest.fixture(scope="module")
def convolved(tmp_path_factory: pytest.TempPathFactory) -> Preprocessor:
    """The thesis's kind of network, on as short fragments."""
    params = dataclasses.replace(SMALL, window="rectangular", compression="linear")
    return preprocessor.load(saved(tmp_path_factory.mktemp("convolved") / "p", params))


@pytest.fixture(scope="module")
def default() -> Preprocessor:
    return preprocessor.load()


def music(n_samples: int, seed: int = 0) -> NDArray[np.int16]:
    """Noise that grows and fades, with a tone."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples) / SR
    y = rng.normal(0, 3_000, n_samples) * (1.1 + np.sin(3 * t)) + 4_000 * np.sin(2_000 * t)
    return np.asarray(y.clip(-32_768, 32_767), np.int16)


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


def test_statistics_of_timbre_follow_where_there_are_decibels(tmp_path: Path) -> None:
    params = SpectrogramParams(compression="log")
    loaded, x = preprocessor.load(saved(tmp_path / "p", params)), fragments(35, params)
    assert loaded.n_features == 1_920 + timbre.n_statistics()
    found = loaded(x)
    expected = described(convolutions(network_for(params)), x)
    np.testing.assert_allclose(found[:, :1_920], expected, rtol=0, atol=4e-6)
    np.testing.assert_array_equal(found[32:, 1_920:], timbre.statistics(x[32:]))
    np.testing.assert_array_equal(found[:32, 1_920:], timbre.statistics(x[:32]))


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


# Fused networks -----------------------------------------------------------------------------------


def joined(
    t: dict[str, NDArray[np.float32]], x: NDArray[np.float32], statistics: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Features of a fused network in double precision, fragment by fragment."""
    w = {name: values.astype(np.float64) for name, values in t.items()}
    n_maps = len(w["conv2.bias"])
    rows = []
    for maps, s in zip(described(t, x).reshape(len(x), n_maps, -1), statistics, strict=True):
        z = (s - w["statistics_mean"]) / w["statistics_std"]
        told = np.hstack([maps.sum(1) / maps.shape[1], maps.max(1), z])
        hidden = w["dense1.weight"] @ told + w["dense1.bias"]
        embedding = w["dense2.weight"] @ np.where(hidden > 0, hidden, 0) + w["dense2.bias"]
        rows.append(w["projection.weight"] @ np.hstack([z, embedding]) + w["projection.bias"])
    return np.array(rows)


def heard(
    y: NDArray[np.int16], params: SpectrogramParams, fine: SpectrogramParams
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fragments and their statistics at both resolutions, each spectrogram by itself."""
    coarse = spectrogram.transform(y, params)
    finer = spectrogram.plan(fine, params.fragment_length).transform(y)
    statistics = [timbre.statistics(finer), timbre.statistics(coarse)]
    return coarse, np.concatenate(statistics, axis=1)


def test_fused_features_are_those_described(network: Preprocessor) -> None:
    y = music(35 * LENGTH)  # more than are computed at a time
    found, expected = network.transform(y), joined(network.tensors, *heard(y, SMALL, FINE))
    assert found.shape == (35, 10)
    assert found.dtype == np.float32
    # Measured for features up to 4: 6.6e-7.
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)


def test_maps_are_those_of_the_convolutions() -> None:
    network, x = network_for(PARAMS), fragments(5, PARAMS)
    maps = layers.convolve(convolutions(network), x)
    assert maps.shape == (5, 128, 4)
    expected = described(convolutions(network), x).reshape(maps.shape)
    np.testing.assert_allclose(maps, expected, rtol=0, atol=4e-6)  # as above


def test_statistics_are_asked_for_and_refused(
    network: Preprocessor, convolved: Preprocessor
) -> None:
    x, statistics = fragments(2, SMALL), np.zeros((2, 474), np.float32)
    with pytest.raises(ParameterError, match="needs fine statistics"):
        network(x)
    with pytest.raises(ParameterError, match="it alone"):
        convolved(x, statistics)


def test_features_are_counted(network: Preprocessor, convolved: Preprocessor) -> None:
    assert (network.n_features, network.n_convolved) == (10, 3 * 128)
    assert (convolved.n_features, convolved.n_convolved) == (3 * 128, 3 * 128)


# Signals ------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 20 * LENGTH),
    st.lists(st.integers(0, 4 * LENGTH), max_size=12),
    st.booleans(),
)
def test_a_stream_gives_what_the_whole_gives(
    network: Preprocessor,
    convolved: Preprocessor,
    n_samples: int,
    cuts: list[int],
    is_fused: bool,
) -> None:
    """However the blocks lie; many of them are empty."""
    used = network if is_fused else convolved
    y = music(n_samples)
    portions = list(used.stream(np.split(y, sorted(cuts))))
    expected = used.transform(y)
    assert all(len(portion) for portion in portions)
    found = np.concatenate([expected[:0], *portions])
    # Sums may be grouped differently. Measured: 0.
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)


def test_music_arrives_in_any_way_as_the_default_hears_it(default: Preprocessor) -> None:
    """Blocks as decoders give them, and a last fragment that lacks its last fine frame."""
    y = np.random.default_rng(0).integers(-9_000, 9_000, 3 * 352_800 + 100).astype(np.int16)
    expected = default.transform(y)
    assert len(expected) == 3
    for size in (4_096, 352_800, 353_280):
        found = np.concatenate(list(default.stream(np.split(y, range(size, len(y), size)))))
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)
    for i, row in enumerate(expected):
        window = y[i * 352_800 :][: default.window_length]
        np.testing.assert_allclose(default.transform(window)[0], row, rtol=0, atol=3e-6)


def test_small_portions_are_computed_together(network: Preprocessor) -> None:
    y = music(20 * LENGTH)
    for n_blocks in (20, 1_000):
        portions = list(network.stream(np.array_split(y, n_blocks)))
        assert [len(portion) for portion in portions] == [16, 4]


def test_fine_frames_reach_beyond_the_fragment(network: Preprocessor) -> None:
    assert LENGTH == 16 * 400 == 100 * 64
    assert network.window_length == 99 * 64 + 128


def test_a_window_gives_the_features_that_the_whole_gives(
    network: Preprocessor, convolved: Preprocessor
) -> None:
    y = music(9 * LENGTH + 37)  # the last one lacks a part of its last fine frame
    for used in (network, convolved):
        whole = used.transform(y)
        for i, expected in enumerate(whole):
            window = y[i * LENGTH :][: used.window_length]
            (found,) = used.transform(window)
            # Sums are grouped differently. Measured: 8.4e-7.
            np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)
    # Without the samples after the fragment it is not the same.
    cut = network.transform(y[:LENGTH])[0]
    assert np.abs(cut - network.transform(y)[0]).max() > 1e-3


def test_whole_numbers_and_floats_are_the_same_sound(network: Preprocessor) -> None:
    y = music(3 * LENGTH)
    found = network.transform(np.asarray(y / 32_768, np.float32))
    np.testing.assert_array_equal(found, network.transform(y))


def test_short_signals(network: Preprocessor, convolved: Preprocessor) -> None:
    for used in (network, convolved):
        for n_samples, n in ((0, 0), (127, 0), (399, 0), (400, 1), (LENGTH - 1, 1)):
            y = music(n_samples)
            assert used.transform(y).shape == (n, used.n_features)
            assert sum(map(len, used.stream([y]))) == n
    # Its frames are repeated.
    y = music(4 * 400)
    repeated = network.transform(np.tile(y, 5))[0]
    coarse, statistics = heard(y, SMALL, FINE)
    np.testing.assert_array_equal(coarse[0], np.tile(coarse[0, :4], (4, 1)))
    (found,) = network.transform(y)
    expected = joined(network.tensors, coarse, statistics)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)
    assert np.abs(found - repeated).max() > 1e-3  # other fine frames overlap the seam


# What is shipped ----------------------------------------------------------------------------------


def test_the_shipped_convolutions_are_those_described() -> None:
    for name in SHIPPED:
        shipped = preprocessor.load(name)
        assert shipped.params == SHIPPED[name]
        assert shipped.n_convolved == 1_920
        x = fragments(3, shipped.params)
        found = layers.convolve(shipped.tensors, x).reshape(3, -1)
        expected = described(shipped.tensors, x)
        # Relative to the largest one, since these weights are whatever was learned.
        # Measured with random weights: 6e-7.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())


def test_the_thesis_is_what_it_was() -> None:
    """Libraries and profiles name it by this."""
    shipped = preprocessor.load("thesis")
    assert shipped.fingerprint == "70419039e201dede"
    assert (shipped.fusion, shipped.n_features) == (None, 1_920)
    x = fragments(3, shipped.params)
    np.testing.assert_array_equal(shipped(x), layers.convolve(shipped.tensors, x).reshape(3, -1))


def test_the_default_is_fused_and_compact(default: Preprocessor) -> None:
    assert default.fusion == FusionParams()
    assert default.n_features == 256
    assert default.window_length == 343 * 1_024 + 2_048
    with resources.as_file(resources.files("recommender") / "weights/default.safetensors") as path:
        assert path.stat().st_size <= 10_000_000


SOUNDS = {
    "silence": np.zeros(400_000, np.int16),
    "one sample": np.eye(1, 400_000, 9, dtype=np.int16)[0],
    "clipping noise": np.random.default_rng(0).choice(
        np.array([-32_768, 32_767], np.int16), 400_000
    ),
    "sine": (32_767 * np.sin(np.arange(400_000) / 16)).astype(np.int16),
    "constant": np.full(400_000, -32_768, np.int16),
    "a frame": np.random.default_rng(1).integers(-99, 99, 6_000).astype(np.int16),
}


@pytest.mark.parametrize("sound", SOUNDS)
def test_features_are_finite_also_in_half_precision(default: Preprocessor, sound: str) -> None:
    y = SOUNDS[sound]
    found = default.transform(y)
    assert found.shape == (1, 256)
    assert np.isfinite(found.astype(np.float16)).all()
    fine = timbre.fine_params(default.params)
    expected = joined(default.tensors, *heard(y, default.params, fine))
    # Relative to the largest one. Measured: 2e-7.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("place", [0.0, 0.0005, 0.3, 0.6, 1.0])
def test_a_changed_byte_is_refused(tmp_path: Path, place: float) -> None:
    with resources.as_file(resources.files("recommender") / "weights/default.safetensors") as path:
        content = bytearray(path.read_bytes())
    content[round(place * (len(content) - 1))] ^= 1
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(CheckpointError, match=str(tmp_path / "p")):
        preprocessor.load(tmp_path / "p")


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


def test_fused_networks_come_back(tmp_path: Path, network: Preprocessor) -> None:
    again = fused(tmp_path / "p")
    assert (again.params, again.fusion) == (SMALL, FUSION)
    assert same(again, network)
    assert fused(tmp_path / "p", seed=1).fingerprint != network.fingerprint
    other = dataclasses.replace(FUSION, fine_hop_length=80)  # the same shapes
    assert fused(tmp_path / "p", other).fingerprint != network.fingerprint


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
        {"spectrogram": {}, "fusion": [7], "genres": [], "provenance": {}},
        {"spectrogram": {}, "fusion": {"nonsense": 1}, "genres": [], "provenance": {}},
        {"spectrogram": {}, "fusion": {"n_hidden": 0}, "genres": [], "provenance": {}},
        {"spectrogram": {}, "fusion": {"n_hidden": 9}, "genres": [], "provenance": {}},
    ],
    ids=str,
)
def test_manifests_that_do_not_fit(tmp_path: Path, wrong: Any) -> None:
    checkpoint.save(tmp_path / "p", "preprocessor", convolutions(network_for(PARAMS)), wrong)
    with pytest.raises(CheckpointError, match="manifest does not fit") as caught:
        preprocessor.load(tmp_path / "p")
    assert str(tmp_path / "p") in str(caught.value)


def test_what_is_joined_must_fit(tmp_path: Path) -> None:
    def write(params: SpectrogramParams = SMALL, **changes: int) -> None:
        fusion = dataclasses.replace(FUSION, **changes)
        shape = ConvolutionParams(n_frames=params.n_frames, n_mels=params.n_mels)
        tensors = {
            name: np.ones(size, np.float32)
            for name, size in layers.fused_shapes(shape, fusion).items()
        }
        arguments: dict[str, Any] = {"params": params, "fusion": fusion}
        preprocessor.save(tmp_path / "p", tensors, **arguments, genres=(), provenance={})

    write()
    with pytest.raises(ParameterError, match="statistics of timbre"):
        write(dataclasses.replace(SMALL, compression="linear"))
    with pytest.raises(ParameterError, match="948 statistics"):
        write(n_statistics=900)
    with pytest.raises(ParameterError, match="longer frames"):
        write(fine_frame_length=401)
    with pytest.raises(ParameterError, match="statistics of timbre"):
        write(fine_hop_length=450)  # 14 frames a fragment
    preprocessor.load(tmp_path / "p")


# Finding the one that a profile needs -------------------------------------------------------------


def same(one: Preprocessor, other: Preprocessor) -> bool:
    return one.fingerprint == other.fingerprint and all(
        np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors
    )


@pytest.mark.parametrize("name", SHIPPED)
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

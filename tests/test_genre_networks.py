"""The genre networks beside the thesis's own: their layers, held against NumPy, and their sizes."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from layers_oracle import (
    Array,
    Weights,
    convolve,
    dense,
    gru,
    lstm,
    normalise,
    pool,
    relu,
    softmax,
)
from recommender import networks, training
from recommender.errors import ParameterError
from recommender.networks import GenreClassifier
from recommender.parameters import TrainingParams

Make = Callable[..., GenreClassifier]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are small: a second thread costs more than it brings."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


# The layers ---------------------------------------------------------------------------------------


def conv_lstm(x: Array, w: Weights) -> Array:
    x = x.transpose(0, 2, 1)
    for i in (0, 4, 8):
        x = pool(relu(convolve(x, w, f"convolutions.{i}")), 2)
    return dense(lstm(x.transpose(0, 2, 1), w, "lstm")[:, -1], w, "output")


def normalised(x: Array, w: Weights, i: int) -> Array:
    """Convolution, batch normalisation, ReLU."""
    return relu(normalise(convolve(x, w, f"convolutions.{i}"), w, f"convolutions.{i + 1}"))


def cnn1d(x: Array, w: Weights) -> Array:
    x = pool(normalised(x.transpose(0, 2, 1), w, 0), 2)
    return dense(relu(dense(normalised(x, w, 4).max(2), w, "dense")), w, "output")


def stacked_lstm(x: Array, w: Weights) -> Array:
    x = lstm(lstm(x, w, "lstm1"), w, "lstm2")[:, -1]
    return dense(relu(dense(x, w, "dense")), w, "output")


def crnn(x: Array, w: Weights) -> Array:
    x = x.transpose(0, 2, 1)
    for i in (0, 4, 8):
        x = pool(normalised(x, w, i), 2)
    x = lstm(x.transpose(0, 2, 1), w, "lstm")[:, -1]
    return dense(relu(dense(x, w, "dense")), w, "output")


def parallel(x: Array, w: Weights) -> Array:
    maps = x.transpose(0, 2, 1)
    for i in (0, 4):
        maps = pool(normalised(maps, w, i), 2)
    both = np.concatenate([maps.reshape(len(x), -1), gru(x, w, "gru")[:, -1]], axis=1)
    return dense(both, w, "output")


def cnn2d(x: Array, w: Weights) -> Array:
    x = x[:, None]
    for i in (0, 4, 8):
        x = relu(normalise(convolve(x, w, f"network.{i}"), w, f"network.{i + 1}"))
        x = pool(x, 2, 2)
    return dense(relu(dense(x.reshape(len(x), -1), w, "network.13")), w, "network.16")


def small_cnn2d(x: Array, w: Weights) -> Array:
    x = x[:, None]
    for i in (0, 3):
        x = pool(relu(convolve(x, w, f"network.{i}")), 4, 2)
    return dense(relu(dense(x.reshape(len(x), -1), w, "network.7")), w, "network.10")


def feed_forward(x: Array, w: Weights) -> Array:
    return dense(np.tanh(dense(x.reshape(len(x), -1), w, "network.1")), w, "network.4")


def patch_dense(x: Array, w: Weights) -> Array:
    return dense(relu(dense(x.reshape(len(x), -1), w, "network.1")), w, "network.4")


def patch_lstm(x: Array, w: Weights) -> Array:
    return dense(lstm(lstm(x, w, "lstm"), w, "lstm", layer=1)[:, -1], w, "output")


def patch_cnn(x: Array, w: Weights) -> Array:
    x = relu(convolve(x.transpose(0, 2, 1), w, "conv1"))
    return dense(relu(convolve(x, w, "conv2")).reshape(len(x), -1), w, "output")


DESCRIBED: dict[Make, tuple[tuple[int, int], Callable[[Array, Weights], Array]]] = {
    networks.ConvLstm: ((53, 6), conv_lstm),
    networks.Cnn1d: ((27, 6), cnn1d),
    networks.StackedLstm: ((9, 6), stacked_lstm),
    networks.Crnn: ((41, 6), crnn),
    networks.Parallel: ((27, 6), parallel),
    networks.Cnn2d: ((27, 19), cnn2d),
    networks.SmallCnn2d: ((49, 15), small_cnn2d),
    networks.FeedForward: ((5, 6), feed_forward),
    networks.PatchDense: ((5, 6), patch_dense),
    networks.PatchLstm: ((9, 6), patch_lstm),
    networks.PatchCnn: ((9, 6), patch_cnn),
}
"""A shape that no layer divides evenly, and the network as it is described."""

EACH = pytest.mark.parametrize("make", DESCRIBED, ids=lambda make: make.__name__)


def built(make: Make, shape: tuple[int, int], n_genres: int = 4, **rest: Any) -> GenreClassifier:
    torch.manual_seed(0)
    return make(shape, n_genres, **rest)


@EACH
def test_is_the_network_that_is_described(make: Make) -> None:
    shape, described = DESCRIBED[make]
    network = built(make, shape)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():  # nothing stays 0 or 1
            if "std" in name or "var" in name:
                tensor.uniform_(0.5, 2.0)
            elif tensor.dim() == 1:
                tensor.uniform_(-0.5, 0.5)
    x = 10 * torch.randn(3, *shape)
    with torch.inference_mode():
        found = network.eval()(x)
    w = {name: t.numpy().astype(np.float64) for name, t in network.state_dict().items()}
    expected = described((x.double().numpy() - w["band_mean"]) / w["band_std"], w)
    assert found.shape == (3, 4)
    assert np.ptp(expected, axis=0).min() > 1e-4  # the pieces are told apart
    # Measured: 1.3e-6 for scores up to 9, else 4e-7 at most.
    np.testing.assert_allclose(found, np.log(softmax(expected)), rtol=0, atol=4e-6)


def recurrent(n_in: int, n_units: int, n_gates: int = 4) -> int:
    return n_gates * n_units * (n_in + n_units + 2)  # torch has two biases a gate


SIZES: list[tuple[Make, tuple[int, int], int]] = [
    # 30 s of 20 MFCC; 1,292 frames: 1,288, 644, 640, 320, 316, 158
    (
        networks.ConvLstm,
        (1_292, 20),
        (5 * 20 + 1) * 256 + 2 * (5 * 256 + 1) * 256 + recurrent(256, 256) + 2_570,
    ),
    (networks.FeedForward, (1_292, 20), (25_840 + 1) * 10 + 110),
    # 3 s: 129 frames of 128 bands or 20 MFCC; two weights of a map for its normalisation
    (
        networks.Cnn1d,
        (129, 128),
        (3 * 128 + 3) * 256 + (3 * 256 + 3) * 128 + 129 * 512 + 513 * 10,
    ),
    (
        networks.Cnn2d,  # 127, 63, 61, 30, 29, 14 by 126, 63, 61, 30, 29, 14
        (129, 128),
        (9 + 3) * 128 + (9 * 128 + 3) * 64 + (4 * 64 + 3) * 64 + (64 * 14 * 14 + 1) * 128 + 1_290,
    ),
    (
        networks.Cnn2d,  # by 18, 9, 7, 3, 2, 1
        (129, 20),
        (9 + 3) * 128 + (9 * 128 + 3) * 64 + (4 * 64 + 3) * 64 + (64 * 14 * 1 + 1) * 128 + 1_290,
    ),
    (
        networks.StackedLstm,
        (129, 128),
        recurrent(128, 128) + recurrent(128, 64) + 65 * 64 + 650,
    ),
    (
        networks.Crnn,
        (129, 20),
        (3 * 20 + 3) * 128 + 2 * (3 * 128 + 3) * 128 + recurrent(128, 128) + 129 * 64 + 650,
    ),
    (
        networks.Parallel,  # 127, 63, 61, 30
        (129, 128),
        (3 * 128 + 3) * 64 + (3 * 64 + 3) * 64 + recurrent(128, 128, 3) + (64 * 30 + 129) * 10,
    ),
    # 31 patches of 128 dimensions
    (networks.PatchLstm, (31, 128), recurrent(128, 64) + recurrent(64, 64) + 650),
    (
        networks.PatchCnn,
        (31, 128),
        (3 * 128 + 1) * 64 + (3 * 64 + 1) * 64 + (27 * 64 + 1) * 10,
    ),
    (networks.PatchDense, (31, 128), (31 * 128 + 1) * 30 + 310),
    # 660 frames: 658, 164, 162, 40; 128 bands: 126, 63, 61, 30
    (
        networks.SmallCnn2d,
        (660, 128),
        (9 + 1) * 16 + (9 * 16 + 1) * 32 + (32 * 40 * 30 + 1) * 64 + 650,
    ),
]


@pytest.mark.parametrize(("make", "shape", "n_weights"), SIZES)
def test_sizes_with_the_published_inputs(
    make: Make, shape: tuple[int, int], n_weights: int
) -> None:
    network = make(shape, 10)
    assert sum(weight.numel() for weight in network.parameters()) == n_weights


def test_hyperparameters_change_the_layers() -> None:
    lstm = networks.PatchLstm((31, 128), 10, hidden=8, layers=5)
    n_weights = recurrent(128, 8) + 4 * recurrent(8, 8) + 90
    assert sum(weight.numel() for weight in lstm.parameters()) == n_weights
    networks.PatchLstm((31, 128), 10, layers=1)  # nothing lies between, so nothing drops out there
    dense = networks.FeedForward((660, 128), 10, hidden=(64, 32), activation="relu", dropout=0.5)
    n_weights = (660 * 128 + 1) * 64 + 65 * 32 + 330
    assert sum(weight.numel() for weight in dense.parameters()) == n_weights


LEAST: list[tuple[Make, int, int]] = [
    (networks.ConvLstm, 36, 1),
    (networks.Cnn1d, 10, 1),
    (networks.StackedLstm, 1, 1),
    (networks.Crnn, 22, 1),
    (networks.Parallel, 10, 1),
    (networks.Cnn2d, 18, 18),
    (networks.SmallCnn2d, 26, 10),
    (networks.FeedForward, 1, 1),
    (networks.PatchLstm, 1, 1),
    (networks.PatchCnn, 5, 1),
]


@pytest.mark.parametrize(("make", "n_frames", "n_bands"), LEAST)
def test_the_least_that_a_network_needs(make: Make, n_frames: int, n_bands: int) -> None:
    network = make((n_frames, n_bands), 3).train()
    assert network(torch.zeros(1, n_frames, n_bands)).shape == (1, 3)
    if n_frames > 1:
        with pytest.raises(ParameterError, match=f"at least {n_frames} frames|{n_frames} patches"):
            make((n_frames - 1, n_bands), 3)
    if n_bands > 1:
        with pytest.raises(ParameterError, match=f"at least {n_bands} bands, not {n_bands - 1}"):
            make((n_frames, n_bands - 1), 3)


@EACH
def test_thousands_of_genres(make: Make) -> None:
    shape, _ = DESCRIBED[make]
    with torch.inference_mode():
        shares = built(make, shape, 10_000)(torch.zeros(2, *shape)).exp()
    # Measured: 3e-6, of 10,000 float32 summed.
    torch.testing.assert_close(shares.sum(1), torch.ones(2), rtol=0, atol=2e-5)


@EACH
def test_all_weights_are_of_one_kind(make: Make) -> None:
    state = built(make, DESCRIBED[make][0]).state_dict()
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    assert state["band_mean"].shape == state["band_std"].shape == (DESCRIBED[make][0][1],)


# Their training -----------------------------------------------------------------------------------


def tones(shape: tuple[int, int], n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noise in which one of three bands is louder in the second half: three genres."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    x = rng.normal(scale=0.3, size=(n, *shape))
    x[np.arange(n), shape[0] // 2 :, 2 * y] += 1.0
    return torch.from_numpy(x.astype(np.float16)), torch.from_numpy(y)


@EACH
def test_learns(make: Make) -> None:
    shape, _ = DESCRIBED[make]
    network = built(make, shape, 3)
    x, y = tones(shape, 96, seed=0)
    params = TrainingParams(
        epochs=12, batch_size=16, optimizer="adam", learning_rate=0.005, loss="cross_entropy"
    )
    history = training.fit(network, lambda _: (x, y), functional.nll_loss, params)
    assert history[-1].loss < history[0].loss / 2
    unknown, right = tones(shape, 60, seed=1)
    with torch.inference_mode():
        found = network(unknown.float()).argmax(1)
    assert (found == right).double().mean() >= 0.95


def trained(make: Make, seed: int, **settings: Any) -> dict[str, Tensor]:
    shape, _ = DESCRIBED[make]
    torch.manual_seed(seed)
    network = make(shape, 3)
    x, y = tones(shape, 20, seed=0)
    params = TrainingParams(epochs=1, optimizer="adam", loss="cross_entropy", seed=seed, **settings)
    training.fit(network, lambda _: (x, y), functional.nll_loss, params)
    return network.state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("make", "n_threads"),
    [*((make, 1) for make in DESCRIBED), (networks.Cnn2d, 2)],
)
def test_same_seed_same_weights(make: Make, n_threads: int) -> None:
    torch.set_num_threads(n_threads)
    try:
        one = trained(make, 5)
        assert same(one, trained(make, 5))
        assert not same(one, trained(make, 6))
    finally:
        torch.set_num_threads(1)


@EACH
def test_half_precision_is_of_the_layers_alone(make: Make) -> None:
    whole, half = (trained(make, 0, precision=p) for p in ("float32", "bfloat16"))
    assert {tensor.dtype for tensor in half.values()} == {torch.float32}
    assert not same(whole, half)
    shape, _ = DESCRIBED[make]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = built(make, shape)(torch.zeros(1, *shape))
    assert out.dtype == torch.float32


def kernels(network: GenreClassifier) -> list[Tensor]:
    return [weight for weight in network.parameters() if weight.dim() == 4]


def test_loading_keeps_how_kernels_lie_in_memory() -> None:
    """Else a network from a file would compute something else, in its last digits, and slower."""
    network = networks.Cnn2d((27, 19), 3)
    plain = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    other = networks.Cnn2d((27, 19), 3)
    other.load_state_dict(plain)
    assert len(kernels(other)) == 3
    for weight in kernels(other):
        assert weight.is_contiguous(memory_format=torch.channels_last)
    x = torch.randn(4, 27, 19)
    with torch.inference_mode():
        assert torch.equal(network.eval()(x), other.eval()(x))

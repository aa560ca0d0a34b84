from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.networks import GenreNetwork, ListenerNetwork
from recommender.parameters import ConvolutionParams, NetworkParams

N_GENRES = 9
THESIS = NetworkParams()  # a default is never anything else


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are small: a second thread costs more than it brings."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def network() -> GenreNetwork:
    torch.manual_seed(0)
    network = GenreNetwork(ConvolutionParams(), N_GENRES)
    network.band_mean.normal_()
    network.band_std.uniform_(0.5, 2.0)
    return network.eval()


def fragments(n: int) -> Tensor:
    return torch.rand(n, 64, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1


def described(network: GenreNetwork, x: Tensor) -> Tensor:
    """Layers 1 to 7 in two dimensions, time x band, as the thesis describes them."""
    n = len(x)
    x = ((x - network.band_mean) / network.band_std)[:, None]
    # 1: 256 kernels of 4 frames x 128 bands
    kernels = network.conv1.weight.transpose(1, 2)[:, None]
    assert kernels.shape == (256, 1, 4, 128)
    x = functional.relu(functional.conv2d(x, kernels, network.conv1.bias))
    assert x.shape == (n, 256, 61, 1)
    x = functional.max_pool2d(x, (2, 1))  # 2
    assert x.shape == (n, 256, 30, 1)
    x = x.permute(0, 3, 1, 2)  # 3: the maps become the frequency axis
    assert x.shape == (n, 1, 256, 30)
    kernels = network.conv2.weight[:, None]  # 5: 128 kernels of 256 x 2
    assert kernels.shape == (128, 1, 256, 2)
    x = functional.relu(functional.conv2d(x, kernels, network.conv2.bias))
    assert x.shape == (n, 128, 1, 29)
    x = functional.max_pool2d(x, (1, 2), ceil_mode=True)  # 6
    assert x.shape == (n, 128, 1, 15)
    return x.reshape(n, 1_920)


def test_the_genre_network_is_the_one_described(network: GenreNetwork) -> None:
    x = fragments(3)
    with torch.inference_mode():
        features = described(network, x)
        hidden = functional.relu(network.dense1(features))
        hidden = functional.relu(network.dense2(hidden))
        shares = functional.softmax(network.dense3(hidden), dim=1)
        # Measured: 9.6e-7 for features up to 1.2, 2.3e-8 for shares.
        torch.testing.assert_close(network.features(x), features, rtol=0, atol=5e-6)
        torch.testing.assert_close(network(x).exp(), shares, rtol=0, atol=1e-7)
    sizes = [
        tuple(layer.weight.shape) for layer in (network.dense1, network.dense2, network.dense3)
    ]
    assert sizes == [(1024, 1920), (128, 1024), (N_GENRES, 128)]


def test_shares_add_up_to_one(network: GenreNetwork) -> None:
    with torch.inference_mode():
        totals = network(fragments(5)).exp().sum(dim=1)
    torch.testing.assert_close(totals, torch.ones(5), rtol=0, atol=1e-6)


def test_only_training_drops_out(network: GenreNetwork) -> None:
    x = fragments(2)
    with torch.inference_mode():
        assert torch.equal(network(x), network(x))
        network.train()
        assert not torch.equal(network(x), network(x))


def test_weights_have_the_shapes_that_parameters_tell() -> None:
    shape = ConvolutionParams(n_frames=20, n_mels=10)
    state = GenreNetwork(shape, 2).state_dict()
    assert {
        name: tuple(tensor.shape) for name, tensor in state.items() if "dense" not in name
    } == shape.shapes
    with torch.inference_mode():
        assert GenreNetwork(shape, 2)(torch.zeros(3, 20, 10)).shape == (3, 2)


@pytest.mark.parametrize("n_frames", [7, 8, 9, 10, 11, 12, 63, 64, 65])
def test_any_number_of_frames_gives_the_features_that_parameters_tell(n_frames: int) -> None:
    shape = ConvolutionParams(n_frames=n_frames, n_mels=3, n_kernels_1=4, n_kernels_2=5)
    with torch.inference_mode():
        features = GenreNetwork(shape, 2).features(torch.zeros(2, n_frames, 3))
    assert features.shape == (2, shape.n_features)


# One person's network -----------------------------------------------------------------------------


def layer_by_layer(network: ListenerNetwork, x: Tensor, activation: nn.Module) -> Tensor:
    for layer in network.hidden:
        assert isinstance(layer, nn.Linear)
        x = activation(x @ layer.weight.T + layer.bias)
    return (x @ network.output.weight.T + network.output.bias)[:, 0]


@pytest.mark.parametrize(
    ("params", "activation"),
    [
        (THESIS, nn.Sigmoid()),
        (NetworkParams(hidden=(64,), activation="relu"), nn.ReLU()),
        (NetworkParams(hidden=(), activation="relu"), nn.ReLU()),
    ],
)
def test_the_listeners_network_is_a_stack_of_dense_layers(
    params: NetworkParams, activation: nn.Module
) -> None:
    torch.manual_seed(0)
    network = ListenerNetwork(1_920, params).eval()
    x = torch.rand(7, 1_920)
    with torch.inference_mode():
        found = network(x)
        assert found.shape == (7,)
        # Measured: 4.5e-8.
        expected = layer_by_layer(network, x, activation)
        torch.testing.assert_close(found, expected, rtol=0, atol=3e-7)


def test_the_listeners_network_of_the_thesis() -> None:
    network = ListenerNetwork(1_920, THESIS)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes == {
        "hidden.0.weight": (1024, 1920),
        "hidden.0.bias": (1024,),
        "hidden.1.weight": (128, 1024),
        "hidden.1.bias": (128,),
        "output.weight": (1, 128),
        "output.bias": (1,),
    }


def test_half_of_the_hidden_units_drop_out_in_training() -> None:
    network = ListenerNetwork(4, NetworkParams(hidden=(10_000,), activation="sigmoid")).train()
    with torch.no_grad():
        network.hidden[0].weight.zero_()  # type: ignore[operator]
        network.hidden[0].bias.fill_(100.0)  # type: ignore[operator]
        network.output.weight.fill_(1 / 10_000)
        network.output.bias.zero_()
        torch.manual_seed(0)
        kept = network(torch.zeros(200, 4)) / 2  # what is kept counts double
    # Standard deviation of a mean of 10,000 coins: 0.005.
    assert abs(kept.mean() - 0.5) < 0.002
    assert np.isclose(kept.std(), 0.005, rtol=0.3)

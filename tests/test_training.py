import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender import training
from recommender.parameters import TrainingParams

PARAMS = TrainingParams(epochs=8, batch_size=16, optimizer="adam", learning_rate=0.01, loss="bce")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are small: a second thread costs more than it brings."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.2))
            self.output = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.layers(x)).squeeze(1)  # type: ignore[no-any-return]


def ring(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Points inside a circle against points around it: separable, but by no straight line."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    radius = np.where(y == 1, rng.uniform(0, 0.8, n), rng.uniform(1.6, 2.4, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y.astype(np.float32))


def draw(epoch: int) -> tuple[Tensor, Tensor]:
    return ring(256, epoch)


loss = functional.binary_cross_entropy_with_logits


def weights(network: nn.Module) -> list[Tensor]:
    return [tensor.clone() for tensor in network.state_dict().values()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("optimizer", "learning_rate"), [("adam", 0.01), ("sgd", 0.3)])
def test_learns_what_can_be_learned(optimizer: str, learning_rate: float) -> None:
    network = Toy()
    params = TrainingParams(
        epochs=30,
        optimizer=optimizer,  # type: ignore[arg-type]
        learning_rate=learning_rate,
        loss="bce",
    )
    history = training.fit(network, draw, loss, params)
    assert [epoch.number for epoch in history] == list(range(1, 31))
    assert all(epoch.n_epochs == 30 and epoch.score is None for epoch in history)
    assert history[-1].loss < history[0].loss / 4
    x, y = ring(500, seed=1_000)
    with torch.inference_mode():
        assert ((network(x) > 0) == (y > 0.5)).all()


def test_ends_in_evaluation_mode() -> None:
    network = Toy()
    training.fit(network, draw, loss, PARAMS)
    assert not network.training


def test_the_loss_told_is_the_mean_over_samples() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            return x + 0 * self.weight

    x = torch.arange(10, dtype=torch.float32)
    params = TrainingParams(epochs=1, batch_size=4)  # batches of 4, 4 and 2
    (epoch,) = training.fit(
        Constant(), lambda _: (x, torch.zeros(10)), lambda out, y: (out - y).mean(), params
    )
    assert epoch.loss == pytest.approx(4.5)


def test_an_epoch_sees_every_sample_once_in_batches_of_the_size() -> None:
    seen: list[list[float]] = []

    class Watch(Toy):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x[:, 0].tolist())
            return super().forward(x)

    x = torch.stack([torch.arange(50.0), torch.zeros(50)], dim=1)
    params = TrainingParams(epochs=2, batch_size=16)
    training.fit(Watch(), lambda _: (x, torch.ones(50)), loss, params)
    assert [len(batch) for batch in seen] == [16, 16, 16, 2] * 2
    first, second = ([x for batch in batches for x in batch] for batches in (seen[:4], seen[4:]))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != sorted(first)
    assert first != second


def test_each_epoch_draws() -> None:
    drawn = []

    def record(epoch: int) -> tuple[Tensor, Tensor]:
        drawn.append(epoch)
        return draw(epoch)

    training.fit(Toy(), record, loss, PARAMS)
    assert drawn == list(range(8))


def test_same_seed_same_weights() -> None:
    def trained(seed: int) -> list[Tensor]:
        network = Toy()
        training.fit(network, draw, loss, TrainingParams(epochs=3, seed=seed))
        return weights(network)

    torch.manual_seed(1)
    one = trained(5)
    torch.manual_seed(2)
    assert same(one, trained(5))
    assert not same(one, trained(6))


def test_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(123)
    before, numpy_before = torch.get_rng_state(), str(np.random.get_state())
    training.fit(Toy(), draw, loss, PARAMS)
    assert torch.equal(torch.get_rng_state(), before)
    assert str(np.random.get_state()) == numpy_before


# Early stopping -----------------------------------------------------------------------------------


def test_stops_early_with_the_best_weights() -> None:
    network = Toy()
    scores = iter([0.1, 0.5, 0.4, 0.5, 0.3, 0.9, 0.9])
    at: list[list[Tensor]] = []

    def validate() -> float:
        assert not network.training
        assert torch.is_inference_mode_enabled()
        at.append(copy.deepcopy(weights(network)))
        return next(scores)

    params = TrainingParams(epochs=7, patience=3)
    history = training.fit(network, draw, loss, params, validate=validate)
    assert [epoch.score for epoch in history] == [0.1, 0.5, 0.4, 0.5, 0.3]  # 3 without a better
    assert same(weights(network), at[1])
    assert not same(weights(network), at[4])
    assert not network.training


def test_improvement_goes_on_to_the_end() -> None:
    network, scores = Toy(), iter([0.1, 0.0, 0.2, 0.1, 0.3, 0.2, 0.4, 0.5])
    history = training.fit(
        network, draw, loss, TrainingParams(epochs=8, patience=2), validate=lambda: next(scores)
    )
    assert len(history) == 8


def test_validation_does_not_change_the_training() -> None:
    def trained(validates: bool) -> list[Tensor]:
        network, n = Toy(), iter(range(100))
        validate = (lambda: float(next(n))) if validates else None  # the last is the best
        training.fit(network, draw, loss, PARAMS, validate=validate)
        return weights(network)

    assert same(trained(True), trained(False))


def test_reports_each_epoch_when_it_ends() -> None:
    reported: list[training.Epoch] = []

    def on_epoch(epoch: training.Epoch) -> None:
        reported.append(epoch)
        if epoch.number == 3:
            raise KeyboardInterrupt

    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        training.fit(Toy(), draw, loss, PARAMS, on_epoch=on_epoch)
    assert [epoch.number for epoch in reported] == [1, 2, 3]
    assert torch.equal(torch.get_rng_state(), before)

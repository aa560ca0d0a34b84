import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn import functional

from recommender import training
from recommender.errors import ParameterError
from recommender.parameters import TrainingParams
from recommender.training import Validation

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


@pytest.mark.parametrize(
    ("optimizer", "learning_rate"),
    [("adam", 0.01), ("adam_l2", 0.01), ("sgd", 0.3), ("rmsprop", 0.003)],
)
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


class Constant(nn.Module):
    """Gives back its inputs, times a weight of 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


@pytest.mark.parametrize(
    ("optimizer", "after"),
    [
        ("sgd", 1 - 0.1 * (3 + 0.5)),
        ("adam", 1 * (1 - 0.1 * 0.5) - 0.1),  # decay apart; then the sign of the gradient
        ("adam_l2", 1 - 0.1),
        ("rmsprop", 1 - 0.1 * 10),  # gradient over the root of 0.01 of its square
    ],
)
def test_the_first_step_of_each_optimizer(optimizer: str, after: float) -> None:
    network = Constant()
    params = TrainingParams(
        epochs=1,
        optimizer=optimizer,  # type: ignore[arg-type]
        learning_rate=0.1,
        weight_decay=0.5,
    )
    training.fit(network, lambda _: (torch.ones(4), torch.zeros(4)), slope_3, params)
    # Measured: 3e-8.
    assert network.weight.item() == pytest.approx(after, abs=1e-6)


def slope_3(outputs: Tensor, _: Tensor) -> Tensor:
    return 3 * outputs.mean()


def rates(schedule: str, n_epochs: int, n_batches: int) -> NDArray[np.float64]:
    """Learning rates, as plain descent along a slope of 1 tells them."""
    seen: list[float] = []

    class Watch(Constant):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(self.weight.item())
            return super().forward(x)

    network = Watch()
    params = TrainingParams(
        epochs=n_epochs,
        batch_size=4,
        learning_rate=0.01,
        schedule=schedule,  # type: ignore[arg-type]
    )
    n = 4 * n_batches
    training.fit(network, lambda _: (torch.ones(n), torch.ones(n)), lambda x, _: x.mean(), params)
    return -np.diff([*seen, network.weight.item()])


def test_rates_stay_or_follow_a_cosine() -> None:
    # Differences of single precision numbers below 1 are right to 6e-8.
    np.testing.assert_allclose(rates("constant", 3, 2), 0.01, rtol=0, atol=2e-7)
    found = rates("cosine", 10, 4)
    assert len(found) == 40
    expected = {
        0: 0.01 * 0.01,  # not 0: the first step is one, too
        2: 0.01 * 0.51,
        4: 0.01,  # a tenth of all steps
        13: 0.01 * (1 + np.cos(np.pi / 4)) / 2,  # a quarter of the rest
        22: 0.01 / 2,
        39: 0.01 * (1 - np.cos(np.pi / 36)) / 2,  # the last but for one of 36 steps down
    }
    for step, rate in expected.items():
        assert found[step] == pytest.approx(rate, abs=2e-7)
    assert (np.diff(found[:5]) > 0).all()
    assert (np.diff(found[4:]) < 0).all()


@pytest.mark.parametrize(("n_epochs", "n_batches"), [(1, 1), (1, 30), (30, 1)])
def test_rates_rise_and_fall_however_short_the_training(n_epochs: int, n_batches: int) -> None:
    found = rates("cosine", n_epochs, n_batches)
    assert (found > 0).all() and (found < 0.01 + 2e-7).all()
    if len(found) > 1:
        assert found.argmax() == len(found) // 10


def test_a_training_that_diverges_says_so() -> None:
    params = TrainingParams(epochs=30, learning_rate=1e20)
    with pytest.raises(ParameterError, match=r"diverged .* lower its learning rate of 1e\+20"):
        training.fit(Toy(), draw, functional.mse_loss, params)


def test_ends_in_evaluation_mode() -> None:
    network = Toy()
    training.fit(network, draw, loss, PARAMS)
    assert not network.training


def test_what_is_told_of_an_epoch_is_the_mean_over_samples() -> None:
    x = torch.arange(10, dtype=torch.float32)
    params = TrainingParams(epochs=1, batch_size=4, learning_rate=1e-30)  # batches of 4, 4 and 2
    (epoch,) = training.fit(
        Constant(), lambda _: (x, torch.zeros(10)), lambda out, y: (out - y).mean(), params
    )
    assert epoch.loss == pytest.approx(4.5)
    assert epoch.accuracy is None  # the targets are no classes
    assert epoch.seconds > 0


def test_the_accuracy_told_is_the_share_told_right() -> None:
    x = torch.eye(3).repeat(4, 1)  # classes 0, 1, 2, 0, 1, 2, ...
    y = torch.tensor([0, 1, 2, 0, 1, 0, 0, 2, 1, 2, 2, 0])  # 6 of 12 are those
    params = TrainingParams(epochs=1, batch_size=5, learning_rate=1e-30)
    (epoch,) = training.fit(Constant(), lambda _: (x, y), functional.cross_entropy, params)
    assert epoch.accuracy == 6 / 12


def test_inputs_in_half_precision_are_made_whole() -> None:
    seen: list[torch.dtype] = []

    class Watch(Constant):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.dtype)
            return super().forward(x)

    half = torch.full((4,), 0.1, dtype=torch.float16)
    params = TrainingParams(epochs=1, learning_rate=1e-30)
    (epoch,) = training.fit(Watch(), lambda _: (half, half), slope_3, params)
    assert seen == [torch.float32]
    assert epoch.loss == pytest.approx(3 * float(np.float16(0.1)), rel=1e-6)


def test_classes_that_are_rare_weigh_more() -> None:
    y = np.repeat([0, 1, 2, 4], [50, 30, 15, 5])
    weights = training.class_weights(y, 6)
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 2, 4]), y=y)
    np.testing.assert_allclose(weights[[0, 1, 2, 4]], expected, rtol=1e-6)
    assert weights[[3, 5]].tolist() == [0, 0]
    assert weights[y].mean().item() == pytest.approx(1)
    assert weights.dtype == torch.float32


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

    def validate() -> Validation:
        assert not network.training
        assert torch.is_inference_mode_enabled()
        at.append(copy.deepcopy(weights(network)))
        return Validation(score=next(scores))

    params = TrainingParams(epochs=7, patience=3)
    history = training.fit(network, draw, loss, params, validate=validate)
    assert [epoch.score for epoch in history] == [0.1, 0.5, 0.4, 0.5, 0.3]  # 3 without a better
    assert same(weights(network), at[1])
    assert not same(weights(network), at[4])
    assert not network.training


def test_what_validation_gives_is_told() -> None:
    found = Validation(score=0.5, loss=0.25, accuracy=0.75)
    history = training.fit(
        Toy(), draw, loss, TrainingParams(epochs=2, patience=5), validate=lambda: found
    )
    for epoch in history:
        assert (epoch.score, epoch.validation_loss, epoch.validation_accuracy) == (0.5, 0.25, 0.75)


def test_improvement_goes_on_to_the_end() -> None:
    network, scores = Toy(), iter([0.1, 0.0, 0.2, 0.1, 0.3, 0.2, 0.4, 0.5])
    history = training.fit(
        network,
        draw,
        loss,
        TrainingParams(epochs=8, patience=2),
        validate=lambda: Validation(score=next(scores)),
    )
    assert len(history) == 8


def test_validation_does_not_change_the_training() -> None:
    def trained(validates: bool) -> list[Tensor]:
        network, n = Toy(), iter(range(100))
        validate = (
            (lambda: Validation(score=next(n))) if validates else None
        )  # the last is the best
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

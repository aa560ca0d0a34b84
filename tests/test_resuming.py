"""Trainings that are interrupted, and go on as if nothing had happened."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recommender import training
from recommender.errors import CheckpointError
from recommender.networks import Crnn, GenreClassifier, PatchLstm, SmallCnn2d
from recommender.parameters import TrainingParams
from recommender.training import Epoch, Validation

PARAMS = TrainingParams(
    epochs=6, batch_size=8, optimizer="adam", learning_rate=0.01, loss="cross_entropy", patience=3
)
SHAPES = {Crnn: (24, 5), PatchLstm: (6, 5), SmallCnn2d: (27, 11)}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are small: a second thread costs more than it brings."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


class InterruptionError(Exception):
    pass


def built(make: type[GenreClassifier]) -> GenreClassifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(SHAPES[make], 3)  # type: ignore[arg-type, call-arg]


def fit(
    network: GenreClassifier,
    state: Path | None,
    params: TrainingParams = PARAMS,
    *,
    stop_after: int | None = None,
    stop_in: int | None = None,
    validates: bool = True,
    identity: str = "",
) -> list[Epoch]:
    """Train on noise, which is drawn for each epoch; stop after an epoch, or within one."""
    shape = SHAPES[type(network)]

    def draw(epoch: int) -> tuple[Tensor, Tensor]:
        if epoch + 1 == stop_in:
            raise InterruptionError
        rng = np.random.default_rng(epoch)
        x = rng.normal(size=(21, *shape)).astype(np.float32)
        return torch.from_numpy(x), torch.from_numpy(rng.integers(3, size=21))

    def validate() -> Validation:
        x, y = draw(1_000)
        return Validation(score=-float(functional.nll_loss(network(x), y)))

    def on_epoch(epoch: Epoch) -> None:
        if epoch.number == stop_after:
            raise InterruptionError

    return training.fit(
        network,
        draw,
        functional.nll_loss,
        params,
        validate=validate if validates else None,
        on_epoch=on_epoch,
        state=state,
        identity=identity,
    )


def same(one: GenreClassifier, other: GenreClassifier) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


def timeless(history: list[Epoch]) -> list[Epoch]:
    return [dataclasses.replace(epoch, seconds=0.0) for epoch in history]


@pytest.mark.parametrize("validates", [False, True])
@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (Crnn, {"optimizer": "sgd"}),
        (Crnn, {"optimizer": "rmsprop"}),
        (SmallCnn2d, {"optimizer": "adam_l2", "weight_decay": 0.1}),
        (SmallCnn2d, {"precision": "bfloat16"}),
        (SmallCnn2d, {"schedule": "cosine"}),
        (PatchLstm, {"seed": 3}),
    ],
)
def test_an_interrupted_training_ends_with_the_same_weights(
    make: type[GenreClassifier], settings: dict[str, Any], validates: bool, tmp_path: Path
) -> None:
    params = dataclasses.replace(PARAMS, **settings)
    undisturbed = built(make)
    history = fit(undisturbed, None, params, validates=validates)
    state = tmp_path / "state"
    for stop in ({"stop_in": 1}, {"stop_after": 1}, {"stop_after": 3}, {"stop_in": 4}):
        with pytest.raises(InterruptionError):
            fit(built(make), state, params, validates=validates, **stop)  # type: ignore[arg-type]
    network = built(make)
    torch.manual_seed(77)
    before = torch.get_rng_state()
    assert timeless(fit(network, state, params, validates=validates)) == timeless(history)
    assert same(network, undisturbed)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(history) >= 4
    assert not same(network, built(make))


def test_without_interruption_the_state_changes_nothing(tmp_path: Path) -> None:
    one, other = built(PatchLstm), built(PatchLstm)
    fit(one, None)
    fit(other, tmp_path / "state")
    assert same(one, other)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    one, other = built(PatchLstm), built(PatchLstm)
    history = fit(one, tmp_path / "state")
    drawn_again = fit(other, tmp_path / "state", stop_in=len(history) + 1)
    assert drawn_again == history
    assert same(one, other)


def test_patience_goes_on_where_it_was(tmp_path: Path) -> None:
    scores = [0.5, 0.1, 0.2, 0.3]  # 3 epochs without a better one, over an interruption

    def run(stop_after: int | None) -> list[Epoch]:
        network = built(PatchLstm)
        x, y = torch.zeros(4, 6, 5), torch.tensor([0, 1, 2, 0])
        number = 0

        def on_epoch(epoch: Epoch) -> None:
            nonlocal number
            number = epoch.number
            if number == stop_after:
                raise InterruptionError

        def draw(epoch: int) -> tuple[Tensor, Tensor]:
            nonlocal number
            number = epoch
            return x, y

        return training.fit(
            network,
            draw,
            functional.nll_loss,
            PARAMS,
            validate=lambda: Validation(score=scores[number]),
            on_epoch=on_epoch,
            state=tmp_path / "state",
        )

    with pytest.raises(InterruptionError):
        run(2)
    assert [epoch.score for epoch in run(None)] == scores


# States that do not fit ---------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "a b.state"
    with pytest.raises(InterruptionError):
        fit(built(PatchLstm), path, stop_after=2, identity="these tracks")
    return path


@pytest.mark.parametrize(
    ("params", "identity"),
    [
        (PARAMS, "other tracks"),
        (dataclasses.replace(PARAMS, seed=1), "these tracks"),
        (dataclasses.replace(PARAMS, epochs=9), "these tracks"),
        (dataclasses.replace(PARAMS, optimizer="sgd"), "these tracks"),
    ],
)
def test_a_state_of_another_training(state: Path, params: TrainingParams, identity: str) -> None:
    with pytest.raises(CheckpointError, match=r"a b\.state: belongs to .* or delete the file"):
        fit(built(PatchLstm), state, params, identity=identity)


def test_a_state_of_another_network(state: Path) -> None:
    with pytest.raises(CheckpointError, match="of another network"):
        fit(built(Crnn), state, identity="these tracks")


def test_a_state_with_a_changed_byte(state: Path) -> None:
    content = state.read_bytes()
    for i in np.linspace(0, len(content) - 1, 50, dtype=int):
        state.write_bytes(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :])
        with pytest.raises(CheckpointError, match=r"a b\.state"):
            fit(built(PatchLstm), state, identity="these tracks")


def test_a_state_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"state: cannot be written \(No such file"):
        fit(built(PatchLstm), tmp_path / "nowhere" / "state")
    assert not (tmp_path / "nowhere").exists()


def test_a_state_is_written_whole(state: Path) -> None:
    assert list(state.parent.iterdir()) == [state]

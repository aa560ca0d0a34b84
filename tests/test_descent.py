"""Descent with gradients written by hand: against automatic ones."""

import copy
import dataclasses
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recommender import training
from recommender.networks import ListenerNetwork
from recommender.parameters import NETWORK, THESIS, DenseParams, NetworkParams, TrainingParams
from recommender.profile import descent

N_FEATURES, N_SAMPLES = 12, 700


def draw(epoch: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(epoch)
    x = torch.randn(N_SAMPLES, N_FEATURES, generator=generator)
    return x, torch.where(x[:, 0] + x[:, 1] * x[:, 2] > 0, 1.0, -1.0)


def loss(logits: Tensor, y: Tensor) -> Tensor:
    return functional.mse_loss(torch.sigmoid(logits), y)


SIZES = [1, 16, 50, 256, 300, 1000]
SHAPES: list[dict[str, Any]] = [
    {"hidden": (20, 8)},
    {"hidden": (9,), "dropout": 0.0},
    {"hidden": (7, 6, 5), "dropout": 0.2},
    {"hidden": ()},
]
# Few steps: at the kink of a rectifier, rounding would decide where it goes.
RECTIFIED = {"hidden": (20, 8), "activation": "relu"}


@pytest.mark.parametrize(
    ("shape", "batch_size"),
    [*itertools.product(SHAPES, SIZES), *itertools.product([RECTIFIED], SIZES[2:])],
    ids=str,
)
def test_equals_automatic_gradients(shape: dict[str, Any], batch_size: int) -> None:
    params = TrainingParams(epochs=2, batch_size=batch_size, learning_rate=0.1, seed=4)
    torch.manual_seed(1)
    by_hand = ListenerNetwork(N_FEATURES, NetworkParams(**shape))
    start = copy.deepcopy(by_hand.state_dict())
    automatic = copy.deepcopy(by_hand)
    before = torch.get_rng_state()
    told: list[tuple[int, float]] = []
    descent.fit(by_hand, draw, params, lambda number, loss: told.append((number, loss)))
    assert torch.equal(torch.get_rng_state(), before)
    expected = training.fit(automatic, draw, loss, params)
    for name, weights in automatic.state_dict().items():
        assert not torch.equal(weights, start[name])
        # Measured: 1.6e-6.
        torch.testing.assert_close(by_hand.state_dict()[name], weights, rtol=0, atol=2e-5)
    assert [number for number, _ in told] == [1, 2]
    for (_, found), epoch in zip(told, expected, strict=True):
        # Measured: 2.0e-7.
        assert found == pytest.approx(epoch.loss, abs=2e-6)


def test_the_thesis_is_trained_so() -> None:
    assert isinstance(THESIS.learner, DenseParams)
    assert isinstance(NETWORK.learner, DenseParams)
    thesis = THESIS.learner.training
    assert descent.suits(thesis)
    assert not descent.suits(NETWORK.learner.training)
    others: list[dict[str, Any]] = [
        {"optimizer": "adam"},
        {"weight_decay": 0.1},
        {"loss": "bce"},
        {"schedule": "cosine"},
        {"precision": "bfloat16"},
    ]
    for other in others:
        assert not descent.suits(dataclasses.replace(thesis, **other))

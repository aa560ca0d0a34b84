"""One plain training loop for all networks."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from recommender.parameters import TrainingParams

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Gives inputs and targets of an epoch (counted from 0); may draw new ones each time."""

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch gave.

    Attributes
    ----------
    number : int
        Counted from 1.
    n_epochs : int
        How many there are at most.
    loss : float
        Mean training loss.
    score : float or None
        What `validate` gave; higher is better.
    """

    number: int
    n_epochs: int
    loss: float
    score: float | None = None


def fit(
    network: nn.Module,
    draw: Draw,
    loss: Loss,
    params: TrainingParams,
    *,
    validate: Callable[[], float] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train a network in place.

    With `validate`, the network ends with the weights of its best epoch, and training stops once
    ``params.patience`` epochs have brought nothing better.

    Parameters
    ----------
    network : Module
    draw : callable
        Epoch to inputs ``(n, ...)`` and targets ``(n, ...)``.
    loss : callable
        Outputs and targets of a batch to a scalar.
    params : TrainingParams
        The order of the batches and dropout follow ``params.seed``; torch's global generator is
        left as it was.
    validate : callable, optional
        Score of the network as it stands (in evaluation mode); higher is better.
    on_epoch : callable, optional
        Called after each epoch.

    Returns
    -------
    list of Epoch
    """
    order = np.random.default_rng(params.seed)
    optimizer = _optimizer(network, params)
    history: list[Epoch] = []
    best_score, best_number, best_weights = -np.inf, 0, None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        for number in range(1, params.epochs + 1):
            x, y = draw(number - 1)
            mean_loss = _epoch(network, x, y, loss, optimizer, order, params.batch_size)
            score = None
            if validate is not None:
                network.eval()
                with torch.inference_mode():
                    score = validate()
                if score > best_score:
                    best_score, best_number = score, number
                    best_weights = copy.deepcopy(network.state_dict())
            history.append(
                Epoch(number=number, n_epochs=params.epochs, loss=mean_loss, score=score)
            )
            if on_epoch is not None:
                on_epoch(history[-1])
            if validate is not None and number - best_number >= params.patience:
                break
    if best_weights is not None:
        network.load_state_dict(best_weights)
    network.eval()
    return history


def _epoch(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    order: np.random.Generator,
    batch_size: int,
) -> float:
    network.train()
    total = 0.0
    for batch in torch.split(torch.from_numpy(order.permutation(len(x))), batch_size):
        optimizer.zero_grad()
        value = loss(network(x[batch]), y[batch])
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += value.item() * len(batch)
    return total / len(x)


def _optimizer(network: nn.Module, params: TrainingParams) -> torch.optim.Optimizer:
    if params.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
        )
    return torch.optim.AdamW(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )

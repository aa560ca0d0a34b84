"""Stochastic gradient descent on a person's network, with gradients written by hand.

With the thesis's widths and small batches a step on the first layer moves more memory than it
computes. Its weights change by ``-rate * D.T @ X`` in the course of a few batches, though, where X
are the inputs and D the gradients at the outputs, so that what a later batch x sees of the change
is ``-rate * (x @ X.T) @ D.T``: small products. The weights themselves are read and written once for
all these batches, in products of full size. Nothing else differs from the ordinary way but the
order of the sums.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.networks import ListenerNetwork
from recommender.parameters import TrainingParams

_N_DELAYED = 256  # samples until the first layer's weights are written


def suits(params: TrainingParams) -> bool:
    """Tell whether a training is plain gradient descent on the squared error."""
    plain = params.optimizer == "sgd" and params.weight_decay == 0
    whole = params.schedule == "constant" and params.precision == "float32"
    return plain and whole and params.loss == "squared"


def fit(
    network: ListenerNetwork,
    draw: Callable[[int], tuple[Tensor, Tensor]],
    params: TrainingParams,
    on_epoch: Callable[[int, float], None],
) -> None:
    """Train a network as `training.fit` would: on the same batches, with the same dropout.

    Parameters
    ----------
    network : ListenerNetwork
    draw : callable
        Features and targets of an epoch, which is counted from 0.
    params : TrainingParams
        That it `suits`.
    on_epoch : callable
        Called after each epoch with its number, counted from 1, and the mean loss.
    """
    order = np.random.default_rng(params.seed)
    n_together = max(_N_DELAYED // params.batch_size, 1) * params.batch_size
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(params.seed)
        for epoch in range(params.epochs):
            x, y = draw(epoch)
            total = 0.0
            for chosen in torch.split(torch.from_numpy(order.permutation(len(x))), n_together):
                total += _several_steps(network, x[chosen], y[chosen], params)
            on_epoch(epoch + 1, total / len(x))


def _several_steps(network: ListenerNetwork, x: Tensor, y: Tensor, params: TrainingParams) -> float:
    """Learn from a few batches; the sum of their samples' losses."""
    layers = (*network.hidden, network.output)
    first, *rest = [layer for layer in layers if isinstance(layer, nn.Linear)]
    outputs = functional.linear(x, first.weight, first.bias)
    products = x @ x.T + 1  # the bias is the weight of an input of 1
    steps = torch.zeros_like(outputs)
    total = 0.0
    for start in range(0, len(x), params.batch_size):
        now = slice(start, start + params.batch_size)
        z = outputs[now] - products[now, :start] @ steps[:start]
        loss, back = _step(network, rest, z, y[now], params.learning_rate)
        steps[now] = params.learning_rate * back
        total += loss
    first.weight.addmm_(steps.T, x, alpha=-1)
    first.bias.sub_(steps.sum(0))
    return total


def _step(
    network: ListenerNetwork, rest: list[nn.Linear], z: Tensor, y: Tensor, rate: float
) -> tuple[float, Tensor]:
    """Learn from a batch, but for the first layer: sum of losses, and gradient at its outputs z."""
    inputs, slopes = [], []
    for layer in rest:
        a = network.activation(z)
        kept = functional.dropout(torch.ones_like(a), network.dropout)
        slopes.append(kept * (a * (1 - a) if network.activation is torch.sigmoid else (z > 0)))
        inputs.append(a * kept)
        z = functional.linear(inputs[-1], layer.weight, layer.bias)
    p = torch.sigmoid(z.squeeze(1))
    back = ((p - y) * p * (1 - p) * (2 / len(y)))[:, None]
    for layer, a, slope in reversed(list(zip(rest, inputs, slopes, strict=True))):
        before = (back @ layer.weight) * slope
        layer.weight.addmm_(back.T, a, alpha=-rate)
        layer.bias.sub_(back.sum(0), alpha=rate)
        back = before
    return float((p - y).square().sum()), back

"""The dense network of one person."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from recommender.parameters import NetworkParams


class ListenerNetwork(nn.Module):
    """Dense network of one person: features of a fragment to a logit of being liked.

    With the thesis's parameters: 1,920, dense 1,024 sigmoid, dropout 0.5, dense 128 sigmoid,
    dropout 0.5, dense 1 (whose sigmoid is taken outside).
    """

    def __init__(self, n_features: int, params: NetworkParams) -> None:
        super().__init__()
        widths = (n_features, *params.hidden)
        self.hidden = nn.ModuleList(
            nn.Linear(n_in, n_out) for n_in, n_out in itertools.pairwise(widths)
        )
        self.output = nn.Linear(widths[-1], 1)
        self.activation: Callable[[Tensor], Tensor]
        self.activation = torch.sigmoid if params.activation == "sigmoid" else torch.relu
        self.dropout = params.dropout

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(n, n_features)`` to logits ``(n,)``."""
        for layer in self.hidden:
            x = functional.dropout(self.activation(layer(x)), self.dropout, self.training)
        return self.output(x).squeeze(1)  # type: ignore[no-any-return]

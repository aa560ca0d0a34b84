"""One plain training loop for all networks; what it was doing survives on disk, if asked for."""

import copy
import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recommender import checkpoint
from recommender.errors import CheckpointError, ParameterError
from recommender.parameters import TrainingParams, fingerprint

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Gives inputs and targets of an epoch (counted from 0); may draw new ones each time."""

Loss = Callable[[Tensor, Tensor], Tensor]

_KIND = "training"
_WARM_UP = 0.1  # of all steps


@dataclass(frozen=True, kw_only=True)
class Validation:
    """How good a network is on what it does not learn from.

    Attributes
    ----------
    score : float
        What the best epoch is chosen by; higher is better.
    loss, accuracy : float or None
        To be shown.
    """

    score: float
    loss: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch gave; ``None`` where it is not known.

    Attributes
    ----------
    number : int
        Counted from 1.
    n_epochs : int
        How many there are at most.
    loss : float
        Mean training loss.
    accuracy : float or None
        Share of the training set that was told right while learning (dropout included), if its
        targets are classes.
    score, validation_loss, validation_accuracy : float or None
        What `validate` gave.
    seconds : float
        How long it took, with its validation.
    """

    number: int
    n_epochs: int
    loss: float
    accuracy: float | None = None
    score: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    seconds: float = 0.0


def fit(
    network: nn.Module,
    draw: Draw,
    loss: Loss,
    params: TrainingParams,
    *,
    validate: Callable[[], Validation] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    state: Path | None = None,
    identity: str = "",
) -> list[Epoch]:
    """Train a network in place.

    With `validate`, the network ends with the weights of its best epoch, and training stops once
    ``params.patience`` epochs have brought nothing better.

    Parameters
    ----------
    network : Module
    draw : callable
        Epoch to inputs ``(n, ...)`` and targets ``(n, ...)``. float16 is fine for inputs: each
        batch is made float32. With `state` it has to depend on the epoch's number alone.
    loss : callable
        Outputs and targets of a batch to a scalar.
    params : TrainingParams
        The order of the batches and dropout follow ``params.seed``; torch's global generator is
        left as it was.
    validate : callable, optional
        How good the network is as it stands (in evaluation mode).
    on_epoch : callable, optional
        Called after each epoch.
    state : Path, optional
        File that is written after each epoch. If it is there already, training goes on from it, and
        ends with the very weights that it would have had without the interruption (with as many
        threads, on the same machine). Who calls removes it in the end.
    identity : str
        What the state belongs to, such as a digest of the training set.

    Returns
    -------
    list of Epoch
        Of all epochs, those before an interruption included.

    Raises
    ------
    ParameterError
        If the loss grows beyond all bounds.
    CheckpointError
        If the state is damaged, belongs to another training, or cannot be written.
    """
    run = _Run(network, params, identity)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        if state is not None and state.exists():
            run.restore(state)
        while len(run.history) < params.epochs and not (
            validate is not None and len(run.history) - run.best_number >= params.patience
        ):
            start = time.perf_counter()
            x, y = draw(len(run.history))
            mean_loss, accuracy = run.epoch(x, y, loss)
            found = None
            if validate is not None:
                network.eval()
                with torch.inference_mode():
                    found = validate()
            run.note(
                Epoch(
                    number=len(run.history) + 1,
                    n_epochs=params.epochs,
                    loss=mean_loss,
                    accuracy=accuracy,
                    score=found.score if found else None,
                    validation_loss=found.loss if found else None,
                    validation_accuracy=found.accuracy if found else None,
                    seconds=time.perf_counter() - start,
                )
            )
            if state is not None:
                run.save(state)
            if on_epoch is not None:
                on_epoch(run.history[-1])
    if run.best_weights:
        network.load_state_dict(run.best_weights)
    network.eval()
    return run.history


def class_weights(y: NDArray[np.int64], n_genres: int) -> Tensor:
    """Weights for a loss in which each genre counts the same, however many samples it has.

    Parameters
    ----------
    y : ndarray of int64, shape (n,)
    n_genres : int

    Returns
    -------
    Tensor of float32, shape (n_genres,)
        In inverse proportion to the genres' counts; their mean over the samples is 1. 0 where there
        are none.
    """
    counts = np.bincount(y, minlength=n_genres)
    present = counts > 0
    weights = np.zeros(n_genres)
    weights[present] = len(y) / (present.sum() * counts[present])
    return torch.from_numpy(weights.astype(np.float32))


class _Run:
    """All that changes in the course of a training, and so has to survive an interruption."""

    def __init__(self, network: nn.Module, params: TrainingParams, identity: str) -> None:
        self.network = network
        self.params = params
        self.optimizer = _optimizer(network, params)
        self.order = np.random.default_rng(params.seed)
        self.history: list[Epoch] = []
        self.best_number = 0
        self.best_weights: dict[str, Tensor] = {}
        shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
        # Other versions of torch need not compute the same.
        self.fingerprint = fingerprint(params, shapes, identity, torch.__version__)

    def epoch(self, x: Tensor, y: Tensor, loss: Loss) -> tuple[float, float | None]:
        """Learn from each sample once; mean loss, and share told right if targets are classes."""
        self.network.train()
        has_classes = y.dtype == torch.int64
        in_half = self.params.precision == "bfloat16"
        total, n_right = 0.0, 0
        order = torch.from_numpy(self.order.permutation(len(x)))
        batches = torch.split(order, self.params.batch_size)
        for number, batch in enumerate(batches):
            self._set_rate((len(self.history) + number / len(batches)) / self.params.epochs)
            self.optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=in_half):
                outputs = self.network(x[batch].float())
            value = loss(outputs, y[batch])
            value.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += value.item() * len(batch)
            if has_classes:
                n_right += int((outputs.argmax(1) == y[batch]).sum())
        if not math.isfinite(total):
            raise ParameterError(
                f"the training diverged (its loss is {total}); lower its learning rate of"
                f" {self.params.learning_rate}"
            )
        return total / len(x), n_right / len(x) if has_classes else None

    def _set_rate(self, done: float) -> None:
        """Set the learning rate, after this share of the training."""
        if self.params.schedule == "cosine":
            rising = min(1.0, (done + 1e-3) / _WARM_UP)
            falling = 0.5 * (1 + math.cos(math.pi * max(0.0, done - _WARM_UP) / (1 - _WARM_UP)))
            for group in self.optimizer.param_groups:
                group["lr"] = self.params.learning_rate * rising * falling

    def note(self, epoch: Epoch) -> None:
        """Add an epoch to the history, and keep the weights if it is the best."""
        self.history.append(epoch)
        best = self.history[self.best_number - 1].score if self.best_number else -math.inf
        if epoch.score is not None and best is not None and epoch.score > best:
            self.best_number = epoch.number
            self.best_weights = copy.deepcopy(self.network.state_dict())

    def save(self, path: Path) -> None:
        """Write all of this, atomically."""
        tensors = {"torch_generator": torch.get_rng_state()}
        tensors |= {f"network.{name}": t for name, t in self.network.state_dict().items()}
        tensors |= {f"best.{name}": t for name, t in self.best_weights.items()}
        for i, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{key}": t for key, t in values.items()}
        manifest = {
            "fingerprint": self.fingerprint,
            "history": [dataclasses.asdict(epoch) for epoch in self.history],
            "best_number": self.best_number,
            "order": self.order.bit_generator.state,
        }
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        try:
            checkpoint.save(path, _KIND, arrays, manifest)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be written ({error.strerror})") from None

    def restore(self, path: Path) -> None:
        """Go back to what `save` wrote."""
        arrays, manifest = checkpoint.load(path, _KIND)
        if manifest["fingerprint"] != self.fingerprint:
            raise CheckpointError(
                f"{path}: belongs to a training of other music, of another network or with other"
                " settings; repeat that one, or delete the file to start anew"
            )
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}, "optimizer": {}}
        torch.set_rng_state(torch.from_numpy(arrays.pop("torch_generator")))
        for name, array in arrays.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = torch.from_numpy(array)
        self.network.load_state_dict(parts["network"])
        self.best_weights = parts["best"]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimizer"].items():
            i, _, key = name.partition(".")
            moments.setdefault(int(i), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.history = [Epoch(**epoch) for epoch in manifest["history"]]
        self.best_number = manifest["best_number"]
        self.order.bit_generator.state = manifest["order"]


def _optimizer(network: nn.Module, params: TrainingParams) -> torch.optim.Optimizer:
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.AdamW,
        "adam_l2": torch.optim.Adam,
        "rmsprop": torch.optim.RMSprop,
    }
    return kinds[params.optimizer](
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )

"""Hyperparameters by random search with early stopping (Ray Tune, ASHA).

The written system "Hand-made features and embeddings" (a course project) found the settings of its
LSTM in 200 random configurations; the space is its own.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recommender import cluster
from recommender.errors import ParameterError
from recommender.genres import adapting, learning
from recommender.genres.learning import Examples
from recommender.genres.systems import System
from recommender.training import Epoch

_GRACE = 3  # epochs that every trial has before it can be stopped


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One configuration that was tried.

    Attributes
    ----------
    settings, training : dict
        Hyperparameters of the network, and of its training.
    score : float
        Mean log-likelihood of the validation tracks, at its best epoch.
    accuracy : float
        Of the validation tracks, at that epoch.
    epochs : int
        How many it had; ASHA stops the worse ones early.
    """

    settings: dict[str, Any]
    training: dict[str, Any]
    score: float
    accuracy: float
    epochs: int


def space(system: System) -> dict[str, dict[str, Any]]:
    """Where settings are searched: of the network, and of its training.

    The LSTM's whole space is that of the course project; of other networks learning rate and size
    of batches are searched.
    """
    tune = cluster.load("ray.tune")
    training = {
        "learning_rate": tune.loguniform(1e-4, 1e-1),
        "batch_size": tune.choice([16, 32, 64, 128, 256]),
    }
    if system.name != "patch-lstm":
        return {"settings": {}, "training": training}
    settings = {
        "hidden": tune.choice([2**n for n in range(3, 10)]),
        "layers": tune.randint(1, 6),
        "dropout_between": tune.uniform(0.0, 0.25),
        "dropout": tune.uniform(0.0, 0.25),
    }
    return {"settings": settings, "training": training}


def search(
    system: System,
    examples: Examples,
    validation: Examples,
    *,
    genres: tuple[str, ...],
    n_trials: int = 200,
    jobs: int = 1,
    address: str | None = None,
    seed: int = 0,
    on_trial: Callable[[Trial | None], None] | None = None,
) -> list[Trial]:
    """Try random configurations, each in a process of its own; stop early what does not promise.

    Parameters
    ----------
    system : System
        What is trained by epochs, at most as many as it says.
    examples, validation : tuple of two ndarray
        As for `learning.train`.
    genres : tuple of str
    n_trials : int
    jobs : int
        Trials at the same time, on this machine.
    address : str, optional
        Of a cluster that runs them instead, see `cluster.session`.
    seed : int
        Of the configurations, and of each training.
    on_trial : callable, optional
        Given each trial when it has ended; ``None`` for one that diverged.

    Returns
    -------
    list of Trial
        The best first, without those that diverged.

    Raises
    ------
    ParameterError
        If Ray is missing, the system is not trained by epochs, or every trial failed.
    DistributedError
        If there is no cluster at the address.
    """
    if system.training is None:
        raise ParameterError(f"{system.name} is not trained by epochs: there is nothing to search")
    tune = cluster.load("ray.tune")
    schedulers = cluster.load("ray.tune.schedulers")
    basic = cluster.load("ray.tune.search.basic_variant")
    found: list[Trial] = []
    errors: list[str] = []

    class Collect(tune.Callback):  # type: ignore[misc, name-defined]
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
            del iteration, trials
            ended = _trial(trial.config, trial.last_result)
            if ended is not None:
                found.append(ended)
            if on_trial is not None:
                on_trial(ended)

        def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
            del iteration, trials
            errors.append(str(trial.get_error()))

    n_bytes = sum(array.nbytes for array in (*examples, *validation))
    memory = max(cluster.LEAST_MEMORY, 2 * n_bytes)
    with cluster.session(address, jobs=jobs, memory=memory) as (_, folder):
        attempt = tune.with_parameters(
            _attempt,
            system=system,
            examples=examples,
            validation=validation,
            genres=genres,
            seed=seed,
        )
        epochs = system.training.epochs
        scheduler = schedulers.ASHAScheduler(max_t=epochs, grace_period=min(_GRACE, epochs))
        tune.Tuner(
            tune.with_resources(attempt, {"cpu": 1}),
            param_space=space(system),
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                num_samples=n_trials,
                search_alg=basic.BasicVariantGenerator(random_state=seed),
                scheduler=scheduler,
            ),
            run_config=tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[Collect()]),
        ).fit()
    if not found:
        why = errors[0].strip().splitlines()[-1] if errors else "all trainings diverged"
        raise ParameterError(f"no trial came to an end: {why}")
    return sorted(found, key=lambda trial: -trial.score)


def _attempt(
    config: dict[str, Any],
    *,
    system: System,
    examples: Examples,
    validation: Examples,
    genres: tuple[str, ...],
    seed: int,
) -> None:
    """Train once, in a process of Ray's; tell the best epoch so far after each epoch."""
    import torch

    torch.set_num_threads(1)
    tune = cluster.load("ray.tune")
    found = adapting.Settings(network=system.name, **config)
    best = {"score": -math.inf, "accuracy": 0.0}

    def tell(epoch: Epoch) -> None:
        if epoch.score is not None and epoch.score > best["score"]:
            best.update(score=epoch.score, accuracy=epoch.validation_accuracy or 0.0)
        tune.report({**best, "epochs": epoch.number})

    # Ray hands arrays over that cannot be written to, which torch does not take.
    with contextlib.suppress(ParameterError):  # the training diverged
        learning.train(
            adapting.with_settings(system, found),
            (examples[0].copy(), examples[1].copy()),
            genres=genres,
            validation=(validation[0].copy(), validation[1].copy()),
            seed=seed,
            on_epoch=tell,
        )


def _trial(config: dict[str, Any], told: dict[str, Any] | None) -> Trial | None:
    if not told or not math.isfinite(told.get("score", -math.inf)):
        return None
    return Trial(
        settings=config["settings"],
        training=config["training"],
        score=float(told["score"]),
        accuracy=float(told["accuracy"]),
        epochs=int(told["epochs"]),
    )

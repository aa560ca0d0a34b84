"""The written genre systems by name: what each hears, its network or model, how it is trained."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from recommender import networks
from recommender.errors import ParameterError
from recommender.genres.inputs import (
    HANDMADE,
    MEL_22K,
    MEL_G4,
    MFCC_22K,
    MFCC_30S,
    InputParams,
    Offsets,
    embeddings,
)
from recommender.networks import GenreClassifier
from recommender.parameters import ConvolutionParams, SpectrogramParams, TrainingParams

Build = Callable[..., GenreClassifier]
"""Takes the shape of a piece ``(n_frames, n_bands)``, the number of genres, and settings."""


@dataclass(frozen=True, kw_only=True)
class System:
    """A way from sound to genres, as somebody wrote it down.

    Attributes
    ----------
    name : str
    title : str
        What it is, for people.
    source : str
        Who wrote it down.
    published : str
        The figure that its authors report; empty if there is none.
    inputs : InputParams
        What a piece of a track becomes.
    n_pieces : int
        Pieces of a track that are heard in training and tests.
    n_drawn : int or None
        How many of them an epoch draws; ``None``: all.
    offsets : {"consecutive", "random"}
        Where the pieces begin.
    standardise : bool
        Shift and scale each band by its mean and deviation over the training set.
    build : callable or str
        Makes a network; or the name of a classical model, or "som".
    settings : mapping
        Hyperparameters of the network, where they differ from its own defaults.
    training : TrainingParams or None
        ``None`` for what is not trained by epochs.
    """

    name: str
    title: str
    source: str
    published: str = ""
    inputs: InputParams
    n_pieces: int = 1
    n_drawn: int | None = None
    offsets: Offsets = "consecutive"
    standardise: bool = True
    build: Build | str
    settings: Mapping[str, Any] = field(default_factory=dict)
    training: TrainingParams | None = None

    def network(self, shape: tuple[int, int], n_genres: int) -> GenreClassifier:
        """Build the untrained network for pieces of this shape.

        Raises
        ------
        ParameterError
            If it has none, or its hyperparameters or the shape do not fit.
        """
        if isinstance(self.build, str):
            raise ParameterError(f"{self.name} is no network")
        try:
            return self.build(shape, n_genres, **self.settings)
        except TypeError as error:
            raise ParameterError(f"{self.name}: {error}") from None


def _thesis_network(shape: tuple[int, int], n_genres: int) -> GenreClassifier:
    n_frames, n_mels = shape
    return networks.GenreNetwork(ConvolutionParams(n_frames=n_frames, n_mels=n_mels), n_genres)


def _training(**params: Any) -> TrainingParams:
    return TrainingParams(loss="cross_entropy", **params)


def _from_thesis() -> Iterator[System]:
    system = System(
        name="thesis",
        title="Convolutions over time, then dense layers; can be cut to a preprocessor",
        source="The recommender (a diploma thesis, 2016)",
        published="98 % of its training fragments (9 genres)",
        inputs=InputParams(kind="mel", spectrogram=SpectrogramParams()),
        n_pieces=6,
        n_drawn=3,
        offsets="random",
        standardise=False,
        build=_thesis_network,
        training=_training(
            epochs=60, batch_size=64, optimizer="adam", learning_rate=1e-3, weight_decay=1e-2
        ),
    )
    yield system
    yield dataclasses.replace(
        system,
        name="thesis-log",
        title="The same on decibels, with a window",
        published="",
        inputs=InputParams(
            kind="mel", spectrogram=SpectrogramParams(window="hann", compression="log")
        ),
        standardise=True,
    )


def _from_paper() -> Iterator[System]:
    source = "MFCC, convolution and LSTM (a conference paper)"
    yield System(
        name="conv-lstm",
        title="Three convolutions, then an LSTM",
        source=source,
        published="60 % accuracy (GTZAN; 95 % in training)",
        inputs=MFCC_30S,
        build=networks.ConvLstm,
        training=_training(
            epochs=200, batch_size=32, optimizer="rmsprop", learning_rate=1e-5, patience=20
        ),
    )
    yield System(
        name="feed-forward",
        title="One hidden layer of tanh",
        source=source,
        published="clearly below its convolutions and LSTM",
        inputs=MFCC_30S,
        build=networks.FeedForward,
        training=_training(epochs=100, batch_size=32, optimizer="adam", learning_rate=1e-3),
    )
    yield System(
        name="som",
        title="Self-organising map of means and deviations",
        source=source,
        published="clearly below its convolutions and LSTM",
        inputs=MFCC_30S,
        build="som",
    )


def _from_five() -> Iterator[System]:
    training = _training(
        epochs=50, batch_size=32, optimizer="adam_l2", learning_rate=1e-4, weight_decay=1e-3
    )
    for name, title, build, on_mel, on_mfcc in (
        ("cnn1d", "Convolutions over time, their maxima", networks.Cnn1d, 78.9, 90.5),
        ("cnn2d", "Convolutions over time and frequency", networks.Cnn2d, 73.0, 77.8),
        ("lstm", "Two LSTMs", networks.StackedLstm, 47.6, 72.2),
        ("crnn", "Convolutions over time, then an LSTM", networks.Crnn, 78.1, 87.9),
        ("parallel", "Convolutions over time beside a GRU", networks.Parallel, 64.6, 83.0),
    ):
        for kind, inputs, percent in (("mel", MEL_22K, on_mel), ("mfcc", MFCC_22K, on_mfcc)):
            yield System(
                name=f"{name}-{kind}",
                title=title,
                source="Five networks on two inputs (a bachelor's thesis)",
                published=f"{percent:g} % accuracy (GTZAN, pieces of 3 s)",
                inputs=inputs,
                n_pieces=10,
                build=build,
                training=training,
            )


def _from_course() -> Iterator[System]:
    source = "Hand-made features and embeddings (a course project)"
    for name, title, percent in (
        ("svc", "Support vectors, RBF kernel, C = 3", 59.92),
        ("catboost", "CatBoost, 800 iterations, depth 6", 59.34),
        ("gradient-boosting", "Gradient boosting, 200 trees of depth 5", 57.13),
        ("random-forest", "Random forest, 500 trees, balanced", 56.23),
        ("logistic", "Logistic regression, C = 0.01", 53.59),
    ):
        yield System(
            name=name,
            title=title,
            source=source,
            published=f"{percent:.2f} % macro F1 (FMA small)",
            inputs=HANDMADE,
            build=name,
        )
    patches = embeddings("default")
    for name, title, percent, build, training in (
        (
            "patch-lstm",
            "Two LSTMs over patches",
            54.01,
            networks.PatchLstm,
            _training(epochs=50, batch_size=64, optimizer="adam", learning_rate=0.006),
        ),
        (
            "patch-cnn",
            "Two convolutions over patches",
            53.28,
            networks.PatchCnn,
            _training(epochs=60, batch_size=300, optimizer="adam", learning_rate=1e-3),
        ),
        ("patch-logistic", "Logistic regression on patches, C = 0.001", 52.63, None, None),
        (
            "patch-dense",
            "30 hidden units on patches",
            48.32,
            networks.PatchDense,
            _training(epochs=100, batch_size=64, optimizer="sgd", learning_rate=0.005),
        ),
    ):
        yield System(
            name=name,
            title=title,
            source=source,
            published=f"{percent:.2f} % macro F1 (FMA small, another frozen network)",
            inputs=patches,
            build=build or name,
            training=training,
        )


def _from_article() -> Iterator[System]:
    source = "A small 2-D CNN (an article)"
    training = _training(epochs=50, batch_size=32, optimizer="adam", learning_rate=1e-3)
    yield System(
        name="small-cnn2d",
        title="Two convolutions over time and frequency",
        source=source,
        published="68 % accuracy (GTZAN; 84 % in training)",
        inputs=MEL_G4,
        build=networks.SmallCnn2d,
        training=training,
    )
    yield System(
        name="small-dense",
        title="64 hidden units",
        source=source,
        published="45 % accuracy (GTZAN)",
        inputs=MEL_G4,
        build=networks.FeedForward,
        settings={"hidden": (64,), "activation": "relu"},
        training=training,
    )


def _from_here() -> Iterator[System]:
    yield System(
        name="frozen",
        title="The preprocessor's features, then support vectors",
        source="This project",
        inputs=InputParams(kind="features", embedding="default"),
        n_pieces=3,
        build="svc-as-they-are",
    )


SYSTEMS: dict[str, System] = {
    system.name: system
    for systems in (
        _from_thesis(),
        _from_paper(),
        _from_five(),
        _from_course(),
        _from_article(),
        _from_here(),
    )
    for system in systems
}
"""All systems by name, in the order in which they were written down; then what is shipped."""

"""Named ways from sound to a profile."""

import dataclasses
import math
from dataclasses import dataclass, field

from recommender.errors import ParameterError
from recommender.parameters.checking import require
from recommender.parameters.networks import NetworkParams, Scaling, TrainingParams
from recommender.parameters.spectrogram import SpectrogramParams


@dataclass(frozen=True, kw_only=True)
class NearnessParams:
    """A profile that compares with what is liked and with the other music; see `profile.nearness`.

    Parameters
    ----------
    scaling : {"centre", "standardise"}
        See `Scaling`; without any, features would have no directions to compare.
    liked_sharpness, other_sharpness : float
        Of the kernels around fragments that are liked, and around other ones: the larger, the
        less do fragments count that sound different.
    other_weight : float
        How much being near to other music, as music that is near to everything is, counts against
        a fragment.
    disliked_weight : float
        As how many other tracks a disliked one counts.
    n_per_track, n_liked, n_others : int
        At most so many fragments of a liked track, of all of them, and of the other music are
        compared with.
    slope, slope_by_coherence, offset_by_coherence : float
        Calibration: the logit is ``(slope + slope_by_coherence * c) * z - offset_by_coherence *
        c**2``, where z is the nearness in deviations of the other music's and c the coherence, z
        of the liked tracks themselves, each hidden in turn.
    usual_coherence, usual_weight : float
        The coherence counts as if so many more tracks with the usual one were liked.
    seed : int
        Chooses what is compared with.
    """

    scaling: Scaling = "centre"
    liked_sharpness: float = 5.0
    other_sharpness: float = 12.0
    other_weight: float = 0.5
    disliked_weight: float = 5.0
    n_per_track: int = 8
    n_liked: int = 256
    n_others: int = 512
    slope: float = 0.274
    slope_by_coherence: float = 0.642
    offset_by_coherence: float = 0.416
    usual_coherence: float = 1.3
    usual_weight: float = 3.0
    seed: int = 0

    def __post_init__(self) -> None:
        known = ("centre", "standardise")
        require(self.scaling in known, f"no scaling that compares directions: {self.scaling!r}")
        for name in ("n_per_track", "n_liked", "n_others"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1")
        for name in ("liked_sharpness", "other_sharpness", "usual_weight"):
            value = getattr(self, name)
            require(0 < value < math.inf, f"{name} must be positive, not {value}")
        for name in ("other_weight", "disliked_weight"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"{name} must not be negative: {value}")
        for name in ("slope", "slope_by_coherence", "offset_by_coherence", "usual_coherence"):
            value = getattr(self, name)
            require(math.isfinite(value), f"{name} must be finite, not {value}")


@dataclass(frozen=True, kw_only=True)
class DenseParams:
    """A profile that is a small dense network, trained on fragments.

    Parameters
    ----------
    network : NetworkParams
    training : TrainingParams
    fragments_per_track : int or None
        How many fragments of a liked track an epoch draws at most; ``None``: all.
    n_parts : int
        With more than one, the other music is dealt out in as many parts, a network learns from all
        parts but one, and a track is scored by the network that did not learn from it: else what is
        to be recommended would have been learned as "not liked".
    doubted_share : float
        Share of the other music that no network learns from, since it is most like the playlist:
        much of it would be liked.
    """

    network: NetworkParams = field(default_factory=NetworkParams)
    training: TrainingParams = field(default_factory=TrainingParams)
    fragments_per_track: int | None = None
    n_parts: int = 1
    doubted_share: float = 0.0

    def __post_init__(self) -> None:
        require(self.n_parts >= 1, f"n_parts must be at least 1, not {self.n_parts}")
        require(0 <= self.doubted_share < 1, f"not a share below 1: {self.doubted_share}")

    @property
    def scaling(self) -> Scaling:
        """Of the network's features."""
        return self.network.scaling

    @property
    def seed(self) -> int:
        """Of the training."""
        return self.training.seed


Learner = NearnessParams | DenseParams


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named way from sound to a profile.

    Attributes
    ----------
    name : str
    preprocessor : str
        Name of the shipped preprocessor that belongs to it.
    learner : NearnessParams or DenseParams
    """

    name: str
    preprocessor: str
    learner: Learner

    def with_seed(self, seed: int) -> "Recipe":
        """Return the recipe with another seed."""
        if isinstance(self.learner, NearnessParams):
            learner: Learner = dataclasses.replace(self.learner, seed=seed)
        else:
            training = dataclasses.replace(self.learner.training, seed=seed)
            learner = dataclasses.replace(self.learner, training=training)
        return dataclasses.replace(self, learner=learner)

    def with_epochs(self, epochs: int) -> "Recipe":
        """Return the recipe with another number of epochs.

        Raises
        ------
        ParameterError
            If nothing is trained in epochs.
        """
        if isinstance(self.learner, NearnessParams):
            raise ParameterError(
                f"recipe {self.name!r} learns at once, not in epochs; {NETWORK.name} and"
                f" {THESIS.name} have epochs"
            )
        training = dataclasses.replace(self.learner.training, epochs=epochs)
        return dataclasses.replace(
            self, learner=dataclasses.replace(self.learner, training=training)
        )

    def suited(self, *, whitened: bool) -> "Recipe":
        """Return the recipe as it suits features.

        Parameters
        ----------
        whitened : bool
            Whether the features come out of the preprocessor whitened, as the shipped default's do.
            Those of the convolutions alone do not, and are standardised instead of centred.
        """
        if whitened or self.learner.scaling != "centre":
            return self
        if isinstance(self.learner, NearnessParams):
            learner: Learner = dataclasses.replace(self.learner, scaling="standardise")
        else:
            network = dataclasses.replace(self.learner.network, scaling="standardise")
            learner = dataclasses.replace(self.learner, network=network)
        return dataclasses.replace(self, learner=learner)


DEFAULT = Recipe(name="default", preprocessor="default", learner=NearnessParams())
"""The best that was measured."""

NETWORK = Recipe(
    name="network",
    preprocessor="default",
    learner=DenseParams(
        network=NetworkParams(hidden=(64,), activation="relu", dropout=0.5, scaling="centre"),
        training=TrainingParams(
            epochs=12,
            batch_size=64,
            optimizer="adam",
            learning_rate=3e-3,
            weight_decay=1e-2,
            loss="bce",
            negative_target=0.0,
        ),
        fragments_per_track=10,
        n_parts=3,
        doubted_share=0.25,
    ),
)
"""The best dense network that was found."""

THESIS = Recipe(name="thesis", preprocessor="thesis", learner=DenseParams())
"""As the thesis writes it, targets that a sigmoid cannot reach included."""

RECIPES = {recipe.name: recipe for recipe in (DEFAULT, NETWORK, THESIS)}

SHIPPED = {
    "default": SpectrogramParams(window="hann", compression="log"),
    "thesis": SpectrogramParams(),
}
"""Spectrograms of the shipped preprocessors, by their names."""

SPECTROGRAMS = {**SHIPPED, "listing": SpectrogramParams(mel="listing")}
"""Spectrograms by name; "listing" has the filterbank of the thesis's published listing."""

import dataclasses
import math
import subprocess
import sys
from typing import Any

import pytest

from recommender.errors import ParameterError, RecommenderError
from recommender.parameters import (
    DEFAULT,
    NETWORK,
    RECIPES,
    SHIPPED,
    SPECTROGRAMS,
    THESIS,
    ConvolutionParams,
    DenseParams,
    NearnessParams,
    NetworkParams,
    Recipe,
    SpectrogramParams,
    TrainingParams,
    fingerprint,
)


def test_the_spectrogram_of_the_thesis() -> None:
    p = SPECTROGRAMS["thesis"]
    assert p == SpectrogramParams()  # a default is never anything else
    assert (p.sr, p.frame_length, p.hop_length) == (44_100, 5_512, 5_512)
    assert (p.bin_hz, p.n_bins, p.fmin, p.fmax) == (8.0, 1_378, 0.0, 11_024.0)
    assert (p.n_frames, p.n_mels) == (64, 128)
    assert (p.fragment_duration_s, p.fragment_length) == (8.0, 352_800)
    assert (p.window, p.mel, p.compression, p.reference) == (
        "rectangular",
        "described",
        "linear",
        "fragment",
    )


def test_the_listing_differs_in_its_filterbank_alone() -> None:
    assert SPECTROGRAMS["listing"] == dataclasses.replace(SPECTROGRAMS["thesis"], mel="listing")


def dense(recipe: Recipe) -> DenseParams:
    assert isinstance(recipe.learner, DenseParams)
    return recipe.learner


def test_the_network_of_the_thesis() -> None:
    learner = dense(THESIS)
    assert learner.network == NetworkParams(
        hidden=(1024, 128), activation="sigmoid", dropout=0.5, scaling="none"
    )
    t = learner.training
    assert (t.optimizer, t.learning_rate, t.batch_size) == ("sgd", 0.01, 16)
    assert (t.loss, t.negative_target, t.weight_decay) == ("squared", -1.0, 0.0)
    assert learner.fragments_per_track is None
    assert (learner.n_parts, learner.doubted_share) == (1, 0.0)


def test_recipes_are_called_by_their_names() -> None:
    assert [recipe.name for recipe in RECIPES.values()] == list(RECIPES)
    assert RECIPES == {"default": DEFAULT, "network": NETWORK, "thesis": THESIS}
    assert {recipe.preprocessor for recipe in RECIPES.values()} == set(SHIPPED)


@pytest.mark.parametrize(
    ("duration_s", "sr", "n"),
    [(0.125, 44_100, 5_512), (0.1, 44_100, 4_410), (0.07, 44_100, 3_087), (0.29, 48_000, 13_920)],
)
def test_lengths_do_not_lose_a_sample_to_rounding(duration_s: float, sr: int, n: int) -> None:
    p = SpectrogramParams(sr=sr, frame_duration_s=duration_s, hop_duration_s=duration_s)
    assert (p.frame_length, p.hop_length) == (n, n)


@pytest.mark.parametrize("frame_duration_s", [0.02, 0.125, 0.3])
@pytest.mark.parametrize("hop_duration_s", [0.02, 0.125, 0.3])
def test_a_window_holds_every_frame_of_a_fragment(
    frame_duration_s: float, hop_duration_s: float
) -> None:
    p = SpectrogramParams(frame_duration_s=frame_duration_s, hop_duration_s=hop_duration_s)
    last_frame_ends = (p.n_frames - 1) * p.hop_length + p.frame_length
    assert p.window_length >= last_frame_ends
    assert p.window_length >= p.fragment_length
    assert p.window_length in (last_frame_ends, p.fragment_length)


def test_bins_end_with_the_spectrum() -> None:
    p = SpectrogramParams(fmax=22_050.0)
    assert p.n_bins <= p.frame_length // 2 + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"sr": 0},
        {"sr": -44_100},
        {"frame_duration_s": 0.0},
        {"frame_duration_s": -0.125},
        {"frame_duration_s": math.nan},
        {"hop_duration_s": 0.0},
        {"hop_duration_s": math.nan},
        {"hop_duration_s": math.inf},
        {"window": "hamming"},
        {"mel": "slaney"},
        {"compression": "power"},
        {"reference": "track"},
        {"fmin": -1.0},
        {"fmin": 11_024.0},
        {"fmin": math.nan},
        {"fmax": 22_051.0},
        {"fmax": math.nan},
        {"n_mels": 0},
        {"n_frames": 0},
        {"range_db": 0.0},
        {"range_db": math.nan},
    ],
    ids=str,
)
def test_spectrograms_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        SpectrogramParams(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"hidden": (8, 0)}, {"activation": "tanh"}, {"dropout": 1.0}, {"scaling": "whiten"}],
    ids=str,
)
def test_networks_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        NetworkParams(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"weight_decay": -1e-9},
        {"optimizer": "adagrad"},
        {"loss": "hinge"},
        {"patience": 0},
        {"precision": "float16"},
    ],
    ids=str,
)
def test_trainings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        TrainingParams(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scaling": "whiten"},
        {"scaling": "none"},
        {"liked_sharpness": 0.0},
        {"other_sharpness": math.inf},
        {"other_weight": -1.0},
        {"other_weight": math.nan},
        {"disliked_weight": -1.0},
        {"n_per_track": 0},
        {"n_liked": 0},
        {"n_others": 0},
        {"slope": math.inf},
        {"slope_by_coherence": math.nan},
        {"offset_by_coherence": -math.inf},
        {"usual_coherence": math.nan},
        {"usual_weight": 0.0},
    ],
    ids=str,
)
def test_nearness_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        NearnessParams(**wrong)


@pytest.mark.parametrize("wrong", [{"n_parts": 0}, {"doubted_share": 1.0}, {"doubted_share": -0.1}])
def test_profiles_networks_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        DenseParams(**wrong)


def test_a_parameter_error_is_the_projects_and_a_value_error() -> None:
    assert issubclass(ParameterError, RecommenderError)
    assert issubclass(ParameterError, ValueError)


# Shapes of the convolutions -----------------------------------------------------------------------


def test_the_shapes_of_the_thesis() -> None:
    shape = ConvolutionParams()
    assert (shape.n_steps, shape.n_features) == (15, 1_920)
    assert shape.shapes["conv1.weight"] == (256, 128, 4)
    assert shape.shapes["conv2.weight"] == (128, 256, 2)


@pytest.mark.parametrize(("n_frames", "n_steps"), [(7, 1), (9, 1), (11, 2), (64, 15), (65, 15)])
def test_steps_that_are_left_of_a_fragment(n_frames: int, n_steps: int) -> None:
    # By hand for 11: convolved 8, pooled 4, convolved 3, pooled 2 with the odd last one kept.
    assert ConvolutionParams(n_frames=n_frames).n_steps == n_steps


def test_fragments_too_short_for_the_convolutions() -> None:
    with pytest.raises(ParameterError, match="6 frames are too few"):
        ConvolutionParams(n_frames=6)


# Fingerprints -------------------------------------------------------------------------------------


def test_every_parameter_counts() -> None:
    changed: dict[str, Any] = {
        "sr": 48_000,
        "frame_duration_s": 0.1,
        "hop_duration_s": 0.1,
        "window": "hann",
        "fmin": 20.0,
        "fmax": 11_025.0,
        "n_mels": 64,
        "n_frames": 32,
        "mel": "listing",
        "compression": "log",
        "reference": "absolute",
        "range_db": 60.0,
    }
    assert set(changed) == {field.name for field in dataclasses.fields(SpectrogramParams)}
    names = {fingerprint(SpectrogramParams(**{k: v})) for k, v in changed.items()}
    assert len(names | {fingerprint(SpectrogramParams())}) == len(changed) + 1


def test_the_order_of_parts_counts() -> None:
    assert fingerprint("a", "b") != fingerprint("b", "a")
    assert fingerprint("ab") != fingerprint("a", "b")


def test_fingerprints_are_the_same_tomorrow() -> None:
    # Written down: libraries of earlier versions keep their features only while this holds.
    assert fingerprint({"b": 1, "a": [1.5, "x"]}) == "940cdaf7bbf0dcd8"
    code = (
        "from recommender.parameters import *;print(fingerprint(SPECTROGRAMS['thesis'], 'weights'))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert other == fingerprint(SpectrogramParams(), "weights")
    assert len(other) == 16
    assert int(other, 16) >= 0


# Recipes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_another_seed_changes_nothing_else(recipe: Recipe) -> None:
    other = recipe.with_seed(7)
    assert other.learner.seed == 7
    assert recipe.learner.seed == 0
    assert other != recipe
    assert other.with_seed(0) == recipe


@pytest.mark.parametrize("recipe", [NETWORK, THESIS], ids=lambda recipe: recipe.name)
def test_other_epochs_change_nothing_else(recipe: Recipe) -> None:
    other = recipe.with_epochs(77)
    assert dense(other).training.epochs == 77
    assert other.with_epochs(dense(recipe).training.epochs) == recipe


def test_what_learns_at_once_has_no_epochs() -> None:
    with pytest.raises(
        ParameterError, match="'default' learns at once, not in epochs; network and"
    ):
        DEFAULT.with_epochs(3)


def test_features_that_are_not_whitened_are_standardised() -> None:
    for recipe in RECIPES.values():
        assert recipe.suited(whitened=True) is recipe
    assert THESIS.suited(whitened=False) is THESIS
    for recipe in (DEFAULT, NETWORK):
        raw = recipe.suited(whitened=False)
        assert (recipe.learner.scaling, raw.learner.scaling) == ("centre", "standardise")
        assert raw.suited(whitened=False) is raw
        assert (raw.name, raw.preprocessor) == (recipe.name, recipe.preprocessor)
    raw_network = dataclasses.replace(dense(NETWORK).network, scaling="standardise")
    expected = dataclasses.replace(dense(NETWORK), network=raw_network)
    assert NETWORK.suited(whitened=False).learner == expected
    assert DEFAULT.suited(whitened=False).learner == NearnessParams(scaling="standardise")

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from recommender import checkpoint, profile, training
from recommender.audio import Tags
from recommender.errors import CheckpointError, PlaylistError, ProfileError
from recommender.library import File, Library
from recommender.networks import ListenerNetwork
from recommender.parameters import (
    DEFAULT,
    NETWORK,
    THESIS,
    DenseParams,
    NetworkParams,
    Recipe,
    Scaling,
    TrainingParams,
)
from recommender.profile import Profile, TrackRef, descent
from recommender.profile import negatives as pools
from recommender.profile import network as listeners
from recommender.ranking import rank
from stored import rounded

FINGERPRINT = "0123456789abcdef"

Named = tuple[TrackRef, NDArray[np.float16]]


def dense(recipe: Recipe) -> DenseParams:
    assert isinstance(recipe.learner, DenseParams)
    return recipe.learner


def brief(recipe: Recipe, epochs: int = 3, **changes: Any) -> Recipe:
    """A network's recipe with few epochs."""
    learner = dataclasses.replace(dense(recipe.with_epochs(epochs)), **changes)
    return dataclasses.replace(recipe, learner=learner)


def content_hash(n: int) -> str:
    return f"{n:08x}" + "0" * 56


def ref(n: int) -> TrackRef:
    return TrackRef(content_hash=content_hash(n), path=f"/music/{n}.mp3")


def numbered(n: int, n_fragments: int = 6) -> Named:
    """A track whose fragments' features are its own number and theirs."""
    features = [[n, i] for i in range(n_fragments)]
    return ref(n), np.array(features, np.float16)


def sounding(n: int, *, liked: bool, n_features: int = 12, n_fragments: int = 5) -> Named:
    """A track of one of two kinds, which differ in the first half of their features."""
    rng = np.random.default_rng(n)
    x = np.abs(rng.normal(0.5, 0.3, (n_fragments, n_features)))
    x[:, : n_features // 2] += 1.0 if liked else 0.0
    return ref(n), rounded(x)


LIKED = [sounding(n, liked=True) for n in range(6)]
OTHERS = [sounding(n, liked=False) for n in range(100, 130)]


def trained(recipe: Recipe = DEFAULT, **options: Any) -> Profile:
    return profile.train("mine", recipe, FINGERPRINT, LIKED, OTHERS, **options)


def same(one: Profile, other: Profile) -> bool:
    return one.tensors.keys() == other.tensors.keys() and all(
        np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors
    )


# Scores -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaling", get_args(Scaling))
@pytest.mark.parametrize("recipe", [NETWORK, THESIS], ids=lambda recipe: recipe.name)
def test_scores_are_those_of_the_networks(recipe: Recipe, scaling: Scaling) -> None:
    params = dataclasses.replace(dense(recipe).network, scaling=scaling)
    found = trained(brief(recipe, network=params))
    for n, features in [(n, sounding(n, liked=bool(n % 2))[1]) for n in range(200, 209)]:
        part = int(content_hash(n)[:8], 16) % dense(recipe).n_parts
        prefix = f"{part}."
        network = ListenerNetwork(12, params).eval().double()
        network.load_state_dict(
            {
                name.removeprefix(prefix): torch.from_numpy(tensor).double()
                for name, tensor in found.tensors.items()
                if name.startswith(prefix)
            }
        )
        x = features.astype(np.float64)
        if scaling != "none":
            x = (x - found.tensors["feature_mean"]) / found.tensors["feature_std"]
            x /= np.sqrt(np.square(x).mean(axis=1, keepdims=True))
        with torch.inference_mode():
            scores = torch.sigmoid(network(torch.from_numpy(x)))
        # Measured: 5.4e-8.
        of_fragments = found.scores(features, content_hash(n))
        np.testing.assert_allclose(of_fragments, scores, rtol=0, atol=2e-7)
        # Measured: 2.5e-8.
        expected = pytest.approx(scores.mean().item(), abs=2e-7)
        assert found.track_score(features, content_hash(n)) == expected


@pytest.mark.parametrize("recipe", [DEFAULT, NETWORK, THESIS], ids=lambda recipe: recipe.name)
def test_scores_are_probabilities(recipe: Recipe) -> None:
    found = trained(recipe if recipe is DEFAULT else brief(recipe))
    for scale in (0.0, 1.0, 60_000.0):
        features = np.full((3, 12), scale, np.float16)
        assert 0.0 <= found.track_score(features, content_hash(1)) <= 1.0
        assert 0.0 <= found.track_score(-features, content_hash(1)) <= 1.0


# Training -----------------------------------------------------------------------------------------


@dataclass
class Fit:
    """What a training was asked, and what was drawn for it."""

    network: ListenerNetwork
    params: TrainingParams
    loss: training.Loss | None = None
    epochs: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=list)

    def tracks(self, epoch: int, *, liked: bool) -> list[tuple[int, int]]:
        """Numbers of the tracks and of their fragments, in an epoch; with raw features."""
        x, y = self.epochs[epoch]
        return [(int(track), int(i)) for track, i in x[(y == 1) == liked]]

    def recorded(self, draw: training.Draw) -> training.Draw:
        def drawn(epoch: int) -> tuple[Tensor, Tensor]:
            x, y = draw(epoch)
            self.epochs.append((x.numpy().copy(), y.numpy().copy()))
            return x, y

        return drawn


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[Fit]:
    fits: list[Fit] = []
    by_autograd, by_hand = training.fit, descent.fit

    def fit(
        network: ListenerNetwork,
        draw: training.Draw,
        loss: training.Loss,
        params: TrainingParams,
        **rest: Any,
    ) -> list[training.Epoch]:
        fits.append(Fit(network=network, params=params, loss=loss))
        return by_autograd(network, fits[-1].recorded(draw), loss, params, **rest)

    def fit_by_hand(
        network: ListenerNetwork, draw: training.Draw, params: TrainingParams, on_epoch: Any
    ) -> None:
        fits.append(Fit(network=network, params=params))
        by_hand(network, fits[-1].recorded(draw), params, on_epoch)

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(descent, "fit", fit_by_hand)
    return fits


RAW = NetworkParams(hidden=(4,), scaling="none")  # features reach the network as they are


def test_the_recipe_of_the_thesis(fits: list[Fit]) -> None:
    profile.train("mine", brief(THESIS, 2), FINGERPRINT, LIKED, OTHERS)
    (fit,) = fits  # one network for one person
    shapes = [tuple(p.shape) for p in fit.network.parameters()]
    assert shapes == [(1024, 12), (1024,), (128, 1024), (128,), (1, 128), (1,)]
    assert fit.network.activation is torch.sigmoid
    assert fit.network.dropout == 0.5
    assert (fit.params.optimizer, fit.params.learning_rate) == ("sgd", 0.01)
    assert (fit.params.batch_size, fit.params.weight_decay) == (16, 0.0)
    assert fit.params.loss == "squared"
    for x, y in fit.epochs:
        assert set(y.tolist()) == {1.0, -1.0}
        assert (y == 1).sum() == (y == -1).sum() == len(LIKED) * 5
        liked = np.concatenate([features for _, features in LIKED]).astype(np.float32)
        np.testing.assert_array_equal(x[y == 1], liked)  # every fragment, as it is


def test_squared_errors_are_those_of_probabilities() -> None:
    logits, targets = torch.tensor([0.0, 2.0, -3.0]), torch.tensor([1.0, 1.0, -1.0])
    outputs = 1 / (1 + np.exp([0.0, -2.0, 3.0]))
    squared = np.mean((outputs - [1, 1, -1]) ** 2)
    found = listeners._loss(TrainingParams(loss="squared"))(logits, targets)
    assert found.item() == pytest.approx(squared, rel=1e-6)


def test_the_best_network_asks_for_probabilities(fits: list[Fit]) -> None:
    trained(brief(NETWORK, 1))
    logits, targets = torch.tensor([0.5, -1.0]), torch.tensor([1.0, 0.0])
    expected = np.mean([math.log(1 + math.exp(-0.5)), math.log(1 + math.exp(-1.0))])
    assert fits[0].loss is not None
    assert fits[0].loss(logits, targets).item() == pytest.approx(expected, rel=1e-6)
    assert all(set(y.tolist()) == {0.0, 1.0} for fit in fits for _, y in fit.epochs)


@pytest.mark.parametrize("n_parts", [1, 3])
def test_negatives_are_drawn_afresh_and_never_from_the_playlist(
    fits: list[Fit], n_parts: int
) -> None:
    recipe = brief(THESIS, 8, network=RAW, n_parts=n_parts)
    liked = [numbered(n) for n in range(4)]
    others = [numbered(n) for n in range(100, 140)]
    profile.train("mine", recipe, FINGERPRINT, liked, others)
    assert len(fits) == n_parts
    for part, fit in enumerate(fits):
        drawn = [fit.tracks(epoch, liked=False) for epoch in range(8)]
        assert all(len(epoch) == 4 * 6 for epoch in drawn)
        assert len({tuple(epoch) for epoch in drawn}) == 8
        seen = {track for epoch in drawn for track, _ in epoch}
        wanted = {n for n in range(100, 140) if n_parts == 1 or n % n_parts != part}
        assert seen <= wanted  # none of the playlist, none that this network is to score
        assert len(seen) > 0.9 * len(wanted)
        assert {i for epoch in drawn for _, i in epoch} == set(range(6))
        for epoch in range(8):
            positives = fit.tracks(epoch, liked=True)
            assert sorted(positives) == [(n, i) for n in range(4) for i in range(6)]


def test_no_track_is_scored_by_a_network_that_it_taught() -> None:
    """Whatever a candidate sounds like, the network that scores it is the same."""
    recipe = brief(NETWORK, network=NetworkParams(hidden=(8,), scaling="none"))
    assert dense(recipe).n_parts > 1
    probe = sounding(999, liked=True)[1]
    for i in (0, 7, 20):
        changed = list(OTHERS)
        changed[i] = (changed[i][0], changed[i][1] + np.float16(3.0))
        one = profile.train("mine", recipe, FINGERPRINT, LIKED, OTHERS)
        other = profile.train("mine", recipe, FINGERPRINT, LIKED, changed)
        own_hash = changed[i][0].content_hash
        assert one.track_score(probe, own_hash) == other.track_score(probe, own_hash)
        assert not same(one, other)  # the other networks did hear it


def test_disliked_tracks_are_in_every_epoch(fits: list[Fit]) -> None:
    recipe = brief(THESIS, 4, network=RAW)
    profile.train(
        "mine",
        recipe,
        FINGERPRINT,
        [numbered(n) for n in range(4)],
        [numbered(n) for n in range(100, 140)],
        disliked=[numbered(50), numbered(51)],
    )
    for epoch in range(4):
        drawn = fits[0].tracks(epoch, liked=False)
        assert len(drawn) == 4 * 6
        assert {(n, i) for n in (50, 51) for i in range(6)} <= set(drawn)


def test_disliked_tracks_are_at_most_half_of_the_negatives(fits: list[Fit]) -> None:
    recipe = brief(THESIS, 2, network=RAW)
    profile.train(
        "mine",
        recipe,
        FINGERPRINT,
        [numbered(0)],
        [numbered(n) for n in range(100, 140)],
        disliked=[numbered(n) for n in range(50, 60)],
    )
    epochs = [fits[0].tracks(epoch, liked=False) for epoch in range(2)]
    for drawn in epochs:
        assert sum(n < 100 for n, _ in drawn) == 3
        assert sum(n >= 100 for n, _ in drawn) == 3
    assert epochs[0] != epochs[1]


def test_long_tracks_do_not_outweigh_short_ones(fits: list[Fit]) -> None:
    recipe = brief(THESIS, 3, network=RAW, fragments_per_track=5)
    liked = [numbered(0, 60), numbered(1, 3)]
    profile.train("mine", recipe, FINGERPRINT, liked, [numbered(100)])
    epochs = [fits[0].tracks(epoch, liked=True) for epoch in range(3)]
    for drawn in epochs:
        assert [track for track, _ in drawn] == [0] * 5 + [1] * 3
        assert len(set(drawn)) == len(drawn)
    assert epochs[0] != epochs[1]  # others of the long track each time


def test_the_shipped_pool_is_heard_by_every_network(fits: list[Fit]) -> None:
    recipe = brief(NETWORK, 2, network=RAW)
    pool = [numbered(n)[1] for n in range(500, 504)]
    found = profile.train("mine", recipe, FINGERPRINT, [numbered(0)], [], pool=pool)
    assert (found.negatives, found.n_negative_tracks) == ("shipped pool", 4)
    for fit in fits:
        assert {track for track, _ in fit.tracks(0, liked=False)} <= set(range(500, 504))
    found = profile.train("mine", recipe, FINGERPRINT, [numbered(0)], [numbered(9)], pool=pool)
    assert (found.negatives, found.n_negative_tracks) == ("library and shipped pool", 5)


@pytest.mark.parametrize(
    "recipe", [DEFAULT, brief(NETWORK), brief(THESIS)], ids=lambda recipe: recipe.name
)
def test_same_seed_same_profile(recipe: Recipe) -> None:
    torch.manual_seed(1)
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    one = trained(recipe)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == n_threads
    torch.manual_seed(2)
    assert same(one, trained(recipe))
    assert not same(one, trained(recipe.with_seed(1)))


def test_the_history_is_told_as_it_grows() -> None:
    told: list[profile.ProfileEpoch] = []
    found = trained(brief(NETWORK, 4), on_epoch=told.append)
    assert tuple(told) == found.history
    n = 4 * dense(NETWORK).n_parts
    assert [epoch.number for epoch in told] == list(range(1, n + 1))
    assert all(epoch.n_epochs == n for epoch in told)
    assert all(0 <= epoch.liked_score <= 1 and 0 <= epoch.other_score <= 1 for epoch in told)


def test_what_learns_at_once_has_no_history() -> None:
    told: list[profile.ProfileEpoch] = []
    assert trained(DEFAULT, on_epoch=told.append).history == ()
    assert told == []


@pytest.mark.parametrize("recipe", [DEFAULT, brief(NETWORK)], ids=lambda recipe: recipe.name)
def test_a_profile_tells_what_it_was_made_from(recipe: Recipe) -> None:
    found = trained(recipe, disliked=[sounding(900, liked=False)])
    assert (found.name, found.recipe, found.fingerprint) == ("mine", recipe.name, FINGERPRINT)
    assert (found.learner, found.n_features) == (recipe.learner, 12)
    assert found.liked == tuple(track for track, _ in LIKED)
    assert found.disliked == (ref(900),)
    assert (found.negatives, found.n_negative_tracks) == ("library", len(OTHERS))
    liked = np.mean([found.track_score(x, t.content_hash) for t, x in LIKED])
    others = np.mean([found.track_score(x, t.content_hash) for t, x in OTHERS])
    assert found.liked_score == pytest.approx(liked)
    assert found.other_score == pytest.approx(others)
    assert found.created.endswith("+00:00")


@pytest.mark.parametrize(
    ("liked", "others", "message"),
    [([], OTHERS, "no track of the playlist"), (LIKED, [], "there is no other music")],
)
def test_nothing_to_learn_from(
    liked: Sequence[Named], others: Sequence[Named], message: str
) -> None:
    with pytest.raises(ProfileError, match=f"'mine': {message}"):
        profile.train("mine", DEFAULT, FINGERPRINT, liked, others)


# From a library -----------------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library.db") as library:
        library.describe(FINGERPRINT, "{}")
        for track, features in [*LIKED, *OTHERS]:
            add(library, track, features)
        yield library


def add(library: Library, track: TrackRef, features: NDArray[np.float16]) -> None:
    file = File(
        path=Path(track.path),
        size=1,
        mtime_ns=1,
        content_hash=track.content_hash,
        duration_s=8.0 * len(features),
        tags=Tags(),
    )
    library.remember(file, FINGERPRINT, features)


def liked_paths(n: int = 6) -> list[Path]:
    return [Path(track.path) for track, _ in LIKED[:n]]


@pytest.mark.parametrize("recipe", [DEFAULT, NETWORK], ids=lambda recipe: recipe.name)
def test_a_liked_track_that_was_withheld_ranks_first(library: Library, recipe: Recipe) -> None:
    """The kinds differ in half of their features, so there is only one right answer."""
    liked = library.tracks(FINGERPRINT, liked_paths(5))
    found = profile.build(library, "mine", recipe, FINGERPRINT, liked)
    ranking = rank(found, library, [Path("/music")], duplicates=True)  # all are much alike
    assert len(ranking) == 1 + len(OTHERS)
    assert ranking[0].path == Path(LIKED[5][0].path)
    # Measured: 1.00 against 0.08, of the network 0.66 against 0.49; the means 1.00 and 0.04, and
    # 0.70 and 0.41.
    assert ranking[0].score > ranking[1].score + 0.1
    assert found.liked_score > found.other_score + 0.1


@pytest.mark.parametrize("recipe", [DEFAULT, brief(NETWORK, 1)], ids=lambda recipe: recipe.name)
def test_the_rest_of_the_library_is_the_other_music(library: Library, recipe: Recipe) -> None:
    liked = library.tracks(FINGERPRINT, liked_paths(4))
    disliked = library.tracks(FINGERPRINT, [Path(OTHERS[0][0].path)])
    found = profile.build(library, "mine", recipe, FINGERPRINT, liked, disliked=disliked)
    assert found.liked == tuple(track for track, _ in LIKED[:4])
    assert found.disliked == (OTHERS[0][0],)
    assert found.n_negative_tracks == 2 + len(OTHERS) - 1
    assert found.negatives == "library"
    others = sorted([*LIKED[4:], *OTHERS[1:]], key=lambda track: track[0].path)
    expected = profile.train("mine", recipe, FINGERPRINT, LIKED[:4], others, disliked=OTHERS[:1])
    assert same(found, expected)


def test_liked_and_disliked_at_once(library: Library) -> None:
    tracks = library.tracks(FINGERPRINT, liked_paths())
    with pytest.raises(ProfileError, match=r"/music/2\.mp3: is both liked and disliked"):
        profile.build(library, "mine", DEFAULT, FINGERPRINT, tracks, disliked=[tracks[2]])


@pytest.mark.parametrize(
    "recipe", [DEFAULT.with_seed(3), brief(NETWORK)], ids=lambda recipe: recipe.name
)
def test_a_rebuilt_profile_is_the_same(library: Library, recipe: Recipe) -> None:
    liked = library.tracks(FINGERPRINT, liked_paths())
    found = profile.build(library, "mine", recipe, FINGERPRINT, liked)
    again = profile.rebuild(library, found)
    assert same(again, found)
    assert (again.name, again.learner, again.liked) == ("mine", recipe.learner, found.liked)


def test_a_small_library_borrows_the_pool_until_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    pool = [features for _, features in OTHERS]
    pools.save_pool(weights / "negatives-x.safetensors", pool, FINGERPRINT, {"note": "toy"})
    pools.save_pool(weights / "negatives-y.safetensors", pool[:1], "f" * 16, {})
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    with Library.open(tmp_path / "library.db") as library:
        library.describe(FINGERPRINT, "{}")
        for track, features in [*LIKED, *OTHERS[:3]]:
            add(library, track, features)
        liked = library.tracks(FINGERPRINT, liked_paths())
        found = profile.build(library, "mine", DEFAULT, FINGERPRINT, liked)
        assert found.negatives == "library and shipped pool"
        assert found.n_negative_tracks == 3 + len(OTHERS)
        assert not profile.should_relearn(library, found)
        for track, features in OTHERS[: profile.MIN_OTHER_TRACKS]:
            add(library, track, features)
        assert profile.should_relearn(library, found)
        again = profile.rebuild(library, found)
        assert (again.negatives, again.n_negative_tracks) == ("library", profile.MIN_OTHER_TRACKS)
        assert not profile.should_relearn(library, again)
        for n in range(profile.MIN_OTHER_TRACKS):  # twice as many are worth it
            assert not profile.should_relearn(library, again)
            add(library, *sounding(2000 + n, liked=False))
        assert profile.should_relearn(library, again)


def test_a_pool_comes_back_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").mkdir()
    tracks = [numbered(n, n_fragments)[1] for n, n_fragments in ((1, 3), (2, 1), (3, 7))]
    path = tmp_path / "weights/negatives-x.safetensors"
    pools.save_pool(path, tracks, FINGERPRINT, {})
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    found = pools.load_shipped(FINGERPRINT)
    assert len(found) == 3
    for one, other in zip(found, tracks, strict=True):
        assert one.dtype == np.float16
        np.testing.assert_array_equal(one, other)
    assert pools.load_shipped("f" * 16) == []


# What is liked ------------------------------------------------------------------------------------


def test_playlists_folders_and_files_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "folder.m3u").mkdir()  # only a folder, whatever its name
    (tmp_path / "a.mp3").touch()
    lines = ["a.mp3", "gone.mp3", "http://radio.example/stream"]
    (tmp_path / "list.m3u8").write_text("\n".join(lines))
    sources = [tmp_path / "folder.m3u", tmp_path / "list.m3u8", tmp_path / "a.mp3"]
    entries, notes = profile.find_liked(sources)
    assert [entry.path for entry in entries] == [
        tmp_path / "folder.m3u",
        tmp_path / "a.mp3",
        tmp_path / "a.mp3",
    ]
    assert len(notes) == 2
    assert "gone.mp3 is gone" in notes[0]
    assert "http://radio.example/stream is a stream" in notes[1]
    with pytest.raises(PlaylistError, match="nowhere: there is no such folder"):
        profile.find_liked([tmp_path / "nowhere"])


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe", [DEFAULT, brief(NETWORK), brief(THESIS)], ids=lambda recipe: recipe.name
)
def test_what_is_saved_comes_back(tmp_path: Path, recipe: Recipe) -> None:
    found = trained(recipe, disliked=[sounding(900, liked=False)])
    path = profile.path_of("mine", tmp_path / "home")
    profile.save(found, path)
    loaded = profile.load(path)
    assert same(loaded, found)
    assert dataclasses.replace(loaded, tensors={}) == dataclasses.replace(found, tensors={})
    features = sounding(300, liked=True)[1]
    for n in range(3):
        score = found.track_score(features, content_hash(n))
        assert loaded.track_score(features, content_hash(n)) == score
    assert profile.names(tmp_path / "home") == ["mine"]
    profile.save(found, profile.path_of("another", tmp_path / "home"))
    assert profile.names(tmp_path / "home") == ["another", "mine"]
    assert profile.names(tmp_path / "nowhere") == []


def test_profiles_of_earlier_versions_are_to_be_built_again(tmp_path: Path) -> None:
    """They kept the network's parameters each for itself."""
    path = tmp_path / "p"
    profile.save(trained(brief(NETWORK, 1)), path)
    tensors, manifest = checkpoint.load(path, "profile")
    manifest |= manifest.pop("learner")
    header = json.dumps({"version": 1, "kind": "profile", "manifest": manifest})
    path.write_bytes(safetensors.numpy.save(tensors, metadata={"recommender": header}))
    with pytest.raises(
        CheckpointError, match=r"does not fit \('learner'\); build the profile again"
    ):
        profile.load(path)


@pytest.mark.parametrize("recipe", [DEFAULT, brief(NETWORK, 1)], ids=lambda recipe: recipe.name)
def test_files_that_are_no_profile(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "p"
    with pytest.raises(CheckpointError, match="there is no such file"):
        profile.load(path)
    profile.save(trained(recipe), path)
    tensors, manifest = checkpoint.load(path, "profile")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError):
        profile.load(path)
    learner = manifest["learner"]
    for wrong in (
        None,
        {},
        {**manifest, "liked": 3},
        {**manifest, "nonsense": 1},
        {**manifest, "recipe": "nonsense"},
        {**manifest, "learner": None},
        {**manifest, "learner": []},
        {**manifest, "learner": {**learner, "nonsense": 1}},
        {**manifest, "learner": {**learner, "network": 3}},
    ):
        checkpoint.save(path, "profile", tensors, wrong)
        with pytest.raises(CheckpointError, match="manifest does not fit"):
            profile.load(path)
    for name, tensor in tensors.items():
        fewer = {key: tensor for key, tensor in tensors.items() if key != name}
        checkpoint.save(path, "profile", fewer, manifest)
        with pytest.raises(CheckpointError, match=r"are missing|has shape"):
            profile.load(path)
        for broken, message in (
            (np.full_like(tensor, np.nan), "not finite"),
            (np.append(tensor, tensor[-1:], axis=0), "has shape"),
            (tensor[None], "has shape|are missing"),
        ):
            checkpoint.save(path, "profile", {**tensors, name: broken}, manifest)
            with pytest.raises(CheckpointError, match=message):
                profile.load(path)


def test_networks_whose_widths_are_not_those_they_were_trained_with(tmp_path: Path) -> None:
    path = tmp_path / "p"
    profile.save(trained(brief(NETWORK, 1)), path)
    tensors, manifest = checkpoint.load(path, "profile")
    manifest["learner"]["network"]["hidden"] = [65]
    checkpoint.save(path, "profile", tensors, manifest)
    with pytest.raises(CheckpointError, match=r"hidden\.0\.weight' has shape"):
        profile.load(path)


@pytest.mark.parametrize("name", ["a", "Für Elise", "2024 - best.of+", "日本", "x" * 80])
def test_names_that_can_be(name: str, tmp_path: Path) -> None:
    assert profile.path_of(name, tmp_path) == tmp_path / "profiles" / f"{name}.safetensors"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../a", "-a", " a", "_a", "a\0", "a\n", "x" * 81, "a\\b"]
)
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be a profile's name"):
        profile.path_of(name, tmp_path)


def test_what_is_most_like_the_playlist_is_no_negative() -> None:
    """Others in four directions, one of them the playlist's: that quarter is never learned from."""
    rng = np.random.default_rng(0)

    def named(n: int, direction: int) -> Named:
        centre = 5 * np.eye(4)[direction]
        return ref(n), (centre + rng.normal(0, 0.1, (3, 4))).astype(np.float16)

    liked = [named(n, 0) for n in range(5)]
    others = [named(100 + n, n % 4) for n in range(40)]
    kept = listeners._without_doubted(liked, others, 0.25)
    assert [track for track, _ in kept] == [t for n, (t, _) in enumerate(others) if n % 4]
    assert listeners._without_doubted(liked, others, 0.0) == others

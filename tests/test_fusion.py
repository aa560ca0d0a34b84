"""The shipped preprocessor's making: views of tracks, whitening, training, freezing."""

import dataclasses
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from recommender import preprocessor, spectrogram, timbre, training
from recommender.errors import AudioDecodeError
from recommender.genres import fusion, views, whitening
from recommender.genres.views import Change, ViewParams, Views
from recommender.networks import FusionNetwork
from recommender.parameters import ConvolutionParams, TrainingParams
from test_preprocessor import FINE, FUSION, LENGTH, SMALL, SR, music

WINDOW = FINE.window_length  # the longer of the two
SHAPE = ConvolutionParams(n_frames=SMALL.n_frames, n_mels=SMALL.n_mels)
NO_CHANGE = ViewParams(equaliser_db=0, band_limit=0, noise=0)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are small: a second thread costs more than it brings."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


# Views --------------------------------------------------------------------------------------------


def write(path: Path, y: NDArray[np.int16]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SR, len(y), "NONE", ""))
        file.writeframes(y.tobytes())
    return path


def loud(n_samples: int, seed: int = 0) -> NDArray[np.int16]:
    """Clipped noise and a tone: some bands are above the level of a full-scale sine."""
    y = 20 * music(n_samples, seed).astype(np.int32)
    return y.clip(-32_768, 32_767).astype(np.int16)


def compute(path: Path, options: ViewParams | None = None, **more: Any) -> Views:
    return views.compute([path], SMALL, FINE, options, **more)


def levels(y: NDArray[np.int16]) -> list[NDArray[np.float64]]:
    """Decibels below the maximum of the first fragment of both spectrograms."""
    return [
        40 * (spectrogram.plan(params, LENGTH).transform(y)[0].astype(np.float64) - 1)
        for params in (SMALL, FINE)
    ]


def described(y: NDArray[np.int16], change: Change) -> tuple[NDArray[Any], NDArray[Any]]:
    """A view's fragment and statistics, from the shipped spectrograms, whose floor is not near."""
    found = []
    for below_db in levels(y):
        x = below_db + change.gain_db
        x[:, change.n_kept :] = -np.inf
        x -= x.max()
        if change.floor_db is not None:
            x[x < change.floor_db] = change.floor_db
        found.append((x.clip(-80, 0) / 40 + 1).astype(np.float32)[None])
    coarse, fine = found
    return coarse[0], np.hstack([timbre.statistics(fine)[0], timbre.statistics(coarse)[0]])


UNCHANGED = Change(gain_db=np.zeros(32), n_kept=32, floor_db=None)


@pytest.mark.parametrize("sound", [music, loud, lambda n: np.zeros(n, np.int16)])
def test_clean_views_are_what_is_shipped(
    tmp_path: Path, sound: Callable[[int], NDArray[np.int16]]
) -> None:
    y = sound(5 * WINDOW)
    found = compute(write(tmp_path / "a.wav", y))
    assert found.n_clean == 3
    assert found.fragments.shape == (1, 12, 16, 32)
    for view, start in enumerate((0, 2 * WINDOW, 4 * WINDOW)):
        window = y[start : start + WINDOW]
        fragment, fine = timbre.extractor(SMALL, FINE).transform(window)
        statistics = np.hstack([fine[0], timbre.statistics(fragment)[0]])
        # Half precision of numbers up to 1: 2.5e-4.
        np.testing.assert_allclose(found.fragments[0, view], fragment[0], rtol=0, atol=2.5e-4)
        # Measured for statistics up to 6: 2.2e-5.
        np.testing.assert_allclose(found.statistics[0, view], statistics, rtol=0, atol=8e-5)


def test_what_is_not_changed_is_clean(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", music(WINDOW))  # all views begin at its start
    found = compute(path, NO_CHANGE)
    for view in range(1, 12):
        np.testing.assert_array_equal(found.fragments[0, view], found.fragments[0, 0])
        np.testing.assert_array_equal(found.statistics[0, view], found.statistics[0, 0])


def test_changed_views_begin_anywhere(tmp_path: Path) -> None:
    options = dataclasses.replace(NO_CHANGE, n_changed=40)
    found = compute(write(tmp_path / "a.wav", music(2 * WINDOW)), options).fragments[0, 3:]
    assert len({fragment.tobytes() for fragment in found}) == 40


def test_changes_are_those_drawn_at_both_resolutions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Change] = []
    draw = Change.draw

    def recorded(*arguments: Any) -> Change:
        drawn.append(draw(*arguments))
        return drawn[-1]

    monkeypatch.setattr(Change, "draw", recorded)
    y = music(WINDOW)
    assert min(below_db.min() for below_db in levels(y)) > -80  # nothing is cut off beforehand
    options = ViewParams(n_changed=24, n_kept=20, floor_db=(-40, -20))
    found = compute(write(tmp_path / "a.wav", y), options)
    assert len(drawn) == 24
    assert 0 < sum(change.n_kept < 32 for change in drawn) < 24
    assert 0 < sum(change.floor_db is not None for change in drawn) < 24
    for view, change in enumerate(drawn, 3):
        fragment, statistics = described(y, change)
        np.testing.assert_allclose(found.fragments[0, view], fragment, rtol=0, atol=2.5e-4)
        # Measured: 2.3e-5.
        np.testing.assert_allclose(found.statistics[0, view], statistics, rtol=0, atol=8e-5)


def test_changes_are_as_the_parameters_say() -> None:
    options, rng = ViewParams(), np.random.default_rng(0)
    drawn = [Change.draw(options, 128, rng) for _ in range(4_000)]
    kept = np.array([change.n_kept for change in drawn])
    floors = np.array([c.floor_db for c in drawn if c.floor_db is not None])
    # 4 standard errors of the shares are 0.03; one cut in 44 keeps all.
    assert np.mean(kept < 128) == pytest.approx(0.3 * 43 / 44, abs=0.03)
    assert len(floors) / 4_000 == pytest.approx(0.3, abs=0.03)
    assert (kept.min(), kept[kept < 128].max()) == (85, 127)
    assert floors.min() == pytest.approx(-75, abs=0.3) and floors.min() >= -75
    assert floors.max() == pytest.approx(-55, abs=0.3) and floors.max() <= -55
    gains = np.array([change.gain_db for change in drawn])
    # Four cosines, of which the first four bands' squares add up to nearly 4.
    assert gains[:, 0].std() == pytest.approx(3 * 2, rel=0.05)
    cosines = np.cos(np.pi * np.outer(np.arange(1, 5), np.arange(128)) / 128)
    amplitudes, left, *_ = np.linalg.lstsq(cosines.T, gains.T, rcond=None)
    np.testing.assert_allclose(left, 0, atol=1e-20)
    np.testing.assert_allclose(amplitudes.std(1), 3, rtol=0.05)
    assert np.abs(np.corrcoef(amplitudes) - np.eye(4)).max() < 0.07


def test_85_bands_reach_what_is_said() -> None:
    def to_mel(hz: float) -> float:
        return float(np.log1p(hz / 700))

    (hz,) = 700 * np.expm1(np.array([86 / 129]) * to_mel(11_024))  # where the 85th triangle ends
    assert hz == pytest.approx(3_900, abs=50)


def test_silence_stays_silent_when_it_is_changed(tmp_path: Path) -> None:
    options = ViewParams(band_limit=1, noise=1)
    found = compute(write(tmp_path / "a.wav", np.zeros(2 * WINDOW, np.int16)), options)
    assert (found.fragments == -1).all()


def test_views_follow_the_seed_alone(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.wav", music(3 * WINDOW, seed=n)) for n in range(4)]
    one = views.compute(paths, SMALL, FINE, seed=1)
    told: list[tuple[int, int]] = []
    two = views.compute(
        [paths[3], *paths[1:]], SMALL, FINE, seed=1, jobs=3, on_track=lambda *n: told.append(n)
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for name in ("fragments", "statistics"):
        np.testing.assert_array_equal(getattr(one, name)[1:], getattr(two, name)[1:])
    other = views.compute(paths, SMALL, FINE, seed=2)
    np.testing.assert_array_equal(one.fragments[:, :3], other.fragments[:, :3])
    for track in range(4):
        assert (one.fragments[track, 3:] != other.fragments[track, 3:]).any((1, 2)).all()
    part = one.subset(np.array([2, 0]))
    np.testing.assert_array_equal(part.fragments, one.fragments[[2, 0]])
    np.testing.assert_array_equal(part.statistics, one.statistics[[2, 0]])
    assert part.n_clean == 3


@pytest.mark.parametrize("n_samples", [400, 3_000, LENGTH, WINDOW - 1])
def test_short_tracks_have_all_views(tmp_path: Path, n_samples: int) -> None:
    y = music(n_samples)
    found = compute(write(tmp_path / "a.wav", y), NO_CHANGE)
    expected = spectrogram.transform(y, SMALL)[0]
    for fragment in found.fragments[0]:
        np.testing.assert_allclose(fragment, expected, rtol=0, atol=2.5e-4)  # half precision


def test_tracks_without_a_frame_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", music(399))
    with pytest.raises(AudioDecodeError, match=r"a\.wav: too short"):
        compute(path)
    with pytest.raises(AudioDecodeError, match=r"b\.wav"):
        compute(tmp_path / "b.wav")


# Whitening ----------------------------------------------------------------------------------------


def spread(
    sizes: list[int], d: int = 5, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Groups of vectors: correlated within, and far from one another."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(d, d))
    x = [rng.normal(0, 9, d) + rng.normal(size=(n, d)) @ mixed for n in sizes]
    names = np.repeat([f"artist {i}" for i in range(len(sizes))], sizes)
    shuffled = rng.permutation(len(names))
    return np.vstack(x)[shuffled], names[shuffled]


def pooled(x: NDArray[np.float64], groups: NDArray[np.str_]) -> NDArray[np.float64]:
    """Unbiased covariance within groups, group by group."""
    scatter, n_free = np.zeros((x.shape[1], x.shape[1])), 0
    for name in set(groups):
        members = x[groups == name]
        if len(members) > 1:
            scatter += (len(members) - 1) * np.cov(members.T)
            n_free += len(members) - 1
    return scatter / n_free


def test_without_shrinkage_groups_become_round() -> None:
    x, groups = spread([2, 3, 1, 7, 20, 1, 4])
    matrix = whitening.within(x, list(groups), shrinkage=0)
    # Measured: 6e-14.
    np.testing.assert_allclose(pooled(x @ matrix, groups), np.eye(5), rtol=0, atol=1e-11)


@pytest.mark.parametrize("shrinkage", [0.2, 0.6, 1.0])
def test_with_shrinkage_they_become_rounder(shrinkage: float) -> None:
    x, groups = spread([2, 3, 1, 7, 20, 1, 4])
    matrix = whitening.within(x, list(groups), shrinkage=shrinkage)
    covariance = pooled(x, groups)
    level = np.mean(np.diag(covariance))
    target = (1 - shrinkage) * covariance + shrinkage * level * np.eye(5)
    np.testing.assert_allclose(matrix.T @ target @ matrix, np.eye(5), rtol=0, atol=1e-11)
    if shrinkage == 1:
        np.testing.assert_allclose(matrix, np.eye(5) / np.sqrt(level), rtol=0, atol=1e-12)


def test_groups_of_one_count_for_nothing() -> None:
    x, groups = spread([2, 3, 1, 7, 20, 1, 4])
    several = np.isin(groups, ["artist 2", "artist 5"], invert=True)
    for shrinkage in (0.0, 0.5):
        np.testing.assert_allclose(
            whitening.within(x, list(groups), shrinkage=shrinkage),
            whitening.within(x[several], list(groups[several]), shrinkage=shrinkage),
            rtol=1e-12,
        )


def test_where_nobody_has_two_nothing_is_whitened() -> None:
    x, groups = spread([1, 1, 1])
    matrix = whitening.within(x, list(groups), shrinkage=0.6)
    np.testing.assert_allclose(matrix, np.eye(5) * matrix[0, 0], rtol=0, atol=1e-15)


def test_directions_are_those_of_the_largest_variance() -> None:
    x, _ = spread([40], d=7)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    for n in (1, 3, 7, 9):
        found = whitening.principal(x, n)
        expected = vectors[:, ::-1][:, :n]
        np.testing.assert_allclose(np.abs((found * expected).sum(0)), 1, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.T @ found, np.eye(min(n, 7)), rtol=0, atol=1e-12)
        variances = np.var(x @ found, axis=0, ddof=1)
        np.testing.assert_allclose(variances, values[::-1][:n], rtol=1e-10)


# Training -----------------------------------------------------------------------------------------

N_TRACKS, N_GENRES = 24, 3
Y = np.arange(N_TRACKS) % N_GENRES
ARTISTS = [f"artist {i // 4}" for i in range(N_TRACKS)]  # of four tracks each
PARAMS = TrainingParams(
    epochs=8,
    batch_size=16,
    optimizer="adam",
    learning_rate=3e-3,
    loss="cross_entropy",
    schedule="cosine",
)


def toy(seed: int = 0, y: NDArray[np.int64] = Y) -> Views:
    """Views of which a third of the bands, and some statistics, tell the genre."""
    rng = np.random.default_rng(seed)
    fragments = rng.normal(-0.5, 0.2, (len(y), 6, 16, 32))
    statistics = rng.normal(3, 2, (len(y), 6, FUSION.n_statistics))
    for genre in range(N_GENRES):
        fragments[y == genre, :, :, 10 * genre : 10 * genre + 10] += 0.3
        statistics[y == genre, :, 100 * genre : 100 * genre + 30] += 2
    return Views(
        fragments=fragments.astype(np.float16),
        statistics=statistics.astype(np.float32),
        n_clean=3,
    )


def train(seed: int = 0, **more: Any) -> FusionNetwork:
    params = dataclasses.replace(PARAMS, seed=seed)
    return fusion.train(toy(), Y, N_GENRES, fusion=FUSION, params=params, **more)


@pytest.fixture(scope="module")
def trained() -> FusionNetwork:
    return train()


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n]) for n in one)


def test_learns_what_can_be_learned(trained: FusionNetwork) -> None:
    y = np.arange(30) % N_GENRES
    found = fusion.shares(trained, toy(1, y))
    assert not trained.training
    np.testing.assert_allclose(found.sum(1), 1, rtol=0, atol=1e-6)
    assert (found.argmax(1) == y).all()


def test_shares_are_the_means_of_the_clean_views(trained: FusionNetwork) -> None:
    other = toy(1)
    expected = np.zeros((N_TRACKS, N_GENRES))
    for track in range(N_TRACKS):
        for view in range(3):
            x = torch.from_numpy(other.fragments[track, view].astype(np.float32))
            statistics = torch.from_numpy(other.statistics[track, view])
            scores = by_torch(trained, x[None], statistics[None])[2][0]
            expected[track] += np.exp(scores) / np.exp(scores).sum() / 3
    # Measured: 5e-8.
    np.testing.assert_allclose(fusion.shares(trained, other), expected, rtol=0, atol=1e-6)


def test_inputs_are_standardised_by_the_clean_views(trained: FusionNetwork) -> None:
    clean = toy()
    bands = clean.fragments[:, :3].reshape(-1, 32).astype(np.float64)
    statistics = clean.statistics[:, :3].reshape(-1, FUSION.n_statistics).astype(np.float64)
    for found, expected in (
        (trained.band_mean, bands.mean(0)),
        (trained.band_std, bands.std(0) + 1e-3),
        (trained.statistics_mean, statistics.mean(0)),
        (trained.statistics_std, statistics.std(0) + 1e-6),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_epoch_draws_two_views_of_each_track(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, Any] = {}

    def record(
        _: FusionNetwork, draw: training.Draw, loss: training.Loss, *__: Any, **___: Any
    ) -> None:
        taken.update(draw=draw, loss=loss)

    monkeypatch.setattr(training, "fit", record)
    everything = toy()
    train(seed=5)
    seen: set[tuple[int, int]] = set()
    for epoch in range(20):
        x, y = taken["draw"](epoch)
        np.testing.assert_array_equal(y, np.repeat(Y, 2))
        for row, track in zip(x.numpy(), np.repeat(np.arange(N_TRACKS), 2), strict=True):
            of_track = everything.fragments[track].reshape(6, -1).astype(np.float32)
            (view,) = np.flatnonzero((of_track == row[:-948]).all(1))
            np.testing.assert_array_equal(row[-948:], everything.statistics[track, view])
            seen.add((int(track), int(view)))
        halves = x[::2], x[1::2]
        assert (halves[0] != halves[1]).any(1).all()  # two different ones
        torch.testing.assert_close(taken["draw"](epoch)[0], x, rtol=0, atol=0)
    assert len(seen) == N_TRACKS * 6


def test_rare_genres_weigh_more_though_not_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[training.Loss] = []
    monkeypatch.setattr(training, "fit", lambda _, __, loss, *___, **____: taken.append(loss))
    y = np.repeat([0, 1, 2], [12, 8, 4])
    fusion.train(toy(0, y), y, N_GENRES, fusion=FUSION, params=PARAMS)
    rng = np.random.default_rng(0)
    scores, of_batch = rng.normal(size=(7, 3)), np.array([0, 2, 2, 1, 0, 1, 0])
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    weights = 1 / np.sqrt([12, 8, 4])
    # A tenth of each target is spread over all genres.
    targets = 0.9 * np.eye(3)[of_batch] + 0.1 / 3
    expected = -(targets * weights * logs).sum() / weights[of_batch].sum()
    found = taken[0](torch.from_numpy(logs.astype(np.float32)), torch.from_numpy(of_batch))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train()
    assert torch.equal(torch.get_rng_state(), before)


# Freezing -----------------------------------------------------------------------------------------


def disturbed(seed: int = 0) -> FusionNetwork:
    """An untrained network, every running statistic of which is something else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = FusionNetwork(SHAPE, FUSION, N_GENRES)
        for norm in (network.norm0, network.norm1, network.norm2):
            assert isinstance(norm, torch.nn.BatchNorm1d)
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.2, 3)
            with torch.no_grad():
                norm.weight.uniform_(-2, 2)
                norm.bias.uniform_(-1, 1)
        network.band_mean.uniform_(-0.7, -0.3)
        network.band_std.uniform_(0.1, 0.5)
        network.statistics_mean.uniform_(2, 4)
        network.statistics_std.uniform_(1, 3)
    return network.eval()


def by_torch(
    network: FusionNetwork, fragments: torch.Tensor, statistics: torch.Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Standardised statistics, embeddings and scores, in double precision, layer by layer."""
    w = {name: tensor.detach().double() for name, tensor in network.state_dict().items()}

    def dense(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def convolve(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.relu(functional.conv1d(x, w[f"{name}.weight"], w[f"{name}.bias"]))

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        parts = (w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts)

    x = ((fragments.double() - w["band_mean"]) / w["band_std"]).transpose(1, 2)
    x = functional.max_pool1d(convolve(x, "conv1"), 2)
    x = functional.max_pool1d(convolve(x, "conv2"), 2, ceil_mode=True)
    z = (statistics.double() - w["statistics_mean"]) / w["statistics_std"]
    told = torch.cat([norm(torch.cat([x.mean(2), x.max(2).values], 1), "norm0"), z], 1)
    hidden = functional.relu(norm(dense(told, "dense1"), "norm1"))
    embedded = norm(dense(hidden, "dense2"), "norm2")
    scores = dense(functional.relu(embedded), "output")
    return z.numpy(), embedded.numpy(), scores.numpy()


def features(
    network: FusionNetwork,
    found: Views,
    groups: list[str],
    fragments: torch.Tensor,
    statistics: torch.Tensor,
) -> NDArray[np.float64]:
    """Features as they are described, without folding anything."""
    clean = [
        by_torch(network, torch.from_numpy(x[:3]), torch.from_numpy(s[:3]))
        for x, s in zip(found.fragments, found.statistics, strict=True)
    ]
    learned, new = [], []
    for part, shrinkage in ((0, 0.7), (1, 0.6)):
        means = np.array([values[part].mean(0) for values in clean])
        matrix = whitening.within(means, groups, shrinkage=shrinkage)
        moved = (means - means.mean(0)) @ matrix
        length = np.sqrt((np.linalg.norm(moved, axis=1) ** 2).mean())
        learned.append(moved / length)
        values = by_torch(network, fragments, statistics)[part]
        new.append((values - means.mean(0)) @ matrix / length)
    directions = whitening.principal(np.hstack(learned), FUSION.n_features)
    # Those of the training tracks have a mean square of 1.
    return np.hstack(new) @ directions / np.std(np.hstack(learned) @ directions)


def frozen(path: Path, network: FusionNetwork, found: Views) -> preprocessor.Preprocessor:
    preprocessor.save(
        path,
        fusion.freeze(network, found, ARTISTS),
        params=SMALL,
        fusion=FUSION,
        genres=("a", "b", "c"),
        provenance={},
    )
    return preprocessor.load(path)


@pytest.mark.parametrize("kind", ["trained", "disturbed"])
def test_frozen_features_are_those_of_the_network(
    tmp_path: Path, trained: FusionNetwork, kind: str
) -> None:
    network = trained if kind == "trained" else disturbed()
    found = toy()
    y = music(20 * LENGTH)
    fragments, fine = timbre.extractor(SMALL, FINE).transform(y)
    statistics = np.hstack([fine, timbre.statistics(fragments)])
    result = frozen(tmp_path / "p", network, found).transform(y)
    expected = features(
        network, found, ARTISTS, torch.from_numpy(fragments), torch.from_numpy(statistics)
    )
    signs = np.sign((result * expected).sum(0))  # of principal directions, which have none
    # Measured for features up to 5: 7e-7 and 3e-6, with other seeds up to 3e-5, since directions of
    # nearly the same variance turn easily.
    np.testing.assert_allclose(result, expected * signs, rtol=0, atol=1e-4)


def test_folding_changes_nothing() -> None:
    """Down to the embedding, where nothing is projected."""
    network, found = disturbed(), toy()
    t = fusion.freeze(network, found, ARTISTS)
    fragments = found.fragments[:, 4].astype(np.float32)
    statistics = found.statistics[:, 4]
    n = FUSION.n_statistics + FUSION.n_embedding
    # The projection becomes the identity.
    t["projection.weight"] = np.eye(n, dtype=np.float32)
    t["projection.bias"] = np.zeros(n, np.float32)
    maps = preprocessor.layers.convolve(t, fragments)
    both = preprocessor.layers.fuse(t, maps, statistics)
    z, embedded, _ = by_torch(network, torch.from_numpy(fragments), torch.from_numpy(statistics))
    # Measured for numbers up to 8: 8e-7, and 1.5e-6 against torch.
    np.testing.assert_allclose(both, np.hstack([z, embedded]), rtol=0, atol=1e-5)
    with torch.inference_mode():
        x = network.pack(torch.from_numpy(fragments), torch.from_numpy(statistics))
        by_network = network.embed(x).numpy()
    np.testing.assert_allclose(both[:, -FUSION.n_embedding :], by_network, rtol=0, atol=1e-5)


def test_frozen_tracks_are_centred_and_uncorrelated() -> None:
    found = toy()
    t = fusion.freeze(disturbed(), found, ARTISTS)
    means = np.array(
        [
            preprocessor.layers.fuse(
                t, preprocessor.layers.convolve(t, fragments.astype(np.float32)), statistics
            ).mean(0)
            for fragments, statistics in zip(
                found.fragments[:, :3], found.statistics[:, :3], strict=True
            )
        ]
    ).astype(np.float64)
    # Measured: 3e-6 and 3e-6.
    np.testing.assert_allclose(means.mean(0), 0, rtol=0, atol=1e-5)
    covariance = np.cov(means.T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), rtol=0, atol=1e-5)
    assert (np.diff(np.diag(covariance)) < 0).all()
    assert np.square(means).mean() == pytest.approx(1, abs=1e-5)


def test_two_trainings_with_one_seed_are_the_same(tmp_path: Path, trained: FusionNetwork) -> None:
    one = fusion.freeze(trained, toy(), ARTISTS)
    torch.manual_seed(99)
    np.random.seed(99)
    again = train()
    assert same(one, fusion.freeze(again, toy(), ARTISTS))
    assert not same(one, fusion.freeze(train(seed=1), toy(), ARTISTS))
    frozen(tmp_path / "one", trained, toy())
    frozen(tmp_path / "two", again, toy())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

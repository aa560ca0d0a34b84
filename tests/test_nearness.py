"""Nearness: against its formulas, written once more as loops over plain numbers."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import ArrayLike, NDArray

from recommender import profile as profiles
from recommender.parameters import DEFAULT, NearnessParams, Scaling
from recommender.profile import Profile, TrackRef

Features = NDArray[np.float16]
Named = tuple[TrackRef, Features]
Vector = list[float]

PARAMS = NearnessParams()
N = 32  # features of the toy music
STRANGER = "f" * 64


def ref(n: int) -> TrackRef:
    return TrackRef(content_hash=f"{n:06x}" + "0" * 58, path=f"/music/{n}.mp3")


def named(n: int, features: ArrayLike) -> Named:
    return ref(n), np.atleast_2d(np.asarray(features, np.float16))


def around(centre: ArrayLike, seed: int, n_fragments: int = 1, spread: float = 0.5) -> Features:
    """Fragments at about this distance from a centre; their cosines are about 1 / (1 + its²)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, spread / math.sqrt(N), (n_fragments, N))
    return (np.asarray(centre, np.float64) + noise).astype(np.float16)


def axis(i: int) -> NDArray[np.float64]:
    return np.asarray(np.eye(1, N, i)[0], np.float64)


def all_around(n: int, first: int = 100) -> list[Named]:
    """Music in all directions, a fragment each."""
    return [named(first + i, around(np.zeros(N), first + i, spread=1.0)) for i in range(n)]


def trained(
    liked: Sequence[Named],
    others: Sequence[Named],
    disliked: Sequence[Named] = (),
    pool: Sequence[Features] = (),
    params: NearnessParams = PARAMS,
) -> Profile:
    recipe = dataclasses.replace(DEFAULT, learner=params)
    return profiles.train("mine", recipe, "f" * 16, liked, others, disliked=disliked, pool=pool)


def score(profile: Profile, features: ArrayLike, n: int = 0xFFFFFF) -> float:
    """Score of a track that is not known, or of one that is."""
    _, x = named(n, features)
    return profile.track_score(x, ref(n).content_hash)


def log_odds(profile: Profile, features: ArrayLike) -> float:
    """Of the score of a track that is not known."""
    p = score(profile, features)
    return math.log(p / (1 - p))


# The formulas -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Reference:
    """A fragment that is compared with."""

    track: int
    weight: float
    x: Vector


def directions(features: Features, mean: Vector) -> list[Vector]:
    found = []
    for row in features.astype(np.float64).tolist():
        x = [value - m for value, m in zip(row, mean, strict=True)]
        length = math.sqrt(sum(value**2 for value in x))
        found.append([value / length for value in x] if length else x)
    return found


def evenly(features: Features, n_most: int = 8) -> Features:
    """At most so many, evenly spread."""
    n = len(features)
    if n <= n_most:
        return features
    return features[[math.floor(i * n / n_most) for i in range(n_most)]]


def log_density(x: Vector, among: Sequence[Reference], sharpness: float, most: float) -> float:
    total = 0.0
    for r in among:
        cosine = sum(a * b for a, b in zip(x, r.x, strict=True))
        total += r.weight * math.exp(sharpness * cosine) * (cosine < most)
    return math.log(total / sum(r.weight for r in among) + (1e-9 if most < 2 else 0)) / sharpness


def near(x: Vector, track: int, liked: Sequence[Reference], others: Sequence[Reference]) -> float:
    mine = log_density(x, [r for r in liked if r.track != track], 5.0, 2.0)
    theirs = log_density(x, [r for r in others if r.track != track], 12.0, 0.98)
    return mine - 0.5 * theirs


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return mean, math.sqrt((squares + 5 * 0.065**2) / (len(values) + 5))


def average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def some_music() -> tuple[list[Named], list[Named], list[Named], list[Features]]:
    rng = np.random.default_rng(5)

    def track(centre: NDArray[np.float64]) -> Features:
        return around(1 + 2 * centre, int(rng.integers(1 << 30)), int(rng.integers(1, 20)), 2.0)

    liked = [named(n, track(axis(n % 2))) for n in range(5)]
    others = [named(n, track(rng.normal(0, 0.3, N))) for n in range(100, 125)]
    disliked = [named(n, track(axis(2))) for n in (50, 51)]
    return liked, others, disliked, [track(rng.normal(0, 0.3, N)) for _ in range(3)]


def test_reading_and_scores_follow_the_formulas() -> None:
    liked, others, disliked, pool = some_music()
    profile = trained(liked, others, disliked, pool)

    music = [x for _, x in others] + pool
    of_tracks = [x.astype(np.float64).mean(0) for x in music]
    mean = [average([float(m[i]) for m in of_tracks]) for i in range(N)]
    np.testing.assert_allclose(profile.tensors["feature_mean"], mean, rtol=0, atol=1e-6)

    own = {n: directions(evenly(x), mean) for n, (_, x) in enumerate(liked)}
    references = [Reference(n, 1 / len(rows), x) for n, rows in own.items() for x in rows]
    # Of each other track one fragment, whichever; but a track of the library's, never of the pool.
    theirs: list[Reference] = []
    rows = profile.tensors["other"].astype(np.float64)
    for row, (track, features) in zip(rows, others, strict=False):
        apart = [max(abs(np.array(x) - row)) for x in directions(features, mean)]
        assert min(apart) < 1e-5
        chosen = directions(features, mean)[int(np.argmin(apart))]
        theirs.append(Reference(int(track.content_hash[:6], 16), 1.0, chosen))
    for track, features in disliked:
        unwanted = directions(evenly(features), mean)
        n = int(track.content_hash[:6], 16)
        theirs += [Reference(n, 5 / len(unwanted), x) for x in unwanted]
    assert len(rows) == len(theirs)

    keys = [int(track.content_hash[:6], 16) for track, _ in others] + [-1] * len(pool)
    heard = [(key, directions(evenly(x), mean)) for key, x in zip(keys, music, strict=True)]

    def reading(among: Sequence[Reference]) -> tuple[float, float]:
        return mean_and_deviation(
            [average([near(x, key, among, theirs) for x in rows]) for key, rows in heard]
        )

    hidden = []
    for n, fragments in own.items():
        rest = [r for r in references if r.track != n]
        centre, deviation = reading(rest)
        nearness_of_it = average([near(x, n, rest, theirs) for x in fragments])
        hidden.append((nearness_of_it - centre) / deviation)
    coherence = (sum(hidden) + 3 * 1.3) / (5 + 3)
    centre, deviation = reading(references)
    expected = [centre, deviation, coherence]
    # Measured: 4.9e-8.
    np.testing.assert_allclose(profile.tensors["reading"], expected, rtol=0, atol=5e-7)

    for track, features in [*liked, *others[:5], *disliked, named(999, some_music()[3][0])]:
        key = int(track.content_hash[:6], 16)
        z = [
            (near(x, key, references, theirs) - centre) / deviation
            for x in directions(features, mean)
        ]
        logits = [(0.274 + 0.642 * coherence) * value - 0.416 * coherence**2 for value in z]
        expected = [1 / (1 + math.exp(-logit)) for logit in logits]
        found = profile.scores(features, track.content_hash)
        # Measured: 1.2e-7.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        whole = 1 / (1 + math.exp(-average(logits)))
        assert profile.track_score(features, track.content_hash) == pytest.approx(whole, abs=1e-6)


def test_one_liked_track_is_read_as_is_usual() -> None:
    profile = trained([named(0, axis(0))], all_around(30))
    assert profile.tensors["reading"][2] == pytest.approx(1.3)
    assert score(profile, axis(0)) > 0.7 > 0.3 > score(profile, -axis(0))
    # It has nothing but itself to be compared with.
    assert score(profile, axis(0), 0) == pytest.approx(score(profile, axis(0)), abs=1e-6)


def test_tracks_that_are_alike_make_a_profile_that_is_sure() -> None:
    others = all_around(40)
    alike = trained([named(n, around(axis(0), n)) for n in range(10)], others)
    unlike = trained(all_around(10, first=0), others)
    assert alike.tensors["reading"][2] > 2
    assert 0 <= unlike.tensors["reading"][2] < 1
    # With nothing in common it is not sure of anything: measured 1.00 and 0.68.
    assert score(alike, axis(0)) > 0.9
    highest = max(score(unlike, x) for _, x in all_around(40, first=1000))
    assert highest < 0.75


# What is compared with ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_tracks", "n_fragments"), [(1, 8), (32, 256), (33, 33 * 7), (256, 256), (1000, 256)]
)
def test_memory_is_bounded(n_tracks: int, n_fragments: int) -> None:
    liked = [named(n, around(axis(0), n, 9)) for n in range(n_tracks)]
    others = [named(n, around(axis(1), n, 2)) for n in range(2000, 2600)]
    profile = trained(liked, others, pool=[around(axis(1), n) for n in range(50)])
    assert len(profile.tensors["liked"]) == n_fragments
    assert profile.tensors["liked.weight"].sum() == pytest.approx(min(n_tracks, 256), rel=1e-5)
    assert len(profile.tensors["other"]) <= 512
    assert profile.liked_score > 0.9
    assert profile.other_score < profile.liked_score - 0.5
    for track, features in liked[:20]:
        assert profile.track_score(features, track.content_hash) > 0.9


def test_no_track_is_compared_with_itself() -> None:
    """Wherever its own fragments lay among those compared with, it would score the same."""
    liked = [named(n, around(axis(0), n, 3)) for n in range(4)]
    others = all_around(30)
    profile = trained(liked, others)
    for name, (track, features) in (("liked", liked[2]), ("other", others[7])):
        own = profile.tensors[f"{name}.key"] == int(track.content_hash[:6], 16)
        assert own.any()
        elsewhere = profile.tensors[name].copy()
        elsewhere[own] = axis(3)
        changed = dataclasses.replace(profile, tensors={**profile.tensors, name: elsewhere})
        before = profile.track_score(features, track.content_hash)
        assert changed.track_score(features, track.content_hash) == before
        assert abs(score(changed, features) - score(profile, features)) > 1e-3


def test_the_pool_is_not_compared_with_but_tells_what_is_usual() -> None:
    liked = [named(n, around(axis(0), n)) for n in range(4)]
    near = [around(axis(0) + axis(1), n) for n in range(40)]
    far = [around(axis(1), n) for n in range(40)]
    assert trained(liked, [], pool=far).tensors["other"].shape == (0, N)
    with_others = trained(liked, all_around(5), pool=far)
    assert sorted(with_others.tensors["other.key"]) == [100, 101, 102, 103, 104]
    candidate = axis(0) + 0.5 * axis(1)
    assert score(trained(liked, [], pool=near), candidate) < score(
        trained(liked, [], pool=far), candidate
    )


def test_order_makes_no_difference() -> None:
    """Of other tracks that have one fragment: of several it chooses which one is drawn."""
    liked = [named(n, around(axis(n % 3), n, 12)) for n in range(9)]
    others, disliked = all_around(40), [named(n, around(axis(4), n, 3)) for n in (50, 51)]
    profile = trained(liked, others, disliked)
    turned = trained(liked[::-1], others[::-1], disliked[::-1])
    for track, features in [*liked, *others, *all_around(30, first=500)]:
        found = turned.track_score(features, track.content_hash)
        # Measured: 3.6e-8.
        assert found == pytest.approx(profile.track_score(features, track.content_hash), abs=3e-7)


def test_batches_and_threads_make_no_difference() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    profile = trained([named(n, around(axis(0), n, 8)) for n in range(40)], all_around(300))
    x = np.concatenate([features for _, features in all_around(700, first=1000)])
    with threadpoolctl.threadpool_limits(1):
        whole = profile.scores(x, STRANGER)
        alone = np.concatenate([profile.scores(row[None], STRANGER) for row in x])
    with threadpoolctl.threadpool_limits(2):
        by_two = profile.scores(x, STRANGER)
    # Measured: 1.8e-8 and 0.
    np.testing.assert_allclose(alone, whole, rtol=0, atol=2e-7)
    np.testing.assert_allclose(by_two, whole, rtol=0, atol=2e-7)


# What it says of music ----------------------------------------------------------------------------


def test_two_tastes_are_two() -> None:
    """What lies between them is as near to their centre as nothing else, and yet it is neither."""
    liked = [named(n, around(axis(n % 2), n, spread=0.4)) for n in range(12)]
    profile = trained(liked, all_around(60))
    first, second = (around(axis(i), 300 + i, 5, 0.4) for i in (0, 1))
    between = around((axis(0) + axis(1)) / math.sqrt(2), 302, 5, 0.4)
    centre = np.concatenate([x for _, x in liked]).mean(0, dtype=np.float64)

    def to_centre(features: Features) -> float:
        mean = features.mean(0, dtype=np.float64)
        return float(mean @ centre / np.linalg.norm(mean) / np.linalg.norm(centre))

    assert to_centre(between) > max(to_centre(first), to_centre(second))
    # Measured: 6.1 and 6.0 against 4.3.
    lowest = min(log_odds(profile, first), log_odds(profile, second))
    assert lowest > log_odds(profile, between) + 1


def test_what_is_disliked_pulls_its_like_down() -> None:
    liked = [named(n, around(axis(0), n)) for n in range(6)]
    others = all_around(40)
    odd = named(50, around(axis(0) + axis(5), 50, spread=0.4))
    like_it = around(axis(0) + axis(5), 301, 4, 0.4)
    unlike_it = around(axis(0) - axis(5), 302, 4, 0.4)
    without = trained(liked, others)
    as_other = trained(liked, [*others, odd])
    disliked = trained(liked, others, [odd])
    # Measured: 0.2, 0.4 as other music, 3.7 without; of what is unlike it 3.9 and 3.1.
    assert log_odds(disliked, like_it) < log_odds(as_other, like_it) - 0.1
    assert log_odds(disliked, like_it) < log_odds(without, like_it) - 1
    apart = log_odds(disliked, unlike_it) - log_odds(without, unlike_it)
    assert abs(apart) < 1


def test_a_copy_in_the_library_does_not_push_a_track_down() -> None:
    liked = [named(n, around(axis(0), n)) for n in range(6)]
    others = all_around(200)
    track, alike = around(axis(0), 400), around(axis(0), 401, spread=0.4)
    copy = (track + np.float16(0.01)).astype(np.float16)  # as another codec would have it
    alone, beside_copy, beside_alike = (
        log_odds(trained(liked, [*others, *more]), track)
        for more in ([], [named(900, copy)], [named(900, alike)])
    )
    # Measured: 6.6, 6.0 and 4.5.
    assert beside_copy > alone - 1
    assert beside_alike < alone - 1.5


def test_what_is_near_to_everything_is_not_recommended() -> None:
    """Two candidates are as near to what is liked; one of them has much other music around it."""
    liked = [named(n, around(axis(0), n)) for n in range(6)]
    crowd = [named(500 + n, around(axis(0) + axis(1), 500 + n, spread=0.8)) for n in range(15)]
    profile = trained(liked, [*all_around(40), *crowd])
    hub, lone = around(axis(0) + axis(1), 600, 4, 0.3), around(axis(0) - axis(1), 600, 4, 0.3)
    # Measured: 4.1 and -2.5.
    assert log_odds(profile, lone) > log_odds(profile, hub) + 1


# Any numbers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def usual() -> Profile:
    liked, others, disliked, pool = some_music()
    return trained(liked, others, disliked, pool)


HALVES = st.floats(-65504, 65504, width=16)


@given(x=arrays.arrays(np.float16, st.tuples(st.integers(1, 5), st.just(N)), elements=HALVES))
def test_scores_are_probabilities(usual: Profile, x: Features) -> None:
    for name in (STRANGER, ref(0).content_hash, ref(100).content_hash):
        scores = usual.scores(x, name)
        assert scores.shape == (len(x),)
        assert ((scores >= 0) & (scores <= 1)).all()
        assert 0 <= usual.pooled(scores, [len(x)])[0] <= 1


EXTREMES = {
    "zero": np.zeros((3, N)),
    "constant": np.ones((3, N)),
    "huge": np.full((3, N), 65504.0),
    "opposite": np.array([[65504.0] * N, [-65504.0] * N]),
    "tiny": np.full((3, N), 6e-8) * np.arange(N),
    "one feature": 100 * np.eye(N)[[0]],
}


@pytest.mark.parametrize("scaling", ["centre", "standardise"])
@pytest.mark.parametrize("other", EXTREMES)
@pytest.mark.parametrize("own", EXTREMES)
def test_strange_features_give_finite_scores(own: str, other: str, scaling: Scaling) -> None:
    liked = [named(n, EXTREMES[own]) for n in range(3)]
    others = [named(100 + n, EXTREMES[other]) for n in range(20)]
    profile = trained(liked, others, liked[:0], params=NearnessParams(scaling=scaling))
    assert all(np.isfinite(tensor).all() for tensor in profile.tensors.values())
    for n, features in ((0, EXTREMES[own]), (100, EXTREMES[other]), *enumerate(EXTREMES.values())):
        assert 0 <= score(profile, features, n) <= 1


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_others", [0, 25])
def test_saved_profiles_score_the_same(tmp_path: Path, n_others: int) -> None:
    liked, others, disliked, pool = some_music()
    profile = trained(liked, others[:n_others], disliked[:n_others], pool)
    profiles.save(profile, tmp_path / "p.safetensors")
    loaded = profiles.load(tmp_path / "p.safetensors")
    for track, features in [*liked, *others, *disliked]:
        before = profile.track_score(features, track.content_hash)
        assert loaded.track_score(features, track.content_hash) == before

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.audio import Tags
from recommender.errors import ParameterError, ProfileError
from recommender.library import File, Library
from recommender.profile import Features, Profile, TrackRef
from recommender.ranking import Ranked, rank
from stored import with_first

FINGERPRINT = "0123456789abcdef"
N_FEATURES = 32
MUSIC = Path("/music")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library.db") as library:
        library.describe(FINGERPRINT, "{}")
        yield library


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def content_hash(n: int) -> str:
    return f"{n:08x}" + "0" * 56


def add(library: Library, name: str, scores: Sequence[float], artist: str | None = None) -> str:
    """Put a track into the library whose fragments get these scores from `a_profile`.

    The score is the first feature; the others are such that no track sounds like another.
    """
    n = len(library.tracks(FINGERPRINT))
    file = File(
        path=MUSIC / name,
        size=1,
        mtime_ns=1,
        content_hash=content_hash(n),
        duration_s=8.0 * len(scores),
        tags=Tags(artist=artist, title=f"title of {name}", album="album"),
    )
    sound = np.random.default_rng(n).normal(0, 10, (len(scores), N_FEATURES - 1))
    logits = np.array([[logit(score)] for score in scores])
    library.remember(file, FINGERPRINT, with_first(np.hstack([logits, sound])))
    return file.content_hash


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A profile that takes the first feature's sigmoid for the score.

    In the second group of tracks 1 is added to the feature, and so on.
    """

    name: str = "mine"
    fingerprint: str = FINGERPRINT
    n_groups: int = 1
    liked: tuple[TrackRef, ...] = ()
    disliked: tuple[TrackRef, ...] = ()
    sign: float = 1.0

    def scores(self, features: Features, content_hash: str) -> NDArray[np.float32]:
        group = int(content_hash[:8], 16) % self.n_groups
        logits = self.sign * features[:, 0].astype(np.float64) + group
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)

    @property
    def digest(self) -> bytes:
        return repr(self).encode()

    def joint_scores(
        self, features: Features, lengths: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        tracks = np.split(features, np.cumsum(lengths)[:-1])
        return np.array(
            [self.track_score(x, f"{n:08x}") for x, n in zip(tracks, numbers, strict=True)]
        )

    def track_score(self, features: Features, content_hash: str) -> float:
        return float(self.scores(features, content_hash).mean(dtype=np.float64))


def a_profile(liked: Sequence[str] = (), **fields: Any) -> Profile:
    refs = tuple(TrackRef(content_hash=h, path="elsewhere") for h in liked)
    return cast(Profile, Listener(liked=refs, **fields))


def names(ranked: Sequence[Ranked]) -> list[str]:
    return [str(entry.path.relative_to(MUSIC)) for entry in ranked]


def ranked(library: Library, profile: Profile | None = None, **options: Any) -> list[str]:
    return names(rank(profile or a_profile(), library, [MUSIC], **options))


@pytest.fixture
def five(library: Library) -> Library:
    """Tracks a to e with scores 0.1, 0.9, 0.5, 0.7 and 0.3."""
    for name, score in zip("abcde", (0.1, 0.9, 0.5, 0.7, 0.3), strict=True):
        add(library, name, [score])
    return library


def test_best_first_with_everything_known(library: Library) -> None:
    add(library, "x/a.mp3", [0.2, 0.4], artist="A")
    add(library, "b.mp3", [0.9])
    best, other = rank(a_profile(), library, [MUSIC])
    assert (best.rank, best.path, best.artist) == (1, MUSIC / "b.mp3", None)
    assert (other.rank, other.path, other.artist) == (2, MUSIC / "x/a.mp3", "A")
    assert (other.title, other.album) == ("title of x/a.mp3", "album")
    assert (other.duration_s, other.n_fragments) == (16.0, 2)
    assert best.score == pytest.approx(0.9, abs=1e-6)  # of float32; measured: 4e-8
    assert other.score == pytest.approx(0.3, abs=1e-6)


def test_a_score_is_the_mean_over_fragments(library: Library) -> None:
    rng = np.random.default_rng(0)
    expected = []
    for n in range(40):
        scores = rng.uniform(0.01, 0.99, rng.integers(1, 200))  # several batches in all
        add(library, f"{n:02}", scores.tolist())
        expected.append(float(scores.mean()))
    found = rank(a_profile(), library, [MUSIC])
    order = sorted(range(40), key=lambda n: -expected[n])
    assert names(found) == [f"{n:02}" for n in order]
    for entry, n in zip(found, order, strict=True):
        assert entry.score == pytest.approx(expected[n], abs=3e-8)  # measured: 2.8e-9


def test_each_track_is_scored_as_its_group_is(library: Library) -> None:
    for n in range(7):
        add(library, f"{n}", [0.5])
    for entry in rank(a_profile(n_groups=3), library, [MUSIC]):
        n = int(entry.path.name)  # also the number in its hash
        assert entry.score == pytest.approx(1 / (1 + math.exp(-(n % 3))), abs=1e-6)


def test_scores_are_those_of_the_profile(library: Library) -> None:
    rng = np.random.default_rng(1)
    for n in range(9):
        add(library, f"{n}", rng.uniform(0.1, 0.9, 5).tolist())
    profile = a_profile(n_groups=2)
    scores = {entry.path: entry.score for entry in rank(profile, library, [MUSIC])}
    tracks = library.tracks(FINGERPRINT)
    for track, (_, features) in zip(
        tracks, library.features([track.id for track in tracks], FINGERPRINT), strict=True
    ):
        alone = profile.track_score(features, track.content_hash)
        assert scores[track.path] == pytest.approx(alone, abs=1e-6)


def test_ties_are_in_the_order_of_their_paths(library: Library) -> None:
    for name in "dacb":
        add(library, name, [0.5, 0.6])
    add(library, "e", [0.6, 0.6])
    assert ranked(library) == ["e", "a", "b", "c", "d"]


# Candidates ---------------------------------------------------------------------------------------


def test_only_candidates_are_ranked(library: Library) -> None:
    for name in ("x/a", "x/b", "xy", "y/c"):
        add(library, name, [0.5])
    found = rank(a_profile(), library, [MUSIC / "x", MUSIC / "y/c", MUSIC / "x/a"])
    assert names(found) == ["x/a", "x/b", "y/c"]


def test_nothing_to_rank(library: Library) -> None:
    add(library, "a", [0.5])
    with pytest.raises(ProfileError, match=r"nothing to rank: /elsewhere holds no track"):
        rank(a_profile(), library, [Path("/elsewhere")])


def test_features_of_another_fingerprint_are_not_ranked(library: Library) -> None:
    library.describe("f" * 16, "{}")
    add(library, "a", [0.5])
    (track,) = library.tracks(FINGERPRINT)
    file = File(
        path=MUSIC / "b",
        size=1,
        mtime_ns=1,
        content_hash="b" * 64,
        duration_s=8.0,
        tags=Tags(),
    )
    library.remember(file, "f" * 16, np.ones((1, 1), np.float16))
    assert [entry.path for entry in rank(a_profile(), library, [MUSIC])] == [track.path]


def test_liked_tracks_are_left_out_unless_wanted(library: Library) -> None:
    add(library, "a", [0.5])
    liked = add(library, "b", [0.9])
    add(library, "c", [0.7])
    assert ranked(library, a_profile(liked=[liked])) == ["c", "a"]
    assert ranked(library, a_profile(liked=[liked]), include_liked=True) == ["b", "c", "a"]


def test_disliked_tracks_are_always_left_out(library: Library) -> None:
    add(library, "a", [0.5])
    disliked = TrackRef(content_hash=add(library, "b", [0.9]), path="elsewhere")
    profile = a_profile(disliked=(disliked,))
    assert ranked(library, profile) == ["a"]
    assert ranked(library, profile, include_liked=True) == ["a"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*Christmas*", ["Pop/b.mp3", "Pop/c.flac"]),
        ("Pop", ["Christmas/a.mp3"]),
        ("*.mp3", ["Pop/c.flac"]),
        ("b.mp3", ["Christmas/a.mp3", "Pop/c.flac"]),
        ("/music/Pop/*", ["Christmas/a.mp3"]),
        ("[ab].*", ["Pop/c.flac"]),
        ("pop", ["Christmas/a.mp3", "Pop/b.mp3", "Pop/c.flac"]),
        ("op", ["Christmas/a.mp3", "Pop/b.mp3", "Pop/c.flac"]),
        ("/music/Pop", ["Christmas/a.mp3"]),
        ("/music/Pop/", ["Christmas/a.mp3"]),
        ("music/Pop", ["Christmas/a.mp3"]),
        ("~/Pop", ["Christmas/a.mp3"]),
        ("sic/Pop", ["Christmas/a.mp3", "Pop/b.mp3", "Pop/c.flac"]),
    ],
)
def test_patterns_leave_tracks_out(
    library: Library, pattern: str, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/music")
    for name in ("Christmas/a.mp3", "Pop/b.mp3", "Pop/c.flac"):
        add(library, name, [0.5])
    assert ranked(library, exclude=[pattern]) == left


def test_everything_may_be_left_out(five: Library) -> None:
    assert ranked(five, exclude=["*"]) == []
    assert ranked(five, exclude=["*"], share=0.5) == []
    assert ranked(five, exclude=["a", "b", "[de]"]) == ["c"]


# How many -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("top", "n"), [(1, 1), (3, 3), (5, 5), (100, 5)])
def test_top(five: Library, top: int, n: int) -> None:
    assert ranked(five, top=top) == list("bdcea")[:n]


@pytest.mark.parametrize(
    ("share", "n"), [(0.2, 1), (0.21, 2), (0.4, 2), (0.6, 3), (1.0, 5), (1e-9, 1)]
)
def test_share(five: Library, share: float, n: int) -> None:
    assert ranked(five, share=share) == list("bdcea")[:n]


@pytest.mark.parametrize(("share", "n"), [(0.07, 7), (0.14, 14), (0.28, 28), (0.55, 55)])
def test_a_share_is_not_rounded_up_for_nothing(library: Library, share: float, n: int) -> None:
    for i in range(100):
        add(library, f"{i:03}", [0.5])
    assert len(ranked(library, share=share)) == n  # 0.07 * 100 is above 7


def test_a_share_is_one_of_the_candidates(five: Library) -> None:
    assert ranked(five, share=0.5, exclude=["b"]) == ["d", "c"]
    assert ranked(five, share=0.4, min_score=0.6) == ["b", "d"]
    assert ranked(five, share=0.8, min_score=0.6) == ["b", "d"]


def test_min_score(five: Library) -> None:
    assert ranked(five, min_score=0.6) == ["b", "d"]
    assert ranked(five, min_score=0.0) == list("bdcea")
    assert ranked(five, min_score=1.0) == []


def test_min_score_itself_is_kept(library: Library) -> None:
    add(library, "a", [0.5])  # whose logit, 0, is exact
    assert ranked(library, min_score=0.5) == ["a"]


def test_the_narrowest_limit_counts(five: Library) -> None:
    assert ranked(five, top=3, share=0.4) == ["b", "d"]
    assert ranked(five, top=1, share=0.4) == ["b"]


def test_max_per_artist(library: Library) -> None:
    for name, score, artist in [
        ("a", 0.9, "Nina"),
        ("b", 0.8, "NINA"),
        ("c", 0.7, "Nina"),
        ("d", 0.6, "Fela"),
        ("e", 0.5, None),
        ("f", 0.4, None),
        ("g", 0.3, ""),
    ]:
        add(library, name, [score], artist)
    assert ranked(library, max_per_artist=1) == ["a", "d", "e", "f", "g"]
    assert ranked(library, max_per_artist=2) == ["a", "b", "d", "e", "f", "g"]
    assert ranked(library, max_per_artist=1, top=2) == ["a", "d"]


def test_ranks_are_counted_from_one_after_all_options(five: Library) -> None:
    found = rank(a_profile(), five, [MUSIC], exclude=["b"], top=3, max_per_artist=1)
    assert [entry.rank for entry in found] == [1, 2, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"top": 0},
        {"top": -1},
        {"share": 0.0},
        {"share": 1.1},
        {"share": math.nan},
        {"min_score": -0.1},
        {"min_score": 1.1},
        {"min_score": math.nan},
        {"max_per_artist": 0},
        {"diversity": -0.1},
        {"diversity": 1.1},
        {"diversity": math.nan},
    ],
    ids=str,
)
def test_options_that_make_no_sense(five: Library, wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ParameterError, match=f"--{name.replace('_', '-')} must"):
        rank(a_profile(), five, [MUSIC], **wrong)


# Blends -------------------------------------------------------------------------------------------


def test_a_blend_is_the_weighted_mean_of_scores(library: Library) -> None:
    given = {"a": [0.9, 0.7], "b": [0.2], "c": [0.6, 0.5, 0.1]}
    for name, scores in given.items():
        add(library, name, scores)
    opposite = a_profile(name="opposite", sign=-1.0)
    found = rank(a_profile(), library, [MUSIC], blend=[(opposite, 3.0)])
    for entry in found:
        mean = np.mean(given[entry.path.name])
        # Features are kept in half precision: measured 1.1e-5.
        assert entry.score == pytest.approx((mean + 3 * (1 - mean)) / 4, abs=1e-4)
    assert names(found) == ["b", "c", "a"]
    assert ranked(library, blend=[(opposite, 0.5)]) == ["a", "c", "b"]


def test_each_profile_of_a_blend_has_its_own_groups(library: Library) -> None:
    for n in range(12):
        add(library, f"{n}", [0.5])
    for entry in rank(
        a_profile(n_groups=2), library, [MUSIC], blend=[(a_profile(n_groups=3), 1.0)]
    ):
        n = int(entry.path.name)
        first, second = (1 / (1 + math.exp(-(n % parts))) for parts in (2, 3))
        assert entry.score == pytest.approx((first + second) / 2, abs=1e-6)


def test_all_that_is_known_to_a_blend_is_left_out(library: Library) -> None:
    liked, disliked = add(library, "a", [0.9]), add(library, "b", [0.8])
    add(library, "c", [0.7])
    other = a_profile([liked], disliked=(TrackRef(content_hash=disliked, path="elsewhere"),))
    assert ranked(library, blend=[(other, 1.0)]) == ["c"]
    assert ranked(library, blend=[(other, 1.0)], include_liked=True) == ["a", "c"]


def test_profiles_of_different_features_are_not_blended(five: Library) -> None:
    other = a_profile(name="other", fingerprint="f" * 16)
    with pytest.raises(ProfileError, match=r"'mine' and 'other' cannot be blended.*build one"):
        rank(a_profile(), five, [MUSIC], blend=[(other, 1.0)])


@pytest.mark.parametrize("weight", [0.0, -1.0, math.inf, math.nan])
def test_weights_that_make_no_sense(five: Library, weight: float) -> None:
    with pytest.raises(ParameterError, match="--blend mine: its weight"):
        rank(a_profile(), five, [MUSIC], blend=[(a_profile(), weight)])


def test_reports_progress(library: Library) -> None:
    for n in range(6):
        add(library, f"{n}", [0.5] * 900)
    steps: list[tuple[int, int]] = []
    rank(a_profile(), library, [MUSIC], on_track=lambda *step: steps.append(step))
    assert steps == sorted(steps)
    assert len(steps) > 1
    assert steps[-1] == (6, 6)

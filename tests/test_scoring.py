"""Scores in large libraries: rough first, remembered, the same in all ways."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from commands import call
from recommender import preprocessor
from recommender import profile as profiles
from recommender.audio import Tags
from recommender.library import File, Library, remembered
from recommender.parameters import DEFAULT, NETWORK
from recommender.profile import Profile
from recommender.ranking import Ranked, rank, scoring

FINGERPRINT = "0123456789abcdef"
N_FEATURES = 16
N_TRACKS = 1500


def sound(n: int) -> NDArray[np.float32]:
    """A track of one of twelve kinds."""
    rng = np.random.default_rng(n)
    kind = np.random.default_rng(n % 12).normal(0, 1, N_FEATURES)
    mean = kind + rng.normal(0, 0.5, N_FEATURES)
    return np.asarray(mean + rng.normal(0, 0.7, (rng.integers(1, 40), N_FEATURES)), np.float32)


def put(library: Library, n: int) -> None:
    x = sound(n)
    file = File(
        path=Path(f"/music/{n % 30:02}/{n:05}"),
        size=1000,
        mtime_ns=1,
        content_hash=f"{n * 2_654_435_761 % 2**32:08x}" + "0" * 56,
        duration_s=8.0 * len(x),
        tags=Tags(artist=f"artist {n % 40}"),
    )
    library.remember(file, FINGERPRINT, x)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with Library.open(tmp_path_factory.mktemp("scoring") / "library.db") as library:
        library.describe(FINGERPRINT, "{}")
        with library.batch():
            for n in range(N_TRACKS):
                put(library, n)
        yield library


@pytest.fixture
def forgetful(library: Library) -> Library:
    """The library without remembered scores."""
    library._rows("DELETE FROM scores")
    return library


def learned(library: Library, *, recipe: str = "default", kind: int = 3) -> Profile:
    liked = library.tracks(FINGERPRINT, [Path(f"/music/{kind:02}")])[:10]
    chosen = DEFAULT if recipe == "default" else NETWORK.with_epochs(1)
    return profiles.build(library, "mine", chosen, FINGERPRINT, liked)


@dataclass
class Counting:
    """A profile that tells how many fragments it was asked for."""

    profile: Profile
    n_fragments: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.profile, name)

    def joint_scores(
        self, x: NDArray[np.float32], lengths: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        self.n_fragments.append(len(x))
        return self.profile.joint_scores(x, lengths, numbers)


def counted(profile: Profile, library: Library, **options: object) -> tuple[list[Ranked], int]:
    """Rank, and count the fragments that were scored."""
    counting = Counting(profile)
    found = rank(cast(Profile, counting), library, [], duplicates=True, **options)  # type: ignore[arg-type]
    return found, sum(counting.n_fragments)


def test_all_scores_are_those_of_the_profile(forgetful: Library) -> None:
    profile = learned(forgetful)
    for entry in rank(profile, forgetful, [], duplicates=True, threads=3)[::20]:
        n = int(entry.path.name)
        (track,) = forgetful.tracks(FINGERPRINT, [entry.path])
        ((_, x),) = forgetful.features([track.id], FINGERPRINT)
        assert len(x) == len(sound(n))
        assert entry.score == profile.track_score(x, track.content_hash)


@pytest.mark.parametrize("recipe", ["default", "network"])
def test_rough_scores_first_find_the_same_tracks(
    forgetful: Library, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    """The kinds lie apart, so that the best are certain."""
    profile = learned(forgetful, recipe=recipe)
    exact, n_exact = counted(profile, forgetful, top=20, exact=True)
    forgetful._rows("DELETE FROM scores")
    monkeypatch.setattr(scoring, "MANY", 500)
    rough, n_rough = counted(profile, forgetful, top=20)
    assert rough == exact
    assert n_rough < 0.6 * n_exact  # measured: .22 and .36, with the rough scores themselves


def test_limits_that_leave_too_few_ask_for_all(
    forgetful: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = learned(forgetful)
    monkeypatch.setattr(scoring, "MANY", 500)
    found = rank(profile, forgetful, [], duplicates=True, top=39, max_per_artist=1)
    forgetful._rows("DELETE FROM scores")
    options = {"duplicates": True, "max_per_artist": 1, "exact": True}
    assert found == rank(profile, forgetful, [], **options)[:39]  # type: ignore[arg-type]
    assert len(found) == 39


def test_scores_are_remembered(forgetful: Library) -> None:
    profile = learned(forgetful)
    first, n_first = counted(profile, forgetful)
    assert n_first > N_TRACKS
    again, n_again = counted(profile, forgetful)
    assert (again, n_again) == (first, 0)
    # Another profile has other scores.
    other, n_other = counted(learned(forgetful, kind=5), forgetful)
    assert n_other > 0
    assert [entry.score for entry in other] != [entry.score for entry in first]


def test_only_what_is_new_is_scored(tmp_path: Path) -> None:
    with Library.open(tmp_path / "library.db") as library:
        library.describe(FINGERPRINT, "{}")
        for n in range(60):
            put(library, n)
        profile = learned(library)
        counted(profile, library)
        for n in range(60, 70):
            put(library, n)
        found, n_scored = counted(profile, library)
        assert n_scored == sum(len(sound(n)) for n in range(60, 70))
        assert len(found) == 70 - len(profile.liked)
        # Analysed again, a track has other features, and another score.
        (track,) = library.tracks(FINGERPRINT, [Path("/music/07/00007")])
        before = next(entry.score for entry in found if entry.path == track.path)
        library._rows("DELETE FROM features WHERE id = ?", (track.features_id,))
        file = File(
            path=track.path,
            size=1,
            mtime_ns=2,
            content_hash=track.content_hash,
            duration_s=8.0,
            tags=Tags(),
        )
        library.remember(file, FINGERPRINT, sound(9999)[:1])
        found, n_scored = counted(profile, library)
        assert n_scored == 1
        assert next(entry.score for entry in found if entry.path == track.path) != before


def test_scores_of_a_few_profiles_are_kept(
    forgetful: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "MOST_PROFILES", 2)
    ids = np.arange(1, 4)
    for profile in (b"a", b"b", b"c"):
        forgetful.remember_scores(profile, ids, np.array([0.1, 0.2, 0.3]))
    assert np.isnan(forgetful.scores(b"a", ids)).all()
    forgetful.remember_scores(b"c", np.array([2, 9]), np.array([0.5, 0.9]))
    found = forgetful.scores(b"c", np.array([9, 1, 2, 3, 4]))
    np.testing.assert_array_equal(found, [0.9, 0.1, 0.5, 0.3, np.nan])


def test_a_fragment_has_one_score_whatever_is_beside_it(library: Library) -> None:
    """Sums of products do not depend on how many rows there are, nor on their order."""
    for recipe in ("default", "network"):
        profile = learned(library, recipe=recipe)
        x = np.concatenate([sound(n) for n in range(200, 300)])
        numbers = np.full(len(x), 77)
        whole = profile._scores(x, numbers)
        order = np.random.default_rng(0).permutation(len(x))
        np.testing.assert_array_equal(profile._scores(x[order], numbers), whole[order])
        for i in (0, 5, len(x) - 1):
            np.testing.assert_array_equal(profile._scores(x[i : i + 1], numbers[:1]), whole[[i]])


def test_without_a_folder_all_that_is_known_is_ranked(
    forgetful: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the command does it, on features that were never heard."""
    fingerprint = preprocessor.load("default").fingerprint
    home = forgetful.path.parent / "home"
    monkeypatch.setenv("RECOMMENDER_HOME", str(home))
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(12, 256))
    with Library.open(home / "library.db") as library:
        library.describe(fingerprint, "{}")
        for n in range(300):
            file = File(
                path=Path(f"/far/away/{n:03}.mp3"),
                size=1000,
                mtime_ns=1,
                content_hash=f"{n:064x}",
                duration_s=16.0 + n,
                tags=Tags(title=f"Song {n}"),
            )
            library.remember(file, fingerprint, kinds[n % 12] + rng.normal(size=(2, 256)))
        liked = library.tracks(fingerprint)[:60:12]
        profile = profiles.build(library, "mine", DEFAULT, fingerprint, liked)
        expected = rank(profile, library, [], top=7)
    profiles.save(profile, profiles.path_of("mine", home))
    for options in ([], ["--exact"]):
        answer = call("rank", "mine", "--top", 7, "--json", *options)
        assert answer.code == 0, answer
        rows = json.loads(answer.out)
        assert [row["path"] for row in rows] == [str(entry.path) for entry in expected]
        scores = [row["score"] for row in rows]
        assert scores == pytest.approx([entry.score for entry in expected], abs=1e-6)  # rounded
        assert min(scores) > 0.5

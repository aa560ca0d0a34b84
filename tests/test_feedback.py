"""What a listener says of tracks, how it is taken back, and how good a profile has become."""

import dataclasses
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

import sounds
from commands import call, misused, refused
from recommender import evaluation
from recommender import profile as profiles
from recommender.audio import Tags
from recommender.errors import CheckpointError, ProfileError
from recommender.library import File, Library, Track
from recommender.parameters import DEFAULT, NETWORK, Recipe
from recommender.profile import Profile, TrackRef, judging, versions
from stored import rounded

FINGERPRINT = "0123456789abcdef"
RECIPES = pytest.mark.parametrize(
    "recipe", [DEFAULT, NETWORK.with_epochs(4)], ids=lambda recipe: recipe.name
)
N_LIKED, N_OTHERS = 6, 30


def path_of(n: int) -> Path:
    return Path(f"/music/{'good' if n < 100 else 'other'}/{n:03}.mp3")


def content_hash(n: int) -> str:
    return f"{n:08x}" + "0" * 56


def sounding(n: int, *, good: bool, n_fragments: int = 5) -> NDArray[np.float16]:
    """Features of a track of one of two kinds, which differ in half of them."""
    x = np.random.default_rng(n).normal(0.0, 0.3, (n_fragments, 12))
    x[:, :6] += 1.0 if good else -1.0
    return rounded(x)


def add(library: Library, n: int, features: NDArray[np.float16], path: Path | None = None) -> None:
    file = File(
        path=path or path_of(n),
        size=1,
        mtime_ns=1,
        content_hash=content_hash(n),
        duration_s=8.0 * len(features),
        tags=Tags(),
    )
    library.remember(file, FINGERPRINT, features)


def fill(library: Library) -> None:
    """Six good tracks, and 30 others."""
    library.describe(FINGERPRINT, "{}")
    for n in range(N_LIKED):
        add(library, n, sounding(n, good=True))
    for n in range(100, 100 + N_OTHERS):
        add(library, n, sounding(n, good=False))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library.db") as library:
        fill(library)
        yield library


def tracks(library: Library, *numbers: int) -> list[Track]:
    return library.tracks(FINGERPRINT, [path_of(n) for n in numbers]) if numbers else []


def built(
    library: Library,
    liked: Sequence[int],
    disliked: Sequence[int] = (),
    recipe: Recipe = DEFAULT,
) -> Profile:
    return profiles.build(
        library,
        "mine",
        recipe,
        FINGERPRINT,
        tracks(library, *liked),
        disliked=tracks(library, *disliked),
    )


def numbers(refs: Sequence[TrackRef]) -> list[int]:
    return [int(ref.content_hash[:8], 16) for ref in refs]


def known(profile: Profile) -> tuple[list[int], list[int]]:
    return numbers(profile.liked), numbers(profile.disliked)


def assert_same(one: Profile, other: Profile) -> None:
    assert known(one) == known(other)
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        np.testing.assert_array_equal(tensor, other.tensors[name])


# Learning again -----------------------------------------------------------------------------------


@RECIPES
def test_feedback_makes_the_profile_that_would_have_been_built_at_once(
    library: Library, recipe: Recipe
) -> None:
    """Whatever the order in which one learns what is liked, the end is the same."""
    profile = built(library, [3, 1], recipe=recipe)
    profile = profiles.like(library, profile, tracks(library, 0, 5)).profile
    profile = profiles.dislike(library, profile, tracks(library, 110, 1)).profile
    assert known(profile) == ([0, 3, 5], [1, 110])
    assert_same(profile, built(library, [0, 3, 5], [1, 110], recipe))
    profile = profiles.like(library, profile, tracks(library, 1)).profile
    assert_same(profile, built(library, [0, 1, 3, 5], [110], recipe))
    profile = profiles.forget(library, profile, [*profile.disliked, profile.liked[0]]).profile
    assert_same(profile, built(library, [1, 3, 5], recipe=recipe))


def test_a_change_tells_the_scores_before_and_after(library: Library) -> None:
    before = built(library, [0, 1, 2])
    change = profiles.like(library, before, tracks(library, 2, 3, 101))
    assert numbers(change.tracks) == [3, 101]  # the other one was liked already
    for profile, found in (
        (before, change.scores_before),
        (change.profile, change.scores_after),
    ):
        expected = [
            profile.track_score(sounding(n, good=n < 100), content_hash(n)) for n in (3, 101)
        ]
        assert list(found) == expected
    assert change.score_before == pytest.approx(np.mean(np.array(change.scores_before)))
    assert change.score_after == pytest.approx(np.mean(np.array(change.scores_after)))


@RECIPES
def test_likes_raise_scores_and_dislikes_lower_them(library: Library, recipe: Recipe) -> None:
    profile = built(library, [0, 1], recipe=recipe)
    odd = tracks(library, 105)
    liked = profiles.like(library, profile, odd)
    disliked = profiles.dislike(library, liked.profile, odd)
    for change, is_up in ((liked, True), (disliked, False)):
        assert change.score_before is not None
        assert change.score_after is not None
        assert (change.score_after > change.score_before) is is_up


def test_what_is_liked_already_changes_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = built(library, [0, 1], [100])
    monkeypatch.delattr("recommender.profile.building.train")
    for learn, named in ((profiles.like, [0, 1]), (profiles.dislike, [100])):
        change = learn(library, profile, tracks(library, *named))
        assert (change.profile, change.tracks) == (profile, ())
        assert (change.score_before, change.score_after) == (None, None)


def test_something_liked_has_to_be_left(library: Library) -> None:
    profile = built(library, [0, 1])
    with pytest.raises(ProfileError, match="nothing that is liked would be left; like something"):
        profiles.dislike(library, profile, tracks(library, 0, 1))
    with pytest.raises(ProfileError, match="nothing that is liked would be left"):
        profiles.forget(library, profile, profile.liked)


def test_tracks_that_the_library_does_not_hold_stay_in_the_profile(library: Library) -> None:
    profile = built(library, [0, 1, 2], [100])
    library.forget([path_of(1), path_of(100)])
    add(library, 900, sounding(900, good=True), path_of(1))  # now lies where a liked one was
    change = profiles.like(library, profile, tracks(library, 3))
    assert known(change.profile) == ([0, 1, 2, 3], [100])
    assert numbers(change.missing) == [1, 100]
    # Neither was learned from, nor was what lies there now taken for other music.
    assert change.profile.n_negative_tracks == N_OTHERS - 1 + N_LIKED - 4
    library.forget([path_of(1)])
    assert_same(change.profile, _with(built(library, [0, 2, 3]), change.profile))
    assert profiles.like(library, change.profile, tracks(library, 4)).score_after is not None
    gone = profiles.forget(library, change.profile, change.missing)
    assert (gone.scores_before, gone.score_before) == ((None, None), None)
    assert_same(gone.profile, built(library, [0, 2, 3]))
    library.forget([path_of(n) for n in (0, 2, 3)])
    with pytest.raises(ProfileError, match="none of its liked tracks is in the library; scan"):
        profiles.dislike(library, gone.profile, tracks(library, 5))


def _with(profile: Profile, other: Profile) -> Profile:
    return dataclasses.replace(profile, liked=other.liked, disliked=other.disliked)


def test_known_tracks_are_found_by_place_and_by_content(library: Library, tmp_path: Path) -> None:
    profile = built(library, [0, 1, 2], [100])

    def find(*paths: Path, named: Sequence[Track] = ()) -> list[int]:
        return numbers(profiles.find_known(profile, paths, named))

    assert find(path_of(1)) == [1]
    assert find(Path("/music")) == [0, 1, 2, 100]
    assert find(Path("/music/good"), path_of(0)) == [0, 1, 2]
    assert find(Path("/music/goo"), path_of(5), Path("/music/good/1")) == []
    assert find(path_of(100), named=tracks(library, 0, 4)) == [0, 100]
    (tmp_path / "link").symlink_to("/music/good")
    assert find(tmp_path / "link") == [0, 1, 2]


# Earlier versions ---------------------------------------------------------------------------------


@pytest.fixture
def stored(library: Library) -> Callable[[int], Profile]:
    """A profile by number, each another one."""
    profile = built(library, [0, 1])
    return lambda n: dataclasses.replace(profile, created=f"version {n}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return profiles.path_of("mine", tmp_path / "home")


def test_each_step_is_undone_byte_for_byte(stored: Callable[[int], Profile], file: Path) -> None:
    contents = []
    for n in range(4):
        profiles.replace(file, stored(n))
        contents.append(file.read_bytes())
    for n in (2, 1, 0):
        assert profiles.undo(file).created == f"version {n}"
        assert file.read_bytes() == contents[n]
        assert len(profiles.earlier(file)) == n
    with pytest.raises(ProfileError, match="no earlier version to go back to"):
        profiles.undo(file)
    assert file.read_bytes() == contents[0]
    profiles.replace(file, stored(7))  # on from there
    assert profiles.undo(file).created == "version 0"


def test_the_last_twenty_are_kept(stored: Callable[[int], Profile], file: Path) -> None:
    for n in range(25):
        profiles.replace(file, stored(n))
    assert profiles.names(file.parent.parent) == ["mine"]
    found = [profiles.undo(file).created for _ in profiles.earlier(file)]
    assert found == [f"version {n}" for n in range(23, 3, -1)]


def test_a_profile_that_was_changed_meanwhile_stays(
    stored: Callable[[int], Profile], file: Path
) -> None:
    profiles.replace(file, stored(0))
    before = profiles.load(file)
    profiles.replace(file, stored(1), before=before)
    with pytest.raises(ProfileError, match="was changed by somebody else meanwhile"):
        profiles.replace(file, stored(2), before=before)
    assert profiles.load(file).created == "version 1"
    file.unlink()
    with pytest.raises(ProfileError, match="was changed by somebody else meanwhile"):
        profiles.replace(file, stored(2), before=before)
    assert not file.exists()


def test_of_changes_at_the_same_time_one_is_made_and_the_others_are_told(
    stored: Callable[[int], Profile], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.replace(file, stored(0))
    before = profiles.load(file)
    changed = [stored(n) for n in range(1, 7)]
    load = profiles.load

    def slowly(path: Path) -> Profile:
        found = load(path)
        time.sleep(0.05)  # room for the others
        return found

    monkeypatch.setattr(versions, "load", slowly)

    def change(n: int) -> bool:
        try:
            profiles.replace(file, changed[n], before=before)
        except ProfileError:
            return False
        return True

    with ThreadPoolExecutor(len(changed)) as pool:
        made = list(pool.map(change, range(len(changed))))
    assert sum(made) == 1
    assert profiles.load(file).created == changed[made.index(True)].created
    assert len(profiles.earlier(file)) == 1


def test_what_was_learned_anew_takes_no_opinion_away(
    stored: Callable[[int], Profile], file: Path
) -> None:
    profiles.replace(file, stored(0))
    before = profiles.load(file)
    assert profiles.refresh(file, stored(1), before=before)
    assert profiles.load(file).created == "version 1"
    assert profiles.earlier(file) == []  # nobody changed anything that could be undone
    assert not profiles.refresh(file, stored(2), before=before)
    assert profiles.load(file).created == "version 1"


def test_what_is_damaged_can_be_undone_and_is_not_kept(
    stored: Callable[[int], Profile], file: Path
) -> None:
    for n in range(2):
        profiles.replace(file, stored(n))
    file.write_bytes(b"damaged")
    assert profiles.undo(file).created == "version 0"
    file.write_bytes(b"damaged")
    profiles.replace(file, stored(3))
    with pytest.raises(ProfileError, match="no earlier version"):
        profiles.undo(file)
    profiles.replace(file, stored(4))
    (version,) = profiles.earlier(file)
    version.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=version.name):
        profiles.undo(file)
    assert profiles.load(file).created == "version 4"


@pytest.mark.parametrize("n_writes", range(3))
def test_an_interrupted_step_loses_nothing(
    stored: Callable[[int], Profile],
    file: Path,
    n_writes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before, between and after the two files that feedback writes."""
    for n in range(2):
        profiles.replace(file, stored(n))
    left = iter([True] * n_writes)
    for name in ("_write", "save"):
        original = getattr(versions, name)

        def interrupted(*arguments: Any, original: Callable[..., None] = original) -> None:
            if not next(left, False):
                raise KeyboardInterrupt
            original(*arguments)

        monkeypatch.setattr(versions, name, interrupted)
    if n_writes == 2:
        profiles.replace(file, stored(2))
    else:
        with pytest.raises(KeyboardInterrupt):
            profiles.replace(file, stored(2))
    monkeypatch.undo()
    assert profiles.load(file).created == ("version 2" if n_writes == 2 else "version 1")
    profiles.replace(file, stored(3))
    wanted = ["version 2"] * (n_writes == 2) + ["version 1", "version 0"]
    assert [profiles.undo(file).created for _ in wanted] == wanted
    with pytest.raises(ProfileError, match="no earlier version"):
        profiles.undo(file)


def test_an_interrupted_undo_is_no_step_of_its_own(
    stored: Callable[[int], Profile], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        profiles.replace(file, stored(n))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            profiles.undo(file)
    assert profiles.load(file).created == "version 1"
    assert profiles.undo(file).created == "version 0"


def test_nothing_is_lost_by_kill(stored: Callable[[int], Profile], file: Path) -> None:
    """A process that writes and undoes without end is killed at any moment."""
    code = (
        "import dataclasses, sys\n"
        "from pathlib import Path\n"
        "from recommender import profile as profiles\n"
        "path = Path(sys.argv[1])\n"
        "profile = profiles.load(path)\n"
        "print(flush=True)\n"
        "n = int(profile.created.split()[1])\n"
        "while True:\n"
        "    for _ in range(2):\n"
        "        n += 1\n"
        "        profiles.replace(path, dataclasses.replace(profile, created=f'version {n}'))\n"
        "    profiles.undo(path)\n"
    )
    profiles.replace(file, stored(0))
    for delay_s in (0.0, 0.011, 0.023, 0.037, 0.05):
        process = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        current = profiles.load(file)
        found = [profiles.load(version) for version in profiles.earlier(file)]
        told = [int(profile.created.split()[1]) for profile in [*found, current]]
        assert told == sorted(told)
        # One that is there twice is the profile itself, kept before it was to be replaced.
        assert len(set(told)) >= len(told) - 1
        assert len(told) <= 2 or told[-3] < told[-2] <= told[-1]


def test_a_deleted_profile_takes_its_versions_with_it(
    stored: Callable[[int], Profile], file: Path
) -> None:
    for n in range(2):
        profiles.replace(file, stored(n))
        profiles.replace(file.with_name("mine.2.safetensors"), stored(n))
    profiles.delete(file)
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "mine.2.earlier",
        "mine.2.safetensors",
    ]
    profiles.replace(file, stored(5))
    with pytest.raises(ProfileError, match="no earlier version"):
        profiles.undo(file)
    profiles.delete(file)  # one without earlier versions
    assert not file.exists()


# How good it is -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Constant:
    """Scores a track by its first feature, whatever was learned."""

    def track_scores(
        self, tracks: Sequence[tuple[str, NDArray[np.float16]]]
    ) -> NDArray[np.float64]:
        return np.array([self.track_score(features, name) for name, features in tracks])

    def track_score(self, features: NDArray[np.float16], content_hash: str) -> float:
        del content_hash
        return float(features[0, 0])


@RECIPES
def test_each_liked_track_is_hidden_once_among_the_others(
    library: Library, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    profile = built(library, range(N_LIKED), [100], recipe)
    seen: list[tuple[list[int], list[int], list[int]]] = []

    def train(*arguments: Any, disliked: Any) -> Constant:
        _, used, fingerprint, liked, others = arguments
        assert (used, fingerprint) == (recipe, FINGERPRINT)
        seen.append(
            (
                numbers([ref for ref, _ in liked]),
                numbers([ref for ref, _ in others]),
                numbers([ref for ref, _ in disliked]),
            )
        )
        return Constant()

    monkeypatch.setattr(judging, "train", train)
    told: list[tuple[int, int]] = []
    found = profiles.judge(library, profile, on_fold=lambda *step: told.append(step))
    assert told == [(n, 5) for n in range(1, 6)]
    hidden = []
    for liked, others, disliked in seen:
        now = sorted(set(others) & set(range(N_LIKED)))
        hidden += now
        assert sorted(liked + now) == list(range(N_LIKED))  # a hidden track is other music
        assert set(others) - set(now) == set(range(101, 100 + N_OTHERS))
        assert disliked == [100]
    assert sorted(hidden) == list(range(N_LIKED))
    assert numbers([judged.track for judged in found.tracks]) == list(range(N_LIKED))


def test_figures_agree_with_independent_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    mine, others = rng.integers(3, 43, 9) * 1.0, rng.integers(0, 40, 120) * 1.0  # with ties
    with Library.open(tmp_path / "other.db") as library:
        library.describe(FINGERPRINT, "{}")
        for n, score in [*enumerate(mine), *enumerate(others, 100)]:
            add(library, n, np.full((2, 12), score, np.float16))
        profile = built(library, range(9))
        monkeypatch.setattr(judging, "train", lambda *_, **__: Constant())
        found = profiles.judge(library, profile)
    assert [judged.score for judged in found.tracks] == mine.tolist()
    shares = [scipy.stats.percentileofscore(others, score, kind="mean") / 100 for score in mine]
    assert [judged.share_below for judged in found.tracks] == pytest.approx(shares)
    auc = evaluation.auc([*mine, *others], [True] * 9 + [False] * 120)
    assert found.auc == pytest.approx(auc, abs=1e-12)
    ranks = [1 + np.sum(others > score) + 0.5 * np.sum(others == score) for score in mine]
    assert (found.n_others, found.n_first) == (120, 20)
    assert found.n_found == sum(rank <= 20 for rank in ranks)
    assert 0 < found.n_found < 9
    assert found.n_found_by_chance == pytest.approx(9 * 20 / 121)
    low = sorted(share for share in shares if share < 0.5)
    assert 0 < len(low) < 9
    assert [judged.share_below for judged in found.outliers] == pytest.approx(low)


@RECIPES
def test_what_is_alike_is_found_and_what_is_not_is_an_outlier(
    library: Library, recipe: Recipe
) -> None:
    """The kinds lie far apart, so there is only one right answer."""
    profile = built(library, [*range(N_LIKED), 107], recipe=recipe)
    found = profiles.judge(library, profile)
    by_number = dict(zip(numbers([j.track for j in found.tracks]), found.tracks, strict=True))
    assert all(by_number[n].share_below == 1 for n in range(N_LIKED))
    # Measured: 0.24, by the network 0.69; chance, by its sound.
    assert by_number[107].share_below < 0.9
    assert found.n_others == N_OTHERS - 1
    assert (found.n_first, found.n_found) == (6, N_LIKED)


@RECIPES
def test_a_playlist_of_nothing_in_particular_is_judged_so(tmp_path: Path, recipe: Recipe) -> None:
    """Hidden tracks must gain nothing from being liked: not from what is learned or scored."""
    with Library.open(tmp_path / "other.db") as library:
        library.describe(FINGERPRINT, "{}")
        for n in range(240):
            add(library, n, sounding(n, good=False))
        found = profiles.judge(library, built(library, range(40), recipe=recipe))
    # Measured: 0.507 on average over 60 such libraries, with a deviation of 0.076.
    assert found.auc == pytest.approx(0.5, abs=0.15)


def test_too_little_cannot_be_judged(library: Library) -> None:
    with pytest.raises(ProfileError, match="not 3 and 33; like more"):
        profiles.judge(library, built(library, [0, 1, 2]))
    assert len(profiles.judge(library, built(library, [0, 1, 2, 3])).tracks) == 4
    profile = built(library, [0, 1, 2, 3])
    library.forget([path_of(n) for n in range(110, 100 + N_OTHERS)])
    with pytest.raises(ProfileError, match="not 4 and 12; like more, or scan more music"):
        profiles.judge(library, profile)


# Through the command line -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two liked tracks, four others, two that are new, and one that cannot be used."""
    folder = tmp_path_factory.mktemp("music")
    for n in range(2):
        sounds.tone(folder / f"liked/{n}.wav", hz=300 + 10 * n)
        sounds.tone(folder / f"new/{n}.wav", hz=350 + 10 * n)
    for n in range(4):
        sounds.tone(folder / f"others/{n}.wav", hz=2000 + 10 * n)
    (folder / "new/broken.wav").write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def prepared(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home with a profile called "mine"."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(folder))
        words = ("--library", music / "others")
        assert call("profile", "build", "mine", music / "liked", *words).code == 0
    return folder


@pytest.fixture
def mine(prepared: Path, home: Path) -> Path:
    """File of that profile, in a copy of that home."""
    shutil.copytree(prepared, home)
    return profiles.path_of("mine", home)


def shown() -> Any:
    return call("profile", "show", "mine", "--json").json


def test_new_tracks_are_analysed_and_learned_from(music: Path, mine: Path) -> None:
    answer = call("profile", "like", "mine", music / "new", "--json")
    assert answer.code == 1  # one of them cannot be used
    assert "new/broken.wav" in answer.err
    assert "2 tracks are liked now; scores before → after:" in answer.err
    assert "likes 4 tracks and dislikes 0. Back with `recommender profile undo mine`" in answer.err
    told = answer.json
    assert (told["n_liked"], told["n_disliked"], told["now"]) == (4, 0, "liked")
    assert [row["path"] for row in told["tracks"]] == [str(music / f"new/{n}.wav") for n in (0, 1)]
    now = shown()
    assert now["tracks"] == [
        str(music / f"{place}/{n}.wav") for place in ("liked", "new") for n in (0, 1)
    ]
    assert now["scores"][2:] == [row["score_after"] for row in told["tracks"]]
    mean = sum(row["score_before"] for row in told["tracks"]) / 2
    assert told["score_before"] == pytest.approx(mean, abs=1e-4)  # rounded
    again = call("profile", "like", "mine", music / "new/0.wav")
    assert (again.code, again.err) == (0, "1 track is liked already\n")
    assert len(profiles.earlier(mine)) == 1


def test_opinions_change_and_changes_are_taken_back(music: Path, mine: Path) -> None:
    first = mine.read_bytes()
    track = music / "liked/1.wav"
    answer = call("profile", "dislike", "mine", track)
    assert answer.code == 0
    assert "1 track is disliked now; scores before → after:" in answer.err
    assert f"  {track}\n" in answer.err
    assert (shown()["tracks"], shown()["disliked_tracks"]) == (
        [str(music / "liked/0.wav")],
        [str(track)],
    )
    second = mine.read_bytes()
    refused(call("profile", "dislike", "mine", music / "liked/0.wav"), "nothing that is liked")
    assert mine.read_bytes() == second
    answer = call("profile", "forget", "mine", track, "--json")
    assert (answer.code, answer.json["n_liked"], answer.json["n_disliked"]) == (0, 1, 0)
    refused(call("profile", "forget", "mine", track), track, "nothing there is liked or disliked")

    answer = call("profile", "undo", "mine", "--json")
    assert mine.read_bytes() == second
    assert answer.json["disliked_again"] == [str(track)]
    assert "1 earlier version left" in answer.err
    answer = call("profile", "undo", "mine")
    assert mine.read_bytes() == first
    assert f"Liked again:\n  {track}\n" in answer.err
    assert f"No longer disliked:\n  {track}\n" in answer.err
    refused(call("profile", "undo", "mine"), "no earlier version to go back to")


def test_building_over_a_profile_can_be_undone(music: Path, mine: Path) -> None:
    first = mine.read_bytes()
    answer = call("profile", "build", "mine", music / "liked/0.wav")
    assert "Back to the profile that had this name with `recommender profile undo" in answer.err
    assert shown()["n_liked"] == 1
    assert call("profile", "undo", "mine").code == 0
    assert mine.read_bytes() == first
    assert call("profile", "build", "mine", music / "liked/0.wav").code == 0
    assert call("profile", "delete", "mine").code == 0
    assert list(mine.parent.iterdir()) == []


def test_a_track_is_forgotten_although_its_file_is_gone(
    music: Path, mine: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.wav"
    shutil.copy(music / "new/0.wav", new)
    assert call("profile", "like", "mine", new).code == 0
    new.unlink()
    assert call("library", "scan", tmp_path).code == 0
    answer = call("profile", "forget", "mine", new)
    assert answer.code == 0, answer.err
    assert "1 track is neither liked nor disliked now" in answer.err
    # What was heard of it is still there.
    assert re.search(rf"\n  0\.\d+ [^\n]*{re.escape(str(new))}\n", answer.err), answer.err
    assert str(new) not in shown()["tracks"]
    assert mine.exists()


@pytest.mark.usefixtures("mine")
def test_what_cannot_be_followed_is_explained(music: Path, tmp_path: Path) -> None:
    for command in ("like", "dislike"):
        words = (music / "none.wav", "there is no such folder, playlist or file")
        refused(call("profile", command, "mine", music / "none.wav"), *words)
        refused(call("profile", command, "other", music), "there is no profile 'other'")
        misused(call("profile", command, "mine"), "PATH")
        (tmp_path / "empty").mkdir(exist_ok=True)
        refused(call("profile", command, "mine", tmp_path / "empty"), "no track there")
    refused(call("profile", "forget", "mine", tmp_path / "none"), "nothing there is liked")
    refused(call("profile", "undo", "other"), "there is no profile 'other'")
    refused(call("profile", "show", "mine", "--check"), "cannot be judged", "not 2 and 4")


@pytest.fixture
def judged(home: Path) -> Profile:
    """A profile in a home with 36 tracks that exist as features only."""
    with Library.open() as library:
        fill(library)
        profile = built(library, [*range(N_LIKED), 107], [100])
    profiles.save(profile, profiles.path_of("mine", home))
    return profile


def test_a_profile_says_how_good_it_is(judged: Profile) -> None:
    del judged
    plain = call("profile", "show", "mine")
    first = plain.out.splitlines()[0]
    assert (
        first
        == "mine likes 7 tracks and dislikes 1; it learned what sets them apart from 28 others."
    )
    assert "Ask with `recommender profile show mine --check`" in plain.out
    assert "(none compared with itself)" in plain.out
    assert "epochs" not in plain.out  # it learned at once
    lines = plain.out.splitlines()
    assert [line.split()[-1] for line in lines[lines.index("tracks") :]] == [
        "tracks",
        *(str(path_of(n)) for n in (*range(N_LIKED), 107)),
        "disliked_tracks",
        str(path_of(100)),
    ]
    checked = call("profile", "show", "mine", "--check").out
    assert "7 liked tracks were hidden in turn, then looked for among 28 others" in checked
    assert "6 of 7 would be in the first 5 of 29; chance would be 1.2." in checked
    told = call("profile", "show", "mine", "--check", "--json").json
    assert told["check"]["n_hidden"] == 7
    assert 0 <= told["check"]["auc"] <= 1
    assert told["check"]["outliers"] in ([], [str(path_of(107))])
    told = call("profile", "show", "mine", "--json").json
    assert (told["check"], told["epochs"], told["loss"]) == (None, None, None)


def test_a_network_says_how_its_training_went(home: Path) -> None:
    with Library.open() as library:
        fill(library)
        profile = built(library, range(N_LIKED), recipe=NETWORK.with_epochs(2))
    profiles.save(profile, profiles.path_of("mine", home))
    plain = call("profile", "show", "mine").out
    assert "(which it learned from)" in plain
    assert re.search(r"^epochs +6$", plain, re.MULTILINE)  # of three networks
    assert call("profile", "show", "mine", "--json").json["epochs"] == 6

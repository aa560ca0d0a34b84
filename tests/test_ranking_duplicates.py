import itertools
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from commands import call, refused
from recommender.audio import Tags, ffmpeg_exe
from recommender.library import File, Library, Section
from recommender.profile import TrackRef
from recommender.ranking import Never, NeverFile, rank
from recommender.ranking.duplicates import best_first
from sounds import make
from stored import with_first
from test_ranking import (
    FINGERPRINT,
    MUSIC,
    N_FEATURES,
    a_profile,
    content_hash,
    logit,
    names,
)

DURATION_S = 80.0


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library.db") as library:
        library.describe(FINGERPRINT, "{}")
        yield library


def sound(seed: int, n: int = 10) -> NDArray[np.float64]:
    """Features of a recording, which no other resembles."""
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES))


def encoded(features: NDArray[np.float64], seed: int, share: float) -> NDArray[np.float64]:
    """The recording with noise; the cosine is about the square root of 1 / (1 + share²)."""
    return features + share * np.random.default_rng(seed).normal(size=features.shape)


def put(
    library: Library,
    name: str,
    features: NDArray[np.float64],
    score: float,
    *,
    n: int,
    duration_s: float = DURATION_S,
    size: int = 1_000_000,
    fast: bool = False,
    artist: str | None = None,
    title: str = "the same title",
) -> str:
    """Put a file with recording number `n` and a score into the library."""
    features = features.copy()
    features[:, 0] = logit(score)
    file = File(
        path=MUSIC / name,
        size=size,
        mtime_ns=1,
        content_hash=content_hash(n),
        duration_s=duration_s,
        tags=Tags(artist=artist, title=title, album="album"),
    )
    library.remember(file, FINGERPRINT, with_first(features), fast=fast)
    return file.content_hash


@pytest.fixture
def mixed(library: Library) -> Library:
    """One recording in three files of different quality, and two others of the same length."""
    recording = sound(1)
    put(library, "low.mp3", encoded(recording, 11, 0.3), 0.8, n=0, size=600_000)
    put(library, "high.flac", recording, 0.7, n=1, size=9_000_000)
    put(library, "mid.opus", encoded(recording, 12, 0.1), 0.6, n=2, size=1_000_000)
    put(library, "x", sound(2), 0.75, n=3)
    put(library, "y", sound(3), 0.65, n=4)
    return library


def files(library: Library, **options: object) -> dict[str, list[str]]:
    found = rank(a_profile(), library, [MUSIC], **options)  # type: ignore[arg-type]
    return {entry.path.name: [path.name for path in entry.duplicates] for entry in found}


def test_one_recording_is_listed_once_as_its_best_file(mixed: Library) -> None:
    """Its place is that of the file which is shown."""
    found = files(mixed)
    assert found == {"x": [], "high.flac": ["mid.opus", "low.mp3"], "y": []}
    assert list(found) == ["x", "high.flac", "y"]
    (shown,) = (e for e in rank(a_profile(), mixed, [MUSIC]) if e.path.name == "high.flac")
    assert shown.rank == 2
    assert shown.score == pytest.approx(0.7, abs=1e-4)  # measured: 2.2e-5


def test_each_file_is_listed_if_wanted(mixed: Library) -> None:
    found = files(mixed, duplicates=True)
    assert list(found) == ["low.mp3", "x", "high.flac", "y", "mid.opus"]
    assert not any(found.values())


def test_limits_count_recordings(mixed: Library) -> None:
    assert list(files(mixed, top=2)) == ["x", "high.flac"]
    assert list(files(mixed, top=3)) == ["x", "high.flac", "y"]
    assert list(files(mixed, share=0.4)) == ["x", "high.flac"]  # of five files
    assert list(files(mixed, min_score=0.68)) == ["x", "high.flac"]
    assert list(files(mixed, min_score=0.72)) == ["x"]  # although low.mp3 has 0.8


@pytest.mark.parametrize(
    ("difference_s", "is_one"), [(0.0, True), (0.99, True), (-0.99, True), (1.01, False)]
)
def test_lengths_may_differ_by_a_second(
    library: Library, difference_s: float, is_one: bool
) -> None:
    put(library, "a", sound(1), 0.8, n=0)
    put(library, "b", sound(1), 0.7, n=1, duration_s=DURATION_S + difference_s)
    put(library, "c", sound(2), 0.6, n=2)
    assert len(files(library)) == (2 if is_one else 3)


def test_a_fragment_more_or_less_is_no_difference(library: Library) -> None:
    put(library, "a", sound(1)[:9], 0.8, n=0)
    put(library, "b", sound(1), 0.7, n=1)
    put(library, "c", sound(1)[:7], 0.7, n=2)  # something else must be wrong with it
    assert len(files(library)) == 2


def test_titles_tell_nothing(library: Library) -> None:
    put(library, "live", sound(1), 0.8, n=0, artist="Nina", title="Sinnerman")
    put(library, "studio", sound(2), 0.7, n=1, artist="Nina", title="Sinnerman")
    put(library, "copy", sound(2), 0.6, n=2, artist="Somebody", title="Track 01")
    assert files(library) == {"live": [], "copy": ["studio"]}


def test_the_same_fragments_in_another_order_are_another_recording(library: Library) -> None:
    """Their means are the same; fragments lie one beside the other."""
    put(library, "a", sound(1), 0.8, n=0)
    put(library, "b", sound(1)[::-1], 0.7, n=1)
    assert len(files(library)) == 2


def test_windows_are_not_compared_with_the_whole(library: Library) -> None:
    put(library, "a", sound(1), 0.8, n=0, fast=True)
    put(library, "b", sound(1), 0.7, n=1)
    put(library, "c", sound(1), 0.6, n=2, fast=True)
    assert files(library) == {"a": ["c"], "b": []}


def test_parts_of_one_file_are_never_the_same(library: Library) -> None:
    sections = []
    for number in (1, 2):
        file = File(
            path=MUSIC / "mix",
            size=1,
            mtime_ns=1,
            content_hash=content_hash(number),
            duration_s=DURATION_S,
            tags=Tags(),
            section=Section(number=number, start_s=80.0 * (number - 1), end_s=80.0 * number),
        )
        sections.append((file, sound(1).astype(np.float16)))
    library.remember_sections(sections, FINGERPRINT)
    assert len(rank(a_profile(), library, [MUSIC])) == 2


def test_copies_with_other_tags_are_one_recording_in_any_case(library: Library) -> None:
    for name in ("b/copy", "a/first", "c/copy"):
        put(library, name, sound(1), 0.8, n=0, artist=name)
    for duplicates in (False, True):
        (found,) = rank(a_profile(), library, [MUSIC], duplicates=duplicates)
        assert (found.path, found.artist) == (MUSIC / "a/first", "a/first")
        assert found.duplicates == (MUSIC / "b/copy", MUSIC / "c/copy")
    (found,) = rank(a_profile(), library, [MUSIC / "b", MUSIC / "c"])
    assert (found.path, found.duplicates) == (MUSIC / "b/copy", (MUSIC / "c/copy",))


def test_of_copies_only_those_that_are_left_out_are_left_out(library: Library) -> None:
    for name in ("a/first", "b/copy"):
        put(library, name, sound(1), 0.8, n=0)
    for options in ({"exclude": ["a"]}, {"never": Never(folders=(MUSIC / "a",))}):
        assert files(library, **options) == {"copy": []}


def test_doubles_of_what_is_known_are_left_out(mixed: Library) -> None:
    """The liked file lies elsewhere, the disliked one is not even a candidate."""
    liked = put(mixed, "/playlist/x.mp3", encoded(sound(2), 21, 0.2), 0.9, n=5)
    disliked = put(mixed, "/bin/y.mp3", encoded(sound(3), 22, 0.2), 0.9, n=6)
    profile = a_profile([liked], disliked=(TrackRef(content_hash=disliked, path="elsewhere"),))
    assert names(rank(profile, mixed, [MUSIC])) == ["high.flac"]
    assert names(rank(profile, mixed, [MUSIC], include_liked=True)) == ["x", "high.flac"]
    assert len(rank(profile, mixed, [MUSIC], duplicates=True)) == 5


def test_doubles_of_files_for_never_are_left_out(mixed: Library) -> None:
    file = NeverFile(path=Path("/gone"), content_hashes=(content_hash(0),))  # low.mp3
    assert list(files(mixed, never=Never(files=(file,)))) == ["x", "y"]


def test_without_sound_there_is_nothing_to_compare(library: Library) -> None:
    """Rows of zeros have no direction: no warning, and no recording is like another."""
    for n, name in enumerate("ab"):
        put(library, name, np.zeros((10, N_FEATURES)), 0.5, n=n)  # the logit of 0.5 is 0 too
    assert files(library) == {"a": [], "b": []}


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.lists(st.integers(0, 5), min_size=30, max_size=30),
    st.lists(st.integers(0, 3), min_size=30, max_size=30),
    st.integers(1, 30),
)
def test_recordings_come_best_first_and_each_track_once(
    scores: list[int], groups: list[int], qualities: list[float], n_candidates: int
) -> None:
    """As a loop finds it that compares all with all."""
    n, numbers = min(n_candidates, len(scores)), range(len(scores))

    def doubles(i: int) -> Sequence[int]:
        return [j for j in numbers if groups[j] == groups[i] and j != i]

    found = list(best_first(np.array(scores, float), doubles, np.array(qualities, float), n))
    wanted = []
    for group in {groups[i] for i in numbers}:
        members = [i for i in numbers if groups[i] == group]
        if max(members) < n:
            wanted.append(sorted(members, key=lambda i: (-qualities[i], i)))
    wanted.sort(key=lambda members: (-scores[members[0]], members[0]))
    assert found == wanted
    assert len(set(itertools.chain(*found))) == sum(map(len, found))


def test_only_what_is_asked_for_is_compared() -> None:
    asked: list[int] = []

    def doubles(i: int) -> Sequence[int]:
        asked.append(i)
        return ()

    best = best_first(np.arange(1000.0), doubles, np.zeros(1000), 1000)
    assert [next(best) for _ in range(3)] == [[999], [998], [997]]
    assert asked == [999, 998, 997]


# From files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tune in four files, one with other tags alone; another tune, and one that is liked."""
    folder = tmp_path_factory.mktemp("music")

    def tune(name: str, hz: int, *options: str) -> None:
        source = f"aevalsrc='0.3*sin({hz}*t*(1+floor(mod(2*t,3))))+0.1*sin({3 * hz}*t)':d=20"
        make(folder / name, source, *options)

    tune("liked/a.wav", 900)
    tune("others/other.wav", 5000)
    tune("others/tune.wav", 2000, "-metadata", "title=one")
    tune("others/tune.mp3", 2000, "-b:a", "128k", "-metadata", "title=two")
    tune("others/soft.wav", 2000, "-af", "volume=-6dB")
    tune("others/tagged.wav", 2000, "-metadata", "title=three")
    return folder


@pytest.fixture(scope="module")
def built(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(home))
        for name in ("mine", "yours"):
            answer = call("profile", "build", name, music / "liked", "--library", music)
            assert answer.code == 0, answer.err
        words = ("--library", music, "--recipe", "thesis", "--epochs", 5)
        assert call("profile", "build", "old", music / "liked", *words).code == 0
    return home


@pytest.fixture
def mine(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECOMMENDER_HOME", str(built))
    return built


@pytest.mark.usefixtures("mine")
def test_files_with_the_same_tune_are_one_row(music: Path) -> None:
    rows = call("rank", "mine", music / "others", "--json").json
    found = {Path(row["path"]).name: [Path(p).name for p in row["duplicates"]] for row in rows}
    # Tags take room, and so the files with them are the largest.
    assert found == {"other.wav": [], "tagged.wav": ["tune.wav", "soft.wav", "tune.mp3"]}
    table = call("rank", "mine", music / "others").out.splitlines()
    assert table[0].split()[-2:] == ["also", "in"]
    assert sum("3 files" in line for line in table) == 1
    assert len(call("rank", "mine", music / "others", "--duplicates", "--json").json) == 4


@pytest.mark.usefixtures("mine")
def test_features_of_the_thesis_do_not_tell_recordings_apart(music: Path) -> None:
    rows = call("rank", "old", music / "others", "--json").json
    assert len(rows) == 4  # but the same packets are one all the same
    assert sorted(len(row["duplicates"]) for row in rows) == [0, 0, 0, 1]


@pytest.mark.usefixtures("mine")
def test_blends_on_the_command_line(music: Path) -> None:
    one, other = (
        {row["path"]: row["score"] for row in call("rank", *words, "--json").json}
        for words in (("mine", music / "others"), ("mine", music / "others", "--blend", "yours"))
    )
    assert one == other  # both profiles are the same
    wrong = ("rank", "mine", music / "others", "--blend")
    refused(call(*wrong, "nobody"), "there is no profile 'nobody'")
    refused(call(*wrong, "yours:much"), "--blend yours:much: give a profile's NAME or NAME:WEIGHT")
    refused(call(*wrong, "yours:0"), "its weight must be above 0")
    refused(call(*wrong, "old:2"), "'mine' and 'old' cannot be blended")


@pytest.mark.usefixtures("mine")
def test_real_music_encoded_again(audio: Path, tmp_path: Path) -> None:
    """Every clip is one recording with its copies, and with no other clip."""
    clips = sorted(path for path in audio.rglob("*") if path.suffix in (".opus", ".mp3", ".flac"))
    chosen = clips[:: max(1, len(clips) // 12)][:12]
    for number, clip in enumerate(chosen):
        for suffix, words in ((".mp3", ("-b:a", "96k")), (".flac", ("-af", "volume=-6dB"))):
            copy = tmp_path / f"{number}{suffix}"
            command = [ffmpeg_exe(), "-v", "error", "-nostdin", "-i", f"file:{clip}", "-vn"]
            subprocess.run([*command, *words, f"file:{copy}"], check=True)
    rows = call("rank", "mine", *chosen, tmp_path, "--json").json
    found = [[Path(row["path"]), *map(Path, row["duplicates"])] for row in rows]
    number_of = {clip: str(number) for number, clip in enumerate(chosen)}
    numbers = [[number_of.get(path, path.stem) for path in paths] for paths in found]
    assert sorted(numbers) == sorted([number] * 3 for number in number_of.values())

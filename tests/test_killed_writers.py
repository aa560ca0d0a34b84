"""Profiles, the list of what is never shown, and datasets: killed before any of their steps."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import steps
from commands import call
from recommender import profile as profiles
from recommender.errors import ProfileError
from test_analysis import noise, write_wav

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc")

STRIDES = [12, pytest.param(1, marks=pytest.mark.slow)]
"""The short tests kill a program before a few of its steps only."""


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_genres(tmp_path_factory.mktemp("music"))


def write_genres(folder: Path) -> Path:
    for n in range(6):
        write_wav(folder / f"genre {n % 2}/{n}.wav", noise(9, seed=n))
    return folder


@pytest.fixture(scope="module")
def grown(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a profile that was changed once, and a list."""
    folder = tmp_path_factory.mktemp("grown") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(folder))
        build = ("profile", "build", "mine", music / "genre 0/0.wav", "--library", music)
        assert call(*build).code == 0
        assert call("profile", "dislike", "mine", music / "genre 1/1.wav").code == 0
        assert call("never", "add", music / "genre 1/3.wav").code == 0
    return folder


def lives(home: Path, begin: Path, stride: int, folder: Path, *words: object) -> Iterator[None]:
    """Let a command begin with a copy of a folder, and kill it before each of its steps in turn."""
    for step in itertools.count(1 + stride // 2, stride):
        shutil.rmtree(home, ignore_errors=True)
        if begin.exists():
            shutil.copytree(begin, home)
        if not steps.killed_before(step, folder, *words):
            assert step > 2
            return
        yield


# Profiles -----------------------------------------------------------------------------------------

Versions = list[tuple[list[str], list[str]]]


def versions(home: Path) -> Versions:
    """What a profile likes and dislikes, and what each of its earlier versions did."""
    copy = home.with_name("copy")
    shutil.copytree(home, copy)
    path = profiles.path_of("mine", copy)
    found: Versions = []
    profile = profiles.load(path)
    while True:
        found.append(([ref.path for ref in profile.liked], [ref.path for ref in profile.disliked]))
        try:
            profile = profiles.undo(path)
        except ProfileError:
            break
    shutil.rmtree(copy)
    return [version for version, _ in itertools.groupby(found)]


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("command", ["build", "like", "undo"])
def test_a_profile_and_its_versions_are_never_lost(
    music: Path, grown: Path, home: Path, command: str, stride: int
) -> None:
    song = music / "genre 0/2.wav"
    words = {
        "build": ("profile", "build", "mine", song, "--library", music),
        "like": ("profile", "like", "mine", song),
        "undo": ("profile", "undo", "mine"),
    }[command]
    before = versions(grown)
    shutil.copytree(grown, home)
    assert call(*words).code == 0
    after = versions(home)
    assert after != before
    for _ in lives(home, grown, stride, home / "profiles", *words):
        found = versions(home)
        assert found in (before, after)
        if found == before or command != "undo":
            assert call(*words).code == 0
        assert versions(home) == after


@pytest.mark.parametrize("stride", STRIDES)
def test_a_profile_is_deleted_with_its_versions(grown: Path, home: Path, stride: int) -> None:
    path = profiles.path_of("mine", home)
    for _ in lives(home, grown, stride, home, "profile", "delete", "mine"):
        if path.exists():
            assert profiles.load(path).name == "mine"
            assert call("profile", "delete", "mine").code == 0
        assert not path.exists()
        assert profiles.earlier(path) == []


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("command", ["add", "remove"])
def test_the_list_is_the_old_or_the_new_one(
    music: Path, grown: Path, home: Path, command: str, stride: int
) -> None:
    before = [str(music / "genre 1/3.wav")]
    song, after = {
        "add": (music / "genre 1/5.wav", [*before, str(music / "genre 1/5.wav")]),
        "remove": (music / "genre 1/3.wav", []),
    }[command]
    for _ in lives(home, grown, stride, home, "never", command, song):
        assert call("never", "list", "--json").json["files"] in (before, after)
    assert call("never", "list", "--json").json["files"] == after


# Datasets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("kind", ["tracks", "genres"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_dataset_is_continued_to_the_byte(
    tmp_path: Path, begun: bool, kind: str, stride: int
) -> None:
    """A new one, and one whose music has changed since."""
    music, out, begin = write_genres(tmp_path / "music"), tmp_path / "out", tmp_path / "begin"
    options = ("--kind", kind, "--json")
    if begun:
        assert call("dataset", "build", music, begin, *options).code == 0
        write_wav(music / "genre 0/0.wav", noise(12, seed=10))
        (music / "genre 1/1.wav").unlink()
        write_wav(music / "genre 2/6.wav", noise(9, seed=11))
    assert call("dataset", "build", music, tmp_path / "undisturbed", *options).code == 0
    wanted = contents(tmp_path / "undisturbed")
    build = ("dataset", "build", music, out, *options)
    n_reused = 0
    for _ in lives(out, begin, stride, out, *build):
        if (out / "manifest.json").exists() and not begun:
            assert call("dataset", "info", out).code == 0
        answer = call(*build)
        assert answer.code == 0
        assert contents(out) == wanted
        n_reused = answer.json["n_reused"]
    if stride == 1:  # before its last step all was there
        assert n_reused == len(list(music.rglob("*.wav")))


def contents(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

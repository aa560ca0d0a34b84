import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from commands import call, refused
from recommender.audio import Tags
from recommender.errors import LibraryError, ParameterError
from recommender.library import File, Library
from recommender.ranking import Never, NeverFile, never
from recommender.ranking.choosing import Choice
from sounds import tone

FINGERPRINT = "0123456789abcdef"
FEATURES = np.ones((1, 4), np.float32)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library.db") as library:
        library.describe(FINGERPRINT, "{}")
        yield library


def put(library: Library, path: str, *, artist: str | None = None, n: int = 0) -> None:
    file = File(
        path=Path(path),
        size=1,
        mtime_ns=1,
        content_hash=f"{n:064x}",
        duration_s=10.0,
        tags=Tags(artist=artist),
    )
    library.remember(file, FINGERPRINT, FEATURES)


def left(library: Library, never: Never) -> list[str]:
    """Paths of the files that stay."""
    choice = Choice(
        library, FINGERPRINT, [], known=[], never=never, exclude=[], max_duration_s=None
    )
    ids = {row.id for row in library.rows(FINGERPRINT)}
    return [os.fsdecode(row.path) for row in choice.rows(ids)]


# What is left out ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "stays"),
    [
        ("/music/Pop/a.mp3", False),
        ("/music/Pop/x/a.mp3", False),
        ("/music/Popular/a.mp3", True),
        ("/music/pop/a.mp3", True),
        ("/other/music/Pop/a.mp3", True),
    ],
)
def test_folders(library: Library, path: str, stays: bool) -> None:
    put(library, path)
    assert left(library, Never(folders=(Path("/music/Pop"),))) == [path] * stays


def test_the_root_folder(library: Library) -> None:
    put(library, "/a.mp3")
    assert left(library, Never()) == ["/a.mp3"]
    assert left(library, Never(folders=(Path("/"),))) == []


def test_files_by_path_and_by_content(library: Library) -> None:
    file = NeverFile(path=Path("/music/a.mp3"), content_hashes=(f"{7:064x}",))
    put(library, "/music/a.mp3", n=1)  # encoded again
    put(library, "/moved/b.mp3", n=7)
    put(library, "/music/b.mp3", n=8)
    assert left(library, Never(files=(file,))) == ["/music/b.mp3"]


@pytest.mark.parametrize("name", ["The Shouters", "the shouters", "  THE  SHOUTERS "])
def test_artists(library: Library, name: str) -> None:
    put(library, "/a", n=1, artist="The Shouters")
    put(library, "/b", n=2, artist="Shouters")
    put(library, "/c", n=3)
    put(library, "/d", n=4, artist="")
    assert left(library, Never(artists=(name,))) == ["/b", "/c", "/d"]


def test_accents_may_be_written_either_way(library: Library) -> None:
    put(library, "/a", artist="Bjo\u0308rk")
    assert left(library, Never(artists=("BJÖRK",))) == []


def test_a_recording_goes_with_all_its_files_but_a_folder_takes_its_own(library: Library) -> None:
    put(library, "/x/a", artist="A", n=1)
    put(library, "/y/a", n=1)
    put(library, "/x/b", n=2)
    assert left(library, Never(artists=("a",))) == ["/x/b"]
    assert left(library, Never(files=(NeverFile(path=Path("/y/a")),))) == ["/x/b"]
    assert left(library, Never(folders=(Path("/x"),))) == ["/y/a"]


# The list -----------------------------------------------------------------------------------------


def test_what_is_added_is_there_once_and_can_be_removed() -> None:
    a, b = NeverFile(path=Path("/a"), content_hashes=("1",)), NeverFile(path=Path("/b"))
    found = never.added(Never(), folders=[Path("/y"), Path("/x")], files=[b, a], artists=["N", "n"])
    assert found.folders == (Path("/x"), Path("/y"))
    assert found.files == (a, b)
    assert found.artists == ("n",)
    newer = NeverFile(path=Path("/a"), content_hashes=("2",))
    assert never.added(found, files=[newer]).files == (newer, b)
    assert never.added(found) == found
    assert never.removed(found, paths=[Path("/x"), Path("/b")]).folders == (Path("/y"),)
    assert never.removed(found, content_hashes=["1"]).files == (b,)
    assert never.removed(found, artists=["N"]).artists == ()
    with pytest.raises(ParameterError, match="name one"):
        never.added(Never(), artists=[" "])


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    assert never.load(tmp_path) == Never()
    path = Path(os.fsdecode(b"/music/\xff\n.mp3"))
    content = Never(
        folders=(Path("/música"),),
        files=(NeverFile(path=path, content_hashes=("0" * 64, "1" * 64)),),
        artists=('"Weird" Al',),
    )
    assert never.change(tmp_path / "home", lambda _: content) == (Never(), content)
    assert never.load(tmp_path / "home") == content
    assert [file.name for file in (tmp_path / "home").iterdir()] == ["never.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "folders": [], "files": [], "artists": []}',
        '{"version": 1, "folders": [], "files": []}',
        '{"version": 1, "folders": [1], "files": [], "artists": []}',
        '{"version": 1, "folders": [""], "files": [], "artists": []}',
        '{"version": 1, "folders": [], "files": ["a"], "artists": []}',
        '{"version": 1, "folders": [], "files": [{"path": "a"}], "artists": []}',
        '{"version": 1, "folders": [], "files": [], "artists": [null]}',
    ],
)
def test_a_damaged_list_is_no_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "never.json").write_text(content)
    with pytest.raises(LibraryError, match=r"never\.json: is damaged .*; repair it, or delete"):
        never.load(tmp_path)


def test_a_list_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    (tmp_path / "never.json").mkdir()
    with pytest.raises(LibraryError, match="cannot be read"):
        never.load(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="cannot be written"):
        never.change(tmp_path / "file/home", lambda now: now)


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    def slowly(name: str, now: Never) -> Never:
        time.sleep(0.02)
        return never.added(now, artists=[name])

    names = tuple("abcdefgh")
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: never.change(tmp_path, partial(slowly, name)), names))
    assert never.load(tmp_path).artists == names


# The commands -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    tone(folder / "liked/a.wav", hz=300)
    for n, name in enumerate(("a/one.wav", "a/two.wav", "b/three.wav")):
        tone(folder / name, hz=900 * 2**n)
    return folder


@pytest.mark.usefixtures("home")
def test_the_list_on_the_command_line(music: Path, tmp_path: Path) -> None:
    assert call("never", "list").out == ""
    assert "Nothing is left out" in call("never", "list").err
    answer = call("never", "add", music / "a", music / "b/three.wav", "--artist", "The Shouters")
    assert (answer.code, answer.out) == (0, "")
    lines = [
        f"folder  {music / 'a'}",
        f"file    {music / 'b/three.wav'}",
        "artist  The Shouters",
    ]
    assert answer.err.splitlines() == [*(f"Never again: {x}" for x in lines), "3 lines on the list"]
    assert call("never", "list").out.splitlines() == lines
    assert call("never", "list", "--json").json == {
        "folders": [str(music / "a")],
        "files": [str(music / "b/three.wav")],
        "artists": ["The Shouters"],
    }
    refused(
        call("never", "remove", music / "a/one.wav"), "its folder", "is; see `recommender never"
    )
    refused(call("never", "remove", "--artist", "Others"), "--artist Others: is not on the list")
    answer = call("never", "remove", music / "a", "--artist", "the shouters")
    assert answer.err.splitlines()[-1] == "1 line on the list"
    assert call("never", "list").out.splitlines() == lines[1:2]
    moved = tmp_path / "moved.wav"
    moved.write_bytes((music / "b/three.wav").read_bytes())
    assert call("never", "remove", moved).code == 0
    assert call("never", "list").out == ""


@pytest.mark.usefixtures("home")
def test_wrong_usage(music: Path, tmp_path: Path) -> None:
    refused(call("never", "add"), "name folders or files, or artists with --artist NAME")
    refused(call("never", "remove"), "name folders or files")
    refused(call("never", "add", tmp_path / "gone"), "there is no such folder or file")
    refused(call("never", "remove", tmp_path / "gone"), "is not on the list")
    text = tmp_path / "text.mp3"
    text.write_text("no music")
    refused(call("never", "add", music / "a", text), text)
    assert call("never", "list").out == ""  # all or nothing


def test_rankings_leave_out_what_is_on_the_list(music: Path, home: Path, tmp_path: Path) -> None:
    assert call("profile", "build", "mine", music / "liked", "--library", music).code == 0

    def ranked(*folders: Path) -> set[str]:
        rows = call("rank", "mine", *(folders or (music,)), "--json").json
        return {Path(row["path"]).name for row in rows}

    assert ranked() == {"one.wav", "two.wav", "three.wav"}
    assert call("never", "add", music / "a/one.wav").code == 0
    assert ranked() == {"two.wav", "three.wav"}
    moved = tmp_path / "moved/now.wav"
    moved.parent.mkdir()
    moved.write_bytes((music / "a/one.wav").read_bytes())
    assert ranked(music, moved.parent) == {"two.wav", "three.wav"}
    link = tmp_path / "link"
    link.symlink_to(music / "a")
    assert call("never", "add", link).code == 0
    assert ranked() == {"three.wav"}
    assert call("never", "remove", music / "a").code == 0
    assert call("never", "remove", moved).code == 0
    assert ranked() == {"one.wav", "two.wav", "three.wav"}
    content = json.loads((home / "never.json").read_text())
    assert content == {"version": 1, "folders": [], "files": [], "artists": []}
    (home / "never.json").write_text("{")
    refused(call("rank", "mine", music), home / "never.json", "is damaged")

"""Folders that are watched, with real changes in them."""

import contextlib
import itertools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import watchfiles

import commands
import sounds
from recommender.analysis import watching
from recommender.errors import RecommenderError
from recommender.library import Library
from test_analysis import noise, write_wav
from test_incremental import changes, look, names

QUIET_S = 0.3


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """A change that is not noticed would be waited for without end."""

    def expired(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    write_wav(tmp_path / "music/a/x.wav", noise(1, seed=0))
    write_wav(tmp_path / "music/a/y.wav", noise(1, seed=1))
    return tmp_path / "music"


@contextlib.contextmanager
def watched(*roots: Path) -> Iterator[Generator[set[Path], None, None]]:
    """Changes after the first answer, with which all is looked at once."""
    with contextlib.closing(watching.changes(roots, quiet_s=QUIET_S)) as found:
        assert next(found) == set(roots)
        yield found


def repeat(act: Callable[[int], object], n: int) -> threading.Thread:
    """Do something again and again, at intervals that are shorter than the quiet time."""

    def run() -> None:
        for i in range(n):
            act(i)
            time.sleep(QUIET_S / 4)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_files_that_come_change_move_and_go(music: Path) -> None:
    with watched(music) as found:
        write_wav(music / "a/new.wav", noise(1, seed=2))
        assert music / "a/new.wav" in next(found)
        (music / "a/new.wav").rename(music / "renamed.wav")
        assert {music / "a/new.wav", music / "renamed.wav"} <= next(found)
        (music / "renamed.wav").unlink()
        assert music / "renamed.wav" in next(found)
        os.utime(music / "a/x.wav", (1, 1))
        assert music / "a/x.wav" in next(found)


def test_a_file_is_told_when_it_is_whole(music: Path) -> None:
    part = b"x" * 1000

    def grow(_: int) -> None:
        with open(music / "long.wav", "ab") as file:
            file.write(part)

    with watched(music) as found:
        thread = repeat(grow, 20)
        assert music / "long.wav" in next(found)
        assert (music / "long.wav").stat().st_size == 20 * len(part)
        thread.join()


def test_where_there_is_always_something_changes_are_told_all_the_same(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_PATIENCE_S", 1.0)
    with watched(music) as found:
        thread = repeat(lambda n: (music / f"{n}.wav").touch(), 40)
        told = next(found)
        assert thread.is_alive()
        assert 0 < len(told) < 40
        thread.join()


def test_folders_that_come_and_go(music: Path, tmp_path: Path) -> None:
    with watched(music, tmp_path / "drive") as found:
        roots = {music, tmp_path / "drive"}
        music.rename(tmp_path / "unplugged")
        assert any(music in paths for paths in itertools.islice(found, 3))
        (tmp_path / "unplugged").rename(music)
        write_wav(tmp_path / "drive/z.wav", noise(1, seed=3))
        assert any(paths >= roots for paths in itertools.islice(found, 3))
        write_wav(tmp_path / "drive/zz.wav", noise(1, seed=3))
        told = itertools.islice(found, 3)
        assert any(tmp_path / "drive/zz.wav" in paths for paths in told)


def test_all_is_looked_at_now_and_then(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_LOOK_AGAIN_S", 0.1)
    with watched(music) as found:
        assert next(found) == {music}
        assert next(found) == {music}


def test_a_limit_of_the_system_is_explained(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(*_: object, **__: object) -> Iterator[object]:
        raise OSError("OS file watch limit reached")
        yield

    monkeypatch.setattr(watchfiles, "watch", limited)
    with pytest.raises(RecommenderError, match=r"limit reached.*max_user_watches"):
        next(watching.changes([music]))


# What has to be looked at -------------------------------------------------------------------------


def test_what_changes_may_affect(music: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "library.db") as library:
        look(library, music)
        (music / "a/cover.jpg").touch()
        (music / "b").mkdir()
        shutil.rmtree(music / "a" / "c", ignore_errors=True)

        def affected(*changed: str) -> list[str]:
            paths = watching.affected([music / name for name in changed], library)
            return [path.relative_to(music).as_posix() for path in paths]

        assert affected("a/x.wav", "a/cover.jpg", "notes.txt", "gone.txt") == ["a/x.wav"]
        assert affected("b", "gone.wav") == ["b", "gone.wav"]
        assert affected("a/.nomedia", "b/.notmusic") == ["a", "b"]
        assert affected("a/album.cue") == ["a/album.cue", "a/x.wav", "a/y.wav"]
        assert affected("b/gone/album.cue") == ["b/gone/album.cue"]
        shutil.move(music / "a", tmp_path / "elsewhere")
        assert affected("a", "c") == ["a"]  # of the other one nothing was known


def test_a_sheet_that_comes_divides_what_was_there(music: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "library.db") as library:
        write_wav(music / "disc.wav", noise(30, seed=5))
        look(library, music)
        sheet = "".join(
            f"  TRACK 0{n} AUDIO\n    INDEX 01 00:{15 * (n - 1):02}:00\n" for n in (1, 2)
        )
        (music / "disc.cue").write_text(f'FILE "disc.wav" WAVE\n{sheet}')
        look(library, again=tuple(watching.affected([music / "disc.cue"], library)))
        assert names(library) == ["x.wav", "y.wav", "disc.wav", "disc.wav"]
        (music / "disc.cue").unlink()
        look(library, again=tuple(watching.affected([music / "disc.cue"], library)))
        assert names(library) == ["x.wav", "y.wav", "disc.wav"]


def test_a_folder_that_is_renamed_costs_no_analysis(music: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "library.db") as library:
        look(library, music)
        with watched(music) as found:
            (music / "a").rename(music / "b")
            again = watching.affected(next(found), library)
        assert set(again) >= {music / "a", music / "b"}
        assert changes(look(library, again=tuple(again))) == {"moved": 2}


# The command --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("home")
def test_watching_until_ctrl_c(tmp_path: Path) -> None:
    sounds.tone(tmp_path / "music/a.wav", 9)
    process = commands.start("library", "scan", tmp_path / "music", "--watch")
    assert process.stderr is not None
    lines = iter(process.stderr.readline, b"")

    def said_until(text: bytes) -> bytes:
        """What it says up to a line with this text; how it parts it depends on the moment."""
        said = b""
        while text not in said:
            said += next(lines)
        return said

    assert next(lines) == b"1 file: 1 analysed, 0 known already\n"
    assert next(lines) == b"Watching 1 folder for changes; Ctrl-C ends it\n"
    sounds.tone(tmp_path / "music/b.wav", 9, hz=700)
    (tmp_path / "music/bad.mp3").write_text("no music")
    assert b" 1 analysed, " in said_until(b"bad.mp3: ")
    sounds.tone(tmp_path / "music/bad.mp3", 9, hz=900)
    said_until(b"1 file: 1 analysed, 0 known already\n")
    process.send_signal(signal.SIGINT)
    answer = commands.finish(process)
    assert answer.code == 130
    assert "Interrupted" in answer.err
    found = commands.call("library", "status", "--json").json
    assert (found["n_files"], found["n_failures"]) == (3, 0)

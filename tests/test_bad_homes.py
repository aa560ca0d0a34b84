"""Disks, homes and moments that are bad, through the command line in processes of its own."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sounds
from commands import Answer, call, finish, refused, run, start
from recommender.library import Library

N_SHORT = 3


@pytest.fixture
def music(tmp_path: Path) -> Path:
    for n in range(N_SHORT):
        sounds.tone(tmp_path / f"music/{n}.wav", hz=300 + 10 * n)
    return tmp_path / "music"


@pytest.fixture
def long_music(music: Path) -> Path:
    """The same, with a last file that takes a second or two."""
    sounds.tone(music / "z.flac", 1800, hz=500, sr=8000)
    return music


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mounted)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a small disk, and mounting one takes root")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def resize(disk: Path, n_bytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={n_bytes}", str(disk)], check=True)


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        assert process.poll() is None, "ended before the test could disturb it"
        time.sleep(0.01)


def n_tracks(home: Path) -> int:
    if not (home / "library.db").exists():
        return 0
    with Library.open(home / "library.db") as library:
        return library.counts().n_tracks


# Homes --------------------------------------------------------------------------------------------


def test_a_home_below_a_file(tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("precious")
    monkeypatch.setenv("RECOMMENDER_HOME", str(tmp_path / "file/home"))
    refused(run("library", "scan", music), tmp_path / "file/home", "RECOMMENDER_HOME")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_read_only_home(home: Path, music: Path, bound: list[str]) -> None:
    scan = ("library", "scan", music)
    home.mkdir()
    home.chmod(0o500)
    refused(run(*scan, prefix=bound), home / "library.db", "RECOMMENDER_HOME")
    home.chmod(0o700)
    assert run(*scan).code == 0
    (home / "library.db").chmod(0o400)
    home.chmod(0o500)
    refused(run(*scan, prefix=bound), home / "library.db", "writable")
    home.chmod(0o700)
    assert n_tracks(home) == N_SHORT


def test_a_library_of_a_newer_version_is_left_alone(home: Path, music: Path) -> None:
    assert run("library", "scan", music).code == 0
    with sqlite3.connect(home / "library.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (home / "library.db").read_bytes()
    refused(run("library", "scan", music), home / "library.db", "newer version", "update")
    refused(run("library", "prune"), home / "library.db", "newer version")
    assert (home / "library.db").read_bytes() == before


def test_what_is_no_library_is_left_alone(home: Path, music: Path) -> None:
    home.mkdir()
    (home / "library.db").write_bytes(b"diary " * 1000)
    refused(run("library", "scan", music), home / "library.db", "this is no library")
    assert (home / "library.db").read_bytes() == b"diary " * 1000


# Full disks ---------------------------------------------------------------------------------------


def test_a_full_disk_keeps_what_was_analysed(
    small_disk: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = small_disk / "home"
    monkeypatch.setenv("RECOMMENDER_HOME", str(home))
    assert run("library", "scan", music / "0.wav").code == 0
    sounds.tone(music / "z.flac", 1800, hz=500, sr=8000)  # has 900 KB of features
    refused(run("library", "scan", music, "-j", 1), home / "library.db", "full", "is kept")
    assert n_tracks(home) >= 1
    (music / "z.flac").unlink()
    again = run("library", "scan", music, "--json")
    assert again.code == 0
    assert again.json["n_unchanged"] + again.json["n_analysed"] == N_SHORT
    assert n_tracks(home) == N_SHORT


def test_a_full_disk_leaves_the_old_profile(small_disk: Path, music: Path, home: Path) -> None:
    home.mkdir()
    (home / "profiles").symlink_to(small_disk)
    profile = home / "profiles/mine.safetensors"
    build = ("profile", "build", "mine", music / "0.wav", "--library", music)
    resize(small_disk, 4 * 2**20)
    assert call(*build).code == 0
    before = profile.read_bytes()
    resize(small_disk, len(before) + 2**12)
    refused(call(*build), profile.with_suffix(""), "cannot be written (No space left on device)")
    assert profile.read_bytes() == before
    left = [path for path in small_disk.rglob("*") if path.is_file()]
    assert left == [small_disk / profile.name]


def test_a_full_disk_interrupts_a_dataset(small_disk: Path, music: Path, tmp_path: Path) -> None:
    for n in range(8):
        sounds.tone(music / f"more/{n}.wav", hz=1000 + 10 * n)
    out = small_disk / "out"
    build = ("dataset", "build", music, out, "-j", 1)
    refused(run(*build), out, "No space left on device", "what is finished is kept")
    assert not (out / "manifest.json").exists()
    resize(small_disk, 2**21)
    answer = run(*build, "--json")
    assert answer.code == 0
    assert answer.json["n_tracks"] == N_SHORT + 8
    assert answer.json["n_reused"] >= 3
    assert run("dataset", "build", music, tmp_path / "undisturbed").code == 0
    assert contents(out) == contents(tmp_path / "undisturbed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_answer_that_does_not_fit_is_no_success(home: Path) -> None:
    del home
    command = 'exec "$0" -m recommender library status --json > /dev/full'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], stderr=subprocess.PIPE, text=True, timeout=60
    )
    refused(Answer(done.returncode, "", done.stderr), "standard output: No space left on device")


@pytest.mark.parametrize("kind", ["a file", "below a file", "a folder with other things"])
def test_a_place_where_no_dataset_can_be(music: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box/diary").write_text("precious")
    places = {"a file": "box/diary", "below a file": "box/diary/out"}
    place = tmp_path / places.get(kind, "box")
    refused(run("dataset", "build", music, place), place)
    assert (tmp_path / "box/diary").read_text() == "precious"


# Moments ------------------------------------------------------------------------------------------


def test_two_scans_at_once_share_a_library(home: Path, music: Path) -> None:
    both = [start("library", "scan", music, "--json") for _ in range(2)]
    answers = [finish(process) for process in both]
    assert [answer.code for answer in answers] == [0, 0]
    assert [answer.json["failures"] for answer in answers] == [[], []]
    assert n_tracks(home) == N_SHORT


def test_ctrl_c_keeps_what_was_analysed(home: Path, long_music: Path) -> None:
    process = start("library", "scan", long_music, "-j", 1)
    wait_until(lambda: n_tracks(home) == N_SHORT, process)
    process.send_signal(signal.SIGINT)
    since = time.monotonic()
    answer = finish(process)
    assert answer.code == 130
    assert (
        answer.err
        == "Interrupted. Scans, datasets and trainings go on where they stopped: run it again.\n"
    )
    assert time.monotonic() - since < 5
    assert n_tracks(home) == N_SHORT
    again = run("library", "scan", long_music, "--json")
    assert (again.code, again.json["n_unchanged"], again.json["n_analysed"]) == (0, N_SHORT, 1)


@pytest.mark.parametrize(
    ("kind", "how"),
    [("tracks", signal.SIGKILL), ("genres", signal.SIGKILL), ("tracks", signal.SIGINT)],
)
def test_a_dataset_that_was_interrupted_is_continued_to_the_byte(
    long_music: Path, tmp_path: Path, kind: str, how: signal.Signals
) -> None:
    genres = tmp_path / "genres"
    genres.mkdir()
    long_music.rename(genres / "music")
    options = ("--kind", kind, "-j", 1, "--json")
    journal = tmp_path / "out/.progress.jsonl"
    process = start("dataset", "build", genres, tmp_path / "out", *options)
    wait_until(
        lambda: journal.exists() and journal.read_bytes().count(b'"source"') == N_SHORT, process
    )
    process.send_signal(how)
    if how == signal.SIGINT:
        assert finish(process).code == 130
    else:
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    assert run("dataset", "info", tmp_path / "out").code == 2  # it is not finished
    again = run("dataset", "build", genres, tmp_path / "out", *options)
    assert (again.code, again.json["n_reused"]) == (0, N_SHORT)
    assert run("dataset", "build", genres, tmp_path / "undisturbed", *options).code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def contents(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

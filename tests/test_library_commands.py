"""``recommender library`` over the years: folders that are remembered, retries, figures."""

import shutil
import sqlite3
from pathlib import Path

import pytest

import bench_rescan
import sounds
from commands import Answer, call, misused, refused, run

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def music(tmp_path: Path) -> Path:
    for n, name in enumerate(["one/a.wav", "one/b.wav", "two/c.wav"]):
        sounds.tone(tmp_path / "music" / name, 9, hz=300 + 50 * n)
    return tmp_path / "music"


def scan(*words: object) -> Answer:
    return call("library", "scan", *words)


def status() -> dict[str, object]:
    found: dict[str, object] = call("library", "status", "--json").json
    return found


def roots() -> list[str]:
    return [root["path"] for root in status()["roots"]]  # type: ignore[attr-defined]


# Folders that are remembered ----------------------------------------------------------------------


def test_folders_are_scanned_again_without_being_named(music: Path) -> None:
    refused(scan(), "no folder was scanned yet", "recommender library scan ~/Music")
    assert scan(music / "one").code == scan(music / "two", music / "one/a.wav").code == 0
    assert roots() == [str(music / "one"), str(music / "two")]
    sounds.tone(music / "two/d.wav", 9, hz=700)
    answer = scan()
    assert answer.err == "4 files: 1 analysed, 3 known already\n"
    shutil.copy(music / "two/d.wav", music / "one")
    sounds.tone(music / "two/e.wav", 9, hz=800)
    assert scan().err.splitlines() == [
        "6 files: 1 analysed, 5 known already",
        "Since the last scan: 1 new, 1 copied",
    ]
    found = scan("--json").json
    assert (found["n_unchanged"], found["n_new"]) == (6, 0)


def test_a_folder_that_holds_others_stands_for_them(music: Path) -> None:
    scan(music / "one")
    scan(music / "two")
    scan(music)
    assert roots() == [str(music)]
    scan(music / "one")
    assert roots() == [str(music)]
    assert "3 files" in scan().err


def test_folders_that_are_not_there_are_told(music: Path, tmp_path: Path) -> None:
    scan(music / "one", music / "two")
    (music / "one").rename(tmp_path / "unplugged")
    answer = scan("--json")
    assert answer.code == 0
    assert f"perhaps on a drive that is away; nothing is lost:\n  {music / 'one'}\n" in answer.err
    assert (answer.json["n_away"], answer.json["away"]) == (2, [str(music / "one")])
    assert [root["is_away"] for root in status()["roots"]] == [True, False]  # type: ignore[attr-defined]
    assert f"{music / 'one'} scanned " in (shown := call("library", "status").out)
    assert "not there now" in shown
    assert "2 files missing, kept until `recommender library prune`" in shown
    shutil.rmtree(music / "two")
    refused(scan(), music / "one", music / "two", "connect the drive")
    (tmp_path / "unplugged").rename(music / "one")
    assert scan("--json").json["n_returned"] == 2
    call("library", "prune", "--all")
    assert roots() == [str(music / "one")]


def test_a_profile_and_a_ranking_need_no_root(music: Path) -> None:
    assert call("profile", "build", "p", music / "one", "--library", music).code == 0
    assert call("rank", "p", music).code == 0
    assert roots() == []


def test_folders_are_forgotten(music: Path) -> None:
    scan(music)
    sounds.film(music / "one/film.mp4")
    scan(music)
    answer = call("library", "forget", music / "one")
    assert f"{music / 'one'}: 3 files forgotten" in answer.err
    assert f"It lies in {music}, which is still scanned" in answer.err
    assert (status()["n_files"], status()["n_tracks"], status()["n_failures"]) == (1, 3, 0)
    assert call("library", "forget", music).code == 0
    assert (roots(), status()["n_files"]) == ([], 0)
    assert "4 files: 0 analysed, 3 known already, 1 could not be used" in scan(music).err


def test_what_is_gone_is_out_of_rankings(music: Path) -> None:
    scan(music)
    assert call("profile", "build", "p", music / "one/a.wav", "--library", music).code == 0
    (music / "one/b.wav").unlink()
    answer = scan()
    assert "Since the last scan: 1 gone\nWhat is gone is out of rankings" in answer.err
    answer = call("rank", "p", "--json")
    assert [Path(row["path"]).name for row in answer.json] == ["c.wav"]


def test_a_folder_that_holds_no_music_gives_no_profile(music: Path) -> None:
    (music / "one/.nomedia").touch()
    answer = call("profile", "build", "p", music / "one", "--library", music)
    assert answer.code == 2
    left_out = "Left out, since .nomedia or .notmusic in them says that they hold no music:"
    assert f"{left_out}\n  {music / 'one'}\n" in answer.err


# Failures -----------------------------------------------------------------------------------------


def test_retry_tries_what_failed_and_nothing_else(music: Path, home: Path) -> None:
    assert "No file failed." in call("library", "retry").err
    sounds.noise(music / "long.wav", 120)
    for name in ("one/bad.mp3", "two/bad.mp3", "two/gone.mp3"):
        (music / name).write_text("no music")
    assert scan(music, "--fast").code == 1
    with sqlite3.connect(home / "library.db") as connection:
        connection.execute("UPDATE failures SET version = '0.0.1'")
    connection.close()
    answer = scan("--fast")
    assert "3 failures of an older version of this program: `recommender library retry`" in (
        answer.err
    )
    sounds.tone(music / "two/bad.wav", 9, hz=900).rename(music / "two/bad.mp3")
    (music / "two/gone.mp3").unlink()
    answer = call("library", "retry", music / "two")
    assert answer.code == 0
    assert answer.err.splitlines() == [
        "1 file: 1 analysed, 0 known already",
        "1 file that failed is not there now",
    ]
    answer = call("library", "retry", "--json")
    assert (answer.code, answer.json["n_seen"]) == (1, 1)
    assert [failure["path"] for failure in answer.json["failures"]] == [str(music / "one/bad.mp3")]
    assert "older version" not in scan("--fast").err
    assert sum(status()["n_fast"].values()) == 1  # type: ignore[attr-defined]


def test_a_link_is_tried_again_under_its_own_name(music: Path) -> None:
    (music / "link.wav").symlink_to("nowhere.wav")
    assert scan(music).code == 1
    shutil.copy(music / "two/c.wav", music / "nowhere.wav")
    assert call("library", "retry").code == 0
    assert status()["n_files"] == 4
    assert scan("--json").json["n_unchanged"] == 4


def test_figures_of_a_library(music: Path) -> None:
    (music / "bad.mp3").write_text("no music")
    sounds.film(music / "film.mp4")
    sounds.tone(music / "short.wav", 0.01)
    scan(music)
    found = status()
    assert (found["n_tracks"], found["n_files"], found["n_failures"]) == (3, 3, 3)
    assert found["duration_s"] == pytest.approx(27)
    assert found["n_file_bytes"] == sum(path.stat().st_size for path in music.rglob("?.wav"))
    reasons = found["failures_by_reason"]
    assert isinstance(reasons, dict)
    assert set(reasons.values()) == {1}
    assert "too short" in reasons
    shown = call("library", "status").out.splitlines()
    assert shown[0] == "3 tracks in 3 files, 3 failures"
    assert "0 minutes of music, 2.4 MB" in shown
    assert "1 failure: too short" in shown


def test_errors_name_warnings_too(music: Path) -> None:
    song = sounds.tone(music / "song.flac", 60, hz=500)
    song.write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    (music / "bad.mp3").write_text("no music")
    scan(music)
    found = call("library", "errors", "--json").json
    assert [failure["path"] for failure in found["failures"]] == [str(music / "bad.mp3")]
    assert found["failures"][0]["by"] is not None
    ((warning),) = found["warnings"]
    assert (warning["path"], "cut off" in warning["reason"]) == (str(song), True)


# Usage --------------------------------------------------------------------------------------------


def test_a_watch_gives_no_json(music: Path) -> None:
    refused(scan(music, "--watch", "--json"), "--watch does not end")


def test_nothing_to_watch(music: Path) -> None:
    refused(scan(music / "one/a.wav", "--watch"), "there is no folder to watch")


def test_forget_needs_a_folder() -> None:
    misused(run("library", "forget"), "Missing argument")


def test_the_benchmark_of_looking_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench_rescan.py", "--files", "23", "--runs", "1"])
    bench_rescan.main()
    assert "| 23 files: 0 analysed, 23 known already |" in capsys.readouterr().out

"""Libraries over the years: files that come, go, move and change, and drives that are away."""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mutagen
import numpy as np
import pytest

import sounds
from recommender import audio
from recommender.analysis import ScanReport, scan
from recommender.library import Library
from test_analysis import BandMeans, figures, no_work, noise, write_mp3, write_wav

FINGERPRINT = BandMeans.fingerprint


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "home" / "library.db") as library:
        yield library


@pytest.fixture
def music(tmp_path: Path) -> Path:
    for n, name in enumerate(["a.wav", "b/c.wav", "b/d.wav", "e/f.wav"]):
        write_wav(tmp_path / "music" / name, noise(1, seed=n))
    return tmp_path / "music"


def look(library: Library, *folders: Path, again: tuple[Path, ...] = ()) -> ScanReport:
    return scan(library, folders, BandMeans(), jobs=2, again=again)


def changes(report: ScanReport) -> dict[str, int]:
    """What became of files, without zeros and the n of the names."""
    names = "new moved copied retagged replaced gone away returned".split()
    return {name: n for name in names if (n := getattr(report, f"n_{name}"))}


def names(library: Library) -> list[str]:
    """Files that rankings may list."""
    return [track.path.name for track in library.tracks(FINGERPRINT)]


def rows(library: Library) -> dict[str, tuple[str, bool]]:
    """All files, what they hold, and whether they are marked as missing."""
    found = library._rows(
        "SELECT path, content_hash, missing_since NOT NULL FROM files JOIN tracks ON id = track_id"
    )
    return {os.fsdecode(path): (content.hex(), bool(missing)) for path, content, missing in found}


# What is gone stays, unseen -----------------------------------------------------------------------


def test_what_is_gone_is_kept_and_comes_back_without_a_look_inside(
    library: Library, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changes(look(library, music)) == {"new": 4}
    before = rows(library)
    (music / "b/c.wav").rename(tmp_path / "c.wav")
    report = look(library, music)
    assert (figures(report), changes(report)) == ((3, 3, 0, 0), {"gone": 1})
    assert names(library) == ["a.wav", "d.wav", "f.wav"]
    assert {name for name, (_, missing) in rows(library).items() if missing} == {
        str(music / "b/c.wav")
    }
    assert changes(look(library, music)) == {}  # told once
    (tmp_path / "c.wav").rename(music / "b/c.wav")
    no_work(monkeypatch, "blocks", "content_hash", "read_tags")
    report = look(library, music)
    assert (figures(report), changes(report)) == ((4, 4, 0, 0), {"returned": 1})
    assert rows(library) == before


def test_what_comes_back_changed(library: Library, music: Path) -> None:
    look(library, music)
    (music / "a.wav").unlink()
    look(library, music)
    write_wav(music / "a.wav", noise(2, seed=9))
    report = look(library, music)
    assert (figures(report), changes(report)) == ((4, 3, 0, 1), {"replaced": 1})
    assert not any(missing for _, missing in rows(library).values())


def test_prune_forgets_what_is_marked(library: Library, music: Path) -> None:
    look(library, music)
    (music / "b/c.wav").unlink()
    look(library, music)
    counts = library.counts()
    assert (counts.n_files, counts.n_missing, counts.n_tracks, counts.duration_s) == (3, 1, 4, 3)
    assert counts.n_file_bytes == sum(path.stat().st_size for path in music.rglob("*.wav"))
    assert library.prune().files == (music / "b/c.wav",)
    counts = library.counts()
    assert (counts.n_files, counts.n_missing, counts.n_tracks) == (3, 0, 3)


def test_failures_of_what_is_gone_are_forgotten(library: Library, music: Path) -> None:
    (music / "bad.mp3").write_text("no music")
    look(library, music)
    (music / "bad.mp3").unlink()
    report = look(library, music)
    assert (report.failures, changes(report), library.failures()) == ((), {}, [])


# What became of files -----------------------------------------------------------------------------


def test_every_kind_of_change_is_told(library: Library, music: Path) -> None:
    for n in range(10):
        write_wav(music / f"z/{n}.wav", noise(1, seed=100 + n))
    song = write_mp3(music / "song.mp3", noise(9, seed=200))
    look(library, music)
    write_wav(music / "z/new.wav", noise(1, seed=300))
    (music / "z/0.wav").rename(music / "z/renamed.wav")
    (music / "b").rename(music / "moved")  # two files, and their folder is missing then
    shutil.copy(music / "z/1.wav", music / "z/copy.wav")
    tags = mutagen.File(song, easy=True)
    tags["artist"] = "Somebody"
    tags.save()
    write_wav(music / "z/2.wav", noise(1, seed=301))
    (music / "z/3.wav").unlink()
    shutil.rmtree(music / "e")
    report = look(library, music)
    assert changes(report) == {
        "new": 1,
        "moved": 3,
        "copied": 1,
        "retagged": 1,
        "replaced": 1,
        "gone": 1,
        "away": 1,
    }
    assert (report.n_unchanged, report.n_known, report.n_analysed) == (8, 5, 2)
    # Old names of what moved are forgotten; what is gone is not.
    missing = {name for name, (_, missing) in rows(library).items() if missing}
    assert missing == {str(music / "z/3.wav"), str(music / "e/f.wav")}
    assert len(rows(library)) == report.n_seen + 2


def test_two_copies_that_move_are_two_moves(library: Library, music: Path) -> None:
    shutil.copy(music / "a.wav", music / "b/a.wav")
    look(library, music)
    (music / "a.wav").rename(music / "1.wav")
    (music / "b/a.wav").rename(music / "2.wav")
    assert changes(look(library, music)) == {"moved": 2}
    (music / "1.wav").unlink()
    (music / "2.wav").rename(music / "3.wav")
    shutil.copy(music / "3.wav", music / "4.wav")
    assert changes(look(library, music)) == {"moved": 2}  # which came from where, nobody knows
    (music / "3.wav").unlink()
    (music / "4.wav").rename(music / "5.wav")
    assert changes(look(library, music)) == {"moved": 1, "gone": 1}


def test_names_that_are_exchanged(library: Library, music: Path) -> None:
    look(library, music)
    first, second = (music / "b/c.wav").read_bytes(), (music / "b/d.wav").read_bytes()
    (music / "b/c.wav").write_bytes(second)
    (music / "b/d.wav").write_bytes(first)
    report = look(library, music)
    assert (figures(report), changes(report)) == ((4, 2, 2, 0), {"replaced": 2})


def test_a_name_that_is_taken_over(library: Library, music: Path) -> None:
    look(library, music)
    (music / "a.wav").rename(music / "z.wav")
    write_wav(music / "a.wav", noise(2, seed=50))
    assert changes(look(library, music)) == {"moved": 1, "replaced": 1}


def test_another_analysis_is_no_change(library: Library, music: Path) -> None:
    look(library, music)
    report = scan(library, [music], BandMeans(fingerprint="other"), jobs=1)
    assert (report.n_analysed, changes(report)) == (4, {})


def test_moved_from_a_folder_that_is_not_scanned(library: Library, tmp_path: Path) -> None:
    for n, folder in enumerate(["downloads", "drive"]):
        write_wav(tmp_path / folder / "x.wav", noise(1, seed=n))
        write_wav(tmp_path / folder / "y.wav", noise(1, seed=10 + n))
        look(library, tmp_path / folder)
    (tmp_path / "music").mkdir()
    for folder in ("downloads", "drive"):
        shutil.copy(tmp_path / folder / "x.wav", tmp_path / "music" / f"{folder}.wav")
    (tmp_path / "downloads/x.wav").unlink()
    (tmp_path / "drive").rename(tmp_path / "unplugged")
    report = look(library, tmp_path / "music")
    assert (report.n_known, changes(report)) == (2, {"moved": 1, "copied": 1})
    assert str(tmp_path / "downloads/x.wav") not in rows(library)
    assert str(tmp_path / "drive/x.wav") in rows(library)  # it will be there again


def test_a_move_is_written_at_once(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(library, music)
    (music / "a.wav").rename(music / "z.wav")

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(library, "forget", lambda paths: killed(paths) if list(paths) else None)
        with pytest.raises(KeyboardInterrupt):
            look(library, music)
    assert rows(library).keys() == {str(p) for p in music.rglob("*.wav")} - {
        str(music / "z.wav")
    } | {str(music / "a.wav")}
    assert changes(look(library, music)) == {"moved": 1}


def expected(known: dict[str, int], gone: set[str], now: dict[str, int]) -> Counter[str]:
    """What became of files, told from names and sounds alone.

    `known` are the sounds of all that the library has, `gone` the names among them that were not
    there before either, `now` the sounds of all files; of those that are in both, the changed ones.
    """
    found = Counter[str]()
    lost = Counter[int]()  # sounds that are no more where they were
    taken_over = Counter[int]()
    for name in known.keys() & now.keys():
        if now[name] == known[name]:
            found["retagged"] += name in gone  # written anew
        else:
            found["replaced"] += 1
            taken_over[known[name]] += 1
    vanished = known.keys() - now.keys()
    lost.update(known[name] for name in vanished)
    lost.update(taken_over)
    just_gone = Counter(known[name] for name in vanished - gone)
    arrived = Counter(now[name] for name in now.keys() - known.keys())
    for song, n in arrived.items():
        n_moved = min(n, lost[song])
        elsewhere = any(now[name] == song for name in now.keys() & known.keys())
        n_new = int(n_moved == 0 and not elsewhere)
        found.update(moved=n_moved, new=n_new, copied=n - n_moved - n_new)
        just_gone[song] -= min(just_gone[song], max(0, n_moved - taken_over[song]))
    found["gone"] = just_gone.total()
    return +found


@pytest.mark.parametrize("seed", range(8))
def test_years_of_changes(library: Library, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    music = tmp_path / "music"
    music.mkdir()
    (music / "cover.jpg").touch()  # the folder is never empty
    songs = [write_wav(tmp_path / f"{n}.song", noise(0.3, seed=n)).read_bytes() for n in range(6)]
    known: dict[str, int] = {}
    gone: set[str] = set()
    now: dict[str, int] = {}
    for year in range(1, 7):
        before = dict(now)
        for name in rng.choice(list("abcdefgh"), 4, replace=False):
            if rng.random() < 0.4:
                now.pop(name, None)
            else:
                now[name] = int(rng.integers(len(songs)))
        for name in before.keys() - now.keys():
            (music / f"{name}.wav").unlink()
        for name, song in now.items():
            if before.get(name) != song:
                (music / f"{name}.wav").write_bytes(songs[song])
                os.utime(music / f"{name}.wav", (year, year))
        assert changes(look(library, music)) == expected(known, gone, now)
        arrived = {now[name] for name in now.keys() - known.keys()}
        gone = {name for name in known.keys() - now.keys() if known[name] not in arrived}
        known = {name: known[name] for name in gone} | now
    library.prune()
    with Library.open(tmp_path / "fresh.db") as fresh:
        look(fresh, music)
        assert rows(fresh) == rows(library)
        assert fresh.counts().n_tracks == library.counts().n_tracks


# Drives that are away -----------------------------------------------------------------------------


@pytest.mark.parametrize("leaves_folder", [False, True])
def test_a_drive_that_is_away_loses_nothing(
    library: Library,
    music: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    leaves_folder: bool,
) -> None:
    drive = music / "drive"
    for n in range(3):
        write_wav(drive / f"album/{n}.wav", noise(1, seed=50 + n))
    write_wav(drive / "single.wav", noise(1, seed=60))
    look(library, music)
    before = rows(library)
    drive.rename(tmp_path / "unplugged")
    if leaves_folder:
        drive.mkdir()
    report = look(library, music)
    assert (figures(report), changes(report)) == ((4, 4, 0, 0), {"away": 4})
    assert library.counts().n_missing == 4
    pruned = library.prune()
    assert (pruned.files, pruned.n_tracks) == ((), 0)
    assert pruned.kept_folders == (drive, drive / "album")
    if leaves_folder:
        drive.rmdir()
    (tmp_path / "unplugged").rename(drive)
    no_work(monkeypatch, "blocks", "content_hash", "read_tags")
    report = look(library, music)
    assert (figures(report), changes(report)) == ((8, 8, 0, 0), {"returned": 4})
    assert rows(library) == before


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Path]:
    """A mounted folder."""
    for folder in ("device", "mounted"):
        (tmp_path / folder).mkdir()
    command = ["mount", "--bind", str(tmp_path / "device"), str(tmp_path / "mounted")]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a drive takes root; the test before this one does without")
    yield tmp_path / "mounted"
    subprocess.run(["umount", str(tmp_path / "mounted")], check=True)  # the test leaves it mounted


def test_a_drive_that_is_truly_unmounted(library: Library, drive: Path, tmp_path: Path) -> None:
    write_wav(drive / "x.wav", noise(1, seed=0))
    assert changes(look(library, drive)) == {"new": 1}
    subprocess.run(["umount", str(drive)], check=True)
    try:
        assert list(drive.iterdir()) == []
        assert changes(look(library, drive)) == {"away": 1}
        assert library.prune(dry_run=True).files == ()
    finally:
        command = ["mount", "--bind", str(tmp_path / "device"), str(drive)]
        subprocess.run(command, check=True)
    assert changes(look(library, drive)) == {"returned": 1}


def test_folders_that_are_not_there_may_be_named_again(library: Library, music: Path) -> None:
    look(library, music)
    shutil.rmtree(music / "b")
    report = look(library, again=(music / "b", music / "a.wav", music / "nowhere"))
    assert (figures(report), changes(report)) == ((1, 1, 0, 0), {"away": 2})
    assert names(library) == ["a.wav", "f.wav"]


# Folders that hold no music -----------------------------------------------------------------------


@pytest.mark.parametrize("marker", sorted(audio.MARKERS))
def test_marked_folders_are_left_out(library: Library, music: Path, marker: str) -> None:
    look(library, music)
    write_wav(music / "b/deep/g.wav", noise(1, seed=9))
    (music / "b" / marker).touch()
    report = look(library, music)
    assert (figures(report), changes(report)) == ((2, 2, 0, 0), {})
    assert report.left_out == (music / "b",)
    assert names(library) == ["a.wav", "f.wav"]
    for folder in (music / "b", music / "b/deep"):
        report = look(library, folder)
        assert (report.n_seen, report.left_out) == (0, (music / "b",))
    assert look(library, again=(music / "b/c.wav",)).n_seen == 0
    assert audio.find_audio([music / "b/c.wav"]) == [music / "b/c.wav"]  # it was meant
    (music / "b" / marker).unlink()
    assert figures(look(library, music)) == (5, 2, 2, 1)  # two were known already


def test_links_never_take_the_place_of_folders(tmp_path: Path) -> None:
    """What a link leads to is found under its own name, in whatever order folders are read."""
    for n in range(5):
        (tmp_path / f"m/{n}/real").mkdir(parents=True)
        (tmp_path / f"m/{n}/real/x.wav").touch()
        (tmp_path / f"m/{n}/a link").symlink_to(tmp_path / f"m/{(n + 1) % 5}/real")
    found = audio.find_audio([tmp_path / "m"])
    assert found == [tmp_path / f"m/{n}/real/x.wav" for n in range(5)]


# Sheets -------------------------------------------------------------------------------------------


def test_sheets_that_are_mended_or_gone_are_no_failures(library: Library, tmp_path: Path) -> None:
    song = write_wav(tmp_path / "x.wav", noise(1, seed=0))
    sheet = tmp_path / "x.cue"
    for text in ('FILE "x.wav" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n', None):
        sheet.write_text("no sheet")
        look(library, tmp_path)
        assert [failure.path for failure in library.failures()] == [sheet]
        sheet.unlink() if text is None else sheet.write_text(text)
        look(library, again=(sheet, song))
        assert library.failures() == []


# Memory of versions -------------------------------------------------------------------------------


def test_failures_of_older_versions_are_told(library: Library, music: Path) -> None:
    sounds.film(music / "film.mp4")
    assert look(library, music).n_outdated == 0
    (failure,) = library.failures()
    assert failure.version is not None
    for version in ("0.0.9", None):  # the first ones did not write it down
        library._rows("UPDATE failures SET version = ?", (version,))
        report = look(library, music)
        assert (report.n_outdated, len(report.failures)) == (1, 1)
        report = scan(library, [music], BandMeans(), jobs=1, retry_failed=True)
        assert (report.n_outdated, len(report.failures)) == (0, 1)
        assert library.failures()[0].version == failure.version

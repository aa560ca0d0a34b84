import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommender import schema
from recommender.audio import Tags
from recommender.errors import LibraryError
from recommender.library import WHOLE, File, Library, Pruned, Section, home

FINGERPRINT = "0123456789abcdef"
OTHER = "f" * 16


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "library.db") as library:
        library.describe(FINGERPRINT, "{}")
        library.describe(OTHER, "{}")
        yield library


def a_file(path: str | Path, content: str = "a") -> File:
    return File(
        path=Path(path),
        size=1000,
        mtime_ns=1_700_000_000_123_456_789,
        content_hash=content * 64,
        duration_s=20.5,
        tags=Tags(artist="Artist", title="Title", album="Album", genre="Genre"),
    )


def values(n_fragments: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    """Features that one byte each can hold as they are."""
    found = np.random.default_rng(seed).integers(-127, 128, (n_fragments, 7))
    found[:, 3] = 127
    return (found / 128).astype(np.float16)


def test_what_is_remembered_comes_back(library: Library) -> None:
    library.remember(a_file("/m/a.mp3"), FINGERPRINT, values(2))
    (track,) = library.tracks(FINGERPRINT)
    assert (track.path, track.content_hash) == (Path("/m/a.mp3"), "a" * 64)
    assert (track.artist, track.title, track.album) == ("Artist", "Title", "Album")
    assert (track.duration_s, track.n_fragments) == (20.5, 2)
    ((track_id, features),) = library.features([track.id], FINGERPRINT)
    assert track_id == track.id
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, values(2))
    assert library.duration_s("a" * 64, FINGERPRINT) == 20.5
    assert library.duration_s("b" * 64, FINGERPRINT) is None


def test_features_come_in_the_order_asked_for(library: Library) -> None:
    for n, content in enumerate("abc", start=1):
        library.remember(a_file(f"/m/{content}", content), FINGERPRINT, values(n, seed=n))
    ids = [track.id for track in library.tracks(FINGERPRINT)]
    found = list(library.features([ids[2], ids[0], ids[2]], FINGERPRINT))
    assert [track_id for track_id, _ in found] == [ids[2], ids[0], ids[2]]
    for (_, features), n in zip(found, (3, 1, 3), strict=True):
        np.testing.assert_array_equal(features, values(n, seed=n))


def test_two_fingerprints_never_meet(library: Library) -> None:
    library.remember(a_file("/m/a"), FINGERPRINT, values(2))
    assert library.tracks(OTHER) == []
    assert library.duration_s("a" * 64, OTHER) is None
    assert library.states(OTHER)["/m/a"].sections == {WHOLE: False}
    track_id = library.tracks(FINGERPRINT)[0].id
    with pytest.raises(LibraryError, match=r"no features of track 1.*scan"):
        list(library.features([track_id], OTHER))
    library.remember(a_file("/m/a"), OTHER, values(3))
    assert [track.n_fragments for track in library.tracks(OTHER)] == [3]
    assert [track.n_fragments for track in library.tracks(FINGERPRINT)] == [2]


def test_only_what_lies_under_the_given_folders_and_files(library: Library) -> None:
    names = ["/m", "/m/a", "/m/b/c", "/m-x/d", "/m0", "/n/e", "/m/\udcff"]
    for name, content in zip(names, "0123456", strict=True):
        library.remember(a_file(name, content), FINGERPRINT, values(1))

    def found(*under: str) -> list[str]:
        tracks = library.tracks(FINGERPRINT, [Path(name) for name in under])
        states = library.states(FINGERPRINT, [Path(os.path.normpath(name)) for name in under])
        assert {str(track.path) for track in tracks} == states.keys()
        return [str(track.path) for track in tracks]

    assert found() == sorted(names, key=os.fsencode)
    assert found("/") == sorted(names, key=os.fsencode)
    assert found("/m") == ["/m", "/m/a", "/m/b/c", "/m/\udcff"]
    assert found("/m/b", "/n/e", "/m/b/../b/c") == ["/m/b/c", "/n/e"]
    assert found("/m/\udcff") == ["/m/\udcff"]
    assert found("/nowhere") == []


def test_copies_are_one_recording(library: Library) -> None:
    library.remember(a_file("/m/b"), FINGERPRINT, values(1))
    library.remember(a_file("/m/a"))
    library.remember(a_file("/n/a"), FINGERPRINT, values(1, seed=1))  # too late: ignored
    assert [track.path for track in library.tracks(FINGERPRINT)] == [Path("/m/a")]
    assert [track.path for track in library.tracks(FINGERPRINT, [Path("/n")])] == [Path("/n/a")]
    ((_, features),) = library.features([1], FINGERPRINT)
    np.testing.assert_array_equal(features, values(1))
    counts = library.counts()
    assert (counts.n_tracks, counts.n_files) == (1, 3)
    assert counts.n_analysed == {FINGERPRINT: 1, OTHER: 0}


def test_failures_are_kept_until_the_file_is_well(library: Library) -> None:
    library.remember(a_file("/m/a"), FINGERPRINT, values(1))
    library.record_failure(Path("/m/a"), "no sound \udcff", size=5, mtime_ns=6)
    (failure,) = library.failures()
    assert (failure.path, failure.reason) == (Path("/m/a"), "no sound ?")
    assert failure.failed_at.tzinfo is not None
    assert library.tracks(FINGERPRINT) == []  # what it was before says nothing of it now
    state = library.states(FINGERPRINT)["/m/a"]
    assert (state.size, state.mtime_ns, state.failure) == (5, 6, "no sound ?")
    library.remember(replace(a_file("/m/a"), warning="cut off"))
    assert library.failures() == []
    assert library.warnings() == [(Path("/m/a"), "cut off")]
    state = library.states(FINGERPRINT)["/m/a"]
    assert state.sections == {WHOLE: True}  # its features had stayed


# Sections -----------------------------------------------------------------------------------------

ONE = Section(number=1, start_s=0.0, end_s=60.0)
TWO = Section(number=2, start_s=60.0, end_s=None)


def a_section(path: str, section: Section, content: str, sheet: str | None = None) -> File:
    return replace(
        a_file(path, content), section=section, duration_s=60.0, file_s=120.0, sheet=sheet
    )


def test_a_file_may_hold_several_recordings(library: Library) -> None:
    album = [a_section("/m/b", ONE, "1", "e" * 64), a_section("/m/b", TWO, "2", "e" * 64)]
    library.remember_sections(list(zip(album, [values(1), values(2)], strict=True)), FINGERPRINT)
    library.remember(a_file("/m/a"), FINGERPRINT, values(3))
    tracks = library.tracks(FINGERPRINT)
    assert [(t.path.name, t.start_s, t.end_s) for t in tracks] == [
        ("a", None, None),
        ("b", 0, 60),
        ("b", 60, None),
    ]
    assert [t.n_fragments for t in tracks] == [3, 1, 2]
    assert [t.path.name for t in library.tracks(FINGERPRINT, [Path("/m/b")])] == ["b", "b"]
    state = library.states(FINGERPRINT)["/m/b"]
    assert state.sections == {ONE: True, TWO: True}
    assert (state.file_s, state.sheet) == (120, "e" * 64)
    assert (library.counts().n_tracks, library.counts().n_files) == (3, 2)


def test_sections_are_replaced_together(library: Library) -> None:
    parts = [a_section("/m/a", ONE, "1"), a_section("/m/a", TWO, "2")]
    library.remember_sections([(part, values(1)) for part in parts], FINGERPRINT)
    library.remember(a_file("/m/a", "0"), FINGERPRINT, values(3))
    assert library.states(FINGERPRINT)["/m/a"].sections == {WHOLE: True}
    assert [t.n_fragments for t in library.tracks(FINGERPRINT)] == [3]
    library.remember_sections([(part, None) for part in parts])  # their features had stayed
    assert [t.n_fragments for t in library.tracks(FINGERPRINT)] == [1, 1]
    with pytest.raises(LibraryError):
        library.remember_sections([(parts[0], None), (parts[0], None)])
    assert len(library.tracks(FINGERPRINT)) == 2  # wholly or not at all
    library.record_failure(Path("/m/a"), "why")
    assert library.tracks(FINGERPRINT) == []


def test_prune_forgets_all_of_a_file(library: Library, tmp_path: Path) -> None:
    parts = [a_section(f"{tmp_path}/a", ONE, "1"), a_section(f"{tmp_path}/a", TWO, "2")]
    library.remember_sections([(part, values(1)) for part in parts], FINGERPRINT)
    pruned = library.prune()
    assert (pruned.files, pruned.n_tracks) == ((tmp_path / "a",), 2)
    assert (library.counts().n_tracks, library.counts().n_files) == (0, 0)


def test_what_is_too_long_is_not_listed(library: Library) -> None:
    library.remember(replace(a_file("/m/a"), file_s=100.0), FINGERPRINT, values(1))
    mix = [a_section("/m/b", ONE, "1"), a_section("/m/b", TWO, "2")]
    tracks = [
        replace(a_section("/m/c", ONE, "3", "e" * 64), file_s=1000.0),
        replace(a_section("/m/c", TWO, "4", "e" * 64), file_s=1000.0),
    ]
    for files in (mix, tracks):
        library.remember_sections([(file, values(1)) for file in files], FINGERPRINT)

    def names(max_duration_s: float | None) -> str:
        found = library.tracks(FINGERPRINT, max_duration_s=max_duration_s)
        return "".join(track.path.name for track in found)

    # A part counts as long as its whole file, a track of a sheet for itself.
    assert names(None) == names(940) == "abbcc"
    assert names(939) == "abbc"
    assert names(119) == "ac"
    assert names(60) == "c"
    assert names(59) == ""


def test_whole_recordings_replace_windows_and_never_the_reverse(library: Library) -> None:
    library.remember(replace(a_file("/m/a"), duration_s=20.0), FINGERPRINT, values(1), fast=True)
    assert library.counts().n_fast == {FINGERPRINT: 1, OTHER: 0}
    assert library.duration_s("a" * 64, FINGERPRINT) is None
    assert library.duration_s("a" * 64, FINGERPRINT, fast=True) == 20.0
    assert library.states(FINGERPRINT)["/m/a"].sections == {WHOLE: False}
    assert library.states(FINGERPRINT, fast=True)["/m/a"].sections == {WHOLE: True}
    assert [track.fast for track in library.tracks(FINGERPRINT)] == [True]
    library.remember(a_file("/m/a"), FINGERPRINT, values(3))
    for _ in range(2):
        (track,) = library.tracks(FINGERPRINT)
        assert (track.fast, track.n_fragments, track.duration_s) == (False, 3, 20.5)
        assert library.duration_s("a" * 64, FINGERPRINT) == 20.5
        ((_, features),) = library.features([track.id], FINGERPRINT)
        np.testing.assert_array_equal(features, values(3))
        library.remember(
            replace(a_file("/m/a"), duration_s=20.0), FINGERPRINT, values(1), fast=True
        )
    assert library.counts().n_fast == {FINGERPRINT: 0, OTHER: 0}


def test_prune_forgets_what_is_gone_and_gives_space_back(library: Library, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.touch()
    large = np.ones((2000, 500), np.float16)
    library.remember(a_file(here, "a"), FINGERPRINT, values(1))
    library.remember(a_file(here, "a"), OTHER, values(1))
    library.remember(a_file(tmp_path / "gone", "b"), FINGERPRINT, large)
    library.record_failure(tmp_path / "gone too", "why")
    before = library.counts()
    forgotten = Pruned(
        files=(tmp_path / "gone", tmp_path / "gone too"), n_tracks=1, kept_folders=()
    )
    assert library.prune(keep=[OTHER], dry_run=True) == forgotten
    assert library.counts() == before
    assert library.prune(keep=[OTHER]) == forgotten
    after = library.counts()
    assert (after.n_tracks, after.n_files, after.n_failures) == (1, 1, 0)
    assert after.n_analysed == {OTHER: 1}
    assert before.n_bytes - after.n_bytes > 0.9 * large.size  # a byte each


def test_prune_keeps_what_may_lie_on_a_drive_that_is_not_mounted(
    library: Library, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("drive/music")
    names = ["drive/music/a", "drive/music/b", "drive/c", "link/d", "gone", "copy"]
    for name, content in zip(names, "01234" + "0", strict=True):
        library.remember(a_file(tmp_path / name, content), FINGERPRINT, values(1))
    library.record_failure(tmp_path / "drive/e", "why")
    folders = tuple(tmp_path / name for name in ("drive", "drive/music", "link"))
    kept = Pruned(files=(tmp_path / "copy", tmp_path / "gone"), n_tracks=1, kept_folders=folders)
    assert library.prune() == kept
    assert [track.path for track in library.tracks(FINGERPRINT)] == [
        tmp_path / name for name in ("drive/c", "drive/music/a", "drive/music/b", "link/d")
    ]
    assert library.prune() == replace(kept, files=(), n_tracks=0)
    pruned = library.prune(missing_folders=True)
    assert pruned.files == tuple(
        tmp_path / name
        for name in ("drive/c", "drive/e", "drive/music/a", "drive/music/b", "link/d")
    )
    assert (pruned.n_tracks, pruned.kept_folders) == (4, ())
    assert (library.counts().n_tracks, library.counts().n_failures) == (0, 0)


def test_features_must_fit_their_shape(library: Library) -> None:
    with pytest.raises(LibraryError, match="CHECK"):
        library.remember(a_file("/m/a"), FINGERPRINT, values(0))
    assert library.counts().n_tracks == 0  # wholly or not at all


# Home ---------------------------------------------------------------------------------------------


def test_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECOMMENDER_HOME", str(tmp_path / "h"))
    assert home() == tmp_path / "h"
    with Library.open() as library:
        assert library.path == tmp_path / "h/library.db"
    monkeypatch.delenv("RECOMMENDER_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert home() == tmp_path / "xdg/recommender"


# What can be wrong with a database ----------------------------------------------------------------


def test_a_newer_library_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LibraryError, match=r"newer version.*update the program"):
        Library.open(path)
    assert path.read_bytes() == before


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    path.write_bytes(b"a text that is no database, " * 100)
    with pytest.raises(LibraryError, match="not a database; this is no library"):
        Library.open(path)
    assert path.read_bytes() == b"a text that is no database, " * 100


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="set RECOMMENDER_HOME"):
        Library.open(tmp_path / "file" / "library.db")
    (tmp_path / "library.db").mkdir()
    with pytest.raises(LibraryError, match=r"unable to open.*writable"):
        Library.open(tmp_path / "library.db")


def test_a_read_only_database(library: Library) -> None:
    # Permissions do not bind root; SQLite's own switch gives the same error to everyone.
    library._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(LibraryError, match="readonly database; make the file and its folder"):
        library.remember(a_file("/m/a"))


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    with Library.open(path) as library:
        library.describe(FINGERPRINT, "{}")
        for n in range(50):
            library.remember(a_file(f"/m/{n}"), FINGERPRINT, values(100))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(LibraryError, match="damaged"), Library.open(path) as library:
        library.tracks(FINGERPRINT)


def test_a_full_disk_loses_nothing_that_was_written(library: Library) -> None:
    library.remember(a_file("/m/a", "a"), FINGERPRINT, values(1))
    (n_pages,) = library._connection.execute("PRAGMA page_count").fetchone()
    library._connection.execute(f"PRAGMA max_page_count = {n_pages + 2}")
    with pytest.raises(LibraryError, match="disk is full; make room"):
        library.remember(a_file("/m/b", "b"), FINGERPRINT, values(5000))
    assert [track.path for track in library.tracks(FINGERPRINT)] == [Path("/m/a")]
    library._connection.execute("PRAGMA max_page_count = 1000000")
    library.remember(a_file("/m/b", "b"), FINGERPRINT, values(5000))
    assert [track.n_fragments for track in library.tracks(FINGERPRINT)] == [1, 5000]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk takes root; the test before this one does without")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def test_a_genuinely_full_disk(small_disk: Path) -> None:
    with Library.open(small_disk / "library.db") as library:
        library.describe(FINGERPRINT, "{}")
        written = []
        with pytest.raises(LibraryError, match="full"):
            for n in range(100):
                file = replace(a_file(f"/m/{n:02}"), content_hash=f"{n:064x}")
                library.remember(file, FINGERPRINT, values(5000, seed=n))
                written.append(file.path)
        assert 1 <= len(written) < 100
    with Library.open(small_disk / "library.db") as library:
        assert [track.path for track in library.tracks(FINGERPRINT)] == written


# Versions -----------------------------------------------------------------------------------------


def test_migrating_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Library.open(tmp_path / "library.db") as library:
        library.remember(a_file("/m/a"))
    later = (*schema.MIGRATIONS, ("ALTER TABLE files ADD COLUMN year INTEGER", "not SQL"))
    monkeypatch.setattr(schema, "MIGRATIONS", later)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(LibraryError, match="syntax error"):
        Library.open(tmp_path / "library.db")
    monkeypatch.setattr(schema, "MIGRATIONS", (*later[:-1], later[-1][:1]))
    with Library.open(tmp_path / "library.db") as library:
        assert schema.version(library._connection) == schema.VERSION
        assert [state.size for state in library.states(FINGERPRINT).values()] == [1000]


def test_a_library_of_version_1_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are written with the statements of that version's own program."""
    path = tmp_path / "library.db"
    connection = sqlite3.connect(path, isolation_level=None)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        patch.setattr(schema, "VERSION", 1)
        schema.migrate(connection)
    connection.execute("INSERT INTO fingerprints VALUES (1, ?, '{}')", (FINGERPRINT,))
    for n, name in enumerate([b"/m/a", b"/m/\xff", b"/n/a"]):
        connection.execute("INSERT INTO tracks VALUES (?, ?, ?)", (n, bytes([n] * 32), 20.5 + n))
        connection.execute(
            "INSERT INTO files VALUES (?, ?, 1000, 2000, 'Artist', NULL, 'Album', NULL, ?)",
            (name, n, "cut off" if n else None),
        )
    connection.execute(
        "INSERT INTO features VALUES (1, 1, 2, 7, ?)", (values(2).astype("<f2").tobytes(),)
    )
    connection.execute("INSERT INTO failures VALUES (?, 1, 2, 'why', '2026-01-01')", (b"/m/c",))
    connection.close()

    for _ in range(2):  # what is migrated stays so
        with Library.open(path) as library:
            (track,) = library.tracks(FINGERPRINT)
            assert (track.path, track.content_hash) == (Path("/m/\udcff"), "01" * 32)
            assert (track.start_s, track.end_s, track.fast) == (None, None, False)
            assert (track.artist, track.title, track.album) == ("Artist", None, "Album")
            ((_, features),) = library.features([track.id], FINGERPRINT)
            np.testing.assert_array_equal(features, values(2))
            states = library.states(FINGERPRINT)
            assert [state.sections for _, state in sorted(states.items())] == [
                {WHOLE: False},
                {},
                {WHOLE: True},
                {WHOLE: False},
            ]
            state = states["/m/\udcff"]
            assert (state.size, state.mtime_ns, state.file_s) == (1000, 2000, 21.5)
            assert (state.warning, state.sheet) == ("cut off", None)
            assert [failure.path for failure in library.failures()] == [Path("/m/c")]
            counts = library.counts()
            assert (counts.n_tracks, counts.n_files, counts.n_warnings) == (3, 3, 2)
            assert (counts.n_analysed, counts.n_fast) == ({FINGERPRINT: 1}, {FINGERPRINT: 0})


def test_questions_of_a_scan_touch_no_large_rows(library: Library) -> None:
    """Features are read by way of an index that has all that is asked for."""
    plans: list[str] = []

    def explain(sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        rows = library._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        plans.extend(row[3] for row in rows)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "_rows", explain)
        patch.setattr(library, "_stream", explain)
        library.states(FINGERPRINT)
        library.duration_s("a" * 64, FINGERPRINT)
        library.tracks(FINGERPRINT)
        with pytest.raises(IndexError):  # there is no answer
            library.counts()
    touching = [plan for plan in plans if "features" in plan]
    assert len(touching) == 4
    for plan in touching:
        assert "USING COVERING INDEX features_by_fingerprint" in plan


def test_many_processes_may_begin_a_library_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from recommender.library import Library\n"
        "with Library.open(Path(sys.argv[1])) as library: library.describe(sys.argv[2], '{}')"
    )
    path = tmp_path / "library.db"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), f"{n}"], env=os.environ)
        for n in range(4)
    ]
    assert [process.wait(60) for process in running] == [0] * 4
    with Library.open(path) as library:
        assert library.counts().n_analysed == {f"{n}": 0 for n in range(4)}

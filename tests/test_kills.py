"""SIGKILL at random moments: a library stays sound, and the next run makes it what it was to be.

Each case is one life of a library: one or two runs that are killed, and one that is not.
"""

import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from _pytest.mark import ParameterSet

import kills
from commands import call, run
from kills import Command, Contents
from test_analysis import noise, write_wav

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks into /proc")

N_KILLS = {"scan": 24, "rescan": 12, "upgrade": 12, "prune": 12}
"""So many lives of each kind; the first one is killed while the program starts, the last late."""

SHORT = {("scan", 9), ("scan", 16), ("upgrade", 4), ("prune", 8)}

N_OLD_TRACKS = 8000
N_PARTS = 3
N_GONE = 10_000


@dataclass(frozen=True)
class Job:
    """A command, the home where it begins, and what it leaves there if nothing happens."""

    command: Command
    home: Path
    contents: Contents


def cases() -> list[ParameterSet]:
    """All lives; a few of them are also in the short tests."""
    return [
        pytest.param(kind, n, marks=[] if (kind, n) in SHORT else [pytest.mark.slow])
        for kind, n_kills in N_KILLS.items()
        for n in range(n_kills)
    ]


@pytest.mark.parametrize(("kind", "n"), cases())
def test_a_killed_run_is_made_good_by_the_next(
    kind: str, n: int, job: Callable[[str], Job], home: Path, tmp_path: Path
) -> None:
    wanted, library = job(kind), home / "library.db"
    if wanted.home.exists():
        shutil.copytree(wanted.home, home)
    rng = np.random.default_rng([n, *kind.encode()])
    share = (n - 1 + rng.random()) / (N_KILLS[kind] - 1)
    while not wanted.command.killed(library, share, with_decoders=bool(n % 2)):
        share *= 0.8  # it was faster this time
    found = kills.check_sound(library, tmp_path)
    if kind == "scan":
        assert all(rows <= wanted.contents[table] for table, rows in found.items())
        n_parts = sum(number > 0 for _, number, *_ in found["files"])
        assert n_parts in (0, N_PARTS)  # all tracks of the disc, or none
    if n % 3 == 0 and wanted.command.killed(library, rng.random()):
        kills.check_sound(library, tmp_path)
    assert call(*wanted.command.words).code in (0, 1)
    kills.check_integrity(library)
    assert kills.contents(library) == wanted.contents


def test_no_decoder_outlives_the_program(tmp_path: Path, home: Path) -> None:
    """Not even one that would be busy for minutes: with a file that is all hole."""
    with open(tmp_path / "long.au", "wb") as file:
        file.write(struct.pack(">4s5I", b".snd", 24, 0xFFFFFFFF, 3, 44_100, 2))
        file.truncate(200 * 2**30)
    command = Command(("library", "scan", tmp_path / "long.au"), work_s=1.0)
    assert command.killed(home / "library.db", 1.0)


# What is killed -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Job]:
    """Make the job of a kind, once."""
    made: dict[str, Job] = {}
    prepare = {"scan": scan, "rescan": rescan, "upgrade": upgrade, "prune": prune}

    def job(kind: str) -> Job:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            words = prepare[kind](folder)
            times = []
            for undisturbed in (folder / "first", folder / "second"):
                if (folder / "home").exists():
                    shutil.copytree(folder / "home", undisturbed)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("RECOMMENDER_HOME", str(undisturbed))
                    times.append(Command(words).timed(undisturbed / "library.db"))
            contents = kills.contents(folder / "first/library.db")
            assert kills.contents(folder / "second/library.db") == contents
            command = min(times, key=lambda command: command.work_s)  # files are cached by then
            made[kind] = Job(command, folder / "home", contents)
        return made[kind]

    return job


def scan(folder: Path) -> tuple[object, ...]:
    """Begin a library."""
    return "library", "scan", kills.write_music(folder / "music")


def rescan(folder: Path) -> tuple[object, ...]:
    """Bring a library up to date with files that are new, moved, other music, and gone."""
    music = kills.write_music(folder / "music")
    _run_at(folder / "home", "library", "scan", music)
    (music / "0").rename(music / "moved")
    shutil.rmtree(music / "1")
    for n in range(10):
        write_wav(music / f"2/{3 * n + 2:02}.wav", noise(4, seed=200 + n))
    for n in range(10):
        write_wav(music / f"new/{n}.wav", noise(4, seed=300 + n))
    (music / "bad/empty.mp3").unlink()
    shutil.copy(music / "song.mp3", music / "bad/diary.mp3")
    (music / "disc/disc.cue").unlink()
    return "library", "scan", music


def upgrade(folder: Path) -> tuple[object, ...]:
    """Scan into a library of the version before, whose features were float16."""
    music = kills.write_music(folder / "music", n_songs=3)
    kills.write_old_library(folder / "home", n_tracks=N_OLD_TRACKS)
    return "library", "scan", music


def prune(folder: Path) -> tuple[object, ...]:
    """Forget most of a library."""
    music = kills.write_music(folder / "music", n_songs=3)
    home = folder / "home"
    _run_at(home, "library", "scan", music)
    rng = np.random.default_rng(0)
    with closing(sqlite3.connect(home / "library.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        ((fingerprint_id,),) = connection.execute("SELECT id FROM fingerprints").fetchall()
        for n in range(1_000_000, 1_000_000 + N_GONE):
            path, scales = f"{music}/gone/{n}.mp3".encode(), bytes(4 * 5)
            connection.execute("INSERT INTO tracks VALUES (?, ?, 40)", (n, rng.bytes(32)))
            connection.execute(
                "INSERT INTO features VALUES (?, ?, ?, 0, 5, 100, ?, ?)",
                (n, n, fingerprint_id, scales, bytes(5 * 100)),
            )
            connection.execute("INSERT INTO summaries VALUES (?, 1, ?)", (n, bytes(100)))
            connection.execute(
                """INSERT INTO files (path, number, track_id, size, mtime_ns, file_s)
                VALUES (?, 0, ?, 1000, 2000, 40)""",
                (path, n),
            )
        connection.execute("COMMIT")
    return "library", "prune", "--all"


def _run_at(home: Path, *words: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(home))
        assert run(*words).code in (0, 1)

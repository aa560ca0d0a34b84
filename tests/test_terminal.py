"""What a person sees: tables and bars on terminals of several widths, and what is said when."""

import csv
import dataclasses
import fcntl
import io
import os
import re
import struct
import subprocess
import termios
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Console

import sounds
from commands import COMMAND, call, refused
from recommender import plots
from recommender.cli import console
from recommender.cli import rows as table
from recommender.ranking import Ranked

FIELDS = ["rank", "path", "score", "artist", "title", "album", "n_fragments", "duration_s"]
FIELDS += ["start_s", "end_s", "fast", "duplicates"]
LONG = "가나다라마바사아자차카타파하 " * 4
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(*words: object, width: int) -> list[str]:
    """Run a command in a terminal of this width; lines as they were written, without colours."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [*COMMAND, *map(str, words)]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**env, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while block := os.read(ours, 65_536):
                written += block
        except OSError:  # so a terminal ends on Linux
            pass
    os.close(ours)
    assert process.returncode == 0, written
    return [line for line in re.split(r"[\r\n]+", ESCAPE.sub("", written.decode())) if line]


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tracks that are liked, one that is not, and two others with names that need room."""
    folder = tmp_path_factory.mktemp("music")
    for n in range(2):
        sounds.tone(folder / f"liked/{n}.wav", hz=300 + 10 * n)
    sounds.tone(folder / "disliked/no.wav", hz=900)
    for n in range(2):
        source = f"sine=frequency={2000 - 1500 * n}:sample_rate=44100:duration=9"
        tags = ("-metadata", f"artist={LONG}", "-metadata", f"title={'long ' * 20}")
        sounds.make(folder / f"others/{LONG.strip()}{n}.flac", source, *tags)
    return folder


@pytest.fixture(scope="module")
def built(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home with a profile called "mine"."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(home))
        words = ("--dislike", music / "disliked", "--library", music)
        answer = call("profile", "build", "mine", music / "liked", *words)
    assert answer.code == 0, answer.err
    assert "(none compared with itself), of the others" in answer.err
    return home


@pytest.fixture
def mine(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECOMMENDER_HOME", str(built))
    return built


# Rankings -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("width", [60, 80, 120])
def test_ranks_and_scores_are_seen_on_any_terminal(music: Path, width: int) -> None:
    lines = on_terminal("rank", "mine", music / "others", width=width)
    start = next(i for i, line in enumerate(lines) if line.startswith("#"))
    head, *rows = lines[start:]
    assert head.split() == ["#", "score", "artist", "title", "file"]
    assert [row.split()[0] for row in rows] == ["1", "2"]
    for row in rows:
        assert re.fullmatch(r"[01]\.\d{3,6}", row.split()[1])
        assert row.count("…") >= 2
    assert all(cell_len(line) <= width for line in (head, *rows))


def ranked(*scores: float) -> list[Ranked]:
    return [
        Ranked(
            rank=place,
            path=Path(f"/music/{place}.mp3"),
            score=score,
            artist=None,
            title="title",
            album=None,
            duration_s=10.0,
            n_fragments=1,
        )
        for place, score in enumerate(scores, 1)
    ]


def test_parts_are_seen_however_long_names_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_PIPE_WIDTH", 60)
    whole, part, last = ranked(0.9, 0.8, 0.7)
    path, title = Path(f"/music/{'long ' * 20}.mp3"), "long " * 20
    part = dataclasses.replace(part, start_s=2400.0, end_s=3001.9, duration_s=601.9)
    part = dataclasses.replace(part, path=path, title=title)
    last = dataclasses.replace(last, path=path, title=title, start_s=3595.0)
    out = io.StringIO()
    table.print_table([whole, part, last], out)
    head, *lines = (line.split() for line in out.getvalue().splitlines())
    assert head[-1] == "part"
    assert [line[-1] for line in lines] == ["1.mp3", "40:00-50:01", "59:55-1:00:05"]


@pytest.mark.parametrize(
    ("scores", "shown"),
    [
        ((0.0581234, 0.0580001), ["0.058123", "0.058000"]),
        ((0.9, 0.0581234), ["0.900", "0.058"]),
        ((0.0581234,), ["0.058"]),
    ],
)
def test_scores_have_the_decimals_that_they_need(
    scores: tuple[float, ...], shown: list[str]
) -> None:
    out = io.StringIO()
    table.print_table(ranked(*scores), out)
    assert [line.split()[1] for line in out.getvalue().splitlines()[1:]] == shown


@pytest.mark.usefixtures("mine")
def test_json_and_csv_have_the_same_fields(music: Path, tmp_path: Path) -> None:
    as_json = call("rank", "mine", music / "others", "--json")
    assert as_json.out == call("rank", "mine", music / "others", "--format", "json").out
    as_csv = call("rank", "mine", music / "others", "--format", "csv").out
    first, *rows = csv.reader(io.StringIO(as_csv))
    assert first == FIELDS
    assert [list(row) for row in as_json.json] == [FIELDS] * 2
    texts = [["" if v is None else str(v) for v in row.values()] for row in as_json.json]
    assert rows == texts
    assert [row["duration_s"] for row in as_json.json] == [9.0, 9.0]
    assert call("rank", "mine", music / "others", "-o", tmp_path / "a.csv").code == 0
    assert (tmp_path / "a.csv").read_text() == as_csv


@pytest.mark.usefixtures("mine")
def test_a_table_in_a_file_is_the_table(music: Path, tmp_path: Path) -> None:
    table = ("rank", "mine", music / "others", "--format", "table")
    shown = [line.rstrip() for line in call(*table).out.splitlines()]
    answer = call(*table, "-o", tmp_path / "best")
    assert "2 tracks written" in answer.err
    assert (tmp_path / "best").read_text().splitlines() == shown
    assert shown[0].split() == ["#", "score", "artist", "title", "file"]


@pytest.mark.usefixtures("mine")
def test_what_little_other_music_means_is_said(music: Path) -> None:
    note = "until you rank at least 20 other tracks, scores only order, and run high"
    assert note in call("rank", "mine", music / "others").err


# Profiles and the library -------------------------------------------------------------------------


@pytest.mark.usefixtures("mine")
def test_profiles_show_what_is_disliked(music: Path) -> None:
    *_, title, track = call("profile", "show", "mine").out.splitlines()
    assert (title, track.split()[-1]) == ("disliked_tracks", str(music / "disliked/no.wav"))
    assert call("profile", "show", "mine", "--json").json["disliked_tracks"] == [
        str(music / "disliked/no.wav")
    ]
    refused(call("profile", "show", "nobody"), "there is no profile 'nobody'; there are: mine")


@pytest.mark.usefixtures("home")
def test_counts_are_sentences_that_add_up(music: Path, tmp_path: Path) -> None:
    scan = ("library", "scan")
    assert call(*scan, music / "liked/0.wav").err == "1 file: 1 analysed, 0 known already\n"
    assert call(*scan, music / "liked").err == "2 files: 1 analysed, 1 known already\n"
    assert call(*scan, music / "liked").err == "2 files: 0 analysed, 2 known already\n"
    bad = tmp_path / "bad/empty.mp3"
    bad.parent.mkdir()
    bad.touch()
    for _ in range(2):
        said = call(*scan, music / "liked", bad.parent).err
        assert "3 files: 0 analysed, 2 known already, 1 could not be used\n" in said
    status = call("library", "status").out.splitlines()
    assert status[0] == "2 tracks in 2 files, 1 failure"
    assert re.fullmatch(r"2 tracks analysed for recipe default \([0-9a-f]{16}\)", status[1])


@pytest.mark.usefixtures("mine")
def test_nothing_is_said_of_a_scan_that_found_nothing_new(music: Path) -> None:
    assert "known already" not in call("rank", "mine", music / "others").err


def test_a_library_of_ones_own_preprocessor(music: Path, home: Path) -> None:
    weights = resources.files("recommender") / "weights/thesis.safetensors"
    with resources.as_file(weights) as path:
        assert call("library", "scan", music / "liked", "--preprocessor", path).code == 0
    (kept,) = (home / "preprocessors").iterdir()
    assert f"2 tracks analysed for recipe thesis ({kept.stem})" in call("library", "status").out


@pytest.mark.usefixtures("home")
def test_what_is_pruned_is_listed(tmp_path: Path) -> None:
    gone = sounds.tone(tmp_path / "disk/gone.wav", hz=700)
    sounds.tone(tmp_path / "disk/stays.wav", hz=710)
    away = sounds.tone(tmp_path / "stick/away.wav", hz=720)
    assert call("library", "scan", tmp_path).code == 0
    gone.unlink()
    away.parent.rename(tmp_path / "elsewhere")

    def n_files() -> int:
        return int(call("library", "status", "--json").json["n_files"])

    for words, verb in ((("--dry-run",), "Would forget"), ((), "Forgot")):
        assert n_files() == 3
        said = call("library", "prune", *words).err
        assert f"{verb} 1 file and the analysis of 1 track\n  {gone}\n" in said
        assert "perhaps on a drive that is away" in said
        assert f"--all forgets them too:\n  {away.parent}\n" in said
    assert n_files() == 2
    said = call("library", "prune", "--all").err
    assert said == f"Forgot 1 file and the analysis of 1 track\n  {away}\n"
    assert n_files() == 1


# Bars and pictures --------------------------------------------------------------------------------


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("width", [60, 80])
def test_bars_keep_to_the_terminal(music: Path, width: int) -> None:
    words = ("profile", "build", "new", music / "others", "--library", music)
    lines = on_terminal(*words, "--recipe", "network", "--epochs", 3, width=width)
    bars = [line for line in lines if "━" in line]
    assert {line.split("━")[0].strip("╸ ") for line in bars} >= {
        "Analysing the playlist",
        "Analysing other music",
        "Learning",
    }
    assert all(cell_len(line) <= width for line in bars)
    last = next(line for line in reversed(bars) if line.startswith("Analysing the playlist"))
    assert re.search(r"2/2 [0-9:]+\s*$", last)
    assert not any("0/?" in line for line in lines)


@pytest.mark.parametrize("width", [30, 60, 80, 120])
@pytest.mark.parametrize("text", ["short", LONG, "x" * 200])
def test_what_does_not_fit_beside_a_bar_is_cut(
    monkeypatch: pytest.MonkeyPatch, width: int, text: str
) -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=width, _environ={"TERM": "xterm"})
    monkeypatch.setattr(console, "_console", lambda: terminal)
    with console.progress("Analysing") as step:
        assert out.getvalue() == ""  # nothing before there is something to show
        step(1, 300, text)
    last = re.split(r"[\r\n]+", ESCAPE.sub("", out.getvalue()))[-2].rstrip()
    assert cell_len(last) <= width
    if width >= 60:
        assert last.endswith("short" if text == "short" else "…")
    out.truncate(0)
    with console.progress("Analysing") as step:
        step(300, 300, text)
    assert text[:5] not in out.getvalue()  # of what is finished, the last file says nothing


@pytest.mark.usefixtures("home")
def test_only_terminals_have_bars(music: Path, tmp_path: Path) -> None:
    answer = call("dataset", "build", music, tmp_path / "out")
    assert answer.err == (
        f"5 fragments of 5 tracks in 5 files in {tmp_path / 'out'} (0 tracks were there already)\n"
    )


@pytest.mark.parametrize(("n", "chosen"), [(1, [0]), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4])])
def test_no_file_is_pictured_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, chosen: list[int]
) -> None:
    for i in range(n):
        sounds.tone(tmp_path / f"music/{i}.wav", hz=300 + 10 * i)
    assert call("dataset", "build", tmp_path / "music", tmp_path / "out").code == 0
    drawn: list[tuple[NDArray[np.float32], list[str]]] = []
    monkeypatch.setattr(plots, "save_fragments", lambda _, x, titles, __: drawn.append((x, titles)))
    assert call("dataset", "info", tmp_path / "out", "--plot", tmp_path / "a.png").code == 0
    ((x, titles),) = drawn
    assert [title[0] for title in titles] == [str(i) for i in chosen]
    assert len(x) == n

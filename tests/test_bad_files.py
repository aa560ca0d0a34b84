"""Files that are damaged, odd or hard to name, through the command line."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import sounds
from commands import Answer, call, run

REFUSED = {
    "dangling.mp3": "the link points to nothing",
    "empty.mp3": "the file is empty; delete it",
    "film.mp4": "holds no sound",
    "pipe.wav": "not a regular file",
    "text.mp3": "is it damaged, or misnamed?",
}
USED = {  # and the number of fragments of 8 seconds; a rest of more than half of one counts
    "silence.flac": 1,
    "0.3 s.wav": 1,
    "7.9 s.wav": 1,
    "8 kHz.wav": 1,
    "96 kHz.flac": 1,
    "mono.mp3": 1,
    "surround.flac": 1,
    "cut off.mp3": 2,
    'it\'s "quoted".wav': 1,
    " two  spaces .wav": 1,
    "new\nline.wav": 1,
    "$(touch x).wav": 1,
    "-i.wav": 1,
    "[red]x.wav": 1,
    "\N{MUSICAL NOTE}.wav": 1,
    os.fsdecode(b"caf\xe9.wav"): 1,
}


@dataclass(frozen=True)
class Scan:
    music: Path
    home: Path
    workplace: Path
    answer: Answer


def fill(folder: Path) -> None:
    sounds.silence(folder / "silence.flac")
    sounds.tone(folder / "0.3 s.wav", 0.3)
    sounds.tone(folder / "7.9 s.wav", 7.9, hz=300)
    sounds.tone(folder / "8 kHz.wav", hz=310, sr=8000)
    sounds.tone(folder / "96 kHz.flac", hz=320, sr=96_000)
    sounds.tone(folder / "mono.mp3", hz=330)
    sounds.tone(folder / "surround.flac", hz=340, layout="5.1")
    for n, name in enumerate(USED):
        if not (folder / name).exists():
            sounds.tone(folder / name, hz=1000 + 10 * n)
    whole = sounds.tone(folder / "cut off.mp3", 60).read_bytes()
    (folder / "cut off.mp3").write_bytes(whole[: len(whole) // 3])
    (folder / "empty.mp3").touch()
    (folder / "text.mp3").write_text("This is no music.\n" * 100)
    (folder / "dangling.mp3").symlink_to(folder / "nowhere.mp3")
    os.mkfifo(folder / "pipe.wav")
    sounds.film(folder / "film.mp4")


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """One scan of everything."""
    folder = tmp_path_factory.mktemp("bad")
    music, home, workplace = folder / "music", folder / "home", folder / "workplace"
    fill(music)
    workplace.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(home))
        answer = run("library", "scan", music, "--json", cwd=workplace)
    return Scan(music, home, workplace, answer)


@pytest.fixture
def home(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECOMMENDER_HOME", str(scan.home))
    return scan.home


def test_bad_files_cost_no_others(scan: Scan) -> None:
    assert scan.answer.code == 1
    report = scan.answer.json
    counts = f"{len(USED)} analysed, 0 known already, {len(REFUSED)} could not be used"
    assert f"{len(REFUSED) + len(USED)} files: {counts}" in scan.answer.err
    assert report["n_seen"] == len(REFUSED) + len(USED)
    assert report["n_analysed"] == len(USED)
    assert [Path(item["path"]).name for item in report["failures"]] == sorted(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(scan: Scan, name: str) -> None:
    line = f"{scan.music / name}: "
    (said,) = [text for text in scan.answer.err.splitlines() if line in text]
    assert REFUSED[name] in said
    (item,) = [i for i in scan.answer.json["failures"] if i["path"] == str(scan.music / name)]
    assert REFUSED[name] in item["reason"]


def test_a_file_that_is_cut_off_is_used_and_named(scan: Scan) -> None:
    (warning,) = scan.answer.json["warnings"]
    assert warning["path"] == str(scan.music / "cut off.mp3")
    assert "only 20 of 60 s could be decoded" in warning["reason"]
    assert f"{warning['path']}: {warning['reason']}" in scan.answer.err


def test_names_mean_nothing_to_a_shell_or_a_terminal(scan: Scan) -> None:
    assert list(scan.workplace.iterdir()) == []  # else $(touch x) was run
    assert (scan.music / "$(touch x).wav").is_file()
    assert "\x1b" not in scan.answer.err


@pytest.mark.usefixtures("home")
def test_failures_are_remembered_and_listed_with_their_names(scan: Scan) -> None:
    answer = call("library", "errors")
    assert answer.code == 0
    for name, reason in REFUSED.items():
        (line,) = [line for line in answer.out.splitlines() if f"{scan.music / name}: " in line]
        assert reason in line
    assert "cut off.mp3: only 20 of 60 s" in answer.err


@pytest.mark.usefixtures("home")
def test_every_name_comes_back_from_a_ranking(scan: Scan, tmp_path: Path) -> None:
    others = [sounds.tone(tmp_path / f"others/{n}.wav", hz=2000 + n) for n in range(3)]
    built = call("profile", "build", "odd", others[0].parent, "--json")
    assert (built.code, built.json["n_liked"]) == (0, 3)
    assert built.json["others_from"].startswith("library")
    ranked = run("rank", "odd", scan.music, "--duplicates", "--format", "json")
    assert ranked.code == 1  # the files that cannot be used are listed again
    assert "film.mp4: holds no sound" in ranked.err
    found = {Path(row["path"]).name: row["n_fragments"] for row in ranked.json}
    assert found == USED
    assert all(0 <= row["score"] <= 1 for row in ranked.json)
    table = run("rank", "odd", scan.music, "--duplicates", "--top", 100)
    assert len(table.out.splitlines()) == 1 + len(USED)
    for shown in (r"caf\xe9.wav", r"new\nline.wav", "$(touch x).wav", "[red]x.wav"):
        assert shown in table.out


@pytest.mark.usefixtures("home")
def test_every_name_survives_a_playlist(scan: Scan, tmp_path: Path) -> None:
    others = [sounds.tone(tmp_path / f"others/{n}.wav", hz=3000 + n) for n in range(3)]
    assert call("profile", "build", "back", others[0].parent).code == 0
    playlist = tmp_path / "ranked.m3u8"
    assert call("rank", "back", scan.music, "--duplicates", "-o", playlist).code == 1
    # A playlist that this program wrote is one that it reads; every recording is found again.
    again = call("profile", "build", "again", playlist, "--json")
    assert again.code == 0, again.err
    assert again.json["n_liked"] == len(USED)


def test_bad_files_cost_a_dataset_no_others(scan: Scan, tmp_path: Path) -> None:
    answer = run("dataset", "build", scan.music, tmp_path / "out", "--json")
    assert answer.code == 1
    failures = dict(answer.json["failures"])
    assert sorted(failures) == sorted(REFUSED)
    for name, reason in REFUSED.items():
        assert reason in failures[name]
        assert f"{scan.music / name}: " in answer.err
    assert answer.json["n_tracks"] == len(USED)
    info = call("dataset", "info", tmp_path / "out", "--json")
    assert (info.code, info.json["tracks"], info.json["failures"]) == (0, len(USED), len(REFUSED))
    assert info.json["fragments"] == sum(USED.values())


def test_the_music_is_never_touched(tmp_path: Path, home: Path) -> None:
    del home
    music = tmp_path / "music"
    sounds.tone(music / "a.wav", 1)
    (music / "text.mp3").write_text("no music")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in music.iterdir()}
    assert call("library", "scan", music).code == 1
    assert call("dataset", "build", music, tmp_path / "out").code == 1
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in music.iterdir()
    } == before


def test_a_folder_without_permission_costs_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: list[str]
) -> None:
    monkeypatch.setenv("RECOMMENDER_HOME", str(tmp_path / "home"))
    sounds.tone(tmp_path / "music/good.wav", 1)
    closed = sounds.tone(tmp_path / "music/closed/lost.wav", 1, hz=500).parent
    closed.chmod(0)
    answers = {
        "scan": run("library", "scan", tmp_path / "music", "--json", prefix=bound),
        "build": run(
            "dataset", "build", tmp_path / "music", tmp_path / "o", "--json", prefix=bound
        ),
    }
    closed.chmod(0o755)
    for answer in answers.values():
        assert answer.code == 1
        assert f"{closed}: " in answer.err
        assert "cannot be read (Permission denied)" in answer.err
    assert answers["scan"].json["n_analysed"] == 1
    assert answers["build"].json["n_tracks"] == 1
    # Readable again, it is no failure any more.
    again = run("library", "scan", tmp_path / "music", "--json")
    assert (again.code, again.json["n_unchanged"], again.json["n_analysed"]) == (0, 1, 1)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see memory")
def test_three_hours_need_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_HOME", str(tmp_path / "home"))
    concert = sounds.tone(tmp_path / "concert.flac", 3 * 3600, sr=8000)
    program = (
        "import pathlib\n"
        "from recommender.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
    )
    command = [sys.executable, "-c", program, "library", "scan", str(concert)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert "1 analysed" in done.stderr
    assert int(done.stdout) / 1024 <= 300  # MiB; 85 were measured
    status = run("library", "status", "--json").json
    assert status["n_tracks"] == 1

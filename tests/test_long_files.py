"""Albums in one file and mixes, as a listener has them: through the command line."""

import shutil
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

import sounds
from commands import call, refused

ALBUM_HZ = (300, 500, 700)
OTHER_HZ = (2000, 2500)
TRACK_S = 12


def image(path: Path, pitches: Sequence[float]) -> Path:
    """Write tones of 12 s after one another, and a sheet that names the WAV file of the ripper."""
    parts = [
        f"aevalsrc=0.5*sin(2*PI*{hz}*t):s=44100:d={TRACK_S}[{n}]" for n, hz in enumerate(pitches)
    ]
    inputs = "".join(f"[{n}]" for n in range(len(pitches)))
    sounds.make(path, ";".join([*parts, f"{inputs}concat=n={len(pitches)}:v=0:a=1[out0]"]))
    lines = ['PERFORMER "The Band"', f'TITLE "{path.stem}"', f'FILE "{path.stem}.wav" WAVE']
    for n in range(len(pitches)):
        minutes, seconds = divmod(n * TRACK_S, 60)
        lines += [f"  TRACK {n + 1:02} AUDIO", f'    TITLE "Song {n + 1}"']
        lines += [f"    INDEX 01 {minutes:02}:{seconds:02}:00"]
    path.with_suffix(".cue").write_text("\r\n".join(lines), encoding="utf-16")
    return path


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A liked album, another one, a mix of 100 s, and a track that is a file."""
    folder = tmp_path_factory.mktemp("music")
    image(folder / "liked/album.flac", ALBUM_HZ)
    image(folder / "others/disc.flac", OTHER_HZ)
    sounds.tone(folder / "others/mix.mp3", 100, hz=1500)
    sounds.tone(folder / "others/single.wav", hz=1000)
    return folder


@pytest.fixture(scope="module")
def built(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home with a profile called "mine"."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(home))
        words = ("--library", music / "others")
        answer = call("profile", "build", "mine", music / "liked", *words)
    assert answer.code == 0, answer.err
    assert "learned from 3 liked tracks against" in answer.err
    return home


@pytest.fixture
def mine(built: Path, home: Path) -> Path:
    """Copy of that home, which a test may change."""
    return shutil.copytree(built, home)


# Images -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mine")
def test_rows_of_a_ranking_are_the_tracks(music: Path) -> None:
    rows = call("rank", "mine", music / "others", "--json").json
    found = {
        (Path(row["path"]).name, row["start_s"], row["end_s"], row["title"], row["artist"])
        for row in rows
    }
    assert found == {
        ("disc.flac", 0, TRACK_S, "Song 1", "The Band"),
        ("disc.flac", TRACK_S, None, "Song 2", "The Band"),
        ("mix.mp3", None, None, None, None),
        ("single.wav", None, None, None, None),
    }
    assert [row["duration_s"] for row in rows if row["title"]] == [TRACK_S, TRACK_S]
    assert len({row["score"] for row in rows}) == 4
    table = call("rank", "mine", music / "others").out
    ends = [line.split()[-2:] for line in table.splitlines()]
    assert ["disc.flac", "00:00-00:12"] in ends
    assert ["disc.flac", "00:12-00:24"] in ends
    assert [end[-1] for end in ends if "mix.mp3" in end] == ["mix.mp3"]
    alone = call("rank", "mine", music / "others/mix.mp3").out
    assert alone.split()[:5] == ["#", "score", "artist", "title", "file"]
    assert "part" not in alone
    assert "start_s,end_s" in call("rank", "mine", music / "others", "--format", "csv").out


@pytest.mark.usefixtures("mine")
def test_a_track_that_a_sheet_has_end_beyond_the_file_ends_with_it(tmp_path: Path) -> None:
    disc = image(tmp_path / "disc.flac", (2000, 2500))
    sheet = disc.with_suffix(".cue")
    lines = [sheet.read_text("utf-16"), "  TRACK 03 AUDIO", "    INDEX 01 05:00:00"]
    sheet.write_text("\n".join(lines))
    first, second = (call("rank", "mine", disc) for _ in range(2))
    parts = {line.split()[-1] for line in first.out.splitlines()[1:]}
    assert parts == {"00:00-00:12", "00:12-00:24"}
    # What is amiss is told when the file is analysed, and not whenever it is ranked.
    assert f"{disc}: disc.cue: 1 track too short, or beyond the file's end" in first.err
    assert (second.out, "amiss" in second.err) == (first.out, False)


@pytest.mark.usefixtures("mine")
def test_liked_tracks_of_an_image_are_left_out(music: Path) -> None:
    rows = call("rank", "mine", music, "--json").json
    assert {Path(row["path"]).name for row in rows} == {"disc.flac", "mix.mp3", "single.wav"}
    rows = call("rank", "mine", music, "--json", "--include-liked").json
    assert sum(Path(row["path"]).name == "album.flac" for row in rows) == 3
    image = music / "liked/album.flac"
    shown = call("profile", "show", "mine").out.splitlines()
    assert [line.partition(f"  {image} ")[2] for line in shown[-3:]] == [
        "00:00-00:12",
        "00:12-00:24",
        "00:24-end",
    ]
    assert call("profile", "show", "mine", "--json").json["tracks"] == [str(image)] * 3
    rows = call("rank", "mine", music, "--json", "--exclude", "disc.flac").json
    assert {Path(row["path"]).name for row in rows} == {"mix.mp3", "single.wav"}


@pytest.mark.usefixtures("home")
def test_what_is_liked_stays_so_however_it_is_divided(music: Path) -> None:
    liked, library = music / "others/mix.mp3", ("--library", music / "liked")

    def names(*words: object) -> set[str]:
        rows = call("rank", "mine", music / "others", "--json", *words).json
        return {Path(row["path"]).name for row in rows}

    for built, ranked in [((), (0.5,)), ((0.5,), ()), ((0.5,), (0.3,))]:
        words = [("--sections", *minutes) if minutes else () for minutes in (built, ranked)]
        assert call("profile", "build", "mine", liked, *library, *words[0]).code == 0
        assert names(*words[1]) == {"disc.flac", "single.wav"}
        assert "mix.mp3" in names(*words[1], "--include-liked")


@pytest.mark.usefixtures("mine")
def test_playlists_tell_where_tracks_lie(music: Path, tmp_path: Path) -> None:
    order = [
        row["start_s"] for row in call("rank", "mine", music / "others/disc.flac", "--json").json
    ]
    options = {0: "start-time=0.000\nstop-time=12.000", TRACK_S: "start-time=12.000"}
    call("rank", "mine", music / "others/disc.flac", "-o", tmp_path / "best.m3u8")
    lines = (tmp_path / "best.m3u8").read_text().splitlines()
    told = "\n".join(line.removeprefix("#EXTVLCOPT:") for line in lines if "VLC" in line)
    assert told == "\n".join(options[start_s] for start_s in order)
    assert lines.count(str(music / "others/disc.flac")) == 2
    call("rank", "mine", music / "others/disc.flac", "-o", tmp_path / "best.xspf")
    texts = [e.text for e in ET.parse(tmp_path / "best.xspf").iter() if e.tag.endswith("option")]
    assert "\n".join(text or "" for text in texts) == told


@pytest.mark.usefixtures("home")
def test_playlists_that_name_an_image_or_a_sheet_mean_all_its_tracks(
    music: Path, tmp_path: Path
) -> None:
    playlist = tmp_path / "best.m3u8"
    for name in ("album.flac", "album.cue"):
        playlist.write_text(f"{music / 'liked' / name}\n")
        for source in (playlist, music / "liked" / name):
            words = ("--library", music / "others", "--json")
            answer = call("profile", "build", "mine", source, *words)
            assert (answer.code, answer.json["n_liked"]) == (0, 3), answer.err


@pytest.mark.usefixtures("home")
def test_sheets_that_are_damaged_or_named_are_told(music: Path, tmp_path: Path) -> None:
    shutil.copytree(music / "liked", tmp_path / "liked")
    sheet = tmp_path / "liked/album.cue"
    sheet.write_text("no sheet")
    answer = call("library", "scan", tmp_path / "liked")
    assert answer.code == 0
    assert "1 file: 1 analysed" in answer.err
    assert f"{sheet}: names no track; is this a CUE sheet?; it is not used" in answer.err
    assert call("library", "status").out.splitlines()[0] == "1 track in 1 file, 1 failure"
    assert call("library", "errors").out.startswith(f"{sheet}: names no track")
    refused(call("library", "scan", sheet), "is a CUE sheet, not music; name its folder")
    refused(call("profile", "build", "mine", sheet), "names no track")


# Long files ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mine")
def test_a_mix_in_parts(music: Path) -> None:
    words = ("rank", "mine", music / "others", "--sections", 0.5)
    table = call(*words).out
    found = {line.split()[-1] for line in table.splitlines() if "mix.mp3" in line}
    assert found == {"00:00-00:30", "00:30-01:00", "01:00-01:40"}
    rows = call(*words, "--json").json
    assert [row["rank"] for row in rows] == list(range(1, 7))
    assert sum(row["start_s"] is not None for row in rows) == 5
    assert len(call("rank", "mine", music / "others", "--json").json) == 4


@pytest.mark.usefixtures("home")
def test_what_is_too_long_is_told_and_is_no_failure(music: Path) -> None:
    scan = ("library", "scan", music / "others", "--max-duration", 1)
    for counts in ("2 analysed, 0 known already", "0 analysed, 2 known already"):
        answer = call(*scan)
        assert answer.code == 0
        assert answer.err == f"3 files: {counts}\n1 file is longer than 1 minute and was left out\n"
    reported = call(*scan, "--json").json
    assert reported["skipped"] == [
        {"path": str(music / "others/mix.mp3"), "reason": "longer than 1 min"}
    ]
    assert (reported["n_seen"], reported["n_skipped"], reported["failures"]) == (3, 1, [])
    answer = call("library", "scan", music / "others", "--max-duration", 0.15)
    assert answer.err.endswith("3 tracks are longer than 0.15 minutes and were left out\n")
    assert "1 analysed" in call("library", "scan", music / "others").err


@pytest.mark.usefixtures("mine")
def test_what_is_too_long_is_not_ranked_although_it_is_known(music: Path) -> None:
    words = ("rank", "mine", music / "others", "--max-duration")
    rows = call(*words, 1, "--json").json
    assert {Path(row["path"]).name for row in rows} == {"disc.flac", "single.wav"}
    refused(call("rank", "mine", music / "others/mix.mp3", "--max-duration", 1), "is not too long")
    answer = call(
        "profile",
        "build",
        "new",
        music / "liked",
        music / "others/mix.mp3",
        "--max-duration",
        1,
        "--json",
    )
    assert answer.json["n_liked"] == 3


# Fast ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("home")
def test_fast_then_thorough(music: Path) -> None:
    words = ("--library", music / "others", "--fast")
    assert call("profile", "build", "mine", music / "liked", *words).code == 0
    status = call("library", "status")
    assert status.out.splitlines()[1].endswith(", 1 of them fast")
    assert sum(call("library", "status", "--json").json["n_fast"].values()) == 1
    rank = ("rank", "mine", music / "others", "--json")
    fast = {Path(row["path"]).name: row for row in call(*rank, "--fast").json}
    assert {name: row["fast"] for name, row in fast.items()} == {
        "disc.flac": False,
        "mix.mp3": True,
        "single.wav": False,
    }
    assert fast["mix.mp3"]["n_fragments"] == 3
    answer = call(*rank)
    assert "3 files: 1 analysed, 2 known already" in answer.err
    whole = {Path(row["path"]).name: row for row in answer.json}
    assert not any(row["fast"] for row in whole.values())
    assert whole["mix.mp3"]["n_fragments"] == 12
    assert "of them fast" not in call("library", "status").out
    assert call(*rank, "--fast").json == answer.json

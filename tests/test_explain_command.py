import math
import os
import shutil
from pathlib import Path

import pytest

from commands import call, misused, refused
from sounds import noise, tone
from test_plots import size_of
from test_reports import Page


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Music, and a home folder with a profile "mine" that likes its tones."""
    folder = tmp_path_factory.mktemp("music")
    liked = [tone(folder / "liked" / f"{hz}.wav", 17.0, hz=hz) for hz in (330, 440, 550, 660)]
    noise(folder / "other" / "noise.wav", 33.0)
    tone(folder / "other" / "tone.wav", 25.0, hz=500)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(folder / "home"))
        answer = call("profile", "build", "mine", *liked, "--library", folder / "other", "-j", 1)
    assert answer.code == 0, answer.err
    return folder


@pytest.fixture
def music(made: Path, home: Path) -> Path:
    """Folder of the music; the home folder is a copy of its own for each test."""
    shutil.copytree(made / "home", home)
    return made


def test_the_text(music: Path) -> None:
    answer = call("explain", "mine", music / "other" / "tone.wav")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "tone.wav (tone.wav)"
    assert "number 1 of 2 in a ranking" in lines[1]
    assert lines[3].startswith("0:00 ")
    assert lines[3].endswith(" 0:24")
    assert "Best fragments, and the liked tracks that sound like them:" in lines
    assert any(line.lstrip().startswith("440.wav, 0:0") for line in lines)
    assert any(line.lstrip().startswith("noise.wav, 0:") for line in lines)
    (learned,) = [line for line in lines if "Had the profile never met the 2 liked" in line]
    assert "440.wav" in learned
    assert "scores only order" in answer.err


def test_scores_are_those_of_the_ranking(music: Path) -> None:
    ranked = call("rank", "mine", music / "other", "--json").json
    for row in ranked:
        told = call("explain", "mine", row["path"], "--without", 0, "--json").json
        assert told["score"] == pytest.approx(row["score"], abs=2e-6)  # both are rounded
        assert (told["place"], told["n_ranked"]) == (row["rank"], len(ranked))
        assert told["path"] == row["path"]
        scores = [fragment["score"] for fragment in told["fragments"]]
        log_odds = sum(math.log(p / (1 - p)) for p in scores) / len(scores)
        assert 1 / (1 + math.exp(-log_odds)) == pytest.approx(told["score"], abs=2e-6)
        assert told["best"][0]["fragment"] == scores.index(max(scores))
        assert told["learned_anew"] is None
        assert {Path(near["path"]).parent.name for near in told["nearest_liked"]} == {"liked"}


def test_a_liked_track_is_said_to_be_one(music: Path) -> None:
    told = call("explain", "mine", music / "liked" / "440.wav", "--without", 1, "--json").json
    assert (told["liked"], told["disliked"], told["n_ranked"]) == (True, False, 3)
    assert len(told["nearest_liked"]) == 3
    (left_out,) = told["learned_anew"]["without"]
    assert left_out["path"] == told["nearest_liked"][0]["path"]


def test_page_and_picture(music: Path, tmp_path: Path) -> None:
    page, picture = tmp_path / "why.html", tmp_path / "why.png"
    answer = call(
        "explain", "mine", music / "other" / "noise.wav", "--html", page, "--plot", picture
    )
    assert answer.code == 0
    assert f"Page in {page}" in answer.err
    assert size_of(picture.read_bytes()) == (1380, 690)
    read = Page(page)
    assert read.root.all("h1")[0].text == "noise.wav"
    assert len(read.section("time").all("image")) == 2  # the sound, and the bar of its colours
    sources = {player.attributes["src"].partition("#")[0] for player in read.root.all("audio")}
    assert (music / "other" / "noise.wav").as_uri() in sources
    assert "scores only order" in read.section("time").text


@pytest.mark.usefixtures("music")
def test_a_new_file_is_analysed_first(tmp_path: Path) -> None:
    path = tone(tmp_path / "new.wav", 9.0, hz=400)
    first = call("explain", "mine", path, "--without", 0)
    assert "1 file: 1 analysed" in first.err
    assert "1 file" not in call("explain", "mine", path, "--without", 0).err
    noise(path, 17.0)
    again = call("explain", "mine", path, "--without", 0)
    assert "1 file: 1 analysed" in again.err
    assert "0:16" in again.out
    path.unlink()
    gone = call("explain", "mine", path, "--without", 0, "--html", tmp_path / "a.html")
    assert gone.code == 0
    assert gone.out == again.out
    assert "no spectrogram is shown" in gone.err
    assert len(Page(tmp_path / "a.html").section("time").all("image")) == 0


@pytest.mark.usefixtures("music")
def test_parts_of_a_file(tmp_path: Path) -> None:
    path = noise(tmp_path / "mix.flac", 54.0)
    assert call("library", "scan", path, "--sections", 0.3, "-j", 1).code == 0
    refused(call("explain", "mine", path), "has 3 parts", "--part", "from 1 to 3")
    refused(call("explain", "mine", path, "--part", 4), "has 3 parts, not 4")
    told = call("explain", "mine", path, "--part", 2, "--without", 0, "--json").json
    assert (told["start_s"], told["end_s"]) == (18.0, 36.0)
    assert [f["start_s"] for f in told["fragments"]] == [18.0, 26.0]
    whole = call("explain", "mine", path, "--part", 2, "--without", 0)
    assert whole.out.startswith("mix.flac at 0:18 (mix.flac 00:18-00:36)\n")


@pytest.mark.usefixtures("music")
def test_a_file_of_which_windows_were_heard(tmp_path: Path) -> None:
    path = noise(tmp_path / "long.flac", 161.0)
    assert call("library", "scan", path, "--fast", "-j", 1).code == 0
    told = call("explain", "mine", path, "--without", 0, "--json").json
    assert [f["start_s"] for f in told["fragments"]] == [16.0, 48.0, 80.0, 112.0, 144.0]
    assert "Only 5 windows of it were heard" in call("explain", "mine", path, "--without", 0).out


def test_what_cannot_be_explained(music: Path, tmp_path: Path) -> None:
    song = music / "other" / "tone.wav"
    refused(call("explain", "nobody", song), "there is no profile 'nobody'")
    refused(call("explain", "mine", music / "other"), "is a folder")
    refused(call("explain", "mine", tmp_path / "a.mp3"), tmp_path / "a.mp3", "No such file")
    (tmp_path / "list.m3u").write_text(str(song))
    refused(call("explain", "mine", tmp_path / "list.m3u"), "list.m3u")
    refused(call("explain", "mine", song, "--html", tmp_path / "a.txt"), "is called .html")
    refused(call("explain", "mine", song, "--plot", tmp_path / "a.html"), "is called .png")
    refused(call("explain", "mine", song, "--html", tmp_path / "x" / "a.html"), "no folder")
    misused(call("explain", "mine", song, "--without", -1), "--without")
    misused(call("explain", "mine"), "TRACK")
    text = tmp_path / "text.mp3"
    text.write_text("no music")
    answer = call("explain", "mine", text)
    assert (answer.code, answer.out) == (1, "")
    assert "not an audio file" in answer.err


def test_names_are_shown_without_harm(music: Path, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/<script>\x1b[2J\xff.wav"))
    shutil.copy(music / "other" / "tone.wav", path)
    with path.open("r+b") as file:  # another recording
        file.seek(-400, os.SEEK_END)
        file.write(b"\1" * 400)
    answer = call("explain", "mine", path, "--without", 0, "--html", tmp_path / "a.html")
    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert answer.out.startswith("<script>\\x1b[2J\\xff.wav")
    page = Page(tmp_path / "a.html")
    assert not page.root.all("script")
    assert page.root.all("audio")[0].attributes["src"].endswith("/%3Cscript%3E%1B%5B2J%FF.wav")

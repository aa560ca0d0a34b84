"""Playlists and options that cannot be followed, or only in part, through the command line."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import sounds
from commands import call, misused, refused, run
from recommender import checkpoint

BUILD = ("profile", "build", "mine")


@pytest.fixture
def music(tmp_path: Path, home: Path) -> Path:
    """Four tracks that are liked, in a folder with one that cannot be used, and three others."""
    del home
    folder = tmp_path / "music"
    for n in range(4):
        sounds.tone(folder / f"liked/{n}.wav", hz=300 + 10 * n)
    for n in range(3):
        sounds.tone(folder / f"others/{n}.wav", hz=2000 + 10 * n)
    return folder


# Playlists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["m3u8", "xspf"])
def test_a_playlist_of_parts_means_these_parts(music: Path, tmp_path: Path, suffix: str) -> None:
    mix, playlist = sounds.tone(music / "others/mix.wav", 100), tmp_path / f"best.{suffix}"
    halves, thirds = ("--sections", 0.8), ("--sections", 0.5)
    assert call(*BUILD, music / "liked", "--library", music, *thirds, "--json").code == 0
    assert call("rank", "mine", mix, *thirds, "--top", 1, "-o", playlist).code == 0
    best = call("rank", "mine", mix, *thirds, "--top", 1, "--json").json[0]

    answer = call(*BUILD, playlist, "--library", music, *thirds, "--json")
    assert answer.json["n_liked"] == 1
    assert "Note: " not in answer.err.replace("Note: there is little other music", "")
    liked = call("rank", "mine", mix, *thirds, "--json").json
    assert best["start_s"] not in {row["start_s"] for row in liked}
    assert len(liked) == 2
    others = ("--library", music / "others", "--dislike", playlist)
    answer = call(*BUILD, music / "liked/0.wav", *others, *thirds, "--json")
    assert (answer.json["n_liked"], answer.json["n_disliked"]) == (1, 1)

    for words, n_liked in [(halves, 2), ((), 1)]:  # divided otherwise, and not at all
        answer = call(*BUILD, playlist, *words, "--json")
        assert (answer.code, answer.json["n_liked"]) == (0, n_liked)
        assert f"Note: {mix}: is not divided as the playlist has it, so all of it" in answer.err


def test_what_overlaps_a_liked_part_is_not_recommended(music: Path) -> None:
    mix, playlist = sounds.tone(music / "others/mix.wav", 100), music / "best.m3u8"
    playlist.write_text(f"#EXTVLCOPT:start-time=30\n#EXTVLCOPT:stop-time=60\n{mix}\n")
    words = ("--sections", 0.5, "--json")
    assert call(*BUILD, playlist, "--library", music, *words).json["n_liked"] == 1
    for minutes, starts_s in [(0.5, {0, 60}), (0.3, {0, 18, 54, 72, 90}), (0.8, {48}), (9, set())]:
        rows = call("rank", "mine", mix, "--sections", minutes, "--json").json
        assert {row["start_s"] for row in rows} == starts_s


def test_parts_and_the_whole_are_counted_once(music: Path) -> None:
    sounds.tone(music / "mix.wav", 100)
    lines = ["#EXTVLCOPT:stop-time=30.0004", "mix.wav", "liked/1.wav", "mix.wav"]
    (music / "best.m3u").write_text("\n".join(lines))
    answer = call(*BUILD, music / "best.m3u", "--sections", 0.5, "--json")
    assert (answer.code, answer.json["n_liked"]) == (0, 4)
    shown = call("profile", "show", "mine").out.splitlines()
    assert [line.partition(f"  {music}/")[2] for line in shown[-4:]] == [
        "liked/1.wav",
        "mix.wav 00:00-00:30",
        "mix.wav 00:30-01:00",
        "mix.wav 01:00-end",
    ]


def test_files_of_a_playlist_that_are_gone_are_named_and_the_rest_counts(music: Path) -> None:
    playlist = music / "best.m3u8"
    playlist.write_text("liked/0.wav\nliked/gone.wav\nliked/1.wav\nhttp://radio.example/live\n")
    answer = call(*BUILD, playlist, "--library", music, "--json")
    assert (answer.code, answer.json["n_liked"]) == (0, 2)
    assert f"Note: {playlist}: {music / 'liked/gone.wav'} is gone" in answer.err
    assert "http://radio.example/live is a stream or a playlist, not music" in answer.err


def test_relative_absolute_and_windows_names_are_the_same_files(music: Path) -> None:
    playlist = music / "lists/best.m3u"
    playlist.parent.mkdir()
    names = ["../liked/0.wav", str(music / "liked/1.wav"), r"..\liked\2.wav"]
    playlist.write_bytes("\r\n".join(names).encode())
    answer = call(*BUILD, playlist, "--library", music, "--json")
    assert (answer.code, answer.json["n_liked"]) == (0, 3)
    shown = call("profile", "show", "mine", "--json")
    assert shown.json["tracks"] == [str(music / f"liked/{n}.wav") for n in range(3)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.m3u8", "", ["empty", "add music"]),
        ("comments.m3u8", "#EXTM3U\n\n# none\n", ["empty", "add music"]),
        ("gone.m3u8", "a.mp3\nb.mp3\n", ["none of its 2 files exists", "a.mp3"]),
        ("broken.xspf", "<playlist><track", ["not valid XML", "save the playlist again"]),
        ("radio.pls", "[playlist]\nFile1=http://radio.example/a\n", ["only streams"]),
    ],
)
def test_a_playlist_without_music_is_refused(
    music: Path, name: str, content: str, words: list[str]
) -> None:
    (music / name).write_text(content)
    refused(call(*BUILD, music / name, "--json"), music / name, *words)
    assert call("profile", "list").out == ""


def test_a_playlist_that_does_not_exist_is_refused(music: Path) -> None:
    refused(call(*BUILD, music / "none", "--json"), music / "none", "there is no such")
    refused(call(*BUILD, music / "none.m3u8", "--json"), music / "none.m3u8", "No such file")


def test_an_empty_folder_is_no_playlist(music: Path) -> None:
    (music / "new").mkdir()
    answer = call(*BUILD, music / "new", "--library", music, "--json")
    refused(answer, music / "new")
    assert call("profile", "list").out == ""


def test_a_playlist_with_a_bad_file_is_learned_and_the_file_is_named(music: Path) -> None:
    (music / "liked/text.mp3").write_text("no music")
    answer = call(*BUILD, music / "liked", "--library", music, "--json")
    assert (answer.code, answer.json["n_liked"]) == (1, 4)
    assert f"{music / 'liked/text.mp3'}: not an audio file" in answer.err


def test_a_playlist_of_bad_files_alone_is_refused(music: Path) -> None:
    (music / "bad").mkdir()
    (music / "bad/empty.mp3").touch()
    answer = call(*BUILD, music / "bad", "--library", music / "others", "--json")
    refused(answer, music / "bad", "no track there that can be used")
    assert f"{music / 'bad/empty.mp3'}: the file is empty" in answer.err


def test_a_playlist_that_is_the_whole_library_meets_the_shipped_pool(music: Path) -> None:
    answer = call(*BUILD, music, "--library", music, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["n_liked"] == 7
    assert answer.json["others_from"] == "shipped pool"
    assert answer.json["n_others"] >= 20
    assert "the shipped pool of synthesised music stood in" in answer.err


def test_liked_and_disliked_at_once_is_refused(music: Path) -> None:
    answer = call(*BUILD, music / "liked", "--dislike", music / "liked/2.wav", "--json")
    refused(answer, music / "liked/2.wav", "both liked and disliked")
    assert call("profile", "list").out == ""
    assert call("library", "status", "--json").json["n_tracks"] == 4  # what was heard is kept


# Options ------------------------------------------------------------------------------------------


@pytest.fixture
def profile(music: Path, home: Path) -> Path:
    """Path of a profile called "mine"."""
    assert call(*BUILD, music / "liked", "--library", music, "--json").code == 0
    return home / "profiles/mine.safetensors"


@pytest.mark.usefixtures("profile")
def test_rank_explains_what_it_cannot_do(music: Path, tmp_path: Path) -> None:
    refused(call("rank", "yours", music), "there is no profile 'yours'; there are: mine")
    refused(call("rank", "mine", tmp_path / "none"), tmp_path / "none", "exist")
    misused(call("rank", "mine", music, "--share", 20), "--share")
    refused(call("rank", "mine", music, "--share", 0), "--share", "above 0")
    misused(call("rank", "mine", music, "--share", "nan"), "--share")
    misused(call("rank", "mine", music, "--min-score", 3), "--min-score")
    misused(call("rank", "mine", music, "--top", 0), "--top")
    misused(call("rank", "mine", music, "--format", "wav"), "--format")
    misused(call("rank"), "NAME")
    for name in ("x.doc", "x.txt", "x"):
        refused(call("rank", "mine", music, "-o", tmp_path / name), tmp_path / name, "m3u8")
    refused(call("rank", "mine", music, "--json", "--format", "csv"), "--json", "--format csv")
    (tmp_path / "new").mkdir()
    refused(call("rank", "mine", tmp_path / "new"), "nothing to rank", tmp_path / "new")


@pytest.mark.usefixtures("profile")
def test_an_empty_ranking_is_explained(music: Path) -> None:
    answer = call("rank", "mine", music / "liked", "--format", "json")
    assert (answer.code, answer.json) == (0, [])
    assert "No track is left" in answer.err
    assert "--include-liked" in answer.err
    as_csv = call("rank", "mine", music / "liked", "--format", "csv")
    assert (as_csv.code, as_csv.out.count("\n")) == (0, 1)
    as_table = call("rank", "mine", music / "liked")
    assert (as_table.code, as_table.out) == (0, "")
    for suffix in ("m3u8", "csv"):
        (music / f"best.{suffix}").write_text("precious")
        written = call("rank", "mine", music / "liked", "-o", music / f"best.{suffix}")
        assert (written.code, written.out) == (0, "")
        assert "no file was written" in written.err
        assert (music / f"best.{suffix}").read_text() == "precious"
    assert len(call("rank", "mine", music / "liked", "--include-liked", "--top", 9).out) > 0


@pytest.mark.usefixtures("profile")
def test_a_terminal_that_knows_few_letters(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sounds.tone(music / "others/\N{MUSICAL NOTE}.wav", hz=2500)
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    answer = run("rank", "mine", music)
    assert answer.code == 0
    assert r"\U0001f3b5.wav" in answer.out


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("suffix", ["m3u8", "xspf", "csv", "json"])
def test_an_answer_that_cannot_be_written_is_refused(
    music: Path, tmp_path: Path, suffix: str
) -> None:
    folder = tmp_path / f"folder.{suffix}"
    folder.mkdir()
    refused(call("rank", "mine", music, "-o", folder), folder, "cannot be written")
    path = tmp_path / f"nowhere/best.{suffix}"
    sounds.tone(music / "new.wav", hz=4000)
    refused(call("rank", "mine", music, "-o", path), path, "there is no folder")
    assert call("library", "status", "--json").json["n_files"] == 7  # told before the work


@pytest.mark.parametrize("name", ["a/b", "../a", "", ".hidden", "a\nb", "x" * 81])
def test_names_that_cannot_be_a_profile_are_refused(music: Path, home: Path, name: str) -> None:
    refused(call("profile", "build", name, music, "--json"), "cannot be a profile's name")
    refused(call("rank", name, music), "cannot be a profile's name")
    refused(call("profile", "delete", name), "cannot be a profile's name")
    assert not home.exists()


@pytest.mark.usefixtures("home")
def test_unknown_profiles_are_named() -> None:
    for command in ("show", "delete"):
        words = "there is no profile 'none'; make one with `recommender profile build`"
        refused(call("profile", command, "none"), words)


def test_pictures_and_networks_that_cannot_be_written_are_refused(
    music: Path, tmp_path: Path
) -> None:
    assert call("dataset", "build", music, tmp_path / "out").code == 0
    info = ("dataset", "info", tmp_path / "out", "--plot")
    refused(call(*info, tmp_path / "a.doc"), tmp_path / "a.doc", ".png")
    out = tmp_path / "nowhere/a.png"
    refused(call(*info, out), out, "there is no folder")
    out = tmp_path / "nowhere/genres.safetensors"
    refused(call("genre", "train", music, "-o", out), out, "there is no folder")


def test_wrong_usage_is_explained(music: Path, tmp_path: Path) -> None:
    misused(call("library", "scan", music, "--jobs", 0), "--jobs")
    misused(call("sing"), "No such command 'sing'")
    misused(call(*BUILD, music, "--recipe", "best"), "--recipe")
    misused(call(*BUILD, music, "--epochs", 0), "--epochs")
    refused(call(*BUILD, music, "--epochs", 3), "'default' learns at once, not in epochs")
    refused(call("library", "scan", tmp_path / "none"), tmp_path / "none", "exist")
    refused(call("dataset", "build", tmp_path / "none", tmp_path / "out"), tmp_path / "none")
    assert not (tmp_path / "out").exists()


# Weights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "matrix", "vector"),
    [("default", "liked", "reading"), ("network", "0.output.weight", "0.output.bias")],
)
def test_a_profile_whose_weights_do_not_fit_is_refused(
    music: Path, profile: Path, recipe: str, matrix: str, vector: str
) -> None:
    assert call(*BUILD, music / "liked", "--library", music, "--recipe", recipe).code == 0
    tensors, manifest = checkpoint.load(profile, "profile")
    good = profile.read_bytes()
    rank = ("rank", "mine", music)
    checkpoint.save(profile, "profile", {**tensors, matrix: np.zeros((1, 3), np.float32)}, manifest)
    refused(call(*rank), profile, repr(matrix), "has shape (1, 3)", "is needed")
    bad = {**tensors, vector: np.full_like(tensors[vector], np.nan)}
    checkpoint.save(profile, "profile", bad, manifest)
    refused(call(*rank), profile, repr(vector), "not finite")
    # Consistent, but made for other features.
    n = len(tensors["feature_mean"])
    bad = {name: t[..., 1:] if t.shape[-1] == n else t for name, t in tensors.items()}
    checkpoint.save(profile, "profile", bad, manifest)
    refused(call(*rank), profile, f"takes {n - 1} features", "build the profile again")
    for content in (b"", b"\xff" * 100, good[:-100], good[: len(good) // 2]):
        profile.write_bytes(content)
        refused(call(*rank), profile)
        refused(call("profile", "show", "mine"), profile)
    profile.write_bytes(good)
    assert call(*rank).code == 0


def test_a_profile_of_a_preprocessor_that_is_gone_is_refused(music: Path, profile: Path) -> None:
    tensors, manifest = checkpoint.load(profile, "profile")
    checkpoint.save(profile, "profile", tensors, {**manifest, "fingerprint": "0" * 16})
    refused(call("rank", "mine", music), "0" * 16, "build the profile again")


def test_a_preprocessor_whose_weights_do_not_fit_is_refused(
    music: Path, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    with resources.as_file(resources.files("recommender") / "weights/default.safetensors") as p:
        tensors, manifest = checkpoint.load(p, "preprocessor")
    wrong = np.zeros((2, 2, 2), np.float32)
    checkpoint.save(path, "preprocessor", {**tensors, "conv2.weight": wrong}, manifest)
    build = (*BUILD, music / "liked", "--library", music, "--preprocessor")
    refused(call(*build, path, "--json"), path, "'conv2.weight' has shape (2, 2, 2)")
    checkpoint.save(path, "genre", tensors, manifest)
    refused(call(*build, path, "--json"), path, "holds a genre, but a preprocessor is needed")
    (tmp_path / "text.safetensors").write_text("no weights")
    refused(call(*build, tmp_path / "text.safetensors", "--json"), tmp_path / "text.safetensors")
    refused(call(*build, tmp_path / "none", "--json"), tmp_path / "none", "no such file")
    assert not home.exists()

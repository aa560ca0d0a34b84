"""What a newcomer does: the demo, then the README's commands, word for word, on its music."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest
from onnx import helper

from commands import COMMAND
from recommender import audio

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder that the demo filled, and what it said."""
    folder = tmp_path_factory.mktemp("journey") / "demo"
    done = subprocess.run(
        [*COMMAND, "demo", "--out", folder], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def test_demo_does_all_three_jobs(demo: tuple[Path, str]) -> None:
    folder, said = demo
    assert "The liked styles, folk and drum_and_bass, came out on top." in said
    ranking = json.loads((folder / "ranking.json").read_bytes())
    assert [row["rank"] for row in ranking] == list(range(1, 45))
    scores = [row["score"] for row in ranking]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    # Chance would put 2.7 of the 12 pieces of the liked styles among the first 10.
    best = [Path(row["path"]).parent.name for row in ranking[:10]]
    assert sum(style in ("folk", "drum_and_bass") for style in best) >= 7, best
    playlist = {path.name for path in (folder / "playlist").iterdir()}
    assert not playlist & {Path(row["path"]).name for row in ranking}


def test_demo_leaves_what_it_says(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    manifest = json.loads((folder / "dataset" / "manifest.json").read_bytes())
    assert [file["file"] for file in manifest["files"]] == sorted(
        f"{style.name}.bin" for style in (folder / "library").iterdir()
    )
    assert all(file["count"] == 5 * len(file["tracks"]) for file in manifest["files"])
    best = (folder / "best.m3u8").read_text().splitlines()
    paths = [Path(line) for line in best if not line.startswith("#")]
    assert len(paths) == 9  # a fifth of 44, rounded up
    assert all(path.is_file() for path in paths)
    assert (folder / "fragments.png").read_bytes().startswith(b"\x89PNG")


def test_demo_again_changes_nothing(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.mp3")}
    ranking = (folder / "ranking.json").read_bytes()
    done = subprocess.run(
        [*COMMAND, "demo", "--out", folder], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.mp3")} == before
    assert (folder / "ranking.json").read_bytes() == ranking
    assert " analysed" not in done.stderr


def commands(document: Path) -> list[list[str]]:
    """Words of the `recommender` commands in a document's console blocks, in their order."""
    blocks = re.findall(r"```console\n(.*?)```", document.read_text(), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    typed = [shlex.split(line[2:]) for line in lines if line.startswith("$ ")]
    return [words[1:] for words in typed if words[0] == "recommender"]


def join(path: Path, tracks: Sequence[Path]) -> Path:
    """Write tracks after one another into one file, without any tags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = [word for track in tracks for word in ("-i", f"file:{track}")]
    chain = ("-filter_complex", f"concat=n={len(tracks)}:v=0:a=1", "-map_metadata", "-1")
    command = [audio.ffmpeg_exe(), "-v", "error", "-nostdin", *inputs, *chain, f"file:{path}"]
    subprocess.run(command, check=True)
    return path


def rip(path: Path, tracks: Sequence[Path]) -> None:
    """Write an album into one file with a CUE sheet, as a ripper does."""
    join(path, tracks)
    lines = [f'TITLE "{path.stem}"', f'FILE "{path.stem}.wav" WAVE']
    time_s = 0.0
    for n, track in enumerate(tracks, start=1):
        tags = audio.read_tags(track)
        seconds, frames = divmod(round(75 * time_s), 75)
        lines += [f"  TRACK {n:02} AUDIO"]
        lines += [f'    PERFORMER "{tags.artist}"', f'    TITLE "{tags.title}"']
        lines += [f"    INDEX 01 {seconds // 60:02}:{seconds % 60:02}:{frames:02}"]
        time_s += tags.duration_s or 0.0
    path.with_suffix(".cue").write_text("\n".join([*lines, ""]))


def fill_home(demo: Path, music: Path) -> None:
    """Lay out the demo's music as the README's listener has it."""
    shutil.copytree(demo / "library", music / "library")
    shutil.copytree(demo / "playlist", music / "evening")
    styles = [sorted(style.iterdir()) for style in sorted((demo / "library").iterdir())]
    rip(music / "albums/Sampler.flac", [tracks[0] for tracks in styles])
    join(music / "mixes/late set.mp3", [track for tracks in styles for track in tracks[1:3]])


@pytest.fixture
def listener(demo: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Home of somebody who has the demo's music in ~/Music."""
    folder, _ = demo
    fill_home(folder, tmp_path / "Music")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RECOMMENDER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def type_all(found: Sequence[Sequence[str]], home: Path) -> None:
    """Give commands one after another; all must work."""
    for words in found:
        typed = [os.path.expanduser(word) for word in words]  # noqa: PTH111
        done = subprocess.run(
            [*COMMAND, *typed], capture_output=True, text=True, cwd=home, timeout=600
        )
        assert done.returncode == 0, (words, done.stderr)


def test_readme_commands_work(listener: Path) -> None:
    found = commands(ROOT / "README.md")
    jobs = {" ".join(words[:2]) for words in found}
    assert {"profile build", "dataset build", "library scan", "genre train"} <= jobs
    assert "rank" in {words[0] for words in found}
    type_all(found, listener)


def test_commands_of_profiles_and_rankings_work(listener: Path) -> None:
    found = commands(ROOT / "docs" / "recommending.md")
    jobs = {" ".join(words[:2]) for words in found}
    assert {"profile like", "profile undo", "never add", "experiment mixed"} <= jobs
    type_all(
        [["profile", "build", "evening", "~/Music/evening", "--library", "~/Music/library"]],
        listener,
    )
    type_all(found, listener)


def test_commands_of_the_genre_laboratory_work(listener: Path) -> None:
    """The page describes the ONNX network that its commands use; here is one that fits."""
    document = ROOT / "docs" / "genres.md"
    found = commands(document)
    jobs = ("train", "evaluate", "predict", "cut", "tune")
    assert {("genre", job) for job in jobs} <= {tuple(words[:2]) for words in found}
    (description,) = re.findall(r"```json\n(.*?)```", document.read_text(), flags=re.DOTALL)
    (listener / "vgg.json").write_text(description)
    write_onnx(listener / "vgg.onnx", n_frames=96, n_bands=64)
    type_all(found, listener)


def write_onnx(path: Path, *, n_frames: int, n_bands: int) -> None:
    """Write a network that gives the means of a patch's frames as its embedding."""
    sound = helper.make_tensor_value_info("sound", 1, ["n", 1, n_frames, n_bands])
    embedding = helper.make_tensor_value_info("embedding", 1, ["n", n_frames])
    mean = helper.make_node("ReduceMean", ["sound"], ["embedding"], axes=[1, 3], keepdims=0)
    graph = helper.make_graph([mean], "means", [sound], [embedding])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def test_the_page_of_the_genre_laboratory_lists_its_systems() -> None:
    done = subprocess.run(
        [*COMMAND, "genre", "networks", "--json"], capture_output=True, text=True, timeout=100
    )
    lines = (ROOT / "docs" / "genres.md").read_text().splitlines()
    listed = [line for line in lines if line.startswith("| `") and line.count("|") == 6]
    expected = [
        f"| `{row['name']}` | {row['title']} | {row['hears']} |"
        f" {'' if row['n_parameters'] is None else format(row['n_parameters'], ',')} |"
        f" {row['published']} |"
        for row in json.loads(done.stdout)
    ]
    assert listed == expected
    assert f" {len(listed)} systems " in (ROOT / "README.md").read_text()


@pytest.mark.usefixtures("home")
def test_two_commands_from_folders_to_a_ranking(demo: tuple[Path, str]) -> None:
    """The first profile has only the shipped pool to learn from; ranking gives it the library."""
    folder, _ = demo
    words = [*COMMAND, "profile", "build", "mine", str(folder / "playlist")]
    built = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    assert "shipped pool" in built.stderr
    words = [*COMMAND, "rank", "mine", str(folder / "library"), "--format", "json"]
    ranked = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert ranked.returncode == 0, ranked.stderr
    assert "learned anew" in ranked.stderr
    best = [Path(row["path"]).parent.name for row in json.loads(ranked.stdout)[:10]]
    assert sum(style in ("folk", "drum_and_bass") for style in best) >= 7, best
    again = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert again.stdout == ranked.stdout
    assert "learned anew" not in again.stderr

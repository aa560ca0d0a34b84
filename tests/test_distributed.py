"""Three nodes, of which one is lost in the middle: the results are those of one machine."""

import ast
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

import far_away
import sounds
from commands import finish, run, start
from kills import contents
from nodes import Nodes
from recommender import dataset, distributed, preprocessor, profile, ranking
from recommender.analysis import scan
from recommender.dataset import DatasetParams
from recommender.library import Library
from recommender.parameters import RECIPES, SpectrogramParams
from recommender.profile import Profile
from test_analysis import noise, write_wav
from test_journeys import commands

N_FILES = 24
SHEET = """TITLE "album"
FILE "image.wav" WAVE
  TRACK 01 AUDIO
    TITLE "first"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "second"
    INDEX 01 00:12:00
"""


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noises, a copy, an image with its sheet, what is no music, and silence."""
    folder = tmp_path_factory.mktemp("music")
    for n in range(N_FILES):
        write_wav(folder / f"{n % 3}" / f"{n}.wav", noise(8.5 + 4 * (n % 3), seed=n))
    (folder / "2" / "copy.wav").write_bytes((folder / "0" / "0.wav").read_bytes())
    write_wav(folder / "image.wav", noise(24, seed=99))
    (folder / "image.cue").write_text(SHEET)
    (folder / "bad.mp3").write_bytes(b"no music" * 100)
    sounds.silence(folder / "silence.wav", 9)
    return folder


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory, music: Path) -> Path:
    """The library of one machine."""
    path = tmp_path_factory.mktemp("scanned") / "library.db"
    with Library.open(path) as library:
        scan(library, [music], preprocessor.load(), jobs=2)
    return path


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with Nodes() as nodes:
        yield nodes


class Far:
    """The program that works far away."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        words = [sys.executable, far_away.__file__, nodes.address]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, what: str, *, loses_one: bool = False, **arguments: object) -> Any:
        """Have something done; a node may be lost as soon as the first shard is done."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, arguments]) + "\n")
        self._process.stdin.flush()
        is_lost = False
        for line in self._process.stdout:
            first, second = json.loads(line)
            if first == "answer":
                assert is_lost == loses_one, "nothing was left to do when the first shard was done"
                if is_lost:
                    self._nodes.add()
                return second
            if loses_one and not is_lost and 0 < first < second:
                self._nodes.lose()
                is_lost = True
        raise AssertionError(f"it ended with code {self._process.wait()}")

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def __enter__(self) -> Self:
        return self


@pytest.fixture(scope="module")
def far(nodes: Nodes) -> Iterator[Far]:
    with Far(nodes) as far:
        yield far


@pytest.fixture(scope="module")
def shards(
    tmp_path_factory: pytest.TempPathFactory, music: Path, far: Far
) -> tuple[Path, list[dict[str, Any]]]:
    """Shards that were made while a node was lost, and their rows before a second try."""
    out = tmp_path_factory.mktemp("shards") / "out"
    words: dict[str, Any] = {"paths": [str(music)], "out": str(out)}
    far("extract", loses_one=True, **words, wait_s=0.2, dies=True, retry=False)
    found = distributed.open_shards(out)
    before = [row for shard in found.shards for row in found.read(shard).to_pylist()]
    far("extract", **words, wait_s=0.0, dies=False, retry=True)
    return out, before


def test_a_poison_file_costs_one_file(shards: tuple[Path, list[dict[str, Any]]]) -> None:
    _, before = shards
    failed = {Path(os.fsdecode(row["path"])).name: row for row in before if row["status"] != "done"}
    assert failed.keys() == {"bad.mp3", "silence.wav"}
    assert "the process that worked on it was ended 3 times" in failed["silence.wav"]["reason"]
    assert len(before) == N_FILES + 1 + 2 + len(failed)


def test_shards_make_the_library_of_one_machine(
    tmp_path: Path, shards: tuple[Path, list[dict[str, Any]]], scanned: Path
) -> None:
    place, _ = shards
    found = distributed.open_shards(place)
    network = preprocessor.load()
    with Library.open(tmp_path / "library.db") as library:
        report = distributed.import_shards(library, found, network)
        assert (report.n_files, report.n_known) == (N_FILES + 3, 0)
        assert [path.name for path, _ in report.failures] == ["bad.mp3"]
        again = distributed.import_shards(library, found, network)
        assert (again.n_files, again.n_known) == (N_FILES + 3, N_FILES + 3)
    assert contents(tmp_path / "library.db") == contents(scanned)


@pytest.fixture(scope="module")
def playlists(scanned: Path) -> dict[str, list[str]]:
    with Library.open(scanned) as library:
        hashes = [t.content_hash for t in library.tracks(preprocessor.load().fingerprint)]
    return {"few": hashes[3:5], "many": [*hashes[5:20:2], "f" * 64]}


@pytest.fixture(scope="module")
def profiles(scanned: Path, playlists: dict[str, list[str]]) -> list[Profile]:
    """Those of one machine."""
    recipe, fingerprint = RECIPES["default"], preprocessor.load().fingerprint
    with Library.open(scanned) as library:
        tracks = library.tracks(fingerprint)
        return [
            profile.build(
                library, name, recipe, fingerprint, [t for t in tracks if t.content_hash in liked]
            )
            for name, liked in playlists.items()
        ]


def test_scores_are_those_of_one_machine(
    tmp_path: Path,
    shards: tuple[Path, list[dict[str, Any]]],
    far: Far,
    scanned: Path,
    profiles: list[Profile],
) -> None:
    paths = [tmp_path / f"{each.name}.safetensors" for each in profiles]
    for each, path in zip(profiles, paths, strict=True):
        profile.save(each, path)
    found = far(
        "score", loses_one=True, place=str(shards[0]), profiles=list(map(str, paths)), top=7
    )
    with Library.open(scanned) as library:
        tracks = library.tracks(profiles[0].fingerprint)
        features = dict(library.features([t.id for t in tracks], profiles[0].fingerprint))
    for each in profiles:
        liked = {ref.content_hash for ref in each.liked}
        scores = [
            (-each.track_score(features[t.id], t.content_hash), str(t.path), t.start_s)
            for t in tracks
            if t.content_hash not in liked
        ]
        expected = sorted(scores, key=lambda row: (*row[:2], row[2] or 0.0))[:7]
        assert [
            (-row["score"], row["path"], row["start_s"]) for row in found[each.name]
        ] == expected


@pytest.mark.parametrize("source", ["shards", "library"])
def test_profiles_are_those_of_one_machine(
    tmp_path: Path,
    shards: tuple[Path, list[dict[str, Any]]],
    far: Far,
    scanned: Path,
    playlists: dict[str, list[str]],
    profiles: list[Profile],
    source: str,
) -> None:
    place = str(shards[0] if source == "shards" else scanned)
    found = far(
        "train", playlists=playlists | {"none": ["0" * 64]}, source=place, out=str(tmp_path)
    )
    assert sorted(found["names"]) == ["few", "many"]
    ((name, reason),) = found["failures"]
    assert name == "none" and "no track of the playlist" in reason
    for expected in profiles:
        trained = profile.load(tmp_path / f"{expected.name}.safetensors")
        for key, tensor in expected.tensors.items():
            np.testing.assert_array_equal(trained.tensors[key], tensor)
        assert dataclasses.replace(trained, tensors={}, created="") == dataclasses.replace(
            expected, tensors={}, created=""
        )


def test_a_scan_on_nodes_is_that_of_one_machine(
    tmp_path: Path, music: Path, far: Far, scanned: Path
) -> None:
    words: dict[str, Any] = {"music": str(music), "database": str(tmp_path / "library.db")}
    failures = far("scan", loses_one=True, **words, wait_s=0.2, dies=True)
    reasons = {Path(path).name: reason for path, reason in failures}
    assert reasons.keys() == {"bad.mp3", "silence.wav"}
    assert "the process that worked on it was ended 3 times" in reasons["silence.wav"]
    with Library.open(tmp_path / "library.db") as library:
        scan(library, [music], preprocessor.load(), jobs=1, retry_failed=True)
    assert contents(tmp_path / "library.db") == contents(scanned)


def test_a_ranking_on_nodes_is_that_of_one_machine(
    tmp_path: Path, far: Far, scanned: Path, profiles: list[Profile]
) -> None:
    paths = [tmp_path / f"{each.name}.safetensors" for each in profiles]
    for each, path in zip(profiles, paths, strict=True):
        profile.save(each, path)
    shutil.copy(scanned, tmp_path / "library.db")  # which remembers scores
    found = far("rank", database=str(tmp_path / "library.db"), profiles=list(map(str, paths)))
    with Library.open(scanned) as library:
        blend = [(profiles[1], 0.5)]
        expected = ranking.rank(profiles[0], library, [], blend=blend, duplicates=True)
    assert found == [[str(each.path), each.score] for each in expected]
    assert len(found) == N_FILES + 3 - sum(len(each.liked) for each in profiles)


def test_a_dataset_by_nodes_is_that_of_one_machine(tmp_path: Path, music: Path, far: Far) -> None:
    n_tracks = far("build", loses_one=True, music=str(music), out=str(tmp_path / "far"))
    assert n_tracks == N_FILES + 3
    params = DatasetParams(kind="tracks", spectrogram=SpectrogramParams())
    dataset.build(music, tmp_path / "here", params, jobs=2)
    assert dataset.read(tmp_path / "far") == dataclasses.replace(
        dataset.read(tmp_path / "here"), folder=tmp_path / "far"
    )
    for path in (tmp_path / "here").rglob("*.bin"):
        other = tmp_path / "far" / path.relative_to(tmp_path / "here")
        assert other.read_bytes() == path.read_bytes()


# By command ---------------------------------------------------------------------------------------


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Home of somebody who has music, and a playlist in a folder."""
    for n in range(24):
        write_wav(tmp_path / "Music" / ("evening" if n < 4 else "rest") / f"{n}.wav", noise(9, n))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RECOMMENDER_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.slow
def test_the_commands_and_the_program_of_the_page(listener: Path, nodes: Nodes) -> None:
    page = (Path(__file__).parents[1] / "docs" / "distributed.md").read_text()
    page = page.replace("10.0.0.1:6379", nodes.address)
    (listener / "page.md").write_text(page)
    found = commands(listener / "page.md")
    assert {" ".join(words[:2]) for words in found} >= {
        "library scan",
        "library extract",
        "library import",
        "dataset build",
        "rank mine",
    }
    for words in found:
        answer = run(*(os.path.expanduser(word) for word in words))  # noqa: PTH111
        assert answer.code == 0, (words, answer.err)
        assert "raylet" not in answer.out
    assert "24 files: 24 known already" in answer.err
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"ada", "bob"} == ast.literal_eval(done.stdout).keys()


@pytest.mark.slow
def test_on_this_machine_alone(listener: Path) -> None:
    music = listener / "Music"
    answer = run("library", "scan", music, "--engine", "ray", "-j", 2, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["n_analysed"] == 24
    by_scan = contents(listener / "home" / "library.db")
    words = ("library", "extract", music.as_uri(), "-o", (listener / "out").as_uri(), "-j", 2)
    answer = run(*words, "--json")
    assert answer.code == 0, answer.err
    assert answer.json == {"n_shards": 1, "n_rows": 24, "n_files": 24, "n_failed": 0}
    again = run(*words, "--json")
    assert again.json == answer.json
    (listener / "home" / "library.db").rename(listener / "scanned.db")
    moved = f"{music.as_uri()}=~/Music"
    answer = run("library", "import", listener / "out", "--map", moved, "--json")
    assert (answer.code, answer.json["n_files"], answer.json["n_known"]) == (0, 24, 0)
    by_import = contents(listener / "home" / "library.db")
    assert by_import | {"roots": set()} == by_scan | {"roots": set()}


@pytest.mark.slow
def test_an_interrupted_extraction_goes_on(listener: Path) -> None:
    words = ("library", "extract", listener / "Music", "-o", listener / "out", "-j", 2)
    process = start(*words)
    time.sleep(8)
    process.send_signal(signal.SIGINT)
    interrupted = finish(process)
    assert interrupted.code in (0, 130), interrupted.err  # it may have been faster
    answer = run(*words, "--json")
    assert (answer.code, answer.json["n_files"]) == (0, 24)


@pytest.mark.slow
def test_hyperparameters_are_searched_on_nodes(tmp_path: Path, nodes: Nodes) -> None:
    for genre, hz in (("low", 200), ("high", 3_000)):
        for i in range(4):
            sounds.tone(tmp_path / "music" / genre / f"{i}.wav", 4.0, hz=hz + 10 * i)
    words = ("--trials", 3, "--epochs", 4, "--seed", 2, "--cache", tmp_path / "cache")
    best = tmp_path / "best.json"
    answer = run(
        "genre", "tune", tmp_path / "music", "-o", best, *words, "--engine", "ray",
        "--ray-address", nodes.address, "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert len(answer.json["trials"]) == 3

"""The table of genre results: figures from results, results from runs, runs that go on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import genre_results
import genre_results_page as page
import sounds

BENCHMARK = Path(genre_results.__file__)


def result(y: str, predicted: str, fold: int = 0, names: str | None = None) -> dict[str, object]:
    """Result of a fold; each letter is a clip's genre, and its name if need be."""
    names = names or "".join(chr(ord("0") + i) for i in range(len(y)))
    return {
        "row": "svc",
        "fold": fold,
        "tracks": list(names),
        "y": list(y),
        "predicted": list(predicted),
        "training_s": 2.0 + fold,
        "epochs": 4,
        "n_parameters": 7,
    }


def test_a_rows_figures() -> None:
    found = page.row("svc", [result("aabb", "aabb"), result("aabb", "abbb", fold=1)], {})
    assert found.accuracy == pytest.approx((0.875, np.std([1, 0.75], ddof=1)))
    # F1 of the second fold: a 2/3, b 4/5.
    assert found.macro_f1[0] == pytest.approx((1 + (2 / 3 + 4 / 5) / 2) / 2)
    assert (found.training_s, found.epochs, found.n_parameters) == (2.5, 4, 7)
    assert found.within is None


def test_hearing_the_source_does_not_help_within_it() -> None:
    """All of source x is taken for a, all of y for b: right for most clips."""
    sources = dict(zip("01234567", "xxxxyyyy", strict=True))
    found = page.row("svc", [result("aaabbbba", "aaaabbbb")], sources)
    assert found.accuracy[0] == 0.75
    # In each source one genre has F1 6/7, the other 0.
    assert found.within == pytest.approx(3 / 7)


def test_sources_of_one_genre_or_few_clips_say_nothing() -> None:
    n = page.MIN_CLIPS_OF_SOURCE
    genres = {f"{s}{i}": "ab"[i % 2 if s != "one" else 0] for s in ("one", "two") for i in range(n)}
    genres |= {"few0": "a", "few1": "b"}
    sources = {name: name.rstrip("0123456789") for name in genres} | {"other": "two"}
    assert set(page.several_genres(genres, sources).values()) == {"two"}
    assert len(page.several_genres(genres, sources)) == n


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genres of 40 tones, two tones an artist, in five folds and two sources."""
    folder = tmp_path_factory.mktemp("audio")
    lines = ["clip,genre,artist,fold,source"]
    for genre, hz in (("low", 200), ("high", 3_000)):
        path = sounds.tone(folder / f"{genre}.wav", 1.0, hz=hz)
        for i in range(40):
            clip = folder / f"{genre}{i}.wav"
            clip.hardlink_to(path)
            lines.append(f"{clip.name},{genre},{genre}{i // 2},{i // 2 % 5},{'xy'[i % 2]}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder


def test_rows_are_filled_kept_and_written(audio: Path, tmp_path: Path) -> None:
    work, output = tmp_path / "work", tmp_path / "r.md"
    words = [sys.executable, BENCHMARK, audio, "--work", work, "-o", output, "--jobs", "1"]

    def fill(*more: str) -> str:
        done = subprocess.run(
            [*map(str, words), *more], capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout

    said = fill("--only", "som", "largest")
    assert all(f"som, fold {fold}: accuracy 1.000" in said for fold in range(5))
    kept = {path: path.stat().st_mtime_ns for path in (work / "results").iterdir()}
    assert len(kept) == 10
    text = output.read_text()
    assert "| `som` | 100.0 ± 0.0 % | 1.000 ± 0.000 | 1.000 |" in text
    assert "*always the largest genre* | 50.0 ± 0.0 % | 0.333 ± 0.000 | 0.333 |" in text
    assert "80 clips" in text and str(tmp_path) not in text

    # What is there stays, what is not is filled, what is asked for is done anew.
    first = work / "results" / "som-fold0.json"
    first.unlink()
    said = fill("--only", "som")
    assert "som, fold 0" in said and "som, fold 1" not in said
    assert json.loads(first.read_bytes())["n_parameters"] > 0
    said = fill("--only", "som", "--folds", "1", "--anew")
    assert "som, fold 1" in said and "som, fold 0" not in said
    assert "patch-lstm" in fill("--only", "patch-lstm", "largest")  # left out without --frozen
    assert not list((work / "results").glob("patch-*"))

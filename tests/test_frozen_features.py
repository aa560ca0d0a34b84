"""The comparison of frozen features: that it runs and goes on; its parts by known answers."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import frozen_features
import sounds
from frozen import candidates, examining, material, networks, page
from frozen.examining import Found, Loss
from frozen.networks import StatisticsNetwork, Targets
from frozen.rows import ROWS
from recommender import evaluation
from recommender.evaluation import Clip, Interval
from recommender.parameters import TrainingParams

BENCHMARK = Path(frozen_features.__file__)
SR = 44_100
N_FOLDS = 3


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genres of tones, with artists, albums, moods and two sources, in three folds."""
    folder = tmp_path_factory.mktemp("audio")
    lines = ["clip,genre,artist,fold,album,mood,source"]
    for genre, hz in {"low": 200, "high": 3_000}.items():
        for i in range(30):
            path = folder / f"{genre}{i}.wav"
            if i < 3:
                sounds.tone(path, 1.0, hz=hz * (1 + i / 50))
            else:
                path.hardlink_to(folder / f"{genre}{i % 3}.wav")
            artist = f"{genre}{i // 10}{i % 2}"
            source = "xy"[i % 10 // 5]
            lines.append(f"{path.name},{genre},{artist},{i // 10},{i % 3},{i % 2},{source}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder


def test_rows_are_filled_kept_and_written(audio: Path, tmp_path: Path) -> None:
    work, output = tmp_path / "work", tmp_path / "f.md"
    words = [sys.executable, str(BENCHMARK), str(audio), f"--work={work}", f"-o={output}"]
    words += ["--jobs=1", "--only", "statistics", "thesis", "default"]

    def run() -> str:
        done = subprocess.run(words, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run().count(", fold ") == 3 * N_FOLDS
    text = output.read_text()
    for row in ("mfcc", "timbre", "timbre-whitened", "default"):
        assert f"| {ROWS[row].title} |" in text
    assert "| random |" in text
    assert ROWS["thesis"].title not in text  # it has not been trained
    frozen_features.place(work, "statistics", 1).unlink()
    assert run().count(", fold ") == 1
    assert output.read_text() == text


def test_degraded_sound() -> None:
    """What is asked to be gone is gone, and nothing else."""
    t = np.arange(SR) / SR
    low, high = (10_000 * np.sin(2 * np.pi * hz * t) for hz in (1_000, 9_000))
    y = np.rint(low + high).astype(np.int16)
    # Half a step of rounding each.
    np.testing.assert_allclose(material.low_pass(y, 8_000), low, atol=1.001)
    np.testing.assert_allclose(material.quieter(y, 20), y / 10, atol=0.501)
    noise = material.noisy(y, 40) - y.astype(np.float64)
    level_db = 10 * math.log10(np.square(noise).mean() / np.square(y.astype(np.float64)).mean())
    assert level_db == pytest.approx(-40, abs=0.05)  # measured: -40.0, of 44,100 samples
    encoded = material.mp3(y, 64)
    spectrum = np.abs(np.fft.rfft(encoded[:SR].astype(np.float64)))
    assert 990 < spectrum[:5_000].argmax() < 1_010


def test_whitened_artists_are_round() -> None:
    rng = np.random.default_rng(0)
    groups = [str(i // 20) for i in range(2_000)]
    x = rng.normal(size=(100, 3)).repeat(20, axis=0) + rng.normal(size=(2_000, 3)) * [1, 5, 0.1]
    found = candidates.whitener(x, groups, 0.0)(x)
    assert np.square(found).sum(1).mean() == pytest.approx(1, rel=1e-5)
    inside = found - found.reshape(100, 20, 3).mean(1).repeat(20, axis=0)
    covariance = inside.T @ inside
    np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(3), atol=1e-4)


def test_relative_levels() -> None:
    levels = np.array([[[0.0, -40.0, -200.0]], [[-40.0, -80.0, -100.0]]], np.float16)
    expected = [[[1.0, 0.0, -1.0]], [[1.0, 0.0, -0.5]]]
    np.testing.assert_array_equal(candidates._relative(levels), expected)


@pytest.mark.parametrize("weights", [(1, 0, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0.5, 0.5, 0)])
def test_networks_learn_what_they_are_told(weights: tuple[float, float, float, float]) -> None:
    """Clips are noise around their genre's vector; whoever learns draws the same together."""
    rng = np.random.default_rng(0)
    genres = np.arange(48) % 4
    centres = rng.normal(size=(4, 20))

    def draw(rng: np.random.Generator) -> NDArray[np.float32]:
        noise = rng.normal(size=(48, 2, 20))
        return (centres[genres][:, None] + 0.3 * noise).astype(np.float32)

    labels = np.stack([genres, np.where(genres < 2, genres, -1), genres, genres], axis=1)
    params = TrainingParams(
        epochs=20, batch_size=16, optimizer="adam", learning_rate=1e-2, loss="cross_entropy"
    )
    network = networks.train(
        lambda n_genres, n_moods: StatisticsNetwork(20, n_genres, n_moods),
        draw,
        Targets(labels=labels.astype(np.int64), weights=weights),
        params,
    )
    x = draw(np.random.default_rng(1))
    found = networks.embeddings(network, x)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    similarity, same = found @ found.T, genres[:, None] == genres
    assert similarity[same].min() > similarity[~same].max()
    if weights[0]:
        assert (networks.shares(network, x).argmax(1) == genres).all()


def clips() -> list[Clip]:
    """Two genres in two folds, of two sources."""
    return [
        Clip(path=Path(str(i)), genre="ab"[i % 2], source="xy"[i // 2 % 2], fold=i // 80)
        for i in range(160)
    ]


def test_features_that_hear_nothing_but_the_source_are_found_out() -> None:
    rng = np.random.default_rng(0)
    everything = clips()
    sources = np.array([[clip.source == "x"] for clip in everything], float)
    noise = rng.normal(size=(160, 1))
    assert examining.source_accuracy(everything, {0: sources, 1: sources}) == 1.0
    # 160 answers of a coin: standard error 0.08 between chance and perfect.
    assert abs(examining.source_accuracy(everything, {0: noise, 1: noise})) < 0.35
    alone = [Clip(path=c.path, genre=c.genre, source="x", fold=c.fold) for c in everything]
    assert math.isnan(examining.source_accuracy(alone, {0: sources}))


def test_what_degradation_costs() -> None:
    """Degraded clips are the opposite of themselves, or what they were."""
    everything = clips()
    features = np.array([[1.0, 0.0] if clip.genre == "a" else [0.0, 1.0] for clip in everything])
    users = [u for u in evaluation.users(everything) if u.kind.startswith("genre") and not u.fold]
    test = evaluation.rotation(everything, 0).test

    def losses(degraded: NDArray[np.float64]) -> dict[str, Loss]:
        found = Found(
            clean={0: features}, degraded={"so": {0: degraded}}, standardise=False, accuracy=None
        )
        return examining.losses(everything, users, found)

    same = losses(features[test])["so"]
    assert same.all_candidates == same.hidden_alone == 0.0
    swapped = losses(features[test][:, ::-1])["so"]
    assert swapped.all_candidates == pytest.approx(1.0)  # all others are above the hidden ones
    # The hidden ones are as far as all others, whose order is chance then.
    assert 0.5 < swapped.hidden_alone < 1.0


def test_the_page_tells_the_figures() -> None:
    zero = Interval(value=0.0, low=-0.1, high=0.1)
    line = page.Line(
        row="mfcc",
        title="MFCC",
        n_numbers=1_920,
        auc=Interval(value=0.7254, low=0.7, high=0.75),
        ndcg=Interval(value=0.3, low=0.25, high=0.35),
        auc_above=zero,
        ndcg_above=zero,
        ndcg_below=zero,
        by_kind={"genre": (0.5, 1.0)},
        accuracy=0.6,
    )
    losses = {"20 dB quieter": Loss(all_candidates=0.1, hidden_alone=-0.02)}
    text = page.page(clips(), [line], {"mfcc": (losses, 0.25)})
    figures = "1,920 | .725 | .300 (.250 to .350) |  |  | +0.000 (-0.100 to +0.100) | .600"
    assert f"| MFCC | {figures} |" in text
    assert "| MFCC | .500 / 1.000 |" in text
    assert "|  | +0.100 / -0.020 |  |" in text and "| .250 |" in text

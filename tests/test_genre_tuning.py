"""Ray Tune, in processes of its own: its threads and warnings stay out of this one."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import sounds
from commands import call, refused, run, start


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genres of four tones each."""
    folder = tmp_path_factory.mktemp("music")
    for genre, hz in (("low", 200), ("high", 3_000)):
        for i in range(4):
            sounds.tone(folder / genre / f"{i}.wav", 4.0, hz=hz + 10 * i)
    return folder


def test_the_best_settings_train(music: Path, tmp_path: Path) -> None:
    best, cache = tmp_path / "best.json", tmp_path / "cache"
    words = ("--trials", 3, "--epochs", 4, "--seed", 2, "--cache", cache, "-j", 2)
    answer = run("genre", "tune", music, "-o", best, *words, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(best.read_bytes())
    assert answer.json == found
    assert found["network"] == "patch-lstm"
    scores = [trial["score"] for trial in found["trials"]]
    assert scores == sorted(scores, reverse=True) and len(scores) == 3
    assert (found["settings"], found["score"]) == (found["trials"][0]["settings"], scores[0])
    for trial in found["trials"]:
        settings, training = trial["settings"], trial["training"]
        assert np.log2(settings["hidden"]) in range(3, 10)
        assert 1 <= settings["layers"] <= 5
        assert 0 <= settings["dropout"] <= 0.25 and 0 <= settings["dropout_between"] <= 0.25
        assert 1e-4 <= training["learning_rate"] <= 1e-1
        assert training["batch_size"] in (16, 32, 64, 128, 256)
        assert 1 <= trial["epochs"] <= 4
    assert len({json.dumps(trial["settings"]) for trial in found["trials"]}) == 3

    path = tmp_path / "g.safetensors"
    trained = call("genre", "train", music, "-o", path, "--settings", best, "--epochs", 2, "--json")
    assert trained.code == 0, trained.err
    assert trained.json["network"] == "patch-lstm"
    # Its LSTM has the width that was found.
    hidden = found["settings"]["hidden"]
    from recommender import genres

    assert genres.load(path).network.get_submodule("lstm").hidden_size == hidden
    other = call("genre", "train", music, "-o", path, "--settings", best, "--network", "som")
    refused(other, "patch-lstm", "som")


@pytest.mark.slow
def test_an_interrupted_search_keeps_the_best_so_far(music: Path, tmp_path: Path) -> None:
    best = tmp_path / "best.json"
    words = ("--trials", 1_000, "--epochs", 2, "-j", 2)
    process = start("genre", "tune", music, "-o", best, *words)
    time.sleep(45)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert 1 <= json.loads(best.read_bytes())["n_trials"] < 1_000


def test_what_cannot_be_tuned(music: Path, tmp_path: Path) -> None:
    best = tmp_path / "best.json"
    refused(call("genre", "tune", music, "-o", best, "--network", "svc"), "not trained by epochs")
    refused(call("genre", "tune", music, "-o", tmp_path / "a" / "b"), "there is no folder")
    assert not best.exists()

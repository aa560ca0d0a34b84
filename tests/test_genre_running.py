"""Runs: what is heard, parted, trained on, tested on, and told."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import sounds
from recommender.errors import DatasetError, ParameterError
from recommender.genres import (
    SYSTEMS,
    Collection,
    LabelledTrack,
    adapting,
    examining,
    material,
    running,
)
from recommender.genres.inputs import InputParams
from recommender.genres.material import Material
from recommender.parameters import SpectrogramParams

N_ARTISTS = 6
PIECES = InputParams(kind="mel", spectrogram=SpectrogramParams(n_frames=8, n_mels=16))
SYSTEM = adapting.with_training(
    dataclasses.replace(SYSTEMS["small-dense"], inputs=PIECES, n_pieces=2), epochs=4
)
CLASSICAL = dataclasses.replace(SYSTEMS["logistic"], inputs=PIECES, n_pieces=2)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are small: a second thread costs more than it brings."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Two genres, low and high tones: six artists each, of whom one has a file that is damaged."""
    folder = tmp_path_factory.mktemp("music")
    tracks = []
    for genre, hz in (("low", 200), ("high", 3_000)):
        for artist in range(N_ARTISTS):
            path = sounds.tone(folder / genre / f"{artist}.wav", 2.5, hz=hz + 10 * artist)
            group = f"{genre} {artist}"
            tracks.append(
                LabelledTrack(path=path, genre=genre, group=group, artist_known=artist > 0)
            )
    bad = folder / "low" / "bad.wav"
    bad.write_bytes(b"no sound")
    tracks.append(LabelledTrack(path=bad, genre="low", group="low 1", artist_known=True))
    return Collection(name="tones", tracks=tuple(tracks))


@pytest.fixture(scope="module")
def heard(collection: Collection) -> Material:
    return material.prepare(collection, SYSTEM)


def test_what_cannot_be_used_is_in_no_part(heard: Material) -> None:
    assert heard.x.shape == (13, 2, 8, 16)
    assert [path.name for path, _ in heard.failures] == ["bad.wav"]
    np.testing.assert_array_equal(np.flatnonzero(~heard.usable), [12])
    x, y = heard.part(np.array([0, 12, 7]), "artist")
    np.testing.assert_array_equal(x, heard.x[[0, 7]])
    # Genres are in the order of their names.
    np.testing.assert_array_equal(y, [1, 0])


def test_pieces_of_a_leaky_split_are_examples_of_their_own(heard: Material) -> None:
    x, y = heard.part(np.array([1, 14, 24]), "leaky")  # the last is of the damaged file
    np.testing.assert_array_equal(x, [heard.x[0, 1:2], heard.x[7, 0:1]])
    np.testing.assert_array_equal(y, [1, 0])


def test_a_leaky_split_parts_pieces(collection: Collection) -> None:
    split = material.part(collection, SYSTEM, "leaky", seed=1)
    everything = np.concatenate([split.training, split.validation, split.test])
    assert sorted(everything) == list(range(26))
    assert set(split.training // 2) & set(split.test // 2)
    assert "illusion" in split.description
    whole = dataclasses.replace(SYSTEM, n_pieces=1)
    with pytest.raises(ParameterError, match="hears each track as one piece"):
        material.part(collection, whole, "leaky")


def test_a_run_tells_what_was_done(heard: Material) -> None:
    split = material.part(heard.collection, SYSTEM, "artist", test=0.3, validation=0.2)
    epochs: list[int] = []
    run, model = running.run(heard, split, seed=3, on_epoch=lambda e: epochs.append(e.number))
    assert (run.system, run.title, run.source) == (SYSTEM.name, SYSTEM.title, SYSTEM.source)
    assert run.published == SYSTEM.published
    assert (run.collection, run.genres) == ("tones", ("high", "low"))
    n_bad = {part: int((getattr(split, part) == 12).sum()) for part in ("training", "test")}
    assert run.n_training == len(split.training) - n_bad["training"]
    assert run.n_test == len(split.test) - n_bad["test"] == sum(run.scores.support)
    assert run.n_training + run.n_validation + run.n_test == 12
    assert [epoch.number for epoch in run.history] == epochs == list(range(1, len(epochs) + 1))
    assert [Path(path).name for path, _ in run.failures] == ["bad.wav"]
    assert run.seed == 3
    assert run.settings["training"]["epochs"] == 4
    assert run.settings["pieces_per_track"] == 2
    assert run.versions.keys() == {"python", "recommender", "numpy", "torch"}
    # Dense layers 128 x 64 and 64 x 2, with biases.
    assert run.n_parameters == model.n_parameters == 128 * 64 + 64 + 64 * 2 + 2
    assert run.training_s > 0
    test = heard.part(split.test, "artist")
    right = (model.shares(test[0]).argmax(1) == test[1]).mean()
    assert run.scores.accuracy == right
    assert model.provenance["accuracy"] == round(right, 4)
    assert model.provenance["n_training"] == run.n_training


def test_what_needs_no_stopping_learns_from_the_validation_part_too(
    collection: Collection,
) -> None:
    heard = material.prepare(collection, CLASSICAL)
    split = material.part(collection, CLASSICAL, "artist", test=0.3, validation=0.3)
    run, _ = running.run(heard, split)
    assert run.n_training == 12 - run.n_test
    assert (run.n_validation, run.history) == (0, ())
    assert run.scores.accuracy == 1.0
    assert "scikit-learn" in run.versions


def test_cross_validation_tests_each_track_once(heard: Material) -> None:
    epochs: list[tuple[int, int]] = []
    runs = list(
        running.cross_validate(
            heard, n_folds=3, on_epoch=lambda fold, e: epochs.append((fold, e.number))
        )
    )
    assert sum(run.n_test for run in runs) == 12
    assert {fold for fold, _ in epochs} == {0, 1, 2}
    with pytest.raises(DatasetError, match="too few artists"):
        list(running.cross_validate(heard, n_folds=7))


def test_tracks_and_artists_of_the_training_are_known_again(
    heard: Material, tmp_path: Path
) -> None:
    split = material.part(heard.collection, SYSTEM, "artist", test=0.3, validation=0.2)
    run, model = running.run(heard, split)
    left, n_heard, n_unknown = examining.unheard(model, heard.collection)
    tracks = heard.collection.tracks
    assert {track.path for track in left.tracks} == {tracks[i].path for i in split.test}
    assert (n_heard, n_unknown) == (13 - len(split.test), 0)

    # The same file elsewhere, another file of a known artist, one of an unknown genre, a new one.
    unknown = next(tracks[i] for i in split.training if not tracks[i].artist_known)
    moved = tmp_path / unknown.path.name
    moved.write_bytes(unknown.path.read_bytes())
    artist = next(tracks[i] for i in split.training if tracks[i].artist_known)
    there = sounds.tone(tmp_path / "new.wav", 1.0)
    others = Collection(
        name="others",
        tracks=(
            LabelledTrack(path=moved, genre="low", group=str(moved)),
            dataclasses.replace(artist, path=there),
            LabelledTrack(path=there, genre="middle", group="new"),
            LabelledTrack(path=there, genre="low", group="new"),
        ),
    )
    left, n_heard, n_unknown = examining.unheard(model, others)
    assert left.tracks == others.tracks[3:]
    assert (n_heard, n_unknown) == (2, 1)
    with pytest.raises(DatasetError, match=r"trained on 2 of the 3 tracks .* 1 are of genres"):
        examining.unheard(model, dataclasses.replace(others, tracks=others.tracks[:3]))

    examined = examining.examine(model, material.prepare(left, model.system))
    assert (examined.n_test, examined.n_training) == (1, run.n_training)
    assert examined.genres == ("high", "low")
    assert examined.scores.support == (0, 1)


def test_a_genre_without_a_usable_file_is_told(collection: Collection, tmp_path: Path) -> None:
    tracks = []
    for i in range(4):
        path = tmp_path / f"{i}.wav"
        path.write_bytes(b"no sound")
        tracks.append(LabelledTrack(path=path, genre="silent", group=f"s{i}"))
    wrong = Collection(name="wrong", tracks=(*collection.tracks, *tracks))
    split = material.part(wrong, SYSTEM, "artist")
    with pytest.raises(DatasetError, match=r"5 could not be used, .* to learn silent"):
        running.run(material.prepare(wrong, SYSTEM), split)


def test_what_was_heard_is_found_in_the_cache(collection: Collection, tmp_path: Path) -> None:
    first = material.prepare(collection, SYSTEM, cache=tmp_path)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == 12
    for path in kept:
        os.utime(path, (0, 0))
    again = material.prepare(collection, SYSTEM, cache=tmp_path)
    np.testing.assert_array_equal(again.x, first.x)
    assert all(path.stat().st_mtime == 0 for path in kept)

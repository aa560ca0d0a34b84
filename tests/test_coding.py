"""Features as they are stored, and libraries of older versions: against plain NumPy."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from recommender import schema
from recommender.library import Library, decode, encode, upgrading

FINGERPRINT = "0123456789abcdef"
SHAPES = st_numpy.array_shapes(min_dims=2, max_dims=2, max_side=9)
VALUES = st.floats(-6e4, 6e4, width=32, allow_subnormal=False)


@given(x=st_numpy.arrays(np.float32, SHAPES, elements=VALUES))
def test_no_feature_is_off_by_more_than_half_a_step(x: NDArray[np.float32]) -> None:
    coded = encode(x)
    assert coded.values.dtype == np.int8
    assert coded.values.shape == x.shape
    found = decode(coded)
    assert found.dtype == np.float32
    step = np.abs(x).max(axis=1, keepdims=True).astype(np.float64) / 127
    assert (np.abs(found - x.astype(np.float64)) <= 0.5001 * step).all()


@given(x=st_numpy.arrays(np.float32, SHAPES, elements=VALUES))
def test_what_was_decoded_is_coded_alike(x: NDArray[np.float32]) -> None:
    coded = encode(x)
    again = encode(decode(coded))
    np.testing.assert_array_equal(again.values, coded.values)
    np.testing.assert_allclose(again.scales, coded.scales, rtol=2e-7)  # a step of float32


def test_fragments_without_features() -> None:
    np.testing.assert_array_equal(decode(encode(np.zeros((2, 3)))), np.zeros((2, 3)))


def old_library(path: Path, n_tracks: int) -> list[NDArray[np.float16]]:
    """Make a library of version 2; return the features in it."""
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        patch.setattr(schema, "VERSION", 2)
        schema.migrate(connection)
    connection.execute("INSERT INTO fingerprints VALUES (1, ?, '{}')", (FINGERPRINT,))
    rng = np.random.default_rng(0)
    music = []
    for n in range(1, n_tracks + 1):
        x = rng.normal(0, 2, (rng.integers(1, 6), 7)).astype(np.float16)
        music.append(x)
        connection.execute("INSERT INTO tracks VALUES (?, ?, 8.0)", (n, n.to_bytes(32, "big")))
        connection.execute(
            """INSERT INTO files VALUES (?, 0, NULL, NULL, ?, 1, 1, 8.0, NULL, NULL, NULL, NULL,
                NULL, NULL)""",
            (f"/m/{n:04}".encode(), n),
        )
        connection.execute(
            "INSERT INTO features VALUES (?, 1, ?, ?, ?, ?)",
            (n, *x.shape, x.astype("<f2").tobytes(), n % 2),
        )
    connection.close()
    return music


def check(library: Library, music: list[NDArray[np.float16]]) -> None:
    tracks = library.tracks(FINGERPRINT)
    assert [track.path for track in tracks] == [Path(f"/m/{n + 1:04}") for n in range(len(music))]
    assert [track.fast for track in tracks] == [n % 2 == 0 for n in range(len(music))]
    found = library.features([track.id for track in tracks], FINGERPRINT)
    ids = np.array([track.features_id for track in tracks])
    order = np.argsort(ids)
    means = np.concatenate([decode(part) for part in library.summaries(ids[order], 3)])
    for (_, kept), x, mean in zip(found, music, means[np.argsort(order)], strict=True):
        step = np.abs(x).max(axis=1, keepdims=True) / 127
        assert (np.abs(kept - x.astype(np.float64)) <= 0.501 * step).all()
        assert np.abs(mean - kept.mean(0)).max() <= 0.501 * np.abs(kept.mean(0)).max() / 127


def test_an_older_library_is_written_anew_without_hearing_the_music(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    music = old_library(path, 1201)
    steps: list[tuple[int, int]] = []
    with Library.open(path, on_upgrade=lambda *step: steps.append(step)) as library:
        check(library, music)
        assert library._rows("PRAGMA integrity_check") == [("ok",)]
        assert library._rows("SELECT 1 FROM sqlite_schema WHERE name LIKE '%float16%'") == []
    assert steps == [(500, 1201), (1000, 1201), (1201, 1201)]
    with Library.open(path, on_upgrade=lambda *step: steps.append(step)) as library:
        check(library, music)
    assert len(steps) == 3  # nothing is left to do


def test_an_upgrade_that_was_interrupted_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "library.db"
    music = old_library(path, 1201)
    steps: list[tuple[int, int]] = []

    def stop(*step: int) -> None:
        steps.append((step[0], step[1]))
        if step[0] == 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Library.open(path, on_upgrade=stop)
    with Library.open(path, on_upgrade=stop) as library:
        check(library, music)
    assert steps == [(500, 1201), (1000, 1201), (201, 201)]

    # In the middle of a batch: nothing of that batch is moved.
    path = tmp_path / "other.db"
    music = old_library(path, 700)
    n_left = 600
    insert = upgrading.insert_features

    def failing(*args: object, **options: object) -> None:
        nonlocal n_left
        n_left -= 1
        if n_left == 0:
            raise KeyboardInterrupt
        insert(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(upgrading, "insert_features", failing)
        with pytest.raises(KeyboardInterrupt):
            Library.open(path)
    steps.clear()
    with Library.open(path, on_upgrade=stop) as library:
        check(library, music)
    assert steps == [(200, 200)]

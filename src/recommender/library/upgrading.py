"""Features of older libraries in the form of today, without hearing the music again."""

import sqlite3
from collections.abc import Callable

import numpy as np

from recommender.library.coding import Coded, encode, summarise

_OLD = "features_in_float16"
_BATCH = 500  # rows that are moved at a time: what is moved stays moved


def move_old_features(
    connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Move what the table of an older version holds; interrupted, the next call goes on.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode; its tables are of today's version.
    on_progress : callable, optional
        Called with (done, total) recordings.
    """
    if not _exists(connection):
        return
    (n_total,) = connection.execute(f"SELECT count(*) FROM {_OLD}").fetchone()
    n_done = 0
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Asked once more: another process may be moving them too.
            n_moved = _move_some(connection) if _exists(connection) else 0
            if not n_moved:
                connection.execute(f"DROP TABLE IF EXISTS {_OLD}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if not n_moved:
            break
        n_done += n_moved
        if on_progress is not None:
            on_progress(min(n_done, n_total), n_total)
    if n_total:
        connection.executescript("PRAGMA incremental_vacuum")


def insert_features(
    connection: sqlite3.Connection,
    track_id: int,
    fingerprint_id: int,
    coded: Coded,
    *,
    fast: bool,
) -> None:
    """Write features and their summary, within a transaction."""
    n_fragments, n_features = coded.values.shape
    cursor = connection.execute(
        """INSERT INTO features
            (track_id, fingerprint_id, fast, n_fragments, n_features, scales, "values")
        VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (
            track_id,
            fingerprint_id,
            fast,
            n_fragments,
            n_features,
            coded.scales.astype("<f4").tobytes(),
            coded.values.tobytes(),
        ),
    )
    summary = summarise(coded)
    connection.execute(
        "INSERT INTO summaries VALUES (?, ?, ?)",
        (cursor.lastrowid, float(summary.scales[0]), summary.values.tobytes()),
    )


def _exists(connection: sqlite3.Connection) -> bool:
    sql = "SELECT 1 FROM sqlite_schema WHERE name = ?"
    return connection.execute(sql, (_OLD,)).fetchone() is not None


def _move_some(connection: sqlite3.Connection) -> int:
    rows = connection.execute(
        f"""SELECT rowid, track_id, fingerprint_id, fast, n_fragments, n_features, "values"
        FROM {_OLD} LIMIT {_BATCH}"""
    ).fetchall()
    for _, track_id, fingerprint_id, fast, n_fragments, n_features, values in rows:
        features = np.frombuffer(values, "<f2").reshape(n_fragments, n_features)
        insert_features(connection, track_id, fingerprint_id, encode(features), fast=bool(fast))
    marks = ", ".join("?" * len(rows))
    connection.execute(f"DELETE FROM {_OLD} WHERE rowid IN ({marks})", [row[0] for row in rows])
    return len(rows)

"""The library's tables, and how older databases become current."""

import sqlite3
from typing import Final

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        # A recording, known by its encoded audio: moving or retagging files changes nothing here.
        """CREATE TABLE tracks (
            id INTEGER PRIMARY KEY,
            content_hash BLOB NOT NULL UNIQUE CHECK (length(content_hash) = 32),
            duration_s REAL NOT NULL
        )""",
        # Paths are bytes, as the file system has them.
        """CREATE TABLE files (
            path BLOB NOT NULL PRIMARY KEY,
            track_id INTEGER NOT NULL REFERENCES tracks ON DELETE CASCADE,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            artist TEXT,
            title TEXT,
            album TEXT,
            genre TEXT,
            warning TEXT
        ) WITHOUT ROWID""",
        "CREATE INDEX files_by_track ON files (track_id)",
        # What a fingerprint stands for.
        """CREATE TABLE fingerprints (
            id INTEGER PRIMARY KEY,
            fingerprint TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL
        )""",
        # "values": float16, little-endian, C order, (n_fragments, n_features).
        """CREATE TABLE features (
            track_id INTEGER NOT NULL REFERENCES tracks ON DELETE CASCADE,
            fingerprint_id INTEGER NOT NULL REFERENCES fingerprints ON DELETE CASCADE,
            n_fragments INTEGER NOT NULL CHECK (n_fragments > 0),
            n_features INTEGER NOT NULL CHECK (n_features > 0),
            "values" BLOB NOT NULL CHECK (length("values") = 2 * n_fragments * n_features),
            UNIQUE (track_id, fingerprint_id)
        )""",
        # Answers "which tracks have features" without touching the large rows.
        """CREATE INDEX features_by_fingerprint
            ON features (fingerprint_id, track_id, n_fragments)""",
        """CREATE TABLE failures (
            path BLOB NOT NULL PRIMARY KEY,
            size INTEGER,
            mtime_ns INTEGER,
            reason TEXT NOT NULL,
            failed_at TEXT NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        # A file may have several rows: number 0 is the whole file, parts count from 1. Each part is
        # a recording of its own. "sheet" is the hash of the CUE sheet beside the file, "file_s" the
        # length of the file by which it was decided how to divide it.
        """CREATE TABLE sections (
            path BLOB NOT NULL,
            number INTEGER NOT NULL,
            start_s REAL,
            end_s REAL,
            track_id INTEGER NOT NULL REFERENCES tracks ON DELETE CASCADE,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            file_s REAL NOT NULL,
            sheet BLOB,
            artist TEXT,
            title TEXT,
            album TEXT,
            genre TEXT,
            warning TEXT,
            PRIMARY KEY (path, number)
        ) WITHOUT ROWID""",
        """INSERT INTO sections
            SELECT path, 0, NULL, NULL, track_id, size, mtime_ns, duration_s, NULL,
                artist, title, album, genre, warning
            FROM files JOIN tracks ON tracks.id = track_id""",
        "DROP TABLE files",
        "ALTER TABLE sections RENAME TO files",
        "CREATE INDEX files_by_track ON files (track_id)",
        # 1: of a few windows of the recording only.
        "ALTER TABLE features ADD COLUMN fast INTEGER NOT NULL DEFAULT 0 CHECK (fast IN (0, 1))",
        "DROP INDEX features_by_fingerprint",
        """CREATE INDEX features_by_fingerprint
            ON features (fingerprint_id, track_id, fast, n_fragments)""",
    ),
    (
        # The rows of the old table wait to be moved, see `library.database`.
        "ALTER TABLE features RENAME TO features_in_float16",
        "DROP INDEX features_by_fingerprint",
        # "values": int8, C order, (n_fragments, n_features); "scales": float32, little-endian, of
        # each fragment. An id stands for these values for ever: others get another one.
        """CREATE TABLE features (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            track_id INTEGER NOT NULL REFERENCES tracks ON DELETE CASCADE,
            fingerprint_id INTEGER NOT NULL REFERENCES fingerprints ON DELETE CASCADE,
            fast INTEGER NOT NULL DEFAULT 0 CHECK (fast IN (0, 1)),
            n_fragments INTEGER NOT NULL CHECK (n_fragments > 0),
            n_features INTEGER NOT NULL CHECK (n_features > 0),
            scales BLOB NOT NULL CHECK (length(scales) = 4 * n_fragments),
            "values" BLOB NOT NULL CHECK (length("values") = n_fragments * n_features),
            UNIQUE (track_id, fingerprint_id)
        )""",
        """CREATE INDEX features_by_fingerprint
            ON features (fingerprint_id, track_id, fast, n_fragments)""",
        # The mean of a recording's fragments, in the same form: read where there is no time to read
        # them all.
        """CREATE TABLE summaries (
            features_id INTEGER PRIMARY KEY REFERENCES features ON DELETE CASCADE,
            scale REAL NOT NULL,
            "values" BLOB NOT NULL
        )""",
        # Scores by a profile as it was, known by a hash of what it learned: float64, with the ids
        # of the features, int64 in rising order; little-endian.
        """CREATE TABLE scores (
            profile BLOB NOT NULL PRIMARY KEY,
            features_ids BLOB NOT NULL,
            "values" BLOB NOT NULL CHECK (length("values") = length(features_ids)),
            used_at TEXT NOT NULL
        )""",
        # Folders that were scanned as such.
        """CREATE TABLE roots (
            path BLOB NOT NULL PRIMARY KEY,
            scanned_at TEXT NOT NULL
        ) WITHOUT ROWID""",
        # When it was first seen to be gone; its row stays until the library is pruned.
        "ALTER TABLE files ADD COLUMN missing_since TEXT",
        # Version of the program that failed.
        "ALTER TABLE failures ADD COLUMN version TEXT",
    ),
)
"""One tuple of statements for each version; entries are only ever added."""

VERSION: Final = len(MIGRATIONS)
"""The version that this program writes (``PRAGMA user_version``)."""


def version(connection: sqlite3.Connection) -> int:
    """Return the version of a database; 0 if it is empty."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to `VERSION`, wholly or not at all; a newer one stays as it is.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode (``isolation_level=None``).
    """
    if version(connection) >= VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked once more: another process may have migrated while this one waited for the lock.
        for statements in MIGRATIONS[version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise

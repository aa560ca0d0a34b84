"""Files that are gone, away, or no longer wanted; folders that are to be scanned again."""

import os
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path

from recommender.library.overview import Overview
from recommender.library.presence import is_away, is_gone
from recommender.library.queries import name_ranges
from recommender.library.records import Pruned


class Upkeep(Overview):
    """The part of the catalogue that writes what became of files."""

    def mark_missing(self, names: Collection[str]) -> None:
        """Note that files are not there; what is known of them stays until they are pruned."""
        if names:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            with self._transaction():
                for name in names:
                    self._rows(
                        "UPDATE files SET missing_since = ifnull(missing_since, ?) WHERE path = ?",
                        (now, os.fsencode(name)),
                    )

    def mark_found(self, names: Collection[str]) -> None:
        """Note that files are there again, unchanged."""
        if names:
            with self._transaction():
                for name in names:
                    self._rows(
                        "UPDATE files SET missing_since = NULL WHERE path = ?",
                        (os.fsencode(name),),
                    )

    def forget(self, paths: Iterable[Path | str]) -> None:
        """Forget files; the features of their recordings stay, for when they come back."""
        with self._transaction():
            for path in paths:
                self._rows("DELETE FROM files WHERE path = ?", (os.fsencode(path),))
                self._rows("DELETE FROM failures WHERE path = ?", (os.fsencode(path),))

    def forget_below(self, folder: Path) -> int:
        """Forget a folder and all files below it, as `forget` does; return how many they were."""
        n_forgotten = 0
        with self._transaction():
            for low, high in name_ranges([str(folder)]):
                for table in ("files", "failures"):
                    where = "path >= ? AND path < ?"
                    ((n,),) = self._rows(
                        f"SELECT count(DISTINCT path) FROM {table} WHERE {where}", (low, high)
                    )
                    self._rows(f"DELETE FROM {table} WHERE {where}", (low, high))
                    n_forgotten += n
                self._rows("DELETE FROM roots WHERE path >= ? AND path < ?", (low, high))
        return n_forgotten

    def remember_roots(self, folders: Iterable[Path]) -> None:
        """Note that folders are scanned as such; of two of which one holds the other, it alone."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction():
            for folder in folders:
                above = {os.fsencode(parent) for parent in folder.parents}
                if any(path in above for (path,) in self._rows("SELECT path FROM roots")):
                    continue
                for low, high in name_ranges([str(folder)]):
                    self._rows("DELETE FROM roots WHERE path >= ? AND path < ?", (low, high))
                self._rows("INSERT INTO roots VALUES (?, ?)", (os.fsencode(folder), now))

    def prune(
        self,
        *,
        keep: Iterable[str] | None = None,
        missing_folders: bool = False,
        dry_run: bool = False,
    ) -> Pruned:
        """Forget files that are gone and recordings without files; give the space back.

        Parameters
        ----------
        keep : iterable of str, optional
            Fingerprints whose features stay; by default all.
        missing_folders : bool
            Forget files whose folder is gone or empty too, and folders to scan that are gone. By
            default they are kept, with their features: the folder may lie on a drive that is not
            mounted.
        dry_run : bool
            Only tell what would be forgotten.
        """
        rows = self._rows("SELECT path, track_id FROM files UNION SELECT path, NULL FROM failures")
        known = [(Path(os.fsdecode(path)), track_id) for path, track_id in rows]
        gone = {path for path, _ in known if is_gone(path)}
        away = {folder for folder in {path.parent for path in gone} if is_away(folder)}
        kept = set() if missing_folders else {path for path in gone if path.parent in away}
        forgotten = gone - kept
        living = {track_id for path, track_id in known if path not in forgotten}
        unused = [row for row in self._rows("SELECT id FROM tracks") if row[0] not in living]
        if not dry_run:
            self.forget(forgotten)
            with self._transaction():
                self._rows("DELETE FROM tracks WHERE id NOT IN (SELECT track_id FROM files)")
                if missing_folders:
                    for root in self.roots():
                        if is_gone(root.path):
                            self._rows(
                                "DELETE FROM roots WHERE path = ?", (os.fsencode(root.path),)
                            )
                if keep is not None:
                    names = list(keep)
                    marks = ", ".join("?" * len(names))
                    self._rows(
                        f"DELETE FROM fingerprints WHERE fingerprint NOT IN ({marks})", names
                    )
            self._give_space_back()
        return Pruned(
            files=tuple(sorted(forgotten, key=os.fsencode)),
            n_tracks=len(unused),
            kept_folders=tuple(sorted({path.parent for path in kept}, key=os.fsencode)),
        )

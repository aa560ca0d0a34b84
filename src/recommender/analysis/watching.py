"""Folders watched: which files may have changed, told when things have come to rest."""

import os
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import watchfiles

from recommender import audio
from recommender.errors import RecommenderError
from recommender.library import Library, is_away

QUIET_S = 3.0
"""So long nothing may happen before changes are told: until then files are being copied."""

_PATIENCE_S = 60.0  # where there is always something, they are told after this long
_LOOK_AGAIN_S = 3600.0  # changes on network drives, or too many at once, may go unnoticed


def changes(roots: Sequence[Path], *, quiet_s: float = QUIET_S) -> Generator[set[Path], None, None]:
    """Yield what changed below folders, for ever; some of it may be gone.

    All of the folders are yielded at first, since something may have changed before they were
    watched; then when one of them comes or goes, as those on drives do; and once an hour.

    Parameters
    ----------
    roots : sequence of Path
        Folders; they may be away.
    quiet_s : float

    Raises
    ------
    RecommenderError
        If the system cannot watch so many folders.
    """
    while True:
        there = _there(roots)
        pending = set(roots)
        begun = looked_at = time.monotonic()
        with closing(_events(there, quiet_s)) as events:
            for paths in events:
                if paths and not pending:
                    begun = time.monotonic()
                pending |= paths
                if pending and (not paths or time.monotonic() - begun > _PATIENCE_S):
                    yield pending
                    pending = set()
                if not paths and _there(roots) != there:
                    break
                if time.monotonic() - looked_at > _LOOK_AGAIN_S:
                    pending |= set(roots)
                    begun = looked_at = time.monotonic()


def affected(changed: Iterable[Path], library: Library) -> list[Path]:
    """Return the folders and files to look at again where these paths have changed.

    Parameters
    ----------
    changed : iterable of Path
    library : Library
        Tells whether what is gone was, or held, music.
    """
    again: set[Path] = set()
    for path in changed:
        if audio.is_sheet_name(path.name):
            again |= {path, *_music_beside(path)}
        elif path.name in audio.MARKERS:
            again.add(path.parent)
        elif audio.is_audio_name(path.name) or path.is_dir() or library.knows(path):
            again.add(path)
    return sorted(again, key=os.fsencode)


def _there(roots: Sequence[Path]) -> list[Path]:
    return [root for root in roots if not is_away(root)]


def _events(there: Sequence[Path], quiet_s: float) -> Generator[set[Path], None, None]:
    """Yield what changed, and nothing whenever nothing has for some time."""
    events = watchfiles.watch(
        *there,
        watch_filter=None,
        rust_timeout=round(1000 * quiet_s),
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    try:
        for event in events:
            yield {Path(name) for _, name in event}
    except FileNotFoundError:  # one of the folders is away since a moment ago
        time.sleep(quiet_s)
    except OSError as error:
        raise RecommenderError(
            f"{', '.join(map(str, there))}: cannot be watched ({error}); raise the system's limit,"
            " such as fs.inotify.max_user_watches, or set WATCHFILES_FORCE_POLLING=1"
        ) from error


def _music_beside(sheet: Path) -> list[Path]:
    try:
        return [path for path in sheet.parent.iterdir() if audio.is_audio_name(path.name)]
    except OSError:
        return []

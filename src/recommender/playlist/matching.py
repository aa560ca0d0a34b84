"""Playlists from elsewhere: what they name is looked for among known files, not on the disk."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from recommender.playlist.parsing import Item
from recommender.playlist.reading import Entry, is_stream, parse, spellings

_DRIVE = re.compile(r"^[a-zA-Z]:")
_SAME_S = 2.0  # playlists tell whole seconds, cut or rounded


class Known(NamedTuple):
    """A file that a playlist may name; see `match`.

    Attributes
    ----------
    recording : hashable
        The same for files with the same sound.
    duration_s : float or None
        ``None`` if that is not known.
    """

    path: Path
    recording: Hashable
    duration_s: float | None


@dataclass(frozen=True, kw_only=True)
class Matches:
    """What a playlist names.

    Attributes
    ----------
    title : str or None
    entries : tuple of Entry
        Known files, in the playlist's order; repetitions are kept.
    unknown : tuple of str
        All else, as the playlist names it.
    """

    title: str | None
    entries: tuple[Entry, ...]
    unknown: tuple[str, ...]


def match(name: Path, content: bytes, files: Iterable[Known]) -> Matches:
    """Find what a playlist names among files, wherever it was written.

    A name means the file that agrees with it in the most parts, from the end on: the file's own
    name, the folder that it lies in, the folder above. Capitals, and how accents and separators
    are written, make no difference. Where several agree equally, lengths decide. A file that only
    has the same name, but lies in another folder than the playlist says, must have the length that
    the playlist tells.

    Parameters
    ----------
    name : Path
        Its suffix tells the format.
    content : bytes
    files : iterable of Known

    Raises
    ------
    PlaylistError
        If it is no playlist.
    """
    title, items = parse(name, content)
    by_name: defaultdict[str, list[tuple[list[str], Known]]] = defaultdict(list)
    for file in files:
        parts = _parts(str(file.path))
        by_name[parts[-1]].append((parts, file))
    entries: list[Entry] = []
    unknown: list[str] = []
    for item in items:
        found = _find(item, by_name)
        if found is None:
            unknown.append(item.locations[0])
            continue
        entries.append(
            Entry(
                path=found.path,
                artist=item.artist,
                title=item.title,
                duration_s=item.duration_s,
                start_s=item.start_s,
                end_s=item.end_s,
            )
        )
    return Matches(title=title, entries=tuple(entries), unknown=tuple(unknown))


def _find(item: Item, by_name: dict[str, list[tuple[list[str], Known]]]) -> Known | None:
    best, n_best = dict[Hashable, Known](), 0
    for location in item.locations:
        if is_stream(location):
            continue
        for wanted in {tuple(_parts(each)) for each in spellings(location, escaped=True)}:
            for parts, file in by_name.get(wanted[-1], ()) if wanted else ():
                n_same = _n_same(wanted, parts)
                close = _is_as_long(item, file)
                if close is False or (n_same == 1 and len(wanted) > 1 and not close):
                    continue
                if n_same > n_best:
                    best, n_best = {}, n_same
                if n_same == n_best:
                    best.setdefault(file.recording, file)
    return next(iter(best.values())) if len(best) == 1 else None


def _is_as_long(item: Item, file: Known) -> bool | None:
    """Compare lengths; ``None`` if one of them is not known, or only a part is meant."""
    if not item.duration_s or item.duration_s < 0 or file.duration_s is None:
        return None
    if (item.start_s, item.end_s) != (None, None):
        return None
    return abs(item.duration_s - file.duration_s) <= _SAME_S


def _n_same(wanted: tuple[str, ...], parts: list[str]) -> int:
    """Count the parts that are the same, from the end on."""
    n = 0
    for a, b in zip(reversed(wanted), reversed(parts), strict=False):
        if a != b:
            break
        n += 1
    return n


def _parts(name: str) -> list[str]:
    """Split a name; what leads elsewhere is left out."""
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    parts = _DRIVE.sub("", plain).split("/")
    return [part for part in parts if part not in ("", ".", "..")]

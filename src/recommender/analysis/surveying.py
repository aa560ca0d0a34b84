"""What is on disk beside what the library knows: what is there no more, and what needs work."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recommender import audio
from recommender.analysis.records import Seen
from recommender.analysis.sections import Division, Options, divide
from recommender.library import WHOLE, FileState, Library, is_away, is_gone

_ANALYSED = {WHOLE: True}


@dataclass
class Findings:
    """What a scan has found so far, see `ScanReport`; `returned` are files that were missing."""

    n_unchanged: int = 0
    n_known: int = 0
    n_analysed: int = 0
    n_skipped: int = 0
    n_outdated: int = 0
    returned: list[str] = field(default_factory=list)
    failures: dict[Path, str] = field(default_factory=dict)
    warnings: dict[Path, str] = field(default_factory=dict)
    skipped: list[tuple[Path, str]] = field(default_factory=list)

    def keep(self, name: str, state: FileState, *, unchanged: bool = True) -> None:
        """Note a file of which nothing is needed; one that is left out does not count."""
        self.n_unchanged += unchanged
        if unchanged and state.warning is not None:
            self.warnings[Path(name)] = state.warning
        if state.is_missing:
            self.returned.append(name)

    def leave_out(self, path: Path, division: Division) -> None:
        """Note what of a file is too long."""
        self.skipped += [(path, reason) for _, reason in division.skipped]
        self.n_skipped += not division.kept


def write_absence(
    library: Library, listing: audio.Listing, states: Mapping[str, FileState], found: Findings
) -> list[str]:
    """Write which of the known files are not there, and return them; others are forgotten."""
    unseen = [name for name in states if name not in listing.files]
    unreadable = set(map(str, found.failures))
    left_out = set(map(str, listing.left_out))
    sheets = set(map(str, listing.sheets))
    useless = set(map(str, found.warnings))
    missing: list[str] = []
    forgotten: list[str] = []
    for name in unseen:
        if name in unreadable or name in useless:
            continue
        if (
            name in sheets  # it is in order now
            or _is_below(name, left_out)
            or os.path.isdir(name)  # noqa: PTH112 (what could not be read before, or was a file)
        ):
            forgotten.append(name)
        elif is_gone(name):
            if states[name].failure is None:
                missing.append(name)
            elif not is_away(os.path.dirname(name)):  # noqa: PTH120 (a string)
                forgotten.append(name)
    library.forget(forgotten)
    library.mark_missing([name for name in missing if not states[name].is_missing])
    return missing


def settle(
    listing: audio.Listing,
    images: Mapping[Path, audio.Image],
    states: Mapping[str, FileState],
    options: Options,
    found: Findings,
    *,
    retry: bool,
) -> list[Seen]:
    """Note what is known of the files, and list those of which that is not all that is needed."""
    divided = {str(path): image for path, image in images.items()}
    takes_all = options.max_duration_s is None and options.section_s is None
    todo = []
    for name, stamp in listing.files.items():
        state = states.get(name)
        if state is not None and stamp == (state.size, state.mtime_ns):
            # By far the most files of a large library need no closer look.
            plain = takes_all and state.sections == _ANALYSED and state.sheet is None
            if plain and name not in divided:
                found.keep(name, state)
                continue
            if state.failure is not None and not retry:
                found.failures[Path(name)] = state.failure
                found.n_outdated += state.is_outdated
                continue
            division = divide(state.file_s, divided.get(name), options)
            if _has_all(state, divided.get(name), division):
                found.leave_out(Path(name), division)
                found.keep(name, state, unchanged=bool(division.kept))
                continue
        size, mtime_ns = stamp or (None, None)
        path = Path(name)
        todo.append(Seen(path=path, size=size, mtime_ns=mtime_ns, image=divided.get(name)))
    return todo


def _has_all(state: FileState, image: audio.Image | None, division: Division) -> bool:
    """Tell whether an unchanged file needs nothing, as it is to be divided now."""
    if not division.kept:
        return True
    return (
        state.sheet == (image.digest if image else None)
        # Tracks that are too long for this scan may have been analysed by another.
        and state.sections.keys() <= set(division.sections)
        and all(state.sections.get(section) for section in division.kept)
    )


def is_changed(seen: Seen, state: FileState | None) -> bool:
    """Tell whether a file is another one than the library knows."""
    return state is not None and (state.size, state.mtime_ns) != (seen.size, seen.mtime_ns)


def listable(known: Iterable[Path]) -> Iterator[Path]:
    """Of paths that the library knows yield what is there and would be found by a search."""
    for path in known:
        if (marked := audio.marked_above(path)) is not None:
            yield marked
        elif not is_gone(path) and (path.is_dir() or audio.is_audio_name(path.name)):
            yield path


def _is_below(name: str, folders: Collection[str]) -> bool:
    return bool(folders) and any(str(parent) in folders for parent in Path(name).parents)

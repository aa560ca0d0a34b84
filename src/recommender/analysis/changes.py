"""What became of files: new, moved, copied, retagged, replaced, gone."""

import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from recommender.analysis.records import Changes, Done
from recommender.library import FileState, Library, is_away, is_gone


@dataclass
class Ledger:
    """What a scan learns of changes, until all of it is known.

    Attributes
    ----------
    states : dict
        Of all files in what is scanned, as they were before.
    missing : collection of str
        Of these, the files that are not there.
    before : dict of str to str
        What missing files and those that were changed held, see `Library.sounds`.
    """

    states: Mapping[str, FileState]
    missing: Collection[str]
    before: Mapping[str, str]
    _n_retagged: int = 0
    _replaced: dict[str, str] = field(default_factory=dict)
    _arrived: dict[str, str] = field(default_factory=dict)
    _moved_here: set[str] = field(default_factory=set)

    def note(self, outcome: Done, library: Library) -> None:
        """Note a file that was identified; to be called in the transaction that writes it.

        Where it is a file that was moved, what is known of the old place is forgotten.
        """
        name, sound = str(outcome.seen.path), outcome.files[0].content_hash
        if (was := self.before.get(name)) is not None:
            if sound == was:
                self._n_retagged += 1
            else:
                self._replaced[name] = was
        elif name not in self.states or self.states[name].failure is not None:
            self._arrived[name] = sound
            left = [
                other
                for other, is_missing in library.holders(sound).items()
                if other != name and self._was_left(other, is_missing=is_missing)
            ]
            library.forget(left)
            if any(other not in self.states for other in left):
                self._moved_here.add(name)

    def _was_left(self, name: str, *, is_missing: bool) -> bool:
        """Tell whether a file was moved away; one on a drive that is not there may come back."""
        if name in self.states:
            return is_missing
        return is_gone(name) and not is_away(os.path.dirname(name))  # noqa: PTH120 (a name)

    def balance(self, library: Library) -> Changes:
        """Count what became of the files, whatever the order in which they were worked on."""
        lost: defaultdict[str, list[str]] = defaultdict(list)
        # The last of a list is taken first: of several places the one that was left just now.
        for name in sorted(self.missing, key=lambda name: not self.states[name].is_missing):
            if name in self.before:
                lost[self.before[name]].append(name)
        for name, sound in self._replaced.items():
            lost[sound].append(name)
        n_moved = n_copied = 0
        claimed: set[str] = set()
        seen: set[str] = set()
        for name, sound in sorted(self._arrived.items(), key=lambda item: os.fsencode(item[0])):
            if lost[sound]:
                claimed.add(lost[sound].pop())
                n_moved += 1
            elif name in self._moved_here:
                n_moved += 1
            elif sound in seen or not library.holders(sound).keys() <= self._arrived.keys():
                n_copied += 1
            seen.add(sound)
        gone = [n for n in self.missing if not self.states[n].is_missing and n not in claimed]
        folders = [os.path.dirname(name) for name in gone]  # noqa: PTH120 (names)
        away = {folder for folder in set(folders) if is_away(folder)}
        n_away = sum(folder in away for folder in folders)
        return Changes(
            n_new=len(self._arrived) - n_moved - n_copied,
            n_moved=n_moved,
            n_copied=n_copied,
            n_retagged=self._n_retagged,
            n_replaced=len(self._replaced),
            n_gone=len(gone) - n_away,
            n_away=n_away,
        )

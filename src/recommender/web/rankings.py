"""Rankings in memory: one that was computed is paged through at once.

A ranking is known by what its profiles learned, by the options, and by the state of the library. Of
a large library the first places are computed at once, and all the others in the background, since
whoever says what they like wants to see what becomes of it. Of a very large one, files that sound
the same are one recording in the first places only: to compare all with all would take minutes.
"""

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from recommender import preprocessor as preprocessors
from recommender import ranking
from recommender.errors import RecommenderError
from recommender.profile import Profile
from recommender.ranking import Order, never
from recommender.web.browsing import Browser
from recommender.web.listed import Listed, columns
from recommender.web.settings import Settings

LARGE: Final = 2_000
"""Of more tracks the first places are computed first."""

N_FIRST: Final = 200
"""So many places."""

VERY_LARGE: Final = 20_000
"""Of more tracks only the first places are compared with the others."""

_N_KEPT = 12  # rankings; about 20 MB each of 100,000 tracks
_FRESH_S = 5.0  # during a scan a ranking may be so old
_QUIET_S = 3.0  # without another opinion, before the rest is computed


@dataclass(frozen=True, kw_only=True)
class Options:
    """How tracks are ranked and chosen; see `ranking.rank`."""

    folders: tuple[Path, ...] = ()
    include_liked: bool = False
    exclude: tuple[str, ...] = ()
    max_duration_s: float | None = None
    duplicates: bool = False
    min_score: float | None = None
    max_per_artist: int | None = None
    top: int | None = None
    share: float | None = None
    diversity: float = 0.0
    order: Order = "score"


State = tuple[object, object]
"""Of the library, and of the list of what is never shown."""


@dataclass(kw_only=True)
class _Kept:
    listed: Listed
    state: State
    computed_at: float


Blend = tuple[tuple[Profile, float], ...]
"""Profiles with their weights; the first one counts 1."""

Key = tuple[tuple[tuple[bytes, float], ...], Options]
OnTrack = Callable[[int, int], None]


class _SupersededError(RecommenderError):
    """Nobody waits for this ranking any more."""


class _Background(Browser):
    """A library that stops answering when what is computed from it is wanted no more."""

    wanted: Callable[[], bool] = staticmethod(lambda: True)

    def check(self, *_: object) -> None:
        """Raise if it is wanted no more."""
        if not self.wanted():
            raise _SupersededError("another ranking is wanted")

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.check()
        return super()._rows(sql, values)


@dataclass(kw_only=True)
class _Rest:
    """A ranking that is completed in the background."""

    key: Key
    blend: Blend
    hurry: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class Rankings:
    """The rankings of a server; may be asked from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._lock = threading.Lock()  # of what is kept
        self._computing = threading.Lock()  # one at a time
        self._rest: _Rest | None = None

    def page(
        self, library: Browser, blend: Blend, options: Options, offset: int, limit: int
    ) -> Listed:
        """Return a ranking of which at least these places are there, as far as there are any."""
        key = tuple((profile.digest, weight) for profile, weight in blend), options
        end = offset + limit
        state = self._state(library)
        if (found := self._find(key, state, end)) is not None:
            return found
        if (found := self._stale(key, blend, state, end)) is not None:
            return found
        with self._computing:
            if (found := self._find(key, state, end)) is not None:  # meanwhile
                return found
            rest = self._rest
            if rest is not None and rest.key == key and end > N_FIRST:
                rest.hurry.set()
                rest.ended.wait()
                if (found := self._find(key, state, end)) is not None:
                    return found
            self._rest = None  # whatever is under way gives way
            n_tracks = _n_tracks(library, blend, options)
            if _is_long(options) and n_tracks > LARGE and end <= N_FIRST:
                listed = self._first(library, blend, options, n_tracks)
            else:
                listed = self._whole(library, blend, options)
            self._keep(key, state, listed)
            if not listed.complete:
                self._rest = _Rest(key=key, blend=blend)
                work = threading.Thread(target=self._complete, args=[self._rest], daemon=True)
                work.start()
            return listed

    def _stale(self, key: Key, blend: Blend, state: State, end: int) -> Listed | None:
        """Return a long ranking although the library has grown, and have it computed anew."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.state[1] != state[1] or kept.listed.n_total <= LARGE:
                return None
            if not kept.listed.complete and end > len(kept.listed.ids):
                return None
            if self._rest is None or self._rest.ended.is_set():
                self._rest = _Rest(key=key, blend=blend)
                threading.Thread(target=self._complete, args=[self._rest], daemon=True).start()
            return kept.listed

    def _state(self, library: Browser) -> State:
        return library.state(), _changed_at(never.path_of(self._home))

    def _find(self, key: Key, state: State, end: int) -> Listed | None:
        with self._lock:
            if (kept := self._kept.get(key)) is None:
                return None
            if kept.state != state and time.monotonic() - kept.computed_at > _FRESH_S:
                return None
            self._kept.move_to_end(key)
            listed = kept.listed
            return listed if listed.complete or end <= len(listed.ids) else None

    def _keep(self, key: Key, state: State, listed: Listed) -> None:
        with self._lock:
            self._kept[key] = _Kept(listed=listed, state=state, computed_at=time.monotonic())
            self._kept.move_to_end(key)
            while len(self._kept) > _N_KEPT:
                self._kept.popitem(last=False)

    def _whole(
        self, library: Browser, blend: Blend, options: Options, on_track: OnTrack | None = None
    ) -> Listed:
        n_tracks = _n_tracks(library, blend, options)
        if n_tracks <= VERY_LARGE or not _is_long(options):
            return self._all(library, blend, options, on_track)
        first = self._first(library, blend, options, n_tracks)
        if first.complete:
            return first
        plain = replace(options, diversity=0.0, duplicates=True)
        others = self._all(library, blend, plain, on_track)
        paths = {path for some in first.duplicates.values() for path in some}
        known = [row.id for row in library.rows(blend[0][0].fingerprint, paths=paths)]
        new = ~np.isin(others.ids, [*first.ids.tolist(), *known])
        ids = np.concatenate([first.ids, others.ids[new]])
        return Listed(
            ids=ids,
            scores=np.concatenate([first.scores, others.scores[new]]),
            duplicates=first.duplicates,
            n_total=len(ids),
            complete=True,
        )

    def _first(self, library: Browser, blend: Blend, options: Options, n_tracks: int) -> Listed:
        listed = self._all(library, blend, replace(options, top=N_FIRST))
        if len(listed.ids) < N_FIRST:
            return listed
        n_known = sum(
            len(profile.disliked) + (0 if options.include_liked else len(profile.liked))
            for profile, _ in blend
        )
        return replace(listed, n_total=max(N_FIRST, n_tracks - n_known), complete=False)

    def _all(
        self, library: Browser, blend: Blend, options: Options, on_track: OnTrack | None = None
    ) -> Listed:
        profile, _ = blend[0]
        network = preprocessors.find(profile.fingerprint, self._home)
        chosen = asdict(options)
        # Only fused features are such that their cosines tell recordings apart.
        chosen["duplicates"] |= network.fusion is None
        ranked = ranking.rank(
            profile,
            library,
            chosen.pop("folders"),
            blend=blend[1:],
            never=never.load(self._home),
            on_track=on_track,
            **chosen,
        )
        return columns(library, profile.fingerprint, ranked)

    def _complete(self, rest: _Rest) -> None:
        """Compute all of a ranking, once it has been quiet for a while."""
        try:
            rest.hurry.wait(_QUIET_S)
            with contextlib.suppress(RecommenderError), _Background.of(self._home) as library:
                library.wanted = lambda: self._rest is rest
                state = self._state(library)
                listed = self._whole(library, rest.blend, rest.key[1], library.check)
                self._keep(rest.key, state, listed)
        finally:
            rest.ended.set()


def _is_long(options: Options) -> bool:
    return options.top is None and options.share is None and options.order == "score"


def _n_tracks(library: Browser, blend: Blend, options: Options) -> int:
    """Count what may be ranked."""
    fingerprint = blend[0][0].fingerprint
    if not options.folders and options.max_duration_s is None:
        return library.n_analysed(fingerprint)
    rows = library.rows(fingerprint, options.folders, max_duration_s=options.max_duration_s)
    return len({row.id for row in rows})


def _changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None

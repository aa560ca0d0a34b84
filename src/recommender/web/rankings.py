"""Rankings in memory: one that was computed is paged through at once.

A ranking is known by what the profile learned, by the options, and by the state of the library. Of
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
from numpy.typing import NDArray

from recommender import preprocessor as preprocessors
from recommender import ranking
from recommender.errors import RecommenderError
from recommender.profile import Profile
from recommender.ranking import Order, Ranked, never
from recommender.web.browsing import Browser
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

    include_liked: bool = False
    exclude: tuple[str, ...] = ()
    min_score: float | None = None
    max_per_artist: int | None = None
    top: int | None = None
    share: float | None = None
    diversity: float = 0.0
    order: Order = "score"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A ranking as columns.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
    scores : ndarray, shape (n,)
    duplicates : dict of int to tuple of Path
        Of the places, from 0, that have any.
    n_total : int
        How many places there are, or, if it is not complete, how many there may be.
    complete : bool
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    duplicates: dict[int, tuple[Path, ...]]
    n_total: int
    complete: bool


State = tuple[object, object]
"""Of the library, and of the list of what is never shown."""


@dataclass(kw_only=True)
class _Kept:
    listed: Listed
    state: State
    computed_at: float


Key = tuple[bytes, Options]
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
    profile: Profile
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
        self, library: Browser, profile: Profile, options: Options, offset: int, limit: int
    ) -> Listed:
        """Return a ranking of which at least these places are there, as far as there are any."""
        key, end = (profile.digest, options), offset + limit
        state = self._state(library)
        if (found := self._find(key, state, end)) is not None:
            return found
        if (found := self._stale(key, profile, state, end)) is not None:
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
            n_tracks = library.n_analysed(profile.fingerprint)
            if _is_long(options) and n_tracks > LARGE and end <= N_FIRST:
                listed = self._first(library, profile, options, n_tracks)
            else:
                listed = self._whole(library, profile, options)
            self._keep(key, state, listed)
            if not listed.complete:
                self._rest = _Rest(key=key, profile=profile)
                work = threading.Thread(target=self._complete, args=[self._rest], daemon=True)
                work.start()
            return listed

    def _stale(self, key: Key, profile: Profile, state: State, end: int) -> Listed | None:
        """Return a long ranking although the library has grown, and have it computed anew."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.state[1] != state[1] or kept.listed.n_total <= LARGE:
                return None
            if not kept.listed.complete and end > len(kept.listed.ids):
                return None
            if self._rest is None or self._rest.ended.is_set():
                self._rest = _Rest(key=key, profile=profile)
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
        self, library: Browser, profile: Profile, options: Options, on_track: OnTrack | None = None
    ) -> Listed:
        n_tracks = library.n_analysed(profile.fingerprint)
        if n_tracks <= VERY_LARGE or not _is_long(options):
            return self._all(library, profile, options, on_track)
        first = self._first(library, profile, options, n_tracks)
        if first.complete:
            return first
        plain = replace(options, diversity=0.0)
        others = self._all(library, profile, plain, on_track, each_file=True)
        paths = {path for some in first.duplicates.values() for path in some}
        known = [row.id for row in library.rows(profile.fingerprint, paths=paths)]
        new = ~np.isin(others.ids, [*first.ids.tolist(), *known])
        ids = np.concatenate([first.ids, others.ids[new]])
        return Listed(
            ids=ids,
            scores=np.concatenate([first.scores, others.scores[new]]),
            duplicates=first.duplicates,
            n_total=len(ids),
            complete=True,
        )

    def _first(self, library: Browser, profile: Profile, options: Options, n_tracks: int) -> Listed:
        listed = self._all(library, profile, replace(options, top=N_FIRST))
        if len(listed.ids) < N_FIRST:
            return listed
        n_known = len(profile.disliked) + (0 if options.include_liked else len(profile.liked))
        return replace(listed, n_total=max(N_FIRST, n_tracks - n_known), complete=False)

    def _all(
        self,
        library: Browser,
        profile: Profile,
        options: Options,
        on_track: OnTrack | None = None,
        *,
        each_file: bool = False,
    ) -> Listed:
        network = preprocessors.find(profile.fingerprint, self._home)
        ranked = ranking.rank(
            profile,
            library,
            [],
            never=never.load(self._home),
            # Only fused features are such that their cosines tell recordings apart.
            duplicates=each_file or network.fusion is None,
            on_track=on_track,
            **asdict(options),
        )
        return _columns(library, profile.fingerprint, ranked)

    def _complete(self, rest: _Rest) -> None:
        """Compute all of a ranking, once it has been quiet for a while."""
        try:
            rest.hurry.wait(_QUIET_S)
            with contextlib.suppress(RecommenderError), _Background.of(self._home) as library:
                library.wanted = lambda: self._rest is rest
                state = self._state(library)
                listed = self._whole(library, rest.profile, rest.key[1], library.check)
                self._keep(rest.key, state, listed)
        finally:
            rest.ended.set()


def _is_long(options: Options) -> bool:
    return options.top is None and options.share is None and options.order == "score"


def _columns(library: Browser, fingerprint: str, ranked: Sequence[Ranked]) -> Listed:
    ids = {
        (bytes(row.path), row.start_s): row.id
        for row in library.rows(
            fingerprint, paths=[item.path for item in ranked] if len(ranked) <= LARGE else None
        )
    }
    return Listed(
        ids=np.array([ids[_place(item)] for item in ranked], np.int64),
        scores=np.array([item.score for item in ranked], np.float64),
        duplicates={i: item.duplicates for i, item in enumerate(ranked) if item.duplicates},
        n_total=len(ranked),
        complete=True,
    )


def _place(item: Ranked) -> tuple[bytes, float | None]:
    return bytes(item.path), item.start_s


def _changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None

"""Users of an evaluation, drawn from labelled clips: what they like, and what is hidden."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.clips import Clip, Indices

Kind = Literal[
    "artist", "artist, same source", "genre", "genre, same source", "mood", "mixture of genres"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_TRACKS = 20
MIN_ARTIST, MIN_GENRE, MIN_GENRE_OF_SOURCE, MIN_GENRE_OF_MIXTURE = 5, 5, 10, 10
N_MOOD_USERS, N_MIXTURES = 2, 5
N_GENRES_MIXED, N_OF_EACH_GENRE = 3, 7


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody who likes some tracks, half of which are known.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    name : str
        Of what is liked.
    fold : int
        Where all the tracks are.
    liked, hidden, candidates : ndarray of int
        Sorted indices of clips; the hidden ones are candidates, the liked ones are not.
    """

    kind: Kind
    name: str
    fold: int
    liked: Indices
    hidden: Indices
    candidates: Indices

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """Which candidates are hidden ones, shape ``(n_candidates,)``."""
        return np.isin(self.candidates, self.hidden)

    @property
    def person(self) -> tuple[str, int, str]:
        """Who it is, whatever seed drew the tracks."""
        return self.kind, self.fold, self.name


def users(clips: Sequence[Clip], *, seed: int = 0) -> list[User]:
    """Draw users of six kinds from each fold.

    Each has up to 20 tracks, of which half are liked and the others hidden. Users are

    - artists with at least 5 clips, against all clips of other artists;
    - the same, against other artists of the same source: here the hidden tracks are from other
      albums than the liked ones, if several albums are known;
    - genres with at least 5 clips; the genre's other clips are no candidates;
    - genres with at least 10 clips of one source, against that source;
    - moods within their source, twice, against its other moods;
    - mixtures of three genres, five times, with 7 clips of each.

    Parameters
    ----------
    clips : sequence of Clip
    seed : int
        Draws liked and hidden tracks, and the genres of mixtures; equal on all machines.
    """
    return [
        user
        for fold in sorted({clip.fold for clip in clips})
        for user in _Fold(clips, fold, seed).users()
    ]


def unheard(user: User, clips: Sequence[Clip]) -> User | None:
    """Leave only candidates by artists that the user does not know yet.

    Parameters
    ----------
    user : User
    clips : sequence of Clip
        Those without an artist count as being by artists of their own.

    Returns
    -------
    User or None
        ``None`` if nothing hidden, or nothing else, is left.
    """
    known = {clips[i].artist for i in user.liked} - {""}

    def new(indices: Indices) -> Indices:
        return indices[[clips[i].artist not in known for i in indices]]

    left = dataclasses.replace(user, hidden=new(user.hidden), candidates=new(user.candidates))
    return left if 0 < len(left.hidden) < len(left.candidates) else None


class _Fold:
    """The clips of one fold, as arrays of labels."""

    def __init__(self, clips: Sequence[Clip], fold: int, seed: int) -> None:
        self.fold, self.seed = fold, seed
        self.genre, self.artist, self.album, self.mood, self.source = (
            np.array([getattr(clip, name) for clip in clips])
            for name in ("genre", "artist", "album", "mood", "source")
        )
        self.pool = np.flatnonzero(np.array([clip.fold for clip in clips]) == fold)

    def users(self) -> Iterator[User]:
        for user in (*self.artists(), *self.genres(), *self.moods(), *self.mixtures()):
            # Without a hidden track, or one that is not, there is nothing to measure.
            if len(user.liked) and 0 < len(user.hidden) < len(user.candidates):
                yield user

    def artists(self) -> Iterator[User]:
        for artist in _known(self.artist[self.pool]):
            members = self.of(self.artist, artist)
            if len(members) < MIN_ARTIST:
                continue
            yield self.halved("artist", artist, members, self.pool)
            source = Counter(self.source[members].tolist()).most_common(1)[0][0]
            same = self.of(self.source, source)
            yield self.by_album(artist, np.intersect1d(members, same), same)

    def by_album(self, artist: str, members: Indices, pool: Indices) -> User:
        """Like whole albums until half of the tracks are; hide the others."""
        kind: Kind = "artist, same source"
        albums = _known(self.album[members])
        if len(albums) < 2:
            return self.halved(kind, artist, members, pool)
        shuffled = self.rng(kind, artist).permutation(albums)
        liked = np.zeros(len(members), np.bool_)
        for album in shuffled[:-1]:
            if 2 * liked.sum() < len(members):
                liked |= self.album[members] == album
        half = MAX_TRACKS // 2
        return self.user(kind, artist, members[liked][:half], members[~liked][:half], members, pool)

    def genres(self) -> Iterator[User]:
        for genre in _known(self.genre[self.pool]):
            members = self.of(self.genre, genre)
            if len(members) < MIN_GENRE:
                continue
            yield self.halved("genre", genre, members, self.pool)
            for source in _known(self.source[members]):
                same = self.of(self.source, source)
                inside = np.intersect1d(members, same)
                if len(inside) >= MIN_GENRE_OF_SOURCE:
                    yield self.halved("genre, same source", f"{genre}, {source}", inside, same)

    def moods(self) -> Iterator[User]:
        with_mood = self.pool[self.mood[self.pool] != ""]
        for source in _known(self.source[with_mood]):
            pool = np.intersect1d(with_mood, self.of(self.source, source))
            for mood in _known(self.mood[pool]):
                members = np.intersect1d(pool, self.of(self.mood, mood))
                for repeat in range(N_MOOD_USERS):
                    yield self.halved("mood", f"{mood}, {source}", members, pool, repeat)

    def mixtures(self) -> Iterator[User]:
        kind: Kind = "mixture of genres"
        counts = Counter(self.genre[self.pool].tolist())
        frequent = sorted(g for g, n in counts.items() if g and n >= MIN_GENRE_OF_MIXTURE)
        if len(frequent) < N_GENRES_MIXED:
            return
        for repeat in range(N_MIXTURES):
            rng = self.rng(kind, "", repeat)
            three = sorted(rng.choice(frequent, N_GENRES_MIXED, replace=False).tolist())
            members = [self.of(self.genre, genre) for genre in three]
            drawn = [rng.permutation(indices)[:N_OF_EACH_GENRE] for indices in members]
            yield self.halved(
                kind,
                " + ".join(three),
                np.concatenate(drawn),
                self.pool,
                repeat,
                kin=np.concatenate(members),
            )

    def halved(
        self,
        kind: Kind,
        name: str,
        members: Indices,
        pool: Indices,
        repeat: int = 0,
        *,
        kin: Indices | None = None,
    ) -> User:
        """Draw up to 20 of the members, and like half of them."""
        drawn = self.rng(kind, name, repeat).permutation(members)[:MAX_TRACKS]
        n = len(drawn) // 2
        return self.user(kind, name, drawn[:n], drawn[n:], members if kin is None else kin, pool)

    def user(
        self,
        kind: Kind,
        name: str,
        liked: Indices,
        hidden: Indices,
        kin: Indices,
        pool: Indices,
    ) -> User:
        """Candidates: the hidden tracks, and all of the pool but their kin."""
        return User(
            kind=kind,
            name=name,
            fold=self.fold,
            liked=np.sort(liked),
            hidden=np.sort(hidden),
            candidates=np.union1d(np.setdiff1d(pool, kin), hidden),
        )

    def of(self, labels: NDArray[np.str_], label: str) -> Indices:
        return np.asarray(self.pool[labels[self.pool] == label])

    def rng(self, kind: str, name: str, repeat: int = 0) -> np.random.Generator:
        words = f"{kind}: {name}".encode()
        return np.random.default_rng([self.seed, self.fold, repeat, *words])


def _known(labels: Iterable[str]) -> list[str]:
    return sorted({str(label) for label in labels} - {""})

"""Job one: from playlists and a library to a profile."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from recommender import audio, playlist
from recommender.errors import PlaylistError, ProfileError
from recommender.library import Library, Track
from recommender.parameters import RECIPES, Recipe
from recommender.playlist import Entry
from recommender.profile.model import Features, Profile, ProfileEpoch, TrackRef
from recommender.profile.negatives import load_shipped
from recommender.profile.network import train

MIN_OTHER_TRACKS = 20
"""With fewer other tracks in the library, the shipped pool joins the negatives."""

ENOUGH_OTHER_TRACKS = 200
"""With fewer, a profile learns anew once the library has grown to twice as many."""

MAX_OTHER_TRACKS = 4000
"""Of a larger library this many are chosen at random, so that memory stays bounded (1 GB)."""


_SAME_TIME_S = 1e-3  # playlists are written to the millisecond


def find_liked(sources: Sequence[Path]) -> tuple[list[Entry], list[str]]:
    """Resolve folders, playlist files, CUE sheets and tracks to folders and files of sound.

    Returns
    -------
    entries : list of Entry
        Folders, and files that exist; of some only the part that a playlist names.
    notes : list of str
        What was left out and why, for the user.

    Raises
    ------
    PlaylistError
        If a source does not exist, or a playlist names nothing that does.
    CueError
        If a CUE sheet is damaged, or names nothing that lies beside it.
    """
    entries: list[Entry] = []
    notes: list[str] = []
    for source in sources:
        if source.suffix.lower() in playlist.FORMATS and not source.is_dir():
            found = playlist.read(source)
            for entry in found.entries:
                entries += _music(entry)
            notes += [f"{source}: {entry.path} is gone" for entry in found.missing]
            notes += [
                f"{source}: {url} is a stream or a playlist, not music" for url in found.skipped
            ]
        elif source.exists():
            entries += _music(Entry(path=source))
        else:
            raise PlaylistError(f"{source}: there is no such folder, playlist or file")
    return entries, notes


def _music(entry: Entry) -> list[Entry]:
    """Return an entry as it is, or the files that a CUE sheet divides or lists."""
    if entry.path.suffix.lower() == ".cue" and entry.path.is_file():
        return [Entry(path=path) for path in audio.sheet_music(entry.path)]
    return [entry]


def tracks_of(
    library: Library,
    fingerprint: str,
    entries: Sequence[Entry],
    *,
    max_duration_s: float | None = None,
) -> tuple[list[Track], list[str]]:
    """List the tracks that the library holds of what `find_liked` found, each once.

    Parameters
    ----------
    library : Library
    fingerprint : str
        Of the features that the tracks must have.
    entries : sequence of Entry
        One that names a part of its file means the track that lies there; all tracks of the file
        if none does.
    max_duration_s : float, optional
        As in `Library.tracks`.

    Returns
    -------
    tracks : list of Track
        Sorted by path, and by where they lie in it.
    notes : list of str
        Which files are not divided as a playlist has it, for the user.
    """
    choose = functools.partial(library.tracks, fingerprint, max_duration_s=max_duration_s)
    parts = [e for e in entries if (e.start_s, e.end_s) != (None, None)]
    whole = [e.path for e in entries if (e.start_s, e.end_s) == (None, None)]
    found = choose(whole) if whole else []
    notes: dict[str, None] = {}
    for entry in parts:
        tracks = choose([entry.path])
        meant = [track for track in tracks if _is_part(track, entry)]
        if tracks and not meant:
            notes[
                f"{entry.path}: is not divided as the playlist has it, so all of it counts; parts"
                " of a mix need the same --sections"
            ] = None
        found += meant or tracks
    by_id = {track.id: track for track in found}
    tracks = sorted(by_id.values(), key=lambda t: (os.fsencode(t.path), t.start_s or 0.0))
    return tracks, list(notes)


def _is_part(track: Track, entry: Entry) -> bool:
    """Tell whether a track lies where an entry says; no end is the file's, and no start 0."""
    if (track.end_s is None) != (entry.end_s is None):
        return False
    starts_differ_s = (track.start_s or 0.0) - (entry.start_s or 0.0)
    ends_differ_s = (track.end_s or 0.0) - (entry.end_s or 0.0)
    return max(abs(starts_differ_s), abs(ends_differ_s)) <= _SAME_TIME_S


def build(
    library: Library,
    name: str,
    recipe: Recipe,
    fingerprint: str,
    liked: Sequence[Track],
    *,
    disliked: Sequence[Track] = (),
    on_epoch: Callable[[ProfileEpoch], None] | None = None,
) -> Profile:
    """Train a profile on tracks that the library has analysed.

    Parameters
    ----------
    library : Library
        All its tracks but the liked ones are the negatives.
    name : str
    recipe : Recipe
    fingerprint : str
        Of the features to use.
    liked, disliked : sequence of Track
        Of this library. Disliked tracks are negatives in every epoch.
    on_epoch : callable, optional

    Returns
    -------
    Profile
        Not saved yet.

    Raises
    ------
    ProfileError
        If nothing is liked, or a track is both liked and disliked.
    """
    liked_ids, disliked_ids = {t.id for t in liked}, {t.id for t in disliked}
    if both := [track for track in liked if track.id in disliked_ids]:
        raise ProfileError(f"{both[0].path}: is both liked and disliked; decide on one")
    others = [t for t in library.tracks(fingerprint) if t.id not in liked_ids | disliked_ids]
    if len(others) > MAX_OTHER_TRACKS:
        rng = np.random.default_rng(recipe.training.seed)
        chosen = rng.choice(len(others), MAX_OTHER_TRACKS, replace=False)
        others = [others[i] for i in sorted(chosen)]
    pool = load_shipped(fingerprint) if len(others) < MIN_OTHER_TRACKS else []
    return train(
        name,
        recipe,
        fingerprint,
        _features(library, liked, fingerprint),
        _features(library, others, fingerprint),
        disliked=_features(library, disliked, fingerprint),
        pool=pool,
        on_epoch=on_epoch,
    )


def should_relearn(library: Library, profile: Profile) -> bool:
    """Tell whether a profile knew too little other music, and the library now holds more.

    Too little is the shipped pool, or fewer than 200 tracks where there are now twice as many.
    """
    if profile.negatives == "library" and profile.n_negative_tracks >= ENOUGH_OTHER_TRACKS:
        return False
    liked, _, n_others = _recall(library, profile)
    n_before = profile.n_negative_tracks if profile.negatives == "library" else 0
    has_more = n_others >= max(MIN_OTHER_TRACKS, 2 * n_before)
    return len(liked) == len(profile.liked) and has_more


def rebuild(
    library: Library, profile: Profile, *, on_epoch: Callable[[ProfileEpoch], None] | None = None
) -> Profile:
    """Train a profile again from the same tracks, against the library as it is now."""
    liked, disliked, _ = _recall(library, profile)
    recipe = dataclasses.replace(
        RECIPES[profile.recipe],
        network=profile.network,
        training=profile.training,
        n_networks=profile.n_networks,
    )
    fingerprint = profile.fingerprint
    return build(
        library, profile.name, recipe, fingerprint, liked, disliked=disliked, on_epoch=on_epoch
    )


def _recall(library: Library, profile: Profile) -> tuple[list[Track], list[Track], int]:
    """Find a profile's liked and disliked tracks in the library, and count the others."""
    tracks = library.tracks(profile.fingerprint)
    by_hash = {track.content_hash: track for track in tracks}
    liked = [by_hash[t.content_hash] for t in profile.liked if t.content_hash in by_hash]
    disliked = [by_hash[t.content_hash] for t in profile.disliked if t.content_hash in by_hash]
    return liked, disliked, len(tracks) - len(liked) - len(disliked)


def _features(
    library: Library, tracks: Sequence[Track], fingerprint: str
) -> list[tuple[TrackRef, Features]]:
    refs = {
        track.id: TrackRef(
            content_hash=track.content_hash,
            path=str(track.path),
            start_s=track.start_s,
            end_s=track.end_s,
        )
        for track in tracks
    }
    return [(refs[i], features) for i, features in library.features(list(refs), fingerprint)]

"""What people name - folders, playlists, files - and the tracks that are meant."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

from recommender import audio, playlist
from recommender.errors import PlaylistError
from recommender.library import Library, Track
from recommender.playlist import Entry
from recommender.profile.model import Profile
from recommender.profile.tracks import TrackRef

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


def find_known(
    profile: Profile, paths: Sequence[Path], tracks: Sequence[Track] = ()
) -> list[TrackRef]:
    """Find liked and disliked tracks by where they were, or by what they are.

    Parameters
    ----------
    profile : Profile
    paths : sequence of Path
        Files and folders, which need not be there any more.
    tracks : sequence of Track, optional
        Recordings that may have come from another place.
    """
    hashes = {track.content_hash for track in tracks}
    places = {Path(os.path.realpath(path)) for path in paths} | {path.absolute() for path in paths}
    return [
        ref
        for ref in profile.liked + profile.disliked
        if ref.content_hash in hashes or places & {Path(ref.path), *Path(ref.path).parents}
    ]

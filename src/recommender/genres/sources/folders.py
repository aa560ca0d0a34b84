"""Music in folders: genre folders of any kind, and GTZAN."""

import re
from pathlib import Path

from recommender import audio
from recommender.genres.sources.collection import Collection, LabelledTrack, artist, music, several

GTZAN_GENRES = tuple("blues classical country disco hiphop jazz metal pop reggae rock".split())

# blues.00000.wav, and blues.00000.3.wav where somebody has cut the tracks to pieces.
_GTZAN_NAME = re.compile(rf"({'|'.join(GTZAN_GENRES)})\.(\d{{5}})(?:\D.*)?")
# Its header is damaged in the collection's widespread WAV version; the older AU file is sound.
_GTZAN_DAMAGED = "jazz.00054.wav"


def read_folders(path: Path) -> Collection:
    """Read genre folders.

    A track's group is its artist's tag; without one, its folder within the genre's; without one of
    those either, the track itself. Files that lie beside the genre folders are left out.
    """
    files, skipped = music(path)
    tracks = []
    loose: list[str] = []
    for file in files:
        parts = file.relative_to(path).parts
        if len(parts) == 1:
            loose.append(file.name)
        if len(parts) == 1 or parts[0].startswith("."):
            continue
        name = artist(audio.read_tags(file).artist)
        tracks.append(
            LabelledTrack(
                path=file,
                genre=parts[0],
                group=name or str(file.parent if len(parts) > 2 else file),
                artist_known=name is not None,
            )
        )
    if loose:
        skipped.append((path, several("files in no genre's folder", loose)))
    return Collection(name=path.name, tracks=tuple(tracks), skipped=tuple(skipped))


def read_gtzan(path: Path) -> Collection:
    """Read GTZAN, whichever folders it lies in: each file's name says its genre.

    Artists are not known: a track is its own group, together with its pieces if it was cut.
    """
    files, skipped = music(path)
    tracks: dict[str, LabelledTrack] = {}
    others: list[str] = []
    again: list[str] = []
    for file in files:
        match = _GTZAN_NAME.fullmatch(file.stem)
        if match is None:
            others.append(file.name)
        elif file.name == _GTZAN_DAMAGED:
            skipped.append((file, "is known to be damaged"))
        elif file.stem in tracks:
            again.append(file.name)
        else:
            group = f"{match[1]}.{match[2]}"
            tracks[file.stem] = LabelledTrack(path=file, genre=match[1], group=group)
    if again:
        skipped.append((path, several("tracks that are there already in another file", again)))
    if others:
        skipped.append((path, several("files that are not named as GTZAN's are", others)))
    return Collection(name="GTZAN", tracks=tuple(tracks.values()), skipped=tuple(skipped))


def is_gtzan(path: Path) -> bool:
    """Tell whether the music below a folder is GTZAN's, or some genres of it: by its names."""
    files, _ = music(path)
    named = [match[1] for file in files if (match := _GTZAN_NAME.fullmatch(file.stem))]
    return len(set(named)) > 1 and len(named) > 0.9 * len(files)

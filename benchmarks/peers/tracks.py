"""What is measured: tracks of about four minutes as MP3, made of a folder of music and cached."""

import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from peers.mel import PARAMS
from recommender import audio
from recommender.errors import RecommenderError

QUALITIES = ("128k", "192k", "256k", "320k", "V0")
DURATION_S = 240
_LONGEST_S = 900.0  # what is longer is not a song


@dataclass(frozen=True, kw_only=True)
class Track:
    """A track as MP3, and its samples as the project decodes them.

    Attributes
    ----------
    quality : str
        Bit rate, or V0.
    mp3, samples : Path
        `samples` holds 16-bit mono as an array of NumPy.
    """

    quality: str
    mp3: Path
    samples: Path


def make(folder: Path, cache: Path, n: int, duration_s: int, shortest_s: float) -> list[Track]:
    """Cut or loop `n` tracks of a folder to one length and encode them; what is there is kept.

    Raises
    ------
    RecommenderError
        If the folder has no track of at least `shortest_s`.
    """
    cache.mkdir(parents=True, exist_ok=True)
    sources = _choose(folder, n, shortest_s)
    qualities = [QUALITIES[i % len(QUALITIES)] for i in range(len(sources))]
    return [
        _encode(source, cache, quality, duration_s)
        for source, quality in zip(sources, qualities, strict=True)
    ]


def folder_of(tracks: Sequence[Track], cache: Path, copies: int) -> Path:
    """Make a folder of tracks to analyse, each `copies` times with another start.

    A recording that is there twice would be analysed once.
    """
    folder = cache / f"folder-{_digest(*(track.mp3 for track in tracks), copies)}"
    folder.mkdir(exist_ok=True)
    for track in tracks:
        for i in range(copies):
            target = folder / f"{track.mp3.stem}-{i}.mp3"
            if not target.exists():
                _ffmpeg(["-ss", str(i), "-i", str(track.mp3), "-c", "copy"], target)
    return folder


def long_file(track: Track, cache: Path, duration_s: int) -> Path:
    """Make a file of hours, a track repeated."""
    target = cache / f"long-{_digest(track.mp3, duration_s)}.mp3"
    if not target.exists():
        _ffmpeg(
            ["-stream_loop", "-1", "-i", str(track.mp3), "-t", str(duration_s), "-c", "copy"],
            target,
        )
    return target


def _choose(folder: Path, n: int, shortest_s: float) -> list[Path]:
    """Choose files evenly spread over the folder."""
    long_enough = [
        path
        for path in audio.find_audio([folder])
        if shortest_s <= (audio.read_tags(path).duration_s or 0) <= _LONGEST_S
    ]
    if not long_enough:
        raise RecommenderError(f"{folder}: no track of {shortest_s:g} s to {_LONGEST_S:g} s")
    indices = np.linspace(0, len(long_enough) - 1, min(n, len(long_enough)))
    return [long_enough[round(index)] for index in indices]


def _encode(source: Path, cache: Path, quality: str, duration_s: int) -> Track:
    status = source.stat()
    name = _digest(source, status.st_size, status.st_mtime_ns, quality, duration_s)
    track = Track(quality=quality, mp3=cache / f"{name}.mp3", samples=cache / f"{name}.npy")
    rate = ["-q:a", "0"] if quality == "V0" else ["-b:a", quality]
    if not track.mp3.exists():
        whole = ["-stream_loop", "-1", "-i", f"file:{source}", "-map", "0:a:0"]
        kind = ["-map_metadata", "-1", "-ar", "44100", "-ac", "2", "-c:a", "libmp3lame", *rate]
        _ffmpeg([*whole, "-t", str(duration_s), *kind], track.mp3)
    if not track.samples.exists():
        y = np.concatenate(list(audio.blocks(track.mp3, sr=PARAMS.sr)))
        np.save(track.samples, y)
    return track


def _ffmpeg(arguments: list[str], target: Path) -> None:
    unfinished = target.with_suffix(".part.mp3")
    command = [audio.ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run([*command, str(unfinished)], check=True)
    unfinished.rename(target)


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]

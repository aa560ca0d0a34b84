"""Writes the demonstration's music: a listener's playlist and a library, as tagged MP3 files."""

import itertools
import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import ffmpeg
import numpy as np
from mutagen.easyid3 import EasyID3
from numpy.typing import NDArray

from recommender.audio import ffmpeg_exe
from recommender.demo.styles import STYLES, synthesise
from recommender.demo.synthesis import SR
from recommender.errors import ParameterError, RecommenderError

__all__ = ["STYLES", "Music", "Recipe", "StyleRecipe", "read_recipe", "synthesise", "write_music"]


@dataclass(frozen=True, kw_only=True)
class StyleRecipe:
    """What is made in one style.

    Parameters
    ----------
    genre : str
        The genre in the tags.
    artists : tuple of str
        In a liked style the first half is heard in the playlist, the second only in the library.
    words : tuple of two tuples of str
        A title is a word of the first and a word of the second.
    library_pieces : int
        How many pieces the library gets.
    liked : bool
        Whether the listener has pieces of this style in the playlist.
    """

    genre: str
    artists: tuple[str, ...]
    words: tuple[tuple[str, ...], tuple[str, ...]]
    library_pieces: int
    liked: bool = False

    def __post_init__(self) -> None:
        if len(self.artists) < 1 + self.liked:
            raise ParameterError(f"{self.genre}: too few artists; a liked style needs two or more")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is made: a seed, the range of durations in seconds, and what there is of each style.

    `liked_pieces` is how many pieces of each liked style go to the playlist.
    """

    seed: int
    duration_s: tuple[float, float]
    liked_pieces: int
    styles: dict[str, StyleRecipe]


@dataclass(frozen=True, kw_only=True)
class Music:
    """Where the music is.

    Parameters
    ----------
    playlist, library : Path
        The listener's folder, and the folder of what could be recommended.
    liked_styles : tuple of str
        Styles of the playlist.
    styles : dict of str to list of Path
        The library's files by style.
    n_pieces : int
        In both folders together.
    """

    playlist: Path
    library: Path
    liked_styles: tuple[str, ...]
    styles: dict[str, list[Path]]
    n_pieces: int


@dataclass(frozen=True, kw_only=True)
class _Piece:
    path: Path
    style: str
    seed: int
    duration_s: float
    tags: dict[str, str]


def read_recipe() -> Recipe:
    """Read the recipe that comes with the project."""
    recipe = json.loads(resources.files("recommender.demo").joinpath("recipe.json").read_bytes())
    styles = {
        name: StyleRecipe(
            genre=style["genre"],
            artists=tuple(style["artists"]),
            words=(tuple(style["words"][0]), tuple(style["words"][1])),
            library_pieces=style["library_pieces"],
            liked=style.get("liked", False),
        )
        for name, style in recipe["styles"].items()
    }
    shortest, longest = recipe["duration_s"]
    return Recipe(
        seed=recipe["seed"],
        duration_s=(shortest, longest),
        liked_pieces=recipe["liked_pieces"],
        styles=styles,
    )


def write_music(
    out_dir: Path,
    *,
    recipe: Recipe | None = None,
    jobs: int = 2,
    on_piece: Callable[[int, int], None] | None = None,
) -> Music:
    """Make the pieces that are not there yet.

    Writes ``playlist/<Artist - Title>.mp3`` and ``library/<style>/<Artist - Title>.mp3``. The
    samples depend on the recipe alone. A file appears only when it is complete, and stays.

    Parameters
    ----------
    out_dir : Path
        Folder to write to; it is made if need be.
    recipe : Recipe, optional
        Default: that of the project, 60 pieces.
    jobs : int
        Pieces made at a time.
    on_piece : callable, optional
        Called in this thread with (pieces done, pieces in all) after each piece.

    Raises
    ------
    ParameterError
        If the recipe asks for an unknown style or for more titles than its words make.
    RecommenderError
        If ffmpeg cannot write a file.
    """
    recipe = recipe or read_recipe()
    pieces = _plan(out_dir, recipe)
    for folder in {piece.path.parent for piece in pieces}:
        folder.mkdir(parents=True, exist_ok=True)
    executor = ThreadPoolExecutor(max_workers=jobs)
    try:
        futures = [executor.submit(_write, piece) for piece in pieces]
        for n_done, future in enumerate(as_completed(futures), 1):
            future.result()
            if on_piece is not None:
                on_piece(n_done, len(pieces))
    finally:
        executor.shutdown(cancel_futures=True)
    library = out_dir / "library"
    return Music(
        playlist=out_dir / "playlist",
        library=library,
        liked_styles=tuple(name for name, style in recipe.styles.items() if style.liked),
        styles={
            name: sorted(p.path for p in pieces if p.path.parent == library / name)
            for name in recipe.styles
        },
        n_pieces=len(pieces),
    )


def _plan(out_dir: Path, recipe: Recipe) -> list[_Piece]:
    pieces = []
    for number, (name, style) in enumerate(recipe.styles.items()):
        if name not in STYLES:
            raise ParameterError(f"recipe: unknown style {name!r}; there are {', '.join(STYLES)}")
        n_heard = len(style.artists) // 2 if style.liked else 0
        parts = [
            (out_dir / "playlist", range(n_heard), recipe.liked_pieces if style.liked else 0),
            (out_dir / "library" / name, range(n_heard, len(style.artists)), style.library_pieces),
        ]
        rng = np.random.default_rng([recipe.seed, number])
        titles = [" ".join(words) for words in itertools.product(*style.words)]
        n_pieces = sum(n for _, _, n in parts)
        if n_pieces > len(titles):
            raise ParameterError(f"recipe: {n_pieces} pieces of {name} need more words for titles")
        shuffled = iter(rng.permutation(titles).tolist())
        for folder, artists, n in parts:
            for i in range(n):
                artist = artists[i % len(artists)]
                tags = {
                    "title": next(shuffled),
                    "artist": style.artists[artist],
                    "album": f"{style.artists[artist]}: {style.genre} Sketches",
                    "genre": style.genre,
                    "date": str(2001 + int(rng.integers(20))),
                }
                pieces.append(
                    _Piece(
                        path=folder / f"{tags['artist']} - {tags['title']}.mp3",
                        style=name,
                        seed=100 * (10 * recipe.seed + artist) + i,  # a hundred seeds an artist
                        duration_s=float(rng.uniform(*recipe.duration_s)),
                        tags=tags,
                    )
                )
    return pieces


def _write(piece: _Piece) -> None:
    if piece.path.exists():
        return
    part = piece.path.with_name(f".{piece.path.name}.part")
    try:
        _encode(synthesise(piece.style, piece.seed, piece.duration_s), part)
        tags = EasyID3()  # type: ignore[no-untyped-call]
        for name, value in piece.tags.items():
            tags[name] = value
        tags.save(part)
        part.replace(piece.path)
    finally:
        part.unlink(missing_ok=True)


def _encode(y: NDArray[np.float32], path: Path) -> None:
    stream = ffmpeg.input("pipe:0", format="s16le", ar=SR, ac=2).output(
        f"file:{path}",
        format="mp3",
        acodec="libmp3lame",
        audio_bitrate="128k",
        compression_level=7,  # half the time of the default, and good enough for a synthesiser
        map_metadata=-1,
    )
    stream = stream.global_args("-hide_banner", "-v", "error").overwrite_output()
    command = ffmpeg.compile(stream, cmd=ffmpeg_exe())
    pcm = np.rint(y * 32_767).astype("<i2").tobytes()
    # Its own process group: Ctrl-C must not leave a short file that looks complete.
    done = subprocess.run(command, input=pcm, capture_output=True, process_group=0, check=False)
    if done.returncode != 0:
        complaint = done.stderr.decode(errors="replace").strip()
        raise RecommenderError(
            f"{path}: ffmpeg could not write it ({complaint}); is the disk full?"
        )

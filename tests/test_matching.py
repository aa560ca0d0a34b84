"""Playlists from elsewhere: what they name among the files of a library."""

import unicodedata
from collections.abc import Hashable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import PlaylistError
from recommender.playlist import Known, Matches, match

MUSIC = [
    Known(Path("/music/Nina Simone/Pastel Blues/10 Sinnerman.flac"), 1, 622.0),
    Known(Path("/music/Café/Été/01 Intro.mp3"), 2, 61.0),
    Known(Path("/music/Other/Live/01 Intro.mp3"), 3, 95.0),
    Known(Path("/music/flat/A - B.ogg"), 4, 180.0),
    Known(Path("/music/100% #1/What?.mp3"), 5, 200.0),
    Known(Path("/backup/flat/A - B.ogg"), 4, 180.0),
    Known(Path("/music/mix.mp3"), 6, None),
    Known(Path("/music/mix.mp3"), 6, None),  # twice: of a file in parts
]


def found(text: str, name: str = "road.m3u8") -> Matches:
    return match(Path(name), text.encode(), MUSIC)


def recordings(matches: Matches) -> list[Hashable]:
    by_path = {file.path: file.recording for file in MUSIC}
    return [by_path[entry.path] for entry in matches.entries]


@pytest.mark.parametrize(
    ("line", "recording"),
    [
        ("/music/Nina Simone/Pastel Blues/10 Sinnerman.flac", 1),
        ("../Nina Simone/Pastel Blues/10 Sinnerman.flac", 1),
        ("Pastel Blues/10 Sinnerman.flac", 1),
        ("10 Sinnerman.flac", 1),  # a playlist beside its music
        ("10 SINNERMAN.FLAC", 1),
        (r"D:\Musik\Nina Simone\Pastel Blues\10 Sinnerman.flac", 1),
        ("file:///C:/Music/Nina%20Simone/Pastel%20Blues/10%20Sinnerman.flac", 1),
        (unicodedata.normalize("NFD", "Café/Été/01 Intro.mp3"), 2),
        ("Live/01 Intro.mp3", 3),
        ("/elsewhere/flat/A - B.ogg", 4),  # in two files, one recording
        ("100% #1/What?.mp3", 5),
        ("100%25%20%231/What%3F.mp3", 5),
        ("mix.mp3", 6),
    ],
)
def test_names_from_elsewhere_are_found(line: str, recording: int) -> None:
    matches = found(f"#EXTM3U\n{line}\n")
    assert (recordings(matches), matches.unknown) == ([recording], ())


@pytest.mark.parametrize(
    "line",
    [
        "01 Intro.mp3",  # there are two
        "/elsewhere/Album/10 Sinnerman.flac",  # another one, perhaps
        "/music/Nina Simone/Pastel Blues/",
        "Nothing.mp3",
        "https://example.org/10 Sinnerman.flac",
        "..",
    ],
)
def test_what_may_be_something_else_is_not_taken(line: str) -> None:
    matches = found(f"#EXTM3U\n{line}\n")
    assert (matches.entries, matches.unknown) == ((), (line,))


@pytest.mark.parametrize(
    ("seconds", "line", "recording"),
    [
        (61, "01 Intro.mp3", 2),
        (95, "01 Intro.mp3", 3),
        (621, "/elsewhere/Album/10 Sinnerman.flac", 1),
        (200, "/elsewhere/Album/10 Sinnerman.flac", None),
        (200, "Pastel Blues/10 Sinnerman.flac", None),  # another version
        (-1, "Pastel Blues/10 Sinnerman.flac", 1),  # players write this if they do not know
        (0, "Pastel Blues/10 Sinnerman.flac", 1),
        (3000, "mix.mp3", 6),
    ],
)
def test_lengths_decide(seconds: int, line: str, recording: int | None) -> None:
    matches = found(f"#EXTM3U\n#EXTINF:{seconds},A - B\n{line}\n")
    assert recordings(matches) == ([] if recording is None else [recording])


def test_parts_of_files_have_other_lengths() -> None:
    text = (
        "#EXTM3U\n#EXTINF:30,A - B\n#EXTVLCOPT:start-time=10\n#EXTVLCOPT:stop-time=40\nA - B.ogg\n"
    )
    (entry,) = found(text).entries
    assert (entry.start_s, entry.end_s, entry.title) == (10.0, 40.0, "B")


def test_order_and_repetitions_are_kept() -> None:
    matches = found("#PLAYLIST:Road\nmix.mp3\nLive/01 Intro.mp3\nno.mp3\nmix.mp3\n")
    assert recordings(matches) == [6, 3, 6]
    assert (matches.title, matches.unknown) == ("Road", ("no.mp3",))


def test_the_other_formats() -> None:
    pls = "[playlist]\nFile1=flat/A - B.ogg\nLength1=180\nNumberOfEntries=1\n"
    assert recordings(found(pls, "a.PLS")) == [4]
    xspf = (
        '<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track><location>'
        "file:///x/100%25%20%231/What%3F.mp3</location><duration>200000</duration></track>"
        "</trackList></playlist>"
    )
    assert recordings(found(xspf, "a.xspf")) == [5]
    with pytest.raises(PlaylistError, match="not a playlist"):
        found(xspf, "a.txt")
    with pytest.raises(PlaylistError):
        found("<playlist>&x;", "a.xspf")


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0\r\n#%:", exclude_categories=("C", "Z")),
    min_size=1,
    max_size=8,
).filter(lambda name: name.strip(". ") != "")


@given(
    paths=st.lists(st.lists(NAMES, min_size=3, max_size=4), min_size=1, max_size=6),
    n_kept=st.integers(2, 4),
    windows=st.booleans(),
)
def test_any_name_that_only_one_file_ends_with_is_found(
    paths: list[list[str]], n_kept: int, windows: bool
) -> None:
    files = [
        Known(Path("/m", *parts[:-1], f"{parts[-1]}.mp3"), n, None) for n, parts in enumerate(paths)
    ]

    def plain(file: Known) -> list[str]:
        text = unicodedata.normalize("NFC", str(file.path)).casefold()
        return unicodedata.normalize("NFC", text).split("/")

    for file in files:
        kept = file.path.parts[1:][-n_kept:]
        line = "D:\\" + "\\".join(kept) if windows else "/".join(kept)
        matches = match(Path("a.m3u8"), f"{line}\n".encode(), files)
        alike = [f for f in files if plain(f)[-len(kept) :] == plain(file)[-len(kept) :]]
        if len(alike) == 1:
            assert [entry.path for entry in matches.entries] == [file.path]
        else:
            assert matches.entries == ()

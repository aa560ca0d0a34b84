import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import audio
from recommender.audio.cue import MAX_BYTES, CueSheet, CueTrack, parse_cue, read_cue
from recommender.errors import CueError, RecommenderError

ALBUM = """\
REM GENRE Folk
PERFORMER "The Band"
TITLE "The Album"
FILE "album.wav" WAVE
  TRACK 01 AUDIO
    TITLE "One ""and"" only"
    PERFORMER "A Guest"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE Two of them
    INDEX 00 03:10:00
    INDEX 01 03:12:74
    INDEX 02 04:00:00
  TRACK 03 AUDIO
    INDEX 01 100:00:01
"""


def parse(text: str) -> CueSheet:
    return parse_cue(text.encode())


def track(number: int, start_s: float, end_s: float | None, title: str | None = None) -> CueTrack:
    return CueTrack(number=number, start_s=start_s, end_s=end_s, title=title, performer=None)


# What a sheet says --------------------------------------------------------------------------------


def test_tracks_reach_from_index_to_index() -> None:
    sheet = parse(ALBUM)
    assert (sheet.title, sheet.performer) == ("The Album", "The Band")
    (file,) = sheet.files
    assert file.name == "album.wav"
    one, two, three = file.tracks
    assert (one.title, one.performer) == ('One ""and"" only', "A Guest")
    assert two == track(2, 192 + 74 / 75, 6000 + 1 / 75, "Two of them")
    assert three == track(3, 6000 + 1 / 75, None)
    # A frame of a CD is 588 samples.
    assert two.start_s * 44_100 == pytest.approx((192 * 75 + 74) * 588, abs=1e-6)
    assert (one.start_s, one.end_s) == (0, two.start_s)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("case", [str, str.lower, str.swapcase])
def test_case_line_breaks_and_indents_mean_nothing(case: type[str], line_break: str) -> None:
    lines = [line.strip() for line in ALBUM.splitlines()]
    typed = [" ".join([case(w) if i == 0 else w for i, w in enumerate(x.split())]) for x in lines]
    text = line_break.join(["", "\t ".join(["", typed[0]]), *typed[1:], ""])
    assert parse(text) == parse(ALBUM)


@pytest.mark.parametrize(
    ("encoding", "title"),
    [
        ("utf-8", "Ænima € 日本"),
        ("utf-8-sig", "Ænima € 日本"),
        ("utf-16", "Ænima € 日本"),
        ("cp1252", "Grün € naïve"),
        ("latin-1", "Gr\xfcn \x81"),  # a hole of cp1252
    ],
)
def test_encodings(encoding: str, title: str) -> None:
    content = f'TITLE "{title}"\nFILE a WAVE\nTRACK 1 AUDIO\nINDEX 1 0:0:0\n'.encode(encoding)
    assert parse_cue(content).title == title


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('FILE "a b.wav" WAVE', "a b.wav"),
        ('FILE "a "b".wav" WAVE', 'a "b".wav'),
        ("FILE a b.wav WAVE", "a b.wav"),
        ("FILE a.wav", "a.wav"),
        ('FILE "a.wav"', "a.wav"),
        ('FILE "a.mp3"    MP3', "a.mp3"),
    ],
)
def test_names_of_files(line: str, name: str) -> None:
    assert parse(f"{line}\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n").files[0].name == name


def test_tracks_of_data_end_those_of_sound() -> None:
    sheet = parse(
        'FILE "a.bin" BINARY\nTRACK 01 MODE1/2352\nTITLE data\nINDEX 01 00:00:00\n'
        "TRACK 02 AUDIO\nINDEX 01 10:00:00\nTRACK 03 AUDIO\nINDEX 01 20:00:00\n"
        "TRACK 04 MODE2/2336\nINDEX 01 30:00:00\n"
    )
    assert sheet.files[0].tracks == (track(2, 600, 1200), track(3, 1200, 1800))


def test_a_track_lies_in_the_file_of_its_index_01() -> None:
    """Rippers that keep gaps at the end of the track before write sheets of this kind."""
    sheet = parse(
        "FILE 1.wav WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nTRACK 02 AUDIO\nINDEX 00 03:00:00\n"
        "FILE 2.wav WAVE\nINDEX 01 00:00:00\n"
    )
    assert [[t.number for t in file.tracks] for file in sheet.files] == [[1], [2]]
    assert all(file.tracks[0].end_s is None for file in sheet.files)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no track"),
        ("just a text", "names no track"),
        ("FILE a WAVE", "names no track"),
        ("FILE a WAVE\nTRACK 01 AUDIO", "track 1 has no INDEX 01"),
        ("FILE a WAVE\nTRACK 01 AUDIO\nTRACK 02 AUDIO\nINDEX 01 0:0:0", "track 1 has no INDEX"),
        ("FILE a WAVE\nTRACK one AUDIO", "line 2: a track without a number"),
        ("FILE a WAVE\nINDEX 01 00:00:00", "line 2: an index without a file and a track"),
        ("TRACK 01 AUDIO\nINDEX 01 00:00:00", "line 2: an index without a file and a track"),
        ("FILE a WAVE\nTRACK 01 AUDIO\nINDEX 01 00:60:00", "line 3: '01 00:60:00' is no index"),
        ("FILE a WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:75", "is no index"),
        ("FILE a WAVE\nTRACK 01 AUDIO\nINDEX 01 3:14", "is no index"),
        (ALBUM.replace("100:00:01", "03:12:74"), "track 3 does not begin after"),
        (ALBUM.replace("INDEX 02", "INDEX 01"), "track 2 does not begin after"),
    ],
)
def test_damaged_sheets_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(CueError, match=reason):
        parse(text)


def test_reading_names_the_sheet(tmp_path: Path) -> None:
    path = tmp_path / "a.cue"
    with pytest.raises(CueError, match=r"a\.cue: not a regular file"):
        read_cue(path)
    os.mkfifo(path)
    with pytest.raises(CueError, match="not a regular file"):
        read_cue(path)
    path.unlink()
    path.write_bytes(b"\0" * (MAX_BYTES + 1))
    with pytest.raises(CueError, match=r"a\.cue: longer than 1 MiB"):
        read_cue(path)
    path.write_text(ALBUM)
    assert read_cue(path) == (parse(ALBUM), ALBUM.encode())


WORDS = (
    b"FILE TRACK INDEX TITLE PERFORMER REM AUDIO WAVE MODE1/2352 00 01 02 99 00:00:00 03:12:74"
    b' " "a.wav" \xff\xfe \0 \xe9 \xd9\xa1 \n \n \r'
).split(b" ")


@settings(max_examples=500)
@given(st.one_of(st.binary(), st.lists(st.sampled_from(WORDS), max_size=60).map(b" ".join)))
def test_any_bytes_are_a_sheet_or_refused(content: bytes) -> None:
    try:
        sheet = parse_cue(content)
    except CueError as error:
        assert str(error)
        return
    for file in sheet.files:
        for one, two in zip(file.tracks, file.tracks[1:], strict=False):
            assert one.end_s is not None
            assert 0 <= one.start_s < one.end_s <= two.start_s


# Which file a sheet is for ------------------------------------------------------------------------


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def images(folder: Path) -> dict[str, str]:
    """Names of files that sheets below a folder divide, and the names of the sheets."""
    listing = audio.list_audio([folder])
    found, problems = audio.find_images(listing.sheets)
    assert problems == []
    assert set(map(str, found)) <= listing.files.keys()
    return {path.name: image.sheet.name for path, image in found.items()}


@pytest.mark.parametrize(
    ("named", "lying", "meant"),
    [
        ("album.wav", ["album.wav", "album.flac"], "album.wav"),
        ("album.wav", ["album.flac", "other.flac", "album.jpg"], "album.flac"),
        ("album.wav", ["album.flac", "album.mp3"], None),
        ("Album.WAV", ["album.wav", "album.flac"], "album.wav"),
        ("Album.ape", ["album.flac"], "album.flac"),
        ("album.wav", ["ALBUM.wav", "Album.wav"], None),
        ("album.wav", [], None),
        ("album.bin", ["album.bin", "album.flac"], "album.flac"),
        ("caf\xe9.wav", ["cafe\u0301.flac"], "cafe\u0301.flac"),
        ("../album.wav", ["album.wav"], "album.wav"),
        ("C:\\rips\\album.wav", ["album.wav"], "album.wav"),
        ("/etc/album.wav", ["album.wav"], "album.wav"),
        ("album.wav/..", ["album.wav"], None),
        ("", ["album.wav"], None),
    ],
)
def test_which_file_is_meant(
    tmp_path: Path, named: str, lying: list[str], meant: str | None
) -> None:
    write(tmp_path, "album.wav", "outside the folder of the sheet")
    folder = tmp_path / "album"
    write(folder, "sheet.cue", ALBUM.replace("album.wav", named))
    for name in lying:
        write(folder, name, "sound")
    assert images(folder) == ({meant: "sheet.cue"} if meant else {})


def test_one_track_a_file_divides_nothing(tmp_path: Path) -> None:
    text = "".join(
        f'FILE "{n}.wav" WAVE\nTRACK 0{n} AUDIO\nINDEX 01 00:00:00\n' for n in range(1, 4)
    )
    for n in range(1, 4):
        write(tmp_path, f"{n}.flac", "sound")
    write(tmp_path, "album.cue", text)
    assert images(tmp_path) == {}
    assert audio.sheet_music(tmp_path / "album.cue") == [tmp_path / f"{n}.flac" for n in (1, 2, 3)]


def test_one_sheet_for_several_images(tmp_path: Path) -> None:
    text = ALBUM + ALBUM.replace("album", "second").replace("PERFORMER", "REM PERFORMER")
    write(tmp_path, "both.cue", text)
    for name in ("album.flac", "second.flac"):
        write(tmp_path, name, "sound")
    assert images(tmp_path) == {"album.flac": "both.cue", "second.flac": "both.cue"}


def test_performers_of_the_album_stand_in(tmp_path: Path) -> None:
    path = write(tmp_path, "album.flac", "sound")
    sheet = write(tmp_path, "album.cue", ALBUM)
    found, _ = audio.find_images([sheet])
    assert [t.performer for t in found[path].tracks] == ["A Guest", "The Band", "The Band"]
    assert found[path].album == "The Album"
    sheet.write_text(ALBUM + " ")
    assert audio.find_images([sheet])[0][path].digest != found[path].digest


def test_what_is_wrong_with_sheets_is_told(tmp_path: Path) -> None:
    write(tmp_path, "album.flac", "sound")
    for name in ("b.cue", "a.CUE"):
        write(tmp_path, name, ALBUM)
    write(tmp_path, "c.cue", "no sheet")
    os.mkfifo(tmp_path / "d.cue")
    listing = audio.list_audio([tmp_path])
    assert listing.files.keys() == {str(tmp_path / "album.flac")}
    found, problems = audio.find_images(listing.sheets)
    assert [image.sheet.name for image in found.values()] == ["a.CUE"]
    assert problems == [
        (tmp_path / "b.cue", "a.CUE divides album.flac already; it is not used"),
        (tmp_path / "c.cue", "names no track; is this a CUE sheet?; it is not used"),
        (tmp_path / "d.cue", "not a regular file; it is not used"),
    ]


def test_sheets_beside_a_file_that_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "album.flac", "sound")
    write(tmp_path, "other.flac", "sound")
    sheet = write(tmp_path, "album.cue", ALBUM)
    listing = audio.list_audio([path])
    assert (list(listing.files), listing.sheets) == ([str(path)], (sheet,))
    assert audio.find_audio([tmp_path]) == [path, tmp_path / "other.flac"]


def test_a_sheet_is_no_music(tmp_path: Path) -> None:
    sheet = write(tmp_path, "album.cue", ALBUM)
    with pytest.raises(RecommenderError, match="is a CUE sheet, not music; name its folder"):
        audio.find_audio([sheet])
    with pytest.raises(CueError, match="no file that it names lies beside it"):
        audio.sheet_music(sheet)

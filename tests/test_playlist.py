import errno
import io
import os
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import playlist
from recommender.errors import PlaylistError
from recommender.playlist import Entry, Format

FORMATS: list[Format] = ["m3u", "m3u8", "xspf", "pls"]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def paths(entries: tuple[Entry, ...]) -> list[Path]:
    return [entry.path for entry in entries]


def write_bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# Reading what others wrote ------------------------------------------------------------------------


def test_reads_m3u8_with_titles_comments_blank_lines_bom_and_crlf(tmp_path: Path) -> None:
    a, b, c = (touch(tmp_path / name) for name in ("a.mp3", "sub/b c.mp3", "#c.mp3"))
    content = "\r\n".join(
        [
            "\ufeff#EXTM3U",
            "#PLAYLIST:Évening",
            "#EXTINF:123.5 key=1,Björk - Army of Me - live",
            "# a comment, and a blank line",
            "",
            "a.mp3",
            f"{b}",
            "#EXTINF:-1,Only a title",
            "./#c.mp3",
            "",
        ]
    )
    found = playlist.read(write_bytes(tmp_path / "x.m3u8", content.encode()))
    assert found.title == "Évening"
    assert found.entries == (
        Entry(path=a, artist="Björk", title="Army of Me - live", duration_s=123.5),
        Entry(path=b),
        Entry(path=c, title="Only a title"),
    )
    assert found.missing == ()
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (rb"music\a.mp3", "music/a.mp3"),
        (rb".\music\a.mp3", "music/a.mp3"),
        (rb"C:\Users\me\music\a.mp3", "music/a.mp3"),
        (rb"file:///C:/Users/me/music/a.mp3", "music/a.mp3"),
        (rb"file://c:\me\music\a.mp3", "music/a.mp3"),
        (b"music/sp%20ace%23.mp3", "music/sp ace#.mp3"),
        (b"  a.mp3 ", "a.mp3"),
        (b"a%20b.mp3", "a%20b.mp3"),
        (b"gr\xfcn \x96.mp3", "grün \u2013.mp3"),
        (b"gr\xfcn\x81.mp3", "grün\x81.mp3"),
        (b"gr\xfcn.mp3", "gr\udcfcn.mp3"),
        ("gru\u0308n.mp3".encode(), "grün.mp3"),
        ("grün.mp3".encode(), "gru\u0308n.mp3"),
    ],
)
def test_finds_files_under_foreign_spellings(tmp_path: Path, line: bytes, name: str) -> None:
    file = touch(tmp_path / name)
    found = playlist.read(write_bytes(tmp_path / "x.m3u", line + b"\n"))
    assert paths(found.entries) == [file]


@pytest.mark.parametrize("host", ["", "//", "//localhost"])
def test_reads_file_urls(tmp_path: Path, host: str) -> None:
    file = touch(tmp_path / "50% é\n.mp3")
    url = f"file:{host}{tmp_path}/50%25%20%C3%A9%0a.mp3"
    assert paths(playlist.read(write_bytes(tmp_path / "x.m3u", url.encode())).entries) == [file]


def test_the_literal_name_wins_over_other_spellings(tmp_path: Path) -> None:
    literal = touch(tmp_path / "a%20b\\c.mp3")
    touch(tmp_path / "a b/c.mp3")
    touch(tmp_path / "a%20b/c.mp3")
    found = playlist.read(write_bytes(tmp_path / "x.m3u", b"a%20b\\c.mp3\n"))
    assert paths(found.entries) == [literal]


def test_reads_utf_16(tmp_path: Path) -> None:
    file = touch(tmp_path / "é.mp3")
    found = playlist.read(write_bytes(tmp_path / "x.m3u", "#EXTM3U\r\né.mp3".encode("utf-16")))
    assert paths(found.entries) == [file]


def test_reads_pls_in_numerical_order_whatever_its_case(tmp_path: Path) -> None:
    a, b = touch(tmp_path / "a.mp3"), touch(tmp_path / "b=.mp3")
    content = (
        "[playlist]\nfile10=a.mp3\nFILE2=b=.mp3\nTitle2=X - Y\nLength2=61\nTitle10=Z\nLength10=-1\n"
        "File11=http://radio.example/stream\nNumberOfEntries=3\nVersion=2\n"
    )
    found = playlist.read(write_bytes(tmp_path / "x.pls", content.encode()))
    assert found.entries == (
        Entry(path=b, artist="X", title="Y", duration_s=61),
        Entry(path=a, title="Z"),
    )
    assert found.skipped == ("http://radio.example/stream",)


def test_reads_xspf_with_and_without_namespace(tmp_path: Path) -> None:
    a, b = touch(tmp_path / "a&b.mp3"), touch(tmp_path / "c d.mp3")
    body = """<title>T</title><trackList>
        <track><location>https://x.example/a.mp3</location><location>a&amp;b.mp3</location>
          <creator> A </creator><title>B</title><duration>1500</duration>
          <extension application="x"><title>not this</title></extension></track>
        <track><location>c%20d.mp3</location></track>
        <track><title>no location</title></track>
        <track><location>https://x.example/only</location></track>
        </trackList></playlist>"""
    for start in ("<playlist>", '<playlist version="1" xmlns="http://xspf.org/ns/0/">'):
        found = playlist.read(write_bytes(tmp_path / "x.xspf", (start + body).encode()))
        assert found.title == "T"
        assert found.entries == (
            Entry(path=a, artist="A", title="B", duration_s=1.5),
            Entry(path=b),
        )
        assert found.skipped == ("https://x.example/only",)


def test_missing_files_and_streams_are_told_apart(tmp_path: Path) -> None:
    a = touch(tmp_path / "a.mp3")
    (tmp_path / "dangling.mp3").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.mp3").mkdir()
    lines = "a.mp3\ngone/b.mp3\nhttp://x.example/s\ndangling.mp3\nfolder.mp3\nnul\0.mp3\na.mp3\n"
    found = playlist.read(write_bytes(tmp_path / "x.m3u", lines.encode()))
    assert paths(found.entries) == [a, a]
    assert paths(found.missing) == [
        tmp_path / name for name in ("gone/b.mp3", "dangling.mp3", "folder.mp3", "nul\ufffd.mp3")
    ]
    assert found.skipped == ("http://x.example/s",)


def test_a_playlist_in_a_playlist_is_no_music(tmp_path: Path) -> None:
    a, inner = touch(tmp_path / "a.mp3"), touch(tmp_path / "inner.M3U")
    found = playlist.read(write_bytes(tmp_path / "x.m3u", b"inner.M3U\na.mp3\ngone.pls\n"))
    assert paths(found.entries) == [a]
    assert found.missing == ()
    assert found.skipped == (str(inner), str(tmp_path / "gone.pls"))


def test_relative_names_of_a_linked_playlist_are_beside_its_file(tmp_path: Path) -> None:
    a = touch(tmp_path / "music/a.mp3")
    write_bytes(tmp_path / "music/x.m3u", b"a.mp3\n")
    (tmp_path / "link.m3u").symlink_to("music/x.m3u")
    assert paths(playlist.read(tmp_path / "link.m3u").entries) == [a]


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.m3u", b"", "empty"),
        ("x.m3u", b"#EXTM3U\n\n# nothing\n", "empty"),
        ("x.pls", b"[playlist]\nNumberOfEntries=0\n", "empty"),
        ("x.m3u", b"gone.mp3\n", "none of its 1 files exists"),
        ("x.m3u8", b"http://x.example/s\n", "only streams"),
        ("x.m3u8", b"x.m3u8\n", "only streams or playlists"),
        ("x.xspf", b"<playlist><trackList>", "not valid XML"),
        ("x.xspf", b"", "not valid XML"),
        ("x.xspf", b"<?xml version='1.0' encoding='nonsense'?><playlist/>", "not valid XML"),
        ("x.xspf", b"<playlist/>", "empty"),
        ("x.txt", b"a.mp3\n", "not a playlist"),
    ],
)
def test_refuses_naming_the_file_and_a_remedy(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = write_bytes(tmp_path / name, content)
    with pytest.raises(PlaylistError, match=message) as error:
        playlist.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert ";" in str(error.value)


def test_refuses_what_cannot_be_read_or_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(PlaylistError, match="cannot be read"):
        playlist.read(tmp_path / "gone.m3u")
    (tmp_path / "folder.m3u").mkdir()
    with pytest.raises(PlaylistError, match="cannot be read"):
        playlist.read(tmp_path / "folder.m3u")
    with open(tmp_path / "long.m3u", "wb") as file:
        file.truncate(playlist.MAX_BYTES + 1)
    with pytest.raises(PlaylistError, match="longer than 16 MiB"):
        playlist.read(tmp_path / "long.m3u")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_with_a_document_type_is_refused(tmp_path: Path, encoding: str) -> None:
    secret = write_bytes(tmp_path / "secret", b"a.mp3")
    touch(tmp_path / "a.mp3")
    for declaration in (
        f'<!DOCTYPE p [<!ENTITY e SYSTEM "{secret.as_uri()}">]>',
        '<!DOCTYPE p [<!ENTITY e "a.mp3">]>',
    ):
        text = (
            f'<?xml version="1.0" encoding="{encoding}"?>{declaration}<playlist><trackList><track>'
            "<location>&e;</location></track></trackList></playlist>"
        )
        with pytest.raises(PlaylistError, match="document type"):
            playlist.read(write_bytes(tmp_path / "x.xspf", text.encode(encoding)))


# Writing ------------------------------------------------------------------------------------------

# Any bytes that a name can have, and, more often, those that mean something in a playlist.
NAMES = st.one_of(
    st.binary(min_size=1, max_size=20).map(os.fsdecode),
    st.text("ab#%:\\=&<>;?'\" \n\r\t\x85\u2028é", min_size=1, max_size=12),
    st.sampled_from(["#EXTINF:1,a", "C:\\a.mp3", "file:", "%41", " ", "\n", "[playlist]", "é"]),
).filter(lambda name: name not in (".", "..") and "/" not in name and "\0" not in name)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=40, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=5), folder=NAMES)
def test_every_file_name_survives_a_round_trip(
    format: Format, relative: bool, names: list[str], folder: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(os.path.realpath(name))
        files = [touch(root / folder / name) for name in names]
        path = root / f"playlist.{format}"
        entries = [Entry(path=file) for file in files]
        playlist.write(path, entries, format=format, relative=relative)
        found = playlist.read(path)
        assert paths(found.entries) == files
        assert found.missing == ()
        assert set(root.iterdir()) == {root / folder, path}


@settings(max_examples=100, deadline=None)
@given(
    artist=st.none() | st.text(min_size=1),
    title=st.text(min_size=1),
    duration_s=st.none() | st.floats(0.001, 1e6),
)
def test_xspf_keeps_what_can_be_printed(
    artist: str | None, title: str, duration_s: float | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        file, path = touch(Path(name, "a.mp3")), Path(name, "x.xspf")
        entry = Entry(path=file, artist=artist, title=title, duration_s=duration_s)
        playlist.write(path, [entry], format="xspf", title=title)
        found = playlist.read(path)
    printable = title.isprintable() and title == title.strip()
    assert not printable or (found.entries[0].title, found.title) == (title, title)
    if artist and artist.isprintable() and artist == artist.strip():
        assert found.entries[0].artist == artist
    if duration_s is not None:
        # Milliseconds are whole numbers.
        assert found.entries[0].duration_s == pytest.approx(duration_s, abs=0.000501)


@pytest.mark.parametrize("format", FORMATS)
def test_keeps_order_titles_and_line_structure(tmp_path: Path, format: Format) -> None:
    a, b = touch(tmp_path / "a.mp3"), touch(tmp_path / "b.mp3")
    entries = [
        Entry(path=b, artist="X\nhttp://evil", title="Y\r\nFile9=z", duration_s=61.0),
        Entry(path=a),
        Entry(path=b),
    ]
    path = tmp_path / f"x.{format}"
    playlist.write(path, entries, format=format, title="T\n#EXTM3U")
    found = playlist.read(path)
    assert found.title == "T #EXTM3U"
    assert paths(found.entries) == [b, a, b]
    assert found.skipped == ()
    first = found.entries[0]
    assert (first.artist, first.title) == ("X http://evil", "Y File9=z")
    assert first.duration_s == 61.0


def test_relative_names_move_with_their_folder(tmp_path: Path) -> None:
    touch(tmp_path / "old/music/a b.mp3")
    for format in FORMATS:
        path = tmp_path / f"old/lists/x.{format}"
        path.parent.mkdir(exist_ok=True)
        entry = Entry(path=tmp_path / "old/music/a b.mp3")
        playlist.write(path, [entry], format=format, relative=True)
    (tmp_path / "old").rename(tmp_path / "new")
    for format in FORMATS:
        found = playlist.read(tmp_path / f"new/lists/x.{format}")
        assert paths(found.entries) == [tmp_path / "new/music/a b.mp3"]


def test_writes_what_other_players_expect(tmp_path: Path) -> None:
    entry = Entry(path=tmp_path / "é 1.mp3", artist="A", title="B", duration_s=2.6)
    stream = io.BytesIO()
    playlist.write(stream, [entry], format="m3u8", title="T")
    text = f"#EXTM3U\n#PLAYLIST:T\n#EXTINF:3,A - B\n{tmp_path}/é 1.mp3\n"
    assert stream.getvalue().decode() == text

    stream = io.BytesIO()
    playlist.write(stream, [entry], format="pls")
    assert stream.getvalue().decode().splitlines() == [
        "[playlist]",
        f"File1={tmp_path}/é 1.mp3",
        "Title1=A - B",
        "Length1=3",
        "NumberOfEntries=1",
        "Version=2",
    ]

    stream = io.BytesIO()
    playlist.write(stream, [entry], format="xspf")
    root = ET.fromstring(stream.getvalue())
    assert (root.tag, root.get("version")) == ("{http://xspf.org/ns/0/}playlist", "1")
    track = "{*}trackList/{*}track/{*}"
    assert root.findtext(f"{track}location") == f"file://{tmp_path}/%C3%A9%201.mp3"
    assert root.findtext(f"{track}duration") == "2600"


@dataclass(frozen=True)
class Part:
    """A track that is a part of its file."""

    path: Path
    start_s: float | None
    end_s: float | None
    artist: str | None = None
    title: str | None = None
    duration_s: float | None = None


def test_parts_of_files_have_options_for_vlc(tmp_path: Path) -> None:
    image = touch(tmp_path / "a.flac")
    parts = [Part(image, 0.0, 180.5), Part(image, 180.5, None), Part(image, None, None)]
    playlist.write(tmp_path / "x.m3u8", parts, format="m3u8")
    assert (tmp_path / "x.m3u8").read_text().splitlines() == [
        "#EXTM3U",
        "#EXTINF:-1,a",
        "#EXTVLCOPT:start-time=0.000",
        "#EXTVLCOPT:stop-time=180.500",
        f"{image}",
        "#EXTINF:-1,a",
        "#EXTVLCOPT:start-time=180.500",
        f"{image}",
        "#EXTINF:-1,a",
        f"{image}",
    ]
    playlist.write(tmp_path / "x.xspf", parts, format="xspf")
    spaces = {"x": "http://xspf.org/ns/0/", "vlc": "http://www.videolan.org/vlc/playlist/ns/0/"}
    tracks = ET.parse(tmp_path / "x.xspf").findall("x:trackList/x:track", spaces)
    extensions = [track.find("x:extension", spaces) for track in tracks]
    assert extensions[2] is None
    for extension, options in zip(
        extensions[:2],
        [["start-time=0.000", "stop-time=180.500"], ["start-time=180.500"]],
        strict=True,
    ):
        assert extension is not None
        assert extension.get("application") == "http://www.videolan.org/vlc/playlist/0"
        assert [e.text for e in extension.findall("vlc:option", spaces)] == options
    playlist.write(tmp_path / "x.pls", parts, format="pls")
    for suffix in (".m3u8", ".xspf", ".pls"):
        found = playlist.read(tmp_path / f"x{suffix}")
        assert paths(found.entries) == [image] * 3
        times = [(entry.start_s, entry.end_s) for entry in found.entries]
        whole: tuple[float | None, float | None] = (None, None)
        if suffix == ".pls":  # which has no words for it
            assert times == [whole] * 3
        else:  # a start of 0 is the file's own
            assert times == [(None, 180.5), (180.5, None), whole]


@pytest.mark.parametrize(
    ("options", "times"),
    [
        (["start-time=1.5", "stop-time=9"], (1.5, 9)),
        ([":START-TIME=1", " stop-time=9 "], (None, 9)),
        ([":start-time=1", "start-time=2", "network-caching=1000"], (2, None)),
        (["start-time=", "stop-time"], (None, None)),
        (["start-time=soon", "stop-time=-1"], (None, None)),
        (["start-time=nan", "stop-time=inf"], (None, None)),
        (["start-time=\udcff"], (None, None)),
    ],
)
def test_options_for_vlc_that_make_sense_are_times(
    tmp_path: Path, options: list[str], times: tuple[float | None, float | None]
) -> None:
    a, b = touch(tmp_path / "a.mp3"), touch(tmp_path / "b.mp3")
    lines = [*(f"#extvlcopt:{option}" for option in options), "a.mp3", "b.mp3"]
    path = write_bytes(tmp_path / "x.m3u", os.fsencode("\n".join(lines)))
    assert playlist.read(path).entries == (
        Entry(path=a, start_s=times[0], end_s=times[1]),
        Entry(path=b),
    )
    texts = "".join(f"<o:option>{option}</o:option>" for option in options)
    track = f"<track><location>a.mp3</location><extension>{texts}</extension></track>"
    other = "<track><location>b.mp3</location></track>"
    content = f"<playlist xmlns:o='x'><trackList>{track}{other}</trackList></playlist>"
    path = write_bytes(tmp_path / "x.xspf", content.encode("utf-8", "replace"))
    entries = playlist.read(path).entries
    assert [(entry.start_s, entry.end_s) for entry in entries] == [times, (None, None)]


def test_an_unfinished_playlist_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = write_bytes(tmp_path / "x.m3u", b"old")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(PlaylistError, match="No space left"):
        playlist.write(path, [Entry(path=path)], format="m3u")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_writes_through_a_link_and_onto_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    link = tmp_path / "link.m3u"
    link.symlink_to("x.m3u")
    playlist.write(link, [Entry(path=tmp_path / "a.mp3")], format="m3u")
    assert link.is_symlink()
    assert "a.mp3" in (tmp_path / "x.m3u").read_text()
    assert len(synced) == 2  # the file, and the folder that names it


def test_names_the_playlist_that_cannot_be_written(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "file", b"") / "x.m3u"
    with pytest.raises(PlaylistError, match="cannot be written") as error:
        playlist.write(path, [Entry(path=path)], format="m3u")
    assert str(path) in str(error.value)

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import mutagen
import pytest

import sounds
from recommender.errors import DatasetError, ParameterError
from recommender.genres import sources
from recommender.genres.sources import Collection, Kind, LabelledTrack, read

GTZAN_GENRES = "blues classical country disco hiphop jazz metal pop reggae rock".split()


def touch(*paths: Path) -> None:
    """Create files of which only the names count."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def by_name(collection: Collection) -> dict[str, LabelledTrack]:
    return {track.path.name: track for track in collection.tracks}


def reasons(collection: Collection) -> list[str]:
    return [f"{path.name}: {reason}" for path, reason in collection.skipped]


# --- genre folders ---


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for name, artist in {
        "jazz/a.flac": "Nina  Simone ",
        "jazz/...deep/b.flac": "",
        "jazz/...deep/b2.flac": "Various Artists",
        "rock/c.flac": "NINA Simone",
        "rock/d.flac": "",
    }.items():
        path = sounds.tone(folder / name, 1)
        if artist:
            file = mutagen.File(path, easy=True)
            file["artist"] = artist
            file.save()
    touch(
        folder / "loose.flac",
        folder / "jazz" / "cover.jpg",
        folder / "jazz" / "._a.flac",
        folder / "__MACOSX" / "jazz" / "a.flac",
        folder / ".Trash-1000" / "e.flac",
        folder / "scans" / "front.png",
    )
    return folder


def test_folders_are_genres_and_artists_are_groups(music: Path) -> None:
    found = read(music)
    assert found.name == music.name
    assert found.genres == ("jazz", "rock")
    assert found.skipped == ((music, "files in no genre's folder: 1, the first loose.flac"),)
    assert found.n_groups_known == 2
    a, b, b2, c, d = (by_name(found)[f"{name}.flac"] for name in ("a", "b", "b2", "c", "d"))
    assert len(found.tracks) == 5
    assert a.genre == b.genre == b2.genre == "jazz"
    assert a.group == c.group == "nina simone"
    assert b.group == b2.group == str(music / "jazz" / "...deep")
    assert d.group == str(d.path)
    assert [track.artist_known for track in (a, b, b2, c, d)] == [True, False, False, True, False]
    assert read(music, kind="folders") == found


def test_a_folder_that_is_named_relatively(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(music.parent)
    assert read(Path(music.name)) == read(music)


@pytest.mark.parametrize("kind", ["auto", "folders"])
def test_one_genre_is_none(music: Path, tmp_path: Path, kind: Kind) -> None:
    touch(tmp_path / "jazz" / "a.mp3")
    with pytest.raises(DatasetError, match=r"one genre only \(jazz\); at least two folders"):
        read(tmp_path, kind=kind)
    with pytest.raises(DatasetError, match="there is no music; at least two folders"):
        read(music / "scans", kind=kind)


@pytest.mark.parametrize("kind", ["auto", "folders", "gtzan", "fma", "csv"])
def test_nothing_there(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises(DatasetError, match=r"missing: there is no such folder or file; .* "):
        read(tmp_path / "missing", kind=kind)


def test_a_folder_that_cannot_be_read(tmp_path: Path, bound: list[str]) -> None:
    for name in ("jazz/a.mp3", "rock/b.mp3", "locked/c.mp3"):
        touch(tmp_path / name)
    code = (
        "import sys; from pathlib import Path; from recommender.genres.sources import read;"
        "found = read(Path(sys.argv[1])); print(found.genres, found.skipped[0][1])"
    )
    locked = tmp_path / "locked"
    locked.chmod(0)
    try:
        said = subprocess.run(
            [*bound, sys.executable, "-c", code, str(tmp_path)],
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        locked.chmod(0o700)
    assert said.stdout.strip() == "('jazz', 'rock') cannot be read (Permission denied)"


def test_rare_genres_are_left_out(tmp_path: Path) -> None:
    for genre, n in {"jazz": 3, "rock": 2, "polka": 1}.items():
        touch(*(tmp_path / genre / f"{i}.mp3" for i in range(n)))
    found = read(tmp_path, min_tracks=2)
    assert found.genres == ("jazz", "rock")
    assert reasons(found) == [f"{tmp_path.name}: genre polka: fewer tracks than 2 (1)"]
    assert read(tmp_path).genres == ("jazz", "polka", "rock")
    with pytest.raises(DatasetError, match=r"1 of 3 genres have 3 tracks .* lower --min-tracks"):
        read(tmp_path, min_tracks=3)
    with pytest.raises(ParameterError, match="min_tracks is 0"):
        read(tmp_path, min_tracks=0)


def test_ten_thousand_genres(tmp_path: Path) -> None:
    rows = [(f"{i}.mp3", f"genre {i % 10_000}") for i in range(10_010)]
    table = write_table(tmp_path / "all.csv", ["clip", "genre"], rows)
    with pytest.raises(DatasetError, match=r"10,000 genres are more than .* --min-tracks"):
        read(table)
    assert len(read(table, min_tracks=2).genres) == 10
    assert sources.MAX_GENRES == 1_000


# --- GTZAN ---


def gtzan(folder: Path, suffix: str, n: int = 3) -> None:
    touch(
        *(folder / genre / f"{genre}.{i:05d}{suffix}" for genre in GTZAN_GENRES for i in range(n))
    )


@pytest.mark.parametrize("suffix", [".au", ".wav", ".mp3"])
@pytest.mark.parametrize(
    "below", ["", "genres", "genres_original", "Data/genres_original", "archive/Data/genres"]
)
def test_gtzan_wherever_it_lies(tmp_path: Path, below: str, suffix: str) -> None:
    gtzan(tmp_path / below, suffix)
    touch(
        tmp_path / "genres" / "bextract_single.mf",
        tmp_path / "Data" / "features_30_sec.csv",
        tmp_path / "Data" / "images_original" / "blues" / "blues00000.png",
        tmp_path / "__MACOSX" / "genres" / "blues" / f"blues.00001{suffix}",
    )
    found = read(tmp_path)
    assert found.name == "GTZAN"
    assert found.genres == tuple(GTZAN_GENRES)
    assert len(found.tracks) == 30
    assert found.skipped == ()
    assert found.n_groups_known == 0
    assert len({track.group for track in found.tracks}) == 30
    assert by_name(found)[f"hiphop.00002{suffix}"].genre == "hiphop"
    assert read(tmp_path, kind="gtzan") == found


def test_the_damaged_file_of_gtzan_is_named(tmp_path: Path) -> None:
    gtzan(tmp_path, ".wav")
    touch(tmp_path / "jazz" / "jazz.00054.wav", tmp_path / "jazz" / "jazz.00055.wav")
    found = read(tmp_path)
    assert reasons(found) == ["jazz.00054.wav: is known to be damaged"]
    assert "jazz.00055.wav" in by_name(found)
    assert "jazz.00054.wav" not in by_name(found)


def test_gtzan_with_other_things(tmp_path: Path) -> None:
    gtzan(tmp_path / "genres", ".au")
    touch(
        tmp_path / "genres" / "rock" / "rock.00001.wav",  # converted, beside the original
        tmp_path / "genres" / "rock" / "rock.00007.3.wav",
        tmp_path / "genres" / "rock" / "rock.00007.4.wav",
        tmp_path / "genres" / "rock" / "Queen.mp3",
    )
    found = read(tmp_path)
    tracks = by_name(found)
    assert len(found.tracks) == 32
    assert tracks["rock.00007.3.wav"].group == tracks["rock.00007.4.wav"].group
    assert [reason for _, reason in found.skipped] == [
        "tracks that are there already in another file: 1, the first rock.00001.wav",
        "files that are not named as GTZAN's are: 1, the first Queen.mp3",
    ]


def test_two_genres_of_gtzan(tmp_path: Path) -> None:
    gtzan(tmp_path / "Data" / "genres_original", ".wav")
    for genre in GTZAN_GENRES[2:]:
        shutil.rmtree(tmp_path / "Data" / "genres_original" / genre)
    assert (read(tmp_path).name, read(tmp_path).genres) == ("GTZAN", ("blues", "classical"))


def test_gtzan_among_other_music_is_not_all_that_counts(tmp_path: Path) -> None:
    gtzan(tmp_path, ".wav", n=1)
    touch(*(tmp_path / "techno" / f"{i}.mp3" for i in range(10)))
    assert len(read(tmp_path).genres) == 11
    assert len(read(tmp_path, kind="gtzan").genres) == 10


def test_no_gtzan(tmp_path: Path) -> None:
    touch(tmp_path / "jazz" / "a.mp3")
    with pytest.raises(DatasetError, match=r"not named as .*blues/blues\.00000\.wav"):
        read(tmp_path, kind="gtzan")
    with pytest.raises(DatasetError, match=r"is a file; GTZAN is expected there"):
        read(tmp_path / "jazz" / "a.mp3", kind="gtzan")


# --- FMA ---

# In its real order and with the real quirks; the real table has 52 columns.
FMA_TOP = ["", "album", "album", "artist", "artist", "set", "set", "track", "track", "track"]
FMA_NAMES = ["", "id", "title", "id", "name", "split", "subset", "genre_top", "genres", "title"]
LONG = 'a line, and\nanother with "quotes" é\n' * 5_000  # more than the csv module's own limit


def fma_row(
    number: int, genre: str, artist: str, *, split: str = "training", subset: str = "small"
) -> list[str]:
    return [str(number), "1", LONG, artist, "A, B\n& C", split, subset, genre, "[21, 10]", "Food"]


FMA_ROWS = [
    fma_row(2, "Hip-Hop", "1"),
    fma_row(5, "Hip-Hop", "1"),
    fma_row(10, "Pop", "6", split="validation"),
    fma_row(140, "Folk", "54", split="test"),
    fma_row(141, "Folk", "", split="test"),
    fma_row(98565, "Pop", "7"),
    fma_row(99999, "Pop", "8"),
    fma_row(120000, "Jazz", "9", subset="medium"),
    fma_row(155000, "", "9", subset="large"),
]


def write_fma(folder: Path, rows: Sequence[Sequence[str]] = FMA_ROWS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "tracks.csv", "w", newline="", encoding="utf-8") as file:
        header = [FMA_TOP, FMA_NAMES, ["track_id"] + [""] * (len(FMA_TOP) - 1)]
        csv.writer(file).writerows([*header, *rows])
    return folder / "tracks.csv"


def clips(folder: Path, *numbers: int, suffix: str = ".mp3") -> None:
    touch(*(folder / f"{n // 1000:03d}" / f"{n:06d}{suffix}" for n in numbers))


SMALL = (2, 5, 10, 140, 141, 98565)


@pytest.mark.parametrize(
    ("metadata", "audio_folder", "named"),
    [
        ("fma_metadata", "fma_small", "."),
        ("fma_metadata", "fma_small", "fma_metadata"),
        ("fma_metadata", "fma_small", "fma_metadata/tracks.csv"),
        ("fma_metadata", "fma_small", "fma_small"),
        ("fma_metadata/fma_metadata", "fma_small/fma_small", "."),
        ("fma_metadata/fma_metadata", "fma_small/fma_small", "fma_small"),
        ("fma_metadata/fma_metadata", "fma_small/fma_small", "fma_small/fma_small"),
        (".", "fma_small", "."),
        (".", "fma_small", "fma_small"),
        (".", ".", "."),
        ("fma_small", "fma_small", "fma_small"),
        ("meta", "fma_small", "meta"),
        ("fma_metadata", "fma_large", "."),
    ],
)
def test_fma_wherever_it_lies(tmp_path: Path, metadata: str, audio_folder: str, named: str) -> None:
    table = write_fma(tmp_path / "x" / metadata)
    clips(tmp_path / "x" / audio_folder, *SMALL)
    touch(tmp_path / "x" / audio_folder / "README.txt", tmp_path / "x" / audio_folder / "checksums")
    found = read(tmp_path / "x" / named)
    assert found.name == "FMA small"
    rows = [(t.path.name, t.genre, t.part, t.artist_known) for t in found.tracks]
    assert rows == [
        ("000002.mp3", "Hip-Hop", "training", True),
        ("000005.mp3", "Hip-Hop", "training", True),
        ("000010.mp3", "Pop", "validation", True),
        ("000140.mp3", "Folk", "test", True),
        ("000141.mp3", "Folk", "test", True),  # known by name alone
    ]
    groups = [track.group for track in found.tracks]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 4
    assert [track.path.is_file() for track in found.tracks] == [True] * 5
    assert found.skipped == (
        (table, "clips known to be damaged: 1"),
        (table, "listed files that are not there: 1, the first 099999.mp3"),
    )


def test_subsets_of_fma_contain_the_smaller_ones(tmp_path: Path) -> None:
    write_fma(tmp_path / "fma_metadata")
    clips(tmp_path / "fma_small", *SMALL, 99999)
    clips(tmp_path / "fma_full", *SMALL, 99999, 120000, 155000)
    for subset, genres in {
        "small": ("Folk", "Hip-Hop", "Pop"),
        "medium": ("Folk", "Hip-Hop", "Jazz", "Pop"),
        "large": ("Folk", "Hip-Hop", "Jazz", "Pop"),
    }.items():
        found = read(tmp_path, subset=subset)  # type: ignore[arg-type]
        assert found.genres == genres
        assert found.name == f"FMA {subset}"
        # Clips are taken where there are some, whole tracks elsewhere.
        assert by_name(found)["000002.mp3"].path.is_relative_to(tmp_path / "fma_small")
    assert by_name(found)["120000.mp3"].path.is_relative_to(tmp_path / "fma_full")
    assert "tracks without a single top genre: 1" in [reason for _, reason in found.skipped]
    # Whole tracks are not damaged as their clips are.
    full = read(tmp_path / "fma_full", subset="full")
    assert "098565.mp3" in by_name(full)
    assert by_name(full)["000002.mp3"].path.is_relative_to(tmp_path / "fma_full")


def test_fma_in_another_format(tmp_path: Path) -> None:
    write_fma(tmp_path)
    clips(tmp_path / "wav", *SMALL, suffix=".wav")
    assert "000140.wav" in by_name(read(tmp_path))


def test_odd_rows_of_fma(tmp_path: Path) -> None:
    odd = [["x2", *FMA_ROWS[0][1:]], FMA_ROWS[0][:4], [], FMA_ROWS[1], ["²", *FMA_ROWS[0][1:]]]
    nameless = fma_row(7, "Pop", "")
    nameless[4] = " "
    table = write_fma(tmp_path, [*FMA_ROWS, nameless, *odd])
    content = table.read_bytes().replace(b"Food", b"F\xff\x00d", 1)
    table.write_bytes(content)
    clips(tmp_path, *SMALL, 7, 99999)
    found = read(tmp_path)
    assert len(found.tracks) == 7
    last = by_name(found)["000007.mp3"]
    assert (last.artist_known, last.group) == (False, str(last.path))
    assert [reason for _, reason in found.skipped] == [
        "clips known to be damaged: 1",
        "damaged rows: 4",
        "repeated rows: 1",
    ]


def test_no_fma(tmp_path: Path) -> None:
    hint = r"fma_metadata\.zip and fma_small\.zip.* with fma_metadata/tracks\.csv"
    with pytest.raises(DatasetError, match=rf"there is no tracks\.csv of FMA; .*{hint}"):
        read(tmp_path, kind="fma")
    write_fma(tmp_path / "fma_metadata")
    with pytest.raises(DatasetError, match=rf"files that are not there: 6.*{hint}"):
        read(tmp_path)
    (tmp_path / "fma_metadata" / "tracks.csv").write_text("clip,genre\n")
    with pytest.raises(DatasetError, match=hint):
        read(tmp_path, kind="fma")
    with pytest.raises(DatasetError, match=hint):
        read(tmp_path / "fma_metadata" / "tracks.csv", kind="fma")


def test_a_table_of_the_same_name_is_not_fma(tmp_path: Path) -> None:
    touch(tmp_path / "jazz" / "a.mp3", tmp_path / "rock" / "b.mp3")
    (tmp_path / "tracks.csv").write_text("path,genre\njazz/a.mp3,bebop\nrock/b.mp3,metal\n")
    assert read(tmp_path).genres == ("jazz", "rock")
    assert read(tmp_path / "tracks.csv").genres == ("bebop", "metal")


# --- tables of files ---


def write_table(
    path: Path,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> Path:
    """Write a table, and the files that its first column names."""
    touch(*(path.parent / row[0] for row in rows if row[0]))
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([columns, *rows])
    return path


COLUMNS = ["clip", "genre", "artist", "fold", "split"]
ROWS = [
    ("clips/a.opus", "blues", "B. B. Kíng", "0", "train"),
    ("clips/b.opus", "blues", "b. b.  ki\u0301ng", "", "Validation"),
    ("clips/c, d.opus", "rock", "", "12", ""),
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("first", ["clip", "path", " Path"])
def test_a_table_of_files(tmp_path: Path, first: str, delimiter: str, encoding: str) -> None:
    columns = [first, *COLUMNS[1:]]
    table = write_table(tmp_path / "all.csv", columns, ROWS, delimiter=delimiter, encoding=encoding)
    c = tmp_path / "clips" / "c, d.opus"
    assert read(table) == Collection(
        name="all.csv",
        tracks=(
            LabelledTrack(
                path=tmp_path / "clips" / "a.opus",
                genre="blues",
                group="b. b. kíng",
                artist_known=True,
                fold=0,
                part="training",
            ),
            LabelledTrack(
                path=tmp_path / "clips" / "b.opus",
                genre="blues",
                group="b. b. kíng",
                artist_known=True,
                part="validation",
            ),
            LabelledTrack(path=c, genre="rock", group=str(c), fold=12),
        ),
    )
    assert read(table).n_groups_known == 2


def test_columns_may_be_missing_and_others_be_there(tmp_path: Path) -> None:
    rows = [("1", "jazz", str(tmp_path / "a.mp3")), ("2", "rock", "x/../b.mp3")]
    touch(tmp_path / "a.mp3", tmp_path / "b.mp3", tmp_path / "x" / "y")
    table = write_table(tmp_path / "all.csv", ["number", "genre", "path"], rows)
    a, b = read(table).tracks
    assert (a.path, b.path) == (tmp_path / "a.mp3", tmp_path / "b.mp3")
    assert (a.fold, a.part, a.artist_known) == (None, None, False)


def test_rows_that_cannot_be_used(tmp_path: Path) -> None:
    odd = [
        ("", "blues", "", "", ""),
        ("clips/e.opus", " ", "", "", ""),
        ("clips/../clips/a.opus", "jazz", "Another", "3", "test"),
        ("clips/f.opus",),
    ]
    table = write_table(tmp_path / "all.csv", COLUMNS, [*ROWS, *odd])
    with open(table, "a", encoding="utf-8") as file:
        file.write("clips/gone.opus,blues,Nobody,0,test\n\nclips/a.opus,blues,,,,too,many\n")
    found = read(table)
    assert len(found.tracks) == 3
    assert by_name(found)["a.opus"].genre == "blues"
    assert reasons(found) == [
        "all.csv: rows without a file or its genre: 3",
        "all.csv: rows that name a file again: 2",
        "all.csv: listed files that are not there: 1, the first clips/gone.opus",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks a column.*clip"),
        (b"clip,artist\na,b\n", "lacks a column.*clip"),
        (b"file,genre\na,b\n", "lacks a column.*clip"),
        (b"clip,genre\n", "there is no music; a table of at least two genres"),
        (b"clip,genre\nx.mp3,jazz\ny.mp3,rock\n", "files that are not there: 2"),
        (b"clip,genre\na.mp3,jazz\nb.mp3,jazz\n", r"one genre only \(jazz\)"),
        (b"clip,genre,fold\na.mp3,jazz,one\n", r"line 2: fold is 'one'; make it a whole"),
        (b"clip,genre,fold\na.mp3,jazz,1\nb.mp3,rock,-1\n", r"line 3: fold is '-1'"),
        (b"clip,genre,split\na.mp3,jazz,tset\n", r"line 2: split is 'tset'; make it training"),
        (b"clip,genre\na.mp3,caf\xe9\n", "not UTF-8 text; save it as CSV in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
        (b"clip,genre\na.mp3," + b"x" * 200_000, "not a table.*field"),
    ],
)
def test_no_table(tmp_path: Path, content: bytes, message: str) -> None:
    touch(tmp_path / "a.mp3", tmp_path / "b.mp3")
    (tmp_path / "all.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read(tmp_path / "all.csv")
    assert str(tmp_path / "all.csv") in str(caught.value)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is a folder without manifest\.csv; a table of"):
        read(tmp_path, kind="csv")


def test_the_folder_of_a_manifest(tmp_path: Path) -> None:
    table = write_table(tmp_path / "manifest.csv", COLUMNS, ROWS)
    touch(tmp_path / "more" / "d.mp3")
    for kind in ("auto", "csv"):
        assert read(tmp_path, kind=kind) == read(table)
    assert read(tmp_path, kind="folders").genres == ("clips", "more")


def test_a_pipe_is_no_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "all.csv")
    with pytest.raises(DatasetError, match="there is no such folder or file"):
        read(tmp_path / "all.csv")


def test_a_real_table(audio: Path) -> None:
    found = read(audio / "manifest.csv")
    assert len(found.tracks) == 1_808
    assert len(found.genres) == 18
    assert found.skipped == ()
    by_group: dict[str, set[int | None]] = {}
    for track in found.tracks:
        by_group.setdefault(track.group, set()).add(track.fold)
    assert {len(folds) for folds in by_group.values()} == {1}

"""Files that hold several recordings: images with CUE sheets, and mixes in parts."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender import audio, spectrogram
from recommender.analysis import Progress, scan
from recommender.analysis.listening import listen
from recommender.analysis.sections import Options, divide, section_hash
from recommender.errors import ParameterError
from recommender.library import WHOLE, Library, Section, Track
from recommender.parameters import SpectrogramParams
from stored import assert_kept
from test_analysis import SR, BandMeans, figures, no_work, noise, write_mp3, write_wav

STARTS_S = (0, 9 + 1 / 75, 20)
LENGTH_S = 37


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "home" / "library.db") as library:
        yield library


def sheet(
    file: str = "album.wav", starts: Sequence[str] = ("00:00:00", "00:09:01", "00:20:00")
) -> str:
    lines = ['PERFORMER "The Band"', 'TITLE "The Album"', f'FILE "{file}" WAVE']
    for n, start in enumerate(starts, start=1):
        lines += [f"TRACK {n:02} AUDIO", f'TITLE "Song {n}"', f"INDEX 01 {start}"]
    return "\r\n".join(lines)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Folder with an image of three tracks, its sheet, and a file that is a track by itself."""
    folder = tmp_path / "music"
    write_wav(folder / "album.wav", noise(LENGTH_S, seed=0))
    write_wav(folder / "single.wav", noise(9, seed=1))
    (folder / "album.cue").write_text(sheet())
    return folder


def rows(library: Library, *under: Path) -> list[tuple[str, float | None, float | None, int]]:
    tracks = library.tracks("band means", under)
    return [(t.path.name, t.start_s, t.end_s, t.n_fragments) for t in tracks]


THREE: list[tuple[str, float, float | None, int]] = [
    ("album.wav", 0, STARTS_S[1], 1),
    ("album.wav", STARTS_S[1], 20, 1),
]
THREE += [("album.wav", 20, None, 2)]
SINGLE = ("single.wav", None, None, 1)


def values(library: Library, tracks: Sequence[Track]) -> list[NDArray[np.float32]]:
    return [x for _, x in library.features([track.id for track in tracks], "band means")]


# Images -------------------------------------------------------------------------------------------


def test_an_image_becomes_its_tracks(library: Library, album: Path) -> None:
    report = scan(library, [album], BandMeans(), jobs=2)
    assert figures(report) == (2, 0, 0, 2)
    assert report.warnings == report.failures == report.skipped == ()
    assert rows(library) == [*THREE, SINGLE]
    tracks = library.tracks("band means", [album / "album.wav"])
    assert [(t.artist, t.title, t.album) for t in tracks] == [
        ("The Band", f"Song {n}", "The Album") for n in (1, 2, 3)
    ]
    cuts = [0, 397_488, 882_000, LENGTH_S * SR]  # 9 s and a frame of a CD
    assert [t.duration_s for t in tracks] == [n / SR for n in np.diff(cuts)]
    y = noise(LENGTH_S, seed=0)
    for found, start, end in zip(values(library, tracks), cuts, cuts[1:], strict=False):
        alone = BandMeans()(spectrogram.transform(y[start:end], SpectrogramParams()))
        assert_kept(found, alone)
    counts = library.counts()
    assert (counts.n_tracks, counts.n_files) == (4, 2)


def test_an_image_is_decoded_once(
    library: Library, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    decode = audio.blocks

    def blocks(path: Path, *, sr: int) -> Iterator[NDArray[np.int16]]:
        decoded.append(path.name)
        return decode(path, sr=sr)

    monkeypatch.setattr(audio, "blocks", blocks)
    for n in range(3):
        (album / f"copy {n}").mkdir()
        shutil.copy(album / "album.wav", album / f"copy {n}/album.wav")
        shutil.copy(album / "album.cue", album / f"copy {n}/album.cue")
    assert figures(scan(library, [album], BandMeans(), jobs=3)) == (5, 0, 3, 2)
    assert sorted(decoded) == ["album.wav", "single.wav"]
    assert library.counts().n_tracks == 4


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 400_000), min_size=1, max_size=5, unique=True).map(sorted),
    st.lists(st.integers(1, 90_000), min_size=4, max_size=12),
    st.booleans(),
)
def test_sections_sound_as_if_they_were_files(
    cuts: list[int], sizes: list[int], to_the_end: bool
) -> None:
    """However the decoder's blocks lie, and with gaps between sections."""
    params = SpectrogramParams(n_frames=8)
    y = noise(sum(sizes) / SR, seed=0)
    cuts = [min(cut, y.size) for cut in cuts]
    ends = [*cuts[1:], None if to_the_end else y.size]
    sections = [
        Section(number=n, start_s=start / SR, end_s=None if end is None else end / SR)
        for n, (start, end) in enumerate(zip(cuts, ends, strict=True), start=1)
    ][::2]
    blocks = iter(np.split(y, np.cumsum(sizes)[:-1]))

    def decoded(_: Path, *, sr: int) -> Iterator[NDArray[np.int16]]:
        assert sr == SR
        yield from blocks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audio, "blocks", decoded)
        heard = listen(Path("a.wav"), sections, BandMeans(params), threading.Event())
    assert heard.file_s == y.size / SR
    for section in sections:
        start = round((section.start_s or 0) * SR)
        alone = y[start : None if section.end_s is None else round(section.end_s * SR)]
        fragments = spectrogram.transform(alone, params)
        assert heard.durations_s.get(section, 0) == alone.size / SR
        if len(fragments):
            expected = BandMeans(params)(fragments).astype(np.float16)
            np.testing.assert_array_equal(heard.features[section], expected)
        else:
            assert section not in heard.features


def test_the_number_of_jobs_changes_nothing(tmp_path: Path, album: Path) -> None:
    found = []
    for jobs in (1, 3):
        with Library.open(tmp_path / f"{jobs}.db") as library:
            scan(library, [album], BandMeans(), jobs=jobs)
            tracks = library.tracks("band means")
            written = [x.tobytes() for x in values(library, tracks)]
            found.append((written, [t.content_hash for t in tracks]))
    assert found[0] == found[1]


def test_a_file_alone_is_divided_too(library: Library, album: Path) -> None:
    scan(library, [album / "album.wav"], BandMeans(), jobs=1)
    assert rows(library) == THREE
    assert figures(scan(library, [album], BandMeans(), jobs=1)) == (2, 1, 0, 1)


def test_identity_is_the_sound_and_where_it_lies() -> None:
    first = Section(number=1, start_s=0.0, end_s=9.0)
    assert section_hash("a" * 64, WHOLE) == "a" * 64
    hashes = {
        section_hash(content, section)
        for content in ("a" * 64, "b" * 64)
        for section in (first, Section(number=1, start_s=0.0), Section(number=1, end_s=8.0))
    }
    assert len(hashes) == 6
    assert section_hash("a" * 64, first) == section_hash(
        "a" * 64, Section(number=7, start_s=1e-7, end_s=9.0)
    )


# What is not done again ---------------------------------------------------------------------------


def test_a_second_scan_only_looks(
    library: Library, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(library, [album], BandMeans(), jobs=1)
    no_work(monkeypatch, "blocks", "content_hash", "read_tags")
    assert figures(scan(library, [album], BandMeans(), jobs=1)) == (2, 2, 0, 0)
    assert rows(library) == [*THREE, SINGLE]


def test_moved_with_its_sheet_it_is_not_decoded(
    library: Library, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(library, [album], BandMeans(), jobs=1)
    (album / "new").mkdir()
    for name in ("album.wav", "album.cue"):
        (album / name).rename(album / "new" / name)
    no_work(monkeypatch, "blocks")
    report = scan(library, [album], BandMeans(), jobs=1)
    assert (figures(report), report.n_moved, report.n_gone) == ((2, 1, 1, 0), 1, 0)
    assert rows(library) == [*THREE, SINGLE]


def test_new_titles_take_no_decoding(
    library: Library, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(library, [album], BandMeans(), jobs=1)
    with monkeypatch.context() as patch:
        no_work(patch, "blocks")
        (album / "album.cue").write_text(sheet().replace("Song", "Lied"))
        assert figures(scan(library, [album], BandMeans(), jobs=1)) == (2, 1, 1, 0)
    assert [t.title for t in library.tracks("band means")][:3] == ["Lied 1", "Lied 2", "Lied 3"]
    (album / "album.cue").write_text(sheet(starts=("00:00:00", "00:09:01", "00:25:00")))
    assert figures(scan(library, [album], BandMeans(), jobs=1)) == (2, 1, 0, 1)
    found = library.tracks("band means", [album / "album.wav"])
    assert [t.start_s for t in found] == [0, STARTS_S[1], 25]
    assert [round(t.duration_s) for t in found] == [9, 16, 12]  # the second ends elsewhere now


def test_a_sheet_that_comes_and_goes(
    library: Library, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (album / "album.cue").rename(album / "away")
    scan(library, [album], BandMeans(), jobs=1)
    whole = ("album.wav", None, None, 4)
    assert rows(library) == [whole, SINGLE]
    (album / "away").rename(album / "album.cue")
    assert figures(scan(library, [album], BandMeans(), jobs=1)) == (2, 1, 0, 1)
    assert rows(library) == [*THREE, SINGLE]
    (album / "album.cue").unlink()
    no_work(monkeypatch, "blocks")
    assert figures(scan(library, [album], BandMeans(), jobs=1)) == (2, 1, 1, 0)
    assert rows(library) == [whole, SINGLE]


# What goes wrong ----------------------------------------------------------------------------------


def test_a_damaged_sheet_costs_the_sheet(library: Library, album: Path) -> None:
    (album / "album.cue").write_text("no sheet at all")
    for unchanged in (0, 2):
        report = scan(library, [album], BandMeans(), jobs=1)
        assert (report.n_unchanged, report.failures) == (unchanged, ())
        reason = "names no track; is this a CUE sheet?; it is not used"
        assert report.warnings == ((album / "album.cue", reason),)
        assert [(f.path, f.reason) for f in library.failures()] == list(report.warnings)
        assert rows(library) == [("album.wav", None, None, 4), SINGLE]
    (album / "album.cue").write_text(sheet())
    assert scan(library, [album], BandMeans(), jobs=1).warnings == ()
    assert library.failures() == []
    assert rows(library) == [*THREE, SINGLE]


def test_tracks_beyond_the_end_are_left_out(library: Library, album: Path) -> None:
    starts = ("00:00:00", "00:20:00", "00:36:30", "01:00:00")  # the third has 0.6 s
    (album / "album.cue").write_text(sheet(starts=starts))
    reason = "album.cue: 2 tracks too short, or beyond the file's end"
    for unchanged in (0, 2):
        report = scan(library, [album], BandMeans(), jobs=1)
        assert (report.n_unchanged, report.warnings) == (
            unchanged,
            ((album / "album.wav", reason),),
        )
    assert [row[1:3] for row in rows(library, album / "album.wav")] == [(0, 20), (20, 36.4)]
    (album / "album.cue").write_text(sheet(starts=("02:00:00", "03:00:00")))
    ((_, reason),) = scan(library, [album], BandMeans(), jobs=1).warnings
    assert reason == "album.cue does not fit: its tracks lie beyond the file's end"
    assert rows(library) == [("album.wav", None, None, 4), SINGLE]
    assert library.warnings() == [(album / "album.wav", reason)]


def test_an_image_that_is_cut_off(library: Library, tmp_path: Path) -> None:
    path = write_mp3(tmp_path / "album.mp3", noise(40, seed=0))
    (tmp_path / "album.cue").write_text(sheet(starts=("00:00:00", "00:10:00", "00:30:00")))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for unchanged in (0, 1):
        report = scan(library, [path], BandMeans(), jobs=1)
        assert (report.n_unchanged, report.failures) == (unchanged, ())
        ((warned, reason),) = report.warnings
        assert warned == path
        assert "1 track too short, or beyond the file's end; only 20 of 40 s could be" in reason
        assert [row[1:3] for row in rows(library)] == [(0, 10), (10, 30)]


def test_an_image_that_cannot_be_decoded_is_one_failure(library: Library, album: Path) -> None:
    (album / "album.wav").write_bytes(b"no sound at all")
    report = scan(library, [album], BandMeans(), jobs=1)
    assert [path.name for path, _ in report.failures] == ["album.wav"]
    assert rows(library) == [SINGLE]


def test_ctrl_c_writes_no_half_of_an_image(
    library: Library, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = audio.blocks
    begun = threading.Event()

    def endless(path: Path, *, sr: int) -> Iterator[NDArray[np.int16]]:
        yield from decode(path, sr=sr)
        if path.name == "album.wav":
            begun.set()
            while True:
                yield noise(0.1, seed=0)

    def interrupt_soon(progress: Progress) -> None:
        if progress.path == album / "single.wav":
            begun.wait(10)
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    monkeypatch.setattr(audio, "blocks", endless)
    with pytest.raises(KeyboardInterrupt):
        scan(library, [album], BandMeans(), jobs=2, on_progress=interrupt_soon)
    assert rows(library) == [SINGLE]
    monkeypatch.undo()
    assert figures(scan(library, [album], BandMeans(), jobs=2)) == (2, 1, 0, 1)


# Long files ---------------------------------------------------------------------------------------


def test_parts_of_a_mix(library: Library, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mix = write_wav(album / "mix.wav", noise(50, seed=2))
    report = scan(library, [album], BandMeans(), jobs=2, section_s=20)
    assert figures(report) == (3, 0, 0, 3)
    parts = [("mix.wav", 0, 20, 2), ("mix.wav", 20, 40, 2), ("mix.wav", 40, None, 1)]
    # What a sheet divides is divided by it alone.
    assert rows(library) == [*THREE, *parts, SINGLE]
    assert [t.duration_s for t in library.tracks("band means", [mix])] == [20, 20, 10]
    scan(library, [album], BandMeans(), jobs=2)
    assert rows(library, mix) == [("mix.wav", None, None, 6)]
    no_work(monkeypatch, "blocks")  # all of this is known now
    assert figures(scan(library, [album], BandMeans(), jobs=2, section_s=20)) == (3, 2, 1, 0)
    assert rows(library, mix) == parts
    assert figures(scan(library, [album], BandMeans(), jobs=2, section_s=20)) == (3, 3, 0, 0)
    assert figures(scan(library, [album], BandMeans(), jobs=2)) == (3, 2, 1, 0)


@pytest.mark.parametrize(
    ("file_s", "cuts_s"),
    [(None, []), (10, []), (29.9, []), (30, [0, 20]), (49.9, [0, 20]), (50, [0, 20, 40])],
)
def test_where_mixes_are_cut(file_s: float | None, cuts_s: list[float]) -> None:
    """The last part has half to one and a half of the length; shorter files stay whole."""
    division = divide(file_s, None, Options(section_s=20))
    if not cuts_s:
        assert division.sections == (WHOLE,)
        return
    assert [s.start_s for s in division.sections] == cuts_s
    assert [s.end_s for s in division.sections] == [*cuts_s[1:], None]
    assert [s.number for s in division.sections] == list(range(1, len(cuts_s) + 1))


def test_parts_begin_on_whole_samples() -> None:
    for section in divide(1000, None, Options(section_s=12.345678)).sections:
        assert section.start_s is not None
        assert section.start_s == round(section.start_s * SR) / SR


def test_long_files_are_left_out_and_nothing_is_written_of_them(
    library: Library, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = write_wav(album / "mix.wav", noise(50, seed=2))
    with monkeypatch.context() as patch:
        hash_one = audio.content_hash
        patch.setattr(audio, "content_hash", lambda path: path == mix or hash_one(path))
        for unchanged in (0, 2):
            report = scan(library, [album], BandMeans(), jobs=2, max_duration_s=45)
            assert (report.n_seen, report.n_unchanged, report.n_skipped) == (3, unchanged, 1)
            assert report.skipped == ((mix, "longer than 0.75 min"),)
            assert report.failures == ()
    names = {str(album / name) for name in ("album.wav", "single.wav")}
    assert library.states("band means").keys() == names
    assert figures(scan(library, [album], BandMeans(), jobs=2)) == (3, 2, 0, 1)
    report = scan(library, [album], BandMeans(), jobs=2, max_duration_s=45)
    assert (report.n_unchanged, report.n_skipped) == (2, 1)
    assert rows(library, mix) == [("mix.wav", None, None, 6)]  # still known
    assert library.tracks("band means", [mix], max_duration_s=45) == []


def test_a_file_that_has_become_too_long_is_not_what_it_was(library: Library, album: Path) -> None:
    single = album / "single.wav"
    scan(library, [single], BandMeans(), jobs=1)
    write_wav(single, noise(50, seed=2))
    assert scan(library, [single], BandMeans(), jobs=1, max_duration_s=45).n_skipped == 1
    assert rows(library) == []


def test_tracks_of_an_image_count_each(library: Library, album: Path) -> None:
    report = scan(library, [album], BandMeans(), jobs=1, max_duration_s=12)
    reason = "track 3 of the CUE sheet is longer than 0.2 min"
    assert report.skipped == ((album / "album.wav", reason),)
    assert (report.n_analysed, report.n_skipped) == (2, 0)
    assert rows(library) == [*THREE[:2], SINGLE]
    again = scan(library, [album], BandMeans(), jobs=1, max_duration_s=12)
    assert (again.n_unchanged, again.skipped) == (2, report.skipped)
    assert figures(scan(library, [album], BandMeans(), jobs=1)) == (2, 1, 0, 1)
    assert rows(library) == [*THREE, SINGLE]
    again = scan(library, [album], BandMeans(), jobs=1, max_duration_s=12)
    assert (again.n_unchanged, again.skipped) == (2, report.skipped)
    assert rows(library) == [*THREE, SINGLE]
    report = scan(library, [album], BandMeans(), jobs=1, max_duration_s=5)
    assert (report.n_unchanged, report.n_skipped, len(report.skipped)) == (0, 2, 4)


def test_length_that_tags_do_not_tell_is_measured(
    library: Library, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = write_wav(album / "mix.wav", noise(50, seed=2))
    monkeypatch.setattr(audio, "read_tags", lambda _: audio.Tags())
    report = scan(library, [mix], BandMeans(), jobs=1, max_duration_s=45)
    assert report.skipped == ((mix, "longer than 0.75 min"),)
    scan(library, [mix], BandMeans(), jobs=1, section_s=20)
    assert [row[1] for row in rows(library)] == [0, 20, 40]
    assert figures(scan(library, [mix], BandMeans(), jobs=1, section_s=20)) == (1, 1, 0, 0)
    scan(library, [album], BandMeans(), jobs=1)
    assert figures(scan(library, [album], BandMeans(), jobs=1)) == (3, 3, 0, 0)
    assert rows(library)[:3] == THREE


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["max_duration_s", "section_s"])
def test_refuses_lengths_that_make_no_sense(
    library: Library, album: Path, name: str, value: float
) -> None:
    with pytest.raises(ParameterError, match=name):
        scan(library, [album], BandMeans(), jobs=1, **{name: value})  # type: ignore[arg-type]

"""Analysis of a few windows: which, what they give, and how it lives beside full analysis."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender import audio, preprocessor
from recommender.analysis import Progress, scan
from recommender.analysis.listening import WindowParams, window_numbers
from recommender.errors import AudioDecodeError
from recommender.library import Library
from stored import assert_kept
from test_analysis import SR, BandMeans, figures, no_work, noise, write_mp3, write_wav
from test_sections import sheet

N_S = 8 * 13 + 3  # 13 fragments, of which 3 stand for all


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "home" / "library.db") as library:
        yield library


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one long track and one that is too short for windows."""
    folder = tmp_path_factory.mktemp("music")
    write_wav(folder / "long.wav", noise(N_S, seed=0))
    write_wav(folder / "short.wav", noise(31, seed=1))
    return folder


def features(library: Library, *under: Path) -> list[NDArray[np.float32]]:
    ids = [track.id for track in library.tracks("band means", under)]
    return [values for _, values in library.features(ids, "band means")]


def how(library: Library) -> dict[str, tuple[bool, int]]:
    tracks = library.tracks("band means")
    return {track.path.name: (track.fast, track.n_fragments) for track in tracks}


# Which windows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_fragments", "chosen"),
    [
        (0, []),
        (1, [0]),
        (3, [0, 1, 2]),
        (4, [0, 2, 3]),
        (9, [1, 4, 7]),
        (13, [2, 6, 10]),
        (30, [2, 6, 10, 15, 19, 23, 27]),
        (1000, [50, 150, 250, 350, 450, 550, 650, 750, 850, 950]),
    ],
)
def test_windows_are_spread_evenly(n_fragments: int, chosen: list[int]) -> None:
    assert window_numbers(n_fragments) == chosen


@given(st.integers(0, 5000), st.integers(1, 9), st.integers(1, 9), st.integers(1, 30))
def test_windows_are_what_the_parameters_say(n: int, one_in: int, low: int, high: int) -> None:
    params = WindowParams(one_in=one_in, n_min=low, n_max=max(low, high))
    chosen = window_numbers(n, params)
    k = len(chosen)
    assert k == min(n, max(low, min(max(low, high), n // one_in)))
    assert chosen == [int(np.floor((j + 0.5) * n / k + 1e-9)) for j in range(k)]
    assert chosen == sorted(set(chosen))
    assert not chosen or (chosen[0] >= 0 and chosen[-1] < n)


# What they give -----------------------------------------------------------------------------------


def test_what_is_heard_is_a_part_of_the_whole(library: Library, tracks: Path) -> None:
    path = tracks / "long.wav"
    assert figures(scan(library, [path], BandMeans(), jobs=1, fast=True)) == (1, 0, 0, 1)
    assert how(library) == {"long.wav": (True, 3)}
    assert library.tracks("band means")[0].duration_s == N_S
    (few,) = features(library)
    assert figures(scan(library, [path], BandMeans(), jobs=1)) == (1, 0, 0, 1)
    (all_of_them,) = features(library)
    np.testing.assert_array_equal(few, all_of_them[[2, 6, 10]])


def test_windows_of_an_mp3_are_those_of_the_whole(library: Library, tmp_path: Path) -> None:
    path = write_mp3(tmp_path / "long.mp3", noise(N_S, seed=0))
    scan(library, [path], BandMeans(), jobs=1, fast=True)
    (few,) = features(library)
    scan(library, [path], BandMeans(), jobs=1)
    (all_of_them,) = features(library)
    np.testing.assert_array_equal(few, all_of_them[[2, 6, 10]])


@pytest.mark.parametrize("name", ["default", "thesis"])
def test_what_is_shipped_hears_the_same_in_windows(
    library: Library, tmp_path: Path, name: str
) -> None:
    network = preprocessor.load(name)
    path = write_mp3(tmp_path / "long.mp3", noise(N_S, seed=0))
    for fast, numbers in ((True, [2, 6, 10]), (False, range(13))):
        scan(library, [path], network, jobs=1, fast=fast)
        (track,) = library.tracks(network.fingerprint)
        ((_, found),) = library.features([track.id], network.fingerprint)
        y = np.concatenate(list(audio.blocks(path, sr=SR)))
        expected = network.transform(y)[list(numbers)]
        assert_kept(found, expected)


def test_only_windows_are_decoded(
    library: Library, tracks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[int], int]] = []
    decode = audio.windows

    def windows(
        path: Path, starts: Sequence[int], length: int, *, sr: int
    ) -> Iterator[tuple[int, NDArray[np.int16]]]:
        asked.append((list(starts), length))
        return decode(path, starts, length, sr=sr)

    monkeypatch.setattr(audio, "windows", windows)
    no_work(monkeypatch, "blocks")
    scan(library, [tracks / "long.wav"], BandMeans(), jobs=1, fast=True)
    assert asked == [([i * 8 * SR for i in (2, 6, 10)], 8 * SR)]


def test_short_files_are_heard_whole(
    library: Library, tracks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_work(monkeypatch, "windows")
    scan(library, [tracks / "short.wav"], BandMeans(), jobs=1, fast=True)
    assert how(library) == {"short.wav": (False, 3)}


def test_files_of_unknown_length_are_heard_whole(
    library: Library, tracks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "read_tags", lambda _: audio.Tags())
    no_work(monkeypatch, "windows")
    scan(library, [tracks / "long.wav"], BandMeans(), jobs=1, fast=True)
    assert how(library) == {"long.wav": (False, 13)}


@pytest.mark.parametrize("n_found", [0, 2])
def test_windows_that_are_not_there(
    library: Library, tracks: Path, monkeypatch: pytest.MonkeyPatch, n_found: int
) -> None:
    decode = audio.windows

    def windows(
        path: Path, starts: Sequence[int], length: int, *, sr: int
    ) -> Iterator[tuple[int, NDArray[np.int16]]]:
        return decode(path, starts[:n_found], length, sr=sr)

    monkeypatch.setattr(audio, "windows", windows)
    scan(library, [tracks / "long.wav"], BandMeans(), jobs=1, fast=True)
    # Without any, the whole is heard.
    assert how(library) == {"long.wav": (True, 2) if n_found else (False, 13)}


def test_a_decoder_that_fails_costs_the_file(
    library: Library, tracks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def windows(path: Path, *_: object, **__: object) -> Iterator[None]:
        raise AudioDecodeError(f"{path}: the decoder was killed")
        yield

    monkeypatch.setattr(audio, "windows", windows)
    report = scan(library, [tracks], BandMeans(), jobs=2, fast=True)
    assert report.failures == ((tracks / "long.wav", "the decoder was killed"),)
    assert report.n_analysed == 1


def test_ctrl_c_ends_promptly(
    library: Library, tracks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_done, ended = threading.Event(), threading.Event()

    def endless(
        _: Path, starts: Sequence[int], length: int, *, sr: int
    ) -> Iterator[tuple[int, NDArray[np.int16]]]:
        assert short_done.wait(10)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            while True:
                yield starts[0], noise(length / sr, seed=0)
        finally:
            ended.set()

    def notice(progress: Progress) -> None:
        if progress.path == tracks / "short.wav":
            short_done.set()

    monkeypatch.setattr(audio, "windows", endless)
    with pytest.raises(KeyboardInterrupt):
        scan(library, [tracks], BandMeans(), jobs=2, fast=True, on_progress=notice)
    assert ended.is_set()
    assert how(library) == {"short.wav": (False, 3)}


def test_windows_within_sections(library: Library, tmp_path: Path) -> None:
    starts = ("00:00:00", "00:50:37", "01:15:00")  # 6, 3 and 4 fragments
    path = write_wav(tmp_path / "album.wav", noise(N_S, seed=0))
    (tmp_path / "album.cue").write_text(sheet(starts=starts))
    scan(library, [path], BandMeans(), jobs=1, fast=True)
    found = library.tracks("band means")
    assert [(t.fast, t.n_fragments) for t in found] == [(True, 3)] * 3
    assert [t.duration_s for t in found] == pytest.approx([50 + 37 / 75, 75 - 50 - 37 / 75, 32])
    few = features(library)
    scan(library, [path], BandMeans(), jobs=1)
    assert [t.fast for t in library.tracks("band means")] == [False] * 3
    chosen = [[1, 3, 5], [0, 1, 2], [0, 2, 3]]
    for some, of_all, numbers in zip(few, features(library), chosen, strict=True):
        np.testing.assert_array_equal(some, of_all[numbers])


def test_a_section_without_a_whole_fragment_has_all_heard(library: Library, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "album.wav", noise(N_S, seed=0))
    (tmp_path / "album.cue").write_text(sheet(starts=("00:00:00", "00:50:00", "00:53:00")))
    scan(library, [path], BandMeans(), jobs=1, fast=True)
    assert [t.fast for t in library.tracks("band means")] == [False] * 3


# Beside full analysis -----------------------------------------------------------------------------


def test_fast_is_good_enough_for_fast_only(
    library: Library, tracks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(library, [tracks], BandMeans(), jobs=2, fast=True)
    assert how(library) == {"long.wav": (True, 3), "short.wav": (False, 3)}
    with monkeypatch.context() as patch:
        no_work(patch, "windows", "blocks", "content_hash", "read_tags")
        assert figures(scan(library, [tracks], BandMeans(), jobs=2, fast=True)) == (2, 2, 0, 0)
    assert figures(scan(library, [tracks], BandMeans(), jobs=2)) == (2, 1, 0, 1)
    assert how(library) == {"long.wav": (False, 13), "short.wav": (False, 3)}
    no_work(monkeypatch, "windows", "blocks", "content_hash", "read_tags")
    for fast in (True, False):
        assert figures(scan(library, [tracks], BandMeans(), jobs=2, fast=fast)) == (2, 2, 0, 0)
    assert how(library) == {"long.wav": (False, 13), "short.wav": (False, 3)}


def test_copies_of_what_was_heard_whole_are_known(
    library: Library, tracks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(library, [tracks], BandMeans(), jobs=1)
    no_work(monkeypatch, "windows", "blocks")
    copy = write_wav(tmp_path / "copy.wav", noise(N_S, seed=0))
    assert figures(scan(library, [copy], BandMeans(), jobs=1, fast=True)) == (1, 0, 1, 0)


def test_the_number_of_jobs_changes_nothing(tmp_path: Path, tracks: Path) -> None:
    found = []
    for jobs in (1, 3):
        with Library.open(tmp_path / f"{jobs}.db") as library:
            scan(library, [tracks], BandMeans(), jobs=jobs, fast=True)
            found.append([values.tobytes() for values in features(library)])
    assert found[0] == found[1]

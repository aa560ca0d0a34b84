import os
import shutil
import signal
import struct
import subprocess
import threading
import tracemalloc
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mutagen
import numpy as np
import pytest
from numpy.typing import NDArray

from recommender import audio, spectrogram
from recommender.analysis import Progress, ScanReport, scan
from recommender.audio import libav
from recommender.errors import LibraryError, ParameterError, RecommenderError
from recommender.library import Library
from recommender.parameters import SpectrogramParams
from stored import assert_kept

SR = 44_100


@dataclass(frozen=True)
class BandMeans:
    """Stands for a trained network: a fragment's mean over time, in its first 8 bands."""

    params: SpectrogramParams = SpectrogramParams()  # noqa: RUF009 (frozen)
    fingerprint: str = "band means"

    @property
    def window_length(self) -> int:
        return self.params.window_length

    def transform(self, y: NDArray[np.int16]) -> NDArray[np.float32]:
        return self(spectrogram.transform(y, self.params))

    def stream(self, blocks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.float32]]:
        for fragments in spectrogram.stream(blocks, self.params):
            yield self(fragments)

    def __call__(self, fragments: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(fragments.mean(axis=1)[:, :8])


def noise(duration_s: float, seed: int) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    return rng.integers(-9000, 9000, round(duration_s * SR)).astype(np.int16)


def write_wav(path: Path, y: NDArray[np.int16]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SR, 0, "NONE", ""))
        file.writeframes(y.tobytes())
    return path


def write_mp3(path: Path, y: NDArray[np.int16]) -> Path:
    wav = write_wav(path.with_suffix(".tmp"), y)
    command = [audio.ffmpeg_exe(), "-v", "error", "-f", "wav", "-i", str(wav), "-b:a", "128k"]
    subprocess.run([*command, str(path)], check=True)
    wav.unlink()
    return path


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "home" / "library.db") as library:
        yield library


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    for n, name in enumerate(["a.wav", "b/c.wav", "b/d 'x'; \udcff\n.wav"]):
        write_wav(folder / name, noise(3 + 8 * n, seed=n))
    (folder / "cover.jpg").write_bytes(b"no sound")
    return folder


def no_work(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def unexpected(path: Path, **_: object) -> None:
        raise AssertionError(f"{path} was opened")

    for name in names:
        monkeypatch.setattr(audio, name, unexpected)


def figures(report: ScanReport) -> tuple[int, int, int, int]:
    return report.n_seen, report.n_unchanged, report.n_known, report.n_analysed


def state(library: Library) -> dict[Path, tuple[str, float, bytes]]:
    tracks = library.tracks("band means")
    features = library.features([track.id for track in tracks], "band means")
    return {
        track.path: (track.content_hash, track.duration_s, values.tobytes())
        for track, (_, values) in zip(tracks, features, strict=True)
    }


# What a scan writes -------------------------------------------------------------------------------


def test_fills_the_library_with_the_features_of_every_file(library: Library, music: Path) -> None:
    report = scan(library, [music], BandMeans(), jobs=2)
    assert figures(report) == (3, 0, 0, 3)
    assert report.failures == report.warnings == ()
    tracks = library.tracks("band means", [music])
    assert [track.path for track in tracks] == sorted(music.rglob("*.wav"), key=os.fsencode)
    assert [track.n_fragments for track in tracks] == [1, 1, 2]
    assert [track.duration_s for track in tracks] == [3, 11, 19]
    ids = [track.id for track in tracks]
    for n, (_, values) in enumerate(library.features(ids, "band means")):
        fragments = spectrogram.transform(noise(3 + 8 * n, seed=n), SpectrogramParams())
        assert_kept(values, BandMeans()(fragments))


def test_the_number_of_jobs_changes_nothing(tmp_path: Path, music: Path) -> None:
    states = []
    for jobs in (1, 3):
        with Library.open(tmp_path / f"{jobs}.db") as library:
            scan(library, [music], BandMeans(), jobs=jobs)
            states.append(state(library))
    assert states[0] == states[1]
    assert len(states[0]) == 3


def test_a_long_file_needs_little_memory(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = noise(1, seed=0)

    def ten_minutes(_: Path, *, sr: int) -> Iterator[NDArray[np.int16]]:
        assert sr == SR
        return (block for _ in range(600))

    path = write_wav(tmp_path / "long.wav", block)
    monkeypatch.setattr(audio, "blocks", ten_minutes)
    tracemalloc.start()
    try:
        report = scan(library, [path], BandMeans(), jobs=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.n_analysed == 1
    assert library.tracks("band means")[0].n_fragments == 75
    assert peak < 10e6  # measured: 1.1 to 3.0 MB; the samples alone are 53 MB


def test_reports_progress(library: Library, music: Path) -> None:
    seen: list[Progress] = []
    scan(library, [music / "a.wav"], BandMeans(), jobs=1)
    (music / "bad.mp3").write_bytes(b"no sound at all")
    scan(library, [music], BandMeans(), jobs=2, on_progress=seen.append)
    assert [(p.n_done, p.n_total) for p in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert seen[0].path is None
    assert {p.path for p in seen[1:]} == {*music.rglob("b/*.wav"), music / "bad.mp3"}
    assert seen[-1].n_failed == 1


# What is not done again ---------------------------------------------------------------------------


def test_a_second_scan_only_looks(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(library, [music], BandMeans(), jobs=2)
    before = state(library)
    no_work(monkeypatch, "blocks", "content_hash", "read_tags")
    report = scan(library, [music], BandMeans(), jobs=2)
    assert figures(report) == (3, 3, 0, 0)
    assert state(library) == before


def test_moved_and_copied_files_are_not_decoded(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(library, [music], BandMeans(), jobs=2)
    (music / "a.wav").rename(music / "z.wav")
    shutil.copy(music / "z.wav", music / "zz.wav")
    no_work(monkeypatch, "blocks")
    report = scan(library, [music], BandMeans(), jobs=2)
    assert figures(report) == (4, 2, 2, 0)
    assert (report.n_moved, report.n_copied, report.n_gone) == (1, 1, 0)
    counts = library.counts()
    assert (counts.n_tracks, counts.n_files) == (3, 4)
    assert [t.path.name for t in library.tracks("band means")][-1] == "z.wav"


def test_new_copies_are_decoded_once(library: Library, tmp_path: Path) -> None:
    first = write_wav(tmp_path / "m/0.wav", noise(9, seed=0))
    for n in range(1, 6):
        shutil.copy(first, tmp_path / f"m/{n}.wav")
    report = scan(library, [tmp_path / "m"], BandMeans(), jobs=3)
    assert figures(report) == (6, 0, 5, 1)
    assert library.counts().n_tracks == 1


def test_retagged_files_are_not_decoded(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_mp3(tmp_path / "a.mp3", noise(9, seed=0))
    scan(library, [path], BandMeans(), jobs=1)
    before = library.tracks("band means")
    assert before[0].artist is None
    tags = mutagen.File(path, easy=True)
    tags.update({"artist": "New", "title": "Names", "genre": "Polka"})
    tags.save()
    no_work(monkeypatch, "blocks")
    report = scan(library, [path], BandMeans(), jobs=1)
    assert figures(report) == (1, 0, 1, 0)
    (after,) = library.tracks("band means")
    assert (after.artist, after.title) == ("New", "Names")
    assert (after.id, after.content_hash) == (before[0].id, before[0].content_hash)


def test_changed_sound_is_analysed_again(library: Library, music: Path) -> None:
    scan(library, [music], BandMeans(), jobs=1)
    before = state(library)
    write_wav(music / "a.wav", noise(3, seed=99))  # of the same size
    assert figures(scan(library, [music], BandMeans(), jobs=1)) == (3, 2, 0, 1)
    after = state(library)
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {music / "a.wav"}


def test_another_fingerprint_is_another_analysis(library: Library, music: Path) -> None:
    scan(library, [music], BandMeans(), jobs=1)
    other = BandMeans(SpectrogramParams(window="hann"), "hann")
    assert figures(scan(library, [music], other, jobs=1)) == (3, 0, 0, 3)
    assert library.counts().n_analysed == {"band means": 3, "hann": 3}
    assert figures(scan(library, [music], BandMeans(), jobs=1)) == (3, 3, 0, 0)


def test_links_are_resolved_when_given_and_kept_when_found(
    library: Library, music: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(music)
    (music / "e.wav").symlink_to(write_wav(tmp_path / "elsewhere.wav", noise(1, seed=9)))
    scan(library, [tmp_path / "link"], BandMeans(), jobs=1)
    for root in (music, tmp_path / "link"):
        found = {track.path for track in library.tracks("band means", [root])}
        assert found == set(music.rglob("*.wav"))


# What goes wrong ----------------------------------------------------------------------------------


def test_one_bad_file_costs_one_file(library: Library, music: Path) -> None:
    (music / "bad.mp3").write_bytes(b"no sound at all")
    (music / "empty.flac").touch()
    (music / "link.mp3").symlink_to("nowhere.mp3")
    os.mkfifo(music / "pipe.ogg")
    write_wav(music / "short.wav", noise(0.05, seed=0))
    report = scan(library, [music], BandMeans(), jobs=2)
    assert figures(report) == (8, 0, 0, 3)
    reasons = {path.name: reason for path, reason in report.failures}
    assert "not an audio file" in reasons["bad.mp3"]
    assert "empty" in reasons["empty.flac"]
    assert "points to nothing" in reasons["link.mp3"]
    assert "not a regular file" in reasons["pipe.ogg"]
    assert "too short" in reasons["short.wav"]
    assert not any(str(music) in reason for reason in reasons.values())
    assert [(f.path, f.reason) for f in library.failures()] == list(report.failures)
    assert len(library.tracks("band means")) == 3


def test_what_failed_is_tried_again_only_if_changed_or_asked_for(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"no sound at all")
    first = scan(library, [path], BandMeans(), jobs=1)
    with monkeypatch.context() as patch:
        no_work(patch, "content_hash")
        again = scan(library, [path], BandMeans(), jobs=1)
        assert again == first
        assert len(again.failures) == 1
        with pytest.raises(AssertionError, match="was opened"):
            scan(library, [path], BandMeans(), jobs=1, retry_failed=True)
    write_wav(path, noise(1, seed=0))
    repaired = scan(library, [path], BandMeans(), jobs=1)
    assert (repaired.failures, repaired.n_analysed) == ((), 1)
    assert library.failures() == []


def test_what_may_pass_is_tried_every_time(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    path = write_wav(tmp_path / "a.wav", noise(1, seed=0))
    with monkeypatch.context() as patch:
        patch.setattr(audio, "content_hash", denied)
        ((failed, reason),) = scan(library, [path], BandMeans(), jobs=1).failures
        assert (failed, "Permission denied" in reason) == (path, True)
    assert scan(library, [path], BandMeans(), jobs=1).n_analysed == 1


def test_damaged_tags_cost_only_the_tags(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(*_: object, **__: object) -> None:
        raise struct.error("unpack requires a buffer of 11 bytes")

    monkeypatch.setattr(mutagen, "File", breaking)
    report = scan(library, [music], BandMeans(), jobs=2)
    assert (report.n_analysed, report.failures) == (3, ())


def test_a_playlist_that_is_named_is_refused(library: Library, music: Path) -> None:
    (music / "list.m3u8").write_text("a.wav\n")
    with pytest.raises(RecommenderError, match=r"list\.m3u8: is a playlist.*build a profile"):
        scan(library, [music, music / "list.m3u8"], BandMeans(), jobs=1)
    assert library.failures() == []
    assert figures(scan(library, [music], BandMeans(), jobs=1)) == (3, 0, 0, 3)


def test_without_ffmpeg_no_file_is_to_blame(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(library, [music / "a.wav"], BandMeans(), jobs=1)
    audio.ffmpeg_exe.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(libav, "is_available", lambda: False)
    with pytest.raises(RecommenderError, match="there is no ffmpeg; install it"):
        scan(library, [music], BandMeans(), jobs=2)
    assert library.failures() == []
    assert figures(scan(library, [music / "a.wav"], BandMeans(), jobs=1)) == (1, 1, 0, 0)


def test_what_needs_ffmpeg_fails_alone_where_there_is_none(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio.ffmpeg_exe.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    report = scan(library, [music], BandMeans(), jobs=2)
    assert report.n_analysed == 2
    ((path, reason),) = report.failures
    assert "\udcff" in path.name  # PyAV takes no such name
    assert reason.startswith("there is no ffmpeg; install it")
    monkeypatch.undo()
    assert scan(library, [music], BandMeans(), jobs=2, retry_failed=True).failures == ()


def test_a_file_that_vanishes_meanwhile(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(music / "a.wav", music / "copy.wav")
    hash_first = audio.content_hash

    def vanishing(path: Path) -> str:
        content_hash = hash_first(path)
        if path.name == "a.wav":
            path.unlink()
        return content_hash

    monkeypatch.setattr(audio, "content_hash", vanishing)
    report = scan(library, [music], BandMeans(), jobs=1)
    # Its copy is decoded in its place.
    assert (report.n_analysed, len(report.failures)) == (3, 1)
    assert report.failures[0] == (music / "a.wav", "there is no such file")
    assert scan(library, [music], BandMeans(), jobs=1).failures == ()  # gone is gone
    assert library.failures() == []


def test_a_folder_that_cannot_be_read(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(library, [music], BandMeans(), jobs=1)
    really_scan = os.scandir

    def denied(path: str) -> object:  # permissions do not bind root
        if Path(path) == music / "b":
            raise PermissionError(13, "Permission denied", path)
        return really_scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", denied)
        report = scan(library, [music], BandMeans(), jobs=1)
    assert figures(report) == (1, 1, 0, 0)
    assert report.failures == ((music / "b", "the folder cannot be read (Permission denied)"),)
    assert report.n_gone == 0  # out of sight is not gone
    report = scan(library, [music], BandMeans(), jobs=1)
    assert (figures(report), report.failures) == ((3, 3, 0, 0), ())


def test_refuses_paths_that_do_not_exist(library: Library, tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    for name in ("nowhere", "circle"):
        with pytest.raises(RecommenderError, match=f"{name}.*name folders and files that exist"):
            scan(library, [tmp_path, tmp_path / name], BandMeans(), jobs=1)
    with pytest.raises(ParameterError, match="jobs"):
        scan(library, [tmp_path], BandMeans(), jobs=0)


def test_says_when_a_file_is_cut_off(library: Library, tmp_path: Path) -> None:
    path = write_mp3(tmp_path / "a.mp3", noise(20, seed=0))
    whole = scan(library, [path], BandMeans(), jobs=1)
    assert whole.warnings == ()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    ((warned, warning),) = scan(library, [path], BandMeans(), jobs=1).warnings
    assert warned == path
    assert warning == "only 10 of 20 s could be decoded: the file seems to be cut off"
    assert scan(library, [path], BandMeans(), jobs=1).warnings == ((path, warning),)
    assert library.warnings() == [(path, warning)]


class _Wide(BandMeans):
    def __call__(self, fragments: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.repeat(fragments.mean(axis=1), 100, axis=1)


def test_a_library_that_cannot_be_written_ends_the_scan(library: Library, music: Path) -> None:
    scan(library, [music / "a.wav"], BandMeans(), jobs=1)
    (n_pages,) = library._connection.execute("PRAGMA page_count").fetchone()
    library._connection.execute(f"PRAGMA max_page_count = {n_pages}")
    n_threads = threading.active_count()
    with pytest.raises(LibraryError, match="full"):
        scan(library, [music], _Wide(), jobs=2)
    assert threading.active_count() == n_threads
    assert len(library.tracks("band means")) == 1


def test_ctrl_c_ends_promptly_and_keeps_what_is_done(
    library: Library, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = audio.blocks
    begun, ended = threading.Event(), threading.Event()

    def endless(path: Path, *, sr: int) -> Iterator[NDArray[np.int16]]:
        if path.name == "a.wav":
            yield from decode(path, sr=sr)
            return
        try:
            begun.set()
            while True:
                yield noise(0.1, seed=0)
        finally:
            ended.set()

    def interrupt_soon(progress: Progress) -> None:
        if progress.path == music / "a.wav":
            begun.wait(10)
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    monkeypatch.setattr(audio, "blocks", endless)
    with pytest.raises(KeyboardInterrupt):  # without an end to the decoding, it would not return
        scan(library, [music], BandMeans(), jobs=2, on_progress=interrupt_soon)
    assert ended.is_set()
    assert [track.path for track in library.tracks("band means")] == [music / "a.wav"]
    monkeypatch.undo()
    assert figures(scan(library, [music], BandMeans(), jobs=2)) == (3, 1, 0, 2)

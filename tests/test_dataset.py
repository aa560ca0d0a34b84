import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender import dataset, spectrogram
from recommender.dataset import BuildReport, Dataset, DatasetParams, manifest, storage
from recommender.errors import DatasetError, ParameterError
from recommender.parameters import SpectrogramParams, fingerprint
from test_audio import encode, noise

SPECTROGRAM = SpectrogramParams(n_frames=8, n_mels=20)  # fragments of a second
TRACKS = DatasetParams(kind="tracks", spectrogram=SPECTROGRAM)
GENRES = DatasetParams(kind="genres", spectrogram=SPECTROGRAM, fragments_per_track=3)
KINDS = [TRACKS, GENRES]
SR = 44_100
ODD = "ska/\udcff 'x'; \n.wav"  # a name that is not UTF-8
SECONDS = {"jazz/a.wav": 4.5, "jazz/b.flac": 2.2, "jazz/deep/c.wav": 0.5, ODD: 5.0}


def sound(source: str) -> NDArray[np.int16]:
    seed = int.from_bytes(hashlib.sha256(os.fsencode(source)).digest()[:4])
    return noise(round(SECONDS[source] * SR), seed=seed)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for source in SECONDS:
        encode(folder / source, sound(source))
    (folder / "jazz/cover.jpg").write_bytes(b"no sound")
    return folder


@pytest.fixture
def music(originals: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals, tmp_path / "music"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "deep/out"


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        os.path.relpath(path, folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def worked(music: Path, out: Path, params: DatasetParams, **options: Any) -> list[str]:
    """Sources that a build decoded."""
    sources: list[str] = []
    dataset.build(music, out, params, on_track=lambda *step: sources.append(step[2]), **options)
    return sources


def change(path: Path, y: NDArray[np.int16]) -> None:
    encode(path, y)
    os.utime(path, ns=(1, 1))


# What is built ------------------------------------------------------------------------------------


def test_a_file_a_track_holds_all_its_fragments(music: Path, out: Path) -> None:
    report = dataset.build(music, out, TRACKS)
    assert report == BuildReport(
        n_tracks=4, n_reused=0, n_fragments=4 + 2 + 1 + 5, n_files=4, failures=()
    )
    found = contents(out)
    assert set(found) == {"manifest.json", *(f"{source}.bin" for source in SECONDS)}
    for source in SECONDS:
        expected = spectrogram.transform(sound(source), SPECTROGRAM)
        assert found[f"{source}.bin"] == expected.astype("<f4").tobytes()


def test_a_file_a_genre_holds_random_fragments_of_its_tracks(music: Path, out: Path) -> None:
    report = dataset.build(music, out, GENRES)
    assert (report.n_tracks, report.n_files, report.n_fragments) == (4, 2, 3 + 3 + 1 + 3)
    assert set(contents(out)) == {"manifest.json", "jazz.bin", "ska.bin"}
    read = dataset.read(out)
    jazz, ska = read.files
    assert [piece.source for piece in jazz.pieces] == [
        "jazz/a.wav",
        "jazz/b.flac",
        "jazz/deep/c.wav",
    ]
    assert [piece.source for piece in ska.pieces] == [ODD]
    for file in read.files:
        fragments = iter(read.load(file))
        for piece in file.pieces:
            y = sound(piece.source)
            assert all(0 <= o <= max(0, len(y) - SPECTROGRAM.window_length) for o in piece.offsets)
            for offset in piece.offsets:
                window = y[offset : offset + SPECTROGRAM.window_length]
                expected = spectrogram.transform(window, SPECTROGRAM)[0]
                np.testing.assert_array_equal(next(fragments), expected)
        assert next(fragments, None) is None


def test_the_manifest_tells_all(music: Path, out: Path) -> None:
    params = dataclasses.replace(GENRES, seed=7)
    dataset.build(music, out, params)
    written = json.loads((out / "manifest.json").read_bytes())
    assert written["kind"] == "genres"
    assert (written["dtype"], written["shape"]) == ("<f4", [8, 20])
    assert written["parameters"] == dataclasses.asdict(SPECTROGRAM)
    assert written["fingerprint"] == fingerprint(params)
    assert (written["seed"], written["fragments_per_track"]) == (7, 3)
    assert written["failures"] == []
    assert [file["file"] for file in written["files"]] == ["jazz.bin", "ska.bin"]
    for file in written["files"]:
        content = (out / file["file"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["count"] == len(content) / (8 * 20 * 4)
        assert file["count"] == sum(len(track["offsets"]) for track in file["tracks"])
        start = 0
        for track in file["tracks"]:
            status = (music / track["source"]).stat()
            assert (track["size"], track["mtime_ns"]) == (status.st_size, status.st_mtime_ns)
            end = start + len(track["offsets"]) * 8 * 20 * 4
            assert track["sha256"] == hashlib.sha256(content[start:end]).hexdigest()
            start = end


def test_offsets_of_a_tracks_fragments(music: Path, out: Path) -> None:
    dataset.build(music, out, TRACKS)
    for file in dataset.read(out).files:
        (piece,) = file.pieces
        assert piece.offsets == tuple(range(0, file.count * SR, SR))


def test_what_is_read_is_what_was_built(music: Path, out: Path) -> None:
    dataset.build(music, out, TRACKS)
    read = dataset.read(out)
    assert (read.folder, read.params, read.failures) == (out, TRACKS, ())
    assert [file.name for file in read.files] == [f"{source}.bin" for source in SECONDS]
    first = read.load(read.files[0])
    assert first.shape == (4, 8, 20)
    assert first.dtype == np.float32
    assert not first.flags.writeable
    assert -1 <= first.min() < first.max() <= 1


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_the_number_of_jobs_changes_nothing(
    music: Path, tmp_path: Path, params: DatasetParams
) -> None:
    for jobs in (1, 4):
        dataset.build(music, tmp_path / str(jobs), params, jobs=jobs)
    assert contents(tmp_path / "1") == contents(tmp_path / "4")


def test_the_seed_chooses_the_offsets(music: Path, tmp_path: Path) -> None:
    built = {}
    for name, seed in {"a": 0, "b": 0, "c": 1}.items():
        dataset.build(music, tmp_path / name, dataclasses.replace(GENRES, seed=seed))
        built[name] = (tmp_path / name / "jazz.bin").read_bytes()
    assert built["a"] == built["b"] != built["c"]


def test_a_tracks_offsets_depend_on_no_other_track(music: Path, tmp_path: Path) -> None:
    def offsets(name: str) -> dict[str, tuple[int, ...]]:
        dataset.build(music, tmp_path / name, GENRES)
        files = dataset.read(tmp_path / name).files
        return {piece.source: piece.offsets for file in files for piece in file.pieces}

    before = offsets("before")
    (music / "jazz/a.wav").unlink()
    assert offsets("after") == {s: o for s, o in before.items() if s != "jazz/a.wav"}
    assert len(set(before.values())) == len(before)


# Building again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
@pytest.mark.parametrize("jobs", [1, 2])
def test_goes_on_after_an_interruption(
    music: Path, tmp_path: Path, params: DatasetParams, jobs: int
) -> None:
    dataset.build(music, tmp_path / "whole", params)
    out = tmp_path / "interrupted"

    def interrupt(done: int, *_: object) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset.build(music, out, params, jobs=jobs, on_track=interrupt)
    with pytest.raises(DatasetError, match="not a finished dataset"):
        dataset.read(out)
    with open(out / ".progress.jsonl", "ab") as journal:
        journal.write(b'{"source": "jazz/b.fl')  # as if killed while writing
    assert worked(music, out, params) == list(SECONDS)[2:]
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_a_journal_that_was_cut_off_twice(music: Path, out: Path, params: DatasetParams) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            dataset.build(music, out, params, on_track=interrupt)
        with open(out / ".progress.jsonl", "ab") as journal:
            journal.write(b'{"source": "jazz/')
    assert worked(music, out, params) == []


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_a_second_build_only_looks(music: Path, out: Path, params: DatasetParams) -> None:
    first = dataset.build(music, out, params)
    before = contents(out)
    second = dataset.build(music, out, params, on_track=lambda *_: pytest.fail("decoded"))
    assert second == dataclasses.replace(first, n_reused=4)
    assert contents(out) == before


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_what_changed_is_built_again(music: Path, tmp_path: Path, params: DatasetParams) -> None:
    out = tmp_path / "out"
    dataset.build(music, out, params)
    change(music / ODD, sound("jazz/a.wav"))
    assert worked(music, out, params) == [ODD]
    dataset.build(music, tmp_path / "fresh", params)
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_what_was_added_is_built(music: Path, tmp_path: Path, params: DatasetParams) -> None:
    out = tmp_path / "out"
    dataset.build(music, out, params)
    encode(music / "jazz/aa.wav", noise(SR))
    encode(music / "rock/a.wav", noise(SR))
    dataset.build(music, out, params)
    dataset.build(music, tmp_path / "fresh", params)
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_what_was_removed_is_removed(music: Path, tmp_path: Path, params: DatasetParams) -> None:
    out = tmp_path / "out"
    dataset.build(music, out, params)
    (music / ODD).unlink()
    assert worked(music, out, params) == []
    dataset.build(music, tmp_path / "fresh", params)
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_what_was_lost_is_built_again(music: Path, out: Path, params: DatasetParams) -> None:
    dataset.build(music, out, params)
    before = contents(out)
    victims = sorted(out.rglob("*.bin"))[:2]
    victims[0].unlink()
    victims[1].write_bytes(victims[1].read_bytes()[:-4])
    dataset.build(music, out, params)
    assert contents(out) == before


def test_a_source_that_breaks_takes_its_file_with_it(music: Path, out: Path) -> None:
    dataset.build(music, out, TRACKS)
    (music / "jazz/a.wav").write_bytes(b"no sound")
    report = dataset.build(music, out, TRACKS)
    assert [source for source, _ in report.failures] == ["jazz/a.wav"]
    assert not (out / "jazz/a.wav.bin").exists()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tracks whose sound is asked for."""
    names: list[str] = []

    def counted(function: Any) -> Any:
        def count(path: Path, *args: Any) -> Any:
            names.append(path.name)
            return function(path, *args)

        return count

    monkeypatch.setattr(spectrogram, "fragments", counted(spectrogram.fragments))
    monkeypatch.setattr(spectrogram, "random_fragments", counted(spectrogram.random_fragments))
    return names


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_a_broken_track_has_no_other_decoded_again(
    music: Path, out: Path, params: DatasetParams, decoded: list[str]
) -> None:
    (music / "jazz/bad.wav").write_bytes(b"no sound")
    first = dataset.build(music, out, params)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    decoded.clear()
    assert dataset.build(music, out, params) == dataclasses.replace(first, n_reused=4)
    assert decoded == ["bad.wav"]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
@pytest.mark.parametrize("what", ["added", "changed", "removed", "broken"])
def test_a_track_has_no_other_decoded_again(
    music: Path, tmp_path: Path, params: DatasetParams, decoded: list[str], what: str
) -> None:
    out, b = tmp_path / "out", music / "jazz/b.flac"
    dataset.build(music, out, params)
    decoded.clear()
    if what == "added":
        encode(music / "jazz/aa.wav", noise(2 * SR))
    elif what == "changed":
        change(b, noise(3 * SR))
    elif what == "removed":
        b.unlink()
    else:
        b.write_bytes(b"no sound")
    dataset.build(music, out, params)
    assert decoded == {"added": ["aa.wav"], "removed": []}.get(what, ["b.flac"])
    dataset.build(music, tmp_path / "fresh", params)
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.parametrize("block", [1, 1000, 1 << 30])
def test_slices_are_copied_in_blocks(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    params = dataclasses.replace(GENRES, fragments_per_track=1)
    dataset.build(music, tmp_path / "out", params)
    (music / "jazz/a.wav").unlink()
    monkeypatch.setattr(storage, "_BLOCK", block)
    dataset.build(music, tmp_path / "out", params)
    dataset.build(music, tmp_path / "fresh", params)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_damaged_bytes_are_not_passed_on(music: Path, out: Path) -> None:
    dataset.build(music, out, GENRES)
    (music / "jazz/a.wav").unlink()
    content = bytearray((out / "jazz.bin").read_bytes())
    content[-1] ^= 1
    (out / "jazz.bin").write_bytes(content)
    with pytest.raises(DatasetError, match=r"jazz\.bin: damaged; delete it and build again"):
        dataset.build(music, out, GENRES)
    (out / "jazz.bin").unlink()
    assert worked(music, out, GENRES) == ["jazz/b.flac", "jazz/deep/c.wav"]


def update(music: Path) -> None:
    """Change a track (of the same length), add one in a new folder, and remove a folder's only."""
    change(music / "jazz/a.wav", noise(round(4.5 * SR), seed=99))
    encode(music / "rock/a.wav", noise(SR))
    (music / ODD).unlink()


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_an_interrupted_update_leaves_the_dataset_that_was(
    music: Path, tmp_path: Path, params: DatasetParams
) -> None:
    out = tmp_path / "out"
    dataset.build(music, out, params)
    before = contents(out)

    def interrupt(_: int, __: int, source: str) -> None:
        if source == "rock/a.wav":  # the last
            raise KeyboardInterrupt

    update(music)
    with pytest.raises(KeyboardInterrupt):
        dataset.build(music, out, params, on_track=interrupt)
    assert before.items() <= contents(out).items()
    assert worked(music, out, params) == []
    dataset.build(music, tmp_path / "fresh", params)
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_killed_before_the_manifest_is_written(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: DatasetParams
) -> None:
    def kill(_: Dataset) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    dataset.build(music, out, params)
    update(music)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(manifest, "write", kill)
        dataset.build(music, out, params)
    assert not (out / "manifest.json").exists()
    assert worked(music, out, params) == []
    dataset.build(music, tmp_path / "fresh", params)
    assert contents(out) == contents(tmp_path / "fresh")


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
@pytest.mark.parametrize("n_steps", [0, 1, 2])
@pytest.mark.parametrize("back", [False, True])
def test_killed_while_files_are_replaced(
    music: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    params: DatasetParams,
    n_steps: int,
    back: bool,
) -> None:
    """A file is removed, two are replaced; then the music is as it was, or changes once more."""
    out, left = tmp_path / "out", n_steps
    shutil.copytree(music, tmp_path / "was")
    dataset.build(music, out, params)

    def killed(function: Any) -> Any:
        def step(path: Path, *args: Any, **options: Any) -> Any:
            nonlocal left
            changed = args[0] if args else path
            if changed.suffix == ".bin" and changed.parent.name != ".parts":
                if left == 0:
                    raise KeyboardInterrupt
                left -= 1
            return function(path, *args, **options)

        return step

    update(music)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", killed(Path.unlink))
        patch.setattr(Path, "replace", killed(Path.replace))
        dataset.build(music, out, params)
    assert not (out / "manifest.json").exists()
    if back:
        shutil.rmtree(music)
        shutil.copytree(tmp_path / "was", music)
    else:
        (music / "jazz/b.flac").unlink()
    # Of what there was before, only what has been removed or replaced is lost.
    lost = [[], [ODD], ["jazz/a.wav", ODD]][n_steps] if back else []
    assert worked(music, out, params) == lost
    dataset.build(music, tmp_path / "fresh", params)
    assert contents(out) == contents(tmp_path / "fresh")


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("params", KINDS, ids=lambda p: p.kind)
def test_one_bad_file_costs_one_file(music: Path, out: Path, params: DatasetParams) -> None:
    (music / "jazz/aa.wav").write_bytes(b"no sound")
    encode(music / "jazz/short.wav", noise(100))
    (music / "ska/gone.mp3").symlink_to(music / "nowhere")
    report = dataset.build(music, out, params, jobs=2)
    assert report.n_tracks == 4
    reasons = dict(report.failures)
    assert set(reasons) == {"jazz/aa.wav", "jazz/short.wav", "ska/gone.mp3"}
    assert "not an audio file" in reasons["jazz/aa.wav"]
    assert "too short" in reasons["jazz/short.wav"]
    assert dataset.read(out).failures == report.failures
    (music / "jazz/aa.wav").unlink()
    encode(music / "jazz/aa.wav", noise(SR))
    assert "jazz/aa.wav" in worked(music, out, params)  # mended: tried again
    assert len(dataset.read(out).failures) == 2


def test_a_genre_without_any_sound_has_no_file(music: Path, out: Path) -> None:
    (music / "rock").mkdir()
    (music / "rock/a.wav").write_bytes(b"no sound")
    dataset.build(music, out, GENRES)
    assert [file.name for file in dataset.read(out).files] == ["jazz.bin", "ska.bin"]


def test_tracks_outside_of_genre_folders_are_told(music: Path, out: Path) -> None:
    encode(music / "loose.wav", noise(SR))
    report = dataset.build(music, out, GENRES)
    assert report.failures == (("loose.wav", "not in a genre's folder"),)
    assert dataset.read(out).failures == report.failures


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(TRACKS, spectrogram=dataclasses.replace(SPECTROGRAM, window="hann")),
        GENRES,
        dataclasses.replace(TRACKS, seed=1),
    ],
    ids=["spectrogram", "kind", "seed"],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_way_of_making_needs_another_folder(
    music: Path, out: Path, other: DatasetParams, finished: bool
) -> None:
    def interrupt(*_: object) -> None:
        if not finished:
            raise KeyboardInterrupt

    try:
        dataset.build(music, out, TRACKS, on_track=interrupt)
    except KeyboardInterrupt:
        assert not finished
    before = contents(out)
    with pytest.raises(DatasetError, match="made with other parameters; name another folder"):
        dataset.build(music, out, other)
    assert contents(out) == before


def test_a_folder_that_holds_something_else(music: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").touch()
    with pytest.raises(DatasetError, match="is not empty and not a dataset"):
        dataset.build(music, tmp_path / "out", TRACKS)
    assert list(contents(tmp_path / "out")) == ["thesis.tex"]


@pytest.mark.parametrize("kind", ["tracks", "genres"])
def test_no_music(tmp_path: Path, kind: Literal["tracks", "genres"]) -> None:
    params = dataclasses.replace(TRACKS, kind=kind)
    with pytest.raises(DatasetError, match="there is no such folder"):
        dataset.build(tmp_path / "missing", tmp_path / "out", params)
    (tmp_path / "music").mkdir()
    if kind == "genres":
        encode(tmp_path / "music/loose.wav", noise(SR))
    with pytest.raises(DatasetError, match="there are no audio files"):
        dataset.build(tmp_path / "music", tmp_path / "out", params)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [{"kind": "albums"}, {"fragments_per_track": 0}])
def test_parameters_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        DatasetParams(**{"kind": "tracks", "spectrogram": SPECTROGRAM, **wrong})


def manifest_of(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "manifest.json").read_bytes()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has format 2, not 1"),
        ({"kind": "albums"}, "unknown kind of dataset"),
        ({"parameters": {"sr": 0}}, "sr must be positive"),
        ({"files": [{}]}, "cannot be read"),
        ({"files": [{"file": "a/../../b", "sha256": "", "tracks": []}]}, "outside of the folder"),
        ({"files": [{"file": "/b", "sha256": "", "tracks": []}]}, "outside of the folder"),
        ({"failures": 3}, "cannot be read"),
    ],
)
def test_manifests_that_do_not_fit(
    music: Path, out: Path, change: dict[str, Any], message: str
) -> None:
    dataset.build(music, out, TRACKS)
    (out / "manifest.json").write_text(json.dumps(manifest_of(out) | change))
    with pytest.raises(DatasetError, match=message) as caught:
        dataset.read(out)
    assert "manifest.json" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b"\xff\xfe", b'{"format": 1'])
def test_a_manifest_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(DatasetError, match="build the dataset again"):
        dataset.read(tmp_path)


def test_a_file_that_was_cut_off(music: Path, out: Path) -> None:
    dataset.build(music, out, TRACKS)
    read: Dataset = dataset.read(out)
    path = out / read.files[0].name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"a\.wav\.bin: missing or damaged"):
        read.load(read.files[0])
    path.unlink()
    with pytest.raises(DatasetError, match=r"a\.wav\.bin: missing or damaged"):
        read.load(read.files[0])


def test_a_name_too_long_for_a_file_beside_it(music: Path, out: Path) -> None:
    name = "x" * 251 + ".wav"  # the longest there is
    shutil.copy(music / "jazz/a.wav", music / "jazz" / name)
    report = dataset.build(music, out, TRACKS)
    ((source, reason),) = report.failures
    assert source == f"jazz/{name}"
    assert "too long" in reason
    assert report.n_tracks == 4

"""Shards without a cluster: what is listed, written, taken over, and brought into a library."""

import dataclasses
import json
import os
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from commands import call, refused
from kills import Contents, contents
from recommender import cluster, distributed
from recommender.analysis import Options, scan
from recommender.distributed import extracting, rows
from recommender.distributed.listing import Listing, list_files
from recommender.distributed.places import locate
from recommender.distributed.resuming import survey
from recommender.distributed.scoring import _Best, _schema
from recommender.distributed.shards import Origin, Shards, open_shards, write_shard
from recommender.errors import DistributedError, RecommenderError
from recommender.library import Library
from recommender.preprocessor import Preprocessor
from test_analysis import BandMeans, noise, write_wav

SHEET = 'FILE "image.wav" WAVE\n' + "".join(
    f"  TRACK {n:02} AUDIO\n    INDEX 01 00:{9 * (n - 1):02}:00\n" for n in (1, 2)
)
EXTRACTOR = BandMeans()
ORIGIN = Origin(fingerprint=EXTRACTOR.fingerprint, spectrogram=EXTRACTOR.params, options=Options())


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    for n in range(5):
        write_wav(folder / f"{n % 2}" / f"{n}.wav", noise(9 + n, seed=n))
    write_wav(folder / "image.wav", noise(18, seed=9))
    (folder / "image.cue").write_text(SHEET)
    (folder / "bad.mp3").write_bytes(b"no music" * 100)
    (folder / "other.cue").write_bytes(b"\0")
    write_wav(folder / "quiet" / "a.wav", noise(9, seed=20))
    (folder / "quiet" / ".nomedia").touch()
    return folder


def outcomes(listing: Listing, options: Options = Options()) -> list[Any]:  # noqa: B008 (frozen)
    """Tables of what becomes of files, as the nodes of a cluster make them."""
    found = []
    for row in listing.table.to_pylist():
        if row["reason"] is None:
            outcome = extracting._outcome(row, listing.roots, EXTRACTOR, options)
            found.append(rows.table_of(row["path"], outcome))
        else:
            found.append(
                pa.Table.from_pylist([rows.failure(row["path"], row["reason"])], rows.schema())
            )
    return found


def make(out: Path, paths: Sequence[str | Path], n_each: int = 3) -> Shards:
    """Make shards in this process."""
    folder = locate(out)
    tables = outcomes(list_files(paths))
    shards = [
        write_shard(folder, pa.concat_tables(tables[i : i + n_each]), ORIGIN)
        for i in range(0, len(tables), n_each)
    ]
    made = Shards(place=folder, origin=ORIGIN, shards=tuple(shards))
    made.save()
    return made


def told(shards: Shards) -> list[dict[str, Any]]:
    found = [row for shard in shards.shards for row in shards.read(shard).to_pylist()]
    return sorted(found, key=lambda row: (row["path"], row["number"] or 0))


# Which files there are ----------------------------------------------------------------------------


def test_urls_are_listed_as_paths_are(music: Path) -> None:
    here = list_files([music]).table.to_pylist()
    by_url = list_files([music.as_uri()])
    names = {Path(os.fsdecode(row["path"])).name for row in here}
    assert names == {*(f"{n}.wav" for n in range(5)), "image.wav", "bad.mp3", "other.cue"}
    (image,) = (row for row in here if row["image"])
    assert Path(os.fsdecode(image["path"])).name == "image.wav"
    for row in here:
        row["path"] = b"file://" + row["path"]
        row["root"] = 0
    assert by_url.table.to_pylist() == here
    # A file that is named itself, and a file system that pyarrow itself does not know.
    for url in (f"{music.as_uri()}/image.wav", f"local://{music}/image.wav"):
        (row,) = (row for row in list_files([url]).table.to_pylist() if row["reason"] is None)
        assert (row["size"], row["mtime_ns"], row["image"]) == (
            image["size"],
            image["mtime_ns"],
            image["image"],
        )


def test_what_is_named_twice_is_listed_once(music: Path) -> None:
    once = list_files([music]).table
    assert list_files([music, music / "0", music / "image.wav"]).table.equals(once)


@pytest.mark.parametrize(
    "path", ["/there/is/nothing", "file:///there/is/nothing", "nonsense://a/b", "http://"]
)
def test_places_that_are_not_there(path: str) -> None:
    with pytest.raises(DistributedError, match=path.rstrip("/")):
        list_files([path])


def test_playlists_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.m3u8").touch()
    with pytest.raises(RecommenderError, match="is a playlist"):
        list_files([tmp_path / "a.m3u8"])


def test_files_that_are_fetched_give_what_files_here_give(music: Path) -> None:
    here, by_url = list_files([music]), list_files([music.as_uri()])
    for one, other in zip(outcomes(here), outcomes(by_url), strict=True):
        path = b"file://" + one["path"][0].as_py()
        paths = pa.array([path] * len(one), pa.binary())
        assert other.equals(one.set_column(0, "path", paths))


def test_a_file_that_vanishes_before_it_is_fetched(music: Path) -> None:
    listing = list_files([(music / "0").as_uri()])
    (music / "0" / "0.wav").unlink()
    first = outcomes(listing)[0].to_pylist()[0]
    assert first["status"] == "failed" and "cannot be fetched" in first["reason"]
    assert first["size"] is None


# Shards -------------------------------------------------------------------------------------------


def test_shards_are_named_by_their_content(tmp_path: Path, music: Path) -> None:
    shards = make(tmp_path / "out", [music])
    assert shards.shards == make(tmp_path / "again", [music]).shards
    assert shards.counts == {"n_rows": 9, "n_files": 8, "n_failed": 2}
    opened = open_shards(tmp_path / "out")
    assert told(opened) == told(shards)
    assert opened == dataclasses.replace(shards, place=opened.place)
    assert opened == open_shards((tmp_path / "out").as_uri()) or opened.shards == shards.shards


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(format=2), "its format is 2"),
        (lambda m: m.pop("fingerprint"), "fingerprint"),
        (lambda m: m["files"][0].update(name="../x.parquet"), "files that are no shards"),
        (lambda m: m["files"][0].pop("n_rows"), "n_rows"),
        (lambda m: m["spectrogram"].update(sr=-1), "sr"),
        (lambda m: m.update(files=3), "not iterable"),
    ],
)
def test_manifests_that_do_not_fit(tmp_path: Path, music: Path, change: Any, words: str) -> None:
    make(tmp_path / "out", [music / "0"])
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(DistributedError, match=words):
        open_shards(tmp_path / "out")


def test_folders_without_shards(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(DistributedError, match="holds no shards that are finished"):
            open_shards(place)


# A second run -------------------------------------------------------------------------------------


def again(out: Path, music: Path, **options: bool) -> tuple[list[str], Shards]:
    """Names of what a second run has to do, and what it takes over."""
    found = survey(locate(out), ORIGIN, list_files([music]).table, **options)
    todo = [Path(os.fsdecode(path)).name for path in found.todo["path"].to_pylist()]
    return todo, Shards(place=locate(out), origin=ORIGIN, shards=found.kept)


def test_a_second_run_has_nothing_to_do(tmp_path: Path, music: Path) -> None:
    shards = make(tmp_path / "out", [music])
    assert again(tmp_path / "empty", music)[0] == [
        Path(os.fsdecode(row["path"])).name for row in list_files([music]).table.to_pylist()
    ]
    todo, kept = again(tmp_path / "out", music)
    assert todo == []
    assert sorted(kept.shards, key=lambda s: s.name) == sorted(shards.shards, key=lambda s: s.name)
    # Also where the manifest was not written any more.
    (tmp_path / "out" / "manifest.json").unlink()
    assert again(tmp_path / "out", music)[0] == []


def test_what_has_changed_is_done_again(tmp_path: Path, music: Path) -> None:
    before = told(make(tmp_path / "out", [music]))
    write_wav(music / "0" / "2.wav", noise(12, seed=77))
    write_wav(music / "new.wav", noise(9, seed=78))
    (music / "image.cue").write_text(SHEET + "REM changed\n")
    (music / "1" / "1.wav").unlink()
    todo, kept = again(tmp_path / "out", music)
    assert todo == ["2.wav", "image.wav", "new.wav"]
    # What is there no more stays.
    left = [row for row in before if Path(os.fsdecode(row["path"])).name not in todo]
    assert told(kept) == left


def test_failures_that_need_not_last_are_tried_again(tmp_path: Path, music: Path) -> None:
    out = tmp_path / "out"
    folder = locate(out)
    unreadable = rows.failure(os.fsencode(music / "0" / "0.wav"), "cannot be read")
    write_shard(folder, pa.Table.from_pylist([unreadable], rows.schema()), ORIGIN)
    gone = rows.failure(os.fsencode(music / "was unreadable"), "the folder cannot be read")
    write_shard(folder, pa.Table.from_pylist([gone], rows.schema()), ORIGIN)
    todo, kept = again(out, music)
    assert "0.wav" in todo and len(todo) == 8
    assert kept.shards == ()
    make(out, [music])
    assert again(out, music)[0] == []
    assert again(out, music, retry_failed=True)[0] == ["bad.mp3"]


def test_what_two_shards_tell_counts_once(tmp_path: Path, music: Path) -> None:
    one = make(tmp_path / "out", [music], n_each=3)
    make(tmp_path / "out", [music], n_each=4)
    todo, kept = again(tmp_path / "out", music)
    assert todo == []
    assert told(kept) == told(one)


def test_shards_of_another_origin_are_refused(tmp_path: Path, music: Path) -> None:
    make(tmp_path / "out", [music])
    other = dataclasses.replace(ORIGIN, options=Options(fast=True))
    with pytest.raises(DistributedError, match="other options"):
        survey(locate(tmp_path / "out"), other, list_files([music]).table)


def test_a_damaged_shard_is_told(tmp_path: Path, music: Path) -> None:
    shards = make(tmp_path / "out", [music])
    path = tmp_path / "out" / shards.shards[0].name
    path.write_bytes(path.read_bytes()[:-20])
    for use in (lambda: again(tmp_path / "out", music), lambda: shards.read(shards.shards[0])):
        with pytest.raises(DistributedError, match="missing or damaged"):
            use()


# Into a library -----------------------------------------------------------------------------------


class StandIn(Preprocessor):
    """What the library asks of the preprocessor whose features these are."""

    @property
    def n_features(self) -> int:
        return 8


STAND_IN = StandIn(
    params=EXTRACTOR.params,
    tensors={},
    genres=(),
    provenance={},
    fingerprint=EXTRACTOR.fingerprint,
)


def bring(database: Path, shards: Shards, **options: Any) -> distributed.Imported:
    with Library.open(database) as library:
        return distributed.import_shards(library, shards, STAND_IN, **options)


def scanned(database: Path, music: Path, **options: Any) -> Contents:
    with Library.open(database) as library:
        scan(library, [music], EXTRACTOR, jobs=1, **options)
    return contents(database)


def test_an_import_is_like_a_scan(tmp_path: Path, music: Path) -> None:
    shards = make(tmp_path / "out", [music])
    expected = scanned(tmp_path / "scan.db", music)
    found = bring(tmp_path / "library.db", shards)
    assert (found.n_files, found.n_known, found.n_skipped) == (6, 0, 0)
    assert [path.name for path, _ in found.failures] == ["bad.mp3", "other.cue"]
    assert contents(tmp_path / "library.db") == expected
    assert bring(tmp_path / "library.db", shards).n_known == 6
    assert contents(tmp_path / "library.db") == expected
    assert scanned(tmp_path / "library.db", music) == expected


def test_an_interrupted_import_goes_on(tmp_path: Path, music: Path) -> None:
    shards = make(tmp_path / "out", [music])

    def interrupt(done: int, total: int) -> None:
        assert total == 3
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(tmp_path / "library.db", shards, on_shard=interrupt)
    found = bring(tmp_path / "library.db", shards)
    assert 0 < found.n_known < found.n_files
    assert contents(tmp_path / "library.db") == scanned(tmp_path / "scan.db", music)


def test_shards_made_elsewhere_are_found_here(tmp_path: Path, music: Path) -> None:
    shards = make(tmp_path / "out", [music.as_uri()])
    with pytest.raises(DistributedError, match=r"no path of this machine; .*--map OLD=NEW"):
        bring(tmp_path / "library.db", shards)
    elsewhere = tmp_path / "elsewhere"
    music.rename(elsewhere)
    moved = {"file:///": "/wrong", music.as_uri(): str(elsewhere)}
    bring(tmp_path / "library.db", shards, moved=moved)
    assert contents(tmp_path / "library.db") == scanned(tmp_path / "scan.db", elsewhere)


def test_what_the_library_knows_better_stays(tmp_path: Path, music: Path) -> None:
    expected = scanned(tmp_path / "library.db", music)
    failed = [
        pa.Table.from_pylist([rows.failure(path, "not there")], rows.schema())
        for path in list_files([music]).table["path"].to_pylist()
    ]
    folder = locate(tmp_path / "out")
    shard = write_shard(folder, pa.concat_tables(failed), ORIGIN)
    bring(tmp_path / "library.db", Shards(place=folder, origin=ORIGIN, shards=(shard,)))
    assert contents(tmp_path / "library.db") == expected


def test_damaged_shards_bring_nothing(tmp_path: Path, music: Path) -> None:
    shards = make(tmp_path / "out", [music], n_each=20)
    path = tmp_path / "out" / shards.shards[0].name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DistributedError, match="damaged"):
        bring(tmp_path / "library.db", shards)
    assert not contents(tmp_path / "library.db")["files"]


def test_features_of_another_length_are_refused(tmp_path: Path, music: Path) -> None:
    table = pa.concat_tables(outcomes(list_files([music / "0"])))
    cut = [value.as_py()[:-1] for value in table["values"]]
    table = table.set_column(table.column_names.index("values"), "values", pa.array(cut))
    folder = locate(tmp_path / "out")
    shards = Shards(place=folder, origin=ORIGIN, shards=(write_shard(folder, table, ORIGIN),))
    with pytest.raises(DistributedError, match="no features of 8 numbers"):
        bring(tmp_path / "library.db", shards)


def test_features_of_another_preprocessor_are_refused(tmp_path: Path, music: Path) -> None:
    shards = make(tmp_path / "out", [music])
    origin = dataclasses.replace(ORIGIN, fingerprint="other")
    with pytest.raises(DistributedError, match="another preprocessor"):
        bring(tmp_path / "library.db", dataclasses.replace(shards, origin=origin))


# The best of many shards --------------------------------------------------------------------------


def scores(*found: tuple[int, float, str, int]) -> pa.Table:
    """Rows of profile, score, path, and recording."""
    columns = [
        {"profile": i, "score": score, "path": path.encode(), "number": 0}
        | {"content_hash": bytes([recording]) * 32}
        for i, score, path, recording in found
    ]
    return pa.Table.from_pylist(columns, _schema())


def test_the_best_are_kept_in_the_order_of_scores_and_paths() -> None:
    best = _Best(3, 2)
    best.add(scores((0, 0.5, "c", 1), (0, 0.9, "z", 2), (1, 0.1, "x", 3)))
    best.add(scores((0, 0.5, "a", 4), (0, 0.5, "d", 5)))
    best.add(scores((0, 0.9, "b", 2), (1, 0.2, "y", 3)))  # the first file of 2
    best.add(scores((0, 0.5, "b", 6)))
    first, second = best.lists()
    assert [(s.score, s.path) for s in first] == [(0.9, "b"), (0.5, "a"), (0.5, "b")]
    assert [s.path for s in second] == ["y"]


# Ray ----------------------------------------------------------------------------------------------


class Pretended:
    """Stands for Ray: work is done when it is waited for."""

    def __init__(self) -> None:
        self.under_way: set[int] = set()
        self.most = 0

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def submit(self, item: int) -> int:
        self.under_way.add(item)
        self.most = max(self.most, len(self.under_way))
        return item

    def wait(self, references: Sequence[int]) -> None:
        self.under_way -= set(references)

    def cancel(self, reference: int) -> None:
        self.under_way.remove(reference)


def test_only_a_few_pieces_are_under_way() -> None:
    ray = Pretended()
    items = iter(range(1000))
    found = cluster.in_turn(ray, ray.submit, items)
    assert [next(found) for _ in range(500)] == [(i, i) for i in range(500)]
    assert ray.most == cluster.n_at_once(ray) == 4
    assert next(items) == 503  # the rest was not even asked for
    assert isinstance(found, Generator)
    found.close()
    assert not ray.under_way


def test_commands_without_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path, music: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    out = str(tmp_path / "out")
    for words in (
        ("library", "scan", music, "--engine", "ray"),
        ("dataset", "build", music, out, "--engine", "ray"),
        ("library", "extract", music, "-o", out),
    ):
        refused(call(*words), "pip install 'recommender[ray]'")
    assert not home.exists() and not Path(out).exists()


@pytest.mark.usefixtures("home")
def test_what_cannot_be(tmp_path: Path, music: Path) -> None:
    scan_it = ("library", "scan", music)
    refused(call(*scan_it, "--ray-address", "auto"), "--ray-address", "--engine ray")
    refused(call(*scan_it, "--engine", "ray", "--watch"), "--watch", "--engine")
    for address in ("127.0.0.1:1", "nonsense", "127.0.0.1", "ray://127.0.0.1:1"):
        answer = call(*scan_it, "--engine", "ray", "--ray-address", address)
        refused(answer, f"no Ray cluster answers at {address}", "HOST:PORT")
    refused(call("library", "import", tmp_path), "holds no shards that are finished")
    shards = make(tmp_path / "out", [music])
    refused(call("library", "import", shards.place.path), "band means", "neither shipped")
    refused(call("library", "import", tmp_path / "out", "--map", "a"), "OLD=NEW")
